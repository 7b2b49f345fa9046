// SPDX-License-Identifier: GPL-2.0-only
/*
 * vmi_dev.c - /dev/vmi: the devices by which programs of domain 0 reach the
 * hypervisor (vmi/dev.h). They are there in domain 0 only.
 *
 * Trust: only root opens them, whatever their files' modes; opened, they may be
 *        handed to anybody.
 */
#include <linux/capability.h>
#include <linux/err.h>
#include <linux/fs.h>
#include <linux/init.h>
#include <linux/miscdevice.h>
#include <linux/slab.h>
#include <asm/cpufeature.h>
#include "vmi_dev.h"
#include "vmi.h"

static struct miscdevice devices[] = {
	{ .minor = MISC_DYNAMIC_MINOR, .name = "vmi!call", .fops = &vmi_call_fops, .mode = 0600 },
	{ .minor = MISC_DYNAMIC_MINOR, .name = "vmi!port", .fops = &vmi_port_fops, .mode = 0600 },
	{ .minor = MISC_DYNAMIC_MINOR, .name = "vmi!mem", .fops = &vmi_mem_fops, .mode = 0600 },
};

void *vmi_dev_file(struct file *file, size_t size)
{
	if (!capable(CAP_SYS_ADMIN))
		return ERR_PTR(-EPERM);
	file->private_data = kzalloc(size, GFP_KERNEL);
	return file->private_data ?: ERR_PTR(-ENOMEM);
}

static int __init vmi_dev_init(void)
{
	int rc, i;

	if (!boot_cpu_has(X86_FEATURE_VMI) || !(vmi_start.features & VMI_FEAT_PRIVILEGED))
		return 0;
	rc = vmi_call_init();
	for (i = 0; i < ARRAY_SIZE(devices) && !rc; i++)
		rc = misc_register(&devices[i]);
	return rc;
}
device_initcall(vmi_dev_init);
