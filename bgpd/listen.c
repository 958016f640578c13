/*
 * bgpd/listen.c: listening sockets, and whom a new connection belongs to.  Between the kernel and
 * peer.c.  A connection from an address that is nobody's is closed at once, without a word.
 */
#include "bgpd/listen.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "bgpd/range.h"
#include "bgpd/tcp_ao.h"
#include "lib/acceptor.h"
#include "lib/mem.h"

#define RETRY_MS 1000
#define LOGS_A_MINUTE 10

struct key {
	struct prefix peer; /* or a range of them */
	char *text;
	bool wanted, ao;
};

struct listener {
	struct listener *next;
	struct bgp *bgp;
	struct bgp_listen at;
	int fd; /* the acceptor's */
	struct acceptor *acceptor;
	struct key *keys;
	size_t nr_keys, cap_keys;
	uint8_t min_ttl;
	bool wanted;
};

bool
listen_serves(const struct bgp *b, const struct instance *in, uint16_t port)
{
	if (in->local_port)
		return in->local_port == port;
	for (size_t i = 0; i < b->nr_listen; i++) {
		if (b->listen[i].port == port)
			return true;
	}
	return false;
}

/* ---- connections ---- */

static void
connection_place(void *arg, int fd)
{
	struct bgp *b = arg;
	const uint8_t ttl = transport_syn_ttl(fd);
	struct transport_names names;
	struct range *r;
	struct peer *p;
	unsigned suppressed = 0;

	if (transport_names(fd, &names) < 0) {
		close(fd); /* it is gone already */
		return;
	}
	p = bgp_peer_at(b, &names.remote, names.ifindex, names.local_port);
	if (p) {
		peer_accept(p, fd, &names, ttl);
		return;
	}
	r = range_at(b, &names.remote, names.ifindex, names.local_port);
	if (r) {
		range_accept(r, fd, &names, ttl);
		return;
	}
	close(fd);
	b->nr_refused++;
	if (log_allow(&b->noise, loop_now_ms(b->loop), LOGS_A_MINUTE, &suppressed))
		log_info("connection-refused", LOG_S("address", addr_str(&names.remote)),
		    LOG_S("reason", "not a configured peer"), LOG_U("suppressed", suppressed));
}

/* ---- keys ---- */

static void
key_remove(struct listener *l, size_t i)
{
	if (l->keys[i].ao)
		tcp_ao_remove(l->fd, &l->keys[i].peer, l->keys[i].text);
	else
		(void)transport_md5(l->fd, &l->keys[i].peer, NULL);
	mem_wipe(l->keys[i].text, strlen(l->keys[i].text));
	mem_free(l->keys[i].text);
	l->keys[i] = l->keys[--l->nr_keys];
}

static int
key_put(struct listener *l, const struct prefix *peer, const char *text, bool ao)
{
	size_t i = 0;
	int err;

	while (i < l->nr_keys && !prefix_eq(&l->keys[i].peer, peer))
		i++;
	if (i < l->nr_keys && l->keys[i].ao == ao && strcmp(l->keys[i].text, text) == 0) {
		l->keys[i].wanted = true;
		return 0;
	}
	if (i < l->nr_keys)
		key_remove(l, i);
	err = mem_grow((void **)&l->keys, &l->cap_keys, l->nr_keys, sizeof(*l->keys), 0);
	if (err == 0)
		err = ao ? tcp_ao_put(l->fd, peer, text, true) : transport_md5(l->fd, peer, text);
	if (err < 0)
		return err;
	l->keys[l->nr_keys++] =
	    (struct key){ .peer = *peer, .text = xstrdup(text), .ao = ao, .wanted = true };
	return 0;
}

/* What the peers of a listener come to. */
struct sum {
	unsigned nr;
	uint8_t least; /* TTL */
	int err;       /* the first */
};

/* A peer, or a range of them, with this configuration. */
static void
sum_add(struct listener *l, struct sum *s, const struct instance *in, const struct bgp_peer_conf *c,
    const struct prefix *from, uint8_t min_ttl)
{
	int err = 0;

	if (l->at.addr.family != from->addr.family || !listen_serves(l->bgp, in, l->at.port))
		return;
	s->nr++;
	s->least = min_ttl < s->least ? min_ttl : s->least;
	if (c->md5_key)
		err = key_put(l, from, c->md5_key, false);
	/* Where the kernel cannot, its peers are held down. */
	if (c->ao_keys && tcp_ao_here() == 0)
		err = key_put(l, from, c->ao_keys, true);
	if (err < 0)
		log_error(c->ao_keys ? "tcp-ao-key-failed" : "md5-key-failed",
		    LOG_S("peer", c->name), LOG_ERR(-err));
	s->err = s->err ? s->err : err;
}

