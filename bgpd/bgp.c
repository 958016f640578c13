/*
 * bgpd/bgp.c: the engine's face: taking on a configuration as a difference, originating, orders.
 * Between the daemon and instances, peers, listeners; see bgpd.h.
 *
 * bgp_apply() dials all new peers first and does everything else while their SYNs are on the way.
 */
#include <errno.h>
#include <string.h>

#include "bgpd/bmp.h"
#include "bgpd/listen.h"
#include "bgpd/peer.h"
#include "bgpd/range.h"
#include "bgpd/rehearsal.h"
#include "lib/mem.h"

#define LEARNED_SETTLE_MS 10000

/* ---- finding ---- */

static struct instance *
instance_find(const struct bgp *b, const char *name)
{
	struct instance *in = b->instances;

	while (in && strcmp(in->name, name) != 0)
		in = in->next;
	return in;
}

static struct peer *
peer_find(const struct instance *in, const char *name)
{
	struct peer *p = in->peers;

	while (p && strcmp(p->conf->name, name) != 0)
		p = p->next;
	return p;
}

struct peer *
bgp_peer_at(const struct bgp *b, const struct addr *remote, unsigned ifindex, uint16_t port)
{
	for (const struct instance *in = b->instances; in; in = in->next) {
		if (!listen_serves(b, in, port))
			continue;
		for (struct peer *p = in->peers; p; p = p->next) {
			if (addr_eq(&p->conf->addr, remote) &&
			    (!p->conf->ifindex || p->conf->ifindex == ifindex))
				return p;
		}
	}
	return NULL;
}

/* By name first, then by address. */
static struct peer *
peer_named(const struct bgp *b, const char *text)
{
	struct addr a;

	for (const struct instance *in = b->instances; in; in = in->next) {
		struct peer *p = peer_find(in, text);

		if (p)
			return p;
	}
	if (addr_parse(text, &a) < 0)
		return NULL;
	for (const struct instance *in = b->instances; in; in = in->next) {
		for (struct peer *p = in->peers; p; p = p->next) {
			if (addr_eq(&p->conf->addr, &a))
				return p;
		}
	}
	return NULL;
}

/* ---- applying ---- */

static struct instance *
instance_new(struct bgp *b, const struct bgp_instance_conf *c)
{
	struct instance *in = xnew(struct instance);

	in->bgp = b;
	in->name = xstrdup(c->name);
	in->local_as = c->local_as;
	in->router_id = c->router_id;
	in->local_port = c->local_port;
	in->rib = rib_new(b->loop, &b->ops, c->name);
	rib_conf(in->rib, c);
	if (b->ready)
		rib_ready(in->rib);
	in->number = b->nr_made++;
	in->next = b->instances;
	b->instances = in;
	bmp_instance_new(b, in);
	return in;
}

/* Peers that are not wanted any more, or all of them. */
static void
peers_drop(struct instance *in, bool all, enum bgp_err_cease why)
{
	struct peer **at = &in->peers, *p;

	while ((p = *at)) {
		if (p->wanted && !all) {
			at = &p->next;
			continue;
		}
		*at = p->next;
		peer_free(p, why);
	}
}

static void
instance_free(struct instance *in, enum bgp_err_cease why)
{
	peers_drop(in, true, why);
	ranges_drop(in, true);
	if (is_rehearsed(in))
		return; /* what its peers were told is still to be said */
	bmp_instance_gone(in->bgp, in);
	rib_free(in->rib);
	mem_free(in->name);
	mem_free(in);
}

static void
instance_apply(struct instance *in, const struct bgp_instance_conf *c)
{
	const char *renamed = in->local_as != c->local_as ? "local_as"
	    : in->router_id != c->router_id		  ? "router_id"
							  : NULL;
	struct peer **end;

	rehearse_renamed(in, renamed);
	in->wanted = true;
	if (renamed) /* stations know the table by both */
		bmp_instance_gone(in->bgp, in);
	in->local_as = c->local_as;
	in->router_id = c->router_id;
	in->local_port = c->local_port;
	for (struct peer *p = in->peers; p; p = p->next)
		p->wanted = false;
	for (size_t i = 0; i < c->nr_peers; i++) {
		struct peer *p = peer_find(in, c->peers[i].name);

		if (p && !c->peers[i].range_limit)
			p->wanted = true;
	}
	ranges_take(in, c);
	peers_drop(in, false, BGP_CEASE_DECONFIGURED);
	ranges_drop(in, false);
	ranges_confer(in, c, renamed);
	for (size_t i = 0; i < c->nr_peers; i++) {
		struct peer *p = peer_find(in, c->peers[i].name);

		if (c->peers[i].range_limit)
			continue;
		if (p) {
			/* The AS and the identifier are in our OPEN. */
			if (renamed)
				peer_reset(p, BGP_CEASE_CONFIG_CHANGE, NULL);
			peer_conf(p, &c->peers[i]);
			continue;
		}
		p = peer_new(in, &c->peers[i]);
		p->wanted = true;
		for (end = &in->peers; *end; end = &(*end)->next)
			;
		*end = p;
	}
	rib_conf(in->rib, c);
	if (renamed)
		bmp_instance_new(in->bgp, in);
}

