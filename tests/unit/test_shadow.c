// SPDX-License-Identifier: GPL-2.0-only
/*
 * test_shadow.c - shadow tables, one behaviour at a time. What random
 * operations do is in test_shadow_model.c.
 */
#include "shadow_test.h"

static void a_fill_takes_what_the_guest_allows(void)
{
	start(POOL);
	guest_map(ROOT(0), UVA, 20, ALL, 1);
	guest_map(ROOT(0), UVA + PAGE_SIZE, 21, PTE_P | PTE_US | PTE_NX, 1);
	guest_map(ROOT(0), UVA + 2 * PAGE_SIZE, 22, KERN, 1);
	fill(UVA, PF_USER | PF_WRITE);
	fill(UVA + PAGE_SIZE, PF_USER);
	fill(UVA + 2 * PAGE_SIZE, 0);
	CU_ASSERT_EQUAL(leaf(UVA), ram_leaf(20, PTE_RW | PTE_D | PTE_US));
	CU_ASSERT_EQUAL(leaf(UVA + PAGE_SIZE), ram_leaf(21, PTE_US | PTE_NX));
	CU_ASSERT_EQUAL(leaf(UVA + 2 * PAGE_SIZE), ram_leaf(22, 0));
	fault(UVA + 3 * PAGE_SIZE, PF_USER, PF_USER);
	fault(UVA + PAGE_SIZE, PF_WRITE, PF_WRITE | PF_PRESENT);
	CU_ASSERT_EQUAL(d->counters[VMI_CTR_FILLS], 3);
	CU_ASSERT_EQUAL(d->counters[VMI_CTR_FILL_FAULTS], 2);
	CU_ASSERT_EQUAL(fake.nr_tlb_flushes, 0);
	finish();
}

static void the_first_write_is_seen(void)
{
	u64 *e;

	start(POOL);
	e = guest_map(ROOT(0), UVA, 20, ALL, 1);
	fill(UVA, PF_USER);
	CU_ASSERT_EQUAL(leaf(UVA), ram_leaf(20, PTE_US));
	CU_ASSERT_FALSE(*e & PTE_D);
	fill(UVA, PF_USER | PF_WRITE);
	CU_ASSERT_EQUAL(leaf(UVA), ram_leaf(20, PTE_US | PTE_RW | PTE_D));
	CU_ASSERT_TRUE(*e & PTE_D);
	/* to become writable needs no flush: the fault has done that */
	CU_ASSERT_EQUAL(fake.nr_tlb_flushes, 0);
	CU_ASSERT_EQUAL(frame_of(ram_mfn(20))->u.ram.nr_rmap, 1);
	/* clean again, without a flush yet: a read may find the old entry or the new */
	*e &= ~PTE_D;
	fill(UVA, PF_USER);
	CU_ASSERT_EQUAL(leaf(UVA), ram_leaf(20, PTE_US));
	CU_ASSERT_EQUAL(fake.nr_tlb_flushes, 1);
	finish();
}

static void upper_half_is_never_user(void)
{
	start(POOL);
	guest_map(ROOT(0), KVA, 20, ALL | PTE_G, 1);
	fault(KVA, PF_USER, PF_USER | PF_PRESENT);
	fill(KVA, PF_WRITE);
	CU_ASSERT_EQUAL(leaf(KVA), ram_leaf(20, PTE_RW | PTE_D));
	finish();
}

