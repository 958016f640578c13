/*
 * tests/unit/lib/test_log.c: log lines.  JSON is judged by jansson; what goes to standard error is
 * read back from a pipe.
 */
#include "tests/unit/unit.h"

#include "lib/log.h"

#include <jansson.h>

#include <errno.h>
#include <fcntl.h>
#include <regex.h>
#include <string.h>
#include <unistd.h>

static char lines[128][8192];
static int nr_lines;

static void
keep(void *arg, const char *line)
{
	(void)arg;
	errno = 0;
	ck_assert_int_lt(nr_lines, 128);
	snprintf(lines[nr_lines++], sizeof(lines[0]), "%s", line);
}

static void
start(void)
{
	nr_lines = 0;
	log_setup(LOG_LVL_DEBUG, LOG_FMT_LOGFMT);
	log_sink(keep, NULL);
}

static void
stop(void)
{
	log_sink(NULL, NULL);
	log_setup(LOG_LVL_INFO, LOG_FMT_LOGFMT);
}

/* The line without its time. */
static const char *
rest(int i)
{
	const char *at = strchr(lines[i], ' ');

	ck_assert_ptr_nonnull(at);
	return at + 1;
}

START_TEST(logfmt_line)
{
	regex_t re;

	log_warn("session-up", LOG_S("peer", "tor-1"), LOG_U("hold_s", 90), LOG_I("diff", -3),
	    LOG_B("gr", true), LOG_ERR(-ECONNREFUSED), LOG_U("big", UINT64_MAX));
	ck_assert_int_eq(nr_lines, 1);
	ck_assert_str_eq(rest(0),
	    "level=warn subsystem=daemon event=session-up peer=tor-1 hold_s=90 diff=-3 gr=true "
	    "error=\"Connection refused\" big=18446744073709551615");
	ck_assert_int_eq(
	    regcomp(&re,
		"^ts=[0-9]{4}-[01][0-9]-[0-3][0-9]T[0-2][0-9](:[0-5][0-9]){2}\\.[0-9]{3}Z ",
		REG_EXTENDED | REG_NOSUB),
	    0);
	ck_assert_int_eq(regexec(&re, lines[0], 0, NULL, 0), 0);
	regfree(&re);
}
END_TEST

/* {value, how logfmt writes it} */
static const char *const values[][2] = {
	{ "plain", "plain" }, { "a-b_c:d/e.f,[g]", "a-b_c:d/e.f,[g]" }, { "", "\"\"" },
	{ "two words", "\"two words\"" }, { "a=b", "\"a=b\"" },
	{ "say \"hi\"", "\"say \\\"hi\\\"\"" }, { "back\\slash", "\"back\\\\slash\"" },
	{ "one\ntwo\r\t", "\"one\\ntwo\\r\\t\"" }, { "\x1b[31m", "\"\\u001b[31m\"" },
	{ "del\x7f", "\"del\\u007f\"" },
	{ "\xc2\x9b"
	  "31m",
	    "\"\\u009b31m\"" }, /* a terminal's CSI in one character */
	{ "gr\xc3\xbc\xc3\x9f", "\"gr\xc3\xbc\xc3\x9f\"" }, { "bad\xff!", "\"bad\xef\xbf\xbd!\"" },
	{ "cut\xe2\x82", "\"cut\xef\xbf\xbd\xef\xbf\xbd\"" },
	{ "\xe2\x80\xa8", "\"\\u2028\"" }, /* a line end to some */
};

START_TEST(values_cannot_end_the_line)
{
	char want[128];

	log_info("x", LOG_S("v", values[_i][0]));
	snprintf(want, sizeof(want), "level=info subsystem=daemon event=x v=%s", values[_i][1]);
	ck_assert_str_eq(rest(0), want);
}
END_TEST

