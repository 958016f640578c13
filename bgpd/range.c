/*
 * bgpd/range.c: listen ranges and the peers that come from them.  See range.h.
 */
#include "bgpd/range.h"

#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "bgpd/conf.h"
#include "bgpd/listen.h"
#include "lib/mem.h"

#define LOGS_A_MINUTE 10

const char *
range_held_down(const struct range *r)
{
	if (r->instance->bgp->stopped)
		return "the daemon is stopping";
	if (r->shut)
		return r->shut_message ? r->shut_message : "shut down by the administrator";
	if (!r->import || !r->export)
		return "no memory for its policies";
	return r->conf->held_down;
}

struct transport
range_transport(const struct range *r)
{
	return transport_of(r->conf, r->conf->local_as ? r->conf->local_as : r->instance->local_as);
}

unsigned
range_nr_peers(const struct range *r)
{
	unsigned nr = 0;

	for (const struct peer *p = r->instance->peers; p; p = p->next)
		nr += p->range == r;
	return nr;
}

void
range_each(struct range *r, void (*fn)(struct peer *, void *arg), void *arg)
{
	for (struct peer *p = r->instance->peers; p; p = p->next) {
		if (p->range == r)
			fn(p, arg);
	}
}

/* ---- the configuration of one of its peers ---- */

/* Strings and policies stay the range's; @name is the caller's to free. */
static struct bgp_peer_conf
member_conf(const struct bgp_peer_conf *range, const struct addr *a, unsigned ifindex, char **name)
{
	struct bgp_peer_conf c = *range;
	char link[IF_NAMESIZE] = "";
	bool scoped = a->family == ADDR_V6 && addr_is_linklocal(a);

	if (scoped && !if_indextoname(ifindex, link))
		snprintf(link, sizeof(link), "%u", ifindex);
	*name = xasprintf("%s@%s%s%s", range->name, addr_str(a), scoped ? "%" : "", link);
	c.name = *name;
	c.addr = *a;
	c.ifindex = scoped ? ifindex : 0;
	memset(&c.range, 0, sizeof(c.range));
	c.range_limit = 0;
	c.passive = true;
	return c;
}

/* The whole that was given, out of what is kept. */
static struct bgp_peer_conf
whole_conf(const struct range *r)
{
	struct bgp_peer_conf c = *r->conf;

	c.import.nr_rules = policy_nr_rules(r->import);
	c.import.rules = c.import.nr_rules ? policy_rule(r->import, 0) : NULL;
	c.export.nr_rules = policy_nr_rules(r->export);
	c.export.rules = c.export.nr_rules ? policy_rule(r->export, 0) : NULL;
	for (int f = 0; f < BGP_NR_FAMILIES; f++)
		c.family[f].audience = r->audience[f];
	return c;
}

/* ---- forgetting ---- */

static bool
is_idle(const struct peer *p)
{
	/* Who is shut down, or told too many prefixes, does not get in by being forgotten. */
	return !p->shut && !p->limit_text && !p->extra && p->main->state <= BGP_ACTIVE &&
	    p->main->fd < 0 && !adj_stale_families(p->adj);
}

static uint64_t
idle_since_ms(const struct peer *p)
{
	return p->last_ms > p->main->opened_ms ? p->last_ms : p->main->opened_ms;
}

static void
peer_forget(struct peer *gone)
{
	struct peer **at = &gone->instance->peers;

	while (*at != gone)
		at = &(*at)->next;
	*at = gone->next;
	log_debug("peer-forgotten", LOG_S("instance", gone->instance->name),
	    LOG_S("peer", gone->conf->name));
	peer_free(gone, BGP_CEASE_DECONFIGURED);
}

static void
sweep_due(void *arg)
{
	struct range *r = arg;
	const uint64_t now = loop_now_ms(r->instance->bgp->loop);
	struct peer *next;

	for (struct peer *p = r->instance->peers; p; p = next) {
		next = p->next;
		if (p->range == r && is_idle(p) && now - idle_since_ms(p) >= RANGE_FORGET_MS)
			peer_forget(p);
	}
	if (range_nr_peers(r))
		timer_set(&r->sweep, RANGE_SWEEP_MS);
}

