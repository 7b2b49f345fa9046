// SPDX-License-Identifier: GPL-2.0-only
/*
 * call.c - hypercalls of domain 0's tools through /dev/vmi/call (see vmi/dev.h).
 *
 * Trust: results come from the hypervisor and the kernel.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/ioctl.h>
#include <vmi/dev.h>
#include <vmi/numbers.h>
#include "call.h"

#define DEVICE	"/dev/vmi/call"

int call_open(void)
{
	int fd = open(DEVICE, O_RDWR | O_CLOEXEC);

	if (fd >= 0)
		return fd;
	return errno == EACCES || errno == EPERM ? -EACCES : -ENODEV;
}

static long make(int fd, struct vmi_dev_call *c)
{
	while (ioctl(fd, VMI_DEV_CALL, c) < 0) {
		if (errno != EINTR)
			return -errno;
	}
	return c->result;
}

/* A call whose argument `arg` points to `len` bytes that it reads, or writes. */
static long make_buf(int fd, struct vmi_dev_call *c, uint32_t arg, const void *buf, size_t len, int write)
{
	c->args[arg] = (uintptr_t)buf;
	c->buf[0].arg = arg;
	c->buf[0].len = len;
	c->buf[0].write = write;
	return make(fd, c);
}

long call_dom_create(int fd, const struct vmi_dom_config *cfg)
{
	struct vmi_dev_call c = { .nr = VMI_HC_DOM_CREATE };

	return make_buf(fd, &c, 0, cfg, sizeof(*cfg), 0);
}

long call_dom_destroy(int fd, uint32_t domid)
{
	struct vmi_dev_call c = { .nr = VMI_HC_DOM_DESTROY, .args = { domid } };

	return make(fd, &c);
}

long call_dom_pause(int fd, uint32_t domid)
{
	struct vmi_dev_call c = { .nr = VMI_HC_DOM_PAUSE, .args = { domid } };

	return make(fd, &c);
}

long call_dom_unpause(int fd, uint32_t domid)
{
	struct vmi_dev_call c = { .nr = VMI_HC_DOM_UNPAUSE, .args = { domid } };

	return make(fd, &c);
}

long call_dom_info(int fd, uint32_t first, struct vmi_dom_info *info)
{
	struct vmi_dev_call c = { .nr = VMI_HC_DOM_INFO, .args = { first } };

	return make_buf(fd, &c, 1, info, sizeof(*info), 1);
}

/* A call may do a part, and a part is at most what a buffer may be. */
static long copy(int fd, uint32_t nr, uint32_t domid, uint64_t gpa, const char *buf, size_t len, int write)
{
	while (len) {
		size_t n = len < VMI_DEV_BUF_MAX ? len : VMI_DEV_BUF_MAX;
		struct vmi_dev_call c = { .nr = nr, .args = { domid, gpa, 0, n } };
		long rc = make_buf(fd, &c, 2, buf, n, write);

		if (rc <= 0)
			return rc ? rc : -EIO;
		gpa += rc;
		buf += rc;
		len -= rc;
	}
	return 0;
}

long call_dom_write(int fd, uint32_t domid, uint64_t gpa, const void *buf, size_t len)
{
	return copy(fd, VMI_HC_DOM_WRITE, domid, gpa, buf, len, 0);
}

long call_dom_read(int fd, uint32_t domid, uint64_t gpa, void *buf, size_t len)
{
	return copy(fd, VMI_HC_DOM_READ, domid, gpa, buf, len, 1);
}

long call_dom_budget(int fd, uint32_t domid, uint64_t bytes)
{
	struct vmi_dev_call c = { .nr = VMI_HC_DOM_BUDGET, .args = { domid, bytes } };

	return make(fd, &c);
}

long call_dom_sched(int fd, uint32_t domid, uint32_t weight, uint32_t cap)
{
	struct vmi_dev_call c = { .nr = VMI_HC_DOM_SCHED, .args = { domid, weight, cap } };

	return make(fd, &c);
}

long call_dom_control(int fd, uint32_t domid, uint32_t what)
{
	struct vmi_dev_call c = { .nr = VMI_HC_DOM_CONTROL, .args = { domid, what } };

	return make(fd, &c);
}

long call_dom_event(int fd, struct vmi_dom_event *e)
{
	struct vmi_dev_call c = { .nr = VMI_HC_DOM_EVENT };

	return make_buf(fd, &c, 0, e, sizeof(*e), 1);
}

long call_dom_counters(int fd, uint32_t domid, uint64_t *out, uint32_t nr)
{
	struct vmi_dev_call c = { .nr = VMI_HC_DOM_COUNTERS, .args = { domid, 0, nr } };

	return make_buf(fd, &c, 1, out, nr * sizeof(*out), 1);
}

long call_dom_console_read(int fd, uint32_t domid, uint32_t line, void *buf, size_t len)
{
	struct vmi_dev_call c = { .nr = VMI_HC_DOM_CONSOLE_READ, .args = { domid, line, 0, len } };

	return make_buf(fd, &c, 2, buf, len, 1);
}

long call_dom_console_write(int fd, uint32_t domid, uint32_t line, const void *buf, size_t len)
{
	struct vmi_dev_call c = { .nr = VMI_HC_DOM_CONSOLE_WRITE, .args = { domid, line, 0, len } };

	return make_buf(fd, &c, 2, buf, len, 0);
}

long call_evt_alloc(int fd, uint32_t domid, uint32_t peer)
{
	struct vmi_dev_call c = { .nr = VMI_HC_EVT_ALLOC, .args = { domid, peer } };

	return make(fd, &c);
}

long call_vcpu_get(int fd, uint32_t domid, uint32_t vcpu, struct vmi_vcpu_state *s)
{
	struct vmi_dev_call c = { .nr = VMI_HC_VCPU_GET, .args = { domid, vcpu } };

	return make_buf(fd, &c, 2, s, sizeof(*s), 1);
}

long call_vcpu_set(int fd, uint32_t domid, uint32_t vcpu, const struct vmi_vcpu_state *s)
{
	struct vmi_dev_call c = { .nr = VMI_HC_VCPU_SET, .args = { domid, vcpu } };

	return make_buf(fd, &c, 2, s, sizeof(*s), 0);
}

long call_machine_info(int fd, struct vmi_machine *m)
{
	struct vmi_dev_call c = { .nr = VMI_HC_MACHINE_INFO };

	return make_buf(fd, &c, 0, m, sizeof(*m), 1);
}
