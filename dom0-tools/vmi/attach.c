// SPDX-License-Identifier: GPL-2.0-only
/*
 * attach.c - verbs that attach and detach a domain's devices.
 */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "vmi.h"

#define DETACH_SECONDS	10		/* that the guest has to let go */

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
static int give(struct cmd *c, const char *method, struct strbuf *xml, const char *file, const char *what)
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
	answer = call(method, p, file, &status);
	if (answer)
		say("Domain '%s' has %s\n", str(answer, "name"), what);
	json_decref(answer);
	return status;
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

static int with_file(struct cmd *c, const char *method, const char *done)
{
	struct strbuf b = { 0 };
	size_t len;
	bool xl;
	char *text = read_config(arg(c, "file"), &len, &xl);

	if (!text)
		return EX_BAD_CONFIG;
	sb_add(&b, text, len);
	free(text);
	return give(c, method, &b, arg(c, "file"), done);
}

static int run_attach_device(struct cmd *c)
{
	return with_file(c, "org.vmi.AttachDevice", "the device now");
}

static int run_update_device(struct cmd *c)
{
	return with_file(c, "org.vmi.UpdateDevice", "the device updated");
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
	const char *bus = arg(c, "targetbus");
	char what[64], path[PATH_MAX];
	struct strbuf b = { 0 };
	struct stat st;

	if (!type && arg(c, "source-protocol"))
		type = "network";
	if (!type)
		type = !stat(source, &st) && S_ISBLK(st.st_mode) ? "block" : "file";
	if (!word_in(type, "file block network vhostuser"))
		return error(EX_BAD_USAGE, "--sourcetype %s: there are file, block, network and vhostuser", type);
	if (mode && !word_in(mode, "readonly shareable"))
		return error(EX_BAD_USAGE, "--mode %s: there are readonly and shareable", mode);
	if (strcmp(type, "network") && *source && *source != '/') {
		/* The daemon is in another folder. */
		if (!realpath(source, path))
			return error(EX_BAD_CONFIG, "%s: %s", source, strerror(errno));
		source = path;
	}
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
		put_attr(&b, "io", arg(c, "io"));
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
	put_attr(&b, "bus", bus ? bus : "virtio");
	sb_puts(&b, "/>\n");
	if (mode)
		sb_printf(&b, "  <%s/>\n", mode);
	if (arg(c, "serial")) {
		xmlChar *safe = xmlEncodeSpecialChars(NULL, BAD_CAST arg(c, "serial"));

		sb_printf(&b, "  <serial>%s</serial>\n", safe);
		xmlFree(safe);
	}
	sb_puts(&b, "</disk>\n");
	snprintf(what, sizeof(what), "the disk %s now", arg(c, "target"));
	return give(c, "org.vmi.AttachDevice", &b, "attach-disk", what);
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
	return give(c, "org.vmi.AttachDevice", &b, "attach-interface", "another interface now");
}

static int run_detach_alias(struct cmd *c)
{
	const char *alias = arg(c, "alias");
	char kind[32] = "", what[64];
	json_t *d, *dev;
	int status;
	size_t i;

	d = call("org.vmi.Get", domain_params(c), NULL, &status);
	if (!d)
		return status;
	json_array_foreach(json_object_get(d, "devices"), i, dev) {
		if (!strcmp(str(dev, "name"), alias))
			snprintf(kind, sizeof(kind), "%s", str(dev, "kind"));
	}
	if (!*kind) {
		status = error(EX_NO_OBJECT, "domain '%s' has no device with the alias %s", str(d, "name"), alias);
		hint("see what there is: vmi dumpxml; a disk's alias is its target");
	}
	json_decref(d);
	snprintf(what, sizeof(what), "the device %.40s", alias);
	return *kind ? detach(c, which(c, kind, alias), NULL, kind, alias, what) : status;
}

/* Which one is meant: none of another type, and one alone. */
static int run_detach_interface(struct cmd *c)
{
	const char *type = arg(c, "type"), *mac = arg(c, "mac");
	json_t *p = domain_params(c), *d, *dev;
	char found[24] = "";
	size_t i, nr = 0;
	int status;

	if (flag(c, "config") && !flag(c, "live"))
		json_object_set_new(p, "inactive", json_true());
	d = call("org.vmi.Get", p, NULL, &status);
	if (!d)
		return status;
	json_array_foreach(json_object_get(d, "devices"), i, dev) {
		if (strcmp(str(dev, "kind"), "interface") || strcmp(str(dev, "type"), type) || (mac && strcasecmp(str(dev, "mac"), mac)))
			continue;
		snprintf(found, sizeof(found), "%s", str(dev, "mac"));
		nr++;
	}
	if (nr == 1)
		status = detach(c, which(c, "interface", found), NULL, "interface", found, "the interface");
	else if (nr)
		status = error(EX_NO_OBJECT, "domain '%s' has %zu interfaces of the type %s: say which: --mac", str(d, "name"), nr, type);
	else
		status = error(EX_NO_OBJECT, "domain '%s' has no interface of the type %s%s%s", str(d, "name"), type, mac ? " with the address " : "",
			       mac ? mac : "");
	if (nr != 1)
		hint("see what there is: vmi domiflist");
	json_decref(d);
	return status;
}

