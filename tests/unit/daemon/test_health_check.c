/*
 * tests/unit/daemon/test_health_check.c: what a load balancer outside is told, as kube-proxy would
 * tell it, and who is listened to when.
 */
#include "daemon/health_check.h"

#include "lib/log.h"
#include "tests/unit/daemon/fixture.h"
#include "tests/unit/unit.h"

#include <errno.h>
#include <jansson.h>
#include <sys/socket.h>
#include <unistd.h>

static struct fixture f;
static struct health_checks *checks;
static bool healthy;
static uint16_t port;
static char last_log[4096];

static bool
is_healthy(void *arg)
{
	(void)arg;
	return healthy;
}

static void
sink(void *arg, const char *line)
{
	(void)arg;
	snprintf(last_log, sizeof(last_log), "%s", line);
}

/* A socket that holds a free port. */
static int
take_port(void)
{
	struct sockaddr_in6 sin6 = { .sin6_family = AF_INET6 };
	socklen_t len = sizeof(sin6);
	int fd = socket(AF_INET6, SOCK_STREAM, 0);

	ck_assert_int_eq(bind(fd, (struct sockaddr *)&sin6, sizeof(sin6)), 0);
	ck_assert_int_eq(listen(fd, 1), 0);
	ck_assert_int_eq(getsockname(fd, (struct sockaddr *)&sin6, &len), 0);
	port = ntohs(sin6.sin6_port);
	return fd;
}

static void
setup(void)
{
	fixture_init(&f);
	last_log[0] = '\0';
	log_sink(sink, NULL);
	healthy = true;
	checks = health_check_new(f.loop, is_healthy, NULL);
	close(take_port());
}

static void
teardown(void)
{
	health_check_free(checks);
	fixture_fini(&f);
	log_sink(NULL, NULL);
}

static void
add_service(const char *policy, uint16_t check_port)
{
	char yaml[512];

	snprintf(yaml, sizeof(yaml),
	    "apiVersion: v1\nkind: Service\nmetadata: {name: web, namespace: prod}\nspec: {type: "
	    "LoadBalancer, clusterIP: 10.96.0.10, externalTrafficPolicy: %s, healthCheckNodePort: "
	    "%u, ports: [{port: 80}]}\n",
	    policy, check_port);
	fixture_add(&f, yaml);
}

static void
add_endpoints(const char *endpoints)
{
	char yaml[1024];

	snprintf(yaml, sizeof(yaml),
	    "apiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\nmetadata: {name: web-a, "
	    "namespace: "
	    "prod, labels: {kubernetes.io/service-name: web}}\naddressType: IPv4\nports: [{port: "
	    "80}]\nendpoints: %s\n",
	    endpoints);
	fixture_add(&f, yaml);
}

static void
follow(void)
{
	health_check_service(checks, f.store, "w1", "prod", "web");
}

