// SPDX-License-Identifier: GPL-2.0-only
/*
 * test_build.c - The domain builder on a hypervisor that only notes what is asked: vmlinux and bzImage load alike, and what cannot be built leaves no domain.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>
#include <vmi/bus.h>

#include "kernel_image.h"
#include "lib/build.h"
#include "lib/call.h"
#include "lib/util.h"
#include "tools_test.h"

#define MEMORY	(32UL << 20)

static struct {
	uint8_t *memory;
	int created, destroyed;
	struct vmi_vcpu_state vcpu;
	long refuse_create, refuse_write, port;
	const char *touch;		/* a file that somebody begins to write meanwhile */
} hv;

static struct vmlinux kernel;
static uint8_t initrd[5000], packed[2 << 20];
static char dir[] = "/tmp/test_build.XXXXXX", kernel_path[64], initrd_path[64];

long call_machine_info(int fd, struct vmi_machine *m)
{
	(void)fd;
	*m = (struct vmi_machine){ .memory = 1 << 30, .free = 40 << 20, .max_vcpus = 1, .nr_domains = 3, .tsc_khz = 1000 };
	return 0;
}

long call_dom_create(int fd, const struct vmi_dom_config *cfg)
{
	(void)fd;
	CU_ASSERT_EQUAL(cfg->memory, MEMORY);
	if (hv.refuse_create)
		return hv.refuse_create;
	hv.created++;
	return 7;
}

long call_dom_destroy(int fd, uint32_t domid)
{
	(void)fd;
	CU_ASSERT_EQUAL(domid, 7);
	hv.destroyed++;
	return 0;
}

long call_evt_alloc(int fd, uint32_t domid, uint32_t peer)
{
	(void)fd;
	CU_ASSERT_EQUAL(domid, 7);
	CU_ASSERT_EQUAL(peer, VMI_DOMID_SELF);
	return hv.port;
}

long call_dom_write(int fd, uint32_t domid, uint64_t gpa, const void *buf, size_t len)
{
	(void)fd, (void)domid;
	if (hv.touch) {
		int w = open(hv.touch, O_WRONLY | O_NONBLOCK);

		/* It would have to wait for the builder. */
		CU_ASSERT_TRUE(w < 0 && errno == EWOULDBLOCK);
		if (w >= 0)
			close(w);
	}
	CU_ASSERT_TRUE_FATAL(gpa < MEMORY && len <= MEMORY - gpa);
	memcpy(hv.memory + gpa, buf, len);
	return hv.refuse_write;
}

long call_vcpu_set(int fd, uint32_t domid, uint32_t vcpu, const struct vmi_vcpu_state *s)
{
	(void)fd, (void)domid, (void)vcpu;
	hv.vcpu = *s;
	return 0;
}

static void put_file(const char *path, const void *data, size_t size)
{
	FILE *f = fopen(path, "w");

	CU_ASSERT_PTR_NOT_NULL_FATAL(f);
	CU_ASSERT_EQUAL(fwrite(data, 1, size, f), size);
	fclose(f);
}

/* Everything as it should be; each test spoils something. */
static struct hv_config good(void)
{
	if (!hv.memory) {
		CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(dir));
		snprintf(kernel_path, sizeof(kernel_path), "%s/kernel", dir);
		snprintf(initrd_path, sizeof(initrd_path), "%s/initrd", dir);
		memset(initrd, 0x5a, sizeof(initrd));
		put_file(initrd_path, initrd, sizeof(initrd));
		hv.memory = malloc(MEMORY);
	}
	make_vmlinux(&kernel);
	put_file(kernel_path, &kernel, sizeof(kernel));
	memset(hv.memory, 0, MEMORY);
	hv.refuse_create = hv.refuse_write = 0;
	hv.touch = NULL;
	hv.port = BUILD_BUS_PORT;
	return (struct hv_config){ .name = "test", .memory = MEMORY, .vcpus = 1, .max_vcpus = 1, .weight = HV_WEIGHT,
				   .share = VMI_BUS_FULL, .kernel = kernel_path, .initrd = initrd_path, .cmdline = "quiet" };
}

