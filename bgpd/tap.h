/*
 * bgpd/tap.h: who listens in on sessions: BMP and dumps of messages.  Sessions and peers call; with nobody
 * there it costs them one branch.  What happens in the table is told by struct rib_tap of rib.h.
 */
#ifndef HERALD_BGPD_TAP_H
#define HERALD_BGPD_TAP_H

#include "bgpd/peer.h"

struct bgp_tap {
	struct bgp_tap *next; /* bgp.taps; the listener puts itself in and takes itself out */
	void *arg;	      /* the listener's */
	/*
	 * A message of one of the session's two directions, header included: as it was read, before anything
	 * is done about it, or as it is queued.  Borrowed; the session must be left alone.
	 */
	void (*message)(
	    struct bgp_tap *, const struct session *, bool sent, const uint8_t *, size_t len);
	/* The state went from @old to the session's.  An end is told before the table hears of it, a begin
	 * before anything is in it. */
	void (*moved)(struct bgp_tap *, const struct session *, enum bgp_state old);
};

/* ---- tap.c ---- */
void tap_put(struct bgp *, struct bgp_tap *);
void tap_take(struct bgp *, struct bgp_tap *);
/* Whole messages, one after the other. */
void tap_tell(const struct session *, bool sent, const uint8_t *, size_t len);
void tap_tell_moved(const struct session *, enum bgp_state old);

static inline void
tap_messages(const struct session *s, bool sent, const uint8_t *bytes, size_t len)
{
	if (s->peer->instance->bgp->taps)
		tap_tell(s, sent, bytes, len);
}

static inline void
tap_moved(const struct session *s, enum bgp_state old)
{
	if (s->peer->instance->bgp->taps)
		tap_tell_moved(s, old);
}

#endif
