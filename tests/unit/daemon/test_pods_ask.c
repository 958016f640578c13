/*
 * tests/unit/daemon/test_pods_ask.c: requests on the socket of herald-ipam: what is answered, what is
 * refused and how, and what hostile clients are worth.
 */
#include "daemon/app.h"
#include "daemon/pods.h"

#include "lib/mem.h"

#include "tests/unit/daemon/fixture.h"
#include "tests/unit/unit.h"

#include <errno.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

static struct app app;
static char dir[64];
static int source;

static void
add(const char *yaml)
{
	struct fixture f = { app.loop, app.store, source };

	fixture_add(&f, yaml);
}

static void
setup(void)
{
	app = (struct app){ .loop = loop_new(), .node = xstrdup("n1") };
	app.store = store_new(app.loop);
	source = store_source_add(app.store, "test");
	store_source_synced(app.store, source, true);
	snprintf(dir, sizeof(dir), "/tmp/pods-ask-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(dir));
	app.state_dir = xstrdup(dir);
	app.socket_path = xasprintf("%s/h.sock", dir);
	add("apiVersion: v1\nkind: Node\nmetadata: {name: n1}\nspec: {podCIDRs: [10.0.1.0/29]}\n");
	pods_init(&app);
	(void)pods_apply(&app);
	pods_start(&app);
	ck_assert_ptr_nonnull(app.pods->server);
}

static void
teardown(void)
{
	static const char *const files[] = { "pods.journal", "pods.lock" };

	pods_fini(&app);
	store_free(app.store);
	loop_free(app.loop);
	for (size_t i = 0; i < 2; i++) {
		char *path = xasprintf("%s/%s", dir, files[i]);

		unlink(path);
		free(path);
	}
	ck_assert_int_eq(rmdir(dir), 0); /* the socket is gone, too */
	free(app.node);
	free(app.state_dir);
	free(app.socket_path);
}

static int
dial(void)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);

	snprintf(sun.sun_path, sizeof(sun.sun_path), "%s/h-ipam.sock", dir);
	ck_assert_int_eq(connect(fd, (struct sockaddr *)&sun, sizeof(sun)), 0);
	return fd;
}

static void
say(int fd, const char *text, size_t len)
{
	while (len > 0) {
		const ssize_t n = send(fd, text, len, MSG_NOSIGNAL);

		if (n < 0 && errno != EAGAIN)
			return; /* sent away */
		text += n > 0 ? n : 0;
		len -= n > 0 ? (size_t)n : 0;
		loop_turn(app.loop, 0);
	}
}

/* The answer; NULL: the connection was closed without one. */
static json_t *
hear(int fd)
{
	char text[4096];
	size_t len = 0;
	ssize_t n;

	for (;;) {
		n = recv(fd, text + len, sizeof(text) - len - 1, 0);
		if (n == 0 || (n < 0 && errno == ECONNRESET))
			break;
		if (n > 0)
			len += (size_t)n;
		else
			loop_turn(app.loop, 100);
	}
	close(fd);
	return len ? json_loadb(text, len, 0, NULL) : NULL;
}

static json_t *
ask(const char *request)
{
	const int fd = dial();

	say(fd, request, strlen(request));
	say(fd, "\n", 1);
	return hear(fd);
}

/* The first address of an answer that is good, else its code. */
static const char *
said(const char *request)
{
	static char text[64];
	json_t *a = ask(request);
	const json_t *ip = json_array_get(json_object_get(a, "ips"), 0);

	if (json_is_true(json_object_get(a, "ok")))
		snprintf(text, sizeof(text), "%s",
		    ip ? json_string_value(json_object_get(ip, "address")) : "ok");
	else
		snprintf(text, sizeof(text), "%lld",
		    (long long)json_integer_value(json_object_get(a, "code")));
	json_decref(a);
	return text;
}

#define ASK(command, container, more)                                                              \
	"{\"command\":\"" command "\",\"containerId\":\"" container "\",\"ifname\":\"eth0\","      \
	"\"network\":\"net\",\"netns\":\"\"" more "}"

