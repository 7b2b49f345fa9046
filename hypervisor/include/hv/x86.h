/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * x86.h - what the files of hypervisor/x86 share: privileged instructions,
 * per-processor data, and the calls between them.
 */
#ifndef HV_X86_H
#define HV_X86_H

#include <hv/domain.h>
#include <hv/layout.h>
#include <hv/mm.h>
#include <hv/types.h>

/* ---- instructions ------------------------------------------------------- */
static inline void outb(u16 port, u8 v) { __asm__ volatile ("outb %0, %1" : : "a" (v), "Nd" (port)); }
static inline void outw(u16 port, u16 v) { __asm__ volatile ("outw %0, %1" : : "a" (v), "Nd" (port)); }
static inline u8 inb(u16 port) { u8 v; __asm__ volatile ("inb %1, %0" : "=a" (v) : "Nd" (port)); return v; }
static inline void outl(u16 port, u32 v) { __asm__ volatile ("outl %0, %1" : : "a" (v), "Nd" (port)); }
static inline u32 inl(u16 port) { u32 v; __asm__ volatile ("inl %1, %0" : "=a" (v) : "Nd" (port)); return v; }
static inline u16 inw(u16 port) { u16 v; __asm__ volatile ("inw %1, %0" : "=a" (v) : "Nd" (port)); return v; }

static inline u64 rdmsr(u32 msr)
{
	u32 lo, hi;

	__asm__ volatile ("rdmsr" : "=a" (lo), "=d" (hi) : "c" (msr));
	return lo | (u64)hi << 32;
}

static inline void wrmsr(u32 msr, u64 v)
{
	__asm__ volatile ("wrmsr" : : "c" (msr), "a" ((u32)v), "d" ((u32)(v >> 32)) : "memory");
}

static inline u64 rdtsc(void)
{
	u32 lo, hi;

	__asm__ volatile ("lfence; rdtsc" : "=a" (lo), "=d" (hi) : : "memory");
	return lo | (u64)hi << 32;
}

static inline void cpuid(u32 leaf, u32 sub, u32 out[4])
{
	__asm__ volatile ("cpuid" : "=a" (out[0]), "=b" (out[1]), "=c" (out[2]), "=d" (out[3])
			  : "a" (leaf), "c" (sub));
}

static inline void xsetbv(u64 v)
{
	__asm__ volatile ("xsetbv" : : "c" (0), "a" ((u32)v), "d" ((u32)(v >> 32)));
}

#define READ_CR(n) ({ u64 v_; __asm__ volatile ("mov %%cr" #n ", %0" : "=r" (v_)); v_; })
#define WRITE_CR(n, v) __asm__ volatile ("mov %0, %%cr" #n : : "r" ((u64)(v)) : "memory")
#define READ_DR(n) ({ u64 v_; __asm__ volatile ("mov %%db" #n ", %0" : "=r" (v_)); v_; })
#define WRITE_DR(n, v) __asm__ volatile ("mov %0, %%db" #n : : "r" ((u64)(v)))

/* A fault of the instruction at label `from` goes on at label `to`. */
#define EX_TABLE(from, to) \
	".pushsection .ex_table, \"a\"\n" \
	".quad " #from ", " #to "\n" \
	".popsection\n"

#define MSR_APIC_BASE		0x0000001b
#define MSR_ARCH_CAPS		0x0000010a
#define MSR_SYSENTER_CS		0x00000174
#define MSR_SYSENTER_EIP	0x00000176
#define MSR_MISC_ENABLE		0x000001a0
#define MSR_X2APIC		0x00000800	/* plus a register's offset / 16 */
#define MSR_TSC_DEADLINE	0x000006e0
#define MSR_PAT			0x00000277
#define MSR_EFER		0xc0000080
#define MSR_STAR		0xc0000081
#define MSR_LSTAR		0xc0000082
#define MSR_CSTAR		0xc0000083
#define MSR_SFMASK		0xc0000084
#define MSR_FS_BASE		0xc0000100
#define MSR_GS_BASE		0xc0000101
#define MSR_KERNEL_GS_BASE	0xc0000102
#define MSR_TSC_AUX		0xc0000103

#define EFER_SCE		BIT(0)
#define EFER_LME		BIT(8)
#define EFER_LMA		BIT(10)
#define EFER_NXE		BIT(11)

#define DR7_GUEST		0xffff03ffUL	/* what a guest may set: not GD */
#define CR0_GUEST		0x80050033UL	/* what a guest reads: PG AM WP NE ET MP PE */
#define CR4_PAE			BIT(5)
#define CR4_MCE			BIT(6)		/* a machine check stops with a message, not silently */
#define CR4_PGE			BIT(7)
#define CR4_OSFXSR		BIT(9)
#define CR4_OSXMMEXCPT		BIT(10)
#define CR4_FSGSBASE		BIT(16)
#define CR4_PCIDE		BIT(17)
#define CR4_OSXSAVE		BIT(18)
#define CR4_SMEP		BIT(20)

