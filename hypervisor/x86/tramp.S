/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * tramp.S - the trampoline: the only ring-0 code that guests' page tables map.
 *
 * It lives in L4 slot 256 of every root, read-only, next to the data of
 * hv/layout.h. System calls and page faults of guest user programs go from
 * here straight to the guest kernel in ring 1; everything else switches to
 * the hypervisor's own page tables and stack.
 *
 * Invariants:
 *  - interrupts are off in ring 0 here: gates are interrupt gates, SFMASK
 *    clears IF. #NMI, #DF, #DB and #MC have their own stacks (R7), so a guest
 *    RSP in ring 0 harms nobody.
 *  - the page-table root tells whether the hypervisor was interrupted; a saved
 *    CS with RPL 0 can only come from here or from the hypervisor (R6, R14).
 *  - a return frame is written from the hypervisor's own memory on each exit
 *    (R4); ring-0 iretq only goes to addresses checked in C (R9, R10).
 *  - no indirect branch after a switch to the hypervisor's root without a
 *    retpoline (R26); guest-mode bounces use none at all.
 */
#include <hv/layout.h>
#include <vmi/numbers.h>

/* Data of the area, named relative to the text so that RIP-relative code reaches it. */
#define AT(name, off)	.set name, tramp_start + (off)
AT(sh_user_rsp, VMI_AREA_SHARED + VMI_SH_USER_RSP)
AT(sh_scratch, VMI_AREA_SHARED + VMI_SH_SCRATCH)
AT(sh_pf_error, VMI_AREA_SHARED + VMI_SH_PF_ERROR)
AT(sh_pf_rip, VMI_AREA_SHARED + VMI_SH_PF_RIP)
AT(sh_pf_cs, VMI_AREA_SHARED + VMI_SH_PF_CS)
AT(sh_pf_rflags, VMI_AREA_SHARED + VMI_SH_PF_RFLAGS)
AT(sh_pf_rsp, VMI_AREA_SHARED + VMI_SH_PF_RSP)
AT(sh_pf_ss, VMI_AREA_SHARED + VMI_SH_PF_SS)
AT(sh_cr2, VMI_AREA_SHARED + VMI_SH_CR2)
AT(sh_nr_syscalls, VMI_AREA_SHARED + VMI_SH_NR_SYSCALLS)
AT(sh_nr_pf_bounces, VMI_AREA_SHARED + VMI_SH_NR_PF_BOUNCES)
AT(frame_syscall, DESC_FRAME_SYSCALL)
AT(frame_compat, DESC_FRAME_COMPAT)
AT(frame_pf, DESC_FRAME_PF)
AT(ro_hv_cr3, DESC_HV_CR3)
AT(ro_guest_cr3, DESC_GUEST_CR3)
AT(ro_regs_top, DESC_REGS_TOP)
AT(ro_hv_stack, DESC_HV_STACK)
AT(ro_verw_sel, DESC_VERW_SEL)
AT(ro_roots, DESC_ROOTS)
AT(sh_cr3, VMI_AREA_SHARED + VMI_SH_CR3)
AT(sh_nr_cr3, VMI_AREA_SHARED + VMI_SH_NR_CR3)
AT(hc_rsp, STACK_SCRATCH)
AT(es_root, STACK_ROOT)
	/* What the entry stack holds after the common push sequence. */
AT(es_top, STACK_ENTRY_TOP)
AT(es_ss, STACK_ENTRY_TOP - 8)
AT(es_rsp, STACK_ENTRY_TOP - 16)
AT(es_rflags, STACK_ENTRY_TOP - 24)
AT(es_cs, STACK_ENTRY_TOP - 32)
AT(es_rip, STACK_ENTRY_TOP - 40)
AT(es_error, STACK_ENTRY_TOP - 48)
AT(es_vector, STACK_ENTRY_TOP - 56)
AT(es_rax, STACK_ENTRY_TOP - 64)
	/* And on the way out: the iretq frame with RAX below it. */
AT(es_out_rax, STACK_ENTRY_TOP - 48)

