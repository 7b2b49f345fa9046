// SPDX-License-Identifier: GPL-2.0-only
/*
 * shread.c - reading shadow entries again (rule M2): a flush keeps those that the
 * guest's tables still have, with the permissions they have now. See shadow.c
 * for the whole.
 *
 * To a guest this is a flush after which the processor was quick to walk its
 * tables again; but no accessed or dirty bit is set, so only entries that are
 * marked accessed stay, and only those of dirty pages stay writable.
 *
 * The guest's tables are walked from the root, beside the shadow tables: each is
 * looked up once, and what it has for each shadow entry is compared. Where it has
 * nothing, all that the shadow has below goes at once; so the end of an address
 * space, whose tables are gone, costs no comparison.
 *
 * Invariant: nothing here adds an entry or writes guest memory.
 * Locking:   shadow_lock; the p2m must not change meanwhile (p2m_lock).
 * Trust:     the guest's tables may hold anything and change at any time: each
 *            entry is read once.
 */
#include "shadow_priv.h"

static bool table_span(struct domain *d, u64 entry, u64 perms, struct sh_span *s)
{
	mfn_t mfn;

	if ((entry & (HELD | PTE_PS)) != HELD || p2m_get(d, entry_mfn(entry), &mfn) != P2M_RAM)
		return false;
	*s = (struct sh_span){ .table = mfn_to_va(mfn), .perms = perms_below(perms, entry), .level = 1 };
	return true;
}

/* The span of the table below entry i of a shadow table of `level`, if there may be one. */
static bool child_span(struct domain *d, const struct sh_span *s, unsigned int i, int level, struct sh_span *child)
{
	u64 e;

	if (!s->table) {
		*child = *s;
		child->gfn += i * entry_pages(level);
		return true;
	}
	e = READ_ONCE(s->table[i]);
	if (!(e & PTE_PS))
		return table_span(d, e, s->perms, child);
	if ((e & HELD) != HELD || !guest_leaf_ok(e, level))
		return false;
	*child = (struct sh_span){ .perms = s->perms, .leaf = e, .level = level,
				.gfn = guest_leaf_gfn(e, level) };
	return true;
}

/* A leaf may be `new` now, or nothing. */
static void leaf_again(struct reread *rr, u64 *leaf, u64 new)
{
	if ((*leaf ^ new) & ~(PTE_RW | PTE_D | PTE_US | PTE_NX)) {
		sh_leaf_drop(rr->d, leaf);
	} else {
		sh_leaf_install(rr->d, leaf, new);
		rr->kept++;
	}
}

/* What was only taken along with a fill is not worth it if it was not used. */
static bool worth_it(struct reread *rr, u64 leaf)
{
	if (!(leaf & PTE_A) || !rr->left)
		return false;
	rr->left--;
	return true;
}

/* Entries first .. last of a level 1 table. */
static void leaves_again(struct reread *rr, const struct sh_span *s, mfn_t table, unsigned int first, unsigned int last)
{
	const struct frame *f = frame_of(table);
	const struct sh_span span = *s;
	u64 *t = mfn_to_va(table), new;
	unsigned int i;

	for (i = entry_next(f, first); i <= last; i = entry_next(f, i + 1)) {
		if (!t[i])
			continue;
		new = worth_it(rr, t[i]) ? span_leaf(rr->d, &span, i) : 0;
		if (likely(t[i] == new))
			rr->kept++;
		else
			leaf_again(rr, &t[i], new);
	}
}

/* Entry i of a level 2 table, a leaf. */
static void large_again(struct reread *rr, const struct sh_span *s, u64 *leaf, unsigned int i)
{
	struct sh_span child;
	u64 new = 0;

	if (worth_it(rr, *leaf) && child_span(rr->d, s, i, 2, &child) && !child.table && p2m_is_large(rr->d, child.gfn))
		new = leaf_make(perms_below(child.perms, child.leaf), child.leaf, child.level,
				p2m_entry(rr->d, child.gfn), 2);
	leaf_again(rr, leaf, new);
}

/* Pages first .. last, counted from the start of the table's span. */
static void table_again(struct reread *rr, const struct sh_span *s, mfn_t table, int level, u64 first, u64 last)
{
	u64 *t = mfn_to_va(table), n = entry_pages(level), i, lo, hi;
	const struct frame *f = frame_of(table);
	struct sh_span child;

	if (level == 1)
		return leaves_again(rr, s, table, first, last);
	for (i = entry_next(f, first / n); i <= last / n; i = entry_next(f, i + 1)) {
		if (!t[i])
			continue;
		if (entry_is_leaf(t[i], level)) {
			large_again(rr, s, &t[i], i);
			continue;
		}
		lo = i == first / n ? first % n : 0;
		hi = i == last / n ? last % n : n - 1;
		if (rr->left && child_span(rr->d, s, i, level, &child))
			table_again(rr, &child, entry_mfn(t[i]), level - 1, lo, hi);
		else
			sh_clear_pages(rr->d, table, level, i * n + lo, i * n + hi);
	}
}

/* The guest's root table, or NULL. */
static const u64 *root_table(struct domain *d, const struct sh_root *r)
{
	mfn_t mfn;

	/* The frame of a dead root may be anything by now. */
	if (r->dead || p2m_get(d, r->gpa >> PAGE_SHIFT, &mfn) != P2M_RAM)
		return NULL;
	return mfn_to_va(mfn);
}

void sh_reread_user(struct reread *rr, struct sh_root *r, unsigned int slot, u64 first, u64 last)
{
	const u64 *guest = root_table(rr->d, r);
	mfn_t l3 = sh_user_l3(r, slot);
	struct sh_span s;

	if (rr->left && guest && table_span(rr->d, READ_ONCE(guest[slot]), PTE_RW | PTE_US, &s))
		table_again(rr, &s, l3, 3, first, last);
	else if (first == 0 && last == entry_pages(4) - 1)
		sh_user_drop(rr->d, r, slot);
	else
		sh_clear_pages(rr->d, l3, 3, first, last);
}

/* Tables of the slot that were made from another entry than this root's are emptied. */
void sh_reread_upper(struct reread *rr, struct sh_root *r, unsigned int slot, u64 first, u64 last)
{
	const u64 *guest = root_table(rr->d, r);
	u64 e = guest ? READ_ONCE(guest[slot]) : 0;
	struct sh_span s;
	bool ok = table_span(rr->d, e, PTE_RW, &s);
	u32 l3;

	for (l3 = rr->d->shadow.state->upper[slot - SLOT_UPPER]; l3; l3 = frame_of(l3)->u.sh.next) {
		if (ok && !((frame_of(l3)->u.sh.key ^ e) & KEY_ENTRY))
			table_again(rr, &s, l3, 3, first, last);
		else
			sh_clear_pages(rr->d, l3, 3, first, last);
	}
}
