// SPDX-License-Identifier: GPL-2.0-only
/*
 * domctl.c - the calls by which domain 0 makes and drives other domains, and
 * the event ports between domains.
 *
 * Each call does a bounded amount of work; those that copy return how far they
 * came. Domain 0 cannot name itself in a call that would take something from it.
 *
 * Locking: domains_lock.
 * Trust:   dispatch lets only domain 0 in where the table says so; its arguments
 *          are checked all the same, because a mistake there must not stop the machine.
 */
#include <hv/conring.h>
#include <hv/dispatch.h>
#include <hv/domain.h>
#include <hv/frame.h>
#include <hv/lib.h>
#include <hv/mm.h>

#define COPY_MAX	(256UL << 10)	/* bytes that one dom_write or dom_read moves */

/* A domain that can be driven: not domain 0, not one whose end has begun. */
static struct domain *target(u32 id)
{
	struct domain *d = domain_find(id);

	return d && !d->privileged && !d->dying ? d : NULL;
}

/* ---- event ports ---------------------------------------------------------------- */

static struct domain *named(struct vcpu *v, u32 id)
{
	return id == VMI_DOMID_SELF ? v->domain : domain_find(id);
}

long hc_evt_alloc(struct vcpu *v, const u64 *a)
{
	struct domain *d = named(v, a[0]), *peer = named(v, a[1]);

	if (d != v->domain && !v->domain->privileged)
		return -VMI_EPERM;
	if (!d || d->dying || !peer)
		return -VMI_ESRCH;
	return evt_alloc(d, peer->id);
}

long hc_evt_bind(struct vcpu *v, const u64 *a)
{
	struct domain *far = named(v, a[0]);

	return far && !far->dying ? evt_bind(v->domain, far, a[1]) : -VMI_ESRCH;
}

/* ---- coming and going ------------------------------------------------------------ */

static bool name_ok(const u8 *name)
{
	u32 i;

	for (i = 0; i < VMI_NAME_MAX && name[i]; i++) {
		if (name[i] <= ' ' || name[i] > '~')
			return false;
	}
	return i && i < VMI_NAME_MAX;
}

long hc_dom_create(struct vcpu *v, const u64 *a)
{
	struct vmi_dom_config cfg;

	if (copy_from_guest(v, &cfg, a[0], sizeof(cfg)))
		return -VMI_EFAULT;
	if (cfg.memory < VMI_MEMORY_MIN || cfg.memory & ~PAGE_MASK || cfg.memory >> PAGE_SHIFT >= P2M_MAX_GFN ||
	    cfg.shadow >> PAGE_SHIFT > (u32)-1 || !cfg.nr_vcpus || cfg.nr_vcpus > DOM_MAX_VCPUS ||
	    cfg.weight > VMI_WEIGHT_MAX || cfg.cap > 100 * cfg.nr_vcpus || cfg.reserved[0] || cfg.reserved[1] || cfg.reserved[2] || cfg.reserved[3] ||
	    !name_ok(cfg.name))
		return -VMI_EINVAL;
	return domain_create(&cfg);
}

long hc_dom_destroy(struct vcpu *v, const u64 *a)
{
	struct domain *d = domain_find(a[0]);

	return d && !d->privileged ? domain_destroy(d) : -VMI_ESRCH;
}

long hc_dom_pause(struct vcpu *v, const u64 *a)
{
	struct domain *d = target(a[0]);

	if (!d)
		return -VMI_ESRCH;
	domain_pause(d);
	return 0;
}

long hc_dom_unpause(struct vcpu *v, const u64 *a)
{
	struct domain *d = target(a[0]);

	if (!d)
		return -VMI_ESRCH;
	/* A vCPU without page tables has nowhere to run. */
	if (!d->vcpu[0]->shadow.root)
		return -VMI_EINVAL;
	domain_unpause(d);
	return 0;
}

/* ---- asking ------------------------------------------------------------------------- */

