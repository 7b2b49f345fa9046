/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * hypercall.h - dispatch of the VMI table (core/hypercall.c).
 */
#ifndef HV_HYPERCALL_H
#define HV_HYPERCALL_H

struct vcpu;

/* Carry out the hypercall in v->regs and leave its result in RAX. */
void hypercall(struct vcpu *v);

#endif
