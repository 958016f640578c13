/*
 * tests/unit/daemon/test_control.c: the control socket answers each request on a line of its own,
 * whatever its clients do.
 */
#include "daemon/control.h"

#include "lib/buf.h"
#include "lib/loop.h"
#include "lib/mem.h"

#include "tests/unit/unit.h"

#include <check.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

static char dir[64], path[80];
static struct loop *loop;
static struct control *control;

static int
say_words(void *arg, const struct control_req *req, json_t **data, char **error)
{
	(void)arg;
	(void)error;
	*data = json_object();
	for (size_t i = 0; i < req->argc; i++)
		json_object_set_new(*data, req->argv[i], json_true());
	return 0;
}

static int
say_short(void *arg, const struct control_req *req, json_t **data, char **error)
{
	(void)error;
	(void)req;
	*data = json_pack("{s:s}", "short", (const char *)arg);
	return 0;
}

static int
say_no(void *arg, const struct control_req *req, json_t **data, char **error)
{
	(void)arg;
	(void)req;
	(void)data;
	*error = xasprintf("peer tor: there is none");
	return -ENOENT;
}

/* An object with a member for each letter of the first word; "fail": half of it, and no. */
static int
say_text(void *arg, const struct control_req *req, json_t **data, char **error)
{
	const char *word = req->argc ? req->argv[0] : "";

	(void)arg;
	(void)data;
	(void)error;
	buf_putc(req->text, '{');
	for (size_t i = 0; word[i]; i++)
		buf_printf(req->text, "%s\"%c\":%zu", i ? "," : "", word[i], i);
	if (strcmp(word, "fail") == 0)
		return -ENODEV;
	buf_putc(req->text, '}');
	return 0;
}

static struct control_stream *stream;
static unsigned nr_ended;

static void
stream_ended(void *arg)
{
	(void)arg;
	stream = NULL;
	nr_ended++;
}

static int
tell(void *arg, const struct control_req *req, struct control_stream *s, char **error)
{
	(void)arg;
	if (req->argc > 0) {
		*error = xasprintf("tell: takes no arguments");
		return -EINVAL;
	}
	stream = s;
	control_stream_begin(s, stream_ended, NULL);
	return 0;
}

static const struct control_cmd cmds[] = {
	{ { "bgp" }, say_short, NULL },
	{ { "bgp", "peers" }, say_words, NULL },
	{ { "no" }, say_no, NULL },
	{ { "text" }, say_text, NULL },
	{ { "tell" }, NULL, tell },
	{ { NULL }, NULL, NULL },
};

static void
setup(void)
{
	static char arg[] = "yes";
	char *error = NULL;

	snprintf(dir, sizeof(dir), "/tmp/herald-control-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/sock", dir);
	loop = loop_new();
	ck_assert_int_eq(control_new(&control, loop, path, cmds, arg, &error), 0);
}

static void
teardown(void)
{
	control_free(control);
	control = NULL;
	loop_free(loop);
	ck_assert_int_eq(access(path, F_OK), -1);
	rmdir(dir);
}

static int
dial(void)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);

	snprintf(sun.sun_path, sizeof(sun.sun_path), "%s", path);
	ck_assert_int_eq(connect(fd, (struct sockaddr *)&sun, sizeof(sun)), 0);
	return fd;
}

/* Turn the loop until the server closed, and give what it said. */
static json_t *
hear(int fd)
{
	static char text[65536];
	size_t len = 0;
	ssize_t n;

	for (int turn = 0; turn < 1000; turn++) {
		loop_turn(loop, 10);
		n = recv(fd, text + len, sizeof(text) - 1 - len, 0);
		if (n == 0)
			break;
		if (n > 0)
			len += (size_t)n;
	}
	close(fd);
	if (len == 0)
		return NULL;
	ck_assert_int_eq(text[len - 1], '\n');
	text[len] = '\0';
	return json_loads(text, 0, NULL);
}

static json_t *
ask(const char *line)
{
	int fd = dial();

	ck_assert_int_eq(send(fd, line, strlen(line), 0), (ssize_t)strlen(line));
	return hear(fd);
}

START_TEST(the_longest_command_wins)
{
	json_t *a = ask("{\"argv\":[\"bgp\",\"peers\",\"x\"]}\n");

	ck_assert(json_is_true(json_object_get(a, "ok")));
	ck_assert(json_is_true(json_object_get(json_object_get(a, "data"), "x")));
	json_decref(a);
	a = ask("{\"argv\":[\"bgp\",\"routes\"]}\n");
	ck_assert_str_eq(
	    json_string_value(json_object_get(json_object_get(a, "data"), "short")), "yes");
	json_decref(a);
}
END_TEST

