// SPDX-License-Identifier: GPL-2.0-only
/*
 * signals.c - signals and exceptions as a program sees them.
 *
 * Exceptions take another way than natively (trampoline, hypervisor, event
 * frame), and none of it may show: signal numbers, codes, addresses, the
 * registers saved for the handler and what sigreturn makes of them are checked
 * against what Linux documents for x86-64.
 */
#define _GNU_SOURCE
#include <setjmp.h>
#include <sys/time.h>
#include <sys/ucontext.h>
#include "guest.h"

#define USER_CS	0x33
#define USER_SS	0x2b
#define EFL_TF	0x100
#define EFL_IF	0x200
#define EFL_DF	0x400

static volatile sig_atomic_t count;
static sigjmp_buf escape;

/* What the handler saw. */
static siginfo_t info;
static greg_t regs[NGREG];

static void note(int sig, siginfo_t *si, void *uc)
{
	(void)sig;
	count++;
	info = *si;
	memcpy(regs, ((ucontext_t *)uc)->uc_mcontext.gregs, sizeof(regs));
}

static void note_and_escape(int sig, siginfo_t *si, void *uc)
{
	note(sig, si, uc);
	siglongjmp(escape, 1);
}

static void check_frame(const char *what)
{
	check((regs[REG_CSGSFS] & 0xffff) == USER_CS, "%s: CS %#llx in the frame", what, regs[REG_CSGSFS] & 0xffff);
	check((uint64_t)regs[REG_CSGSFS] >> 48 == USER_SS, "%s: SS %#lx in the frame", what,
	      (uint64_t)regs[REG_CSGSFS] >> 48);
	check(regs[REG_EFL] & EFL_IF, "%s: interrupts off in the frame, flags %#llx", what, regs[REG_EFL]);
}

/* ---- delivery ----------------------------------------------------------------- */

static void raise_self(void)
{
	must_sigaction(SIGUSR1, note, 0);
	for (unsigned long i = 0; i < scaled(20000); i++) {
		must(kill(getpid(), SIGUSR1));
		check((unsigned long)count == i + 1, "%d signals after %lu", count, i + 1);
		check(info.si_signo == SIGUSR1 && info.si_code == SI_USER && info.si_pid == getpid(),
		      "signal %d, code %d, from %d", info.si_signo, info.si_code, info.si_pid);
	}
	check_frame("kill");
}

static void queued(void)
{
	sigset_t set;

	must_sigaction(SIGRTMIN, note, 0);
	sigemptyset(&set);
	sigaddset(&set, SIGRTMIN);
	for (int r = 0; r < 50; r++) {
		must(sigprocmask(SIG_BLOCK, &set, NULL));
		for (int i = 0; i < 100; i++)
			must(sigqueue(getpid(), SIGRTMIN, (union sigval){ .sival_int = i }));
		check(count == r * 100, "a blocked signal arrived");
		must(sigprocmask(SIG_UNBLOCK, &set, NULL));
		check(count == r * 100 + 100, "%d of %d queued signals arrived", count, r * 100 + 100);
		/* Handlers nest from the last to the first: the first one queued returns last. */
		check(info.si_code == SI_QUEUE, "code %d instead of SI_QUEUE", info.si_code);
	}
}

static int level, deepest;

static void nest(int sig, siginfo_t *si, void *uc)
{
	volatile uint64_t local = mix(level);
	int here = ++level;

	(void)si;
	(void)uc;
	if (here > deepest)
		deepest = here;
	if (here < 50)
		kill(getpid(), here % 2 ? SIGUSR2 : SIGUSR1);
	check(level == here, "a nested handler did not return to its level: %d, not %d", level, here);
	level--;
	check(local == mix(here - 1), "the frame of handler %d of signal %d changed", here, sig);
}

