/*
 * tests/unit/daemon/test_show_lb.c: what the engine shows as JSON, and `observe`, as
 * doc/control-protocol.md has them.
 */
#include "daemon/show_lb.h"

#include "daemon/app.h"
#include "daemon/show.h"
#include "lib/buf.h"
#include "tests/unit/daemon/fake_datapath.h"
#include "tests/unit/daemon/fixture.h"
#include "tests/unit/unit.h"

#include <errno.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static struct fixture f;
static struct app app;
static struct dp_seen_backend backends[2];
static struct dp_seen_frontend frontends[2];
static struct prefix range;
static struct dp_seen_flow flow;
static char node[] = "w1", dir[64], path[80];

/* Never looked into. */
static struct datapath *
some_datapath(void)
{
	static char thing;

	return (struct datapath *)&thing;
}

static struct addr
ip(const char *text)
{
	struct addr a;

	ck_assert_int_eq(addr_parse(text, &a), 0);
	return a;
}

static void
setup(void)
{
	memset(&fake_datapath, 0, sizeof(fake_datapath));
	fixture_init(&f);
	app = (struct app){ .loop = f.loop, .store = f.store, .node = node };
	app.datapath = some_datapath();
	ck_assert_int_eq(prefix_parse("10.0.0.0/8", &range, NULL), 0);
	backends[0] = (struct dp_seen_backend){ .ip = ip("10.10.1.7"),
		.port = 8080,
		.row = 9,
		.slots = { 2, 1 },
		.live = true,
		.local = true,
		.node = "w1",
		.counts = { 7, 420, 2 } };
	backends[1] = (struct dp_seen_backend){ .ip = ip("10.10.2.7"),
		.port = 8080,
		.row = 3,
		.slots = { 1, 2 },
		.live = true,
		.terminating = true,
		.node = "w2" };
	frontends[0] = (struct dp_seen_frontend){ .ip = ip("172.16.1.1"),
		.port = 80,
		.proto = IPPROTO_TCP,
		.row = 1,
		.flags = LB_FE_LIVE | LB_FE_LOAD_BALANCER | LB_FE_EXTERNAL_LOCAL |
		    LB_FE_SOURCE_RANGES | LB_FE_AFFINITY,
		.service = 5,
		.service_name = "default/web",
		.affinity_s = 30,
		.slots = { 3, 3 },
		.ranges = &range,
		.nr_ranges = 1,
		.backends = backends,
		.nr_backends = 2,
		.counts = { 8, 480, 3 } };
	frontends[1] = (struct dp_seen_frontend){ .ip = ip("2001:db8::1"),
		.port = 53,
		.proto = IPPROTO_UDP,
		.row = 2,
		.flags = LB_FE_LIVE | LB_FE_CLUSTER_IP | LB_FE_NON_ROUTABLE | LB_FE_INTERNAL_LOCAL |
		    LB_FE_DSR | LB_FE_RANDOM,
		.service_name = "" };
	flow = (struct dp_seen_flow){ .client = ip("10.0.0.5"),
		.vip = ip("172.16.1.1"),
		.backend = ip("10.10.2.7"),
		.client_port = 40312,
		.vip_port = 80,
		.backend_port = 8080,
		.snat_port = 61000,
		.proto = IPPROTO_TCP,
		.state = LB_ST_OPEN,
		.idle_s = 3,
		.timeout_s = 21600,
		.service_name = "default/web" };
	fake_datapath.seen = frontends;
	fake_datapath.nr_seen = 2;
	fake_datapath.flows = &flow;
	fake_datapath.nr_flows = 1;
}

static void
teardown(void)
{
	show_fini(&app);
	fixture_fini(&f);
}

static void
is(json_t *got, const char *want)
{
	char *text = json_dumps(got, JSON_COMPACT | JSON_REAL_PRECISION(3));

	ck_assert_str_eq(text, want);
	free(text);
	json_decref(got);
}

static int
list(enum show_lb_view view, json_t **o)
{
	struct buf text;
	int err;

	*o = NULL;
	buf_init(&text, 1 << 20);
	err = show_lb_list(&app, view, &text);
	if (err == 0)
		*o = json_loads(buf_text(&text), 0, NULL);
	buf_fini(&text);
	return err;
}

