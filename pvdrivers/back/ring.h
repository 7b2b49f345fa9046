/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * ring.h - the device's side of a split virtqueue (virtio 1.1, section 2.6).
 *
 * The guest can change everything here at any time. Each field is read once and
 * checked; what a chain describes is copied into the caller's iovecs, whose ranges
 * lie in the windows. A ring that is none gives RING_BROKEN, once and for all
 * until ring_start(), and `broken` says why. Buffers' contents stay the guest's:
 * headers must be copied before they are judged (ring_gather).
 *
 * Requests are given back in any order: ring_push() collects, ring_publish() makes
 * them visible in one step. Both keep the back end's state (state.h), so that a
 * successor's ring_start() goes on and ring_pop() first gives again what is in
 * flight.
 *
 * One thread uses a ring.
 */
#ifndef BACK_RING_H
#define BACK_RING_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/uio.h>

#include "mem.h"
#include "state.h"

#define RING_GOT	1
#define RING_EMPTY	0
#define RING_BROKEN	(-1)

struct vring_desc;
struct vring_avail;
struct vring_used;

struct ring {
	const struct mem *mem;
	struct back_queue *state;
	struct vring_desc *desc;
	struct vring_avail *avail;
	struct vring_used *used;
	const char *broken;			/* NULL: it is not */
	uint16_t size;
	uint16_t last_avail;			/* next entry of the available ring */
	uint16_t nr_pushed;			/* not published yet */
	uint16_t signalled;			/* used index at the last decision to notify */
	bool event_idx, indirect;
	uint16_t nr_again, next_again;		/* requests in flight that a predecessor left */
	uint16_t again[VMI_BUS_QUEUE_MAX];
};

/* One request. The caller sets iov and max. Buffers that follow one another in memory are one iovec. */
struct ring_chain {
	struct iovec *iov;			/* first what the device reads (nr_out), then what it writes (nr_in) */
	unsigned int max;			/* room of iov; a longer chain breaks the ring */
	unsigned int nr_out, nr_in;
	uint32_t out, in;			/* bytes */
	uint16_t head;
};

/*
 * Begin with a queue as the slot page describes it; go on where state says that a
 * predecessor was. features: the agreed ones. false: broken says why.
 */
bool ring_start(struct ring *r, const struct mem *mem, struct back_queue *state, uint32_t size, uint64_t desc,
		uint64_t avail, uint64_t used, uint64_t features);
/* Forget what is in flight: the device was reset. */
void ring_reset(struct ring *r, struct back_queue *state);

int ring_pop(struct ring *r, struct ring_chain *c);
/* Give a request back, (len) bytes of it written; seen by the guest after ring_publish(). */
void ring_push(struct ring *r, uint16_t head, uint32_t len);
/* true: the guest wants a notification. */
bool ring_publish(struct ring *r);
/* Ask to be woken by what comes from now on. true: something came already, look again. */
bool ring_listen(struct ring *r);
/* No wake-ups while the device works. */
void ring_quiet(struct ring *r);

/* Requests in the available ring, at least this many (0: none, or broken). */
unsigned int ring_waiting(const struct ring *r);

/* Copy (len) bytes from (at) on, out of or into iovecs; false: they are shorter. */
bool ring_gather(void *to, const struct iovec *iov, unsigned int nr, size_t at, size_t len);
bool ring_scatter(const struct iovec *iov, unsigned int nr, size_t at, const void *from, size_t len);
/* Drop (at) bytes at the beginning, keep (len): returns how many iovecs are left, from iov[0] on. */
unsigned int ring_cut(struct iovec *iov, unsigned int nr, size_t at, size_t len);

#endif
