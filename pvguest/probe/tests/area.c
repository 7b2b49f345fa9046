// SPDX-License-Identifier: GPL-2.0-only
/*
 * area-readonly: at CPL 1 the per-vCPU area is readable, its text, IDT and
 * descriptor pages cannot be written, nothing but the text can be executed and
 * nothing lies around it; at CPL 3 none of it can be touched. area-jump-user:
 * ring 3 can jump to no byte of it. area-jump: ring 1 can jump to any byte of
 * the text and gains nothing (attack class 24, rules R5, R6).
 */
#include "probe.h"

#define TEXT_SIZE	(VMI_AREA_IDT - VMI_AREA_TEXT)

USER_CODE(ar_read, "mov (%rbx), %al; int3");
USER_CODE(ar_write, "movb $0, (%rbx); int3");
USER_CODE(ar_jump, "jmp *%rbx");

static void kernel_faults(int (*access)(u64), u64 va, u64 error, const char *what)
{
	int vec = access(va);

	CHECK(vec == VEC_PF, "%s %#lx at CPL 1: expected #PF, seen vector %d", what, va, vec);
	CHECK_EQ(error, try_regs.error, "%s %#lx at CPL 1: error code", what, va);
	CHECK_EQ(va, try_cr2, "%s %#lx at CPL 1: CR2", what, va);
}

static void user_faults(char *code, u64 va, u64 error)
{
	struct regs r = user_regs((u64)code);

	r.rbx = va;
	CHECK_EQ(VEC_PF, run(&r), "access of %#lx at CPL 3: vector", va);
	CHECK_EQ(error, r.error & ~(u64)PF_P, "access of %#lx at CPL 3: error code without P", va);
	CHECK_EQ(va, SH->cr2, "access of %#lx at CPL 3: CR2", va);
}

TEST(area_readonly, "area-readonly", 4, 0, "the per-vCPU area: what may be read, written and executed in ring 1 and 3")
{
	static const u64 outside[] = { VMI_AREA_BASE + VMI_AREA_SIZE, VMI_AREA_BASE + 0x100000, VMI_AREA_END - 8,
				       VMI_AREA_BASE + 0x4000000000 };

	for (u64 off = 0; off < VMI_AREA_SIZE; off += 8) {
		u64 va = VMI_AREA_BASE + off;

		CHECK_EQ(-1, try_read(va), "read of %#lx at CPL 1", va);
		if (off < VMI_AREA_SHARED)
			kernel_faults(try_write, va + off / 8 % 8, PF_P | PF_W, "write to");
		if (off >= TEXT_SIZE && off % 512 == 0)
			kernel_faults(try_exec, va, PF_P | PF_I, "fetch from");
		if (off % 256 == 0) {
			user_faults(ar_read, va, PF_U);
			user_faults(ar_write, va, PF_U | PF_W);
		}
	}
	for (u32 i = 0; i < ARRAY_SIZE(outside); i++) {
		kernel_faults(try_read, outside[i], 0, "read of");
		kernel_faults(try_write, outside[i], PF_W, "write to");
		kernel_faults(try_exec, outside[i], PF_I, "fetch from");
		user_faults(ar_read, outside[i], PF_U);
	}

	/* The alias of the shared page is the same page; around it is nothing, and ERR_PTR values fault. */
	SH->guest_area[7] = 0x42;
	CHECK_EQ(0x42, *(volatile u8 *)(VMI_AREA_BASE + VMI_AREA_SHARED + VMI_SH_GUEST + 7), "shared page in the area");
	*(volatile u8 *)(VMI_AREA_BASE + VMI_AREA_SHARED + VMI_SH_GUEST + 7) = 0x43;
	CHECK_EQ(0x43, SH->guest_area[7], "shared page at its alias");
	CHECK_EQ(VEC_PF, try_exec(VMI_SHARED + VMI_SH_GUEST), "fetch from the shared page: vector");
	CHECK_EQ(PF_I, try_regs.error & ~(u64)PF_P, "fetch from the shared page: error code without P");
	kernel_faults(try_read, VMI_SHARED + PAGE, 0, "read of");
	kernel_faults(try_read, ~0UL, 0, "read of");
	kernel_faults(try_write, ~0UL - 21, PF_W, "write to");
	kernel_faults(try_read, VMI_SHARED - PAGE, 0, "read of");
	kernel_faults(try_read, VMI_TOP_BASE, 0, "read of");
	user_faults(ar_read, VMI_SHARED, PF_U);
	user_faults(ar_write, VMI_SHARED + VMI_SH_PENDING, PF_U | PF_W);

	/* The guest's own entries there mean nothing. */
	boot_l4[256] = page_alloc() | PTE_P | PTE_W | PTE_U;
	*(u64 *)kva(boot_l4[256] & PTE_ADDR) = root | PTE_P | PTE_W;
	flush_all();
	CHECK_EQ(0, vmi_cr3_load(root), "cr3_load");
	kernel_faults(try_write, VMI_AREA_BASE, PF_P | PF_W, "write to");
	kernel_faults(try_write, VMI_AREA_BASE + VMI_AREA_IDT + 14 * 16, PF_P | PF_W, "write to");
	map_new(VMI_TOP_BASE, PTE_W);
	flush_page(VMI_TOP_BASE);
	CHECK(try_read(VMI_TOP_BASE) == VEC_PF, "a page of ours appeared in the top 2 MiB");
}

