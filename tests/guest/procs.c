// SPDX-License-Identifier: GPL-2.0-only
/*
 * procs.c - storms of processes: fork, exec, exit, wait, pipes between many.
 *
 * Every child checks what it inherited and tells by its exit status who it
 * is, so that a lost or doubled process, a wrong page or a wrong register shows.
 */
#define _GNU_SOURCE
#include <spawn.h>
#include <sys/prctl.h>
#include "guest.h"

extern char **environ;
static uint64_t pattern[1024];

static void fill_pattern(uint64_t key)
{
	for (size_t i = 0; i < ARRAY_SIZE(pattern); i++)
		pattern[i] = mix(key + i);
}

static void check_pattern(uint64_t key)
{
	for (size_t i = 0; i < ARRAY_SIZE(pattern); i++)
		check(pattern[i] == mix(key + i), "word %zu of process %d is %#lx", i, getpid(), pattern[i]);
}

static void storm(void)
{
	unsigned long n = scaled(2000);

	for (unsigned long i = 0; i < n; i++) {
		volatile uint64_t on_stack = mix(i);
		pid_t pid;

		fill_pattern(i);
		pid = must_fork();
		if (!pid) {
			check_pattern(i);
			check(on_stack == mix(i), "the stack of child %lu differs", i);
			fill_pattern(~i);
			check_pattern(~i);
			_exit(i & 63);
		}
		/* While the child runs or not: the parent's pages are its own. */
		pattern[i % ARRAY_SIZE(pattern)]++;
		pattern[i % ARRAY_SIZE(pattern)]--;
		reap(pid, i & 63);
		check_pattern(i);
	}
}

/* A tree of processes, each of which counts itself. */
static void grow(int depth, int width)
{
	pid_t pid[8];

	atomic_fetch_add(&shared->counter[0], 1);
	for (int i = 0; depth && i < width; i++) {
		pid[i] = must_fork();
		if (!pid[i]) {
			grow(depth - 1, width);
			_exit(depth);
		}
	}
	for (int i = 0; depth && i < width; i++)
		reap(pid[i], depth);
}

static void tree(void)
{
	for (unsigned long i = 0; i < scaled(4); i++) {
		atomic_store(&shared->counter[0], 0);
		grow(5, 3);
		check(shared->counter[0] == 364, "%lu of 364 processes counted themselves", shared->counter[0]);
	}
}

/* Many at a time, all waiting for the same pipe to close. */
static void crowd(void)
{
	enum { CROWD = 300 };
	pid_t pid[CROWD];
	int gate[2];
	char c;

	must(pipe(gate));
	fill_pattern(guest_seed);
	for (int i = 0; i < CROWD; i++) {
		pid[i] = must_fork();
		if (!pid[i]) {
			close(gate[1]);
			pattern[i] = i;
			check(read(gate[0], &c, 1) == 0, "the gate did not open");
			check(pattern[i] == (uint64_t)i, "child %d sees %#lx", i, pattern[i]);
			pattern[i] = mix(guest_seed + i);
			check_pattern(guest_seed);
			_exit(i % 100);
		}
	}
	close(gate[1]);
	for (int i = CROWD; i-- > 0; )
		reap(pid[i], i % 100);
	check_pattern(guest_seed);
	check(waitpid(-1, NULL, 0) == -1 && errno == ECHILD, "there are more children than were made");
}

/* The child half of exec(): argv[2] is a number, argv[3] and KEY hold what belongs to it. */
static int exec_child(int argc, char **argv)
{
	unsigned long n = strtoul(argv[2], NULL, 10);
	char want[32];

	snprintf(want, sizeof(want), "%lx", mix(n));
	if (argc != 4 || strcmp(argv[3], want) || !getenv("KEY") || strcmp(getenv("KEY"), want))
		return 99;
	for (size_t i = 0; i < ARRAY_SIZE(pattern); i++)
		if (pattern[i])
			return 98;
	fill_pattern(n);
	return n % 64;
}

