// SPDX-License-Identifier: GPL-2.0-only
/*
 * shflush.c - everything that removes shadow entries: flushes, dead roots, and
 * taking tables back when the pool is empty. See shadow.c for the whole. What a
 * flush of addresses or of one root keeps is decided in shread.c.
 *
 * Work is bounded by the tables that exist, never by the range a guest names:
 * an absent table is skipped whole.
 *
 * Invariant: every public function here ends in sh_sync(), so no processor uses
 *            what was removed after it returns.
 * Locking:   shadow_lock.
 * Trust:     ranges and roots are the guest's; any value is safe.
 */
#include "shadow_priv.h"

void sh_leaf_drop(struct domain *d, u64 *leaf)
{
	struct sh_state *s = d->shadow.state;
	u64 old = *leaf;

	WRITE_ONCE(*leaf, 0);
	frame_of(va_to_mfn(leaf))->u.sh.nr--;
	if (old & SH_RMAP)
		rmap_del(d, frame_of(entry_mfn(old)), leaf);
	s->stale = true;
	s->nr_dropped++;
}

/* Remove the table below an entry, and all below it. */
static void child_drop(struct domain *d, u64 *entry, int child_level)
{
	mfn_t child = entry_mfn(*entry);

	sh_clear_pages(d, child, child_level, 0, entry_pages(child_level + 1) - 1);
	WRITE_ONCE(*entry, 0);
	frame_of(va_to_mfn(entry))->u.sh.nr--;
	d->shadow.state->stale = true;
	sh_page_free(d, child);
}

/*
 * Empty pages first .. last, counted from the start of the table's span, and
 * free the tables that lie wholly in them. A large leaf goes if any of it does.
 */
void sh_clear_pages(struct domain *d, mfn_t table, int level, u64 first, u64 last)
{
	u64 *t = mfn_to_va(table);
	u64 n = entry_pages(level), i, lo, hi;
	struct frame *f = frame_of(table);

	for (i = entry_next(f, first / n); i <= last / n && f->u.sh.nr; i = entry_next(f, i + 1)) {
		if (!t[i])
			continue;
		lo = i == first / n ? first % n : 0;
		hi = i == last / n ? last % n : n - 1;
		if (entry_is_leaf(t[i], level))
			sh_leaf_drop(d, &t[i]);
		else if (lo == 0 && hi == n - 1)
			child_drop(d, &t[i], level - 1);
		else
			sh_clear_pages(d, entry_mfn(t[i]), level - 1, lo, hi);
	}
}

/* Pages of the level 3 tables of `slot` that guests use: all but the top 2 MiB. */
static u64 last_page(unsigned int slot)
{
	return entry_pages(4) - 1 - (slot == SLOT_TOP ? PTES_PER_TABLE : 0);
}

/* Free an upper level 3 table that no L4 links; it is off its list. */
static void upper_free(struct domain *d, mfn_t l3, unsigned int slot)
{
	u64 *e;

	sh_clear_pages(d, l3, 3, 0, last_page(slot));
	if (slot == SLOT_TOP) {
		/* The alias path: the level 1 table is the vCPU's own and stays. */
		e = (u64 *)mfn_to_va(l3) + PTES_PER_TABLE - 1;
		((u64 *)mfn_to_va(entry_mfn(*e)))[PTES_PER_TABLE - 1] = 0;
		sh_page_free(d, entry_mfn(*e));
		*e = 0;
		d->shadow.state->stale = true;
	}
	sh_page_free(d, l3);
}

/* The level 3 table of a user slot, or 0; an L4 of the root may have it while another has not. */
mfn_t sh_user_l3(const struct sh_root *r, unsigned int slot)
{
	mfn_t l3 = 0;

	for (unsigned int c = 0; c < DOM_MAX_VCPUS && !l3; c++)
		if (r->l4[c])
			l3 = entry_mfn(((u64 *)mfn_to_va(r->l4[c]))[slot]);
	return l3;
}

/* Remove it from all L4s of the root. */
void sh_user_drop(struct domain *d, struct sh_root *r, unsigned int slot)
{
	mfn_t l3 = sh_user_l3(r, slot);
	unsigned int c;

	for (c = 0; c < DOM_MAX_VCPUS; c++)
		if (r->l4[c])
			WRITE_ONCE(((u64 *)mfn_to_va(r->l4[c]))[slot], 0);
	r->used[slot / 64] &= ~BIT(slot % 64);
	sh_clear_pages(d, l3, 3, 0, entry_pages(4) - 1);
	d->shadow.state->stale = true;
	sh_page_free(d, l3);
}

