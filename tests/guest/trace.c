// SPDX-License-Identifier: GPL-2.0-only
/*
 * trace.c - one program debugs another: ptrace as natively.
 *
 * What a debugger sees of a stopped program (registers, selectors, flags),
 * breakpoints, single steps, watchpoints in the debug registers, system call
 * stops. Debug registers are hypercalls in domain 0; addresses that are not the
 * program's must be refused or without effect.
 */
#define _GNU_SOURCE
#include <stddef.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/user.h>
#include "guest.h"

#define DR(n)	offsetof(struct user, u_debugreg[n])

static volatile uint64_t watched, rounds;

static pid_t start(void (*fn)(void))
{
	pid_t pid = must_fork();
	int status;

	if (!pid) {
		must(ptrace(PTRACE_TRACEME, 0, 0, 0));
		raise(SIGSTOP);
		fn();
		_exit(5);
	}
	must(waitpid(pid, &status, 0));
	check(WIFSTOPPED(status) && WSTOPSIG(status) == SIGSTOP, "status %#x instead of a stop", status);
	return pid;
}

/* Go on with a ptrace request until the next stop; its signal, or -1 at the end. */
static int resume(int request, pid_t pid, int sig)
{
	int status;

	must(ptrace(request, pid, 0, (long)sig));
	must(waitpid(pid, &status, 0));
	if (WIFSTOPPED(status))
		return WSTOPSIG(status);
	check(WIFEXITED(status) && WEXITSTATUS(status) == 5, "the program ended with status %#x", status);
	return -1;
}

static struct user_regs_struct regs_of(pid_t pid)
{
	struct user_regs_struct r;

	must(ptrace(PTRACE_GETREGS, pid, 0, &r));
	return r;
}

static void trap_with_values(void)
{
	asm volatile("mov $0x1111, %%ebx; mov $0x2222, %%r12d; mov $0x3333, %%r15d; int3"
		     ::: "rbx", "r12", "r15", "memory");
}

static void registers(void)
{
	pid_t pid = start(trap_with_values);
	struct user_regs_struct r;

	check(resume(PTRACE_CONT, pid, 0) == SIGTRAP, "no stop at the breakpoint");
	r = regs_of(pid);
	check(r.rbx == 0x1111 && r.r12 == 0x2222 && r.r15 == 0x3333, "registers %#llx %#llx %#llx", r.rbx, r.r12, r.r15);
	check(r.cs == 0x33 && r.ss == 0x2b, "CS %#llx, SS %#llx", r.cs, r.ss);
	check((r.eflags & 0x200) && !(r.eflags & 0x3000), "flags %#llx", r.eflags);
	/* No setting of registers leads to more than a user program. */
	r.cs = 0x10;
	check(ptrace(PTRACE_SETREGS, pid, 0, &r) == -1, "CS 0x10 was taken");
	r = regs_of(pid);
	r.cs = 0x11;
	check(ptrace(PTRACE_SETREGS, pid, 0, &r) == -1, "CS 0x11 was taken");
	r = regs_of(pid);
	r.eflags = (r.eflags & ~0x200ULL) | 0x3000;
	must(ptrace(PTRACE_SETREGS, pid, 0, &r));
	r = regs_of(pid);
	check((r.eflags & 0x200) && !(r.eflags & 0x3000), "flags became %#llx", r.eflags);
	check(resume(PTRACE_CONT, pid, 0) == -1, "another stop");
}

static void count_to(void)
{
	for (rounds = 0; rounds < 300; rounds++)
		watched = rounds / 3;
}

static void steps(void)
{
	pid_t pid = start(count_to);
	uint64_t last = 0;

	for (unsigned long i = 0; i < scaled(3000); i++) {
		struct user_regs_struct r;
		int sig = resume(PTRACE_SINGLESTEP, pid, 0);

		if (sig == -1)
			return;
		check(sig == SIGTRAP, "signal %d instead of a step", sig);
		r = regs_of(pid);
		check(r.rip < 0x800000000000 && r.cs == 0x33, "step %lu ended at %#llx, CS %#llx", i, r.rip, r.cs);
		check(r.rip != last || i < 2, "step %lu did not move from %#llx", i, r.rip);
		last = r.rip;
	}
	check(resume(PTRACE_CONT, pid, 0) == -1, "another stop");
}

