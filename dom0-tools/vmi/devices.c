// SPDX-License-Identifier: GPL-2.0-only
/*
 * devices.c - verbs on a domain's devices: which there are, their numbers, their limits.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "vmi.h"

json_t *where_params(struct cmd *c)
{
	json_t *p = domain_params(c);

	if (flag(c, "live") || flag(c, "persistent"))
		json_object_set_new(p, "live", json_true());
	if (flag(c, "config") || flag(c, "persistent"))
		json_object_set_new(p, "config", json_true());
	return p;
}

static bool matches(const json_t *dev, const char *kind, const char *key)
{
	return !strcmp(str(dev, "kind"), kind) && (!key || !strcmp(str(dev, "target"), key) || !strcasecmp(str(dev, "mac"), key) ||
	       !strcmp(str(dev, "name"), key) || !strcmp(str(dev, "tap"), key) || (*kind == 'd' && !strcmp(str(dev, "source"), key)));
}

json_t *find_device(const json_t *d, const char *kind, const char *key)
{
	size_t i;
	json_t *dev;

	json_array_foreach(json_object_get(d, "devices"), i, dev) {
		if (matches(dev, kind, key))
			return dev;
	}
	return NULL;
}

/* ---- lists ---- */

static json_t *get(struct cmd *c, int *status)
{
	json_t *p = domain_params(c);

	if (flag(c, "inactive"))
		json_object_set_new(p, "inactive", json_true());
	return call("org.vmi.Get", p, NULL, status);
}

/* An interface is known by its name in domain 0. */
static int print_devices(struct cmd *c, const char *kind, const struct column *cols, const char *name)
{
	json_t *rows = json_array(), *dev, *d;
	int status;
	size_t i;

	d = get(c, &status);
	json_array_foreach(json_object_get(d, "devices"), i, dev) {
		if (strcmp(str(dev, "kind"), kind))
			continue;
		if (*kind == 'i' && (*str(dev, "tap") || *str(dev, "target")))
			json_object_set(dev, "interface", json_object_get(dev, *str(dev, "tap") ? "tap" : "target"));
		json_array_append(rows, dev);
	}
	if (d)
		status = print_rows(rows, cols, name);
	json_decref(rows);
	json_decref(d);
	return status;
}

static int run_domblklist(struct cmd *c)
{
	static const struct column brief[] = {
		{ "target", "TARGET", COL_TEXT, false }, { "source", "SOURCE", COL_TEXT, false }, { "type", "TYPE", COL_TEXT, true },
		{ "device", "DEVICE", COL_TEXT, true }, { "format", "FORMAT", COL_TEXT, true }, { "capacity", "CAPACITY", COL_SIZE, true },
		{ "readonly", "READONLY", COL_BOOL, true }, { "state", "STATE", COL_TEXT, true }, { "pid", "PID", COL_NUMBER, true },
		{ "restarts", "RESTARTS", COL_NUMBER, true }, { 0 }
	};
	static const struct column details[] = {
		{ "type", "TYPE", COL_TEXT, false }, { "device", "DEVICE", COL_TEXT, false }, { "target", "TARGET", COL_TEXT, false },
		{ "source", "SOURCE", COL_TEXT, false }, { "capacity", "CAPACITY", COL_SIZE, true }, { 0 }
	};

	return print_devices(c, "disk", flag(c, "details") ? details : brief, "target");
}

static int run_domiflist(struct cmd *c)
{
	static const struct column cols[] = {
		{ "interface", "INTERFACE", COL_TEXT, false }, { "type", "TYPE", COL_TEXT, false }, { "source", "SOURCE", COL_TEXT, false },
		{ "model", "MODEL", COL_TEXT, false }, { "mac", "MAC", COL_TEXT, false }, { "name", "NAME", COL_TEXT, true },
		{ "link", "LINK", COL_BOOL, true }, { "carrier", "CARRIER", COL_BOOL, true }, { "state", "STATE", COL_TEXT, true }, { "pid", "PID", COL_NUMBER, true },
		{ "restarts", "RESTARTS", COL_NUMBER, true }, { 0 }
	};

	return print_devices(c, "interface", cols, "mac");
}