static void nested(void)
{
	must_sigaction(SIGUSR1, nest, SA_NODEFER);
	must_sigaction(SIGUSR2, nest, SA_NODEFER);
	for (unsigned long i = 0; i < scaled(300); i++) {
		must(kill(getpid(), SIGUSR1));
		check(!level && deepest == 50, "level %d, deepest %d", level, deepest);
	}
}

static void tick_every(long usec)
{
	struct itimerval it = { { 0, usec }, { 0, usec } };

	must(setitimer(ITIMER_REAL, &it, NULL));
}

static void restart(void)
{
	int fd[2], status;
	char c = 0;
	pid_t pid;

	must(pipe(fd));
	must_sigaction(SIGALRM, note, SA_RESTART);
	pid = must_fork();
	if (!pid) {
		usleep(100000);
		if (write(fd[1], "x", 1) != 1)
			fail("write: %s", strerror(errno));
		_exit(3);
	}
	tick_every(5000);
	check(read(fd[0], &c, 1) == 1 && c == 'x', "read() was not restarted: %s", strerror(errno));
	check(waitpid(pid, &status, 0) == pid && WEXITSTATUS(status) == 3, "waitpid() was not restarted");
	check(count > 3, "only %d timer signals in 100 ms", count);

	must_sigaction(SIGALRM, note, 0);
	check(read(fd[0], &c, 1) == -1 && errno == EINTR, "read() without SA_RESTART was restarted");
	tick_every(0);
}

static char stack_base[64 * 1024] __attribute__((aligned(16)));
static volatile uintptr_t stack_seen;

static void on_stack(int sig, siginfo_t *si, void *uc)
{
	note(sig, si, uc);
	stack_seen = (uintptr_t)__builtin_frame_address(0);
	if (sig == SIGSEGV)
		siglongjmp(escape, 1);
}

static uint64_t __attribute__((noinline)) overflow(uint64_t n)
{
	volatile char frame[4096];

	frame[n % 4096] = n;
	if (n > 1UL << 40)
		return 0;
	return overflow(n + 1) + frame[n % 4096];
}

static int on_alternate(void)
{
	return stack_seen - (uintptr_t)stack_base < sizeof(stack_base);
}

static void altstack(void)
{
	stack_t ss = { .ss_sp = stack_base, .ss_size = sizeof(stack_base) };

	must(sigaltstack(&ss, NULL));
	must_sigaction(SIGUSR1, on_stack, SA_ONSTACK);
	must_sigaction(SIGUSR2, on_stack, 0);
	must_sigaction(SIGSEGV, on_stack, SA_ONSTACK | SA_NODEFER);
	must(kill(getpid(), SIGUSR1));
	check(on_alternate(), "the handler ran at %#lx, not on the alternate stack", stack_seen);
	must(kill(getpid(), SIGUSR2));
	check(!on_alternate(), "a handler without SA_ONSTACK ran on the alternate stack");
	for (int i = 0; i < 3; i++) {
		if (!sigsetjmp(escape, 1))
			overflow(0);
		check(on_alternate(), "the stack overflow was handled at %#lx", stack_seen);
		check(info.si_signo == SIGSEGV, "signal %d", info.si_signo);
	}
	check(count == 5, "%d signals instead of 5", count);
}

/* ---- exceptions ------------------------------------------------------------------- */

/* Run code that faults at label `at`; the handler notes and escapes. */
#define FAULTS(sig, insn, ...) do { \
	must_sigaction(sig, note_and_escape, SA_NODEFER); \
	count = 0; \
	if (!sigsetjmp(escape, 1)) { \
		asm volatile("lea 1f(%%rip), %%r11; mov %%r11, %0; 1: " insn \
			     : "=m" (fault_at) : __VA_ARGS__ : "r11", "rax", "rcx", "rdx", "memory", "cc"); \
		fail("no signal from: %s", insn); \
	} \
	check(info.si_signo == sig, "signal %d from: %s", info.si_signo, insn); \
	check_frame(insn); } while (0)

static uint64_t fault_at;

