// SPDX-License-Identifier: GPL-2.0-only
/*
 * state.c - the states of a domain and what may be done in each: see state.h.
 */
#include "state.h"

#include <stddef.h>

static const char *const words[NR_STATES] = { "shut off", "running", "idle", "paused", "in shutdown", "crashed" };

#define ON(s)	(1u << (s))
#define ALIVE	(ON(ST_RUNNING) | ON(ST_IDLE) | ON(ST_ENDING))
#define EXISTS	(ALIVE | ON(ST_PAUSED) | ON(ST_CRASHED))

static const unsigned int allowed[NR_VERBS] = {
	[VERB_START] = ON(ST_OFF),
	[VERB_SHUTDOWN] = ALIVE,
	[VERB_REBOOT] = ALIVE,
	[VERB_RESET] = EXISTS,
	[VERB_DESTROY] = EXISTS,
	[VERB_SUSPEND] = ALIVE,
	[VERB_RESUME] = ON(ST_PAUSED),
	[VERB_RENAME] = ON(ST_OFF),
	[VERB_CONSOLE] = EXISTS,
	[VERB_SET_LIVE] = ALIVE | ON(ST_PAUSED),
};

static const struct {
	const char *why, *off_hint, *paused_hint;
} refusals[NR_VERBS] = {
	[VERB_START] = { "is already active", NULL, "resume it: vmi resume" },
	[VERB_SHUTDOWN] = { "cannot be shut down now", NULL, "resume it first, or end it: vmi destroy" },
	[VERB_REBOOT] = { "cannot be rebooted now", "start it: vmi start", "resume it first, or: vmi reset" },
	[VERB_RESET] = { "is not running", "start it: vmi start", NULL },
	[VERB_DESTROY] = { "is not running", NULL, NULL },
	[VERB_SUSPEND] = { "is not running", "start it: vmi start --paused", NULL },
	[VERB_RESUME] = { "is not paused", "start it: vmi start", NULL },
	[VERB_RENAME] = { "is active, and only a domain that is shut off can be renamed", NULL, NULL },
	[VERB_CONSOLE] = { "is not running", "start it: vmi start --console", NULL },
	[VERB_SET_LIVE] = { "is not running", "change its definition: --config", NULL },
};

const char *state_word(enum dom_state s)
{
	return words[s];
}

const char *state_refuses(enum dom_state s, enum dom_verb v, const char **hint)
{
	*hint = NULL;
	if (allowed[v] & ON(s))
		return NULL;
	if (s == ST_OFF)
		*hint = refusals[v].off_hint;
	else if (s == ST_PAUSED)
		*hint = refusals[v].paused_hint;
	else if (s == ST_CRASHED)
		*hint = "it crashed and is preserved: vmi destroy, then vmi start";
	if (s == ST_OFF && v != VERB_RESUME)
		return "is not running";
	if (s == ST_PAUSED && v == VERB_SUSPEND)
		return "is already paused";
	return refusals[v].why;
}

enum dom_state state_of(const struct hv_info *info, bool asked)
{
	switch (info->state) {
	case HV_PAUSED:
		return ST_PAUSED;
	case HV_SHUTDOWN:
		return info->reason == HV_CRASH ? ST_CRASHED : ST_ENDING;
	case HV_IDLE:
		return asked ? ST_ENDING : ST_IDLE;
	case HV_RUNNING:
		break;
	}
	return asked ? ST_ENDING : ST_RUNNING;
}
