/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * shadow_priv.h - what the files of the shadow code share: shadow.c (roots,
 * loads, fills), shflush.c (everything that removes), rmap.c (frame to leaves),
 * shpool.c (pages).
 */
#ifndef SHADOW_PRIV_H
#define SHADOW_PRIV_H

#include <hv/domain.h>
#include <hv/frame.h>
#include <hv/lib.h>
#include <hv/mm.h>
#include <hv/shadow.h>

#define SLOT_AREA	256		/* L4 slot of the per-vCPU area */
#define SLOT_TOP	511		/* L4 slot of the shared page's alias */
#define SLOT_UPPER	256		/* first slot of the upper half */
#define ROOT_HASH	128

/* Software bit of a leaf: the frame is RAM, so it has this leaf in its reverse map. */
#define SH_RMAP		BIT(9)
/* Everything but leaves: no meaning of their own. */
#define SH_TABLE	(PTE_P | PTE_RW | PTE_A)

/* A guest root: the L4 tables of its vCPUs, which share the tables of the user half. */
struct sh_root {
	u64 gpa;
	struct sh_root *newer, *older;	/* in the order of the last load */
	struct sh_root *hash_next;	/* dead roots are in no hash list */
	u32 users;			/* vCPUs that have it loaded */
	bool dead;
	mfn_t l4[DOM_MAX_VCPUS];	/* 0: none */
};

struct sh_slab {
	u32 partial;			/* mfn of the first page with a free object, 0: none */
	u32 size;			/* of an object */
};

struct sh_state {
	struct sh_root *oldest;
	struct sh_slab roots, nodes;
	u32 spare, nr_spare;		/* zeroed pages, ready for use */
	u32 limbo;			/* zeroed pages that a processor may still walk */
	bool stale;			/* a processor may hold translations removed here */
	u64 nr_dropped;			/* leaves removed since the beginning */
	u64 epoch;			/* of the links of L4s to upper tables: see sh_recheck_links() */
	u32 evict;			/* clock hand of rmap_add() */
	u32 upper[PTES_PER_TABLE - SLOT_UPPER];	/* level 3 tables by L4 slot */
	struct sh_root *hash[ROOT_HASH];
};
_Static_assert(sizeof(struct sh_state) <= PAGE_SIZE, "struct sh_state is one page");

static inline mfn_t entry_mfn(u64 e)
{
	return (e & PTE_ADDR) >> PAGE_SHIFT;
}

/* Set a table entry. */
static inline void link_table(u64 *entry, mfn_t table, u64 flags)
{
	WRITE_ONCE(*entry, table << PAGE_SHIFT | SH_TABLE | flags);
}

/*
 * Key of an upper level 3 table: the bits of the guest's L4 entry that its
 * translations depend on, and in bits that are then free the slot and, for slot
 * 511, the vCPU.
 */
#define KEY_ENTRY	(PTE_P | PTE_RW | PTE_US | PTE_NX | PTE_ADDR)
#define KEY_SLOT_SHIFT	52
#define KEY_VCPU_SHIFT	3

static inline u64 upper_key(unsigned int vcpu, unsigned int slot, u64 guest_entry)
{
	u64 key = (guest_entry & KEY_ENTRY) | (u64)slot << KEY_SLOT_SHIFT;

	return slot == SLOT_TOP ? key | (u64)(vcpu + 1) << KEY_VCPU_SHIFT : key;
}

/* shadow.c */
void sh_root_free(struct domain *d, struct sh_root *r);

/* shpool.c */
bool sh_reserve(struct domain *d, u32 nr);
mfn_t sh_page_new(struct domain *d);
void sh_page_free(struct domain *d, mfn_t mfn);
void sh_sync(struct domain *d);
void *slab_alloc(struct domain *d, struct sh_slab *s);
void slab_free(struct domain *d, struct sh_slab *s, void *obj);
void slab_trim(struct domain *d, struct sh_slab *s);

/* rmap.c */
#define RMAP_NODE_SIZE	64
void rmap_add(struct domain *d, struct frame *f, u64 *leaf);
void rmap_del(struct domain *d, struct frame *f, u64 *leaf);

/* shflush.c */
void sh_leaf_drop(struct domain *d, u64 *leaf);
void sh_clear(struct domain *d, mfn_t table, int level, unsigned int first, unsigned int last);
void sh_root_clear_user(struct domain *d, struct sh_root *r);
void sh_l4_free(struct domain *d, struct sh_root *r, unsigned int vcpu);
void sh_recheck_links(struct domain *d, struct sh_root *r, unsigned int vcpu, unsigned int first, unsigned int last);
bool sh_reclaim(struct domain *d);

#endif
