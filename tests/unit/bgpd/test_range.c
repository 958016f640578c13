/*
 * tests/unit/bgpd/test_range.c: listen ranges: who gets in, as which peer, how many, and how they are
 * forgotten.  A speaker on 127.0.0.1, peers by hand from other loopback addresses.
 */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bgpd/range.h"
#include "tests/unit/bgpd/speakerkit.h"
#include "tests/unit/unit.h"

static struct kit k;
static struct raw r[3];
static uint16_t port;
static const struct raw_open from_65002 = {
	.as = 65002, .id = 0x0a0a0a0a, .hold = 90, .families = 1
};

static struct bgp_peer_conf *
add_range(const char *name, const char *prefix, uint32_t limit)
{
	struct bgp_peer_conf *c = kit_peer(&k, name, "127.0.0.9", 0, 65002);

	memset(&c->addr, 0, sizeof(c->addr));
	ck_assert_int_eq(prefix_parse(prefix, &c->range, NULL), 0);
	c->range_limit = limit;
	return c;
}

static void
begin(void)
{
	port = kit_port();
	kit_init(&k, NULL, "127.0.0.1", port, 65001);
}

static void
end(void)
{
	for (unsigned i = 0; i < 3; i++)
		if (r[i].kit)
			raw_fini(&r[i]);
	kit_fini(&k);
}

static void
dial(unsigned i, const char *from)
{
	raw_connect(&r[i], &k, from, "127.0.0.1", port);
	for (int turn = 0; turn < 20; turn++)
		(void)loop_turn(k.loop, 0);
}

static void
establish(unsigned i, const char *from)
{
	dial(i, from);
	raw_establish(&r[i], &from_65002);
}

/* A text of the n-th peer as it is shown; "" when there is no such peer. */
static const char *
shown(unsigned n, const char *key)
{
	static char text[4][128];
	static unsigned turn;
	json_t *o = bgp_show_peers(k.bgp);
	const char *value =
	    json_string_value(json_object_get(json_array_get(json_object_get(o, "peers"), n), key));

	turn = (turn + 1) % 4;
	snprintf(text[turn], sizeof(text[turn]), "%s", value ? value : "");
	json_decref(o);
	return text[turn];
}

static int64_t
of_range(unsigned n, const char *key)
{
	json_t *o = bgp_show_peers(k.bgp);
	int64_t value = json_integer_value(
	    json_object_get(json_array_get(json_object_get(o, "ranges"), n), key));

	json_decref(o);
	return value;
}

START_TEST(who_connects_is_a_peer_with_the_ranges_configuration)
{
	begin();
	add_range("nodes", "127.0.0.0/24", 8)->hold_s = 30;
	kit_apply(&k);
	ck_assert_str_eq(shown(0, "name"), "");
	kit_originate(&k, "10.1.0.0/24");
	bgp_routes_ready(k.bgp);
	establish(0, "127.0.0.2");
	ck_assert_str_eq(shown(0, "name"), "nodes@127.0.0.2");
	ck_assert_str_eq(shown(0, "range"), "nodes");
	ck_assert_str_eq(shown(0, "peerAddress"), "127.0.0.2");
	ck_assert_int_eq(kit_number(&k, 0, "holdTimeSeconds"), 30);
	/* Policies and audiences are the range's. */
	loop_advance(k.loop, 10);
	ck_assert_int_eq(kit_family_number(&k, 0, "advertised"), 1);
	raw_announce(&r[0], "10.2.0.0/24", 65002);
	loop_advance(k.loop, 10);
	ck_assert_int_eq(kit_family_number(&k, 0, "accepted"), 1);
	establish(1, "127.0.0.3");
	ck_assert_int_eq(of_range(0, "peers"), 2);
	ck_assert_str_eq(kit_state(&k, 0), "established");
	ck_assert_str_eq(kit_state(&k, 1), "established");
	end();
}
END_TEST

START_TEST(from_elsewhere_nobody_gets_in)
{
	begin();
	add_range("nodes", "127.0.1.0/24", 8);
	kit_apply(&k);
	dial(0, "127.0.0.2");
	raw_expect_close(&r[0]);
	ck_assert_str_eq(shown(0, "name"), "");
	end();
}
END_TEST

