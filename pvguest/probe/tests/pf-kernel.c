// SPDX-License-Identifier: GPL-2.0-only
/*
 * pf-kernel-kinds: page faults of ring 1 come with exact error code, CR2 and
 * frame. pf-hidden: those that only miss a translation are never seen by the
 * guest, in ring 1 or (with no pf_entry) in ring 3.
 */
#include "probe.h"

#define AT(n)	(KTEST + (n) * PAGE)
#define OUTSIDE	(1UL << 40)

static void expect_fault(int (*access)(u64), u64 va, u64 error, const char *what)
{
	int vec;

	SH->cr2 = 0;
	vec = access(va);
	CHECK(vec == VEC_PF, "%s: expected #PF, seen vector %d", what, vec);
	CHECK_EQ(error, try_regs.error, "%s: error code", what);
	CHECK_EQ(va, try_cr2, "%s: CR2", what);
	CHECK_EQ(VMI_KERNEL_CS & ~1, try_regs.cs, "%s: CS shown", what);
	CHECK_EQ(VMI_KERNEL_SS & ~1, try_regs.ss & ~1UL, "%s: SS shown", what);
	CHECK_EQ(0, try_regs.rflags & (X86_IF | X86_IOPL | X86_NT), "%s: IF, IOPL, NT with vif=0", what);
	if (access == try_exec)
		CHECK_EQ(va, try_regs.rip, "%s: RIP", what);
}

TEST(pf_kernel_kinds, "pf-kernel-kinds", 1, 0, "page faults of ring 1, of each kind")
{
	u8 *code = map_new(AT(3), PTE_W);

	code[0] = 0xc3;
	map_new(AT(1), 0);
	map_new(AT(2), PTE_W | PTE_NX);
	map_page(AT(4), OUTSIDE, PTE_P | PTE_W);
	map_new(AT(512), PTE_W);
	*pte_at(root, AT(512), 2) &= ~PTE_W;
	map_new(AT(1024), PTE_W);
	*pte_at(root, AT(1024), 2) |= PTE_NX;
	*pte_at(root, AT(1536), 2) = OUTSIDE | PTE_P | PTE_W;

	expect_fault(try_read, AT(0) + 5, 0, "read, not present");
	expect_fault(try_write, AT(0), PF_W, "write, not present");
	expect_fault(try_exec, AT(0), PF_I, "fetch, not present");
	expect_fault(try_read, 0xffffe00000000000, 0, "read, no table at any level");
	expect_fault(try_write, AT(1), PF_P | PF_W, "write, read-only");
	CHECK_EQ(-1, try_read(AT(1)), "read of the read-only page");
	expect_fault(try_write, AT(1) + 4095, PF_P | PF_W, "write, read-only and filled");
	expect_fault(try_exec, AT(2), PF_P | PF_I, "fetch, no-execute");
	CHECK_EQ(-1, try_write(AT(2)), "write of the no-execute page");
	expect_fault(try_exec, AT(2) + 9, PF_P | PF_I, "fetch, no-execute and filled");
	CHECK_EQ(-1, try_exec(AT(3)), "fetch of an executable page");
	expect_fault(try_read, AT(4), PF_P | PF_RSVD, "read, frame that is not ours");
	expect_fault(try_write, AT(4), PF_P | PF_W | PF_RSVD, "write, frame that is not ours");
	expect_fault(try_read, AT(1536), PF_P | PF_RSVD, "read, table that is not ours");
	expect_fault(try_write, AT(512), PF_P | PF_W, "write, read-only at level 2");
	expect_fault(try_exec, AT(1024), PF_P | PF_I, "fetch, no-execute at level 2");

	CHECK_EQ(VEC_GP, try_read(NONCANON), "read of a non-canonical address: vector");
	CHECK_EQ(0, try_regs.error, "its error code");

	/* With virtual interrupts on, the frame says so and the handler runs with them off. */
	irq_enable();
	CHECK_EQ(VEC_PF, try_read(AT(0)), "read with vif=1");
	CHECK_EQ(X86_IF, try_regs.rflags & X86_IF, "IF of the frame with vif=1");
	CHECK_EQ(1, SH->vif, "vif after the handler's return");
}

#define N	64

USER_CODE(ph_sum, "xor %eax, %eax; 1: add (%rbx), %rax; mov %rax, 8(%rbx); add $4096, %rbx; dec %ecx; jnz 1b; int3");

TEST(pf_hidden, "pf-hidden", 1, 0, "a missing translation is filled without the guest noticing")
{
	struct regs r = user_regs((u64)ph_sum);
	u64 misses, sum = 0;

	for (u64 i = 0; i < N; i++) {
		*(u64 *)map_new(AT(i), PTE_W) = i + 1;
		*(u64 *)map_new(UTEST + i * PAGE, PTE_W | PTE_U) = 2 * i;
	}
	for (int round = 0; round < 3; round++) {
		misses = counter(VMI_CTR_SHADOW_MISSES);
		sum = 0;
		for (u64 i = 0; i < N; i++) {
			sum += *(volatile u64 *)AT(i);
			*(volatile u64 *)(AT(i) + 8) = sum;
		}
		CHECK_EQ(N * (N + 1) / 2, sum, "sum read by ring 1");
		CHECK(counter(VMI_CTR_SHADOW_MISSES) > misses, "no shadow miss was counted in round %d", round);
		flush_all();
	}
	CHECK_EQ(0, nr_traps[VEC_PF], "page faults that ring 1 saw");

	vcpu_setup.pf_entry = 0;
	CHECK_EQ(0, vmi_vcpu_setup(&vcpu_setup), "vcpu_setup without pf_entry");
	r.rbx = UTEST;
	r.rcx = N;
	CHECK_EQ(VEC_BP, run(&r), "vector that ended ring 3");
	CHECK_EQ(N * (N - 1), r.rax, "sum read by ring 3");
	CHECK_EQ(0, nr_traps[VEC_PF] + nr_traps[VEC_PF_BOUNCE], "page faults of ring 3 that we saw");
}
