/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * guest.h - the frame of the test programs that run in domain 0 and natively.
 *
 * A program is a list of tests. Each runs in a child, in a process group of
 * its own, so that a crash or a hang is one FAIL line and ends nothing else:
 *
 *	PROGRAM [--seed N] [--scale PERCENT] [--patience N] [--list] [TEST...]
 *
 * prints the seed and "PASS name", "SKIP name: why" or "FAIL name: why" for
 * each, and exits with 0 or 1. With the same seed it does the same things. A
 * test may take N times its seconds, for a machine that has much else to do.
 *
 * A test fails by calling fail() in any of its processes and threads; the
 * first reason is the one reported. Included once, by the program itself.
 */
#ifndef GUEST_H
#define GUEST_H

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define PAGE		4096UL
#define ARRAY_SIZE(a)	(sizeof(a) / sizeof((a)[0]))

enum { EXIT_PASS, EXIT_FAIL, EXIT_SKIP = 77 };

struct guest_test {
	const char *name;
	void (*fn)(void);
	const char *what;
	int seconds;		/* it hangs if it takes longer; 0: 60 */
};

/* One page shared by all processes of the program; without it reasons go to stderr. */
static struct guest_shared {
	atomic_int has_reason;
	char reason[500];
	/* For the tests' own use; 0 at the start of each. */
	atomic_ulong counter[8];
} *shared;

static uint64_t guest_seed;
static unsigned long guest_scale = 100;
static unsigned long guest_patience = 1;
static uint64_t rng_state;

/* splitmix64: equal seeds give equal sequences on every machine. */
static inline uint64_t mix(uint64_t x)
{
	x += 0x9e3779b97f4a7c15;
	x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9;
	x = (x ^ (x >> 27)) * 0x94d049bb133111eb;
	return x ^ (x >> 31);
}

static inline uint64_t rnd(void)
{
	return rng_state = mix(rng_state);
}

/* A number below n. */
static inline unsigned long below(unsigned long n)
{
	return rnd() % n;
}

/* The usual number of repetitions, scaled by the command line. */
static inline unsigned long scaled(unsigned long n)
{
	n = n * guest_scale / 100;
	return n ? n : 1;
}

__attribute__((noreturn, format(printf, 2, 3)))
static inline void guest_end(int status, const char *fmt, ...)
{
	va_list ap;

	if (!shared) {
		va_start(ap, fmt);
		vfprintf(stderr, fmt, ap);
		va_end(ap);
		fputc('\n', stderr);
		_exit(status);
	}
	if (!atomic_exchange(&shared->has_reason, 1)) {
		va_start(ap, fmt);
		vsnprintf(shared->reason, sizeof(shared->reason), fmt, ap);
		va_end(ap);
	}
	_exit(status);
}

#define fail(...)	guest_end(EXIT_FAIL, __VA_ARGS__)
#define skip(...)	guest_end(EXIT_SKIP, __VA_ARGS__)

/* check(condition, format, ...): fails with the reason if it does not hold. */
#define check(cond, ...) do { if (!(cond)) fail(__VA_ARGS__); } while (0)

/* For calls that return -1 and set errno; gives their result. */
#define must(call) ({ \
	long must_rc = (long)(call); \
	if (must_rc == -1) \
		fail("%s: %s", #call, strerror(errno)); \
	must_rc; })

static inline void *map(size_t len, int prot, int flags)
{
	void *p = mmap(NULL, len, prot, MAP_PRIVATE | MAP_ANONYMOUS | flags, -1, 0);

	if (p == MAP_FAILED)
		fail("mmap of %zu bytes: %s", len, strerror(errno));
	return p;
}

static inline uint64_t now_ns(clockid_t clock)
{
	struct timespec ts;

	must(clock_gettime(clock, &ts));
	return ts.tv_sec * 1000000000UL + ts.tv_nsec;
}

static inline pid_t must_fork(void)
{
	return must(fork());
}

/* Wait for a child that must exit with this status. */
static inline void reap(pid_t pid, int expected)
{
	int status;

	while (waitpid(pid, &status, 0) != pid)
		check(errno == EINTR, "waitpid %d: %s", pid, strerror(errno));
	if (WIFSIGNALED(status))
		fail("a child was ended by signal %d", WTERMSIG(status));
	check(WEXITSTATUS(status) == expected, "a child exited with %d, not %d", WEXITSTATUS(status), expected);
}

static inline void must_sigaction(int sig, void (*fn)(int, siginfo_t *, void *), int flags)
{
	struct sigaction sa = { .sa_sigaction = fn, .sa_flags = SA_SIGINFO | flags };

	must(sigaction(sig, &sa, NULL));
}