/* The same values in JSON: jansson must read back what was given, but for bytes that are no text. */
START_TEST(json_says_the_same)
{
	json_t *doc;
	json_error_t err;
	const char *back;

	log_setup(LOG_LVL_INFO, LOG_FMT_JSON);
	log_error("x", LOG_S("v", values[_i][0]), LOG_U("n", 7), LOG_I("i", -7), LOG_B("b", false),
	    LOG_ERR(ENOENT));
	doc = json_loads(lines[0], JSON_REJECT_DUPLICATES, &err);
	ck_assert_msg(doc != NULL, "%s: %s", err.text, lines[0]);
	ck_assert_ptr_null(strchr(lines[0], '\n'));
	ck_assert_str_eq(json_string_value(json_object_get(doc, "level")), "error");
	ck_assert_str_eq(json_string_value(json_object_get(doc, "event")), "x");
	ck_assert_uint_eq(strlen(json_string_value(json_object_get(doc, "ts"))), 24);
	ck_assert_int_eq(json_integer_value(json_object_get(doc, "n")), 7);
	ck_assert_int_eq(json_integer_value(json_object_get(doc, "i")), -7);
	ck_assert(json_is_false(json_object_get(doc, "b")));
	ck_assert_str_eq(
	    json_string_value(json_object_get(doc, "error")), "No such file or directory");
	back = json_string_value(json_object_get(doc, "v"));
	if (!strstr(values[_i][1], "\xef\xbf\xbd"))
		ck_assert_str_eq(back, values[_i][0]);
	else
		ck_assert_ptr_nonnull(strstr(back, "\xef\xbf\xbd"));
	json_decref(doc);
}
END_TEST

/* Values of every length around the limit: whole lines within 4095 bytes, valid, marked. */
START_TEST(long_values_are_cut_and_say_so)
{
	static char big[6000];
	bool was_cut = false, was_whole = false;

	log_setup(LOG_LVL_INFO, _i & 1 ? LOG_FMT_JSON : LOG_FMT_LOGFMT);
	for (size_t len = 3900; len < 4200; len++) {
		size_t got;

		/* Two bytes a character, or two bytes an escape. */
		for (size_t i = 0; i < len; i++)
			big[i] = (_i & 2 ? "\xc3\xbc" : "\"\\")[i & 1];
		big[len & ~(size_t)1] = '\0';
		if (!(_i & 2))
			big[len / 2 & ~(size_t)1] = '\0';
		nr_lines = 0;
		log_info("x", LOG_S("v", big), LOG_S("after", "word"), LOG_U("n", 1));
		got = strlen(lines[0]);
		ck_assert_uint_lt(got, 4095);
		if (strstr(lines[0], "truncated"))
			was_cut = true;
		else
			was_whole = true;
		if (_i & 1) {
			json_t *doc = json_loads(lines[0], JSON_REJECT_DUPLICATES, NULL);

			ck_assert_msg(doc != NULL, "length %zu: ...%s", len, lines[0] + got - 60);
			json_decref(doc);
		} else if (strstr(lines[0], "truncated")) {
			ck_assert_str_eq(lines[0] + got - 15, " truncated=true");
		}
	}
	ck_assert(was_cut && was_whole);
}
END_TEST

START_TEST(many_values_keep_the_line_whole)
{
	struct log_kv kv[400];
	json_t *doc;

	for (int i = 0; i < 399; i++)
		kv[i] = LOG_U("some_number", i);
	kv[399] = (struct log_kv){ .type = LOG_KV_END };
	log_event(LOG_LVL_INFO, __FILE__, "x", kv);
	ck_assert_uint_lt(strlen(lines[0]), 4095);
	log_setup(LOG_LVL_INFO, LOG_FMT_JSON);
	log_event(LOG_LVL_INFO, __FILE__, "x", kv);
	doc = json_loads(lines[1], 0, NULL);
	ck_assert_ptr_nonnull(doc);
	ck_assert(json_is_true(json_object_get(doc, "truncated")));
	json_decref(doc);
}
END_TEST

START_TEST(null_and_no_values)
{
	log_info("alone");
	log_info("x", LOG_S("v", NULL));
	ck_assert_str_eq(rest(0), "level=info subsystem=daemon event=alone");
	ck_assert_str_eq(rest(1), "level=info subsystem=daemon event=x v=\"\"");
	log_info("x", LOG_ERR(99999));
	ck_assert_str_eq(rest(2), "level=info subsystem=daemon event=x error=\"unknown error\"");
}
END_TEST

