// SPDX-License-Identifier: GPL-2.0-only
/*
 * net.c - a network card: a virtio-net device over a tap, or over a stream socket.
 *
 * The guest's offloads are the tap's: frames travel with their virtio header, large
 * segments whole and checksums unfinished, and whoever needs them done does so. The
 * MAC address is the manager's; the driver may not change it. Filters of the driver
 * are accepted and not applied: it gets what the bridge sends here.
 *
 * With vhost=FD the kernel's vhost-net serves the data queues (vhost.c), and the
 * tap's interface has the only counters. Otherwise frames.c does.
 *
 * Each pair of queues has a queue of the tap. Those that the driver does not use are
 * detached, or the kernel would leave frames there; which are, is in the state file.
 * They send all the same: what the driver gave them before must come back, for TCP
 * sends nothing again that it thinks is still on its way.
 *
 * With stream=FD (stream.c) vmi-user-net is at the far end, which knows no offloads: none are
 * offered. When it ends, so does this process, and the manager starts both anew.
 *
 * The link is down, for the guest and for the tap's own carrier, where the manager
 * says so, and for good when the tap is removed. Then what the guest sends is lost.
 *
 * Trust: the tap and vhost-net are the kernel's. Control commands are copied, then
 *        judged.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <liburing.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <linux/virtio_config.h>
#include <linux/virtio_ids.h>
#include <seccomp.h>

#include "net.h"
#include "vhost.h"

#define QUEUE_SIZE	256

#define BIT(n)		(1ull << (n))
#define GUEST_OFFLOADS	(BIT(VIRTIO_NET_F_GUEST_CSUM) | BIT(VIRTIO_NET_F_GUEST_TSO4) | BIT(VIRTIO_NET_F_GUEST_TSO6) | \
			 BIT(VIRTIO_NET_F_GUEST_ECN))
#define FEATURES	(GUEST_OFFLOADS | BIT(VIRTIO_NET_F_CSUM) | BIT(VIRTIO_NET_F_HOST_TSO4) | BIT(VIRTIO_NET_F_HOST_TSO6) | \
			 BIT(VIRTIO_NET_F_HOST_ECN) | BIT(VIRTIO_NET_F_MRG_RXBUF) | BIT(VIRTIO_NET_F_MAC) | \
			 BIT(VIRTIO_NET_F_STATUS) | BIT(VIRTIO_NET_F_CTRL_VQ) | BIT(VIRTIO_NET_F_CTRL_RX) | \
			 BIT(VIRTIO_NET_F_CTRL_GUEST_OFFLOADS))
#define STREAM_FEATURES	(BIT(VIRTIO_NET_F_MRG_RXBUF) | BIT(VIRTIO_NET_F_MAC) | BIT(VIRTIO_NET_F_STATUS) | BIT(VIRTIO_NET_F_CTRL_VQ) | \
			 BIT(VIRTIO_NET_F_CTRL_RX))
#define MTU_MIN		68
#define MTU_MAX		65535

static struct net net = { .link = true, .again_op.fd = -1 };
static unsigned int nr_taps, nr_vhosts;
static int stream_fd = -1;
static struct virtio_net_config config;

static bool net_arg(struct dev *d, const char *name, const char *value)
{
	uint8_t *m = config.mac;
	int end = 0;

	(void)d;
	if (!strcmp(name, "tap")) {
		if (nr_taps == NET_PAIRS)
			die("tap: more than %d", NET_PAIRS);
		net.pair[nr_taps++].tap = arg_fd(name, value);
	} else if (!strcmp(name, "vhost")) {
		if (nr_vhosts == NET_PAIRS)
			die("vhost: more than %d", NET_PAIRS);
		net.pair[nr_vhosts++].vhost = arg_fd(name, value);
	} else if (!strcmp(name, "stream")) {
		stream_fd = arg_fd(name, value);
	} else if (!strcmp(name, "mac")) {
		if (sscanf(value, "%2hhx:%2hhx:%2hhx:%2hhx:%2hhx:%2hhx%n", m, m + 1, m + 2, m + 3, m + 4, m + 5, &end) != 6 ||
		    value[end] || (m[0] & 1))
			die("mac=%s: give the address of one card, as 52:54:00:12:34:56", value);
	} else if (!strcmp(name, "mtu")) {
		config.mtu = arg_u64(name, value, MTU_MIN, MTU_MAX);
	} else if (!strcmp(name, "link")) {
		net.link = arg_bool(name, value);
	} else if (!strcmp(name, "in") || !strcmp(name, "out")) {
		if (!shape_set(*name == 'i' ? &net.in : &net.out, value))
			die("%s=%s: give three numbers: bytes a second on average, at most, and bytes that may go at that speed", name, value);
	} else {
		return false;
	}
	return true;
}

/* ---- the link ---- */

