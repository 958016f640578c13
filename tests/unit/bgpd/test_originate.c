/*
 * tests/unit/bgpd/test_originate.c: what we originate, by owner: only differences go out, owners
 * share prefixes, and each peer hears of its audience.
 */
#include "bgpd/rib.h"

#include <errno.h>
#include <string.h>

#include "lib/mem.h"
#include "tests/unit/bgpd/ribkit.h"
#include "tests/unit/unit.h"

static struct kit *k;

static void
setup(void)
{
	k = kit_new();
	kit_add(k, 0, true); /* internal, so that local preference is seen */
}

static void
teardown(void)
{
	kit_free(k);
}

static void
want(const char *owner, const struct bgp_announce *a, size_t nr)
{
	ck_assert_int_eq(rib_originate(k->rib, owner, a, nr), 0);
	kit_run(k);
}

START_TEST(only_differences_go_out)
{
	struct bgp_announce a[3] = { kit_own("10.1.0.0/16"), kit_own("10.2.0.0/16"),
		kit_own("10.3.0.0/16") };
	struct kit_peer *p = &k->peers[0];

	want("o", a, 3);
	ck_assert_uint_eq(p->announced, 3);
	ck_assert_uint_eq(p->messages, 1);
	want("o", a, 3);
	ck_assert_uint_eq(p->messages, 1);
	a[1].has_med = true;
	a[1].med = 4;
	want("o", a, 3);
	ck_assert_uint_eq(p->announced, 4);
	ck_assert_str_eq(kit_told(k, 0, "10.2.0.0/16"), "igp||10.0.0.100|med 4|lp 100");
	/* Another order is no difference; one less is one withdrawal. */
	a[2] = a[0];
	a[0] = kit_own("10.3.0.0/16");
	want("o", a, 3);
	ck_assert_uint_eq(p->announced, 4);
	want("o", a, 2);
	ck_assert_uint_eq(p->withdrawn, 1);
	ck_assert_str_eq(kit_told(k, 0, "10.1.0.0/16"), "");
	want("o", NULL, 0);
	ck_assert_uint_eq(kit_table_size(p), 0);
	ck_assert_uint_eq(p->redundant, 0);
}
END_TEST

START_TEST(what_comes_and_goes_in_one_turn_is_never_sent)
{
	struct bgp_announce a = kit_own("10.1.0.0/16");

	ck_assert_int_eq(rib_originate(k->rib, "o", &a, 1), 0);
	ck_assert_int_eq(rib_originate(k->rib, "o", NULL, 0), 0);
	kit_run(k);
	ck_assert_uint_eq(k->peers[0].messages, 0);
}
END_TEST

START_TEST(withdrawals_go_first)
{
	struct bgp_announce a = kit_own("10.1.0.0/16"), b = kit_own("10.0.0.0/16");

	want("o", &a, 1);
	kit_counters_clear(k);
	want("o", &b, 1);
	ck_assert_uint_eq(k->peers[0].announced, 1);
	ck_assert_uint_eq(k->peers[0].withdrawn, 1);
	ck_assert(!k->peers[0].withdrew_last);
}
END_TEST

START_TEST(owners_share_a_prefix)
{
	static const uint32_t c1 = 0x00010001, c2[] = { 0x00010001, 0x00020002 };
	struct bgp_announce a = kit_own("10.1.0.0/16"), b = a;

	a.communities = (struct bgp_communities){ .std = &c1, .nr_std = 1 };
	a.has_med = b.has_med = true;
	a.med = 1;
	b.med = 2;
	b.communities = (struct bgp_communities){ .std = c2, .nr_std = 2 };
	want("b", &b, 1);
	want("a", &a, 1);
	/* No preference: the first owner by name, with everybody's communities. */
	ck_assert_str_eq(kit_told(k, 0, "10.1.0.0/16"), "igp||10.0.0.100|med 1|lp 100|1:1 2:2");
	b.has_local_pref = true;
	b.local_pref = 200;
	want("b", &b, 1);
	ck_assert_str_eq(kit_told(k, 0, "10.1.0.0/16"), "igp||10.0.0.100|med 2|lp 200|1:1 2:2");
	b.local_pref = 50; /* below what no preference means */
	want("b", &b, 1);
	ck_assert_str_eq(kit_told(k, 0, "10.1.0.0/16"), "igp||10.0.0.100|med 1|lp 100|1:1 2:2");
	kit_counters_clear(k);
	want("a", NULL, 0);
	ck_assert_str_eq(kit_told(k, 0, "10.1.0.0/16"), "igp||10.0.0.100|med 2|lp 50|1:1 2:2");
	ck_assert_uint_eq(k->peers[0].withdrawn, 0);
	want("b", NULL, 0);
	ck_assert_str_eq(kit_told(k, 0, "10.1.0.0/16"), "");
}
END_TEST

