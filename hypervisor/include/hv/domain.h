/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * domain.h - domains and their vCPUs.
 *
 * A domain owns frames (hv/frame.h), a p2m (hv/p2m.h), shadow tables
 * (hv/shadow.h), event ports (hv/event.h) and vCPUs. A vCPU's registers live
 * in vcpu.regs whenever the hypervisor runs: the trampoline stores them there
 * on entry and loads them from there on exit.
 *
 * Locking: see hv/locks.h.
 */
#ifndef HV_DOMAIN_H
#define HV_DOMAIN_H

#include <hv/event.h>
#include <hv/mm.h>
#include <hv/p2m.h>
#include <hv/shadow.h>
#include <hv/types.h>
#include <vmi/abi.h>
#include <vmi/numbers.h>

#define DOMID_0		0
#define DOMID_HV	0xffff		/* owner of the hypervisor's own frames */
#define DOMID_NONE	0xfffe		/* free frames */
#define DOM_MAX_VCPUS	1

/* Guest registers in the order the trampoline pushes them. */
struct regs {
	u64 r15, r14, r13, r12, r11, r10, r9, r8;
	u64 rdi, rsi, rbp, rdx, rcx, rbx, rax;
	u64 vector;			/* exception or interrupt vector, or REGS_HYPERCALL */
	u64 error;
	u64 rip, cs, rflags, rsp, ss;
	u64 root;			/* machine CR3 at entry: the trampoline may have switched */
	u64 pad;			/* the end is a stack top, 16-byte aligned */
};
#define REGS_HYPERCALL	256

struct arch_vcpu;

struct vcpu {
	struct regs regs;		/* first */
	struct domain *domain;
	u32 id;
	bool blocked;			/* halted, waits for an event */
	u64 timer_deadline;		/* system time in ns, 0: off */
	u64 cr3;			/* guest's CR3 without bit 63 */
	u64 cr4;			/* virtual */
	struct vmi_shared *shared;	/* hypervisor's mapping of the shared page */
	mfn_t shared_mfn;
	struct vmi_vcpu_setup setup;	/* validated copy; syscall_entry 0: not registered */
	struct vmi_vector *vectors;	/* validated copies, one page: VMI_NR_VECTORS */
	u16 virq_port[VMI_NR_VIRQS];	/* 0: not bound */
	struct sh_vcpu shadow;
	struct arch_vcpu *arch;
} __aligned(16);

struct domain {
	u16 id;
	bool privileged;
	bool dying;
	struct p2m p2m;
	struct sh_domain shadow;
	struct evt_domain events;
	u64 counters[VMI_NR_CTRS + VMI_NR_HYPERCALLS];
	struct vcpu *vcpu[DOM_MAX_VCPUS];
};

#define COUNT(d, name)		((d)->counters[VMI_CTR_##name]++)
#define COUNT_ADD(d, name, n)	((d)->counters[VMI_CTR_##name] += (n))

/* Feature word 0 of the ABI for this domain (arch; a fake in unit tests). */
u32 dom_features(const struct domain *d);

static inline const struct p2m_recent *p2m_recent(const struct domain *d, gfn_t gfn)
{
	return &d->p2m.recent[gfn / PTES_PER_TABLE % P2M_RECENT];
}

/* The entry of `gfn`, any value. */
static inline u64 p2m_entry(struct domain *d, gfn_t gfn)
{
	const struct p2m_recent *r = p2m_recent(d, gfn);

	if (r->chunk == gfn / PTES_PER_TABLE + 1)
		return r->entry + (gfn % PTES_PER_TABLE << PAGE_SHIFT);
	return p2m_find(d, gfn);
}

/* Type of `gfn`, any value; *mfn is set unless it is P2M_NONE. */
static inline enum p2m_type p2m_get(struct domain *d, gfn_t gfn, mfn_t *mfn)
{
	u64 ent = p2m_entry(d, gfn);

	if (ent)
		*mfn = ent >> PAGE_SHIFT;
	return ent & P2M_TYPE;
}

/* Stop a domain that cannot go on, with the reason in the log; the caller unwinds. */
void dom_crash(struct vcpu *v, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#endif
