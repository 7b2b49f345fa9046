// SPDX-License-Identifier: GPL-2.0-only
/*
 * boot.c - from the multiboot loader to hv_main().
 *
 * Domain 0 gets memory from address 0 upward, where the loader put the
 * hypervisor and its modules, so all of that moves to the top of RAM below
 * 4 GiB first (rule M9): the modules right below the hypervisor's own region,
 * which holds its image, page tables, frame table and heap.
 *
 * boot_main() runs on head.S's tables, where addresses below 4 GiB are mapped
 * at themselves; hv_main() runs on the final ones.
 *
 * Trust: the loader's data is taken as it is, but bounded; whatever a user
 * can get wrong ends in fatal() with the remedy.
 */
#include <hv/frame.h>
#include <hv/lib.h>
#include <hv/x86.h>

#define MB_BOOT_MAGIC	0x2badb002
#define MB_CMDLINE	BIT(2)
#define MB_MODS		BIT(3)
#define MB_MMAP		BIT(6)

#define MIN_RAM		(64UL << 20)
#define HV_STACK_SIZE	16384

struct mb_info {
	u32 flags, mem_lower, mem_upper, boot_device, cmdline, mods_count, mods_addr;
	u32 syms[4], mmap_length, mmap_addr;
} __packed;
struct mb_module { u32 start, end, string, reserved; } __packed;
struct mb_map { u32 size; u64 base, len; u32 type; } __packed;

struct boot_info boot_info;
struct options options;

extern char image_end[];
static u64 frame_table_ma;

/* The guard page is not mapped: a stack overflow faults instead of eating data. */
char stack_guard[PAGE_SIZE] __aligned(4096) __attribute__((section(".bss.page_aligned")));
static char hv_stack[HV_STACK_SIZE] __aligned(4096) __attribute__((section(".bss.page_aligned")));

static void copy_string(char *dst, size_t n, u64 pa, bool skip_name)
{
	const char *s = (const char *)pa;
	size_t len;

	if (skip_name) {
		/* Loaders put the file's name first, or do not: a path has a '/', an option none before its '='. */
		const char *end = s;
		bool name = false, option = false;

		for (; *end && *end != ' '; end++) {
			option |= *end == '=';
			name |= *end == '/' && !option;
		}
		name |= end - s > 4 && !strncmp(end - 4, ".bin", 4);
		name |= !strncmp(s, "vmlinux", 7) || (end - s > 4 && !strncmp(end - 4, ".elf", 4));
		if (name)
			s = *end ? end + 1 : end;
	}
	len = strlen(s);
	if (len >= n)
		fatal("the command line \"%.40s...\" is longer than %zu bytes: shorten it", s, n - 1);
	memcpy(dst, s, len + 1);
}

void options_parse(const char *s)
{
	char word[64];

	while (*s) {
		const char *end;
		u64 *size = NULL;
		size_t n;

		while (*s == ' ')
			s++;
		for (end = s; *end && *end != ' '; end++)
			;
		n = MIN((size_t)(end - s), sizeof(word) - 1);
		memcpy(word, s, n);
		word[n] = 0;
		s = end;
		if (!n)
			continue;
		if (!strncmp(word, "dom0_mem=", 9))
			size = &options.dom0_mem;
		else if (!strncmp(word, "hv_mem=", 7))
			size = &options.hv_mem;
		else if (!strncmp(word, "shadow_mem=", 11))
			size = &options.shadow_mem;
		if (size) {
			if (!parse_size(strchr(word, '=') + 1, size) || !*size)
				fatal("option %s: not a size; write for example 512M or 2G", word);
		} else if (!strcmp(word, "panic=halt")) {
			options.panic_halt = true;
		} else if (!strcmp(word, "panic=reboot")) {
			options.panic_halt = false;
		} else {
			fatal("unknown option \"%s\": there are dom0_mem=SIZE hv_mem=SIZE shadow_mem=SIZE panic=halt|reboot", word);
		}
	}
}

static void read_map(const struct mb_info *mb)
{
	struct boot_info *b = &boot_info;
	u64 p = mb->mmap_addr;

	if (!(mb->flags & MB_MMAP))
		fatal("the boot loader gave no memory map: use a multiboot loader that does (QEMU -kernel, GRUB)");
	while (p < (u64)mb->mmap_addr + mb->mmap_length && b->nr_map < BOOT_MAX_MAP) {
		const struct mb_map *m = (const struct mb_map *)p;
		u64 base = m->base, end = m->base + m->len;

		p += m->size + 4;
		if (m->type == VMI_MAP_RAM) {
			base = ALIGN_UP(base, PAGE_SIZE);
			end = ALIGN_DOWN(end, PAGE_SIZE);
		}
		if (base >= end)
			continue;
		b->map[b->nr_map++] = (struct boot_map){ base, end - base, m->type };
		if (m->type == VMI_MAP_RAM) {
			b->ram += end - base;
			b->top = MAX(b->top, end);
		}
	}
	if (b->ram + (1UL << 20) < MIN_RAM)
		fatal("too little memory: %lu MiB found, at least %lu MiB needed; give the machine more (QEMU: -m)",
		      (b->ram >> 20) + 1, MIN_RAM >> 20);
}

