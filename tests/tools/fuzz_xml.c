// SPDX-License-Identifier: GPL-2.0-only
/*
 * fuzz_xml.c - any bytes as domain XML: no crash, and what is accepted is a
 * fixed point of printing and reading.
 */
#include <stdlib.h>
#include <string.h>

#include "lib/config.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct diag d = { .strict = size && data[size - 1] & 1 };
	struct dom_config *c = config_from_xml((const char *)data, size, &d), *again;
	char *xml, *twice;

	if (!c != (d.errors != 0))
		abort();
	diag_free(&d);
	if (!c)
		return 0;
	xml = config_to_xml(c, 0);
	d.strict = true;
	again = config_from_xml(xml, strlen(xml), &d);
	if (!again)
		abort();
	twice = config_to_xml(again, 0);
	if (strcmp(xml, twice))
		abort();
	diag_free(&d);
	config_free(c);
	config_free(again);
	free(xml);
	free(twice);
	return 0;
}
