// SPDX-License-Identifier: GPL-2.0-only
/* mark.c - a mark (mark.h) as a program, for scripts. */
#include "mark.h"

int main(void)
{
	insns_mark();
	return 0;
}
