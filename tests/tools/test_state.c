// SPDX-License-Identifier: GPL-2.0-only
/*
 * test_state.c - What may be done with a domain in each state: all of the table, against what it must mean.
 */
#include <string.h>

#include "lib/state.h"
#include "lib/util.h"
#include "tools_test.h"

/* A letter for each state (Off Running Idle Paused Ending Crashed) in which the verb may be used. */
static const struct {
	enum dom_verb verb;
	const char *allowed;
} rows[] = {
	{ VERB_START, "O" }, { VERB_SHUTDOWN, "RIE" }, { VERB_REBOOT, "RIE" }, { VERB_RESET, "RIPEC" }, { VERB_DESTROY, "RIPEC" },
	{ VERB_SUSPEND, "RIE" }, { VERB_RESUME, "P" }, { VERB_RENAME, "O" }, { VERB_CONSOLE, "RIPEC" }, { VERB_SET_LIVE, "RIPE" },
};

static void each_verb_is_allowed_where_it_has_a_meaning(void)
{
	CU_ASSERT_EQUAL(ARRAY_SIZE(rows), NR_VERBS);
	for (size_t v = 0; v < ARRAY_SIZE(rows); v++) {
		for (int s = 0; s < NR_STATES; s++) {
			const char *hint, *why = state_refuses(s, rows[v].verb, &hint);

			CU_ASSERT_EQUAL(why == NULL, strchr(rows[v].allowed, "ORIPEC"[s]) != NULL);
			if (!why)
				CU_ASSERT_PTR_NULL(hint);
		}
	}
}

static void words_are_virshs(void)
{
	static const char *const words[] = { "shut off", "running", "idle", "paused", "in shutdown", "crashed" };

	for (int s = 0; s < NR_STATES; s++)
		CU_ASSERT_STRING_EQUAL(state_word(s), words[s]);
}

static void the_state_follows_the_hypervisor(void)
{
	struct hv_info i = { .state = HV_RUNNING };

	CU_ASSERT_EQUAL(state_of(&i, false), ST_RUNNING);
	CU_ASSERT_EQUAL(state_of(&i, true), ST_ENDING);
	i.state = HV_IDLE;
	CU_ASSERT_EQUAL(state_of(&i, false), ST_IDLE);
	CU_ASSERT_EQUAL(state_of(&i, true), ST_ENDING);
	i.state = HV_PAUSED;
	CU_ASSERT_EQUAL(state_of(&i, true), ST_PAUSED);
	i.state = HV_SHUTDOWN;
	i.reason = HV_CRASH;
	CU_ASSERT_EQUAL(state_of(&i, false), ST_CRASHED);
	i.reason = HV_POWEROFF;
	CU_ASSERT_EQUAL(state_of(&i, false), ST_ENDING);
}

TESTS("state", TEST(each_verb_is_allowed_where_it_has_a_meaning), TEST(words_are_virshs), TEST(the_state_follows_the_hypervisor))
