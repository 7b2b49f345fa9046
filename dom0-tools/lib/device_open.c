// SPDX-License-Identifier: GPL-2.0-only
/*
 * device_open.c - what a device needs of domain 0, opened: images, taps, terminals.
 *
 * An image is what it is said to be or is refused: nothing is guessed, for a guest
 * writes into a raw image what it likes, also the header of another format.
 * An image that a domain may write is locked against all others, unless they
 * share it (OFD locks, as QEMU's are: they go with the last descriptor, also a
 * back end's, however it ended).
 *
 * Trust: the domain's owner names the files, and gets those that the caller may
 * open. The images' content is a guest's.
 */
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <linux/fs.h>
#include <termios.h>
#include <unistd.h>

#include "broker.h"
#include "devices_int.h"

#define SECTOR	512

static const char *format_of(int fd)
{
	static const struct { const char *name; unsigned int at, len; const char *magic; } known[] = {
		{ "qcow2", 0, 4, "QFI\xfb" }, { "qed", 0, 4, "QED\0" }, { "vmdk", 0, 4, "KDMV" }, { "vmdk", 0, 4, "COWD" },
		{ "vmdk", 0, 21, "# Disk DescriptorFile" }, { "vhdx", 0, 8, "vhdxfile" }, { "vhd", 0, 8, "conectix" },
		{ "vdi", 64, 4, "\x7f\x10\xda\xbe" },
	};
	/* With O_DIRECT not possible otherwise. */
	char *head = aligned_alloc(4096, 4096);
	ssize_t n = head ? pread(fd, head, 4096, 0) : -1;
	const char *name = "raw";

	for (size_t i = 0; i < ARRAY_SIZE(known); i++) {
		if (n >= known[i].at + known[i].len && !memcmp(head + known[i].at, known[i].magic, known[i].len))
			name = known[i].name;
	}
	free(head);
	return n < 0 ? NULL : name;
}

static int lock_image(int fd, const struct device *dev, struct hv_error *err)
{
	struct flock l = { .l_type = dev->readonly || dev->shareable ? F_RDLCK : F_WRLCK, .l_whence = SEEK_SET };

	if (!fcntl(fd, F_OFD_SETLK, &l))
		return 0;
	if (errno == EAGAIN || errno == EACCES)
		return hv_fail(err, -EBUSY, "disk %s: %s is in use by another domain or program: end that one, or make it shareable in both",
			       dev->name, dev->source);
	return hv_fail(err, -errno, "disk %s: %s cannot be locked: %s", dev->name, dev->source, strerror(errno));
}

static int check_format(int fd, const struct device *dev, struct hv_error *err)
{
	const char *format = format_of(fd);

	if (!format)
		return hv_fail(err, -EIO, "disk %s: %s cannot be read: %s", dev->name, dev->source, strerror(errno));
	if (strcmp(format, dev->format))
		return hv_fail(err, -EINVAL, "disk %s: %s is said to be %s, but is %s: correct the format, or convert it: qemu-img convert -O raw",
			       dev->name, dev->source, dev->format, format);
	return 0;
}

static int get_size(int fd, const struct device *dev, uint64_t *size, struct hv_error *err)
{
	struct stat st;

	if (fstat(fd, &st))
		return hv_fail(err, -errno, "disk %s: %s: %s", dev->name, dev->source, strerror(errno));
	if (S_ISREG(st.st_mode))
		*size = st.st_size;
	else if (!S_ISBLK(st.st_mode))
		return hv_fail(err, -EINVAL, "disk %s: %s is neither a file nor a block device", dev->name, dev->source);
	else if (ioctl(fd, BLKGETSIZE64, size))
		return hv_fail(err, -errno, "disk %s: %s does not tell its size: %s", dev->name, dev->source, strerror(errno));
	return 0;
}

static int check_sectors(const struct device *dev, const uint64_t *size, struct hv_error *err)
{
	if (!*size || *size % SECTOR)
		return hv_fail(err, -EINVAL, "disk %s: %s has %lu bytes, which is not a whole number of sectors of %d: truncate -s %%512 makes it one",
			       dev->name, dev->source, *size, SECTOR);
	return 0;
}

int image_open_raw(const struct device *dev, bool lock, uint64_t *size, struct hv_error *err)
{
	/* Not to wait for the other end of a FIFO; later it would make transfers fail. */
	int flags = (dev->readonly ? O_RDONLY : O_RDWR) | O_CLOEXEC | O_NONBLOCK | O_NOCTTY, fd, rc;
	struct stat st = { 0 };

	if (!stat(dev->source, &st) && S_ISDIR(st.st_mode))
		return hv_fail(err, -EISDIR, "disk %s: %s is a directory", dev->name, dev->source);
	if (lock && !dev->readonly && !dev->shareable && S_ISBLK(st.st_mode))
		flags |= O_EXCL;
	fd = open(dev->source, flags);
	if (fd < 0 && errno == EBUSY)
		return hv_fail(err, -EBUSY, "disk %s: %s is in use in domain 0 (mounted?): unmount it, or make it shareable", dev->name, dev->source);
	if (fd < 0)
		return hv_fail(err, -errno, "disk %s: cannot open %s%s: %s", dev->name, dev->source, dev->readonly ? "" : " for writing",
			       strerror(errno));
	rc = get_size(fd, dev, size, err);
	if (!rc && !lock)
		rc = check_format(fd, dev, err);
	if (!rc)
		rc = check_sectors(dev, size, err);
	if (!rc && lock)
		rc = lock_image(fd, dev, err);
	if (!rc && fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) & ~O_NONBLOCK))
		rc = -errno;
	if (!rc)
		return fd;
	close(fd);
	return rc;
}

