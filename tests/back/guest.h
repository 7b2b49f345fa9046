/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * guest.h - a guest's driver for tests of vmi-back, without a guest.
 *
 * The window and the slot page are memory files, doorbells are eventfds, and the
 * manager's end of the control socket is here, too: the real program runs as a
 * child, and can be killed and started again.
 */
#ifndef BACK_GUEST_H
#define BACK_GUEST_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/uio.h>

#include <linux/virtio_ring.h>

#include "state.h"

#define GUEST_GPA	0x100000ull	/* the first window; the second follows after a hole */
#define GUEST_SIZE	(8ull << 20)
#define GUEST_GPA2	0x40000000ull
#define GUEST_SIZE2	(1ull << 20)
#define GUEST_QUEUES	4
#define GUEST_ENTRIES	64
#define GUEST_SLOT_BYTES 8192		/* data of one request */
#define GUEST_INDIRECT	16		/* entries of a request's indirect table */

struct guest_queue {
	struct vring_desc *desc;
	struct vring_avail *avail;
	struct vring_used *used;
	uint64_t gpa;			/* of desc */
	uint16_t next_avail, last_used;
	uint16_t kicked;		/* index at the last decision to kick */
	uint64_t busy;			/* heads in flight */
	uint64_t kicks, events;
	int tell, told;			/* eventfds */
};

struct guest {
	const char *program;		/* default: BACK, the sanitized one */
	uint8_t *mem, *mem2;
	int mem_fd, mem2_fd, slot_fd, state_fd, ctl, tell, told;
	struct vmi_slot *slot;
	struct back_state *state;
	unsigned int nr_queues;
	uint64_t features;		/* agreed */
	bool indirect;			/* use tables */
	bool bounce;
	pid_t pid;
	char lines[4096];		/* what the back end said since guest_run() */
	struct guest_queue queue[GUEST_QUEUES];
};

void guest_init(struct guest *g, unsigned int nr_queues);
void guest_free(struct guest *g);
/* Start the program: `args` beside the common ones, NULL-terminated. Waits for "ready"; false: it ended before. */
bool guest_run(struct guest *g, const char *const *args);
void guest_tell(struct guest *g, const char *line);
/* Wait until the back end said a line that contains (text). */
bool guest_hears(struct guest *g, const char *text);
void guest_kill(struct guest *g);
/* Wait for its end: exit status, or -signal. */
int guest_ended(struct guest *g);

/* The driver: reset, features (those of (want) that are offered), queues, DRIVER_OK. */
bool guest_up(struct guest *g, uint64_t want);
void guest_reset(struct guest *g);
/* Write the status and wait until the device's has (bits). */
bool guest_status(struct guest *g, uint32_t status, uint32_t bits);

/* Guest-physical address of memory of ours. */
uint64_t guest_gpa(const struct guest *g, const void *p);
/* Data of head (h). */
uint8_t *guest_data(struct guest *g, unsigned int q, uint16_t h);
/* Make a request of pieces; the first (out) are the device's to read. Not seen before guest_kick(). Head, or -1: full. */
int guest_add(struct guest *g, unsigned int q, const struct iovec *v, unsigned int out, unsigned int in);
/* Show what was added, and ring the bell if the device wants it. */
void guest_kick(struct guest *g, unsigned int q);
/* The next request that came back; waits up to (ms). false: none. */
bool guest_next(struct guest *g, unsigned int q, uint16_t *head, uint32_t *len, int ms);
/* Heads that came back out of turn or twice since guest_init(): must stay 0. */
extern unsigned int guest_wrong;

#endif