static bool link_up(void)
{
	return net.link && !net.gone;
}

static void show_link(void)
{
	config.status = link_up() ? VIRTIO_NET_S_LINK_UP : 0;
	memcpy(net.dev->config, &config, sizeof(config));
}

static void serve(void);

/* Of the tap's interface, too, so that the bridge sends nothing there. */
static void set_carrier(void)
{
	int up = net.link;

	if (!net.gone && !net.stream)
		ioctl(net.pair[0].tap, TUNSETCARRIER, &up);
}

void net_tap_gone(struct net *n, int error)
{
	if (n->gone)
		return;
	if (n->stream) {
		dev_error(n->dev, error == EPROTO ? "what vmi-user-net sends are no frames: it is started again" :
					     "vmi-user-net has ended: it is started again");
		die("the far end of the stream is gone");
	}
	n->gone = true;
	for (unsigned int i = 0; i < n->nr_pairs; i++)
		n->pair[i].tap_op.fd = -1;
	dev_error(n->dev, "the tap is gone (%s): the link is down; attach the interface anew", strerror(error));
	serve();
	show_link();
	dev_config_changed(n->dev);
}

static void tap_event(struct loop_op *op, int res)
{
	struct net_pair *p = (struct net_pair *)((char *)op - offsetof(struct net_pair, tap_op));

	/* Of a queue that is detached, an error means nothing; the first never is. */
	if (p < net.pair + net.used && (res < 0 || (res & (POLLERR | POLLHUP | POLLNVAL))))
		net_tap_gone(&net, res < 0 ? -res : ENODEV);
	else if (p->serving[NET_RX])
		net.again |= net_receive(p);
}

static bool net_told(struct dev *d, const char *line)
{
	if (!strncmp(line, "in ", 3))
		return shape_set(&net.in, line + 3);
	if (!strncmp(line, "out ", 4))
		return shape_set(&net.out, line + 4);
	if (strcmp(line, "link 0") && strcmp(line, "link 1"))
		return false;
	net.link = line[5] == '1';
	set_carrier();
	serve();
	show_link();
	dev_config_changed(d);
	return true;
}

/* ---- frames ---- */

static void vhost_error(struct loop_op *op, int res)
{
	(void)op;
	(void)res;
	for (struct net_pair *p = net.pair; p < net.pair + net.nr_pairs; p++)
		for (unsigned int q = NET_RX; q <= NET_TX; q++)
			vhost_tap(p->vhost, q, -1);
	dev_break(net.dev, "vhost-net says that a data queue is no ring");
}

static void vhost_failed(const char *what, int rc)
{
	dev_error(net.dev, "vhost-net: %s: %s; the card does not work. Attach it without vhost", what, strerror(-rc));
}

static void poll_tap(struct net_pair *p)
{
	if (!p->polled)
		loop_poll(&p->tap_op, p->tap);
	p->polled = true;
}

/* Frames of a queue (q) of a pair move, or do so no more. What came while nobody served is old. */
static void serve_queue(struct net_pair *p, unsigned int q, bool on)
{
	int rc;

	if (on == p->serving[q])
		return;
	p->serving[q] = on;
	if (on && q == NET_RX && !net.resumed)
		net_drain(p);
	if (net.vhost) {
		rc = vhost_tap(p->vhost, q, on ? p->tap : -1);
		if (rc)
			vhost_failed("tap", rc);
		else if (on)
			hand_kick(&p->hand[q]);
	} else if (on && q == NET_RX) {
		poll_tap(p);
		net.again |= net_receive(p);
	}
}

static void serve(void)
{
	bool on = net.dev->started && link_up();

	for (struct net_pair *p = net.pair; p < net.pair + net.nr_pairs; p++) {
		bool there = on && net.dev->queue[p->rxq].enabled && net.dev->queue[p->txq].enabled;

		serve_queue(p, NET_RX, there && p < net.pair + net.used);
		serve_queue(p, NET_TX, there);
	}
	net.resumed = false;
}

