/*
 * bgpd/out.c: export groups: what one is for, what it was sent, and the flush of changes to all its
 * members at once.  Between the decision (rib.c) and single members (member.c); who is in which group is
 * regroup.c's.
 */
#include "bgpd/addpath.h"
#include "bgpd/emit.h"
#include "bgpd/out.h"
#include "bgpd/sweep.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lib/mem.h"

#define ADD_PATHS_SENT 8 /* unless something else is asked for */

/* ---- groups ---- */

static uint32_t
behind_as(const struct adj_session *s)
{
	return s->local_as_mode == BGP_LOCAL_AS_REPLACE ? 0 : s->own_as;
}

/* RFC 4456 6: to clients all, to others what clients told. */
static bool
is_reflected_to(const struct adj *adj)
{
	return adj->session.ibgp && (adj->rr_client || adj->rib->nr_clients > 0);
}

static enum out_stale
stale_rule(const struct adj *adj)
{
	if (!policy_may_accept(adj->export, BGP_SRC_LEARNED) && !is_reflected_to(adj))
		return OUT_STALE_NOT; /* there is nothing to tell apart */
	if (adj->session.llgr_received)
		return OUT_STALE_PLAIN;
	/* RFC 9494 4.6: internal ones only. */
	return adj->stale_to_all && adj->session.ibgp ? OUT_STALE_INTERNAL : OUT_STALE_NOT;
}

/* How many paths of a prefix the peer is sent: 0: one, without an identifier. */
static uint8_t
add_max(const struct adj *adj, enum bgp_family f)
{
	if (!(adj->session.add_tx & BGP_FAMILY_MASK(f)))
		return 0;
	return adj->add_max[f] ? adj->add_max[f] : ADD_PATHS_SENT;
}

bool
group_is_for(const struct out_group *g, const struct adj *adj)
{
	const struct adj_session *s = &adj->session;
	enum bgp_family f = g->family;

	return g->audience == adj->audience[f] && g->ibgp == s->ibgp && g->as4 == s->as4 &&
	    g->ext_msg == s->ext_msg &&
	    g->ext_next_hop == !!(s->ext_next_hop & BGP_FAMILY_MASK(f)) &&
	    g->graceful_shutdown == adj->graceful_shutdown && g->rr_client == adj->rr_client &&
	    g->stale == stale_rule(adj) && g->reflect == is_reflected_to(adj) &&
	    g->add_max == add_max(adj, f) && g->add_multi == (g->add_max && adj->add_multi[f]) &&
	    g->role == s->role && g->local_as == s->local_as && g->behind_as == behind_as(s) &&
	    addr_eq(&g->self, &s->self[f]) && addr_eq(&g->self_ll, &s->self_ll) &&
	    policy_eq(g->policy, adj->export);
}

struct out_group *
group_get(struct adj *adj, enum bgp_family f)
{
	const struct adj_session *s = &adj->session;
	struct rib *r = adj->rib;
	struct out_group *g;

	for (g = r->groups[f]; g; g = g->next) {
		if (group_is_for(g, adj))
			return g;
	}
	g = mem_calloc(1, sizeof(*g));
	if (!g)
		return NULL;
	g->rib = r;
	g->family = f;
	g->add_max = add_max(adj, f);
	g->add_multi = g->add_max && adj->add_multi[f];
	g->add = g->add_max ? addpath_new() : NULL;
	if (g->add_max && !g->add) {
		mem_free(g);
		return NULL;
	}
	g->audience = adj->audience[f] ? name_get(r, name_text(adj->audience[f])) : NULL;
	g->policy = policy_ref(adj->export);
	g->ibgp = s->ibgp;
	g->as4 = s->as4;
	g->ext_msg = s->ext_msg;
	g->ext_next_hop = s->ext_next_hop & BGP_FAMILY_MASK(f);
	g->graceful_shutdown = adj->graceful_shutdown;
	g->stale = stale_rule(adj);
	g->role = s->role;
	g->local_as = s->local_as;
	g->behind_as = behind_as(s);
	g->self = s->self[f];
	g->self_ll = s->self_ll;
	g->rr_client = adj->rr_client;
	g->reflect = is_reflected_to(adj);
	g->relay = g->reflect || policy_may_accept(g->policy, BGP_SRC_LEARNED);
	g->built = 1;
	g->next = r->groups[f];
	r->groups[f] = g;
	return g;
}

