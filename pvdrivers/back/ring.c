// SPDX-License-Identifier: GPL-2.0-only
/*
 * ring.c - the device's side of a split virtqueue. See ring.h, and state.h for what
 * a killed back end leaves behind.
 *
 * Invariant: between any two stores to the state and the rings, the process may
 *            end, and ring_start() goes on without losing or doubling a request.
 *            Only the compiler could reorder them: a killed process's stores are
 *            all there, in program order, so volatile accesses do.
 * Trust:     nothing in the rings.
 */
#include <stdlib.h>
#include <string.h>

#include <linux/virtio_config.h>
#include <linux/virtio_ring.h>

#include "ring.h"

#define RING_MAX_BYTES	(UINT32_MAX - 1)	/* of a request: its length is 32 bits in the used ring */

static int broken(struct ring *r, const char *why)
{
	r->broken = why;
	return RING_BROKEN;
}

static uint32_t given_back(const struct back_queue *q)
{
	return (uint32_t)q->commit;
}

static uint16_t *used_event(const struct ring *r)
{
	return (uint16_t *)&r->avail->ring[r->size];
}

static uint16_t *avail_event(const struct ring *r)
{
	return (uint16_t *)&r->used->ring[r->size];
}

/* Carry out the commit that the state has: the second time as well as the first. */
static void finish_commit(struct ring *r)
{
	struct back_queue *q = r->state;
	uint32_t at = given_back(q), nr = q->commit >> 32;

	for (uint32_t i = 0; i < nr; i++) {
		vring_used_elem_t *e = &r->used->ring[(at + i) & (r->size - 1)];

		WRITE_ONCE(e->id, q->batch[i].head);
		WRITE_ONCE(e->len, q->batch[i].len);
	}
	__atomic_store_n(&r->used->idx, (uint16_t)(at + nr), __ATOMIC_RELEASE);
	for (uint32_t i = 0; i < nr; i++)
		WRITE_ONCE(q->flight[q->batch[i].head], 0);
	WRITE_ONCE(q->commit, (uint32_t)(at + nr));
}

static int by_seq(const void *a, const void *b, void *state)
{
	const struct back_queue *q = state;
	uint64_t x = q->flight[*(const uint16_t *)a], y = q->flight[*(const uint16_t *)b];

	return x < y ? -1 : x > y;
}

static bool not_started(struct ring *r, const char *why)
{
	r->broken = why;
	return false;
}

bool ring_start(struct ring *r, const struct mem *mem, struct back_queue *state, uint32_t size, uint64_t desc,
		uint64_t avail, uint64_t used, uint64_t features)
{
	memset(r, 0, sizeof(*r));
	if (!size || size > VMI_BUS_QUEUE_MAX || (size & (size - 1)))
		return not_started(r, "its size is not a power of two up to 1024");
	if ((desc & 15) || (avail & 1) || (used & 3))
		return not_started(r, "its parts are not aligned");
	r->mem = mem;
	r->state = state;
	r->size = size;
	r->desc = mem_at(mem, desc, size * sizeof(struct vring_desc));
	r->avail = mem_at(mem, avail, sizeof(struct vring_avail) + (size + 1) * sizeof(uint16_t));
	r->used = mem_at(mem, used, sizeof(struct vring_used) + size * sizeof(struct vring_used_elem) + sizeof(uint16_t));
	if (!r->desc || !r->avail || !r->used)
		return not_started(r, "it lies outside the window");
	r->event_idx = features & 1ull << VIRTIO_RING_F_EVENT_IDX;
	r->indirect = features & 1ull << VIRTIO_RING_F_INDIRECT_DESC;

	finish_commit(r);
	for (uint32_t head = 0; head < VMI_BUS_QUEUE_MAX; head++) {
		if (!state->flight[head])
			continue;
		/* Only if the guest made it smaller than the one that was served. */
		if (head >= size)
			return not_started(r, "it became smaller with requests in flight");
		r->again[r->nr_again++] = head;
	}
	qsort_r(r->again, r->nr_again, sizeof(r->again[0]), by_seq, state);
	if (r->nr_again)
		state->seq = state->flight[r->again[r->nr_again - 1]];
	r->signalled = given_back(state);
	r->last_avail = given_back(state) + r->nr_again;
	return true;
}