static void
instances_drop(struct bgp *b)
{
	struct instance **at = &b->instances, *in;

	while ((in = *at)) {
		if (in->wanted) {
			at = &in->next;
			continue;
		}
		*at = in->next;
		peers_drop(in, true, BGP_CEASE_DECONFIGURED);
		rib_forget(in->rib);
		instance_free(in, BGP_CEASE_DECONFIGURED);
	}
}

static void
listen_take(struct bgp *b, const struct bgp_conf *c)
{
	mem_free(b->listen);
	b->listen = xnew_n(struct bgp_listen, c->nr_listen ? c->nr_listen : 1);
	if (c->nr_listen)
		memcpy(b->listen, c->listen, c->nr_listen * sizeof(*c->listen));
	b->nr_listen = c->nr_listen;
}

int
bgp_apply(struct bgp *b, const struct bgp_conf *c)
{
	if (b->stopped)
		return -ESHUTDOWN;
	mem_free(b->host_name);
	b->host_name = c->host_name ? xstrdup(c->host_name) : NULL;
	listen_take(b, c);
	for (struct instance *in = b->instances; in; in = in->next)
		in->wanted = false;
	for (size_t i = 0; i < c->nr_instances; i++) {
		struct instance *in = instance_find(b, c->instances[i].name);

		if (in)
			in->wanted = true;
	}
	instances_drop(b);
	for (size_t i = 0; i < c->nr_instances; i++) {
		struct instance *in = instance_find(b, c->instances[i].name);

		if (!in)
			in = instance_new(b, &c->instances[i]);
		instance_apply(in, &c->instances[i]);
	}
	if (b->rehearsal) {
		rehearse_monitors(b, c);
		return 0;
	}
	bmp_apply(b, c);
	return listen_sync(b);
}

/* ---- life ---- */

static void
listen_retry_due(void *arg)
{
	(void)listen_sync(arg);
}

struct bgp *
bgp_new(struct loop *loop, const struct bgp_ops *ops, bool restarted)
{
	struct bgp *b = xnew(struct bgp);

	b->loop = loop;
	if (ops)
		b->ops = *ops;
	b->restarted = restarted;
	b->input = xcalloc(1, BGP_READ_LEN + BGP_MAX_EXT_LEN + 1);
	farewell_init(&b->farewells, loop);
	links_init(&b->links, loop);
	timer_init(&b->listen_retry, loop, listen_retry_due, b);
	return b;
}

void
bgp_greet(struct bgp *b)
{
	for (struct instance *in = b->instances; in; in = in->next) {
		for (struct peer *p = in->peers; p; p = p->next)
			session_greet(p->main);
	}
}

void
bgp_stop(struct bgp *b, bool graceful, const char *why)
{
	if (b->stopped)
		return;
	b->stopped = true;
	listen_close(b);
	for (struct instance *in = b->instances; in; in = in->next) {
		for (struct peer *p = in->peers; p; p = p->next)
			peer_stop(p, graceful, why);
	}
	bmp_stop(b);
}

void
bgp_free(struct bgp *b)
{
	if (!b)
		return;
	b->stopped = true;
	listen_close(b);
	bmp_free(b);
	while (b->instances) {
		struct instance *in = b->instances;

		b->instances = in->next;
		instance_free(in, BGP_CEASE_SHUTDOWN);
	}
	farewell_fini(&b->farewells);
	links_fini(&b->links);
	mem_free(b->listen);
	mem_free(b->host_name);
	mem_free(b->input);
	mem_free(b);
}

/* ---- what we originate ---- */

