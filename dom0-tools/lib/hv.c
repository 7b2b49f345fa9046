// SPDX-License-Identifier: GPL-2.0-only
/*
 * hv.c - what the back ends share: how a failure is put into words.
 */
#include <stdarg.h>
#include <stdio.h>
#include "hv.h"

int hv_fail(struct hv_error *err, int rc, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(err->text, sizeof(err->text), fmt, ap);
	va_end(ap);
	return rc;
}
