/*
 * bgpd/attr.c: path attributes, a row each.  See attr.h.
 * RFC 4271 5, 6.3; 7606 7; 6793; 7607; 4456 8; 4360; 8092; 9234 5.
 */
#include "bgpd/attr.h"

#include "bgpd/msg.h"

#include <string.h>

/* A decoder says what its value is worth. */
typedef enum bgp_verdict attr_fn(struct attr_walk *, struct wire_rd);

void
attr_fault(struct attr_walk *w, enum bgp_verdict v, unsigned subcode, uint8_t type,
    struct bgp_span whole, const char *why)
{
	if (v <= w->u->verdict)
		return;
	w->u->verdict = v;
	w->u->bad_attr = type;
	(void)bgp_fault_set(&w->u->fault, BGP_ERR_UPDATE, subcode, whole.p, whole.len, why);
}

static struct bgp_span
span_of(struct wire_rd r)
{
	return (struct bgp_span){ .p = r.p, .len = (uint32_t)r.left };
}

/* ---- well-known ---- */

static enum bgp_verdict
origin(struct attr_walk *w, struct wire_rd r)
{
	const uint8_t v = wire_u8(&r);

	if (v > BGP_ORIGIN_INCOMPLETE) /* RFC 7606 7.1 */
		return BGP_V_WITHDRAW;
	w->u->attrs.origin = v;
	w->has_origin = true;
	return BGP_V_OK;
}

/*
 * RFC 7606 7.2, 7607 2: segments of a type up to @last, not empty, that end where the attribute
 * ends, and no AS 0.  RFC 5065 5: confederation segments in AS_PATH from somebody who is not in our
 * confederation, which we are in none of, are malformed too.
 */
static bool
path_is_sound(struct wire_rd r, size_t as_len, enum bgp_segment last)
{
	struct wire_rd numbers;
	uint8_t type, count;

	while (wire_more(&r)) {
		type = wire_u8(&r);
		count = wire_u8(&r);
		numbers = wire_sub(&r, count * as_len);
		if (r.bad || count == 0 || type < BGP_AS_SET || type > last)
			return false;
		while (wire_more(&numbers))
			if ((as_len == 4 ? wire_u32(&numbers) : wire_u16(&numbers)) == 0)
				return false;
	}
	return !r.bad;
}

/* Room in the scratch buffer, as a writer; given back by scratch_take(). */
static struct wire_wr
scratch(struct bgp_update *u)
{
	return wire_wr_init(u->scratch + u->scratch_used, sizeof(u->scratch) - u->scratch_used);
}

static struct bgp_span
scratch_take(struct bgp_update *u, const struct wire_wr *w)
{
	u->scratch_used += w->len;
	return (struct bgp_span){ .p = w->start, .len = (uint32_t)w->len };
}

static enum bgp_verdict
as_path(struct attr_walk *w, struct wire_rd r)
{
	struct wire_wr wide;
	uint8_t count;

	if (!path_is_sound(r, w->ctx->as4 ? 4 : 2, BGP_AS_SEQUENCE))
		return BGP_V_WITHDRAW;
	w->has_as_path = true;
	if (w->ctx->as4) {
		w->u->attrs.as_path = span_of(r);
		return BGP_V_OK;
	}
	wide = scratch(w->u);
	while (wire_more(&r)) {
		wire_put_u8(&wide, wire_u8(&r));
		count = wire_u8(&r);
		wire_put_u8(&wide, count);
		for (unsigned i = 0; i < count; i++)
			wire_put_u32(&wide, wire_u16(&r));
	}
	if (wide.full)
		return BGP_V_WITHDRAW;
	w->u->attrs.as_path = scratch_take(w->u, &wide);
	return BGP_V_OK;
}

static enum bgp_verdict
next_hop(struct attr_walk *w, struct wire_rd r)
{
	struct addr a = { .family = ADDR_V4 };

	wire_copy(&r, a.b, 4);
	/* RFC 4271 6.3: a host that can be reached, not 0.0.0.0, a group, or 240/4. */
	if (!addr_is_unicast(&a) || addr_is_loopback(&a))
		return BGP_V_WITHDRAW;
	w->u->attrs.next_hop = a;
	return BGP_V_OK;
}