START_TEST(an_owner_may_say_a_prefix_twice)
{
	static const uint32_t c1 = 0x00010001, c2 = 0x00020002;
	struct bgp_announce a[2] = { kit_own("10.1.0.0/16"), kit_own("10.1.0.0/16") };

	a[0].communities = (struct bgp_communities){ .std = &c1, .nr_std = 1 };
	a[1].communities = (struct bgp_communities){ .std = &c2, .nr_std = 1 };
	want("o", a, 2);
	ck_assert_str_eq(kit_told(k, 0, "10.1.0.0/16"), "igp||10.0.0.100|lp 100|1:1 2:2");
	want("o", a, 2);
	ck_assert_uint_eq(k->peers[0].messages, 1);
	want("o", a, 1);
	ck_assert_str_eq(kit_told(k, 0, "10.1.0.0/16"), "igp||10.0.0.100|lp 100|1:1");
	want("o", NULL, 0);
	ck_assert_str_eq(kit_told(k, 0, "10.1.0.0/16"), "");
}
END_TEST

START_TEST(each_audience_hears_its_own)
{
	struct bgp_announce a[2] = { kit_own("10.1.0.0/16"), kit_own("10.1.0.0/16") };
	struct kit_conf c;

	kit_conf_init(&c, 1);
	c.conf.family[BGP_IPV4_UNICAST].audience = "edge";
	kit_conf(k, 1, &c);
	kit_up(k, 1, true);
	kit_conf_init(&c, 2);
	c.conf.family[BGP_IPV4_UNICAST].audience = NULL;
	kit_conf(k, 2, &c);
	kit_up(k, 2, true);
	a[1].audience = "edge";
	a[1].has_med = true;
	a[1].med = 9;
	want("o", a, 2);
	ck_assert_str_eq(kit_told(k, 0, "10.1.0.0/16"), "igp||10.0.0.100|lp 100");
	ck_assert_str_eq(kit_told(k, 1, "10.1.0.0/16"), "igp||10.0.0.100|med 9|lp 100");
	ck_assert_str_eq(kit_told(k, 2, "10.1.0.0/16"), "");
	kit_counters_clear(k);
	want("o", a, 1); /* the edge alone loses it */
	ck_assert_uint_eq(k->peers[0].messages, 0);
	ck_assert_str_eq(kit_told(k, 1, "10.1.0.0/16"), "");
}
END_TEST

START_TEST(export_rules_tell_sources_apart)
{
	struct bgp_announce a[2] = { kit_own("10.1.0.0/16"), kit_own("10.2.0.0/16") };
	struct kit_conf c;

	a[1].source = BGP_SRC_PODCIDR;
	want("o", a, 2);
	kit_conf_init(&c, 0);
	c.export[0].match.sources = 1u << BGP_SRC_PODCIDR; /* rejects */
	c.export[1].accept = true;
	c.export[1].set.has_local_pref = true;
	c.export[1].set.local_pref = 300;
	c.conf.export.nr_rules = 2;
	kit_counters_clear(k);
	kit_conf(k, 0, &c);
	kit_run(k);
	ck_assert_str_eq(kit_told(k, 0, "10.1.0.0/16"), "igp||10.0.0.100|lp 300");
	ck_assert_str_eq(kit_told(k, 0, "10.2.0.0/16"), "");
	ck_assert_uint_eq(k->peers[0].announced, 1);
	ck_assert_uint_eq(k->peers[0].withdrawn, 1);
}
END_TEST

/* RFC 8326: peers are asked to leave, by the community and inside by the preference, and no more. */
START_TEST(graceful_shutdown)
{
	struct bgp_announce a = kit_own("10.1.0.0/16");
	struct kit_conf c[2];

	want("o", &a, 1);
	kit_add(k, 1, false);
	kit_run(k);
	for (unsigned i = 0; i < 2; i++) {
		kit_conf_init(&c[i], i);
		c[i].conf.graceful_shutdown = true;
		kit_conf(k, i, &c[i]);
	}
	kit_run(k);
	ck_assert_str_eq(kit_told(k, 0, "10.1.0.0/16"), "igp||10.0.0.100|lp 0|65535:0");
	ck_assert_str_eq(kit_told(k, 1, "10.1.0.0/16"), "igp|65000|10.0.0.100|65535:0");
	ck_assert_uint_eq(k->peers[0].withdrawn, 0);
	for (unsigned i = 0; i < 2; i++) {
		kit_conf_init(&c[i], i);
		kit_conf(k, i, &c[i]);
	}
	kit_run(k);
	ck_assert_str_eq(kit_told(k, 0, "10.1.0.0/16"), "igp||10.0.0.100|lp 100");
}
END_TEST

