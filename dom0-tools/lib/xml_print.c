// SPDX-License-Identifier: GPL-2.0-only
/*
 * xml_print.c - a struct dom_config as canonical XML: libvirt's order, two
 * blanks of indentation, single quotes. What is at its default is left out
 * where libvirt leaves it out.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "config.h"

/* Text keeps its quotes and lines; a value in quotes cannot. */
static void put_escaped(struct strbuf *b, const char *s, const char *as_it_is)
{
	for (; *s; s++) {
		switch (strchr(as_it_is, *s) ? 0 : *s) {
		case '&':
			sb_puts(b, "&amp;");
			break;
		case '<':
			sb_puts(b, "&lt;");
			break;
		case '>':
			sb_puts(b, "&gt;");
			break;
		case '\'':
			sb_puts(b, "&apos;");
			break;
		case '\t': case '\n': case '\r':
			sb_printf(b, "&#%d;", *s);
			break;
		default:
			sb_add(b, s, 1);
		}
	}
}

static void put_quoted(struct strbuf *b, const char *s)
{
	put_escaped(b, s, "");
}

static void put_text(struct strbuf *b, const char *s)
{
	put_escaped(b, s, "'\t\n");
}

static void put_element(struct strbuf *b, int indent, const char *name, const char *text)
{
	if (!text)
		return;
	sb_printf(b, "%*s<%s>", indent, "", name);
	put_text(b, text);
	sb_printf(b, "</%s>\n", name);
}

static void put_node(struct strbuf *b, int indent, const xmlNode *n)
{
	char *text;

	sb_printf(b, "%*s<%s", indent, "", n->name);
	for (const xmlAttr *a = n->properties; a; a = a->next) {
		char *value = xml_attr(n, (const char *)a->name);

		sb_printf(b, " %s='", a->name);
		put_quoted(b, value ? value : "");
		sb_puts(b, "'");
		xmlFree(value);
	}
	if (xmlFirstElementChild((xmlNode *)n)) {
		sb_puts(b, ">\n");
		for (const xmlNode *c = n->children; c; c = c->next) {
			if (c->type == XML_ELEMENT_NODE)
				put_node(b, indent + 2, c);
		}
		sb_printf(b, "%*s</%s>\n", indent, "", n->name);
		return;
	}
	text = xml_text(n);
	if (*text) {
		sb_puts(b, ">");
		put_text(b, text);
		sb_printf(b, "</%s>\n", n->name);
	} else {
		sb_puts(b, "/>\n");
	}
	xmlFree(text);
}

/* Other programs' notes: as they came, with their name spaces. */
static void put_metadata(struct strbuf *b, xmlNode *n)
{
	xmlBuffer *buf = xmlBufferCreate();

	if (buf && xmlNodeDump(buf, NULL, n, 0, 0) >= 0) {
		sb_puts(b, "  ");
		sb_puts(b, (const char *)xmlBufferContent(buf));
		sb_puts(b, "\n");
	}
	if (buf)
		xmlBufferFree(buf);
}

static void put_kept(struct strbuf *b, const struct dom_config *c, enum kept k)
{
	if (c->kept[k] && k == KEEP_METADATA)
		put_metadata(b, c->kept[k]);
	else if (c->kept[k])
		put_node(b, 2, c->kept[k]);
}

static void put_cputune(struct strbuf *b, const struct dom_config *c)
{
	char set[CPUSET_LEN];
	struct strbuf t = { 0 };

	if (c->weight != HV_WEIGHT)
		sb_printf(&t, "    <shares>%u</shares>\n", c->weight);
	if (c->quota)
		sb_printf(&t, "    <period>%llu</period>\n    <quota>%llu</quota>\n", (unsigned long long)c->period,
			  (unsigned long long)c->quota);
	for (unsigned int i = 0; i < c->max_vcpus; i++) {
		if (!c->pin[i])
			continue;
		format_cpuset(c->pin[i], set);
		sb_printf(&t, "    <vcpupin vcpu='%u' cpuset='%s'/>\n", i, set);
	}
	if (t.len)
		sb_printf(b, "  <cputune>\n%s  </cputune>\n", t.s);
	sb_free(&t);
}

