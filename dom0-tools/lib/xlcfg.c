// SPDX-License-Identifier: GPL-2.0-only
/*
 * xlcfg.c - reads xl.cfg files (xl.cfg(5)) by writing them as domain XML.
 *
 * A file is lines of KEY = VALUE, where a value is a number, a quoted string or
 * a list of these in brackets over as many lines as it likes; # begins a
 * comment. The XML then passes the same checks as any other. Keys that have no
 * meaning here are named in a warning, so nothing is lost in silence.
 *
 * Trust: none; the length is bounded by the caller, nesting is two levels.
 */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config.h"

#define MAX_ITEMS 64

struct setting {
	const char *key;
	char *value;			/* of a list: NULL */
	char *items[MAX_ITEMS];
	unsigned int nr, line;
};

struct reader {
	const char *p, *end;
	unsigned int line;
	struct diag *d;
	struct setting set[MAX_ITEMS];
	unsigned int nr;
};

static void skip(struct reader *r, bool lines)
{
	while (r->p < r->end) {
		if (*r->p == '#') {
			while (r->p < r->end && *r->p != '\n')
				r->p++;
		} else if (*r->p == '\n' && lines) {
			r->line++;
			r->p++;
		} else if (*r->p == '\\' && r->p + 1 < r->end && r->p[1] == '\n') {
			r->line++;
			r->p += 2;
		} else if (*r->p == ' ' || *r->p == '\t' || *r->p == '\r' || (lines && *r->p == ';')) {
			r->p++;
		} else {
			return;
		}
	}
}

static bool fail(struct reader *r, const char *what)
{
	diag_error(r->d, r->line, "%s", what);
	return false;
}

/* A quoted string or a bare number. */
static char *scalar(struct reader *r)
{
	struct strbuf b = { 0 };
	char quote = r->p < r->end ? *r->p : 0;
	bool triple;

	sb_add(&b, "", 0);
	if (quote != '"' && quote != '\'') {
		while (r->p < r->end && (isalnum((unsigned char)*r->p) || strchr("._+-", *r->p)) && *r->p)
			sb_add(&b, r->p++, 1);
		if (b.len)
			return b.s;
		fail(r, "a value is missing: give a number, a quoted string or a list in [ ]");
		sb_free(&b);
		return NULL;
	}
	triple = r->end - r->p >= 3 && r->p[1] == quote && r->p[2] == quote;
	r->p += triple ? 3 : 1;
	for (; r->p < r->end; r->p++) {
		if (*r->p == quote && (!triple || (r->end - r->p >= 3 && r->p[1] == quote && r->p[2] == quote))) {
			r->p += triple ? 3 : 1;
			return b.s;
		}
		if (*r->p == '\n') {
			if (!triple)
				break;
			r->line++;
		}
		if (*r->p == '\\' && r->p + 1 < r->end && strchr("\\\"'", r->p[1]))
			r->p++;
		if (*r->p)
			sb_add(&b, r->p, 1);
	}
	fail(r, "a string has no end");
	sb_free(&b);
	return NULL;
}

static bool list(struct reader *r, struct setting *s)
{
	r->p++;
	for (;;) {
		char *item;

		skip(r, true);
		if (r->p == r->end)
			return fail(r, "a list has no ]");
		if (*r->p == ']') {
			r->p++;
			return true;
		}
		item = scalar(r);
		if (!item)
			return false;
		if (s->nr == MAX_ITEMS) {
			free(item);
			return fail(r, "a list has more than 64 items");
		}
		s->items[s->nr++] = item;
		skip(r, true);
		if (r->p < r->end && *r->p == ',')
			r->p++;
		else if (r->p == r->end || *r->p != ']')
			return fail(r, "items of a list are separated by commas");
	}
}

static bool setting(struct reader *r)
{
	struct setting *s = &r->set[r->nr];
	const char *start = r->p;

	while (r->p < r->end && (isalnum((unsigned char)*r->p) || *r->p == '_' || *r->p == '-'))
		r->p++;
	if (r->p == start)
		return fail(r, "expected a line KEY = VALUE");
	s->line = r->line;
	s->key = xstrndup(start, r->p - start);
	r->nr++;
	skip(r, false);
	if (r->p == r->end || *r->p != '=')
		return fail(r, "there is no = after the key");
	r->p++;
	skip(r, false);
	if (r->p < r->end && *r->p == '[') {
		if (!list(r, s))
			return false;
	} else {
		s->value = scalar(r);
		if (!s->value)
			return false;
	}
	skip(r, false);
	if (r->p < r->end && *r->p != '\n' && *r->p != ';')
		return fail(r, "something follows the value");
	return true;
}

