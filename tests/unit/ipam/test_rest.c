/*
 * tests/unit/ipam/test_rest.c: addresses that nobody may have for a while, pools that change under
 * those who hold, release by hand, strangers on the link, and several pools by name.
 */
#include "ipam/ipam.h"
#include "lib/mem.h"
#include "tests/unit/unit.h"

#include <errno.h>
#include <string.h>

static struct ipam *ipam;
static uint64_t now;

static struct addr
A(const char *text) {
	struct addr a;

	ck_assert_int_eq(addr_parse(text, &a), 0);
	return a;
}

/* A pool of "first-last" ranges, v4 or v6. */
struct pool {
	const char *name, *ranges[3];
	bool renumber, disabled;
	uint64_t reuse_ms;
};

static void
pools(const struct pool *list, size_t nr)
{
	struct ipam_block blocks[4][3];
	struct ipam_pool out[4];
	char copy[100], *dash;

	for (size_t i = 0; i < nr; i++) {
		out[i] = (struct ipam_pool){ .name = list[i].name,
			.allow_first_last = true,
			.disabled = list[i].disabled,
			.renumber = list[i].renumber,
			.reuse_ms = list[i].reuse_ms,
			.blocks = blocks[i] };
		for (; list[i].ranges[out[i].nr_blocks]; out[i].nr_blocks++) {
			snprintf(copy, sizeof(copy), "%s", list[i].ranges[out[i].nr_blocks]);
			dash = strchr(copy, '-');
			*dash = '\0';
			blocks[i][out[i].nr_blocks] =
			    (struct ipam_block){ { A(copy), A(dash + 1) }, false };
		}
	}
	ck_assert_int_eq(ipam_pools_set(ipam, out, nr), 0);
}
#define POOLS(...)                                                                                 \
	pools((const struct pool[]){ __VA_ARGS__ },                                                \
	    sizeof((const struct pool[]){ __VA_ARGS__ }) / sizeof(struct pool))

static void
setup(void)
{
	ipam = ipam_new(NULL, NULL);
	now = 1000;
	ipam_clock(ipam, now);
}

static void
teardown(void)
{
	ipam_free(ipam);
}

static void
passes(uint64_t ms)
{
	now += ms;
	ipam_clock(ipam, now);
	ipam_settle(ipam);
}

/* @how: "4", "6", "46" for any address of these families, else an address; @each: "pool pool". */
static void
claim_of(const char *owner, const char *how, const char *each)
{
	char copy[100], *save = NULL;
	const char *names[4];
	struct addr asked = { 0 };
	struct ipam_claim c = { .owner = owner, .any_pool = true, .each = names };

	if (strlen(how) > 2) {
		asked = A(how);
		c.requested = &asked;
		c.nr_requested = 1;
	} else {
		for (; *how; how++)
			c.families[c.nr_families++] = *how == '4' ? ADDR_V4 : ADDR_V6;
	}
	snprintf(copy, sizeof(copy), "%s", each);
	for (char *w = strtok_r(copy, " ", &save); w; w = strtok_r(NULL, " ", &save))
		names[c.nr_each++] = w;
	ck_assert_int_eq(ipam_claim_set(ipam, &c), 0);
}

static void
claim(const char *owner, const char *how)
{
	claim_of(owner, how, "");
	ipam_settle(ipam);
}

static void
gone(const char *owner)
{
	ipam_claim_del(ipam, owner);
	ipam_settle(ipam);
}

static void
has_nth(const char *owner, size_t i, const char *addr, enum reason reason)
{
	struct ipam_alloc a;

	ck_assert_int_eq(ipam_claim_want(ipam, owner, i, &a), 0);
	ck_assert_str_eq(addr_is_set(&a.addr) ? addr_str(&a.addr) : "-", addr ? addr : "-");
	ck_assert_str_eq(reason_name(a.reason), reason_name(reason));
}

static void
has(const char *owner, const char *addr)
{
	has_nth(owner, 0, addr, REASON_SATISFIED);
}

