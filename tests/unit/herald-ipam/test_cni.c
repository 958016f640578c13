/*
 * tests/unit/herald-ipam/test_cni.c: what the runtime says, as the plugin understands it, and what it
 * prints, against the words of the CNI specification.
 */
#include "tests/unit/unit.h"

#include "tools/herald-ipam/cni.h"

#define IPAM "\"ipam\":{\"type\":\"herald-ipam\"}"
#define CONF(v, more) "{\"cniVersion\":\"" v "\",\"name\":\"net\",\"type\":\"ptp\"," IPAM more "}"

static struct cni_call call;
static struct cni_fault fault;

static const struct cni_env whole = { .container = "c1",
	.netns = "/run/netns/x",
	.ifname = "eth0",
	.args = "IgnoreUnknown=1;K8S_POD_NAMESPACE=ns;K8S_POD_NAME=web-0;K8S_POD_UID=1" };

static int
read_as(const char *command, const char *conf)
{
	struct cni_env env = whole;

	env.command = command;
	return cni_read(&call, &env, conf, strlen(conf), &fault);
}

static void
teardown(void)
{
	cni_call_fini(&call);
	call = (struct cni_call){ 0 };
}

static const char *
asked(const char *key)
{
	const char *text = json_string_value(json_object_get(call.request, key));

	return text ? text : "(none)";
}

START_TEST(an_addition_names_the_pod)
{
	ck_assert_int_eq(read_as("ADD", CONF("1.0.0", "")), 0);
	ck_assert_str_eq(asked("command"), "add");
	ck_assert_str_eq(asked("containerId"), "c1");
	ck_assert_str_eq(asked("ifname"), "eth0");
	ck_assert_str_eq(asked("netns"), "/run/netns/x");
	ck_assert_str_eq(asked("network"), "net");
	ck_assert_str_eq(asked("namespace"), "ns");
	ck_assert_str_eq(asked("pod"), "web-0");
	ck_assert_str_eq(call.socket, CNI_SOCKET);
}
END_TEST

START_TEST(what_is_asked_for_goes_along)
{
	struct cni_env env = whole;
	const char *conf = "{\"cniVersion\":\"1.0.0\",\"name\":\"net\",\"ipam\":{\"socket\":\"/s\","
			   "\"pool\":\"blue\"},\"args\":{\"cni\":{\"ips\":[\"10.0.0.9/24\"]}},"
			   "\"runtimeConfig\":{\"ips\":[\"fd00::9\"],"
			   "\"io.kubernetes.cri.pod-annotations\":{\"a\":\"b\","
			   "\"ipam.cilium.io/ip-pool\":\"red\"}}}";
	json_t *ips;

	env.command = "ADD";
	env.args = "IP=10.0.0.1";
	ck_assert_int_eq(cni_read(&call, &env, conf, strlen(conf), &fault), 0);
	ck_assert_str_eq(call.socket, "/s");
	ck_assert_str_eq(asked("pool"), "blue");
	ips = json_object_get(call.request, "ips");
	ck_assert_uint_eq(json_array_size(ips), 2);
	ck_assert_str_eq(json_string_value(json_array_get(ips, 0)), "10.0.0.9");
	ck_assert_str_eq(json_string_value(json_array_get(ips, 1)), "fd00::9");
	ck_assert_uint_eq(json_object_size(json_object_get(call.request, "annotations")), 1);
	cni_call_fini(&call);
	conf = CONF("1.0.0", "");
	ck_assert_int_eq(cni_read(&call, &env, conf, strlen(conf), &fault), 0);
	ips = json_object_get(call.request, "ips");
	ck_assert_str_eq(json_string_value(json_array_get(ips, 0)), "10.0.0.1");
}
END_TEST