/* Disks whose requests wait for the end of an error, in virsh's words. */
static int run_domblkerror(struct cmd *c)
{
	json_t *d, *dev, *found = json_object();
	const char *name;
	int status;
	size_t i;

	d = get(c, &status);
	json_array_foreach(json_object_get(d, "devices"), i, dev) {
		if (*str(dev, "error"))
			json_object_set(found, str(dev, "target"), json_object_get(dev, "error"));
	}
	if (d && !print_object(found)) {
		json_object_foreach(found, name, dev)
			printf("%s: %s\n", name, json_string_value(dev));
		if (!json_object_size(found))
			puts("No errors found");
		if (opts.virsh)
			putchar('\n');
	}
	json_decref(found);
	json_decref(d);
	return status;
}

/* ---- numbers ---- */

static void print_sizes(const json_t *sizes, bool human)
{
	static const char *const names[][2] = { { "capacity", "Capacity:" }, { "allocation", "Allocation:" }, { "physical", "Physical:" } };
	char size[24];

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		format_size(num(sizes, names[i][0]), size);
		if (human)
			printf("%-15s %s\n", names[i][1], size);
		else
			printf("%-15s %llu\n", names[i][1], (unsigned long long)num(sizes, names[i][0]));
	}
	if (opts.virsh)
		putchar('\n');
}

static int run_domblkinfo(struct cmd *c)
{
	json_t *p = domain_params(c), *disk = json_string(arg(c, "device")), *answer;
	int status;

	json_object_set_new(p, "disk", disk ? disk : json_string("?"));
	answer = call("org.vmi.DiskInfo", p, NULL, &status);
	json_object_del(answer, "name");
	if (answer && !print_object(answer))
		print_sizes(answer, flag(c, "human"));
	json_decref(answer);
	return status;
}

/* The device, which has to be there; *d is the answer that it is part of. */
static json_t *need(struct cmd *c, const char *kind, const char *key, json_t **d, int *status)
{
	json_t *dev;

	*d = get(c, status);
	if (!*d)
		return NULL;
	dev = find_device(*d, kind, key);
	if (!dev && flag(c, "inactive") && !strcmp(kind, "interface")) {
		/* The tap of what runs; both have its address. */
		json_t *now = call("org.vmi.Get", domain_params(c), NULL, status), *running = find_device(now, kind, key);

		if (running)
			dev = find_device(*d, kind, str(running, "mac"));
		json_decref(now);
	}
	if (!dev) {
		*status = error(EX_NO_OBJECT, "domain '%s' has no %s%s%s", str(*d, "name"), kind, key ? " " : "", key ? key : "");
		hint(!strcmp(kind, "disk") ? "see what there is: vmi domblklist" : "see what there is: vmi domiflist");
	}
	return dev;
}

static int stats_of(struct cmd *c, const char *kind, const char *key)
{
	json_t *d, *dev, *stats, *v;
	const char *name, *called;
	int status;

	dev = need(c, kind, key, &d, &status);
	stats = json_object_get(dev, "stats");
	if (dev && !stats) {
		status = error(EX_WRONG_STATE, "%s is not attached: domain '%s' is %s", key ? key : kind, str(d, "name"), str(d, "state"));
	} else if (dev && !print_object(stats)) {
		called = key ? key : *str(dev, "target") ? str(dev, "target") : str(dev, "name");
		json_object_foreach(stats, name, v)
			printf("%s %s %lld\n", called, name, (long long)json_integer_value(v));
		if (opts.virsh)
			putchar('\n');
	}
	json_decref(d);
	return status;
}

static int run_domblkstat(struct cmd *c)
{
	return stats_of(c, "disk", arg(c, "device"));
}

static int run_domifstat(struct cmd *c)
{
	return stats_of(c, "interface", arg(c, "interface"));
}

