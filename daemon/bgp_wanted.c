/*
 * daemon/bgp_wanted.c: the sessions and policies of this node, out of BGPClusterConfig, BGPPeerConfig,
 * BGPNodeConfigOverride, BGPAdvertisement selection and Secrets.  Rules are in bgp_rules.c, the routes in
 * bgp_routes.c.
 */
#include "daemon/bgp_wanted.h"

#include "config.h"
#include "daemon/bgp_mesh.h"

#include "lib/mem.h"

#include <errno.h>
#include <string.h>

#define DEFAULT_HOLD_S 90
#define DEFAULT_KEEPALIVE_S 30
#define DEFAULT_RETRY_S 120
#define AO_KEY_MAX 80 /* RFC 5925 leaves it open; Linux takes so many */
/* Peers with an advertisement that is not for them: so many are remembered for explain. */
#define LEFT_OUT_MAX 1024

struct planner {
	struct bgp_plan *plan;
	const struct store *store;
	const struct res_herald_config *config;
	const struct res_node *node; /* NULL: no document */
	struct label_view labels;    /* of the node */
	const char *node_name;
	bool drained;
	const struct bgp_links *links;
};

static void
hold(struct planner *p, const struct res_object *o)
{
	struct res_set *held = &p->plan->held;

	if (held->nr == held->cap) {
		held->cap = held->cap ? 2 * held->cap : 16;
		held->v = xrealloc(held->v, held->cap, sizeof(*held->v));
	}
	/* The count is not part of what an object is; everything else of it stays const. */
	held->v[held->nr++] = res_ref((struct res_object *)(uintptr_t)o);
}

static void
notice(struct planner *p, const struct res_object *o, enum reason reason, const char *message)
{
	struct notice *n;

	for (n = p->plan->notices; n; n = n->next) /* several peers may share what it is about */
		if (strcmp(n->message, message) == 0 && strcmp(n->name, o->meta.name) == 0)
			return;
	n = arena_new_n(&p->plan->arena, struct notice, 1);
	*n = (struct notice){ .kind = arena_printf(&p->plan->arena, "%s", res_kind_name(o->kind)),
		.name = arena_printf(&p->plan->arena, "%s", o->meta.name),
		.reason = reason,
		.message = message,
		.next = p->plan->notices };
	p->plan->notices = n;
}

/* ---- audiences ---- */

static void
advert_not_yet(struct planner *p, const struct res_bgp_advertisement *ad)
{
	for (size_t i = 0; i < ad->adverts.nr; i++) {
		if (ad->adverts.v[i].type == RES_ADV_INTERFACE)
			notice(p, &ad->obj, REASON_NOT_SUPPORTED,
			    "advertisementType Interface is not advertised yet");
	}
}

/* Is the peer told of it on this node?  NULL: it is, else the field that says that it is not. */
static const char *
advert_is_not_for(const struct planner *p, const struct res_bgp_advertisement *ad, const char *peer)
{
	size_t i = 0;

	if (!selectors_admit(&ad->node_selectors, &p->labels))
		return "spec.nodeSelectors";
	while (i < ad->peers.nr && strcmp(ad->peers.v[i], peer) != 0)
		i++;
	return ad->peers.nr && i == ad->peers.nr ? "spec.peers" : NULL;
}

static void
leave_out(struct planner *p, const struct bgp_plan_instance *inst, const char *peer,
    const struct res_bgp_advertisement *ad, const char *field)
{
	struct bgp_plan *plan = p->plan;
	struct bgp_left_out *l;

	if (plan->nr_left_out == LEFT_OUT_MAX)
		return;
	l = arena_new_n(&plan->arena, struct bgp_left_out, 1);
	*l = (struct bgp_left_out){ inst->name, arena_printf(&plan->arena, "%s", peer), ad, field,
		plan->left_out };
	plan->left_out = l;
	plan->nr_left_out++;
	hold(p, &ad->obj);
}

