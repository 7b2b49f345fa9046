// SPDX-License-Identifier: GPL-2.0-only
/*
 * lib.c - memory, strings and formatted output without a C library.
 */
#include <hv/lib.h>

void *memcpy(void *d, const void *s, size_t n)
{
	void *ret = d;

	__asm__ volatile ("rep movsb" : "+D" (d), "+S" (s), "+c" (n) : : "memory");
	return ret;
}

void *memmove(void *d, const void *s, size_t n)
{
	char *dc = d;
	const char *sc = s;

	if (dc <= sc || dc >= sc + n)
		return memcpy(d, s, n);
	while (n--)
		dc[n] = sc[n];
	return d;
}

void *memset(void *d, int c, size_t n)
{
	void *ret = d;

	if (((u64)d | n) % 8) {
		__asm__ volatile ("rep stosb" : "+D" (d), "+c" (n) : "a" (c) : "memory");
		return ret;
	}
	n /= 8;
	__asm__ volatile ("rep stosq" : "+D" (d), "+c" (n) : "a" ((u8)c * 0x0101010101010101) : "memory");
	return ret;
}

int memcmp(const void *a, const void *b, size_t n)
{
	const u8 *x = a, *y = b;

	for (; n; n--, x++, y++) {
		if (*x != *y)
			return *x - *y;
	}
	return 0;
}

size_t strlen(const char *s)
{
	size_t n = 0;

	while (s[n])
		n++;
	return n;
}

int strcmp(const char *a, const char *b)
{
	while (*a && *a == *b)
		a++, b++;
	return (u8)*a - (u8)*b;
}

int strncmp(const char *a, const char *b, size_t n)
{
	for (; n && *a && *a == *b; n--)
		a++, b++;
	return n ? (u8)*a - (u8)*b : 0;
}

char *strchr(const char *s, int c)
{
	for (; *s != (char)c; s++) {
		if (!*s)
			return NULL;
	}
	return (char *)s;
}

bool parse_size(const char *s, u64 *out)
{
	u32 shift = 0;
	u64 v = 0;

	if (*s < '0' || *s > '9')
		return false;
	for (; *s >= '0' && *s <= '9'; s++) {
		if (v > (1UL << 56))
			return false;
		v = v * 10 + *s - '0';
	}
	switch (*s) {
	case 'G': shift += 10;	/* fall through */
	case 'M': shift += 10;	/* fall through */
	case 'K': shift += 10; s++;
	}
	if (v > -1UL >> shift)
		return false;
	*out = v << shift;
	return !*s;
}

struct out {
	char *buf;
	size_t n, len;			/* room; wanted so far */
};

static void put(struct out *o, char c)
{
	if (o->len + 1 < o->n)
		o->buf[o->len] = c;
	o->len++;
}

static void put_number(struct out *o, u64 v, u32 base, bool neg, int width, bool left, char fill)
{
	char digits[24];
	int n = 0;

	do {
		digits[n++] = "0123456789abcdef"[v % base];
		v /= base;
	} while (v);
	if (neg)
		digits[n++] = '-';
	if (!left) {
		for (int i = n; i < width; i++)
			put(o, fill);
	}
	for (int i = n; i--; )
		put(o, digits[i]);
	if (left) {
		for (int i = n; i < width; i++)
			put(o, ' ');
	}
}

/* %d %u %x %s %c %p %%, with l, ll or z, a width, `-` and `0`. */
int vsnprintf(char *buf, size_t n, const char *fmt, va_list ap)
{
	struct out o = { buf, n, 0 };

	for (; *fmt; fmt++) {
		bool left = false, wide = false;
		char fill = ' ';
		int width = 0;

		if (*fmt != '%') {
			put(&o, *fmt);
			continue;
		}
		for (fmt++; *fmt == '-' || *fmt == '0'; fmt++) {
			if (*fmt == '-')
				left = true;
			else
				fill = '0';
		}
		if (*fmt == '*') {
			width = va_arg(ap, int);
			fmt++;
		}
		for (; *fmt >= '0' && *fmt <= '9'; fmt++)
			width = width * 10 + *fmt - '0';
		for (; *fmt == 'l' || *fmt == 'z'; fmt++)
			wide = true;
		switch (*fmt) {
		case 'd': {
			s64 v = wide ? va_arg(ap, s64) : va_arg(ap, int);

			put_number(&o, v < 0 ? -(u64)v : (u64)v, 10, v < 0, width, left, fill);
			break;
		}
		case 'u':
		case 'x':
			put_number(&o, wide ? va_arg(ap, u64) : va_arg(ap, u32), *fmt == 'x' ? 16 : 10,
				   false, width, left, fill);
			break;
		case 'p':
			put_number(&o, va_arg(ap, u64), 16, false, 16, false, '0');
			break;
		case 'c':
			put(&o, va_arg(ap, int));
			break;
		case 's': {
			const char *s = va_arg(ap, const char *);
			int len = strlen(s);

			for (int i = len; !left && i < width; i++)
				put(&o, ' ');
			while (*s)
				put(&o, *s++);
			for (int i = len; left && i < width; i++)
				put(&o, ' ');
			break;
		}
		case '%':
			put(&o, '%');
			break;
		default:
			put(&o, '?');
			break;
		}
	}
	if (n)
		buf[MIN(o.len, n - 1)] = 0;
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