static void check_fault(const char *what, int code, const void *addr, int trap, int error)
{
	check(info.si_code == code, "%s: code %d, not %d", what, info.si_code, code);
	check(info.si_addr == addr, "%s: address %p, not %p", what, info.si_addr, addr);
	check(regs[REG_TRAPNO] == trap, "%s: trap number %lld, not %d", what, regs[REG_TRAPNO], trap);
	check(regs[REG_ERR] == error, "%s: error code %#llx, not %#x", what, regs[REG_ERR], error);
	check((uint64_t)regs[REG_RIP] == fault_at, "%s: RIP %#llx, not %#lx", what, regs[REG_RIP], fault_at);
}

static void segv(void)
{
	char *p = map(4 * PAGE, PROT_READ | PROT_WRITE, 0);

	memset(p, 1, 4 * PAGE);
	must(mprotect(p + PAGE, PAGE, PROT_READ));
	must(mprotect(p + 2 * PAGE, PAGE, PROT_NONE));
	for (unsigned long i = 0; i < scaled(200); i++) {
		char *at = (char *)(16 + below(PAGE - 32));

		FAULTS(SIGSEGV, "movb (%1), %%al", "r" (at));
		check_fault("read of page 0", SEGV_MAPERR, at, 14, 4);
		check(regs[REG_CR2] == (greg_t)at, "CR2 is %#llx", regs[REG_CR2]);
		FAULTS(SIGSEGV, "movb $1, (%1)", "r" (at));
		check_fault("write to page 0", SEGV_MAPERR, at, 14, 6);
		at = p + PAGE + below(PAGE);
		FAULTS(SIGSEGV, "movb $1, (%1)", "r" (at));
		check_fault("write to a read-only page", SEGV_ACCERR, at, 14, 7);
		at = p + 2 * PAGE + below(PAGE);
		FAULTS(SIGSEGV, "movb (%1), %%al", "r" (at));
		check(info.si_code == SEGV_ACCERR && info.si_addr == at, "PROT_NONE: code %d at %p", info.si_code, info.si_addr);
	}
	FAULTS(SIGSEGV, "movb (%1), %%al", "r" (0x800000000000));
	check_fault("non-canonical read", SI_KERNEL, NULL, 13, 0);
	FAULTS(SIGSEGV, "movb (%1), %%al", "r" (0xffff800000000000));
	check_fault("read of the hypervisor's area", SEGV_MAPERR, (void *)0xffff800000000000, 14, 5);
}

static void fpe(void)
{
	uint16_t control = 0x37f & ~4;	/* division by zero unmasked */

	FAULTS(SIGFPE, "xor %%edx, %%edx; xor %%ecx, %%ecx; mov $1, %%eax; 2: div %%ecx", "r" (0));
	check(info.si_code == FPE_INTDIV && (greg_t)info.si_addr == regs[REG_RIP], "code %d at %p, RIP %#llx",
	      info.si_code, info.si_addr, regs[REG_RIP]);
	check(regs[REG_TRAPNO] == 0, "trap number %lld", regs[REG_TRAPNO]);
	/* No SSE exceptions here: QEMU 7.2 does not raise any. */
	FAULTS(SIGFPE, "fninit; fldcw %1; fld1; fldz; fdivrp; fwait", "m" (control));
	check(info.si_code == FPE_FLTDIV && regs[REG_TRAPNO] == 16, "x87: code %d, trap %lld", info.si_code, regs[REG_TRAPNO]);
	asm volatile("fninit");
}

static void illegal(void)
{
	FAULTS(SIGILL, "ud2", "r" (0));
	check_fault("ud2", ILL_ILLOPN, (void *)fault_at, 6, 0);
	FAULTS(SIGILL, ".byte 0x06", "r" (0));
	check_fault("push %es", ILL_ILLOPN, (void *)fault_at, 6, 0);
}

