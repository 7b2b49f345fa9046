// SPDX-License-Identifier: GPL-2.0-only
/*
 * hc-bad-args: every hypercall number, existing or not, answers hostile
 * arguments with a value or a documented error, and neither the hypervisor nor
 * this domain dies of it (attack classes 15, 33, 34). The callee-saved
 * registers survive, the argument registers come back zeroed.
 *
 * Left out: arguments that are right but ask for our end (shutdown reasons 0-2,
 * a root that does not map us, halt without an event to come); console lines
 * that exist (hc-pointers has them).
 */
#include "../child.h"
#include "raw.h"

static const u64 hostile[] = {
	0, 1, 2, 3, 7, 12, 255, 256, 511, 512, 0x7fffffff, 0x80000000, 0xffffffff, 0x100000000, 0x1ffffffff,
	NONCANON, NONCANON - 1, 0x8000000000000000, ~0UL, ~7UL, ~0xfffUL,
	VMI_AREA_BASE, VMI_AREA_BASE + VMI_AREA_DESC, VMI_AREA_BASE + VMI_AREA_STACK + 0xbf8, VMI_AREA_END,
	VMI_TOP_BASE, VMI_SHARED, KBASE, KTEST, KTEST + PAGE - 1, KTEST + 16 * PAGE, UTEST,
};

static bool left_out(u64 nr, u64 a0)
{
	switch (nr) {
	case VMI_HC_SHUTDOWN:
		return (u32)a0 <= VMI_SHUTDOWN_CRASH;
	case VMI_HC_CONSOLE_WRITE:
	case VMI_HC_CONSOLE_READ:
		return (u32)a0 < VMI_NR_CONSOLES;
	case VMI_HC_HALT:
		return true;
	}
	return false;
}

static void restore(u64 nr)
{
	switch (nr) {
	case VMI_HC_VECTORS_SET:
		for (int i = 0; i < 256; i++)
			vector_set(i, (u64)trap_stubs + 16 * i, 0);
		break;
	case VMI_HC_TIMER_SET:
		vmi_timer_set(0);
		break;
	case VMI_HC_EVT_BIND_IPI:
		for (u32 p = 1; p < VMI_MAX_PORTS; p++)
			vmi_evt_close(p);
		break;
	case VMI_HC_DEBUGREG_SET:
		vmi_debugreg_set(7, 0);
		break;
	}
}

static void sweep(u64 nr)
{
	for (u32 i = 0; i < ARRAY_SIZE(hostile); i++)
		for (u32 j = 0; j < ARRAY_SIZE(hostile); j++)
			for (u32 k = 0; k < ARRAY_SIZE(hostile); k += 3) {
				u64 a = hostile[i], b = hostile[j], c = hostile[(k + i + j) % ARRAY_SIZE(hostile)];
				long rc;

				if (left_out(nr, a))
					continue;
				/* Nothing maps us from there. */
				if (nr == VMI_HC_CR3_LOAD && is_ram(a << 1 >> 1 & ~0xfffUL))
					continue;
				rc = raw_call(nr, a, b, c, a, b, c);
				CHECK(rc >= 0 || known_error(rc), "call %lu(%#lx, %#lx, %#lx): undocumented result %ld",
				      nr, a, b, c, rc);
			}
	restore(nr);
}

/* hc_registers(out): version() with known registers; out[0-5] callee-saved, out[6-11] argument registers after it. */
void hc_registers(u64 *out);
__asm__(".text\n.globl hc_registers\nhc_registers:\n"
	"push %rbx; push %rbp; push %r12; push %r13; push %r14; push %r15; push %rdi\n"
	"mov $0x1111, %ebx; mov $0x2222, %ebp; mov $0x3333, %r12d; mov $0x4444, %r13d; mov $0x5555, %r14d; mov $0x6666, %r15d\n"
	"mov $-1, %rdi; mov %rdi, %rsi; mov %rdi, %rdx; mov %rdi, %r10; mov %rdi, %r8; mov %rdi, %r9\n"
	"xor %eax, %eax; syscall\n"
	"mov (%rsp), %rcx\n"
	"mov %rbx, (%rcx); mov %rbp, 8(%rcx); mov %r12, 16(%rcx); mov %r13, 24(%rcx); mov %r14, 32(%rcx); mov %r15, 40(%rcx)\n"
	"mov %rdi, 48(%rcx); mov %rsi, 56(%rcx); mov %rdx, 64(%rcx); mov %r10, 72(%rcx); mov %r8, 80(%rcx); mov %r9, 88(%rcx)\n"
	"pop %rdi; pop %r15; pop %r14; pop %r13; pop %r12; pop %rbp; pop %rbx; ret");

TEST(hc_bad_args, "hc-bad-args", 20, 0, "every hypercall with hostile arguments: an answer, never a death")
{
	static const u64 none[] = { VMI_NR_HYPERCALLS, VMI_NR_HYPERCALLS + 1, 255, 256, 0x7fffffff, 0x80000000,
				    0xffffffff, 0x100000000, 0x8000000000000000, ~0UL,
				    0x100000000 + VMI_HC_CR3_LOAD, 0x100000000 + VMI_HC_GS_SWAP };
	u64 out[12];

	map_new(KTEST, 0);		/* read-only */
	for (int i = 0; i < 3; i++)	/* a root that the trampoline may load by itself */
		CHECK_EQ(0, vmi_cr3_load(root | 1UL << VMI_CR3_NOFLUSH_BIT), "cr3_load");
	for (u32 i = 0; i < ARRAY_SIZE(none); i++)
		CHECK_EQ(-VMI_ENOSYS, raw_call(none[i], root | 1UL << VMI_CR3_NOFLUSH_BIT, 0, 0, 0, 0, 0), "call number %#lx", none[i]);
	hc_registers(out);
	for (u64 i = 0; i < 6; i++)
		CHECK_EQ(0x1111 * (i + 1), out[i], "callee-saved register %lu after a call", i);
	for (u64 i = 6; i < 12; i++)
		CHECK_EQ(0, out[i], "argument register %lu after a call", i - 6);
	for (u64 nr = 0; nr < VMI_NR_HYPERCALLS; nr++)
		sweep(nr);
	CHECK_EQ(VMI_VERSION_MAJOR, vmi_version() >> 16, "major version afterwards");
}

/* The same from a domain that may do less; it has nowhere to go with another root. */
CHILD(hostile_calls, arg)
{
	map_new(KTEST, 0);
	for (u64 nr = 0; nr < VMI_NR_HYPERCALLS; nr++)
		if (nr != VMI_HC_CR3_LOAD)
			sweep(nr);
}

TEST(dom_hostile, "dom-hostile", 30, T_DOMS, "hostile arguments from two guest domains at once: answers, and nobody else notices")
{
	u64 before = machine_free();
	u32 a = child_start("hostile", hostile_calls, 0), b = child_start("hostile", hostile_calls, 0);

	child_wait(a, 120000000000UL);
	child_wait(b, 120000000000UL);
	child_check(a);
	child_check(b);
	child_end(a);
	child_end(b);
	CHECK_EQ(before, machine_free(), "free memory afterwards");
}
