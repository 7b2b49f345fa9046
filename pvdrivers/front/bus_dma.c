// SPDX-License-Identifier: GPL-2.0-only
/*
 * bus_dma.c - what a guest lends to the back ends of its devices: the windows
 * of the VMI bus, and DMA operations that keep to them.
 *
 * With VMI_BUS_BOUNCE there are two windows: the bounce pool, through which all
 * data is copied, and the memory of the rings. With
 * VMI_BUS_FULL all RAM of the memory map is: nothing is allocated or copied, and
 * Linux's direct DMA operations serve.
 *
 * Invariant: with VMI_BUS_BOUNCE every DMA address lies in a window, as the
 *            operations here allocate each of them there; others than virtio's
 *            rings use are left out.
 * Locking:   pool.lock, with interrupts off: drivers map and unmap anywhere.
 * Trust:     domain 0 wrote the bus's header. The back ends are trusted with
 *            what goes through the windows, and with nothing else.
 */
#include <linux/bitmap.h>
#include <linux/blk_types.h>
#include <linux/dma-map-ops.h>
#include <linux/genalloc.h>
#include <linux/log2.h>
#include <linux/memblock.h>
#include <linux/mm.h>
#include <linux/minmax.h>
#include <linux/random.h>
#include <linux/sizes.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/swiotlb.h>
#include <asm/iommu.h>
#include "vmi.h"

#define POOL_MIN	SZ_2M
#define POOL_MAX	SZ_64M
#define RINGS_MIN	SZ_256K
#define SLOT		2048		/* most packets, heads and tails of requests, short lists */
#define SLOTS_MAX	SZ_8M		/* bytes that slots have, at most */
#define MAP_MAX		SZ_256K		/* a mapping; less in a small pool, where no such piece may be free */

struct vmi_bus *vmi_bus;

static struct gen_pool *rings_pool;
static void *rings;
static size_t rings_size;
static u64 unwritten;		/* no device writes it */

/*
 * Swiotlb's lists would do, but their search costs more than all the rest, and it
 * scatters the pieces of a request: here the lowest free pages are taken, so that
 * mostly the pieces lie one behind the other, and are one for the back end.
 */
static struct {
	spinlock_t lock;
	void *base;
	size_t size;			/* 0: no pool */
	unsigned long *used;		/* pages, those of slots left out */
	unsigned int nr_pages;
	unsigned int low;		/* no page before is free */
	unsigned int nr_free;		/* slots */
	void **slot;			/* those */
	phys_addr_t *origin;		/* for each SLOT bytes: where the data of a mapping that begins there is */
} pool = { .lock = __SPIN_LOCK_UNLOCKED(pool.lock) };

/* The end of setup_arch(): memory can be had in any amount, and the size of swiotlb's can be chosen. */
static void __init bus_memory_init(void)
{
	struct vmi_bus *bus = __va(vmi_start.bus);

	/* No device here has a limit of addresses: no pool for such, however much memory there is. */
	no_iommu = 1;
	if (!vmi_start.bus)
		return;
	if (bus->manager.magic != VMI_BUS_MAGIC || bus->manager.version != VMI_BUS_VERSION) {
		pr_err("vmi: the bus at %#llx has no header of version %d: no devices\n",
		       vmi_start.bus, VMI_BUS_VERSION);
		return;
	}
	vmi_bus = bus;
	if (bus->manager.share == VMI_BUS_FULL)
		return;
	/* A sixteenth, where the map has small holes, too. The command line may have given another size (swiotlb=). */
	swiotlb_adjust_size(clamp_t(unsigned long, rounddown_pow_of_two(memblock_phys_mem_size() / 15), POOL_MIN, POOL_MAX));
	pool.size = swiotlb_size_or_default();
	pool.base = memblock_alloc(pool.size, PAGE_SIZE);
	rings_size = max_t(size_t, pool.size / 16, RINGS_MIN);
	rings = memblock_alloc(rings_size, PAGE_SIZE);
}

