// SPDX-License-Identifier: GPL-2.0-only
/*
 * cpu.c - what this processor can do, how it is set up, and which of its
 * model-specific registers, control bits and CPUID leaves a guest sees.
 *
 * Policy: a guest sees the real processor minus what ring 1 or this version
 * cannot give it (rule E6), plus PCID and PGE, which the shadow tables provide
 * on any hardware (rule M5). `cpuid` itself does not trap: user programs see
 * the real leaves, so XCR0 stays what those promise.
 *
 * Trust: every value here is guest-chosen; a value that the hardware could
 * refuse is checked first.
 */
#include <hv/lib.h>
#include <hv/x86.h>

struct cpu_info cpu_info;
bool ibpb_on_entry;

/* RFLAGS cleared by SYSCALL: TF IF DF IOPL NT AC. */
#define SYSCALL_MASK	(RFLAGS_TF | RFLAGS_IF | RFLAGS_DF | RFLAGS_IOPL | RFLAGS_NT | RFLAGS_AC)

/* Linux on Intel's processors writes 0 to the microcode revision, then reads it. */
#define MSR_UCODE_REV		0x0000008b
/* Without this bit of MSR_MISC_ENABLE Linux gives up fast string operations. */
#define MISC_FAST_STRING	BIT(0)

extern const u64 tramp_lstars[2], tramp_cstars[2];
extern char image_end[];

void cpu_check(void)
{
	struct cpu_info *c = &cpu_info;
	bool own_returns = false;	/* the processor says that what ring 1 did cannot steer a return */
	u32 r[4];

	cpuid(0, 0, r);
	c->max_leaf = r[0];
	memcpy(c->vendor, &r[1], 4);
	memcpy(c->vendor + 4, &r[3], 4);
	memcpy(c->vendor + 8, &r[2], 4);
	c->amd = !strcmp(c->vendor, "AuthenticAMD");
	cpuid(0x80000000, 0, r);
	c->max_ext = r[0];

	cpuid(1, 0, r);
	c->xsave = r[2] & BIT(26);
	c->x2apic = r[2] & BIT(21);
	c->tsc_deadline = r[2] & BIT(24);
	if (!(r[3] & BIT(9)))
		fatal("this CPU has no local APIC, or the firmware turned it off: enable it in the firmware's setup");
	if (c->max_leaf >= 7) {
		cpuid(7, 0, r);
		c->fsgsbase = r[1] & BIT(0);
		c->smep = r[1] & BIT(7);
		c->ibpb = r[3] & BIT(26);
		if (!c->amd && r[3] & BIT(29))
			own_returns = rdmsr(MSR_ARCH_CAPS) & BIT(62);	/* ITS_NO */
	}
	if (c->xsave) {
		cpuid(13, 0, r);
		/* x87, SSE, AVX, AVX-512; the rest needs XSS or is hidden (E6). */
		c->xcr0_mask = (r[0] | (u64)r[3] << 32) & 0xe7;
	}
	cpuid(0x80000001, 0, r);
	c->rdtscp = r[3] & BIT(27);
	if (c->max_ext >= 0x80000007) {
		cpuid(0x80000007, 0, r);
		c->invariant_tsc = r[3] & BIT(8);
	}
	c->ma_mask = BIT(36) - 1;
	if (c->max_ext >= 0x80000008) {
		cpuid(0x80000008, 0, r);
		c->ma_mask = BIT(r[0] & 0xff) - 1;
		c->ibpb |= !!(r[1] & BIT(12));
	}
	if (c->amd) {
		cpuid(0x80000021, 0, r);
		own_returns = r[0] & BIT(29);	/* SRSO_NO */
	}
	ibpb_on_entry = c->ibpb && !own_returns;
}

