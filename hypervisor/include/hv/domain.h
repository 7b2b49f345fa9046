/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * domain.h - domains and their vCPUs.
 *
 * A domain owns frames (hv/frame.h), a p2m (hv/p2m.h), shadow tables
 * (hv/shadow.h), event ports (hv/event.h) and vCPUs. A vCPU's registers live
 * in vcpu.regs whenever the hypervisor runs: the trampoline stores them there
 * on entry and loads them from there on exit.
 *
 * Locking: each file says which locks its functions need. They are spin locks, taken
 * with interrupts off, in this order: domains_lock (list of domains), evt_lock (a
 * domain's ports; of two domains, the lower identifier first), p2m_lock, shadow_lock,
 * heap_lock, console_lock. On one processor, as today, none of them is taken.
 */
#ifndef HV_DOMAIN_H
#define HV_DOMAIN_H

#include <hv/event.h>
#include <hv/mm.h>
#include <hv/p2m.h>
#include <hv/sched.h>
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
	struct sched_vcpu sched;
	struct sh_vcpu shadow;
	struct arch_vcpu *arch;
} __aligned(16);

struct domain {
	u16 id;
	bool privileged;		/* it is domain 0 */
	bool started;			/* was unpaused once */
	bool paused;
	bool shut;			/* stopped for good, for `reason` */
	bool dying;			/* domain_destroy() has begun */
	u8 reason;			/* VMI_SHUTDOWN_* */
	u8 control;			/* VMI_CONTROL_* that it has not read yet */
	u32 nr_vcpus;
	u64 nr_gfns;			/* its memory, populated when touched; domain 0: 0, its p2m is complete */
	u64 max_gfns;			/* how many of these may have frames now */
	u64 nr_lent;			/* frames that domain 0 sees */
	u64 torn;			/* gfns that domain_destroy() has taken back */
	u32 weight, cap;		/* see core/sched.c */
	u32 watchdog_ms;
	u64 cap_used, cap_end;
	u64 created_ns, started_ns;
	struct domain *next;		/* by identifier */
	struct conring *line[VMI_NR_CONSOLES];	/* NULL: domain 0 */
	struct p2m p2m;
	struct sh_domain shadow;
	struct evt_port *ports;		/* one page: VMI_MAX_PORTS */
	u64 counters[VMI_NR_CTRS + VMI_NR_HYPERCALLS];
	struct vcpu *vcpu[DOM_MAX_VCPUS];
	u8 uuid[16];
	char name[VMI_NAME_MAX];
	char why[VMI_WHY_MAX];
};

#define COUNT(d, name)		((d)->counters[VMI_CTR_##name]++)
#define COUNT_ADD(d, name, n)	((d)->counters[VMI_CTR_##name] += (n))

/* Carry out the hypercall in v->regs and leave its result in RAX (core/hypercall.c). */
void hypercall(struct vcpu *v);
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

	if (unlikely(r->chunk != gfn / PTES_PER_TABLE + 1))
		return p2m_find(d, gfn);
	if (r->entry & P2M_PIECES)
		return ((u64 *)ma_to_va(r->entry & PTE_ADDR))[gfn % PTES_PER_TABLE];
	return r->entry + (gfn % PTES_PER_TABLE << PAGE_SHIFT);
}

/* Type of `gfn`, any value; *mfn is set unless it is P2M_NONE. */
static inline enum p2m_type p2m_get(struct domain *d, gfn_t gfn, mfn_t *mfn)
{
	u64 ent = p2m_entry(d, gfn);

	if (ent)
		*mfn = ent >> PAGE_SHIFT;
	return ent & P2M_TYPE;
}

/* The guest writes `val` to CR3, with bit 63: keep translations. 0 or an error of shadow_load(). */
int vcpu_load_cr3(struct vcpu *v, u64 val);
/* Is `gfn` in 2 MiB of RAM that are 2 MiB of the machine's, too? */
static inline bool p2m_is_large(struct domain *d, gfn_t gfn)
{
	const struct p2m_recent *r = p2m_recent(d, gfn);
	u64 ent = p2m_entry(d, gfn);		/* *r is of gfn now, if there is anything */

	return (ent & P2M_TYPE) == P2M_RAM && !(r->entry & (P2M_PIECES | (PTES_PER_TABLE - 1) << PAGE_SHIFT));
}

/* The domain with identifier `id`, NULL: none. */
struct domain *domain_find(u32 id);
struct domain *domain_first(u32 from);		/* the first whose identifier is `from` or larger, or NULL */
extern struct domain *dom0;
u32 domain_count(void);
/*
 * Make a domain as `cfg` says, which was checked: paused, without memory in use.
 * -VMI_EINVAL, -VMI_ENOMEM, -VMI_ENOSPC (no identifier is free).
 */
long domain_create(const struct vmi_dom_config *cfg);
/* A bounded part of the end: 0 when nothing is left of it, -VMI_EAGAIN: call again. */
long domain_destroy(struct domain *d);
/* Fill in what every domain has; dom0.c uses it, too. 0 or -VMI_ENOMEM. */
int domain_init(struct domain *d, u64 shadow_bytes);
/* Make the vCPU `id`, not runnable yet. 0 or -VMI_ENOMEM. */
int vcpu_create(struct domain *d, u32 id);
void domain_pause(struct domain *d);
void domain_unpause(struct domain *d);
/* What only the arch code knows of the machine. */
void arch_machine_info(struct vmi_machine *m);

/* Stop it for good, with a line for the log and dom_info; the first reason stays. */
void dom_stop(struct domain *d, u32 reason, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
/* Copy the first `nr` counters of `d` to `to` in v's memory: how many exist, or -VMI_EFAULT. */
long domain_counters(const struct domain *d, struct vcpu *v, u64 to, u64 nr);
/* Something happened that dom_event tells: VMI_EVENT_*. */
void domain_event(u32 id, u32 flags);
/* What happened to one domain since it was last told; false: nothing to any. */
bool domain_next_event(struct vmi_dom_event *e);

/* Arch parts of a vCPU: made zeroed and ready to run; taken apart. Fakes in unit tests. */
int arch_vcpu_init(struct vcpu *v);
void arch_vcpu_exit(struct vcpu *v);
long arch_vcpu_get(struct vcpu *v, struct vmi_vcpu_state *s);
/* 0; -VMI_EINVAL where the processor or the ABI does not allow a value; -VMI_ENOMEM. */
long arch_vcpu_set(struct vcpu *v, const struct vmi_vcpu_state *s);

/* The same for the fault of one vCPU, whose registers go to the log; the caller unwinds. */
void dom_crash(struct vcpu *v, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#endif
