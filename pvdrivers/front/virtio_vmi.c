// SPDX-License-Identifier: GPL-2.0-only
/*
 * virtio_vmi.c - the VMI bus in the guest: devices come and go by the lines of
 * their slots (vmi/bus.h), and Linux's virtio drivers drive them through here.
 *
 * Each slot's page is asked and told; its ports are interrupts, one of each queue
 * and one of the device. The work of a slot is the only one that adds and removes
 * its device; the bus's work sets those going, and breaks the rings of a device
 * that is gone without notice, so that nobody queues more. What was in flight
 * then is the manager's affair: it has the back end fail it before it takes it away.
 *
 * A back end may be away and come back (it is restarted): answers are waited for
 * as long as the device is there, with a word in the log after 5 s.
 *
 * Names: disks are vda, vdb... in the order of slots at boot, later in the order
 * in which they come. hvc0 and hvc1 stay the hypervisor's lines; virtio consoles
 * are hvc2 and on. Linux has one hvc console for its messages, which is hvc0.
 *
 * Locking: bus_lock for bus_slot.dev against its going; interrupts do not take it.
 * Trust:   domain 0's tools mean well, but lines may be half-written, and the
 *          guest must stand that. Nothing here is read twice to be believed.
 */
#include <linux/err.h>
#include <linux/interrupt.h>
#include <linux/platform_device.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/virtio.h>
#include <linux/virtio_config.h>
#include <linux/virtio_ids.h>
#include <linux/virtio_ring.h>
#include <linux/wait.h>
#include <linux/workqueue.h>
#include <uapi/linux/virtio_ids.h>
#include "vmi.h"

#define VENDOR		0x494d56	/* "VMI" */
#define WARN_AFTER	5		/* seconds */
#define LEAVE_AFTER	30		/* seconds that a leaving device is waited for */
#define BOOT_WAIT	30		/* seconds for all devices that were announced */
#define CONFIG_TRIES	100

struct bus_slot {
	struct vmi_slot *page;
	struct vmi_dev *dev;		/* 0: free */
	struct work_struct work;
	bool settled;			/* the work ran since it was set going */
};

struct vmi_dev {
	struct virtio_device vdev;
	struct platform_device *parent;
	struct vmi_slot *page;
	wait_queue_head_t wait;		/* for an answer of the back end */
	u32 serial;
	u32 config_gen;			/* the last that the driver was told of */
	u32 config_sent;
	unsigned int port;
	int irq;
	u8 status;			/* the driver's; FEATURES_OK only when answered */
	bool broken;			/* said so */
	bool queues;			/* are there */
	struct {
		unsigned int port;
		int irq;
		char name[32];
	} queue[VMI_BUS_QUEUES];
};

static struct bus_slot slots[VMI_BUS_SLOTS];
static DEFINE_SPINLOCK(bus_lock);
static DECLARE_WAIT_QUEUE_HEAD(bus_wait);
static bool booted;

static inline struct vmi_dev *to_dev(struct virtio_device *vdev)
{
	return container_of(vdev, struct vmi_dev, vdev);
}

static bool is_gone(struct vmi_dev *d)
{
	return READ_ONCE(d->page->manager.state) == VMI_SLOT_EMPTY ||
	       READ_ONCE(d->page->manager.serial) != d->serial;
}

static bool is_leaving(struct vmi_dev *d)
{
	return READ_ONCE(d->page->manager.state) != VMI_SLOT_PRESENT || is_gone(d);
}

/* Wait for the back end, which may be away for a while; false: it does not answer. */
static bool wait_back(struct vmi_dev *d, bool (*done)(struct vmi_dev *), unsigned int limit)
{
	unsigned int s = 0;

	while (!wait_event_timeout(d->wait, done(d) || is_gone(d), HZ)) {
		if (++s == WARN_AFTER)
			dev_warn(&d->parent->dev, "waiting for its back end\n");
		if ((limit && s >= limit) || (is_leaving(d) && s >= LEAVE_AFTER) ||
		    (system_state > SYSTEM_RUNNING && s >= WARN_AFTER)) {
			dev_err(&d->parent->dev, "its back end does not answer\n");
			return false;
		}
	}
	return done(d);
}

static bool has_reset(struct vmi_dev *d)
{
	return !READ_ONCE(d->page->back.status);
}

