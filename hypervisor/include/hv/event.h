/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * event.h - event ports: one-bit doorbells (see core/event.c).
 */
#ifndef HV_EVENT_H
#define HV_EVENT_H

#include <hv/types.h>
#include <vmi/abi.h>

struct vcpu;
struct domain;

/*
 * EVT_OPEN waits for the peer domain to bind it, EVT_PEER is one of two bound ends; when the other
 * one is closed it is EVT_OPEN again, and EVT_GONE when the other domain has ended.
 */
enum evt_kind { EVT_FREE, EVT_VIRQ, EVT_IPI, EVT_OPEN, EVT_PEER, EVT_GONE, EVT_IRQ };

struct evt_port {
	u8 kind;
	u8 virq;			/* EVT_IRQ: vector of the physical interrupt */
	u16 vcpu;			/* that is notified */
	u16 peer;			/* domain at the other end, or that may become it */
	u16 peer_port;
};
_Static_assert(sizeof(struct evt_port) * VMI_MAX_PORTS == PAGE_SIZE, "the ports fill a page");

/* A domain's ports. 0, or -VMI_ENOMEM. */
int evt_domain_init(struct domain *d);
/* Close all. */
void evt_domain_exit(struct domain *d);

/* Bind virtual interrupt `virq` of `v`; the port, or -VMI_EINVAL, -VMI_EBUSY, -VMI_ENOSPC. */
long evt_bind_virq(struct vcpu *v, u32 virq);
/* Open a port that raises itself on vCPU `vcpu`; the port, or -VMI_EINVAL, -VMI_ENOSPC. */
long evt_bind_ipi(struct domain *d, u32 vcpu);
/* Open a port of `d` that domain `peer` may bind; the port, or -VMI_ENOSPC. */
long evt_alloc(struct domain *d, u16 peer);
/* Bind a new port of `d` to `port` of `far`; it, or -VMI_ENOENT where it is not open for d, -VMI_ENOSPC. */
long evt_bind(struct domain *d, struct domain *far, u32 port);
/* Open a port of `d` for a physical interrupt (arch code raises it); it, or -VMI_ENOSPC. */
long evt_bind_irq(struct domain *d, u32 vector);
/* Its vector, or -VMI_ENOENT. */
long evt_irq_vector(struct domain *d, u32 port);
/* The port of the vector is closed (arch; a fake in unit tests). */
void arch_irq_release(u32 vector);
/* Raise the far end of `port`: 0, or -VMI_ENOENT where the port is not open. */
long evt_send(struct domain *d, u32 port);
/* 0, or -VMI_ENOENT. */
long evt_close(struct domain *d, u32 port);
/* Raise `virq` of `v`, if it is bound. */
void evt_raise_virq(struct vcpu *v, u32 virq);

/* The vCPU has an unmasked event: make it notice. */
void vcpu_kick(struct vcpu *v);
/* It waits for the next one, unless one is there. */
void vcpu_block(struct vcpu *v);

#endif
