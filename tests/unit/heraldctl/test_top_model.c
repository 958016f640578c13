/*
 * tests/unit/heraldctl/test_top_model.c: rates from counters, order of rows, lines for panes; answers that
 * lack anything.
 */
#include "tools/heraldctl/top_model.h"

#include <string.h>

#include "tests/unit/unit.h"

static json_t *
json(const char *text)
{
	json_error_t error;
	json_t *o = json_loads(text, 0, &error);

	ck_assert_msg(o, "%s: %s", text, error.text);
	return o;
}

static void
take(struct top_model *m, uint64_t now_us, const char *services)
{
	json_t *s = json(services);

	top_model_take(m, now_us, NULL, NULL, s, NULL);
	json_decref(s);
}

#define ROW(name, packets, bytes)                                                                  \
	"{\"namespace\":\"d\",\"name\":\"" name "\",\"type\":\"LoadBalancer\",\"frontend\":{"      \
	"\"ip\":\"172.16.1.1\"},\"packets\":" #packets ",\"bytes\":" #bytes ",\"flows\":0,"        \
	"\"backends\":[{\"state\":\"active\"},{\"state\":\"terminating\"}]}"

START_TEST(rates_are_differences_over_time)
{
	struct top_model m;
	const struct top_pane *p = &m.panes[TOP_SERVICES];

	top_model_init(&m);
	take(&m, 1000000, "{\"services\":[" ROW("a", 100, 5000) "," ROW("b", 7, 70) "]}");
	ck_assert_uint_eq(p->nr, 2);
	ck_assert_str_eq(p->rows[0].cells[2], "-"); /* one look is none */
	/* Two frontends of one Service are added up; the busier comes first. */
	take(&m, 3000000,
	    "{\"services\":[" ROW("a", 100, 5000) "," ROW("b", 7, 70) "," ROW("b", 20, 2000) "]}");
	ck_assert_uint_eq(p->nr, 2);
	ck_assert_str_eq(p->rows[0].cells[0], "d/b");
	ck_assert_str_eq(p->rows[0].cells[1], "172.16.1.1");
	ck_assert_str_eq(p->rows[0].cells[2], "10");
	ck_assert_str_eq(p->rows[0].cells[3], "1.0k");
	ck_assert_str_eq(p->rows[0].cells[5], "1");
	ck_assert_str_eq(p->rows[0].cells[6], "2");
	ck_assert_str_eq(p->rows[1].cells[2], "0");
	/* Counters that began anew are no rate, nor is what is new. */
	take(&m, 4000000, "{\"services\":[" ROW("b", 3, 30) "," ROW("c", 3, 30) "]}");
	ck_assert_uint_eq(p->nr, 2);
	ck_assert_str_eq(p->rows[0].cells[2], "-");
	ck_assert_str_eq(p->rows[1].cells[2], "-");
	top_model_fini(&m);
}
END_TEST

START_TEST(what_carries_nothing_has_no_rate)
{
	static const char text[] = "{\"services\":[{\"namespace\":\"d\",\"name\":\"a\"}]}";
	struct top_model m;

	top_model_init(&m);
	take(&m, 1000000, text);
	take(&m, 2000000, text);
	ck_assert_str_eq(m.panes[TOP_SERVICES].rows[0].cells[2], "-");
	ck_assert_int_eq(m.panes[TOP_SERVICES].rows[0].mood, TOP_WARN);
	top_model_fini(&m);
}
END_TEST

START_TEST(peers_that_are_not_up_come_first)
{
	struct top_model m;
	const struct top_pane *p = &m.panes[TOP_PEERS];
	json_t *peers =
	    json("{\"peers\":[{\"name\":\"up\",\"state\":\"established\",\"uptimeSeconds\":60,"
		 "\"families\":[{\"received\":2,\"accepted\":1,\"advertised\":5},"
		 "{\"received\":3,\"accepted\":1,\"advertised\":5}]},"
		 "{\"name\":\"held\",\"state\":\"idle\",\"heldDown\":\"by a person\"},"
		 "{\"name\":\"down\",\"state\":\"active\",\"lastError\":\"no way\"},{}]}");

	top_model_init(&m);
	top_model_take(&m, 1, NULL, peers, NULL, NULL);
	ck_assert_uint_eq(p->nr, 4);
	ck_assert_str_eq(p->rows[0].cells[0], "");
	ck_assert_str_eq(p->rows[1].cells[0], "down");
	ck_assert_str_eq(p->rows[1].cells[7], "no way");
	ck_assert_str_eq(p->rows[2].cells[3], "held down");
	ck_assert_str_eq(p->rows[2].cells[7], "by a person");
	ck_assert_str_eq(p->rows[3].cells[4], "5");
	ck_assert_str_eq(p->rows[3].cells[5], "2");
	ck_assert_str_eq(p->rows[3].cells[6], "10");
	ck_assert_int_eq(p->rows[3].mood, TOP_GOOD);
	top_model_fini(&m);
	json_decref(peers);
}
END_TEST

