/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * shadow_test.h - what the suites about shadow tables begin with: a domain, and
 * short names for what they do to it.
 */
#ifndef UNIT_SHADOW_TEST_H
#define UNIT_SHADOW_TEST_H

#include "fake.h"
#include "shadow_priv.h"
#include "test.h"

#define ALL	(PTE_P | PTE_RW | PTE_US)
#define KERN	(PTE_P | PTE_RW)
#define ROOT(n)	((gfn_t)(n) + 1)
#define CR3(n)	(ROOT(n) << PAGE_SHIFT)
#define UVA	0x00007f1234567000UL
#define KVA	0xffff888012345000UL
#define TVA	0xffffffffc0000000UL		/* slot 511, in the GiB of the alias */
#define POOL	400

static struct domain *d;
static struct vcpu *v;
static u64 heap_before;

static inline void start(u32 max_tables)
{
	heap_before = heap_free_frames();
	d = fake_shadow_domain(max_tables);
	v = d->vcpu[0];
	CU_ASSERT_EQUAL(shadow_load(v, CR3(0), true), 0);
	CU_ASSERT_TRUE(shadow_check(d));
}

/* Nothing is left over. */
static inline void finish(void)
{
	unsigned int c;

	shadow_check(d);
	shadow_domain_exit(d);
	p2m_exit(d);
	for (c = 0; c < DOM_MAX_VCPUS; c++)
		frame_put(d->vcpu[c]->shared_mfn);
	CU_ASSERT_EQUAL(heap_free_frames(), heap_before);
	for (mfn_t i = FAKE_RAM; i < FAKE_RAM + FAKE_NR_RAM; i++)
		if (frame_of(i)->u.ram.nr_rmap || frame_of(i)->refs != 1)
			return test_fail("frame %lx", i);
}

static inline void fill(u64 va, u32 access)
{
	u32 error = 0;

	if (shadow_fill(v, va, access, &error) != SH_FILLED)
		test_fail("fill of %lx for %x: error %x", va, access, error);
}

static inline void fault(u64 va, u32 access, u32 want)
{
	u32 error = 0xdead;

	if (shadow_fill(v, va, access, &error) != SH_FAULT || error != want)
		test_fail("fill of %lx for %x: error %x, not %x", va, access, error, want);
}

static inline u64 leaf(u64 va)
{
	return shadow_leaf(v->shadow.l4, va);
}

/* What a leaf for RAM frame `gfn` looks like. */
static inline u64 ram_leaf(gfn_t gfn, u64 flags)
{
	return ram_mfn(gfn) << PAGE_SHIFT | PTE_P | PTE_A | SH_RMAP | flags;
}

/* The guest marks the page as not accessed: a flush will not keep it. */
static inline void make_old(int root, u64 va)
{
	*guest_entry(ROOT(root), va, 1) &= ~PTE_A;
}

#endif
