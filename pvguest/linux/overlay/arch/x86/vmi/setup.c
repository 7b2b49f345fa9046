// SPDX-License-Identifier: GPL-2.0-only
/*
 * setup.c - from the VMI entry to start_kernel(): which operations, features
 * and platform hooks a guest has instead of the hardware's.
 *
 * Runs once, on the boot vCPU, with virtual interrupts off. The hypervisor
 * starts the kernel on its static tables (init_top_pgt: identity and direct map
 * of the first GiB); from there it goes on as the native boot code does, on
 * early_top_pgt, whose direct map the early page-fault handler fills.
 */
#include <linux/cpu.h>
#include <linux/panic_notifier.h>
#include <linux/pm.h>
#include <linux/reboot.h>
#include <linux/screen_info.h>
#include <linux/string.h>
#include <asm/acpi.h>
#include <asm/cpu.h>
#include <asm/desc.h>
#include <asm/e820/types.h>
#include <asm/hypervisor.h>
#include <asm/i8259.h>
#include <asm/mpspec.h>
#include <asm/paravirt.h>
#include <asm/pgtable.h>
#include <asm/pci_x86.h>
#include <asm/reboot.h>
#include <asm/setup.h>
#include <asm/smp.h>
#include <asm/tlbflush.h>
#include <asm/x86_init.h>
#include "vmi.h"

struct vmi_start_info vmi_start __ro_after_init;

static const unsigned int hidden_caps[] __initconst = {
	/* the hypervisor's, or useless without its privileges */
	X86_FEATURE_SMAP, X86_FEATURE_UMIP, X86_FEATURE_LA57, X86_FEATURE_PKU,
	X86_FEATURE_OSPKE, X86_FEATURE_INVPCID, X86_FEATURE_XSAVES,
	X86_FEATURE_XFD, X86_FEATURE_IBT, X86_FEATURE_MWAIT,
	X86_FEATURE_WAITPKG, X86_FEATURE_SYSENTER32, X86_FEATURE_ENQCMD,
	X86_FEATURE_SGX, X86_FEATURE_VMX, X86_FEATURE_SVM, X86_FEATURE_SME,
	X86_FEATURE_SEV, X86_FEATURE_BUS_LOCK_DETECT,
	X86_FEATURE_SPLIT_LOCK_DETECT, X86_FEATURE_CORE_CAPABILITIES,
	/* devices of the platform */
	X86_FEATURE_MTRR, X86_FEATURE_MCE, X86_FEATURE_MCA, X86_FEATURE_APIC,
	X86_FEATURE_X2APIC, X86_FEATURE_ACPI, X86_FEATURE_ACC,
	X86_FEATURE_TSC_DEADLINE_TIMER, X86_FEATURE_APERFMPERF,
	X86_FEATURE_EPB, X86_FEATURE_HWP, X86_FEATURE_CPPC, X86_FEATURE_EST,
	/* performance monitoring and resource control */
	X86_FEATURE_ARCH_PERFMON, X86_FEATURE_DS, X86_FEATURE_DTES64,
	X86_FEATURE_PERFCTR_CORE, X86_FEATURE_PERFCTR_NB,
	X86_FEATURE_PERFCTR_LLC, X86_FEATURE_IBS, X86_FEATURE_INTEL_PT,
	X86_FEATURE_CQM, X86_FEATURE_CAT_L3, X86_FEATURE_CAT_L2,
	X86_FEATURE_CDP_L3, X86_FEATURE_MBA, X86_FEATURE_RDT_A,
	/* speculation control: the hypervisor switches it */
	X86_FEATURE_SPEC_CTRL, X86_FEATURE_SPEC_CTRL_SSBD,
	X86_FEATURE_INTEL_STIBP, X86_FEATURE_ARCH_CAPABILITIES,
	X86_FEATURE_AMD_IBPB, X86_FEATURE_AMD_IBRS, X86_FEATURE_AMD_STIBP,
	X86_FEATURE_AMD_SSBD, X86_FEATURE_VIRT_SSBD, X86_FEATURE_SSBD,
	X86_FEATURE_IBRS, X86_FEATURE_IBPB, X86_FEATURE_STIBP,
	X86_FEATURE_LS_CFG_SSBD, X86_FEATURE_FLUSH_L1D,
	/* __switch_to() would load SS with the selector of ring 0 */
	X86_BUG_SYSRET_SS_ATTRS,
	/* its idle routine asks the APIC */
	X86_BUG_AMD_E400,
};

