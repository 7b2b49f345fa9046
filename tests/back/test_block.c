// SPDX-License-Identifier: GPL-2.0-only
/*
 * test_block.c - the program vmi-back as a disk: every type of request, every way to
 * be wrong, features, reset, resize, errors of the file and what the owner wants done about them, batches; and killed 100
 * times under load, with its data verified: no request is lost, doubled or fails.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <linux/virtio_blk.h>
#include <linux/virtio_config.h>

#include "guest.h"
#include "mem.h"
#include "tools_test.h"

#define SECTOR		512
#define DISK_BYTES	(4 << 20)
#define ALL		(~0ull)
#define WAIT		10000		/* ms */

static struct guest g;
static char path[] = "/var/tmp/vmi-back-test-XXXXXX";	/* of a file system with direct I/O, where there is one */
static char file_arg[32];
static int file = -1;

/* A new image, and the program running on it with these arguments. */
static void begin(unsigned int queues, const char *a, const char *b)
{
	const char *args[] = { "block", file_arg, a, b, NULL };

	if (file >= 0)
		close(file);
	strcpy(path + strlen(path) - 6, "XXXXXX");
	file = mkstemp(path);
	unlink(path);
	if (file < 0 || ftruncate(file, DISK_BYTES)) {
		perror(path);
		exit(99);
	}
	snprintf(file_arg, sizeof(file_arg), "file=%d", file);
	guest_init(&g, queues);
	CU_ASSERT_FATAL(guest_run(&g, args));
	CU_ASSERT_EQUAL(g.slot->back.device, 2);
	CU_ASSERT_EQUAL(g.slot->back.nr_queues, queues);
}

/* It ends when told, and served well until then. */
static void end(void)
{
	guest_tell(&g, "quit\n");
	CU_ASSERT_EQUAL(guest_ended(&g), 0);
	CU_ASSERT_EQUAL(guest_wrong, 0);
	guest_free(&g);
}

struct io {
	struct virtio_blk_outhdr hdr;
	uint8_t status;
};

/* Headers and status bytes lie behind the data. */
static struct io *io_of(unsigned int q, uint16_t h)
{
	return (struct io *)(guest_data(&g, q, h) + GUEST_SLOT_BYTES - 64);
}

/* A request of (len) bytes at the head's data; -1: the queue is full. */
static int ask(unsigned int q, uint32_t type, uint64_t sector, uint32_t len)
{
	struct iovec v[3];
	uint16_t h;
	bool out = type & 1;
	struct io *io;
	unsigned int step = g.indirect ? 1 : 4;

	/* The head that guest_add() will take. */
	for (h = 0; h < GUEST_ENTRIES && g.queue[q].busy & 1ull << h; h += step)
		;
	if (h >= GUEST_ENTRIES)
		return -1;
	io = io_of(q, h);
	io->hdr = (struct virtio_blk_outhdr){ .type = type, .sector = sector };
	io->status = 0xaa;
	v[0] = (struct iovec){ &io->hdr, sizeof(io->hdr) };
	v[1] = (struct iovec){ guest_data(&g, q, h), len };
	v[2] = (struct iovec){ &io->status, 1 };
	if (!len) {
		v[1] = v[2];
		return guest_add(&g, q, v, 1, 1);
	}
	return guest_add(&g, q, v, out ? 2 : 1, out ? 1 : 2);
}

/* The same, alone, until its end: the status, or -1. */
static int request(uint32_t type, uint64_t sector, const void *out, void *in, uint32_t len)
{
	uint16_t h;
	uint32_t n;
	int head = ask(0, type, sector, len);

	if (head < 0)
		return -1;
	if (out)
		memcpy(guest_data(&g, 0, head), out, len);
	guest_kick(&g, 0);
	if (!guest_next(&g, 0, &h, &n, WAIT) || h != head)
		return -1;
	if (in)
		memcpy(in, guest_data(&g, 0, h), len);
	if (io_of(0, h)->status == VIRTIO_BLK_S_OK && !(type & 1) && n != len + 1)
		return -1;
	return io_of(0, h)->status;
}