static bool all_blocked(const struct domain *d)
{
	for (u32 i = 0; i < d->nr_vcpus; i++)
		if (!d->vcpu[i]->blocked)
			return false;
	return true;
}

long hc_dom_info(struct vcpu *v, const u64 *a)
{
	struct domain *d = domain_first(a[0]);
	struct vmi_dom_info i = { 0 };

	if (!d)
		return -VMI_ENOENT;
	i.domid = d->id;
	i.flags = (d->started ? 0 : VMI_DOM_NEW) | (d->paused ? VMI_DOM_PAUSED : 0) | (d->shut ? VMI_DOM_SHUTDOWN : 0) |
		  (d->dying ? VMI_DOM_DYING : 0) | (all_blocked(d) ? VMI_DOM_BLOCKED : 0);
	i.reason = d->reason;
	i.nr_vcpus = d->nr_vcpus;
	i.populated = d->p2m.nr_ram << PAGE_SHIFT;
	i.memory = d->privileged ? i.populated : d->nr_gfns << PAGE_SHIFT;
	i.memory_now = d->privileged ? i.populated : d->max_gfns << PAGE_SHIFT;
	i.lent = d->nr_lent << PAGE_SHIFT;
	i.shadow = (u64)d->shadow.nr_tables << PAGE_SHIFT;
	i.shadow_max = (u64)d->shadow.max_tables << PAGE_SHIFT;
	sched_times(d, &i.cpu_ns, &i.wait_ns);
	i.created_ns = d->created_ns;
	i.started_ns = d->started_ns;
	i.weight = d->weight;
	i.cap = d->cap;
	memcpy(i.uuid, d->uuid, sizeof(i.uuid));
	memcpy(i.name, d->name, sizeof(i.name));
	memcpy(i.why, d->why, sizeof(i.why));
	return copy_to_guest(v, a[1], &i, sizeof(i));
}

long hc_dom_event(struct vcpu *v, const u64 *a)
{
	struct vmi_dom_event e;

	/* A place that cannot be written must not lose the event. */
	if (copy_to_guest(v, a[0], &(struct vmi_dom_event){ 0 }, sizeof(e)))
		return -VMI_EFAULT;
	if (!domain_next_event(&e))
		return -VMI_ENOENT;
	return copy_to_guest(v, a[0], &e, sizeof(e));
}

long hc_dom_counters(struct vcpu *v, const u64 *a)
{
	struct domain *d = domain_find(a[0]);

	return d ? domain_counters(d, v, a[1], a[2]) : -VMI_ESRCH;
}

/* ---- driving ---------------------------------------------------------------------------- */

long hc_dom_sched(struct vcpu *v, const u64 *a)
{
	struct domain *d = domain_find(a[0]);

	if (!d || d->dying)
		return -VMI_ESRCH;
	if (a[1] > VMI_WEIGHT_MAX || a[2] > 100UL * d->nr_vcpus)
		return -VMI_EINVAL;
	if (a[1])
		d->weight = a[1];
	d->cap = a[2];
	return 0;
}

long hc_dom_control(struct vcpu *v, const u64 *a)
{
	struct domain *d = target(a[0]);

	if (!d)
		return -VMI_ESRCH;
	if (a[1] != VMI_CONTROL_POWEROFF && a[1] != VMI_CONTROL_REBOOT)
		return -VMI_EINVAL;
	/* Nobody there listens: the tools can only end it. */
	if (!d->vcpu[0]->virq_port[VMI_VIRQ_CONTROL])
		return -VMI_ENOENT;
	d->control = a[1];
	evt_raise_virq(d->vcpu[0], VMI_VIRQ_CONTROL);
	return 0;
}

long hc_control_get(struct vcpu *v, const u64 *a)
{
	u8 what = v->domain->control;

	v->domain->control = VMI_CONTROL_NONE;
	return what;
}

long hc_dom_console_read(struct vcpu *v, const u64 *a)
{
	struct domain *d = domain_find(a[0]);

	return d && !d->privileged ? console_read(v, d, CON_OUTPUT, a + 1) : -VMI_ESRCH;
}

