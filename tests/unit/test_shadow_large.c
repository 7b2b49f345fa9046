// SPDX-License-Identifier: GPL-2.0-only
/*
 * test_shadow_large.c - leaves of 2 MiB, and taking frames back (rule M3) from
 * leaves of both sizes.
 */
#include "shadow_test.h"

#define LVA	0x0000000040000000UL	/* aligned to 1 GiB */
#define CHUNK	512			/* first frame of the second 2 MiB of the domain's RAM */
#define AT(n)	(LVA + (n) * PAGE_SIZE)

static int level_of(u64 va)
{
	u64 *e = shadow_entry(v->shadow.l4, 4, va);

	return e ? frame_of(va_to_mfn(e))->u.sh.level : 0;
}

static u32 nr_rmap(gfn_t gfn)
{
	return frame_of(ram_mfn(gfn))->u.ram.nr_rmap;
}

/* In reverse maps of all of the domain's frames. */
static u32 all_rmap(void)
{
	u32 n = 0;

	for (gfn_t gfn = 0; gfn < FAKE_NR_RAM; gfn++)
		n += nr_rmap(gfn);
	return n;
}

static void one_fill_is_enough(void)
{
	start(POOL);
	guest_map(ROOT(0), LVA, CHUNK, ALL | PTE_PS, 2);
	fill(AT(7), PF_USER);
	CU_ASSERT_EQUAL(level_of(AT(7)), 2);
	CU_ASSERT_EQUAL(leaf(LVA), ram_leaf(CHUNK, PTE_US));
	CU_ASSERT_EQUAL(leaf(AT(511)), ram_leaf(CHUNK + 511, PTE_US));
	CU_ASSERT_EQUAL(leaf(AT(512)), 0);
	CU_ASSERT_EQUAL(all_rmap(), 1);
	CU_ASSERT_TRUE(shadow_check(d));
	/* the upper half, and of a page of 1 GiB: never the user's */
	guest_map(ROOT(0), KVA & ~0x3fffffffUL, 0, ALL | PTE_PS | PTE_PAT_LARGE | PTE_PCD, 3);
	fill((KVA & ~0x3fffffffUL) + CHUNK * PAGE_SIZE, PF_WRITE);
	CU_ASSERT_EQUAL(leaf((KVA & ~0x3fffffffUL) + CHUNK * PAGE_SIZE), ram_leaf(CHUNK, PTE_RW | PTE_D));
	CU_ASSERT_EQUAL(leaf(KVA & ~0x3fffffffUL), 0);
	CU_ASSERT_EQUAL(nr_rmap(CHUNK), 2);
	finish();
}

static void writable_once_it_is_dirty(void)
{
	u64 *e;

	start(POOL);
	e = guest_map(ROOT(0), LVA, CHUNK, ALL | PTE_PS, 2);
	fill(AT(7), PF_USER);
	CU_ASSERT_EQUAL(*e & (PTE_A | PTE_D), PTE_A);
	fill(AT(300), PF_USER | PF_WRITE);
	CU_ASSERT_TRUE(*e & PTE_D);
	CU_ASSERT_EQUAL(leaf(AT(7)), ram_leaf(CHUNK + 7, PTE_US | PTE_RW | PTE_D));
	CU_ASSERT_EQUAL(fake.nr_tlb_flushes, 0);
	*e &= ~PTE_D;
	shadow_flush_range(v, AT(9), 1);
	CU_ASSERT_EQUAL(leaf(AT(7)), ram_leaf(CHUNK + 7, PTE_US));
	CU_ASSERT_EQUAL(fake.nr_tlb_flushes, 1);
	*e &= ~PTE_A;
	shadow_flush_range(v, AT(9), 1);
	CU_ASSERT_EQUAL(leaf(AT(7)), 0);
	CU_ASSERT_FALSE(*e & PTE_A);
	finish();
}

static void a_flush_inside_is_a_flush_of_all(void)
{
	u64 *e, old;

	start(POOL);
	e = guest_map(ROOT(0), LVA, CHUNK, ALL | PTE_PS, 2);
	old = *e;
	for (int how = 0; how < 4; how++) {
		*e = old;
		fill(AT(7), PF_USER);
		CU_ASSERT_EQUAL(level_of(AT(511)), 2);
		*e = how == 0 ? 0 : how == 1 ? *e & ~PTE_A : how == 2 ? (u64)20 << PAGE_SHIFT | ALL | PTE_A :
		     (u64)FAKE_MMIO_GFN << PAGE_SHIFT | ALL | PTE_A | PTE_PS;
		shadow_flush_range(v, AT(300), 1);
		CU_ASSERT_EQUAL(leaf(AT(7)), 0);
		CU_ASSERT_EQUAL(all_rmap(), 0);
		CU_ASSERT_TRUE(shadow_check(d));
	}
	/* but a page beside it is none */
	*e = old;
	fill(AT(7), PF_USER);
	*e = 0;
	shadow_flush_range(v, AT(512), 512);
	CU_ASSERT_EQUAL(level_of(AT(7)), 2);
	shadow_flush_user(v);
	CU_ASSERT_EQUAL(all_rmap(), 0);
	finish();
}

