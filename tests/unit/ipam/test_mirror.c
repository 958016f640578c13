/*
 * tests/unit/ipam/test_mirror.c: claims that somebody else serves: what the statuses say is held, no
 * more and no less; who takes over renumbers nobody; and addresses given by hand.
 */
#include "ipam/ipam.h"
#include "tests/unit/unit.h"

#include <errno.h>
#include <string.h>

static struct ipam *ipam;

static struct addr
A(const char *text) {
	struct addr a;

	ck_assert_int_eq(addr_parse(text, &a), 0);
	return a;
}

static void
claim(const char *owner, int64_t created, bool mirrored, const char *asked)
{
	struct addr want = asked ? A(asked) : (struct addr){ 0 };
	const struct ipam_claim c = { .owner = owner,
		.created = created,
		.requested = &want,
		.nr_requested = asked != NULL,
		.families = { ADDR_V4 },
		.nr_families = 1,
		.any_pool = true,
		.mirrored = mirrored };

	ck_assert_int_eq(ipam_claim_set(ipam, &c), 0);
}

static int
mirror(const char *owner, const char *one, const char *two)
{
	struct addr v[2];
	size_t nr = 0;

	if (one)
		v[nr++] = A(one);
	if (two)
		v[nr++] = A(two);
	return ipam_mirror(ipam, owner, v, nr);
}

static const char *
owner_of(const char *addr)
{
	const struct addr a = A(addr);
	const char *owner = ipam_owner_of(ipam, &a);

	return owner ? owner : "";
}

static enum reason
reason_of(const char *owner)
{
	struct ipam_claim_info info;

	ck_assert_int_eq(ipam_claim_get(ipam, owner, &info), 0);
	return info.reason;
}

static void
setup(void)
{
	struct ipam_block block = { .range = { A("192.0.2.0"), A("192.0.2.3") } };
	const struct ipam_pool pool = { .name = "blue",
		.created = 1,
		.allow_first_last = true,
		.blocks = &block,
		.nr_blocks = 1 };

	ipam = ipam_new(NULL, NULL);
	ck_assert_int_eq(ipam_pools_set(ipam, &pool, 1), 0);
}

static void
teardown(void)
{
	ipam_free(ipam);
}

START_TEST(nothing_is_given_here)
{
	claim("ns/a", 1, true, NULL);
	claim("ns/b", 2, true, "192.0.2.2");
	claim("ns/c", 3, true, "198.51.100.1");
	ipam_start(ipam);
	ck_assert_int_eq(reason_of("ns/a"), REASON_WAITS_FOR_LEADER);
	ck_assert_int_eq(reason_of("ns/b"), REASON_WAITS_FOR_LEADER);
	ck_assert_int_eq(reason_of("ns/c"), REASON_OUTSIDE_POOL); /* as the leader sees it */
	ck_assert_str_eq(owner_of("192.0.2.0"), "");
}
END_TEST

START_TEST(what_is_said_is_held)
{
	claim("ns/a", 1, true, NULL);
	ck_assert_int_eq(mirror("ns/a", "192.0.2.3", NULL), 0);
	ck_assert_str_eq(owner_of("192.0.2.3"), "ns/a"); /* before the start too */
	ipam_start(ipam);
	ck_assert_int_eq(reason_of("ns/a"), REASON_SATISFIED);
	ck_assert_int_eq(mirror("ns/a", "192.0.2.1", "203.0.113.9"), 0);
	ipam_settle(ipam);
	ck_assert_str_eq(owner_of("192.0.2.3"), "");
	ck_assert_str_eq(owner_of("192.0.2.1"), "ns/a");
	ck_assert_str_eq(owner_of("203.0.113.9"), "ns/a"); /* in no pool, and more than is wanted */
	ck_assert_int_eq(mirror("ns/a", NULL, NULL), 0);
	ipam_settle(ipam);
	ck_assert_str_eq(owner_of("192.0.2.1"), "");
	ck_assert_int_eq(reason_of("ns/a"), REASON_WAITS_FOR_LEADER);
}
END_TEST

