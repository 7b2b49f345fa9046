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
#define VMI_VERSION_MINOR	2

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
#define VMI_VIRQ_DOMAINS	3	/* domain 0: dom_event has something to tell */
#define VMI_VIRQ_CONTROL	4	/* domain 0 asks for something: see control_get */
#define VMI_NR_VIRQS		5

#define VMI_NR_CONSOLES		2	/* line 0: the terminal; line 1: for programs (domain 0: the second serial port) */
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
#define VMI_SHUTDOWN_FAULT	3	/* not by the guest: the hypervisor could not let it go on (vmi_dom_info.why) */
#define VMI_SHUTDOWN_WATCHDOG	4	/* not by the guest: it ran too long with virtual interrupts off */

/* ---- control_get: what domain 0 asks for --------------------------------- */
#define VMI_CONTROL_NONE	0
#define VMI_CONTROL_POWEROFF	1	/* shut down in order */
#define VMI_CONTROL_REBOOT	2

/* ---- domains --------------------------------------------------------------- */
#define VMI_DOMID_SELF		0xfffd	/* the caller, where a call takes a domain */
#define VMI_MAX_DOMAINS		1024	/* identifiers are 0 .. VMI_MAX_DOMAINS - 1, reused as late as possible */
/* ---- gsi_bind flags ------------------------------------------------------- */
#define VMI_GSI_LEVEL		(1 << 0)	/* level-triggered, not edge */
#define VMI_GSI_LOW		(1 << 1)	/* active low, not high */

#define VMI_NAME_MAX		64	/* bytes of a name, with the final NUL */
#define VMI_WHY_MAX		128
#define VMI_WEIGHT_DEFAULT	256
#define VMI_WEIGHT_MAX		65535
#define VMI_MEMORY_MIN		(1 << 20)
#define VMI_WATCHDOG_MS		30000	/* default */
#define VMI_LEND_MAX		512	/* frames of one dom_lend or dom_revoke */

/* vmi_dom_info.flags */
#define VMI_DOM_NEW		(1 << 0)	/* never unpaused yet */
#define VMI_DOM_PAUSED		(1 << 1)	/* by dom_pause, or new */
#define VMI_DOM_SHUTDOWN	(1 << 2)	/* stopped, with a reason */
#define VMI_DOM_DYING		(1 << 3)	/* dom_destroy has begun */
#define VMI_DOM_BLOCKED		(1 << 4)	/* every vCPU waits for an event */

/* dom_event flags */
#define VMI_EVENT_STATE		(1 << 0)	/* it was created, paused, unpaused, stopped or destroyed */
#define VMI_EVENT_CONSOLE	(1 << 1)	/* a line of its console has output, or room for input again */

/* vmi_vcpu_state.flags */
#define VMI_VCPU_USER		(1 << 0)	/* in user mode (ring 3), else in the guest kernel (ring 1) */
#define VMI_VCPU_VIF		(1 << 1)	/* virtual interrupts are on */
#define VMI_VCPU_BLOCKED	(1 << 2)	/* waits for an event */

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
	uint32_t bus_port;		/* of the guest: the VMI bus's doorbell */
	uint64_t bus;			/* guest-physical: VMI_BUS_PAGES pages (vmi/bus.h); 0: no bus */
	uint64_t reserved;
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

/* Argument of dom_create. */
struct vmi_dom_config {
	uint64_t memory;		/* IN: bytes, whole pages from guest-physical 0, VMI_MEMORY_MIN or more; taken when touched */
	uint64_t shadow;		/* IN: bytes for shadow tables; 0: chosen */
	uint32_t nr_vcpus;		/* IN: 1 to vmi_machine.max_vcpus */
	uint32_t weight;		/* IN: share of the processors, 1 to VMI_WEIGHT_MAX; 0: VMI_WEIGHT_DEFAULT */
	uint32_t cap;			/* IN: most percent of one processor; 0: no limit */
	uint32_t watchdog_ms;		/* IN: processor time with virtual interrupts off before it is stopped; 0: VMI_WATCHDOG_MS */
	uint8_t  uuid[16];		/* IN: kept for the tools */
	uint8_t  name[VMI_NAME_MAX];	/* IN: for messages, NUL-terminated, printable ASCII */
	uint64_t reserved[4];		/* IN: 0 */
};

