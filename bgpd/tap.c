/*
 * bgpd/tap.c: tells those who listen in; see tap.h.  Between sessions and BMP, dumps.
 */
#include "bgpd/tap.h"

#include "bgpd/msg.h"

void
tap_put(struct bgp *b, struct bgp_tap *t)
{
	t->next = b->taps;
	b->taps = t;
}

void
tap_take(struct bgp *b, struct bgp_tap *t)
{
	struct bgp_tap **at = &b->taps;

	while (*at && *at != t)
		at = &(*at)->next;
	if (*at)
		*at = t->next;
}

static void
tell_one(const struct session *s, bool sent, const uint8_t *message, size_t len)
{
	for (struct bgp_tap *t = s->peer->instance->bgp->taps, *next; t; t = next) {
		next = t->next;
		if (t->message)
			t->message(t, s, sent, message, len);
	}
}

void
tap_tell(const struct session *s, bool sent, const uint8_t *bytes, size_t nr)
{
	struct wire_rd in = wire_rd_init(bytes, nr);

	while (wire_more(&in)) {
		struct wire_rd ahead = in;
		const uint8_t *message = in.p;
		size_t len;

		(void)wire_take(&ahead, BGP_HEADER_LEN - 3); /* the marker */
		len = wire_u16(&ahead);
		if (len < BGP_HEADER_LEN || !wire_take(&in, len))
			return;
		tell_one(s, sent, message, len);
	}
}

void
tap_tell_moved(const struct session *s, enum bgp_state old)
{
	for (struct bgp_tap *t = s->peer->instance->bgp->taps, *next; t; t = next) {
		next = t->next;
		if (t->moved)
			t->moved(t, s, old);
	}
}
