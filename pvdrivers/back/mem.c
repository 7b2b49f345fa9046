// SPDX-License-Identifier: GPL-2.0-only
/* mem.c - map the windows. See mem.h. */
#include <errno.h>
#include <sys/mman.h>

#include "mem.h"

void mem_touch(const struct mem *m)
{
	for (unsigned int i = 0; i < m->nr; i++)
		madvise(m->window[i].base, m->window[i].size, MADV_POPULATE_WRITE);
}

int mem_add(struct mem *m, uint64_t gpa, uint64_t size, int fd)
{
	struct mem_window *w = &m->window[m->nr];

	w->base = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (w->base == MAP_FAILED)
		return -errno;
	w->gpa = gpa;
	w->size = size;
	w->fd = fd;
	m->nr++;
	return 0;
}
