// SPDX-License-Identifier: GPL-2.0-only
/*
 * domain.c - domains come and go.
 *
 * A domain is made paused and empty: its memory is a budget of frames, taken one
 * by one when they are touched (core/p2m.c), so making a large one takes no longer
 * than a small one. Its kernel is put into it by domain 0's tools.
 *
 * The end is taken in steps of bounded length, driven by the caller: nothing runs
 * any more, events closed, shadow tables, memory, vCPUs. A frame that domain 0
 * still sees then belongs to the hypervisor until domain 0 gives it back.
 *
 * Invariant: the list is sorted by identifier and holds every domain until its
 *            last step; a budget covers all that a domain can take for itself.
 * Locking:   domains_lock.
 * Trust:     configurations are domain 0's and checked in domctl.c; a domain's
 *            own state is never asked about its end.
 */
#include <hv/conring.h>
#include <hv/domain.h>
#include <hv/frame.h>
#include <hv/lib.h>
#include <hv/mm.h>
#include <stdarg.h>

#define STEP_FRAMES	4096		/* frames or gfns of one step of the end */
#define STEP_TABLES	256		/* shadow reclaims of one step */

_Static_assert(sizeof(struct domain) <= PAGE_SIZE, "a domain fits a page");
_Static_assert(sizeof(struct vcpu) <= PAGE_SIZE, "a vCPU fits a page");
_Static_assert(sizeof(struct vmi_vector) * VMI_NR_VECTORS == PAGE_SIZE, "the vectors fill a page");

struct domain *dom0;
static struct domain *domains;		/* by identifier */
static u32 next_id = 1;			/* reused as late as possible */
static u8 events[VMI_MAX_DOMAINS];	/* VMI_EVENT_* that domain 0 was not told yet */

struct domain *domain_first(u32 from)
{
	struct domain *d = domains;

	while (d && d->id < from)
		d = d->next;
	return d;
}

struct domain *domain_find(u32 id)
{
	struct domain *d = domain_first(id);

	return d && d->id == id ? d : NULL;
}

u32 domain_count(void)
{
	u32 n = 0;

	for (struct domain *d = domains; d; d = d->next)
		n++;
	return n;
}

void domain_event(u32 id, u32 flags)
{
	if ((events[id] & flags) == flags)
		return;
	events[id] |= flags;
	if (dom0 && dom0->vcpu[0])
		evt_raise_virq(dom0->vcpu[0], VMI_VIRQ_DOMAINS);
}

bool domain_next_event(struct vmi_dom_event *e)
{
	static u32 last;

	for (u32 i = 0; i < VMI_MAX_DOMAINS; i++) {
		last = (last + 1) % VMI_MAX_DOMAINS;
		if (events[last]) {
			*e = (struct vmi_dom_event){ .domid = last, .flags = events[last] };
			events[last] = 0;
			return true;
		}
	}
	return false;
}

/* ---- making ----------------------------------------------------------------- */

int vcpu_create(struct domain *d, u32 id)
{
	struct vcpu *v = page_new(d->id);

	if (!v)
		return -VMI_ENOMEM;
	d->vcpu[id] = v;
	v->domain = d;
	v->id = id;
	v->blocked = id != 0;
	v->vectors = page_new(d->id);
	if (!v->vectors || arch_vcpu_init(v))
		return -VMI_ENOMEM;
	sched_add(v);
	return 0;
}

static void vcpu_free(struct vcpu *v)
{
	if (!v)
		return;
	sched_remove(v);
	arch_vcpu_exit(v);
	page_free(v->vectors);
	v->domain->vcpu[v->id] = NULL;
	page_free(v);
}

int domain_init(struct domain *d, u64 shadow_bytes)
{
	struct domain **at = &domains;
	int rc;

	if (!d->weight)
		d->weight = VMI_WEIGHT_DEFAULT;
	if (!d->watchdog_ms)
		d->watchdog_ms = VMI_WATCHDOG_MS;
	d->created_ns = now_ns();
	rc = p2m_init(d);
	if (!rc)
		rc = evt_domain_init(d);
	if (!rc)
		rc = shadow_domain_init(d, MAX(shadow_bytes >> PAGE_SHIFT, (u64)SHADOW_MIN_TABLES));
	if (rc)
		return rc;
	while (*at && (*at)->id < d->id)
		at = &(*at)->next;
	d->next = *at;
	*at = d;
	return 0;
}

static void domain_free(struct domain *d)
{
	struct domain **at = &domains;

	while (*at && *at != d)
		at = &(*at)->next;
	if (*at)
		*at = d->next;
	if (d->ports)
		evt_domain_exit(d);
	if (d->shadow.state)
		shadow_domain_exit(d);
	for (u32 i = 0; i < DOM_MAX_VCPUS; i++)
		vcpu_free(d->vcpu[i]);
	for (u32 i = 0; i < VMI_NR_CONSOLES; i++)
		if (d->line[i])
			conring_free(d->line[i]);
	p2m_exit(d);
	heap_budget_end(d->id);
	page_free(d);
}

