/*
 * bgpd/stale.c: routes that a peer may not vouch for any more: after its session went down
 * (graceful restart, then long-lived), and while it sends its table again (enhanced route refresh).
 * Between the session's events (peer.c, session_in.c) and the paths of an adj.
 *
 * A path carries its ages as flags.  PATH_STALE: its session is over, and nothing came in its place
 * (RFC 4724).  PATH_LONG_LIVED, with it: the restart time is over too, and its attributes say so
 * (RFC 9494).  PATH_UNSEEN: it was there when a refresh began and has not come since (RFC 7313).
 */
#include <string.h>

#include "bgpd/msg.h"
#include "bgpd/stale.h"
#include "bgpd/sweep.h"

#define NO_LLGR 0xffff0007u
#define REFRESH_LIMIT_MS (6 * 60 * 1000) /* RFC 7313 4: for an EoRR that never comes */

void
adj_path_age(struct adj *adj, enum bgp_family f, struct path *p, unsigned ages)
{
	unsigned old = p->flags & PATH_AGES;

	if (old == ages)
		return;
	p->flags = (uint8_t)((p->flags & ~PATH_AGES) | ages);
	adj->nr_stale[f] += (uint32_t) !!(ages & PATH_STALE) - (uint32_t) !!(old & PATH_STALE);
	adj->nr_long[f] +=
	    (uint32_t) !!(ages & PATH_LONG_LIVED) - (uint32_t) !!(old & PATH_LONG_LIVED);
	adj->nr_unseen[f] += (uint32_t) !!(ages & PATH_UNSEEN) - (uint32_t) !!(old & PATH_UNSEEN);
}

static int
drop_fn(struct adj *adj, enum bgp_family f, uint32_t node, uint32_t path, void *only)
{
	if (rib_path(adj->rib, path)->flags & *(const unsigned *)only)
		adj_path_remove(adj, f, node, path);
	return 0;
}

/* RFC 4724 4.2: what was stale already goes, the rest is stale from now on.  RFC 9494 4.2: with
 * @keep_old it does not go before its own time is over. */
static int
age_fn(struct adj *adj, enum bgp_family f, uint32_t node, uint32_t path, void *keep_old)
{
	struct path *p = rib_path(adj->rib, path);
	const unsigned was = p->flags & PATH_AGES;

	if (was & PATH_STALE && !*(const bool *)keep_old) {
		adj_path_remove(adj, f, node, path);
		return 0;
	}
	if (adj_path_is_old(adj, f, p))
		adj_path_renew(adj, f, p);
	/* A refresh that was on the way ends with its session. */
	adj_path_age(adj, f, p, (was & PATH_LONG_LIVED) | PATH_STALE);
	return 0;
}

static int
unseen_fn(struct adj *adj, enum bgp_family f, uint32_t node, uint32_t path, void *arg)
{
	struct path *p = rib_path(adj->rib, path);
	const unsigned was = p->flags & PATH_AGES;

	(void)node;
	(void)arg;
	if (adj_path_is_old(adj, f, p))
		adj_path_renew(adj, f, p);
	adj_path_age(adj, f, p, was | PATH_UNSEEN);
	return 0;
}

static adj_path_fn long_fn;

/* ---- walks ---- */

#define FIRST_SLICE 4096 /* nodes, at once: for most peers that is all */

/* How many paths a walk may still have to do with. */
static uint32_t
walk_left(const struct adj *adj, enum bgp_family f)
{
	switch ((enum stale_walk)adj->walk[f]) {
	case WALK_AGE:
	case WALK_UNSEEN:
		return adj->nr_old[f];
	case WALK_PURGE_STALE:
		return adj->nr_stale[f];
	case WALK_PURGE_UNSEEN:
		return adj->nr_unseen[f];
	case WALK_LONG:
		return adj->nr_stale[f] - adj->nr_long[f];
	case WALK_NONE:
		break;
	}
	return 0;
}

