/*
 * bgpd/rib.h: the inside of the RIB, shared by rib.c (table and decision), intake.c (what peers send),
 * originate.c (what we originate), hops.c (what is told upwards) and out.c, export.c, member.c
 * (what peers are sent).  Sessions see bgpd/adj.h only.
 *
 * The way of a route: adj_update() or rib_originate() puts a path on a node and marks the node
 * dirty.  At the end of the turn rib.c decides each dirty node once, hops.c tells when the chosen
 * next hops changed, and out.c compares with what each export group has been sent.
 */
#ifndef HERALD_BGPD_RIB_H
#define HERALD_BGPD_RIB_H

#include "bgpd/adj.h"
#include "bgpd/attrset.h"
#include "bgpd/best.h"
#include "bgpd/bgpd.h"
#include "bgpd/policy.h"
#include "bgpd/ptab.h"
#include "bgpd/slab.h"
#include "bgpd/update.h"
#include "lib/log.h"
#include "lib/loop.h"

struct claim_owner;
struct hopset;
struct bmp_peer;
struct member;
struct name;
struct out_group;

enum path_flag {
	PATH_STALE = 1, /* ages: see stale.c */
	PATH_BEST = 2,
	PATH_MULTI = 4,
	PATH_UNSEEN = 0x20,
	PATH_LONG_LIVED = 0x40,
	PATH_ODD = 0x80, /* which session told it: see sweep.c */
};
#define BGP_GRACEFUL_SHUTDOWN 0xffff0000u /* RFC 8326 5 */
#define BGP_LLGR_STALE 0xffff0006u	  /* RFC 9494 3.2 */
#define PATH_AGES ((unsigned)(PATH_STALE | PATH_UNSEEN | PATH_LONG_LIVED))

/* Why a received path is not feasible. */
enum path_why {
	PATH_OK,
	PATH_NO_RULE,	 /* RFC 8212: no import rule matched */
	PATH_REJECTED,	 /* a rule rejects it */
	PATH_AS_LOOP,	 /* RFC 4271 9.1.2 */
	PATH_ORIGINATOR, /* RFC 4456 8: it was ours */
	PATH_CLUSTER,	 /* RFC 4456 8 */
	PATH_OWN_HOP,	 /* RFC 4271 5.1.3: the next hop is ourselves */
	PATH_LEAK,	 /* RFC 9234 5: it came a way that it should not have taken */
	PATH_NR_WHY
};

struct path {
	uint32_t next;	/* on the same node */
	uint32_t in;	/* attributes as received; our own: number of the first claim */
	uint32_t set;	/* after import policy; 0: not feasible */
	uint32_t since; /* seconds of the RIB's life */
	uint16_t adj;	/* who sent it; 0: our own */
	uint8_t flags, why;
};
_Static_assert(sizeof(struct path) == 20, "a path is the unit of memory in a full table");

/* Somebody's wish to have a prefix announced to an audience. */
struct claim {
	uint32_t next; /* of the same prefix and audience */
	uint32_t node;
	uint32_t set; /* origin, MED, local preference, communities */
	uint8_t family, source, prepend;
	bool doomed;
	struct name *audience, *policy;
	struct claim_owner *owner;
};

struct adj {
	struct rib *rib;
	uint16_t id;
	bool up;
	bool redo_groups,
	    leaving; /* left undone for want of memory; freed, but for its last paths */
	char *name;
	struct adj_ops ops;
	struct adj_session session; /* the last one, also when down */
	struct policy *import, *export;
	bool honor_shutdown, graceful_shutdown, stale_to_all, rr_client;
	uint8_t allow_as_in, news; /* news: ADJ_NEW bits of the last adj_conf() */
	bool any_first_as;
	struct adj_limit limit[BGP_NR_FAMILIES];
	uint8_t add_max[BGP_NR_FAMILIES]; /* see bgp_family_conf */
	bool add_multi[BGP_NR_FAMILIES];
	struct name *audience[BGP_NR_FAMILIES];
	uint32_t nr_paths[BGP_NR_FAMILIES], nr_ok[BGP_NR_FAMILIES];
	/* By age: that are stale, of these long-lived; not seen since a refresh began. */
	uint32_t nr_stale[BGP_NR_FAMILIES], nr_long[BGP_NR_FAMILIES], nr_unseen[BGP_NR_FAMILIES];
	/* sweep.c: next node or 0; paths of an ended session, not in the numbers above; PATH_ODD now. */
	uint32_t import_at[BGP_NR_FAMILIES], drop_at[BGP_NR_FAMILIES], nr_old[BGP_NR_FAMILIES];
	bool odd[BGP_NR_FAMILIES];
	uint8_t walk[BGP_NR_FAMILIES]; /* enum stale_walk; its next node; WALK_LONG is to follow */
	uint32_t walk_at[BGP_NR_FAMILIES];
	bool long_next[BGP_NR_FAMILIES], keep_old[BGP_NR_FAMILIES]; /* of WALK_AGE */
	struct loop_timer refresh_limit; /* of the refreshes that the peer has begun */
	struct adj_counts counts[BGP_NR_FAMILIES];
	struct member *member[BGP_NR_FAMILIES];
	struct bmp_peer *bmp; /* what monitoring stations know of it; NULL: nothing */
	struct log_limit noise;
};

/*
 * Who is told what becomes of paths (bmp_feed.c).  @path is called before a received path is given @in and
 * @set, by which it differs from what it was or stale: its .in 0: it is new; @in 0: it goes.
 * @decided: behind the decision for a node, before it is reaped.  @regrouped: it joined an export group.
 */
