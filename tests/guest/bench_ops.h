/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * bench_ops.h - the operations that bench.c measures.
 *
 * Each is a loop with as little as possible around the operation: the system
 * calls are `syscall` instructions, not the C library's functions. What
 * an operation leaves behind, its teardown removes: every repetition begins alike.
 */

#define EXEC_CHILD	"--exec-child"
#define BUF_BYTES	(8UL << 20)
#define L1_WORDS	2048

static long call3(long nr, long a, long b, long c)
{
	long rc;

	asm volatile("syscall" : "=a" (rc) : "a" (nr), "D" (a), "S" (b), "d" (c) : "rcx", "r11", "memory");
	return rc;
}

/* ---- system calls --------------------------------------------------------- */

static void run_getpid(unsigned long n)
{
	while (n--)
		call3(SYS_getpid, 0, 0, 0);
}

static void run_getppid(unsigned long n)
{
	while (n--)
		call3(SYS_getppid, 0, 0, 0);
}

static int zero_fd;

static void open_zero(unsigned long n)
{
	(void)n;
	zero_fd = must(open("/dev/zero", O_RDONLY));
}

static void close_zero(unsigned long n)
{
	(void)n;
	close(zero_fd);
}

static void run_read1(unsigned long n)
{
	char c;

	while (n--)
		call3(SYS_read, zero_fd, (long)&c, 1);
}

static void run_clock(unsigned long n)
{
	struct timespec ts;

	while (n--)
		clock_gettime(CLOCK_MONOTONIC, &ts);
}

/* ---- processes ------------------------------------------------------------ */

static void run_fork(unsigned long n)
{
	while (n--) {
		pid_t pid = must_fork();

		if (!pid)
			_exit(0);
		reap(pid, 0);
	}
}

static void fork_exec(unsigned long n, const char *path, char *const argv[])
{
	char *const env[] = { NULL };

	while (n--) {
		pid_t pid = must_fork();

		if (!pid) {
			execve(path, argv, env);
			_exit(127);
		}
		reap(pid, 0);
	}
}

static void run_exec(unsigned long n)
{
	char *const argv[] = { "bench", EXEC_CHILD, NULL };

	fork_exec(n, "/proc/self/exe", argv);
}

static void run_busybox(unsigned long n)
{
	char *const argv[] = { "true", NULL };

	fork_exec(n, "/bin/busybox", argv);
}

static int to_peer[2], from_peer[2];
static pid_t peer;

static void start_peer(unsigned long n)
{
	char c;

	(void)n;
	must(pipe(to_peer));
	must(pipe(from_peer));
	peer = must_fork();
	if (!peer) {
		close(to_peer[1]);
		while (read(to_peer[0], &c, 1) == 1)
			if (write(from_peer[1], &c, 1) != 1)
				break;
		_exit(0);
	}
	close(to_peer[0]);
	close(from_peer[1]);
}

static void stop_peer(unsigned long n)
{
	(void)n;
	close(to_peer[1]);
	close(from_peer[0]);
	reap(peer, 0);
}

static void run_pipe(unsigned long n)
{
	char c = 'x';

	while (n--) {
		call3(SYS_write, to_peer[1], (long)&c, 1);
		call3(SYS_read, from_peer[0], (long)&c, 1);
	}
}

/* ---- memory --------------------------------------------------------------- */

static char *area;

static void map_area(unsigned long n)
{
	area = map(n * PAGE, PROT_READ | PROT_WRITE, 0);
}

static void unmap_area(unsigned long n)
{
	must(munmap(area, n * PAGE));
}

static void run_touch(unsigned long n)
{
	for (unsigned long i = 0; i < n; i++)
		*(volatile char *)(area + i * PAGE) = 1;
}

static void map_shared_with_peer(unsigned long n)
{
	map_area(n);
	run_touch(n);
	start_peer(n);
	/* One round trip: the child has run, and its pages are what they will be. */
	run_pipe(1);
}

static void unmap_shared_with_peer(unsigned long n)
{
	stop_peer(n);
	unmap_area(n);
}

static void run_mmap(unsigned long n)
{
	while (n--) {
		char *p = map(PAGE, PROT_READ | PROT_WRITE, 0);

		*(volatile char *)p = 1;
		call3(SYS_munmap, (long)p, PAGE, 0);
	}
}

static void map_page(unsigned long n)
{
	(void)n;
	map_area(1);
	run_touch(1);
}

static void unmap_page(unsigned long n)
{
	(void)n;
	unmap_area(1);
}

static void run_mprotect(unsigned long n)
{
	while (n--) {
		call3(SYS_mprotect, (long)area, PAGE, PROT_READ);
		call3(SYS_mprotect, (long)area, PAGE, PROT_READ | PROT_WRITE);
		*(volatile char *)area = 1;
	}
}

