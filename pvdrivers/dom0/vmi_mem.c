// SPDX-License-Identifier: GPL-2.0-only
/*
 * vmi_mem.c - /dev/vmi/mem: a range of a domain's memory as an open file.
 *
 * The hypervisor lets domain 0 see lent frames at their own frame numbers (rule
 * M8). Each gets a struct page, like device memory that is added at run time: the
 * whole 2 MiB that hold it do, once, and for ever. So the kernel's direct map names
 * frames that are not lent, too; nothing goes there, as no page of theirs is ever
 * handed out, and the fault that the hypervisor answers with would be an oops.
 *
 * A page that is not in use has one reference. Mappings and whoever transfers to or
 * from a page (direct I/O, io_uring, pipes) have their own. When the file is closed,
 * which is after its last mapping is gone, idle frames go back at once, and the rest
 * together when the last of them is idle. The domain may have died long before: the
 * hypervisor gives a lent frame to nobody else.
 *
 * Locking: file->lock while the range is chosen; `nr` is set last, and nothing
 *          changes after it.
 * Trust:   root alone chooses; whoever has the file is trusted with that memory.
 */
#include <linux/capability.h>
#include <linux/fs.h>
#include <linux/io_uring.h>
#include <linux/memremap.h>
#include <linux/mm.h>
#include <linux/mmzone.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#include <linux/workqueue.h>
#include <vmi/dev.h>
#include "vmi_dev.h"
#include "vmi.h"

#define FAULT_PAGES	64UL

struct mem_file {
	struct mutex lock;
	unsigned long nr;		/* pages; 0: no range yet */
	u64 *mfn;			/* of each page */
	u32 balloon;			/* instead of a range: the domain, */
	u64 created;			/* and when it was created: identifiers come again */
	atomic_long_t busy;		/* closed: pages in use, and 1 while they are counted */
	struct work_struct work;
};

static DEFINE_MUTEX(subsections_lock);

static void revoke(const u64 *mfn, unsigned long nr)
{
	unsigned long n;

	for (; nr; nr -= n, mfn += n) {
		n = min_t(unsigned long, nr, VMI_LEND_MAX);
		WARN_ON_ONCE(vmi_dom_revoke(mfn, n));
		cond_resched();
	}
}

/* ---- closing ---------------------------------------------------------------- */

static void mem_file_end(struct work_struct *work)
{
	struct mem_file *f = container_of(work, struct mem_file, work);
	unsigned long i;

	/* The last user's reference was counted before the idle page has its own again. */
	for (i = 0; i < f->nr; i++)
		while (!page_ref_count(pfn_to_page(f->mfn[i])))
			cpu_relax();
	revoke(f->mfn, f->nr);
	kvfree(f->mfn);
	kfree(f);
}

static void idle(struct mem_file *f)
{
	if (atomic_long_dec_and_test(&f->busy))
		schedule_work(&f->work);
}

/* The last reference is gone, from any context; the caller sets the count to 1. */
static void page_idle(struct page *page)
{
	idle(page->zone_device_data);
}

static int mem_release(struct inode *inode, struct file *file)
{
	struct mem_file *f = file->private_data;
	unsigned long i, busy = 0;

	for (i = 0; i < f->nr; i++) {
		if (page_ref_count(pfn_to_page(f->mfn[i])) == 1)
			continue;
		swap(f->mfn[busy], f->mfn[i]);
		busy++;
	}
	revoke(f->mfn + busy, f->nr - busy);
	f->nr = busy;
	INIT_WORK(&f->work, mem_file_end);
	atomic_long_set(&f->busy, busy + 1);
	for (i = 0; i < busy; i++) {
		struct page *page = pfn_to_page(f->mfn[i]);

		page->zone_device_data = f;
		put_page(page);
	}
	idle(f);
	return 0;
}

/* ---- lending ---------------------------------------------------------------- */

static const struct dev_pagemap_ops pagemap_ops = {
	.page_free = page_idle,
};

