/* SPDX-License-Identifier: MIT */
/*
 * shared.h - what a guest's fast paths know: the hypervisor's part of the
 * address space, and the page that each vCPU shares with the hypervisor.
 *
 * A header of its own because a port includes it nearly everywhere (a guest's
 * interrupt flag is a byte in the shared page), and the rest of the interface
 * (vmi/abi.h) grows more often.
 */
#ifndef VMI_SHARED_H
#define VMI_SHARED_H

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

#define VMI_MAX_PORTS		512	/* ports of one domain: 0 is never used */

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

#ifndef __ASSEMBLER__
#ifdef __KERNEL__
#include <linux/types.h>
#include <linux/stddef.h>
#else
#include <stdint.h>
#include <stddef.h>
#endif

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
VMI_ASSERT("vmi_clock", sizeof(struct vmi_clock) == 32);
#endif /* __ASSEMBLER__ */
#endif /* VMI_SHARED_H */
