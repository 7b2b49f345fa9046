// SPDX-License-Identifier: GPL-2.0-only
/*
 * cpuid: the virtual leaves show what the design promises (PCID, PGE, a
 * hypervisor) and hide what ring 1 cannot have (rules E6, M5); every leaf can
 * be asked; CR4 and XCR0 take nothing that is hidden; MSRs that do not exist
 * are refused.
 */
#include "probe.h"

static u32 out[4];

static void leaf(u32 l, u32 sub)
{
	CHECK_EQ(0, vmi_cpuid(l, sub, out), "cpuid(%#x, %u)", l, sub);
}

static void hidden(int reg, u32 bit, const char *what)
{
	CHECK(!(out[reg] >> bit & 1), "%s is visible", what);
}

TEST(cpuid, "cpuid", 1, 0, "virtual CPUID, CR4 and MSRs: what is there and what is hidden")
{
	static const u64 bad_cr4[] = { 0, 1UL << 11, 1UL << 12, 1UL << 21, 1UL << 22, 1UL << 23, 1UL << 32, ~0UL, 1UL << 13 };
	u64 cr4, val;

	leaf(1, 0);
	CHECK(out[2] >> 17 & 1, "PCID is hidden");
	CHECK(out[3] >> 13 & 1, "PGE is hidden");
	CHECK(out[2] >> 31 & 1, "the hypervisor bit is off");
	hidden(2, 5, "VMX");
	hidden(2, 3, "MONITOR");
	hidden(2, 21, "x2APIC");
	hidden(2, 24, "TSC deadline");
	leaf(7, 0);
	CHECK_EQ(!no_fsgsbase, out[1] & 1, "FSGSBASE against the feature bit");
	hidden(1, 10, "INVPCID");
	hidden(1, 20, "SMAP");
	hidden(2, 16, "LA57");
	hidden(2, 3, "PKU");
	hidden(3, 26, "SPEC_CTRL");
	leaf(0x80000001, 0);
	hidden(2, 2, "SVM");
	leaf(0xd, 1);
	hidden(0, 3, "XSAVES");
	leaf(0xa, 0);
	CHECK_EQ(0, out[0] & 0xff, "version of performance monitoring");
	for (u64 l = 0; l < 0x100000000; l += 0x1fffff7)
		leaf(l, l >> 5);
	for (u32 l = 0; l < 0x40; l++)
		for (u32 s = 0; s < 70; s += 3) {
			leaf(l, s);
			leaf(0x80000000 + l, s);
			leaf(0x40000000 + l, s);
		}

	__asm__ volatile ("mov %%cr4, %0" : "=r" (cr4));
	for (u32 i = 0; i < ARRAY_SIZE(bad_cr4); i++)
		CHECK_EQ(-VMI_EINVAL, vmi_cr4_write(bad_cr4[i] ? cr4 | bad_cr4[i] : 0), "cr4_write of the present value with %#lx", bad_cr4[i]);
	CHECK_EQ(0, vmi_cr4_write(cr4 | 1UL << 7 | 1UL << 17), "cr4_write with PGE and PCIDE");
	__asm__ volatile ("mov %%cr4, %0" : "=r" (val));
	CHECK_EQ(cr4 | 1UL << 7 | 1UL << 17, val, "CR4 afterwards");
	CHECK_EQ(0, vmi_cr4_write(cr4), "cr4_write of the first value");

	for (u32 msr = 0; msr < 0x1000; msr++) {
		long rc = vmi_msr_read(msr, &val);

		CHECK(rc == 0 || rc == -VMI_EINVAL, "msr_read(%#x): %ld", msr, rc);
		rc = vmi_msr_read(0xc0000000 + msr, &val);
		CHECK(rc == 0 || rc == -VMI_EINVAL, "msr_read(%#x): %ld", 0xc0000000 + msr, rc);
		rc = vmi_msr_read(0xc0010000 + msr, &val);
		CHECK(rc == 0 || rc == -VMI_EINVAL, "msr_read(%#x): %ld", 0xc0010000 + msr, rc);
	}
	CHECK_EQ(-VMI_EINVAL, vmi_msr_write(0x1b, 0), "msr_write(APIC_BASE)");
	CHECK_EQ(-VMI_EINVAL, vmi_msr_write(0xc0000101, NONCANON), "msr_write(GS_BASE, not canonical)");
	CHECK_EQ(-VMI_EINVAL, vmi_msr_write(0xc0000102, NONCANON), "msr_write(KERNEL_GS_BASE, not canonical)");
	CHECK_EQ(-VMI_EINVAL, vmi_msr_write(0xc0000080, 0), "msr_write(EFER, 0)");
	CHECK_EQ(-VMI_EINVAL, vmi_msr_write(0x277, 0x0707070707070707), "msr_write(PAT, other)");
	/* A guest that believes it set its entry points has not set the hardware's. */
	vmi_msr_write(0xc0000082, 0xdead000);
	vmi_msr_write(0xc0000084, 0);
	CHECK_EQ(VMI_VERSION_MAJOR, vmi_version() >> 16, "major version afterwards");
}
