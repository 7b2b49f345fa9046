/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * p2m.h - a domain's frame space: gfn to mfn and type (see core/p2m.c).
 */
#ifndef HV_P2M_H
#define HV_P2M_H

#include <hv/types.h>

struct domain;

enum p2m_type { P2M_NONE, P2M_RAM, P2M_MMIO };

/* Frames of one type whose mfns follow each other. */
struct p2m_run {
	gfn_t gfn;
	mfn_t mfn;
	u64 nr;
	enum p2m_type type;
};

struct p2m {
	mfn_t root;			/* radix tree, MFN_NONE while empty */
	int levels;			/* of the tree */
	u64 nr_ram;			/* frames of type P2M_RAM */
	struct p2m_run recent[2];	/* found last; nr 0: none */
	u8 oldest;			/* of these */
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
/* The run that `gfn`, any value, is in, looked up in the tree: for p2m_get_run() alone. */
const struct p2m_run *p2m_find_run(struct domain *d, gfn_t gfn);
/* p2m_get_run() and p2m_get() are in hv/domain.h. */

#endif