/*
 * Call a C function at any distance without a branch that ring 1 can steer: this
 * call predicts the return, where only calls do, else nothing does (R26).
 */
	.macro	call_c fn
	movabsb	ibpb_on_entry, %al
	testb	%al, %al
	jz	1f
	movl	$0x49, %ecx		/* MSR_PRED_CMD */
	movl	$1, %eax
	xorl	%edx, %edx
	wrmsr
1:	lfence				/* no guessing past the check */
	jmp	4f
2:	call	5f
3:	pause
	lfence
	jmp	3b
5:	movabsq	$\fn, %rax
	movq	%rax, (%rsp)
	ret
4:	call	2b
	.endm

	.macro	push_gprs_but_rax
	.irp	reg, rbx, rcx, rdx, rbp, rsi, rdi, r8, r9, r10, r11, r12, r13, r14, r15
	pushq	%\reg
	.endr
	.endm
	.macro	pop_gprs_but_rax
	.irp	reg, r15, r14, r13, r12, r11, r10, r9, r8, rdi, rsi, rbp, rdx, rcx, rbx
	popq	%\reg
	.endr
	.endm

	.section .tramp, "ax"
	.balign	4096
	.globl	tramp_start
tramp_start:
	/*
	 * QEMU's jump cache is indexed by address bits 12 and up: keep the hot
	 * entry away from the start of its page (RING1.md section 3).
	 */
	.skip	0x80

/*
 * SYSCALL. RCX is the caller's next RIP and cannot be forged. Upper-half pages
 * are never user-accessible (R1), so a negative RCX means ring 1: a hypercall.
 */
	.globl	tramp_lstar
tramp_lstar:
	testq	%rcx, %rcx
	js	hypercall
	incq	sh_nr_syscalls(%rip)
	movq	%rsp, sh_user_rsp(%rip)
	leaq	frame_syscall(%rip), %rsp
	iretq

/*
 * The same where ring 1 cannot reach the GS base (no FSGSBASE, rule E4): the
 * bases are exchanged here on the way in, and by a service on the way out. The
 * hypervisor itself never uses GS (R17), so any state of it is harmless.
 */
	.balign	16
	.globl	tramp_lstar_gs
tramp_lstar_gs:
	testq	%rcx, %rcx
	js	1f
	swapgs
	incq	sh_nr_syscalls(%rip)
	movq	%rsp, sh_user_rsp(%rip)
	leaq	frame_syscall(%rip), %rsp
	iretq
1:	cmpq	$VMI_HC_GS_SWAP, %rax
	jne	hypercall
	lfence				/* R26 */
	movq	%rsp, hc_rsp(%rip)
	swapgs
	jmp	return_0

	.globl	tramp_cstar_gs
tramp_cstar_gs:
	cmpq	$0, frame_compat(%rip)
	je	compat_ud
	swapgs
/* 32-bit SYSCALL (AMD only): never a hypercall (R2). */
	.globl	tramp_cstar
tramp_cstar:
	cmpq	$0, frame_compat(%rip)
	je	compat_ud
	incq	sh_nr_syscalls(%rip)
	movq	%rsp, sh_user_rsp(%rip)
	leaq	frame_compat(%rip), %rsp
	iretq

/* No entry for it: the program gets #UD at the instruction, as on a processor that has none. */
compat_ud:
	movq	%rsp, hc_rsp(%rip)
	leaq	es_top(%rip), %rsp
	pushq	$0x2b
	pushq	hc_rsp(%rip)
	pushq	%r11
	pushq	$0x23
	subq	$2, %rcx
	pushq	%rcx
	pushq	$0
	pushq	$6
	jmp	common_guest

	.balign	16
hypercall:
	movq	%rsp, hc_rsp(%rip)
	cmpq	$VMI_HC_CR3_LOAD, %rax
	je	cr3_load
