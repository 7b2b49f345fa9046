// SPDX-License-Identifier: GPL-2.0-only
/*
 * clock.c - time as programs see it: clocks, sleeps and timers.
 *
 * Clocks must not go back, agree with each other and cost no system call;
 * sleeps must never end early. How late they end is the business of the machine
 * under the test, so those limits are wide.
 *
 *	clock ... [wall]	VMI_TEST_NOW, seconds since 1970: what the time of
 *				day is, to the minute; without it any year from 2024
 */
#define _GNU_SOURCE
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <sys/auxv.h>
#include <sys/time.h>
#include <sys/timerfd.h>
#include <sys/times.h>
#include "guest.h"

#define MS	1000000UL
#define LATE	(400 * MS)	/* a busy machine below */

static void in_threads(void *(*fn)(void *), void *arg)
{
	pthread_t t[6];

	for (size_t i = 0; i < ARRAY_SIZE(t); i++)
		check(!pthread_create(&t[i], NULL, fn, arg), "pthread_create failed");
	for (size_t i = 0; i < ARRAY_SIZE(t); i++)
		pthread_join(t[i], NULL);
}

/* ---- clocks ------------------------------------------------------------------- */

static void *watch(void *latest_p)
{
	atomic_ulong *latest = latest_p;
	uint64_t end = now_ns(CLOCK_MONOTONIC) + scaled(1000) * MS;

	for (;;) {
		uint64_t before = atomic_load(latest), now = now_ns(CLOCK_MONOTONIC), seen = before;

		check(now >= before, "the clock went back by %lu ns", before - now);
		while (seen < now && !atomic_compare_exchange_weak(latest, &seen, now))
			;
		if (now > end)
			return NULL;
	}
}

static void monotonic(void)
{
	pid_t pid[3];

	for (int i = 0; i < 3; i++) {
		pid[i] = must_fork();
		if (!pid[i]) {
			in_threads(watch, &shared->counter[0]);
			_exit(0);
		}
	}
	for (int i = 0; i < 3; i++)
		reap(pid[i], 0);
}

static void vdso(void)
{
	long before, after, none, least = -1, n = 20000;
	volatile uint64_t sink;

	check(getauxval(AT_SYSINFO_EHDR), "there is no vDSO");
	if (guest_counter("sys_bounces") < 0)
		skip("the counter is the hypervisor's");
	/* What else runs may make system calls too: the quietest of some rounds counts. */
	for (int r = 0; r < 10; r++) {
		before = guest_counter("sys_bounces");
		none = guest_counter("sys_bounces") - before;
		before = guest_counter("sys_bounces");
		for (long i = 0; i < n; i++) {
			struct timeval tv;

			sink = now_ns(CLOCK_MONOTONIC) + now_ns(CLOCK_REALTIME);
			gettimeofday(&tv, NULL);
			sink = time(NULL);
		}
		after = guest_counter("sys_bounces");
		if (least < 0 || after - before - none < least)
			least = after - before - none;
	}
	(void)sink;
	check(least <= 0, "%ld readings of clocks made %ld system calls", 4 * n, least);
}

static uint64_t tsc(void)
{
	uint32_t lo, hi;

	asm volatile("lfence; rdtsc" : "=a" (lo), "=d" (hi) :: "memory");
	return (uint64_t)hi << 32 | lo;
}

