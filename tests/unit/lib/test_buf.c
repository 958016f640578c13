/*
 * tests/unit/lib/test_buf.c: buffers and memory: limits, growth, and the n-th allocation failing.
 */
#include "tests/unit/unit.h"

#include "lib/buf.h"
#include "lib/mem.h"

#include <errno.h>
#include <stdint.h>
#include <string.h>

START_TEST(empty_is_an_empty_text)
{
	struct buf b;

	buf_init(&b, 100);
	ck_assert_str_eq(buf_text(&b), "");
	ck_assert_uint_eq(b.len, 0);
	buf_add(&b, NULL, 0);
	buf_puts(&b, "");
	buf_printf(&b, "%s", "");
	ck_assert_str_eq(buf_text(&b), "");
	ck_assert(!b.failed);
	buf_fini(&b);
	buf_fini(&b);
}
END_TEST

START_TEST(adding_in_every_way)
{
	struct buf b;

	buf_init(&b, 1000);
	buf_puts(&b, "one");
	buf_putc(&b, ' ');
	buf_add(&b, "two\0three", 9);
	buf_printf(&b, " %d%s", 4, "!");
	ck_assert_uint_eq(b.len, 16);
	ck_assert_mem_eq(b.data, "one two\0three 4!", 17);
	buf_reset(&b);
	ck_assert_uint_eq(b.len, 0);
	ck_assert_str_eq(buf_text(&b), "");
	buf_puts(&b, "again");
	ck_assert_str_eq(buf_text(&b), "again");
	buf_fini(&b);
}
END_TEST

/* One byte at a time and by printf, against a plain array. */
START_TEST(growing_keeps_what_was_there)
{
	static char want[20000];
	struct buf b;
	size_t len = 0;

	buf_init(&b, sizeof(want));
	for (int i = 0; len < sizeof(want) - 40; i++) {
		char part[32];

		snprintf(part, sizeof(part), "%d,", i * 12345);
		memcpy(want + len, part, strlen(part) + 1);
		len += strlen(part);
		if (i & 1) {
			buf_printf(&b, "%s", part);
		} else {
			for (char *c = part; *c; c++)
				buf_putc(&b, *c);
		}
		ck_assert_uint_eq(b.len, len);
		ck_assert_uint_lt(b.len, b.cap);
	}
	ck_assert_str_eq(buf_text(&b), want);
	buf_fini(&b);
}
END_TEST

/* At the maximum exactly it fits, one more does not; nothing is cut, nothing comes after. */
START_TEST(maximum_is_kept)
{
	struct buf b;
	size_t max = (size_t)_i;
	char text[300];

	memset(text, 'x', sizeof(text));
	text[max] = '\0';
	buf_init(&b, max);
	buf_puts(&b, text);
	ck_assert(!b.failed);
	ck_assert_uint_eq(b.len, max);
	ck_assert_uint_le(b.cap, max + 1);
	buf_putc(&b, 'y');
	ck_assert(b.failed);
	ck_assert_str_eq(buf_text(&b), text);
	buf_puts(&b, "");
	ck_assert_uint_eq(b.len, max);

	buf_reset(&b);
	ck_assert(!b.failed);
	buf_printf(&b, "%s", text);
	ck_assert(!b.failed);
	buf_printf(&b, "%s", "yz");
	ck_assert(b.failed);
	ck_assert_str_eq(buf_text(&b), text);
	buf_reset(&b);
	buf_printf(&b, "%s%s", text, "y");
	ck_assert(b.failed);
	ck_assert_uint_eq(strlen(buf_text(&b)), 0);
	ck_assert_ptr_null(buf_steal(&b));
	buf_fini(&b);
}
END_TEST

START_TEST(no_limit_does_not_overflow)
{
	struct buf b;

	buf_init(&b, SIZE_MAX);
	buf_puts(&b, "x");
	buf_add(&b, "x", SIZE_MAX - 1);
	ck_assert(b.failed);
	ck_assert_str_eq(buf_text(&b), "x");
	buf_fini(&b);
}
END_TEST

START_TEST(stealing_leaves_a_fresh_one)
{
	struct buf b;
	char *text;

	buf_init(&b, 10);
	text = buf_steal(&b);
	ck_assert_str_eq(text, "");
	free(text);
	buf_puts(&b, "mine");
	text = buf_steal(&b);
	ck_assert_str_eq(text, "mine");
	ck_assert_uint_eq(b.len, 0);
	ck_assert_ptr_null(b.data);
	ck_assert_uint_eq(b.max, 10);
	buf_puts(&b, "0123456789");
	ck_assert(!b.failed);
	ck_assert_str_eq(text, "mine");
	free(text);
	buf_fini(&b);
}
END_TEST

START_TEST(short_of_memory_at_every_step)
{
	unsigned n = 0;
	bool whole = false;

	while (!whole) {
		struct buf b;
		char *text;

		mem_fail_at(++n);
		buf_init(&b, 10000);
		for (int i = 0; i < 500; i++)
			buf_printf(&b, "%d ", i);
		mem_fail_at(0);
		whole = !b.failed;
		if (!whole)
			ck_assert_uint_lt(b.len, 1890);
		else
			ck_assert_uint_eq(b.len, 1890);
		text = buf_steal(&b);
		ck_assert_int_eq(text != NULL, whole);
		free(text);
		buf_fini(&b);
	}
	ck_assert_uint_gt(n, 3);
}
END_TEST

