// SPDX-License-Identifier: GPL-2.0-only
/*
 * test_shadow_age.c - ageing (rule M6): a guest that clears accessed bits without
 * a flush sees the next access before long.
 */
#include "shadow_test.h"

#define LVA	0x0000000040000000UL
#define SECOND	SHADOW_AGE_NS
#define STEP	(1024 + 512 + 16)	/* leaves that one step looks at, at most */

static bool ready_now[SHADOW_READY];

static void slot_set(struct vcpu *of, u32 i, u64 cr3, mfn_t l4)
{
	if (of == d->vcpu[0])
		ready_now[i] = l4;
}

static u32 nr_ready(void)
{
	u32 n = 0;

	for (u32 i = 0; i < SHADOW_READY; i++)
		n += ready_now[i];
	return n;
}

static void begin(u32 pool)
{
	memset(ready_now, 0, sizeof(ready_now));
	fake.on_root_slot = slot_set;
	start(pool);
}

static u32 all_leaves(u32 pages)
{
	u32 n = 0;

	for (u32 i = 0; i < pages; i++)
		n += !!leaf(LVA + i * PAGE_SIZE);
	return n;
}

static void what_looks_idle_goes_after_a_second(void)
{
	u64 *e[4], *large, *k;

	begin(POOL);
	for (int i = 0; i < 4; i++) {
		e[i] = guest_map(ROOT(0), UVA + i * PAGE_SIZE, 20 + i, ALL, 1);
		fill(UVA + i * PAGE_SIZE, PF_USER | PF_WRITE);
	}
	large = guest_map(ROOT(0), LVA, 512, ALL | PTE_PS, 2);
	fill(LVA, PF_USER);
	k = guest_map(ROOT(0), KVA, 30, KERN, 1);
	fill(KVA, 0);
	shadow_age(v, SECOND);
	CU_ASSERT_NOT_EQUAL(leaf(UVA), 0);
	*e[1] &= ~PTE_A;
	*e[3] &= ~PTE_A;
	*large &= ~PTE_A;
	*k &= ~PTE_A;
	shadow_age(v, 2 * SECOND - 1);
	CU_ASSERT_NOT_EQUAL(leaf(UVA + PAGE_SIZE), 0);
	CU_ASSERT_EQUAL(fake.nr_tlb_flushes, 0);
	shadow_age(v, 2 * SECOND);
	CU_ASSERT_EQUAL(fake.nr_tlb_flushes, 1);
	CU_ASSERT_EQUAL(d->counters[VMI_CTR_AGED], 3);
	CU_ASSERT_EQUAL(leaf(UVA), ram_leaf(20, PTE_US | PTE_RW | PTE_D));
	CU_ASSERT_EQUAL(leaf(UVA + PAGE_SIZE), 0);
	CU_ASSERT_EQUAL(leaf(UVA + 2 * PAGE_SIZE), ram_leaf(22, PTE_US | PTE_RW | PTE_D));
	CU_ASSERT_EQUAL(leaf(UVA + 3 * PAGE_SIZE), 0);
	CU_ASSERT_EQUAL(leaf(LVA), 0);
	CU_ASSERT_NOT_EQUAL(leaf(KVA), 0);
	CU_ASSERT_FALSE(*e[1] & PTE_A);
	/* the next access is seen */
	fill(UVA + PAGE_SIZE, PF_USER);
	CU_ASSERT_TRUE(*e[1] & PTE_A);
	CU_ASSERT_EQUAL(d->counters[VMI_CTR_FLUSH_KEPT], 0);
	finish();
}

static void a_root_is_aged_when_it_is_loaded(void)
{
	begin(POOL);
	guest_map(ROOT(0), UVA, 20, ALL, 1);
	fill(UVA, PF_USER);
	shadow_load(v, CR3(1), true);
	shadow_load(v, CR3(2), true);
	CU_ASSERT_EQUAL(nr_ready(), 3);
	make_old(0, UVA);
	/* a new round: no root may be switched to behind its back */
	shadow_age(v, SECOND);
	CU_ASSERT_EQUAL(nr_ready(), 0);
	CU_ASSERT_EQUAL(frame_of(ram_mfn(20))->u.ram.nr_rmap, 1);
	shadow_load(v, CR3(0), true);
	CU_ASSERT_EQUAL(leaf(UVA), 0);
	CU_ASSERT_EQUAL(nr_ready(), 1);
	/* once in a round is enough */
	fill(UVA, PF_USER);
	make_old(0, UVA);
	shadow_load(v, CR3(1), true);
	shadow_load(v, CR3(0), true);
	shadow_age(v, SECOND + SECOND / 2);
	CU_ASSERT_NOT_EQUAL(leaf(UVA), 0);
	CU_ASSERT_EQUAL(nr_ready(), 2);
	finish();
}

/* More than one step may look at. */
static void a_step_is_bounded(void)
{
	const u32 pages = 8 * PTES_PER_TABLE;
	u32 left = pages, before, steps;

	begin(1000);
	for (u32 i = 0; i < pages; i++) {
		guest_map(ROOT(0), LVA + i * PAGE_SIZE, 20 + i % 400, ALL, 1);
		fill(LVA + i * PAGE_SIZE, PF_USER);
	}
	for (u32 i = 0; i < pages; i++)
		make_old(0, LVA + i * PAGE_SIZE);
	CU_ASSERT_EQUAL(all_leaves(pages), pages);
	for (steps = 0; left; steps++) {
		before = left;
		if (steps % 2)
			shadow_load(v, CR3(0), true);
		else
			shadow_age(v, SECOND + steps);
		left = all_leaves(pages);
		if (before - left > STEP)
			test_fail("%u in one step", before - left);
		if (left && nr_ready())
			test_fail("ready with %u to do", left);
	}
	CU_ASSERT_TRUE(steps > 2 && steps < 6);
	shadow_load(v, CR3(0), true);
	CU_ASSERT_EQUAL(nr_ready(), 1);
	CU_ASSERT_EQUAL(d->counters[VMI_CTR_AGED], pages);
	/* nothing to do, in empty tables: one step is enough */
	shadow_age(v, 2 * SECOND);
	shadow_load(v, CR3(0), true);
	CU_ASSERT_EQUAL(nr_ready(), 1);
	finish();
}

int main(int argc, char **argv)
{
	static const struct test tests[] = {
		TEST(what_looks_idle_goes_after_a_second),
		TEST(a_root_is_aged_when_it_is_loaded),
		TEST(a_step_is_bounded),
	};

	return test_main(tests, ARRAY_SIZE(tests), fake_reset, argc, argv);
}