void ring_reset(struct ring *r, struct back_queue *state)
{
	memset(r, 0, sizeof(*r));
	memset(state, 0, sizeof(*state));
}

/* The descriptor (i) of a table of (nr), read once. */
static bool read_desc(const struct vring_desc *table, unsigned int nr, unsigned int i, struct vring_desc *d)
{
	const uint64_t *from = (const uint64_t *)&table[i];
	uint64_t word[2];

	if (i >= nr)
		return false;
	word[0] = READ_ONCE(from[0]);
	word[1] = READ_ONCE(from[1]);
	memcpy(d, word, sizeof(*d));
	return true;
}

/*
 * A chain from its first descriptor (d) on, in the table that it stays in. A buffer may
 * continue the one before, as pieces of a pool often do.
 */
static int walk_table(struct ring *r, struct ring_chain *c, const struct vring_desc *table, unsigned int nr, struct vring_desc d)
{
	const struct mem_window *near = r->mem->window;
	struct iovec *first = c->iov, *next = first, *end = first + c->max;
	uint64_t bytes = 0, out = 0;
	bool in = false;

	/* A chain has no more descriptors than its table, or it is a loop. */
	for (unsigned int left = nr; ; ) {
		if (d.flags & VRING_DESC_F_INDIRECT)
			return broken(r, table != r->desc ? "an indirect table has another one" : "a chain has more than its indirect table");
		if (!!(d.flags & VRING_DESC_F_WRITE) != in) {
			if (in)
				return broken(r, "a buffer to read comes after one to write");
			in = true;
			out = bytes;
			first = next;
		}
		bytes += d.len;
		if (bytes > RING_MAX_BYTES)
			return broken(r, "a request has 4 GiB");
		if (d.len) {
			uint8_t *base = mem_at_near(r->mem, &near, d.addr, d.len);

			if (!base)
				return broken(r, "a buffer is outside the window");
			if (next > first && (uint8_t *)next[-1].iov_base + next[-1].iov_len == base)
				next[-1].iov_len += d.len;
			else if (next < end)
				*next++ = (struct iovec){ base, d.len };
			else
				return broken(r, "a request has more pieces than the device takes");
		}
		if (!(d.flags & VRING_DESC_F_NEXT))
			break;
		if (!--left)
			return broken(r, "a chain has a loop");
		if (!read_desc(table, nr, d.next, &d))
			return broken(r, "a chain leaves its table");
	}
	c->nr_out = (in ? first : next) - c->iov;
	c->nr_in = in ? next - first : 0;
	c->out = in ? out : bytes;
	c->in = in ? bytes - out : 0;
	return RING_GOT;
}

static int walk(struct ring *r, struct ring_chain *c)
{
	const struct vring_desc *table = r->desc;
	unsigned int nr = r->size;
	struct vring_desc d;

	c->nr_out = c->nr_in = 0;
	if (!read_desc(table, nr, c->head, &d))
		return broken(r, "a chain leaves its table");
	if (d.flags & VRING_DESC_F_INDIRECT) {
		if (!r->indirect)
			return broken(r, "an indirect table was not agreed on");
		if (d.flags & VRING_DESC_F_NEXT)
			return broken(r, "a chain has more than its indirect table");
		if (!d.len || d.len % sizeof(d) || d.len / sizeof(d) > r->size)
			return broken(r, "an indirect table has a bad length");
		table = mem_at(r->mem, d.addr, d.len);
		if (!table || (d.addr & 15))
			return broken(r, "an indirect table is outside the window or not aligned");
		nr = d.len / sizeof(d);
		read_desc(table, nr, 0, &d);
	}
	return walk_table(r, c, table, nr, d);
}

unsigned int ring_waiting(const struct ring *r)
{
	uint16_t n;

	if (r->broken)
		return 0;
	n = __atomic_load_n(&r->avail->idx, __ATOMIC_ACQUIRE) - r->last_avail;
	return r->nr_again - r->next_again + n;
}

