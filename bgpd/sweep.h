/*
 * bgpd/sweep.h: walks over a peer's paths in slices, for adj.c, stale.c and rib.c; and what adj.c lends to
 * them.  See sweep.c.
 */
#ifndef HERALD_BGPD_SWEEP_H
#define HERALD_BGPD_SWEEP_H

#include "bgpd/rib.h"

/* ---- sweep.c ---- */
/* What one turn of the loop may spend on long walks. */
struct sweep_budget {
	uint64_t until_us;
	uint32_t nodes;
};
struct sweep_budget sweep_budget(const struct rib *);
/* Asked before each node. */
bool sweep_is_spent(const struct rib *, struct sweep_budget *);

/* Import everything again / forget what the session that ended told, in slices. */
void sweep_import(struct adj *);
void sweep_drop(struct adj *, enum bgp_family);
/* What is left to forget of these families goes now: path identifiers of two sessions cannot be told
 * apart. */
void sweep_finish(struct adj *, unsigned families);
/* A slice of what there is to sweep.  True: there is more. */
bool sweep_work(struct rib *);

/* The paths of @adj from node *@at on as far as @b goes; 0 in it: that was the end.  @ended: those of an ended
 * session, else those that are not.  Stops at the first error of @fn. */
typedef int adj_path_fn(struct adj *, enum bgp_family, uint32_t node, uint32_t path, void *arg);
int sweep_paths(struct adj *, enum bgp_family, uint32_t *at, struct sweep_budget *, bool ended,
    adj_path_fn *, void *arg);

/* ---- adj.c ---- */
/* Every path of @adj in one family; @fn may remove it.  Stops at the first error. */
int adj_paths_walk(struct adj *, enum bgp_family, adj_path_fn *, void *arg);
void adj_path_remove(struct adj *, enum bgp_family, uint32_t node, uint32_t path);

/* Put @in and @set on the path, with references of its own, and these PATH_AGES. */
void adj_path_put(struct adj *, enum bgp_family, uint32_t node, struct path *, uint32_t in,
    uint32_t set, uint8_t why, unsigned ages);
/* A path that was there before something: it counts as the others do, and has no PATH_AGES. */
void adj_path_renew(struct adj *, enum bgp_family, struct path *);
/* Of a peer that was freed, when nothing refers to it any more. */
void adj_bury(struct adj *);

static inline bool
adj_path_is_old(const struct adj *adj, enum bgp_family f, const struct path *p)
{
	return !!(p->flags & PATH_ODD) != adj->odd[f];
}

/* Waits for its removal. */
static inline bool
adj_path_is_gone(const struct adj *adj, enum bgp_family f, const struct path *p)
{
	return adj->drop_at[f] && adj_path_is_old(adj, f, p);
}

#endif
