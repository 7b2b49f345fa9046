/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * hand.h - rings that somebody else serves: the kernel's vhost-net the guest's own
 * (vhost.c), a vhost-user server shadows of them (vu.c, vhost_user.c).
 *
 * What is handed over: the windows, a ring's addresses in this process, and three
 * eventfds: its doorbell, its interrupt, and one for errors. hand_queue() joins them
 * to the queue's port.
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
/* A new eventfd, or die(). */
int hand_event(void);
/* Whoever serves it is to look: requests may be waiting. */
void hand_kick(const struct hand_ring *r);

#endif