/* ---- signals --------------------------------------------------------------- */

static volatile unsigned long caught;

static void catch(int sig)
{
	(void)sig;
	caught++;
}

static void install_handler(unsigned long n)
{
	(void)n;
	caught = 0;
	signal(SIGUSR1, catch);
}

static void count_signals(unsigned long n)
{
	signal(SIGUSR1, SIG_DFL);
	check(caught == n, "%lu of %lu signals arrived", caught, n);
}

static void run_signal(unsigned long n)
{
	pid_t self = getpid();

	while (n--)
		call3(SYS_kill, self, SIGUSR1, 0);
}

/* ---- hypercalls ------------------------------------------------------------ */

/* The kernel makes the calls and times them: /proc/vmi/null. */
static uint64_t time_hypercalls(unsigned long n)
{
	char buf[128], *at;
	ssize_t len;
	int fd = open("/proc/vmi/null", O_RDWR);

	if (fd < 0)
		return 0;
	len = snprintf(buf, sizeof(buf), "%lu", n);
	check(write(fd, buf, len) == len, "/proc/vmi/null refuses %lu calls", n);
	len = read(fd, buf, sizeof(buf) - 1);
	close(fd);
	buf[len > 0 ? len : 0] = 0;
	at = strstr(buf, "ticks ");
	check(at, "/proc/vmi/null does not tell its ticks");
	return strtoul(at + 6, NULL, 10);
}

/* ---- user code ------------------------------------------------------------- */

static uint64_t table[L1_WORDS], *source, *target;
static volatile uint64_t result;

/* One operation: a thousand steps of a generator through a table in the L1 cache. */
static void run_compute(unsigned long n)
{
	uint64_t x = 1;

	while (n--) {
		for (int i = 0; i < 1000; i++) {
			x = x * 6364136223846793005 + 1442695040888963407;
			table[x >> 53] += x ^ (x >> 29);
		}
	}
	result = x;
}

/*
 * Not a power of two apart: else both would fall on the same lines of a cache,
 * and on the same entries of the translator's TLB.
 */
#define BUF_GAP		(37 * PAGE)

static void map_buffers(unsigned long n)
{
	source = map(2 * BUF_BYTES + BUF_GAP, PROT_READ | PROT_WRITE, 0);
	target = source + (BUF_BYTES + BUF_GAP) / 8;
	for (size_t i = 0; i < BUF_BYTES / 8; i++)
		source[i] = target[i] = mix(i + n);
}

static void unmap_buffers(unsigned long n)
{
	(void)n;
	must(munmap(source, 2 * BUF_BYTES + BUF_GAP));
}

/* One operation: copy 8 MiB and sum them. */
static void run_stream(unsigned long n)
{
	uint64_t sum = 0;

	while (n--) {
		for (size_t i = 0; i < BUF_BYTES / 8; i++) {
			/* One by one: the compiler must not make a memcpy() of it. */
			*(volatile uint64_t *)&target[i] = source[i];
			sum += source[i];
		}
	}
	result = sum;
}

#define AROUND(before, after)	.setup = before, .teardown = after

static const struct op ops[] = {
	{ "getpid", "null system call: getpid", 5000, .run = run_getpid },
	{ "getppid", "null system call: getppid", 5000, .run = run_getppid },
	{ "read1", "read 1 byte of /dev/zero", 2500, .run = run_read1, AROUND(open_zero, close_zero) },
	{ "clock", "clock_gettime in the vDSO", 20000, .run = run_clock },
	{ "fork", "fork, exit, wait", 50, .run = run_fork },
	{ "exec", "fork, exec a small static program, wait", 30, .run = run_exec },
	{ "busybox", "fork, exec busybox true, wait", 30, .run = run_busybox },
	{ "pipe", "pipe round trip of two processes", 1000, .run = run_pipe, AROUND(start_peer, stop_peer) },
	{ "page", "first write to a fresh page", 1000, .run = run_touch, AROUND(map_area, unmap_area) },
	{ "cow", "first write to a page shared after fork", 1000, .run = run_touch,
	  AROUND(map_shared_with_peer, unmap_shared_with_peer) },
	{ "mmap", "mmap a page, write, munmap", 1000, .run = run_mmap },
	{ "mprotect", "mprotect a page read-only and back, write", 1000, .run = run_mprotect,
	  AROUND(map_page, unmap_page) },
	{ "signal", "kill oneself, handler, sigreturn", 1000, .run = run_signal,
	  AROUND(install_handler, count_signals) },
	{ "hypercall", "null hypercall", 2000, .timed = time_hypercalls },
	{ "compute", "1000 steps of integer work in the L1 cache", 300, .run = run_compute },
	{ "stream", "copy and sum 8 MiB", 2, .run = run_stream, AROUND(map_buffers, unmap_buffers) },
};
