// SPDX-License-Identifier: GPL-2.0-only
/*
 * test.c - runs a suite with CUnit and says in the house's way what happened.
 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include "test.h"

static void (*before_each)(void);

void test_fail(const char *fmt, ...)
{
	char msg[1024];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(msg, sizeof(msg), fmt, ap);
	va_end(ap);
	CU_assertImplementation(CU_FALSE, 0, msg, "", "", CU_FALSE);
}

static void test_started(const CU_pTest t, const CU_pSuite s)
{
	if (before_each)
		before_each();
}

static void test_done(const CU_pTest t, const CU_pSuite s, const CU_pFailureRecord first)
{
	for (CU_pFailureRecord f = first; f; f = f->pNext)
		printf("  FAIL %s: %s:%u: %s\n", t->pName, f->strFileName, f->uiLineNumber, f->strCondition);
}

static int wanted(const char *name, int argc, char **argv)
{
	for (int i = 1; i < argc; i++)
		if (strstr(name, argv[i]))
			return 1;
	return argc <= 1;
}

int test_main(const struct test *tests, unsigned int nr, void (*reset)(void), int argc, char **argv)
{
	const char *suite = strrchr(argv[0], '/');
	CU_pSuite s;
	unsigned int failed;

	suite = suite ? suite + 1 : argv[0];
	setvbuf(stdout, NULL, _IOLBF, 0);
	before_each = reset;
	if (CU_initialize_registry() != CUE_SUCCESS)
		return 2;
	s = CU_add_suite(suite, NULL, NULL);
	for (unsigned int i = 0; i < nr; i++)
		if (wanted(tests[i].name, argc, argv))
			CU_add_test(s, tests[i].name, tests[i].run);
	if (!s->uiNumberOfTests) {
		fprintf(stderr, "%s: no test of that name\n", suite);
		return 2;
	}
	CU_set_test_start_handler(test_started);
	CU_set_test_complete_handler(test_done);
	CU_run_all_tests();
	failed = CU_get_number_of_tests_failed();
	printf("unit %s: %u tests, %u failed, %u assertions\n", suite, CU_get_number_of_tests_run(), failed,
	       CU_get_number_of_asserts());
	CU_cleanup_registry();
	return failed ? 1 : 0;
}