static struct dev_pagemap *add_subsection(u64 mfn)
{
	struct dev_pagemap *map = kzalloc(sizeof(*map), GFP_KERNEL);
	void *va;

	if (!map)
		return ERR_PTR(-ENOMEM);
	map->type = MEMORY_DEVICE_GENERIC;
	map->ops = &pagemap_ops;
	map->nr_range = 1;
	map->range.start = ALIGN_DOWN(mfn << PAGE_SHIFT, SUBSECTION_SIZE);
	map->range.end = map->range.start + SUBSECTION_SIZE - 1;
	va = memremap_pages(map, NUMA_NO_NODE);
	if (IS_ERR(va)) {
		kfree(map);
		return va;
	}
	return get_dev_pagemap(mfn, NULL);
}

/* See that the frames have struct pages. */
static int have_pages(const u64 *mfn, unsigned long nr)
{
	struct dev_pagemap *map = NULL;
	unsigned long i;

	mutex_lock(&subsections_lock);
	for (i = 0; i < nr && !IS_ERR(map); i++) {
		map = get_dev_pagemap(mfn[i], map);
		if (!map)
			map = add_subsection(mfn[i]);
	}
	mutex_unlock(&subsections_lock);
	if (IS_ERR(map))
		return PTR_ERR(map);
	put_dev_pagemap(map);
	return 0;
}

static int lend_some(u32 domid, u64 gfn, u64 *mfn, unsigned long n)
{
	long rc = vmi_dom_lend(domid, gfn, n, mfn);

	/* VMI's error numbers are Linux's; another failure is the range's. */
	if (rc)
		return rc == -VMI_ESRCH || rc == -VMI_EBUSY || rc == -VMI_ENOMEM ? rc : -EINVAL;
	rc = have_pages(mfn, n);
	if (rc)
		revoke(mfn, n);
	return rc;
}

static int lend(struct mem_file *f, const struct vmi_dev_mem *m)
{
	unsigned long nr = m->size >> PAGE_SHIFT, done = 0, n;
	struct vmi_dom_info info;
	int rc = 0;

	if (m->reserved || !nr || (m->gpa | m->size) & ~PAGE_MASK)
		return -EINVAL;
	if (vmi_dom_info(m->domid, &info) || info.domid != m->domid)
		return -ESRCH;
	if (m->gpa > info.memory || m->size > info.memory - m->gpa)
		return -EINVAL;
	f->mfn = kvmalloc_array(nr, sizeof(*f->mfn), GFP_KERNEL_ACCOUNT);
	if (!f->mfn)
		return -ENOMEM;
	for (; done < nr && !rc; done += rc ? 0 : n) {
		n = min_t(unsigned long, nr - done, VMI_LEND_MAX);
		rc = fatal_signal_pending(current) ? -EINTR :
		     lend_some(m->domid, (m->gpa >> PAGE_SHIFT) + done, f->mfn + done, n);
		cond_resched();
	}
	if (rc) {
		revoke(f->mfn, done);
		kvfree(f->mfn);
		f->mfn = NULL;
		return rc;
	}
	smp_store_release(&f->nr, nr);
	return 0;
}

/* ---- a balloon ------------------------------------------------------------------ */

static long set_balloon(struct mem_file *f, u32 domid)
{
	struct vmi_dom_info info;

	if (!domid || vmi_dom_info(domid, &info) || info.domid != domid)
		return -ESRCH;
	f->created = info.created_ns;
	f->balloon = domid;
	return 0;
}

static long release_frames(struct mem_file *f, const struct vmi_dev_release *r)
{
	struct vmi_dom_info info;
	long rc = -ESRCH;
	u64 *gfn;

	if (!f->balloon || !r->nr || r->nr > VMI_LEND_MAX || r->reserved)
		return -EINVAL;
	gfn = memdup_user((void __user *)r->gfns, r->nr * sizeof(*gfn));
	if (IS_ERR(gfn))
		return PTR_ERR(gfn);
	if (!vmi_dom_info(f->balloon, &info) && info.domid == f->balloon && info.created_ns == f->created)
		rc = vmi_dom_release(f->balloon, gfn, r->nr);
	kfree(gfn);
	return rc;
}

