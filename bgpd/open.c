/*
 * bgpd/open.c: the OPEN message and its capabilities, as a table.  See msg.h.
 * RFC 4271 4.2, 6.2; 5492; 9072; 4760 8; 2918; 4724 3; 6793 3; 8538 2; 8654; 8950; 9234 4;
 * 9494 3.1, 4.1.
 */
#include "bgpd/msg.h"

#include <string.h>

#define PARAM_CAPABILITIES 2
#define PARAM_EXTENDED 255 /* RFC 9072 2 */
#define SAFI_UNICAST 1

enum cap_code {
	CAP_MULTIPROTOCOL = 1,
	CAP_REFRESH = 2,
	CAP_EXT_NEXT_HOP = 5,
	CAP_EXT_MESSAGE = 6,
	CAP_ROLE = 9,
	CAP_GRACEFUL_RESTART = 64,
	CAP_AS4 = 65,
	CAP_ADD_PATH = 69,
	CAP_ENHANCED_REFRESH = 70,
	CAP_LONG_LIVED_GR = 71,
	CAP_FQDN = 73,
};

#define GR_RESTARTING 0x8
#define GR_NOTIFICATION 0x4
#define GR_FORWARDING 0x80
#define LLGR_TUPLE_LEN 7
#define LLGR_TIME_MAX 0xffffffu
#define ADD_PATH_RECEIVE 1
#define ADD_PATH_SEND 2

/* ---- decoding: a capability whose length is not what its RFC says is as if it were not there
 * (RFC 5492 3 leaves it open; a session is worth more than a capability). ---- */

static void
cap_multiprotocol(struct wire_rd r, struct bgp_caps *c)
{
	const uint16_t afi = wire_u16(&r);
	int family;

	(void)wire_u8(&r); /* reserved */
	family = bgp_family_of(afi, wire_u8(&r));
	if (!wire_done(&r))
		return;
	c->mp = true;
	if (family >= 0)
		c->families |= BGP_FAMILY_MASK((unsigned)family);
}

static void
cap_refresh(struct wire_rd r, struct bgp_caps *c)
{
	c->refresh = c->refresh || wire_done(&r);
}

static void
cap_enhanced_refresh(struct wire_rd r, struct bgp_caps *c)
{
	c->enhanced_refresh = c->enhanced_refresh || wire_done(&r);
}

static void
cap_ext_message(struct wire_rd r, struct bgp_caps *c)
{
	c->ext_msg = c->ext_msg || wire_done(&r);
}

/* RFC 9234 4.2: the same one several times is once; different ones are for the caller to refuse. */
static void
cap_role(struct wire_rd r, struct bgp_caps *c)
{
	const uint8_t role = wire_u8(&r);

	if (!wire_done(&r))
		return;
	c->role_clash = c->role_clash || (c->has_role && c->role != role);
	c->has_role = true;
	c->role = role;
}

static void
cap_as4(struct wire_rd r, struct bgp_caps *c)
{
	const uint32_t as = wire_u32(&r);

	if (!wire_done(&r))
		return;
	c->as4 = true;
	c->as4_number = as;
}

/* RFC 8950 4: triples of AFI, SAFI (two octets), next hop AFI. */
static void
cap_ext_next_hop(struct wire_rd r, struct bgp_caps *c)
{
	uint16_t afi, safi, hop;
	int family;

	while (wire_more(&r)) {
		afi = wire_u16(&r);
		safi = wire_u16(&r);
		hop = wire_u16(&r);
		if (r.bad || safi > UINT8_MAX)
			continue;
		family = bgp_family_of(afi, (uint8_t)safi);
		if (family >= 0 && hop == bgp_family_afi(BGP_IPV6_UNICAST))
			c->ext_next_hop |= BGP_FAMILY_MASK((unsigned)family);
	}
}

