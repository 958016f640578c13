/*
 * tests/unit/kube/test_kube.c: the source against an API server in memory: what is in the store is what
 * the server has, whatever happened on the way, and nothing was taken out for a disconnect.
 */
#include "tests/unit/kube/fake_api_server.h"

#include "kube/kube.h"
#include "kube/kinds.h"

#include "tests/unit/unit.h"

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

static struct bed {
	struct loop *loop;
	struct store *store;
	struct kube *kube;
	char kubeconfig[64];
	struct api_path *pools, *services, *slices, *nodes;
	size_t deleted; /* objects that the store told as gone */
	size_t changes;
	char fault[400];
	unsigned nr_faults, nr_mended;
} bed;

static void
on_changes(void *arg, const struct store_change *c, size_t nr)
{
	(void)arg;
	bed.changes += nr;
	for (size_t i = 0; i < nr; i++)
		bed.deleted += !c[i].new;
}

static void
on_faults(void *arg, enum res_kind kind, const char *ns, const char *name,
    const struct res_faults *faults)
{
	char *line = faults->nr ? res_fault_format(&faults->v[0]) : NULL;

	(void)arg;
	if (!line) {
		bed.nr_mended++;
		*bed.fault = '\0';
		return;
	}
	bed.nr_faults++;
	snprintf(bed.fault, sizeof(bed.fault), "%s %s/%s%s: %s", res_kind_name(kind), ns, name,
	    faults->v[0].notice ? " (notice)" : "", line);
	free(line);
}

static const struct kube_ops ops = { on_faults };

static void
start(const char *const *dialects, size_t nr)
{
	struct kube_conf conf = { .access = { .kubeconfig = bed.kubeconfig, .context = "" },
		.dialects = dialects,
		.nr_dialects = nr,
		.node = "n1" };
	char *error;

	bed.kube = kube_new(bed.loop, bed.store, &conf, &ops, NULL, &error);
	ck_assert_msg(bed.kube != NULL, "%s", error);
}

static void
setup_with(bool started)
{
	static const char text[] =
	    "apiVersion: v1\nkind: Config\nclusters:\n- {name: c, cluster: {server: "
	    "\"http://127.0.0.1:1\"}}\nusers: [{name: u, user: {token: t}}]\ncontexts:\n- {name: "
	    "x, "
	    "context: {cluster: c, user: u, namespace: herald}}\ncurrent-context: x\n";
	FILE *f;
	int fd;

	memset(&bed, 0, sizeof(bed));
	snprintf(bed.kubeconfig, sizeof(bed.kubeconfig), "/tmp/herald-test-kube-XXXXXX");
	fd = mkstemp(bed.kubeconfig);
	ck_assert_int_ge(fd, 0);
	f = fdopen(fd, "w");
	fputs(text, f);
	fclose(f);
	bed.loop = api.loop = loop_new_fake();
	api.version = 100;
	bed.store = store_new(bed.loop);
	store_subscribe(bed.store, on_changes, NULL);
	bed.pools = api_path(
	    "/apis/heraldlb.io/v1/loadbalancerippools", "heraldlb.io/v1", "LoadBalancerIPPool");
	bed.services = api_path("/api/v1/services", "v1", "Service");
	bed.slices = api_path(
	    "/apis/discovery.k8s.io/v1/endpointslices", "discovery.k8s.io/v1", "EndpointSlice");
	bed.nodes = api_path("/api/v1/nodes", "v1", "Node");
	if (started)
		start(NULL, 0);
}

static void
setup(void)
{
	setup_with(true);
}

static void
setup_stopped(void)
{
	setup_with(false);
}

static void
teardown(void)
{
	kube_free(bed.kube);
	store_free(bed.store);
	api_fini();
	loop_free(bed.loop);
	unlink(bed.kubeconfig);
}

static void
set_pool(size_t i, unsigned value)
{
	char json[300];

	snprintf(json, sizeof(json),
	    "{\"metadata\":{\"name\":\"p%zu\",\"resourceVersion\":\"000000\"},\"spec\":{\"blocks\":"
	    "[{"
	    "\"cidr\":\"10.%u.0.0/16\"}]}}",
	    i, value % 256);
	api_set(bed.pools, i, json);
}