static enum bgp_verdict
med(struct attr_walk *w, struct wire_rd r)
{
	w->u->attrs.med = wire_u32(&r);
	w->u->attrs.has_med = true;
	return BGP_V_OK;
}

static enum bgp_verdict
local_pref(struct attr_walk *w, struct wire_rd r)
{
	w->u->attrs.local_pref = wire_u32(&r);
	w->u->attrs.has_local_pref = true;
	return BGP_V_OK;
}

static enum bgp_verdict
atomic_aggregate(struct attr_walk *w, struct wire_rd r)
{
	(void)r;
	w->u->attrs.atomic_aggregate = true;
	return BGP_V_OK;
}

static enum bgp_verdict
aggregator(struct attr_walk *w, struct wire_rd r)
{
	const size_t as_len = w->ctx->as4 ? 4 : 2;
	uint32_t as;

	if (r.left != as_len + 4) /* RFC 7606 7.7 */
		return BGP_V_ATTR_DISCARD;
	as = as_len == 4 ? wire_u32(&r) : wire_u16(&r);
	if (as == 0) /* RFC 7607 2 */
		return BGP_V_ATTR_DISCARD;
	w->u->attrs.aggregator_as = as;
	w->u->attrs.aggregator_id = wire_u32(&r);
	w->u->attrs.has_aggregator = true;
	return BGP_V_OK;
}

/* ---- lists of equal items: RFC 7606 7.8, 7.10, 7.14; RFC 8092 5 ---- */

static enum bgp_verdict
items(struct wire_rd r, size_t size, struct bgp_span *to)
{
	if (r.left == 0 || r.left % size != 0)
		return BGP_V_WITHDRAW;
	*to = span_of(r);
	return BGP_V_OK;
}

static enum bgp_verdict
communities(struct attr_walk *w, struct wire_rd r)
{
	return items(r, 4, &w->u->attrs.communities);
}

static enum bgp_verdict
ext_communities(struct attr_walk *w, struct wire_rd r)
{
	return items(r, 8, &w->u->attrs.ext_communities);
}

/* RFC 5701, RFC 7606 7.15: only their length is looked at; they are passed on like unknown ones. */
static bool
ipv6_ext_communities_are_sound(struct wire_rd r)
{
	return r.left != 0 && r.left % 20 == 0;
}

static enum bgp_verdict
large_communities(struct attr_walk *w, struct wire_rd r)
{
	return items(r, 12, &w->u->attrs.large_communities);
}

static enum bgp_verdict
cluster_list(struct attr_walk *w, struct wire_rd r)
{
	return items(r, 4, &w->u->attrs.cluster_list);
}

static enum bgp_verdict
originator_id(struct attr_walk *w, struct wire_rd r)
{
	w->u->attrs.originator_id = wire_u32(&r);
	w->u->attrs.has_originator_id = true;
	return BGP_V_OK;
}

static enum bgp_verdict
otc(struct attr_walk *w, struct wire_rd r)
{
	w->u->attrs.otc = wire_u32(&r);
	w->u->attrs.has_otc = true;
	return BGP_V_OK;
}

/* ---- RFC 6793: only from a speaker with two-octet numbers ---- */

/* 6: what is malformed is discarded; confederation segments are taken out, and the rest counts. */
static enum bgp_verdict
as4_path(struct attr_walk *w, struct wire_rd r)
{
	const size_t len = r.left;
	struct wire_wr kept = scratch(w->u);
	const uint8_t *numbers;
	uint8_t type, count;

	if (!path_is_sound(r, 4, BGP_CONFED_SET))
		return BGP_V_ATTR_DISCARD;
	while (wire_more(&r)) {
		type = wire_u8(&r);
		count = wire_u8(&r);
		numbers = wire_take(&r, count * 4u);
		if (type > BGP_AS_SEQUENCE)
			continue;
		wire_put_u8(&kept, type);
		wire_put_u8(&kept, count);
		wire_put_bytes(&kept, numbers, count * 4u);
	}
	w->as4_path = scratch_take(w->u, &kept);
	return len > 0 && kept.len == len ? BGP_V_OK : BGP_V_ATTR_DISCARD;
}

