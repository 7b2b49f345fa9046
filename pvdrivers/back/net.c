// SPDX-License-Identifier: GPL-2.0-only
/*
 * net.c - a network card: a virtio-net device over a tap.
 *
 * The guest's offloads are the tap's: frames travel with their virtio header, large
 * segments whole and checksums unfinished, and whoever needs them done does so. The
 * MAC address is the manager's; the driver may not change it. Filters of the driver
 * are accepted and not applied: it gets what the bridge sends here.
 *
 * With vhost=FD the kernel's vhost-net serves the data queues (vhost.c), and the
 * tap's interface has the only counters. Otherwise frames.c does.
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
#define MTU_MIN		68
#define MTU_MAX		65535

static struct net net = { .tap = -1, .vhost = -1, .link = true, .tap_op.fd = -1, .again_op.fd = -1 };
static struct virtio_net_config config;

static bool net_arg(struct dev *d, const char *name, const char *value)
{
	uint8_t *m = config.mac;
	int end = 0;

	(void)d;
	if (!strcmp(name, "tap")) {
		net.tap = arg_fd(name, value);
	} else if (!strcmp(name, "vhost")) {
		net.vhost = arg_fd(name, value);
	} else if (!strcmp(name, "mac")) {
		if (sscanf(value, "%2hhx:%2hhx:%2hhx:%2hhx:%2hhx:%2hhx%n", m, m + 1, m + 2, m + 3, m + 4, m + 5, &end) != 6 ||
		    value[end] || (m[0] & 1))
			die("mac=%s: give the address of one card, as 52:54:00:12:34:56", value);
	} else if (!strcmp(name, "mtu")) {
		config.mtu = arg_u64(name, value, MTU_MIN, MTU_MAX);
	} else if (!strcmp(name, "link")) {
		net.link = arg_bool(name, value);
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

	if (!net.gone)
		ioctl(net.tap, TUNSETCARRIER, &up);
}

void net_tap_gone(struct net *n, int error)
{
	if (n->gone)
		return;
	n->gone = true;
	n->tap_op.fd = -1;
	dev_error(n->dev, "the tap is gone (%s): the link is down; attach the interface anew", strerror(error));
	serve();
	show_link();
	dev_config_changed(n->dev);
}

static void tap_event(struct loop_op *op, int res)
{
	(void)op;
	if (res < 0 || (res & (POLLERR | POLLHUP | POLLNVAL)))
		net_tap_gone(&net, res < 0 ? -res : ENODEV);
	else if (net.serving)
		net.again |= net_receive(&net);
}

static bool net_told(struct dev *d, const char *line)
{
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
	for (unsigned int q = NET_RX; q <= NET_TX; q++)
		vhost_tap(net.vhost, q, -1);
	dev_break(net.dev, "vhost-net says that a data queue is no ring");
}

static void vhost_failed(const char *what, int rc)
{
	dev_error(net.dev, "vhost-net: %s: %s; the card does not work. Attach it without vhost", what, strerror(-rc));
}

/* Frames move, or do so no more. What came while nobody served is old. */
static void serve(void)
{
	bool on = net.dev->started && link_up() && net.dev->queue[NET_RX].enabled && net.dev->queue[NET_TX].enabled;
	int rc = 0;

	if (on == net.serving)
		return;
	net.serving = on;
	if (on && !net.resumed)
		net_drain(&net);
	net.resumed = false;
	for (unsigned int q = NET_RX; net.vhost >= 0 && q <= NET_TX && !rc; q++) {
		rc = vhost_tap(net.vhost, q, on ? net.tap : -1);
		if (rc)
			vhost_failed("tap", rc);
		else if (on)
			hand_kick(&net.hand[q]);
	}
	if (on && net.vhost < 0)
		net.again |= net_receive(&net);
}

