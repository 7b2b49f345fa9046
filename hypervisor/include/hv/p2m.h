/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * p2m.h - a domain's frame space: gfn to mfn and type (see core/p2m.c).
 */
#ifndef HV_P2M_H
#define HV_P2M_H

#include <hv/types.h>

struct domain;

enum p2m_type { P2M_NONE, P2M_RAM, P2M_MMIO };

/* An entry: bits 0-1 the type, from bit 12 the mfn; 0 where nothing is. */
#define P2M_TYPE	3UL

/* 2 MiB frames that were looked up lately: the entry of the first one where they are a run, else their table. */
#define P2M_RECENT	32
#define P2M_PIECES	BIT(63)
struct p2m_recent {
	u64 chunk;			/* 1 + gfn / 512, 0: none */
	u64 entry;			/* with P2M_PIECES: machine address of the table */
};

struct p2m {
	mfn_t root;			/* radix tree, MFN_NONE while empty */
	int levels;			/* of the tree */
	u64 nr_ram;			/* frames of type P2M_RAM */
	struct p2m_recent recent[P2M_RECENT];
};

#define P2M_MAX_LEVELS	4
#define P2M_MAX_GFN	(1UL << (9 * P2M_MAX_LEVELS))

int p2m_init(struct domain *d);
void p2m_exit(struct domain *d);
/*
 * Map [gfn, gfn + nr) to [mfn, mfn + nr): 0, -VMI_EINVAL, -VMI_ENOMEM (a part
 * may be set then). The caller first removes shadow entries of frames that it
 * takes away. Frames mapped as P2M_RAM must have type FRAME_RAM.
 */
int p2m_set(struct domain *d, gfn_t gfn, mfn_t mfn, u64 nr, enum p2m_type type);
/*
 * Give `gfn` a zeroed frame, if it is below d->nr_gfns and has none: its entry, or
 * 0 where it may have none or there is no memory.
 */
u64 p2m_populate(struct domain *d, gfn_t gfn);
/* The entry of `gfn`, any value, from the tree: for p2m_entry() alone. */
u64 p2m_find(struct domain *d, gfn_t gfn);
/* p2m_entry(), p2m_get() and p2m_is_large() are in hv/domain.h. */

#endif
