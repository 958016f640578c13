/*
 * bgpd/regroup.c: who is in which export group: joining, leaving, and moving to another one, softly.  Between
 * adj.c, where sessions and rules change, and out.c.
 *
 * A member that moves stays in its group until what it has of it is compared with the new one's table, a
 * slice in each turn (see out.c, movers_note()).
 */
#include <errno.h>

#include "bgpd/addpath.h"
#include "bgpd/out.h"
#include "bgpd/sweep.h"
#include "lib/mem.h"

static void
group_link(struct out_group *g, struct member *m)
{
	m->next = g->members;
	g->members = m;
	m->group = g;
	if (g->rib->tap)
		g->rib->tap->regrouped(g->rib->tap->arg, m->adj);
	/* A dump leaves out members whose address is a next hop; it did not know this one. */
	if (g->relay && g->dump) {
		dump_unref(g->dump);
		g->dump = NULL;
	}
}

static void
group_unlink(struct member *m)
{
	struct out_group *g = m->group;
	struct member **at = &g->members;

	while (*at != m)
		at = &(*at)->next;
	*at = m->next;
	if (!g->members && !g->movers)
		group_free(g);
}

static int
member_join(struct adj *adj, enum bgp_family f)
{
	struct out_group *g = group_get(adj, f);
	struct member *m;

	if (!g)
		return -ENOMEM;
	m = mem_calloc(1, sizeof(*m));
	if (!m) {
		if (!g->members)
			group_free(g);
		return -ENOMEM;
	}
	m->adj = adj;
	m->eor_due = true;
	group_link(g, m);
	adj->member[f] = m;
	return 0;
}

/* ---- moving ---- */

static void
mover_link(struct member *m, struct out_group *to)
{
	m->to = to;
	m->next_mover = to->movers;
	to->movers = m;
}

static void
mover_unlink(struct member *m)
{
	struct member **at = &m->to->movers;

	while (*at != m)
		at = &(*at)->next_mover;
	*at = m->next_mover;
	m->next_mover = NULL;
	m->to = NULL;
}

/* Note in what the two groups' routes of a node differ as this member sees them. */
static void
node_compare(struct member *m, uint32_t id, struct view_memo *memo)
{
	const struct out_group *from = m->group, *to = m->to;
	uint32_t has = umap_get(&from->out, id), want = umap_get(&to->out, id), src, to_src;
	const bool same = has == want;

	if (!has && !want)
		return;
	src = umap_get(&from->src, id);
	to_src = umap_get(&to->src, id);
	want = member_view_memo(m, to, want, (uint16_t)to_src, &memo[0]);
	m->told_to += !!want;
	/* Noted already: what it had then still holds. */
	if (bitset_has(&m->pend, id) || (same && src == to_src && !m->unsure))
		return;
	has = member_view_memo(m, from, has, (uint16_t)src, &memo[1]);
	/* In the midst of a dump it is not known what has arrived: say it all again. */
	if (has != want || (m->unsure && want))
		member_pend(m, id, has);
}

/* All is compared: from now on it hears what the new group is told. */
static void
move_end(struct member *m)
{
	struct out_group *to = m->to;

	mover_unlink(m);
	group_unlink(m);
	group_link(to, m);
	m->nr_told = m->told_to;
}

/* Compare as much as there is time for.  True: there is more. */
static bool
move_some(struct member *m, struct sweep_budget *b)
{
	const struct ptab *t = &m->group->rib->tab[m->group->family];
	struct view_memo memo[2] = { 0 };

	if (member_reserve(m) < 0) {
		rib_hold(m->group->rib);
		return true;
	}
	for (; m->move_at < ptab_end(t); m->move_at++) {
		if (sweep_is_spent(m->group->rib, b))
			return true;
		node_compare(m, m->move_at, memo);
	}
	move_end(m);
	return false;
}

/* At once: it has nothing yet, or several paths of each prefix.  -ENOMEM. */
static int
move_now(struct member *m, struct out_group *to)
{
	if (m->state != MEMBER_WAIT &&
	    (member_reserve(m) < 0 || addpath_compare(m, m->group, to) < 0))
		return -ENOMEM;
	if (m->state != MEMBER_WAIT) {
		dump_unref(m->dump);
		m->dump = NULL;
		m->state = MEMBER_LIVE;
	}
	group_unlink(m);
	group_link(to, m);
	member_count(m);
	return 0;
}

/* To another group, which is built, without a reset: only what differs is sent.  Until all is compared
 * nothing is sent.  1: it is on its way. */
static int
member_move(struct member *m, struct out_group *to)
{
	if (m->state == MEMBER_WAIT || to->add)
		return move_now(m, to);
	m->unsure = m->state == MEMBER_DUMP;
	m->move_at = 1;
	m->told_to = 0;
	dump_unref(m->dump);
	m->dump = NULL;
	m->state = MEMBER_LIVE;
	mover_link(m, to);
	return 1;
}

bool
members_move(struct rib *r, struct sweep_budget *b)
{
	bool waits = false;

	for (uint32_t i = 1; i < r->nr_adjs && !r->hold; i++) {
		struct adj *adj = r->adjs[i];

		if (!adj || !adj->up || !adj->redo_groups || !adj->export)
			continue;
		out_regroup(adj);
		for (int f = 0; f < BGP_NR_FAMILIES; f++) {
			if (adj->member[f] && adj->member[f]->to)
				(void)move_some(adj->member[f], b);
		}
		waits |= adj->redo_groups;
	}
	return waits;
}

/* 1: it is too early for that; out_work() comes back to it. */
static int
family_regroup(struct adj *adj, enum bgp_family f)
{
	struct member *m = adj->member[f];
	struct out_group *g;

	if (!m)
		return member_join(adj, f);
	if (m->to) /* to where it belonged before: it goes on from there */
		return 1;
	if (group_is_for(m->group, adj))
		return 0;
	g = group_get(adj, f);
	if (!g)
		return -ENOMEM;
	/* The new group's table is made in slices, and meanwhile the member hears what the old one is
	 * told; that has to have said what is new, before it is compared with. */
	if (g->built != UINT32_MAX || rib_is_dirty(adj->rib, f))
		return 1;
	return member_move(m, g);
}

void
out_regroup(struct adj *adj)
{
	adj->redo_groups = false;
	if (!adj->up || !adj->export) {
		adj->redo_groups = adj->up;
		return;
	}
	for (int f = 0; f < BGP_NR_FAMILIES; f++) {
		int err;

		if (!(adj->session.families & BGP_FAMILY_MASK(f)))
			continue;
		err = family_regroup(adj, (enum bgp_family)f);
		if (err)
			adj->redo_groups = true;
		if (err < 0)
			rib_hold(adj->rib);
	}
	work_post(&adj->rib->work);
}

void
out_leave(struct adj *adj, enum bgp_family f)
{
	struct member *m = adj->member[f];

	if (!m)
		return;
	adj->member[f] = NULL;
	if (m->to)
		mover_unlink(m);
	member_reset(m);
	group_unlink(m);
	mem_free(m);
}
