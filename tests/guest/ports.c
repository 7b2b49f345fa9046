// SPDX-License-Identifier: GPL-2.0-only
/*
 * ports.c - /dev/vmi/port: event ports of domain 0 as files and as eventfds, in
 * domain 0 alone: both ends are its own.
 */
#include <poll.h>
#include <stdbool.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <vmi/dev.h>
#include "guest.h"

#define DOMAIN_0	0

static int open_port(void)
{
	int fd = open("/dev/vmi/port", O_RDWR | O_NONBLOCK | O_CLOEXEC);

	if (fd < 0 && errno == ENOENT)
		skip("no /dev/vmi/port: this is not domain 0");
	check(fd >= 0, "open: %s", strerror(errno));
	return fd;
}

static void pair(int *a, int *b)
{
	struct vmi_dev_port p = { .domid = DOMAIN_0 };

	*a = open_port();
	*b = open_port();
	p.port = ioctl(*a, VMI_DEV_PORT_OPEN, &(struct vmi_dev_port){ .domid = DOMAIN_0 });
	check((int)p.port > 0, "VMI_DEV_PORT_OPEN: %s", strerror(errno));
	check(ioctl(*b, VMI_DEV_PORT_BIND, &p) > 0, "VMI_DEV_PORT_BIND: %s", strerror(errno));
	/* Each tells once at the beginning. */
	for (int i = 0; i < 2; i++) {
		char c;

		check(read(i ? *b : *a, &c, 1) == 1, "no first event");
	}
}

static bool ready(int fd, int ms)
{
	return poll(&(struct pollfd){ .fd = fd, .events = POLLIN }, 1, ms) == 1;
}

static void events(void)
{
	int a, b;
	char c;

	pair(&a, &b);
	check(!ready(a, 0) && !ready(b, 0), "an event that nobody sent");
	check(!ioctl(a, VMI_DEV_PORT_NOTIFY), "notify: %s", strerror(errno));
	check(ready(b, 5000) && !ready(a, 0), "the event went nowhere, or to the wrong end");
	check(read(b, &c, 1) == 1, "read: %s", strerror(errno));
	check(read(b, &c, 1) == -1 && errno == EAGAIN, "a second event");
	check(!ioctl(b, VMI_DEV_PORT_NOTIFY) && ready(a, 5000), "the other way");
	close(b);
	check(ioctl(a, VMI_DEV_PORT_NOTIFY) == -1 && errno == ENOTCONN, "notify without a far end: %s", strerror(errno));
}

static void eventfds(void)
{
	int a, b, ea = eventfd(0, EFD_NONBLOCK), eb = eventfd(0, EFD_NONBLOCK);
	uint64_t n;

	pair(&a, &b);
	check(!ioctl(a, VMI_DEV_PORT_EVENTFD, ea) && !ioctl(b, VMI_DEV_PORT_EVENTFD, eb), "eventfd: %s", strerror(errno));
	for (unsigned long i = 0; i < scaled(2000); i++) {
		check(!ioctl(i & 1 ? b : a, VMI_DEV_PORT_NOTIFY), "notify %lu: %s", i, strerror(errno));
		check(ready(i & 1 ? ea : eb, 5000), "event %lu did not arrive", i);
		check(read(i & 1 ? ea : eb, &n, 8) == 8 && n == 1, "event %lu: count %lu", i, n);
	}
	check(ioctl(a, VMI_DEV_PORT_EVENTFD, 12345) == -1 && errno == EBADF, "a bad eventfd: %s", strerror(errno));
	check(!ioctl(b, VMI_DEV_PORT_EVENTFD, -1) && !ioctl(a, VMI_DEV_PORT_NOTIFY), "eventfd taken away: %s", strerror(errno));
	check(!ready(eb, 100), "an event after the eventfd was taken away");
}

