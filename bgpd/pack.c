/*
 * bgpd/pack.c: UPDATE messages put together: attributes in type order, and as many prefixes to a
 * message as fit.  Writes only what was validated or made here.  See update.h.
 * RFC 4271 4.3, 5; 7606 5.1; 4760; 2545; 6793 4.2.2; 4724 2.
 */
#include "bgpd/update.h"

#include "bgpd/attr.h"
#include "bgpd/msg.h"

#include <errno.h>

#define OPT_TRANS (BGP_ATTR_OPTIONAL | BGP_ATTR_TRANSITIVE)
#define SAFI_UNICAST 1

void
attr_header(struct wire_wr *w, unsigned flags, uint8_t type, size_t len)
{
	wire_put_u8(w, (uint8_t)(flags | (len > UINT8_MAX ? BGP_ATTR_EXTENDED : 0u)));
	wire_put_u8(w, type);
	if (len > UINT8_MAX)
		wire_put_u16(w, (uint16_t)len);
	else
		wire_put_u8(w, (uint8_t)len);
}

/* RFC 4271 5: the Partial bit goes on as it came. */
static unsigned
opt_trans(const struct bgp_attrs *a, unsigned partial)
{
	return OPT_TRANS | (a->partial & partial ? BGP_ATTR_PARTIAL : 0u);
}

static void
put_u32(struct wire_wr *w, unsigned flags, uint8_t type, uint32_t v)
{
	attr_header(w, flags, type, 4);
	wire_put_u32(w, v);
}

static void
put_span(struct wire_wr *w, unsigned flags, uint8_t type, struct bgp_span s)
{
	if (s.len == 0)
		return;
	attr_header(w, flags, type, s.len);
	wire_put_bytes(w, s.p, s.len);
}

/* ---- AS numbers towards those who know two octets only (RFC 6793 4.2.2) ---- */

static bool
needs_four(struct bgp_span path)
{
	struct wire_rd r = wire_rd_init(path.p, path.len);

	while (wire_more(&r)) {
		(void)wire_u8(&r);
		for (unsigned n = wire_u8(&r); n > 0; n--)
			if (wire_u32(&r) > UINT16_MAX)
				return true;
	}
	return false;
}

static void
put_two_octet_path(struct wire_wr *w, struct bgp_span path)
{
	struct wire_rd r = wire_rd_init(path.p, path.len);
	size_t len = 0;

	while (wire_more(&r)) {
		(void)wire_u8(&r);
		const uint8_t count = wire_u8(&r);

		len += 2 + 2u * count;
		(void)wire_take(&r, 4u * count);
	}
	attr_header(w, BGP_ATTR_TRANSITIVE, BGP_ATTR_AS_PATH, len);
	r = wire_rd_init(path.p, path.len);
	while (wire_more(&r)) {
		wire_put_u8(w, wire_u8(&r));
		unsigned n = wire_u8(&r);

		wire_put_u8(w, (uint8_t)n);
		for (; n > 0; n--) {
			const uint32_t as = wire_u32(&r);

			wire_put_u16(w, as > UINT16_MAX ? BGP_AS_TRANS : (uint16_t)as);
		}
	}
}

static void
put_as_path(struct wire_wr *w, struct bgp_span path, bool as4)
{
	if (!as4) {
		put_two_octet_path(w, path);
		return;
	}
	attr_header(w, BGP_ATTR_TRANSITIVE, BGP_ATTR_AS_PATH, path.len);
	wire_put_bytes(w, path.p, path.len);
}

static void
put_aggregator(struct wire_wr *w, const struct bgp_attrs *a, bool as4)
{
	attr_header(w, opt_trans(a, BGP_PARTIAL_AGGREGATOR), BGP_ATTR_AGGREGATOR, as4 ? 8 : 6);
	if (as4)
		wire_put_u32(w, a->aggregator_as);
	else
		wire_put_u16(
		    w, a->aggregator_as > UINT16_MAX ? BGP_AS_TRANS : (uint16_t)a->aggregator_as);
	wire_put_u32(w, a->aggregator_id);
}

/* ---- all of them ---- */

/* Unknown attributes of types below @type that were not written yet. */
static void
put_unknown_below(struct wire_wr *w, struct wire_rd *unknown, unsigned type)
{
	while (wire_more(unknown)) {
		struct wire_rd r = *unknown;
		const uint8_t *start = r.p;
		const uint8_t flags = wire_u8(&r);

		if (wire_u8(&r) >= type)
			return;
		(void)wire_take(&r, flags & BGP_ATTR_EXTENDED ? wire_u16(&r) : wire_u8(&r));
		if (r.bad)
			return;
		wire_put_bytes(w, start, (size_t)(r.p - start));
		*unknown = r;
	}
}

