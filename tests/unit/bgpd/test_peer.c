/*
 * tests/unit/bgpd/test_peer.c: what the configuration and orders do to sessions, and when a peer
 * is tried again.
 */
#include <errno.h>
#include <string.h>

#include "tests/unit/bgpd/speakerkit.h"
#include "tests/unit/unit.h"

#define US "127.0.0.1"
#define THEM "127.0.0.2"

static struct kit k;
static struct raw r, r2;
static uint16_t port;
static const struct raw_open plain = { .as = 65002, .id = 9, .hold = 0, .families = 1 };

static struct bgp_peer_conf *
begin(void)
{
	port = kit_port();
	kit_init(&k, NULL, US, port, 65001);
	r.fd = r.listener = r2.fd = r2.listener = -1;
	return kit_peer(&k, "p", THEM, port, 65002);
}

static struct bgp_peer_conf *
begin_up(void)
{
	struct bgp_peer_conf *c = begin();

	raw_listen(&r, &k, THEM, port);
	kit_apply(&k);
	raw_accept(&r);
	raw_establish(&r, &plain);
	loop_advance(k.loop, 5000);
	return c;
}

static void
end(void)
{
	raw_fini(&r);
	raw_fini(&r2);
	kit_fini(&k);
}

/* ---- apply ---- */

static const struct bgp_rule reject_all = { .accept = false };

/* What does not touch the session. */
static void
change_softly(struct bgp_peer_conf *c, int which)
{
	switch (which) {
	case 0:
		break;
	case 1:
		c->family[0].max_prefixes = 10;
		break;
	case 2:
		c->family[0].audience = "others";
		break;
	case 3:
		c->import.rules = &reject_all;
		break;
	case 4:
		c->allow_as_in = 3;
		break;
	case 5:
		c->connect_retry_s = 5;
		break;
	case 6:
		c->passive = true;
		break;
	default:
		k.conf.host_name = "other";
	}
}

START_TEST(apply_keeps_a_session_that_it_does_not_concern)
{
	struct bgp_peer_conf *c = begin_up();

	change_softly(c, _i);
	kit_apply(&k);
	loop_advance(k.loop, 5000);
	ck_assert_str_eq(kit_state(&k, 0), "established");
	ck_assert_int_ge(kit_number(&k, 0, "uptimeSeconds"), 9);
	ck_assert_int_eq(kit_number(&k, 0, "flaps"), 0);
	end();
}
END_TEST

/* What is in the OPEN, or in the socket. */
static void
change_hard(struct bgp_peer_conf *c, int which)
{
	switch (which) {
	case 0:
		c->hold_s = 30;
		break;
	case 1:
		c->keepalive_s = 7;
		break;
	case 2:
		c->family[1].enabled = true;
		break;
	case 3:
		c->gr = true;
		break;
	case 4:
		c->ttl = 5;
		break;
	case 5:
		c->ext_msg = true;
		break;
	case 6:
		c->peer_as = 65009;
		break;
	case 7:
		k.instance.router_id = 77;
		break;
	case 8:
		k.instance.local_as = 65099;
		break;
	case 9:
		c->local_as = 64999;
		break;
	case 10:
		c->ext_next_hop = true;
		break;
	default:
		c->local_addr = (struct addr){ 0 };
	}
}

START_TEST(rfc4486_4_apply_resets_what_changed_with_other_configuration_change)
{
	struct bgp_peer_conf *c = begin_up();

	change_hard(c, _i);
	kit_apply(&k);
	raw_expect_note(&r, 6, 6);
	loop_advance(k.loop, 200);
	raw_accept(&r);
	raw_expect(&r, 1, NULL);
	end();
}
END_TEST

START_TEST(rfc4486_4_a_peer_that_is_gone_is_told_so_and_others_stay)
{
	begin();
	kit_peer(&k, "q", "127.0.0.3", port, 65003);
	raw_listen(&r, &k, THEM, port);
	raw_listen(&r2, &k, "127.0.0.3", port);
	kit_apply(&k);
	raw_accept(&r);
	raw_accept(&r2);
	raw_establish(&r, &plain);
	k.instance.nr_peers = 1;
	kit_apply(&k);
	raw_expect_note(&r2, 6, 3);
	ck_assert_str_eq(kit_state(&k, 0), "established");
	ck_assert_int_eq(kit_number(&k, 0, "flaps"), 0);
	/* and the whole instance */
	k.conf.nr_instances = 0;
	kit_apply(&k);
	raw_expect_note(&r, 6, 3);
	end();
}
END_TEST

START_TEST(apply_of_the_same_changes_nothing_on_the_wire)
{
	begin_up();
	(void)raw_count(&r, 4);
	for (int i = 0; i < 5; i++)
		kit_apply(&k);
	raw_expect_quiet(&r);
	end();
}
END_TEST