#define RFLAGS_FIXED		BIT(1)
#define RFLAGS_TF		BIT(8)
#define RFLAGS_IF		BIT(9)
#define RFLAGS_DF		BIT(10)
#define RFLAGS_IOPL		(BIT(12) | BIT(13))
#define RFLAGS_NT		BIT(14)
#define RFLAGS_RF		BIT(16)
#define RFLAGS_VM		BIT(17)
#define RFLAGS_AC		BIT(18)
#define RFLAGS_VIF		BIT(19)
#define RFLAGS_VIP		BIT(20)

#define VEC_DB	1
#define VEC_NMI	2
#define VEC_BP	3
#define VEC_DF	8
#define VEC_GP	13
#define VEC_PF	14
#define VEC_MC	18

/* ---- processors ----------------------------------------------------------- */
struct area {			/* one per-vCPU area, or a processor's idle one */
	mfn_t l3, l2, l1;
	u64 *idt, *desc;	/* hypervisor's mappings of the read-only pages */
	struct vmi_shared *shared;
	mfn_t shared_mfn;
};

struct arch_vcpu {
	struct area area;
	mfn_t ldt[VMI_LDT_MAX * 8 / PAGE_SIZE];	/* pages of the copy, 0: none yet */
	u64 dr[4], dr7;
	u64 xcr0;
	u64 fs_base, gs_base, kernel_gs_base, tsc_aux;	/* while it is not loaded; the third without FSGSBASE only */
	u16 ds, es, fs, gs;	/* the same */
	u32 ldt_nr;		/* descriptors loaded */
	u8 *fpu;		/* one page: XSAVE or FXSAVE format */
};

struct pcpu {
	u32 id;
	struct vcpu *current;	/* whose area is mapped and whose state is loaded here; NULL: the idle area */
	u64 *root;		/* L4 of the hypervisor on this processor */
	struct area idle;
	u64 stack_top;
	bool dr7_stripped;	/* a breakpoint fired in the hypervisor: DR7 is off until the next exit */
};

/* The processor this runs on; through the area, never through FS or GS (R17). */
static inline struct pcpu *this_cpu(void)
{
	return *(struct pcpu * volatile *)(VMI_AREA_BASE + DESC_PCPU);
}

/* ---- cpu.c: features, MSR and CPUID policy ---------------------------------- */
struct cpu_info {
	char vendor[13];
	u32 max_leaf, max_ext;
	bool amd, fsgsbase, xsave, smep, rdtscp, invariant_tsc, ibpb, x2apic, tsc_deadline;
	u64 xcr0_mask;		/* components XSETBV may enable */
	u64 ma_mask;		/* physical address bits */
};
extern struct cpu_info cpu_info;
extern bool ibpb_on_entry;	/* forget all predictions on each entry (R26) */
void cpu_check(void);		/* fill cpu_info; panic with a remedy where something is missing */
void cpu_init(void);		/* control registers and MSRs of this processor */
/* swapgs as a guest means it: the inactive base is in the shared page with FSGSBASE, else in its MSR. */
bool gs_swap(struct vcpu *v);
bool msr_read_policy(struct vcpu *v, u32 msr, u64 *val);
bool msr_write_policy(struct vcpu *v, u32 msr, u64 val);
bool xcr_write_policy(struct vcpu *v, u32 xcr, u64 val);
bool cr4_write_policy(struct vcpu *v, u64 val);
/* May a guest have this value? */
bool xcr0_ok(u64 val);
bool cr4_ok(u64 val);
bool dr7_ok(u64 val);
bool breakpoint_ok(u64 va);
bool debugreg_write_policy(struct vcpu *v, u32 reg, u64 val);
u64 debugreg_read(struct vcpu *v, u32 reg);
void cpuid_policy(u32 leaf, u32 sub, u32 out[4]);

/* ---- area.c ------------------------------------------------------------------ */
int area_init(struct area *a, u16 owner);	/* 0 or -VMI_ENOMEM, then area_exit() */
void area_exit(struct area *a);
u64 area_l4e(const struct area *a);
void area_load_tables(void);	/* GDTR, IDTR, TR of this processor */
void area_set_gate_dpl(struct area *a, u8 vector, u8 dpl);
void area_set_pf_bounce(struct area *a, bool on);
u64 *area_desc(struct area *a, u32 off);
void pcpu_init(struct pcpu *c);
void pcpu_map_area(struct pcpu *c, struct area *a);
long gdt_write(struct vcpu *v, u32 slot, u64 desc);
long ldt_set(struct vcpu *v, u64 va, u32 nr);

/* ---- traps.c, emulate.c ------------------------------------------------------- */
void enter_guest(struct vcpu *v) __noreturn;
struct vcpu *resume_guest(struct vcpu *v);
void inject_exception(struct vcpu *v, u8 vector, bool has_error, u32 error);
/* A privileged instruction of the guest kernel: true where it was carried out. */
bool emulate(struct vcpu *v);

