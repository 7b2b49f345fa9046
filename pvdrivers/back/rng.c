// SPDX-License-Identifier: GPL-2.0-only
/*
 * rng.c - an entropy device: requests are filled from a file, or from the kernel.
 */
#include <errno.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include <linux/virtio_ids.h>
#include <seccomp.h>

#include "dev.h"

#define QUEUE_SIZE	64
#define REQUEST_MAX	4096	/* bytes given at once; the driver asks again */

static int file = -1;

static bool rng_arg(struct dev *d, const char *name, const char *value)
{
	(void)d;
	if (strcmp(name, "file"))
		return false;
	file = arg_fd(name, value);
	return true;
}

static void rng_init(struct dev *d)
{
	d->nr_queues = 1;
	d->size_max = QUEUE_SIZE;
}

static void rng_start(struct dev *d)
{
	(void)d;
}

static void rng_kick(struct dev *d, unsigned int q)
{
	struct iovec iov[QUEUE_SIZE];
	struct ring_chain c = { .iov = iov, .max = QUEUE_SIZE };
	uint8_t buf[REQUEST_MAX];

	do {
		while (dev_pop(d, q, &c) == RING_GOT) {
			size_t want = c.in < sizeof(buf) ? c.in : sizeof(buf);
			ssize_t n = file < 0 ? getrandom(buf, want, 0) : read(file, buf, want);

			if (n < 0) {
				dev_error(d, "the source of random numbers cannot be read: %s", strerror(errno));
				n = 0;
			}
			ring_scatter(iov + c.nr_out, c.nr_in, 0, buf, n);
			ring_push(&d->queue[q].ring, c.head, n);
		}
	} while (dev_listen(d, q));
	explicit_bzero(buf, sizeof(buf));
}

static void rng_settle(struct dev *d)
{
	dev_publish(d, 0);
}

const struct dev_ops rng_ops = {
	.name = "rng",
	.help = "  file=FD            where the numbers come from (without it: the kernel's generator)\n",
	.device = VIRTIO_ID_RNG,
	.syscalls = (const int[]){ SCMP_SYS(getrandom), -1 },
	.arg = rng_arg,
	.init = rng_init,
	.start = rng_start,
	.stop = dev_stopped,
	.kick = rng_kick,
	.settle = rng_settle,
};