/* The audience of all advertisements that @sel selects for @peer; NULL: none does. */
static const char *
audience(
    struct planner *p, struct bgp_plan_instance *inst, const struct selector *sel, const char *peer)
{
	struct arena *a = &p->plan->arena;
	const size_t max = store_nr(p->store, RES_BGP_ADVERTISEMENT);
	const struct res_bgp_advertisement **list =
	    arena_new_n(a, const struct res_bgp_advertisement *, max);
	const char *name = "", *field;
	struct res_object *o;
	size_t nr = 0;

	store_for_each(p->store, RES_BGP_ADVERTISEMENT, o)
	{
		const struct label_view view = label_view_of(o);

		if (!selector_selects(sel, &view))
			continue;
		field = advert_is_not_for(p, (const struct res_bgp_advertisement *)o, peer);
		if (field) {
			leave_out(p, inst, peer, (const struct res_bgp_advertisement *)o, field);
			continue;
		}
		list[nr++] = (const struct res_bgp_advertisement *)o;
		name = arena_printf(a, "%s%s%s", name, *name ? "," : "", o->meta.name);
	}
	if (nr == 0)
		return NULL;
	for (size_t i = 0; i < inst->nr; i++)
		if (strcmp(inst->audiences[i].name, name) == 0)
			return inst->audiences[i].name;
	for (size_t i = 0; i < nr; i++) {
		hold(p, &list[i]->obj);
		advert_not_yet(p, list[i]);
	}
	inst->audiences[inst->nr++] =
	    (struct bgp_audience){ .name = name, .adverts = list, .nr = nr };
	return name;
}

/* ---- peers ---- */

static int
family_of(const struct res_bgp_family *f)
{
	if (f->safi != RES_SAFI_UNICAST)
		return -1;
	return f->afi == RES_AFI_IPV4 ? BGP_IPV4_UNICAST
	    : f->afi == RES_AFI_IPV6  ? BGP_IPV6_UNICAST
				      : -1;
}

/* So many prefixes are worth a warning. */
static uint32_t
warn_at(const struct res_bgp_family *f)
{
	const uint64_t at = (uint64_t)f->max_prefixes * f->max_warning_percent / 100;

	return at || !f->max_prefixes || !f->max_warning_percent ? (uint32_t)at : 1;
}

static void
peer_families(struct planner *p, struct bgp_plan_instance *inst,
    const struct res_bgp_peer_config *pc, struct bgp_peer_conf *peer)
{
	static const enum bgp_limit_action actions[] = { [RES_MAX_RESTART] = BGP_LIMIT_RESTART,
		[RES_MAX_SHUTDOWN] = BGP_LIMIT_SHUTDOWN,
		[RES_MAX_WARN] = BGP_LIMIT_WARN };
	static const uint8_t directions[] = { [RES_ADD_PATH_NONE] = 0,
		[RES_ADD_PATH_SEND] = BGP_ADD_SEND,
		[RES_ADD_PATH_RECEIVE] = BGP_ADD_RECEIVE,
		[RES_ADD_PATH_BOTH] = BGP_ADD_SEND | BGP_ADD_RECEIVE };

	if (!pc || pc->families.nr == 0) {
		peer->family[BGP_IPV4_UNICAST].enabled = true;
		peer->family[BGP_IPV6_UNICAST].enabled = true;
		return;
	}
	for (size_t i = 0; i < pc->families.nr; i++) {
		const struct res_bgp_family *f = &pc->families.v[i];
		int family = family_of(f);

		if (family < 0) {
			notice(p, &pc->obj, REASON_NOT_SUPPORTED,
			    "families: only unicast of ipv4 and ipv6 is spoken; others are left "
			    "out");
			continue;
		}
		peer->family[family] = (struct bgp_family_conf){
			.enabled = true,
			.max_prefixes = f->max_prefixes,
			.stale_s = f->has_long_lived_stale ? f->long_lived_stale_s
							   : pc->gr_long_lived_stale_s,
			.warn_prefixes = warn_at(f),
			.limit_action = actions[f->max_action],
			.restart_s = f->max_restart_s,
			.add_path = directions[f->add_path],
			.add_max = f->add_max,
			.add_multi = f->add_select == RES_ADD_SELECT_MULTIPATH,
			.audience = audience(p, inst, &f->advertisements, peer->name),
		};
	}
}

