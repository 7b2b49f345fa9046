// SPDX-License-Identifier: GPL-2.0-only
/*
 * syscall-low-half: a `syscall` that ring 1 executes in a supervisor page of
 * the lower half lands in its own system call entry and is no hypercall;
 * syscall-edges: from the last canonical byte, with TF, in 32-bit mode, with
 * hostile RSP, ring 3's system calls land in the right entry with RCX, R11 and
 * RSP as the processor has them (attack class 23, rules R1, R2).
 */
#include "probe.h"

KERNEL_CODE(se_shutdown, "mov $23, %eax; xor %edi, %edi; syscall; ud2");
USER_CODE(se_plain, "syscall; ud2");
USER_CODE(se_far, "ljmp *(%rbx)");
USER_CODE(se_32, ".code32; syscall; ud2; .code64");

TEST(syscall_low_half, "syscall-low-half", 1, 0, "syscall by ring 1 in the lower half is no hypercall")
{
	struct regs r = kernel_regs(UTEST);
	u8 *code = map_new(UTEST, PTE_W);

	memcpy(code, se_shutdown, se_shutdown_end - se_shutdown);
	CHECK_EQ(VEC_SYSCALL, run(&r), "vector");
	CHECK_EQ(VMI_HC_SHUTDOWN, r.rax, "RAX");
	CHECK_EQ(UTEST + (se_shutdown_end - se_shutdown) - 2, r.rcx, "RCX");
	/* The identity map is low-half supervisor memory as well: run in place. */
	r = kernel_regs(gpa_of(se_shutdown));
	CHECK_EQ(VEC_SYSCALL, run(&r), "vector in the identity map");
}

static void last_byte(void)
{
	u64 top = NONCANON - PAGE;
	u8 *code = map_new(top, PTE_W | PTE_U);
	struct regs r = user_regs(top + PAGE - 2);

	code[PAGE - 2] = 0x0f;
	code[PAGE - 1] = 0x05;
	CHECK_EQ(VEC_SYSCALL, run(&r), "syscall at the last canonical byte: vector");
	CHECK_EQ(NONCANON, r.rcx, "its RCX");
	/* Going back there is the guest's fault: #GP in ring 1 (processors) or ring 3 (QEMU), never the hypervisor's end. */
	r = user_regs(NONCANON);
	CHECK_EQ(VEC_GP, run(&r), "exit to a non-canonical RIP: vector");
}

static void with_tf(void)
{
	struct regs r = user_regs((u64)se_plain);
	int vec;

	r.rflags |= X86_TF;
	vec = run(&r);
	if (vec == VEC_SYSCALL) {
		CHECK(r.r11 & X86_TF, "syscall with TF: R11 %#lx has no TF", r.r11);
	} else {
		CHECK_EQ(VEC_DB, vec, "syscall with TF: vector");
	}
}

static void registers(void)
{
	static const u64 stacks[] = { 0, ~0UL, NONCANON, KTEST, VMI_AREA_BASE + 0x5c00, VMI_SHARED, USER_STACK + 3 };

	for (u32 i = 0; i < ARRAY_SIZE(stacks); i++) {
		struct regs r = user_regs((u64)se_plain);

		r.rsp = stacks[i];
		r.rflags |= X86_CF | 1UL << 10 | 1UL << 21;
		r.rcx = ~0UL;
		r.r11 = ~0UL;
		r.rax = 0x1122334455667788;
		CHECK_EQ(VEC_SYSCALL, run(&r), "system call with RSP %#lx: vector", stacks[i]);
		CHECK_EQ(stacks[i], r.rsp, "RSP of the system call");
		CHECK_EQ((u64)se_plain + 2, r.rcx, "RCX");
		CHECK_EQ(X86_IF | X86_CF | 1 << 10 | 1 << 21 | 2, r.r11 & ~0x8d4UL, "R11");
		CHECK_EQ(0x1122334455667788, r.rax, "RAX");
	}
}

static void compat(void)
{
	struct regs r = user_regs((u64)se_far);
	struct { u32 off; u16 sel; } *far = map_new(UTEST + PAGE, PTE_W | PTE_U);
	int vec;

	far->off = (u64)se_32;
	far->sel = USER_CS32;
	r.rbx = UTEST + PAGE;
	r.rcx = 0xffffffff87654321;
	vec = run(&r);
	if (vec == VEC_UD)
		return;			/* Intel: there is no such instruction in 32-bit mode */
	CHECK_EQ(VEC_COMPAT, vec, "32-bit syscall: vector");
	CHECK_EQ((u64)se_32 + 2, r.rcx, "its RCX");
	CHECK_EQ(USER_STACK, r.rsp, "its RSP");

	vcpu_setup.compat_entry = 0;
	CHECK_EQ(0, vmi_vcpu_setup(&vcpu_setup), "vcpu_setup without compat_entry");
	r = user_regs((u64)se_far);
	r.rbx = UTEST + PAGE;
	CHECK_EQ(VEC_UD, run(&r), "32-bit syscall without an entry: vector");
	CHECK_EQ((u64)se_32, r.rip & 0xffffffff, "its RIP");
	CHECK_EQ(USER_CS32, r.cs, "its CS");
}

TEST(syscall_edges, "syscall-edges", 1, 0, "system calls from odd places land in the right entry")
{
	registers();
	with_tf();
	last_byte();
	compat();
}
