// SPDX-License-Identifier: GPL-2.0-only
/*
 * print.c - strings and formatted lines.
 *
 * Formats: %s %c %d %u %x %p %%, flags # and 0, a width, l.
 */
#include "probe.h"

void *memcpy(void *d, const void *s, size_t n)
{
	void *r = d;

	__asm__ volatile ("rep movsb" : "+D" (d), "+S" (s), "+c" (n) :: "memory");
	return r;
}

void *memset(void *d, int c, size_t n)
{
	void *r = d;

	__asm__ volatile ("rep stosb" : "+D" (d), "+c" (n) : "a" (c) : "memory");
	return r;
}

int memcmp(const void *a, const void *b, size_t n)
{
	const u8 *x = a, *y = b;

	for (; n; n--, x++, y++)
		if (*x != *y)
			return *x - *y;
	return 0;
}

size_t strlen(const char *s)
{
	size_t n = 0;

	while (s[n])
		n++;
	return n;
}

int strncmp(const char *a, const char *b, size_t n)
{
	for (; n && *a && *a == *b; n--)
		a++, b++;
	return n ? *(const u8 *)a - *(const u8 *)b : 0;
}

int strcmp(const char *a, const char *b)
{
	return strncmp(a, b, (size_t)-1);
}

struct out {
	char *buf;
	size_t n, len;
};

static void put(struct out *o, char c)
{
	if (o->len + 1 < o->n)
		o->buf[o->len++] = c;
}

static void put_number(struct out *o, u64 v, unsigned int base, bool neg, bool alt, int width, char pad)
{
	char d[24];
	int n = 0;

	do
		d[n++] = "0123456789abcdef"[v % base];
	while (v /= base);
	for (width -= n + neg + 2 * alt; pad == ' ' && width > 0; width--)
		put(o, ' ');
	if (neg)
		put(o, '-');
	if (alt) {
		put(o, '0');
		put(o, 'x');
	}
	for (; width > 0; width--)
		put(o, '0');
	while (n)
		put(o, d[--n]);
}

int vsnprintf(char *buf, size_t n, const char *fmt, va_list ap)
{
	struct out o = { buf, n, 0 };

	for (; *fmt; fmt++) {
		bool alt = false, lng = false;
		char pad = ' ';
		int width = 0;
		const char *s;
		int64_t d;

		if (*fmt != '%') {
			put(&o, *fmt);
			continue;
		}
		for (fmt++; *fmt == '#' || *fmt == '0'; fmt++) {
			alt |= *fmt == '#';
			if (*fmt == '0')
				pad = '0';
		}
		for (; *fmt >= '0' && *fmt <= '9'; fmt++)
			width = width * 10 + *fmt - '0';
		for (; *fmt == 'l'; fmt++)
			lng = true;
		switch (*fmt) {
		case 's':
			for (s = va_arg(ap, const char *); *s; s++)
				put(&o, *s);
			break;
		case 'c':
			put(&o, va_arg(ap, int));
			break;
		case 'd':
			d = lng ? va_arg(ap, int64_t) : va_arg(ap, int);
			put_number(&o, d < 0 ? -(u64)d : (u64)d, 10, d < 0, false, width, pad);
			break;
		case 'u':
			put_number(&o, lng ? va_arg(ap, u64) : va_arg(ap, u32), 10, false, false, width, pad);
			break;
		case 'x':
			put_number(&o, lng ? va_arg(ap, u64) : va_arg(ap, u32), 16, false, alt, width, pad);
			break;
		case 'p':
			put_number(&o, va_arg(ap, u64), 16, false, true, 0, pad);
			break;
		default:
			put(&o, *fmt);
		}
	}
	if (n)
		buf[o.len] = 0;
	return o.len;
}

int snprintf(char *buf, size_t n, const char *fmt, ...)
{
	va_list ap;
	int len;

	va_start(ap, fmt);
	len = vsnprintf(buf, n, fmt, ap);
	va_end(ap);
	return len;
}