static const struct {
	const char *command, *conf;
	int code;
	const char *words; /* in the details */
} bad[] = {
	{ "", CONF("1.0.0", ""), 4, "must be ADD, DEL" },
	{ "add", CONF("1.0.0", ""), 4, "must be ADD, DEL" },
	{ "ADD", "", 6, "line 1" },
	{ "ADD", "{\"cniVersion\":\"1.0.0\"", 6, "line 1" },
	{ "ADD", "[]", 6, "must be a JSON object" },
	{ "ADD", "\"x\"", 6, "" },
	{ "ADD", "{\"name\":\"net\"," IPAM "}", 1, "'0.1.0'" },
	{ "ADD", CONF("0.2.0", ""), 1, "'0.2.0'" },
	{ "ADD", CONF("2.0.0", ""), 1, "'2.0.0'" },
	{ "ADD", "{\"cniVersion\":7,\"name\":\"net\"," IPAM "}", 1, "(no string)" },
	{ "CHECK", CONF("0.3.1", ""), 1, "CHECK came with 0.4.0" },
	{ "GC", CONF("1.0.0", ""), 1, "GC came with 1.1.0" },
	{ "STATUS", CONF("1.0.0", ""), 1, "STATUS came with 1.1.0" },
	{ "GC", CONF("1.1.0", ""), 7, "cni.dev/valid-attachments" },
	{ "GC", CONF("1.1.0", ",\"cni.dev/valid-attachments\":{}"), 7, "must be a list" },
	{ "ADD", "{\"cniVersion\":\"1.0.0\"," IPAM "}", 7, "name" },
	{ "ADD", "{\"cniVersion\":\"1.0.0\",\"name\":\"n\"}", 7, "ipam" },
	{ "ADD", "{\"cniVersion\":\"1.0.0\",\"name\":\"n\",\"ipam\":{\"socket\":\"x\"}}", 7,
	    "ipam.socket" },
	{ "ADD", "{\"cniVersion\":\"1.0.0\",\"name\":\"n\",\"ipam\":{\"socket\":[]}}", 7,
	    "ipam.socket: must be a string" },
	{ "ADD", "{\"cniVersion\":\"1.0.0\",\"name\":\"n\",\"ipam\":{\"routes\":[{}]}}", 7,
	    "ipam.routes" },
	{ "ADD",
	    "{\"cniVersion\":\"1.0.0\",\"name\":\"n\",\"ipam\":{\"routes\":[{\"dst\":\"x\"}]}}", 7,
	    "ipam.routes" },
};

START_TEST(what_cannot_be_understood_has_its_code)
{
	ck_assert_int_eq(read_as(bad[_i].command, bad[_i].conf), -1);
	ck_assert_msg(fault.code == bad[_i].code, "%d: code %d, %s", _i, fault.code, fault.details);
	ck_assert_msg(strstr(fault.details, bad[_i].words), "%d: %s", _i, fault.details);
}
END_TEST

START_TEST(what_is_missing_in_the_environment)
{
	static const struct {
		const char *command;
		struct cni_env env;
		const char *missing;
	} cases[] = {
		{ "ADD", { .netns = "/n", .ifname = "e" }, "CNI_CONTAINERID" },
		{ "ADD", { .container = "c", .ifname = "e" }, "CNI_NETNS" },
		{ "ADD", { .container = "c", .netns = "/n" }, "CNI_IFNAME" },
		{ "DEL", { .container = "c" }, "CNI_IFNAME" },
		{ "DEL", { .container = "c", .ifname = "e" }, NULL },
		{ "CHECK", { .container = "c", .ifname = "e" }, "CNI_NETNS" },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct cni_env env = cases[i].env;
		const char *conf = CONF("1.0.0", "");
		int err;

		env.command = cases[i].command;
		err = cni_read(&call, &env, conf, strlen(conf), &fault);
		ck_assert_int_eq(err, cases[i].missing ? -1 : 0);
		if (cases[i].missing) {
			ck_assert_int_eq(fault.code, 4);
			ck_assert_ptr_nonnull(strstr(fault.details, cases[i].missing));
		}
		teardown();
	}
}
END_TEST

/* What is printed for the answer, in one line; "" for nothing, the code when it is an error. */
static char *
printed(const char *command, const char *conf, const char *answer, const char *resolv)
{
	json_t *a = json_loads(answer, JSON_DECODE_ANY, NULL), *out;
	char *text;

	ck_assert_int_eq(read_as(command, conf), 0);
	if (cni_result(&call, a, resolv, &out, &fault) < 0) {
		text = malloc(16);
		snprintf(text, 16, "%d", fault.code);
	} else {
		text = out ? json_dumps(out, JSON_COMPACT) : strdup("");
	}
	json_decref(out);
	json_decref(a);
	teardown();
	return text;
}

static void
is_printed(const char *command, const char *conf, const char *answer, const char *want)
{
	char *text = printed(command, conf, answer, NULL);

	ck_assert_str_eq(text, want);
	free(text);
}

#define GIVEN                                                                                      \
	"{\"ok\":true,\"ips\":[{\"address\":\"10.0.0.5/24\",\"gateway\":\"10.0.0.1\",\"pool\":"    \
	"\"\"},{\"address\":\"fd00::5/64\",\"gateway\":\"fd00::1\",\"pool\":\"\"}]}"

START_TEST(results_of_each_version)
{
	is_printed("ADD", CONF("0.3.1", ""), GIVEN,
	    "{\"cniVersion\":\"0.3.1\",\"ips\":[{\"address\":\"10.0.0.5/24\",\"gateway\":"
	    "\"10.0.0.1\",\"version\":\"4\"},{\"address\":\"fd00::5/64\",\"gateway\":\"fd00::1\","
	    "\"version\":\"6\"}],\"dns\":{}}");
	is_printed("ADD", CONF("1.1.0", ""), GIVEN,
	    "{\"cniVersion\":\"1.1.0\",\"ips\":[{\"address\":\"10.0.0.5/24\",\"gateway\":"
	    "\"10.0.0.1\"},{\"address\":\"fd00::5/64\",\"gateway\":\"fd00::1\"}],\"dns\":{}}");
	is_printed("DEL", CONF("1.0.0", ""), "{\"ok\":true}", "");
	is_printed("STATUS", CONF("1.1.0", ""), "{\"ok\":true}", "");
}
END_TEST