static void requests(const char *cache)
{
	static uint8_t a[8192 - 64], b[8192 - 64];
	const uint32_t len = sizeof(a) / SECTOR * SECTOR;
	struct stat st;
	char id[VIRTIO_BLK_ID_BYTES];
	struct virtio_blk_discard_write_zeroes range = { .sector = 8, .num_sectors = 8 };
	struct virtio_blk_config *c;

	begin(1, cache, "serial=abc-123");
	c = (void *)g.slot->config;
	CU_ASSERT_EQUAL(c->capacity, DISK_BYTES / SECTOR);
	CU_ASSERT_EQUAL(c->blk_size, SECTOR);
	CU_ASSERT(guest_up(&g, ALL));
	CU_ASSERT_EQUAL(!(g.features & 1ull << VIRTIO_BLK_F_FLUSH), !strcmp(cache, "cache=writethrough"));
	for (unsigned int i = 0; i < sizeof(a); i++)
		a[i] = i * 7 + (i >> 8);

	/* Whole pages, sectors, across pages; read back here and there. */
	CU_ASSERT_EQUAL(request(VIRTIO_BLK_T_OUT, 8, a, NULL, 4096), VIRTIO_BLK_S_OK);
	CU_ASSERT_EQUAL(request(VIRTIO_BLK_T_OUT, 3, a, NULL, len), VIRTIO_BLK_S_OK);
	CU_ASSERT_EQUAL(request(VIRTIO_BLK_T_IN, 3, NULL, b, len), VIRTIO_BLK_S_OK);
	CU_ASSERT(!memcmp(a, b, len));
	CU_ASSERT_EQUAL(request(VIRTIO_BLK_T_FLUSH, 0, NULL, NULL, 0), VIRTIO_BLK_S_OK);
	memset(b, 0, sizeof(b));
	CU_ASSERT_EQUAL(request(VIRTIO_BLK_T_IN, 4, NULL, b, 512), VIRTIO_BLK_S_OK);
	CU_ASSERT(!memcmp(a + 512, b, 512));
	/* The first and the last sector. */
	CU_ASSERT_EQUAL(request(VIRTIO_BLK_T_OUT, 0, a, NULL, 512), VIRTIO_BLK_S_OK);
	CU_ASSERT_EQUAL(request(VIRTIO_BLK_T_OUT, DISK_BYTES / SECTOR - 1, a, NULL, 512), VIRTIO_BLK_S_OK);
	CU_ASSERT_EQUAL(request(VIRTIO_BLK_T_IN, DISK_BYTES / SECTOR - 1, NULL, b, 512), VIRTIO_BLK_S_OK);
	CU_ASSERT(!memcmp(a, b, 512));
	/* Beyond the end, also with sums that wrap; half sectors; nothing. */
	CU_ASSERT_EQUAL(request(VIRTIO_BLK_T_IN, DISK_BYTES / SECTOR, NULL, b, 512), VIRTIO_BLK_S_IOERR);
	CU_ASSERT_EQUAL(request(VIRTIO_BLK_T_OUT, DISK_BYTES / SECTOR - 1, a, NULL, 1024), VIRTIO_BLK_S_IOERR);
	CU_ASSERT_EQUAL(request(VIRTIO_BLK_T_OUT, UINT64_MAX, a, NULL, 512), VIRTIO_BLK_S_IOERR);
	CU_ASSERT_EQUAL(request(VIRTIO_BLK_T_OUT, UINT64_MAX / SECTOR + 1, a, NULL, 512), VIRTIO_BLK_S_IOERR);
	CU_ASSERT_EQUAL(request(VIRTIO_BLK_T_IN, 0, NULL, b, 100), VIRTIO_BLK_S_IOERR);
	CU_ASSERT_EQUAL(request(VIRTIO_BLK_T_OUT, 0, a, NULL, 513), VIRTIO_BLK_S_IOERR);
	CU_ASSERT_EQUAL(request(VIRTIO_BLK_T_IN, 0, NULL, NULL, 0), VIRTIO_BLK_S_OK);
	/* The name. */
	CU_ASSERT_EQUAL(request(VIRTIO_BLK_T_GET_ID, 0, NULL, id, sizeof(id)), VIRTIO_BLK_S_OK);
	CU_ASSERT_STRING_EQUAL(id, "abc-123");
	CU_ASSERT_EQUAL(request(VIRTIO_BLK_T_GET_ID, 0, NULL, id, 19), VIRTIO_BLK_S_IOERR);
	/* Zeroes: those sectors, no others. */
	CU_ASSERT_EQUAL(request(VIRTIO_BLK_T_WRITE_ZEROES, 0, &range, NULL, sizeof(range)), VIRTIO_BLK_S_OK);
	CU_ASSERT_EQUAL(request(VIRTIO_BLK_T_IN, 3, NULL, b, len), VIRTIO_BLK_S_OK);
	CU_ASSERT(!memcmp(a, b, 5 * 512) && b[5 * 512] == 0 && !memcmp(b + 5 * 512, b + 5 * 512 + 1, 4095));
	CU_ASSERT(!memcmp(a + 13 * 512, b + 13 * 512, len - 13 * 512));
	/* Discard was not offered; two ranges, bad flags and bad places. */
	CU_ASSERT_EQUAL(request(VIRTIO_BLK_T_DISCARD, 0, &range, NULL, sizeof(range)), VIRTIO_BLK_S_UNSUPP);
	CU_ASSERT_EQUAL(request(VIRTIO_BLK_T_WRITE_ZEROES, 0, a, NULL, 2 * sizeof(range)), VIRTIO_BLK_S_IOERR);
	range.flags = 2;
	CU_ASSERT_EQUAL(request(VIRTIO_BLK_T_WRITE_ZEROES, 0, &range, NULL, sizeof(range)), VIRTIO_BLK_S_UNSUPP);
	range = (struct virtio_blk_discard_write_zeroes){ .sector = DISK_BYTES / SECTOR - 7, .num_sectors = 8 };
	CU_ASSERT_EQUAL(request(VIRTIO_BLK_T_WRITE_ZEROES, 0, &range, NULL, sizeof(range)), VIRTIO_BLK_S_IOERR);
	/* No such type. */
	CU_ASSERT_EQUAL(request(2, 0, NULL, b, 512), VIRTIO_BLK_S_UNSUPP);
	CU_ASSERT_EQUAL(request(0x7fffffff, 0, a, NULL, 512), VIRTIO_BLK_S_UNSUPP);
	CU_ASSERT(!fstat(file, &st) && st.st_size == DISK_BYTES);
	CU_ASSERT_EQUAL(g.state->block.errors, 9);
	CU_ASSERT_EQUAL(g.state->block.flush_req, 1);
	CU_ASSERT(g.state->block.wr_bytes > len + 4096);
	end();
}

