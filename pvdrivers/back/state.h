/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * state.h - what survives a back end: the manager's memory file (state=FD).
 *
 * The manager makes the file (memfd, at least sizeof(struct back_state), zeroes),
 * gives it to each back end of the device one after another, and reads the
 * counters. The guest cannot see it, so what is here is believed.
 *
 * A back end can be killed between any two stores. For each queue:
 *   flight[head]  is not 0 from before the request is looked at until it was given
 *                 back: its place in the order in which requests came
 *   commit        two numbers in one word: how many requests were given back (so that
 *                 this + the number in flight is how far the available ring was
 *                 read), and how many elements of `batch` count
 *   batch         what is being given back: used elements. They begin to count by one
 *                 store to `commit`, and end by one. A successor finds either none,
 *                 and the requests are still in flight, or some, and writes them into
 *                 the used ring (once more), which changes nothing where it was done.
 *
 * Two back ends never work on one state: each opens the file anew, locks it
 * (flock), and registers that descriptor with its io_uring. So the lock is free
 * when the process has died and its last transfer in the kernel is over, too: a
 * late write of a dead process cannot overtake its successor's.
 */
#ifndef BACK_STATE_H
#define BACK_STATE_H

#include <stdint.h>

#include <vmi/bus.h>

#define BACK_STATE_MAGIC	0x314b4341424d56	/* "VMBACK1" */

struct back_block_stats {
	uint64_t rd_req, rd_bytes, rd_ns;
	uint64_t wr_req, wr_bytes, wr_ns;
	uint64_t flush_req, flush_ns;
	uint64_t discard_req, discard_bytes;	/* and write-zeroes */
	uint64_t errors;
	uint64_t held, held_error;		/* requests that failed and wait for another try; the last errno of them */
	uint64_t through;			/* 1: the driver has switched its write cache off */
};

struct back_net_stats {
	/* As the guest sees it: rx is what it received. */
	uint64_t rx_bytes, rx_packets, rx_errors, rx_drop;
	uint64_t tx_bytes, tx_packets, tx_errors, tx_drop;
};

struct back_balloon_stats {
	uint64_t target, actual;		/* pages of 4 KiB in the balloon: wanted, there */
	uint64_t updated;			/* seconds since the epoch: when the guest gave what follows; 0: never */
	uint64_t tag[16];			/* by VIRTIO_BALLOON_S_*; ~0: not given */
};

struct back_console_stats {
	uint64_t rd_bytes, wr_bytes;		/* to the guest, from it */
};

struct back_used {
	uint32_t head, len;
};

struct back_queue {
	uint64_t seq;				/* the last one given out */
	uint64_t commit;			/* requests given back (32 bits) | elements of batch that count << 32 */
	uint64_t reserved[6];
	uint64_t flight[VMI_BUS_QUEUE_MAX];
	struct back_used batch[VMI_BUS_QUEUE_MAX];
};

struct back_state {
	uint64_t magic;				/* the first back end's */
	uint64_t features;			/* what driver and device agreed on */
	uint32_t status;			/* the device's answer; never read back from the slot */
	uint32_t starts;			/* back ends so far */
	uint64_t requests, kicks, notifications;	/* of all queues: served, wake-ups by the guest, its interrupts */
	uint64_t pairs;				/* network: pairs of queues that the driver uses */
	uint64_t reserved[9];
	union {
		struct back_block_stats block;
		struct back_net_stats net;
		struct back_balloon_stats balloon;
		struct back_console_stats console;
		uint64_t reserved_stats[48];
	};
	struct back_queue queue[VMI_BUS_QUEUES];
};

_Static_assert(sizeof(struct back_state) == 512 + VMI_BUS_QUEUES * (64 + 16 * VMI_BUS_QUEUE_MAX), "the manager's file");

#endif