static void device_memory_keeps_its_type(void)
{
	u64 base = (u64)FAKE_MMIO << PAGE_SHIFT | PTE_P | PTE_A;

	start(POOL);
	guest_map(ROOT(0), KVA, FAKE_MMIO_GFN, KERN | PTE_PCD | PTE_PWT, 1);
	guest_map(ROOT(0), KVA + PAGE_SIZE, FAKE_MMIO_GFN + 1, KERN | PTE_PAT, 1);
	guest_map(ROOT(0), 0xffff888040000000, FAKE_MMIO_GFN + 1, KERN | PTE_PS | PTE_PWT, 2);	/* + 1: PAT */
	guest_map(ROOT(0), KVA + 2 * PAGE_SIZE, 20, KERN | PTE_PCD | PTE_PWT | PTE_PAT, 1);
	fill(KVA, 0);
	fill(KVA + PAGE_SIZE, PF_WRITE);
	fill(0xffff888040003000, 0);
	fill(KVA + 2 * PAGE_SIZE, 0);
	CU_ASSERT_EQUAL(leaf(KVA), base | PTE_PCD | PTE_PWT);
	CU_ASSERT_EQUAL(leaf(KVA + PAGE_SIZE), (base + PAGE_SIZE) | PTE_PAT | PTE_RW | PTE_D);
	CU_ASSERT_EQUAL(leaf(0xffff888040003000), (base + 3 * PAGE_SIZE) | PTE_PAT | PTE_PWT);
	CU_ASSERT_EQUAL(leaf(KVA + 2 * PAGE_SIZE), ram_leaf(20, 0));	/* RAM is write-back */
	shadow_flush_all(d);
	CU_ASSERT_EQUAL(leaf(KVA), 0);
	finish();
}

static void the_hypervisors_slots_are_refused(void)
{
	start(POOL);
	guest_map(ROOT(0), VMI_AREA_BASE, 20, ALL, 1);
	guest_map(ROOT(0), VMI_TOP_BASE, 21, ALL, 1);
	guest_map(ROOT(0), VMI_TOP_BASE - PAGE_SIZE, 22, ALL, 1);
	fault(VMI_AREA_BASE, PF_WRITE, PF_WRITE);
	fault(VMI_AREA_END - 1, PF_USER, PF_USER);
	fault(VMI_TOP_BASE, PF_FETCH | ~0xffU, PF_FETCH);
	fault(VMI_SHARED, 0, 0);
	fault(~0UL, 0, 0);
	fill(VMI_TOP_BASE - PAGE_SIZE, PF_WRITE);
	fault(0x0000800000000000, PF_WRITE, PF_WRITE);
	CU_ASSERT_EQUAL(((u64 *)mfn_to_va(v->shadow.l4))[SLOT_AREA], v->shadow.area_l4e);
	CU_ASSERT_FALSE(*guest_entry(ROOT(0), VMI_AREA_BASE, 1) & PTE_A);
	finish();
}

static void the_alias_survives_every_flush(void)
{
	u64 want;

	start(POOL);
	want = v->shared_mfn << PAGE_SHIFT | PTE_P | PTE_RW | PTE_NX | PTE_A | PTE_D;
	CU_ASSERT_EQUAL(leaf(VMI_SHARED), want);
	guest_map(ROOT(0), TVA, 20, KERN, 1);
	guest_map(ROOT(0), VMI_TOP_BASE - PAGE_SIZE, 21, KERN, 1);
	fill(TVA, 0);
	fill(VMI_TOP_BASE - PAGE_SIZE, 0);
	make_old(0, VMI_TOP_BASE - PAGE_SIZE);
	shadow_flush_range(v, VMI_SHARED, 1);
	shadow_flush_range(v, VMI_TOP_BASE - PAGE_SIZE, 1000);
	CU_ASSERT_EQUAL(leaf(VMI_SHARED), want);
	CU_ASSERT_EQUAL(leaf(VMI_TOP_BASE - PAGE_SIZE), 0);
	CU_ASSERT_NOT_EQUAL(leaf(TVA), 0);
	make_old(0, TVA);
	shadow_flush_range(v, 0, ~0UL);
	CU_ASSERT_EQUAL(leaf(TVA), 0);
	CU_ASSERT_EQUAL(leaf(VMI_SHARED), want);
	fill(TVA, 0);
	shadow_flush_all(d);
	shadow_unmap_frame(d, v->shared_mfn);
	CU_ASSERT_EQUAL(leaf(TVA), 0);
	CU_ASSERT_EQUAL(leaf(VMI_SHARED), want);
	/* a guest entry that changes, or goes */
	fill(TVA, 0);
	*guest_entry(ROOT(0), TVA, 4) &= ~PTE_RW;
	fill(TVA, 0);
	CU_ASSERT_EQUAL(leaf(VMI_SHARED), want);
	*guest_entry(ROOT(0), TVA, 4) = 0;
	shadow_flush_all(d);
	CU_ASSERT_EQUAL(leaf(VMI_SHARED), want);
	finish();
}

