// SPDX-License-Identifier: GPL-2.0-only
/*
 * frames.c - a network card's frames: between a tap and the guest's buffers.
 *
 * The kernel copies from and to the guest's memory (readv, writev); this process
 * looks at no frame. A tap does not tell how long its next frame is. So buffers
 * for the longest are offered, and behind them a place of our own; what ends there,
 * because the guest has given too few, is copied to the next ones that come. A
 * buffer is fetched from the ring once, and serves the first frame after that.
 *
 * A full receive ring leaves frames in the tap, where the kernel drops what is
 * too much. Where there is a stream socket instead of a tap, it looks like one here; only
 * that it never loses what is sent: the guest's ring waits.
 *
 * Limits: what is too much for the guest stays in the tap, too; what it may not send yet
 * stays in its ring.
 *
 * Invariant: buffers of one frame are pushed together, so they are published
 *            together.
 * Trust:     the ring library checks chains. A guest with senseless buffers gets
 *            no frames.
 */
#include <errno.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "net.h"

#define TURN		128		/* frames of one direction in a round */
#define DRAIN		4096		/* a tap's queue is shorter */
#define LOOK_NS		10000000ull	/* what limits delay is looked at, at the latest */

static struct back_net_stats *stats(struct net_pair *p)
{
	return &p->net->dev->state->net;
}

static struct ring *ring(struct net_pair *p, unsigned int q)
{
	return &p->net->dev->queue[q].ring;
}

static uint64_t now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000ull + t.tv_nsec;
}

/* May a frame go? If not, again_event() comes later. */
static bool allowed(struct net *n, const struct shape *s)
{
	uint64_t wait = s->average.rate ? shape_ask(s, now()) : 0;

	if (wait)
		loop_time(&n->look, wait < LOOK_NS ? wait : LOOK_NS);
	return !wait;
}

static void went(struct shape *s, size_t bytes)
{
	if (s->average.rate)
		shape_count(s, bytes, now());
}

static ssize_t from_tap(struct net_pair *p, const struct iovec *iov, unsigned int nr)
{
	return p->net->stream ? stream_read(p->net->stream, iov, nr) : readv(p->tap, iov, nr);
}

static ssize_t to_tap(struct net_pair *p, const struct iovec *iov, unsigned int nr)
{
	return p->net->stream ? stream_write(p->net->stream, iov, nr) : writev(p->tap, iov, nr);
}

/* ---- to the guest ---- */

static void forget_used(struct net_rx *rx)
{
	if (!rx->nr) {
		rx->first = rx->first_iov = rx->nr_iov = 0;
		return;
	}
	memmove(rx->buffer, rx->buffer + rx->first, rx->nr * sizeof(rx->buffer[0]));
	memmove(rx->iov, rx->iov + rx->first_iov, rx->nr_iov * sizeof(rx->iov[0]));
	rx->first = rx->first_iov = 0;
}

/* One more buffer from the ring. */
static bool fetch(struct net_pair *p)
{
	struct net_rx *rx = &p->rx;
	struct ring_chain c = { .max = RX_PIECES };

	if (rx->first_iov + rx->nr_iov + RX_PIECES > RX_IOVS || rx->first + rx->nr == RX_IOVS)
		forget_used(rx);
	if (rx->nr_iov + RX_PIECES > RX_IOVS || rx->nr == RX_IOVS)
		return false;
	c.iov = rx->iov + rx->first_iov + rx->nr_iov;
	for (;;) {
		if (dev_pop(p->net->dev, p->rxq, &c) != RING_GOT)
			return false;
		if (c.in && !c.nr_out)
			break;
		/* Nothing can be received into it. */
		ring_push(ring(p, p->rxq), c.head, 0);
	}
	rx->buffer[rx->first + rx->nr].head = c.head;
	rx->buffer[rx->first + rx->nr].pieces = c.nr_in;
	rx->buffer[rx->first + rx->nr].bytes = c.in;
	rx->nr++;
	rx->nr_iov += c.nr_in;
	rx->bytes += c.in;
	return true;
}

/* Buffers for a frame of any length, if the guest has given so many. With waiting for more if it has not. */
static bool fetch_room(struct net_pair *p)
{
	struct net_rx *rx = &p->rx;

	while (p->net->mergeable ? rx->bytes < NET_FRAME : !rx->nr)
		if (!fetch(p) && !(dev_listen(p->net->dev, p->rxq) && fetch(p)))
			break;
	return rx->nr;
}

/* The first buffer is used, (len) bytes of it. */
static void place(struct net_rx *rx, uint32_t len)
{
	unsigned int i = rx->first;

	rx->placed[rx->held].head = rx->buffer[i].head;
	rx->placed[rx->held++].bytes = len;
	rx->bytes -= rx->buffer[i].bytes;
	rx->first_iov += rx->buffer[i].pieces;
	rx->nr_iov -= rx->buffer[i].pieces;
	rx->first++;
	rx->nr--;
}

/* Where byte (at) of the first buffers is. */
static uint8_t *byte_at(const struct net_rx *rx, size_t at)
{
	const struct iovec *v = rx->iov + rx->first_iov, *end = v + rx->nr_iov;

	for (; v < end; v++) {
		if (at < v->iov_len)
			return (uint8_t *)v->iov_base + at;
		at -= v->iov_len;
	}
	return NULL;
}

