// SPDX-License-Identifier: GPL-2.0-only
/*
 * context.c - a program's registers survive everything that interrupts it.
 *
 * Processes and threads with different values in their registers run against
 * each other and against a fast timer; each looks for another's
 * value, or a changed one. General, SSE, AVX and x87 registers, flags and segment
 * bases.
 */
#define _GNU_SOURCE
#include <asm/prctl.h>
#include <cpuid.h>
#include <immintrin.h>
#include <sched.h>
#include <sys/auxv.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include "guest.h"

#define CHILDREN	5
#define HWCAP2_FSGSBASE	2

static volatile sig_atomic_t ticks;

static void tick(int sig)
{
	(void)sig;
	ticks++;
}

/* A handler that leaves nothing as it was: sigreturn has to restore it. */
static void tick_and_clobber(int sig)
{
	(void)sig;
	ticks++;
	asm volatile("fninit; pcmpeqb %%xmm0, %%xmm0; pcmpeqb %%xmm7, %%xmm7; pcmpeqb %%xmm15, %%xmm15; std; cld"
		     ::: "xmm0", "xmm7", "xmm15");
}

static void tick_every_ms(void (*fn)(int))
{
	struct itimerval it = { { 0, 1000 }, { 0, 1000 } };
	struct sigaction sa = { .sa_handler = fn, .sa_flags = SA_RESTART };

	must(sigaction(SIGALRM, &sa, NULL));
	must(setitimer(ITIMER_REAL, &it, NULL));
}

/* Runs fn in several processes at once, each with its number. */
static void in_children(void (*fn)(uint64_t key))
{
	pid_t pid[CHILDREN];

	for (int i = 0; i < CHILDREN; i++) {
		pid[i] = must_fork();
		if (!pid[i]) {
			fn(mix(guest_seed + i));
			_exit(i);
		}
	}
	for (int i = 0; i < CHILDREN; i++)
		reap(pid[i], i);
}

static uint64_t run_ns(void)
{
	return scaled(1500) * 1000000UL;
}

/* ---- general registers ------------------------------------------------------------ */

/*
 * Fill all of them but RSP from key, spin, compare. Returns a bit for each that
 * changed: bit 0 RBX, 1 RBP, 2 RSI, 3 RDI, 4-11 R8-R15, 12 RAX, 13 RDX, 14 RCX.
 * The red zone belongs to the compiler, hence the step over it.
 */
static uint64_t spin_registers(uint64_t key, uint64_t loops)
{
	uint64_t bad;

	asm volatile(
		"sub $256, %%rsp\n"
		"push %%rbp\n push %%rbx\n"
		"push %[loops]\n"			/* 8(%rsp): the counter */
		"push %[key]\n"				/* 0(%rsp): the key */
		"mov (%%rsp), %%rbx\n"
		"lea 1(%%rbx), %%rbp\n lea 2(%%rbx), %%rsi\n lea 3(%%rbx), %%rdi\n"
		"lea 4(%%rbx), %%r8\n lea 5(%%rbx), %%r9\n lea 6(%%rbx), %%r10\n lea 7(%%rbx), %%r11\n"
		"lea 8(%%rbx), %%r12\n lea 9(%%rbx), %%r13\n lea 10(%%rbx), %%r14\n lea 11(%%rbx), %%r15\n"
		"lea 12(%%rbx), %%rax\n lea 13(%%rbx), %%rdx\n lea 14(%%rbx), %%rcx\n"
		"1: decq 8(%%rsp)\n jnz 1b\n"
		"movq $0, 8(%%rsp)\n"
#define CMP(reg, n, bit) \
		"pushq %%" reg "\n subq $" #n ", (%%rsp)\n movq 8(%%rsp), %%" reg "\n" \
		"cmpq %%" reg ", (%%rsp)\n movq (%%rsp), %%" reg "\n lea 8(%%rsp), %%rsp\n" \
		"je 2f\n btsq $" #bit ", 8(%%rsp)\n 2:\n"
		CMP("rbx", 0, 0) CMP("rbp", 1, 1) CMP("rsi", 2, 2) CMP("rdi", 3, 3)
		CMP("r8", 4, 4) CMP("r9", 5, 5) CMP("r10", 6, 6) CMP("r11", 7, 7)
		CMP("r12", 8, 8) CMP("r13", 9, 9) CMP("r14", 10, 10) CMP("r15", 11, 11)
		CMP("rax", 12, 12) CMP("rdx", 13, 13) CMP("rcx", 14, 14)
		"pop %%rax\n pop %%rax\n pop %%rbx\n pop %%rbp\n"
		"add $256, %%rsp\n"
		: "=&a" (bad), [key] "+c" (key), [loops] "+d" (loops) :
		: "rsi", "rdi", "r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15", "memory", "cc");
	return bad;
}