START_TEST(the_longest_range_and_before_all_ranges_a_peer_of_its_own)
{
	begin();
	add_range("all", "127.0.0.0/8", 8);
	add_range("few", "127.0.0.0/30", 8);
	kit_peer(&k, "one", "127.0.0.3", 0, 65002)->passive = true;
	kit_apply(&k);
	establish(0, "127.0.0.2");
	establish(1, "127.0.0.3");
	establish(2, "127.9.0.1");
	ck_assert_str_eq(shown(0, "name"), "all@127.9.0.1");
	ck_assert_str_eq(shown(1, "name"), "few@127.0.0.2");
	ck_assert_str_eq(shown(2, "name"), "one");
	ck_assert_str_eq(kit_state(&k, 2), "established");
	end();
}
END_TEST

START_TEST(no_more_than_the_limit_but_who_has_no_session_makes_room)
{
	begin();
	add_range("nodes", "127.0.0.0/24", 1);
	kit_apply(&k);
	establish(0, "127.0.0.2");
	dial(1, "127.0.0.3");
	raw_expect_close(&r[1]);
	ck_assert_int_eq(of_range(0, "refused"), 1);
	ck_assert_int_eq(of_range(0, "peers"), 1);
	raw_fini(&r[1]);
	/* The first one goes: another may come at once. */
	raw_close(&r[0]);
	loop_advance(k.loop, 100);
	establish(1, "127.0.0.3");
	ck_assert_str_eq(shown(0, "name"), "nodes@127.0.0.3");
	ck_assert_int_eq(of_range(0, "peers"), 1);
	end();
}
END_TEST

START_TEST(who_only_connects_holds_no_place_for_long)
{
	begin();
	add_range("nodes", "127.0.0.0/24", 1);
	kit_apply(&k);
	dial(0, "127.0.0.2"); /* and says nothing */
	dial(1, "127.0.0.3");
	raw_expect_close(&r[1]);
	raw_fini(&r[1]);
	loop_advance(k.loop, RANGE_HURRY_MS);
	establish(1, "127.0.0.3");
	ck_assert_int_eq(of_range(0, "peers"), 1);
	end();
}
END_TEST

START_TEST(who_is_gone_is_forgotten_a_while_later)
{
	begin();
	add_range("nodes", "127.0.0.0/24", 8);
	kit_apply(&k);
	establish(0, "127.0.0.2");
	loop_advance(k.loop, 2 * RANGE_FORGET_MS / 3);
	ck_assert_str_eq(kit_state(&k, 0), "established");
	raw_close(&r[0]);
	loop_advance(k.loop, RANGE_FORGET_MS - 1000);
	ck_assert_str_eq(shown(0, "name"), "nodes@127.0.0.2"); /* why it ended can be seen */
	ck_assert_str_ne(shown(0, "lastError"), "");
	loop_advance(k.loop, 1000 + RANGE_SWEEP_MS);
	ck_assert_str_eq(shown(0, "name"), "");
	end();
}
END_TEST

START_TEST(rfc4724_4_2_stale_routes_keep_who_told_them)
{
	struct raw_open open = from_65002;

	open.gr = true;
	open.gr_time = 120;
	begin();
	add_range("nodes", "127.0.0.0/24", 1)->gr = true;
	kit_apply(&k);
	dial(0, "127.0.0.2");
	raw_establish(&r[0], &open);
	raw_announce(&r[0], "10.2.0.0/24", 65002);
	raw_eor(&r[0]);
	loop_advance(k.loop, 10);
	raw_close(&r[0]);
	loop_advance(k.loop, 100 * 1000);
	ck_assert_str_eq(shown(0, "name"), "nodes@127.0.0.2");
	/* Nor does it make room. */
	dial(1, "127.0.0.3");
	raw_expect_close(&r[1]);
	loop_advance(k.loop, 30 * 1000 + RANGE_FORGET_MS);
	ck_assert_str_eq(shown(0, "name"), "");
	end();
}
END_TEST