static void requests_none(void)
{
	requests("cache=none");
}

static void requests_writeback(void)
{
	requests("cache=writeback");
}

static void requests_writethrough(void)
{
	requests("cache=writethrough");
}

static void requests_unsafe(void)
{
	requests("cache=unsafe");
}

/* Buffers that direct I/O does not take are copied; their neighbours stay. */
static void unaligned_buffers(void)
{
	struct iovec v[4];
	uint8_t *data;
	uint16_t h;
	uint32_t n;

	begin(1, "cache=none", NULL);
	CU_ASSERT(guest_up(&g, ALL));
	data = g.mem + (6 << 20);
	for (unsigned int i = 0; i < 9000; i++)
		data[i] = i * 13;
	for (uint32_t type = VIRTIO_BLK_T_IN; type <= VIRTIO_BLK_T_OUT; type++) {
		bool out = type == VIRTIO_BLK_T_OUT;

		struct io *io = io_of(0, 0);

		io->hdr = (struct virtio_blk_outhdr){ .type = type, .sector = 9 };
		v[0] = (struct iovec){ &io->hdr, sizeof(io->hdr) };
		v[1] = (struct iovec){ data + 3, 1001 };
		v[2] = (struct iovec){ data + 4001, 2048 + 512 - 1001 };
		v[3] = (struct iovec){ &io->status, 1 };
		if (!out) {
			/* What is there now must come, and nothing else change. */
			int fd = file;

			CU_ASSERT_EQUAL(fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) & ~O_DIRECT), 0);
			CU_ASSERT_EQUAL(pwrite(fd, data + 6000, 2560, 9 * SECTOR), 2560);
			CU_ASSERT_EQUAL(fsync(fd), 0);
			fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_DIRECT);
		}
		CU_ASSERT_EQUAL(guest_add(&g, 0, v, out ? 3 : 1, out ? 1 : 3), 0);
		guest_kick(&g, 0);
		CU_ASSERT(guest_next(&g, 0, &h, &n, WAIT));
		CU_ASSERT_EQUAL(io->status, VIRTIO_BLK_S_OK);
		if (!out) {
			CU_ASSERT(!memcmp(data + 3, data + 6000, 1001));
			CU_ASSERT(!memcmp(data + 4001, data + 7001, 1559));
			CU_ASSERT_EQUAL(data[2], (uint8_t)(2 * 13));
			CU_ASSERT_EQUAL(data[1004], (uint8_t)(1004 * 13));
			memset(data + 3, 0x55, 1001);
		}
	}
	CU_ASSERT_EQUAL(request(VIRTIO_BLK_T_IN, 9, NULL, data, 1024), VIRTIO_BLK_S_OK);
	CU_ASSERT(data[0] == 0x55 && data[1000] == 0x55 && data[1001] == data[4001]);
	end();
}

/* Many at once, in several queues, also with tables: all come back, and in batches. */
static void deep_queues(void)
{
	begin(4, "cache=writeback", NULL);
	g.indirect = true;
	CU_ASSERT(guest_up(&g, ALL));
	CU_ASSERT(g.features & 1ull << VIRTIO_BLK_F_MQ);
	for (unsigned int round = 0; round < 50; round++) {
		for (unsigned int q = 0; q < 4; q++) {
			int h;

			for (unsigned int i = 0; (h = ask(q, round & 1 ? VIRTIO_BLK_T_IN : VIRTIO_BLK_T_OUT, (q * 64 + i) * 8, 4096)) >= 0; i++)
				if (!(round & 1))
					memset(guest_data(&g, q, h), round + q * 64 + i, 4096);
			guest_kick(&g, q);
		}
		for (unsigned int q = 0; q < 4; q++) {
			for (unsigned int i = 0; i < GUEST_ENTRIES; i++) {
				uint16_t h;
				uint32_t n;

				CU_ASSERT_FATAL(guest_next(&g, q, &h, &n, WAIT));
				CU_ASSERT_EQUAL(io_of(q, h)->status, VIRTIO_BLK_S_OK);
				/* Heads are taken in order, so a head is its place on the disk. */
				if (round & 1)
					CU_ASSERT_EQUAL(guest_data(&g, q, h)[4095], (uint8_t)(round - 1 + q * 64 + h));
			}
		}
	}
	CU_ASSERT_EQUAL(g.state->requests, 50 * 4 * GUEST_ENTRIES);
	/* A wake-up for each batch, not for each request; the same the other way round. */
	CU_ASSERT(g.queue[0].kicks + g.queue[1].kicks + g.queue[2].kicks + g.queue[3].kicks <= 50 * 4);
	CU_ASSERT(g.state->notifications < g.state->requests / 4);
	end();
}

