// SPDX-License-Identifier: GPL-2.0-only
/*
 * vmi_call.c - /dev/vmi/call: privileged hypercalls for the tools of domain 0.
 *
 * The hypervisor reads and writes the caller's own memory, so the pages of a
 * call's buffers are pinned for its time. A page may still be unmapped for a
 * moment (reclaim, migration); the hypervisor then says EFAULT and changes
 * nothing, and the call is made again.
 *
 * Events: the hypervisor tells each once. Here every open file is told, so that
 * several tools can watch; dom_event is answered from the file's own set.
 *
 * Domains that an open file created and that never ran end with it: a tool that
 * is killed in the middle of its work leaves nothing behind.
 *
 * Trust: the caller is root and may end any domain; it may not make calls that
 * are the kernel's own (CR3, flushes, vCPU set-up), nor name kernel memory.
 */
#include <linux/bitmap.h>
#include <linux/fs.h>
#include <linux/interrupt.h>
#include <linux/list.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/poll.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/uaccess.h>
#include <linux/wait.h>
#include <vmi/dev.h>
#include <vmi/names.h>
#include "vmi_dev.h"
#include "vmi.h"

#define TRIES		16
#define BUF_PAGES	(VMI_DEV_BUF_MAX / PAGE_SIZE + 1)

struct call_file {
	struct list_head list;
	struct mutex lock;		/* of `created` */
	DECLARE_BITMAP(created, VMI_MAX_DOMAINS);
	u8 events[VMI_MAX_DOMAINS];	/* not told yet */
	DECLARE_BITMAP(told, VMI_MAX_DOMAINS);	/* domains with events */
};

static LIST_HEAD(files);
static DEFINE_SPINLOCK(files_lock);	/* of the list, and of the files' events */
static DECLARE_WAIT_QUEUE_HEAD(events_wait);

static irqreturn_t domains_irq(int irq, void *dev)
{
	struct vmi_dom_event e;
	struct call_file *f;

	spin_lock(&files_lock);
	while (!vmi_dom_event(&e)) {
		list_for_each_entry(f, &files, list) {
			f->events[e.domid] |= e.flags;
			__set_bit(e.domid, f->told);
		}
	}
	spin_unlock(&files_lock);
	wake_up_interruptible(&events_wait);
	return IRQ_HANDLED;
}

/* dom_event for one file. */
static long next_event(struct call_file *f, void __user *to)
{
	struct vmi_dom_event e = { };
	unsigned int id;

	if (clear_user(to, sizeof(e)))
		return -VMI_EFAULT;
	spin_lock_irq(&files_lock);
	id = find_first_bit(f->told, VMI_MAX_DOMAINS);
	if (id < VMI_MAX_DOMAINS) {
		e = (struct vmi_dom_event){ .domid = id, .flags = f->events[id] };
		f->events[id] = 0;
		__clear_bit(id, f->told);
	}
	spin_unlock_irq(&files_lock);
	if (!e.flags)
		return -VMI_ENOENT;
	return copy_to_user(to, &e, sizeof(e)) ? -VMI_EFAULT : 0;
}

static bool call_allowed(const struct vmi_dev_call *c)
{
	switch (c->nr) {
	case VMI_HC_VERSION:
	case VMI_HC_FEATURES:
	case VMI_HC_COUNTERS:
	case VMI_HC_LOG_READ:
	case VMI_HC_DOM_BUDGET:
	case VMI_HC_DOM_CREATE ... VMI_HC_MACHINE_INFO:
		return true;
	case VMI_HC_EVT_ALLOC:
		/* A port of domain 0's own would stay when its tool ends: /dev/vmi/port has those. */
		return (u32)c->args[0] != VMI_DOMID_SELF && (u32)c->args[0] != vmi_start.domid;
	default:
		return false;
	}
}

static long raw_call(const struct vmi_dev_call *c)
{
	long ret = c->nr;
	register u64 r10 asm("r10") = c->args[3];
	register u64 r8 asm("r8") = c->args[4];
	register u64 r9 asm("r9") = c->args[5];
	u64 a0 = c->args[0], a1 = c->args[1], a2 = c->args[2];

	asm volatile (VMI_SYSCALL
		      : "+a" (ret), "+D" (a0), "+S" (a1), "+d" (a2), "+r" (r10), "+r" (r8), "+r" (r9), ASM_CALL_CONSTRAINT
		      : : "rcx", "r11", "memory", "cc");
	return ret;
}

static long destroy(u32 domid)
{
	long rc;

	while ((rc = vmi_dom_destroy(domid)) == -VMI_EAGAIN) {
		if (fatal_signal_pending(current))
			return -EINTR;
		cond_resched();
	}
	return rc;
}

static int pin(const struct vmi_dev_call *c, const struct vmi_dev_buf *b, struct page **pages)
{
	unsigned long start = c->args[b->arg] & PAGE_MASK;
	int nr = DIV_ROUND_UP(c->args[b->arg] - start + b->len, PAGE_SIZE), got;

	got = pin_user_pages_fast(start, nr, b->write ? FOLL_WRITE : 0, pages);
	if (got == nr)
		return nr;
	if (got > 0)
		unpin_user_pages(pages, got);
	return -EFAULT;
}

