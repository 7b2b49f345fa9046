/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * diag.h - what is wrong with a configuration: messages with their lines.
 *
 * Collected, not printed: the daemon sends them, the command prints them with
 * the file's name. At most DIAG_MAX are kept; errors are counted beyond.
 */
#ifndef LIB_DIAG_H
#define LIB_DIAG_H

#include <stdbool.h>
#include <jansson.h>

#define DIAG_MAX 64

enum diag_level { DIAG_NOTE, DIAG_WARNING, DIAG_ERROR };

struct diag {
	bool strict;			/* --validate: what is unknown is an error */
	unsigned int nr, errors;
	struct diag_item {
		enum diag_level level;
		unsigned int line;	/* 0: the whole file */
		char *text;
	} items[DIAG_MAX];
};

__attribute__((format(printf, 4, 5)))
void diag_add(struct diag *d, enum diag_level level, unsigned int line, const char *fmt, ...);
#define diag_error(d, line, ...)	diag_add(d, DIAG_ERROR, line, __VA_ARGS__)
#define diag_warn(d, line, ...)		diag_add(d, DIAG_WARNING, line, __VA_ARGS__)
#define diag_unknown(d, line, ...)	diag_add(d, (d)->strict ? DIAG_ERROR : DIAG_WARNING, line, __VA_ARGS__)
void diag_free(struct diag *d);

/* [{"level", "line", "text"}] and "file:line: level: text" lines; from an answer too. */
json_t *diag_json(const struct diag *d);
void diag_print(const struct diag *d, const char *file);
void diag_print_json(const json_t *items, const char *file);

#endif
