/*
 * tests/unit/ipam/test_ipam.c: the rules that ipam.h states, one by one, and what Cilium's
 * documentation says of pools (total, first and last, conflicts).
 */
#include "ipam/ipam.h"
#include "lib/mem.h"
#include "tests/unit/unit.h"

#include <errno.h>
#include <string.h>

static struct ipam *ipam;
static char told[512]; /* "owner:what " of every call back */

static void
changed(void *arg, const char *owner, unsigned what)
{
	size_t len = strlen(told);

	(void)arg;
	snprintf(told + len, sizeof(told) - len, "%s:%u ", owner, what);
}

static void
setup(void)
{
	ipam = ipam_new(changed, NULL);
	told[0] = '\0';
}

static void
teardown(void)
{
	ipam_free(ipam);
}

static struct addr
A(const char *text) {
	struct addr a;

	ck_assert_int_eq(addr_parse(text, &a), 0);
	return a;
}

/* "10.0.0.0/24" is a CIDR, "10.0.0.1-10.0.0.9" a range. */
static struct ipam_block
B(const char *text) {
	struct ipam_block b = { 0 };
	const char *dash = strchr(text, '-');
	struct prefix p;
	char first[ADDR_STRLEN];

	if (dash) {
		snprintf(first, sizeof(first), "%.*s", (int)(dash - text), text);
		b.range.first = A(first);
		b.range.last = A(dash + 1);
	} else {
		ck_assert_int_eq(prefix_parse(text, &p, NULL), 0);
		b.range = prefix_range(&p);
		b.is_cidr = true;
	}
	return b;
}

struct spool {
	const char *name;
	int64_t created;
	const char *blocks[3];
	bool disabled, no_first_last;
};

static void
pools(const struct spool *list, size_t nr)
{
	struct ipam_pool p[8] = { 0 };
	struct ipam_block blocks[8][3];

	for (size_t i = 0; i < nr; i++) {
		p[i] = (struct ipam_pool){ .name = list[i].name,
			.created = list[i].created,
			.disabled = list[i].disabled,
			.allow_first_last = !list[i].no_first_last,
			.blocks = blocks[i] };
		for (; p[i].nr_blocks < 3 && list[i].blocks[p[i].nr_blocks]; p[i].nr_blocks++)
			blocks[i][p[i].nr_blocks] = B(list[i].blocks[p[i].nr_blocks]);
	}
	ck_assert_int_eq(ipam_pools_set(ipam, p, nr), 0);
}

#define P(n, c, ...)                                                                               \
	{                                                                                          \
		.name = (n), .created = (c), .blocks = { __VA_ARGS__ }                             \
	}
#define OFF(n, c, ...)                                                                             \
	{                                                                                          \
		.name = (n), .created = (c), .blocks = { __VA_ARGS__ }, .disabled = true           \
	}
#define TRIM(n, c, ...)                                                                            \
	{                                                                                          \
		.name = (n), .created = (c), .blocks = { __VA_ARGS__ }, .no_first_last = true      \
	}
#define POOLS(...)                                                                                 \
	pools((const struct spool[]){ __VA_ARGS__ },                                               \
	    sizeof((const struct spool[]){ __VA_ARGS__ }) / sizeof(struct spool))

/* @requested: blank-separated addresses or NULL; @allowed: a pool's name or NULL for any. */
static void
claim(const char *owner, int64_t created, const char *requested, const char *allowed)
{
	struct addr req[4];
	struct ipam_claim c = { .owner = owner,
		.created = created,
		.requested = req,
		.families = { ADDR_V4 },
		.nr_families = 1,
		.any_pool = !allowed,
		.pools = &allowed,
		.nr_pools = allowed ? 1 : 0 };
	char copy[200], *save = NULL;

	snprintf(copy, sizeof(copy), "%s", requested ? requested : "");
	for (char *w = strtok_r(copy, " ", &save); w; w = strtok_r(NULL, " ", &save))
		req[c.nr_requested++] = A(w);
	ck_assert_int_eq(ipam_claim_set(ipam, &c), 0);
}

