/*
 * tests/unit/bgpd/test_role.c: roles in OPENs (RFC 9234), and what a peer's limits and first AS do to its
 * session.  One speaker, a peer by hand, a fake clock.
 */
#include <string.h>

#include "tests/unit/bgpd/speakerkit.h"
#include "tests/unit/unit.h"

#define NR(a) (int)(sizeof(a) / sizeof((a)[0]))

/* On the wire, plus one, as raw_open.role has it. */
enum { PROVIDER = 1, RS, RS_CLIENT, CUSTOMER, PEER, NOBODY };

static struct duet d;

/* ---- RFC 9234 4 ---- */

/* Is @cap, a capability of three octets, in the OPEN's body? */
static bool
has_cap(const uint8_t *open, size_t len, const char *cap)
{
	for (size_t i = 0; i + 3 <= len; i++) {
		if (memcmp(open + i, cap, 3) == 0)
			return true;
	}
	return false;
}

START_TEST(rfc9234_4_1_the_role_is_told)
{
	struct bgp_peer_conf *c = duet_begin(&d);
	const uint8_t *b;
	size_t len;

	c->role = _i ? BGP_ROLE_CUSTOMER : BGP_ROLE_NONE;
	duet_dialled(&d);
	b = raw_expect(&d.r, 1, &len);
	ck_assert_int_eq(has_cap(b, len, "\x09\x01\x03"), _i);
	duet_end(&d);
}
END_TEST

START_TEST(rfc9234_4_1_not_within_our_own_as)
{
	struct bgp_peer_conf *c = duet_begin(&d);
	struct raw_open o = duet_open;
	const uint8_t *b;
	size_t len;

	c->role = BGP_ROLE_CUSTOMER;
	c->peer_as = o.as = 65001;
	o.role[0] = RS; /* nor does theirs mean anything */
	duet_dialled(&d);
	b = raw_expect(&d.r, 1, &len);
	ck_assert(!has_cap(b, len, "\x09\x01\x03"));
	raw_send_open(&d.r, &o);
	raw_expect(&d.r, 4, NULL);
	duet_end(&d);
}
END_TEST

/* Table 2; a peer without the capability is fine unless we are strict; the same role twice is one. */
static const struct {
	enum bgp_role ours;
	uint8_t theirs[2];
	bool strict, up;
} pairs[] = {
	{ BGP_ROLE_PROVIDER, { CUSTOMER }, true, true },
	{ BGP_ROLE_CUSTOMER, { PROVIDER }, true, true },
	{ BGP_ROLE_RS, { RS_CLIENT }, true, true },
	{ BGP_ROLE_RS_CLIENT, { RS }, true, true },
	{ BGP_ROLE_PEER, { PEER }, true, true },
	{ BGP_ROLE_PROVIDER, { PROVIDER }, false, false },
	{ BGP_ROLE_PROVIDER, { PEER }, false, false },
	{ BGP_ROLE_CUSTOMER, { RS }, false, false },
	{ BGP_ROLE_RS, { RS }, false, false },
	{ BGP_ROLE_RS_CLIENT, { CUSTOMER }, false, false },
	{ BGP_ROLE_PEER, { NOBODY }, false, false }, /* 5: a number without a meaning */
	{ BGP_ROLE_PEER, { 0 }, false, true },
	{ BGP_ROLE_PEER, { 0 }, true, false },
	{ BGP_ROLE_NONE, { CUSTOMER }, false, true },
	{ BGP_ROLE_PEER, { PEER, PEER }, false, true },
	{ BGP_ROLE_PEER, { PEER, CUSTOMER }, false, false },
	{ BGP_ROLE_NONE, { PEER, CUSTOMER }, false, false },
};

START_TEST(rfc9234_4_2_roles_have_to_belong_together)
{
	struct bgp_peer_conf *c = duet_begin(&d);
	struct raw_open o = duet_open;

	c->role = pairs[_i].ours;
	c->role_strict = pairs[_i].strict;
	memcpy(o.role, pairs[_i].theirs, sizeof(o.role));
	duet_dialled(&d);
	raw_expect(&d.r, 1, NULL);
	raw_send_open(&d.r, &o);
	if (pairs[_i].up)
		raw_expect(&d.r, 4, NULL);
	else
		raw_expect_note(&d.r, 2, 11);
	duet_end(&d);
}
END_TEST

/* A length that is not 4: the route goes, the session stays. */
START_TEST(rfc9234_5_a_malformed_otc_withdraws)
{
	static const uint8_t bad[] = { 0, 0, 0, 26, 0x40, 1, 1, 0, 0x40, 2, 6, 2, 1, 0, 0, 0xfd,
		0xea, 0x40, 3, 4, 127, 0, 0, 2, 0xc0, 35, 3, 0, 0, 1, 24, 10, 7, 0 };
	uint8_t update[sizeof(bad)];

	duet_begin(&d);
	duet_dialled(&d);
	raw_establish(&d.r, &duet_open);
	raw_announce(&d.r, "10.7.0.0/24", 65002);
	loop_advance(d.k.loop, 10);
	ck_assert_int_eq(kit_family_number(&d.k, 0, "received"), 1);
	memcpy(update, bad, sizeof(bad));
	raw_send_type(&d.r, 2, update, sizeof(update));
	raw_expect_quiet(&d.r);
	ck_assert_str_eq(kit_state(&d.k, 0), "established");
	ck_assert_int_eq(kit_family_number(&d.k, 0, "received"), 0);
	ck_assert_int_eq(kit_family_number(&d.k, 0, "treatedAsWithdraw"), 1);
	duet_end(&d);
}
END_TEST

