// SPDX-License-Identifier: GPL-2.0-only
/*
 * emulation: the few privileged instructions that ring 1 may execute give the
 * values a kernel expects: cli and sti change the virtual interrupt flag (and
 * sti delivers what waits), control registers read back, swapgs exchanges with
 * SH->user_gs, ports that are not the domain's (here the console's) read as all ones.
 */
#include "probe.h"

static u64 read_cr(int n)
{
	u64 v = 0;

	switch (n) {
	case 0: __asm__ volatile ("mov %%cr0, %0" : "=r" (v)); break;
	case 2: __asm__ volatile ("mov %%cr2, %0" : "=r" (v)); break;
	case 3: __asm__ volatile ("mov %%cr3, %0" : "=r" (v)); break;
	case 4: __asm__ volatile ("mov %%cr4, %0" : "=r" (v)); break;
	}
	return v;
}

static u64 rdmsr(u32 msr)
{
	u32 a, d;

	__asm__ volatile ("rdmsr" : "=a" (a), "=d" (d) : "c" (msr));
	return a | (u64)d << 32;
}

static void wrmsr(u32 msr, u64 v)
{
	__asm__ volatile ("wrmsr" :: "c" (msr), "a" ((u32)v), "d" ((u32)(v >> 32)) : "memory");
}

static void check_vif(void)
{
	long port = vmi_evt_bind_ipi(0);

	CHECK(port > 0, "evt_bind_ipi: %ld", port);
	irq_disable();
	__asm__ volatile ("sti" ::: "memory");
	CHECK_EQ(1, SH->vif, "vif after sti");
	__asm__ volatile ("cli" ::: "memory");
	CHECK_EQ(0, SH->vif, "vif after cli");
	CHECK_EQ(0, vmi_evt_send(port), "evt_send");
	CHECK_EQ(0, evt_count[port], "events delivered with vif=0");
	__asm__ volatile ("sti; nop; nop" ::: "memory");
	CHECK_EQ(1, evt_count[port], "events delivered by sti");
	CHECK_EQ(1, SH->vif, "vif after the event's return");
	__asm__ volatile ("cli" ::: "memory");
}

static void check_control(void)
{
	u64 cr0 = read_cr(0), cr4 = read_cr(4), efer = rdmsr(0xc0000080);
	u32 low;

	CHECK_EQ(0x80000001, cr0 & 0x80000001, "cr0.PG and PE");
	CHECK_EQ(root, read_cr(3), "cr3");
	CHECK_EQ(root, SH->cr3, "SH->cr3");
	CHECK(cr4 & 1 << 5, "cr4.PAE is off: %#lx", cr4);
	CHECK_EQ(0xd01, efer & 0xd01, "EFER SCE, LME, LMA, NXE");
	__asm__ volatile ("mov %0, %%cr2" :: "r" (0x123456789abcUL));
	CHECK_EQ(0x123456789abc, read_cr(2), "cr2 after a write");
	CHECK_EQ(0x123456789abc, SH->cr2, "SH->cr2 after a write of cr2");
	__asm__ volatile ("mov %0, %%cr3" :: "r" (root) : "memory");
	CHECK_EQ(root, read_cr(3), "cr3 after a write");
	__asm__ volatile ("mov %0, %%cr4" :: "r" (cr4));
	CHECK_EQ(cr4, read_cr(4), "cr4 after a write of the same");
	__asm__ volatile ("mov %0, %%cr0" :: "r" (cr0));
	CHECK_EQ(cr0, read_cr(0), "cr0 after a write of the same");
	__asm__ volatile ("in %%dx, %%eax" : "=a" (low) : "d" (0x3f8));
	CHECK_EQ(0xffffffff, low, "inl");
	__asm__ volatile ("in %%dx, %%al" : "=a" (low) : "0" (0x11223344), "d" (0x3fd));
	CHECK_EQ(0x112233ff, low, "inb into AL");
	__asm__ volatile ("in %%dx, %%ax" : "=a" (low) : "0" (0x11223344), "d" (0x3fd));
	CHECK_EQ(0x1122ffff, low, "inw into AX");
}

static void check_gs(void)
{
	u64 a = KTEST + 0x1230, b = 0x7f1234567890;

	wrmsr(0xc0000101, a);
	wrmsr(0xc0000102, b);
	CHECK_EQ(a, rdmsr(0xc0000101), "GS_BASE after wrmsr");
	CHECK_EQ(b, rdmsr(0xc0000102), "KERNEL_GS_BASE after wrmsr");
	__asm__ volatile ("swapgs" ::: "memory");
	CHECK_EQ(b, rdmsr(0xc0000101), "GS_BASE after swapgs");
	CHECK_EQ(a, rdmsr(0xc0000102), "KERNEL_GS_BASE after swapgs");
	CHECK_EQ(0, vmi_gs_swap(), "gs_swap");
	CHECK_EQ(a, rdmsr(0xc0000101), "GS_BASE after swapgs and gs_swap");
	if (!no_fsgsbase) {
		CHECK_EQ(b, SH->user_gs, "SH->user_gs");
		SH->user_gs = NONCANON;
		CHECK_EQ(-VMI_EINVAL, vmi_gs_swap(), "gs_swap with a non-canonical user_gs");
		SH->user_gs = b;
	}
	wrmsr(0xc0000100, b);
	CHECK_EQ(b, rdmsr(0xc0000100), "FS_BASE after wrmsr");
}

TEST(emulation, "emulation", 1, 0, "emulated instructions give a kernel's values")
{
	check_control();
	check_gs();
	check_vif();
}
