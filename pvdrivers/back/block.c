// SPDX-License-Identifier: GPL-2.0-only
/*
 * block.c - a disk: virtio-blk requests as transfers of io_uring.
 *
 * A round of the event loop takes all requests that are there and submits them
 * together; what is done is given back together, with one notification at most.
 * Data goes between the file and the guest's buffers directly. The few requests
 * whose place or buffers the file does not take (disk_fits) wait until they are
 * alone, and are copied.
 *
 * What is acknowledged is as safe as the cache mode says: flush is fdatasync(). The driver
 * may switch a cache off that the mode allows (CONFIG_WCE).
 * Errors go to the manager as a line, and to the guest as VIRTIO_BLK_S_IOERR; or, as
 * the disk's owner wants it (errors=, rerrors=), the request is held and tried again every
 * second. It is in flight all that time: it survives a kill, and a reset drops it.
 *
 * Trust: the file is the manager's choice; everything in a request is checked here
 *        after ring.c checked where it lies.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <liburing.h>
#include <linux/falloc.h>
#include <linux/virtio_blk.h>
#include <linux/virtio_ids.h>
#include <seccomp.h>
#include <vmi/dev.h>

#include "blk.h"
#include "dev.h"
#include "disk.h"
#include "gate.h"

#define QUEUE_SIZE	256
#define SEG_MAX		(QUEUE_SIZE - 2)	/* with the header and the status a full indirect table */
#define RETRY_NS	1000000000ull	/* what is held is tried again */
#define RANGE_MAX	(1u << 22)		/* sectors of a discard: 2 GiB, so that none takes too long */

/* What becomes of a request that failed. */
enum policy { REPORT, STOP, ENOSPACE, IGNORE };
static const char *const policies[] = { "report", "stop", "enospace", "ignore" };

struct request {
	struct loop_op op;
	struct block *b;
	struct request *next_free;	/* or the next one that is held */
	struct gate_entry wait;		/* for a limit; without in_flight */
	struct ring_chain c;
	unsigned int queue;
	uint32_t type, flags;
	uint64_t offset, len, done;	/* bytes of the disk */
	struct iovec *data;
	unsigned int nr_data;
	uint8_t *status;		/* the guest's byte for it */
	uint64_t began;
	bool syncing;			/* it is done, but for the medium */
	bool durable;			/* a write whose parts so far are on the medium */
	bool failed;			/* and was held for it, at least once */
	bool by_frames;			/* its transfer is the kernel's of /dev/vmi/mem */
	struct vmi_dev_mem_io io;	/* which this describes */
	struct iovec iov[QUEUE_SIZE];
};

struct block {
	struct dev *d;
	struct disk disk;
	int fd;
	bool readonly, discard;
	const char *cache;
	char serial[VIRTIO_BLK_ID_BYTES];
	struct request *free;		/* as many as all queues have entries */
	bool no_frames;			/* the windows are no such files */
	unsigned int in_flight;		/* of all queues; without `alone` */
	struct request *alone;		/* waits until nothing is in flight; nothing else is taken meanwhile */
	enum policy on_read, on_write;
	struct request *held;		/* failed, and wait for their next try; without in_flight */
	struct loop_timer retry;
	struct gate gate;
};

static struct block block = { .fd = -1 };

/* ---- the end of a request ---- */

static void put_free(struct block *b, struct request *r)
{
	r->next_free = b->free;
	b->free = r;
}

static void give_back(struct request *r, uint8_t status)
{
	struct block *b = r->b;
	uint32_t written = 1;

	blk_count(&b->d->state->block, r->type, status, r->done, loop_now() - r->began);
	if (r->failed && b->d->state->block.held && !--b->d->state->block.held)
		dev_log(b->d, "what waited for the end of an error is done: the disk goes on");
	WRITE_ONCE(*r->status, status);
	/* The status is the last byte; without all the bytes before it, none counts. */
	if (status == VIRTIO_BLK_S_OK && (r->type == VIRTIO_BLK_T_IN || r->type == VIRTIO_BLK_T_GET_ID))
		written = r->c.in;
	ring_push(&b->d->queue[r->queue].ring, r->c.head, written);
	put_free(b, r);
}

