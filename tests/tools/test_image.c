// SPDX-License-Identifier: GPL-2.0-only
/*
 * test_image.c - bzImages and compressed kernels of each format: unpacked to the byte, and refused in one line when wrong, huge, cut or damaged.
 */
#include <stdio.h>

#include "kernel_image.h"
#include "lib/image.h"
#include "lib/util.h"
#include "tools_test.h"

#define LIMIT	(4 << 20)
#define ROOM	(2 << 20)

static struct vmlinux kernel;
static uint8_t file[ROOM];

/* In a block of its own, so that the sanitizer sees a read behind its end. */
static const char *open_copy(const uint8_t *p, size_t size, size_t limit, struct image *img, void **copy)
{
	*copy = malloc(size ? size : 1);
	memcpy(*copy, p, size);
	return image_open(*copy, size, limit, img);
}

static void unpacked(size_t size)
{
	struct image img;
	void *copy;
	const char *why = open_copy(file, size, LIMIT, &img, &copy);

	CU_ASSERT_PTR_NULL(why);
	if (why) {
		printf("refused: %s\n", why);
	} else {
		CU_ASSERT_EQUAL(img.size, sizeof(kernel));
		CU_ASSERT(img.size == sizeof(kernel) && !memcmp(img.data, &kernel, sizeof(kernel)));
		image_close(&img);
	}
	free(copy);
}

/* Refused: the cause, which has `word`, a colon, and the remedy. */
static void refused_within(size_t size, size_t limit, const char *word)
{
	struct image img;
	void *copy;
	const char *why = open_copy(file, size, limit, &img, &copy);

	CU_ASSERT_PTR_NOT_NULL(why);
	if (why) {
		CU_ASSERT_PTR_NOT_NULL(strstr(why, word));
		CU_ASSERT_PTR_NOT_NULL(strchr(why, ':'));
		CU_ASSERT_PTR_NULL(strchr(why, '\n'));
		if (!strstr(why, word))
			printf("\"%s\" has no \"%s\"\n", why, word);
	} else {
		image_close(&img);
	}
	free(copy);
}

static void refused(size_t size, const char *word)
{
	refused_within(size, LIMIT, word);
}

static void put32(size_t at, uint32_t v)
{
	memcpy(file + at, &v, 4);
}

static void each_format_unpacks(void)
{
	make_vmlinux(&kernel);
	for (int how = 0; how < NR_FORMATS; how++) {
		unpacked(pack_bzimage(how, &kernel, sizeof(kernel), file, ROOM));
		unpacked(pack(how, &kernel, sizeof(kernel), file, ROOM));
	}
	/* A file that is none of them is left to the ELF parser. */
	memcpy(file, &kernel, sizeof(kernel));
	unpacked(sizeof(kernel));
}

static void a_header_is_not_believed(void)
{
	size_t size = pack_bzimage(GZIP, &kernel, sizeof(kernel), file, ROOM);
	uint32_t length = size - PAYLOAD_AT;

	refused(0x206, "cut short");
	refused(0x24f, "cut short");
	refused(0x250, "behind the file");
	file[0x206] = 7;
	refused(size, "2.07");
	file[0x206] = 15;
	put32(0x248, -1U);
	refused(size, "behind the file");
	put32(0x248, STUB + 1);
	refused(size, "behind the file");
	put32(0x248, STUB);
	put32(0x24c, -1U);
	refused(size, "behind the file");
	put32(0x24c, length + 1);
	refused(size, "behind the file");
	put32(0x24c, 7);
	refused(size, "behind the file");
	put32(0x24c, length);
	file[0x1f1] = 255;
	refused(size, "behind the file");
	file[0x1f1] = 2;
	refused(size, "unknown format");
	/* No sectors means four. */
	file[0x1f1] = 0;
	put32(0x248, STUB - 512);
	unpacked(size);
	refused(size - 1, "behind the file");
}

static void formats_without_decoder_are_named(void)
{
	size_t size = pack_bzimage(XZ, &kernel, sizeof(kernel), file, ROOM);

	memcpy(file + PAYLOAD_AT, "BZh9", 4);
	refused(size, "bzip2");
	memcpy(file + PAYLOAD_AT, "\x89LZO", 4);
	refused(size, "lzo");
	memcpy(file + PAYLOAD_AT, "abcd", 4);
	refused(size, "unknown format");
}

static void sizes_are_checked(void)
{
	for (int how = 0; how < NR_FORMATS; how++) {
		size_t size = pack_bzimage(how, &kernel, sizeof(kernel), file, ROOM);

		refused_within(size, sizeof(kernel) - 1, "more memory");
		put32(size - 4, sizeof(kernel) - 1);
		refused(size, "damaged");
		put32(size - 4, sizeof(kernel) + 1);
		refused(size, "damaged");
		put32(size - 4, 0);
		refused(size, "damaged");
		put32(size - 4, -1U);
		refused(size, "unpacks to 4095 MiB");
		size = pack(how, &kernel, sizeof(kernel), file, ROOM);
		refused_within(size, sizeof(kernel) - 1, "unpacks to more");
	}
}

static void a_bomb_stops_at_the_limit(void)
{
	size_t size = 40 << 20;
	void *zeros = calloc(1, size);

	/* The legacy format has blocks of 8 MiB at most; one of 40 is damage. */
	for (int how = 0; how < LZ4; how++) {
		refused(pack(how, zeros, size, file, ROOM), "unpacks to more");
		size_t n = pack_bzimage(how, zeros, size, file, ROOM);
		refused(n, "unpacks to 40 MiB");
		put32(n - 4, LIMIT);
		refused(n, "damaged");
	}
	refused(pack(LZ4, zeros, size, file, ROOM), "unpacks to more");
	free(zeros);
}

/* Cut anywhere or with bits flipped: refused, or by chance of the right size. */
static void damage_is_survived(void)
{
	static uint8_t good[ROOM];

	srandom(7);
	for (int how = 0; how < NR_FORMATS; how++) {
		size_t size = pack_bzimage(how, &kernel, sizeof(kernel), good, ROOM);

		memcpy(file, good, size);
		for (int i = 0; i < 50; i++)
			refused(0x250 + random() % (size - 0x250), "behind the file");
		for (int i = 0; i < 300; i++) {
			struct image img;
			void *copy;
			const char *why;

			memcpy(file, good, size);
			for (int n = 1 + random() % 4; n--;)
				file[random() % 2 ? (size_t)random() % 0x250 : PAYLOAD_AT + random() % (size - PAYLOAD_AT)] ^= 1 << random() % 8;
			why = open_copy(file, size, LIMIT, &img, &copy);
			if (why) {
				CU_ASSERT_PTR_NOT_NULL(strchr(why, ':'));
			} else {
				CU_ASSERT_TRUE(img.size <= LIMIT);
				image_close(&img);
			}
			free(copy);
		}
	}
}

TESTS("image", TEST(each_format_unpacks), TEST(a_header_is_not_believed), TEST(formats_without_decoder_are_named),
      TEST(sizes_are_checked), TEST(a_bomb_stops_at_the_limit), TEST(damage_is_survived))