/* The keys of tcpAO as bgpd/tcp_ao.h has them; NULL: *missing is the one that the Secret lacks. */
static const char *
ao_keys(struct arena *a, const struct res_bgp_peer_config *pc, const struct res_secret *secret,
    const char **missing)
{
	static const char *const names[] = {
		[RES_AO_HMAC_SHA1] = "hmac(sha1)", [RES_AO_AES_CMAC] = "cmac(aes128)"
	};
	const char *text = "";

	a->secret = true;
	for (size_t i = 0; i < pc->tcp_ao.nr; i++) {
		const struct res_tcp_ao *k = &pc->tcp_ao.v[i];
		const struct res_secret_entry *key = res_secret_get(secret, k->secret_key);
		char hex[2 * AO_KEY_MAX + 1] = "";

		*missing = k->secret_key;
		if (!key || key->len == 0 || key->len > AO_KEY_MAX)
			return NULL;
		for (size_t n = 0; n < key->len; n++)
			snprintf(hex + 2 * n, 3, "%02x", (uint8_t)key->value[n]);
		text = arena_printf(a, "%s%u %u %s %s\n", text, k->send_id, k->receive_id,
		    names[k->algorithm], hex);
		mem_wipe(hex, sizeof(hex));
	}
	return text;
}

static void
peer_ao(struct planner *p, const struct res_bgp_peer_config *pc, const struct res_secret *secret,
    struct bgp_peer_conf *peer)
{
	const char *missing = "";

	peer->ao_keys = ao_keys(&p->plan->arena, pc, secret, &missing);
	if (!peer->ao_keys)
		peer->held_down = arena_printf(&p->plan->arena,
		    "Secret %s has no value of 1 to 80 bytes under the key \"%s\" (tcpAO)",
		    pc->auth_secret_ref, missing);
}

/* A missing Secret keeps the session down: an empty password would be an open door. */
static void
peer_secret(struct planner *p, const struct res_bgp_peer_config *pc, struct bgp_peer_conf *peer)
{
	struct arena *a = &p->plan->arena;
	const struct res_secret_entry *key;
	const struct res_secret *secret;

	if (!*pc->auth_secret_ref)
		return;
	secret = store_secret(
	    p->store, *pc->auth_secret_ns ? pc->auth_secret_ns : NULL, pc->auth_secret_ref);
	key = secret ? res_secret_get(secret, "password") : NULL;
	if (!secret)
		peer->held_down =
		    arena_printf(a, "Secret %s (authSecretRef of BGPPeerConfig %s) is missing",
			pc->auth_secret_ref, pc->obj.meta.name);
	else if (pc->tcp_ao.nr)
		peer_ao(p, pc, secret, peer);
	else if (!key || key->len == 0)
		peer->held_down = arena_printf(
		    a, "Secret %s has no value under the key \"password\"", pc->auth_secret_ref);
	else if (key->len > 80 || memchr(key->value, '\0', key->len))
		/* RFC 2385 4.5: keys are text; Linux takes at most 80 bytes. */
		peer->held_down = arena_printf(a,
		    "Secret %s: the password must be 1 to 80 bytes without a zero byte",
		    pc->auth_secret_ref);
	else {
		hold(p, &secret->obj);
		peer->md5_key = (const char *)key->value;
	}
	if (peer->held_down)
		notice(p, &pc->obj, REASON_SECRET_MISSING, peer->held_down);
}