/* A connection from @from with this key, NULL: none; is it answered?  Then it is in r[1]. */
static bool
dial_with_key(const char *from, const char *key)
{
	const struct addr local = kit_addr(from), to = kit_addr("127.0.0.1");
	const struct prefix there = prefix_host(&to);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), err = -1;
	socklen_t len = sizeof(err);
	struct pollfd p = { .fd = fd, .events = POLLOUT };
	struct sockaddr_storage ss;

	len = addr_to_sockaddr(&local, 0, &ss);
	ck_assert_int_eq(bind(fd, (struct sockaddr *)&ss, len), 0);
	if (key)
		ck_assert_int_eq(transport_md5(fd, &there, key), 0);
	len = addr_to_sockaddr(&to, port, &ss);
	ck_assert_int_eq(connect(fd, (struct sockaddr *)&ss, len), -1);
	/* Without the right key nothing ever comes. */
	if (poll(&p, 1, key && strcmp(key, "secret") == 0 ? 10000 : 100) == 0) {
		close(fd);
		return false;
	}
	len = sizeof(err);
	ck_assert_int_eq(getsockopt(fd, SOL_SOCKET, SO_ERROR, &err, &len), 0);
	ck_assert_int_eq(err, 0);
	memset(&r[1], 0, sizeof(r[1]));
	r[1].kit = &k;
	r[1].fd = fd;
	r[1].listener = -1;
	return true;
}

START_TEST(who_told_too_much_does_not_get_in_by_being_forgotten)
{
	struct bgp_peer_conf *c;

	begin();
	c = add_range("nodes", "127.0.0.0/24", 1);
	c->family[0].max_prefixes = 1;
	c->family[0].limit_action = BGP_LIMIT_SHUTDOWN;
	kit_apply(&k);
	establish(0, "127.0.0.2");
	raw_announce(&r[0], "10.2.0.0/24", 65002);
	raw_announce(&r[0], "10.3.0.0/24", 65002);
	raw_expect_note(&r[0], 6, 1);
	loop_advance(k.loop, 3 * RANGE_FORGET_MS);
	ck_assert_str_eq(shown(0, "name"), "nodes@127.0.0.2");
	dial(1, "127.0.0.2");
	raw_expect_close(&r[1]);
	raw_fini(&r[1]);
	dial(1, "127.0.0.3"); /* nor does it make room */
	raw_expect_close(&r[1]);
	end();
}
END_TEST

START_TEST(rfc2385_one_key_for_the_whole_range)
{
	begin();
	add_range("nodes", "127.0.0.0/24", 8)->md5_key = "secret";
	kit_peer(&k, "open", "127.0.1.2", 0, 65002)->passive = true;
	kit_apply(&k);
	/* Without the key a SYN is not answered; a peer outside the range has none. */
	establish(0, "127.0.1.2");
	ck_assert(!dial_with_key("127.0.0.2", NULL));
	ck_assert(!dial_with_key("127.0.0.2", "wrong"));
	ck_assert(dial_with_key("127.0.0.2", "secret"));
	raw_establish(&r[1], &from_65002);
	ck_assert_str_eq(shown(0, "name"), "nodes@127.0.0.2");
	end();
}
END_TEST

START_TEST(rfc5082_3_a_range_with_gtsm_lets_no_distant_one_in)
{
	begin();
	add_range("nodes", "127.0.0.0/24", 8)->gtsm_hops = 1;
	kit_peer(&k, "open", "127.0.1.2", 0, 65002)->passive =
	    true; /* the listener takes any TTL */
	kit_apply(&k);
	dial(0, "127.0.0.2"); /* TTL 64 */
	raw_expect_close(&r[0]);
	ck_assert_int_eq(of_range(0, "refused"), 1);
	ck_assert_int_eq(of_range(0, "peers"), 0);
	end();
}
END_TEST

/* ---- the configuration changes ---- */

START_TEST(a_change_is_every_peers)
{
	struct bgp_peer_conf *c;

	begin();
	c = add_range("nodes", "127.0.0.0/24", 8);
	kit_apply(&k);
	establish(0, "127.0.0.2");
	switch (_i) {
	case 0: /* nothing */
	case 1:
		if (_i)
			ck_assert_int_eq(prefix_parse("127.0.0.0/16", &c->range, NULL), 0);
		kit_apply(&k);
		loop_advance(k.loop, 1000);
		ck_assert_str_eq(kit_state(&k, 0), "established");
		break;
	case 2: /* a new hold time, as for any peer */
		c->hold_s = 60;
		kit_apply(&k);
		raw_expect_note(&r[0], 6, 6);
		break;
	case 3: /* not in the range any more */
		ck_assert_int_eq(prefix_parse("127.0.1.0/24", &c->range, NULL), 0);
		kit_apply(&k);
		raw_expect_note(&r[0], 6, 3);
		ck_assert_str_eq(shown(0, "name"), "");
		break;
	case 4: /* no range any more */
		k.instance.nr_peers = 0;
		kit_apply(&k);
		raw_expect_note(&r[0], 6, 3);
		ck_assert_str_eq(shown(0, "name"), "");
		break;
	case 5: /* it is configured by itself now */
		kit_peer(&k, "one", "127.0.0.2", 0, 65002)->passive = true;
		kit_apply(&k);
		raw_expect_note(&r[0], 6, 3);
		ck_assert_str_eq(shown(0, "name"), "one");
		ck_assert_str_eq(shown(1, "name"), "");
		break;
	default: /* another range is longer now */
		add_range("few", "127.0.0.0/30", 8);
		kit_apply(&k);
		raw_expect_note(&r[0], 6, 3);
	}
	end();
}
END_TEST

