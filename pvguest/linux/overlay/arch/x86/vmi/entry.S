/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * entry.S - how control enters and leaves the kernel in ring 1.
 *
 * Exceptions and upcalls come as the hardware would deliver them and use the
 * kernel's own stubs (entry_64.S). Here is what differs: the boot entry,
 * system calls and bounced page faults from user mode, the two exits with
 * their restartable regions, and the interrupt flag, which is a byte of the
 * shared page.
 *
 * Invariant: from entry to exit the kernel's GS base is loaded, except between
 * the exchange and the iretq, where only code of this file runs. The
 * virtual flag is 0 throughout entry and exit.
 */
#include <linux/elfnote.h>
#include <linux/init.h>
#include <linux/linkage.h>
#include <asm/asm.h>
#include <asm/asm-offsets.h>
#include <asm/msr.h>
#include <asm/nospec-branch.h>
#include <asm/page_types.h>
#include <asm/percpu.h>
#include <asm/processor-flags.h>
#include <asm/segment.h>
#include <asm/unwind_hints.h>
#include <asm/cpufeatures.h>
#include <asm/msr-index.h>
#include <vmi/abi.h>
#include <vmi/numbers.h>
#include "../entry/calling.h"

#define SH(field)	VMI_SHARED + VMI_SH_ ## field

	ELFNOTE(VMI, VMI_NOTE_VERSION, .long VMI_VERSION_MAJOR; .long VMI_VERSION_MINOR)
	ELFNOTE(VMI, VMI_NOTE_ENTRY, .quad startup_vmi)
	ELFNOTE(VMI, VMI_NOTE_CR3, .quad init_top_pgt - __START_KERNEL_map)

	__INIT
/* Boot: CR3 = init_top_pgt, RSI = guest-physical address of the start info. */
SYM_CODE_START(startup_vmi)
	UNWIND_HINT_EMPTY
	ANNOTATE_NOENDBR
	cld
	movq	initial_stack(%rip), %rsp
	movq	%rsi, %rbx
	/* As natively: %gs reaches fixed_percpu_data in the initial per-CPU area. */
	movl	$VMI_HC_MSR_WRITE, %eax
	movl	$MSR_GS_BASE, %edi
	movq	$INIT_PER_CPU_VAR(fixed_percpu_data), %rsi
	movq	%rsi, SH(KERNEL_GS)
	syscall
	UNWIND_HINT_EMPTY
	movq	%rbx, %rdi
	call	vmi_start_kernel
SYM_CODE_END(startup_vmi)
	__FINIT

.pushsection .entry.text, "ax"

/* With FSGSBASE the user's GS base is still loaded, and RSP is free to move it. */
.macro GS_FROM_USER
	rdgsbase %rsp
	movq	%rsp, SH(USER_GS)
	movq	SH(KERNEL_GS), %rsp
	wrgsbase %rsp
.endm

/* System call of a 64-bit program: registers as after SYSCALL, RSP is lost. */
SYM_CODE_START(vmi_entry_syscall)
	UNWIND_HINT_ENTRY
	ENDBR
	ALTERNATIVE "", "GS_FROM_USER", X86_FEATURE_VMI_GS
	movq	PER_CPU_VAR(cpu_current_top_of_stack), %rsp
	pushq	$__USER_DS
	pushq	SH(USER_RSP)
	pushq	%r11
	pushq	$__USER_CS
	pushq	%rcx
	jmp	entry_SYSCALL_64_after_hwframe
SYM_CODE_END(vmi_entry_syscall)

/* SYSCALL of a 32-bit program. */
SYM_CODE_START(vmi_entry_compat)
	UNWIND_HINT_ENTRY
	ENDBR
#ifdef CONFIG_IA32_EMULATION
	ALTERNATIVE "", "GS_FROM_USER", X86_FEATURE_VMI_GS
	movq	PER_CPU_VAR(cpu_current_top_of_stack), %rsp
	movl	SH(USER_RSP), %r8d
	pushq	$__USER32_DS
	pushq	%r8
	xorl	%r8d, %r8d		/* the exit restores it: 0, as from SYSRET natively */
	pushq	%r11
	pushq	$__USER32_CS
	pushq	%rcx
	jmp	entry_SYSCALL_compat_after_hwframe
#else
	ud2
#endif
SYM_CODE_END(vmi_entry_compat)

/*
 * Page fault of a user program, passed on by the trampoline without the
 * hypervisor: its frame is in the shared page, all registers are the user's.
 */
