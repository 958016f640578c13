/*
 * bgpd/rib_show.c: the table as JSON, for people and scripts.  Reads, changes nothing.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "bgpd/msg.h"
#include "bgpd/addpath.h"
#include "bgpd/out.h"
#include "bgpd/rehearsal.h"
#include "bgpd/rib_why.h"
#include "bgpd/sweep.h"
#include "lib/buf.h"
#include "lib/mem.h"

#define TEXT_MAX (1u << 20)

/* ---- attributes ---- */

static json_t *
path_json(struct bgp_span path)
{
	json_t *list = json_array();
	struct wire_rd r = wire_rd_init(path.p, path.len);

	while (wire_more(&r)) {
		uint8_t type = wire_u8(&r), nr = wire_u8(&r);
		json_t *to = list;

		if (type != BGP_AS_SEQUENCE) {
			to = json_array(); /* a set stands as a list in the list */
			json_array_append_new(list, to);
		}
		for (unsigned i = 0; i < nr; i++) {
			uint32_t as = wire_u32(&r);

			if (!r.bad)
				json_array_append_new(to, json_integer(as));
		}
	}
	return list;
}

static json_t *
communities_json(struct bgp_span s)
{
	json_t *list = json_array();
	struct wire_rd r = wire_rd_init(s.p, s.len);

	while (wire_more(&r)) {
		uint16_t as = wire_u16(&r), value = wire_u16(&r);

		json_array_append_new(list, json_sprintf("%u:%u", as, value));
	}
	return list;
}

static json_t *
ext_json(struct bgp_span s)
{
	json_t *list = json_array();
	struct wire_rd r = wire_rd_init(s.p, s.len);

	while (wire_more(&r)) {
		uint32_t hi = wire_u32(&r), lo = wire_u32(&r);

		json_array_append_new(list, json_sprintf("0x%08x%08x", hi, lo));
	}
	return list;
}

static json_t *
large_json(struct bgp_span s)
{
	json_t *list = json_array();
	struct wire_rd r = wire_rd_init(s.p, s.len);

	while (wire_more(&r)) {
		uint32_t g = wire_u32(&r), d1 = wire_u32(&r), d2 = wire_u32(&r);

		json_array_append_new(list, json_sprintf("%u:%u:%u", g, d1, d2));
	}
	return list;
}

static json_t *
id_json(uint32_t id)
{
	return json_sprintf("%u.%u.%u.%u", id >> 24, id >> 16 & 255, id >> 8 & 255, id & 255);
}

static json_t *
clusters_json(struct bgp_span s)
{
	struct wire_rd r = wire_rd_init(s.p, s.len);
	json_t *list = json_array();

	while (wire_more(&r))
		json_array_append_new(list, id_json(wire_u32(&r)));
	return list;
}

static void
attrs_json(const struct bgp_attrs *a, json_t *o)
{
	static const char *const origins[] = { "igp", "egp", "incomplete" };
	char text[ADDR_STRLEN];
	struct buf path;

	json_object_set_new(o, "nextHop",
	    addr_is_set(&a->next_hop) ? json_string(addr_format(&a->next_hop, text, sizeof(text)))
				      : json_string("self"));
	json_object_set_new(o, "origin", json_string(origins[a->origin < 3 ? a->origin : 2]));
	json_object_set_new(o, "asPath", path_json(a->as_path));
	buf_init(&path, TEXT_MAX);
	bgp_as_path_format(a->as_path, &path);
	json_object_set_new(o, "asPathText", json_string(buf_text(&path)));
	buf_fini(&path);
	json_object_set_new(o, "med", a->has_med ? json_integer(a->med) : json_null());
	json_object_set_new(
	    o, "localPreference", a->has_local_pref ? json_integer(a->local_pref) : json_null());
	json_object_set_new(o, "communities", communities_json(a->communities));
	json_object_set_new(o, "extendedCommunities", ext_json(a->ext_communities));
	json_object_set_new(o, "largeCommunities", large_json(a->large_communities));
	if (a->has_otc)
		json_object_set_new(o, "onlyToCustomer", json_integer(a->otc));
	if (a->has_originator_id)
		json_object_set_new(o, "originatorID", id_json(a->originator_id));
	if (a->cluster_list.len)
		json_object_set_new(o, "clusterList", clusters_json(a->cluster_list));
}

/* ---- routes ---- */

