/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * blk.h - requests of virtio disks: what a chain asks for, and the counters of what was
 * done. block.c serves them, vhost_user.c passes them on.
 *
 * What a chain says may be another thing when it is read again: it is read once.
 */
#ifndef BACK_BLK_H
#define BACK_BLK_H

#include <stdint.h>
#include <sys/uio.h>

#include <linux/virtio_blk.h>

#include "ring.h"

#define SECTOR	512

struct blk_request {
	uint32_t type;
	uint64_t sector;
	struct iovec *data;		/* in the chain's iovecs, without header and status */
	unsigned int nr_data;
	uint64_t len;			/* bytes of it */
	uint8_t *status;		/* the guest's byte for it */
};

/* Out of a chain of ring_pop(), whose iovecs are changed. NULL, or what it lacks. */
const char *blk_parse(struct blk_request *r, const struct ring_chain *c);
/* The argument serial=TEXT, or die(). */
void blk_serial(char to[VIRTIO_BLK_ID_BYTES], const char *value);
/* Answer a GET_ID: its status. */
uint8_t blk_identify(const struct blk_request *r, const char serial[VIRTIO_BLK_ID_BYTES]);
/* Bytes of the disk that all ranges of a discard, or of write-zeroes, have. */
uint64_t blk_range_bytes(const struct blk_request *r);
/* One request is over, in which (bytes) of the disk were done, after (ns). */
void blk_count(struct back_block_stats *s, uint32_t type, uint8_t status, uint64_t bytes, uint64_t ns);

#endif
