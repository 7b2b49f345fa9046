// SPDX-License-Identifier: GPL-2.0-only
/* calls32.c - system calls of a 32-bit program: int 0x80, and the vDSO's sysenter or syscall; compile with -m32. */
#include <stdio.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/syscall.h>
#include <unistd.h>

static long int80(long n, long a, long b, long c)
{
	long r;

	asm volatile("int $0x80" : "=a"(r) : "a"(n), "b"(a), "c"(b), "d"(c) : "memory");
	return r;
}

static long vsyscall(unsigned long entry, long n, long a, long b, long c)
{
	long r;

	asm volatile("call *%1" : "=a"(r) : "m"(entry), "a"(n), "b"(a), "c"(b), "d"(c) : "memory");
	return r;
}

int main(void)
{
	unsigned long entry = getauxval(AT_SYSINFO);
	unsigned short cs, ss, ds, gs;
	long pid = getpid();
	int bad = 0;

	asm("mov %%cs, %0; mov %%ss, %1; mov %%ds, %2; mov %%gs, %3" : "=r"(cs), "=r"(ss), "=r"(ds), "=r"(gs));
	printf("cs %x ss %x ds %x gs %x\n", cs, ss, ds, gs);
	printf("write by int 0x80: %ld\n", int80(SYS_write, 1, (long)"hello\n", 6));
	printf("a bad call: %ld, a bad pointer: %ld\n", int80(9999, 0, 0, 0), int80(SYS_write, 1, 1, 6));
	printf("AT_SYSINFO %s\n", entry ? "there" : "missing");
	for (int i = 0; i < 5000; i++) {
		bad += int80(SYS_getpid, 0, 0, 0) != pid;
		bad += entry && vsyscall(entry, SYS_getpid, 0, 0, 0) != pid;
		bad += int80(SYS_lseek, -1, 0, 0) != -9;
	}
	printf("%d wrong\n", bad);
	return bad != 0;
}
