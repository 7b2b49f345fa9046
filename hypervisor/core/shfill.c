// SPDX-License-Identifier: GPL-2.0-only
/*
 * shfill.c - filling shadow tables on a miss: one walk of the guest's tables,
 * the shadow tables on the way, one leaf and some of its neighbours. See shadow.c
 * for the whole.
 *
 * Invariant: what a leaf holds is what the guest's tables said when it was
 *            installed or last read again.
 * Locking:   shadow_lock, from the walk to the installed leaf (rule M4).
 * Trust:     address and access are the guest's or a fault's; the p2m decides
 *            which frame, and guest_walk() whether.
 */
#include "shadow_priv.h"

#define FILL_WINDOW	8U		/* pages that one fill takes at most, aligned */

/* The level 3 table for `slot`, linked in the loaded L4. */
static mfn_t fill_l3(struct vcpu *v, unsigned int slot, u64 guest_entry)
{
	u64 *entry = (u64 *)mfn_to_va(v->shadow.l4) + slot;
	mfn_t l3;
	u64 key;

	if (slot >= SLOT_UPPER) {
		key = upper_key(v->id, slot, guest_entry);
		if (*entry && frame_of(entry_mfn(*entry))->u.sh.key == key)
			return entry_mfn(*entry);
		if (*entry)
			v->domain->shadow.state->stale = true;
		l3 = sh_upper_get(v, slot, key);
		link_table(entry, l3, 0);
		return l3;
	}
	if (*entry)
		return entry_mfn(*entry);
	l3 = sh_user_l3(v->shadow.root, slot);
	if (!l3) {
		l3 = sh_table_new(v->domain, 3);
		v->shadow.root->used[slot / 64] |= BIT(slot % 64);
	}
	link_table(entry, l3, PTE_US);
	return l3;
}

/* The leaf entry of level `to` for `va`, with the tables above it. */
static u64 *fill_path(struct vcpu *v, u64 va, u64 guest_entry, int to)
{
	mfn_t table = fill_l3(v, pt_index(va, 4), guest_entry), child;
	struct domain *d = v->domain;
	u64 *entry, first;
	int level;

	for (level = 3;; level--) {
		entry = (u64 *)mfn_to_va(table) + pt_index(va, level);
		/* Some processors stop at two sizes of one address: the old one must be gone from all TLBs first. */
		if (level == 2 && *entry && entry_is_leaf(*entry, level) != (to == 2)) {
			first = pt_index(va, level) * entry_pages(level);
			sh_clear_pages(d, table, level, first, first + entry_pages(level) - 1);
			sh_sync(d);
		}
		if (level == to)
			return entry;
		child = entry_mfn(*entry);
		if (!*entry) {
			child = sh_table_new(d, level - 1);
			entry_added(entry);
			link_table(entry, child, va_upper(va) ? 0 : PTE_US);
		}
		table = child;
	}
}

static void leaf_add(struct domain *d, u64 *leaf, u64 new)
{
	entry_added(leaf);
	if (new & SH_RMAP)
		rmap_add(d, frame_of(entry_mfn(new)), leaf);
	WRITE_ONCE(*leaf, new);
}

/* Set a leaf, or change it. */
void sh_leaf_install(struct domain *d, u64 *leaf, u64 new)
{
	u64 old = *leaf;

	if (old == new)
		return;
	if (old && ((old ^ new) & (PTE_ADDR | SH_RMAP))) {
		sh_leaf_drop(d, leaf);
		old = 0;
	}
	if (!old)
		return leaf_add(d, leaf, new);
	/* More than a page become writable: a processor may hold the old entry. */
	if (((old ^ new) & ~(PTE_RW | PTE_D | PTE_A)) || (old & PTE_RW))
		d->shadow.state->stale = true;
	WRITE_ONCE(*leaf, new);
}

/*
 * Take the neighbours of a page that was filled: those whose entries are empty
 * here, but present and accessed in the same table of the guest. A processor
 * could have loaded them before, too. They take no other page's place, and are
 * not marked accessed: the next flush drops what the processor has not used.
 */
static void fill_around(struct domain *d, u64 *leaf, unsigned int at, const struct walk *w)
{
	struct sh_span s = { .table = w->table, .perms = w->above, .level = 1 };
	unsigned int i = at & ~(FILL_WINDOW - 1), end = i + FILL_WINDOW;
	u64 *t = leaf - at, new;

	if (w->level > 1)
		s = (struct sh_span){ .perms = w->above, .leaf = w->leaf, .gfn = w->gfn - at, .level = w->level };
	for (; i < end; i++) {
		if (t[i])
			continue;
		new = span_leaf(d, &s, i);
		if (!new || ((new & SH_RMAP) && frame_of(entry_mfn(new))->u.ram.nr_rmap >= RMAP_MAX))
			continue;
		leaf_add(d, &t[i], new & ~PTE_A);
		COUNT(d, FILLS_AROUND);
	}
}

enum sh_result shadow_fill(struct vcpu *v, u64 va, u32 access, u32 *error)
{
	struct domain *d = v->domain;
	struct walk w;
	int level = 1;
	u64 *leaf;

	BUG_ON(!v->shadow.root);
	if (pt_index(va, 4) == SLOT_AREA || va >= VMI_TOP_BASE) {
		*error = access & (PF_WRITE | PF_USER | PF_FETCH);
		COUNT(d, FILL_FAULTS);
		return SH_FAULT;
	}
	if (!guest_walk(d, v->shadow.root->gpa, va, access, &w)) {
		*error = w.error;
		COUNT(d, FILL_FAULTS);
		return SH_FAULT;
	}
	if (!sh_reserve(d, SH_RESERVE))
		return SH_NOMEM;
	if (w.level > 1 && p2m_is_large(d, w.gfn)) {
		level = 2;
		w.frame -= (w.gfn & (entry_pages(level) - 1)) << PAGE_SHIFT;
	}
	leaf = fill_path(v, va, w.root_entry, level);
	sh_leaf_install(d, leaf, leaf_make(w.perms, w.leaf, w.level, w.frame, level));
	if (level == 1)
		fill_around(d, leaf, pt_index(va, 1), &w);
	COUNT(d, FILLS);
	sh_sync(d);
	return SH_FILLED;
}