int ring_pop(struct ring *r, struct ring_chain *c)
{
	uint16_t n;

	if (r->broken)
		return RING_BROKEN;
	if (r->next_again < r->nr_again) {
		c->head = r->again[r->next_again++];
		return walk(r, c);
	}
	/* Pairs with the guest's barrier between the ring's entries and its index. */
	n = __atomic_load_n(&r->avail->idx, __ATOMIC_ACQUIRE) - r->last_avail;
	if (!n)
		return RING_EMPTY;
	if (n > r->size)
		return broken(r, "its index is ahead by more than its size");
	c->head = READ_ONCE(r->avail->ring[r->last_avail & (r->size - 1)]);
	if (c->head >= r->size)
		return broken(r, "a head is not in the table");
	if (r->state->flight[c->head])
		return broken(r, "a head is in flight already");
	WRITE_ONCE(r->state->flight[c->head], r->state->seq + 1);
	r->state->seq++;
	r->last_avail++;
	return walk(r, c);
}

void ring_push(struct ring *r, uint16_t head, uint32_t len)
{
	struct back_used *u = &r->state->batch[r->nr_pushed++];

	WRITE_ONCE(u->head, head);
	WRITE_ONCE(u->len, len);
}

bool ring_publish(struct ring *r)
{
	struct back_queue *q = r->state;
	uint16_t before = r->signalled, now;

	if (!r->nr_pushed || r->broken)
		return false;
	WRITE_ONCE(q->commit, given_back(q) | (uint64_t)r->nr_pushed << 32);
	finish_commit(r);
	r->nr_pushed = 0;
	now = given_back(q);
	/* The guest stores what it wants to hear of, then looks at the index: we the other way round. */
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	if (!r->event_idx) {
		r->signalled = now;
		return !(READ_ONCE(r->avail->flags) & VRING_AVAIL_F_NO_INTERRUPT);
	}
	r->signalled = now;
	return vring_need_event(READ_ONCE(*used_event(r)), now, before);
}

bool ring_listen(struct ring *r)
{
	if (r->broken)
		return false;
	if (r->event_idx)
		WRITE_ONCE(*avail_event(r), r->last_avail);
	else
		WRITE_ONCE(r->used->flags, 0);
	/* The guest stores the index, then looks whether we want to hear of it. */
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	return ring_waiting(r) != 0;
}

void ring_quiet(struct ring *r)
{
	/* With EVENT_IDX the index that wakes us is passed, and so is quiet by itself. */
	if (!r->broken && !r->event_idx)
		WRITE_ONCE(r->used->flags, VRING_USED_F_NO_NOTIFY);
}

/* Copy (len) bytes between a buffer and the iovecs, from (at) on. */
static bool copy(uint8_t *buf, const struct iovec *iov, unsigned int nr, size_t at, size_t len, bool into)
{
	for (; nr && len; iov++, nr--) {
		size_t n = iov->iov_len;
		uint8_t *guest;

		if (at >= n) {
			at -= n;
			continue;
		}
		guest = (uint8_t *)iov->iov_base + at;
		n = n - at < len ? n - at : len;
		memcpy(into ? guest : buf, into ? buf : guest, n);
		buf += n;
		len -= n;
		at = 0;
	}
	return !len;
}

bool ring_gather(void *to, const struct iovec *iov, unsigned int nr, size_t at, size_t len)
{
	return copy(to, iov, nr, at, len, false);
}

bool ring_scatter(const struct iovec *iov, unsigned int nr, size_t at, const void *from, size_t len)
{
	return copy((uint8_t *)from, iov, nr, at, len, true);
}

unsigned int ring_cut(struct iovec *iov, unsigned int nr, size_t at, size_t len)
{
	unsigned int left = 0;

	for (unsigned int i = 0; i < nr && len; i++) {
		struct iovec v = iov[i];

		if (at >= v.iov_len) {
			at -= v.iov_len;
			continue;
		}
		v.iov_base = (uint8_t *)v.iov_base + at;
		v.iov_len -= at;
		at = 0;
		if (v.iov_len > len)
			v.iov_len = len;
		len -= v.iov_len;
		iov[left++] = v;
	}
	return left;
}