static long mem_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	struct mem_file *f = file->private_data;
	struct vmi_dev_release release;
	struct vmi_dev_mem range;
	long rc = -ENOTTY;

	mutex_lock(&f->lock);
	switch (cmd) {
	case VMI_DEV_MEM_LEND:
		if (copy_from_user(&range, (void __user *)arg, sizeof(range)))
			rc = -EFAULT;
		else
			rc = f->nr || f->balloon ? -EBUSY : lend(f, &range);
		break;
	case VMI_DEV_MEM_BALLOON:
		rc = f->nr || f->balloon ? -EBUSY : set_balloon(f, arg);
		break;
	case VMI_DEV_MEM_RELEASE:
		rc = copy_from_user(&release, (void __user *)arg, sizeof(release)) ? -EFAULT : release_frames(f, &release);
		break;
	}
	mutex_unlock(&f->lock);
	return rc;
}

/* ---- mapping ------------------------------------------------------------------ */

/* A fault maps what follows, too: who looks at a window looks at much of it. */
static vm_fault_t mem_fault(struct vm_fault *vmf)
{
	struct mem_file *f = vmf->vma->vm_file->private_data;
	struct page *pages[FAULT_PAGES];
	unsigned long nr, left, i;
	int rc;

	if (vmf->pgoff >= f->nr)
		return VM_FAULT_SIGBUS;
	nr = min3((vmf->vma->vm_end - vmf->address) >> PAGE_SHIFT, f->nr - vmf->pgoff, FAULT_PAGES);
	for (i = 0; i < nr; i++)
		pages[i] = pfn_to_page(f->mfn[vmf->pgoff + i]);
	left = nr;
	rc = vm_insert_pages(vmf->vma, vmf->address, pages, &left);
	/* Another thread may have been faster, or a later page be mapped already. */
	return !rc || rc == -EBUSY || left < nr ? VM_FAULT_NOPAGE : vmf_error(rc);
}

static const struct vm_operations_struct mem_vm_ops = {
	.fault = mem_fault,
};

static int mem_mmap(struct file *file, struct vm_area_struct *vma)
{
	struct mem_file *f = file->private_data;
	unsigned long nr = smp_load_acquire(&f->nr);

	if (vma->vm_pgoff > nr || vma_pages(vma) > nr - vma->vm_pgoff)
		return -EINVAL;
	/* A copy of a page would be no window; and nobody runs what a guest wrote. */
	if (!(vma->vm_flags & VM_SHARED) || vma->vm_flags & VM_EXEC)
		return -EINVAL;
	vma->vm_flags = (vma->vm_flags | VM_MIXEDMAP | VM_DONTEXPAND | VM_DONTDUMP) & ~VM_MAYEXEC;
	/* Nobody asks what is dirty, and a clean page would cost its first write a fault. */
	if (vma->vm_flags & VM_WRITE)
		vma->vm_page_prot = __pgprot(pgprot_val(vma->vm_page_prot) | _PAGE_DIRTY);
	vma->vm_ops = &mem_vm_ops;
	return 0;
}

static int mem_uring_cmd(struct io_uring_cmd *cmd, unsigned int issue_flags)
{
	struct mem_file *f = cmd->file->private_data;
	unsigned long nr = smp_load_acquire(&f->nr);

	return vmi_mem_io(cmd, issue_flags, f->mfn, nr);
}

static int mem_open(struct inode *inode, struct file *file)
{
	struct mem_file *f = vmi_dev_file(file, sizeof(*f));

	if (IS_ERR(f))
		return PTR_ERR(f);
	mutex_init(&f->lock);
	return 0;
}

const struct file_operations vmi_mem_fops = {
	.owner		= THIS_MODULE,
	.open		= mem_open,
	.release	= mem_release,
	.mmap		= mem_mmap,
	.unlocked_ioctl	= mem_ioctl,
	.uring_cmd	= mem_uring_cmd,
	.llseek		= noop_llseek,
};
