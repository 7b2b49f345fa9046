// SPDX-License-Identifier: GPL-2.0-only
/*
 * dom0.c - builds domain 0 from the boot modules.
 *
 * Domain 0 gets the first dom0_mem bytes of the RAM that is not the hypervisor's
 * own, at gfn == mfn (rule M8); the rest goes to the heap, for other domains. Its kernel is
 * loaded where its ELF headers say; the initramfs stays where boot.c put it,
 * at the top of domain 0's memory below 4 GiB.
 *
 * Trust: the modules are the user's files: see core/elf.c.
 */
#include <hv/elf.h>
#include <hv/frame.h>
#include <hv/lib.h>
#include <hv/x86.h>

#define START_INFO_GPA	0x7000UL
#define RSDP_GPA	(START_INFO_GPA + 0xf00)
#define CMDLINE_GPA	0x8000UL
#define DOM0_MEM_MIN	(512UL << 20)	/* domain 0 has a quarter of the RAM, this at least, unless dom0_mem says */
#define DOM0_WEIGHT	16384		/* it works for the others: they should not slow it down */
#define LARGE		(PAGE_SIZE * PTES_PER_TABLE)
#define LOW_END		0x10000UL	/* nothing else is put below */

static void *page_or_die(void)
{
	void *p = page_new(DOMID_HV);

	if (!p)
		fatal("hv_mem is too small to build domain 0: raise or remove the option");
	return p;
}

static struct rest { u64 base, end; } rest[BOOT_MAX_MAP + 1];
static u32 nr_rest;

/*
 * Give domain 0 the RAM [base, end) up to its limit. The rest is whole 2 MiB with nothing
 * else in them: there its kernel has page structures and cached mappings for lent frames.
 */
static void give_range(struct domain *d, struct vmi_start_info *si, u64 base, u64 end, u64 *left)
{
	u64 size = end - base;

	if (*left < size)
		size = MIN(size, ALIGN_UP(base + *left, LARGE) - base);
	if (size) {
		frame_assign(base >> PAGE_SHIFT, size >> PAGE_SHIFT, DOMID_0, FRAME_RAM);
		if (p2m_set(d, base >> PAGE_SHIFT, base >> PAGE_SHIFT, size >> PAGE_SHIFT, P2M_RAM))
			fatal("hv_mem is too small for this machine's memory: raise or remove the option");
		si->map[si->nr_map++] = (struct vmi_start_map){ base, size, VMI_MAP_RAM, 0 };
		*left -= MIN(*left, size);
	}
	base = ALIGN_UP(base + size, LARGE);
	end = ALIGN_DOWN(end, LARGE);
	if (base < end)
		rest[nr_rest++] = (struct rest){ base, end };
}

/* What domain 0 does not get: the modules may still be there until it is built. Returns the p2m tables for lending it all. */
static u64 give_rest(void)
{
	u64 tables = P2M_MAX_LEVELS;

	for (u32 i = 0; i < nr_rest; i++) {
		heap_add(rest[i].base >> PAGE_SHIFT, (rest[i].end - rest[i].base) >> PAGE_SHIFT);
		tables += (rest[i].end - rest[i].base) / LARGE;
	}
	return tables;
}

static void give_memory(struct domain *d, struct vmi_start_info *si)
{
	struct boot_info *b = &boot_info;
	u64 left = ALIGN_DOWN(options.dom0_mem ? options.dom0_mem : MAX(b->ram / 4, DOM0_MEM_MIN), PAGE_SIZE);
	u64 hv_end = b->hv_base + b->hv_size;

	for (u32 i = 0; i < b->nr_map && si->nr_map < VMI_START_MAX_MAP - 3; i++) {
		struct boot_map *m = &b->map[i];
		u64 end = m->base + m->size;

		if (m->type != VMI_MAP_RAM) {
			si->map[si->nr_map++] = (struct vmi_start_map){ m->base, m->size, m->type, 0 };
			continue;
		}
		if (b->hv_base >= m->base && b->hv_base < end) {
			give_range(d, si, m->base, b->hv_base, &left);
			si->map[si->nr_map++] = (struct vmi_start_map){ b->hv_base, b->hv_size, VMI_MAP_RESERVED, 0 };
			if (hv_end < end)
				give_range(d, si, hv_end, end, &left);
		} else {
			give_range(d, si, m->base, end, &left);
		}
	}
}

static bool owns(struct domain *d, u64 gpa, u64 size)
{
	for (u64 g = gpa >> PAGE_SHIFT; g <= (gpa + size - 1) >> PAGE_SHIFT; g++) {
		mfn_t mfn;

		if (p2m_get(d, g, &mfn) != P2M_RAM)
			return false;
	}
	return true;
}

static bool overlap(u64 a, u64 an, u64 b, u64 bn)
{
	return a < b + bn && b < a + an;
}

static void load_kernel(struct domain *d, const struct elf_kernel *k)
{
	struct boot_info *b = &boot_info;
	const u8 *image = ma_to_va(b->module[0].base);

	for (u32 i = 0; i < k->nr_segs; i++) {
		const struct elf_segment *s = &k->seg[i];

		if (s->gpa < LOW_END || !owns(d, s->gpa, s->memsz))
			fatal("the kernel wants memory at %lx-%lx, which domain 0 does not have: give the machine more (QEMU: -m), or raise dom0_mem",
			      s->gpa, s->gpa + s->memsz);
		for (u32 m = 0; m < b->nr_modules; m++) {
			if (overlap(s->gpa, s->memsz, b->module[m].base, b->module[m].size))
				fatal("too little memory for the kernel and its initramfs: give the machine more (QEMU: -m)");
		}
		memcpy(ma_to_va(s->gpa), image + s->offset, s->filesz);
		memset(ma_to_va(s->gpa + s->filesz), 0, s->memsz - s->filesz);
	}
}

