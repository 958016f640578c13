/*
 * tests/unit/bgpd/test_collision.c: two connections with one peer (RFC 4271 6.8, 8.2.1, 6286 2.3).
 */
#include "tests/unit/bgpd/speakerkit.h"
#include "tests/unit/unit.h"

#define US "127.0.0.1"
#define THEM "127.0.0.2"
#define LOW_ID 0x01000001u  /* below 127.0.0.1 */
#define HIGH_ID 0xc0000201u /* above it */

static struct kit k;
static struct raw r, r2;
static uint16_t port;
static const struct raw_open plain = { .as = 65002, .id = HIGH_ID, .hold = 90, .families = 1 };

static void
end(void)
{
	raw_fini(&r);
	raw_fini(&r2);
	kit_fini(&k);
}

/* Two connections: r is ours, r2 theirs; both have our OPEN. */
static void
collide(uint32_t our_as, uint32_t peer_as)
{
	port = kit_port();
	kit_init(&k, NULL, US, port, our_as);
	kit_peer(&k, "p", THEM, port, peer_as);
	raw_listen(&r, &k, THEM, port);
	kit_apply(&k);
	raw_accept(&r);
	raw_expect(&r, 1, NULL);
	raw_connect(&r2, &k, THEM, US, port);
	raw_expect(&r2, 1, NULL);
}

START_TEST(rfc4271_6_8_the_higher_identifiers_connection_stays)
{
	struct raw_open o = plain;
	struct raw *stays, *goes, *first = _i & 1 ? &r : &r2, *second = _i & 1 ? &r2 : &r;

	o.id = _i & 2 ? HIGH_ID : LOW_ID;
	stays = _i & 2 ? &r2 : &r;
	goes = _i & 2 ? &r : &r2;
	collide(65001, 65002);
	raw_send_open(first, &o);
	raw_expect(first, 4, NULL);
	raw_send_open(second, &o);
	if (second == stays)
		raw_expect(stays, 4, NULL);
	raw_expect_note(goes, 6, 7);
	raw_keepalive(stays);
	kit_until(&k, 0, "established");
	raw_expect_quiet(stays);
	end();
}
END_TEST

START_TEST(rfc6286_2_3_equal_identifiers_are_decided_by_the_as_number)
{
	struct raw_open o = {
		.as = _i ? 65003 : 65001, .id = 0x7f000001, .hold = 90, .families = 1
	};

	collide(65002, o.as);
	raw_send_open(&r, &o);
	raw_expect(&r, 4, NULL);
	raw_send_open(&r2, &o);
	raw_expect_note(_i ? &r : &r2, 6, 7);
	end();
}
END_TEST

START_TEST(rfc4271_6_8_established_wins_whatever_the_identifiers)
{
	collide(65001, 65002);
	raw_send_open(&r, &plain);
	raw_expect(&r, 4, NULL);
	raw_keepalive(&r);
	raw_expect_note(&r2, 6, 7);
	ck_assert_str_eq(kit_state(&k, 0), "established");
	/* and against one that comes later */
	raw_connect(&r2, &k, THEM, US, port);
	raw_expect(&r2, 1, NULL);
	raw_send_open(&r2, &plain);
	raw_expect_note(&r2, 6, 7);
	raw_expect_quiet(&r);
	ck_assert_str_eq(kit_state(&k, 0), "established");
	end();
}
END_TEST

START_TEST(rfc4271_8_2_1_a_second_connection_that_fails_leaves_the_first_alone)
{
	collide(65001, 65002);
	raw_abort(&r2);
	loop_advance(k.loop, 10);
	raw_send_open(&r, &plain);
	raw_expect(&r, 4, NULL);
	raw_keepalive(&r);
	kit_until(&k, 0, "established");
	end();
}
END_TEST

START_TEST(rfc4271_8_2_1_the_second_connection_takes_over_when_the_first_fails)
{
	collide(65001, 65002);
	raw_abort(&r);
	loop_advance(k.loop, 10);
	raw_send_open(&r2, &plain);
	raw_expect(&r2, 4, NULL);
	raw_keepalive(&r2);
	kit_until(&k, 0, "established");
	end();
}
END_TEST

static void
add_tests(Suite *s)
{
	TCase *tc = tcase_create("two connections");

	tcase_add_loop_test(tc, rfc4271_6_8_the_higher_identifiers_connection_stays, 0, 4);
	tcase_add_loop_test(tc, rfc6286_2_3_equal_identifiers_are_decided_by_the_as_number, 0, 2);
	tcase_add_test(tc, rfc4271_6_8_established_wins_whatever_the_identifiers);
	tcase_add_test(tc, rfc4271_8_2_1_a_second_connection_that_fails_leaves_the_first_alone);
	tcase_add_test(tc, rfc4271_8_2_1_the_second_connection_takes_over_when_the_first_fails);
	suite_add_tcase(s, tc);
}
UNIT_MAIN("collision", add_tests)
