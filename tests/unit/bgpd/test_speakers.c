/*
 * tests/unit/bgpd/test_speakers.c: two whole speakers against each other in one process, over
 * loopback and on one fake clock.
 */
#include <string.h>

#include "tests/unit/bgpd/speakerkit.h"
#include "tests/unit/unit.h"

static struct kit a, b;

static void
pair_init(void)
{
	uint16_t port = kit_port();

	kit_init(&a, NULL, "127.0.0.1", port, 65001);
	kit_init(&b, a.loop, "127.0.0.2", port, 65002);
	kit_peer(&a, "b", "127.0.0.2", port, 65002);
	kit_peer(&b, "a", "127.0.0.1", port, 65001);
}

static void
pair_fini(void)
{
	kit_fini(&b);
	kit_fini(&a);
}

static void
pair_up(void)
{
	kit_apply(&a);
	kit_apply(&b);
	loop_advance(a.loop, 1000);
	ck_assert_str_eq(kit_state(&a, 0), "established");
	ck_assert_str_eq(kit_state(&b, 0), "established");
}

START_TEST(routes_go_both_ways)
{
	pair_init();
	pair_up();
	kit_originate(&a, "10.1.0.0/24");
	kit_originate(&b, "10.2.0.0/24");
	bgp_routes_ready(a.bgp);
	bgp_routes_ready(b.bgp);
	loop_advance(a.loop, 10);
	ck_assert_int_eq(kit_family_number(&a, 0, "received"), 1);
	ck_assert_int_eq(kit_family_number(&b, 0, "accepted"), 1);
	ck_assert_int_eq(kit_family_number(&a, 0, "advertised"), 1);
	ck_assert_int_eq(kit_family_number(&a, 0, "eorReceived"), 1);
	ck_assert_int_eq(kit_family_number(&a, 0, "eorSent"), 1);
	ck_assert_uint_gt(a.learned, 0);
	ck_assert_uint_gt(a.changed, 0);
	pair_fini();
}
END_TEST

static void
add_tests(Suite *s)
{
	TCase *tc = tcase_create("two");

	tcase_add_test(tc, routes_go_both_ways);
	suite_add_tcase(s, tc);
}
UNIT_MAIN("speakers", add_tests)
