// SPDX-License-Identifier: GPL-2.0-only
/*
 * vhost_user.c - a disk whose rings a vhost-user server serves, such as
 * qemu-storage-daemon: qcow2, NBD, LUKS.
 *
 * This process is the front between guest and server: it negotiates, hands over
 * windows, rings and eventfds, and then no request passes it. The guest's doorbells
 * reach the server as eventfds, and the reverse.
 *
 * Who dies, and what becomes of requests in flight:
 *   this process   the server completes what it has taken, then accepts the next
 *                  connection: the rings go on where the used index is.
 *   the server     what it had taken is lost, and it does not keep which it was. The
 *                  manager starts this process again with a new server's socket;
 *                  the rings go on only if what was not served can be told from
 *                  them: nothing, or the last ones, in order, of no more requests
 *                  than a ring has entries. Otherwise the device says NEEDS_RESET:
 *                  a request that is done twice could overwrite a buffer that the
 *                  guest uses for something else by now.
 *   both           as the server alone.
 *
 * Invariant: after stop() the server has nothing of the guest's under way.
 * Trust:     the server is another process: vu.c checks what it says, and it can do
 *            to the guest only what any server of the rings can. The guest's ring
 *            addresses are checked in hand.c; the rings' contents by the server.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <liburing.h>
#include <linux/virtio_blk.h>
#include <linux/virtio_config.h>
#include <linux/virtio_ids.h>
#include <linux/virtio_ring.h>
#include <seccomp.h>

#include "hand.h"
#include "vu.h"

#define QUEUE_SIZE	256
#define CONFIG_SIZE	60		/* struct virtio_blk_config up to write_zeroes: what servers of virtio 1.1 have */
#define DRAIN_NS	2000000
#define NEWS_MAX	64		/* at once; a server that says more is not one */

#define BIT(n)		(1ull << (n))
/*
 * The kind's own. qemu-storage-daemon says that its write cache is off when it is on,
 * and the guest would never flush: without CONFIG_WCE there is a cache to flush.
 */
#define FEATURES	((BIT(24) - 1) & ~BIT(VIRTIO_BLK_F_CONFIG_WCE))
/* What a server may lack of rings. */
#define RINGS		(BIT(VIRTIO_RING_F_EVENT_IDX) | BIT(VIRTIO_RING_F_INDIRECT_DESC))

_Static_assert(offsetof(struct virtio_blk_config, write_zeroes_may_unmap) < CONFIG_SIZE, "the configuration ends after it");

static struct vu vu;
static int server = -1;
static struct hand_ring ring[VMI_BUS_QUEUES];
static bool running[VMI_BUS_QUEUES];	/* the server has it */
static uint16_t taken[VMI_BUS_QUEUES];	/* of a stopped one: how far the server had come */
static struct loop_op server_op, news_op, drain_op = { .fd = -1 }, err_op[VMI_BUS_QUEUES];
static struct dev *dev;

static bool vhost_user_arg(struct dev *d, const char *name, const char *value)
{
	if (!strcmp(name, "socket"))
		server = arg_fd(name, value);
	else if (!strcmp(name, "device"))
		d->device = arg_u64(name, value, VIRTIO_ID_BLOCK, VIRTIO_ID_BLOCK);
	else
		return false;
	return true;
}

/* The next process goes on, with a new connection of the manager's. */
static void __attribute__((noreturn)) gone(const char *why)
{
	dev_error(dev, "%s; requests wait until the server is there again", why);
	die("%s", why);
}

static void load_config(struct dev *d)
{
	struct virtio_blk_config c = { 0 };

	if (vu_config(&vu, &c, CONFIG_SIZE))
		gone(vu_why());
	c.num_queues = d->nr_queues;
	memcpy(d->config, &c, CONFIG_SIZE);
	d->config_size = CONFIG_SIZE;
	/* Some offer it and leave it 0, which would be no segment at all. */
	if (!c.size_max)
		d->features &= ~BIT(VIRTIO_BLK_F_SIZE_MAX);
}

/* ---- events ---- */

static void server_event(struct loop_op *op, int res)
{
	char c;

	(void)op;
	(void)res;
	/* It answers what is asked, and that is read where it was asked. */
	if (recv(vu.fd, &c, 1, MSG_PEEK | MSG_DONTWAIT) >= 0 || errno != EAGAIN)
		gone("the vhost-user server closed the connection");
}

static void news_event(struct loop_op *op, int res)
{
	bool changed = false;
	char c;

	(void)op;
	(void)res;
	for (unsigned int i = 0; recv(vu.news, &c, 1, MSG_PEEK | MSG_DONTWAIT) > 0; i++) {
		int rc = i < NEWS_MAX ? vu_news(&vu) : -1;

		if (rc < 0)
			gone(i < NEWS_MAX ? vu_why() : "the vhost-user server talks without end");
		changed |= rc;
	}
	if (!changed)
		return;
	load_config(dev);
	dev_config_changed(dev);
}

static void ring_error(struct loop_op *op, int res)
{
	(void)res;
	dev_break(dev, "the vhost-user server says that queue %u is no ring", (unsigned int)(op - err_op));
}

/* ---- going on after somebody died ---- */

static uint16_t avail_at(const struct hand_ring *r, uint16_t i)
{
	return READ_ONCE(((struct vring_avail *)r->avail)->ring[i & (r->size - 1)]);
}

static uint16_t used_at(const struct hand_ring *r, uint16_t i)
{
	return READ_ONCE(((struct vring_used *)r->used)->ring[i & (r->size - 1)].id);
}

static int by_number(const void *a, const void *b)
{
	return *(const uint16_t *)a - *(const uint16_t *)b;
}

/*
 * The server that began with this ring at (begin), all before served, is dead. Are
 * exactly the entries from the used index on those that were not served?
 */
