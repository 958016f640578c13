/*
 * tests/unit/lib/test_text.c: tables, durations, numbers, words and UTF-8, the last against every
 * code point and every pair of bytes.
 */
#include "tests/unit/unit.h"

#include "lib/buf.h"
#include "lib/text.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

static const char *const headers[] = { "NAME", "N", "STATE", NULL };

static void
expect_table(struct text_table *t, const char *want)
{
	struct buf b;

	buf_init(&b, 4096);
	text_table_print(t, &b);
	ck_assert_str_eq(buf_text(&b), want);
	buf_fini(&b);
	text_table_free(t);
}

START_TEST(columns_are_as_wide_as_their_widest_cell)
{
	struct text_table *t = text_table_new(headers);

	text_cell(t, "a");
	text_cellf(t, "%d", 12345);
	text_cell(t, "up");
	text_cell(t, "longer-name");
	text_cell(t, NULL);
	text_cell(t, "down");
	expect_table(t,
	    "NAME          N       STATE\n"
	    "a             12345   up\n"
	    "longer-name           down\n");
}
END_TEST

START_TEST(no_line_ends_in_blanks)
{
	struct text_table *t = text_table_new(headers);

	text_cell(t, "a");
	text_cell(t, "");
	text_cell(t, "");
	text_cell(t, "only one"); /* a row that ends early */
	expect_table(t,
	    "NAME       N   STATE\n"
	    "a\n"
	    "only one\n");
}
END_TEST

START_TEST(width_counts_characters)
{
	struct text_table *t = text_table_new(headers);

	text_cell(t, "gr\xc3\xbc\xc3\x9f");
	text_cell(t, "1");
	text_cell(t, "x");
	expect_table(t,
	    "NAME   N   STATE\n"
	    "gr\xc3\xbc\xc3\x9f   1   x\n");
}
END_TEST

START_TEST(table_without_rows_or_columns)
{
	static const char *const none[] = { NULL };

	expect_table(text_table_new(headers), "NAME   N   STATE\n");
	expect_table(text_table_new(none), "");
	text_table_free(NULL);
}
END_TEST

START_TEST(big_table)
{
	struct text_table *t = text_table_new(headers);
	struct buf b;
	size_t lines = 0;

	for (int i = 0; i < 3000; i++)
		text_cellf(t, "%d", i);
	buf_init(&b, 1 << 20);
	text_table_print(t, &b);
	ck_assert(!b.failed);
	for (const char *at = buf_text(&b); *at; at++)
		lines += *at == '\n';
	ck_assert_uint_eq(lines, 1001);
	buf_fini(&b);
	text_table_free(t);
}
END_TEST

/* As kubectl shows an AGE. */
static const struct {
	uint64_t s;
	const char *text;
} durations[] = {
	{ 0, "0s" },
	{ 45, "45s" },
	{ 119, "119s" },
	{ 120, "2m" },
	{ 192, "3m12s" },
	{ 599, "9m59s" },
	{ 600, "10m" },
	{ 659, "10m" },
	{ 3 * 3600 - 1, "179m" },
	{ 3 * 3600, "3h" },
	{ 2 * 3600 + 5 * 60, "125m" },
	{ 3 * 3600 + 5 * 60 + 59, "3h5m" },
	{ 8 * 3600 - 1, "7h59m" },
	{ 8 * 3600, "8h" },
	{ 47 * 3600 + 3599, "47h" },
	{ 48 * 3600, "2d" },
	{ 3 * 86400 + 4 * 3600, "3d4h" },
	{ 8 * 86400 - 1, "7d23h" },
	{ 8 * 86400, "8d" },
	{ 729 * 86400, "729d" },
	{ 730 * 86400, "2y" },
	{ 800 * 86400, "2y70d" },
	{ 8ull * 365 * 86400, "8y" },
	{ UINT64_MAX, "584942417355y" },
};

START_TEST(durations_as_kubectl)
{
	char buf[24];

	ck_assert_str_eq(text_duration(durations[_i].s, buf, sizeof(buf)), durations[_i].text);
}
END_TEST

