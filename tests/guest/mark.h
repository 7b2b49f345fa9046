/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * mark.h - a mark for tests/lib/insns.c: what the machine has run so far is written
 * down where a program comes past one. Elsewhere it does nothing.
 */
#ifndef MARK_H
#define MARK_H

static inline void insns_mark(void)
{
	/* A long nop whose operand spells it. */
	__asm__ volatile (".byte 0x0f, 0x1f, 0x80, 'V', 'M', 'I', '!'");
}

#endif
