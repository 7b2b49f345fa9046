// SPDX-License-Identifier: GPL-2.0-only
/*
 * bus_dma.c - what a guest lends to the back ends of its devices: the windows
 * of the VMI bus, and DMA operations that keep to them.
 *
 * With VMI_BUS_BOUNCE there are two windows: the bounce pool, which is swiotlb's
 * and through which all data is copied, and the memory of the rings. With
 * VMI_BUS_FULL there is one, all of the RAM: nothing is allocated or copied,
 * and Linux's direct DMA operations serve.
 *
 * Invariant: with VMI_BUS_BOUNCE every DMA address lies in a window, as the
 *            operations here allocate each of them there; others than virtio's
 *            rings use are left out.
 * Trust:     domain 0 wrote the bus's header. The back ends are trusted with
 *            what goes through the windows, and with nothing else.
 */
#include <linux/dma-map-ops.h>
#include <linux/genalloc.h>
#include <linux/log2.h>
#include <linux/memblock.h>
#include <linux/sizes.h>
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

int __init vmi_bus_windows(struct vmi_bus_window *w)
{
	struct io_tlb_mem *pool = &io_tlb_default_mem;

	if (!rings_size) {
		u64 end = vmi_start.bus + VMI_BUS_PAGES * PAGE_SIZE;

		/* All but the bus itself. */
		w[0] = (struct vmi_bus_window) { 0, vmi_start.bus };
		w[1] = (struct vmi_bus_window) { end, memblock_end_of_DRAM() - end };
		return 0;
	}
	rings_pool = gen_pool_create(PAGE_SHIFT, NUMA_NO_NODE);
	if (!pool->nslabs || !rings || !rings_pool ||
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

/* With a page for each entry, no ring takes more than a quarter of the pool. */
unsigned int vmi_bus_ring_max(void)
{
	if (!rings_size)
		return VMI_BUS_QUEUE_MAX;
	return rounddown_pow_of_two(io_tlb_default_mem.nslabs << IO_TLB_SHIFT >> (PAGE_SHIFT + 2));
}

static void *bus_alloc(struct device *dev, size_t size, dma_addr_t *dma, gfp_t gfp, unsigned long attrs)
{
	return gen_pool_dma_zalloc(rings_pool, size, dma);
}

static void bus_free(struct device *dev, size_t size, void *vaddr, dma_addr_t dma, unsigned long attrs)
{
	gen_pool_free(rings_pool, (unsigned long)vaddr, size);
}

/* A full pool is no news: whoever is refused waits, or drops a packet. */
static dma_addr_t bus_map_page(struct device *dev, struct page *page, unsigned long offset, size_t size,
			       enum dma_data_direction dir, unsigned long attrs)
{
	return swiotlb_tbl_map_single(dev, page_to_phys(page) + offset, size, size, 0, dir,
				      attrs | DMA_ATTR_NO_WARN);
}

static const struct dma_map_ops bus_dma_ops = {
	.alloc			= bus_alloc,
	.free			= bus_free,
	.map_page		= bus_map_page,
	.unmap_page		= swiotlb_tbl_unmap_single,
	.sync_single_for_cpu	= swiotlb_sync_single_for_cpu,
	.sync_single_for_device	= swiotlb_sync_single_for_device,
	.max_mapping_size	= swiotlb_max_mapping_size,
};

/* `dev` is the parent of a virtio device. */
int vmi_bus_dma_setup(struct device *dev)
{
	if (rings_size)
		set_dma_ops(dev, &bus_dma_ops);
	return dma_set_mask_and_coherent(dev, DMA_BIT_MASK(64));
}