SYM_CODE_START(vmi_entry_page_fault)
	UNWIND_HINT_ENTRY
	ENDBR
	movq	SH(KERNEL_RSP), %rsp
	pushq	SH(PF_SS)
	pushq	SH(PF_RSP)
	pushq	SH(PF_RFLAGS)
	pushq	SH(PF_CS)
	pushq	SH(PF_RIP)
	pushq	SH(PF_ERROR)
	UNWIND_HINT_IRET_REGS offset=8
	jmp	asm_exc_page_fault
SYM_CODE_END(vmi_entry_page_fault)

/* Exit to user mode: pt_regs at the top of the thread stack. */
SYM_CODE_START(vmi_return_to_user)
	UNWIND_HINT_REGS
	ANNOTATE_NOENDBR
	ALTERNATIVE "jmp .Lgs_swap", "VMI_SWAPGS_TO_USER", X86_FEATURE_VMI_GS
.Lgs_swapped:
	POP_REGS
	addq	$8, %rsp			/* orig_ax */
	UNWIND_HINT_IRET_REGS
	/* An event between here and the iretq brings RIP back to here. */
SYM_INNER_LABEL(vmi_user_region, SYM_L_GLOBAL)
	ANNOTATE_NOENDBR
	cmpb	$0, SH(PENDING)
	jne	1f
SYM_INNER_LABEL(vmi_user_iret, SYM_L_GLOBAL)
	ANNOTATE_NOENDBR
	iretq
1:	/* The stack holds what an interrupt of the user program would push. */
	ALTERNATIVE "swapgs", "", X86_FEATURE_VMI_GS	/* emulated: no register is free for a call */
	jmp	asm_sysvec_vmi_upcall
.Lgs_swap:
	UNWIND_HINT_REGS
	movl	$VMI_HC_GS_SWAP, %eax
	syscall
	UNWIND_HINT_REGS
	jmp	.Lgs_swapped
SYM_CODE_END(vmi_return_to_user)

/* Exit to the kernel: a hardware frame on the stack, registers restored. */
SYM_CODE_START(vmi_return_to_kernel)
	UNWIND_HINT_IRET_REGS
	ANNOTATE_NOENDBR
	orb	$1, 8(%rsp)			/* CS and SS as the hardware knows them */
	orb	$1, 32(%rsp)
	testb	$(X86_EFLAGS_IF >> 8), 17(%rsp)
	jz	2f
	/* An event between here and the iretq brings RIP back to here. */
SYM_INNER_LABEL(vmi_kernel_region, SYM_L_GLOBAL)
	ANNOTATE_NOENDBR
	cmpb	$0, SH(PENDING)
	jne	1f
	movb	$1, SH(VIF)
SYM_INNER_LABEL(vmi_kernel_iret, SYM_L_GLOBAL)
	ANNOTATE_NOENDBR
	iretq
1:	andb	$~1, 8(%rsp)
	andb	$~1, 32(%rsp)
	jmp	asm_sysvec_vmi_upcall
2:	iretq
SYM_CODE_END(vmi_return_to_kernel)
.popsection

.pushsection .noinstr.text, "ax"
/* Hypercall: registers as the generated stubs set them. */
SYM_CODE_START(vmi_hypercall)
	UNWIND_HINT_FUNC
	ANNOTATE_NOENDBR
	syscall
	UNWIND_HINT_FUNC
	RET
SYM_CODE_END(vmi_hypercall)

/* The operations on the virtual interrupt flag may clobber only RAX. */
SYM_FUNC_START(vmi_save_fl)
	ENDBR
	movzbl	SH(VIF), %eax
	shll	$X86_EFLAGS_IF_BIT, %eax
	RET
SYM_FUNC_END(vmi_save_fl)

SYM_FUNC_START(vmi_irq_disable)
	ENDBR
	movb	$0, SH(VIF)
	RET
SYM_FUNC_END(vmi_irq_disable)

/*
 * An event that came while the flag was 0 only set `pending`: take it here as
 * an interrupt at label 2, without a hypercall.
 */
SYM_CODE_START(vmi_irq_enable)
	UNWIND_HINT_FUNC
	ENDBR
	movb	$1, SH(VIF)
	cmpb	$0, SH(PENDING)
	jne	1f
	RET
1:	movb	$0, SH(VIF)
	movq	%rsp, %rax
	pushq	$__KERNEL_DS
	pushq	%rax
	pushfq					/* the real flag is always 1 here */
	pushq	$__KERNEL_CS
	pushq	$2f
	UNWIND_HINT_IRET_REGS
	jmp	asm_sysvec_vmi_upcall
2:	ANNOTATE_NOENDBR
	UNWIND_HINT_FUNC
	RET
SYM_CODE_END(vmi_irq_enable)

SYM_FUNC_START(vmi_read_cr2)
	ENDBR
	movq	SH(CR2), %rax
	RET
SYM_FUNC_END(vmi_read_cr2)
.popsection
