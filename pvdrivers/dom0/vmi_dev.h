/* SPDX-License-Identifier: GPL-2.0-only */
/* vmi_dev.h - what the devices in /dev/vmi have in common (vmi_dev.c). */
#ifndef VMI_DOM0_DEV_H
#define VMI_DOM0_DEV_H

#include <linux/types.h>

struct file;
struct io_uring_cmd;

/* A zeroed object of `size` for a newly opened file, its private_data; or an error where the caller is not root. */
void *vmi_dev_file(struct file *file, size_t size);

extern const struct file_operations vmi_call_fops, vmi_port_fops, vmi_mem_fops;
/* An operation of io_uring on a range of (nr) frames: bytes, -EIOCBQUEUED, or another negative errno. */
int vmi_mem_io(struct io_uring_cmd *cmd, unsigned int issue_flags, const u64 *mfn, unsigned long nr);
/* Let domain events reach vmi_call.c: 0, or a negative errno. */
int vmi_call_init(void);

#endif