/* The initramfs is at the top of the machine's memory; domain 0 may end below. */
static void place_initramfs(struct domain *d, const struct vmi_start_info *si, const struct elf_kernel *k,
			    struct boot_module *m)
{
	u64 to = 0;

	if (owns(d, m->base, m->size))
		return;
	for (u32 i = 0; i < si->nr_map; i++) {
		const struct vmi_start_map *r = &si->map[i];
		u64 at = r->size > m->size ? ALIGN_DOWN(r->base + r->size - m->size, PAGE_SIZE) : 0;
		bool ok = r->type == VMI_MAP_RAM && at >= r->base && at >= (1UL << 20) &&
			  !overlap(at, m->size, boot_info.module[0].base, boot_info.module[0].size);

		for (u32 s = 0; ok && s < k->nr_segs; s++)
			ok = !overlap(at, m->size, k->seg[s].gpa, k->seg[s].memsz);
		if (ok)
			to = MAX(to, at);
	}
	if (!to)
		fatal("dom0_mem leaves no room for the initramfs of %lu MiB: raise it", m->size >> 20);
	memmove(ma_to_va(to), ma_to_va(m->base), m->size);
	m->base = to;
}

static void check_initramfs(const struct boot_module *m)
{
	static const struct { const char *name; u8 len; u8 magic[6]; } kinds[] = {
		{ "gzip", 2, { 0x1f, 0x8b } }, { "xz", 6, { 0xfd, '7', 'z', 'X', 'Z', 0 } },
		{ "zstd", 4, { 0x28, 0xb5, 0x2f, 0xfd } }, { "lz4", 4, { 0x02, 0x21, 0x4c, 0x18 } },
		{ "cpio", 5, { '0', '7', '0', '7', '0' } }, { "bzip2", 3, { 'B', 'Z', 'h' } },
		{ "lzma", 3, { 0x5d, 0, 0 } }, { "lzo", 4, { 0x89, 'L', 'Z', 'O' } },
	};

	for (u32 i = 0; i < ARRAY_SIZE(kinds); i++) {
		if (m->size >= kinds[i].len && !memcmp(ma_to_va(m->base), kinds[i].magic, kinds[i].len))
			return;
	}
	fatal("module 2 is not an initramfs (no cpio archive, compressed or not): build it with `make initramfs`");
}

u32 guest_features(void)
{
	return VMI_FEAT_TSC_STABLE | (cpu_info.fsgsbase ? VMI_FEAT_FSGSBASE : 0);
}

u32 dom_features(const struct domain *d)
{
	return guest_features() | (d->privileged ? VMI_FEAT_PRIVILEGED : 0);
}

struct vcpu *dom0_build(void)
{
	struct boot_info *b = &boot_info;
	struct domain *d = page_or_die();
	struct vmi_start_info *si = page_or_die();
	struct elf_kernel k;
	const char *why;
	struct vcpu *v;

	why = elf_parse(ma_to_va(b->module[0].base), b->module[0].size, &k);
	if (why)
		fatal("module 1 cannot be domain 0's kernel: %s", why);
	if (b->nr_modules > 1)
		check_initramfs(&b->module[1]);

	d->id = DOMID_0;
	d->privileged = true;
	d->started = true;
	d->nr_vcpus = 1;
	d->weight = DOM0_WEIGHT;
	memcpy(d->name, "Domain-0", sizeof("Domain-0"));
	dom0 = d;
	if (domain_init(d, options.shadow_mem) || vcpu_create(d, 0))
		fatal("hv_mem is too small to build domain 0: raise or remove the option");
	v = d->vcpu[0];

	si->magic = VMI_START_MAGIC;
	si->version = VMI_VERSION_MAJOR << 16 | VMI_VERSION_MINOR;
	si->features = dom_features(d);
	si->cmdline = CMDLINE_GPA;
	si->acpi_rsdp = b->rsdp[0] && irq_have_ioapic() ? RSDP_GPA : 0;
	si->tsc_khz = tsc_khz();
	si->wall_ns = wall_ns_at_boot();
	si->domid = DOMID_0;
	si->nr_vcpus = 1;
	hw_give_frames(d);
	give_memory(d, si);
	if (b->nr_modules > 1) {
		place_initramfs(d, si, &k, &b->module[1]);
		si->initrd = b->module[1].base;
		si->initrd_size = b->module[1].size;
	}
	load_kernel(d, &k);
	/* Its shadow tables, and tables for lent frames, must be there when other domains have taken the rest. */
	if (!heap_budget(DOMID_0, give_rest() + d->shadow.max_tables))
		fatal("hv_mem is too small for shadow_mem=%luM: raise or remove one of them", options.shadow_mem >> 20);
	if (!owns(d, START_INFO_GPA, LOW_END - START_INFO_GPA))
		fatal("there is no RAM at %lx for the start info: this machine's memory map cannot be used", START_INFO_GPA);
	memcpy(ma_to_va(START_INFO_GPA), si, sizeof(*si));
	memcpy(ma_to_va(RSDP_GPA), b->rsdp, sizeof(b->rsdp));
	memcpy(ma_to_va(CMDLINE_GPA), b->module[0].cmdline, VMI_CMDLINE_MAX);
	page_free(si);

	if (vcpu_load_cr3(v, k.cr3))
		fatal("the kernel's initial page table at %lx is not in its memory: build it again", k.cr3);
	v->regs.rip = k.entry;
	v->regs.rsi = START_INFO_GPA;
	log_info("domain 0: %lu MiB, kernel entry %p, %s", d->p2m.nr_ram >> 8, (void *)k.entry,
		 b->nr_modules > 1 ? "with an initramfs" : "no initramfs");
	return v;
}