START_TEST(levels)
{
	static const char *const names[] = { "error", "warn", "info", "debug" };

	for (int set = 0; set < 4; set++) {
		enum log_level lvl;

		ck_assert_int_eq(log_level_parse(names[set], &lvl), 0);
		ck_assert_int_eq((int)lvl, set);
		log_setup(lvl, LOG_FMT_LOGFMT);
		nr_lines = 0;
		log_error("e", LOG_I("set", set));
		log_warn("w", LOG_I("set", set));
		log_info("i", LOG_I("set", set));
		log_debug("d", LOG_I("set", set));
		ck_assert_int_eq(nr_lines, set + 1);
		for (int l = 0; l < 4; l++)
			ck_assert_int_eq(log_enabled((enum log_level)l), l <= set);
	}
}
END_TEST

/* ---- subsystems ---- */

static unsigned
subsystem(const char *name)
{
	unsigned i = 0;

	while (i < log_nr_subsystems() && strcmp(log_subsystem(i), name) != 0)
		i++;
	ck_assert_uint_lt(i, log_nr_subsystems());
	return i;
}

static void
say(enum log_level level, const char *file)
{
	log_event(level, file, "said", (const struct log_kv[]){ { .type = LOG_KV_END } });
}

START_TEST(a_room_has_a_level_of_its_own)
{
	const unsigned bgp = subsystem("bgp"), kube = subsystem("kube");
	const uint64_t debugs = log_nr_lines(LOG_LVL_DEBUG);
	bool own;

	ck_assert_ptr_null(log_subsystem(log_nr_subsystems()));
	log_setup(LOG_LVL_INFO, LOG_FMT_LOGFMT);
	log_level_set(bgp, LOG_LVL_DEBUG);
	log_level_set(kube, LOG_LVL_ERROR);
	nr_lines = 0;
	say(LOG_LVL_DEBUG, "bgpd/peer.c");
	ck_assert_str_eq(rest(0), "level=debug subsystem=bgp event=said");
	say(LOG_LVL_DEBUG, "./bgpd/peer.c");
	ck_assert_int_eq(nr_lines, 2);
	say(LOG_LVL_DEBUG, "kube/http.c");
	say(LOG_LVL_INFO, "kube/http.c");
	say(LOG_LVL_DEBUG, "daemon/app.c");
	ck_assert_int_eq(nr_lines, 2);
	ck_assert_uint_eq(log_nr_lines(LOG_LVL_DEBUG), debugs + 2);
	say(LOG_LVL_ERROR, "kube/http.c");
	say(LOG_LVL_INFO, "daemon/app.c");
	ck_assert_int_eq(nr_lines, 4);
	/* A configuration that is read again leaves it alone. */
	log_setup(LOG_LVL_WARN, LOG_FMT_LOGFMT);
	ck_assert_int_eq(log_level_of(bgp, &own), LOG_LVL_DEBUG);
	ck_assert(own);
	log_level_reset(bgp);
	log_level_reset(kube);
	ck_assert_int_eq(log_level_of(bgp, &own), LOG_LVL_WARN);
	ck_assert(!own);
	say(LOG_LVL_INFO, "bgpd/peer.c");
	ck_assert_int_eq(nr_lines, 4);
}
END_TEST

/* ---- repetitions ---- */

static uint64_t fake_ms;

static uint64_t
fake_clock(void)
{
	return fake_ms;
}

START_TEST(a_repeated_fault_is_told_once_with_a_count)
{
	const uint64_t before = log_nr_repeated();

	log_clock(fake_clock);
	fake_ms = 1000;
	nr_lines = 0;
	for (int i = 0; i < 5; i++, fake_ms += 1000) {
		errno = EXDEV;
		log_warn("it-fails", LOG_S("what", "disk"));
		ck_assert_int_eq(errno, EXDEV);
		log_info("it-lives"); /* no fault: each is told */
	}
	ck_assert_int_eq(nr_lines, 6);
	ck_assert_uint_eq(log_nr_repeated(), before + 4);
	log_warn("it-fails", LOG_S("what", "net")); /* another one */
	log_error("it-fails", LOG_S("what", "disk"));
	ck_assert_int_eq(nr_lines, 8);
	fake_ms = 61000;
	log_warn("it-fails", LOG_S("what", "disk"));
	ck_assert_int_eq(nr_lines, 9);
	ck_assert_str_eq(
	    rest(8), "level=warn subsystem=daemon event=it-fails what=disk repeated=4");
	fake_ms += 60000;
	log_warn("it-fails", LOG_S("what", "disk"));
	ck_assert_str_eq(rest(9), "level=warn subsystem=daemon event=it-fails what=disk");
	/* More kinds of faults than are remembered: the oldest is forgotten, none is lost. */
	for (int i = 0; i < 100; i++)
		log_warn("many", LOG_I("i", i));
	ck_assert_int_eq(nr_lines, 110);
	log_clock(NULL);
}
END_TEST

