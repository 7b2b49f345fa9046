// SPDX-License-Identifier: GPL-2.0-only
/*
 * bench.c - what operations cost in this machine: TSC ticks, and the
 * hypervisor's counters beside them.
 *
 *	bench [--op NAME]... [--reps N] [--quick] [--list]
 *
 * Prints one JSON line about the machine, then one for each operation. Under
 * `qemu -icount shift=0` an instruction is a nanosecond of virtual time and
 * the TSC runs at 1 GHz, so ticks are instructions; the first line shows that
 * this holds ("loop_ticks" of a loop of "loop_instructions").
 *
 * An operation runs `n` times in each repetition, between two readings of the
 * TSC; set-up and tear-down are outside. Counters are read around every
 * repetition; what reading them costs is measured first and subtracted. The
 * total over all repetitions contains the clock's interrupts; the minimum of
 * one repetition shows what the operation itself does.
 *
 * The operations are in bench_ops.h, which only this file includes.
 */
#define _GNU_SOURCE
#include <spawn.h>
#include <stdbool.h>
#include <sys/syscall.h>
#include "guest.h"

#define MAX_REPS	101
#define MAX_CTRS	128

struct op {
	const char *name, *what;
	unsigned long n;		/* times in one repetition */
	void (*setup)(unsigned long n);
	void (*run)(unsigned long n);
	void (*teardown)(unsigned long n);
	/* Operations that are timed elsewhere return the ticks here; 0: not on this machine. */
	uint64_t (*timed)(unsigned long n);
};

static inline uint64_t ticks(void)
{
	uint32_t lo, hi;

	asm volatile("lfence; rdtsc; lfence" : "=a" (lo), "=d" (hi) :: "memory");
	return (uint64_t)hi << 32 | lo;
}

#include "bench_ops.h"

/* ---- the hypervisor's counters ------------------------------------------ */

static int counters_fd = -1, nr_ctrs;
static char ctr_name[MAX_CTRS][24];

/* What the file said; taken apart later, when nothing is measured any more. */
struct snapshot {
	char text[4 * PAGE];
};

static struct snapshot before, after;

static void snap(struct snapshot *s)
{
	ssize_t len;

	if (counters_fd < 0)
		return;
	len = pread(counters_fd, s->text, sizeof(s->text) - 1, 0);
	check(len > 0, "/proc/vmi/counters cannot be read");
	s->text[len] = 0;
}

static void parse(const struct snapshot *s, long *val)
{
	const char *line = s->text;
	int i;

	for (i = 0; i < MAX_CTRS && sscanf(line, "%23s %ld", ctr_name[i], &val[i]) == 2; i++)
		line = strchr(line, '\n') + 1;
	nr_ctrs = i;
}

/* By how much each counter grew. */
static void growth(long *val)
{
	long old[MAX_CTRS];

	parse(&before, old);
	parse(&after, val);
	for (int i = 0; i < nr_ctrs; i++)
		val[i] -= old[i];
}

/* What two readings in a row differ by. */
static void calibrate(long *cost)
{
	long d[MAX_CTRS];

	counters_fd = open("/proc/vmi/counters", O_RDONLY);
	for (int r = 0; r < 20; r++) {
		snap(&before);
		snap(&after);
		growth(d);
		for (int i = 0; i < nr_ctrs; i++)
			if (!r || d[i] < cost[i])
				cost[i] = d[i];
	}
}

/* ---- measuring ----------------------------------------------------------- */

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return x < y ? -1 : x > y;
}

