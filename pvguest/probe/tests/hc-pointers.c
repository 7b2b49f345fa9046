// SPDX-License-Identifier: GPL-2.0-only
/*
 * hc-pointers: a pointer argument that is unmapped, read-only (for results),
 * straddles into an unmapped page, wraps around, is not canonical or lies in
 * the hypervisor's area gives EFAULT, and nothing is written (attack class 33).
 */
#include "raw.h"

#define GOOD	KTEST			/* mapped, the page after it is not */
#define RO	(KTEST + 16 * PAGE)

struct call {
	const char *name;
	u8 nr, ptr_arg;
	bool writes;			/* to the pointer */
	bool partial;			/* may also say how much it did before the fault */
	u64 size;			/* that it touches */
	u64 args[3];
};

static const struct call calls[] = {
	{ "vcpu_setup", VMI_HC_VCPU_SETUP, 0, false, false, sizeof(struct vmi_vcpu_setup), { 0 } },
	{ "vectors_set", VMI_HC_VECTORS_SET, 2, false, false, 2 * sizeof(struct vmi_vector), { 200, 2 } },
	{ "ldt_set", VMI_HC_LDT_SET, 0, false, false, 80, { 0, 10 } },
	{ "console_write", VMI_HC_CONSOLE_WRITE, 1, false, true, 64, { 1, 0, 64 } },
	{ "debugreg_get", VMI_HC_DEBUGREG_GET, 1, true, false, 8, { 6 } },
	{ "msr_read", VMI_HC_MSR_READ, 1, true, false, 8, { 0xc0000080 } },
	{ "cpuid", VMI_HC_CPUID, 2, true, false, 16, { 0 } },
	{ "counters", VMI_HC_COUNTERS, 0, true, false, 128, { 0, 16 } },
	{ "log_read, the offset", VMI_HC_LOG_READ, 0, true, false, 8, { 0, GOOD + 64, 64 } },
	{ "log_read, the buffer", VMI_HC_LOG_READ, 1, true, true, 64, { GOOD, 0, 64 } },
};

static void one(const struct call *c, const char *what, u64 va)
{
	u64 a[3] = { c->args[0], c->args[1], c->args[2] };
	long rc;

	*(u64 *)GOOD = 0;		/* the log from its beginning */
	a[c->ptr_arg] = va;
	rc = raw_call(c->nr, a[0], a[1], a[2], 0, 0, 0);
	if (c->partial && rc >= 0 && rc < (long)c->size)
		return;
	if (rc == -VMI_EPERM && c->nr == VMI_HC_LOG_READ)
		return;
	CHECK(rc == -VMI_EFAULT, "%s with %s pointer %#lx: expected %d, seen %ld", c->name, what, va, -VMI_EFAULT, rc);
}

TEST(hc_pointers, "hc-pointers", 1, 0, "bad pointer arguments give EFAULT and write nothing")
{
	u8 *ro = map_new(RO, PTE_NX);

	map_new(GOOD, PTE_W | PTE_NX);
	memset(ro, 0x77, PAGE);
	/* Entries of our own for the hypervisor's ranges make them no more ours. */
	for (u64 off = 0; off < VMI_AREA_SIZE; off += PAGE)
		map_new(VMI_AREA_BASE + off, PTE_W);
	map_new(VMI_SHARED, PTE_W);
	map_new(VMI_TOP_BASE, PTE_W);
	flush_all();
	for (u32 i = 0; i < ARRAY_SIZE(calls); i++) {
		const struct call *c = &calls[i];

		one(c, "a null", 0x7f0000000000);
		one(c, "an unmapped", KTEST + 8 * PAGE);
		one(c, "an unmapped", ~0UL - 0x1000000000);
		one(c, "a straddling", GOOD + PAGE - c->size + 1);
		one(c, "a straddling", GOOD + PAGE - 1);
		one(c, "a non-canonical", NONCANON);
		one(c, "a non-canonical", NONCANON - 1);
		one(c, "a non-canonical", 0xdead000000000000);
		one(c, "a non-canonical", 0xffff7ffffffffff8);
		one(c, "a wrapping", ~0UL);
		one(c, "a wrapping", ~0UL - c->size + 2);
		one(c, "an area's", VMI_AREA_BASE);
		one(c, "an area's", VMI_AREA_BASE + VMI_AREA_IDT);
		one(c, "an area's", VMI_AREA_BASE + VMI_AREA_DESC);
		one(c, "an area's", VMI_AREA_END - c->size);
		one(c, "the shared page's", VMI_SHARED + 0x200);
		one(c, "a top 2 MiB", VMI_TOP_BASE);
		if (c->writes) {
			one(c, "a read-only", RO);
			one(c, "a read-only", RO + PAGE - c->size);
		}
	}
	for (u32 i = 0; i < PAGE; i++)
		CHECK_EQ(0x77, ro[i], "byte %u of the read-only page", i);

	CHECK_EQ(-VMI_E2BIG, vmi_console_write(0, (void *)GOOD, VMI_CONSOLE_MAX + 1), "console_write of too much");
	CHECK_EQ(-VMI_E2BIG, vmi_console_write(0, (void *)GOOD, ~0UL), "console_write of 2^64 - 1 bytes");
	CHECK_EQ(0, vmi_console_write(0, (void *)GOOD, 0), "console_write of nothing");
	CHECK_EQ(0, vmi_vectors_set(5, 0, (void *)GOOD), "vectors_set of nothing");
	CHECK(vmi_vectors_set(255, 2, (void *)GOOD) < 0, "vectors_set(255, 2) was taken");
	CHECK(vmi_vectors_set(1, 0xffffffff, (void *)GOOD) < 0, "vectors_set(1, 2^32 - 1) was taken");
	CHECK(vmi_vectors_set(0xffffffff, 2, (void *)GOOD) < 0, "vectors_set(2^32 - 1, 2) was taken");
}
