// SPDX-License-Identifier: GPL-2.0-only
/*
 * hypercall.c - dispatch of the VMI table, and the calls that need no x86.
 *
 * The table is generated from include/vmi/hypercalls.tbl: number, handler,
 * how many arguments, which of them are 32 bits wide, who may call. Unused
 * argument registers, RCX and R11 return as zero, so nothing of the
 * hypervisor's leaks in them.
 *
 * Trust: every register is guest-chosen. Handlers copy guest memory once and
 * judge the copy.
 */
#include <hv/dispatch.h>
#include <hv/domain.h>
#include <hv/lib.h>

struct row {
	long (*handler)(struct vcpu *v, const u64 *args);
	u8 nr_args;
	u8 narrow;			/* bit n: argument n is a u32 */
	bool privileged;
};

#define ROW(nr, fn, args, mask, priv, name) [nr] = { fn, args, mask, priv },
static const struct row rows[VMI_NR_HYPERCALLS] = { HC_ROWS(ROW) };

void hypercall(struct vcpu *v)
{
	struct regs *r = &v->regs;
	u64 args[6] = { r->rdi, r->rsi, r->rdx, r->r10, r->r8, r->r9 };
	u64 nr = r->rax;
	const struct row *row;
	long ret;

	COUNT(v->domain, HYPERCALLS);
	r->rdi = r->rsi = r->rdx = r->r10 = r->r8 = r->r9 = r->rcx = r->r11 = 0;
	if (nr >= VMI_NR_HYPERCALLS || !rows[nr].handler) {
		r->rax = -VMI_ENOSYS;
		return;
	}
	row = &rows[nr];
	v->domain->counters[VMI_NR_CTRS + nr]++;
	if (row->privileged && !v->domain->privileged) {
		r->rax = -VMI_EPERM;
		return;
	}
	for (u32 i = 0; i < row->nr_args; i++) {
		if (row->narrow & BIT(i))
			args[i] = (u32)args[i];
	}
	ret = row->handler(v, args);
	/* A handler that moved the guest elsewhere (a stopped domain) still returns through here. */
	r->rax = ret;
}

long hc_version(struct vcpu *v, const u64 *a)
{
	return VMI_VERSION_MAJOR << 16 | VMI_VERSION_MINOR;
}

long hc_features(struct vcpu *v, const u64 *a)
{
	if (a[0])
		return 0;		/* words that later versions define */
	return dom_features(v->domain);
}

int vcpu_load_cr3(struct vcpu *v, u64 val)
{
	u64 cr3 = val & ~BIT(VMI_CR3_NOFLUSH_BIT);
	int rc = shadow_load(v, cr3, val >> VMI_CR3_NOFLUSH_BIT);

	COUNT(v->domain, CR3_LOADS);
	if (rc)
		return rc;
	v->cr3 = cr3;
	v->shared->cr3 = cr3;
	return 0;
}

long hc_cr3_load(struct vcpu *v, const u64 *a)
{
	return vcpu_load_cr3(v, a[0]);
}

long hc_tlb_flush(struct vcpu *v, const u64 *a)
{
	switch (a[0]) {
	case VMI_FLUSH_ALL:
		shadow_flush_all(v->domain);
		return 0;
	case VMI_FLUSH_USER:
		shadow_flush_user(v);
		return 0;
	case VMI_FLUSH_RANGE:
		if (!a[2] || a[2] > VMI_FLUSH_MAX_PAGES)
			return -VMI_EINVAL;
		shadow_flush_range(v, a[1], a[2]);
		return 0;
	default:
		return -VMI_EINVAL;
	}
}

long hc_root_drop(struct vcpu *v, const u64 *a)
{
	return shadow_root_drop(v->domain, a[0]);
}

long hc_fill(struct vcpu *v, const u64 *a)
{
	u32 error;

	if (a[1] & ~(u64)(VMI_ACCESS_WRITE | VMI_ACCESS_USER | VMI_ACCESS_FETCH))
		return -VMI_EINVAL;
	switch (shadow_fill(v, a[0], a[1], &error)) {
	case SH_FILLED:
		return 0;
	case SH_FAULT:
		return 1;
	default:
		return -VMI_ENOMEM;
	}
}

long hc_evt_bind_virq(struct vcpu *v, const u64 *a)
{
	return evt_bind_virq(v, a[0]);
}

long hc_evt_bind_ipi(struct vcpu *v, const u64 *a)
{
	return evt_bind_ipi(v->domain, a[0]);
}

long hc_evt_send(struct vcpu *v, const u64 *a)
{
	return evt_send(v->domain, a[0]);
}

long hc_evt_close(struct vcpu *v, const u64 *a)
{
	return evt_close(v->domain, a[0]);
}

long domain_counters(const struct domain *d, struct vcpu *v, u64 to, u64 nr)
{
	u64 out[ARRAY_SIZE(d->counters)];

	nr = MIN(nr, ARRAY_SIZE(out));
	memcpy(out, d->counters, sizeof(out));
	/* The trampoline counts in the shared pages; a guest can only lie to itself there. */
	for (u32 i = 0; i < DOM_MAX_VCPUS; i++) {
		const struct vmi_shared *sh = d->vcpu[i] ? d->vcpu[i]->shared : NULL;

		if (!sh)
			continue;
		out[VMI_CTR_SYS_BOUNCES] += sh->nr_syscalls;
		out[VMI_CTR_PF_BOUNCES] += sh->nr_pf_bounces;
		out[VMI_CTR_CR3_WRITES] += sh->nr_cr3;
		out[VMI_CTR_CR3_LOADS] += sh->nr_cr3;
	}
	return copy_to_guest(v, to, out, nr * sizeof(u64)) ? -VMI_EFAULT : (long)ARRAY_SIZE(out);
}

long hc_counters(struct vcpu *v, const u64 *a)
{
	return domain_counters(v->domain, v, a[0], a[1]);
}

long hc_log_read(struct vcpu *v, const u64 *a)
{
	u64 done = 0, off, len = MIN(a[2], (u64)VMI_CONSOLE_MAX);

	if (copy_from_guest(v, &off, a[0], sizeof(off)))
		return -VMI_EFAULT;
	while (done < len) {
		char chunk[256];
		u64 start;
		size_t n = log_copy(off, chunk, MIN(len - done, sizeof(chunk)), &start);

		if (!n)
			break;
		if (copy_to_guest(v, a[1] + done, chunk, n))
			return -VMI_EFAULT;
		off = start + n;
		done += n;
	}
	return copy_to_guest(v, a[0], &off, sizeof(off)) ? -VMI_EFAULT : (long)done;
}
