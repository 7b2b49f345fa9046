// SPDX-License-Identifier: GPL-2.0-only
/*
 * forged-iret: iretq, lretq and far jumps of ring 1 and ring 3 to every
 * selector, and iretq with forged IF, IOPL, NT, VM and RF, gain no ring and no
 * flag (attack class 22, rule R10).
 */
#include "probe.h"

/* RAX = CS, RBX = RIP there, RCX = RFLAGS, RDX = SS, RSI = RSP there. */
#define IRET	"push %rdx; push %rsi; push %rcx; push %rax; push %rbx; iretq"
#define LRET	"push %rax; push %rbx; lretq"
#define INTO	"pushfq; pop %rax; mov %cs, %ecx; int3"

KERNEL_CODE(fi_iret, IRET);
KERNEL_CODE(fi_lret, LRET);
USER_CODE(fu_iret, IRET);
USER_CODE(fu_lret, LRET);
USER_CODE(fu_landing, INTO);
USER_CODE(fu_cli, "cli");
USER_CODE(fu_in, "in $0x60, %al");
KERNEL_CODE(fi_landing, INTO);

static void selectors(bool ring3)
{
	for (u64 sel = 0; sel < 0x200; sel++)
		for (int how = 0; how < 2; how++)
			for (int to3 = 0; to3 < 2; to3++) {
				struct regs r = ring3 ? user_regs(how ? (u64)fu_lret : (u64)fu_iret) :
							kernel_regs(how ? (u64)fi_lret : (u64)fi_iret);
				int vec;

				r.rax = sel;
				r.rbx = to3 ? (u64)fu_landing : (u64)fi_landing;
				r.rcx = 0x3002;
				r.rdx = (sel & 3) == 3 ? USER_SS : (sel & 3) == 1 ? VMI_KERNEL_SS : 0;
				r.rsi = ring3 || (sel & 3) == 3 ? USER_STACK - 512 : r.rsp - 512;
				vec = run(&r);
				CHECK(vec == VEC_GP || vec == VEC_NP || vec == VEC_SS || vec == VEC_PF || vec == VEC_BP ||
				      vec == VEC_UD,
				      "ring %d, %s to CS %#lx: vector %d", ring3 ? 3 : 1, how ? "lretq" : "iretq", sel, vec);
				if (vec != VEC_BP)
					continue;
				/* It arrived: where it may. iretq to the shown kernel CS is emulated. */
				CHECK(sel == USER_CS || sel == USER_CS32 ||
				      (!ring3 && (sel == VMI_KERNEL_CS || (sel == (VMI_KERNEL_CS & ~3) && !how))),
				      "ring %d, %s to CS %#lx arrived with CS %#lx", ring3 ? 3 : 1, how ? "lretq" : "iretq",
				      sel, r.rcx);
				CHECK((r.rcx & 3) >= (ring3 ? 3 : 1), "%s to CS %#lx runs at CPL %lu",
				      how ? "lretq" : "iretq", sel, r.rcx & 3);
				CHECK_EQ(X86_IF, r.rax & (X86_IF | X86_IOPL), "IF and IOPL after %s to CS %#lx",
					 how ? "lretq" : "iretq", sel);
			}
}

static void stacks(void)
{
	for (u64 ss = 0; ss < 0x100; ss++) {
		struct regs r = kernel_regs((u64)fi_iret);
		int vec;

		r.rax = USER_CS;
		r.rbx = (u64)fu_landing;
		r.rcx = 2;
		r.rdx = ss;
		r.rsi = USER_STACK - 512;
		vec = run(&r);
		CHECK(vec == VEC_GP || vec == VEC_SS || vec == VEC_NP || vec == VEC_BP, "iretq to SS %#lx: vector %d", ss, vec);
		CHECK(vec != VEC_BP || (ss & 3) == 3, "iretq to ring 3 with SS %#lx arrived", ss);
	}
}

static void flags(void)
{
	static const u64 forged[] = { 0, X86_IOPL, X86_NT, 1UL << 16, 1UL << 17, 1UL << 19, 1UL << 20, 0x3f0000,
				      X86_IOPL | X86_IF | X86_NT, 0xffffffff00000000 };

	for (u32 i = 0; i < ARRAY_SIZE(forged); i++) {
		struct regs r = kernel_regs((u64)fi_iret);
		int vec;

		r.rax = USER_CS;
		r.rbx = (u64)fu_landing;
		r.rcx = forged[i] | 2;
		r.rdx = USER_SS;
		r.rsi = USER_STACK - 512;
		vec = run(&r);
		if (vec == VEC_GP)
			continue;
		CHECK_EQ(VEC_BP, vec, "iretq with RFLAGS %#lx: vector", forged[i]);
		CHECK_EQ(X86_IF, r.rax & (X86_IF | X86_IOPL | 1UL << 17 | 3UL << 19), "IF, IOPL, VM, VIF, VIP after iretq with RFLAGS %#lx",
			 forged[i]);
	}
	/* IOPL did not stick: cli and in still fault. */
	for (int i = 0; i < 2; i++) {
		struct regs r = user_regs(i ? (u64)fu_in : (u64)fu_cli);

		r.rflags |= X86_IOPL;
		CHECK_EQ(VEC_GP, run(&r), "%s in ring 3 after an exit with IOPL 3: vector", i ? "in" : "cli");
	}
	/* NT when iretq runs is #GP in long mode, and our own next exit works. */
	for (int i = 0; i < 2; i++) {
		struct regs r = kernel_regs((u64)fi_iret);

		r.rflags |= X86_NT;
		r.rax = USER_CS;
		r.rbx = (u64)fu_landing;
		r.rdx = USER_SS;
		r.rsi = USER_STACK - 512;
		CHECK_EQ(VEC_GP, run(&r), "iretq with NT set: vector");
		r = user_regs((u64)fu_landing);
		CHECK_EQ(VEC_BP, run(&r), "an ordinary exit after that (NT must be gone): vector");
	}
}

TEST(forged_iret, "forged-iret", 5, 0, "far returns to every selector and with forged flags gain nothing")
{
	selectors(false);
	selectors(true);
	stacks();
	flags();
}
