/*
 * bgpd/adj.c: what a peer sends, and its settings.  Between the session (peer.c) and the table
 * (rib.c): UPDATEs become paths, with the attributes as received and as import policy makes them.
 */
#include "bgpd/adj.h"

#include <errno.h>
#include <string.h>

#include "bgpd/msg.h"
#include "bgpd/out.h"
#include "bgpd/rib.h"
#include "bgpd/sweep.h"
#include "lib/mem.h"

/* ---- import ---- */

static bool
is_own_address(const struct adj *adj, const struct addr *a)
{
	const struct adj_session *s = &adj->session;

	if (!addr_is_set(a))
		return false;
	for (int f = 0; f < BGP_NR_FAMILIES; f++) {
		if (addr_eq(a, &s->self[f]))
			return true;
	}
	return addr_eq(a, &s->local) || addr_eq(a, &s->self_ll);
}

static bool
in_cluster_list(struct bgp_span list, uint32_t id)
{
	return attrset_has_community(list, id); /* both are lists of 4-octet numbers */
}

/* Reasons that lie in the attributes alone. */
static enum path_why
attrs_why(const struct adj *adj, const struct bgp_attrs *a)
{
	const struct adj_session *s = &adj->session;

	/* RFC 4271 9.1.2: our own AS in the path: not feasible, but for what is allowed; by either
	 * name (RFC 7705 3.3). */
	if (bgp_as_path_count(a->as_path, s->local_as) +
		(s->own_as ? bgp_as_path_count(a->as_path, s->own_as) : 0) >
	    adj->allow_as_in)
		return PATH_AS_LOOP;
	/* RFC 4456 8: a router that sees its own ORIGINATOR_ID or CLUSTER_ID ignores the route. */
	if (s->ibgp && a->has_originator_id && a->originator_id == s->local_id)
		return PATH_ORIGINATOR;
	if (s->ibgp && in_cluster_list(a->cluster_list, adj->rib->cluster_id))
		return PATH_CLUSTER;
	/* RFC 9234 5, 1 and 2: a leak by a customer or a client, or by a peer of another's. */
	if (a->has_otc &&
	    (s->role == BGP_ROLE_PROVIDER || s->role == BGP_ROLE_RS ||
		(s->role == BGP_ROLE_PEER && a->otc != s->peer_as)))
		return PATH_LEAK;
	/* RFC 4271 5.1.3: not a route with ourselves as the next hop. */
	if (is_own_address(adj, &a->next_hop) || is_own_address(adj, &a->next_hop_ll))
		return PATH_OWN_HOP;
	return PATH_OK;
}

static void
import_begin(struct adj *adj, struct import *im, uint32_t in)
{
	struct rib *r = adj->rib;
	struct bgp_attrs a;

	attrset_view(&r->sets, in, &a);
	attrset_unref(&r->sets, im->set);
	*im = (struct import){ .in = in, .loop = (uint8_t)attrs_why(adj, &a), .rule = -1 };
}

void
adj_import_end(struct adj *adj, struct import *im)
{
	attrset_unref(&adj->rib->sets, im->set);
	im->set = 0;
	im->in = 0;
}

/* How often local_as goes in front of what comes in by a rule that prepends @count times. */
static unsigned
prepends_in(const struct adj *adj, unsigned count)
{
	const struct adj_session *s = &adj->session;

	/* RFC 7705 3.1: others see that the route came by way of the AS that the peer knows. */
	return count + (s->own_as && !s->ibgp && s->local_as_mode == BGP_LOCAL_AS_PREPEND);
}

