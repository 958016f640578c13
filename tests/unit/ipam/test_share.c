/*
 * tests/unit/ipam/test_share.c: who may be on one address with whom, and what happens when that
 * changes: the truth table of sharing, row by row, each no with its reason.
 */
#include "ipam/ipam.h"
#include "lib/text.h"
#include "tests/unit/unit.h"

#include <errno.h>
#include <string.h>

#define X "10.0.0.5"

static struct ipam *ipam;

/* One Service: "tcp/80 udp/53" and, with consent, "ns1 ns2" or "*". */
struct party {
	const char *owner, *key, *ports, *consent;
	bool local;
	const char *selector;
	const char *asks; /* an address, or NULL: any */
};

static struct addr
A(const char *text) {
	struct addr a;

	ck_assert_int_eq(addr_parse(text, &a), 0);
	return a;
}

static void
setup(void)
{
	static const struct ipam_block block = {
		{ { { 10, 0, 0, 0 }, ADDR_V4 }, { { 10, 0, 0, 15 }, ADDR_V4 } }, true
	};
	const struct ipam_pool pool = {
		.name = "p", .allow_first_last = true, .blocks = &block, .nr_blocks = 1
	};

	ipam = ipam_new(NULL, NULL);
	ck_assert_int_eq(ipam_pools_set(ipam, &pool, 1), 0);
}

static void
teardown(void)
{
	ipam_free(ipam);
}

static size_t
ports_of(const char *text, struct ipam_port *ports)
{
	char copy[100], *save = NULL;
	uint64_t port;
	size_t nr = 0;

	snprintf(copy, sizeof(copy), "%s", text ? text : "tcp/80");
	for (char *w = strtok_r(copy, " ", &save); w; w = strtok_r(NULL, " ", &save)) {
		ck_assert_int_eq(text_u64(w + 4, UINT16_MAX, &port), 0);
		ports[nr++] = (struct ipam_port){ strncmp(w, "tcp", 3) ? 17 : 6, (uint16_t)port };
	}
	return nr;
}

static int
try_claim(const struct party *p, int64_t created, bool mirrored)
{
	struct ipam_port ports[8];
	char copy[100], *save = NULL;
	const char *friends[4];
	struct addr a = p->asks ? A(p->asks) : (struct addr){ 0 };
	struct ipam_claim c = { .owner = p->owner,
		.created = created,
		.requested = &a,
		.nr_requested = p->asks != NULL,
		.families = { ADDR_V4 },
		.nr_families = 1,
		.any_pool = true,
		.mirrored = mirrored,
		.sharing = { .key = p->key,
		    .ports = ports,
		    .friends = friends,
		    .local = p->local,
		    .selector = p->selector } };

	c.sharing.nr_ports = ports_of(p->ports, ports);
	snprintf(copy, sizeof(copy), "%s", p->consent ? p->consent : "");
	for (char *w = strtok_r(copy, " ", &save); w; w = strtok_r(NULL, " ", &save))
		friends[c.sharing.nr_friends++] = w;
	c.sharing.any_ns = c.sharing.nr_friends && strcmp(friends[0], "*") == 0;
	return ipam_claim_set(ipam, &c);
}

static void
claim(const struct party *p, int64_t created)
{
	ck_assert_int_eq(try_claim(p, created, false), 0);
}

static struct ipam_alloc
got(const char *owner)
{
	struct ipam_alloc a;

	ck_assert_int_eq(ipam_claim_want(ipam, owner, 0, &a), 0);
	return a;
}

static void
has(const char *owner, const char *addr)
{
	const struct ipam_alloc a = got(owner);

	ck_assert_msg(addr_is_set(&a.addr), "%s has none: %s, %s", owner, reason_name(a.reason),
	    reason_name(a.detail));
	ck_assert_str_eq(addr_str(&a.addr), addr);
}

static bool
holds_one(const char *owner)
{
	const struct ipam_alloc a = got(owner);

	return addr_is_set(&a.addr);
}

/* ---- the table ---- */

#define YES REASON_SATISFIED
#define TAKEN REASON_ALREADY_ALLOCATED

