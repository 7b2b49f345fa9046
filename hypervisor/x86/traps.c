// SPDX-License-Identifier: GPL-2.0-only
/*
 * traps.c - what to do when a guest, or the hypervisor, is interrupted; how
 * events and exceptions reach a guest.
 *
 * Events arrive in the guest in the hardware's frame format (rule E1). Those
 * that come by themselves respect the virtual interrupt flag and roll a
 * restartable region back (E2); exceptions are delivered at once.
 *
 * Invariant: after resume_guest() the vCPU's frame is one that iretq accepts:
 * ring 1 or 3, canonical RIP, IF set, IOPL 0 (R9, R10, R11).
 * Trust: everything in vcpu.regs and in the shared page is the guest's; each
 * shared field is read once.
 */
#include <hv/lib.h>
#include <hv/x86.h>

struct ex_entry { u64 rip, fixup; };
extern const struct ex_entry ex_table_start[], ex_table_end[];

struct vcpu *trap_from_guest(struct vcpu *v);
void trap_from_hv(struct regs *r);
void trap_ist_from_hv(struct regs *r, u64 cr3);

static const char *const vector_names[32] = {
	"#DE", "#DB", "NMI", "#BP", "#OF", "#BR", "#UD", "#NM", "#DF", "9", "#TS", "#NP", "#SS", "#GP", "#PF", "15",
	"#MF", "#AC", "#MC", "#XM", "#VE", "#CP", "22", "23", "24", "25", "26", "27", "28", "#VC", "#SX", "31",
};

static const char *vector_name(u32 vector)
{
	return vector < 32 ? vector_names[vector] : "an interrupt";
}

static u32 cpl(const struct vcpu *v)
{
	return v->regs.cs & 3;
}

void dom_crash(struct vcpu *v, const char *fmt, ...)
{
	char why[256];
	va_list ap;

	if (v->domain->shut)
		return;
	va_start(ap, fmt);
	vsnprintf(why, sizeof(why), fmt, ap);
	va_end(ap);
	dom_stop(v->domain, VMI_SHUTDOWN_FAULT, "vCPU %u at RIP %p: %s", v->id, (void *)v->regs.rip, why);
	print_regs(&v->regs);
}

/* ---- into the guest ------------------------------------------------------- */

static void inject(struct vcpu *v, u8 vector, bool has_error, u32 error)
{
	struct vmi_shared *sh = v->shared;
	struct regs *r = &v->regs;
	u64 handler = v->vectors[vector].handler;
	bool user = cpl(v) == 3;
	u64 frame[6], sp, *f = frame;
	u32 n = 5 + has_error;

	if (!handler) {
		dom_crash(v, "%s (vector %u, error %x) and no handler for it", vector_name(vector), vector, error);
		return;
	}
	sp = (user ? v->setup.rsp1 : r->rsp) & ~15UL;
	sp -= n * 8;
	if (has_error)
		*f++ = error;
	*f++ = r->rip;
	*f++ = user ? r->cs : VMI_KERNEL_CS & ~3UL;
	*f++ = (r->rflags & ~(RFLAGS_IF | RFLAGS_IOPL)) | (user || READ_ONCE(sh->vif) ? RFLAGS_IF : 0);
	*f++ = r->rsp;
	*f++ = user ? r->ss : VMI_KERNEL_SS & ~3UL;
	if (copy_to_guest(v, sp, frame, n * 8)) {
		dom_crash(v, "%s (error %x) cannot be delivered: the kernel stack at %p is not writable",
			  vector_name(vector), error, (void *)sp);
		return;
	}
	/* Without FSGSBASE the kernel finds its own GS base loaded (rule E4). */
	if (user && !cpu_info.fsgsbase)
		gs_swap(v);
	WRITE_ONCE(sh->vif, 0);
	r->rsp = sp;
	r->rip = handler;
	r->cs = VMI_KERNEL_CS;
	r->ss = 1;
	r->rflags &= ~(RFLAGS_TF | RFLAGS_NT | RFLAGS_RF | RFLAGS_VM);
}

void inject_exception(struct vcpu *v, u8 vector, bool has_error, u32 error)
{
	COUNT(v->domain, FAULTS);
	inject(v, vector, has_error, error);
}

static bool in_region(u64 rip, const struct vmi_region *g)
{
	return rip > g->start && rip <= g->iret;
}

static void deliver_event(struct vcpu *v)
{
	struct vmi_shared *sh = v->shared;

	if (!v->setup.upcall_vector)
		return;
	if (cpl(v) == 1) {
		const struct vmi_region *g = in_region(v->regs.rip, &v->setup.user) ? &v->setup.user :
					     in_region(v->regs.rip, &v->setup.kernel) ? &v->setup.kernel : NULL;

		if (g) {
			COUNT(v->domain, ROLLBACKS);
			WRITE_ONCE(sh->vif, 0);
			v->regs.rip = g->start;
			return;
		}
		if (!READ_ONCE(sh->vif))
			return;
	}
	COUNT(v->domain, EVENTS);
	inject(v, v->setup.upcall_vector, false, 0);
}

