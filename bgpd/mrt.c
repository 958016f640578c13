/*
 * bgpd/mrt.c: see mrt.h.
 */
#include "bgpd/mrt.h"

#include "bgpd/tap.h"
#include "lib/mem.h"

#include <errno.h>
#include <string.h>

#define MRT_BGP4MP_ET 17 /* RFC 6396 3 */
#define RECORD_MAX (BGP_MAX_EXT_LEN + 128)

struct bgp_dump {
	struct bgp_tap tap;
	struct bgp *bgp;
	char *peer; /* by name; NULL: all of them */
	bgp_dump_fn *record;
	void *arg;
	uint8_t *bytes; /* RECORD_MAX */
};

/* ---- bytes ---- */

enum mrt_subtype
mrt_subtype_of(bool sent, bool as4, bool add_path)
{
	static const enum mrt_subtype subtypes[2][2][2] = {
		{ { MRT_MESSAGE, MRT_MESSAGE_ADD_PATH },
		    { MRT_MESSAGE_AS4, MRT_MESSAGE_AS4_ADD_PATH } },
		{ { MRT_MESSAGE_LOCAL, MRT_MESSAGE_LOCAL_ADD_PATH },
		    { MRT_MESSAGE_AS4_LOCAL, MRT_MESSAGE_AS4_LOCAL_ADD_PATH } }
	};

	return subtypes[sent][as4][add_path];
}

static bool
has_two_octets(enum mrt_subtype t)
{
	return t == MRT_MESSAGE || t == MRT_MESSAGE_LOCAL || t == MRT_MESSAGE_ADD_PATH ||
	    t == MRT_MESSAGE_LOCAL_ADD_PATH;
}

static void
put_as(struct wire_wr *w, uint32_t as, bool two)
{
	if (two)
		wire_put_u16(w, as > UINT16_MAX ? BGP_AS_TRANS : (uint16_t)as);
	else
		wire_put_u32(w, as);
}

/* RFC 6396 2, 3, 4.4.1: the header, the microseconds, and whom it is about.  Returns where the length is. */
static size_t
begin(struct wire_wr *w, enum mrt_subtype type, const struct mrt_about *a)
{
	const bool v6 = a->peer.family == ADDR_V6, two = has_two_octets(type);
	size_t at;

	wire_put_u32(w, (uint32_t)(a->wall_us / 1000000));
	wire_put_u16(w, MRT_BGP4MP_ET);
	wire_put_u16(w, (uint16_t)type);
	at = w->len;
	wire_put_u32(w, 0);
	wire_put_u32(w, (uint32_t)(a->wall_us % 1000000));
	put_as(w, a->peer_as, two);
	put_as(w, a->local_as, two);
	wire_put_u16(w, a->ifindex);
	wire_put_u16(w, v6 ? 2 : 1);
	wire_put_bytes(w, a->peer.b, v6 ? 16 : 4);
	wire_put_bytes(w, a->local.b, v6 ? 16 : 4);
	return at;
}

static void
end(struct wire_wr *w, size_t at)
{
	const size_t len = w->len - at - 4;

	wire_patch_u16(w, at, (uint16_t)(len >> 16));
	wire_patch_u16(w, at + 2, (uint16_t)len);
}

void
mrt_message_encode(struct wire_wr *w, enum mrt_subtype type, const struct mrt_about *a,
    const uint8_t *message, size_t len)
{
	const size_t at = begin(w, type, a);

	wire_put_bytes(w, message, len);
	end(w, at);
}

void
mrt_state_encode(
    struct wire_wr *w, const struct mrt_about *a, enum bgp_state old, enum bgp_state now)
{
	const size_t at = begin(w, MRT_STATE_CHANGE_AS4, a);

	/* RFC 6396 4.4.1: Idle is 1. */
	wire_put_u16(w, (uint16_t)(old + 1));
	wire_put_u16(w, (uint16_t)(now + 1));
	end(w, at);
}

/* ---- dumps ---- */

static struct mrt_about
about(const struct session *s)
{
	const struct peer *p = s->peer;
	struct mrt_about a = {
		.peer_as = s->theirs.as ? s->theirs.as : p->conf->peer_as,
		.local_as = s->ours.as ? s->ours.as : p->instance->local_as,
		.ifindex = (uint16_t)s->names.ifindex,
		.peer = p->conf->addr,
		.local = s->names.local,
		.wall_us = loop_wall_us(p->instance->bgp->loop),
	};

	if (a.local.family != a.peer.family) /* no connection was there yet */
		a.local = (struct addr){ .family = a.peer.family };
	return a;
}

static bool
is_about(const struct bgp_dump *d, const struct session *s)
{
	return !d->peer || strcmp(d->peer, s->peer->conf->name) == 0;
}

static void
hand_on(struct bgp_dump *d, const struct wire_wr *w)
{
	if (!w->full)
		d->record(d->arg, w->start, w->len);
}

static void
on_message(
    struct bgp_tap *tap, const struct session *s, bool sent, const uint8_t *message, size_t len)
{
	const bool is_update = message[BGP_HEADER_LEN - 1] == BGP_MSG_UPDATE;
	const unsigned add = sent ? s->ours.caps.add_send & s->theirs.caps.add_receive
				  : s->ours.caps.add_receive & s->theirs.caps.add_send;
	struct bgp_dump *d = tap->arg;
	struct wire_wr w = wire_wr_init(d->bytes, RECORD_MAX);
	struct mrt_about a;

	if (!is_about(d, s))
		return;
	a = about(s);
	mrt_message_encode(&w,
	    mrt_subtype_of(sent, !is_update || s->theirs.caps.as4,
		is_update && (add & session_families(s)) != 0),
	    &a, message, len);
	hand_on(d, &w);
}

static void
on_moved(struct bgp_tap *tap, const struct session *s, enum bgp_state old)
{
	struct bgp_dump *d = tap->arg;
	struct wire_wr w = wire_wr_init(d->bytes, RECORD_MAX);
	struct mrt_about a;

	if (!is_about(d, s))
		return;
	a = about(s);
	mrt_state_encode(&w, &a, old, s->state);
	hand_on(d, &w);
}

struct bgp_dump *
bgp_dump_new(struct bgp *b, const char *peer, bgp_dump_fn *record, void *arg)
{
	struct bgp_dump *d = xnew(struct bgp_dump);

	d->tap = (struct bgp_tap){ .message = on_message, .moved = on_moved, .arg = d };
	d->bgp = b;
	d->peer = peer ? xstrdup(peer) : NULL;
	d->record = record;
	d->arg = arg;
	d->bytes = xcalloc(1, RECORD_MAX);
	tap_put(b, &d->tap);
	return d;
}

void
bgp_dump_free(struct bgp_dump *d)
{
	if (!d)
		return;
	tap_take(d->bgp, &d->tap);
	mem_free(d->peer);
	mem_free(d->bytes);
	mem_free(d);
}
