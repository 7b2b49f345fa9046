// SPDX-License-Identifier: GPL-2.0-only
/*
 * dev.c - the slot of a device: virtio's status machine over a page of the guest.
 *
 * The page's back-end lines are written, and never believed: what they say is in
 * struct dev and in the state file. The guest's lines are read once where they are used.
 *
 * Invariant: a driver's life has one start() and one stop(); the state's queues are
 *            zeroes when the status is 0.
 * Trust:     the manager's lines and files; nothing that the guest writes.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <linux/virtio_config.h>
#include <linux/virtio_ring.h>
#include <vmi/dev.h>

#include "dev.h"

#define STATUS_BITS	(VIRTIO_CONFIG_S_ACKNOWLEDGE | VIRTIO_CONFIG_S_DRIVER | VIRTIO_CONFIG_S_DRIVER_OK | \
			 VIRTIO_CONFIG_S_FEATURES_OK | VIRTIO_CONFIG_S_FAILED)
#define LINES_PER_SECOND	8	/* to the manager: a guest must not fill its log */

static void say(struct dev *d, const char *kind, const char *fmt, va_list ap)
{
	static time_t second;
	static unsigned int lines;
	struct timespec now;
	char line[256];
	int n;

	clock_gettime(CLOCK_MONOTONIC, &now);
	if (now.tv_sec != second) {
		second = now.tv_sec;
		lines = 0;
	}
	if (lines++ >= LINES_PER_SECOND)
		return;
	n = snprintf(line, sizeof(line), "%s%s", kind, *kind ? " " : "");
	n += vsnprintf(line + n, sizeof(line) - n - 1, fmt, ap);
	if (n > (int)sizeof(line) - 2)
		n = sizeof(line) - 2;
	line[n++] = '\n';
	/* A manager that does not listen loses lines, and does not stop the device. */
	send(d->ctl, line, n, MSG_DONTWAIT | MSG_NOSIGNAL);
}

void dev_log(struct dev *d, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	say(d, "log", fmt, ap);
	va_end(ap);
}

void dev_given(struct dev *d, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	say(d, "given", fmt, ap);
	va_end(ap);
}

void dev_error(struct dev *d, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	say(d, "error", fmt, ap);
	va_end(ap);
}

void dev_raise(struct dev_port *p)
{
	uint64_t one = 1;

	if (p->out < 0)
		ioctl(p->in, VMI_DEV_PORT_NOTIFY, 0);
	else if (write(p->out, &one, sizeof(one)) < 0)
		return;	/* a full eventfd says the same */
	p->dev->state->notifications++;
}

static void set_status(struct dev *d, uint32_t status)
{
	d->state->status = status;
	WRITE_ONCE(d->slot->back.status, status);
	dev_raise(&d->port);
}

void dev_break(struct dev *d, const char *fmt, ...)
{
	va_list ap;

	if (d->state->status & VIRTIO_CONFIG_S_NEEDS_RESET)
		return;
	va_start(ap, fmt);
	say(d, "log the guest broke the device:", fmt, ap);
	va_end(ap);
	set_status(d, d->state->status | VIRTIO_CONFIG_S_NEEDS_RESET);
}

/* ---- configuration ---- */

static void write_config(struct dev *d)
{
	/* It must differ from a predecessor's; any number will do. */
	uint32_t gen = READ_ONCE(d->slot->back.config_gen) | 1;

	__atomic_store_n(&d->slot->back.config_gen, gen, __ATOMIC_SEQ_CST);
	for (uint32_t i = 0; i < d->config_size; i++)
		WRITE_ONCE(d->slot->config[i], d->config[i]);
	__atomic_store_n(&d->slot->back.config_gen, gen + 1, __ATOMIC_SEQ_CST);
}

void dev_config_changed(struct dev *d)
{
	write_config(d);
	dev_raise(&d->port);
}

static void look_config(struct dev *d)
{
	uint32_t gen = __atomic_load_n(&d->slot->guest.config_gen, __ATOMIC_ACQUIRE);

	if (gen == d->config_gen)
		return;
	d->config_gen = gen;
	for (uint32_t i = 0; i < d->config_size; i++)
		d->config_guest[i] = READ_ONCE(d->slot->config_guest[i]);
	if (d->ops->config_written)
		d->ops->config_written(d);
	__atomic_store_n(&d->slot->back.config_seen, gen, __ATOMIC_SEQ_CST);
	dev_raise(&d->port);
}

