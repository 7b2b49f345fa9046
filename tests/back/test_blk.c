// SPDX-License-Identifier: GPL-2.0-only
/*
 * test_blk.c - requests of virtio disks: header, data and status however the guest cuts
 * them into buffers, what lacks one of them, the ranges of a discard, and what is counted.
 */
#include <string.h>

#include <linux/virtio_blk.h>

#include "blk.h"
#include "tools_test.h"

static uint8_t memory[4096];
static struct iovec iov[8];

/* A chain of pieces of these lengths, one after the other in memory with gaps; 0 ends both lists. */
static struct ring_chain chain(const size_t *out, const size_t *in)
{
	struct ring_chain c = { .iov = iov };
	uint8_t *at = memory;

	for (; *out; out++, c.nr_out++) {
		iov[c.nr_out] = (struct iovec){ at, *out };
		c.out += *out;
		at += *out + 8;
	}
	for (; *in; in++, c.nr_in++) {
		iov[c.nr_out + c.nr_in] = (struct iovec){ at, *in };
		c.in += *in;
		at += *in + 8;
	}
	return c;
}

#define LIST(...)	((const size_t[]){ __VA_ARGS__ })

static void header(struct virtio_blk_outhdr h)
{
	memcpy(memory, &h, sizeof(h));
}

static void reads(void)
{
	struct ring_chain c = chain(LIST(16, 0), LIST(512, 1024, 1, 0));
	struct blk_request r;

	header((struct virtio_blk_outhdr){ .type = VIRTIO_BLK_T_IN, .sector = 77 });
	CU_ASSERT_PTR_NULL_FATAL(blk_parse(&r, &c));
	CU_ASSERT(r.type == VIRTIO_BLK_T_IN && r.sector == 77 && r.len == 1536 && r.nr_data == 2);
	CU_ASSERT_PTR_EQUAL(r.data[0].iov_base, memory + 24);
	CU_ASSERT_PTR_EQUAL(r.status, memory + 24 + 520 + 1032);
	/* The status ends the last buffer. */
	c = chain(LIST(16, 0), LIST(513, 0));
	CU_ASSERT_PTR_NULL_FATAL(blk_parse(&r, &c));
	CU_ASSERT(r.len == 512 && r.nr_data == 1 && r.data->iov_len == 512 && r.status == memory + 24 + 512);
}

static void writes(void)
{
	struct ring_chain c = chain(LIST(16 + 512, 512, 0), LIST(1, 0));
	struct blk_request r;

	header((struct virtio_blk_outhdr){ .type = VIRTIO_BLK_T_OUT, .sector = -1 });
	CU_ASSERT_PTR_NULL_FATAL(blk_parse(&r, &c));
	CU_ASSERT(r.type == VIRTIO_BLK_T_OUT && r.sector == -1ul && r.len == 1024 && r.nr_data == 2);
	CU_ASSERT(r.data[0].iov_base == memory + 16 && r.data[0].iov_len == 512 && r.data[1].iov_len == 512);
	/* A header in two pieces, and no data. */
	c = chain(LIST(8, 8, 0), LIST(1, 0));
	memcpy(memory + 16, &(uint64_t){ 5 }, 8);
	CU_ASSERT_PTR_NULL_FATAL(blk_parse(&r, &c));
	CU_ASSERT(r.sector == 5 && !r.len && !r.nr_data);
}

static void parts_missing(void)
{
	struct ring_chain c = chain(LIST(16, 0), LIST(0));
	struct blk_request r;

	CU_ASSERT_STRING_EQUAL(blk_parse(&r, &c), "status");
	c = chain(LIST(8, 7, 0), LIST(1, 0));
	CU_ASSERT_STRING_EQUAL(blk_parse(&r, &c), "header");
	c = chain(LIST(0), LIST(17, 0));
	CU_ASSERT_STRING_EQUAL(blk_parse(&r, &c), "header");
}