static void deliver(struct net_pair *p)
{
	struct net_rx *rx = &p->rx;
	uint32_t bytes = 0;

	/* The tap leaves this field of the header alone. */
	for (unsigned int i = 0; i < 2; i++)
		if (rx->count[i])
			*rx->count[i] = rx->held >> (8 * i);
	for (unsigned int i = 0; i < rx->held; i++) {
		ring_push(ring(p, p->rxq), rx->placed[i].head, rx->placed[i].bytes);
		bytes += rx->placed[i].bytes;
	}
	rx->held = 0;
	stats(p)->rx_packets++;
	stats(p)->rx_bytes += bytes - NET_HEADER;
}

/* The held frame's rest, into buffers that came. false: it waits for more. */
static bool finish_held(struct net_pair *p)
{
	struct net_rx *rx = &p->rx;

	while (rx->rest_len) {
		uint32_t len;

		if (!rx->nr && !fetch(p) && !(dev_listen(p->net->dev, p->rxq) && fetch(p))) {
			if (rx->held < p->net->dev->queue[p->rxq].size)
				return false;
			/* It has them all, and they are too few: back to the guest, empty. */
			for (unsigned int i = 0; i < rx->held; i++)
				ring_push(ring(p, p->rxq), rx->placed[i].head, 0);
			rx->held = 0;
			stats(p)->rx_drop++;
			return true;
		}
		len = rx->buffer[rx->first].bytes < rx->rest_len ? rx->buffer[rx->first].bytes : rx->rest_len;
		ring_scatter(rx->iov + rx->first_iov, rx->buffer[rx->first].pieces, 0, rx->rest + rx->rest_at, len);
		rx->rest_at += len;
		rx->rest_len -= len;
		place(rx, len);
	}
	deliver(p);
	return true;
}

/* A frame of (len) bytes is in the first buffers, and in `rest` where they end. */
static bool received(struct net_pair *p, uint32_t len)
{
	struct net_rx *rx = &p->rx;
	uint32_t room = rx->bytes;

	/* There is one buffer, then. */
	if (len > room && !p->net->mergeable) {
		stats(p)->rx_drop++;
		return true;
	}
	rx->rest_at = 0;
	rx->rest_len = len > room ? len - room : 0;
	len -= rx->rest_len;
	rx->count[0] = byte_at(rx, offsetof(struct virtio_net_hdr_mrg_rxbuf, num_buffers));
	rx->count[1] = byte_at(rx, offsetof(struct virtio_net_hdr_mrg_rxbuf, num_buffers) + 1);
	while (len) {
		uint32_t part = rx->buffer[rx->first].bytes < len ? rx->buffer[rx->first].bytes : len;

		len -= part;
		place(rx, part);
	}
	return finish_held(p);
}

bool net_receive(struct net_pair *p)
{
	struct net_rx *rx = &p->rx;

	if (rx->held && !finish_held(p))
		return false;
	for (unsigned int turn = 0; turn < TURN; turn++) {
		struct iovec *v;
		ssize_t len;

		if (!allowed(p->net, &p->net->in) || !fetch_room(p))
			return false;
		v = rx->iov + rx->first_iov;
		v[rx->nr_iov].iov_base = rx->rest;
		v[rx->nr_iov].iov_len = sizeof(rx->rest);
		len = from_tap(p, v, rx->nr_iov + 1);
		if (len < 0 && errno == EAGAIN)
			return false;
		if (len < 0 && (errno == EBADFD || errno == ENODEV || errno == EIO || errno == EPIPE || errno == EPROTO)) {
			net_tap_gone(p->net, errno);
			return false;
		}
		went(&p->net->in, len > 0 ? len : 0);
		if (len < (ssize_t)NET_HEADER)
			stats(p)->rx_errors++;
		else if (!received(p, len))
			return false;
	}
	return true;
}

void net_drain(struct net_pair *p)
{
	uint8_t header[NET_HEADER];	/* the rest of a frame is dropped; rx.rest may hold another's */
	struct iovec v = { header, sizeof(header) };

	for (unsigned int i = 0; i < DRAIN && from_tap(p, &v, 1) >= 0; i++)
		;
}

/* ---- from the guest ---- */

/* EIO: the tap is down; the others: the kernel has no memory or queue for it now. */
static void send_failed(struct net_pair *p, int error)
{
	if (error == EBADFD || error == ENODEV)
		net_tap_gone(p->net, error);
	else if (error == EIO || error == EAGAIN || error == ENOMEM || error == ENOBUFS)
		stats(p)->tx_drop++;
	else
		stats(p)->tx_errors++;
}

bool net_send(struct net_pair *p)
{
	struct net *n = p->net;
	struct ring_chain c = { .iov = n->tx_iov, .max = sizeof(n->tx_iov) / sizeof(n->tx_iov[0]) };

	for (unsigned int turn = 0; turn < TURN; turn++) {
		ssize_t len;

		/* It says when there is room. */
		if ((n->stream && stream_full(n->stream)) || !allowed(n, &n->out))
			return false;
		if (dev_pop(p->net->dev, p->txq, &c) != RING_GOT) {
			if (dev_listen(p->net->dev, p->txq))
				continue;
			return false;
		}
		if (!p->serving[NET_TX]) {
			stats(p)->tx_drop++;
		} else {
			len = to_tap(p, c.iov, c.nr_out);
			if (len < 0) {
				send_failed(p, errno);
			} else {
				went(&n->out, len);
				stats(p)->tx_packets++;
				stats(p)->tx_bytes += len - NET_HEADER;
			}
		}
		ring_push(ring(p, p->txq), c.head, 0);
	}
	return true;
}

void net_frames_reset(struct net_pair *p)
{
	p->rx.first = p->rx.nr = p->rx.first_iov = p->rx.nr_iov = p->rx.bytes = p->rx.held = 0;
}
