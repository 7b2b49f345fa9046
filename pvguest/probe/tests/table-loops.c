// SPDX-License-Identifier: GPL-2.0-only
/*
 * table-loops: page tables that point to themselves, to their parents, to each
 * other, to memory that is not the domain's, and large entries that are
 * misaligned or too large behave as on a processor: a translation, or a page
 * fault. table-fuzz: so do random ones. The hypervisor never faults or spins
 * (attack classes 2, 3, 29).
 */
#include "probe.h"

#define VA(l4, l3, l2, l1) (((u64)(l4) << 39 | (u64)(l3) << 30 | (u64)(l2) << 21 | (u64)(l1) << 12) | \
			    ((l4) >= 256 ? 0xffff000000000000UL : 0))
#define OUTSIDE	(1UL << 40)

static u64 *l4(void)
{
	return kva(root);
}

/* 300: the L4 itself, at every level. The leaf is then an entry used as a page. */
static void recursive(void)
{
	l4()[300] = root | PTE_P | PTE_W | PTE_NX;
	flush_all();
	CHECK_EQ(l4()[300] & PTE_ADDR, *(volatile u64 *)(VA(300, 300, 300, 300) + 300 * 8) & PTE_ADDR,
		 "the recursive entry, read through itself");
	CHECK_EQ(l4()[511] & PTE_ADDR, *(volatile u64 *)(VA(300, 300, 300, 300) + 511 * 8) & PTE_ADDR,
		 "the kernel's entry, read through the recursion");
	/* Writing through it changes the tables, after a flush also the translations. */
	*(volatile u64 *)(VA(300, 300, 300, 300) + 301 * 8) = root | PTE_P | PTE_W | PTE_NX;
	flush_all();
	CHECK_EQ(root, *(volatile u64 *)(VA(301, 301, 301, 301) + 301 * 8) & PTE_ADDR, "a second recursion, made through the first");
	/* The area's slot seen through the recursion is the guest's own entry, not the hypervisor's. */
	CHECK_EQ(0, *(volatile u64 *)(VA(300, 300, 300, 300) + 256 * 8), "L4 slot 256 as the guest's table has it");
	CHECK_EQ(VEC_PF, try_read(VA(300, 300, 300, 256)), "read through the guest's empty slot 256: vector");
	l4()[300] = l4()[301] = 0;
	flush_all();
	CHECK_EQ(VEC_PF, try_read(VA(300, 300, 300, 300)), "read through the removed recursion: vector");
}

static void faults(u64 va, const char *what)
{
	CHECK_EQ(VEC_PF, try_read(va), "%s, read: vector", what);
	CHECK_EQ(PF_P | PF_RSVD, try_regs.error, "%s, read: error code", what);
	CHECK_EQ(VEC_PF, try_write(va), "%s, write: vector", what);
	CHECK_EQ(1, vmi_fill(va, VMI_ACCESS_WRITE), "%s: fill", what);
}

static void not_ours(void)
{
	static const u64 bad[] = { OUTSIDE, 0x000ffffffffff000, 0x0008000000000000, 1UL << 47 };

	for (u32 i = 0; i < ARRAY_SIZE(bad); i++) {
		u64 t3 = page_alloc(), t2 = page_alloc(), t1 = page_alloc();

		l4()[310] = bad[i] | PTE_P | PTE_W;
		flush_all();
		faults(VA(310, 0, 0, 0), "L4 entry outside");
		l4()[310] = t3 | PTE_P | PTE_W;
		((u64 *)kva(t3))[0] = bad[i] | PTE_P | PTE_W;
		((u64 *)kva(t3))[1] = bad[i] << 1 >> 31 << 30 | PTE_P | PTE_W | PTE_PS;
		((u64 *)kva(t3))[2] = t2 | PTE_P | PTE_W;
		((u64 *)kva(t2))[0] = bad[i] | PTE_P | PTE_W;
		((u64 *)kva(t2))[1] = t1 | PTE_P | PTE_W;
		((u64 *)kva(t1))[0] = bad[i] | PTE_P | PTE_W;
		flush_all();
		faults(VA(310, 0, 0, 0), "level 3 entry outside");
		faults(VA(310, 2, 0, 0), "level 2 entry outside");
		faults(VA(310, 2, 1, 0), "level 1 entry outside");
	}
	/* Large: misaligned, and a PS bit where there is none. */
	l4()[311] = root | PTE_P | PTE_W | PTE_PS;
	flush_all();
	faults(VA(311, 0, 0, 0), "L4 entry with PS");
	for (int bit = 13; bit < 30; bit++) {
		u64 t3 = page_alloc(), t2 = page_alloc();

		l4()[312] = t3 | PTE_P | PTE_W;
		((u64 *)kva(t3))[0] = 1UL << bit | PTE_P | PTE_W | PTE_PS;
		((u64 *)kva(t3))[1] = t2 | PTE_P | PTE_W;
		((u64 *)kva(t2))[0] = (bit < 21 ? 1UL << bit : 1UL << 40) | PTE_P | PTE_W | PTE_PS;
		flush_all();
		faults(VA(312, 0, 0, 0), "misaligned 1 GiB entry");
		faults(VA(312, 1, 0, 0), "misaligned 2 MiB entry");
		if (bit == 16)
			break;
	}
	/* A 1 GiB entry that reaches beyond what the domain has: each 4 KiB on its own merits. */
	{
		u64 t3 = page_alloc();

		l4()[313] = t3 | PTE_P | PTE_W;
		((u64 *)kva(t3))[0] = 0 | PTE_P | PTE_W | PTE_PS | PTE_NX;
		flush_all();
		CHECK_EQ(l4()[511], *(volatile u64 *)(VA(313, 0, 0, 0) + root + 511 * 8), "memory through a 1 GiB entry");
		((u64 *)kva(t3))[1] = 0xc0000000 | PTE_P | PTE_W | PTE_PS | PTE_NX;
		faults(VA(313, 1, 503, 0), "1 GiB entry, the local APIC");
	}
}

