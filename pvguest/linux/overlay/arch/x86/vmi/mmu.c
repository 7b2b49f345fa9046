// SPDX-License-Identifier: GPL-2.0-only
/*
 * mmu.c - address translation: the hypervisor's shadow tables behave as a TLB,
 * so page tables are plain memory and only flushes, CR3 and fills are calls.
 */
#include <linux/mm.h>
#include <linux/percpu.h>
#include <asm/page.h>
#include <asm/paravirt.h>
#include <asm/pgtable.h>
#include <asm/tlbflush.h>
#include <asm/trap_pf.h>
#include <asm/vmi.h>
#include "vmi.h"

static void vmi_write_cr2(unsigned long val)
{
	vmi_shared->cr2 = val;
}

static unsigned long vmi_read_cr3(void)
{
	return vmi_shared->cr3;
}

static void vmi_write_cr3(unsigned long val)
{
	vmi_cr3_load(val);
}

static void vmi_flush_user(void)
{
	vmi_tlb_flush(VMI_FLUSH_USER, 0, 0);
}

static void vmi_flush_kernel(void)
{
	vmi_tlb_flush(VMI_FLUSH_ALL, 0, 0);
}

static void vmi_flush_one(unsigned long addr)
{
	vmi_tlb_flush(VMI_FLUSH_RANGE, addr & PAGE_MASK, 1);
}

void vmi_flush_range(unsigned long start, unsigned long end)
{
	unsigned long nr;

	start &= PAGE_MASK;
	nr = DIV_ROUND_UP(end - start, PAGE_SIZE);
	/* Only ranges of user addresses, where tables go, are so large. */
	if (nr > VMI_FLUSH_MAX_PAGES)
		vmi_flush_user();
	else
		vmi_tlb_flush(VMI_FLUSH_RANGE, start, nr);
}

/*
 * No CPU has the root loaded any more, lazily or not: the last reference to
 * the mm is gone.
 */
static void vmi_pgd_free(struct mm_struct *mm, pgd_t *pgd)
{
	vmi_root_drop(__pa(pgd));
}

/*
 * Walks the tables the fault happened on, with virtual interrupts off (no table
 * page can be freed meanwhile). The processor's error code speaks of the
 * shadow: `present` is made to speak of the guest's tables.
 */
noinstr bool vmi_hidden_fault(unsigned long addr, unsigned long *error_code)
{
	u64 need = _PAGE_USER, allowed = ~0ULL, noexec = 0, entry = vmi_shared->cr3;
	u32 access = VMI_ACCESS_USER;
	int shift;

	if (addr >= TASK_SIZE_MAX)
		return false;
	if (*error_code & X86_PF_WRITE) {
		need |= _PAGE_RW;
		access |= VMI_ACCESS_WRITE;
	}
	if (*error_code & X86_PF_INSTR)
		access |= VMI_ACCESS_FETCH;

	for (shift = PGDIR_SHIFT; shift >= PAGE_SHIFT; shift -= 9) {
		u64 *table = __va(entry & PTE_PFN_MASK);

		entry = READ_ONCE(table[(addr >> shift) & (PTRS_PER_PTE - 1)]);
		if (!(entry & _PAGE_PRESENT)) {
			*error_code &= ~X86_PF_PROT;
			return false;
		}
		allowed &= entry;
		noexec |= entry & _PAGE_NX;
		if (shift < PGDIR_SHIFT && (entry & _PAGE_PSE))
			break;
	}
	if ((allowed & need) == need && !(noexec && (access & VMI_ACCESS_FETCH)) &&
	    vmi_fill(addr, access) == 0)
		return true;
	*error_code |= X86_PF_PROT;
	return false;
}

/*
 * CR2 of the last fault is only a hint: a wrong guess costs a hidden fault, or
 * a fill of what the tables allow anyway.
 */
void vmi_fill_after_fault(struct mm_struct *mm, unsigned long addr,
			  unsigned long size, unsigned long flags)
{
	unsigned long cr2 = vmi_shared->cr2;
	u32 access = VMI_ACCESS_USER;

	if ((cr2 ^ addr) & ~(size - 1) || !(flags & _PAGE_USER))
		return;
	if (mm != this_cpu_read(cpu_tlbstate.loaded_mm))
		return;
	if ((flags & _PAGE_RW) && (flags & _PAGE_DIRTY))
		access |= VMI_ACCESS_WRITE;
	vmi_fill(cr2, access);
}

void __init vmi_mmu_init(void)
{
	pv_ops.mmu.read_cr2 = __PV_IS_CALLEE_SAVE(vmi_read_cr2);
	pv_ops.mmu.write_cr2 = vmi_write_cr2;
	pv_ops.mmu.read_cr3 = vmi_read_cr3;
	pv_ops.mmu.write_cr3 = vmi_write_cr3;
	pv_ops.mmu.flush_tlb_user = vmi_flush_user;
	pv_ops.mmu.flush_tlb_kernel = vmi_flush_kernel;
	pv_ops.mmu.flush_tlb_one_user = vmi_flush_one;
	pv_ops.mmu.pgd_free = vmi_pgd_free;
	/* A range is one call, whose work depends on what is mapped there. */
	tlb_single_page_flush_ceiling = VMI_FLUSH_MAX_PAGES;
}
