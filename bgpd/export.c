/*
 * bgpd/export.c: a route as an export group is told of it: which path, whether at all, and with
 * which attributes (RFC 4271 5.1, 9.1.3, 9.2; RFC 1997; RFC 4456).  Between the decision and out.c.
 */
#include <errno.h>
#include <string.h>

#include "bgpd/msg.h"
#include "bgpd/out.h"
#include "lib/log.h"

#define NO_EXPORT 0xffffff01u
#define NO_ADVERTISE 0xffffff02u
#define NO_EXPORT_SUBCONFED 0xffffff03u
#define EXT_NOT_TRANSITIVE 0x40 /* RFC 4360 2, in the first octet */

/* Sets up to this size fit any message with room to spare. */
#define SMALL_SET 1500

void
export_forget(struct out_group *g)
{
	for (unsigned i = 0; i < OUT_CACHE; i++) {
		attrset_unref(&g->rib->sets, g->memo[i].base);
		attrset_unref(&g->rib->sets, g->memo[i].set);
	}
	memset(g->memo, 0, sizeof(g->memo));
	policy_forget(g->policy);
}

/* RFC 9234 5: what is for customers only is not for providers, peers and route servers. */
static bool
is_for_customers(const struct out_group *g, const struct bgp_attrs *a)
{
	return a->has_otc &&
	    (g->role == BGP_ROLE_CUSTOMER || g->role == BGP_ROLE_PEER ||
		g->role == BGP_ROLE_RS_CLIENT);
}

/* RFC 1997: what was learned with these goes no further. */
static bool
is_kept_back(const struct out_group *g, const struct bgp_attrs *a)
{
	if (is_for_customers(g, a))
		return true;
	if (!a->communities.len)
		return false;
	if (attrset_has_community(a->communities, NO_ADVERTISE))
		return true;
	return !g->ibgp &&
	    (attrset_has_community(a->communities, NO_EXPORT) ||
		attrset_has_community(a->communities, NO_EXPORT_SUBCONFED));
}

/* A learned path as it may go to this group; set 0: it may not. */
struct outgoing
export_learned(const struct out_group *g, uint32_t path)
{
	const struct path *p = rib_path(g->rib, path);
	const struct adj *from = g->rib->adjs[p->adj];
	bool reflect = g->ibgp && from->session.ibgp;

	/* RFC 4271 9.2: what an internal peer told is not told to internal peers, unless one of the
	 * two is a client (RFC 4456 6). */
	if (reflect && !g->rr_client && !from->rr_client)
		return (struct outgoing){ 0 };
	return (struct outgoing){
		.path = path,
		.set = p->set,
		.source = BGP_SRC_LEARNED,
		.reflect = reflect,
		.src = p->adj,
		.may_be_stale = p->flags & PATH_LONG_LIVED || from->session.llgr_sent,
	};
}

bool
export_is_barred(const struct out_group *g, const struct outgoing *o)
{
	struct bgp_attrs a;

	if (o->source != BGP_SRC_LEARNED)
		return false;
	attrset_view(&g->rib->sets, o->set, &a);
	return is_kept_back(g, &a);
}

/* Which path of the node this group may hear of; set 0: none. */
struct outgoing
export_choose(const struct out_group *g, const struct node *n)
{
	if (!g->relay && !(n->flags & NODE_LOCAL))
		return (struct outgoing){ 0 };
	return export_candidate(g, n);
}

struct outgoing
export_candidate(const struct out_group *g, const struct node *n)
{
	const struct rib *r = g->rib;
	struct outgoing o = { 0 };

	if (n->flags & NODE_LOCAL) {
		uint32_t i = g->audience ? originate_path(r, n, g->audience) : 0;

		if (i && rib_path(r, i)->set) {
			const struct claim *c = rib_claim(r, rib_path(r, i)->in);

			o.path = i;
			o.set = rib_path(r, i)->set;
			o.source = (enum bgp_source)c->source;
			o.prepend = c->prepend;
		}
		return o;
	}
	for (uint32_t i = n->paths; i; i = rib_path(r, i)->next) {
		if (rib_path(r, i)->flags & PATH_BEST)
			return export_learned(g, i);
	}
	return o;
}

