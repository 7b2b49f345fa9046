// SPDX-License-Identifier: GPL-2.0-only
/*
 * fuzz_frames.c - a guest that writes anything into a network card's data rings while
 * frames of all sizes go both ways: no byte outside its window is touched, and the
 * next driver gets a frame whole.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <linux/virtio_config.h>
#include <linux/virtio_ids.h>
#include <linux/virtio_ring.h>

#include "net.h"

#define GPA	0x100000ull
#define WINDOW	32768
#define SIZE	8
#define RING	4096		/* of each queue: rings and tables */
#define BUFFERS	8192

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static uint8_t *window;
static struct net net;
static struct net_pair *const pair = &net.pair[0];
static int far;			/* the tap's other side, a socket here */

static void start(struct dev *d)
{
	net.mergeable = d->agreed & 1ull << VIRTIO_NET_F_MRG_RXBUF;
	pair->serving[NET_RX] = pair->serving[NET_TX] = true;
	net_frames_reset(pair);
}

static void kick(struct dev *d, unsigned int q)
{
	(void)d;
	if (q == NET_RX)
		net_receive(pair);
	else
		net_send(pair);
}

static const struct dev_ops ops = { .name = "frames", .device = VIRTIO_ID_NET, .start = start, .stop = dev_stopped, .kick = kick };
static struct dev d = { .ops = &ops, .nr_queues = 2, .size_max = SIZE, .features = 1ull << VIRTIO_NET_F_MRG_RXBUF };

static void set_up(void)
{
	int sv[2], size = 1 << 20;

	/* Of its own on the heap, so that one byte beyond is found. */
	window = aligned_alloc(4096, WINDOW);
	d.mem = (struct mem){ .nr = 1, .window = { { GPA, WINDOW, window, -1 } } };
	d.slot = aligned_alloc(4096, sizeof(*d.slot));
	d.state = calloc(1, sizeof(*d.state));
	if (!window || !d.slot || !d.state || socketpair(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0, sv))
		abort();
	memset(d.slot, 0, sizeof(*d.slot));
	setsockopt(sv[0], SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
	setsockopt(sv[1], SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
	pair->net = &net;
	pair->txq = NET_TX;
	pair->tap = sv[0];
	far = sv[1];
	net.dev = &d;
	if (socketpair(AF_UNIX, SOCK_STREAM, 0, sv))
		abort();
	d.ctl = sv[0];
	for (unsigned int i = 0; i <= d.nr_queues; i++) {
		struct dev_port *p = i ? &d.queue[i - 1].port : &d.port;

		*p = (struct dev_port){ .dev = &d, .queue = i ? i - 1 : DEV_PORT_OWN, .in = eventfd(0, 0), .out = eventfd(0, EFD_NONBLOCK) };
	}
	loop_init(NULL, -1);
	dev_begin(&d);
}

static void status(unsigned int s)
{
	d.slot->guest.status = s;
	dev_look(&d);
}

/* A driver with good buffers of (bytes) in both rings. */
static void driver(unsigned int bytes, bool mergeable)
{
	memset(window, 0, WINDOW);
	for (unsigned int q = 0; q < 2; q++) {
		uint8_t *ring = window + q * RING;
		struct vring_desc *desc = (struct vring_desc *)ring;
		struct vring_avail *avail = (struct vring_avail *)(ring + 1024);

		for (unsigned int i = 0; i < SIZE; i++) {
			desc[i] = (struct vring_desc){ GPA + BUFFERS + bytes * i, bytes, q == NET_RX ? VRING_DESC_F_WRITE : 0, 0 };
			avail->ring[i] = i;
		}
		avail->idx = SIZE;
		d.slot->queue[q].guest = (struct vmi_queue_guest){
			.size = SIZE, .enabled = 1, .desc = GPA + q * RING, .avail = GPA + q * RING + 1024, .used = GPA + q * RING + 2048
		};
	}
	d.slot->guest.features = d.slot->back.features & ~(mergeable ? 0 : 1ull << VIRTIO_NET_F_MRG_RXBUF);
	status(11);
	status(15);
}

static void publish(void)
{
	dev_publish(&d, NET_RX);
	dev_publish(&d, NET_TX);
	dev_settle(&d);
}

static void drain(void)
{
	static uint8_t frame[NET_FRAME];

	while (read(far, frame, sizeof(frame)) >= 0)
		;
	net_drain(pair);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static uint8_t frame[NET_FRAME], got[2048];
	struct vring_used *used;
	uint16_t count;
	size_t at = 1;

	if (!window)
		set_up();
	if (!size)
		return 0;
	driver(data[0] & 2 ? 100 : 2048, data[0] & 1);
	while (at + 4 <= size) {
		size_t n = data[at + 1], offset = data[at + 2] | data[at + 3] << 8;
		uint8_t what = data[at];

		at += 4;
		switch (what % 4) {
		case 0:			/* the guest changes something */
			n = n < size - at ? n : size - at;
			offset %= WINDOW;
			n = n < WINDOW - offset ? n : WINDOW - offset;
			memcpy(window + offset, data + at, n);
			at += n;
			break;
		case 1:			/* a frame comes */
			if (write(far, frame, offset < sizeof(frame) ? offset : sizeof(frame)) < 0)
				drain();
			break;
		case 2:
			if (d.started && d.queue[n & 1].enabled)
				kick(&d, n & 1);
			break;
		case 3:
			publish();
			break;
		}
	}
	/* The next driver. */
	status(0);
	drain();
	driver(500, true);
	for (size_t i = 0; i < sizeof(got); i++)
		frame[i] = i * 7;
	if (d.state->status != 15 || write(far, frame, 1700) != 1700)
		abort();
	kick(&d, NET_RX);
	publish();
	used = (struct vring_used *)(window + 2048);
	memcpy(&count, window + BUFFERS + 10, sizeof(count));
	if (used->idx != 4 || count != 4)
		abort();
	for (unsigned int i = 0, n = 0; i < 4; n += used->ring[i++].len)
		memcpy(got + n, window + BUFFERS + 500 * used->ring[i].id, used->ring[i].len);
	if (memcmp(got + 12, frame + 12, 1688))
		abort();
	memset(frame, 0, sizeof(got));
	status(0);
	drain();
	return 0;
}
