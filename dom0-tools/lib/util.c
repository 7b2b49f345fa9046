// SPDX-License-Identifier: GPL-2.0-only
/*
 * util.c - small things that the C library lacks: see util.h.
 */
#include "util.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static void *no_memory(void)
{
	static const char text[] = "out of memory\n";

	if (write(STDERR_FILENO, text, sizeof(text) - 1) < 0)
		_exit(70);
	_exit(70);
}

void *xcalloc(size_t n, size_t size)
{
	void *p = calloc(n ? n : 1, size);

	return p ? p : no_memory();
}

void *xrealloc(void *p, size_t size)
{
	p = realloc(p, size);
	return p ? p : no_memory();
}

char *xstrndup(const char *s, size_t n)
{
	char *p = strndup(s, n);

	return p ? p : no_memory();
}

char *xstrdup(const char *s)
{
	return s ? xstrndup(s, strlen(s)) : NULL;
}

char *xasprintf(const char *fmt, ...)
{
	va_list ap;
	char *s;

	va_start(ap, fmt);
	if (vasprintf(&s, fmt, ap) < 0)
		no_memory();
	va_end(ap);
	return s;
}

static void sb_room(struct strbuf *b, size_t more)
{
	size_t need = b->len + more + 1;

	if (need <= b->size)
		return;
	if (need < 2 * b->size)
		need = 2 * b->size;
	b->s = xrealloc(b->s, need);
	b->size = need;
}

void sb_add(struct strbuf *b, const void *data, size_t len)
{
	sb_room(b, len);
	if (len)
		memcpy(b->s + b->len, data, len);
	b->len += len;
	b->s[b->len] = 0;
}

void sb_puts(struct strbuf *b, const char *s)
{
	sb_add(b, s, strlen(s));
}

void sb_printf(struct strbuf *b, const char *fmt, ...)
{
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(NULL, 0, fmt, ap);
	va_end(ap);
	if (n < 0)
		return;
	sb_room(b, n);
	va_start(ap, fmt);
	vsnprintf(b->s + b->len, n + 1, fmt, ap);
	va_end(ap);
	b->len += n;
}

void sb_drop(struct strbuf *b, size_t len)
{
	if (!len)
		return;
	memmove(b->s, b->s + len, b->len - len + 1);
	b->len -= len;
}

void sb_free(struct strbuf *b)
{
	free(b->s);
	*b = (struct strbuf){ 0 };
}

bool parse_u64(const char *s, uint64_t *out)
{
	uint64_t v = 0;

	if (!s || !*s)
		return false;
	for (; *s; s++) {
		if (*s < '0' || *s > '9' || __builtin_mul_overflow(v, 10, &v) ||
		    __builtin_add_overflow(v, *s - '0', &v))
			return false;
	}
	*out = v;
	return true;
}

bool parse_uint(const char *s, unsigned int *out)
{
	uint64_t v;

	if (!parse_u64(s, &v) || v > UINT32_MAX)
		return false;
	*out = v;
	return true;
}

static const struct unit {
	const char *name;
	uint64_t bytes;
} units[] = {
	{ "b", 1 }, { "bytes", 1 }, { "byte", 1 },
	{ "KB", 1000 }, { "k", 1 << 10 }, { "KiB", 1 << 10 },
	{ "MB", 1000000 }, { "M", 1 << 20 }, { "MiB", 1 << 20 },
	{ "GB", 1000000000 }, { "G", 1 << 30 }, { "GiB", 1 << 30 },
	{ "TB", 1000000000000 }, { "T", 1ull << 40 }, { "TiB", 1ull << 40 },
};

const char *parse_size(const char *number, const char *unit, const char *def, uint64_t *out)
{
	uint64_t n;

	if (!unit)
		unit = def;
	if (*number == '-')
		return "is negative";
	if (!parse_u64(number, &n))
		return strspn(number, "0123456789") == strlen(number) && *number ?
			"is more than any machine has" : "is not a whole number";
	for (size_t i = 0; i < ARRAY_SIZE(units); i++) {
		if (strcasecmp(unit, units[i].name))
			continue;
		if (__builtin_mul_overflow(n, units[i].bytes, out) || *out > 1ull << 46)
			return "is more than any machine has";
		return NULL;
	}
	return "has an unknown unit: there are b, KiB, MiB, GiB, TiB, KB, MB, GB, TB";
}

void format_size(uint64_t bytes, char out[24])
{
	static const char suffix[] = "BKMGT";
	int i = 0;
	double v = bytes;

	while (v >= 1024 && i < 4) {
		v /= 1024;
		i++;
	}
	if (!i || v == (uint64_t)v)
		snprintf(out, 24, "%.0f %c%s", v, suffix[i], i ? "iB" : "");
	else
		snprintf(out, 24, "%.1f %ciB", v, suffix[i]);
}

bool parse_cpuset(const char *s, uint64_t *out)
{
	uint64_t set = 0;

	if (!*s)
		return false;
	while (*s) {
		bool out_of = *s == '^';
		char *end;
		unsigned long first, last;

		s += out_of;
		if (*s < '0' || *s > '9')
			return false;
		first = last = strtoul(s, &end, 10);
		if (*end == '-' && !out_of) {
			s = end + 1;
			if (*s < '0' || *s > '9')
				return false;
			last = strtoul(s, &end, 10);
		}
		if (first > last || last > 63)
			return false;
		for (; first <= last; first++)
			set = out_of ? set & ~(1ull << first) : set | 1ull << first;
		if (*end && (*end != ',' || !end[1]))
			return false;
		s = *end ? end + 1 : end;
	}
	*out = set;
	return set != 0;
}