static struct setting *find(struct reader *r, const char *key)
{
	for (unsigned int i = r->nr; i--;) {		/* the last one counts */
		if (!strcmp(r->set[i].key, key))
			return &r->set[i];
	}
	return NULL;
}

static const char *value(struct reader *r, const char *key)
{
	struct setting *s = find(r, key);

	return s ? s->value : NULL;
}

/* Writes the printf format with all arguments, which are strings, escaped. */
static void put(struct strbuf *b, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	for (; *fmt; fmt++) {
		xmlChar *safe;

		if (fmt[0] != '%' || fmt[1] != 's') {
			sb_add(b, fmt, 1);
			continue;
		}
		fmt++;
		safe = xmlEncodeSpecialChars(NULL, BAD_CAST va_arg(ap, const char *));
		sb_puts(b, (const char *)safe);
		xmlFree(safe);
	}
	va_end(ap);
}

static void element(struct reader *r, struct strbuf *b, const char *key, const char *fmt)
{
	const char *v = value(r, key);

	if (v && *v)
		put(b, fmt, v);
}

/* The next part of s up to a comma, without blanks around it; NULL: none left. */
static char *part(char **s)
{
	char *start = *s, *end;

	if (!start)
		return NULL;
	end = strchr(start, ',');
	*s = end ? end + 1 : NULL;
	if (end)
		*end = 0;
	start += strspn(start, " \t");
	for (end = start + strlen(start); end > start && (end[-1] == ' ' || end[-1] == '\t'); end--)
		end[-1] = 0;
	return start;
}

/* "target,format,vdev,access" by place, or "vdev=xvda,target=/path" by name; "phy:", "file:", "tap:qcow2:" and the like before the path. */
static void disk(struct reader *r, struct strbuf *b, const char *text, unsigned int line)
{
	const char *field[4] = { "", "raw", "", "rw" };
	static const char *const names[] = { "target=", "format=", "vdev=", "access=" };
	char *copy = xstrdup(text), *rest = copy, *p;
	unsigned int place = 0;
	bool block, cdrom = false, discard = false, old;

	old = !strncmp(text, "phy:", 4) || !strncmp(text, "file:", 5) || !strncmp(text, "tap:", 4) || !strncmp(text, "tap2:", 5) ||
	      !strncmp(text, "qcow2:", 6);
	while ((p = part(&rest))) {
		unsigned int i = 0;

		while (i < 4 && strncmp(p, names[i], strlen(names[i])))
			i++;
		if (i < 4) {
			field[i] = p + strlen(names[i]);
		} else if (!strcmp(p, "devtype=cdrom") || !strcmp(p, "cdrom")) {
			cdrom = true;
		} else if (word_in(p, "discard no-discard")) {
			discard = *p == 'd';
		} else if (!strncmp(p, "backendtype=", 12)) {
			continue;			/* how Xen does it */
		} else if (strchr(p, '=')) {
			diag_warn(r->d, line, "disk: \"%.40s\" has no meaning here: ignored", p);
		} else if (place < 4) {
			if (*p)
				field[place] = p;
			place += old && !place ? 2 : 1;		/* the old form has no format */
		}
	}
	if (!strncmp(field[0], "phy:", 4))
		field[0] += 4;
	else if (!strncmp(field[0], "file:", 5))
		field[0] += 5;
	else if (!strncmp(field[0], "tap:", 4) || !strncmp(field[0], "tap2:", 5))
		field[0] = strchr(field[0], ':') + 1;
	if (!strncmp(field[0], "aio:", 4))
		field[0] += 4;
	if (!strncmp(field[0], "qcow2:", 6)) {
		field[0] += 6;
		field[1] = "qcow2";
	}
	block = !strncmp(text, "phy:", 4) || !strncmp(field[0], "/dev/", 5);
	if (strlen(field[2]) > 6 && !strcmp(field[2] + strlen(field[2]) - 6, ":cdrom")) {
		((char *)field[2])[strlen(field[2]) - 6] = 0;
		cdrom = true;
	}
	put(b, "    <disk type='%s' device='%s'>\n      <driver name='vmi' type='%s'", block ? "block" : "file",
	    cdrom ? "cdrom" : "disk", field[1]);
	sb_puts(b, discard ? " discard='unmap'/>\n" : "/>\n");
	if (*field[0])
		put(b, block ? "      <source dev='%s'/>\n" : "      <source file='%s'/>\n", field[0]);
	put(b, "      <target dev='%s' bus='xen'/>\n", field[2]);
	if (word_in(field[3], "r ro") || cdrom)
		sb_puts(b, "      <readonly/>\n");
	sb_puts(b, "    </disk>\n");
	free(copy);
}

