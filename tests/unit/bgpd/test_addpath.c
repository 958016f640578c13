/*
 * tests/unit/bgpd/test_addpath.c: several paths of a prefix (RFC 7911): on the wire, from a peer, and
 * to peers; then at random, beside a model, with peers that do not read at times.
 */
#include "bgpd/rib.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "bgpd/msg.h"
#include "lib/mem.h"
#include "tests/unit/bgpd/ribkit.h"
#include "tests/unit/unit.h"

#define V4 BGP_FAMILY_MASK(BGP_IPV4_UNICAST)
#define V6 BGP_FAMILY_MASK(BGP_IPV6_UNICAST)
#define P1 "172.20.1.0/24"

static struct kit *k;

static void
setup(void)
{
	k = kit_new();
}

static void
teardown(void)
{
	kit_free(k);
}

/* ---- the wire ---- */

static struct prefix
prefix_from(const char *text)
{
	struct prefix p;

	ck_assert_int_eq(prefix_parse(text, &p, NULL), 0);
	return p;
}

/* 3: four octets in front of each prefix: both families, announced and withdrawn. */
START_TEST(rfc7911_3_an_identifier_before_each_prefix)
{
	static const char *const prefixes[] = { "10.0.0.0/8", "fd00::/9" };
	static struct bgp_update u;
	const struct bgp_attrs a = { .next_hop = { .b = { 0xfd, 1 }, .family = ADDR_V6 } };
	const struct bgp_attrs b = { .next_hop = { .b = { 10 }, .family = ADDR_V4 } };
	const struct bgp_update_ctx ctx = { .as4 = true, .families = V4 | V6, .add_path = V4 | V6 };
	enum bgp_family f = _i & 1 ? BGP_IPV6_UNICAST : BGP_IPV4_UNICAST;
	bool withdrawn = _i & 2;
	struct prefix p = prefix_from(prefixes[f]), q;
	struct bgp_pack pack;
	struct bgp_nlri *n;
	uint8_t bytes[4096];
	size_t len;

	bgp_pack_begin(&pack, wire_wr_init(bytes, sizeof(bytes)), BGP_MAX_LEN, f,
	    withdrawn			? NULL
		: f == BGP_IPV6_UNICAST ? &a
					: &b,
	    true);
	pack.add_path = true;
	for (uint32_t id = 7; id < 2007; id++) { /* several messages */
		pack.path_id = id;
		if (bgp_pack_add(&pack, &p) < 0)
			break;
	}
	len = bgp_pack_end(&pack);
	bgp_update_decode(wire_rd_init(bytes + BGP_HEADER_LEN,
			      (size_t)(bytes[16] << 8 | bytes[17]) - BGP_HEADER_LEN),
	    &ctx, &u);
	ck_assert_uint_le(len, sizeof(bytes));
	ck_assert_int_eq(u.verdict, BGP_V_OK);
	n = withdrawn ? f ? &u.unreach : &u.withdrawn : f ? &u.reach : &u.nlri;
	ck_assert(n->present);
	for (uint32_t id = 7; bgp_nlri_next(n, &q); id++) {
		ck_assert_uint_eq(n->path_id, id);
		ck_assert(prefix_eq(&p, &q));
	}
	ck_assert(wire_done(&n->rd));
}
END_TEST

START_TEST(rfc7911_3_an_identifier_that_is_cut_is_a_reset)
{
	/* An End-of-RIB would be 0 0 0 0; here NLRI of 5 octets do not hold an identifier and a /8. */
	static const uint8_t body[] = { 0, 0, 0, 14, 0x40, 1, 1, 0, 0x40, 2, 0, 0x40, 3, 4, 10, 0,
		0, 1, 0, 0, 0, 1, 8 };
	const struct bgp_update_ctx ctx = { .as4 = true, .families = V4, .add_path = V4 };
	static struct bgp_update u;

	bgp_update_decode(wire_rd_init(body, sizeof(body)), &ctx, &u);
	ck_assert_int_eq(u.verdict, BGP_V_RESET);
	ck_assert_uint_eq(u.fault.subcode, BGP_UPD_NETWORK);
}
END_TEST

static void
open_with(const uint8_t *cap, size_t len, struct bgp_open *o)
{
	uint8_t body[64] = { 4, 0xfd, 0xe8, 0, 90, 1, 1, 1, 1, (uint8_t)(len + 2), 2,
		(uint8_t)len };
	struct bgp_fault fault;

	memcpy(body + 12, cap, len);
	ck_assert_int_eq(bgp_open_decode(wire_rd_init(body, 12 + len), o, &fault), 0);
}

