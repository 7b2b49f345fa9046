// SPDX-License-Identifier: GPL-2.0-only
/*
 * vhost.c - handing the data queues of a network card to the kernel's vhost-net.
 *
 * From then on a kernel thread reads the rings through this process's mappings, and
 * moves frames between them and the tap; eventfds join it to the guest's ports. The
 * thread ends with the file: a back end that is killed leaves none behind.
 *
 * Trust: the kernel checks the rings by itself; where one is wrong it says so on the
 *        `err` eventfd and stops serving it.
 */
#include <errno.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include "vhost.h"

static int call(int fd, unsigned long request, void *arg)
{
	return ioctl(fd, request, arg) ? -errno : 0;
}

int vhost_open(int fd, const struct mem *mem, uint64_t *features)
{
	struct vhost_memory *m = calloc(1, sizeof(*m) + sizeof(m->regions[0]) * mem->nr);
	unsigned int i;
	int rc;

	if (!m)
		return -ENOMEM;
	m->nregions = mem->nr;
	for (i = 0; i < mem->nr; i++) {
		m->regions[i].guest_phys_addr = mem->window[i].gpa;
		m->regions[i].memory_size = mem->window[i].size;
		m->regions[i].userspace_addr = (uintptr_t)mem->window[i].base;
	}
	rc = call(fd, VHOST_SET_OWNER, NULL);
	if (!rc)
		rc = call(fd, VHOST_SET_MEM_TABLE, m);
	if (!rc)
		rc = call(fd, VHOST_GET_FEATURES, features);
	free(m);
	return rc;
}

int vhost_features(int fd, uint64_t features)
{
	return call(fd, VHOST_SET_FEATURES, &features);
}

int vhost_ring_start(int fd, const struct hand_ring *r)
{
	struct vhost_vring_state num = { r->index, r->size }, base = { r->index, r->base };
	struct vhost_vring_file kick = { r->index, r->kick }, told = { r->index, r->call }, err = { r->index, r->err };
	struct vhost_vring_addr addr = {
		.index = r->index, .desc_user_addr = (uintptr_t)r->desc, .avail_user_addr = (uintptr_t)r->avail,
		.used_user_addr = (uintptr_t)r->used,
	};
	int rc = call(fd, VHOST_SET_VRING_NUM, &num);

	if (!rc)
		rc = call(fd, VHOST_SET_VRING_BASE, &base);
	if (!rc)
		rc = call(fd, VHOST_SET_VRING_ADDR, &addr);
	if (!rc)
		rc = call(fd, VHOST_SET_VRING_ERR, &err);
	if (!rc)
		rc = call(fd, VHOST_SET_VRING_CALL, &told);
	return rc ? rc : call(fd, VHOST_SET_VRING_KICK, &kick);
}

int vhost_tap(int fd, unsigned int index, int tap)
{
	struct vhost_vring_file backend = { index, tap };

	return call(fd, VHOST_NET_SET_BACKEND, &backend);
}
