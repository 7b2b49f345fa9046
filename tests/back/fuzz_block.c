// SPDX-License-Identifier: GPL-2.0-only
/*
 * fuzz_block.c - a guest that writes anything into a disk's rings, requests and slot
 * page, at any time: the back end neither crashes nor hangs, gives nothing back
 * that it did not take, and works for the next driver.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <linux/virtio_blk.h>
#include <linux/virtio_config.h>
#include <linux/virtio_ring.h>

#include "dev.h"

#define GPA	0x100000ull
#define WINDOW	16384
#define SIZE	16
#define DISK	(64 << 10)
#define AVAIL	1024
#define USED	2048
#define TABLE	3072
#define HEADERS	4096
#define DATA	8192

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct dev d = { .ops = &block_ops, .queues = 2, .bounce = true };
static uint8_t *window;
static uint64_t features;
static int wake;

static void woken(struct loop_op *op, int res)
{
	(void)op;
	(void)res;
}

static void set_up(void)
{
	static struct loop_op op = { woken, -1 };
	int sv[2], fd = memfd_create("disk", 0);
	char arg[16];

	/* Of its own on the heap, so that one byte beyond is found. */
	window = aligned_alloc(4096, WINDOW);
	d.mem = (struct mem){ .nr = 1, .window = { { GPA, WINDOW, window, -1 } } };
	d.slot = aligned_alloc(4096, sizeof(*d.slot));
	d.state = calloc(1, sizeof(*d.state));
	if (!window || !d.slot || !d.state || ftruncate(fd, DISK) || socketpair(AF_UNIX, SOCK_STREAM, 0, sv))
		abort();
	memset(d.slot, 0, sizeof(*d.slot));
	d.ctl = sv[0];
	snprintf(arg, sizeof(arg), "%d", fd);
	block_ops.arg(&d, "file", arg);
	block_ops.arg(&d, "discard", "1");
	block_ops.init(&d);
	for (unsigned int i = 0; i <= d.nr_queues; i++) {
		struct dev_port *p = i ? &d.queue[i - 1].port : &d.port;

		*p = (struct dev_port){ .dev = &d, .queue = i ? i - 1 : DEV_PORT_OWN, .in = eventfd(0, 0), .out = eventfd(0, EFD_NONBLOCK) };
	}
	wake = eventfd(0, EFD_NONBLOCK);
	loop_init(block_ops.opcodes, -1);
	loop_poll(&op, wake);
	dev_begin(&d);
	features = d.slot->back.features;
}

/* What is done is handled; never waits for what may not come. */
static void round_trip(void)
{
	uint64_t one = 1;

	dev_settle(&d);
	if (write(wake, &one, sizeof(one)) < 0 && read(wake, &one, sizeof(one)) < 0)
		abort();
	loop_round();
	dev_settle(&d);
}

/* A driver with good requests in its rings, which are at the same place: what the input changes. */
static void good_driver(unsigned int queues)
{
	memset(window, 0, WINDOW);
	for (unsigned int i = 0; i < 5; i++) {
		static const uint32_t type[] = { VIRTIO_BLK_T_OUT, VIRTIO_BLK_T_IN, VIRTIO_BLK_T_FLUSH, VIRTIO_BLK_T_WRITE_ZEROES, VIRTIO_BLK_T_OUT };
		struct vring_desc *desc = (struct vring_desc *)window + 3 * i;
		struct virtio_blk_outhdr hdr = { .type = type[i], .sector = i };
		uint16_t next = 3 * i;

		if (i == 4) {
			*desc = (struct vring_desc){ GPA + TABLE, 48, VRING_DESC_F_INDIRECT, 0 };
			desc = (struct vring_desc *)(window + TABLE);
			next = 0;
		}
		memcpy(window + HEADERS + 64 * i, &hdr, sizeof(hdr));
		desc[0] = (struct vring_desc){ GPA + HEADERS + 64 * i, 16, VRING_DESC_F_NEXT, next + 1 };
		desc[1] = (struct vring_desc){ GPA + DATA, i == 3 ? 16 : 1024, VRING_DESC_F_NEXT | (type[i] & 1 ? 0 : VRING_DESC_F_WRITE), next + 2 };
		desc[2] = (struct vring_desc){ GPA + HEADERS + 64 * i + 32, 1, VRING_DESC_F_WRITE, 0 };
		((struct vring_avail *)(window + AVAIL))->ring[i] = 3 * i;
	}
	((struct vring_avail *)(window + AVAIL))->idx = 5;
	d.slot->guest.features = features;
	for (unsigned int q = 0; q < d.nr_queues; q++)
		d.slot->queue[q].guest = (struct vmi_queue_guest){ .size = SIZE, .enabled = q < queues, .desc = GPA, .avail = GPA + AVAIL, .used = GPA + USED };
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	size_t at = 0;

	if (!window)
		set_up();
	good_driver(2);
	d.slot->guest.status = 11;
	dev_look(&d);
	d.slot->guest.status = 15;
	while (at + 4 <= size) {
		size_t n = data[at + 1], offset = data[at + 2] | data[at + 3] << 8;
		uint8_t what = data[at];

		at += 4;
		switch (what % 8) {
		case 0: case 1: case 2:		/* into the window */
			n = n < size - at ? n : size - at;
			offset %= WINDOW;
			n = n < WINDOW - offset ? n : WINDOW - offset;
			memcpy(window + offset, data + at, n);
			at += n;
			break;
		case 3:				/* into the slot page */
			n = n < size - at ? n : size - at;
			offset %= sizeof(*d.slot);
			n = n < sizeof(*d.slot) - offset ? n : sizeof(*d.slot) - offset;
			memcpy((uint8_t *)d.slot + offset, data + at, n);
			at += n;
			break;
		case 4:
			round_trip();
			break;
		case 5:
			d.slot->guest.status = n;
			dev_look(&d);
			break;
		case 6:
			dev_look(&d);
			break;
		case 7:
			if (d.started && d.queue[n % 2].enabled)
				block_ops.kick(&d, n % 2);
			break;
		}
	}
	/* The next driver finds a device that works. */
	d.slot->guest.status = 0;
	dev_look(&d);
	for (int i = 0; d.state->status; i++) {
		if (i == 100000)
			abort();
		round_trip();
	}
	good_driver(1);
	for (unsigned int status = 11; status <= 15; status += 4) {
		d.slot->guest.status = status;
		dev_look(&d);
	}
	for (int i = 0; ((struct vring_used *)(window + USED))->idx < 5; i++) {
		if (i == 100000)
			abort();
		round_trip();
	}
	d.slot->guest.status = 0;
	dev_look(&d);
	while (d.state->status)
		round_trip();
	return 0;
}
