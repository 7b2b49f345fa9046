// SPDX-License-Identifier: GPL-2.0-only
/*
 * domains.c - domains at run time: life and end, memory, events, shares.
 */
#include "../child.h"

CHILD(write_and_leave, arg)
{
	mailbox[0] = arg;
	mailbox[1] = vmi_features(0);
	mailbox[2] = SH->vif;
	vmi_console_write(0, "hello from a child", 18);
}

TEST(dom_life, "dom-life", 2, T_DOMS, "a domain is made, runs, stops, is asked about and destroyed")
{
	u64 before = machine_free();
	struct vmi_dom_config cfg = child_config("life");
	u32 id = child_create(&cfg), port = events_bind();
	struct vmi_dom_event e;
	struct vmi_dom_info i = child_info(id);

	CHECK_EQ(VMI_DOM_NEW | VMI_DOM_PAUSED, i.flags & ~VMI_DOM_BLOCKED, "flags of a new domain");
	CHECK_EQ(0, i.populated, "memory of a new domain");
	CHECK_EQ(-VMI_EINVAL, vmi_dom_unpause(id), "unpause without page tables");
	child_load(id, write_and_leave, 0x1234);
	i = child_info(id);
	CHECK(i.populated && i.populated < cfg.memory, "populated after loading: %lu", i.populated);
	child_unpause(id);
	i = child_wait(id, 5000000000UL);
	CHECK_EQ(VMI_SHUTDOWN_POWEROFF, i.reason, "reason");
	CHECK(i.cpu_ns && i.started_ns, "time: ran %lu ns, started at %lu", i.cpu_ns, i.started_ns);
	CHECK_EQ(0x1234, child_mailbox(id, 0), "what the child wrote");
	CHECK(!(child_mailbox(id, 1) & VMI_FEAT_PRIVILEGED), "the child has domain 0's feature bit");
	CHECK_EQ(0, child_mailbox(id, 2), "virtual interrupt flag at the start");
	CHECK(!strcmp(child_output(id), "hello from a child"), "console: lost");
	evt_drain();
	CHECK(evt_count[port], "no event of VMI_VIRQ_DOMAINS");
	CHECK_EQ(0, vmi_dom_event(&e), "dom_event");
	CHECK_EQ(id, e.domid, "dom_event's domain");
	CHECK_EQ(VMI_EVENT_STATE | VMI_EVENT_CONSOLE, e.flags, "dom_event's flags");
	child_end(id);
	CHECK_EQ(before, machine_free(), "free memory afterwards");
	CHECK_EQ(-VMI_ESRCH, vmi_dom_destroy(id), "destroy again");
	CHECK_EQ(-VMI_ESRCH, vmi_dom_pause(0), "pause domain 0");
}

CHILD(spin, arg)
{
	for (;;)
		mailbox[0]++;
}

TEST(dom_share, "dom-share", 10, T_DOMS | T_ICOUNT, "domains that spin get the processor in proportion to their weights")
{
	static const u32 weight[3] = { 256, 512, 1024 };
	u32 id[3];
	u64 ran[3];

	for (int i = 0; i < 3; i++) {
		struct vmi_dom_config cfg = child_config("spin");

		cfg.weight = weight[i];
		id[i] = child_create(&cfg);
		child_load(id[i], spin, 0);
	}
	for (int i = 0; i < 3; i++)
		child_unpause(id[i]);
	sleep_ns(1050000000UL);
	for (int i = 0; i < 3; i++) {
		vmi_dom_pause(id[i]);
		ran[i] = child_info(id[i]).cpu_ns;
	}
	for (int i = 0; i < 3; i++) {
		u64 want = (ran[0] + ran[1] + ran[2]) * weight[i] / 1792;

		CHECK(ran[i] > want * 8 / 10 && ran[i] < want * 12 / 10,
		      "weights 256 512 1024 ran %lu %lu %lu ms", ran[0] / 1000000, ran[1] / 1000000, ran[2] / 1000000);
	}
	/* What is paused does not run. */
	ran[0] = child_mailbox(id[0], 0);
	sleep_ns(50000000);
	CHECK_EQ(ran[0], child_mailbox(id[0], 0), "a paused domain's counter");
}

TEST(dom_cap, "dom-cap", 10, T_DOMS | T_ICOUNT, "a cap holds though the processor is free")
{
	struct vmi_dom_config cfg = child_config("capped");
	u64 ran;
	u32 id;

	cfg.cap = 20;
	id = child_create(&cfg);
	child_load(id, spin, 0);
	child_unpause(id);
	sleep_ns(1000000000);
	ran = child_info(id).cpu_ns;
	CHECK(ran > 160000000 && ran < 240000000, "20 %% of 1000 ms: ran %lu ms", ran / 1000000);
}

CHILD(blocked, arg)
{
	vmi_halt();
}

TEST(dom_churn, "dom-churn", 20, T_DOMS, "domains ended in every state leave nothing behind")
{
	static void (*const kinds[])(u64) = { write_and_leave, spin, blocked };
	u64 before, rounds = option("rounds", 40);

	child_end(child_start("first", spin, 0));
	before = machine_free();
	for (u64 n = 0; n < rounds; n++) {
		struct vmi_dom_config cfg = child_config("churn");
		u32 id = child_create(&cfg);

		if (n % 4) {
			child_load(id, kinds[n % 3], n);
			if (n % 5)
				child_unpause(id);
			if (n % 7 == 0)
				sleep_ns(2000000);
			if (n % 6 == 0)
				vmi_dom_pause(id);
		}
		child_end(id);
		CHECK_EQ(before, machine_free(), "free memory after round %lu", n);
	}
}

