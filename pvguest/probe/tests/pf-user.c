// SPDX-License-Identifier: GPL-2.0-only
/*
 * pf-user-kinds: every kind of page fault of ring 3 reaches the guest kernel
 * with the address in SH->cr2 and the right error code, both bounced by the
 * trampoline and injected by the hypervisor.
 *
 * A bounced fault is the processor's view of the shadow: where the translation
 * was not filled yet the P bit (and RSVD) may be missing, so a guest asks its
 * own tables. W, U and I are always right, and injected faults are exact.
 */
#include "probe.h"

USER_CODE(pu_read, "mov (%rbx), %al; int3");
USER_CODE(pu_write, "movb $1, (%rbx); int3");
USER_CODE(pu_exec, "jmp *%rbx");

#define OUTSIDE	(1UL << 40)	/* frame that no machine here has */
#define AT(n)	(UTEST + (n) * PAGE)

static bool bounced;

static void expect_fault(char *code, u64 va, u64 error, const char *what)
{
	struct regs r = user_regs((u64)code);
	u64 hw = bounced ? nr_traps[VEC_PF] : nr_traps[VEC_PF_BOUNCE];
	u64 exact = bounced ? ~(u64)(PF_P | PF_RSVD) : ~0UL;
	int vec;

	r.rbx = va;
	SH->cr2 = 0;
	vec = run(&r);
	CHECK(vec == VEC_PF, "%s, %s: expected #PF, seen vector %d", what, bounced ? "bounced" : "injected", vec);
	CHECK_EQ(va, SH->cr2, "%s: CR2", what);
	CHECK((r.error & exact) == (error & exact) && !(r.error & ~error), "%s, %s: expected error code %#lx, seen %#lx",
	      what, bounced ? "bounced" : "injected", error, r.error);
	CHECK_EQ(code == pu_exec ? va : (u64)code, r.rip, "%s: RIP", what);
	CHECK_EQ(USER_CS, r.cs, "%s: CS", what);
	CHECK_EQ(USER_SS, r.ss, "%s: SS", what);
	CHECK_EQ(USER_STACK, r.rsp, "%s: RSP", what);
	CHECK_EQ(X86_IF, r.rflags & (X86_IF | X86_IOPL | X86_NT), "%s: IF, IOPL, NT", what);
	CHECK_EQ(hw, bounced ? nr_traps[VEC_PF] : nr_traps[VEC_PF_BOUNCE], "%s: faults that came the other way", what);
}

static void expect_no_fault(char *code, u64 va, const char *what)
{
	struct regs r = user_regs((u64)code);
	int vec;

	r.rbx = va;
	vec = run(&r);
	CHECK(vec == VEC_BP, "%s: expected no fault, seen vector %d error %#lx cr2 %#lx", what, vec, r.error, SH->cr2);
}

static void kinds(void)
{
	expect_fault(pu_read, AT(0), PF_U, "read, not present");
	expect_fault(pu_write, AT(0) + 123, PF_U | PF_W, "write, not present");
	expect_fault(pu_exec, AT(0) + 8, PF_U | PF_I, "fetch, not present");
	expect_fault(pu_read, 0x123400000000, PF_U, "read, no table at any level");
	expect_fault(pu_write, AT(1), PF_U | PF_W | PF_P, "write, read-only");
	expect_no_fault(pu_read, AT(1), "read of the read-only page");
	expect_fault(pu_write, AT(1) + 4095, PF_U | PF_W | PF_P, "write, read-only and filled");
	expect_fault(pu_read, AT(2), PF_U | PF_P, "read, supervisor page");
	expect_fault(pu_write, AT(2), PF_U | PF_W | PF_P, "write, supervisor page");
	expect_fault(pu_exec, AT(2), PF_U | PF_I | PF_P, "fetch, supervisor page");
	expect_fault(pu_exec, AT(3), PF_U | PF_I | PF_P, "fetch, no-execute");
	expect_no_fault(pu_write, AT(3), "write of the no-execute page");
	expect_fault(pu_exec, AT(3) + 16, PF_U | PF_I | PF_P, "fetch, no-execute and filled");
	expect_fault(pu_read, AT(512), PF_U | PF_P, "read, supervisor at level 2");
	expect_fault(pu_write, AT(1024), PF_U | PF_W | PF_P, "write, read-only at level 2");
	expect_fault(pu_exec, AT(1536), PF_U | PF_I | PF_P, "fetch, no-execute at level 2");
	expect_fault(pu_read, AT(4), PF_U | PF_P | PF_RSVD, "read, frame that is not ours");
	expect_fault(pu_write, AT(4), PF_U | PF_W | PF_P | PF_RSVD, "write, frame that is not ours");
	expect_no_fault(pu_write, AT(5), "write, ordinary page");
}

/* A non-canonical address is no page fault. */
static void not_canonical(void)
{
	struct regs r = user_regs((u64)pu_read);

	r.rbx = NONCANON;
	CHECK_EQ(VEC_GP, run(&r), "read of a non-canonical address: vector");
	CHECK_EQ(0, r.error, "its error code");
}

TEST(pf_user_kinds, "pf-user-kinds", 1, 0, "page faults of ring 3, of each kind, bounced and injected")
{
	map_new(AT(1), PTE_U);
	map_new(AT(2), PTE_W);
	map_new(AT(3), PTE_U | PTE_W | PTE_NX);
	map_page(AT(4), OUTSIDE, PTE_P | PTE_U | PTE_W);
	map_new(AT(5), PTE_U | PTE_W);
	map_new(AT(512), PTE_U | PTE_W);
	*pte_at(root, AT(512), 2) &= ~PTE_U;
	map_new(AT(1024), PTE_U | PTE_W);
	*pte_at(root, AT(1024), 2) &= ~PTE_W;
	map_new(AT(1536), PTE_U | PTE_W);
	*pte_at(root, AT(1536), 2) |= PTE_NX;

	bounced = true;
	kinds();
	not_canonical();
	CHECK(SH->nr_pf_bounces >= nr_traps[VEC_PF_BOUNCE], "SH->nr_pf_bounces %lu, we saw %lu",
	      SH->nr_pf_bounces, nr_traps[VEC_PF_BOUNCE]);

	bounced = false;
	vcpu_setup.pf_entry = 0;
	CHECK_EQ(0, vmi_vcpu_setup(&vcpu_setup), "vcpu_setup without pf_entry");
	flush_all();
	kinds();
	not_canonical();
	CHECK(nr_bounce_fills, "no bounce was answered by a fill");
}