static enum bgp_verdict
as4_aggregator(struct attr_walk *w, struct wire_rd r)
{
	w->as4_aggregator_as = wire_u32(&r);
	w->as4_aggregator_id = wire_u32(&r);
	if (w->as4_aggregator_as == 0) /* RFC 7607 2 */
		return BGP_V_ATTR_DISCARD;
	w->has_as4_aggregator = true;
	return BGP_V_OK;
}

/* ---- RFC 4760, 2545, 8950 ---- */

/* Is the length of a next hop one that this family can have here? */
static bool
next_hop_len_is_sound(const struct attr_walk *w, int family, size_t len)
{
	if (family == BGP_IPV6_UNICAST)
		return len == 16 || len == 32;
	if (w->ctx->ext_next_hop & BGP_FAMILY_MASK((unsigned)family))
		return len == 4 || len == 16 || len == 32;
	return len == 4;
}

static void
mp_next_hop(struct attr_walk *w, struct wire_rd hop)
{
	struct bgp_update *u = w->u;
	const size_t len = hop.left;

	u->reach_next_hop.family = len == 4 ? ADDR_V4 : ADDR_V6;
	wire_copy(&hop, u->reach_next_hop.b, len == 4 ? 4 : 16);
	if (len == 32) { /* RFC 2545 3: a link-local one behind the global one */
		u->reach_next_hop_ll.family = ADDR_V6;
		wire_copy(&hop, u->reach_next_hop_ll.b, 16);
		/* Both orders and "::" with a link-local are seen in the field. */
		if (!addr_is_linklocal(&u->reach_next_hop_ll))
			u->reach_next_hop_ll = (struct addr){ 0 };
	}
	/* Without a global address some send "::", some the link-local one twice, some that alone. */
	if (addr_is_unspecified(&u->reach_next_hop) && addr_is_set(&u->reach_next_hop_ll))
		u->reach_next_hop = u->reach_next_hop_ll;
	if (addr_is_linklocal(&u->reach_next_hop) && u->reach_next_hop.family == ADDR_V6 &&
	    !addr_is_set(&u->reach_next_hop_ll))
		u->reach_next_hop_ll = u->reach_next_hop;
}

static struct bgp_nlri
mp_nlri(const struct attr_walk *w, struct wire_rd r, enum bgp_family family)
{
	return (struct bgp_nlri){ .rd = r,
		.family = family,
		.present = true,
		.add_path = w->ctx->add_path & BGP_FAMILY_MASK((unsigned)family) };
}

static enum bgp_verdict
mp_reach(struct attr_walk *w, struct wire_rd r)
{
	struct bgp_update *u = w->u;
	struct wire_rd hop;
	uint16_t afi;
	int family;

	afi = wire_u16(&r);
	family = bgp_family_of(afi, wire_u8(&r));
	hop = wire_sub(&r, wire_u8(&r));
	(void)wire_u8(&r); /* RFC 4760 3: reserved, ignored on receipt */
	if (r.bad)
		return BGP_V_RESET; /* RFC 7606 7.11: the NLRI cannot be found */
	/* RFC 4760 6: a family that was not negotiated is ignored. */
	if (family < 0 || !(w->ctx->families & BGP_FAMILY_MASK((unsigned)family)))
		return BGP_V_OK;
	if (!next_hop_len_is_sound(w, family, hop.left))
		return BGP_V_RESET; /* RFC 7606 7.11 */
	u->reach = mp_nlri(w, r, (enum bgp_family)family);
	mp_next_hop(w, hop);
	if (!addr_is_unicast(&u->reach_next_hop) || addr_is_loopback(&u->reach_next_hop))
		return BGP_V_WITHDRAW; /* RFC 4271 6.3 by analogy: the routes cannot be used */
	return BGP_V_OK;
}

static enum bgp_verdict
mp_unreach(struct attr_walk *w, struct wire_rd r)
{
	uint16_t afi = wire_u16(&r);
	int family = bgp_family_of(afi, wire_u8(&r));

	if (r.bad)
		return BGP_V_RESET; /* RFC 7606 7.12 */
	if (family < 0 || !(w->ctx->families & BGP_FAMILY_MASK((unsigned)family)))
		return BGP_V_OK;
	w->u->unreach = mp_nlri(w, r, (enum bgp_family)family);
	return BGP_V_OK;
}