static bool has_features(struct vmi_dev *d)
{
	return READ_ONCE(d->page->back.status) & (VIRTIO_CONFIG_S_FEATURES_OK | VIRTIO_CONFIG_S_NEEDS_RESET);
}

static bool has_config(struct vmi_dev *d)
{
	return READ_ONCE(d->page->back.config_seen) == d->config_sent;
}

/* ---- virtio's operations ------------------------------------------------- */

static u32 bus_generation(struct virtio_device *vdev)
{
	return READ_ONCE(to_dev(vdev)->page->back.config_gen);
}

static void bus_get(struct virtio_device *vdev, unsigned int offset, void *buf, unsigned int len)
{
	struct vmi_slot *p = to_dev(vdev)->page;
	int tries = 0;
	u32 gen;

	if (offset > VMI_BUS_CONFIG || len > VMI_BUS_CONFIG - offset) {
		memset(buf, 0, len);
		return;
	}
	do {
		/* Odd: it is being written, or its writer died and comes again. */
		while (((gen = bus_generation(vdev)) & 1) && tries++ < CONFIG_TRIES)
			schedule_timeout_uninterruptible(1);
		smp_rmb();
		memcpy(buf, p->config + offset, len);
		smp_rmb();
	} while (gen != bus_generation(vdev) && tries++ < CONFIG_TRIES);
}

static void bus_set(struct virtio_device *vdev, unsigned int offset, const void *buf, unsigned int len)
{
	struct vmi_dev *d = to_dev(vdev);

	if (offset > VMI_BUS_CONFIG || len > VMI_BUS_CONFIG - offset)
		return;
	memcpy(d->page->config_guest + offset, buf, len);
	smp_wmb();
	WRITE_ONCE(d->page->guest.config_gen, ++d->config_sent);
	vmi_evt_send(d->port);
	/* What is read from now on is after the write. */
	wait_back(d, has_config, WARN_AFTER);
}

static u8 bus_get_status(struct virtio_device *vdev)
{
	struct vmi_dev *d = to_dev(vdev);

	return d->status | (READ_ONCE(d->page->back.status) & VIRTIO_CONFIG_S_NEEDS_RESET);
}

static void send_status(struct vmi_dev *d, u8 status)
{
	smp_wmb();
	WRITE_ONCE(d->page->guest.status, status);
	vmi_evt_send(d->port);
}

static void bus_set_status(struct virtio_device *vdev, u8 status)
{
	struct vmi_dev *d = to_dev(vdev);
	bool features = status & ~d->status & VIRTIO_CONFIG_S_FEATURES_OK;

	status &= ~VIRTIO_CONFIG_S_NEEDS_RESET;
	if (features)
		WRITE_ONCE(d->page->guest.features, vdev->features);
	send_status(d, status);
	if (features && (!wait_back(d, has_features, 0) ||
			 !(READ_ONCE(d->page->back.status) & VIRTIO_CONFIG_S_FEATURES_OK)))
		status &= ~VIRTIO_CONFIG_S_FEATURES_OK;
	d->status = status;
}

static void bus_reset(struct virtio_device *vdev)
{
	struct vmi_dev *d = to_dev(vdev);
	unsigned int i;

	send_status(d, 0);
	wait_back(d, has_reset, 0);
	d->status = 0;
	d->broken = false;
	for (i = 0; i < VMI_BUS_QUEUES; i++)
		if (d->queue[i].irq)
			synchronize_irq(d->queue[i].irq);
}

static u64 bus_get_features(struct virtio_device *vdev)
{
	return READ_ONCE(to_dev(vdev)->page->back.features);
}

static int bus_finalize_features(struct virtio_device *vdev)
{
	vring_transport_features(vdev);
	__virtio_clear_bit(vdev, VIRTIO_F_RING_PACKED);
	/* The balloon's driver drops it, as page numbers are no DMA addresses; rings and lists lie in the pool all the same. */
	if (vmi_bus_bounces() && vdev->id.device == VIRTIO_ID_BALLOON &&
	    bus_get_features(vdev) & BIT_ULL(VIRTIO_F_ACCESS_PLATFORM))
		__virtio_set_bit(vdev, VIRTIO_F_ACCESS_PLATFORM);
	if (!__virtio_test_bit(vdev, VIRTIO_F_VERSION_1) ||
	    (vmi_bus_bounces() && !__virtio_test_bit(vdev, VIRTIO_F_ACCESS_PLATFORM))) {
		dev_err(&vdev->dev, "its back end is not of this bus: features %#llx\n", vdev->features);
		return -ENODEV;
	}
	return 0;
}

