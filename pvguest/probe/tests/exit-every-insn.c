// SPDX-License-Identifier: GPL-2.0-only
/*
 * exit-user-every-insn, exit-kernel-every-insn: the timer's event hits every
 * instruction of the exit path to ring 3 (region U) and to ring 1 with virtual
 * interrupts on (region K), and is never lost: it is taken before the exit's
 * target has run on, exactly once, and no register changes.
 *
 * With exact instruction counts a nanosecond of system time is one
 * instruction. Each sweep moves the deadline on by one nanosecond a step, from
 * before the exit path to well behind it. A lost event would show as a target
 * that spins to its end.
 */
#include "probe.h"

#define SPIN		20000		/* instructions in the target, twice this if nothing ends it */
#define LATE		2000		/* rounds: the event was not taken when it came */
#define EXITS		20000

USER_CODE(exit_u_spin, "1: dec %rcx; jnz 1b; syscall; ud2");
KERNEL_CODE(exit_k_spin, "1: dec %rcx; jnz 1b; int3; ud2");

static u32 port;

static struct regs target(bool ring3, u64 seed)
{
	struct regs r = ring3 ? user_regs((u64)exit_u_spin) : kernel_regs((u64)exit_k_spin);
	u64 *gpr = (u64 *)&r;

	for (int i = 0; i < NR_GPRS; i++)
		gpr[i] = seed * 0x9e3779b97f4a7c15UL + (u64)i * 0x123456789abcdef1UL;
	r.rcx = SPIN;
	r.rflags = X86_IF | 2;
	return r;
}

static void sweep_exits(bool ring3)
{
	u64 exits = 0, slow = 0, at_target = 0, behind = 0, sweeps = 0;
	u64 rollbacks = counter(VMI_CTR_ROLLBACKS);

	port = timer_bind();
	evt_handler[port] = run_stop;
	while (exits < EXITS || sweeps < 3) {
		u64 far = 0;

		for (u64 step = 0; far < 20; step++, exits++) {
			struct regs want = target(ring3, exits), r = want;
			u64 n = evt_count[port], s = nr_slow_exits, spun;
			int vec;

			CHECK(step < 200000, "a sweep does not end");
			CHECK_EQ(0, vmi_timer_set(clock_ns() + step), "timer_set");
			vec = run(&r);
			spun = SPIN - r.rcx;
			if (vec != VEC_UPCALL)
				test_fail("event lost: exit %lu, deadline +%lu ns, ended by vector %d after %lu rounds; pending %d",
					  exits, step, vec, spun, SH->pending);
			CHECK_EQ(n + 1, evt_count[port], "deliveries at exit %lu", exits);
			CHECK(spun <= LATE, "exit %lu: event %lu rounds late", exits, spun);
			CHECK_EQ(0, SH->pending, "SH->pending after exit %lu", exits);
			r.rcx = want.rcx;
			for (int i = 0; i < NR_GPRS; i++)
				CHECK_EQ(((u64 *)&want)[i], ((u64 *)&r)[i], "register word %d at exit %lu", i, exits);
			CHECK_EQ(want.rsp, r.rsp, "RSP at exit %lu", exits);
			CHECK(r.rip == want.rip || r.rip == want.rip + 3, "RIP at exit %lu: %#lx", exits, r.rip);
			CHECK_EQ(ring3 ? USER_CS : VMI_KERNEL_CS & ~1, r.cs & ~(ring3 ? 0UL : 1UL), "CS at exit %lu", exits);
			CHECK(r.rflags & X86_IF, "IF at exit %lu: rflags %#lx", exits, r.rflags);
			CHECK_EQ(0, r.rflags & X86_IOPL, "IOPL at exit %lu", exits);

			if (nr_slow_exits != s)
				slow++;
			else if (!spun)
				at_target++;
			else
				behind++;
			if (spun > 16 && step > 100)
				far++;
		}
		sweeps++;
	}
	rollbacks = counter(VMI_CTR_ROLLBACKS) - rollbacks;
	say("exits %lu sweeps %lu: taken by the exit path %lu (rolled back %lu), at the target's first instruction %lu, later %lu",
	    exits, sweeps, slow, rollbacks, at_target, behind);
	/* The instructions of a region behind its first: each was hit in each sweep, but for the clock's rounding. */
	CHECK(rollbacks * 10 >= sweeps * (ring3 ? 2 : 3) * 9, "%lu sweeps of a region of %d instructions: seen %lu rollbacks",
	      sweeps, ring3 ? 3 : 4, rollbacks);
	CHECK(slow && behind, "the sweep missed the exit path");
}

TEST(exit_user, "exit-user-every-insn", 30, T_ICOUNT, "an event at every instruction of the exit to ring 3 is never lost")
{
	sweep_exits(true);
}

TEST(exit_kernel, "exit-kernel-every-insn", 30, T_ICOUNT, "an event at every instruction of the exit to ring 1 is never lost")
{
	sweep_exits(false);
}