/* The kernel has no memory map yet. */
void __init vmi_bus_reserve(void)
{
	if (vmi_start.features & VMI_FEAT_PRIVILEGED)
		return;
	if (vmi_start.bus)
		memblock_reserve(vmi_start.bus, VMI_BUS_PAGES * PAGE_SIZE);
	x86_init.hyper.guest_late_init = bus_memory_init;
}

static int __init all_ram(struct vmi_bus_window *w)
{
	unsigned int i, n = 0;

	for (i = 0; i < min_t(u32, vmi_start.nr_map, VMI_START_MAX_MAP); i++) {
		if (vmi_start.map[i].type != VMI_MAP_RAM)
			continue;
		if (n == VMI_BUS_WINDOWS)
			return -E2BIG;
		w[n++] = (struct vmi_bus_window) { vmi_start.map[i].base, vmi_start.map[i].size };
	}
	return 0;
}

/* The last eighth is slots. */
static int __init pool_init(void)
{
	size_t slots = min_t(size_t, ALIGN(pool.size / 8, PAGE_SIZE), SLOTS_MAX), at;

	pool.nr_pages = (pool.size - slots) >> PAGE_SHIFT;
	pool.used = bitmap_zalloc(pool.nr_pages, GFP_KERNEL);
	pool.slot = kvmalloc_array(slots / SLOT, sizeof(*pool.slot), GFP_KERNEL);
	pool.origin = kvcalloc(pool.size / SLOT, sizeof(*pool.origin), GFP_KERNEL);
	if (!pool.base || !pool.used || !pool.slot || !pool.origin)
		return -ENOMEM;
	for (at = slots; at; at -= SLOT)
		pool.slot[pool.nr_free++] = pool.base + pool.size - slots + at - SLOT;
	return 0;
}

int __init vmi_bus_windows(struct vmi_bus_window *w)
{
	if (!rings_size)
		return all_ram(w);
	unwritten = get_random_u64();
	rings_pool = gen_pool_create(PAGE_SHIFT, NUMA_NO_NODE);
	if (pool_init() || !rings || !rings_pool ||
	    gen_pool_add_virt(rings_pool, (unsigned long)rings, __pa(rings), rings_size, NUMA_NO_NODE))
		return -ENOMEM;
	w[0] = (struct vmi_bus_window) { __pa(pool.base), pool.size };
	w[1] = (struct vmi_bus_window) { __pa(rings), rings_size };
	return 0;
}

bool vmi_bus_bounces(void)
{
	return rings_size;
}

static void *bus_alloc(struct device *dev, size_t size, dma_addr_t *dma, gfp_t gfp, unsigned long attrs)
{
	return gen_pool_dma_zalloc(rings_pool, size, dma);
}

static void bus_free(struct device *dev, size_t size, void *vaddr, dma_addr_t dma, unsigned long attrs)
{
	gen_pool_free(rings_pool, (unsigned long)vaddr, size);
}

static void *at(dma_addr_t dma)
{
	return phys_to_virt(dma);
}

/* Where the data of a mapping is outside the pool. */
static phys_addr_t *origin(dma_addr_t dma)
{
	return &pool.origin[(at(dma) - pool.base) / SLOT];
}

/* By words: not slower than by bytes where that is fast, and eight times as fast where it is not. */
static void copy(void *to, const void *from, size_t size)
{
	size_t words = size / sizeof(u64);

	asm volatile("rep movsq" : "+D" (to), "+S" (from), "+c" (words) : : "memory");
	memcpy(to, from, size % sizeof(u64));
}

/*
 * Data that comes from a device is copied once, out of the pool. Others (swiotlb)
 * copy into it before, lest old content of the pool be taken for what the device
 * wrote. Drivers ask how much that is, but for disks': of those, a buffer whose
 * end the device did not write stays as it is. (So a request that found the pool
 * full when it was half-way costs little.)
 */
