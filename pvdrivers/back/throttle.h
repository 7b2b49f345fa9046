/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * throttle.h - limits of a disk (bytes and requests a second, of reads, of writes and of
 * both), and of one direction of a network card.
 *
 * Each limit has a time at which what it let through is paid for, at its rate; it lets
 * more through until that time is its slack ahead. So a large request goes in one
 * piece, and what follows it waits; what was not used in idle time is not saved up, but for the slack.
 *
 * A burst is two limits that both hold: one of the rate in the long run, whose slack is what the burst may
 * have, and one of the rate while it lasts. As in QEMU a burst of N a second for S seconds is N * S, which
 * go again when the long run's rate has paid for them.
 */
#ifndef BACK_THROTTLE_H
#define BACK_THROTTLE_H

#include <stdbool.h>
#include <stdint.h>

#define THROTTLE_SLACK	100000000ull	/* ns; of a disk's limits, and of a card's without a burst */

struct limit {
	uint64_t rate;			/* a second; 0: no limit */
	uint64_t slack, paid_at;	/* ns */
};

/* In the long run, and while a burst lasts. */
struct shape {
	struct limit average, peak;
};

/* In the order of the text: total_bytes_sec, read_, write_, total_iops_sec, read_, write_; 0: no limit. */
#define THROTTLE_LIMITS	6
#define THROTTLE_NUMBERS (3 * THROTTLE_LIMITS + 1)

struct throttle {
	bool any;
	uint64_t size;			/* requests of more bytes count as several, of this size; 0: as one */
	struct shape of[THROTTLE_LIMITS];
};

/*
 * Numbers with commas between them: the six rates; or these, the six rates of bursts (0: none), that size, and the seconds
 * of the six bursts (0: one). False: it is something else, and nothing is changed.
 */
bool throttle_set(struct throttle *t, const char *text);
/* May a request begin now? 0: it may, and counts. Else in so many nanoseconds, if nothing else comes before. */
uint64_t throttle_ask(struct throttle *t, bool write, uint64_t bytes, uint64_t now);

/* Of a card: "AVERAGE,PEAK,BURST", in bytes; 0: no limit, no limit of the burst's speed, a tenth of a second. As throttle_set(). */
bool shape_set(struct shape *s, const char *text);
/* As throttle_ask(), but what goes is counted when its length is known. */
uint64_t shape_ask(const struct shape *s, uint64_t now);
void shape_count(struct shape *s, uint64_t bytes, uint64_t now);

#endif