/* The value of pool @i in the store; -1: it is not there. */
static int
pool(size_t i)
{
	char name[8];
	const struct res_lb_ip_pool *p;

	snprintf(name, sizeof(name), "p%zu", i);
	p = (const struct res_lb_ip_pool *)store_get(bed.store, RES_LB_IP_POOL, "", name);
	return p ? p->blocks.v[0].cidr.addr.b[1] : -1;
}

/* The value that the server has. */
static int
pool_there(size_t i)
{
	const char *json = bed.pools->now[i];

	return json ? (int)strtol(strstr(json, "\"10.") + 4, NULL, 10) : -1;
}

static void
expect_equal(void)
{
	for (size_t i = 0; i < API_NAMES; i++)
		ck_assert_msg(pool(i) == pool_there(i), "pool %zu: %d, the server has %d", i,
		    pool(i), pool_there(i));
}

static bool
find(void *arg, const struct kube_watch_info *info)
{
	struct kube_watch_info *out = arg;

	if (strcmp(info->resource, out->resource) != 0)
		return true;
	*out = *info;
	return false;
}

static struct kube_watch_info
info_of(const char *resource)
{
	struct kube_watch_info info = { .resource = resource };

	kube_each_watch(bed.kube, find, &info);
	ck_assert_ptr_nonnull(info.error);
	return info;
}

#define POOLS "loadbalancerippools.heraldlb.io"

/* ---- lists and watches ---- */

START_TEST(lists_in_pages_then_watches)
{
	for (size_t i = 0; i < 8; i++)
		set_pool(i, (unsigned)i);
	api_pass(100);
	expect_equal();
	ck_assert_uint_eq(bed.pools->lists, 1);
	set_pool(3, 77);
	set_pool(9, 5);
	api_set(bed.pools, 0, NULL);
	api_pass(20);
	expect_equal();
	ck_assert_uint_eq(bed.pools->lists, 1);
	ck_assert_uint_eq(info_of(POOLS).events, 3);
	ck_assert_uint_eq(info_of(POOLS).nr, 8);
	ck_assert(info_of(POOLS).watching);
	ck_assert_str_eq(kube_version_of(bed.kube, RES_LB_IP_POOL, "", "p3"), "000109");
	ck_assert_ptr_null(kube_version_of(bed.kube, RES_LB_IP_POOL, "", "p0"));
}
END_TEST

START_TEST(in_sync_when_all_is_there_or_not_served)
{
	set_pool(1, 1);
	api_pass(300);
	ck_assert(info_of(POOLS).synced);
	/* A kind that is not known is asked for again before that is believed. */
	ck_assert(!store_source_is_synced(bed.store, 0));
	api_pass(3000);
	ck_assert(store_source_is_synced(bed.store, 0));
	ck_assert(!info_of("bgppeerconfigs.heraldlb.io").served);
	ck_assert(info_of("bgppeerconfigs.heraldlb.io").synced);
}
END_TEST

START_TEST(a_kind_that_is_served_later_is_found)
{
	struct api_path *p;

	api_pass(5000);
	p = api_path("/apis/heraldlb.io/v1/bgppeerconfigs", "heraldlb.io/v1", "BGPPeerConfig");
	api_set(
	    p, 0, "{\"metadata\":{\"name\":\"tor\",\"resourceVersion\":\"000000\"},\"spec\":{}}");
	api_pass(31000);
	ck_assert_ptr_nonnull(store_peer_config(bed.store, "tor"));
	/* And gone again, with a server that does not know it for a while: what is held stays. */
	p->path = "/elsewhere";
	api_break();
	api_pass(60000);
	ck_assert_ptr_nonnull(store_peer_config(bed.store, "tor"));
	ck_assert(!info_of("bgppeerconfigs.heraldlb.io").served);
}
END_TEST

