// SPDX-License-Identifier: GPL-2.0-only
/*
 * vhost_user.c - a disk whose requests a vhost-user server serves, such as
 * qemu-storage-daemon: qcow2, NBD, LUKS.
 *
 * This process stands between guest and server. It takes requests from the guest's
 * ring, notes them as in flight (state.h), counts them, holds them back where a limit (gate.h)
 * wants that, and passes their heads on in a shadow of the ring (shadow.h), in memory of its own. Table and data stay where they are: the
 * server reads them out of the windows. What comes back is checked, and given back.
 *
 * Whoever dies, the next process of this kind gets a new connection, begins with
 * empty shadow rings, and passes on all that is in flight, in the order in which it
 * came. The manager starts it when this one or the server has ended.
 *
 * So a request may be done twice. Why that harms nothing: between being offered
 * and being given back a request has no order among others, and may take effect at
 * any time; both times lie there, as it was given back after the second.
 *   read         fills the guest's buffer, which is the device's until then.
 *   write, discard, write-zeroes
 *                leave the same twice. A later request to the same place can count on
 *                it only if it was offered after this one was given back, and so comes
 *                after both. Of two in flight at once to the same place either may be
 *                the last.
 *   flush        makes durable what was given back before it was offered: also later.
 * Features whose requests mean something else the second time (zone append, SCSI
 * commands) are not offered.
 *
 * This needs an end of the first server's work before the second's begins:
 *   it was killed     its threads' transfers end before its sockets close; those of
 *                     io_uring hold the image's lock, without which no other server
 *                     opens it.
 *   this was killed   the server completes what it has taken before it answers a new
 *                     connection, as it has to anyway: the memory goes with the old one.
 * A server that keeps to neither, such as one whose transfers go on in another machine,
 * may write late: to its own disk's loss.
 *
 * Invariant: after stop() the server has nothing of the guest's under way.
 * Trust:     neither guest nor server. The guest's chains are checked before they are
 *            passed on; the server reads the table again, and checks for itself: a guest
 *            that changes it meanwhile spoils its counters, and may get past its limits. It is
 *            another process: vu.c and shadow.c check what it says. A server that lies
 *            is left as one that died, and cannot break the device; the guest can.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <liburing.h>
#include <linux/virtio_blk.h>
#include <linux/virtio_config.h>
#include <linux/virtio_ids.h>
#include <linux/virtio_ring.h>
#include <seccomp.h>

#include "blk.h"
#include "gate.h"
#include "hand.h"
#include "shadow.h"
#include "vu.h"

#define QUEUE_SIZE	SHADOW_QUEUE_MAX
#define CONFIG_SIZE	60		/* struct virtio_blk_config up to write_zeroes: what servers of virtio 1.1 have */
#define DRAIN_NS	2000000
#define NEWS_MAX	64		/* at once; a server that says more is not one */
#define PATIENCE_MAX	86400		/* s */
#define LOOKS		4		/* in the time of its patience */

#define BIT(n)		(1ull << (n))
/*
 * The kind's own. qemu-storage-daemon says that its write cache is off when it is on,
 * and the guest would never flush: without CONFIG_WCE there is a cache to flush.
 */
#define FEATURES	(BIT(VIRTIO_BLK_F_SIZE_MAX) | BIT(VIRTIO_BLK_F_SEG_MAX) | BIT(VIRTIO_BLK_F_GEOMETRY) | BIT(VIRTIO_BLK_F_RO) | \
			 BIT(VIRTIO_BLK_F_BLK_SIZE) | BIT(VIRTIO_BLK_F_FLUSH) | BIT(VIRTIO_BLK_F_TOPOLOGY) | BIT(VIRTIO_BLK_F_MQ) | \
			 BIT(VIRTIO_BLK_F_DISCARD) | BIT(VIRTIO_BLK_F_WRITE_ZEROES))

_Static_assert(offsetof(struct virtio_blk_config, write_zeroes_may_unmap) < CONFIG_SIZE, "the configuration ends after it");

/* Of a request that the server has, or that waits for a limit. */
struct note {
	struct gate_entry wait;
	unsigned int queue;
	uint16_t head;
	uint32_t room;
	uint32_t type;
	uint64_t bytes, began;
	const uint8_t *status;
};

