/*
 * bgpd/sweep.c: walks over a peer's paths that are too long for one turn of the loop: a slice of them is
 * done in each.  Between adj.c, which asks for them, and the paths.
 *
 * Two kinds, and those of stale.c.  An import sweep puts what was received through changed rules.  A drop sweep takes away what
 * an ended session told.  Each prefix is decided, and peers are told of it, when the sweep has come to it: what
 * they have of every single one is right by the old state or by the new.
 *
 * While a drop sweep is on its way a new session may tell its routes.  Which session a path is of is told
 * by one bit of it, PATH_ODD, that is the other one for each session whose routes are dropped; so
 * only one drop sweep can be on its way for a family.
 */
#include "bgpd/sweep.h"

#include "bgpd/import.h"
#include "bgpd/stale.h"
#include "lib/mem.h"

#define SWEEP_US 1500	  /* in one turn */
#define SWEEP_NODES 32768 /* likewise; what is not looked at often is the clock */
#define CLOCK_EVERY 64

struct sweep_budget
sweep_budget(const struct rib *r)
{
	return (struct sweep_budget){ .until_us = loop_now_us(r->loop) + SWEEP_US,
		.nodes = SWEEP_NODES };
}

bool
sweep_is_spent(const struct rib *r, struct sweep_budget *b)
{
	if (!b->nodes)
		return true;
	b->nodes--;
	if (b->nodes % CLOCK_EVERY == 0 && loop_now_us(r->loop) > b->until_us)
		b->nodes = 0;
	return false;
}

/* The paths of @adj on one node that are of an ended session, or those that are not. */
static int
node_sweep(struct adj *adj, enum bgp_family f, uint32_t id, bool ended, adj_path_fn *fn, void *arg)
{
	struct rib *r = adj->rib;
	const struct node *n = ptab_node(&r->tab[f], id);
	uint32_t next;
	int err = 0;

	if (n->len == NODE_FREE)
		return 0;
	for (uint32_t i = n->paths; i && !err; i = next) {
		const struct path *p = rib_path(r, i);

		next = p->next;
		if (p->adj == adj->id && adj_path_is_old(adj, f, p) == ended)
			err = fn(adj, f, id, i, arg);
	}
	return err;
}

int
sweep_paths(struct adj *adj, enum bgp_family f, uint32_t *at, struct sweep_budget *b, bool ended,
    adj_path_fn *fn, void *arg)
{
	struct rib *r = adj->rib;
	int err;

	while (*at && *at < ptab_end(&r->tab[f])) {
		if (ended && !adj->nr_old[f])
			break;
		if (sweep_is_spent(r, b))
			return 0;
		err = node_sweep(adj, f, *at, ended, fn, arg);
		if (err < 0)
			return err;
		++*at;
	}
	*at = 0;
	return 0;
}

static int
drop_fn(struct adj *adj, enum bgp_family f, uint32_t node, uint32_t path, void *arg)
{
	(void)arg;
	adj_path_remove(adj, f, node, path);
	return 0;
}

/* A peer that is gone for good goes with the last of its paths. */
static void
leave_if_done(struct adj *adj)
{
	for (int f = 0; f < BGP_NR_FAMILIES; f++) {
		if (adj->drop_at[f])
			return;
	}
	if (adj->leaving)
		adj_bury(adj);
}

static void
drop_some(struct adj *adj, enum bgp_family f, struct sweep_budget *b)
{
	(void)sweep_paths(adj, f, &adj->drop_at[f], b, true, drop_fn, NULL);
	if (!adj->drop_at[f])
		leave_if_done(adj);
}

/* Everything that is left. */
static void
drop_rest(struct adj *adj, enum bgp_family f)
{
	struct sweep_budget all = { .until_us = UINT64_MAX, .nodes = UINT32_MAX };

	(void)sweep_paths(adj, f, &adj->drop_at[f], &all, true, drop_fn, NULL);
}

void
sweep_drop(struct adj *adj, enum bgp_family f)
{
	stale_walk_finish(adj, f);
	if (adj->drop_at[f])
		drop_rest(adj, f);
	adj->import_at[f] = 0;
	if (!adj->nr_paths[f])
		return;
	adj->nr_old[f] = adj->nr_paths[f];
	adj->nr_paths[f] = adj->nr_ok[f] = 0;
	adj->nr_stale[f] = adj->nr_long[f] = adj->nr_unseen[f] = 0;
	adj->limit[f].said = 0;
	adj->odd[f] = !adj->odd[f];
	adj->drop_at[f] = 1;
	work_post(&adj->rib->work);
}

void
sweep_finish(struct adj *adj, unsigned families)
{
	for (int f = 0; f < BGP_NR_FAMILIES; f++) {
		if (!(families & BGP_FAMILY_MASK(f)))
			continue;
		stale_walk_finish(adj, (enum bgp_family)f);
		if (adj->drop_at[f])
			drop_rest(adj, (enum bgp_family)f);
	}
}

void
sweep_import(struct adj *adj)
{
	for (int f = 0; f < BGP_NR_FAMILIES; f++)
		adj->import_at[f] = adj->nr_paths[f] ? 1 : 0;
	work_post(&adj->rib->work);
}

/* -ENOMEM */
static int
import_some(struct adj *adj, enum bgp_family f, struct sweep_budget *b)
{
	struct import im = { 0 };
	int err;

	import_forget(adj);
	err = sweep_paths(adj, f, &adj->import_at[f], b, false, import_again, &im);
	import_end(adj, &im);
	return err;
}

bool
sweep_work(struct rib *r)
{
	struct sweep_budget b = sweep_budget(r);
	bool more = false;

	for (uint32_t i = 1; i < r->nr_adjs; i++) {
		struct adj *adj = r->adjs[i];

		for (int f = 0; f < BGP_NR_FAMILIES && adj && adj->rib; f++) {
			if (adj->drop_at[f])
				drop_some(adj, (enum bgp_family)f, &b);
			if (adj->walk[f])
				stale_walk_some(adj, (enum bgp_family)f, &b);
			/* It looks at those only that are not of before. */
			if (!r->hold && adj->import_at[f] &&
			    !stale_walks_before(adj, (enum bgp_family)f) &&
			    import_some(adj, (enum bgp_family)f, &b) < 0)
				rib_hold(r);
			more |= adj->walk[f];
			more |= adj->rib && (adj->drop_at[f] || (adj->import_at[f] && !r->hold));
		}
	}
	return more;
}