/* RFC 4724 3.  Of several, the last counts (4.2: only one should be there). */
static void
cap_graceful_restart(struct wire_rd r, struct bgp_caps *c)
{
	const uint16_t head = wire_u16(&r);
	unsigned listed = 0, forwarding = 0;
	uint16_t afi;
	uint8_t safi, flags;
	int family;

	if (r.bad || r.left % 4 != 0)
		return;
	while (wire_more(&r)) {
		afi = wire_u16(&r);
		safi = wire_u8(&r);
		flags = wire_u8(&r);
		family = bgp_family_of(afi, safi);
		if (family < 0)
			continue;
		listed |= BGP_FAMILY_MASK((unsigned)family);
		if (flags & GR_FORWARDING)
			forwarding |= BGP_FAMILY_MASK((unsigned)family);
	}
	c->gr = true;
	c->gr_restarting = (head >> 12) & GR_RESTARTING;
	c->gr_notification = (head >> 12) & GR_NOTIFICATION;
	c->gr_time_s = head & 0xfff;
	c->gr_families = listed;
	c->gr_forwarding = forwarding;
}

/* RFC 9494 3.1: AFI, SAFI, flags of which all but F are ignored, 24 bits of seconds. */
static void
cap_long_lived_gr(struct wire_rd r, struct bgp_caps *c)
{
	if (r.left % LLGR_TUPLE_LEN != 0)
		return;
	c->llgr_families = c->llgr_forwarding = 0; /* of several, the last counts */
	while (wire_more(&r)) {
		const uint16_t afi = wire_u16(&r);
		const uint8_t safi = wire_u8(&r), flags = wire_u8(&r), high = wire_u8(&r);
		const uint32_t time_s = (uint32_t)high << 16 | wire_u16(&r);
		const int family = bgp_family_of(afi, safi);

		if (family < 0)
			continue;
		c->llgr_families |= BGP_FAMILY_MASK((unsigned)family);
		c->llgr_time_s[family] = time_s;
		if (flags & GR_FORWARDING)
			c->llgr_forwarding |= BGP_FAMILY_MASK((unsigned)family);
		else
			c->llgr_forwarding &= ~BGP_FAMILY_MASK((unsigned)family);
	}
}

/* RFC 7911 4: AFI, SAFI, and whether several paths are received (1), sent (2) or both (3); any other
 * value makes the capability one that is not understood. */
static void
cap_add_path(struct wire_rd r, struct bgp_caps *c)
{
	unsigned send = 0, receive = 0;
	uint16_t afi;
	uint8_t safi, how;
	int family;

	while (wire_more(&r)) {
		afi = wire_u16(&r);
		safi = wire_u8(&r);
		how = wire_u8(&r);
		if (r.bad || how == 0 || how > (ADD_PATH_RECEIVE | ADD_PATH_SEND))
			return;
		family = bgp_family_of(afi, safi);
		if (family < 0)
			continue;
		if (how & ADD_PATH_RECEIVE)
			receive |= BGP_FAMILY_MASK((unsigned)family);
		if (how & ADD_PATH_SEND)
			send |= BGP_FAMILY_MASK((unsigned)family);
	}
	c->add_send |= send;
	c->add_receive |= receive;
}

/* Names are for screens: what cannot be printed is '?'. */
static void
put_name(struct wire_rd r, char *name, size_t size)
{
	size_t n = 0;

	while (wire_more(&r) && n < size - 1) {
		const uint8_t b = wire_u8(&r);

		name[n++] = b > 0x20 && b < 0x7f ? (char)b : '?';
	}
	name[n] = '\0';
}

static void
cap_fqdn(struct wire_rd r, struct bgp_caps *c)
{
	const struct wire_rd host = wire_sub(&r, wire_u8(&r));
	const struct wire_rd domain = wire_sub(&r, wire_u8(&r));

	if (r.bad)
		return;
	put_name(host, c->host, sizeof(c->host));
	put_name(domain, c->domain, sizeof(c->domain));
}

/* clang-format off */
static const struct {
	uint8_t code;
	void (*decode)(struct wire_rd, struct bgp_caps *);
} caps[] = {
	{ CAP_MULTIPROTOCOL,    cap_multiprotocol },
	{ CAP_REFRESH,          cap_refresh },
	{ CAP_EXT_NEXT_HOP,     cap_ext_next_hop },
	{ CAP_EXT_MESSAGE,      cap_ext_message },
	{ CAP_ROLE,             cap_role },
	{ CAP_GRACEFUL_RESTART, cap_graceful_restart },
	{ CAP_AS4,              cap_as4 },
	{ CAP_ADD_PATH,         cap_add_path },
	{ CAP_ENHANCED_REFRESH, cap_enhanced_refresh },
	{ CAP_LONG_LIVED_GR,    cap_long_lived_gr },
	{ CAP_FQDN,             cap_fqdn },
};
/* clang-format on */