static int
dial(sa_family_t family)
{
	struct sockaddr_in6 sin6 = { .sin6_family = AF_INET6,
		.sin6_port = htons(port),
		.sin6_addr = IN6ADDR_LOOPBACK_INIT };
	struct sockaddr_in sin = { .sin_family = AF_INET,
		.sin_port = htons(port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int err = family == AF_INET6 ? connect(fd, (struct sockaddr *)&sin6, sizeof(sin6))
				     : connect(fd, (struct sockaddr *)&sin, sizeof(sin));

	if (err == 0)
		return fd;
	close(fd);
	return -1;
}

/* What comes back for @request, until it is closed; "" when nobody listens. */
static const char *
ask(sa_family_t family, const char *request)
{
	static char text[65536];
	int fd = dial(family);
	size_t len = 0;
	ssize_t n = -1;

	text[0] = '\0';
	if (fd < 0)
		return text;
	ck_assert_int_eq(
	    send(fd, request, strlen(request), MSG_NOSIGNAL), (ssize_t)strlen(request));
	for (int turn = 0; n != 0 && turn < 200; turn++) {
		loop_turn(f.loop, 0);
		n = recv(fd, text + len, sizeof(text) - 1 - len, MSG_DONTWAIT);
		if (n < 0 && errno != EAGAIN)
			break;
		if (n > 0)
			len += (size_t)n;
	}
	text[len] = '\0';
	close(fd);
	return text;
}

#define GET "GET /healthz HTTP/1.1\r\nHost: w1\r\n\r\n"

START_TEST(a_node_with_endpoints_is_healthy)
{
	const char *text;
	json_t *body;

	add_service("Local", port);
	add_endpoints("[{addresses: [10.10.1.1], nodeName: w1}, {addresses: [10.10.1.2], nodeName: "
		      "w1}, {addresses: [10.10.2.1], nodeName: w2}]");
	follow();
	text = ask(AF_INET, GET);
	ck_assert_msg(strncmp(text, "HTTP/1.1 200 OK\r\n", 17) == 0, "%s", text);
	ck_assert_ptr_nonnull(strstr(text, "\r\nContent-Type: application/json\r\n"));
	ck_assert_ptr_nonnull(strstr(text, "\r\nX-Content-Type-Options: nosniff\r\n"));
	ck_assert_ptr_nonnull(strstr(text, "\r\nX-Load-Balancing-Endpoint-Weight: 2\r\n"));
	body = json_loads(strstr(text, "\r\n\r\n"), 0, NULL);
	ck_assert_int_eq(json_integer_value(json_object_get(body, "localEndpoints")), 2);
	ck_assert(json_is_true(json_object_get(body, "serviceProxyHealthy")));
	ck_assert_str_eq(
	    json_string_value(json_object_get(json_object_get(body, "service"), "namespace")),
	    "prod");
	ck_assert_str_eq(
	    json_string_value(json_object_get(json_object_get(body, "service"), "name")), "web");
	json_decref(body);
}
END_TEST

START_TEST(both_families_are_answered)
{
	int probe = socket(AF_INET6, SOCK_STREAM, 0);

	ck_assert_int_ge(probe, 0);
	close(probe);
	add_service("Local", port);
	add_endpoints("[{addresses: [10.10.1.1], nodeName: w1}]");
	follow();
	ck_assert_ptr_nonnull(strstr(ask(AF_INET, GET), " 200 "));
	ck_assert_ptr_nonnull(strstr(ask(AF_INET6, GET), " 200 "));
}
END_TEST

START_TEST(a_node_without_endpoints_is_not)
{
	const char *text;

	add_service("Local", port);
	add_endpoints("[{addresses: [10.10.2.1], nodeName: w2}]");
	follow();
	text = ask(AF_INET, GET);
	ck_assert_ptr_nonnull(strstr(text, "HTTP/1.1 503 Service Unavailable\r\n"));
	ck_assert_ptr_nonnull(strstr(text, "\"localEndpoints\":0"));
	ck_assert_ptr_nonnull(strstr(text, "X-Load-Balancing-Endpoint-Weight: 0\r\n"));
	add_endpoints("[{addresses: [10.10.1.1], nodeName: w1}]");
	follow();
	ck_assert_ptr_nonnull(strstr(ask(AF_INET, GET), " 200 "));
	healthy = false;
	text = ask(AF_INET, GET);
	ck_assert_ptr_nonnull(strstr(text, " 503 "));
	ck_assert_ptr_nonnull(strstr(text, "\"serviceProxyHealthy\":false"));
}
END_TEST

START_TEST(only_who_wants_it_is_listened_for)
{
	uint16_t old = port;

	add_service("Cluster", port);
	follow();
	ck_assert_int_lt(dial(AF_INET), 0);
	add_service("Local", port);
	follow();
	ck_assert_ptr_nonnull(strstr(ask(AF_INET, GET), " 503 "));
	/* Another port. */
	close(take_port());
	add_service("Local", port);
	follow();
	ck_assert_ptr_nonnull(strstr(ask(AF_INET, GET), " 503 "));
	port = old;
	ck_assert_int_lt(dial(AF_INET), 0);
}
END_TEST

START_TEST(a_service_that_goes_is_let_go)
{
	add_service("Local", port);
	follow();
	ck_assert_ptr_nonnull(strstr(ask(AF_INET, GET), " 503 "));
	store_delete(f.store, f.source, RES_SERVICE, "prod", "web");
	if (_i == 0) {
		follow();
	} else {
		health_check_begin(checks);
		health_check_end(checks);
	}
	ck_assert_int_lt(dial(AF_INET), 0);
}
END_TEST

START_TEST(a_port_that_is_taken_is_tried_again)
{
	int fd = take_port();

	add_service("Local", port);
	follow();
	ck_assert_ptr_nonnull(strstr(last_log, "health-check-port-taken"));
	ck_assert_ptr_nonnull(strstr(last_log, "service=prod/web"));
	last_log[0] = '\0';
	loop_advance(f.loop, 6000);
	ck_assert_str_eq(last_log, ""); /* once is enough */
	close(fd);
	loop_advance(f.loop, 6000);
	ck_assert_ptr_nonnull(strstr(last_log, "health-check-listening"));
	ck_assert_ptr_nonnull(strstr(ask(AF_INET, GET), " 503 "));
}
END_TEST

static const struct {
	const char *request, *begin;
	bool body;
} requests[] = {
	{ "GET / HTTP/1.0\r\n\r\n", "HTTP/1.1 503 ", true },
	{ "GET / HTTP/1.1\n\n", "HTTP/1.1 503 ", true },
	{ "HEAD / HTTP/1.1\r\nHost: x\r\n\r\n", "HTTP/1.1 503 ", false },
	{ "POST /a/b?c=d HTTP/1.1\r\nHost: x\r\n\r\n", "HTTP/1.1 503 ", true },
	{ "GET /\r\n\r\n", "HTTP/1.1 400 ", false },
	{ "GET\r\n\r\n", "HTTP/1.1 400 ", false },
	{ "GET / SIP/2.0\r\n\r\n", "HTTP/1.1 400 ", false },
	{ "GET /\x01 HTTP/1.1\r\n\r\n", "HTTP/1.1 400 ", false },
	{ "\r\n\r\n", "HTTP/1.1 400 ", false },
};

START_TEST(requests_are_read_with_care)
{
	const char *text;

	add_service("Local", port);
	follow();
	text = ask(AF_INET, requests[_i].request);
	ck_assert_msg(
	    strncmp(text, requests[_i].begin, strlen(requests[_i].begin)) == 0, "%s", text);
	ck_assert((strchr(text, '{') != NULL) == requests[_i].body);
	ck_assert_ptr_nonnull(strstr(text, "\r\nConnection: close\r\n\r\n"));
}
END_TEST

START_TEST(clients_are_bounded)
{
	static char much[20000];
	int silent[100], refused = 0;
	char c;

	add_service("Local", port);
	follow();
	memset(much, 'x', sizeof(much) - 1);
	ck_assert_str_eq(ask(AF_INET, much), "");
	for (size_t i = 0; i < 100; i++) {
		silent[i] = dial(AF_INET);
		loop_turn(f.loop, 0);
	}
	for (size_t i = 0; i < 100; i++)
		if (silent[i] >= 0)
			refused += recv(silent[i], &c, 1, MSG_DONTWAIT) == 0;
	ck_assert_int_eq(refused, 100 - 64);
	/* They are shown the door, and others may come in. */
	loop_advance(f.loop, 6000);
	ck_assert_ptr_nonnull(strstr(ask(AF_INET, GET), " 503 "));
	for (size_t i = 0; i < 100; i++)
		close(silent[i]);
}
END_TEST

static void
add_tests(Suite *s)
{
	TCase *tc = tcase_create("health_check");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, a_node_with_endpoints_is_healthy);
	tcase_add_test(tc, both_families_are_answered);
	tcase_add_test(tc, a_node_without_endpoints_is_not);
	tcase_add_test(tc, only_who_wants_it_is_listened_for);
	tcase_add_loop_test(tc, a_service_that_goes_is_let_go, 0, 2);
	tcase_add_test(tc, a_port_that_is_taken_is_tried_again);
	tcase_add_loop_test(
	    tc, requests_are_read_with_care, 0, sizeof(requests) / sizeof(requests[0]));
	tcase_add_test(tc, clients_are_bounded);
	suite_add_tcase(s, tc);
}

UNIT_MAIN("health_check", add_tests)
