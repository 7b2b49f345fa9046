// SPDX-License-Identifier: GPL-2.0-only
/*
 * bus_dma.c - what a guest lends to the back ends of its devices: the windows
 * of the VMI bus, and DMA operations that keep to them.
 *
 * With VMI_BUS_BOUNCE there are two windows: the bounce pool, which is swiotlb's
 * and through which all data is copied, and the memory of the rings. With
 * VMI_BUS_FULL all RAM of the memory map is: nothing is allocated or copied, and
 * Linux's direct DMA operations serve.
 *
 * Invariant: with VMI_BUS_BOUNCE every DMA address lies in a window, as the
 *            operations here allocate each of them there; others than virtio's
 *            rings use are left out.
 * Trust:     domain 0 wrote the bus's header. The back ends are trusted with
 *            what goes through the windows, and with nothing else.
 */
#include <linux/blk_types.h>
#include <linux/dma-map-ops.h>
#include <linux/genalloc.h>
#include <linux/log2.h>
#include <linux/memblock.h>
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

struct vmi_bus *vmi_bus;

static struct gen_pool *rings_pool;
static void *rings;
static size_t rings_size;
static u64 unwritten;		/* no device writes it */
static phys_addr_t *origins;	/* of each slot of the pool */

/*
 * Most mappings are of one slot (heads and tails of requests, packets) or of a page.
 * Slots of these sizes are kept for the next when they come free: to search swiotlb's
 * lists costs more than all the rest.
 */
#define NR_CLASSES	2
#define KEPT_MAX	256

static DEFINE_SPINLOCK(kept_lock);
static unsigned int kept_max;		/* of a class: at most a tenth of the pool in all */
static struct {
	unsigned int nr;
	dma_addr_t dma[KEPT_MAX];
} kept[NR_CLASSES];

/* The end of setup_arch(): memory can be had in any amount, and the size of swiotlb's can be chosen. */
static void __init bus_memory_init(void)
{
	struct vmi_bus *bus = __va(vmi_start.bus);
	unsigned long pool;

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
	/* A sixteenth, where the map has small holes, too; swiotlb would round up. */
	pool = clamp_t(unsigned long, rounddown_pow_of_two(memblock_phys_mem_size() / 15), POOL_MIN, POOL_MAX);
	swiotlb_adjust_size(pool);
	x86_swiotlb_enable = true;
	rings_size = max_t(size_t, pool / 16, RINGS_MIN);
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

int __init vmi_bus_windows(struct vmi_bus_window *w)
{
	struct io_tlb_mem *pool = &io_tlb_default_mem;

	if (!rings_size)
		return all_ram(w);
	unwritten = get_random_u64();
	rings_pool = gen_pool_create(PAGE_SHIFT, NUMA_NO_NODE);
	origins = kvcalloc(pool->nslabs, sizeof(*origins), GFP_KERNEL);
	kept_max = min_t(unsigned long, pool->nslabs / 32, KEPT_MAX);
	if (!pool->nslabs || !origins || !rings || !rings_pool ||
	    gen_pool_add_virt(rings_pool, (unsigned long)rings, __pa(rings), rings_size, NUMA_NO_NODE))
		return -ENOMEM;
	w[0] = (struct vmi_bus_window) { pool->start, pool->end - pool->start };
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

/* Where the data of a mapping is outside the pool; swiotlb keeps this to itself. */
static phys_addr_t *origin(dma_addr_t dma)
{
	return &origins[(dma - io_tlb_default_mem.start) >> IO_TLB_SHIFT];
}

/* By words: not slower than by bytes where that is fast, and eight times as fast where it is not. */
static void copy(void *to, const void *from, size_t size)
{
	size_t words = size / sizeof(u64);

	asm volatile("rep movsq" : "+D" (to), "+S" (from), "+c" (words) : : "memory");
	memcpy(to, from, size % sizeof(u64));
}

/*
 * Data that comes from a device is copied once, out of the pool. swiotlb itself
 * copies into it before, lest old content of the pool be taken for what the device
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

static unsigned int class_of(size_t size)
{
	return size <= IO_TLB_SIZE ? 0 : size <= 2 * IO_TLB_SIZE ? 1 : NR_CLASSES;
}

static dma_addr_t pool_alloc(struct device *dev, phys_addr_t phys, size_t size)
{
	unsigned int class = class_of(size);
	dma_addr_t dma = DMA_MAPPING_ERROR;
	unsigned long flags;

	if (class < NR_CLASSES) {
		spin_lock_irqsave(&kept_lock, flags);
		if (kept[class].nr)
			dma = kept[class].dma[--kept[class].nr];
		spin_unlock_irqrestore(&kept_lock, flags);
		size = IO_TLB_SIZE << class;
	}
	if (dma == DMA_MAPPING_ERROR)
		dma = swiotlb_tbl_map_single(dev, phys, 0, size, 0, DMA_BIDIRECTIONAL, DMA_ATTR_NO_WARN);
	return dma;
}

static void pool_free(struct device *dev, dma_addr_t dma, size_t size)
{
	unsigned int class = class_of(size);
	bool keep = false;
	unsigned long flags;

	if (class < NR_CLASSES) {
		spin_lock_irqsave(&kept_lock, flags);
		keep = kept[class].nr < kept_max;
		if (keep)
			kept[class].dma[kept[class].nr++] = dma;
		spin_unlock_irqrestore(&kept_lock, flags);
	}
	if (!keep)
		swiotlb_tbl_unmap_single(dev, dma, size, DMA_BIDIRECTIONAL, DMA_ATTR_SKIP_CPU_SYNC);
}

/* The pool is full: what is kept may be what is missing. */
static void pool_drain(struct device *dev)
{
	unsigned int class;
	unsigned long flags;

	spin_lock_irqsave(&kept_lock, flags);
	for (class = 0; class < NR_CLASSES; class++)
		while (kept[class].nr)
			swiotlb_tbl_unmap_single(dev, kept[class].dma[--kept[class].nr], IO_TLB_SIZE << class,
						 DMA_BIDIRECTIONAL, DMA_ATTR_SKIP_CPU_SYNC);
	spin_unlock_irqrestore(&kept_lock, flags);
}

/* A full pool is no news: whoever is refused waits, or drops a packet. */
static dma_addr_t bus_map_page(struct device *dev, struct page *page, unsigned long offset, size_t size,
			       enum dma_data_direction dir, unsigned long attrs)
{
	phys_addr_t phys = page_to_phys(page) + offset;
	dma_addr_t dma = pool_alloc(dev, phys, size);

	if (dma == DMA_MAPPING_ERROR) {
		pool_drain(dev);
		dma = pool_alloc(dev, phys, size);
		if (dma == DMA_MAPPING_ERROR)
			return dma;
	}
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
	pool_free(dev, dma, size);
}

static const struct dma_map_ops bus_dma_ops = {
	.alloc			= bus_alloc,
	.free			= bus_free,
	.map_page		= bus_map_page,
	.unmap_page		= bus_unmap_page,
	.max_mapping_size	= swiotlb_max_mapping_size,
};

/* `dev` is the parent of a virtio device. */
int vmi_bus_dma_setup(struct device *dev, bool disk)
{
	dev_set_drvdata(dev, (void *)(unsigned long)disk);
	if (rings_size)
		set_dma_ops(dev, &bus_dma_ops);
	return dma_set_mask_and_coherent(dev, DMA_BIT_MASK(64));
}
