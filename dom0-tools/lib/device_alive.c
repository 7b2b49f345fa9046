// SPDX-License-Identifier: GPL-2.0-only
/*
 * device_alive.c - a back end that lives and does nothing: stopped, in an endless loop, or
 * in a call that never returns.
 *
 * It is asked a few times within cfg.patience, and answers from its main loop. One that
 * leaves all of these questions open is killed; its death is device_back.c's to handle, and
 * the guest notices a pause. Questions are counted, not seconds: where the whole machine
 * stood still, only one of them is open. A process that sleeps in the kernel and cannot be woken (state D: its
 * disk is slow, or gone) is waiting: to kill it would not help.
 *
 * Trust: one that its guest has taken over may answer and serve nothing, which harms that guest.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "devices_int.h"

#define QUESTIONS	4

void alive_begin(const struct devices *m, struct slot *s)
{
	s->asked = s->answered = s->missed = 0;
	s->look_at = m->cfg.patience ? now_ns() + m->cfg.patience * SECOND / QUESTIONS : 0;
}

void alive_answer(struct slot *s, const char *number)
{
	s->answered = strtoul(number, NULL, 10);
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

void alive_on_time(struct devices *m, struct slot *s, uint64_t now)
{
	if (s->pidfd < 0 || !s->look_at || now < s->look_at)
		return;
	/* An answer that is there, and was not read yet, counts. */
	back_listen(m, s);
	if (s->answered == s->asked)
		s->missed = 0;
	else if (state_of(s->pid) != 'D')
		s->missed++;
	if (s->missed < QUESTIONS) {
		s->look_at = now + m->cfg.patience * SECOND / QUESTIONS;
		back_tell(s, "alive %u\n", ++s->asked);
		return;
	}
	s->look_at = 0;
	tell(m, DEVICE_EV_ERROR, s, "its back end (process %d) has not answered for %u s: it is killed, and another one goes on. "
	     "If that is not the last time: is domain 0 overloaded, or too little of its memory free? --device-timeout gives it longer",
	     s->pid, m->cfg.patience);
	back_kill(s);
}
