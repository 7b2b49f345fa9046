// SPDX-License-Identifier: GPL-2.0-only
/*
 * loop.c - the event loop. See loop.h.
 *
 * The ring takes only the operations that the kind named: io_uring could otherwise
 * do what seccomp forbids.
 */
#include <errno.h>
#include <string.h>
#include <time.h>

#include <liburing.h>
#include <poll.h>

#include "dev.h"

#define SQ_ENTRIES	1024
#define CQ_ENTRIES	4096
#define MAX_OPCODES	16

static struct io_uring uring;
static uint64_t now;			/* of this round; 0: not asked yet */

void loop_init(const int *opcodes, int lock_fd)
{
	struct io_uring_params p = {
		/* One thread; completions are handled when it asks for them. */
		.flags = IORING_SETUP_CQSIZE | IORING_SETUP_R_DISABLED | IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN,
		.cq_entries = CQ_ENTRIES,
	};
	struct io_uring_restriction r[MAX_OPCODES + 2];
	unsigned int nr = 0;
	int rc = io_uring_queue_init_params(SQ_ENTRIES, &uring, &p);

	if (rc < 0)
		die("no io_uring: %s; the kernel needs CONFIG_IO_URING, version 6.1 or later, and kernel.io_uring_disabled=0", strerror(-rc));
	memset(r, 0, sizeof(r));
	r[nr].opcode = IORING_RESTRICTION_SQE_OP;
	r[nr++].sqe_op = IORING_OP_POLL_ADD;
	for (unsigned int i = 0; opcodes && opcodes[i] >= 0; i++) {
		r[nr].opcode = IORING_RESTRICTION_SQE_OP;
		r[nr++].sqe_op = opcodes[i];
	}
	/* The last reference to lock_fd goes with the last transfer (state.h). */
	if (lock_fd >= 0) {
		rc = io_uring_register_files(&uring, &lock_fd, 1);
		if (rc < 0)
			die("io_uring takes no file: %s", strerror(-rc));
	}
	rc = io_uring_register_restrictions(&uring, r, nr);
	if (rc >= 0)
		rc = io_uring_enable_rings(&uring);
	if (rc < 0)
		die("io_uring takes no restrictions: %s", strerror(-rc));
}

struct io_uring_sqe *loop_sqe(struct loop_op *op)
{
	struct io_uring_sqe *sqe;

	while (!(sqe = io_uring_get_sqe(&uring))) {
		int rc = io_uring_submit(&uring);

		if (rc < 0 && rc != -EINTR && rc != -EAGAIN && rc != -EBUSY)
			die("io_uring: %s", strerror(-rc));
	}
	/* Before what is in it is known: the caller's io_uring_prep_*() leave this alone. */
	io_uring_sqe_set_data(sqe, op);
	return sqe;
}

static void arm(struct loop_op *op)
{
	io_uring_prep_poll_multishot(loop_sqe(op), op->fd, POLLIN);
}

void loop_poll(struct loop_op *op, int fd)
{
	op->fd = fd;
	arm(op);
}

static void time_is_up(struct loop_op *op, int res)
{
	struct loop_timer *t = (struct loop_timer *)op;

	(void)res;
	t->running = false;
	t->fn(t->arg);
}

uint64_t loop_now(void)
{
	if (!now) {
		struct timespec t;

		clock_gettime(CLOCK_MONOTONIC, &t);
		now = t.tv_sec * 1000000000ull + t.tv_nsec;
	}
	return now;
}

void loop_time(struct loop_timer *t, uint64_t ns)
{
	if (t->running)
		return;
	t->running = true;
	t->op = (struct loop_op){ time_is_up, -1 };
	t->after = (struct __kernel_timespec){ ns / 1000000000, ns % 1000000000 };
	io_uring_prep_timeout(loop_sqe(&t->op), &t->after, 0, 0);
}

void loop_round(void)
{
	struct io_uring_cqe *cqe;
	unsigned int head, n = 0;
	int rc = io_uring_submit_and_wait(&uring, 1);

	if (rc < 0 && rc != -EINTR && rc != -EAGAIN && rc != -EBUSY)
		die("io_uring: %s", strerror(-rc));
	now = 0;
	io_uring_for_each_cqe(&uring, head, cqe) {
		struct loop_op *op = io_uring_cqe_get_data(cqe);

		n++;
		if (op->fd >= 0 && cqe->res >= 0 && !(cqe->flags & IORING_CQE_F_MORE))
			arm(op);
		op->done(op, cqe->res);
	}
	io_uring_cq_advance(&uring, n);
}
