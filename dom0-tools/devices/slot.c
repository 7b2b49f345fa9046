// SPDX-License-Identifier: GPL-2.0-only
/*
 * slot.c - a device comes and goes: its slot, ports and state file, and what
 * the guest is told (include/vmi/bus.h has the states).
 *
 * Trust: the slot's page is the guest's; only guest.state is read of it here.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "saved.h"
#include "devices_int.h"

#define QUIT_TIME	(5 * SECOND)	/* to finish what is in flight */

void slot_present(struct devices *m, struct slot *s)
{
	if (s->present)
		return;
	s->present = true;
	if (!m->cfg.simulate) {
		WRITE_ONCE(s->page->manager.serial, s->serial);
		__atomic_store_n(&s->page->manager.state, VMI_SLOT_PRESENT, __ATOMIC_SEQ_CST);
		bus_changed(m);
	}
	tell(m, DEVICE_EV_PRESENT, s, s->taken_up ? "again" : "present");
}

/* Everything that the slot has, but for what the guest sees. */
void slot_give_back(struct slot *s)
{
	device_close(&s->open);
	server_close(&s->server);
	user_net_close(&s->net);
	for (unsigned int i = 0; i < s->nr_ports; i++) {
		if (s->port_fd[i] >= 0)
			close(s->port_fd[i]);
	}
	if (s->page)
		munmap(s->page, PAGE);
	if (s->page_fd >= 0)
		close(s->page_fd);
	if (s->state)
		munmap(s->state, sizeof(*s->state));
	if (s->state_fd >= 0)
		close(s->state_fd);
	if (s->ctl >= 0)
		close(s->ctl);
	if (s->pidfd >= 0)
		close(s->pidfd);
	sb_free(&s->said);
}

void slot_reset(struct slot *s)
{
	*s = (struct slot){ .page_fd = -1, .state_fd = -1, .ctl = -1, .pidfd = -1, .open = NOTHING_OPEN, .server = NO_SERVER,
			   .net = NO_USER_NET };
}

/* The guest and the back end have let go, or were made to. */
static void slot_free(struct devices *m, struct slot *s)
{
	struct slot gone = { .dev = s->dev };

	if (s->page) {
		__atomic_store_n(&s->page->manager.state, VMI_SLOT_EMPTY, __ATOMIC_SEQ_CST);
		bus_changed(m);
	}
	slot_give_back(s);
	saved_forget(m->dir, m->cfg.uuid, s - m->slot);
	slot_reset(s);
	if (!m->cfg.simulate)
		bus_expect(m);
	saved_write(m);
	tell(m, DEVICE_EV_GONE, &gone, "gone");
	device_free(&gone.dev);
}

void slot_over(struct devices *m, struct slot *s)
{
	if (s->pidfd < 0 && s->server.pidfd < 0)
		slot_free(m, s);
	else if (s->pidfd < 0)
		server_quit(s);
}

void slot_end(struct devices *m, struct slot *s)
{
	s->phase = P_ENDING;
	s->due = now_ns() + QUIT_TIME;
	if (s->pidfd >= 0)
		ctl_tell(s->ctl, "quit\n");
	else
		slot_over(m, s);
	devices_set_timer(m);
}

static int open_ports(struct devices *m, struct slot *s, const struct saved_slot *before)
{
	unsigned int nr = 1 + device_queues(&s->dev);

	for (unsigned int i = 0; i < nr; i++) {
		int port = before ? (int)before->port[i] : broker_alloc(m->cfg.domid);

		if (port < 0)
			return port;
		s->port[i] = port;
		s->port_fd[i] = bus_port(m, port);
		if (s->port_fd[i] < 0)
			return s->port_fd[i];
		s->nr_ports++;
	}
	return 0;
}

static int open_state(struct devices *m, struct slot *s, bool keep)
{
	void *p;
	int rc;

	s->state_fd = saved_state(m->dir, m->cfg.uuid, s - m->slot, keep);
	if (s->state_fd < 0)
		return s->state_fd;
	if (ftruncate(s->state_fd, sizeof(*s->state)))
		return -errno;
	/* A page that cannot be had later would end who touches it, us too. Those of queues that it does not have nobody touches. */
	rc = posix_fallocate(s->state_fd, 0, offsetof(struct back_state, queue) + (s->nr_ports - 1) * sizeof(s->state->queue[0]));
	if (rc)
		return -rc;
	p = mmap(NULL, sizeof(*s->state), PROT_READ | PROT_WRITE, MAP_SHARED, s->state_fd, 0);
	if (p == MAP_FAILED)
		return -errno;
	s->state = p;
	return 0;
}

static bool has_image(const struct device *dev)
{
	return dev->kind == DEVICE_BLOCK || (dev->kind == DEVICE_SERVED && !dev->nbd);
}

int slot_open(struct devices *m, struct slot *s, bool known, struct hv_error *err)
{
	int rc = device_open(m, &s->dev, s - m->slot, known, &s->open, err);
	uint64_t id[2];

	if (rc || !has_image(&s->dev))
		return rc;
	image_id(s->open.fd, id);
	/* What the guest has in its caches would spoil both. */
	if (known && s->image[0] && memcmp(id, s->image, sizeof(id))) {
		device_close(&s->open);
		return hv_fail(err, -ESTALE, "disk %s: %s is another file than the one that the guest has: put that one back, or detach the disk",
			       s->dev.name, s->dev.source);
	}
	memcpy(s->image, id, sizeof(id));
	return 0;
}

