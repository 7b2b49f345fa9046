// SPDX-License-Identifier: GPL-2.0-only
/*
 * walk.c - the walk of a guest's own page tables, as a processor does it, and
 * the copies between the hypervisor and guest virtual memory built on it.
 *
 * The processor modelled: 4-level paging, CR0.WP, NX and SMEP on, no SMAP, no
 * protection keys (bits 52-62 are ignored). Accessed and dirty bits are set
 * only where the whole access is allowed, as processors do for data and as a
 * fault must leave no trace.
 *
 * Invariant: only frames of type P2M_RAM are ever dereferenced.
 * Locking:   the domain's p2m must not change meanwhile (p2m_lock). Entries may
 *            change at any time: each is read once and written only by a locked
 *            compare-and-exchange with the value that was judged.
 * Trust:     none: roots, entries and addresses are the guest's.
 */
#include <hv/domain.h>
#include <hv/lib.h>
#include <hv/mm.h>
#include <hv/p2m.h>
#include <hv/shadow.h>

#define PF_ACCESS	(PF_WRITE | PF_USER | PF_FETCH)

/* Another vCPU changed an entry under us so often that we let the guest fault again. */
#define WALK_RETRIES	64

struct step {
	u64 *entry;
	u64 value;
};

/* Reserved bits of a leaf above level 1: the address bits below its size, less PAT. */
static u64 leaf_reserved(int level)
{
	return (BIT(9 * level + 3) - 1) & PTE_ADDR & ~PTE_PAT_LARGE;
}

bool guest_leaf_ok(u64 e, int level)
{
	return level < 4 && (level == 1 || !(e & leaf_reserved(level)));
}

gfn_t guest_leaf_gfn(u64 e, int level)
{
	/* the lowest address bit may be PTE_PAT_LARGE */
	return ((e & PTE_ADDR) >> PAGE_SHIFT) & ~(BIT(9 * (level - 1)) - 1);
}

/* Entry of the p2m; memory that was never touched gets a frame here. */
static inline u64 frame_entry(struct domain *d, gfn_t gfn)
{
	u64 ent = p2m_entry(d, gfn);

	return ent || gfn >= d->nr_gfns ? ent : p2m_populate(d, gfn);
}

/*
 * Read the entries for `va`. True: steps, *all (the bits that all of them have)
 * and *w but for `leaf` are filled; false: w->error has P and RSVD.
 */
static bool walk_read(struct domain *d, u64 cr3, u64 va, struct step *steps, u64 *all, struct walk *w)
{
	gfn_t table = (cr3 & PTE_ADDR) >> PAGE_SHIFT;
	u64 e, every = va_upper(va) ? ~PTE_US : ~0UL, any = 0;
	int level;

	w->error = PF_PRESENT | PF_RSVD;
	for (level = 4;; level--) {
		e = frame_entry(d, table);
		if ((e & P2M_TYPE) != P2M_RAM)
			return false;
		steps[level].entry = (u64 *)ma_to_va(e & PTE_ADDR) + pt_index(va, level);
		steps[level].value = e = READ_ONCE(*steps[level].entry);
		if (!(e & PTE_P)) {
			w->error = 0;
			return false;
		}
		w->above = (every & (PTE_RW | PTE_US)) | (any & PTE_NX);
		every &= e;
		any |= e;
		if (level == 1 || (e & PTE_PS))
			break;
		table = (e & PTE_ADDR) >> PAGE_SHIFT;
	}
	if (!guest_leaf_ok(e, level))
		return false;

	w->gfn = guest_leaf_gfn(e, level) | ((va >> PAGE_SHIFT) & (BIT(9 * (level - 1)) - 1));
	w->frame = frame_entry(d, w->gfn);
	if (!w->frame)
		return false;
	w->perms = (every & (PTE_RW | PTE_US)) | (any & PTE_NX);
	w->table = (const u64 *)((u64)steps[level].entry & PAGE_MASK);
	w->root_entry = steps[4].value;
	w->level = level;
	*all = every;
	return true;
}

static bool access_ok(u32 access, u64 perms)
{
	if ((access & PF_WRITE) && !(perms & PTE_RW))
		return false;
	if ((access & PF_USER) && !(perms & PTE_US))
		return false;
	if (access & PF_FETCH)	/* NX; SMEP */
		return !(perms & PTE_NX) && (!(perms & PTE_US) || (access & PF_USER));
	return true;
}

/* Set A in each entry, and D in the leaf of a write; false where an entry has changed. */
static bool walk_update(struct step *steps, u64 all, u32 access, struct walk *w)
{
	u64 want, old;
	int level;

	w->leaf = steps[w->level].value;
	if ((all & PTE_A) && (!(access & PF_WRITE) || (w->leaf & PTE_D)))
		return true;
	for (level = 4; level >= w->level; level--) {
		want = steps[level].value | PTE_A;
		if (level == w->level && (access & PF_WRITE))
			want |= PTE_D;
		old = steps[level].value;
		if (old != want && !__atomic_compare_exchange_n(steps[level].entry, &old, want, false,
								__ATOMIC_SEQ_CST, __ATOMIC_RELAXED))
			return false;
		w->leaf = want;
	}
	return true;
}

bool guest_walk(struct domain *d, u64 cr3, u64 va, u32 access, struct walk *w)
{
	struct step steps[5];
	u64 all;
	int tries;

	access &= PF_ACCESS;
	w->error = access;
	if (!va_canonical(va))
		return false;
	for (tries = 0; tries < WALK_RETRIES; tries++) {
		if (!walk_read(d, cr3, va, steps, &all, w)) {
			w->error |= access;
			return false;
		}
		w->error = access | PF_PRESENT;
		if (!access_ok(access, w->perms))
			return false;
		if (walk_update(steps, all, access, w))
			return true;
	}
	w->error = access;
	return false;
}

/* The hypervisor's part of the address space is not the guest's to pass. */
static bool guest_range_ok(u64 va, u64 len)
{
	u64 last = va + len - 1;

	return last >= va && last < VMI_TOP_BASE && (last < VMI_AREA_BASE || va >= VMI_AREA_END);
}

/* Both directions: `to` or `from` is NULL. */
static long copy_guest(struct vcpu *v, u64 va, u8 *from_guest, const u8 *to_guest, u64 len)
{
	struct walk w;
	u64 n;
	u8 *p;

	if (!len)
		return 0;
	if (!guest_range_ok(va, len))
		return -VMI_EFAULT;
	for (; len; len -= n, va += n) {
		n = MIN(len, PAGE_SIZE - (va & ~PAGE_MASK));
		if (!guest_walk(v->domain, v->cr3, va, to_guest ? PF_WRITE : 0, &w) || (w.frame & P2M_TYPE) != P2M_RAM)
			return -VMI_EFAULT;
		p = (u8 *)ma_to_va(w.frame & PTE_ADDR) + (va & ~PAGE_MASK);
		if (to_guest) {
			memcpy(p, to_guest, n);
			to_guest += n;
		} else {
			memcpy(from_guest, p, n);
			from_guest += n;
		}
	}
	return 0;
}

long copy_from_guest(struct vcpu *v, void *dst, u64 va, u64 len)
{
	return copy_guest(v, va, dst, NULL, len);
}

long copy_to_guest(struct vcpu *v, u64 va, const void *src, u64 len)
{
	return copy_guest(v, va, NULL, src, len);
}