START_TEST(a_watch_goes_on_where_it_was)
{
	set_pool(1, 1);
	api_pass(100);
	api_break();
	set_pool(2, 2);
	api_pass(1000);
	expect_equal();
	/* Its time is up, ten times. */
	for (int i = 0; i < 10; i++) {
		set_pool(3, (unsigned)i);
		api_pass(610000);
		expect_equal();
	}
	ck_assert_uint_eq(bed.pools->lists, 1);
	ck_assert_uint_ge(bed.pools->watches, 11);
	ck_assert_uint_eq(bed.deleted, 0);
}
END_TEST

START_TEST(a_bookmark_moves_it_on)
{
	set_pool(1, 1);
	api_pass(100);
	api_bookmark(bed.pools);
	api_pass(20);
	api.oldest = api.version;
	api_break();
	set_pool(1, 2);
	api_pass(1000);
	expect_equal();
	ck_assert_uint_eq(bed.pools->lists, 1);
	ck_assert_uint_eq(info_of(POOLS).events, 1);
}
END_TEST

/* Both forms of 410: a list, and only what differs is touched. */
START_TEST(too_old_is_listed_again)
{
	api.gone_by_http = _i == 1;
	for (size_t i = 0; i < 6; i++)
		set_pool(i, 1);
	api_pass(100);
	bed.changes = 0;
	api.down = true;
	api_break();
	api_set(bed.pools, 2, NULL);
	set_pool(3, 9);
	set_pool(7, 4);
	api.oldest = api.version;
	api_pass(5000);
	ck_assert_uint_eq(bed.changes, 0);
	api.down = false;
	api_pass(20000);
	expect_equal();
	ck_assert_uint_eq(bed.pools->lists, 2);
	ck_assert_uint_eq(bed.changes, 3);
	ck_assert_uint_eq(bed.deleted, 1);
}
END_TEST

/* A list that does not end well changes nothing, however far it got. */
START_TEST(half_a_list_is_none)
{
	for (size_t i = 0; i < 9; i++)
		set_pool(i, 1);
	api_pass(100);
	bed.changes = 0;
	for (size_t i = 0; i < 9; i++)
		set_pool(i, 2);
	api_set(bed.pools, 8, NULL);
	api.silent = true;
	api.oldest = api.version;
	api.expire = _i == 0;
	api.mix = _i == 1;
	api_break();
	api_pass(10000);
	ck_assert_uint_ge(bed.pools->lists, 3);
	ck_assert_uint_eq(bed.changes, 0);
	ck_assert_ptr_nonnull(strstr(info_of(POOLS).error, _i == 0 ? "too old" : "do not belong"));
	api.expire = api.mix = false;
	api_pass(31000);
	expect_equal();
	ck_assert_str_eq(info_of(POOLS).error, "");
}
END_TEST

START_TEST(an_empty_list_is_asked_for_twice)
{
	for (size_t i = 0; i < 9; i++)
		set_pool(i, 1);
	api_pass(100);
	api.oldest = ++api.version;
	bed.pools->lie_empty = _i == 0 ? 1 : 100;
	api_break();
	api_pass(10000);
	if (_i == 0) {
		ck_assert_uint_eq(bed.deleted, 0);
		expect_equal();
		ck_assert_uint_eq(bed.pools->lists, 3);
	} else {
		ck_assert_uint_eq(bed.deleted, 9);
	}
}
END_TEST

/* A server put back to an older state says nothing to who asks for what is yet to come. */
START_TEST(a_silent_watch_is_looked_into)
{
	set_pool(1, 1);
	api_pass(100);
	api_set(bed.pools, 1, NULL);
	set_pool(2, 2);
	api_pass(100);
	ck_assert_int_eq(pool(2), 2);
	api.silent = true;
	api_break();
	api.version = 50; /* restored from a backup, in which pool 5 was */
	api_set(bed.pools, 2, NULL);
	set_pool(5, 5);
	api_pass(700000);
	ck_assert_uint_ge(bed.pools->probes, 1);
	expect_equal();
}
END_TEST

/* ---- refusals ---- */

