/*
 * bgpd/adj.c: a peer's paths, its settings, and how it comes and goes.  Between the session (peer.c) and
 * the table (rib.c).  What it sends comes in by intake.c.
 */
#include "bgpd/adj.h"

#include <errno.h>
#include <string.h>

#include "bgpd/msg.h"
#include "bgpd/out.h"
#include "bgpd/rib.h"
#include "bgpd/stale.h"
#include "bgpd/sweep.h"
#include "lib/mem.h"

/* ---- paths ---- */

void
adj_path_renew(struct adj *adj, enum bgp_family f, struct path *p)
{
	p->flags = (uint8_t)((p->flags & ~PATH_AGES) ^ PATH_ODD);
	adj->nr_old[f]--;
	if (!adj->drop_at[f])
		return; /* it has been counted all the time */
	adj->nr_paths[f]++;
	adj->nr_ok[f] += !!p->set;
}

void
adj_path_put(struct adj *adj, enum bgp_family f, uint32_t node, struct path *p, uint32_t in,
    uint32_t set, uint8_t why, unsigned ages)
{
	struct rib *r = adj->rib;
	bool changed = p->set != set, old = adj_path_is_old(adj, f, p);

	if (r->tap && (changed || p->in != in || p->flags & PATH_STALE || old))
		r->tap->path(r->tap->arg, adj, f, node, p, in, set);
	if (old)
		adj_path_renew(adj, f, p);
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
	const bool gone = adj_path_is_gone(adj, f, p);

	if (r->tap)
		r->tap->path(r->tap->arg, adj, f, node, p, 0, 0);
	if (adj_path_is_old(adj, f, p))
		adj->nr_old[f]--;
	else
		adj_path_age(adj, f, p, 0);
	if (!gone) {
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

/* ---- settings ---- */

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
	c->stale = adj->nr_stale[f] + (adj->walk[f] == WALK_AGE ? adj->nr_old[f] : 0);
	c->long_lived = adj->nr_long[f];
	c->advertised = out_advertised(adj, f);
}
