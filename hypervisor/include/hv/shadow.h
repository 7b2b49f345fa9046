/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * shadow.h - shadow page tables: a software TLB (see core/shadow.c), and the
 * walk of a guest's own tables (core/walk.c).
 */
#ifndef HV_SHADOW_H
#define HV_SHADOW_H

#include <hv/p2m.h>
#include <hv/types.h>

struct domain;
struct vcpu;

/* Result of a walk of the guest's tables. */
struct walk {
	gfn_t gfn;			/* 4 KiB frame that `va` is in */
	u64 frame;			/* its entry in the p2m, never 0 */
	u64 perms;			/* PTE_RW | PTE_US | PTE_NX combined over the levels */
	u64 above;			/* the same of the levels above the leaf */
	u64 leaf;			/* the leaf entry after the update: D, PAT, PCD, PWT */
	const u64 *table;		/* that the leaf entry is in */
	u64 root_entry;			/* the level 4 entry */
	int level;			/* of the leaf: 1, 2 or 3 */
	u32 error;			/* page-fault error code where the walk failed */
};

/*
 * Walk the tables at guest-physical `cr3` for `va`. `access` has PF_WRITE,
 * PF_USER, PF_FETCH. Sets accessed (and dirty for a write) bits with a locked
 * compare-and-exchange, only where the whole access is allowed.
 * True: allowed, *w is filled. False: w->error is what a processor would push
 * (PF_RSVD where a table or frame is not the domain's memory). In the upper half
 * every page is a supervisor page, whatever the tables say (rule R1).
 */
bool guest_walk(struct domain *d, u64 cr3, u64 va, u32 access, struct walk *w);

/* A leaf of `level`: is it none of the reserved kinds, and which frame does it begin with. */
bool guest_leaf_ok(u64 e, int level);
gfn_t guest_leaf_gfn(u64 e, int level);

/* Copy from or to guest virtual addresses of v as the guest kernel: 0 or -VMI_EFAULT (nothing more is said). */
long copy_from_guest(struct vcpu *v, void *dst, u64 va, u64 len);
long copy_to_guest(struct vcpu *v, u64 va, const void *src, u64 len);

struct sh_root;
struct sh_state;
struct sh_domain {
	u32 nr_tables, max_tables;	/* pages of the pool: held, limit */
	struct sh_root *roots;		/* most recently loaded first */
	struct sh_state *state;
};

/* Roots that the arch code switches a vCPU to by itself, see arch_root_slot(). */
#define SHADOW_READY	8
struct sh_ready {
	u64 cr3;			/* guest's value */
	struct sh_root *root;		/* NULL: none */
};

struct sh_vcpu {
	struct sh_root *root;		/* loaded */
	mfn_t l4;			/* the L4 table to run on */
	mfn_t alias_l3;			/* for slot 511, with the shared page's alias only; 0 until the first load */
	u64 area_l4e;			/* entry for L4 slot 256, set by arch code before shadow_load() */
	struct sh_ready ready[SHADOW_READY];
	u32 next_ready;			/* to be replaced next, modulo their number */
};

enum sh_result { SH_FILLED, SH_FAULT, SH_NOMEM };

/*
 * max_tables: bound of the pool in pages; at least SHADOW_MIN_TABLES. An instruction
 * and its delivery touch up to a dozen pages, each with three tables of its own: with
 * fewer tables than all of them need, a guest could miss for ever.
 */
#define SHADOW_MIN_TABLES	64
int shadow_domain_init(struct domain *d, u32 max_tables);
/* Take tables back, `nr` times some, of a domain that does not run any more: true when there is nothing left to take. */
bool shadow_domain_drain(struct domain *d, u32 nr);
/* The same to the end, and the rest. */
void shadow_domain_exit(struct domain *d);
/*
 * Load the root at `cr3` (the low 12 bits, a PCID, are ignored), and make it ready;
 * without `keep` its user half is flushed. 0; -VMI_EINVAL where it is not RAM of
 * the domain; -VMI_ENOMEM. After an error the old root stays loaded.
 */
int shadow_load(struct vcpu *v, u64 cr3, bool keep);
/* Fill one page. SH_FAULT: *error is the error code for the guest. */
enum sh_result shadow_fill(struct vcpu *v, u64 va, u32 access, u32 *error);
void shadow_flush_all(struct domain *d);
void shadow_flush_user(struct vcpu *v);
void shadow_flush_range(struct vcpu *v, u64 va, u64 nr);
/* The guest says the root at guest-physical `gpa` is dead: 0 or -VMI_ENOENT. */
int shadow_root_drop(struct domain *d, u64 gpa);
/*
 * v runs, and it is `now` (ns): for its timer's interrupts. Once in SHADOW_AGE_NS all
 * that the domain's roots have in the user half is compared with the guest's accessed
 * bits, a bounded part at a time, whenever a root is loaded and here (rule M6).
 */
#define SHADOW_AGE_NS	1000000000UL
void shadow_age(struct vcpu *v, u64 now);
/* Remove every shadow entry that maps `mfn` (rule M3). */
void shadow_unmap_frame(struct domain *d, mfn_t mfn);

/* The arch code switched v to a root that is ready, whose L4 is `l4`. */
void shadow_switched(struct vcpu *v, mfn_t l4);
/*
 * From now on the arch code may switch v to `l4` by itself when the guest loads
 * `cr3` and keeps translations; l4 0: slot i is empty (arch; a fake in unit tests).
 */
void arch_root_slot(struct vcpu *v, u32 i, u64 cr3, mfn_t l4);

/* Forget hardware translations of a domain on every processor (arch; a fake in unit tests). */
void arch_tlb_flush(struct domain *d);

#endif