START_TEST(rfc7911_4_the_capability_by_family_and_direction)
{
	static const uint8_t cap[] = { 69, 8, 0, 1, 1, 1, 0, 2, 1, 3 };
	struct bgp_open o, back;
	uint8_t bytes[256];
	struct wire_wr w = wire_wr_init(bytes, sizeof(bytes));
	struct bgp_fault fault;

	open_with(cap, sizeof(cap), &o);
	ck_assert_uint_eq(o.caps.add_receive, V4 | V6);
	ck_assert_uint_eq(o.caps.add_send, V6);
	bgp_open_encode(&w, &o);
	ck_assert_int_eq(
	    bgp_open_decode(
		wire_rd_init(bytes + BGP_HEADER_LEN, w.len - BGP_HEADER_LEN), &back, &fault),
	    0);
	ck_assert_uint_eq(back.caps.add_receive, V4 | V6);
	ck_assert_uint_eq(back.caps.add_send, V6);
}
END_TEST

/* 4: "If any other value is received, then the capability SHOULD be treated as not understood". */
START_TEST(rfc7911_4_another_value_is_not_understood)
{
	static const uint8_t four[] = { 69, 8, 0, 1, 1, 3, 0, 2, 1, 4 };
	static const uint8_t zero[] = { 69, 4, 0, 1, 1, 0 }, cut[] = { 69, 5, 0, 1, 1, 3, 0 };
	struct bgp_open o;

	open_with(four, sizeof(four), &o);
	ck_assert_uint_eq(o.caps.add_receive | o.caps.add_send, 0);
	open_with(zero, sizeof(zero), &o);
	ck_assert_uint_eq(o.caps.add_receive | o.caps.add_send, 0);
	open_with(cut, sizeof(cut), &o);
	ck_assert_uint_eq(o.caps.add_receive | o.caps.add_send, 0);
}
END_TEST

/* ---- what peers tell ---- */

static void
up(unsigned peer, bool ibgp, unsigned rx, unsigned tx)
{
	k->peers[peer].s = kit_session(peer, ibgp);
	k->peers[peer].s.add_rx = rx;
	k->peers[peer].s.add_tx = tx;
	k->peers[peer].up = true;
	k->peers[peer].room = SIZE_MAX;
	adj_up(k->peers[peer].adj, &k->peers[peer].s);
	kit_run(k);
}

/* Everything is taken from it, and sent to it, of prefixes up to @max paths. */
static void
add(unsigned peer, unsigned rx, unsigned tx, uint8_t max)
{
	struct kit_conf c;

	kit_conf_init(&c, peer);
	c.export[0].accept = true;
	c.conf.export.nr_rules = tx ? 1 : 0;
	c.conf.family[BGP_IPV4_UNICAST].add_max = max;
	c.conf.family[BGP_IPV6_UNICAST].add_max = max;
	kit_conf(k, peer, &c);
	up(peer, false, rx, tx);
}

static void
tell(unsigned peer, uint32_t path_id, uint32_t last_as, const char *hop)
{
	const struct kit_route r = {
		.next_hop = hop, .path = { 65001 + peer, last_as }, .path_id = path_id
	};

	ck_assert_int_eq(kit_announce(k, peer, P1, &r, NULL), 0);
	kit_run(k);
}

static struct adj_counts
counts(unsigned peer)
{
	struct adj_counts c;

	adj_counts(k->peers[peer].adj, BGP_IPV4_UNICAST, &c);
	return c;
}

/* 3: a path is named by prefix and identifier; 5: told again it takes the place of the one before. */
START_TEST(rfc7911_3_prefix_and_identifier_name_a_path)
{
	add(0, V4, 0, 0);
	tell(0, 1, 7, "10.0.0.21");
	tell(0, 2, 8, "10.0.0.22");
	tell(0, 0, 9, "10.0.0.20"); /* 0 is as good as any */
	ck_assert_str_eq(kit_learned(k, P1), "10.0.0.20 10.0.0.21 10.0.0.22");
	ck_assert_uint_eq(counts(0).received, 3);
	tell(0, 2, 8, "10.0.0.23");
	ck_assert_str_eq(kit_learned(k, P1), "10.0.0.20 10.0.0.21 10.0.0.23");
	ck_assert_int_eq(kit_withdraw_id(k, 0, P1, 1), 0);
	kit_run(k);
	ck_assert_str_eq(kit_learned(k, P1), "10.0.0.20 10.0.0.23");
	ck_assert_int_eq(kit_withdraw_id(k, 0, P1, 99), 0);
	kit_run(k);
	ck_assert_uint_eq(counts(0).received, 2);
	ck_assert_int_eq(kit_withdraw_id(k, 0, P1, 0), 0);
	ck_assert_int_eq(kit_withdraw_id(k, 0, P1, 2), 0);
	kit_run(k);
	ck_assert_str_eq(kit_learned(k, P1), "");
	ck_assert_uint_eq(counts(0).received, 0);
}
END_TEST

