// SPDX-License-Identifier: GPL-2.0-only
/*
 * image.c - images of disks: opened, locked, and what they are said to be.
 *
 * An image is what it is said to be or is refused: nothing is guessed, for a guest
 * writes into a raw image what it likes, also the header of another format.
 * An image that a domain may write is locked against all others, unless they
 * share it (OFD locks, as QEMU's are: they go with the last descriptor, also a
 * back end's, however it ended). The images behind a qcow2 image are those that the
 * description names, or none; its header has to name the same.
 *
 * Trust: the domain's owner names the files, and gets those that the caller may
 * open. A raw image's content is a guest's, a qcow2 image's header its maker's: each
 * number is checked before it is used.
 */
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <linux/fs.h>
#include <unistd.h>

#include "devices_int.h"

#define SECTOR		512
#define HEAD		4096		/* of an image: what is looked at */
#define QCOW2_LONGEST	1023		/* name of an image behind another one */

/* The beginning of a qcow2 image; all big-endian. */
struct qcow2_header {
	uint32_t magic, version;
	uint64_t backing_at;
	uint32_t backing_len, cluster_bits;
	uint64_t size;
	uint32_t encryption, others[9];
	uint64_t incompatible;		/* version 3 */
} __attribute__((packed));

#define QCOW2_CORRUPT	(1ull << 1)
#define QCOW2_DATA_FILE	(1ull << 2)

/* One of the files of a disk. */
struct image {
	const struct device *dev;
	const char *path, *format, *behind;	/* behind: the path of the next one, or NULL */
	bool top, readonly;
};

/* With O_DIRECT other places are not possible. free() it. NULL: errno. */
static char *read_head(int fd, ssize_t *n)
{
	char *head = aligned_alloc(4096, HEAD);

	*n = head ? pread(fd, head, HEAD, 0) : -1;
	if (*n >= 0)
		return head;
	free(head);
	return NULL;
}

static const char *format_of(const char *head, ssize_t n)
{
	static const struct { const char *name; unsigned int at, len; const char *magic; } known[] = {
		{ "qcow2", 0, 4, "QFI\xfb" }, { "qed", 0, 4, "QED\0" }, { "vmdk", 0, 4, "KDMV" }, { "vmdk", 0, 4, "COWD" },
		{ "vmdk", 0, 21, "# Disk DescriptorFile" }, { "vhdx", 0, 8, "vhdxfile" }, { "vhd", 0, 8, "conectix" },
		{ "vdi", 64, 4, "\x7f\x10\xda\xbe" },
	};
	const char *name = "raw";

	for (size_t i = 0; i < ARRAY_SIZE(known); i++) {
		if (n >= known[i].at + known[i].len && !memcmp(head + known[i].at, known[i].magic, known[i].len))
			name = known[i].name;
	}
	return name;
}

static int lock_image(int fd, const struct image *i, struct hv_error *err)
{
	struct flock l = { .l_type = i->readonly || i->dev->shareable ? F_RDLCK : F_WRLCK, .l_whence = SEEK_SET };

	if (!fcntl(fd, F_OFD_SETLK, &l))
		return 0;
	if (errno == EAGAIN || errno == EACCES)
		return hv_fail(err, -EBUSY, "disk %s: %s is in use by another domain or program: end that one, or make it shareable in both",
			       i->dev->name, i->path);
	return hv_fail(err, -errno, "disk %s: %s cannot be locked: %s", i->dev->name, i->path, strerror(errno));
}

static int get_size(int fd, const struct image *i, uint64_t *size, struct hv_error *err)
{
	struct stat st;

	if (fstat(fd, &st))
		return hv_fail(err, -errno, "disk %s: %s: %s", i->dev->name, i->path, strerror(errno));
	if (S_ISREG(st.st_mode))
		*size = st.st_size;
	else if (!S_ISBLK(st.st_mode))
		return hv_fail(err, -EINVAL, "disk %s: %s is neither a file nor a block device", i->dev->name, i->path);
	else if (ioctl(fd, BLKGETSIZE64, size))
		return hv_fail(err, -errno, "disk %s: %s does not tell its size: %s", i->dev->name, i->path, strerror(errno));
	return 0;
}

