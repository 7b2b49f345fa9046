// SPDX-License-Identifier: GPL-2.0-only
/*
 * pci.c - domain 0's devices: interrupt lines (GSIs) and message-signalled
 * interrupts as event ports.
 *
 * The hypervisor owns the IO-APICs and the vectors. A GSI is bound to a port when
 * ACPI registers it; a level-triggered one stays masked there from its event to
 * gsi_eoi. Of a message the hypervisor says address and data, which the drivers'
 * PCI code writes into the device.
 *
 * Locking: gsi_mutex for gsi_irq[].
 */
#include <linux/acpi.h>
#include <linux/irq.h>
#include <linux/irqdomain.h>
#include <linux/msi.h>
#include <linux/mutex.h>
#include <linux/slab.h>
#include <asm/acpi.h>
#include <asm/msi.h>
#include <asm/x86_init.h>
#include "vmi.h"

#define NR_GSIS	256

static DEFINE_MUTEX(gsi_mutex);
static unsigned int gsi_irq[NR_GSIS];	/* 0: not bound */

static void gsi_eoi(struct irq_data *d)
{
	vmi_gsi_eoi(d->hwirq);
}

static struct irq_chip vmi_gsi_chip = {
	.name		= "vmi-gsi",
	.irq_mask	= vmi_mask,
	.irq_unmask	= vmi_unmask,
	.irq_eoi	= gsi_eoi,
	.flags		= IRQCHIP_SKIP_SET_WAKE,
};

static int register_gsi(struct device *dev, u32 gsi, int trigger, int polarity)
{
	u32 flags = (trigger == ACPI_LEVEL_SENSITIVE ? VMI_GSI_LEVEL : 0) |
		    (polarity == ACPI_ACTIVE_LOW ? VMI_GSI_LOW : 0);
	long port;
	int irq;

	if (gsi >= NR_GSIS)
		return -EINVAL;
	mutex_lock(&gsi_mutex);
	irq = gsi_irq[gsi];
	if (irq)
		goto out;
	irq = irq_alloc_desc_from(1, -1);
	if (irq < 0)
		goto out;
	port = vmi_gsi_bind(gsi, flags);
	if (port < 0) {
		irq_free_desc(irq);
		irq = -EBUSY;		/* the hypervisor's own, or none */
		goto out;
	}
	irq_set_chip_and_handler_name(irq, &vmi_gsi_chip, handle_fasteoi_irq, "gsi");
	irq_get_irq_data(irq)->hwirq = port;
	vmi_set_port_irq(port, irq);
	gsi_irq[gsi] = irq;
out:
	mutex_unlock(&gsi_mutex);
	return irq;
}

static void msi_ack(struct irq_data *d)
{
}

static void msi_compose(struct irq_data *d, struct msi_msg *msg)
{
	const struct vmi_msi *m = d->chip_data;

	msg->address_hi = upper_32_bits(m->address);
	msg->address_lo = lower_32_bits(m->address);
	msg->data = m->data;
}

/* All ports raise the first vCPU; the message does not change. */
static int msi_set_affinity_done(struct irq_data *d, const struct cpumask *mask, bool force)
{
	irq_data_update_effective_affinity(d, cpumask_of(0));
	return IRQ_SET_MASK_OK_DONE;
}

static struct irq_chip vmi_msi_chip = {
	.name			= "vmi-msi",
	.irq_ack		= msi_ack,
	.irq_compose_msi_msg	= msi_compose,
	.irq_set_affinity	= msi_set_affinity_done,
};

static void msi_free(struct irq_domain *domain, unsigned int virq, unsigned int nr)
{
	while (nr--) {
		struct irq_data *d = irq_domain_get_irq_data(domain, virq + nr);

		if (!d || !d->chip_data)
			continue;
		vmi_set_port_irq(d->hwirq, 0);
		vmi_evt_close(d->hwirq);
		kfree(d->chip_data);
		irq_domain_reset_irq_data(d);
	}
}

static int msi_alloc(struct irq_domain *domain, unsigned int virq, unsigned int nr, void *arg)
{
	unsigned int i;

	for (i = 0; i < nr; i++) {
		struct vmi_msi *m = kzalloc(sizeof(*m), GFP_KERNEL);
		long port = m ? vmi_msi_bind(m) : -ENOMEM;

		if (port < 0) {
			kfree(m);
			msi_free(domain, virq, i);
			return -ENOSPC;
		}
		irq_domain_set_hwirq_and_chip(domain, virq + i, port, &vmi_msi_chip, m);
		vmi_set_port_irq(port, virq + i);
	}
	return 0;
}

static const struct irq_domain_ops vmi_msi_ops = {
	.alloc	= msi_alloc,
	.free	= msi_free,
};

static struct irq_chip vmi_pci_msi_chip = {
	.name		= "PCI-MSI",
	.irq_unmask	= pci_msi_unmask_irq,
	.irq_mask	= pci_msi_mask_irq,
	.irq_ack	= irq_chip_ack_parent,
	.flags		= IRQCHIP_SKIP_SET_WAKE,
};

static struct msi_domain_ops vmi_pci_msi_ops = {
	.msi_prepare	= pci_msi_prepare,
};

static struct msi_domain_info vmi_pci_msi_info = {
	.flags		= MSI_FLAG_USE_DEF_DOM_OPS | MSI_FLAG_USE_DEF_CHIP_OPS | MSI_FLAG_PCI_MSIX,
	.ops		= &vmi_pci_msi_ops,
	.chip		= &vmi_pci_msi_chip,
	.handler	= handle_edge_irq,
	.handler_name	= "edge",
};

static struct irq_domain * __init create_pci_msi_domain(void)
{
	struct fwnode_handle *fn = irq_domain_alloc_named_fwnode("VMI-MSI");
	struct irq_domain *parent;

	parent = fn ? irq_domain_create_hierarchy(NULL, 0, 0, fn, &vmi_msi_ops, NULL) : NULL;
	fn = parent ? irq_domain_alloc_named_fwnode("VMI-PCI-MSI") : NULL;
	return fn ? pci_msi_create_irq_domain(fn, &vmi_pci_msi_info, parent) : NULL;
}

void __init vmi_pci_init(void)
{
	/* \_PIC tells the firmware that lines are numbered as with IO-APICs. */
	acpi_irq_model = ACPI_IRQ_MODEL_IOAPIC;
	__acpi_register_gsi = register_gsi;
	__acpi_unregister_gsi = NULL;
	x86_init.irqs.create_pci_msi_domain = create_pci_msi_domain;
}