static void builds(const struct hv_config *cfg)
{
	struct hv_error err = { "" };
	struct vmi_start_info si;
	struct vmi_bus bus;
	long rc;

	hv.created = hv.destroyed = 0;
	rc = build_domain(-1, cfg, &err);
	CU_ASSERT_EQUAL(rc, 7);
	if (rc < 0)
		printf("refused: %s\n", err.text);
	CU_ASSERT(hv.created == 1 && !hv.destroyed);
	CU_ASSERT_EQUAL(memcmp(hv.memory + CODE_GPA, kernel.code, CODE_SIZE), 0);
	memcpy(&si, hv.memory + hv.vcpu.rsi, sizeof(si));
	CU_ASSERT_EQUAL(si.magic, VMI_START_MAGIC);
	CU_ASSERT_EQUAL(si.initrd_size, sizeof(initrd));
	CU_ASSERT(si.initrd < MEMORY && !memcmp(hv.memory + si.initrd, initrd, sizeof(initrd)));
	CU_ASSERT_STRING_EQUAL(hv.memory + si.cmdline, "quiet");
	memcpy(&bus, hv.memory + si.bus, sizeof(bus));
	CU_ASSERT(bus.manager.magic == VMI_BUS_MAGIC && bus.manager.share == VMI_BUS_FULL && si.bus_port == BUILD_BUS_PORT);
	CU_ASSERT(si.map[1].base == si.bus && si.map[1].size == VMI_BUS_PAGES * 4096 && si.map[1].type == VMI_MAP_RESERVED);
	CU_ASSERT(hv.vcpu.rip == 0xffffffff81000000 && hv.vcpu.cr3 == CODE_GPA);
}

/* One line with `word`, and no domain. */
static void refused(const struct hv_config *cfg, int rc, const char *word)
{
	struct hv_error err = { "" };

	hv.created = hv.destroyed = 0;
	CU_ASSERT_EQUAL(build_domain(-1, cfg, &err), rc);
	CU_ASSERT_PTR_NOT_NULL(strstr(err.text, word));
	CU_ASSERT_PTR_NULL(strchr(err.text, '\n'));
	CU_ASSERT_EQUAL(hv.created, hv.destroyed);
	if (!strstr(err.text, word))
		printf("\"%s\" has no \"%s\"\n", err.text, word);
}

static void vmlinux_and_bzimage_load_alike(void)
{
	struct hv_config cfg = good();

	builds(&cfg);
	for (int how = 0; how < NR_FORMATS; how++) {
		cfg = good();
		put_file(kernel_path, packed, pack_bzimage(how, &kernel, sizeof(kernel), packed, sizeof(packed)));
		builds(&cfg);
	}
}

static void bad_files_are_refused(void)
{
	struct hv_config cfg = good();

	cfg.kernel = "/nowhere";
	refused(&cfg, -ENOENT, "the kernel /nowhere");
	cfg.kernel = dir;
	refused(&cfg, -EINVAL, "is not a file");
	cfg = good();
	cfg.initrd = "/nowhere";
	refused(&cfg, -ENOENT, "the initramfs /nowhere");
	cfg = good();
	put_file(kernel_path, "", 0);
	refused(&cfg, -ENOEXEC, "is empty");
	put_file(kernel_path, "#!/bin/sh\n", 10);
	refused(&cfg, -ENOEXEC, "not an ELF image");
	put_file(kernel_path, &kernel, sizeof(kernel) - 1);
	refused(&cfg, -ENOEXEC, "truncated");
	put_file(kernel_path, packed, pack_bzimage(XZ, "#!/bin/sh\n", 10, packed, sizeof(packed)));
	refused(&cfg, -ENOEXEC, "not an ELF image");
	put_file(kernel_path, packed, pack_bzimage(XZ, &kernel, sizeof(kernel), packed, sizeof(packed)) - 1);
	refused(&cfg, -ENOEXEC, "truncated");
}