static void
set_next_hop(const struct out_group *g, const struct outgoing *o, const struct bgp_set *s,
    struct bgp_attrs *a)
{
	enum bgp_next_hop_action action = s ? s->next_hop : BGP_NH_DEFAULT;
	bool learned = o->source == BGP_SRC_LEARNED;

	if (action == BGP_NH_ADDR && s->next_hop_addr.family == g->self.family) {
		a->next_hop = s->next_hop_addr;
		a->next_hop_ll = (struct addr){ 0 };
		return;
	}
	/* RFC 4271 5.1.3: ourselves for external peers and for what we originate; what is passed
	 * on to internal peers keeps its next hop unless told otherwise.  What was learned may keep
	 * it towards external peers as well, when somebody knows that they reach it. */
	if (!learned || action == BGP_NH_SELF || (!g->ibgp && action != BGP_NH_KEEP)) {
		a->next_hop = g->self;
		a->next_hop_ll = g->self.family == ADDR_V6 ? g->self_ll : (struct addr){ 0 };
	} else if (!g->ibgp) {
		a->next_hop_ll = (struct addr){ 0 }; /* RFC 2545 3: of whose link, is not known */
	}
}

static int
as_path_put(const struct out_group *g, uint32_t as, unsigned times, struct bgp_attrs *a)
{
	struct policy_room *room = &g->rib->room;
	struct wire_wr w = wire_wr_init(room->bytes + room->used, POLICY_ROOM - room->used);

	if (bgp_as_path_prepend(a->as_path, as, times, &w) < 0)
		return -ENOSPC;
	room->used += w.len;
	a->as_path = (struct bgp_span){ .p = w.start, .len = (uint32_t)w.len };
	return 0;
}

static int
set_as_path(const struct out_group *g, unsigned more, struct bgp_attrs *a)
{
	/* RFC 4271 5.1.2: unchanged to internal peers, our own AS in front to external ones. */
	if (g->ibgp)
		return 0;
	/* RFC 7705 3.2: where the peer knows us as another AS, that one in front of both. */
	if (g->behind_as && as_path_put(g, g->behind_as, 1, a) < 0)
		return -ENOSPC;
	return as_path_put(g, g->local_as, 1 + more, a);
}

/* Would an UPDATE with these and one prefix fit the largest message? */
static bool
fits_message(const struct out_group *g, const struct bgp_attrs *a)
{
	struct policy_room *room = &g->rib->room;
	size_t max = (g->ext_msg ? BGP_MAX_EXT_LEN : BGP_MAX_LEN) - BGP_HEADER_LEN - 4 - 17 - 64;
	struct wire_wr w = wire_wr_init(room->bytes + room->used, POLICY_ROOM - room->used);

	if (w.max > max)
		w.max = max;
	bgp_attrs_encode(&w, a, g->family, g->as4);
	return !w.full;
}

/* RFC 8326 4.2, 4.3: this way is about to go; whoever has another takes that. */
static int
ask_to_leave(const struct out_group *g, struct bgp_attrs *a)
{
	static const uint32_t community = BGP_GRACEFUL_SHUTDOWN;
	const struct bgp_communities add = { .std = &community, .nr_std = 1 };

	if (g->ibgp)
		a->local_pref = 0;
	if (a->communities.len && attrset_has_community(a->communities, BGP_GRACEFUL_SHUTDOWN))
		return 0;
	return policy_add_communities(&add, a, &g->rib->room);
}

