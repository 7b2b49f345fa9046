// SPDX-License-Identifier: GPL-2.0-only
/*
 * image.c - finds the vmlinux in what people call a kernel: a bzImage, or a file
 * that is compressed as a whole.
 *
 * Source: the Linux/x86 boot protocol (Documentation/x86/boot.rst). A bzImage is a real
 * mode part of setup_sects sectors and a protected mode part; version 2.08 of the
 * header says where in the latter the compressed vmlinux is. Its last four bytes are
 * its size when unpacked: a part of the gzip format, appended to the others. The
 * real and protected mode code is not looked at: a domain starts in the vmlinux.
 *
 * Trust: a user's file may be anything. Its fields are checked against the file, and
 * what comes out of a decompressor against a limit, so that a small file cannot fill
 * the memory. The decompressors themselves are the distribution's.
 */
#include <lz4.h>
#include <lzma.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/types.h>
#include <zlib.h>
#include <zstd.h>
#include <zstd_errors.h>
#include "image.h"

#define SECTOR		512
#define HEADER_END	0x250		/* of the fields below */
#define SETUP_SECTS	0x1f1
#define MAGIC		0x202
#define VERSION		0x206
#define PAYLOAD_OFFSET	0x248
#define PAYLOAD_LENGTH	0x24c

#define LZ4_MAGIC	0x184c2102	/* of the "legacy" format, which the kernel uses */
#define LZ4_BLOCK	(8 << 20)	/* bytes that a block holds at most */
#define XZ_MEMORY	(256UL << 20)	/* for a decoder; the kernel's dictionaries have up to 128 MiB */

/* Unpack into exactly this memory: the bytes, or one of these. */
enum { DAMAGED = -1, TOO_LARGE = -2 };
typedef ssize_t unpack_fn(const uint8_t *in, size_t size, uint8_t *out, size_t room);

static const char *fail(const char *fmt, ...)
{
	static char why[200];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(why, sizeof(why), fmt, ap);
	va_end(ap);
	return why;
}

static uint32_t le32(const uint8_t *p)
{
	return p[0] | p[1] << 8 | p[2] << 16 | (uint32_t)p[3] << 24;
}

static ssize_t unpack_gzip(const uint8_t *in, size_t size, uint8_t *out, size_t room)
{
	z_stream z = { .next_in = (uint8_t *)in, .avail_in = size, .next_out = out, .avail_out = room };
	int rc;

	/* 16: gzip's header and trailer. */
	if (inflateInit2(&z, 16 + MAX_WBITS) != Z_OK)
		return DAMAGED;
	rc = inflate(&z, Z_FINISH);
	inflateEnd(&z);
	if (rc == Z_STREAM_END)
		return z.total_out;
	return rc == Z_BUF_ERROR && !z.avail_out ? TOO_LARGE : DAMAGED;
}

/* .xz, and .lzma which came before it. */
static ssize_t unpack_lzma(const uint8_t *in, size_t size, uint8_t *out, size_t room)
{
	lzma_stream s = LZMA_STREAM_INIT;
	lzma_ret rc;

	if (lzma_auto_decoder(&s, XZ_MEMORY, 0) != LZMA_OK)
		return DAMAGED;
	s.next_in = in;
	s.avail_in = size;
	s.next_out = out;
	s.avail_out = room;
	do
		rc = lzma_code(&s, LZMA_FINISH);
	while (rc == LZMA_OK);
	lzma_end(&s);
	if (rc == LZMA_STREAM_END)
		return s.total_out;
	return rc == LZMA_BUF_ERROR && !s.avail_out ? TOO_LARGE : DAMAGED;
}

static ssize_t unpack_zstd(const uint8_t *in, size_t size, uint8_t *out, size_t room)
{
	size_t n = ZSTD_decompress(out, room, in, size);

	if (!ZSTD_isError(n))
		return n;
	return ZSTD_getErrorCode(n) == ZSTD_error_dstSize_tooSmall ? TOO_LARGE : DAMAGED;
}

/* A magic number, then blocks, each behind its packed size; the magic may come again. */
static ssize_t unpack_lz4(const uint8_t *in, size_t size, uint8_t *out, size_t room)
{
	size_t done = 0;

	while (size) {
		size_t left = room - done;
		uint32_t n;
		int got;

		if (size < 4)
			return DAMAGED;
		n = le32(in);
		in += 4;
		size -= 4;
		if (n == LZ4_MAGIC)
			continue;
		if (!n || n > size)
			return DAMAGED;
		got = LZ4_decompress_safe((const char *)in, (char *)out + done, n, left < LZ4_BLOCK ? left : LZ4_BLOCK);
		if (got < 0)	/* it does not say which */
			return left < LZ4_BLOCK ? TOO_LARGE : DAMAGED;
		done += got;
		in += n;
		size -= n;
	}
	return done;
}