static enum reason
all_of(const char *owner)
{
	struct ipam_claim_info info;

	ck_assert_int_eq(ipam_claim_get(ipam, owner, &info), 0);
	return info.reason;
}

/* ---- cooling down ---- */

START_TEST(an_address_cools_down_before_a_stranger_gets_it)
{
	struct ipam_alloc a;

	POOLS({ .name = "p", .ranges = { "10.0.0.1-10.0.0.2" }, .reuse_ms = 60000 });
	ipam_start(ipam);
	claim("a/x", "4");
	gone("a/x");
	claim("b/y", "4");
	has("b/y", "10.0.0.2"); /* not the lowest: that one rests */
	claim("b/z", "4");
	has_nth("b/z", 0, NULL, REASON_OUT_OF_IPS); /* a full pool does not cut the rest short */
	ck_assert_int_eq(ipam_claim_want(ipam, "b/z", 0, &a), 0);
	ck_assert_int_eq(a.detail, REASON_COOLING_DOWN);
	ck_assert_uint_eq(ipam_due_ms(ipam), now + 60000);
	passes(59999);
	has_nth("b/z", 0, NULL, REASON_OUT_OF_IPS);
	passes(1);
	has("b/z", "10.0.0.1");
	ck_assert_uint_eq(ipam_due_ms(ipam), UINT64_MAX);
}
END_TEST

START_TEST(its_last_owner_may_come_back)
{
	POOLS({ .name = "p", .ranges = { "10.0.0.1-10.0.0.9" }, .reuse_ms = 60000 });
	ipam_start(ipam);
	claim("a/x", "4");
	claim("a/y", "4");
	gone("a/y");
	passes(30000);
	claim("a/y", "4");
	has("a/y", "10.0.0.2");
}
END_TEST

START_TEST(by_name_only_within_the_namespace)
{
	POOLS({ .name = "p", .ranges = { "10.0.0.1-10.0.0.9" }, .reuse_ms = 60000 });
	ipam_start(ipam);
	claim("a/x", "4");
	gone("a/x");
	claim("b/thief", "10.0.0.1");
	has_nth("b/thief", 0, NULL, REASON_COOLING_DOWN);
	claim("a/heir", "10.0.0.1");
	has("a/heir", "10.0.0.1");
	has_nth("b/thief", 0, NULL, REASON_ALREADY_ALLOCATED);
	gone("a/heir");
	has_nth("b/thief", 0, NULL, REASON_COOLING_DOWN);
	passes(60000);
	has("b/thief", "10.0.0.1");
}
END_TEST

START_TEST(without_a_rest_it_is_given_at_once)
{
	POOLS({ .name = "p", .ranges = { "10.0.0.1-10.0.0.9" } });
	ipam_start(ipam);
	claim("a/x", "4");
	gone("a/x");
	claim("b/y", "4");
	has("b/y", "10.0.0.1");
}
END_TEST

static bool
restore_resting(void *to, const struct ipam_resting *r)
{
	ck_assert_int_eq(ipam_restore_resting(to, &r->addr, r->last, r->cool_ms), 0);
	return true;
}

START_TEST(a_restart_does_not_cut_a_rest_short)
{
	struct ipam *old;

	POOLS({ .name = "p", .ranges = { "10.0.0.1-10.0.0.9" }, .reuse_ms = 60000 });
	ipam_start(ipam);
	claim("a/x", "4");
	gone("a/x");
	passes(20000);
	old = ipam;
	setup(); /* with a clock of its own */
	POOLS({ .name = "p", .ranges = { "10.0.0.1-10.0.0.9" }, .reuse_ms = 60000 });
	ipam_resting_each(old, restore_resting, ipam);
	ipam_free(old);
	claim_of("b/y", "4", "");
	ipam_start(ipam);
	has("b/y", "10.0.0.2");
	passes(39999);
	claim("b/z", "4");
	has("b/z", "10.0.0.3");
	passes(1);
	claim("b/last", "4");
	has("b/last", "10.0.0.1");
}
END_TEST

/* ---- pools that change ---- */

/* What an edit of the pool does to what is held of it: the note, and the address when the pool says
 * renumber. */