void
group_free(struct out_group *g)
{
	struct rib *r = g->rib;
	struct out_group **at = &r->groups[g->family];

	while (*at != g)
		at = &(*at)->next;
	*at = g->next;
	export_forget(g);
	for (uint32_t id = 1; g->nr_out && id < ptab_end(&r->tab[g->family]); id++) {
		uint32_t set = umap_get(&g->out, id);

		g->nr_out -= !!set;
		attrset_unref(&r->sets, set);
	}
	addpath_free(g);
	umap_fini(&g->out);
	umap_fini(&g->src);
	dump_unref(g->dump);
	name_put(r, g->audience);
	policy_unref(g->policy);
	mem_free(g);
}

uint16_t
group_nh_member(const struct out_group *g, uint32_t set)
{
	struct bgp_attrs a;

	if (!set)
		return 0;
	attrset_view(&g->rib->sets, set, &a);
	if (addr_eq(&a.next_hop, &g->self))
		return 0;
	for (const struct member *m = g->members; m; m = m->next) {
		if (addr_eq(&a.next_hop, &m->adj->session.remote))
			return m->adj->id;
	}
	for (const struct member *m = g->movers; m; m = m->next_mover) {
		if (addr_eq(&a.next_hop, &m->adj->session.remote))
			return m->adj->id;
	}
	return 0;
}

uint16_t
group_nh_memo(const struct out_group *g, uint32_t set, struct nh_memo *memo)
{
	if (memo->set != set)
		*memo = (struct nh_memo){ .set = set, .nh = group_nh_member(g, set) };
	return memo->nh;
}

/* ---- what a node's change means to the members ---- */

static int
change_cmp(const void *a, const void *b)
{
	const struct change *x = a, *y = b;

	if (!x->set != !y->set)
		return x->set ? 1 : -1; /* withdrawals first: they free what others wait for */
	if (change_src(x) != change_src(y))
		return change_src(x) < change_src(y) ? -1 : 1;
	if (change_nh(x) != change_nh(y))
		return change_nh(x) < change_nh(y) ? -1 : 1;
	if (x->set != y->set)
		return x->set < y->set ? -1 : 1;
	return x->node < y->node ? -1 : x->node > y->node;
}

void
changes_sort(struct change *c, size_t nr)
{
	for (size_t i = 1; i < nr; i++) {
		if (change_cmp(&c[i - 1], &c[i]) > 0) {
			qsort(c, nr, sizeof(*c), change_cmp);
			return;
		}
	}
}

bool
member_is_kept_from(const struct member *m, uint16_t src, uint16_t nh)
{
	return m->adj->id == src || m->adj->id == nh;
}

/* A member on its way to another group gets nothing but notes: of what changes in the group that it leaves
 * where it has not been compared with the new one, and of what changes in that where it has. */
static void
movers_note(struct out_group *g, const struct change *c)
{
	for (struct member *m = g->movers; m; m = m->next_mover) {
		uint32_t had = member_is_kept_from(m, c->old_src, c->old_nh) ? 0 : c->old;
		uint32_t want = member_is_kept_from(m, c->src, c->nh) ? 0 : c->set;

		if (c->node >= m->move_at)
			continue;
		m->told_to += (uint32_t) !!want - (uint32_t) !!had;
		if (had != want)
			member_pend(m, c->node, had);
	}
}

/* Members that are behind get a note instead of bytes, and so do those that bytes for the others
 * do not suit: they get a route, or lose one, only because it comes from elsewhere now. */
static void
change_note(struct out_group *g, const struct change *c)
{
	for (struct member *m = g->relay || g->behind ? g->members : NULL; m; m = m->next) {
		uint32_t had = member_is_kept_from(m, c->old_src, c->old_nh) ? 0 : c->old;
		uint32_t want = member_is_kept_from(m, c->src, c->nh) ? 0 : c->set;

		if (m->state != MEMBER_WAIT)
			m->nr_told += (uint32_t) !!want - (uint32_t) !!had;
		if (had == want || (m->direct && !c->quiet && (want || !c->set)))
			continue;
		if (m->to ? c->node >= m->move_at : m->direct || member_follows(m, c->node))
			member_pend(m, c->node, had);
	}
	movers_note(g, c);
	group_dump_spoilt(g, c->node);
}

void
group_dump_spoilt(struct out_group *g, uint32_t node)
{
	if (g->dump && (g->dump->done || node < g->dump->cursor)) {
		dump_unref(g->dump);
		g->dump = NULL;
	}
}

/* From now on this is what was sent. */
static void
change_commit(struct out_group *g, const struct change *c)
{
	attrset_unref(&g->rib->sets, umap_get(&g->out, c->node));
	umap_set(&g->out, c->node, c->set);
	if (g->relay)
		umap_set(&g->src, c->node, c->src);
	g->nr_out += (uint32_t) !!c->set - (uint32_t) !!c->old;
}

