// SPDX-License-Identifier: GPL-2.0-only
/*
 * test_walk.c - the walk of the guest's tables: each fault and its error code,
 * accessed and dirty bits, large pages, and the copies built on it.
 */
#include "fake.h"
#include "test.h"

#define ROOT	1
#define CR3	(ROOT << PAGE_SHIFT)
#define USER_VA	0x00007f1234567000UL
#define KERN_VA	0xffff888012345000UL
#define ALL	(PTE_P | PTE_RW | PTE_US)
#define W	PF_WRITE
#define U	PF_USER
#define I	PF_FETCH
#define P	PF_PRESENT

static struct walk w;

static void allowed(struct domain *d, u64 va, u32 access, gfn_t gfn, u64 perms, int level)
{
	if (!guest_walk(d, CR3, va, access, &w))
		return test_fail("va %lx access %x: error %x", va, access, w.error);
	if (w.gfn != gfn || w.perms != perms || w.level != level)
		test_fail("va %lx: gfn %lx perms %lx level %d", va, w.gfn, w.perms, w.level);
}

/* Refused with `error`; nothing on the way is marked accessed. */
static void refused(struct domain *d, u64 va, u32 access, u32 error)
{
	u64 before[4];
	int n = 0, level;

	for (level = 4; level >= 1; level--) {
		before[n++] = *guest_entry(ROOT, va, level);
		if (!(before[n - 1] & PTE_P) || (before[n - 1] & PTE_ADDR) >> PAGE_SHIFT >= FAKE_NR_RAM)
			break;
	}
	if (guest_walk(d, CR3, va, access, &w))
		return test_fail("va %lx access %x: allowed", va, access);
	if (w.error != error)
		test_fail("va %lx access %x: error %x, not %x", va, access, w.error, error);
	for (level = 4; n; level--, n--)
		if (before[4 - level] != *guest_entry(ROOT, va, level))
			return test_fail("va %lx access %x: changed level %d", va, access, level);
}

static void absent_at_each_level(void)
{
	struct domain *d = fake_domain();
	u64 *e;

	guest_map(ROOT, USER_VA, 5, ALL, 1);
	for (int level = 1; level <= 4; level++) {
		e = guest_entry(ROOT, USER_VA, level);
		*e &= ~PTE_P;
		refused(d, USER_VA, 0, 0);
		refused(d, USER_VA, W | U, W | U);
		refused(d, USER_VA, I | U, I | U);
		*e |= PTE_P;
	}
	allowed(d, USER_VA, W | U, 5, PTE_RW | PTE_US, 1);
}

static void permissions_combine_over_levels(void)
{
	struct domain *d = fake_domain();
	u64 *e;

	guest_map(ROOT, USER_VA, 5, ALL, 1);
	for (int level = 1; level <= 4; level++) {
		e = guest_entry(ROOT, USER_VA, level);
		*e &= ~PTE_RW;
		refused(d, USER_VA, W, P | W);			/* CR0.WP */
		refused(d, USER_VA, W | U, P | W | U);
		allowed(d, USER_VA, U, 5, PTE_US, 1);
		*guest_entry(ROOT, USER_VA, level) |= PTE_RW;
		for (int l = 1; l <= 4; l++)
			*guest_entry(ROOT, USER_VA, l) &= ~(PTE_A | PTE_D);

		*e &= ~PTE_US;
		refused(d, USER_VA, U, P | U);
		refused(d, USER_VA, U | I, P | U | I);
		allowed(d, USER_VA, I, 5, PTE_RW, 1);
		*e |= PTE_US;
		for (int l = 1; l <= 4; l++)
			*guest_entry(ROOT, USER_VA, l) &= ~(PTE_A | PTE_D);

		*e |= PTE_NX;
		refused(d, USER_VA, U | I, P | U | I);
		allowed(d, USER_VA, U, 5, PTE_RW | PTE_US | PTE_NX, 1);
		*e &= ~PTE_NX;
		for (int l = 1; l <= 4; l++)
			*guest_entry(ROOT, USER_VA, l) &= ~(PTE_A | PTE_D);
	}
}