void cpu_init(void)
{
	u64 cr4 = CR4_PAE | CR4_PGE | CR4_OSFXSR | CR4_OSXMMEXCPT | CR4_MCE;

	if (cpu_info.fsgsbase)
		cr4 |= CR4_FSGSBASE;
	if (cpu_info.xsave)
		cr4 |= CR4_OSXSAVE;
	if (cpu_info.smep)
		cr4 |= CR4_SMEP;
	WRITE_CR(4, cr4);			/* TSD, PCE, VME, PVI, CET and the rest stay off (R20) */
	WRITE_CR(0, CR0_GUEST);			/* WP always (R5); TS and EM never */

	wrmsr(MSR_EFER, EFER_SCE | EFER_LME | EFER_LMA | EFER_NXE);
	wrmsr(MSR_STAR, (u64)HV_CS << 32);	/* sysret is never used (R9) */
	wrmsr(MSR_LSTAR, tramp_lstars[cpu_info.fsgsbase]);
	wrmsr(MSR_CSTAR, tramp_cstars[cpu_info.fsgsbase]);
	wrmsr(MSR_SFMASK, SYSCALL_MASK);
	if (!cpu_info.amd)
		wrmsr(MSR_SYSENTER_CS, 0);	/* sysenter faults (R3); AMD has none in long mode */
	wrmsr(MSR_PAT, 0x0407050600070106UL);	/* Linux's table (M7) */
	wrmsr(MSR_GS_BASE, 0);
	wrmsr(MSR_KERNEL_GS_BASE, 0);
	wrmsr(MSR_FS_BASE, 0);
	WRITE_DR(7, 0x400);
	WRITE_DR(6, 0xffff0ff0);
	__asm__ volatile ("fninit");
	if (cpu_info.xsave)
		xsetbv(1);
}

bool gs_swap(struct vcpu *v)
{
	u64 other;

	if (!cpu_info.fsgsbase) {
		__asm__ volatile ("swapgs");
		return true;
	}
	other = READ_ONCE(v->shared->user_gs);
	if (!va_canonical(other))
		return false;
	v->shared->user_gs = rdmsr(MSR_GS_BASE);
	wrmsr(MSR_GS_BASE, other);
	return true;
}

bool msr_read_policy(struct vcpu *v, u32 msr, u64 *val)
{
	switch (msr) {
	case MSR_FS_BASE:
	case MSR_GS_BASE:
	case MSR_PAT:
		*val = rdmsr(msr);
		return true;
	case MSR_KERNEL_GS_BASE:
		*val = cpu_info.fsgsbase ? v->shared->user_gs : rdmsr(msr);
		return true;
	case MSR_EFER:
		*val = EFER_SCE | EFER_LME | EFER_LMA | EFER_NXE;
		return true;
	case MSR_TSC_AUX:
		*val = cpu_info.rdtscp ? rdmsr(msr) : 0;
		return cpu_info.rdtscp;
	case MSR_STAR:
	case MSR_LSTAR:
	case MSR_CSTAR:
	case MSR_SFMASK:
	case MSR_SYSENTER_CS ... MSR_SYSENTER_EIP:
	case MSR_UCODE_REV:
		*val = 0;
		return true;
	case MSR_MISC_ENABLE:
		*val = MISC_FAST_STRING;
		return true;
	default:
		return false;
	}
}

bool msr_write_policy(struct vcpu *v, u32 msr, u64 val)
{
	u64 old;

	switch (msr) {
	case MSR_FS_BASE:
	case MSR_GS_BASE:
		if (!va_canonical(val))
			return false;
		wrmsr(msr, val);
		return true;
	case MSR_KERNEL_GS_BASE:
		if (!va_canonical(val))
			return false;
		if (cpu_info.fsgsbase)
			v->shared->user_gs = val;
		else
			wrmsr(msr, val);
		return true;
	case MSR_TSC_AUX:
		if (!cpu_info.rdtscp || val >> 32)
			return false;
		wrmsr(msr, val);
		return true;
	case MSR_STAR:			/* the guest's entry points come with vcpu_setup */
	case MSR_LSTAR:
	case MSR_CSTAR:
	case MSR_SFMASK:
	case MSR_SYSENTER_CS ... MSR_SYSENTER_EIP:
		return true;
	case MSR_EFER:
	case MSR_PAT:
	case MSR_UCODE_REV:
	case MSR_MISC_ENABLE:
		return msr_read_policy(v, msr, &old) && old == val;
	default:
		return false;
	}
}

