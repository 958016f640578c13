/*
 * tests/unit/resource/test_store.c: the store: one key and all in order, sources, the change feed
 * and how it coalesces, the slices of a Service; all of it also at random against a plain list.
 */
#include "tests/unit/resource/res.h"

#include "tests/unit/unit.h"

#include "lib/buf.h"
#include "lib/loop.h"
#include "lib/mem.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static struct loop *loop;
static struct store *store;
static int files;
static struct buf heard; /* what the feed said: "+ns/name", "-ns/name", "~ns/name", ";" a pass */

static void
listen_in(void *arg, const struct store_change *c, size_t nr)
{
	(void)arg;
	for (size_t i = 0; i < nr; i++)
		buf_printf(&heard, "%s%s/%s ",
		    !c[i].old	    ? "+"
			: !c[i].new ? "-"
				    : "~",
		    c[i].ns, c[i].name);
	buf_puts(&heard, ";");
}

static void
setup(void)
{
	loop = loop_new_fake();
	store = store_new(loop);
	files = store_source_add(store, "files");
	store_flush(store);
	buf_init(&heard, 1u << 20);
	store_subscribe(store, listen_in, NULL);
}

static void
teardown(void)
{
	store_free(store);
	loop_free(loop);
	buf_fini(&heard);
}

/* What was heard since the last time, after a turn of the loop. */
static void
hears(const char *what)
{
	ck_assert_int_eq(loop_turn(loop, 0), 0);
	ck_assert_str_eq(buf_text(&heard), what);
	buf_reset(&heard);
}

static struct res_object *namespace(const char *name, const char *label)
{
	char text[200];

	snprintf(text, sizeof(text),
	    "apiVersion: v1\nkind: Namespace\nmetadata: {name: %s, labels: {l: \"%s\"}}\n", name,
	    label);
	return res_one(text);
}

static struct res_object *
slice(const char *name, const char *service, const char *addr)
{
	char text[300];

	snprintf(text, sizeof(text),
	    "apiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\nmetadata: {name: %s, labels: "
	    "{kubernetes.io/service-name: \"%s\"}}\naddressType: IPv4\nendpoints: [{addresses: "
	    "[%s]}]\n",
	    name, service, addr);
	return res_one(text);
}

static void
put(int source, struct res_object *o)
{
	ck_assert_int_eq(store_put(store, source, o), 0);
	res_unref(o);
}

START_TEST(put_get_delete)
{
	struct res_object *a = namespace("a", "1");

	ck_assert_ptr_null(store_get(store, RES_NAMESPACE, "", "a"));
	put(files, res_ref(a));
	ck_assert_ptr_eq(store_get(store, RES_NAMESPACE, "", "a"), a);
	ck_assert_ptr_null(store_get(store, RES_NODE, "", "a"));
	ck_assert_uint_eq(store_nr(store, RES_NAMESPACE), 1);
	hears("+/a ;");
	store_delete(store, files, RES_NAMESPACE, "", "a");
	ck_assert_ptr_null(store_get(store, RES_NAMESPACE, "", "a"));
	ck_assert_ptr_null(store_next(store, RES_NAMESPACE, NULL));
	ck_assert_uint_eq(store_nr(store, RES_NAMESPACE), 0);
	hears("-/a ;");
	store_delete(store, files, RES_NAMESPACE, "", "a");
	hears("");
	ck_assert_uint_eq(a->refs, 1);
	res_unref(a);
}
END_TEST

START_TEST(iterates_in_order)
{
	static const char *const names[] = { "m", "b", "z", "a", "q" };
	const struct res_object *o;
	struct buf b;

	for (size_t i = 0; i < 5; i++)
		put(files, namespace(names[i], "1"));
	store_delete(store, files, RES_NAMESPACE, "", "m");
	buf_init(&b, 100);
	store_for_each(store, RES_NAMESPACE, o)
	{
		buf_puts(&b, o->meta.name);
	}
	ck_assert_str_eq(buf_text(&b), "abqz");
	buf_fini(&b);
}
END_TEST

/* However often a key changes in one turn, it is told once, from what was known to what is. */
START_TEST(bursts_are_coalesced)
{
	for (int i = 0; i < 10; i++) {
		char label[8];

		snprintf(label, sizeof(label), "%d", i);
		put(files, namespace("a", label));
	}
	put(files, namespace("b", "1"));
	hears("+/a +/b ;");
	put(files, namespace("a", "x"));
	put(files, namespace("b", "2"));
	put(files, namespace("b", "1")); /* there and back */
	put(files, namespace("c", "1")); /* come and gone */
	store_delete(store, files, RES_NAMESPACE, "", "c");
	hears("~/a ;");
	store_delete(store, files, RES_NAMESPACE, "", "a");
	put(files, namespace("a", "x")); /* gone and come */
	hears("");
	store_delete(store, files, RES_NAMESPACE, "", "a");
	put(files, namespace("a", "y"));
	hears("~/a ;");
}
END_TEST

