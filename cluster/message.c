/*
 * cluster/message.c: datagrams as bytes; see message.h.
 */
#include "cluster/message.h"

#include <errno.h>

#define MAGIC 0x4863 /* "Hc" */
#define VERSION 1

static void
put_u64(struct wire_wr *w, uint64_t v)
{
	wire_put_u32(w, (uint32_t)(v >> 32));
	wire_put_u32(w, (uint32_t)v);
}

/* ---- header ---- */

int
message_head_read(struct wire_rd *r, struct message_head *h)
{
	uint16_t magic = wire_u16(r);
	uint8_t version = wire_u8(r);

	(void)wire_u8(r);
	h->from = wire_u64(r);
	h->to = wire_u64(r);
	h->life = wire_u64(r);
	h->to_life = wire_u64(r);
	h->seq = wire_u32(r);
	if (r->bad)
		return -EBADMSG;
	if (magic != MAGIC || version != VERSION)
		return -EPROTO;
	return h->from && h->life && h->seq ? 0 : -EBADMSG;
}

void
message_head_write(struct wire_wr *w, const struct message_head *h)
{
	wire_put_u16(w, MAGIC);
	wire_put_u8(w, VERSION);
	wire_put_u8(w, 0);
	put_u64(w, h->from);
	put_u64(w, h->to);
	put_u64(w, h->life);
	put_u64(w, h->to_life);
	wire_put_u32(w, h->seq);
}

/* ---- records ---- */

bool
message_next(struct wire_rd *r, uint8_t *type, struct wire_rd *body)
{
	if (!wire_more(r))
		return false;
	*type = wire_u8(r);
	(void)wire_u8(r);
	*body = wire_sub(r, wire_u16(r));
	return !r->bad && !body->bad;
}

static size_t
record_begin(struct wire_wr *w, enum message_type type)
{
	wire_put_u8(w, (uint8_t)type);
	wire_put_u8(w, 0);
	wire_put_u16(w, 0);
	return w->len;
}

static void
record_end(struct wire_wr *w, size_t from)
{
	if (!w->full)
		wire_patch_u16(w, from - 2, (uint16_t)(w->len - from));
}

static bool
addrs_ok(struct wire_rd addrs)
{
	struct addr a;
	uint8_t op;

	while (message_addr(&addrs, &op, &a))
		;
	return wire_done(&addrs);
}

static bool
record_ok(uint8_t type, struct wire_rd body)
{
	struct message_hello hello;
	struct message_part part;
	struct message_want want;
	struct message_addrs addrs;

	switch (type) {
	case MESSAGE_HELLO:
		return message_hello_read(body, &hello) == 0;
	case MESSAGE_PART_OF:
		return message_part_read(body, &part) == 0;
	case MESSAGE_WANT:
		return message_want_read(body, &want) == 0;
	case MESSAGE_ASK:
	case MESSAGE_GIVE:
		return message_addrs_read(body, &addrs) == 0 && addrs_ok(addrs.addrs);
	default:
		return true; /* of a later version */
	}
}

bool
message_ok(struct wire_rd records)
{
	struct wire_rd body;
	uint8_t type;

	while (message_next(&records, &type, &body))
		if (!record_ok(type, body))
			return false;
	return wire_done(&records);
}

/* ---- hello ---- */

static void
facts_read(struct wire_rd *r, struct message_facts *f)
{
	f->flags = wire_u8(r);
	for (size_t i = 0; i < MESSAGE_NR_STATES; i++)
		f->version[i] = wire_u32(r);
}

static void
facts_write(struct wire_wr *w, const struct message_facts *f)
{
	wire_put_u8(w, f->flags);
	for (size_t i = 0; i < MESSAGE_NR_STATES; i++)
		wire_put_u32(w, f->version[i]);
}

int
message_hello_read(struct wire_rd r, struct message_hello *h)
{
	*h = (struct message_hello){ 0 };
	facts_read(&r, &h->facts);
	h->period_ms = wire_u32(&r);
	h->nr_watches = wire_u8(&r);
	if (h->nr_watches > MESSAGE_VERDICTS_MAX)
		return -EBADMSG;
	for (size_t i = 0; i < h->nr_watches; i++) {
		struct message_watch *v = &h->watches[i];
		uint8_t bits;

		v->whom = wire_u64(&r);
		bits = wire_u8(&r);
		v->verdict = bits & 3;
		v->needed = bits & 4;
		v->heard_ds = wire_u8(&r);
		v->facts.life = wire_u64(&r);
		facts_read(&r, &v->facts);
		if (v->verdict > MESSAGE_DOWN)
			return -EBADMSG;
	}
	/* What a later version adds stands behind. */
	return r.bad ? -EBADMSG : 0;
}

