// SPDX-License-Identifier: GPL-2.0-only
/*
 * ldt.c - local descriptor tables (modify_ldt) and 32-bit code work, across
 * processes, threads and context switches.
 */
#define _GNU_SOURCE
#include <asm/ldt.h>
#include <sched.h>
#include <setjmp.h>
#include <sys/syscall.h>
#include "guest.h"

static long modify_ldt(int func, void *ptr, unsigned long n)
{
	return syscall(SYS_modify_ldt, func, ptr, n);
}

/* A data segment at `base`, or a 32-bit code segment. */
static int set_entry(unsigned int entry, unsigned long base, int code, int present)
{
	struct user_desc d = {
		.entry_number = entry, .base_addr = base, .limit = 0xfffff, .seg_32bit = 1, .limit_in_pages = 1,
		.contents = code ? MODIFY_LDT_CONTENTS_CODE : MODIFY_LDT_CONTENTS_DATA, .read_exec_only = 0,
		.seg_not_present = !present, .useable = 1,
	};

	return modify_ldt(0x11, &d, sizeof(d));
}

static unsigned short selector(unsigned int entry)
{
	return entry << 3 | 7;
}

/* Memory a 32-bit base reaches. */
static uint32_t *low_page(void)
{
	uint32_t *p = mmap(NULL, PAGE, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);

	if (p == MAP_FAILED)
		fail("mmap: %s", strerror(errno));
	return p;
}

static uint32_t read_fs(unsigned short sel)
{
	uint32_t v;

	/* FS is glibc's: put its base back before anything else. */
	__asm__ volatile ("mov %%fs:0, %%r8; mov %w1, %%fs; mov %%fs:0, %0\n\t"
			  "xor %%eax, %%eax; mov %%eax, %%fs; mov %%r8, %%rsi; mov $0x1002, %%edi; mov $158, %%eax; syscall"
			  : "=&b" (v) : "d" (sel) : "rax", "rcx", "rdi", "rsi", "r8", "r11", "memory");
	return v;
}

static void segments(void)
{
	uint32_t *p = low_page();

	for (unsigned int i = 0; i < 64; i++) {
		p[i] = 0x1000 + i;
		if (set_entry(i, (unsigned long)&p[i], 0, 1))
			fail("entry %u: %s", i, strerror(errno));
	}
	for (unsigned int i = 0; i < 64; i++) {
		uint32_t v = read_fs(selector(i));

		if (v != 0x1000 + i)
			fail("entry %u: read %#x", i, v);
	}
}

/* Every entry: the table grows over all its pages. */
static void all_entries(void)
{
	uint32_t *p = low_page();

	p[0] = 77;
	for (unsigned int i = 0; i < LDT_ENTRIES; i += 511) {
		if (set_entry(i, (unsigned long)p, 0, 1))
			fail("entry %u: %s", i, strerror(errno));
		if (read_fs(selector(i)) != 77)
			fail("entry %u reads wrong", i);
	}
	if (!set_entry(LDT_ENTRIES, (unsigned long)p, 0, 1))
		fail("entry %u was accepted", LDT_ENTRIES);
}

static sigjmp_buf env;
static volatile int caught;

static void handler(int sig)
{
	caught = sig;
	siglongjmp(env, 1);
}

/* Load ES, which nobody needs; the signal that it ends in, 0: none. */
static int load(unsigned short sel)
{
	struct sigaction sa = { .sa_handler = handler, .sa_flags = SA_NODEFER };

	sigaction(SIGSEGV, &sa, NULL);
	sigaction(SIGBUS, &sa, NULL);
	caught = 0;
	if (!sigsetjmp(env, 1))
		__asm__ volatile ("mov %w0, %%es; mov %w1, %%es" : : "r" (sel), "r" (0));
	return caught;
}