static const struct {
	const char *what;
	struct pool after; /* no name: the pool is gone */
	enum reason note;
	bool moves; /* with renumber */
} edits[] = {
	{ "widened", { .name = "p", .ranges = { "10.0.0.0-10.0.0.99" } }, REASON_SATISFIED, false },
	{ "a block more", { .name = "p", .ranges = { "10.0.0.1-10.0.0.9", "10.0.2.0-10.0.2.9" } },
	    REASON_SATISFIED, false },
	{ "shrunk away from it", { .name = "p", .ranges = { "10.0.0.4-10.0.0.9" } },
	    REASON_POOL_GONE, true },
	{ "another block in its place", { .name = "p", .ranges = { "10.0.2.0-10.0.2.9" } },
	    REASON_POOL_GONE, true },
	{ "disabled", { .name = "p", .ranges = { "10.0.0.1-10.0.0.9" }, .disabled = true },
	    REASON_POOL_DISABLED, false },
	{ "deleted", { .name = NULL }, REASON_POOL_GONE, true },
	{ "in conflict with itself",
	    { .name = "p", .ranges = { "10.0.0.1-10.0.0.9", "10.0.0.1-10.0.0.9" } },
	    REASON_POOL_CONFLICT, false },
};

static void
edit(int i, bool renumber)
{
	struct pool p = edits[i].after;
	const struct pool other = { .name = "q", .ranges = { "10.0.9.1-10.0.9.9" } };

	p.renumber = renumber;
	if (p.name)
		POOLS(p, other);
	else
		POOLS(other);
	ipam_settle(ipam);
}

START_TEST(an_edit_never_renumbers)
{
	POOLS({ .name = "p", .ranges = { "10.0.0.1-10.0.0.9" } });
	ipam_start(ipam);
	claim("a/any", "4");
	claim("a/asked", "10.0.0.2");
	edit(_i, false);
	has_nth("a/any", 0, "10.0.0.1", edits[_i].note);
	has_nth("a/asked", 0, "10.0.0.2", edits[_i].note);
	ck_assert_int_eq(all_of("a/any"), REASON_SATISFIED);
}
END_TEST

START_TEST(unless_the_pool_says_renumber)
{
	struct ipam_alloc a;

	POOLS({ .name = "p", .ranges = { "10.0.0.1-10.0.0.9" }, .renumber = true });
	ipam_start(ipam);
	claim("a/any", "4");
	edit(_i, true);
	ck_assert_int_eq(ipam_claim_want(ipam, "a/any", 0, &a), 0);
	ck_assert(addr_is_set(&a.addr));
	ck_assert_int_eq(strcmp(addr_str(&a.addr), "10.0.0.1") != 0, edits[_i].moves);
}
END_TEST

START_TEST(a_person_releases)
{
	POOLS({ .name = "p", .ranges = { "10.0.0.1-10.0.0.9" }, .reuse_ms = 60000 });
	ck_assert_int_eq(ipam_release(ipam, "a/x"), -ENOENT);
	claim("a/x", "4");
	ck_assert_int_eq(ipam_release(ipam, "a/x"), -EAGAIN);
	ipam_start(ipam);
	claim("a/asked", "10.0.0.2");
	POOLS({ .name = "q", .ranges = { "10.0.1.1-10.0.1.9" } });
	ipam_settle(ipam);
	has_nth("a/x", 0, "10.0.0.1", REASON_POOL_GONE);
	ck_assert_int_eq(ipam_release(ipam, "a/x"), 1);
	ipam_settle(ipam);
	has("a/x", "10.0.1.1");
	/* What it asks for by name goes as well when no pool has it any more. */
	ck_assert_int_eq(ipam_release(ipam, "a/asked"), 1);
	ipam_settle(ipam);
	has_nth("a/asked", 0, NULL, REASON_OUTSIDE_POOL);
	/* What its pool would give again: another one, and by name the same. */
	ck_assert_int_eq(ipam_release(ipam, "a/x"), 1);
	ipam_settle(ipam);
	claim("a/asked", "10.0.1.7");
	has("a/asked", "10.0.1.7");
	ck_assert_int_eq(ipam_release(ipam, "a/asked"), 0);
	ipam_settle(ipam);
	has("a/asked", "10.0.1.7");
}
END_TEST