/* The attributes of im->in after @rule, to im->set. */
static int
import_apply(struct adj *adj, struct import *im, int rule)
{
	const struct bgp_rule *ru = policy_rule(adj->import, (size_t)rule);
	struct rib *r = adj->rib;
	const unsigned prepends = prepends_in(adj, ru->set.prepend);
	struct bgp_attrs a, was; /* was: most rules change nothing, and give the set that came */
	struct wire_wr w;

	attrset_unref(&r->sets, im->set);
	im->set = 0;
	im->rule = -1;
	attrset_view(&r->sets, im->in, &a);
	memcpy(&was, &a, sizeof(was));
	/* RFC 9234 5, 3: from a provider, a route server or a peer. */
	if (!a.has_otc &&
	    (adj->session.role == BGP_ROLE_CUSTOMER || adj->session.role == BGP_ROLE_RS_CLIENT ||
		adj->session.role == BGP_ROLE_PEER)) {
		a.has_otc = true;
		a.otc = adj->session.peer_as;
	}
	r->room.used = 0;
	if (policy_set(ru, &a, &r->room) < 0)
		return -ENOMEM;
	/* RFC 8326 4.1: the last choice, whatever preference rules gave; one may take the mark off. */
	if (adj->honor_shutdown && !adj->session.ibgp && a.communities.len &&
	    attrset_has_community(a.communities, BGP_GRACEFUL_SHUTDOWN)) {
		a.has_local_pref = true;
		a.local_pref = 0;
	}
	if (ru->set.next_hop == BGP_NH_ADDR && ru->set.next_hop_addr.family == a.next_hop.family) {
		a.next_hop = ru->set.next_hop_addr;
		a.next_hop_ll = (struct addr){ 0 };
	}
	if (prepends) {
		w = wire_wr_init(r->room.bytes + r->room.used, POLICY_ROOM - r->room.used);
		if (bgp_as_path_prepend(a.as_path, adj->session.local_as, prepends, &w) < 0)
			return -ENOMEM;
		a.as_path = (struct bgp_span){ .p = w.start, .len = (uint32_t)w.len };
	}
	/* Padding that differs costs a search, which finds the same set. */
	im->set = memcmp(&was, &a, sizeof(a)) == 0 // NOLINT(bugprone-suspicious-memory-comparison)
	    ? attrset_ref(&r->sets, im->in)
	    : attrset_intern(&r->sets, &a);
	if (!im->set)
		return -ENOMEM;
	im->rule = rule;
	return 0;
}

/* What becomes of a prefix: *set (borrowed, 0: not feasible) and why. */
static int
import_prefix(
    struct adj *adj, struct import *im, const struct prefix *p, uint32_t *set, uint8_t *why)
{
	int rule;

	*set = 0;
	*why = im->loop;
	if (im->loop != PATH_OK)
		return 0;
	/* RFC 8212: without a rule nothing is accepted. */
	rule = adj->import ? policy_match(adj->import, &adj->rib->sets, im->in, p, BGP_SRC_LEARNED)
			   : -1;
	if (rule < 0) {
		*why = PATH_NO_RULE;
		return 0;
	}
	if (!policy_rule(adj->import, (size_t)rule)->accept) {
		*why = PATH_REJECTED;
		return 0;
	}
	if (im->rule != rule && import_apply(adj, im, rule) < 0)
		return -ENOMEM;
	*set = im->set;
	return 0;
}

/* ---- paths ---- */

/* An ended session told it, and now this one does. */
static void
path_renew(struct adj *adj, enum bgp_family f, struct path *p)
{
	p->flags = (uint8_t)((p->flags & ~PATH_AGES) ^ PATH_ODD);
	adj->nr_old[f]--;
	adj->nr_paths[f]++;
	adj->nr_ok[f] += !!p->set;
}

/* Put @in and @set on the path; takes references of its own. */
static void
path_put(struct adj *adj, enum bgp_family f, uint32_t node, struct path *p, uint32_t in,
    uint32_t set, uint8_t why, unsigned ages)
{
	struct rib *r = adj->rib;
	bool changed = p->set != set, old = adj_path_is_old(adj, f, p);

	if (r->tap && (changed || p->in != in || p->flags & PATH_STALE || old))
		r->tap->path(r->tap->arg, adj, f, node, p, in, set);
	if (old)
		path_renew(adj, f, p);
	adj_path_age(adj, f, p, ages);
	p->why = why;
	if (p->in != in) {
		attrset_ref(&r->sets, in);
		attrset_unref(&r->sets, p->in);
		p->in = in;
		p->since = rib_now_s(r);
	}
	if (!changed)
		return;
	adj->nr_ok[f] += (uint32_t) !!set - (uint32_t) !!p->set;
	attrset_ref(&r->sets, set);
	attrset_unref(&r->sets, p->set);
	p->set = set;
	rib_touch(r, f, node);
}

