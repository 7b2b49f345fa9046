/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * start.S - ELF notes, static page tables and the first instructions.
 *
 * The tables map the first GiB of guest-physical memory twice, by 2 MiB
 * entries and for supervisors only: at its own addresses, and (from 16 MiB,
 * where the image begins) at KBASE.
 */
#include <vmi/abi.h>

#define KBASE	0xffffffff80000000
#define PA(x)	((x) - KBASE)

	.macro	note type, words:vararg
	.balign	4
	.long	4, 8, \type
	.asciz	"VMI"
	\words
	.endm
	.section .note.vmi, "a", @note
	note	VMI_NOTE_VERSION, .long VMI_VERSION_MAJOR, 0
	note	VMI_NOTE_ENTRY, .quad start
	note	VMI_NOTE_CR3, .quad PA(boot_l4)

	.text
	.globl	start
start:
	movq	$main_stack_top, %rsp
	xorl	%ebp, %ebp
	movq	%rsi, %rdi
	cld
	call	probe_main
	ud2

	.data
	.balign	4096
	.globl	boot_l4, boot_l3_low
boot_l4:
	.quad	PA(boot_l3_low) + 0x03
	.skip	510 * 8
	.quad	PA(boot_l3_high) + 0x03
boot_l3_low:
	.quad	PA(boot_l2_low) + 0x03
	.skip	511 * 8
boot_l3_high:
	.skip	510 * 8
	.quad	PA(boot_l2_high) + 0x03
	.skip	8
	.set	i, 0
boot_l2_low:
	.rept	512
	.quad	(i << 21) + 0x83
	.set	i, i + 1
	.endr
	.set	i, 8
boot_l2_high:
	.skip	8 * 8
	.rept	504
	.quad	(i << 21) + 0x83
	.set	i, i + 1
	.endr

	.bss
	.balign	4096
	.skip	16384
	.globl	main_stack_top, entry_stack_top
main_stack_top:
	.skip	16384
entry_stack_top:

	.section .note.GNU-stack, "", @progbits