/* The hypervisor's own memory and the local APIC are nobody's. */
static void never_ours(void)
{
	for (u32 i = 0; i < start_info->nr_map; i++) {
		const struct vmi_start_map *m = &start_info->map[i];

		/* The firmware's tables, which are smaller, are domain 0's. */
		if (m->type != VMI_MAP_RESERVED || m->size < 2 << 20 || m->base >= 0xc0000000)
			continue;
		for (u64 off = 0; off < m->size; off += m->size / 64 & ~(PAGE - 1) ?: PAGE) {
			map_page(KTEST, (m->base + off) & ~(PAGE - 1), PTE_P | PTE_W);
			flush_page(KTEST);
			CHECK_EQ(VEC_PF, try_read(KTEST), "read of reserved memory %#lx: vector", m->base + off);
		}
	}
	map_page(KTEST, 0xfee00000, PTE_P | PTE_W);
	flush_page(KTEST);
	CHECK_EQ(VEC_PF, try_write(KTEST + 0x300), "write to the local APIC: vector");
}

TEST(table_loops, "table-loops", 2, 0, "recursive, foreign and misaligned page-table entries")
{
	recursive();
	not_ours();
	never_ours();
	CHECK_EQ(0, vmi_cr3_load(root), "cr3_load");
}

static u64 seed = 88172645463325252;

static u64 rnd(void)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return seed;
}

#define TABLES	8

/* Tables full of random entries that mostly point to each other; touched, flushed, changed, loaded. */
TEST(table_fuzz, "table-fuzz", 10, 0, "random page tables: translations or page faults, nothing else")
{
	u64 table[TABLES], ok = 0, fault = 0, rounds = option("rounds", 300);

	for (int i = 0; i < TABLES; i++)
		table[i] = page_alloc();
	seed += option("seed", 0);
	for (u64 round = 0; round < rounds; round++) {
		u64 user = root_clone();

		for (int i = 0; i < TABLES; i++)
			for (int k = 0; k < 512; k++) {
				u64 e = (rnd() & 0x9ff) | PTE_P;

				switch (rnd() % 8) {
				case 0: e |= rnd() & PTE_ADDR; break;
				case 1: e |= rnd() & 0x0000000007fff000; break;
				case 2: e = 0; break;
				default: e |= table[rnd() % TABLES]; e &= ~PTE_PS; break;
				}
				if (rnd() % 3)
					e |= PTE_W | PTE_U;
				((u64 *)kva(table[i]))[k] = e | (rnd() & 1 ? PTE_NX : 0);
			}
		for (int k = 1; k < 511; k++)
			((u64 *)kva(user))[k] = ((u64 *)kva(table[0]))[k];
		/* Random entries reach real memory: only reads, but of tables that are written all the time. */
		if (vmi_cr3_load(user | (rnd() & 1UL << 63)))
			test_fail("cr3_load of an aligned page of ours was refused");
		for (int n = 0; n < 60; n++) {
			u64 va = rnd() & 0x00007ffffffff000;
			int vec;

			if (rnd() & 1)
				va |= 0xffff800000000000;
			if (va >> 39 == 0x1ffff00 || va >= KBASE - (1UL << 39))
				continue;
			vec = try_read(va);
			CHECK(vec == -1 || vec == VEC_PF, "round %lu: read of %#lx: vector %d", round, va, vec);
			*(vec == -1 ? &ok : &fault) += 1;
			vmi_fill(va, rnd() & (VMI_ACCESS_WRITE | VMI_ACCESS_USER | VMI_ACCESS_FETCH));
			if (!(rnd() % 16))
				vmi_tlb_flush(rnd() % 3, va, rnd() % 1000 + 1);
		}
		CHECK_EQ(0, vmi_cr3_load(root), "cr3_load of our own root");
		vmi_root_drop(user);
	}
	say("%lu reads translated, %lu faulted, %lu reclaims", ok, fault, counter(VMI_CTR_RECLAIMS));
}
