// SPDX-License-Identifier: GPL-2.0-only
/*
 * fuzz_xl.c - any bytes as an xl.cfg file: no crash, and a refusal says why.
 */
#include <stdlib.h>

#include "lib/config.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct diag d = { 0 };
	struct dom_config *c = config_from_xl((const char *)data, size, &d);

	if (!c && !d.errors)
		abort();
	diag_free(&d);
	config_free(c);
	return 0;
}