static void a_page_is_flushed_by_address(void)
{
	start(POOL);
	for (int i = 0; i < 4; i++) {
		guest_map(ROOT(0), UVA + i * PAGE_SIZE, 20 + i, ALL, 1);
		fill(UVA + i * PAGE_SIZE, PF_USER);
		make_old(0, UVA + i * PAGE_SIZE);
	}
	shadow_flush_range(v, UVA + PAGE_SIZE + 77, 2);
	CU_ASSERT_NOT_EQUAL(leaf(UVA), 0);
	CU_ASSERT_EQUAL(leaf(UVA + PAGE_SIZE), 0);
	CU_ASSERT_EQUAL(leaf(UVA + 2 * PAGE_SIZE), 0);
	CU_ASSERT_NOT_EQUAL(leaf(UVA + 3 * PAGE_SIZE), 0);
	CU_ASSERT_EQUAL(fake.nr_tlb_flushes, 1);
	CU_ASSERT_EQUAL(d->counters[VMI_CTR_FLUSH_ONE], 1);
	CU_ASSERT_EQUAL(d->counters[VMI_CTR_FLUSH_ENTRIES], 2);
	shadow_flush_range(v, UVA, 0);
	shadow_flush_range(v, UVA + 10 * PAGE_SIZE, 5);
	CU_ASSERT_EQUAL(d->counters[VMI_CTR_FLUSH_ENTRIES], 2);
	CU_ASSERT_EQUAL(fake.nr_tlb_flushes, 1);	/* nothing removed, nothing to flush */
	/* over the hole in the middle of the address space */
	guest_map(ROOT(0), 0x00007ffffffff000, 30, ALL, 1);
	guest_map(ROOT(0), KVA, 31, KERN, 1);
	fill(0x00007ffffffff000, 0);
	fill(KVA, 0);
	make_old(0, 0x00007ffffffff000);
	make_old(0, KVA);
	shadow_flush_range(v, 0x00007fffffffe000, ~0UL);
	CU_ASSERT_EQUAL(leaf(0x00007ffffffff000), 0);
	CU_ASSERT_EQUAL(leaf(KVA), 0);
	CU_ASSERT_NOT_EQUAL(leaf(UVA), 0);
	finish();
}

static void a_large_range_takes_no_longer_than_what_is_there(void)
{
	start(POOL);
	guest_map(ROOT(0), UVA, 20, ALL, 1);
	fill(UVA, 0);
	make_old(0, UVA);
	/* 2^35 pages each time: would never end if absent tables were visited */
	for (int i = 0; i < 1000; i++)
		shadow_flush_range(v, 0, 1UL << 35);
	CU_ASSERT_EQUAL(leaf(UVA), 0);
	finish();
}

static void lower_half_belongs_to_its_root(void)
{
	start(POOL);
	guest_map(ROOT(0), UVA, 20, ALL, 1);
	guest_map(ROOT(1), UVA, 21, ALL, 1);
	fill(UVA, 0);
	shadow_load(v, CR3(1), true);
	CU_ASSERT_EQUAL(leaf(UVA), 0);
	fill(UVA, 0);
	CU_ASSERT_EQUAL(entry_mfn(leaf(UVA)), ram_mfn(21));
	shadow_flush_range(v, UVA, 1);
	shadow_flush_user(v);
	shadow_load(v, CR3(0) | 0x123, true);
	CU_ASSERT_EQUAL(entry_mfn(leaf(UVA)), ram_mfn(20));
	shadow_load(v, CR3(1), true);
	make_old(0, UVA);
	shadow_load(v, CR3(0), false);
	CU_ASSERT_EQUAL(leaf(UVA), 0);
	fill(UVA, 0);
	make_old(0, UVA);
	shadow_load(v, CR3(0), false);			/* the same root again */
	CU_ASSERT_EQUAL(leaf(UVA), 0);
	finish();
}

