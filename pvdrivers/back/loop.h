/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * loop.h - the event loop: one io_uring, one thread.
 *
 * Everything is an operation of the ring: doorbells and sockets are multishot
 * polls, a disk's transfers are requests. One io_uring_enter() submits what the
 * last round began and waits for what is done, so a wake-up costs one system call.
 *
 * A poll is edge-triggered: its callback runs once or more after each event,
 * never again without one. Doorbells (ports, eventfds) are therefore never read;
 * of other files, everything must be read until EAGAIN.
 */
#ifndef BACK_LOOP_H
#define BACK_LOOP_H

#include <stdbool.h>
#include <stdint.h>

#include <linux/time_types.h>

struct io_uring_sqe;

/* Embedded in what the callback is about. */
struct loop_op {
	void (*done)(struct loop_op *op, int res);
	int fd;			/* of a poll, which is armed again; else -1 */
};

/* Calls fn once; the kind names IORING_OP_TIMEOUT. */
struct loop_timer {
	struct loop_op op;
	struct __kernel_timespec after;
	void (*fn)(void *arg);
	void *arg;
	bool running;
};

/* Set up, with the opcodes (beside polls) that the kind uses, ending in -1; all others are refused by the kernel. */
void loop_init(const int *opcodes, int lock_fd);
/* Call op->done whenever fd becomes readable. */
void loop_poll(struct loop_op *op, int fd);
/* Nanoseconds, asked once a round: the time between two requests of one round is not worth a call. */
uint64_t loop_now(void);
/* In so many nanoseconds; nothing where it runs already. */
void loop_time(struct loop_timer *t, uint64_t ns);
/* A request to fill in: its completion calls op->done. Never NULL. */
struct io_uring_sqe *loop_sqe(struct loop_op *op);
/* One round: submit, wait for at least one completion, call back all that are there. */
void loop_round(void);

#endif
