// SPDX-License-Identifier: GPL-2.0-only
/*
 * devices.c - verbs on a domain's devices: disks, interfaces, their numbers.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <time.h>

#include "vmi.h"

#define DETACH_SECONDS	10		/* that the guest has to let go */

/* ---- attach and detach ---- */

/* Live, config, both by --persistent; neither: what there is. */
static json_t *where_params(struct cmd *c)
{
	json_t *p = domain_params(c);

	if (flag(c, "live") || flag(c, "persistent"))
		json_object_set_new(p, "live", json_true());
	if (flag(c, "config") || flag(c, "persistent"))
		json_object_set_new(p, "config", json_true());
	return p;
}

/* --persistent of a domain that is shut off is its definition alone. */
static int settle_where(struct cmd *c, json_t *p)
{
	json_t *d;
	int status;

	if (!flag(c, "persistent") || flag(c, "live"))
		return EX_OK;
	d = call("org.vmi.Get", domain_params(c), NULL, &status);
	if (d && !strcmp(str(d, "state"), "shut off"))
		json_object_del(p, "live");
	json_decref(d);
	return status;
}

static void put_attr(struct strbuf *b, const char *name, const char *value)
{
	xmlChar *safe = value ? xmlEncodeSpecialChars(NULL, BAD_CAST value) : NULL;

	if (safe)
		sb_printf(b, " %s='%s'", name, safe);
	xmlFree(safe);
}

/* Takes xml's text. */
static int attach(struct cmd *c, struct strbuf *xml, const char *file, const char *what)
{
	json_t *p, *answer, *text;
	int status = EX_OK;

	if (arg(c, "print-xml")) {
		fputs(xml->s, stdout);
		sb_free(xml);
		return EX_OK;
	}
	p = where_params(c);
	text = json_stringn(xml->s, xml->len);
	sb_free(xml);
	if (text)
		json_object_set_new(p, "xml", text);
	else
		status = error(EX_BAD_CONFIG, "%s: not UTF-8 text", file);
	if (!status)
		status = settle_where(c, p);
	if (status) {
		json_decref(p);
		return status;
	}
	answer = call("org.vmi.AttachDevice", p, file, &status);
	if (answer)
		say("Domain '%s' has %s now\n", str(answer, "name"), what);
	json_decref(answer);
	return status;
}

static bool matches(const json_t *dev, const char *kind, const char *key)
{
	return !strcmp(str(dev, "kind"), kind) && (!key || !strcmp(str(dev, "target"), key) || !strcasecmp(str(dev, "mac"), key) ||
	       !strcmp(str(dev, "name"), key) || !strcmp(str(dev, "tap"), key));
}

static json_t *find_device(const json_t *d, const char *kind, const char *key)
{
	size_t i;
	json_t *dev;

	json_array_foreach(json_object_get(d, "devices"), i, dev) {
		if (matches(dev, kind, key))
			return dev;
	}
	return NULL;
}

/* Until the guest has let go of it: the daemon sees to that, sooner or later. */
static int wait_gone(struct cmd *c, const char *name)
{
	uint64_t until = now_ns() + (DETACH_SECONDS + 5) * 1000000000ull;
	int status;

	for (;;) {
		json_t *d = call("org.vmi.Get", domain_params(c), NULL, &status), *dev;
		bool there = false;
		size_t i;

		if (!d)
			return status;
		json_array_foreach(json_object_get(d, "devices"), i, dev)
			there |= !strcmp(str(dev, "name"), name);
		json_decref(d);
		if (!there)
			return EX_OK;
		if (now_ns() > until)
			return error(EX_TIMED_OUT, "%s is still attached after %d s", name, DETACH_SECONDS + 5);
		nanosleep(&(struct timespec){ .tv_nsec = 50000000 }, NULL);
	}
}