/* ---- the table ---- */

#define ANY UINT16_MAX
#define WELL_KNOWN BGP_ATTR_TRANSITIVE
#define OPT_TRANS (BGP_ATTR_OPTIONAL | BGP_ATTR_TRANSITIVE)
#define OPT_NON BGP_ATTR_OPTIONAL

/* From whom an attribute is read; from others it is discarded unseen. */
enum attr_from {
	ANYBODY,
	INTERNAL, /* RFC 7606 7.5, 7.9, 7.10 */
	OLD,	  /* RFC 6793 4.1: speakers of two-octet numbers */
};

/* clang-format off */
static const struct attr_row {
	uint8_t flags;         /* Optional and Transitive as they must be */
	uint8_t from;          /* enum attr_from */
	uint16_t min, max;     /* length of the value */
	uint8_t cost;          /* enum bgp_verdict: of a wrong length */
	uint8_t subcode;       /* of a wrong value */
	uint8_t partial;       /* BGP_PARTIAL_*: passed on with the Partial bit as it came */
	attr_fn *decode;
	const char *name;
} rows[] = {
	[BGP_ATTR_ORIGIN]            = { WELL_KNOWN, ANYBODY, 1, 1, BGP_V_WITHDRAW, BGP_UPD_ORIGIN, 0, origin, "ORIGIN" },
	[BGP_ATTR_AS_PATH]           = { WELL_KNOWN, ANYBODY, 0, ANY, BGP_V_WITHDRAW, BGP_UPD_AS_PATH, 0, as_path, "AS_PATH" },
	[BGP_ATTR_NEXT_HOP]          = { WELL_KNOWN, ANYBODY, 4, 4, BGP_V_WITHDRAW, BGP_UPD_NEXT_HOP, 0, next_hop, "NEXT_HOP" },
	[BGP_ATTR_MED]               = { OPT_NON, ANYBODY, 4, 4, BGP_V_WITHDRAW, BGP_UPD_LENGTH, 0, med, "MULTI_EXIT_DISC" },
	[BGP_ATTR_LOCAL_PREF]        = { WELL_KNOWN, INTERNAL, 4, 4, BGP_V_WITHDRAW, BGP_UPD_LENGTH, 0, local_pref, "LOCAL_PREF" },
	[BGP_ATTR_ATOMIC_AGGREGATE]  = { WELL_KNOWN, ANYBODY, 0, 0, BGP_V_ATTR_DISCARD, BGP_UPD_LENGTH, 0, atomic_aggregate, "ATOMIC_AGGREGATE" },
	[BGP_ATTR_AGGREGATOR]        = { OPT_TRANS, ANYBODY, 6, 8, BGP_V_ATTR_DISCARD, BGP_UPD_OPT_ATTR, BGP_PARTIAL_AGGREGATOR, aggregator, "AGGREGATOR" },
	[BGP_ATTR_COMMUNITIES]       = { OPT_TRANS, ANYBODY, 0, ANY, BGP_V_WITHDRAW, BGP_UPD_OPT_ATTR, BGP_PARTIAL_COMMUNITIES, communities, "COMMUNITIES" },
	[BGP_ATTR_ORIGINATOR_ID]     = { OPT_NON, INTERNAL, 4, 4, BGP_V_WITHDRAW, BGP_UPD_LENGTH, 0, originator_id, "ORIGINATOR_ID" },
	[BGP_ATTR_CLUSTER_LIST]      = { OPT_NON, INTERNAL, 0, ANY, BGP_V_WITHDRAW, BGP_UPD_OPT_ATTR, 0, cluster_list, "CLUSTER_LIST" },
	[BGP_ATTR_MP_REACH]          = { OPT_NON, ANYBODY, 5, ANY, BGP_V_RESET, BGP_UPD_OPT_ATTR, 0, mp_reach, "MP_REACH_NLRI" },
	[BGP_ATTR_MP_UNREACH]        = { OPT_NON, ANYBODY, 3, ANY, BGP_V_RESET, BGP_UPD_OPT_ATTR, 0, mp_unreach, "MP_UNREACH_NLRI" },
	[BGP_ATTR_EXT_COMMUNITIES]   = { OPT_TRANS, ANYBODY, 0, ANY, BGP_V_WITHDRAW, BGP_UPD_OPT_ATTR, BGP_PARTIAL_EXT, ext_communities, "EXTENDED COMMUNITIES" },
	[BGP_ATTR_AS4_PATH]          = { OPT_TRANS, OLD, 0, ANY, BGP_V_ATTR_DISCARD, BGP_UPD_OPT_ATTR, 0, as4_path, "AS4_PATH" },
	[BGP_ATTR_AS4_AGGREGATOR]    = { OPT_TRANS, OLD, 8, 8, BGP_V_ATTR_DISCARD, BGP_UPD_OPT_ATTR, 0, as4_aggregator, "AS4_AGGREGATOR" },
	[BGP_ATTR_LARGE_COMMUNITIES] = { OPT_TRANS, ANYBODY, 0, ANY, BGP_V_WITHDRAW, BGP_UPD_OPT_ATTR, BGP_PARTIAL_LARGE, large_communities, "LARGE_COMMUNITY" },
	[BGP_ATTR_OTC]               = { OPT_TRANS, ANYBODY, 4, 4, BGP_V_WITHDRAW, BGP_UPD_OPT_ATTR, BGP_PARTIAL_OTC, otc, "ONLY_TO_CUSTOMER" },
};
/* clang-format on */

