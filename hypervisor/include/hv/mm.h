/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * mm.h - how the hypervisor reaches machine memory, and x86 page-table bits.
 *
 * The hypervisor maps all machine memory at DIRECTMAP_BASE. Host-side unit
 * tests put a plain array there instead.
 */
#ifndef HV_MM_H
#define HV_MM_H

#include <hv/types.h>

#ifdef HV_HOST
extern u8 *host_ram;		/* set by the test: machine address 0 */
#define DIRECTMAP_BASE	((u64)host_ram)
#else
#define DIRECTMAP_BASE	0xffff880000000000UL
#endif

static inline void *ma_to_va(u64 ma)
{
	return (void *)(DIRECTMAP_BASE + ma);
}

static inline u64 va_to_ma(const void *p)
{
	return (u64)p - DIRECTMAP_BASE;
}

static inline void *mfn_to_va(mfn_t mfn)
{
	return ma_to_va(mfn << PAGE_SHIFT);
}

static inline mfn_t va_to_mfn(const void *p)
{
	return va_to_ma(p) >> PAGE_SHIFT;
}

/* Page-table entry bits (Intel SDM vol. 3A, 4.5; AMD APM vol. 2, 5.3). */
#define PTE_P		BIT(0)
#define PTE_RW		BIT(1)
#define PTE_US		BIT(2)
#define PTE_PWT		BIT(3)
#define PTE_PCD		BIT(4)
#define PTE_A		BIT(5)
#define PTE_D		BIT(6)
#define PTE_PS		BIT(7)		/* levels 2 and 3 */
#define PTE_PAT		BIT(7)		/* level 1 */
#define PTE_G		BIT(8)
#define PTE_PAT_LARGE	BIT(12)		/* levels 2 and 3 */
#define PTE_NX		BIT(63)
#define PTE_ADDR	0x000ffffffffff000UL

#define PTES_PER_TABLE	512

/* Page-fault error code. */
#define PF_PRESENT	BIT(0)
#define PF_WRITE	BIT(1)
#define PF_USER		BIT(2)
#define PF_RSVD		BIT(3)
#define PF_FETCH	BIT(4)

/* Index of `va` in its table of `level` (1: page table .. 4: root). */
static inline unsigned int pt_index(u64 va, int level)
{
	return (va >> (PAGE_SHIFT + 9 * (level - 1))) & 511;
}

static inline bool va_canonical(u64 va)
{
	return (u64)((s64)(va << 16) >> 16) == va;
}

static inline bool va_upper(u64 va)
{
	return va >> 63;
}

#endif
