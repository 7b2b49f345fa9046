// SPDX-License-Identifier: GPL-2.0-only
/*
 * vmi_mem_io.c - transfers between a file and lent memory (VMI_DEV_MEM_READ and _WRITE
 * of vmi/dev.h), as operations of io_uring on a file of /dev/vmi/mem.
 *
 * A back end's usual reads and writes would look each page of a buffer up in its page
 * tables, pin it, mark it dirty and let it go, for each request. Here the frames are
 * known, and frames that follow one another are one piece for the block layer.
 *
 * Lifetime: io_uring holds the file of /dev/vmi/mem until the operation is completed,
 *           and the frames are lent for as long as that file is there. So pages need
 *           no references of their own.
 * Context:  a transfer ends in any context, and is completed in the task that asked for it.
 * Trust:    as of a mapping: whoever has the file reaches its range, and nothing else;
 *           what the other file permits is checked as for any read or write.
 */
#include <linux/bvec.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/io_uring.h>
#include <linux/ioprio.h>
#include <linux/mm.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#include <linux/uio.h>
#include <vmi/dev.h>
#include "vmi_dev.h"

#define FEW	8	/* runs; most transfers have no more */

struct transfer {
	struct kiocb iocb;
	struct io_uring_cmd *cmd;
	long res;
	bool few;			/* of the cache */
	unsigned int nr;
	struct bio_vec bvec[];
};

static struct kmem_cache *small;

static int __init small_init(void)
{
	small = kmem_cache_create("vmi_mem_io", struct_size((struct transfer *)NULL, bvec, FEW), 0, 0, NULL);
	return small ? 0 : -ENOMEM;
}
core_initcall(small_init);

static bool writes_file(const struct kiocb *iocb)
{
	return iocb->ki_flags & IOCB_WRITE && S_ISREG(file_inode(iocb->ki_filp)->i_mode);
}

static void transfer_free(struct transfer *t)
{
	if (t->few)
		kmem_cache_free(small, t);
	else
		kvfree(t);
}

/* As aio does: a file system that is being frozen waits for the transfer, whoever ends it. */
static void write_begins(struct kiocb *iocb)
{
	if (!writes_file(iocb))
		return;
	sb_start_write(file_inode(iocb->ki_filp)->i_sb);
	__sb_writers_release(file_inode(iocb->ki_filp)->i_sb, SB_FREEZE_WRITE);
}

static void write_ends(struct kiocb *iocb)
{
	if (!writes_file(iocb))
		return;
	__sb_writers_acquired(file_inode(iocb->ki_filp)->i_sb, SB_FREEZE_WRITE);
	sb_end_write(file_inode(iocb->ki_filp)->i_sb);
}

static struct transfer **transfer_of(struct io_uring_cmd *cmd)
{
	return (struct transfer **)cmd->pdu;
}

static void complete_in_task(struct io_uring_cmd *cmd, unsigned int issue_flags)
{
	struct transfer *t = *transfer_of(cmd);
	long res = t->res;

	write_ends(&t->iocb);
	fput(t->iocb.ki_filp);
	transfer_free(t);
	io_uring_cmd_done(cmd, res, 0, issue_flags);
}

static void transfer_done(struct kiocb *iocb, long res)
{
	struct transfer *t = container_of(iocb, struct transfer, iocb);

	t->res = res;
	io_uring_cmd_complete_in_task(t->cmd, complete_in_task);
}

/* A piece as runs of frames, from v[0] on: their number. The piece lies in the range. */
static unsigned int runs(struct bio_vec *v, const u64 *mfn, u64 at, size_t len)
{
	unsigned int n = 0;

	while (len) {
		const u64 *first = mfn + (at >> PAGE_SHIFT), *m = first;
		unsigned int offset = offset_in_page(at);
		size_t have = PAGE_SIZE - offset;

		while (have < len && m[1] == m[0] + 1) {
			have += PAGE_SIZE;
			m++;
		}
		have = min(have, len);
		v[n++] = (struct bio_vec){ pfn_to_page(*first), have, offset };
		at += have;
		len -= have;
	}
	return n;
}

/* The bytes of all pieces, or -errno. */
static ssize_t check_pieces(const struct vmi_dev_mem_io *io, const struct iovec *piece, u64 size)
{
	size_t total = 0;
	unsigned int i;

	for (i = 0; i < io->nr; i++) {
		u64 at = (unsigned long)piece[i].iov_base - io->base;

		if (at > size || piece[i].iov_len > size - at)
			return -EFAULT;
		total += piece[i].iov_len;
		if (total > MAX_RW_COUNT)
			return -EINVAL;
	}
	return total ?: -EINVAL;
}

static struct transfer *transfer_new(const struct vmi_dev_mem_io *io, const struct iovec *piece, size_t len, const u64 *mfn)
{
	/* A piece touches up to two pages more than it has whole ones. */
	size_t most = len / PAGE_SIZE + 2 * io->nr;
	bool few = most <= FEW;
	struct transfer *t = few ? kmem_cache_alloc(small, GFP_KERNEL) : kvmalloc(struct_size(t, bvec, most), GFP_KERNEL_ACCOUNT);
	unsigned int i;