/* Both ways, and without the flush that the guest owes: the fill alone has to put it right. */
static void a_page_changes_its_size(void)
{
	u64 *e, large;

	start(POOL);
	guest_map(ROOT(0), AT(3), 20, ALL | PTE_A, 1);
	guest_map(ROOT(0), AT(7), 21, ALL | PTE_A, 1);
	e = guest_entry(ROOT(0), LVA, 2);
	large = (u64)CHUNK << PAGE_SHIFT | ALL | PTE_A | PTE_PS;
	fill(AT(3), PF_USER);
	CU_ASSERT_EQUAL(leaf(AT(7)), ram_leaf(21, PTE_US) & ~PTE_A);
	for (u64 old = *e, i = 0; i < 3; i++) {
		*e = large;
		fill(AT(200), PF_USER);
		CU_ASSERT_EQUAL(fake.nr_tlb_flushes, 2 * i + 1);
		CU_ASSERT_EQUAL(leaf(AT(3)), ram_leaf(CHUNK + 3, PTE_US));
		CU_ASSERT_EQUAL(all_rmap(), 1);
		CU_ASSERT_TRUE(shadow_check(d));
		*e = old;
		fill(AT(3), PF_USER);
		CU_ASSERT_EQUAL(fake.nr_tlb_flushes, 2 * i + 2);
		CU_ASSERT_EQUAL(leaf(AT(3)), ram_leaf(20, PTE_US));
		CU_ASSERT_EQUAL(leaf(AT(200)), 0);
		CU_ASSERT_EQUAL(nr_rmap(CHUNK), 0);
		CU_ASSERT_TRUE(shadow_check(d));
	}
	finish();
}

static void pieces_where_the_frames_are_not_in_one(void)
{
	start(POOL);
	/* a hole in the machine's frames */
	CU_ASSERT_EQUAL(p2m_set(d, CHUNK + 5, 0, 1, P2M_NONE), 0);
	guest_map(ROOT(0), LVA, CHUNK, ALL | PTE_PS, 2);
	fill(AT(7), PF_USER);
	CU_ASSERT_EQUAL(level_of(AT(7)), 1);
	CU_ASSERT_EQUAL(leaf(AT(5)), 0);
	CU_ASSERT_EQUAL(leaf(AT(8)), 0);
	fault(AT(5), PF_USER, PF_USER | PF_PRESENT | PF_RSVD);
	/* one piece, but not aligned in the machine */
	CU_ASSERT_EQUAL(p2m_set(d, 2048, ram_mfn(1), 512, P2M_RAM), 0);
	guest_map(ROOT(0), AT(512), 2048, ALL | PTE_PS, 2);
	fill(AT(512 + 7), PF_USER);
	CU_ASSERT_EQUAL(level_of(AT(512 + 7)), 1);
	CU_ASSERT_EQUAL(leaf(AT(512 + 7)), ram_leaf(8, PTE_US));
	/* registers of a device, whose type counts */
	guest_map(ROOT(0), AT(1024), FAKE_MMIO_GFN, ALL | PTE_PS | PTE_PAT_LARGE | PTE_PCD, 2);
	fill(AT(1024 + 7), PF_USER);
	CU_ASSERT_EQUAL(level_of(AT(1024 + 7)), 1);
	CU_ASSERT_EQUAL(leaf(AT(1024 + 7)), (u64)(FAKE_MMIO + 7) << PAGE_SHIFT | PTE_P | PTE_A | PTE_US | PTE_PCD | PTE_PAT);
	CU_ASSERT_EQUAL(p2m_set(d, 2048, 0, 512, P2M_NONE), 0);
	finish();
}

