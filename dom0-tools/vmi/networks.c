// SPDX-License-Identifier: GPL-2.0-only
/*
 * networks.c - verbs on networks, which interfaces of the type network name.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "vmi.h"

static const struct column columns[] = {
	{ "name", "NAME", COL_TEXT, false }, { "state", "STATE", COL_TEXT, false }, { "autostart", "AUTOSTART", COL_BOOL, false },
	{ "mode", "FORWARD", COL_TEXT, false }, { "bridge", "BRIDGE", COL_TEXT, false }, { "uuid", "UUID", COL_TEXT, true }, { 0 }
};

/* What virsh net-list shows. */
static const struct column virsh_columns[] = {
	{ "name", "NAME", COL_TEXT, false }, { "state", "STATE", COL_TEXT, false }, { "autostart", "AUTOSTART", COL_BOOL, false },
	{ "persistent", "PERSISTENT", COL_BOOL, false }, { 0 }
};

static int run_list(struct cmd *c)
{
	int status;
	json_t *answer = call("org.vmi.NetworkList", NULL, NULL, &status), *n, *rows;
	size_t i;

	if (!answer)
		return status;
	rows = json_array();
	json_array_foreach(json_object_get(answer, "networks"), i, n) {
		bool active = !strcmp(str(n, "state"), "active");

		/* Others are not possible. */
		json_object_set_new(n, "persistent", json_true());
		if (flag(c, "inactive") ? !active : flag(c, "all") || active)
			json_array_append(rows, n);
	}
	if (flag(c, "name")) {
		json_array_foreach(rows, i, n)
			puts(str(n, "name"));
		if (opts.virsh)
			putchar('\n');
	} else {
		status = print_rows(rows, opts.virsh ? virsh_columns : columns, "name");
	}
	json_decref(rows);
	json_decref(answer);
	return status;
}

static int run_info(struct cmd *c)
{
	int status;
	json_t *answer = call("org.vmi.NetworkList", NULL, NULL, &status), *n;
	const char *ref = arg(c, "network");
	size_t i;

	if (!answer)
		return status;
	status = -1;
	json_array_foreach(json_object_get(answer, "networks"), i, n) {
		if (strcmp(str(n, "name"), ref) && strcmp(str(n, "uuid"), ref))
			continue;
		status = EX_OK;
		if (print_object(n))
			break;
		printf("%-15s %s\n%-15s %s\n%-15s %s\n%-15s %s\n%-15s %s\n%-15s %s\n%s", "Name:", str(n, "name"), "UUID:", str(n, "uuid"),
		       "Active:", !strcmp(str(n, "state"), "active") ? "yes" : "no", "Persistent:", "yes", "Autostart:",
		       json_is_true(json_object_get(n, "autostart")) ? "yes" : "no", "Bridge:", str(n, "bridge"), opts.virsh ? "\n" : "");
		break;
	}
	json_decref(answer);
	if (status >= 0)
		return status;
	error(EX_NO_OBJECT, "there is no network '%s'", ref);
	hint("see what there is: vmi net-list --all");
	return EX_NO_OBJECT;
}

static int run_define(struct cmd *c)
{
	const char *path = arg(c, "file");
	json_t *answer, *p;
	size_t len;
	int status;
	char *text;
	bool xl;

	text = read_config(path, &len, &xl);
	if (!text)
		return EX_BAD_CONFIG;
	p = json_pack("{s:s%, s:b}", "xml", text, len, "validate", flag(c, "validate"));
	free(text);
	if (!p)
		return error(EX_BAD_CONFIG, "%s: not UTF-8 text", path);
	answer = call("org.vmi.NetworkDefine", p, path, &status);
	if (!answer)
		return status;
	say("Network '%s' defined from %s\n", str(answer, "name"), path);
	json_decref(answer);
	return EX_OK;
}

static int run_dumpxml(struct cmd *c)
{
	int status;
	json_t *answer = call("org.vmi.NetworkDumpXML", json_pack("{s:s, s:b}", "network", arg(c, "network"), "inactive", flag(c, "inactive")),
			      NULL, &status);

	if (!answer)
		return status;
	if (!print_object(answer))
		printf("%s%s", str(answer, "xml"), opts.virsh ? "\n" : "");
	json_decref(answer);
	return EX_OK;
}

static int simple(struct cmd *c, const char *method, const char *done)
{
	int status;
	json_t *answer = call(method, json_pack("{s:s, s:b}", "network", arg(c, "network"), "disable", flag(c, "disable")), NULL, &status);

	if (!answer)
		return status;
	say("Network '%s' %s\n", str(answer, "name"), done);
	json_decref(answer);
	return EX_OK;
}

static int run_undefine(struct cmd *c)
{
	return simple(c, "org.vmi.NetworkUndefine", "has been undefined");
}

static int run_start(struct cmd *c)
{
	return simple(c, "org.vmi.NetworkStart", "started");
}

static int run_destroy(struct cmd *c)
{
	return simple(c, "org.vmi.NetworkDestroy", "destroyed");
}

static int run_autostart(struct cmd *c)
{
	return simple(c, "org.vmi.NetworkAutostart", flag(c, "disable") ? "unmarked as autostarted" : "marked as autostarted");
}

#define OPT_NETWORK	{ "network", 0, NETWORK_ARG, MUST_BE, "name or uuid" }

const struct verb network_verbs[] = {
	{ "net-list", "networks", "networks that are active", run_list,
	  OPTS({ "all", 0, FLAG, OPTION, "the inactive ones, too" }, { "inactive", 0, FLAG, OPTION, "the inactive ones alone" },
	       { "name", 0, FLAG, OPTION, "names, one to a line" }), false },
	{ "net-info", "networks", "one network", run_info, OPTS(OPT_NETWORK), false },
	{ "net-define", "networks", "make a network of a file, or change one", run_define,
	  OPTS({ "file", 0, FILE_ARG, MUST_BE, "network XML; - is standard input" },
	       { "validate", 0, FLAG, OPTION, "what is unknown is an error" }), false },
	{ "net-undefine", "networks", "forget a network that is not active", run_undefine, OPTS(OPT_NETWORK), false },
	{ "net-dumpxml", "networks", "its XML", run_dumpxml,
	  OPTS(OPT_NETWORK, { "inactive", 0, FLAG, OPTION, "as it is defined, not as it was started" }), false },
	{ "net-start", "networks", "make its bridge, with DHCP and NAT as it says", run_start, OPTS(OPT_NETWORK), false },
	{ "net-destroy", "networks", "remove what net-start made: the link of its guests goes down", run_destroy, OPTS(OPT_NETWORK), false },
	{ "net-autostart", "networks", "start it when vmid starts after a boot, before domains", run_autostart,
	  OPTS(OPT_NETWORK, { "disable", 0, FLAG, OPTION, "do so no more" }), false },
	{ 0 }
};