static void
peer_source(struct planner *p, const struct res_bgp_peer_config *pc, struct bgp_peer_conf *peer)
{
	const enum addr_family family =
	    (enum addr_family)(peer->range_limit ? peer->range.addr.family : peer->addr.family);
	const struct bgp_links *l = p->links;
	int err;

	if (addr_is_set(&pc->source_address))
		peer->local_addr = pc->source_address;
	if (!*pc->source_interface || addr_is_set(&peer->local_addr) || family == ADDR_NONE)
		return;
	/* To a link-local address we speak from ours on the same link. */
	if (addr_is_linklocal(&peer->addr) && family == ADDR_V6) {
		if (!peer->ifindex && l)
			peer->ifindex = l->index(l->arg, pc->source_interface);
		return;
	}
	err = l ? l->addr(l->arg, pc->source_interface, family, &peer->local_addr) : -ENODEV;
	if (err == 0)
		return;
	peer->held_down = arena_printf(&p->plan->arena, "sourceInterface %s %s",
	    pc->source_interface,
	    err == -ENODEV	? "does not exist"
		: err == -E2BIG ? "has several addresses of the peer's family; set sourceAddress"
				: "has no address of the peer's family");
	notice(p, &pc->obj, REASON_SOURCE_ADDRESS_MISSING, peer->held_down);
}

static void
peer_role(const struct res_bgp_peer_config *pc, struct bgp_peer_conf *peer)
{
	static const enum bgp_role roles[] = { [RES_ROLE_NONE] = BGP_ROLE_NONE,
		[RES_ROLE_PROVIDER] = BGP_ROLE_PROVIDER,
		[RES_ROLE_CUSTOMER] = BGP_ROLE_CUSTOMER,
		[RES_ROLE_PEER] = BGP_ROLE_PEER,
		[RES_ROLE_RS] = BGP_ROLE_RS,
		[RES_ROLE_RS_CLIENT] = BGP_ROLE_RS_CLIENT };

	peer->role = roles[pc->role];
	peer->role_strict = pc->role_strict;
	/* RFC 7947 2.2.2.1: a route server does not put its own AS in front. */
	peer->any_first_as =
	    pc->has_enforce_first_as ? !pc->enforce_first_as : pc->role == RES_ROLE_RS_CLIENT;
}

static void
peer_bfd(struct planner *p, const char *instance, const struct res_bgp_peer_config *pc,
    const struct bgp_peer_conf *peer, uint32_t local_as, const struct bgp_where *where)
{
	struct bfd_wanted *w = &p->plan->watched[p->plan->nr_watched];
	const char *problem;

	if (peer->range_limit && (*pc->bfd_profile || pc->bfd.enabled)) {
		notice(p, &pc->obj, REASON_NOT_SUPPORTED,
		    "peers of a peerAddressRange are not watched by BFD");
		return;
	}
	if (!addr_is_set(&peer->addr))
		return;
	if (bfd_wanted_peer(p->store, pc, peer, local_as, &p->plan->arena, w, &problem)) {
		w->instance = instance;
		if (peer->ifindex)
			w->conf.device = arena_printf(&p->plan->arena, "%s",
			    *where->at.link ? where->at.link : pc->source_interface);
		p->plan->nr_watched++;
	}
	if (problem)
		notice(p, &pc->obj, REASON_NOT_SUPPORTED, problem);
}