static void
claim_families(const char *owner, enum addr_family f1, enum addr_family f2)
{
	struct ipam_claim c = {
		.owner = owner, .any_pool = true, .families = { f1, f2 }, .nr_families = f2 ? 2 : 1
	};

	ck_assert_int_eq(ipam_claim_set(ipam, &c), 0);
}

/* The @i-th want is held as @addr from @pool with @note; or, with @addr NULL, not, because. */
static void
want(const char *owner, size_t i, const char *addr, const char *pool, enum reason why)
{
	struct ipam_alloc a;

	ck_assert_int_eq(ipam_claim_want(ipam, owner, i, &a), 0);
	ck_assert_str_eq(addr_is_set(&a.addr) ? addr_str(&a.addr) : "", addr ? addr : "");
	ck_assert_str_eq(a.pool, pool ? pool : "");
	ck_assert_int_eq(a.reason, why);
}

static struct ipam_pool_info
pool(const char *name)
{
	struct ipam_pool_info info;

	ck_assert_int_eq(ipam_pool_get(ipam, name, &info), 0);
	return info;
}

static enum reason
reason(const char *owner)
{
	struct ipam_claim_info info;

	ck_assert_int_eq(ipam_claim_get(ipam, owner, &info), 0);
	return info.reason;
}

/* ---- sizes ---- */

static const struct {
	const char *block;
	bool no_first_last;
	uint64_t total;
	const char *first;
} sizes[] = {
	{ "172.16.1.0/24", true, 254, "172.16.1.1" },
	{ "172.16.1.0/24", false, 256, "172.16.1.0" },
	{ "172.16.1.0/30", true, 2, "172.16.1.1" },
	{ "172.16.1.0/31", true, 2, "172.16.1.0" },
	{ "172.16.1.9/32", true, 1, "172.16.1.9" },
	{ "172.16.1.0-172.16.1.255", true, 256, "172.16.1.0" },
	{ "10.0.0.0/8", false, 1u << 24, "10.0.0.0" },
	{ "2001:db8::/126", true, 2, "2001:db8::1" },
	{ "2001:db8::/127", true, 2, "2001:db8::" },
	{ "2001:db8::/64", false, INT64_MAX, "2001:db8::" },
	{ "::/0", true, INT64_MAX, "::1" },
};

START_TEST(total_and_first)
{
	struct ipam_pool_info info;

	POOLS({ .name = "p",
	    .blocks = { sizes[_i].block },
	    .no_first_last = sizes[_i].no_first_last });
	ipam_start(ipam);
	info = pool("p");
	ck_assert_uint_eq(info.total, sizes[_i].total);
	ck_assert_uint_eq(info.available, sizes[_i].total);
	claim_families("a", strchr(sizes[_i].block, ':') ? ADDR_V6 : ADDR_V4, ADDR_NONE);
	ipam_settle(ipam);
	want("a", 0, sizes[_i].first, "p", REASON_SATISFIED);
	info = pool("p");
	ck_assert_uint_eq(info.used, 1);
	ck_assert_uint_eq(info.held, 1);
	ck_assert_uint_eq(info.available, sizes[_i].total - 1);
}
END_TEST

/* ---- order ---- */

START_TEST(lowest_free_and_pool_name_order)
{
	POOLS(P("b", 1, "10.1.0.1-10.1.0.9"), P("a", 2, "10.2.0.2-10.2.0.2", "10.2.0.1-10.2.0.1"));
	ipam_start(ipam);
	claim("x", 1, NULL, NULL);
	claim("y", 2, NULL, NULL);
	claim("z", 3, NULL, NULL);
	ipam_settle(ipam);
	want("x", 0, "10.2.0.1", "a", REASON_SATISFIED);
	want("y", 0, "10.2.0.2", "a", REASON_SATISFIED);
	want("z", 0, "10.1.0.1", "b", REASON_SATISFIED);
	ipam_claim_del(ipam, "x");
	claim("w", 4, NULL, NULL);
	ipam_settle(ipam);
	want("w", 0, "10.2.0.1", "a", REASON_SATISFIED);
}
END_TEST

START_TEST(requested_before_older)
{
	POOLS(P("p", 1, "10.0.0.1-10.0.0.2"));
	claim("old", 1, NULL, NULL);
	claim("new", 9, "10.0.0.1", NULL);
	ipam_start(ipam);
	want("new", 0, "10.0.0.1", "p", REASON_SATISFIED);
	want("old", 0, "10.0.0.2", "p", REASON_SATISFIED);
}
END_TEST

