/*
 * bgpd/out.c: export groups: who shares one, what it was sent, and the flush of changes to all its
 * members at once.  Between the decision (rib.c) and single members (member.c).
 */
#include "bgpd/out.h"

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

static bool
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

static struct out_group *
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

static void
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
	return 0;
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
		if (m->direct || member_follows(m, c->node))
			member_pend(m, c->node, had);
	}
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
change_find(struct out_group *g, uint32_t node, struct change *c)
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
		c->old_nh = group_nh_member(g, c->old);
		c->nh = group_nh_member(g, c->set);
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
		m->direct = member_is_synced(m) && m->adj->ops.room(m->adj->ops.arg) > 0;
		*anybody |= m->direct;
		g->behind |= !m->direct;
		if ((!m->direct || g->relay) && member_reserve(m) < 0)
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
		found = short_of_memory ? -ENOMEM : change_find(g, nodes[i], &c);
		if (found == 0)
			continue;
		if (found > 0 && mem_grow((void **)&changes, &cap, nr_changes, sizeof(c), 0) < 0) {
			change_drop(g, &c);
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

/* Look at up to @budget more nodes.  -ENOMEM: stopped where memory was short. */
static int
group_build(struct out_group *g, uint32_t budget)
{
	const struct ptab *t = &g->rib->tab[g->family];
	int err = 0;

	while (g->built < ptab_end(t) && budget--) {
		const struct node *n = ptab_node(t, g->built);
		struct change c = { 0 };
		int found;

		if (n->len != NODE_FREE && (g->relay || n->flags & NODE_LOCAL)) {
			found = g->add ? addpath_build(g, g->built) : change_find(g, g->built, &c);
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
group_work(struct out_group *g)
{
	bool more = false;

	if (g->built != UINT32_MAX && !g->rib->hold) {
		if (group_build(g, RIB_SLICE * 4) < 0)
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

/* Members that are due in other groups move there as these are built.  True: some wait still. */
static bool
members_move(struct rib *r)
{
	bool waits = false;

	for (uint32_t i = 1; i < r->nr_adjs && !r->hold; i++) {
		struct adj *adj = r->adjs[i];

		if (!adj || !adj->up || !adj->redo_groups || !adj->export)
			continue;
		out_regroup(adj);
		waits |= adj->redo_groups;
	}
	return waits;
}

bool
out_work(struct rib *r)
{
	bool more = false;

	for (int f = 0; f < BGP_NR_FAMILIES; f++) {
		for (struct out_group *g = r->groups[f], *next; g; g = next) {
			next = g->next;
			if (!g->members && !group_is_awaited(g))
				group_free(g);
			else
				more |= group_work(g);
		}
	}
	more |= members_move(r);
	return more && !r->hold;
}

/* ---- joining, leaving, moving ---- */

static void
group_link(struct out_group *g, struct member *m)
{
	m->next = g->members;
	g->members = m;
	m->group = g;
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
	if (!g->members)
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

/* Note for every node in what the two groups' routes differ as this member sees them.  Returns how many
 * routes it will have. */
static uint32_t
member_compare(struct member *m, const struct out_group *from, const struct out_group *to)
{
	const struct ptab *t = &from->rib->tab[from->family];
	uint32_t told = from->relay ? m->nr_told : from->nr_out;
	bool unsure = m->state == MEMBER_DUMP;

	for (uint32_t id = 1; id < ptab_end(t); id++) {
		uint32_t has = umap_get(&from->out, id), want = umap_get(&to->out, id), src, to_src;

		if (!has && !want)
			continue;
		src = umap_get(&from->src, id);
		to_src = umap_get(&to->src, id);
		if (has == want && src == to_src && !unsure)
			continue;
		has = member_view(m, from, has, (uint16_t)src);
		want = member_view(m, to, want, (uint16_t)to_src);
		told += (uint32_t) !!want - (uint32_t) !!has;
		/* In the midst of a dump it is not known what has arrived: say it all again. */
		if (has != want || (unsure && want))
			member_pend(m, id, has);
	}
	return told;
}

/* To another group, which is built, without a reset: only what differs is sent. */
static int
member_move(struct member *m, struct out_group *to)
{
	struct out_group *from = m->group;
	const bool counted = m->state != MEMBER_WAIT && !to->add;
	uint32_t told = 0;

	if (member_reserve(m) < 0)
		goto fail;
	if (m->state != MEMBER_WAIT) {
		if (to->add && addpath_compare(m, from, to) < 0)
			goto fail;
		if (!to->add)
			told = member_compare(m, from, to);
		dump_unref(m->dump);
		m->dump = NULL;
		m->state = MEMBER_LIVE;
	}
	group_unlink(m);
	group_link(to, m);
	m->nr_told = told;
	if (!counted)
		member_count(m);
	return 0;
fail:
	if (!to->members)
		group_free(to);
	return -ENOMEM;
}

/* 1: it is too early for that; out_work() comes back to it. */
static int
family_regroup(struct adj *adj, enum bgp_family f)
{
	struct member *m = adj->member[f];
	struct out_group *g;

	if (!m)
		return member_join(adj, f);
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
	member_reset(m);
	group_unlink(m);
	mem_free(m);
}

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