START_TEST(of_two_the_older_has_it)
{
	claim("ns/young", 2, true, NULL);
	claim("ns/old", 1, true, NULL);
	ck_assert_int_eq(mirror("ns/young", "192.0.2.1", NULL), 0);
	ck_assert_int_eq(mirror("ns/old", "192.0.2.1", NULL), 0);
	ck_assert_str_eq(owner_of("192.0.2.1"), "ns/old");
	ck_assert_int_eq(mirror("ns/young", "192.0.2.1", "192.0.2.2"), -EADDRINUSE);
	ck_assert_str_eq(owner_of("192.0.2.1"), "ns/old");
	ck_assert_str_eq(owner_of("192.0.2.2"), "ns/young"); /* the rest is taken on */
	ipam_start(ipam);
	claim("ns/served", 3, false, NULL);
	ipam_settle(ipam);
	ck_assert_str_eq(owner_of("192.0.2.0"), "ns/served");
	ck_assert_int_eq(mirror("ns/old", "192.0.2.0", NULL), -EADDRINUSE);
	ck_assert_str_eq(owner_of("192.0.2.0"), "ns/served");
}
END_TEST

START_TEST(who_takes_over_renumbers_nobody)
{
	claim("ns/a", 1, true, NULL);
	claim("ns/b", 2, true, NULL);
	claim("ns/c", 3, true, NULL);
	ck_assert_int_eq(mirror("ns/a", "192.0.2.3", NULL), 0);
	ck_assert_int_eq(mirror("ns/b", "203.0.113.9", NULL), 0); /* its pool is gone */
	ipam_start(ipam);
	claim("ns/a", 1, false, NULL);
	claim("ns/b", 2, false, NULL);
	claim("ns/c", 3, false, NULL);
	ipam_settle(ipam);
	ck_assert_str_eq(owner_of("192.0.2.3"), "ns/a");
	ck_assert_str_eq(owner_of("203.0.113.9"), "ns/b");
	ck_assert_str_eq(owner_of("192.0.2.0"), "ns/c");
	/* And back: what was given and not told is not held any more. */
	claim("ns/c", 3, true, NULL);
	ck_assert_int_eq(mirror("ns/c", NULL, NULL), 0);
	ipam_settle(ipam);
	ck_assert_str_eq(owner_of("192.0.2.0"), "");
	ck_assert_int_eq(mirror("ns/a", NULL, NULL), -ENOENT); /* served here */
}
END_TEST

START_TEST(a_claim_that_goes_takes_its_addresses_along)
{
	claim("ns/a", 1, true, NULL);
	ck_assert_int_eq(mirror("ns/a", "192.0.2.3", NULL), 0);
	ipam_start(ipam);
	ipam_claim_del(ipam, "ns/a");
	ipam_settle(ipam);
	ck_assert_str_eq(owner_of("192.0.2.3"), "");
	ck_assert_int_eq(mirror("ns/a", "192.0.2.3", NULL), -ENOENT);
}
END_TEST

static int
adopt(const char *owner, const char *addr)
{
	const struct addr a = A(addr);

	return ipam_adopt(ipam, owner, &a);
}

START_TEST(by_hand)
{
	claim("ns/a", 1, false, NULL);
	claim("ns/b", 2, false, NULL);
	claim("ns/fixed", 3, false, "192.0.2.3");
	ipam_start(ipam);
	ck_assert_str_eq(owner_of("192.0.2.0"), "ns/a");
	ck_assert_int_eq(adopt("ns/a", "192.0.2.0"), 0);
	ck_assert_int_eq(adopt("ns/a", "192.0.2.1"), -EADDRINUSE);
	ck_assert_int_eq(adopt("ns/a", "203.0.113.9"), -ERANGE);
	ck_assert_int_eq(adopt("ns/a", "2001:db8::1"), -EINVAL);
	ck_assert_int_eq(adopt("ns/fixed", "192.0.2.2"), -EINVAL);
	ck_assert_int_eq(adopt("ns/gone", "192.0.2.2"), -ENOENT);
	ck_assert_str_eq(owner_of("192.0.2.0"), "ns/a");
	ck_assert_int_eq(adopt("ns/a", "192.0.2.2"), 0);
	ipam_settle(ipam);
	ck_assert_str_eq(owner_of("192.0.2.2"), "ns/a");
	ck_assert_str_eq(owner_of("192.0.2.0"), "");
}
END_TEST

static void
add_tests(Suite *s)
{
	TCase *tc = tcase_create("mirror");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, nothing_is_given_here);
	tcase_add_test(tc, what_is_said_is_held);
	tcase_add_test(tc, of_two_the_older_has_it);
	tcase_add_test(tc, who_takes_over_renumbers_nobody);
	tcase_add_test(tc, a_claim_that_goes_takes_its_addresses_along);
	tcase_add_test(tc, by_hand);
	suite_add_tcase(s, tc);
}

UNIT_MAIN("mirror", add_tests)
