// SPDX-License-Identifier: GPL-2.0-only
/*
 * multiboot.c - what the boot loader says, by version 1 or 2 of the protocol,
 * into boot_info: memory map, modules, command line, the ACPI root pointer.
 *
 * Runs on head.S's tables, where addresses below 4 GiB are mapped at
 * themselves. Sources: Multiboot specification 0.6.96, section 3.3; Multiboot2
 * specification 2.0, section 3.6.
 *
 * Trust: the loader is trusted to describe memory that exists; counts and
 * lengths are bounded all the same, and whatever a user can get wrong ends in
 * fatal() with the remedy.
 */
#include <hv/lib.h>
#include <hv/x86.h>

#define MB1_MAGIC	0x2badb002
#define MB1_CMDLINE	BIT(2)
#define MB1_MODS	BIT(3)
#define MB1_MMAP	BIT(6)

#define MB2_MAGIC	0x36d76289
#define MB2_END		0
#define MB2_CMDLINE	1
#define MB2_MODULE	3
#define MB2_MMAP	6
#define MB2_RSDP_OLD	14
#define MB2_RSDP_NEW	15

struct mb1_info {
	u32 flags, mem_lower, mem_upper, boot_device, cmdline, mods_count, mods_addr;
	u32 syms[4], mmap_length, mmap_addr;
} __packed;
struct mb1_module { u32 start, end, string, reserved; } __packed;
struct mb1_map { u32 size; u64 base, len; u32 type; } __packed;

struct mb2_tag { u32 type, size; } __packed;
struct mb2_module { struct mb2_tag tag; u32 start, end; char string[]; } __packed;
struct mb2_map { u64 base, len; u32 type, reserved; } __packed;
struct mb2_mmap { struct mb2_tag tag; u32 entry_size, entry_version; } __packed;

/*
 * Loaders put the file's name in front, or do not: a path has a '/', an option
 * none before its '='.
 */
static const char *skip_name(const char *s)
{
	bool name = false, option = false;
	const char *end = s;

	for (; *end && *end != ' '; end++) {
		option |= *end == '=';
		name |= *end == '/' && !option;
	}
	name |= end - s > 4 && (!strncmp(end - 4, ".bin", 4) || !strncmp(end - 4, ".elf", 4));
	name |= !strncmp(s, "vmlinux", 7);
	if (!name)
		return s;
	return *end ? end + 1 : end;
}

static void copy_string(char *dst, size_t n, const char *s)
{
	size_t len;

	s = skip_name(s);
	len = strlen(s);
	if (len >= n)
		fatal("the command line \"%.40s...\" is longer than %zu bytes: shorten it", s, n - 1);
	memcpy(dst, s, len + 1);
}

static void add_range(u64 base, u64 len, u32 type)
{
	struct boot_info *b = &boot_info;
	struct boot_map *last = b->nr_map ? &b->map[b->nr_map - 1] : NULL;
	u64 end = base + len;

	if (type < VMI_MAP_RAM || type > VMI_MAP_NVS)	/* bad RAM, firmware's run-time code, ... */
		type = VMI_MAP_RESERVED;
	if (type == VMI_MAP_RAM) {
		base = ALIGN_UP(base, PAGE_SIZE);
		end = ALIGN_DOWN(end, PAGE_SIZE);
	}
	if (base >= end)
		return;
	if (type == VMI_MAP_RAM) {
		b->ram += end - base;
		b->top = MAX(b->top, end);
	}
	/* UEFI loaders list what was used for what: one piece for us. */
	if (last && last->type == type && last->base + last->size == base) {
		last->size += end - base;
		return;
	}
	if (b->nr_map == BOOT_MAX_MAP)
		fatal("the memory map has more than %u ranges: this machine's firmware is not supported", BOOT_MAX_MAP);
	b->map[b->nr_map++] = (struct boot_map){ base, end - base, type };
}

static void add_module(u32 start, u32 end, const char *string)
{
	struct boot_info *b = &boot_info;
	struct boot_module *m = &b->module[b->nr_modules];

	if (b->nr_modules == BOOT_MAX_MODULES)
		fatal("more than %u modules: give domain 0's kernel and at most one initramfs (a comma in the kernel's arguments is written ,,)",
		      BOOT_MAX_MODULES);
	if (end <= start)
		fatal("module %u is empty: %s", b->nr_modules + 1,
		      b->nr_modules ? "give an initramfs, or only the kernel" : "give domain 0's kernel");
	m->base = start;
	m->size = end - start;
	copy_string(m->cmdline, sizeof(m->cmdline), string);
	b->nr_modules++;
}

static void parse_v1(const struct mb1_info *mb)
{
	const struct mb1_module *m = (const struct mb1_module *)(u64)mb->mods_addr;

	if (mb->flags & MB1_CMDLINE)
		copy_string(boot_info.cmdline, sizeof(boot_info.cmdline), (const char *)(u64)mb->cmdline);
	if (mb->flags & MB1_MMAP) {
		for (u64 p = mb->mmap_addr; p < (u64)mb->mmap_addr + mb->mmap_length; ) {
			const struct mb1_map *e = (const struct mb1_map *)p;

			add_range(e->base, e->len, e->type);
			p += e->size + 4;
		}
	}
	for (u32 i = 0; mb->flags & MB1_MODS && i < mb->mods_count; i++)
		add_module(m[i].start, m[i].end, m[i].string ? (const char *)(u64)m[i].string : "");
}

static void parse_v2(const u32 *info)
{
	u64 p = (u64)info + 8, end = (u64)info + info[0];

	while (p + sizeof(struct mb2_tag) <= end) {
		const struct mb2_tag *t = (const struct mb2_tag *)p;

		if (t->type == MB2_END || t->size < sizeof(*t) || p + t->size > end)
			break;
		switch (t->type) {
		case MB2_CMDLINE:
			copy_string(boot_info.cmdline, sizeof(boot_info.cmdline), (const char *)(t + 1));
			break;
		case MB2_MODULE: {
			const struct mb2_module *m = (const struct mb2_module *)t;

			add_module(m->start, m->end, m->string);
			break;
		}
		case MB2_MMAP: {
			const struct mb2_mmap *mm = (const struct mb2_mmap *)t;

			for (u64 e = (u64)(mm + 1); mm->entry_size >= sizeof(struct mb2_map) &&
			     e + mm->entry_size <= p + t->size; e += mm->entry_size) {
				const struct mb2_map *r = (const struct mb2_map *)e;

				add_range(r->base, r->len, r->type);
			}
			break;
		}
		case MB2_RSDP_OLD:
		case MB2_RSDP_NEW:
			/* The newer one, where both are there, comes last or is the only one that fits. */
			memcpy(boot_info.rsdp, t + 1, MIN(t->size - sizeof(*t), sizeof(boot_info.rsdp)));
			break;
		}
		p += ALIGN_UP(t->size, 8);
	}
}

void multiboot_parse(u32 magic, u32 info)
{
	if (magic == MB1_MAGIC)
		parse_v1((const struct mb1_info *)(u64)info);
	else if (magic == MB2_MAGIC)
		parse_v2((const u32 *)(u64)info);
	else
		fatal("not started by a multiboot loader (magic %x): use QEMU -kernel, or GRUB's multiboot2 command", magic);
	if (!boot_info.ram)
		fatal("the boot loader gave no memory map: use a multiboot loader that does (QEMU -kernel, GRUB)");
	if (!boot_info.nr_modules)
		fatal("no module: the first one must be domain 0's kernel (QEMU: -initrd \"vmlinux ARGS,initramfs\")");
}