static bool in_order(const struct hand_ring *r, uint16_t begin)
{
	uint16_t made[VMI_BUS_QUEUE_MAX], served[VMI_BUS_QUEUE_MAX], used = hand_used(r), avail = hand_avail(r);
	uint16_t n = used - begin;

	if (avail == used)
		return true;
	if ((uint16_t)(avail - begin) > r->size || n > (uint16_t)(avail - begin))
		return false;
	for (uint16_t i = 0; i < n; i++) {
		made[i] = avail_at(r, begin + i);
		served[i] = used_at(r, begin + i);
	}
	qsort(made, n, sizeof(made[0]), by_number);
	qsort(served, n, sizeof(served[0]), by_number);
	return !memcmp(made, served, n * sizeof(made[0]));
}

static uint64_t server_pid(void)
{
	struct ucred cred = { 0 };
	socklen_t len = sizeof(cred);

	return getsockopt(server, SOL_SOCKET, SO_PEERCRED, &cred, &len) ? 0 : cred.pid;
}

/* ---- a driver's life ---- */

static void vhost_user_start(struct dev *d)
{
	struct back_vhost_user *s = &d->state->vhost_user;
	uint64_t pid = server_pid();

	/* Addresses are the windows' own: the server is to translate nothing. */
	if (vu_features(&vu, d->agreed & vu.features & ~BIT(VIRTIO_F_ACCESS_PLATFORM)))
		gone(vu_why());
	for (unsigned int q = 0; q < d->nr_queues; q++) {
		if (!d->queue[q].enabled || !hand_ring(d, q, &ring[q]))
			continue;
		if (s->server && s->server != pid && !in_order(&ring[q], s->begin[q])) {
			dev_error(d, "the vhost-user server died, and which of %u requests it has served is not known: the disk stays "
				  "broken until the guest is restarted", (uint16_t)(hand_avail(&ring[q]) - hand_used(&ring[q])));
			dev_break(d, "queue %u cannot go on", q);
			return;
		}
	}
	for (unsigned int q = 0; q < d->nr_queues; q++) {
		if (!d->queue[q].enabled || !ring[q].used)
			continue;
		s->begin[q] = ring[q].base;
		if (vu_ring_start(&vu, &ring[q]))
			gone(vu_why());
		running[q] = true;
		hand_kick(&ring[q]);
	}
	s->server = pid;
}

/* What it had taken of a stopped ring is complete when the used index says so. */
static bool drained(void)
{
	for (unsigned int q = 0; q < dev->nr_queues; q++)
		if (running[q] && hand_used(&ring[q]) != taken[q])
			return false;
	return true;
}

static void drain(struct loop_op *op, int res)
{
	static struct __kernel_timespec wait = { .tv_nsec = DRAIN_NS };
	struct io_uring_sqe *sqe;

	(void)op;
	(void)res;
	if (!drained()) {
		sqe = loop_sqe(&drain_op);
		io_uring_prep_timeout(sqe, &wait, 0, 0);
		io_uring_sqe_set_data(sqe, &drain_op);
		return;
	}
	for (unsigned int q = 0; q < dev->nr_queues; q++)
		running[q] = false;
	/* Nothing is in flight: any server may go on. */
	dev->state->vhost_user.server = 0;
	dev_stopped(dev);
}

static void vhost_user_stop(struct dev *d)
{
	for (unsigned int q = 0; q < d->nr_queues; q++)
		if (running[q] && vu_ring_stop(&vu, q, &taken[q]))
			gone(vu_why());
	drain(NULL, 0);
}

static void vhost_user_kick(struct dev *d, unsigned int q)
{
	(void)d;
	(void)q;	/* queues are handed over: never */
}

static void vhost_user_init(struct dev *d)
{
	dev = d;
	if (server < 0 || !d->device)
		die("socket=FD and device=2 are needed; see vmi-back --help");
	if (vu_hello(&vu, server) || vu_memory(&vu, &d->mem))
		die("%s", vu_why());
	if (!(vu.features & BIT(VIRTIO_F_VERSION_1)) || !(vu.protocol & BIT(VU_P_CONFIG)))
		die("the vhost-user server has no virtio 1.0 or tells no configuration; qemu-storage-daemon 7.2 does");
	if (vu.queues < d->queues)
		die("queues=%u: the vhost-user server has %u; give it more, or the device fewer", d->queues, vu.queues);
	d->nr_queues = d->queues;
	d->size_max = QUEUE_SIZE;
	d->features = vu.features & FEATURES;
	d->withheld = RINGS & ~vu.features;
	if (d->nr_queues == 1)
		d->features &= ~BIT(VIRTIO_BLK_F_MQ);
	load_config(d);
	for (unsigned int q = 0; q < d->nr_queues; q++) {
		hand_queue(d, q, &ring[q]);
		err_op[q].done = ring_error;
		loop_poll(&err_op[q], ring[q].err);
	}
	drain_op.done = drain;
	server_op.done = server_event;
	loop_poll(&server_op, vu.fd);
	news_op.done = news_event;
	if (vu.news >= 0)
		loop_poll(&news_op, vu.news);
}

const struct dev_ops vhost_user_ops = {
	.name = "vhost-user",
	.help = "  socket=FD          connected to a vhost-user server, which serves this device alone\n"
		"  device=2           what it is: a disk\n",
	.syscalls = (const int[]){ SCMP_SYS(sendmsg), SCMP_SYS(recvmsg), SCMP_SYS(getsockopt), -1 },
	.opcodes = (const int[]){ IORING_OP_TIMEOUT, -1 },
	.arg = vhost_user_arg,
	.init = vhost_user_init,
	.start = vhost_user_start,
	.stop = vhost_user_stop,
	.kick = vhost_user_kick,
};