START_TEST(frontends_are_shown)
{
	json_t *o;

	ck_assert_int_eq(list(SHOW_LB_SERVICES, &o), 0);
	is(o,
	    "{\"frontends\":[{\"id\":1,\"address\":\"172.16.1.1:80/TCP\",\"ip\":\"172.16.1.1\","
	    "\"port\":80,\"protocol\":\"TCP\",\"service\":\"default/web\",\"flags\":["
	    "\"LoadBalancer\",\"ExternalLocal\",\"sessionAffinity\",\"check source-range\"],"
	    "\"backends\":[{\"id\":9,\"address\":\"10.10.1.7:8080/TCP\",\"ip\":\"10.10.1.7\","
	    "\"port\":8080,\"state\":\"active\",\"local\":true,\"node\":\"w1\",\"slots\":{"
	    "\"external\":2,\"internal\":1},\"packets\":7,\"bytes\":420,\"flows\":2},{\"id\":3,"
	    "\"address\":\"10.10.2.7:8080/TCP\",\"ip\":\"10.10.2.7\",\"port\":8080,\"state\":"
	    "\"terminating\",\"local\":false,\"node\":\"w2\",\"slots\":{\"external\":1,"
	    "\"internal\":2},\"packets\":0,\"bytes\":0,\"flows\":0}],\"tableSize\":{"
	    "\"external\":3,\"internal\":3},\"affinitySeconds\":30,\"sourceRanges\":["
	    "\"10.0.0.0/8\"],\"packets\":8,\"bytes\":480,\"flows\":3},{\"id\":2,\"address\":"
	    "\"[2001:db8::1]:53/UDP\",\"ip\":\"2001:db8::1\",\"port\":53,\"protocol\":\"UDP\","
	    "\"service\":\"\",\"flags\":[\"ClusterIP\",\"non-routable\",\"InternalLocal\","
	    "\"random\",\"dsr\"],\"backends\":[],\"tableSize\":{\"external\":0,\"internal\":0},"
	    "\"packets\":0,\"bytes\":0,\"flows\":0}]}");
	ck_assert_int_eq(list(SHOW_LB_SOURCE_RANGES, &o), 0);
	is(o,
	    "{\"sourceRanges\":[{\"id\":1,\"address\":\"172.16.1.1:80/"
	    "TCP\",\"ip\":\"172.16.1.1\",\"port\":80,\"service\":"
	    "\"default/web\",\"ranges\":[\"10.0.0.0/8\"]}]}");
}
END_TEST

START_TEST(backends_are_shown_once)
{
	json_t *o;

	frontends[1].backends = backends;
	frontends[1].nr_backends = 1;
	backends[1].node = "a\"b\\c\n";
	backends[1].row = 70000;
	ck_assert_int_eq(list(SHOW_LB_BACKENDS, &o), 0);
	is(o,
	    "{\"backends\":[{\"id\":9,\"address\":\"10.10.1.7:8080/TCP\",\"ip\":"
	    "\"10.10.1.7\",\"port\":8080,\"state\":\"active\",\"local\":true,\"node\":\"w1\","
	    "\"packets\":7,\"bytes\":420,\"flows\":2},"
	    "{\"id\":70000,\"address\":\"10.10.2.7:8080/TCP\",\"ip\":\"10.10.2.7\","
	    "\"port\":8080,\"state\":\"terminating\",\"local\":false,\"node\":\"a\\\"b\\\\c\\n\","
	    "\"packets\":0,\"bytes\":0,\"flows\":0}]}");
}
END_TEST