START_TEST(older_first_whatever_the_order_of_setting)
{
	POOLS(P("p", 1, "10.0.0.1-10.0.0.1"));
	claim("b", 5, NULL, NULL);
	claim("a", 5, NULL, NULL);
	claim("0", 6, NULL, NULL);
	ipam_start(ipam);
	want("a", 0, "10.0.0.1", "p", REASON_SATISFIED);
	want("b", 0, NULL, NULL, REASON_OUT_OF_IPS);
	ipam_claim_del(ipam, "a");
	ipam_settle(ipam);
	want("b", 0, "10.0.0.1", "p", REASON_SATISFIED);
	want("0", 0, NULL, NULL, REASON_OUT_OF_IPS);
}
END_TEST

/* ---- refusals ---- */

START_TEST(reasons_of_requests)
{
	POOLS(TRIM("p", 1, "10.0.0.0/24"), OFF("off", 1, "10.0.1.0/24"),
	    P("q", 2, "10.0.0.128-10.0.2.1"));
	ipam_start(ipam);
	claim("held", 1, "10.0.0.7", NULL);
	claim("taken", 2, "10.0.0.7", NULL);
	claim("nowhere", 1, "10.9.0.1", NULL);
	claim("other", 1, "10.0.0.8", "off");
	claim("off", 1, "10.0.1.1", NULL);
	claim("first", 1, "10.0.0.0", NULL);
	claim("clash", 1, "10.0.2.0", NULL);
	claim("some", 1, "10.0.0.9 10.9.0.2", NULL);
	ipam_settle(ipam);
	want("held", 0, "10.0.0.7", "p", REASON_SATISFIED);
	want("taken", 0, NULL, NULL, REASON_ALREADY_ALLOCATED);
	want("nowhere", 0, NULL, NULL, REASON_OUTSIDE_POOL);
	want("other", 0, NULL, NULL, REASON_POOL_SELECTOR_MISMATCH);
	want("off", 0, NULL, NULL, REASON_POOL_DISABLED);
	want("first", 0, NULL, NULL, REASON_ADDRESS_RESERVED);
	want("clash", 0, NULL, NULL, REASON_POOL_CONFLICT);
	want("some", 0, "10.0.0.9", "p", REASON_SATISFIED);
	want("some", 1, NULL, NULL, REASON_OUTSIDE_POOL);
	ck_assert_int_eq(reason("some"), REASON_OUTSIDE_POOL);
	ck_assert_int_eq(reason("held"), REASON_SATISFIED);
	ipam_claim_del(ipam, "held");
	ipam_settle(ipam);
	want("taken", 0, "10.0.0.7", "p", REASON_SATISFIED);
}
END_TEST

START_TEST(reasons_of_any)
{
	ipam_start(ipam);
	claim("a", 1, NULL, NULL);
	claim("b", 2, NULL, "p");
	claim_families("six", ADDR_V4, ADDR_V6);
	ipam_settle(ipam);
	want("a", 0, NULL, NULL, REASON_NO_POOL);
	POOLS(OFF("p", 1, "10.0.0.1-10.0.0.1"));
	ipam_settle(ipam);
	want("a", 0, NULL, NULL, REASON_POOL_DISABLED);
	POOLS(P("p", 1, "10.0.0.1-10.0.0.1"));
	ipam_settle(ipam);
	/* "six" has no creation time and comes first. */
	want("six", 0, "10.0.0.1", "p", REASON_SATISFIED);
	want("six", 1, NULL, NULL, REASON_NO_POOL);
	want("a", 0, NULL, NULL, REASON_OUT_OF_IPS);
	POOLS(P("p", 1, "10.0.0.1-10.0.0.1"), P("q", 1, "10.0.0.5-10.0.0.9"));
	ipam_settle(ipam);
	want("a", 0, "10.0.0.5", "q", REASON_SATISFIED);
	want("b", 0, NULL, NULL, REASON_OUT_OF_IPS);
}
END_TEST