void
adj_path_remove(struct adj *adj, enum bgp_family f, uint32_t node, uint32_t path)
{
	struct rib *r = adj->rib;
	struct path *p = rib_path(r, path);

	if (r->tap)
		r->tap->path(r->tap->arg, adj, f, node, p, 0, 0);
	if (adj_path_is_old(adj, f, p)) {
		adj->nr_old[f]--;
	} else {
		adj_path_age(adj, f, p, 0);
		if (--adj->nr_paths[f] <= adj->limit[f].look_at)
			adj->limit[f].said = 0;
		adj->nr_ok[f] -= !!p->set;
	}
	attrset_unref(&r->sets, p->in);
	attrset_unref(&r->sets, p->set);
	rib_path_drop(r, ptab_node(&r->tab[f], node), path);
	rib_touch(r, f, node);
}

int
adj_paths_walk(struct adj *adj, enum bgp_family f, adj_path_fn *fn, void *arg)
{
	struct rib *r = adj->rib;
	uint32_t left = adj->nr_paths[f];

	for (uint32_t id = 1; left && id < ptab_end(&r->tab[f]); id++) {
		const struct node *n = ptab_node(&r->tab[f], id);
		uint32_t next;
		int err;

		if (n->len == NODE_FREE)
			continue;
		for (uint32_t path = n->paths; path; path = next) {
			next = rib_path(r, path)->next;
			if (rib_path(r, path)->adj != adj->id ||
			    adj_path_is_old(adj, f, rib_path(r, path)))
				continue;
			left--;
			err = fn(adj, f, id, path, arg);
			if (err < 0)
				return err;
		}
	}
	return 0;
}

/* ---- UPDATE ---- */

/* RFC 4486 4: AFI, SAFI and the limit as data. */
static int
fault_max_prefixes(const struct adj *adj, enum bgp_family f, struct bgp_fault *fault)
{
	uint8_t data[7];
	struct wire_wr w = wire_wr_init(data, sizeof(data));

	wire_put_u16(&w, bgp_family_afi(f));
	wire_put_u8(&w, 1);
	wire_put_u32(&w, adj->limit[f].max);
	return bgp_fault_set(fault, BGP_ERR_CEASE, BGP_CEASE_MAX_PREFIXES, data, w.len,
	    "more prefixes than allowed");
}

static void
limit_say(struct adj *adj, enum bgp_family f, uint8_t what)
{
	const struct adj_limit *l = &adj->limit[f];

	log_warn(what == 2 ? "prefix-limit-exceeded" : "prefix-limit-near",
	    LOG_S("instance", adj->rib->instance), LOG_S("peer", adj->name),
	    LOG_S("family", bgp_family_name(f)), LOG_U("received", adj->nr_paths[f] + 1),
	    LOG_U("limit", l->max));
}

/* One more prefix than adj->limit[f].look_at is about to come in. */
static int
limit_look(struct adj *adj, enum bgp_family f, struct bgp_fault *fault)
{
	struct adj_limit *l = &adj->limit[f];
	const uint32_t nr = adj->nr_paths[f] + 1;
	const uint8_t what = l->max && nr > l->max ? 2 : l->warn && nr >= l->warn ? 1 : 0;

	if (what > l->said) {
		l->said = what;
		limit_say(adj, f, what);
	}
	return what == 2 && !l->only_warn ? fault_max_prefixes(adj, f, fault) : 0;
}

int
adj_limit_check(const struct adj *adj, struct bgp_fault *fault)
{
	for (int f = 0; f < BGP_NR_FAMILIES; f++) {
		const struct adj_limit *l = &adj->limit[f];

		if (l->max && adj->nr_paths[f] > l->max && !l->only_warn)
			return fault_max_prefixes(adj, (enum bgp_family)f, fault);
	}
	return 0;
}

static int
fault_memory(struct bgp_fault *fault)
{
	return bgp_fault_set(
	    fault, BGP_ERR_CEASE, BGP_CEASE_RESOURCES, NULL, 0, "no memory for the peer's routes");
}

/* The peer's path for the node; with several (RFC 7911 3) the one of this identifier.  0: none. */
static uint32_t
path_find(const struct adj *adj, enum bgp_family f, uint32_t node, uint32_t path_id)
{
	const struct rib *r = adj->rib;
	const struct node *n = ptab_node(&r->tab[f], node);

	if (adj->session.add_rx & BGP_FAMILY_MASK(f))
		return rib_path_of_id(r, n, adj->id, path_id);
	return rib_path_of(r, n, adj->id);
}