static void
cap_decode(uint8_t code, struct wire_rd value, struct bgp_caps *c)
{
	for (size_t i = 0; i < sizeof(caps) / sizeof(caps[0]); i++)
		if (caps[i].code == code) {
			caps[i].decode(value, c);
			return;
		}
	/* RFC 5492 3: unknown ones MUST be ignored. */
	c->unknown[code / 8] |= (uint8_t)(1u << code % 8);
}

/* The capabilities of one optional parameter; false: a length goes beyond it. */
static bool
caps_decode(struct wire_rd r, struct bgp_caps *c)
{
	struct wire_rd value;
	uint8_t code;

	while (wire_more(&r)) {
		code = wire_u8(&r);
		value = wire_sub(&r, wire_u8(&r));
		if (r.bad)
			return false;
		cap_decode(code, value, c);
	}
	return !r.bad;
}

/* RFC 4271 6.2: parameters that do not fit are a malformed OPEN (subcode 0), unknown ones 2/4. */
static int
params_decode(struct wire_rd r, bool extended, struct bgp_caps *c, struct bgp_fault *f)
{
	struct wire_rd value;
	uint8_t type;
	size_t len;

	while (wire_more(&r)) {
		type = wire_u8(&r);
		len = extended ? wire_u16(&r) : wire_u8(&r);
		value = wire_sub(&r, len);
		if (r.bad)
			break;
		if (type != PARAM_CAPABILITIES)
			return bgp_fault_set(f, BGP_ERR_OPEN, BGP_OPEN_OPT_PARAM, NULL, 0,
			    "unknown optional parameter");
		if (!caps_decode(value, c))
			return bgp_fault_set(
			    f, BGP_ERR_OPEN, BGP_OPEN_UNSPEC, NULL, 0, "capability too long");
	}
	if (r.bad)
		return bgp_fault_set(
		    f, BGP_ERR_OPEN, BGP_OPEN_UNSPEC, NULL, 0, "optional parameter too long");
	return 0;
}

static int
open_check(struct bgp_open *o, struct bgp_fault *f)
{
	static const uint8_t our_version[] = { 0, 4 };

	/* RFC 4271 6.2: the data is the largest version that we speak. */
	if (o->version != 4)
		return bgp_fault_set(f, BGP_ERR_OPEN, BGP_OPEN_VERSION, our_version, 2, "version");
	/* RFC 7607 2: AS 0 is Bad Peer AS, in either place. */
	if (o->as2 == 0 || (o->caps.as4 && o->caps.as4_number == 0))
		return bgp_fault_set(f, BGP_ERR_OPEN, BGP_OPEN_PEER_AS, NULL, 0, "AS 0");
	/* RFC 4271 6.2: one or two seconds MUST be refused; zero is legal (4.2). */
	if (o->hold_s == 1 || o->hold_s == 2)
		return bgp_fault_set(
		    f, BGP_ERR_OPEN, BGP_OPEN_HOLD_TIME, NULL, 0, "hold time below 3 s");
	/* RFC 6286 2.1: any number but zero. */
	if (o->id == 0)
		return bgp_fault_set(f, BGP_ERR_OPEN, BGP_OPEN_ID, NULL, 0, "identifier 0");
	return 0;
}