START_TEST(both_families)
{
	POOLS(P("four", 1, "10.0.0.0/30"), P("six", 1, "2001:db8::/120"));
	ipam_start(ipam);
	claim_families("a", ADDR_V4, ADDR_V6);
	ipam_settle(ipam);
	want("a", 0, "10.0.0.0", "four", REASON_SATISFIED);
	want("a", 1, "2001:db8::", "six", REASON_SATISFIED);
	claim_families("a", ADDR_V6, ADDR_NONE); /* a family less goes, the other stays */
	ipam_settle(ipam);
	want("a", 0, "2001:db8::", "six", REASON_SATISFIED);
	ck_assert_ptr_null(ipam_owner_of(ipam, &(struct addr){ { 10 }, ADDR_V4 }));
}
END_TEST

/* ---- conflicts ---- */

START_TEST(newer_pool_conflicts)
{
	struct ipam_pool_info info;

	POOLS(P("a-new", 20, "10.0.0.128/25"), P("old", 10, "10.0.0.0/24"));
	info = pool("a-new");
	ck_assert(info.conflicting && !pool("old").conflicting);
	ck_assert_str_eq(info.conflicts_with, "old");
	ck_assert_str_eq(addr_str(&info.conflict[0].first), "10.0.0.128");
	ck_assert_str_eq(addr_str(&info.conflict[1].last), "10.0.0.255");
	/* Equal age: the name decides. */
	POOLS(P("b", 10, "10.0.0.128/25"), P("a", 10, "10.0.0.0/24"));
	ck_assert(pool("b").conflicting && !pool("a").conflicting);
	/* What overlaps only one that is in conflict itself is not. */
	POOLS(P("a", 1, "10.0.0.0/24"), P("b", 2, "10.0.0.200-10.0.1.5"), P("c", 3, "10.0.1.0/24"));
	ck_assert(pool("b").conflicting && !pool("c").conflicting);
	POOLS(P("b", 2, "10.0.0.200-10.0.1.5"), P("c", 3, "10.0.1.0/24"));
	ck_assert(!pool("b").conflicting && pool("c").conflicting);
}
END_TEST

START_TEST(pool_conflicts_with_itself)
{
	struct ipam_pool_info info;

	POOLS(P("p", 1, "10.0.1.0/24", "10.0.0.0/16", "10.5.0.0/24"), P("q", 2, "10.0.0.0/24"));
	info = pool("p");
	ck_assert(info.conflicting);
	ck_assert_str_eq(info.conflicts_with, "p");
	ck_assert(!pool("q").conflicting);
	claim("x", 1, NULL, NULL);
	ipam_start(ipam);
	want("x", 0, "10.0.0.0", "q", REASON_SATISFIED);
}
END_TEST

/* ---- never renumber ---- */

START_TEST(held_stays_held)
{
	POOLS(P("p", 5, "10.0.0.0/24"));
	ipam_start(ipam);
	claim("x", 1, "10.0.0.200", NULL);
	ipam_settle(ipam);
	claim("x", 1, NULL, NULL); /* the wish goes, the address stays */
	ipam_settle(ipam);
	want("x", 0, "10.0.0.200", "p", REASON_SATISFIED);
	POOLS(OFF("p", 5, "10.0.0.0/24"));
	ipam_settle(ipam);
	want("x", 0, "10.0.0.200", "p", REASON_POOL_DISABLED);
	ck_assert_int_eq(reason("x"), REASON_SATISFIED);
	POOLS(P("p", 5, "10.0.0.0/25"));
	ipam_settle(ipam);
	want("x", 0, "10.0.0.200", "p", REASON_POOL_GONE);
	ck_assert_uint_eq(pool("p").held, 1);
	ck_assert_uint_eq(pool("p").used, 0);
	POOLS(P("p", 5, "10.0.0.0/24"), P("older", 1, "10.0.0.0/28"));
	ipam_settle(ipam);
	want("x", 0, "10.0.0.200", "p", REASON_POOL_CONFLICT);
	POOLS(P("older", 1, "10.0.0.0/28"));
	ipam_settle(ipam);
	want("x", 0, "10.0.0.200", "p", REASON_POOL_GONE);
	POOLS(P("renamed", 1, "10.0.0.0/24"));
	ipam_settle(ipam);
	want("x", 0, "10.0.0.200", "renamed", REASON_SATISFIED);
	claim("x", 1, NULL, "nothing");
	ipam_settle(ipam);
	want("x", 0, "10.0.0.200", "renamed", REASON_POOL_SELECTOR_MISMATCH);
	POOLS(TRIM("renamed", 1, "10.0.0.200/29"));
	claim("x", 1, NULL, NULL);
	ipam_settle(ipam);
	want("x", 0, "10.0.0.200", "renamed", REASON_ADDRESS_RESERVED);
}
END_TEST