static int run_setlink(struct cmd *c)
{
	const char *state = arg(c, "state");
	json_t *p, *s;

	if (!word_in(state, "up down"))
		return error(EX_BAD_USAGE, "a link is up or down, not \"%s\"", state);
	p = where_params(c);
	s = json_string(arg(c, "interface"));
	json_object_set_new(p, "interface", s ? s : json_string("?"));
	json_object_set_new(p, "up", json_boolean(!strcmp(state, "up")));
	return simple_call(c, "org.vmi.SetLink", p, *state == 'u' ? "has its link up" : "has its link down");
}

static int run_getlink(struct cmd *c)
{
	json_t *d, *dev, *link;
	const char *is;
	int status;

	dev = need(c, "interface", arg(c, "interface"), &d, &status);
	is = json_is_true(json_object_get(dev, "link")) ? "up" : "down";
	link = json_pack("{s:s}", "link", is);
	if (dev && !print_object(link))
		printf("%s %s\n%s", arg(c, "interface"), is, opts.virsh ? "\n" : "");
	json_decref(link);
	json_decref(d);
	return status;
}

static int run_blockresize(struct cmd *c)
{
	const char *s = arg(c, "size"), *why;
	size_t n = strspn(s, "0123456789");
	char digits[32];
	uint64_t bytes;
	json_t *p, *disk;

	snprintf(digits, sizeof(digits), "%.*s", (int)n, s);
	why = parse_size(digits, s[n] ? s + n : NULL, flag(c, "bytes") ? "b" : "KiB", &bytes);
	if (why)
		return error(EX_BAD_USAGE, "the size %s %s", s, why);
	p = domain_params(c);
	disk = json_string(arg(c, "path"));
	json_object_set_new(p, "disk", disk ? disk : json_string("?"));
	json_object_set_new(p, "bytes", json_integer(bytes));
	return simple_call(c, "org.vmi.ResizeDisk", p, "has a disk of another size");
}

/* Takes limits: sets them, or, where there are none, shows those that there are. */
static int tune(struct cmd *c, const char *kind, const char *key, json_t *limits, int width)
{
	json_t *p, *d, *dev, *v;
	const char *name;
	int status;

	if (json_object_size(limits)) {
		p = where_params(c);
		v = json_string(key);
		json_object_set_new(p, kind, v ? v : json_string("?"));
		json_object_set_new(p, "limits", limits);
		return simple_call(c, "org.vmi.SetLimits", p, *kind == 'd' ? "has a disk with other limits" : "has an interface with other limits");
	}
	json_decref(limits);
	dev = need(c, kind, key, &d, &status);
	if (dev && !print_object(json_object_get(dev, "limits"))) {
		json_object_foreach(json_object_get(dev, "limits"), name, v)
			printf("%-*s: %lld\n", width, name, (long long)json_integer_value(v));
		if (opts.virsh)
			putchar('\n');
	}
	json_decref(d);
	return status;
}

static int run_blkdeviotune(struct cmd *c)
{
	json_t *limits = json_object();

	/* All of its options with numbers are limits. */
	for (const struct opt *o = c->verb->opts; o->name; o++) {
		const char *s = o->kind == NUMBER ? arg(c, o->name) : NULL;
		char key[40];
		uint64_t n;

		if (!s)
			continue;
		if (!parse_u64(s, &n) || n > INT64_MAX) {
			json_decref(limits);
			return error(EX_BAD_USAGE, "--%s %s: give a number, or 0 for no limit", o->name, s);
		}
		snprintf(key, sizeof(key), "%s", o->name);
		for (char *k = key; (k = strchr(k, '-')); )
			*k = '_';
		json_object_set_new(limits, key, json_integer(n));
	}
	return tune(c, "disk", arg(c, "device"), limits, 15);
}

