/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * throttle.h - limits of bytes and requests a second, of reads, of writes and of both.
 *
 * Each limit has a time at which what it let through is paid for, at its rate; it lets
 * more through until that time is THROTTLE_SLACK ahead. So a large request goes in one
 * piece, and what follows it waits; what was not used in idle time is not saved up.
 */
#ifndef BACK_THROTTLE_H
#define BACK_THROTTLE_H

#include <stdbool.h>
#include <stdint.h>

#define THROTTLE_SLACK	100000000ull	/* ns */

/* In the order of the text: total_bytes_sec, read_, write_, total_iops_sec, read_, write_; 0: no limit. */
#define THROTTLE_LIMITS	6

struct throttle {
	bool any;
	uint64_t rate[THROTTLE_LIMITS];		/* a second */
	uint64_t paid_at[THROTTLE_LIMITS];	/* ns */
};

/* Six numbers with commas between them; false: it is something else, and nothing is changed. */
bool throttle_set(struct throttle *t, const char *text);
/* May a request begin now? 0: it may, and counts. Else in so many nanoseconds, if nothing else comes before. */
uint64_t throttle_ask(struct throttle *t, bool write, uint64_t bytes, uint64_t now);

#endif
