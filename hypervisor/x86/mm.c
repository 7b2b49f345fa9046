// SPDX-License-Identifier: GPL-2.0-only
/*
 * mm.c - the hypervisor's own page tables.
 *
 * The image at HV_BASE, text executable and read-only, everything else not
 * executable; all memory at DIRECTMAP_BASE by 2 MiB entries, write-back where
 * there is RAM and uncached elsewhere (device registers). A guest's tables
 * share none of these. Global entries are never used (R23).
 */
#include <hv/lib.h>
#include <hv/x86.h>

extern char image_start[], text_end[], rodata_end[], image_end[], stack_guard[];

u64 hv_cr3;
static u64 image_ma;		/* machine address of HV_BASE + HV_LOAD */

u64 image_va_to_ma(const void *va)
{
	return (u64)va - HV_BASE - HV_LOAD + image_ma;
}

/* During boot tables are reached at their machine address. */
static u64 *next_table(u64 *entry, u64 (*alloc)(void))
{
	if (!*entry)
		*entry = alloc() | PTE_P | PTE_RW | PTE_A;
	return (u64 *)(*entry & PTE_ADDR);
}

static bool is_ram(u64 base, u64 size)
{
	for (u32 i = 0; i < boot_info.nr_map; i++) {
		const struct boot_map *m = &boot_info.map[i];

		/* ACPI tables are ordinary memory; reserved ranges may be device registers. */
		if (m->type != VMI_MAP_RESERVED && base < m->base + m->size && m->base < base + size)
			return true;
	}
	return false;
}

static void map_image(u64 *l4, u64 (*alloc)(void))
{
	for (u64 va = HV_BASE + HV_LOAD; va < (u64)image_end; va += PAGE_SIZE) {
		u64 *t = l4, flags = PTE_P | PTE_A;

		for (int level = 4; level > 1; level--)
			t = next_table(&t[pt_index(va, level)], alloc);
		if (va >= (u64)rodata_end)
			flags |= PTE_RW | PTE_D | PTE_NX;
		else if (va >= (u64)text_end || va < (u64)image_start)
			flags |= PTE_NX;
		if (va == (u64)stack_guard)
			flags = 0;
		t[pt_index(va, 1)] = flags ? image_va_to_ma((void *)va) | flags : 0;
	}
}

u64 mm_build(u64 ma, u64 (*alloc)(void))
{
	u64 *l4 = (u64 *)alloc();
	u64 top = MAX(boot_info.top, 1UL << 32);

	image_ma = ma;
	map_image(l4, alloc);
	for (u64 m = 0; m < top; m += 1UL << 21) {
		u64 va = DIRECTMAP_BASE + m;
		u64 *l3 = next_table(&l4[pt_index(va, 4)], alloc);
		u64 *l2 = next_table(&l3[pt_index(va, 3)], alloc);

		l2[pt_index(va, 2)] = m | PTE_P | PTE_RW | PTE_A | PTE_D | PTE_PS | PTE_NX |
				      (is_ram(m, 1UL << 21) ? 0 : PTE_PCD | PTE_PWT);
	}
	hv_cr3 = (u64)l4;
	return hv_cr3;
}

/*
 * Every entry into a guest loads CR3 on a processor without PCID in use and
 * without global entries, which drops all its translations; there is one
 * processor. So nothing is left to do here.
 */
void arch_tlb_flush(struct domain *d)
{
}