static void
change_drop(struct out_group *g, const struct change *c)
{
	attrset_unref(&g->rib->sets, c->set);
	rib_redo(g->rib, g->family, c->node);
}

/* ---- flush ---- */

/* Is there a change, and what is it?  1: yes; 0: no; -ENOMEM. */
static int
change_find(struct out_group *g, uint32_t node, struct change *c, struct nh_memo *memo)
{
	struct exported e;

	if (export_node(g, node, &e) < 0)
		return -ENOMEM;
	*c = (struct change){
		.node = node, .set = e.set, .src = e.src, .old = umap_get(&g->out, node)
	};
	if (c->old == e.set && (!g->relay || e.src == umap_get(&g->src, node))) {
		attrset_unref(&g->rib->sets, e.set);
		return 0;
	}
	if (e.set &&
	    (umap_reserve(&g->out, node) < 0 || (g->relay && umap_reserve(&g->src, node) < 0))) {
		attrset_unref(&g->rib->sets, e.set);
		return -ENOMEM;
	}
	if (g->relay) {
		c->quiet = c->old == c->set;
		c->old_src = (uint16_t)umap_get(&g->src, node);
		c->old_nh = group_nh_memo(g, c->old, &memo[0]);
		c->nh = group_nh_memo(g, c->set, &memo[1]);
	}
	return 1;
}

void
group_send(void *arg, struct bgp_block *b, uint16_t not_src, uint16_t not_nh)
{
	const struct out_group *g = arg;

	for (struct member *m = g->members; m; m = m->next) {
		if (m->direct && m->adj->id != not_src && m->adj->id != not_nh)
			member_send(m, b);
	}
}

/* Encode, queue, note and commit; what finds no memory is left as it was, and dirty. */
static void
changes_emit(struct out_group *g, const struct change *c, size_t nr, bool anybody)
{
	struct emit e;
	size_t i;

	emit_begin(&e, g, group_send, g);
	for (i = 0; i < nr; i++) {
		if (anybody && !c[i].quiet &&
		    emit_add(&e, c[i].node, c[i].set, change_src(&c[i]), change_nh(&c[i])) < 0)
			break;
		change_note(g, &c[i]);
		change_commit(g, &c[i]);
	}
	emit_end(&e);
	for (; i < nr; i++)
		change_drop(g, &c[i]);
}

int
group_prepare(struct out_group *g, bool *anybody)
{
	*anybody = g->behind = false;
	for (struct member *m = g->members; m; m = m->next) {
		m->direct = !m->to && member_is_synced(m) && m->adj->ops.room(m->adj->ops.arg) > 0;
		*anybody |= m->direct;
		g->behind |= !m->direct;
		if ((!m->direct || g->relay) && member_reserve(m) < 0)
			return -ENOMEM;
	}
	for (struct member *m = g->movers; m; m = m->next_mover) {
		if (member_reserve(m) < 0)
			return -ENOMEM;
	}
	return 0;
}

/* Neither has it been told of the node, nor could it be. */
static bool
is_no_concern(const struct out_group *g, uint32_t node)
{
	return !g->relay && !(ptab_node(&g->rib->tab[g->family], node)->flags & NODE_LOCAL) &&
	    !umap_get(&g->out, node);
}

static void
group_flush(struct out_group *g, const uint32_t *nodes, size_t nr)
{
	struct nh_memo memo[2] = { 0 };
	struct change *changes = NULL;
	size_t nr_changes = 0, cap = 0;
	bool anybody, short_of_memory;

	short_of_memory = group_prepare(g, &anybody) < 0;
	for (size_t i = 0; i < nr; i++) {
		struct change c;
		int found;

		/* What is not built yet is looked at when its turn comes. */
		if (nodes[i] >= g->built || is_no_concern(g, nodes[i]))
			continue;
		found = short_of_memory ? -ENOMEM : change_find(g, nodes[i], &c, memo);
		if (found == 0)
			continue;
		if (found > 0 && mem_grow((void **)&changes, &cap, nr_changes, sizeof(c), 0) < 0) {
			change_drop(g, &c);
			memset(memo, 0, sizeof(memo)); /* its set may be another now */
			continue;
		}
		if (found > 0)
			changes[nr_changes++] = c;
		else
			rib_redo(g->rib, g->family, nodes[i]);
	}
	changes_sort(changes, nr_changes);
	changes_emit(g, changes, nr_changes, anybody);
	export_forget(g);
	mem_free(changes);
}