/* What a BGPPeerConfig says, over the defaults that are there. */
static void
peer_config(struct planner *p, const struct res_bgp_peer_config *pc, struct bgp_peer_conf *peer)
{
	struct arena *a = &p->plan->arena;

	hold(p, &pc->obj);
	peer->port = pc->peer_port;
	peer->passive = pc->passive;
	peer->hold_s = (uint16_t)pc->hold_s;
	peer->keepalive_s = (uint16_t)(pc->keepalive_s > UINT16_MAX ? UINT16_MAX : pc->keepalive_s);
	peer->connect_retry_s = pc->connect_retry_s;
	peer->ttl = pc->ebgp_multihop;
	peer->gtsm_hops = pc->ttl_security_hops;
	peer->ext_msg = pc->extended_messages;
	peer->rr_client = pc->rr_client;
	peer->ext_next_hop |= pc->extended_next_hop;
	peer->gr = pc->gr_enabled;
	peer->gr_time_s = pc->gr_restart_time_s;
	peer->stale_to_all = pc->gr_stale_to_internal;
	if (pc->has_allow_as_in)
		peer->allow_as_in = pc->allow_as_in;
	if (pc->has_import)
		peer->import = bgp_policy_of(a, &pc->import);
	peer->export = bgp_policy_of(a, &pc->export);
	peer_source(p, pc, peer);
	peer_secret(p, pc, peer);
	peer_role(pc, peer);
}

static const struct res_bgp_override_peer *
override_peer(const struct res_bgp_override_instance *o, const char *name)
{
	for (size_t i = 0; o && i < o->peers.nr; i++)
		if (strcmp(o->peers.v[i].name, name) == 0)
			return &o->peers.v[i];
	return NULL;
}

static const enum bgp_local_as local_as_modes[] = { [RES_LOCAL_AS_PREPEND] = BGP_LOCAL_AS_PREPEND,
	[RES_LOCAL_AS_NO_PREPEND] = BGP_LOCAL_AS_NO_PREPEND,
	[RES_LOCAL_AS_REPLACE] = BGP_LOCAL_AS_REPLACE };

/* A peer as BGPClusterConfig has it; @local_as: the AS that it knows us as. */
static struct bgp_peer_conf
peer_defaults(struct planner *p, const struct res_bgp_peer *from, uint32_t local_as,
    const struct bgp_where *where)
{
	const struct addr *at = from->has_range ? &from->range.addr : &where->at.addr;
	/* Those of IPv4 have no scope. */
	const bool linklocal = at->family == ADDR_V6 && addr_is_linklocal(at);

	return (struct bgp_peer_conf){
		.name = from->name,
		.addr = where->at.addr,
		.ifindex = linklocal ? where->at.ifindex : 0,
		.range = from->range,
		.range_limit = from->has_range ? from->range_limit : 0,
		.peer_as = from->dynamic_asn == RES_ASN_INTERNAL ? local_as : from->peer_asn,
		.other_as = from->dynamic_asn == RES_ASN_EXTERNAL,
		.local_as = from->local_asn,
		.local_as_mode = local_as_modes[from->local_asn_mode],
		.hold_s = DEFAULT_HOLD_S,
		.keepalive_s = DEFAULT_KEEPALIVE_S,
		.connect_retry_s = DEFAULT_RETRY_S,
		.ext_msg = true,
		/* Two that know each other's link-local addresses alone have no other next hop. */
		.ext_next_hop = linklocal || where->unnumbered,
		.allow_as_in = p->config->bgp_allow_as_in,
		.honor_shutdown = p->config->bgp_honor_shutdown,
		.graceful_shutdown = p->drained,
		.import = bgp_policy_of(&p->plan->arena, &p->config->bgp_import),
	};
}

/* Nowhere to be found yet, or on a link that nobody named. */
static void
peer_hold_down(struct planner *p, const struct res_object *owner, const struct bgp_where *where,
    struct bgp_peer_conf *peer)
{
	enum reason reason = where->reason;
	const char *why = where->why;

	if (!why && p->links && peer->addr.family == ADDR_V6 && addr_is_linklocal(&peer->addr) &&
	    !peer->ifindex) {
		reason = REASON_LINK_MISSING;
		why = arena_printf(&p->plan->arena,
		    "peer %s: a link-local peerAddress needs its interface behind it, as in "
		    "%s%%eth1",
		    peer->name, addr_str(&peer->addr));
	}
	if (!why)
		return;
	notice(p, owner, reason, why);
	if (!peer->held_down)
		peer->held_down = why;
}