START_TEST(flows_are_shown)
{
	json_t *o;

	ck_assert_int_eq(show_lb_conntrack(&app, 10, &o), 0);
	is(o,
	    "{\"flows\":[{\"protocol\":\"TCP\",\"client\":\"10.0.0.5:40312/TCP\",\"frontend\":"
	    "\"172.16.1.1:80/TCP\",\"backend\":\"10.10.2.7:8080/TCP\",\"state\":\"established\","
	    "\"idleSeconds\":3,\"timeoutSeconds\":21600,\"service\":\"default/web\","
	    "\"snatPort\":61000}],\"limit\":10,\"limited\":false}");
	ck_assert_int_eq(show_lb_conntrack(&app, 1, &o), 0);
	ck_assert(json_is_true(json_object_get(o, "limited")));
	json_decref(o);
}
END_TEST

START_TEST(tables_are_shown)
{
	static const uint32_t slots[] = { 9, 3, 9, 77 };
	const struct addr vip = ip("172.16.1.1");
	json_t *o;

	fake_datapath.slots = slots;
	fake_datapath.nr_slots = 4;
	ck_assert_int_eq(show_lb_maglev(&app, &vip, 80, IPPROTO_TCP, &o), 0);
	is(o,
	    "{\"tables\":[{\"address\":\"172.16.1.1:80/TCP\",\"service\":\"default/web\",\"scope\":"
	    "\"external\",\"size\":3,\"backends\":[{\"id\":9,\"address\":\"10.10.1.7:8080/TCP\","
	    "\"slots\":2,\"share\":0.667},{\"id\":3,\"address\":\"10.10.2.7:8080/TCP\",\"slots\":1,"
	    "\"share\":0.333}],\"table\":[0,1,0,-1]},{\"address\":\"172.16.1.1:80/TCP\","
	    "\"service\":\"default/web\",\"scope\":\"internal\",\"size\":3,\"backends\":[{\"id\":9,"
	    "\"address\":\"10.10.1.7:8080/TCP\",\"slots\":1,\"share\":0.333},{\"id\":3,\"address\":"
	    "\"10.10.2.7:8080/TCP\",\"slots\":2,\"share\":0.667}],\"table\":[]}]}");
	ck_assert_int_eq(show_lb_maglev(&app, &vip, 81, IPPROTO_TCP, &o), -ENOENT);
	ck_assert_int_eq(show_lb_maglev(&app, NULL, 0, 0, &o), 0);
	ck_assert_uint_eq(json_array_size(json_object_get(o, "tables")), 4);
	json_decref(o);
}
END_TEST

START_TEST(counters_are_shown)
{
	json_t *o;

	ck_assert_int_eq(show_lb_counters(&app, &o), 0);
	is(o,
	    "{\"counters\":[{\"name\":\"forwarded\",\"count\":100,\"kind\":\"packet\","
	    "\"description\":\"A sentence.\"},{\"name\":\"no-backend\",\"count\":3,\"kind\":"
	    "\"drop\",\"description\":\"A sentence.\"},{\"name\":\"socket-connect\",\"count\":0,"
	    "\"kind\":\"event\",\"description\":\"A sentence.\"}]}");
}
END_TEST

START_TEST(nothing_loaded_is_said)
{
	json_t *o = NULL;

	for (int i = 0; i < 2; i++) {
		ck_assert_int_eq(list(SHOW_LB_SERVICES, &o), i ? -ENODEV : 0);
		json_decref(i ? NULL : o);
		fake_datapath.not_loaded = true;
		ck_assert_int_eq(list(SHOW_LB_BACKENDS, &o), -ENODEV);
		ck_assert_int_eq(show_lb_conntrack(&app, 1, &o), -ENODEV);
		ck_assert_int_eq(show_lb_maglev(&app, NULL, 0, 0, &o), -ENODEV);
		if (i)
			ck_assert_int_eq(show_lb_counters(&app, &o), -ENODEV);
		app.datapath = NULL;
	}
}
END_TEST

