/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * state.h - the states of a domain, in virsh's words, and what may be done in
 * each. Pure tables: vmid asks before it acts, the tests walk all of it.
 */
#ifndef LIB_STATE_H
#define LIB_STATE_H

#include "hv.h"

enum dom_state {
	ST_OFF,
	ST_RUNNING,
	ST_IDLE,
	ST_PAUSED,
	ST_ENDING,			/* was asked to shut down, or has ended and is preserved */
	ST_CRASHED,			/* and is preserved */
	NR_STATES
};

enum dom_verb {
	VERB_START,
	VERB_SHUTDOWN,
	VERB_REBOOT,
	VERB_RESET,
	VERB_DESTROY,
	VERB_SUSPEND,
	VERB_RESUME,
	VERB_RENAME,
	VERB_CONSOLE,
	VERB_SET_LIVE,			/* memory, vCPUs, scheduling of a domain that runs */
	NR_VERBS
};

const char *state_word(enum dom_state s);
/* NULL: may be done. Else why not, for "domain 'x' <why>", and in *hint what to do, or NULL. */
const char *state_refuses(enum dom_state s, enum dom_verb v, const char **hint);
/* A domain that exists, as the hypervisor sees it; asked: it was asked to shut down. */
enum dom_state state_of(const struct hv_info *info, bool asked);

#endif