/* Those of RFC 4271. */
static void
put_base(struct wire_wr *w, const struct bgp_attrs *a, enum bgp_family family, bool as4)
{
	attr_header(w, BGP_ATTR_TRANSITIVE, BGP_ATTR_ORIGIN, 1);
	wire_put_u8(w, a->origin);
	put_as_path(w, a->as_path, as4);
	if (family == BGP_IPV4_UNICAST && a->next_hop.family == ADDR_V4) {
		attr_header(w, BGP_ATTR_TRANSITIVE, BGP_ATTR_NEXT_HOP, 4);
		wire_put_bytes(w, a->next_hop.b, 4);
	}
	if (a->has_med)
		put_u32(w, BGP_ATTR_OPTIONAL, BGP_ATTR_MED, a->med);
	if (a->has_local_pref)
		put_u32(w, BGP_ATTR_TRANSITIVE, BGP_ATTR_LOCAL_PREF, a->local_pref);
	if (a->atomic_aggregate)
		attr_header(w, BGP_ATTR_TRANSITIVE, BGP_ATTR_ATOMIC_AGGREGATE, 0);
	if (a->has_aggregator)
		put_aggregator(w, a, as4);
}

void
bgp_attrs_encode(struct wire_wr *w, const struct bgp_attrs *a, enum bgp_family family, bool as4)
{
	struct wire_rd unknown = wire_rd_init(a->unknown.p, a->unknown.len);

	put_base(w, a, family, as4);
	put_span(w, opt_trans(a, BGP_PARTIAL_COMMUNITIES), BGP_ATTR_COMMUNITIES, a->communities);
	if (a->has_originator_id)
		put_u32(w, BGP_ATTR_OPTIONAL, BGP_ATTR_ORIGINATOR_ID, a->originator_id);
	put_span(w, BGP_ATTR_OPTIONAL, BGP_ATTR_CLUSTER_LIST, a->cluster_list);
	put_unknown_below(w, &unknown, BGP_ATTR_EXT_COMMUNITIES);
	put_span(w, opt_trans(a, BGP_PARTIAL_EXT), BGP_ATTR_EXT_COMMUNITIES, a->ext_communities);
	if (!as4 && needs_four(a->as_path))
		put_span(w, OPT_TRANS, BGP_ATTR_AS4_PATH, a->as_path);
	if (!as4 && a->has_aggregator && a->aggregator_as > UINT16_MAX) {
		attr_header(w, OPT_TRANS, BGP_ATTR_AS4_AGGREGATOR, 8);
		wire_put_u32(w, a->aggregator_as);
		wire_put_u32(w, a->aggregator_id);
	}
	put_unknown_below(w, &unknown, BGP_ATTR_LARGE_COMMUNITIES);
	put_span(
	    w, opt_trans(a, BGP_PARTIAL_LARGE), BGP_ATTR_LARGE_COMMUNITIES, a->large_communities);
	put_unknown_below(w, &unknown, BGP_ATTR_OTC);
	if (a->has_otc)
		put_u32(w, opt_trans(a, BGP_PARTIAL_OTC), BGP_ATTR_OTC, a->otc);
	put_unknown_below(w, &unknown, 256);
}

/* ---- packing ---- */

void
bgp_pack_begin(struct bgp_pack *p, struct wire_wr w, size_t limit, enum bgp_family family,
    const struct bgp_attrs *attrs, bool as4)
{
	*p = (struct bgp_pack){
		.w = w, .limit = limit, .family = family, .attrs = attrs, .as4 = as4
	};
	p->mp = family != BGP_IPV4_UNICAST || (attrs && attrs->next_hop.family != ADDR_V4);
	if (attrs && p->mp) { /* how much must stay free behind the NLRI */
		struct wire_wr measure = { .start = w.start + w.len, .max = w.max - w.len };

		bgp_attrs_encode(&measure, attrs, family, as4);
		p->attrs_len = measure.full ? SIZE_MAX / 2 : measure.len;
	}
}