/* Every allocation of a call fails once: the call says so and changes nothing, or it works. */
START_TEST(memory_runs_out)
{
	static const uint32_t c1 = 0x00010001, c2 = 0x00020002;
	struct bgp_announce old[3] = { kit_own("10.1.0.0/16"), kit_own("10.2.0.0/16"),
		kit_own("2001:db8::/48") };
	struct bgp_announce new[3] = { kit_own("10.1.0.0/16"), kit_own("10.3.0.0/16"),
		kit_own("10.2.0.0/16") };
	struct bgp_announce other = kit_own("10.1.0.0/16");
	unsigned failures = 0;

	other.communities = (struct bgp_communities){ .std = &c1, .nr_std = 1 };
	new[0].communities = (struct bgp_communities){ .std = &c2, .nr_std = 1 };
	new[2].audience = "edge";
	new[1].policy = "another";
	want("other", &other, 1);
	for (unsigned nth = 1; nth < 60; nth++) {
		int err;

		want("o", old, 3);
		ck_assert_uint_eq(kit_table_size(&k->peers[0]), 3);
		mem_fail_at(nth);
		err = rib_originate(k->rib, "o", new, 3);
		mem_fail_at(0);
		if (err < 0) {
			ck_assert_int_eq(err, -ENOMEM);
			failures++;
			kit_run(k);
			loop_advance(k->loop, 1000);
			ck_assert_uint_eq(kit_table_size(&k->peers[0]), 3);
			ck_assert_str_eq(
			    kit_told(k, 0, "10.1.0.0/16"), "igp||10.0.0.100|lp 100|1:1");
			want("o", new, 3);
		}
		loop_advance(k->loop, 1000);
		ck_assert_uint_eq(kit_table_size(&k->peers[0]), 2);
		ck_assert_str_eq(kit_told(k, 0, "10.1.0.0/16"), "igp||10.0.0.100|lp 100|1:1 2:2");
		want("o", NULL, 0);
		ck_assert_uint_eq(kit_table_size(&k->peers[0]), 1);
	}
	ck_assert_uint_ge(failures, 4);
}
END_TEST

/* Told of what stands for several addresses, as long as anybody wants it, and by whom. */
START_TEST(aggregates_are_told_as_they_come_and_go)
{
	struct bgp_announce net = kit_own("172.16.1.0/24"), host = kit_own("172.16.1.1/32");
	struct bgp_announce pods = net;

	ck_assert_int_eq(rib_originate(k->rib, "a", &host, 1), 0);
	kit_run(k);
	ck_assert_uint_eq(k->nr_aggregates, 0);
	ck_assert_int_eq(rib_originate(k->rib, "a", &net, 1), 0);
	ck_assert_int_eq(rib_originate(k->rib, "b", &net, 1), 0);
	kit_run(k);
	ck_assert_uint_eq(k->nr_aggregates, 1);
	ck_assert_str_eq(k->aggregate, "172.16.1.0/24");
	ck_assert_uint_eq(k->aggregate_now, 1u << BGP_SRC_SERVICE);
	ck_assert_int_eq(rib_originate(k->rib, "b", NULL, 0), 0);
	kit_run(k);
	ck_assert_uint_eq(k->nr_aggregates, 1);
	pods.source = BGP_SRC_PODCIDR;
	ck_assert_int_eq(rib_originate(k->rib, "a", &pods, 1), 0);
	kit_run(k);
	ck_assert_uint_eq(k->aggregate_was, 1u << BGP_SRC_SERVICE);
	ck_assert_uint_eq(k->aggregate_now, 1u << BGP_SRC_PODCIDR);
	rib_forget(k->rib);
	ck_assert_uint_eq(k->nr_aggregates, 3);
	ck_assert_uint_eq(k->aggregate_now, 0);
}
END_TEST

static void
add_tests(Suite *s)
{
	TCase *tc = tcase_create("originate");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, only_differences_go_out);
	tcase_add_test(tc, what_comes_and_goes_in_one_turn_is_never_sent);
	tcase_add_test(tc, withdrawals_go_first);
	tcase_add_test(tc, owners_share_a_prefix);
	tcase_add_test(tc, an_owner_may_say_a_prefix_twice);
	tcase_add_test(tc, each_audience_hears_its_own);
	tcase_add_test(tc, export_rules_tell_sources_apart);
	tcase_add_test(tc, graceful_shutdown);
	tcase_add_test(tc, aggregates_are_told_as_they_come_and_go);
	tcase_add_test(tc, memory_runs_out);
	suite_add_tcase(s, tc);
}
UNIT_MAIN("originate", add_tests)
