// SPDX-License-Identifier: GPL-2.0-only
/*
 * xml.c - reads domain XML into a struct dom_config.
 *
 * libxml2 parses without network; the first sign of a DTD stops it, so there
 * are no entities but the five of XML. spec_check() then settles names and
 * single values; here is what they mean together.
 */
#include <stdlib.h>
#include <stdio.h>
#include <string.h>
#include <libxml/parser.h>

#include "xml_devices.h"

const char *const action_names[NR_ACTIONS] = {
	"destroy", "restart", "preserve", "rename-restart", "coredump-destroy", "coredump-restart"
};

static const char *const kept_names[NR_KEPT] = {
	"metadata", "memoryBacking", "memtune", "numatune", "features", "clock", "devices", "seclabel"
};

xmlNode *xml_child(const xmlNode *n, const char *name)
{
	for (xmlNode *c = n ? n->children : NULL; c; c = c->next) {
		if (c->type == XML_ELEMENT_NODE && !strcmp((const char *)c->name, name))
			return c;
	}
	return NULL;
}

char *xml_attr(const xmlNode *n, const char *name)
{
	return n ? (char *)xmlGetNoNsProp((xmlNode *)n, BAD_CAST name) : NULL;
}

/* Without the blanks around it; never NULL for an element. */
char *xml_text(const xmlNode *n)
{
	char *s = n ? (char *)xmlNodeGetContent(n) : NULL;
	size_t len, start;

	if (!n)
		return NULL;
	if (!s)
		return (char *)xmlStrdup(BAD_CAST "");
	start = strspn(s, " \t\r\n");
	len = strlen(s + start);
	while (len && strchr(" \t\r\n", s[start + len - 1]))
		len--;
	memmove(s, s + start, len);
	s[len] = 0;
	return s;
}

struct parse {
	struct diag *d;
	bool dtd;
};

static void refuse_dtd(void *ctx, const xmlChar *name, const xmlChar *external, const xmlChar *system)
{
	xmlParserCtxt *ctxt = ctx;
	struct parse *p = ctxt->_private;

	(void)name, (void)external, (void)system;
	p->dtd = true;
	diag_error(p->d, xmlSAX2GetLineNumber(ctxt), "a DOCTYPE is not allowed: remove it, and the entities it defines");
	xmlStopParser(ctxt);
}

static void syntax_error(void *ctx, xmlErrorPtr e)
{
	struct parse *p = ((xmlParserCtxt *)ctx)->_private;

	/* After the first one libxml2 only guesses. */
	if (p->dtd || p->d->errors || e->level < XML_ERR_ERROR)
		return;
	diag_error(p->d, e->line, "not well-formed XML: %.*s", e->message ? (int)strcspn(e->message, "\n") : 0,
		   e->message ? e->message : "");
}

xmlDoc *xml_parse(const char *text, size_t len, const char *root, struct diag *d)
{
	struct parse p = { .d = d };
	size_t blanks = 0;
	xmlParserCtxt *ctxt;
	xmlNode *top;
	xmlDoc *doc;

	if (len > CONFIG_MAX) {
		diag_error(d, 0, "larger than %u MiB: this is no domain's description", CONFIG_MAX >> 20);
		return NULL;
	}
	while (blanks < len && memchr(" \t\r\n", text[blanks], 4))
		blanks++;
	if (blanks == len) {
		diag_error(d, 0, "empty: there is no <%s> in it", root ? root : "element");
		return NULL;
	}
	ctxt = xmlNewParserCtxt();
	if (!ctxt)
		return NULL;
	ctxt->_private = &p;
	ctxt->sax->internalSubset = refuse_dtd;
	ctxt->sax->externalSubset = refuse_dtd;
	ctxt->sax->serror = syntax_error;
	doc = xmlCtxtReadMemory(ctxt, text, len, NULL, NULL, XML_PARSE_NONET | XML_PARSE_NOCDATA | XML_PARSE_BIG_LINES |
				XML_PARSE_NODICT);
	if (doc && !ctxt->wellFormed) {
		xmlFreeDoc(doc);
		doc = NULL;
	}
	if (!doc && !d->errors)
		diag_error(d, 0, "not well-formed XML");
	xmlFreeParserCtxt(ctxt);
	top = doc ? xmlDocGetRootElement(doc) : NULL;
	if (top && root && strcmp((const char *)top->name, root)) {
		diag_error(d, xmlGetLineNo(top), "the outermost element is <%.40s>, not <%s>", top->name, root);
		top = NULL;
	}
	if (doc && !top) {
		xmlFreeDoc(doc);
		doc = NULL;
	}
	return doc;
}

