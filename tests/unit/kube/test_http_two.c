/*
 * tests/unit/kube/test_http_two.c: HTTP/2, against nghttpd: that it is spoken, that calls share a
 * connection, and that nothing is lost when many do.
 */
#include "kube/http.h"

#include "lib/buf.h"
#include "lib/loop.h"
#include "tests/unit/kube/server.h"
#include "tests/unit/unit.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define NR 20

static struct loop *loop;
static struct kube_access *access_;
static struct kube_http *http;
static unsigned port;
static size_t big; /* bytes of the large file */

struct one {
	bool done, slow;
	int status;
	size_t len;
	uint64_t sum; /* of its bytes and their places */
	char error[512];
	struct kube_call *call;
};

static void
start_servers(void)
{
	FILE *f;

	server_start();
	port = server_start_h2();
	big = unit_rounds(6000000) / 8 * 8;
	f = fopen(server_path("big"), "w");
	ck_assert_ptr_nonnull(f);
	for (size_t i = 0; i < big / 8; i++)
		fprintf(f, "%07zu\n", i);
	fclose(f);
	server_write("small", "{\"kind\":\"Small\"}\n");
}

static void
setup(void)
{
	struct kube_access_conf conf = { 0 };
	char cluster[256], *error;

	snprintf(cluster, sizeof(cluster),
	    "    server: https://127.0.0.1:%u\n    certificate-authority: ca.crt\n", port);
	conf.kubeconfig = server_kubeconfig(cluster, "    token: t-o-k-e-n\n");
	loop = loop_new();
	access_ = kube_access_new(loop, &conf, &error);
	ck_assert_msg(access_ != NULL, "%s", error);
	http = kube_http_new(loop, access_);
}

static void
teardown(void)
{
	kube_http_free(http);
	kube_access_free(access_);
	loop_free(loop);
}

static bool
on_data(void *arg, const char *bytes, size_t len)
{
	struct one *o = arg;

	for (size_t i = 0; i < len; i++)
		o->sum += (o->len + i + 1) * (unsigned char)bytes[i];
	o->len += len;
	if (o->slow)
		kube_call_pause(o->call, true);
	return true;
}

static void
on_done(void *arg, const struct kube_answer *a)
{
	struct one *o = arg;

	o->done = true;
	o->status = a->status;
	if (a->len)
		on_data(o, a->body, a->len);
	snprintf(o->error, sizeof(o->error), "%s", a->error);
}

static void
start(struct one *o, const char *path, bool stream)
{
	struct kube_request q = { .method = "GET",
		.path = path,
		.data = stream ? on_data : NULL,
		.done = on_done,
		.arg = o };

	*o = (struct one){ 0 };
	o->call = kube_call(http, &q);
	ck_assert_ptr_nonnull(o->call);
}

static void
wait_for(const struct one *o)
{
	time_t until = time(NULL) + 60;

	while (!o->done && time(NULL) < until)
		loop_turn(loop, 100);
	ck_assert(o->done);
	ck_assert_msg(o->status == 200, "%s", o->error);
}

/* Our own connections to the server; *local: the port of the last one. */
static unsigned
connections(unsigned *local)
{
	unsigned n = 0;

	for (int fd = 3; fd < 256; fd++) {
		struct sockaddr_in sin = { 0 };
		socklen_t len = sizeof(sin);

		if (getpeername(fd, (struct sockaddr *)&sin, &len) < 0 ||
		    sin.sin_family != AF_INET || ntohs(sin.sin_port) != port)
			continue;
		n++;
		ck_assert_int_eq(getsockname(fd, (struct sockaddr *)&sin, &len), 0);
		*local = ntohs(sin.sin_port);
	}
	return n;
}

static unsigned
nr_connections(void)
{
	unsigned local;

	return connections(&local);
}

static uint64_t
sum_of_big(void)
{
	static uint64_t sum;
	FILE *f = fopen(server_path("big"), "r");
	size_t at = 0;
	int c;

	sum = 0;
	while ((c = fgetc(f)) != EOF)
		sum += ++at * (unsigned)c;
	fclose(f);
	return sum;
}

START_TEST(calls_share_a_connection)
{
	static struct one o[NR];

	for (int i = 0; i < NR; i++)
		start(&o[i], "/small", true);
	for (int i = 0; i < NR; i++) {
		wait_for(&o[i]);
		ck_assert_uint_eq(o[i].len, strlen("{\"kind\":\"Small\"}\n"));
	}
	ck_assert_uint_eq(nr_connections(), 1);
	/* What is no stream has another. */
	for (int i = 0; i < NR; i++)
		start(&o[i], "/small", false);
	for (int i = 0; i < NR; i++)
		wait_for(&o[i]);
	ck_assert_uint_eq(nr_connections(), 2);
}
END_TEST

