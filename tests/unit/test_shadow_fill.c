// SPDX-License-Identifier: GPL-2.0-only
/*
 * test_shadow_fill.c - what a fill takes beside the page that was asked for.
 */
#include "shadow_test.h"

#define WINDOW	8
#define BASE	0x00007f1234560000UL

/* Pages of root 0 from `va` on that have a leaf. */
static u32 nr_leaves(u64 va, u32 pages)
{
	u32 n = 0;

	for (u32 i = 0; i < pages; i++)
		n += !!leaf(va + i * PAGE_SIZE);
	return n;
}

static void neighbours_come_along(void)
{
	u64 *e[3 * WINDOW];

	start(POOL);
	for (int i = 0; i < 3 * WINDOW; i++)
		e[i] = guest_map(ROOT(0), BASE + i * PAGE_SIZE, 20 + i, ALL | PTE_A, 1);
	*e[WINDOW + 1] |= PTE_D;
	*e[WINDOW + 2] &= ~PTE_A;
	*e[WINDOW + 3] = 0;
	*e[WINDOW + 4] = 5000UL << PAGE_SHIFT | ALL | PTE_A;	/* no memory there */
	*e[WINDOW + 5] = (*e[WINDOW + 5] & ~(PTE_US | PTE_RW)) | PTE_NX | PTE_D;
	fill(BASE + (WINDOW + 6) * PAGE_SIZE, PF_USER | PF_WRITE);
	CU_ASSERT_EQUAL(nr_leaves(BASE, 3 * WINDOW), 5);
	CU_ASSERT_EQUAL(nr_leaves(BASE + WINDOW * PAGE_SIZE, WINDOW), 5);
	CU_ASSERT_EQUAL(leaf(BASE + WINDOW * PAGE_SIZE), ram_leaf(20 + WINDOW, PTE_US) & ~PTE_A);
	CU_ASSERT_EQUAL(leaf(BASE + (WINDOW + 1) * PAGE_SIZE), ram_leaf(21 + WINDOW, PTE_US | PTE_RW | PTE_D) & ~PTE_A);
	CU_ASSERT_EQUAL(leaf(BASE + (WINDOW + 5) * PAGE_SIZE), ram_leaf(25 + WINDOW, PTE_NX) & ~PTE_A);
	CU_ASSERT_EQUAL(leaf(BASE + (WINDOW + 6) * PAGE_SIZE), ram_leaf(26 + WINDOW, PTE_US | PTE_RW | PTE_D));
	CU_ASSERT_EQUAL(leaf(BASE + (WINDOW + 7) * PAGE_SIZE), ram_leaf(27 + WINDOW, PTE_US) & ~PTE_A);
	CU_ASSERT_FALSE(*e[WINDOW + 2] & PTE_A);
	CU_ASSERT_FALSE(*e[WINDOW + 7] & PTE_D);
	CU_ASSERT_EQUAL(d->counters[VMI_CTR_FILLS], 1);
	CU_ASSERT_EQUAL(d->counters[VMI_CTR_FILLS_AROUND], 4);
	CU_ASSERT_EQUAL(fake.nr_tlb_flushes, 0);
	finish();
}

static void a_window_ends_with_its_table(void)
{
	start(POOL);
	for (int i = -WINDOW; i < WINDOW; i++)
		guest_map(ROOT(0), 0x40000000 + i * PAGE_SIZE, 40 + i, ALL | PTE_A, 1);
	fill(0x40000000, PF_USER);
	CU_ASSERT_EQUAL(nr_leaves(0x40000000 - WINDOW * PAGE_SIZE, WINDOW), 0);
	CU_ASSERT_EQUAL(nr_leaves(0x40000000, WINDOW), WINDOW);
	fill(0x40000000 - PAGE_SIZE, PF_USER);
	CU_ASSERT_EQUAL(nr_leaves(0x40000000 - WINDOW * PAGE_SIZE, WINDOW), WINDOW);
	finish();
}

static void what_is_there_is_left_alone(void)
{
	u64 *e, *n;

	start(POOL);
	e = guest_map(ROOT(0), BASE, 20, ALL, 1);
	n = guest_map(ROOT(0), BASE + PAGE_SIZE, 21, ALL, 1);
	fill(BASE, PF_WRITE);
	*e = 30UL << PAGE_SHIFT | ALL | PTE_A;		/* not flushed */
	fill(BASE + PAGE_SIZE, PF_WRITE);
	CU_ASSERT_EQUAL(leaf(BASE), ram_leaf(20, PTE_US | PTE_RW | PTE_D));
	CU_ASSERT_EQUAL(d->counters[VMI_CTR_FILLS_AROUND], 0);
	CU_ASSERT_TRUE(*n & PTE_D);
	finish();
}

static void the_next_flush_drops_what_was_not_used(void)
{
	start(POOL);
	for (int i = 0; i < WINDOW; i++)
		guest_map(ROOT(0), BASE + i * PAGE_SIZE, 20 + i, ALL | PTE_A, 1);
	fill(BASE, PF_USER);
	fill(BASE + 2 * PAGE_SIZE, PF_USER);
	CU_ASSERT_EQUAL(leaf(BASE + 2 * PAGE_SIZE), ram_leaf(22, PTE_US));
	CU_ASSERT_EQUAL(fake.nr_tlb_flushes, 0);
	shadow_flush_user(v);
	CU_ASSERT_EQUAL(nr_leaves(BASE, WINDOW), 2);
	CU_ASSERT_EQUAL(d->counters[VMI_CTR_FLUSH_KEPT], 2);
	finish();
}

/* The zero page, for one: nobody's entry may go for a guess. */
static void a_frame_mapped_everywhere_is_not_taken_along(void)
{
	u64 i, nr;

	start(POOL);
	for (i = 0; i < 400; i++)
		guest_map(ROOT(0), BASE + i * PAGE_SIZE, 20, ALL | PTE_A, 1);
	for (i = 0; i < 400; i += WINDOW)
		fill(BASE + i * PAGE_SIZE, PF_USER);
	nr = nr_leaves(BASE, 400);
	CU_ASSERT_EQUAL(nr, frame_of(ram_mfn(20))->u.ram.nr_rmap);
	CU_ASSERT_EQUAL(nr, 256);
	finish();
}

int main(int argc, char **argv)
{
	static const struct test tests[] = {
		TEST(neighbours_come_along),
		TEST(a_window_ends_with_its_table),
		TEST(what_is_there_is_left_alone),
		TEST(the_next_flush_drops_what_was_not_used),
		TEST(a_frame_mapped_everywhere_is_not_taken_along),
	};

	return test_main(tests, ARRAY_SIZE(tests), fake_reset, argc, argv);
}
