/*
 * bgpd/bmp_msg.c: the bytes of BMP; see bmp_msg.h.
 */
#include "bgpd/bmp_msg.h"

#include "bgpd/msg.h"

#include <string.h>

#define SAFI_UNICAST 1

static void
put_u64(struct wire_wr *w, uint64_t v)
{
	wire_put_u32(w, (uint32_t)(v >> 32));
	wire_put_u32(w, (uint32_t)v);
}

/* RFC 7854 4.2: sixteen octets; an IPv4 address stands in the last four. */
static void
put_addr(struct wire_wr *w, const struct addr *a)
{
	static const uint8_t zeros[16];

	if (a->family == ADDR_V6) {
		wire_put_bytes(w, a->b, 16);
		return;
	}
	wire_put_bytes(w, zeros, 12);
	wire_put_bytes(w, a->family == ADDR_V4 ? a->b : zeros, 4);
}

size_t
bmp_begin(struct wire_wr *w, enum bmp_type type)
{
	const size_t start = w->len;

	wire_put_u8(w, BMP_VERSION);
	wire_put_u32(w, 0);
	wire_put_u8(w, (uint8_t)type);
	return start;
}

void
bmp_end(struct wire_wr *w, size_t start)
{
	const size_t len = w->len - start;

	wire_patch_u16(w, start + 1, (uint16_t)(len >> 16));
	wire_patch_u16(w, start + 3, (uint16_t)len);
}

void
bmp_about_encode(struct wire_wr *w, const struct bmp_about *a)
{
	uint8_t flags = a->flags;

	if (a->type != BMP_PEER_LOC_RIB && a->addr.family == ADDR_V6)
		flags |= BMP_FLAG_V6;
	wire_put_u8(w, a->type);
	wire_put_u8(w, flags);
	put_u64(w, a->distinguisher);
	put_addr(w, &a->addr);
	wire_put_u32(w, a->as);
	wire_put_u32(w, a->id);
	wire_put_u32(w, (uint32_t)(a->wall_us / 1000000));
	wire_put_u32(w, (uint32_t)(a->wall_us % 1000000));
}

void
bmp_info_encode(struct wire_wr *w, enum bmp_info type, const char *text)
{
	size_t len;

	if (!text)
		return;
	len = strnlen(text, UINT16_MAX);
	wire_put_u16(w, (uint16_t)type);
	wire_put_u16(w, (uint16_t)len);
	wire_put_bytes(w, text, len);
}

void
bmp_initiation_encode(struct wire_wr *w, const char *name, const char *descr)
{
	const size_t start = bmp_begin(w, BMP_INITIATION);

	/* RFC 7854 4.3: sysDescr and sysName MUST be sent. */
	bmp_info_encode(w, BMP_INFO_DESCR, descr);
	bmp_info_encode(w, BMP_INFO_NAME, name);
	bmp_end(w, start);
}

void
bmp_termination_encode(struct wire_wr *w, unsigned reason, const char *text)
{
	const size_t start = bmp_begin(w, BMP_TERMINATION);

	bmp_info_encode(w, BMP_INFO_STRING, text);
	/* RFC 7854 4.5: the reason MUST be there. */
	wire_put_u16(w, 1);
	wire_put_u16(w, 2);
	wire_put_u16(w, (uint16_t)reason);
	bmp_end(w, start);
}

void
bmp_peer_up_encode(struct wire_wr *w, const struct bmp_about *about, const struct addr *local,
    uint16_t local_port, uint16_t remote_port, struct bmp_bytes sent, struct bmp_bytes received,
    const char *table)
{
	const size_t start = bmp_begin(w, BMP_PEER_UP);

	bmp_about_encode(w, about);
	put_addr(w, local);
	wire_put_u16(w, local_port);
	wire_put_u16(w, remote_port);
	wire_put_bytes(w, sent.p, sent.len);
	wire_put_bytes(w, received.p, received.len);
	bmp_info_encode(w, BMP_INFO_TABLE, table);
	bmp_end(w, start);
}

void
bmp_peer_down_encode(
    struct wire_wr *w, const struct bmp_about *about, enum bmp_down reason, struct bmp_bytes data)
{
	const size_t start = bmp_begin(w, BMP_PEER_DOWN);

	bmp_about_encode(w, about);
	wire_put_u8(w, (uint8_t)reason);
	wire_put_bytes(w, data.p, data.len);
	bmp_end(w, start);
}

void
bmp_route_encode(struct wire_wr *w, const struct bmp_about *about, struct bmp_bytes update)
{
	const size_t start = bmp_begin(w, BMP_ROUTE_MONITORING);

	bmp_about_encode(w, about);
	wire_put_bytes(w, update.p, update.len);
	bmp_end(w, start);
}

static void
put_count(struct wire_wr *w, const struct bmp_count *c)
{
	wire_put_u16(w, (uint16_t)c->stat);
	switch (c->stat) {
	case BMP_STAT_WITHDRAW_UPDATES: /* RFC 7854 4.8: a counter of 32 bits */
		wire_put_u16(w, 4);
		wire_put_u32(w, (uint32_t)c->count);
		break;
	case BMP_STAT_ADJ_IN:
	case BMP_STAT_ADJ_OUT_PRE:
	case BMP_STAT_ADJ_OUT:
		wire_put_u16(w, 8);
		put_u64(w, c->count);
		break;
	case BMP_STAT_ADJ_IN_FAMILY:
	case BMP_STAT_ADJ_OUT_PRE_FAMILY:
	case BMP_STAT_ADJ_OUT_FAMILY:
		wire_put_u16(w, 11);
		wire_put_u16(w, bgp_family_afi((enum bgp_family)c->family));
		wire_put_u8(w, SAFI_UNICAST);
		put_u64(w, c->count);
		break;
	}
}

void
bmp_statistics_encode(
    struct wire_wr *w, const struct bmp_about *about, const struct bmp_count *counts, size_t nr)
{
	const size_t start = bmp_begin(w, BMP_STATISTICS);

	bmp_about_encode(w, about);
	wire_put_u32(w, (uint32_t)nr);
	for (size_t i = 0; i < nr; i++)
		put_count(w, &counts[i]);
	bmp_end(w, start);
}
