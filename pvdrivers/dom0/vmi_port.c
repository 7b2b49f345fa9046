// SPDX-License-Identifier: GPL-2.0-only
/*
 * vmi_port.c - /dev/vmi/port: an event port of domain 0 as an open file.
 *
 * Each open file is one port: opened for another domain, or bound to a port that
 * one has open. Its events go to an eventfd, and poll tells of them; an ioctl or
 * another eventfd raises the far end. Closing it closes the port, so a program
 * that is killed leaves none.
 *
 * Locking: file->lock for setting the port up; the interrupt reads `efd`, and who
 *          signals the other eventfd reads `port`, only after that.
 * Trust:   root alone. What the far end sends is one bit, at any rate: an event
 *          that nobody has taken yet is not told again.
 */
#include <linux/eventfd.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/interrupt.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/poll.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#include <linux/wait.h>
#include <vmi/dev.h>
#include "vmi_dev.h"
#include "vmi.h"

struct port_file {
	struct mutex lock;
	unsigned int port;		/* 0: none yet */
	int irq;
	struct eventfd_ctx *efd;
	wait_queue_head_t wait;
	bool raised;			/* since the last read */
	struct eventfd_ctx *irqfd;	/* raises the far end: */
	wait_queue_entry_t irqfd_wait;	/* waits there */
	poll_table irqfd_poll;
};

static irqreturn_t port_irq(int irq, void *dev)
{
	struct port_file *f = dev;
	struct eventfd_ctx *efd = READ_ONCE(f->efd);

	WRITE_ONCE(f->raised, true);
	if (efd)
		eventfd_signal(efd, 1);
	wake_up_interruptible(&f->wait);
	return IRQ_HANDLED;
}

/* The port is open in the hypervisor: have its events. */
static int connect(struct port_file *f, long port)
{
	int rc;

	if (port < 0)
		return port == -VMI_ESRCH ? -ESRCH : port == -VMI_ENOENT ? -ENOENT : -ENOSPC;
	f->irq = vmi_port_irq_get(port);
	rc = f->irq < 0 ? f->irq : request_irq(f->irq, port_irq, 0, "vmi-port", f);
	if (rc) {
		if (f->irq > 0)
			vmi_port_irq_put(port, f->irq);
		vmi_evt_close(port);
		return rc;
	}
	f->port = port;
	/* An event may have come before its interrupt was connected: look once more than needed. */
	WRITE_ONCE(f->raised, true);
	return port;
}

static long set_eventfd(struct port_file *f, int fd)
{
	struct eventfd_ctx *efd = NULL, *old;

	if (fd >= 0) {
		efd = eventfd_ctx_fdget(fd);
		if (IS_ERR(efd))
			return PTR_ERR(efd);
	}
	old = xchg(&f->efd, efd);
	if (f->port)
		synchronize_irq(f->irq);
	if (old)
		eventfd_ctx_put(old);
	/* What came before would never be told. */
	if (efd && READ_ONCE(f->raised))
		eventfd_signal(efd, 1);
	return 0;
}

/*
 * The eventfd was signalled, with its lock held. That its last file was closed
 * needs no care: the context is kept here, and the kernel may still signal it.
 */
static int irqfd_wake(wait_queue_entry_t *wait, unsigned int mode, int sync, void *key)
{
	struct port_file *f = container_of(wait, struct port_file, irqfd_wait);
	u64 n;

	if (key_to_poll(key) & EPOLLIN) {
		eventfd_ctx_do_read(f->irqfd, &n);
		vmi_evt_send(f->port);
	}
	return 0;
}

static void irqfd_queue(struct file *file, wait_queue_head_t *head, poll_table *poll)
{
	add_wait_queue(head, &container_of(poll, struct port_file, irqfd_poll)->irqfd_wait);
}

static void irqfd_drop(struct port_file *f)
{
	u64 n;

	if (!f->irqfd)
		return;
	eventfd_ctx_remove_wait_queue(f->irqfd, &f->irqfd_wait, &n);
	eventfd_ctx_put(f->irqfd);
	f->irqfd = NULL;
}

