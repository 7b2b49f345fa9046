/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * gate.h - where requests of a disk wait for its limits (throttle.h): in order, reads and
 * writes each for themselves. block.c's, and vhost_user.c's.
 *
 * One thread uses it.
 */
#ifndef BACK_GATE_H
#define BACK_GATE_H

#include <stdbool.h>
#include <stdint.h>

#include "loop.h"
#include "throttle.h"

/* Embedded in a request; nobody else's while it waits. */
struct gate_entry {
	struct gate_entry *next;
	uint64_t bytes;
	bool write;
};

struct gate {
	struct throttle limits;
	struct gate_entry *waiting[2], **last[2];	/* reads, writes */
	bool writes_first;		/* the next time, so that neither takes all of a limit of both */
	struct loop_timer look;
	bool (*open)(void);		/* may what waited begin now; asked before each */
	void (*begin)(struct gate_entry *e);
};

/* The argument limits=T,R,W,T,R,W, or die(). */
void gate_arg(struct gate *g, const char *value);
void gate_init(struct gate *g, bool (*open)(void), void (*begin)(struct gate_entry *e));
/* Other limits, as throttle_set(). */
bool gate_set(struct gate *g, const char *text);
/* Begin it, now or later. */
void gate_pass(struct gate *g, struct gate_entry *e, bool write, uint64_t bytes);
/* One that waits, which does so no more; NULL: none does. */
struct gate_entry *gate_drop(struct gate *g);

#endif
