// SPDX-License-Identifier: GPL-2.0-only
/*
 * cpu.c - operations on processor state: descriptor tables, control and debug
 * registers, MSRs, CPUID, the interrupt flag.
 *
 * Invariant: the hypervisor's tables (vectors, GDT slots 12-15) follow the
 * guest's copies in memory, which are what Linux reads back.
 */
#include <linux/export.h>
#include <linux/irqflags.h>
#include <linux/percpu.h>
#include <asm/debugreg.h>
#include <asm/desc.h>
#include <asm/fsgsbase.h>
#include <asm/msr-index.h>
#include <asm/paravirt.h>
#include <asm/processor.h>
#include "vmi.h"

static struct vmi_vector vmi_vectors[IDT_ENTRIES] __aligned(PAGE_SIZE);
static const gate_desc *vmi_idt;

static struct vmi_vector vector_of(const gate_desc *gate)
{
	struct vmi_vector v = { 0 };

	if (gate->bits.p) {
		v.handler = gate_offset(gate);
		v.dpl = gate->bits.dpl;
	}
	return v;
}

static void vmi_load_idt(const struct desc_ptr *dtr)
{
	unsigned int i, nr = (dtr->size + 1) / sizeof(gate_desc);

	vmi_idt = (const gate_desc *)dtr->address;
	for (i = 0; i < nr && i < IDT_ENTRIES; i++)
		vmi_vectors[i] = vector_of(&vmi_idt[i]);
	vmi_vectors_set(0, i, vmi_vectors);
}

static void vmi_write_idt_entry(gate_desc *idt, int nr, const gate_desc *gate)
{
	struct vmi_vector v = vector_of(gate);

	native_write_idt_entry(idt, nr, gate);
	if (idt == vmi_idt)
		vmi_vectors_set(nr, 1, &v);
}

static void vmi_write_gdt_entry(struct desc_struct *gdt, int nr,
				const void *desc, int type)
{
	native_write_gdt_entry(gdt, nr, desc, type);
	if (nr >= VMI_GDT_TLS_MIN && nr <= VMI_GDT_CPUNODE)
		vmi_gdt_write(nr, *(u64 *)&gdt[nr]);
}

static void vmi_load_tls(struct thread_struct *t, unsigned int cpu)
{
	struct desc_struct *gdt = get_cpu_gdt_rw(cpu);
	unsigned int i;

	for (i = 0; i < GDT_ENTRY_TLS_ENTRIES; i++) {
		struct desc_struct *slot = &gdt[GDT_ENTRY_TLS_MIN + i];

		/* 64-bit programs have none: nearly always equal */
		if (!memcmp(slot, &t->tls_array[i], sizeof(*slot)))
			continue;
		*slot = t->tls_array[i];
		vmi_gdt_write(GDT_ENTRY_TLS_MIN + i, *(u64 *)slot);
	}
}

static void vmi_load_dtr(const struct desc_ptr *dtr)
{
}

static void vmi_nop(void)
{
}

static unsigned long vmi_store_tr(void)
{
	return 0;
}

static void vmi_set_ldt(const void *addr, unsigned int entries)
{
	/* Linux's own checks are stricter than the hypervisor's. */
	WARN_ON_ONCE(vmi_ldt_set(addr, entries));
}

static noinstr unsigned long vmi_get_debugreg(int reg)
{
	u64 val = 0;

	if (reg == 6)
		return vmi_shared->dr6;
	vmi_debugreg_get(reg, &val);
	return val;
}

static noinstr void vmi_set_debugreg(int reg, unsigned long val)
{
	if (reg == 6)
		vmi_shared->dr6 = val;
	else
		vmi_debugreg_set(reg, val);
}

/* TS and EM are always 0 for a guest: only FPU initialisation asks. */
static unsigned long vmi_read_cr0(void)
{
	return X86_CR0_PE | X86_CR0_MP | X86_CR0_ET | X86_CR0_NE | X86_CR0_WP |
	       X86_CR0_AM | X86_CR0_PG;
}

static void vmi_write_cr0(unsigned long val)
{
}

static void vmi_write_cr4(unsigned long val)
{
	vmi_cr4_write(val);
}

static void vmi_cpuid_op(unsigned int *ax, unsigned int *bx,
			 unsigned int *cx, unsigned int *dx)
{
	u32 out[4] = { 0 };

	vmi_cpuid(*ax, *cx, out);
	*ax = out[0];
	*bx = out[1];
	*cx = out[2];
	*dx = out[3];
}

/* Without FSGSBASE the bases are the hypervisor's to load. */
static bool has_fsgsbase(void)
{
	return vmi_start.features & VMI_FEAT_FSGSBASE;
}