int
bgp_open_decode(struct wire_rd r, struct bgp_open *o, struct bgp_fault *f)
{
	struct wire_rd params;
	size_t len;
	int err;

	memset(o, 0, sizeof(*o));
	o->version = wire_u8(&r);
	o->as2 = wire_u16(&r);
	o->hold_s = wire_u16(&r);
	o->id = wire_u32(&r);
	len = wire_u8(&r);
	/* RFC 9072 2: length 255 and a first type of 255 announce two-octet lengths. */
	const bool extended = len != 0 && r.left > 0 && r.p[0] == PARAM_EXTENDED;

	if (extended) {
		(void)wire_u8(&r);
		len = wire_u16(&r);
	}
	params = wire_sub(&r, len);
	if (r.bad && o->version == 4)
		return bgp_fault_set(f, BGP_ERR_OPEN, BGP_OPEN_UNSPEC, NULL, 0, "too short");
	/* The version first: another version's layout is another. */
	if (o->version == 4) {
		if (r.left > 0)
			return bgp_fault_set(f, BGP_ERR_OPEN, BGP_OPEN_UNSPEC, NULL, 0,
			    "bytes behind the optional parameters");
		err = params_decode(params, extended, &o->caps, f);
		if (err < 0)
			return err;
	}
	if (!o->caps.gr) /* RFC 9494 4.1, 4.5: disregarded without graceful restart */
		o->caps.llgr_families = o->caps.llgr_forwarding = 0;
	if (!o->caps.mp) /* RFC 4760 8: without the capability it is IPv4 unicast */
		o->caps.families = BGP_FAMILY_MASK(BGP_IPV4_UNICAST);
	o->as = o->caps.as4 ? o->caps.as4_number : o->as2;
	return open_check(o, f);
}

const char *
bgp_role_name(uint8_t wire)
{
	static const char *const names[] = { "provider", "rs", "rs-client", "customer", "peer" };

	return wire < sizeof(names) / sizeof(names[0]) ? names[wire] : "unknown";
}

/* ---- encoding ---- */

static size_t
cap_begin(struct wire_wr *w, enum cap_code code)
{
	wire_put_u8(w, (uint8_t)code);
	wire_put_u8(w, 0);
	return w->len;
}

static void
cap_end(struct wire_wr *w, size_t at)
{
	wire_patch_u8(w, at - 1, (uint8_t)(w->len - at));
}

static void
put_family(struct wire_wr *w, enum bgp_family f)
{
	wire_put_u16(w, bgp_family_afi(f));
	wire_put_u8(w, 0);
	wire_put_u8(w, SAFI_UNICAST);
}

static void
put_graceful_restart(struct wire_wr *w, const struct bgp_caps *c)
{
	const unsigned flags =
	    (c->gr_restarting ? GR_RESTARTING : 0u) | (c->gr_notification ? GR_NOTIFICATION : 0u);
	const size_t at = cap_begin(w, CAP_GRACEFUL_RESTART);

	wire_put_u16(w, (uint16_t)(flags << 12 | (c->gr_time_s & 0xfffu)));
	for (unsigned i = 0; i < BGP_NR_FAMILIES; i++) {
		if (!(c->gr_families & BGP_FAMILY_MASK(i)))
			continue;
		wire_put_u16(w, bgp_family_afi((enum bgp_family)i));
		wire_put_u8(w, SAFI_UNICAST);
		wire_put_u8(w, c->gr_forwarding & BGP_FAMILY_MASK(i) ? GR_FORWARDING : 0u);
	}
	cap_end(w, at);
}

static void
put_long_lived_gr(struct wire_wr *w, const struct bgp_caps *c)
{
	const size_t at = cap_begin(w, CAP_LONG_LIVED_GR);

	for (unsigned i = 0; i < BGP_NR_FAMILIES; i++) {
		const uint32_t time_s = c->llgr_time_s[i] & LLGR_TIME_MAX;

		if (!(c->llgr_families & BGP_FAMILY_MASK(i)))
			continue;
		wire_put_u16(w, bgp_family_afi((enum bgp_family)i));
		wire_put_u8(w, SAFI_UNICAST);
		wire_put_u8(w, c->llgr_forwarding & BGP_FAMILY_MASK(i) ? GR_FORWARDING : 0u);
		wire_put_u8(w, (uint8_t)(time_s >> 16));
		wire_put_u16(w, (uint16_t)time_s);
	}
	cap_end(w, at);
}

static void
put_fqdn(struct wire_wr *w, const struct bgp_caps *c)
{
	const size_t at = cap_begin(w, CAP_FQDN);
	const size_t host = strnlen(c->host, sizeof(c->host) - 1);
	const size_t domain = strnlen(c->domain, sizeof(c->domain) - 1);

	wire_put_u8(w, (uint8_t)host);
	wire_put_bytes(w, c->host, host);
	wire_put_u8(w, (uint8_t)domain);
	wire_put_bytes(w, c->domain, domain);
	cap_end(w, at);
}