static int tap_offload(uint64_t features)
{
	unsigned long flags = 0;

	if (features & BIT(VIRTIO_NET_F_GUEST_CSUM))
		flags |= TUN_F_CSUM;
	if (features & BIT(VIRTIO_NET_F_GUEST_TSO4))
		flags |= TUN_F_TSO4;
	if (features & BIT(VIRTIO_NET_F_GUEST_TSO6))
		flags |= TUN_F_TSO6;
	if (features & BIT(VIRTIO_NET_F_GUEST_ECN))
		flags |= TUN_F_TSO_ECN;
	return net.gone || !ioctl(net.tap, TUNSETOFFLOAD, flags) ? 0 : -errno;
}

static void vhost_begin(struct dev *d)
{
	int rc = vhost_features(net.vhost, d->agreed & net.vhost_features & ~BIT(VIRTIO_F_ACCESS_PLATFORM));

	for (unsigned int q = NET_RX; q <= NET_TX && !rc; q++) {
		if (!d->queue[q].enabled)
			continue;
		if (!hand_ring(d, q, &net.hand[q])) {
			d->queue[q].enabled = false;
			continue;
		}
		rc = vhost_ring_start(net.vhost, &net.hand[q]);
	}
	if (rc) {
		vhost_failed("start", rc);
		d->queue[NET_RX].enabled = d->queue[NET_TX].enabled = false;
	}
}

static void net_start(struct dev *d)
{
	int rc = tap_offload(d->agreed);

	if (rc)
		dev_error(d, "the tap refuses offloads (%s): the guest may get frames that it cannot read", strerror(-rc));
	net.mergeable = d->agreed & BIT(VIRTIO_NET_F_MRG_RXBUF);
	net_frames_reset(&net);
	if (net.vhost >= 0)
		vhost_begin(d);
	serve();
}

static void net_stop(struct dev *d)
{
	serve();
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
	uint64_t offloads;

	if (!ring_gather(&h, c->iov, c->nr_out, 0, sizeof(h)))
		return false;
	switch (h.class) {
	case VIRTIO_NET_CTRL_RX:
		return h.cmd <= VIRTIO_NET_CTRL_RX_ALLMULTI;
	case VIRTIO_NET_CTRL_MAC:
		return h.cmd == VIRTIO_NET_CTRL_MAC_TABLE_SET;
	case VIRTIO_NET_CTRL_GUEST_OFFLOADS:
		return h.cmd == VIRTIO_NET_CTRL_GUEST_OFFLOADS_SET &&
		       ring_gather(&offloads, c->iov, c->nr_out, sizeof(h), sizeof(offloads)) && set_offloads(d, offloads);
	}
	return false;
}

static void control(struct dev *d)
{
	struct iovec iov[QUEUE_SIZE];
	struct ring_chain c = { .iov = iov, .max = QUEUE_SIZE };

	do {
		while (dev_pop(d, NET_CTRL, &c) == RING_GOT) {
			uint8_t ack = command(d, &c) ? VIRTIO_NET_OK : VIRTIO_NET_ERR;
			bool told = ring_scatter(iov + c.nr_out, c.nr_in, 0, &ack, sizeof(ack));

			ring_push(&d->queue[NET_CTRL].ring, c.head, told);
		}
	} while (dev_listen(d, NET_CTRL));
}

/* ---- the device ---- */

static void net_kick(struct dev *d, unsigned int q)
{
	if (q == NET_CTRL)
		control(d);
	else if (q == NET_TX)
		net.again |= net_send(&net);
	else if (net.serving)
		net.again |= net_receive(&net);
}

/* The rest of a round that was cut short. */
static void again_event(struct loop_op *op, int res)
{
	(void)op;
	(void)res;
	if (!net.dev->started || net.vhost >= 0)
		return;
	net.again |= net_send(&net);
	if (net.serving)
		net.again |= net_receive(&net);
}

static void net_settle(struct dev *d)
{
	for (unsigned int q = 0; q < d->nr_queues; q++)
		if (!d->queue[q].handed)
			dev_publish(d, q);
	if (net.again) {
		struct io_uring_sqe *sqe = loop_sqe(&net.again_op);

		io_uring_prep_nop(sqe);
		io_uring_sqe_set_data(sqe, &net.again_op);
		net.again = false;
	}
}