static const struct {
	const char *text;
	uint64_t max;
	int err;
	uint64_t value;
} numbers[] = {
	{ "0", 10, 0, 0 },
	{ "10", 10, 0, 10 },
	{ "11", 10, -ERANGE, 0 },
	{ "007", 10, 0, 7 },
	{ "18446744073709551615", UINT64_MAX, 0, UINT64_MAX },
	{ "18446744073709551616", UINT64_MAX, -ERANGE, 0 },
	{ "99999999999999999999999999999999", UINT64_MAX, -ERANGE, 0 },
	{ "99999999999999999999999999999999x", UINT64_MAX, -EINVAL, 0 },
	{ "", 10, -EINVAL, 0 },
	{ "-1", 10, -EINVAL, 0 },
	{ "+1", 10, -EINVAL, 0 },
	{ " 1", 10, -EINVAL, 0 },
	{ "1 ", 10, -EINVAL, 0 },
	{ "0x1", 10, -EINVAL, 0 },
	{ "1.0", 10, -EINVAL, 0 },
};

START_TEST(numbers_are_the_whole_text)
{
	uint64_t v = 77;

	ck_assert_int_eq(text_u64(numbers[_i].text, numbers[_i].max, &v), numbers[_i].err);
	ck_assert_uint_eq(v, numbers[_i].err ? 77 : numbers[_i].value);
}
END_TEST

/* The definition, written down: exponential and slow, so for short words only. */
static unsigned
naive_distance(const char *a, const char *b)
{
	unsigned d, e;

	if (!*a || !*b)
		return (unsigned)(strlen(a) + strlen(b));
	d = naive_distance(a + 1, b + 1) + (*a != *b);
	e = naive_distance(a + 1, b) + 1;
	d = e < d ? e : d;
	e = naive_distance(a, b + 1) + 1;
	return e < d ? e : d;
}

START_TEST(distance_by_its_definition)
{
	static const char *const words[] = { "", "a", "ab", "ba", "abc", "bca", "kitten", "sitting",
		"peers", "peer", "spear", "aaaa", "aabaa" };
	const size_t nr = sizeof(words) / sizeof(words[0]);
	char big[200];

	for (size_t i = 0; i < nr; i++) {
		for (size_t j = 0; j < nr; j++)
			ck_assert_uint_eq(
			    text_distance(words[i], words[j]), naive_distance(words[i], words[j]));
	}
	memset(big, 'x', sizeof(big) - 1);
	big[sizeof(big) - 1] = '\0';
	ck_assert_uint_eq(text_distance(big, "x"), 199);
	big[64] = '\0';
	ck_assert_uint_eq(text_distance(big, big), 0);
	ck_assert_uint_eq(text_distance(big, ""), 64);
}
END_TEST

START_TEST(nearest_word)
{
	static const char *const words[] = { "holdTimeSeconds", "keepAliveTimeSeconds",
		"connectRetryTimeSeconds", "ebgpMultihop", NULL };
	static const char *const near_first[] = { "peer", "peers", NULL };
	static const char *const none[] = { NULL };
	char big[200];

	ck_assert_str_eq(text_nearest("holdTimeSecond", words), "holdTimeSeconds");
	ck_assert_str_eq(text_nearest("holdtimeseconds", words), "holdTimeSeconds");
	ck_assert_str_eq(text_nearest("ebgpMultiHops", words), "ebgpMultihop");
	ck_assert_str_eq(text_nearest("peer", near_first), "peer");
	ck_assert_str_eq(text_nearest("peers", near_first), "peers");
	ck_assert_ptr_null(text_nearest("password", words));
	ck_assert_ptr_null(text_nearest("", words));
	ck_assert_ptr_null(text_nearest("x", none));
	memset(big, 'x', sizeof(big) - 1);
	big[sizeof(big) - 1] = '\0';
	ck_assert_ptr_null(text_nearest(big, words));
}
END_TEST

/* RFC 3629 3, the other way about: how each number is written. */
static size_t
utf8_write(uint32_t c, unsigned char *p)
{
	if (c < 0x80) {
		p[0] = (unsigned char)c;
		return 1;
	}
	if (c < 0x800) {
		p[0] = (unsigned char)(0xc0 | c >> 6);
		p[1] = (unsigned char)(0x80 | (c & 63));
		return 2;
	}
	if (c < 0x10000) {
		p[0] = (unsigned char)(0xe0 | c >> 12);
		p[1] = (unsigned char)(0x80 | (c >> 6 & 63));
		p[2] = (unsigned char)(0x80 | (c & 63));
		return 3;
	}
	p[0] = (unsigned char)(0xf0 | c >> 18);
	p[1] = (unsigned char)(0x80 | (c >> 12 & 63));
	p[2] = (unsigned char)(0x80 | (c >> 6 & 63));
	p[3] = (unsigned char)(0x80 | (c & 63));
	return 4;
}

