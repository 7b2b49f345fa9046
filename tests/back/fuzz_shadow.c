// SPDX-License-Identifier: GPL-2.0-only
/*
 * fuzz_shadow.c - a guest and a server that write anything into the two rings that the
 * front joins, and servers and fronts that die: only what is in flight is given
 * back, once, no index leaves its ring, and what a request asks for lies in the window.
 */
#include <stdlib.h>
#include <string.h>

#include <linux/virtio_config.h>
#include <linux/virtio_ring.h>

#include "blk.h"
#include "shadow.h"

#define GPA	0x100000ull
#define WINDOW	8192
#define SIZE	16
#define AVAIL	1024
#define USED	2048
#define FEATURES (1ull << VIRTIO_RING_F_EVENT_IDX | 1ull << VIRTIO_RING_F_INDIRECT_DESC)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static uint8_t *window, *page;
static struct back_queue state;
static struct mem mem;
static struct ring ring;
static struct shadow shadow;
static struct back_block_stats stats;
static struct blk_request asked[SIZE];	/* by head; without status: it is no disk's */
static uint16_t served;			/* entries that the honest server looked at */

/* A front begins, with a server; false: the guest's ring is none. */
static bool begin(void)
{
	served = 0;
	shadow_start(&shadow, page, SIZE, true);
	return ring_start(&ring, &mem, &state, SIZE, GPA, GPA + AVAIL, GPA + USED, FEATURES);
}

static void note(const struct ring_chain *c)
{
	struct blk_request *r = &asked[c->head];
	uint64_t bytes = 0;

	*r = (struct blk_request){ 0 };
	if (blk_parse(r, c)) {
		r->status = NULL;
		return;
	}
	for (unsigned int i = 0; i < r->nr_data; i++) {
		const uint8_t *at = r->data[i].iov_base;

		if (at < window || r->data[i].iov_len > WINDOW || at + r->data[i].iov_len > window + WINDOW)
			abort();
		bytes += r->data[i].iov_len;
	}
	if (bytes != r->len || bytes > (uint64_t)c->out + c->in)
		abort();
	blk_range_bytes(r);
}

static void take(void)
{
	static struct iovec iov[SIZE];
	struct ring_chain c = { .iov = iov, .max = SIZE };

	while (ring_pop(&ring, &c) == RING_GOT) {
		if (shadow.room[c.head] != SHADOW_NONE || !state.flight[c.head])
			abort();
		note(&c);
		shadow_add(&shadow, c.head, c.in);
	}
	shadow_show(&shadow);
}

static void collect(void)
{
	uint32_t len, room[SIZE];
	uint16_t head;

	for (;;) {
		memcpy(room, shadow.room, sizeof(room));
		if (shadow_next(&shadow, &head, &len) != RING_GOT)
			break;
		if (head >= SIZE || room[head] == SHADOW_NONE || len > room[head] || !state.flight[head])
			abort();
		if (asked[head].status)
			blk_count(&stats, asked[head].type, *asked[head].status, asked[head].len, 0);
		ring_push(&ring, head, len);
	}
	ring_publish(&ring);
	for (unsigned int i = 0; i < SIZE; i++)
		if (!state.flight[i] && shadow.room[i] != SHADOW_NONE)
			abort();
}

/* What the input does not spoil: a driver's and a server's work. */
static void offer(uint8_t what)
{
	struct vring_avail *a = (void *)(window + AVAIL);
	uint16_t head = what % SIZE;

	((struct vring_desc *)window)[head] = (struct vring_desc){ GPA + 4096 + what, what, what & 1 ? VRING_DESC_F_WRITE : 0, 0 };
	a->ring[a->idx++ % SIZE] = head;
}

static void serve(uint8_t what)
{
	if (served == shadow.avail->idx)
		return;
	shadow.used->ring[shadow.used->idx % SIZE] = (vring_used_elem_t){ shadow.avail->ring[served++ % SIZE], what & 64 ? what : 0 };
	shadow.used->idx++;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (!window) {
		/* Of their own on the heap, so that one byte beyond is found. */
		window = aligned_alloc(4096, WINDOW);
		page = aligned_alloc(4096, SHADOW_BYTES);
		if (!window || !page)
			abort();
		mem = (struct mem){ .nr = 1, .window = { { GPA, WINDOW, window, -1 } } };
	}
	memset(window, 0, WINDOW);
	ring_reset(&ring, &state);
	if (!begin())
		abort();
	for (; size >= 4; data += 4, size -= 4) {
		uint16_t at = data[1] | data[2] << 8;

		switch (data[0] % 12) {
		case 0:
			window[at % WINDOW] = data[3];
			break;
		case 1:
			page[at % SHADOW_BYTES] = data[3];
			break;
		case 2: case 3: case 4:
			offer(data[3]);
			break;
		case 5: case 6: case 7:
			serve(data[3]);
			break;
		case 8: case 9:
			take();
			break;
		case 10:
			collect();
			break;
		case 11:
			/* The driver after a broken ring; else a successor, with what is in flight. */
			if (ring.broken || data[3] < 8)
				ring_reset(&ring, &state);
			if (!begin())
				abort();
		}
	}
	return 0;
}