/* One peer; false: not on this node. */
static bool
plan_peer(struct planner *p, struct bgp_plan_instance *inst, const struct res_object *owner,
    const struct res_bgp_peer *from, const struct res_bgp_override_instance *override,
    uint32_t local_as, struct bgp_peer_conf *peer)
{
	const struct res_bgp_override_peer *o = override_peer(override, from->name);
	const struct res_bgp_peer_config *pc = NULL;
	struct arena *a = &p->plan->arena;
	struct bgp_where where;

	if (!selectors_admit(&from->node_selectors, &p->labels))
		return false;
	if (from->local_asn)
		local_as = from->local_asn;
	bgp_where_is(from, p->links, a, &where);
	*peer = peer_defaults(p, from, local_as, &where);
	if (o && addr_is_set(&o->local_address))
		peer->local_addr = o->local_address;
	if (*from->peer_config_ref) {
		pc = store_peer_config(p->store, from->peer_config_ref);
		if (pc) {
			peer_config(p, pc, peer);
		} else {
			peer->held_down =
			    arena_printf(a, "BGPPeerConfig %s is missing", from->peer_config_ref);
			notice(p, owner, REASON_PEER_CONFIG_MISSING, peer->held_down);
		}
	}
	peer_hold_down(p, owner, &where, peer);
	if (pc)
		peer_bfd(p, inst->name, pc, peer, local_as, &where);
	peer_families(p, inst, pc, peer);
	if (peer->rr_client && peer->peer_as && peer->peer_as != local_as)
		notice(p, &pc->obj, REASON_NOT_SUPPORTED,
		    "routeReflectorClient has no effect: the peer is of another AS");
	return true;
}

/* ---- instances ---- */

/* RFC 6286: any number but 0 that is unique in the AS.  The node's IPv4 address, else a hash of its
 * name: the same after every restart. */
static uint32_t
default_router_id(const struct planner *p)
{
	const struct addr *a =
	    p->node ? res_node_addr(p->node, RES_ADDR_INTERNAL_IP, ADDR_V4) : NULL;
	uint32_t id = 2166136261u; /* FNV-1a */

	if (a)
		return (uint32_t)a->b[0] << 24 | (uint32_t)a->b[1] << 16 | (uint32_t)a->b[2] << 8 |
		    a->b[3];
	for (const char *c = p->node_name; *c; c++)
		id = (id ^ (uint8_t)*c) * 16777619u;
	return id ? id : 1;
}

/* Peers that the other nodes are. */
static size_t
plan_mesh(struct planner *p, const struct res_bgp_cluster_config *cc,
    const struct res_bgp_instance *from, struct bgp_plan_instance *inst, uint32_t local_as,
    struct bgp_peer_conf *peers)
{
	struct bgp_mesh_peer *mesh;
	size_t nr = bgp_mesh_peers(p->store, cc, from, p->node, local_as, &p->plan->arena, &mesh),
	       n = 0;

	for (size_t i = 0; i < nr; i++) {
		struct bgp_peer_conf *peer = &peers[n];

		if (!plan_peer(p, inst, &cc->obj, &mesh[i].peer, NULL, local_as, peer))
			continue;
		peer->port = mesh[i].port;
		peer->passive = mesh[i].passive;
		if (peer->connect_retry_s > BGP_MESH_RETRY_S)
			peer->connect_retry_s = BGP_MESH_RETRY_S;
		n++;
	}
	return n;
}

/* Peers that an instance may have on a node. */
static size_t
peers_max(const struct planner *p, const struct res_bgp_instance *inst)
{
	return inst->peers.nr + (inst->node_mesh ? store_nr(p->store, RES_NODE) : 0);
}