/* RFC 4724 4.2 with paths: what does not come again under its identifier goes. */
START_TEST(rfc7911_stale_paths_by_identifier)
{
	add(0, V4, 0, 0);
	tell(0, 1, 7, "10.0.0.21");
	tell(0, 2, 8, "10.0.0.22");
	kit_down(k, 0, V4);
	kit_run(k);
	ck_assert_str_eq(kit_learned(k, P1), "10.0.0.21 10.0.0.22");
	up(0, false, V4, 0);
	tell(0, 2, 8, "10.0.0.22");
	ck_assert_str_eq(kit_learned(k, P1), "10.0.0.21 10.0.0.22");
	ck_assert_int_eq(kit_eor(k, 0, BGP_IPV4_UNICAST), 0);
	kit_run(k);
	ck_assert_str_eq(kit_learned(k, P1), "10.0.0.22");
	/* A session without identifiers cannot name them. */
	kit_down(k, 0, V4);
	up(0, false, 0, 0);
	kit_run(k);
	ck_assert_str_eq(kit_learned(k, P1), "");
	tell(0, 0, 8, "10.0.0.22");
	ck_assert_uint_eq(counts(0).received, 1);
}
END_TEST

START_TEST(rfc7911_6_paths_of_a_prefix_have_a_bound)
{
	char hop[32];

	add(0, V4, 0, 0);
	for (unsigned i = 0; i < 80; i++) {
		snprintf(hop, sizeof(hop), "10.0.1.%u", i + 1);
		tell(0, i, 7, hop);
	}
	ck_assert_uint_eq(counts(0).received, 64);
	for (unsigned i = 0; i < 80; i++)
		ck_assert_int_eq(kit_withdraw_id(k, 0, P1, i), 0);
	kit_run(k);
	ck_assert_uint_eq(counts(0).received, 0);
	ck_assert_str_eq(kit_learned(k, P1), "");
}
END_TEST

/* Peers that have one path each come on top of those that have many. */
START_TEST(many_paths_of_one_peer_and_one_of_each_other)
{
	for (unsigned i = 0; i < 6; i++)
		add(i, i == 0 ? V4 : 0, 0, 0);
	for (unsigned i = 0; i < 64; i++)
		tell(0, i, 7, NULL);
	for (unsigned i = 1; i < 6; i++)
		tell(i, 0, 7, NULL);
	ck_assert_str_eq(
	    kit_learned(k, P1), "10.0.0.1 10.0.0.2 10.0.0.3 10.0.0.4 10.0.0.5 10.0.0.6");
}
END_TEST

START_TEST(several_paths_count_for_the_limit_of_prefixes)
{
	struct bgp_fault fault;
	struct kit_conf c;

	kit_conf_init(&c, 0);
	c.conf.family[BGP_IPV4_UNICAST].max_prefixes = 2;
	kit_conf(k, 0, &c);
	up(0, false, V4, 0);
	tell(0, 1, 7, "10.0.0.21");
	tell(0, 2, 8, "10.0.0.22");
	ck_assert_int_eq(
	    kit_announce(k, 0, P1, &(struct kit_route){ .path = { 65001 }, .path_id = 3 }, &fault),
	    -EBADMSG);
	ck_assert_uint_eq(fault.subcode, BGP_CEASE_MAX_PREFIXES);
}
END_TEST

/* ---- what peers are told ---- */

static int
text_cmp(const void *a, const void *b)
{
	return strcmp(strrchr(*(char *const *)a, ' '), strrchr(*(char *const *)b, ' '));
}

