/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * elf.h - reading a guest kernel's ELF image (core/elf.c).
 */
#ifndef HV_ELF_H
#define HV_ELF_H

#include <hv/types.h>

#define ELF_MAX_SEGMENTS 16

struct elf_segment {
	u64 offset, filesz;		/* in the image */
	u64 gpa, memsz;			/* in the guest */
};

struct elf_kernel {
	struct elf_segment seg[ELF_MAX_SEGMENTS];
	u32 nr_segs;
	u32 major, minor;		/* VMI version it needs */
	u64 entry, cr3;
};

/*
 * Parse an image of `size` bytes. NULL: *k is filled, every segment lies in
 * the image and does not wrap. Else one sentence that says what is wrong and
 * what to do, in a static buffer.
 */
const char *elf_parse(const void *image, u64 size, struct elf_kernel *k);

#endif
