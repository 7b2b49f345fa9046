// SPDX-License-Identifier: GPL-2.0-only
/*
 * cr3-noflush: a CR3 load uses the loaded root's lower half and nobody else's;
 * without bit 63 it forgets the root's user translations; a dropped root may
 * be reused as data. bad-cr3: roots that are not the domain's memory are
 * refused and the old one stays.
 */
#include "probe.h"

#define KEEP	(1UL << VMI_CR3_NOFLUSH_BIT)
#define VA	(2UL << 39)		/* in L4 slot 2 */

static void load(u64 cr3)
{
	CHECK_EQ(0, vmi_cr3_load(cr3), "cr3_load(%#lx)", cr3);
	CHECK_EQ(cr3 & ~KEEP, SH->cr3, "SH->cr3");
}

static void expect(u64 value, const char *what)
{
	CHECK_EQ(value, *(volatile u64 *)VA, "%s", what);
}

static u64 new_root(u64 value)
{
	u64 r = root_clone(), page = page_alloc();

	*(u64 *)kva(page) = value;
	*pte_at(r, VA, 1) = page | PTE_P | PTE_W | PTE_U;
	return r;
}

TEST(cr3_noflush, "cr3-noflush", 2, 0, "CR3 loads: right root, flushed or kept, dropped roots")
{
	u64 a = new_root(0xa), b = new_root(0xb), c = page_alloc();
	u64 many[64];

	*(u64 *)kva(c) = 0xc;
	load(a);
	expect(0xa, "root A");
	load(b);
	expect(0xb, "root B");
	for (int i = 0; i < 100; i++) {
		load(a | KEEP);
		expect(0xa, "root A, kept");
		load(b | KEEP);
		expect(0xb, "root B, kept");
	}
	*pte_at(a, VA, 1) = c | PTE_P | PTE_W | PTE_U;
	load(a);
	expect(0xc, "root A after its entry changed and a flushing load");
	*pte_at(b, VA, 1) = 0;
	load(b);
	CHECK_EQ(VEC_PF, try_read(VA), "read in root B after unmapping and a flushing load: vector");

	/* The same root again, without bit 63: a flush as well. */
	*pte_at(b, VA, 1) = c | PTE_P | PTE_W | PTE_U;
	expect(0xc, "root B");
	*pte_at(b, VA, 1) = 0;
	load(b);
	CHECK_EQ(VEC_PF, try_read(VA), "read in root B after reloading it: vector");

	/* Dead roots: their frames become data, then a root again. */
	load(root);
	CHECK_EQ(0, vmi_root_drop(a), "root_drop of a loaded-before root");
	memset(kva(a), 0xff, PAGE);
	CHECK_EQ(-VMI_ENOENT, vmi_root_drop(a), "root_drop twice");
	CHECK_EQ(-VMI_ENOENT, vmi_root_drop(page_alloc()), "root_drop of a page that never was a root");
	CHECK(vmi_root_drop(1UL << 40) < 0, "root_drop beyond memory was taken");
	CHECK(vmi_root_drop(~0UL) < 0, "root_drop(-1) was taken");
	memcpy(kva(a), kva(b), PAGE);
	*pte_at(a, VA, 1) = c | PTE_P | PTE_U;
	load(a | KEEP);
	expect(0xc, "a dropped root used anew, kept");
	load(root);

	/* The loaded root may be named too: the call answers and we go on. */
	vmi_root_drop(root);
	load(root);

	/* More roots than anybody caches. */
	for (u64 i = 0; i < 64; i++)
		many[i] = new_root(0x1000 + i);
	for (int round = 0; round < 4; round++)
		for (u64 i = 0; i < 64; i++) {
			load(many[i] | (round & 1 ? KEEP : 0));
			expect(0x1000 + i, "one of many roots");
		}
	load(root);
}

TEST(bad_cr3, "bad-cr3", 1, 0, "roots outside the domain's memory are refused, the old one stays")
{
	static const u64 bad[] = {
		1UL << 40, 0xfee00000, 0xfec00000, 0x000ffffffffff000, 0x8000000000, 0x0010000000000000,
		0x4000000000000000, ~0UL, 0x7fffffffffffffff,
	};

	for (u32 i = 0; i < ARRAY_SIZE(bad); i++) {
		CHECK_EQ(-VMI_EINVAL, vmi_cr3_load(bad[i]), "cr3_load(%#lx)", bad[i]);
		CHECK_EQ(-VMI_EINVAL, vmi_cr3_load(bad[i] | KEEP), "cr3_load(%#lx | KEEP)", bad[i]);
		CHECK_EQ(root, SH->cr3, "SH->cr3 after the refused load of %#lx", bad[i]);
	}
	CHECK_EQ(0, vmi_cr3_load(root), "cr3_load of the good root");
}