/* As it is already: an error that means nothing. */
static void tap_queue(struct net_pair *p, short how)
{
	struct ifreq ifr = { .ifr_flags = how };

	ioctl(p->tap, TUNSETQUEUE, &ifr);
}

/* The driver uses the first (n). */
static void use_pairs(unsigned int n)
{
	net.used = net.dev->state->pairs = n;
	for (unsigned int i = 1; i < n; i++)
		tap_queue(&net.pair[i], IFF_ATTACH_QUEUE);
	serve();
	for (unsigned int i = n; i < net.nr_pairs; i++)
		tap_queue(&net.pair[i], IFF_DETACH_QUEUE);
}

static int tap_offload(uint64_t features)
{
	unsigned long flags = 0;

	if (net.stream)
		return 0;
	if (features & BIT(VIRTIO_NET_F_GUEST_CSUM))
		flags |= TUN_F_CSUM;
	if (features & BIT(VIRTIO_NET_F_GUEST_TSO4))
		flags |= TUN_F_TSO4;
	if (features & BIT(VIRTIO_NET_F_GUEST_TSO6))
		flags |= TUN_F_TSO6;
	if (features & BIT(VIRTIO_NET_F_GUEST_ECN))
		flags |= TUN_F_TSO_ECN;
	return net.gone || !ioctl(net.pair[0].tap, TUNSETOFFLOAD, flags) ? 0 : -errno;
}

static int vhost_begin_pair(struct dev *d, struct net_pair *p)
{
	int rc = vhost_features(p->vhost, d->agreed & net.vhost_features & ~BIT(VIRTIO_F_ACCESS_PLATFORM));

	for (unsigned int i = NET_RX; i <= NET_TX && !rc; i++) {
		struct dev_queue *q = &d->queue[p->rxq + i];

		if (!q->enabled)
			continue;
		if (!hand_ring(d, p->rxq + i, &p->hand[i])) {
			q->enabled = false;
			continue;
		}
		rc = vhost_ring_start(p->vhost, &p->hand[i]);
	}
	if (rc) {
		vhost_failed("start", rc);
		d->queue[p->rxq].enabled = d->queue[p->txq].enabled = false;
	}
	return rc;
}

static void net_start(struct dev *d)
{
	int rc = tap_offload(d->agreed);

	if (rc)
		dev_error(d, "the tap refuses offloads (%s): the guest may get frames that it cannot read", strerror(-rc));
	net.mergeable = d->agreed & BIT(VIRTIO_NET_F_MRG_RXBUF);
	for (unsigned int i = 0; i < net.nr_pairs; i++) {
		net_frames_reset(&net.pair[i]);
		if (net.vhost && vhost_begin_pair(d, &net.pair[i]))
			break;
	}
	serve();
}

static void net_stop(struct dev *d)
{
	serve();
	/* A successor goes on with as many; the next driver begins with one. */
	if (!d->quitting)
		use_pairs(1);
	dev_stopped(d);
}

/* ---- control ---- */

static bool set_offloads(struct dev *d, uint64_t offloads)
{
	return !(offloads & ~(d->agreed & GUEST_OFFLOADS)) && !tap_offload(offloads);
}

static bool command(struct dev *d, const struct ring_chain *c)
{
	struct virtio_net_ctrl_hdr h;
	struct virtio_net_ctrl_mq mq;
	uint64_t offloads;

	if (!ring_gather(&h, c->iov, c->nr_out, 0, sizeof(h)))
		return false;
	switch (h.class) {
	case VIRTIO_NET_CTRL_RX:
		return h.cmd <= VIRTIO_NET_CTRL_RX_ALLMULTI;
	case VIRTIO_NET_CTRL_MAC:
		return h.cmd == VIRTIO_NET_CTRL_MAC_TABLE_SET;
	case VIRTIO_NET_CTRL_MQ:
		if (h.cmd != VIRTIO_NET_CTRL_MQ_VQ_PAIRS_SET || !ring_gather(&mq, c->iov, c->nr_out, sizeof(h), sizeof(mq)) ||
		    !mq.virtqueue_pairs || mq.virtqueue_pairs > net.nr_pairs)
			return false;
		use_pairs(mq.virtqueue_pairs);
		return true;
	case VIRTIO_NET_CTRL_GUEST_OFFLOADS:
		return h.cmd == VIRTIO_NET_CTRL_GUEST_OFFLOADS_SET &&
		       ring_gather(&offloads, c->iov, c->nr_out, sizeof(h), sizeof(offloads)) && set_offloads(d, offloads);
	}
	return false;
}

