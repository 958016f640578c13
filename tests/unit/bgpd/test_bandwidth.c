/*
 * tests/unit/bgpd/test_bandwidth.c: unequal shares by the Link Bandwidth Extended Community
 * (draft-ietf-idr-link-bandwidth), as told upwards; and how far such communities go (RFC 4360).
 */
#include "bgpd/out.h"

#include <string.h>

#include "tests/unit/bgpd/ribkit.h"
#include "tests/unit/unit.h"

#define P1 "172.20.1.0/24"
#define TYPE ((uint64_t)0x4004fde8 << 32)
#define TRANSITIVE ((uint64_t)0x0004fde8 << 32)

static struct kit *k;

static void
setup(void)
{
	k = kit_new();
	for (unsigned i = 0; i < 3; i++)
		kit_add(k, i, false);
}

static void
teardown(void)
{
	kit_free(k);
}

static uint64_t
bandwidth(float octets)
{
	uint32_t bits;

	memcpy(&bits, &octets, sizeof(bits));
	return TYPE | bits;
}

static void
tell(unsigned peer, uint64_t ext)
{
	const struct kit_route r = { .path = { 65001 + peer }, .ext = ext };

	ck_assert_int_eq(kit_announce(k, peer, P1, &r, NULL), 0);
	kit_run(k);
}

START_TEST(shares_are_as_the_communities_say)
{
	tell(0, bandwidth(125000));
	ck_assert_str_eq(kit_learned(k, P1), "10.0.0.1");
	tell(1, bandwidth(3 * 125000));
	ck_assert_str_eq(kit_learned(k, P1), "10.0.0.1 10.0.0.2*3");
	tell(2, bandwidth(2 * 125000));
	ck_assert_str_eq(kit_learned(k, P1), "10.0.0.1 10.0.0.2*3 10.0.0.3*2");
	tell(0, bandwidth(6 * 125000));
	tell(1, bandwidth(6 * 125000));
	tell(2, bandwidth(6 * 125000));
	ck_assert_str_eq(kit_learned(k, P1), "10.0.0.1 10.0.0.2 10.0.0.3");
}
END_TEST

/* As FRR has it by default. */
START_TEST(one_path_that_does_not_say_makes_all_alike)
{
	tell(0, bandwidth(125000));
	tell(1, bandwidth(3 * 125000));
	tell(2, 0);
	ck_assert_str_eq(kit_learned(k, P1), "10.0.0.1 10.0.0.2 10.0.0.3");
	tell(2, bandwidth(0));
	ck_assert_str_eq(kit_learned(k, P1), "10.0.0.1 10.0.0.2 10.0.0.3");
	tell(2, TYPE | 0x7fc00000); /* not a number */
	ck_assert_str_eq(kit_learned(k, P1), "10.0.0.1 10.0.0.2 10.0.0.3");
	tell(2, TYPE | 0x7f800000); /* infinite */
	ck_assert_str_eq(kit_learned(k, P1), "10.0.0.1 10.0.0.2 10.0.0.3");
	tell(2, TYPE | 0xc8000000); /* negative */
	ck_assert_str_eq(kit_learned(k, P1), "10.0.0.1 10.0.0.2 10.0.0.3");
	tell(2, (TRANSITIVE | 0x47f42400)); /* 125000, and transitive is fine */
	ck_assert_str_eq(kit_learned(k, P1), "10.0.0.1 10.0.0.2*3 10.0.0.3");
}
END_TEST

START_TEST(the_largest_share_is_what_the_kernel_takes)
{
	tell(0, bandwidth(1e12f));
	tell(1, bandwidth(5e11f));
	tell(2, bandwidth(1));
	ck_assert_str_eq(kit_learned(k, P1), "10.0.0.1*256 10.0.0.2*128 10.0.0.3");
	tell(2, bandwidth(333333333333.0f));
	ck_assert_str_eq(kit_learned(k, P1), "10.0.0.1*6 10.0.0.2*3 10.0.0.3*2");
}
END_TEST

/* RFC 4360 6: not across the border of the AS, unless it is our own word. */
START_TEST(rfc4360_6_what_is_not_transitive_stays_in_the_as)
{
	struct kit_conf c;
	struct bgp_attrs a;

	for (unsigned i = 3; i < 5; i++) {
		kit_conf_init(&c, i);
		c.export[0].accept = true;
		c.conf.export.nr_rules = 1;
		kit_conf(k, i, &c);
		kit_up(k, i, i == 3);
	}
	tell(0, bandwidth(125000));
	for (unsigned i = 3; i < 5; i++) {
		const struct member *m = k->rib->adjs[k->peers[i].adj->id]->member[0];
		uint32_t set = umap_get(&m->group->out, 1);

		ck_assert_uint_ne(set, 0);
		attrset_view(&k->rib->sets, set, &a);
		ck_assert_uint_eq(a.ext_communities.len, i == 3 ? 8 : 0);
	}
}
END_TEST

/* Services that share an address: the route has the highest, whoever wins else. */
START_TEST(of_several_owners_the_highest_counts)
{
	static const char *const owners[] = { "a", "b", "c" };
	struct bgp_announce one = kit_own("10.99.0.0/24");
	const struct member *m = k->rib->adjs[k->peers[0].adj->id]->member[0];
	struct bgp_attrs a;

	for (unsigned i = 0; i < 3; i++) {
		const uint64_t ext[] = { bandwidth((float)(125000 * (i == 1 ? 5 : i + 1))),
			0x0002fde800000001u + i };

		one.communities = (struct bgp_communities){ .ext = ext, .nr_ext = 2 };
		ck_assert_int_eq(rib_originate(k->rib, owners[i], &one, 1), 0);
	}
	kit_run(k);
	attrset_view(&k->rib->sets, umap_get(&m->group->out, 1), &a);
	ck_assert_uint_eq(a.ext_communities.len, 4 * 8); /* three others, and one bandwidth */
	ck_assert_uint_eq(a.ext_communities.p[24], 0x40);
	ck_assert_mem_eq(a.ext_communities.p + 28, "\x49\x18\x96\x80", 4); /* 625000 */
}
END_TEST

static void
add_tests(Suite *s)
{
	TCase *tc = tcase_create("bandwidth");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, shares_are_as_the_communities_say);
	tcase_add_test(tc, one_path_that_does_not_say_makes_all_alike);
	tcase_add_test(tc, the_largest_share_is_what_the_kernel_takes);
	tcase_add_test(tc, of_several_owners_the_highest_counts);
	tcase_add_test(tc, rfc4360_6_what_is_not_transitive_stays_in_the_as);
	suite_add_tcase(s, tc);
}
UNIT_MAIN("bandwidth", add_tests)
