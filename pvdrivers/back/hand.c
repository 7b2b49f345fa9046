// SPDX-License-Identifier: GPL-2.0-only
/*
 * hand.c - handing a queue to somebody else. See hand.h.
 *
 * Trust: the guest's addresses are checked here, so that whoever serves the ring
 *        gets pointers into the windows. What is in the ring, he checks.
 */
#include <errno.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <linux/virtio_ring.h>
#include <vmi/dev.h>

#include "hand.h"

int hand_event(void)
{
	int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);

	if (fd < 0)
		die("eventfd: %s", strerror(errno));
	return fd;
}

void hand_queue(struct dev *d, unsigned int q, struct hand_ring *r)
{
	struct dev_port *p = &d->queue[q].port;

	if (!p->dev)
		return;			/* not given: main() says so */
	d->queue[q].handed = true;
	r->index = q;
	r->err = hand_event();
	if (p->out >= 0) {		/* eventfds already */
		r->kick = p->in;
		r->call = p->out;
		return;
	}
	r->kick = hand_event();
	r->call = hand_event();
	if (ioctl(p->in, VMI_DEV_PORT_EVENTFD, (long)r->kick) || ioctl(p->in, VMI_DEV_PORT_IRQFD, (long)r->call))
		die("the port of queue %u cannot be joined to eventfds: %s", q, strerror(errno));
}

bool hand_ring(struct dev *d, unsigned int q, struct hand_ring *r)
{
	const struct dev_queue *g = &d->queue[q];
	uint32_t n = g->size;

	r->desc = r->avail = r->used = NULL;
	r->size = n;
	if (n && n <= VMI_BUS_QUEUE_MAX && !(n & (n - 1)) && !(g->desc & 15) && !(g->avail & 1) && !(g->used & 3)) {
		r->desc = mem_at(&d->mem, g->desc, n * sizeof(struct vring_desc));
		r->avail = mem_at(&d->mem, g->avail, sizeof(struct vring_avail) + (n + 1) * sizeof(uint16_t));
		r->used = mem_at(&d->mem, g->used, sizeof(struct vring_used) + n * sizeof(struct vring_used_elem) + sizeof(uint16_t));
	}
	if (!r->desc || !r->avail || !r->used) {
		dev_break(d, "queue %u: it is no ring in the window", q);
		return false;
	}
	r->base = __atomic_load_n(&((struct vring_used *)r->used)->idx, __ATOMIC_ACQUIRE);
	return true;
}

void hand_kick(const struct hand_ring *r)
{
	uint64_t one = 1;

	if (write(r->kick, &one, sizeof(one)) < 0)
		return;		/* a full one says the same */
}
