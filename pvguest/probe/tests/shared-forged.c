// SPDX-License-Identifier: GPL-2.0-only
/*
 * shared-forged: whatever the guest writes into the shared page and the stack
 * pages of its area (all fields, all bytes), the hypervisor neither trusts nor
 * dies of it (attack class 25, rules R4, R18).
 */
#include "probe.h"

USER_CODE(sf_syscall, "syscall; ud2");
USER_CODE(sf_fault, "mov (%rbx), %rax; ud2");
USER_CODE(sf_spin, "1: jmp 1b");

static u64 seed = 99;

static u64 rnd(void)
{
	seed = seed * 6364136223846793005 + 1442695040888963407;
	return seed ^ seed >> 29;
}

static u64 hostile(void)
{
	static const u64 v[] = { 0, 1, ~0UL, NONCANON, VMI_AREA_BASE, VMI_AREA_BASE + 0x5c00, KTEST, 0x80, 0x88, 0x11,
				 0x202, 0x3202, VMI_SHARED, 0x8000000000000000 };

	return rnd() & 1 ? v[rnd() % ARRAY_SIZE(v)] : rnd();
}

TEST(shared_forged, "shared-forged", 3, 0, "forged contents of the shared page and the area's stacks change nothing")
{
	volatile u64 *sh = (void *)VMI_SHARED, *stacks = (void *)(VMI_AREA_BASE + VMI_AREA_STACK);
	struct vmi_clock clock = *(struct vmi_clock *)&SH->clock;
	u32 port = timer_bind();

	evt_handler[port] = run_stop;
	for (int round = 0; round < 2000; round++) {
		struct regs r = user_regs(round % 3 == 0 ? (u64)sf_syscall : round % 3 == 1 ? (u64)sf_fault : (u64)sf_spin);
		u64 now, want[NR_GPRS];

		for (int i = 1; i < 512; i++)
			if (i != VMI_SH_CLOCK / 8 || round & 1)
				sh[i] = hostile();
		for (int i = 0; i < 1024; i++)
			stacks[i] = hostile();
		for (int p = 0; p < VMI_MAX_PORTS / 64; p++)
			SH->evt_pending[p] = SH->evt_mask[p] = 0;
		*(struct vmi_clock *)&SH->clock = clock;
		SH->pending = rnd();
		SH->vif = 0;
		for (int i = 0; i < NR_GPRS; i++)
			((u64 *)&r)[i] = want[i] = rnd();
		r.rbx = KTEST;		/* ring 3: #PF */
		now = clock_ns();
		if (round % 3 == 2)
			vmi_timer_set(now + 10000);
		CHECK_EQ(round % 3 == 0 ? VEC_SYSCALL : round % 3 == 1 ? VEC_PF : VEC_UPCALL, run(&r), "round %d: vector", round);
		if (round % 3 == 0)
			CHECK_EQ(USER_STACK, r.rsp, "round %d: RSP of the system call", round);
		for (int i = 0; i < NR_GPRS; i++)
			if (i != offsetof(struct regs, rbx) / 8 && (round % 3 || (i != offsetof(struct regs, rcx) / 8 &&
									       i != offsetof(struct regs, r11) / 8)))
				CHECK_EQ(want[i], ((u64 *)&r)[i], "round %d: register word %d", round, i);
		CHECK_EQ(VMI_VERSION_MAJOR, vmi_version() >> 16, "round %d: major version", round);
		counter(0);
	}
	/* vif is one byte: what is not 0 is on, or is not; nothing else happens. */
	for (int v = 0; v < 256; v++) {
		SH->vif = v;
		vmi_version();
		SH->vif = 0;
	}
}
