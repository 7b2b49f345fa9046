// SPDX-License-Identifier: GPL-2.0-only
/*
 * alive.c - a back end, or the qemu-storage-daemon or vmi-user-net behind it, that lives and does
 * nothing: stopped, in an endless loop, or in a call that never returns.
 *
 * It is asked a few times within cfg.patience, and answers from its main loop, where it serves, too. One that
 * leaves all of these questions open is killed; its death is back.c's or server.c's to handle, and
 * the guest notices a pause. Questions are counted, not seconds: where the whole machine
 * stood still, only one of them is open. A process that sleeps in the kernel and cannot be woken (state D: its
 * disk is slow, or gone) is waiting: to kill it would not help. So is a server that answers, and whose disk or
 * NBD server has not: what it asked for there may still be done, and the next one's must not overtake it.
 *
 * Trust: one that its guest has taken over may answer and serve nothing, which harms that guest.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "devices_int.h"

#define QUESTIONS	4

void alive_begin(const struct devices *m, struct alive *a)
{
	*a = (struct alive){ .look_at = m->cfg.patience ? now_ns() + m->cfg.patience * SECOND / QUESTIONS : 0 };
}

void alive_answer(struct alive *a, const char *number)
{
	a->answered = strtoul(number, NULL, 10);
}

static char state_of(pid_t pid)
{
	char path[32], state = '?';
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	f = fopen(path, "re");
	/* Its name has no parentheses. */
	if (f && fscanf(f, "%*d (%*[^)]) %c", &state) != 1)
		state = '?';
	if (f)
		fclose(f);
	return state;
}

/* It is time to ask, and its answers were read: the next question, or -1: it hangs. */
static int next_question(const struct devices *m, struct alive *a, pid_t pid, uint64_t now)
{
	if (a->answered == a->asked)
		a->missed = 0;
	else if (state_of(pid) != 'D')
		a->missed++;
	if (a->missed < QUESTIONS) {
		a->look_at = now + m->cfg.patience * SECOND / QUESTIONS;
		return ++a->asked;
	}
	a->look_at = 0;
	return -1;
}

/* It is there, and was asked in vain. */
static bool hangs(struct devices *m, struct slot *s, struct alive *a, pid_t pid, uint64_t now, void (*listen)(struct devices *, struct slot *),
		  void (*ask)(struct slot *, unsigned int))
{
	int nr;

	if (!a->look_at || now < a->look_at)
		return false;
	/* Answers that are there, and were not read yet, count. */
	listen(m, s);
	nr = next_question(m, a, pid, now);
	if (nr > 0)
		ask(s, nr);
	return nr < 0;
}

void alive_on_time(struct devices *m, struct slot *s, uint64_t now)
{
	struct server *v = &s->server;

	if (s->pidfd >= 0 && hangs(m, s, &s->alive, s->pid, now, back_listen, back_ask)) {
		tell(m, DEVICE_EV_ERROR, s, "its back end (process %d) has not answered for %u s: it is killed, and another one goes on. "
		     "If that is not the last time: is domain 0 overloaded, or too little of its memory free? --device-timeout gives it longer",
		     s->pid, m->cfg.patience);
		back_kill(s);
	}
	if (v->pidfd >= 0 && hangs(m, s, &v->alive, v->pid, now, server_listen, server_ask)) {
		tell(m, DEVICE_EV_ERROR, s, "its server, qemu-storage-daemon (process %d), has not answered for %u s: it is killed, and another "
		     "one goes on. --device-timeout gives it longer", v->pid, m->cfg.patience);
		server_kill(s);
	}
	/* No disk could keep that one in the kernel. */
	if (s->net.pidfd >= 0 && hangs(m, s, &s->net.alive, 0, now, user_net_listen, user_net_ask)) {
		tell(m, DEVICE_EV_ERROR, s, "its vmi-user-net has not answered for %u s: it is killed, and another one goes on; its connections are "
		     "lost. --device-timeout gives it longer", m->cfg.patience);
		user_net_kill(s);
	}
}