struct queue {
	struct shadow shadow;
	struct note note[QUEUE_SIZE];	/* by head */
	struct hand_ring ring;		/* as the server has it */
	struct loop_op call, err;	/* something came back; the server says that it is no ring */
	bool running;			/* the server has it */
};

static struct vu vu;
static int server = -1;
static struct queue queue[VMI_BUS_QUEUES];
static struct mem_window shadows = { .fd = -1 };
static char serial[VIRTIO_BLK_ID_BYTES];
static bool own_serial;			/* the server is not asked */
static uint64_t own_size;		/* bytes; 0: what the server says. qemu-storage-daemon 7.2 does not tell when it changes */
static struct gate gate;
static struct iovec pieces[QUEUE_SIZE];	/* of the request that is looked at */
static struct loop_op server_op, news_op;
static uint64_t patience;		/* s with a server that gives nothing back; 0: any time */
static struct loop_timer look_timer;
static unsigned int quiet;		/* looks in a row at which nothing had come back */
static uint16_t seen_before;		/* what all queues had then */
static bool said_quiet;
static struct dev *dev;

static bool vhost_user_arg(struct dev *d, const char *name, const char *value)
{
	if (!strcmp(name, "socket"))
		server = arg_fd(name, value);
	else if (!strcmp(name, "device"))
		d->device = arg_u64(name, value, VIRTIO_ID_BLOCK, VIRTIO_ID_BLOCK);
	else if (!strcmp(name, "serial"))
		blk_serial(serial, value), own_serial = true;
	else if (!strcmp(name, "size"))
		own_size = arg_u64(name, value, 0, INT64_MAX);
	else if (!strcmp(name, "limits"))
		gate_arg(&gate, value);
	else if (!strcmp(name, "patience"))
		patience = arg_u64(name, value, 0, PATIENCE_MAX);
	else
		return false;
	return true;
}

/* The next process goes on, with a new connection of the manager's. */
static void __attribute__((noreturn)) gone(const char *why)
{
	dev_error(dev, "%s; requests wait until a server is there again", why);
	die("%s", why);
}

static void __attribute__((noreturn, format(printf, 1, 2))) lies(const char *fmt, ...)
{
	char why[160];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(why, sizeof(why), fmt, ap);
	va_end(ap);
	gone(why);
}

static void load_config(struct dev *d)
{
	struct virtio_blk_config c = { 0 };

	if (vu_config(&vu, &c, CONFIG_SIZE))
		gone(vu_why());
	c.num_queues = d->nr_queues;
	if (own_size)
		c.capacity = own_size / SECTOR;
	memcpy(d->config, &c, CONFIG_SIZE);
	d->config_size = CONFIG_SIZE;
	/* Some offer it and leave it 0, which would be no segment at all. */
	if (!c.size_max)
		d->features &= ~BIT(VIRTIO_BLK_F_SIZE_MAX);
}

static void config_changed(struct dev *d)
{
	load_config(d);
	dev_config_changed(d);
}

/* ---- requests ---- */

static bool may_begin(void)
{
	return dev->started;
}

/* The server sees it with the next show(). */
static void pass_on(struct gate_entry *e)
{
	struct note *n = (struct note *)((char *)e - offsetof(struct note, wait));

	shadow_add(&queue[n->queue].shadow, n->head, n->room);
}

/* How many requests the server has; *seen: how many it gave back, modulo 2^16. */
static unsigned int with_server(uint16_t *seen)
{
	unsigned int nr = 0;

	*seen = 0;
	for (unsigned int q = 0; q < dev->nr_queues; q++) {
		if (!queue[q].running)
			continue;
		nr += (uint16_t)(queue[q].shadow.shown - queue[q].shadow.seen);
		*seen += queue[q].shadow.seen;
	}
	return nr;
}

static void look_again(void)
{
	if (patience)
		loop_time(&look_timer, patience * 1000000000 / LOOKS);
}

/*
 * A server that is not ours cannot be killed, but its owner should know. One that answers has a disk that does not.
 * It is asked in the middle of the time, and has the other half for its answer.
 */