/* ---- limits ---- */

static void
exceed(struct bgp_peer_conf *c, enum bgp_limit_action action, uint32_t restart_s)
{
	c->family[0].max_prefixes = 1;
	c->family[0].limit_action = action;
	c->family[0].restart_s = restart_s;
	duet_dialled(&d);
	raw_establish(&d.r, &duet_open);
	raw_announce(&d.r, "10.7.0.0/24", 65002);
	raw_announce(&d.r, "10.8.0.0/24", 65002);
	raw_expect_note(&d.r, 6, 1);
	ck_assert_str_eq(kit_state(&d.k, 0), "idle");
}

START_TEST(too_many_prefixes_restart_after_the_time)
{
	exceed(duet_begin(&d), BGP_LIMIT_RESTART, 60);
	ck_assert_int_eq(kit_number(&d.k, 0, "limitSecondsLeft"), 60);
	loop_advance(d.k.loop, 59000);
	ck_assert(!raw_try_accept(&d.r));
	loop_advance(d.k.loop, 1001);
	raw_accept(&d.r);
	raw_establish(&d.r, &duet_open);
	kit_until(&d.k, 0, "established");
	duet_end(&d);
}
END_TEST

/* 1: the peer's own connection is not taken either; 2: by an order; 3: by another limit; 4: by a reset. */
START_TEST(too_many_prefixes_shut_down)
{
	struct bgp_peer_conf *c = duet_begin(&d);

	exceed(c, BGP_LIMIT_SHUTDOWN, 60);
	loop_advance(d.k.loop, 3600000);
	ck_assert_str_eq(kit_state(&d.k, 0), "idle");
	ck_assert(!raw_try_accept(&d.r));
	if (_i == 2)
		ck_assert_int_eq(bgp_peer_enable(d.k.bgp, "p"), 0);
	if (_i == 3) {
		c->family[0].max_prefixes = 10;
		kit_apply(&d.k);
	}
	if (_i == 4)
		ck_assert_int_eq(bgp_peer_clear(d.k.bgp, "p", BGP_CLEAR_HARD), 0);
	loop_advance(d.k.loop, 1000);
	ck_assert_int_eq(raw_try_accept(&d.r), _i > 1);
	duet_end(&d);
}
END_TEST

/* The same configuration again does not bring it back. */
START_TEST(a_reload_leaves_it_down)
{
	exceed(duet_begin(&d), BGP_LIMIT_SHUTDOWN, 0);
	kit_apply(&d.k);
	loop_advance(d.k.loop, 3600000);
	ck_assert_str_eq(kit_state(&d.k, 0), "idle");
	ck_assert(!raw_try_accept(&d.r));
	duet_end(&d);
}
END_TEST

START_TEST(a_limit_that_is_lowered_ends_the_session)
{
	struct bgp_peer_conf *c = duet_begin(&d);

	duet_dialled(&d);
	raw_establish(&d.r, &duet_open);
	raw_announce(&d.r, "10.7.0.0/24", 65002);
	raw_announce(&d.r, "10.8.0.0/24", 65002);
	loop_advance(d.k.loop, 10);
	c->family[0].max_prefixes = 1;
	c->family[0].limit_action = BGP_LIMIT_SHUTDOWN;
	kit_apply(&d.k);
	raw_expect_note(&d.r, 6, 1);
	loop_advance(d.k.loop, 1000);
	ck_assert_str_eq(kit_state(&d.k, 0), "idle");
	duet_end(&d);
}
END_TEST

/* What was refused comes again when it is asked for. */
START_TEST(another_first_as_is_a_soft_change)
{
	struct bgp_peer_conf *c = duet_begin(&d);

	duet_dialled(&d);
	raw_establish(&d.r, &duet_open);
	raw_announce(&d.r, "10.7.0.0/24", 65009);
	loop_advance(d.k.loop, 10);
	ck_assert_int_eq(kit_family_number(&d.k, 0, "received"), 0);
	c->any_first_as = true;
	kit_apply(&d.k);
	raw_expect(&d.r, 5, NULL);
	raw_announce(&d.r, "10.7.0.0/24", 65009);
	loop_advance(d.k.loop, 10);
	ck_assert_int_eq(kit_family_number(&d.k, 0, "received"), 1);
	ck_assert_int_eq(kit_number(&d.k, 0, "flaps"), 0);
	duet_end(&d);
}
END_TEST

static void
add_tests(Suite *s)
{
	TCase *tc = tcase_create("role");

	tcase_add_loop_test(tc, rfc9234_4_1_the_role_is_told, 0, 2);
	tcase_add_test(tc, rfc9234_4_1_not_within_our_own_as);
	tcase_add_loop_test(tc, rfc9234_4_2_roles_have_to_belong_together, 0, NR(pairs));
	tcase_add_test(tc, rfc9234_5_a_malformed_otc_withdraws);
	tcase_add_test(tc, too_many_prefixes_restart_after_the_time);
	tcase_add_loop_test(tc, too_many_prefixes_shut_down, 1, 5);
	tcase_add_test(tc, a_reload_leaves_it_down);
	tcase_add_test(tc, a_limit_that_is_lowered_ends_the_session);
	tcase_add_test(tc, another_first_as_is_a_soft_change);
	suite_add_tcase(s, tc);
}
UNIT_MAIN("bgpd/role", add_tests)