START_TEST(request_changed_moves)
{
	POOLS(P("p", 5, "10.0.0.0/24"));
	ipam_start(ipam);
	claim("x", 1, "10.0.0.1", NULL);
	claim("y", 2, "10.0.0.2", NULL);
	ipam_settle(ipam);
	claim("x", 1, "10.0.0.2", NULL); /* they change places in one pass */
	claim("y", 2, "10.0.0.1", NULL);
	ipam_settle(ipam);
	want("x", 0, "10.0.0.2", "p", REASON_SATISFIED);
	want("y", 0, "10.0.0.1", "p", REASON_SATISFIED);
	claim("x", 1, "10.0.0.1", NULL);
	ipam_settle(ipam);
	want("x", 0, NULL, NULL, REASON_ALREADY_ALLOCATED);
	ck_assert_ptr_null(ipam_owner_of(ipam, &(struct addr){ { 10, 0, 0, 2 }, ADDR_V4 }));
}
END_TEST

/* ---- start, restore, telling ---- */

START_TEST(nothing_before_the_start)
{
	struct addr a = A("10.0.0.9"), b = A("10.0.0.3");

	ck_assert_int_eq(ipam_restore(ipam, "x", &a, "p"), 0);
	ck_assert_int_eq(ipam_restore(ipam, "x", &a, "p"), 0);
	ck_assert_int_eq(ipam_restore(ipam, "y", &a, "p"), 0); /* for the start to judge */
	ck_assert_int_eq(ipam_restore(ipam, "gone", &b, ""), 0);
	POOLS(P("p", 5, "10.0.0.0/24"));
	claim("w", 1, NULL, NULL);
	claim("x", 2, NULL, NULL);
	ipam_settle(ipam);
	ck_assert(!ipam_is_started(ipam));
	ck_assert_str_eq(told, "");
	want("w", 0, NULL, NULL, REASON_SOURCES_NOT_SYNCED);
	ck_assert_str_eq(ipam_owner_of(ipam, &b), "gone");
	ipam_start(ipam);
	want("w", 0, "10.0.0.0", "p", REASON_SATISFIED);
	want("x", 0, "10.0.0.9", "p", REASON_SATISFIED);
	ck_assert_ptr_null(ipam_owner_of(ipam, &b));
	ck_assert_ptr_nonnull(strstr(told, "x:3 "));
	ck_assert_ptr_nonnull(strstr(told, "w:3 "));
	ck_assert_ptr_nonnull(strstr(told, "gone:5 "));
	ck_assert_int_eq(ipam_restore(ipam, "z", &b, "p"), -EALREADY);
}
END_TEST

START_TEST(told_once_and_only_of_changes)
{
	POOLS(P("p", 5, "10.0.0.1-10.0.0.1"));
	ipam_start(ipam);
	claim("x", 1, NULL, NULL);
	claim("y", 1, NULL, NULL);
	ipam_settle(ipam);
	ck_assert_str_eq(told, "x:3 y:2 ");
	told[0] = '\0';
	ipam_claims_begin(ipam);
	claim("y", 1, NULL, NULL);
	claim("x", 1, NULL, NULL);
	ipam_claims_end(ipam);
	ipam_settle(ipam);
	POOLS(P("p", 5, "10.0.0.1-10.0.0.1"));
	ipam_settle(ipam);
	ck_assert_str_eq(told, "");
	ipam_claims_begin(ipam);
	claim("y", 1, NULL, NULL);
	ipam_claims_end(ipam);
	ipam_settle(ipam);
	ck_assert_ptr_nonnull(strstr(told, "x:5 "));
	ck_assert_ptr_nonnull(strstr(told, "y:3 "));
}
END_TEST