/* It may fail while the back end is away: that one looks at all rings when it comes. */
static bool kick(struct virtqueue *vq)
{
	vmi_evt_send((unsigned long)vq->priv);
	return true;
}

/* Always handled: a ring that was polled in between has nothing new, and that is no fault of the line. */
static irqreturn_t queue_irq(int irq, void *vq)
{
	vring_interrupt(irq, vq);
	return IRQ_HANDLED;
}

static void del_queue(struct vmi_dev *d, struct virtqueue *vq)
{
	unsigned int i = vq->index;

	WRITE_ONCE(d->page->queue[i].guest.enabled, 0);
	if (d->queue[i].irq) {
		free_irq(d->queue[i].irq, vq);
		vmi_port_irq_put(d->queue[i].port, d->queue[i].irq);
		d->queue[i].irq = 0;
	}
	vring_del_virtqueue(vq);
}

static void bus_del_vqs(struct virtio_device *vdev)
{
	struct virtqueue *vq, *next;
	struct vmi_dev *d = to_dev(vdev);

	spin_lock(&bus_lock);
	d->queues = false;
	spin_unlock(&bus_lock);
	list_for_each_entry_safe(vq, next, &vdev->vqs, list)
		del_queue(d, vq);
}

static int connect_queue(struct vmi_dev *d, struct virtqueue *vq, unsigned int port)
{
	unsigned int i = vq->index;
	int irq = vmi_port_irq_get(port), rc;

	if (irq < 0)
		return irq;
	snprintf(d->queue[i].name, sizeof(d->queue[i].name), "%s-%s", dev_name(&d->vdev.dev), vq->name);
	rc = request_irq(irq, queue_irq, 0, d->queue[i].name, vq);
	if (rc) {
		vmi_port_irq_put(port, irq);
		return rc;
	}
	d->queue[i].port = port;
	d->queue[i].irq = irq;
	return 0;
}

static struct virtqueue *add_queue(struct vmi_dev *d, unsigned int i, vq_callback_t *callback,
				   const char *name, bool ctx)
{
	struct vmi_queue *q = &d->page->queue[i];
	unsigned int size, port;
	struct virtqueue *vq;
	int rc;

	if (i >= min_t(u32, READ_ONCE(d->page->back.nr_queues), VMI_BUS_QUEUES))
		return ERR_PTR(-ENOENT);
	size = READ_ONCE(q->back.size_max);
	port = READ_ONCE(q->back.port);
	if (!is_power_of_2(size) || size > VMI_BUS_QUEUE_MAX)
		return ERR_PTR(-EINVAL);
	/* Never a smaller one: no chain may be longer than its ring, and drivers do not see to that. */
	vq = vring_create_virtqueue(i, size, SMP_CACHE_BYTES, &d->vdev, true, false, ctx, kick, callback, name);
	if (!vq)
		return ERR_PTR(-ENOMEM);
	vq->num_max = size;
	vq->priv = (void *)(unsigned long)port;
	rc = callback ? connect_queue(d, vq, port) : 0;
	if (rc) {
		vring_del_virtqueue(vq);
		return ERR_PTR(rc);
	}
	q->guest.size = virtqueue_get_vring_size(vq);
	q->guest.desc = virtqueue_get_desc_addr(vq);
	q->guest.avail = virtqueue_get_avail_addr(vq);
	q->guest.used = virtqueue_get_used_addr(vq);
	smp_wmb();
	WRITE_ONCE(q->guest.enabled, 1);
	return vq;
}

static int bus_find_vqs(struct virtio_device *vdev, unsigned int nr, struct virtqueue *vqs[],
			vq_callback_t *callbacks[], const char * const names[], const bool *ctx,
			struct irq_affinity *desc)
{
	struct vmi_dev *d = to_dev(vdev);
	unsigned int i, index = 0;