static const char *verb(uint32_t type)
{
	switch (type) {
	case VIRTIO_BLK_T_IN:
		return "read";
	case VIRTIO_BLK_T_OUT:
		return "write";
	case VIRTIO_BLK_T_FLUSH:
		return "flush";
	default:
		return "discard";
	}
}

static bool is_held(const struct request *r, enum policy p, bool no_space)
{
	/* What the kernel could not write of its cache it forgets: the next flush would succeed without it. */
	if (r->syncing && !r->b->disk.direct)
		return false;
	/* A driver that resets the device wants it no more; who only ends leaves it to the next one. */
	if (!r->b->d->started && !r->b->d->quitting)
		return false;
	return p == STOP || (p == ENOSPACE && no_space);
}

static void fail(struct request *r, int error)
{
	struct block *b = r->b;
	struct back_block_stats *s = &b->d->state->block;
	enum policy p = r->type == VIRTIO_BLK_T_IN ? b->on_read : b->on_write;
	bool no_space = error == ENOSPC || error == EDQUOT, hold = is_held(r, p, no_space);
	const char *what = error == ENODATA ? "the image ends before; was it made smaller?" :
			   no_space ? "no space left for the image" : strerror(error);

	/* Of those that are held, the first one speaks for all. */
	if (!hold || !s->held)
		dev_error(b->d, "%s at sector %llu: %s%s", verb(r->type), (unsigned long long)((r->offset + r->done) / SECTOR), what,
			  hold ? "; it is held and tried again every second, the guest waits" : "");
	if (!hold) {
		give_back(r, p == IGNORE ? VIRTIO_BLK_S_OK : VIRTIO_BLK_S_IOERR);
		return;
	}
	s->held += !r->failed;
	s->held_error = error;
	r->failed = true;
	r->next_free = b->held;
	b->held = r;
	loop_time(&b->retry, RETRY_NS);
}

/* ---- transfers ---- */

/*
 * All at once by the frames of its window: the kernel pins no page for that. Other
 * transfers do what this does not: pieces of several windows, and what is left of a
 * request of which not all was done.
 */
static bool submit_by_frames(struct request *r)
{
	struct block *b = r->b;
	const struct mem_window *w = mem_window(&b->d->mem, r->data[0].iov_base);
	struct io_uring_sqe *sqe;

	if (b->no_frames)
		return false;
	for (unsigned int i = 1; i < r->nr_data; i++)
		if (mem_window(&b->d->mem, r->data[i].iov_base) != w)
			return false;
	r->by_frames = true;
	r->io = (struct vmi_dev_mem_io){
		.pieces = (uintptr_t)r->data, .nr = r->nr_data, .base = (uintptr_t)w->base, .fd = b->disk.fd,
		.offset = r->offset, .flags = r->type == VIRTIO_BLK_T_OUT && b->disk.sync ? RWF_DSYNC : 0,
	};
	if (r->type == VIRTIO_BLK_T_OUT)
		r->durable &= b->disk.sync;
	sqe = loop_sqe(&r->op);
	io_uring_prep_rw(IORING_OP_URING_CMD, sqe, w->fd, NULL, 0, 0);
	sqe->cmd_op = r->type == VIRTIO_BLK_T_IN ? VMI_DEV_MEM_READ : VMI_DEV_MEM_WRITE;
	memcpy(sqe->cmd, &(uint64_t){ (uintptr_t)&r->io }, sizeof(uint64_t));
	return true;
}

static void submit(struct request *r)
{
	struct block *b = r->b;
	struct io_uring_sqe *sqe = loop_sqe(&r->op);
	int mode = FALLOC_FL_KEEP_SIZE;

	if (r->syncing) {
		io_uring_prep_fsync(sqe, b->disk.fd, IORING_FSYNC_DATASYNC);
		return;
	}
	switch (r->type) {
	case VIRTIO_BLK_T_IN:
		/* A single piece needs no list for the kernel to copy. */
		if (r->nr_data == 1)
			io_uring_prep_read(sqe, b->disk.fd, r->data->iov_base, r->data->iov_len, r->offset + r->done);
		else
			io_uring_prep_readv(sqe, b->disk.fd, r->data, r->nr_data, r->offset + r->done);
		break;
	case VIRTIO_BLK_T_OUT:
		if (r->nr_data == 1)
			io_uring_prep_write(sqe, b->disk.fd, r->data->iov_base, r->data->iov_len, r->offset + r->done);
		else
			io_uring_prep_writev(sqe, b->disk.fd, r->data, r->nr_data, r->offset + r->done);
		sqe->rw_flags = b->disk.sync ? RWF_DSYNC : 0;
		r->durable &= b->disk.sync;
		break;
	default:
		if (r->type == VIRTIO_BLK_T_DISCARD || r->flags & VIRTIO_BLK_WRITE_ZEROES_FLAG_UNMAP)
			mode |= FALLOC_FL_PUNCH_HOLE;
		else
			mode |= FALLOC_FL_ZERO_RANGE;
		io_uring_prep_fallocate(sqe, b->disk.fd, mode, r->offset, r->len);
	}
}

