/*
 * tests/unit/heraldctl/test_command.c: finding commands by their words, arguments, and the socket.
 */
#include "lib/buf.h"
#include "tests/unit/unit.h"
#include "tools/heraldctl/client.h"
#include "tools/heraldctl/command.h"

#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

/* Splits @line at blanks; the result is good until the next call. */
static int
split(const char *line, const char *argv[16])
{
	static char copy[200];
	char *save = NULL;
	int n = 0;

	snprintf(copy, sizeof(copy), "%s", line);
	for (char *w = strtok_r(copy, " ", &save); w; w = strtok_r(NULL, " ", &save))
		argv[n++] = w;
	return n;
}

static const struct {
	const char *line;
	const char *says; /* part of what is wrong; NULL: nothing is */
} lines[] = {
	{ "status", NULL },
	{ "bgp routes received ipv4 unicast --peer tor", NULL },
	{ "bgp shutdown tor going for lunch", NULL },
	{ "bgp clear tor soft in", NULL },
	{ "config check -f a -f b", NULL },
	{ "statu", "did you mean \"status\"" },
	{ "bgp peer", "bgp: unknown command \"peer\"; did you mean \"peers\"" },
	{ "bgp", "There are: peers, routes" },
	{ "xyzzyxyzzy", "there are: status, bgp, bfd, service" },
	{ "bgp clear", "something is missing; usage: heraldctl bgp clear PEER" },
	{ "bgp enable a b", "\"b\" is one too many" },
	{ "ippools all", "takes no arguments, but got \"all\"" },
};

START_TEST(words_and_arguments)
{
	const struct command *c;
	const char *argv[16];
	char *why = NULL;
	int argc = split(lines[_i].line, argv), words;

	c = command_find(argc, argv, &words, &why);
	if (c)
		why = command_check_args(c, argc - words, argv + words);
	if (lines[_i].says) {
		ck_assert_ptr_nonnull(why);
		ck_assert_msg(strstr(why, lines[_i].says) != NULL, "%s", why);
	} else {
		ck_assert_msg(why == NULL, "%s", why);
	}
	free(why);
}
END_TEST

START_TEST(every_command_has_help)
{
	struct buf all, one;

	buf_init(&all, 1 << 16);
	command_usage(&all);
	for (const struct command *c = commands; c->words[0]; c++) {
		buf_init(&one, 1 << 16);
		command_help(c, &one);
		ck_assert_ptr_nonnull(strstr(buf_text(&one), c->help));
		ck_assert_ptr_nonnull(strstr(buf_text(&all), c->help));
		buf_fini(&one);
	}
	buf_fini(&all);
}
END_TEST

/* ---- the socket ---- */

static char dir[] = "/tmp/heraldctl-test-XXXXXX";
static char path[100];
static pid_t server;

/* A daemon that answers everything with @answer, and hangs up. */
static void
serve(const char *answer)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM, 0), c;
	char question[500];
	ssize_t n;

	snprintf(sun.sun_path, sizeof(sun.sun_path), "%s", path);
	ck_assert_int_eq(bind(fd, (struct sockaddr *)&sun, sizeof(sun)), 0);
	ck_assert_int_eq(listen(fd, 4), 0);
	server = fork();
	if (server == 0) {
		c = accept(fd, NULL, NULL);
		n = read(c, question, sizeof(question) - 1);
		if (n > 0 &&
		    strncmp(question, "{\"argv\":[\"bgp\",\"x y\"],\"output\":\"json\"}\n",
			(size_t)n) == 0)
			n = write(c, answer, strlen(answer));
		_exit(n > 0 ? 0 : 1);
	}
	close(fd);
}

static const struct {
	const char *answer;
	int status;
	const char *error; /* part of it */
} answers[] = {
	{ "{\"ok\":true,\"data\":{\"x\":1}}\n", CTL_OK, NULL },
	{ "{\"ok\":true}\n", CTL_OK, NULL },
	{ "{\"ok\":true,\"data\":{\"x\":1}}", CTL_OK, NULL },
	{ "{\"ok\":false,\"error\":\"no such peer\"}\n", CTL_REFUSED, "no such peer" },
	{ "{\"ok\":false}\n", CTL_NO_DAEMON, "not herald" },
	{ "SSH-2.0\r\n", CTL_NO_DAEMON, "not herald" },
	{ "", CTL_NO_DAEMON, "it hung up" },
};

START_TEST(asks)
{
	static const char *const argv[] = { "bgp", "x y" };
	char *error = NULL;
	json_t *data = NULL;
	int status;

	memcpy(dir + strlen(dir) - 6, "XXXXXX", 6);
	ck_assert_ptr_nonnull(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/s", dir);
	serve(answers[_i].answer);
	status = client_ask(path, 2, argv, "json", &data, &error);
	ck_assert_int_eq(status, answers[_i].status);
	if (answers[_i].error) {
		ck_assert_ptr_nonnull(error);
		ck_assert_msg(strstr(error, answers[_i].error) != NULL, "%s", error);
	} else {
		ck_assert(json_is_object(data));
	}
	free(error);
	json_decref(data);
	waitpid(server, NULL, 0);
	unlink(path);
	rmdir(dir);
}
END_TEST

START_TEST(nobody_there)
{
	static const char *const argv[] = { "status" };
	char *error = NULL;
	json_t *data;

	ck_assert_int_eq(
	    client_ask("/nonexistent/s", 1, argv, "table", &data, &error), CTL_NO_DAEMON);
	ck_assert_ptr_nonnull(strstr(error, "/nonexistent/s"));
	ck_assert_ptr_nonnull(strstr(error, "is herald running?"));
	free(error);
}
END_TEST

static void
add_tests(Suite *s)
{
	TCase *tc = tcase_create("command");

	tcase_add_loop_test(tc, words_and_arguments, 0, sizeof(lines) / sizeof(lines[0]));
	tcase_add_test(tc, every_command_has_help);
	tcase_add_loop_test(tc, asks, 0, sizeof(answers) / sizeof(answers[0]));
	tcase_add_test(tc, nobody_there);
	suite_add_tcase(s, tc);
}

UNIT_MAIN("heraldctl-command", add_tests)