#define NR_ROWS (sizeof(rows) / sizeof(rows[0]))

/* RFC 4271 5: unknown optional transitive ones are passed on, others are dropped. */
static void
keep_unknown(
    struct attr_walk *w, uint8_t flags, uint8_t type, struct wire_rd value, struct bgp_span whole)
{
	struct bgp_update *u = w->u;

	if (!(flags & BGP_ATTR_OPTIONAL)) {
		/* RFC 4271 6.3: nothing says what a mandatory attribute of the future means. */
		attr_fault(
		    w, BGP_V_RESET, BGP_UPD_UNKNOWN_WELLKNOWN, type, whole, "unknown well-known");
		return;
	}
	if (!(flags & BGP_ATTR_TRANSITIVE))
		return;
	if (type == BGP_ATTR_IPV6_EXT_COMMUNITIES && !ipv6_ext_communities_are_sound(value)) {
		attr_fault(
		    w, BGP_V_WITHDRAW, BGP_UPD_OPT_ATTR, type, whole, "IPv6 EXTENDED COMMUNITIES");
		return;
	}
	/* Each type once, so there is always room. */
	u->unknown[u->nr_unknown].type = type;
	u->unknown[u->nr_unknown++].value = span_of(value);
}

/* Put the unknown attributes together, in type order, with the Partial bit (RFC 4271 5). */
static void
gather_unknown(struct bgp_update *u)
{
	struct wire_wr to = scratch(u);
	unsigned next;
	int last = -1; /* there is a type 0 */

	for (unsigned n = 0; n < u->nr_unknown; n++) {
		next = n;
		for (unsigned i = 0; i < u->nr_unknown; i++)
			if (u->unknown[i].type > last &&
			    (u->unknown[next].type <= last ||
				u->unknown[i].type < u->unknown[next].type))
				next = i;
		const struct bgp_span *v = &u->unknown[next].value;

		last = u->unknown[next].type;
		attr_header(&to, OPT_TRANS | BGP_ATTR_PARTIAL, u->unknown[next].type, v->len);
		wire_put_bytes(&to, v->p, v->len);
	}
	if (!to.full)
		u->attrs.unknown = scratch_take(u, &to);
}

void
attr_decode(
    struct attr_walk *w, uint8_t flags, uint8_t type, struct wire_rd value, struct bgp_span whole)
{
	const struct attr_row *row = type < NR_ROWS && rows[type].decode ? &rows[type] : NULL;
	enum bgp_verdict v;

