// SPDX-License-Identifier: GPL-2.0-only
/*
 * test_event.c - event ports: binding, raising, masks, closing, exhaustion.
 */
#include <stdlib.h>
#include "fake.h"
#include "test.h"

static struct domain *d;
static struct vcpu *v;

/* Was the blocked vCPU woken? It is blocked again then. */
static bool kicked(void)
{
	bool was = !v->blocked;

	v->blocked = true;
	return was;
}

static void reset(void)
{
	static struct vmi_shared shared;

	fake_reset();
	d = fake_domain();
	v = d->vcpu[0];
	memset(&shared, 0, sizeof(shared));
	v->shared = &shared;
	v->blocked = true;
	if (evt_domain_init(d))
		abort();
}

static bool pending(long port)
{
	return v->shared->evt_pending[port / 64] >> port % 64 & 1;
}

static void raise_sets_bit_pending_and_kicks(void)
{
	long p = evt_bind_ipi(d, 0);

	CU_ASSERT(p > 0);
	CU_ASSERT_EQUAL(evt_send(d, p), 0);
	CU_ASSERT_TRUE(pending(p));
	CU_ASSERT_EQUAL(v->shared->pending, 1);
	CU_ASSERT_TRUE(kicked());
}

static void masked_raise_sets_only_the_bit(void)
{
	long p = evt_bind_ipi(d, 0);

	v->shared->evt_mask[p / 64] |= BIT(p % 64);
	CU_ASSERT_EQUAL(evt_send(d, p), 0);
	CU_ASSERT_TRUE(pending(p));
	CU_ASSERT_EQUAL(v->shared->pending, 0);
	CU_ASSERT_FALSE(kicked());
}

static void send_on_closed_port_is_refused(void)
{
	static const u32 bad[] = { 0, 1, VMI_MAX_PORTS - 1, VMI_MAX_PORTS, VMI_MAX_PORTS + 1, -1U };

	for (unsigned int i = 0; i < ARRAY_SIZE(bad); i++) {
		CU_ASSERT_EQUAL(evt_send(d, bad[i]), -VMI_ENOENT);
		CU_ASSERT_EQUAL(evt_close(d, bad[i]), -VMI_ENOENT);
	}
	CU_ASSERT_EQUAL(v->shared->pending, 0);
	CU_ASSERT_FALSE(kicked());
}

static void virq_is_bound_once(void)
{
	long p = evt_bind_virq(v, VMI_VIRQ_TIMER);

	CU_ASSERT(p > 0);
	CU_ASSERT_EQUAL(evt_bind_virq(v, VMI_VIRQ_TIMER), -VMI_EBUSY);
	CU_ASSERT_EQUAL(evt_bind_virq(v, VMI_NR_VIRQS), -VMI_EINVAL);
	CU_ASSERT_EQUAL(evt_bind_virq(v, -1U), -VMI_EINVAL);
	evt_raise_virq(v, VMI_VIRQ_TIMER);
	CU_ASSERT_TRUE(pending(p));
	evt_raise_virq(v, VMI_VIRQ_CONSOLE);		/* not bound: nothing happens */
	CU_ASSERT_TRUE(kicked());
}

static void close_frees_port_and_virq(void)
{
	long p = evt_bind_virq(v, VMI_VIRQ_CONSOLE);

	evt_raise_virq(v, VMI_VIRQ_CONSOLE);
	CU_ASSERT_EQUAL(evt_close(d, p), 0);
	CU_ASSERT_FALSE(pending(p));			/* the next owner of the port sees no stale event */
	CU_ASSERT_EQUAL(evt_close(d, p), -VMI_ENOENT);
	evt_raise_virq(v, VMI_VIRQ_CONSOLE);
	CU_ASSERT_FALSE(pending(p));
	CU_ASSERT(evt_bind_virq(v, VMI_VIRQ_CONSOLE) > 0);
}

static void ports_run_out_and_come_back(void)
{
	static bool seen[VMI_MAX_PORTS];
	long p;

	memset(seen, 0, sizeof(seen));
	for (int i = 1; i < VMI_MAX_PORTS; i++) {
		p = evt_bind_ipi(d, 0);
		if (p <= 0 || p >= VMI_MAX_PORTS || seen[p])
			return test_fail("bind %d: port %ld", i, p);
		seen[p] = true;
	}
	CU_ASSERT_EQUAL(evt_bind_ipi(d, 0), -VMI_ENOSPC);
	CU_ASSERT_EQUAL(evt_bind_virq(v, VMI_VIRQ_TIMER), -VMI_ENOSPC);
	CU_ASSERT_EQUAL(evt_close(d, 300), 0);
	CU_ASSERT_EQUAL(evt_bind_ipi(d, 0), 300);
}

static void ipi_to_no_vcpu_is_refused(void)
{
	CU_ASSERT_EQUAL(evt_bind_ipi(d, DOM_MAX_VCPUS), -VMI_EINVAL);
	CU_ASSERT_EQUAL(evt_bind_ipi(d, -1U), -VMI_EINVAL);
}

static void interrupt_port_names_its_vector(void)
{
	long p = evt_bind_irq(d, 0x91), ipi = evt_bind_ipi(d, 0);

	CU_ASSERT_EQUAL(evt_irq_vector(d, p), 0x91);
	CU_ASSERT_EQUAL(evt_irq_vector(d, ipi), -VMI_ENOENT);
	CU_ASSERT_EQUAL(evt_irq_vector(d, 0), -VMI_ENOENT);
	CU_ASSERT_EQUAL(evt_close(d, ipi), 0);
	CU_ASSERT_EQUAL(fake.released, 0);
	CU_ASSERT_EQUAL(evt_close(d, p), 0);
	CU_ASSERT_EQUAL(fake.released, 0x91);
}

int main(int argc, char **argv)
{
	static const struct test tests[] = {
		TEST(raise_sets_bit_pending_and_kicks), TEST(masked_raise_sets_only_the_bit),
		TEST(send_on_closed_port_is_refused), TEST(virq_is_bound_once), TEST(close_frees_port_and_virq),
		TEST(ports_run_out_and_come_back), TEST(ipi_to_no_vcpu_is_refused),
		TEST(interrupt_port_names_its_vector),
	};

	return test_main(tests, ARRAY_SIZE(tests), reset, argc, argv);
}
