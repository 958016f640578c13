/*
 * bgpd/update.c: the UPDATE message taken apart: lengths first, then attributes, then every NLRI is
 * walked, and only then anything is given out.  See update.h.
 * RFC 4271 4.3, 6.3; 7606 3 to 5; 4724 2.
 */
#include "bgpd/update.h"

#include "bgpd/attr.h"

#include <arpa/inet.h>
#include <stddef.h>
#include <string.h>

static void
reset(struct bgp_update *u, unsigned subcode, const char *why)
{
	u->verdict = BGP_V_RESET;
	u->bad_attr = 0;
	(void)bgp_fault_set(&u->fault, BGP_ERR_UPDATE, subcode, NULL, 0, why);
}

/* ---- NLRI ---- */

/* One of IPv4 with at least four octets behind its length: nearly all there are in a full table. */
static inline bool
take_prefix_v4(struct wire_rd *r, struct prefix *p)
{
	const uint8_t len = r->p[0];
	const size_t bytes = 1 + (len + 7u) / 8;
	uint32_t v;

	if (len > 32)
		return false;
	memcpy(&v, r->p + 1, sizeof(v));
	v &= htonl(
	    len ? UINT32_MAX << (32 - len) : 0); /* RFC 4271 4.3: trailing bits are irrelevant */
	memset(p, 0, sizeof(*p));
	memcpy(p->addr.b, &v, sizeof(v));
	p->addr.family = ADDR_V4;
	p->len = len;
	r->p += bytes;
	r->left -= bytes;
	return true;
}

/* One prefix; false: it does not fit the bytes or the family. */
static inline bool
take_prefix(struct wire_rd *r, enum bgp_family family, struct prefix *p)
{
	const unsigned bits = family == BGP_IPV4_UNICAST ? 32 : 128;
	size_t bytes;
	const uint8_t *at;
	uint8_t len;

	if (family == BGP_IPV4_UNICAST && r->left > 4 && !r->bad)
		return take_prefix_v4(r, p);
	len = wire_u8(r);
	bytes = (len + 7u) / 8;
	if (len > bits)
		return false;
	at = wire_take(r, bytes);
	if (!at)
		return false;
	memset(p, 0, sizeof(*p));
	memcpy(p->addr.b, at, bytes);
	if (len % 8) /* RFC 4271 4.3: trailing bits are irrelevant */
		p->addr.b[bytes - 1] &= (uint8_t)(0xff00u >> len % 8);
	p->addr.family = family == BGP_IPV4_UNICAST ? ADDR_V4 : ADDR_V6;
	p->len = len;
	return true;
}

bool
bgp_nlri_next(struct bgp_nlri *n, struct prefix *p)
{
	if (!wire_more(&n->rd))
		return false;
	if (n->add_path)
		n->path_id = wire_u32(&n->rd);
	return take_prefix(&n->rd, n->family, p);
}

/* Can bgp_nlri_next() read it to its end? */
static bool
nlri_is_sound(struct bgp_nlri n)
{
	const unsigned bits = n.family == BGP_IPV4_UNICAST ? 32 : 128;
	uint8_t len;

	while (wire_more(&n.rd)) {
		if (n.add_path)
			(void)wire_u32(&n.rd);
		len = wire_u8(&n.rd);
		if (len > bits || !wire_take(&n.rd, (len + 7u) / 8))
			return false;
	}
	return !n.rd.bad;
}

static bool
is_martian_v6(const struct prefix *p)
{
	static const uint8_t zero[15], mapped[12] = { [10] = 0xff, [11] = 0xff };
	const uint8_t *b = p->addr.b;

	return b[0] == 0xff || (b[0] == 0xfe && (b[1] & 0xc0) == 0x80) ||
	    (p->len >= 96 && memcmp(b, mapped, sizeof(mapped)) == 0) ||
	    (p->len == 128 && memcmp(b, zero, sizeof(zero)) == 0 && b[15] <= 1);
}

bool
bgp_prefix_is_martian(const struct prefix *p)
{
	if (p->addr.family == ADDR_V6)
		return is_martian_v6(p);
	/* 0/8 but not the default route; 224/3 is multicast and class E. */
	return p->addr.b[0] >= 224 || p->addr.b[0] == 127 || (p->addr.b[0] == 0 && p->len >= 8);
}

/* ---- attributes ---- */

/* All attributes of the list.  RFC 7606 4: what does not fit in it makes the UPDATE a withdrawal,
 * since the NLRI are still found by the lengths around the list. */
static void
walk_attributes(struct attr_walk *w, struct wire_rd r)
{
	struct wire_rd value;
	struct bgp_span whole;
	uint8_t flags, type;
	size_t len;

	while (wire_more(&r)) {
		whole.p = r.p;
		flags = wire_u8(&r);
		type = wire_u8(&r);
		len = flags & BGP_ATTR_EXTENDED ? wire_u16(&r) : wire_u8(&r);
		value = wire_sub(&r, len);
		if (r.bad) {
			w->nr++;
			attr_fault(w, BGP_V_WITHDRAW, BGP_UPD_ATTR_LIST, type,
			    (struct bgp_span){ 0 }, "attribute beyond the end of the list");
			return;
		}
		whole.len = (uint32_t)(r.p - whole.p);
		attr_decode(w, flags, type, value, whole);
		if (w->u->verdict == BGP_V_RESET)
			return;
	}
}

