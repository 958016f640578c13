/*
 * tests/unit/unit.h: the main() that every unit test program has.  The program prints check's
 * normal summary; CK_FORK, CK_RUN_CASE and the other variables of check(1) work as usual.
 *
 *     static void
 *     add_tests(Suite *s)
 *     {
 *             TCase *tc = tcase_create("decode");
 *
 *             tcase_add_test(tc, golden);
 *             suite_add_tcase(s, tc);
 *     }
 *     UNIT_MAIN("open", add_tests)
 */
#ifndef HERALD_TESTS_UNIT_H
#define HERALD_TESTS_UNIT_H

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The exit status of a program that cannot run here; say why with unit_skip(). */
#define UNIT_SKIPPED 77

/* End the program as skipped; call it before any test, first thing in add_tests. */
static inline _Noreturn void
unit_skip(const char *why)
{
	printf("SKIP: %s\n", why);
	exit(UNIT_SKIPPED);
}

/* How many rounds of a random walk: @full, and a twentieth under valgrind (UNIT_ROUNDS=few). */
static inline unsigned long
unit_rounds(unsigned long full)
{
	const char *wish = getenv("UNIT_ROUNDS");

	return wish && strcmp(wish, "few") == 0 ? (full + 19) / 20 : full;
}

/* For tests of what the kernel writes by bpf(2), which valgrind takes for garbage; the sanitizers watch
 * over them.  Where unit_skip() may stand. */
static inline void
unit_not_under_valgrind(void)
{
	if (unit_rounds(20) < 20)
		unit_skip("valgrind does not know BPF");
}

/* Run the suite @name made of what @add_tests adds; the exit status of main(). */
static inline int
unit_run(const char *name, void (*add_tests)(Suite *))
{
	Suite *suite = suite_create(name);
	SRunner *runner;
	int failed;

	add_tests(suite);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

#define UNIT_MAIN(name, add_tests)                                                                 \
	int main(void)                                                                             \
	{                                                                                          \
		return unit_run((name), (add_tests));                                              \
	}

#endif
