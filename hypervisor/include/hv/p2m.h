/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * p2m.h - a domain's frame space: gfn to mfn and type (see core/p2m.c).
 */
#ifndef HV_P2M_H
#define HV_P2M_H

#include <hv/types.h>

struct domain;

enum p2m_type { P2M_NONE, P2M_RAM, P2M_MMIO };

struct p2m {
	mfn_t root;			/* radix tree, MFN_NONE while empty */
	int levels;			/* of the tree */
	u64 nr_ram;			/* frames of type P2M_RAM */
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
/* Type of `gfn`, any value; *mfn is set unless it is P2M_NONE. */
enum p2m_type p2m_get(struct domain *d, gfn_t gfn, mfn_t *mfn);

#endif