/* What the peer has of the prefix, whatever the identifiers, in order, joined by spaces. */
static const char *
told_all(unsigned peer, const char *prefix)
{
	static char out[64 * KIT_TEXT];
	const struct kit_entry *e, *next;
	const char *list[256];
	size_t nr = 0, at = 0, len = strlen(prefix);

	HASH_ITER(hh, k->peers[peer].table, e, next)
	{
		if (strncmp(e->prefix, prefix, len) == 0 && e->prefix[len] == '#')
			list[nr++] = e->text;
	}
	qsort(list, nr, sizeof(*list), text_cmp);
	out[0] = '\0';
	for (size_t i = 0; i < nr; i++)
		at += (size_t)snprintf(
		    out + at, sizeof(out) - at, "%s%s", i ? " " : "", strrchr(list[i], ' ') + 1);
	return out;
}

/* The last AS of each path, as all else is the same. */
START_TEST(rfc7911_5_each_path_has_an_identifier_of_its_own)
{
	add(0, 0, 0, 0);
	add(1, 0, 0, 0);
	add(2, V4, 0, 0);
	add(3, 0, V4, 8);
	add(4, 0, 0, 0); /* nothing is changed for others */
	tell(0, 0, 70, NULL);
	tell(1, 0, 71, NULL);
	tell(2, 5, 72, NULL);
	tell(2, 6, 73, NULL);
	ck_assert_str_eq(
	    told_all(3, P1), "70|10.0.0.100 71|10.0.0.100 72|10.0.0.100 73|10.0.0.100");
	ck_assert_uint_eq(counts(3).advertised, 4);
	kit_counters_clear(k);
	ck_assert_int_eq(kit_withdraw_id(k, 2, P1, 5), 0);
	kit_run(k);
	ck_assert_str_eq(told_all(3, P1), "70|10.0.0.100 71|10.0.0.100 73|10.0.0.100");
	ck_assert_uint_eq(k->peers[3].withdrawn, 1);
	ck_assert_uint_eq(k->peers[3].announced, 0);
	tell(1, 0, 74, NULL);
	ck_assert_uint_eq(k->peers[3].announced, 1);
	ck_assert_uint_eq(k->peers[3].withdrawn, 1);
	ck_assert_str_eq(told_all(3, P1), "70|10.0.0.100 73|10.0.0.100 74|10.0.0.100");
	ck_assert_uint_eq(counts(3).advertised, 3);
}
END_TEST

START_TEST(the_best_come_first_and_no_more_than_asked_for)
{
	struct kit_conf c;

	add(0, V4, 0, 0);
	add(1, 0, V4, 2);
	for (uint32_t id = 1; id < 6; id++)
		ck_assert_int_eq(
		    kit_announce(k, 0, P1,
			&(struct kit_route){
			    .path = { 65001, 70 + id }, .med = 10 - id, .path_id = id },
			NULL),
		    0);
	kit_run(k);
	ck_assert_str_eq(told_all(1, P1), "74|10.0.0.100 75|10.0.0.100");
	/* Three, without a session's end. */
	kit_conf_init(&c, 1);
	c.export[0].accept = true;
	c.conf.export.nr_rules = 1;
	c.conf.family[BGP_IPV4_UNICAST].add_max = 3;
	kit_conf(k, 1, &c);
	kit_run(k);
	ck_assert_str_eq(told_all(1, P1), "73|10.0.0.100 74|10.0.0.100 75|10.0.0.100");
	ck_assert_uint_eq(counts(1).advertised, 3);
	/* Those that share the load: the MED decides against all but one. */
	c.conf.family[BGP_IPV4_UNICAST].add_multi = true;
	kit_conf(k, 1, &c);
	kit_run(k);
	ck_assert_str_eq(told_all(1, P1), "75|10.0.0.100");
	ck_assert_uint_eq(counts(1).advertised, 1);
}
END_TEST

START_TEST(own_routes_have_an_identifier_too)
{
	struct bgp_announce a = kit_own("10.99.0.0/24");

	add(0, 0, V4 | V6, 8);
	ck_assert_int_eq(rib_originate(k->rib, "test", &a, 1), 0);
	kit_run(k);
	ck_assert_uint_eq(kit_table_size(&k->peers[0]), 1);
	ck_assert_uint_eq(counts(0).advertised, 1);
	ck_assert_int_eq(rib_originate(k->rib, "test", NULL, 0), 0);
	kit_run(k);
	ck_assert_uint_eq(kit_table_size(&k->peers[0]), 0);
}
END_TEST