hypercall_hv:
	movq	%cr3, %rsp
	movq	%rsp, es_root(%rip)
	movq	ro_hv_cr3(%rip), %rsp
	movq	%rsp, %cr3
	movq	ro_regs_top(%rip), %rsp
	pushq	$0
	pushq	es_root(%rip)
	pushq	$1			/* SS: null, RPL 1 */
	pushq	hc_rsp(%rip)
	pushq	%r11
	pushq	$VMI_KERNEL_CS
	pushq	%rcx
	pushq	$0
	pushq	$256			/* REGS_HYPERCALL */
	pushq	%rax
	push_gprs_but_rax
	jmp	enter_c

/*
 * A CR3 load that keeps translations, of a root that is ready (rule M5): switch
 * here. Argument registers are the callee's. RCX and R11 are the hardware's
 * word for an address in the upper half and for ring 1's flags, so this iretq
 * cannot fault.
 */
cr3_load:
	movq	%rdi, %rsi
	btrq	$63, %rsi
	jnc	hypercall_hv
	lfence				/* R26: no guessing past the check that this is ring 1 */
	.set	slot, 0
	.rept	NR_ROOT_SLOTS
	leaq	ro_roots + 16 * slot(%rip), %rdx
	cmpq	(%rdx), %rsi
	je	1f
	.set	slot, slot + 1
	.endr
	jmp	hypercall_hv
1:	movq	8(%rdx), %rdx
	incq	sh_nr_cr3(%rip)
	movq	%rsi, sh_cr3(%rip)
	movq	%rdx, %cr3
return_0:
	leaq	es_top(%rip), %rsp
	pushq	$1
	pushq	hc_rsp(%rip)
	pushq	%r11
	pushq	$VMI_KERNEL_CS
	pushq	%rcx
	xorl	%eax, %eax
	xorl	%edx, %edx
	xorl	%esi, %esi
	iretq

/* Page fault: from ring 3 to the guest kernel's stub, from ring 1 to the hypervisor. */
	.balign	16
	.globl	tramp_pf_bounce
tramp_pf_bounce:
	testb	$2, 16(%rsp)
	jz	vec_14
pf_from_user:
	incq	sh_nr_pf_bounces(%rip)
	movq	%rax, sh_scratch(%rip)
	movq	%cr2, %rax
	movq	%rax, sh_cr2(%rip)
	movq	sh_scratch(%rip), %rax
	.irp	word, error, rip, cs, rflags, rsp, ss
	popq	sh_pf_\word(%rip)
	.endr
	leaq	frame_pf(%rip), %rsp
	iretq

	.globl	tramp_pf_bounce_gs
tramp_pf_bounce_gs:
	testb	$2, 16(%rsp)
	jz	vec_14
	swapgs
	jmp	pf_from_user

/* Everything else. The stack holds vector, error code and hardware frame. */
	.balign	16
common:
	testb	$3, 24(%rsp)
	jz	from_hv
common_guest:
	pushq	%rax
	movq	%cr3, %rax
	movq	%rax, es_root(%rip)
	movq	ro_hv_cr3(%rip), %rax
	movq	%rax, %cr3
	movq	ro_regs_top(%rip), %rsp
	pushq	$0
	pushq	es_root(%rip)
	.irp	word, ss, rsp, rflags, cs, rip, error, vector, rax
	pushq	es_\word(%rip)
	.endr
	push_gprs_but_rax
enter_c:
	cld
	movq	%rsp, %rdi
	movq	ro_hv_stack(%rip), %rsp
	xorl	%ebp, %ebp
	call_c	trap_from_guest
	movq	%rax, %rdi

/* Leave for the guest: RDI is its vcpu, whose area is mapped here. */
	.globl	tramp_exit
tramp_exit:
	.irp	word, 0, 1, 2, 3, 4	/* RIP CS RFLAGS RSP SS */
	movq	(17 + \word) * 8(%rdi), %rax
	movq	%rax, es_rip + 8 * \word(%rip)
	.endr
	movq	14*8(%rdi), %rax
	movq	%rax, es_out_rax(%rip)
	movq	%rdi, %rsp
	pop_gprs_but_rax
	verw	ro_verw_sel(%rip)	/* R25 */
	leaq	es_out_rax(%rip), %rsp
	movq	ro_guest_cr3(%rip), %rax
	movq	%rax, %cr3
	popq	%rax
	.globl	tramp_iretq