bool xcr0_ok(u64 val)
{
	/* SDM vol. 1, 13.3: x87 always; AVX needs SSE; AVX-512's three together and with AVX. */
	if (!cpu_info.xsave || !(val & 1) || (val & ~cpu_info.xcr0_mask))
		return false;
	if ((val & 4) && !(val & 2))
		return false;
	return !(val & 0xe0) || ((val & 0xe0) == 0xe0 && (val & 4));
}

bool xcr_write_policy(struct vcpu *v, u32 xcr, u64 val)
{
	if (xcr || !xcr0_ok(val))
		return false;
	xsetbv(val);
	v->arch->xcr0 = val;
	return true;
}

bool cr4_ok(u64 val)
{
	/* What a guest may claim to use; the hardware's CR4 never follows it. */
	u64 allowed = 0x7ff | CR4_PCIDE | (cpu_info.fsgsbase ? CR4_FSGSBASE : 0) | (cpu_info.xsave ? CR4_OSXSAVE : 0) |
		      (cpu_info.smep ? CR4_SMEP : 0);

	return !(val & ~allowed) && (val & CR4_PAE);
}

bool cr4_write_policy(struct vcpu *v, u64 val)
{
	if (!cr4_ok(val))
		return false;
	v->cr4 = val;
	/* Any change of its paging bits flushes everything (SDM vol. 3A, 4.10.4.1). */
	shadow_flush_all(v->domain);
	return true;
}

/*
 * R7: no breakpoint may watch the trampoline area, the top 2 MiB, or what the
 * hypervisor itself touches at the same address on its own tables: one that
 * fires again while its handler runs would never end.
 */
bool breakpoint_ok(u64 va)
{
	const struct { u64 start, end; } refused[] = {
		{ VMI_AREA_BASE, VMI_AREA_END },
		{ VMI_TOP_BASE, -1UL },
		{ HV_BASE, (u64)image_end },
		{ DIRECTMAP_BASE, DIRECTMAP_BASE + MAX(boot_info.top, 1UL << 32) },
	};

	if (!va_canonical(va) || !va_canonical(va + 8) || va + 8 < va)
		return false;
	for (u32 i = 0; i < ARRAY_SIZE(refused); i++) {
		if (va + 8 > refused[i].start && va < refused[i].end)
			return false;
	}
	return true;
}

/* An I/O breakpoint needs CR4.DE. */
bool dr7_ok(u64 val)
{
	for (int i = 0; i < 4; i++) {
		if ((val >> (16 + 4 * i) & 3) == 2)
			return false;
	}
	return true;
}

bool debugreg_write_policy(struct vcpu *v, u32 reg, u64 val)
{
	struct arch_vcpu *a = v->arch;

	switch (reg) {
	case 0 ... 3:
		if (val && !breakpoint_ok(val))
			return false;
		a->dr[reg] = val;
		if (reg == 0)
			WRITE_DR(0, val);
		else if (reg == 1)
			WRITE_DR(1, val);
		else if (reg == 2)
			WRITE_DR(2, val);
		else
			WRITE_DR(3, val);
		return true;
	case 6:
		v->shared->dr6 = val;
		return true;
	case 7:
		/* GD would trap the hypervisor's own accesses. */
		val = (val & DR7_GUEST) | 0x400;
		if (!dr7_ok(val))
			return false;
		a->dr7 = val;
		WRITE_DR(7, val);
		return true;
	default:
		return false;
	}
}

u64 debugreg_read(struct vcpu *v, u32 reg)
{
	return reg < 4 ? v->arch->dr[reg] : reg == 6 ? v->shared->dr6 : v->arch->dr7;
}