/* What only a kernel may do, from a user program: SIGSEGV, and nothing happens. */
static void privileged(void)
{
#define REFUSED(insn, error) do { \
	FAULTS(SIGSEGV, insn, "r" (0UL)); \
	check_fault(insn, SI_KERNEL, NULL, 13, error); } while (0)

	REFUSED("hlt", 0);
	REFUSED("cli", 0);
	REFUSED("sti", 0);
	REFUSED("mov %1, %%cr3", 0);
	REFUSED("mov %%cr0, %%rax", 0);
	REFUSED("mov %%cr8, %%rax", 0);
	REFUSED("mov %1, %%dr7", 0);
	REFUSED("wrmsr", 0);
	REFUSED("rdmsr", 0);
	REFUSED("invlpg (%1)", 0);
	REFUSED("wbinvd", 0);
	REFUSED("swapgs", 0);
	REFUSED("clts", 0);
	REFUSED("in $0x70, %%al", 0);
	REFUSED("out %%al, $0x64", 0);
	REFUSED("lgdt (%%rsp)", 0);
	REFUSED("ltr %w1", 0);
	REFUSED("sysretq", 0);
	/* Gates that are not for programs. The error code's bit 1 says so; QEMU's vector in it is not Intel's. */
	FAULTS(SIGSEGV, "int $0x20", "r" (0));
	check_fault("int $0x20", SI_KERNEL, NULL, 13, (regs[REG_ERR] & ~7) | 2);
	FAULTS(SIGSEGV, "int $0x0e", "r" (0));
	check_fault("int $0x0e", SI_KERNEL, NULL, 13, (regs[REG_ERR] & ~7) | 2);
	FAULTS(SIGSEGV, "int $0xfe", "r" (0));
	check_fault("int $0xfe", SI_KERNEL, NULL, 13, (regs[REG_ERR] & ~7) | 2);
	/* Stack segments of the kernel, natively and in ring 1. */
	FAULTS(SIGSEGV, "mov %1, %%ss", "r" (0x10));
	check_fault("SS 0x10", SI_KERNEL, NULL, 13, 0x10);
	FAULTS(SIGSEGV, "mov %1, %%ss", "r" (0x19));
	check_fault("SS 0x19", SI_KERNEL, NULL, 13, 0x18);
}

static void note_trap(int sig, siginfo_t *si, void *uc)
{
	note(sig, si, uc);
	if (sig == SIGTRAP && count >= 1000)
		((ucontext_t *)uc)->uc_mcontext.gregs[REG_EFL] &= ~EFL_TF;
}

static void trap(void)
{
	uint64_t after, steps;

	must_sigaction(SIGTRAP, note_trap, 0);
	for (unsigned long i = 0; i < scaled(500); i++) {
		count = 0;
		asm volatile("lea 1f(%%rip), %0; int3; 1:" : "=r" (after) :: "memory");
		check(count == 1 && info.si_code == SI_KERNEL && regs[REG_TRAPNO] == 3, "int3: %d signals, code %d, trap %lld",
		      count, info.si_code, regs[REG_TRAPNO]);
		check((uint64_t)regs[REG_RIP] == after, "int3: RIP %#llx, not %#lx", regs[REG_RIP], after);
	}
	check_frame("int3");
	/* 100 turns of two instructions, each with a trap behind it. */
	count = 0;
	steps = 100;
	asm volatile("pushfq; orl $0x100, (%%rsp); popfq\n"
		     "1: dec %0; jnz 1b\n"
		     "pushfq; andl $~0x100, (%%rsp); popfq" : "+r" (steps) :: "cc", "memory");
	/* The first trap is behind the instruction after popfq; the last one behind the second popfq is gone. */
	check(count >= 202 && count <= 204, "%d traps of 200 single steps and the way out", count);
	check(info.si_code == TRAP_TRACE && regs[REG_TRAPNO] == 1, "step: code %d, trap %lld", info.si_code, regs[REG_TRAPNO]);
	/* A system call under single step: the trap comes behind it. */
	count = 0;
	asm volatile("pushfq; orl $0x100, (%%rsp); popfq\n"
		     "mov $39, %%eax; syscall; nop\n"
		     "pushfq; andl $~0x100, (%%rsp); popfq" ::: "rax", "rcx", "r11", "cc", "memory");
	check(count >= 4 && count <= 7, "%d traps around a system call", count);
}

