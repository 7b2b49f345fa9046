// SPDX-License-Identifier: GPL-2.0-only
/*
 * time.c - system time from the TSC, and the wall clock.
 *
 * System time is nanoseconds since time_init(). The TSC's rate is measured
 * against channel 2 of the 8254 timer; guests compute system time themselves
 * from struct vmi_clock with the same multiplier, so both always agree.
 */
#include <hv/lib.h>
#include <hv/x86.h>

#define PIT_HZ		1193182UL
#define CALIBRATE_US	20000UL

static u64 tsc_base, khz;
static u32 mul;
static s8 shift;
static u64 wall_base;

static u64 scale(u64 ticks)
{
	ticks = shift >= 0 ? ticks << shift : ticks >> -shift;
	return (u64)(((unsigned __int128)ticks * mul) >> 32);
}

/* TSC ticks while channel 2 counts `us` microseconds. */
static u64 pit_measure(u32 us)
{
	u32 count = us * PIT_HZ / 1000000;
	u8 gate = inb(0x61) & ~0x03;
	u64 t0;

	outb(0x61, gate);		/* gate off, speaker off */
	outb(0x43, 0xb0);		/* channel 2, both bytes, mode 0 */
	outb(0x42, count);
	outb(0x42, count >> 8);
	outb(0x61, gate | 1);
	t0 = rdtsc();
	while (!(inb(0x61) & 0x20))
		;
	return rdtsc() - t0;
}

void pit_wait_us(u32 us)
{
	pit_measure(us);
}

static u8 cmos(u8 reg)
{
	outb(0x70, reg);
	return inb(0x71);
}

static u32 bcd(u8 v, bool binary)
{
	return binary ? v : (v >> 4) * 10 + (v & 15);
}

/* Seconds since 1970 from the MC146818 clock, taken as UTC. */
static u64 rtc_read(void)
{
	u32 f[6], g[6];
	static const u8 regs[6] = { 0, 2, 4, 7, 8, 9 };
	bool binary = cmos(0x0b) & 4;
	u64 y, m, days;

	/* Two equal readings: none was taken while the clock advanced. */
	for (int tries = 0; tries < 100; tries++) {
		for (int i = 0; i < 6; i++)
			f[i] = bcd(cmos(regs[i]), binary);
		for (int i = 0; i < 6; i++)
			g[i] = bcd(cmos(regs[i]), binary);
		if (!memcmp(f, g, sizeof(f)))
			break;
	}
	y = 2000 + f[5];
	m = f[4];
	/* Days by the civil calendar, with March as the first month. */
	if (m <= 2) {
		y--;
		m += 12;
	}
	days = 365 * y + y / 4 - y / 100 + y / 400 + (153 * (m - 3) + 2) / 5 + f[3] - 1 - 719468;
	return ((days * 24 + f[2]) * 60 + f[1]) * 60 + f[0];
}

void time_init(void)
{
	u64 best = -1UL, n;

	/* An interruption only makes a measurement longer, so the shortest is best. */
	for (int i = 0; i < 3; i++)
		best = MIN(best, pit_measure(CALIBRATE_US));
	khz = best * 1000 / CALIBRATE_US;
	if (!khz)
		panic("the time-stamp counter does not count");

	/* ns = (ticks << shift) * mul >> 32, with mul in [2^31, 2^32) for the most precision. */
	for (n = khz; n <= 1000000; n <<= 1)
		shift++;
	for (; n > 2000000; n >>= 1)
		shift--;
	mul = shift >= 0 ? ((1000000UL << 32) >> shift) / khz : (1000000UL << (32 - shift)) / khz;
	tsc_base = rdtsc();
	wall_base = rtc_read() * 1000000000;
}

u64 now_ns(void)
{
	return scale(rdtsc() - tsc_base);
}

u64 tsc_khz(void)
{
	return khz;
}

u64 wall_ns_at_boot(void)
{
	return wall_base;
}

void clock_fill(struct vmi_clock *c)
{
	c->version = 1;
	c->tsc_timestamp = tsc_base;
	c->system_time = 0;
	c->tsc_to_system_mul = mul;
	c->tsc_shift = shift;
	c->flags = 1;
	c->version = 2;
}