static bool
plan_instance(struct planner *p, const struct res_bgp_cluster_config *cc,
    const struct res_bgp_instance *from, struct bgp_instance_conf *conf,
    struct bgp_plan_instance *inst)
{
	const struct res_bgp_override_instance *o =
	    bgp_override_of(p->store, p->node_name, from->name);
	struct arena *a = &p->plan->arena;
	struct bgp_peer_conf *peers = arena_new_n(a, struct bgp_peer_conf, peers_max(p, from));
	size_t nr = 0;

	*conf = (struct bgp_instance_conf){
		.name = from->name,
		.local_as = o && o->has_local_asn ? o->local_asn : from->local_asn,
		.router_id = o && o->has_router_id ? o->router_id
		    : from->has_router_id	   ? from->router_id
						   : default_router_id(p),
		.local_port = o && o->has_local_port ? o->local_port : from->local_port,
		.max_paths = from->max_paths_ebgp,
		.max_paths_ibgp = from->max_paths_ibgp,
		.same_as_paths = !from->multipath_relax,
		.cluster_id = from->has_cluster_id ? from->cluster_id : 0,
		.peers = peers,
	};
	if (conf->local_as == 0) {
		notice(p, &cc->obj, REASON_PEER_ASN_MISSING,
		    arena_printf(
			a, "instance %s has no localASN, here or in an override", from->name));
		return false;
	}
	*inst = (struct bgp_plan_instance){ .name = from->name,
		.local_as = conf->local_as,
		.audiences =
		    arena_new_n(a, struct bgp_audience, peers_max(p, from) * BGP_NR_FAMILIES) };
	for (size_t i = 0; i < from->peers.nr; i++)
		if (plan_peer(p, inst, &cc->obj, &from->peers.v[i], o, conf->local_as, &peers[nr]))
			nr++;
	nr += plan_mesh(p, cc, from, inst, conf->local_as, peers + nr);
	p->plan->mesh |= from->node_mesh;
	conf->nr_peers = nr;
	return true;
}

/* The BGPClusterConfig that selects this node; when several do, the oldest, then the first by name,
 * has it and the others are told. */
static const struct res_bgp_cluster_config *
choose_cluster_config(struct planner *p)
{
	const struct res_bgp_cluster_config *best = NULL, *cc, *loser;
	struct res_object *o;

	store_for_each(p->store, RES_BGP_CLUSTER_CONFIG, o)
	{
		cc = (const struct res_bgp_cluster_config *)o;
		if (!bgp_config_is_for(cc, &p->labels))
			continue;
		loser = best ? cc : NULL;
		if (best && o->meta.created < best->obj.meta.created)
			loser = best;
		if (!best || loser == best)
			best = cc;
		if (loser)
			notice(p, &loser->obj, REASON_INSTANCE_CONFLICT,
			    arena_printf(&p->plan->arena,
				"another BGPClusterConfig, %s, has node %s; this one has no effect "
				"there",
				best->obj.meta.name, p->node_name));
	}
	return best;
}

static void
plan_listeners(struct planner *p)
{
	const struct res_herald_config *config = p->config;
	struct bgp_listen *listen =
	    arena_new_n(&p->plan->arena, struct bgp_listen, config->bgp_listen.nr);

	for (size_t i = 0; i < config->bgp_listen.nr; i++)
		listen[i] = (struct bgp_listen){ .addr = config->bgp_listen.v[i].addr,
			.port = config->bgp_listen.v[i].port };
	p->plan->conf.listen = listen;
	p->plan->conf.nr_listen = config->bgp_listen.nr;
}

