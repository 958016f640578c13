/*
 * bgpd/msg.c: message header, KEEPALIVE, NOTIFICATION, ROUTE-REFRESH, and the names of families and
 * states.  OPEN is in open.c, UPDATE in update.c.  See msg.h.
 */
#include "bgpd/msg.h"

#include "lib/text.h"

#include <string.h>

#define MARKER_LEN 16

/* ---- families and states ---- */

static const struct {
	uint16_t afi;
	const char *name;
} families[BGP_NR_FAMILIES] = {
	[BGP_IPV4_UNICAST] = { 1, "ipv4/unicast" },
	[BGP_IPV6_UNICAST] = { 2, "ipv6/unicast" },
};

#define SAFI_UNICAST 1

int
bgp_family_of(uint16_t afi, uint8_t safi)
{
	if (safi != SAFI_UNICAST)
		return -1;
	for (int f = 0; f < BGP_NR_FAMILIES; f++)
		if (families[f].afi == afi)
			return f;
	return -1;
}

uint16_t
bgp_family_afi(enum bgp_family f)
{
	return families[f].afi;
}

const char *
bgp_family_name(enum bgp_family f)
{
	return families[f].name;
}

const char *
bgp_state_name(enum bgp_state s)
{
	static const char *const names[BGP_NR_STATES] = {
		[BGP_IDLE] = "idle",
		[BGP_CONNECT] = "connect",
		[BGP_ACTIVE] = "active",
		[BGP_OPENSENT] = "opensent",
		[BGP_OPENCONFIRM] = "openconfirm",
		[BGP_ESTABLISHED] = "established",
	};

	return s < BGP_NR_STATES ? names[s] : "unknown";
}

/* ---- header ---- */

/* RFC 4271 6.1: the shortest of each type; RFC 8654 4: who may be longer than 4096. */
static const struct {
	uint16_t min, max;
} limits[] = {
	[BGP_MSG_OPEN] = { 29, BGP_MAX_LEN },
	[BGP_MSG_UPDATE] = { 23, BGP_MAX_EXT_LEN },
	[BGP_MSG_NOTIFICATION] = { 21, BGP_MAX_EXT_LEN },
	[BGP_MSG_KEEPALIVE] = { BGP_HEADER_LEN, BGP_HEADER_LEN },
	/* RFC 7313 5: a wrong length of this type is its own error, found by its decoder. */
	[BGP_MSG_ROUTE_REFRESH] = { BGP_HEADER_LEN, BGP_MAX_EXT_LEN },
};

int
bgp_header_decode(
    struct wire_rd r, size_t max_len, uint8_t *type, uint16_t *len, struct bgp_fault *f)
{
	static const uint8_t ones[MARKER_LEN] = { 255, 255, 255, 255, 255, 255, 255, 255, 255, 255,
		255, 255, 255, 255, 255, 255 };
	const uint8_t *marker = wire_take(&r, MARKER_LEN);
	uint8_t wrong[2];

	*len = wire_u16(&r);
	*type = wire_u8(&r);
	/* Never looked at with fewer bytes than a header; if so, that is no marker. */
	if (r.bad || !marker || memcmp(marker, ones, MARKER_LEN) != 0)
		return bgp_fault_set(f, BGP_ERR_HEADER, BGP_HDR_NOT_SYNC, NULL, 0, "marker");
	wrong[0] = (uint8_t)(*len >> 8);
	wrong[1] = (uint8_t)*len;
	/* RFC 4271 6.1: the data holds the erroneous length. */
	if (*len < BGP_HEADER_LEN || *len > max_len)
		return bgp_fault_set(f, BGP_ERR_HEADER, BGP_HDR_LENGTH, wrong, 2, "length");
	if (*type < BGP_MSG_OPEN || *type > BGP_MSG_ROUTE_REFRESH)
		return bgp_fault_set(f, BGP_ERR_HEADER, BGP_HDR_TYPE, type, 1, "type");
	if (*len < limits[*type].min || *len > limits[*type].max)
		return bgp_fault_set(f, BGP_ERR_HEADER, BGP_HDR_LENGTH, wrong, 2, "length of type");
	return 0;
}

size_t
bgp_msg_begin(struct wire_wr *w, enum bgp_msg_type type)
{
	const size_t start = w->len;
	uint8_t *marker = wire_put(w, MARKER_LEN);

	if (marker)
		memset(marker, 0xff, MARKER_LEN);
	wire_put_u16(w, 0);
	wire_put_u8(w, (uint8_t)type);
	return start;
}

void
bgp_msg_end(struct wire_wr *w, size_t start)
{
	wire_patch_u16(w, start + MARKER_LEN, (uint16_t)(w->len - start));
}

void
bgp_keepalive_encode(struct wire_wr *w)
{
	bgp_msg_end(w, bgp_msg_begin(w, BGP_MSG_KEEPALIVE));
}

/* ---- NOTIFICATION ---- */

/* C0, DEL, and C1 in its two octets, which terminals obey as well. */
static bool
is_control(const uint8_t *text, size_t at, size_t len)
{
	if (text[at] < 0x20 || text[at] == 0x7f)
		return true;
	if (text[at] == 0xc2)
		return at + 1 < len && text[at + 1] < 0xa0;
	return at > 0 && text[at - 1] == 0xc2 && text[at] < 0xa0;
}