static void
walk_step(struct adj *adj, enum bgp_family f, struct sweep_budget *b)
{
	unsigned stale = PATH_STALE, unseen = PATH_UNSEEN;
	uint32_t *at = &adj->walk_at[f];

	switch ((enum stale_walk)adj->walk[f]) {
	case WALK_AGE:
		(void)sweep_paths(adj, f, at, b, true, age_fn, &adj->keep_old[f]);
		break;
	case WALK_UNSEEN:
		(void)sweep_paths(adj, f, at, b, true, unseen_fn, NULL);
		break;
	case WALK_PURGE_STALE:
		(void)sweep_paths(adj, f, at, b, false, drop_fn, &stale);
		break;
	case WALK_PURGE_UNSEEN:
		(void)sweep_paths(adj, f, at, b, false, drop_fn, &unseen);
		break;
	case WALK_LONG:
		(void)sweep_paths(adj, f, at, b, false, long_fn, NULL);
		break;
	case WALK_NONE:
		break;
	}
}

void
stale_walk_some(struct adj *adj, enum bgp_family f, struct sweep_budget *b)
{
	if (walk_left(adj, f))
		walk_step(adj, f, b);
	if (adj->walk_at[f] && walk_left(adj, f))
		return;
	adj->walk[f] = adj->long_next[f] ? WALK_LONG : WALK_NONE;
	adj->walk_at[f] = 1;
	adj->long_next[f] = false;
}

void
stale_walk_finish(struct adj *adj, enum bgp_family f)
{
	struct sweep_budget all = { .until_us = UINT64_MAX, .nodes = UINT32_MAX };

	while (adj->walk[f])
		stale_walk_some(adj, f, &all);
}

/* One is on its way at a time; it has mostly come to its end when the next one begins. */
static void
walk_begin(struct adj *adj, enum bgp_family f, enum stale_walk walk)
{
	struct sweep_budget first = { .until_us = UINT64_MAX, .nodes = FIRST_SLICE };

	stale_walk_finish(adj, f);
	adj->walk[f] = (uint8_t)walk;
	adj->walk_at[f] = 1;
	if (stale_walks_before(adj, f)) {
		adj->nr_old[f] = adj->nr_paths[f];
		adj->nr_stale[f] = adj->nr_long[f] = adj->nr_unseen[f] = 0;
		adj->odd[f] = !adj->odd[f];
	}
	stale_walk_some(adj, f, &first);
	work_post(&adj->rib->work);
}

/* ---- restarts ---- */

static void
purge_stale(struct adj *adj, enum bgp_family f)
{
	stale_walk_finish(adj, f);
	if (adj->nr_stale[f] && adj->nr_stale[f] == adj->nr_paths[f])
		sweep_drop(adj, f); /* mostly all of them, as the peer did not come back */
	else if (adj->nr_stale[f])
		walk_begin(adj, f, WALK_PURGE_STALE);
}

void
stale_begin(struct adj *adj, enum bgp_family f, bool keep, bool keep_old)
{
	timer_stop(&adj->refresh_limit);
	stale_walk_finish(adj, f);
	adj->keep_old[f] = keep_old;
	if (!keep)
		sweep_drop(adj, f);
	else if (adj->drop_at[f] || adj->nr_long[f]) /* what is told by PATH_ODD is another thing */
		(void)adj_paths_walk(adj, f, age_fn, &keep_old);
	else if (adj->nr_paths[f])
		walk_begin(adj, f, WALK_AGE);
}

void
adj_purge_stale(struct adj *adj, unsigned families)
{
	for (int f = 0; f < BGP_NR_FAMILIES; f++) {
		if (families & BGP_FAMILY_MASK(f))
			purge_stale(adj, (enum bgp_family)f);
	}
}

unsigned
adj_stale_families(const struct adj *adj)
{
	unsigned families = 0;

	for (int f = 0; f < BGP_NR_FAMILIES; f++)
		families |= adj->nr_stale[f] || (adj->walk[f] == WALK_AGE && adj->nr_old[f])
		    ? BGP_FAMILY_MASK(f)
		    : 0;
	return families;
}

unsigned
adj_long_lived_families(const struct adj *adj)
{
	unsigned families = 0;

	for (int f = 0; f < BGP_NR_FAMILIES; f++)
		families |= adj->nr_long[f] || adj->walk[f] == WALK_LONG || adj->long_next[f]
		    ? BGP_FAMILY_MASK(f)
		    : 0;
	return families;
}

/* ---- long-lived ---- */

static bool
has_community(const struct rib *r, uint32_t set, uint32_t community)
{
	struct bgp_attrs a;

	if (!set)
		return false;
	attrset_view(&r->sets, set, &a);
	return a.communities.len && attrset_has_community(a.communities, community);
}