/* Frames for everything the domain may take: memory, its p2m, shadow tables, and the fixed parts. */
static u64 budget(const struct vmi_dom_config *cfg, u64 shadow)
{
	u64 frames = cfg->memory >> PAGE_SHIFT;

	return frames + frames / PTES_PER_TABLE + frames / (PTES_PER_TABLE * PTES_PER_TABLE) + 8 + MAX(shadow >> PAGE_SHIFT, (u64)SHADOW_MIN_TABLES) + 16 +
	       cfg->nr_vcpus * 64UL;
}

long domain_create(const struct vmi_dom_config *cfg)
{
	u64 shadow = cfg->shadow;
	struct domain *d;
	u32 id, tries;
	int rc;

	for (tries = 0; tries < VMI_MAX_DOMAINS; tries++) {
		id = next_id;
		next_id = next_id % (VMI_MAX_DOMAINS - 1) + 1;
		if (!domain_find(id))
			break;
	}
	if (tries == VMI_MAX_DOMAINS)
		return -VMI_ENOSPC;
	if (!shadow)
		shadow = MIN(MAX(cfg->memory / 32, 1UL << 20), 256UL << 20);
	if (!heap_budget(id, budget(cfg, shadow)))
		return -VMI_ENOMEM;
	d = page_new(id);
	if (!d) {
		heap_budget_end(id);
		return -VMI_ENOMEM;
	}
	d->id = id;
	d->paused = true;
	d->nr_vcpus = cfg->nr_vcpus;
	d->nr_gfns = d->max_gfns = cfg->memory >> PAGE_SHIFT;
	d->weight = cfg->weight;
	d->cap = cfg->cap;
	d->watchdog_ms = cfg->watchdog_ms;
	memcpy(d->uuid, cfg->uuid, sizeof(d->uuid));
	memcpy(d->name, cfg->name, sizeof(d->name));
	rc = domain_init(d, shadow);
	for (u32 i = 0; !rc && i < VMI_NR_CONSOLES; i++) {
		d->line[i] = conring_new(id);
		rc = d->line[i] ? 0 : -VMI_ENOMEM;
	}
	for (u32 i = 0; !rc && i < cfg->nr_vcpus; i++)
		rc = vcpu_create(d, i);
	if (rc) {
		domain_free(d);
		return rc;
	}
	domain_event(id, VMI_EVENT_STATE);
	return id;
}

/* ---- running ------------------------------------------------------------------ */

void domain_pause(struct domain *d)
{
	d->paused = true;
	for (u32 i = 0; i < d->nr_vcpus; i++)
		sched_stop(d->vcpu[i]);
	domain_event(d->id, VMI_EVENT_STATE);
}

void domain_unpause(struct domain *d)
{
	d->paused = false;
	if (!d->started) {
		d->started = true;
		d->started_ns = now_ns();
	}
	for (u32 i = 0; i < d->nr_vcpus; i++)
		if (!d->vcpu[i]->blocked)
			sched_wake(d->vcpu[i]);
	domain_event(d->id, VMI_EVENT_STATE);
}

void dom_stop(struct domain *d, u32 reason, const char *fmt, ...)
{
	va_list ap;

	if (d->shut)
		return;
	d->shut = true;
	d->reason = reason;
	va_start(ap, fmt);
	vsnprintf(d->why, sizeof(d->why), fmt, ap);
	va_end(ap);
	log_guest("domain %u stopped: %s", d->id, d->why);
	for (u32 i = 0; i < DOM_MAX_VCPUS; i++)
		if (d->vcpu[i])
			sched_stop(d->vcpu[i]);
	domain_event(d->id, VMI_EVENT_STATE);
}

/* ---- the end ---------------------------------------------------------------------- */

/* Take back up to STEP_FRAMES of its memory; true when there is no more. */
static bool take_memory(struct domain *d)
{
	u64 end = MIN(d->torn + STEP_FRAMES, d->nr_gfns);
	u64 first = d->torn;
	mfn_t mfn;

	for (; d->torn < end; d->torn++) {
		struct frame *f;

		if (p2m_get(d, d->torn, &mfn) != P2M_RAM)
			continue;
		f = frame_of(mfn);
		/* Domain 0 may have it under DMA: it returns to the heap when domain 0 says so. */
		if (f->flags & FRAME_LENT)
			f->owner = DOMID_HV;
		frame_put(mfn);
	}
	if (end > first)
		p2m_set(d, first, 0, end - first, P2M_NONE);
	return d->torn == d->nr_gfns;
}

long domain_destroy(struct domain *d)
{
	if (!d->dying) {
		d->dying = true;
		for (u32 i = 0; i < d->nr_vcpus; i++)
			sched_remove(d->vcpu[i]);
		for (u32 p = 1; p < VMI_MAX_PORTS; p++)
			evt_close(d, p);
	}
	if (!shadow_domain_drain(d, STEP_TABLES))
		return -VMI_EAGAIN;
	if (!take_memory(d))
		return -VMI_EAGAIN;
	domain_event(d->id, VMI_EVENT_STATE);
	domain_free(d);
	return 0;
}