static void exec(void)
{
	for (unsigned long i = 0; i < scaled(400); i++) {
		char number[32], key[32], env[64];
		char *argv[] = { "procs", "--exec-child", number, key, NULL };
		char *envp[] = { env, NULL };
		pid_t pid;

		snprintf(number, sizeof(number), "%lu", i);
		snprintf(key, sizeof(key), "%lx", mix(i));
		snprintf(env, sizeof(env), "KEY=%s", key);
		fill_pattern(i);
		if (i % 2) {
			errno = posix_spawn(&pid, "/proc/self/exe", NULL, NULL, argv, envp);
			check(!errno, "posix_spawn: %s", strerror(errno));
		} else {
			pid = must_fork();
			if (!pid) {
				execve("/proc/self/exe", argv, envp);
				fail("execve: %s", strerror(errno));
			}
		}
		reap(pid, i % 64);
		check_pattern(i);
	}
}

/* A chain of exec in one process: each round replaces the last one's memory. */
static int chain_child(char **argv)
{
	unsigned long n = strtoul(argv[2], NULL, 10);
	char number[32];
	char *next[] = { "procs", "--chain", number, NULL };

	if (!n)
		return 7;
	fill_pattern(n);
	snprintf(number, sizeof(number), "%lu", n - 1);
	execve("/proc/self/exe", next, environ);
	return 97;
}

static void chain(void)
{
	char number[32];
	char *argv[] = { "procs", "--chain", number, NULL };
	pid_t pid = must_fork();

	snprintf(number, sizeof(number), "%lu", scaled(200));
	if (!pid) {
		execve("/proc/self/exe", argv, environ);
		fail("execve: %s", strerror(errno));
	}
	reap(pid, 7);
}

/* A large program with another allocator: busybox as it is. */
static void shell(void)
{
	char *argv[] = { "sh", "-c", "i=0; while [ $i -lt 40 ]; do "
			 "x=$(echo $i | /bin/busybox cat | /bin/busybox wc -l); [ $x = 1 ] || exit 9; "
			 "i=$((i + 1)); done; exit 5", NULL };

	if (access("/bin/busybox", X_OK))
		skip("no busybox here");
	for (unsigned long i = 0; i < scaled(3); i++) {
		pid_t pid = must_fork();

		if (!pid) {
			execve("/bin/busybox", argv, environ);
			fail("execve: %s", strerror(errno));
		}
		reap(pid, 5);
	}
}

static void write_all(int fd, const void *buf, size_t len)
{
	while (len) {
		ssize_t n = must(write(fd, buf, len));

		buf = (const char *)buf + n;
		len -= n;
	}
}

static size_t read_all(int fd, void *buf, size_t len)
{
	size_t got = 0;

	while (got < len) {
		ssize_t n = must(read(fd, (char *)buf + got, len - got));

		if (!n)
			break;
		got += n;
	}
	return got;
}

/* Bytes through a line of processes, in pieces of every size, each adding 1. */
static void pipeline(void)
{
	enum { STAGES = 8 };
	static unsigned char out[70000], in[sizeof(out)];
	int first[2], from, link[2];
	pid_t pid[STAGES + 1];

	must(pipe(first));
	from = first[0];
	for (int s = 0; s < STAGES; s++) {
		must(pipe(link));
		pid[s] = must_fork();
		if (!pid[s]) {
			ssize_t n;

			close(first[1]);
			close(link[0]);
			while ((n = must(read(from, in, 1 + below(sizeof(in) - 1)))) > 0) {
				for (ssize_t i = 0; i < n; i++)
					in[i]++;
				write_all(link[1], in, n);
			}
			_exit(s);
		}
		close(from);
		close(link[1]);
		from = link[0];
	}
	pid[STAGES] = must_fork();
	if (!pid[STAGES]) {
		for (unsigned long r = 0; r < scaled(60); r++) {
			for (size_t i = 0; i < sizeof(out); i++)
				out[i] = mix(r * sizeof(out) + i);
			write_all(first[1], out, sizeof(out));
		}
		_exit(STAGES);
	}
	close(first[1]);
	for (unsigned long r = 0; r < scaled(60); r++) {
		check(read_all(from, in, sizeof(in)) == sizeof(in), "the pipeline ended in round %lu", r);
		for (size_t i = 0; i < sizeof(in); i++)
			check(in[i] == (unsigned char)(mix(r * sizeof(out) + i) + STAGES),
			      "byte %zu of round %lu is wrong", i, r);
	}
	check(read_all(from, in, 1) == 0, "the pipeline gave more than went in");
	for (int s = 0; s <= STAGES; s++)
		reap(pid[s], s);
}