/* Takes p, which says which one; key: for the wait. */
static int detach(struct cmd *c, json_t *p, const char *file, const char *kind, const char *key, const char *what)
{
	char name[64] = "";
	json_t *d, *answer;
	int status = settle_where(c, p);

	d = status ? NULL : call("org.vmi.Get", domain_params(c), NULL, &status);
	if (!d) {
		json_decref(p);
		return status;
	}
	if (kind && strcmp(str(d, "state"), "shut off") && !(flag(c, "config") && !flag(c, "live") && !flag(c, "persistent")))
		snprintf(name, sizeof(name), "%s", str(find_device(d, kind, key), "name"));
	json_decref(d);
	json_object_set_new(p, "seconds", json_integer(DETACH_SECONDS));
	answer = call("org.vmi.DetachDevice", p, file, &status);
	if (!answer)
		return status;
	if (*name)
		status = wait_gone(c, name);
	if (!status)
		say("Domain '%s' has %s no more\n", str(answer, "name"), what);
	json_decref(answer);
	return status;
}

static int run_attach_device(struct cmd *c)
{
	struct strbuf b = { 0 };
	size_t len;
	bool xl;
	char *text = read_config(arg(c, "file"), &len, &xl);

	if (!text)
		return EX_BAD_CONFIG;
	sb_add(&b, text, len);
	free(text);
	return attach(c, &b, arg(c, "file"), "the device");
}

static int run_detach_device(struct cmd *c)
{
	const char *kinds[] = { "disk", "interface", "rng", "memballoon", "console" };
	char *text, *key = NULL;
	const char *kind = NULL;
	size_t len;
	bool xl;
	json_t *p, *s;
	xmlDoc *doc;
	xmlNode *root;
	int status;

	text = read_config(arg(c, "file"), &len, &xl);
	if (!text)
		return EX_BAD_CONFIG;
	/* What to wait for; that it is right, the daemon says. */
	doc = xmlReadMemory(text, len, NULL, NULL, XML_PARSE_NONET | XML_PARSE_NOERROR | XML_PARSE_NOWARNING);
	root = doc ? xmlDocGetRootElement(doc) : NULL;
	for (size_t i = 0; root && i < ARRAY_SIZE(kinds); i++) {
		if (!strcmp((const char *)root->name, kinds[i]))
			kind = kinds[i];
	}
	if (kind) {
		key = xml_attr(xml_child(root, "mac"), "address");
		if (!key)
			key = xml_attr(xml_child(root, "target"), "dev");
	}
	p = where_params(c);
	s = json_stringn(text, len);
	free(text);
	json_object_set_new(p, "xml", s ? s : json_string(""));
	status = detach(c, p, arg(c, "file"), kind, key, "the device");
	xmlFree(key);
	if (doc)
		xmlFreeDoc(doc);
	return status;
}

/* Where an NBD server is: an address with or without a port, or a unix socket. */
static void put_host(struct cmd *c, struct strbuf *b)
{
	const char *name = arg(c, "source-host-name"), *port = name ? strrchr(name, ':') : NULL;
	char *host;

	sb_puts(b, "    <host");
	/* An IPv6 address has more than one colon, and then no port. */
	if (port && strchr(name, ':') != port)
		port = NULL;
	host = name ? xstrndup(name, port ? (size_t)(port - name) : strlen(name)) : NULL;
	put_attr(b, "name", host);
	put_attr(b, "port", port ? port + 1 : NULL);
	put_attr(b, "transport", arg(c, "source-host-transport"));
	put_attr(b, "socket", arg(c, "source-host-socket"));
	sb_puts(b, "/>\n");
	free(host);
}