static void control(struct dev *d, unsigned int q)
{
	struct iovec iov[QUEUE_SIZE];
	struct ring_chain c = { .iov = iov, .max = QUEUE_SIZE };

	do {
		while (dev_pop(d, q, &c) == RING_GOT) {
			uint8_t ack = command(d, &c) ? VIRTIO_NET_OK : VIRTIO_NET_ERR;
			bool told = ring_scatter(iov + c.nr_out, c.nr_in, 0, &ack, sizeof(ack));

			ring_push(&d->queue[q].ring, c.head, told);
		}
	} while (dev_listen(d, q));
}

/* ---- the device ---- */

static void net_kick(struct dev *d, unsigned int q)
{
	struct net_pair *p = &net.pair[q / 2];

	if (q == d->nr_queues - 1)
		control(d, q);
	else if (q == p->txq)
		net.again |= net_send(p);
	else if (p->serving[NET_RX])
		net.again |= net_receive(p);
}

/* The rest of a round that was cut short. */
static void again_event(struct loop_op *op, int res)
{
	(void)op;
	(void)res;
	if (!net.dev->started || net.vhost)
		return;
	for (struct net_pair *p = net.pair; p < net.pair + net.nr_pairs; p++) {
		net.again |= net_send(p);
		if (p->serving[NET_RX])
			net.again |= net_receive(p);
	}
}

static void look_again(void *arg)
{
	again_event(arg, 0);
}

static void net_settle(struct dev *d)
{
	for (unsigned int q = 0; q < d->nr_queues; q++)
		if (!d->queue[q].handed)
			dev_publish(d, q);
	if (net.stream)
		stream_flush(net.stream);
	if (net.again) {
		struct io_uring_sqe *sqe = loop_sqe(&net.again_op);

		io_uring_prep_nop(sqe);
		io_uring_sqe_set_data(sqe, &net.again_op);
		net.again = false;
	}
}

static void open_tap(struct net_pair *p)
{
	struct ifreq ifr = { 0 };
	int header = NET_HEADER, flags;

	if (net.stream) {
		p->tap = stream_fd;
		return;
	}
	/* A predecessor may have left it detached. */
	tap_queue(p, IFF_ATTACH_QUEUE);
	if (ioctl(p->tap, TUNGETIFF, &ifr))
		die("tap: the descriptor is no tap: %s; open /dev/net/tun and use TUNSETIFF", strerror(errno));
	if ((ifr.ifr_flags & (IFF_TAP | IFF_NO_PI | IFF_VNET_HDR)) != (IFF_TAP | IFF_NO_PI | IFF_VNET_HDR))
		die("tap: %s is not one with IFF_TAP, IFF_NO_PI and IFF_VNET_HDR", ifr.ifr_name);
	flags = fcntl(p->tap, F_GETFL);
	if (ioctl(p->tap, TUNSETVNETHDRSZ, &header) || flags < 0 || fcntl(p->tap, F_SETFL, flags | O_NONBLOCK))
		die("tap: %s: %s", ifr.ifr_name, strerror(errno));
}

static void open_vhost(struct dev *d, struct net_pair *p)
{
	uint64_t rings = BIT(VIRTIO_RING_F_EVENT_IDX) | BIT(VIRTIO_RING_F_INDIRECT_DESC);
	int rc = vhost_open(p->vhost, &d->mem, &net.vhost_features);

	if (rc)
		die("vhost: %s; the descriptor must be /dev/vhost-net, opened for this card alone", strerror(-rc));
	if (!(net.vhost_features & BIT(VIRTIO_F_VERSION_1)) || !(net.vhost_features & BIT(VIRTIO_NET_F_MRG_RXBUF)))
		die("vhost: this kernel's vhost-net has no virtio 1.0 or no MRG_RXBUF");
	d->withheld = rings & ~net.vhost_features;
	for (unsigned int i = NET_RX; i <= NET_TX; i++) {
		hand_queue(d, p->rxq + i, &p->hand[i]);
		p->hand[i].index = i;
		p->err_op[i].done = vhost_error;
		loop_poll(&p->err_op[i], p->hand[i].err);
	}
}

