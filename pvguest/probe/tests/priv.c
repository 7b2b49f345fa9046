// SPDX-License-Identifier: GPL-2.0-only
/*
 * priv-ring1, priv-ring3: each privileged or sensitive instruction (insns.S)
 * executed at CPL 1 is either emulated or raises #GP or #UD as the table says;
 * at CPL 3 it always reaches the guest kernel's own vector. The hypervisor
 * never dies of one, and none of them turns interrupts off or changes IOPL.
 */
#include "probe.h"

#define KCODE	KTEST
#define KDATA	(KTEST + PAGE)
#define UCODE	UTEST
#define UDATA	(UTEST + PAGE)

static u32 outcome(int vector)
{
	switch (vector) {
	case VEC_BP:
		return R_RUN;
	case VEC_GP:
		return R_GP;
	case VEC_UD:
		return R_UD;
	case VEC_DB:
		return R_DB;
	}
	return 0;
}

static void all_insns(bool ring3)
{
	u64 cva = ring3 ? UCODE : KCODE, dva = ring3 ? UDATA : KDATA;
	u64 flags = ring3 ? PTE_W | PTE_U : PTE_W;
	u8 *code = map_new(cva, flags);

	map_new(dva, flags | PTE_NX);
	for (const struct insn *i = insns_start; i < insns_end; i++) {
		size_t n = i->end - i->start;
		struct regs r = ring3 ? user_regs(cva) : kernel_regs(cva);
		u32 want = ring3 ? i->ring3 : i->ring1;
		int vec;

		memcpy(code, i->start, n);
		code[n] = 0xcc;
		r.rbx = dva;
		vec = run(&r);
		CHECK(want & outcome(vec),
		      "%s in ring %d: expected one of %#x (1 runs, 2 #GP, 4 #UD, 8 #DB), seen vector %d error %#lx rip +%ld cr2 %#lx",
		      i->name, ring3 ? 3 : 1, want, vec, r.error, r.rip - cva, SH->cr2);
		if (vec == VEC_GP && !(r.error & ~0xffffUL) && r.error & 1)
			test_fail("%s: #GP error code %#lx has EXT set", i->name, r.error);
		CHECK_EQ(0, r.rflags & X86_IOPL, "%s: IOPL", i->name);
		CHECK_EQ(ring3 ? USER_CS : VMI_KERNEL_CS & ~3, r.cs, "%s: CS of the frame", i->name);
		if (ring3)
			CHECK(r.rflags & X86_IF, "%s: ring 3 saw IF=0", i->name);
	}
}

TEST(priv_ring1, "priv-ring1", 2, 0, "privileged instructions at CPL 1 are emulated or fault as specified")
{
	all_insns(false);
}

TEST(priv_ring3, "priv-ring3", 2, 0, "privileged instructions at CPL 3 reach the guest's vector")
{
	all_insns(true);
}

