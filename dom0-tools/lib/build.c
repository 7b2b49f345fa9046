// SPDX-License-Identifier: GPL-2.0-only
/*
 * build.c - the domain builder: a kernel (vmlinux or bzImage) and an initramfs become a domain.
 *
 * The kernel's segments go where its ELF headers say, the initramfs to the top of
 * the memory, start info and command line below 64 KiB (docs/abi.md), the pages of the
 * bus (vmi/bus.h) below the hole: each domain has them, for devices may come later. Memory is
 * populated by what is written there and later by the guest, so the time does
 * not depend on the domain's size.
 *
 * Trust: kernel and initramfs are a user's files and may be anything; image.c and
 * the ELF parser (hypervisor/core/elf.c) check each offset, and the hypervisor each
 * address. A lease keeps the files from being changed meanwhile, so a file cannot
 * shrink under the parser, and what was checked is what runs.
 */
#include <errno.h>
#include <fcntl.h>
#include <hv/elf.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include <vmi/bus.h>
#include "build.h"
#include "call.h"
#include "image.h"

#define START_INFO_GPA	0x7000UL
#define CMDLINE_GPA	0x8000UL
#define LOW_END		0x10000UL	/* nothing else is put below */
#define PAGE		4096UL
#define HOLE_START	0xa0000UL
#define HOLE_END	0x100000UL

_Static_assert(BUILD_BUS_GPA + VMI_BUS_PAGES * PAGE == HOLE_START, "the bus ends where the hole begins");

struct file {
	int fd;				/* -1: not open */
	const uint8_t *data;		/* NULL: not mapped */
	size_t size;
};

/*
 * Nobody has it open for writing, and who wants that now has to wait for us. The kernel
 * lets him go on after a time (45 s), and then unchanged() says so.
 */
static int lease(struct file *f, const char *path, const char *what, struct hv_error *err)
{
	/* A signal that is ignored: the usual one ends the program. */
	if (!fcntl(f->fd, F_SETSIG, SIGURG) && !fcntl(f->fd, F_SETLEASE, F_RDLCK))
		return 0;
	if (errno == EAGAIN)
		return hv_fail(err, -EBUSY, "the %s %s is open for writing: end the program that writes it", what, path);
	return hv_fail(err, -errno, "the %s %s cannot be kept from changing: copy it to a local file system", what, path);
}

static bool unchanged(const struct file *f)
{
	return !f->data || fcntl(f->fd, F_GETLEASE) == F_RDLCK;
}

static int map_file(struct file *f, const char *path, const char *what, struct hv_error *err)
{
	struct stat st;
	void *p;
	int rc;

	f->fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (f->fd < 0 || fstat(f->fd, &st) < 0)
		return hv_fail(err, -errno, "cannot read the %s %s: %s", what, path, strerror(errno));
	if (!S_ISREG(st.st_mode))
		return hv_fail(err, -EINVAL, "the %s %s is not a file", what, path);
	rc = lease(f, path, what, err);
	if (rc)
		return rc;
	if (fstat(f->fd, &st) < 0 || !st.st_size)
		return hv_fail(err, -ENOEXEC, "the %s %s is empty", what, path);
	p = mmap(NULL, st.st_size, PROT_READ, MAP_PRIVATE, f->fd, 0);
	if (p == MAP_FAILED)
		return hv_fail(err, -errno, "cannot read the %s %s: %s", what, path, strerror(errno));
	f->data = p;
	f->size = st.st_size;
	return 0;
}

static void unmap_file(struct file *f)
{
	if (f->data)
		munmap((void *)f->data, f->size);
	if (f->fd >= 0)
		close(f->fd);
}

static bool overlap(uint64_t a, uint64_t an, uint64_t b, uint64_t bn)
{
	return a < b + bn && b < a + an;
}

/* Where the initramfs goes, or 0: at the end of the memory, or as high as the kernel lets it. */
static uint64_t place_initrd(const struct elf_kernel *k, uint64_t memory, uint64_t size)
{
	uint64_t at = size < memory ? (memory - size) & ~(PAGE - 1) : 0;

	for (uint32_t i = 0; i < k->nr_segs && at >= LOW_END; i++)
		if (overlap(at, size, k->seg[i].gpa, k->seg[i].memsz))
			return 0;
	return at >= LOW_END && !overlap(at, size, BUILD_BUS_GPA, HOLE_END - BUILD_BUS_GPA) ? at : 0;
}