/* RFC 4360 6: extended communities that are not transitive stay in the AS that they came to. */
static int
drop_local(const struct out_group *g, const struct outgoing *o, struct bgp_attrs *a)
{
	struct policy_room *room = &g->rib->room;
	struct wire_wr w = wire_wr_init(room->bytes + room->used, POLICY_ROOM - room->used);
	const struct bgp_span from = a->ext_communities;

	if (g->ibgp || o->source != BGP_SRC_LEARNED)
		return 0;
	for (uint32_t at = 0; at + 8 <= from.len; at += 8)
		if (!(from.p[at] & EXT_NOT_TRANSITIVE))
			wire_put_bytes(&w, from.p + at, 8);
	if (w.full)
		return -ENOSPC;
	if (w.len == from.len)
		return 0;
	room->used += w.len;
	a->ext_communities = (struct bgp_span){ .p = w.start, .len = (uint32_t)w.len };
	return 0;
}

/* RFC 4456 8: who told it first, unless that is known, and our cluster in front.  From here on they
 * are gone: what is not reflected begins anew. */
static int
reflect(const struct out_group *g, const struct outgoing *o, struct bgp_attrs *a)
{
	const struct rib *r = g->rib;
	struct policy_room *room = &g->rib->room;
	struct wire_wr w = wire_wr_init(room->bytes + room->used, POLICY_ROOM - room->used);

	if (!o->reflect) {
		a->has_originator_id = false;
		a->originator_id = 0;
		a->cluster_list = (struct bgp_span){ 0 };
		return 0;
	}
	if (!a->has_originator_id)
		a->originator_id = r->adjs[o->src]->session.peer_id;
	a->has_originator_id = true;
	wire_put_u32(&w, r->cluster_id);
	wire_put_bytes(&w, a->cluster_list.p, a->cluster_list.len);
	if (w.full)
		return -ENOSPC;
	room->used += w.len;
	a->cluster_list = (struct bgp_span){ .p = w.start, .len = (uint32_t)w.len };
	return 0;
}

/* RFC 9494 4.3: what a rule did to it, it stays marked; 4.6: a peer that does not know the mark. */
static int
keep_stale_mark(const struct out_group *g, struct bgp_attrs *a)
{
	static const uint32_t marks[] = { BGP_LLGR_STALE, NO_EXPORT };
	const struct bgp_communities add = { .std = marks,
		.nr_std = g->stale == OUT_STALE_INTERNAL ? 2 : 1 };

	if (g->stale == OUT_STALE_INTERNAL)
		a->local_pref = 0;
	return policy_add_communities(&add, a, &g->rib->room);
}

static bool
is_stale(const struct outgoing *o, const struct bgp_attrs *a)
{
	return o->may_be_stale && a->communities.len &&
	    attrset_has_community(a->communities, BGP_LLGR_STALE);
}

/* What no rule takes off again. */
static int
set_marks(const struct out_group *g, bool stale, struct bgp_attrs *a)
{
	if (stale && keep_stale_mark(g, a) < 0)
		return -ENOSPC;
	return g->graceful_shutdown ? ask_to_leave(g, a) : 0;
}

static void
mark_for_customers(const struct out_group *g, struct bgp_attrs *a)
{
	/* RFC 9234 5: towards customers, peers and clients of a route server. */
	if (a->has_otc ||
	    (g->role != BGP_ROLE_PROVIDER && g->role != BGP_ROLE_PEER && g->role != BGP_ROLE_RS))
		return;
	a->has_otc = true;
	a->otc = g->local_as;
}

/* The attributes on the wire.  0: fine; -ENOENT: they cannot go out. */
static int
attrs_transform(const struct out_group *g, const struct outgoing *o, const struct bgp_rule *rule,
    struct bgp_attrs *a)
{
	const struct bgp_set *s = rule ? &rule->set : NULL;
	bool learned = o->source == BGP_SRC_LEARNED, stale = is_stale(o, a);