struct dom_config *config_new(void)
{
	struct dom_config *c = xcalloc(1, sizeof(*c));

	c->weight = HV_WEIGHT;
	c->on_poweroff = ACT_DESTROY;
	c->on_reboot = ACT_RESTART;
	c->on_crash = ACT_DESTROY;
	c->period = 100000;
	c->vcpus = c->max_vcpus = 1;
	return c;
}

void config_free(struct dom_config *c)
{
	if (!c)
		return;
	free(c->title);
	free(c->description);
	free(c->kernel);
	free(c->initrd);
	free(c->cmdline);
	free(c->bootloader);
	free(c->bootloader_args);
	free(c->trust);
	for (int i = 0; i < NR_KEPT; i++)
		xmlFreeNode(c->kept[i]);
	free(c);
}

struct dom_config *config_copy(const struct dom_config *from)
{
	struct dom_config *c = xcalloc(1, sizeof(*c));

	*c = *from;
	c->title = xstrdup(from->title);
	c->description = xstrdup(from->description);
	c->kernel = xstrdup(from->kernel);
	c->initrd = xstrdup(from->initrd);
	c->cmdline = xstrdup(from->cmdline);
	c->bootloader = xstrdup(from->bootloader);
	c->bootloader_args = xstrdup(from->bootloader_args);
	c->trust = xstrdup(from->trust);
	for (int i = 0; i < NR_KEPT; i++)
		c->kept[i] = from->kept[i] ? xmlCopyNode(from->kept[i], 1) : NULL;
	return c;
}

const char *name_problem(const char *name)
{
	if (!*name)
		return "is empty";
	if (strlen(name) >= HV_NAME_LEN)
		return "is longer than 63 characters";
	if (*name == '.' || *name == '-')
		return "begins with a dot or a dash";
	for (const char *p = name; *p; p++) {
		if ((unsigned char)*p < ' ' || *p == 127 || strchr("/\\\"'<>&", *p))
			return "has a character that file names and tables cannot hold: / \\ \" ' < > & or a control character";
	}
	if (strspn(name, "0123456789") == strlen(name))
		return "is a number, which commands would take for an id: add a letter";
	return NULL;
}

/* The text of a child, ours to free; NULL if there is none or it is empty. */
static char *take(const xmlNode *n, const char *name)
{
	char *s = xml_text(xml_child(n, name)), *own = s && *s ? xstrdup(s) : NULL;

	xmlFree(s);
	return own;
}

static uint64_t take_u64(char *s, uint64_t def)
{
	uint64_t v;

	if (!s || !parse_u64(s, &v))
		v = def;
	xmlFree(s);
	return v;
}

static void read_names(const xmlNode *dom, struct dom_config *c, struct diag *d)
{
	char *name = take(dom, "name"), *uuid = take(dom, "uuid");
	unsigned int line = xmlGetLineNo(xml_child(dom, "name"));
	const char *why = name ? name_problem(name) : NULL;

	if (why)
		diag_error(d, line, "<name>: \"%.70s\" %s", name, why);
	else if (name)
		snprintf(c->name, sizeof(c->name), "%s", name);
	if (uuid && uuid_parse(uuid, c->uuid) && uuid_is_null(c->uuid))
		diag_error(d, xmlGetLineNo(xml_child(dom, "uuid")), "<uuid>: all zeroes is nobody's: leave the element out, and one is made");
	free(name);
	free(uuid);
	c->title = take(dom, "title");
	if (c->title && strchr(c->title, '\n'))
		diag_error(d, xmlGetLineNo(xml_child(dom, "title")), "<title> has more than one line: use <description>");
	c->description = take(dom, "description");
}