/* AFI, SAFI and next hop of an MP attribute whose length is not known yet. */
static void
open_mp(struct bgp_pack *p)
{
	const struct addr *hop = p->attrs ? &p->attrs->next_hop : NULL;

	wire_put_u8(&p->w, BGP_ATTR_OPTIONAL | BGP_ATTR_EXTENDED);
	wire_put_u8(&p->w, hop ? BGP_ATTR_MP_REACH : BGP_ATTR_MP_UNREACH);
	p->mp_len_at = p->w.len;
	wire_put_u16(&p->w, 0);
	wire_put_u16(&p->w, bgp_family_afi(p->family));
	wire_put_u8(&p->w, SAFI_UNICAST);
	if (!hop)
		return;
	if (hop->family == ADDR_V4) {
		wire_put_u8(&p->w, 4);
		wire_put_bytes(&p->w, hop->b, 4);
	} else if (addr_is_set(&p->attrs->next_hop_ll)) { /* RFC 2545 3 */
		wire_put_u8(&p->w, 32);
		wire_put_bytes(&p->w, hop->b, 16);
		wire_put_bytes(&p->w, p->attrs->next_hop_ll.b, 16);
	} else {
		wire_put_u8(&p->w, 16);
		wire_put_bytes(&p->w, hop->b, 16);
	}
	wire_put_u8(&p->w, 0); /* RFC 4760 3: reserved */
}

static void
open_message(struct bgp_pack *p)
{
	size_t at;

	p->start = bgp_msg_begin(&p->w, BGP_MSG_UPDATE);
	p->open = true;
	wire_put_u16(&p->w, 0); /* withdrawn routes: patched when they are what this is about */
	if (!p->attrs && !p->mp)
		return;
	at = p->w.len;
	wire_put_u16(&p->w, 0); /* total path attribute length */
	if (p->mp) {
		open_mp(p);
		return;
	}
	bgp_attrs_encode(&p->w, p->attrs, p->family, p->as4);
	wire_patch_u16(&p->w, at, (uint16_t)(p->w.len - at - 2));
}

static void
close_message(struct bgp_pack *p)
{
	const size_t fields = p->start + BGP_HEADER_LEN;

	if (!p->open)
		return;
	p->open = false;
	if (!p->attrs && !p->mp) {
		wire_patch_u16(&p->w, fields, (uint16_t)(p->w.len - fields - 2));
		wire_put_u16(&p->w, 0);
	} else if (p->mp) {
		wire_patch_u16(&p->w, p->mp_len_at, (uint16_t)(p->w.len - p->mp_len_at - 2));
		if (p->attrs)
			bgp_attrs_encode(&p->w, p->attrs, p->family, p->as4);
		wire_patch_u16(&p->w, fields + 2, (uint16_t)(p->w.len - fields - 4));
	}
	bgp_msg_end(&p->w, p->start);
	p->nr_messages++;
}

/* Octets that close_message() will add. */
static size_t
tail_len(const struct bgp_pack *p)
{
	if (p->mp)
		return p->attrs_len;
	return p->attrs ? 0 : 2;
}

static bool
has_room(const struct bgp_pack *p, size_t len)
{
	const size_t used = p->w.len - p->start;

	return !p->w.full && used + len + tail_len(p) <= p->limit &&
	    len + tail_len(p) <= p->w.max - p->w.len;
}

int
bgp_pack_add(struct bgp_pack *p, const struct prefix *prefix)
{
	const size_t bytes = (prefix->len + 7u) / 8 + (p->add_path ? 4 : 0);
	const size_t before = p->w.len;

	if (p->open && !has_room(p, 1 + bytes))
		close_message(p);
	if (!p->open) {
		const size_t start = p->w.len;

		open_message(p);
		if (!has_room(p, 1 + bytes)) {
			/* Nothing is left behind.  With room for a whole message it was the limit. */
			p->w.len = start;
			p->w.full = false;
			p->open = false;
			return start == before && p->w.max - start >= p->limit ? -EMSGSIZE
									       : -ENOSPC;
		}
	}
	if (p->add_path)
		wire_put_u32(&p->w, p->path_id);
	wire_put_u8(&p->w, prefix->len);
	wire_put_bytes(&p->w, prefix->addr.b, (prefix->len + 7u) / 8);
	return 0;
}

size_t
bgp_pack_end(struct bgp_pack *p)
{
	close_message(p);
	return p->w.len;
}

void
bgp_eor_encode(struct wire_wr *w, enum bgp_family family)
{
	const size_t start = bgp_msg_begin(w, BGP_MSG_UPDATE);

	wire_put_u16(w, 0);
	if (family == BGP_IPV4_UNICAST) {
		wire_put_u16(w, 0);
	} else {
		wire_put_u16(w, 6);
		wire_put_u8(w, BGP_ATTR_OPTIONAL);
		wire_put_u8(w, BGP_ATTR_MP_UNREACH);
		wire_put_u8(w, 3);
		wire_put_u16(w, bgp_family_afi(family));
		wire_put_u8(w, SAFI_UNICAST);
	}
	bgp_msg_end(w, start);
}