START_TEST(a_peer_that_is_held_down_says_why_and_takes_no_connection)
{
	struct bgp_peer_conf *c = begin();

	c->held_down = "the Secret bgp-key does not exist";
	raw_listen(&r, &k, THEM, port);
	kit_apply(&k);
	loop_advance(k.loop, 300000);
	ck_assert(!raw_try_accept(&r));
	ck_assert_str_eq(kit_state(&k, 0), "idle");
	ck_assert_str_eq(kit_error(&k, 0), c->held_down);
	raw_connect(&r2, &k, THEM, US, port);
	raw_expect_close(&r2);
	ck_assert_uint_eq(r2.nr_in, 0);
	/* the Secret is there */
	c->held_down = NULL;
	kit_apply(&k);
	loop_advance(k.loop, 200);
	raw_accept(&r);
	raw_establish(&r, &plain);
	end();
}
END_TEST

START_TEST(a_port_that_is_taken_is_an_error_and_tried_again)
{
	begin();
	raw_listen(&r, &k, US, port);
	ck_assert_int_eq(bgp_apply(k.bgp, &k.conf), -EADDRINUSE);
	raw_fini(&r);
	r.fd = r.listener = -1;
	loop_advance(k.loop, 1100);
	raw_connect(&r2, &k, THEM, US, port);
	raw_expect(&r2, 1, NULL);
	end();
}
END_TEST

START_TEST(an_instance_may_have_a_port_of_its_own)
{
	uint16_t own = kit_port();

	begin();
	k.peers[0].passive = true;
	k.instance.local_port = own;
	kit_apply(&k);
	raw_connect(&r, &k, THEM, US, own);
	raw_establish(&r, &plain);
	/* and is not to be had at the others' port then */
	raw_connect(&r2, &k, THEM, US, port);
	raw_expect_close(&r2);
	ck_assert_uint_eq(r2.nr_in, 0);
	end();
}
END_TEST

START_TEST(a_peer_that_is_passive_no_longer_is_dialled_at_once)
{
	struct bgp_peer_conf *c = begin();

	c->passive = true;
	raw_listen(&r, &k, THEM, port);
	kit_apply(&k);
	loop_advance(k.loop, 1000);
	c->passive = false;
	kit_apply(&k);
	raw_accept(&r);
	raw_establish(&r, &plain);
	end();
}
END_TEST

/* ---- orders ---- */

START_TEST(rfc4486_4_clear_is_an_administrative_reset_and_comes_back)
{
	begin_up();
	ck_assert_int_eq(bgp_peer_clear(k.bgp, "p", BGP_CLEAR_HARD), 0);
	raw_expect_note(&r, 6, 4);
	loop_advance(k.loop, 200);
	raw_accept(&r);
	raw_establish(&r, &plain);
	ck_assert_int_eq(bgp_peer_clear(k.bgp, "nobody", BGP_CLEAR_HARD), -ENOENT);
	end();
}
END_TEST

START_TEST(a_shutdown_outlives_reloads_until_enable)
{
	struct bgp_peer_conf *c = begin_up();

	ck_assert_int_eq(bgp_peer_shutdown(k.bgp, THEM, "work on the rack"), 0);
	raw_expect_note(&r, 6, 2);
	c->hold_s = 30;
	kit_apply(&k);
	loop_advance(k.loop, 300000);
	ck_assert(!raw_try_accept(&r));
	ck_assert_str_eq(kit_state(&k, 0), "idle");
	ck_assert_int_eq(bgp_peer_enable(k.bgp, "p"), 0);
	raw_accept(&r);
	raw_establish(&r, &plain);
	end();
}
END_TEST

/* ---- when it is tried again ---- */

/* How often a peer is dialled in the next @ms: each connection is closed at once. */
static unsigned
dials_within(uint64_t ms)
{
	unsigned nr = 0;

	for (uint64_t t = 0; t < ms; t += 50) {
		loop_advance(k.loop, 50);
		while (raw_try_accept(&r)) {
			nr++;
			raw_abort(&r);
		}
	}
	return nr;
}

START_TEST(rfc4271_10_retries_are_quick_at_first_and_slow_in_the_long_run)
{
	struct bgp_peer_conf *c = begin();

	c->connect_retry_s = 20;
	raw_listen(&r, &k, THEM, port);
	kit_apply(&k);
	ck_assert_uint_ge(dials_within(2000), 4);
	(void)dials_within(60000);
	/* with jitter: between fifteen and twenty seconds apart */
	ck_assert_uint_le(dials_within(60000), 5);
	ck_assert_uint_ge(dials_within(60000), 2);
	end();
}
END_TEST

