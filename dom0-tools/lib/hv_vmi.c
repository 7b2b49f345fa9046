// SPDX-License-Identifier: GPL-2.0-only
/*
 * hv_vmi.c - the back end that drives real domains, through /dev/vmi/call.
 *
 * Consoles: the hypervisor keeps a ring for each domain. Here each console that
 * is open is a pair of sockets; bytes move between it and the ring whenever
 * event_fd, an epoll of the device and these sockets, is readable and next_event
 * is called. A console is shut down when its domain is gone, or when its reader
 * has gone. What a reader does not take stays in the ring, and the guest waits.
 *
 * Trust: the hypervisor. The other end of a console belongs to a user: it may
 * be slow, full or closed.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>
#include <vmi/names.h>
#include <vmi/numbers.h>
#include "build.h"
#include "call.h"
#include "hv.h"

#define CHUNK	4096

struct console {
	struct console *next;
	uint32_t domid;
	int fd;				/* our end */
	char out[CHUNK];		/* taken from the ring, not yet by the reader */
	size_t nr_out, off_out;
	char in[CHUNK];			/* from the reader, not yet taken by the ring */
	size_t nr_in, off_in;
};

struct hv {
	int fd, epoll;
	struct console *consoles;
};

/* Turn a call's result into an answer; `did` completes "cannot ...". */
static int answer(struct hv_error *err, long rc, const char *did, uint32_t domid)
{
	if (rc >= 0)
		return 0;
	if (rc == -ESRCH || rc == -ENOENT)
		return hv_fail(err, -ENOENT, "there is no domain %u", domid);
	return hv_fail(err, rc, "cannot %s domain %u: %s", did, domid, strerror(-rc));
}

static void watch(struct hv *hv, struct console *c, int op)
{
	struct epoll_event e = {
		.events = (c->nr_in ? 0 : EPOLLIN) | (c->nr_out ? EPOLLOUT : 0) | EPOLLRDHUP, .data.ptr = c,
	};

	epoll_ctl(hv->epoll, op, c->fd, &e);
}

static struct hv *vmi_open(const char *arg, struct hv_error *err)
{
	struct epoll_event e = { .events = EPOLLIN };
	struct hv *hv = calloc(1, sizeof(*hv));

	(void)arg;
	if (!hv) {
		hv_fail(err, 0, "out of memory");
		return NULL;
	}
	hv->fd = call_open();
	if (hv->fd < 0) {
		if (hv->fd == -EACCES)
			hv_fail(err, 0, "only root may drive domains: become root");
		else
			hv_fail(err, 0, "there is no /dev/vmi/call: this is not domain 0 of a VMI machine");
		free(hv);
		return NULL;
	}
	hv->epoll = epoll_create1(EPOLL_CLOEXEC);
	if (hv->epoll < 0 || epoll_ctl(hv->epoll, EPOLL_CTL_ADD, hv->fd, &e) < 0) {
		hv_fail(err, 0, "cannot wait for events: %s", strerror(errno));
		if (hv->epoll >= 0)
			close(hv->epoll);
		close(hv->fd);
		free(hv);
		return NULL;
	}
	return hv;
}

static void console_free(struct hv *hv, struct console *c)
{
	struct console **at = &hv->consoles;

	while (*at != c)
		at = &(*at)->next;
	*at = c->next;
	close(c->fd);
	free(c);
}

static void vmi_close(struct hv *hv)
{
	while (hv->consoles)
		console_free(hv, hv->consoles);
	close(hv->epoll);
	close(hv->fd);
	free(hv);
}

static int vmi_host(struct hv *hv, struct hv_host *out, struct hv_error *err)
{
	char line[256];
	struct vmi_machine m;
	long rc = call_machine_info(hv->fd, &m);
	FILE *f;

	if (rc)
		return hv_fail(err, rc, "cannot ask the hypervisor: %s", strerror(-rc));
	*out = (struct hv_host){ .cpus = m.nr_cpus, .mhz = m.tsc_khz / 1000, .memory = m.memory, .free_memory = m.free };
	snprintf(out->version, sizeof(out->version), "VMI %u.%u", VMI_VERSION_MAJOR, VMI_VERSION_MINOR);
	f = fopen("/proc/cpuinfo", "re");
	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, "model name : %63[^\n]", out->model) == 1)
			break;
	if (f)
		fclose(f);
	return 0;
}

static int vmi_create(struct hv *hv, const struct hv_config *cfg, uint32_t *domid, struct hv_error *err)
{
	long rc = build_domain(hv->fd, cfg, err);

	if (rc < 0)
		return rc;
	*domid = rc;
	return 0;
}

