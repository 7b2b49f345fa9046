/* SPDX-License-Identifier: MIT */
/*
 * bus.h - the VMI bus: how a guest finds and drives its virtio devices.
 *
 * The bus is VMI_BUS_PAGES pages of the guest's own memory (vmi_start_info.bus; its
 * memory map says that they are reserved): a header page, then one page for each slot, where a device may be. Three parties
 * write there, each its own lines of 64 bytes, so that nobody overwrites another:
 *
 *   manager    domain 0's tools (vmid, vmi-boot): which slots hold a device
 *   back end   the process that serves one device
 *   guest      the driver; everything in these pages can be changed by the guest
 *              at any time, so the other two never read back what they wrote
 *
 * Devices are virtio 1.x (OASIS Virtual I/O Device 1.1) with split rings, in the
 * guest's native (little-endian) byte order. Doorbells are event ports: one of
 * the bus, one of each device for its status and configuration, one of each
 * queue. A port is raised by either end, and says: look.
 *
 * Life of a slot (manager's state / guest's state):
 *
 *   EMPTY/FREE --back end ready--> PRESENT/FREE --driver--> PRESENT/BOUND
 *   PRESENT/BOUND --detach--> LEAVING/BOUND --driver--> LEAVING/FREE --> EMPTY/FREE
 *
 * A slot is used again only from EMPTY/FREE. EMPTY while the guest is BOUND: the
 * device is gone without notice; the guest lets go of it as from LEAVING.
 *
 * Device status is virtio's status byte: the guest writes `status`, raises the
 * device's port, and after a reset (0) or FEATURES_OK waits until the back end's
 * `status` is equal (0), or has FEATURES_OK. The back end adds NEEDS_RESET to
 * its own when a ring is not one, or where it refuses the features; it then
 * serves nothing until a reset. A back end that dies is started again; it finds
 * the status and the rings here and goes on, and raises each port once.
 *
 * The window: what the guest lends. Rings, and what descriptors point to, are
 * outside it at the guest's own loss: the back end cannot see it. With
 * VMI_BUS_BOUNCE, devices have VIRTIO_F_ACCESS_PLATFORM, and the guest copies
 * into and out of a pool; with VMI_BUS_FULL the window is all of its RAM.
 * The windows do not change once the guest's `state` is READY.
 */
#ifndef VMI_BUS_H
#define VMI_BUS_H

#include <vmi/shared.h>

#define VMI_BUS_MAGIC		0x3153554249494d56	/* "VMIIBUS1", little-endian bytes */
#define VMI_BUS_VERSION		1
#define VMI_BUS_PAGES		32
#define VMI_BUS_SLOTS		(VMI_BUS_PAGES - 1)	/* slot n is page n + 1 */
#define VMI_BUS_WINDOWS		4
#define VMI_BUS_QUEUES		26		/* of one device */
#define VMI_BUS_CONFIG		256		/* bytes of device configuration */
#define VMI_BUS_QUEUE_MAX	1024		/* entries of a ring */

/* vmi_bus.share */
#define VMI_BUS_BOUNCE		0
#define VMI_BUS_FULL		1

/* vmi_bus.guest.state */
#define VMI_BUS_NONE		0		/* no driver yet */
#define VMI_BUS_READY		1		/* the windows are valid */

/* vmi_slot.manager.state */
#define VMI_SLOT_EMPTY		0
#define VMI_SLOT_PRESENT	1
#define VMI_SLOT_LEAVING	2

/* vmi_slot.guest.state */
#define VMI_SLOT_FREE		0
#define VMI_SLOT_BOUND		1

struct vmi_bus_window {
	uint64_t gpa;			/* page-aligned */
	uint64_t size;			/* bytes, whole pages; 0: not used */
};

struct vmi_bus_manager {
	uint64_t magic;			/* VMI_BUS_MAGIC */
	uint32_t version;		/* VMI_BUS_VERSION */
	uint32_t share;			/* VMI_BUS_BOUNCE or VMI_BUS_FULL */
	uint32_t generation;		/* raised when a slot's manager state changed */
	uint32_t expect;		/* a bit per slot that will be PRESENT soon: the guest's boot waits for it */
	uint32_t reserved[10];
};

struct vmi_bus_guest {
	uint32_t state;			/* VMI_BUS_NONE or VMI_BUS_READY */
	uint32_t reserved0;
	struct vmi_bus_window window[VMI_BUS_WINDOWS];
	uint32_t reserved[14];
};

/* Page 0. */
struct vmi_bus {
	struct vmi_bus_manager manager;
	struct vmi_bus_guest guest;
};

struct vmi_queue_back {
	uint32_t size_max;		/* entries, a power of two */
	uint32_t port;			/* of the guest */
	uint32_t reserved[14];
};

struct vmi_queue_guest {
	uint32_t size;			/* entries, a power of two up to size_max */
	uint32_t enabled;		/* 1: the addresses are valid; 0 after a reset */
	uint64_t desc, avail, used;	/* guest-physical */
	uint32_t reserved[8];
};

struct vmi_queue {
	struct vmi_queue_back back;
	struct vmi_queue_guest guest;
};

struct vmi_slot_manager {
	uint32_t state;			/* VMI_SLOT_EMPTY, PRESENT, LEAVING */
	uint32_t serial;		/* another one for each device that comes */
	uint32_t reserved[14];
};

struct vmi_slot_guest {
	uint32_t state;			/* VMI_SLOT_FREE, BOUND */
	uint32_t status;		/* virtio device status that the driver wants */
	uint64_t features;		/* the driver's; valid from FEATURES_OK on */
	uint32_t config_gen;		/* raised after each write to config_guest */
	uint32_t reserved[11];
};

struct vmi_slot_back {
	uint32_t device;		/* virtio device identifier */
	uint32_t status;		/* the device's answer */
	uint64_t features;		/* the device's */
	uint32_t config_size;		/* bytes, up to VMI_BUS_CONFIG */
	uint32_t config_gen;		/* odd while config is written */
	uint32_t nr_queues;
	uint32_t port;			/* of the guest: status and configuration */
	uint32_t config_seen;		/* the guest's config_gen: what it wrote until then was obeyed */
	uint32_t reserved[7];
};

/* Pages 1 on. */
struct vmi_slot {
	struct vmi_slot_manager manager;
	struct vmi_slot_guest guest;
	struct vmi_slot_back back;
	uint8_t reserved[64];
	uint8_t config[VMI_BUS_CONFIG];		/* back end's: virtio device configuration */
	uint8_t config_guest[VMI_BUS_CONFIG];	/* guest's: what the driver wrote, at the same offsets */
	struct vmi_queue queue[VMI_BUS_QUEUES];
};

VMI_ASSERT("vmi_bus", sizeof(struct vmi_bus) == 192);
VMI_ASSERT("vmi_bus.guest", offsetof(struct vmi_bus, guest) == 64);
VMI_ASSERT("vmi_queue", sizeof(struct vmi_queue) == 128);
VMI_ASSERT("vmi_slot.config", offsetof(struct vmi_slot, config) == 256);
VMI_ASSERT("vmi_slot.queue", offsetof(struct vmi_slot, queue) == 768);
VMI_ASSERT("vmi_slot", sizeof(struct vmi_slot) == 4096);

#endif