/* ---- several pools, families ---- */

START_TEST(one_of_each_pool)
{
	POOLS({ .name = "blue", .ranges = { "10.0.0.1-10.0.0.9", "2001:db8::1-2001:db8::9" } },
	    { .name = "green", .ranges = { "10.0.1.1-10.0.1.9" } },
	    { .name = "red", .ranges = { "10.0.2.1-10.0.2.9" } });
	ipam_start(ipam);
	claim_of("a/x", "46", "green blue");
	ipam_settle(ipam);
	has_nth("a/x", 0, "10.0.1.1", REASON_SATISFIED);
	has_nth("a/x", 1, NULL, REASON_FAMILY_NOT_IN_POOL);
	has_nth("a/x", 2, "10.0.0.1", REASON_SATISFIED);
	has_nth("a/x", 3, "2001:db8::1", REASON_SATISFIED);
	ck_assert_int_eq(all_of("a/x"), REASON_SATISFIED);
	claim_of("a/x", "46", "red blue"); /* asks for another: that one moves, the rest stays */
	ipam_settle(ipam);
	has_nth("a/x", 0, "10.0.2.1", REASON_SATISFIED);
	has_nth("a/x", 2, "10.0.0.1", REASON_SATISFIED);
	claim_of("a/y", "46", "green red");
	ipam_settle(ipam);
	ck_assert_int_eq(all_of("a/y"), REASON_NO_POOL); /* nobody named has IPv6 */
	claim_of("a/z", "4", "white");
	ipam_settle(ipam);
	ck_assert_int_eq(all_of("a/z"), REASON_NO_POOL);
}
END_TEST

START_TEST(a_named_pool_that_goes_takes_nothing_along)
{
	const struct addr held = A("10.0.0.1");

	POOLS({ .name = "blue", .ranges = { "10.0.0.1-10.0.0.9" } },
	    { .name = "red", .ranges = { "10.0.2.1-10.0.2.9" } });
	ipam_start(ipam);
	claim_of("a/x", "4", "blue red");
	ipam_settle(ipam);
	/* Its address is another's now; who asked for one of blue did not ask for one of green. */
	POOLS({ .name = "green", .ranges = { "10.0.0.1-10.0.0.9" } });
	ipam_settle(ipam);
	has_nth("a/x", 0, "10.0.0.1", REASON_POOL_GONE);
	has_nth("a/x", 1, "10.0.2.1", REASON_POOL_GONE);
	ck_assert_str_eq(ipam_owner_of(ipam, &held), "a/x");
}
END_TEST

START_TEST(families_of_different_pools)
{
	POOLS({ .name = "four", .ranges = { "10.0.0.1-10.0.0.1" } },
	    { .name = "six", .ranges = { "2001:db8::1-2001:db8::1" } });
	ipam_start(ipam);
	claim("a/dual", "46");
	has_nth("a/dual", 0, "10.0.0.1", REASON_SATISFIED);
	has_nth("a/dual", 1, "2001:db8::1", REASON_SATISFIED);
	claim("a/late", "46");
	has_nth("a/late", 0, NULL, REASON_OUT_OF_IPS);
	POOLS({ .name = "four", .ranges = { "10.0.0.1-10.0.0.2" } });
	ipam_settle(ipam);
	has_nth("a/late", 0, "10.0.0.2", REASON_SATISFIED);
	has_nth("a/late", 1, NULL, REASON_NO_POOL);
	ck_assert_int_eq(all_of("a/late"), REASON_NO_POOL); /* one of two is not all */
	claim("a/dual", "6"); /* a family less gives that address back, the other stays */
	has_nth("a/dual", 0, "2001:db8::1", REASON_POOL_GONE);
}
END_TEST

/* ---- strangers ---- */

