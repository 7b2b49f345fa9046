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
 * Trust: see multiboot.c; whatever a user can get wrong ends in fatal() with
 * the remedy.
 */
#include <hv/frame.h>
#include <hv/lib.h>
#include <hv/x86.h>

#define MIN_RAM		(64UL << 20)
#define SHADOW_MAX	(256UL << 20)	/* of the shadow tables, unless shadow_mem says more */
#define MODULES_MIN	(4UL << 20)	/* no module is put below */
#define HV_STACK_SIZE	16384

struct boot_info boot_info;
struct options options;

extern char image_end[];
static u64 frame_table_ma;

/* The guard page is not mapped: a stack overflow faults instead of eating data. */
char stack_guard[PAGE_SIZE] __aligned(4096) __attribute__((section(".bss.page_aligned")));
static char hv_stack[HV_STACK_SIZE] __aligned(4096) __attribute__((section(".bss.page_aligned")));

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
		if (size == &options.dom0_mem && !strcmp(word, "dom0_mem=max")) {
			options.dom0_mem = -1UL;
		} else if (size) {
			if (!parse_size(strchr(word, '=') + 1, size) || !*size)
				fatal("option %s: not a size; write for example 512M or 2G", word);
		} else if (!strcmp(word, "panic=halt")) {
			options.panic_halt = true;
		} else if (!strcmp(word, "panic=reboot")) {
			options.panic_halt = false;
		} else if (!strcmp(word, "ibpb=entry") || !strcmp(word, "ibpb=switch")) {
			ibpb_on_entry = word[5] == 'e';
		} else {
			fatal("unknown option \"%s\": there are dom0_mem=SIZE|max hv_mem=SIZE shadow_mem=SIZE panic=halt|reboot ibpb=entry|switch", word);
		}
	}
}

/* What the hypervisor keeps for itself: frame table, p2m, shadow tables, and room for the rest. */
static void place(u64 image_size)
{
	struct boot_info *b = &boot_info;
	u64 nr_frames = b->top >> PAGE_SHIFT;
	u64 need;

	if (!options.shadow_mem)
		options.shadow_mem = MIN(MAX(b->ram / 32, 4UL << 20), SHADOW_MAX);
	if (options.shadow_mem < SHADOW_MIN_TABLES * PAGE_SIZE)
		fatal("option shadow_mem=%luK: less than a guest can run with; give at least %luK", options.shadow_mem >> 10,
		      SHADOW_MIN_TABLES * PAGE_SIZE >> 10);
	/* Page tables of the direct map take a 512th of a 512th of RAM; the p2m stores runs and takes less. */
	need = image_size + nr_frames * sizeof(struct frame) + (b->top >> 17) + options.shadow_mem + (4UL << 20);
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

/*
 * Right below the hypervisor, highest first and only upward, so that no copy
 * overwrites a module that still has to move. One that is there already stays.
 */
static void move_modules(void)
{
	struct boot_info *b = &boot_info;
	u64 limit = b->hv_base;

	for (u32 n = 0; n < b->nr_modules; n++) {
		struct boot_module *m = NULL;
		u64 to;

		for (u32 i = 0; i < b->nr_modules; i++) {
			struct boot_module *c = &b->module[i];

			if (!c->moved && (!m || c->base > m->base))
				m = c;
		}
		to = limit > m->size ? ALIGN_DOWN(limit - m->size, PAGE_SIZE) : 0;
		if (to < m->base && m->base + m->size <= limit && !(m->base & ~PAGE_MASK))
			to = m->base;
		if (to < m->base || to < MODULES_MIN)
			fatal("too little memory: a module of %lu MiB does not fit twice; give the machine more (QEMU: -m)",
			      m->size >> 20);
		memmove((void *)to, (void *)m->base, m->size);
		m->base = limit = to;
		m->moved = true;
	}
}

void boot_main(u32 magic, u32 info);
void boot_main(u32 magic, u32 info)
{
	u64 image_size = ALIGN_UP((u64)image_end - HV_BASE - HV_LOAD, PAGE_SIZE);
	struct boot_info *b = &boot_info;
	u64 cr3;

	uart_init();
	multiboot_parse(magic, info);
	cpu_check();
	options_parse(b->cmdline);
	if (b->ram + (1UL << 20) < MIN_RAM)
		fatal("too little memory: %lu MiB found, at least %lu MiB needed; give the machine more (QEMU: -m)",
		      (b->ram >> 20) + 1, MIN_RAM >> 20);
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
	if (area_init(&boot_cpu.idle, DOMID_HV))
		fatal("hv_mem is too small: raise or remove the option");
	pcpu_map_area(&boot_cpu, &boot_cpu.idle);
	area_load_tables();
	cpu_init();
	pic_init();		/* quiet before it is cut off */
	acpi_init();
	power_init();
	time_init();
	apic_init();
	irq_init();
	uart_irq_on();

	log_info("VMI %u.%u on %s, %lu MiB of RAM, TSC %lu.%03lu MHz (%s), %s%s%s; %lu KiB for the hypervisor",
		 VMI_VERSION_MAJOR, VMI_VERSION_MINOR, cpu_info.vendor, b->ram >> 20,
		 tsc_khz() / 1000, tsc_khz() % 1000, time_source(), cpu_info.x2apic ? "x2APIC" : "APIC",
		 cpu_info.tsc_deadline ? " with TSC deadline" : "", irq_have_ioapic() ? ", IO-APIC" : ", 8259",
		 b->hv_size >> 10);

	v = dom0_build();
	arch_switch(NULL, v);
	sched_start(v);
	enter_guest(resume_guest(v));
}