static void look(void *arg)
{
	uint16_t seen;
	unsigned int nr = with_server(&seen);

	(void)arg;
	quiet = nr && seen == seen_before ? quiet + 1 : 0;
	seen_before = seen;
	if (!quiet && said_quiet)
		dev_log(dev, "the vhost-user server gives requests back again");
	said_quiet &= quiet > 0;
	if (quiet == LOOKS / 2 && !vu.asked && vu_ask(&vu))
		gone(vu_why());
	/* The first look may have come right after a request. */
	if (quiet == LOOKS + 1 && !said_quiet) {
		dev_error(dev, "the vhost-user server has %u request%s and gave none back for %llu s: %s", nr, nr == 1 ? "" : "s",
			  (unsigned long long)patience, vu.asked ? "it does not answer either: stopped, or in an endless loop; the guest waits "
			  "until it goes on or is started anew" : "it answers, so it waits for its own disk");
		said_quiet = true;
	}
	if (nr)
		look_again();
}

static void show(struct queue *k)
{
	if (shadow_show(&k->shadow))
		hand_kick(&k->ring);
	if (k->shadow.shown != k->shadow.seen)
		look_again();
}

static void begin(unsigned int q, const struct ring_chain *c, const struct blk_request *r)
{
	bool range = r->type == VIRTIO_BLK_T_DISCARD || r->type == VIRTIO_BLK_T_WRITE_ZEROES;
	struct note *n = &queue[q].note[c->head];

	*n = (struct note){
		.queue = q, .head = c->head, .room = c->in, .type = r->type, .status = r->status, .began = loop_now(),
		.bytes = range ? blk_range_bytes(r) : r->len,
	};
	if (r->len && (r->type == VIRTIO_BLK_T_IN || r->type == VIRTIO_BLK_T_OUT))
		gate_pass(&gate, &n->wait, r->type == VIRTIO_BLK_T_OUT, r->len);
	else
		pass_on(&n->wait);
}

static void identify(unsigned int q, const struct ring_chain *c, const struct blk_request *r)
{
	uint8_t status = blk_identify(r, serial);

	WRITE_ONCE(*r->status, status);
	ring_push(&dev->queue[q].ring, c->head, status == VIRTIO_BLK_S_OK ? c->in : 1);
}

/* Pass on all that is there. */
static void take(struct dev *d, unsigned int q)
{
	struct queue *k = &queue[q];
	struct ring_chain c = { .iov = pieces, .max = QUEUE_SIZE };
	struct blk_request r;
	const char *lacks;

	if (!k->running || !d->started)
		return;
	ring_quiet(&d->queue[q].ring);
	do {
		while (dev_pop(d, q, &c) == RING_GOT) {
			lacks = blk_parse(&r, &c);
			if (lacks) {
				dev_break(d, "queue %u: a request has no %s", q, lacks);
				break;
			}
			if (r.type == VIRTIO_BLK_T_GET_ID && own_serial)
				identify(q, &c, &r);
			else
				begin(q, &c, &r);
		}
		show(k);
	} while (dev_listen(d, q));
}

/* The status is in the guest's memory, and may lie about its own disk. */
static void count(const struct note *n)
{
	uint8_t status = READ_ONCE(*n->status);

	blk_count(&dev->state->block, n->type, status, status == VIRTIO_BLK_S_OK ? n->bytes : 0, loop_now() - n->began);
}

/* Give back all that came back; the end of the round shows it. */
static void collect(unsigned int q)
{
	struct queue *k = &queue[q];
	uint16_t head;
	uint32_t len;
	int rc;

	do {
		while ((rc = shadow_next(&k->shadow, &head, &len)) == RING_GOT) {
			count(&k->note[head]);
			ring_push(&dev->queue[q].ring, head, len);
		}
		if (rc == RING_BROKEN)
			lies("the vhost-user server %s (queue %u)", k->shadow.broken, q);
	} while (shadow_listen(&k->shadow));
}

static void collect_all(void)
{
	for (unsigned int q = 0; q < dev->nr_queues; q++)
		if (queue[q].running)
			collect(q);
}

