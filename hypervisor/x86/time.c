// SPDX-License-Identifier: GPL-2.0-only
/*
 * time.c - system time from the TSC, and the wall clock.
 *
 * System time is nanoseconds since time_init(). The TSC's rate is measured
 * against the first there is of HPET, ACPI's PM timer and channel 2 of the 8254;
 * guests compute system time themselves from struct vmi_clock with the same
 * multiplier, so both always agree. Sources: IA-PC HPET specification 1.0a;
 * ACPI 6.4, section 4.8.3.3; Intel 8254 data sheet.
 */
#include <hv/lib.h>
#include <hv/x86.h>

#define CALIBRATE_US	20000UL
#define HPET_CAP	0x000		/* bits 32-63: femtoseconds of a tick */
#define HPET_CONFIG	0x010		/* bit 0: count */
#define HPET_COUNTER	0x0f0
#define GIVE_UP_TICKS	(1UL << 34)	/* seconds on any processor: the counter stands still */

/* A counter of known rate. */
struct reference {
	u32 (*read)(void);
	u64 hz;
	u32 mask;
};

static u64 tsc_base, khz;
static u32 mul;
static s8 shift;
static u64 wall_base;

static u64 scale(u64 ticks)
{
	ticks = shift >= 0 ? ticks << shift : ticks >> -shift;
	return (u64)(((unsigned __int128)ticks * mul) >> 32);
}

static volatile u8 *hpet;
static u16 pm_timer;
static const char *source;

static u32 hpet_read(void)
{
	return *(volatile u32 *)(hpet + HPET_COUNTER);
}

static u32 pm_timer_read(void)
{
	return inl(pm_timer);
}

/* It counts down; reading needs a latch command. */
static u32 pit_read(void)
{
	u32 lo;

	outb(0x43, 0x80);
	lo = inb(0x42);
	return -(lo | (u32)inb(0x42) << 8);
}

/* Counter and TSC at the same moment, as near as eight tries come. */
static u32 sample(const struct reference *r, u64 *tsc)
{
	u64 best = -1UL;
	u32 c = 0;

	for (int i = 0; i < 8; i++) {
		u64 t0 = rdtsc();
		u32 now = r->read();
		u64 t1 = rdtsc();

		if (t1 - t0 < best) {
			best = t1 - t0;
			*tsc = t0 + best / 2;
			c = now;
		}
	}
	return c;
}

/* The TSC's kHz; 0 where the counter does not count. */
static u64 measure(const struct reference *r)
{
	u64 t0, t1, want = r->hz * CALIBRATE_US / 1000000;
	u32 c0 = sample(r, &t0), c;

	while (((r->read() - c0) & r->mask) < want) {
		if (rdtsc() - t0 > GIVE_UP_TICKS)
			return 0;
	}
	c = (sample(r, &t1) - c0) & r->mask;
	return (t1 - t0) * r->hz / c / 1000;
}

static u64 measure_hpet(void)
{
	const struct acpi_table *t = acpi_find("HPET");
	u64 ma = t && t->len >= 56 ? acpi_get(t, 44, 8) : 0, khz = 0;
	u32 period, config;

	/* Registers in memory, 4 KiB aligned, that the hypervisor maps. */
	if (!ma || acpi_get(t, 40, 1) || ma & ~PAGE_MASK || ma >> 32)
		return 0;
	hpet = ma_to_va(ma);
	period = *(volatile u32 *)(hpet + HPET_CAP + 4);
	if (!period || period > 100000000)
		return 0;
	config = *(volatile u32 *)(hpet + HPET_CONFIG);
	*(volatile u32 *)(hpet + HPET_CONFIG) = config | 1;
	khz = measure(&(struct reference){ hpet_read, 1000000000000000UL / period, -1 });
	*(volatile u32 *)(hpet + HPET_CONFIG) = config;
	return khz;
}

static u64 measure_pm_timer(void)
{
	const struct acpi_table *t = acpi_find("FACP");

	pm_timer = t && t->len >= 80 ? acpi_get(t, 76, 4) : 0;
	return pm_timer ? measure(&(struct reference){ pm_timer_read, 3579545, 0xffffff }) : 0;
}

static u64 measure_pit(void)
{
	u8 gate = inb(0x61) & ~0x03;		/* gate off, speaker off */

	outb(0x61, gate);
	outb(0x43, 0xb0);			/* channel 2, both bytes, mode 0 */
	outb(0x42, 0xff);
	outb(0x42, 0xff);
	outb(0x61, gate | 1);
	return measure(&(struct reference){ pit_read, 1193182, 0xffff });
}

void delay_us(u64 us)
{
	u64 end = now_ns() + 1000 * us;

	while (now_ns() < end)
		__asm__ volatile ("pause");
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
	static const struct { const char *name; u64 (*measure)(void); } sources[] = {
		{ "HPET", measure_hpet }, { "PM timer", measure_pm_timer }, { "PIT", measure_pit },
	};
	u64 n;

	for (u32 i = 0; !khz && i < ARRAY_SIZE(sources); i++) {
		khz = sources[i].measure();
		source = sources[i].name;
	}
	if (!khz)
		fatal("no HPET, PM timer or PIT counts: the TSC's rate cannot be measured; enable the HPET in the firmware's setup");

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

u64 tsc_of_ns(u64 ns)
{
	ns = MIN(ns, 1UL << 60);
	return tsc_base + ns / 1000000 * khz + ns % 1000000 * khz / 1000000;
}

const char *time_source(void)
{
	return source;
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
