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

struct sdt {
	char sig[4];
	u32 len;
	u8 rest[28];		/* of the header of 36 bytes */
} __packed;

static u16 pm1a, pm1b;
static u16 slp_typ_a, slp_typ_b;
static u16 smi_cmd;
static u8 acpi_enable;

static bool sum_ok(const void *p, u32 len)
{
	const u8 *b = p;
	u8 s = 0;

	while (len--)
		s += *b++;
	return !s;
}

static bool table_ok(u64 ma)
{
	const struct sdt *t = ma_to_va(ma);

	return ma && ma < MAX(boot_info.top, 1UL << 32) && t->len >= sizeof(*t) && t->len < (1U << 24) && sum_ok(t, t->len);
}

static u64 find_rsdp(u64 from, u64 to)
{
	for (u64 ma = from; ma < to; ma += 16) {
		if (!memcmp(ma_to_va(ma), "RSD PTR ", 8) && sum_ok(ma_to_va(ma), 20))
			return ma;
	}
	return 0;
}

/* One AML integer of a package: byte, zero, one or BytePrefix. */
static const u8 *aml_int(const u8 *p, u16 *v)
{
	if (*p == 0x0a)
		p++;
	*v = *p++;
	return p;
}

static void parse_s5(u64 dsdt)
{
	const struct sdt *t = ma_to_va(dsdt);
	const u8 *p = (const u8 *)t, *end = p + t->len - 16;

	for (p += sizeof(*t); p < end; p++) {
		const u8 *q = p + 4;

		if (memcmp(p, "_S5_", 4) || *q != 0x12)	/* NameString, PackageOp */
			continue;
		q += 1 + (q[1] >> 6) + 1;		/* PkgLength: 1 to 4 bytes */
		q++;					/* number of elements */
		q = aml_int(q, &slp_typ_a);
		aml_int(q, &slp_typ_b);
		return;
	}
	pm1a = 0;
}

static u64 get(const u8 *p, u32 bytes)
{
	u64 v = 0;

	memcpy(&v, p, bytes);
	return v;
}

static void parse_fadt(u64 ma)
{
	const u8 *f = ma_to_va(ma);
	u64 dsdt = get(f + 40, 4);

	if (!dsdt && ((const struct sdt *)f)->len >= 148)
		dsdt = get(f + 140, 8);
	smi_cmd = get(f + 48, 4);
	acpi_enable = f[52];
	pm1a = get(f + 64, 4);
	pm1b = get(f + 68, 4);
	if (table_ok(dsdt))
		parse_s5(dsdt);
	else
		pm1a = 0;
}

/* Each table that the root table lists, with addresses of `width` bytes. */
static void parse_root(u64 root, u32 width)
{
	const struct sdt *t = ma_to_va(root);

	for (u32 i = 0; i < (t->len - sizeof(*t)) / width; i++) {
		u64 ma = get((const u8 *)(t + 1) + width * i, width);

		if (table_ok(ma) && !memcmp(ma_to_va(ma), "FACP", 4))
			parse_fadt(ma);
	}
}

u64 power_init(void)
{
	u64 ebda = get(ma_to_va(0x40e), 2) << 4, rsdp = 0;
	const u8 *p = boot_info.rsdp;

	if (!p[0]) {
		rsdp = ebda >= 0x80000 && ebda < 0xa0000 ? find_rsdp(ebda, ebda + 1024) : 0;
		if (!rsdp)
			rsdp = find_rsdp(0xe0000, 0x100000);
		if (!rsdp)
			return 0;
		p = ma_to_va(rsdp);
	}
	if (p[15] >= 2 && table_ok(get(p + 24, 8)))
		parse_root(get(p + 24, 8), 8);
	else if (table_ok(get(p + 16, 4)))
		parse_root(get(p + 16, 4), 4);
	return rsdp;
}

void machine_poweroff(void)
{
	if (pm1a) {
		if (smi_cmd && acpi_enable && !(inw(pm1a) & 1)) {
			outb(smi_cmd, acpi_enable);
			for (u32 i = 0; i < 1000 && !(inw(pm1a) & 1); i++)
				pit_wait_us(1000);
		}
		outw(pm1a, slp_typ_a << 10 | 1 << 13);
		if (pm1b)
			outw(pm1b, slp_typ_b << 10 | 1 << 13);
		pit_wait_us(50000);
	}
	log_err("the firmware has no way to turn this machine off: it is safe to do so now");
	for (;;)
		__asm__ volatile ("cli; hlt");
}

void machine_reset(void)
{
	struct { u16 limit; u64 base; } __packed none = { 0, 0 };

	outb(0xcf9, 0x02);		/* chipset reset control */
	outb(0xcf9, 0x06);
	pit_wait_us(50000);
	outb(0x64, 0xfe);		/* keyboard controller pulses the reset line */
	pit_wait_us(50000);
	__asm__ volatile ("lidt %0; int3" : : "m" (none));
	for (;;)
		__asm__ volatile ("cli; hlt");
}