struct show {
	const struct rib *r;
	const struct bgp_show_filter *filter;
	json_t *out;
	enum bgp_family family;
	uint32_t node;
	struct prefix prefix;
};

static json_t *
route_new(struct show *s, uint32_t set, const char *peer, uint32_t since)
{
	json_t *o = json_object();
	char text[PREFIX_STRLEN];
	struct bgp_attrs a;

	attrset_view(&s->r->sets, set, &a);
	json_object_set_new(o, "instance", json_string(s->r->instance));
	json_object_set_new(o, "localASN", json_integer(s->r->local_as));
	json_object_set_new(
	    o, "prefix", json_string(prefix_format(&s->prefix, text, sizeof(text))));
	json_object_set_new(o, "family", json_string(bgp_family_name(s->family)));
	json_object_set_new(o, "peer", json_string(peer ? peer : ""));
	json_object_set_new(o, "ageSeconds", json_integer(rib_now_s(s->r) - since));
	attrs_json(&a, o);
	json_array_append_new(s->out, o);
	return o;
}

json_t *
rib_show_told(const struct rib *r, enum bgp_family f, uint32_t node, uint32_t set, const char *peer)
{
	struct show s = { .r = r, .out = json_array(), .family = f };
	json_t *o;

	ptab_prefix(&r->tab[f], node, &s.prefix);
	o = json_incref(route_new(&s, set, peer, rib_now_s(r)));
	json_decref(s.out);
	return o;
}

static void
marks(json_t *o, bool best, bool multi, unsigned ages)
{
	json_object_set_new(o, "best", json_boolean(best));
	json_object_set_new(o, "multipath", json_boolean(multi));
	json_object_set_new(o, "stale", json_boolean(ages & PATH_STALE));
	json_object_set_new(o, "longLivedStale", json_boolean(ages & PATH_LONG_LIVED));
}

static bool
peer_matches(const struct show *s, const struct adj *adj)
{
	char text[ADDR_STRLEN];

	return !s->filter->peer || strcmp(s->filter->peer, adj->name) == 0 ||
	    strcmp(s->filter->peer, addr_format(&adj->session.remote, text, sizeof(text))) == 0;
}

static const char *
why_name(unsigned why)
{
	static const char *const names[PATH_NR_WHY] = {
		[PATH_OK] = "accepted",
		[PATH_NO_RULE] = "no-import-rule",
		[PATH_REJECTED] = "rejected-by-policy",
		[PATH_AS_LOOP] = "as-path-loop",
		[PATH_ORIGINATOR] = "own-originator-id",
		[PATH_CLUSTER] = "own-cluster-id",
		[PATH_OWN_HOP] = "next-hop-is-self",
		[PATH_LEAK] = "route-leak",
	};

	return why < PATH_NR_WHY ? names[why] : "?";
}

/* A path of our own: who wants it, and for whom. */
static void
show_own(struct show *s, const struct node *n, const struct path *p)
{
	static const char *const sources[BGP_NR_SOURCES] = { "podCIDR", "service", "learned" };
	const struct claim *c = rib_claim(s->r, p->in);
	json_t *o;

	if (!p->set || s->filter->peer)
		return;
	o = route_new(s, p->set, NULL, p->since);
	marks(o, p->flags & PATH_BEST, p->flags & PATH_MULTI, 0);
	json_object_set_new(o, "source", json_string(sources[c->source % BGP_NR_SOURCES]));
	json_object_set_new(o, "audience", json_string(name_text(c->audience)));
	json_object_set_new(o, "policy", json_string(name_text(c->policy)));
	if (s->filter->all)
		rib_why(s->r, n, p, o);
}

static void
show_table(struct show *s, const struct node *n)
{
	bool received = s->filter->table == BGP_SHOW_RECEIVED;

	for (uint32_t i = n->paths; i; i = rib_path(s->r, i)->next) {
		const struct path *p = rib_path(s->r, i);
		/* Our own have none; nor has a table without peers. */
		const struct adj *adj = p->adj ? s->r->adjs[p->adj] : NULL;
		json_t *o;

		if (!adj) {
			if (!received)
				show_own(s, n, p);
			continue;
		}
		if (adj_path_is_gone(adj, s->family, p)) /* of a session that is over */
			continue;
		if (!peer_matches(s, adj) || (!received && !p->set && !s->filter->all))
			continue;
		o = route_new(s, received || !p->set ? p->in : p->set, adj->name, p->since);
		marks(o, p->flags & PATH_BEST, p->flags & PATH_MULTI, p->flags & PATH_AGES);
		json_object_set_new(o, "source", json_string("learned"));
		if (adj->session.add_rx & BGP_FAMILY_MASK(s->family))
			json_object_set_new(
			    o, "pathID", json_integer(umap_get(&s->r->path_ids, i)));
		json_object_set_new(o, "accepted", json_boolean(p->why == PATH_OK));
		if (p->why != PATH_OK)
			json_object_set_new(o, "rejected", json_string(why_name(p->why)));
		if (s->filter->all && p->set)
			rib_why(s->r, n, p, o);
		else if (s->filter->all)
			json_object_set_new(
			    o, "why", json_sprintf("not usable: %s", rib_why_not(p->why)));
	}
}

