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

enum { IRQ_FREE, IRQ_SPURIOUS, IRQ_UART, IRQ_PORT };

struct irq {
	u8 kind;
	u8 isa;				/* IRQ_UART: its number, as the ports know it */
	bool level;			/* IRQ_PORT: masked until gsi_eoi */
	u16 port;			/* IRQ_PORT: of `domain` */
	u32 gsi;			/* or GSI_NONE */
	struct domain *domain;
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

static bool gsi_taken(u32 gsi)
{
	for (u32 v = VEC_DEVICE; v < VEC_DEVICE_END; v++) {
		if (irqs[v].kind != IRQ_FREE && irqs[v].gsi == gsi)
			return true;
	}
	return false;
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
	irqs[vector] = (struct irq){ .kind = IRQ_UART, .isa = isa, .gsi = gsi };
	ioapic_route(gsi, vector, flags);
	ioapic_mask(gsi, false);
}

long irq_bind(struct domain *d, u32 gsi, u32 flags)
{
	u32 vector = vector_alloc();
	long port;

	if (gsi != GSI_NONE && !ioapic_has(gsi))
		return -VMI_ENOENT;
	if (gsi != GSI_NONE && gsi_taken(gsi))
		return -VMI_EBUSY;
	if (!vector)
		return -VMI_ENOSPC;
	port = evt_bind_irq(d, vector);
	if (port < 0)
		return port;
	flags = ioapic_flags(gsi, flags);
	irqs[vector] = (struct irq){ .kind = IRQ_PORT, .level = flags & VMI_GSI_LEVEL, .port = port,
				     .gsi = gsi, .domain = d };
	if (gsi != GSI_NONE) {
		ioapic_route(gsi, vector, flags);
		ioapic_mask(gsi, false);
	}
	return port;
}

void irq_unmask(u32 vector)
{
	if (irqs[vector].level)
		ioapic_mask(irqs[vector].gsi, false);
}

void arch_irq_release(u32 vector)
{
	if (irqs[vector].gsi != GSI_NONE)
		ioapic_mask(irqs[vector].gsi, true);
	irqs[vector].kind = IRQ_FREE;
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

	/* A message may still arrive for a port that was closed. */
	if (vector >= VEC_DEVICE_END || (vector < VEC_DEVICE && irqs[vector].kind == IRQ_FREE))
		return false;
	i = &irqs[vector];
	if (i->kind == IRQ_PORT) {
		if (i->level)
			ioapic_mask(i->gsi, true);
		evt_send(i->domain, i->port);
	}
	if (i->kind == IRQ_UART && uart_interrupt(i->isa, &line))
		evt_raise_virq(dom0->vcpu[0], line ? VMI_VIRQ_CONSOLE1 : VMI_VIRQ_CONSOLE);
	end_of_interrupt(vector);
	return true;
}
