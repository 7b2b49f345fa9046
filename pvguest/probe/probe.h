/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * probe.h - what a test can use.
 *
 * A test is a function declared by TEST() in a file of its own under tests/;
 * it runs alone on a fresh machine. Returning is PASS; test_fail(), test_skip()
 * and test_error() end it otherwise. CHECK*() fail with what was expected and
 * seen.
 *
 * Three tools reach the places a test wants to hurt:
 *   try_call(fn, arg)   calls C code and catches an exception in it;
 *   run(&regs)          goes on at any RIP, ring 1 or 3, with these registers,
 *                       until something comes back to the kernel;
 *   map_page() and pte_of()   edit the page tables.
 */
#ifndef PROBE_H
#define PROBE_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <vmi/abi.h>
#include <vmi/numbers.h>
#include <vmi/stubs.h>
#include "vectors.h"

typedef uint8_t u8;
typedef uint16_t u16;
typedef uint32_t u32;
typedef uint64_t u64;

#define ARRAY_SIZE(a)	(sizeof(a) / sizeof((a)[0]))
#define barrier()	__asm__ volatile ("" ::: "memory")
#define noreturn	__attribute__((noreturn))
#define printf_like(f, a) __attribute__((format(printf, f, a)))

/* ---- memory map ---------------------------------------------------------- */
#define PAGE		4096UL
#define KBASE		0xffffffff80000000UL	/* guest-physical memory from 16 MiB */
#define KTEST		0xffffc90000000000UL	/* upper half, free for tests */
#define UTEST		0x50000000UL		/* lower half, free for tests */
#define USER_STACK	0x5fffff00UL		/* initial RSP of ring 3 */
#define NONCANON	0x0000800000000000UL
#define SH		((volatile struct vmi_shared *)VMI_SHARED)

/* ---- tests ---------------------------------------------------------------- */
#define T_ICOUNT	1	/* needs exact instruction counts (-icount) */
#define T_STOPS		2	/* ends with the domain stopped, see expect_stop() */
#define T_RESUMES	4	/* the domain may be stopped at any "AT n" line: start again with from=n+step */

struct test {
	const char *name;
	void (*fn)(void);
};
#define T_DOMS		16	/* makes other domains: memory for them (see child.h) */
#define T_OLD_CPU	8	/* wants a processor without FSGSBASE */

/*
 * secs: what it takes on a slow machine. The line in .probe_list tells the
 * runner without booting anything. C identifiers have _ where names have -.
 */
