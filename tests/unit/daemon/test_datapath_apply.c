/*
 * tests/unit/daemon/test_datapath_apply.c: when the load balancer is made, told and taken away.
 */
#include "daemon/app.h"

#include "lib/log.h"
#include "tests/unit/daemon/fake_datapath.h"
#include "tests/unit/daemon/fixture.h"
#include "tests/unit/unit.h"

#define CONFIG "apiVersion: heraldlb.io/v1\nkind: HeraldConfig\nmetadata: {name: default}\nspec: "
#define SVC(name)                                                                                  \
	"apiVersion: v1\nkind: Service\nmetadata: {name: " name "}\nspec: {clusterIPs: "           \
	"[10.96.0.10, \"fd00:96::a\"], ports: [{port: 80}]}\n"

static struct fixture f;
static struct app app;
static char node[] = "w1";

static void
ipam_changed(void *arg, const char *owner, unsigned what)
{
	(void)arg;
	(void)owner;
	(void)what;
}

static void
quiet(void *arg, const char *line)
{
	(void)arg;
	(void)line;
}

static void
setup(void)
{
	log_sink(quiet, NULL);
	memset(&fake_datapath, 0, sizeof(fake_datapath));
	fixture_init(&f);
	app = (struct app){ .loop = f.loop, .store = f.store, .node = node };
	app.ipam = ipam_new(ipam_changed, NULL);
}

static void
teardown(void)
{
	datapath_apply_fini(&app);
	ipam_free(app.ipam);
	fixture_fini(&f);
	log_sink(NULL, NULL);
}

static void
begin(void)
{
	datapath_apply_init(&app);
	loop_advance(f.loop, 1);
}

/* The calls since the last time. */
static void
expect(const char *calls)
{
	ck_assert_str_eq(fake_datapath.calls, calls);
	fake_datapath.calls[0] = '\0';
}

START_TEST(it_is_made_once_the_loop_runs)
{
	fixture_add(&f, SVC("web"));
	datapath_apply_init(&app);
	datapath_apply_all(&app); /* too early */
	datapath_apply_service(&app, "default", "web");
	expect("");
	loop_advance(f.loop, 1);
	expect("new begin set:default/web:2 end ");
	datapath_apply_all(&app);
	expect("conf begin set:default/web:2 end ");
	datapath_apply_fini(&app);
	expect("free ");
}
END_TEST

START_TEST(a_change_costs_its_service)
{
	fixture_add(&f, SVC("a"));
	begin();
	expect("new begin set:default/a:2 end ");
	fixture_add(&f, SVC("b"));
	datapath_apply_service(&app, "default", "b");
	expect("set:default/b:2 ");
	store_delete(f.store, f.source, RES_SERVICE, "default", "a");
	datapath_apply_service(&app, "default", "a");
	expect("del:default/a ");
	/* One that is there and has nothing to carry. */
	fixture_add(&f,
	    "apiVersion: v1\nkind: Service\nmetadata: {name: b}\nspec: {clusterIP: None, ports: "
	    "[{port: 80}]}\n");
	datapath_apply_service(&app, "default", "b");
	expect("del:default/b ");
}
END_TEST

START_TEST(nothing_is_gone_before_a_source_is_in_sync)
{
	fixture_add(&f, SVC("a"));
	store_source_synced(f.store, f.source, false);
	begin();
	expect("new set:default/a:2 ");
	store_source_synced(f.store, f.source, true);
	datapath_apply_all(&app);
	expect("conf begin set:default/a:2 end ");
}
END_TEST

START_TEST(mode_none_leaves_nothing)
{
	fixture_add(&f, CONFIG "{datapath: {mode: none, pinPath: /pin}}\n");
	fixture_add(&f, SVC("a"));
	begin();
	expect("remove-pinned:/pin ");
	datapath_apply_all(&app);
	datapath_apply_service(&app, "default", "a");
	expect("");
	fixture_add(&f, CONFIG "{datapath: {mode: bpf, pinPath: /other}}\n");
	datapath_apply_all(&app);
	expect("new begin set:default/a:2 end ");
	ck_assert_str_eq(fake_datapath.pin_path, "/pin"); /* another one needs a restart */
	fixture_add(&f, CONFIG "{datapath: {mode: none}}\n");
	datapath_apply_all(&app);
	expect("remove free ");
	datapath_apply_fini(&app);
	expect("");
}
END_TEST

START_TEST(a_shutdown_takes_it_out)
{
	begin();
	expect("new begin end ");
	app.removing = true;
	datapath_apply_fini(&app);
	expect("remove free ");
}
END_TEST

START_TEST(one_that_cannot_be_made_is_tried_again)
{
	fake_datapath.fail_new = -12;
	fixture_add(&f, SVC("a"));
	begin();
	datapath_apply_service(&app, "default", "a");
	expect("new ");
	fake_datapath.fail_new = 0;
	datapath_apply_all(&app);
	expect("new begin set:default/a:2 end ");
}
END_TEST

START_TEST(the_node_sends_in_its_own_name)
{
	fixture_add(&f,
	    "apiVersion: v1\nkind: Node\nmetadata: {name: w1}\nspec: {podCIDRs: [10.10.1.0/24]}\n"
	    "status: {addresses: [{type: InternalIP, address: 127.0.0.1}]}\n");
	begin();
	ck_assert_str_eq(addr_str(&fake_datapath.snat4), "127.0.0.1");
	ck_assert_uint_eq(fake_datapath.nr_cluster, 2);
	/* Documentation addresses are on no machine. */
	fixture_add(&f,
	    "apiVersion: v1\nkind: Node\nmetadata: {name: w1}\n"
	    "status: {addresses: [{type: InternalIP, address: 192.0.2.77}]}\n");
	datapath_apply_all(&app);
	ck_assert(!addr_is_set(&fake_datapath.snat4));
}
END_TEST

static void
add_tests(Suite *s)
{
	TCase *tc = tcase_create("datapath_apply");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, it_is_made_once_the_loop_runs);
	tcase_add_test(tc, a_change_costs_its_service);
	tcase_add_test(tc, nothing_is_gone_before_a_source_is_in_sync);
	tcase_add_test(tc, mode_none_leaves_nothing);
	tcase_add_test(tc, a_shutdown_takes_it_out);
	tcase_add_test(tc, one_that_cannot_be_made_is_tried_again);
	tcase_add_test(tc, the_node_sends_in_its_own_name);
	suite_add_tcase(s, tc);
}

UNIT_MAIN("datapath_apply", add_tests)