static uint64_t read_size(const xmlNode *n, uint64_t def)
{
	char *text = xml_text(n), *unit = xml_attr(n, "unit");
	uint64_t v = def;

	if (text && !parse_size(text, unit, "KiB", &v))
		v = (v + 4095) & ~4095ull;
	xmlFree(text);
	xmlFree(unit);
	return v;
}

static void read_memory(const xmlNode *dom, struct dom_config *c, struct diag *d)
{
	const xmlNode *max = xml_child(dom, "memory"), *now = xml_child(dom, "currentMemory");

	c->max_memory = read_size(max, 0);
	c->memory = read_size(now, c->max_memory);
	if (!max || d->errors)
		return;
	if (c->max_memory < MEMORY_MIN)
		diag_error(d, xmlGetLineNo(max), "<memory>: %llu KiB is too little: a domain needs at least %llu MiB",
			   (unsigned long long)c->max_memory >> 10, MEMORY_MIN >> 20);
	else if (c->memory > c->max_memory)
		diag_error(d, xmlGetLineNo(now), "<currentMemory>: %llu KiB is more than <memory> (%llu KiB)",
			   (unsigned long long)c->memory >> 10, (unsigned long long)c->max_memory >> 10);
	else if (c->memory < MEMORY_MIN)
		diag_error(d, xmlGetLineNo(now), "<currentMemory>: %llu KiB is too little: a domain needs at least %llu MiB",
			   (unsigned long long)c->memory >> 10, MEMORY_MIN >> 20);
}

static void read_vcpus(const xmlNode *dom, struct dom_config *c, struct diag *d)
{
	const xmlNode *n = xml_child(dom, "vcpu");
	char *set = xml_attr(n, "cpuset");
	uint64_t max = take_u64(xml_text(n), 1), now = take_u64(xml_attr(n, "current"), max);

	if (set)
		parse_cpuset(set, &c->cpuset);
	xmlFree(set);
	if (!max || max > HV_MAX_VCPUS)
		diag_error(d, xmlGetLineNo(n), "<vcpu>: %llu: a domain has 1 to %d", (unsigned long long)max, HV_MAX_VCPUS);
	else if (!now || now > max)
		diag_error(d, xmlGetLineNo(n), "<vcpu current>: %llu: give 1 to %llu", (unsigned long long)now, (unsigned long long)max);
	else
		c->max_vcpus = max, c->vcpus = now;
}

static void read_os(const xmlNode *dom, struct dom_config *c, struct diag *d)
{
	const xmlNode *os = xml_child(dom, "os"), *type = xml_child(os, "type");
	char *kind = xml_text(type), *arch = xml_attr(type, "arch");

	if (kind && *kind && !word_in(kind, "pv linux xen"))
		diag_error(d, xmlGetLineNo(type), "<type>: \"%.40s\" guests need hardware virtualization, which VMI does without: use pv", kind);
	if (arch && strcmp(arch, "x86_64"))
		diag_error(d, xmlGetLineNo(type), "<type arch>: \"%.40s\" is not this hypervisor's: x86_64 is", arch);
	xmlFree(kind);
	xmlFree(arch);
	c->kernel = take(os, "kernel");
	c->initrd = take(os, "initrd");
	c->cmdline = take(os, "cmdline");
	c->bootloader = take(dom, "bootloader");
	c->bootloader_args = take(dom, "bootloader_args");
	if (os && !c->kernel && !c->bootloader)
		diag_error(d, xmlGetLineNo(os), "<os> has no <kernel>, and there is no <bootloader>: there is nothing to start");
	if (c->cmdline && strlen(c->cmdline) > 2047)
		diag_error(d, xmlGetLineNo(xml_child(os, "cmdline")), "<cmdline> is longer than the 2047 characters that Linux reads");
}

static enum action read_action(const xmlNode *dom, const char *name, enum action def)
{
	char *s = xml_text(xml_child(dom, name));

	for (int i = 0; s && i < NR_ACTIONS; i++) {
		if (!strcmp(s, action_names[i]))
			def = i;
	}
	xmlFree(s);
	return def;
}

