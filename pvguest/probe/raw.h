/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * raw.h - hypercalls by number, with any arguments.
 */
#ifndef PROBE_RAW_H
#define PROBE_RAW_H

#include "probe.h"

static inline long raw_call(u64 nr, u64 a0, u64 a1, u64 a2, u64 a3, u64 a4, u64 a5)
{
	register u64 r10 __asm__("r10") = a3;
	register u64 r8 __asm__("r8") = a4;
	register u64 r9 __asm__("r9") = a5;
	long ret = nr;

	__asm__ volatile ("syscall"
		: "+a" (ret), "+D" (a0), "+S" (a1), "+d" (a2), "+r" (r10), "+r" (r8), "+r" (r9)
		: : "rcx", "r11", "memory", "cc");
	return ret;
}

/* Is `rc` an error that errors.tbl has? */
static inline bool known_error(long rc)
{
	static const u8 known[] = { VMI_EPERM, VMI_ENOENT, VMI_EIO, VMI_E2BIG, VMI_ENOMEM, VMI_EFAULT,
				    VMI_EBUSY, VMI_EINVAL, VMI_ENOSPC, VMI_ENOSYS, VMI_ESRCH, VMI_EAGAIN };

	for (u32 i = 0; i < ARRAY_SIZE(known); i++)
		if (rc == -(long)known[i])
			return true;
	return false;
}

#endif
