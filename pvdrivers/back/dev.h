/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * dev.h - a device, its kind, and its slot on the bus.
 *
 * dev.c keeps the slot page and the virtio status: reset, feature negotiation,
 * queues, configuration. A kind (block, net, ...) is a struct dev_ops. One process
 * serves one device, with one thread.
 *
 * Order of calls: arg()..., init(), then for each life of the driver: start(),
 * kick()..., stop(). settle() ends each round of the event loop: publish what was
 * pushed (dev_publish).
 */
#ifndef BACK_DEV_H
#define BACK_DEV_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "loop.h"
#include "mem.h"
#include "ring.h"
#include "state.h"

struct dev;

struct dev_ops {
	const char *name;		/* vmi-back NAME ... */
	const char *help;		/* its own arguments, a line each */
	uint32_t device;		/* virtio device identifier; 0: init() knows it */
	const int *syscalls, *ioctls;	/* beside those of all kinds (sandbox.c); end in -1 and 0; may be NULL */
	const int *opcodes;		/* of io_uring, beside polls; end in -1; may be NULL */

	/* One argument NAME=VALUE that is not common to all; false: there is no such argument. */
	bool (*arg)(struct dev *d, const char *name, const char *value);
	/*
	 * All arguments are known, the windows are mapped, the sandbox is not there yet. Sets nr_queues, size_max,
	 * features, config and config_size; where needed device, required, withheld, and `handed` of queues. Errors: die().
	 */
	void (*init)(struct dev *d);
	/* DRIVER_OK: the queues that the driver enabled are up. */
	void (*start)(struct dev *d);
	/* Take nothing more, and call dev_stopped() when nothing is in flight: now or later. */
	void (*stop)(struct dev *d);
	/* The guest raised the port of queue (q); once for each queue after start(), too. */
	void (*kick)(struct dev *d, unsigned int q);
	void (*settle)(struct dev *d);	/* may be NULL */
	/* The driver wrote its configuration (d->config_guest is a copy); may be NULL. */
	void (*config_written)(struct dev *d);
	/* A line of the manager, without newline; false: not one that the kind knows; may be NULL. */
	bool (*told)(struct dev *d, const char *line);
};

extern const struct dev_ops block_ops, net_ops, console_ops, rng_ops, balloon_ops, vhost_user_ops;

/* A doorbell: a file of /dev/vmi/port, or two eventfds (GUEST:IN/OUT), as tests use. */
struct dev_port {
	struct loop_op op;
	struct dev *dev;
	unsigned int queue;		/* DEV_PORT_OWN: the device's own */
	uint32_t guest;			/* its number in the guest */
	int in, out;			/* out: -1 for a port */
};
#define DEV_PORT_OWN	(~0u)

struct dev_queue {
	struct ring ring;
	struct dev_port port;
	bool handed;			/* somebody else serves it (hand.h): no ring_start(), no doorbell, no kick() */
	bool enabled;			/* with the following, checked by ring_start() or, where it is handed over, by the kind */
	bool notify;			/* at the end of the round */
	uint32_t size;
	uint64_t desc, avail, used;
};

struct dev {
	const struct dev_ops *ops;
	void *priv;			/* the kind's */
	struct vmi_slot *slot;
	struct back_state *state;
	struct mem mem;
	int ctl;
	bool bounce;			/* share=bounce */
	uint32_t queues;		/* queues=N as given, at least 1 */

	uint32_t device;		/* virtio device identifier, where ops->device is 0 */
	uint64_t features;		/* offered; dev.c adds VERSION_1, EVENT_IDX, INDIRECT, ACCESS_PLATFORM */
	uint64_t required;		/* of those offered: without them the driver's are refused */
	uint64_t withheld;		/* of those that dev.c adds: what whoever serves the rings cannot do */
	uint64_t agreed;		/* with the driver; valid from start() on */
	uint32_t nr_queues, size_max;
	uint32_t config_size;
	uint8_t config[VMI_BUS_CONFIG];
	uint8_t config_guest[VMI_BUS_CONFIG];
	uint32_t config_gen;		/* the guest's, last seen */

	bool started;			/* between start() and stop() */
	bool stopping;			/* stop() was called, dev_stopped() not yet */
	bool quitting;
	struct dev_port port;
	struct dev_queue queue[VMI_BUS_QUEUES];
};

/* args.c: print why and end with status 1. The text names the remedy. */
void die(const char *fmt, ...) __attribute__((noreturn, format(printf, 1, 2)));
/* Values of arguments, or die(). An open descriptor: only these stay open. */
int arg_fd(const char *name, const char *value);
uint64_t arg_u64(const char *name, const char *value, uint64_t min, uint64_t max);
bool arg_bool(const char *name, const char *value);
/* Close all descriptors but stderr and those of arguments. */
void args_close_others(void);
/* sandbox.c: from here on nothing is opened, and only the kind's system calls are made. */
void sandbox_enter(const struct dev_ops *ops);

/* ---- for kinds ---- */

/* Serve a queue: a request, or RING_EMPTY. A broken ring breaks the device. */
int dev_pop(struct dev *d, unsigned int q, struct ring_chain *c);
/* Publish what was pushed; the notification goes out at the end of the round. */
void dev_publish(struct dev *d, unsigned int q);
/* As ring_listen(). */
bool dev_listen(struct dev *d, unsigned int q);
/* Raise a port now, not at the end of the round. */
void dev_raise(struct dev_port *p);
/* The guest does what no driver does: NEEDS_RESET, and a log line. */
void dev_break(struct dev *d, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void dev_stopped(struct dev *d);
/* d->config changed: show it to the guest and interrupt it. */
void dev_config_changed(struct dev *d);
/* Lines to the manager; never more than some a second. dev_error() is what the device's owner should know. */
void dev_log(struct dev *d, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void dev_error(struct dev *d, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* The line `given PAGES`. */
void dev_given(struct dev *d, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* ---- for main.c and tests ---- */

/* Write the slot's lines, take over what a predecessor left, say ready, raise each port. */
void dev_begin(struct dev *d);
/* What the guest wrote in the slot page, after its port was raised. */
void dev_look(struct dev *d);
/* Publish and notify; the end of a round. */
void dev_settle(struct dev *d);
/* A line of the manager. */
void dev_told(struct dev *d, const char *line);
/* The rest is served no more: true when nothing is in flight. */
bool dev_ended(const struct dev *d);

#endif