static void upper_half_is_shared_by_roots_with_the_same_entry(void)
{
	start(POOL);
	guest_map(ROOT(0), KVA, 20, KERN, 1);
	fill(KVA, PF_WRITE);
	ram_table(ROOT(1))[pt_index(KVA, 4)] = ram_table(ROOT(0))[pt_index(KVA, 4)];
	shadow_load(v, CR3(1), true);
	CU_ASSERT_EQUAL(leaf(KVA), ram_leaf(20, PTE_RW | PTE_D));	/* warm from the start */
	/* an entry that is not marked accessed: only the fill links it */
	ram_table(ROOT(2))[pt_index(KVA, 4)] = ram_table(ROOT(0))[pt_index(KVA, 4)] & ~PTE_A;
	shadow_load(v, CR3(2), true);
	CU_ASSERT_EQUAL(leaf(KVA), 0);
	fill(KVA, 0);
	CU_ASSERT_EQUAL(frame_of(ram_mfn(20))->u.ram.nr_rmap, 1);
	/* one flush removes it for all */
	make_old(0, KVA);
	shadow_flush_range(v, KVA, 1);
	for (int i = 0; i < 3; i++) {
		shadow_load(v, CR3(i), true);
		CU_ASSERT_EQUAL(leaf(KVA), 0);
	}
	/* a load without keep leaves the upper half alone */
	fill(KVA, 0);
	shadow_load(v, CR3(0), false);
	CU_ASSERT_NOT_EQUAL(leaf(KVA), 0);
	finish();
}

static void another_entry_means_another_subtree(void)
{
	u64 *e;

	start(POOL);
	guest_map(ROOT(0), KVA, 20, KERN, 1);
	fill(KVA, PF_WRITE);
	e = guest_entry(ROOT(0), KVA, 4);
	*e &= ~PTE_RW;
	CU_ASSERT_NOT_EQUAL(leaf(KVA), 0);		/* not flushed: may still be used */
	fault(KVA, PF_WRITE, PF_WRITE | PF_PRESENT);
	fill(KVA, 0);
	CU_ASSERT_EQUAL(leaf(KVA), ram_leaf(20, 0));
	CU_ASSERT_EQUAL(fake.nr_tlb_flushes, 1);
	CU_ASSERT_EQUAL(frame_of(ram_mfn(20))->u.ram.nr_rmap, 2);
	/* only what the loaded root's entry gives can be read again */
	shadow_flush_range(v, KVA, 1);
	CU_ASSERT_EQUAL(frame_of(ram_mfn(20))->u.ram.nr_rmap, 1);
	CU_ASSERT_EQUAL(leaf(KVA), ram_leaf(20, 0));
	finish();
}

static void a_flush_ends_the_use_of_old_links(void)
{
	mfn_t l4;
	int how;

	start(POOL);
	guest_map(ROOT(0), KVA, 20, KERN, 1);
	for (how = 0; how < 4; how++) {
		ram_table(ROOT(1))[pt_index(KVA, 4)] = ram_table(ROOT(0))[pt_index(KVA, 4)];
		shadow_load(v, CR3(1), true);
		fill(KVA, 0);
		l4 = v->shadow.l4;
		ram_table(ROOT(1))[pt_index(KVA, 4)] = 0;
		/* flushed while loaded, and while another root is */
		if (how)
			shadow_load(v, CR3(0), true);
		if (how == 2)
			shadow_flush_all(d);
		else
			shadow_flush_range(v, KVA, 1);
		/* another root fills it again */
		shadow_load(v, CR3(0), true);
		fill(KVA, 0);
		CU_ASSERT_NOT_EQUAL(leaf(KVA), 0);
		/* a root that is ready needs no load */
		if (how == 3)
			shadow_switched(v, l4);
		else
			shadow_load(v, CR3(1), true);
		CU_ASSERT_EQUAL(v->shadow.l4, l4);
		CU_ASSERT_EQUAL(leaf(KVA), 0);
		fault(KVA, 0, 0);
	}
	finish();
}