static u64 vmi_read_msr_safe(unsigned int msr, int *err)
{
	u64 val = 0;

	*err = 0;
	switch (msr) {
	case MSR_FS_BASE:
		if (!has_fsgsbase())
			break;
		return rdfsbase();
	case MSR_GS_BASE:
		return vmi_shared->kernel_gs;
	case MSR_KERNEL_GS_BASE:
		if (!has_fsgsbase())
			break;
		return vmi_shared->user_gs;
	}
	if (vmi_msr_read(msr, &val))
		*err = -EIO;
	return val;
}

static int vmi_write_msr_safe(unsigned int msr, unsigned int low, unsigned int high)
{
	u64 val = (u64)high << 32 | low;

	switch (msr) {
	case MSR_FS_BASE:
		if (!has_fsgsbase())
			break;
		wrfsbase(val);
		return 0;
	case MSR_GS_BASE:
		vmi_shared->kernel_gs = val;
		if (!has_fsgsbase())
			break;
		wrgsbase(val);
		return 0;
	case MSR_KERNEL_GS_BASE:
		if (!has_fsgsbase())
			break;
		vmi_shared->user_gs = val;
		return 0;
	case MSR_STAR:
	case MSR_LSTAR:
	case MSR_CSTAR:
	case MSR_SYSCALL_MASK:
	case MSR_IA32_SYSENTER_CS:
	case MSR_IA32_SYSENTER_ESP:
	case MSR_IA32_SYSENTER_EIP:
		/* the trampoline's: vcpu_setup registers the entry points */
		return 0;
	}
	return vmi_msr_write(msr, val) ? -EIO : 0;
}

static u64 vmi_read_msr(unsigned int msr)
{
	int err;

	return vmi_read_msr_safe(msr, &err);
}

static void vmi_write_msr(unsigned int msr, unsigned int low, unsigned int high)
{
	vmi_write_msr_safe(msr, low, high);
}

static u64 vmi_read_pmc(int counter)
{
	return 0;
}

static noinstr void vmi_safe_halt(void)
{
	vmi_halt();
}

/* halt() with interrupts off: the kernel gave up. */
static noinstr void vmi_halt_forever(void)
{
	for (;;)
		vmi_shutdown(VMI_SHUTDOWN_CRASH);
}

void __init vmi_cpu_init(void)
{
	pv_ops.cpu.io_delay = vmi_nop;
	pv_ops.cpu.get_debugreg = vmi_get_debugreg;
	pv_ops.cpu.set_debugreg = vmi_set_debugreg;
	pv_ops.cpu.read_cr0 = vmi_read_cr0;
	pv_ops.cpu.write_cr0 = vmi_write_cr0;
	pv_ops.cpu.write_cr4 = vmi_write_cr4;
	pv_ops.cpu.load_tr_desc = vmi_nop;
	pv_ops.cpu.load_gdt = vmi_load_dtr;
	pv_ops.cpu.load_idt = vmi_load_idt;
	pv_ops.cpu.set_ldt = vmi_set_ldt;
	pv_ops.cpu.store_tr = vmi_store_tr;
	pv_ops.cpu.load_tls = vmi_load_tls;
	pv_ops.cpu.write_gdt_entry = vmi_write_gdt_entry;
	pv_ops.cpu.write_idt_entry = vmi_write_idt_entry;
#ifdef CONFIG_X86_IOPL_IOPERM
	pv_ops.cpu.invalidate_io_bitmap = vmi_nop;
	pv_ops.cpu.update_io_bitmap = vmi_nop;
#endif
	pv_ops.cpu.wbinvd = vmi_nop;
	pv_ops.cpu.cpuid = vmi_cpuid_op;
	pv_ops.cpu.read_msr = vmi_read_msr;
	pv_ops.cpu.write_msr = vmi_write_msr;
	pv_ops.cpu.read_msr_safe = vmi_read_msr_safe;
	pv_ops.cpu.write_msr_safe = vmi_write_msr_safe;
	pv_ops.cpu.read_pmc = vmi_read_pmc;

	pv_ops.irq.save_fl = __PV_IS_CALLEE_SAVE(vmi_save_fl);
	pv_ops.irq.irq_disable = __PV_IS_CALLEE_SAVE(vmi_irq_disable);
	pv_ops.irq.irq_enable = __PV_IS_CALLEE_SAVE(vmi_irq_enable);
	pv_ops.irq.safe_halt = vmi_safe_halt;
	pv_ops.irq.halt = vmi_halt_forever;
}
