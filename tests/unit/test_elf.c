// SPDX-License-Identifier: GPL-2.0-only
/*
 * test_elf.c - kernel images: good ones, and every way to be bad.
 *
 * Images lie at the end of a heap block, so that the sanitizer sees a read
 * past their end; the last test flips, cuts and overwrites one at random.
 */
#include <hv/elf.h>
#include <stdlib.h>
#include "fake.h"
#include "test.h"

struct image {
	struct {
		u8 ident[16];
		u16 type, machine;
		u32 version;
		u64 entry, phoff, shoff;
		u32 flags;
		u16 ehsize, phentsize, phnum, shentsize, shnum, shstrndx;
	} e;
	struct ph { u32 type, flags; u64 offset, vaddr, paddr, filesz, memsz, align; } ph[2];
	struct { u32 namesz, descsz, type; char name[4]; u64 desc; } note[3];
	u8 data[256];
};

static struct image img;

static void reset(void)
{
	memset(&img, 0, sizeof(img));
	memcpy(img.e.ident, "\177ELF\2\1\1", 7);
	img.e.type = 2;
	img.e.machine = 62;
	img.e.phoff = offsetof(struct image, ph);
	img.e.phentsize = sizeof(struct ph);
	img.e.phnum = 2;
	img.ph[0] = (struct ph){ 1, 5, offsetof(struct image, data), 0, 0x1000000, 256, 0x3000, 4096 };
	img.ph[1] = (struct ph){ 4, 4, offsetof(struct image, note), 0, 0, sizeof(img.note), sizeof(img.note), 4 };
	for (int i = 0; i < 3; i++) {
		img.note[i].namesz = 4;
		img.note[i].descsz = 8;
		img.note[i].type = i + 1;
		memcpy(img.note[i].name, "VMI", 4);
	}
	img.note[0].desc = VMI_VERSION_MAJOR | (u64)VMI_VERSION_MINOR << 32;
	img.note[1].desc = 0xffffffff81000000;
	img.note[2].desc = 0x1001000;
}

static const char *parse_bytes(const void *p, size_t size, struct elf_kernel *k)
{
	void *copy = malloc(size ? size : 1);
	const char *why;

	memcpy(copy, p, size);
	why = elf_parse(copy, size, k);
	free(copy);
	return why;
}

static const char *parse(void)
{
	struct elf_kernel k;

	return parse_bytes(&img, sizeof(img), &k);
}

/* The image is refused, and the sentence has `word` in it. */
static void refused(const char *word)
{
	const char *why = parse();

	if (!why)
		test_fail("accepted, although \"%s\"", word);
	else if (!strstr(why, word))
		test_fail("\"%s\" does not mention \"%s\"", why, word);
	reset();
}

static void good_image(void)
{
	struct elf_kernel k;

	CU_ASSERT_PTR_NULL(parse_bytes(&img, sizeof(img), &k));
	CU_ASSERT_EQUAL(k.nr_segs, 1);
	CU_ASSERT_EQUAL(k.seg[0].gpa, 0x1000000);
	CU_ASSERT_EQUAL(k.seg[0].filesz, 256);
	CU_ASSERT_EQUAL(k.seg[0].memsz, 0x3000);
	CU_ASSERT_EQUAL(k.entry, 0xffffffff81000000);
	CU_ASSERT_EQUAL(k.cr3, 0x1001000);
}

static void not_a_kernel(void)
{
	struct elf_kernel k;
	char bz[0x300] = "MZ";

	CU_ASSERT_PTR_NOT_NULL(parse_bytes("", 0, &k));
	CU_ASSERT_PTR_NOT_NULL(parse_bytes("\177ELF", 4, &k));
	memcpy(bz + 0x202, "HdrS", 4);
	CU_ASSERT_PTR_NOT_NULL(strstr(parse_bytes(bz, sizeof(bz), &k), "bzImage"));
	img.e.ident[0] = 0;
	refused("not an ELF");
	img.e.ident[4] = 1;
	refused("another machine");
	img.e.machine = 183;
	refused("another machine");
	img.e.type = 3;
	refused("type 3");
	img.e.phentsize = 32;
	refused("program headers");
	img.e.phnum = 0;
	refused("program headers");
	img.e.phoff = -8UL;
	refused("program headers");
	img.e.phnum = 65535;
	refused("program headers");
}

static void bad_segments(void)
{
	img.ph[0].offset = sizeof(img) - 255;
	refused("truncated");
	img.ph[0].offset = -256UL;
	refused("truncated");
	img.ph[0].filesz = -1UL;
	refused("truncated");
	img.ph[0].memsz = 255;
	refused("impossible");
	img.ph[0].paddr = -0x1000UL;
	refused("impossible");
	img.ph[0].type = 0;
	refused("nothing to load");
}

static void bad_notes(void)
{
	img.ph[1].type = 0;
	refused("no VMI notes");
	memcpy(img.note[0].name, "Xen", 4);
	refused("no VMI notes");
	img.note[0].desc = VMI_VERSION_MAJOR + 1;
	refused("newer hypervisor");
	img.note[0].desc = VMI_VERSION_MAJOR | (u64)(VMI_VERSION_MINOR + 1) << 32;
	refused("newer hypervisor");
	img.note[0].desc = VMI_VERSION_MAJOR - 1;
	refused("build it again");
	img.note[1].namesz = 400;
	refused("lack the entry");
	img.note[2].descsz = -1U;
	refused("lack the entry");
	img.note[1].desc = 0x800000000000;
	refused("impossible");
	img.note[1].desc = 0x1000;
	refused("impossible");
	img.note[2].desc = 0x1001001;
	refused("impossible");
}

/* Whatever is in the file, an accepted image has only segments inside it. */
static void random_damage(void)
{
	fake_seed = 42;
	for (int i = 0; i < 200000; i++) {
		size_t size = rnd(4) ? sizeof(img) : rnd(sizeof(img) + 1);
		struct elf_kernel k;

		reset();
		for (u32 n = 1 + rnd(4); n--; ) {
			u8 *p = (u8 *)&img + rnd(offsetof(struct image, data));

			*p = rnd(2) ? *p ^ 1U << rnd(8) : rnd(2) ? 0xffU : rnd(256);
		}
		if (parse_bytes(&img, size, &k))
			continue;
		for (u32 s = 0; s < k.nr_segs; s++) {
			if (k.seg[s].offset + k.seg[s].filesz > size || k.seg[s].filesz > k.seg[s].memsz)
				return test_fail("step %d: segment outside the image accepted", i);
		}
	}
}

int main(int argc, char **argv)
{
	static const struct test tests[] = {
		TEST(good_image), TEST(not_a_kernel), TEST(bad_segments), TEST(bad_notes), TEST(random_damage),
	};

	return test_main(tests, ARRAY_SIZE(tests), reset, argc, argv);
}
