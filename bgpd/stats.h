/*
 * bgpd/stats.h: numbers of peers and tables, for those who ask every few seconds, at a cost that does not
 * grow with routes; and what people are shown, as JSON.  Comes with bgpd.h.
 */
#ifndef HERALD_BGPD_STATS_H
#define HERALD_BGPD_STATS_H

#include "bgpd/bgpd.h"

#define BGP_NR_MESSAGE_TYPES 6 /* 1 to 5 are used (RFC 4271 4.1, RFC 2918 3) */

struct bgp_family_stats {
	bool configured; /* or negotiated */
	uint32_t received, accepted, advertised;
	uint32_t max_prefixes, warn_prefixes; /* as configured; 0: none */
	uint64_t withdraws_as_error, attrs_discarded;
};

struct bgp_peer_stats {
	const char *instance, *name;
	struct addr addr;
	uint32_t local_as, peer_as;
	enum bgp_state state;
	const char *held_down; /* why it stays in idle; NULL: it does not */
	const char *last_error;
	/* How the last session or attempt ended; code 0: not by a NOTIFICATION. */
	int end_errno; /* of TCP, negative; 0 */
	uint8_t end_code, end_subcode;
	bool end_received;     /* the NOTIFICATION was theirs */
	uint32_t end_their_as; /* the wrong one in their OPEN; 0: it was none */
	bool over_limit;       /* it is held down as it told too many prefixes */
	bool has_md5;
	uint8_t gtsm_hops;
	uint64_t up_ms; /* since when it is established, by loop_now_ms(); 0: it is not */
	unsigned flaps;
	struct bgp_family_stats family[BGP_NR_FAMILIES];
	uint64_t in[BGP_NR_MESSAGE_TYPES], out[BGP_NR_MESSAGE_TYPES];
};

struct bgp_table_stats {
	const char *instance;
	uint32_t prefixes[BGP_NR_FAMILIES];
	uint32_t paths, originated;
	uint32_t own; /* of paths: one for each prefix and audience, whoever originates it */
};

/* Borrowed for the call; @each returns false to stop. */
void bgp_peers_each(
    const struct bgp *, bool (*each)(void *arg, const struct bgp_peer_stats *), void *arg);
void bgp_tables_each(
    const struct bgp *, bool (*each)(void *arg, const struct bgp_table_stats *), void *arg);
/* A listen range; false: there is none of this name. */
struct bgp_range_stats {
	const char *name, *held_down; /* why nobody is let in; NULL: they are */
	struct prefix range;
	uint32_t peers, limit;
	uint64_t refused;
};
bool bgp_range_find(const struct bgp *, const char *name, struct bgp_range_stats *);
/* Connections from addresses of no peer. */
uint64_t bgp_nr_refused(const struct bgp *);
/* "open", ...; NULL for a number that is none. */
const char *bgp_message_name(unsigned type);

/* ---- showing; the caller owns the result; shapes as in doc/control-protocol.md ---- */
enum bgp_show_table { BGP_SHOW_AVAILABLE, BGP_SHOW_RECEIVED, BGP_SHOW_ADVERTISED };
struct bgp_show_filter {
	enum bgp_show_table table;
	int family;		     /* enum bgp_family or -1 */
	const char *peer;	     /* NULL: all */
	const struct prefix *prefix; /* NULL: all */
	bool longest; /* not this prefix, but the longest one with a route that it is in */
	bool all;     /* also paths that may not be used; each with why */
};
json_t *bgp_show_peers(const struct bgp *);
json_t *bgp_show_routes(const struct bgp *, const struct bgp_show_filter *);
json_t *bgp_show_policies(const struct bgp *);
json_t *bgp_show_monitors(const struct bgp *);

/* ---- messages and states, while somebody wants them ---- */
struct bgp_dump;
/* A whole record of MRT (RFC 6396); borrowed.  Must not call back into bgp_*(). */
typedef void bgp_dump_fn(void *arg, const uint8_t *record, size_t len);
/* Of the peer of this name, in any instance; NULL: of all. */
struct bgp_dump *bgp_dump_new(struct bgp *, const char *peer, bgp_dump_fn *, void *arg);
void bgp_dump_free(struct bgp_dump *); /* NULL is fine; before the speaker's end */

/* All that may be used of all instances, by prefix (TABLE_DUMP_V2). */
struct bgp_table_dump;
struct bgp_table_dump *bgp_table_dump_new(struct bgp *);
/* Some records more, maybe none, up to about 100 kB; false: those were the last. */
bool bgp_table_dump_next(struct bgp_table_dump *, bgp_dump_fn *, void *arg);
void bgp_table_dump_free(struct bgp_table_dump *); /* likewise */

#endif
