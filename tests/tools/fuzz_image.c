// SPDX-License-Identifier: GPL-2.0-only
/*
 * fuzz_image.c - any bytes as a bzImage or a compressed kernel: refused with a reason, or unpacked within the limit.
 */
#include <hv/elf.h>
#include <stdlib.h>

#include "lib/image.h"

#define LIMIT	(1 << 20)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct elf_kernel k;
	struct image img;
	const char *why = image_open(data, size, LIMIT, &img);

	if (why) {
		if (!*why)
			abort();
		return 0;
	}
	if (img.own ? img.size > LIMIT || img.size > img.room : img.data != data)
		abort();
	elf_parse(img.data, img.size, &k);
	image_close(&img);
	return 0;
}