static int check_sizes(const struct hv_config *cfg, const struct elf_kernel *k, struct hv_error *err)
{
	if (strlen(cfg->cmdline) >= VMI_CMDLINE_MAX)
		return hv_fail(err, -EINVAL, "the command line has %zu characters, a kernel takes %u at most",
			    strlen(cfg->cmdline), VMI_CMDLINE_MAX - 1);
	for (uint32_t i = 0; i < k->nr_segs; i++) {
		uint64_t end = k->seg[i].gpa + k->seg[i].memsz;

		if (k->seg[i].gpa < LOW_END)
			return hv_fail(err, -ENOEXEC, "the kernel %s wants memory at %#lx, where the start info is: link it higher",
				    cfg->kernel, k->seg[i].gpa);
		if (overlap(k->seg[i].gpa, k->seg[i].memsz, BUILD_BUS_GPA, HOLE_END - BUILD_BUS_GPA))
			return hv_fail(err, -ENOEXEC, "the kernel %s wants memory at %#lx, where the bus and a hole are: link it at 1 MiB or higher",
				    cfg->kernel, k->seg[i].gpa);
		if (end > cfg->memory)
			return hv_fail(err, -ENOMEM, "the kernel %s needs memory up to %lu MiB, the domain has %lu: give it more",
				    cfg->kernel, (end + (1 << 20) - 1) >> 20, cfg->memory >> 20);
	}
	return 0;
}

static long create(int fd, const struct hv_config *cfg, struct hv_error *err)
{
	struct vmi_dom_config c = {
		.memory = cfg->memory, .nr_vcpus = cfg->vcpus, .weight = cfg->weight, .cap = cfg->cap,
	};
	struct vmi_machine m = { 0 };
	long rc;

	memcpy(c.uuid, cfg->uuid, sizeof(c.uuid));
	if (strlen(cfg->name) >= sizeof(c.name))
		return hv_fail(err, -EINVAL, "the name has %zu characters, %zu are possible", strlen(cfg->name), sizeof(c.name) - 1);
	strcpy((char *)c.name, cfg->name);
	rc = call_machine_info(fd, &m);
	if (!rc && cfg->vcpus > m.max_vcpus)
		return hv_fail(err, -EINVAL, "%u vCPUs: this hypervisor gives a domain %u at most", cfg->vcpus, m.max_vcpus);
	if (!rc)
		rc = call_dom_create(fd, &c);
	switch (rc) {
	case -ENOMEM:
		return hv_fail(err, rc, "too little memory: the domain wants %lu MiB, the machine has %lu MiB left for domains: destroy one, or boot with a smaller dom0_mem",
			    cfg->memory >> 20, m.free >> 20);
	case -ENOSPC:
		return hv_fail(err, rc, "there are %u domains, and no more are possible: destroy one", m.nr_domains);
	case -EINVAL:
		return hv_fail(err, rc, "the hypervisor refuses this domain: memory is whole pages from %u KiB on, a name is printable and without blanks",
			    VMI_MEMORY_MIN >> 10);
	default:
		return rc >= 0 ? rc : hv_fail(err, rc, "cannot create the domain: %s", strerror(-rc));
	}
}

/* The header as the guest finds it: no device yet. The port is its first one. */
static long set_bus(int fd, uint32_t domid, const struct hv_config *cfg)
{
	struct vmi_bus bus = {
		.manager = { .magic = VMI_BUS_MAGIC, .version = VMI_BUS_VERSION, .share = cfg->share },
	};
	long port = call_evt_alloc(fd, domid, VMI_DOMID_SELF);

	if (port >= 0 && port != BUILD_BUS_PORT)
		return -EPROTO;
	return port < 0 ? port : call_dom_write(fd, domid, BUILD_BUS_GPA, &bus, sizeof(bus));
}