static void read_only(void)
{
	char byte[512] = "x", back[512];

	begin(1, "readonly=1", NULL);
	CU_ASSERT(guest_up(&g, ALL));
	CU_ASSERT(g.features & 1ull << VIRTIO_BLK_F_RO);
	CU_ASSERT_FALSE(g.features & 1ull << VIRTIO_BLK_F_WRITE_ZEROES);
	CU_ASSERT_EQUAL(request(VIRTIO_BLK_T_OUT, 0, byte, NULL, 512), VIRTIO_BLK_S_IOERR);
	CU_ASSERT_EQUAL(request(VIRTIO_BLK_T_IN, 0, NULL, back, 512), VIRTIO_BLK_S_OK);
	CU_ASSERT_EQUAL(back[0], 0);
	CU_ASSERT_EQUAL(request(VIRTIO_BLK_T_FLUSH, 0, NULL, NULL, 0), VIRTIO_BLK_S_OK);
	end();
}

/* Discarded space goes back to the file system. */
static void discard(void)
{
	struct virtio_blk_discard_write_zeroes range = { .sector = 0, .num_sectors = 2048 };
	struct virtio_blk_config *c;
	struct stat before, after;
	static char block[4096];

	begin(1, "discard=1", NULL);
	c = (void *)g.slot->config;
	CU_ASSERT_EQUAL(c->write_zeroes_may_unmap, 1);
	CU_ASSERT(guest_up(&g, ALL));
	memset(block, 1, sizeof(block));
	for (unsigned int i = 0; i < 256; i++)
		CU_ASSERT_EQUAL(request(VIRTIO_BLK_T_OUT, i * 8, block, NULL, 4096), VIRTIO_BLK_S_OK);
	CU_ASSERT_EQUAL(request(VIRTIO_BLK_T_FLUSH, 0, NULL, NULL, 0), VIRTIO_BLK_S_OK);
	CU_ASSERT(!fstat(file, &before));
	CU_ASSERT_EQUAL(request(VIRTIO_BLK_T_DISCARD, 0, &range, NULL, sizeof(range)), VIRTIO_BLK_S_OK);
	CU_ASSERT(!fstat(file, &after));
	CU_ASSERT(after.st_blocks + 2048 <= before.st_blocks && after.st_size == DISK_BYTES);
	CU_ASSERT_EQUAL(request(VIRTIO_BLK_T_IN, 16, NULL, block, 4096), VIRTIO_BLK_S_OK);
	CU_ASSERT_EQUAL(block[0], 0);
	end();
}

static void file_errors(void)
{
	char block[4096] = "x";
	struct virtio_blk_config *c;
	struct rlimit limit = { DISK_BYTES / 2, RLIM_INFINITY }, old;

	/* Made smaller under the guest: reads fail, and the owner hears why. */
	begin(1, "cache=writeback", NULL);
	CU_ASSERT(guest_up(&g, ALL));
	CU_ASSERT(!ftruncate(file, DISK_BYTES / 2));
	CU_ASSERT_EQUAL(request(VIRTIO_BLK_T_IN, DISK_BYTES / SECTOR - 8, NULL, block, 4096), VIRTIO_BLK_S_IOERR);
	CU_ASSERT(guest_hears(&g, "error read at sector 8184: the image ends before; was it made smaller?\n"));
	CU_ASSERT_EQUAL(request(VIRTIO_BLK_T_IN, 8, NULL, block, 4096), VIRTIO_BLK_S_OK);
	/* Told of a new size, it says so to the guest. */
	c = (void *)g.slot->config;
	CU_ASSERT(!ftruncate(file, 2 * DISK_BYTES));
	guest_tell(&g, "resize\nnonsense\n");
	CU_ASSERT(guest_hears(&g, "log not understood: nonsense\n"));
	CU_ASSERT_EQUAL(c->capacity, 2 * DISK_BYTES / SECTOR);
	CU_ASSERT_EQUAL(g.slot->back.config_gen & 1, 0);
	CU_ASSERT_EQUAL(request(VIRTIO_BLK_T_OUT, 2 * DISK_BYTES / SECTOR - 8, block, NULL, 4096), VIRTIO_BLK_S_OK);
	end();

	/* No room for a write. */
	getrlimit(RLIMIT_FSIZE, &old);
	signal(SIGXFSZ, SIG_IGN);
	begin(1, "cache=writeback", NULL);
	end();
	limit.rlim_max = old.rlim_max;
	guest_init(&g, 1);
	setrlimit(RLIMIT_FSIZE, &limit);
	CU_ASSERT_FATAL(guest_run(&g, (const char *[]){ "block", file_arg, NULL }));
	setrlimit(RLIMIT_FSIZE, &old);
	CU_ASSERT(guest_up(&g, ALL));
	CU_ASSERT_EQUAL(request(VIRTIO_BLK_T_OUT, DISK_BYTES / SECTOR - 8, block, NULL, 4096), VIRTIO_BLK_S_IOERR);
	CU_ASSERT(guest_hears(&g, "error write at sector 8184: File too large\n"));
	CU_ASSERT_EQUAL(request(VIRTIO_BLK_T_OUT, 8, block, NULL, 4096), VIRTIO_BLK_S_OK);
	end();
}

