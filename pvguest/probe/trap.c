// SPDX-License-Identifier: GPL-2.0-only
/*
 * trap.c - exceptions, system calls and events of the probe's kernel.
 *
 * A trap goes to the first that wants it: the test's trap_hook, the event
 * handlers, a pending run(), a pending try_call(). Nobody: the test fails.
 */
#include "probe.h"

struct regs try_regs;
u64 try_cr2;
u64 nr_traps[VEC_PF_BOUNCE + 1];
u64 nr_bounce_fills;
bool no_fsgsbase;
bool (*trap_hook)(struct regs *regs);
struct vmi_vcpu_setup vcpu_setup;

extern u64 run_stack, try_stack;
extern char try_landing[];
void run_enter(struct regs *regs);
void run_leave(void) noreturn;
void trap_dispatch(struct regs *regs);
void trap_init(void);

static struct regs *run_regs;		/* of the run() in progress */
static bool stop_wanted;
#define RUN_HEADROOM	512		/* above RSP, for code that pops what it never pushed */
static u8 run_stack_area[8192] __attribute__((aligned(16)));

static void run_end(struct regs *regs)
{
	*run_regs = *regs;
	run_regs = NULL;
	run_leave();
}

void trap_dispatch(struct regs *regs)
{
	u64 vec = regs->vector;

	nr_traps[vec]++;
	if (vec < VEC_SYSCALL && SH->vif)
		test_fail("vector %lu entered with virtual interrupts on, from rip %#lx", vec, regs->rip);
	/* The iretq to ring 3 itself faulted: the bases are exchanged already. */
	if (no_fsgsbase && regs->rip == (u64)region_u_iret)
		vmi_gs_swap();
	if (vec == VEC_PF_BOUNCE) {
		regs->vector = VEC_PF;
		/* The guest's tables are asked first; allowed means a translation is missing. */
		if (!vmi_fill(SH->cr2, regs->error & (PF_W | PF_U | PF_I))) {
			nr_bounce_fills++;
			return;
		}
	}
	if (trap_hook && trap_hook(regs))
		return;
	if (vec == VEC_UPCALL) {
		evt_regs = regs;
		evt_drain();
		evt_regs = NULL;
		if (run_regs && stop_wanted) {
			stop_wanted = false;
			run_end(regs);
		}
		return;
	}
	if (run_regs)
		run_end(regs);
	if (try_stack) {
		try_regs = *regs;
		try_cr2 = SH->cr2;
		regs->rip = (u64)try_landing;
		regs->rsp = try_stack;
		regs->rflags &= ~(X86_TF | X86_NT | X86_AC);
		return;
	}
	test_fail("unexpected trap: vector %lu error %#lx rip %#lx cs %#lx rflags %#lx rsp %#lx cr2 %#lx rax %#lx rcx %#lx",
		  vec, regs->error, regs->rip, regs->cs, regs->rflags, regs->rsp, SH->cr2, regs->rax, regs->rcx);
}

int run(struct regs *regs)
{
	bool ring3 = regs->cs & 2;

	if (run_regs)
		test_error("run() inside run()");
	if (!ring3 && regs->rsp >= (u64)main_stack_top - 16384 && regs->rsp <= (u64)entry_stack_top)
		test_error("run(): ring 1 on a stack that is in use");
	irq_disable();
	stop_wanted = false;
	run_regs = regs;
	run_enter(regs);
	irq_disable();
	return regs->vector;
}

void run_stop(void)
{
	stop_wanted = true;
}

struct regs user_regs(u64 rip)
{
	return (struct regs){ .rip = rip, .cs = USER_CS, .rflags = X86_IF | 2, .rsp = USER_STACK, .ss = USER_SS };
}

struct regs kernel_regs(u64 rip)
{
	return (struct regs){ .rip = rip, .cs = VMI_KERNEL_CS, .rflags = 2,
			      .rsp = (u64)run_stack_area + sizeof(run_stack_area) - RUN_HEADROOM, .ss = VMI_KERNEL_SS };
}

static void do_read(u64 va)
{
	(void)*(volatile u8 *)va;
}

static void do_write(u64 va)
{
	*(volatile u8 *)va = 0x5a;
}

static void do_exec(u64 va)
{
	((void (*)(void))va)();
}

static int tried(void (*fn)(u64), u64 va)
{
	return try_call(fn, va) ? (int)try_regs.vector : -1;
}

int try_read(u64 va)
{
	return tried(do_read, va);
}

int try_write(u64 va)
{
	return tried(do_write, va);
}

int try_exec(u64 va)
{
	return tried(do_exec, va);
}

void vector_set(int n, u64 handler, u32 dpl)
{
	struct vmi_vector v = { .handler = handler, .dpl = dpl };
	long rc = vmi_vectors_set(n, 1, &v);

	if (rc)
		test_fail("vectors_set(%d): %ld", n, rc);
}

/* Every vector to its stub; int3, into and int 0x80 are for ring 3 as well. */
void trap_init(void)
{
	static struct vmi_vector tbl[256];
	long rc;

	no_fsgsbase = !(vmi_features(0) & VMI_FEAT_FSGSBASE);
	for (int i = 0; i < 256; i++) {
		tbl[i].handler = (u64)trap_stubs + 16 * i;
		tbl[i].dpl = (i == 3 || i == 4 || i == 0x80) ? 3 : 0;
	}
	rc = vmi_vectors_set(0, 256, tbl);
	if (rc)
		test_fail("vectors_set(0, 256): %ld", rc);

	vcpu_setup = (struct vmi_vcpu_setup){
		.syscall_entry = (u64)syscall_entry,
		.compat_entry = (u64)compat_entry,
		.pf_entry = (u64)pf_entry,
		.rsp1 = (u64)entry_stack_top,
		.user = { (u64)region_u_start, (u64)region_u_iret },
		.kernel = { (u64)region_k_start, (u64)region_k_iret },
		.upcall_vector = VEC_UPCALL,
	};
	rc = vmi_vcpu_setup(&vcpu_setup);
	if (rc)
		test_fail("vcpu_setup: %ld", rc);
}