/* All clocks run at the same rate, which does not change. */
static void rate(void)
{
	double first = 0;

	for (int r = 0; r < 5; r++) {
		uint64_t t0, t1, m0, m1, raw0, raw1, r0, r1, b0, b1;
		double khz;

		t0 = tsc();
		m0 = now_ns(CLOCK_MONOTONIC);
		raw0 = now_ns(CLOCK_MONOTONIC_RAW);
		r0 = now_ns(CLOCK_REALTIME);
		b0 = now_ns(CLOCK_BOOTTIME);
		if (r % 2)
			usleep(200000);
		else
			while (now_ns(CLOCK_MONOTONIC) < m0 + 200 * MS)
				;
		t1 = tsc();
		m1 = now_ns(CLOCK_MONOTONIC);
		raw1 = now_ns(CLOCK_MONOTONIC_RAW);
		r1 = now_ns(CLOCK_REALTIME);
		b1 = now_ns(CLOCK_BOOTTIME);
		khz = (t1 - t0) * 1e6 / (m1 - m0);
		if (!r)
			first = khz;
		check(khz > first * 0.99 && khz < first * 1.01, "the TSC ran at %.0f kHz, then at %.0f", first, khz);
		check(labs((long)(raw1 - raw0) - (long)(m1 - m0)) < (long)(20 * MS), "MONOTONIC_RAW differs: %lu and %lu",
		      raw1 - raw0, m1 - m0);
		check(labs((long)(r1 - r0) - (long)(m1 - m0)) < (long)(20 * MS), "REALTIME differs: %lu and %lu",
		      r1 - r0, m1 - m0);
		check(labs((long)(b1 - b0) - (long)(m1 - m0)) < (long)(20 * MS), "BOOTTIME differs: %lu and %lu",
		      b1 - b0, m1 - m0);
	}
}

static void coarse(void)
{
	for (unsigned long i = 0; i < scaled(20000); i++) {
		uint64_t a = now_ns(CLOCK_MONOTONIC_COARSE), b = now_ns(CLOCK_MONOTONIC);

		check(a <= b, "the coarse clock is %lu ns ahead", a - b);
		check(b - a < LATE, "the coarse clock is %lu ns behind", b - a);
	}
}

static void wall(void)
{
	const char *now = getenv("VMI_TEST_NOW");
	struct timeval tv;
	long expected;

	must(gettimeofday(&tv, NULL));
	check(labs((long)(now_ns(CLOCK_REALTIME) / 1000000000) - tv.tv_sec) <= 1, "gettimeofday and clock_gettime differ");
	if (now) {
		expected = atol(now);
		/* Boot and a busy machine below take some seconds. */
		check(tv.tv_sec >= expected - 2 && tv.tv_sec < expected + 90, "it is %ld, not %ld", tv.tv_sec, expected);
	}
	/* 2024 to 2100 */
	check(tv.tv_sec > 1704067200 && tv.tv_sec < 4102444800, "it is %ld seconds after 1970", tv.tv_sec);
}

static void cputime(void)
{
	uint64_t m0 = now_ns(CLOCK_MONOTONIC), c0 = now_ns(CLOCK_PROCESS_CPUTIME_ID), m, c;
	struct tms t;

	while (now_ns(CLOCK_MONOTONIC) < m0 + 500 * MS)
		;
	c = now_ns(CLOCK_PROCESS_CPUTIME_ID) - c0;
	m = now_ns(CLOCK_MONOTONIC) - m0;
	check(c <= m + MS && c > m / 2, "a loop of %lu ms took %lu ms of processor time", m / MS, c / MS);
	times(&t);
	check(t.tms_utime > 10, "times() says %ld ticks in user mode", (long)t.tms_utime);
	c0 = now_ns(CLOCK_PROCESS_CPUTIME_ID);
	usleep(200000);
	c = now_ns(CLOCK_PROCESS_CPUTIME_ID) - c0;
	check(c < 50 * MS, "a sleep took %lu ms of processor time", c / MS);
}

/* ---- sleeps and timers ------------------------------------------------------------ */

static void check_slept(const char *what, uint64_t want, uint64_t took)
{
	check(took >= want, "%s: %lu us instead of %lu", what, took / 1000, want / 1000);
	check(took < want + LATE, "%s: %lu us instead of %lu", what, took / 1000, want / 1000);
}

static void sleeps(void)
{
	static const uint64_t lengths[] = { 1000, 50000, MS, 3 * MS, 10 * MS, 100 * MS };

	for (unsigned long i = 0; i < scaled(60); i++) {
		uint64_t want = lengths[i % ARRAY_SIZE(lengths)], start = now_ns(CLOCK_MONOTONIC);
		struct timespec ts = { 0, want }, until;

		must(nanosleep(&ts, NULL));
		check_slept("nanosleep", want, now_ns(CLOCK_MONOTONIC) - start);

		start = now_ns(CLOCK_MONOTONIC);
		until.tv_sec = (start + want) / 1000000000;
		until.tv_nsec = (start + want) % 1000000000;
		check(!clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL), "clock_nanosleep failed");
		check_slept("clock_nanosleep", want, now_ns(CLOCK_MONOTONIC) - start);

		if (want >= MS) {
			start = now_ns(CLOCK_MONOTONIC);
			check(poll(NULL, 0, want / MS) == 0, "poll: %s", strerror(errno));
			check_slept("poll", want, now_ns(CLOCK_MONOTONIC) - start);
		}
	}
}

