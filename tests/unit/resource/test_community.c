/*
 * tests/unit/resource/test_community.c: communities of all three kinds as text, and patterns of them.
 */
#include "resource/rules.h"

#include <errno.h>

#include "tests/unit/unit.h"

#define NR(a) (int)(sizeof(a) / sizeof((a)[0]))

/* IANA's registries; RFC 4360 3 and 4, RFC 5668 2 for the layout of extended ones. */
static const struct {
	const char *text;
	struct res_community want;
} communities[] = {
	{ "65000:1", { .type = RES_COMM_STANDARD, .standard = 0xfde80001 } },
	{ "4259840001", { .type = RES_COMM_STANDARD, .standard = 0xfde80001 } },
	{ "no-export", { .type = RES_COMM_STANDARD, .standard = 0xffffff01 } },
	{ "blackhole", { .type = RES_COMM_STANDARD, .standard = 0xffff029a } },
	{ "planned-shut", { .type = RES_COMM_STANDARD, .standard = 0xffff0000 } },
	{ "1:2:3", { .type = RES_COMM_LARGE, .large = { 1, 2, 3 } } },
	{ "large:4294967295:2:3", { .type = RES_COMM_LARGE, .large = { 4294967295, 2, 3 } } },
	{ "rt:65000:7", { .type = RES_COMM_EXTENDED, .extended = 0x0002fde800000007 } },
	{ "ro:65000:7", { .type = RES_COMM_EXTENDED, .extended = 0x0003fde800000007 } },
	{ "rt:192.0.2.1:7", { .type = RES_COMM_EXTENDED, .extended = 0x0102c00002010007 } },
	{ "0x0002fde800000007", { .type = RES_COMM_EXTENDED, .extended = 0x0002fde800000007 } },
	{ "0x030b000000000064", { .type = RES_COMM_EXTENDED, .extended = 0x030b000000000064 } },
	{ "rt:4200000000:7", { .type = RES_COMM_EXTENDED, .extended = 0x0202fa56ea000007 } },
};

START_TEST(community)
{
	struct res_community c;

	ck_assert_int_eq(res_community_parse(communities[_i].text, &c), 0);
	ck_assert_int_eq(c.type, communities[_i].want.type);
	ck_assert_uint_eq(c.standard, communities[_i].want.standard);
	ck_assert_uint_eq(c.extended, communities[_i].want.extended);
	ck_assert_mem_eq(c.large, communities[_i].want.large, sizeof(c.large));
}
END_TEST

/* "*" for a number, where it is a pattern that is asked for. */
static const struct {
	const char *text;
	struct res_community want;
} patterns[] = {
	{ "65000:*", { .type = RES_COMM_STANDARD, .wild = 2, .standard = 0xfde80000 } },
	{ "*:7", { .type = RES_COMM_STANDARD, .wild = 1, .standard = 7 } },
	{ "*:*", { .type = RES_COMM_STANDARD, .wild = 3 } },
	{ "1:*:3", { .type = RES_COMM_LARGE, .wild = 2, .large = { 1, 0, 3 } } },
	{ "large:*:*:*", { .type = RES_COMM_LARGE, .wild = 7 } },
	{ "rt:65000:*", { .type = RES_COMM_EXTENDED, .wild = 2, .extended = 0x0002fde800000000 } },
};

START_TEST(community_pattern)
{
	struct res_community c;

	ck_assert_int_eq(res_community_pattern_parse(patterns[_i].text, &c), 0);
	ck_assert_int_eq(c.type, patterns[_i].want.type);
	ck_assert_uint_eq(c.wild, patterns[_i].want.wild);
	ck_assert_uint_eq(c.standard, patterns[_i].want.standard);
	ck_assert_uint_eq(c.extended, patterns[_i].want.extended);
	ck_assert_mem_eq(c.large, patterns[_i].want.large, sizeof(c.large));
	ck_assert_int_eq(res_community_parse(patterns[_i].text, &c), -EINVAL);
}
END_TEST

static const char *const no_communities[] = { "", ":", "1:", ":1", "65536:1", "1:65536",
	"4294967296", "1:2:3:4", "1:2:4294967296", "rt:1", "rt:70000:70000", "large:1:2", "-1:2",
	"no-expor", "1 :2", "*", "rt:*:1", "1:**", "0x1", "0x0002fde80000000g" };

START_TEST(no_community)
{
	struct res_community c;

	ck_assert_int_eq(res_community_parse(no_communities[_i], &c), -EINVAL);
}
END_TEST

static void
add_tests(Suite *s)
{
	TCase *tc = tcase_create("community");

	tcase_add_loop_test(tc, community, 0, NR(communities));
	tcase_add_loop_test(tc, community_pattern, 0, NR(patterns));
	tcase_add_loop_test(tc, no_community, 0, NR(no_communities));
	suite_add_tcase(s, tc);
}
UNIT_MAIN("resource/community", add_tests)
