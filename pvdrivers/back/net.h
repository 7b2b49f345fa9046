/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * net.h - a network card: what net.c (the device) and frames.c (its frames) share.
 */
#ifndef BACK_NET_H
#define BACK_NET_H

#include <linux/virtio_net.h>

#include "dev.h"
#include "hand.h"
#include "stream.h"
#include "throttle.h"

/* Queues: of pair n, 2n is what the guest receives, 2n + 1 what it sends; the last one is control. */
#define NET_RX		0
#define NET_TX		1
#define NET_PAIRS	((VMI_BUS_QUEUES - 1) / 2)

#define NET_HEADER	sizeof(struct virtio_net_hdr_mrg_rxbuf)
/* The longest frame that a tap gives, with its header: a segment of 64 KiB, with a little for lower headers. */
#define NET_FRAME	(NET_HEADER + 65536 + 64)

/* Receive buffers, fetched from the ring ahead of the frames that go into them. */
#define RX_PIECES	64		/* of one buffer */
#define RX_IOVS		(8 * RX_PIECES)

struct net_rx {
	struct {
		uint16_t head, pieces;
		uint32_t bytes;
	} buffer[RX_IOVS];
	struct iovec iov[RX_IOVS + 1];	/* of all buffers; room for the rest of a long frame */
	unsigned int first, nr;		/* buffers not used yet */
	unsigned int first_iov, nr_iov;
	uint32_t bytes;			/* in them */

	/* A frame for which buffers were too few: what is placed, and the rest. */
	unsigned int held;		/* buffers in `placed`, 0: there is no such frame */
	struct {
		uint16_t head;
		uint32_t bytes;
	} placed[VMI_BUS_QUEUE_MAX];
	uint8_t *count[2];		/* where its number of buffers goes */
	uint32_t rest_at, rest_len;
	uint8_t rest[NET_FRAME];
};

struct net;

struct net_pair {
	struct net *net;
	unsigned int rxq, txq;		/* numbers of its queues */
	int tap, vhost;			/* the tap's queue; vhost: -1: frames go through this process */
	bool serving[2];		/* by queue, frames move: started, link up, tap there; RX: the driver uses the pair */
	bool polled;
	struct loop_op tap_op, err_op[2];
	struct hand_ring hand[2];
	struct net_rx rx;
};

struct net {
	struct dev *dev;
	unsigned int nr_pairs, used;	/* there; that the driver uses */
	bool vhost;			/* the pairs have one each */
	struct stream *stream;		/* instead of a tap, of the only pair; or NULL */
	bool link, gone;		/* carrier as told; the tap is no more */
	bool mergeable;			/* a frame may use several buffers */
	bool resumed;			/* a predecessor served them until just now */
	struct loop_op again_op;
	bool again;			/* a round was cut short */
	struct shape in, out;		/* limits: to the guest, from it */
	struct loop_timer look;		/* when they let more through */
	uint64_t vhost_features;
	struct iovec tx_iov[1024];
	struct net_pair pair[NET_PAIRS];
};

/* frames.c. Each handles what there is, up to a bound; true: there is more. */
bool net_receive(struct net_pair *p);
bool net_send(struct net_pair *p);
/* A new life of the driver: nothing is fetched or held. */
void net_frames_reset(struct net_pair *p);
/* Throw away what waits in the tap. */
void net_drain(struct net_pair *p);
/* net.c: the tap's file, or the stream, says that there is none any more. */
void net_tap_gone(struct net *n, int error);

#endif
