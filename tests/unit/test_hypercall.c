// SPDX-License-Identifier: GPL-2.0-only
/*
 * test_hypercall.c - dispatch: numbers, rights, narrow arguments, what returns
 * in registers, counting; and the calls that are the core's own.
 */
#include <hv/dispatch.h>
#include "fake.h"
#include "test.h"

static struct domain *d;
static struct vcpu *v;
static struct vmi_shared shared;

static void reset(void)
{
	fake_reset();
	d = fake_shadow_domain(256);
	v = d->vcpu[0];
	memset(&shared, 0, sizeof(shared));
	v->shared = &shared;
	fake.called = NULL;
	CU_ASSERT_EQUAL(shadow_load(v, 0, false), 0);
}

static long call(u64 nr, u64 a0, u64 a1, u64 a2)
{
	memset(&v->regs, 0xee, sizeof(v->regs));
	v->regs.rax = nr;
	v->regs.rdi = a0;
	v->regs.rsi = a1;
	v->regs.rdx = a2;
	hypercall(v);
	return v->regs.rax;
}

static void unknown_numbers(void)
{
	CU_ASSERT_EQUAL(call(VMI_NR_HYPERCALLS, 0, 0, 0), -VMI_ENOSYS);
	CU_ASSERT_EQUAL(call(-1UL, 0, 0, 0), -VMI_ENOSYS);
	CU_ASSERT_EQUAL(call(1UL << 32, 0, 0, 0), -VMI_ENOSYS);	/* the number is 64 bits wide */
	CU_ASSERT_PTR_NULL(fake.called);
}

static void version_and_features(void)
{
	CU_ASSERT_EQUAL(call(VMI_HC_VERSION, 0, 0, 0), VMI_VERSION_MAJOR << 16 | VMI_VERSION_MINOR);
	CU_ASSERT_FALSE(call(VMI_HC_FEATURES, 0, 0, 0) & VMI_FEAT_PRIVILEGED);
	CU_ASSERT_EQUAL(call(VMI_HC_FEATURES, 1, 0, 0), 0);
	d->privileged = true;
	CU_ASSERT_TRUE(call(VMI_HC_FEATURES, 0, 0, 0) & VMI_FEAT_PRIVILEGED);
}

static void privileged_calls_need_domain_0(void)
{
	CU_ASSERT_EQUAL(call(VMI_HC_LOG_READ, 0, 0, 0), -VMI_EPERM);
	d->privileged = true;
	CU_ASSERT_EQUAL(call(VMI_HC_LOG_READ, 0, 0, 0), -VMI_EFAULT);
}

static void narrow_arguments_lose_their_upper_half(void)
{
	CU_ASSERT_EQUAL(call(VMI_HC_CPUID, 0x1234567800000001, 0x1234567800000002, 0x1234567800000003), -77);
	CU_ASSERT_STRING_EQUAL(fake.called, "hc_cpuid");
	CU_ASSERT_EQUAL(fake.args[0], 1);			/* leaf:u32 */
	CU_ASSERT_EQUAL(fake.args[1], 2);			/* sub:u32 */
	CU_ASSERT_EQUAL(fake.args[2], 0x1234567800000003);	/* out:ptr */
}

static void nothing_leaks_in_registers(void)
{
	call(VMI_HC_VERSION, 1, 2, 3);
	CU_ASSERT_EQUAL(v->regs.rcx | v->regs.r11 | v->regs.rdi | v->regs.rsi | v->regs.rdx | v->regs.r10 |
			v->regs.r8 | v->regs.r9, 0);
	CU_ASSERT_EQUAL(v->regs.rbx, 0xeeeeeeeeeeeeeeee);	/* and the rest is kept */
	CU_ASSERT_EQUAL(v->regs.r15, 0xeeeeeeeeeeeeeeee);
	call(-1UL, 1, 2, 3);
	CU_ASSERT_EQUAL(v->regs.rdi | v->regs.rcx, 0);
}

static void calls_are_counted(void)
{
	call(VMI_HC_VERSION, 0, 0, 0);
	call(VMI_HC_VERSION, 0, 0, 0);
	call(-1UL, 0, 0, 0);
	CU_ASSERT_EQUAL(d->counters[VMI_CTR_HYPERCALLS], 3);
	CU_ASSERT_EQUAL(d->counters[VMI_NR_CTRS + VMI_HC_VERSION], 2);
}

