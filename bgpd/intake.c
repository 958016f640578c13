/*
 * bgpd/intake.c: what a peer sends: UPDATEs become paths, with the attributes as received and as import
 * makes them.  Between the session (session_in.c) and the table (rib.c).
 */
#include <errno.h>
#include <string.h>

#include "bgpd/import.h"
#include "bgpd/msg.h"
#include "bgpd/rib.h"
#include "bgpd/sweep.h"

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

/* Prefixes of one UPDATE on their way in. */
struct arrival {
	struct adj *adj;
	enum bgp_family family;
	struct import im;
	bool judged; /* im.alike, and one has been: set and why are those of all */
	uint8_t why;
	uint32_t set; /* as import_prefix() gives it */
	uint32_t now; /* rib_now_s() */
	bool plain;   /* without path identifiers, and nobody listens */
};

/* The first path of a node, when there is nothing else to look at. */
static int
announce_first(struct arrival *in, uint32_t node, struct node *n)
{
	struct adj *adj = in->adj;
	struct rib *r = adj->rib;
	const uint32_t path = slab_take(&r->paths);

	rib_touch(r, in->family, node);
	if (!path)
		return -ENOMEM;
	*rib_path(r, path) = (struct path){
		.in = attrset_ref(&r->sets, in->im.in),
		.set = attrset_ref(&r->sets, in->set),
		.since = in->now,
		.adj = adj->id,
		.flags = adj->odd[in->family] ? PATH_ODD : 0,
		.why = in->why,
	};
	n->paths = path;
	adj->nr_paths[in->family]++;
	adj->nr_ok[in->family] += !!in->set;
	return 0;
}

/* A path of the peer's for a node on which it has none, or none of that identifier.  1: it may have no
 * more. */
static int
path_new(
    struct arrival *in, uint32_t node, uint32_t path_id, uint32_t *path, struct bgp_fault *fault)
{
	struct adj *adj = in->adj;
	struct rib *r = adj->rib;
	enum bgp_family f = in->family;
	struct node *n = ptab_node(&r->tab[f], node);
	int err = 0;

	/* An empty node that we just made is reaped when it is decided. */
	rib_touch(r, f, node);
	if (adj->nr_paths[f] >= adj->limit[f].look_at && limit_look(adj, f, fault) < 0)
		return -EBADMSG;
	if (adj->session.add_rx & BGP_FAMILY_MASK(f))
		err = rib_path_add_id(adj, n, path_id, path);
	else
		*path = rib_path_add(r, n, adj->id);
	if (!*path)
		return err == -ENOSPC ? 1 : fault_memory(fault);
	rib_path(r, *path)->flags = adj->odd[f] ? PATH_ODD : 0;
	adj->nr_paths[f]++;
	return 0;
}

static int
announce_one(struct arrival *in, const struct prefix *p, uint64_t hash, uint32_t path_id,
    struct bgp_fault *fault)
{
	struct adj *adj = in->adj;
	struct rib *r = adj->rib;
	enum bgp_family f = in->family;
	uint32_t node, path;
	struct node *n;
	int err;

	if (!in->judged && import_prefix(adj, &in->im, p, &in->set, &in->why) < 0)
		return fault_memory(fault);
	in->judged = in->im.alike;
	node = ptab_get(&r->tab[f], p, hash);
	if (!node)
		return fault_memory(fault);
	n = ptab_node(&r->tab[f], node);
	if (!n->paths && in->plain && adj->nr_paths[f] < adj->limit[f].look_at)
		return announce_first(in, node, n) < 0 ? fault_memory(fault) : 0;
	path = path_find(adj, f, node, path_id);
	if (!path) {
		err = path_new(in, node, path_id, &path, fault);
		if (err)
			return err < 0 ? err : 0;
	} else if (adj->nr_old[f] && adj->nr_paths[f] >= adj->limit[f].look_at &&
	    adj_path_is_gone(adj, f, rib_path(r, path)) && limit_look(adj, f, fault) < 0) {
		return -EBADMSG;
	}
	adj_path_put(adj, f, node, rib_path(r, path), in->im.in, in->set, in->why, 0);
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
announce_all(struct arrival *in, struct bgp_nlri *nlri, struct bgp_fault *fault)
{
	const struct ptab *t = &in->adj->rib->tab[nlri->family];
	struct prefix p[AHEAD];
	uint64_t hash[AHEAD];
	uint32_t path_id[AHEAD];
	unsigned nr;
	int err = 0;

	do {
		for (nr = 0; nr < AHEAD && next_route(in->adj, nlri, &p[nr]); nr++) {
			path_id[nr] = nlri->path_id;
			hash[nr] = ptab_hash(t, &p[nr]);
			ptab_prefetch(t, hash[nr]);
		}
		for (unsigned i = 0; i < nr && !err; i++)
			err = announce_one(in, &p[i], hash[i], path_id[i], fault);
	} while (nr == AHEAD && !err);
	return err;
}

static int
announce(
    struct adj *adj, struct bgp_nlri *nlri, const struct bgp_attrs *attrs, struct bgp_fault *fault)
{
	struct rib *r = adj->rib;
	struct arrival in = { .adj = adj, .family = nlri->family, .now = rib_now_s(r) };
	uint32_t set;
	int err;

	if (!nlri->present)
		return 0;
	set = attrset_intern(&r->sets, attrs);
	if (!set)
		return fault_memory(fault);
	import_forget(adj);
	import_begin(adj, &in.im, set);
	in.plain = !r->tap && !(adj->session.add_rx & BGP_FAMILY_MASK(nlri->family));
	err = announce_all(&in, nlri, fault);
	import_end(adj, &in.im);
	attrset_unref(&r->sets, set);
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