/* What the second gets who asks for the address of the first. */
static const struct {
	const char *what;
	struct party first, second;
	enum reason why; /* YES, TAKEN, or the rule that forbids it */
} table[] = {
	{ "neither has a key", { .owner = "a/x" }, { .owner = "a/y", .ports = "tcp/81" }, TAKEN },
	{ "only the first has", { .owner = "a/x", "k" }, { .owner = "a/y", .ports = "tcp/81" },
	    TAKEN },
	{ "only the second has", { .owner = "a/x" }, { .owner = "a/y", "k", "tcp/81" },
	    REASON_SHARING_KEY },
	{ "an empty key is none", { .owner = "a/x", "" }, { .owner = "a/y", "", "tcp/81" }, TAKEN },
	{ "other keys", { .owner = "a/x", "k" }, { .owner = "a/y", "l", "tcp/81" },
	    REASON_SHARING_KEY },
	{ "keys are compared whole", { .owner = "a/x", "k" }, { .owner = "a/y", "kk", "tcp/81" },
	    REASON_SHARING_KEY },
	{ "other ports", { .owner = "a/x", "k" }, { .owner = "a/y", "k", "tcp/81" }, YES },
	{ "the same port", { .owner = "a/x", "k" }, { .owner = "a/y", "k" }, REASON_SHARING_PORT },
	{ "the same number of another protocol", { .owner = "a/x", "k", "tcp/53" },
	    { .owner = "a/y", "k", "udp/53" }, YES },
	{ "one of several ports", { .owner = "a/x", "k", "tcp/80 tcp/443 udp/443" },
	    { .owner = "a/y", "k", "udp/53 udp/443" }, REASON_SHARING_PORT },
	{ "none of several", { .owner = "a/x", "k", "tcp/80 tcp/443 udp/443" },
	    { .owner = "a/y", "k", "udp/80 udp/53 tcp/53" }, YES },
	{ "one is Local", { .owner = "a/x", "k" },
	    { .owner = "a/y", "k", "tcp/81", .local = true, .selector = "s" },
	    REASON_SHARING_POLICY },
	{ "both Local, the same pods", { .owner = "a/x", "k", .local = true, .selector = "app=a" },
	    { .owner = "a/y", "k", "tcp/81", .local = true, .selector = "app=a" }, YES },
	{ "both Local, other pods", { .owner = "a/x", "k", .local = true, .selector = "app=a" },
	    { .owner = "a/y", "k", "tcp/81", .local = true, .selector = "app=b" },
	    REASON_SHARING_SELECTOR },
	{ "both Local without selectors", { .owner = "a/x", "k", .local = true },
	    { .owner = "a/y", "k", "tcp/81", .local = true }, REASON_SHARING_SELECTOR },
	{ "both Cluster, other pods", { .owner = "a/x", "k", .selector = "app=a" },
	    { .owner = "a/y", "k", "tcp/81", .selector = "app=b" }, YES },
	{ "namespaces without consent", { .owner = "a/x", "k" }, { .owner = "b/y", "k", "tcp/81" },
	    REASON_SHARING_NAMESPACE },
	{ "only the first consents", { .owner = "a/x", "k", .consent = "b" },
	    { .owner = "b/y", "k", "tcp/81" }, REASON_SHARING_NAMESPACE },
	{ "only the second consents", { .owner = "a/x", "k" },
	    { .owner = "b/y", "k", "tcp/81", .consent = "a" }, REASON_SHARING_NAMESPACE },
	{ "both consent", { .owner = "a/x", "k", .consent = "b" },
	    { .owner = "b/y", "k", "tcp/81", .consent = "a" }, YES },
	{ "one to all, one by name", { .owner = "a/x", "k", .consent = "*" },
	    { .owner = "b/y", "k", "tcp/81", .consent = "c a" }, YES },
	{ "one to all, one to another", { .owner = "a/x", "k", .consent = "*" },
	    { .owner = "b/y", "k", "tcp/81", .consent = "c" }, REASON_SHARING_NAMESPACE },
	{ "a namespace that begins alike", { .owner = "a/x", "k", .consent = "bb" },
	    { .owner = "b/y", "k", "tcp/81", .consent = "a" }, REASON_SHARING_NAMESPACE },
	{ "consent does not help the ports", { .owner = "a/x", "k", .consent = "*" },
	    { .owner = "b/y", "k", .consent = "*" }, REASON_SHARING_PORT },
};