/* Start info and the first vCPU's registers. */
static long set_start(int fd, uint32_t domid, const struct hv_config *cfg, const struct elf_kernel *k,
		      uint64_t initrd, uint64_t initrd_size)
{
	struct vmi_start_info si = {
		.magic = VMI_START_MAGIC, .version = VMI_VERSION_MAJOR << 16 | VMI_VERSION_MINOR,
		.cmdline = CMDLINE_GPA, .initrd = initrd, .initrd_size = initrd_size,
		.domid = domid, .nr_vcpus = cfg->vcpus, .bus_port = BUILD_BUS_PORT, .bus = BUILD_BUS_GPA, .nr_map = 3,
		/* A hole as a PC has it: Linux ignores a map of one range. */
		.map = {
			{ .base = 0, .size = BUILD_BUS_GPA, .type = VMI_MAP_RAM },
			{ .base = BUILD_BUS_GPA, .size = HOLE_START - BUILD_BUS_GPA, .type = VMI_MAP_RESERVED },
			{ .base = HOLE_END, .size = cfg->memory - HOLE_END, .type = VMI_MAP_RAM },
		},
	};
	struct vmi_vcpu_state s = { .rip = k->entry, .cr3 = k->cr3, .rsi = START_INFO_GPA };
	struct vmi_machine m;
	long rc;

	rc = call_machine_info(fd, &m);
	if (rc)
		return rc;
	si.features = m.guest_features;
	si.tsc_khz = m.tsc_khz;
	si.wall_ns = m.wall_ns;
	rc = set_bus(fd, domid, cfg);
	if (!rc)
		rc = call_dom_write(fd, domid, START_INFO_GPA, &si, sizeof(si));
	if (!rc)
		rc = call_dom_write(fd, domid, CMDLINE_GPA, cfg->cmdline, strlen(cfg->cmdline) + 1);
	return rc ? rc : call_vcpu_set(fd, domid, 0, &s);
}

static long load(int fd, uint32_t domid, const struct hv_config *cfg, const struct elf_kernel *k,
		 const struct image *kernel, const struct file *initrd)
{
	uint64_t at = 0;
	long rc;

	for (uint32_t i = 0; i < k->nr_segs; i++) {
		rc = call_dom_write(fd, domid, k->seg[i].gpa, kernel->data + k->seg[i].offset, k->seg[i].filesz);
		if (rc)
			return rc;
	}
	if (initrd->data) {
		at = place_initrd(k, cfg->memory, initrd->size);
		rc = call_dom_write(fd, domid, at, initrd->data, initrd->size);
		if (rc)
			return rc;
	}
	return set_start(fd, domid, cfg, k, at, initrd->size);
}

long build_domain(int fd, const struct hv_config *cfg, struct hv_error *err)
{
	struct file file = { .fd = -1 }, initrd = { .fd = -1 };
	struct image kernel = { 0 };
	struct elf_kernel k;
	const char *why;
	long rc, domid;

	if (cfg->memory <= HOLE_END)
		return hv_fail(err, -ENOMEM, "a domain needs more than 1 MiB of memory");
	rc = map_file(&file, cfg->kernel, "kernel", err);
	if (!rc && cfg->initrd)
		rc = map_file(&initrd, cfg->initrd, "initramfs", err);
	if (!rc && cfg->verify)
		rc = cfg->verify(cfg->trust, cfg->kernel, file.data, file.size, err);
	if (!rc && cfg->verify && cfg->initrd)
		rc = cfg->verify(cfg->trust, cfg->initrd, initrd.data, initrd.size, err);
	if (rc)
		goto out;
	why = image_open(file.data, file.size, cfg->memory, &kernel);
	if (!why)
		why = elf_parse(kernel.data, kernel.size, &k);
	if (why) {
		rc = hv_fail(err, -ENOEXEC, "%s cannot be a domain's kernel: %s", cfg->kernel, why);
		goto out;
	}
	rc = check_sizes(cfg, &k, err);
	if (!rc && initrd.data && !place_initrd(&k, cfg->memory, initrd.size))
		rc = hv_fail(err, -ENOMEM, "the initramfs %s of %zu MiB does not fit into %lu MiB beside the kernel: give the domain more memory",
			  cfg->initrd, initrd.size >> 20, cfg->memory >> 20);
	if (rc)
		goto out;

	rc = domid = create(fd, cfg, err);
	if (rc < 0)
		goto out;
	rc = load(fd, domid, cfg, &k, &kernel, &initrd);
	if (rc)
		rc = hv_fail(err, rc, "cannot load the domain's memory: %s", strerror(-rc));
	else if (!unchanged(&file) || !unchanged(&initrd))
		rc = hv_fail(err, -EBUSY, "kernel or initramfs changed while they were loaded: try again");
	if (rc)
		call_dom_destroy(fd, domid);
	else
		rc = domid;
out:
	image_close(&kernel);
	unmap_file(&file);
	unmap_file(&initrd);
	return rc;
}
