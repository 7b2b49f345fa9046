// SPDX-License-Identifier: GPL-2.0-only
/* disk.c - the file behind a guest's disk. See disk.h. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <linux/fs.h>

#include "dev.h"
#include "disk.h"

#define ALIGN_MAX	4096
#define SLOW_BYTES	(256 << 10)	/* disk_slow()'s buffer */

static uint8_t buffer[SLOW_BYTES] __attribute__((aligned(ALIGN_MAX)));

/* Only trying tells what direct I/O takes: it depends on the file system and the device under it. */
static uint32_t probe_align(int fd)
{
	for (uint32_t align = SECTOR; align <= ALIGN_MAX; align *= 2)
		if (pread(fd, buffer, align, 0) >= 0)
			return align;
	die("file: it cannot be read directly: %s; use cache='writeback'", strerror(errno));
}

static void set_cache(struct disk *k, const char *cache)
{
	int flags = fcntl(k->fd, F_GETFL);

	k->sync = cache && !strcmp(cache, "writethrough");
	k->unsafe = cache && !strcmp(cache, "unsafe");
	k->direct = !cache || !strcmp(cache, "none");
	if (!k->direct && !k->sync && !k->unsafe && strcmp(cache, "writeback"))
		die("cache=%s: give none, writeback, writethrough or unsafe", cache);
	/* The description is the manager's, too, and a predecessor may have left it otherwise. */
	if (fcntl(k->fd, F_SETFL, k->direct ? flags | O_DIRECT : flags & ~O_DIRECT) < 0)
		k->direct = false;
}

uint64_t disk_size(const struct disk *k)
{
	off_t end = lseek(k->fd, 0, SEEK_END);

	return end < 0 ? 0 : (uint64_t)end / SECTOR * SECTOR;
}

void disk_open(struct disk *k, int fd, bool readonly, const char *cache)
{
	struct stat st;
	int n;

	memset(k, 0, sizeof(*k));
	k->fd = fd;
	k->readonly = readonly;
	k->align = SECTOR;
	k->physical = 4096;	/* pages of the cache, blocks of file systems */
	if (fstat(fd, &st))
		die("file: %s", strerror(errno));
	if (!S_ISREG(st.st_mode) && !S_ISBLK(st.st_mode))
		die("file: neither a file nor a block device");
	if (!readonly && (fcntl(fd, F_GETFL) & O_ACCMODE) != O_RDWR)
		die("file: opened for reading only; open it for both, or give readonly=1");
	set_cache(k, cache);
	k->size = disk_size(k);
	if (!k->size)
		die("file: it has less than one sector of %d bytes", SECTOR);
	if (k->direct)
		k->align = probe_align(fd);
	if (S_ISBLK(st.st_mode)) {
		unsigned int v;

		if (!ioctl(fd, BLKPBSZGET, &v) && v >= SECTOR)
			k->physical = v;
		if (!ioctl(fd, BLKIOMIN, &v))
			k->io_min = v;
		if (!ioctl(fd, BLKIOOPT, &n) && n > 0)
			k->io_opt = n;
	}
	if (k->physical < k->align)
		k->physical = k->align;
}

bool disk_fits(const struct disk *k, const struct iovec *iov, unsigned int nr, uint64_t offset, uint64_t len)
{
	uintptr_t bits = 0;

	if (!k->direct)
		return true;
	/* Devices take any buffer that is aligned as their sectors are. */
	for (unsigned int i = 0; i < nr; i++)
		bits |= (uintptr_t)iov[i].iov_base | iov[i].iov_len;
	return !(bits & (SECTOR - 1)) && !((offset | len) & (k->align - 1));
}

/* All of it, or as far as the file goes. */
static ssize_t read_all(int fd, uint8_t *to, size_t len, uint64_t at)
{
	size_t have = 0;

	while (have < len) {
		ssize_t n = pread(fd, to + have, len - have, at + have);

		if (n < 0 && errno != EINTR)
			return -errno;
		if (!n || (n > 0 && n % SECTOR))
			return have + n;	/* the end of the file */
		have += n > 0 ? n : 0;
	}
	return have;
}

static int write_all(const struct disk *k, const uint8_t *from, size_t len, uint64_t at)
{
	struct iovec v = { (void *)from, len };

	while (v.iov_len) {
		ssize_t n = pwritev2(k->fd, &v, 1, at, k->sync ? RWF_DSYNC : 0);

		if (n < 0 && errno != EINTR)
			return -errno;
		if (!n)
			return -EIO;
		if (n > 0) {
			v.iov_base = (uint8_t *)v.iov_base + n;
			v.iov_len -= n;
			at += n;
		}
	}
	return 0;
}

int disk_slow(struct disk *k, bool write, const struct iovec *iov, unsigned int nr, uint64_t offset, uint64_t len)
{
	uint64_t done = 0;

	while (done < len) {
		uint64_t from = (offset + done) / k->align * k->align;
		uint64_t end = (offset + len + k->align - 1) / k->align * k->align;
		size_t span = end - from < SLOW_BYTES ? end - from : SLOW_BYTES, skip = offset + done - from;
		size_t n = span - skip < len - done ? span - skip : len - done;
		ssize_t have = span;
		int rc;

		/* What a write does not replace stays as it is. */
		if (!write || skip || n != span) {
			have = read_all(k->fd, buffer, span, from);
			if (have < 0)
				return have;
			memset(buffer + have, 0, span - have);
		}
		if (!write) {
			if ((size_t)have < skip + n)
				return -ENODATA;
			ring_scatter(iov, nr, done, buffer + skip, n);
		} else {
			ring_gather(buffer + skip, iov, nr, done, n);
			rc = write_all(k, buffer, span, from);
			if (rc)
				return rc;
		}
		done += n;
	}
	return 0;
}
