// SPDX-License-Identifier: GPL-2.0-only
/*
 * output.c - tables, JSON, YAML and names; errors and hints; colours.
 *
 * A table is aligned by blanks, without lines; headings have no blanks, so that
 * columns can be counted. Called as virsh it is virsh's table.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "vmi.h"

#define MAX_COLS 20

int error(int status, const char *fmt, ...)
{
	va_list ap;

	fflush(stdout);
	fputs("error: ", stderr);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
	return status;
}

void hint(const char *text)
{
	if (text && *text)
		fprintf(stderr, "hint: %s\n", text);
}

void say(const char *fmt, ...)
{
	va_list ap;

	if (opts.quiet)
		return;
	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
	if (opts.virsh)
		putchar('\n');
}

void format_time(uint64_t ns, char out[24])
{
	snprintf(out, 24, "%llu.%llus", (unsigned long long)(ns / 1000000000), (unsigned long long)(ns / 100000000 % 10));
}

const char *paint(const char *state)
{
	static char buf[48];

	if (!opts.color)
		return state;
	snprintf(buf, sizeof(buf), "\033[%sm%s\033[0m", word_in(state, "running idle") ? "32" : !strcmp(state, "crashed") ? "31" :
		 !strcmp(state, "paused") || !strcmp(state, "in shutdown") ? "33" : "2", state);
	return buf;
}

static void cell(const json_t *row, const struct column *c, char out[160])
{
	const json_t *v = json_object_get(row, c->key);

	if (!v || json_is_null(v))
		snprintf(out, 160, "-");
	else if (c->kind == COL_SIZE)
		format_size(json_integer_value(v), out);
	else if (c->kind == COL_TIME)
		format_time(json_integer_value(v), out);
	else if (json_is_boolean(v))
		snprintf(out, 160, "%s", json_is_true(v) ? "yes" : "no");
	else if (json_is_integer(v))
		snprintf(out, 160, "%lld", (long long)json_integer_value(v));
	else
		snprintf(out, 160, "%s", json_string_value(v) ? json_string_value(v) : "");
}

/* Columns of the screen that UTF-8 text takes, as far as we can tell without locales. */
static int width(const char *s)
{
	int n = 0;

	for (; *s; s++)
		n += (*s & 0xc0) != 0x80;
	return n;
}

static size_t choose(const struct column *cols, const struct column *chosen[MAX_COLS])
{
	char list[256], *rest = list, *p;
	size_t nr = 0;

	if (!opts.columns) {
		for (; cols->key && nr < MAX_COLS; cols++) {
			if (!cols->extra)
				chosen[nr++] = cols;
		}
		return nr;
	}
	snprintf(list, sizeof(list), "%s", opts.columns);
	while ((p = strsep(&rest, ",")) && nr < MAX_COLS) {
		const struct column *c = cols;
		const char *names[MAX_COLS];
		size_t n = 0;

		while (c->key && strcasecmp(c->key, p) && strcasecmp(c->heading, p))
			names[n++] = (c++)->key;
		if (!c->key) {
			const char *near = nearest(p, names, n);

			error(EX_BAD_USAGE, "there is no column \"%s\"", p);
			fprintf(stderr, "hint: %s%s", near ? "did you mean " : "there are", near ? near : "");
			for (size_t i = 0; !near && i < n; i++)
				fprintf(stderr, " %s", names[i]);
			fputs(near ? "?\n" : "\n", stderr);
			return 0;
		}
		chosen[nr++] = c;
	}
	return nr;
}

static void yaml(const json_t *j, int indent, bool in_list)
{
	const char *key;
	json_t *v;
	size_t i;
	bool first = in_list;

	json_object_foreach((json_t *)j, key, v) {
		printf("%*s%s:", first ? 0 : indent, "", key);
		first = false;
		if ((json_is_object(v) && json_object_size(v)) || (json_is_array(v) && json_array_size(v))) {
			putchar('\n');
			yaml(v, indent + 2, false);
		} else {
			putchar(' ');
			json_dumpf(v, stdout, JSON_ENCODE_ANY);	/* a JSON scalar is a YAML one */
			putchar('\n');
		}
	}
	json_array_foreach((json_t *)j, i, v) {
		printf("%*s- ", indent, "");
		if (json_is_object(v) && json_object_size(v)) {
			yaml(v, indent + 2, true);
		} else {
			json_dumpf(v, stdout, JSON_ENCODE_ANY);
			putchar('\n');
		}
	}
}