/* ---- a driver's life ---- */

static void start(struct dev *d)
{
	d->agreed = d->state->features;
	d->started = true;
	for (unsigned int i = 0; i < d->nr_queues; i++) {
		struct vmi_queue_guest *g = &d->slot->queue[i].guest;
		struct dev_queue *q = &d->queue[i];

		q->enabled = READ_ONCE(g->enabled);
		q->size = READ_ONCE(g->size);
		q->desc = READ_ONCE(g->desc);
		q->avail = READ_ONCE(g->avail);
		q->used = READ_ONCE(g->used);
		if (!q->enabled)
			continue;
		if (q->size > d->size_max) {
			q->enabled = false;
			dev_break(d, "queue %u: %u entries, it may have %u", i, q->size, d->size_max);
		} else if (!q->handed && !ring_start(&q->ring, &d->mem, &d->state->queue[i], q->size, q->desc, q->avail, q->used,
					       d->agreed)) {
			q->enabled = false;
			dev_break(d, "queue %u: %s", i, q->ring.broken);
		}
	}
	d->ops->start(d);
	for (unsigned int i = 0; i < d->nr_queues; i++)
		if (d->queue[i].enabled && !d->queue[i].handed)
			d->ops->kick(d, i);
}

static void stop(struct dev *d)
{
	if (!d->started) {
		dev_stopped(d);
		return;
	}
	d->started = false;
	d->stopping = true;
	d->ops->stop(d);
}

/* Nothing is in flight any more: of a reset, or at the end. */
void dev_stopped(struct dev *d)
{
	d->stopping = false;
	if (d->quitting)
		return;
	for (unsigned int i = 0; i < d->nr_queues; i++) {
		ring_reset(&d->queue[i].ring, &d->state->queue[i]);
		d->queue[i].enabled = false;
	}
	d->agreed = d->state->features = 0;
	set_status(d, 0);
	/* The driver may be at its next life already. */
	dev_look(d);
}

static uint64_t offered(const struct dev *d)
{
	uint64_t rings = 1ull << VIRTIO_RING_F_EVENT_IDX | 1ull << VIRTIO_RING_F_INDIRECT_DESC;

	return d->features | (rings & ~d->withheld) | 1ull << VIRTIO_F_VERSION_1 | (d->bounce ? 1ull << VIRTIO_F_ACCESS_PLATFORM : 0);
}

/* FEATURES_OK: do driver and device agree? */
static bool agree(struct dev *d)
{
	uint64_t want = READ_ONCE(d->slot->guest.features);
	uint64_t must = d->required | 1ull << VIRTIO_F_VERSION_1 | (d->bounce ? 1ull << VIRTIO_F_ACCESS_PLATFORM : 0);

	if (want & ~offered(d) || (want & must) != must) {
		dev_log(d, "the driver's features %#llx are refused: offered are %#llx, needed %#llx", (unsigned long long)want,
			(unsigned long long)offered(d), (unsigned long long)must);
		return false;
	}
	d->state->features = want;
	return true;
}

void dev_look(struct dev *d)
{
	uint32_t want = READ_ONCE(d->slot->guest.status) & STATUS_BITS, have = d->state->status;

	if (d->stopping || d->quitting)
		return;
	if (!want) {
		if (have)
			stop(d);
		return;
	}
	look_config(d);
	/* Bits are added; only a reset takes them back. */
	if (have & VIRTIO_CONFIG_S_NEEDS_RESET || !(want & ~have))
		return;
	if (want & ~have & VIRTIO_CONFIG_S_FEATURES_OK && !agree(d)) {
		set_status(d, have | VIRTIO_CONFIG_S_NEEDS_RESET);
		return;
	}
	if (want & VIRTIO_CONFIG_S_DRIVER_OK && !(want & VIRTIO_CONFIG_S_FEATURES_OK)) {
		dev_break(d, "the driver starts without agreed features");
		return;
	}
	want |= have;
	set_status(d, want);
	if (want & ~have & VIRTIO_CONFIG_S_DRIVER_OK)
		start(d);
}

/* ---- queues ---- */