static void __init set_caps(void)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(hidden_caps); i++)
		setup_clear_cpu_cap(hidden_caps[i]);

	setup_force_cpu_cap(X86_FEATURE_VMI);
	setup_force_cpu_cap(X86_FEATURE_HYPERVISOR);
	if (vmi_start.features & VMI_FEAT_FSGSBASE) {
		setup_force_cpu_cap(X86_FEATURE_FSGSBASE);
		setup_force_cpu_cap(X86_FEATURE_VMI_GS);
	} else {
		setup_clear_cpu_cap(X86_FEATURE_FSGSBASE);
	}
	setup_force_cpu_cap(X86_FEATURE_PGE);
	setup_force_cpu_cap(X86_FEATURE_PCID);
	if (vmi_start.features & VMI_FEAT_TSC_STABLE) {
		setup_force_cpu_cap(X86_FEATURE_CONSTANT_TSC);
		setup_force_cpu_cap(X86_FEATURE_NONSTOP_TSC);
		setup_force_cpu_cap(X86_FEATURE_TSC_KNOWN_FREQ);
		setup_force_cpu_cap(X86_FEATURE_TSC_RELIABLE);
	}
}

static void vmi_stop(unsigned int reason)
{
	for (;;)
		vmi_shutdown(reason);
}

static void vmi_restart(char *cmd)
{
	vmi_stop(VMI_SHUTDOWN_REBOOT);
}

static void vmi_emergency_restart(void)
{
	vmi_stop(VMI_SHUTDOWN_REBOOT);
}

static void vmi_power_off(void)
{
	vmi_stop(VMI_SHUTDOWN_POWEROFF);
}

static void vmi_crash(struct pt_regs *regs)
{
	vmi_stop(VMI_SHUTDOWN_CRASH);
}

static void vmi_shutdown_noop(void)
{
}

static int vmi_panic(struct notifier_block *nb, unsigned long event, void *msg)
{
	vmi_stop(VMI_SHUTDOWN_CRASH);
	return NOTIFY_DONE;
}

/* Last of the panic notifiers: the others may still print. */
static struct notifier_block vmi_panic_block = {
	.notifier_call = vmi_panic,
	.priority = INT_MIN,
};

static void __init set_legacy_features(void)
{
	x86_platform.legacy.rtc = 0;
	x86_platform.legacy.warm_reset = 0;
	x86_platform.legacy.no_vga = 1;
	x86_platform.legacy.reserve_bios_regions = 0;
	x86_platform.legacy.i8042 = X86_LEGACY_I8042_PLATFORM_ABSENT;
	x86_platform.legacy.devices.pnpbios = 0;
}

static void __init get_smp_config_vmi(unsigned int early)
{
	if (early)
		return;
	num_processors = 1;
	set_cpu_possible(0, true);
	set_cpu_present(0, true);
}

static unsigned char get_nmi_reason(void)
{
	return 0;
}

