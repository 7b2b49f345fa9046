/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * head.S - from the multiboot loader (32-bit, paging off) to C in long mode.
 *
 * Maps the first 4 GiB at their own addresses and the first GiB at HV_BASE,
 * both by the same 2 MiB entries, and calls boot_main(magic, info). Stops
 * with a line on the first serial port where the processor has no long mode
 * or no NX. Multiboot specification 0.6.96, sections 3.1 and 3.2; Multiboot2
 * specification 2.0, sections 3.1 to 3.3.
 */
#include <hv/layout.h>

#define MB_MAGIC	0x1badb002
#define MB_FLAGS	0x00010003	/* page-aligned modules, memory map, addresses below */
#define MB2_MAGIC	0xe85250d6

	.section .multiboot, "a"
	.balign	4
mb_header:
	.long	MB_MAGIC, MB_FLAGS, -(MB_MAGIC + MB_FLAGS)
	.long	mb_header, HV_LOAD, load_end_pa, bss_end_pa, _start

	.balign	8
mb2_header:
	.long	MB2_MAGIC, 0, mb2_end - mb2_header, -(MB2_MAGIC + (mb2_end - mb2_header))
	.word	2, 0				/* where to load what */
	.long	24, mb2_header, HV_LOAD, load_end_pa, bss_end_pa
	.balign	8
	.word	3, 0				/* entry point */
	.long	12, _start
	.balign	8
	.word	0, 0
	.long	8
mb2_end:

	.section .boot, "awx"
	.code32
	.globl	_start
_start:
	cli
	cld
	movl	$boot_stack_top, %esp
	pushl	%ebx
	pushl	%eax

	movl	$0x80000000, %eax
	cpuid
	cmpl	$0x80000001, %eax
	jb	no_long_mode
	movl	$0x80000001, %eax
	cpuid
	btl	$29, %edx
	jnc	no_long_mode
	btl	$20, %edx
	jnc	no_nx

	movl	$boot_pdpt, %eax
	orl	$3, %eax
	movl	%eax, boot_pml4
	movl	$boot_pdpt_high, %eax
	orl	$3, %eax
	movl	%eax, boot_pml4 + 511 * 8
	movl	$boot_pd, %eax
	orl	$3, %eax
	movl	%eax, boot_pdpt_high + 510 * 8
	xorl	%ecx, %ecx
1:	movl	%eax, boot_pdpt(, %ecx, 8)
	addl	$4096, %eax
	incl	%ecx
	cmpl	$4, %ecx
	jne	1b
	xorl	%ecx, %ecx
2:	movl	%ecx, %eax
	shll	$21, %eax
	orl	$0x83, %eax
	movl	%eax, boot_pd(, %ecx, 8)
	incl	%ecx
	cmpl	$2048, %ecx
	jne	2b

	movl	$0x20, %eax			/* PAE */
	movl	%eax, %cr4
	movl	$boot_pml4, %eax
	movl	%eax, %cr3
	movl	$0xc0000080, %ecx		/* EFER: SCE, LME, NXE */
	rdmsr
	orl	$0x901, %eax
	wrmsr
	movl	$0x80010033, %eax		/* PG, WP, NE, ET, MP, PE */
	movl	%eax, %cr0
	lgdt	boot_gdtr
	ljmp	$8, $start64

no_long_mode:
	movl	$msg_no_lm, %esi
	jmp	die
no_nx:
	movl	$msg_no_nx, %esi
die:	movw	$0x3f9, %dx			/* polled COM1, 115200 8n1 */
	xorl	%eax, %eax
	outb	%al, %dx
	movw	$0x3fb, %dx
	movb	$0x80, %al
	outb	%al, %dx
	movw	$0x3f8, %dx
	movb	$1, %al
	outb	%al, %dx
	incw	%dx
	xorl	%eax, %eax
	outb	%al, %dx
	movw	$0x3fb, %dx
	movb	$3, %al
	outb	%al, %dx
3:	movw	$0x3fd, %dx
4:	inb	%dx, %al
	testb	$0x20, %al
	jz	4b
	lodsb
	testb	%al, %al
	jz	5f
	movw	$0x3f8, %dx
	outb	%al, %dx
	jmp	3b
5:	movw	$0x64, %dx			/* reset, so that nobody waits for a dead machine */
	movb	$0xfe, %al
	outb	%al, %dx
6:	hlt
	jmp	6b

msg_no_lm:
	.asciz	"vmi: this CPU has no long mode (x86-64): use a 64-bit CPU, with QEMU for example -cpu max\r\n"
msg_no_nx:
	.asciz	"vmi: this CPU has no NX bit, or the firmware turned it off: enable it (\"execute disable\") in the firmware's setup\r\n"

	.code64
start64:
	movl	$0x10, %eax
	movl	%eax, %ss
	xorl	%eax, %eax
	movl	%eax, %ds
	movl	%eax, %es
	movl	%eax, %fs
	movl	%eax, %gs
	popq	%rdi				/* pushed as two 32-bit words: info << 32 | magic */
	movq	%rdi, %rsi
	shrq	$32, %rsi
	movl	%edi, %edi
	movabsq	$boot_main, %rax
	xorl	%ebp, %ebp
	call	*%rax				/* does not return; ring 1 does not exist yet (R26) */
7:	hlt
	jmp	7b

	.balign	16
boot_gdt:
	.quad	0, 0x00af9b000000ffff, 0x00cf93000000ffff
boot_gdtr:
	.word	23
	.long	boot_gdt

	.balign	4096
boot_pml4:	.skip	4096
boot_pdpt:	.skip	4096
boot_pdpt_high:	.skip	4096
boot_pd:	.skip	4 * 4096
	.skip	8192
boot_stack_top:

	.text
	.code64
/*
 * boot_switch(cr3, stack, fn): continue in fn on the final page tables and a
 * fresh stack. The image at the new place is a copy, so nothing of the old
 * stack is valid there.
 */
	.globl	boot_switch
boot_switch:
	movq	%rdi, %cr3
	movq	%rsi, %rsp
	xorl	%ebp, %ebp
	pushq	$0
	pushq	%rdx
	ret

	.section .note.GNU-stack, "", @progbits