static void check_general(uint64_t key)
{
	uint64_t end = now_ns(CLOCK_MONOTONIC) + run_ns();

	tick_every_ms(tick);
	while (now_ns(CLOCK_MONOTONIC) < end) {
		uint64_t bad = spin_registers(key, 20000);

		check(!bad, "general registers changed, set %#lx (see spin_registers())", bad);
	}
	check(ticks > 20, "only %d timer signals: nothing was tested", ticks);
}

static void general(void)
{
	check_general(guest_seed);
	in_children(check_general);
}

/* A system call changes RAX, RCX and R11 only, and returns to where it came from. */
static void check_syscalls(uint64_t key)
{
	uint64_t end = now_ns(CLOCK_MONOTONIC) + run_ns() / 2;

	tick_every_ms(tick);
	while (now_ns(CLOCK_MONOTONIC) < end) {
		for (int i = 0; i < 200; i++) {
			register uint64_t r8 asm("r8") = key + 8, r9 asm("r9") = key + 9, r10 asm("r10") = key + 10;
			register uint64_t r12 asm("r12") = key + 12, r13 asm("r13") = key + 13;
			register uint64_t r14 asm("r14") = key + 14, r15 asm("r15") = key + 15;
			uint64_t rax = i % 2 ? SYS_sched_yield : SYS_getppid, rbx = key + 1, rdx = key + 2;
			uint64_t rsi = key + 3, rdi = key + 4, rcx, before, after;

			asm volatile("lea 1f(%%rip), %%rcx\n mov %%rcx, %[before]\n"
				     "syscall\n"
				     "1: mov %%rcx, %[after]"
				     : "+a" (rax), "+b" (rbx), "+d" (rdx), "+S" (rsi), "+D" (rdi), "=c" (rcx),
				       "+r" (r8), "+r" (r9), "+r" (r10), "+r" (r12), "+r" (r13), "+r" (r14), "+r" (r15),
				       [before] "=m" (before), [after] "=m" (after) :: "r11", "memory", "cc");
			check(rbx == key + 1 && rdx == key + 2 && rsi == key + 3 && rdi == key + 4 && r8 == key + 8 &&
			      r9 == key + 9 && r10 == key + 10 && r12 == key + 12 && r13 == key + 13 &&
			      r14 == key + 14 && r15 == key + 15, "a system call changed a register");
			check(before == after, "RCX is %#lx after a system call, not %#lx", after, before);
			check(i % 2 ? !rax : rax == (uint64_t)getppid(), "the system call returned %ld", (long)rax);
		}
	}
}

static void syscalls(void)
{
	in_children(check_syscalls);
}

