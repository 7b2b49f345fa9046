// SPDX-License-Identifier: GPL-2.0-only
/* throttle.c - limits of disks and cards. See throttle.h. */
#include <errno.h>
#include <stdlib.h>

#include "throttle.h"

#define RATE_MAX	(1ull << 50)	/* nothing is so fast, and no sum wraps */
#define NS		1000000000ull
#define PEAK_SLACK	10000000ull

/* So many numbers with commas between them. */
static bool numbers(const char *text, uint64_t *to, unsigned int nr)
{
	char *end;

	for (unsigned int i = 0; i < nr; i++) {
		errno = 0;
		to[i] = strtoull(text, &end, 10);
		if (*text < '0' || *text > '9' || errno || to[i] > RATE_MAX || *end != (i + 1 < nr ? ',' : '\0'))
			return false;
		text = end + 1;
	}
	return true;
}

static uint64_t wait_for(const struct limit *l, uint64_t now)
{
	return l->rate && l->paid_at > now + l->slack ? l->paid_at - now - l->slack : 0;
}

/* n is less than 4 Gi. */
static void count(struct limit *l, uint64_t n, uint64_t now)
{
	if (!l->rate)
		return;
	if (l->paid_at < now)
		l->paid_at = now;
	l->paid_at += n * NS / l->rate;
}

bool throttle_set(struct throttle *t, const char *text)
{
	struct throttle new = { 0 };
	uint64_t rate[THROTTLE_LIMITS];

	if (!numbers(text, rate, THROTTLE_LIMITS))
		return false;
	for (unsigned int i = 0; i < THROTTLE_LIMITS; i++) {
		new.of[i] = (struct limit){ rate[i], THROTTLE_SLACK, 0 };
		new.any |= rate[i];
	}
	*t = new;
	return true;
}

/* Does a limit count such a request? The first of each three is of both, then come reads and writes. */
static bool counts(unsigned int limit, bool write)
{
	return limit % 3 == 0 || (limit % 3 == 2) == write;
}

uint64_t throttle_ask(struct throttle *t, bool write, uint64_t bytes, uint64_t now)
{
	uint64_t wait = 0;

	for (unsigned int i = 0; i < THROTTLE_LIMITS; i++) {
		uint64_t one = counts(i, write) ? wait_for(&t->of[i], now) : 0;

		if (one > wait)
			wait = one;
	}
	for (unsigned int i = 0; !wait && i < THROTTLE_LIMITS; i++) {
		if (counts(i, write))
			count(&t->of[i], i < 3 ? bytes : 1, now);
	}
	return wait;
}

bool shape_set(struct shape *s, const char *text)
{
	uint64_t v[3];

	if (!numbers(text, v, 3))
		return false;
	*s = (struct shape){ { v[0], THROTTLE_SLACK, 0 }, { v[0] ? v[1] : 0, PEAK_SLACK, 0 } };
	/* An hour at most: nothing wraps. */
	if (v[0] && v[2])
		s->average.slack = v[2] / v[0] < 3600 ? v[2] / v[0] * NS + v[2] % v[0] * 1000 / v[0] * (NS / 1000) : 3600 * NS;
	return true;
}

uint64_t shape_ask(const struct shape *s, uint64_t now)
{
	uint64_t a = wait_for(&s->average, now), p = wait_for(&s->peak, now);

	return a > p ? a : p;
}

void shape_count(struct shape *s, uint64_t bytes, uint64_t now)
{
	count(&s->average, bytes, now);
	count(&s->peak, bytes, now);
}
