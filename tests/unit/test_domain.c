// SPDX-License-Identifier: GPL-2.0-only
/*
 * test_domain.c - domains come and go: nothing is lost, the end is taken in bounded
 * steps, lent frames outlive their domain, and only domain 0 may do any of it.
 */
#include <hv/conring.h>
#include <hv/dispatch.h>
#include <stdlib.h>
#include "fake.h"
#include "test.h"

static u64 seed = 1;
static struct vcpu *caller;		/* of domain 0 */
static u64 va;				/* a page of its memory, mapped */
static void *page;			/* the same, as we see it */

static struct vmi_dom_config config(u64 memory)
{
	struct vmi_dom_config cfg = { .memory = memory, .shadow = 256 << 10, .nr_vcpus = 1 };

	snprintf((char *)cfg.name, sizeof(cfg.name), "guest");
	return cfg;
}

static struct domain *make(u64 memory)
{
	struct vmi_dom_config cfg = config(memory);
	long id = domain_create(&cfg);

	CU_ASSERT(id > 0);
	if (id <= 0)
		abort();
	return domain_find(id);
}

static u32 end(struct domain *d)
{
	u32 steps = 1;

	while (domain_destroy(d) == -VMI_EAGAIN)
		steps++;
	return steps;
}

static long call(u64 nr, u64 a0, u64 a1, u64 a2, u64 a3)
{
	caller->regs.rax = nr;
	caller->regs.rdi = a0;
	caller->regs.rsi = a1;
	caller->regs.rdx = a2;
	caller->regs.r10 = a3;
	hypercall(caller);
	return caller->regs.rax;
}

/* The fake domain is domain 0: it has shadow tables and a mapped page for arguments. */
static void reset(void)
{
	struct domain *d;

	while (domain_first(1))
		end(domain_first(1));
	fake_reset();
	d = fake_shadow_domain(64);
	d->id = DOMID_0;
	d->privileged = true;
	dom0 = d;
	caller = d->vcpu[0];
	caller->shared = mfn_to_va(caller->shared_mfn);
	if (evt_domain_init(d))
		abort();
	va = 0x400000;
	guest_map(1, va, 40, PTE_P | PTE_RW | PTE_US, 1);
	guest_map(1, va + PAGE_SIZE, 41, PTE_P | PTE_RW | PTE_US, 1);
	page = ram_table(40);
	caller->cr3 = 1 << PAGE_SHIFT;
	CU_ASSERT_EQUAL(shadow_load(caller, caller->cr3, false), 0);
}

/* Touch gfns as a guest would. */
static void populate(struct domain *d, u64 nr)
{
	for (u64 g = 0; g < nr; g++)
		CU_ASSERT_NOT_EQUAL(p2m_populate(d, g), 0);
}

static void every_frame_comes_back(void)
{
	u64 before = heap_free_frames();

	for (u32 round = 0; round < 200; round++) {
		struct domain *a = make(4 << 20), *b = make(1 << 20);

		populate(a, seed % 1024);
		populate(b, seed / 1024 % 256);
		CU_ASSERT_EQUAL(shadow_load(a->vcpu[0], 0, false), a->p2m.nr_ram ? 0 : -VMI_EINVAL);
		if (seed & 1)
			domain_unpause(a);
		end(seed & 2 ? a : b);
		end(seed & 2 ? b : a);
		seed = seed * 6364136223846793005UL + 1442695040888963407UL;
		CU_ASSERT_EQUAL(heap_free_frames(), before);
	}
	CU_ASSERT_PTR_NULL(domain_first(1));
}

static void identifiers_are_reused_late(void)
{
	struct domain *a = make(1 << 20), *b;
	u32 id = a->id;

	end(a);
	b = make(1 << 20);
	CU_ASSERT_NOT_EQUAL(b->id, id);
}

static void memory_is_promised_not_taken(void)
{
	u64 before = heap_free_frames(), all;
	struct vmi_dom_config cfg = config(12 << 20);
	struct domain *a = make(8 << 20);

	CU_ASSERT_EQUAL(a->p2m.nr_ram, 0);
	CU_ASSERT(heap_free_frames() < before - 2048);
	all = heap_free_frames();
	/* More than is left: nothing half-made stays. */
	cfg.memory = 20 << 20;
	CU_ASSERT_EQUAL(domain_create(&cfg), -VMI_ENOMEM);
	CU_ASSERT_EQUAL(heap_free_frames(), all);
	/* And what was promised is there, whatever others take. */
	while (heap_alloc(DOMID_HV, FRAME_HV) != MFN_NONE)
		;
	populate(a, 2048);
	CU_ASSERT_EQUAL(a->p2m.nr_ram, 2048);
	CU_ASSERT_EQUAL(p2m_populate(a, 2048), 0);
}

