// SPDX-License-Identifier: GPL-2.0-only
/*
 * power.c - turning the machine off and resetting it.
 *
 * Power-off writes the sleep type of state S5 to the PM1 control ports (ACPI
 * 6.4, sections 4.8.3.2 and 7.4.2). The ports come from the FADT; the sleep
 * type from the \_S5 package, which is found by its name in the DSDT, as its
 * encoding is the same everywhere and an AML interpreter would be larger than
 * the rest of the hypervisor.
 *
 * Trust: ACPI tables come from the firmware; lengths are bounded all the same.
 */
#include <hv/lib.h>
#include <hv/x86.h>

static u16 pm1a, pm1b;
static u16 slp_typ_a, slp_typ_b;
static u16 smi_cmd;
static u8 acpi_enable;

/* One AML integer of a package: byte, zero, one or BytePrefix. */
static const u8 *aml_int(const u8 *p, u16 *v)
{
	if (*p == 0x0a)
		p++;
	*v = *p++;
	return p;
}

static bool parse_s5(const struct acpi_table *t)
{
	const u8 *p = (const u8 *)(t + 1), *end = (const u8 *)t + t->len - 8;	/* the least: 9 bytes */

	for (; p < end; p++) {
		const u8 *q = p + 4;

		if (memcmp(p, "_S5_", 4) || *q != 0x12)	/* NameString, PackageOp */
			continue;
		q += 1 + (q[1] >> 6) + 1;		/* PkgLength: 1 to 4 bytes */
		q++;					/* number of elements */
		q = aml_int(q, &slp_typ_a);
		aml_int(q, &slp_typ_b);
		return true;
	}
	return false;
}

void power_init(void)
{
	const struct acpi_table *f = acpi_find("FACP"), *dsdt;
	u64 ma;

	if (!f || f->len < 72)
		return;
	ma = acpi_get(f, 40, 4);
	if (!ma && f->len >= 148)
		ma = acpi_get(f, 140, 8);
	dsdt = acpi_table_at(ma);
	if (!dsdt || !parse_s5(dsdt))
		return;
	smi_cmd = acpi_get(f, 48, 4);
	acpi_enable = acpi_get(f, 52, 1);
	pm1a = acpi_get(f, 64, 4);
	pm1b = acpi_get(f, 68, 4);
}

void machine_poweroff(void)
{
	if (pm1a) {
		if (smi_cmd && acpi_enable && !(inw(pm1a) & 1)) {
			outb(smi_cmd, acpi_enable);
			for (u32 i = 0; i < 1000 && !(inw(pm1a) & 1); i++)
				delay_us(1000);
		}
		outw(pm1a, slp_typ_a << 10 | 1 << 13);
		if (pm1b)
			outw(pm1b, slp_typ_b << 10 | 1 << 13);
		delay_us(50000);
	}
	log_info("error: the firmware has no way to turn this machine off: it is safe to do so now");
	for (;;)
		__asm__ volatile ("cli; hlt");
}

void machine_reset(void)
{
	struct { u16 limit; u64 base; } __packed none = { 0, 0 };

	outb(0xcf9, 0x02);		/* chipset reset control */
	outb(0xcf9, 0x06);
	delay_us(50000);
	outb(0x64, 0xfe);		/* keyboard controller pulses the reset line */
	delay_us(50000);
	__asm__ volatile ("lidt %0; int3" : : "m" (none));
	for (;;)
		__asm__ volatile ("cli; hlt");
}