/* Whom another one may replace: who has no session, or has not made one of its connection. */
static bool
is_in_the_way(const struct peer *p, uint64_t now)
{
	if (is_idle(p))
		return true;
	return !p->shut && !p->limit_text && !p->up && !adj_stale_families(p->adj) &&
	    now - idle_since_ms(p) >= RANGE_HURRY_MS;
}

static bool
make_room(struct range *r)
{
	const uint64_t now = loop_now_ms(r->instance->bgp->loop);

	if (range_nr_peers(r) < r->conf->range_limit)
		return true;
	for (struct peer *p = r->instance->peers; p; p = p->next) {
		if (p->range == r && is_in_the_way(p, now)) {
			peer_forget(p);
			return true;
		}
	}
	return false;
}

/* ---- connections ---- */

static bool
instance_range_is_longer(const struct range *r, const struct addr *remote, const struct range *best)
{
	return prefix_has_addr(&r->conf->range, remote) &&
	    (!best || r->conf->range.len > best->conf->range.len);
}

struct range *
range_at(const struct bgp *b, const struct addr *remote, unsigned ifindex, uint16_t port)
{
	struct range *best = NULL;

	if (remote->family == ADDR_V6 && addr_is_linklocal(remote) && !ifindex)
		return NULL;
	for (const struct instance *in = b->instances; in; in = in->next) {
		for (struct range *r = in->ranges; r && listen_serves(b, in, port); r = r->next) {
			if (instance_range_is_longer(r, remote, best))
				best = r;
		}
	}
	return best;
}

static const char *
refusal(struct range *r, const struct transport_names *n, uint8_t ttl)
{
	const char *why = range_held_down(r);
	const uint8_t least = range_transport(r).min_ttl;

	if (why)
		return why;
	if (addr_is_set(&r->conf->local_addr) && !addr_eq(&r->conf->local_addr, &n->local))
		return "not to our address for this range";
	/* RFC 5082 3 */
	if (least && ttl && ttl < least)
		return "TTL too low";
	return make_room(r) ? NULL : "the range has as many peers as it may";
}

void
range_accept(struct range *r, int fd, const struct transport_names *n, uint8_t ttl)
{
	struct bgp *b = r->instance->bgp;
	const char *why = refusal(r, n, ttl);
	struct bgp_peer_conf whole, conf;
	unsigned suppressed = 0;
	struct peer *p;
	char *name;

	if (why) {
		r->refused++;
		if (log_allow(&b->noise, loop_now_ms(b->loop), LOGS_A_MINUTE, &suppressed))
			log_info("connection-refused", LOG_S("instance", r->instance->name),
			    LOG_S("range", r->conf->name), LOG_S("address", addr_str(&n->remote)),
			    LOG_S("reason", why), LOG_U("suppressed", suppressed));
		close(fd);
		return;
	}
	whole = whole_conf(r);
	conf = member_conf(&whole, &n->remote, n->ifindex, &name);
	p = peer_new(r->instance, &conf);
	mem_free(name);
	p->range = r;
	p->next = r->instance->peers;
	r->instance->peers = p;
	peer_accept(p, fd, n, ttl);
	if (is_idle(p)) /* its socket was gone already */
		peer_forget(p);
	else if (!timer_is_running(&r->sweep))
		timer_set(&r->sweep, RANGE_SWEEP_MS);
}

/* ---- configuration ---- */

static void
range_free(struct range *r)
{
	timer_stop(&r->sweep);
	policy_unref(r->import);
	policy_unref(r->export);
	for (int f = 0; f < BGP_NR_FAMILIES; f++)
		mem_free(r->audience[f]);
	mem_free(r->shut_message);
	conf_free(r->conf);
	mem_free(r);
}

