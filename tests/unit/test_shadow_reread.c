// SPDX-License-Identifier: GPL-2.0-only
/*
 * test_shadow_reread.c - flushes that read entries again (rule M2): what they keep,
 * with which permissions, and what goes.
 */
#include "shadow_test.h"

static u64 kept(void)
{
	return d->counters[VMI_CTR_FLUSH_KEPT];
}

static u64 dropped(void)
{
	return d->counters[VMI_CTR_FLUSH_ENTRIES];
}

/* All flushes that read the page at UVA of root 0 again. */
static void flush(int kind)
{
	switch (kind) {
	case 0: shadow_flush_range(v, UVA, 1); break;
	case 1: shadow_flush_range(v, UVA - 5 * PAGE_SIZE, 5000); break;
	case 2: shadow_flush_user(v); break;
	case 3: shadow_load(v, CR3(0), false); break;
	}
}
#define NR_KINDS 4

static void what_is_unchanged_stays(void)
{
	start(POOL);
	guest_map(ROOT(0), UVA, 20, ALL, 1);
	guest_map(ROOT(0), UVA + PAGE_SIZE, 21, ALL, 1);
	fill(UVA, PF_WRITE);
	fill(UVA + PAGE_SIZE, 0);
	for (int k = 0; k < NR_KINDS; k++) {
		flush(k);
		CU_ASSERT_EQUAL(leaf(UVA), ram_leaf(20, PTE_RW | PTE_D | PTE_US));
		CU_ASSERT_EQUAL(leaf(UVA + PAGE_SIZE), ram_leaf(21, PTE_US));
	}
	CU_ASSERT_EQUAL(kept(), 1 + 2 + 2 + 2);
	CU_ASSERT_EQUAL(dropped(), 0);
	CU_ASSERT_EQUAL(fake.nr_tlb_flushes, 0);
	finish();
}

static void permissions_are_those_of_now(void)
{
	u64 *e, *e2;

	start(POOL);
	e = guest_map(ROOT(0), UVA, 20, ALL, 1);
	e2 = guest_entry(ROOT(0), UVA, 2);
	for (int k = 0; k < NR_KINDS; k++) {
		*e = 20UL << PAGE_SHIFT | ALL;
		fill(UVA, PF_WRITE);
		fake.nr_tlb_flushes = 0;
		*e &= ~PTE_RW;				/* as fork does */
		flush(k);
		CU_ASSERT_EQUAL(leaf(UVA), ram_leaf(20, PTE_US));
		CU_ASSERT_EQUAL(fake.nr_tlb_flushes, 1);
		*e |= PTE_RW;
		flush(k);
		CU_ASSERT_EQUAL(leaf(UVA), ram_leaf(20, PTE_US | PTE_RW | PTE_D));
		CU_ASSERT_EQUAL(fake.nr_tlb_flushes, 1);
		*e &= ~PTE_D;				/* as write-back does */
		flush(k);
		CU_ASSERT_EQUAL(leaf(UVA), ram_leaf(20, PTE_US));
		CU_ASSERT_FALSE(*e & PTE_D);
		*e = (*e & ~PTE_US) | PTE_NX | PTE_D;
		flush(k);
		CU_ASSERT_EQUAL(leaf(UVA), ram_leaf(20, PTE_NX | PTE_RW | PTE_D));
		CU_ASSERT_EQUAL(fake.nr_tlb_flushes, 3);
		*e2 &= ~PTE_RW;				/* higher up */
		flush(k);
		CU_ASSERT_EQUAL(leaf(UVA), ram_leaf(20, PTE_NX));
		*e2 |= PTE_RW;
	}
	CU_ASSERT_EQUAL(dropped(), 0);
	CU_ASSERT_EQUAL(frame_of(ram_mfn(20))->u.ram.nr_rmap, 1);
	finish();
}

/* One change after another to the guest's tables, none of which may survive a flush. */
static void what_has_changed_goes(void)
{
	u64 saved[5], *e[5];
	int change, k, l;

	start(POOL);
	guest_map(ROOT(0), UVA, 20, ALL, 1);
	for (l = 1; l <= 4; l++)
		e[l] = guest_entry(ROOT(0), UVA, l);
	fill(UVA, PF_WRITE);
	for (l = 1; l <= 4; l++)
		saved[l] = *e[l];
	for (change = 0; change < 14; change++)
		for (k = 0; k < NR_KINDS; k++) {
			l = change % 4 + 1;
			if (change < 4)
				*e[l] = 0;
			else if (change < 8)
				*e[l] &= ~PTE_A;
			else if (change < 12)			/* no memory there */
				*e[l] = (*e[l] & ~PTE_ADDR) | 5000UL << PAGE_SHIFT;
			else if (change == 12)
				*e[1] = 21UL << PAGE_SHIFT | (*e[1] & ~PTE_ADDR);
			else
				*e[4] |= PTE_PS;		/* reserved */
			flush(k);
			if (leaf(UVA))
				test_fail("change %d, flush %d: %lx", change, k, leaf(UVA));
			CU_ASSERT_EQUAL(frame_of(ram_mfn(20))->u.ram.nr_rmap, 0);
			CU_ASSERT_TRUE(shadow_check(d));
			for (l = 1; l <= 4; l++)
				*e[l] = saved[l];
			fill(UVA, PF_WRITE);
		}
	CU_ASSERT_EQUAL(kept(), 0);
	CU_ASSERT_EQUAL(dropped(), 14 * NR_KINDS);
	finish();
}

