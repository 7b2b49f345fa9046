// SPDX-License-Identifier: GPL-2.0-only
/*
 * test_disk.c - requests that a disk of 4 KiB sectors cannot take as they are: random
 * ones, in pieces, change what they name and nothing else, also at the image's end.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "disk.h"
#include "tools_test.h"

#define BYTES	((1 << 20) + 3 * SECTOR)	/* the last sectors are no whole block */

static uint64_t state = 88172645463325252ull;

static uint64_t random_below(uint64_t n)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return state % n;
}

/* (len) bytes at (p) in one to four pieces. */
static unsigned int pieces(struct iovec *v, uint8_t *p, size_t len)
{
	unsigned int n = 0;

	while (len) {
		size_t part = n == 3 ? len : 1 + random_below(len);

		v[n++] = (struct iovec){ p, part };
		p += part;
		len -= part;
	}
	return n;
}

static void small_requests_on_large_sectors(void)
{
	static uint8_t model[BYTES], data[BYTES], back[BYTES + 4096];
	struct disk k = { .fd = memfd_create("disk", 0), .direct = true, .align = 4096, .size = BYTES };
	struct iovec v[4];

	CU_ASSERT_FATAL(k.fd >= 0 && !ftruncate(k.fd, BYTES));
	for (int i = 0; i < 3000; i++) {
		uint64_t at = random_below(BYTES / SECTOR) * SECTOR, max = BYTES - at;
		uint64_t len = (1 + random_below((i % 100 ? (max > 16384 ? 16384 : max) : max) / SECTOR)) * SECTOR;
		bool write = random_below(2);
		unsigned int n = pieces(v, data, len);

		if (i % 50 == 0) {	/* up to the end */
			at = BYTES - len;
		}
		for (uint64_t b = 0; write && b < len; b += 8)
			*(uint64_t *)(data + b) = random_below(UINT64_MAX);
		if (disk_slow(&k, write, v, n, at, len)) {
			CU_FAIL("a request failed");
			break;
		}
		if (write)
			memcpy(model + at, data, len);
		if (memcmp(model + at, data, len)) {
			CU_FAIL("what was read is not what was written");
			break;
		}
	}
	CU_ASSERT(pread(k.fd, back, sizeof(back), 0) >= BYTES);
	CU_ASSERT(!memcmp(model, back, BYTES));
	/* What lies behind the end is nobody's: no bytes of a buffer before. */
	for (unsigned int b = BYTES; b < sizeof(back); b++)
		CU_ASSERT_EQUAL_FATAL(back[b], 0);
	close(k.fd);
}

static void what_fits(void)
{
	struct disk k = { .direct = true, .align = 4096 };
	struct iovec v = { (void *)0x10000, 8192 };

	CU_ASSERT(disk_fits(&k, &v, 1, 4096, 8192));
	CU_ASSERT_FALSE(disk_fits(&k, &v, 1, 512, 8192));
	CU_ASSERT_FALSE(disk_fits(&k, &v, 1, 4096, 8192 - 512));
	v.iov_base = (void *)0x10004;
	CU_ASSERT_FALSE(disk_fits(&k, &v, 1, 4096, 8192));
	k.direct = false;
	CU_ASSERT(disk_fits(&k, &v, 1, 512, 8192));
}

static void shorter_than_it_was(void)
{
	struct disk k = { .fd = memfd_create("disk", 0), .direct = true, .align = 512, .size = BYTES };
	static uint8_t data[4096];
	struct iovec v = { data, sizeof(data) };

	CU_ASSERT(!ftruncate(k.fd, 8192));
	CU_ASSERT_EQUAL(disk_slow(&k, false, &v, 1, 8192 - 512, 4096), -ENODATA);
	CU_ASSERT_EQUAL(disk_slow(&k, false, &v, 1, 65536, 4096), -ENODATA);
	CU_ASSERT_EQUAL(disk_slow(&k, false, &v, 1, 4096, 4096), 0);
	close(k.fd);
}

TESTS("the file behind a disk", TEST(small_requests_on_large_sectors), TEST(what_fits), TEST(shorter_than_it_was))