START_TEST(status_tells_of_the_datapath)
{
	const struct dp_device devices[] = {
		{ .name = "eth1", .ifindex = 3, .how = DP_LINK_XDP_NATIVE, .error = "" },
		{ .name = "veth1", .ifindex = 7, .pods = true, .error = "it is gone" }
	};

	fake_datapath.info = (struct dp_info){ .loaded = true,
		.error = "",
		.socket_lb_error = "no cgroup2",
		.services = 4,
		.frontends = 9,
		.backends = 8,
		.repaired = 2,
		.tables_words = 100,
		.tables_used = 10,
		.flows4_max = 524288,
		.flows6_max = 131072,
		.load_us = 61000,
		.devices = devices,
		.nr_devices = 2 };
	app.no_helper = "no right";
	is(show_datapath_status(&app),
	    "{\"mode\":\"bpf\",\"loaded\":true,\"adopted\":false,\"devices\":[{\"name\":\"eth1\","
	    "\"index\":3,\"side\":\"network\",\"attached\":\"xdp\"},{\"name\":\"veth1\",\"index\":"
	    "7,"
	    "\"side\":\"pods\",\"attached\":\"none\",\"error\":\"it is gone\"}],\"socketLB\":{"
	    "\"wanted\":true,\"attached\":false,\"error\":\"no cgroup2\",\"socketsOfPods\":"
	    "{\"ended\":false,\"reason\":\"no right\"}},\"services\":4,"
	    "\"frontends\":9,\"backends\":8,\"conflicts\":0,\"repaired\":2,\"maxFlows\":{\"ipv4\":"
	    "524288,\"ipv6\":131072},\"tables\":{\"words\":100,\"used\":10},\"loadMicroseconds\":"
	    "61000,\"drops\":{\"no-backend\":3}}");
	app.datapath = NULL;
	fixture_add(&f,
	    "apiVersion: heraldlb.io/v1\nkind: HeraldConfig\nmetadata: {name: default}\nspec: "
	    "{datapath: {mode: none}}\n");
	is(show_datapath_status(&app), "{\"mode\":\"none\"}");
}
END_TEST

START_TEST(services_have_counts)
{
	struct buf text;
	json_t *o, *s;

	fixture_add(&f,
	    "apiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\nmetadata: {name: web-a, labels: "
	    "{kubernetes.io/service-name: web}}\naddressType: IPv4\nports: [{port: "
	    "8080}]\nendpoints: [{addresses: [10.10.1.1], nodeName: w1}, {addresses: [10.10.2.2], "
	    "conditions: {ready: false}}]\n");
	fixture_add(&f,
	    "apiVersion: v1\nkind: Service\nmetadata: {name: web}\nspec: {clusterIP: 10.96.0.10, "
	    "externalIPs: [172.16.1.1], ports: [{port: 80}]}\n");
	buf_init(&text, 1 << 20);
	show_services(&app, true, &text);
	o = json_loads(buf_text(&text), 0, NULL);
	buf_fini(&text);
	ck_assert(json_is_true(json_object_get(o, "stats")));
	ck_assert_uint_eq(json_array_size(json_object_get(o, "services")), 2);
	s = json_array_get(json_object_get(o, "services"), 0);
	ck_assert_ptr_null(json_object_get(s, "packets")); /* not in the maps */
	s = json_array_get(json_object_get(o, "services"), 1);
	ck_assert_int_eq(json_integer_value(json_object_get(s, "packets")), 8);
	ck_assert_int_eq(json_integer_value(json_object_get(s, "bytes")), 480);
	ck_assert_int_eq(json_integer_value(json_object_get(s, "flows")), 3);
	is(json_incref(json_object_get(s, "backends")),
	    "[{\"ip\":\"10.10.1.1\",\"port\":8080,\"state\":\"active\",\"node\":\"w1\",\"ready\":"
	    "true},"
	    "{\"ip\":\"10.10.2.2\",\"port\":8080,\"state\":\"not-ready\",\"node\":\"\",\"ready\":"
	    "false}]");
	ck_assert_str_eq(json_string_value(json_object_get(s, "type")), "ExternalIPs");
	ck_assert_str_eq(
	    json_string_value(json_object_get(json_object_get(s, "frontend"), "ip")), "172.16.1.1");
	ck_assert_str_eq(json_string_value(json_object_get(s, "internalTrafficPolicy")), "Cluster");
	json_decref(o);
}
END_TEST

/* ---- observe ---- */

static const struct control_cmd cmds[] = { { { "observe" }, NULL, observe_begin },
	{ { NULL }, NULL, NULL } };