/* A request that is not answered, though asked again and again. */
static int held(uint32_t type, uint64_t sector, const char *says)
{
	uint16_t h;
	uint32_t n;
	int head = ask(0, type, sector, 4096);

	memset(guest_data(&g, 0, head), 'x', 4096);
	guest_kick(&g, 0);
	CU_ASSERT(guest_hears(&g, says));
	CU_ASSERT_FALSE(guest_next(&g, 0, &h, &n, 1300));
	CU_ASSERT_EQUAL(g.state->block.held, 1);
	return head;
}

static void answered(int head, uint8_t status)
{
	uint16_t h;
	uint32_t n;

	CU_ASSERT(guest_next(&g, 0, &h, &n, WAIT) && h == head);
	CU_ASSERT_EQUAL(io_of(0, head)->status, status);
}

/* errors=, rerrors=: the owner decides if the guest hears of an error, or waits for its end. */
static void policies(void)
{
	const char *const stop[] = { "block", file_arg, "cache=writeback", "errors=stop", "rerrors=stop", NULL };
	const char *const others[] = { "block", file_arg, "cache=writeback", "errors=enospace", "rerrors=ignore", NULL };
	const uint64_t far = DISK_BYTES / SECTOR - 8;
	struct rlimit limit = { DISK_BYTES / 2, RLIM_INFINITY }, old;
	char block[4096] = "x";
	int head;

	signal(SIGXFSZ, SIG_IGN);
	getrlimit(RLIMIT_FSIZE, &old);
	limit.rlim_max = old.rlim_max;
	begin(1, "cache=writeback", NULL);
	end();
	guest_init(&g, 1);
	CU_ASSERT_FATAL(guest_run(&g, stop));
	CU_ASSERT(guest_up(&g, ALL));
	/* A read of what is not there. */
	CU_ASSERT(!ftruncate(file, DISK_BYTES / 2));
	head = held(VIRTIO_BLK_T_IN, far, "error read at sector 8184: the image ends before; was it made smaller?; it is held");
	CU_ASSERT(!ftruncate(file, DISK_BYTES) && pwrite(file, "back", 4, far * SECTOR) == 4);
	guest_tell(&g, "retry\n");
	answered(head, VIRTIO_BLK_S_OK);
	CU_ASSERT(!memcmp(guest_data(&g, 0, head), "back", 4));
	CU_ASSERT(guest_hears(&g, "the disk goes on"));
	CU_ASSERT(g.state->block.held == 0 && g.state->block.errors == 0);
	/* A write for which there is no room, until there is; others go on. */
	CU_ASSERT(!prlimit(g.pid, RLIMIT_FSIZE, &limit, NULL));
	head = held(VIRTIO_BLK_T_OUT, far, "error write at sector 8184: File too large; it is held");
	CU_ASSERT_EQUAL(request(VIRTIO_BLK_T_OUT, 8, block, NULL, 4096), VIRTIO_BLK_S_OK);
	CU_ASSERT(!prlimit(g.pid, RLIMIT_FSIZE, &old, NULL));
	answered(head, VIRTIO_BLK_S_OK);
	CU_ASSERT(pread(file, block, 4096, far * SECTOR) == 4096 && block[0] == 'x' && block[4095] == 'x');
	/* It outlives the process. */
	CU_ASSERT(!prlimit(g.pid, RLIMIT_FSIZE, &limit, NULL));
	CU_ASSERT(pwrite(file, "yyyy", 4, far * SECTOR) == 4);
	head = held(VIRTIO_BLK_T_OUT, far, "error write at sector 8184: File too large; it is held");
	guest_kill(&g);
	CU_ASSERT_FATAL(guest_run(&g, stop));
	answered(head, VIRTIO_BLK_S_OK);
	CU_ASSERT_EQUAL(g.state->block.held, 0);
	CU_ASSERT(pread(file, block, 4096, far * SECTOR) == 4096 && block[0] == 'x' && block[4095] == 'x');
	/* The driver's reset drops it. */
	CU_ASSERT(!prlimit(g.pid, RLIMIT_FSIZE, &limit, NULL));
	held(VIRTIO_BLK_T_OUT, far, "File too large; it is held");
	guest_reset(&g);
	CU_ASSERT_EQUAL(g.state->block.held, 0);
	CU_ASSERT(guest_up(&g, ALL));
	for (unsigned int i = 0; i < 2 * GUEST_ENTRIES; i++)
		CU_ASSERT_EQUAL(request(VIRTIO_BLK_T_OUT, 8, block, NULL, 4096), VIRTIO_BLK_S_OK);
	/* Detached, it does not wait for what is held. */
	held(VIRTIO_BLK_T_OUT, far, "File too large; it is held");
	end();

	guest_init(&g, 1);
	CU_ASSERT_FATAL(guest_run(&g, others));
	CU_ASSERT(guest_up(&g, ALL));
	CU_ASSERT(!prlimit(g.pid, RLIMIT_FSIZE, &limit, NULL));
	CU_ASSERT_EQUAL(request(VIRTIO_BLK_T_OUT, far, block, NULL, 4096), VIRTIO_BLK_S_IOERR);
	CU_ASSERT(!ftruncate(file, DISK_BYTES / 2));
	CU_ASSERT_EQUAL(request(VIRTIO_BLK_T_IN, far, NULL, block, 4096), VIRTIO_BLK_S_OK);
	CU_ASSERT(guest_hears(&g, "error read at sector 8184: the image ends before"));
	end();
}