START_TEST(equal_content_wakes_nobody)
{
	struct res_object *a = namespace("a", "1");

	put(files, res_ref(a));
	hears("+/a ;");
	put(files, namespace("a", "1"));
	hears("");
	ck_assert_ptr_eq(store_get(store, RES_NAMESPACE, "", "a"), a);
	res_unref(a);
}
END_TEST

START_TEST(sources_stand_in_for_each_other)
{
	int kube = store_source_add(store, "kubernetes");

	ck_assert_str_eq(store_source_name(store, kube), "kubernetes");
	put(kube, namespace("a", "kube"));
	hears("+/a ;");
	put(files, namespace("a", "files"));
	hears("~/a ;");
	put(kube, namespace("a", "kube2")); /* hidden */
	hears("");
	store_delete(store, files, RES_NAMESPACE, "", "a");
	hears("~/a ;");
	ck_assert_str_eq(
	    res_pairs_get(&store_get(store, RES_NAMESPACE, "", "a")->meta.labels, "l"), "kube2");
	store_delete(store, kube, RES_NAMESPACE, "", "a");
	hears("-/a ;");
}
END_TEST

START_TEST(sync_is_told)
{
	ck_assert(!store_is_synced(store));
	store_source_synced(store, files, true);
	ck_assert(store_is_synced(store) && store_source_is_synced(store, files));
	hears(";");
	store_source_synced(store, files, true);
	hears("");
	ck_assert_int_ge(store_source_add(store, "b"), 0);
	ck_assert(!store_is_synced(store));
	while (store_nr_sources(store) < STORE_MAX_SOURCES)
		ck_assert_int_ge(store_source_add(store, "c"), 0);
	ck_assert_int_eq(store_source_add(store, "e"), -ENOSPC);
	ck_assert_uint_eq(store_nr_sources(store), STORE_MAX_SOURCES);
	hears(";");
}
END_TEST

/* A derived source has a key only where nobody else does, whenever it was added. */
START_TEST(a_derived_source_is_the_last)
{
	int derived = store_source_add_derived(store, "derived");
	int late = store_source_add(store, "late");
	struct res_object *of_derived = namespace("a", "made"), *of_late = namespace("a", "said");

	ck_assert(store_source_is_derived(store, derived) && !store_source_is_derived(store, late));
	ck_assert_int_eq(store_source_add_derived(store, "another"), -ENOSPC);
	ck_assert_int_eq(store_put(store, derived, of_derived), 0);
	ck_assert_ptr_eq(store_get(store, RES_NAMESPACE, "", "a"), of_derived);
	ck_assert_int_eq(store_put(store, late, of_late), 0);
	ck_assert_ptr_eq(store_get(store, RES_NAMESPACE, "", "a"), of_late);
	store_delete(store, late, RES_NAMESPACE, "", "a");
	ck_assert_ptr_eq(store_get(store, RES_NAMESPACE, "", "a"), of_derived);
	store_delete(store, derived, RES_NAMESPACE, "", "a");
	ck_assert_ptr_null(store_get(store, RES_NAMESPACE, "", "a"));
	res_unref(of_derived);
	res_unref(of_late);
}
END_TEST

START_TEST(whole_set_is_a_difference)
{
	struct res_object *one[] = { namespace("a", "1"), namespace("b", "1"),
		slice("s", "w", "10.0.0.1") };
	struct res_object *two[] = { namespace("b", "1"), namespace("a", "2"),
		namespace("c", "1") };

	ck_assert_int_eq(store_replace_source(store, files, one, 3), 0);
	hears("+/a +/b +default/s ;");
	ck_assert_int_eq(store_replace_source(store, files, one, 3), 0);
	hears("");
	ck_assert_int_eq(store_replace_source(store, files, two, 3), 0);
	hears("~/a +/c -default/s ;");
	ck_assert_int_eq(store_replace_source(store, files, NULL, 0), 0);
	hears("-/a -/b -/c ;");
	for (int i = 0; i < 3; i++) {
		res_unref(one[i]);
		res_unref(two[i]);
	}
}
END_TEST