START_TEST(a_refresh_says_it_all_again)
{
	add(0, V4, 0, 0);
	add(1, 0, V4, 8);
	tell(0, 1, 71, NULL);
	tell(0, 2, 72, NULL);
	kit_counters_clear(k);
	adj_refresh(k->peers[1].adj, BGP_IPV4_UNICAST, BGP_REFRESH_REQUEST);
	kit_run(k);
	ck_assert_uint_eq(k->peers[1].announced, 2);
	ck_assert_uint_eq(k->peers[1].redundant, 2);
	ck_assert_str_eq(told_all(1, P1), "71|10.0.0.100 72|10.0.0.100");
}
END_TEST

/* A peer's own paths do not come back to it, and those of others do. */
START_TEST(never_a_path_back_to_where_it_came_from)
{
	add(0, V4, V4, 8);
	add(1, V4, V4, 8);
	tell(0, 1, 71, NULL);
	tell(0, 2, 72, NULL);
	tell(1, 1, 73, NULL);
	ck_assert_str_eq(told_all(0, P1), "73|10.0.0.100");
	ck_assert_str_eq(told_all(1, P1), "71|10.0.0.100 72|10.0.0.100");
	ck_assert_uint_eq(counts(0).advertised, 1);
	ck_assert_uint_eq(counts(1).advertised, 2);
}
END_TEST

/* RFC 4271 5.1.3 for each path: not to whom its next hop is, which may change with the next hop. */
START_TEST(rfc4271_5_1_3_never_the_peers_own_address_path_by_path)
{
	add(0, V4, 0, 0);
	for (unsigned i = 3; i < 5; i++) {
		add(i, 0, V4, 8);
		kit_down(k, i, 0);
		up(i, true, 0, V4);
	}
	tell(0, 1, 71, "10.0.0.77");
	tell(0, 2, 72, "10.0.0.77");
	ck_assert_uint_eq(kit_table_size(&k->peers[3]), 2);
	tell(0, 1, 71, "10.0.0.4");
	ck_assert_uint_eq(kit_table_size(&k->peers[3]), 1);
	ck_assert_uint_eq(counts(3).advertised, 1);
	ck_assert_uint_eq(kit_table_size(&k->peers[4]), 2);
	tell(0, 1, 71, "10.0.0.5");
	ck_assert_uint_eq(kit_table_size(&k->peers[3]), 2);
	ck_assert_uint_eq(kit_table_size(&k->peers[4]), 1);
	tell(0, 1, 71, "10.0.0.77");
	ck_assert_uint_eq(kit_table_size(&k->peers[4]), 2);
	ck_assert_uint_eq(counts(4).advertised, 2);
}
END_TEST

/* ---- at random ---- */

#define NR_PREFIXES 12
#define NR_IDS 3
#define NR_SEEDS 12

/* By source, identifier and prefix: the last AS of the path; 0: there is none. */
static uint32_t model[3][NR_IDS][NR_PREFIXES];

static uint32_t seed;

static uint32_t
any(uint32_t below)
{
	seed = seed * 1664525u + 1013904223u;
	return (seed >> 8) % below;
}

static void
prefix_name(unsigned n, char *text)
{
	snprintf(text, KIT_PREFIX, "172.21.%u.0/24", n);
}

static void
do_source(unsigned src)
{
	unsigned n = any(NR_PREFIXES), id = src == 2 ? 0 : any(NR_IDS);
	char prefix[KIT_PREFIX];

	prefix_name(n, prefix);
	if (any(3) == 0) {
		model[src][id][n] = 0;
		ck_assert_int_eq(kit_withdraw_id(k, src, prefix, id), 0);
		return;
	}
	model[src][id][n] = 100 + any(5);
	ck_assert_int_eq(
	    kit_announce(k, src, prefix,
		&(struct kit_route){ .path = { 65001 + src, model[src][id][n] }, .path_id = id },
		NULL),
	    0);
}

static const char *
expected(unsigned n)
{
	static char out[64 * KIT_TEXT];
	size_t at = 0;

	out[0] = '\0';
	for (uint32_t as = 100; as < 105; as++)
		for (unsigned s = 0; s < 3; s++)
			for (unsigned id = 0; id < NR_IDS; id++)
				if (model[s][id][n] == as)
					at += (size_t)snprintf(out + at, sizeof(out) - at,
					    "%s%u|10.0.0.100", at ? " " : "", as);
	return out;
}

static unsigned
nr_words(const char *text)
{
	unsigned nr = *text != '\0';

	for (; *text; text++)
		nr += *text == ' ';
	return nr;
}

