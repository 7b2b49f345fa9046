// SPDX-License-Identifier: GPL-2.0-only
/* gate.c - where requests of a disk wait for its limits. See gate.h. */
#include <stddef.h>

#include "dev.h"
#include "gate.h"

#define LOOK_NS	20000000ull	/* what waits is looked at, at the latest */

static struct gate_entry *first(struct gate *g, bool write)
{
	struct gate_entry *e = g->waiting[write];

	g->waiting[write] = e->next;
	if (!e->next)
		g->last[write] = &g->waiting[write];
	return e;
}

/* What the limits let through by now. */
static void look(void *arg)
{
	struct gate *g = arg;
	struct gate_entry *e;

	g->writes_first = !g->writes_first;
	for (unsigned int i = 0; i < 2; i++) {
		bool write = i != g->writes_first;

		while (g->open() && (e = g->waiting[write]) && !throttle_ask(&g->limits, write, e->bytes, loop_now()))
			g->begin(first(g, write));
	}
	if (g->waiting[0] || g->waiting[1])
		loop_time(&g->look, LOOK_NS);
}

void gate_arg(struct gate *g, const char *value)
{
	if (!throttle_set(&g->limits, value))
		die("limits=%s: give six numbers: bytes a second of all, of reads, of writes, and requests, 0: no limit; or 19, see docs/io.md", value);
}

void gate_init(struct gate *g, bool (*open)(void), void (*begin)(struct gate_entry *e))
{
	g->open = open;
	g->begin = begin;
	g->look = (struct loop_timer){ .fn = look, .arg = g };
	g->last[0] = &g->waiting[0];
	g->last[1] = &g->waiting[1];
}

bool gate_set(struct gate *g, const char *text)
{
	if (!throttle_set(&g->limits, text))
		return false;
	look(g);
	return true;
}

void gate_pass(struct gate *g, struct gate_entry *e, bool write, uint64_t bytes)
{
	uint64_t wait = LOOK_NS;

	if (!g->waiting[write])
		wait = g->limits.any ? throttle_ask(&g->limits, write, bytes, loop_now()) : 0;
	if (!wait) {
		g->begin(e);
		return;
	}
	*e = (struct gate_entry){ .bytes = bytes, .write = write };
	*g->last[write] = e;
	g->last[write] = &e->next;
	loop_time(&g->look, wait < LOOK_NS ? wait : LOOK_NS);
}

struct gate_entry *gate_drop(struct gate *g)
{
	return g->waiting[0] || g->waiting[1] ? first(g, !g->waiting[0]) : NULL;
}
