/*
 * bgpd/stats.c: numbers of peers and tables; see stats.h.  Reads only.
 */
#include "bgpd/stats.h"

#include "bgpd/conf.h"
#include "bgpd/range.h"
#include "bgpd/rib.h"

#include <string.h>

_Static_assert(BGP_NR_MESSAGE_TYPES == PEER_NR_TYPES, "one counter for each type of message");

static struct bgp_family_stats
family_stats(const struct peer *p, enum bgp_family f, unsigned families)
{
	struct adj_counts c;

	adj_counts(p->adj, f, &c);
	return (struct bgp_family_stats){
		.configured = families & BGP_FAMILY_MASK(f),
		.max_prefixes = p->conf->family[f].max_prefixes,
		.warn_prefixes = p->conf->family[f].warn_prefixes,
		.received = c.received,
		.accepted = c.accepted,
		.advertised = p->up ? c.advertised : 0,
		.withdraws_as_error = c.withdraws_as_error,
		.attrs_discarded = c.attrs_discarded,
	};
}

static bool
tell_peer(const struct peer *p, bool (*each)(void *arg, const struct bgp_peer_stats *), void *arg)
{
	const struct session *s = peer_foremost(p);
	const unsigned families = conf_families(p->conf);
	struct bgp_peer_stats stats = {
		.instance = p->instance->name,
		.name = p->conf->name,
		.addr = p->conf->addr,
		.local_as = peer_local_as(p),
		.peer_as = p->up ? p->up->theirs.as : p->conf->peer_as,
		.state = s->state,
		.held_down = peer_held_down(p),
		.last_error = p->conf->held_down && !p->shut ? p->conf->held_down : p->last.text,
		.end_errno = p->last.err,
		.end_code = p->last.code,
		.end_subcode = p->last.subcode,
		.end_received = p->last.how == SESSION_RECEIVED,
		.end_their_as = p->last.their_as,
		.over_limit = p->limit_text != NULL,
		.has_md5 = p->conf->md5_key != NULL,
		.gtsm_hops = p->conf->gtsm_hops,
		.up_ms = s->state == BGP_ESTABLISHED ? s->up_ms : 0,
		.flaps = p->flaps,
	};

	for (int f = 0; f < BGP_NR_FAMILIES; f++)
		stats.family[f] = family_stats(p, (enum bgp_family)f, families);
	memcpy(stats.in, p->nr_in, sizeof(stats.in));
	memcpy(stats.out, p->nr_out, sizeof(stats.out));
	return each(arg, &stats);
}

void
bgp_peers_each(
    const struct bgp *b, bool (*each)(void *arg, const struct bgp_peer_stats *), void *arg)
{
	for (const struct instance *in = b->instances; in; in = in->next) {
		for (const struct peer *p = in->peers; p; p = p->next) {
			if (!tell_peer(p, each, arg))
				return;
		}
	}
}

/* Paths that no peer sent. */
static uint32_t
own_paths(const struct rib *r)
{
	uint32_t own = r->paths.nr;

	for (uint32_t i = 1; i < r->nr_adjs; i++) {
		for (int f = 0; f < BGP_NR_FAMILIES; f++)
			own -= r->adjs[i] ? r->adjs[i]->nr_paths[f] : 0;
	}
	return own;
}

void
bgp_tables_each(
    const struct bgp *b, bool (*each)(void *arg, const struct bgp_table_stats *), void *arg)
{
	for (const struct instance *in = b->instances; in; in = in->next) {
		struct bgp_table_stats stats = { .instance = in->name,
			.paths = in->rib->paths.nr,
			.originated = in->rib->claims.nr,
			.own = own_paths(in->rib) };

		for (int f = 0; f < BGP_NR_FAMILIES; f++)
			stats.prefixes[f] = in->rib->tab[f].nodes.nr;
		if (!each(arg, &stats))
			return;
	}
}

bool
bgp_range_find(const struct bgp *b, const char *name, struct bgp_range_stats *stats)
{
	const struct range *r = range_named(b, name);

	if (!r)
		return false;
	*stats = (struct bgp_range_stats){
		.name = r->conf->name,
		.held_down = range_held_down(r),
		.range = r->conf->range,
		.peers = range_nr_peers(r),
		.limit = r->conf->range_limit,
		.refused = r->refused,
	};
	return true;
}

uint64_t
bgp_nr_refused(const struct bgp *b)
{
	return b->nr_refused;
}

const char *
bgp_message_name(unsigned type)
{
	static const char *const names[BGP_NR_MESSAGE_TYPES] = {
		[BGP_MSG_OPEN] = "open",
		[BGP_MSG_UPDATE] = "update",
		[BGP_MSG_NOTIFICATION] = "notification",
		[BGP_MSG_KEEPALIVE] = "keepalive",
		[BGP_MSG_ROUTE_REFRESH] = "routeRefresh",
	};

	return type < BGP_NR_MESSAGE_TYPES ? names[type] : NULL;
}
