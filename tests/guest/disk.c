// SPDX-License-Identifier: GPL-2.0-only
/*
 * disk.c - does a disk keep what it was given? For disks and files that may be overwritten.
 *
 *	disk verify PATH SECONDS [THREADS]	random writes and reads, past the page cache; what is read must be
 *						what was written last, also at the end, everywhere
 *	disk acks PATH [FIRST]			writes records and makes them durable, for ever; after that prints the
 *						last one's number
 *	disk recover PATH FIRST LAST		after the power was cut: are these records there?
 *
 * A block says where it is and which write made it, and has a checksum, so a block
 * that is lost, old, torn, or of another place is told from a right one.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define BLOCK		4096
#define MOST		64		/* blocks of one transfer */
#define THREADS		8
#define RECORDS		4096		/* places, used over and over */
#define CHECKED		2048		/* of them: so far behind nothing was being written when the power went */

struct block {
	uint64_t at, made, sum, fill[BLOCK / 8 - 3];
};

struct worker {
	pthread_t thread;
	uint64_t first, nr;		/* its part of the disk, in blocks */
	uint64_t seed, writes, reads;
	uint32_t *made;			/* by which write a block was made; 0: none */
};

static const char *path;
static time_t until;

__attribute__((noreturn, format(printf, 1, 2)))
static void fail(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	fputs("FAIL ", stdout);
	vprintf(fmt, ap);
	puts("");
	exit(1);
}

static uint64_t mix(uint64_t x)
{
	x += 0x9e3779b97f4a7c15;
	x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9;
	x = (x ^ (x >> 27)) * 0x94d049bb133111eb;
	return x ^ (x >> 31);
}

static uint64_t below(uint64_t *seed, uint64_t n)
{
	*seed = mix(*seed);
	return *seed % n;
}

static void make(struct block *b, uint64_t at, uint64_t made)
{
	uint64_t s = mix(at ^ made << 32), sum = s;

	b->at = at;
	b->made = made;
	for (size_t i = 0; i < BLOCK / 8 - 3; i++)
		sum += b->fill[i] = s += 0x9e3779b97f4a7c15;
	b->sum = sum;
}

/* NULL, or what it is. */
static const char *wrong(const struct block *b, uint64_t at, uint64_t made)
{
	static __thread struct block want;

	if (!made)
		return NULL;
	make(&want, at, made);
	if (!memcmp(b, &want, BLOCK))
		return NULL;
	if (b->at != at)
		return "of another place, or never written";
	return b->made < made ? "an old one" : b->made > made ? "a later one" : "torn";
}

static void *buffer(size_t size)
{
	void *p = aligned_alloc(BLOCK, size);

	if (!p)
		fail("no memory");
	return p;
}

static int open_disk(int flags)
{
	int fd = open(path, flags | O_CLOEXEC);

	if (fd < 0)
		fail("%s: %s", path, strerror(errno));
	return fd;
}

static void transfer(int fd, int out, void *data, uint64_t block, uint64_t nr)
{
	size_t done = 0, len = nr * BLOCK;

	while (done < len) {
		ssize_t n = out ? pwrite(fd, (char *)data + done, len - done, block * BLOCK + done) :
				  pread(fd, (char *)data + done, len - done, block * BLOCK + done);

		if (n <= 0)
			fail("%s of %lu blocks at %lu: %s", out ? "write" : "read", (unsigned long)nr, (unsigned long)block,
			     n ? strerror(errno) : "end of the disk");
		done += n;
	}
}

static void look(int fd, struct worker *w, struct block *data, uint64_t first, uint64_t nr)
{
	transfer(fd, 0, data, first, nr);
	for (uint64_t i = 0; i < nr; i++) {
		const char *why = wrong(&data[i], first + i, w->made[first - w->first + i]);

		if (why)
			fail("block %lu is %s: made by write %lu, not %u", (unsigned long)(first + i), why, (unsigned long)data[i].made,
			     w->made[first - w->first + i]);
	}
}