static void __init set_platform(void)
{
	x86_init.resources.probe_roms = x86_init_noop;
	x86_init.resources.dmi_setup = x86_init_noop;
	x86_init.mpparse.find_smp_config = x86_init_noop;
	x86_init.mpparse.get_smp_config = get_smp_config_vmi;
	x86_init.irqs.intr_init = vmi_init_irq;
	x86_init.irqs.intr_mode_select = x86_init_noop;
	x86_init.irqs.intr_mode_init = x86_init_noop;
	x86_platform.set_legacy_features = set_legacy_features;
	x86_platform.get_nmi_reason = get_nmi_reason;
	x86_platform.realmode_reserve = x86_init_noop;
	x86_platform.realmode_init = x86_init_noop;
	legacy_pic = &null_legacy_pic;
	if (IS_ENABLED(CONFIG_PCI_MSI) && vmi_start.acpi_rsdp) {
		boot_params.acpi_rsdp_addr = vmi_start.acpi_rsdp;
		vmi_pci_init();
	} else {
		disable_acpi();
#ifdef CONFIG_PCI
		pci_probe = 0;
#endif
	}
	machine_ops.restart = vmi_restart;
	machine_ops.halt = vmi_power_off;
	machine_ops.power_off = vmi_power_off;
	machine_ops.shutdown = vmi_shutdown_noop;
	machine_ops.crash_shutdown = vmi_crash;
	machine_ops.emergency_restart = vmi_emergency_restart;
	pm_power_off = vmi_power_off;
	atomic_notifier_chain_register(&panic_notifier_list, &vmi_panic_block);
}

/* Tell the kernel about its memory, command line and initial RAM disk. */
static void __init set_boot_params(void)
{
	struct setup_header *hdr = &boot_params.hdr;
	u32 i, nr = min_t(u32, vmi_start.nr_map, VMI_START_MAX_MAP);

	hdr->version = 0x20f;
	hdr->type_of_loader = 0xff;
	hdr->ramdisk_image = lower_32_bits(vmi_start.initrd);
	hdr->ramdisk_size = lower_32_bits(vmi_start.initrd_size);
	boot_params.ext_ramdisk_image = upper_32_bits(vmi_start.initrd);
	boot_params.ext_ramdisk_size = upper_32_bits(vmi_start.initrd_size);
	for (i = 0; i < nr; i++) {
		struct boot_e820_entry *e = &boot_params.e820_table[i];

		/* VMI_MAP_* are the numbers of the BIOS call, as E820_TYPE_* are. */
		e->addr = vmi_start.map[i].base;
		e->size = vmi_start.map[i].size;
		e->type = vmi_start.map[i].type;
	}
	boot_params.e820_entries = nr;
	if (vmi_start.cmdline)
		strscpy(boot_command_line, __va(vmi_start.cmdline), COMMAND_LINE_SIZE);
}

static uint32_t __init detect(void)
{
	return boot_cpu_has(X86_FEATURE_VMI) ? 1 : 0;
}

const struct hypervisor_x86 x86_hyper_vmi __initconst = {
	.name = "VMI",
	.detect = detect,
	.type = X86_HYPER_VMI,
	.ignore_nopv = true,
};

static void __init switch_to_early_tables(void)
{
	early_top_pgt[511] = init_top_pgt[511];
	write_cr3(__pa_symbol(early_top_pgt));
	clear_page(init_top_pgt);
	init_top_pgt[511] = early_top_pgt[511];
}

/* First C code of a guest. si: guest-physical, in the first GiB. */
asmlinkage __visible void __init vmi_start_kernel(unsigned long si)
{
	clear_bss();
	early_boot_irqs_disabled = true;

	vmi_start = *(struct vmi_start_info *)__va(si);
	if (vmi_start.magic != VMI_START_MAGIC)
		vmi_stop(VMI_SHUTDOWN_CRASH);

	pv_info.name = "VMI";
	vmi_cpu_init();
	vmi_mmu_init();
	set_caps();
	set_boot_params();
	set_platform();
	vmi_bus_reserve();
	vmi_time_init();
	cr4_init_shadow();

	idt_setup_early_handler();
	switch_to_early_tables();
	vmi_console_init();
	x86_64_start_reservations((char *)__pa_symbol(&boot_params));
}