static void
compare(void)
{
	char prefix[KIT_PREFIX];
	unsigned all = 0, two = 0;

	for (unsigned n = 0; n < NR_PREFIXES; n++) {
		unsigned want;

		prefix_name(n, prefix);
		ck_assert_str_eq(told_all(3, prefix), expected(n));
		want = nr_words(expected(n));
		all += want;
		two += want < 2 ? want : 2;
		ck_assert_uint_eq(nr_words(told_all(4, prefix)), want < 2 ? want : 2);
		ck_assert_uint_eq(*kit_told(k, 5, prefix) != '\0', want > 0);
	}
	ck_assert_uint_eq(counts(3).advertised, all);
	ck_assert_uint_eq(kit_table_size(&k->peers[3]), all);
	ck_assert_uint_eq(counts(4).advertised, two);
	ck_assert_uint_eq(kit_table_size(&k->peers[4]), two);
}

static void
do_anything(void)
{
	unsigned peer = 3 + any(2);

	switch (any(16)) {
	case 0:
		k->peers[peer].room = 0;
		break;
	case 1:
		k->peers[peer].room = 100;
		break;
	case 2:
		k->peers[peer].room = SIZE_MAX;
		adj_more(k->peers[peer].adj);
		break;
	case 3:
		adj_refresh(k->peers[peer].adj, BGP_IPV4_UNICAST, BGP_REFRESH_REQUEST);
		break;
	case 4:
		if (any(4) == 0) {
			kit_down(k, peer, 0);
			up(peer, false, 0, V4);
		}
		break;
	case 5:
		kit_run(k);
		break;
	default:
		do_source(any(3));
	}
}

START_TEST(at_random_peers_have_what_they_should)
{
	seed = (uint32_t)_i * 7919u + 1;
	memset(model, 0, sizeof(model));
	add(0, V4, 0, 0);
	add(1, V4, 0, 0);
	add(2, 0, 0, 0);
	add(3, 0, V4, 64);
	add(4, 0, V4, 2);
	{
		struct kit_conf c;

		kit_conf_init(&c, 5);
		c.export[0].accept = true;
		c.conf.export.nr_rules = 1;
		kit_conf(k, 5, &c);
		up(5, false, 0, 0);
	}
	for (unsigned round = 0; round < 20; round++) {
		for (unsigned i = 0; i < 100; i++) {
			do_anything();
			/* Late, but right in the end. */
			if (_i < NR_SEEDS || any(4))
				continue;
			mem_fail_at(1 + any(20));
			kit_run(k);
			adj_more(k->peers[4].adj);
			mem_fail_at(0);
		}
		for (unsigned p = 3; p < 5; p++) {
			k->peers[p].room = SIZE_MAX;
			adj_more(k->peers[p].adj);
		}
		loop_advance(k->loop, RIB_RETRY_MS);
		loop_advance(k->loop, RIB_RETRY_MS);
		kit_run(k);
		compare();
	}
}
END_TEST

static void
add_tests(Suite *s)
{
	TCase *tc = tcase_create("addpath");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_loop_test(tc, rfc7911_3_an_identifier_before_each_prefix, 0, 4);
	tcase_add_test(tc, rfc7911_3_an_identifier_that_is_cut_is_a_reset);
	tcase_add_test(tc, rfc7911_4_the_capability_by_family_and_direction);
	tcase_add_test(tc, rfc7911_4_another_value_is_not_understood);
	tcase_add_test(tc, rfc7911_3_prefix_and_identifier_name_a_path);
	tcase_add_test(tc, rfc7911_stale_paths_by_identifier);
	tcase_add_test(tc, rfc7911_6_paths_of_a_prefix_have_a_bound);
	tcase_add_test(tc, many_paths_of_one_peer_and_one_of_each_other);
	tcase_add_test(tc, several_paths_count_for_the_limit_of_prefixes);
	tcase_add_test(tc, rfc7911_5_each_path_has_an_identifier_of_its_own);
	tcase_add_test(tc, the_best_come_first_and_no_more_than_asked_for);
	tcase_add_test(tc, own_routes_have_an_identifier_too);
	tcase_add_test(tc, a_refresh_says_it_all_again);
	tcase_add_test(tc, never_a_path_back_to_where_it_came_from);
	tcase_add_test(tc, rfc4271_5_1_3_never_the_peers_own_address_path_by_path);
	tcase_add_loop_test(tc, at_random_peers_have_what_they_should, 0, 2 * NR_SEEDS);
	suite_add_tcase(s, tc);
}
UNIT_MAIN("addpath", add_tests)