void sh_root_clear_user(struct domain *d, struct sh_root *r)
{
	unsigned int slot;

	for (slot = next_user(r, 0); slot < SLOT_UPPER; slot = next_user(r, slot + 1))
		sh_user_drop(d, r, slot);
}

/* The user half must be empty. */
void sh_l4_free(struct domain *d, struct sh_root *r, unsigned int c)
{
	unsigned int slot;
	u64 *l4;

	if (!r->l4[c])
		return;
	sh_root_forget(d, r, c);
	l4 = mfn_to_va(r->l4[c]);
	l4[SLOT_AREA] = 0;
	for (slot = next_upper(d, SLOT_AREA + 1); slot <= SLOT_TOP; slot = next_upper(d, slot + 1))
		l4[slot] = 0;
	d->shadow.state->stale = true;
	sh_page_free(d, r->l4[c]);
	r->l4[c] = 0;
}

/*
 * A guest may change an upper L4 entry, flush, and expect that nothing made from
 * the old one is used. The old one's table may live on for other roots, so an L4
 * must not link it any more: slots first .. last are compared with the guest's.
 * Loaded L4s and those that are ready are checked at each flush of the upper half,
 * which begins an epoch; the others when they are loaded, if theirs is over.
 */
void sh_recheck_links(struct domain *d, struct sh_root *r, unsigned int vcpu, unsigned int first, unsigned int last)
{
	u64 *t = mfn_to_va(r->l4[vcpu]), *guest = NULL, e;
	unsigned int slot;
	mfn_t mfn;

	if (p2m_get(d, r->gpa >> PAGE_SHIFT, &mfn) == P2M_RAM)
		guest = mfn_to_va(mfn);
	for (slot = next_upper(d, MAX(first, SLOT_AREA + 1U)); slot <= last; slot = next_upper(d, slot + 1)) {
		if (!t[slot])
			continue;
		e = guest ? READ_ONCE(guest[slot]) : 0;
		if (frame_of(entry_mfn(t[slot]))->u.sh.key == upper_key(vcpu, slot, e))
			continue;
		if (slot == SLOT_TOP)
			link_table(&t[slot], d->vcpu[vcpu]->shadow.alias_l3, 0);
		else
			WRITE_ONCE(t[slot], 0);
		d->shadow.state->stale = true;
	}
	frame_of(r->l4[vcpu])->u.sh.key = d->shadow.state->epoch;
}

/* Slots first .. last of the upper half are being flushed. */
static void new_epoch(struct domain *d, unsigned int first, unsigned int last)
{
	struct sh_vcpu *sv;
	unsigned int c, i;

	d->shadow.state->epoch++;
	for (c = 0; c < DOM_MAX_VCPUS; c++) {
		if (!d->vcpu[c])
			continue;
		sv = &d->vcpu[c]->shadow;
		if (sv->root)
			sh_recheck_links(d, sv->root, c, first, last);
		for (i = 0; i < SHADOW_READY; i++)
			if (sv->ready[i].root && sv->ready[i].root != sv->root)
				sh_recheck_links(d, sv->ready[i].root, c, first, last);
	}
}

static bool l4_loaded(struct domain *d, struct sh_root *r, unsigned int c)
{
	return d->vcpu[c] && d->vcpu[c]->shadow.root == r;
}

static bool is_alias_l3(struct domain *d, mfn_t l3)
{
	unsigned int c;

	for (c = 0; c < DOM_MAX_VCPUS; c++)
		if (d->vcpu[c] && d->vcpu[c]->shadow.alias_l3 == l3)
			return true;
	return false;
}

/* Everything but what the loaded L4s need to run: themselves and the alias path. */
static void reclaim_all(struct domain *d)
{
	struct sh_state *s = d->shadow.state;
	unsigned int c, slot;
	struct sh_root *r;
	u32 l3, *p;
	u64 *l4;

	for (r = d->shadow.roots; r; r = r->older) {
		sh_root_clear_user(d, r);
		for (c = 0; c < DOM_MAX_VCPUS; c++) {
			if (!l4_loaded(d, r, c)) {
				sh_l4_free(d, r, c);
				continue;
			}
			l4 = mfn_to_va(r->l4[c]);
			memset(l4 + SLOT_AREA + 1, 0, (SLOT_TOP - SLOT_AREA - 1) * sizeof(*l4));
			link_table(&l4[SLOT_TOP], d->vcpu[c]->shadow.alias_l3, 0);
			s->stale = true;
		}
	}
	for (slot = SLOT_AREA + 1; slot <= SLOT_TOP; slot++) {
		p = &s->upper[slot - SLOT_UPPER];
		while ((l3 = *p)) {
			if (is_alias_l3(d, l3)) {
				p = &frame_of(l3)->u.sh.next;
			} else {
				*p = frame_of(l3)->u.sh.next;
				upper_free(d, l3, slot);
			}
		}
	}
	slab_trim(d, &s->nodes);
	slab_trim(d, &s->roots);
}

