// SPDX-License-Identifier: GPL-2.0-only
/*
 * sched.c - proportional-share scheduling with virtual deadlines, and the
 * vCPUs' timers.
 *
 * Each vCPU has a virtual time: the processor time it had, divided by its
 * domain's weight. Their weighted mean is the fair one; who is behind it is
 * eligible, and of the eligible ones the one with the earliest virtual deadline
 * runs, for up to a slice (Stoica and others, "Earliest Eligible Virtual
 * Deadline First", 1995). A vCPU that sleeps keeps at most a slice of what it
 * was owed, so that one that wakes soon runs soon, and none can save up time.
 *
 * A domain with a cap gets that share of each period and then waits for the
 * next one. A vCPU that has an event waiting but keeps virtual interrupts off
 * for longer than its domain's watchdog allows is stopped.
 *
 * A processor has few vCPUs: lists are walked.
 *
 * Invariant: a vCPU is on the list of one processor; there `running` is set for
 *            the one whose state is loaded.
 * Locking:   the list of a processor is its own; another one asks by an
 *            interrupt (one processor today).
 * Trust:     guests choose when they sleep and their timers' deadlines; weights,
 *            caps and watchdogs are domain 0's.
 */
#include <hv/domain.h>
#include <hv/lib.h>
#include <hv/sched.h>

#define SLICE_NS	5000000UL
#define PERIOD_NS	100000000UL	/* of caps */
#define WATCH_NS	1000000000UL	/* how often the watchdog looks, at least */
#define NEVER		(~0UL)

static struct sched_cpu {
	struct vcpu *first;
	struct vcpu *loaded;
	u64 mean;		/* of the virtual times, when last computed */
	u64 slice_end;		/* system time; NEVER: nobody waits */
	u64 armed;		/* when the timer will interrupt; NEVER: not */
	u64 idle_ns;
	bool resched;
} cpus[MAX_CPUS];

static struct sched_cpu *this_sched(void)
{
	return &cpus[cpu_id()];
}

static bool runnable(const struct vcpu *v, u64 now)
{
	const struct domain *d = v->domain;

	return !v->blocked && !d->paused && !d->shut && !d->dying && v->sched.parked <= now;
}

static u64 weigh(const struct vcpu *v, u64 ns)
{
	return ns * VMI_WEIGHT_DEFAULT / v->domain->weight;
}

/* Time that a domain's cap lets it run in a period. */
static u64 cap_ns(const struct domain *d)
{
	return PERIOD_NS / 100 * d->cap;
}

/* Book the time since the last look as run, or as waited. */
static void account(struct vcpu *v, u64 now)
{
	struct sched_vcpu *s = &v->sched;
	struct domain *d = v->domain;
	u64 ns = now > s->since ? now - s->since : 0;

	s->since = now;
	if (!s->running) {
		if (runnable(v, now))
			s->wait_ns += ns;
		return;
	}
	s->run_ns += ns;
	s->vtime += weigh(v, ns);
	if (s->vtime >= s->vdeadline)
		s->vdeadline = s->vtime + weigh(v, SLICE_NS);
	if (!d->cap)
		return;
	if (now >= d->cap_end) {
		d->cap_end = now - now % PERIOD_NS + PERIOD_NS;
		d->cap_used = 0;
	}
	d->cap_used += ns;
	if (d->cap_used >= cap_ns(d))
		s->parked = d->cap_end;
}

/* Stop a guest that does not take its events. */
static void watch(struct vcpu *v)
{
	struct sched_vcpu *s = &v->sched;
	struct domain *d = v->domain;

	if (d->privileged || READ_ONCE(v->shared->vif) || !READ_ONCE(v->shared->pending)) {
		s->watched = s->run_ns;
		return;
	}
	if (s->run_ns - s->watched > d->watchdog_ms * 1000000UL)
		dom_stop(d, VMI_SHUTDOWN_WATCHDOG, "vCPU %u ran %u ms at %p and before with an event waiting and virtual interrupts off",
			 v->id, d->watchdog_ms, (void *)v->regs.rip);
}

/* Bring the mean virtual time of those who want to run, but for `except`, up to date: how many they are. */
static u32 update_mean(struct sched_cpu *c, u64 now, const struct vcpu *except)
{
	u64 weights = 0;
	s64 sum = 0;
	u32 nr = 0;

	if (c->loaded && c->loaded->sched.running)
		account(c->loaded, now);
	for (struct vcpu *v = c->first; v; v = v->sched.next) {
		if (v == except || !runnable(v, now))
			continue;
		nr++;
		weights += v->domain->weight;
		sum += (s64)(v->sched.vtime - c->mean) * v->domain->weight;
	}
	if (nr)
		c->mean += sum / (s64)weights;
	return nr;
}

/* The best one to run; *until: when to look again. */
static struct vcpu *pick(struct sched_cpu *c, u64 now, u64 *until)
{
	u32 nr = update_mean(c, now, NULL);
	struct vcpu *best = NULL;
	struct domain *d;

	*until = nr > 1 ? now + SLICE_NS : NEVER;
	for (struct vcpu *v = c->first; v; v = v->sched.next) {
		if (v->sched.parked > now)
			*until = MIN(*until, v->sched.parked);
		if (!runnable(v, now) || (s64)(v->sched.vtime - c->mean) > 0)
			continue;
		if (!best || (s64)(v->sched.vdeadline - best->sched.vdeadline) < 0)
			best = v;
	}
	d = best ? best->domain : NULL;
	if (d && d->cap)
		*until = MIN(*until, now + (now < d->cap_end ? cap_ns(d) - MIN(d->cap_used, cap_ns(d)) : cap_ns(d)));
	return best;
}

