/*
 * tests/unit/daemon/test_bfd_wanted.c: from a peer's configuration to how BFD watches it.
 */
#include "daemon/bfd_wanted.h"

#include "tests/unit/daemon/fixture.h"
#include "tests/unit/unit.h"

static struct fixture f;
static struct arena arena;
static struct bfd_wanted want;
static const char *problem;

static void
setup(void)
{
	fixture_init(&f);
	memset(&want, 0, sizeof(want));
}

static void
teardown(void)
{
	arena_fini(&arena);
	fixture_fini(&f);
}

/* Of peer 10.0.0.2 in AS 65000, we in 65001, with the BGPPeerConfig's @spec; @ttl as it is when set. */
static bool
wanted(const char *spec, struct bgp_peer_conf *peer)
{
	char text[512];

	snprintf(text, sizeof(text),
	    "apiVersion: heraldlb.io/v1\nkind: BGPPeerConfig\nmetadata: {name: p}\nspec: {%s}\n",
	    spec);
	fixture_add(&f, text);
	return bfd_wanted_peer(
	    f.store, store_peer_config(f.store, "p"), peer, 65001, &arena, &want, &problem);
}

static struct bgp_peer_conf
peer_at(const char *address)
{
	struct bgp_peer_conf peer = { .name = "tor", .peer_as = 65000, .ttl = 1 };

	ck_assert_int_eq(addr_parse(address, &peer.addr), 0);
	return peer;
}

static void
add_profile(const char *spec)
{
	char text[512];

	snprintf(text, sizeof(text),
	    "apiVersion: heraldlb.io/v1\nkind: BFDProfile\nmetadata: {name: fast}\nspec: {%s}\n",
	    spec);
	fixture_add(&f, text);
}

START_TEST(not_unless_it_is_asked_for)
{
	struct bgp_peer_conf peer = peer_at("10.0.0.2");

	ck_assert(!wanted("", &peer));
	ck_assert_ptr_null(problem);
	ck_assert(!wanted("bfd: {enabled: false, detectionMultiplier: 9}", &peer));
	ck_assert_ptr_null(problem);
}
END_TEST

START_TEST(by_a_profile)
{
	struct bgp_peer_conf peer = peer_at("10.0.0.2");

	add_profile("transmitInterval: 50, receiveInterval: 60, detectMultiplier: 4, "
		    "passiveMode: true, minimumTtl: 250");
	peer.local_addr = peer_at("10.0.0.1").addr;
	ck_assert(wanted("bfdProfile: fast, bfd: {enabled: true}", &peer));
	ck_assert_ptr_null(problem);
	ck_assert_str_eq(want.peer, "tor");
	ck_assert_uint_eq(want.conf.tx_us, 50000);
	ck_assert_uint_eq(want.conf.rx_us, 60000);
	ck_assert_uint_eq(want.conf.multiplier, 4);
	ck_assert_uint_eq(want.conf.min_ttl, 250);
	ck_assert(want.conf.passive);
	ck_assert(!want.conf.multihop && !want.by_link);
	ck_assert(addr_eq(&want.conf.peer, &peer.addr));
	ck_assert(addr_eq(&want.conf.local, &peer.local_addr));
	ck_assert_uint_eq(want.conf.key_len, 0);
}
END_TEST

START_TEST(defaults_of_a_profile)
{
	struct bgp_peer_conf peer = peer_at("fd00::2");

	add_profile("");
	ck_assert(wanted("bfdProfile: fast", &peer));
	ck_assert_uint_eq(want.conf.tx_us, 300000);
	ck_assert_uint_eq(want.conf.rx_us, 300000);
	ck_assert_uint_eq(want.conf.multiplier, 3);
	ck_assert_uint_eq(want.conf.min_ttl, 254);
	ck_assert(!want.conf.passive);
}
END_TEST

