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

enum evt_kind { EVT_FREE, EVT_VIRQ, EVT_IPI };

struct evt_port {
	u8 kind;
	u8 virq;
	u16 vcpu;			/* that is notified */
};

struct evt_domain {
	struct evt_port port[VMI_MAX_PORTS];
};

/* Bind virtual interrupt `virq` of `v`; the port, or -VMI_EINVAL, -VMI_EBUSY, -VMI_ENOSPC. */
long evt_bind_virq(struct vcpu *v, u32 virq);
/* Open a port that raises itself on vCPU `vcpu`; the port, or -VMI_EINVAL, -VMI_ENOSPC. */
long evt_bind_ipi(struct domain *d, u32 vcpu);
/* Raise the far end of `port`: 0, or -VMI_ENOENT where the port is not open. */
long evt_send(struct domain *d, u32 port);
/* 0, or -VMI_ENOENT. */
long evt_close(struct domain *d, u32 port);
/* Raise `virq` of `v`, if it is bound. */
void evt_raise_virq(struct vcpu *v, u32 virq);

/* The vCPU has an unmasked event: make it notice (arch; a fake in unit tests). */
void vcpu_kick(struct vcpu *v);

#endif
