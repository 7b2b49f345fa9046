// SPDX-License-Identifier: GPL-2.0-only
/*
 * vcpu.c - the processor state of a vCPU that is not in struct regs: made,
 * exchanged when another vCPU runs, read and set for domain 0's tools (rule E5).
 *
 * While a vCPU is loaded its extended state, segment selectors and bases, TSC_AUX
 * and KERNEL_GS_BASE live in the processor, else in struct arch_vcpu. Debug
 * registers, XCR0 and the descriptor tables have their truth there always.
 *
 * Invariant: nothing of one vCPU's state is left in the processor when another
 *            one runs: extended state is restored for all components that any
 *            guest may enable, not for those that this one has enabled.
 * Trust:     selectors and bases were chosen by the guest: a selector may name a
 *            descriptor that it has taken away since, and then loads as null.
 */
#include <hv/frame.h>
#include <hv/lib.h>
#include <hv/x86.h>

#define MSR_PRED_CMD	0x49
#define USER32_CS	0x23
#define USER_DS		0x2b
#define USER_CS		0x33

/* Offsets in the legacy part of the XSAVE area (SDM vol. 1, 13.4.1). */
#define FPU_FCW		0
#define FPU_MXCSR	24
#define XSTATE_BV	512

/* The general registers are in the same order in both. */
#define GENERAL		offsetof(struct regs, vector)
_Static_assert(offsetof(struct vmi_vcpu_state, rip) == GENERAL, "r15 to rax");

#define LOAD_SEL(seg, sel) \
	__asm__ volatile ("1: mov %w0, %%" #seg "\n" \
			  "2:\n" \
			  ".pushsection .text.fixup, \"ax\"\n" \
			  "3: mov %w1, %%" #seg "\n" \
			  "   jmp 2b\n" \
			  ".popsection\n" \
			  EX_TABLE(1b, 3b) \
			  : : "r" ((u32)(sel)), "r" (0))
#define SAVE_SEL(seg) ({ u32 s_; __asm__ volatile ("mov %%" #seg ", %0" : "=r" (s_)); (u16)s_; })

static void fpu_save(struct arch_vcpu *a)
{
	u64 all = cpu_info.xcr0_mask;

	if (!cpu_info.xsave) {
		__asm__ volatile ("fxsave64 (%0)" : : "r" (a->fpu) : "memory");
		return;
	}
	if (a->xcr0 != all)
		xsetbv(all);
	__asm__ volatile ("xsave64 (%0)" : : "r" (a->fpu), "a" ((u32)all), "d" ((u32)(all >> 32)) : "memory");
}

static void fpu_load(struct arch_vcpu *a)
{
	u64 all = cpu_info.xcr0_mask;
	static const u32 zero;

	/* AMD's processors keep FOP, FIP and FDP unless an exception is pending: load something harmless over them. */
	if (cpu_info.amd)
		__asm__ volatile ("fnclex; emms; fildl %0" : : "m" (zero));
	if (!cpu_info.xsave) {
		__asm__ volatile ("fxrstor64 (%0)" : : "r" (a->fpu) : "memory");
		return;
	}
	__asm__ volatile ("xrstor64 (%0)" : : "r" (a->fpu), "a" ((u32)all), "d" ((u32)(all >> 32)) : "memory");
	if (a->xcr0 != all)
		xsetbv(a->xcr0);
}

static void save(struct vcpu *v)
{
	struct arch_vcpu *a = v->arch;

	fpu_save(a);
	a->ds = SAVE_SEL(ds);
	a->es = SAVE_SEL(es);
	a->fs = SAVE_SEL(fs);
	a->gs = SAVE_SEL(gs);
	a->fs_base = rdmsr(MSR_FS_BASE);
	a->gs_base = rdmsr(MSR_GS_BASE);
	if (!cpu_info.fsgsbase)
		a->kernel_gs_base = rdmsr(MSR_KERNEL_GS_BASE);
	if (cpu_info.rdtscp)
		a->tsc_aux = rdmsr(MSR_TSC_AUX);
	if (a->dr7 & 0xff)
		WRITE_DR(7, 0x400);
}

