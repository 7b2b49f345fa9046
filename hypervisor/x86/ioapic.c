// SPDX-License-Identifier: GPL-2.0-only
/*
 * ioapic.c - the IO-APICs that the ACPI table MADT lists (Intel 82093AA data
 * sheet; ACPI 6.4, section 5.2.12).
 *
 * A GSI (global system interrupt) is an input of one of them. ISA interrupts
 * have the GSI of their number, edge-triggered and active high, unless the
 * MADT says otherwise.
 *
 * Trust: the MADT comes from the firmware: entries are bounded by the table,
 * and an IO-APIC that does not answer is left alone.
 */
#include <hv/lib.h>
#include <hv/x86.h>

#define MAX_IOAPICS	8
#define NR_ISA		16

#define MADT_IOAPIC	1
#define MADT_OVERRIDE	2
#define MADT_ENTRIES	44		/* offset of the first */

#define REG_VERSION	0x01
#define REG_RTE		0x10
#define RTE_LOW		BIT(13)
#define RTE_LEVEL	BIT(15)
#define RTE_MASKED	BIT(16)

static struct ioapic {
	volatile u32 *regs;		/* 0: register number, 4: its value */
	u32 first, nr;			/* GSIs */
} ioapics[MAX_IOAPICS];
static u32 nr_ioapics;
static struct { u32 gsi, flags; bool overridden; } isa[NR_ISA];

static u32 reg_read(struct ioapic *a, u32 reg)
{
	a->regs[0] = reg;
	return a->regs[4];
}

static void reg_write(struct ioapic *a, u32 reg, u32 v)
{
	a->regs[0] = reg;
	a->regs[4] = v;
}

static struct ioapic *ioapic_of(u32 gsi)
{
	for (struct ioapic *a = ioapics; a < &ioapics[nr_ioapics]; a++) {
		if (gsi - a->first < a->nr)
			return a;
	}
	return NULL;
}

static void add_ioapic(u64 ma, u32 first)
{
	struct ioapic *a = &ioapics[nr_ioapics];
	u32 version;

	if (nr_ioapics == MAX_IOAPICS || !ma || ma & 15)
		return;
	a->regs = ma_to_va(ma);
	a->first = first;
	version = reg_read(a, REG_VERSION);
	if (version == 0xffffffff)
		return;
	a->nr = (version >> 16 & 0xff) + 1;
	nr_ioapics++;
	for (u32 i = 0; i < a->nr; i++)
		reg_write(a, REG_RTE + 2 * i, RTE_MASKED);
}

static void add_override(u32 irq, u32 gsi, u32 flags)
{
	if (irq >= NR_ISA)
		return;
	isa[irq].gsi = gsi;
	isa[irq].overridden = true;
	/* Two bits each for polarity and trigger; 3 is low and level, all else ISA's way. */
	isa[irq].flags = ((flags & 3) == 3 ? VMI_GSI_LOW : 0) | ((flags >> 2 & 3) == 3 ? VMI_GSI_LEVEL : 0);
}

bool ioapic_init(void)
{
	const struct acpi_table *t = acpi_find("APIC");

	for (u32 i = 0; i < NR_ISA; i++)
		isa[i].gsi = i;
	for (u32 off = MADT_ENTRIES; t && off + 2 <= t->len; ) {
		u32 type = acpi_get(t, off, 1), len = acpi_get(t, off + 1, 1);

		if (len < 2 || off + len > t->len)
			break;
		if (type == MADT_IOAPIC && len >= 12)
			add_ioapic(acpi_get(t, off + 4, 4), acpi_get(t, off + 8, 4));
		else if (type == MADT_OVERRIDE && len >= 10)
			add_override(acpi_get(t, off + 3, 1), acpi_get(t, off + 4, 4), acpi_get(t, off + 8, 2));
		off += len;
	}
	return nr_ioapics;
}

bool ioapic_has(u32 gsi)
{
	return ioapic_of(gsi);
}

u64 ioapic_ma(u32 n)
{
	return n < nr_ioapics ? va_to_ma((const void *)ioapics[n].regs) : 0;
}

u32 ioapic_flags(u32 gsi, u32 flags)
{
	for (u32 i = 0; i < NR_ISA; i++) {
		if (isa[i].gsi == gsi && isa[i].overridden)
			return isa[i].flags;
	}
	return flags;
}

void ioapic_isa(u8 irq, u32 *gsi, u32 *flags)
{
	*gsi = isa[irq].gsi;
	*flags = isa[irq].flags;
}

void ioapic_route(u32 gsi, u8 vector, u32 flags)
{
	struct ioapic *a = ioapic_of(gsi);
	u32 reg = REG_RTE + 2 * (gsi - a->first);

	reg_write(a, reg, RTE_MASKED);
	reg_write(a, reg + 1, apic_id() << 24);
	reg_write(a, reg, vector | RTE_MASKED | (flags & VMI_GSI_LOW ? RTE_LOW : 0) |
		  (flags & VMI_GSI_LEVEL ? RTE_LEVEL : 0));
}

void ioapic_mask(u32 gsi, bool masked)
{
	struct ioapic *a = ioapic_of(gsi);
	u32 reg = REG_RTE + 2 * (gsi - a->first);
	u32 v = reg_read(a, reg);

	reg_write(a, reg, masked ? v | RTE_MASKED : v & ~RTE_MASKED);
}
