/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * mem.h - the windows: what the guest lends, mapped.
 *
 * Addresses come from the guest. mem_in() alone turns one into a pointer (mem_at() and
 * mem_at_near() look for its window), and only where all of the range lies in one window.
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

static inline void *mem_in(const struct mem_window *w, uint64_t gpa, uint64_t len)
{
	return gpa >= w->gpa && gpa - w->gpa < w->size && len <= w->size - (gpa - w->gpa) ? w->base + (gpa - w->gpa) : NULL;
}

static inline void *mem_at(const struct mem *m, uint64_t gpa, uint64_t len)
{
	void *p = NULL;

	for (unsigned int i = 0; i < m->nr && !p; i++)
		p = mem_in(&m->window[i], gpa, len);
	return p;
}

/* The same for one of many, which mostly lie in one window: (*near), at first any. */
static inline void *mem_at_near(const struct mem *m, const struct mem_window **near, uint64_t gpa, uint64_t len)
{
	void *p = mem_in(*near, gpa, len);

	for (unsigned int i = 0; i < m->nr && !p; i++) {
		*near = &m->window[i];
		p = mem_in(*near, gpa, len);
	}
	return p;
}

/* The window of a pointer that mem_at() gave. */
static inline const struct mem_window *mem_window(const struct mem *m, const void *p)
{
	const struct mem_window *w = m->window;

	while ((uintptr_t)p - (uintptr_t)w->base >= w->size)
		w++;
	return w;
}

/* One load or store, that no compiler repeats or splits: of memory that the guest writes, too. */
#define READ_ONCE(x)		(*(const volatile __typeof__(x) *)&(x))
#define WRITE_ONCE(x, v)	(*(volatile __typeof__(x) *)&(x) = (v))

#endif
