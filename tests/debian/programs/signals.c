// SPDX-License-Identifier: GPL-2.0-only
/* signals.c - what a handler sees: signal, code, selectors, flags; alternate stacks; every kind of fault. */
#define _GNU_SOURCE
#include <setjmp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <ucontext.h>
#include <unistd.h>

#ifdef __x86_64__
#define WORD "q"
#define SP "rsp"
#else
#define WORD "l"
#define SP "esp"
#endif

static sigjmp_buf out;
static char stack[65536];
static char *none;

static void handler(int n, siginfo_t *info, void *context)
{
	ucontext_t *u = context;
	char here;
#ifdef __x86_64__
	long csgsfs = u->uc_mcontext.gregs[REG_CSGSFS];

	printf("  cs %lx ss %lx trapno %lld err %llx", csgsfs & 0xffff, (unsigned long)csgsfs >> 48,
	       u->uc_mcontext.gregs[REG_TRAPNO], u->uc_mcontext.gregs[REG_ERR]);
#else
	printf("  cs %x ss %x ds %x es %x trapno %d err %x", u->uc_mcontext.gregs[REG_CS], u->uc_mcontext.gregs[REG_SS],
	       u->uc_mcontext.gregs[REG_DS], u->uc_mcontext.gregs[REG_ES],
	       u->uc_mcontext.gregs[REG_TRAPNO], u->uc_mcontext.gregs[REG_ERR]);
#endif
	printf(" flags %lx signal %d code %d", (unsigned long)u->uc_mcontext.gregs[REG_EFL] & ~0x8d5ul, n, info->si_code);
	if (n == SIGSEGV || n == SIGBUS)
		printf(" address %s", !info->si_addr ? "0" : (char *)info->si_addr == none ? "of the page" : "another");
	printf(" %s stack\n", &here >= stack && &here < stack + sizeof(stack) ? "alternate" : "own");
	siglongjmp(out, 1);
}

#define TRY(name, ...) do {				\
	printf("%s\n", name);				\
	if (!sigsetjmp(out, 1)) {			\
		__VA_ARGS__;				\
		printf("  nothing happened\n");		\
	}						\
} while (0)

int main(void)
{
	stack_t ss = { .ss_sp = stack, .ss_size = sizeof(stack) };
	struct sigaction sa = { .sa_sigaction = handler, .sa_flags = SA_SIGINFO | SA_ONSTACK };
	int wanted[] = { SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGUSR1, SIGALRM };
	volatile int zero = 0, *null = NULL;

	sigaltstack(&ss, NULL);
	for (unsigned i = 0; i < sizeof(wanted) / sizeof(wanted[0]); i++)
		sigaction(wanted[i], &sa, NULL);
	none = mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	TRY("read of nothing", *null);
	TRY("write to nothing", *null = 1);
	TRY("read of a page without rights", (void)*(volatile char *)none);
	mprotect(none, 4096, PROT_READ);
	TRY("write to a page to be read", *(volatile char *)none = 1);
	TRY("jump to data", ((void (*)(void))none)());
	TRY("division by zero", zero = 7 / zero);
	TRY("ud2", asm volatile("ud2"));
	TRY("int3", asm volatile("int3"));
	TRY("int 0x81", asm volatile("int $0x81"));
	TRY("hlt", asm volatile("hlt"));
	TRY("cli", asm volatile("cli"));
	TRY("in", asm volatile("inb $0x80, %%al" ::: "eax"));
	TRY("rdmsr", asm volatile("rdmsr" ::"c"(0xc0000080) : "eax", "edx"));
	TRY("mov to cr3", asm volatile("mov %0, %%cr3" ::"r"(0l)));
	TRY("lgdt", asm volatile("lgdt (%0)" ::"r"(none)));
	TRY("a null selector in ss", asm volatile("mov %0, %%ss" ::"r"(0)));
	TRY("a kernel's selector in ds", asm volatile("mov %0, %%ds" ::"r"(0x18)));
	TRY("single step", asm volatile("pushf; or" WORD " $0x100, (%%" SP "); popf; nop" ::: "memory"));
#ifdef __x86_64__
	TRY("a bad address", *(volatile char *)0x8000000000000000);
	TRY("the kernel's memory", *(volatile char *)0xffffffff81000000);
	TRY("the hypervisor's place", *(volatile char *)0xffff800000000000);
	TRY("syscall after std", asm volatile("std; syscall; cld" ::"a"(39) : "rcx", "r11", "memory"));
#endif
	TRY("raise", raise(SIGUSR1));
	TRY("alarm", ualarm(1000, 0); pause());
	return 0;
}