TEST(area_jump_user, "area-jump-user", 6, 0, "ring 3 can jump to no byte of the area")
{
	for (u64 off = 0; off < VMI_AREA_SIZE; off += off < TEXT_SIZE ? 1 : 64)
		user_faults(ar_jump, VMI_AREA_BASE + off, PF_U | PF_I);
	for (u64 off = 0; off < PAGE; off += 64)
		user_faults(ar_jump, VMI_SHARED + off, PF_U | PF_I);
}

/*
 * Ring 1 goes on at each byte of the text. Most end at once in #GP, #UD or
 * #PF, some at our own system call or page-fault entry (an iretq to the return
 * frames). Those that switch to a stack of the area first and then fault
 * cannot be given the exception: the domain is stopped, and the runner starts
 * the test again behind that byte (option from=).
 */
static void jump_everywhere(u64 step)
{
	u32 port = timer_bind();

	evt_handler[port] = run_stop;
	expect_stop("");
	for (u64 off = (option("from", 0) + step - 1) / step * step; off < TEXT_SIZE; off += step) {
		struct regs r = kernel_regs(VMI_AREA_BASE + off);
		u64 *gpr = (u64 *)&r;
		u64 bounces = nr_traps[VEC_PF_BOUNCE];
		volatile u64 *stacks = (void *)(VMI_AREA_BASE + VMI_AREA_STACK);
		int vec;

		for (int i = 0; i < NR_GPRS; i++)
			gpr[i] = NONCANON + 0x1000;
		for (int i = 0; i < 64; i++)
			((u64 *)r.rsp)[i] = NONCANON + 0x1000;	/* where a ret goes */
		r.rflags |= X86_IF;
		say("AT %lu", off);
		vmi_timer_set(clock_ns() + 10000000);	/* there are loops to spin in */
		/* An RSP that is found there must not be one we are using: the last hypercall left ours. */
		for (u64 i = 0; i < (VMI_AREA_SIZE - VMI_AREA_STACK) / 8; i++)
			stacks[i] = r.rsp;
		vec = run(&r);
		vmi_timer_set(0);
		/* At our own entries the frame is what those pushed, from registers and fields of ours. */
		if (vec >= VEC_SYSCALL || nr_traps[VEC_PF_BOUNCE] != bounces)
			continue;
		CHECK((r.cs & ~1UL) == (VMI_KERNEL_CS & ~3) || r.cs == USER_CS || r.cs == USER_CS32,
		      "offset %#lx: came back with CS %#lx, vector %d", off, r.cs, vec);
		CHECK_EQ(0, r.rflags & X86_IOPL, "offset %#lx: IOPL", off);
	}
}

TEST(area_jump, "area-jump", 30, T_RESUMES, "ring 1 can jump anywhere in the trampoline and gains nothing: each fifth byte")
{
	jump_everywhere(5);
}

TEST(area_jump_all, "area-jump-all", 150, T_RESUMES, "ring 1 can jump to every byte of the trampoline and gains nothing")
{
	jump_everywhere(1);
}
