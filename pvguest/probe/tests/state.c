// SPDX-License-Identifier: GPL-2.0-only
/*
 * reg-integrity: all general registers and flags survive a shadow miss, an
 * event, a bounced system call's way back, and emulated instructions.
 * fs-gs-base: bases set by wrfsbase and wrgsbase, also user ones in the kernel
 * and the reverse, survive hypercalls, events and misses, and non-canonical
 * ones are #GP. fpu-regs: so do x87, SSE and AVX registers (attack class 18).
 */
#include "probe.h"

USER_CODE(st_spin, "1: jmp 1b");
USER_CODE(st_touch, "mov (%rbx), %rax; mov %rax, 8(%rbx); int3");
KERNEL_CODE(st_kspin, "1: jmp 1b");
KERNEL_CODE(st_ktouch, "mov (%rbx), %rax; mov %rax, 8(%rbx); int3");
KERNEL_CODE(st_emulated, "cli; clts; int3");
USER_CODE(st_gs, "wrgsbase %rax; wrfsbase %rbx; syscall; rdgsbase %rax; rdfsbase %rbx; int3");

static u64 seed = 0x1234567;

static void fill_regs(struct regs *r)
{
	u64 *gpr = (u64 *)r;

	for (int i = 0; i < NR_GPRS; i++)
		gpr[i] = (seed = seed * 6364136223846793005 + 1442695040888963407);
}

static void same(const struct regs *want, const struct regs *got, u64 except, const char *what)
{
	for (int i = 0; i < NR_GPRS; i++)
		if (!(except >> i & 1))
			CHECK_EQ(((const u64 *)want)[i], ((const u64 *)got)[i], "%s: register word %d", what, i);
	CHECK_EQ(want->rsp, got->rsp, "%s: RSP", what);
	CHECK_EQ(want->rflags & 0xcd5, got->rflags & 0xcd5, "%s: flags", what);
}

#define REG_BIT(f)	(1UL << offsetof(struct regs, f) / 8)

TEST(reg_integrity, "reg-integrity", 2, 0, "general registers survive misses, events and emulation")
{
	u32 port = timer_bind();

	evt_handler[port] = run_stop;
	map_new(KTEST, PTE_W | PTE_NX);
	map_new(UTEST, PTE_W | PTE_U | PTE_NX);
	for (int i = 0; i < 200; i++) {
		bool ring3 = i & 1;
		struct regs want = ring3 ? user_regs((u64)st_spin) : kernel_regs((u64)st_kspin), r;

		fill_regs(&want);
		want.rflags = 2 | X86_IF | (seed >> 20 & 0xcd5);
		r = want;
		vmi_timer_set(clock_ns() + (i % 4 ? 20000 : 1));
		CHECK_EQ(VEC_UPCALL, run(&r), "vector");
		same(&want, &r, 0, ring3 ? "event in ring 3" : "event in ring 1");
		CHECK_EQ(want.rip, r.rip, "RIP of the event");

		flush_all();
		want = ring3 ? user_regs((u64)st_touch) : kernel_regs((u64)st_ktouch);
		fill_regs(&want);
		want.rbx = ring3 ? UTEST : KTEST;
		want.rflags = 2 | (seed >> 20 & 0xcd5);
		r = want;
		CHECK_EQ(VEC_BP, run(&r), "vector");
		same(&want, &r, REG_BIT(rax), ring3 ? "shadow misses in ring 3" : "shadow misses in ring 1");

		want = kernel_regs((u64)st_emulated);
		fill_regs(&want);
		r = want;
		CHECK_EQ(VEC_BP, run(&r), "vector");
		same(&want, &r, 0, "emulated instructions");
	}
}

static u64 rdfs(void) { u64 v; __asm__ volatile ("rdfsbase %0" : "=r" (v)); return v; }
static u64 rdgs(void) { u64 v; __asm__ volatile ("rdgsbase %0" : "=r" (v)); return v; }
static void wrfs(u64 v) { __asm__ volatile ("wrfsbase %0" :: "r" (v)); }
static void wrgs(u64 v) { __asm__ volatile ("wrgsbase %0" :: "r" (v)); }

static void do_swapgs(u64 arg)
{
	(void)arg;
	__asm__ volatile ("swapgs; swapgs" ::: "memory");
}

static void bases_kept(u64 fs, u64 gs, const char *what)
{
	CHECK_EQ(fs, rdfs(), "FS base after %s", what);
	CHECK_EQ(gs, rdgs(), "GS base after %s", what);
}