TEST(dom_limits, "dom-limits", 2, T_DOMS, "more memory than there is, and other impossible domains, are refused whole")
{
	struct vmi_dom_config cfg = child_config("huge");
	u64 before = machine_free(), data = 0;
	u32 id;

	cfg.memory = 1UL << 40;
	CHECK_EQ(-VMI_ENOMEM, vmi_dom_create(&cfg), "1 TiB");
	cfg.memory = (before + 4095) & ~4095UL;
	CHECK_EQ(-VMI_ENOMEM, vmi_dom_create(&cfg), "all that is free and tables");
	cfg.memory = 4097;
	CHECK_EQ(-VMI_EINVAL, vmi_dom_create(&cfg), "4097 bytes");
	CHECK_EQ(before, machine_free(), "free memory afterwards");

	cfg = child_config("limits");
	id = child_create(&cfg);
	CHECK_EQ(-VMI_EINVAL, vmi_dom_write(id, cfg.memory - 4, &data, 8), "write across the end");
	CHECK_EQ(-VMI_EFAULT, vmi_dom_write(id, 0, (void *)UTEST, 8), "write from nowhere");
	CHECK_EQ(-VMI_ESRCH, vmi_dom_write(id + 1, 0, &data, 8), "write to no domain");
	CHECK_EQ(-VMI_ESRCH, vmi_dom_read(0, 0, &data, 8), "read domain 0");
	child_end(id);
	CHECK_EQ(before, machine_free(), "free memory at the end");
}

/* Take turns through a pair of ports: each event adds one to a word of one's own. */
CHILD(ping, arg)
{
	u32 port = arg >> 32 ? vmi_evt_bind(arg >> 32, (u32)arg) : (u32)arg;

	if (arg >> 32)
		vmi_evt_send(port);
	while (mailbox[0] < 2000) {
		vmi_halt();
		SH->vif = 0;
		evt_drain();
		if (evt_count[port] > mailbox[0]) {
			mailbox[0] = evt_count[port];
			vmi_evt_send(port);
		}
	}
}

TEST(dom_events, "dom-events", 4, T_DOMS, "two domains take 2000 turns through event ports")
{
	struct vmi_dom_config cfg = child_config("ping");
	u32 a = child_create(&cfg), b = child_create(&cfg);
	long port = vmi_evt_alloc(a, b);

	CHECK(port > 0, "evt_alloc(%u, %u): %ld", a, b, port);
	CHECK_EQ(-VMI_ENOENT, vmi_evt_bind(a, port), "bind of a port that is open for another");
	child_load(a, ping, port);
	child_load(b, ping, (u64)a << 32 | port);
	child_unpause(a);
	child_unpause(b);
	child_check(b);
	CHECK(child_mailbox(a, 0) >= 1999, "turns of the first domain: %lu", child_mailbox(a, 0));
}

CHILD(pause_and_set, arg)
{
	for (;;)
		mailbox[0] = rdtsc();
}

TEST(dom_vcpu_state, "dom-vcpu-state", 2, T_DOMS, "a paused vCPU's state is read, set and checked")
{
	struct vmi_vcpu_state s, t;
	u32 id = child_start("state", pause_and_set, 0);

	sleep_ns(20000000);
	CHECK_EQ(-VMI_EBUSY, vmi_vcpu_get(id, 0, &s), "vcpu_get of a running domain");
	vmi_dom_pause(id);
	CHECK_EQ(0, vmi_vcpu_get(id, 0, &s), "vcpu_get");
	CHECK(s.rip >= (u64)pause_and_set && s.rip < (u64)pause_and_set + 64, "RIP %#lx is not in the loop at %p", s.rip, pause_and_set);
	CHECK_EQ(gpa_of(boot_l4), s.cr3, "CR3");
	CHECK_EQ(-VMI_ESRCH, vmi_vcpu_get(id, 1, &s), "vcpu_get of no vCPU");
#define REFUSED(field, value) do { \
		t = s; \
		t.field = value; \
		CHECK_EQ(-VMI_EINVAL, vmi_vcpu_set(id, 0, &t), "vcpu_set with " #field " = " #value); \
	} while (0)
	REFUSED(rip, NONCANON);
	REFUSED(rip, 0x1000);
	REFUSED(fs_base, NONCANON);
	REFUSED(cr3, 1UL << 40);
	REFUSED(cr4, ~0UL);
	REFUSED(xcr0, 2);
	REFUSED(dr[0], VMI_AREA_BASE);
	REFUSED(dr7, 2UL << 16);
	REFUSED(flags, 8);
	REFUSED(reserved[5], 1);
	t = s;
	t.flags |= VMI_VCPU_USER;
	t.rip = UTEST;
	t.ss = 0x2b;
	for (t.cs = 0; t.cs < 0x100; t.cs++)
		CHECK_EQ(t.cs == 0x23 || t.cs == 0x33 ? 0 : -VMI_EINVAL, vmi_vcpu_set(id, 0, &t), "vcpu_set of user mode with CS %x", t.cs);
	t.cs = 0x33;
	for (t.ss = 0; t.ss < 0x100; t.ss++)
		CHECK_EQ(t.ss == 0x2b ? 0 : -VMI_EINVAL, vmi_vcpu_set(id, 0, &t), "vcpu_set of user mode with SS %x", t.ss);
	s.rip = (u64)write_and_leave;
	s.rsp = (u64)main_stack_top - 8;
	s.rdi = 77;
	CHECK_EQ(0, vmi_vcpu_set(id, 0, &s), "vcpu_set");
	child_unpause(id);
	for (int i = 0; i < 100 && child_mailbox(id, 0) != 77; i++)
		sleep_ns(5000000);
	CHECK_EQ(77, child_mailbox(id, 0), "it went on where it was set");
}
