// SPDX-License-Identifier: GPL-2.0-only
/*
 * evt-mask: an event raised while virtual interrupts are off, while its port
 * is masked, or while the vCPU is in ring 3 is delivered exactly once, at the
 * first moment it may be; raising twice before that is one delivery.
 */
#include "probe.h"

static u32 port;

static void expect(u64 n, const char *when)
{
	CHECK_EQ(n, evt_count[port], "deliveries %s", when);
}

static void raise(void)
{
	CHECK_EQ(0, vmi_evt_send(port), "evt_send");
}

static void pending(bool want, const char *when)
{
	CHECK_EQ(want, SH->evt_pending[port / 64] >> port % 64 & 1, "pending bit %s", when);
}

USER_CODE(em_spin, "1: dec %rcx; jnz 1b; syscall");

TEST(evt_mask_test, "evt-mask", 1, 0, "events raised while masked are delivered exactly once, at unmask")
{
	struct regs r;
	u64 upcalls;
	long rc = vmi_evt_bind_ipi(0);

	CHECK(rc > 0 && rc < VMI_MAX_PORTS, "evt_bind_ipi: %ld", rc);
	port = rc;

	raise();
	raise();
	expect(0, "with vif=0");
	pending(true, "with vif=0");
	CHECK_EQ(1, SH->pending, "SH->pending with vif=0");
	irq_enable();
	expect(1, "after vif=1");
	pending(false, "after the delivery");
	vmi_version();
	expect(1, "after another hypercall");

	raise();		/* vif=1: on the way back from the call */
	expect(2, "raised with vif=1");

	evt_mask(port);
	upcalls = nr_traps[VEC_UPCALL];
	raise();
	expect(2, "raised while its port is masked");
	CHECK_EQ(upcalls, nr_traps[VEC_UPCALL], "upcalls for a masked port");
	pending(true, "while its port is masked");
	CHECK_EQ(0, SH->pending, "SH->pending for a masked port");
	raise();
	irq_disable();
	evt_unmask(port);
	expect(2, "unmasked with vif=0");
	irq_enable();
	expect(3, "after unmask");

	/* Masked, with vif=0: both have to go. */
	irq_disable();
	evt_mask(port);
	raise();
	irq_enable();
	vmi_version();
	expect(3, "vif=1 but masked");
	irq_disable();
	evt_unmask(port);
	irq_enable();
	expect(4, "after both");

	/* Pending when ring 3 is entered: before its first instruction. */
	irq_disable();
	raise();
	r = user_regs((u64)em_spin);
	r.rcx = 1000;
	CHECK_EQ(VEC_SYSCALL, run(&r), "vector that ended ring 3");
	expect(5, "on the way to ring 3");
	irq_enable();
	expect(5, "after that");
}