/* A hypervisor counter (/proc/vmi/counters), or -1 natively. */
static inline long guest_counter(const char *name)
{
	char buf[8192], *at;
	size_t len = strlen(name);
	ssize_t n;
	int fd = open("/proc/vmi/counters", O_RDONLY);

	if (fd < 0)
		return -1;
	n = read(fd, buf, sizeof(buf) - 1);
	close(fd);
	check(n > 0, "/proc/vmi/counters cannot be read");
	buf[n] = 0;
	for (at = buf; at; at = strchr(at, '\n')) {
		at += *at == '\n';
		if (!strncmp(at, name, len) && at[len] == ' ')
			return atol(at + len);
	}
	fail("/proc/vmi/counters has no %s", name);
}

/* ---- running the tests ------------------------------------------------- */

static inline int run_test(const struct guest_test *t)
{
	struct timespec limit = { .tv_sec = (t->seconds ? t->seconds : 60) * guest_patience };
	sigset_t chld;
	int status;
	pid_t pid;

	memset(shared, 0, sizeof(*shared));
	rng_state = mix(guest_seed);
	sigemptyset(&chld);
	sigaddset(&chld, SIGCHLD);
	sigprocmask(SIG_BLOCK, &chld, NULL);
	pid = fork();
	if (pid < 0) {
		printf("FAIL %s: fork: %s\n", t->name, strerror(errno));
		return 1;
	}
	if (!pid) {
		setpgid(0, 0);
		sigprocmask(SIG_UNBLOCK, &chld, NULL);
		t->fn();
		_exit(EXIT_PASS);
	}
	setpgid(pid, pid);
	while (waitpid(pid, &status, WNOHANG) == 0) {
		if (sigtimedwait(&chld, NULL, &limit) < 0 && errno == EAGAIN) {
			kill(-pid, SIGKILL);
			waitpid(pid, &status, 0);
			printf("FAIL %s: no end after %ld seconds\n", t->name, (long)limit.tv_sec);
			return 1;
		}
	}
	/* What it left behind must not run beside the next one. */
	kill(-pid, SIGKILL);
	if (WIFSIGNALED(status))
		printf("FAIL %s: ended by signal %d (%s) %s\n", t->name, WTERMSIG(status),
		       strsignal(WTERMSIG(status)), shared->reason);
	else if (WEXITSTATUS(status) == EXIT_SKIP)
		printf("SKIP %s: %s\n", t->name, shared->reason);
	else if (WEXITSTATUS(status) || shared->has_reason)
		printf("FAIL %s: %s\n", t->name, shared->has_reason ? shared->reason : "exit status without a reason");
	else
		printf("PASS %s\n", t->name);
	return WIFSIGNALED(status) || (WEXITSTATUS(status) != EXIT_SKIP && (WEXITSTATUS(status) || shared->has_reason));
}

static inline const struct guest_test *find_test(const struct guest_test *tests, int n, const char *name)
{
	for (int i = 0; i < n; i++)
		if (!strcmp(tests[i].name, name))
			return &tests[i];
	fprintf(stderr, "there is no test %s; --list names them\n", name);
	exit(2);
}

static inline int guest_main(int argc, char **argv, const struct guest_test *tests, int n)
{
	int failed = 0, named = 0, i;

	guest_seed = 1;
	setvbuf(stdout, NULL, _IOLBF, 0);
	for (i = 1; i < argc; i++) {
		if (!strcmp(argv[i], "--seed") && i + 1 < argc) {
			guest_seed = strtoul(argv[++i], NULL, 0);
		} else if (!strcmp(argv[i], "--scale") && i + 1 < argc) {
			guest_scale = strtoul(argv[++i], NULL, 0);
		} else if (!strcmp(argv[i], "--patience") && i + 1 < argc) {
			guest_patience = strtoul(argv[++i], NULL, 0);
		} else if (!strcmp(argv[i], "--list")) {
			for (int k = 0; k < n; k++)
				printf("%-12s %s\n", tests[k].name, tests[k].what);
			return 0;
		} else if (argv[i][0] == '-') {
			fprintf(stderr, "usage: %s [--seed N] [--scale PERCENT] [--patience N] [--list] [TEST...]\n",
				argv[0]);
			return 2;
		} else {
			find_test(tests, n, argv[i]);
			named++;
		}
	}
	shared = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (shared == MAP_FAILED) {
		perror("mmap");
		return 2;
	}
	printf("seed %lu\n", guest_seed);
	for (i = 0; !named && i < n; i++)
		failed += run_test(&tests[i]);
	for (i = 1; named && i < argc; i++) {
		if (argv[i][0] == '-')
			i++;
		else
			failed += run_test(find_test(tests, n, argv[i]));
	}
	printf("%s\n", failed ? "some failed" : "all passed");
	return failed ? EXIT_FAIL : EXIT_PASS;
}

#endif
