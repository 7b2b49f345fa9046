// SPDX-License-Identifier: GPL-2.0-only
/*
 * diag.c - what is wrong with a configuration: see diag.h.
 */
#include "diag.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const level_names[] = { "note", "warning", "error" };

void diag_add(struct diag *d, enum diag_level level, unsigned int line, const char *fmt, ...)
{
	struct diag_item *item;
	va_list ap;

	if (level == DIAG_ERROR)
		d->errors++;
	if (d->nr == DIAG_MAX)
		return;
	item = &d->items[d->nr++];
	item->level = level;
	item->line = (int)line < 0 ? 0 : line;	/* libxml2 says -1 for "unknown" */
	va_start(ap, fmt);
	if (vasprintf(&item->text, fmt, ap) < 0)
		item->text = NULL;
	va_end(ap);
	/* The text quotes the file: one line, whatever that holds. */
	for (char *p = item->text; p && *p; p++) {
		if ((unsigned char)*p < ' ' || *p == 127)
			*p = ' ';
	}
}

void diag_free(struct diag *d)
{
	for (unsigned int i = 0; i < d->nr; i++)
		free(d->items[i].text);
	d->nr = d->errors = 0;
}

json_t *diag_json(const struct diag *d)
{
	json_t *list = json_array();

	for (unsigned int i = 0; i < d->nr; i++) {
		const struct diag_item *m = &d->items[i];
		json_t *text = json_string(m->text ? m->text : "");

		/* A quoted name can have been cut inside a character. */
		json_array_append_new(list, json_pack("{s:s, s:i, s:o}", "level", level_names[m->level], "line", m->line,
						      "text", text ? text : json_string("(not UTF-8)")));
	}
	return list;
}

void diag_print_json(const json_t *items, const char *file)
{
	size_t i;
	json_t *m;

	json_array_foreach(items, i, m) {
		const char *level = json_string_value(json_object_get(m, "level"));
		const char *text = json_string_value(json_object_get(m, "text"));
		json_int_t line = json_integer_value(json_object_get(m, "line"));

		if (line)
			fprintf(stderr, "%s:%lld: %s: %s\n", file, (long long)line, level ? level : "error", text ? text : "");
		else
			fprintf(stderr, "%s: %s: %s\n", file, level ? level : "error", text ? text : "");
	}
}

void diag_print(const struct diag *d, const char *file)
{
	json_t *items = diag_json(d);

	diag_print_json(items, file);
	json_decref(items);
}