/* RFC 7606 3d: mandatory for what is announced. */
static void
check_mandatory(struct attr_walk *w)
{
	const struct bgp_update *u = w->u;
	uint8_t missing = 0;

	if (!u->nlri.present && !u->reach.present)
		return;
	if (u->nlri.present && !addr_is_set(&u->attrs.next_hop))
		missing = BGP_ATTR_NEXT_HOP;
	if (!w->has_as_path)
		missing = BGP_ATTR_AS_PATH;
	if (!w->has_origin)
		missing = BGP_ATTR_ORIGIN;
	if (missing)
		attr_fault(w, BGP_V_WITHDRAW, BGP_UPD_MISSING_WELLKNOWN, missing,
		    (struct bgp_span){ .p = &missing, .len = 1 }, "mandatory attribute missing");
}

/* RFC 7606 5.2: attributes beside MP_UNREACH_NLRI, but no reachable NLRI in an MP_REACH_NLRI: who
 * sent that meant something that was not found, and treat-as-withdraw becomes a reset. */
static bool
nothing_to_withdraw(const struct attr_walk *w)
{
	const struct bgp_nlri *reach = &w->u->reach;

	if (attr_was_seen(w, BGP_ATTR_MP_REACH) && (!reach->present || reach->rd.left > 0))
		return false;
	return w->nr > (attr_was_seen(w, BGP_ATTR_MP_UNREACH) ? 1u : 0u);
}

/* RFC 4724 2: nothing at all, or an empty MP_UNREACH_NLRI and nothing else. */
static int
end_of_rib(const struct attr_walk *w, size_t withdrawn_len, size_t attrs_len, size_t nlri_len)
{
	const struct bgp_update *u = w->u;

	if (u->verdict != BGP_V_OK || withdrawn_len || nlri_len)
		return -1;
	if (attrs_len == 0)
		return BGP_IPV4_UNICAST;
	if (u->unreach.present && u->unreach.rd.left == 0 && w->nr == 1)
		return (int)u->unreach.family;
	return -1;
}

static struct bgp_nlri
classic(struct wire_rd r, const struct bgp_update_ctx *ctx)
{
	/* RFC 4760 8: with multiprotocol negotiated for others only, IPv4 is one of those others. */
	const bool wanted = ctx->families & BGP_FAMILY_MASK(BGP_IPV4_UNICAST);

	return (struct bgp_nlri){ .rd = r,
		.family = BGP_IPV4_UNICAST,
		.present = wanted && r.left > 0,
		.add_path = ctx->add_path & BGP_FAMILY_MASK(BGP_IPV4_UNICAST) };
}

static void
check_nlri(struct bgp_update *u)
{
	/* RFC 7606 3j, 5.3: routes that cannot be read cannot be withdrawn either. */
	if (!nlri_is_sound(u->withdrawn))
		reset(u, BGP_UPD_NETWORK, "withdrawn routes");
	else if (!nlri_is_sound(u->nlri))
		reset(u, BGP_UPD_NETWORK, "NLRI");
	else if (u->reach.present && !nlri_is_sound(u->reach))
		reset(u, BGP_UPD_OPT_ATTR, "NLRI of MP_REACH_NLRI");
	else if (u->unreach.present && !nlri_is_sound(u->unreach))
		reset(u, BGP_UPD_OPT_ATTR, "NLRI of MP_UNREACH_NLRI");
}

void
bgp_update_decode(struct wire_rd r, const struct bgp_update_ctx *ctx, struct bgp_update *u)
{
	struct attr_walk w = { .ctx = ctx, .u = u };
	const size_t withdrawn_len = wire_u16(&r);
	const struct wire_rd withdrawn = wire_sub(&r, withdrawn_len);
	const size_t attrs_len = wire_u16(&r);
	const struct wire_rd attrs = wire_sub(&r, attrs_len);

	memset(u, 0, offsetof(struct bgp_update, unknown));
	u->eor = -1;
	if (r.bad) { /* RFC 7606 3b */
		reset(u, BGP_UPD_ATTR_LIST, "lengths beyond the message");
		return;
	}
	u->withdrawn = classic(withdrawn, ctx);
	u->nlri = classic(r, ctx);
	walk_attributes(&w, attrs);
	if (u->verdict == BGP_V_RESET)
		return;
	attr_finish(&w);
	check_nlri(u);
	if (u->verdict == BGP_V_RESET)
		return;
	check_mandatory(&w);
	if (u->verdict == BGP_V_WITHDRAW && r.left == 0 && nothing_to_withdraw(&w)) {
		u->verdict = BGP_V_RESET;
		return;
	}
	u->eor = end_of_rib(&w, withdrawn_len, attrs_len, r.left);
}