/* The two below ask often: what is wrong is counted, as check's own bookkeeping is slow. */
START_TEST(every_code_point)
{
	unsigned wrong = 0;

	for (uint32_t c = 0; c < 0x120000; c++) {
		unsigned char p[4];
		size_t n = utf8_write(c, p), bad = 99;
		bool good = c <= 0x10ffff && !(c >= 0xd800 && c <= 0xdfff);
		uint32_t back = 0;

		if (good) {
			wrong += text_utf8_char(p, n, &back) != n || back != c;
			wrong += text_utf8_char(p, n - 1, &back) != 0;
		} else {
			wrong += text_utf8_check(p, n, &bad) != -EILSEQ || bad != 0;
		}
	}
	ck_assert_uint_eq(wrong, 0);
}
END_TEST

START_TEST(every_pair_of_bytes)
{
	unsigned wrong = 0;

	for (unsigned v = 0; v < 1 << 16; v++) {
		unsigned char p[2] = { (unsigned char)(v >> 8), (unsigned char)v };
		/* Two characters of ASCII, or one of 0x80 to 0x7ff. */
		bool good = (p[0] < 0x80 && p[1] < 0x80) ||
		    (p[0] >= 0xc2 && p[0] <= 0xdf && p[1] >= 0x80 && p[1] <= 0xbf);

		wrong += text_utf8_check(p, 2, NULL) != (good ? 0 : -EILSEQ);
	}
	ck_assert_uint_eq(wrong, 0);
}
END_TEST

START_TEST(where_it_is_bad)
{
	static const struct {
		const char *bytes;
		size_t len, bad;
	} cases[] = {
		{ "abc\xff", 4, 3 }, { "\xc0\x80", 2, 0 }, /* overlong NUL */
		{ "x\xe0\x80\xaf", 4, 1 },		   /* overlong '/' */
		{ "xy\xf0\x80\x80\xaf", 6, 2 },		   /* likewise */
		{ "\xed\xa0\x80", 3, 0 },		   /* surrogate */
		{ "\xf4\x90\x80\x80", 4, 0 },		   /* past the last */
		{ "\xc3\xbc\xe2\x82", 4, 2 },		   /* cut off */
		{ "a\0\x80", 3, 2 },			   /* a NUL is a character */
		{ "\xf8\x88\x80\x80\x80", 5, 0 },	   /* five bytes: no longer */
	};
	size_t bad;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		ck_assert_int_eq(text_utf8_check(cases[i].bytes, cases[i].len, &bad), -EILSEQ);
		ck_assert_uint_eq(bad, cases[i].bad);
	}
	ck_assert_int_eq(text_utf8_check("", 0, &bad), 0);
	ck_assert_int_eq(text_utf8_check("a\0b", 3, &bad), 0);
}
END_TEST

#define NR(table) (int)(sizeof(table) / sizeof((table)[0]))

static void
add_tests(Suite *s)
{
	TCase *tc = tcase_create("table");

	tcase_add_test(tc, columns_are_as_wide_as_their_widest_cell);
	tcase_add_test(tc, no_line_ends_in_blanks);
	tcase_add_test(tc, width_counts_characters);
	tcase_add_test(tc, table_without_rows_or_columns);
	tcase_add_test(tc, big_table);
	suite_add_tcase(s, tc);

	tc = tcase_create("values");
	tcase_add_loop_test(tc, durations_as_kubectl, 0, NR(durations));
	tcase_add_loop_test(tc, numbers_are_the_whole_text, 0, NR(numbers));
	tcase_add_test(tc, distance_by_its_definition);
	tcase_add_test(tc, nearest_word);
	suite_add_tcase(s, tc);

	tc = tcase_create("utf8");
	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, every_code_point);
	tcase_add_test(tc, every_pair_of_bytes);
	tcase_add_test(tc, where_it_is_bad);
	suite_add_tcase(s, tc);
}

UNIT_MAIN("text", add_tests)