int dev_pop(struct dev *d, unsigned int q, struct ring_chain *c)
{
	int rc;

	if (!d->queue[q].enabled || d->state->status & VIRTIO_CONFIG_S_NEEDS_RESET)
		return RING_EMPTY;
	rc = ring_pop(&d->queue[q].ring, c);
	if (rc == RING_BROKEN)
		dev_break(d, "queue %u: %s", q, d->queue[q].ring.broken);
	else if (rc == RING_GOT)
		d->state->requests++;
	return rc == RING_GOT ? RING_GOT : RING_EMPTY;
}

bool dev_listen(struct dev *d, unsigned int q)
{
	return d->queue[q].enabled && !(d->state->status & VIRTIO_CONFIG_S_NEEDS_RESET) && ring_listen(&d->queue[q].ring);
}

void dev_publish(struct dev *d, unsigned int q)
{
	if (d->queue[q].enabled && ring_publish(&d->queue[q].ring))
		d->queue[q].notify = true;
}

void dev_settle(struct dev *d)
{
	if (d->ops->settle)
		d->ops->settle(d);
	for (unsigned int i = 0; i < d->nr_queues; i++) {
		if (d->queue[i].notify)
			dev_raise(&d->queue[i].port);
		d->queue[i].notify = false;
	}
}

/* ---- events ---- */

static void port_event(struct loop_op *op, int res)
{
	struct dev_port *p = (struct dev_port *)((char *)op - offsetof(struct dev_port, op));
	struct dev *d = p->dev;

	if (res < 0)
		die("a port cannot be waited for: %s", strerror(-res));
	d->state->kicks++;
	if (p->queue == DEV_PORT_OWN)
		dev_look(d);
	else if (d->started && d->queue[p->queue].enabled)
		d->ops->kick(d, p->queue);
}

void dev_told(struct dev *d, const char *line)
{
	char answer[24];
	int n;

	if (!strcmp(line, "quit")) {
		if (d->quitting)
			return;
		d->quitting = true;
		if (d->started)
			stop(d);
	} else if (!strncmp(line, "alive ", 6)) {
		/* The manager looks if the loop turns. Not say(): nothing may hold this back. */
		n = snprintf(answer, sizeof(answer), "%.20s\n", line);
		send(d->ctl, answer, n, MSG_DONTWAIT | MSG_NOSIGNAL);
	} else if (!d->ops->told || !d->ops->told(d, line)) {
		dev_log(d, "not understood: %s", line);
	}
}

bool dev_ended(const struct dev *d)
{
	return d->quitting && !d->stopping;
}

void dev_begin(struct dev *d)
{
	struct vmi_slot *s = d->slot;

	d->state->magic = BACK_STATE_MAGIC;
	d->state->starts++;
	s->back.device = d->ops->device ? d->ops->device : d->device;
	s->back.features = offered(d);
	s->back.config_size = d->config_size;
	s->back.nr_queues = d->nr_queues;
	s->back.port = d->port.guest;
	for (unsigned int i = 0; i < d->nr_queues; i++) {
		s->queue[i].back.size_max = d->size_max;
		s->queue[i].back.port = d->queue[i].port.guest;
	}
	write_config(d);
	WRITE_ONCE(s->back.status, d->state->status);
	/* What a predecessor obeyed. */
	d->config_gen = READ_ONCE(s->back.config_seen);

	d->port.op.done = port_event;
	loop_poll(&d->port.op, d->port.in);
	for (unsigned int i = 0; i < d->nr_queues; i++) {
		struct dev_port *p = &d->queue[i].port;

		p->op.done = port_event;
		if (!d->queue[i].handed)
			loop_poll(&p->op, p->in);
	}
	/* A predecessor's driver. */
	if (d->state->status & VIRTIO_CONFIG_S_DRIVER_OK && !(d->state->status & VIRTIO_CONFIG_S_NEEDS_RESET))
		start(d);
	dev_look(d);
	if (send(d->ctl, "ready\n", 6, MSG_NOSIGNAL) < 0)
		die("the control socket is closed");
	/* What it did last, the guest may not have heard of. */
	dev_raise(&d->port);
	for (unsigned int i = 0; i < d->nr_queues; i++)
		if (d->queue[i].enabled)
			dev_raise(&d->queue[i].port);
}
