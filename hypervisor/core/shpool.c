// SPDX-License-Identifier: GPL-2.0-only
/*
 * shpool.c - pages of the shadow code: a bounded pool for each domain.
 *
 * A page is in use (a table or a slab), spare (ready, zeroed), or in limbo: freed
 * while a processor may still walk it. sh_sync() flushes the processors and only
 * then lets pages out of limbo. Every operation that removes something ends with it.
 *
 * Whoever is about to build something reserves the most it can need first, and
 * only the reservation reclaims; so no table goes away under a builder's feet
 * and nothing fails half-way.
 *
 * Invariant: nr_tables = pages in use + spare + in limbo <= max_tables; spare and
 *            limbo pages are zero (a table is emptied entry by entry before it
 *            is freed, so this costs nothing).
 * Locking:   shadow_lock; takes heap_lock.
 * Trust:     guests decide how many pages are wanted, never how many are given.
 */
#include "shadow_priv.h"

/* Zeroed pages kept back when tables are freed; the rest goes to the heap. */
#define MAX_SPARE	32

static void count_pages(struct domain *d)
{
	d->counters[VMI_CTR_SHADOW_TABLES] = d->shadow.nr_tables;
}

static void spare_push(struct sh_state *s, mfn_t mfn)
{
	frame_of(mfn)->u.sh.next = s->spare;
	s->spare = mfn;
	s->nr_spare++;
}

/* Make `nr` pages ready. False only where the heap has nothing and no table can be taken back. */
bool sh_reserve(struct domain *d, u32 nr)
{
	struct sh_state *s = d->shadow.state;
	mfn_t mfn;

	while (s->nr_spare < nr) {
		mfn = MFN_NONE;
		if (d->shadow.nr_tables < d->shadow.max_tables)
			mfn = heap_alloc(d->id, FRAME_SHADOW);
		if (mfn != MFN_NONE) {
			spare_push(s, mfn);
			d->shadow.nr_tables++;
			count_pages(d);
		} else if (!sh_reclaim(d)) {
			return false;
		}
	}
	return true;
}

/* A zeroed page out of the reservation. */
mfn_t sh_page_new(struct domain *d)
{
	struct sh_state *s = d->shadow.state;
	mfn_t mfn = s->spare;
	struct frame *f;

	BUG_ON(!s->nr_spare);
	f = frame_of(mfn);
	s->spare = f->u.sh.next;
	s->nr_spare--;
	memset(&f->u, 0, sizeof(f->u));
	return mfn;
}

/* The page must be zero again. */
void sh_page_free(struct domain *d, mfn_t mfn)
{
	struct sh_state *s = d->shadow.state;

	frame_of(mfn)->u.sh.next = s->limbo;
	s->limbo = mfn;
}

/* Make every processor forget what has been removed, then let pages out of limbo. */
void sh_sync(struct domain *d)
{
	struct sh_state *s = d->shadow.state;
	mfn_t mfn;

	if (s->stale) {
		arch_tlb_flush(d);
		s->stale = false;
	}
	if (!s->limbo)
		return;
	while ((mfn = s->limbo)) {
		s->limbo = frame_of(mfn)->u.sh.next;
		if (s->nr_spare < MAX_SPARE) {
			spare_push(s, mfn);
		} else {
			frame_put(mfn);
			d->shadow.nr_tables--;
		}
	}
	count_pages(d);
}

static void partial_add(struct sh_slab *s, mfn_t mfn)
{
	struct frame *f = frame_of(mfn);

	f->u.slab.prev = 0;
	f->u.slab.next = s->partial;
	if (s->partial)
		frame_of(s->partial)->u.slab.prev = mfn;
	s->partial = mfn;
}

static void partial_del(struct sh_slab *s, mfn_t mfn)
{
	struct frame *f = frame_of(mfn);

	if (f->u.slab.prev)
		frame_of(f->u.slab.prev)->u.slab.next = f->u.slab.next;
	else
		s->partial = f->u.slab.next;
	if (f->u.slab.next)
		frame_of(f->u.slab.next)->u.slab.prev = f->u.slab.prev;
}

static void slab_page_free(struct domain *d, struct sh_slab *s, mfn_t mfn)
{
	partial_del(s, mfn);
	memset(mfn_to_va(mfn), 0, PAGE_SIZE);
	sh_page_free(d, mfn);
}

/* An object, not zeroed; takes at most one page out of the reservation. */
void *slab_alloc(struct domain *d, struct sh_slab *s)
{
	struct frame *f;
	u64 ma;
	u64 *obj;

	if (!s->partial) {
		partial_add(s, sh_page_new(d));
		f = frame_of(s->partial);
		ma = (u64)s->partial << PAGE_SHIFT;
		for (u64 o = ma + PAGE_SIZE / s->size * s->size; o > ma; o -= s->size) {
			*(u64 *)ma_to_va(o - s->size) = f->u.slab.free;
			f->u.slab.free = o - s->size;
		}
	}
	f = frame_of(s->partial);
	obj = ma_to_va(f->u.slab.free);
	f->u.slab.free = *obj;
	f->u.slab.nr++;
	if (!f->u.slab.free)
		partial_del(s, s->partial);
	return obj;
}

void slab_free(struct domain *d, struct sh_slab *s, void *obj)
{
	mfn_t mfn = va_to_mfn(obj);
	struct frame *f = frame_of(mfn);

	BUG_ON(!f->u.slab.nr);
	if (!f->u.slab.free)
		partial_add(s, mfn);
	*(u64 *)obj = f->u.slab.free;
	f->u.slab.free = va_to_ma(obj);
	f->u.slab.nr--;
	/* Keep one empty page: a single object that comes and goes must be cheap. */
	if (!f->u.slab.nr && (s->partial != mfn || f->u.slab.next))
		slab_page_free(d, s, mfn);
}

/* Free the empty page, too. */
void slab_trim(struct domain *d, struct sh_slab *s)
{
	mfn_t mfn, next;

	for (mfn = s->partial; mfn; mfn = next) {
		next = frame_of(mfn)->u.slab.next;
		if (!frame_of(mfn)->u.slab.nr)
			slab_page_free(d, s, mfn);
	}
}