/* AVERAGE[,PEAK[,BURST]]; what is left out is none. */
static bool rates(json_t *limits, const char *direction, const char *text)
{
	static const char *const names[] = { "average", "peak", "burst" };
	char copy[80], *rest = copy, *item;

	if (strlen(text) >= sizeof(copy))
		return false;
	strcpy(copy, text);
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		char key[24];
		uint64_t n = 0;

		item = strsep(&rest, ",");
		if (item && *item && (!parse_u64(item, &n) || n > INT64_MAX))
			return false;
		snprintf(key, sizeof(key), "%s.%s", direction, names[i]);
		json_object_set_new(limits, key, json_integer(n));
	}
	return !rest;
}

static int run_domiftune(struct cmd *c)
{
	static const char *const directions[] = { "inbound", "outbound" };
	json_t *limits = json_object();

	for (size_t i = 0; i < ARRAY_SIZE(directions); i++) {
		const char *s = arg(c, directions[i]);

		if (s && !rates(limits, directions[i], s)) {
			json_decref(limits);
			return error(EX_BAD_USAGE, "--%s %s: give AVERAGE[,PEAK[,BURST]]: KiB a second, and KiB; 0: no limit", directions[i], s);
		}
	}
	return tune(c, "interface", arg(c, "interface"), limits, 16);
}

/* In KiB, but for what is no size; what the guest has not told is left out. */
static json_t *memory_numbers(const json_t *d)
{
	json_t *all = json_object(), *dev = find_device(d, "memballoon", NULL), *v;
	const char *name;

	json_object_set_new(all, "actual", json_integer(num(d, "memory") >> 10));
	json_object_foreach(json_object_get(dev, "stats"), name, v) {
		json_int_t n = json_integer_value(v);

		if (word_in(name, "target actual") || n == -1 || !num(json_object_get(dev, "stats"), "last_update"))
			continue;
		json_object_set_new(all, name, json_integer(word_in(name, "last_update major_fault minor_fault") ? n : n >> 10));
	}
	json_object_set_new(all, "rss", json_integer(num(d, "memory") >> 10));
	return all;
}

static int run_dommemstat(struct cmd *c)
{
	json_t *d, *all, *v;
	const char *name;
	int status;

	d = get(c, &status);
	if (!d)
		return status;
	if (!strcmp(str(d, "state"), "shut off")) {
		status = error(EX_WRONG_STATE, "domain '%s' is not running", str(d, "name"));
	} else {
		all = memory_numbers(d);
		if (!print_object(all)) {
			json_object_foreach(all, name, v)
				printf("%s %lld\n", name, (long long)json_integer_value(v));
			if (opts.virsh)
				putchar('\n');
		}
		json_decref(all);
	}
	json_decref(d);
	return status;
}

#define INACTIVE	{ "inactive", 0, FLAG, OPTION, "of the definition, not of what runs" }