void
out_flush(struct rib *r, enum bgp_family f, const uint32_t *nodes, size_t nr)
{
	for (struct out_group *g = r->groups[f]; g; g = g->next) {
		if (g->add)
			addpath_flush(g, nodes, nr);
		else
			group_flush(g, nodes, nr);
	}
}

/* ---- building a new group's table ---- */

/* Look at more nodes.  -ENOMEM: stopped where memory was short. */
static int
group_build(struct out_group *g, struct sweep_budget *b)
{
	const struct ptab *t = &g->rib->tab[g->family];
	struct nh_memo memo[2] = { 0 };
	int err = 0;

	while (g->built < ptab_end(t) && !sweep_is_spent(g->rib, b)) {
		const struct node *n = ptab_node(t, g->built);
		struct change c = { 0 };
		int found;

		if (n->len != NODE_FREE && (g->relay || n->flags & NODE_LOCAL)) {
			found = g->add ? addpath_build(g, g->built)
				       : change_find(g, g->built, &c, memo);
			if (found < 0) {
				err = -ENOMEM;
				break;
			}
			if (found && !g->add)
				change_commit(g, &c);
		}
		g->built++;
	}
	export_forget(g);
	if (!err && g->built >= ptab_end(t))
		g->built = UINT32_MAX;
	return err;
}

/* True: there is more to do at once. */
static bool
group_work(struct out_group *g, struct sweep_budget *b)
{
	bool more = false;

	if (g->built != UINT32_MAX && !g->rib->hold) {
		if (group_build(g, b) < 0)
			rib_hold(g->rib);
		else
			more = g->built != UINT32_MAX;
	}
	if (g->built != UINT32_MAX)
		return more;
	for (struct member *m = g->members; m; m = m->next) {
		if (m->state == MEMBER_WAIT)
			member_dump_start(m, true);
		more |= member_kick(m);
	}
	return more;
}

/* Does anybody wait for the group to be built? */
static bool
group_is_awaited(const struct out_group *g)
{
	const struct rib *r = g->rib;

	for (uint32_t i = 1; i < r->nr_adjs; i++) {
		const struct adj *adj = r->adjs[i];

		if (adj && adj->up && adj->redo_groups && adj->export && group_is_for(g, adj))
			return true;
	}
	return false;
}

bool
out_work(struct rib *r)
{
	struct sweep_budget b = sweep_budget(r);
	bool more = false;

	for (int f = 0; f < BGP_NR_FAMILIES; f++) {
		for (struct out_group *g = r->groups[f], *next; g; g = next) {
			next = g->next;
			if (!g->members && !g->movers && !group_is_awaited(g))
				group_free(g);
			else
				more |= group_work(g, &b);
		}
	}
	more |= members_move(r, &b);
	return more && !r->hold;
}

/* ---- refresh, reflection ---- */

void
out_refresh(struct adj *adj, enum bgp_family f)
{
	struct member *m = adj->member[f];

	/* RFC 2918 4: the whole Adj-RIB-Out of the family once more. */
	if (!m)
		return;
	member_refresh(m);
	work_post(&adj->rib->work);
}

/* RFC 4456 6: what it tells is for all internal peers, and the other way round. */
void
out_client_set(struct adj *adj, bool client)
{
	struct rib *r = adj->rib;
	bool any = r->nr_clients > 0;

	if (adj->rr_client == client)
		return;
	adj->rr_client = client;
	r->nr_clients += client ? 1 : UINT32_MAX;
	rib_touch_all(r);
	for (uint32_t i = 1; any != (r->nr_clients > 0) && i < r->nr_adjs; i++) {
		if (r->adjs[i] && r->adjs[i] != adj && r->adjs[i]->up)
			out_regroup(r->adjs[i]);
	}
}

uint32_t
out_advertised(const struct adj *adj, enum bgp_family f)
{
	const struct member *m = adj->member[f];

	if (!m || m->state == MEMBER_WAIT)
		return 0;
	return m->group->relay || m->group->add ? m->nr_told : m->group->nr_out;
}

/* ---- the whole ---- */

/* Nobody has joined for a while: forget the dumps. */
static void
dumps_drop(void *arg)
{
	struct rib *r = arg;

	for (int f = 0; f < BGP_NR_FAMILIES; f++) {
		for (struct out_group *g = r->groups[f]; g; g = g->next) {
			dump_unref(g->dump);
			g->dump = NULL;
		}
	}
}

void
out_init(struct rib *r)
{
	timer_init(&r->idle, r->loop, dumps_drop, r);
}

void
out_fini(struct rib *r)
{
	timer_stop(&r->idle);
	for (int f = 0; f < BGP_NR_FAMILIES; f++) {
		while (r->groups[f])
			group_free(r->groups[f]);
	}
}