#define AHEAD 16

/* Prefixes are read a few ahead, so that memory is on its way when their turn comes. */
static void
withdraw(struct adj *adj, struct bgp_nlri *nlri)
{
	const struct ptab *t = &adj->rib->tab[nlri->family];
	struct prefix p[AHEAD];
	uint64_t hash[AHEAD];
	uint32_t path_id[AHEAD];
	unsigned nr = nlri->present ? AHEAD : 0;

	while (nr == AHEAD) {
		for (nr = 0; nr < AHEAD && bgp_nlri_next(nlri, &p[nr]); nr++) {
			path_id[nr] = nlri->path_id;
			hash[nr] = ptab_hash(t, &p[nr]);
			ptab_prefetch(t, hash[nr]);
		}
		for (unsigned i = 0; i < nr; i++) {
			uint32_t node = ptab_find(t, &p[i], hash[i]);
			uint32_t path = node ? path_find(adj, nlri->family, node, path_id[i]) : 0;

			if (path)
				adj_path_remove(adj, nlri->family, node, path);
		}
	}
}

static int
announce_one(struct adj *adj, enum bgp_family f, struct import *im, const struct prefix *p,
    uint64_t hash, uint32_t path_id, struct bgp_fault *fault)
{
	struct rib *r = adj->rib;
	struct ptab *t = &r->tab[f];
	uint32_t node, path, set;
	uint8_t why;

	if (import_prefix(adj, im, p, &set, &why) < 0)
		return fault_memory(fault);
	node = ptab_get(t, p, hash);
	if (!node)
		return fault_memory(fault);
	path = path_find(adj, f, node, path_id);
	if (!path) {
		int err = 0;

		/* An empty node that we just made is reaped when it is decided. */
		rib_touch(r, f, node);
		if (adj->nr_paths[f] >= adj->limit[f].look_at && limit_look(adj, f, fault) < 0)
			return -EBADMSG;
		if (adj->session.add_rx & BGP_FAMILY_MASK(f))
			err = rib_path_add_id(adj, ptab_node(t, node), path_id, &path);
		else
			path = rib_path_add(r, ptab_node(t, node), adj->id);
		if (!path)
			return err == -ENOSPC ? 0 : fault_memory(fault);
		rib_path(r, path)->flags = adj->odd[f] ? PATH_ODD : 0;
		adj->nr_paths[f]++;
	} else if (adj->nr_old[f] && adj->nr_paths[f] >= adj->limit[f].look_at &&
	    adj_path_is_old(adj, f, rib_path(r, path)) && limit_look(adj, f, fault) < 0) {
		return -EBADMSG;
	}
	path_put(adj, f, node, rib_path(r, path), im->in, set, why, 0);
	return 0;
}

/* The next prefix that can be a route.  RFC 4271 6.3: what cannot is ignored, and logged. */
static bool
next_route(struct adj *adj, struct bgp_nlri *nlri, struct prefix *p)
{
	unsigned kept_back;

	while (bgp_nlri_next(nlri, p)) {
		if (!bgp_prefix_is_martian(p))
			return true;
		if (log_allow(&adj->noise, loop_now_ms(adj->rib->loop), 10, &kept_back))
			log_warn("prefix-ignored", LOG_S("instance", adj->rib->instance),
			    LOG_S("peer", adj->name), LOG_S("prefix", prefix_str(p)),
			    LOG_S("why", "no unicast destination"), LOG_U("suppressed", kept_back));
	}
	return false;
}

static int
announce_all(struct adj *adj, struct bgp_nlri *nlri, struct import *im, struct bgp_fault *fault)
{
	const struct ptab *t = &adj->rib->tab[nlri->family];
	struct prefix p[AHEAD];
	uint64_t hash[AHEAD];
	uint32_t path_id[AHEAD];
	unsigned nr;
	int err = 0;

	do {
		for (nr = 0; nr < AHEAD && next_route(adj, nlri, &p[nr]); nr++) {
			path_id[nr] = nlri->path_id;
			hash[nr] = ptab_hash(t, &p[nr]);
			ptab_prefetch(t, hash[nr]);
		}
		for (unsigned i = 0; i < nr && !err; i++)
			err =
			    announce_one(adj, nlri->family, im, &p[i], hash[i], path_id[i], fault);
	} while (nr == AHEAD && !err);
	return err;
}

