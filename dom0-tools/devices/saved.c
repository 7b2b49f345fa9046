// SPDX-License-Identifier: GPL-2.0-only
/*
 * saved.c - what a manager of devices leaves for its successor: DIR/UUID.slots has a
 * line for each device (name, slot, serial, ports, and of disks which file is the image), DIR/UUID-N.state what is in flight.
 *
 * Trust: DIR is the manager's alone (mode 0700). Back ends write the state files through the
 * descriptors they are given; nothing of the slots' file is in their reach.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "saved.h"

#define SLOTS_MAX	(64u << 10)

static char *path_of(const char *dir, const uint8_t uuid[16], const char *end)
{
	char id[UUID_LEN];

	uuid_format(uuid, id);
	return xasprintf("%s/%s%s", dir, id, end);
}

static char *state_path(const char *dir, const uint8_t uuid[16], unsigned int slot)
{
	char end[24];

	snprintf(end, sizeof(end), "-%u.state", slot);
	return path_of(dir, uuid, end);
}

void saved_write(const struct devices *m)
{
	struct strbuf b = { 0 };
	char *path, *fresh;
	int fd;

	if (!m->dir || m->cfg.simulate)
		return;
	for (unsigned int i = 0; i < VMI_BUS_SLOTS; i++) {
		const struct slot *s = &m->slot[i];

		if (s->phase == P_NONE)
			continue;
		sb_printf(&b, "%s %u %u", s->dev.name, i, s->serial);
		for (unsigned int p = 0; p < s->nr_ports; p++)
			sb_printf(&b, " %u", s->port[p]);
		if (s->image[0])
			sb_printf(&b, " %lu %lu", s->image[0], s->image[1]);
		sb_puts(&b, "\n");
	}
	/* Those that are not taken up yet: we may be killed before they are. */
	if (m->before)
		sb_puts(&b, m->before);
	mkdir(m->dir, 0700);
	path = path_of(m->dir, m->cfg.uuid, ".slots");
	fresh = path_of(m->dir, m->cfg.uuid, ".slots.new");
	fd = open(fresh, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (fd < 0 || write_all(fd, b.s, b.len) || rename(fresh, path))
		tell((struct devices *)m, DEVICE_EV_ERROR, NULL, "cannot write %s: %s; devices will not outlive this manager", path, strerror(errno));
	if (fd >= 0)
		close(fd);
	free(path);
	free(fresh);
	sb_free(&b);
}

static bool parse(char *line, const char *name, unsigned int queues, struct saved_slot *out)
{
	char *save = NULL, *w = strtok_r(line, " ", &save);
	uint64_t v[5 + VMI_BUS_QUEUES] = { 0 };
	unsigned int n = 0, ports = 1 + queues;

	if (!w || strcmp(w, name))
		return false;
	while ((w = strtok_r(NULL, " ", &save)) && n < ARRAY_SIZE(v)) {
		if (!parse_u64(w, &v[n++]))
			return false;
	}
	if (w || (n != 2 + ports && n != 4 + ports) || v[0] >= VMI_BUS_SLOTS)
		return false;
	*out = (struct saved_slot){ .slot = v[0], .serial = v[1] };
	for (unsigned int i = 0; i < ports; i++)
		out->port[i] = v[2 + i];
	if (n == 4 + ports)
		memcpy(out->image, v + 2 + ports, sizeof(out->image));
	return true;
}

void saved_load(struct devices *m)
{
	char *path = path_of(m->dir, m->cfg.uuid, ".slots");

	m->before = read_file(path, SLOTS_MAX, NULL);
	free(path);
}

bool saved_read(struct devices *m, const char *name, unsigned int queues, struct saved_slot *out)
{
	bool found = false;
	size_t len;

	for (char *l = m->before; l && *l && !found; l += len + (l[len] == '\n')) {
		char *copy;

		len = strcspn(l, "\n");
		copy = xstrndup(l, len);
		found = parse(copy, name, queues, out);
		free(copy);
		/* From now on it is one of m's own slots. */
		if (found)
			memset(l, ' ', len);
	}
	return found;
}

int saved_state(const char *dir, const uint8_t uuid[16], unsigned int slot, bool keep)
{
	char *path;
	int fd;

	if (!dir) {
		fd = memfd_create("vmi-state", MFD_CLOEXEC);
		return fd < 0 ? -errno : fd;
	}
	mkdir(dir, 0700);
	path = state_path(dir, uuid, slot);
	if (!keep)
		unlink(path);
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	/* The back end opens what it was given once more, for a lock of its own. */
	if (fd < 0 || fchmod(fd, 0666))
		fd = -errno;
	free(path);
	return fd;
}

void saved_forget(const char *dir, const uint8_t uuid[16], unsigned int slot)
{
	char *path = dir ? state_path(dir, uuid, slot) : NULL;

	if (path)
		unlink(path);
	free(path);
}

void saved_forget_all(const char *dir, const uint8_t uuid[16])
{
	char *path = dir ? path_of(dir, uuid, ".slots") : NULL;

	if (path)
		unlink(path);
	free(path);
}
