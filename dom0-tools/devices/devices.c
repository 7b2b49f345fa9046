// SPDX-License-Identifier: GPL-2.0-only
/*
 * devices.c - the devices of a domain: the object, and what it waits for
 * (include/vmi/bus.h has the states, docs/io.md the parties; bus.c, slot.c and
 * back.c the parts).
 *
 * Attaching opens what the device needs, at once, and so fails at once; its back end is
 * started when the guest has said which memory it lends, and when that is ready
 * the guest is told. A successor after a kill finds in `dir` what it cannot ask
 * for: a device's slot and ports (.slots) and what was in flight (.state).
 *
 * Trust: the bus pages are the guest's: each value is read once, and checked. What it
 * can spoil by lying is its own devices.
 */
#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "saved.h"
#include "devices_int.h"

#define CLOSE_TIME	1000		/* ms: one that was killed ends at once, but for transfers of a slow disk */

struct devices *all_devices;

void devices_set_server(const char *path)
{
	broker_server = path;
}

int devices_keep_root(void)
{
	return broker_start();
}

void tell(struct devices *m, enum device_event what, const struct slot *s, const char *fmt, ...)
{
	char text[600];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	if (m->cfg.event)
		m->cfg.event(m->cfg.arg, what, s ? s->dev.name : "bus", text);
}

int watch(struct devices *m, int fd, uint32_t id)
{
	struct epoll_event e = { .events = EPOLLIN, .data.u32 = id };

	return epoll_ctl(m->epoll, EPOLL_CTL_ADD, fd, &e);
}

/* 0 is never. */
static uint64_t earlier(uint64_t a, uint64_t b)
{
	return !a || (b && b < a) ? b : a;
}

void devices_set_timer(struct devices *m)
{
	uint64_t next = m->windows_due, now = now_ns();

	for (unsigned int i = 0; i < VMI_BUS_SLOTS; i++) {
		const struct slot *s = &m->slot[i];

		if (s->phase == P_LEAVING)
			next = earlier(next, now + LEAVE_LOOK);
		if (s->phase == P_LEAVING || s->phase == P_ENDING)
			next = earlier(next, s->due);
		if (s->phase == P_LEAVING || s->phase == P_BACKOFF)
			next = earlier(next, s->start_at);
		if (s->pidfd >= 0)
			next = earlier(next, s->alive.look_at);
		if (s->server.pidfd >= 0)
			next = earlier(next, s->server.alive.look_at);
		if (s->net.pidfd >= 0)
			next = earlier(next, s->net.alive.look_at);
	}
	timerfd_settime(m->timer, TFD_TIMER_ABSTIME,
			&(struct itimerspec){ .it_value = { .tv_sec = next / SECOND, .tv_nsec = next % SECOND } }, NULL);
}

static void free_all(struct devices *m)
{
	struct devices **p = &all_devices;

	for (unsigned int i = 0; i < VMI_BUS_SLOTS; i++) {
		if (m->slot[i].phase != P_NONE) {
			slot_give_back(&m->slot[i]);
			device_free(&m->slot[i].dev);
		}
	}
	bus_drop_windows(m);
	if (m->bus)
		munmap(m->bus, PAGE);
	for (int i = 0, fds[] = { m->page_fd, m->bus_fd, m->timer, m->link_fd, m->epoll }; i < 5; i++) {
		if (fds[i] >= 0)
			close(fds[i]);
	}
	while (*p && *p != m)
		p = &(*p)->next;
	if (*p)
		*p = m->next;
	free(m->before);
	free(m->dir);
	free(m);
}

struct devices *devices_open(const struct devices_config *cfg, struct hv_error *err)
{
	struct devices *m = xcalloc(1, sizeof(*m));
	int rc;

	m->cfg = *cfg;
	m->dir = xstrdup(cfg->dir);
	if (cfg->resume && m->dir && !cfg->simulate)
		saved_load(m);
	m->epoll = m->timer = m->bus_fd = m->page_fd = m->link_fd = -1;
	for (unsigned int i = 0; i < VMI_BUS_WINDOWS; i++)
		m->window_fd[i] = -1;
	for (unsigned int i = 0; i < VMI_BUS_SLOTS; i++)
		slot_reset(&m->slot[i]);
	m->epoll = epoll_create1(EPOLL_CLOEXEC);
	m->timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	if (m->epoll < 0 || m->timer < 0 || watch(m, m->timer, WATCH_TIMER))
		rc = hv_fail(err, -errno, "cannot wait for devices: %s", strerror(errno));
	else
		rc = m->cfg.simulate ? 0 : bus_open(m, err);
	if (rc) {
		free_all(m);
		return NULL;
	}
	if (!m->cfg.simulate)
		m->link_fd = link_open(m);
	m->next = all_devices;
	all_devices = m;
	/* Serials of before are below. */
	m->serials = cfg->resume ? now_ns() : 0;
	return m;
}

void devices_close(struct devices *m)
{
	if (!m)
		return;
	for (unsigned int i = 0; i < VMI_BUS_SLOTS; i++) {
		if (m->slot[i].phase == P_NONE)
			continue;
		back_kill(&m->slot[i]);
		user_net_kill(&m->slot[i]);
		saved_forget(m->dir, m->cfg.uuid, i);
	}
	/* What they had open is free for the domain's next life. */
	for (unsigned int i = 0; i < VMI_BUS_SLOTS; i++) {
		pidfd_wait(m->slot[i].pidfd, CLOSE_TIME);
		pidfd_wait(m->slot[i].net.pidfd, CLOSE_TIME);
	}
	for (unsigned int i = 0; i < VMI_BUS_SLOTS; i++)
		server_quit(&m->slot[i]);
	for (unsigned int i = 0; i < VMI_BUS_SLOTS; i++)
		server_wait(&m->slot[i], CLOSE_TIME);
	saved_forget_all(m->dir, m->cfg.uuid);
	free_all(m);
}

int devices_fd(const struct devices *m)
{
	return m->epoll;
}

static void heard(struct devices *m, uint32_t id)
{
	struct slot *s = &m->slot[id & 0xff];
	uint64_t gone;
	char c;

	switch (id & ~0xffu) {
	case WATCH_BUS:
		(void)!read(m->bus_fd, &c, 1);
		break;
	case WATCH_TIMER:
		(void)!read(m->timer, &gone, sizeof(gone));
		break;
	case WATCH_LINK:
		link_changed(m);
		break;
	case WATCH_CTL:
		back_listen(m, s);
		break;
	case WATCH_END:
		/* An event of this round may be of the process before. */
		if (s->pidfd >= 0 && back_is_over(s))
			back_ended(m, s);
		break;
	case WATCH_SERVER:
		server_listen(m, s);
		break;
	case WATCH_SERVER_END:
		if (poll(&(struct pollfd){ .fd = s->server.pidfd, .events = POLLIN }, 1, 0) == 1)
			server_ended(m, s);
		break;
	case WATCH_NBD:
		server_link_ended(m, s);
		break;
	case WATCH_USER_NET:
		user_net_listen(m, s);
		break;
	}
}

void devices_work(struct devices *m)
{
	struct epoll_event e[16];
	uint64_t now;
	int n = epoll_wait(m->epoll, e, ARRAY_SIZE(e), 0);

	for (int i = 0; i < n; i++)
		heard(m, e[i].data.u32);
	if (m->cfg.simulate)
		return;
	bus_take_windows(m);
	now = now_ns();
	for (unsigned int i = 0; i < VMI_BUS_SLOTS; i++)
		slot_on_time(m, &m->slot[i], now);
	devices_set_timer(m);
}