/* Take tables back, the least recently loaded root's first. False: there is nothing left to take. */
bool sh_reclaim(struct domain *d)
{
	struct sh_state *s = d->shadow.state;
	u32 held = d->shadow.nr_tables - s->nr_spare;
	struct sh_root *r;

	COUNT(d, RECLAIMS);
	for (r = s->oldest; r && r->users; r = r->newer)
		;
	if (r)
		sh_root_free(d, r);
	else
		reclaim_all(d);
	sh_sync(d);
	return r || d->shadow.nr_tables - s->nr_spare < held;
}

void shadow_flush_all(struct domain *d)
{
	struct sh_state *s = d->shadow.state;
	u64 before = s->nr_dropped;
	struct sh_root *r;
	unsigned int slot;
	u32 l3;

	/* Upper level 3 tables stay, empty, so that L4s keep their links. */
	for (r = d->shadow.roots; r; r = r->older)
		sh_root_clear_user(d, r);
	for (slot = SLOT_AREA + 1; slot <= SLOT_TOP; slot++)
		for (l3 = s->upper[slot - SLOT_UPPER]; l3; l3 = frame_of(l3)->u.sh.next)
			sh_clear_pages(d, l3, 3, 0, last_page(slot));
	new_epoch(d, SLOT_UPPER, SLOT_TOP);
	COUNT(d, FLUSH_ALL);
	COUNT_ADD(d, FLUSH_ENTRIES, s->nr_dropped - before);
	sh_sync(d);
}

void shadow_flush_user(struct vcpu *v)
{
	struct domain *d = v->domain;
	struct sh_root *r = v->shadow.root;
	struct reread rr = { .d = d, .left = REREAD_MAX };
	u64 before = d->shadow.state->nr_dropped;
	unsigned int slot;

	for (slot = next_user(r, 0); slot < SLOT_UPPER; slot = next_user(r, slot + 1))
		sh_reread_user(&rr, r, slot, 0, entry_pages(4) - 1);
	COUNT(d, FLUSH_USER);
	COUNT_ADD(d, FLUSH_KEPT, rr.kept);
	COUNT_ADD(d, FLUSH_ENTRIES, d->shadow.state->nr_dropped - before);
	sh_sync(d);
}

/* Pages first .. last (page numbers of 48-bit addresses), all in one half. */
static void flush_pages(struct vcpu *v, struct reread *rr, u64 first, u64 last)
{
	struct domain *d = v->domain;
	struct sh_root *r = v->shadow.root;
	u64 n = entry_pages(4), slot = first / n, lo, hi;
	bool upper = slot >= SLOT_UPPER;

	for (; slot <= last / n; slot++) {
		slot = upper ? next_upper(d, slot) : next_user(r, slot);
		if (slot > last / n)
			break;
		lo = slot == first / n ? first % n : 0;
		hi = slot == last / n ? last % n : n - 1;
		if (!upper)
			sh_reread_user(rr, r, slot, lo, hi);
		else if (lo <= last_page(slot))
			sh_reread_upper(rr, r, slot, lo, MIN(hi, last_page(slot)));
	}
	if (upper)
		new_epoch(d, first / n, last / n);
}

void shadow_flush_range(struct vcpu *v, u64 va, u64 nr)
{
	struct domain *d = v->domain;
	struct reread rr = { .d = d, .left = REREAD_MAX };
	u64 before = d->shadow.state->nr_dropped;
	u64 half = entry_pages(5) / 2;		/* pages in each half */
	u64 first = va >> PAGE_SHIFT, last;

	/* Page numbers of the whole 64-bit space; `last` stops at its end. */
	last = nr > (BIT(64 - PAGE_SHIFT) - first) ? BIT(64 - PAGE_SHIFT) - 1 : first + nr - 1;
	if (nr && first < half)
		flush_pages(v, &rr, first, MIN(last, half - 1));
	first = MAX(first, BIT(64 - PAGE_SHIFT) - half);
	if (nr && first <= last)
		flush_pages(v, &rr, first & (2 * half - 1), last & (2 * half - 1));
	COUNT(d, FLUSH_ONE);
	COUNT_ADD(d, FLUSH_KEPT, rr.kept);
	COUNT_ADD(d, FLUSH_ENTRIES, d->shadow.state->nr_dropped - before);
	sh_sync(d);
}