/* Make the call with its buffers pinned. */
static int call_pinned(struct vmi_dev_call *c)
{
	struct page **pages[VMI_DEV_BUFS] = { };
	int nr[VMI_DEV_BUFS] = { }, i, rc = 0;

	for (i = 0; i < VMI_DEV_BUFS && !rc; i++) {
		if (!c->buf[i].len)
			continue;
		pages[i] = kmalloc_array(BUF_PAGES, sizeof(struct page *), GFP_KERNEL);
		nr[i] = pages[i] ? pin(c, &c->buf[i], pages[i]) : -ENOMEM;
		if (nr[i] < 0)
			rc = nr[i];
	}
	if (!rc)
		c->result = c->nr == VMI_HC_DOM_DESTROY ? destroy(c->args[0]) : raw_call(c);
	for (i = 0; i < VMI_DEV_BUFS; i++) {
		if (nr[i] > 0)
			unpin_user_pages_dirty_lock(pages[i], nr[i], c->buf[i].write);
		kfree(pages[i]);
	}
	return rc;
}

static int check_call(const struct vmi_dev_call *c)
{
	int i;

	if (!call_allowed(c))
		return -EPERM;
	if (c->reserved)
		return -EINVAL;
	for (i = 0; i < VMI_DEV_BUFS; i++) {
		const struct vmi_dev_buf *b = &c->buf[i];

		if (!b->len)
			continue;
		if (b->arg > 5 || b->len > VMI_DEV_BUF_MAX || b->write > 1 || b->reserved)
			return -EINVAL;
		if (!access_ok((void __user *)c->args[b->arg], b->len))
			return -EFAULT;
	}
	return 0;
}

/* Pointers that no buffer describes must not be followed. */
static bool pointers_described(const struct vmi_dev_call *c)
{
	static const struct { u32 nr; u8 ptrs; } calls[] = { VMI_CALL_PTRS };
	u8 have = 0;
	int i;

	for (i = 0; i < VMI_DEV_BUFS; i++)
		if (c->buf[i].len)
			have |= 1 << c->buf[i].arg;
	for (i = 0; i < ARRAY_SIZE(calls); i++)
		if (calls[i].nr == c->nr)
			return !(calls[i].ptrs & ~have);
	return false;
}

static long call_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	struct call_file *f = file->private_data;
	struct vmi_dev_call c;
	int rc, i;

	if (cmd != VMI_DEV_CALL)
		return -ENOTTY;
	if (copy_from_user(&c, (void __user *)arg, sizeof(c)))
		return -EFAULT;
	rc = check_call(&c);
	if (!rc && !pointers_described(&c))
		rc = -EINVAL;
	if (rc)
		return rc;

	mutex_lock(&f->lock);
	for (i = 0; i < TRIES; i++) {
		if (c.nr == VMI_HC_DOM_EVENT)
			c.result = next_event(f, (void __user *)c.args[0]);
		else
			rc = call_pinned(&c);
		if (rc || c.result != -VMI_EFAULT)
			break;
	}
	if (c.nr == VMI_HC_DOM_CREATE && c.result > 0)
		set_bit(c.result, f->created);
	mutex_unlock(&f->lock);
	if (!rc && copy_to_user((void __user *)arg + offsetof(struct vmi_dev_call, result), &c.result, sizeof(c.result)))
		rc = -EFAULT;
	return rc;
}

static __poll_t call_poll(struct file *file, poll_table *wait)
{
	struct call_file *f = file->private_data;

	poll_wait(file, &events_wait, wait);
	return bitmap_empty(f->told, VMI_MAX_DOMAINS) ? 0 : EPOLLIN | EPOLLRDNORM;
}

static int call_open(struct inode *inode, struct file *file)
{
	struct call_file *f = vmi_dev_file(file, sizeof(*f));

	if (IS_ERR(f))
		return PTR_ERR(f);
	mutex_init(&f->lock);
	spin_lock_irq(&files_lock);
	list_add(&f->list, &files);
	spin_unlock_irq(&files_lock);
	return 0;
}

static int call_release(struct inode *inode, struct file *file)
{
	struct call_file *f = file->private_data;
	struct vmi_dom_info *info = kmalloc(sizeof(*info), GFP_KERNEL | __GFP_NOFAIL);
	unsigned int id;

	spin_lock_irq(&files_lock);
	list_del(&f->list);
	spin_unlock_irq(&files_lock);

	for_each_set_bit(id, f->created, VMI_MAX_DOMAINS) {
		/* An identifier may be another domain's by now: then that is new, too, and of another file. */
		if (!vmi_dom_info(id, info) && info->domid == id && (info->flags & VMI_DOM_NEW))
			while (vmi_dom_destroy(id) == -VMI_EAGAIN)
				cond_resched();
	}
	kfree(info);
	kfree(f);
	return 0;
}

const struct file_operations vmi_call_fops = {
	.owner		= THIS_MODULE,
	.open		= call_open,
	.release	= call_release,
	.unlocked_ioctl	= call_ioctl,
	.poll		= call_poll,
	.llseek		= noop_llseek,
};

int __init vmi_call_init(void)
{
	int irq = vmi_bind_virq(VMI_VIRQ_DOMAINS);

	return irq < 0 ? irq : request_irq(irq, domains_irq, 0, "vmi-domains", NULL);
}