long hc_dom_console_write(struct vcpu *v, const u64 *a)
{
	struct domain *d = target(a[0]);

	return d ? console_write(v, d, CON_INPUT, a + 1) : -VMI_ESRCH;
}

/* ---- memory ------------------------------------------------------------------------------- */

/* Both directions of dom_write and dom_read. */
static long copy_memory(struct vcpu *v, const u64 *a, bool write)
{
	struct domain *d = target(a[0]);
	u64 gpa = a[1], done = 0, len = MIN(a[3], COPY_MAX);

	if (!d)
		return -VMI_ESRCH;
	if (gpa >> PAGE_SHIFT >= d->nr_gfns || a[3] > (d->nr_gfns << PAGE_SHIFT) - gpa)
		return -VMI_EINVAL;
	while (done < len) {
		u64 n = MIN(len - done, PAGE_SIZE - (gpa & ~PAGE_MASK));
		u64 ent = p2m_populate(d, gpa >> PAGE_SHIFT);
		u8 *p = (u8 *)ma_to_va(ent & PTE_ADDR) + (gpa & ~PAGE_MASK);

		if (!ent)
			return -VMI_ENOMEM;
		if (write ? copy_from_guest(v, p, a[2] + done, n) : copy_to_guest(v, a[2] + done, p, n))
			return done ? (long)done : -VMI_EFAULT;
		done += n;
		gpa += n;
	}
	return done;
}

long hc_dom_write(struct vcpu *v, const u64 *a)
{
	return copy_memory(v, a, true);
}

long hc_dom_read(struct vcpu *v, const u64 *a)
{
	return copy_memory(v, a, false);
}

/*
 * A lent frame appears in domain 0 at gfn == mfn, so that DMA finds it (rule M8).
 * It is no RAM of domain 0's to the p2m: its shadow leaves are in no reverse map,
 * and dom_revoke drops all of domain 0's shadows at once (rule M3).
 */
static long lend(struct domain *d, gfn_t gfn, u64 *mfn)
{
	struct frame *f;

	if (gfn >= d->nr_gfns)
		return -VMI_EINVAL;
	*mfn = p2m_populate(d, gfn) >> PAGE_SHIFT;
	f = frame_of(*mfn);
	if (f->flags & FRAME_LENT)
		return -VMI_EBUSY;
	if (!*mfn || p2m_set(dom0, *mfn, *mfn, 1, P2M_MMIO))
		return -VMI_ENOMEM;
	f->refs++;
	f->flags |= FRAME_LENT;
	d->nr_lent++;
	return 0;
}

static void take_back(mfn_t mfn)
{
	struct frame *f = frame_of(mfn);
	struct domain *d = domain_find(f->owner);

	p2m_set(dom0, mfn, 0, 1, P2M_NONE);
	f->flags &= ~FRAME_LENT;
	if (d)
		d->nr_lent--;
}

long hc_dom_lend(struct vcpu *v, const u64 *a)
{
	struct domain *d = target(a[0]);
	u64 mfn, n;
	long rc = 0;

	if (!d)
		return -VMI_ESRCH;
	if (a[2] > VMI_LEND_MAX)
		return -VMI_E2BIG;
	for (n = 0; n < a[2] && !rc;) {
		rc = lend(d, a[1] + n, &mfn);
		if (!rc && copy_to_guest(v, a[3] + n++ * sizeof(mfn), &mfn, sizeof(mfn)))
			rc = -VMI_EFAULT;
	}
	/* All or nothing. */
	while (rc && n--) {
		mfn = p2m_populate(d, a[1] + n) >> PAGE_SHIFT;
		take_back(mfn);
		frame_put(mfn);
	}
	return rc;
}