static void
show_several(struct show *s, const struct adj *adj, const struct member *m)
{
	const struct add_path *p = NULL;

	while ((p = addpath_next(m, s->node, p))) {
		json_t *o = route_new(s, p->set, adj->name, rib_now_s(s->r));

		marks(o, rib_path(s->r, p->path_id)->flags & PATH_BEST, false, false);
		json_object_set_new(o, "pathID", json_integer(p->path_id));
	}
}

static void
show_advertised(struct show *s)
{
	for (uint32_t i = 1; i < s->r->nr_adjs; i++) {
		const struct adj *adj = s->r->adjs[i];
		const struct member *m;
		uint32_t set;

		if (!adj || !adj->rib || !(m = adj->member[s->family]) || !peer_matches(s, adj))
			continue;
		if (m->group->add) {
			show_several(s, adj, m);
			continue;
		}
		set = member_view(m, m->group, umap_get(&m->group->out, s->node),
		    (uint16_t)umap_get(&m->group->src, s->node));
		if (set)
			marks(route_new(s, set, adj->name, rib_now_s(s->r)), true, false, 0);
	}
}

static void
show_node(struct show *s, uint32_t id)
{
	s->node = id;
	ptab_prefix(&s->r->tab[s->family], id, &s->prefix);
	if (s->filter->table == BGP_SHOW_ADVERTISED)
		show_advertised(s);
	else
		show_table(s, ptab_node(&s->r->tab[s->family], id));
}

struct sorted {
	struct prefix prefix;
	uint32_t id;
};

static int
sorted_cmp(const void *a, const void *b)
{
	const struct sorted *x = a, *y = b;

	return prefix_cmp(&x->prefix, &y->prefix);
}

static int
show_family(struct show *s)
{
	const struct ptab *t = &s->r->tab[s->family];
	struct sorted *all;
	size_t nr = 0;

	all = mem_calloc(t->nodes.nr + 1, sizeof(*all));
	if (!all)
		return -ENOMEM;
	for (uint32_t id = 1; id < ptab_end(t); id++) {
		if (ptab_node(t, id)->len == NODE_FREE)
			continue;
		ptab_prefix(t, id, &all[nr].prefix);
		all[nr++].id = id;
	}
	qsort(all, nr, sizeof(*all), sorted_cmp);
	for (size_t i = 0; i < nr; i++)
		show_node(s, all[i].id);
	mem_free(all);
	return 0;
}

/* Is something that packets could follow among what was shown? */
static bool
has_usable(const struct show *s, size_t from)
{
	for (size_t i = from; i < json_array_size(s->out); i++) {
		if (!json_object_get(json_array_get(s->out, i), "rejected"))
			return true;
	}
	return false;
}

/* One prefix: exactly that one, or else the longest that it is in and that has a route; longer ones whose
 * routes may not be used come before it. */
static void
show_prefix(struct show *s)
{
	const struct ptab *t = &s->r->tab[s->family];
	const size_t before = json_array_size(s->out);
	struct prefix p = *s->filter->prefix;

	for (;;) {
		const uint32_t id = ptab_find(t, &p, ptab_hash(t, &p));

		if (id)
			show_node(s, id);
		if (!s->filter->longest || p.len == 0 || has_usable(s, before))
			return;
		p = prefix_of(&p.addr, p.len - 1u);
	}
}

