/* SPDX-License-Identifier: MIT */
/*
 * dev.h - the devices in /dev/vmi: how programs of domain 0 reach the hypervisor.
 *
 * /dev/vmi/call   (root) makes privileged hypercalls. Domains created through an
 *                 open file and never unpaused end when it is closed. It polls
 *                 readable while dom_event has something to tell.
 * /dev/vmi/port   (root) each open file is one event port of domain 0. It is closed
 *                 with the file. It polls readable, and reads one byte, where an
 *                 event came since the last read, and once at the beginning.
 * /dev/vmi/mem    (root) each open file is one range of a domain's memory, lent to
 *                 domain 0. It is mapped shared, from offset 0 on; the pages have
 *                 struct pages, so direct I/O and io_uring work on them. The range
 *                 goes back when the last mapping and the file are closed and no
 *                 transfer uses its pages any more, also after the domain's death.
 * Files may be handed to other processes, which then need no privilege.
 */
#ifndef VMI_DEV_H
#define VMI_DEV_H

#include <linux/ioctl.h>
#include <linux/types.h>

#define VMI_DEV_BUFS	2
#define VMI_DEV_BUF_MAX	(256 << 10)

/* Memory of the caller that an argument points to. */
struct vmi_dev_buf {
	__u32 arg;		/* which argument, 0 to 5 */
	__u32 len;		/* bytes, up to VMI_DEV_BUF_MAX; 0: this entry is not used */
	__u32 write;		/* 1: the hypervisor writes it */
	__u32 reserved;		/* 0 */
};

struct vmi_dev_call {
	__u64 args[6];
	__s64 result;		/* OUT: the hypercall's, a VMI error included */
	__u32 nr;		/* VMI_HC_* */
	__u32 reserved;		/* 0 */
	struct vmi_dev_buf buf[VMI_DEV_BUFS];
};

/*
 * 0: the call was made, see result. -1: it was not: EPERM (nr is not one that programs
 * may make; evt_alloc is for other domains' ports, domain 0's are files), EINVAL (reserved fields, sizes), EFAULT (a buffer is not
 * there), EINTR (dom_destroy was interrupted: repeat it).
 */
#define VMI_DEV_CALL	_IOWR('v', 1, struct vmi_dev_call)

struct vmi_dev_port {
	__u32 domid;
	__u32 port;		/* VMI_DEV_PORT_BIND: of that domain; else 0 */
};

/*
 * Open a port that domain (domid) may bind, or bind one to a port that it has open
 * for domain 0: the number of domain 0's port. EBUSY: the file has one; ESRCH: no
 * such domain; ENOENT: its port is not open for domain 0; ENOSPC: no free port.
 */
#define VMI_DEV_PORT_OPEN	_IOW('v', 2, struct vmi_dev_port)
#define VMI_DEV_PORT_BIND	_IOW('v', 3, struct vmi_dev_port)
/* Signal this eventfd at each event, or none (-1). EBADF, EINVAL: it is no eventfd. */
#define VMI_DEV_PORT_EVENTFD	_IO('v', 4)
/* Raise the far end. ENOTCONN: there is none. */
#define VMI_DEV_PORT_NOTIFY	_IO('v', 5)
/*
 * Raise the far end whenever this eventfd is signalled, or no more (-1): the other
 * direction of VMI_DEV_PORT_EVENTFD. EBADF, EINVAL: it is no eventfd; ENOTCONN: no port.
 */
#define VMI_DEV_PORT_IRQFD	_IO('v', 6)

struct vmi_dev_mem {
	__u32 domid;
	__u32 reserved;		/* 0 */
	__u64 gpa;		/* page-aligned */
	__u64 size;		/* bytes, whole pages, not 0 */
};

/*
 * Choose the range, which gives it frames where it has none. EBUSY: the file has one, or
 * a part of it is lent already; ESRCH: no such domain; EINVAL: it is not the domain's
 * memory; ENOMEM: no memory for it in the domain's budget or in domain 0.
 */
#define VMI_DEV_MEM_LEND	_IOW('v', 7, struct vmi_dev_mem)

/*
 * Instead of a range, let this file be the balloon of a domain: whoever has it may release
 * frames of the domain, and nothing else. EBUSY: the file has a range; ESRCH: no such domain.
 */
#define VMI_DEV_MEM_BALLOON	_IO('v', 8)

struct vmi_dev_release {
	__u64 gfns;		/* address of (nr) u64: frames that the domain's kernel does not use */
	__u32 nr;		/* up to VMI_LEND_MAX */
	__u32 reserved;		/* 0 */
};

/*
 * Give frames back to the hypervisor; touched again, they are new and zero. Returns how
 * many were looked at: fewer than nr where the next one is lent. ESRCH: the domain is gone;
 * EINVAL: the file is no balloon, or bad fields; EFAULT.
 */
#define VMI_DEV_MEM_RELEASE	_IOW('v', 9, struct vmi_dev_release)

struct vmi_dev_mem_io {
	__u64 pieces;		/* address of (nr) struct iovec */
	__u64 base;		/* address at which the range begins, for the pieces; nothing needs to be mapped there */
	__u64 offset;		/* in the other file */
	__u32 nr;		/* up to VMI_DEV_MEM_IO_MAX */
	__u32 fd;		/* the other file: a regular one or a block device */
	__u32 flags;		/* RWF_DSYNC or 0 */
	__u32 reserved;		/* 0 */
};
#define VMI_DEV_MEM_IO_MAX	1024

/*
 * Read from another file into pieces of the range, or write them to it: IORING_OP_URING_CMD on
 * this file, with one of these as cmd_op, and the address of a struct vmi_dev_mem_io as the
 * first 8 bytes of cmd; it and the pieces stay as they are until the operation is complete. As
 * preadv2() and pwritev2(), but no page is looked up or pinned. The result: bytes, which may be
 * fewer than asked for, or an error of those; EFAULT, too, where a piece is outside the range;
 * EAGAIN: not without waiting, use those.
 */
#define VMI_DEV_MEM_READ	_IOW('v', 10, struct vmi_dev_mem_io)
#define VMI_DEV_MEM_WRITE	_IOW('v', 11, struct vmi_dev_mem_io)

#endif
