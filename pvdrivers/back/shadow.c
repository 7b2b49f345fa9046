// SPDX-License-Identifier: GPL-2.0-only
/*
 * shadow.c - the driver's side of a split virtqueue. See shadow.h.
 *
 * Invariant: a head is with the server from shadow_add() until shadow_next() gave it
 *            back, which it does once; no index is taken from the shared memory.
 * Trust:     nothing in the rings.
 */
#include <string.h>

#include <linux/virtio_ring.h>

#include "shadow.h"

#define USED_AT		1024	/* of the page */

_Static_assert(sizeof(struct vring_avail) + (SHADOW_QUEUE_MAX + 1) * sizeof(uint16_t) <= USED_AT, "the available ring ends before");
_Static_assert(USED_AT + sizeof(struct vring_used) + SHADOW_QUEUE_MAX * sizeof(struct vring_used_elem) + sizeof(uint16_t) <=
	       SHADOW_BYTES, "the used ring ends in the page");

static uint16_t *used_event(const struct shadow *s)
{
	return (uint16_t *)&s->avail->ring[s->size];
}

static uint16_t *avail_event(const struct shadow *s)
{
	return (uint16_t *)&s->used->ring[s->size];
}

void shadow_start(struct shadow *s, void *page, uint16_t size, bool event_idx)
{
	memset(page, 0, SHADOW_BYTES);
	*s = (struct shadow){ .avail = page, .used = (void *)((uint8_t *)page + USED_AT), .size = size, .event_idx = event_idx };
	for (unsigned int i = 0; i < size; i++)
		s->room[i] = SHADOW_NONE;
}

void shadow_add(struct shadow *s, uint16_t head, uint32_t room)
{
	s->room[head] = room;
	WRITE_ONCE(s->avail->ring[s->added++ & (s->size - 1)], head);
}

bool shadow_show(struct shadow *s)
{
	uint16_t before = s->shown;

	if (s->added == before)
		return false;
	s->shown = s->added;
	__atomic_store_n(&s->avail->idx, s->added, __ATOMIC_RELEASE);
	/* The server stores what it wants to hear of, then looks at the index: we the other way round. */
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	if (!s->event_idx)
		return !(READ_ONCE(s->used->flags) & VRING_USED_F_NO_NOTIFY);
	return vring_need_event(READ_ONCE(*avail_event(s)), s->added, before);
}

static int broken(struct shadow *s, const char *why)
{
	s->broken = why;
	return RING_BROKEN;
}

int shadow_next(struct shadow *s, uint16_t *head, uint32_t *len)
{
	const vring_used_elem_t *e = &s->used->ring[s->seen & (s->size - 1)];
	uint32_t id, n;

	if (s->broken)
		return RING_BROKEN;
	/* Pairs with the server's barrier between the ring's entries and its index. */
	n = (uint16_t)(__atomic_load_n(&s->used->idx, __ATOMIC_ACQUIRE) - s->seen);
	if (!n)
		return RING_EMPTY;
	if (n > (uint16_t)(s->shown - s->seen))
		return broken(s, "says that it served more requests than it has");
	id = READ_ONCE(e->id);
	n = READ_ONCE(e->len);
	if (id >= s->size || s->room[id] == SHADOW_NONE)
		return broken(s, "gives back a request that it does not have");
	if (n > s->room[id])
		return broken(s, "says that it wrote more than a request has room for");
	s->room[id] = SHADOW_NONE;
	s->seen++;
	*head = id;
	*len = n;
	return RING_GOT;
}

bool shadow_listen(struct shadow *s)
{
	if (s->event_idx)
		WRITE_ONCE(*used_event(s), s->seen);
	/* The server stores the index, then looks whether we want to hear of it. */
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	return !s->broken && READ_ONCE(s->used->idx) != s->seen;
}