/* true: it needs another transfer. */
static bool transferred(struct request *r, int res)
{
	struct disk *k = &r->b->disk;

	if (r->by_frames) {
		r->by_frames = false;
		if (res == -EOPNOTSUPP || res == -EBADF)
			r->b->no_frames = true;
		/* The other way finds out why. */
		if (res <= 0)
			return true;
	}
	if (res == -EINTR || res == -EAGAIN)
		return true;
	if (r->syncing || r->type == VIRTIO_BLK_T_FLUSH) {
		if (res < 0)
			fail(r, -res);
		else
			give_back(r, VIRTIO_BLK_S_OK);
		return false;
	}
	if (r->type == VIRTIO_BLK_T_DISCARD || r->type == VIRTIO_BLK_T_WRITE_ZEROES) {
		if (res == -EOPNOTSUPP || res == -EINVAL) {
			give_back(r, VIRTIO_BLK_S_UNSUPP);	/* the guest writes zeroes itself */
			return false;
		}
		if (res < 0) {
			fail(r, -res);
			return false;
		}
		r->done = r->len;
		r->syncing = k->sync;
		if (!r->syncing)
			give_back(r, VIRTIO_BLK_S_OK);
		return r->syncing;
	}
	if (res <= 0) {
		fail(r, res ? -res : r->type == VIRTIO_BLK_T_IN ? ENODATA : EIO);
		return false;
	}
	r->done += res;
	if (r->done < r->len) {
		r->nr_data = ring_cut(r->data, r->nr_data, res, r->len - r->done);
		return true;
	}
	/* It was on its way when the driver switched the cache off. */
	if (r->type == VIRTIO_BLK_T_OUT && k->sync && !r->durable) {
		r->syncing = true;
		return true;
	}
	give_back(r, VIRTIO_BLK_S_OK);
	return false;
}

static void request_done(struct loop_op *op, int res)
{
	struct request *r = (struct request *)op;
	struct block *b = r->b;

	/* Given back, it is another one's: b was read before. */
	if (transferred(r, res))
		submit(r);
	else
		b->in_flight--;
}

/* ---- the beginning of a request ---- */

static void begin_transfer(struct request *r)
{
	struct block *b = r->b;

	if (!disk_fits(&b->disk, r->data, r->nr_data, r->offset, r->len)) {
		b->alone = r;
		return;
	}
	b->in_flight++;
	if (!submit_by_frames(r))
		submit(r);
}

static struct request *waiting(struct gate_entry *e)
{
	return (struct request *)((char *)e - offsetof(struct request, wait));
}

static void begin_waiting(struct gate_entry *e)
{
	begin_transfer(waiting(e));
}

static bool may_begin(void)
{
	return block.d->started && !block.alone;
}

/* Another try of all that is held. */
static void retry(void *arg)
{
	struct block *b = arg;
	struct request *r;

	/* One that has to be alone ends the round: what is left comes with the next one. */
	while (b->d->started && !b->alone && (r = b->held)) {
		b->held = r->next_free;
		if (!r->done && !r->syncing && (r->type == VIRTIO_BLK_T_IN || r->type == VIRTIO_BLK_T_OUT)) {
			begin_transfer(r);
		} else {
			b->in_flight++;
			submit(r);
		}
	}
	if (b->held)
		loop_time(&b->retry, RETRY_NS);
}