static void
setup_control(void)
{
	char *error = NULL;

	setup();
	snprintf(dir, sizeof(dir), "/tmp/herald-observe-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/sock", dir);
	ck_assert_int_eq(control_new(&app.control, f.loop, path, cmds, &app, &error), 0);
}

static void
teardown_control(void)
{
	control_free(app.control);
	ck_assert_ptr_null(app.observers);
	rmdir(dir);
	teardown();
}

static int
ask(const char *line)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);

	snprintf(sun.sun_path, sizeof(sun.sun_path), "%s", path);
	ck_assert_int_eq(connect(fd, (struct sockaddr *)&sun, sizeof(sun)), 0);
	ck_assert_int_eq(send(fd, line, strlen(line), 0), (ssize_t)strlen(line));
	return fd;
}

/* What has come by now. */
static const char *
hear(int fd, bool *closed)
{
	static char text[65536];
	size_t len = 0;
	ssize_t n = -1;

	for (int quiet = 0; quiet < 5 && n != 0; quiet++) {
		loop_turn(f.loop, 0);
		n = recv(fd, text + len, sizeof(text) - 1 - len, 0);
		if (n > 0)
			len += (size_t)n;
	}
	*closed = n == 0;
	text[len] = '\0';
	return text;
}

static struct lb_event
event(enum lb_why why)
{
	struct lb_event e = { .client_port = htons(40312),
		.vip_port = htons(80),
		.backend_port = htons(8080),
		.proto = IPPROTO_TCP,
		.family = 4,
		.why = (uint8_t)why,
		.hook = LB_AT_NET,
		.tcp_flags = 0x12,
		.snat = 1 };

	e.client.w[0] = htonl(0x0a000005);
	e.vip.w[0] = htonl(0xac100101);
	if (why == LB_FORWARDED)
		e.backend.w[0] = htonl(0x0a0a0207);
	return e;
}

/* One record without its time, which is now. */
static void
is_record(const char *line, const char *want)
{
	json_t *o = json_loads(line, JSON_DISABLE_EOF_CHECK, NULL);
	const char *when = json_string_value(json_object_get(o, "time"));

	ck_assert_ptr_nonnull(when);
	ck_assert_uint_eq(strlen(when), strlen("2026-01-01T00:00:00.000001Z"));
	json_object_del(o, "time");
	is(o, want);
}

START_TEST(observed_flows_are_told)
{
	struct lb_event e = event(LB_FORWARDED);
	int fd = ask("{\"argv\":[\"observe\",\"--service\",\"default/web\",\"--address\","
		     "\"10.0.0.5\",\"--last\",\"2\"]}\n");
	bool closed;

	ck_assert_str_eq(hear(fd, &closed), "{\"ok\":true,\"stream\":true}\n");
	ck_assert(!closed);
	ck_assert_str_eq(fake_datapath.watch_service, "default/web");
	ck_assert_str_eq(addr_str(&fake_datapath.watch_addr), "10.0.0.5");
	fake_datapath.watch(fake_datapath.watch_arg, &e, "default/web");
	is_record(hear(fd, &closed),
	    "{\"event\":\"new\",\"protocol\":\"TCP\",\"service\":\"default/web\",\"client\":"
	    "\"10.0.0.5:40312/TCP\",\"frontend\":\"172.16.1.1:80/TCP\",\"backend\":"
	    "\"10.10.2.7:8080/TCP\",\"reason\":\"forwarded\",\"hook\":\"net\",\"tcpFlags\":\"SA\","
	    "\"snat\":true}");
	ck_assert(!closed);
	e = event(LB_NO_BACKEND);
	fake_datapath.watch(fake_datapath.watch_arg, &e, "default/web");
	is_record(hear(fd, &closed),
	    "{\"event\":\"drop\",\"protocol\":\"TCP\",\"service\":\"default/web\",\"client\":"
	    "\"10.0.0.5:40312/TCP\",\"frontend\":\"172.16.1.1:80/TCP\",\"reason\":\"no-backend\","
	    "\"message\":\"A sentence.\",\"hook\":\"net\",\"tcpFlags\":\"SA\",\"snat\":true}");
	ck_assert(closed);
	ck_assert_str_eq(fake_datapath.calls, "watch unwatch ");
	close(fd);
}
END_TEST

