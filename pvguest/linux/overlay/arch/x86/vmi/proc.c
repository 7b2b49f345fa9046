// SPDX-License-Identifier: GPL-2.0-only
/*
 * proc.c - /proc/vmi: what the hypervisor tells about itself and this domain.
 *
 * counters  "name value" lines; hc_<name>: calls of that hypercall
 * version   version of the interface, domain number, features
 * log       the hypervisor's log (domain 0)
 * null      write N: makes N null hypercalls; read: TSC ticks they took
 */
#include <linux/fs.h>
#include <linux/mutex.h>
#include <linux/proc_fs.h>
#include <linux/sched.h>
#include <linux/seq_file.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#include <asm/cpufeature.h>
#include <asm/msr.h>
#include <vmi/names.h>
#include "vmi.h"

#define NR_VALUES	(VMI_NR_CTRS + VMI_NR_HYPERCALLS)
#define NULL_CALLS_MAX	100000000UL

static const char * const names[NR_VALUES] = {
#define X(i, n) [i] = n,
	VMI_CTR_NAMES(X)
#undef X
#define X(i, n) [VMI_NR_CTRS + (i)] = "hc_" n,
	VMI_CALL_NAMES(X)
#undef X
};

static int counters_show(struct seq_file *m, void *v)
{
	u64 *val = kcalloc(NR_VALUES, sizeof(*val), GFP_KERNEL);
	long i, nr;

	if (!val)
		return -ENOMEM;
	nr = vmi_counters(val, NR_VALUES);
	for (i = 0; i < min_t(long, nr, NR_VALUES); i++)
		seq_printf(m, "%s %llu\n", names[i], val[i]);
	kfree(val);
	return nr < 0 ? -EIO : 0;
}

static int version_show(struct seq_file *m, void *v)
{
	long ver = vmi_version();

	seq_printf(m, "version %ld.%ld\nbuilt_for %d.%d\ndomid %u\nfeatures %#x\n",
		   ver >> 16, ver & 0xffff, VMI_VERSION_MAJOR, VMI_VERSION_MINOR,
		   vmi_start.domid, vmi_start.features);
	return 0;
}

/* The log is a ring of bytes with absolute offsets: the file position is one. */
static ssize_t log_read(struct file *file, char __user *ubuf, size_t len, loff_t *pos)
{
	char *buf = (char *)__get_free_page(GFP_KERNEL);
	u64 offset = *pos;
	long n;

	if (!buf)
		return -ENOMEM;
	n = vmi_log_read(&offset, buf, min_t(size_t, len, PAGE_SIZE));
	if (n < 0)
		n = n == -VMI_EPERM ? -EPERM : -EIO;
	else if (copy_to_user(ubuf, buf, n))
		n = -EFAULT;
	else
		*pos = offset;
	free_page((unsigned long)buf);
	return n;
}

static const struct proc_ops log_ops = {
	.proc_read	= log_read,
	.proc_lseek	= default_llseek,
};

static DEFINE_MUTEX(null_mutex);
static u64 null_calls, null_ticks;	/* under null_mutex */

static ssize_t null_write(struct file *file, const char __user *ubuf, size_t len, loff_t *pos)
{
	unsigned long i, n;
	u64 start;
	int rc;

	rc = kstrtoul_from_user(ubuf, len, 0, &n);
	if (rc)
		return rc;
	if (n > NULL_CALLS_MAX)
		return -EINVAL;
	mutex_lock(&null_mutex);
	start = rdtsc_ordered();
	for (i = 0; i < n; i++)
		vmi_version();
	null_ticks = rdtsc_ordered() - start;
	null_calls = n;
	mutex_unlock(&null_mutex);
	return len;
}

static int null_show(struct seq_file *m, void *v)
{
	mutex_lock(&null_mutex);
	seq_printf(m, "calls %llu\nticks %llu\n", null_calls, null_ticks);
	mutex_unlock(&null_mutex);
	return 0;
}

static int null_open(struct inode *inode, struct file *file)
{
	return single_open(file, null_show, NULL);
}

static const struct proc_ops null_ops = {
	.proc_open	= null_open,
	.proc_read	= seq_read,
	.proc_lseek	= seq_lseek,
	.proc_release	= single_release,
	.proc_write	= null_write,
};

static int __init proc_vmi_init(void)
{
	struct proc_dir_entry *dir;

	if (!boot_cpu_has(X86_FEATURE_VMI))
		return 0;
	dir = proc_mkdir_mode("vmi", 0500, NULL);
	if (!dir)
		return -ENOMEM;
	proc_create_single("counters", 0400, dir, counters_show);
	proc_create_single("version", 0400, dir, version_show);
	proc_create("log", 0400, dir, &log_ops);
	proc_create("null", 0600, dir, &null_ops);
	return 0;
}
device_initcall(proc_vmi_init);