/* The driver writes the configuration; true: the device has obeyed. */
static bool switch_cache(uint8_t wce)
{
	((struct virtio_blk_config *)g.slot->config_guest)->wce = wce;
	WRITE_ONCE(g.slot->guest.config_gen, g.slot->guest.config_gen + 1);
	guest_status(&g, g.slot->guest.status, 0);
	for (int ms = 0; ms < WAIT && READ_ONCE(g.slot->back.config_seen) != g.slot->guest.config_gen; ms++)
		usleep(1000);
	return g.slot->back.config_seen == g.slot->guest.config_gen;
}

/* The guest's write cache, off and on, with writes on their way; it stays as it was in the next process, and not for the next driver. */
static void cache_switch(void)
{
	static const char *const never[] = { "cache=writethrough", "cache=unsafe", "readonly=1" };
	const char *args[] = { "block", file_arg, "cache=writeback", NULL };
	struct virtio_blk_config *c;
	uint16_t h;
	uint32_t n;

	for (unsigned int i = 0; i < 3; i++) {
		begin(1, never[i], NULL);
		CU_ASSERT_FALSE(g.slot->back.features & 1ull << VIRTIO_BLK_F_CONFIG_WCE);
		CU_ASSERT(guest_up(&g, ALL) && switch_cache(0));
		end();
	}
	begin(1, "cache=writeback", NULL);
	c = (void *)g.slot->config;
	CU_ASSERT(g.slot->back.features & 1ull << VIRTIO_BLK_F_CONFIG_WCE);
	/* One that knows no flush cannot have a cache, whatever it writes. */
	CU_ASSERT(guest_up(&g, ~(1ull << VIRTIO_BLK_F_FLUSH)) && switch_cache(1));
	CU_ASSERT(guest_up(&g, ALL) && c->wce == 1);
	for (int round = 0; round < 20; round++) {
		int nr = 0;

		while (ask(0, VIRTIO_BLK_T_OUT, nr * 8, 4096) >= 0)
			nr++;
		guest_kick(&g, 0);
		CU_ASSERT(switch_cache(round & 1));
		CU_ASSERT_EQUAL(c->wce, round & 1);
		for (int i = 0; i < nr; i++)
			CU_ASSERT(guest_next(&g, 0, &h, &n, WAIT) && io_of(0, h)->status == VIRTIO_BLK_S_OK);
	}
	CU_ASSERT(switch_cache(0));
	guest_kill(&g);
	CU_ASSERT_FATAL(guest_run(&g, args));
	CU_ASSERT(c->wce == 0 && g.state->block.through);
	CU_ASSERT_EQUAL(request(VIRTIO_BLK_T_FLUSH, 0, NULL, NULL, 0), VIRTIO_BLK_S_OK);
	CU_ASSERT(guest_up(&g, ALL) && c->wce == 1);
	end();
}

static double seconds(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec + t.tv_nsec / 1e9;
}

/* How long so many requests of 4 KiB take, all asked for at once. */
static double taken(unsigned int nr, uint32_t type)
{
	double from = seconds();
	uint16_t h;
	uint32_t n;

	for (unsigned int i = 0; i < nr; i++)
		CU_ASSERT_FATAL(ask(0, type, i * 8, 4096) >= 0);
	guest_kick(&g, 0);
	for (unsigned int i = 0; i < nr; i++)
		CU_ASSERT(guest_next(&g, 0, &h, &n, WAIT) && io_of(0, h)->status == VIRTIO_BLK_S_OK);
	return seconds() - from;
}

/* limits=: never faster; a direction that is not limited does not wait for the other one. */
static void limits(void)
{
	double t;

	begin(1, "cache=writeback", "limits=0,65536,0,0,0,20");
	CU_ASSERT(guest_up(&g, ALL));
	/* 64 KiB a second; a tenth of a second is free. */
	t = taken(16, VIRTIO_BLK_T_IN);
	CU_ASSERT(t > 0.8);
	CU_ASSERT(taken(10, VIRTIO_BLK_T_OUT) > 0.3);
	/* Live: all that waits goes at once, and then nothing waits. */
	guest_tell(&g, "limits 0,1,0,0,0,0\n");
	CU_ASSERT(taken(1, VIRTIO_BLK_T_IN) < WAIT / 1000);
	ask(0, VIRTIO_BLK_T_IN, 0, 4096);
	CU_ASSERT(taken(8, VIRTIO_BLK_T_OUT) < WAIT / 1000);
	guest_tell(&g, "limits 0,0,0,0,0,0\nlimits 1,2\n");
	CU_ASSERT(guest_hears(&g, "log not understood: limits 1,2\n"));
	for (uint16_t h = 0, i = 0; i < 1; i++)
		CU_ASSERT(guest_next(&g, 0, &h, &(uint32_t){ 0 }, WAIT));
	/* A burst, whatever comes after it. */
	guest_tell(&g, "limits 0,1,0,0,0,0,0,1000000,0,0,0,0,0,0,30,0,0,0,0\n");
	CU_ASSERT(taken(16, VIRTIO_BLK_T_IN) < WAIT / 1000);
	/* Reset, killed and told to end while some wait: as with any others. */
	guest_tell(&g, "limits 1,0,0,0,0,0\n");
	for (int i = 0; i < 4; i++)
		ask(0, VIRTIO_BLK_T_IN, 0, 4096);
	guest_kick(&g, 0);
	guest_reset(&g);
	CU_ASSERT(guest_up(&g, ALL));
	for (int i = 0; i < 4; i++)
		ask(0, VIRTIO_BLK_T_OUT, i * 8, 4096);
	guest_kick(&g, 0);
	guest_kill(&g);
	CU_ASSERT_FATAL(guest_run(&g, (const char *[]){ "block", file_arg, "limits=4096,0,0,0,0,0", NULL }));
	for (uint16_t h = 0, i = 0; i < 2; i++)
		CU_ASSERT(guest_next(&g, 0, &h, &(uint32_t){ 0 }, WAIT));
	end();
}

