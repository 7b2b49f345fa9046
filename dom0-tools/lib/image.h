/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * image.h - kernel images that hold a compressed vmlinux (image.c).
 */
#ifndef LIB_IMAGE_H
#define LIB_IMAGE_H

#include <stddef.h>
#include <stdint.h>

#define IMAGE_MAX	(512UL << 20)	/* bytes, packed or not; no vmlinux is so large */

struct image {
	const uint8_t *data;		/* the vmlinux */
	size_t size;
	void *own;			/* the memory it was unpacked into, or NULL: it is the caller's file */
	size_t room;			/* bytes of that */
};

/*
 * Find the vmlinux in a file: in a bzImage, compressed (gzip, xz, lzma, lz4 -l, zstd), or
 * the file itself, which nobody has looked at then. NULL: *out is to be closed, and
 * before the file's memory goes. Else one sentence that says what is wrong and what to
 * do, in a static buffer. Unpacks at most `limit` bytes.
 */
const char *image_open(const void *file, size_t size, size_t limit, struct image *out);
void image_close(struct image *img);

#endif
