// SPDX-License-Identifier: GPL-2.0-only
/*
 * elf.c - reading a guest kernel's ELF image: its segments and VMI notes.
 *
 * Sources: ELF-64 object file format 1.5; the notes are described in
 * docs/abi.md. Trust: the image is a user's file and may be anything; each
 * offset and size is checked against the image's end before it is used.
 */
#include <hv/elf.h>
#include <hv/lib.h>
#include <hv/mm.h>
#include <vmi/abi.h>

struct ehdr {
	u8 ident[16];
	u16 type, machine;
	u32 version;
	u64 entry, phoff, shoff;
	u32 flags;
	u16 ehsize, phentsize, phnum, shentsize, shnum, shstrndx;
};

struct phdr {
	u32 type, flags;
	u64 offset, vaddr, paddr, filesz, memsz, align;
};

struct note { u32 namesz, descsz, type; };

#define ET_EXEC		2
#define EM_X86_64	62
#define PT_LOAD		1
#define PT_NOTE		4

enum { GOT_VERSION = 1, GOT_ENTRY = 2, GOT_CR3 = 4 };

static const char *fail(const char *fmt, u64 a, u64 b)
{
	static char why[200];

	snprintf(why, sizeof(why), fmt, a, b);
	return why;
}

/* Collect our notes of one segment; the bits of what was found. */
static u32 read_notes(const u8 *p, u64 size, struct elf_kernel *k)
{
	u32 got = 0;

	while (size >= sizeof(struct note)) {
		struct note n;
		const u8 *name, *desc;
		u64 len;

		memcpy(&n, p, sizeof(n));
		len = sizeof(n) + ALIGN_UP((u64)n.namesz, 4) + ALIGN_UP((u64)n.descsz, 4);
		if (len > size)
			break;
		name = p + sizeof(n);
		desc = name + ALIGN_UP((u64)n.namesz, 4);
		if (n.namesz == 4 && !memcmp(name, "VMI", 4) && n.descsz >= 8) {
			switch (n.type) {
			case VMI_NOTE_VERSION:
				memcpy(&k->major, desc, 4);
				memcpy(&k->minor, desc + 4, 4);
				got |= GOT_VERSION;
				break;
			case VMI_NOTE_ENTRY:
				memcpy(&k->entry, desc, 8);
				got |= GOT_ENTRY;
				break;
			case VMI_NOTE_CR3:
				memcpy(&k->cr3, desc, 8);
				got |= GOT_CR3;
				break;
			}
		}
		p += len;
		size -= len;
	}
	return got;
}

const char *elf_parse(const void *image, u64 size, struct elf_kernel *k)
{
	const u8 *base = image;
	struct ehdr e;
	u32 got = 0;

	memset(k, 0, sizeof(*k));
	if (size < sizeof(e) || memcmp(base, "\177ELF", 4)) {
		if (size > 0x206 && !memcmp(base + 0x202, "HdrS", 4))
			return "it is a bzImage: give the uncompressed vmlinux of the same build";
		return "it is not an ELF image: give the vmlinux that `make kernel` builds";
	}
	memcpy(&e, base, sizeof(e));
	if (e.ident[4] != 2 || e.ident[5] != 1 || e.machine != EM_X86_64)
		return "it is an ELF image for another machine: build it for x86-64";
	if (e.type != ET_EXEC)
		return fail("it is an ELF file of type %lu, not an executable: give the linked kernel", e.type, 0);
	if (e.phentsize != sizeof(struct phdr) || !e.phnum || e.phoff > size ||
	    (u64)e.phnum * sizeof(struct phdr) > size - e.phoff)
		return "its program headers lie outside the file: it is truncated or damaged, build or copy it again";

	for (u32 i = 0; i < e.phnum; i++) {
		struct elf_segment *s;
		struct phdr p;

		memcpy(&p, base + e.phoff + i * sizeof(p), sizeof(p));
		if (p.type != PT_LOAD && p.type != PT_NOTE)
			continue;
		if (p.offset > size || p.filesz > size - p.offset)
			return fail("segment %lu ends behind the file's %lu bytes: it is truncated, build or copy it again",
				    i, size);
		if (p.type == PT_NOTE) {
			got |= read_notes(base + p.offset, p.filesz, k);
			continue;
		}
		if (!p.memsz)
			continue;
		if (p.filesz > p.memsz || p.paddr + p.memsz < p.paddr)
			return fail("segment %lu has impossible sizes: it is damaged, build or copy it again", i, 0);
		if (k->nr_segs == ELF_MAX_SEGMENTS)
			return fail("it has more than %lu segments: link it with fewer", ELF_MAX_SEGMENTS, 0);
		s = &k->seg[k->nr_segs++];
		*s = (struct elf_segment){ p.offset, p.filesz, p.paddr, p.memsz };
	}
	if (!(got & GOT_VERSION))
		return "it has no VMI notes: it was not built for this hypervisor (Linux: CONFIG_VMI_GUEST=y)";
	if (k->major != VMI_VERSION_MAJOR || k->minor > VMI_VERSION_MINOR) {
		static char why[160];

		snprintf(why, sizeof(why), "it needs VMI %u.%u, this hypervisor has %u.%u: %s", k->major, k->minor,
			 VMI_VERSION_MAJOR, VMI_VERSION_MINOR,
			 k->major < VMI_VERSION_MAJOR ? "build it again with this version's headers" :
			 "use a newer hypervisor or an older kernel");
		return why;
	}
	if ((got & (GOT_ENTRY | GOT_CR3)) != (GOT_ENTRY | GOT_CR3))
		return "its VMI notes lack the entry point or the initial page table: build it again";
	if (!va_canonical(k->entry) || !va_upper(k->entry) || k->cr3 & ~PAGE_MASK)
		return "the entry point or page table in its VMI notes is impossible: build it again";
	if (!k->nr_segs)
		return "it has nothing to load: build it again";
	return NULL;
}
