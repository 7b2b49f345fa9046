// SPDX-License-Identifier: GPL-2.0-only
/*
 * bus.c - the header of the bus: what the guest is told of all slots, and which
 * memory it lends.
 *
 * Trust: the guest writes anything there at any time. Each value is read once; windows
 * are checked here, and by the hypervisor when they are lent.
 */
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>
#include <errno.h>
#include <vmi/dev.h>

#include "../broker/broker.h"
#include "../lib/build.h"
#include "devices_int.h"

#define BUSY_WAIT	(SECOND / 20)
#define BUSY_TIMES	100		/* until who has the windows is killed */

void bus_clear(struct devices *m)
{
	/* Without windows none of our own runs yet. */
	if (!m->cfg.resume || m->nr_windows || m->cleared)
		return;
	m->cleared = true;
	tell(m, DEVICE_EV_LOG, NULL, "what served its devices before does not end: it is killed");
	broker_clear(m->cfg.domid);
}

/* For a successor of somebody who was killed just now: his back ends need a moment to end. One that is stopped never does. */
static int patiently(struct devices *m, int (*get)(uint32_t, uint64_t, uint64_t), uint64_t a, uint64_t b)
{
	int rc = get(m->cfg.domid, a, b);

	for (int i = 0; i < BUSY_TRIES && m->cfg.resume && (rc == -EBUSY || rc == -ENOENT); i++) {
		if (i == BUSY_CLEAR)
			bus_clear(m);
		usleep(BUSY_SLEEP);
		rc = get(m->cfg.domid, a, b);
	}
	return rc;
}

static int bind_port(uint32_t domid, uint64_t port, uint64_t unused)
{
	(void)unused;
	return broker_port(domid, port);
}

int bus_page(struct devices *m, unsigned int page, int *fd, void **at)
{
	*fd = patiently(m, broker_lend, BUILD_BUS_GPA + page * PAGE, PAGE);
	if (*fd < 0)
		return *fd;
	*at = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, *fd, 0);
	if (*at != MAP_FAILED)
		return 0;
	*at = NULL;
	return -errno;
}

int bus_port(struct devices *m, uint32_t port)
{
	return patiently(m, bind_port, port, 0);
}

static void ring(struct devices *m)
{
	ioctl(m->bus_fd, VMI_DEV_PORT_NOTIFY);
}

/* A slot's manager line changed: tell the guest. */
void bus_changed(struct devices *m)
{
	__atomic_add_fetch(&m->bus->manager.generation, 1, __ATOMIC_SEQ_CST);
	ring(m);
}

void bus_expect(struct devices *m)
{
	uint32_t expect = 0;

	for (unsigned int i = 0; i < VMI_BUS_SLOTS; i++)
		expect |= m->slot[i].phase >= P_WAITING && m->slot[i].phase <= P_BACKOFF ? 1u << i : 0;
	WRITE_ONCE(m->bus->manager.expect, expect);
}

const char *bus_read_windows(struct devices *m)
{
	uint64_t *gpa = m->window_gpa, *size = m->window_size;
	const uint64_t bus = BUILD_BUS_GPA, bus_end = bus + VMI_BUS_PAGES * PAGE;
	unsigned int nr = 0;

	for (unsigned int i = 0; i < VMI_BUS_WINDOWS; i++) {
		gpa[i] = READ_ONCE(m->bus->guest.window[i].gpa);
		size[i] = READ_ONCE(m->bus->guest.window[i].size);
		if (!size[i])
			continue;
		nr++;
		if ((gpa[i] | size[i]) & (PAGE - 1))
			return "a window that is not whole pages";
		if (size[i] > m->cfg.memory || gpa[i] > m->cfg.memory - size[i])
			return "a window outside its memory";
		if (gpa[i] < bus_end && bus < gpa[i] + size[i])
			return "a window over the bus";
		for (unsigned int j = 0; j < i; j++) {
			if (size[j] && gpa[i] < gpa[j] + size[j] && gpa[j] < gpa[i] + size[i])
				return "windows that overlap";
		}
	}
	return nr ? NULL : "no window";
}

void bus_drop_windows(struct devices *m)
{
	for (unsigned int i = 0; i < VMI_BUS_WINDOWS; i++) {
		if (m->window_fd[i] >= 0)
			close(m->window_fd[i]);
		m->window_fd[i] = -1;
		m->window_size[i] = 0;
	}
	m->nr_windows = 0;
}

/* The guest is ready: have the memory that it lends, and start what waits for that. */
void bus_take_windows(struct devices *m)
{
	const char *wrong;
	int rc = 0;

	m->windows_due = 0;
	if (m->nr_windows || READ_ONCE(m->bus->guest.state) != VMI_BUS_READY)
		return;
	wrong = bus_read_windows(m);
	if (wrong) {
		bus_drop_windows(m);
		if (!m->windows_said)
			tell(m, DEVICE_EV_ERROR, NULL, "the guest's driver lends %s: it gets no devices", wrong);
		m->windows_said = true;
		return;
	}
	for (unsigned int i = 0; i < VMI_BUS_WINDOWS && rc >= 0; i++) {
		if (!m->window_size[i])
			continue;
		rc = m->window_fd[i] = broker_lend(m->cfg.domid, m->window_gpa[i], m->window_size[i]);
		m->nr_windows++;
	}
	if (rc < 0) {
		/* A back end of before may still have it; memory may become free. */
		bus_drop_windows(m);
		if (rc == -EBUSY && ++m->windows_busy == BUSY_TIMES)
			bus_clear(m);
		if (!m->windows_said && rc != -EBUSY)
			tell(m, DEVICE_EV_ERROR, NULL, "the memory that the guest lends cannot be had: %s; its devices wait", strerror(-rc));
		m->windows_said |= rc != -EBUSY;
		m->windows_due = now_ns() + (rc == -EBUSY ? BUSY_WAIT : SECOND);
		return;
	}
	for (unsigned int i = 0; i < VMI_BUS_SLOTS; i++) {
		if (m->slot[i].phase == P_WAITING)
			back_start(m, &m->slot[i]);
	}
}

int bus_open(struct devices *m, struct hv_error *err)
{
	void *bus = NULL;
	int rc = m->bus_fd = bus_port(m, BUILD_BUS_PORT);

	if (rc >= 0)
		rc = bus_page(m, 0, &m->page_fd, &bus);
	m->bus = bus;
	if (!rc)
		rc = watch(m, m->bus_fd, WATCH_BUS);
	if (rc)
		return hv_fail(err, rc, "the bus of domain %u cannot be had: %s", m->cfg.domid, strerror(-rc));
	m->bus->manager.magic = VMI_BUS_MAGIC;
	m->bus->manager.version = VMI_BUS_VERSION;
	m->bus->manager.share = m->cfg.share_full ? VMI_BUS_FULL : VMI_BUS_BOUNCE;
	return 0;
}