/* ---- what sigreturn makes of a changed frame --------------------------------- */

static int spoil;

static void spoil_frame(int sig, siginfo_t *si, void *uc)
{
	greg_t *r = ((ucontext_t *)uc)->uc_mcontext.gregs;

	(void)sig;
	(void)si;
	switch (spoil) {
	case 0:		/* a non-canonical RIP */
		r[REG_RIP] = 0x800000000000;
		break;
	case 1:		/* RIP in the kernel */
		r[REG_RIP] = 0xffffffff81000000;
		break;
	case 2:		/* no code segment */
		r[REG_CSGSFS] = (r[REG_CSGSFS] & ~0xffffLL) | 0x2b;
		break;
	case 3:		/* no stack segment */
		r[REG_CSGSFS] = (r[REG_CSGSFS] & ~(0xffffLL << 48)) | 0xf3LL << 48;
		break;
	case 4:		/* the kernel's segments */
		r[REG_CSGSFS] = 0x18LL << 48 | 0x10;
		break;
	case 5:		/* ring 1's, as the hypervisor has it */
		r[REG_CSGSFS] = 0x19LL << 48 | 0x11;
		break;
	case 6:		/* flags that are not the program's to change */
		r[REG_EFL] = (r[REG_EFL] & ~EFL_IF) | 0x3000 | EFL_DF;
		break;
	}
}

static void spoiled(void)
{
	for (spoil = 0; spoil < 7; spoil++) {
		pid_t pid = must_fork();
		uint64_t flags;
		int status;

		if (!pid) {
			must_sigaction(SIGUSR1, spoil_frame, 0);
			kill(getpid(), SIGUSR1);
			asm volatile("pushfq; pop %0; cld" : "=r" (flags));
			/* The kernel shows RPL 3 whatever the frame said. */
			_exit(spoil < 6 ? 8 : (flags & EFL_IF) && !(flags & 0x3000) ? 7 : 9);
		}
		must(waitpid(pid, &status, 0));
		if (spoil < 4)
			check(WIFSIGNALED(status) && (WTERMSIG(status) == SIGSEGV || WTERMSIG(status) == SIGBUS),
			      "case %d: status %#x instead of SIGSEGV", spoil, status);
		else if (spoil == 6)
			check(WIFEXITED(status) && WEXITSTATUS(status) == 7, "flags: status %#x", status);
		else
			check(WIFSIGNALED(status) ? WTERMSIG(status) == SIGSEGV : WEXITSTATUS(status) == 8,
			      "case %d: status %#x", spoil, status);
	}
}

static const struct guest_test tests[] = {
	{ "self", raise_self, "thousands of signals to oneself", 60 },
	{ "queued", queued, "queued signals, blocked and let go", 60 },
	{ "nested", nested, "handlers in handlers", 60 },
	{ "restart", restart, "SA_RESTART and EINTR", 60 },
	{ "altstack", altstack, "the alternate stack, and a stack overflow on it", 60 },
	{ "segv", segv, "page and protection faults: code, address, error code", 60 },
	{ "fpe", fpe, "division by zero of integers and of the x87", 60 },
	{ "illegal", illegal, "illegal instructions", 60 },
	{ "privileged", privileged, "instructions of the kernel in a program", 60 },
	{ "trap", trap, "breakpoint and single step", 60 },
	{ "spoiled", spoiled, "frames that a handler spoiled", 60 },
};

int main(int argc, char **argv)
{
	return guest_main(argc, argv, tests, ARRAY_SIZE(tests));
}
