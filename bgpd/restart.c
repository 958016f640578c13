/*
 * bgpd/restart.c: how long what a peer told us outlives its session: graceful restart with us as
 * the helper (RFC 4724, 8538), then the long-lived one (RFC 9494).  Between peer.c, which knows when
 * sessions come and go, and the paths' ages (stale.c).
 *
 * The restart time is one timer for the peer; when it ends without a session, families with a
 * long-lived stale time get a timer each, which runs on until the peer has told its whole table
 * again.  What it has not told by then goes.
 */
#include "bgpd/restart.h"

#include "bgpd/peer.h"
#include "lib/log.h"

#define STALE_LIMIT_MS (6 * 60 * 1000) /* for the End-of-RIB of a peer that came back */

static void
log_dropped(const struct peer *p, const char *reason)
{
	log_info("stale-routes-dropped", LOG_S("instance", p->instance->name),
	    LOG_S("peer", p->conf->name), LOG_S("reason", reason));
}

static void
long_stop(struct peer *p, unsigned families)
{
	for (int f = 0; f < BGP_NR_FAMILIES; f++) {
		if (!(families & BGP_FAMILY_MASK(f)))
			continue;
		timer_stop(&p->long_lived[f].timer);
		p->long_lived[f].over = false;
	}
}

/* ---- which, and for how long ---- */

/* Does the way in which the session ended leave its routes (RFC 4724 4.2, RFC 8538 4)? */
static bool
end_keeps(const struct session *s)
{
	if (!session_has_gr(s) || s->end.hard)
		return false;
	if (s->end.code == BGP_ERR_CEASE && s->end.subcode == BGP_CEASE_MAX_PREFIXES)
		return false;
	/* RFC 4724 4.2: a NOTIFICATION ends it all; RFC 8538 4: not with both N bits. */
	return s->end.how == SESSION_TCP || session_has_n(s);
}

/* RFC 9494 4.2: what both have; the peer's time, but no longer than what is configured here. */
static unsigned
families_long(struct peer *p, const struct session *s)
{
	unsigned both = s->ours.caps.llgr_families & s->theirs.caps.llgr_families, families = 0;

	for (int f = 0; f < BGP_NR_FAMILIES; f++) {
		uint32_t time_s = s->theirs.caps.llgr_time_s[f];

		if (time_s > s->ours.caps.llgr_time_s[f])
			time_s = s->ours.caps.llgr_time_s[f];
		if (!(both & session_families(s) & BGP_FAMILY_MASK(f)) || !time_s)
			continue;
		p->long_lived[f].time_s = time_s;
		families |= BGP_FAMILY_MASK(f);
	}
	return families;
}

/* RFC 9494 4.2: the long-lived time begins for what is stale of these families.  A timer that runs
 * already is that of an earlier restart, and goes on. */
static void
long_begin(struct peer *p, unsigned families)
{
	adj_long_lived(p->adj, families);
	families &= adj_stale_families(p->adj);
	for (int f = 0; f < BGP_NR_FAMILIES; f++) {
		struct peer_long_lived *l = &p->long_lived[f];

		if (families & BGP_FAMILY_MASK(f) && !timer_is_running(&l->timer))
			timer_set(&l->timer, l->time_s * 1000ULL);
	}
	if (families)
		log_info("long-lived-stale", LOG_S("instance", p->instance->name),
		    LOG_S("peer", p->conf->name));
}

bool
restart_down(struct peer *p, const struct session *s)
{
	const struct bgp_caps *theirs = &s->theirs.caps;
	unsigned first = 0, longer = 0;

	if (end_keeps(s)) {
		longer = families_long(p, s);
		if (theirs->gr_time_s)
			first = theirs->gr_families & session_families(s);
	}
	for (int f = 0; f < BGP_NR_FAMILIES; f++) {
		/* RFC 9494 4.2: its time ended while the peer told its table, which it did not
		 * bring to an end: what is left of before goes now. */
		if (p->long_lived[f].over)
			adj_purge_stale(p->adj, BGP_FAMILY_MASK(f));
		p->long_lived[f].over = false;
	}
	long_stop(p, ~longer);
	p->longer = longer;
	adj_down(p->adj, first | longer, longer);
	if (first)
		timer_set(&p->stale, theirs->gr_time_s * 1000u);
	else
		timer_stop(&p->stale);
	/* RFC 9494 4.2: without a restart time, at once. */
	long_begin(p, longer & ~first);
	return first | longer;
}

void
restart_up(struct peer *p, const struct session *s)
{
	unsigned keep = 0, keep_long = 0, old = adj_long_lived_families(p->adj), drop;

	/* RFC 4724 4.2: what the peer does not vouch for in its new OPEN is not kept any longer.
	 * RFC 9494 4.2: once the long-lived time has begun, its own capability says so. */
	if (session_has_gr(s)) {
		keep = s->theirs.caps.gr_families & s->theirs.caps.gr_forwarding;
		keep_long = s->ours.caps.llgr_families & s->theirs.caps.llgr_families &
		    s->theirs.caps.llgr_forwarding;
	}
	drop = adj_stale_families(p->adj) & ~((keep & ~old) | (keep_long & old));
	if (drop)
		log_dropped(p, "the peer kept no forwarding state");
	adj_purge_stale(p->adj, drop);
	long_stop(p, drop);
	if (adj_stale_families(p->adj))
		timer_set(&p->stale, STALE_LIMIT_MS);
	else
		timer_stop(&p->stale);
}

void
restart_synced(struct peer *p, enum bgp_family f)
{
	long_stop(p, BGP_FAMILY_MASK(f));
	if (!adj_stale_families(p->adj))
		timer_stop(&p->stale);
}

void
restart_purge(struct peer *p)
{
	timer_stop(&p->stale);
	long_stop(p, ~0u);
	adj_purge_stale(p->adj, adj_stale_families(p->adj));
}

/* ---- timers ---- */

/* The restart time is over, or the time that a peer that is back has for its table. */
static void
stale_due(void *arg)
{
	struct peer *p = arg;
	unsigned gone = adj_stale_families(p->adj);

	if (!p->up)
		gone &= ~p->longer;
	if (gone) {
		log_dropped(p, "time is over");
		adj_purge_stale(p->adj, gone);
		long_stop(p, gone);
	}
	if (!p->up)
		long_begin(p, p->longer);
}

static void
long_due(void *arg)
{
	struct peer_long_lived *l = arg;
	struct peer *p = l->peer;
	unsigned family = BGP_FAMILY_MASK(l - p->long_lived);

	/* RFC 9494 4.2: a peer that is back may bring its table to an end first. */
	l->over = p->up;
	if (l->over)
		return;
	log_dropped(p, "the long-lived stale time is over");
	adj_purge_stale(p->adj, family);
}

void
restart_init(struct peer *p, struct loop *loop)
{
	timer_init(&p->stale, loop, stale_due, p);
	for (int f = 0; f < BGP_NR_FAMILIES; f++) {
		p->long_lived[f].peer = p;
		timer_init(&p->long_lived[f].timer, loop, long_due, &p->long_lived[f]);
	}
}

void
restart_fini(struct peer *p)
{
	timer_stop(&p->stale);
	long_stop(p, ~0u);
}