static int run_attach_disk(struct cmd *c)
{
	const char *source = arg(c, "source"), *type = arg(c, "sourcetype"), *mode = arg(c, "mode"), *device = arg(c, "type"), *path_attr;
	struct strbuf b = { 0 };
	struct stat st;
	char what[64];

	if (!type && arg(c, "source-protocol"))
		type = "network";
	if (!type)
		type = !stat(source, &st) && S_ISBLK(st.st_mode) ? "block" : "file";
	if (!word_in(type, "file block network vhostuser"))
		return error(EX_BAD_USAGE, "--sourcetype %s: there are file, block, network and vhostuser", type);
	if (mode && !word_in(mode, "readonly shareable"))
		return error(EX_BAD_USAGE, "--mode %s: there are readonly and shareable", mode);
	path_attr = !strcmp(type, "block") ? "dev" : !strcmp(type, "file") ? "file" : !strcmp(type, "network") ? "name" : "path";
	sb_puts(&b, "<disk");
	put_attr(&b, "type", type);
	put_attr(&b, "device", device ? device : "disk");
	sb_puts(&b, ">\n");
	if (strcmp(type, "vhostuser")) {
		sb_puts(&b, "  <driver");
		put_attr(&b, "name", arg(c, "driver") ? arg(c, "driver") : "vmi");
		put_attr(&b, "type", arg(c, "subdriver") ? arg(c, "subdriver") : "raw");
		put_attr(&b, "cache", arg(c, "cache"));
		put_attr(&b, "discard", arg(c, "discard"));
		put_attr(&b, "queues", arg(c, "queues"));
		sb_puts(&b, "/>\n");
	}
	sb_printf(&b, "  <source%s", strcmp(type, "vhostuser") ? "" : " type='unix'");
	if (!strcmp(type, "network"))
		put_attr(&b, "protocol", arg(c, "source-protocol") ? arg(c, "source-protocol") : "nbd");
	put_attr(&b, path_attr, source);
	if (!strcmp(type, "network")) {
		sb_puts(&b, ">\n");
		put_host(c, &b);
		sb_puts(&b, "  </source>\n  <target");
	} else {
		sb_puts(&b, "/>\n  <target");
	}
	put_attr(&b, "dev", arg(c, "target"));
	put_attr(&b, "bus", "virtio");
	sb_puts(&b, "/>\n");
	if (mode)
		sb_printf(&b, "  <%s/>\n", mode);
	if (arg(c, "serial")) {
		xmlChar *safe = xmlEncodeSpecialChars(NULL, BAD_CAST arg(c, "serial"));

		sb_printf(&b, "  <serial>%s</serial>\n", safe);
		xmlFree(safe);
	}
	sb_puts(&b, "</disk>\n");
	snprintf(what, sizeof(what), "the disk %s", arg(c, "target"));
	return attach(c, &b, "attach-disk", what);
}

static json_t *which(struct cmd *c, const char *kind, const char *key)
{
	json_t *p = where_params(c), *s = json_string(key);

	json_object_set_new(p, "kind", json_string(kind));
	if (key)
		json_object_set_new(p, "key", s ? s : json_string("?"));
	return p;
}

static int run_detach_disk(struct cmd *c)
{
	const char *target = arg(c, "target");
	char what[64];

	snprintf(what, sizeof(what), "the disk %s", target);
	return detach(c, which(c, "disk", target), NULL, "disk", target, what);
}

static int run_attach_interface(struct cmd *c)
{
	const char *type = arg(c, "type"), *model = arg(c, "model");
	struct strbuf b = { 0 };

	if (!word_in(type, "bridge network user ethernet vhostuser"))
		return error(EX_BAD_USAGE, "there is no type \"%s\": there are bridge, network, user, ethernet and vhostuser", type);
	if (arg(c, "source") && !strcmp(type, "user"))
		return error(EX_BAD_USAGE, "an interface of the type user has no source: leave \"%s\" out", arg(c, "source"));
	sb_puts(&b, "<interface");
	put_attr(&b, "type", type);
	sb_puts(&b, ">\n");
	if (arg(c, "mac")) {
		sb_puts(&b, "  <mac");
		put_attr(&b, "address", arg(c, "mac"));
		sb_puts(&b, "/>\n");
	}
	if (word_in(type, "bridge network vhostuser")) {
		sb_puts(&b, "  <source");
		put_attr(&b, !strcmp(type, "vhostuser") ? "path" : type, arg(c, "source") ? arg(c, "source") : "");
		sb_puts(&b, "/>\n");
	}
	if (arg(c, "target")) {
		sb_puts(&b, "  <target");
		put_attr(&b, "dev", arg(c, "target"));
		sb_puts(&b, "/>\n");
	}
	sb_puts(&b, "  <model");
	put_attr(&b, "type", model ? model : "virtio");
	sb_puts(&b, "/>\n");
	if (arg(c, "mtu")) {
		sb_puts(&b, "  <mtu");
		put_attr(&b, "size", arg(c, "mtu"));
		sb_puts(&b, "/>\n");
	}
	sb_puts(&b, "</interface>\n");
	return attach(c, &b, "attach-interface", "another interface");
}

