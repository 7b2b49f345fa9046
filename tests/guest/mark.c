// SPDX-License-Identifier: GPL-2.0-only
/*
 * mark.c - a mark for tests/lib/insns.c: the number of instructions that the
 * machine has run is written down where this program runs. Elsewhere it does nothing.
 */
int main(void)
{
	/* A long nop whose operand spells it. */
	__asm__ volatile (".byte 0x0f, 0x1f, 0x80, 'V', 'M', 'I', '!'");
	return 0;
}