/* A large page of the guest is in the shadow in pieces. */
static void pieces_of_large_pages_are_compared(void)
{
	u64 va = 0x40000000 + 9 * PAGE_SIZE, *e;

	start(POOL);
	e = guest_map(ROOT(0), 0x40000000, 512, ALL | PTE_PS, 2);
	fill(va, PF_WRITE);
	shadow_flush_user(v);
	CU_ASSERT_EQUAL(leaf(va), ram_leaf(521, PTE_US | PTE_RW | PTE_D));
	*e &= ~PTE_RW;
	shadow_flush_range(v, va, 1);
	CU_ASSERT_EQUAL(leaf(va), ram_leaf(521, PTE_US));
	*e |= 1UL << 14;				/* reserved */
	shadow_flush_range(v, va, 1);
	CU_ASSERT_EQUAL(leaf(va), 0);
	*guest_entry(ROOT(0), va, 3) = 0 | ALL | PTE_PS;
	fill(va, 0);
	CU_ASSERT_EQUAL(leaf(va), ram_leaf(9, PTE_US));
	shadow_flush_user(v);
	CU_ASSERT_EQUAL(leaf(va), ram_leaf(9, PTE_US));
	*guest_entry(ROOT(0), va, 3) &= ~PTE_A;
	shadow_flush_user(v);
	CU_ASSERT_EQUAL(leaf(va), 0);
	finish();
}

static void the_upper_half_is_read_from_the_loaded_root(void)
{
	u64 *e;

	start(POOL);
	e = guest_map(ROOT(0), KVA, 20, KERN, 1);
	fill(KVA, PF_WRITE);
	ram_table(ROOT(1))[pt_index(KVA, 4)] = ram_table(ROOT(0))[pt_index(KVA, 4)];
	shadow_load(v, CR3(1), true);
	*e &= ~PTE_RW;
	shadow_flush_range(v, KVA, 1);
	CU_ASSERT_EQUAL(leaf(KVA), ram_leaf(20, 0));
	shadow_load(v, CR3(0), true);
	CU_ASSERT_EQUAL(leaf(KVA), ram_leaf(20, 0));
	CU_ASSERT_EQUAL(kept(), 1);
	/* from a root that has nothing there, all of it goes */
	shadow_load(v, CR3(2), true);
	shadow_flush_range(v, KVA, 1);
	CU_ASSERT_EQUAL(frame_of(ram_mfn(20))->u.ram.nr_rmap, 0);
	finish();
}

static void the_work_is_bounded(void)
{
	start(POOL);
	for (u64 i = 0; i < 900; i++) {
		guest_map(ROOT(0), UVA + i * PAGE_SIZE, 20 + i % 400, ALL, 1);
		fill(UVA + i * PAGE_SIZE, PF_WRITE);
	}
	shadow_flush_user(v);
	CU_ASSERT_EQUAL(kept(), 512);
	CU_ASSERT_EQUAL(dropped(), 900 - 512);
	shadow_flush_range(v, UVA, 900);
	CU_ASSERT_EQUAL(kept(), 1024);
	CU_ASSERT_EQUAL(dropped(), 900 - 512);
	finish();
}

/* The frames of tables are freed and used for data: nothing is read through the old ones. */
static void nothing_is_remembered(void)
{
	u64 *l1;

	start(POOL);
	for (int i = 0; i < 8; i++) {
		guest_map(ROOT(0), UVA + i * PAGE_SIZE, 20 + i, ALL, 1);
		fill(UVA + i * PAGE_SIZE, PF_WRITE);
	}
	l1 = (u64 *)((u64)guest_entry(ROOT(0), UVA, 1) & PAGE_MASK);
	*guest_entry(ROOT(0), UVA, 2) = 0;
	for (int i = 0; i < 512; i++)
		l1[i] = 30UL << PAGE_SHIFT | ALL | PTE_A | PTE_D;
	shadow_flush_user(v);
	for (int i = 0; i < 8; i++)
		CU_ASSERT_EQUAL(leaf(UVA + i * PAGE_SIZE), 0);
	CU_ASSERT_EQUAL(frame_of(ram_mfn(30))->u.ram.nr_rmap, 0);
	CU_ASSERT_EQUAL(kept(), 0);
	finish();

	/* a dead root: its frame may be data, too */
	fake_reset();
	start(POOL);
	guest_map(ROOT(0), UVA, 20, ALL, 1);
	fill(UVA, 0);
	shadow_root_drop(d, CR3(0));
	fill(UVA, 0);
	shadow_flush_user(v);
	CU_ASSERT_EQUAL(leaf(UVA), 0);
	finish();
}

int main(int argc, char **argv)
{
	static const struct test tests[] = {
		TEST(what_is_unchanged_stays),
		TEST(permissions_are_those_of_now),
		TEST(what_has_changed_goes),
		TEST(pieces_of_large_pages_are_compared),
		TEST(the_upper_half_is_read_from_the_loaded_root),
		TEST(the_work_is_bounded),
		TEST(nothing_is_remembered),
	};

	return test_main(tests, ARRAY_SIZE(tests), fake_reset, argc, argv);
}
