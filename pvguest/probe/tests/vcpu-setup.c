// SPDX-License-Identifier: GPL-2.0-only
/*
 * vcpu-setup: vcpu_setup and vectors_set refuse addresses that are not
 * canonical, not in the upper half, or in the hypervisor's ranges, unaligned
 * stacks, bad regions and reserved bits; a refused call changes nothing; a
 * repeated right one is taken (attack classes 10, 15, 20).
 */
#include "probe.h"

static void refused(const char *what, const struct vmi_vcpu_setup *s)
{
	CHECK_EQ(-VMI_EINVAL, vmi_vcpu_setup(s), "vcpu_setup with bad %s", what);
}

#define REFUSED(field, value) do { \
		struct vmi_vcpu_setup s_ = vcpu_setup; \
		s_.field = (value); \
		refused(#field " = " #value, &s_); \
	} while (0)

#define BAD_ADDRESS(field) do { \
		REFUSED(field, NONCANON); \
		REFUSED(field, 0x8000000000000000); \
		REFUSED(field, 0xffff7ffffffffff0); \
		REFUSED(field, 0x400000); \
		REFUSED(field, VMI_AREA_BASE); \
		REFUSED(field, VMI_AREA_BASE + VMI_AREA_STACK); \
	} while (0)

USER_CODE(vs_syscall, "mov $77, %eax; syscall; ud2");

TEST(vcpu_setup_bad, "vcpu-setup", 1, 0, "bad entry points, stacks, regions and vectors are refused")
{
	struct vmi_vector v = { .handler = NONCANON };
	struct regs r = user_regs((u64)vs_syscall);

	BAD_ADDRESS(syscall_entry);
	REFUSED(syscall_entry, 0);
	BAD_ADDRESS(compat_entry);
	BAD_ADDRESS(pf_entry);
	BAD_ADDRESS(rsp1);
	REFUSED(rsp1, (u64)entry_stack_top - 8);
	REFUSED(rsp1, (u64)entry_stack_top - 1);
	REFUSED(rsp1, 0);
	BAD_ADDRESS(user.start);
	BAD_ADDRESS(user.iret);
	BAD_ADDRESS(kernel.start);
	BAD_ADDRESS(kernel.iret);
	REFUSED(user.start, vcpu_setup.user.iret + 1);
	REFUSED(kernel.start, vcpu_setup.kernel.iret + 1);
	REFUSED(user.iret, 0);
	REFUSED(upcall_vector, 0);
	REFUSED(upcall_vector, 31);
	REFUSED(upcall_vector, 256);
	REFUSED(upcall_vector, 0xffffffff);
	REFUSED(reserved[0], 1);
	REFUSED(reserved[2], 0x80000000);

	CHECK_EQ(-VMI_EINVAL, vmi_vectors_set(60, 1, &v), "vectors_set with a non-canonical handler");
	v.handler = 0x400000;
	CHECK_EQ(-VMI_EINVAL, vmi_vectors_set(60, 1, &v), "vectors_set with a low-half handler");
	v.handler = VMI_AREA_BASE + 0x80;
	CHECK_EQ(-VMI_EINVAL, vmi_vectors_set(60, 1, &v), "vectors_set with a handler in the trampoline");
	v.handler = (u64)trap_stubs;
	for (u32 dpl = 1; dpl < 6; dpl++) {
		v.dpl = dpl;
		if (dpl != 3)
			CHECK_EQ(-VMI_EINVAL, vmi_vectors_set(60, 1, &v), "vectors_set with DPL %u", dpl);
	}
	v.dpl = 0;
	v.reserved = 1;
	CHECK_EQ(-VMI_EINVAL, vmi_vectors_set(60, 1, &v), "vectors_set with a reserved bit");

	/* All of the refused ones left the registered ones alone. */
	CHECK_EQ(VEC_SYSCALL, run(&r), "vector of a system call after refused setups");
	CHECK_EQ(77, r.rax, "RAX of the system call");
	CHECK_EQ(0, vmi_vcpu_setup(&vcpu_setup), "vcpu_setup again");
	r = user_regs((u64)vs_syscall);
	CHECK_EQ(VEC_SYSCALL, run(&r), "vector of a system call after a second setup");
}
