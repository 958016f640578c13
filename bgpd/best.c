/*
 * bgpd/best.c: the decision process of RFC 4271 9.1.2 over the paths of one prefix; pure.
 *
 * Paths are struck out step by step, as the RFC words it, and not compared in pairs: with MED
 * (step c) a pairwise comparison is no order, and the result would hang on who came first.
 */
#include "bgpd/best.h"

#include <stdlib.h>
#include <string.h>

/* What a step looks at, turned so that the smallest wins. */
static uint32_t
step_value(const struct best_path *p, enum best_step step)
{
	switch (step) {
	case BEST_LOCAL:
		return !p->local;
	case BEST_STALE:
		return p->stale;
	case BEST_LOCAL_PREF:
		return UINT32_MAX - p->local_pref;
	case BEST_PATH_LEN:
		return p->path_len;
	case BEST_ORIGIN:
		return p->origin;
	case BEST_MED:
		return p->med;
	case BEST_EBGP:
		return !p->ebgp;
	case BEST_IGP_COST:
		return p->igp_cost;
	case BEST_ROUTER_ID:
		return p->router_id;
	case BEST_CLUSTER_LEN:
		return p->cluster_len;
	case BEST_PATH_ID:
		return p->path_id;
	default:
		return 0;
	}
}

/* Is @a worse than @b in this step? */
static bool
step_loses(const struct best_path *a, const struct best_path *b, enum best_step step)
{
	/* RFC 4271 9.1.2.2 c: MEDs of different neighbouring ASes are not comparable. */
	if (step == BEST_MED && a->neighbour_as != b->neighbour_as)
		return false;
	if (step == BEST_PEER_ADDRESS)
		return addr_cmp(&a->peer, &b->peer) > 0;
	return step_value(a, step) > step_value(b, step);
}

/* Strike out who loses against anybody still in.  Returns how many stay. */
static size_t
step_run(struct best_path *p, size_t nr, enum best_step step)
{
	size_t left = 0;

	for (size_t i = 0; i < nr; i++) {
		if (p[i].lost_by != BEST_CHOSEN)
			continue;
		for (size_t j = 0; j < nr; j++) {
			/* Those struck out in this very step still count: b beats c though a beats b. */
			if ((p[j].lost_by == BEST_CHOSEN || p[j].lost_by == step) &&
			    step_loses(&p[i], &p[j], step)) {
				p[i].lost_by = step;
				break;
			}
		}
		left += p[i].lost_by == BEST_CHOSEN;
	}
	return left;
}

/* Without relax: is the path alike enough to share with the best? */
static bool
is_alike(const struct best_path *a, const struct best_path *best)
{
	if (best->ebgp)
		return a->neighbour_as == best->neighbour_as;
	return a->as_path_bytes == best->as_path_bytes &&
	    (!a->as_path_bytes || memcmp(a->as_path, best->as_path, a->as_path_bytes) == 0);
}

/* Those even after step e share the load, the best first among them, then in the given order. */
static void
mark_multipath(struct best_path *p, size_t nr, size_t best, unsigned max_paths, bool relax)
{
	unsigned left = max_paths > 1 ? max_paths - 1 : 0;

	p[best].multipath = true;
	for (size_t i = 0; i < nr && left; i++) {
		bool even = p[i].lost_by == BEST_CHOSEN || p[i].lost_by > BEST_IGP_COST;

		if (i == best || !even)
			continue;
		if (!relax && !is_alike(&p[i], &p[best]))
			continue;
		p[i].multipath = true;
		left--;
	}
}

size_t
best_choose(struct best_path *p, size_t nr, unsigned max_ebgp, unsigned max_ibgp, bool relax)
{
	size_t left = nr, best = 0;

	if (!nr)
		return nr;
	for (size_t i = 0; i < nr; i++) {
		p[i].lost_by = BEST_CHOSEN;
		p[i].multipath = false;
	}
	for (int step = BEST_LOCAL; left > 1 && step < BEST_ORDER; step++)
		left = step_run(p, nr, (enum best_step)step);
	while (p[best].lost_by != BEST_CHOSEN)
		best++;
	for (size_t i = best + 1; i < nr; i++) {
		if (p[i].lost_by == BEST_CHOSEN)
			p[i].lost_by = BEST_ORDER;
	}
	mark_multipath(p, nr, best, p[best].ebgp ? max_ebgp : max_ibgp, relax);
	return best;
}

static int
rank_cmp(const void *a, const void *b)
{
	const struct best_path *x = a, *y = b;

	if ((x->lost_by == BEST_CHOSEN) != (y->lost_by == BEST_CHOSEN))
		return x->lost_by == BEST_CHOSEN ? -1 : 1;
	for (int step = BEST_LOCAL; step < BEST_ORDER; step++) {
		const uint32_t v = step_value(x, (enum best_step)step);
		const uint32_t w = step_value(y, (enum best_step)step);

		if (v != w)
			return v < w ? -1 : 1;
		if (step == BEST_PEER_ADDRESS && !addr_eq(&x->peer, &y->peer))
			return addr_cmp(&x->peer, &y->peer);
	}
	return 0;
}

void
best_rank(struct best_path *p, size_t nr)
{
	if (nr < 2)
		return;
	(void)best_choose(p, nr, 1, 1, true);
	qsort(p, nr, sizeof(*p), rank_cmp);
}

const char *
best_step_name(enum best_step step)
{
	static const char *const names[BEST_NR_STEPS] = {
		[BEST_CHOSEN] = "best",
		[BEST_LOCAL] = "local",
		[BEST_STALE] = "long-lived-stale",
		[BEST_LOCAL_PREF] = "local-preference",
		[BEST_PATH_LEN] = "as-path-length",
		[BEST_ORIGIN] = "origin",
		[BEST_MED] = "med",
		[BEST_EBGP] = "ebgp-over-ibgp",
		[BEST_IGP_COST] = "igp-cost",
		[BEST_ROUTER_ID] = "router-id",
		[BEST_CLUSTER_LEN] = "cluster-list-length",
		[BEST_PEER_ADDRESS] = "peer-address",
		[BEST_PATH_ID] = "path-id",
		[BEST_ORDER] = "older",
	};

	return step < BEST_NR_STEPS ? names[step] : "?";
}
