/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * shadow_priv.h - what the files of the shadow code share: shadow.c (roots and
 * loads), shfill.c (fills), shflush.c (everything that removes), shread.c (reading
 * entries again), shage.c (ageing), rmap.c (frame to leaves), shpool.c (pages).
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
/*
 * The most pages that one operation builds with. A load: a root's slab, its L4,
 * three for alias_l3 and two for another table of slot 511. A fill in slot 511:
 * these two, level 2 and 1, and a slab of reverse-map nodes.
 */
#define SH_RESERVE	8
/* The most leaves that one flush reads again (rule M2). */
#define REREAD_MAX	512

/* Software bit of a leaf: the frame is RAM, so it has this leaf in its reverse map. */
#define SH_RMAP		BIT(9)
/* Everything but leaves: no meaning of their own. */
#define SH_TABLE	(PTE_P | PTE_RW | PTE_A)

/* A guest root: the L4 tables of its vCPUs, which share the tables of the user half. */
struct sh_root {
	u64 gpa;
	struct sh_root *newer, *older;	/* in the order of the last load */
	struct sh_root *hash_next;	/* dead roots are in no hash list */
	u64 used[SLOT_UPPER / 64];	/* slots of the user half that have a level 3 table */
	u32 users;			/* vCPUs that have it loaded */
	bool dead;
	u32 aged;			/* the round of ageing that it has been through */
	u64 age_next;			/* page that the round goes on with */
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
	u32 age;			/* round of ageing */
	u64 age_since;			/* when it began */
	u64 upper_used[SLOT_UPPER / 64];	/* slots of the upper half that ever had one */
	u32 upper[PTES_PER_TABLE - SLOT_UPPER];	/* level 3 tables by L4 slot */
	struct sh_root *hash[ROOT_HASH];
};
_Static_assert(sizeof(struct sh_state) <= PAGE_SIZE, "struct sh_state is one page");

static inline mfn_t entry_mfn(u64 e)
{
	return (e & PTE_ADDR) >> PAGE_SHIFT;
}

/* Pages below one entry of `level`. */
static inline u64 entry_pages(int level)
{
	return BIT(9 * (level - 1));
}

/* Permissions of a walk, further down: `perms` of the levels above, and an entry. */
static inline u64 perms_below(u64 perms, u64 e)
{
	return (perms & e & (PTE_RW | PTE_US)) | ((perms | e) & PTE_NX);
}

/* First bit at `i` or later of `nr` bits, or nr. */
static inline unsigned int next_bit(const u64 *map, unsigned int i, unsigned int nr)
{
	for (; i < nr; i = (i | 63) + 1)
		if (map[i / 64] >> (i % 64))
			return i + __builtin_ctzl(map[i / 64] >> (i % 64));
	return nr;
}

/* The slot at `slot` or later that has a level 3 table of this root; SLOT_UPPER: no more. */
static inline unsigned int next_user(const struct sh_root *r, unsigned int slot)
{
	return next_bit(r->used, slot, SLOT_UPPER);
}

/* The slot at `slot` or later, of the upper half, that may have level 3 tables; past SLOT_TOP: no more. */
static inline unsigned int next_upper(const struct domain *d, unsigned int slot)
{
	return SLOT_UPPER + next_bit(d->shadow.state->upper_used, slot - SLOT_UPPER, SLOT_UPPER);
}

/* An entry of a table, absent until now, is about to be set. */
static inline void entry_added(u64 *entry)
{
	struct frame *f = frame_of(va_to_mfn(entry));

	f->u.sh.nr++;
	f->u.sh.map |= BIT(((u64)entry & ~PAGE_MASK) / (8 * sizeof(*entry)));
}

