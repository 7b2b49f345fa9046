// SPDX-License-Identifier: GPL-2.0-only
/*
 * tlb-flush-kinds: after each kind of flush the new translation is used: other
 * frame, fewer rights, unmapped, another table at each level; upper-half
 * flushes reach every root; bad operations are refused (attack classes 2, 19).
 */
#include "probe.h"

#define VA	KTEST
#define UVA	UTEST
#define BIG	(KTEST + (1UL << 32))

static u64 page_a, page_b;

static void expect(u64 va, u64 value, const char *what)
{
	CHECK_EQ(value, *(volatile u64 *)va, "%s", what);
}

static void switch_frames(u64 va, int op, u64 nr, const char *what)
{
	map_page(va, page_a, PTE_P | PTE_W | PTE_NX);
	vmi_tlb_flush(VMI_FLUSH_ALL, 0, 0);
	expect(va, 0xa, what);
	map_page(va, page_b, PTE_P | PTE_W | PTE_NX);
	CHECK_EQ(0, vmi_tlb_flush(op, va & ~(PAGE - 1), nr), "tlb_flush, %s", what);
	expect(va, 0xb, what);
}

static void fewer_rights(void)
{
	map_page(VA, page_a, PTE_P | PTE_W | PTE_NX);
	flush_page(VA);
	CHECK_EQ(-1, try_write(VA + 64), "write of a writable page");
	*pte_of(VA) &= ~PTE_W;
	flush_page(VA);
	CHECK_EQ(VEC_PF, try_write(VA + 64), "write after read-only and a flush: vector");
	CHECK_EQ(PF_P | PF_W, try_regs.error, "its error code");
	*pte_of(VA) = 0;
	flush_page(VA);
	CHECK_EQ(VEC_PF, try_read(VA), "read after unmapping and a flush: vector");
	CHECK_EQ(0, try_regs.error, "its error code");
	/* Nothing to more needs no flush. */
	*pte_of(VA) = page_b | PTE_P | PTE_NX;
	expect(VA, 0xb, "mapped again without a flush");
	*pte_of(VA) |= PTE_W;
	CHECK_EQ(-1, try_write(VA + 64), "write after adding the right without a flush");
}

/* Exchange a table instead of the entry. */
static void other_tables(void)
{
	for (int level = 2; level <= 4; level++) {
		u64 va = BIG + ((u64)level << 39);
		u64 *e, old;

		map_page(va, page_a, PTE_P | PTE_W | PTE_NX);
		expect(va, 0xa, "before the exchange of a table");
		e = pte_at(root, va, level);
		old = *e;
		*e = 0;
		flush_all();
		CHECK_EQ(VEC_PF, try_read(va), "read with the level %d entry gone: vector", level);
		map_page(va, page_b, PTE_P | PTE_W | PTE_NX);
		expect(va, 0xb, "after the exchange of a table");
		*e = old;
		CHECK_EQ(0, vmi_tlb_flush(VMI_FLUSH_ALL, 0, 0), "tlb_flush(ALL)");
		expect(va, 0xa, "after the old table came back");
		*e = 0;
		CHECK_EQ(0, vmi_tlb_flush(VMI_FLUSH_RANGE, va, 1), "tlb_flush(RANGE)");
		CHECK_EQ(VEC_PF, try_read(va), "read with the level %d entry gone, range flush: vector", level);
	}
}