long hc_dom_revoke(struct vcpu *v, const u64 *a)
{
	u64 mfn[VMI_LEND_MAX];
	long rc = 0;
	u64 n;

	if (a[1] > VMI_LEND_MAX)
		return -VMI_E2BIG;
	if (copy_from_guest(v, mfn, a[0], a[1] * sizeof(mfn[0])))
		return -VMI_EFAULT;
	for (n = 0; n < a[1]; n++) {
		struct frame *f = frame_of(mfn[n]);

		if (!f || !(f->flags & FRAME_LENT)) {
			rc = -VMI_EINVAL;
			break;
		}
		take_back(mfn[n]);
	}
	shadow_flush_all(dom0);
	/* Only now may a frame be somebody else's. */
	while (n--)
		frame_put(mfn[n]);
	return rc;
}

/* The domain's kernel gave these up (a balloon): the p2m first, then the shadows, then the frame (rule M3). */
long hc_dom_release(struct vcpu *v, const u64 *a)
{
	struct domain *d = target(a[0]);
	u64 gfn[VMI_LEND_MAX], n;

	if (!d)
		return -VMI_ESRCH;
	if (a[2] > VMI_LEND_MAX)
		return -VMI_E2BIG;
	if (copy_from_guest(v, gfn, a[1], a[2] * sizeof(gfn[0])))
		return -VMI_EFAULT;
	for (n = 0; n < a[2]; n++) {
		u64 ent = gfn[n] < d->nr_gfns ? p2m_entry(d, gfn[n]) : 0;
		mfn_t mfn = ent >> PAGE_SHIFT;

		if (!ent)
			continue;
		if (frame_of(mfn)->flags & FRAME_LENT || p2m_set(d, gfn[n], 0, 1, P2M_NONE))
			break;
		shadow_unmap_frame(d, mfn);
		frame_put(mfn);
	}
	return n;
}

long hc_dom_budget(struct vcpu *v, const u64 *a)
{
	struct domain *d = target(a[0]);
	u64 gfns = a[1] >> PAGE_SHIFT;

	(void)v;
	if (!d)
		return -VMI_ESRCH;
	if (a[1] & ~PAGE_MASK || a[1] < VMI_MEMORY_MIN || gfns > d->nr_gfns)
		return -VMI_EINVAL;
	if (gfns < d->p2m.nr_ram)
		return -VMI_EBUSY;
	if (!heap_budget_change(d->id, (s64)gfns - (s64)d->max_gfns))
		return -VMI_ENOMEM;
	d->max_gfns = gfns;
	return 0;
}

/* ---- vCPUs, the machine ------------------------------------------------------------------- */

static long paused_vcpu(const u64 *a, struct vcpu **t)
{
	struct domain *d = target(a[0]);

	if (!d || a[1] >= d->nr_vcpus)
		return -VMI_ESRCH;
	*t = d->vcpu[a[1]];
	return d->paused ? 0 : -VMI_EBUSY;
}

long hc_vcpu_get(struct vcpu *v, const u64 *a)
{
	struct vmi_vcpu_state s = { 0 };
	struct vcpu *t;
	long rc = paused_vcpu(a, &t);

	if (!rc)
		rc = arch_vcpu_get(t, &s);
	return rc ? rc : copy_to_guest(v, a[2], &s, sizeof(s));
}

long hc_vcpu_set(struct vcpu *v, const u64 *a)
{
	struct vmi_vcpu_state s;
	struct vcpu *t;
	long rc = paused_vcpu(a, &t);

	if (rc)
		return rc;
	if (copy_from_guest(v, &s, a[2], sizeof(s)))
		return -VMI_EFAULT;
	return arch_vcpu_set(t, &s);
}

long hc_machine_info(struct vcpu *v, const u64 *a)
{
	struct vmi_machine m = {
		.free = heap_free_frames() << PAGE_SHIFT,
		.now_ns = now_ns(),
		.idle_ns = sched_idle_ns(),
		.nr_cpus = MAX_CPUS,
		.nr_domains = domain_count(),
		.max_vcpus = DOM_MAX_VCPUS,
	};

	arch_machine_info(&m);
	return copy_to_guest(v, a[0], &m, sizeof(m));
}
