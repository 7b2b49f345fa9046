// SPDX-License-Identifier: GPL-2.0-only
/*
 * hc-from-user: a system call of ring 3 with any number and arguments is the
 * guest's own and never a hypercall: no counter of a call moves, and the null
 * system call enters the hypervisor not at all (attack class 34).
 */
#include "probe.h"

USER_CODE(hu_call, "syscall; ud2");

TEST(hc_from_user, "hc-from-user", 2, 0, "system calls of ring 3 are never hypercalls and cost no trip into the hypervisor")
{
	u64 calls, cr3, n = 0;

	/* Once around, so that everything is filled. */
	for (int warm = 0; warm < 2; warm++) {
		calls = counter(VMI_CTR_HYPERCALLS);
		cr3 = counter(VMI_CTR_CR3_WRITES);
		n = 0;
		for (u64 nr = 0; nr < 1000; nr++)
			for (u64 arg = 0; arg < 4; arg++) {
				static const u64 args[] = { 0, 1, ~0UL, KBASE };
				struct regs r = user_regs((u64)hu_call);

				r.rax = nr < 990 ? nr : ~nr;
				r.rdi = r.rsi = r.rdx = r.r10 = r.r8 = r.r9 = args[arg];
				CHECK_EQ(VEC_SYSCALL, run(&r), "system call %ld: vector", r.rax);
				CHECK_EQ(nr < 990 ? nr : ~nr, r.rax, "its number");
				n++;
			}
	}
	calls = counter(VMI_CTR_HYPERCALLS) - calls;
	cr3 = counter(VMI_CTR_CR3_WRITES) - cr3;
	CHECK(calls <= 2, "%lu system calls made %lu hypercalls", n, calls);
	CHECK(cr3 <= 64, "%lu system calls made %lu CR3 writes", n, cr3);
}
