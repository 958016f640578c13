/*
 * tests/unit/bgpd/test_malformed.c: what the log has to say of a broken UPDATE (RFC 7606 8).
 */
#include "bgpd/rib.h"

#include <errno.h>
#include <string.h>

#include "lib/log.h"
#include "tests/unit/bgpd/ribkit.h"
#include "tests/unit/unit.h"

static struct kit *k;
static char lines[32][4200];
static unsigned nr_lines;

static void
keep_line(void *arg, const char *line)
{
	(void)arg;
	if (strstr(line, "update-") && nr_lines < 32)
		snprintf(lines[nr_lines++], sizeof(lines[0]), "%s", line);
}

static void
setup(void)
{
	k = kit_new();
	log_sink(keep_line, NULL);
	nr_lines = 0;
}

static void
teardown(void)
{
	log_sink(NULL, NULL);
	kit_free(k);
}

static void
has(unsigned line, const char *what)
{
	ck_assert_msg(strstr(lines[line], what) != NULL, "no %s in %s", what, lines[line]);
}

START_TEST(rfc7606_8_the_log_has_the_routes_and_all_octets)
{
	/* ORIGIN 3, and two routes */
	static const uint8_t body[] = { 0, 0, 0, 20, 0x40, 1, 1, 3, 0x40, 2, 6, 2, 1, 0, 0, 0xfd,
		0xe9, 0x40, 3, 4, 10, 0, 0, 1, 24, 172, 20, 1, 8, 10 };
	struct bgp_fault f;

	kit_add(k, 0, false);
	ck_assert_int_eq(adj_update(k->peers[0].adj, wire_rd_init(body, sizeof(body)), &f), 0);
	ck_assert_uint_eq(nr_lines, 2);
	has(0, "treat-as-withdraw");
	has(0, "172.20.1.0/24 10.0.0.0/8");
	has(0, "attribute=1");
	has(1, "from=0");
	has(1,
	    "0000001440010103400206020100"
	    "00fde94003040a00000118ac1401080a");
}
END_TEST

START_TEST(rfc7606_8_an_update_that_resets_is_told_too)
{
	static const uint8_t body[] = { 1, 0xf4, 0, 0 };
	struct bgp_fault f;

	kit_add(k, 0, false);
	ck_assert_int_eq(
	    adj_update(k->peers[0].adj, wire_rd_init(body, sizeof(body)), &f), -EBADMSG);
	ck_assert_uint_eq(nr_lines, 2);
	has(0, "action=reset");
	has(1, "octets=01f40000");
}
END_TEST

/* A line has a limit; a message takes as many as it needs. */
START_TEST(rfc7606_8_a_long_one_takes_several_lines)
{
	/* ORIGIN of 3600 octets */
	static uint8_t body[8 + 3600] = { 0, 0, 0x0e, 0x14, 0x50, 1, 0x0e, 0x10 };
	struct bgp_fault f;

	kit_add(k, 0, false);
	body[sizeof(body) - 1] = 0xab;
	ck_assert_int_eq(
	    adj_update(k->peers[0].adj, wire_rd_init(body, sizeof(body)), &f), -EBADMSG);
	ck_assert_uint_eq(nr_lines, 4);
	has(1, "from=0 ");
	has(2, "from=1400 ");
	has(3, "from=2800 ");
	ck_assert_str_eq(lines[3] + strlen(lines[3]) - 4, "00ab");
	for (unsigned i = 0; i < nr_lines; i++)
		ck_assert_ptr_null(strstr(lines[i], "truncated"));
}
END_TEST

/* Ten messages a minute, whatever a peer sends. */
START_TEST(a_peer_does_not_fill_the_log)
{
	static const uint8_t body[] = { 0, 0, 0, 4, 0x40, 1, 1, 3 };
	struct bgp_fault f;

	kit_add(k, 0, false);
	for (unsigned i = 0; i < 100; i++)
		ck_assert_int_eq(
		    adj_update(k->peers[0].adj, wire_rd_init(body, sizeof(body)), &f), -EBADMSG);
	ck_assert_uint_ge(nr_lines, 2);
	ck_assert_uint_le(nr_lines, 20);
}
END_TEST

static void
add_tests(Suite *s)
{
	TCase *tc = tcase_create("malformed");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, rfc7606_8_the_log_has_the_routes_and_all_octets);
	tcase_add_test(tc, rfc7606_8_an_update_that_resets_is_told_too);
	tcase_add_test(tc, rfc7606_8_a_long_one_takes_several_lines);
	tcase_add_test(tc, a_peer_does_not_fill_the_log);
	suite_add_tcase(s, tc);
}
UNIT_MAIN("malformed", add_tests)
