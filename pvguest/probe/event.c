// SPDX-License-Identifier: GPL-2.0-only
/*
 * event.c - events, time and counters as a guest kernel sees them.
 *
 * Invariant: SH->pending is cleared before the ports are looked at, so an
 * event that comes meanwhile sets it again and is not lost.
 */
#include "probe.h"

u64 evt_count[VMI_MAX_PORTS];
void (*evt_handler[VMI_MAX_PORTS])(void);
struct regs *evt_regs;

static u64 take(volatile u64 *word, u64 bits)
{
	__atomic_fetch_and(word, ~bits, __ATOMIC_SEQ_CST);
	return bits;
}

void evt_drain(void)
{
	SH->pending = 0;
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	for (u32 w = 0; w < VMI_MAX_PORTS / 64; w++) {
		u64 bits = SH->evt_pending[w] & ~SH->evt_mask[w];

		if (!bits)
			continue;
		for (bits = take(&SH->evt_pending[w], bits); bits; bits &= bits - 1) {
			u32 port = w * 64 + __builtin_ctzl(bits);

			evt_count[port]++;
			if (evt_handler[port])
				evt_handler[port]();
		}
	}
}

void irq_enable(void)
{
	for (;;) {
		SH->vif = 1;
		__atomic_thread_fence(__ATOMIC_SEQ_CST);
		if (!SH->pending)
			return;
		SH->vif = 0;
		barrier();
		evt_drain();
	}
}

void evt_mask(u32 port)
{
	__atomic_fetch_or(&SH->evt_mask[port / 64], 1UL << port % 64, __ATOMIC_SEQ_CST);
}

/* An event that came while masked has not set SH->pending: do it now. */
void evt_unmask(u32 port)
{
	__atomic_fetch_and(&SH->evt_mask[port / 64], ~(1UL << port % 64), __ATOMIC_SEQ_CST);
	if (SH->evt_pending[port / 64] >> port % 64 & 1)
		SH->pending = 1;
}

u32 timer_bind(void)
{
	long port = vmi_evt_bind_virq(VMI_VIRQ_TIMER);

	if (port <= 0)
		test_fail("evt_bind_virq(TIMER): expected a port, seen %ld", port);
	return port;
}

u64 clock_ns(void)
{
	const volatile struct vmi_clock *c = &SH->clock;
	u64 ns;
	u32 version;

	do {
		u64 delta;

		version = c->version;
		barrier();
		delta = rdtsc() - c->tsc_timestamp;
		delta = c->tsc_shift >= 0 ? delta << c->tsc_shift : delta >> -c->tsc_shift;
		ns = c->system_time + (u64)((unsigned __int128)delta * c->tsc_to_system_mul >> 32);
		barrier();
	} while ((version & 1) || version != c->version);
	return ns;
}

u64 counter(u32 index)
{
	static u64 all[VMI_NR_CTRS + VMI_NR_HYPERCALLS];
	long n = vmi_counters(all, ARRAY_SIZE(all));

	if (n < (long)ARRAY_SIZE(all))
		test_fail("counters: expected at least %lu, seen %ld", (u64)ARRAY_SIZE(all), n);
	return all[index];
}