	for (i = 0; i < nr; i++) {
		vqs[i] = NULL;
		if (!names[i])
			continue;
		vqs[i] = add_queue(d, index, callbacks[i], names[i], ctx && ctx[i]);
		if (IS_ERR(vqs[i])) {
			dev_err(&vdev->dev, "queue %u (%s): %ld\n", index, names[i], PTR_ERR(vqs[i]));
			bus_del_vqs(vdev);
			return PTR_ERR(vqs[i]);
		}
		index++;
	}
	spin_lock(&bus_lock);
	d->queues = true;
	spin_unlock(&bus_lock);
	return 0;
}

static const char *bus_name(struct virtio_device *vdev)
{
	return dev_name(vdev->dev.parent);
}

static const struct virtio_config_ops bus_ops = {
	.get			= bus_get,
	.set			= bus_set,
	.generation		= bus_generation,
	.get_status		= bus_get_status,
	.set_status		= bus_set_status,
	.reset			= bus_reset,
	.find_vqs		= bus_find_vqs,
	.del_vqs		= bus_del_vqs,
	.get_features		= bus_get_features,
	.finalize_features	= bus_finalize_features,
	.bus_name		= bus_name,
};

/* ---- Devices come and go ------------------------------------------------- */

static irqreturn_t device_irq(int irq, void *data)
{
	struct vmi_dev *d = data;
	u32 gen = READ_ONCE(d->page->back.config_gen);

	wake_up(&d->wait);
	if (gen != d->config_gen && !(gen & 1)) {
		d->config_gen = gen;
		virtio_config_changed(&d->vdev);
	}
	if (READ_ONCE(d->page->back.status) & VIRTIO_CONFIG_S_NEEDS_RESET && !d->broken) {
		d->broken = true;
		dev_err(&d->parent->dev, "its back end found a ring broken: unbind and bind the driver\n");
	}
	return IRQ_HANDLED;
}

static void release_device(struct device *dev)
{
	kfree(to_dev(dev_to_virtio(dev)));
}

/* Let go of the slot. Holds the last reference to the device. */
static void drop_device(struct bus_slot *s)
{
	struct vmi_dev *d = s->dev;

	spin_lock(&bus_lock);
	s->dev = NULL;
	spin_unlock(&bus_lock);
	free_irq(d->irq, d);
	vmi_port_irq_put(d->port, d->irq);
	platform_device_unregister(d->parent);
	WRITE_ONCE(s->page->guest.status, 0);
	smp_wmb();
	WRITE_ONCE(s->page->guest.state, VMI_SLOT_FREE);
	vmi_evt_send(vmi_start.bus_port);
	put_device(&d->vdev.dev);
}

static int connect_device(struct vmi_dev *d)
{
	int rc = vmi_bus_dma_setup(&d->parent->dev, d->vdev.id.device == VIRTIO_ID_BLOCK);

	if (rc)
		return rc;
	d->irq = vmi_port_irq_get(d->port);
	if (d->irq < 0)
		return d->irq;
	rc = request_irq(d->irq, device_irq, 0, dev_name(&d->parent->dev), d);
	if (rc)
		vmi_port_irq_put(d->port, d->irq);
	return rc;
}

static int add_device(struct bus_slot *s)
{
	struct vmi_dev *d = kzalloc(sizeof(*d), GFP_KERNEL);
	struct vmi_slot *p = s->page;
	int rc;

	if (!d)
		return -ENOMEM;
	d->page = p;
	d->serial = READ_ONCE(p->manager.serial);
	d->port = READ_ONCE(p->back.port);
	d->config_gen = READ_ONCE(p->back.config_gen);
	d->config_sent = READ_ONCE(p->guest.config_gen);
	init_waitqueue_head(&d->wait);
	d->vdev.id.device = READ_ONCE(p->back.device);
	d->vdev.id.vendor = VENDOR;
	d->parent = platform_device_register_simple("vmi-slot", s - slots, NULL, 0);
	rc = PTR_ERR_OR_ZERO(d->parent);
	if (rc)
		goto free;
	rc = connect_device(d);
	if (rc)
		goto unregister;
	d->vdev.dev.parent = &d->parent->dev;
	d->vdev.dev.release = release_device;
	d->vdev.config = &bus_ops;
	WRITE_ONCE(p->guest.state, VMI_SLOT_BOUND);
	spin_lock(&bus_lock);
	s->dev = d;
	spin_unlock(&bus_lock);
	rc = register_virtio_device(&d->vdev);
	if (rc)
		drop_device(s);
	return rc;

unregister:
	platform_device_unregister(d->parent);
free:
	kfree(d);
	return rc;
}