#define PRINT_XML	{ "print-xml", 0, FLAG, OPTION, "only print the XML" }

const struct verb attach_verbs[] = {
	{ "attach-device", "devices", "attach a device, described in XML", run_attach_device,
	  OPTS(OPT_DOMAIN, { "file", 0, FILE_ARG, MUST_BE, "one element of <devices>; - is standard input" }, OPT_WHERE_BOTH), false },
	{ "detach-device", "devices", "detach a device, described in XML", run_detach_device,
	  OPTS(OPT_DOMAIN, { "file", 0, FILE_ARG, MUST_BE, "its element of <devices>" }, OPT_WHERE_BOTH), false },
	{ "detach-device-alias", "devices", "detach a device by its alias", run_detach_alias,
	  OPTS(OPT_DOMAIN, { "alias", 0, TEXT_ARG, MUST_BE, "its name in what vmi dumpxml prints: net0, rng0; a disk's target" }, OPT_WHERE_BOTH), false },
	{ "update-device", "devices", "change an interface's link and bandwidth, or any device of a definition", run_update_device,
	  OPTS(OPT_DOMAIN, { "file", 0, FILE_ARG, MUST_BE, "its element of <devices> as it is to be" }, OPT_WHERE_BOTH), false },
	{ "attach-disk", "devices", "attach a disk", run_attach_disk,
	  OPTS(OPT_DOMAIN, { "source", 0, FILE_ARG, MUST_BE, "image, block device, socket, or an NBD server's export" },
	       { "target", 0, TEXT_ARG, MUST_BE, "its name: vda, vdb, ..." },
	       { "sourcetype", 0, TEXT_ARG, OPTION, "file, block, network or vhostuser" },
	       { "source-protocol", 0, TEXT_ARG, OPTION, "nbd" }, { "source-host-name", 0, TEXT_ARG, OPTION, "the server's address, :port" },
	       { "source-host-transport", 0, TEXT_ARG, OPTION, "tcp or unix" }, { "source-host-socket", 0, FILE_ARG, OPTION, "with unix" },
	       { "subdriver", 0, TEXT_ARG, OPTION, "the image's format: raw (default) or qcow2" },
	       { "driver", 0, TEXT_ARG, OPTION, "accepted for virsh's sake" }, { "targetbus", 0, TEXT_ARG, OPTION, "virtio" }, { "cache", 0, TEXT_ARG, OPTION, "none, writeback, writethrough, unsafe" },
	       { "io", 0, TEXT_ARG, OPTION, "accepted for virsh's sake" }, { "discard", 0, TEXT_ARG, OPTION, "unmap or ignore" }, { "queues", 0, NUMBER, OPTION, "1" },
	       { "type", 0, TEXT_ARG, OPTION, "disk or cdrom" }, { "mode", 0, TEXT_ARG, OPTION, "readonly or shareable" },
	       { "serial", 0, TEXT_ARG, OPTION, "serial number" }, PRINT_XML, OPT_WHERE_BOTH), false },
	{ "detach-disk", "devices", "detach a disk", run_detach_disk,
	  OPTS(OPT_DOMAIN, { "target", 0, DISK_ARG, MUST_BE, "its name or file" }, OPT_WHERE_BOTH), false },
	{ "attach-interface", "devices", "attach a network interface", run_attach_interface,
	  OPTS(OPT_DOMAIN, { "type", 0, TEXT_ARG, MUST_BE, "bridge, network, user, ethernet or vhostuser" }, { "source", 0, TEXT_ARG, MAY, "the bridge, network or socket" },
	       { "target", 0, TEXT_ARG, OPTION, "its name in domain 0" }, { "mac", 0, TEXT_ARG, OPTION, "its address" },
	       { "model", 0, TEXT_ARG, OPTION, "virtio" }, { "mtu", 0, NUMBER, OPTION, "the bridge's" }, PRINT_XML, OPT_WHERE_BOTH), false },
	{ "detach-interface", "devices", "detach a network interface", run_detach_interface,
	  OPTS(OPT_DOMAIN, { "type", 0, TEXT_ARG, MUST_BE, "bridge, network, ..." }, { "mac", 0, TEXT_ARG, OPTION, "which one" }, OPT_WHERE_BOTH), false },
	{ 0 }
};