void cpuid_policy(u32 leaf, u32 sub, u32 r[4])
{
	if (leaf >= 0x40000000 && leaf < 0x40000100) {
		r[0] = r[1] = r[2] = r[3] = 0;
		if (leaf == 0x40000000) {
			r[0] = 0x40000001;
			memcpy(&r[1], "VMIVMIVMIVMI", 12);
		} else if (leaf == 0x40000001) {
			r[0] = VMI_VERSION_MAJOR << 16 | VMI_VERSION_MINOR;
			r[1] = tsc_khz();
		}
		return;
	}
	cpuid(leaf, sub, r);
	switch (leaf) {
	case 1:
		/* off: DTES64 MONITOR DSCPL VMX SMX EST TM2 PDCM DCA x2APIC TSC-deadline */
		r[2] &= ~(BIT(2) | BIT(3) | BIT(4) | BIT(5) | BIT(6) | BIT(7) | BIT(8) | BIT(15) |
			  BIT(18) | BIT(21) | BIT(24));
		r[2] |= BIT(17) | BIT(31);		/* PCID, running under a hypervisor */
		/* off: MCE APIC SEP MTRR MCA DS ACPI TM */
		r[3] &= ~(BIT(7) | BIT(9) | BIT(11) | BIT(12) | BIT(14) | BIT(21) | BIT(22) | BIT(29));
		r[3] |= BIT(13);			/* PGE */
		break;
	case 5:						/* MONITOR/MWAIT */
	case 6:						/* thermal and power management */
	case 0xa:					/* performance monitoring */
	case 0xf ... 0x10:				/* resource director */
	case 0x12:					/* SGX */
	case 0x14:					/* processor trace */
		r[0] = r[1] = r[2] = r[3] = 0;
		break;
	case 7:
		if (sub) {
			r[0] = r[1] = r[2] = r[3] = 0;
			break;
		}
		r[0] = 0;
		/* off: TSC_ADJUST SGX INVPCID RDT-M MPX RDT-A SMAP PT */
		r[1] &= ~(BIT(1) | BIT(2) | BIT(10) | BIT(12) | BIT(14) | BIT(15) | BIT(20) | BIT(25));
		/* off: UMIP PKU OSPKE WAITPKG CET-SS LA57 ENQCMD PKS */
		r[2] &= ~(BIT(2) | BIT(3) | BIT(4) | BIT(5) | BIT(7) | BIT(16) | BIT(29) | BIT(31));
		/* off: UINTR CET-IBT AMX, and the speculation control family */
		r[3] &= ~(BIT(5) | BIT(20) | BIT(22) | BIT(24) | BIT(25) | BIT(26) | BIT(27) | BIT(28) |
			  BIT(29) | BIT(30) | BIT(31));
		break;
	case 0xd:
		if (sub == 0) {
			r[0] &= cpu_info.xcr0_mask;
			r[3] = 0;
		} else if (sub == 1) {
			r[0] &= BIT(0) | BIT(1) | BIT(2);	/* no XSAVES, XFD */
			r[2] = r[3] = 0;
		} else if (sub >= 64 || !(cpu_info.xcr0_mask & BIT(sub))) {
			r[0] = r[1] = r[2] = r[3] = 0;
		}
		break;
	case 0x80000001:
		r[2] &= ~(BIT(2) | BIT(10) | BIT(12) | BIT(13) | BIT(23) | BIT(24) | BIT(28) | BIT(29));
		r[3] &= ~(BIT(7) | BIT(9) | BIT(12) | BIT(14));
		r[3] |= BIT(13);
		break;
	case 0x80000007:
		r[3] |= BIT(8);				/* this machine's TSC is the clock source: see start info */
		break;
	case 0x80000008:
		r[1] &= BIT(0) | BIT(1) | BIT(2) | BIT(9);	/* no IBPB, IBRS, STIBP, SSBD */
		break;
	case 0x8000000a:				/* SVM */
	case 0x8000001f:				/* memory encryption */
		r[0] = r[1] = r[2] = r[3] = 0;
		break;
	}
}