static void smep_but_no_smap(void)
{
	struct domain *d = fake_domain();

	guest_map(ROOT, USER_VA, 5, ALL, 1);
	refused(d, USER_VA, I, P | I);
	allowed(d, USER_VA, 0, 5, PTE_RW | PTE_US, 1);
	allowed(d, USER_VA, W, 5, PTE_RW | PTE_US, 1);
	allowed(d, USER_VA, I | U, 5, PTE_RW | PTE_US, 1);
}

static void no_user_page_in_the_upper_half(void)
{
	struct domain *d = fake_domain();

	guest_map(ROOT, KERN_VA, 5, ALL, 1);
	refused(d, KERN_VA, U, P | U);
	refused(d, KERN_VA, U | W, P | U | W);
	refused(d, KERN_VA, U | I, P | U | I);
	allowed(d, KERN_VA, I, 5, PTE_RW, 1);
}

static void reserved_bits_fault(void)
{
	struct domain *d = fake_domain();
	u64 *e;

	guest_map(ROOT, USER_VA, 5, ALL, 1);
	e = guest_entry(ROOT, USER_VA, 4);
	*e |= PTE_PS;
	refused(d, USER_VA, U, P | U | PF_RSVD);
	*e &= ~PTE_PS;

	e = guest_map(ROOT, 0x40200000, 512, ALL | PTE_PS, 2);
	allowed(d, 0x40200000, U, 512, PTE_RW | PTE_US, 2);
	*e = 513UL << PAGE_SHIFT | ALL | PTE_PS;		/* bit 12 is PAT */
	allowed(d, 0x40207000, U, 519, PTE_RW | PTE_US, 2);
	*e = 514UL << PAGE_SHIFT | ALL | PTE_PS;
	refused(d, 0x40200000, W, P | W | PF_RSVD);

	e = guest_map(ROOT, 0x80000000, 0, ALL | PTE_PS, 3);
	allowed(d, 0x80123000, U, 0x123, PTE_RW | PTE_US, 3);
	*e |= PTE_PAT_LARGE;
	allowed(d, 0x80123000, U, 0x123, PTE_RW | PTE_US, 3);
	*e |= 1UL << 29;
	refused(d, 0x80123000, I | U, P | I | U | PF_RSVD);

	/* bits 52-62 are ignored */
	*guest_map(ROOT, 0x1000, 5, ALL, 1) |= 0x7ffUL << 52;
	allowed(d, 0x1000, U, 5, PTE_RW | PTE_US, 1);
}

static void tables_must_be_ram(void)
{
	static const gfn_t bad[] = { FAKE_MMIO_GFN, FAKE_NR_RAM, (PTE_ADDR >> PAGE_SHIFT) };
	struct domain *d = fake_domain();
	u64 *e, old;
	unsigned int i;

	guest_map(ROOT, USER_VA, 5, ALL, 1);
	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		for (int level = 2; level <= 4; level++) {
			e = guest_entry(ROOT, USER_VA, level);
			old = *e;
			*e = bad[i] << PAGE_SHIFT | ALL;
			refused(d, USER_VA, W | U, P | W | U | PF_RSVD);
			*e = old;
		}
		CU_ASSERT_FALSE(guest_walk(d, bad[i] << PAGE_SHIFT, USER_VA, 0, &w));
		CU_ASSERT_EQUAL(w.error, P | PF_RSVD);
	}
	e = guest_entry(ROOT, USER_VA, 1);
	*e = (u64)FAKE_NR_RAM << PAGE_SHIFT | ALL;
	refused(d, USER_VA, 0, P | PF_RSVD);
	*e = (u64)FAKE_MMIO_GFN << PAGE_SHIFT | ALL;
	allowed(d, USER_VA, 0, FAKE_MMIO_GFN, PTE_RW | PTE_US, 1);
	CU_ASSERT_EQUAL(w.frame, (u64)FAKE_MMIO << PAGE_SHIFT | P2M_MMIO);
	/* the frame of a large page that is not there */
	guest_map(ROOT, 0x40000000, 0, ALL | PTE_PS, 3);
	allowed(d, 0x403ff000, 0, 1023, PTE_RW | PTE_US, 3);
	refused(d, 0x40400000, 0, P | PF_RSVD);
}