static void a_frame_taken_back_is_in_no_leaf(void)
{
	const gfn_t taken[] = { CHUNK, CHUNK + 1, CHUNK + 300, CHUNK + 511 };

	for (u32 i = 0; i < ARRAY_SIZE(taken); i++) {
		fake_reset();
		start(POOL);
		guest_map(ROOT(0), LVA, CHUNK, ALL | PTE_PS, 2);
		guest_map(ROOT(1), LVA, CHUNK, ALL | PTE_PS, 2);
		guest_map(ROOT(0), KVA & ~0x1fffffUL, CHUNK, KERN | PTE_PS, 2);
		guest_map(ROOT(0), UVA, taken[i], ALL, 1);
		fill(AT(9), PF_USER);
		fill(KVA & ~0x1fffffUL, PF_WRITE);
		fill(UVA, PF_USER | PF_WRITE);
		shadow_load(v, CR3(1), true);
		fill(AT(9), PF_USER | PF_WRITE);
		CU_ASSERT_EQUAL(all_rmap(), 4);
		CU_ASSERT_EQUAL(p2m_set(d, taken[i], 0, 1, P2M_NONE), 0);
		shadow_unmap_frame(d, ram_mfn(taken[i]));
		CU_ASSERT_EQUAL(all_rmap(), 0);
		CU_ASSERT_EQUAL(fake.nr_tlb_flushes, 1);
		CU_ASSERT_EQUAL(leaf(AT(9)), 0);
		/* the rest is still there, in pieces */
		fault(AT(taken[i] - CHUNK), PF_USER, PF_USER | PF_PRESENT | PF_RSVD);
		fill(AT(9), PF_USER | PF_WRITE);
		CU_ASSERT_EQUAL(level_of(AT(9)), 1);
		CU_ASSERT_EQUAL(leaf(AT(9)), ram_leaf(CHUNK + 9, PTE_US | PTE_RW | PTE_D));
		finish();
	}
}

/* What a processor may still use when it is told to forget. */
static struct {
	mfn_t frame, table;
	u32 nr;
} watched;

static void watch(void)
{
	watched.nr++;
	if (shadow_entry(v->shadow.l4, 4, AT(9)) || shadow_entry(v->shadow.l4, 4, UVA))
		test_fail("flushed before the leaves were gone");
	if (frame_of(watched.frame)->refs != 1 || frame_of(watched.table)->type != FRAME_SHADOW)
		test_fail("freed before the flush");
	for (u32 m = d->shadow.state->spare; m; m = frame_of(m)->u.sh.next)
		if (m == watched.table)
			test_fail("reused before the flush");
}

static void nothing_is_freed_before_the_flush(void)
{
	u64 *e;

	start(POOL);
	guest_map(ROOT(0), LVA, CHUNK, ALL | PTE_PS, 2);
	e = guest_map(ROOT(0), UVA, CHUNK + 1, ALL, 1);
	fill(AT(9), PF_USER);
	fill(UVA, PF_USER);
	watched.frame = ram_mfn(CHUNK + 1);
	watched.table = va_to_mfn(shadow_entry(v->shadow.l4, 4, UVA));
	watched.nr = 0;
	fake.on_tlb_flush = watch;
	p2m_set(d, CHUNK + 1, 0, 1, P2M_NONE);
	shadow_unmap_frame(d, ram_mfn(CHUNK + 1));
	CU_ASSERT_EQUAL(watched.nr, 1);
	p2m_set(d, CHUNK + 1, ram_mfn(CHUNK + 1), 1, P2M_RAM);
	/* tables, too */
	fill(UVA, PF_USER);
	watched.table = va_to_mfn(shadow_entry(v->shadow.l4, 4, UVA));
	*guest_entry(ROOT(0), LVA, 4) = *guest_entry(ROOT(0), UVA, 4) = 0;
	CU_ASSERT_NOT_EQUAL(*e, 0);
	shadow_flush_user(v);
	CU_ASSERT_EQUAL(watched.nr, 2);
	fake.on_tlb_flush = NULL;
	finish();
}

static void a_large_page_mapped_everywhere_is_bounded(void)
{
	start(1000);
	for (int i = 0; i < 400; i++) {
		guest_map(ROOT(0), LVA + i * 512 * PAGE_SIZE, CHUNK, ALL | PTE_PS, 2);
		fill(LVA + i * 512 * PAGE_SIZE, PF_USER);
	}
	CU_ASSERT_EQUAL(nr_rmap(CHUNK), RMAP_MAX);
	CU_ASSERT_TRUE(shadow_check(d));
	shadow_unmap_frame(d, ram_mfn(CHUNK + 100));
	CU_ASSERT_EQUAL(nr_rmap(CHUNK), 0);
	finish();
}

int main(int argc, char **argv)
{
	static const struct test tests[] = {
		TEST(one_fill_is_enough),
		TEST(writable_once_it_is_dirty),
		TEST(a_flush_inside_is_a_flush_of_all),
		TEST(a_page_changes_its_size),
		TEST(pieces_where_the_frames_are_not_in_one),
		TEST(a_frame_taken_back_is_in_no_leaf),
		TEST(nothing_is_freed_before_the_flush),
		TEST(a_large_page_mapped_everywhere_is_bounded),
	};

	return test_main(tests, ARRAY_SIZE(tests), fake_reset, argc, argv);
}
