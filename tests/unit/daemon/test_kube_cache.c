/*
 * tests/unit/daemon/test_kube_cache.c: the objects of the API server in a file and back, and files that
 * are not whole, not ours, or of another server.
 */
#include "daemon/kube_cache.h"

#include "tests/unit/daemon/fixture.h"
#include "tests/unit/unit.h"

#include <sys/stat.h>
#include <unistd.h>

static struct fixture f;
static char dir[64], path[96];
static struct kube_cache *cache;
static size_t got;
static bool called;

static void
setup(void)
{
	snprintf(dir, sizeof(dir), "/tmp/herald-cache-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/kubernetes.json", dir);
	fixture_init(&f);
	cache = kube_cache_new(f.loop, f.store, dir, "server-a");
	called = false;
}

static void
teardown(void)
{
	kube_cache_free(cache);
	fixture_fini(&f);
	unlink(path);
	rmdir(dir);
}

static void
put(const char *text)
{
	struct res_set set = { 0 };
	struct res_faults faults = { 0 };
	struct res_json_head head;

	ck_assert_int_eq(res_decode_json(NULL, NULL, text, strlen(text), &set, &faults, &head), 0);
	for (size_t i = 0; i < set.nr; i++)
		ck_assert_int_eq(store_put(f.store, f.source, set.v[i]), 0);
	res_set_fini(&set);
	res_faults_fini(&faults);
}

static void
fill(void)
{
	put("{\"apiVersion\":\"v1\",\"kind\":\"Service\",\"metadata\":{\"name\":\"web\","
	    "\"namespace\":\"shop\",\"creationTimestamp\":\"2020-01-01T00:00:00Z\",\"uid\":\"u1\","
	    "\"annotations\":{\"heraldlb.io/ips\":\"192.0.2.1\"}},\"spec\":{\"type\":"
	    "\"LoadBalancer\",\"ports\":[{\"port\":80,\"name\":\"a\\\"\\u00e4\"}]},\"status\":"
	    "{\"loadBalancer\":{\"ingress\":[{\"ip\":\"192.0.2.1\"}]},\"conditions\":[{\"type\":"
	    "\"heraldlb.io/"
	    "IPAMRequestSatisfied\",\"status\":\"True\",\"reason\":\"satisfied\"}]}}");
	put("{\"apiVersion\":\"cilium.io/v2alpha1\",\"kind\":\"CiliumLoadBalancerIPPool\","
	    "\"metadata\":{\"name\":\"blue\"},\"spec\":{\"blocks\":[{\"cidr\":\"192.0.2.0/"
	    "30\"}]}}");
	put("{\"apiVersion\":\"v1\",\"kind\":\"Secret\",\"metadata\":{\"name\":\"s\",\"namespace\":"
	    "\"shop\"},\"data\":{\"password\":\"aHVzaGh1c2g=\"}}");
	fixture_add(&f,
	    "apiVersion: v1\nkind: Service\nmetadata: {name: of-a-file, namespace: shop}\n"
	    "spec: {ports: [{port: 80}]}\n");
	store_flush(f.store);
}

static void
done(void *arg, size_t nr)
{
	(void)arg;
	got = nr;
	called = true;
}

static size_t
load(const char *origin)
{
	kube_cache_free(cache);
	fixture_fini(&f);
	fixture_init(&f);
	cache = kube_cache_new(f.loop, f.store, dir, origin);
	called = false;
	kube_cache_load(cache, done, NULL);
	loop_advance(f.loop, 10);
	ck_assert(called);
	return got;
}

static size_t
file_read(char *to, size_t size)
{
	FILE *in = fopen(path, "r");
	size_t len;

	ck_assert_ptr_nonnull(in);
	len = fread(to, 1, size - 1, in);
	to[len] = '\0';
	fclose(in);
	return len;
}

static void
file_write(const char *text, size_t len)
{
	FILE *out = fopen(path, "w");

	ck_assert_uint_eq(fwrite(text, 1, len, out), len);
	fclose(out);
}