START_TEST(without_a_profile)
{
	struct bgp_peer_conf peer = peer_at("10.0.0.2");

	ck_assert(wanted("bfd: {enabled: true, transmitIntervalMilliseconds: 70, "
			 "receiveIntervalMilliseconds: 80, detectionMultiplier: 1}",
	    &peer));
	ck_assert_uint_eq(want.conf.tx_us, 70000);
	ck_assert_uint_eq(want.conf.rx_us, 80000);
	ck_assert_uint_eq(want.conf.multiplier, 1);
}
END_TEST

START_TEST(the_distance)
{
	struct bgp_peer_conf peer = peer_at("10.0.0.2");

	peer.ttl = 2;
	ck_assert(wanted("bfd: {enabled: true}", &peer));
	ck_assert(want.conf.multihop && !want.by_link);
	peer.peer_as = 65001; /* iBGP: the link tells */
	ck_assert(wanted("bfd: {enabled: true}", &peer));
	ck_assert(!want.conf.multihop && want.by_link);
}
END_TEST

START_TEST(rfc5880_6_7_4_a_key_of_one_to_twenty_octets)
{
	struct bgp_peer_conf peer = peer_at("10.0.0.2");
	static const char secret[] = "apiVersion: v1\nkind: Secret\nmetadata: {name: %s}\n"
				     "stringData: {%s: \"%s\"}\n";
	char text[512];

	add_profile("authSecretRef: key, authKeyID: 7");
	ck_assert(!wanted("bfdProfile: fast", &peer));
	ck_assert_ptr_nonnull(
	    strstr(problem, "Secret key (authSecretRef of BFDProfile fast) is missing"));
	snprintf(text, sizeof(text), secret, "key", "other", "x");
	fixture_add(&f, text);
	ck_assert(!wanted("bfdProfile: fast", &peer));
	ck_assert_ptr_nonnull(strstr(problem, "has no value"));
	snprintf(text, sizeof(text), secret, "key", "password", "123456789012345678901");
	fixture_add(&f, text);
	ck_assert(!wanted("bfdProfile: fast", &peer));
	ck_assert_ptr_nonnull(strstr(problem, "1 to 20 bytes"));
	ck_assert_ptr_null(strstr(problem, "12345"));
	snprintf(text, sizeof(text), secret, "key", "password", "12345678901234567890");
	fixture_add(&f, text);
	ck_assert(wanted("bfdProfile: fast", &peer));
	ck_assert_ptr_null(problem);
	ck_assert_uint_eq(want.conf.key_len, 20);
	ck_assert_mem_eq(want.conf.key, "12345678901234567890", 20);
	ck_assert_uint_eq(want.conf.key_id, 7);
}
END_TEST

START_TEST(what_cannot_be_done_is_told)
{
	struct bgp_peer_conf peer = peer_at("10.0.0.2");

	ck_assert(!wanted("bfdProfile: gone", &peer));
	ck_assert_ptr_nonnull(strstr(problem, "BFDProfile gone (bfdProfile) is missing"));
	add_profile("echoMode: true");
	ck_assert(wanted("bfdProfile: fast", &peer));
	ck_assert_ptr_nonnull(strstr(problem, "echoMode of BFDProfile fast is not spoken"));
	peer = peer_at("fe80::1");
	ck_assert(!wanted("bfd: {enabled: true}", &peer));
	ck_assert_ptr_nonnull(strstr(problem, "link-local"));
}
END_TEST

static void
add_tests(Suite *s)
{
	TCase *t = tcase_create("bfd-wanted");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, not_unless_it_is_asked_for);
	tcase_add_test(t, by_a_profile);
	tcase_add_test(t, defaults_of_a_profile);
	tcase_add_test(t, without_a_profile);
	tcase_add_test(t, the_distance);
	tcase_add_test(t, rfc5880_6_7_4_a_key_of_one_to_twenty_octets);
	tcase_add_test(t, what_cannot_be_done_is_told);
	suite_add_tcase(s, t);
}
UNIT_MAIN("daemon/bfd_wanted", add_tests)