static void the_end_is_taken_in_steps(void)
{
	struct domain *a = make(16 << 20);
	u32 steps;

	populate(a, 4096);
	steps = end(a);
	CU_ASSERT(steps >= 1 && steps < 16);
	a = make(16 << 20);
	CU_ASSERT_EQUAL(call(VMI_HC_DOM_DESTROY, a->id, 0, 0, 0), 0);
}

static void copies_cross_pages_and_stop_at_the_end(void)
{
	struct domain *a = make(1 << 20);
	u8 *p = page;

	for (u32 i = 0; i < PAGE_SIZE; i++)
		p[i] = i * 7;
	CU_ASSERT_EQUAL(call(VMI_HC_DOM_WRITE, a->id, 0x1f80, va, 256), 256);
	memset(p, 0, PAGE_SIZE);
	CU_ASSERT_EQUAL(call(VMI_HC_DOM_READ, a->id, 0x1f80, va, 256), 256);
	for (u32 i = 0; i < 256; i++)
		if (p[i] != (u8)(i * 7))
			test_fail("byte %u", i);
	CU_ASSERT_EQUAL(a->p2m.nr_ram, 2);
	CU_ASSERT_EQUAL(call(VMI_HC_DOM_READ, a->id, 0x80000, va, 64), 64);	/* never touched: zero */
	CU_ASSERT_EQUAL(p[0] | p[63], 0);
	CU_ASSERT_EQUAL(call(VMI_HC_DOM_WRITE, a->id, (1 << 20) - 8, va, 9), -VMI_EINVAL);
	CU_ASSERT_EQUAL(call(VMI_HC_DOM_WRITE, a->id, -8UL, va, 16), -VMI_EINVAL);
	CU_ASSERT_EQUAL(call(VMI_HC_DOM_WRITE, a->id, 0, va, -1UL), -VMI_EINVAL);
	CU_ASSERT_EQUAL(call(VMI_HC_DOM_WRITE, a->id, 0, 0x123000, 8), -VMI_EFAULT);
	CU_ASSERT_EQUAL(call(VMI_HC_DOM_WRITE, DOMID_0, 0, va, 8), -VMI_ESRCH);
	CU_ASSERT_EQUAL(call(VMI_HC_DOM_READ, 77, 0, va, 8), -VMI_ESRCH);
}

static void lent_frames_outlive_their_domain(void)
{
	struct domain *a = make(1 << 20);
	u64 *mfn = page, kept[3], before;
	struct frame *f;

	CU_ASSERT_EQUAL(call(VMI_HC_DOM_LEND, a->id, 5, 3, va), 0);
	memcpy(kept, mfn, sizeof(kept));
	CU_ASSERT_EQUAL(a->nr_lent, 3);
	CU_ASSERT_EQUAL(p2m_entry(dom0, kept[1]) >> PAGE_SHIFT, kept[1]);
	CU_ASSERT_EQUAL(call(VMI_HC_DOM_LEND, a->id, 7, 1, va), -VMI_EBUSY);	/* is lent */
	CU_ASSERT_EQUAL(call(VMI_HC_DOM_LEND, a->id, 4, 2, va), -VMI_EBUSY);	/* all or nothing */
	CU_ASSERT_EQUAL(a->nr_lent, 3);
	CU_ASSERT_EQUAL(call(VMI_HC_DOM_LEND, a->id, 255, 2, va), -VMI_EINVAL);
	CU_ASSERT_EQUAL(call(VMI_HC_DOM_LEND, a->id, 0, VMI_LEND_MAX + 1, va), -VMI_E2BIG);
	end(a);
	f = frame_of(kept[0]);
	CU_ASSERT_EQUAL(f->refs, 1);
	CU_ASSERT_EQUAL(f->type, FRAME_RAM);
	before = heap_free_frames();
	memcpy(mfn, kept, sizeof(kept));
	CU_ASSERT_EQUAL(call(VMI_HC_DOM_REVOKE, va, 3, 0, 0), 0);
	CU_ASSERT_EQUAL(p2m_entry(dom0, kept[1]), 0);
	CU_ASSERT_EQUAL(call(VMI_HC_DOM_REVOKE, va, 1, 0, 0), -VMI_EINVAL);
	CU_ASSERT_EQUAL(heap_free_frames(), before + 3);
	CU_ASSERT_EQUAL(frame_of(kept[0])->type, FRAME_FREE);
}