int
rib_show_routes(const struct rib *r, const struct bgp_show_filter *filter, json_t *array)
{
	struct show s = { .r = r, .filter = filter, .out = array };

	if (filter->prefix) {
		s.family =
		    filter->prefix->addr.family == ADDR_V4 ? BGP_IPV4_UNICAST : BGP_IPV6_UNICAST;
		if (filter->family < 0 || filter->family == (int)s.family)
			show_prefix(&s);
		return 0;
	}
	for (int f = 0; f < BGP_NR_FAMILIES; f++) {
		s.family = (enum bgp_family)f;
		if ((filter->family < 0 || filter->family == f) && show_family(&s) < 0)
			return -ENOMEM;
	}
	return 0;
}

/* ---- policies ---- */

static json_t *
policy_json(const struct rib *r, const char *name, const char *type, bool accept, json_t *out)
{
	json_t *o = json_object();

	json_object_set_new(o, "instance", json_string(r->instance));
	json_object_set_new(o, "localASN", json_integer(r->local_as));
	json_object_set_new(o, "name", json_string(name));
	json_object_set_new(o, "type", json_string(type));
	json_object_set_new(o, "peers", json_array());
	json_object_set_new(o, "families", json_array());
	json_object_set_new(o, "prefixes", json_array());
	json_object_set_new(o, "action", json_string(accept ? "accept" : "reject"));
	json_array_append_new(out, o);
	return o;
}

/* The configured rules of one peer. */
static void
show_rules(const struct rib *r, const struct adj *adj, const struct policy *p, const char *type,
    json_t *out)
{
	for (size_t i = 0; p && i < policy_nr_rules(p); i++) {
		const struct bgp_rule *rule = policy_rule(p, i);
		char name[256];
		json_t *o;

		snprintf(name, sizeof(name), "%s-%s-%zu", adj->name, type, i);
		o = policy_json(r, name, type, rule->accept, out);
		json_array_append_new(json_object_get(o, "peers"), json_string(adj->name));
		policy_show_rule(rule, o);
	}
}

/* Put @text in a list of strings once. */
static void
list_add(json_t *list, const char *text)
{
	const json_t *v;
	size_t i;

	json_array_foreach(list, i, v)
	{
		if (strcmp(json_string_value(v), text) == 0)
			return;
	}
	json_array_append_new(list, json_string(text));
}

/* One advertised policy is everything that was announced under its name. */
static void
show_claim(const struct rib *r, const struct claim *c, json_t *by_name, json_t *out)
{
	enum bgp_family f = (enum bgp_family)c->family;
	json_t *o = json_object_get(by_name, name_text(c->policy));
	char text[PREFIX_STRLEN];
	const json_t *last;
	struct prefix p;
	json_t *list;

	if (!o) {
		o = policy_json(r, name_text(c->policy), "export", true, out);
		json_object_set(by_name, name_text(c->policy), o);
	}
	ptab_prefix(&r->tab[f], c->node, &p);
	prefix_format(&p, text, sizeof(text));
	/* Claims come prefix by prefix, so that a look at the last one is enough. */
	list = json_object_get(o, "prefixes");
	last = json_array_get(list, json_array_size(list) - 1);
	if (!last || strcmp(json_string_value(last), text) != 0)
		json_array_append_new(list, json_string(text));
	list_add(json_object_get(o, "families"), bgp_family_name(f));
	for (uint32_t i = 1; i < r->nr_adjs; i++) {
		const struct adj *adj = r->adjs[i];

		if (adj && adj->rib && adj->audience[f] == c->audience)
			list_add(json_object_get(o, "peers"), adj->name);
	}
}

int
rib_show_policies(const struct rib *r, json_t *array)
{
	json_t *by_name = json_object();

	for (uint32_t i = 1; i < r->nr_adjs; i++) {
		const struct adj *adj = r->adjs[i];

		if (!adj || !adj->rib)
			continue;
		show_rules(r, adj, adj->import, "import", array);
		show_rules(r, adj, adj->export, "export", array);
	}
	for (int f = 0; f < BGP_NR_FAMILIES; f++) {
		for (uint32_t id = 1; id < ptab_end(&r->tab[f]); id++) {
			const struct node *n = ptab_node(&r->tab[f], id);

			if (n->len == NODE_FREE || !(n->flags & NODE_LOCAL))
				continue;
			for (uint32_t i = n->paths; i; i = rib_path(r, i)->next) {
				if (rib_path(r, i)->adj)
					continue;
				for (uint32_t c = rib_path(r, i)->in; c; c = rib_claim(r, c)->next)
					show_claim(r, rib_claim(r, c), by_name, array);
			}
		}
	}
	json_decref(by_name);
	return 0;
}
