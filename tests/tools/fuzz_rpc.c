// SPDX-License-Identifier: GPL-2.0-only
/*
 * fuzz_rpc.c - any bytes on the socket, in pieces of any size: the same
 * messages come out as in one piece, and nothing crashes.
 */
#include <stdlib.h>
#include <string.h>

#include "lib/rpc.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The messages one behind the other, and whether the stream was refused. */
static void feed(const uint8_t *data, size_t size, size_t piece, struct strbuf *out, bool *refused)
{
	struct rpc_in in = { .max = 4096 };
	const char *why = NULL;

	*refused = false;
	for (size_t at = 0; at < size && !*refused; at += piece) {
		json_t *msg;

		sb_add(&in.buf, data + at, size - at < piece ? size - at : piece);
		while ((msg = rpc_next(&in, &why))) {
			rpc_put(out, msg);
			json_decref(msg);
		}
		*refused = why != NULL;
	}
	sb_free(&in.buf);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct strbuf whole = { 0 }, pieces = { 0 };
	bool a, b;

	feed(data, size, size ? size : 1, &whole, &a);
	feed(data, size, size ? 1 + data[0] % 16 : 1, &pieces, &b);
	if (a != b || whole.len != pieces.len || (whole.len && memcmp(whole.s, pieces.s, whole.len)))
		abort();
	sb_free(&whole);
	sb_free(&pieces);
	return 0;
}