static void pump_out(struct hv *hv, struct console *c);

static int vmi_destroy(struct hv *hv, uint32_t domid, struct hv_error *err)
{
	/* The last words stay readable. */
	for (struct console *c = hv->consoles; c; c = c->next)
		if (c->domid == domid)
			pump_out(hv, c);
	return answer(err, call_dom_destroy(hv->fd, domid), "destroy", domid);
}

static int vmi_pause(struct hv *hv, uint32_t domid, struct hv_error *err)
{
	return answer(err, call_dom_pause(hv->fd, domid), "pause", domid);
}

static int vmi_unpause(struct hv *hv, uint32_t domid, struct hv_error *err)
{
	return answer(err, call_dom_unpause(hv->fd, domid), "unpause", domid);
}

static int vmi_shutdown(struct hv *hv, uint32_t domid, enum hv_request what, struct hv_error *err)
{
	long rc = call_dom_control(hv->fd, domid, what == HV_ASK_REBOOT ? VMI_CONTROL_REBOOT : VMI_CONTROL_POWEROFF);

	if (rc == -ENOENT)
		return hv_fail(err, -EAGAIN, "the kernel of domain %u does not listen (yet): try again, or destroy it", domid);
	return answer(err, rc, "ask", domid);
}

static void describe(const struct vmi_dom_info *i, struct hv_info *out)
{
	static const enum hv_reason reasons[] = {
		[VMI_SHUTDOWN_POWEROFF] = HV_POWEROFF, [VMI_SHUTDOWN_REBOOT] = HV_REBOOT,
	};

	memset(out, 0, sizeof(*out));
	out->domid = i->domid;
	memcpy(out->uuid, i->uuid, sizeof(out->uuid));
	memcpy(out->name, i->name, sizeof(out->name) - 1);
	out->state = i->flags & (VMI_DOM_SHUTDOWN | VMI_DOM_DYING) ? HV_SHUTDOWN :
		     i->flags & VMI_DOM_PAUSED ? HV_PAUSED : i->flags & VMI_DOM_BLOCKED ? HV_IDLE : HV_RUNNING;
	out->reason = i->reason <= VMI_SHUTDOWN_REBOOT ? reasons[i->reason] : HV_CRASH;
	out->memory = out->max_memory = i->memory;
	out->vcpus = out->max_vcpus = i->nr_vcpus;
	/* The hypervisor has the sum. */
	out->cpu_time[0] = i->cpu_ns;
	out->weight = i->weight;
	out->cap = i->cap;
}

static int vmi_info(struct hv *hv, uint32_t domid, struct hv_info *out, struct hv_error *err)
{
	static const char *const names[] = {
#define X(nr, name) [nr] = name,
		VMI_CTR_NAMES(X)
#undef X
	};
	uint64_t values[VMI_NR_CTRS];
	struct vmi_dom_info i;
	long rc = call_dom_info(hv->fd, domid, &i);

	if (!rc && i.domid != domid)
		rc = -ENOENT;
	if (rc)
		return answer(err, rc, "ask about", domid);
	describe(&i, out);
	rc = call_dom_counters(hv->fd, domid, values, VMI_NR_CTRS);
	if (rc < 0)
		return answer(err, rc, "ask about", domid);
	for (unsigned int n = 0; n < VMI_NR_CTRS && n < HV_MAX_COUNTERS; n++)
		out->counters[out->nr_counters++] = (struct hv_counter){ names[n], values[n] };
	return 0;
}

static int vmi_list(struct hv *hv, struct hv_info *out, unsigned int max, struct hv_error *err)
{
	struct vmi_dom_info i;
	unsigned int n = 0;
	uint32_t first = 1;
	long rc;

	while (!(rc = call_dom_info(hv->fd, first, &i))) {
		first = i.domid + 1;
		/* Whoever began to end it was killed: it is to end all the same. */
		if (i.flags & VMI_DOM_DYING) {
			call_dom_destroy(hv->fd, i.domid);
			continue;
		}
		if (n < max)
			describe(&i, &out[n]);
		n++;
	}
	return rc == -ENOENT ? (int)n : hv_fail(err, rc, "cannot list the domains: %s", strerror(-rc));
}

static int vmi_set_memory(struct hv *hv, uint32_t domid, uint64_t bytes, struct hv_error *err)
{
	(void)hv, (void)domid, (void)bytes;
	return hv_fail(err, -ENOSYS, "the memory of a running domain changes with its balloon, and it has none: vmi attach-device, with "
		       "<memballoon model='virtio'/>");
}

