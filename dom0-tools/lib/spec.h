/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * spec.h - how xml_spec.c writes the vocabulary of domain XML down, for the
 * walk there and for the schema that xml_rng.c makes of it.
 */
#ifndef LIB_SPEC_H
#define LIB_SPEC_H

#include <stdbool.h>

enum value {
	V_NONE,				/* no text at all */
	V_TEXT,
	V_NAME,				/* text, not empty */
	V_WORD,				/* one of words (with another type, words are for the schema; xml.c checks them) */
	V_UINT,
	V_INT,
	V_SIZE,				/* number; the unit is an attribute */
	V_YESNO,
	V_ONOFF,
	V_PATH,				/* absolute */
	V_MAC,
	V_UUID,
	V_CPUSET,
};

struct attr {
	const char *name;
	enum value type;
	const char *words;
	bool must;
};

enum { MANY = 1, MUST = 2, UNUSED = 4, FREE = 8 };

struct element {
	const char *name;
	enum value text;
	const char *words;
	const struct attr *attrs;
	const struct element *kids;
	unsigned int flags;		/* MANY times, MUST be there, UNUSED by VMI, content FREE */
};

extern const struct element domain_spec;

#endif
