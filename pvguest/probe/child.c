// SPDX-License-Identifier: GPL-2.0-only
/*
 * child.c - other domains, made of this one: a child is a copy of the image that
 * begins in a function of its own, on the same addresses, and knows no test.
 *
 * A child reports through its console: child_fail() and whatever it says; and
 * through memory: `mailbox` in its copy of the image.
 */
#include "child.h"

extern char user_text_start[], user_text_end[], user_text_pa[];

#define IMAGE_PA	0x1000000UL

u64 mailbox[64];
static void (*entry)(u64);
static u64 entry_arg;
static u32 events_port;

static void child_main(void)
{
	void trap_init(void);

	trap_init();
	entry(entry_arg);
	vmi_shutdown(VMI_SHUTDOWN_POWEROFF);
}

struct vmi_dom_config child_config(const char *name)
{
	struct vmi_dom_config cfg = { .memory = CHILD_MEMORY, .nr_vcpus = 1 };

	memcpy(cfg.name, name, strlen(name));
	return cfg;
}

u32 child_create(const struct vmi_dom_config *cfg)
{
	long id = vmi_dom_create(cfg);

	if (id <= 0)
		test_fail("dom_create: expected an identifier, seen %ld", id);
	return id;
}

/* Copy (len) bytes to gpa, in as many calls as it takes. */
static void put(u32 id, u64 gpa, const void *from, u64 len)
{
	while (len) {
		long n = vmi_dom_write(id, gpa, from, len);

		if (n <= 0)
			test_fail("dom_write(%u, %#lx, %lu bytes): %ld", id, gpa, len, n);
		gpa += n;
		from = (const char *)from + n;
		len -= n;
	}
}

void child_load(u32 id, void (*fn)(u64), u64 arg)
{
	u64 end = (u64)user_text_pa + (user_text_end - user_text_start);
	struct vmi_vcpu_state s = {
		.rip = (u64)child_main, .rsp = (u64)main_stack_top - 8, .cr3 = gpa_of(boot_l4),
	};
	long rc;

	entry = fn;
	entry_arg = arg;
	put(id, IMAGE_PA, kva(IMAGE_PA), end - IMAGE_PA);
	rc = vmi_vcpu_set(id, 0, &s);
	if (rc)
		test_fail("vcpu_set(%u, 0): %ld", id, rc);
}

u32 child_start(const char *name, void (*fn)(u64), u64 arg)
{
	struct vmi_dom_config cfg = child_config(name);
	u32 id = child_create(&cfg);

	child_load(id, fn, arg);
	child_unpause(id);
	return id;
}

void child_unpause(u32 id)
{
	long rc = vmi_dom_unpause(id);

	if (rc)
		test_fail("dom_unpause(%u): %ld", id, rc);
}

struct vmi_dom_info child_info(u32 id)
{
	struct vmi_dom_info info;
	long rc = vmi_dom_info(id, &info);

	if (rc || info.domid != id)
		test_fail("dom_info(%u): %ld, domain %u", id, rc, info.domid);
	return info;
}

u64 child_mailbox(u32 id, u32 i)
{
	u64 v;
	long rc = vmi_dom_read(id, gpa_of(&mailbox[i]), &v, sizeof(v));

	if (rc != sizeof(v))
		test_fail("dom_read(%u): %ld", id, rc);
	return v;
}

void sleep_ns(u64 ns)
{
	static u32 port;
	u64 end = clock_ns() + ns;

	if (!port)
		port = timer_bind();
	while (clock_ns() < end) {
		vmi_timer_set(end);
		vmi_halt();
		SH->vif = 0;
		evt_drain();
	}
}

struct vmi_dom_info child_wait(u32 id, u64 ns)
{
	u64 end = clock_ns() + ns;
	struct vmi_dom_info info;

	for (;;) {
		info = child_info(id);
		if (info.flags & VMI_DOM_SHUTDOWN)
			return info;
		if (clock_ns() > end)
			test_fail("domain %u (%s) did not stop in %lu ms, RIP unknown, console: %s", id, info.name,
				  ns / 1000000, child_output(id));
		sleep_ns(5000000);
	}
}

const char *child_output(u32 id)
{
	static char text[2048];
	long n = vmi_dom_console_read(id, 0, text, sizeof(text) - 1);

	text[n > 0 ? n : 0] = 0;
	return text;
}

void child_check(u32 id)
{
	struct vmi_dom_info info = child_wait(id, 20000000000UL);
	const char *text = child_output(id);

	if (info.reason != VMI_SHUTDOWN_POWEROFF || *text)
		test_fail("domain %u (%s) ended with reason %u (%s): %s", id, info.name, info.reason, info.why, text);
}

void child_end(u32 id)
{
	long rc;

	while ((rc = vmi_dom_destroy(id)) == -VMI_EAGAIN)
		;
	if (rc)
		test_fail("dom_destroy(%u): %ld", id, rc);
}

u64 machine_free(void)
{
	struct vmi_machine m;
	long rc = vmi_machine_info(&m);

	if (rc)
		test_fail("machine_info: %ld", rc);
	return m.free;
}

u32 events_bind(void)
{
	if (!events_port)
		events_port = vmi_evt_bind_virq(VMI_VIRQ_DOMAINS);
	return events_port;
}