START_TEST(a_refusal_is_waited_out)
{
	static const struct {
		int status;
		const char *body, *error;
		unsigned retry_after_s, min, max; /* lists in a minute */
	} cases[] = {
		{ 403, "services is forbidden",
		    "apiGroups: [\"heraldlb.io\"], resources: "
		    "[\"loadbalancerippools\"], verbs: [\"list\", \"watch\"]",
		    0, 4, 12 }, /* also for a moment, while a server starts */
		{ 429, "too many", "too many", 20, 2, 4 },
		{ 503, "starting", "starting", 10, 4, 12 },
		{ 500, "broken", "broken", 0, 4, 12 },
		{ 401, "who?", "who?", 0, 4, 12 },
	};
	unsigned requests;

	api.status = cases[_i].status;
	api.body = cases[_i].body;
	api.retry_after_s = cases[_i].retry_after_s;
	for (int ms = 0; ms < 60000; ms += 1000)
		api_pass(1000);
	requests = bed.pools->requests;
	ck_assert_msg(
	    requests >= cases[_i].min && requests <= cases[_i].max, "%u requests", requests);
	ck_assert_msg(
	    strstr(info_of(POOLS).error, cases[_i].error) != NULL, "%s", info_of(POOLS).error);
	ck_assert(!info_of(POOLS).synced);
	api.status = 0;
	api.retry_after_s = 0;
	set_pool(1, 1);
	api_pass(61000);
	expect_equal();
}
END_TEST

START_TEST(an_outage_changes_nothing)
{
	for (size_t i = 0; i < 5; i++)
		set_pool(i, 1);
	api_pass(5000);
	bed.changes = 0;
	api.down = true;
	api_break();
	api_pass(300000);
	ck_assert_uint_eq(bed.changes, 0);
	ck_assert(!info_of(POOLS).watching || info_of(POOLS).synced);
	ck_assert(store_source_is_synced(bed.store, 0));
	api.down = false;
	set_pool(2, 8);
	api_pass(31000);
	expect_equal();
	ck_assert_uint_eq(bed.pools->lists, 1);
}
END_TEST

/* ---- objects ---- */

#define SVC(spec)                                                                                  \
	"{\"metadata\":{\"name\":\"web\",\"namespace\":\"shop\",\"resourceVersion\":\"000000\"},"  \
	"\"spec\":"                                                                                \
	"{\"ports\":[{\"port\":80}]," spec "}}"

START_TEST(what_is_at_fault_is_told_and_the_good_one_stays)
{
	api_set(bed.services, 0, SVC("\"clusterIP\":\"10.0.0.1\",\"newField\":{\"a\":[1]}"));
	api_pass(100);
	ck_assert_ptr_nonnull(store_service(bed.store, "shop", "web"));
	ck_assert_uint_eq(bed.nr_faults, 0);
	api_set(bed.services, 0, SVC("\"clusterIP\":17"));
	api_pass(20);
	ck_assert_str_eq(bed.fault,
	    "Service shop/web: Service/web: spec.clusterIP: 17: must be a string: put it in "
	    "quotes");
	ck_assert_str_eq(store_service(bed.store, "shop", "web")->cluster_ip_text, "10.0.0.1");
	ck_assert_uint_eq(info_of("services").faults, 1);
	api_set(bed.services, 0, SVC("\"clusterIP\":\"10.0.0.2\""));
	api_pass(20);
	ck_assert_uint_eq(bed.nr_mended, 1);
	ck_assert_str_eq(store_service(bed.store, "shop", "web")->cluster_ip_text, "10.0.0.2");
	/* One that was never good, and is deleted. */
	api_set(bed.services, 0, NULL);
	api_set(bed.services, 0, SVC("\"type\":\"Other\""));
	api_pass(20);
	ck_assert_ptr_null(store_service(bed.store, "shop", "web"));
	ck_assert_str_ne(bed.fault, "");
	api_set(bed.services, 0, NULL);
	api_pass(20);
	ck_assert_str_eq(bed.fault, "");
	ck_assert_uint_eq(info_of("services").nr, 0);
}
END_TEST