static int run_detach_interface(struct cmd *c)
{
	return detach(c, which(c, "interface", arg(c, "mac")), NULL, "interface", arg(c, "mac"), "the interface");
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
		{ "link", "LINK", COL_BOOL, true }, { "state", "STATE", COL_TEXT, true }, { "pid", "PID", COL_NUMBER, true },
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

/* The device, which has to be there; *d is the answer that it is part of. */
static json_t *need(struct cmd *c, const char *kind, const char *key, json_t **d, int *status)
{
	json_t *dev;

	*d = get(c, status);
	if (!*d)
		return NULL;
	dev = find_device(*d, kind, key);
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
	json_t *d, *dev;
	int status;

	dev = need(c, "interface", arg(c, "interface"), &d, &status);
	if (dev && !print_object(json_object_get(dev, "link")))
		printf("%s %s\n%s", arg(c, "interface"), json_is_true(json_object_get(dev, "link")) ? "up" : "down", opts.virsh ? "\n" : "");
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

#define WHERE	{ "live", 0, FLAG, OPTION, "the running domain" }, { "config", 0, FLAG, OPTION, "its definition" }, \
		{ "current", 0, FLAG, OPTION, "the running domain if it runs, else the definition (default)" }, \
		{ "persistent", 0, FLAG, OPTION, "both, if it runs" }
#define INACTIVE	{ "inactive", 0, FLAG, OPTION, "of the definition, not of what runs" }
#define PRINT_XML	{ "print-xml", 0, FLAG, OPTION, "only print the XML" }

const struct verb device_verbs[] = {
	{ "attach-device", "devices", "attach a device, described in XML", run_attach_device,
	  OPTS(OPT_DOMAIN, { "file", 0, FILE_ARG, MUST_BE, "one element of <devices>; - is standard input" }, WHERE), false },
	{ "detach-device", "devices", "detach a device, described in XML", run_detach_device,
	  OPTS(OPT_DOMAIN, { "file", 0, FILE_ARG, MUST_BE, "its element of <devices>" }, WHERE), false },
	{ "attach-disk", "devices", "attach a disk", run_attach_disk,
	  OPTS(OPT_DOMAIN, { "source", 0, FILE_ARG, MUST_BE, "image, block device, socket, or an NBD server's export" },
	       { "target", 0, TEXT_ARG, MUST_BE, "its name: vda, vdb, ..." },
	       { "sourcetype", 0, TEXT_ARG, OPTION, "file, block, network or vhostuser" },
	       { "source-protocol", 0, TEXT_ARG, OPTION, "nbd" }, { "source-host-name", 0, TEXT_ARG, OPTION, "the server's address, :port" },
	       { "source-host-transport", 0, TEXT_ARG, OPTION, "tcp or unix" }, { "source-host-socket", 0, FILE_ARG, OPTION, "with unix" },
	       { "subdriver", 0, TEXT_ARG, OPTION, "the image's format: raw (default) or qcow2" },
	       { "driver", 0, TEXT_ARG, OPTION, "accepted for virsh's sake" }, { "cache", 0, TEXT_ARG, OPTION, "none, writeback, writethrough, unsafe" },
	       { "discard", 0, TEXT_ARG, OPTION, "unmap or ignore" }, { "queues", 0, NUMBER, OPTION, "1" },
	       { "type", 0, TEXT_ARG, OPTION, "disk or cdrom" }, { "mode", 0, TEXT_ARG, OPTION, "readonly or shareable" },
	       { "serial", 0, TEXT_ARG, OPTION, "serial number" }, PRINT_XML, WHERE), false },
	{ "detach-disk", "devices", "detach a disk", run_detach_disk,
	  OPTS(OPT_DOMAIN, { "target", 0, DISK_ARG, MUST_BE, "its name" }, WHERE), false },
	{ "attach-interface", "devices", "attach a network interface", run_attach_interface,
	  OPTS(OPT_DOMAIN, { "type", 0, TEXT_ARG, MUST_BE, "bridge, ethernet or vhostuser" }, { "source", 0, TEXT_ARG, MAY, "the bridge, or the socket" },
	       { "target", 0, TEXT_ARG, OPTION, "its name in domain 0" }, { "mac", 0, TEXT_ARG, OPTION, "its address" },
	       { "model", 0, TEXT_ARG, OPTION, "virtio" }, { "mtu", 0, NUMBER, OPTION, "the bridge's" }, PRINT_XML, WHERE), false },
	{ "detach-interface", "devices", "detach a network interface", run_detach_interface,
	  OPTS(OPT_DOMAIN, { "type", 0, TEXT_ARG, MUST_BE, "bridge, ethernet or vhostuser" }, { "mac", 0, TEXT_ARG, OPTION, "which one" }, WHERE), false },
	{ "domblklist", "devices", "list a domain's disks", run_domblklist,
	  OPTS(OPT_DOMAIN, INACTIVE, { "details", 0, FLAG, OPTION, "with type and device" }), false },
	{ "domiflist", "devices", "list a domain's network interfaces", run_domiflist, OPTS(OPT_DOMAIN, INACTIVE), false },
	{ "domblkerror", "devices", "list disks whose requests wait for the end of an error", run_domblkerror, OPTS(OPT_DOMAIN), false },
	{ "domblkstat", "devices", "numbers of a disk", run_domblkstat,
	  OPTS(OPT_DOMAIN, { "device", 0, DISK_ARG, MAY, "its target; the first one" }), false },
	{ "domifstat", "devices", "numbers of a network interface", run_domifstat,
	  OPTS(OPT_DOMAIN, { "interface", 0, INTERFACE_ARG, MUST_BE, "its name in domain 0, or MAC address" }), false },
	{ "domif-setlink", "devices", "plug or pull an interface's cable", run_setlink,
	  OPTS(OPT_DOMAIN, { "interface", 0, INTERFACE_ARG, MUST_BE, "its name in domain 0, or MAC address" },
	       { "state", 0, TEXT_ARG, MUST_BE, "up or down" }, WHERE), false },
	{ "domif-getlink", "devices", "an interface's cable", run_getlink,
	  OPTS(OPT_DOMAIN, { "interface", 0, INTERFACE_ARG, MUST_BE, "its name in domain 0, or MAC address" },
	       { "inactive", 0, FLAG, OPTION, "of the definition" }), false },
	{ "blockresize", "devices", "make a running domain's disk larger", run_blockresize,
	  OPTS(OPT_DOMAIN, { "path", 0, DISK_ARG, MUST_BE, "its target" }, { "size", 0, TEXT_ARG, MUST_BE, "KiB, or with a unit: 10G" },
	       { "bytes", 0, FLAG, OPTION, "the size is in bytes" }), false },
	{ "blkdeviotune", "devices", "show or set a disk's limits", run_blkdeviotune,
	  OPTS(OPT_DOMAIN, { "device", 0, DISK_ARG, MUST_BE, "its target" }, { "total-bytes-sec", 0, NUMBER, OPTION, "bytes a second, 0: no limit" },
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
	       { "write-iops-sec-max-length", 0, NUMBER, OPTION, "of writes" }, INACTIVE, WHERE), false },
	{ "domiftune", "devices", "show or set an interface's limits", run_domiftune,
	  OPTS(OPT_DOMAIN, { "interface", 0, INTERFACE_ARG, MUST_BE, "its name in domain 0, or MAC address" },
	       { "inbound", 0, TEXT_ARG, OPTION, "of what the guest receives: AVERAGE[,PEAK[,BURST]], KiB" },
	       { "outbound", 0, TEXT_ARG, OPTION, "of what it sends" }, INACTIVE, WHERE), false },
	{ "dommemstat", "devices", "numbers of a domain's memory", run_dommemstat, OPTS(OPT_DOMAIN), false },
	{ 0 }
};
