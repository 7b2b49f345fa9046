// SPDX-License-Identifier: GPL-2.0-only
/*
 * area.c - the per-vCPU area in L4 slot 256, and the descriptor tables in it.
 *
 * Each vCPU has an area, and so has each processor's idle loop; all lie at the
 * same virtual address, so GDTR, IDTR and TR never change. Guests map the text
 * and the tables read-only; the hypervisor writes through its own map (R5).
 *
 * Invariant: the area that is mapped in a processor's hypervisor root is the
 * one of the vCPU it runs.
 * Trust: descriptors come from guests; desc_ok() takes only what ring 3 could
 * use anyway (R16).
 */
#include <hv/frame.h>
#include <hv/lib.h>
#include <hv/x86.h>

extern const u64 tramp_vectors[256], tramp_pfs[2];
extern char tramp_load[];

#define AREA_PAGES	(VMI_AREA_SIZE / PAGE_SIZE)
#define RO		(PTE_P | PTE_A)
#define RW		(PTE_P | PTE_A | PTE_D | PTE_RW)

#define DESC_KERNEL_CS	0x00afbb000000ffffUL	/* DPL 1, accessed */
#define DESC_KERNEL_DS	0x00cfb3000000ffffUL
#define DESC_USER32_CS	0x00cffb000000ffffUL
#define DESC_USER_DS	0x00cff3000000ffffUL
#define DESC_USER_CS	0x00affb000000ffffUL
#define DESC_CPUNODE0	0x0040f50000000000UL	/* limit 0: CPU 0 of node 0 */
#define DESC_HV_CS	0x00af9b000000ffffUL
#define DESC_HV_SS	0x00cf93000000ffffUL
#define DESC_TSS_TYPE	0x89UL

u64 *area_desc(struct area *a, u32 off)
{
	return a->desc + (off - VMI_AREA_DESC) / 8;
}

u64 area_l4e(const struct area *a)
{
	return a->l3 << PAGE_SHIFT | PTE_P | PTE_RW | PTE_A;
}

static void set_gate(struct area *a, u32 vector, u64 target, u8 ist, u8 dpl)
{
	a->idt[2 * vector] = (target & 0xffff) | (u64)HV_CS << 16 | (u64)ist << 32 |
			     (0x8eUL | (u64)dpl << 5) << 40 | (target >> 16 & 0xffff) << 48;
	a->idt[2 * vector + 1] = target >> 32;
}

static u8 gate_ist(u32 vector)
{
	switch (vector) {
	case VEC_NMI: return IST_NMI;
	case VEC_DF:  return IST_DF;
	case VEC_DB:  return IST_DB;
	case VEC_MC:  return IST_MC;
	default:      return 0;
	}
}

/* Vectors that only this processor's hardware may raise keep DPL 0. */
static bool hv_vector(u8 vector)
{
	return (vector >= VEC_PIC && vector < VEC_PIC + 16) ||
	       (vector >= VEC_DEVICE && vector < VEC_DEVICE_END) || vector == VEC_APIC_TIMER ||
	       vector == VEC_SPURIOUS || (vector < 32 && vector != VEC_BP && vector != 4);
}

void area_set_gate_dpl(struct area *a, u8 vector, u8 dpl)
{
	set_gate(a, vector, tramp_vectors[vector], gate_ist(vector), hv_vector(vector) ? 0 : dpl);
}

void area_set_pf_bounce(struct area *a, bool on)
{
	set_gate(a, VEC_PF, on ? tramp_pfs[cpu_info.fsgsbase] : tramp_vectors[VEC_PF], 0, 0);
}

static void fill_gdt(struct area *a)
{
	u64 *g = area_desc(a, DESC_GDT), tss = VMI_AREA_BASE + DESC_TSS;

	g[2] = DESC_KERNEL_CS;
	g[3] = DESC_KERNEL_DS;
	g[4] = DESC_USER32_CS;
	g[5] = DESC_USER_DS;
	g[6] = DESC_USER_CS;
	g[VMI_GDT_CPUNODE] = DESC_CPUNODE0;
	g[HV_CS / 8] = DESC_HV_CS;
	g[HV_SS / 8] = DESC_HV_SS;
	g[HV_TSS / 8] = 103 | (tss & 0xffffff) << 16 | DESC_TSS_TYPE << 40 | (tss >> 24 & 0xff) << 56;
	g[HV_TSS / 8 + 1] = tss >> 32;
}