START_TEST(a_no_carries_its_reason)
{
	json_t *a = ask("{\"argv\":[\"no\"]}\n");

	ck_assert(json_is_false(json_object_get(a, "ok")));
	ck_assert_str_eq(json_string_value(json_object_get(a, "error")), "peer tor: there is none");
	ck_assert_str_eq(json_string_value(json_object_get(a, "code")), "ENOENT");
	json_decref(a);
}
END_TEST

START_TEST(an_answer_may_be_text)
{
	json_t *a = ask("{\"argv\":[\"text\",\"abc\"]}\n");

	ck_assert(json_is_true(json_object_get(a, "ok")));
	ck_assert_int_eq(json_integer_value(json_object_get(json_object_get(a, "data"), "c")), 2);
	json_decref(a);
	a = ask("{\"argv\":[\"text\"]}\n");
	ck_assert_uint_eq(json_object_size(json_object_get(a, "data")), 0);
	ck_assert(json_is_object(json_object_get(a, "data")));
	json_decref(a);
	a = ask("{\"argv\":[\"text\",\"fail\"]}\n");
	ck_assert_str_eq(json_string_value(json_object_get(a, "code")), "ENODEV");
	json_decref(a);
}
END_TEST

START_TEST(what_is_not_a_request_is_answered)
{
	static const char *const lines[] = { "\n", "status\n", "{}\n", "{\"argv\":[]}\n",
		"{\"argv\":[1]}\n", "{\"argv\":\"status\"}\n" };
	json_t *a = ask(lines[_i]);

	ck_assert_str_eq(json_string_value(json_object_get(a, "code")), "malformed-request");
	json_decref(a);
}
END_TEST

START_TEST(an_unknown_command_is_named_so)
{
	json_t *a = ask("{\"argv\":[\"dance\"]}\n");

	ck_assert_str_eq(json_string_value(json_object_get(a, "code")), "unknown-command");
	json_decref(a);
}
END_TEST

START_TEST(a_request_may_come_in_pieces)
{
	static const char line[] = "{\"argv\":[\"bgp\",\"peers\"]}\n";
	int fd = dial();
	json_t *a;

	for (size_t i = 0; i < sizeof(line) - 1; i++) {
		ck_assert_int_eq(send(fd, line + i, 1, 0), 1);
		loop_turn(loop, 10);
	}
	a = hear(fd);
	ck_assert(json_is_true(json_object_get(a, "ok")));
	json_decref(a);
}
END_TEST

START_TEST(a_silent_client_holds_up_nobody)
{
	int silent = dial();
	json_t *a = ask("{\"argv\":[\"bgp\"]}\n");

	ck_assert(json_is_true(json_object_get(a, "ok")));
	json_decref(a);
	close(silent);
}
END_TEST

START_TEST(an_endless_request_is_cut_off)
{
	static char much[200000];
	int fd = dial();

	memset(much, 'x', sizeof(much));
	for (size_t sent = 0; sent < sizeof(much);) {
		ssize_t n = send(fd, much + sent, sizeof(much) - sent, MSG_NOSIGNAL);

		if (n < 0 && errno != EAGAIN)
			break;
		if (n > 0)
			sent += (size_t)n;
		loop_turn(loop, 0);
	}
	ck_assert_ptr_null(hear(fd));
}
END_TEST

START_TEST(a_live_socket_is_not_taken_over_a_dead_one_is)
{
	struct control *other = NULL;
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	char *error = NULL;
	int fd;

	ck_assert_int_eq(control_new(&other, loop, path, cmds, NULL, &error), -EADDRINUSE);
	ck_assert_ptr_nonnull(strstr(error, path));
	free(error);

	/* What a killed daemon leaves: a file, and nobody behind it. */
	snprintf(path, sizeof(path), "%s/dead", dir);
	snprintf(sun.sun_path, sizeof(sun.sun_path), "%s", path);
	fd = socket(AF_UNIX, SOCK_STREAM, 0);
	ck_assert_int_eq(bind(fd, (struct sockaddr *)&sun, sizeof(sun)), 0);
	close(fd);
	ck_assert_int_eq(control_new(&other, loop, path, cmds, NULL, &error), 0);
	control_free(other);
}
END_TEST

/* ---- streams ---- */

static int
listen_to_stream(void)
{
	static const char line[] = "{\"argv\":[\"tell\"]}\n";
	int fd = dial();

	nr_ended = 0;
	ck_assert_int_eq(send(fd, line, sizeof(line) - 1, 0), (ssize_t)sizeof(line) - 1);
	for (int turn = 0; !stream && turn < 100; turn++)
		loop_turn(loop, 10);
	ck_assert_ptr_nonnull(stream);
	return fd;
}

static void
put_number(json_int_t n)
{
	json_t *record = json_pack("{s:I}", "n", n);

	control_stream_put(stream, record);
	json_decref(record);
}