static void features_and_status(void)
{
	begin(1, "cache=writeback", NULL);
	/* With a pool, the driver must know of it; and none takes what is not offered. */
	CU_ASSERT(guest_status(&g, 3, 3));
	g.slot->guest.features = 1ull << VIRTIO_F_VERSION_1;
	CU_ASSERT(guest_status(&g, 11, VIRTIO_CONFIG_S_NEEDS_RESET));
	CU_ASSERT_FALSE(g.slot->back.status & VIRTIO_CONFIG_S_FEATURES_OK);
	guest_reset(&g);
	g.slot->guest.features = g.slot->back.features | 1ull << 63;
	CU_ASSERT(guest_status(&g, 11, VIRTIO_CONFIG_S_NEEDS_RESET));
	/* DRIVER_OK without features. */
	guest_reset(&g);
	CU_ASSERT(guest_status(&g, 7, VIRTIO_CONFIG_S_NEEDS_RESET));
	/* Queues that are none. */
	guest_reset(&g);
	g.slot->guest.features = g.slot->back.features;
	CU_ASSERT(guest_status(&g, 11, 11));
	g.slot->queue[0].guest.enabled = 1;
	g.slot->queue[0].guest.size = 512;
	CU_ASSERT(guest_status(&g, 15, VIRTIO_CONFIG_S_NEEDS_RESET));
	CU_ASSERT(guest_hears(&g, "it may have 256"));
	/* And after all of that it works, also for one that knows few features. */
	CU_ASSERT(guest_up(&g, 1ull << VIRTIO_F_VERSION_1 | 1ull << VIRTIO_F_ACCESS_PLATFORM));
	CU_ASSERT_EQUAL(request(VIRTIO_BLK_T_FLUSH, 0, NULL, NULL, 0), VIRTIO_BLK_S_OK);
	/* Life after life, with requests in flight. */
	for (int i = 0; i < 20; i++) {
		CU_ASSERT(guest_up(&g, ALL));
		for (int n = 0; n < 8; n++)
			ask(0, VIRTIO_BLK_T_OUT, n * 8, 4096);
		guest_kick(&g, 0);
	}
	guest_reset(&g);
	CU_ASSERT(guest_up(&g, ALL));
	CU_ASSERT_EQUAL(request(VIRTIO_BLK_T_FLUSH, 0, NULL, NULL, 0), VIRTIO_BLK_S_OK);
	end();
}

/* Requests without header or status, a ring that lies: this device stops, the program does not. */
static void hostile_requests(void)
{
	struct iovec v[2];

	begin(1, "cache=writeback", NULL);
	for (int how = 0; how < 5; how++) {
		CU_ASSERT(guest_up(&g, ALL));
		v[0] = (struct iovec){ g.mem + (6 << 20), how == 0 ? 15 : 16 };
		v[1] = (struct iovec){ g.mem + (6 << 20) + 16, how == 1 ? 0 : 1 };
		memset(v[0].iov_base, 0, 64);
		switch (how) {
		case 2:		/* neither */
			guest_add(&g, 0, v + 1, 0, 1);
			break;
		case 3:
			guest_add(&g, 0, v, 2, 0);
			break;
		case 4:
			g.queue[0].next_avail = 1000;
			break;
		default:
			guest_add(&g, 0, v, 1, 1);
		}
		guest_kick(&g, 0);
		for (int ms = 0; ms < WAIT && !(READ_ONCE(g.slot->back.status) & VIRTIO_CONFIG_S_NEEDS_RESET); ms++)
			usleep(1000);
		CU_ASSERT(g.slot->back.status & VIRTIO_CONFIG_S_NEEDS_RESET);
		CU_ASSERT_EQUAL(g.queue[0].used->idx, 0);
	}
	CU_ASSERT(guest_hears(&g, "log the guest broke the device: queue 0: a request has no header\n"));
	CU_ASSERT(guest_up(&g, ALL));
	CU_ASSERT_EQUAL(request(VIRTIO_BLK_T_FLUSH, 0, NULL, NULL, 0), VIRTIO_BLK_S_OK);
	end();
}