static void many_pages(void)
{
	static const u64 sizes[] = { 2, 33, 511, 512, 513, 1024 };

	for (u32 s = 0; s < ARRAY_SIZE(sizes); s++) {
		u64 n = sizes[s], va = BIG + 511 * PAGE;

		for (u64 i = 0; i < n; i++)
			map_page(va + i * PAGE, page_a, PTE_P | PTE_W | PTE_NX);
		flush_all();
		for (u64 i = 0; i < n; i++)
			expect(va + i * PAGE, 0xa, "before a range flush");
		for (u64 i = 0; i < n; i++)
			map_page(va + i * PAGE, page_b, PTE_P | PTE_W | PTE_NX);
		CHECK_EQ(0, vmi_tlb_flush(VMI_FLUSH_RANGE, va, n), "tlb_flush of %lu pages", n);
		for (u64 i = 0; i < n; i++)
			expect(va + i * PAGE, 0xb, "after a range flush");
	}
	CHECK_EQ(0, vmi_tlb_flush(VMI_FLUSH_RANGE, BIG, VMI_FLUSH_MAX_PAGES), "tlb_flush of the most pages");
	CHECK(vmi_tlb_flush(VMI_FLUSH_RANGE, BIG, VMI_FLUSH_MAX_PAGES + 1) < 0, "tlb_flush of one page more was taken");
	CHECK(vmi_tlb_flush(VMI_FLUSH_RANGE, BIG, 0) < 0, "tlb_flush of no page was taken");
	CHECK(vmi_tlb_flush(VMI_FLUSH_RANGE, BIG, ~0UL) < 0, "tlb_flush of 2^64 - 1 pages was taken");
	CHECK_EQ(-VMI_EINVAL, vmi_tlb_flush(3, 0, 0), "tlb_flush, operation 3");
	CHECK_EQ(-VMI_EINVAL, vmi_tlb_flush(0xffffffff, 0, 0), "tlb_flush, operation -1");
	/* Any address may be named, also one that wraps, is not canonical or the hypervisor's (XSA-279). */
	vmi_tlb_flush(VMI_FLUSH_RANGE, NONCANON, 1);
	vmi_tlb_flush(VMI_FLUSH_RANGE, ~0UL, 1);
	vmi_tlb_flush(VMI_FLUSH_RANGE, 0xfffffffffffff000, 512);
	vmi_tlb_flush(VMI_FLUSH_RANGE, VMI_AREA_BASE, 7);
	vmi_tlb_flush(VMI_FLUSH_RANGE, VMI_TOP_BASE, 512);
	vmi_tlb_flush(VMI_FLUSH_RANGE, 0, VMI_FLUSH_MAX_PAGES);
	CHECK_EQ(-1, try_read(VMI_SHARED), "read of the shared page after such flushes");
}

static void every_root(void)
{
	u64 other = root_clone();

	map_page(VA, page_a, PTE_P | PTE_NX);
	flush_page(VA);
	CHECK_EQ(0, vmi_cr3_load(other), "cr3_load of a second root");
	expect(VA, 0xa, "upper half in the second root");
	CHECK_EQ(0, vmi_cr3_load(root), "cr3_load of the first root");
	map_page(VA, page_b, PTE_P | PTE_NX);
	flush_page(VA);
	CHECK_EQ(0, vmi_cr3_load(other | 1UL << VMI_CR3_NOFLUSH_BIT), "cr3_load of the second root, keeping");
	expect(VA, 0xb, "upper half in the second root after a flush in the first");
	CHECK_EQ(0, vmi_cr3_load(root), "cr3_load of the first root");
}

/*
 * Two roots shared an upper L4 entry; one has another now, and flushed. What
 * the second root fills through the old entry must not show in the first.
 */
static void parted_roots(void)
{
	u64 keep = 1UL << VMI_CR3_NOFLUSH_BIT, va = BIG + (9UL << 39), first = root, second;

	map_page(va, page_a, PTE_P | PTE_NX);
	second = root_clone();
	expect(va, 0xa, "first root, shared entry");
	CHECK_EQ(0, vmi_cr3_load(second), "cr3_load of the second root");
	expect(va, 0xa, "second root, shared entry");
	for (int op = 0; op < 2; op++) {
		/* With the first root loaded, and with the other one. */
		CHECK_EQ(0, vmi_cr3_load((op ? second : first) | keep), "cr3_load");
		*pte_at(first, va, 4) = 0;
		map_page(va, page_b, PTE_P | PTE_NX);
		flush_page(va);
		CHECK_EQ(0, vmi_cr3_load(second | keep), "cr3_load of the second root");
		expect(va, 0xa, "second root after the parting");
		CHECK_EQ(0, vmi_cr3_load(first | keep), "cr3_load of the first root");
		expect(va, 0xb, "first root after the parting");
		*pte_at(first, va, 4) = *pte_at(second, va, 4);
		flush_all();
		expect(va, 0xa, "first root, entry shared again");
	}
}

TEST(tlb_flush_kinds, "tlb-flush-kinds", 2, 0, "after each kind of flush the new tables are used")
{
	page_a = page_alloc();
	page_b = page_alloc();
	*(u64 *)kva(page_a) = 0xa;
	*(u64 *)kva(page_b) = 0xb;

	switch_frames(VA, VMI_FLUSH_RANGE, 1, "upper half, range");
	switch_frames(VA, VMI_FLUSH_ALL, 0, "upper half, all");
	switch_frames(UVA, VMI_FLUSH_RANGE, 1, "lower half, range");
	switch_frames(UVA, VMI_FLUSH_USER, 0, "lower half, user");
	switch_frames(UVA, VMI_FLUSH_ALL, 0, "lower half, all");
	__asm__ volatile ("invlpg (%0)" :: "r" (VA) : "memory");
	map_page(VA, page_a, PTE_P | PTE_NX);
	__asm__ volatile ("invlpg (%0)" :: "r" (VA) : "memory");
	expect(VA, 0xa, "invlpg");
	fewer_rights();
	other_tables();
	many_pages();
	every_root();
	parted_roots();
}
