/*
 * tests/fuzz/must.h: what a fuzz target holds against what it found.  It says what does not hold,
 * so that a run whose input is lost still tells something.
 */
#ifndef HERALD_TESTS_FUZZ_MUST_H
#define HERALD_TESTS_FUZZ_MUST_H

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

#define must(...) must_at((__VA_ARGS__), #__VA_ARGS__, __FILE__, __LINE__)

static inline void
must_at(bool holds, const char *what, const char *file, int line)
{
	if (holds)
		return;
	fprintf(stderr, "%s:%d: must hold: %s\n", file, line, what);
	abort();
}

#endif
