// SPDX-License-Identifier: GPL-2.0-only
/*
 * mem.c - pages and page tables.
 *
 * Pages come from a pool in the image, so no test depends on the memory map.
 * Tables are ordinary memory, written with plain stores; who changes an entry
 * that was present flushes.
 */
#include "probe.h"

#define POOL_PAGES	1536

static u8 pool[POOL_PAGES * PAGE] __attribute__((aligned(4096)));
static u64 pool_used;

u64 root;
extern u8 user_text_start[], user_text_end[], user_text_pa[];
void mem_init(void);

void *kva(u64 gpa)
{
	return (void *)(KBASE + gpa);
}

u64 gpa_of(const void *kernel_va)
{
	return (u64)kernel_va - KBASE;
}

u64 page_alloc(void)
{
	if (pool_used == POOL_PAGES)
		test_error("out of pages");
	return gpa_of(&pool[PAGE * pool_used++]);
}

u64 *pte_at(u64 cr3, u64 va, int level)
{
	u64 *table = kva(cr3);

	for (int l = 4;; l--) {
		u64 *e = &table[va >> (3 + 9 * l) & 511];

		if (l == level)
			return e;
		if (!(*e & PTE_P))
			*e = page_alloc() | PTE_P | PTE_W | PTE_U;
		if (*e & PTE_PS)
			test_error("%#lx lies in a large page", va);
		table = kva(*e & PTE_ADDR);
	}
}

u64 *pte_of(u64 va)
{
	return pte_at(root, va, 1);
}

void map_page(u64 va, u64 gpa, u64 flags)
{
	*(volatile u64 *)pte_of(va) = gpa | flags;
}

void *map_new(u64 va, u64 flags)
{
	u64 gpa = page_alloc();

	map_page(va, gpa, flags | PTE_P);
	return kva(gpa);
}

static void must(long rc, const char *what)
{
	if (rc)
		test_fail("%s: %ld", what, rc);
}

void flush_page(u64 va)
{
	must(vmi_tlb_flush(VMI_FLUSH_RANGE, va, 1), "tlb_flush(RANGE)");
}

void flush_all(void)
{
	must(vmi_tlb_flush(VMI_FLUSH_ALL, 0, 0), "tlb_flush(ALL)");
}

u64 root_clone(void)
{
	u64 new = page_alloc();

	memcpy(kva(new), kva(root), PAGE);
	return new;
}

/* The user text and a stack for it; its first levels get the U bit from pte_at(). */
void mem_init(void)
{
	u64 size = user_text_end - user_text_start;

	root = gpa_of(boot_l4);
	boot_l4[0] |= PTE_U;
	for (u64 off = 0; off < size; off += PAGE)
		map_page((u64)user_text_start + off, (u64)user_text_pa + off, PTE_P | PTE_W | PTE_U);
	for (u64 i = 1; i <= 4; i++)
		map_new((USER_STACK & ~(PAGE - 1)) - (i - 1) * PAGE, PTE_W | PTE_U | PTE_NX);
}