static void events_between_domains(void)
{
	struct domain *a = make(1 << 20), *b = make(1 << 20), *c = make(1 << 20);
	long pa = evt_alloc(a, b->id), pb;

	CU_ASSERT(pa > 0);
	CU_ASSERT_EQUAL(evt_send(a, pa), -VMI_ENOENT);
	CU_ASSERT_EQUAL(evt_bind(c, a, pa), -VMI_ENOENT);	/* open for b alone */
	pb = evt_bind(b, a, pa);
	CU_ASSERT(pb > 0);
	CU_ASSERT_EQUAL(evt_bind(b, a, pa), -VMI_ENOENT);
	CU_ASSERT_EQUAL(evt_send(a, pa), 0);
	CU_ASSERT_TRUE(b->vcpu[0]->shared->evt_pending[pb / 64] >> pb % 64 & 1);
	CU_ASSERT_EQUAL(evt_send(b, pb), 0);
	CU_ASSERT_TRUE(a->vcpu[0]->shared->evt_pending[pa / 64] >> pa % 64 & 1);
	/* Closed by the other end, it may be bound again; after that one's death never. */
	CU_ASSERT_EQUAL(evt_close(b, pb), 0);
	CU_ASSERT_EQUAL(evt_send(a, pa), -VMI_ENOENT);
	CU_ASSERT_EQUAL(evt_bind(c, a, pa), -VMI_ENOENT);
	pb = evt_bind(b, a, pa);
	CU_ASSERT(pb > 0);
	CU_ASSERT_EQUAL(evt_send(a, pa), 0);
	end(b);
	CU_ASSERT_EQUAL(evt_send(a, pa), -VMI_ENOENT);
	CU_ASSERT_EQUAL(a->ports[pa].kind, EVT_GONE);
	CU_ASSERT_EQUAL(evt_close(a, pa), 0);
	CU_ASSERT_EQUAL(evt_close(a, pa), -VMI_ENOENT);
}

static void consoles_lose_nothing(void)
{
	struct domain *a = make(1 << 20);
	char *p = page;
	u32 put = 0, got = 0;

	while (conring_put(a->line[0], CON_OUTPUT, (char[]){ put % 251 }, 1))
		put++;
	CU_ASSERT_EQUAL(put, 4 * PAGE_SIZE);
	for (;;) {
		long n = call(VMI_HC_DOM_CONSOLE_READ, a->id, 0, va, 1000);

		CU_ASSERT(n >= 0);
		if (n <= 0)
			break;
		for (long i = 0; i < n; i++, got++)
			if ((u8)p[i] != got % 251)
				test_fail("byte %u", got);
	}
	CU_ASSERT_EQUAL(got, put);
	memcpy(p, "hello", 5);
	CU_ASSERT_EQUAL(call(VMI_HC_DOM_CONSOLE_WRITE, a->id, 1, va, 5), 5);
	CU_ASSERT_EQUAL(call(VMI_HC_DOM_CONSOLE_WRITE, a->id, VMI_NR_CONSOLES, va, 5), -VMI_ENOENT);
	CU_ASSERT_EQUAL(call(VMI_HC_DOM_CONSOLE_READ, a->id, 0, va, VMI_CONSOLE_MAX + 1), -VMI_E2BIG);
	CU_ASSERT_EQUAL(conring_take(a->line[1], CON_INPUT, p + 100, 10), 5);
}

