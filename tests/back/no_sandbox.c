// SPDX-License-Identifier: GPL-2.0-only
/* no_sandbox.c - for programs with sanitizers, which make more system calls. */
#include "dev.h"

void sandbox_enter(const struct dev_ops *ops)
{
	(void)ops;
}