START_TEST(an_observer_may_stay_and_go)
{
	struct lb_event e = event(LB_FORWARDED);
	int fd = ask("{\"argv\":[\"observe\",\"-f\"]}\n");
	bool closed;

	hear(fd, &closed);
	for (int i = 0; i < 30; i++) {
		fake_datapath.watch(fake_datapath.watch_arg, &e, NULL);
		hear(fd, &closed);
		ck_assert(!closed);
	}
	close(fd);
	for (int i = 0; i < 10; i++)
		loop_turn(f.loop, 0);
	ck_assert_str_eq(fake_datapath.calls, "watch unwatch ");
	ck_assert_ptr_null(app.observers);
}
END_TEST

START_TEST(observers_end_with_the_datapath)
{
	int fd = ask("{\"argv\":[\"observe\",\"-f\"]}\n");
	bool closed;

	hear(fd, &closed);
	observe_end(&app);
	observe_end(&app);
	hear(fd, &closed);
	ck_assert(closed);
	ck_assert_str_eq(fake_datapath.calls, "watch unwatch ");
	close(fd);
}
END_TEST

static const struct {
	const char *line, *error;
} bad[] = {
	{ "{\"argv\":[\"observe\",\"x\"]}\n", "observe: x: must be one of --service" },
	{ "{\"argv\":[\"observe\",\"--last\"]}\n", "observe: --last: must be followed by a value" },
	{ "{\"argv\":[\"observe\",\"--last\",\"0\"]}\n", "observe: --last 0: must be a number" },
	{ "{\"argv\":[\"observe\",\"--service\",\"web\"]}\n",
	    "observe: --service web: must be NAMESPACE/NAME" },
	{ "{\"argv\":[\"observe\",\"--address\",\"web\"]}\n",
	    "observe: --address web: must be an IPv4 or IPv6 address" },
};

START_TEST(bad_wishes_are_refused)
{
	int fd = ask(bad[_i].line);
	const char *text;
	bool closed;

	text = hear(fd, &closed);
	ck_assert_msg(strstr(text, bad[_i].error) != NULL, "%s", text);
	ck_assert(closed);
	ck_assert_str_eq(fake_datapath.calls, "");
	close(fd);
}
END_TEST

START_TEST(without_a_datapath_there_is_nothing_to_observe)
{
	bool closed;
	int fd;

	if (_i == 0)
		app.datapath = NULL;
	else
		fake_datapath.not_loaded = true;
	fd = ask("{\"argv\":[\"observe\"]}\n");
	ck_assert_ptr_nonnull(strstr(hear(fd, &closed), "\"code\":\"ENODEV\""));
	ck_assert(closed);
	close(fd);
}
END_TEST

static void
add_tests(Suite *s)
{
	TCase *tc = tcase_create("show");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, frontends_are_shown);
	tcase_add_test(tc, backends_are_shown_once);
	tcase_add_test(tc, flows_are_shown);
	tcase_add_test(tc, tables_are_shown);
	tcase_add_test(tc, counters_are_shown);
	tcase_add_test(tc, nothing_loaded_is_said);
	tcase_add_test(tc, status_tells_of_the_datapath);
	tcase_add_test(tc, services_have_counts);
	suite_add_tcase(s, tc);
	tc = tcase_create("observe");
	tcase_add_checked_fixture(tc, setup_control, teardown_control);
	tcase_add_test(tc, observed_flows_are_told);
	tcase_add_test(tc, an_observer_may_stay_and_go);
	tcase_add_test(tc, observers_end_with_the_datapath);
	tcase_add_loop_test(tc, bad_wishes_are_refused, 0, sizeof(bad) / sizeof(bad[0]));
	tcase_add_loop_test(tc, without_a_datapath_there_is_nothing_to_observe, 0, 2);
	suite_add_tcase(s, tc);
}

UNIT_MAIN("show_lb", add_tests)
