// SPDX-License-Identifier: GPL-2.0-only
/*
 * timer-oneshot: the timer fires once, never before its deadline and soon
 * after it; a later call replaces the deadline; 0 disarms; a deadline in the
 * past fires at once. halt-wakes: halt turns virtual interrupts on, returns
 * when an event came, and at once if one waits already.
 */
#include "probe.h"

#define MS	1000000UL
#define LATE	(200 * MS)	/* a busy machine emulates us */

static u32 port;
static u64 fired_at;

static void on_timer(void)
{
	fired_at = clock_ns();
}

static void wait_until(u64 ns)
{
	while (clock_ns() < ns)
		__asm__ volatile ("pause");
}

/* Sets the timer (each of `nr` deadlines in turn) and waits for the last one. */
static void fires_at(const u64 *deadlines, int nr, const char *what)
{
	u64 n = evt_count[port], deadline = deadlines[nr - 1];

	for (int i = 0; i < nr; i++)
		CHECK_EQ(0, vmi_timer_set(deadlines[i]), "timer_set");
	while (evt_count[port] == n && clock_ns() < deadline + LATE)
		__asm__ volatile ("pause");
	CHECK_EQ(n + 1, evt_count[port], "deliveries, %s", what);
	CHECK(fired_at >= deadline, "%s: fired %lu ns early", what, deadline - fired_at);
	CHECK(fired_at < deadline + LATE, "%s: fired %lu ns late", what, fired_at - deadline);
}

static void start(void)
{
	port = timer_bind();
	evt_handler[port] = on_timer;
	irq_enable();
}

TEST(timer_oneshot, "timer-oneshot", 3, 0, "deadlines: not early, once, replaced, disarmed, past")
{
	u64 now, last = clock_ns(), d[2];

	for (int i = 0; i < 1000; i++) {
		now = clock_ns();
		CHECK(now >= last, "the clock went back from %lu to %lu", last, now);
		last = now;
	}
	start();
	for (u64 i = 0; i < 20; i++) {
		d[0] = clock_ns() + i * i * 50000;
		fires_at(d, 1, "ordinary");
	}
	d[0] = clock_ns() + 20 * MS;
	d[1] = d[0] + 20 * MS;
	fires_at(d, 2, "replaced by a later one");
	d[0] = clock_ns() + 500 * MS;
	d[1] = d[0] - 498 * MS;
	fires_at(d, 2, "replaced by an earlier one");

	d[0] = clock_ns() + 1300 * MS;
	fires_at(d, 1, "more than a second ahead");
	now = clock_ns();
	last = evt_count[port];
	vmi_timer_set(now + 3 * MS);
	vmi_timer_set(0);
	wait_until(now + 10 * MS);
	CHECK_EQ(last, evt_count[port], "deliveries of a disarmed timer");

	vmi_timer_set(1);
	CHECK_EQ(last + 1, evt_count[port], "deliveries at once, deadline 1");
	vmi_timer_set(clock_ns() - 1);
	CHECK_EQ(last + 2, evt_count[port], "deliveries at once, deadline just over");
	wait_until(clock_ns() + 5 * MS);
	CHECK_EQ(last + 2, evt_count[port], "deliveries: one-shot fired again");

	vmi_timer_set(~0UL);
	vmi_timer_set(1UL << 63);
	wait_until(clock_ns() + 2 * MS);
	CHECK_EQ(last + 2, evt_count[port], "deliveries of a deadline centuries ahead");
}

TEST(halt_wakes, "halt-wakes", 2, 0, "halt waits for an event, takes it, and returns")
{
	u64 deadline, n;

	start();
	for (u64 i = 1; i <= 10; i++) {
		irq_disable();
		n = evt_count[port];
		deadline = clock_ns() + i * MS;
		vmi_timer_set(deadline);
		CHECK_EQ(0, vmi_halt(), "halt");
		CHECK(clock_ns() >= deadline, "halt came back before its event");
		CHECK_EQ(n + 1, evt_count[port], "deliveries after halt");
		CHECK_EQ(1, SH->vif, "vif after halt");
	}
	/* An event waits already. */
	irq_disable();
	n = evt_count[port];
	vmi_timer_set(1);
	CHECK_EQ(n, evt_count[port], "deliveries with vif=0");
	CHECK_EQ(0, vmi_halt(), "halt with a pending event");
	CHECK_EQ(n + 1, evt_count[port], "deliveries after halt with a pending event");
	/*
	 * hlt, the instruction, is the same. sti takes effect behind the next
	 * instruction, so an event that waits ends the hlt and is not taken before it.
	 */
	irq_disable();
	vmi_timer_set(1);
	n = evt_count[port];
	__asm__ volatile ("sti; hlt" ::: "memory");
	CHECK_EQ(n + 1, evt_count[port], "deliveries after sti; hlt with a pending event");
	for (int i = 0; i < 3; i++) {
		irq_disable();
		deadline = clock_ns() + MS;
		vmi_timer_set(deadline);
		__asm__ volatile ("sti; hlt" ::: "memory");
		CHECK(clock_ns() >= deadline, "hlt came back before its event");
	}
}