static void *work(void *arg)
{
	struct worker *w = arg;
	struct block *data = buffer(MOST * BLOCK);
	int fd = open_disk(O_RDWR | O_DIRECT);

	while (time(NULL) < until) {
		uint64_t nr = 1 + below(&w->seed, below(&w->seed, 4) ? 4 : MOST);
		uint64_t at = below(&w->seed, w->nr - nr + 1);

		if (below(&w->seed, 2)) {
			w->writes++;
			for (uint64_t i = 0; i < nr; i++) {
				make(&data[i], w->first + at + i, w->writes);
				w->made[at + i] = w->writes;
			}
			transfer(fd, 1, data, w->first + at, nr);
			if (!below(&w->seed, 64) && fdatasync(fd))
				fail("fdatasync: %s", strerror(errno));
		} else {
			w->reads++;
			look(fd, w, data, w->first + at, nr);
		}
	}
	/* Everything, once more. */
	for (uint64_t at = 0; at < w->nr; at += MOST)
		look(fd, w, data, w->first + at, w->nr - at < MOST ? w->nr - at : MOST);
	close(fd);
	free(data);
	return NULL;
}

static int verify(unsigned int seconds, unsigned int threads)
{
	struct worker w[64] = { 0 };
	int fd = open_disk(O_RDWR);
	off_t size = lseek(fd, 0, SEEK_END);
	uint64_t part = size / BLOCK / threads, writes = 0, reads = 0;

	close(fd);
	if (part < MOST)
		fail("%s is too small", path);
	until = time(NULL) + seconds;
	for (unsigned int i = 0; i < threads; i++) {
		w[i] = (struct worker){ .first = i * part, .nr = part, .seed = mix(i + 1), .made = calloc(part, 4) };
		if (pthread_create(&w[i].thread, NULL, work, &w[i]))
			fail("no thread");
	}
	for (unsigned int i = 0; i < threads; i++) {
		pthread_join(w[i].thread, NULL);
		writes += w[i].writes;
		reads += w[i].reads;
	}
	printf("verified: %lu writes, %lu reads, %lu blocks at the end\n", (unsigned long)writes, (unsigned long)reads,
	       (unsigned long)(part * threads));
	return 0;
}

/* Record n is at place n % RECORDS. */
static int acks(uint64_t first)
{
	struct block *data = buffer(BLOCK);
	int fd = open_disk(O_RDWR);
	uint64_t seed = time(NULL);

	for (uint64_t n = first;;) {
		for (uint64_t more = 1 + below(&seed, 8); more; more--, n++) {
			make(data, n % RECORDS, n);
			transfer(fd, 1, data, n % RECORDS, 1);
		}
		if (fdatasync(fd))
			fail("fdatasync: %s", strerror(errno));
		printf("%lu\n", (unsigned long)(n - 1));
		fflush(stdout);
	}
}

static int recover(uint64_t first, uint64_t last)
{
	struct block *data = buffer(BLOCK);
	int fd = open_disk(O_RDONLY);

	for (uint64_t n = last < first + CHECKED ? first : last - CHECKED + 1; n <= last; n++) {
		const char *why;

		transfer(fd, 0, data, n % RECORDS, 1);
		why = wrong(data, n % RECORDS, n);
		if (why)
			fail("record %lu of %lu is %s (made by %lu)", (unsigned long)n, (unsigned long)last, why, (unsigned long)data->made);
	}
	printf("all records up to %lu are there\n", (unsigned long)last);
	return 0;
}

int main(int argc, char **argv)
{
	path = argc > 2 ? argv[2] : NULL;
	if (argc >= 4 && !strcmp(argv[1], "verify"))
		return verify(atoi(argv[3]), argc > 4 ? atoi(argv[4]) : THREADS);
	if (argc >= 3 && !strcmp(argv[1], "acks"))
		return acks(argc > 3 ? strtoull(argv[3], NULL, 10) : 1);
	if (argc == 5 && !strcmp(argv[1], "recover"))
		return recover(strtoull(argv[3], NULL, 10), strtoull(argv[4], NULL, 10));
	fputs("usage: disk verify PATH SECONDS [THREADS] | acks PATH [FIRST] | recover PATH FIRST LAST\n", stderr);
	return 2;
}