/* Arithmetic flags, DF, AC and ID: interrupts keep them, a system call too. */
static void check_flags(uint64_t key)
{
	const uint64_t mask = 0x240cd5;
	uint64_t end = now_ns(CLOCK_MONOTONIC) + run_ns() / 2, n = 0;

	tick_every_ms(tick);
	while (now_ns(CLOCK_MONOTONIC) < end) {
		/* The spin counts in memory with lea: it must not change a flag. */
		uint64_t want = mix(key + n++) & 0x2004d5, seen;

		asm volatile("lea -128(%%rsp), %%rsp\n"
			     "pushfq\n pop %%rax\n and %[keep], %%rax\n or %[want], %%rax\n push %%rax\n"
			     "mov $20000, %%rcx\n popfq\n"
			     "1: lea -1(%%rcx), %%rcx\n jrcxz 2f\n jmp 1b\n"
			     "2: pushfq\n pop %[seen]\n cld\n"
			     "lea 128(%%rsp), %%rsp"
			     : [seen] "=&r" (seen) : [want] "r" (want), [keep] "r" (~mask) : "rax", "rcx", "cc", "memory");
		check((seen & mask) == want, "flags %#lx became %#lx", want, seen & mask);
		check(seen & 0x200, "the program sees interrupts off");
		check(!(seen & 0x7000), "the program sees flags %#lx", seen);

		asm volatile("lea -128(%%rsp), %%rsp\n"
			     "pushfq\n pop %%rax\n and %[keep], %%rax\n or %[want], %%rax\n push %%rax\n popfq\n"
			     "mov %[nr], %%eax\n syscall\n"
			     "pushfq\n pop %[seen]\n cld\n"
			     "lea 128(%%rsp), %%rsp"
			     : [seen] "=&b" (seen) : [want] "r" (want), [keep] "r" (~mask), [nr] "i" (SYS_getppid)
			     : "rax", "rcx", "r11", "cc", "memory");
		check((seen & mask) == want, "flags %#lx became %#lx in a system call", want, seen & mask);
	}
}

static void flags(void)
{
	check_flags(1);
	in_children(check_flags);
}

/* ---- vector and floating point registers --------------------------------------------- */

#define XMM_ALL(op) \
	op(0) op(1) op(2) op(3) op(4) op(5) op(6) op(7) op(8) op(9) op(10) op(11) op(12) op(13) op(14) op(15)
#define XMM_CLOBBERS "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", "xmm9", "xmm10", \
	"xmm11", "xmm12", "xmm13", "xmm14", "xmm15"
#define LOAD(n)		"movdqu 16*" #n "(%[in]), %%xmm" #n "\n"
#define STORE(n)	"movdqu %%xmm" #n ", 16*" #n "(%[out])\n"
#define VLOAD(n)	"vmovdqu 32*" #n "(%[in]), %%ymm" #n "\n"
#define VSTORE(n)	"vmovdqu %%ymm" #n ", 32*" #n "(%[out])\n"

static void spin_sse(const void *in, void *out, uint64_t loops)
{
	asm volatile(XMM_ALL(LOAD) "1: dec %[loops]\n jnz 1b\n" XMM_ALL(STORE)
		     : [loops] "+r" (loops) : [in] "r" (in), [out] "r" (out) : "memory", "cc", XMM_CLOBBERS);
}

static void spin_avx(const void *in, void *out, uint64_t loops)
{
	asm volatile(XMM_ALL(VLOAD) "1: dec %[loops]\n jnz 1b\n" XMM_ALL(VSTORE) "vzeroupper\n"
		     : [loops] "+r" (loops) : [in] "r" (in), [out] "r" (out) : "memory", "cc", XMM_CLOBBERS);
}

/* Eight x87 values, the control words of both units, across a spin and a system call. */
static void spin_x87(double *value, uint16_t *control, uint32_t *mxcsr, uint64_t loops)
{
	uint32_t old;

	asm volatile("stmxcsr %[old]\n ldmxcsr (%[mxcsr])\n fninit\n fldcw (%[control])\n"
		     "fldl 56(%[v])\n fldl 48(%[v])\n fldl 40(%[v])\n fldl 32(%[v])\n"
		     "fldl 24(%[v])\n fldl 16(%[v])\n fldl 8(%[v])\n fldl (%[v])\n"
		     "1: dec %[loops]\n jnz 1b\n"
		     "mov %[nr], %%eax\n syscall\n"
		     "fstpl (%[v])\n fstpl 8(%[v])\n fstpl 16(%[v])\n fstpl 24(%[v])\n"
		     "fstpl 32(%[v])\n fstpl 40(%[v])\n fstpl 48(%[v])\n fstpl 56(%[v])\n"
		     "fnstcw (%[control])\n stmxcsr (%[mxcsr])\n fninit\n ldmxcsr %[old]\n"
		     : [loops] "+r" (loops), [old] "=m" (old)
		     : [v] "r" (value), [control] "r" (control), [mxcsr] "r" (mxcsr), [nr] "i" (SYS_sched_yield)
		     : "rax", "rcx", "r11", "memory", "cc", "st", "st(1)", "st(2)", "st(3)", "st(4)", "st(5)", "st(6)", "st(7)");
}

