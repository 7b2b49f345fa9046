/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * vhost.h - the kernel's vhost-net serves the data queues of a network card (vhost.c).
 */
#ifndef BACK_VHOST_H
#define BACK_VHOST_H

#include <linux/vhost.h>

#include "hand.h"

/* What is called after init(), for the sandbox. */
#define VHOST_IOCTLS	VHOST_SET_FEATURES, VHOST_SET_VRING_NUM, VHOST_SET_VRING_BASE, VHOST_SET_VRING_ADDR, \
			VHOST_SET_VRING_ERR, VHOST_SET_VRING_CALL, VHOST_SET_VRING_KICK, VHOST_NET_SET_BACKEND

/* Each: 0 or -errno. The file is one of /dev/vhost-net that nobody has used before. */
int vhost_open(int fd, const struct mem *m, uint64_t *features);
int vhost_features(int fd, uint64_t features);
int vhost_ring_start(int fd, const struct hand_ring *r);
/* The kernel moves frames between a ring that has started and this tap. -1: it stops doing so, and does nothing more with the ring. */
int vhost_tap(int fd, unsigned int index, int tap);

#endif