static void accessed_and_dirty(void)
{
	struct domain *d = fake_domain();
	u64 *leaf = guest_map(ROOT, USER_VA, 5, ALL, 1);

	allowed(d, USER_VA, U, 5, PTE_RW | PTE_US, 1);
	for (int level = 1; level <= 4; level++)
		CU_ASSERT_EQUAL(*guest_entry(ROOT, USER_VA, level) & (PTE_A | PTE_D), PTE_A);
	CU_ASSERT_FALSE(w.leaf & PTE_D);
	allowed(d, USER_VA, U | W, 5, PTE_RW | PTE_US, 1);
	CU_ASSERT_EQUAL(*leaf, 5 << PAGE_SHIFT | ALL | PTE_A | PTE_D);
	CU_ASSERT_EQUAL(w.leaf, *leaf);
	for (int level = 2; level <= 4; level++)
		CU_ASSERT_EQUAL(*guest_entry(ROOT, USER_VA, level) & PTE_D, 0);

	leaf = guest_map(ROOT, 0x40000000, 512, ALL | PTE_PS, 2);
	allowed(d, 0x40003000, W, 515, PTE_RW | PTE_US, 2);
	CU_ASSERT_EQUAL(*leaf & (PTE_A | PTE_D), PTE_A | PTE_D);
}

static void a_table_that_maps_itself(void)
{
	struct domain *d = fake_domain();

	ram_table(ROOT)[300] = CR3 | PTE_P | PTE_RW;
	allowed(d, 0xffff000000000000 | 300UL << 39 | 300UL << 30 | 300UL << 21 | 300UL << 12, W, ROOT, PTE_RW, 1);
	CU_ASSERT_EQUAL(ram_table(ROOT)[300] & (PTE_A | PTE_D), PTE_A | PTE_D);
}

static void addresses_that_do_not_exist(void)
{
	struct domain *d = fake_domain();

	CU_ASSERT_FALSE(guest_walk(d, CR3, 0x0000800000000000, W, &w));
	CU_ASSERT_EQUAL(w.error, W);
	CU_ASSERT_FALSE(guest_walk(d, CR3, 0xffff7fffffffffff, U, &w));
	CU_ASSERT_EQUAL(w.error, U);
	/* bits that are not an access stay out of the error code */
	CU_ASSERT_FALSE(guest_walk(d, CR3, 0, ~0U, &w));
	CU_ASSERT_EQUAL(w.error, W | U | I);
	/* the low bits of CR3 are a PCID */
	guest_map(ROOT, USER_VA, 5, ALL, 1);
	CU_ASSERT_TRUE(guest_walk(d, CR3 | 0xfff, USER_VA, 0, &w));
}

static void copies_cross_pages(void)
{
	struct domain *d = fake_domain();
	struct vcpu *v = d->vcpu[0];
	u8 out[3 * PAGE_SIZE], in[3 * PAGE_SIZE];
	unsigned int i;

	v->cr3 = CR3 | 3;
	guest_map(ROOT, 0x10000, 20, ALL, 1);
	guest_map(ROOT, 0x11000, 30, ALL, 1);
	guest_map(ROOT, 0x12000, 25, ALL, 1);
	for (i = 0; i < sizeof(out); i++)
		out[i] = i * 7 + (i >> 8);
	CU_ASSERT_EQUAL(copy_to_guest(v, 0x10123, out, 2 * PAGE_SIZE), 0);
	CU_ASSERT_EQUAL(memcmp((u8 *)ram_table(20) + 0x123, out, PAGE_SIZE - 0x123), 0);
	CU_ASSERT_EQUAL(memcmp(ram_table(30), out + PAGE_SIZE - 0x123, PAGE_SIZE), 0);
	CU_ASSERT_EQUAL(memcmp(ram_table(25), out + 2 * PAGE_SIZE - 0x123, 0x123), 0);
	CU_ASSERT_EQUAL(((u8 *)ram_table(25))[0x123], 0);
	CU_ASSERT_TRUE(*guest_entry(ROOT, 0x11000, 1) & PTE_D);
	CU_ASSERT_EQUAL(copy_from_guest(v, in, 0x10123, 2 * PAGE_SIZE), 0);
	CU_ASSERT_EQUAL(memcmp(in, out, 2 * PAGE_SIZE), 0);
}