static void flush_all_empties_everything(void)
{
	u64 flushes;

	start(POOL);
	for (int i = 0; i < 3; i++) {
		guest_map(ROOT(i), UVA, 20 + i, ALL, 1);
		guest_map(ROOT(i), KVA, 30 + i, KERN, 1);
		guest_map(ROOT(i), TVA, 40 + i, KERN, 1);
		shadow_load(v, CR3(i), true);
		fill(UVA, 0);
		fill(KVA, 0);
		fill(TVA, 0);
	}
	flushes = fake.nr_tlb_flushes;
	shadow_flush_all(d);
	CU_ASSERT_EQUAL(fake.nr_tlb_flushes, flushes + 1);
	for (int i = 0; i < 3; i++) {
		shadow_load(v, CR3(i), true);
		CU_ASSERT_EQUAL(leaf(UVA) | leaf(KVA) | leaf(TVA), 0);
		CU_ASSERT_EQUAL(frame_of(ram_mfn(20 + i))->u.ram.nr_rmap, 0);
	}
	CU_ASSERT_EQUAL(d->counters[VMI_CTR_FLUSH_ALL], 1);
	CU_ASSERT_EQUAL(d->counters[VMI_CTR_FLUSH_ENTRIES], 9);
	finish();
}

static void a_new_frame_replaces_the_old(void)
{
	u64 *e;

	start(POOL);
	e = guest_map(ROOT(0), UVA, 20, ALL, 1);
	fill(UVA, PF_WRITE);
	*e = 21UL << PAGE_SHIFT | ALL;
	fill(UVA, 0);
	CU_ASSERT_EQUAL(leaf(UVA), ram_leaf(21, PTE_US));
	CU_ASSERT_EQUAL(frame_of(ram_mfn(20))->u.ram.nr_rmap, 0);
	CU_ASSERT_EQUAL(fake.nr_tlb_flushes, 1);
	*e = (u64)FAKE_MMIO_GFN << PAGE_SHIFT | ALL;
	fill(UVA, 0);
	CU_ASSERT_EQUAL(frame_of(ram_mfn(21))->u.ram.nr_rmap, 0);
	finish();
}

static void a_frame_can_be_taken_back(void)
{
	u64 flushes;

	start(POOL);
	for (int n = 1; n <= 40; n += 3) {
		for (int i = 0; i < n; i++) {
			guest_map(ROOT(i % 3), UVA + i * PAGE_SIZE, 20, ALL, 1);
			shadow_load(v, CR3(i % 3), true);
			fill(UVA + i * PAGE_SIZE, PF_WRITE);
		}
		CU_ASSERT_EQUAL(frame_of(ram_mfn(20))->u.ram.nr_rmap, (u32)n);
		CU_ASSERT_TRUE(shadow_check(d));
		flushes = fake.nr_tlb_flushes;
		shadow_unmap_frame(d, ram_mfn(20));
		CU_ASSERT_EQUAL(fake.nr_tlb_flushes, flushes + 1);
		CU_ASSERT_EQUAL(frame_of(ram_mfn(20))->u.ram.nr_rmap, 0);
		CU_ASSERT_TRUE(shadow_check(d));
		for (int i = 0; i < n; i++) {
			shadow_load(v, CR3(i % 3), true);
			CU_ASSERT_EQUAL(leaf(UVA + i * PAGE_SIZE), 0);
		}
	}
	shadow_unmap_frame(d, ram_mfn(21));		/* not mapped */
	shadow_unmap_frame(d, FAKE_MMIO);		/* no frame */
	shadow_unmap_frame(d, MFN_NONE);
	finish();
}