static void load(struct vcpu *v)
{
	struct arch_vcpu *a = v->arch;

	fpu_load(a);
	__asm__ volatile ("lldt %w0" : : "r" (a->ldt_nr ? HV_LDT : 0));
	LOAD_SEL(ds, a->ds);
	LOAD_SEL(es, a->es);
	LOAD_SEL(fs, a->fs);
	LOAD_SEL(gs, a->gs);
	wrmsr(MSR_FS_BASE, a->fs_base);
	wrmsr(MSR_GS_BASE, a->gs_base);
	if (!cpu_info.fsgsbase)
		wrmsr(MSR_KERNEL_GS_BASE, a->kernel_gs_base);
	if (cpu_info.rdtscp)
		wrmsr(MSR_TSC_AUX, a->tsc_aux);
	WRITE_DR(0, a->dr[0]);
	WRITE_DR(1, a->dr[1]);
	WRITE_DR(2, a->dr[2]);
	WRITE_DR(3, a->dr[3]);
	if (a->dr7 & 0xff)
		WRITE_DR(7, a->dr7);
}

void arch_switch(struct vcpu *from, struct vcpu *to)
{
	struct pcpu *c = this_cpu();

	if (from)
		save(from);
	c->dr7_stripped = false;
	c->current = to;
	pcpu_map_area(c, &to->arch->area);
	load(to);
	if (cpu_info.ibpb && (!from || from->domain != to->domain))
		wrmsr(MSR_PRED_CMD, 1);
}

void arch_idle(void)
{
	__asm__ volatile ("sti; hlt; cli" : : : "memory");
}

u32 cpu_id(void)
{
	return this_cpu()->id;
}

int arch_vcpu_init(struct vcpu *v)
{
	u16 owner = v->domain->id;
	struct arch_vcpu *a = page_new(owner);

	v->arch = a;
	if (!a)
		return -VMI_ENOMEM;
	a->fpu = page_new(owner);
	if (!a->fpu || area_init(&a->area, owner))
		return -VMI_ENOMEM;
	*(u16 *)(a->fpu + FPU_FCW) = 0x37f;
	*(u32 *)(a->fpu + FPU_MXCSR) = 0x1f80;
	a->xcr0 = cpu_info.xsave;		/* the x87 bit */
	a->dr7 = 0x400;
	*area_desc(&a->area, DESC_REGS_TOP) = (u64)(&v->regs + 1);
	v->cr4 = CR4_PAE | CR4_PGE | CR4_OSFXSR | CR4_OSXMMEXCPT | (cpu_info.fsgsbase ? CR4_FSGSBASE : 0) |
		 (cpu_info.xsave ? CR4_OSXSAVE : 0);
	v->shared = a->area.shared;
	v->shared_mfn = a->area.shared_mfn;
	v->shadow.area_l4e = area_l4e(&a->area);
	clock_fill(&v->shared->clock);
	v->regs.cs = VMI_KERNEL_CS;
	v->regs.ss = 1;
	v->regs.rflags = RFLAGS_FIXED | RFLAGS_IF;
	return 0;
}

void arch_vcpu_exit(struct vcpu *v)
{
	struct arch_vcpu *a = v->arch;

	if (!a)
		return;
	/* Its area may still be the mapped one of a processor that idles since. */
	if (this_cpu()->current == v) {
		this_cpu()->current = NULL;
		pcpu_map_area(this_cpu(), &this_cpu()->idle);
	}
	for (u32 i = 0; i < ARRAY_SIZE(a->ldt); i++)
		if (a->ldt[i])
			frame_put(a->ldt[i]);
	area_exit(&a->area);
	page_free(a->fpu);
	page_free(a);
	v->arch = NULL;
}

