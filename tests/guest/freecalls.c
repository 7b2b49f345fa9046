// SPDX-License-Identifier: GPL-2.0-only
/*
 * freecalls.c - what must not enter the hypervisor, shown by its counters.
 *
 * The clock is read in the vDSO: no system call. A system call goes through the
 * trampoline: no hypercall and no CR3 write. The clock's interrupts enter the
 * hypervisor meanwhile, so what is compared is far less than one each time.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define TIMES	200000L
#define FEW	(TIMES / 20)

static long counter(const char *name)
{
	char key[64];
	long val;
	FILE *f = fopen("/proc/vmi/counters", "r");

	while (f && fscanf(f, "%63s %ld", key, &val) == 2) {
		if (!strcmp(key, name)) {
			fclose(f);
			return val;
		}
	}
	printf("no counter %s in /proc/vmi/counters\n", name);
	exit(99);
}

static int bad;

static void judge(const char *what, const char *name, long grown, int wanted)
{
	int ok = wanted ? grown >= TIMES : grown < FEW;

	printf("%s %ld times: %s grew by %ld%s\n", what, TIMES, name, grown, ok ? "" : ": WRONG");
	bad |= !ok;
}

int main(void)
{
	long sys = counter("sys_bounces"), hc, cr3;
	struct timespec last = { 0, 0 }, now;

	for (long i = 0; i < TIMES; i++) {
		clock_gettime(CLOCK_MONOTONIC, &now);
		if (now.tv_sec < last.tv_sec || (now.tv_sec == last.tv_sec && now.tv_nsec < last.tv_nsec)) {
			printf("the clock went backwards\n");
			return 1;
		}
		last = now;
	}
	judge("clock_gettime", "sys_bounces", counter("sys_bounces") - sys, 0);

	sys = counter("sys_bounces");
	hc = counter("hypercalls");
	cr3 = counter("cr3_writes");
	for (long i = 0; i < TIMES; i++)
		syscall(SYS_getpid);
	cr3 = counter("cr3_writes") - cr3;
	hc = counter("hypercalls") - hc;
	judge("getpid", "sys_bounces", counter("sys_bounces") - sys, 1);
	judge("getpid", "hypercalls", hc, 0);
	judge("getpid", "cr3_writes", cr3, 0);
	return bad;
}
