/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * vmi.h - private to arch/x86/vmi: hypercall stubs, the shared page, and what
 * the files here call of each other.
 *
 * Nothing here may run unless the kernel was entered by the VMI note.
 */
#ifndef ARCH_X86_VMI_H
#define ARCH_X86_VMI_H

#include <linux/compiler.h>
#include <linux/init.h>
#include <linux/types.h>
#include <vmi/abi.h>
#include <vmi/bus.h>

/* The stubs' instruction, out of line: objtool wants `syscall` in annotated code. */
#define VMI_SYSCALL "call vmi_hypercall"
#define VMI_STUB static __always_inline
#include <vmi/stubs.h>

struct device;
struct irq_data;

/* This vCPU's shared page: every vCPU sees its own at this address. */
#define vmi_shared	((struct vmi_shared *)VMI_SHARED)

extern struct vmi_start_info vmi_start;

/* entry.S */
void vmi_irq_enable(void);
void vmi_irq_disable(void);
unsigned long vmi_save_fl(void);
unsigned long vmi_read_cr2(void);
void vmi_entry_syscall(void);
void vmi_entry_compat(void);
void vmi_entry_page_fault(void);
extern const char vmi_user_region[], vmi_user_iret[];
extern const char vmi_kernel_region[], vmi_kernel_iret[];

void __init vmi_cpu_init(void);
void __init vmi_mmu_init(void);
void __init vmi_init_irq(void);
void __init vmi_time_init(void);
void __init vmi_console_init(void);

/* Of mm/tlb.c: ranges of more pages become flushes of everything. */
extern unsigned long tlb_single_page_flush_ceiling;

/* irq.c: bind a virtual interrupt to a Linux interrupt number. */
int vmi_bind_virq(unsigned int virq);
/* The same for a port that is open already: a Linux interrupt number, or a negative errno; and back. */
int vmi_port_irq_get(unsigned int port);
void vmi_port_irq_put(unsigned int port, int irq);
/* irq.c: `port`'s events are interrupts of `irq`, a Linux number; 0: of none. */
void vmi_set_port_irq(unsigned int port, unsigned int irq);
void vmi_mask(struct irq_data *d);
void vmi_unmask(struct irq_data *d);
/* pci.c: domain 0's interrupts of devices. */
void __init vmi_pci_init(void);
/* bus_dma.c: the bus of virtio devices, if there is one, and what is lent to their back ends. */
extern struct vmi_bus *vmi_bus;
void __init vmi_bus_reserve(void);
int __init vmi_bus_windows(struct vmi_bus_window *w);
int vmi_bus_dma_setup(struct device *dev, bool disk);
bool vmi_bus_bounces(void);
/* time.c: the timer's event, called with interrupts off. */
void vmi_timer_event(void);

#endif
