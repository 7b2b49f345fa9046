// SPDX-License-Identifier: GPL-2.0-only
/*
 * iobench.c - what transfers cost: disks, TCP, and the machine's processor meanwhile.
 *
 *	iobench disk DEVICE [MiB]	sequential 1 MiB and random 4 KiB, read and written, depth 1 and 32
 *	iobench serve PORT		the far end of `tcp`, until it is killed
 *	iobench tcp HOST PORT [MiB [NAME]]	stream to and from it, and request/response
 *	iobench sample			copies its input, and puts times behind the marks
 *
 * A measurement is two lines, "begin NAME" and "end NAME OPERATIONS BYTES MS
 * HYPERCALLS CR3", the last two this domain's own (- natively). `sample` runs where the
 * whole machine can be seen, domain 0 or the bare machine, and adds "at NS busy
 * NS": the clock and what the processors did since they started. Before and after a
 * mark there is a pause, so that it has time to look. Each is one of mark.h's, too.
 *
 * Writes destroy what is on DEVICE. Requests are direct (O_DIRECT) and asynchronous.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <linux/aio_abi.h>
#include <linux/fs.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include "../../dom0-tools/lib/call.h"
#include "guest.h"
#include "mark.h"

#define PAUSE_US	60000
#define MAX_DEPTH	32

static double now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1e3 + t.tv_nsec / 1e6;
}

/* ---- marks ------------------------------------------------------------------ */

static struct mark {
	double ms;
	long hypercalls, cr3;		/* -1: none here */
} start;

static struct mark look(void)
{
	struct mark m = { .hypercalls = -1, .cr3 = -1 };
	FILE *f = fopen("/proc/vmi/counters", "r");
	char name[64];
	long value;

	while (f && fscanf(f, "%63s %ld", name, &value) == 2) {
		if (!strcmp(name, "hypercalls"))
			m.hypercalls = value;
		else if (!strcmp(name, "cr3_writes"))
			m.cr3 = value;
	}
	if (f)
		fclose(f);
	m.ms = now_ms();
	return m;
}

static void begin(const char *name)
{
	printf("begin %s\n", name);
	fflush(stdout);
	usleep(PAUSE_US);
	start = look();
	insns_mark();
}

static void end(const char *name, unsigned long ops, unsigned long bytes)
{
	struct mark m;

	insns_mark();
	m = look();
	usleep(PAUSE_US);
	printf("end %s %lu %lu %.3f ", name, ops, bytes, m.ms - start.ms);
	if (m.hypercalls < 0)
		printf("- -\n");
	else
		printf("%ld %ld\n", m.hypercalls - start.hypercalls, m.cr3 - start.cr3);
	fflush(stdout);
	usleep(PAUSE_US);
}

/* ---- disks ------------------------------------------------------------------- */

static void disk_run(int fd, const char *name, bool write, bool random, unsigned long size, unsigned int depth,
		     unsigned long ops, unsigned long area, uint8_t *buf)
{
	struct iocb cb[MAX_DEPTH], *p[MAX_DEPTH];
	struct io_event ev[MAX_DEPTH];
	unsigned long sent = 0, done = 0;
	aio_context_t ctx = 0;
	unsigned int n;
	long got;

	check(!syscall(SYS_io_setup, MAX_DEPTH, &ctx), "io_setup: %s", strerror(errno));
	memset(cb, 0, sizeof(cb));
	begin(name);
	got = depth;
	for (n = 0; n < depth; n++)
		ev[n].data = n;
	while (done < ops) {
		for (n = 0; n < got && sent < ops; n++, sent++) {
			unsigned int slot = ev[n].data;

			cb[slot] = (struct iocb){
				.aio_data = slot, .aio_fildes = fd, .aio_lio_opcode = write ? IOCB_CMD_PWRITE : IOCB_CMD_PREAD,
				.aio_buf = (uintptr_t)buf + slot * size, .aio_nbytes = size,
				.aio_offset = (random ? below(area / size) : sent % (area / size)) * size,
			};
			p[n] = &cb[slot];
		}
		check(syscall(SYS_io_submit, ctx, (long)n, p) == n, "io_submit: %s", strerror(errno));
		got = syscall(SYS_io_getevents, ctx, 1L, (long)depth, ev, NULL);
		check(got > 0, "io_getevents: %s", strerror(errno));
		for (n = 0; n < got; n++)
			check(ev[n].res == (long)size, "%s: a request of %lu bytes gave %lld", name, size, (long long)ev[n].res);
		done += got;
	}
	end(name, ops, ops * size);
	syscall(SYS_io_destroy, ctx);
}

