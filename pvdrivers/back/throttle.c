// SPDX-License-Identifier: GPL-2.0-only
/* throttle.c - limits of disks and cards. See throttle.h. */
#include <errno.h>
#include <stdlib.h>

#include "throttle.h"

#define RATE_MAX	(1ull << 50)	/* nothing is so fast, and no sum wraps */
#define SECONDS_MAX	1000000		/* of a burst */
#define SLACK_MAX	(1ull << 61)	/* ns; with a request's 2^62 and what the clock says no sum wraps */
#define NS		1000000000ull
#define PEAK_SLACK	10000000ull

/* How many numbers these are with commas between them; 0: they are no numbers, too large, or more than max. */
static unsigned int numbers(const char *text, uint64_t *to, unsigned int max)
{
	char *end;

	for (unsigned int i = 0; i < max; i++) {
		errno = 0;
		to[i] = strtoull(text, &end, 10);
		if (*text < '0' || *text > '9' || errno || to[i] > RATE_MAX)
			return 0;
		if (!*end)
			return i + 1;
		if (*end != ',')
			return 0;
		text = end + 1;
	}
	return 0;
}

/* How long so much takes. */
static uint64_t ns_of(unsigned __int128 amount, uint64_t rate)
{
	amount = amount * NS / rate;
	return amount < SLACK_MAX ? amount : SLACK_MAX;
}

static uint64_t wait_for(const struct limit *l, uint64_t now)
{
	return l->rate && l->paid_at > now + l->slack ? l->paid_at - now - l->slack : 0;
}

/* So many billionths; less than 2^62. */
static void count(struct limit *l, uint64_t n, uint64_t now)
{
	if (!l->rate)
		return;
	if (l->paid_at < now)
		l->paid_at = now;
	l->paid_at += n / l->rate;
}

uint64_t shape_ask(const struct shape *s, uint64_t now)
{
	uint64_t a = wait_for(&s->average, now), p = wait_for(&s->peak, now);

	return a > p ? a : p;
}

static void shape_add(struct shape *s, uint64_t n, uint64_t now)
{
	count(&s->average, n, now);
	count(&s->peak, n, now);
}

bool throttle_set(struct throttle *t, const char *text)
{
	uint64_t v[THROTTLE_NUMBERS] = { 0 }, *peak = v + THROTTLE_LIMITS, *seconds = peak + THROTTLE_LIMITS + 1;
	unsigned int nr = numbers(text, v, THROTTLE_NUMBERS);
	struct throttle new = { .size = peak[THROTTLE_LIMITS] };

	if (nr != THROTTLE_LIMITS && nr != THROTTLE_NUMBERS)
		return false;
	for (unsigned int i = 0; i < THROTTLE_LIMITS; i++) {
		struct shape *s = &new.of[i];

		if (seconds[i] > SECONDS_MAX)
			return false;
		if (!v[i])
			continue;
		s->average = (struct limit){ v[i], THROTTLE_SLACK, 0 };
		s->peak = (struct limit){ peak[i], THROTTLE_SLACK, 0 };
		if (peak[i])
			s->average.slack = ns_of((unsigned __int128)peak[i] * (seconds[i] ? seconds[i] : 1), v[i]);
		new.any = true;
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
	uint64_t wait = 0, requests = t->size && bytes > t->size ? bytes * NS / t->size : NS;

	for (unsigned int i = 0; i < THROTTLE_LIMITS; i++) {
		uint64_t one = counts(i, write) ? shape_ask(&t->of[i], now) : 0;

		if (one > wait)
			wait = one;
	}
	for (unsigned int i = 0; !wait && i < THROTTLE_LIMITS; i++) {
		if (counts(i, write))
			shape_add(&t->of[i], i < 3 ? bytes * NS : requests, now);
	}
	return wait;
}

bool shape_set(struct shape *s, const char *text)
{
	uint64_t v[3];

	if (numbers(text, v, 3) != 3)
		return false;
	*s = (struct shape){ { v[0], THROTTLE_SLACK, 0 }, { v[0] ? v[1] : 0, PEAK_SLACK, 0 } };
	if (v[0] && v[2])
		s->average.slack = ns_of(v[2], v[0]);
	return true;
}

void shape_count(struct shape *s, uint64_t bytes, uint64_t now)
{
	shape_add(s, bytes * NS, now);
}