long arch_vcpu_get(struct vcpu *v, struct vmi_vcpu_state *s)
{
	const struct regs *r = &v->regs;
	const struct arch_vcpu *a = v->arch;
	bool user = (r->cs & 3) == 3;

	*s = (struct vmi_vcpu_state){
		.rip = r->rip, .rflags = r->rflags, .rsp = r->rsp,
		.cr3 = v->cr3, .cr4 = v->cr4,
		.fs_base = a->fs_base, .gs_base = a->gs_base,
		.kernel_gs_base = cpu_info.fsgsbase ? v->shared->user_gs : a->kernel_gs_base,
		.dr6 = v->shared->dr6, .dr7 = a->dr7, .xcr0 = a->xcr0, .timer = v->timer_deadline,
		.flags = (user ? VMI_VCPU_USER : 0) | (v->shared->vif ? VMI_VCPU_VIF : 0) |
			 (v->blocked ? VMI_VCPU_BLOCKED : 0),
		.cs = user ? r->cs : VMI_KERNEL_CS & ~3, .ss = user ? r->ss : VMI_KERNEL_SS & ~3,
		.ds = a->ds, .es = a->es, .fs = a->fs, .gs = a->gs,
	};
	memcpy(s, r, GENERAL);
	memcpy(s->dr, a->dr, sizeof(s->dr));
	return 0;
}

static bool state_ok(const struct vmi_vcpu_state *s)
{
	for (u32 i = 0; i < ARRAY_SIZE(s->reserved); i++)
		if (s->reserved[i])
			return false;
	if (s->flags & ~(u32)(VMI_VCPU_USER | VMI_VCPU_VIF | VMI_VCPU_BLOCKED))
		return false;
	if (!va_canonical(s->rip) || !va_canonical(s->fs_base) || !va_canonical(s->gs_base) ||
	    !va_canonical(s->kernel_gs_base))
		return false;
	/* The iretq of ring 0 to them must not fault: the code segments that every GDT has, and its data segment. */
	if (s->flags & VMI_VCPU_USER)
		return (s->cs == USER32_CS || s->cs == USER_CS) && s->ss == USER_DS && !va_upper(s->rip);
	return va_upper(s->rip);
}

long arch_vcpu_set(struct vcpu *v, const struct vmi_vcpu_state *s)
{
	struct arch_vcpu *a = v->arch;
	struct regs *r = &v->regs;
	bool user = s->flags & VMI_VCPU_USER;
	int rc;

	if (!state_ok(s) || s->cr3 >> VMI_CR3_NOFLUSH_BIT || (s->cr4 && !cr4_ok(s->cr4)) || (s->xcr0 && !xcr0_ok(s->xcr0)) || !dr7_ok(s->dr7))
		return -VMI_EINVAL;
	for (u32 i = 0; i < ARRAY_SIZE(s->dr); i++)
		if (s->dr[i] && !breakpoint_ok(s->dr[i]))
			return -VMI_EINVAL;
	rc = vcpu_load_cr3(v, s->cr3);
	if (rc)
		return rc;
	if (s->cr4)
		v->cr4 = s->cr4;
	if (s->xcr0)
		a->xcr0 = s->xcr0;
	*r = (struct regs){
		.rip = s->rip, .rflags = s->rflags | RFLAGS_FIXED | RFLAGS_IF, .rsp = s->rsp,
		.cs = user ? s->cs : VMI_KERNEL_CS, .ss = user ? s->ss : 1,
	};
	memcpy(r, s, GENERAL);
	a->fs_base = s->fs_base;
	a->gs_base = s->gs_base;
	if (cpu_info.fsgsbase)
		v->shared->user_gs = s->kernel_gs_base;
	else
		a->kernel_gs_base = s->kernel_gs_base;
	memcpy(a->dr, s->dr, sizeof(a->dr));
	a->dr7 = (s->dr7 & DR7_GUEST) | 0x400;
	a->ds = s->ds;
	a->es = s->es;
	a->fs = s->fs;
	a->gs = s->gs;
	v->shared->dr6 = s->dr6;
	v->shared->vif = !!(s->flags & VMI_VCPU_VIF);
	v->blocked = s->flags & VMI_VCPU_BLOCKED;
	v->timer_deadline = s->timer;
	sched_timer(v);
	return 0;
}

void arch_machine_info(struct vmi_machine *m)
{
	m->memory = boot_info.ram;
	m->hv = boot_info.hv_size;
	m->tsc_khz = tsc_khz();
	m->wall_ns = wall_ns_at_boot();
	m->guest_features = guest_features();
}