static void vhost_user_settle(struct dev *d)
{
	for (unsigned int q = 0; q < d->nr_queues; q++) {
		/* What has waited long enough. */
		if (queue[q].running && d->started)
			show(&queue[q]);
		dev_publish(d, q);
	}
}

/* ---- events ---- */

static void call_event(struct loop_op *op, int res)
{
	struct queue *k = (struct queue *)((char *)op - offsetof(struct queue, call));

	(void)res;
	if (k->running)
		collect(k - queue);
}

static void error_event(struct loop_op *op, int res)
{
	struct queue *k = (struct queue *)((char *)op - offsetof(struct queue, err));

	(void)res;
	lies("the vhost-user server says that queue %u is no ring", (unsigned int)(k - queue));
}

static void server_event(struct loop_op *op, int res)
{
	ssize_t n;
	char c;

	(void)op;
	(void)res;
	/* Other answers than look()'s are read where it was asked. */
	while ((n = recv(vu.fd, &c, 1, MSG_PEEK | MSG_DONTWAIT)) > 0 && vu.asked)
		if (vu_answered(&vu))
			gone(vu_why());
	if (n < 0 && errno == EAGAIN)
		return;
	/* What it completed before need not be done again. */
	collect_all();
	dev_settle(dev);
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
	if (changed)
		config_changed(dev);
}

/* ---- a driver's life ---- */

/* Addresses are the windows' own: the server is to translate nothing. Its wake-ups are between it and us. */
static uint64_t server_features(const struct dev *d)
{
	uint64_t ours = BIT(VIRTIO_F_ACCESS_PLATFORM) | BIT(VIRTIO_RING_F_EVENT_IDX);

	return ((d->agreed & ~ours) | BIT(VIRTIO_RING_F_EVENT_IDX)) & vu.features;
}

static void vhost_user_start(struct dev *d)
{
	uint64_t features = server_features(d);

	if (vu_features(&vu, features))
		gone(vu_why());
	for (unsigned int q = 0; q < d->nr_queues; q++) {
		struct queue *k = &queue[q];
		void *page = shadows.base + q * SHADOW_BYTES;

		if (!d->queue[q].enabled)
			continue;
		shadow_start(&k->shadow, page, d->queue[q].size, features & BIT(VIRTIO_RING_F_EVENT_IDX));
		k->ring.size = d->queue[q].size;
		k->ring.desc = d->queue[q].ring.desc;
		k->ring.avail = k->shadow.avail;
		k->ring.used = k->shadow.used;
		if (vu_ring_start(&vu, &k->ring))
			gone(vu_why());
		k->running = true;
	}
}

static bool drained(void)
{
	for (unsigned int q = 0; q < dev->nr_queues; q++)
		if (queue[q].running && queue[q].shadow.seen != queue[q].shadow.shown)
			return false;
	return true;
}

static void drain(void *arg)
{
	static struct loop_timer later = { .fn = drain };

	(void)arg;
	collect_all();
	if (!drained()) {
		loop_time(&later, DRAIN_NS);
		return;
	}
	for (unsigned int q = 0; q < dev->nr_queues; q++) {
		uint16_t taken;

		if (!queue[q].running)
			continue;
		if (vu_ring_stop(&vu, q, &taken))
			gone(vu_why());
		if (taken != queue[q].shadow.seen)
			lies("the vhost-user server stopped queue %u at %u, and gave back %u", q, taken, queue[q].shadow.seen);
		dev_publish(dev, q);
		queue[q].running = false;
	}
	dev_stopped(dev);
}

/*
 * The rings are stopped when all came back: QEMU 7.2 ends the connection when it completes
 * a request of a stopped one.
 */
static void vhost_user_stop(struct dev *d)
{
	(void)d;
	/* What waits is in flight in the state file: the next one's, or forgotten with the reset. */
	while (gate_drop(&gate))
		;
	drain(NULL);
}

static bool vhost_user_told(struct dev *d, const char *line)
{
	if (!strncmp(line, "resize ", 7) && strtoull(line + 7, NULL, 10)) {
		own_size = strtoull(line + 7, NULL, 10);
		config_changed(d);
		dev_log(d, "the disk has %llu sectors now", (unsigned long long)(own_size / SECTOR));
		return true;
	}
	return !strncmp(line, "limits ", 7) && gate_set(&gate, line + 7);
}