static void absent_entries_fault(void)
{
	if (set_entry(3, 0, 0, 1) || set_entry(4, 0, 0, 0))
		fail("modify_ldt: %s", strerror(errno));
	if (load(selector(3)))
		fail("a good entry raised %s", strsignal(caught));
	if (load(selector(4)) != SIGBUS)
		fail("an entry that is not present raised %d, not SIGBUS", caught);
	if (load(selector(5)) != SIGSEGV)
		fail("an entry beyond the table raised %d, not SIGSEGV", caught);
}

/* 32-bit code in an LDT segment, called and left by far transfers. */
static void code_segment(void)
{
	static const unsigned char code[] = {
		0xb8, 0x78, 0x56, 0x34, 0x12,	/* mov $0x12345678, %eax */
		0x40,				/* inc %eax: a REX prefix in 64-bit code */
		0xcb,				/* lret */
	};
	struct { uint32_t offset; uint16_t sel; } __attribute__((packed)) *target;
	uint32_t *p = low_page(), result;
	char *stack = (char *)low_page() + PAGE - 64;

	memcpy(p, code, sizeof(code));
	/* QEMU 7.2 pushes with the kernel's rights: the page must be there, and SMAP off. */
	stack[-8] = 0;
	if (system("grep -qw smap /proc/cpuinfo && grep -q hypervisor /proc/cpuinfo") == 0)
		skip("QEMU's far calls fault where SMAP is on");
	target = (void *)(p + 256);
	target->offset = (unsigned long)p;
	target->sel = selector(9);
	if (set_entry(9, 0, 1, 1))
		fail("modify_ldt: %s", strerror(errno));
	for (unsigned long i = 0; i < scaled(2000); i++) {
		/* 32-bit operands: the pushed return address must lie below 4 GiB, as this program does. */
		__asm__ volatile ("mov %%rsp, %%rbx; mov %2, %%rsp; lcall *%1; mov %%rbx, %%rsp"
				  : "=a" (result) : "m" (*target), "r" (stack) : "rbx", "memory", "cc");
		if (result != 0x12345679)
			fail("32-bit code returned %#x", result);
		if (i % 64 == 0)
			sched_yield();
	}
}

/* Children have their own tables: each keeps a selector loaded and finds its own value behind it. */
static void tables_of_processes(void)
{
	uint32_t *p = low_page();
	pid_t pid[4];

	for (int c = 0; c < 4; c++) {
		pid[c] = fork();
		if (pid[c])
			continue;
		for (unsigned long i = 0; i < scaled(300); i++) {
			p[c] = c << 16 | i;
			if (c < 3 && set_entry(1, (unsigned long)&p[c], 0, 1))
				fail("modify_ldt: %s", strerror(errno));
			sched_yield();
			/* The last one has no table: its selector must not find another's. */
			if (c == 3 ? load(selector(1)) != SIGSEGV : read_fs(selector(1)) != p[c])
				fail("child %d sees another's segment", c);
		}
		_exit(0);
	}
	for (int c = 0; c < 4; c++) {
		int status;

		waitpid(pid[c], &status, 0);
		if (status)
			fail("child %d ended with %#x", c, status);
	}
}

static void fork_inherits(void)
{
	uint32_t *p = low_page();
	int status;

	p[0] = 4711;
	if (set_entry(2, (unsigned long)p, 0, 1))
		fail("modify_ldt: %s", strerror(errno));
	if (!fork())
		_exit(read_fs(selector(2)) == 4711 ? 0 : 1);
	wait(&status);
	if (status)
		fail("the child does not have its parent's table (%#x)", status);
}

static const struct guest_test tests[] = {
	{ "segments", segments, "64 data segments, each with its own base", 0 },
	{ "all-entries", all_entries, "the table on all its pages, and no entry more", 0 },
	{ "absent", absent_entries_fault, "entries that are not there raise the right signal", 0 },
	{ "code", code_segment, "32-bit code in a segment of the table", 0 },
	{ "processes", tables_of_processes, "each process has its own table", 0 },
	{ "fork", fork_inherits, "a child inherits its parent's table", 0 },
};

int main(int argc, char **argv)
{
	return guest_main(argc, argv, tests, ARRAY_SIZE(tests));
}
