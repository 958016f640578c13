/*
 * tests/unit/lib/test_metric.c: the list of metrics keeps the rules of Prometheus, and the text is what
 * its format asks for, whatever the values hold.
 */
#include "tests/unit/unit.h"

#include "lib/metric.h"

#include <ctype.h>
#include <string.h>

static bool
ends_with(const char *s, const char *end)
{
	return strlen(s) >= strlen(end) && strcmp(s + strlen(s) - strlen(end), end) == 0;
}

/* What `promtool check metrics` would say of the names. */
START_TEST(names_keep_the_rules)
{
	const enum metric m = (enum metric)_i;
	const char *name = metric_name(m), *help = metric_help(m);

	for (const char *c = name; *c; c++)
		ck_assert_msg(islower((unsigned char)*c) || isdigit((unsigned char)*c) || *c == '_',
		    "%s", name);
	ck_assert_msg((metric_type(m) == METRIC_COUNTER) == ends_with(name, "_total"), "%s", name);
	ck_assert_msg(!strncmp(name, "herald_", 7) || !strncmp(name, "process_", 8), "%s", name);
	ck_assert_msg(ends_with(help, ".") && !strpbrk(help, "\\\n|"), "%s: %s", name, help);
	for (int other = 0; other < _i; other++)
		ck_assert_str_ne(metric_name((enum metric)other), name);
}
END_TEST

START_TEST(labels_are_few_and_named)
{
	const char *labels = metric_labels((enum metric)_i);
	unsigned nr = *labels != '\0';

	for (const char *c = labels; *c; c++) {
		nr += *c == ',';
		ck_assert_msg(islower((unsigned char)*c) || *c == ',' || *c == '_', "%s", labels);
		ck_assert_msg(*c != ',' || (c[1] && c[1] != ','), "%s", labels);
	}
	ck_assert_uint_le(nr, METRIC_LABELS_MAX);
}
END_TEST

START_TEST(a_series_as_the_format_asks)
{
	struct metric_out o;
	struct buf b;

	buf_init(&b, 65536);
	metric_out_init(&o, &b);
	metric_u64(&o, METRIC_READY, UINT64_MAX, NULL);
	metric_u64(&o, METRIC_BGP_UP, 1, METRIC_VALUES("a\\b", "say \"no\"\nnow"));
	metric_u64(&o, METRIC_BGP_UP, 0, METRIC_VALUES("", "tor"));
	metric_double(&o, METRIC_UPTIME, 0.25, NULL);
	ck_assert_str_eq(buf_text(&b),
	    "# HELP herald_ready 1 when /readyz says so.\n"
	    "# TYPE herald_ready gauge\n"
	    "herald_ready 18446744073709551615\n"
	    "# HELP herald_bgp_session_up 1 when the session is established.\n"
	    "# TYPE herald_bgp_session_up gauge\n"
	    "herald_bgp_session_up{instance=\"a\\\\b\",peer=\"say \\\"no\\\"\\nnow\"} 1\n"
	    "herald_bgp_session_up{instance=\"\",peer=\"tor\"} 0\n"
	    "# HELP herald_uptime_seconds Since the daemon started.\n"
	    "# TYPE herald_uptime_seconds gauge\n"
	    "herald_uptime_seconds 0.25\n");
	buf_fini(&b);
}
END_TEST

START_TEST(a_histogram_is_cumulated)
{
	static const uint32_t bounds[] = { 100, 5000, 1000000 };
	static const uint64_t buckets[] = { 3, 0, 2, 1 };
	struct metric_out o;
	struct buf b;

	buf_init(&b, 65536);
	metric_out_init(&o, &b);
	metric_histogram(&o, METRIC_LOOP_TURN, bounds, 3, buckets, 1500000);
	ck_assert_ptr_nonnull(strstr(buf_text(&b),
	    "# TYPE herald_loop_turn_seconds histogram\n"
	    "herald_loop_turn_seconds_bucket{le=\"0.0001\"} 3\n"
	    "herald_loop_turn_seconds_bucket{le=\"0.005\"} 3\n"
	    "herald_loop_turn_seconds_bucket{le=\"1\"} 5\n"
	    "herald_loop_turn_seconds_bucket{le=\"+Inf\"} 6\n"
	    "herald_loop_turn_seconds_sum 1.5\n"
	    "herald_loop_turn_seconds_count 6\n"));
	buf_fini(&b);
}
END_TEST

/* A text that is longer than it may be says so and holds no half of a line that is taken for whole. */
START_TEST(too_long_is_told)
{
	struct metric_out o;
	struct buf b;

	buf_init(&b, 200);
	metric_out_init(&o, &b);
	for (int i = 0; i < 20; i++)
		metric_u64(&o, METRIC_BGP_UP, 1, METRIC_VALUES("instance", "peer"));
	ck_assert(b.failed);
	buf_fini(&b);
}
END_TEST

static void
add_tests(Suite *s)
{
	TCase *tc = tcase_create("metric");

	tcase_add_loop_test(tc, names_keep_the_rules, 0, METRIC_NR);
	tcase_add_loop_test(tc, labels_are_few_and_named, 0, METRIC_NR);
	tcase_add_test(tc, a_series_as_the_format_asks);
	tcase_add_test(tc, a_histogram_is_cumulated);
	tcase_add_test(tc, too_long_is_told);
	suite_add_tcase(s, tc);
}

UNIT_MAIN("metric", add_tests)
