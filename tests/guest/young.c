// SPDX-License-Identifier: GPL-2.0-only
/*
 * young.c - accessed bits tell which memory is in use. The kernel clears them
 * without a flush (/proc/PID/clear_refs), as it does to find idle memory; what
 * is used after that has to be marked again before long, and the rest not.
 */
#define _GNU_SOURCE
#include "guest.h"

#define NR	512UL

static void clear_refs(void)
{
	int fd = must(open("/proc/self/clear_refs", O_WRONLY));

	must(write(fd, "1", 1));
	close(fd);
}

/* KiB of the mapping at `p` that are marked as accessed. */
static unsigned long referenced(void *p)
{
	FILE *f = fopen("/proc/self/smaps", "r");
	unsigned long start, end, kib;
	char line[256];
	int here = 0;

	if (!f)
		skip("no /proc/self/smaps");
	while (fgets(line, sizeof(line), f)) {
		if (sscanf(line, "%lx-%lx ", &start, &end) == 2)
			here = start <= (uintptr_t)p && (uintptr_t)p < end;
		if (here && sscanf(line, "Referenced: %lu kB", &kib) == 1) {
			fclose(f);
			return kib;
		}
	}
	fail("the mapping is not in smaps");
}

static double seconds_since(const struct timespec *t)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec - t->tv_sec + (now.tv_nsec - t->tv_nsec) / 1e9;
}

/* Read the first `nr` pages for a while, and let `pause` happen in between. */
static void use(volatile uint64_t *p, unsigned long nr, double seconds, void (*pause)(void))
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	do {
		for (unsigned long i = 0; i < nr; i++)
			(void)p[i * PAGE / sizeof(*p)];
		if (pause)
			pause();
	} while (seconds_since(&t) < seconds);
}

static void rounds(void (*pause)(void))
{
	unsigned long part, used, kib;
	char *p = map((NR + 2) * PAGE, PROT_NONE, 0);

	/* On its own in smaps. */
	p += PAGE;
	must(mprotect(p, NR * PAGE, PROT_READ | PROT_WRITE));
	must(madvise(p, NR * PAGE, MADV_NOHUGEPAGE));
	memset(p, 1, NR * PAGE);
	for (unsigned long i = 0; i < 2; i++) {
		part = NR >> i;
		use((void *)p, NR, 0, pause);
		clear_refs();
		kib = referenced(p);
		check(kib < 64, "round %lu: %lu KiB are marked just after they were cleared", i, kib);
		use((void *)p, part, 2.5, pause);
		kib = referenced(p);
		used = part * PAGE / 1024;
		check(kib >= used, "round %lu: of %lu KiB in use only %lu are marked", i, used, kib);
		check(kib < used + 64, "round %lu: %lu KiB are marked, but only %lu in use", i, kib, used);
	}
}

/* With address spaces that take turns. */
static int turn[2][2];

static void take_turns(void)
{
	char c = 0;

	must(write(turn[0][1], &c, 1));
	must(read(turn[1][0], &c, 1));
}

static void with_others(void)
{
	pid_t pid;
	char c;

	must(pipe(turn[0]));
	must(pipe(turn[1]));
	pid = must_fork();
	if (!pid) {
		close(turn[0][1]);
		while (read(turn[0][0], &c, 1) == 1)
			must(write(turn[1][1], &c, 1));
		_exit(0);
	}
	rounds(take_turns);
	close(turn[0][1]);
	reap(pid, 0);
}

/* With nobody else: the address space is never left. */
static void alone(void)
{
	if (guest_counter("aged") < 0)
		skip("a processor may remember for as long as that");
	rounds(NULL);
}

static const struct guest_test tests[] = {
	{ "with_others", with_others, "two processes take turns", 60 },
	{ "alone", alone, "one process, that never waits", 60 },
};

int main(int argc, char **argv)
{
	return guest_main(argc, argv, tests, ARRAY_SIZE(tests));
}
