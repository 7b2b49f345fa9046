// SPDX-License-Identifier: GPL-2.0-only
/*
 * event.c - event ports: one-bit doorbells.
 *
 * A port is bound to a virtual interrupt of one vCPU (timer, console), raises
 * itself on a vCPU (an IPI), is a physical interrupt, or is one end of a pair between two domains: one
 * opens a port for the other, which binds one of its own to it. Raising sets the port's bit in that
 * vCPU's shared page; unless the guest masks the port, `pending` is set too
 * and the vCPU is kicked. The guest clears both; the hypervisor only sets.
 *
 * Invariant: v->virq_port[n] is p  <=>  port p is EVT_VIRQ n of v.
 *            p of d is EVT_PEER of q of e  <=>  q of e is EVT_PEER of p of d.
 * Locking:   evt_lock of the domain; of two domains, the lower identifier first.
 * Trust:     port numbers come from guests; the mask words are guest-written
 *            and only ever decide whether that guest is woken.
 */
#include <hv/domain.h>
#include <hv/frame.h>
#include <hv/lib.h>
#include <hv/mm.h>

int evt_domain_init(struct domain *d)
{
	d->ports = page_new(d->id);
	return d->ports ? 0 : -VMI_ENOMEM;
}

void evt_domain_exit(struct domain *d)
{
	for (u32 p = 1; p < VMI_MAX_PORTS; p++)
		evt_close(d, p);
	page_free(d->ports);
	d->ports = NULL;
}

static struct evt_port *port_of(struct domain *d, u32 port)
{
	if (!port || port >= VMI_MAX_PORTS || d->ports[port].kind == EVT_FREE)
		return NULL;
	return &d->ports[port];
}

static long port_alloc(struct domain *d, enum evt_kind kind, u32 vcpu, u32 virq)
{
	for (u32 p = 1; p < VMI_MAX_PORTS; p++) {
		struct evt_port *e = &d->ports[p];

		if (e->kind != EVT_FREE)
			continue;
		e->kind = kind;
		e->vcpu = vcpu;
		e->virq = virq;
		return p;
	}
	return -VMI_ENOSPC;
}

static void raise(struct vcpu *v, u32 port)
{
	struct vmi_shared *sh = v->shared;
	u64 bit = BIT(port % 64);

	__atomic_fetch_or(&sh->evt_pending[port / 64], bit, __ATOMIC_SEQ_CST);
	/* The bit must be set before the mask is read: a guest unmasks, then looks at the bit. */
	if (READ_ONCE(sh->evt_mask[port / 64]) & bit)
		return;
	WRITE_ONCE(sh->pending, 1);
	vcpu_kick(v);
}

long evt_bind_virq(struct vcpu *v, u32 virq)
{
	long port;

	if (virq >= VMI_NR_VIRQS)
		return -VMI_EINVAL;
	if (v->virq_port[virq])
		return -VMI_EBUSY;
	port = port_alloc(v->domain, EVT_VIRQ, v->id, virq);
	if (port > 0)
		v->virq_port[virq] = port;
	return port;
}

long evt_bind_ipi(struct domain *d, u32 vcpu)
{
	if (vcpu >= DOM_MAX_VCPUS || !d->vcpu[vcpu])
		return -VMI_EINVAL;
	return port_alloc(d, EVT_IPI, vcpu, 0);
}

long evt_bind_irq(struct domain *d, u32 vector)
{
	return port_alloc(d, EVT_IRQ, 0, vector);
}

long evt_irq_vector(struct domain *d, u32 port)
{
	struct evt_port *e = port_of(d, port);

	return e && e->kind == EVT_IRQ ? e->virq : -VMI_ENOENT;
}

long evt_alloc(struct domain *d, u16 peer)
{
	long port = port_alloc(d, EVT_OPEN, 0, 0);

	if (port > 0)
		d->ports[port].peer = peer;
	return port;
}

long evt_bind(struct domain *d, struct domain *far, u32 port)
{
	struct evt_port *e = port_of(far, port);
	long own;

	if (!e || e->kind != EVT_OPEN || e->peer != d->id)
		return -VMI_ENOENT;
	own = port_alloc(d, EVT_PEER, 0, 0);
	if (own < 0)
		return own;
	d->ports[own].peer = far->id;
	d->ports[own].peer_port = port;
	e->kind = EVT_PEER;
	e->peer_port = own;
	return own;
}

long evt_send(struct domain *d, u32 port)
{
	struct evt_port *e = port_of(d, port);
	struct domain *far;

	if (!e)
		return -VMI_ENOENT;
	switch (e->kind) {
	case EVT_PEER:
		far = domain_find(e->peer);
		raise(far->vcpu[far->ports[e->peer_port].vcpu], e->peer_port);
		return 0;
	case EVT_OPEN:
	case EVT_GONE:
		return -VMI_ENOENT;
	default:
		raise(d->vcpu[e->vcpu], port);
		return 0;
	}
}

long evt_close(struct domain *d, u32 port)
{
	struct evt_port *e = port_of(d, port);

	if (!e)
		return -VMI_ENOENT;
	if (e->kind == EVT_VIRQ)
		d->vcpu[e->vcpu]->virq_port[e->virq] = 0;
	if (e->kind == EVT_IRQ)
		arch_irq_release(e->virq);
	if (e->kind == EVT_PEER)
		domain_find(e->peer)->ports[e->peer_port].kind = d->dying ? EVT_GONE : EVT_OPEN;
	__atomic_fetch_and(&d->vcpu[e->vcpu]->shared->evt_pending[port / 64], ~BIT(port % 64),
			   __ATOMIC_SEQ_CST);
	*e = (struct evt_port){ 0 };
	return 0;
}

void evt_raise_virq(struct vcpu *v, u32 virq)
{
	if (v->virq_port[virq])
		raise(v, v->virq_port[virq]);
}

void vcpu_block(struct vcpu *v)
{
	if (READ_ONCE(v->shared->pending))
		return;
	v->blocked = true;
	sched_stop(v);
}

void vcpu_kick(struct vcpu *v)
{
	if (v->blocked)
		sched_wake(v);
}