static void
put_ext_next_hop(struct wire_wr *w, const struct bgp_caps *c)
{
	const size_t at = cap_begin(w, CAP_EXT_NEXT_HOP);

	for (unsigned i = 0; i < BGP_NR_FAMILIES; i++) {
		if (!(c->ext_next_hop & BGP_FAMILY_MASK(i)))
			continue;
		wire_put_u16(w, bgp_family_afi((enum bgp_family)i));
		wire_put_u16(w, SAFI_UNICAST);
		wire_put_u16(w, bgp_family_afi(BGP_IPV6_UNICAST));
	}
	cap_end(w, at);
}

static void
put_add_path(struct wire_wr *w, const struct bgp_caps *c)
{
	const size_t at = cap_begin(w, CAP_ADD_PATH);

	for (unsigned i = 0; i < BGP_NR_FAMILIES; i++) {
		const unsigned how = (c->add_receive & BGP_FAMILY_MASK(i) ? ADD_PATH_RECEIVE : 0u) |
		    (c->add_send & BGP_FAMILY_MASK(i) ? ADD_PATH_SEND : 0u);

		if (!how)
			continue;
		wire_put_u16(w, bgp_family_afi((enum bgp_family)i));
		wire_put_u8(w, SAFI_UNICAST);
		wire_put_u8(w, (uint8_t)how);
	}
	cap_end(w, at);
}

/* All capabilities of ours in one list, without the parameter around it. */
static void
put_caps(struct wire_wr *w, const struct bgp_caps *c)
{
	size_t at;

	for (unsigned i = 0; i < BGP_NR_FAMILIES; i++) {
		if (!(c->families & BGP_FAMILY_MASK(i)))
			continue;
		at = cap_begin(w, CAP_MULTIPROTOCOL);
		put_family(w, (enum bgp_family)i);
		cap_end(w, at);
	}
	if (c->refresh)
		cap_end(w, cap_begin(w, CAP_REFRESH));
	if (c->ext_next_hop)
		put_ext_next_hop(w, c);
	if (c->ext_msg)
		cap_end(w, cap_begin(w, CAP_EXT_MESSAGE));
	if (c->has_role) {
		at = cap_begin(w, CAP_ROLE);
		wire_put_u8(w, c->role);
		cap_end(w, at);
	}
	if (c->gr)
		put_graceful_restart(w, c);
	if (c->as4) {
		at = cap_begin(w, CAP_AS4);
		wire_put_u32(w, c->as4_number);
		cap_end(w, at);
	}
	if (c->add_send | c->add_receive)
		put_add_path(w, c);
	if (c->enhanced_refresh)
		cap_end(w, cap_begin(w, CAP_ENHANCED_REFRESH));
	if (c->gr && c->llgr_families) /* RFC 9494 4.1: never alone */
		put_long_lived_gr(w, c);
	if (c->host[0])
		put_fqdn(w, c);
}

void
bgp_open_encode(struct wire_wr *w, const struct bgp_open *o)
{
	uint8_t bytes[1024];
	struct wire_wr list = wire_wr_init(bytes, sizeof(bytes));
	const size_t start = bgp_msg_begin(w, BGP_MSG_OPEN);

	put_caps(&list, &o->caps);
	wire_put_u8(w, 4);
	wire_put_u16(w, o->as2);
	wire_put_u16(w, o->hold_s);
	wire_put_u32(w, o->id);
	if (list.len == 0) {
		wire_put_u8(w, 0);
	} else if (list.len + 2 <= UINT8_MAX) {
		wire_put_u8(w, (uint8_t)(list.len + 2));
		wire_put_u8(w, PARAM_CAPABILITIES);
		wire_put_u8(w, (uint8_t)list.len);
		wire_put_bytes(w, bytes, list.len);
	} else { /* RFC 9072 2 */
		wire_put_u8(w, PARAM_EXTENDED);
		wire_put_u8(w, PARAM_EXTENDED);
		wire_put_u16(w, (uint16_t)(list.len + 3));
		wire_put_u8(w, PARAM_CAPABILITIES);
		wire_put_u16(w, (uint16_t)list.len);
		wire_put_bytes(w, bytes, list.len);
	}
	bgp_msg_end(w, start);
}
