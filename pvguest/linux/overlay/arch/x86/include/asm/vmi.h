/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * vmi.h - what the rest of arch/x86 calls of the VMI port. Call only when
 * X86_FEATURE_VMI is set.
 */
#ifndef _ASM_X86_VMI_H
#define _ASM_X86_VMI_H

#include <linux/types.h>

struct mm_struct;

/* A fault from user mode: true if the guest's tables allow it and it was filled; else the error code is corrected. */
bool vmi_hidden_fault(unsigned long addr, unsigned long *error_code);

/* Translation of addr (a page of size) changed to flags: fill it if it just faulted. */
void vmi_fill_after_fault(struct mm_struct *mm, unsigned long addr,
			  unsigned long size, unsigned long flags);

/* One hypercall for all pages of [start, end) in the loaded tables. */
void vmi_flush_range(unsigned long start, unsigned long end);

#endif