START_TEST(routes_and_dns_pass_through)
{
	char *text = printed("ADD",
	    "{\"cniVersion\":\"1.0.0\",\"name\":\"n\",\"ipam\":{\"routes\":[{\"dst\":\"0.0.0.0/"
	    "0\",\"gw\":\"10.0.0.9\"}]}}",
	    GIVEN,
	    "# who\nnameserver 192.0.2.53\nnameserver 2001:db8::53\n;x\ndomain a.example\n"
	    "search b.example c.example\noptions ndots:5 rotate\nnonsense\nnameserver\n");

	ck_assert_ptr_nonnull(
	    strstr(text, "\"routes\":[{\"dst\":\"0.0.0.0/0\",\"gw\":\"10.0.0.9\"}]"));
	ck_assert_ptr_nonnull(strstr(text,
	    "\"dns\":{\"nameservers\":[\"192.0.2.53\",\"2001:db8::53\"],\"domain\":\"a.example\","
	    "\"search\":[\"b.example\",\"c.example\"],\"options\":[\"ndots:5\",\"rotate\"]}"));
	free(text);
}
END_TEST

START_TEST(checks)
{
	is_printed("CHECK",
	    CONF("1.0.0",
		",\"prevResult\":{\"ips\":[{\"address\":\"fd00::5/64\"},{\"address\":"
		"\"10.0.0.5/24\"}]}"),
	    GIVEN, "");
	is_printed("CHECK",
	    CONF("1.0.0", ",\"prevResult\":{\"ips\":[{\"address\":\"10.0.0.5/24\"}]}"), GIVEN,
	    "110");
	is_printed("CHECK", CONF("1.0.0", ""), GIVEN, "7");
	is_printed("CHECK", CONF("1.0.0", ",\"prevResult\":{\"ips\":[]}"),
	    "{\"ok\":false,\"code\":3,\"msg\":\"m\"}", "3");
}
END_TEST

START_TEST(answers_that_are_none)
{
	static const char *const answers[] = { "{}", "[]", "7", "{\"ok\":false}",
		"{\"ok\":false,\"code\":\"x\",\"msg\":\"m\"}",
		"{\"ok\":false,\"code\":-1,\"msg\":\"m\"}", "{\"ok\":false,\"code\":11}",
		"{\"ok\":true}", "{\"ok\":true,\"ips\":[{}]}", "{\"ok\":true,\"ips\":7}",
		"{\"ok\":\"yes\"}" };

	for (size_t i = 0; i < sizeof(answers) / sizeof(answers[0]); i++)
		is_printed("ADD", CONF("1.0.0", ""), answers[i], "11");
}
END_TEST

START_TEST(versions_and_errors)
{
	struct cni_fault f;
	json_t *o = cni_versions("0.4.0");
	char *text = json_dumps(o, JSON_COMPACT);

	ck_assert_str_eq(text,
	    "{\"cniVersion\":\"0.4.0\",\"supportedVersions\":[\"0.3.1\","
	    "\"0.4.0\",\"1.0.0\",\"1.1.0\"]}");
	free(text);
	json_decref(o);
	cni_fault_set(&f, 11, "later", "at %s", "once");
	o = cni_error("1.0.0", &f);
	text = json_dumps(o, JSON_COMPACT);
	ck_assert_str_eq(text,
	    "{\"cniVersion\":\"1.0.0\",\"code\":11,\"msg\":\"later\",\"details\":\"at once\"}");
	free(text);
	json_decref(o);
	ck_assert_int_eq(read_as("VERSION", ""), 0);
}
END_TEST

static void
add_tests(Suite *s)
{
	TCase *tc = tcase_create("cni");

	tcase_add_checked_fixture(tc, NULL, teardown);
	tcase_add_test(tc, an_addition_names_the_pod);
	tcase_add_test(tc, what_is_asked_for_goes_along);
	tcase_add_loop_test(
	    tc, what_cannot_be_understood_has_its_code, 0, sizeof(bad) / sizeof(bad[0]));
	tcase_add_test(tc, what_is_missing_in_the_environment);
	tcase_add_test(tc, results_of_each_version);
	tcase_add_test(tc, routes_and_dns_pass_through);
	tcase_add_test(tc, checks);
	tcase_add_test(tc, answers_that_are_none);
	tcase_add_test(tc, versions_and_errors);
	suite_add_tcase(s, tc);
}

UNIT_MAIN("herald-ipam", add_tests)
