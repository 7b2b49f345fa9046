// SPDX-License-Identifier: GPL-2.0-only
/*
 * conring.c - a console line of a domain that has no serial port: a ring of bytes
 * towards domain 0, which keeps the log, and a small one from it.
 *
 * Nothing is dropped: a full ring takes fewer bytes, and its writer tries again.
 *
 * Invariant: head - tail, which run free, is at most the ring's size.
 * Locking:   console_lock.
 * Trust:     both sides choose bytes and lengths only.
 */
#include <hv/conring.h>
#include <hv/frame.h>
#include <hv/lib.h>
#include <hv/mm.h>

#define OUT_PAGES	4
#define IN_SIZE		1024

struct conring {
	struct ring {
		u32 head, tail, size;
	} ring[2];			/* by enum conring_way */
	char *out[OUT_PAGES];
	char in[IN_SIZE];
};
_Static_assert(sizeof(struct conring) <= PAGE_SIZE, "struct conring");

static char *page_new(u16 owner)
{
	mfn_t mfn = heap_alloc(owner, FRAME_HV);

	return mfn == MFN_NONE ? NULL : mfn_to_va(mfn);
}

struct conring *conring_new(u16 owner)
{
	struct conring *c = (struct conring *)page_new(owner);

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
	for (u32 i = 0; i < OUT_PAGES; i++) {
		if (c->out[i])
			frame_put(va_to_mfn(c->out[i]));
	}
	frame_put(va_to_mfn(c));
}

static char *at(struct conring *c, enum conring_way way, u32 pos)
{
	pos %= c->ring[way].size;
	return way == CON_INPUT ? &c->in[pos] : &c->out[pos / PAGE_SIZE][pos % PAGE_SIZE];
}

bool conring_full(const struct conring *c, enum conring_way way)
{
	return c->ring[way].head - c->ring[way].tail == c->ring[way].size;
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
