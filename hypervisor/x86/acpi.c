// SPDX-License-Identifier: GPL-2.0-only
/*
 * acpi.c - finding ACPI tables by their signature (ACPI 6.4, section 5.2).
 *
 * The root pointer is the loader's copy (multiboot2), or is searched in the
 * BIOS's places. Tables are not copied: the firmware keeps them in memory that
 * is nobody's RAM.
 *
 * Trust: tables come from the firmware. A table is used only when its length
 * and checksum are right and it lies in the map of memory; readers stay inside
 * its length all the same.
 */
#include <hv/lib.h>
#include <hv/x86.h>

static u64 root;		/* machine address of the RSDT or XSDT, 0: none */
static u32 root_width;		/* bytes of its addresses */

static bool sum_ok(const void *p, u32 len)
{
	const u8 *b = p;
	u8 s = 0;

	while (len--)
		s += *b++;
	return !s;
}

u64 acpi_get(const void *p, u32 off, u32 bytes)
{
	u64 v = 0;

	memcpy(&v, (const u8 *)p + off, bytes);
	return v;
}

const struct acpi_table *acpi_table_at(u64 ma)
{
	const struct acpi_table *t = ma_to_va(ma);
	u64 top = MAX(boot_info.top, 1UL << 32);

	if (!ma || ma > top - sizeof(*t) || t->len < sizeof(*t) || t->len > MIN(top - ma, 1UL << 24))
		return NULL;
	return sum_ok(t, t->len) ? t : NULL;
}

const struct acpi_table *acpi_find(const char *sig)
{
	const struct acpi_table *list = root ? ma_to_va(root) : NULL;

	for (u32 off = sizeof(*list); list && off + root_width <= list->len; off += root_width) {
		const struct acpi_table *t = acpi_table_at(acpi_get(list, off, root_width));

		if (t && !memcmp(t->sig, sig, 4))
			return t;
	}
	return NULL;
}

static const u8 *find_rsdp(u64 from, u64 to)
{
	for (u64 ma = from; ma < to; ma += 16) {
		if (!memcmp(ma_to_va(ma), "RSD PTR ", 8) && sum_ok(ma_to_va(ma), 20))
			return ma_to_va(ma);
	}
	return NULL;
}

void acpi_init(void)
{
	u64 ebda = acpi_get(ma_to_va(0), 0x40e, 2) << 4;
	const u8 *p = NULL;

	if (!boot_info.rsdp[0]) {
		if (ebda >= 0x80000 && ebda < 0xa0000)
			p = find_rsdp(ebda, ebda + 1024);
		if (!p)
			p = find_rsdp(0xe0000, 0x100000);
		if (!p)
			return;
		memcpy(boot_info.rsdp, p, p[15] >= 2 ? 36 : 20);
	}
	p = boot_info.rsdp;
	root_width = 8;
	root = p[15] >= 2 ? acpi_get(p, 24, 8) : 0;
	if (!acpi_table_at(root)) {
		root_width = 4;
		root = acpi_get(p, 16, 4);
	}
	if (!acpi_table_at(root))
		root = 0;
}