	if (!t)
		return NULL;
	t->few = few;
	t->nr = 0;
	for (i = 0; i < io->nr; i++)
		t->nr += runs(t->bvec + t->nr, mfn, (unsigned long)piece[i].iov_base - io->base, piece[i].iov_len);
	return t;
}

/*
 * May it sleep? Waiting for a free request of a block device is no longer than waiting
 * for the transfer would be. What else sleeps, a worker of io_uring does (-EAGAIN).
 */
static int may_sleep(struct kiocb *iocb, bool nonblock)
{
	bool direct = iocb->ki_flags & IOCB_DIRECT;

	if (!nonblock || (direct && S_ISBLK(file_inode(iocb->ki_filp)->i_mode)))
		return 0;
	if (!(iocb->ki_filp->f_mode & FMODE_NOWAIT) || (!direct && iocb->ki_flags & IOCB_WRITE))
		return -EAGAIN;
	iocb->ki_flags |= IOCB_NOWAIT;
	return 0;
}

static int prepare(struct kiocb *iocb, const struct vmi_dev_mem_io *io, bool write, bool nonblock)
{
	struct file *file = fget(io->fd);
	int rc;

	if (!file)
		return -EBADF;
	*iocb = (struct kiocb){
		.ki_filp = file,
		.ki_pos = io->offset,
		.ki_complete = transfer_done,
		.ki_flags = file->f_iocb_flags | (write ? IOCB_WRITE : 0),
		.ki_ioprio = get_current_ioprio(),
	};
	rc = S_ISREG(file_inode(file)->i_mode) || S_ISBLK(file_inode(file)->i_mode) ? kiocb_set_rw_flags(iocb, io->flags) : -EINVAL;
	if (!rc)
		rc = may_sleep(iocb, nonblock);
	if (rc)
		fput(file);
	return rc;
}

static int transfer_start(struct io_uring_cmd *cmd, unsigned int issue_flags, struct transfer *t, size_t len, bool write)
{
	struct iov_iter iter;
	ssize_t res;

	t->cmd = cmd;
	*transfer_of(cmd) = t;
	iov_iter_bvec(&iter, write ? WRITE : READ, t->bvec, t->nr, len);
	write_begins(&t->iocb);
	res = write ? vfs_iocb_iter_write(t->iocb.ki_filp, &t->iocb, &iter) :
		      vfs_iocb_iter_read(t->iocb.ki_filp, &t->iocb, &iter);
	if (res == -EIOCBQUEUED)
		return res;
	write_ends(&t->iocb);
	fput(t->iocb.ki_filp);
	transfer_free(t);
	/* There is no system call to be made again. */
	if (res == -ERESTARTSYS || res == -ERESTARTNOINTR || res == -ERESTARTNOHAND || res == -ERESTART_RESTARTBLOCK)
		res = -EINTR;
	if (res < 0)
		return res;
	/* Returned, it would be neither an error nor an end. */
	io_uring_cmd_done(cmd, res, 0, issue_flags);
	return -EIOCBQUEUED;
}

int vmi_mem_io(struct io_uring_cmd *cmd, unsigned int issue_flags, const u64 *mfn, unsigned long nr)
{
	bool write = cmd->cmd_op == VMI_DEV_MEM_WRITE;
	struct iovec few[UIO_FASTIOV], *piece;
	struct vmi_dev_mem_io io;
	struct transfer *t;
	ssize_t len;
	int rc;

	if (!write && cmd->cmd_op != VMI_DEV_MEM_READ)
		return -ENOTTY;
	/* In memory that programs write. */
	if (copy_from_user(&io, u64_to_user_ptr(READ_ONCE(*(const u64 *)cmd->cmd)), sizeof(io)))
		return -EFAULT;
	if (!io.nr || io.nr > VMI_DEV_MEM_IO_MAX || io.flags & ~RWF_DSYNC || io.reserved)
		return -EINVAL;
	piece = iovec_from_user(u64_to_user_ptr(io.pieces), io.nr, ARRAY_SIZE(few), few, false);
	if (IS_ERR(piece))
		return PTR_ERR(piece);
	len = check_pieces(&io, piece, (u64)nr << PAGE_SHIFT);
	t = len < 0 ? ERR_PTR(len) : transfer_new(&io, piece, len, mfn);
	if (piece != few)
		kfree(piece);
	if (IS_ERR_OR_NULL(t))
		return t ? PTR_ERR(t) : -ENOMEM;
	rc = prepare(&t->iocb, &io, write, issue_flags & IO_URING_F_NONBLOCK);
	if (rc) {
		transfer_free(t);
		return rc;
	}
	return transfer_start(cmd, issue_flags, t, len, write);
}
