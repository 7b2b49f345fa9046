/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * kernel_image.h - a small vmlinux and bzImages of it, for tests.
 */
#ifndef KERNEL_IMAGE_H
#define KERNEL_IMAGE_H

#include <lz4.h>
#include <lzma.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <vmi/abi.h>
#include <zlib.h>
#include <zstd.h>

#define CODE_GPA	0x1000000UL
#define CODE_SIZE	0x30000

struct vmlinux {
	struct {
		uint8_t ident[16];
		uint16_t type, machine;
		uint32_t version;
		uint64_t entry, phoff, shoff;
		uint32_t flags;
		uint16_t ehsize, phentsize, phnum, shentsize, shnum, shstrndx;
	} e;
	struct { uint32_t type, flags; uint64_t offset, vaddr, paddr, filesz, memsz, align; } ph[2];
	struct { uint32_t namesz, descsz, type; char name[4]; uint64_t desc; } note[3];
	uint8_t code[CODE_SIZE];
};

static void make_vmlinux(struct vmlinux *v)
{
	static const uint64_t desc[] = {
		VMI_VERSION_MAJOR | (uint64_t)VMI_VERSION_MINOR << 32, 0xffffffff81000000, CODE_GPA,
	};

	memset(v, 0, sizeof(*v));
	memcpy(v->e.ident, "\177ELF\2\1\1", 7);
	v->e.type = 2;
	v->e.machine = 62;
	v->e.phoff = offsetof(struct vmlinux, ph);
	v->e.phentsize = sizeof(v->ph[0]);
	v->e.phnum = 2;
	v->ph[0].type = 1;
	v->ph[0].offset = offsetof(struct vmlinux, code);
	v->ph[0].paddr = CODE_GPA;
	v->ph[0].filesz = v->ph[0].memsz = CODE_SIZE;
	v->ph[1].type = 4;
	v->ph[1].offset = offsetof(struct vmlinux, note);
	v->ph[1].filesz = v->ph[1].memsz = sizeof(v->note);
	for (int i = 0; i < 3; i++) {
		v->note[i].namesz = 4;
		v->note[i].descsz = 8;
		v->note[i].type = i + 1;
		memcpy(v->note[i].name, "VMI", 4);
		v->note[i].desc = desc[i];
	}
	for (size_t i = 0; i < CODE_SIZE; i++)
		v->code[i] = i * i >> 7;
}

enum { GZIP, XZ, LZMA, ZSTD, LZ4, NR_FORMATS };

/* The bytes written; `room` is enough. */
static inline size_t pack(int how, const void *in, size_t size, uint8_t *out, size_t room)
{
	z_stream z = { .next_in = (uint8_t *)in, .avail_in = size, .next_out = out, .avail_out = room };
	lzma_stream s = LZMA_STREAM_INIT;
	lzma_options_lzma options;
	uint32_t n;

	switch (how) {
	case GZIP:
		deflateInit2(&z, 6, Z_DEFLATED, 16 + MAX_WBITS, 8, Z_DEFAULT_STRATEGY);
		deflate(&z, Z_FINISH);
		deflateEnd(&z);
		return z.total_out;
	case XZ:
	case LZMA:
		lzma_lzma_preset(&options, 1);
		if ((how == XZ ? lzma_easy_encoder(&s, 1, LZMA_CHECK_CRC32) : lzma_alone_encoder(&s, &options)) != LZMA_OK)
			abort();
		s.next_in = in;
		s.avail_in = size;
		s.next_out = out;
		s.avail_out = room;
		if (lzma_code(&s, LZMA_FINISH) != LZMA_STREAM_END)
			abort();
		lzma_end(&s);
		return s.total_out;
	case ZSTD:
		return ZSTD_compress(out, room, in, size, 3);
	default:
		n = LZ4_compress_default(in, (char *)out + 8, size, room - 8);
		memcpy(out, &(uint32_t){ 0x184c2102 }, 4);
		memcpy(out + 4, &n, 4);
		return n + 8;
	}
}

#define SETUP_SECTORS	3
#define STUB		0x320
#define PAYLOAD_AT	((SETUP_SECTORS + 1) * 512 + STUB)

static inline size_t pack_bzimage(int how, const void *in, size_t size, uint8_t *out, size_t room)
{
	uint32_t n = pack(how, in, size, out + PAYLOAD_AT, room - PAYLOAD_AT - 4);

	memset(out, 0, PAYLOAD_AT);
	if (how != GZIP) {
		memcpy(out + PAYLOAD_AT + n, &(uint32_t){ size }, 4);
		n += 4;
	}
	out[0x1f1] = SETUP_SECTORS;
	memcpy(out + 0x1fe, "\x55\xaa\xeb\x6aHdrS\x0f\x02", 10);
	memcpy(out + 0x248, &(uint32_t){ STUB }, 4);
	memcpy(out + 0x24c, &n, 4);
	return PAYLOAD_AT + n;
}

#endif
