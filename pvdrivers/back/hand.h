/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * hand.h - queues that somebody else serves: the kernel's vhost-net (vhost.c) or a
 * vhost-user server (vu.c).
 *
 * What is handed over: the windows, a ring's addresses in this process, and three
 * eventfds, joined to the queue's port: the guest's doorbell, its interrupt, and
 * one for errors.
 */
#ifndef BACK_HAND_H
#define BACK_HAND_H

#include <stdbool.h>
#include <stdint.h>

#include "dev.h"

struct hand_ring {
	unsigned int index, size;
	void *desc, *avail, *used;
	uint16_t base;			/* the first entry of the available ring that was not served yet */
	int kick, call, err;
};

/* Of init(): queue (q) will be served elsewhere. Joins its eventfds to its port, or die()s. */
void hand_queue(struct dev *d, unsigned int q, struct hand_ring *r);
/*
 * Of start(): where the ring is now, which goes on where its used index is. false: it
 * is no ring, and the device is broken.
 */
bool hand_ring(struct dev *d, unsigned int q, struct hand_ring *r);
/* The available and the used index, as they are now. */
uint16_t hand_avail(const struct hand_ring *r);
uint16_t hand_used(const struct hand_ring *r);
/* Whoever serves it is to look: requests may be waiting. */
void hand_kick(const struct hand_ring *r);

#endif