static void read_actions(const xmlNode *dom, struct dom_config *c, struct diag *d)
{
	static const char *const names[] = { "on_poweroff", "on_reboot", "on_crash" };
	enum action *const to[] = { &c->on_poweroff, &c->on_reboot, &c->on_crash };

	for (int i = 0; i < 3; i++) {
		*to[i] = read_action(dom, names[i], *to[i]);
		if (*to[i] == ACT_COREDUMP_DESTROY || *to[i] == ACT_COREDUMP_RESTART)
			diag_warn(d, xmlGetLineNo(xml_child(dom, names[i])), "<%s>: no dump is written yet: this means \"%s\" for now",
				  names[i], *to[i] == ACT_COREDUMP_DESTROY ? "destroy" : "restart");
		else if (*to[i] == ACT_RENAME_RESTART)
			diag_warn(d, xmlGetLineNo(xml_child(dom, names[i])), "<%s>: nothing is renamed yet: this means \"restart\" for now",
				  names[i]);
	}
}

static void read_cputune(const xmlNode *dom, struct dom_config *c, struct diag *d)
{
	const xmlNode *tune = xml_child(dom, "cputune"), *n;
	uint64_t v;
	char *s;

	n = xml_child(tune, "shares");
	v = take_u64(xml_text(n), c->weight);
	if (!v || v > 65535)
		diag_error(d, xmlGetLineNo(n), "<shares>: %llu: give 1 to 65535 (%d is usual)", (unsigned long long)v, HV_WEIGHT);
	c->weight = v;
	n = xml_child(tune, "period");
	c->period = take_u64(xml_text(n), c->period);
	if (c->period < 1000 || c->period > 1000000)
		diag_error(d, xmlGetLineNo(n), "<period>: give 1000 to 1000000 microseconds");
	n = xml_child(tune, "quota");
	s = xml_text(n);
	if (s && *s != '-' && parse_u64(s, &v)) {
		if (v && (v < 1000 || v > 64000000))
			diag_error(d, xmlGetLineNo(n), "<quota>: give 1000 to 64000000 microseconds, or -1 for no limit");
		c->quota = v;
	}
	xmlFree(s);
	for (n = tune ? tune->children : NULL; n; n = n->next) {
		uint64_t vcpu;

		if (n->type != XML_ELEMENT_NODE || strcmp((const char *)n->name, "vcpupin"))
			continue;
		vcpu = take_u64(xml_attr(n, "vcpu"), 0);
		if (vcpu >= c->max_vcpus) {
			diag_error(d, xmlGetLineNo(n), "<vcpupin vcpu>: %llu: the domain has only 0 to %u", (unsigned long long)vcpu,
				   c->max_vcpus - 1);
			continue;
		}
		if (c->pin[vcpu])
			diag_error(d, xmlGetLineNo(n), "<vcpupin>: vcpu %llu is pinned twice", (unsigned long long)vcpu);
		s = xml_attr(n, "cpuset");
		if (s)
			parse_cpuset(s, &c->pin[vcpu]);
		xmlFree(s);
	}
}

/*
 * <metadata> is other programs', but for <domain> in our own name space. A part of that
 * which is not known may be meant to protect something: it is an error.
 */
static void read_metadata(const xmlNode *dom, struct dom_config *c, struct diag *d)
{
	const xmlNode *meta = xml_child(dom, "metadata"), *own = NULL;

	for (const xmlNode *n = meta ? meta->children : NULL; n; n = n->next) {
		if (n->type != XML_ELEMENT_NODE || !n->ns || strcmp((const char *)n->ns->href, VMI_NAMESPACE))
			continue;
		if (own || strcmp((const char *)n->name, "domain"))
			diag_error(d, xmlGetLineNo(n), "<metadata>: one <domain> can be there in the name space %s, and nothing else", VMI_NAMESPACE);
		else
			own = n;
	}
	for (const xmlNode *n = own ? own->children : NULL; n; n = n->next) {
		char *file;

		if (n->type != XML_ELEMENT_NODE)
			continue;
		file = xml_attr(n, "file");
		if (!n->ns || strcmp((const char *)n->ns->href, VMI_NAMESPACE) || strcmp((const char *)n->name, "trust"))
			diag_error(d, xmlGetLineNo(n), "<metadata>: <domain> of %s holds <trust file='...'/>, not <%.40s>", VMI_NAMESPACE, n->name);
		else if (c->trust)
			diag_error(d, xmlGetLineNo(n), "a second <trust>: there is only one; its file can hold several certificates");
		else if (!file || *file != '/')
			diag_error(d, xmlGetLineNo(n), "<trust> needs the attribute file: the absolute path of certificates in PEM");
		else
			c->trust = xstrdup(file);
		xmlFree(file);
	}
}