START_TEST(an_unknown_field_of_ours_is_a_notice)
{
	api_set(bed.pools, 1,
	    "{\"metadata\":{\"name\":\"p1\",\"resourceVersion\":\"000000\"},\"spec\":{\"blocks\":[{"
	    "\"cidr\":\"10.4.0.0/16\"}],\"block\":7}}");
	api_pass(100);
	ck_assert_int_eq(pool(1), 4);
	ck_assert_str_eq(bed.fault,
	    "LoadBalancerIPPool /p1 (notice): LoadBalancerIPPool/p1: spec.block: unknown field; "
	    "did "
	    "you mean 'blocks'?");
	ck_assert_uint_eq(info_of(POOLS).faults, 0);
	set_pool(1, 4);
	api_pass(20);
	ck_assert_uint_eq(bed.nr_mended, 1);
}
END_TEST

START_TEST(what_means_nothing_wakes_nobody)
{
	static const char node[] =
	    "{\"metadata\":{\"name\":\"n1\",\"resourceVersion\":\"000000\"},\"status\":{"
	    "\"conditions\":[{\"type\":\"Ready\",\"status\":\"True\",\"lastHeartbeatTime\":\"%d\"}]"
	    "}}";
	char text[400];

	for (int i = 0; i < 10; i++) {
		snprintf(text, sizeof(text), node, i);
		api_set(bed.nodes, 0, text);
		api_pass(100);
	}
	ck_assert_uint_eq(bed.changes, 1);
	/* And yet the version is the newest. */
	ck_assert_str_eq(kube_version_of(bed.kube, RES_NODE, "", "n1"), "000110");
}
END_TEST

START_TEST(secrets_and_namespaces_on_request)
{
	const struct kube_secret_name both[] = { { "", "bgp" }, { "other", "bgp" } };
	struct api_path *one = api_path("/api/v1/namespaces/herald/secrets", "v1", "Secret"),
			*ns = api_path("/api/v1/namespaces", "v1", "Namespace");

	api_set(one, 0,
	    "{\"metadata\":{\"name\":\"bgp\",\"namespace\":\"herald\",\"resourceVersion\":"
	    "\"000000\"},"
	    "\"data\":{\"password\":\"c2VjcmV0\"}}");
	api_set(ns, 0, "{\"metadata\":{\"name\":\"shop\",\"resourceVersion\":\"000000\"}}");
	api_pass(1000);
	ck_assert_uint_eq(one->lists + ns->lists, 0);
	ck_assert_int_eq(kube_want_secrets(bed.kube, both, 2), 0);
	kube_want_namespaces(bed.kube, true);
	kube_want_namespaces(bed.kube, true);
	api_pass(100);
	ck_assert_ptr_nonnull(store_secret(bed.store, "herald", "bgp"));
	ck_assert_ptr_nonnull(store_get(bed.store, RES_NAMESPACE, "", "shop"));
	ck_assert_uint_eq(ns->lists, 1);
	ck_assert_int_eq(kube_want_secrets(bed.kube, both, 2), 0);
	api_pass(100);
	ck_assert_uint_eq(one->lists, 1);
	ck_assert_int_eq(kube_want_secrets(bed.kube, both + 1, 1), 0);
	kube_want_namespaces(bed.kube, false);
	api_pass(100);
	ck_assert_ptr_null(store_secret(bed.store, "herald", "bgp"));
	ck_assert_ptr_null(store_get(bed.store, RES_NAMESPACE, "", "shop"));
}
END_TEST

START_TEST(the_version_that_is_served_is_taken)
{
	static const char *const dialects[] = { "heraldlb.io", "cilium.io" };
	struct api_path *p = api_path("/apis/cilium.io/v2alpha1/ciliumloadbalancerippools",
	    "cilium.io/v2alpha1", "CiliumLoadBalancerIPPool");

	api_set(p, 0,
	    "{\"metadata\":{\"name\":\"p1\",\"resourceVersion\":\"000000\"},\"spec\":{\"blocks\":[{"
	    "\"cidr\":\"10.9.0.0/16\"}]}}");
	start(dialects, 2);
	api_pass(5000);
	ck_assert_int_eq(pool(1), 9);
	/* Ours of the same name goes before it, and gives way to it again. */
	set_pool(1, 3);
	api_pass(20);
	ck_assert_int_eq(pool(1), 3);
	api_set(bed.pools, 1, NULL);
	api_pass(20);
	ck_assert_int_eq(pool(1), 9);
}
END_TEST

