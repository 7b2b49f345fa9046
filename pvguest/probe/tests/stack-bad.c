// SPDX-License-Identifier: GPL-2.0-only
/*
 * stack-*: an exception or event that cannot be delivered, because the kernel
 * stack is not mapped, read-only, not canonical, in the hypervisor's area or
 * at the edge of the address space, stops this domain with a message that
 * names vCPU, RIP and reason, and nothing else (attack classes 1, 16, 26).
 * no-handler-*: the same for a vector that nobody registered.
 */
#include "probe.h"

#define REASON	"cannot be delivered: the kernel stack at"

KERNEL_CODE(sb_spin, "mov %rax, %rsp; 1: jmp 1b");
USER_CODE(sb_user_ud2, "ud2");
USER_CODE(sb_user_spin, "1: jmp 1b");

/* Exception in ring 1 with RSP = rsp. */
static void noreturn dies_on(u64 rsp, const char *text)
{
	expect_stop(text);
	__asm__ volatile ("mov %0, %%rsp; ud2" :: "r" (rsp) : "memory");
	__builtin_unreachable();
}

TEST(stack_unmapped, "stack-unmapped", 1, T_STOPS, "#UD in ring 1 on an unmapped stack stops the domain")
{
	dies_on(KTEST + 512, REASON);
}

TEST(stack_readonly, "stack-readonly", 1, T_STOPS, "#UD in ring 1 on a read-only stack stops the domain")
{
	map_new(KTEST, PTE_NX);
	dies_on(KTEST + 512, REASON);
}

TEST(stack_straddling, "stack-straddling", 1, T_STOPS, "#UD with a frame that reaches into an unmapped page stops the domain")
{
	map_new(KTEST, PTE_W | PTE_NX);
	dies_on(KTEST + 16, REASON);
}

TEST(stack_noncanonical, "stack-noncanonical", 1, T_STOPS, "#UD in ring 1 with a non-canonical RSP stops the domain")
{
	dies_on(NONCANON + 4096, REASON);
}

TEST(stack_area, "stack-area", 1, T_STOPS, "#UD in ring 1 with RSP in the per-vCPU area stops the domain")
{
	/* An entry of our own there changes nothing. */
	map_new(VMI_AREA_BASE + VMI_AREA_STACK, PTE_W);
	flush_all();
	dies_on(VMI_AREA_BASE + VMI_AREA_STACK + 0xc00, REASON);
}

TEST(stack_shared, "stack-shared", 1, T_STOPS, "#UD in ring 1 with RSP in the shared page stops the domain")
{
	dies_on(VMI_SHARED + 0x800, REASON);
}

TEST(stack_zero, "stack-zero", 1, T_STOPS, "#UD in ring 1 with RSP 0 (the frame wraps) stops the domain")
{
	dies_on(0, REASON);
}

TEST(stack_foreign, "stack-foreign", 1, T_STOPS, "#UD on a stack whose frame is not the domain's stops the domain")
{
	map_page(KTEST, 1UL << 40, PTE_P | PTE_W);
	dies_on(KTEST + 2048, REASON);
}

/* An event that came too early, on a good stack, asks for another. */
static void again(void)
{
	vmi_timer_set(clock_ns() + 3000000);
}

TEST(stack_event, "stack-event", 1, T_STOPS, "an event in ring 1 on an unmapped stack stops the domain")
{
	struct regs r = kernel_regs((u64)sb_spin);

	evt_handler[timer_bind()] = again;
	r.rax = KTEST + 512;
	r.rflags |= X86_IF;
	expect_stop(REASON);
	again();
	run(&r);
}

TEST(stack_rsp1, "stack-rsp1", 1, T_STOPS, "an exception of ring 3 with an unmapped rsp1 stops the domain")
{
	struct regs r = user_regs((u64)sb_user_ud2);

	vcpu_setup.rsp1 = KTEST + 512;
	CHECK_EQ(0, vmi_vcpu_setup(&vcpu_setup), "vcpu_setup");
	expect_stop(REASON);
	run(&r);
}

TEST(stack_rsp1_edge, "stack-rsp1-edge", 1, T_STOPS, "rsp1 at the end of the per-vCPU area's slot stops the domain when used")
{
	struct regs r = user_regs((u64)sb_user_spin);

	evt_handler[timer_bind()] = again;
	vcpu_setup.rsp1 = VMI_AREA_END;
	if (vmi_vcpu_setup(&vcpu_setup))
		test_pass();		/* refused at once: as good */
	expect_stop(REASON);
	again();
	run(&r);
}

TEST(no_handler, "no-handler", 1, T_STOPS, "an exception without a handler stops the domain")
{
	vector_set(VEC_UD, 0, 0);
	expect_stop("#UD");
	__asm__ volatile ("ud2");
}

TEST(no_handler_user, "no-handler-user", 1, T_STOPS, "an exception of ring 3 without a handler stops the domain")
{
	struct regs r = user_regs((u64)sb_user_ud2);

	vector_set(VEC_UD, 0, 0);
	expect_stop("#UD");
	run(&r);
}

TEST(no_handler_pf, "no-handler-pf", 1, T_STOPS, "a page fault without a handler stops the domain")
{
	vector_set(VEC_PF, 0, 0);
	expect_stop("#PF");
	*(volatile u8 *)KTEST = 1;
}

TEST(no_handler_event, "no-handler-event", 1, T_STOPS, "an event whose vector has no handler stops the domain")
{
	long port = vmi_evt_bind_ipi(0);

	vector_set(VEC_UPCALL, 0, 0);
	irq_enable();
	expect_stop("vector 48");
	vmi_evt_send(port);
}

/* The handler itself is not mapped: its fetch faults, and again, and again. */
TEST(handler_unmapped, "handler-unmapped", 2, T_STOPS, "a page-fault handler that is not mapped stops the domain, it does not hang")
{
	vector_set(VEC_PF, KTEST, 0);
	expect_stop("");
	*(volatile u8 *)(KTEST + PAGE) = 1;
}

TEST(kernel_unmapped, "kernel-unmapped", 2, T_STOPS, "a root that maps nothing stops the domain")
{
	expect_stop("");
	vmi_cr3_load(page_alloc());
}