bool print_object(json_t *obj)
{
	if (opts.out == OUT_JSON) {
		json_dumpf(obj, stdout, JSON_INDENT(2) | JSON_ENCODE_ANY);
		putchar('\n');
	} else if (opts.out == OUT_YAML) {
		if (json_is_array(obj) && !json_array_size(obj))
			puts("[]");
		yaml(obj, 0, false);
	} else {
		return false;
	}
	return true;
}

static json_t *only(json_t *rows, const struct column **cols, size_t nr)
{
	json_t *list = json_array(), *row;
	size_t i;

	json_array_foreach(rows, i, row) {
		json_t *o = json_object();

		for (size_t k = 0; k < nr; k++) {
			json_t *v = json_object_get(row, cols[k]->key);

			json_object_set_new(o, cols[k]->key, v ? json_incref(v) : json_null());
		}
		json_array_append_new(list, o);
	}
	return list;
}

static void print_table(json_t *rows, const struct column **cols, size_t nr)
{
	int widths[MAX_COLS], total = 0;
	const char *lead = opts.virsh ? " " : "";
	char text[160];
	json_t *row;
	size_t i;

	for (size_t k = 0; k < nr; k++) {
		widths[k] = opts.headings ? width(cols[k]->heading) : 0;
		json_array_foreach(rows, i, row) {
			cell(row, cols[k], text);
			if (width(text) > widths[k])
				widths[k] = width(text);
		}
		total += widths[k] + 3;
	}
	if (opts.headings) {
		fputs(lead, stdout);
		for (size_t k = 0; k < nr; k++) {
			const char *h = cols[k]->heading;

			bool small = opts.virsh && strcmp(h, "MAC");

			for (const char *p = h; *p; p++)	/* "Id", not "ID" */
				putchar(small && p > h && *p >= 'A' && *p <= 'Z' ? *p + 32 : *p);
			printf("%*s", k + 1 < nr ? widths[k] - width(h) + 3 : 0, "");
		}
		putchar('\n');
		for (int k = 0; opts.virsh && k < total; k++)
			putchar('-');
		if (opts.virsh)
			putchar('\n');
	}
	json_array_foreach(rows, i, row) {
		fputs(lead, stdout);
		for (size_t k = 0; k < nr; k++) {
			bool right = !opts.virsh && (cols[k]->kind == COL_NUMBER || cols[k]->kind == COL_SIZE || cols[k]->kind == COL_TIME);
			int pad;

			cell(row, cols[k], text);
			pad = widths[k] - width(text);
			printf("%*s%s", right ? pad : 0, "", strcmp(cols[k]->key, "state") ? text : paint(text));
			printf("%*s", k + 1 < nr ? (right ? 0 : pad) + 3 : 0, "");
		}
		putchar('\n');
	}
	if (opts.virsh)
		putchar('\n');
}

int print_rows(json_t *rows, const struct column *cols, const char *name)
{
	const struct column *chosen[MAX_COLS];
	size_t nr = choose(cols, chosen), i;
	json_t *row;

	if (!nr)
		return EX_BAD_USAGE;
	if (opts.out == OUT_NAME) {
		json_array_foreach(rows, i, row)
			puts(str(row, name));
		return EX_OK;
	}
	if (opts.out != OUT_TABLE) {
		json_t *shown = opts.columns ? only(rows, chosen, nr) : json_incref(rows);

		print_object(shown);
		json_decref(shown);
		return EX_OK;
	}
	print_table(rows, chosen, nr);
	return EX_OK;
}