static const struct format {
	const char *name, *magic;
	uint8_t nr_magic;
	unpack_fn *unpack;		/* NULL: known by name only */
} formats[] = {
	{ "gzip", "\x1f\x8b\x08", 3, unpack_gzip },
	{ "xz", "\xfd" "7zXZ", 6, unpack_lzma },
	{ "lzma", "\x5d\0\0", 3, unpack_lzma },
	{ "zstd", "\x28\xb5\x2f\xfd", 4, unpack_zstd },
	{ "lz4", "\x02\x21\x4c\x18", 4, unpack_lz4 },
	{ "bzip2", "BZh", 3, NULL },
	{ "lzo", "\x89LZO", 4, NULL },
};

static const struct format *format_of(const uint8_t *p, size_t size)
{
	for (size_t i = 0; i < sizeof(formats) / sizeof(formats[0]); i++)
		if (size >= formats[i].nr_magic && !memcmp(p, formats[i].magic, formats[i].nr_magic))
			return &formats[i];
	return NULL;
}

/* `room` bytes at most; `exact`: neither fewer. */
static const char *unpack(const struct format *f, const uint8_t *in, size_t size, size_t room, bool exact, struct image *out)
{
	uint8_t *p;
	ssize_t n;

	if (!f->unpack)
		return fail("it is packed with %s, which is not understood: build it with gzip, xz, lzma, lz4 or zstd, or give the vmlinux",
			    f->name);
	/* Memory is taken as it is written. */
	p = mmap(NULL, room, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (p == MAP_FAILED)
		return "there is no memory to unpack it: end something, or give the vmlinux";
	n = f->unpack(in, size, p, room);
	if (n > 0 && (!exact || (size_t)n == room)) {
		*out = (struct image){ p, n, p, room };
		return NULL;
	}
	munmap(p, room);
	if (n == TOO_LARGE && !exact)
		return fail("it unpacks to more than %zu MiB: it is damaged, or the domain needs more memory", room >> 20);
	return fail("its %s data is damaged or cut short: build or copy it again", f->name);
}

static const char *open_bzimage(const uint8_t *file, size_t size, size_t limit, struct image *out)
{
	uint32_t version, length, unpacked;
	const struct format *f;
	uint64_t at;

	if (size < HEADER_END)
		return "it is a bzImage cut short in its header: build or copy it again";
	version = file[VERSION] | file[VERSION + 1] << 8;
	if (version < 0x208)
		return fail("it is a bzImage of boot protocol %u.%02u, and 2.08 says first where the vmlinux is: give the vmlinux",
			    version >> 8, version & 0xff);
	at = ((file[SETUP_SECTS] ? file[SETUP_SECTS] : 4) + 1) * SECTOR + (uint64_t)le32(file + PAYLOAD_OFFSET);
	length = le32(file + PAYLOAD_LENGTH);
	if (at > size || length > size - at || length < 8)
		return "its packed vmlinux ends behind the file: it is truncated or damaged, build or copy it again";
	f = format_of(file + at, length);
	if (!f)
		return "its packed vmlinux has an unknown format: build it with gzip, xz, lzma, lz4 or zstd, or give the vmlinux";
	unpacked = le32(file + at + length - 4);
	if (unpacked > limit)
		return fail("it unpacks to %u MiB, and %zu are possible: it is damaged, or the domain needs more memory",
			    unpacked >> 20, limit >> 20);
	if (!unpacked)
		return fail("its %s data is damaged or cut short: build or copy it again", f->name);
	return unpack(f, file + at, f->unpack == unpack_gzip ? length : length - 4, unpacked, true, out);
}

const char *image_open(const void *file, size_t size, size_t limit, struct image *out)
{
	const uint8_t *p = file;
	const struct format *f;

	if (limit > IMAGE_MAX)
		limit = IMAGE_MAX;
	*out = (struct image){ p, size, NULL, 0 };
	if (size >= 4 && !memcmp(p, "\177ELF", 4))
		return NULL;
	if (size > IMAGE_MAX)
		return fail("it has %zu MiB, and no kernel has: give another", size >> 20);
	if (size >= MAGIC + 4 && !memcmp(p + MAGIC, "HdrS", 4))
		return open_bzimage(p, size, limit, out);
	f = format_of(p, size);
	return f ? unpack(f, p, size, limit, false, out) : NULL;
}

void image_close(struct image *img)
{
	if (img->own)
		munmap(img->own, img->room);
	*img = (struct image){ 0 };
}
