// SPDX-License-Identifier: GPL-2.0-only
/*
 * open.c - what a device needs of domain 0, opened: taps, terminals, and what
 * image.c and nbd.c open.
 *
 * Trust: the domain's owner names the files, and gets those that the caller may open.
 */
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <termios.h>
#include <unistd.h>

#include "devices_int.h"

static int open_tap(const struct devices *m, const struct device *dev, unsigned int slot, struct opened *o, struct hv_error *err)
{
	const char *bridge = dev->bridge ? dev->bridge : "";
	int vhost;

	o->mtu = dev->mtu;
	if (dev->slirp)
		return user_net_open(dev, o, err);
	if (dev->tap)
		snprintf(o->tap, sizeof(o->tap), "%s", dev->tap);
	else
		snprintf(o->tap, sizeof(o->tap), "vif%u.%u", m->cfg.domid, slot);
	if (m->cfg.simulate)
		return 0;
	o->fd = broker_tap(o->tap, bridge, dev->mac, device_pairs(dev), &o->mtu);
	/* -EINVAL: it is no tap. */
	if (o->fd == -EBUSY || (o->fd == -EINVAL && if_nametoindex(o->tap)))
		return hv_fail(err, o->fd, "interface %s: there is an interface %s already: choose another target name", dev->name, o->tap);
	if (o->fd == -ENODEV)
		return hv_fail(err, o->fd, "interface %s: there is no bridge %s: ip link add %s type bridge; ip link set %s up", dev->name, bridge, bridge, bridge);
	if (o->fd < 0)
		return hv_fail(err, o->fd, "interface %s: cannot make the tap %s%s%s: %s", dev->name, o->tap, *bridge ? " on " : "", bridge, strerror(-o->fd));
	while (o->nr_more < device_pairs(dev) - 1) {
		int fd = broker_tap_queue(o->tap);

		if (fd < 0)
			return hv_fail(err, fd, "interface %s: the tap %s gets no more than %u queues: %s", dev->name, o->tap, 1 + o->nr_more,
				       strerror(-fd));
		o->more[o->nr_more++] = fd;
	}
	vhost = dev->user_net || dev->in.average || dev->out.average ? -1 : broker_vhost();
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
	/* One that takes no connections, so that they queue up, is not waited for. */
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), rc;

	if (fd < 0)
		return -errno;
	if (snprintf(a.sun_path, sizeof(a.sun_path), "%s", path) < (int)sizeof(a.sun_path)) {
		if (!connect(fd, (struct sockaddr *)&a, sizeof(a)) && !fcntl(fd, F_SETFL, 0))
			return fd;
	} else {
		errno = ENAMETOOLONG;
	}
	rc = -errno;
	close(fd);
	return rc;
}

int device_open(const struct devices *m, const struct device *dev, unsigned int slot, bool known, struct opened *o, struct hv_error *err)
{
	int rc = 0;

	*o = NOTHING_OPEN;
	switch (dev->kind) {
	case DEVICE_BLOCK:
		rc = images_open(dev, o, err);
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
		/* A guest that has it already waits for it. */
		rc = m->cfg.simulate || known ? 0 : vhost_user_connect(dev->source);
		if (rc < 0)
			hv_fail(err, rc, "%s: nobody serves %s: %s; start its server first", dev->name, dev->source, strerror(-rc));
		else if (rc)
			close(rc);
		break;
	case DEVICE_SERVED:
		rc = !dev->nbd ? images_open(dev, o, err) : m->cfg.simulate ? 0 : nbd_look(dev, &o->size, err);
		if (dev->nbd && known)
			rc = 0;
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
	for (unsigned int i = 0; i < DEVICE_BACKINGS; i++) {
		if (o->backing[i] >= 0)
			close(o->backing[i]);
	}
	while (o->nr_more)
		close(o->more[--o->nr_more]);
	while (o->nr_forwards)
		close(o->forward[--o->nr_forwards]);
	*o = NOTHING_OPEN;
}