/* What the hypervisor keeps for itself: frame table, p2m, shadow tables, and room for the rest. */
static void place(u64 image_size)
{
	struct boot_info *b = &boot_info;
	u64 nr_frames = b->top >> PAGE_SHIFT;
	u64 need;

	if (!options.shadow_mem)
		options.shadow_mem = MAX(b->ram / 32, 4UL << 20);
	need = image_size + nr_frames * sizeof(struct frame) + b->ram / 256 + options.shadow_mem + (2UL << 20);
	b->hv_size = ALIGN_UP(MAX(need, options.hv_mem), 2UL << 20);
	for (u32 i = 0; i < b->nr_map; i++) {
		struct boot_map *m = &b->map[i];
		u64 end = MIN(m->base + m->size, 1UL << 32);

		end = ALIGN_DOWN(end, 2UL << 20);
		if (m->type != VMI_MAP_RAM || end < m->base + b->hv_size + (16UL << 20))
			continue;
		b->hv_base = MAX(b->hv_base, end - b->hv_size);
	}
	if (!b->hv_base)
		fatal("too little memory: no %lu MiB in one piece below 4 GiB; give the machine more (QEMU: -m), or lower hv_mem",
		      b->hv_size >> 20);
}

static u64 boot_alloc(void)
{
	struct boot_info *b = &boot_info;
	u64 ma = b->hv_base + b->hv_used;

	if (b->hv_used + PAGE_SIZE > b->hv_size)
		fatal("hv_mem=%luM is too small for this machine's tables: raise or remove the option", b->hv_size >> 20);
	b->hv_used += PAGE_SIZE;
	memset((void *)ma, 0, PAGE_SIZE);
	return ma;
}

static void read_modules(const struct mb_info *mb)
{
	const struct mb_module *m = (const struct mb_module *)(u64)mb->mods_addr;
	struct boot_info *b = &boot_info;

	if (!(mb->flags & MB_MODS) || !mb->mods_count)
		fatal("no module: the first one must be domain 0's kernel (QEMU: -initrd \"vmlinux ARGS,initramfs\")");
	if (mb->mods_count > BOOT_MAX_MODULES)
		fatal("%u modules: give domain 0's kernel and at most one initramfs (a comma in the kernel's arguments is written ,,)",
		      mb->mods_count);
	for (u32 i = 0; i < mb->mods_count; i++) {
		struct boot_module *d = &b->module[b->nr_modules++];

		d->base = m[i].start;
		d->size = m[i].end - m[i].start;
		if (m[i].end <= m[i].start)
			fatal("module %u is empty: %s", i + 1,
			      i ? "give an initramfs, or only the kernel" : "give domain 0's kernel");
		if (m[i].string)
			copy_string(d->cmdline, sizeof(d->cmdline), m[i].string, true);
	}
}

/* Upward, highest first, so that no copy overwrites a module that still has to move. */
static void move_modules(void)
{
	struct boot_info *b = &boot_info;
	u64 to = b->hv_base;

	for (u32 i = b->nr_modules; i--; ) {
		struct boot_module *m = &b->module[i];

		if (m->size + (4UL << 20) > to || ALIGN_DOWN(to - m->size, PAGE_SIZE) < m->base)
			fatal("too little memory: module %u of %lu MiB does not fit twice; give the machine more (QEMU: -m)",
			      i + 1, m->size >> 20);
		to = ALIGN_DOWN(to - m->size, PAGE_SIZE);
		memmove((void *)to, (void *)m->base, m->size);
		m->base = to;
	}
}

void boot_main(u32 magic, u32 info);
void boot_main(u32 magic, u32 info)
{
	const struct mb_info *mb = (const struct mb_info *)(u64)info;
	u64 image_size = ALIGN_UP((u64)image_end - HV_BASE - HV_LOAD, PAGE_SIZE);
	struct boot_info *b = &boot_info;
	char cmdline[1024] = "";
	u64 cr3;

	uart_init();
	if (magic != MB_BOOT_MAGIC)
		fatal("not started by a multiboot loader (magic %x): use QEMU -kernel or GRUB's multiboot command", magic);
	if (mb->flags & MB_CMDLINE)
		copy_string(cmdline, sizeof(cmdline), mb->cmdline, true);
	options_parse(cmdline);
	cpu_check();
	read_map(mb);
	read_modules(mb);
	place(image_size);
	move_modules();

	b->hv_used = image_size;
	cr3 = mm_build(b->hv_base, boot_alloc);
	frame_table_ma = b->hv_base + b->hv_used;
	b->hv_used += ALIGN_UP((b->top >> PAGE_SHIFT) * sizeof(struct frame), PAGE_SIZE);
	memcpy((void *)b->hv_base, (void *)HV_LOAD, image_size);
	boot_switch(cr3, (u64)hv_stack + HV_STACK_SIZE, hv_main);
}

static struct pcpu boot_cpu;

void hv_main(void)
{
	struct boot_info *b = &boot_info;
	mfn_t first = b->hv_base >> PAGE_SHIFT, used = b->hv_used >> PAGE_SHIFT;
	struct vcpu *v;

	frame_init(ma_to_va(frame_table_ma), b->top >> PAGE_SHIFT);
	frame_assign(first, used, DOMID_HV, FRAME_HV);
	heap_add(first + used, (b->hv_size >> PAGE_SHIFT) - used);

	boot_cpu.root = ma_to_va(hv_cr3);
	boot_cpu.stack_top = (u64)hv_stack + HV_STACK_SIZE;
	if (area_init(&boot_cpu.idle))
		fatal("hv_mem is too small: raise or remove the option");
	pcpu_map_area(&boot_cpu, &boot_cpu.idle);
	area_load_tables();
	cpu_init();
	pic_init();
	time_init();
	apic_init();
	uart_irq_on();

	log_info("VMI %u.%u on %s, %lu MiB of RAM, TSC %lu.%03lu MHz; %lu KiB for the hypervisor",
		 VMI_VERSION_MAJOR, VMI_VERSION_MINOR, cpu_info.vendor, b->ram >> 20,
		 tsc_khz() / 1000, tsc_khz() % 1000, b->hv_size >> 10);

	v = dom0_build();
	this_cpu()->current = v;
	enter_guest(resume_guest(v));
}
