/*
 * bfd/packet.c: a control packet between its bytes and a struct.
 */
#include "bfd/packet.h"

#include "lib/wire.h"

#include <string.h>

#define VERSION 1

/* The bits after the state, in byte 1 */
enum { BIT_POLL = 0x20, BIT_FINAL = 0x10, BIT_INDEPENDENT = 0x08, BIT_AUTH = 0x04 };
enum { BIT_DEMAND = 0x02, BIT_MULTIPOINT = 0x01 };

#define AUTH_HEAD 2 /* type and length */

/* RFC 5880 4.4.  What is no such section leaves auth_type 0, which no session asks for. */
static void
read_auth(struct packet *p, struct wire_rd r)
{
	uint8_t type = wire_u8(&r), len = wire_u8(&r);

	p->auth_key_id = wire_u8(&r);
	(void)wire_u8(&r); /* reserved: ignored on receipt */
	p->auth_seq = wire_u32(&r);
	(void)wire_take(&r, BFD_KEY_MAX);
	if (wire_done(&r) && len == PACKET_AUTH_LEN &&
	    (type == AUTH_SHA1 || type == AUTH_SHA1_METICULOUS))
		p->auth_type = type;
}

enum packet_drop
packet_read(struct packet *p, const uint8_t *bytes, size_t len)
{
	struct wire_rd r = wire_rd_init(bytes, len), body;
	uint8_t first = wire_u8(&r), bits = wire_u8(&r), length;

	memset(p, 0, sizeof(*p));
	p->multiplier = wire_u8(&r);
	length = wire_u8(&r);
	if (r.bad)
		return DROP_CUT; /* not even a length: there is no rule before that could be read */
	/* RFC 5880 6.8.6, rule by rule */
	if (first >> 5 != VERSION)
		return DROP_VERSION;
	p->diag = first & 0x1f;
	p->state = (enum bfd_state)(bits >> 6);
	p->poll = bits & BIT_POLL;
	p->final = bits & BIT_FINAL;
	p->independent = bits & BIT_INDEPENDENT;
	p->auth = bits & BIT_AUTH;
	p->demand = bits & BIT_DEMAND;
	if (length < PACKET_LEN + (p->auth ? AUTH_HEAD : 0))
		return DROP_LENGTH;
	body = wire_sub(&r, (size_t)length - 4);
	p->my = wire_u32(&body);
	p->your = wire_u32(&body);
	p->min_tx = wire_u32(&body);
	p->min_rx = wire_u32(&body);
	p->min_echo = wire_u32(&body);
	if (body.bad)
		return DROP_CUT;
	if (p->multiplier == 0)
		return DROP_MULTIPLIER;
	if (bits & BIT_MULTIPOINT)
		return DROP_MULTIPOINT;
	if (p->my == 0)
		return DROP_MY_DISCRIMINATOR;
	if (p->your == 0 && p->state != BFD_DOWN && p->state != BFD_ADMIN_DOWN)
		return DROP_STATE;
	if (p->auth)
		read_auth(p, body);
	return DROP_NONE;
}

size_t
packet_write(const struct packet *p, uint8_t *bytes)
{
	struct wire_wr w = wire_wr_init(bytes, PACKET_MAX);

	wire_put_u8(&w, (uint8_t)(VERSION << 5 | p->diag));
	wire_put_u8(&w,
	    (uint8_t)((unsigned)p->state << 6 | (p->poll ? BIT_POLL : 0) |
		(p->final ? BIT_FINAL : 0) | (p->independent ? BIT_INDEPENDENT : 0) |
		(p->auth ? BIT_AUTH : 0) | (p->demand ? BIT_DEMAND : 0)));
	wire_put_u8(&w, p->multiplier);
	wire_put_u8(&w, p->auth ? PACKET_MAX : PACKET_LEN);
	wire_put_u32(&w, p->my);
	wire_put_u32(&w, p->your);
	wire_put_u32(&w, p->min_tx);
	wire_put_u32(&w, p->min_rx);
	wire_put_u32(&w, p->min_echo);
	if (p->auth) {
		uint8_t *digest;

		wire_put_u8(&w, p->auth_type);
		wire_put_u8(&w, PACKET_AUTH_LEN);
		wire_put_u8(&w, p->auth_key_id);
		wire_put_u8(&w, 0);
		wire_put_u32(&w, p->auth_seq);
		digest = wire_put(&w, BFD_KEY_MAX);
		memset(digest, 0, BFD_KEY_MAX);
	}
	return w.len;
}
