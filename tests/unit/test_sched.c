// SPDX-License-Identifier: GPL-2.0-only
/*
 * test_sched.c - who runs: shares by weight, caps, sleepers, timers, the watchdog.
 *
 * Time is the fake machine's: it jumps to what arch_timer_arm() was told, so each
 * run is the same.
 */
#include <stdlib.h>
#include "fake.h"
#include "test.h"

#define MS	1000000UL
#define SECOND	(1000 * MS)

static struct vcpu *cur;

static struct domain *make(const char *name, u32 weight, u32 cap)
{
	struct vmi_dom_config cfg = { .memory = 1 << 20, .shadow = 256 << 10, .nr_vcpus = 1, .weight = weight, .cap = cap };
	struct domain *d;
	long id;

	snprintf((char *)cfg.name, sizeof(cfg.name), "%s", name);
	id = domain_create(&cfg);
	if (id < 0)
		abort();
	d = domain_find(id);
	domain_unpause(d);
	return d;
}

static void reset(void)
{
	while (domain_first(1)) {
		struct domain *d = domain_first(1);

		d->vcpu[0]->sched.running = false;
		while (domain_destroy(d) == -VMI_EAGAIN)
			;
	}
	fake_reset();
	fake.now = 1000 * SECOND;
}

/* Let the machine run for `ns`; guests that block do so after `burst` ns if it is not 0. */
static void run(u64 ns)
{
	u64 end = fake.now + ns;

	while (fake.now < end) {
		cur = schedule(cur);
		fake.now = MAX(fake.now + 1, MIN(fake.timer, end));
		sched_tick();
	}
}

static u64 run_ns(struct domain *d)
{
	u64 ran, waited;

	sched_times(d, &ran, &waited);
	return ran;
}

static void begin(struct domain *first)
{
	cur = first->vcpu[0];
	sched_start(cur);
}

static bool near(u64 value, u64 want, u64 percent)
{
	return value > want - want * percent / 100 && value < want + want * percent / 100;
}

static void shares_follow_weights(void)
{
	struct domain *a = make("a", 256, 0), *b = make("b", 512, 0), *c = make("c", 1024, 0);

	begin(a);
	run(70 * SECOND);
	CU_ASSERT(near(run_ns(a), 10 * SECOND, 2));
	CU_ASSERT(near(run_ns(b), 20 * SECOND, 2));
	CU_ASSERT(near(run_ns(c), 40 * SECOND, 2));
}

static void a_cap_holds_when_nobody_else_wants(void)
{
	struct domain *a = make("a", 256, 25);

	begin(a);
	run(20 * SECOND);
	CU_ASSERT(near(run_ns(a), 5 * SECOND, 5));
	CU_ASSERT(sched_idle_ns() >= 14 * SECOND);
}

static void a_sleeper_cannot_save_up(void)
{
	struct domain *a = make("a", 256, 0), *b = make("b", 256, 0);
	u64 before;

	begin(a);
	vcpu_block(b->vcpu[0]);
	run(100 * SECOND);
	CU_ASSERT(near(run_ns(a), 100 * SECOND, 1));
	b->vcpu[0]->shared->pending = 1;
	vcpu_kick(b->vcpu[0]);
	before = run_ns(a);
	run(10 * SECOND);
	CU_ASSERT(near(run_ns(a) - before, 5 * SECOND, 2));
}

static void a_woken_one_runs_soon(void)
{
	struct domain *a = make("a", 256, 0), *b = make("b", 256, 0), *c = make("c", 256, 0);
	u64 woken;

	begin(a);
	vcpu_block(c->vcpu[0]);
	run(10 * SECOND);
	c->vcpu[0]->shared->pending = 1;
	vcpu_kick(c->vcpu[0]);
	woken = fake.now;
	while (cur != c->vcpu[0] && fake.now < woken + SECOND)
		run(MS / 10);
	CU_ASSERT(fake.now - woken <= 5 * MS);
	CU_ASSERT(run_ns(b) > 4 * SECOND);
}

static void a_timer_wakes_its_vcpu(void)
{
	struct domain *a = make("a", 256, 0);
	struct vcpu *v = a->vcpu[0];
	long port;

	begin(a);
	port = evt_bind_virq(v, VMI_VIRQ_TIMER);
	CU_ASSERT(port > 0);
	v->timer_deadline = fake.now + 3 * SECOND;
	sched_timer(v);
	vcpu_block(v);
	cur = schedule(cur);		/* idles until then */
	CU_ASSERT(fake.now >= 1003 * SECOND && fake.now < 1003 * SECOND + MS);
	CU_ASSERT_PTR_EQUAL(cur, v);
	CU_ASSERT_TRUE(v->shared->pending);
	CU_ASSERT_EQUAL(v->timer_deadline, 0);
}

static void a_timer_due_before_the_idle_loop_wakes_its_vcpu(void)
{
	struct domain *a = make("a", 256, 0), *b = make("b", 256, 0);
	struct vcpu *v = a->vcpu[0];

	begin(a);
	CU_ASSERT(evt_bind_virq(v, VMI_VIRQ_TIMER) > 0);
	b->vcpu[0]->timer_deadline = fake.now + SECOND / 2;
	sched_timer(b->vcpu[0]);
	vcpu_block(b->vcpu[0]);
	/* Its interrupt is late, and does not come once the timer is armed anew. */
	v->timer_deadline = fake.now - 1;
	vcpu_block(v);
	cur = schedule(cur);
	CU_ASSERT(fake.now < 1000 * SECOND + MS);
	CU_ASSERT_PTR_EQUAL(cur, v);
}

static void the_paused_do_not_run(void)
{
	struct domain *a = make("a", 256, 0), *b = make("b", 256, 0);

	begin(a);
	domain_pause(b);
	run(5 * SECOND);
	CU_ASSERT_EQUAL(run_ns(b), 0);
	domain_unpause(b);
	run(5 * SECOND);
	CU_ASSERT(near(run_ns(b), 5 * SECOND / 2, 2));
}

static void the_watchdog_stops_who_takes_no_events(void)
{
	struct domain *a = make("a", 256, 0), *b = make("b", 256, 0);
	struct vmi_shared *sh = b->vcpu[0]->shared;

	begin(a);
	a->vcpu[0]->shared->vif = 1;
	sh->vif = 0;			/* nothing waits: it may */
	run(100 * SECOND);
	CU_ASSERT_FALSE(b->shut);
	sh->pending = 1;
	sh->vif = 1;			/* it will take it */
	run(100 * SECOND);
	CU_ASSERT_FALSE(b->shut);
	sh->vif = 0;
	run(50 * SECOND);		/* of which it has the half: less than the limit */
	CU_ASSERT_FALSE(b->shut);
	run(20 * SECOND);
	CU_ASSERT_TRUE(b->shut);
	CU_ASSERT_EQUAL(b->reason, VMI_SHUTDOWN_WATCHDOG);
	CU_ASSERT_FALSE(a->shut);
	CU_ASSERT_PTR_EQUAL(cur, a->vcpu[0]);
}

int main(int argc, char **argv)
{
	static const struct test tests[] = {
		TEST(shares_follow_weights), TEST(a_cap_holds_when_nobody_else_wants), TEST(a_sleeper_cannot_save_up),
		TEST(a_woken_one_runs_soon), TEST(a_timer_wakes_its_vcpu),
		TEST(a_timer_due_before_the_idle_loop_wakes_its_vcpu), TEST(the_paused_do_not_run),
		TEST(the_watchdog_stops_who_takes_no_events),
	};

	return test_main(tests, ARRAY_SIZE(tests), reset, argc, argv);
}
