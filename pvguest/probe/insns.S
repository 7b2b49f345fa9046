/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * insns.S - every privileged or sensitive instruction, and what may come of
 * it in ring 1 and in ring 3.
 *
 * Each stands alone, position independent; the tests copy it to a page of the
 * right ring and put int3 behind it. It finds RBX = a page it may write,
 * RAX = RDX = RSI = RDI = 0, RCX = 0 or what the entry's name says.
 *
 * Where more than one result is allowed, processors or QEMU differ (a feature
 * that is not there is #UD before it is #GP), or the hypervisor is free: the
 * point is that nothing else happens.
 */
#define RUN	1
#define GP	2
#define UD	4
#define DB	8

/* name, results in ring 1, in ring 3, instructions */
#define I(name, ring1, ring3, ...) \
	.pushsection .rodata; \
91:	.asciz	name; \
92:	__VA_ARGS__; \
93:	.popsection; \
	.quad	91b, 92b, 93b; \
	.long	ring1, ring3

	.section .probe_insns, "a"
	.balign	8
	/* Emulated in ring 1: Linux uses them where no paravirtual hook is. */
	I("cli", RUN, GP, cli)
	I("sti", RUN, GP, sti)
	I("swapgs", RUN, GP, swapgs; swapgs)
	I("clts", RUN, GP, clts)
	I("wbinvd", RUN, GP, wbinvd)
	I("invlpg", RUN, GP, invlpg (%rbx))
	I("read cr0", RUN, GP, mov %cr0, %rax)
	I("write cr0, same", RUN, GP, mov %cr0, %rax; mov %rax, %cr0)
	I("read cr2", RUN, GP, mov %cr2, %rax)
	I("write cr2", RUN, GP, mov %rax, %cr2)
	I("read cr3", RUN, GP, mov %cr3, %rax)
	I("write cr3, same", RUN, GP, mov %cr3, %rax; mov %rax, %cr3)
	I("read cr4", RUN, GP, mov %cr4, %rax)
	I("write cr4, same", RUN, GP, mov %cr4, %rax; mov %rax, %cr4)
	I("rdmsr EFER", RUN, GP, mov $0xc0000080, %ecx; rdmsr)
	I("rdmsr 0xdeadbeef", RUN|GP, GP, mov $0xdeadbeef, %ecx; rdmsr)
	I("wrmsr 0xdeadbeef", RUN|GP, GP, mov $0xdeadbeef, %ecx; wrmsr)
	I("wrmsr LSTAR", RUN|GP, GP, mov $0xc0000082, %ecx; wrmsr)
	I("wrmsr CSTAR", RUN|GP, GP, mov $0xc0000083, %ecx; wrmsr)
	I("wrmsr STAR", RUN|GP, GP, mov $0xc0000081, %ecx; wrmsr)
	I("wrmsr SFMASK", RUN|GP, GP, mov $0xc0000084, %ecx; wrmsr)
	I("wrmsr SYSENTER_EIP", RUN|GP, GP, mov $0x176, %ecx; wrmsr)
	I("wrmsr SYSENTER_CS", RUN|GP, GP, mov $0x174, %ecx; wrmsr)
	I("wrmsr APIC_BASE", RUN|GP, GP, mov $0x1b, %ecx; wrmsr)
	I("wrmsr PAT 7x uncached", RUN|GP, GP, mov $0x277, %ecx; wrmsr)
	I("wrmsr GS_BASE non-canonical", GP, GP, mov $0xc0000101, %ecx; mov $0x8000, %edx; wrmsr)
	I("wrmsr KERNEL_GS_BASE non-canonical", GP, GP, mov $0xc0000102, %ecx; mov $0x8000, %edx; wrmsr)
	I("wrmsr EFER, LME off", RUN|GP, GP, mov $0xc0000080, %ecx; wrmsr)
	I("xgetbv", RUN|UD, RUN|UD, xgetbv)
	I("xsetbv, same", RUN|UD, GP|UD, xgetbv; xsetbv)
	I("xsetbv 0", GP|UD, GP|UD, xor %eax, %eax; xor %edx, %edx; xsetbv)
	I("xsetbv xcr5", GP|UD, GP|UD, mov $5, %ecx; xsetbv)
	I("in 0x80", RUN, GP, in $0x80, %al)
	I("in dx", RUN, GP, mov $0x3f8, %edx; in %dx, %al)
	I("inw", RUN, GP, mov $0x60, %edx; in %dx, %ax)
	I("inl", RUN, GP, mov $0xcf8, %edx; in %dx, %eax)
	I("out 0x80", RUN, GP, out %al, $0x80)
	I("outb 0x20", RUN, GP, mov $0x20, %edx; mov $0x20, %al; out %al, %dx)
	I("outw", RUN, GP, mov $0x3fa, %edx; out %ax, %dx)
	I("outl", RUN, GP, mov $0xcf8, %edx; out %eax, %dx)
	I("insb", RUN|GP, GP, mov %rbx, %rdi; mov $0x60, %edx; insb)
	I("rep outsb", RUN|GP, GP, mov %rbx, %rsi; mov $0x80, %edx; mov $4, %ecx; rep outsb)

	/* Not for ring 3; the first ones of these are emulated too. */
	I("lgdt", GP, GP, lgdt (%rbx))
	I("lidt", GP, GP, lidt (%rbx))
	I("lldt 0", GP, GP, lldt %ax)
	I("lldt 0x90", GP, GP, mov $0x90, %eax; lldt %ax)
	I("ltr", GP, GP, mov $0x90, %eax; ltr %ax)
	I("lmsw", GP, GP, lmsw %ax)
	I("mov to dr7", RUN, GP, mov %rax, %dr7)
	I("mov from dr7", RUN, GP, mov %dr7, %rax)
	I("mov to dr0", RUN, GP, mov %rax, %dr0)
	I("mov to cr8", RUN, GP, mov %rax, %cr8)
	I("mov from cr8", RUN, GP, mov %cr8, %rax)
	I("mov to cr1", GP|UD, GP|UD, .byte 0x0f, 0x22, 0xc8)
	I("invd", RUN, GP, invd)
	I("rdpmc", GP, GP, rdpmc)
	I("sysretq", GP, GP, sysretq)
	I("sysretl", GP, GP, sysretl)
	I("sysexit", GP|UD, GP|UD, sysexitl)
	I("invpcid", GP|UD, GP|UD, mov %rbx, %rsi; invpcid (%rsi), %rax)
	I("monitor", GP|UD, GP|UD, mov %rbx, %rax; xor %edx, %edx; monitor)
	I("mwait", GP|UD, GP|UD, mwait)
	I("vmcall", GP|UD, GP|UD, vmcall)
	I("vmmcall", GP|UD, GP|UD, vmmcall)
	I("vmrun", GP|UD, GP|UD, mov %rbx, %rax; vmrun)
	I("vmload", GP|UD, GP|UD, mov %rbx, %rax; vmload)
	I("vmxoff", GP|UD, GP|UD, vmxoff)
	I("vmlaunch", GP|UD, GP|UD, vmlaunch)
	I("stgi", GP|UD, GP|UD, stgi)
	I("clgi", GP|UD, GP|UD, clgi)
	I("skinit", GP|UD, GP|UD, skinit)
	I("getsec", GP|UD, GP|UD, getsec)
	I("rsm", GP|UD, GP|UD, rsm)
	I("encls", GP|UD, GP|UD, encls)
	I("xsaves", GP|UD, GP|UD, mov %rbx, %rsi; xsaves (%rsi))
	I("xrstors", GP|UD, GP|UD, mov %rbx, %rsi; xrstors (%rsi))
	I("stac", GP|UD, GP|UD, stac)
	I("clac", GP|UD, GP|UD, clac)
	I("ud2", UD, UD, ud2)
	I("sysenter", GP|UD, GP|UD, sysenter)

	/* Harmless, or the processor's business. */
	I("sgdt", RUN|GP, RUN|GP, sgdt (%rbx))
	I("sidt", RUN|GP, RUN|GP, sidt (%rbx))
	I("sldt", RUN|GP, RUN|GP, sldt (%rbx))
	I("str", RUN|GP, RUN|GP, str (%rbx))
	I("smsw", RUN|GP, RUN|GP, smsw (%rbx))
	I("cpuid", RUN|GP, RUN|GP, push %rbx; cpuid; pop %rbx)
	I("rdtsc", RUN, RUN, rdtsc)
	I("rdtscp", RUN|UD, RUN|UD, rdtscp)
	I("rdpkru", RUN|UD|GP, RUN|UD|GP, xor %ecx, %ecx; rdpkru)
	I("lar 0x80", RUN, RUN, mov $0x80, %eax; lar %ax, %edx)
	I("verw 0x18", RUN, RUN, mov $0x18, %eax; verw %ax)
	I("popf IF=0 IOPL=3", RUN, RUN, pushq $0x3002; popfq)
	I("icebp", DB|UD, DB|UD, .byte 0xf1)
	I("mov cs", UD, UD, .byte 0x8e, 0xc8)
	I("mov ss 0x88", GP, GP, mov $0x88, %eax; mov %eax, %ss)
	I("mov ds 0x88", GP, GP, mov $0x88, %eax; mov %eax, %ds)
	I("lss", GP, GP, movl $0, (%rbx); movl $0x88, 4(%rbx); lss (%rbx), %eax)

	.section .note.GNU-stack, "", @progbits
