// SPDX-License-Identifier: GPL-2.0-only
/*
 * threads.c - threads: creation, joining, locks, conditions, their own storage.
 *
 * Futexes, clone and the FS base are what is under test; the C library's
 * thread functions are how.
 */
#define _GNU_SOURCE
#include <pthread.h>
#include <sched.h>
#include <sys/syscall.h>
#include "guest.h"

#define THREADS	16

static void *start(pthread_t *t, void *(*fn)(void *), void *arg)
{
	int rc = pthread_create(t, NULL, fn, arg);

	check(!rc, "pthread_create: %s", strerror(rc));
	return NULL;
}

static void *join(pthread_t t)
{
	void *result;
	int rc = pthread_join(t, &result);

	check(!rc, "pthread_join: %s", strerror(rc));
	return result;
}

/* ---- creation ---------------------------------------------------------------- */

static void *twice(void *arg)
{
	volatile uint64_t stack[512];

	for (int i = 0; i < 512; i++)
		stack[i] = mix((uintptr_t)arg + i);
	if ((uintptr_t)arg % 4 == 0)
		sched_yield();
	for (int i = 0; i < 512; i++)
		check(stack[i] == mix((uintptr_t)arg + i), "the stack of a thread changed");
	return (void *)(2 * (uintptr_t)arg);
}

static void create(void)
{
	pthread_t t[THREADS];

	for (unsigned long r = 0; r < scaled(300); r++) {
		for (uintptr_t i = 0; i < THREADS; i++)
			start(&t[i], twice, (void *)(r * THREADS + i));
		for (uintptr_t i = 0; i < THREADS; i++)
			check(join(t[i]) == (void *)(2 * (r * THREADS + i)), "a thread returned another's result");
	}
}

static void *idle(void *gate)
{
	pthread_mutex_lock(gate);
	pthread_mutex_unlock(gate);
	return gate;
}

static void many(void)
{
	static pthread_mutex_t gate = PTHREAD_MUTEX_INITIALIZER;
	pthread_t t[300];

	pthread_mutex_lock(&gate);
	for (size_t i = 0; i < ARRAY_SIZE(t); i++)
		start(&t[i], idle, &gate);
	pthread_mutex_unlock(&gate);
	for (size_t i = 0; i < ARRAY_SIZE(t); i++)
		check(join(t[i]) == &gate, "a waiting thread was lost");
}

/* ---- locks --------------------------------------------------------------------- */

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static unsigned long plain, rounds;

static void *add(void *arg)
{
	for (unsigned long i = 0; i < rounds; i++) {
		pthread_mutex_lock(&lock);
		/* Not atomic: a lock that fails loses some. */
		unsigned long seen = plain;
		if (i % 64 == 0)
			sched_yield();
		plain = seen + 1;
		pthread_mutex_unlock(&lock);
	}
	return arg;
}

static void mutex(void)
{
	pthread_t t[THREADS];

	rounds = scaled(4000);
	for (int i = 0; i < THREADS; i++)
		start(&t[i], add, NULL);
	for (int i = 0; i < THREADS; i++)
		join(t[i]);
	check(plain == THREADS * rounds, "%lu additions of %lu are there", plain, THREADS * rounds);
}

static pthread_cond_t not_full = PTHREAD_COND_INITIALIZER, not_empty = PTHREAD_COND_INITIALIZER;
static unsigned long queue[8], head, tail;

static void *produce(void *arg)
{
	for (unsigned long i = 1; i <= rounds; i++) {
		pthread_mutex_lock(&lock);
		while (head - tail == ARRAY_SIZE(queue))
			pthread_cond_wait(&not_full, &lock);
		queue[head++ % ARRAY_SIZE(queue)] = i;
		pthread_cond_signal(&not_empty);
		pthread_mutex_unlock(&lock);
	}
	return arg;
}

static void *consume(void *arg)
{
	uintptr_t sum = 0, i;

	for (i = 0; i < rounds; i++) {
		pthread_mutex_lock(&lock);
		while (head == tail)
			pthread_cond_wait(&not_empty, &lock);
		sum += queue[tail++ % ARRAY_SIZE(queue)];
		pthread_cond_signal(&not_full);
		pthread_mutex_unlock(&lock);
	}
	(void)arg;
	return (void *)sum;
}

static void condition(void)
{
	pthread_t t[8];
	unsigned long sum = 0;

	rounds = scaled(4000);
	for (int i = 0; i < 8; i++)
		start(&t[i], i % 2 ? consume : produce, NULL);
	for (int i = 0; i < 8; i++)
		sum += (uintptr_t)join(t[i]);
	check(sum == 4 * (rounds * (rounds + 1) / 2), "what came out of the queue sums up to %lu", sum);
}

static void *meet(void *barrier)
{
	for (unsigned long i = 0; i < rounds; i++) {
		atomic_fetch_add(&shared->counter[0], 1);
		pthread_barrier_wait(barrier);
		check(shared->counter[0] == (i + 1) * THREADS, "%lu threads before the barrier, not %lu",
		      shared->counter[0], (i + 1) * THREADS);
		pthread_barrier_wait(barrier);
	}
	return NULL;
}