static void configurations_are_checked(void)
{
	struct vmi_dom_config *cfg = page;
	u64 free = heap_free_frames();

#define REFUSED(change) do { \
		*cfg = config(1 << 20); \
		change; \
		CU_ASSERT_EQUAL(call(VMI_HC_DOM_CREATE, va, 0, 0, 0), -VMI_EINVAL); \
	} while (0)
	REFUSED(cfg->memory = 0);
	REFUSED(cfg->memory = 4096);
	REFUSED(cfg->memory += 1);
	REFUSED(cfg->memory = -4096UL);
	REFUSED(cfg->nr_vcpus = 0);
	REFUSED(cfg->nr_vcpus = DOM_MAX_VCPUS + 1);
	REFUSED(cfg->weight = VMI_WEIGHT_MAX + 1);
	REFUSED(cfg->cap = 101);
	REFUSED(cfg->reserved[3] = 1);
	REFUSED(cfg->name[0] = 0);
	REFUSED(cfg->name[2] = ' ');
	REFUSED(memset(cfg->name, 'x', sizeof(cfg->name)));
	CU_ASSERT_EQUAL(call(VMI_HC_DOM_CREATE, 0x123000, 0, 0, 0), -VMI_EFAULT);
	*cfg = config(1UL << 40);
	CU_ASSERT_EQUAL(call(VMI_HC_DOM_CREATE, va, 0, 0, 0), -VMI_ENOMEM);
	CU_ASSERT_EQUAL(heap_free_frames(), free);
	*cfg = config(1 << 20);
	CU_ASSERT(call(VMI_HC_DOM_CREATE, va, 0, 0, 0) > 0);
}

static void domain_0_cannot_end_itself(void)
{
	static const u32 calls[] = { VMI_HC_DOM_DESTROY, VMI_HC_DOM_PAUSE, VMI_HC_DOM_UNPAUSE, VMI_HC_DOM_CONTROL,
				     VMI_HC_DOM_LEND, VMI_HC_VCPU_SET, VMI_HC_VCPU_GET };

	for (u32 i = 0; i < ARRAY_SIZE(calls); i++)
		CU_ASSERT_EQUAL(call(calls[i], DOMID_0, 0, va, 0), -VMI_ESRCH);
}

/* Every call that the table gives to domain 0 alone, made by another domain. */
static void others_may_do_nothing(void)
{
	static const struct { u32 nr; bool privileged; } rows[] = {
#define ROW(nr, fn, args, mask, priv, name) { nr, priv },
		HC_ROWS(ROW)
	};
	struct domain *a = make(1 << 20);
	u32 refused = 0;

	dom0->privileged = false;
	for (u32 i = 0; i < ARRAY_SIZE(rows); i++) {
		if (!rows[i].privileged)
			continue;
		CU_ASSERT_EQUAL(call(rows[i].nr, a->id, 0, va, 8), -VMI_EPERM);
		refused++;
	}
	CU_ASSERT(refused >= 18);
	CU_ASSERT_EQUAL(call(VMI_HC_EVT_ALLOC, a->id, VMI_DOMID_SELF, 0, 0), -VMI_EPERM);
	dom0->privileged = true;
}

static void events_are_told_once(void)
{
	struct vmi_dom_event *e = page;
	struct domain *a;
	u32 id;

	while (!call(VMI_HC_DOM_EVENT, va, 0, 0, 0))
		;
	a = make(1 << 20);
	id = a->id;
	dom_stop(a, VMI_SHUTDOWN_POWEROFF, "it powered off");
	CU_ASSERT_EQUAL(call(VMI_HC_DOM_EVENT, 0x123000, 0, 0, 0), -VMI_EFAULT);
	CU_ASSERT_EQUAL(call(VMI_HC_DOM_EVENT, va, 0, 0, 0), 0);
	CU_ASSERT_EQUAL(e->domid, id);
	CU_ASSERT_EQUAL(e->flags, VMI_EVENT_STATE);
	CU_ASSERT_EQUAL(call(VMI_HC_DOM_EVENT, va, 0, 0, 0), -VMI_ENOENT);
	end(a);
	CU_ASSERT_EQUAL(call(VMI_HC_DOM_EVENT, va, 0, 0, 0), 0);
	CU_ASSERT_EQUAL(e->domid, id);
}

int main(int argc, char **argv)
{
	static const struct test tests[] = {
		TEST(every_frame_comes_back), TEST(identifiers_are_reused_late), TEST(memory_is_promised_not_taken),
		TEST(the_end_is_taken_in_steps), TEST(copies_cross_pages_and_stop_at_the_end),
		TEST(lent_frames_outlive_their_domain), TEST(events_between_domains), TEST(consoles_lose_nothing),
		TEST(configurations_are_checked), TEST(domain_0_cannot_end_itself), TEST(others_may_do_nothing),
		TEST(events_are_told_once),
	};

	return test_main(tests, ARRAY_SIZE(tests), reset, argc, argv);
}