static void vif(struct reader *r, struct strbuf *b, const char *text, unsigned int line)
{
	char *copy = xstrdup(text), *rest = copy, *p;
	const char *bridge = NULL, *mac = NULL, *dev = NULL, *script = NULL, *mtu = NULL;

	while ((p = part(&rest))) {
		if (!strncmp(p, "bridge=", 7))
			bridge = p + 7;
		else if (!strncmp(p, "mac=", 4))
			mac = p + 4;
		else if (!strncmp(p, "vifname=", 8))
			dev = p + 8;
		else if (!strncmp(p, "script=", 7))
			script = p + 7;
		else if (!strncmp(p, "mtu=", 4))
			mtu = p + 4;
		else if (*p)
			diag_warn(r->d, line, "vif: \"%.40s\" has no meaning here: ignored", p);
	}
	put(b, "    <interface type='bridge'>\n");
	if (mac)
		put(b, "      <mac address='%s'/>\n", mac);
	put(b, "      <source bridge='%s'/>\n", bridge ? bridge : "xenbr0");
	if (script)
		put(b, "      <script path='%s'/>\n", script);
	if (dev)
		put(b, "      <target dev='%s'/>\n", dev);
	if (mtu)
		put(b, "      <mtu size='%s'/>\n", mtu);
	put(b, "    </interface>\n");
	free(copy);
}

static void put_cmdline(struct reader *r, struct strbuf *b)
{
	const char *cmdline = value(r, "cmdline"), *root = value(r, "root"), *extra = value(r, "extra");

	if (cmdline)
		put(b, "    <cmdline>%s</cmdline>\n", cmdline);
	else if (root || extra)
		put(b, "    <cmdline>%s%s%s%s</cmdline>\n", root ? "root=" : "", root ? root : "", root && extra ? " " : "", extra ? extra : "");
}

static void put_memory(struct reader *r, struct strbuf *b)
{
	const char *memory = value(r, "memory"), *max = value(r, "maxmem");

	if (memory || max)
		put(b, "  <memory unit='MiB'>%s</memory>\n", max ? max : memory);
	if (memory && max)
		put(b, "  <currentMemory unit='MiB'>%s</currentMemory>\n", memory);
}

static void put_vcpus(struct reader *r, struct strbuf *b)
{
	const char *now = value(r, "vcpus"), *max = value(r, "maxvcpus"), *cpus = value(r, "cpus");

	sb_puts(b, "  <vcpu");
	if (cpus && strcmp(cpus, "all"))
		put(b, " cpuset='%s'", cpus);
	if (now && max)
		put(b, " current='%s'", now);
	put(b, ">%s</vcpu>\n", max ? max : now ? now : "1");
}

static void put_cputune(struct reader *r, struct strbuf *b)
{
	const char *weight = value(r, "cpu_weight"), *cap = value(r, "cap");
	unsigned int percent;

	if (!weight && !cap)
		return;
	sb_puts(b, "  <cputune>\n");
	if (weight)
		put(b, "    <shares>%s</shares>\n", weight);
	if (cap && !parse_uint(cap, &percent))
		diag_error(r->d, find(r, "cap")->line, "cap: \"%.40s\" is not a whole number", cap);
	else if (cap && percent)
		sb_printf(b, "    <period>100000</period>\n    <quota>%llu</quota>\n", percent * 1000ull);
	sb_puts(b, "  </cputune>\n");
}

static void put_devices(struct reader *r, struct strbuf *b)
{
	struct setting *disks = find(r, "disk"), *vifs = find(r, "vif");

	sb_puts(b, "  <devices>\n");
	for (unsigned int i = 0; disks && i < disks->nr; i++)
		disk(r, b, disks->items[i], disks->line);
	for (unsigned int i = 0; vifs && i < vifs->nr; i++)
		vif(r, b, vifs->items[i], vifs->line);
	sb_puts(b, "    <console type='pty'/>\n  </devices>\n");
}

static const char *const known[] = {
	"name", "uuid", "type", "builder", "memory", "maxmem", "vcpus", "maxvcpus", "cpus", "cpu_weight", "cap", "kernel",
	"ramdisk", "initrd", "cmdline", "root", "extra", "bootloader", "bootloader_args", "on_poweroff", "on_reboot",
	"on_crash", "disk", "vif",
};