char *config_to_xml(const struct dom_config *c, uint32_t domid)
{
	struct strbuf b = { 0 };
	char uuid[UUID_LEN], set[CPUSET_LEN];

	sb_puts(&b, "<domain type='vmi'");
	if (domid)
		sb_printf(&b, " id='%u'", domid);
	sb_puts(&b, ">\n");
	put_element(&b, 2, "name", c->name);
	if (!uuid_is_null(c->uuid)) {
		uuid_format(c->uuid, uuid);
		put_element(&b, 2, "uuid", uuid);
	}
	put_element(&b, 2, "title", c->title);
	put_element(&b, 2, "description", c->description);
	put_kept(&b, c, KEEP_METADATA);
	sb_printf(&b, "  <memory unit='KiB'>%llu</memory>\n", (unsigned long long)c->max_memory >> 10);
	sb_printf(&b, "  <currentMemory unit='KiB'>%llu</currentMemory>\n", (unsigned long long)c->memory >> 10);
	put_kept(&b, c, KEEP_MEMORYBACKING);
	put_kept(&b, c, KEEP_MEMTUNE);
	sb_puts(&b, "  <vcpu placement='static'");
	if (c->cpuset) {
		format_cpuset(c->cpuset, set);
		sb_printf(&b, " cpuset='%s'", set);
	}
	if (c->vcpus != c->max_vcpus)
		sb_printf(&b, " current='%u'", c->vcpus);
	sb_printf(&b, ">%u</vcpu>\n", c->max_vcpus);
	put_cputune(&b, c);
	put_kept(&b, c, KEEP_NUMATUNE);
	put_element(&b, 2, "bootloader", c->bootloader);
	put_element(&b, 2, "bootloader_args", c->bootloader_args);
	sb_puts(&b, "  <os>\n    <type arch='x86_64'>pv</type>\n");
	put_element(&b, 4, "kernel", c->kernel);
	put_element(&b, 4, "initrd", c->initrd);
	put_element(&b, 4, "cmdline", c->cmdline);
	sb_puts(&b, "  </os>\n");
	put_kept(&b, c, KEEP_FEATURES);
	put_kept(&b, c, KEEP_CLOCK);
	put_element(&b, 2, "on_poweroff", action_names[c->on_poweroff]);
	put_element(&b, 2, "on_reboot", action_names[c->on_reboot]);
	put_element(&b, 2, "on_crash", action_names[c->on_crash]);
	put_kept(&b, c, KEEP_DEVICES);
	put_kept(&b, c, KEEP_SECLABEL);
	sb_puts(&b, "</domain>\n");
	return b.s;
}

unsigned int config_cap(const struct dom_config *c)
{
	uint64_t percent = c->quota ? (c->quota * 100 + c->period - 1) / c->period : 0;

	return percent > 100 * HV_MAX_VCPUS ? 100 * HV_MAX_VCPUS : percent;
}

void config_set_cap(struct dom_config *c, unsigned int percent)
{
	c->period = 100000;
	c->quota = percent * 1000ull;
}

static char *file_problem(const char *what, const char *path)
{
	if (!path || !access(path, R_OK))
		return NULL;
	return xasprintf("%s %s: %s", what, path, errno == ENOENT ? "there is no such file" : strerror(errno));
}

char *config_files_problem(const struct dom_config *c)
{
	char *why;

	if (!c->kernel)
		return xasprintf("no <kernel>: a bootloader (%s) is kept, but cannot be run yet; name kernel and initrd",
				 c->bootloader ? c->bootloader : "");
	why = file_problem("kernel", c->kernel);
	return why ? why : file_problem("initrd", c->initrd);
}