/* `i`, or a later entry if there is none before it; PTES_PER_TABLE: no more. */
static inline unsigned int entry_next(const struct frame *f, unsigned int i)
{
	return i % 8 ? i : 8 * next_bit(&f->u.sh.map, i / 8, 64);
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

/* Is an entry of a table of `level` a leaf? Entries of level 3 never are. */
static inline bool entry_is_leaf(u64 e, int level)
{
	return level == 1 || (e & PTE_PS);
}

/*
 * The shadow leaf of `level` for a frame (an entry of the p2m, the first one of
 * the leaf), made from the guest's leaf `e` of level `glevel` and the permissions
 * of the whole walk. Level 2 is for RAM alone.
 */
static inline u64 leaf_make(u64 perms, u64 e, int glevel, u64 frame, int level)
{
	u64 rw = perms & (e / (PTE_D / PTE_RW)) & PTE_RW;	/* writable and dirty */
	u64 leaf = (frame & PTE_ADDR) | PTE_P | PTE_A | (perms & (PTE_US | PTE_NX)) | rw | rw * (PTE_D / PTE_RW);

	if ((frame & P2M_TYPE) == P2M_RAM)
		return leaf | SH_RMAP | (level == 2 ? PTE_PS : 0);
	/* The memory type of a device register is the guest's business (rule M7). */
	leaf |= e & (PTE_PWT | PTE_PCD);
	if (e & (glevel == 1 ? PTE_PAT : PTE_PAT_LARGE))
		leaf |= PTE_PAT;
	return leaf;
}

#define HELD	(PTE_P | PTE_A)		/* a guest's entries that the processor may hold have these */

/* What the guest has for the entries of one shadow table: a table, or one leaf that maps all of it. */
struct sh_span {
	const u64 *table;		/* NULL: the leaf of a larger page */
	u64 perms;			/* of the levels above */
	u64 leaf;
	gfn_t gfn;			/* that the leaf has at the span's beginning */
	int level;			/* of the leaf, or 1 */
};

/* The leaf that entry i of a level 1 table may be; 0: none. */
static inline u64 span_leaf(struct domain *d, const struct sh_span *s, unsigned int i)
{
	u64 e = s->table ? READ_ONCE(s->table[i]) : s->leaf;
	u64 frame;

	if ((e & HELD) != HELD)
		return 0;
	frame = p2m_entry(d, s->table ? entry_mfn(e) : s->gfn + i);
	return frame ? leaf_make(perms_below(s->perms, e), e, s->level, frame, 1) : 0;
}

/* Reading again: leaves that it may still be done for, and that were kept. */
struct reread {
	struct domain *d;
	u32 left, kept;
};

/* shadow.c */
mfn_t sh_table_new(struct domain *d, int level);
mfn_t sh_upper_get(struct vcpu *v, unsigned int slot, u64 key);
void sh_root_free(struct domain *d, struct sh_root *r);
void sh_root_forget(struct domain *d, struct sh_root *r, unsigned int vcpu);

/* shfill.c */
void sh_leaf_install(struct domain *d, u64 *leaf, u64 new);

/* shread.c */
void sh_reread_user(struct reread *rr, struct sh_root *r, unsigned int slot, u64 first, u64 last);
void sh_reread_upper(struct reread *rr, struct sh_root *r, unsigned int slot, u64 first, u64 last);

/* shage.c */
bool sh_root_age(struct domain *d, struct sh_root *r);

/* shpool.c */
bool sh_reserve(struct domain *d, u32 nr);
mfn_t sh_page_new(struct domain *d);
void sh_page_free(struct domain *d, mfn_t mfn);
void sh_sync(struct domain *d);
void *slab_alloc(struct domain *d, struct sh_slab *s);
void slab_free(struct domain *d, struct sh_slab *s, void *obj);
void slab_trim(struct domain *d, struct sh_slab *s);

/* rmap.c */
#define RMAP_MAX	256
#define RMAP_NODE_SIZE	64
void rmap_add(struct domain *d, struct frame *f, u64 *leaf);
void rmap_del(struct domain *d, struct frame *f, u64 *leaf);

/* shflush.c */
void sh_leaf_drop(struct domain *d, u64 *leaf);
void sh_clear_pages(struct domain *d, mfn_t table, int level, u64 first, u64 last);
mfn_t sh_user_l3(const struct sh_root *r, unsigned int slot);
void sh_user_drop(struct domain *d, struct sh_root *r, unsigned int slot);
void sh_root_clear_user(struct domain *d, struct sh_root *r);
void sh_l4_free(struct domain *d, struct sh_root *r, unsigned int vcpu);
void sh_recheck_links(struct domain *d, struct sh_root *r, unsigned int vcpu, unsigned int first, unsigned int last);
bool sh_reclaim(struct domain *d);

#endif
