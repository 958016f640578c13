/*
 * tests/unit/bgpd/test_mrt_table.c: the table as MRT, beside RFC 6396's pictures, from a speaker with peers by
 * hand.
 */
#include "tests/unit/bgpd/hex.h"
#include "tests/unit/bgpd/speakerkit.h"
#include "tests/unit/unit.h"

static struct kit k;
static struct raw r;
static uint8_t got[1 << 20];
static size_t nr_got;
static unsigned nr_records;

static void
keep(void *arg, const uint8_t *record, size_t len)
{
	(void)arg;
	ck_assert_uint_gt(len, 12);
	ck_assert_uint_eq(
	    len, 12u + (size_t)(record[8] << 24 | record[9] << 16 | record[10] << 8 | record[11]));
	ck_assert_uint_le(nr_got + len, sizeof(got));
	memcpy(got + nr_got, record, len);
	nr_got += len;
	nr_records++;
}

/* The n-th record behind its times and length: subtype, and what it is about. */
static size_t
record_at(unsigned n, const uint8_t **body, unsigned *subtype)
{
	size_t at = 0, len;

	for (;; n--) {
		ck_assert_uint_lt(at, nr_got);
		len = (size_t)(got[at + 9] << 16 | got[at + 10] << 8 | got[at + 11]);
		ck_assert_uint_eq(got[at + 5], 13);
		*subtype = (unsigned)(got[at + 6] << 8 | got[at + 7]);
		*body = got + at + 12;
		if (!n)
			return len;
		at += 12 + len;
	}
}

static void
record_is(unsigned n, unsigned subtype, const char *text)
{
	const uint8_t *body;
	unsigned is;
	size_t len = record_at(n, &body, &is);

	ck_assert_uint_eq(is, subtype);
	hex_equals(body, len, text);
}

/* Likewise; since when each entry is there hangs on the clock. */
static void
entry_is(unsigned n, unsigned subtype, size_t time_at, const char *text)
{
	const uint8_t *body;
	uint8_t copy[512];
	unsigned is;
	size_t len = record_at(n, &body, &is);

	ck_assert_uint_eq(is, subtype);
	ck_assert_uint_le(len, sizeof(copy));
	memcpy(copy, body, len);
	memset(copy + time_at, 0, 4);
	hex_equals(copy, len, text);
}

static unsigned
walk(struct bgp_table_dump *d)
{
	unsigned portions = 1;

	while (bgp_table_dump_next(d, keep, NULL))
		portions++;
	return portions;
}

static void
begin(uint8_t add_path)
{
	static const struct bgp_rule accept_all = { .accept = true };
	const uint16_t port = kit_port();
	struct bgp_peer_conf *c;

	nr_got = nr_records = 0;
	kit_init(&k, NULL, "127.0.0.1", port, 65001);
	c = kit_peer(&k, "p", "127.0.0.2", port, 65002);
	c->import = (struct bgp_policy){ .rules = &accept_all, .nr_rules = 1 };
	c->family[BGP_IPV4_UNICAST].add_path = add_path;
	r.fd = r.listener = -1;
	raw_listen(&r, &k, "127.0.0.2", port);
	kit_apply(&k);
	raw_accept(&r);
	if (!add_path) {
		raw_establish(
		    &r, &(struct raw_open){ .as = 65002, .id = 9, .hold = 0, .families = 1 });
		return;
	}
	/* AS 65002, hold time 0, ID 0.0.0.9; multiprotocol, four octets, several paths to be sent */
	raw_send_type(&r, 1,
	    "\4\xfd\xea\0\0\0\0\0\t\x14\2\x12\1\4\0\1\0\1\x41\4\0\0\xfd\xea\x45\4\0\1\1\2", 30);
	raw_keepalive(&r);
	kit_until(&k, 0, "established");
}

static void
dump(void)
{
	struct bgp_table_dump *d;

	for (int i = 0; i < 20; i++)
		loop_turn(k.loop, 1);
	nr_got = nr_records = 0;
	d = bgp_table_dump_new(k.bgp);
	walk(d);
	bgp_table_dump_free(d);
}

static void
end(void)
{
	raw_fini(&r);
	kit_fini(&k);
}

START_TEST(rfc6396_4_3_1_the_index_of_peers)
{
	begin(0);
	dump();
	/* router ID, view "i", two peers: ourselves, and 127.0.0.2; both with four octets of AS */
	record_is(0, 1,
	    "7f000001 0001 69 0002 02 7f000001 00000000 0000fde9 02 00000009 7f000002 0000fdea");
	ck_assert_uint_eq(nr_records, 1);
	end();
}
END_TEST

