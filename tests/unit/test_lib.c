// SPDX-License-Identifier: GPL-2.0-only
/*
 * test_lib.c - the hypervisor's own strings and formatted output, against the
 * C library's.
 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include "test.h"

#define memcpy hv_memcpy
#define memmove hv_memmove
#define memset hv_memset
#define memcmp hv_memcmp
#define strlen hv_strlen
#define strcmp hv_strcmp
#define strncmp hv_strncmp
#define strchr hv_strchr
#define vsnprintf hv_vsnprintf
#define snprintf hv_snprintf
void *memcpy(void *d, const void *s, size_t n);
void *memmove(void *d, const void *s, size_t n);
void *memset(void *d, int c, size_t n);
int memcmp(const void *a, const void *b, size_t n);
size_t strlen(const char *s);
int strcmp(const char *a, const char *b);
int strncmp(const char *a, const char *b, size_t n);
char *strchr(const char *s, int c);
int vsnprintf(char *buf, size_t n, const char *fmt, va_list ap);
int snprintf(char *buf, size_t n, const char *fmt, ...);
#include "../../hypervisor/core/lib.c"
#undef memcpy
#undef memmove
#undef memset
#undef memcmp
#undef strlen
#undef strcmp
#undef strncmp
#undef strchr
#undef vsnprintf
#undef snprintf

#define SAME(n, fmt, ...) do { \
		char want_[64], got_[64]; \
		volatile size_t room_ = n;	/* cutting off is meant: the compiler need not warn */ \
		int w_ = snprintf(want_, room_, fmt, __VA_ARGS__), g_ = hv_snprintf(got_, room_, fmt, __VA_ARGS__); \
		if (w_ != g_ || strcmp(want_, got_)) \
			test_fail("%s: \"%s\" (%d), should be \"%s\" (%d)", fmt, got_, g_, want_, w_); \
	} while (0)

static void formats_as_the_c_library(void)
{
	SAME(64, "%d %u %x", -1, 4000000000U, 0xdeadbeef);
	SAME(64, "%ld %lu %lx", (long)(1UL << 63), ~0UL, 0x8000000000000000UL);
	SAME(64, "%5d|%-5d|%05d|%5u", 42, 42, 42, 7U);
	SAME(64, "%08lx|%-8s|%8s|%c%%", 0x1234UL, "ab", "cd", 'x');
	SAME(64, "%*d %zu", 6, 17, (size_t)99);
	SAME(64, "%s", "");
	SAME(4, "%s", "cut off");
	SAME(1, "%d", 12345);
}

static void compares_as_the_c_library(void)
{
	static const char *const s[] = { "", "a", "ab", "abc", "abd", "\xff", "b" };

	for (unsigned int i = 0; i < ARRAY_SIZE(s); i++) {
		CU_ASSERT_EQUAL(hv_strlen(s[i]), strlen(s[i]));
		CU_ASSERT_PTR_EQUAL(hv_strchr(s[i], 'b'), strchr(s[i], 'b'));
		for (unsigned int j = 0; j < ARRAY_SIZE(s); j++) {
			CU_ASSERT_EQUAL(hv_strcmp(s[i], s[j]) < 0, strcmp(s[i], s[j]) < 0);
			CU_ASSERT_EQUAL(hv_strcmp(s[i], s[j]) == 0, i == j);
			for (size_t n = 0; n < 4; n++)
				CU_ASSERT_EQUAL(hv_strncmp(s[i], s[j], n) > 0, strncmp(s[i], s[j], n) > 0);
		}
	}
	CU_ASSERT(hv_memcmp("abc", "abd", 3) < 0);
	CU_ASSERT_EQUAL(hv_memcmp("abc", "abd", 2), 0);
}

static void moves_overlapping_bytes(void)
{
	char a[16] = "0123456789", b[16] = "0123456789";

	hv_memmove(a + 2, a, 8);
	CU_ASSERT_STRING_EQUAL(a, "0101234567");
	hv_memmove(b, b + 2, 9);
	CU_ASSERT_STRING_EQUAL(b, "23456789");
	hv_memset(a, 'x', 3);
	CU_ASSERT_STRING_EQUAL(a, "xxx1234567");
}

static void sizes(void)
{
	static const struct { const char *s; bool ok; u64 v; } t[] = {
		{ "4096", true, 4096 }, { "64K", true, 65536 }, { "512M", true, 512UL << 20 }, { "2G", true, 2UL << 30 },
		{ "", false, 0 }, { "M", false, 0 }, { "12Q", false, 0 }, { "-1", false, 0 }, { "1MM", false, 0 },
		{ "99999999999999999999999", false, 0 }, { "36028797018963967G", false, 0 },
	};

	for (unsigned int i = 0; i < ARRAY_SIZE(t); i++) {
		u64 v = 0;
		bool ok = parse_size(t[i].s, &v);

		if (ok != t[i].ok || (ok && v != t[i].v))
			test_fail("\"%s\": %d %lu", t[i].s, ok, v);
	}
}

int main(int argc, char **argv)
{
	static const struct test tests[] = {
		TEST(formats_as_the_c_library), TEST(compares_as_the_c_library), TEST(moves_overlapping_bytes), TEST(sizes),
	};

	return test_main(tests, ARRAY_SIZE(tests), NULL, argc, argv);
}