START_TEST(add_check_del_and_again)
{
	ck_assert_str_eq(said(ASK("add", "a", "")), "10.0.1.2/29");
	ck_assert_str_eq(said(ASK("add", "a", "")), "10.0.1.2/29");
	ck_assert_str_eq(said(ASK("check", "a", "")), "10.0.1.2/29");
	ck_assert_str_eq(said(ASK("check", "b", "")), "3");
	ck_assert_str_eq(said(ASK("del", "a", "")), "ok");
	ck_assert_str_eq(said(ASK("del", "a", "")), "ok");
	ck_assert_str_eq(said(ASK("check", "a", "")), "3");
	ck_assert_str_eq(said(ASK("add", "b", ",\"ips\":[\"10.0.1.6\"]")), "10.0.1.6/29");
	ck_assert_str_eq(said(ASK("add", "c", ",\"ips\":[\"10.0.1.6\"]")), "101");
	ck_assert_str_eq(said(ASK("add", "c", ",\"ips\":[\"10.0.1.7\"]")), "102");
	ck_assert_str_eq(said("{\"command\":\"status\"}"), "ok");
}
END_TEST

START_TEST(full_and_without_a_range)
{
	char request[256];

	for (int i = 0; i < 5; i++) {
		snprintf(request, sizeof(request),
		    "{\"command\":\"add\",\"containerId\":\"c%d\",\"ifname\":\"e\"}", i);
		ck_assert_ptr_nonnull(strchr(said(request), '/'));
	}
	ck_assert_str_eq(said(ASK("add", "one-more", "")), "100");
	/* what is held is held, whatever becomes of the range */
	add("apiVersion: v1\nkind: Node\nmetadata: {name: n1}\n");
	(void)pods_apply(&app);
	ck_assert_str_eq(said(ASK("add", "one-more", "")), "11");
	ck_assert_str_eq(said("{\"command\":\"status\"}"), "50");
	ck_assert_ptr_nonnull(
	    strchr(said("{\"command\":\"check\",\"containerId\":\"c1\",\"ifname\":\"e\"}"), '/'));
}
END_TEST

START_TEST(gc_takes_nothing_that_it_does_not_understand)
{
	ck_assert_str_eq(said(ASK("add", "a", "")), "10.0.1.2/29");
	ck_assert_str_eq(said(ASK("add", "b", "")), "10.0.1.3/29");
	ck_assert_str_eq(said("{\"command\":\"gc\",\"network\":\"net\"}"), "7");
	ck_assert_str_eq(said("{\"command\":\"gc\",\"network\":\"net\",\"valid\":[7]}"), "7");
	ck_assert_str_eq(
	    said("{\"command\":\"gc\",\"network\":\"net\",\"valid\":[{\"ifname\":\"eth0\"}]}"),
	    "7");
	ck_assert_str_eq(said("{\"command\":\"gc\",\"valid\":[]}"), "7");
	ck_assert_str_eq(said("{\"command\":\"gc\",\"network\":\"other\",\"valid\":[]}"), "ok");
	ck_assert_str_eq(said(ASK("check", "a", "")), "10.0.1.2/29");
	ck_assert_str_eq(said("{\"command\":\"gc\",\"network\":\"net\",\"valid\":[{\"containerID\":"
			      "\"b\",\"ifname\":\"eth0\"}]}"),
	    "ok");
	ck_assert_str_eq(said(ASK("check", "a", "")), "3");
	ck_assert_str_eq(said(ASK("check", "b", "")), "10.0.1.3/29");
}
END_TEST

