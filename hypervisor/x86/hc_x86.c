// SPDX-License-Identifier: GPL-2.0-only
/*
 * hc_x86.c - hypercalls that are about the processor, the clock or the machine.
 *
 * Trust: see core/hypercall.c. Addresses that ring 0 will return to are
 * checked here once: canonical and in the upper half, so that no later iretq
 * can fault in ring 0 (R9).
 */
#include <hv/dispatch.h>
#include <hv/lib.h>
#include <hv/x86.h>

static bool kernel_address(u64 va)
{
	return va_canonical(va) && va_upper(va) && !(va >= VMI_AREA_BASE && va < VMI_AREA_END);
}

static bool region_ok(const struct vmi_region *g)
{
	if (!g->start && !g->iret)
		return true;
	return kernel_address(g->start) && kernel_address(g->iret) && g->start < g->iret &&
	       g->iret - g->start < 256;
}

long hc_vcpu_setup(struct vcpu *v, const u64 *a)
{
	struct area *area = &v->arch->area;
	struct vmi_vcpu_setup s;

	if (copy_from_guest(v, &s, a[0], sizeof(s)))
		return -VMI_EFAULT;
	if (s.reserved[0] || s.reserved[1] || s.reserved[2] || s.upcall_vector < 32 ||
	    s.upcall_vector >= VMI_NR_VECTORS || s.rsp1 & 15)
		return -VMI_EINVAL;
	if (!kernel_address(s.syscall_entry) || !kernel_address(s.rsp1) ||
	    (s.compat_entry && !kernel_address(s.compat_entry)) ||
	    (s.pf_entry && !kernel_address(s.pf_entry)) || !region_ok(&s.user) || !region_ok(&s.kernel))
		return -VMI_EINVAL;
	v->setup = s;
	*area_desc(area, DESC_FRAME_SYSCALL) = s.syscall_entry;
	*area_desc(area, DESC_FRAME_COMPAT) = s.compat_entry;	/* 0: #UD, see tramp.S */
	*area_desc(area, DESC_FRAME_PF) = s.pf_entry;
	area_set_pf_bounce(area, s.pf_entry);
	return 0;
}

long hc_vectors_set(struct vcpu *v, const u64 *a)
{
	u64 first = a[0], nr = a[1];

	if (first >= VMI_NR_VECTORS || nr > VMI_NR_VECTORS - first)
		return -VMI_EINVAL;
	for (u64 i = 0; i < nr; i++) {
		struct vmi_vector vec;

		if (copy_from_guest(v, &vec, a[2] + i * sizeof(vec), sizeof(vec)))
			return -VMI_EFAULT;
		if (vec.reserved || (vec.dpl != 0 && vec.dpl != 3) || (vec.handler && !kernel_address(vec.handler)))
			return -VMI_EINVAL;
		v->vectors[first + i] = vec;
		if (first + i != VEC_PF)
			area_set_gate_dpl(&v->arch->area, first + i, vec.dpl);
	}
	return 0;
}

long hc_timer_set(struct vcpu *v, const u64 *a)
{
	v->timer_deadline = a[0];
	sched_timer(v);
	return 0;
}

long hc_halt(struct vcpu *v, const u64 *a)
{
	WRITE_ONCE(v->shared->vif, 1);
	COUNT(v->domain, HALTS);
	vcpu_block(v);
	return 0;
}

long hc_gdt_write(struct vcpu *v, const u64 *a)
{
	return gdt_write(v, a[0], a[1]);
}

long hc_ldt_set(struct vcpu *v, const u64 *a)
{
	return ldt_set(v, a[0], a[1]);
}

long hc_debugreg_set(struct vcpu *v, const u64 *a)
{
	return debugreg_write_policy(v, a[0], a[1]) ? 0 : -VMI_EINVAL;
}

long hc_debugreg_get(struct vcpu *v, const u64 *a)
{
	u64 val;

	if (a[0] > 7 || a[0] == 4 || a[0] == 5)
		return -VMI_EINVAL;
	val = debugreg_read(v, a[0]);
	return copy_to_guest(v, a[1], &val, sizeof(val));
}

long hc_msr_read(struct vcpu *v, const u64 *a)
{
	u64 val;

	if (!msr_read_policy(v, a[0], &val))
		return -VMI_EINVAL;
	return copy_to_guest(v, a[1], &val, sizeof(val));
}

long hc_msr_write(struct vcpu *v, const u64 *a)
{
	return msr_write_policy(v, a[0], a[1]) ? 0 : -VMI_EINVAL;
}

long hc_gs_swap(struct vcpu *v, const u64 *a)
{
	return gs_swap(v) ? 0 : -VMI_EINVAL;
}

long hc_cpuid(struct vcpu *v, const u64 *a)
{
	u32 out[4];

	cpuid_policy(a[0], a[1], out);
	return copy_to_guest(v, a[2], out, sizeof(out));
}

long hc_cr4_write(struct vcpu *v, const u64 *a)
{
	return cr4_write_policy(v, a[0]) ? 0 : -VMI_EINVAL;
}

long hc_shutdown(struct vcpu *v, const u64 *a)
{
	struct domain *d = v->domain;

	if (a[0] > VMI_SHUTDOWN_CRASH)
		return -VMI_EINVAL;
	if (a[0] == VMI_SHUTDOWN_CRASH) {
		dom_stop(d, VMI_SHUTDOWN_CRASH, "its kernel panicked");
	} else if (!d->privileged) {
		dom_stop(d, a[0], a[0] == VMI_SHUTDOWN_POWEROFF ? "it powered off" : "it asked for a restart");
	} else if (a[0] == VMI_SHUTDOWN_POWEROFF) {
		log_info("domain %u powers off", d->id);
		machine_poweroff();
	} else {
		log_info("domain %u reboots", d->id);
		machine_reset();
	}
	return 0;
}
