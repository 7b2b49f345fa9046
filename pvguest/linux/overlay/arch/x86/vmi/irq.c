// SPDX-License-Identifier: GPL-2.0-only
/*
 * irq.c - event ports as interrupts, and the registration of this vCPU.
 *
 * A port's bit in the shared page's evt_pending is its interrupt request, the
 * same bit of evt_mask its mask. Ports are edges: a bit is cleared before its
 * handler runs. The hypervisor writes the same words from any processor, so
 * even a guest with one vCPU needs locked operations (sync_*).
 */
#include <linux/bitops.h>
#include <linux/interrupt.h>
#include <linux/irq.h>
#include <linux/percpu.h>
#include <asm/cpu_entry_area.h>
#include <asm/desc.h>
#include <asm/hardirq.h>
#include <asm/idtentry.h>
#include <asm/irq_regs.h>
#include <asm/irq_vectors.h>
#include <asm/sync_bitops.h>
#include "vmi.h"

static int vmi_port_irq[VMI_MAX_PORTS];	/* 0: none; written with interrupts off */
static DEFINE_PER_CPU(int, vmi_timer_port);

void vmi_set_port_irq(unsigned int port, unsigned int irq)
{
	WRITE_ONCE(vmi_port_irq[port], irq);
}

void vmi_mask(struct irq_data *d)
{
	sync_set_bit(d->hwirq, (unsigned long *)vmi_shared->evt_mask);
}

void vmi_unmask(struct irq_data *d)
{
	unsigned long flags;

	local_irq_save(flags);
	sync_clear_bit(d->hwirq, (unsigned long *)vmi_shared->evt_mask);
	/* It was raised while masked: have it found when interrupts come on. */
	if (sync_test_bit(d->hwirq, (unsigned long *)vmi_shared->evt_pending))
		WRITE_ONCE(vmi_shared->pending, 1);
	local_irq_restore(flags);
}

static void vmi_ack(struct irq_data *d)
{
}

static struct irq_chip vmi_chip = {
	.name		= "vmi-event",
	.irq_ack	= vmi_ack,
	.irq_mask	= vmi_mask,
	.irq_unmask	= vmi_unmask,
};

static void handle_port(unsigned int port)
{
	if (port == __this_cpu_read(vmi_timer_port))
		vmi_timer_event();
	else if (vmi_port_irq[port])
		generic_handle_irq(vmi_port_irq[port]);
}

DEFINE_IDTENTRY_SYSVEC(sysvec_vmi_upcall)
{
	struct pt_regs *old_regs = set_irq_regs(regs);
	unsigned int i;

	inc_irq_stat(irq_hv_callback_count);
	do {
		WRITE_ONCE(vmi_shared->pending, 0);
		/* Order against the hypervisor: bit first, then pending. */
		smp_mb();
		for (i = 0; i < VMI_MAX_PORTS / 64; i++) {
			unsigned long *word = (unsigned long *)&vmi_shared->evt_pending[i];
			unsigned long bits;

			while ((bits = READ_ONCE(*word) & ~READ_ONCE(vmi_shared->evt_mask[i]))) {
				sync_clear_bit(__ffs(bits), word);
				handle_port(i * 64 + __ffs(bits));
			}
		}
	} while (READ_ONCE(vmi_shared->pending));
	set_irq_regs(old_regs);
}

static void connect_irq(unsigned int port, int irq)
{
	irq_set_chip_and_handler_name(irq, &vmi_chip, handle_edge_irq, "event");
	irq_get_irq_data(irq)->hwirq = port;
	WRITE_ONCE(vmi_port_irq[port], irq);
}

int vmi_port_irq_get(unsigned int port)
{
	int irq;

	/* Some numbers come from pages that others write. */
	if (!port || port >= VMI_MAX_PORTS || vmi_port_irq[port] || port == this_cpu_read(vmi_timer_port))
		return -EINVAL;
	irq = irq_alloc_desc(0);
	if (irq >= 0)
		connect_irq(port, irq);
	return irq;
}

void vmi_port_irq_put(unsigned int port, int irq)
{
	WRITE_ONCE(vmi_port_irq[port], 0);
	irq_free_desc(irq);
}

int vmi_bind_virq(unsigned int virq)
{
	unsigned long flags;
	long port;
	int irq;

	irq = irq_alloc_desc(0);
	if (irq < 0)
		return irq;
	local_irq_save(flags);
	port = vmi_evt_bind_virq(virq);
	if (port > 0)
		connect_irq(port, irq);
	local_irq_restore(flags);
	if (port <= 0) {
		irq_free_desc(irq);
		return -ENXIO;
	}
	return irq;
}

/* Tell the hypervisor where this vCPU wants its system calls, faults and events. */
static void __init setup_vcpu(void)
{
	struct vmi_vcpu_setup cfg = {
		.syscall_entry	= (u64)vmi_entry_syscall,
		.compat_entry	= IS_ENABLED(CONFIG_IA32_EMULATION) ? (u64)vmi_entry_compat : 0,
		.pf_entry	= (u64)vmi_entry_page_fault,
		.rsp1		= (u64)(cpu_entry_stack(smp_processor_id()) + 1),
		.user		= { (u64)vmi_user_region, (u64)vmi_user_iret },
		.kernel		= { (u64)vmi_kernel_region, (u64)vmi_kernel_iret },
		.upcall_vector	= HYPERVISOR_CALLBACK_VECTOR,
	};
	long rc;

	vmi_shared->kernel_rsp = cfg.rsp1;
	rc = vmi_vcpu_setup(&cfg);
	if (rc)
		panic("VMI: the hypervisor refused vcpu_setup: %ld", rc);
}

void __init vmi_init_irq(void)
{
	long port;

	alloc_intr_gate(HYPERVISOR_CALLBACK_VECTOR, asm_sysvec_vmi_upcall);
	setup_vcpu();
	port = vmi_evt_bind_virq(VMI_VIRQ_TIMER);
	if (port <= 0)
		panic("VMI: no port for the timer: %ld", port);
	__this_cpu_write(vmi_timer_port, port);
}