static int open_tap(const struct devices *m, const struct device *dev, unsigned int slot, struct opened *o, struct hv_error *err)
{
	const char *bridge = dev->bridge ? dev->bridge : "";
	int vhost;

	if (dev->tap)
		snprintf(o->tap, sizeof(o->tap), "%s", dev->tap);
	else
		snprintf(o->tap, sizeof(o->tap), "vif%u.%u", m->cfg.domid, slot);
	o->mtu = dev->mtu;
	if (m->cfg.simulate)
		return 0;
	o->fd = broker_tap(o->tap, bridge, dev->mac, &o->mtu);
	switch (o->fd) {
	case -ENODEV:
		return hv_fail(err, o->fd, "interface %s: there is no bridge %s: ip link add %s type bridge; ip link set %s up", dev->name, bridge, bridge, bridge);
	case -EBUSY:
		return hv_fail(err, o->fd, "interface %s: there is an interface %s already: choose another target name", dev->name, o->tap);
	}
	if (o->fd < 0)
		return hv_fail(err, o->fd, "interface %s: cannot make the tap %s%s%s: %s", dev->name, o->tap, *bridge ? " on " : "", bridge, strerror(-o->fd));
	vhost = dev->user_net ? -1 : broker_vhost();
	o->vhost = vhost >= 0;
	if (o->vhost)
		close(vhost);		/* each back end gets its own */
	return 0;
}

static int open_pty(const struct device *dev, struct opened *o, struct hv_error *err)
{
	struct termios t;

	o->fd = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC | O_NONBLOCK);
	if (o->fd < 0 || grantpt(o->fd) || unlockpt(o->fd) || ptsname_r(o->fd, o->pty, sizeof(o->pty)))
		return hv_fail(err, -errno, "console %s: no pseudo-terminal: %s", dev->name, strerror(errno));
	/* Held open, so that it is not hung up whenever a reader goes. */
	o->other = open(o->pty, O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (o->other < 0 || tcgetattr(o->other, &t))
		return hv_fail(err, -errno, "console %s: %s: %s", dev->name, o->pty, strerror(errno));
	cfmakeraw(&t);
	tcsetattr(o->other, TCSANOW, &t);
	return 0;
}

int vhost_user_connect(const char *path)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), rc;

	if (fd < 0)
		return -errno;
	if (snprintf(a.sun_path, sizeof(a.sun_path), "%s", path) < (int)sizeof(a.sun_path)) {
		if (!connect(fd, (struct sockaddr *)&a, sizeof(a)))
			return fd;
	} else {
		errno = ENAMETOOLONG;
	}
	rc = -errno;
	close(fd);
	return rc;
}

int device_open(const struct devices *m, const struct device *dev, unsigned int slot, struct opened *o, struct hv_error *err)
{
	int rc = 0;

	*o = (struct opened){ .fd = -1, .other = -1 };
	switch (dev->kind) {
	case DEVICE_BLOCK:
		rc = o->fd = image_open_raw(dev, true, &o->size, err);
		break;
	case DEVICE_NET:
		rc = open_tap(m, dev, slot, o, err);
		break;
	case DEVICE_CONSOLE:
		rc = m->cfg.simulate ? 0 : open_pty(dev, o, err);
		break;
	case DEVICE_RNG:
		o->fd = open(dev->source ? dev->source : "/dev/urandom", O_RDONLY | O_CLOEXEC | O_NOCTTY);
		if (o->fd < 0)
			rc = hv_fail(err, -errno, "rng %s: cannot open %s: %s", dev->name, dev->source ? dev->source : "/dev/urandom", strerror(errno));
		break;
	case DEVICE_BALLOON:
		rc = o->fd = m->cfg.simulate ? -1 : broker_balloon(m->cfg.domid);
		if (rc < 0 && !m->cfg.simulate)
			hv_fail(err, rc, "%s: the domain's memory cannot be given back: %s", dev->name, strerror(-rc));
		else
			rc = 0;
		break;
	case DEVICE_VHOST_USER:
		rc = m->cfg.simulate ? 0 : vhost_user_connect(dev->source);
		if (rc < 0)
			hv_fail(err, rc, "%s: nobody serves %s: %s; start its server first", dev->name, dev->source, strerror(-rc));
		else if (rc)
			close(rc);
		break;
	default:
		break;
	}
	if (rc >= 0)
		return 0;
	device_close(o);
	return rc;
}

void device_close(struct opened *o)
{
	if (o->fd >= 0)
		close(o->fd);
	if (o->other >= 0)
		close(o->other);
	o->fd = o->other = -1;
}