static void vhost_user_kick(struct dev *d, unsigned int q)
{
	take(d, q);
}

/* Memory of ours for the shadow rings, which nobody can make smaller. */
static void make_shadows(const struct dev *d)
{
	struct mem_window *w = &shadows;

	/* In the server's view it follows the guest's memory: no buffer of the guest's is there. */
	for (unsigned int i = 0; i < d->mem.nr; i++)
		if (w->gpa < d->mem.window[i].gpa + d->mem.window[i].size)
			w->gpa = d->mem.window[i].gpa + d->mem.window[i].size;
	w->size = d->nr_queues * SHADOW_BYTES;
	w->fd = memfd_create("shadow rings", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (w->fd < 0 || ftruncate(w->fd, w->size) || fcntl(w->fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL))
		die("no memory for the rings: %s", strerror(errno));
	w->base = mmap(NULL, w->size, PROT_READ | PROT_WRITE, MAP_SHARED, w->fd, 0);
	if (w->base == MAP_FAILED)
		die("no memory for the rings: %s", strerror(errno));
}

static void make_queue(unsigned int q)
{
	struct queue *k = &queue[q];

	k->ring = (struct hand_ring){ .index = q, .kick = hand_event(), .call = hand_event(), .err = hand_event() };
	k->call.done = call_event;
	loop_poll(&k->call, k->ring.call);
	k->err.done = error_event;
	loop_poll(&k->err, k->ring.err);
}

static void vhost_user_init(struct dev *d)
{
	dev = d;
	if (server < 0 || !d->device)
		die("socket=FD and device=2 are needed; see vmi-back --help");
	if (vu_hello(&vu, server))
		die("%s", vu_why());
	if (!(vu.features & BIT(VIRTIO_F_VERSION_1)) || !(vu.protocol & BIT(VU_P_CONFIG)))
		die("the vhost-user server has no virtio 1.0 or tells no configuration; qemu-storage-daemon 7.2 does");
	if (vu.queues < d->queues)
		die("queues=%u: the vhost-user server has %u; give it more, or the device fewer", d->queues, vu.queues);
	d->nr_queues = d->queues;
	make_shadows(d);
	if (vu_memory(&vu, &d->mem, &shadows))
		die("%s", vu_why());
	gate_init(&gate, may_begin, pass_on);
	look_timer.fn = look;
	d->size_max = QUEUE_SIZE;
	d->features = vu.features & FEATURES;
	d->withheld = BIT(VIRTIO_RING_F_INDIRECT_DESC) & ~vu.features;
	if (d->nr_queues == 1)
		d->features &= ~BIT(VIRTIO_BLK_F_MQ);
	load_config(d);
	for (unsigned int q = 0; q < d->nr_queues; q++)
		make_queue(q);
	server_op.done = server_event;
	loop_poll(&server_op, vu.fd);
	news_op.done = news_event;
	if (vu.news >= 0)
		loop_poll(&news_op, vu.news);
}

const struct dev_ops vhost_user_ops = {
	.name = "vhost-user",
	.help = "  socket=FD          connected to a vhost-user server, which serves this device alone\n"
		"  device=2           what it is: a disk\n"
		"  serial=TEXT        up to 20 characters; without, the guest reads the server's\n"
		"  size=BYTES         what the guest is told; without, what the server says (told \"resize BYTES\": it has changed)\n"
		"  limits=T,R,W,T,R,W bytes a second, then requests a second: in all, reads, writes; 0: no limit\n"
		"                     or followed by six rates of bursts, the size of a request, and six bursts' seconds\n"
		"  patience=SECONDS   with a server that gives no request back, until that is said (default 0: any time)\n",
	.syscalls = (const int[]){ SCMP_SYS(sendmsg), SCMP_SYS(recvmsg), -1 },
	.opcodes = (const int[]){ IORING_OP_TIMEOUT, -1 },
	.arg = vhost_user_arg,
	.init = vhost_user_init,
	.start = vhost_user_start,
	.stop = vhost_user_stop,
	.kick = vhost_user_kick,
	.settle = vhost_user_settle,
	.told = vhost_user_told,
};
