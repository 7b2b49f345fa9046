// SPDX-License-Identifier: GPL-2.0-only
/*
 * evt-storm: a vCPU that raises events at itself as fast as it can, from
 * normal code and from inside the handler, gets each of them and goes on
 * (attack class 32).
 */
#include "probe.h"

#define ROUNDS	20000

static u32 port, echo;

static void again(void)
{
	if (evt_count[echo] < ROUNDS)
		vmi_evt_send(echo);
}

TEST(evt_storm, "evt-storm", 4, 0, "tens of thousands of self-notifications, none lost or doubled")
{
	port = vmi_evt_bind_ipi(0);
	echo = vmi_evt_bind_ipi(0);
	CHECK((int)port > 0 && (int)echo > 0, "evt_bind_ipi: %d %d", port, echo);
	irq_enable();
	for (u64 i = 1; i <= ROUNDS; i++) {
		CHECK_EQ(0, vmi_evt_send(port), "evt_send %lu", i);
		CHECK_EQ(i, evt_count[port], "deliveries after %lu raises", i);
	}
	evt_handler[echo] = again;
	CHECK_EQ(0, vmi_evt_send(echo), "evt_send");
	CHECK_EQ(ROUNDS, evt_count[echo], "deliveries of a port that raises itself in its handler");
	CHECK_EQ(1, SH->vif, "vif afterwards");
}
