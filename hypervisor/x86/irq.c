// SPDX-License-Identifier: GPL-2.0-only
/*
 * irq.c - physical interrupts of devices: which vector belongs to what.
 *
 * Where the machine has IO-APICs they are used, and vectors are handed out
 * here; else the two 8259s with their sixteen.
 *
 * Invariant: a vector of VEC_DEVICE is raised by hardware only (area.c keeps
 * its gate closed), so one that arrives here wants its end of interrupt.
 * Locking: none; one processor takes them all.
 */
#include <hv/lib.h>
#include <hv/x86.h>

enum { IRQ_FREE, IRQ_SPURIOUS, IRQ_UART };

struct irq {
	u8 kind;
	u8 isa;				/* IRQ_UART: its number, as the ports know it */
};

static struct irq irqs[VEC_DEVICE_END];
static bool have_ioapic;

void irq_init(void)
{
	have_ioapic = ioapic_init();
	if (have_ioapic)
		return;
	apic_extint_on();
	for (u32 i = 0; i < 16; i++)
		irqs[VEC_PIC + i].kind = IRQ_SPURIOUS;
}

bool irq_have_ioapic(void)
{
	return have_ioapic;
}

static u32 vector_alloc(void)
{
	for (u32 v = VEC_DEVICE; v < VEC_DEVICE_END; v++) {
		if (irqs[v].kind == IRQ_FREE)
			return v;
	}
	return 0;
}

void irq_isa_on(u8 isa)
{
	u32 gsi, flags, vector;

	if (!have_ioapic) {
		irqs[VEC_PIC + isa] = (struct irq){ .kind = IRQ_UART, .isa = isa };
		pic_unmask(isa);
		return;
	}
	ioapic_isa(isa, &gsi, &flags);
	vector = vector_alloc();
	if (!ioapic_has(gsi) || !vector)
		return;
	irqs[vector] = (struct irq){ .kind = IRQ_UART, .isa = isa };
	ioapic_route(gsi, vector, flags);
	ioapic_mask(gsi, false);
}

static void end_of_interrupt(u32 vector)
{
	if (vector >= VEC_DEVICE)
		apic_eoi();
	/* IRQ 7 and 15 may be spurious; no device of ours uses them, and they want no end of interrupt. */
	else if (vector != VEC_PIC + 7 && vector != VEC_PIC + 15)
		pic_eoi(vector - VEC_PIC);
}

bool irq_interrupt(u32 vector)
{
	struct irq *i;
	u32 line;

	if (vector >= VEC_DEVICE_END || irqs[vector].kind == IRQ_FREE)
		return false;
	i = &irqs[vector];
	if (i->kind == IRQ_UART && uart_interrupt(i->isa, &line))
		evt_raise_virq(dom0->vcpu[0], line ? VMI_VIRQ_CONSOLE1 : VMI_VIRQ_CONSOLE);
	end_of_interrupt(vector);
	return true;
}