static bool inside(const struct block *b, uint64_t sector, uint64_t bytes)
{
	return bytes % SECTOR == 0 && sector <= b->disk.size / SECTOR && bytes / SECTOR <= b->disk.size / SECTOR - sector;
}

static void begin_range(struct request *r)
{
	struct block *b = r->b;
	struct virtio_blk_discard_write_zeroes range;
	bool unmap, zeroes = r->type == VIRTIO_BLK_T_WRITE_ZEROES;

	if (r->len != sizeof(range) || !ring_gather(&range, r->data, r->nr_data, 0, sizeof(range)) || b->readonly ||
	    !inside(b, range.sector, (uint64_t)range.num_sectors * SECTOR) || range.num_sectors > RANGE_MAX) {
		give_back(r, VIRTIO_BLK_S_IOERR);
		return;
	}
	unmap = range.flags & VIRTIO_BLK_WRITE_ZEROES_FLAG_UNMAP;
	if (range.flags & ~VIRTIO_BLK_WRITE_ZEROES_FLAG_UNMAP || (!zeroes && (unmap || !b->discard))) {
		give_back(r, VIRTIO_BLK_S_UNSUPP);
		return;
	}
	r->flags = b->discard ? range.flags : 0;
	r->offset = range.sector * SECTOR;
	r->len = (uint64_t)range.num_sectors * SECTOR;
	if (!r->len) {
		give_back(r, VIRTIO_BLK_S_OK);
		return;
	}
	b->in_flight++;
	submit(r);
}

/* A chain, checked by ring_pop(). */
static void begin(struct block *b, unsigned int q, struct request *r)
{
	struct blk_request what;
	const char *lacks;

	r->b = b;
	r->queue = q;
	r->op.done = request_done;
	r->op.fd = -1;
	r->done = r->offset = 0;
	r->syncing = r->failed = r->by_frames = false;
	r->durable = true;
	r->began = loop_now();
	lacks = blk_parse(&what, &r->c);
	if (lacks) {
		dev_break(b->d, "queue %u: a request has no %s", q, lacks);
		put_free(b, r);
		return;
	}
	r->type = what.type;
	r->data = what.data;
	r->nr_data = what.nr_data;
	r->len = what.len;
	r->status = what.status;

	switch (r->type) {
	case VIRTIO_BLK_T_IN:
	case VIRTIO_BLK_T_OUT:
		if (!inside(b, what.sector, r->len) || (b->readonly && r->type == VIRTIO_BLK_T_OUT)) {
			give_back(r, VIRTIO_BLK_S_IOERR);
			return;
		}
		r->offset = what.sector * SECTOR;
		if (r->len)
			gate_pass(&b->gate, &r->wait, r->type == VIRTIO_BLK_T_OUT, r->len);
		else
			give_back(r, VIRTIO_BLK_S_OK);
		return;
	case VIRTIO_BLK_T_FLUSH:
		if (b->disk.unsafe || b->readonly) {
			give_back(r, VIRTIO_BLK_S_OK);
			return;
		}
		r->syncing = true;
		b->in_flight++;
		submit(r);
		return;
	case VIRTIO_BLK_T_GET_ID:
		give_back(r, blk_identify(&what, b->serial));
		return;
	case VIRTIO_BLK_T_DISCARD:
	case VIRTIO_BLK_T_WRITE_ZEROES:
		begin_range(r);
		return;
	default:
		give_back(r, VIRTIO_BLK_S_UNSUPP);
	}
}

/* All that is there. */
static void take(struct block *b, unsigned int q)
{
	struct dev *d = b->d;

	if (!d->started || b->alone)
		return;
	ring_quiet(&d->queue[q].ring);
	do {
		while (!b->alone) {
			struct request *r = b->free;

			r->c.iov = r->iov;
			r->c.max = QUEUE_SIZE;
			if (dev_pop(d, q, &r->c) != RING_GOT)
				break;
			b->free = r->next_free;
			begin(b, q, r);
		}
	} while (!b->alone && dev_listen(d, q));
}

/* Nothing is in flight but this one. */
static void do_alone(struct block *b)
{
	struct request *r = b->alone;
	int rc = disk_slow(&b->disk, r->type == VIRTIO_BLK_T_OUT, r->data, r->nr_data, r->offset, r->len);

	b->alone = NULL;
	r->done = rc ? 0 : r->len;
	if (rc)
		fail(r, -rc);
	else
		give_back(r, VIRTIO_BLK_S_OK);
}

