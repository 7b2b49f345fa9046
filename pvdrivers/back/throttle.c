// SPDX-License-Identifier: GPL-2.0-only
/* throttle.c - limits of a disk. See throttle.h. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "throttle.h"

#define RATE_MAX	(1ull << 50)	/* no disk is so fast, and no sum wraps */

bool throttle_set(struct throttle *t, const char *text)
{
	struct throttle new = { 0 };
	char *end;

	for (unsigned int i = 0; i < THROTTLE_LIMITS; i++) {
		errno = 0;
		new.rate[i] = strtoull(text, &end, 10);
		if (*text < '0' || *text > '9' || errno || new.rate[i] > RATE_MAX || *end != (i + 1 < THROTTLE_LIMITS ? ',' : '\0'))
			return false;
		new.any |= new.rate[i];
		text = end + 1;
	}
	*t = new;
	return true;
}

/* Does a limit count such a request? The first of each three is of both, then come reads and writes. */
static bool counts(const struct throttle *t, unsigned int limit, bool write)
{
	return t->rate[limit] && (limit % 3 == 0 || (limit % 3 == 2) == write);
}

uint64_t throttle_ask(struct throttle *t, bool write, uint64_t bytes, uint64_t now)
{
	uint64_t wait = 0;

	for (unsigned int i = 0; i < THROTTLE_LIMITS; i++) {
		if (counts(t, i, write) && t->paid_at[i] > now + THROTTLE_SLACK + wait)
			wait = t->paid_at[i] - now - THROTTLE_SLACK;
	}
	if (wait)
		return wait;
	for (unsigned int i = 0; i < THROTTLE_LIMITS; i++) {
		if (!counts(t, i, write))
			continue;
		if (t->paid_at[i] < now)
			t->paid_at[i] = now;
		/* A request has less than 4 GiB. */
		t->paid_at[i] += (i < 3 ? bytes : 1) * 1000000000ull / t->rate[i];
	}
	return 0;
}