START_TEST(names_of_levels_and_formats)
{
	enum log_level lvl = LOG_LVL_WARN;

	ck_assert_int_eq(log_level_parse("", &lvl), -EINVAL);
	ck_assert_int_eq(log_level_parse("Info", &lvl), -EINVAL);
	ck_assert_int_eq(log_level_parse("infoo", &lvl), -EINVAL);
	ck_assert_int_eq(lvl, LOG_LVL_WARN);
}
END_TEST

START_TEST(errno_is_left_alone)
{
	errno = EAGAIN;
	log_info("x", LOG_ERR(EIO));
	ck_assert_int_eq(errno, EAGAIN);
}
END_TEST

/* ---- standard error ---- */

static int saved_stderr, pipe_rd;

static void
stderr_to_pipe(void)
{
	int fds[2];

	log_sink(NULL, NULL);
	saved_stderr = dup(STDERR_FILENO);
	ck_assert_int_eq(pipe(fds), 0);
	ck_assert_int_eq(dup2(fds[1], STDERR_FILENO), STDERR_FILENO);
	close(fds[1]);
	pipe_rd = fds[0];
}

static void
stderr_back(void)
{
	dup2(saved_stderr, STDERR_FILENO);
	close(saved_stderr);
	close(pipe_rd);
}

START_TEST(line_goes_to_standard_error_at_once)
{
	char got[256];
	ssize_t n;

	stderr_to_pipe();
	log_info("hello", LOG_U("n", 1));
	n = read(pipe_rd, got, sizeof(got) - 1);
	ck_assert_int_eq(fcntl(STDERR_FILENO, F_GETFL) & O_NONBLOCK, 0);
	stderr_back();
	ck_assert_int_gt(n, 0);
	got[n] = '\0';
	ck_assert_str_eq(strchr(got, ' '), " level=info subsystem=daemon event=hello n=1\n");
}
END_TEST

/* Nobody reads: the test ends all the same (its alarm would end it otherwise), every line that the
 * pipe has is whole, and the next one tells how many were lost. */
START_TEST(full_pipe_blocks_nobody)
{
	static char all[1 << 20];
	static char big[3000];
	size_t len = 0, kept = 0;
	char want[64], *lost;
	ssize_t n;

	memset(big, 'v', sizeof(big) - 1);
	stderr_to_pipe();
	fcntl(pipe_rd, F_SETFL, O_NONBLOCK);
	for (int i = 0; i < 100; i++)
		log_info("x", LOG_S("v", big));
	while ((n = read(pipe_rd, all + len, sizeof(all) - 1 - len)) > 0)
		len += (size_t)n;
	all[len] = '\0';
	log_info("after");
	n = read(pipe_rd, big, sizeof(big) - 1);
	stderr_back();
	ck_assert_int_gt(n, 0);
	big[n] = '\0';
	for (char *at = all; *at; at = strchr(at, '\n') + 1) {
		ck_assert_int_eq(strncmp(at, "ts=", 3), 0);
		ck_assert_ptr_nonnull(strchr(at, '\n'));
		kept++;
	}
	ck_assert(kept > 0 && kept < 100);
	lost = strstr(big, " lines_lost=");
	ck_assert_ptr_nonnull(lost);
	snprintf(want, sizeof(want), " lines_lost=%zu\n", 100 - kept);
	ck_assert_str_eq(lost, want);
}
END_TEST

