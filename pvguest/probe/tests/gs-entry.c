// SPDX-License-Identifier: GPL-2.0-only
/*
 * gs-entry: on a processor without FSGSBASE, every way from ring 3 into the
 * kernel (system call, exception, page fault bounced and injected, event, also
 * one that the exit path finds waiting) has the kernel's GS base loaded, and
 * ring 3 always finds its own (rule E4).
 */
#include "probe.h"

#define MSR_GS		0xc0000101
#define MSR_OTHER_GS	0xc0000102

#define GS_READ	"mov %gs:0, %rax\n\t"
USER_CODE(ge_syscall, GS_READ "syscall; ud2");
USER_CODE(ge_int3, GS_READ "int3");
USER_CODE(ge_ud2, GS_READ "ud2");
USER_CODE(ge_fault, GS_READ "mov (%rbx), %rbx");
USER_CODE(ge_hidden, "mov (%rbx), %rbx\n\t" GS_READ "int3");
USER_CODE(ge_spin, GS_READ "1: jmp 1b");

static u64 msr(u32 nr)
{
	u64 v = 0;

	CHECK_EQ(0, vmi_msr_read(nr, &v), "msr_read(%#x)", nr);
	return v;
}

static void bases(const char *what)
{
	CHECK_EQ(KTEST, msr(MSR_GS), "%s: GS base in the kernel", what);
	CHECK_EQ(UTEST, msr(MSR_OTHER_GS), "%s: the other GS base", what);
}

static void enters(char *code, int vector, const char *what)
{
	struct regs r;

	do {
		r = user_regs((u64)code);
		r.rbx = code == ge_hidden ? UTEST + PAGE : KTEST + PAGE;
		if (vector == VEC_UPCALL)
			vmi_timer_set(clock_ns() + 3000000);
		CHECK_EQ(vector, run(&r), "%s: vector", what);
	} while (vector == VEC_UPCALL && r.rip == (u64)code);	/* it came before ring 3 had begun */
	CHECK_EQ(0x75, r.rax, "%s: what ring 3 reads at GS:0", what);
	bases(what);
}

static void all_ways(const char *pf)
{
	flush_all();
	enters(ge_syscall, VEC_SYSCALL, "system call");
	enters(ge_int3, VEC_BP, "int3");
	enters(ge_ud2, VEC_UD, "#UD");
	enters(ge_fault, VEC_PF, pf);
	enters(ge_hidden, VEC_BP, "a fault that a fill answers");
	enters(ge_spin, VEC_UPCALL, "event in ring 3");
}

TEST(gs_entry, "gs-entry", 1, T_OLD_CPU, "without FSGSBASE each entry and exit has the right GS base")
{
	struct regs r = user_regs(NONCANON);
	u32 port = timer_bind();
	u64 slow;

	if (!no_fsgsbase)
		test_skip("the processor has FSGSBASE");
	evt_handler[port] = run_stop;
	map_new(KTEST, PTE_W);
	*(u64 *)map_new(UTEST, PTE_W | PTE_U) = 0x75;
	map_new(UTEST + PAGE, PTE_W | PTE_U);
	CHECK_EQ(0, vmi_msr_write(MSR_GS, KTEST), "msr_write(GS_BASE)");
	CHECK_EQ(0, vmi_msr_write(MSR_OTHER_GS, UTEST), "msr_write(KERNEL_GS_BASE)");
	bases("at first");
	all_ways("bounced page fault");

	/* The event that waits is taken by the exit path, which has exchanged the bases already. */
	vmi_timer_set(1);
	slow = nr_slow_exits;
	{
		struct regs s = user_regs((u64)ge_spin);

		CHECK_EQ(VEC_UPCALL, run(&s), "event at the exit: vector");
		CHECK_EQ(slow + 1, nr_slow_exits, "exits that found an event");
		bases("event at the exit");
	}
	CHECK_EQ(VEC_GP, run(&r), "exit to a non-canonical RIP: vector");
	bases("exit to a non-canonical RIP");

	vcpu_setup.pf_entry = 0;
	CHECK_EQ(0, vmi_vcpu_setup(&vcpu_setup), "vcpu_setup without pf_entry");
	all_ways("injected page fault");
	CHECK_EQ(VEC_PF, try_read(KTEST + PAGE), "page fault of ring 1");
	bases("page fault of ring 1");
}