/* Stations of BMP.  What a word means is what it means to others: GoBGP has the same five. */
static void
plan_monitors(struct planner *p, const struct res_bgp_cluster_config *cc)
{
	static const unsigned views[] = { [RES_BMP_PRE] = BGP_MONITOR_PRE,
		[RES_BMP_POST] = BGP_MONITOR_POST,
		[RES_BMP_BOTH] = BGP_MONITOR_PRE | BGP_MONITOR_POST,
		[RES_BMP_LOCAL] = BGP_MONITOR_LOCAL,
		[RES_BMP_ALL] = BGP_MONITOR_PRE | BGP_MONITOR_POST | BGP_MONITOR_LOCAL,
		[RES_BMP_NONE] = 0 };
	static const unsigned out[] = { [RES_BMP_NONE] = 0,
		[RES_BMP_PRE] = BGP_MONITOR_OUT_PRE,
		[RES_BMP_POST] = BGP_MONITOR_OUT_POST,
		[RES_BMP_BOTH] = BGP_MONITOR_OUT_PRE | BGP_MONITOR_OUT_POST };
	struct arena *a = &p->plan->arena;
	struct bgp_monitor_conf *to = arena_new_n(a, struct bgp_monitor_conf, cc->bmp_servers.nr);

	for (size_t i = 0; i < cc->bmp_servers.nr; i++) {
		const struct res_bmp_server *s = &cc->bmp_servers.v[i];

		to[i] = (struct bgp_monitor_conf){ .name = s->name,
			.addr = s->peer_address,
			.port = s->peer_port,
			.views = views[s->monitoring_policy] | out[s->adj_rib_out],
			.statistics_s = s->statistics_timeout_s };
	}
	if (cc->bmp_servers.nr > BGP_MAX_MONITORS)
		notice(p, &cc->obj, REASON_NOT_SUPPORTED,
		    arena_printf(a, "bmpServers: only the first %d are served", BGP_MAX_MONITORS));
	p->plan->conf.monitors = to;
	p->plan->conf.nr_monitors = cc->bmp_servers.nr;
	p->plan->conf.description = "Herald " HERALD_VERSION;
}

struct bgp_plan *
bgp_plan_new(
    const struct store *store, const char *node, bool drained, const struct bgp_links *links)
{
	static const struct res_pairs no_labels;
	struct bgp_plan *plan = xnew(struct bgp_plan);
	struct planner p = {
		.plan = plan,
		.store = store,
		.config = store_config(store),
		.node = store_node(store, node),
		.node_name = node,
		.drained = drained,
		.links = links,
	};
	const struct res_bgp_cluster_config *cc;
	struct bgp_instance_conf *conf;
	size_t nr_peers = 0;

	p.labels =
	    p.node ? label_view_of(&p.node->obj) : (struct label_view){ .labels = &no_labels };
	hold(&p, &p.config->obj);
	plan->conf.host_name = arena_printf(&plan->arena, "%s", node);
	cc = choose_cluster_config(&p);
	if (!cc)
		return plan; /* nobody to talk to: no port is opened either */
	hold(&p, &cc->obj);
	plan_listeners(&p);
	plan_monitors(&p, cc);
	conf = arena_new_n(&plan->arena, struct bgp_instance_conf, cc->instances.nr);
	plan->instances = arena_new_n(&plan->arena, struct bgp_plan_instance, cc->instances.nr);
	for (size_t i = 0; i < cc->instances.nr; i++)
		nr_peers += peers_max(&p, &cc->instances.v[i]);
	plan->watched = arena_new_n(&plan->arena, struct bfd_wanted, nr_peers);
	for (size_t i = 0; i < cc->instances.nr; i++)
		if (bgp_instance_is_for(&cc->instances.v[i], &p.labels) &&
		    plan_instance(&p, cc, &cc->instances.v[i], &conf[plan->nr_instances],
			&plan->instances[plan->nr_instances]))
			plan->nr_instances++;
	plan->conf.instances = conf;
	plan->conf.nr_instances = plan->nr_instances;
	return plan;
}

void
bgp_plan_free(struct bgp_plan *plan)
{
	if (!plan)
		return;
	res_set_fini(&plan->held);
	arena_fini(&plan->arena);
	free(plan);
}
