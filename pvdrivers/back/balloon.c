// SPDX-License-Identifier: GPL-2.0-only
/*
 * balloon.c - how much of its memory a guest may use, and what it says of the rest.
 *
 * The guest gives pages up (queue 0) and takes them back (queue 1) until it has
 * given as many as config.num_pages says. What it gives up goes to the
 * hypervisor through the balloon's file of /dev/vmi/mem (release=), and a frame is
 * found again by touching it, so taking back needs nothing. Numbers that are no
 * frames of the guest, or lent ones, are the guest's mistake and do nothing.
 *
 * Queue 2 is for statistics: the guest's one buffer stays here until fresh numbers
 * are wanted, every PERIOD.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>

#include <liburing.h>
#include <linux/virtio_balloon.h>
#include <linux/virtio_ids.h>

#include <vmi/dev.h>

#include "dev.h"

#define QUEUE_SIZE	128
#define INFLATE		0
#define STATS		2
#define PERIOD		5	/* seconds */
#define BATCH		512	/* frames of one release */
#define MAX_TAGS	(sizeof(((struct back_balloon_stats *)0)->tag) / sizeof(uint64_t))

static struct balloon {
	struct loop_op timer;
	struct dev *d;
	struct virtio_balloon_config config;
	bool timed;		/* the timer runs */
	bool held;		/* the statistics' buffer, of this head */
	uint16_t head;
	int release;		/* -1: pages are counted only */
} balloon = { .release = -1 };

static void set_timer(struct balloon *b)
{
	static struct __kernel_timespec period = { .tv_sec = PERIOD };

	if (!b->timed)
		io_uring_prep_timeout(loop_sqe(&b->timer), &period, 0, 0);
	b->timed = true;
}

static void take_stats(struct balloon *b, const struct ring_chain *c)
{
	struct back_balloon_stats *s = &b->d->state->balloon;
	struct virtio_balloon_stat stat;
	struct timespec now;

	memset(s->tag, 0xff, sizeof(s->tag));
	for (size_t at = 0; ring_gather(&stat, c->iov, c->nr_out, at, sizeof(stat)); at += sizeof(stat)) {
		if (stat.tag < MAX_TAGS)
			s->tag[stat.tag] = stat.val;
	}
	clock_gettime(CLOCK_REALTIME, &now);
	s->updated = now.tv_sec;
}

/* The request lists 32-bit frame numbers. */
static void give_up(struct balloon *b, const struct ring_chain *c)
{
	uint32_t pfn[BATCH];
	uint64_t gfn[BATCH];
	size_t n, at = 0;

	for (; b->release >= 0 && at + sizeof(pfn[0]) <= c->out; at += n * sizeof(pfn[0])) {
		struct vmi_dev_release r = { .gfns = (uintptr_t)gfn };
		long done;

		n = (c->out - at) / sizeof(pfn[0]);
		n = n < BATCH ? n : BATCH;
		ring_gather(pfn, c->iov, c->nr_out, at, n * sizeof(pfn[0]));
		for (size_t i = 0; i < n; i++)
			gfn[i] = pfn[i];
		/* A lent frame stops it: leave that one out. */
		for (r.nr = n; r.nr; r.gfns += (done + 1) * sizeof(gfn[0]), r.nr -= done + 1) {
			done = ioctl(b->release, VMI_DEV_MEM_RELEASE, &r);
			if (done < 0 || (uint32_t)done >= r.nr)
				break;
		}
	}
}

static void balloon_kick(struct dev *d, unsigned int q)
{
	struct balloon *b = d->priv;
	struct iovec iov[QUEUE_SIZE];
	struct ring_chain c = { .iov = iov, .max = QUEUE_SIZE };

	do {
		while (dev_pop(d, q, &c) == RING_GOT) {
			if (q == INFLATE)
				give_up(b, &c);
			if (q != STATS || b->held) {
				ring_push(&d->queue[q].ring, c.head, 0);
				continue;
			}
			take_stats(b, &c);
			b->held = true;
			b->head = c.head;
			set_timer(b);
		}
	} while (dev_listen(d, q));
}

static void time_for_stats(struct loop_op *op, int res)
{
	struct balloon *b = (struct balloon *)op;

	(void)res;
	b->timed = false;
	if (b->held)
		ring_push(&b->d->queue[STATS].ring, b->head, 0);
	b->held = false;
}

static void balloon_settle(struct dev *d)
{
	for (unsigned int q = 0; q < d->nr_queues; q++)
		dev_publish(d, q);
}

static void balloon_start(struct dev *d)
{
	balloon.held = false;
	(void)d;
}

static void balloon_stop(struct dev *d)
{
	balloon.held = false;
	dev_stopped(d);
}

static void set_config(struct dev *d)
{
	memcpy(d->config, &balloon.config, sizeof(balloon.config));
	d->config_size = sizeof(balloon.config);
	d->state->balloon.target = balloon.config.num_pages;
	d->state->balloon.actual = balloon.config.actual;
}

static void balloon_init(struct dev *d)
{
	balloon.d = d;
	balloon.timer = (struct loop_op){ time_for_stats, -1 };
	balloon.config.actual = d->state->balloon.actual;
	d->priv = &balloon;
	d->nr_queues = 3;
	d->size_max = QUEUE_SIZE;
	d->features = 1ull << VIRTIO_BALLOON_F_MUST_TELL_HOST | 1ull << VIRTIO_BALLOON_F_STATS_VQ;
	set_config(d);
}

static bool balloon_arg(struct dev *d, const char *name, const char *value)
{
	(void)d;
	if (!strcmp(name, "target"))
		balloon.config.num_pages = arg_u64(name, value, 0, UINT32_MAX);
	else if (!strcmp(name, "release"))
		balloon.release = arg_fd(name, value);
	else
		return false;
	return true;
}

/* The guest says how many it gave up. */
static void balloon_config_written(struct dev *d)
{
	struct virtio_balloon_config c;

	memcpy(&c, d->config_guest, sizeof(c));
	balloon.config.actual = c.actual;
	if (c.actual == balloon.config.num_pages)
		dev_given(d, "%u", c.actual);
	set_config(d);
	dev_config_changed(d);
}

static bool balloon_told(struct dev *d, const char *line)
{
	unsigned long long pages;
	char *end;

	if (strncmp(line, "target ", 7))
		return false;
	pages = strtoull(line + 7, &end, 10);
	if (end == line + 7 || *end || pages > UINT32_MAX)
		return false;
	balloon.config.num_pages = pages;
	set_config(d);
	dev_config_changed(d);
	return true;
}

const struct dev_ops balloon_ops = {
	.name = "balloon",
	.help = "  target=PAGES       pages of 4 KiB that the guest is to give up (default 0; told `target PAGES` later)\n"
		"  release=FD         /dev/vmi/mem as the domain's balloon: what the guest gives up goes to the hypervisor\n",
	.device = VIRTIO_ID_BALLOON,
	.opcodes = (const int[]){ IORING_OP_TIMEOUT, -1 },
	.ioctls = (const int[]){ VMI_DEV_MEM_RELEASE, 0 },
	.arg = balloon_arg,
	.init = balloon_init,
	.start = balloon_start,
	.stop = balloon_stop,
	.kick = balloon_kick,
	.settle = balloon_settle,
	.config_written = balloon_config_written,
	.told = balloon_told,
};
