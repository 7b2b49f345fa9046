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
 * too much.
 *
 * Invariant: buffers of one frame are pushed together, so they are published
 *            together.
 * Trust:     the ring library checks chains. A guest with senseless buffers gets
 *            no frames.
 */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "net.h"

#define TURN		128		/* frames of one direction in a round */
#define DRAIN		4096		/* a tap's queue is shorter */

static struct back_net_stats *stats(struct net *n)
{
	return &n->dev->state->net;
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
static bool fetch(struct net *n)
{
	struct net_rx *rx = &n->rx;
	struct ring_chain c = { .max = RX_PIECES };

	if (rx->first_iov + rx->nr_iov + RX_PIECES > RX_IOVS || rx->first + rx->nr == RX_IOVS)
		forget_used(rx);
	if (rx->nr_iov + RX_PIECES > RX_IOVS || rx->nr == RX_IOVS)
		return false;
	c.iov = rx->iov + rx->first_iov + rx->nr_iov;
	for (;;) {
		if (dev_pop(n->dev, NET_RX, &c) != RING_GOT)
			return false;
		if (c.in && !c.nr_out)
			break;
		/* Nothing can be received into it. */
		ring_push(&n->dev->queue[NET_RX].ring, c.head, 0);
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
static bool fetch_room(struct net *n)
{
	struct net_rx *rx = &n->rx;

	while (n->mergeable ? rx->bytes < NET_FRAME : !rx->nr)
		if (!fetch(n) && !(dev_listen(n->dev, NET_RX) && fetch(n)))
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

static void deliver(struct net *n)
{
	struct net_rx *rx = &n->rx;
	uint32_t bytes = 0;

	/* The tap leaves this field of the header alone. */
	for (unsigned int i = 0; i < 2; i++)
		if (rx->count[i])
			*rx->count[i] = rx->held >> (8 * i);
	for (unsigned int i = 0; i < rx->held; i++) {
		ring_push(&n->dev->queue[NET_RX].ring, rx->placed[i].head, rx->placed[i].bytes);
		bytes += rx->placed[i].bytes;
	}
	rx->held = 0;
	stats(n)->rx_packets++;
	stats(n)->rx_bytes += bytes - NET_HEADER;
}

/* The held frame's rest, into buffers that came. false: it waits for more. */
static bool finish_held(struct net *n)
{
	struct net_rx *rx = &n->rx;

	while (rx->rest_len) {
		uint32_t len;

		if (!rx->nr && !fetch(n) && !(dev_listen(n->dev, NET_RX) && fetch(n))) {
			if (rx->held < n->dev->queue[NET_RX].size)
				return false;
			/* It has them all, and they are too few: back to the guest, empty. */
			for (unsigned int i = 0; i < rx->held; i++)
				ring_push(&n->dev->queue[NET_RX].ring, rx->placed[i].head, 0);
			rx->held = 0;
			stats(n)->rx_drop++;
			return true;
		}
		len = rx->buffer[rx->first].bytes < rx->rest_len ? rx->buffer[rx->first].bytes : rx->rest_len;
		ring_scatter(rx->iov + rx->first_iov, rx->buffer[rx->first].pieces, 0, rx->rest + rx->rest_at, len);
		rx->rest_at += len;
		rx->rest_len -= len;
		place(rx, len);
	}
	deliver(n);
	return true;
}

/* A frame of (len) bytes is in the first buffers, and in `rest` where they end. */
static bool received(struct net *n, uint32_t len)
{
	struct net_rx *rx = &n->rx;
	uint32_t room = rx->bytes;

	/* There is one buffer, then. */
	if (len > room && !n->mergeable) {
		stats(n)->rx_drop++;
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
	return finish_held(n);
}

bool net_receive(struct net *n)
{
	struct net_rx *rx = &n->rx;

	if (rx->held && !finish_held(n))
		return false;
	for (unsigned int turn = 0; turn < TURN; turn++) {
		struct iovec *v;
		ssize_t len;

		if (!fetch_room(n))
			return false;
		v = rx->iov + rx->first_iov;
		v[rx->nr_iov].iov_base = rx->rest;
		v[rx->nr_iov].iov_len = sizeof(rx->rest);
		len = readv(n->tap, v, rx->nr_iov + 1);
		if (len < 0 && errno == EAGAIN)
			return false;
		if (len < 0 && (errno == EBADFD || errno == ENODEV || errno == EIO)) {
			net_tap_gone(n, errno);
			return false;
		}
		if (len < (ssize_t)NET_HEADER)
			stats(n)->rx_errors++;
		else if (!received(n, len))
			return false;
	}
	return true;
}

void net_drain(struct net *n)
{
	for (unsigned int i = 0; i < DRAIN && read(n->tap, n->rx.rest, sizeof(n->rx.rest)) >= 0; i++)
		;
}

/* ---- from the guest ---- */

/* EIO: the tap is down; the others: the kernel has no memory or queue for it now. */
static void send_failed(struct net *n, int error)
{
	if (error == EBADFD || error == ENODEV)
		net_tap_gone(n, error);
	else if (error == EIO || error == EAGAIN || error == ENOMEM || error == ENOBUFS)
		stats(n)->tx_drop++;
	else
		stats(n)->tx_errors++;
}

bool net_send(struct net *n)
{
	struct ring_chain c = { .iov = n->tx_iov, .max = sizeof(n->tx_iov) / sizeof(n->tx_iov[0]) };

	for (unsigned int turn = 0; turn < TURN; turn++) {
		ssize_t len;

		if (dev_pop(n->dev, NET_TX, &c) != RING_GOT) {
			if (dev_listen(n->dev, NET_TX))
				continue;
			return false;
		}
		if (!n->serving) {
			stats(n)->tx_drop++;
		} else {
			len = writev(n->tap, c.iov, c.nr_out);
			if (len < 0) {
				send_failed(n, errno);
			} else {
				stats(n)->tx_packets++;
				stats(n)->tx_bytes += len - NET_HEADER;
			}
		}
		ring_push(&n->dev->queue[NET_TX].ring, c.head, 0);
	}
	return true;
}

void net_frames_reset(struct net *n)
{
	n->rx.first = n->rx.nr = n->rx.first_iov = n->rx.nr_iov = n->rx.bytes = n->rx.held = 0;
}