int
bgp_originate(
    struct bgp *b, const char *instance, const char *owner, const struct bgp_announce *a, size_t nr)
{
	struct instance *in = instance_find(b, instance);

	return in ? rib_originate(in->rib, owner, a, nr) : -ENOENT;
}

void
bgp_originated_each(const struct bgp *b, const char *instance, const char *owner,
    bool (*each)(void *arg, const struct prefix *), void *arg)
{
	const struct instance *in = instance_find(b, instance);

	if (in)
		rib_originated_each(in->rib, owner, each, arg);
}

void
bgp_routes_ready(struct bgp *b)
{
	b->ready = true;
	for (struct instance *in = b->instances; in; in = in->next)
		rib_ready(in->rib);
}

void
bgp_learned_tell(const struct bgp *b)
{
	for (const struct instance *in = b->instances; in; in = in->next)
		rib_learned_tell(in->rib);
}

/* ---- orders ---- */

static unsigned
families_up(const struct peer *p)
{
	return p->up ? session_families(p->up) : 0;
}

/* -ENOTCONN: there is no session to clear softly. */
static int
peer_clear(struct peer *p, enum bgp_clear how)
{
	if (how == BGP_CLEAR_HARD) {
		peer_reset(p, BGP_CEASE_RESET, NULL);
		return 0;
	}
	if (!p->up)
		return -ENOTCONN;
	for (int f = 0; f < BGP_NR_FAMILIES; f++) {
		if (!(families_up(p) & BGP_FAMILY_MASK(f)))
			continue;
		/* RFC 2918 4: only when the peer said that it understands. */
		if (how == BGP_CLEAR_SOFT_OUT)
			adj_refresh(p->adj, (enum bgp_family)f, BGP_REFRESH_REQUEST);
		else if (p->up->theirs.caps.refresh)
			session_ask_refresh(p->up, (enum bgp_family)f);
	}
	return 0;
}

static void
clear_fn(struct peer *p, void *how)
{
	(void)peer_clear(p, *(enum bgp_clear *)how); /* those who have no session need none */
}

int
bgp_peer_clear(struct bgp *b, const char *name, enum bgp_clear how)
{
	struct peer *p = peer_named(b, name);
	struct range *r = p ? NULL : range_named(b, name);

	if (r)
		range_each(r, clear_fn, &how);
	return p ? peer_clear(p, how) : r ? 0 : -ENOENT;
}

int
bgp_peer_shutdown(struct bgp *b, const char *name, const char *message)
{
	struct peer *p = peer_named(b, name);
	struct range *r = p ? NULL : range_named(b, name);

	if (r)
		range_shutdown(r, message);
	else if (p)
		peer_shutdown(p, message);
	else
		return -ENOENT;
	return 0;
}

int
bgp_peer_enable(struct bgp *b, const char *name)
{
	struct peer *p = peer_named(b, name);
	struct range *r = p ? NULL : range_named(b, name);

	if (r)
		range_enable(r);
	else if (p)
		peer_enable(p);
	else
		return -ENOENT;
	return 0;
}

int
bgp_peer_lost(struct bgp *b, const char *instance, const char *name, bool sure, const char *why)
{
	struct instance *in = b->instances;
	struct peer *p;

	while (in && strcmp(in->name, instance) != 0)
		in = in->next;
	p = in ? peer_find(in, name) : NULL;
	if (!p)
		return -ENOENT;
	peer_lost(p, sure, why);
	return 0;
}

static bool
peer_is_complete(const struct peer *p)
{
	struct adj_counts c;

	if (!p->up && p->range) /* it may never come again */
		return true;
	if (!p->up) /* one that has not come up since the start may still tell what it told before */
		return p->was_up || peer_held_down(p);
	if (!session_has_gr(p->up)) /* it sends no End-of-RIB: a while has to do */
		return loop_now_ms(p->up->loop) - p->up->up_ms >= LEARNED_SETTLE_MS;
	for (int f = 0; f < BGP_NR_FAMILIES; f++) {
		if (!(families_up(p) & BGP_FAMILY_MASK(f)))
			continue;
		adj_counts(p->adj, (enum bgp_family)f, &c);
		if (!c.eor_in)
			return false;
	}
	return true;
}

bool
bgp_learned_complete(const struct bgp *b)
{
	for (const struct instance *in = b->instances; in; in = in->next) {
		for (const struct peer *p = in->peers; p; p = p->next) {
			if (!peer_is_complete(p))
				return false;
		}
	}
	return true;
}