START_TEST(rfc6396_4_3_2_entries_by_prefix)
{
	begin(0);
	raw_announce(&r, "10.1.0.0/16", 65002);
	raw_announce(&r, "10.2.4.0/22", 65002);
	dump();
	ck_assert_uint_eq(nr_records, 3);
	entry_is(1, 2, 11,
	    "00000000 10 0a01 0001 0001 00000000 0014 400101 00 400206 0201 0000fdea "
	    "400304 c000024d");
	entry_is(2, 2, 12,
	    "00000001 16 0a0204 0001 0001 00000000 0014 400101 00 400206 0201 0000fdea "
	    "400304 c000024d");
	end();
}
END_TEST

/* Our own: of peer 0; IPv6 has no more of MP_REACH_NLRI than the next hop. */
START_TEST(rfc6396_4_3_4_of_mp_reach_only_the_next_hop)
{
	begin(0);
	kit_originate(&k, "fd00:1::/32");
	dump();
	ck_assert_uint_eq(nr_records, 2);
	entry_is(1, 4, 13,
	    "00000000 20 fd000001 0001 0000 00000000 001b 400101 00 400200 800e11 10 "
	    "00000000000000000000000000000000");
	end();
}
END_TEST

/* Paths with identifiers have records of their own, our own path has none. */
START_TEST(rfc8050_4_1_path_identifiers)
{
	static const uint8_t update[] =
	    "\0\0\0\x14\x40\1\1\0\x40\2\6\2\1\0\0\xfd\xea\x40\3\4\xc0\0\2\x4d"
	    "\0\0\0\7\x10\x0a\1\0\0\0\x8\x10\x0a\1";

	begin(BGP_ADD_RECEIVE);
	raw_send_type(&r, 2, update, sizeof(update) - 1);
	dump();
	ck_assert_uint_eq(nr_records, 2);
	{
		const uint8_t *body;
		unsigned subtype;
		const size_t len = record_at(1, &body, &subtype);

		ck_assert_uint_eq(subtype, 8);
		ck_assert_uint_eq(len, 9 + 2 * 32);
		ck_assert_uint_eq(body[8], 2);
		/* peer, time, identifier, attributes */
		ck_assert_uint_eq(body[9 + 1], 1);
		ck_assert_uint_eq(body[9 + 9] + body[9 + 32 + 9], 7 + 8);
		hex_equals(body + 19, 22, "0014 400101 00 400206 0201 0000fdea 400304 c000024d");
	}
	end();
}
END_TEST

START_TEST(what_may_not_be_used_is_not_there)
{
	begin(0);
	raw_announce(&r, "10.1.0.0/16", 65001); /* our own AS */
	dump();
	ck_assert_uint_eq(nr_records, 1);
	end();
}
END_TEST

/* Many prefixes: in portions, each once, whatever the session does in between. */
START_TEST(a_walk_goes_on_where_it_was)
{
	struct bgp_table_dump *d;
	unsigned portions = 0;

	begin(0);
	for (unsigned i = 0; i < 3000; i++) {
		char text[32];

		snprintf(text, sizeof(text), "20.%u.%u.0/24", i >> 8, i & 255);
		raw_announce(&r, text, 65002);
	}
	for (int i = 0; i < 2000 && kit_family_number(&k, 0, "received") < 3000; i++)
		loop_turn(k.loop, 1);
	ck_assert_int_eq(kit_family_number(&k, 0, "received"), 3000);
	d = bgp_table_dump_new(k.bgp);
	ck_assert(bgp_table_dump_next(d, keep, NULL));
	ck_assert_uint_lt(nr_got, 1 << 16);
	portions = walk(d);
	bgp_table_dump_free(d);
	ck_assert_uint_ge(portions, 3);
	ck_assert_uint_eq(nr_records, 3001);
	/* the session ends, and with it the instance, while somebody walks */
	nr_got = nr_records = 0;
	d = bgp_table_dump_new(k.bgp);
	ck_assert(bgp_table_dump_next(d, keep, NULL));
	k.conf.nr_instances = 0;
	kit_apply(&k);
	walk(d);
	bgp_table_dump_free(d);
	ck_assert_uint_lt(nr_records, 3001);
	k.conf.nr_instances = 1;
	end();
}
END_TEST

static void
add_tests(Suite *s)
{
	TCase *tc = tcase_create("table");

	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, rfc6396_4_3_1_the_index_of_peers);
	tcase_add_test(tc, rfc6396_4_3_2_entries_by_prefix);
	tcase_add_test(tc, rfc6396_4_3_4_of_mp_reach_only_the_next_hop);
	tcase_add_test(tc, rfc8050_4_1_path_identifiers);
	tcase_add_test(tc, what_may_not_be_used_is_not_there);
	tcase_add_test(tc, a_walk_goes_on_where_it_was);
	suite_add_tcase(s, tc);
}
UNIT_MAIN("mrt_table", add_tests)
