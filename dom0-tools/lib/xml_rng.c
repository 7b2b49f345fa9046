// SPDX-License-Identifier: GPL-2.0-only
/*
 * xml_rng.c - the vocabulary of xml_spec.c as a RelaxNG schema, for editors and
 * for programs that write domain XML.
 */
#include <stdio.h>
#include <string.h>

#include "config.h"
#include "spec.h"

static void put_words(struct strbuf *b, int indent, const char *words)
{
	sb_printf(b, "%*s<choice>\n", indent, "");
	while (*words) {
		size_t n = strcspn(words, " ");

		sb_printf(b, "%*s<value>%.*s</value>\n", indent + 2, "", (int)n, words);
		words += n + strspn(words + n, " ");
	}
	sb_printf(b, "%*s</choice>\n", indent, "");
}

static void put_value(struct strbuf *b, int indent, enum value type, const char *words)
{
	static const char *const patterns[] = {
		[V_NAME] = "(.|\\n)+", [V_UINT] = "[0-9]+", [V_INT] = "-?[0-9]+", [V_SIZE] = "[0-9]+", [V_PATH] = "/.*",
		[V_MAC] = "[0-9a-fA-F][02468aceACE](:[0-9a-fA-F]{2}){5}",
		[V_UUID] = "[0-9a-fA-F]{8}-?[0-9a-fA-F]{4}-?[0-9a-fA-F]{4}-?[0-9a-fA-F]{4}-?[0-9a-fA-F]{12}",
		[V_CPUSET] = "\\^?[0-9]+(-[0-9]+)?(,\\^?[0-9]+(-[0-9]+)?)*",
	};

	if (words) {
		put_words(b, indent, words);
		return;
	}
	switch (type) {
	case V_NONE:
		sb_printf(b, "%*s<empty/>\n", indent, "");
		break;
	case V_TEXT:
		sb_printf(b, "%*s<text/>\n", indent, "");
		break;
	case V_YESNO:
		put_words(b, indent, "yes no");
		break;
	case V_ONOFF:
		put_words(b, indent, "on off");
		break;
	default:
		sb_printf(b, "%*s<data type='string'><param name='pattern'>\\s*%s\\s*</param></data>\n", indent, "", patterns[type]);
	}
}

static void put_element(struct strbuf *b, int indent, const struct element *e)
{
	const char *times = e->flags & MANY ? "zeroOrMore" : e->flags & MUST ? "group" : "optional";

	sb_printf(b, "%*s<%s>\n%*s<element name='%s'>\n", indent, "", times, indent + 2, "", e->name);
	if (e->flags & (FREE | UNUSED)) {
		sb_printf(b, "%*s<ref name='anything'/>\n", indent + 4, "");
	} else {
		for (const struct attr *a = e->attrs; a && a->name; a++) {
			sb_printf(b, "%*s<%s><attribute name='%s'>\n", indent + 4, "", a->must ? "group" : "optional", a->name);
			put_value(b, indent + 6, a->type, a->words);
			sb_printf(b, "%*s</attribute></%s>\n", indent + 4, "", a->must ? "group" : "optional");
		}
		if (e->kids) {
			sb_printf(b, "%*s<interleave>\n", indent + 4, "");
			for (const struct element *k = e->kids; k->name; k++)
				put_element(b, indent + 6, k);
			sb_printf(b, "%*s</interleave>\n", indent + 4, "");
		} else {
			put_value(b, indent + 4, e->text, e->words);
		}
	}
	sb_printf(b, "%*s</element>\n%*s</%s>\n", indent + 2, "", indent, "", times);
}

char *spec_schema(void)
{
	struct strbuf b = { 0 };

	sb_puts(&b, "<?xml version='1.0'?>\n<!-- SPDX-License-Identifier: GPL-2.0-only -->\n"
		"<!-- Domain XML of VMI; printed by vmi schema. -->\n"
		"<grammar xmlns='http://relaxng.org/ns/structure/1.0' datatypeLibrary='http://www.w3.org/2001/XMLSchema-datatypes'>\n"
		"  <start>\n");
	put_element(&b, 4, &domain_spec);
	sb_puts(&b, "  </start>\n  <define name='anything'>\n    <zeroOrMore>\n      <choice>\n        <text/>\n"
		"        <attribute><anyName/><text/></attribute>\n"
		"        <element><anyName/><ref name='anything'/></element>\n      </choice>\n    </zeroOrMore>\n  </define>\n</grammar>\n");
	return b.s;
}