bool
stale_is_forbidden(const struct rib *r, uint32_t in, uint32_t set)
{
	return has_community(r, in, NO_LLGR) || has_community(r, set, NO_LLGR);
}

uint32_t
stale_mark(struct rib *r, uint32_t set)
{
	static const uint32_t community = BGP_LLGR_STALE;
	const struct bgp_communities add = { .std = &community, .nr_std = 1 };
	struct bgp_attrs a;

	attrset_view(&r->sets, set, &a);
	r->room.used = 0;
	if (policy_add_communities(&add, &a, &r->room) < 0)
		return 0;
	return attrset_intern(&r->sets, &a); /* which has it once, also when it had come with it */
}

/* RFC 9494 4.2: NO_LLGR goes, everything else gets LLGR_STALE, and peers are told of it. */
static int
long_fn(struct adj *adj, enum bgp_family f, uint32_t node, uint32_t path, void *arg)
{
	struct rib *r = adj->rib;
	struct path *p = rib_path(r, path);
	uint32_t marked = 0;

	(void)arg;
	if ((p->flags & (PATH_STALE | PATH_LONG_LIVED)) != PATH_STALE)
		return 0;
	if (p->set)
		marked = stale_mark(r, p->set);
	/* Without memory for the mark it must not stay as if it were fresh. */
	if (stale_is_forbidden(r, p->in, p->set) || (p->set && !marked)) {
		attrset_unref(&r->sets, marked);
		adj_path_remove(adj, f, node, path);
		return 0;
	}
	adj_path_age(adj, f, p, PATH_STALE | PATH_LONG_LIVED);
	if (p->set) {
		attrset_unref(&r->sets, p->set);
		p->set = marked;
		rib_touch(r, f, node);
	}
	return 0;
}

void
adj_long_lived(struct adj *adj, unsigned families)
{
	for (int f = 0; f < BGP_NR_FAMILIES; f++) {
		if (!(families & BGP_FAMILY_MASK(f)))
			continue;
		if (adj->walk[f] == WALK_AGE)
			adj->long_next[f] = true;
		else if (adj->nr_stale[f] > adj->nr_long[f])
			walk_begin(adj, (enum bgp_family)f, WALK_LONG);
	}
}

/* ---- enhanced route refresh ---- */

static void
purge_unseen(struct adj *adj, enum bgp_family f, const char *why)
{
	uint32_t nr;

	stale_walk_finish(adj, f);
	nr = adj->nr_unseen[f];
	if (!nr)
		return;
	log_info("unrefreshed-routes-dropped", LOG_S("instance", adj->rib->instance),
	    LOG_S("peer", adj->name), LOG_S("family", bgp_family_name(f)), LOG_U("routes", nr),
	    LOG_S("reason", why));
	walk_begin(adj, f, WALK_PURGE_UNSEEN);
}

/* RFC 7313 4: a bound on how long they are kept without the EoRR. */
static void
refresh_overdue(void *arg)
{
	struct adj *adj = arg;

	for (int f = 0; f < BGP_NR_FAMILIES; f++)
		purge_unseen(adj, (enum bgp_family)f, "the end of the refresh did not come");
}

void
stale_refresh_begin(struct adj *adj, enum bgp_family f)
{
	/* RFC 7313 4: before the peer's End-of-RIB a BoRR of one with graceful restart is ignored. */
	if (adj->session.gr && !adj->counts[f].eor_in)
		return;
	stale_walk_finish(adj, f);
	if (adj->drop_at[f] || adj->nr_stale[f] || adj->nr_unseen[f])
		(void)adj_paths_walk(adj, f, unseen_fn, NULL);
	else if (adj->nr_paths[f])
		walk_begin(adj, f, WALK_UNSEEN);
	timer_set(&adj->refresh_limit, REFRESH_LIMIT_MS);
}

void
stale_refresh_end(struct adj *adj, enum bgp_family f)
{
	purge_unseen(adj, f, "not sent again");
	for (int i = 0; i < BGP_NR_FAMILIES; i++) {
		if (adj->nr_unseen[i] && adj->walk[i] != WALK_PURGE_UNSEEN)
			return;
	}
	timer_stop(&adj->refresh_limit);
}

void
stale_init(struct adj *adj)
{
	timer_init(&adj->refresh_limit, adj->rib->loop, refresh_overdue, adj);
}

void
stale_fini(struct adj *adj)
{
	timer_stop(&adj->refresh_limit);
}
