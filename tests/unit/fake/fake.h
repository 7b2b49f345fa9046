/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * fake.h - a small machine for unit tests of hypervisor/core: memory, the
 * log, and what the arch code would do.
 *
 * fake_reset() makes a fresh machine: frames 1 .. FAKE_HEAP - 1 are nobody's,
 * then come the heap's and from FAKE_RAM on what fake_domain() gives to its
 * domain. gfn and mfn differ on purpose.
 */
#ifndef UNIT_FAKE_H
#define UNIT_FAKE_H

#include <setjmp.h>
#include <hv/domain.h>
#include <hv/frame.h>
#include <hv/lib.h>
#include <hv/mm.h>
#include <hv/p2m.h>
#include <hv/shadow.h>

#define FAKE_FRAMES	16384
#define FAKE_HEAP	0x800
#define FAKE_NR_HEAP	0x1800
#define FAKE_RAM	0x2000
#define FAKE_NR_RAM	1024
/* One GiB of device registers, where no frames are. */
#define FAKE_MMIO_GFN	0x40000
#define FAKE_MMIO	0x7000000
#define FAKE_NR_MMIO	0x40000

#define FAKE_AREA_L4E	(0x123000 | PTE_P | PTE_RW | PTE_A)

struct fake {
	u64 nr_tlb_flushes;
	u64 nr_switches;
	u32 released;			/* vector that arch_irq_release() was told */
	u64 now, timer;			/* system time, and what arch_timer_arm() was told */
	const char *called;		/* the x86 handler of the last call, and its arguments */
	u64 args[6];
	bool crashed;
	void (*on_idle)(void);
	void (*on_tlb_flush)(void);
	void (*on_root_slot)(struct vcpu *v, u32 i, u64 cr3, mfn_t l4);
};
extern struct fake fake;

void fake_reset(void);
/* A domain with FAKE_NR_RAM frames from gfn 0, MMIO, and vCPUs. */
struct domain *fake_domain(void);
/* The same with shadow tables. */
struct domain *fake_shadow_domain(u32 max_tables);

static inline mfn_t ram_mfn(gfn_t gfn)
{
	return FAKE_RAM + gfn;
}

static inline u64 *ram_table(gfn_t gfn)
{
	return mfn_to_va(ram_mfn(gfn));
}

/*
 * Build guest tables: map `va` to `gfn` with `flags` at `level`, below the root
 * at frame `root`. Tables come from gfn 512 up and grant everything. Returns the
 * address of the leaf.
 */
u64 *guest_map(gfn_t root, u64 va, gfn_t gfn, u64 flags, int level);
/* The entry of `level` for `va`; the tables above it must exist. */
u64 *guest_entry(gfn_t root, u64 va, int level);

/* The entry that maps `va` below a table of `level`, or NULL. */
u64 *shadow_entry(mfn_t table, int level, u64 va);
/* The same as the level 1 leaf for that page, or 0. */
u64 shadow_leaf_below(mfn_t table, int level, u64 va);
/* The leaf that the processor would find for `va` from table `l4`, or 0. */
u64 shadow_leaf(mfn_t l4, u64 va);
/* Everything that must hold between operations; what does not is a test failure. */
bool shadow_check(struct domain *d);

/* True if `stmt` ends in panic(). */
extern jmp_buf fake_panic_env;
extern bool fake_panic_armed;
#define PANICS(stmt) ({ \
		volatile bool panicked_ = true; \
		fake_panic_armed = true; \
		if (!setjmp(fake_panic_env)) { \
			stmt; \
			panicked_ = false; \
		} \
		fake_panic_armed = false; \
		panicked_; \
	})

/* Pseudo-random numbers; the same ones for the same seed. */
extern u64 fake_seed;
u32 rnd(u32 below);

#endif