static void reverse_maps_shrink_in_any_order(void)
{
	start(POOL);
	for (int round = 0; round < 20; round++) {
		for (int i = 0; i < 30; i++) {
			guest_map(ROOT(0), UVA + i * PAGE_SIZE, 20, ALL, 1);
			fill(UVA + i * PAGE_SIZE, 0);
		}
		for (int i = 0; i < 60; i++)
{
				u64 va = UVA + rnd(30) * PAGE_SIZE;

				make_old(0, va);
				shadow_flush_range(v, va, 1);
			}
		CU_ASSERT_TRUE(shadow_check(d));
	}
	finish();
}

static void one_frame_mapped_everywhere_is_bounded(void)
{
	u64 i, nr = 0;

	start(POOL);
	for (i = 0; i < 1000; i++) {
		guest_map(ROOT(0), UVA + i * PAGE_SIZE, 20, ALL, 1);
		fill(UVA + i * PAGE_SIZE, PF_USER);
		CU_ASSERT_NOT_EQUAL(leaf(UVA + i * PAGE_SIZE), 0);
	}
	for (i = 0; i < 1000; i++)
		nr += !!leaf(UVA + i * PAGE_SIZE);
	CU_ASSERT_EQUAL(nr, frame_of(ram_mfn(20))->u.ram.nr_rmap);
	CU_ASSERT_TRUE(nr >= 200 && nr <= 300);
	finish();
}

static void roots_that_are_not_ram_are_refused(void)
{
	struct sh_root *r;

	start(POOL);
	r = v->shadow.root;
	CU_ASSERT_EQUAL(shadow_load(v, (u64)FAKE_NR_RAM << PAGE_SHIFT, true), -VMI_EINVAL);
	CU_ASSERT_EQUAL(shadow_load(v, (u64)FAKE_MMIO_GFN << PAGE_SHIFT, true), -VMI_EINVAL);
	CU_ASSERT_EQUAL(shadow_load(v, CR3(1) | 1UL << 63, true), -VMI_EINVAL);
	CU_ASSERT_EQUAL(shadow_load(v, CR3(1) | 1UL << 52, true), -VMI_EINVAL);
	CU_ASSERT_EQUAL(shadow_load(v, CR3(1) | 1UL << 51, true), -VMI_EINVAL);
	CU_ASSERT_PTR_EQUAL(v->shadow.root, r);
	CU_ASSERT_EQUAL(shadow_domain_init(d, SHADOW_MIN_TABLES - 1), -VMI_EINVAL);
	finish();
}

static void a_dropped_root_is_forgotten(void)
{
	start(POOL);
	guest_map(ROOT(1), UVA, 20, ALL, 1);
	shadow_load(v, CR3(1), true);
	fill(UVA, 0);
	shadow_load(v, CR3(0), true);
	CU_ASSERT_EQUAL(shadow_root_drop(d, CR3(1)), 0);
	CU_ASSERT_EQUAL(frame_of(ram_mfn(20))->u.ram.nr_rmap, 0);
	CU_ASSERT_EQUAL(shadow_root_drop(d, CR3(1)), -VMI_ENOENT);
	CU_ASSERT_EQUAL(shadow_root_drop(d, CR3(2)), -VMI_ENOENT);
	CU_ASSERT_EQUAL(shadow_root_drop(d, ~0UL), -VMI_ENOENT);
	CU_ASSERT_EQUAL(d->shadow.roots, v->shadow.root);
	finish();
}