static void counters_are_copied(void)
{
	u64 *page = ram_table(40);

	guest_map(0, 0xffffffff80000000, 40, PTE_P | PTE_RW, 1);
	shared.nr_syscalls = 1234;
	CU_ASSERT_EQUAL(call(VMI_HC_COUNTERS, 0xffffffff80000000, 3, 0), VMI_NR_CTRS + VMI_NR_HYPERCALLS);
	CU_ASSERT_EQUAL(page[VMI_CTR_HYPERCALLS], 1);
	CU_ASSERT_EQUAL(page[3], 0);			/* no more than asked */
	call(VMI_HC_COUNTERS, 0xffffffff80000000, -1UL, 0);
	CU_ASSERT_EQUAL(page[VMI_CTR_SYS_BOUNCES], 1234);
	CU_ASSERT_EQUAL(call(VMI_HC_COUNTERS, 0xffffffff90000000, 3, 0), -VMI_EFAULT);
}

static void log_is_copied_from_an_offset(void)
{
	u64 *off = ram_table(40) + 256;

	d->privileged = true;
	guest_map(0, 0xffffffff80000000, 40, PTE_P | PTE_RW, 1);
	*off = 2;
	CU_ASSERT_EQUAL(call(VMI_HC_LOG_READ, 0xffffffff80000800, 0xffffffff80000000, 100), 18);
	CU_ASSERT_EQUAL(memcmp(ram_table(40), "log of", 6), 0);
	CU_ASSERT_EQUAL(*off, 20);
	CU_ASSERT_EQUAL(call(VMI_HC_LOG_READ, 0xffffffff80000800, 0xffffffff80000000, 100), 0);
	*off = 0;
	CU_ASSERT_EQUAL(call(VMI_HC_LOG_READ, 0xffffffff80000800, 0xffffffff90000000, 100), -VMI_EFAULT);
	CU_ASSERT_EQUAL(call(VMI_HC_LOG_READ, 0xffffffff90000000, 0xffffffff80000000, 100), -VMI_EFAULT);
}

static void flush_and_fill_check_arguments(void)
{
	CU_ASSERT_EQUAL(call(VMI_HC_TLB_FLUSH, 3, 0, 0), -VMI_EINVAL);
	CU_ASSERT_EQUAL(call(VMI_HC_TLB_FLUSH, VMI_FLUSH_RANGE, 0, 0), -VMI_EINVAL);
	CU_ASSERT_EQUAL(call(VMI_HC_TLB_FLUSH, VMI_FLUSH_RANGE, 0, VMI_FLUSH_MAX_PAGES + 1), -VMI_EINVAL);
	CU_ASSERT_EQUAL(call(VMI_HC_TLB_FLUSH, VMI_FLUSH_RANGE, -1UL, 1), 0);
	CU_ASSERT_EQUAL(call(VMI_HC_FILL, 0, 1, 0), -VMI_EINVAL);
	CU_ASSERT_EQUAL(call(VMI_HC_FILL, 0x400000, 0, 0), 1);
	guest_map(0, 0x400000, 41, PTE_P | PTE_US, 1);
	CU_ASSERT_EQUAL(call(VMI_HC_FILL, 0x400000, VMI_ACCESS_USER, 0), 0);
	CU_ASSERT_EQUAL(call(VMI_HC_FILL, 0x400000, VMI_ACCESS_WRITE, 0), 1);
}

static void cr3_load_keeps_what_it_had_on_error(void)
{
	CU_ASSERT_EQUAL(call(VMI_HC_CR3_LOAD, 5 << 12 | 7, 0, 0), 0);
	CU_ASSERT_EQUAL(v->cr3, 5 << 12 | 7);
	CU_ASSERT_EQUAL(shared.cr3, 5 << 12 | 7);
	CU_ASSERT_EQUAL(call(VMI_HC_CR3_LOAD, 1UL << 50, 0, 0), -VMI_EINVAL);
	CU_ASSERT_EQUAL(v->cr3, 5 << 12 | 7);
	CU_ASSERT_EQUAL(d->counters[VMI_CTR_CR3_LOADS], 2);
}

int main(int argc, char **argv)
{
	static const struct test tests[] = {
		TEST(unknown_numbers), TEST(version_and_features), TEST(privileged_calls_need_domain_0),
		TEST(narrow_arguments_lose_their_upper_half), TEST(nothing_leaks_in_registers), TEST(calls_are_counted),
		TEST(counters_are_copied), TEST(log_is_copied_from_an_offset), TEST(flush_and_fill_check_arguments),
		TEST(cr3_load_keeps_what_it_had_on_error),
	};

	return test_main(tests, ARRAY_SIZE(tests), reset, argc, argv);
}
