/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * lib.h - strings, formatting, the log and the two ways to give up.
 *
 * Three kinds of wrong: a bad request returns -VMI_E*; a guest that cannot go
 * on gets dom_crash() (hv/domain.h); our own broken invariant is BUG_ON(),
 * which a guest can never reach. log_guest() is rate-limited so that no guest
 * can fill the log.
 */
#ifndef HV_LIB_H
#define HV_LIB_H

#include <hv/types.h>

#ifdef HV_HOST
#include <stdio.h>
#include <string.h>
#else
#include <stdarg.h>
void *memcpy(void *d, const void *s, size_t n);
void *memmove(void *d, const void *s, size_t n);
void *memset(void *d, int c, size_t n);
int memcmp(const void *a, const void *b, size_t n);
size_t strlen(const char *s);
int strcmp(const char *a, const char *b);
int strncmp(const char *a, const char *b, size_t n);
char *strchr(const char *s, int c);
int vsnprintf(char *buf, size_t n, const char *fmt, va_list ap);
int snprintf(char *buf, size_t n, const char *fmt, ...) __printf(3, 4);
#endif

/* Parse "512M", "64K", "1G", "4096" (bytes); false if it is not a size. */
bool parse_size(const char *s, u64 *out);

void log_info(const char *fmt, ...) __printf(1, 2);	/* progress and facts */
void log_guest(const char *fmt, ...) __printf(1, 2);	/* caused by a guest: rate-limited */
/* Copy log bytes from absolute offset `off` on (older ones are gone): how many; *start is the first one's offset. */
size_t log_copy(u64 off, char *buf, size_t n, u64 *start);
/* Arch: where the log shows. */
void console_emit(const char *s, size_t n);
/* Arch or fake: system time, ns. */
u64 now_ns(void);
/* The user's machine or command line cannot work: one line, then the machine stops. */
void fatal(const char *fmt, ...) __printf(1, 2) __noreturn;
void panic(const char *fmt, ...) __printf(1, 2) __noreturn;

#define BUG_ON(cond) do { \
		if (unlikely(cond)) \
			panic("BUG at %s:%d: %s", __FILE__, __LINE__, #cond); \
	} while (0)

#endif
