// SPDX-License-Identifier: GPL-2.0-only
/*
 * upper-half-user: a page of the upper half that the guest marked as
 * user-accessible at every level is not accessible to ring 3 in any way; the
 * guest kernel itself uses it as usual (attack class 28, rule R1). Otherwise
 * ring 3 could make hypercalls.
 */
#include "probe.h"

USER_CODE(uh_read, "mov (%rbx), %al; int3");
USER_CODE(uh_write, "movb $0, (%rbx); int3");
USER_CODE(uh_jump, "jmp *%rbx");
USER_CODE(uh_call, "call *%rbx; int3");

static void faults(char *code, u64 va, const char *what)
{
	struct regs r = user_regs((u64)code);
	int vec;

	r.rbx = va;
	r.rax = 23;			/* shutdown, were it a hypercall */
	vec = run(&r);
	CHECK(vec == VEC_PF, "%s of upper-half %#lx: expected #PF, seen vector %d, rip %#lx", what, va, vec, r.rip);
	CHECK(r.error & PF_U, "%s of upper-half %#lx: error code %#lx has no U", what, va, r.error);
	CHECK_EQ(va, SH->cr2, "%s of upper-half page: CR2", what);
}

TEST(upper_half_user, "upper-half-user", 1, 0, "user bits in the upper half give ring 3 nothing")
{
	static const u64 places[] = { KTEST, 0xffff808000000000, 0xffffff8000000000, 0xffffffff40000000 };

	for (u32 i = 0; i < ARRAY_SIZE(places); i++) {
		u64 va = places[i];
		u8 *code = map_new(va, PTE_W | PTE_U);

		memcpy(code, "\x0f\x05\xcc", 3);	/* syscall; int3 */
		for (int l = 1; l <= 4; l++)
			*pte_at(root, va, l) |= PTE_U;
		flush_all();
		for (int filled = 0; filled < 2; filled++) {
			faults(uh_read, va, "read");
			faults(uh_write, va, "write");
			faults(uh_jump, va, "jump");
			faults(uh_call, va, "call");
			CHECK_EQ(0x0f, *(volatile u8 *)va, "first byte, read by ring 1");
			/* Filled for the kernel now; and a fill for the user must not change that. */
			vmi_fill(va, VMI_ACCESS_USER);
			vmi_fill(va, VMI_ACCESS_USER | VMI_ACCESS_FETCH);
			vmi_fill(va, VMI_ACCESS_USER | VMI_ACCESS_WRITE);
		}
	}

	faults(uh_read, KBASE + 0x1000000, "read");
	faults(uh_jump, KBASE + 0x1000000, "jump");
}