static void a_loaded_root_outlives_its_drop(void)
{
	struct sh_root *dead;

	start(POOL);
	guest_map(ROOT(0), UVA, 20, ALL, 1);
	guest_map(ROOT(0), KVA, 21, KERN, 1);
	fill(UVA, 0);
	fill(KVA, 0);
	CU_ASSERT_EQUAL(shadow_root_drop(d, CR3(0)), 0);
	CU_ASSERT_EQUAL(leaf(UVA), 0);
	CU_ASSERT_NOT_EQUAL(leaf(KVA), 0);
	CU_ASSERT_TRUE(shadow_check(d));
	fill(KVA, PF_WRITE);
	shadow_flush_all(d);
	CU_ASSERT_TRUE(shadow_check(d));
	/* the frame is a new root now */
	dead = v->shadow.root;
	CU_ASSERT_TRUE(dead->dead);
	CU_ASSERT_EQUAL(shadow_load(v, CR3(0), true), 0);
	CU_ASSERT_FALSE(v->shadow.root->dead);
	CU_ASSERT_PTR_NULL(v->shadow.root->older);
	CU_ASSERT_EQUAL(shadow_root_drop(d, CR3(0)), 0);
	CU_ASSERT_EQUAL(shadow_load(v, CR3(1), true), 0);
	CU_ASSERT_PTR_NULL(v->shadow.root->older);
	finish();
}

/* A pool as small as it may be, and a guest that touches far more. */
static void a_small_pool_reclaims_and_never_fails(void)
{
	start(SHADOW_MIN_TABLES);
	for (int i = 0; i < 60; i++) {
		guest_map(ROOT(i % 5), UVA + i * 0x200000UL, 20 + i, ALL, 1);
		guest_map(ROOT(i % 5), KVA + i * 0x40000000UL, 80 + i, KERN, 1);
	}
	for (int i = 0; i < 3000; i++) {
		int n = i % 60;

		CU_ASSERT_EQUAL(shadow_load(v, CR3(n % 5), true), 0);
		fill(UVA + n * 0x200000UL, PF_WRITE);
		fill(KVA + n * 0x40000000UL, PF_WRITE);
		CU_ASSERT_EQUAL(entry_mfn(leaf(UVA + n * 0x200000UL)), ram_mfn(20 + n));
		CU_ASSERT_EQUAL(entry_mfn(leaf(KVA + n * 0x40000000UL)), ram_mfn(80 + n));
		if (i % 50 == 0 && !shadow_check(d))
			return;
	}
	CU_ASSERT_TRUE(d->counters[VMI_CTR_RECLAIMS] > 100);
	finish();
}

static void the_oldest_root_goes_first(void)
{
	int i, n;

	start(POOL);
	/* each root is one L4 of the pool, apart from what all share */
	for (i = 0; d->counters[VMI_CTR_RECLAIMS] == 0 && i < 450; i++)
		CU_ASSERT_EQUAL(shadow_load(v, CR3(i), true), 0);
	CU_ASSERT_EQUAL(d->counters[VMI_CTR_RECLAIMS], 1);
	for (n = 0; n < i; n++)
		if (shadow_root_drop(d, CR3(n)) != (n == 0 ? -VMI_ENOENT : 0))
			test_fail("root %d of %d", n, i);
	finish();
}

static void an_empty_heap_reclaims_too(void)
{
	static mfn_t taken[FAKE_NR_HEAP];
	u32 error, n = 0, filled = 0;

	start(POOL);
	while (heap_free_frames() > 20)
		taken[n++] = heap_alloc(1, FRAME_HV);
	for (int i = 0; i < 60; i++) {
		guest_map(ROOT(0), UVA + i * 0x200000UL, 20 + i, ALL, 1);
		filled += shadow_fill(v, UVA + i * 0x200000UL, 0, &error) == SH_FILLED;
	}
	CU_ASSERT_EQUAL(filled, 60);
	CU_ASSERT_TRUE(d->counters[VMI_CTR_RECLAIMS] > 0);
	while (n)
		frame_put(taken[--n]);
	finish();

	/* nothing at all: it says so, and nothing is broken */
	fake_reset();
	heap_before = heap_free_frames();
	d = fake_shadow_domain(POOL);
	v = d->vcpu[0];
	while (heap_free_frames() > 3)
		taken[n++] = heap_alloc(1, FRAME_HV);
	CU_ASSERT_EQUAL(shadow_load(v, CR3(0), true), -VMI_ENOMEM);
	CU_ASSERT_PTR_NULL(v->shadow.root);
	while (n)
		frame_put(taken[--n]);
	CU_ASSERT_EQUAL(shadow_load(v, CR3(0), true), 0);
	finish();
}

