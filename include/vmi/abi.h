/* SPDX-License-Identifier: MIT */
/*
 * abi.h - the VMI binary interface between the hypervisor and a guest kernel.
 *
 * Constants are usable from assembler; structures have fixed layouts that
 * tests/abi compares with a committed dump. Everything here is explained in
 * docs/abi.md. The numbers of hypercalls and errors come from hypercalls.tbl
 * and errors.tbl (generated header vmi/numbers.h).
 *
 * Versioning: a breaking change raises the major, an addition the minor,
 * an optional ability gets a feature bit. Fields are only added at the end
 * or in reserved space.
 */
#ifndef VMI_ABI_H
#define VMI_ABI_H

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

/* ---- Address space ---------------------------------------------------- */
/* L4 slot 256 belongs to the hypervisor: the per-vCPU area. */
#define VMI_AREA_BASE		0xffff800000000000
#define VMI_AREA_END		0xffff808000000000
#define VMI_AREA_TEXT		0x0000	/* trampoline code, read-only, executable, 2 pages */
#define VMI_AREA_IDT		0x2000	/* IDT, read-only */
#define VMI_AREA_DESC		0x3000	/* GDT, TSS and return frames, read-only */
#define VMI_AREA_SHARED		0x4000	/* the shared page, read-write */
#define VMI_AREA_STACK		0x5000	/* entry and IST stacks, read-write, 2 pages */
#define VMI_AREA_SIZE		0x7000
#define VMI_AREA_LDT		0x10000	/* local descriptor table, read-only, up to 16 pages */
/* Alias of the shared page, reachable with a 32-bit displacement. */
#define VMI_SHARED		0xffffffffffffe000
/* The top 2 MiB of the address space are the hypervisor's (one page is used). */
#define VMI_TOP_BASE		0xffffffffffe00000

/* ---- Selectors (hardware GDT) ------------------------------------------ */
/* Slots 0-15 are Linux's; 2 and 3 have DPL 1. */
#define VMI_KERNEL_CS		0x11	/* real; frames show 0x10 */
#define VMI_KERNEL_SS		0x19	/* real; frames show 0x18 */
#define VMI_GDT_TLS_MIN		12
#define VMI_GDT_TLS_MAX		14
#define VMI_GDT_CPUNODE		15
#define VMI_LDT_MAX		8192	/* descriptors */

/* ---- The shared page: offsets ------------------------------------------ */
#define VMI_SH_PENDING		0x000	/* u8: an unmasked event waits */
#define VMI_SH_VIF		0x001	/* u8: virtual interrupt flag, 0 or 1 */
#define VMI_SH_USER_RSP		0x008	/* RSP of the interrupted user program at a system call */
#define VMI_SH_USER_GS		0x010	/* guest's: user GS base while the kernel runs */
#define VMI_SH_KERNEL_GS	0x018	/* guest's: kernel GS base */
#define VMI_SH_KERNEL_RSP	0x020	/* guest's: stack of the page-fault stub */
#define VMI_SH_SCRATCH		0x028	/* trampoline's */
#define VMI_SH_CR3		0x030	/* the guest's CR3 as last loaded */
#define VMI_SH_PF_ERROR		0x040	/* frame of a bounced page fault, in this order */
#define VMI_SH_PF_RIP		0x048
#define VMI_SH_PF_CS		0x050
#define VMI_SH_PF_RFLAGS	0x058
#define VMI_SH_PF_RSP		0x060
#define VMI_SH_PF_SS		0x068
#define VMI_SH_CR2		0x070	/* address of the last page fault the guest was given */
#define VMI_SH_DR6		0x078	/* DR6 at the last #DB the guest was given */
#define VMI_SH_NR_SYSCALLS	0x080	/* trampoline's counters */
#define VMI_SH_NR_PF_BOUNCES	0x088
#define VMI_SH_NR_CR3		0x090
#define VMI_SH_CLOCK		0x0c0
#define VMI_SH_EVT_PENDING	0x100
#define VMI_SH_EVT_MASK		0x180
#define VMI_SH_GUEST		0x200	/* 512 bytes for the guest alone */

