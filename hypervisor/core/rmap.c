// SPDX-License-Identifier: GPL-2.0-only
/*
 * rmap.c - reverse map: from a RAM frame to the shadow leaves that map it
 * (rule M3), so that a frame can be taken back from its domain.
 *
 * Two leaves are remembered in struct frame itself. More are in a chain of nodes
 * of seven; only the first node may be partly used, so adding and removing a
 * recent leaf touches one cache line.
 *
 * A leaf of 2 MiB is in the reverse map of its first frame. A domain has such leaves
 * only where all 512 frames are its own.
 *
 * The chain is bounded: past RMAP_MAX mappings of one frame an older leaf is
 * dropped, which a TLB may do at any time. It bounds the work that a guest can
 * cause by mapping one frame everywhere.
 *
 * Invariant: a leaf has SH_RMAP set if and only if its frame's reverse map has it,
 *            once. nr_rmap 0 to 2: no node; otherwise the first node, rmap[0], holds
 *            (nr_rmap - 1) % 7 + 1 leaves and the others seven.
 * Locking:   shadow_lock of the domain that owns the frame.
 * Trust:     which frames are mapped how often is the guest's choice.
 */
#include "shadow_priv.h"

#define NODE_LEAVES	7
#define INLINE_LEAVES	2

struct rmap_node {
	struct rmap_node *next;
	u64 *leaf[NODE_LEAVES];
};
_Static_assert(sizeof(struct rmap_node) == RMAP_NODE_SIZE, "one cache line");

static struct rmap_node *first_node(const struct frame *f)
{
	return (struct rmap_node *)f->u.ram.rmap[0];
}

static u32 nr_in_first(const struct frame *f)
{
	return (f->u.ram.nr_rmap - 1) % NODE_LEAVES + 1;
}

/* Any leaf; a clock hand, so that sharers take turns. */
static u64 *victim(struct domain *d, const struct frame *f)
{
	u32 skip = d->shadow.state->evict++ % f->u.ram.nr_rmap;
	struct rmap_node *n = first_node(f);
	u32 nr = nr_in_first(f);

	while (skip >= nr) {
		skip -= nr;
		nr = NODE_LEAVES;
		n = n->next;
	}
	return n->leaf[skip];
}

/* May take one page out of the reservation. */
void rmap_add(struct domain *d, struct frame *f, u64 *leaf)
{
	struct sh_slab *slab = &d->shadow.state->nodes;
	struct rmap_node *n;

	BUG_ON(f->type != FRAME_RAM);
	if (f->u.ram.nr_rmap >= RMAP_MAX)
		sh_leaf_drop(d, victim(d, f));
	if (f->u.ram.nr_rmap < INLINE_LEAVES) {
		f->u.ram.rmap[f->u.ram.nr_rmap] = (u64)leaf;
	} else if (f->u.ram.nr_rmap == INLINE_LEAVES) {
		n = slab_alloc(d, slab);
		n->next = NULL;
		for (u32 i = 0; i < INLINE_LEAVES; i++)
			n->leaf[i] = (u64 *)f->u.ram.rmap[i];
		n->leaf[INLINE_LEAVES] = leaf;
		f->u.ram.rmap[0] = (u64)n;
	} else if (f->u.ram.nr_rmap % NODE_LEAVES) {
		first_node(f)->leaf[nr_in_first(f)] = leaf;
	} else {
		n = slab_alloc(d, slab);
		n->next = first_node(f);
		n->leaf[0] = leaf;
		f->u.ram.rmap[0] = (u64)n;
	}
	f->u.ram.nr_rmap++;
}

void rmap_del(struct domain *d, struct frame *f, u64 *leaf)
{
	struct sh_slab *slab = &d->shadow.state->nodes;
	struct rmap_node *first, *n;
	u32 i, nr, last;

	if (f->u.ram.nr_rmap <= INLINE_LEAVES) {
		BUG_ON(!f->u.ram.nr_rmap--);
		if (f->u.ram.rmap[0] == (u64)leaf)
			f->u.ram.rmap[0] = f->u.ram.rmap[1];
		else
			BUG_ON(f->u.ram.rmap[1] != (u64)leaf);
		return;
	}

	first = first_node(f);
	nr = nr_in_first(f);
	last = nr - 1;
	for (n = first, i = 0; n->leaf[i] != leaf;) {
		if (++i == nr) {
			n = n->next;
			BUG_ON(!n);
			nr = NODE_LEAVES;
			i = 0;
		}
	}
	n->leaf[i] = first->leaf[last];
	f->u.ram.nr_rmap--;
	if (f->u.ram.nr_rmap == INLINE_LEAVES) {
		for (i = 0; i < INLINE_LEAVES; i++)
			f->u.ram.rmap[i] = (u64)first->leaf[i];
		slab_free(d, slab, first);
	} else if (!last) {
		f->u.ram.rmap[0] = (u64)first->next;
		slab_free(d, slab, first);
	}
}

static void unmap_all(struct domain *d, struct frame *f)
{
	while (f->u.ram.nr_rmap > INLINE_LEAVES)
		sh_leaf_drop(d, first_node(f)->leaf[0]);
	while (f->u.ram.nr_rmap)
		sh_leaf_drop(d, (u64 *)f->u.ram.rmap[0]);
}

void shadow_unmap_frame(struct domain *d, mfn_t mfn)
{
	struct frame *f = frame_of(mfn), *first = frame_of(ALIGN_DOWN(mfn, PTES_PER_TABLE));

	if (!f || f->type != FRAME_RAM)
		return;
	unmap_all(d, f);
	/* Leaves of 2 MiB are found at their first frame; that its small ones go, too, does no harm. */
	if (first->type == FRAME_RAM && first->owner == d->id)
		unmap_all(d, first);
	sh_sync(d);
}