/* RFC 5082 3: the least that any of the peers here may come with; 0 when one does without. */
static int
peers_sync(struct listener *l)
{
	struct sum s = { .least = 255 };

	for (size_t i = 0; i < l->nr_keys; i++)
		l->keys[i].wanted = false;
	for (const struct instance *in = l->bgp->instances; in; in = in->next) {
		for (const struct peer *p = in->peers; p; p = p->next) {
			const struct prefix host = prefix_host(&p->conf->addr);

			if (!p->range) /* the range's key is its own */
				sum_add(l, &s, in, p->conf, &host, peer_transport(p).min_ttl);
		}
		for (const struct range *r = in->ranges; r; r = r->next)
			sum_add(l, &s, in, r->conf, &r->conf->range, range_transport(r).min_ttl);
	}
	for (size_t i = l->nr_keys; i-- > 0;) {
		if (!l->keys[i].wanted)
			key_remove(l, i);
	}
	if (!s.nr)
		s.least = 0;
	if (s.least != l->min_ttl && transport_listen_min_ttl(l->fd, &l->at.addr, s.least) == 0)
		l->min_ttl = s.least;
	return s.err;
}

/* ---- listeners ---- */

static void
listener_free(struct listener *l)
{
	while (l->nr_keys)
		key_remove(l, l->nr_keys - 1);
	mem_free(l->keys);
	acceptor_free(l->acceptor);
	mem_free(l);
}

static int
listener_want(struct bgp *b, const struct bgp_listen *at)
{
	struct listener *l = b->listeners;
	int fd, err;

	while (l && (l->at.port != at->port || !addr_eq(&l->at.addr, &at->addr)))
		l = l->next;
	if (l) {
		l->wanted = true;
		return 0;
	}
	err = transport_listen(&at->addr, at->port, &fd);
	if (err < 0) {
		log_error("listen-failed", LOG_S("address", addr_str(&at->addr)),
		    LOG_U("port", at->port), LOG_ERR(-err));
		return err;
	}
	l = xnew(struct listener);
	l->bgp = b;
	l->at = *at;
	l->fd = fd;
	l->wanted = true;
	l->acceptor = acceptor_new(b->loop, fd, "connections of BGP peers", connection_place, b);
	if (!l->acceptor) {
		close(fd);
		mem_free(l);
		return -ENOMEM;
	}
	l->next = b->listeners;
	b->listeners = l;
	return 0;
}

void
bgp_listen_each(const struct bgp *b, bgp_listen_fn *each, void *arg)
{
	struct bgp_listen at = { 0 };

	for (size_t i = 0; i < b->nr_listen; i++)
		each(arg, &b->listen[i], true);
	/* A port of an instance of its own: on the wildcard addresses of both families. */
	for (const struct instance *in = b->instances; in; in = in->next) {
		at.port = in->local_port;
		for (uint8_t f = ADDR_V4; at.port && f <= ADDR_V6; f++) {
			at.addr.family = f;
			/* A kernel without IPv6 is no fault. */
			each(arg, &at, f == ADDR_V4);
		}
	}
}

static void
mark_wanted(void *arg, const struct bgp_listen *at, bool must)
{
	(void)must;
	for (struct listener *l = arg; l; l = l->next)
		l->wanted |= l->at.port == at->port && addr_eq(&l->at.addr, &at->addr);
}

struct opening {
	struct bgp *bgp;
	int first; /* error */
};

static void
open_wanted(void *arg, const struct bgp_listen *at, bool must)
{
	struct opening *o = arg;
	int err = listener_want(o->bgp, at);

	if (err == -EAFNOSUPPORT && !must)
		err = 0;
	o->first = o->first ? o->first : err;
}

int
listen_sync(struct bgp *b)
{
	struct opening opening = { .bgp = b };
	struct listener **at = &b->listeners, *l;
	int first, err;

	for (l = b->listeners; l; l = l->next)
		l->wanted = false;
	/* The old ones go first: a new one may want their port. */
	bgp_listen_each(b, mark_wanted, b->listeners);
	while ((l = *at)) {
		if (l->wanted) {
			at = &l->next;
			continue;
		}
		*at = l->next;
		listener_free(l);
	}
	bgp_listen_each(b, open_wanted, &opening);
	first = opening.first;
	for (l = b->listeners; l; l = l->next) {
		err = peers_sync(l);
		first = first ? first : err;
	}
	if (first)
		timer_set(&b->listen_retry, RETRY_MS);
	else
		timer_stop(&b->listen_retry);
	return first;
}

void
listen_close(struct bgp *b)
{
	timer_stop(&b->listen_retry);
	while (b->listeners) {
		struct listener *l = b->listeners;

		b->listeners = l->next;
		listener_free(l);
	}
}