#if DOM_MAX_VCPUS > 1
static void vcpus_share_all_but_the_alias(void)
{
	struct vcpu *v1;

	start(POOL);
	v1 = d->vcpu[1];
	guest_map(ROOT(0), UVA, 20, ALL, 1);
	guest_map(ROOT(0), KVA, 21, KERN, 1);
	guest_map(ROOT(0), TVA, 22, KERN, 1);
	fill(UVA, PF_WRITE);
	fill(KVA, 0);
	fill(TVA, 0);
	CU_ASSERT_EQUAL(shadow_load(v1, CR3(0), true), 0);
	CU_ASSERT_NOT_EQUAL(v->shadow.l4, v1->shadow.l4);
	CU_ASSERT_NOT_EQUAL(shadow_leaf(v1->shadow.l4, KVA), 0);
	CU_ASSERT_EQUAL(shadow_leaf(v1->shadow.l4, TVA), 0);		/* slot 511 is the vCPU's own */
	v = v1;
	fill(UVA, 0);
	fill(TVA, 0);
	CU_ASSERT_EQUAL(frame_of(ram_mfn(20))->u.ram.nr_rmap, 1);
	CU_ASSERT_EQUAL(frame_of(ram_mfn(22))->u.ram.nr_rmap, 2);
	CU_ASSERT_TRUE(shadow_check(d));
	CU_ASSERT_NOT_EQUAL(shadow_leaf(d->vcpu[0]->shadow.l4, VMI_SHARED), shadow_leaf(v1->shadow.l4, VMI_SHARED));
	make_old(0, TVA);
	shadow_flush_range(v, TVA, 1);
	CU_ASSERT_EQUAL(frame_of(ram_mfn(22))->u.ram.nr_rmap, 0);
	/* a root is dead only when both have left it */
	CU_ASSERT_EQUAL(shadow_root_drop(d, CR3(0)), 0);
	shadow_load(d->vcpu[0], CR3(1), true);
	CU_ASSERT_TRUE(shadow_check(d));
	CU_ASSERT_TRUE(v1->shadow.root->dead);
	shadow_load(v1, CR3(1), true);
	CU_ASSERT_PTR_NULL(v1->shadow.root->older);
	finish();
}
#endif

int main(int argc, char **argv)
{
	static const struct test tests[] = {
		TEST(a_fill_takes_what_the_guest_allows),
		TEST(the_first_write_is_seen),
		TEST(upper_half_is_never_user),
		TEST(device_memory_keeps_its_type),
		TEST(the_hypervisors_slots_are_refused),
		TEST(the_alias_survives_every_flush),
		TEST(a_page_is_flushed_by_address),
		TEST(a_large_range_takes_no_longer_than_what_is_there),
		TEST(lower_half_belongs_to_its_root),
		TEST(upper_half_is_shared_by_roots_with_the_same_entry),
		TEST(another_entry_means_another_subtree),
		TEST(a_flush_ends_the_use_of_old_links),
		TEST(flush_all_empties_everything),
		TEST(a_new_frame_replaces_the_old),
		TEST(a_frame_can_be_taken_back),
		TEST(reverse_maps_shrink_in_any_order),
		TEST(one_frame_mapped_everywhere_is_bounded),
		TEST(roots_that_are_not_ram_are_refused),
		TEST(a_dropped_root_is_forgotten),
		TEST(a_loaded_root_outlives_its_drop),
		TEST(a_small_pool_reclaims_and_never_fails),
		TEST(the_oldest_root_goes_first),
		TEST(an_empty_heap_reclaims_too),
#if DOM_MAX_VCPUS > 1
		TEST(vcpus_share_all_but_the_alias),
#endif
	};

	return test_main(tests, ARRAY_SIZE(tests), fake_reset, argc, argv);
}