void format_cpuset(uint64_t set, char out[CPUSET_LEN])
{
	size_t n = 0;

	out[0] = 0;
	for (int i = 0; i < 64; i++) {
		int first = i;

		if (!(set >> i & 1))
			continue;
		while (i < 63 && set >> (i + 1) & 1)
			i++;
		n += snprintf(out + n, CPUSET_LEN - n, first == i ? "%s%d" : "%s%d-%d", n ? "," : "", first, i);
	}
}

bool uuid_parse(const char *s, uint8_t out[16])
{
	uint8_t u[16];
	int n = 0;

	/* libvirt takes them with and without dashes. */
	for (; *s; s++) {
		const char *hex = "0123456789abcdef", *at;

		if (*s == '-' && n && n % 2 == 0)
			continue;
		at = strchr(hex, *s | (*s >= 'A' && *s <= 'F' ? 0x20 : 0));
		if (!at || n >= 32)
			return false;
		u[n / 2] = n % 2 ? u[n / 2] << 4 | (at - hex) : at - hex;
		n++;
	}
	if (n != 32)
		return false;
	memcpy(out, u, 16);
	return true;
}

void uuid_format(const uint8_t u[16], char out[UUID_LEN])
{
	char *p = out;

	for (int i = 0; i < 16; i++) {
		if (i == 4 || i == 6 || i == 8 || i == 10)
			*p++ = '-';
		*p++ = "0123456789abcdef"[u[i] >> 4];
		*p++ = "0123456789abcdef"[u[i] & 15];
	}
	*p = 0;
}

void uuid_make(uint8_t out[16])
{
	if (getrandom(out, 16, 0) != 16)
		no_memory();
	out[6] = (out[6] & 0x0f) | 0x40;
	out[8] = (out[8] & 0x3f) | 0x80;
}

bool uuid_is_null(const uint8_t u[16])
{
	static const uint8_t zero[16];

	return !memcmp(u, zero, 16);
}

/* Edits (insert, delete, replace, swap of neighbours) from a to b; case counts less. */
static unsigned int distance(const char *a, const char *b)
{
	enum { MAX = 32 };
	unsigned int d[MAX + 1][MAX + 1];
	size_t la = strlen(a), lb = strlen(b);

	if (la > MAX || lb > MAX)
		return MAX;
	for (size_t i = 0; i <= la; i++) {
		for (size_t j = 0; j <= lb; j++) {
			unsigned int best, same;

			if (!i || !j) {
				d[i][j] = 2 * (i + j);
				continue;
			}
			same = a[i - 1] == b[j - 1] ? 0 : strncasecmp(a + i - 1, b + j - 1, 1) ? 2 : 1;
			best = d[i - 1][j - 1] + same;
			if (d[i - 1][j] + 2 < best)
				best = d[i - 1][j] + 2;
			if (d[i][j - 1] + 2 < best)
				best = d[i][j - 1] + 2;
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] && d[i - 2][j - 2] + 2 < best)
				best = d[i - 2][j - 2] + 2;
			d[i][j] = best;
		}
	}
	return d[la][lb];
}

const char *nearest(const char *word, const char *const *names, size_t nr)
{
	unsigned int best = 2 * (strlen(word) < 4 ? 1 : strlen(word) < 8 ? 2 : 3) + 1;
	const char *found = NULL;

	for (size_t i = 0; i < nr; i++) {
		unsigned int d = distance(word, names[i]);

		if (d < best) {
			best = d;
			found = names[i];
		}
	}
	return found;
}

bool word_in(const char *word, const char *list)
{
	size_t len = strlen(word);

	while (*list) {
		size_t n = strcspn(list, " ");

		if (n == len && !memcmp(list, word, n))
			return len != 0;
		list += n + strspn(list + n, " ");
	}
	return false;
}

char *read_file(const char *path, size_t max, size_t *len)
{
	struct strbuf b = { 0 };
	char buf[16384];
	ssize_t n;
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);

	if (fd < 0)
		return NULL;
	sb_add(&b, "", 0);
	while ((n = read(fd, buf, sizeof(buf))) != 0) {
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 || b.len + n > max) {
			int err = n < 0 ? errno : EFBIG;

			close(fd);
			sb_free(&b);
			errno = err;
			return NULL;
		}
		sb_add(&b, buf, n);
	}
	close(fd);
	if (len)
		*len = b.len;
	return b.s;
}

int write_all(int fd, const void *data, size_t len)
{
	const char *p = data;

	while (len) {
		ssize_t n = write(fd, p, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -1;
		p += n;
		len -= n;
	}
	return 0;
}

/* Not getpwnam(): in a static program that needs the C library's plug-ins. */
bool id_of(const char *file, const char *name, unsigned int *id, unsigned int *next)
{
	char *text = read_file(file, 1 << 20, NULL), *rest = text, *line;
	bool found = false;

	while (!found && rest && (line = strsep(&rest, "\n"))) {
		char *who = strsep(&line, ":");

		strsep(&line, ":");
		found = !strcmp(who, name) && parse_uint(strsep(&line, ":"), id);
		if (found && next)
			found = parse_uint(strsep(&line, ":"), next);
	}
	free(text);
	return found;
}

uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000ull + t.tv_nsec;
}

uint64_t wall_s(void)
{
	struct timespec t;

	clock_gettime(CLOCK_REALTIME, &t);
	return t.tv_sec;
}
