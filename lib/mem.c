/*
 * lib/mem.c: allocation, the fatal and the fallible kind, and the switch that makes the n-th
 * fallible one fail.  Under everything else; uses nothing of ours.
 */
#include "lib/mem.h"

#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Counts down to the allocation that is to fail; 0: off.  A tester's switch, not state. */
static _Thread_local unsigned fail_in;

static _Noreturn void
out_of_memory(void)
{
	static const char msg[] = "herald: out of memory\n";

	if (write(STDERR_FILENO, msg, sizeof(msg) - 1) < 0)
		_exit(3);
	_exit(3);
}

void *
xcalloc(size_t n, size_t size)
{
	void *p = calloc(n ? n : 1, size ? size : 1);

	if (!p)
		out_of_memory();
	return p;
}

void *
xrealloc(void *old, size_t n, size_t size)
{
	size_t bytes;
	void *p;

	if (__builtin_mul_overflow(n, size, &bytes))
		out_of_memory();
	p = realloc(old, bytes ? bytes : 1);
	if (!p)
		out_of_memory();
	return p;
}

char *
xstrdup(const char *s)
{
	return xstrndup(s, strlen(s));
}

char *
xstrndup(const char *s, size_t n)
{
	size_t len = strnlen(s, n);
	char *p = xcalloc(len + 1, 1);

	memcpy(p, s, len);
	return p;
}

char *
xasprintf(const char *fmt, ...)
{
	va_list ap;
	char *p;
	int n;

	va_start(ap, fmt);
	n = vasprintf(&p, fmt, ap);
	va_end(ap);
	if (n < 0)
		out_of_memory();
	return p;
}

static bool
must_fail(void)
{
	return fail_in > 0 && --fail_in == 0;
}

void *
mem_calloc(size_t n, size_t size)
{
	if (must_fail()) {
		errno = ENOMEM;
		return NULL;
	}
	return calloc(n ? n : 1, size ? size : 1);
}

void *
mem_realloc(void *old, size_t n, size_t size)
{
	size_t bytes;

	if (must_fail() || __builtin_mul_overflow(n, size, &bytes)) {
		errno = ENOMEM;
		return NULL;
	}
	return realloc(old, bytes ? bytes : 1);
}

char *
mem_strndup(const char *s, size_t n)
{
	size_t len = strnlen(s, n);
	char *p = mem_calloc(len + 1, 1);

	if (p)
		memcpy(p, s, len);
	return p;
}

void
mem_free(void *p)
{
	free(p);
}

void
mem_fail_at(unsigned nth)
{
	fail_in = nth;
}

void
mem_wipe(void *p, size_t len)
{
	if (p && len)
		explicit_bzero(p, len);
}

int
mem_grow(void **arr, size_t *cap, size_t nr, size_t size, size_t max)
{
	size_t want;
	void *p;

	if (max && nr >= max)
		return -ENOMEM;
	if (nr < *cap)
		return 0;
	want = *cap < 4 ? 8 : *cap * 2;
	if (want < *cap)
		return -ENOMEM;
	if (max && want > max)
		want = max;
	p = mem_realloc(*arr, want, size);
	if (!p)
		return -ENOMEM;
	*arr = p;
	*cap = want;
	return 0;
}
