// SPDX-License-Identifier: GPL-2.0-only
/*
 * loop.c - waits for descriptors and timers, and calls who asked for them.
 *
 * Our own, not sd-event: domain 0's user land is static, and libsystemd has no
 * static library. A source that is deleted while its event is being served is
 * freed only after the round, so nothing is called twice or after its end.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "vmid.h"

struct source {
	struct source *next;
	int fd;				/* -1: a timer */
	uint64_t at;
	loop_fn fn;
	void *arg;
	bool dead;
};

static struct source *sources;
static int epoll = -1, status = -1;

static struct source *make(int fd, loop_fn fn, void *arg)
{
	struct source *s = xcalloc(1, sizeof(*s));

	s->fd = fd;
	s->fn = fn;
	s->arg = arg;
	s->next = sources;
	sources = s;
	return s;
}

struct source *loop_add(int fd, uint32_t events, loop_fn fn, void *arg)
{
	struct source *s = make(fd, fn, arg);
	struct epoll_event ev = { .events = events, .data.ptr = s };

	if (epoll < 0)
		epoll = epoll_create1(EPOLL_CLOEXEC);
	if (epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &ev)) {
		say(LOG_ERROR, "epoll: %s", strerror(errno));
		s->dead = true;
		return NULL;
	}
	return s;
}

void loop_set(struct source *s, uint32_t events)
{
	struct epoll_event ev = { .events = events, .data.ptr = s };

	if (s)
		epoll_ctl(epoll, EPOLL_CTL_MOD, s->fd, &ev);
}

void loop_del(struct source *s)
{
	if (!s)
		return;
	if (s->fd >= 0 && !s->dead)
		epoll_ctl(epoll, EPOLL_CTL_DEL, s->fd, NULL);
	s->dead = true;
}

struct source *loop_timer(uint64_t ns, loop_fn fn, void *arg)
{
	struct source *s = make(-1, fn, arg);

	s->at = now_ns() + ns;
	return s;
}

static int until_next(void)
{
	uint64_t now = now_ns(), next = 0;

	for (struct source *s = sources; s; s = s->next) {
		if (s->fd < 0 && !s->dead && (!next || s->at < next))
			next = s->at;
	}
	if (!next)
		return -1;
	return next <= now ? 0 : next - now > 3600000000000 ? 3600000 : (int)((next - now) / 1000000 + 1);
}

static void run_timers(void)
{
	uint64_t now = now_ns();

	for (struct source *s = sources; s; s = s->next) {
		if (s->fd < 0 && !s->dead && s->at <= now) {
			s->dead = true;
			s->fn(s->arg, 0);
		}
	}
}

static void bury(void)
{
	for (struct source **p = &sources; *p;) {
		struct source *s = *p;

		if (s->dead) {
			*p = s->next;
			free(s);
		} else {
			p = &s->next;
		}
	}
}

int loop_run(void)
{
	struct epoll_event ev[32];

	while (status < 0) {
		int n = epoll_wait(epoll, ev, ARRAY_SIZE(ev), until_next());

		for (int i = 0; i < n; i++) {
			struct source *s = ev[i].data.ptr;

			if (!s->dead)
				s->fn(s->arg, ev[i].events);
		}
		run_timers();
		bury();
	}
	return status;
}

void loop_stop(int with)
{
	status = with;
}