/* A domain without a console can say nothing: there is always one. */
static void read_kept(xmlNode *dom, struct dom_config *c)
{
	for (int i = 0; i < NR_KEPT; i++) {
		xmlNode *n = xml_child(dom, kept_names[i]);

		if (n && (n->children || n->properties))
			c->kept[i] = xmlCopyNode(n, 1);
	}
	if (!c->kept[KEEP_DEVICES])
		c->kept[KEEP_DEVICES] = xmlNewNode(NULL, BAD_CAST "devices");
	if (!xml_child(c->kept[KEEP_DEVICES], "console")) {
		xmlNode *con = xmlNewChild(c->kept[KEEP_DEVICES], NULL, BAD_CAST "console", NULL);

		xmlNewProp(con, BAD_CAST "type", BAD_CAST "pty");
	}
	xml_settle_devices(c->kept[KEEP_DEVICES]);
}

static bool check_type(const xmlNode *dom, struct diag *d)
{
	char *type = xml_attr(dom, "type"), *os = xml_text(xml_child(xml_child(dom, "os"), "type"));
	unsigned int line = xmlGetLineNo(dom);
	bool ok = false;

	if (!type)
		diag_error(d, line, "<domain> needs the attribute type: 'vmi'");
	else if (!strcmp(type, "xen") && os && !strcmp(os, "hvm"))
		diag_error(d, line, "an hvm domain needs hardware virtualization, which VMI does without: only paravirtualized ones run here");
	else if (!strcmp(type, "vmi") || !strcmp(type, "xen"))
		ok = true;
	else
		diag_error(d, line, "<domain type>: \"%.40s\" domains do not run here: use 'vmi' (or 'xen' with a pv os)", type);
	if (ok && !strcmp(type, "xen"))
		diag_add(d, DIAG_NOTE, line, "type 'xen' is read as 'vmi'");
	xmlFree(type);
	xmlFree(os);
	return ok;
}

struct dom_config *config_from_xml(const char *text, size_t len, struct diag *d)
{
	xmlDoc *doc = xml_parse(text, len, "domain", d);
	xmlNode *dom = doc ? xmlDocGetRootElement(doc) : NULL;
	struct dom_config *c = NULL;

	if (!dom)
		goto out;
	if (!check_type(dom, d))
		goto out;
	spec_check(dom, d);
	c = config_new();
	read_names(dom, c, d);
	read_memory(dom, c, d);
	read_vcpus(dom, c, d);
	read_os(dom, c, d);
	read_actions(dom, c, d);
	read_cputune(dom, c, d);
	read_metadata(dom, c, d);
	xml_check_devices(xml_child(dom, "devices"), d);
	if (!d->errors)
		xml_judge_devices(xml_child(dom, "devices"), d);
	read_kept(dom, c);
out:
	if (doc)
		xmlFreeDoc(doc);
	if (c && d->errors) {
		config_free(c);
		c = NULL;
	}
	return c;
}

xmlNode *device_from_xml(const char *text, size_t len, struct diag *d)
{
	xmlDoc *doc = xml_parse(text, len, NULL, d);
	xmlNode *dev = doc ? xmlDocGetRootElement(doc) : NULL, *devices, *own = NULL;

	if (dev) {
		char name[64];

		snprintf(name, sizeof(name), "%s", dev->name);
		devices = xmlNewDocNode(doc, NULL, BAD_CAST "devices", NULL);
		xmlDocSetRootElement(doc, devices);
		xmlAddChild(devices, dev);
		spec_check_devices(devices, d);
		dev = xmlFirstElementChild(devices);
		if (!dev && !d->errors)
			diag_error(d, 0, "<%s> is no device that can be attached: there are disk, interface, rng, memballoon and console", name);
		if (dev && !d->errors)
			own = xmlCopyNode(dev, 1);
	}
	if (doc)
		xmlFreeDoc(doc);
	return own;
}
