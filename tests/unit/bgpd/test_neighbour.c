/*
 * tests/unit/bgpd/test_neighbour.c: what depends on how a peer and we know each other: the AS that it
 * takes us for (RFC 7705), and next hops of either family (RFC 8950, RFC 2545).
 */
#include <string.h>

#include "bgpd/out.h"
#include "tests/unit/bgpd/ribkit.h"
#include "tests/unit/unit.h"

static struct kit *k;

static void
setup(void)
{
	k = kit_new();
}

static void
teardown(void)
{
	kit_free(k);
}

static void
up(unsigned peer, const struct adj_session *s)
{
	struct kit_peer *p = &k->peers[peer];
	struct kit_conf c;

	kit_conf_init(&c, peer);
	c.export[0].accept = true; /* learned routes go on */
	c.conf.export.nr_rules = 1;
	kit_conf(k, peer, &c);
	p->s = *s;
	p->up = true;
	adj_up(p->adj, &p->s);
}

/* Peer 0 knows us as AS 64999. */
static void
up_as_another(enum bgp_local_as mode)
{
	struct adj_session s = kit_session(0, false);

	s.local_as = 64999;
	s.own_as = KIT_AS;
	s.local_as_mode = mode;
	up(0, &s);
	s = kit_session(1, false);
	up(1, &s);
}

START_TEST(rfc7705_3_2_own_as_behind_the_one_that_the_peer_knows)
{
	static const char *const paths[] = { [BGP_LOCAL_AS_PREPEND] = "igp|64999 65000|10.0.0.100",
		[BGP_LOCAL_AS_NO_PREPEND] = "igp|64999 65000|10.0.0.100",
		[BGP_LOCAL_AS_REPLACE] = "igp|64999|10.0.0.100" };
	struct bgp_announce a = kit_own("10.1.0.0/16");

	up_as_another((enum bgp_local_as)_i);
	ck_assert_int_eq(rib_originate(k->rib, "o", &a, 1), 0);
	kit_run(k);
	ck_assert_str_eq(kit_told(k, 0, "10.1.0.0/16"), paths[_i]);
	ck_assert_str_eq(kit_told(k, 1, "10.1.0.0/16"), "igp|65000|10.0.0.100");
}
END_TEST

START_TEST(rfc7705_3_1_received_paths_get_the_as_that_the_peer_knows)
{
	static const char *const paths[] = { [BGP_LOCAL_AS_PREPEND] =
						 "igp|65000 64999 65001|10.0.0.100",
		[BGP_LOCAL_AS_NO_PREPEND] = "igp|65000 65001|10.0.0.100",
		[BGP_LOCAL_AS_REPLACE] = "igp|65000 65001|10.0.0.100" };
	const struct kit_route route = { .path = { 65001 } };

	up_as_another((enum bgp_local_as)_i);
	ck_assert_int_eq(kit_announce(k, 0, "10.2.0.0/16", &route, NULL), 0);
	kit_run(k);
	ck_assert_str_eq(kit_told(k, 1, "10.2.0.0/16"), paths[_i]);
}
END_TEST

START_TEST(rfc7705_3_3_a_loop_is_seen_by_either_as)
{
	const struct kit_route real = { .path = { 65001, KIT_AS } };
	const struct kit_route known = { .path = { 65001, 64999 } };
	const struct kit_route fine = { .path = { 65001, 64998 } };

	up_as_another(BGP_LOCAL_AS_REPLACE);
	ck_assert_int_eq(kit_announce(k, 0, "10.2.0.0/16", &real, NULL), 0);
	ck_assert_int_eq(kit_announce(k, 0, "10.3.0.0/16", &known, NULL), 0);
	ck_assert_int_eq(kit_announce(k, 0, "10.4.0.0/16", &fine, NULL), 0);
	kit_run(k);
	ck_assert_str_eq(kit_learned(k, "10.2.0.0/16"), "");
	ck_assert_str_eq(kit_learned(k, "10.3.0.0/16"), "");
	ck_assert_str_eq(kit_learned(k, "10.4.0.0/16"), "10.0.0.1");
}
END_TEST

/* A session between link-local addresses on a link of number 7. */
static struct adj_session
unnumbered(void)
{
	struct adj_session s = kit_session(0, false);

	s.ext_next_hop = BGP_FAMILY_MASK(BGP_IPV4_UNICAST);
	s.local = (struct addr){ .b = { 0xfe, 0x80, [15] = 9 }, .family = ADDR_V6 };
	s.remote = (struct addr){ .b = { 0xfe, 0x80, [15] = 1 }, .family = ADDR_V6 };
	s.self[BGP_IPV4_UNICAST] = s.self[BGP_IPV6_UNICAST] = s.self_ll = s.local;
	s.ifindex = 7;
	return s;
}