START_TEST(truth)
{
	struct party first = table[_i].first, second = table[_i].second;
	const enum reason why = table[_i].why;
	struct ipam_alloc a;

	first.asks = second.asks = X;
	claim(&first, 1);
	claim(&second, 2);
	ipam_start(ipam);
	has(first.owner, X);
	a = got(second.owner);
	if (why == YES) {
		has(second.owner, X);
		ck_assert(a.shared);
		return;
	}
	ck_assert_msg(!addr_is_set(&a.addr), "%s: got it", table[_i].what);
	ck_assert_str_eq(reason_name(a.reason),
	    reason_name(why == TAKEN ? TAKEN : REASON_ALREADY_ALLOCATED_INCOMPATIBLE_SERVICE));
	ck_assert_str_eq(reason_name(a.detail), reason_name(why == TAKEN ? REASON_NONE : why));
	ck_assert_str_eq(a.other, first.owner);
	/* Without a wish of its own it gets another one and does not wait. */
	second.asks = NULL;
	claim(&second, 2);
	ipam_settle(ipam);
	has(second.owner, "10.0.0.0");
}
END_TEST

/* The same table later on: two who shared, and the second becomes what the row says.  Whoever was
 * there and did nothing keeps the address. */
START_TEST(who_changed_yields)
{
	struct party first = table[_i].first, second = table[_i].second, twin;
	const bool may_share = first.key && *first.key && (!first.local || first.selector) &&
	    strncmp(first.owner, second.owner, 2) == 0;

	if (!may_share)
		return;
	twin = first;
	twin.owner = second.owner;
	twin.ports = "udp/9";
	first.asks = twin.asks = second.asks = X;
	claim(&first, 1);
	claim(&twin, 2);
	ipam_start(ipam);
	has(first.owner, X);
	has(second.owner, X);
	claim(&second, 2);
	ipam_settle(ipam);
	has(first.owner, X);
	ck_assert_int_eq(holds_one(second.owner), table[_i].why == YES);
}
END_TEST

/* ---- groups ---- */

START_TEST(a_group_uses_what_it_has_first)
{
	claim(&(struct party){ .owner = "a/one", "k", "tcp/80" }, 1);
	claim(&(struct party){ .owner = "a/two", "k", "tcp/80" }, 2);
	claim(&(struct party){ .owner = "a/three", "k", "tcp/443" }, 3);
	claim(&(struct party){ .owner = "a/four", "other", "tcp/444" }, 4);
	claim(&(struct party){ .owner = "a/five", "k", "tcp/443 tcp/444" }, 5);
	ipam_start(ipam);
	has("a/one", "10.0.0.0");
	has("a/two", "10.0.0.1"); /* the port is taken: the group has two addresses now */
	has("a/three", "10.0.0.0");
	has("a/four", "10.0.0.2");
	has("a/five", "10.0.0.1");
}
END_TEST

START_TEST(only_the_last_one_frees_the_address)
{
	const struct addr x = A(X);

	claim(&(struct party){ .owner = "a/x", "k", "tcp/80", .asks = X }, 1);
	claim(&(struct party){ .owner = "a/y", "k", "tcp/81", .asks = X }, 2);
	claim(&(struct party){ .owner = "a/z", .asks = X }, 3);
	ipam_start(ipam);
	ipam_claim_del(ipam, "a/x");
	ipam_settle(ipam);
	has("a/y", X);
	ck_assert_str_eq(ipam_owner_of(ipam, &x), "a/y");
	ck_assert(!got("a/y").shared);
	ck_assert_int_eq(got("a/z").reason, REASON_ALREADY_ALLOCATED);
	ipam_claim_del(ipam, "a/y");
	ipam_settle(ipam);
	has("a/z", X);
}
END_TEST