START_TEST(closed_standard_error_hurts_nobody)
{
	saved_stderr = dup(STDERR_FILENO);
	log_sink(NULL, NULL);
	close(STDERR_FILENO);
	log_info("x");
	dup2(saved_stderr, STDERR_FILENO);
	close(saved_stderr);
}
END_TEST

/* ---- the limit ---- */

START_TEST(bucket_starts_full_and_refills)
{
	struct log_limit lim = { 0 };
	uint64_t now = 1000;
	unsigned held = 99;

	for (int i = 0; i < 10; i++) {
		ck_assert(log_allow(&lim, now, 10, &held));
		ck_assert_uint_eq(held, 0);
	}
	for (int i = 0; i < 25; i++)
		ck_assert(!log_allow(&lim, now, 10, NULL));
	now += 5999;
	ck_assert(!log_allow(&lim, now, 10, NULL));
	now += 1; /* six seconds are one line */
	ck_assert(log_allow(&lim, now, 10, &held));
	ck_assert_uint_eq(held, 26);
	ck_assert(!log_allow(&lim, now, 10, &held));
	now += 3600 * 1000; /* never more than the bucket holds */
	for (int i = 0; i < 10; i++)
		ck_assert(log_allow(&lim, now, 10, NULL));
	ck_assert(!log_allow(&lim, now, 10, NULL));
}
END_TEST

/* Asked all the time, at odd intervals, for a day: neither starves nor leaks. */
START_TEST(rate_holds_over_a_day)
{
	static const unsigned rates[] = { 1, 7, 60, 1000 };
	struct log_limit lim = { 0 };
	uint64_t now = 5;
	unsigned allowed = 0, want = rates[_i] * 1440;

	for (unsigned i = 0; now < 86400000; i++) {
		allowed += log_allow(&lim, now, rates[_i], NULL);
		now += 1 + i * 7 % 41;
	}
	ck_assert_msg(
	    allowed <= want + rates[_i] && allowed >= want - want / 50, "%u of %u", allowed, want);
}
END_TEST

START_TEST(no_lines_a_minute)
{
	struct log_limit lim = { 0 };

	ck_assert(!log_allow(&lim, 1000, 0, NULL));
	ck_assert(!log_allow(&lim, 1000000, 0, NULL));
	ck_assert(log_allow(&lim, 500000, UINT32_MAX, NULL)); /* a clock that went back, too */
}
END_TEST

#define NR(table) (int)(sizeof(table) / sizeof((table)[0]))

static void
add_tests(Suite *s)
{
	TCase *tc = tcase_create("lines");

	tcase_add_checked_fixture(tc, start, stop);
	tcase_add_test(tc, logfmt_line);
	tcase_add_loop_test(tc, values_cannot_end_the_line, 0, NR(values));
	tcase_add_loop_test(tc, json_says_the_same, 0, NR(values));
	tcase_add_loop_test(tc, long_values_are_cut_and_say_so, 0, 4);
	tcase_add_test(tc, many_values_keep_the_line_whole);
	tcase_add_test(tc, null_and_no_values);
	tcase_add_test(tc, levels);
	tcase_add_test(tc, a_room_has_a_level_of_its_own);
	tcase_add_test(tc, a_repeated_fault_is_told_once_with_a_count);
	tcase_add_test(tc, names_of_levels_and_formats);
	tcase_add_test(tc, errno_is_left_alone);
	suite_add_tcase(s, tc);

	tc = tcase_create("stderr");
	tcase_add_checked_fixture(tc, start, stop);
	tcase_add_test(tc, line_goes_to_standard_error_at_once);
	tcase_add_test(tc, full_pipe_blocks_nobody);
	tcase_add_test(tc, closed_standard_error_hurts_nobody);
	suite_add_tcase(s, tc);

	tc = tcase_create("limit");
	tcase_set_timeout(tc, 30);
	tcase_add_test(tc, bucket_starts_full_and_refills);
	tcase_add_loop_test(tc, rate_holds_over_a_day, 0, 4);
	tcase_add_test(tc, no_lines_a_minute);
	suite_add_tcase(s, tc);
}

UNIT_MAIN("log", add_tests)