static void
slices_are(const char *service, const char *names)
{
	struct res_endpoint_slice *const *v;
	size_t nr = store_slices(store, "default", service, &v);
	struct buf b;

	buf_init(&b, 1000);
	for (size_t i = 0; i < nr; i++)
		buf_printf(&b, "%s ", v[i]->obj.meta.name);
	ck_assert_str_eq(buf_text(&b), names);
	buf_fini(&b);
}

START_TEST(slices_of_a_service)
{
	int kube = store_source_add(store, "kubernetes");

	slices_are("w", "");
	put(files, slice("s2", "w", "10.0.0.2"));
	slices_are("w", "s2 ");
	put(files, slice("s2", "w", "10.0.0.3")); /* the only one, changed */
	put(files, slice("s1", "w", "10.0.0.1"));
	put(files, slice("s3", "w", "10.0.0.3"));
	slices_are("w", "s1 s2 s3 ");
	put(files, slice("s2", "other", "10.0.0.3")); /* moves */
	slices_are("w", "s1 s3 ");
	slices_are("other", "s2 ");
	put(files, slice("s9", "", "10.0.0.3"));     /* of nobody */
	put(kube, slice("s2", "third", "10.0.0.9")); /* hidden behind that of files */
	slices_are("third", "");
	store_delete(store, files, RES_ENDPOINT_SLICE, "default", "s2");
	slices_are("other", "");
	slices_are("third", "s2 ");
	store_delete(store, kube, RES_ENDPOINT_SLICE, "default", "s2");
	slices_are("third", "");
}
END_TEST

/* A callback that changes the store is told of it in the next pass, not within its own. */
static int chain;

static void
changing(void *arg, const struct store_change *c, size_t nr)
{
	(void)arg;
	(void)c;
	if (nr && chain-- > 0) {
		char name[16];

		snprintf(name, sizeof(name), "n%d", chain);
		put(files, namespace(name, "1"));
		store_delete(store, files, RES_NAMESPACE, "", "a");
	}
}

START_TEST(callbacks_may_change_the_store)
{
	chain = 2;
	store_subscribe(store, changing, NULL);
	put(files, namespace("a", "1"));
	ck_assert_int_eq(loop_turn(loop, 0), 0);
	ck_assert_int_eq(loop_turn(loop, 0), 0);
	ck_assert_int_eq(loop_turn(loop, 0), 0);
	ck_assert_str_eq(buf_text(&heard), "+/a ;+/n1 -/a ;+/n0 ;");
}
END_TEST

START_TEST(config_has_defaults)
{
	const struct res_herald_config *c = store_config(store);

	ck_assert_str_eq(c->state_dir, "/var/lib/herald");
	put(files,
	    res_one("apiVersion: heraldlb.io/v1\nkind: HeraldConfig\nmetadata: {name: "
		    "default}\nspec: {stateDir: /x}\n"));
	ck_assert_str_eq(store_config(store)->state_dir, "/x");
	store_delete(store, files, RES_HERALD_CONFIG, "", "default");
	ck_assert_ptr_eq(store_config(store), c);
}
END_TEST

START_TEST(secret_by_name_alone)
{
	put(files,
	    res_one("apiVersion: v1\nkind: Secret\nmetadata: {name: key, namespace: "
		    "kube-system}\nstringData: {password: x}\n"));
	ck_assert_ptr_nonnull(store_secret(store, NULL, "key"));
	ck_assert_ptr_nonnull(store_secret(store, "kube-system", "key"));
	ck_assert_ptr_null(store_secret(store, "default", "key"));
	ck_assert_ptr_null(store_secret(store, NULL, "other"));
}
END_TEST

/* At random, beside a plain array; what is heard must lead from one state to the next. */
#define NR_KEYS 40
static struct res_object *known[NR_KEYS];

static void
follow(void *arg, const struct store_change *c, size_t nr)
{
	(void)arg;
	for (size_t i = 0; i < nr; i++) {
		long k = strtol(c[i].name + 1, NULL, 10);

		ck_assert_ptr_eq(c[i].old, known[k]);
		ck_assert(!c[i].old || !c[i].new || !res_equal(c[i].old, c[i].new));
		known[k] = c[i].new;
	}
}