START_TEST(who_waits_is_served_when_the_other_makes_room)
{
	claim(&(struct party){ .owner = "a/x", "k", "tcp/80 tcp/81", .asks = X }, 1);
	claim(&(struct party){ .owner = "a/y", "k", "tcp/81", .asks = X }, 2);
	claim(&(struct party){ .owner = "a/z", "k", "tcp/82", .local = true, .asks = X }, 3);
	ipam_start(ipam);
	ck_assert_int_eq(got("a/y").detail, REASON_SHARING_PORT);
	claim(&(struct party){ .owner = "a/x", "k", "tcp/80", .asks = X }, 1);
	ipam_settle(ipam);
	has("a/x", X);
	has("a/y", X);
	ck_assert_int_eq(got("a/z").detail, REASON_SHARING_POLICY);
	claim(&(struct party){ .owner = "a/z", "k", "tcp/82", .asks = X }, 3);
	ipam_settle(ipam);
	has("a/z", X);
}
END_TEST

START_TEST(who_waits_for_any_takes_the_place_of_one_who_left)
{
	static const struct ipam_block block = {
		{ { { 10, 0, 0, 5 }, ADDR_V4 }, { { 10, 0, 0, 5 }, ADDR_V4 } }, false
	};
	const struct ipam_pool pool = {
		.name = "p", .reuse_ms = 60000, .blocks = &block, .nr_blocks = 1
	};

	ck_assert_int_eq(ipam_pools_set(ipam, &pool, 1), 0);
	claim(&(struct party){ .owner = "a/x", "k", "tcp/80" }, 1);
	claim(&(struct party){ .owner = "a/y", "k", "tcp/81" }, 2);
	claim(&(struct party){ .owner = "a/z", "k", "tcp/81" }, 3);
	ipam_start(ipam);
	has("a/y", X);
	ck_assert_int_eq(got("a/z").reason, REASON_OUT_OF_IPS);
	ipam_claim_del(ipam, "a/y");
	ipam_settle(ipam);
	has("a/z", X); /* shared still, so there is nothing to rest */
}
END_TEST

START_TEST(a_consent_withdrawn_sends_the_guest_away)
{
	claim(&(struct party){ .owner = "a/host", "k", "tcp/80", "b" }, 1);
	ipam_start(ipam);
	claim(&(struct party){ .owner = "b/guest", "k", "tcp/81", "a" }, 2);
	ipam_settle(ipam);
	has("b/guest", "10.0.0.0");
	claim(&(struct party){ .owner = "a/host", "k", "tcp/80" },
	    1); /* the host changes, the guest goes */
	ipam_settle(ipam);
	has("a/host", "10.0.0.0");
	has("b/guest", "10.0.0.1");
}
END_TEST

START_TEST(nobody_drives_another_out_by_a_port)
{
	claim(&(struct party){ .owner = "a/x", "k", "tcp/80" }, 1);
	claim(&(struct party){ .owner = "a/y", "k", "tcp/81" }, 2);
	ipam_start(ipam);
	claim(&(struct party){ .owner = "a/x", "k", "tcp/80 tcp/81" },
	    1); /* was first, but it changed */
	ipam_settle(ipam);
	has("a/y", "10.0.0.0");
	has("a/x", "10.0.0.1");
}
END_TEST

/* ---- the past, and others ---- */

static bool
restore_one(void *fresh, const struct ipam_alloc *a)
{
	ck_assert_int_eq(ipam_restore(fresh, a->owner, &a->addr, a->pool), 0);
	return true;
}

START_TEST(a_restart_keeps_the_group_together)
{
	static const struct party x = { .owner = "a/x", "k", "tcp/80" },
				  y = { .owner = "a/y", "k", "tcp/81" },
				  z = { .owner = "a/z", .asks = "10.0.0.0" };
	struct ipam *old;

	claim(&x, 1);
	claim(&y, 2);
	ipam_start(ipam);
	old = ipam;
	setup();
	ipam_each(old, restore_one, ipam);
	ipam_free(old);
	claim(&z, 0); /* asks for it by name, and is older */
	claim(&y, 2);
	claim(&x, 1);
	ipam_start(ipam);
	has("a/x", "10.0.0.0");
	has("a/y", "10.0.0.0");
	ck_assert_int_eq(got("a/z").reason, REASON_ALREADY_ALLOCATED);
}
END_TEST