struct vcpu *resume_guest(struct vcpu *v)
{
	struct pcpu *c = this_cpu();
	struct regs *r;

	for (;;) {
		if (dom0->shut)
			machine_stop();
		if (sched_needed())
			v = schedule(v);
		r = &v->regs;
		if (READ_ONCE(v->shared->pending))
			deliver_event(v);
		if (!va_canonical(r->rip))
			inject_exception(v, VEC_GP, true, 0);
		if (!v->domain->shut)
			break;
	}

	if ((r->cs & 3) != 3)
		r->cs = VMI_KERNEL_CS;
	r->rflags &= ~(RFLAGS_IOPL | RFLAGS_VM | RFLAGS_VIF | RFLAGS_VIP);
	r->rflags |= RFLAGS_FIXED | RFLAGS_IF;
	BUG_ON(!va_canonical(r->rip));
	if (unlikely(c->dr7_stripped)) {
		c->dr7_stripped = false;
		WRITE_DR(7, v->arch->dr7);
	}
	*area_desc(&v->arch->area, DESC_GUEST_CR3) = v->shadow.l4 << PAGE_SHIFT;
	return v;
}

/* ---- from the guest ---------------------------------------------------------- */

static void page_fault(struct vcpu *v)
{
	u64 va = READ_CR(2);
	u32 error = v->regs.error;
	enum sh_result res = SH_FAULT;

	if (va < VMI_AREA_BASE || va >= VMI_AREA_END) {
		u32 access = error & (PF_WRITE | PF_USER | PF_FETCH);

		res = shadow_fill(v, va, access, &error);
	}
	switch (res) {
	case SH_FILLED:
		COUNT(v->domain, SHADOW_MISSES);
		return;
	case SH_NOMEM:
		dom_crash(v, "no memory for shadow tables");
		return;
	case SH_FAULT:
		v->shared->cr2 = va;
		inject_exception(v, VEC_PF, true, error);
		return;
	}
}

static void debug_exception(struct vcpu *v)
{
	v->shared->dr6 = READ_DR(6);
	WRITE_DR(6, 0xffff0ff0);
	inject_exception(v, VEC_DB, false, 0);
}

static void exception(struct vcpu *v)
{
	u32 vector = v->regs.vector;

	COUNT(v->domain, TRAPS);
	switch (vector) {
	case VEC_PF:
		page_fault(v);
		return;
	case VEC_GP:
		if (cpl(v) != 1 || !emulate(v))
			inject_exception(v, vector, true, v->regs.error);
		return;
	case VEC_DB:
		debug_exception(v);
		return;
	case VEC_NMI:
		log_guest("NMI ignored");
		return;
	case VEC_MC:
		panic_regs(&v->regs, "machine check");
		return;
	case VEC_DF:
		dom_crash(v, "double fault");
		return;
	case 10: case 11: case 12: case 17: case 21:
		inject_exception(v, vector, true, v->regs.error);
		return;
	default:
		inject_exception(v, vector, false, 0);
		return;
	}
}

/* Physical interrupts; true where the vector is one. */
static bool interrupt(u32 vector)
{
	struct vcpu *v = this_cpu()->current;

	if (v)
		COUNT(v->domain, INTERRUPTS);
	if (vector == VEC_APIC_TIMER) {
		apic_eoi();
		sched_tick();
		return true;
	}
	if (vector == VEC_SPURIOUS)
		return true;
	return irq_interrupt(vector);
}

struct vcpu *trap_from_guest(struct vcpu *v)
{
	u32 vector = v->regs.vector;

	COUNT_ADD(v->domain, CR3_WRITES, 2);
	if (v->regs.root != v->shadow.l4 << PAGE_SHIFT)
		shadow_switched(v, v->regs.root >> PAGE_SHIFT);	/* the trampoline did */
	if (vector == REGS_HYPERCALL)
		hypercall(v);
	else if (vector < 32)
		exception(v);
	else if (!interrupt(vector))
		inject_exception(v, vector, false, 0);	/* `int n` that the guest allowed */
	return resume_guest(v);
}

/* ---- from the hypervisor itself ------------------------------------------------- */

void trap_from_hv(struct regs *r)
{
	if (r->vector >= 32 && interrupt(r->vector))
		return;
	for (const struct ex_entry *e = ex_table_start; e < ex_table_end; e++) {
		if (e->rip == r->rip) {
			r->rip = e->fixup;
			return;
		}
	}
	panic_regs(r, vector_name(r->vector));
}

void trap_ist_from_hv(struct regs *r, u64 cr3)
{
	switch (r->vector) {
	case VEC_DB:
		/* A guest's breakpoint on an address the hypervisor uses too: off until the next exit. */
		WRITE_DR(7, 0x400);
		WRITE_DR(6, 0xffff0ff0);
		this_cpu()->dr7_stripped = true;
		return;
	default:
		log_info("interrupted root %p", (void *)cr3);
		panic_regs(r, vector_name(r->vector));
	}
}
