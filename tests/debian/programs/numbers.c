// SPDX-License-Identifier: GPL-2.0-only
/* numbers.c - integer and floating-point work with every digit printed. */
#include <fenv.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int compare(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return x < y ? -1 : x > y;
}

int main(void)
{
	static uint32_t v[50000];
	uint64_t sum = 0, x = 88172645463325252ull;
	double d = 0;
	long double l = 0;

	for (size_t i = 0; i < 50000; i++) {
		x ^= x << 13;
		x ^= x >> 7;
		x ^= x << 17;
		v[i] = (uint32_t)x;
	}
	qsort(v, 50000, sizeof(v[0]), compare);
	for (size_t i = 0; i < 50000; i++)
		sum = sum * 31 + v[i];
	printf("sorted %" PRIx64 "\n", sum);
	for (int i = 1; i < 2000; i++) {
		d += sin(i) * exp(-i / 500.0) + sqrt(i) / cbrt(i);
		l += 1.0L / i;
	}
	printf("double %.17g %a\n", d, d);
	printf("long double %.21Lg\n", l);
	fesetround(FE_UPWARD);
	volatile double one = 1, three = 3;
	printf("up %a", one / three);
	fesetround(FE_DOWNWARD);
	printf(" down %a\n", one / three);
	feclearexcept(FE_ALL_EXCEPT);
	volatile double zero = 0;
	volatile double inf = one / zero;
	printf("inf %f divbyzero %d inexact %d\n", (double)inf, !!fetestexcept(FE_DIVBYZERO), !!fetestexcept(FE_INEXACT));
	return 0;
}