static void measure(const struct op *op, unsigned long n, int reps, const long *cost)
{
	long grown[MAX_CTRS], total[MAX_CTRS] = { 0 }, least[MAX_CTRS];
	double t[MAX_REPS];
	const char *comma;

	/* The first repetition warms up and does not count. */
	for (int r = -1; r < reps; r++) {
		uint64_t start, took;

		if (op->setup)
			op->setup(n);
		snap(&before);
		if (op->timed) {
			took = op->timed(n);
			if (!took)
				return;
		} else {
			start = ticks();
			op->run(n);
			took = ticks() - start;
		}
		snap(&after);
		if (op->teardown)
			op->teardown(n);
		if (r < 0)
			continue;
		t[r] = (double)took / n;
		growth(grown);
		for (int i = 0; i < nr_ctrs; i++) {
			long d = grown[i] - cost[i];

			total[i] += d;
			if (!r || d < least[i])
				least[i] = d;
		}
	}
	qsort(t, reps, sizeof(*t), by_value);
	printf("{\"op\": \"%s\", \"what\": \"%s\", \"n\": %lu, \"reps\": %d, \"median\": %.2f, \"min\": %.2f, \"max\": %.2f",
	       op->name, op->what, n, reps, reps % 2 ? t[reps / 2] : (t[reps / 2 - 1] + t[reps / 2]) / 2,
	       t[0], t[reps - 1]);
	printf(", \"counters\": {");
	comma = "";
	for (int i = 0; i < nr_ctrs; i++) {
		if (total[i]) {
			printf("%s\"%s\": %.5f", comma, ctr_name[i], (double)total[i] / n / reps);
			comma = ", ";
		}
	}
	printf("}, \"counters_least\": {");
	comma = "";
	for (int i = 0; i < nr_ctrs; i++) {
		if (total[i]) {
			printf("%s\"%s\": %ld", comma, ctr_name[i], least[i]);
			comma = ", ";
		}
	}
	printf("}}\n");
}

static void about_the_machine(void)
{
	unsigned long loops = 1000000, left;
	uint64_t t0, t1, ns0, ns1, loop = ~0UL, start;

	for (int r = 0; r < 3; r++) {
		left = loops;
		start = ticks();
		asm volatile("1: dec %0; jnz 1b" : "+r" (left));
		if (ticks() - start < loop)
			loop = ticks() - start;
	}
	t0 = ticks();
	ns0 = now_ns(CLOCK_MONOTONIC);
	do {
		t1 = ticks();
		ns1 = now_ns(CLOCK_MONOTONIC);
	} while (ns1 - ns0 < 20000000);
	printf("{\"machine\": \"%s\", \"tsc_khz\": %.0f, \"loop_instructions\": %lu, \"loop_ticks\": %lu}\n",
	       counters_fd < 0 ? "native" : "vmi", (t1 - t0) * 1e6 / (ns1 - ns0), 2 * loops, loop);
}

static int usage(void)
{
	fprintf(stderr, "usage: bench [--op NAME]... [--reps N] [--quick] [--list]\n");
	return 2;
}

int main(int argc, char **argv)
{
	const char *chosen[32];
	bool quick = false;
	int nr_chosen = 0, reps = 0, i, k, found = 0;
	long cost[MAX_CTRS];

	if (argc == 2 && !strcmp(argv[1], EXEC_CHILD))
		_exit(0);
	for (i = 1; i < argc; i++) {
		if (!strcmp(argv[i], "--op") && i + 1 < argc && nr_chosen < 32)
			chosen[nr_chosen++] = argv[++i];
		else if (!strcmp(argv[i], "--reps") && i + 1 < argc)
			reps = atoi(argv[++i]);
		else if (!strcmp(argv[i], "--quick"))
			quick = true;
		else if (!strcmp(argv[i], "--list"))
			nr_chosen = -1;
		else
			return usage();
	}
	if (!reps)
		reps = quick ? 3 : 9;
	if (reps < 1 || reps > MAX_REPS)
		return usage();
	setvbuf(stdout, NULL, _IOLBF, 0);
	if (nr_chosen >= 0) {
		calibrate(cost);
		about_the_machine();
	}
	for (i = 0; i < (int)ARRAY_SIZE(ops); i++) {
		for (k = 0; k < nr_chosen && strcmp(chosen[k], ops[i].name); k++)
			;
		if (nr_chosen < 0)
			printf("%-14s %s\n", ops[i].name, ops[i].what);
		else if (!nr_chosen || k < nr_chosen)
			measure(&ops[i], quick && ops[i].n > 4 ? ops[i].n / 4 : ops[i].n, reps, cost);
		found += k < nr_chosen;
	}
	if (found < nr_chosen) {
		fprintf(stderr, "bench: not every --op exists; --list names them\n");
		return 2;
	}
	return 0;
}