/* ---- the device ---- */

static void block_kick(struct dev *d, unsigned int q)
{
	take(d->priv, q);
}

static void block_settle(struct dev *d)
{
	struct block *b = d->priv;

	while (b->alone && !b->in_flight) {
		do_alone(b);
		for (unsigned int q = 0; q < d->nr_queues; q++)
			take(b, q);
	}
	for (unsigned int q = 0; q < d->nr_queues; q++)
		dev_publish(d, q);
	if (d->stopping && !b->in_flight)
		dev_stopped(d);
}

static void block_start(struct dev *d)
{
	struct block *b = d->priv;

	/* Who does not know of flush counts on every write being on the medium. */
	b->disk.sync = (b->cache && !strcmp(b->cache, "writethrough")) || d->state->block.through ||
		       (!b->disk.unsafe && !(d->agreed & 1ull << VIRTIO_BLK_F_FLUSH));
}

static void set_config(struct dev *d);

/* Known to the guest, and to the next back end. */
static void set_through(struct dev *d, bool through)
{
	d->state->block.through = through;
	set_config(d);
	dev_config_changed(d);
}

/* The driver switches its write cache. */
static void block_config_written(struct dev *d)
{
	struct virtio_blk_config *c = (void *)d->config_guest;
	struct block *b = d->priv;

	if (!d->started || !(d->agreed & 1ull << VIRTIO_BLK_F_CONFIG_WCE))
		return;
	/* For what was acknowledged until now no flush may come any more. */
	if (!c->wce && fdatasync(b->disk.fd)) {
		dev_error(d, "flush: %s: the guest's write cache stays on", strerror(errno));
		return;
	}
	set_through(d, !c->wce);
	block_start(d);
}

/* The end of a round sees when nothing is in flight. */
static void block_stop(struct dev *d)
{
	struct block *b = d->priv;
	struct gate_entry *e;
	struct request *r;

	/* What waits stays in the state file, for the next back end, or until the reset is done. */
	while ((r = b->held)) {
		b->held = r->next_free;
		put_free(b, r);
	}
	while ((e = gate_drop(&b->gate)))
		put_free(b, waiting(e));
	d->state->block.held = 0;
	/* The next driver's cache is on again. */
	if (!d->quitting && d->state->block.through)
		set_through(d, false);
}

static void set_config(struct dev *d)
{
	struct block *b = d->priv;
	struct virtio_blk_config c = {
		.capacity = b->disk.size / SECTOR,
		.seg_max = SEG_MAX,
		.blk_size = SECTOR,
		.physical_block_exp = __builtin_ctz(b->disk.physical / SECTOR),
		.min_io_size = b->disk.io_min / SECTOR,
		.opt_io_size = b->disk.io_opt / SECTOR,
		.num_queues = d->nr_queues,
		.wce = d->features & 1ull << VIRTIO_BLK_F_CONFIG_WCE && !d->state->block.through,
		.max_discard_sectors = RANGE_MAX,
		.max_discard_seg = 1,
		.discard_sector_alignment = b->disk.physical / SECTOR,
		.max_write_zeroes_sectors = RANGE_MAX,
		.max_write_zeroes_seg = 1,
		.write_zeroes_may_unmap = b->discard,
	};

	memcpy(d->config, &c, sizeof(c));
	d->config_size = sizeof(c);
}