/* Many sleepers with different lengths: each wakes by its own timer. */
static void *sleep_often(void *seed)
{
	uint64_t key = mix((uintptr_t)&key ^ (uintptr_t)seed);

	for (int i = 0; i < 60; i++) {
		uint64_t want = (key = mix(key)) % (15 * MS), start = now_ns(CLOCK_MONOTONIC);
		struct timespec ts = { 0, want };

		must(nanosleep(&ts, NULL));
		check_slept("nanosleep in a thread", want, now_ns(CLOCK_MONOTONIC) - start);
	}
	return NULL;
}

static void sleepers(void)
{
	in_threads(sleep_often, (void *)(uintptr_t)guest_seed);
}

static void timers(void)
{
	struct itimerspec it = { { 0, 5 * MS }, { 0, 5 * MS } };
	int fd = must(timerfd_create(CLOCK_MONOTONIC, 0));
	uint64_t start = now_ns(CLOCK_MONOTONIC), total = 0, n, now;

	must(timerfd_settime(fd, 0, &it, NULL));
	while (total < 100) {
		check(read(fd, &n, sizeof(n)) == sizeof(n), "read of a timer: %s", strerror(errno));
		total += n;
		now = now_ns(CLOCK_MONOTONIC);
		check(now - start >= total * 5 * MS, "the timer's expiration %lu came %lu us early", total,
		      (total * 5 * MS - (now - start)) / 1000);
	}
	now = now_ns(CLOCK_MONOTONIC);
	check(now - start < total * 5 * MS + LATE, "%lu expirations of 5 ms took %lu ms", total, (now - start) / MS);
}

static volatile sig_atomic_t alarms;

static void count_alarm(int sig)
{
	(void)sig;
	alarms++;
}

/* An interval timer interrupts a loop that makes no system call. */
static void itimer(void)
{
	struct itimerval it = { { 0, 2000 }, { 0, 2000 } }, off = { 0 };
	uint64_t start = now_ns(CLOCK_MONOTONIC), took;

	signal(SIGALRM, count_alarm);
	must(setitimer(ITIMER_REAL, &it, NULL));
	while (alarms < 200)
		;
	took = now_ns(CLOCK_MONOTONIC) - start;
	must(setitimer(ITIMER_REAL, &off, NULL));
	check(took >= 199 * 2 * MS, "200 alarms of 2 ms came in %lu ms", took / MS);

	/* CPU time, not the clock: a sleep does not count. */
	alarms = 0;
	signal(SIGPROF, count_alarm);
	must(setitimer(ITIMER_PROF, &it, NULL));
	usleep(100000);
	check(alarms < 20, "%d ticks of processor time in a sleep", alarms);
	while (alarms < 20)
		;
	must(setitimer(ITIMER_PROF, &off, NULL));
}

static const struct guest_test tests[] = {
	{ "monotonic", monotonic, "the clock does not go back, over threads and processes", 60 },
	{ "vdso", vdso, "reading clocks makes no system call", 60 },
	{ "rate", rate, "all clocks agree, idle and busy", 60 },
	{ "coarse", coarse, "the coarse clock follows", 60 },
	{ "wall", wall, "the time of day", 60 },
	{ "cputime", cputime, "processor time of a loop and of a sleep", 60 },
	{ "sleeps", sleeps, "sleeps are never early", 60 },
	{ "sleepers", sleepers, "many sleepers at a time", 60 },
	{ "timers", timers, "a periodic timerfd", 60 },
	{ "itimer", itimer, "interval timers", 60 },
};

int main(int argc, char **argv)
{
	return guest_main(argc, argv, tests, ARRAY_SIZE(tests));
}