	if (attr_was_seen(w, type)) {
		/* RFC 7606 3g: a second MP_* is fatal, of others the first counts. */
		if (type == BGP_ATTR_MP_REACH || type == BGP_ATTR_MP_UNREACH)
			attr_fault(w, BGP_V_RESET, BGP_UPD_ATTR_LIST, type, (struct bgp_span){ 0 },
			    "MP attribute twice");
		else
			attr_fault(w, BGP_V_ATTR_DISCARD, BGP_UPD_ATTR_LIST, type, whole, "twice");
		return;
	}
	w->seen[type / 8] |= (uint8_t)(1u << type % 8);
	w->nr++;
	if (!row) {
		keep_unknown(w, flags, type, value, whole);
		return;
	}
	if (row->from == INTERNAL && !w->ctx->ibgp)
		return;
	if (row->from == OLD && w->ctx->as4) {
		attr_fault(w, BGP_V_ATTR_DISCARD, row->subcode, type, whole, row->name);
		return;
	}
	/* RFC 7606 3c; the Partial and Extended Length bits are not looked at. */
	if ((flags & OPT_TRANS) != row->flags) {
		attr_fault(w, BGP_V_WITHDRAW, BGP_UPD_FLAGS, type, whole, row->name);
		/* The NLRI of an MP attribute are needed to withdraw them. */
		if (type != BGP_ATTR_MP_REACH && type != BGP_ATTR_MP_UNREACH)
			return;
	}
	if (value.left < row->min || (row->max != ANY && value.left > row->max)) {
		/* RFC 4760 7: an MP attribute that costs the session is Optional Attribute Error. */
		attr_fault(w, row->cost, row->cost == BGP_V_RESET ? row->subcode : BGP_UPD_LENGTH,
		    type, whole, row->name);
		return;
	}
	v = row->decode(w, value);
	attr_fault(w, v, row->subcode, type, whole, row->name);
	/* RFC 4271 5: once set, the Partial bit MUST NOT be set back. */
	if (v == BGP_V_OK && flags & BGP_ATTR_PARTIAL)
		w->u->attrs.partial |= row->partial;
}

/* How many numbers of a path RFC 6793 4.2.3 counts, a set as one (RFC 4271 9.1.2.2). */
static void
merge_as4_path(struct attr_walk *w)
{
	struct bgp_update *u = w->u;
	const unsigned have = bgp_as_path_len(u->attrs.as_path);
	const unsigned new = bgp_as_path_len(w->as4_path);
	struct wire_rd r = wire_rd_init(u->attrs.as_path.p, u->attrs.as_path.len);
	struct wire_wr to = scratch(u);
	unsigned lead;

	if (have < new)
		return; /* 4.2.3: AS4_PATH is ignored */
	/* As many leading numbers of AS_PATH as AS4_PATH lacks stay in front of it. */
	for (lead = have - new; lead > 0 && wire_more(&r);) {
		const uint8_t type = wire_u8(&r);
		const uint8_t count = wire_u8(&r);
		struct wire_rd numbers = wire_sub(&r, (size_t)count * 4);
		unsigned take = count;

		if (type == BGP_AS_SEQUENCE && take > lead)
			take = lead;
		wire_put_u8(&to, type);
		wire_put_u8(&to, (uint8_t)take);
		wire_put_bytes(&to, numbers.p, (size_t)take * 4);
		lead -= type == BGP_AS_SEQUENCE ? take : 1;
	}
	wire_put_bytes(&to, w->as4_path.p, w->as4_path.len);
	if (!to.full)
		u->attrs.as_path = scratch_take(u, &to);
}

void
attr_finish(struct attr_walk *w)
{
	struct bgp_attrs *a = &w->u->attrs;

	if (w->u->nr_unknown)
		gather_unknown(w->u);
	if (w->ctx->as4)
		return;
	if (w->has_as4_aggregator && a->has_aggregator) {
		/* RFC 6793 4.2.3: beside an AGGREGATOR with a real number, somebody on the way did
		 * not know four octets, and both AS4_* are stale. */
		if (a->aggregator_as != BGP_AS_TRANS)
			return;
		a->aggregator_as = w->as4_aggregator_as;
		a->aggregator_id = w->as4_aggregator_id;
	}
	if (w->as4_path.len > 0 && w->has_as_path)
		merge_as4_path(w);
}