static void barrier(void)
{
	pthread_barrier_t b;
	pthread_t t[THREADS];

	rounds = scaled(300);
	pthread_barrier_init(&b, NULL, THREADS);
	for (int i = 0; i < THREADS; i++)
		start(&t[i], meet, &b);
	for (int i = 0; i < THREADS; i++)
		join(t[i]);
}

static void timed(void)
{
	struct timespec until;
	uint64_t before, after;
	int rc;

	pthread_mutex_lock(&lock);
	for (int i = 0; i < 10; i++) {
		/* In this order: a program may be interrupted between the two for longer than the wait. */
		before = now_ns(CLOCK_MONOTONIC);
		clock_gettime(CLOCK_REALTIME, &until);
		until.tv_nsec += 20000000;
		if (until.tv_nsec >= 1000000000) {
			until.tv_nsec -= 1000000000;
			until.tv_sec++;
		}
		do
			rc = pthread_cond_timedwait(&not_full, &lock, &until);
		while (!rc);
		after = now_ns(CLOCK_MONOTONIC);
		check(rc == ETIMEDOUT, "pthread_cond_timedwait: %s", strerror(rc));
		check(after - before >= 19900000, "a wait of 20 ms ended after %lu us", (after - before) / 1000);
	}
	pthread_mutex_unlock(&lock);
}

/* ---- a thread's own ---------------------------------------------------------- */

static __thread uint64_t own[64];
static __thread uint64_t initialised = 0x1234567890abcdef;

static void *use_own(void *arg)
{
	uint64_t key = (uintptr_t)arg;

	check(initialised == 0x1234567890abcdef, "a thread's storage begins as %#lx", initialised);
	for (int i = 0; i < 64; i++) {
		check(!own[i], "a thread's storage begins as %#lx", own[i]);
		own[i] = mix(key + i);
	}
	initialised = key;
	for (unsigned long r = 0; r < rounds; r++) {
		if (r % 32 == key % 32)
			sched_yield();
		check(initialised == key && own[r % 64] == mix(key + r % 64), "thread %lu sees another's storage", key);
		errno = key;
		syscall(SYS_getppid);
		check(errno == (int)key, "errno is another thread's");
	}
	return NULL;
}

static void storage(void)
{
	pthread_t t[THREADS];

	rounds = scaled(20000);
	for (uintptr_t i = 0; i < THREADS; i++)
		start(&t[i], use_own, (void *)(i + 1));
	for (int i = 0; i < THREADS; i++)
		join(t[i]);
}

/* Threads that map, write and unmap at once, and fork beside it. */
static void *map_and_check(void *arg)
{
	uint64_t key = (uintptr_t)arg;

	for (unsigned long r = 0; r < rounds; r++) {
		size_t len = (1 + mix(key + r) % 16) * PAGE;
		uint64_t *p = map(len, PROT_READ | PROT_WRITE, 0);

		for (size_t i = 0; i < len / 8; i += 61) {
			check(!p[i], "fresh memory is not zero");
			p[i] = key + i;
		}
		if (r % 8 == 0)
			sched_yield();
		for (size_t i = 0; i < len / 8; i += 61)
			check(p[i] == key + i, "a thread's memory changed");
		must(munmap(p, len));
		if (key == 1 && r % 16 == 0) {
			pid_t pid = must_fork();

			if (!pid)
				_exit(4);
			reap(pid, 4);
		}
	}
	return NULL;
}

static void memory(void)
{
	pthread_t t[8];

	rounds = scaled(400);
	for (uintptr_t i = 0; i < 8; i++)
		start(&t[i], map_and_check, (void *)(i + 1));
	for (int i = 0; i < 8; i++)
		join(t[i]);
}

static atomic_ulong arrived;

static void arrive(int sig)
{
	(void)sig;
	atomic_fetch_add(&arrived, 1);
}

static void *spin(void *arg)
{
	while (!atomic_load((atomic_int *)arg))
		;
	return NULL;
}

/* Signals to threads that never enter the kernel by themselves. */
static void signalled(void)
{
	static atomic_int stop;
	pthread_t t[4];
	unsigned long sent = 0;

	signal(SIGUSR1, arrive);
	for (int i = 0; i < 4; i++)
		start(&t[i], spin, &stop);
	for (unsigned long r = 0; r < scaled(20); r++) {
		for (int i = 0; i < 4; i++) {
			check(!pthread_kill(t[i], SIGUSR1), "pthread_kill failed");
			sent++;
		}
		while (atomic_load(&arrived) < sent)
			sched_yield();
	}
	atomic_store(&stop, 1);
	for (int i = 0; i < 4; i++)
		join(t[i]);
}

static const struct guest_test tests[] = {
	{ "create", create, "thousands of threads created and joined", 60 },
	{ "many", many, "hundreds of threads at a time", 60 },
	{ "mutex", mutex, "a lock loses no addition", 60 },
	{ "condition", condition, "producers and consumers", 60 },
	{ "barrier", barrier, "barriers", 60 },
	{ "timed", timed, "waits with a time-out are not early", 60 },
	{ "storage", storage, "thread-local storage and errno across switches", 60 },
	{ "memory", memory, "threads that map and unmap at once", 60 },
	{ "signalled", signalled, "signals to busy threads", 60 },
};

int main(int argc, char **argv)
{
	return guest_main(argc, argv, tests, ARRAY_SIZE(tests));
}
