// SPDX-License-Identifier: GPL-2.0-only
/*
 * int-n-vectors: `int n` for all n. From ring 3 only vectors registered with
 * DPL 3 are raised; all others are #GP with the vector in the error code. From
 * ring 1 a vector either is raised as itself or is #GP likewise; a hardware
 * vector of the hypervisor is never reached (attack class 21).
 *
 * QEMU 7.2 shows n * 16 + 2 where processors show n * 8 + 2: both are taken.
 */
#include "probe.h"

static void all_vectors(bool ring3)
{
	u64 va = ring3 ? UTEST : KTEST;
	u8 *code = map_new(va, ring3 ? PTE_W | PTE_U : PTE_W);

	for (int n = 0; n < 256; n++) {
		bool open = n == 3 || n == 4 || n == 0x80;
		struct regs r = ring3 ? user_regs(va) : kernel_regs(va);
		u64 upcalls = nr_traps[VEC_UPCALL];
		int vec;

		code[0] = 0xcd;
		code[1] = n;
		code[2] = 0x0f;		/* ud2 */
		code[3] = 0x0b;
		vec = run(&r);
		if (vec == n && (open || !ring3) && n != VEC_GP) {
			CHECK_EQ(va + 2, r.rip, "int %#x: RIP", n);
			CHECK_EQ(0, r.error, "int %#x: error code", n);
			continue;
		}
		if (n == VEC_UPCALL && !ring3 && nr_traps[VEC_UPCALL] > upcalls)
			continue;		/* taken as an event, went on to the ud2 */
		CHECK(!open, "int %#x in ring %d: expected vector %#x, seen %#x", n, ring3 ? 3 : 1, n, vec);
		CHECK_EQ(VEC_GP, vec, "int %#x in ring %d: vector", n, ring3 ? 3 : 1);
		CHECK(r.error == (u64)n * 8 + 2 || r.error == (u64)n * 16 + 2,
		      "int %#x: expected error code %#x, seen %#lx", n, n * 8 + 2, r.error);
		CHECK_EQ(va, r.rip, "int %#x: RIP of the #GP", n);
	}
}

static void one_byte(const char *what, u8 byte, int want)
{
	u8 *code = kva(*pte_of(UTEST) & PTE_ADDR);
	struct regs r = user_regs(UTEST);

	code[0] = byte;
	code[1] = 0x0f;
	code[2] = 0x0b;
	CHECK_EQ(want, run(&r), "%s in ring 3: vector", what);
	CHECK_EQ(UTEST + 1, r.rip, "%s in ring 3: RIP", what);
}

TEST(int_n, "int-n-vectors", 2, 0, "int n for every n from ring 3 and ring 1")
{
	all_vectors(true);
	all_vectors(false);
	one_byte("int3", 0xcc, VEC_BP);

	/* The DPL can be given and taken. */
	vector_set(0x85, (u64)trap_stubs + 16 * 0x85, 3);
	{
		u8 *code = kva(*pte_of(UTEST) & PTE_ADDR);
		struct regs r = user_regs(UTEST);

		code[0] = 0xcd;
		code[1] = 0x85;
		CHECK_EQ(0x85, run(&r), "int 0x85 with DPL 3: vector");
		vector_set(0x85, (u64)trap_stubs + 16 * 0x85, 0);
		r = user_regs(UTEST);
		CHECK_EQ(VEC_GP, run(&r), "int 0x85 with DPL 0 again: vector");
	}
}
