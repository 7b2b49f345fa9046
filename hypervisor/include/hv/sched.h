/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * sched.h - which vCPU runs, and when (see core/sched.c).
 */
#ifndef HV_SCHED_H
#define HV_SCHED_H

#include <hv/types.h>

#define MAX_CPUS	1		/* processors the hypervisor uses */

struct vcpu;
struct domain;

struct sched_vcpu {
	struct vcpu *next, *prev;	/* on the list of its processor */
	u32 cpu;
	u64 vtime;			/* processor time it had, divided by its weight */
	u64 vdeadline;			/* virtual time at which its next slice is due */
	u64 since;			/* system time of the last accounting */
	u64 parked;			/* its domain's cap is used up until this system time */
	u64 watched;			/* run_ns when it last took or could have taken an event */
	u64 run_ns, wait_ns;
	bool listed, running;
};

/* A vCPU begins to be considered, and ends to be, if it was; then it must not be the one that runs. */
void sched_add(struct vcpu *v);
void sched_remove(struct vcpu *v);
/* It has become runnable: an event came, or its domain was unpaused. */
void sched_wake(struct vcpu *v);
/* It is no longer: blocked, paused, stopped. */
void sched_stop(struct vcpu *v);
/* v->timer_deadline has changed. */
void sched_timer(struct vcpu *v);
/* This processor's timer interrupt. */
void sched_tick(void);
/*
 * The vCPU to run now on this processor: `v`, which ran, or another one, whose
 * state is then loaded. Waits where there is none.
 */
struct vcpu *schedule(struct vcpu *v);
/* Is there a reason not to go on with the vCPU that runs? */
bool sched_needed(void);
/* The first vCPU of this processor, before any interrupt is taken. */
void sched_start(struct vcpu *v);
/* Time this machine's processors had nothing to do, ns. */
u64 sched_idle_ns(void);
/* Processor time of a domain, and time its vCPUs waited for a processor, ns. */
void sched_times(const struct domain *d, u64 *run_ns, u64 *wait_ns);

/* ---- arch, fakes in unit tests ------------------------------------------ */
u32 cpu_id(void);
/* Save the state of `from` (NULL: nobody's is loaded) and load that of `to`. */
void arch_switch(struct vcpu *from, struct vcpu *to);
/* Have sched_tick() called at system time `ns`, or up to a second earlier; 0: not at all. */
void arch_timer_arm(u64 ns);
/* Sleep until an interrupt, and take it. */
void arch_idle(void);

#endif