START_TEST(a_refused_connection_is_tried_again_soon_and_the_peers_own_is_taken_at_once)
{
	begin();
	kit_apply(&k); /* nobody listens there */
	loop_advance(k.loop, 20000);
	ck_assert_str_ne(kit_state(&k, 0), "established");
	ck_assert_ptr_nonnull(strstr(kit_error(&k, 0), "Connection refused"));
	raw_connect(&r, &k, THEM, US, port);
	raw_establish(&r, &plain);
	end();
}
END_TEST

START_TEST(rfc4271_8_1_1_a_peer_that_fails_again_and_again_is_damped)
{
	struct raw_open wrong = plain;
	unsigned heard = 0;

	begin();
	wrong.as = 65003;
	kit_apply(&k);
	/* It dials twenty times in a second: metallb's speaker took them all. */
	for (int i = 0; i < 20; i++) {
		raw_connect(&r, &k, THEM, US, port);
		for (int j = 0; j < 50 && !r.closed && r.nr_in == 0; j++)
			raw_poll(&r);
		if (r.nr_in) {
			heard++;
			raw_send_open(&r, &wrong);
			loop_advance(k.loop, 10);
		}
		raw_close(&r);
		loop_advance(k.loop, 40);
	}
	ck_assert_uint_ge(heard, 1);
	ck_assert_uint_le(heard, 8);
	ck_assert_int_ge(kit_number(&k, 0, "connectionsRefused"), 12);
	end();
}
END_TEST

START_TEST(a_lasting_session_that_is_lost_is_dialled_again_within_100_ms)
{
	begin_up();
	raw_close(&r);
	loop_advance(k.loop, 0);
	ck_assert_str_ne(kit_state(&k, 0), "established");
	loop_advance(k.loop, 100);
	raw_accept(&r);
	raw_establish(&r, &plain);
	end();
}
END_TEST

START_TEST(two_hundred_peers_are_dialled_in_one_turn)
{
	static struct bgp_peer_conf many[200];
	static char names[200][8], addrs[200][16];
	struct bgp_peer_conf *c = begin();
	unsigned up = 0;
	json_t *all;

	for (unsigned i = 0; i < 200; i++) {
		snprintf(names[i], sizeof(names[i]), "p%u", i);
		snprintf(addrs[i], sizeof(addrs[i]), "127.0.1.%u", i + 1);
		many[i] = *c;
		many[i].name = names[i];
		many[i].addr = kit_addr(addrs[i]);
	}
	k.instance.peers = many;
	k.instance.nr_peers = 200;
	kit_apply(&k);
	all = bgp_show_peers(k.bgp);
	for (unsigned i = 0; i < 200; i++)
		up += strcmp(json_string_value(json_object_get(
				 json_array_get(json_object_get(all, "peers"), i), "state")),
			  "connect") == 0;
	json_decref(all);
	ck_assert_uint_eq(up, 200);
	end();
}
END_TEST

static void
add_tests(Suite *s)
{
	TCase *tc = tcase_create("apply");

	tcase_add_loop_test(tc, apply_keeps_a_session_that_it_does_not_concern, 0, 8);
	tcase_add_loop_test(
	    tc, rfc4486_4_apply_resets_what_changed_with_other_configuration_change, 0, 12);
	tcase_add_test(tc, rfc4486_4_a_peer_that_is_gone_is_told_so_and_others_stay);
	tcase_add_test(tc, apply_of_the_same_changes_nothing_on_the_wire);
	tcase_add_test(tc, a_peer_that_is_held_down_says_why_and_takes_no_connection);
	tcase_add_test(tc, a_port_that_is_taken_is_an_error_and_tried_again);
	tcase_add_test(tc, an_instance_may_have_a_port_of_its_own);
	tcase_add_test(tc, a_peer_that_is_passive_no_longer_is_dialled_at_once);
	suite_add_tcase(s, tc);
	tc = tcase_create("orders");
	tcase_add_test(tc, rfc4486_4_clear_is_an_administrative_reset_and_comes_back);
	tcase_add_test(tc, a_shutdown_outlives_reloads_until_enable);
	suite_add_tcase(s, tc);
	tc = tcase_create("again");
	tcase_set_timeout(tc, 30);
	tcase_add_test(tc, rfc4271_10_retries_are_quick_at_first_and_slow_in_the_long_run);
	tcase_add_test(
	    tc, a_refused_connection_is_tried_again_soon_and_the_peers_own_is_taken_at_once);
	tcase_add_test(tc, rfc4271_8_1_1_a_peer_that_fails_again_and_again_is_damped);
	tcase_add_test(tc, a_lasting_session_that_is_lost_is_dialled_again_within_100_ms);
	tcase_add_test(tc, two_hundred_peers_are_dialled_in_one_turn);
	suite_add_tcase(s, tc);
}
UNIT_MAIN("peer", add_tests)
