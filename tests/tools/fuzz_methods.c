// SPDX-License-Identifier: GPL-2.0-only
/*
 * fuzz_methods.c - any calls with any parameters, on simulated domains: each has an answer or a reason, and all domains can be ended after them.
 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "vmid/vmid.h"

struct settings vmid = { .log_max = 1 << 16, .ops = &hv_sim };
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

json_t *describe(const char *interface)
{
	return json_string(interface);
}

static void set_up(void)
{
	static char dir[] = "/dev/shm/vmi-fuzz-XXXXXX";
	struct hv_error err;

	if (!mkdtemp(dir) || write_all(STDERR_FILENO, "", 0))
		abort();
	vmid.run_dir = vmid.state_dir = vmid.log_dir = dir;
	vmid.hv = hv_sim.open(NULL, &err);
	if (!vmid.hv)
		abort();
}

static const struct method *find(const char *name)
{
	const struct method *const tables[] = { methods_look, methods_change, methods_devices };

	for (size_t t = 0; t < 3; t++) {
		for (const struct method *m = tables[t]; m->name; m++) {
			/* Files of this machine are not to be made larger. */
			if (!strcmp(m->name, name) && strcmp(name, "ResizeDisk"))
				return m;
		}
	}
	return NULL;
}

static void call(struct conn *c, json_t *msg)
{
	const char *name = json_string_value(json_object_get(msg, "method"));
	json_t *params = json_object_get(msg, "parameters"), *reply = NULL;
	const struct method *m = name ? find(name) : NULL;
	struct failure f = { 0 };

	if (!m || !json_is_object(params))
		return;
	if (m->run(c, params, &reply, &f) && (!f.status || !*f.message))
		abort();
	json_decref(reply);
	if (c->console)
		console_detach(c->console, c);
	c->events = false;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct rpc_in in = { .max = 1 << 16 };
	struct conn c = { .fd = -1 };
	struct failure f;
	const char *why;
	json_t *msg;

	if (!vmid.hv)
		set_up();
	sb_add(&in.buf, data, size);
	while ((msg = rpc_next(&in, &why))) {
		call(&c, msg);
		json_decref(msg);
		dom_hv_events(NULL, 0);
	}
	sb_free(&in.buf);
	sb_free(&c.out);
	while (domains) {
		bool transient = !domains->def;

		if (domains->domid && dom_destroy(domains, &f))
			abort();
		if (!transient && dom_undefine(domains, &f))
			abort();
	}
	return 0;
}