static void impossible_sizes_are_refused(void)
{
	struct hv_config cfg = good();
	char *line = malloc(VMI_CMDLINE_MAX + 1);

	cfg.memory = 1 << 20;
	refused(&cfg, -ENOMEM, "more than 1 MiB");
	cfg = good();
	cfg.memory = CODE_GPA;
	refused(&cfg, -ENOMEM, "give it more");
	cfg = good();
	memset(line, 'a', VMI_CMDLINE_MAX);
	line[VMI_CMDLINE_MAX] = 0;
	cfg.cmdline = line;
	refused(&cfg, -EINVAL, "command line");
	free(line);
	cfg = good();
	kernel.ph[0].paddr = 0x7000;
	put_file(kernel_path, &kernel, sizeof(kernel));
	refused(&cfg, -ENOEXEC, "link it higher");
	cfg = good();
	CU_ASSERT_EQUAL(truncate(initrd_path, 1UL << 40), 0);
	refused(&cfg, -ENOMEM, "does not fit");
	put_file(initrd_path, initrd, sizeof(initrd));
	cfg = good();
	CU_ASSERT_EQUAL(truncate(kernel_path, 1UL << 40), 0);
	builds(&cfg);
	put_file(kernel_path, packed, pack_bzimage(GZIP, &kernel, sizeof(kernel), packed, sizeof(packed)));
	CU_ASSERT_EQUAL(truncate(kernel_path, 1UL << 40), 0);
	refused(&cfg, -ENOEXEC, "no kernel has");
	cfg = good();
	cfg.vcpus = 2;
	refused(&cfg, -EINVAL, "2 vCPUs");
	cfg = good();
	cfg.name = "0123456789012345678901234567890123456789012345678901234567890123456789";
	refused(&cfg, -EINVAL, "name has 70");
}

static void a_refusal_of_the_hypervisor_leaves_nothing(void)
{
	struct hv_config cfg = good();

	hv.refuse_create = -ENOMEM;
	refused(&cfg, -ENOMEM, "40 MiB left");
	hv.refuse_create = -ENOSPC;
	refused(&cfg, -ENOSPC, "3 domains");
	cfg = good();
	hv.refuse_write = -ENOMEM;
	refused(&cfg, -ENOMEM, "cannot load");
	CU_ASSERT_EQUAL(hv.destroyed, 1);
}

static void files_that_change_are_refused(void)
{
	struct hv_config cfg = good();
	int w = open(kernel_path, O_WRONLY);

	refused(&cfg, -EBUSY, "open for writing");
	CU_ASSERT_EQUAL(hv.created, 0);
	close(w);
	hv.touch = initrd_path;
	refused(&cfg, -EBUSY, "changed while");
	CU_ASSERT_EQUAL(hv.destroyed, 1);
	cfg = good();
	builds(&cfg);
}

static const char *unsigned_file;

static int verify(const char *trust, const char *path, const void *data, size_t size, struct hv_error *err)
{
	CU_ASSERT_STRING_EQUAL(trust, "anchor");
	CU_ASSERT_TRUE(size && *(const uint8_t *)data);
	if (strcmp(path, unsigned_file))
		return 0;
	snprintf(err->text, sizeof(err->text), "%s is not signed", path);
	return -EACCES;
}

static void both_files_are_verified_before_a_domain_is(void)
{
	struct hv_config cfg = good();

	cfg.verify = verify;
	cfg.trust = "anchor";
	unsigned_file = kernel_path;
	refused(&cfg, -EACCES, "kernel is not signed");
	unsigned_file = initrd_path;
	refused(&cfg, -EACCES, "initrd is not signed");
	CU_ASSERT_EQUAL(hv.created, 0);
	unsigned_file = "";
	builds(&cfg);
	unlink(kernel_path);
	unlink(initrd_path);
	rmdir(dir);
	free(hv.memory);
}

TESTS("build", TEST(vmlinux_and_bzimage_load_alike), TEST(bad_files_are_refused), TEST(impossible_sizes_are_refused),
      TEST(a_refusal_of_the_hypervisor_leaves_nothing), TEST(files_that_change_are_refused),
      TEST(both_files_are_verified_before_a_domain_is))