/* Result of dom_info. */
struct vmi_dom_info {
	uint32_t domid;
	uint32_t flags;			/* VMI_DOM_* */
	uint32_t reason;		/* VMI_SHUTDOWN_*, where VMI_DOM_SHUTDOWN is set */
	uint32_t nr_vcpus;
	uint64_t memory;		/* bytes it was created with */
	uint64_t populated;		/* bytes of these that have frames */
	uint64_t lent;			/* bytes of these that domain 0 sees */
	uint64_t shadow;		/* bytes of shadow tables now, */
	uint64_t shadow_max;		/* and at most */
	uint64_t cpu_ns;		/* time its vCPUs ran */
	uint64_t wait_ns;		/* time they could have run but did not */
	uint64_t created_ns;		/* system time */
	uint64_t started_ns;		/* system time of the first dom_unpause; 0: not yet */
	uint32_t weight;
	uint32_t cap;
	uint8_t  uuid[16];
	uint8_t  name[VMI_NAME_MAX];
	uint8_t  why[VMI_WHY_MAX];	/* one line, where the hypervisor stopped it */
	uint64_t memory_now;		/* bytes it may use at a time (dom_budget) */
	uint64_t reserved[3];
};

/* Result of dom_event. */
struct vmi_dom_event {
	uint32_t domid;
	uint32_t flags;			/* VMI_EVENT_* since it was last told */
};

/* Result of msi_bind: what makes a device raise the port. */
struct vmi_msi {
	uint64_t address;
	uint32_t data;
	uint32_t reserved;
};

/* Result of machine_info. */
struct vmi_machine {
	uint64_t memory;		/* bytes of RAM */
	uint64_t free;			/* bytes that a new domain can have */
	uint64_t hv;			/* bytes the hypervisor keeps for itself */
	uint64_t tsc_khz;
	uint64_t now_ns;		/* system time */
	uint64_t wall_ns;		/* wall clock at system time 0, ns since 1970 */
	uint64_t idle_ns;		/* time the processors had nothing to run */
	uint32_t nr_cpus;
	uint32_t nr_domains;
	uint32_t max_vcpus;		/* of a domain */
	uint32_t guest_features;	/* feature word 0 of an unprivileged domain */
	uint64_t reserved[4];
};

/* Argument of vcpu_set and result of vcpu_get, of a domain that is paused. */
struct vmi_vcpu_state {
	uint64_t r15, r14, r13, r12, r11, r10, r9, r8;
	uint64_t rdi, rsi, rbp, rdx, rcx, rbx, rax;
	uint64_t rip, rflags, rsp;
	uint64_t cr3;			/* guest-physical, page-aligned but for a PCID */
	uint64_t cr4;			/* virtual; 0 with vcpu_set: as at the start of a domain */
	uint64_t fs_base, gs_base, kernel_gs_base;
	uint64_t dr[4], dr6, dr7;
	uint64_t xcr0;			/* 0 with vcpu_set: x87 alone */
	uint64_t timer;			/* deadline, system time in ns; 0: off */
	uint32_t flags;			/* VMI_VCPU_* */
	uint16_t cs, ss, ds, es, fs, gs;	/* selectors in user mode; CS and SS are the kernel's own else */
	uint32_t reserved[6];		/* 0 */
};

VMI_ASSERT("start info fits a page", sizeof(struct vmi_start_info) <= 4096);
VMI_ASSERT("vmi_vcpu_setup", sizeof(struct vmi_vcpu_setup) == 80);
VMI_ASSERT("vmi_dom_config", sizeof(struct vmi_dom_config) == 144);
VMI_ASSERT("vmi_vcpu_state", sizeof(struct vmi_vcpu_state) == 288);
#endif /* __ASSEMBLER__ */
#endif /* VMI_ABI_H */