#define VMI_NR_VECTORS		256
#define VMI_MAX_PORTS		512	/* ports of one domain: 0 is never used */

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
#ifdef __KERNEL__
#include <linux/types.h>
#include <linux/stddef.h>
#else
#include <stdint.h>
#include <stddef.h>
#endif

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

/* Layout of the clock that Linux calls pvclock_vcpu_time_info. */
struct vmi_clock {
	uint32_t version;		/* odd while it changes */
	uint32_t pad0;
	uint64_t tsc_timestamp;
	uint64_t system_time;		/* ns at tsc_timestamp */
	uint32_t tsc_to_system_mul;	/* 32.32 fixed point, after the shift */
	int8_t   tsc_shift;
	uint8_t  flags;			/* bit 0: monotonic over all vCPUs */
	uint8_t  pad[2];
};

/* The shared page. Writers: H hypervisor or trampoline, G guest. */
struct vmi_shared {
	uint8_t  pending;		/* H sets, G clears */
	uint8_t  vif;			/* G, and H when it injects or rolls back */
	uint8_t  pad0[6];
	uint64_t user_rsp;		/* H */
	uint64_t user_gs;		/* G */
	uint64_t kernel_gs;		/* G */
	uint64_t kernel_rsp;		/* G */
	uint64_t scratch;		/* H */
	uint64_t cr3;			/* H */
	uint64_t pad1;
	uint64_t pf_error;		/* H */
	uint64_t pf_rip;		/* H */
	uint64_t pf_cs;			/* H */
	uint64_t pf_rflags;		/* H */
	uint64_t pf_rsp;		/* H */
	uint64_t pf_ss;			/* H */
	uint64_t cr2;			/* H, G (write_cr2) */
	uint64_t dr6;			/* H, G */
	uint64_t nr_syscalls;		/* H */
	uint64_t nr_pf_bounces;		/* H */
	uint64_t nr_cr3;		/* H */
	uint64_t pad2[5];
	struct vmi_clock clock;		/* H */
	uint64_t pad3[4];
	uint64_t evt_pending[VMI_MAX_PORTS / 64];	/* H sets, G clears (locked) */
	uint64_t pad4[8];
	uint64_t evt_mask[VMI_MAX_PORTS / 64];		/* G (locked) */
	uint64_t pad5[8];
	uint8_t  guest_area[512];	/* G: the hypervisor never reads or writes it */
	uint8_t  reserved[3072];
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

#define VMI_ASSERT(what, cond) _Static_assert(cond, what)
VMI_ASSERT("shared page size", sizeof(struct vmi_shared) == 4096);
VMI_ASSERT("user_rsp", offsetof(struct vmi_shared, user_rsp) == VMI_SH_USER_RSP);
VMI_ASSERT("cr3", offsetof(struct vmi_shared, cr3) == VMI_SH_CR3);
VMI_ASSERT("pf_error", offsetof(struct vmi_shared, pf_error) == VMI_SH_PF_ERROR);
VMI_ASSERT("cr2", offsetof(struct vmi_shared, cr2) == VMI_SH_CR2);
VMI_ASSERT("nr_syscalls", offsetof(struct vmi_shared, nr_syscalls) == VMI_SH_NR_SYSCALLS);
VMI_ASSERT("clock", offsetof(struct vmi_shared, clock) == VMI_SH_CLOCK);
VMI_ASSERT("evt_pending", offsetof(struct vmi_shared, evt_pending) == VMI_SH_EVT_PENDING);
VMI_ASSERT("evt_mask", offsetof(struct vmi_shared, evt_mask) == VMI_SH_EVT_MASK);
VMI_ASSERT("start info fits a page", sizeof(struct vmi_start_info) <= 4096);
VMI_ASSERT("vmi_clock", sizeof(struct vmi_clock) == 32);
VMI_ASSERT("vmi_vcpu_setup", sizeof(struct vmi_vcpu_setup) == 80);
#endif /* __ASSEMBLER__ */
#endif /* VMI_ABI_H */