static void block_init(struct dev *d)
{
	struct block *b = &block;

	if (b->fd < 0)
		die("file=FD is missing; see vmi-back --help");
	d->priv = b;
	b->d = d;
	disk_open(&b->disk, b->fd, b->readonly, b->cache);
	b->retry = (struct loop_timer){ .fn = retry, .arg = b };
	gate_init(&b->gate, may_begin, begin_waiting);
	d->state->block.held = 0;
	d->nr_queues = d->queues;
	d->size_max = QUEUE_SIZE;
	for (unsigned int i = 0; i < d->nr_queues * QUEUE_SIZE; i++) {
		struct request *r = malloc(sizeof(*r));

		if (!r)
			die("no memory");
		put_free(b, r);
	}
	d->features = 1ull << VIRTIO_BLK_F_SEG_MAX | 1ull << VIRTIO_BLK_F_BLK_SIZE | 1ull << VIRTIO_BLK_F_TOPOLOGY;
	if (b->readonly)
		d->features |= 1ull << VIRTIO_BLK_F_RO;
	else
		d->features |= 1ull << VIRTIO_BLK_F_WRITE_ZEROES;
	if (b->discard)
		d->features |= 1ull << VIRTIO_BLK_F_DISCARD;
	if (!b->readonly && !b->disk.sync)
		d->features |= 1ull << VIRTIO_BLK_F_FLUSH;
	if (!b->readonly && !b->disk.sync && !b->disk.unsafe)
		d->features |= 1ull << VIRTIO_BLK_F_CONFIG_WCE;
	if (d->nr_queues > 1)
		d->features |= 1ull << VIRTIO_BLK_F_MQ;
	set_config(d);
}

static enum policy policy_arg(const char *name, const char *value)
{
	for (unsigned int i = 0; i < sizeof(policies) / sizeof(policies[0]); i++)
		if (!strcmp(value, policies[i]))
			return i;
	die("%s=%s: give report, stop, enospace or ignore", name, value);
}

static bool block_arg(struct dev *d, const char *name, const char *value)
{
	struct block *b = &block;

	(void)d;
	if (!strcmp(name, "file")) {
		b->fd = arg_fd(name, value);
	} else if (!strcmp(name, "readonly")) {
		b->readonly = arg_bool(name, value);
	} else if (!strcmp(name, "discard")) {
		b->discard = arg_bool(name, value);
	} else if (!strcmp(name, "cache")) {
		b->cache = strdup(value);
	} else if (!strcmp(name, "limits")) {
		gate_arg(&b->gate, value);
	} else if (!strcmp(name, "errors")) {
		b->on_write = policy_arg(name, value);
	} else if (!strcmp(name, "rerrors")) {
		b->on_read = policy_arg(name, value);
	} else if (!strcmp(name, "serial")) {
		blk_serial(b->serial, value);
	} else {
		return false;
	}
	return true;
}

static bool block_told(struct dev *d, const char *line)
{
	struct block *b = d->priv;

	if (!strcmp(line, "retry")) {
		retry(b);
		return true;
	}
	if (!strncmp(line, "limits ", 7))
		return gate_set(&b->gate, line + 7);
	if (strcmp(line, "resize"))
		return false;
	b->disk.size = disk_size(&b->disk);
	set_config(d);
	dev_config_changed(d);
	dev_log(d, "the disk has %llu sectors now", (unsigned long long)(b->disk.size / SECTOR));
	retry(b);
	return true;
}

const struct dev_ops block_ops = {
	.name = "block",
	.help = "  file=FD            the raw image or block device\n"
		"  readonly=0|1       default 0\n"
		"  serial=TEXT        up to 20 characters\n"
		"  cache=MODE         none (default; writeback where the file has no direct I/O), writeback, writethrough, unsafe\n"
		"  discard=0|1        may the guest give space back (default 0)\n"
		"  limits=T,R,W,T,R,W bytes a second, then requests a second: in all, reads, writes; 0: no limit\n"
		"                     or followed by six rates of bursts, the size of a request, and six bursts' seconds\n"
		"  errors=POLICY      of writes: report (default: the guest gets the error), stop (the request is held, and tried\n"
		"                     again every second), enospace (stop where space is lacking, else report), ignore\n"
		"  rerrors=POLICY     of reads\n",
	.device = VIRTIO_ID_BLOCK,
	.syscalls = (const int[]){ SCMP_SYS(pread64), SCMP_SYS(pwritev2), SCMP_SYS(lseek), SCMP_SYS(fdatasync), -1 },
	.opcodes = (const int[]){ IORING_OP_READ, IORING_OP_READV, IORING_OP_WRITE, IORING_OP_WRITEV, IORING_OP_URING_CMD, IORING_OP_FSYNC,
				  IORING_OP_FALLOCATE, IORING_OP_TIMEOUT, -1 },
	.arg = block_arg,
	.init = block_init,
	.start = block_start,
	.stop = block_stop,
	.kick = block_kick,
	.settle = block_settle,
	.config_written = block_config_written,
	.told = block_told,
};