static int check_sectors(const struct image *i, uint64_t size, struct hv_error *err)
{
	if (!size)
		return hv_fail(err, -EINVAL, "disk %s: %s is empty: give it a size: %s", i->dev->name, i->path,
			       strcmp(i->format, "raw") ? "qemu-img resize" : "truncate -s SIZE");
	if (size % SECTOR)
		return hv_fail(err, -EINVAL, "disk %s: %s has %lu bytes, which is not a whole number of sectors of %d: %s makes it one",
			       i->dev->name, i->path, size, SECTOR, strcmp(i->format, "raw") ? "qemu-img resize" : "truncate -s %512");
	return 0;
}

static bool same_file(const char *a, const char *b)
{
	struct stat x, y;

	return !stat(a, &x) && !stat(b, &y) && x.st_dev == y.st_dev && x.st_ino == y.st_ino;
}

/* What the header says is behind it is what the description says, or both say nothing. */
static int check_behind(const struct image *i, const char *named, struct hv_error *err)
{
	const char *slash = strrchr(i->path, '/');
	char *path;
	bool same;

	if (!named && !i->behind)
		return 0;
	if (!named)
		return hv_fail(err, -EINVAL, "disk %s: %s is complete, nothing is behind it: take <backingStore> out", i->dev->name, i->path);
	if (!i->behind)
		return hv_fail(err, -EINVAL, "disk %s: %s has \"%.300s\" behind it: name it and its format in <backingStore>, or make the image "
			       "complete: qemu-img convert -O qcow2", i->dev->name, i->path, named);
	path = *named == '/' ? xstrdup(named) : xasprintf("%.*s/%s", slash ? (int)(slash - i->path) : 1, slash ? i->path : ".", named);
	same = same_file(path, i->behind);
	free(path);
	if (!same)
		return hv_fail(err, -EINVAL, "disk %s: %s has \"%.300s\" behind it, <backingStore> says %s: correct it, or the image: "
			       "qemu-img rebase -u -F FORMAT -b %s", i->dev->name, i->path, named, i->behind, i->behind);
	return 0;
}

static int check_qcow2(const char *head, ssize_t n, const struct image *i, uint64_t *size, struct hv_error *err)
{
	char named[QCOW2_LONGEST + 1] = "";
	struct qcow2_header h;
	uint64_t at, incompatible;
	uint32_t len;

	if (n < (ssize_t)sizeof(h))
		return hv_fail(err, -EINVAL, "disk %s: %s ends before its header does", i->dev->name, i->path);
	memcpy(&h, head, sizeof(h));
	at = be64toh(h.backing_at);
	len = be32toh(h.backing_len);
	incompatible = be32toh(h.version) >= 3 ? be64toh(h.incompatible) : 0;
	if (be32toh(h.version) != 2 && be32toh(h.version) != 3)
		return hv_fail(err, -EINVAL, "disk %s: %s is qcow2 of version %u; there are 2 and 3: qemu-img convert -O qcow2", i->dev->name, i->path,
			       be32toh(h.version));
	if (h.encryption)
		return hv_fail(err, -EINVAL, "disk %s: %s is encrypted, and nobody has its key here: qemu-img convert -O qcow2", i->dev->name, i->path);
	if (incompatible & QCOW2_DATA_FILE)
		return hv_fail(err, -EINVAL, "disk %s: %s has its data in another file: qemu-img convert -O qcow2", i->dev->name, i->path);
	if (incompatible & QCOW2_CORRUPT && !i->readonly)
		return hv_fail(err, -EINVAL, "disk %s: %s is damaged: qemu-img check -r all", i->dev->name, i->path);
	if (at && (len > QCOW2_LONGEST || at > (uint64_t)n || len > n - at))
		return hv_fail(err, -EINVAL, "disk %s: %s has the name of what is behind it in no place for one: qemu-img check", i->dev->name, i->path);
	memcpy(named, head + at, at ? len : 0);
	*size = be64toh(h.size);
	return check_behind(i, at ? named : NULL, err);
}

/* What it is, and *size as a guest sees it. */
static int check_format(int fd, const struct image *i, uint64_t *size, struct hv_error *err)
{
	const char *format;
	ssize_t n;
	char *head = read_head(fd, &n);
	int rc = 0;

	if (!head)
		return hv_fail(err, -EIO, "disk %s: %s cannot be read: %s", i->dev->name, i->path, strerror(errno));
	format = format_of(head, n);
	if (strcmp(format, i->format))
		rc = hv_fail(err, -EINVAL, "disk %s: %s is said to be %s, but is %s: correct the format, or convert it: qemu-img convert -O %s",
			     i->dev->name, i->path, i->format, format, i->format);
	else if (!strcmp(format, "qcow2"))
		rc = check_qcow2(head, n, i, size, err);
	free(head);
	return rc;
}