static int has_avx(void)
{
	unsigned int a, b, c, d;

	return __get_cpuid(1, &a, &b, &c, &d) && (c & bit_AVX) && (c & bit_OSXSAVE);
}

static void check_fpu(uint64_t key)
{
	uint64_t end = now_ns(CLOCK_MONOTONIC) + run_ns(), in[64], out[64];
	int avx = has_avx();

	tick_every_ms(tick_and_clobber);
	for (uint64_t n = 0; now_ns(CLOCK_MONOTONIC) < end; n++) {
		uint16_t control = 0x37f ^ (mix(key + n) & 0xc00), control_was = control;
		uint32_t mxcsr = 0x1f80 ^ (mix(key + n) & 0x6000), mxcsr_was = mxcsr;
		double value[8];

		for (int i = 0; i < 64; i++)
			in[i] = mix(key + n * 64 + i);
		memset(out, 0, sizeof(out));
		spin_sse(in, out, 20000);
		check(!memcmp(in, out, 256), "SSE registers changed");
		if (avx) {
			memset(out, 0, sizeof(out));
			spin_avx(in, out, 20000);
			check(!memcmp(in, out, 512), "AVX registers changed");
		}
		for (int i = 0; i < 8; i++)
			value[i] = (double)(int64_t)in[i];
		spin_x87(value, &control, &mxcsr, 10000);
		for (int i = 0; i < 8; i++)
			check(value[i] == (double)(int64_t)in[i], "x87 register %d changed", i);
		check(control == control_was, "the x87 control word changed from %#x to %#x", control_was, control);
		check((mxcsr & ~63) == mxcsr_was, "MXCSR changed from %#x to %#x", mxcsr_was, mxcsr);
	}
}

static void fpu(void)
{
	check_fpu(guest_seed);
	in_children(check_fpu);
}

/* A fresh program begins with clean registers: nothing of another's is in them. */
static void clean(void)
{
	for (unsigned long i = 0; i < scaled(50); i++) {
		char *argv[] = { "context", "--clean-child", NULL };
		pid_t pid = must_fork();

		if (!pid) {
			uint64_t in[64], out[64];

			memset(in, 0xa5, sizeof(in));
			spin_sse(in, out, 1);
			asm volatile("movdqu (%0), %%xmm9; movdqu (%0), %%xmm15; fldpi" :: "r" (in) : "xmm9", "xmm15", "st");
			execve("/proc/self/exe", argv, NULL);
			fail("execve: %s", strerror(errno));
		}
		reap(pid, 6);
	}
}

static int clean_child(void)
{
	static const uint64_t zeroes[2];
	uint64_t xmm9[2], xmm15[2];
	uint16_t status;

	asm volatile("movdqu %%xmm9, %0; movdqu %%xmm15, %1; fnstsw %2"
		     : "=m" (xmm9), "=m" (xmm15), "=m" (status));
	return memcmp(xmm9, zeroes, 16) || memcmp(xmm15, zeroes, 16) || status ? 9 : 6;
}

/* ---- segment bases ----------------------------------------------------------------------- */

static uint64_t gs_word(void)
{
	uint64_t w;

	asm volatile("mov %%gs:0, %0" : "=r" (w));
	return w;
}

static int can_write_bases(void)
{
	return getauxval(AT_HWCAP2) & HWCAP2_FSGSBASE;
}

__attribute__((target("fsgsbase")))
static void set_gs(void *base, int directly)
{
	if (directly)
		_writegsbase_u64((uintptr_t)base);
	else
		must(syscall(SYS_arch_prctl, ARCH_SET_GS, base));
}