START_TEST(two_from_the_past_who_may_not_share)
{
	const struct addr x = A(X);

	ck_assert_int_eq(ipam_restore(ipam, "a/old", &x, "p"), 0);
	ck_assert_int_eq(ipam_restore(ipam, "a/said", &x, NULL), 0);
	claim(&(struct party){ .owner = "a/old" }, 2);
	claim(&(struct party){ .owner = "a/said" }, 1);
	ipam_start(ipam);
	has("a/old", X); /* who was restored first */
	has("a/said", "10.0.0.0");
}
END_TEST

START_TEST(followers_hold_what_the_leader_shares)
{
	static const struct party x = { .owner = "a/x", "k", "tcp/80" },
				  y = { .owner = "a/y", "k", "tcp/81" };
	static const struct party z = { .owner = "a/z" };
	const struct addr at = A(X);

	ck_assert_int_eq(try_claim(&x, 1, true), 0);
	ck_assert_int_eq(try_claim(&y, 2, true), 0);
	ck_assert_int_eq(try_claim(&z, 3, true), 0);
	ipam_start(ipam);
	ck_assert_int_eq(ipam_mirror(ipam, "a/y", &at, 1), 0);
	ck_assert_int_eq(ipam_mirror(ipam, "a/x", &at, 1), 0);
	ck_assert_int_eq(ipam_mirror(ipam, "a/z", &at, 1), -EADDRINUSE);
	ipam_settle(ipam);
	has("a/x", X);
	has("a/y", X);
	ck_assert_int_eq(got("a/z").reason, REASON_WAITS_FOR_LEADER);
	/* The follower leads: nothing changes for those, and the third gets one. */
	claim(&x, 1);
	claim(&y, 2);
	claim(&z, 3);
	ipam_settle(ipam);
	has("a/x", X);
	has("a/y", X);
	has("a/z", "10.0.0.0");
}
END_TEST

START_TEST(reserved_first_and_last_stay_reserved_with_a_key)
{
	static const struct ipam_block block = {
		{ { { 10, 0, 0, 0 }, ADDR_V4 }, { { 10, 0, 0, 15 }, ADDR_V4 } }, true
	};
	const struct ipam_pool pool = { .name = "p", .blocks = &block, .nr_blocks = 1 };

	ck_assert_int_eq(ipam_pools_set(ipam, &pool, 1), 0);
	claim(&(struct party){ .owner = "a/x", "k", .asks = "10.0.0.0" }, 1);
	claim(&(struct party){ .owner = "a/y", "k", "tcp/81", .asks = "10.0.0.15" }, 2);
	ipam_start(ipam);
	ck_assert_int_eq(got("a/x").reason, REASON_ADDRESS_RESERVED);
	ck_assert_int_eq(got("a/y").reason, REASON_ADDRESS_RESERVED);
}
END_TEST

static void
add_tests(Suite *s)
{
	const int nr = (int)(sizeof(table) / sizeof(table[0]));
	TCase *tc = tcase_create("share");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_loop_test(tc, truth, 0, nr);
	tcase_add_loop_test(tc, who_changed_yields, 0, nr);
	tcase_add_test(tc, a_group_uses_what_it_has_first);
	tcase_add_test(tc, only_the_last_one_frees_the_address);
	tcase_add_test(tc, who_waits_is_served_when_the_other_makes_room);
	tcase_add_test(tc, who_waits_for_any_takes_the_place_of_one_who_left);
	tcase_add_test(tc, a_consent_withdrawn_sends_the_guest_away);
	tcase_add_test(tc, nobody_drives_another_out_by_a_port);
	tcase_add_test(tc, a_restart_keeps_the_group_together);
	tcase_add_test(tc, two_from_the_past_who_may_not_share);
	tcase_add_test(tc, followers_hold_what_the_leader_shares);
	tcase_add_test(tc, reserved_first_and_last_stay_reserved_with_a_key);
	suite_add_tcase(s, tc);
}

UNIT_MAIN("ipam-share", add_tests)