TEST(fs_gs_base, "fs-gs-base", 1, 0, "FS and GS bases survive hypercalls, events, misses and ring 3")
{
	static const u64 values[] = { 0, 1, 0x7fffffffffff, 0xffff800000000000, ~0UL, KTEST, 0x12345678 };
	u32 port = vmi_evt_bind_ipi(0);

	if (no_fsgsbase)
		test_skip("no FSGSBASE: gs-entry tests this");
	map_new(KTEST, PTE_W | PTE_NX);
	for (u32 i = 0; i < ARRAY_SIZE(values); i++)
		for (u32 j = 0; j < ARRAY_SIZE(values); j++) {
			u64 fs = values[i], gs = values[j], n = evt_count[port];
			struct regs r = user_regs((u64)st_gs);

			wrfs(fs);
			wrgs(gs);
			bases_kept(fs, gs, "wrfsbase and wrgsbase");
			vmi_version();
			bases_kept(fs, gs, "a hypercall");
			irq_enable();
			vmi_evt_send(port);
			irq_disable();
			CHECK_EQ(n + 1, evt_count[port], "deliveries");
			bases_kept(fs, gs, "an event");
			flush_all();
			(void)*(volatile u8 *)KTEST;
			bases_kept(fs, gs, "a shadow miss");
			__asm__ volatile ("clts");
			bases_kept(fs, gs, "an emulated instruction");
			CHECK_EQ(VEC_PF, try_read(KTEST + PAGE), "vector");
			bases_kept(fs, gs, "a page fault");

			/* Ring 3's values arrive here and go back. */
			r.rax = gs;
			r.rbx = fs;
			CHECK_EQ(VEC_SYSCALL, run(&r), "vector");
			bases_kept(fs, gs, "a system call");
			CHECK_EQ(VEC_BP, run(&r), "vector");
			CHECK_EQ(gs, r.rax, "GS base in ring 3");
			CHECK_EQ(fs, r.rbx, "FS base in ring 3");
		}
	/* #GP on processors; QEMU takes the value, and whoever saves and restores it must bear that. */
	CHECK(!try_call(wrgs, NONCANON) || try_regs.vector == VEC_GP, "wrgsbase of a non-canonical value: vector %lu", try_regs.vector);
	CHECK(!try_call(wrfs, 0xdeadbeefdeadbeef) || try_regs.vector == VEC_GP, "wrfsbase of a non-canonical value: vector %lu", try_regs.vector);
	irq_enable();
	vmi_evt_send(port);
	try_call(do_swapgs, 0);
	irq_disable();
	wrgs(0);
	wrfs(0);
}

/* xmm0-15 and the top of the x87 stack, and, where there is AVX, the upper halves. */
static u64 fpu_in[16][4] __attribute__((aligned(32))), fpu_out[16][4] __attribute__((aligned(32)));

#define EACH(X, m) X("0", m) X("1", m) X("2", m) X("3", m) X("4", m) X("5", m) X("6", m) X("7", m) \
	X("8", m) X("9", m) X("10", m) X("11", m) X("12", m) X("13", m) X("14", m) X("15", m)
#define LOAD_X(n, m)	"movups 32*" n "(%0), %%xmm" n "\n\t"
#define SAVE_X(n, m)	"movups %%xmm" n ", 32*" n "(%0)\n\t"
#define LOAD_Y(n, m)	"vmovups 32*" n "(%0), %%ymm" n "\n\t"
#define SAVE_Y(n, m)	"vmovups %%ymm" n ", 32*" n "(%0)\n\t"

static bool avx;

static void fpu_load(void)
{
	if (avx)
		__asm__ volatile (EACH(LOAD_Y, ) :: "r" (fpu_in) : "memory");
	else
		__asm__ volatile (EACH(LOAD_X, ) :: "r" (fpu_in) : "memory");
	__asm__ volatile ("fninit; fldpi; fld1");
}

static void fpu_check(const char *what)
{
	u64 one = 0;

	memset(fpu_out, 0, sizeof(fpu_out));
	if (avx)
		__asm__ volatile (EACH(SAVE_Y, ) :: "r" (fpu_out) : "memory");
	else
		__asm__ volatile (EACH(SAVE_X, ) :: "r" (fpu_out) : "memory");
	__asm__ volatile ("fstl %0" : "=m" (one));
	for (int i = 0; i < 16; i++)
		for (int w = 0; w < (avx ? 4 : 2); w++)
			CHECK_EQ(fpu_in[i][w], fpu_out[i][w], "word %d of vector register %d after %s", w, i, what);
	CHECK_EQ(0x3ff0000000000000, one, "st(0) after %s", what);
}

TEST(fpu_regs, "fpu-regs", 1, 0, "vector and x87 registers survive hypercalls, events and misses")
{
	u32 port = vmi_evt_bind_ipi(0), timer = timer_bind(), out[4];
	u64 deadline;

	vmi_cpuid(1, 0, out);
	if ((out[2] & (1U << 28)) && (out[2] & (1U << 26))) {
		__asm__ volatile ("xsetbv" :: "c" (0), "a" (7), "d" (0));
		avx = true;
	}
	for (int i = 0; i < 16; i++)
		for (int w = 0; w < 4; w++)
			fpu_in[i][w] = (u64)(i + 1) * 0x0101010101010101UL + (u64)w * 0x1000000000000001UL;
	map_new(KTEST, PTE_W | PTE_NX);
	fpu_load();
	vmi_version();
	fpu_check("a hypercall");
	irq_enable();
	vmi_evt_send(port);
	CHECK_EQ(1, evt_count[port], "deliveries");
	fpu_check("an event");
	deadline = clock_ns() + 3000000;
	vmi_timer_set(deadline);
	while (!evt_count[timer] && clock_ns() < deadline + 300000000)
		__asm__ volatile ("pause");
	CHECK_EQ(1, evt_count[timer], "deliveries of the timer");
	fpu_check("a timer event");
	irq_disable();			/* or the event may come before the halt */
	vmi_timer_set(clock_ns() + 3000000);
	vmi_halt();
	fpu_check("halt");
	flush_all();
	(void)*(volatile u8 *)KTEST;
	fpu_check("a shadow miss");
	say("with %s", avx ? "AVX" : "SSE");
}