static void open_tap(void)
{
	struct ifreq ifr = { 0 };
	int header = NET_HEADER, flags;

	if (net.tap < 0)
		die("tap=FD is missing; see vmi-back --help");
	if (ioctl(net.tap, TUNGETIFF, &ifr))
		die("tap: the descriptor is no tap: %s; open /dev/net/tun and use TUNSETIFF", strerror(errno));
	if ((ifr.ifr_flags & (IFF_TAP | IFF_NO_PI | IFF_VNET_HDR)) != (IFF_TAP | IFF_NO_PI | IFF_VNET_HDR))
		die("tap: %s is not one with IFF_TAP, IFF_NO_PI and IFF_VNET_HDR", ifr.ifr_name);
	flags = fcntl(net.tap, F_GETFL);
	if (ioctl(net.tap, TUNSETVNETHDRSZ, &header) || flags < 0 || fcntl(net.tap, F_SETFL, flags | O_NONBLOCK))
		die("tap: %s: %s", ifr.ifr_name, strerror(errno));
}

static void open_vhost(struct dev *d)
{
	uint64_t rings = BIT(VIRTIO_RING_F_EVENT_IDX) | BIT(VIRTIO_RING_F_INDIRECT_DESC);
	int rc = vhost_open(net.vhost, &d->mem, &net.vhost_features);

	if (rc)
		die("vhost: %s; the descriptor must be /dev/vhost-net, opened for this card alone", strerror(-rc));
	if (!(net.vhost_features & BIT(VIRTIO_F_VERSION_1)) || !(net.vhost_features & BIT(VIRTIO_NET_F_MRG_RXBUF)))
		die("vhost: this kernel's vhost-net has no virtio 1.0 or no MRG_RXBUF");
	d->withheld = rings & ~net.vhost_features;
	for (unsigned int q = NET_RX; q <= NET_TX; q++) {
		hand_queue(d, q, &net.hand[q]);
		net.err_op[q].done = vhost_error;
		loop_poll(&net.err_op[q], net.hand[q].err);
	}
}

static void net_init(struct dev *d)
{
	static const uint8_t none[sizeof(config.mac)];

	net.dev = d;
	d->nr_queues = 3;
	d->size_max = QUEUE_SIZE;
	d->features = FEATURES | (config.mtu ? BIT(VIRTIO_NET_F_MTU) : 0);
	if (!memcmp(config.mac, none, sizeof(none)))
		die("mac=XX:XX:XX:XX:XX:XX is missing; see vmi-back --help");
	if (d->queues != 1)
		die("queues=%u: this card has one pair of queues", d->queues);
	open_tap();
	if (net.vhost >= 0)
		open_vhost(d);
	config.max_virtqueue_pairs = 1;
	d->config_size = offsetof(struct virtio_net_config, speed);
	show_link();
	set_carrier();
	net.tap_op.done = tap_event;
	net.again_op.done = again_event;
	net.resumed = d->state->status & VIRTIO_CONFIG_S_DRIVER_OK;
	if (net.vhost < 0)
		loop_poll(&net.tap_op, net.tap);
}

const struct dev_ops net_ops = {
	.name = "net",
	.help = "  tap=FD             /dev/net/tun after TUNSETIFF with IFF_TAP, IFF_NO_PI, IFF_VNET_HDR\n"
		"  mac=XX:XX:...      the card's address\n"
		"  mtu=N              told to the guest; without it, the guest chooses\n"
		"  link=0|1           carrier at the beginning; default 1\n"
		"  vhost=FD           /dev/vhost-net, for this card alone: the kernel moves the frames\n"
		"  Lines it is told: link 0, link 1.\n",
	.device = VIRTIO_ID_NET,
	.syscalls = (const int[]){ SCMP_SYS(readv), SCMP_SYS(writev), -1 },
	.ioctls = (const int[]){ TUNSETOFFLOAD, TUNSETCARRIER, VHOST_IOCTLS, 0 },
	.opcodes = (const int[]){ IORING_OP_NOP, -1 },
	.arg = net_arg,
	.init = net_init,
	.start = net_start,
	.stop = net_stop,
	.kick = net_kick,
	.settle = net_settle,
	.told = net_told,
};