static void check_keys(struct reader *r)
{
	static const char *const must[] = { "name", "memory", "kernel" };
	const char *type = value(r, "type"), *builder = value(r, "builder");

	if ((type && strcmp(type, "pv")) || (builder && strcmp(builder, "generic") && strcmp(builder, "linux")))
		diag_error(r->d, find(r, type ? "type" : "builder")->line,
			   "\"%.40s\" guests need hardware virtualization, which VMI does without: only pv ones run here", type ? type : builder);
	for (size_t i = 0; i < ARRAY_SIZE(must); i++) {
		if (!find(r, must[i]) && (strcmp(must[i], "kernel") || !find(r, "bootloader")))
			diag_error(r->d, 0, "%s is missing", must[i]);
	}
	for (unsigned int i = 0; i < r->nr; i++) {
		const struct setting *s = &r->set[i];
		bool is_list = !s->value, wants_list = word_in(s->key, "disk vif");
		unsigned int k = 0;

		while (k < ARRAY_SIZE(known) && strcmp(known[k], s->key))
			k++;
		if (k == ARRAY_SIZE(known)) {
			const char *near = nearest(s->key, known, ARRAY_SIZE(known));

			if (near)
				diag_unknown(r->d, s->line, "unknown key \"%.40s\": did you mean %s?", s->key, near);
			else
				diag_unknown(r->d, s->line, "\"%.40s\" has no meaning for a VMI domain: ignored", s->key);
		} else if (is_list != wants_list) {
			diag_error(r->d, s->line, "%s: %s", s->key, is_list ? "takes one value, not a list" : "takes a list: [ '...', '...' ]");
		}
	}
}

char *xl_to_xml(const char *text, size_t len, struct diag *d)
{
	struct reader r = { .p = text, .end = text + len, .line = 1, .d = d };
	struct strbuf b = { 0 };

	if (len > CONFIG_MAX) {
		diag_error(d, 0, "larger than %u MiB: this is no domain's description", CONFIG_MAX >> 20);
		return NULL;
	}
	for (skip(&r, true); r.p < r.end; skip(&r, true)) {
		if (r.nr == MAX_ITEMS) {
			fail(&r, "more than 64 settings");
			break;
		}
		if (!setting(&r))
			break;
	}
	if (!d->errors)
		check_keys(&r);
	if (!d->errors) {
		sb_puts(&b, "<domain type='vmi'>\n");
		element(&r, &b, "name", "  <name>%s</name>\n");
		element(&r, &b, "uuid", "  <uuid>%s</uuid>\n");
		put_memory(&r, &b);
		put_vcpus(&r, &b);
		put_cputune(&r, &b);
		element(&r, &b, "bootloader", "  <bootloader>%s</bootloader>\n");
		element(&r, &b, "bootloader_args", "  <bootloader_args>%s</bootloader_args>\n");
		sb_puts(&b, "  <os>\n    <type>pv</type>\n");
		element(&r, &b, "kernel", "    <kernel>%s</kernel>\n");
		element(&r, &b, value(&r, "ramdisk") ? "ramdisk" : "initrd", "    <initrd>%s</initrd>\n");
		put_cmdline(&r, &b);
		sb_puts(&b, "  </os>\n");
		element(&r, &b, "on_poweroff", "  <on_poweroff>%s</on_poweroff>\n");
		element(&r, &b, "on_reboot", "  <on_reboot>%s</on_reboot>\n");
		element(&r, &b, "on_crash", "  <on_crash>%s</on_crash>\n");
		put_devices(&r, &b);
		sb_puts(&b, "</domain>\n");
	}
	for (unsigned int i = 0; i < r.nr; i++) {
		free((char *)r.set[i].key);
		free(r.set[i].value);
		for (unsigned int j = 0; j < r.set[i].nr; j++)
			free(r.set[i].items[j]);
	}
	if (d->errors)
		sb_free(&b);
	return b.s;
}

struct dom_config *config_from_xl(const char *text, size_t len, struct diag *d)
{
	char *xml = xl_to_xml(text, len, d);
	struct dom_config *c = NULL;

	if (xml) {
		unsigned int before = d->nr;

		c = config_from_xml(xml, strlen(xml), d);
		/* Lines of the XML mean nothing to who wrote the file. */
		for (unsigned int i = before; i < d->nr; i++)
			d->items[i].line = 0;
	}
	free(xml);
	return c;
}