START_TEST(there_and_back)
{
	struct res_object *svc, *pool;
	char text[8192];

	fill();
	svc = res_ref(store_get(f.store, RES_SERVICE, "shop", "web"));
	pool = res_ref(store_get(f.store, RES_LB_IP_POOL, "", "blue"));
	kube_cache_changed(cache);
	ck_assert_int_eq(kube_cache_save(cache), 0);
	file_read(text, sizeof(text));
	ck_assert_ptr_null(strstr(text, "hush"));
	ck_assert_ptr_null(strstr(text, "aHVz"));
	ck_assert_ptr_null(strstr(text, "of-a-file"));
	ck_assert_uint_eq(load("server-a"), 2);
	ck_assert(res_equal(svc, store_get(f.store, RES_SERVICE, "shop", "web")));
	ck_assert(res_equal(pool, store_get(f.store, RES_LB_IP_POOL, "", "blue")));
	ck_assert_str_eq(store_get(f.store, RES_SERVICE, "shop", "web")->file, "");
	kube_cache_drop(cache);
	ck_assert_ptr_null(store_get(f.store, RES_SERVICE, "shop", "web"));
	res_unref(svc);
	res_unref(pool);
}
END_TEST

START_TEST(another_server_is_another_world)
{
	fill();
	kube_cache_changed(cache);
	ck_assert_int_eq(kube_cache_save(cache), 0);
	ck_assert_uint_eq(load("server-b"), 0);
	ck_assert_ptr_null(store_get(f.store, RES_SERVICE, "shop", "web"));
}
END_TEST

START_TEST(without_a_file)
{
	ck_assert_uint_eq(load("server-a"), 0);
}
END_TEST

/* However much of it is missing: all or nothing. */
START_TEST(cut_short_is_not_used)
{
	char text[8192];
	size_t len;

	fill();
	kube_cache_changed(cache);
	ck_assert_int_eq(kube_cache_save(cache), 0);
	len = file_read(text, sizeof(text));
	for (size_t cut = 0; cut + 2 < len; cut += 7) {
		file_write(text, cut);
		ck_assert_uint_eq(load("server-a"), 0);
		ck_assert_ptr_null(store_get(f.store, RES_SERVICE, "shop", "web"));
	}
	file_write(text, len);
	ck_assert_uint_eq(load("server-a"), 2);
}
END_TEST

static const char *const garbage[] = { "\n", "{}\n", "[]\n{\"end\":0}\n",
	"{\"version\":2,\"origin\":\"server-a\"}\n{\"end\":0}\n",
	"{\"version\":1,\"origin\":7}\n{\"end\":0}\n",
	"{\"version\":1,\"origin\":\"server-a\"}\nnonsense\n{\"end\":1}\n",
	"{\"version\":1,\"origin\":\"server-a\"}\n{\"end\":5}\n",
	"{\"version\":1,\"origin\":\"server-a\"}\n{\"end\":0}\n" };

START_TEST(garbage_is_not_used)
{
	file_write(garbage[_i], strlen(garbage[_i]));
	ck_assert_uint_eq(load("server-a"), 0);
}
END_TEST

START_TEST(saved_now_and_then)
{
	struct stat st;

	fill();
	kube_cache_changed(cache);
	loop_advance(f.loop, 900);
	ck_assert_int_lt(stat(path, &st), 0);
	loop_advance(f.loop, 200);
	ck_assert_int_eq(stat(path, &st), 0);
	unlink(path);
	loop_advance(f.loop, 600000);
	ck_assert_int_lt(stat(path, &st), 0); /* nothing changed since */
	kube_cache_changed(cache);
	kube_cache_changed(cache);
	loop_advance(f.loop, 900);
	ck_assert_int_lt(stat(path, &st), 0);
	loop_advance(f.loop, 200);
	ck_assert_int_eq(stat(path, &st), 0);
}
END_TEST

START_TEST(what_is_not_known_is_not_saved)
{
	struct stat st;

	fill();
	store_source_synced(f.store, f.source, false);
	kube_cache_changed(cache);
	loop_advance(f.loop, 100000);
	ck_assert_int_eq(kube_cache_save(cache), 0);
	ck_assert_int_lt(stat(path, &st), 0);
}
END_TEST

static void
add_tests(Suite *s)
{
	TCase *tc = tcase_create("cache");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, there_and_back);
	tcase_add_test(tc, another_server_is_another_world);
	tcase_add_test(tc, without_a_file);
	tcase_add_test(tc, cut_short_is_not_used);
	tcase_add_loop_test(tc, garbage_is_not_used, 0, 8);
	tcase_add_test(tc, saved_now_and_then);
	tcase_add_test(tc, what_is_not_known_is_not_saved);
	suite_add_tcase(s, tc);
}

UNIT_MAIN("kube_cache", add_tests)