START_TEST(layer_2)
{
	struct top_model m;
	const struct top_pane *p = &m.panes[TOP_L2];
	json_t *l2 =
	    json("{\"announcements\":[{\"ip\":\"1.1.1.1\",\"holder\":\"n2\"},"
		 "{\"ip\":\"1.1.1.2\",\"holder\":\"n1\",\"interface\":\"eth0\",\"answering\":true,"
		 "\"answered\":4},{\"ip\":\"1.1.1.3\",\"conflict\":{}},{\"ip\":\"1.1.1.4\"}]}");

	top_model_init(&m);
	top_model_take(&m, 1, NULL, NULL, NULL, l2);
	ck_assert_str_eq(p->rows[0].cells[0], "1.1.1.3");
	ck_assert_int_eq(p->rows[0].mood, TOP_BAD);
	ck_assert_str_eq(p->rows[1].cells[4], "4");
	ck_assert_int_eq(p->rows[2].mood, TOP_PLAIN);
	ck_assert_int_eq(p->rows[3].mood, TOP_WARN);
	top_model_fini(&m);
	json_decref(l2);
}
END_TEST

static const struct {
	double rate;
	const char *text;
} rates[] = { { -1, "-" }, { 0, "0" }, { 0.04, "0.0" }, { 7.26, "7.3" }, { 9.96, "10" },
	{ 950.4, "950" }, { 999.6, "1.0k" }, { 1240, "1.2k" }, { 34e6, "34M" }, { 999.7e6, "1.0G" },
	{ 1e300, NULL } };

START_TEST(rates_as_text)
{
	char text[512];

	top_rate(rates[_i].rate, text, sizeof(text));
	if (rates[_i].text)
		ck_assert_str_eq(text, rates[_i].text);
}
END_TEST

START_TEST(lines_for_panes)
{
	size_t h[TOP_NR_PANES];

	for (size_t lines = 0; lines < 100; lines++)
		for (size_t i = 0; i < 5 * 5 * 5; i++) {
			const size_t some[] = { 0, 1, 3, 40, 10000 };
			const size_t nr[TOP_NR_PANES] = { some[i % 5], some[i / 5 % 5],
				some[i / 25] };

			top_heights(lines, nr, h);
			ck_assert_uint_le(h[0] + h[1] + h[2], lines);
			for (int p = 0; p < TOP_NR_PANES; p++)
				ck_assert(
				    h[p] == 0 || h[p] >= 3 || (p == TOP_SERVICES && h[p] >= 2));
			if (lines >= 24)
				ck_assert_uint_ge(h[TOP_SERVICES], nr[TOP_SERVICES] ? 3 : 2);
		}
	top_heights(40, (size_t[]){ 2, 100, 0 }, h);
	ck_assert_uint_eq(h[TOP_PEERS], 5);
	ck_assert_uint_eq(h[TOP_L2], 0);
	ck_assert_uint_eq(h[TOP_SERVICES], 35);
}
END_TEST

START_TEST(answers_that_are_no_answers)
{
	static const char *const odd[] = { "{}", "[]", "{\"services\":3}",
		"{\"services\":[3,null,{}]}", "{\"peers\":[[],3],\"announcements\":[7,{}]}",
		"{\"services\":[{\"backends\":[3]}]}" };
	json_t *o = json(odd[_i]);
	struct top_model m;

	top_model_init(&m);
	for (uint64_t i = 0; i < 3; i++)
		top_model_take(&m, i, o, o, o, o);
	top_model_fini(&m);
	json_decref(o);
}
END_TEST

static void
add_tests(Suite *s)
{
	TCase *tc = tcase_create("top_model");

	tcase_add_test(tc, rates_are_differences_over_time);
	tcase_add_test(tc, what_carries_nothing_has_no_rate);
	tcase_add_test(tc, peers_that_are_not_up_come_first);
	tcase_add_test(tc, layer_2);
	tcase_add_loop_test(tc, rates_as_text, 0, sizeof(rates) / sizeof(rates[0]));
	tcase_add_test(tc, lines_for_panes);
	tcase_add_loop_test(tc, answers_that_are_no_answers, 0, 6);
	suite_add_tcase(s, tc);
}

UNIT_MAIN("top_model", add_tests)
