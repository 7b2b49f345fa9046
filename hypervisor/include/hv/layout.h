/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * layout.h - the hypervisor's address space and the inside of the per-vCPU
 * area, for C, assembler and the linker script.
 *
 * The hypervisor runs on its own page tables. They hold its image, a map of
 * all machine memory, and in L4 slot 256 the area of the vCPU that runs on
 * this processor (or of the idle loop). Only slot 256 is also in a guest's
 * tables. Rules R4-R7 and R24 of the design: nothing secret in the area, and
 * nothing read from its writable pages is trusted.
 */
#ifndef HV_LAYOUT_H
#define HV_LAYOUT_H

#include <vmi/abi.h>

#define HV_BASE			0xffffffff80000000	/* image: linked at HV_BASE + load address */
#define HV_LOAD			0x00100000		/* where multiboot puts the image */

/* Hardware selectors that only ring 0 uses, behind Linux's 16 slots. */
#define HV_CS			0x80
#define HV_SS			0x88
#define HV_TSS			0x90
#define HV_LDT			0xa0
#define HV_GDT_SIZE		0xb0

/* The VMI_AREA_DESC page. */
#define DESC_GDT		(VMI_AREA_DESC + 0x000)
#define DESC_TSS		(VMI_AREA_DESC + 0x100)
#define DESC_FRAME_SYSCALL	(VMI_AREA_DESC + 0x200)	/* five words each: RIP CS RFLAGS RSP SS */
#define DESC_FRAME_COMPAT	(VMI_AREA_DESC + 0x240)
#define DESC_FRAME_PF		(VMI_AREA_DESC + 0x280)
#define DESC_HV_CR3		(VMI_AREA_DESC + 0x300)
#define DESC_GUEST_CR3		(VMI_AREA_DESC + 0x308)
#define DESC_REGS_TOP		(VMI_AREA_DESC + 0x310)	/* end of vcpu.regs */
#define DESC_HV_STACK		(VMI_AREA_DESC + 0x318)
#define DESC_PCPU		(VMI_AREA_DESC + 0x320)	/* struct pcpu of this processor */
#define DESC_VERW_SEL		(VMI_AREA_DESC + 0x328)	/* u16: operand of verw */

/*
 * Roots that the trampoline may switch to by itself: pairs of the guest's CR3
 * value and the shadow L4's machine address; unused pairs hold ROOT_SLOT_NONE.
 */
#define DESC_ROOTS		(VMI_AREA_DESC + 0x400)
#define NR_ROOT_SLOTS		8
#define ROOT_SLOT_NONE		1		/* no CR3 value: the guest's have bit 63 stripped and name RAM */

/* The two stack pages. Hardware pushes its frames at ENTRY_TOP from CPL 1 and 3. */
#define STACK_ENTRY_TOP		(VMI_AREA_STACK + 0xc00)
#define STACK_SCRATCH		(VMI_AREA_STACK + 0xc00)	/* RSP of a hypercall */
#define STACK_ROOT		(VMI_AREA_STACK + 0xc08)	/* CR3 at the entry into the hypervisor */
#define STACK_IST_NMI		(VMI_AREA_STACK + 0x1000)
#define STACK_IST_DF		(VMI_AREA_STACK + 0x1400)
#define STACK_IST_DB		(VMI_AREA_STACK + 0x1800)
#define STACK_IST_MC		(VMI_AREA_STACK + 0x1c00)

#define IST_NMI			1
#define IST_DF			2
#define IST_DB			3
#define IST_MC			4

/* Vectors of physical interrupts. */
#define VEC_PIC			0x20	/* 16 vectors: the two 8259s */
#define VEC_DEVICE		0x90	/* handed out by x86/irq.c */
#define VEC_DEVICE_END		0xf0
#define VEC_APIC_TIMER		0xf0
#define VEC_SPURIOUS		0xff

#endif
