// SPDX-License-Identifier: GPL-2.0-only
/*
 * evt-ports: ports are handed out until there are none, each works, closed
 * ones refuse to be raised, come back with nothing pending, and indexes at and
 * beyond every edge are refused (attack classes 13, 14, 15).
 */
#include "probe.h"

TEST(evt_ports, "evt-ports", 2, 0, "port allocation, exhaustion, closing and bad indexes")
{
	static const u32 bad[] = { 0, VMI_MAX_PORTS, VMI_MAX_PORTS + 1, 0x7fffffff, 0x80000000, 0xffffffff };
	static bool mine[VMI_MAX_PORTS];
	u32 n = 0;
	long p, virq;

	for (u32 i = 0; i < ARRAY_SIZE(bad); i++) {
		CHECK(vmi_evt_send(bad[i]) < 0, "evt_send(%#x) was taken", bad[i]);
		CHECK(vmi_evt_close(bad[i]) < 0, "evt_close(%#x) was taken", bad[i]);
	}
	for (u32 q = 1; q < VMI_MAX_PORTS; q++) {
		CHECK_EQ(-VMI_ENOENT, vmi_evt_send(q), "evt_send(%u), not open", q);
		CHECK_EQ(-VMI_ENOENT, vmi_evt_close(q), "evt_close(%u), not open", q);
	}
	CHECK_EQ(-VMI_EINVAL, vmi_evt_bind_virq(VMI_NR_VIRQS), "evt_bind_virq of one too many");
	CHECK_EQ(-VMI_EINVAL, vmi_evt_bind_virq(0xffffffff), "evt_bind_virq(-1)");
	CHECK_EQ(-VMI_EINVAL, vmi_evt_bind_ipi(1000), "evt_bind_ipi(1000)");
	CHECK_EQ(-VMI_EINVAL, vmi_evt_bind_ipi(0xffffffff), "evt_bind_ipi(-1)");

	virq = vmi_evt_bind_virq(VMI_VIRQ_TIMER);
	CHECK(virq > 0 && virq < VMI_MAX_PORTS, "evt_bind_virq(TIMER): %ld", virq);
	CHECK_EQ(-VMI_EBUSY, vmi_evt_bind_virq(VMI_VIRQ_TIMER), "evt_bind_virq(TIMER) again");
	mine[virq] = true;

	while ((p = vmi_evt_bind_ipi(0)) > 0) {
		CHECK(p < VMI_MAX_PORTS && !mine[p], "port %ld was handed out twice or is too high", p);
		mine[p] = true;
		n++;
	}
	CHECK_EQ(-VMI_ENOSPC, p, "evt_bind_ipi when ports ran out");
	CHECK_EQ(VMI_MAX_PORTS - 2, n, "ports before they ran out");

	irq_enable();
	for (u32 q = 1; q < VMI_MAX_PORTS; q++)
		if (q != virq)
			CHECK_EQ(0, vmi_evt_send(q), "evt_send(%u)", q);
	for (u32 q = 1; q < VMI_MAX_PORTS; q++)
		CHECK_EQ(q != virq, evt_count[q], "deliveries of port %u", q);
	irq_disable();

	/* Closed while pending: gone, and the number's next life starts clean. */
	CHECK_EQ(0, vmi_evt_send(500), "evt_send(500)");
	CHECK_EQ(0, vmi_evt_close(500), "evt_close(500)");
	CHECK_EQ(-VMI_ENOENT, vmi_evt_send(500), "evt_send of a closed port");
	CHECK_EQ(-VMI_ENOENT, vmi_evt_close(500), "evt_close of a closed port");
	p = vmi_evt_bind_ipi(0);
	CHECK_EQ(500, p, "the only free port");
	irq_enable();
	CHECK_EQ(1, evt_count[500], "deliveries of port 500 after it was closed and opened");
	CHECK_EQ(0, vmi_evt_close(virq), "evt_close of the timer's port");
	CHECK_EQ(0, vmi_timer_set(1), "timer_set without a bound port");
	CHECK_EQ(0, evt_count[virq], "deliveries of the closed timer port");
	p = vmi_evt_bind_virq(VMI_VIRQ_TIMER);
	CHECK_EQ(virq, p, "port of the timer, bound again");
}