static void fill_tss(struct area *a)
{
	u32 *t = (u32 *)area_desc(a, DESC_TSS);
	const struct { u32 off; u64 sp; } stacks[] = {
		{ 4, STACK_ENTRY_TOP }, { 36, STACK_IST_NMI }, { 44, STACK_IST_DF },
		{ 52, STACK_IST_DB }, { 60, STACK_IST_MC },
	};

	for (u32 i = 0; i < ARRAY_SIZE(stacks); i++) {
		u64 sp = VMI_AREA_BASE + stacks[i].sp;

		t[stacks[i].off / 4] = sp;
		t[stacks[i].off / 4 + 1] = sp >> 32;
	}
	t[25] = 104U << 16;			/* no I/O bitmap */
}

static void fill_frame(struct area *a, u32 off)
{
	u64 *f = area_desc(a, off);

	f[0] = 0;				/* RIP: set by vcpu_setup */
	f[1] = VMI_KERNEL_CS;
	f[2] = RFLAGS_FIXED | RFLAGS_IF;
	f[3] = 0;
	f[4] = 1;				/* SS: null with RPL 1 */
}

int area_init(struct area *a, u16 owner)
{
	mfn_t page[AREA_PAGES] = { 0 };
	u64 *l3, *l2, *l1;
	u32 i;

	a->l3 = heap_alloc(owner, FRAME_HV);
	a->l2 = heap_alloc(owner, FRAME_HV);
	a->l1 = heap_alloc(owner, FRAME_HV);
	if (a->l3 == MFN_NONE || a->l2 == MFN_NONE || a->l1 == MFN_NONE)
		return -VMI_ENOMEM;
	l3 = mfn_to_va(a->l3);
	l2 = mfn_to_va(a->l2);
	l1 = mfn_to_va(a->l1);
	l3[0] = a->l2 << PAGE_SHIFT | PTE_P | PTE_RW | PTE_A;
	l2[0] = a->l1 << PAGE_SHIFT | PTE_P | PTE_RW | PTE_A;
	for (i = 0; i < AREA_PAGES; i++) {
		u64 flags = i * PAGE_SIZE < VMI_AREA_IDT ? RO :
			    i * PAGE_SIZE < VMI_AREA_SHARED ? RO | PTE_NX : RW | PTE_NX;

		if (i < VMI_AREA_IDT / PAGE_SIZE)
			page[i] = (image_va_to_ma(tramp_load) >> PAGE_SHIFT) + i;
		else
			page[i] = heap_alloc(owner, FRAME_HV);
		if (page[i] == MFN_NONE)
			return -VMI_ENOMEM;
		l1[i] = page[i] << PAGE_SHIFT | flags;
	}
	a->idt = mfn_to_va(page[VMI_AREA_IDT / PAGE_SIZE]);
	a->desc = mfn_to_va(page[VMI_AREA_DESC / PAGE_SIZE]);
	a->shared_mfn = page[VMI_AREA_SHARED / PAGE_SIZE];
	a->shared = mfn_to_va(a->shared_mfn);

	for (i = 0; i < VMI_NR_VECTORS; i++)
		area_set_gate_dpl(a, i, 0);
	fill_gdt(a);
	fill_tss(a);
	fill_frame(a, DESC_FRAME_SYSCALL);
	fill_frame(a, DESC_FRAME_COMPAT);
	fill_frame(a, DESC_FRAME_PF);
	*(u16 *)area_desc(a, DESC_VERW_SEL) = HV_SS;
	for (i = 0; i < NR_ROOT_SLOTS; i++)
		*area_desc(a, DESC_ROOTS + 16 * i) = ROOT_SLOT_NONE;
	return 0;
}

void area_exit(struct area *a)
{
	const u64 *l1 = a->l1 && a->l1 != MFN_NONE ? mfn_to_va(a->l1) : NULL;
	const mfn_t tables[] = { a->l3, a->l2, a->l1 };

	for (u32 i = VMI_AREA_IDT / PAGE_SIZE; l1 && i < AREA_PAGES; i++)
		if (l1[i])
			frame_put((l1[i] & PTE_ADDR) >> PAGE_SHIFT);
	for (u32 i = 0; i < ARRAY_SIZE(tables); i++)
		if (tables[i] && tables[i] != MFN_NONE)
			frame_put(tables[i]);
}

void area_load_tables(void)
{
	struct { u16 limit; u64 base; } __packed d;

	/* LTR marks the descriptor busy, so it needs the writable alias for a moment. */
	d.limit = HV_GDT_SIZE - 1;
	d.base = (u64)area_desc(&this_cpu()->idle, DESC_GDT);
	__asm__ volatile ("lgdt %0" : : "m" (d));
	__asm__ volatile ("ltr %w0" : : "r" (HV_TSS));
	d.base = VMI_AREA_BASE + DESC_GDT;
	__asm__ volatile ("lgdt %0" : : "m" (d));
	__asm__ volatile ("pushq %0; leaq 1f(%%rip), %%rax; pushq %%rax; lretq; 1:"
			  : : "i" (HV_CS) : "rax", "memory");
	__asm__ volatile ("mov %0, %%ss" : : "r" (HV_SS));
	__asm__ volatile ("mov %0, %%ds; mov %0, %%es; mov %0, %%fs; mov %0, %%gs" : : "r" (0));
	__asm__ volatile ("lldt %w0" : : "r" (0));
	d.limit = 16 * VMI_NR_VECTORS - 1;
	d.base = VMI_AREA_BASE + VMI_AREA_IDT;
	__asm__ volatile ("lidt %0" : : "m" (d));
}

