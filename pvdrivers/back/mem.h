/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * mem.h - the windows: what the guest lends, mapped.
 *
 * Addresses come from the guest. mem_at() alone turns one into a pointer, and only
 * where all of the range lies in one window.
 */
#ifndef BACK_MEM_H
#define BACK_MEM_H

#include <stddef.h>
#include <stdint.h>

#include <vmi/bus.h>

struct mem_window {
	uint64_t gpa, size;
	uint8_t *base;
	int fd;
};

struct mem {
	unsigned int nr;
	struct mem_window window[VMI_BUS_WINDOWS];
};

/* 0, or -errno of the mapping. */
int mem_add(struct mem *m, uint64_t gpa, uint64_t size, int fd);

/* Have all pages at hand: for windows that are pools, whose every page will be used. */
void mem_touch(const struct mem *m);

static inline void *mem_at(const struct mem *m, uint64_t gpa, uint64_t len)
{
	for (unsigned int i = 0; i < m->nr; i++) {
		const struct mem_window *w = &m->window[i];

		if (gpa >= w->gpa && gpa - w->gpa < w->size && len <= w->size - (gpa - w->gpa))
			return w->base + (gpa - w->gpa);
	}
	return NULL;
}

/* One load or store, that no compiler repeats or splits: of memory that the guest writes, too. */
#define READ_ONCE(x)		(*(const volatile __typeof__(x) *)&(x))
#define WRITE_ONCE(x, v)	(*(volatile __typeof__(x) *)&(x) = (v))

#endif