START_TEST(rfc8950_3_ipv4_is_told_with_an_ipv6_next_hop)
{
	struct bgp_announce a = kit_own("10.1.0.0/16");
	const struct adj_session s = unnumbered();

	up(0, &s);
	ck_assert_int_eq(rib_originate(k->rib, "o", &a, 1), 0);
	kit_run(k);
	ck_assert_str_eq(kit_told(k, 0, "10.1.0.0/16"), "igp|65000|fe80::9+fe80::9");
	ck_assert_int_eq(rib_originate(k->rib, "o", NULL, 0), 0);
	kit_run(k);
	ck_assert_str_eq(kit_told(k, 0, "10.1.0.0/16"), "");
}
END_TEST

START_TEST(rfc8950_4_not_told_with_an_ipv6_next_hop_unless_agreed)
{
	struct bgp_announce a = kit_own("10.1.0.0/16");
	struct adj_session s = unnumbered();

	s.ext_next_hop = 0;
	up(0, &s);
	ck_assert_int_eq(rib_originate(k->rib, "o", &a, 1), 0);
	kit_run(k);
	ck_assert_str_eq(kit_told(k, 0, "10.1.0.0/16"), "");
}
END_TEST

static struct bgp_hop last;

static void
learned(void *arg, const char *instance, const struct prefix *p, unsigned nr,
    const struct bgp_hop *hops)
{
	(void)arg;
	(void)instance;
	(void)p;
	memset(&last, 0, sizeof(last));
	if (nr)
		last = hops[0];
}

START_TEST(rfc8950_3_ipv4_over_a_link_local_next_hop_is_learned_with_its_link)
{
	const struct kit_route route = { .next_hop = "fe80::1", .path = { 65001 } };
	const struct adj_session s = unnumbered();

	k->rib->ops.learned = learned;
	up(0, &s);
	ck_assert_int_eq(kit_announce(k, 0, "10.2.0.0/16", &route, NULL), 0);
	kit_run(k);
	ck_assert_str_eq(addr_str(&last.next_hop), "fe80::1");
	ck_assert_uint_eq(last.ifindex, 7);
}
END_TEST

/* fd00::1 with fe80::1 behind it, for 10.2.0.0/16, of AS 65001. */
static const uint8_t both_hops[] = { 0, 0, 0, 56, 0x80, 14, 40, 0, 1, 1, 32, 0xfd, 0, 0, 0, 0, 0, 0,
	0, 0, 0, 0, 0, 0, 0, 0, 1, 0xfe, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 16, 10,
	2, 0x40, 1, 1, 0, 0x40, 2, 6, 2, 1, 0, 0, 0xfd, 0xe9 };

START_TEST(rfc2545_3_of_two_next_hops_the_one_that_the_session_proves)
{
	struct adj_session s = unnumbered();
	struct bgp_fault f;

	k->rib->ops.learned = learned;
	if (_i) /* a session between global addresses */
		s.remote = (struct addr){ .b = { 0xfd, [15] = 1 }, .family = ADDR_V6 };
	up(0, &s);
	ck_assert_int_eq(
	    adj_update(k->peers[0].adj, wire_rd_init(both_hops, sizeof(both_hops)), &f), 0);
	kit_run(k);
	ck_assert_str_eq(addr_str(&last.next_hop), _i ? "fd00::1" : "fe80::1");
	ck_assert_uint_eq(last.ifindex, _i ? 0 : 7);
}
END_TEST

static void
add_tests(Suite *s)
{
	TCase *tc = tcase_create("neighbour");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_loop_test(tc, rfc7705_3_2_own_as_behind_the_one_that_the_peer_knows, 0, 3);
	tcase_add_loop_test(tc, rfc7705_3_1_received_paths_get_the_as_that_the_peer_knows, 0, 3);
	tcase_add_test(tc, rfc7705_3_3_a_loop_is_seen_by_either_as);
	tcase_add_test(tc, rfc8950_3_ipv4_is_told_with_an_ipv6_next_hop);
	tcase_add_test(tc, rfc8950_4_not_told_with_an_ipv6_next_hop_unless_agreed);
	tcase_add_test(tc, rfc8950_3_ipv4_over_a_link_local_next_hop_is_learned_with_its_link);
	tcase_add_loop_test(tc, rfc2545_3_of_two_next_hops_the_one_that_the_session_proves, 0, 2);
	suite_add_tcase(s, tc);
}
UNIT_MAIN("neighbour", add_tests)