static long set_irqfd(struct port_file *f, int fd)
{
	struct eventfd_ctx *ctx;
	struct fd e;

	if (!f->port)
		return -ENOTCONN;
	if (fd < 0) {
		irqfd_drop(f);
		return 0;
	}
	e = fdget(fd);
	if (!e.file)
		return -EBADF;
	ctx = eventfd_ctx_fileget(e.file);
	if (!IS_ERR(ctx)) {
		irqfd_drop(f);
		f->irqfd = ctx;
		init_waitqueue_func_entry(&f->irqfd_wait, irqfd_wake);
		init_poll_funcptr(&f->irqfd_poll, irqfd_queue);
		/* It may have been signalled before. */
		if (vfs_poll(e.file, &f->irqfd_poll) & EPOLLIN)
			vmi_evt_send(f->port);
	}
	fdput(e);
	return PTR_ERR_OR_ZERO(ctx);
}

static long port_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	struct port_file *f = file->private_data;
	struct vmi_dev_port p;
	long rc = -ENOTTY;

	mutex_lock(&f->lock);
	switch (cmd) {
	case VMI_DEV_PORT_OPEN:
	case VMI_DEV_PORT_BIND:
		if (copy_from_user(&p, (void __user *)arg, sizeof(p)))
			rc = -EFAULT;
		else if (f->port)
			rc = -EBUSY;
		else if (cmd == VMI_DEV_PORT_OPEN)
			rc = p.port ? -EINVAL : connect(f, vmi_evt_alloc(VMI_DOMID_SELF, p.domid));
		else
			rc = connect(f, vmi_evt_bind(p.domid, p.port));
		break;
	case VMI_DEV_PORT_EVENTFD:
		rc = set_eventfd(f, (int)arg);
		break;
	case VMI_DEV_PORT_IRQFD:
		rc = set_irqfd(f, (int)arg);
		break;
	case VMI_DEV_PORT_NOTIFY:
		rc = f->port && !vmi_evt_send(f->port) ? 0 : -ENOTCONN;
		break;
	}
	mutex_unlock(&f->lock);
	return rc;
}

/* One byte where an event came since the last read; waits unless O_NONBLOCK. */
static ssize_t port_read(struct file *file, char __user *buf, size_t n, loff_t *pos)
{
	struct port_file *f = file->private_data;
	int rc;

	if (!n)
		return 0;
	while (!xchg(&f->raised, false)) {
		if (file->f_flags & O_NONBLOCK)
			return -EAGAIN;
		rc = wait_event_interruptible(f->wait, READ_ONCE(f->raised));
		if (rc)
			return rc;
	}
	return put_user(1, buf) ? -EFAULT : 1;
}

static __poll_t port_poll(struct file *file, poll_table *wait)
{
	struct port_file *f = file->private_data;

	poll_wait(file, &f->wait, wait);
	return READ_ONCE(f->raised) ? EPOLLIN | EPOLLRDNORM : 0;
}

static int port_open(struct inode *inode, struct file *file)
{
	struct port_file *f = vmi_dev_file(file, sizeof(*f));

	if (IS_ERR(f))
		return PTR_ERR(f);
	mutex_init(&f->lock);
	init_waitqueue_head(&f->wait);
	return 0;
}

static int port_release(struct inode *inode, struct file *file)
{
	struct port_file *f = file->private_data;

	irqfd_drop(f);
	if (f->port) {
		free_irq(f->irq, f);
		vmi_port_irq_put(f->port, f->irq);
		vmi_evt_close(f->port);
	}
	if (f->efd)
		eventfd_ctx_put(f->efd);
	kfree(f);
	return 0;
}

const struct file_operations vmi_port_fops = {
	.owner		= THIS_MODULE,
	.open		= port_open,
	.release	= port_release,
	.read		= port_read,
	.poll		= port_poll,
	.unlocked_ioctl	= port_ioctl,
	.llseek		= noop_llseek,
};
