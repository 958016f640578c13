/*
 * tests/unit/bgpd/test_conf.c: what each field of a peer's configuration costs, and that a copy is
 * a copy.
 */
#include <stdlib.h>
#include <string.h>

#include "bgpd/conf.h"
#include "tests/unit/unit.h"

static struct bgp_peer_conf
sample(void)
{
	struct bgp_peer_conf c = { .name = "p", .hold_s = 90, .keepalive_s = 30, .md5_key = "key" };

	ck_assert_int_eq(addr_parse("192.0.2.1", &c.addr), 0);
	c.family[0].enabled = true;
	return c;
}

static void
other_addr(struct bgp_peer_conf *c)
{
	ck_assert_int_eq(addr_parse("192.0.2.2", &c->addr), 0);
}

static void
other_local(struct bgp_peer_conf *c)
{
	ck_assert_int_eq(addr_parse("192.0.2.9", &c->local_addr), 0);
}

#define CHANGE(name, statement)                                                                    \
	static void name(struct bgp_peer_conf *c)                                                  \
	{                                                                                          \
		statement;                                                                         \
	}
CHANGE(nothing, (void)c)
CHANGE(ifindex, c->ifindex = 3)
CHANGE(other_port, c->port = 1179)
CHANGE(peer_as, c->peer_as = 65000)
CHANGE(other_as, c->other_as = true)
CHANGE(hold, c->hold_s = 9)
CHANGE(keepalive, c->keepalive_s = 3)
CHANGE(ttl, c->ttl = 2)
CHANGE(gtsm, c->gtsm_hops = 1)
CHANGE(ext_msg, c->ext_msg = true)
CHANGE(gr, c->gr = true)
CHANGE(gr_time, c->gr_time_s = 20)
CHANGE(other_key, c->md5_key = "other")
CHANGE(no_key, c->md5_key = NULL)
CHANGE(held, c->held_down = "why")
CHANGE(no_ipv4, c->family[0].enabled = false)
CHANGE(ipv6, c->family[1].enabled = true)
CHANGE(retry, c->connect_retry_s = 5)
CHANGE(passive, c->passive = true)
CHANGE(limit, c->family[0].max_prefixes = 5)
CHANGE(audience, c->family[0].audience = "x")
CHANGE(loops, c->allow_as_in = 1)
CHANGE(rules, c->import.nr_rules = 0)

static const struct {
	const char *what;
	void (*change)(struct bgp_peer_conf *);
	enum conf_cost cost;
} cases[] = {
	{ "nothing", nothing, CONF_SAME },
	{ "addr", other_addr, CONF_RESET },
	{ "local_addr", other_local, CONF_RESET },
	{ "ifindex", ifindex, CONF_RESET },
	{ "port", other_port, CONF_RESET },
	{ "peer_as", peer_as, CONF_RESET },
	{ "other_as", other_as, CONF_RESET },
	{ "hold_s", hold, CONF_RESET },
	{ "keepalive_s", keepalive, CONF_RESET },
	{ "ttl", ttl, CONF_RESET },
	{ "gtsm_hops", gtsm, CONF_RESET },
	{ "ext_msg", ext_msg, CONF_RESET },
	{ "gr", gr, CONF_RESET },
	{ "gr_time_s", gr_time, CONF_RESET },
	{ "md5_key", other_key, CONF_RESET },
	{ "md5_key", no_key, CONF_RESET },
	{ "held_down", held, CONF_RESET },
	{ "family[BGP_IPV4_UNICAST].enabled", no_ipv4, CONF_RESET },
	{ "family[BGP_IPV6_UNICAST].enabled", ipv6, CONF_RESET },
	{ "connect_retry_s", retry, CONF_NEXT },
	{ "passive", passive, CONF_NEXT },
	/* the RIB's: no session cost */
	{ "family[BGP_IPV4_UNICAST].max_prefixes", limit, CONF_SOFT },
	{ "audience", audience, CONF_SAME },
	{ "allow_as_in", loops, CONF_SOFT },
	{ "import", rules, CONF_SAME },
};
#define NR_CASES ((int)(sizeof(cases) / sizeof(cases[0])))

START_TEST(each_field_has_its_cost)
{
	struct bgp_peer_conf a = sample(), b = sample();
	const char *field = NULL;

	cases[_i].change(&b);
	ck_assert_int_eq(conf_compare(&a, &b, &field), cases[_i].cost);
	if (cases[_i].cost != CONF_SAME)
		ck_assert_str_eq(field, cases[_i].what);
	else
		ck_assert_ptr_null(field);
}
END_TEST

START_TEST(the_dearest_field_counts)
{
	struct bgp_peer_conf a = sample(), b = sample();
	const char *field = NULL;

	passive(&b);
	hold(&b);
	ck_assert_int_eq(conf_compare(&a, &b, &field), CONF_RESET);
	ck_assert_str_eq(field, "hold_s");
}
END_TEST

START_TEST(all_that_differs_is_named)
{
	struct bgp_peer_conf a = sample(), b = sample();
	const char *names[8] = { NULL };

	ck_assert_uint_eq(conf_differences(&a, &b, names, 8), 0);
	loops(&b);
	passive(&b);
	other_key(&b);
	hold(&b);
	ck_assert_uint_eq(conf_differences(&a, &b, names, 8), 4);
	/* the dearest first, in the order of the table */
	ck_assert_str_eq(names[0], "hold_s");
	ck_assert_str_eq(names[1], "md5_key");
	ck_assert_str_eq(names[2], "passive");
	ck_assert_str_eq(names[3], "allow_as_in");
	ck_assert_uint_eq(conf_differences(&a, &b, names, 2), 2);
}
END_TEST

START_TEST(a_copy_does_not_borrow)
{
	char name[] = "peer", key[] = "secret", held[] = "held";
	struct bgp_peer_conf from = sample(), *c;
	const char *field = NULL;

	from.name = name;
	from.md5_key = key;
	from.held_down = held;
	from.family[1].enabled = true;
	c = conf_copy(&from);
	ck_assert_int_eq(conf_compare(c, &from, &field), CONF_SAME);
	memset(name, 'x', 4);
	memset(key, 'x', 6);
	memset(held, 'x', 4);
	ck_assert_str_eq(c->name, "peer");
	ck_assert_str_eq(c->md5_key, "secret");
	ck_assert_str_eq(c->held_down, "held");
	ck_assert_uint_eq(conf_families(c), 3);
	conf_free(c);
	conf_free(NULL);
}
END_TEST

static void
add_tests(Suite *s)
{
	TCase *tc = tcase_create("conf");

	tcase_add_loop_test(tc, each_field_has_its_cost, 0, NR_CASES);
	tcase_add_test(tc, the_dearest_field_counts);
	tcase_add_test(tc, all_that_differs_is_named);
	tcase_add_test(tc, a_copy_does_not_borrow);
	suite_add_tcase(s, tc);
}
UNIT_MAIN("conf", add_tests)
