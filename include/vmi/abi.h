/* SPDX-License-Identifier: MIT */
/*
 * abi.h - the VMI binary interface between the hypervisor and a guest kernel.
 *
 * Constants are usable from assembler; structures have fixed layouts that
 * tests/abi compares with a committed dump. Everything here is explained in
 * docs/abi.md; the address space and the shared page are in vmi/shared.h. The
 * numbers of hypercalls and errors come from hypercalls.tbl and errors.tbl
 * (generated header vmi/numbers.h).
 *
 * Versioning: a breaking change raises the major, an addition the minor,
 * an optional ability gets a feature bit. Fields are only added at the end
 * or in reserved space.
 */
#ifndef VMI_ABI_H
#define VMI_ABI_H

#include <vmi/shared.h>

#define VMI_VERSION_MAJOR	1
#define VMI_VERSION_MINOR	0

/* Feature word 0 (hypercall `features`). */
#define VMI_FEAT_PRIVILEGED	(1 << 0)	/* the caller is domain 0 */
#define VMI_FEAT_TSC_STABLE	(1 << 1)	/* the TSC is a clock source; its rate is in the start info */
#define VMI_FEAT_FSGSBASE	(1 << 2)	/* ring 1 may use rdgsbase / wrgsbase; without it entries from ring 3 exchange the GS bases */

/* ---- ELF notes: name "VMI", one u64 (or two) each ---------------------- */
#define VMI_NOTE_VERSION	1	/* u32 major, u32 minor that the guest needs */
#define VMI_NOTE_ENTRY		2	/* u64 virtual address of the first instruction */
#define VMI_NOTE_CR3		3	/* u64 guest-physical address of the initial L4 table */

/* ---- Selectors (hardware GDT) ------------------------------------------ */
/* Slots 0-15 are Linux's; 2 and 3 have DPL 1. */
#define VMI_KERNEL_CS		0x11	/* real; frames show 0x10 */
#define VMI_KERNEL_SS		0x19	/* real; frames show 0x18 */
#define VMI_GDT_TLS_MIN		12
#define VMI_GDT_TLS_MAX		14
#define VMI_GDT_CPUNODE		15
#define VMI_LDT_MAX		8192	/* descriptors */

#define VMI_NR_VECTORS		256

/* ---- Virtual interrupts (evt_bind_virq) -------------------------------- */
#define VMI_VIRQ_TIMER		0	/* the vCPU's one-shot timer */
#define VMI_VIRQ_CONSOLE	1	/* input waits on console line 0 */
#define VMI_VIRQ_CONSOLE1	2	/* input waits on console line 1 */
#define VMI_NR_VIRQS		3

#define VMI_NR_CONSOLES		2	/* line 0: the terminal; line 1: the second serial port */
#define VMI_CONSOLE_MAX		65536	/* most bytes in one console call */

/* ---- tlb_flush operations ---------------------------------------------- */
#define VMI_FLUSH_ALL		0	/* every translation of every root of this domain */
#define VMI_FLUSH_USER		1	/* user half of the loaded root */
#define VMI_FLUSH_RANGE		2	/* (nr) pages from (va): upper half in every root, lower half in the loaded one */
#define VMI_FLUSH_MAX_PAGES	65536

/* ---- fill: access bits, as in the page-fault error code ----------------- */
#define VMI_ACCESS_WRITE	(1 << 1)
#define VMI_ACCESS_USER		(1 << 2)
#define VMI_ACCESS_FETCH	(1 << 4)

/* ---- cr3_load ----------------------------------------------------------- */
#define VMI_CR3_NOFLUSH_BIT	63	/* set: keep the root's translations */

/* ---- shutdown reasons ---------------------------------------------------- */
#define VMI_SHUTDOWN_POWEROFF	0
#define VMI_SHUTDOWN_REBOOT	1
#define VMI_SHUTDOWN_CRASH	2	/* the guest kernel panicked */

/* ---- Start info ---------------------------------------------------------- */
#define VMI_START_MAGIC		0x31304f464e494d56	/* "VMINFO01", little-endian bytes */
#define VMI_START_MAX_MAP	64
#define VMI_CMDLINE_MAX		2048	/* with the final NUL */

#define VMI_MAP_RAM		1	/* same values as the BIOS's e820 call */
#define VMI_MAP_RESERVED	2
#define VMI_MAP_ACPI		3
#define VMI_MAP_NVS		4

#ifndef __ASSEMBLER__
typedef uint64_t vmi_ptr_t;		/* a guest virtual address */

struct vmi_start_map {
	uint64_t base;			/* guest-physical, bytes */
	uint64_t size;			/* bytes */
	uint32_t type;			/* VMI_MAP_* */
	uint32_t reserved;
};

/*
 * Start info: one page of guest RAM below 64 KiB. At entry RSI holds its
 * guest-physical address, which is also mapped where the guest's initial
 * tables map it.
 */
struct vmi_start_info {
	uint64_t magic;			/* VMI_START_MAGIC */
	uint32_t version;		/* of the hypervisor: major << 16 | minor */
	uint32_t features;		/* feature word 0 */
	uint64_t cmdline;		/* guest-physical, NUL-terminated */
	uint64_t initrd;		/* guest-physical; 0 without one */
	uint64_t initrd_size;		/* bytes */
	uint64_t acpi_rsdp;		/* guest-physical; 0 without one */
	uint64_t tsc_khz;		/* TSC rate; 0 when it is not a clock source */
	uint64_t wall_ns;		/* wall clock, ns since 1970, at system time 0 */
	uint32_t domid;
	uint32_t nr_vcpus;
	uint32_t nr_map;
	uint32_t reserved[5];
	struct vmi_start_map map[VMI_START_MAX_MAP];
};

struct vmi_vector {
	uint64_t handler;		/* virtual address, 0: none (the domain stops if it is needed) */
	uint32_t dpl;			/* lowest privilege that may raise it by `int n`: 0 or 3 */
	uint32_t reserved;		/* 0 */
};

/* Restartable region: from `start` to the iretq at `iret`, both virtual addresses. */
struct vmi_region {
	uint64_t start;
	uint64_t iret;
};

/* Argument of vcpu_setup. Every address is canonical and in the upper half. */
struct vmi_vcpu_setup {
	uint64_t syscall_entry;		/* IN: 64-bit system calls of user programs */
	uint64_t compat_entry;		/* IN: 32-bit `syscall`; 0: the program gets #UD */
	uint64_t pf_entry;		/* IN: bounced page faults; 0: the hypervisor injects them */
	uint64_t rsp1;			/* IN: stack top for events from user mode, 16-byte aligned */
	struct vmi_region user;		/* IN: exit to user mode; both 0: none */
	struct vmi_region kernel;	/* IN: exit to kernel mode; both 0: none */
	uint32_t upcall_vector;		/* IN: vector raised for events, 32-255 */
	uint32_t reserved[3];		/* IN: 0 */
};

VMI_ASSERT("start info fits a page", sizeof(struct vmi_start_info) <= 4096);
VMI_ASSERT("vmi_vcpu_setup", sizeof(struct vmi_vcpu_setup) == 80);
#endif /* __ASSEMBLER__ */
#endif /* VMI_ABI_H */