static void ranges(void)
{
	struct virtio_blk_discard_write_zeroes range[3] = { { 0, 8, 0 }, { 5, UINT32_MAX, 0 }, { -1, 1, -1 } };
	struct ring_chain c = chain(LIST(16 + sizeof(range), 0), LIST(1, 0));
	struct blk_request r;

	header((struct virtio_blk_outhdr){ .type = VIRTIO_BLK_T_DISCARD });
	memcpy(memory + 16, range, sizeof(range));
	CU_ASSERT_PTR_NULL_FATAL(blk_parse(&r, &c));
	CU_ASSERT_EQUAL(blk_range_bytes(&r), (9 + (uint64_t)UINT32_MAX) * SECTOR);
	/* A piece of one is none. */
	c = chain(LIST(16 + 31, 0), LIST(1, 0));
	CU_ASSERT_PTR_NULL_FATAL(blk_parse(&r, &c));
	CU_ASSERT_EQUAL(blk_range_bytes(&r), 8 * SECTOR);
}

static void counts(void)
{
	struct back_block_stats s = { 0 };

	blk_count(&s, VIRTIO_BLK_T_IN, VIRTIO_BLK_S_OK, 512, 7);
	blk_count(&s, VIRTIO_BLK_T_IN, VIRTIO_BLK_S_IOERR, 0, 7);
	blk_count(&s, VIRTIO_BLK_T_OUT, VIRTIO_BLK_S_OK, 1024, 3);
	blk_count(&s, VIRTIO_BLK_T_FLUSH, VIRTIO_BLK_S_OK, 0, 2);
	blk_count(&s, VIRTIO_BLK_T_WRITE_ZEROES, VIRTIO_BLK_S_UNSUPP, 0, 2);
	blk_count(&s, VIRTIO_BLK_T_GET_ID, VIRTIO_BLK_S_OK, 20, 2);
	CU_ASSERT(s.rd_req == 2 && s.rd_bytes == 512 && s.rd_ns == 14 && s.errors == 1);
	CU_ASSERT(s.wr_req == 1 && s.wr_bytes == 1024 && s.wr_ns == 3);
	CU_ASSERT(s.flush_req == 1 && s.flush_ns == 2 && s.discard_req == 1 && !s.discard_bytes);
}

static void serial_numbers(void)
{
	struct ring_chain c = chain(LIST(16, 0), LIST(8, 12, 1, 0));
	char serial[VIRTIO_BLK_ID_BYTES];
	struct blk_request r;

	memset(memory, 0x5a, sizeof(memory));
	header((struct virtio_blk_outhdr){ .type = VIRTIO_BLK_T_GET_ID });
	CU_ASSERT_PTR_NULL_FATAL(blk_parse(&r, &c));
	blk_serial(serial, "12345678901234567890");
	CU_ASSERT_EQUAL(blk_identify(&r, serial), VIRTIO_BLK_S_OK);
	CU_ASSERT(!memcmp(memory + 24, "12345678", 8) && !memcmp(memory + 40, "901234567890", 12) && memory[32] == 0x5a && memory[52] == 0x5a);
	/* A shorter one ends with zeroes, whatever was there. */
	blk_serial(serial, "abc");
	CU_ASSERT_EQUAL(blk_identify(&r, serial), VIRTIO_BLK_S_OK);
	CU_ASSERT(!memcmp(memory + 24, "abc\0\0\0\0\0", 8) && !memory[51]);
	c = chain(LIST(16, 0), LIST(20, 0));
	CU_ASSERT_PTR_NULL_FATAL(blk_parse(&r, &c));
	CU_ASSERT_EQUAL(blk_identify(&r, serial), VIRTIO_BLK_S_IOERR);
}

TESTS("requests of disks", TEST(serial_numbers), TEST(reads), TEST(writes), TEST(parts_missing), TEST(ranges), TEST(counts))