static int
announce(
    struct adj *adj, struct bgp_nlri *nlri, const struct bgp_attrs *attrs, struct bgp_fault *fault)
{
	struct rib *r = adj->rib;
	struct import im = { 0 };
	uint32_t in;
	int err;

	if (!nlri->present)
		return 0;
	in = attrset_intern(&r->sets, attrs);
	if (!in)
		return fault_memory(fault);
	if (adj->import)
		policy_forget(adj->import);
	import_begin(adj, &im, in);
	err = announce_all(adj, nlri, &im, fault);
	adj_import_end(adj, &im);
	attrset_unref(&r->sets, in);
	return err;
}

/* The verdict on the routes of an UPDATE, with what is ours to check. */
static void
judge_first_as(struct adj *adj, struct bgp_update *u)
{
	bool routes = u->nlri.present || u->reach.present;

	/* RFC 4271 6.3: the leftmost AS of an external peer's path has to be the peer's; as an
	 * AS_PATH error it is treated as a withdrawal (RFC 7606 7.2). */
	if (u->verdict < BGP_V_WITHDRAW && routes && !adj->session.ibgp && !adj->any_first_as &&
	    bgp_as_path_first(u->attrs.as_path) != adj->session.peer_as) {
		u->verdict = BGP_V_WITHDRAW;
		u->bad_attr = BGP_ATTR_AS_PATH;
		u->fault.why = "the first AS of the path is not the peer's";
	}
}

static enum bgp_family
update_family(const struct bgp_update *u)
{
	return u->reach.present	 ? u->reach.family
	    : u->unreach.present ? u->unreach.family
				 : BGP_IPV4_UNICAST;
}

static int
update_routes(struct adj *adj, struct bgp_update *u, struct bgp_fault *fault)
{
	struct bgp_attrs *a = &u->attrs;
	int err;

	withdraw(adj, &u->withdrawn);
	withdraw(adj, &u->unreach);
	if (u->verdict == BGP_V_WITHDRAW) {
		adj->counts[update_family(u)].withdraws_as_error++;
		withdraw(adj, &u->nlri);
		withdraw(adj, &u->reach);
		return 0;
	}
	if (u->verdict == BGP_V_ATTR_DISCARD)
		adj->counts[update_family(u)].attrs_discarded++;
	if (!adj->session.ibgp) {
		/* RFC 4271 5.1.5, RFC 4456 8: these mean nothing from outside. */
		a->has_local_pref = a->has_originator_id = false;
		a->local_pref = a->originator_id = 0;
		a->cluster_list = (struct bgp_span){ 0 };
	}
	err = announce(adj, &u->nlri, a, fault);
	if (err < 0)
		return err;
	a->next_hop = u->reach_next_hop;
	a->next_hop_ll = u->reach_next_hop_ll;
	return announce(adj, &u->reach, a, fault);
}

int
adj_update(struct adj *adj, struct wire_rd body, struct bgp_fault *fault)
{
	const struct adj_session *s = &adj->session;
	const struct bgp_update_ctx ctx = {
		.as4 = s->as4,
		.ibgp = s->ibgp,
		.families = s->families,
		.add_path = s->add_rx,
		.ext_next_hop = s->ext_next_hop,
		.local_as = s->local_as,
	};
	struct bgp_update *u = &adj->rib->update;

	bgp_update_decode(body, &ctx, u);
	judge_first_as(adj, u);
	if (u->verdict != BGP_V_OK)
		adj_log_malformed(adj, u, body);
	if (u->verdict == BGP_V_RESET) {
		*fault = u->fault;
		return -EBADMSG;
	}
	if (u->eor >= 0) {
		enum bgp_family f = (enum bgp_family)u->eor;

		/* RFC 4724 4.2: what the peer did not send again is gone. */
		adj_purge_stale(adj, BGP_FAMILY_MASK(f));
		adj->counts[f].eor_in = true;
		if (adj->rib->tap)
			adj->rib->tap->eor(adj->rib->tap->arg, adj, f);
		if (adj->ops.eor)
			adj->ops.eor(adj->ops.arg, f);
		return 0;
	}
	adj->counts[update_family(u)].updates_in++;
	return update_routes(adj, u, fault);
}