/* lock: else its format is looked at; a raw image's is its guest's once that runs. */
static int image_open(const struct image *i, bool lock, uint64_t *size, struct hv_error *err)
{
	/* Not to wait for the other end of a FIFO; later it would make transfers fail. */
	int flags = (i->readonly ? O_RDONLY : O_RDWR) | O_CLOEXEC | O_NONBLOCK | O_NOCTTY, fd, rc;
	struct stat st = { 0 };

	if (!stat(i->path, &st) && S_ISDIR(st.st_mode))
		return hv_fail(err, -EISDIR, "disk %s: %s is a directory", i->dev->name, i->path);
	if (lock && !i->readonly && !i->dev->shareable && S_ISBLK(st.st_mode))
		flags |= O_EXCL;
	fd = open(i->path, flags);
	if (fd < 0 && errno == EBUSY)
		return hv_fail(err, -EBUSY, "disk %s: %s is in use in domain 0 (mounted?): unmount it, or make it shareable", i->dev->name, i->path);
	if (fd < 0)
		return hv_fail(err, -errno, "disk %s: cannot open %s%s: %s", i->dev->name, i->path, i->readonly ? "" : " for writing",
			       strerror(errno));
	rc = get_size(fd, i, size, err);
	if (!rc && (!lock || strcmp(i->format, "raw")))
		rc = check_format(fd, i, size, err);
	if (!rc && i->top)
		rc = check_sectors(i, *size, err);
	if (!rc && lock)
		rc = lock_image(fd, i, err);
	if (!rc && fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) & ~O_NONBLOCK))
		rc = -errno;
	if (!rc)
		return fd;
	close(fd);
	return rc;
}

static int open_top(const struct device *dev, bool lock, uint64_t *size, struct hv_error *err)
{
	const struct image i = {
		.dev = dev, .path = dev->source, .format = dev->format, .behind = dev->backing[0].source, .top = true, .readonly = dev->readonly,
	};

	return image_open(&i, lock, size, err);
}

static int open_behind(const struct device *dev, unsigned int nr, bool lock, struct hv_error *err)
{
	const struct image i = {
		.dev = dev, .path = dev->backing[nr].source, .format = dev->backing[nr].format,
		.behind = nr + 1 < DEVICE_BACKINGS ? dev->backing[nr + 1].source : NULL, .readonly = true,
	};
	uint64_t size;

	return image_open(&i, lock, &size, err);
}

int images_check(const struct device *dev, struct hv_error *err)
{
	uint64_t size;
	int fd = open_top(dev, false, &size, err);

	for (unsigned int i = 0; fd >= 0 && i < DEVICE_BACKINGS && dev->backing[i].source; i++) {
		close(fd);
		fd = open_behind(dev, i, false, err);
	}
	if (fd >= 0)
		close(fd);
	return fd < 0 ? fd : 0;
}

void image_id(int fd, uint64_t id[2])
{
	struct stat st = { 0 };

	fstat(fd, &st);
	id[0] = S_ISBLK(st.st_mode) ? S_IFBLK : st.st_dev;
	id[1] = S_ISBLK(st.st_mode) ? st.st_rdev : st.st_ino;
}

int images_look(const struct device *dev, struct image_sizes *sizes, struct hv_error *err)
{
	const struct device only_read = {
		.name = dev->name, .source = dev->source, .format = dev->format, .backing = { dev->backing[0] }, .readonly = true
	};
	int fd = open_top(&only_read, false, &sizes->capacity, err), rc = fd < 0 ? fd : 0;
	const struct image i = { .dev = dev, .path = dev->source };
	struct stat st;

	if (!rc)
		rc = get_size(fd, &i, &sizes->physical, err);
	if (!rc && !fstat(fd, &st))
		sizes->allocation = S_ISREG(st.st_mode) ? st.st_blocks * 512ull : sizes->physical;
	if (fd >= 0)
		close(fd);
	return rc;
}

int images_open(const struct device *dev, struct opened *o, struct hv_error *err)
{
	int rc = o->fd = open_top(dev, true, &o->size, err);

	for (unsigned int i = 0; rc >= 0 && i < DEVICE_BACKINGS && dev->backing[i].source; i++)
		rc = o->backing[i] = open_behind(dev, i, true, err);
	return rc < 0 ? rc : 0;
}
