/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * test.h - what a suite of unit tests is: a table of functions and one call.
 * Assertions are CUnit's (CU_ASSERT_EQUAL and so on).
 */
#ifndef UNIT_TEST_H
#define UNIT_TEST_H

#include <CUnit/CUnit.h>

struct test {
	const char *name;
	void (*run)(void);
};
#define TEST(f) { #f, f }

/*
 * Run the tests whose names contain one of the arguments (all without any) and
 * print each failure and one final line. `reset`, or NULL, runs before each.
 */
int test_main(const struct test *tests, unsigned int nr, void (*reset)(void), int argc, char **argv);

/* Count a failure, with a reason: for checks too large for one assertion. */
void test_fail(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

#endif