static void arm(struct sched_cpu *c, u64 at)
{
	if (at >= c->armed)
		return;
	c->armed = at;
	arch_timer_arm(at);
}

/* Raise what is due, and arm the timer for the next. */
static void timers(struct sched_cpu *c, u64 now)
{
	/* A slice that is over has set resched: the timer must not tell again before anybody could look. */
	u64 next = c->slice_end > now ? c->slice_end : NEVER;

	for (struct vcpu *v = c->first; v; v = v->sched.next) {
		if (!v->timer_deadline)
			continue;
		if (v->timer_deadline <= now) {
			v->timer_deadline = 0;
			evt_raise_virq(v, VMI_VIRQ_TIMER);
		} else {
			next = MIN(next, v->timer_deadline);
		}
	}
	if (c->loaded && c->loaded->sched.running && !c->loaded->domain->privileged)
		next = MIN(next, now + WATCH_NS);
	c->armed = NEVER;
	arm(c, next);
}

void sched_tick(void)
{
	struct sched_cpu *c = this_sched();
	struct vcpu *v = c->loaded;
	u64 now = now_ns();

	if (v && v->sched.running) {
		account(v, now);
		watch(v);
		shadow_age(v, now);
		if (now >= c->slice_end || v->sched.parked > now)
			c->resched = true;
	} else {
		c->resched = true;
	}
	timers(c, now);
}

void sched_timer(struct vcpu *v)
{
	struct sched_cpu *c = &cpus[v->sched.cpu];

	if (!v->timer_deadline)
		return;
	if (v->timer_deadline <= now_ns()) {
		v->timer_deadline = 0;
		evt_raise_virq(v, VMI_VIRQ_TIMER);
		return;
	}
	arm(c, v->timer_deadline);
}

void sched_wake(struct vcpu *v)
{
	struct sched_cpu *c = &cpus[v->sched.cpu];
	struct sched_vcpu *s = &v->sched;
	u64 now;

	if (s->running) {
		v->blocked = false;
		return;
	}
	now = now_ns();
	update_mean(c, now, v);
	v->blocked = false;
	s->since = now;
	/* What it is owed for the time it slept is bounded. */
	if ((s64)(c->mean - s->vtime) > (s64)weigh(v, SLICE_NS))
		s->vtime = c->mean - weigh(v, SLICE_NS);
	s->vdeadline = s->vtime + weigh(v, SLICE_NS);
	c->resched = true;
}

void sched_stop(struct vcpu *v)
{
	cpus[v->sched.cpu].resched = true;
}

void sched_add(struct vcpu *v)
{
	struct sched_cpu *c = &cpus[v->sched.cpu];

	v->sched.vtime = c->mean;
	v->sched.vdeadline = c->mean + weigh(v, SLICE_NS);
	v->sched.since = now_ns();
	v->sched.listed = true;
	v->sched.next = c->first;
	if (c->first)
		c->first->sched.prev = v;
	c->first = v;
}

void sched_remove(struct vcpu *v)
{
	struct sched_cpu *c = &cpus[v->sched.cpu];

	if (!v->sched.listed)
		return;
	BUG_ON(v->sched.running);
	v->sched.listed = false;
	if (v->sched.prev)
		v->sched.prev->sched.next = v->sched.next;
	else
		c->first = v->sched.next;
	if (v->sched.next)
		v->sched.next->sched.prev = v->sched.prev;
	v->sched.next = v->sched.prev = NULL;
	if (c->loaded == v)
		c->loaded = NULL;
}

bool sched_needed(void)
{
	return this_sched()->resched;
}

struct vcpu *schedule(struct vcpu *v)
{
	struct sched_cpu *c = this_sched();
	u64 now = now_ns(), until;
	struct vcpu *next;

	account(v, now);
	next = pick(c, now, &until);
	if (!next) {
		u64 from = now;

		v->sched.running = false;
		do {
			c->slice_end = until;
			c->resched = false;
			timers(c, now);
			/* A timer that was due has woken somebody: no interrupt will tell. */
			if (!c->resched)
				arch_idle();
			now = now_ns();
			next = pick(c, now, &until);
		} while (!next);
		c->idle_ns += now - from;
	}
	c->resched = false;
	if (next != v) {
		v->sched.running = false;
		account(next, now);
	}
	next->sched.since = now;
	next->sched.running = true;
	if (next != c->loaded) {
		arch_switch(c->loaded, next);
		c->loaded = next;
	}
	c->slice_end = until;
	arm(c, until);
	if (!next->domain->privileged)
		arm(c, now + WATCH_NS);
	return next;
}

void sched_start(struct vcpu *v)
{
	struct sched_cpu *c = this_sched();

	c->loaded = v;
	c->slice_end = c->armed = NEVER;
	v->sched.running = true;
	v->sched.since = now_ns();
}

u64 sched_idle_ns(void)
{
	u64 ns = 0;

	for (u32 i = 0; i < MAX_CPUS; i++)
		ns += cpus[i].idle_ns;
	return ns;
}

void sched_times(const struct domain *d, u64 *run_ns, u64 *wait_ns)
{
	u64 now = now_ns();

	*run_ns = *wait_ns = 0;
	for (u32 i = 0; i < DOM_MAX_VCPUS; i++) {
		struct vcpu *v = d->vcpu[i];

		if (!v)
			continue;
		account(v, now);
		*run_ns += v->sched.run_ns;
		*wait_ns += v->sched.wait_ns;
	}
}
