/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * entry.S - the ways into the probe's kernel and out of it again.
 *
 * Every entry builds a struct regs on the stack and calls trap_dispatch().
 * The two ways out are the restartable regions of the ABI: an event that the
 * hypervisor raises inside of one makes it start over, so that no event is
 * left pending when the iretq is done.
 *
 * Ring 3 is entered from the entry stack only, and its events arrive there.
 * Without FSGSBASE (no_fsgsbase) the GS bases are exchanged by the hypervisor on
 * the way in from ring 3 and by our gs_swap on the way out, before region U.
 */
#include <vmi/abi.h>
#include <vmi/numbers.h>
#include "vectors.h"

#define SH(field) VMI_SHARED + VMI_SH_##field

	.text
	.macro	push_gprs
	pushq	%rax
	pushq	%rbx
	pushq	%rcx
	pushq	%rdx
	pushq	%rbp
	pushq	%rsi
	pushq	%rdi
	pushq	%r8
	pushq	%r9
	pushq	%r10
	pushq	%r11
	pushq	%r12
	pushq	%r13
	pushq	%r14
	pushq	%r15
	.endm

	.macro	pop_gprs
	popq	%r15
	popq	%r14
	popq	%r13
	popq	%r12
	popq	%r11
	popq	%r10
	popq	%r9
	popq	%r8
	popq	%rdi
	popq	%rsi
	popq	%rbp
	popq	%rdx
	popq	%rcx
	popq	%rbx
	popq	%rax
	.endm

common:
	push_gprs
	cld
	movq	%rsp, %rdi
	call	trap_dispatch

/* RSP: a struct regs. Load it and leave. */
	.globl	exit_regs
exit_regs:
	testb	$2, REGS_CS(%rsp)
	jz	1f
	cmpb	$0, no_fsgsbase
	je	1f
	movl	$VMI_HC_GS_SWAP, %eax
	syscall
1:	pop_gprs
	addq	$16, %rsp
	testb	$2, 8(%rsp)
	jz	exit_kernel

	.globl	region_u_start, region_u_iret, region_k_start, region_k_iret
region_u_start:
	cmpb	$0, SH(PENDING)
	jne	exit_slow_user
region_u_iret:
	iretq

exit_kernel:
	orl	$1, 8(%rsp)		/* the frame shows CS 0x10 */
	movq	$VMI_KERNEL_SS, 32(%rsp)
	testl	$0x200, 16(%rsp)
	jz	1f
region_k_start:
	cmpb	$0, SH(PENDING)
	jne	exit_slow
	movb	$1, SH(VIF)
region_k_iret:
	iretq
1:	iretq

/* An event waits: take it as if it had come at the return address. */
exit_slow_user:
	cmpb	$0, no_fsgsbase
	je	exit_slow
	push_gprs
	movl	$VMI_HC_GS_SWAP, %eax
	syscall
	pop_gprs
exit_slow:
	incq	nr_slow_exits
	pushq	$0
	pushq	$VEC_UPCALL
	jmp	common

/* System calls: RSP is the trampoline's, RCX and R11 are as the processor left them. */
	.balign	16
	.globl	syscall_entry
syscall_entry:
	movq	$entry_stack_top, %rsp
	pushq	$USER_SS
	pushq	SH(USER_RSP)
	pushq	%r11
	pushq	$USER_CS
	pushq	%rcx
	pushq	$0
	pushq	$VEC_SYSCALL
	jmp	common
	.balign	16
	.globl	compat_entry
compat_entry:
	movq	$entry_stack_top, %rsp
	pushq	$USER_SS
	pushq	SH(USER_RSP)
	pushq	%r11
	pushq	$USER_CS32
	pushq	%rcx
	pushq	$0
	pushq	$VEC_COMPAT
	jmp	common

/* Page faults of ring 3, bounced: the frame is in the shared page. */
	.balign	16
	.globl	pf_entry
pf_entry:
	movq	$entry_stack_top, %rsp
	pushq	SH(PF_SS)
	pushq	SH(PF_RSP)
	pushq	SH(PF_RFLAGS)
	pushq	SH(PF_CS)
	pushq	SH(PF_RIP)
	pushq	SH(PF_ERROR)
	pushq	$VEC_PF_BOUNCE
	jmp	common

/* One stub of 16 bytes a vector. */
	.altmacro
	.macro	stub n
	.balign	16
	.if	!((\n == 8) || (\n >= 10 && \n <= 14) || (\n == 17) || (\n == 21) || (\n == 29) || (\n == 30))
	pushq	$0
	.endif
	pushq	$\n
	jmp	common
	.endm
	.balign	16
	.globl	trap_stubs
trap_stubs:
	.set	i, 0
	.rept	256
	stub	%i
	.set	i, i + 1
	.endr
	.noaltmacro

	.macro	save_callee
	pushq	%rbx
	pushq	%rbp
	pushq	%r12
	pushq	%r13
	pushq	%r14
	pushq	%r15
	.endm
	.macro	restore_callee
	popq	%r15
	popq	%r14
	popq	%r13
	popq	%r12
	popq	%rbp
	popq	%rbx
	.endm

/* run_enter(regs): go on with these registers; run_leave() comes back here. */
	.globl	run_enter, run_leave
run_enter:
	save_callee
	movq	%rsp, run_stack
	movq	$entry_stack_top - REGS_SIZE, %rsp
	movq	%rdi, %rsi
	movq	%rsp, %rdi
	movl	$REGS_SIZE / 8, %ecx
	rep movsq
	jmp	exit_regs
run_leave:
	movq	run_stack, %rsp
	restore_callee
	ret

/*
 * int try_call(fn, arg): 0, or 1 where an exception in fn(arg) was caught; it
 * is in try_regs then. Nests.
 */
	.globl	try_call, try_landing
try_call:
	save_callee
	pushq	try_stack
	movq	%rsp, try_stack
	movq	%rdi, %rax
	movq	%rsi, %rdi
	subq	$8, %rsp
	call	*%rax
	addq	$8, %rsp
	xorl	%eax, %eax
	jmp	1f
try_landing:
	movl	$1, %eax
1:	popq	try_stack
	restore_callee
	ret

	.bss
	.balign	8
	.globl	run_stack, try_stack, nr_slow_exits
run_stack: .skip 8
try_stack: .skip 8
nr_slow_exits: .skip 8

	.section .note.GNU-stack, "", @progbits