	if (!g->ibgp) {
		/* RFC 4271 5.1.5: LOCAL_PREF never goes to external peers; 5.1.4: nor does a MED
		 * that some other AS set; RFC 4456 8: nor do these. */
		a->has_local_pref = false;
		a->local_pref = 0;
		if (learned) {
			a->has_med = false;
			a->med = 0;
		}
	} else if (!a->has_local_pref) {
		/* RFC 4271 5.1.5: internal peers always get one. */
		a->has_local_pref = true;
		a->local_pref = 100;
	}
	if (reflect(g, o, a) < 0 || drop_local(g, o, a) < 0)
		return -ENOENT;
	mark_for_customers(g, a);
	if (rule && policy_set(rule, a, &g->rib->room) < 0)
		return -ENOENT;
	if (!g->ibgp) {
		a->has_local_pref = false; /* nor one that a rule set */
		a->local_pref = 0;
	}
	if (set_marks(g, stale, a) < 0)
		return -ENOENT;
	if (set_as_path(g, o->prepend + (s ? s->prepend : 0u), a) < 0)
		return -ENOENT;
	set_next_hop(g, o, s, a);
	/* An IPv4 next hop cannot carry IPv6, and the other way round only when agreed (RFC 8950). */
	if (!addr_is_set(&a->next_hop) ||
	    (g->family == BGP_IPV6_UNICAST && a->next_hop.family == ADDR_V4) ||
	    (g->family == BGP_IPV4_UNICAST && a->next_hop.family == ADDR_V6 && !g->ext_next_hop))
		return -ENOENT;
	return 0;
}

static int
transform(struct out_group *g, const struct outgoing *o, int rule, uint32_t *out)
{
	struct rib *r = g->rib;
	struct bgp_attrs a;

	*out = 0;
	attrset_view(&r->sets, o->set, &a);
	if (o->source == BGP_SRC_LEARNED && is_kept_back(g, &a))
		return 0;
	/* RFC 9494 4.3: not to who has not said that he knows what it means. */
	if (g->stale == OUT_STALE_NOT && is_stale(o, &a))
		return 0;
	r->room.used = 0;
	if (attrs_transform(g, o, rule < 0 ? NULL : policy_rule(g->policy, (size_t)rule), &a) < 0)
		return 0;
	*out = attrset_intern(&r->sets, &a);
	if (!*out)
		return -ENOMEM;
	if (attrset_at(&r->sets, *out)->len > SMALL_SET && !fits_message(g, &a)) {
		/* RFC 8654 4: too large for this peer's messages: not sent. */
		attrset_unref(&r->sets, *out);
		*out = 0;
		log_warn("route-too-large", LOG_S("instance", r->instance));
	}
	return 0;
}

int
export_node(struct out_group *g, uint32_t id, struct exported *e)
{
	struct outgoing o = export_choose(g, ptab_node(&g->rib->tab[g->family], id));

	return export_path(g, id, &o, e);
}

int
export_path(struct out_group *g, uint32_t id, const struct outgoing *from, struct exported *e)
{
	const struct outgoing o = *from;
	struct rib *r = g->rib;
	struct export_memo *m;
	struct prefix p;
	uint32_t how;
	int rule;

	*e = (struct exported){ 0 };
	if (!o.set)
		return 0;
	ptab_prefix(&r->tab[g->family], id, &p);
	rule = policy_match(g->policy, &r->sets, o.set, &p, o.source);
	/* Being a client is leave enough for what is reflected. */
	if (rule >= 0 ? !policy_rule(g->policy, (size_t)rule)->accept
		      : o.source == BGP_SRC_LEARNED && !o.reflect)
		return 0;
	how = (uint32_t)(rule + 1) << 10 | (uint32_t)o.prepend << 2 |
	    (o.source != BGP_SRC_LEARNED ? 1
		    : o.may_be_stale	 ? 2
					 : 3);
	m = &g->memo[(o.set ^ how) % OUT_CACHE];
	if (m->base != o.set || m->how != how || m->src != (o.reflect ? o.src : 0)) {
		uint32_t set;

		if (transform(g, &o, rule, &set) < 0)
			return -ENOMEM;
		attrset_unref(&r->sets, m->set);
		attrset_unref(&r->sets, m->base);
		*m = (struct export_memo){
			.base = attrset_ref(&r->sets, o.set),
			.how = how,
			.set = set,
			.src = o.reflect ? o.src : 0,
		};
	}
	e->set = attrset_ref(&r->sets, m->set);
	e->src = e->set ? o.src : 0;
	return 0;
}