static int disk(const char *path, unsigned long mib)
{
	static const struct { const char *what; bool write, random; unsigned int kib, depth; } runs[] = {
		{ "read-1M", false, false, 1024, 4 },	{ "write-1M", true, false, 1024, 4 },
		{ "read-4k-1", false, true, 4, 1 },	{ "write-4k-1", true, true, 4, 1 },
		{ "read-4k-32", false, true, 4, 32 },	{ "write-4k-32", true, true, 4, 32 },
	};
	int fd = open(path, O_RDWR | O_DIRECT);
	unsigned long area = 0;
	char name[64];
	uint8_t *buf;

	check(fd >= 0, "%s: %s", path, strerror(errno));
	check(!ioctl(fd, BLKGETSIZE64, &area) && area >= 8 << 20, "%s is no disk of 8 MiB or more", path);
	buf = mmap(NULL, 8 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	check(buf != MAP_FAILED, "no memory");
	memset(buf, 0x5a, 8 << 20);
	for (unsigned int i = 0; i < ARRAY_SIZE(runs); i++) {
		unsigned long size = runs[i].kib << 10, bytes = mib << 20;

		/* Small requests cost so much more that an eighth of the bytes will do. */
		if (runs[i].kib == 4)
			bytes /= runs[i].depth == 1 ? 32 : 8;
		snprintf(name, sizeof(name), "%s-%s", strrchr(path, '/') + 1, runs[i].what);
		disk_run(fd, name, runs[i].write, runs[i].random, size, runs[i].depth, bytes / size, area, buf);
	}
	return 0;
}

/* ---- TCP ------------------------------------------------------------------------ */

#define CHUNK	(256 << 10)

static uint8_t chunk[CHUNK];

static void all(int s, bool send_it, unsigned long n)
{
	while (n) {
		size_t part = n < CHUNK ? n : CHUNK;
		ssize_t r = send_it ? send(s, chunk, part, MSG_NOSIGNAL) : recv(s, chunk, part, 0);

		check(r > 0, "the connection ended with %lu bytes to go", n);
		n -= r;
	}
}

/* What the client wants: 'r' receives that many bytes, 's' sends them, 'p' answers that many bytes one by one. */
struct order {
	char what;
	uint8_t pad[7];
	uint64_t n;
};

static int serve(unsigned int port)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_port = htons(port) };
	int l = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), one = 1, s;

	setsockopt(l, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	check(!bind(l, (void *)&a, sizeof(a)) && !listen(l, 5), "port %u: %s", port, strerror(errno));
	while ((s = accept(l, NULL, NULL)) >= 0) {
		struct order o;

		setsockopt(s, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
		while (recv(s, &o, sizeof(o), MSG_WAITALL) == sizeof(o)) {
			if (o.what != 'p')
				all(s, o.what == 's', o.n);
			for (; o.what == 'p' && o.n; o.n--) {
				all(s, false, 1);
				all(s, true, 1);
			}
			if (o.what == 'r')
				all(s, true, 1);
		}
		close(s);
	}
	return 1;
}

static void tcp_run(int s, const char *name, char what, unsigned long n)
{
	struct order o = { .what = what, .n = n };

	begin(name);
	check(send(s, &o, sizeof(o), MSG_NOSIGNAL) == sizeof(o), "%s: %s", name, strerror(errno));
	if (what == 'r') {
		all(s, true, n);
		all(s, false, 1);	/* it has all of it */
	} else if (what == 's') {
		all(s, false, n);
	} else {
		for (unsigned long i = 0; i < n; i++) {
			all(s, true, 1);
			all(s, false, 1);
		}
	}
	end(name, what == 'p' ? n : n / CHUNK, what == 'p' ? 2 * n : n);
}

static int tcp(const char *host, unsigned int port, unsigned long mib, const char *as)
{
	static const struct { const char *what; char order; } runs[] = { { "send", 'r' }, { "receive", 's' }, { "round-trips", 'p' } };
	char name[64];

	struct sockaddr_in a = { .sin_family = AF_INET, .sin_port = htons(port) };
	int s = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), one = 1, tries;

	check(inet_pton(AF_INET, host, &a.sin_addr) == 1, "%s is no address", host);
	setsockopt(s, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	for (tries = 0; connect(s, (void *)&a, sizeof(a)) && tries < 100; tries++)
		usleep(100000);
	check(tries < 100, "%s port %u: %s", host, port, strerror(errno));
	for (unsigned int i = 0; i < ARRAY_SIZE(runs); i++) {
		snprintf(name, sizeof(name), "%s-%s", as, runs[i].what);
		tcp_run(s, name, runs[i].order, runs[i].order == 'p' ? mib * 16 : mib << 20);
	}
	return 0;
}

/* ---- the machine's processors ------------------------------------------------------ */

/* Nanoseconds since the start that the processors were idle, as the bare machine's kernel has them. */
static uint64_t native_idle_ns(void)
{
	FILE *f = fopen("/proc/timer_list", "r");
	uint64_t sum = 0;
	char line[256];
	unsigned long ns;

	check(f != NULL, "/proc/timer_list: %s", strerror(errno));
	while (fgets(line, sizeof(line), f))
		if (sscanf(line, " .idle_sleeptime : %lu nsecs", &ns) == 1)
			sum += ns;
	fclose(f);
	return sum;
}

/* Nanoseconds that they were busy. */
static uint64_t busy_ns(int fd, uint64_t *now)
{
	struct vmi_machine m;
	struct timespec t;

	if (fd >= 0 && !call_machine_info(fd, &m)) {
		*now = m.now_ns;
		return m.now_ns * m.nr_cpus - m.idle_ns;
	}
	clock_gettime(CLOCK_BOOTTIME, &t);
	*now = t.tv_sec * 1000000000UL + t.tv_nsec;
	return *now * sysconf(_SC_NPROCESSORS_ONLN) - native_idle_ns();
}

static int sample(void)
{
	int fd = open("/dev/vmi/call", O_RDWR | O_CLOEXEC);
	char line[1024];

	while (fgets(line, sizeof(line), stdin)) {
		uint64_t now, busy;
		char *mark = strstr(line, "begin ");

		line[strcspn(line, "\r\n")] = 0;
		if (!mark)
			mark = strstr(line, "end ");
		if (mark) {
			busy = busy_ns(fd, &now);
			printf("%s at %lu busy %lu\n", mark, now, busy);
		} else {
			puts(line);
		}
		fflush(stdout);
	}
	return 0;
}

int main(int argc, char **argv)
{
	guest_seed = rng_state = 1;
	if (argc >= 3 && !strcmp(argv[1], "disk"))
		return disk(argv[2], argc > 3 ? strtoul(argv[3], NULL, 0) : 256);
	if (argc == 3 && !strcmp(argv[1], "serve"))
		return serve(atoi(argv[2]));
	if (argc >= 4 && !strcmp(argv[1], "tcp"))
		return tcp(argv[2], atoi(argv[3]), argc > 4 ? strtoul(argv[4], NULL, 0) : 256, argc > 5 ? argv[5] : "tcp");
	if (argc == 2 && !strcmp(argv[1], "sample"))
		return sample();
	fputs("usage: iobench disk DEVICE [MiB] | serve PORT | tcp HOST PORT [MiB [NAME]] | sample\n", stderr);
	return 2;
}