static void irqfds(void)
{
	int a, b, e = eventfd(0, EFD_NONBLOCK), eb = eventfd(0, EFD_NONBLOCK);
	uint64_t n, one = 1;

	pair(&a, &b);
	check(write(e, &one, 8) == 8, "eventfd");
	check(!ioctl(a, VMI_DEV_PORT_IRQFD, e), "irqfd: %s", strerror(errno));
	check(ready(b, 5000), "what was signalled before went nowhere");
	check(!ioctl(b, VMI_DEV_PORT_EVENTFD, eb), "eventfd: %s", strerror(errno));
	check(ready(eb, 5000) && read(eb, &n, 8) == 8, "the event that had come");
	for (unsigned long i = 0; i < scaled(2000); i++) {
		check(write(e, &one, 8) == 8, "eventfd: %s", strerror(errno));
		check(ready(eb, 5000), "event %lu did not arrive", i);
		check(read(eb, &n, 8) == 8 && n == 1, "event %lu: count %lu", i, n);
	}
	check(ioctl(a, VMI_DEV_PORT_IRQFD, 12345) == -1 && errno == EBADF, "a bad eventfd: %s", strerror(errno));
	check(ioctl(a, VMI_DEV_PORT_IRQFD, b) == -1 && errno == EINVAL, "no eventfd: %s", strerror(errno));
	check(!ioctl(a, VMI_DEV_PORT_IRQFD, -1) && write(e, &one, 8) == 8, "irqfd taken away: %s", strerror(errno));
	check(!ready(eb, 100), "an event after the irqfd was taken away");
	/* Whichever is closed first. */
	check(!ioctl(a, VMI_DEV_PORT_IRQFD, e), "irqfd: %s", strerror(errno));
	close(e);
	check(!ioctl(a, VMI_DEV_PORT_NOTIFY) && ready(eb, 5000), "after the eventfd was closed");
	e = eventfd(0, EFD_NONBLOCK);
	check(!ioctl(a, VMI_DEV_PORT_IRQFD, e), "another irqfd: %s", strerror(errno));
	close(a);
	check(write(e, &one, 8) == 8, "eventfd after its port was closed");
}

static void refused(void)
{
	int a = open_port(), b = open_port();
	struct vmi_dev_port p = { .domid = 1000 };

	check(ioctl(a, VMI_DEV_PORT_OPEN, &p) == -1 && errno == ESRCH, "no domain: %s", strerror(errno));
	check(ioctl(a, VMI_DEV_PORT_NOTIFY) == -1 && errno == ENOTCONN, "no port: %s", strerror(errno));
	check(ioctl(a, VMI_DEV_PORT_IRQFD, -1) == -1 && errno == ENOTCONN, "irqfd, no port: %s", strerror(errno));
	p = (struct vmi_dev_port){ .domid = DOMAIN_0, .port = 400 };
	check(ioctl(a, VMI_DEV_PORT_BIND, &p) == -1 && errno == ENOENT, "no such port: %s", strerror(errno));
	p.port = 0;
	check(ioctl(a, VMI_DEV_PORT_OPEN, &p) > 0, "open: %s", strerror(errno));
	check(ioctl(a, VMI_DEV_PORT_OPEN, &p) == -1 && errno == EBUSY, "twice: %s", strerror(errno));
	check(ioctl(b, VMI_DEV_PORT_OPEN, (void *)1) == -1 && errno == EFAULT, "bad pointer: %s", strerror(errno));
}

/* Whoever is killed leaves no port: there are 511, and this opens thousands. */
static void killed(void)
{
	for (unsigned long i = 0; i < scaled(40); i++) {
		pid_t pid = must_fork();

		if (!pid) {
			for (int n = 0; n < 60; n++) {
				int a, b;

				pair(&a, &b);
			}
			for (;;)
				pause();
		}
		usleep(20000 + mix(i) % 20000);
		kill(pid, SIGKILL);
		waitpid(pid, NULL, 0);
	}
}

int main(int argc, char **argv)
{
	static const struct guest_test tests[] = {
		{ "events", events, "an event arrives at the other end, once", 0 },
		{ "eventfds", eventfds, "the same through eventfds, many times", 0 },
		{ "irqfds", irqfds, "an eventfd that is signalled raises the far end", 0 },
		{ "refused", refused, "what cannot be is refused with the right error", 0 },
		{ "killed", killed, "programs that are killed leave no port", 0 },
	};

	return guest_main(argc, argv, tests, ARRAY_SIZE(tests));
}
