// SPDX-License-Identifier: GPL-2.0-only
/*
 * test_p2m.c - a domain's frame space, also against a plain array.
 */
#include "fake.h"
#include "test.h"

static struct domain dom;
static u64 heap_before;

static struct domain *empty(void)
{
	dom = (struct domain){ .id = 2 };
	heap_before = heap_free_frames();
	CU_ASSERT_EQUAL(p2m_init(&dom), 0);
	return &dom;
}

static void expect(struct domain *d, gfn_t gfn, enum p2m_type type, mfn_t mfn)
{
	mfn_t m = 0xdead;
	enum p2m_type t = p2m_get(d, gfn, &m);

	if (t != type || m != (type ? mfn : 0xdead))
		test_fail("gfn %lx: type %d mfn %lx, not %d %lx", gfn, t, m, type, mfn);
}

static void release(struct domain *d)
{
	p2m_exit(d);
	CU_ASSERT_EQUAL(heap_free_frames(), heap_before);
	CU_ASSERT_EQUAL(d->p2m.nr_ram, 0);
	expect(d, 0, P2M_NONE, 0);
}

static void empty_has_nothing(void)
{
	struct domain *d = empty();

	expect(d, 0, P2M_NONE, 0);
	expect(d, ~0UL, P2M_NONE, 0);
	CU_ASSERT_EQUAL(p2m_set(d, 5, 0, 7, P2M_NONE), 0);
	expect(d, 5, P2M_NONE, 0);
	release(d);
}

static void edges_of_a_range(void)
{
	struct domain *d = empty();

	CU_ASSERT_EQUAL(p2m_set(d, 510, 0x9000, 5, P2M_RAM), 0);
	CU_ASSERT_EQUAL(d->p2m.nr_ram, 5);
	expect(d, 509, P2M_NONE, 0);
	expect(d, 510, P2M_RAM, 0x9000);
	expect(d, 512, P2M_RAM, 0x9002);
	expect(d, 514, P2M_RAM, 0x9004);
	expect(d, 515, P2M_NONE, 0);
	/* beyond the height of the tree, and aliases of a shift by 64 */
	expect(d, 510 + (1UL << 18), P2M_NONE, 0);
	expect(d, 510 + (1UL << 36), P2M_NONE, 0);
	expect(d, 510 + (1UL << 52), P2M_NONE, 0);
	expect(d, ~0UL, P2M_NONE, 0);
	release(d);
}

static void the_tree_grows(void)
{
	struct domain *d = empty();

	CU_ASSERT_EQUAL(p2m_set(d, 1, 0x11, 1, P2M_RAM), 0);
	CU_ASSERT_EQUAL(d->p2m.levels, 1);
	CU_ASSERT_EQUAL(p2m_set(d, P2M_MAX_GFN - 1, 0x22, 1, P2M_MMIO), 0);
	CU_ASSERT_EQUAL(d->p2m.levels, 4);
	expect(d, 1, P2M_RAM, 0x11);
	expect(d, P2M_MAX_GFN - 1, P2M_MMIO, 0x22);
	expect(d, P2M_MAX_GFN - 2, P2M_NONE, 0);
	expect(d, P2M_MAX_GFN, P2M_NONE, 0);
	release(d);
}

static void bad_ranges_are_refused(void)
{
	struct domain *d = empty();

	CU_ASSERT_EQUAL(p2m_set(d, P2M_MAX_GFN, 0, 1, P2M_RAM), -VMI_EINVAL);
	CU_ASSERT_EQUAL(p2m_set(d, P2M_MAX_GFN - 1, 0, 2, P2M_RAM), -VMI_EINVAL);
	CU_ASSERT_EQUAL(p2m_set(d, 2, 0, ~0UL, P2M_RAM), -VMI_EINVAL);
	CU_ASSERT_EQUAL(p2m_set(d, 2, 1UL << 40, 1, P2M_RAM), -VMI_EINVAL);
	CU_ASSERT_EQUAL(p2m_set(d, 2, MFN_NONE, 1, P2M_RAM), -VMI_EINVAL);
	CU_ASSERT_EQUAL(p2m_set(d, 2, 0, 1, 3), -VMI_EINVAL);
	CU_ASSERT_EQUAL(p2m_set(d, 2, MFN_NONE, 1, P2M_NONE), 0);
	release(d);
}