__attribute__((target("fsgsbase")))
static void check_bases(uint64_t key)
{
	uint64_t end = now_ns(CLOCK_MONOTONIC) + run_ns() / 2, *own = map(PAGE, PROT_READ | PROT_WRITE, 0);
	uint64_t fs = 0, gs = 0, n = 0;
	int directly = can_write_bases() && key % 2;
	uint16_t selector;
	pid_t pid;

	for (int i = 0; i < 512; i++)
		own[i] = mix(key + i);
	must(syscall(SYS_arch_prctl, ARCH_GET_FS, &fs));
	tick_every_ms(tick);
	while (now_ns(CLOCK_MONOTONIC) < end) {
		uint64_t *base = own + n++ % 512;

		set_gs(base, directly);
		for (int i = 0; i < 3000; i++)
			check(gs_word() == *base, "GS shows %#lx, not %#lx", gs_word(), *base);
		if (n % 4 == 0)
			sched_yield();
		check(gs_word() == *base, "GS shows another's memory after sched_yield()");
		must(syscall(SYS_arch_prctl, ARCH_GET_GS, &gs));
		check(gs == (uintptr_t)base, "the kernel says GS base %#lx, not %p", gs, base);
		if (can_write_bases()) {
			check(_readgsbase_u64() == (uintptr_t)base, "the GS base is %#llx", _readgsbase_u64());
			check(_readfsbase_u64() == fs, "the FS base is %#llx, not %#lx", _readfsbase_u64(), fs);
		}
	}
	pid = must_fork();
	if (!pid) {
		check(gs_word() == own[(n - 1) % 512], "a child has another GS base");
		_exit(0);
	}
	reap(pid, 0);
	/* A base no kernel or hypervisor address can be: refused, and nothing breaks. */
	check(syscall(SYS_arch_prctl, ARCH_SET_GS, 0xffff800000000000) == -1 && errno == EPERM, "a kernel address as GS base");
	if (can_write_bases()) {
		/* The instruction takes any canonical value; using it must fault, not help. */
		_writegsbase_u64(0xffff800000000000);
		sched_yield();
		check(_readgsbase_u64() == 0xffff800000000000, "the GS base became %#llx", _readgsbase_u64());
	}
	/* A null selector; the base stays or goes, by vendor, but is never another's. */
	set_gs(own, 0);
	asm volatile("mov %0, %%gs" :: "r" (0));
	asm volatile("mov %%gs, %0" : "=r" (selector));
	sched_yield();
	must(syscall(SYS_arch_prctl, ARCH_GET_GS, &gs));
	check(!selector && (!gs || gs == (uintptr_t)own), "a null GS has base %#lx", gs);
}

static void bases(void)
{
	check_bases(1);
	check_bases(2);
	in_children(check_bases);
}

/* Selectors of data segments survive switches, too. */
static void check_selectors(uint64_t key)
{
	uint16_t want = key % 2 ? 0x2b : 0, ds, es;

	for (unsigned long i = 0; i < scaled(3000); i++) {
		asm volatile("mov %0, %%ds; mov %0, %%es" :: "r" (want));
		sched_yield();
		asm volatile("mov %%ds, %0; mov %%es, %1" : "=r" (ds), "=r" (es));
		check(ds == want && es == want, "DS %#x and ES %#x became %#x and %#x", want, want, ds, es);
	}
}

static void selectors(void)
{
	in_children(check_selectors);
}

static const struct guest_test tests[] = {
	{ "general", general, "general registers under a timer and other processes", 60 },
	{ "syscalls", syscalls, "registers across system calls", 60 },
	{ "flags", flags, "flags across interrupts and system calls", 60 },
	{ "fpu", fpu, "SSE, AVX and x87 state, and their control words", 60 },
	{ "clean", clean, "a new program sees no old register", 60 },
	{ "bases", bases, "FS and GS bases, by system call and by instruction", 60 },
	{ "selectors", selectors, "data segment selectors", 60 },
};

int main(int argc, char **argv)
{
	if (argc == 2 && !strcmp(argv[1], "--clean-child"))
		return clean_child();
	return guest_main(argc, argv, tests, ARRAY_SIZE(tests));
}