/* A token around a ring of processes: nothing but switches. */
static void ring(void)
{
	enum { RING = 16 };
	int fd[RING][2];
	pid_t pid[RING];
	unsigned long token, rounds = scaled(300);

	for (int i = 0; i < RING; i++)
		must(pipe(fd[i]));
	for (int i = 0; i < RING; i++) {
		pid[i] = must_fork();
		if (!pid[i]) {
			for (unsigned long r = 0; r < rounds; r++) {
				check(read_all(fd[i][0], &token, sizeof(token)) == sizeof(token), "the ring broke");
				check(token == r * RING + i, "process %d got token %lu in round %lu", i, token, r);
				token++;
				write_all(fd[(i + 1) % RING][1], &token, sizeof(token));
			}
			_exit(i);
		}
	}
	token = 0;
	write_all(fd[0][1], &token, sizeof(token));
	for (int i = 0; i < RING; i++)
		reap(pid[i], i);
	check(read_all(fd[0][0], &token, sizeof(token)) == sizeof(token) && token == rounds * RING,
	      "the token ended as %lu", token);
}

/* Children that are killed wherever they are: in fork, a page fault, a write. */
static void killed(void)
{
	for (unsigned long i = 0; i < scaled(150); i++) {
		pid_t pid = must_fork();
		int status;

		if (!pid) {
			prctl(PR_SET_PDEATHSIG, SIGKILL);
			for (;;) {
				char *p = map(64 * PAGE, PROT_READ | PROT_WRITE, 0);
				pid_t grandchild;

				memset(p, 1, 64 * PAGE);
				grandchild = fork();
				if (!grandchild)
					_exit(p[below(64 * PAGE)]);
				if (grandchild > 0)
					waitpid(grandchild, NULL, 0);
				munmap(p, 64 * PAGE);
			}
		}
		usleep(below(20000));
		must(kill(pid, SIGKILL));
		must(waitpid(pid, &status, 0));
		check(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL, "status %#x instead of a kill", status);
	}
}

static const struct guest_test tests[] = {
	{ "storm", storm, "thousands of fork, exit, wait", 120 },
	{ "tree", tree, "trees of processes, three children each", 120 },
	{ "crowd", crowd, "hundreds of processes at a time", 60 },
	{ "exec", exec, "fork or spawn, exec with arguments and environment", 120 },
	{ "chain", chain, "a process that execs itself again and again", 60 },
	{ "shell", shell, "pipelines of a shell", 120 },
	{ "pipeline", pipeline, "bytes through a line of processes", 60 },
	{ "ring", ring, "a token around a ring of processes", 60 },
	{ "killed", killed, "processes killed at random moments", 60 },
};

int main(int argc, char **argv)
{
	if (argc == 4 && !strcmp(argv[1], "--exec-child"))
		return exec_child(argc, argv);
	if (argc == 3 && !strcmp(argv[1], "--chain"))
		return chain_child(argv);
	return guest_main(argc, argv, tests, ARRAY_SIZE(tests));
}