void
message_hello_write(struct wire_wr *w, const struct message_hello *h)
{
	size_t from = record_begin(w, MESSAGE_HELLO);

	facts_write(w, &h->facts);
	wire_put_u32(w, h->period_ms);
	wire_put_u8(w, (uint8_t)h->nr_watches);
	for (size_t i = 0; i < h->nr_watches; i++) {
		const struct message_watch *v = &h->watches[i];

		put_u64(w, v->whom);
		wire_put_u8(w, (uint8_t)(v->verdict | (v->needed ? 4 : 0)));
		wire_put_u8(w, v->heard_ds);
		put_u64(w, v->facts.life);
		facts_write(w, &v->facts);
	}
	record_end(w, from);
}

/* ---- states ---- */

size_t
message_nr_parts(size_t total)
{
	return total ? (total + MESSAGE_PART - 1) / MESSAGE_PART : 1;
}

int
message_part_read(struct wire_rd r, struct message_part *p)
{
	size_t last;

	*p = (struct message_part){ .whose = wire_u64(&r), .life = wire_u64(&r) };
	p->state = wire_u8(&r);
	(void)wire_u8(&r);
	p->version = wire_u32(&r);
	p->base = wire_u32(&r);
	p->total = wire_u32(&r);
	p->part = wire_u16(&r);
	if (r.bad || p->state >= MESSAGE_NR_STATES || !p->version || p->base >= p->version)
		return -EBADMSG;
	last = message_nr_parts(p->total) - 1;
	p->len = r.left;
	p->bytes = wire_take(&r, r.left);
	if (p->part > last)
		return -EBADMSG;
	return p->len == (p->part == last ? p->total - last * MESSAGE_PART : MESSAGE_PART)
	    ? 0
	    : -EBADMSG;
}

void
message_part_write(struct wire_wr *w, const struct message_part *p)
{
	size_t from = record_begin(w, MESSAGE_PART_OF);

	put_u64(w, p->whose);
	put_u64(w, p->life);
	wire_put_u8(w, p->state);
	wire_put_u8(w, 0);
	wire_put_u32(w, p->version);
	wire_put_u32(w, p->base);
	wire_put_u32(w, p->total);
	wire_put_u16(w, p->part);
	wire_put_bytes(w, p->bytes, p->len);
	record_end(w, from);
}

int
message_want_read(struct wire_rd r, struct message_want *m)
{
	*m = (struct message_want){ .whose = wire_u64(&r), .life = wire_u64(&r) };
	m->state = wire_u8(&r);
	m->have = wire_u32(&r);
	return r.bad || m->state >= MESSAGE_NR_STATES ? -EBADMSG : 0;
}

void
message_want_write(struct wire_wr *w, const struct message_want *m)
{
	size_t from = record_begin(w, MESSAGE_WANT);

	put_u64(w, m->whose);
	put_u64(w, m->life);
	wire_put_u8(w, m->state);
	wire_put_u32(w, m->have);
	record_end(w, from);
}

/* ---- addresses ---- */

bool
message_addr(struct wire_rd *r, uint8_t *op, struct addr *a)
{
	uint8_t tag;

	if (!wire_more(r))
		return false;
	tag = wire_u8(r);
	*op = tag >> 4;
	*a = (struct addr){ .family = tag & 15 };
	if (a->family != ADDR_V4 && a->family != ADDR_V6) {
		r->bad = true;
		return false;
	}
	wire_copy(r, a->b, addr_bits((enum addr_family)a->family) / 8);
	return !r->bad;
}

size_t
message_addr_write(uint8_t *to, uint8_t op, const struct addr *a)
{
	size_t len = addr_bits((enum addr_family)a->family) / 8;

	to[0] = (uint8_t)(op << 4 | a->family);
	memcpy(to + 1, a->b, len);
	return len + 1;
}

int
message_addrs_read(struct wire_rd r, struct message_addrs *m)
{
	m->ticket = wire_u32(&r);
	m->version = wire_u32(&r);
	m->addrs = r;
	return r.bad ? -EBADMSG : 0;
}

size_t
message_addrs_write(struct wire_wr *w, enum message_type type, uint32_t ticket, uint32_t version,
    const struct addr *addrs, size_t nr)
{
	size_t from = record_begin(w, type), n;

	wire_put_u32(w, ticket);
	wire_put_u32(w, version);
	for (n = 0; n < nr && wire_room(w) >= MESSAGE_ADDR_MAX; n++) {
		uint8_t bytes[MESSAGE_ADDR_MAX];

		wire_put_bytes(w, bytes, message_addr_write(bytes, 0, &addrs[n]));
	}
	record_end(w, from);
	return w->full ? 0 : n;
}
