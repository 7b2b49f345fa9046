/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * shadow.h - the driver's side of a split virtqueue: requests that were taken from a
 * guest's ring, passed on to a server.
 *
 * Available and used ring lie in memory that the server shares; the descriptor table
 * is the guest's, so that heads are the guest's heads. The server may write what it
 * likes at any time: each field is read once, and what comes back was passed on
 * and did not come back yet, or the ring is broken.
 *
 * shadow_add() collects, shadow_show() makes visible in one step.
 *
 * One thread uses it.
 */
#ifndef BACK_SHADOW_H
#define BACK_SHADOW_H

#include <stdbool.h>
#include <stdint.h>

#include "ring.h"

#define SHADOW_QUEUE_MAX	256	/* entries whose rings find room in a page */
#define SHADOW_BYTES		4096

struct vring_avail;
struct vring_used;

struct shadow {
	struct vring_avail *avail;
	struct vring_used *used;
	const char *broken;			/* NULL: it is not */
	uint16_t size;
	bool event_idx;
	uint16_t added, shown;			/* available entries: made, visible */
	uint16_t seen;				/* used entries looked at */
	uint32_t room[SHADOW_QUEUE_MAX];	/* by head: bytes that may be written into it; SHADOW_NONE: not passed on */
};

#define SHADOW_NONE	UINT32_MAX	/* ring.h: no request has so many bytes */

/* Begin empty in (page), SHADOW_BYTES of them. size: that of the guest's ring, which is one. */
void shadow_start(struct shadow *s, void *page, uint16_t size, bool event_idx);
/* Pass on a request that is not passed on, in which (room) bytes may be written. */
void shadow_add(struct shadow *s, uint16_t head, uint32_t room);
/* true: the server wants to be told. */
bool shadow_show(struct shadow *s);
/* The next that came back: RING_GOT, RING_EMPTY or RING_BROKEN. */
int shadow_next(struct shadow *s, uint16_t *head, uint32_t *len);
/* Ask to be told of what comes back from now on. true: something did already, look again. */
bool shadow_listen(struct shadow *s);

#endif