START_TEST(a_stranger_on_the_link)
{
	const struct addr one = A("10.0.0.1"), two = A("10.0.0.2");

	POOLS({ .name = "p", .ranges = { "10.0.0.1-10.0.0.3" }, .reuse_ms = 60000 });
	ipam_start(ipam);
	claim("a/x", "4");
	claim("a/asked", "10.0.0.2");
	/* Found by the probe, before it is used: another one will do, but not for who asked for it. */
	ck_assert_int_eq(ipam_stranger(ipam, &one, 5000), 0);
	ck_assert_int_eq(ipam_stranger(ipam, &two, 5000), 0);
	ipam_settle(ipam);
	has("a/x", "10.0.0.3");
	has_nth("a/asked", 0, NULL, REASON_CONFLICTED);
	passes(5000); /* looked at again */
	has("a/asked", "10.0.0.2");
	has("a/x", "10.0.0.3");
	/* One that is in use stays, and says so. */
	ipam_used(ipam, &two);
	ck_assert_int_eq(ipam_stranger(ipam, &two, 5000), 0);
	ipam_settle(ipam);
	has_nth("a/asked", 0, "10.0.0.2", REASON_CONFLICTED);
	ck_assert_int_eq(ipam_stranger(ipam, &two, 0), 0);
	ipam_settle(ipam);
	has("a/asked", "10.0.0.2");
}
END_TEST

/* ---- memory ---- */

static void
fine(int err)
{
	ck_assert(err == 0 || err == -ENOMEM || err == -EADDRINUSE);
}

static void
busy_life(void)
{
	const struct addr one = A("10.0.0.1");

	fine(ipam_stranger(ipam, &one, 1000));
	for (int i = 0; i < 6; i++) {
		const char *const owners[] = { "a/x", "a/y", "b/z" };
		const struct ipam_port port = { 6, (uint16_t)(80 + i) };
		const char *const each[] = { "p" }, *const friends[] = { "a", "b" };
		const struct ipam_claim c = { .owner = owners[i % 3],
			.families = { ADDR_V4 },
			.nr_families = 1,
			.any_pool = true,
			.each = each,
			.nr_each = (size_t)i % 2,
			.sharing = { "k", false, friends, 2, &port, 1, true, "app=a" } };

		fine(ipam_claim_set(ipam, &c));
		ipam_settle(ipam);
		if (i == 3)
			ipam_claim_del(ipam, "a/x");
	}
	fine(ipam_restore_resting(ipam, &one, "a/w", 1000));
	passes(100000);
}

/* The n-th allocation fails, for every n: nothing breaks and nothing is lost. */
START_TEST(out_of_memory)
{
	for (unsigned nth = 1; nth < 120; nth++) {
		teardown();
		setup();
		POOLS({ .name = "p", .ranges = { "10.0.0.1-10.0.0.9" }, .reuse_ms = 60000 });
		ipam_start(ipam);
		mem_fail_at(nth);
		busy_life();
		mem_fail_at(0);
		busy_life();
	}
}
END_TEST

static void
add_tests(Suite *s)
{
	const int nr = (int)(sizeof(edits) / sizeof(edits[0]));
	TCase *tc = tcase_create("rest");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, an_address_cools_down_before_a_stranger_gets_it);
	tcase_add_test(tc, its_last_owner_may_come_back);
	tcase_add_test(tc, by_name_only_within_the_namespace);
	tcase_add_test(tc, without_a_rest_it_is_given_at_once);
	tcase_add_test(tc, a_restart_does_not_cut_a_rest_short);
	tcase_add_loop_test(tc, an_edit_never_renumbers, 0, nr);
	tcase_add_loop_test(tc, unless_the_pool_says_renumber, 0, nr);
	tcase_add_test(tc, a_person_releases);
	tcase_add_test(tc, one_of_each_pool);
	tcase_add_test(tc, a_named_pool_that_goes_takes_nothing_along);
	tcase_add_test(tc, families_of_different_pools);
	tcase_add_test(tc, a_stranger_on_the_link);
	tcase_add_test(tc, out_of_memory);
	suite_add_tcase(s, tc);
}

UNIT_MAIN("ipam-rest", add_tests)
