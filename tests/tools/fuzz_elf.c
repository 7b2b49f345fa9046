// SPDX-License-Identifier: GPL-2.0-only
/*
 * fuzz_elf.c - any bytes as a vmlinux: refused with a reason, or each segment lies in them.
 */
#include <hv/elf.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct elf_kernel k;
	const char *why = elf_parse(data, size, &k);

	if (why) {
		if (!*why)
			abort();
		return 0;
	}
	for (uint32_t i = 0; i < k.nr_segs; i++) {
		const struct elf_segment *s = &k.seg[i];

		if (s->offset > size || s->filesz > size - s->offset || s->filesz > s->memsz || s->gpa + s->memsz < s->gpa)
			abort();
	}
	return 0;
}