/* ---- memory ---- */

START_TEST(fatal_kind_gives_what_was_asked)
{
	int *p = xnew_n(int, 3);
	char *s = xstrdup("text"), *cut = xstrndup("text", 2), *all = xstrndup("ab", 100);
	char *f = xasprintf("%s-%d", "x", 5);

	ck_assert_int_eq(p[0] | p[1] | p[2], 0);
	p[2] = 7;
	p = xrealloc(p, 100, sizeof(*p));
	ck_assert_int_eq(p[2], 7);
	ck_assert_str_eq(s, "text");
	ck_assert_str_eq(cut, "te");
	ck_assert_str_eq(all, "ab");
	ck_assert_str_eq(f, "x-5");
	free(p);
	free(s);
	free(cut);
	free(all);
	free(f);
	p = xcalloc(0, 0); /* something to free, never NULL */
	ck_assert_ptr_nonnull(p);
	p = xrealloc(p, 0, 4);
	ck_assert_ptr_nonnull(p);
	free(p);
}
END_TEST

START_TEST(fatal_kind_ends_the_program)
{
	volatile size_t huge = SIZE_MAX / 2;
	void *p = xrealloc(NULL, huge, 4);

	free(p);
}
END_TEST

START_TEST(fallible_kind_fails_when_told)
{
	char *p, *q;

	for (unsigned n = 1; n <= 3; n++) {
		mem_fail_at(n);
		for (unsigned i = 1; i <= 5; i++) {
			errno = 0;
			p = mem_calloc(1, 10);
			ck_assert_int_eq(p == NULL, i == n);
			if (!p)
				ck_assert_int_eq(errno, ENOMEM);
			mem_free(p);
		}
	}
	mem_fail_at(1);
	mem_fail_at(0);
	p = mem_calloc(2, 4);
	ck_assert_ptr_nonnull(p);
	ck_assert_mem_eq(p, "\0\0\0\0\0\0\0\0", 8);
	memcpy(p, "kept", 5);
	mem_fail_at(1);
	ck_assert_ptr_null(mem_realloc(p, 100, 1));
	ck_assert_str_eq(p, "kept");
	q = mem_realloc(p, 100, 1);
	ck_assert_str_eq(q, "kept");
	ck_assert_ptr_null(mem_realloc(q, SIZE_MAX, 2));
	ck_assert_str_eq(q, "kept");
	mem_free(q);
	mem_fail_at(1);
	ck_assert_ptr_null(mem_strndup("abc", 2));
	p = mem_strndup("abc", 2);
	ck_assert_str_eq(p, "ab");
	mem_free(p);
	mem_free(NULL);
}
END_TEST

START_TEST(arrays_grow_to_their_limit)
{
	uint32_t *arr = NULL;
	size_t cap = 0, nr = 0, grown = 0;

	for (nr = 0; nr < 1000; nr++) {
		size_t before = cap;

		ck_assert_int_eq(mem_grow((void **)&arr, &cap, nr, sizeof(*arr), 1000), 0);
		ck_assert_uint_gt(cap, nr);
		ck_assert_uint_le(cap, 1000);
		grown += cap != before;
		arr[nr] = (uint32_t)nr;
	}
	ck_assert_uint_lt(grown, 10); /* it doubles */
	ck_assert_int_eq(mem_grow((void **)&arr, &cap, nr, sizeof(*arr), 1000), -ENOMEM);
	mem_fail_at(1);
	nr = cap;
	ck_assert_int_eq(mem_grow((void **)&arr, &cap, nr, sizeof(*arr), 0), -ENOMEM);
	ck_assert_uint_eq(cap, 1000);
	for (size_t i = 0; i < 1000; i++)
		ck_assert_uint_eq(arr[i], i);
	ck_assert_int_eq(mem_grow((void **)&arr, &cap, nr, sizeof(*arr), 0), 0);
	ck_assert_uint_eq(cap, 2000);
	mem_free(arr);
}
END_TEST

START_TEST(wiping)
{
	char secret[] = "secret";

	mem_wipe(secret, 3);
	ck_assert_mem_eq(secret, "\0\0\0ret", 7);
	mem_wipe(secret, sizeof(secret));
	ck_assert_mem_eq(secret, "\0\0\0\0\0\0", 7);
	mem_wipe(NULL, 0);
}
END_TEST

static void
add_tests(Suite *s)
{
	TCase *tc = tcase_create("buf");

	tcase_add_test(tc, empty_is_an_empty_text);
	tcase_add_test(tc, adding_in_every_way);
	tcase_add_test(tc, growing_keeps_what_was_there);
	tcase_add_loop_test(tc, maximum_is_kept, 1, 140);
	tcase_add_test(tc, no_limit_does_not_overflow);
	tcase_add_test(tc, stealing_leaves_a_fresh_one);
	tcase_add_test(tc, short_of_memory_at_every_step);
	suite_add_tcase(s, tc);

	tc = tcase_create("mem");
	tcase_add_test(tc, fatal_kind_gives_what_was_asked);
	tcase_add_exit_test(tc, fatal_kind_ends_the_program, 3);
	tcase_add_test(tc, fallible_kind_fails_when_told);
	tcase_add_test(tc, arrays_grow_to_their_limit);
	tcase_add_test(tc, wiping);
	suite_add_tcase(s, tc);
}

UNIT_MAIN("buf", add_tests)