struct rib_tap {
	void (*path)(void *arg, struct adj *, enum bgp_family, uint32_t node, const struct path *,
	    uint32_t in, uint32_t set);
	void (*eor)(void *arg, struct adj *, enum bgp_family);
	void (*decided)(void *arg, struct rib *, enum bgp_family, uint32_t node);
	void (*regrouped)(void *arg, struct adj *);
	void *arg;
};

struct rib_dirty {
	uint32_t *nodes;
	size_t nr, cap, done;
	bool scan; /* some dirty nodes are not in the list: look for their flag */
};

#define RIB_SLICE 16384 /* dirty nodes handled before sockets and timers get their turn */
#define RIB_RETRY_MS 100
struct rib {
	struct loop *loop;
	struct bgp_ops ops;
	const struct rib_tap *tap; /* NULL: nobody listens */
	char *instance;
	uint32_t local_as, router_id, cluster_id; /* the last: RFC 4456 7 */
	unsigned max_paths, max_paths_ibgp;
	bool relax;	     /* multipath over different neighbours, see best.h */
	unsigned nr_clients; /* adjs with rr_client */
	bool ready;
	bool hold;	 /* memory was short: what failed waits for the timer */
	bool redo_merge; /* so some claims of several owners are not united yet */
	uint64_t born_ms;

	struct attrset_table sets;
	struct ptab tab[BGP_NR_FAMILIES];
	struct slab paths, claims;
	struct umap path_ids; /* of paths that came with one (RFC 7911) */
	struct rib_dirty dirty[BGP_NR_FAMILIES];
	uint32_t *batch;   /* RIB_SLICE nodes at hand */
	struct adj **adjs; /* by id; 0 is never used */
	uint32_t nr_adjs, nr_zombies;
	struct best_path *candidates;
	size_t nr_candidates, most_paths; /* of a node to which some peer told several */

	struct umap told[BGP_NR_FAMILIES]; /* node -> hop set that was told */
	struct slab hopset_numbers;
	struct hopset *hopsets;
	struct {
		uint32_t set, hops;
		uint16_t adj;
	} hop_cache;

	struct out_group *groups[BGP_NR_FAMILIES];
	struct claim_owner *owners;
	struct name *names;

	struct loop_work work;
	struct loop_timer retry, idle;
	struct bgp_update update;
	struct policy_room room;
};

static inline struct path *
rib_path(const struct rib *r, uint32_t n)
{
	return slab_at(&r->paths, n);
}

static inline struct claim *
rib_claim(const struct rib *r, uint32_t n)
{
	return slab_at(&r->claims, n);
}

static inline uint32_t
rib_now_s(const struct rib *r)
{
	return (uint32_t)((loop_now_ms(r->loop) - r->born_ms) / 1000);
}

/* ---- rib.c ---- */
/* Put a node that was marked in the list of those to decide. */
void rib_touch_list(struct rib *, enum bgp_family, uint32_t node);

/* The node is decided anew at the end of the turn. */
static inline void
rib_touch(struct rib *r, enum bgp_family f, uint32_t node)
{
	struct node *n = ptab_node(&r->tab[f], node);

	if (n->flags & NODE_DIRTY)
		return;
	n->flags |= NODE_DIRTY;
	rib_touch_list(r, f, node);
}

void rib_touch_all(struct rib *); /* what decides about them changed */
/* Likewise, but after RIB_RETRY_MS: memory was short. */
void rib_redo(struct rib *, enum bgp_family, uint32_t node);
void rib_hold(struct rib *);
/* Decide all that is dirty, now, without sending anything new to peers beyond that. */
void rib_flush_all(struct rib *);
bool rib_is_dirty(const struct rib *, enum bgp_family);
/* A path of @adj_id on @node; 0: none.  For our own (adj 0) the first. */
uint32_t rib_path_of(const struct rib *, const struct node *, uint16_t adj_id);
/* A new path record at the head of the node's list; 0: no memory. */
uint32_t rib_path_add(struct rib *, struct node *, uint16_t adj_id);
/* Likewise with path identifiers (RFC 7911).  -ENOSPC: it has too many (6); -ENOMEM. */
uint32_t rib_path_of_id(const struct rib *, const struct node *, uint16_t adj_id, uint32_t path_id);
int rib_path_add_id(struct adj *, struct node *, uint32_t path_id, uint32_t *path);
/* Unlink and release; the caller has given back what it refers to. */
void rib_path_drop(struct rib *, struct node *, uint32_t path);
struct adj *rib_adj_add(struct rib *);
void rib_adj_drop(struct rib *, struct adj *);

/* Strings that are compared by address; counted.  NULL: no memory. */
struct name *name_get(struct rib *, const char *);
void name_put(struct rib *, struct name *); /* NULL is fine */
const char *name_text(const struct name *);

/* ---- hops.c ---- */
/* Tell bgp_ops.learned when the chosen next hops of a decided node changed.  -ENOMEM. */
int hops_tell(struct rib *, enum bgp_family, uint32_t node);
void hops_cache_clear(struct rib *);
void hops_fini(struct rib *);

/* ---- originate.c ---- */
void originate_fini(struct rib *);
/* Unite again what could not be for want of memory. */
void originate_retry(struct rib *);
/* Where what is announced of the node comes from: 1 << enum bgp_source. */
unsigned originate_sources(const struct rib *, const struct node *);
/* Tell bgp_ops.aggregate what became of a decided node. */
void originate_tell(struct rib *, enum bgp_family, uint32_t node);
/* The path of our own for this audience on @node; 0: none. */
uint32_t originate_path(const struct rib *, const struct node *, const struct name *audience);

#endif
