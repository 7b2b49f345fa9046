// SPDX-License-Identifier: GPL-2.0-only
/*
 * control.c - what domain 0 asks a guest for: an orderly shutdown or restart, as
 * the power button of a machine does.
 */
#include <linux/interrupt.h>
#include <linux/printk.h>
#include <linux/reboot.h>
#include <asm/cpufeature.h>
#include "vmi.h"

static irqreturn_t control_irq(int irq, void *dev)
{
	switch (vmi_control_get()) {
	case VMI_CONTROL_POWEROFF:
		pr_info("vmi: asked to shut down\n");
		orderly_poweroff(true);
		break;
	case VMI_CONTROL_REBOOT:
		pr_info("vmi: asked to restart\n");
		orderly_reboot();
		break;
	}
	return IRQ_HANDLED;
}

static int __init control_init(void)
{
	int irq;

	if (!boot_cpu_has(X86_FEATURE_VMI) || (vmi_start.features & VMI_FEAT_PRIVILEGED))
		return 0;
	irq = vmi_bind_virq(VMI_VIRQ_CONTROL);
	if (irq < 0)
		return irq;
	return request_irq(irq, control_irq, 0, "vmi-control", NULL);
}
device_initcall(control_init);