/* The parts of it in the guest. */
static int open_slot(struct devices *m, struct slot *s, const struct saved_slot *before, struct hv_error *err)
{
	const char *what = "page";
	void *page = NULL;
	int rc;

	rc = bus_page(m, 1 + (s - m->slot), &s->page_fd, &page);
	s->page = page;
	if (!rc) {
		what = "ports";
		rc = open_ports(m, s, before);
	}
	if (!rc) {
		what = "state file";
		rc = open_state(m, s, before);
	}
	if (rc)
		return hv_fail(err, rc, "%s: its %s in domain %u cannot be had: %s", s->dev.name, what, m->cfg.domid, strerror(-rc));
	if (!before)
		memset((char *)s->page + sizeof(s->page->manager), 0, PAGE - sizeof(s->page->manager));
	return 0;
}

static struct slot *free_slot(struct devices *m)
{
	for (unsigned int i = 0; i < VMI_BUS_SLOTS; i++) {
		if (m->slot[i].phase == P_NONE)
			return &m->slot[i];
	}
	return NULL;
}

int devices_attach(struct devices *m, const struct device *dev, struct hv_error *err)
{
	struct saved_slot before;
	struct diag d = { 0 };
	struct slot *s;
	bool known;
	int rc;

	known = m->cfg.resume && dev->name && saved_read(m, dev->name, device_queues(dev), &before);
	/* What the guest has made of its disk meanwhile is its affair. */
	devices_check(m, dev, 1, !known, &d);
	if (d.errors) {
		hv_fail(err, 0, "%s", d.items[0].text);
		diag_free(&d);
		return slot_find(m, dev->name ? dev->name : "") ? -EEXIST : -EINVAL;
	}
	diag_free(&d);
	s = known ? &m->slot[before.slot] : free_slot(m);
	if (!s || s->phase != P_NONE)
		return hv_fail(err, -ENOSPC, "%s: the domain has %d devices already, and no more are possible", dev->name, DEVICES_MAX);
	device_copy(&s->dev, dev);
	device_mac(m->cfg.uuid, dev, s->dev.mac);
	s->serial = known ? before.serial : ++m->serials;
	s->taken_up = known;
	s->link = !dev->link_down;
	if (known)
		memcpy(s->image, before.image, sizeof(s->image));
	/* A back end of before may be about to end. */
	for (int i = 0;; i++) {
		rc = slot_open(m, s, known, err);
		if (rc != -EBUSY || i == (known ? BUSY_TRIES : 10))
			break;
		if (i == BUSY_CLEAR)
			bus_clear(m);
		usleep(BUSY_SLEEP);
	}
	if (rc && known) {
		s->unopened = true;
		rc = 0;
	}
	if (!rc && !m->cfg.simulate)
		rc = open_slot(m, s, known ? &before : NULL, err);
	if (rc) {
		slot_give_back(s);
		saved_forget(m->dir, m->cfg.uuid, s - m->slot);
		device_free(&s->dev);
		slot_reset(s);
		return rc;
	}
	s->phase = P_WAITING;
	saved_write(m);
	if (m->cfg.simulate) {
		s->phase = P_RUNNING;
		slot_present(m, s);
		return 0;
	}
	bus_expect(m);
	if (m->nr_windows)
		back_start(m, s);
	devices_set_timer(m);
	return 0;
}

int devices_detach(struct devices *m, const char *name, unsigned int seconds, struct hv_error *err)
{
	struct slot *s = slot_find(m, name);
	bool leaving;

	if (!s)
		return hv_fail(err, -ENOENT, "there is no device %s", name);
	if (!s->present || m->cfg.simulate) {
		slot_end(m, s);
		return 0;
	}
	if (s->phase == P_ENDING)
		return 0;
	leaving = s->phase == P_LEAVING;
	s->phase = P_LEAVING;
	s->due = now_ns() + seconds * SECOND;
	__atomic_store_n(&s->page->manager.state, VMI_SLOT_LEAVING, __ATOMIC_SEQ_CST);
	bus_expect(m);
	bus_changed(m);
	/* The guest may wait for what is in flight before it lets go. Who says it again does not start it more often. */
	if (s->pidfd < 0 && !leaving)
		back_start(m, s);
	devices_set_timer(m);
	return 0;
}

void slot_on_time(struct devices *m, struct slot *s, uint64_t now)
{
	alive_on_time(m, s, now);
	switch (s->phase) {
	case P_LEAVING:
		if (READ_ONCE(s->page->guest.state) == VMI_SLOT_FREE || s->due <= now)
			slot_end(m, s);
		else if (s->start_at && s->start_at <= now)
			back_start(m, s);
		break;
	case P_BACKOFF:
		if (s->start_at <= now)
			back_start(m, s);
		break;
	case P_ENDING:
		if (s->due <= now) {
			if (s->pidfd < 0)
				server_kill(s);
			back_kill(s);
			s->due = now + QUIT_TIME;
		}
		break;
	default:
		break;
	}
}