static void copies_are_refused(void)
{
	struct domain *d = fake_domain();
	struct vcpu *v = d->vcpu[0];
	u8 buf[64] = { 0 };

	v->cr3 = CR3;
	guest_map(ROOT, 0x10000, 20, PTE_P | PTE_US, 1);
	guest_map(ROOT, 0x11000, 21, ALL, 1);
	guest_map(ROOT, 0x13000, FAKE_MMIO_GFN, ALL, 1);
	CU_ASSERT_EQUAL(copy_from_guest(v, buf, 0x10000, 64), 0);
	CU_ASSERT_EQUAL(copy_to_guest(v, 0x10000, buf, 64), -VMI_EFAULT);	/* read-only */
	CU_ASSERT_EQUAL(copy_from_guest(v, buf, 0x11fe0, 64), -VMI_EFAULT);	/* runs into a hole */
	CU_ASSERT_EQUAL(copy_from_guest(v, buf, 0x13000, 4), -VMI_EFAULT);	/* device */
	CU_ASSERT_EQUAL(copy_from_guest(v, buf, 0x0000800000000000, 4), -VMI_EFAULT);
	CU_ASSERT_EQUAL(copy_from_guest(v, buf, ~0UL - 3, 8), -VMI_EFAULT);	/* wraps */
	CU_ASSERT_EQUAL(copy_from_guest(v, buf, 0x10000, ~0UL), -VMI_EFAULT);
	CU_ASSERT_EQUAL(copy_from_guest(v, buf, 0xdeadbeef000, 0), 0);

	/* the hypervisor's part of the address space, even where the guest maps something */
	guest_map(ROOT, VMI_AREA_BASE, 22, ALL, 1);
	guest_map(ROOT, VMI_SHARED, 23, ALL, 1);
	guest_map(ROOT, VMI_TOP_BASE - PAGE_SIZE, 24, ALL, 1);
	CU_ASSERT_EQUAL(copy_to_guest(v, VMI_AREA_BASE, buf, 4), -VMI_EFAULT);
	CU_ASSERT_EQUAL(copy_to_guest(v, VMI_SHARED, buf, 4), -VMI_EFAULT);
	CU_ASSERT_EQUAL(copy_to_guest(v, VMI_TOP_BASE - 4, buf, 4), 0);
	CU_ASSERT_EQUAL(copy_to_guest(v, VMI_TOP_BASE - 4, buf, 5), -VMI_EFAULT);
	CU_ASSERT_EQUAL(copy_to_guest(v, VMI_AREA_BASE - 4, buf, 8), -VMI_EFAULT);
}

int main(int argc, char **argv)
{
	static const struct test tests[] = {
		TEST(absent_at_each_level),
		TEST(permissions_combine_over_levels),
		TEST(smep_but_no_smap),
		TEST(no_user_page_in_the_upper_half),
		TEST(reserved_bits_fault),
		TEST(tables_must_be_ram),
		TEST(accessed_and_dirty),
		TEST(a_table_that_maps_itself),
		TEST(addresses_that_do_not_exist),
		TEST(copies_cross_pages),
		TEST(copies_are_refused),
	};

	return test_main(tests, ARRAY_SIZE(tests), fake_reset, argc, argv);
}
