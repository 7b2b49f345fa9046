// SPDX-License-Identifier: GPL-2.0-only
/*
 * apic.c - the local APIC's timer, and the two 8259 interrupt controllers.
 *
 * The timer fires once, at the earliest deadline of this processor: by the
 * time-stamp counter where it can, else by counting down. Registers are MSRs
 * where the processor has an x2APIC. Without an IO-APIC the 8259s deliver in
 * virtual wire mode (LINT0 as ExtINT). Sources: Intel SDM vol. 3A chapter 11;
 * Intel 8259A data sheet.
 */
#include <hv/lib.h>
#include <hv/x86.h>

#define APIC_ID		0x020
#define APIC_EOI	0x0b0
#define APIC_SVR	0x0f0
#define APIC_LVT_TIMER	0x320
#define APIC_LVT_LINT0	0x350
#define APIC_LVT_LINT1	0x360
#define APIC_TMICT	0x380
#define APIC_TMCCT	0x390
#define APIC_TDCR	0x3e0
#define LVT_MASKED	BIT(16)
#define LVT_DEADLINE	BIT(18)
#define LVT_EXTINT	0x700
#define LVT_NMI		0x400

static volatile u32 *apic;
static u64 ticks_per_s;

static u32 apic_read(u32 reg)
{
	return cpu_info.x2apic ? rdmsr(MSR_X2APIC + reg / 16) : apic[reg / 4];
}

static void apic_write(u32 reg, u32 v)
{
	if (cpu_info.x2apic)
		wrmsr(MSR_X2APIC + reg / 16, v);
	else
		apic[reg / 4] = v;
}

void apic_eoi(void)
{
	apic_write(APIC_EOI, 0);
}

u32 apic_id(void)
{
	return cpu_info.x2apic ? apic_read(APIC_ID) : apic_read(APIC_ID) >> 24;
}

/* The rate against the TSC, whose rate is known: a delay can only make it look faster. */
static u64 timer_rate(void)
{
	u64 best = 0;

	for (int i = 0; i < 3; i++) {
		u64 t0, t1;
		u32 c;

		apic_write(APIC_TMICT, 0xffffffff);
		t0 = now_ns();
		c = apic_read(APIC_TMCCT);
		do {
			t1 = now_ns();
		} while (t1 - t0 < 2000000);
		c -= apic_read(APIC_TMCCT);
		t1 = now_ns();
		best = MAX(best, (u64)c * 1000000000 / (t1 - t0));
	}
	apic_write(APIC_TMICT, 0);
	return best;
}

void apic_init(void)
{
	u64 base = rdmsr(MSR_APIC_BASE) | BIT(11);

	wrmsr(MSR_APIC_BASE, base);
	if (cpu_info.x2apic)
		wrmsr(MSR_APIC_BASE, base | BIT(10));
	apic = ma_to_va(base & PTE_ADDR);
	apic_write(APIC_SVR, 0x100 | VEC_SPURIOUS);
	apic_write(APIC_LVT_LINT0, LVT_MASKED | LVT_EXTINT);
	apic_write(APIC_LVT_LINT1, LVT_NMI);
	if (cpu_info.tsc_deadline) {
		apic_write(APIC_LVT_TIMER, LVT_DEADLINE | VEC_APIC_TIMER);
		return;
	}
	apic_write(APIC_TDCR, 0xb);			/* divide by 1 */
	apic_write(APIC_LVT_TIMER, LVT_MASKED | VEC_APIC_TIMER);
	ticks_per_s = timer_rate();
	apic_write(APIC_LVT_TIMER, VEC_APIC_TIMER);
}

void apic_extint_on(void)
{
	apic_write(APIC_LVT_LINT0, LVT_EXTINT);
}

void arch_timer_arm(u64 deadline_ns)
{
	u64 now, delta, count;

	if (cpu_info.tsc_deadline) {
		/* The write of the mode must not be overtaken (SDM vol. 3A, 11.5.4.1). */
		__asm__ volatile ("mfence" : : : "memory");
		wrmsr(MSR_TSC_DEADLINE, deadline_ns ? tsc_of_ns(deadline_ns) : 0);
		return;
	}
	if (!deadline_ns) {
		apic_write(APIC_TMICT, 0);
		return;
	}
	now = now_ns();
	delta = deadline_ns > now ? deadline_ns - now : 0;
	/* Far deadlines are reached in steps: the interrupt arms the next one. */
	delta = MIN(delta, 1000000000UL);
	count = delta * ticks_per_s / 1000000000;
	apic_write(APIC_TMICT, MIN(MAX(count, 1UL), 0xffffffffUL));
}

static u16 pic_mask = 0xffff;

static void pic_write_mask(void)
{
	outb(0x21, pic_mask);
	outb(0xa1, pic_mask >> 8);
}

void pic_init(void)
{
	outb(0x20, 0x11);
	outb(0x21, VEC_PIC);
	outb(0x21, 4);
	outb(0x21, 1);
	outb(0xa0, 0x11);
	outb(0xa1, VEC_PIC + 8);
	outb(0xa1, 2);
	outb(0xa1, 1);
	pic_write_mask();
}

void pic_unmask(u8 irq)
{
	pic_mask &= ~BIT(irq);
	if (irq >= 8)
		pic_mask &= ~BIT(2);
	pic_write_mask();
}

void pic_eoi(u8 irq)
{
	if (irq >= 8)
		outb(0xa0, 0x20);
	outb(0x20, 0x20);
}
