/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * tools_test.h - the main() of a suite of unit tests of domain 0's tools.
 */
#ifndef TOOLS_TEST_H
#define TOOLS_TEST_H

#include <CUnit/Basic.h>

struct tools_test {
	const char *name;
	void (*run)(void);
};

#define TEST(f) { #f, f }
#define TESTS(suite, ...) \
int main(void) \
{ \
	static const struct tools_test tests[] = { __VA_ARGS__ }; \
	unsigned int failed; \
	CU_pSuite s; \
\
	CU_initialize_registry(); \
	s = CU_add_suite(suite, NULL, NULL); \
	for (size_t i = 0; i < sizeof(tests) / sizeof(tests[0]); i++) \
		CU_add_test(s, tests[i].name, tests[i].run); \
	CU_basic_set_mode(CU_BRM_NORMAL); \
	CU_basic_run_tests(); \
	failed = CU_get_number_of_failures(); \
	CU_cleanup_registry(); \
	return failed ? 1 : 0; \
}

#endif