/* Text of somebody else's, for logs and screens: UTF-8 or nothing, control characters are '?'. */
static void
shutdown_text(struct wire_rd r, char *text, size_t size)
{
	const uint8_t len = wire_u8(&r);
	const uint8_t *at = wire_take(&r, len);
	size_t bad;

	text[0] = '\0';
	/* RFC 9003 2: a length beyond the data makes the communication unusable, not the message. */
	if (!at || len == 0 || text_utf8_check(at, len, &bad) != 0)
		return;
	if (len >= size)
		return;
	for (size_t i = 0; i < len; i++)
		text[i] = is_control(at, i, len) ? '?' : (char)at[i];
	text[len] = '\0';
}

int
bgp_notification_decode(struct wire_rd r, struct bgp_fault *f, char *shutdown, size_t size)
{
	const uint8_t code = wire_u8(&r);
	const uint8_t subcode = wire_u8(&r);
	const struct wire_rd data = r;
	struct wire_rd inner = data;

	if (size)
		shutdown[0] = '\0';
	if (r.bad)
		return bgp_fault_set(
		    f, BGP_ERR_HEADER, BGP_HDR_LENGTH, NULL, 0, "NOTIFICATION too short");
	(void)bgp_fault_set(f, code, subcode, data.p, data.left, NULL);
	if (code != BGP_ERR_CEASE || size == 0)
		return 0;
	if (subcode == BGP_CEASE_HARD_RESET) {
		/* RFC 8538 3: the real code, subcode and data stand inside. */
		if (wire_u8(&inner) != BGP_ERR_CEASE)
			return 0;
		const uint8_t sub = wire_u8(&inner);

		if (!inner.bad && (sub == BGP_CEASE_SHUTDOWN || sub == BGP_CEASE_RESET))
			shutdown_text(inner, shutdown, size);
	} else if (subcode == BGP_CEASE_SHUTDOWN || subcode == BGP_CEASE_RESET) {
		shutdown_text(inner, shutdown, size);
	}
	return 0;
}

void
bgp_notification_encode(struct wire_wr *w, const struct bgp_fault *f)
{
	const size_t start = bgp_msg_begin(w, BGP_MSG_NOTIFICATION);

	wire_put_u8(w, f->code);
	wire_put_u8(w, f->subcode);
	wire_put_bytes(w, f->data, f->len);
	bgp_msg_end(w, start);
}

void
bgp_shutdown_data(struct bgp_fault *f, const char *message)
{
	size_t len = message ? strlen(message) : 0, bad;

	f->len = 0;
	if (len == 0)
		return;
	if (len > 255) { /* RFC 9003 2 */
		len = 255;
		while (len > 0 && ((uint8_t)message[len] & 0xc0) == 0x80)
			len--;
	}
	if (text_utf8_check(message, len, &bad) != 0)
		return;
	f->data[0] = (uint8_t)len;
	if (len > sizeof(f->data) - 1)
		len = sizeof(f->data) - 1;
	memcpy(f->data + 1, message, len);
	f->len = (uint16_t)(len + 1);
}

/* ---- ROUTE-REFRESH ---- */

int
bgp_refresh_decode(struct wire_rd r, struct bgp_refresh *o, struct bgp_fault *f)
{
	uint8_t whole[BGP_FAULT_DATA_MAX];
	struct wire_wr w = wire_wr_init(whole, sizeof(whole));
	const struct wire_rd body = r;

	o->afi = wire_u16(&r);
	o->subtype = wire_u8(&r);
	o->safi = wire_u8(&r);
	o->family = bgp_family_of(o->afi, o->safi);
	/* RFC 7313 5: BoRR and EoRR are exactly four octets; a plain request may carry an ORF
	 * (RFC 5291), which nobody negotiated and nobody reads. */
	if (!r.bad && (r.left == 0 || o->subtype == BGP_REFRESH_REQUEST))
		return 0;
	if (!r.bad && o->subtype > BGP_REFRESH_EORR)
		return 0; /* RFC 7313 5: an unknown subtype is ignored */
	const size_t start = bgp_msg_begin(&w, BGP_MSG_ROUTE_REFRESH);
	const size_t len = body.left < wire_room(&w) ? body.left : wire_room(&w);

	wire_put_bytes(&w, body.p, len);
	/* The header says how long it was, also when the data are cut. */
	wire_patch_u16(&w, start + MARKER_LEN, (uint16_t)(BGP_HEADER_LEN + body.left));
	return bgp_fault_set(f, BGP_ERR_ROUTE_REFRESH, BGP_REFRESH_LENGTH, whole, w.len, "length");
}

void
bgp_refresh_encode(struct wire_wr *w, enum bgp_family family, enum bgp_refresh_subtype subtype)
{
	const size_t start = bgp_msg_begin(w, BGP_MSG_ROUTE_REFRESH);

	wire_put_u16(w, families[family].afi);
	wire_put_u8(w, (uint8_t)subtype);
	wire_put_u8(w, SAFI_UNICAST);
	bgp_msg_end(w, start);
}
