// SPDX-License-Identifier: GPL-2.0-only
/*
 * ad-bits: accessed and dirty bits appear in the guest's entries as a
 * processor would set them: accessed at every level on the first access, dirty
 * in the leaf on the first write only, again after they were cleared and
 * flushed, never by an access that faults; hypercalls that read or write guest
 * memory set them as well.
 */
#include "probe.h"

#define AD	(PTE_A | PTE_D)

static u64 va = KTEST;

static u64 bits(u64 at, int level)
{
	barrier();
	return *(volatile u64 *)pte_at(root, at, level) & AD;
}

static void clear(u64 at)
{
	*pte_of(at) &= ~AD;
	flush_page(at);
}

static void read_at(u64 at)
{
	(void)*(volatile u8 *)at;
}

static void write_at(u64 at)
{
	*(volatile u8 *)at = 1;
}

USER_CODE(ad_user, "mov (%rbx), %al; syscall; mov %al, (%rbx); syscall");

TEST(ad_bits, "ad-bits", 1, 0, "accessed and dirty bits are set as by a processor")
{
	struct regs r = user_regs((u64)ad_user);
	u64 large = KTEST + (1UL << 30), out_va = KTEST + 5 * PAGE;

	map_new(va, PTE_W | PTE_NX);
	CHECK_EQ(0, bits(va, 1), "A and D before any access");
	read_at(va);
	CHECK_EQ(PTE_A, bits(va, 1), "A and D after a read");
	for (int l = 2; l <= 4; l++)
		CHECK_EQ(PTE_A, bits(va, l) & PTE_A, "A of level %d after a read", l);
	write_at(va);
	CHECK_EQ(AD, bits(va, 1), "A and D after a write");

	clear(va);
	CHECK_EQ(0, bits(va, 1), "A and D after clearing and a flush");
	read_at(va);
	CHECK_EQ(PTE_A, bits(va, 1), "A and D after another read");
	clear(va);
	write_at(va);
	CHECK_EQ(AD, bits(va, 1), "A and D after another write");

	/* Cleared dirty, kept accessed, one flush: the next write must be noticed. */
	*pte_of(va) &= ~PTE_D;
	flush_page(va);
	write_at(va);
	CHECK_EQ(AD, bits(va, 1), "A and D after clearing D and a write");
	*pte_of(va) &= ~PTE_D;
	flush_all();
	read_at(va);
	CHECK_EQ(PTE_A, bits(va, 1), "A and D after clearing D and a read");
	write_at(va);
	CHECK_EQ(AD, bits(va, 1), "A and D after a write that followed the read");

	/* An access that is not allowed sets no dirty bit. */
	map_new(va + PAGE, PTE_NX);
	CHECK_EQ(VEC_PF, try_write(va + PAGE), "write to a read-only page: vector");
	CHECK_EQ(0, bits(va + PAGE, 1) & PTE_D, "D of a read-only page after a write to it");
	read_at(va + PAGE);
	CHECK_EQ(PTE_A, bits(va + PAGE, 1), "A and D of a read-only page after a read");

	/* 2 MiB: the leaf is at level 2. */
	*pte_at(root, large, 2) = 0x1000000 | PTE_P | PTE_W | PTE_PS | PTE_NX;
	read_at(large + 12345);
	CHECK_EQ(PTE_A, bits(large, 2), "A and D of a 2 MiB entry after a read");
	*(volatile u8 *)(large + 12345) = *(volatile u8 *)(large + 12345);
	CHECK_EQ(AD, bits(large, 2), "A and D of a 2 MiB entry after a write");

	/* Ring 3. */
	map_new(UTEST, PTE_W | PTE_U);
	r.rbx = UTEST;
	CHECK_EQ(VEC_SYSCALL, run(&r), "vector");
	CHECK_EQ(PTE_A, bits(UTEST, 1), "A and D after a read by ring 3");
	CHECK_EQ(VEC_SYSCALL, run(&r), "vector");
	CHECK_EQ(AD, bits(UTEST, 1), "A and D after a write by ring 3");

	/* The hypervisor's own accesses. */
	map_new(out_va, PTE_W | PTE_NX);
	CHECK_EQ(0, vmi_msr_read(0xc0000080, (void *)out_va), "msr_read");
	CHECK_EQ(AD, bits(out_va, 1), "A and D after a hypercall wrote there");
	map_new(out_va + PAGE, PTE_W | PTE_NX);
	vmi_console_write(1, (void *)(out_va + PAGE), 1);
	CHECK_EQ(PTE_A, bits(out_va + PAGE, 1), "A and D after a hypercall read there");

	/* fill is a prefetch of the access it is told. */
	map_new(va + 9 * PAGE, PTE_W | PTE_NX);
	CHECK_EQ(0, vmi_fill(va + 9 * PAGE, VMI_ACCESS_WRITE), "fill for a write");
	CHECK_EQ(AD, bits(va + 9 * PAGE, 1), "A and D after fill for a write");
	CHECK_EQ(1, vmi_fill(va + PAGE, VMI_ACCESS_WRITE), "fill for a write of a read-only page");
	CHECK_EQ(1, vmi_fill(va + 100 * PAGE, 0), "fill of nothing");
	CHECK_EQ(0, nr_traps[VEC_PF] - 1, "page faults we saw");
}
