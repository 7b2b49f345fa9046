// SPDX-License-Identifier: GPL-2.0-only
/*
 * shadow-pressure: more address space than the pool of shadow tables can hold
 * (thousands of roots, a table for every page, every upper slot): the oldest
 * go and come back, no translation is wrong and the domain does not fail
 * (attack class 31).
 */
#include "probe.h"

#define VA(slot, i)	((u64)(slot) << 39 | (u64)(i) << 30)

static u64 page_of(u64 value)
{
	u64 p = page_alloc();

	*(u64 *)kva(p) = value;
	return p;
}

TEST(shadow_pressure, "shadow-pressure", 15, 0, "far more roots and tables than the pool holds: never wrong, never refused")
{
	u64 data[16], roots[256], before = counter(VMI_CTR_RECLAIMS), l1 = page_alloc(), l2 = page_alloc(), l3 = page_alloc();

	/* One small set of guest tables serves every address: only shadows get many. */
	for (int i = 0; i < 16; i++)
		data[i] = page_of(0x5000 + i);
	for (int i = 0; i < 512; i++) {
		((u64 *)kva(l1))[i] = data[i % 16] | PTE_P | PTE_W | PTE_U;
		((u64 *)kva(l2))[i] = l1 | PTE_P | PTE_W | PTE_U;
		((u64 *)kva(l3))[i] = l2 | PTE_P | PTE_W | PTE_U;
	}
	for (int i = 0; i < 256; i++) {
		roots[i] = root_clone();
		for (int s = 1; s < 256; s++)
			((u64 *)kva(roots[i]))[s] = l3 | PTE_P | PTE_W | PTE_U;
		for (int s = 257; s < 511; s++)
			((u64 *)kva(roots[i]))[s] = l3 | PTE_P | PTE_W;
	}
	for (u64 round = 0; round < 3; round++)
		for (u64 i = 0; i < 256; i++) {
			CHECK_EQ(0, vmi_cr3_load(roots[i] | 1UL << VMI_CR3_NOFLUSH_BIT), "cr3_load of root %lu", i);
			for (u64 s = 1; s < 32; s++) {
				u64 slot = (s * 8 + i) % 255 + 1, low = VA(slot, i * 7 + s) + s * 0x201000;
				u64 high = VA(slot % 254 + 257, s) + 0xffff000000000000 + (i % 16) * PAGE;

				CHECK_EQ(0x5000 + (low >> 12) % 16, *(volatile u64 *)low, "root %lu, %#lx", i, low);
				CHECK_EQ(0x5000 + (high >> 12) % 16, *(volatile u64 *)high, "root %lu, %#lx", i, high);
			}
		}
	CHECK_EQ(0, vmi_cr3_load(root), "cr3_load of the first root");
	say("%lu reclaims, %lu shadow tables", counter(VMI_CTR_RECLAIMS) - before, counter(VMI_CTR_SHADOW_TABLES));
	CHECK(counter(VMI_CTR_RECLAIMS) > before, "the pool was never exhausted: make the test larger");
	CHECK_EQ(0, nr_traps[VEC_PF], "page faults we saw");
	for (int i = 0; i < 256; i++)
		vmi_root_drop(roots[i]);
	CHECK(try_read(VA(3, 0)) == VEC_PF, "a translation of another root is left");
}