void pcpu_map_area(struct pcpu *c, struct area *a)
{
	*area_desc(a, DESC_HV_CR3) = va_to_ma(c->root);
	*area_desc(a, DESC_HV_STACK) = c->stack_top;
	*area_desc(a, DESC_PCPU) = (u64)c;
	c->root[pt_index(VMI_AREA_BASE, 4)] = area_l4e(a);
	WRITE_CR(3, va_to_ma(c->root));
}

_Static_assert(NR_ROOT_SLOTS == SHADOW_READY, "the trampoline knows all roots that are ready");

void arch_root_slot(struct vcpu *v, u32 i, u64 cr3, mfn_t l4)
{
	u64 *slot = area_desc(&v->arch->area, DESC_ROOTS + 16 * i);

	slot[0] = l4 ? cr3 : ROOT_SLOT_NONE;
	slot[1] = l4 << PAGE_SHIFT;
}

/*
 * May this descriptor be in a table that guests' selectors reach (R16)? Code or
 * data of DPL 3, so no gate, no TSS; not conforming; not of 64 and 32 bits at
 * once. It is marked accessed, as the processor must not want to write it (R5).
 */
static bool desc_ok(u64 *desc)
{
	u64 d = *desc, type = d >> 40 & 0xff;
	bool present = type & 0x80, code = type & 0x08;

	if (!d)
		return true;
	if ((type & 0x70) != 0x70)
		return false;
	if (present && code && ((type & 0x04) || ((d >> 53 & 1) && (d >> 54 & 1))))
		return false;
	*desc = d | BIT(40);
	return true;
}

long gdt_write(struct vcpu *v, u32 slot, u64 desc)
{
	if (slot < VMI_GDT_TLS_MIN || slot > VMI_GDT_CPUNODE || !desc_ok(&desc))
		return -VMI_EINVAL;
	area_desc(&v->arch->area, DESC_GDT)[slot] = desc;
	return 0;
}

/* LDTR: the first `nr` descriptors of the copy, or none. */
static void ldt_load(struct vcpu *v, u32 nr)
{
	u64 *g = area_desc(&v->arch->area, DESC_GDT) + HV_LDT / 8;
	u64 base = VMI_AREA_BASE + VMI_AREA_LDT;

	g[0] = (nr * 8UL - 1) & 0xffff;
	g[0] |= (base & 0xffffff) << 16 | 0x82UL << 40 | (base >> 24 & 0xff) << 56;
	g[1] = base >> 32;
	v->arch->ldt_nr = nr;
	__asm__ volatile ("lldt %w0" : : "r" (nr ? HV_LDT : 0));
}

/* A page of the copy, mapped read-only in the area; NULL without memory. */
static u64 *ldt_page(struct arch_vcpu *a, u16 owner, u32 i)
{
	u64 *l1 = mfn_to_va(a->area.l1);

	if (!a->ldt[i]) {
		mfn_t mfn = heap_alloc(owner, FRAME_HV);

		if (mfn == MFN_NONE)
			return NULL;
		a->ldt[i] = mfn;
		l1[VMI_AREA_LDT / PAGE_SIZE + i] = mfn << PAGE_SHIFT | RO | PTE_NX;
	}
	return mfn_to_va(a->ldt[i]);
}

long ldt_set(struct vcpu *v, u64 va, u32 nr)
{
	if (nr > VMI_LDT_MAX)
		return -VMI_EINVAL;
	ldt_load(v, 0);			/* nothing half-checked is ever reachable */
	for (u32 done = 0; done < nr; ) {
		u32 n = MIN(nr - done, (u32)(PAGE_SIZE / 8));
		u64 *page = ldt_page(v->arch, v->domain->id, done * 8 / PAGE_SIZE);

		if (!page)
			return -VMI_ENOMEM;
		if (copy_from_guest(v, page, va + done * 8, n * 8))
			return -VMI_EFAULT;
		for (u32 i = 0; i < n; i++) {
			if (!desc_ok(&page[i]))
				return -VMI_EINVAL;
		}
		done += n;
	}
	ldt_load(v, nr);
	return 0;
}