START_TEST(random_walk)
{
	char want[NR_KEYS][2][8] = { 0 }; /* label by source; "" for none */
	int kube = store_source_add(store, "kubernetes");
	unsigned seed = (unsigned)_i + 1;

	memset(known, 0, sizeof(known));
	store_subscribe(store, follow, NULL);
	for (int step = 0; step < 3000; step++) {
		unsigned k = (unsigned)rand_r(&seed) % NR_KEYS, s = (unsigned)rand_r(&seed) % 2;
		int source = s ? kube : files;
		char name[8];

		snprintf(name, sizeof(name), "n%u", k);
		if (rand_r(&seed) % 3) {
			snprintf(want[k][s], sizeof(want[k][s]), "%d", rand_r(&seed) % 3);
			put(source, namespace(name, want[k][s]));
		} else {
			want[k][s][0] = '\0';
			store_delete(store, source, RES_NAMESPACE, "", name);
		}
		if (rand_r(&seed) % 8 == 0)
			ck_assert_int_eq(loop_turn(loop, 0), 0);
	}
	ck_assert_int_eq(loop_turn(loop, 0), 0);
	for (unsigned k = 0; k < NR_KEYS; k++) {
		const char *label = *want[k][0] ? want[k][0] : want[k][1];
		const struct res_object *o;
		char name[8];

		snprintf(name, sizeof(name), "n%u", k);
		o = store_get(store, RES_NAMESPACE, "", name);
		ck_assert_ptr_eq(o, known[k]);
		ck_assert_int_eq(o != NULL, *label != '\0');
		if (o)
			ck_assert_str_eq(res_pairs_get(&o->meta.labels, "l"), label);
	}
}
END_TEST

/* The n-th allocation fails: -ENOMEM, nothing changed, nothing lost. */
START_TEST(short_of_memory)
{
	for (unsigned nth = 1; nth < 12; nth++) {
		struct res_object *o = slice("s1", "w", "10.0.0.1");
		int err;

		mem_fail_at(nth);
		err = store_put(store, files, o);
		mem_fail_at(0);
		ck_assert(err == 0 || err == -ENOMEM);
		ck_assert_int_eq(
		    store_get(store, RES_ENDPOINT_SLICE, "default", "s1") != NULL, err == 0);
		slices_are("w", err ? "" : "s1 ");
		store_delete(store, files, RES_ENDPOINT_SLICE, "default", "s1");
		res_unref(o);
		ck_assert_int_eq(loop_turn(loop, 0), 0);
		ck_assert_uint_eq(store_nr(store, RES_ENDPOINT_SLICE), 0);
	}
}
END_TEST

START_TEST(hundred_thousand)
{
	struct res_object *o = namespace("x", "1");
	struct res_object **v = calloc(100000, sizeof(*v));
	struct buf b;

	buf_init(&b, 200);
	for (int i = 0; i < 100000; i++) {
		buf_reset(&b);
		buf_printf(&b, "apiVersion: v1\nkind: Namespace\nmetadata: {name: n%d}\n",
		    i * 7919 % 100000);
		v[i] = res_one(buf_text(&b));
	}
	ck_assert_int_eq(store_replace_source(store, files, v, 100000), 0);
	ck_assert_uint_eq(store_nr(store, RES_NAMESPACE), 100000);
	ck_assert_int_eq(loop_turn(loop, 0), 0);
	buf_reset(&heard);
	for (int i = 0; i < 100000; i++)
		ck_assert_ptr_eq(store_get(store, RES_NAMESPACE, "", v[i]->meta.name), v[i]);
	put(files, o);
	hears("+/x ;");
	for (int i = 0; i < 100000; i++)
		res_unref(v[i]);
	free(v);
	buf_fini(&b);
}
END_TEST

static void
add_tests(Suite *s)
{
	TCase *tc = tcase_create("store");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_set_timeout(tc, 120);
	tcase_add_test(tc, put_get_delete);
	tcase_add_test(tc, iterates_in_order);
	tcase_add_test(tc, bursts_are_coalesced);
	tcase_add_test(tc, equal_content_wakes_nobody);
	tcase_add_test(tc, sources_stand_in_for_each_other);
	tcase_add_test(tc, sync_is_told);
	tcase_add_test(tc, a_derived_source_is_the_last);
	tcase_add_test(tc, whole_set_is_a_difference);
	tcase_add_test(tc, slices_of_a_service);
	tcase_add_test(tc, callbacks_may_change_the_store);
	tcase_add_test(tc, config_has_defaults);
	tcase_add_test(tc, secret_by_name_alone);
	tcase_add_loop_test(tc, random_walk, 0, 5);
	tcase_add_test(tc, short_of_memory);
	tcase_add_test(tc, hundred_thousand);
	suite_add_tcase(s, tc);
}
UNIT_MAIN("store", add_tests)