static void runs_are_split_and_joined(void)
{
	struct domain *d = empty();

	CU_ASSERT_EQUAL(p2m_set(d, 0, 0x100000, 1 << 18, P2M_RAM), 0);
	CU_ASSERT_EQUAL(d->p2m.nr_ram, 1 << 18);
	CU_ASSERT_EQUAL(p2m_set(d, 1000, 0, 1, P2M_NONE), 0);
	CU_ASSERT_EQUAL(p2m_set(d, 2000, 0x77, 1, P2M_MMIO), 0);
	CU_ASSERT_EQUAL(d->p2m.nr_ram, (1 << 18) - 2);
	expect(d, 999, P2M_RAM, 0x100000 + 999);
	expect(d, 1000, P2M_NONE, 0);
	expect(d, 1001, P2M_RAM, 0x100000 + 1001);
	expect(d, 2000, P2M_MMIO, 0x77);
	expect(d, (1 << 18) - 1, P2M_RAM, 0x100000 + (1 << 18) - 1);
	/* the whole again, over the pieces: their tables go */
	CU_ASSERT_EQUAL(p2m_set(d, 0, 0x100000, 1 << 18, P2M_RAM), 0);
	CU_ASSERT_EQUAL(d->p2m.nr_ram, 1 << 18);
	CU_ASSERT_EQUAL(heap_free_frames(), heap_before - 1);
	release(d);
}

static void a_big_identity_map_is_cheap(void)
{
	struct domain *d = empty();

	CU_ASSERT_EQUAL(p2m_set(d, 0, 0, 1 << 20, P2M_RAM), 0);
	CU_ASSERT_EQUAL(d->p2m.nr_ram, 1 << 20);
	CU_ASSERT_TRUE(heap_before - heap_free_frames() <= 4);
	expect(d, 0xabcde, P2M_RAM, 0xabcde);
	release(d);
}

static void no_memory_is_reported(void)
{
	struct domain *d = empty();
	u64 n = 0;

	while (heap_free_frames() > 2)
		heap_alloc(1, FRAME_HV), n++;
	CU_ASSERT_EQUAL(p2m_set(d, P2M_MAX_GFN - 1, 0, 1, P2M_RAM), -VMI_ENOMEM);
	CU_ASSERT_EQUAL(d->p2m.nr_ram, 0);
	expect(d, P2M_MAX_GFN - 1, P2M_NONE, 0);
	p2m_exit(d);
	CU_ASSERT_EQUAL(heap_free_frames(), 2);
}

#define SPACE	(3 * 512 * 512)

static void like_an_array(void)
{
	static u64 model[SPACE];	/* mfn << 2 | type */
	struct domain *d = empty();
	u64 gfn, nr, mfn, ram = 0, i, step;
	enum p2m_type type;

	memset(model, 0, sizeof(model));
	for (step = 0; step < 2000; step++) {
		gfn = rnd(2) ? rnd(SPACE) : rnd(6) * 512 * 256;
		nr = rnd(3) ? 1 + rnd(1500) : 512 * (1 + rnd(600));
		nr = MIN(nr, SPACE - gfn);
		mfn = rnd(1 << 30);
		type = rnd(3);
		if (p2m_set(d, gfn, mfn, nr, type))
			return test_fail("step %lu: p2m_set", step);
		for (i = 0; i < nr; i++) {
			ram -= (model[gfn + i] & 3) == P2M_RAM;
			ram += type == P2M_RAM;
			model[gfn + i] = type ? (mfn + i) << 2 | type : 0;
		}
		if (ram != d->p2m.nr_ram)
			return test_fail("step %lu: nr_ram %lu, not %lu", step, d->p2m.nr_ram, ram);
		for (i = 0; i < 50; i++) {
			gfn = i < 4 ? (gfn + (i & 1 ? nr : 0) - (i >> 1)) % SPACE : rnd(SPACE);
			expect(d, gfn, model[gfn] & 3, model[gfn] >> 2);
		}
		if (CU_get_number_of_failures())
			return;
	}
	release(d);
}

int main(int argc, char **argv)
{
	static const struct test tests[] = {
		TEST(empty_has_nothing),
		TEST(edges_of_a_range),
		TEST(the_tree_grows),
		TEST(bad_ranges_are_refused),
		TEST(runs_are_split_and_joined),
		TEST(a_big_identity_map_is_cheap),
		TEST(no_memory_is_reported),
		TEST(like_an_array),
	};

	return test_main(tests, ARRAY_SIZE(tests), fake_reset, argc, argv);
}