/* ---- whatever happens ---- */

static void
bad_day(void)
{
	size_t i = loop_random(bed.loop, API_NAMES - 1); /* the last is never touched */

	switch (loop_random(bed.loop, 16)) {
	case 0:
		api_break();
		break;
	case 1:
		api.down = !api.down;
		if (api.down)
			api_break();
		break;
	case 2:
		api.oldest = api.version;
		api.gone_by_http = loop_random(bed.loop, 2);
		break;
	case 3:
		api.expire = !api.expire;
		break;
	case 4:
		api.mix = !api.mix;
		break;
	case 5:
		api.cut = api.cut ? 0 : 1 + loop_random(bed.loop, 8);
		break;
	case 6:
		api.garbage = api.garbage ? 0 : 1 + loop_random(bed.loop, 8);
		break;
	case 7:
		api_bookmark(bed.pools);
		break;
	case 8:
		api.status = api.status ? 0 : loop_random(bed.loop, 2) ? 503 : 404;
		api.body = "404 page not found";
		break;
	case 9:
		api.silent = !api.silent;
		break;
	case 10:
	case 11:
		api_set(bed.pools, i, NULL);
		break;
	default:
		set_pool(i, loop_random(bed.loop, 200));
		break;
	}
}

START_TEST(in_the_end_the_store_is_what_the_server_has)
{
	loop_seed(bed.loop, (uint64_t)_i + 1);
	set_pool(API_NAMES - 1, 42);
	api_pass(200);
	for (unsigned n = 0; n < 300; n++) {
		bad_day();
		api_pass(loop_random(bed.loop, 10) ? loop_random(bed.loop, 100)
						   : loop_random(bed.loop, 30000));
		ck_assert_int_eq(pool(API_NAMES - 1), 42);
	}
	api.down = api.expire = api.mix = api.silent = false;
	api.status = 0;
	api.cut = api.garbage = 0;
	api_pass(200000);
	expect_equal();
	ck_assert(info_of(POOLS).watching);
	/* And it is alive. */
	set_pool(0, 201);
	api_pass(20);
	expect_equal();
}
END_TEST

static void
add_tests(Suite *s)
{
	TCase *tc = tcase_create("kube"), *own = tcase_create("own");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, lists_in_pages_then_watches);
	tcase_add_test(tc, in_sync_when_all_is_there_or_not_served);
	tcase_add_test(tc, a_kind_that_is_served_later_is_found);
	tcase_add_test(tc, a_watch_goes_on_where_it_was);
	tcase_add_test(tc, a_bookmark_moves_it_on);
	tcase_add_loop_test(tc, too_old_is_listed_again, 0, 2);
	tcase_add_loop_test(tc, half_a_list_is_none, 0, 2);
	tcase_add_loop_test(tc, an_empty_list_is_asked_for_twice, 0, 2);
	tcase_add_test(tc, a_silent_watch_is_looked_into);
	tcase_add_loop_test(tc, a_refusal_is_waited_out, 0, 5);
	tcase_add_test(tc, an_outage_changes_nothing);
	tcase_add_test(tc, what_is_at_fault_is_told_and_the_good_one_stays);
	tcase_add_test(tc, an_unknown_field_of_ours_is_a_notice);
	tcase_add_test(tc, what_means_nothing_wakes_nobody);
	tcase_add_test(tc, secrets_and_namespaces_on_request);
	tcase_add_loop_test(
	    tc, in_the_end_the_store_is_what_the_server_has, 0, (int)unit_rounds(60));
	suite_add_tcase(s, tc);

	tcase_add_checked_fixture(own, setup_stopped, teardown);
	tcase_add_test(own, the_version_that_is_served_is_taken);
	suite_add_tcase(s, own);
}
UNIT_MAIN("kube", add_tests)
