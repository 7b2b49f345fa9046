// SPDX-License-Identifier: GPL-2.0-only
/*
 * debugreg: breakpoints on the hypervisor's addresses and I/O breakpoints are
 * refused, DR7.GD never sticks; execution and data breakpoints and single
 * steps raise #DB in the guest, from ring 3 and from ring 1, with DR6 in the
 * shared page; single steps over system calls and hypercalls harm nobody
 * (attack class 17, rules R7, R8).
 */
#include "probe.h"

#define BS	(1UL << 14)

USER_CODE(dr_user, "nop; nop; mov %rax, (%rbx); nop; int3");
USER_CODE(dr_movss, "mov %ecx, %ss; int3; nop");
KERNEL_CODE(dr_kernel, "nop; nop; mov %rax, (%rbx); nop; int3");
KERNEL_CODE(dr_hypercall, "xor %eax, %eax; syscall; nop; int3");
USER_CODE(dr_syscall, "syscall; nop; int3");

static void set(u32 reg, u64 val)
{
	CHECK_EQ(0, vmi_debugreg_set(reg, val), "debugreg_set(%u, %#lx)", reg, val);
}

static u64 get(u32 reg)
{
	u64 v = 0xbad;

	CHECK_EQ(0, vmi_debugreg_get(reg, &v), "debugreg_get(%u)", reg);
	return v;
}

static void refused(u32 reg, u64 val)
{
	CHECK_EQ(-VMI_EINVAL, vmi_debugreg_set(reg, val), "debugreg_set(%u, %#lx)", reg, val);
}

static void bad_values(void)
{
	static const u64 bad[] = { VMI_AREA_BASE, VMI_AREA_BASE + 0x80, VMI_AREA_END - 1, VMI_AREA_BASE - 1,
				   VMI_TOP_BASE, VMI_SHARED, VMI_TOP_BASE - 1, ~0UL, NONCANON, 0x8000000000000000 };
	u64 dummy;

	for (u32 reg = 0; reg < 4; reg++) {
		for (u32 i = 0; i < ARRAY_SIZE(bad); i++)
			refused(reg, bad[i]);
		set(reg, KTEST + reg);
		CHECK_EQ(KTEST + reg, get(reg), "DR%u", reg);
		set(reg, 0);
	}
	refused(4, 0);
	refused(5, 0);
	refused(8, 0);
	refused(0xffffffff, 0);
	CHECK_EQ(-VMI_EINVAL, vmi_debugreg_get(8, &dummy), "debugreg_get(8)");
	CHECK_EQ(-VMI_EINVAL, vmi_debugreg_get(4, &dummy), "debugreg_get(4)");
	refused(7, 2UL << 16 | 1);	/* I/O breakpoint */
	vmi_debugreg_set(7, 1UL << 13);	/* GD: refused or ignored */
	CHECK_EQ(0, get(7) & 1UL << 13, "DR7.GD");
	vmi_version();
	set(7, 0x400);
}

static void breakpoints(bool ring3)
{
	u64 code = ring3 ? (u64)dr_user : (u64)dr_kernel, data = ring3 ? UTEST : KTEST;
	struct regs r = ring3 ? user_regs(code) : kernel_regs(code);
	int vec;

	map_new(data, PTE_W | PTE_NX | (ring3 ? PTE_U : 0));
	vmi_fill(data, VMI_ACCESS_WRITE | (ring3 ? VMI_ACCESS_USER : 0));
	SH->dr6 = 0;
	set(0, code + 1);
	set(1, data);
	set(7, 1 << 0 | 1 << 2 | 0xdUL << 20);	/* 0: execute; 1: write, 4 bytes */
	r.rbx = data;
	vec = run(&r);
	CHECK_EQ(VEC_DB, vec, "execution breakpoint in ring %d: vector", ring3 ? 3 : 1);
	CHECK_EQ(code + 1, r.rip, "its RIP");
	CHECK_EQ(1, SH->dr6 & 0xf, "its DR6");
	set(7, 1 << 2 | 0xdUL << 20);
	SH->dr6 = 0;
	vec = run(&r);
	CHECK_EQ(VEC_DB, vec, "data breakpoint in ring %d: vector", ring3 ? 3 : 1);
	CHECK_EQ(code + 5, r.rip, "its RIP");
	CHECK_EQ(2, SH->dr6 & 2, "its DR6");
	CHECK_EQ(0xd00404, get(7), "DR7 afterwards");
	set(7, 0);
	CHECK_EQ(VEC_BP, run(&r), "without breakpoints: vector");
}

/* Step from `rip` while #DB comes; the vector that ended it. */
static int steps(struct regs *r, u64 *nr)
{
	int vec;

	*nr = 0;
	for (;;) {
		r->rflags |= X86_TF;
		SH->dr6 = 0;
		vec = run(r);
		if (vec != VEC_DB)
			return vec;
		CHECK(SH->dr6 & BS, "single step at %#lx: DR6 %#lx has no BS", r->rip, SH->dr6);
		CHECK(++*nr < 100, "single steps do not end");
	}
}

static void single_steps(void)
{
	struct regs r = user_regs((u64)dr_user);
	u64 nr;

	r.rbx = UTEST;
	CHECK_EQ(VEC_BP, steps(&r, &nr), "single steps in ring 3: vector at the end");
	CHECK_EQ(4, nr, "single steps in ring 3");
	r = kernel_regs((u64)dr_kernel);
	r.rbx = KTEST;
	CHECK_EQ(VEC_BP, steps(&r, &nr), "single steps in ring 1: vector at the end");
	CHECK_EQ(4, nr, "single steps in ring 1");

	r = kernel_regs((u64)dr_hypercall);
	CHECK_EQ(VEC_BP, steps(&r, &nr), "single steps over a hypercall: vector at the end");
	CHECK(nr >= 2 && nr <= 3, "single steps over a hypercall: %lu", nr);
	CHECK_EQ(VMI_VERSION_MAJOR, r.rax >> 16, "result of the hypercall");

	r = user_regs((u64)dr_syscall);
	CHECK_EQ(VEC_SYSCALL, steps(&r, &nr), "single step into a system call: vector");

	/* A breakpoint on the data of mov ss, with int3 behind it: #DB at the first ring-0 instruction of real processors. */
	r = user_regs((u64)dr_movss);
	r.rcx = USER_SS;
	r.rflags |= X86_TF;
	nr = run(&r);
	CHECK(nr == VEC_DB || nr == VEC_BP, "mov ss, int3 with TF: vector %lu", nr);
}

TEST(debugreg, "debugreg", 1, 0, "debug registers: what is refused, breakpoints and single steps")
{
	bad_values();
	breakpoints(true);
	breakpoints(false);
	single_steps();
}
