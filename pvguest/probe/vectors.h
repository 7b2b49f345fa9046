/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * vectors.h - numbers that C and assembler share.
 */
#ifndef PROBE_VECTORS_H
#define PROBE_VECTORS_H

#define VEC_UPCALL	0x30		/* events */
/* Ways in that are no vector of the processor. */
#define VEC_SYSCALL	256
#define VEC_COMPAT	257
#define VEC_PF_BOUNCE	258		/* struct regs shows 14 */

#define USER_CS		0x33
#define USER_CS32	0x23
#define USER_SS		0x2b

#define REGS_SIZE	(22 * 8)
#define REGS_CS		(18 * 8)

#endif
