/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * disk.h - the file or block device behind a guest's disk.
 *
 * Opened by the manager, raw. Every access is by byte offset within `size`, which
 * the caller checks; it is 512-aligned, as is the length, and nothing else is sure:
 * where the file is used without the page cache (direct), disk_fits() says if a
 * request can go to it as it is. Others take disk_slow(), which waits.
 */
#ifndef BACK_DISK_H
#define BACK_DISK_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/uio.h>

#include "blk.h"

struct disk {
	int fd;
	bool readonly;
	bool direct;			/* no page cache: cache=none */
	bool sync;			/* each write reaches the medium: cache=writethrough, or a guest that never flushes */
	bool unsafe;			/* flushes do nothing */
	uint64_t size;			/* bytes, whole sectors */
	uint32_t align;			/* of offsets and lengths, where direct: 512 or more */
	uint32_t physical;		/* block size that is not read, changed and written */
	uint32_t io_min, io_opt;	/* bytes; 0: not known */
};

/* cache: none (NULL; a file system without direct I/O, as tmpfs, gives writeback), writeback, writethrough, unsafe. Errors: die(). */
void disk_open(struct disk *k, int fd, bool readonly, const char *cache);
/* How large it is now. */
uint64_t disk_size(const struct disk *k);
bool disk_fits(const struct disk *k, const struct iovec *iov, unsigned int nr, uint64_t offset, uint64_t len);
/* Read or write through an aligned buffer; nothing else may be in flight. 0 or -errno; -ENODATA: the file ends before. */
int disk_slow(struct disk *k, bool write, const struct iovec *iov, unsigned int nr, uint64_t offset, uint64_t len);

#endif
