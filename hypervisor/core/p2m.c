// SPDX-License-Identifier: GPL-2.0-only
/*
 * p2m.c - a domain's frame space: gfn to mfn and type.
 *
 * A radix tree of 512-entry tables from the heap, only as high as its largest
 * gfn needs. An entry at any level is empty, a pointer to a table, or a run:
 * 512^(level - 1) frames with consecutive mfns and one type. So the identity map
 * of a big machine takes a few pages, and most lookups one or two reads. Most
 * gfns that are asked for lie near others, so the 2 MiB frames that were found
 * lately are kept at hand.
 *
 * Invariant: nr_ram is the number of gfns of type P2M_RAM; `recent` is what the tree says.
 * Locking:   p2m_lock of the domain, before shadow_lock and heap_lock (one
 *            processor today, so there is none).
 *            A domain but domain 0 has its memory at gfns below nr_gfns; a gfn
 *            there without an entry has not been touched yet, and p2m_populate()
 *            gives it a frame.
 * Trust:     a gfn may come from a guest and have any value; p2m_set() is
 *            called with the hypervisor's own values only.
 */
#include <hv/domain.h>
#include <hv/frame.h>
#include <hv/lib.h>
#include <hv/mm.h>
#include <hv/p2m.h>

/* Entry: as p2m_entry() gives it, of a run; or a pointer to a table. */
#define ENT_TABLE	3UL
#define MFN_LIMIT	(1UL << 40)

static u64 *table_of(u64 ent)
{
	return ma_to_va(ent & PTE_ADDR);
}

/* Frames that one entry of `level` covers. */
static u64 span(int level)
{
	return 1UL << (9 * (level - 1));
}

static u64 table_new(struct domain *d)
{
	mfn_t mfn = heap_alloc(d->id, FRAME_HV);

	return mfn == MFN_NONE ? 0 : mfn << PAGE_SHIFT | ENT_TABLE;
}

/* Empty the entry: free what is below it and take its RAM out of the count. */
static void entry_clear(struct domain *d, u64 *ent, int level)
{
	u64 old = *ent, *t;
	int i;

	*ent = 0;
	if ((old & P2M_TYPE) == ENT_TABLE) {
		t = table_of(old);
		for (i = 0; i < PTES_PER_TABLE; i++)
			if (t[i])
				entry_clear(d, &t[i], level - 1);
		frame_put(old >> PAGE_SHIFT);
	} else if ((old & P2M_TYPE) == P2M_RAM) {
		d->p2m.nr_ram -= span(level);
	}
}

/* Make the entry point to a table, with the contents it has now. */
static bool entry_split(struct domain *d, u64 *ent, int level)
{
	u64 old = *ent, new, *t;
	int i;

	if ((old & P2M_TYPE) == ENT_TABLE)
		return true;
	new = table_new(d);
	if (!new)
		return false;
	t = table_of(new);
	for (i = 0; old && i < PTES_PER_TABLE; i++)
		t[i] = old + ((i * span(level - 1)) << PAGE_SHIFT);
	*ent = new;
	return true;
}

/* Set [gfn, gfn + nr), offsets inside the table `t` of `level`. */
static int table_set(struct domain *d, u64 *t, int level, gfn_t gfn, mfn_t mfn, u64 nr, enum p2m_type type)
{
	u64 n, off, *ent;
	int rc;

	for (; nr; gfn += n, mfn += n, nr -= n) {
		ent = &t[gfn / span(level)];
		off = gfn % span(level);
		n = MIN(nr, span(level) - off);
		if (n == span(level)) {
			entry_clear(d, ent, level);
			if (type != P2M_NONE)
				*ent = mfn << PAGE_SHIFT | type;
			if (type == P2M_RAM)
				d->p2m.nr_ram += n;
			continue;
		}
		if (type == P2M_NONE && !*ent)
			continue;
		if (!entry_split(d, ent, level))
			return -VMI_ENOMEM;
		rc = table_set(d, table_of(*ent), level - 1, off, mfn, n, type);
		if (rc)
			return rc;
	}
	return 0;
}

int p2m_init(struct domain *d)
{
	d->p2m = (struct p2m){ .root = MFN_NONE };
	return 0;
}

void p2m_exit(struct domain *d)
{
	u64 root = d->p2m.root << PAGE_SHIFT | ENT_TABLE;

	if (d->p2m.root != MFN_NONE)
		entry_clear(d, &root, d->p2m.levels + 1);
	BUG_ON(d->p2m.nr_ram);
	p2m_init(d);
}

int p2m_set(struct domain *d, gfn_t gfn, mfn_t mfn, u64 nr, enum p2m_type type)
{
	struct p2m *p = &d->p2m;
	u64 ent;

	if (gfn >= P2M_MAX_GFN || nr > P2M_MAX_GFN - gfn || type > P2M_MMIO)
		return -VMI_EINVAL;
	if (type != P2M_NONE && (mfn >= MFN_LIMIT || nr > MFN_LIMIT - mfn))
		return -VMI_EINVAL;
	if (!nr)
		return 0;

	if (nr == 1)
		p->recent[gfn / PTES_PER_TABLE % P2M_RECENT].chunk = 0;
	else
		memset(p->recent, 0, sizeof(p->recent));
	while (p->root == MFN_NONE || (gfn + nr - 1) >> (9 * p->levels)) {
		ent = table_new(d);
		if (!ent)
			return -VMI_ENOMEM;
		if (p->root != MFN_NONE)
			table_of(ent)[0] = p->root << PAGE_SHIFT | ENT_TABLE;
		p->root = ent >> PAGE_SHIFT;
		p->levels++;
	}
	return table_set(d, mfn_to_va(p->root), p->levels, gfn, mfn, nr, type);
}

u64 p2m_find(struct domain *d, gfn_t gfn)
{
	struct p2m *p = &d->p2m;
	struct p2m_recent *r = &p->recent[gfn / PTES_PER_TABLE % P2M_RECENT];
	u64 ent = p->root << PAGE_SHIFT | ENT_TABLE, table, off;
	int level = p->levels;

	if (p->root == MFN_NONE || gfn >> (9 * level))
		return 0;
	do {
		table = ent;
		ent = table_of(table)[(gfn >> (9 * (level - 1))) & (PTES_PER_TABLE - 1)];
	} while (--level && (ent & P2M_TYPE) == ENT_TABLE);
	if (!level) {
		*r = (struct p2m_recent){ .chunk = gfn / PTES_PER_TABLE + 1, .entry = (table & PTE_ADDR) | P2M_PIECES };
		return ent;
	}
	if (!ent)
		return 0;
	off = gfn & (span(level + 1) - 1);
	*r = (struct p2m_recent){
		.chunk = gfn / PTES_PER_TABLE + 1,
		.entry = ent + (ALIGN_DOWN(off, PTES_PER_TABLE) << PAGE_SHIFT),
	};
	return ent + (off << PAGE_SHIFT);
}

u64 p2m_populate(struct domain *d, gfn_t gfn)
{
	u64 ent = p2m_entry(d, gfn);
	mfn_t mfn;

	if (ent || gfn >= d->nr_gfns || d->p2m.nr_ram >= d->max_gfns)
		return ent;
	mfn = heap_alloc(d->id, FRAME_RAM);
	if (mfn == MFN_NONE)
		return 0;
	if (p2m_set(d, gfn, mfn, 1, P2M_RAM)) {
		frame_put(mfn);
		return 0;
	}
	return p2m_entry(d, gfn);
}