static void watch(void)
{
	pid_t pid = start(count_to);
	uint64_t dr6;
	int hits = 0, sig;

	must(ptrace(PTRACE_POKEUSER, pid, DR(0), &watched));
	/* DR7: slot 0, locally, writes of 8 bytes. */
	must(ptrace(PTRACE_POKEUSER, pid, DR(7), 0x1UL | 0x1UL << 16 | 0x2UL << 18));
	while ((sig = resume(PTRACE_CONT, pid, 0)) != -1) {
		check(sig == SIGTRAP, "signal %d instead of the watchpoint", sig);
		errno = 0;
		dr6 = ptrace(PTRACE_PEEKUSER, pid, DR(6), 0);
		check(!errno && (dr6 & 15) == 1, "DR6 is %#lx", dr6);
		hits++;
	}
	check(hits == 300, "%d of 300 writes were seen", hits);
}

static void __attribute__((noinline)) target(void)
{
	watched++;
}

static void call_target(void)
{
	for (int i = 0; i < 50; i++)
		target();
}

/* A breakpoint in a debug register; and what may not be watched. */
static void hardware(void)
{
	static const uint64_t forbidden[] = { 0xffff800000000000, 0xffffffff81000000, 0xfffffffffffff000, 0xffff888000001000 };
	pid_t pid = start(call_target);
	int hits = 0, sig;

	for (size_t i = 0; i < ARRAY_SIZE(forbidden); i++)
		check(ptrace(PTRACE_POKEUSER, pid, DR(1), forbidden[i]) == -1, "a breakpoint at %#lx was taken", forbidden[i]);
	must(ptrace(PTRACE_POKEUSER, pid, DR(2), target));
	must(ptrace(PTRACE_POKEUSER, pid, DR(7), 0x1UL << 4));
	while ((sig = resume(PTRACE_CONT, pid, 0)) != -1) {
		struct user_regs_struct r = regs_of(pid);

		check(sig == SIGTRAP && r.rip == (uintptr_t)target, "signal %d at %#llx", sig, r.rip);
		hits++;
	}
	check(hits == 50, "%d of 50 calls were seen", hits);
	/* The debugger's own execution of it is not the program's. */
	target();
}

static void call_kernel(void)
{
	for (int i = 0; i < 100; i++)
		syscall(SYS_getppid);
}

static void calls(void)
{
	pid_t pid = start(call_kernel);
	int entries = 0, in = 0, sig;

	must(ptrace(PTRACE_SETOPTIONS, pid, 0, PTRACE_O_TRACESYSGOOD));
	while ((sig = resume(PTRACE_SYSCALL, pid, 0)) != -1) {
		struct user_regs_struct r = regs_of(pid);

		check(sig == (SIGTRAP | 0x80), "signal %d instead of a system call", sig);
		in = !in;
		if (r.orig_rax != SYS_getppid)
			continue;
		entries += in;
		if (!in) {
			check((pid_t)r.rax == getpid(), "getppid returned %lld", r.rax);
			check(r.rcx == r.rip, "RCX %#llx is not RIP %#llx", r.rcx, r.rip);
		}
	}
	check(entries == 100, "%d of 100 system calls were seen", entries);
}

static const struct guest_test tests[] = {
	{ "registers", registers, "a stopped program's registers", 60 },
	{ "steps", steps, "thousands of single steps", 60 },
	{ "watch", watch, "a watchpoint sees each write", 60 },
	{ "hardware", hardware, "a breakpoint in a debug register", 60 },
	{ "calls", calls, "stops at system calls", 60 },
};

int main(int argc, char **argv)
{
	return guest_main(argc, argv, tests, ARRAY_SIZE(tests));
}
