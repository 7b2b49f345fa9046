// SPDX-License-Identifier: GPL-2.0-only
/* regs.c - what a 64-bit program can read without the kernel: selectors, bases, TSC_AUX, CPUID's odds and ends. */
#define _GNU_SOURCE
#include <asm/prctl.h>
#include <cpuid.h>
#include <stdint.h>
#include <stdio.h>
#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>

int main(void)
{
	unsigned short cs, ss, ds, es, fs, gs, tr = 0, ldt = 0;
	unsigned a, b, c, d, aux = 0;
	unsigned long base = 0, set = 0x12345678, efl;
	uint64_t tsc[2];

	asm("mov %%cs, %0; mov %%ss, %1; mov %%ds, %2; mov %%es, %3; mov %%fs, %4; mov %%gs, %5"
	    : "=r"(cs), "=r"(ss), "=r"(ds), "=r"(es), "=r"(fs), "=r"(gs));
	printf("cs %x ss %x ds %x es %x fs %x gs %x\n", cs, ss, ds, es, fs, gs);
	asm("pushfq; pop %0" : "=r"(efl));
	printf("IF %d IOPL %d\n", !!(efl & 0x200), (int)(efl >> 12 & 3));
	asm volatile("rdtsc" : "=a"(a), "=d"(d));
	tsc[0] = a | (uint64_t)d << 32;
	asm volatile("rdtscp" : "=a"(a), "=d"(d), "=c"(aux));
	tsc[1] = a | (uint64_t)d << 32;
	printf("TSC goes %s, TSC_AUX %x, processor %d\n", tsc[1] > tsc[0] ? "on" : "back", aux, sched_getcpu());
	__cpuid_count(7, 0, a, b, c, d);
	if (c >> 22 & 1) {
		unsigned long pid;

		asm volatile("rdpid %0" : "=r"(pid));
		printf("rdpid %lx\n", pid);
	}
	if (!(c >> 2 & 1)) {
		asm volatile("str %0; sldt %1" : "=r"(tr), "=r"(ldt));
		printf("no UMIP: the task register is %s\n", tr ? "loaded" : "null");
	}
	syscall(SYS_arch_prctl, ARCH_SET_GS, set);
	syscall(SYS_arch_prctl, ARCH_GET_GS, &base);
	printf("arch_prctl: gs base %lx\n", base);
	printf("a base above: %ld\n", syscall(SYS_arch_prctl, ARCH_SET_GS, 0xffff800000000000));
	if (b & 1) {
		asm volatile("wrgsbase %0" ::"r"(0x23456789ul));
		asm volatile("rdgsbase %0" : "=r"(base));
		printf("wrgsbase: %lx", base);
		syscall(SYS_arch_prctl, ARCH_GET_GS, &base);
		printf(" %lx\n", base);
	}
	return 0;
}