#define TEST(id, tname, secs, tflags, summary) \
	static void id(void); \
	static const struct test test_##id \
	__attribute__((used, section(".probe_tests"), aligned(8))) = { tname, id }; \
	__asm__(".pushsection .probe_list, \"\"\n\t.ascii \"" tname "\\t" #secs "\\t" #tflags "\\t" summary "\\n\"\n\t.popsection"); \
	static void id(void)

void test_pass(void) noreturn;
void test_fail(const char *fmt, ...) noreturn printf_like(1, 2);
void test_skip(const char *fmt, ...) noreturn printf_like(1, 2);
void test_error(const char *fmt, ...) noreturn printf_like(1, 2);
/* From here on, PASS means that the hypervisor stops this domain with a line that has `text` in it. */
void expect_stop(const char *text);
/* The hypervisor's, where it put it. */
extern const struct vmi_start_info *start_info;
bool is_ram(u64 gpa);
/* Value of NAME=value on the command line (decimal or 0x), or `dflt`. */
u64 option(const char *name, u64 dflt);

#define CHECK(cond, ...) do { if (!(cond)) test_fail(__VA_ARGS__); } while (0)
/* CHECK_EQ(expected, seen, "what %d", n) */
#define CHECK_EQ(want, got, what, ...) do { \
		u64 w_ = (u64)(want), g_ = (u64)(got); \
		if (w_ != g_) \
			test_fail(what ": expected %#lx, seen %#lx", ##__VA_ARGS__, w_, g_); \
	} while (0)

/* ---- output ---------------------------------------------------------------- */
int vsnprintf(char *buf, size_t n, const char *fmt, va_list ap);
int snprintf(char *buf, size_t n, const char *fmt, ...) printf_like(3, 4);
/* One line "probe: ...", sent at once. */
void say(const char *fmt, ...) printf_like(1, 2);

void *memcpy(void *d, const void *s, size_t n);
void *memset(void *d, int c, size_t n);
int memcmp(const void *a, const void *b, size_t n);
size_t strlen(const char *s);
int strcmp(const char *a, const char *b);
int strncmp(const char *a, const char *b, size_t n);

/* ---- registers and traps ----------------------------------------------------- */
struct regs {
	u64 r15, r14, r13, r12, r11, r10, r9, r8;
	u64 rdi, rsi, rbp, rdx, rcx, rbx, rax;
	u64 vector, error, rip, cs, rflags, rsp, ss;
};
_Static_assert(sizeof(struct regs) == REGS_SIZE, "struct regs");
_Static_assert(offsetof(struct regs, cs) == REGS_CS, "struct regs, cs");
#define NR_GPRS		15	/* the first words of struct regs */

#define X86_CF		(1UL << 0)
#define X86_TF		(1UL << 8)
#define X86_IF		(1UL << 9)
#define X86_IOPL	(3UL << 12)
#define X86_NT		(1UL << 14)
#define X86_AC		(1UL << 18)

#define VEC_DB		1
#define VEC_BP		3
#define VEC_UD		6
#define VEC_NP		11
#define VEC_SS		12
#define VEC_GP		13
#define VEC_PF		14
#define PF_P		1
#define PF_W		2
#define PF_U		4
#define PF_RSVD		8
#define PF_I		16

/*
 * Start at regs->rip in the ring that regs->cs says (USER_CS, USER_CS32 or
 * VMI_KERNEL_CS, where regs->rsp must be a good stack) until an exception or a
 * system call comes back, or a handler calls run_stop(). Returns its vector;
 * *regs is what was interrupted. regs->rflags' IF is the virtual one and only
 * used for ring 1. Virtual interrupts are off afterwards, as they were before.
 */
int run(struct regs *regs);
/* Registers for ring 3 at `rip` (stack USER_STACK), or for ring 1 (a stack of its own). */
struct regs user_regs(u64 rip);
struct regs kernel_regs(u64 rip);
/* In an event handler: have run() return VEC_UPCALL with the interrupted registers. */
void run_stop(void);

/* fn(arg): 0, or 1 where an exception ended it: see try_regs and try_cr2. */
int try_call(void (*fn)(u64), u64 arg);
extern struct regs try_regs;
extern u64 try_cr2;
/* Access one byte (8 for read64/write64) and say which vector came of it, or -1. */
int try_read(u64 va);
int try_write(u64 va);
int try_exec(u64 va);

extern u64 nr_traps[VEC_PF_BOUNCE + 1];
extern u64 nr_slow_exits;
extern bool no_fsgsbase;		/* of the feature bits: entries from ring 3 exchange the GS bases */
extern u64 nr_bounce_fills;		/* page faults of ring 3 that a fill answered */
/*
 * Called for every trap but bounced page faults that a fill answers; true:
 * handled, go on with *regs.
 */
extern bool (*trap_hook)(struct regs *regs);
extern char trap_stubs[], syscall_entry[], compat_entry[], pf_entry[];
extern char region_u_start[], region_u_iret[], region_k_start[], region_k_iret[];
extern char main_stack_top[], entry_stack_top[];
/* The vCPU as probe_main() registers it; change the copy and call vmi_vcpu_setup(). */
extern struct vmi_vcpu_setup vcpu_setup;
/* Register vector n alone. */
void vector_set(int n, u64 handler, u32 dpl);

/* ---- events -------------------------------------------------------------------- */
static inline void irq_disable(void)
{
	SH->vif = 0;
	barrier();
}
/* Turns virtual interrupts on and takes what waits. */
void irq_enable(void);
/* Take every event that waits and is not masked. Virtual interrupts are off. */
void evt_drain(void);
extern u64 evt_count[VMI_MAX_PORTS];
extern void (*evt_handler[VMI_MAX_PORTS])(void);
/* In a handler: what the event interrupted; NULL where irq_enable() found it. */
extern struct regs *evt_regs;
void evt_mask(u32 port);
void evt_unmask(u32 port);
/* Bind the timer; its port. */
u32 timer_bind(void);
/* System time in ns. */
u64 clock_ns(void);
static inline u64 rdtsc(void)
{
	u32 a, d;

	__asm__ volatile ("lfence; rdtsc" : "=a" (a), "=d" (d) :: "memory");
	return a | (u64)d << 32;
}
u64 counter(u32 index);

/* ---- page tables ------------------------------------------------------------------ */
#define PTE_P		(1UL << 0)
#define PTE_W		(1UL << 1)
#define PTE_U		(1UL << 2)
#define PTE_A		(1UL << 5)
#define PTE_D		(1UL << 6)
#define PTE_PS		(1UL << 7)
#define PTE_G		(1UL << 8)
#define PTE_NX		(1UL << 63)
#define PTE_ADDR	0x000ffffffffff000UL

extern u64 boot_l4[];
/* The current root's guest-physical address. */
extern u64 root;
/* A zeroed page: guest-physical address. Never returned. */
u64 page_alloc(void);
void *kva(u64 gpa);
u64 gpa_of(const void *kernel_va);
/* Entry for `va` in the table of `level` (1-4) under `cr3`; missing tables are made with P|W|U. */
u64 *pte_at(u64 cr3, u64 va, int level);
/* The level 1 entry under the current root. */
u64 *pte_of(u64 va);
void map_page(u64 va, u64 gpa, u64 flags);
/* A fresh page at va; its kernel address. */
void *map_new(u64 va, u64 flags);
void flush_page(u64 va);
void flush_all(void);
/* A new root that shares everything of the current one but lower-half L4 slots from `slot` on. */
u64 root_clone(void);

/* ---- code for ring 3 --------------------------------------------------------------- */
/* USER_CODE(name, "insn\n\t..."): code in the user text; name is its address there. */
#define USER_CODE(name, text) \
	extern char name[]; \
	__asm__(".pushsection .user, \"awx\"\n\t.balign 16\n" #name ":\n\t" text "\n\t.popsection")
/* The same, for ring 1, position independent (copied or run in place). */
#define KERNEL_CODE(name, text) \
	extern char name[], name##_end[]; \
	__asm__(".pushsection .text\n\t.balign 16\n" #name ":\n\t" text "\n" #name "_end:\n\t.popsection")

/* ---- instructions that a kernel would use (insns.S) ----------------------------------- */
#define R_RUN		1	/* completes */
#define R_GP		2
#define R_UD		4
#define R_DB		8

struct insn {
	const char *name;
	const u8 *start, *end;
	u32 ring1, ring3;		/* allowed results: R_* */
};
extern const struct insn insns_start[], insns_end[];

#endif