START_TEST(requests_that_are_none)
{
	static const struct {
		const char *request, *code;
	} cases[] = {
		{ "", "7" }, { "x", "7" }, { "[]", "7" }, { "{}", "7" }, { "{\"command\":7}", "7" },
		{ "{\"command\":\"format\"}", "7" }, { "{\"command\":\"add\"}", "4" },
		{ "{\"command\":\"add\",\"containerId\":7,\"ifname\":\"e\"}", "4" },
		{ "{\"command\":\"add\",\"containerId\":\"c\"}", "4" }, { ASK("add", "", ""), "4" },
		{ ASK("add", "a\\u0001", ""), "4" }, { ASK("add", "a", ",\"pod\":[]"), "4" },
		{ ASK("add", "a", ",\"ips\":[7]"), "7" },
		{ ASK("add", "a", ",\"ips\":[\"10.0.1.3\",\"10.0.1.4\"]"), "7" },
		{ ASK("add", "a", ",\"ips\":[\"nonsense\"]"), "7" },
		{ ASK("del", "a", ",\"netns\":\"x\""), "7" }, /* a key twice */
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		ck_assert_msg(strcmp(said(cases[i].request), cases[i].code) == 0, "%s: %s",
		    cases[i].request, said(cases[i].request));
	ck_assert_str_eq(said(ASK("add", "a", ",\"annotations\":7,\"ips\":{}")), "10.0.1.2/29");
}
END_TEST

START_TEST(clients_that_mean_no_good)
{
	struct stat st;
	char path[128];
	char *much = malloc(3u << 20);
	int fd, idle = dial();

	/* root alone */
	snprintf(path, sizeof(path), "%s/h-ipam.sock", dir);
	ck_assert_int_eq(stat(path, &st), 0);
	ck_assert_int_eq(st.st_mode & 0777, 0600);
	/* without an end */
	memset(much, ' ', 3u << 20);
	fd = dial();
	say(fd, much, 3u << 20);
	ck_assert_ptr_null(hear(fd));
	/* gone before the answer: it is given all the same, and can be asked for again */
	fd = dial();
	say(fd, ASK("add", "gone", "") "\n", strlen(ASK("add", "gone", "")) + 1);
	close(fd);
	for (int i = 0; i < 5; i++)
		loop_turn(app.loop, 20);
	ck_assert_str_eq(said(ASK("add", "gone", "")), "10.0.1.2/29");
	/* cut anywhere */
	for (size_t len = 0; len < strlen(ASK("add", "cut", "")); len++) {
		fd = dial();
		say(fd, ASK("add", "cut", ""), len);
		loop_turn(app.loop, 0);
		close(fd);
	}
	for (int i = 0; i < 5; i++)
		loop_turn(app.loop, 5);
	ck_assert_str_eq(said(ASK("check", "cut", "")), "3");
	close(idle);
	free(much);
}
END_TEST

START_TEST(a_state_dir_that_comes_back)
{
	const struct podipam_ops ops = { 0 };
	struct podipam *other;
	char *error = NULL;

	podipam_free(app.pods->engine);
	app.pods->engine = NULL;
	other = podipam_new(app.loop, dir, "", &ops, &error);
	ck_assert_ptr_nonnull(other);
	app.pods->open_again_ms = 0;
	ck_assert_str_eq(said(ASK("add", "a", "")), "11");
	podipam_free(other);
	app.pods->open_again_ms = 0;
	ck_assert_str_eq(said(ASK("add", "a", "")), "10.0.1.2/29");
}
END_TEST

START_TEST(more_clients_than_there_is_room_for)
{
	int fds[300];

	for (int i = 0; i < 300; i++) {
		fds[i] = dial();
		loop_turn(app.loop, 0);
	}
	ck_assert_ptr_null(hear(fds[299]));
	for (int i = 0; i < 299; i++)
		close(fds[i]);
	for (int i = 0; i < 10; i++)
		loop_turn(app.loop, 5);
	ck_assert_str_eq(said(ASK("add", "a", "")), "10.0.1.2/29");
}
END_TEST

static void
add_tests(Suite *s)
{
	TCase *tc = tcase_create("ask");

	tcase_set_timeout(tc, 120);
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, add_check_del_and_again);
	tcase_add_test(tc, full_and_without_a_range);
	tcase_add_test(tc, gc_takes_nothing_that_it_does_not_understand);
	tcase_add_test(tc, requests_that_are_none);
	tcase_add_test(tc, clients_that_mean_no_good);
	tcase_add_test(tc, a_state_dir_that_comes_back);
	tcase_add_test(tc, more_clients_than_there_is_room_for);
	suite_add_tcase(s, tc);
}

UNIT_MAIN("pods ask", add_tests)