tramp_iretq:
	iretq

/* Interrupted ring 0: the hypervisor on its own stack and root. */
from_hv:
	pushq	%rax
	push_gprs_but_rax
	cld
	movq	%rsp, %rdi
	movq	%rsp, %rbx
	andq	$-16, %rsp
	call_c	trap_from_hv
	movq	%rbx, %rsp
	pop_gprs_but_rax
	popq	%rax
	addq	$16, %rsp
	iretq

/*
 * Vectors with a stack of their own. From a guest: move the frame to the
 * entry stack and go on as usual. From ring 0: stay here, on the hypervisor's
 * root, and put the interrupted root back.
 */
	.balign	16
ist_common:
	testb	$3, 24(%rsp)
	jz	1f
	.irp	word, vector, error, rip, cs, rflags, rsp, ss
	popq	es_\word(%rip)
	.endr
	leaq	es_vector(%rip), %rsp
	jmp	common_guest
1:	pushq	%rax
	push_gprs_but_rax
	cld
	movq	%rsp, %rdi
	movq	%rsp, %rbx
	movq	%cr3, %r12
	cmpl	$2, 15*8(%rsp)
	je	.Lnmi_done		/* an NMI: nobody waits for one */
	movq	ro_hv_cr3(%rip), %rax
	movq	%rax, %cr3
	movabsq	$ist_c_stack_top, %rsp
	movq	%r12, %rsi
	call_c	trap_ist_from_hv
	movq	%r12, %cr3
.Lnmi_done:
	movq	%rbx, %rsp
	pop_gprs_but_rax
	popq	%rax
	addq	$16, %rsp
	iretq

/* One stub a vector; hardware pushes an error code for some (SDM vol. 3A, table 6-1). */
	.altmacro
	.macro	stub n
	.balign	8
vec_\n:
	.if	!((\n == 8) || (\n >= 10 && \n <= 14) || (\n == 17) || (\n == 21) || (\n == 29) || (\n == 30))
	pushq	$0
	.endif
	pushq	$\n
	.if	(\n == 1) || (\n == 2) || (\n == 8) || (\n == 18)
	jmp	ist_common
	.else
	jmp	common
	.endif
	.endm
	.set	i, 0
	.rept	256
	stub	%i
	.set	i, i + 1
	.endr
	.balign	4096
	.globl	tramp_end
tramp_end:

/* Addresses for C, which cannot name symbols of this section directly. */
	.section .rodata
	.balign	8
	.globl	tramp_vectors, tramp_lstars, tramp_cstars, tramp_pfs
	.macro	vecaddr n
	.quad	vec_\n
	.endm
tramp_vectors:
	.set	i, 0
	.rept	256
	vecaddr	%i
	.set	i, i + 1
	.endr
/* Each with and without FSGSBASE. */
tramp_lstars:	.quad	tramp_lstar_gs, tramp_lstar
tramp_cstars:	.quad	tramp_cstar_gs, tramp_cstar
tramp_pfs:	.quad	tramp_pf_bounce_gs, tramp_pf_bounce

	/* For C of the ring-0 path of ist_common: none of its vectors nests. */
	.bss
	.balign	4096
	.skip	8192
ist_c_stack_top:

	.text
/* enter_guest(vcpu): first entry, from hypervisor context. */
	.globl	enter_guest
enter_guest:
	movabsq	$tramp_exit, %rax
	pushq	%rax
	ret

/* Retpoline of the compiler's -mindirect-branch=thunk-extern (R26). */
	.macro	thunk reg
	.globl	__x86_indirect_thunk_\reg
__x86_indirect_thunk_\reg:
	call	2f
1:	pause
	lfence
	jmp	1b
2:	movq	%\reg, (%rsp)
	ret
	.endm
	.irp	reg, rax, rbx, rcx, rdx, rsi, rdi, rbp, r8, r9, r10, r11, r12, r13, r14, r15
	thunk	\reg
	.endr

	.section .note.GNU-stack, "", @progbits