/* ---- settings ---- */

/* RFC 9494 4.2: whatever the new policy makes of a long-lived stale route, it says that it is one,
 * and the policy may forbid it too. */
static void
path_put_long(
    struct adj *adj, enum bgp_family f, uint32_t node, uint32_t path, uint32_t set, uint8_t why)
{
	struct rib *r = adj->rib;
	struct path *p = rib_path(r, path);
	uint32_t marked = set ? stale_mark(r, set) : 0;

	if (stale_is_forbidden(r, p->in, set) || (set && !marked))
		adj_path_remove(adj, f, node, path);
	else
		path_put(adj, f, node, p, p->in, marked, why, p->flags & PATH_AGES);
	attrset_unref(&r->sets, marked);
}

void
adj_import_begin(struct adj *adj)
{
	if (adj->import)
		policy_forget(adj->import);
}

int
adj_import_again(struct adj *adj, enum bgp_family f, uint32_t node, uint32_t path, void *arg)
{
	struct path *p = rib_path(adj->rib, path);
	struct import *im = arg;
	struct prefix prefix;
	uint32_t set;
	uint8_t why;

	if (im->in != p->in)
		import_begin(adj, im, p->in);
	ptab_prefix(&adj->rib->tab[f], node, &prefix);
	if (import_prefix(adj, im, &prefix, &set, &why) < 0)
		return -ENOMEM;
	if (p->flags & PATH_LONG_LIVED)
		path_put_long(adj, f, node, path, set, why);
	else
		path_put(adj, f, node, p, p->in, set, why, p->flags & PATH_AGES);
	return 0;
}

/* Take over a policy when it differs; *changed then.  -ENOMEM: the old one stays. */
static int
policy_take(struct policy **to, const struct bgp_policy *conf, bool *changed)
{
	struct policy *p = policy_new(conf);

	if (!p)
		return -ENOMEM;
	*changed = !*to || !policy_eq(*to, p);
	if (!*changed) {
		policy_unref(p);
		return 0;
	}
	policy_unref(*to);
	*to = p;
	return 0;
}

static void
audience_take(struct adj *adj, enum bgp_family f, const char *audience)
{
	struct name *n = audience ? name_get(adj->rib, audience) : NULL;

	if (audience && !n) {
		log_error("out-of-memory", LOG_S("peer", adj->name), LOG_S("lost", "audience"));
		return;
	}
	if (n != adj->audience[f])
		adj->news |= ADJ_NEW_AUDIENCE;
	name_put(adj->rib, adj->audience[f]);
	adj->audience[f] = n;
}

static void
limit_take(struct adj_limit *l, const struct bgp_family_conf *c)
{
	const struct adj_limit old = *l;

	*l = (struct adj_limit){ .max = c->max_prefixes,
		.warn = c->max_prefixes ? c->warn_prefixes : 0,
		.only_warn = c->limit_action == BGP_LIMIT_WARN,
		.look_at = UINT32_MAX };
	if (l->max)
		l->look_at = l->warn && l->warn <= l->max ? l->warn - 1 : l->max;
	if (old.max == l->max && old.warn == l->warn)
		l->said = old.said;
}

unsigned
adj_conf_news(const struct adj *adj)
{
	return adj->news;
}