const struct verb device_verbs[] = {
	{ "domblklist", "devices", "list a domain's disks", run_domblklist,
	  OPTS(OPT_DOMAIN, INACTIVE, { "details", 0, FLAG, OPTION, "with type and device" }), false },
	{ "domiflist", "devices", "list a domain's network interfaces", run_domiflist, OPTS(OPT_DOMAIN, INACTIVE), false },
	{ "domblkerror", "devices", "list disks whose requests wait for the end of an error", run_domblkerror, OPTS(OPT_DOMAIN), false },
	{ "domblkinfo", "devices", "how large a disk is, and what its file takes", run_domblkinfo,
	  OPTS(OPT_DOMAIN, { "device", 0, DISK_ARG, MUST_BE, "its target or file" }, { "human", 0, FLAG, OPTION, "with units" }), false },
	{ "domblkstat", "devices", "numbers of a disk", run_domblkstat,
	  OPTS(OPT_DOMAIN, { "device", 0, DISK_ARG, MAY, "its target or file; the first one" }), false },
	{ "domifstat", "devices", "numbers of a network interface", run_domifstat,
	  OPTS(OPT_DOMAIN, { "interface", 0, INTERFACE_ARG, MUST_BE, "its name in domain 0, or MAC address" }), false },
	{ "domif-setlink", "devices", "plug or pull an interface's cable", run_setlink,
	  OPTS(OPT_DOMAIN, { "interface", 0, INTERFACE_ARG, MUST_BE, "its name in domain 0, or MAC address" },
	       { "state", 0, TEXT_ARG, MUST_BE, "up or down" }, OPT_WHERE_BOTH), false },
	{ "domif-getlink", "devices", "an interface's cable", run_getlink,
	  OPTS(OPT_DOMAIN, { "interface", 0, INTERFACE_ARG, MUST_BE, "its name in domain 0, or MAC address" },
	       { "inactive", 0, FLAG, OPTION, "of the definition" }), false },
	{ "blockresize", "devices", "make a running domain's disk larger", run_blockresize,
	  OPTS(OPT_DOMAIN, { "path", 0, DISK_ARG, MUST_BE, "its target or file" }, { "size", 0, TEXT_ARG, MUST_BE, "KiB, or with a unit: 10G" },
	       { "bytes", 0, FLAG, OPTION, "the size is in bytes" }), false },
	{ "blkdeviotune", "devices", "show or set a disk's limits", run_blkdeviotune,
	  OPTS(OPT_DOMAIN, { "device", 0, DISK_ARG, MUST_BE, "its target or file" }, { "total-bytes-sec", 0, NUMBER, OPTION, "bytes a second, 0: no limit" },
	       { "read-bytes-sec", 0, NUMBER, OPTION, "of reads" }, { "write-bytes-sec", 0, NUMBER, OPTION, "of writes" },
	       { "total-iops-sec", 0, NUMBER, OPTION, "requests a second" }, { "read-iops-sec", 0, NUMBER, OPTION, "reads a second" },
	       { "write-iops-sec", 0, NUMBER, OPTION, "writes a second" },
	       { "total-bytes-sec-max", 0, NUMBER, OPTION, "bytes a second while a burst lasts, 0: no bursts" },
	       { "read-bytes-sec-max", 0, NUMBER, OPTION, "of reads" }, { "write-bytes-sec-max", 0, NUMBER, OPTION, "of writes" },
	       { "total-iops-sec-max", 0, NUMBER, OPTION, "requests a second while a burst lasts" },
	       { "read-iops-sec-max", 0, NUMBER, OPTION, "reads" }, { "write-iops-sec-max", 0, NUMBER, OPTION, "writes" },
	       { "size-iops-sec", 0, NUMBER, OPTION, "bytes; longer requests count as several, 0: as one" },
	       { "total-bytes-sec-max-length", 0, NUMBER, OPTION, "seconds of a burst of bytes, 0: one" },
	       { "read-bytes-sec-max-length", 0, NUMBER, OPTION, "of bytes that are read" },
	       { "write-bytes-sec-max-length", 0, NUMBER, OPTION, "of bytes that are written" },
	       { "total-iops-sec-max-length", 0, NUMBER, OPTION, "of requests" },
	       { "read-iops-sec-max-length", 0, NUMBER, OPTION, "of reads" },
	       { "write-iops-sec-max-length", 0, NUMBER, OPTION, "of writes" }, INACTIVE, OPT_WHERE_BOTH), false },
	{ "domiftune", "devices", "show or set an interface's limits", run_domiftune,
	  OPTS(OPT_DOMAIN, { "interface", 0, INTERFACE_ARG, MUST_BE, "its name in domain 0, or MAC address" },
	       { "inbound", 0, TEXT_ARG, OPTION, "of what the guest receives: AVERAGE[,PEAK[,BURST]], KiB" },
	       { "outbound", 0, TEXT_ARG, OPTION, "of what it sends" }, INACTIVE, OPT_WHERE_BOTH), false },
	{ "dommemstat", "devices", "numbers of a domain's memory", run_dommemstat, OPTS(OPT_DOMAIN), false },
	{ 0 }
};