START_TEST(gone_and_back_in_one_pass_keeps)
{
	POOLS(P("p", 5, "10.0.0.0/24"));
	ipam_start(ipam);
	claim("x", 1, "10.0.0.77", NULL);
	ipam_settle(ipam);
	ipam_claim_del(ipam, "x");
	claim("x", 9, NULL, NULL);
	ipam_settle(ipam);
	want("x", 0, "10.0.0.77", "p", REASON_SATISFIED);
}
END_TEST

/* ---- bad input, no memory ---- */

START_TEST(bad_input)
{
	struct ipam_block up = { .range = { A("10.0.0.9"), A("10.0.0.1") } };
	struct ipam_pool p[2] = { { .name = "p", .blocks = &up, .nr_blocks = 1 }, { .name = "p" } };
	struct ipam_claim c = { .owner = "x", .families = { ADDR_V4, ADDR_V4 }, .nr_families = 2 };
	struct ipam_pool_info info;

	ck_assert_int_eq(ipam_pools_set(ipam, p, 1), -EINVAL);
	p[0].nr_blocks = 0;
	ck_assert_int_eq(ipam_pools_set(ipam, p, 2), -EEXIST);
	ck_assert_int_eq(ipam_pool_get(ipam, "p", &info), -ENOENT);
	ck_assert_int_eq(ipam_claim_set(ipam, &c), -EINVAL);
	c.owner = "";
	c.nr_families = 1;
	ck_assert_int_eq(ipam_claim_set(ipam, &c), -EINVAL);
	ck_assert_int_eq(ipam_claim_get(ipam, "x", &(struct ipam_claim_info){ 0 }), -ENOENT);
}
END_TEST

/* The n-th allocation fails, for every n: nothing leaks, and what was there stays. */
START_TEST(out_of_memory)
{
	struct ipam_block block = B("10.0.0.0/24");
	struct ipam_pool p = { .name = "p", .blocks = &block, .nr_blocks = 1 };
	const char *names[] = { "p", "q" };
	struct addr held = A("10.0.0.9"), req[2] = { A("10.0.0.1"), A("10.0.0.2") };
	struct ipam_claim c = {
		.owner = "x", .requested = req, .nr_requested = 2, .pools = names, .nr_pools = 2
	};
	unsigned failed = 0;

	for (unsigned n = 1; n < 40; n++) {
		int err[3];

		mem_fail_at(n);
		err[0] = ipam_pools_set(ipam, &p, 1);
		err[1] = ipam_restore(ipam, "x", &held, "p");
		err[2] = ipam_claim_set(ipam, &c);
		mem_fail_at(0);
		for (int i = 0; i < 3; i++) {
			ck_assert(err[i] == 0 || err[i] == -ENOMEM);
			failed += err[i] < 0;
		}
		ipam_start(ipam);
		ipam_free(ipam);
		ipam = ipam_new(changed, NULL);
	}
	ck_assert_uint_gt(failed, 8);
}
END_TEST

static void
add_tests(Suite *s)
{
	TCase *tc = tcase_create("ipam");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_loop_test(tc, total_and_first, 0, sizeof(sizes) / sizeof(sizes[0]));
	tcase_add_test(tc, lowest_free_and_pool_name_order);
	tcase_add_test(tc, requested_before_older);
	tcase_add_test(tc, older_first_whatever_the_order_of_setting);
	tcase_add_test(tc, reasons_of_requests);
	tcase_add_test(tc, reasons_of_any);
	tcase_add_test(tc, both_families);
	tcase_add_test(tc, newer_pool_conflicts);
	tcase_add_test(tc, pool_conflicts_with_itself);
	tcase_add_test(tc, held_stays_held);
	tcase_add_test(tc, request_changed_moves);
	tcase_add_test(tc, nothing_before_the_start);
	tcase_add_test(tc, told_once_and_only_of_changes);
	tcase_add_test(tc, gone_and_back_in_one_pass_keeps);
	tcase_add_test(tc, bad_input);
	tcase_add_test(tc, out_of_memory);
	suite_add_tcase(s, tc);
}

UNIT_MAIN("ipam", add_tests)