START_TEST(many_large_ones_at_once_lose_nothing)
{
	static struct one o[NR];
	uint64_t sum = sum_of_big();

	for (int i = 0; i < NR; i++)
		start(&o[i], i % 4 == 3 ? "/small" : "/big", true);
	for (int i = 0; i < NR; i++) {
		wait_for(&o[i]);
		if (i % 4 == 3)
			continue;
		ck_assert_uint_eq(o[i].len, big);
		ck_assert(o[i].sum == sum);
	}
	ck_assert_uint_eq(nr_connections(), 1);
}
END_TEST

/* One that takes a piece and pauses, again and again; the others come to their ends. */
START_TEST(a_slow_receiver_gets_all)
{
	struct one slow, other;
	uint64_t sum = sum_of_big();
	time_t until = time(NULL) + 60;

	start(&slow, "/big", true);
	slow.slow = true;
	start(&other, "/big", true);
	while (!slow.done && time(NULL) < until) {
		loop_turn(loop, 1);
		if (!slow.done)
			kube_call_pause(slow.call, false);
	}
	wait_for(&slow);
	wait_for(&other);
	ck_assert_uint_eq(slow.len, big);
	ck_assert(slow.sum == sum && other.sum == sum);
}
END_TEST

/* A watch's receiver stands still with its inbox full: Leases and writes go on. */
START_TEST(a_paused_stream_holds_up_no_call)
{
	struct one slow, other;

	start(&slow, "/big", true);
	slow.slow = true; /* pauses at the first piece */
	for (int i = 0; i < 50; i++)
		loop_turn(loop, 10);
	ck_assert_uint_le(slow.len, 16384);
	for (int i = 0; i < 20; i++) {
		start(&other, "/small", false);
		wait_for(&other);
	}
	ck_assert(!slow.done);
	slow.slow = false;
	kube_call_pause(slow.call, false);
	wait_for(&slow);
	ck_assert_uint_eq(slow.len, big);
	ck_assert(slow.sum == sum_of_big());
}
END_TEST

START_TEST(cancelling_some_leaves_the_others)
{
	static struct one o[NR];
	uint64_t sum = sum_of_big();

	for (int i = 0; i < NR; i++)
		start(&o[i], "/big", true);
	for (int i = 0; i < 20; i++)
		loop_turn(loop, 10);
	for (int i = 0; i < NR; i += 2)
		if (!o[i].done)
			kube_call_cancel(o[i].call);
	for (int i = 1; i < NR; i += 2) {
		wait_for(&o[i]);
		ck_assert(o[i].sum == sum);
	}
	for (int i = 0; i < NR; i += 2)
		ck_assert(!o[i].done || o[i].sum == sum);
}
END_TEST

/* The server's kernel still acknowledges what comes, so that nothing but its silence tells. */
START_TEST(a_connection_that_fell_silent_is_left)
{
	struct one o = { 0 };
	struct kube_request q = {
		.method = "GET", .path = "/small", .timeout_ms = 300, .done = on_done, .arg = &o
	};
	unsigned before = 0, after = 0;
	time_t until = time(NULL) + 60;

	start(&o, "/small", false);
	wait_for(&o);
	ck_assert_uint_eq(connections(&before), 1);
	o = (struct one){ 0 };
	server_freeze_h2(true);
	ck_assert_ptr_nonnull(kube_call(http, &q));
	while (!o.done && time(NULL) < until)
		loop_turn(loop, 100);
	server_freeze_h2(false);
	ck_assert_int_eq(o.status, 0);
	start(&o, "/small", false);
	wait_for(&o);
	ck_assert_uint_eq(connections(&after), 1);
	ck_assert_uint_ne(before, after);
}
END_TEST

static void
add_tests(Suite *s)
{
	TCase *tc = tcase_create("http_two");

	if (!server_is_there() || access("/usr/sbin/nghttpd", X_OK) != 0)
		unit_skip("needs nghttpd (Debian: nghttp2-server), python3 and openssl");
	tcase_add_unchecked_fixture(tc, start_servers, server_stop);
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, calls_share_a_connection);
	tcase_add_test(tc, many_large_ones_at_once_lose_nothing);
	tcase_add_test(tc, a_slow_receiver_gets_all);
	tcase_add_test(tc, a_paused_stream_holds_up_no_call);
	tcase_add_test(tc, cancelling_some_leaves_the_others);
	tcase_add_test(tc, a_connection_that_fell_silent_is_left);
	suite_add_tcase(s, tc);
}

UNIT_MAIN("http_two", add_tests)