static int vmi_set_vcpus(struct hv *hv, uint32_t domid, unsigned int online, struct hv_error *err)
{
	(void)hv, (void)domid, (void)online;
	return hv_fail(err, -ENOSYS, "this version cannot change the vCPUs of a running domain");
}

static int vmi_set_sched(struct hv *hv, uint32_t domid, unsigned int weight, unsigned int cap, struct hv_error *err)
{
	return answer(err, call_dom_sched(hv->fd, domid, weight, cap), "set the scheduling of", domid);
}

static int vmi_pin(struct hv *hv, uint32_t domid, unsigned int vcpu, uint64_t affinity, struct hv_error *err)
{
	(void)hv, (void)domid, (void)vcpu;
	return affinity & 1 ? 0 : hv_fail(err, -EINVAL, "the hypervisor uses processor 0 alone");
}

/* From the ring to the reader, until one of them has no more. */
static void pump_out(struct hv *hv, struct console *c)
{
	for (;;) {
		ssize_t n;

		if (!c->nr_out) {
			long got = call_dom_console_read(hv->fd, c->domid, 0, c->out, sizeof(c->out));

			if (got <= 0)
				return;
			c->nr_out = got;
			c->off_out = 0;
		}
		n = send(c->fd, c->out + c->off_out, c->nr_out, MSG_NOSIGNAL | MSG_DONTWAIT);
		if (n <= 0)
			return;
		c->nr_out -= n;
		c->off_out += n;
	}
}

/* From the reader to the ring. False: the reader has gone. */
static bool pump_in(struct hv *hv, struct console *c)
{
	for (;;) {
		long put;

		if (!c->nr_in) {
			ssize_t n = recv(c->fd, c->in, sizeof(c->in), MSG_DONTWAIT);

			if (n <= 0)
				return n < 0 && errno == EAGAIN;
			c->nr_in = n;
			c->off_in = 0;
		}
		put = call_dom_console_write(hv->fd, c->domid, 0, c->in + c->off_in, c->nr_in);
		if (put < 0)
			return false;
		if (!put)
			return true;
		c->nr_in -= put;
		c->off_in += put;
	}
}

static int vmi_console(struct hv *hv, uint32_t domid, struct hv_error *err)
{
	struct vmi_dom_info i;
	struct console *c;
	int pair[2];
	long rc = call_dom_info(hv->fd, domid, &i);

	if (rc || i.domid != domid)
		return answer(err, rc ? rc : -ENOENT, "open the console of", domid);
	for (c = hv->consoles; c; c = c->next)
		if (c->domid == domid)
			return hv_fail(err, -EBUSY, "the console of domain %u is open already", domid);
	c = calloc(1, sizeof(*c));
	if (!c || socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) < 0) {
		free(c);
		return hv_fail(err, -errno, "cannot open the console of domain %u: %s", domid, strerror(errno));
	}
	c->domid = domid;
	c->fd = pair[0];
	c->next = hv->consoles;
	hv->consoles = c;
	watch(hv, c, EPOLL_CTL_ADD);
	pump_out(hv, c);
	return pair[1];
}

static int vmi_event_fd(struct hv *hv)
{
	return hv->epoll;
}

/* Move what consoles have, and close those that have ended. */
static void pump_all(struct hv *hv)
{
	struct console *c, *next;
	struct vmi_dom_info i;

	for (c = hv->consoles; c; c = next) {
		next = c->next;
		pump_out(hv, c);
		if (!pump_in(hv, c) || (!c->nr_out && (call_dom_info(hv->fd, c->domid, &i) || i.domid != c->domid)))
			console_free(hv, c);
		else
			watch(hv, c, EPOLL_CTL_MOD);
	}
}

static int vmi_next_event(struct hv *hv, uint32_t *domid)
{
	struct vmi_dom_event e;

	pump_all(hv);
	while (!call_dom_event(hv->fd, &e)) {
		if (e.flags & VMI_EVENT_CONSOLE)
			pump_all(hv);
		if (e.flags & VMI_EVENT_STATE) {
			*domid = e.domid;
			return 1;
		}
	}
	return 0;
}

const struct hv_ops hv_vmi = {
	.name = "vmi",
	.open = vmi_open, .close = vmi_close, .host = vmi_host,
	.create = vmi_create, .destroy = vmi_destroy, .pause = vmi_pause, .unpause = vmi_unpause,
	.shutdown = vmi_shutdown, .info = vmi_info, .list = vmi_list,
	.set_memory = vmi_set_memory, .set_vcpus = vmi_set_vcpus, .set_sched = vmi_set_sched, .pin = vmi_pin,
	.console = vmi_console, .event_fd = vmi_event_fd, .next_event = vmi_next_event,
};
