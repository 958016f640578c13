/*
 * tests/fuzz/fuzz_bgp_update.c: anything as the body of an UPDATE, read in every way that a session
 * can be set up.  After anything but a reset all lists can be read to their ends; what is good means
 * the same after it was packed and taken apart again.  The first octet chooses the session.
 */
#include "tests/fuzz/must.h"

#include "bgpd/msg.h"
#include "bgpd/update.h"

#include "lib/buf.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct bgp_update first, second;
static uint8_t out[1 << 18];

static bool
same(struct bgp_span a, struct bgp_span b)
{
	return a.len == b.len && (a.len == 0 || memcmp(a.p, b.p, a.len) == 0);
}

static void
read_out(struct bgp_nlri n)
{
	struct prefix p;

	while (n.present && bgp_nlri_next(&n, &p))
		must(p.len <= addr_bits((enum addr_family)p.addr.family));
	must(!n.present || wire_done(&n.rd));
}

static void
same_attrs(const struct bgp_attrs *a, const struct bgp_attrs *b)
{
	must(a->origin == b->origin && a->partial == b->partial);
	must(a->has_med == b->has_med && a->med == b->med);
	must(a->has_local_pref == b->has_local_pref && a->local_pref == b->local_pref);
	must(a->atomic_aggregate == b->atomic_aggregate);
	must(a->has_aggregator == b->has_aggregator && a->aggregator_as == b->aggregator_as &&
	    a->aggregator_id == b->aggregator_id);
	must(a->has_originator_id == b->has_originator_id && a->originator_id == b->originator_id);
	must(a->has_otc == b->has_otc && a->otc == b->otc);
	must(same(a->as_path, b->as_path));
	must(same(a->communities, b->communities));
	must(same(a->ext_communities, b->ext_communities));
	must(same(a->large_communities, b->large_communities));
	must(same(a->cluster_list, b->cluster_list));
	must(same(a->unknown, b->unknown));
}

/* Pack what one list announces, for a speaker with @as4 or without, take the message apart as that
 * speaker would if it was us, and compare. */
static void
round_trip(struct bgp_nlri n, const struct bgp_attrs *a, const struct bgp_update_ctx *ctx, bool as4)
{
	struct bgp_update_ctx again = *ctx;
	struct bgp_pack k;
	struct bgp_nlri back;
	struct prefix p, q;
	size_t len;

	if (!n.present || !bgp_nlri_next(&n, &p))
		return;
	again.as4 = as4;
	bgp_pack_begin(&k, wire_wr_init(out, sizeof(out)), BGP_MAX_EXT_LEN, n.family, a, as4);
	k.add_path = n.add_path;
	k.path_id = n.path_id;
	if (bgp_pack_add(&k, &p) < 0)
		return; /* attributes that fill the longest message */
	len = bgp_pack_end(&k);
	must(k.nr_messages == 1 && len <= BGP_MAX_EXT_LEN);
	bgp_update_decode(
	    wire_rd_init(out + BGP_HEADER_LEN, len - BGP_HEADER_LEN), &again, &second);
	must(second.verdict == BGP_V_OK && second.eor == -1);
	back = second.nlri.present ? second.nlri : second.reach;
	must(back.present && bgp_nlri_next(&back, &q) && prefix_eq(&p, &q));
	must(!n.add_path || back.path_id == n.path_id);
	must(!bgp_nlri_next(&back, &q));
	must(addr_eq(
	    &a->next_hop, second.nlri.present ? &second.attrs.next_hop : &second.reach_next_hop));
	same_attrs(a, &second.attrs);
}

static void
walk_path(struct bgp_span path)
{
	struct buf b;

	buf_init(&b, 1 << 22);
	bgp_as_path_format(path, &b);
	buf_fini(&b);
	(void)bgp_as_path_len(path);
	(void)bgp_as_path_first(path);
	(void)bgp_as_path_count(path, 65001);
}

/* Prepending adds as many, and changes nothing behind. */
static void
prepend(struct bgp_span path, unsigned n)
{
	struct wire_wr w = wire_wr_init(out, sizeof(out));
	struct bgp_span longer;

	must(bgp_as_path_prepend(path, 65001, n, &w) == 0);
	longer = (struct bgp_span){ .p = out, .len = (uint32_t)w.len };
	must(bgp_as_path_len(longer) == bgp_as_path_len(path) + n);
	must(bgp_as_path_count(longer, 65001) == bgp_as_path_count(path, 65001) + n);
	must(n == 0 || bgp_as_path_first(longer) == 65001);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct bgp_attrs a;

	if (size < 1)
		return 0;
	const struct bgp_update_ctx ctx = { .as4 = data[0] & 1,
		.ibgp = data[0] & 2,
		.families = data[0] & 4 ? 1u + (data[0] >> 3 & 1) : 3u,
		.ext_next_hop = data[0] & 16 ? 1 : 0,
		.add_path = data[0] & 32 ? 3 : 0,
		.local_as = 65001 };

	bgp_update_decode(wire_rd_init(data + 1, size - 1), &ctx, &first);
	if (first.verdict == BGP_V_RESET) {
		must(first.fault.code == BGP_ERR_UPDATE && first.eor == -1);
		return 0;
	}
	read_out(first.withdrawn);
	read_out(first.unreach);
	read_out(first.nlri);
	read_out(first.reach);
	walk_path(first.attrs.as_path);
	prepend(first.attrs.as_path, data[0] >> 5);
	if (first.verdict == BGP_V_WITHDRAW) {
		must(first.eor == -1);
		return 0;
	}
	a = first.attrs;
	for (int as4 = 0; as4 < 2 && first.nlri.present; as4++)
		round_trip(first.nlri, &a, &ctx, as4);
	a.next_hop = first.reach_next_hop;
	a.next_hop_ll = first.reach_next_hop_ll;
	for (int as4 = 0; as4 < 2 && first.reach.present; as4++)
		round_trip(first.reach, &a, &ctx, as4);
	return 0;
}