static void
range_take(struct range *r, const struct bgp_peer_conf *c)
{
	conf_free(r->conf);
	r->conf = conf_copy(c);
	policy_unref(r->import);
	policy_unref(r->export);
	r->import = policy_new(&c->import);
	r->export = policy_new(&c->export);
	for (int f = 0; f < BGP_NR_FAMILIES; f++) {
		const char *audience = c->family[f].audience;

		mem_free(r->audience[f]);
		r->audience[f] = audience ? xstrdup(audience) : NULL;
	}
	r->wanted = true;
}

static struct range *
range_find(const struct instance *in, const char *name)
{
	struct range *r = in->ranges;

	while (r && strcmp(r->conf->name, name) != 0)
		r = r->next;
	return r;
}

static bool
is_explicit(const struct bgp_instance_conf *c, const struct bgp_peer_conf *p)
{
	for (size_t i = 0; i < c->nr_peers; i++) {
		if (!c->peers[i].range_limit && addr_eq(&c->peers[i].addr, &p->addr) &&
		    c->peers[i].ifindex == p->ifindex)
			return true;
	}
	return false;
}

/* Which range of the instance would have this peer now. */
static const struct range *
range_of(const struct instance *in, const struct peer *p)
{
	const struct range *best = NULL;

	for (const struct range *r = in->ranges; r; r = r->next) {
		if (r->wanted && instance_range_is_longer(r, &p->conf->addr, best))
			best = r;
	}
	return best;
}

void
ranges_take(struct instance *in, const struct bgp_instance_conf *c)
{
	for (struct range *r = in->ranges; r; r = r->next)
		r->wanted = false;
	for (size_t i = 0; i < c->nr_peers; i++) {
		struct range *r = range_find(in, c->peers[i].name);

		if (!c->peers[i].range_limit)
			continue;
		if (!r) {
			r = xnew(struct range);
			r->instance = in;
			timer_init(&r->sweep, in->bgp->loop, sweep_due, r);
			r->next = in->ranges;
			in->ranges = r;
		}
		range_take(r, &c->peers[i]);
	}
	for (struct peer *p = in->peers; p; p = p->next) {
		if (p->range && range_of(in, p) == p->range && !is_explicit(c, p->conf))
			p->wanted = true;
	}
}

void
ranges_drop(struct instance *in, bool all)
{
	struct range **at = &in->ranges, *r;

	while ((r = *at)) {
		if (r->wanted && !all) {
			at = &r->next;
			continue;
		}
		*at = r->next;
		range_free(r);
	}
}

void
ranges_confer(struct instance *in, const struct bgp_instance_conf *c, bool reset)
{
	for (struct peer *p = in->peers; p; p = p->next) {
		for (size_t i = 0; p->range && i < c->nr_peers; i++) {
			struct bgp_peer_conf conf;
			char *name;

			if (!c->peers[i].range_limit ||
			    strcmp(c->peers[i].name, p->range->conf->name) != 0)
				continue;
			conf = member_conf(&c->peers[i], &p->conf->addr, p->conf->ifindex, &name);
			if (reset)
				peer_reset(p, BGP_CEASE_CONFIG_CHANGE, NULL);
			peer_conf(p, &conf);
			mem_free(name);
			break;
		}
	}
}

/* ---- orders ---- */

struct range *
range_named(const struct bgp *b, const char *name)
{
	for (const struct instance *in = b->instances; in; in = in->next) {
		struct range *r = range_find(in, name);

		if (r)
			return r;
	}
	return NULL;
}

static void
shut_fn(struct peer *p, void *message)
{
	peer_shutdown(p, message);
}

static void
enable_fn(struct peer *p, void *arg)
{
	(void)arg;
	peer_enable(p);
}

void
range_shutdown(struct range *r, const char *message)
{
	char *words = message ? xstrdup(message) : NULL;

	mem_free(r->shut_message);
	r->shut_message =
	    message && *message ? xasprintf("shut down by the administrator: %s", message) : NULL;
	r->shut = true;
	range_each(r, shut_fn, words);
	mem_free(words);
}

void
range_enable(struct range *r)
{
	r->shut = false;
	range_each(r, enable_fn, NULL);
}