static void stream_room(void)
{
	if (net.dev->started)
		net.again |= net_send(&net.pair[0]);
}

static void net_init(struct dev *d)
{
	static const uint8_t none[sizeof(config.mac)];

	net.dev = d;
	net.nr_pairs = d->queues;
	net.vhost = nr_vhosts;
	if (!memcmp(config.mac, none, sizeof(none)))
		die("mac=XX:XX:XX:XX:XX:XX is missing; see vmi-back --help");
	if (d->queues > NET_PAIRS)
		die("queues=%u: a card has up to %d pairs of queues", d->queues, NET_PAIRS);
	if (stream_fd >= 0 && (d->queues > 1 || nr_taps || nr_vhosts))
		die("stream=FD: such a card has one pair of queues, no tap and no vhost");
	if (stream_fd >= 0)
		net.stream = stream_open(stream_fd, stream_room);
	else if (nr_taps != d->queues)
		die("tap=FD is missing, or there are too many: %u for %u pairs of queues; see vmi-back --help", nr_taps, d->queues);
	if (net.vhost && nr_vhosts != d->queues)
		die("vhost=FD: %u for %u pairs of queues; see vmi-back --help", nr_vhosts, d->queues);
	d->nr_queues = 2 * d->queues + 1;
	d->size_max = QUEUE_SIZE;
	/* The control queue's place depends on MQ: a driver without would look for it elsewhere. */
	d->required = d->queues > 1 ? BIT(VIRTIO_NET_F_MQ) : 0;
	d->features = (net.stream ? STREAM_FEATURES : FEATURES) | d->required | (config.mtu ? BIT(VIRTIO_NET_F_MTU) : 0);
	for (unsigned int i = 0; i < d->queues; i++) {
		struct net_pair *p = &net.pair[i];

		p->net = &net;
		p->rxq = 2 * i + NET_RX;
		p->txq = 2 * i + NET_TX;
		p->tap_op = (struct loop_op){ tap_event, -1 };
		open_tap(p);
		if (net.vhost)
			open_vhost(d, p);
	}
	config.max_virtqueue_pairs = d->queues;
	d->config_size = offsetof(struct virtio_net_config, speed);
	show_link();
	set_carrier();
	net.again_op.done = again_event;
	net.look = (struct loop_timer){ .fn = look_again };
	if (net.vhost && (net.in.average.rate || net.out.average.rate))
		die("in=, out=: the kernel's vhost-net keeps no limits; leave vhost= out");
	if (!net.vhost)
		poll_tap(&net.pair[0]);
	use_pairs(d->state->pairs && d->state->pairs <= d->queues ? d->state->pairs : 1);
	net.resumed = d->state->status & VIRTIO_CONFIG_S_DRIVER_OK;
}

const struct dev_ops net_ops = {
	.name = "net",
	.help = "  tap=FD             /dev/net/tun after TUNSETIFF with IFF_TAP, IFF_NO_PI, IFF_VNET_HDR; with queues=N,\n"
		"                     N times, with IFF_MULTI_QUEUE: one for each pair\n"
		"  stream=FD          instead of a tap: a socket to vmi-user-net, with a length before each frame\n"
		"  mac=XX:XX:...      the card's address\n"
		"  mtu=N              told to the guest; without it, the guest chooses\n"
		"  link=0|1           carrier at the beginning; default 1\n"
		"  vhost=FD           /dev/vhost-net, for this card alone: the kernel moves the frames; one for each pair\n"
		"  in=A,P,B out=A,P,B limits of what the guest receives and sends: bytes a second on average, at most (0: no\n"
		"                     limit), and how many bytes may go at that speed (0: a tenth of a second's)\n"
		"  Lines it is told: link 0, link 1, in A,P,B, out A,P,B.\n",
	.device = VIRTIO_ID_NET,
	.syscalls = (const int[]){ SCMP_SYS(readv), SCMP_SYS(writev), -1 },
	.ioctls = (const int[]){ TUNSETOFFLOAD, TUNSETCARRIER, TUNSETQUEUE, VHOST_IOCTLS, 0 },
	.opcodes = (const int[]){ IORING_OP_NOP, IORING_OP_TIMEOUT, -1 },
	.arg = net_arg,
	.init = net_init,
	.start = net_start,
	.stop = net_stop,
	.kick = net_kick,
	.settle = net_settle,
	.told = net_told,
};
