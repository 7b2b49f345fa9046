// SPDX-License-Identifier: GPL-2.0-only
/*
 * test_frame.c - the frame table and the heap.
 */
#include "fake.h"
#include "test.h"

static void heap_hands_out_zeroed_frames_once(void)
{
	static bool seen[FAKE_FRAMES];
	u64 n = heap_free_frames(), i;
	mfn_t m;

	memset(seen, 0, sizeof(seen));
	memset(mfn_to_va(FAKE_HEAP), 0xaa, FAKE_NR_HEAP * PAGE_SIZE);
	CU_ASSERT_EQUAL(n, FAKE_NR_HEAP);
	for (i = 0; i < n; i++) {
		m = heap_alloc(3, FRAME_HV);
		if (m < FAKE_HEAP || m >= FAKE_HEAP + FAKE_NR_HEAP || seen[m])
			return test_fail("frame %lx", m);
		seen[m] = true;
		if (*(u8 *)mfn_to_va(m) || memcmp(mfn_to_va(m), (u8 *)mfn_to_va(m) + 1, PAGE_SIZE - 1))
			return test_fail("frame %lx is not zero", m);
		if (frame_of(m)->owner != 3 || frame_of(m)->type != FRAME_HV || frame_of(m)->refs != 1)
			return test_fail("frame %lx: owner, type or count", m);
	}
	CU_ASSERT_EQUAL(heap_free_frames(), 0);
	CU_ASSERT_EQUAL(heap_alloc(3, FRAME_HV), MFN_NONE);
	frame_put(FAKE_HEAP + 5);
	CU_ASSERT_EQUAL(heap_free_frames(), 1);
	CU_ASSERT_EQUAL(heap_alloc(3, FRAME_HV), FAKE_HEAP + 5);
}

static void last_reference_frees(void)
{
	mfn_t m = heap_alloc(1, FRAME_HV);
	u64 n = heap_free_frames();

	CU_ASSERT_TRUE(frame_get(m));
	frame_put(m);
	CU_ASSERT_EQUAL(heap_free_frames(), n);
	CU_ASSERT_EQUAL(frame_of(m)->type, FRAME_HV);
	frame_put(m);
	CU_ASSERT_EQUAL(heap_free_frames(), n + 1);
	CU_ASSERT_EQUAL(frame_of(m)->type, FRAME_FREE);
	CU_ASSERT_EQUAL(frame_of(m)->owner, DOMID_NONE);
}

static void get_refuses_what_is_not_there(void)
{
	mfn_t m = heap_alloc(1, FRAME_HV);

	CU_ASSERT_FALSE(frame_get(FAKE_FRAMES));
	CU_ASSERT_FALSE(frame_get(MFN_NONE));
	CU_ASSERT_FALSE(frame_get(FAKE_HEAP + FAKE_NR_HEAP - 1));	/* free */
	CU_ASSERT_FALSE(frame_get(5));				/* nobody's */
	frame_of(m)->refs = (u32)-2;
	CU_ASSERT_TRUE(frame_get(m));
	CU_ASSERT_FALSE(frame_get(m));
}

static void wrong_counts_are_bugs(void)
{
	mfn_t m = heap_alloc(1, FRAME_HV);

	frame_put(m);
	CU_ASSERT_TRUE(PANICS(frame_put(m)));
	CU_ASSERT_TRUE(PANICS(frame_put(5)));
	CU_ASSERT_TRUE(PANICS(frame_put(FAKE_FRAMES)));
	CU_ASSERT_TRUE(PANICS(heap_add(FAKE_HEAP, 1)));
	CU_ASSERT_TRUE(PANICS(frame_assign(FAKE_HEAP, 1, 1, FRAME_RAM)));
	CU_ASSERT_TRUE(PANICS(frame_assign(FAKE_FRAMES - 1, 2, 1, FRAME_RAM)));
	CU_ASSERT_TRUE(PANICS(frame_assign(1, ~0UL, 1, FRAME_RAM)));
}

static void a_mapped_frame_is_not_freed(void)
{
	frame_assign(FAKE_RAM, 1, 1, FRAME_RAM);
	frame_of(FAKE_RAM)->u.ram.nr_rmap = 1;
	CU_ASSERT_TRUE(PANICS(frame_put(FAKE_RAM)));
}

static void assigned_frames_have_an_owner(void)
{
	frame_assign(FAKE_RAM, 3, 9, FRAME_RAM);
	CU_ASSERT_EQUAL(frame_of(FAKE_RAM + 2)->owner, 9);
	CU_ASSERT_EQUAL(frame_of(FAKE_RAM + 2)->refs, 1);
	CU_ASSERT_EQUAL(frame_of(FAKE_RAM + 3)->type, FRAME_NONE);
	frame_put(FAKE_RAM);
	CU_ASSERT_EQUAL(frame_of(FAKE_RAM)->type, FRAME_FREE);
}

static void frame_0_is_never_handed_out(void)
{
	u64 n = heap_free_frames();

	heap_add(0, 2);
	CU_ASSERT_EQUAL(heap_free_frames(), n + 1);
	CU_ASSERT_EQUAL(heap_alloc(1, FRAME_HV), 1);
}

int main(int argc, char **argv)
{
	static const struct test tests[] = {
		TEST(heap_hands_out_zeroed_frames_once),
		TEST(last_reference_frees),
		TEST(get_refuses_what_is_not_there),
		TEST(wrong_counts_are_bugs),
		TEST(a_mapped_frame_is_not_freed),
		TEST(assigned_frames_have_an_owner),
		TEST(frame_0_is_never_handed_out),
	};

	return test_main(tests, ARRAY_SIZE(tests), fake_reset, argc, argv);
}
