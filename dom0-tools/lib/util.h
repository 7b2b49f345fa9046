/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * util.h - small things that the C library lacks: strings that grow, strict
 * numbers, sizes, processor sets, uuids, nearest names, whole-file reads.
 *
 * The x*() functions end the program when memory runs out; input is bounded
 * before it gets to them.
 */
#ifndef LIB_UTIL_H
#define LIB_UTIL_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define ARRAY_SIZE(a)	(sizeof(a) / sizeof((a)[0]))
#define UUID_LEN	37		/* with the final zero */
#define CPUSET_LEN	256

void *xcalloc(size_t n, size_t size);
void *xrealloc(void *p, size_t size);
char *xstrdup(const char *s);		/* NULL gives NULL */
char *xstrndup(const char *s, size_t n);
__attribute__((format(printf, 1, 2))) char *xasprintf(const char *fmt, ...);

struct strbuf {
	char *s;			/* NULL until the first byte; then ends in a zero */
	size_t len, size;
};

void sb_add(struct strbuf *b, const void *data, size_t len);
void sb_puts(struct strbuf *b, const char *s);
__attribute__((format(printf, 2, 3))) void sb_printf(struct strbuf *b, const char *fmt, ...);
void sb_drop(struct strbuf *b, size_t len);	/* the first len bytes */
void sb_free(struct strbuf *b);

/* Whole decimal strings only: no sign, no blanks, no overflow. */
bool parse_u64(const char *s, uint64_t *out);
bool parse_uint(const char *s, unsigned int *out);

/* A number and a unit of libvirt's ("KiB", "M", "GB", NULL: unit): bytes, or why not. */
const char *parse_size(const char *number, const char *unit, const char *def, uint64_t *out);
void format_size(uint64_t bytes, char out[24]);

/* "0-3,^2,6": a bit per processor, 0 to 63. */
bool parse_cpuset(const char *s, uint64_t *out);
void format_cpuset(uint64_t set, char out[CPUSET_LEN]);

bool uuid_parse(const char *s, uint8_t out[16]);
void uuid_format(const uint8_t u[16], char out[UUID_LEN]);
void uuid_make(uint8_t out[16]);
bool uuid_is_null(const uint8_t u[16]);

/* The nearest of a list of words separated by blanks or of a NULL-ended table; NULL if none is near. */
const char *nearest(const char *word, const char *const *names, size_t nr);
bool word_in(const char *word, const char *list);

/* A file of at most max bytes; NULL: errno (EFBIG: larger). Always ends in a zero. */
char *read_file(const char *path, size_t max, size_t *len);
/* All of it, or -1. */
int write_all(int fd, const void *data, size_t len);

/* The numbers of a line of /etc/passwd or /etc/group, whose third field is *id and fourth *next (or NULL). */
bool id_of(const char *file, const char *name, unsigned int *id, unsigned int *next);

uint64_t now_ns(void);			/* CLOCK_MONOTONIC */
uint64_t wall_s(void);

#endif