START_TEST(orders_to_a_range_are_orders_to_its_peers)
{
	begin();
	add_range("nodes", "127.0.0.0/24", 8);
	kit_apply(&k);
	establish(0, "127.0.0.2");
	ck_assert_int_eq(bgp_peer_clear(k.bgp, "nodes", BGP_CLEAR_SOFT_OUT), 0);
	ck_assert_int_eq(bgp_peer_shutdown(k.bgp, "nodes", "works"), 0);
	raw_expect_note(&r[0], 6, 2);
	dial(1, "127.0.0.3");
	raw_expect_close(&r[1]);
	raw_fini(&r[1]);
	ck_assert_int_eq(bgp_peer_enable(k.bgp, "nodes"), 0);
	loop_advance(k.loop, 1000);
	establish(1, "127.0.0.3");
	/* One of them alone. */
	ck_assert_int_eq(bgp_peer_clear(k.bgp, "nodes@127.0.0.3", BGP_CLEAR_HARD), 0);
	raw_expect_note(&r[1], 6, 4);
	ck_assert_int_eq(bgp_peer_clear(k.bgp, "nodes@127.0.0.4", BGP_CLEAR_HARD), -ENOENT);
	end();
}
END_TEST

START_TEST(held_down_it_lets_nobody_in)
{
	struct bgp_peer_conf *c;

	begin();
	c = add_range("nodes", "127.0.0.0/24", 8);
	c->held_down = "Secret x is missing";
	kit_apply(&k);
	dial(0, "127.0.0.2");
	raw_expect_close(&r[0]);
	raw_fini(&r[0]);
	c->held_down = NULL;
	kit_apply(&k);
	establish(0, "127.0.0.2");
	c->held_down = "Secret x is missing";
	kit_apply(&k);
	raw_expect_note(&r[0], 6, 6);
	end();
}
END_TEST

START_TEST(learning_is_complete_without_those_who_may_never_come_again)
{
	begin();
	add_range("nodes", "127.0.0.0/24", 8);
	kit_apply(&k);
	ck_assert(bgp_learned_complete(k.bgp));
	dial(0, "127.0.0.2");
	ck_assert(bgp_learned_complete(k.bgp));
	end();
}
END_TEST

static void
add_tests(Suite *s)
{
	TCase *tc = tcase_create("range");

	tcase_add_test(tc, who_connects_is_a_peer_with_the_ranges_configuration);
	tcase_add_test(tc, from_elsewhere_nobody_gets_in);
	tcase_add_test(tc, the_longest_range_and_before_all_ranges_a_peer_of_its_own);
	tcase_add_test(tc, no_more_than_the_limit_but_who_has_no_session_makes_room);
	tcase_add_test(tc, who_only_connects_holds_no_place_for_long);
	tcase_add_test(tc, who_is_gone_is_forgotten_a_while_later);
	tcase_add_test(tc, rfc4724_4_2_stale_routes_keep_who_told_them);
	tcase_add_test(tc, who_told_too_much_does_not_get_in_by_being_forgotten);
	tcase_add_test(tc, rfc2385_one_key_for_the_whole_range);
	tcase_add_test(tc, rfc5082_3_a_range_with_gtsm_lets_no_distant_one_in);
	tcase_add_loop_test(tc, a_change_is_every_peers, 0, 7);
	tcase_add_test(tc, orders_to_a_range_are_orders_to_its_peers);
	tcase_add_test(tc, held_down_it_lets_nobody_in);
	tcase_add_test(tc, learning_is_complete_without_those_who_may_never_come_again);
	tcase_set_timeout(tc, 60);
	suite_add_tcase(s, tc);
}
UNIT_MAIN("range", add_tests)