static bool only_out(size_t size, enum dma_data_direction dir)
{
	return dir == DMA_FROM_DEVICE && size >= SECTOR_SIZE;
}

static u64 *last_word(dma_addr_t dma, size_t size)
{
	return at(dma + size - sizeof(u64));
}

static void *pages_alloc(unsigned int from, unsigned int nr)
{
	unsigned int i = bitmap_find_next_zero_area(pool.used, pool.nr_pages, from, nr, 0);

	if (i >= pool.nr_pages)
		return NULL;
	bitmap_set(pool.used, i, nr);
	if (i == pool.low)
		pool.low = i + nr;
	return pool.base + ((size_t)i << PAGE_SHIFT);
}

/*
 * Others than disks look in the second half first: what waits there to receive
 * packets stays for long, and must not leave disks only short pieces.
 */
static void *pool_alloc(struct device *dev, size_t size)
{
	unsigned long flags;
	void *p = NULL;

	spin_lock_irqsave(&pool.lock, flags);
	if (size <= SLOT && pool.nr_free)
		p = pool.slot[--pool.nr_free];
	if (!p && !dev_get_drvdata(dev))
		p = pages_alloc(max(pool.low, pool.nr_pages / 2), PFN_UP(size));
	if (!p)
		p = pages_alloc(pool.low, PFN_UP(size));
	spin_unlock_irqrestore(&pool.lock, flags);
	return p;
}

static void pool_free(void *p, size_t size)
{
	unsigned int i = (p - pool.base) >> PAGE_SHIFT;
	unsigned long flags;

	spin_lock_irqsave(&pool.lock, flags);
	if (i < pool.nr_pages) {
		bitmap_clear(pool.used, i, PFN_UP(size));
		pool.low = min(pool.low, i);
	} else {
		pool.slot[pool.nr_free++] = p;
	}
	spin_unlock_irqrestore(&pool.lock, flags);
}

/* A full pool is no news: whoever is refused waits, or drops a packet. */
static dma_addr_t bus_map_page(struct device *dev, struct page *page, unsigned long offset, size_t size,
			       enum dma_data_direction dir, unsigned long attrs)
{
	phys_addr_t phys = page_to_phys(page) + offset;
	void *p = pool_alloc(dev, size);
	dma_addr_t dma;

	if (!p)
		return DMA_MAPPING_ERROR;
	dma = virt_to_phys(p);
	*origin(dma) = phys;
	if (only_out(size, dir))
		*last_word(dma, size) = unwritten;
	else
		copy(at(dma), phys_to_virt(phys), size);
	return dma;
}

static void bus_unmap_page(struct device *dev, dma_addr_t dma, size_t size, enum dma_data_direction dir,
			   unsigned long attrs)
{
	bool written = dir != DMA_TO_DEVICE;

	if (only_out(size, dir) && dev_get_drvdata(dev) && *last_word(dma, size) == unwritten)
		written = false;
	if (written)
		copy(phys_to_virt(*origin(dma)), at(dma), size);
	pool_free(at(dma), size);
}

static size_t bus_max_mapping_size(struct device *dev)
{
	return min_t(size_t, MAP_MAX, pool.size / 32);
}

static const struct dma_map_ops bus_dma_ops = {
	.alloc			= bus_alloc,
	.free			= bus_free,
	.map_page		= bus_map_page,
	.unmap_page		= bus_unmap_page,
	.max_mapping_size	= bus_max_mapping_size,
};

/* `dev` is the parent of a virtio device. */
int vmi_bus_dma_setup(struct device *dev, bool disk)
{
	dev_set_drvdata(dev, (void *)(unsigned long)disk);
	if (rings_size)
		set_dma_ops(dev, &bus_dma_ops);
	return dma_set_mask_and_coherent(dev, DMA_BIT_MASK(64));
}
