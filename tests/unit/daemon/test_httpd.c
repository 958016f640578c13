/*
 * tests/unit/daemon/test_httpd.c: answers that come later, clients that do not wait for them, large
 * ones, one address.  What an answer at once looks like is tested by test_health_check.c.
 */
#include "daemon/httpd.h"

#include "lib/addr.h"
#include "lib/loop.h"
#include "tests/unit/unit.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static struct loop *loop;
static struct httpd *httpd;
static struct httpd_visit *waiting;
static unsigned nr_gone, nr_asked;
static uint16_t port;

static void
gone(void *arg)
{
	ck_assert_ptr_eq(arg, &port);
	nr_gone++;
	waiting = NULL;
}

static char host[64];
static bool from_here;

static void
answer(void *arg, const char *path, struct httpd_answer *a)
{
	(void)arg;
	nr_asked++;
	waiting = a->visit;
	snprintf(host, sizeof(host), "%s", a->host);
	from_here = a->from_here;
	if (strcmp(path, "/stream") == 0) {
		a->status = 200;
		buf_puts(&a->body, "first,");
		httpd_stream(a->visit, gone, &port);
	} else {
		httpd_later(a->visit, gone, &port);
	}
}

static uint16_t
free_port(void)
{
	struct sockaddr_in sin = { .sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(sin);
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	ck_assert_int_eq(bind(fd, (struct sockaddr *)&sin, sizeof(sin)), 0);
	ck_assert_int_eq(getsockname(fd, (struct sockaddr *)&sin, &len), 0);
	close(fd);
	return ntohs(sin.sin_port);
}

static void
setup(void)
{
	struct addr at;
	int err = 0;

	loop = loop_new_fake();
	port = free_port();
	ck_assert_int_eq(addr_parse("127.0.0.1", &at), 0);
	httpd = httpd_new(loop, &at, port, answer, NULL, &err);
	ck_assert_msg(httpd, "%s", strerror(-err));
	waiting = NULL;
	nr_gone = nr_asked = 0;
}

static void
teardown(void)
{
	httpd_free(httpd);
	loop_free(loop);
}

static int
dial(const char *where)
{
	struct sockaddr_in sin = { .sin_family = AF_INET, .sin_port = htons(port) };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	ck_assert_int_eq(inet_pton(AF_INET, where, &sin.sin_addr), 1);
	if (connect(fd, (struct sockaddr *)&sin, sizeof(sin)) == 0)
		return fd;
	close(fd);
	return -1;
}

/* A client whose request has been read. */
static int
ask(const char *request)
{
	const unsigned before = nr_asked;
	int fd = dial("127.0.0.1");

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(
	    send(fd, request, strlen(request), MSG_NOSIGNAL), (ssize_t)strlen(request));
	for (int i = 0; i < 1000 && nr_asked == before; i++)
		loop_turn(loop, 0);
	ck_assert_uint_eq(nr_asked, before + 1);
	return fd;
}

static void
tell(size_t len)
{
	struct httpd_answer a = { .status = 200 };

	buf_init(&a.headers, 1024);
	buf_init(&a.body, len + 1);
	buf_puts(&a.headers, "X-Test: yes\r\n");
	for (size_t i = 0; i < len; i++)
		buf_putc(&a.body, (char)('a' + i % 26));
	httpd_done(waiting, &a);
	buf_fini(&a.headers);
	buf_fini(&a.body);
}

/* All that comes, turn by turn; for free(). */
static char *
hear(int fd, size_t max, size_t *len)
{
	char *text = calloc(1, max + 1);
	ssize_t n = -1;

	*len = 0;
	for (int i = 0; i < 100000 && n != 0; i++) {
		loop_turn(loop, 0);
		n = recv(fd, text + *len, max - *len, MSG_DONTWAIT);
		ck_assert(n >= 0 || errno == EAGAIN);
		if (n > 0)
			*len += (size_t)n;
	}
	ck_assert_int_eq(n, 0);
	close(fd);
	return text;
}

static const size_t sizes[] = { 0, 1, 5000, 3000000 };

START_TEST(an_answer_that_comes_later)
{
	const size_t size = sizes[_i];
	int fd = ask("GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n");
	char want[64], *text;
	const char *body;
	size_t len, wrong = 0;

	loop_advance(loop, 1000);
	ck_assert_ptr_nonnull(waiting);
	tell(size);
	text = hear(fd, size + 4096, &len);
	snprintf(want, sizeof(want), "\r\nContent-Length: %zu\r\n", size);
	ck_assert_ptr_nonnull(strstr(text, "HTTP/1.1 200 OK\r\n"));
	ck_assert_ptr_nonnull(strstr(text, "X-Test: yes\r\n"));
	ck_assert_ptr_nonnull(strstr(text, want));
	body = strstr(text, "\r\n\r\n") + 4;
	ck_assert_uint_eq(len - (size_t)(body - text), size);
	for (size_t i = 0; i < size; i++)
		wrong += body[i] != (char)('a' + i % 26);
	ck_assert_uint_eq(wrong, 0);
	ck_assert_uint_eq(nr_gone, 0);
	free(text);
}
END_TEST

START_TEST(head_has_no_body)
{
	int fd = ask("HEAD /metrics HTTP/1.1\r\n\r\n");
	size_t len;
	char *text;

	tell(100);
	text = hear(fd, 4096, &len);
	ck_assert_ptr_nonnull(strstr(text, "Content-Length: 100\r\n"));
	ck_assert_str_eq(strstr(text, "\r\n\r\n"), "\r\n\r\n");
	free(text);
}
END_TEST

/* Who asked is told when nobody waits any more: at the deadline, and at the end of the server. */
START_TEST(nobody_waits_any_more)
{
	int fd = ask("GET / HTTP/1.1\r\n\r\n");

	loop_advance(loop, 4999);
	ck_assert_uint_eq(nr_gone, 0);
	loop_advance(loop, 1);
	ck_assert_uint_eq(nr_gone, 1);
	close(fd);
	fd = ask("GET / HTTP/1.1\r\n\r\n");
	httpd_free(httpd);
	httpd = NULL;
	ck_assert_uint_eq(nr_gone, 2);
	close(fd);
}
END_TEST

START_TEST(a_client_that_hung_up)
{
	int fd = ask("GET / HTTP/1.1\r\n\r\n");

	close(fd);
	loop_advance(loop, 10);
	if (waiting)
		tell(3000000); /* into nothing, and nothing is left of it */
	loop_advance(loop, 6000);
	ck_assert_uint_le(nr_gone, 1);
}
END_TEST

/* Turns until what was heard so far has @want in it. */
static void
hear_until(int fd, char *text, size_t size, const char *want)
{
	size_t len = strlen(text);

	for (int i = 0; i < 100000 && !strstr(text, want); i++) {
		ssize_t n;

		loop_turn(loop, 0);
		n = recv(fd, text + len, size - 1 - len, MSG_DONTWAIT);
		ck_assert(n > 0 || (n < 0 && errno == EAGAIN));
		if (n > 0)
			len += (size_t)n;
		text[len] = '\0';
	}
	ck_assert_msg(strstr(text, want), "%s", text);
}

START_TEST(a_stream_goes_on)
{
	int fd = ask("GET /stream HTTP/1.1\r\nHost: Some.Where:7479 \r\nX: y\r\n\r\n");
	char text[8192] = "";

	ck_assert_str_eq(host, "Some.Where:7479");
	ck_assert(from_here);
	hear_until(fd, text, sizeof(text), "\r\n\r\nfirst,");
	ck_assert_ptr_null(strstr(text, "Content-Length"));
	/* No deadline while there is nothing to say. */
	loop_advance(loop, 600000);
	ck_assert_uint_eq(nr_gone, 0);
	ck_assert(httpd_stream_put(waiting, "second,", 7));
	ck_assert(!httpd_stream_put(waiting, "too soon,", 9));
	hear_until(fd, text, sizeof(text), "first,second,");
	ck_assert(httpd_stream_put(waiting, "third", 5));
	hear_until(fd, text, sizeof(text), "first,second,third");
	/* What a client says meanwhile is of no matter; its end is. */
	ck_assert_int_eq(send(fd, "GET /", 5, MSG_NOSIGNAL), 5);
	for (int i = 0; i < 100; i++)
		loop_turn(loop, 0);
	ck_assert_uint_eq(nr_gone, 0);
	close(fd);
	for (int i = 0; i < 1000 && nr_gone == 0; i++)
		loop_turn(loop, 0);
	ck_assert_uint_eq(nr_gone, 1);
}
END_TEST

START_TEST(a_stream_that_nobody_reads)
{
	const size_t size = 4000000;
	int fd = ask("GET /stream HTTP/1.1\r\n\r\n");
	char *much = malloc(size), text[8192] = "";

	ck_assert_str_eq(host, "");
	hear_until(fd, text, sizeof(text), "first,");
	for (size_t i = 0; i < size; i++)
		much[i] = 'x';
	ck_assert(!httpd_stream_put(waiting, much, 5u << 20)); /* more than it may be */
	for (int i = 0; i < 100 && httpd_stream_put(waiting, much, size); i++)
		for (int j = 0; j < 10; j++)
			loop_turn(loop, 0);
	ck_assert_uint_eq(nr_gone, 0);
	loop_advance(loop, 5000);
	ck_assert_uint_eq(nr_gone, 1);
	free(much);
	close(fd);
}
END_TEST

START_TEST(a_stream_that_is_ended)
{
	int fd = ask("GET /stream HTTP/1.1\r\n\r\n");
	char text[8192] = "";
	size_t len;

	hear_until(fd, text, sizeof(text), "first,");
	httpd_stream_end(waiting);
	ck_assert_uint_eq(nr_gone, 1);
	free(hear(fd, 100, &len));
	ck_assert_uint_eq(len, 0);
	/* To HEAD there is no stream. */
	fd = ask("HEAD /stream HTTP/1.1\r\n\r\n");
	free(hear(fd, 4096, &len));
	ck_assert_uint_eq(nr_gone, 2);
}
END_TEST

START_TEST(only_the_address_that_was_asked_for)
{
	int fd = dial("127.0.0.2");

	ck_assert_int_lt(fd, 0);
	fd = dial("127.0.0.1");
	ck_assert_int_ge(fd, 0);
	close(fd);
}
END_TEST

START_TEST(the_port_is_taken)
{
	struct addr at;
	int err = 0;

	ck_assert_int_eq(addr_parse("127.0.0.1", &at), 0);
	ck_assert_ptr_null(httpd_new(loop, &at, port, answer, NULL, &err));
	ck_assert_int_eq(err, -EADDRINUSE);
}
END_TEST

static void
add_tests(Suite *s)
{
	TCase *tc = tcase_create("httpd");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_loop_test(tc, an_answer_that_comes_later, 0, sizeof(sizes) / sizeof(sizes[0]));
	tcase_add_test(tc, head_has_no_body);
	tcase_add_test(tc, nobody_waits_any_more);
	tcase_add_test(tc, a_client_that_hung_up);
	tcase_add_test(tc, a_stream_goes_on);
	tcase_add_test(tc, a_stream_that_nobody_reads);
	tcase_add_test(tc, a_stream_that_is_ended);
	tcase_add_test(tc, only_the_address_that_was_asked_for);
	tcase_add_test(tc, the_port_is_taken);
	suite_add_tcase(s, tc);
}

UNIT_MAIN("httpd", add_tests)