unsigned
adj_conf(struct adj *adj, const struct bgp_peer_conf *conf)
{
	bool in_changed = false, out_changed = false;

	/* A policy that finds no memory leaves the old one standing: safer than none. */
	if (policy_take(&adj->import, &conf->import, &in_changed) < 0 ||
	    policy_take(&adj->export, &conf->export, &out_changed) < 0)
		log_error("out-of-memory", LOG_S("peer", adj->name), LOG_S("lost", "policy"));
	adj->news = (in_changed ? ADJ_NEW_IMPORT : 0) | (out_changed ? ADJ_NEW_EXPORT : 0);
	if (adj->allow_as_in != conf->allow_as_in || adj->honor_shutdown != conf->honor_shutdown)
		in_changed = true;
	adj->allow_as_in = conf->allow_as_in;
	adj->any_first_as = conf->any_first_as;
	adj->honor_shutdown = conf->honor_shutdown;
	adj->graceful_shutdown = conf->graceful_shutdown;
	out_client_set(adj, conf->rr_client);
	adj->stale_to_all = conf->stale_to_all;
	for (int f = 0; f < BGP_NR_FAMILIES; f++) {
		limit_take(&adj->limit[f], &conf->family[f]);
		adj->add_max[f] = conf->family[f].add_max;
		adj->add_multi[f] = conf->family[f].add_multi;
		audience_take(adj, (enum bgp_family)f, conf->family[f].audience);
	}
	if (in_changed)
		sweep_import(adj);
	if (adj->up)
		out_regroup(adj);
	return 0;
}

/* ---- life ---- */

struct adj *
adj_new(struct rib *r, const char *name, const struct adj_ops *ops)
{
	struct adj *adj = rib_adj_add(r);

	adj->name = xstrdup(name);
	adj->ops = *ops;
	stale_init(adj);
	return adj;
}

void
adj_free(struct adj *adj)
{
	struct rib *r;

	if (!adj)
		return;
	r = adj->rib;
	adj_down(adj, 0, 0);
	stale_fini(adj);
	out_client_set(adj, false);
	for (int f = 0; f < BGP_NR_FAMILIES; f++) {
		name_put(r, adj->audience[f]);
		adj->audience[f] = NULL;
	}
	policy_unref(adj->import);
	policy_unref(adj->export);
	adj->import = adj->export = NULL;
	adj->leaving = true;
	for (int f = 0; f < BGP_NR_FAMILIES; f++) {
		if (adj->drop_at[f])
			return; /* buried by the sweep */
	}
	adj_bury(adj);
}

void
adj_bury(struct adj *adj)
{
	mem_free(adj->name);
	adj->name = NULL;
	rib_adj_drop(adj->rib, adj);
}

void
adj_up(struct adj *adj, const struct adj_session *session)
{
	/* What was kept under path identifiers cannot be named without them, nor the other way round. */
	adj_purge_stale(adj, adj->session.add_rx ^ session->add_rx);
	sweep_finish(adj, adj->session.add_rx | session->add_rx);
	adj->session = *session;
	adj->up = true;
	for (int f = 0; f < BGP_NR_FAMILIES; f++) {
		adj->counts[f] = (struct adj_counts){ 0 };
		/* RFC 4724 4.2: a family that the new session lacks is not kept. */
		if (!(session->families & BGP_FAMILY_MASK(f)))
			adj_purge_stale(adj, BGP_FAMILY_MASK(f));
	}
	out_regroup(adj);
	work_post(&adj->rib->work);
}

void
adj_down(struct adj *adj, unsigned keep, unsigned keep_old)
{
	adj->up = false;
	adj->redo_groups = false;
	for (int i = 0; i < BGP_NR_FAMILIES; i++) {
		enum bgp_family f = (enum bgp_family)i;

		out_leave(adj, f);
		stale_begin(adj, f, keep & BGP_FAMILY_MASK(f), keep_old & BGP_FAMILY_MASK(f));
		adj->counts[f].eor_in = adj->counts[f].eor_out = false;
	}
}

void
adj_refresh(struct adj *adj, enum bgp_family f, uint8_t subtype)
{
	switch (subtype) {
	case BGP_REFRESH_REQUEST:
		out_refresh(adj, f);
		break;
	case BGP_REFRESH_BORR: /* RFC 7313 4: what does not come again until EoRR goes */
		stale_refresh_begin(adj, f);
		break;
	case BGP_REFRESH_EORR:
		stale_refresh_end(adj, f);
		break;
	default: /* RFC 7313 5: ignored */
		break;
	}
}

void
adj_counts(const struct adj *adj, enum bgp_family f, struct adj_counts *c)
{
	*c = adj->counts[f];
	c->received = adj->nr_paths[f];
	c->accepted = adj->nr_ok[f];
	c->stale = adj->nr_stale[f];
	c->long_lived = adj->nr_long[f];
	c->advertised = out_advertised(adj, f);
}
