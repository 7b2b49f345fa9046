// SPDX-License-Identifier: GPL-2.0-only
/*
 * ldt: local descriptors are copied and checked like GDT ones, a refused table
 * leaves none, what is in the area is read-only and is the copy, segments of
 * it work in ring 3, and no selector of it leads below ring 3 (attack class 27,
 * rule R16).
 */
#include "probe.h"

#define DATA3		0x00cff3000000ffffUL
#define CODE32		0x00cffb000000ffffUL
#define TLS		0x50cff2000000ffffUL	/* base UTEST, not accessed */
#define SEL(i)		((i) * 8 + 7)		/* in the LDT, RPL 3 */

USER_CODE(ld_base, "mov %ebx, %fs; mov %fs:0, %rax; xor %ecx, %ecx; mov %ecx, %fs; int3");
KERNEL_CODE(ld_far, "push %rbx; push %rax; lretq");

static u64 *tbl = (u64 *)KTEST;

static int load_fs(u32 sel, struct regs *r)
{
	*r = user_regs((u64)ld_base);
	r->rbx = sel;
	return run(r);
}

static void none_left(const char *after)
{
	struct regs r;

	CHECK_EQ(VEC_GP, load_fs(SEL(0), &r), "load of LDT entry 0 after %s: vector", after);
	CHECK_EQ(4, r.error, "its error code");
}

TEST(ldt, "ldt", 1, 0, "local descriptor tables: checked copies, read-only, nothing below ring 3")
{
	struct regs r;

	for (u64 p = 0; p < 16; p++)
		map_new(KTEST + p * PAGE, PTE_W | PTE_NX);
	*(u64 *)map_new(UTEST, PTE_U) = 0x6c6474;
	none_left("the start");

	CHECK_EQ(-VMI_EINVAL, vmi_ldt_set(tbl, VMI_LDT_MAX + 1), "ldt_set of one too many");
	CHECK_EQ(-VMI_EINVAL, vmi_ldt_set(tbl, 0xffffffff), "ldt_set of 2^32 - 1");
	CHECK_EQ(-VMI_EFAULT, vmi_ldt_set((void *)(KTEST + 15 * PAGE + 8), 512), "ldt_set that runs into nothing");
	CHECK_EQ(-VMI_EFAULT, vmi_ldt_set((void *)NONCANON, 1), "ldt_set, non-canonical");
	CHECK_EQ(-VMI_EFAULT, vmi_ldt_set((void *)~7UL, 8), "ldt_set, wrapping");
	CHECK_EQ(-VMI_EFAULT, vmi_ldt_set((void *)(VMI_AREA_BASE + VMI_AREA_LDT), 1), "ldt_set of itself");

	/* Each type and DPL, first and last in the table: one bad entry and there is no table. */
	for (u64 type = 0; type < 256; type++) {
		bool conforming = (type & 0x8c) == 0x8c;
		bool good = (type & 0x70) == 0x70 && !conforming;
		u64 d = (DATA3 & ~(0xffUL << 40)) | type << 40;

		if (type & 8)
			d = (d & ~(3UL << 53)) | 1UL << 53;
		for (u64 i = 0; i < 1024; i += 1023) {
			tbl[0] = tbl[1023] = TLS;
			tbl[i] = d;
			CHECK_EQ(good ? 0 : -VMI_EINVAL, vmi_ldt_set(tbl, 1024), "ldt_set with type and DPL byte %#lx at %lu", type, i);
			if (!good)
				none_left("a refused table");
		}
	}

	/* Works; the copy is what counts; not present is #NP; the end is the end. */
	for (u64 i = 0; i < VMI_LDT_MAX; i++)
		tbl[i] = TLS;
	tbl[5] = TLS & ~(1UL << 47);
	tbl[6] = CODE32;
	CHECK_EQ(0, vmi_ldt_set(tbl, VMI_LDT_MAX), "ldt_set of the most");
	tbl[0] = 0;
	for (u32 i = 0; i < VMI_LDT_MAX; i += 2047) {
		CHECK_EQ(VEC_BP, load_fs(SEL(i), &r), "load of LDT entry %u: vector", i);
		CHECK_EQ(0x6c6474, r.rax, "what lies at its base");
	}
	CHECK_EQ(VEC_NP, load_fs(SEL(5), &r), "load of an entry that is not present: vector");
	CHECK_EQ(5 * 8 + 4, r.error, "its error code");
	for (u64 p = 0; p < 16; p++) {
		u64 va = VMI_AREA_BASE + VMI_AREA_LDT + p * PAGE;

		CHECK_EQ(-1, try_read(va), "read of the copy, page %lu", p);
		CHECK_EQ(VEC_PF, try_write(va + 5), "write to the copy, page %lu: vector", p);
		CHECK_EQ(PF_P | PF_W, try_regs.error, "its error code");
		CHECK_EQ(VEC_PF, try_exec(va), "fetch from the copy, page %lu: vector", p);
	}

	/* From ring 1, with every RPL: never anything but ring 3. */
	for (u32 rpl = 0; rpl < 4; rpl++) {
		int vec;

		r = kernel_regs((u64)ld_far);
		r.rbx = 6 * 8 + 4 + rpl;
		r.rax = UTEST;
		vec = run(&r);
		CHECK(vec == VEC_GP || (r.cs & 3) == 3, "lretq to LDT code with RPL %u: vector %d, CS %#lx", rpl, vec, r.cs);
	}
	CHECK_EQ(0, vmi_ldt_set(tbl, 0), "ldt_set of none");
	none_left("ldt_set of none");
	tbl[0] = TLS;
	CHECK_EQ(0, vmi_ldt_set(tbl, 1), "ldt_set of one");
	CHECK_EQ(VEC_BP, load_fs(SEL(0), &r), "load of the only entry: vector");
	CHECK_EQ(VEC_GP, load_fs(SEL(1), &r), "load behind the only entry: vector");
	CHECK_EQ(8 + 4, r.error, "its error code");
}