/* Everything that comes until the server closes or nothing comes any more. */
static size_t
drain(int fd, char *text, size_t size, bool *closed)
{
	size_t len = 0;
	ssize_t n = -1;

	for (int quiet = 0; quiet < 5 && n != 0; quiet++) {
		loop_turn(loop, 1);
		while ((n = recv(fd, text + len, size - 1 - len, 0)) > 0) {
			len += (size_t)n;
			quiet = 0;
		}
	}
	*closed = n == 0;
	text[len] = '\0';
	return len;
}

START_TEST(a_stream_tells_until_it_ends)
{
	static char text[4096];
	int fd = listen_to_stream();
	bool closed;

	put_number(1);
	drain(fd, text, sizeof(text), &closed);
	ck_assert_str_eq(text, "{\"ok\":true,\"stream\":true}\n{\"n\":1}\n");
	ck_assert(!closed);
	put_number(2);
	control_stream_end(stream);
	put_number(3); /* too late */
	drain(fd, text, sizeof(text), &closed);
	ck_assert_str_eq(text, "{\"n\":2}\n");
	ck_assert(closed);
	ck_assert_uint_eq(nr_ended, 1);
	close(fd);
}
END_TEST

START_TEST(a_listener_that_hangs_up_ends_its_stream)
{
	int fd = listen_to_stream();

	close(fd);
	for (int turn = 0; stream && turn < 100; turn++)
		loop_turn(loop, 10);
	ck_assert_uint_eq(nr_ended, 1);
	listen_to_stream(); /* is ended by the teardown */
}
END_TEST

START_TEST(a_stream_may_refuse)
{
	json_t *a = ask("{\"argv\":[\"tell\",\"x\"]}\n");

	ck_assert_str_eq(
	    json_string_value(json_object_get(a, "error")), "tell: takes no arguments");
	json_decref(a);
}
END_TEST

/* One that does not read costs a bounded buffer and learns what it missed; no line is torn. */
START_TEST(a_listener_that_does_not_read_loses_records)
{
	const size_t size = 16 << 20;
	size_t len = 0;
	char *text = malloc(size), *line, *next;
	json_int_t told = 0, lost = 0, last = -1;
	int fd = listen_to_stream();
	bool closed;

	ck_assert_ptr_nonnull(text);
	for (json_int_t n = 0; n < 100000; n++) {
		put_number(n);
		if (n % 1000 == 0)
			loop_turn(loop, 0);
		/* Some of it, so that what waits begins in the middle. */
		if (n % 20000 == 19999) {
			ssize_t got = recv(fd, text + len, 150000, 0);

			ck_assert_int_gt(got, 0);
			len += (size_t)got;
			loop_turn(loop, 0);
		}
	}
	len += drain(fd, text + len, size - len, &closed);
	put_number(100000);
	drain(fd, text + len, size - len, &closed);
	line = strchr(text, '\n') + 1;
	for (; *line; line = next) {
		json_t *o;

		next = strchr(line, '\n');
		ck_assert_ptr_nonnull(next);
		o = json_loadb(line, (size_t)(next++ - line), 0, NULL);
		ck_assert_ptr_nonnull(o);
		if (json_object_get(o, "lost")) {
			lost += json_integer_value(json_object_get(o, "lost"));
		} else {
			ck_assert_int_gt(json_integer_value(json_object_get(o, "n")), last);
			last = json_integer_value(json_object_get(o, "n"));
			told++;
		}
		json_decref(o);
	}
	ck_assert_int_gt(lost, 0);
	ck_assert_int_eq(last, 100000);
	ck_assert_int_eq(told + lost, 100001);
	free(text);
	close(fd);
}
END_TEST

START_TEST(only_the_group_may_ask)
{
	struct stat st;

	ck_assert_int_eq(stat(path, &st), 0);
	ck_assert_uint_eq(st.st_mode & 0777, 0660);
}
END_TEST

static void
add_tests(Suite *s)
{
	TCase *t = tcase_create("control");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, the_longest_command_wins);
	tcase_add_test(t, a_no_carries_its_reason);
	tcase_add_test(t, an_answer_may_be_text);
	tcase_add_loop_test(t, what_is_not_a_request_is_answered, 0, 6);
	tcase_add_test(t, an_unknown_command_is_named_so);
	tcase_add_test(t, a_request_may_come_in_pieces);
	tcase_add_test(t, a_silent_client_holds_up_nobody);
	tcase_add_test(t, an_endless_request_is_cut_off);
	tcase_add_test(t, a_live_socket_is_not_taken_over_a_dead_one_is);
	tcase_add_test(t, a_stream_tells_until_it_ends);
	tcase_add_test(t, a_listener_that_hangs_up_ends_its_stream);
	tcase_add_test(t, a_stream_may_refuse);
	tcase_add_test(t, a_listener_that_does_not_read_loses_records);
	tcase_add_test(t, only_the_group_may_ask);
	suite_add_tcase(s, t);
}

UNIT_MAIN("daemon/control", add_tests)
