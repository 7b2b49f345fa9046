// SPDX-License-Identifier: GPL-2.0-only
/*
 * conring.c - console lines. Domain 0's are the serial ports. Another domain's is a
 * ring of bytes towards domain 0, which keeps the log, and a small one from it.
 *
 * Nothing is dropped: a full ring takes fewer bytes, and its writer tries again.
 *
 * Invariant: head - tail, which run free, is at most the ring's size.
 * Locking:   console_lock.
 * Trust:     both sides choose bytes and lengths only.
 */
#include <hv/conring.h>
#include <hv/dispatch.h>
#include <hv/frame.h>
#include <hv/lib.h>
#include <hv/mm.h>

#define OUT_PAGES	4
#define IN_SIZE		1024
#define WRITE_MAX	4096		/* bytes that one call writes: it must not run long */

struct conring {
	struct ring {
		u32 head, tail, size;
	} ring[2];			/* by enum conring_way */
	char *out[OUT_PAGES];
	char in[IN_SIZE];
};
_Static_assert(sizeof(struct conring) <= PAGE_SIZE, "struct conring");

struct conring *conring_new(u16 owner)
{
	struct conring *c = page_new(owner);

	if (!c)
		return NULL;
	c->ring[CON_OUTPUT].size = OUT_PAGES * PAGE_SIZE;
	c->ring[CON_INPUT].size = IN_SIZE;
	for (u32 i = 0; i < OUT_PAGES; i++) {
		c->out[i] = page_new(owner);
		if (!c->out[i]) {
			conring_free(c);
			return NULL;
		}
	}
	return c;
}

void conring_free(struct conring *c)
{
	for (u32 i = 0; i < OUT_PAGES; i++)
		page_free(c->out[i]);
	page_free(c);
}

static char *at(struct conring *c, enum conring_way way, u32 pos)
{
	pos %= c->ring[way].size;
	return way == CON_INPUT ? &c->in[pos] : &c->out[pos / PAGE_SIZE][pos % PAGE_SIZE];
}

size_t conring_put(struct conring *c, enum conring_way way, const char *s, size_t n)
{
	struct ring *r = &c->ring[way];
	size_t i;

	for (i = 0; i < n && r->head - r->tail < r->size; i++)
		*at(c, way, r->head++) = s[i];
	return i;
}

size_t conring_take(struct conring *c, enum conring_way way, char *s, size_t n)
{
	struct ring *r = &c->ring[way];
	size_t i;

	for (i = 0; i < n && r->tail != r->head; i++)
		s[i] = *at(c, way, r->tail++);
	return i;
}

/* ---- calls ------------------------------------------------------------------- */

static long check_line(const u64 *a)
{
	return a[0] >= VMI_NR_CONSOLES ? -VMI_ENOENT : a[2] > VMI_CONSOLE_MAX ? -VMI_E2BIG : 0;
}

long console_write(struct vcpu *v, struct domain *d, enum conring_way way, const u64 *a)
{
	u64 done = 0, len = MIN(a[2], (u64)WRITE_MAX), n, put;
	long rc = check_line(a);
	char chunk[256];

	if (rc)
		return rc;
	for (; done < len; done += put) {
		n = MIN(len - done, sizeof(chunk));
		if (copy_from_guest(v, chunk, a[1] + done, n))
			return done ? (long)done : -VMI_EFAULT;
		put = d->line[a[0]] ? conring_put(d->line[a[0]], way, chunk, n) : uart_write(a[0], chunk, n);
		if (!put)
			break;
	}
	if (done && way == CON_INPUT)
		evt_raise_virq(d->vcpu[0], VMI_VIRQ_CONSOLE + a[0]);
	else if (done && !d->privileged)
		domain_event(d->id, VMI_EVENT_CONSOLE);
	return done;
}

long console_read(struct vcpu *v, struct domain *d, enum conring_way way, const u64 *a)
{
	u64 done = 0, n;
	long rc = check_line(a);
	struct conring *c = rc ? NULL : d->line[a[0]];

	if (rc)
		return rc;
	/* Who had to wait for room can go on. */
	if (c && way == CON_INPUT && c->ring[way].head - c->ring[way].tail == c->ring[way].size)
		domain_event(d->id, VMI_EVENT_CONSOLE);
	for (; done < a[2]; done += n) {
		char chunk[256] = { 0 };

		/* Nothing may be taken from the line that cannot be handed over. */
		n = MIN(a[2] - done, sizeof(chunk));
		if (copy_to_guest(v, a[1] + done, chunk, n))
			return done ? (long)done : -VMI_EFAULT;
		n = c ? conring_take(c, way, chunk, n) : uart_read(a[0], chunk, n);
		if (!n || copy_to_guest(v, a[1] + done, chunk, n))
			break;
	}
	return done;
}

long hc_console_write(struct vcpu *v, const u64 *a)
{
	return console_write(v, v->domain, CON_OUTPUT, a);
}

long hc_console_read(struct vcpu *v, const u64 *a)
{
	return console_read(v, v->domain, CON_INPUT, a);
}
