/*
 * tests/unit/heraldctl/test_complete.c: what may stand next, by the usage lines of the commands and what the
 * daemon knows.
 */
#include "tools/heraldctl/complete.h"

#include <string.h>

#include "lib/buf.h"
#include "tests/unit/unit.h"
#include "tools/heraldctl/command.h"

static json_t *
answer(void *arg, int argc, const char *const *argv)
{
	if (!arg)
		return NULL; /* no daemon there */
	ck_assert_int_eq(argc, 2);
	if (strcmp(argv[0], "bgp") == 0)
		return json_loads(
		    "{\"peers\":[{\"name\":\"tor\"},{\"name\":\"tor2\"},{\"name\":\"tor\"}]}", 0,
		    NULL);
	return json_loads(
	    "{\"services\":[{\"namespace\":\"d\",\"name\":\"web\"},"
	    "{\"namespace\":\"d\",\"name\":\"web\"},{\"namespace\":\"e\",\"name\":\"dns\"}]}",
	    0, NULL);
}

static const struct {
	const char *words[8];
	const char *want; /* what is offered, all of it; ending with "...": among others */
} cases[] = {
	{ { "sta" }, "status\n" },
	{ { "bgp", "r" }, "routes\nroute-policies\n" },
	{ { "bgp", "clear", "" }, "tor\ntor2\n..." },
	{ { "bgp", "clear", "tor2" }, "tor2\n" },
	{ { "bgp", "clear", "tor", "s" }, "soft\n" },
	{ { "bgp", "routes", "--peer", "" }, "tor\ntor2\n" },
	{ { "bgp", "routes", "rec" }, "received\n" },
	{ { "bgp", "routes", "received", "rec" }, "" },
	{ { "explain", "s" }, "service\n" },
	{ { "explain", "service", "" }, "d/web\ne/dns\n" },
	{ { "explain", "peer", "tor2" }, "tor2\n" },
	{ { "observe", "--service", "d" }, "d/web\n" },
	{ { "ipam", "release", "e" }, "e/dns\n" },
	{ { "config", "check", "-f", "x" }, ":files\n" },
	{ { "-o", "" }, "table\njson\nyaml\n" },
	{ { "-s", "/run" }, ":files\n" },
	{ { "-s", "/run/x", "sta" }, "status\n" },
	{ { "-o", "json", "ippools", "" }, "" },
	{ { "--v" }, "--version\n" },
	{ { "nothing", "like", "it" }, "" },
	{ { "status", "" }, "" },
};

START_TEST(what_may_come_next)
{
	static char there[] = "yes";
	int n = 0;
	struct buf out;
	size_t len = strlen(cases[_i].want);

	while (cases[_i].words[n])
		n++;
	buf_init(&out, 65536);
	complete_words(n, cases[_i].words, answer, there, &out);
	if (len > 3 && strcmp(cases[_i].want + len - 3, "...") == 0)
		ck_assert_msg(
		    strncmp(buf_text(&out), cases[_i].want, len - 3) == 0, "%s", buf_text(&out));
	else
		ck_assert_str_eq(buf_text(&out), cases[_i].want);
	buf_fini(&out);
}
END_TEST

/* Every command is offered, by words that are typed from the left; without a daemon, too. */
START_TEST(every_command)
{
	for (const struct command *c = commands; c->words[0]; c++) {
		const char *typed[4] = { NULL };
		int n = 0;

		for (int w = 0; w < 3 && c->words[w]; w++) {
			struct buf out;
			char line[64];

			buf_init(&out, 65536);
			typed[n++] = "";
			complete_words(n, typed, answer, NULL, &out);
			snprintf(line, sizeof(line), "%s\n", c->words[w]);
			ck_assert_msg(strstr(buf_text(&out), line), "%s", c->words[w]);
			typed[n - 1] = c->words[w];
			buf_fini(&out);
		}
		for (int more = 0; more < 2; more++) {
			struct buf out;

			buf_init(&out, 65536);
			typed[n] = "";
			complete_words(n + 1, typed, answer, NULL, &out);
			buf_fini(&out);
		}
	}
}
END_TEST

START_TEST(odd_lines)
{
	const char *many[100];
	struct buf out;

	buf_init(&out, 65536);
	for (int i = 0; i < 100; i++)
		many[i] = i % 2 ? "bgp" : "-o";
	for (int n = 0; n <= 100; n++)
		complete_words(n, many, answer, NULL, &out);
	buf_fini(&out);
}
END_TEST

static void
add_tests(Suite *s)
{
	TCase *tc = tcase_create("complete");

	tcase_add_loop_test(tc, what_may_come_next, 0, sizeof(cases) / sizeof(cases[0]));
	tcase_add_test(tc, every_command);
	tcase_add_test(tc, odd_lines);
	suite_add_tcase(s, tc);
}

UNIT_MAIN("complete", add_tests)
