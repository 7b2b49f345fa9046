// SPDX-License-Identifier: GPL-2.0-only
/*
 * gdt-write-bad: only slots 12-15 can be written, and only with an empty
 * descriptor or a data or code segment of DPL 3; gates, system descriptors,
 * other DPLs and conforming code are refused (attack class 27, rule R16). A
 * TLS segment that was taken works; one that is not present is #NP.
 */
#include "probe.h"

#define DATA3	0x00cff3000000ffffUL
#define CODE3	0x00affb000000ffffUL

USER_CODE(gw_base, "mov %ebx, %fs; mov %fs:0, %rax; mov %fs, %ecx; int3");

static u64 with_type(u64 type)
{
	return (DATA3 & ~(0xffUL << 40)) | type << 40;
}

TEST(gdt_write_bad, "gdt-write-bad", 1, 0, "gates, system and privileged descriptors, and other slots, are refused")
{
	for (u32 slot = 0; slot < 40; slot++)
		if (slot < VMI_GDT_TLS_MIN || slot > VMI_GDT_CPUNODE) {
			CHECK_EQ(-VMI_EINVAL, vmi_gdt_write(slot, DATA3), "gdt_write to slot %u", slot);
			CHECK_EQ(-VMI_EINVAL, vmi_gdt_write(slot, 0), "gdt_write of 0 to slot %u", slot);
		}
	CHECK_EQ(-VMI_EINVAL, vmi_gdt_write(0xffffffff, DATA3), "gdt_write to slot -1");
	CHECK_EQ(-VMI_EINVAL, vmi_gdt_write(0x8000000c, DATA3), "gdt_write to slot 2^31 + 12");

	for (u64 type = 0; type < 256; type++) {
		bool conforming = (type & 0x8c) == 0x8c;
		bool good = (type & 0x70) == 0x70 && !conforming;
		u64 d = with_type(type);

		/* A 64-bit code segment cannot have D. */
		if (type & 8)
			d = (d & ~(3UL << 53)) | 1UL << 53;
		for (u32 slot = VMI_GDT_TLS_MIN; slot <= VMI_GDT_CPUNODE; slot++)
			CHECK_EQ(good ? 0 : -VMI_EINVAL, vmi_gdt_write(slot, d), "gdt_write of type and DPL byte %#lx to slot %u", type, slot);
	}
	CHECK_EQ(-VMI_EINVAL, vmi_gdt_write(12, CODE3 | 1UL << 54), "gdt_write of a code segment with L and D");

	*(u64 *)map_new(UTEST, PTE_U) = 0x746c73;
	/* The accessed bit is not the processor's to set there: a load must not fault in ring 0. */
	for (u32 slot = VMI_GDT_TLS_MIN; slot <= VMI_GDT_TLS_MAX; slot++) {
		struct regs r = user_regs((u64)gw_base);

		CHECK_EQ(0, vmi_gdt_write(slot, 0x50cff2000000ffffUL), "gdt_write of a TLS segment");
		r.rbx = slot * 8 + 3;
		CHECK_EQ(VEC_BP, run(&r), "load of the TLS segment in ring 3: vector");
		CHECK_EQ(0x746c73, r.rax, "what lies at its base");
		CHECK_EQ(slot * 8 + 3, r.rcx, "its selector");
		CHECK_EQ(0, vmi_gdt_write(slot, 0), "gdt_write of nothing");
		r = user_regs((u64)gw_base);
		r.rbx = slot * 8 + 3;
		CHECK_EQ(VEC_GP, run(&r), "load of an empty slot in ring 3: vector");
		CHECK_EQ(slot * 8, r.error, "its error code");
	}
	CHECK_EQ(0, vmi_gdt_write(12, 0x50cf72000000ffffUL), "gdt_write of a segment that is not present");
	{
		struct regs r = user_regs((u64)gw_base);

		r.rbx = 12 * 8 + 3;
		CHECK_EQ(VEC_NP, run(&r), "its load in ring 3: vector");
	}
	/* Slot 15 tells the CPU number by its limit. */
	CHECK_EQ(0, vmi_gdt_write(VMI_GDT_CPUNODE, 0x0040f50000001234UL), "gdt_write of the CPU number");
	{
		u64 limit = 0;

		__asm__ volatile ("lsl %1, %0" : "=r" (limit) : "r" ((u64)VMI_GDT_CPUNODE * 8 + 3));
		CHECK_EQ(0x1234, limit, "limit of slot 15");
	}
}