static void refused_arguments(void)
{
	static const struct {
		const char *arg, *says;
	} bad[] = {
		{ "files=3", "block has no argument 'files'" }, { "cache=fast", "give none, writeback" }, { "errors=some", "stop, enospace or ignore" },
		{ "limits=1,2,3", "six numbers" }, { "limits=1,2,3,4,5,-6", "six numbers" },
		{ "serial=123456789012345678901", "at most 20" }, { "readonly=2", "from 0 to 1" }, { "file=977", "not open" },
		{ "nothing", "not NAME=VALUE" }, { "share=some", "bounce or full" }, { "queues=99", "from 1 to 26" },
	};
	const char *args[] = { "block", file_arg, NULL, NULL };
	int err = dup(2), log;
	char text[512];

	begin(1, "cache=writeback", NULL);
	end();
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		ssize_t n;

		guest_init(&g, 1);
		log = memfd_create("stderr", 0);
		dup2(log, 2);
		args[2] = bad[i].arg;
		CU_ASSERT_FALSE(guest_run(&g, args));
		CU_ASSERT_EQUAL(guest_ended(&g), 1);
		dup2(err, 2);
		n = pread(log, text, sizeof(text) - 1, 0);
		text[n > 0 ? n : 0] = '\0';
		if (!strstr(text, bad[i].says)) {
			fprintf(stderr, "%s: says %s", bad[i].arg, text);
			CU_FAIL("a bad argument is not explained");
		}
		close(log);
		guest_free(&g);
	}
	close(err);
}

/*
 * The real program, with its sandbox, killed 100 times while requests are in flight. Each
 * block of the disk holds a number, its version; a write's version is one more. What comes
 * back from a read is the last version that was acknowledged.
 */
static void killed_under_load(void)
{
	enum { KILLS = 100, BLOCKS = GUEST_ENTRIES, PER_KILL = 100 };
	static uint64_t version[BLOCKS];
	const char *args[] = { "block", file_arg, "cache=none", NULL };
	struct { int block; bool write; } what[GUEST_ENTRIES];
	bool busy[BLOCKS] = { 0 };
	unsigned int kills = 0, done = 0, flights = 0, next_kill = PER_KILL;
	uint64_t random = 88172645463325252ull;

	begin(1, "cache=none", NULL);
	end();
	guest_init(&g, 1);
	g.program = BACK_REAL;
	g.indirect = true;
	CU_ASSERT_FATAL(guest_run(&g, args));
	CU_ASSERT(guest_up(&g, ALL));
	memset(version, 0, sizeof(version));
	while (kills < KILLS || g.queue[0].busy) {
		uint16_t h;
		uint32_t len;
		int head;

		/* As many as go, until the last kill: one request for a block. */
		for (int i = 0; kills < KILLS && i < 8; i++) {
			unsigned int block;
			bool write;

			random ^= random << 13;
			random ^= random >> 7;
			random ^= random << 17;
			block = random % BLOCKS;
			write = random & 0x10000;
			if (busy[block])
				continue;
			head = ask(0, write ? VIRTIO_BLK_T_OUT : VIRTIO_BLK_T_IN, block * 8, 4096);
			if (head < 0)
				break;
			busy[block] = true;
			what[head].block = block;
			what[head].write = write;
			for (unsigned int w = 0; w < 4096 / 8 - 8; w++)
				((uint64_t *)guest_data(&g, 0, head))[w] = write ? version[block] + 1 : ~0ull;
		}
		guest_kick(&g, 0);
		if (done >= next_kill && kills < KILLS) {
			for (unsigned int i = 0; i < random % 2000; i++)
				__asm__ __volatile__("pause");
			guest_kill(&g);
			flights += __builtin_popcountll(g.queue[0].busy);
			kills++;
			next_kill = done + random % PER_KILL;
			CU_ASSERT_FATAL(guest_run(&g, args));
		}
		while (guest_next(&g, 0, &h, &len, kills < KILLS ? 0 : WAIT)) {
			unsigned int block = what[h].block;
			uint64_t *data = (uint64_t *)guest_data(&g, 0, h);

			if (io_of(0, h)->status != VIRTIO_BLK_S_OK) {
				CU_FAIL("a request failed");
			} else if (what[h].write) {
				version[block]++;
			} else if (data[0] != version[block] || data[4096 / 8 - 9] != version[block]) {
				fprintf(stderr, "block %u has version %llu, not %llu, after %u kills\n", block,
					(unsigned long long)data[0], (unsigned long long)version[block], kills);
				CU_FAIL("data was lost");
			}
			busy[block] = false;
			done++;
			if (!g.queue[0].busy)
				break;
		}
	}
	CU_ASSERT_EQUAL(g.state->starts, KILLS + 1);
	CU_ASSERT(flights > KILLS);
	CU_ASSERT_EQUAL(g.state->block.errors, 0);
	for (unsigned int block = 0; block < BLOCKS; block++) {
		uint64_t data[512];

		CU_ASSERT_EQUAL(request(VIRTIO_BLK_T_IN, block * 8, NULL, data, 4096 - 512), VIRTIO_BLK_S_OK);
		CU_ASSERT_EQUAL(data[0], version[block]);
	}
	printf("%u kills, %u requests in flight at them, %u done ", kills, flights, done);
	end();
}

TESTS("vmi-back block", TEST(requests_none), TEST(requests_writeback), TEST(requests_writethrough), TEST(requests_unsafe),
      TEST(unaligned_buffers), TEST(deep_queues), TEST(read_only), TEST(discard), TEST(file_errors), TEST(policies), TEST(cache_switch), TEST(limits), TEST(features_and_status),
      TEST(hostile_requests), TEST(refused_arguments), TEST(killed_under_load))
