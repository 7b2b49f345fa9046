/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * frame.h - machine frames: who owns each one, how often it is referenced,
 * and a heap of free ones.
 */
#ifndef HV_FRAME_H
#define HV_FRAME_H

#include <hv/types.h>

#define FRAME_LENT	1		/* frame.flags: domain 0 sees it, with a reference of its own */

enum frame_type { FRAME_NONE, FRAME_FREE, FRAME_HV, FRAME_RAM, FRAME_SHADOW };

/* core/frame.c owns all but `u`, which belongs to whoever the type names. */
struct frame {
	u32 refs;
	u16 owner;			/* domid */
	u8 type;			/* enum frame_type */
	u8 flags;			/* FRAME_LENT */
	union {
		struct {		/* FRAME_RAM: shadow leaves that map it (core/rmap.c) */
			u64 rmap[2];
			u32 nr_rmap;
		} ram;
		struct {		/* FRAME_SHADOW: a shadow table (core/shadow.c) */
			u64 map;	/* bit n: some of entries 8n .. 8n + 7 may be present */
			u64 key;	/* level 3 of the upper half: see upper_key() */
			u32 next;	/* mfn in the list that it is on, 0 ends it */
			u16 nr;		/* entries present */
			u8 level;
		} sh;
		struct {		/* FRAME_SHADOW: small objects (core/shpool.c) */
			u64 free;	/* machine address of the first free object, or 0 */
			u32 next, prev;	/* pages with free objects */
			u16 nr;		/* objects in use */
		} slab;
		u32 next_free;		/* FRAME_FREE */
	} u;
};
_Static_assert(sizeof(struct frame) == 32, "struct frame");

/* Set up the table for frames 0 .. nr-1, all FRAME_NONE; `table` has nr entries. */
void frame_init(struct frame *table, u64 nr);
/* The table, for frame_of() alone. */
extern struct frame *frame_table;
extern u64 nr_frames;
/* NULL where mfn is beyond the table. */
static inline struct frame *frame_of(mfn_t mfn)
{
	return mfn < nr_frames ? &frame_table[mfn] : NULL;
}
/* Give frames [mfn, mfn + nr) to `owner` with one reference each. */
void frame_assign(mfn_t mfn, u64 nr, u16 owner, enum frame_type type);
/* Give frames [mfn, mfn + nr) to the heap; frame 0 is left out, so that 0 can mean none. */
void heap_add(mfn_t mfn, u64 nr);
/* One zeroed frame with one reference, out of the owner's budget if it has one; or MFN_NONE. */
mfn_t heap_alloc(u16 owner, enum frame_type type);
/* The same for the hypervisor's own use, by address; NULL: none. */
void *page_new(u16 owner);
void page_free(void *p);
/* Free frames that no budget has a right to. */
u64 heap_free_frames(void);
/*
 * Set `nr` free frames aside for `owner`, which must have no budget: false where there are
 * not so many. They, and what the owner gives back, wait for it until heap_budget_end().
 */
bool heap_budget(u16 owner, u64 nr);
/* Give it (by) more, or fewer: false where there are not so many, or it has taken them. */
bool heap_budget_change(u16 owner, s64 by);
void heap_budget_end(u16 owner);
/* Take a reference; false where the frame is free, not there, or at its limit. */
bool frame_get(mfn_t mfn);
/* Drop a reference; the last one returns the frame to the heap. */
void frame_put(mfn_t mfn);

#endif