static void slot_work(struct work_struct *work)
{
	struct bus_slot *s = container_of(work, struct bus_slot, work);
	int rc;

	if (s->dev && is_leaving(s->dev)) {
		get_device(&s->dev->vdev.dev);
		unregister_virtio_device(&s->dev->vdev);
		drop_device(s);
	}
	if (!s->dev && READ_ONCE(s->page->manager.state) == VMI_SLOT_PRESENT) {
		rc = add_device(s);
		if (rc)
			pr_err("vmi: slot %td: %d\n", s - slots, rc);
	}
	WRITE_ONCE(s->settled, true);
	wake_up(&bus_wait);
}

static void start_slot(struct bus_slot *s)
{
	WRITE_ONCE(s->settled, false);
	schedule_work(&s->work);
}

static void bus_scan(struct work_struct *work)
{
	struct bus_slot *s;

	for (s = slots; s < slots + VMI_BUS_SLOTS; s++) {
		bool there = READ_ONCE(s->page->manager.state) == VMI_SLOT_PRESENT;

		spin_lock(&bus_lock);
		if (s->dev) {
			there = there && !is_gone(s->dev);
			if (is_gone(s->dev) && s->dev->queues)
				virtio_break_device(&s->dev->vdev);
			wake_up(&s->dev->wait);
		}
		spin_unlock(&bus_lock);
		if (there != !!s->dev)
			start_slot(s);
	}
}
static DECLARE_WORK(bus_work, bus_scan);

static irqreturn_t bus_irq(int irq, void *data)
{
	if (READ_ONCE(booted))
		schedule_work(&bus_work);
	wake_up(&bus_wait);
	return IRQ_HANDLED;
}

/* Early, so that back ends start while the guest boots. */
static int __init bus_init(void)
{
	unsigned int i;
	int irq, rc;

	if (!vmi_bus)
		return 0;
	irq = vmi_port_irq_get(vmi_start.bus_port);
	rc = irq < 0 ? irq : vmi_bus_windows(vmi_bus->guest.window);
	if (!rc)
		rc = request_irq(irq, bus_irq, 0, "vmi-bus", NULL);
	if (rc) {
		pr_err("vmi: no devices: %d\n", rc);
		vmi_bus = NULL;
		return rc;
	}
	for (i = 0; i < VMI_BUS_SLOTS; i++) {
		slots[i].page = (void *)vmi_bus + (i + 1) * PAGE_SIZE;
		INIT_WORK(&slots[i].work, slot_work);
	}
	smp_wmb();
	WRITE_ONCE(vmi_bus->guest.state, VMI_BUS_READY);
	vmi_evt_send(vmi_start.bus_port);
	return 0;
}
subsys_initcall(bus_init);

static bool __init have_expected(void)
{
	u32 expect = READ_ONCE(vmi_bus->manager.expect);
	unsigned int i;

	for (i = 0; i < VMI_BUS_SLOTS; i++)
		if ((expect & BIT(i)) && READ_ONCE(slots[i].page->manager.state) == VMI_SLOT_EMPTY)
			return false;
	return true;
}

/* All drivers are there, and the root file system comes next: it may be on a device here. */
static int __init bus_boot(void)
{
	long left = BOOT_WAIT * HZ;
	struct bus_slot *s;

	if (!vmi_bus)
		return 0;
	left = wait_event_timeout(bus_wait, have_expected(), left);
	if (!left)
		pr_err("vmi: devices were announced that did not come: slots %#x\n", vmi_bus->manager.expect);
	/* One after the other: the order of slots is that of names. */
	for (s = slots; s < slots + VMI_BUS_SLOTS; s++) {
		start_slot(s);
		left = wait_event_timeout(bus_wait, READ_ONCE(s->settled), max_t(long, left, HZ));
	}
	WRITE_ONCE(booted, true);
	schedule_work(&bus_work);
	return 0;
}
late_initcall_sync(bus_boot);