/* ---- apic.c, time.c ------------------------------------------------------------ */
void apic_init(void);
void apic_eoi(void);
u32 apic_id(void);
void apic_extint_on(void);		/* the 8259s reach this processor */
void pic_init(void);
void pic_eoi(u8 irq);
void pic_unmask(u8 irq);
void time_init(void);
u64 tsc_khz(void);
u64 tsc_of_ns(u64 ns);			/* the time-stamp counter at a system time */
const char *time_source(void);		/* what the TSC's rate was measured against */
u64 wall_ns_at_boot(void);
void clock_fill(struct vmi_clock *c);
void delay_us(u64 us);			/* after time_init() */

/* ---- ioapic.c, irq.c ------------------------------------------------------------- */
bool ioapic_init(void);			/* false: there is none */
bool ioapic_has(u32 gsi);
u64 ioapic_ma(u32 n);			/* machine address of the registers of the n-th; 0: there is none */
void ioapic_isa(u8 irq, u32 *gsi, u32 *flags);	/* VMI_GSI_* */
u32 ioapic_flags(u32 gsi, u32 flags);	/* what the firmware says of a GSI, where it does, else `flags` */
void ioapic_route(u32 gsi, u8 vector, u32 flags);	/* and leave it masked */
void ioapic_mask(u32 gsi, bool masked);
void irq_init(void);
bool irq_have_ioapic(void);
void irq_isa_on(u8 isa);		/* the serial port with this interrupt wants it */
bool irq_interrupt(u32 vector);		/* true: it was a device's */
#define GSI_NONE	((u32)-1)	/* message-signalled */
long irq_bind(struct domain *d, u32 gsi, u32 flags);	/* to a new port of d */
void irq_unmask(u32 vector);		/* after a level-triggered one */

/* ---- hw.c: domain 0's part of the machine ------------------------------------------ */
u32 port_in(const struct domain *d, u16 port, u32 bytes);
void port_out(const struct domain *d, u16 port, u32 bytes, u32 v);
void hw_give_frames(struct domain *d);	/* all that is no RAM; before its RAM */

/* ---- uart.c --------------------------------------------------------------------- */
void uart_init(void);
void uart_putc(u32 line, char c);
size_t uart_write(u32 line, const char *s, size_t n);
size_t uart_read(u32 line, char *buf, size_t n);
bool uart_interrupt(u8 irq, u32 *line);	/* true: input arrived on *line */
void uart_irq_on(void);
bool uart_has(u32 port, u32 bytes);	/* some of these I/O ports are ours */

/* ---- acpi.c ----------------------------------------------------------------------- */
struct acpi_table {		/* the header of every table */
	char sig[4];
	u32 len;		/* with the header */
	u8 rest[28];
} __packed;
void acpi_init(void);
const struct acpi_table *acpi_find(const char *sig);	/* NULL: there is none */
const struct acpi_table *acpi_table_at(u64 ma);		/* NULL: no sound table */
u64 acpi_get(const void *table, u32 off, u32 bytes);

/* ---- power.c ---------------------------------------------------------------------- */
void power_init(void);
void machine_poweroff(void) __noreturn;
void machine_reset(void) __noreturn;
void machine_stop(void) __noreturn;	/* halt or reset, as option panic= says */

/* ---- panic.c ------------------------------------------------------------------------ */
void print_regs(const struct regs *r);
void panic_regs(const struct regs *r, const char *what);

/* ---- multiboot.c ------------------------------------------------------------------- */
void multiboot_parse(u32 magic, u32 info);

/* ---- boot.c, mm.c ------------------------------------------------------------------ */
#define BOOT_MAX_MAP	64
#define BOOT_MAX_MODULES 2

struct boot_map { u64 base, size; u32 type; };
struct boot_module { u64 base, size; bool moved; char cmdline[VMI_CMDLINE_MAX]; };

struct boot_info {
	struct boot_map map[BOOT_MAX_MAP];
	u32 nr_map;
	struct boot_module module[BOOT_MAX_MODULES];
	u32 nr_modules;
	char cmdline[1024];
	u8 rsdp[36];		/* copy of the ACPI root pointer, zero without one */
	u64 hv_base, hv_size;	/* the hypervisor's own memory, top of RAM below 4 GiB */
	u64 hv_used;		/* bytes of it that are taken: image and boot allocations */
	u64 top;		/* end of RAM */
	u64 ram;		/* bytes of RAM */
};
extern struct boot_info boot_info;

struct options {
	u64 dom0_mem;		/* bytes; 0: all */
	u64 hv_mem;		/* bytes; 0: chosen from the RAM's size */
	u64 shadow_mem;		/* bytes; 0: chosen */
	bool panic_halt;
};
extern struct options options;
void options_parse(const char *cmdline);

u64 image_va_to_ma(const void *va);	/* machine address of a part of the image */
extern u64 hv_cr3;		/* root of the boot processor */
void boot_switch(u64 cr3, u64 stack, void (*fn)(void)) __noreturn;
void hv_main(void) __noreturn;

/* Boot-time page tables: `alloc` returns zeroed pages it can reach at their address. */
u64 mm_build(u64 image_ma, u64 (*alloc)(void));

/* ---- dom0.c --------------------------------------------------------------------------- */
struct vcpu *dom0_build(void);
u32 guest_features(void);	/* feature word 0 of an unprivileged domain */

#endif
