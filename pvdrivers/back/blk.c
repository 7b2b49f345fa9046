// SPDX-License-Identifier: GPL-2.0-only
/*
 * blk.c - requests of virtio disks. See blk.h.
 *
 * Trust: the chain lies in the windows (ring.c); what is in its buffers is the guest's.
 */
#include <string.h>

#include "blk.h"
#include "dev.h"

#define RANGES_MAX	64		/* that are counted; more is offered by no server */

const char *blk_parse(struct blk_request *r, const struct ring_chain *c)
{
	struct virtio_blk_outhdr hdr;
	const struct iovec *last;

	if (!c->nr_in)
		return "status";
	if (!ring_gather(&hdr, c->iov, c->nr_out, 0, sizeof(hdr)))
		return "header";
	last = &c->iov[c->nr_out + c->nr_in - 1];
	r->status = (uint8_t *)last->iov_base + last->iov_len - 1;
	r->type = hdr.type;
	r->sector = hdr.sector;
	if (hdr.type == VIRTIO_BLK_T_IN || hdr.type == VIRTIO_BLK_T_GET_ID) {
		r->data = c->iov + c->nr_out;
		r->len = c->in - 1;
		r->nr_data = ring_cut(r->data, c->nr_in, 0, r->len);
	} else {
		r->data = c->iov;
		r->len = c->out - sizeof(hdr);
		r->nr_data = ring_cut(r->data, c->nr_out, sizeof(hdr), r->len);
	}
	return NULL;
}

void blk_serial(char to[VIRTIO_BLK_ID_BYTES], const char *value)
{
	size_t n = strlen(value);

	if (n > VIRTIO_BLK_ID_BYTES)
		die("serial=%s: at most %d characters", value, VIRTIO_BLK_ID_BYTES);
	memset(to, 0, VIRTIO_BLK_ID_BYTES);
	memcpy(to, value, n);
}

uint8_t blk_identify(const struct blk_request *r, const char serial[VIRTIO_BLK_ID_BYTES])
{
	return ring_scatter(r->data, r->nr_data, 0, serial, VIRTIO_BLK_ID_BYTES) ? VIRTIO_BLK_S_OK : VIRTIO_BLK_S_IOERR;
}

uint64_t blk_range_bytes(const struct blk_request *r)
{
	struct virtio_blk_discard_write_zeroes range;
	uint64_t bytes = 0;

	for (unsigned int i = 0; i < RANGES_MAX && ring_gather(&range, r->data, r->nr_data, i * sizeof(range), sizeof(range)); i++)
		bytes += (uint64_t)range.num_sectors * SECTOR;
	return bytes;
}

void blk_count(struct back_block_stats *s, uint32_t type, uint8_t status, uint64_t bytes, uint64_t ns)
{
	if (status == VIRTIO_BLK_S_IOERR)
		s->errors++;
	switch (type) {
	case VIRTIO_BLK_T_IN:
		s->rd_req++;
		s->rd_bytes += bytes;
		s->rd_ns += ns;
		break;
	case VIRTIO_BLK_T_OUT:
		s->wr_req++;
		s->wr_bytes += bytes;
		s->wr_ns += ns;
		break;
	case VIRTIO_BLK_T_FLUSH:
		s->flush_req++;
		s->flush_ns += ns;
		break;
	case VIRTIO_BLK_T_DISCARD:
	case VIRTIO_BLK_T_WRITE_ZEROES:
		s->discard_req++;
		s->discard_bytes += bytes;
		break;
	}
}
