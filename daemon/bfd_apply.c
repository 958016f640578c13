/*
 * daemon/bfd_apply.c: the daemon's BFD engine, and the BGP peers that it watches: the plan says which,
 * and what BFD says of one ends its BGP session.
 *
 * RFC 5882 4.2, 4.3: a session that goes down ends BGP's at once; one whose other end says that it was
 * switched off does not, and one that never came up says nothing.
 */
#include "daemon/bfd_apply.h"

#include "bfd/bfd.h"
#include "daemon/app.h"
#include "daemon/monitor.h"
#include "lib/log.h"
#include "lib/mem.h"

#include <ifaddrs.h>
#include <stdlib.h>
#include <string.h>

struct bfd_peer {
	struct bfd_peer *next;
	struct app *app;
	char *instance, *name;
	struct bfd_conf conf;
	struct bfd_watch *watch; /* NULL: could not be had; the next plan tries again */
	bool wanted;
};

struct bfd *
app_bfd(struct app *app)
{
	int err = 0;

	if (app->bfd)
		return app->bfd;
	app->bfd = bfd_new(app->loop, &err);
	if (!app->bfd)
		log_error("bfd-off", LOG_ERR(-err));
	return app->bfd;
}

/* ---- what BFD says ---- */

static void
peer_changed(void *arg, enum bfd_state state, const char *why)
{
	struct bfd_peer *p = arg;
	bool up = state == BFD_UP, admin = !up && bfd_watch_is_admin(p->watch);
	struct app *app = p->app;

	log_at(up || admin ? LOG_LVL_INFO : LOG_LVL_WARN, "bfd-session",
	    LOG_S("instance", p->instance), LOG_S("peer", p->name),
	    LOG_S("address", addr_str(&p->conf.peer)), LOG_S("state", bfd_state_name(state)),
	    LOG_S("reason", why));
	monitor_bfd(app, p->instance, p->name, bfd_state_name(state), why);
	if (up || admin || !app->bgp || app->stopping)
		return;
	/* -ENOENT: a peer that was just taken out. */
	(void)bgp_peer_lost(
	    app->bgp, p->instance, p->name, bfd_watch_is_independent(p->watch), why);
}

static const struct bfd_ops peer_ops = { .changed = peer_changed };

/* ---- who is watched ---- */

static unsigned
mask_len(const struct sockaddr *mask)
{
	struct addr a;
	unsigned len = 0;

	if (addr_from_sockaddr(mask, &a, NULL) < 0)
		return 0;
	while (len < addr_bits((enum addr_family)a.family) && a.b[len / 8] >> (7 - len % 8) & 1)
		len++;
	return len;
}

/* Is the address on one of our links? */
static bool
is_on_link(const struct addr *peer)
{
	struct ifaddrs *list, *i;
	struct prefix prefix;
	struct addr a;
	bool found = false;

	if (addr_is_linklocal(peer))
		return true;
	if (getifaddrs(&list) < 0)
		return false;
	for (i = list; i && !found; i = i->ifa_next) {
		if (!i->ifa_addr || !i->ifa_netmask ||
		    addr_from_sockaddr(i->ifa_addr, &a, NULL) < 0 || a.family != peer->family)
			continue;
		prefix = prefix_of(&a, mask_len(i->ifa_netmask));
		found = prefix.len > 0 && prefix_has_addr(&prefix, peer);
	}
	freeifaddrs(list);
	return found;
}

static bool
is_same_session(const struct bfd_conf *a, const struct bfd_conf *b)
{
	return addr_eq(&a->peer, &b->peer) && addr_eq(&a->local, &b->local) &&
	    strcmp(a->device, b->device) == 0 && a->multihop == b->multihop &&
	    a->key_len == b->key_len && a->key_id == b->key_id &&
	    memcmp(a->key, b->key, a->key_len) == 0;
}

static bool
is_same_pace(const struct bfd_conf *a, const struct bfd_conf *b)
{
	return a->tx_us == b->tx_us && a->rx_us == b->rx_us && a->multiplier == b->multiplier &&
	    a->min_ttl == b->min_ttl && a->passive == b->passive;
}

static void
free_peer(struct bfd_peer *p)
{
	bfd_watch_free(p->watch);
	mem_wipe(&p->conf, sizeof(p->conf)); /* a key */
	free(p->instance);
	free(p->name);
	free(p);
}

static void
watch(struct app *app, struct bfd_peer *p, const struct bfd_wanted *w)
{
	struct bfd_conf conf = w->conf;
	struct bfd *bfd;
	int err = 0;

	if (w->by_link)
		conf.multihop = !is_on_link(&conf.peer);
	if (p->watch && is_same_session(&p->conf, &conf)) {
		if (!is_same_pace(&p->conf, &conf))
			err = bfd_watch_set(p->watch, &conf);
		p->conf = conf;
	} else {
		bfd_watch_free(p->watch);
		p->watch = NULL;
		p->conf = conf;
		bfd = app_bfd(app);
		if (bfd)
			p->watch = bfd_watch_new(bfd, &conf, &peer_ops, p, &err);
	}
	if (err < 0)
		log_error("bfd-peer-not-watched", LOG_S("instance", p->instance),
		    LOG_S("peer", p->name), LOG_ERR(-err));
}

static struct bfd_peer *
find_peer(struct app *app, const struct bfd_wanted *w)
{
	struct bfd_peer *p = app->bfd_peers;

	while (p && (strcmp(p->instance, w->instance) != 0 || strcmp(p->name, w->peer) != 0))
		p = p->next;
	return p;
}

void
bfd_apply_peers(struct app *app)
{
	struct bfd_peer **at, *p;

	if (app->stopping)
		return;
	for (p = app->bfd_peers; p; p = p->next)
		p->wanted = false;
	for (size_t i = 0; i < app->plan->nr_watched; i++) {
		const struct bfd_wanted *w = &app->plan->watched[i];

		p = find_peer(app, w);
		if (!p) {
			p = xnew(struct bfd_peer);
			p->app = app;
			p->instance = xstrdup(w->instance);
			p->name = xstrdup(w->peer);
			p->next = app->bfd_peers;
			app->bfd_peers = p;
		}
		p->wanted = true;
		watch(app, p, w);
	}
	for (at = &app->bfd_peers; (p = *at);) {
		if (p->wanted) {
			at = &p->next;
			continue;
		}
		*at = p->next;
		free_peer(p);
	}
}

void
bfd_apply_fini(struct app *app)
{
	struct bfd_peer *p;

	while ((p = app->bfd_peers)) {
		app->bfd_peers = p->next;
		free_peer(p);
	}
	bfd_free(app->bfd);
	app->bfd = NULL;
}

/* ---- what people are shown ---- */

static void
put(json_t *o, const char *key, json_t *value)
{
	(void)json_object_set_new(o, key, value);
}

static json_t *
number(uint64_t n)
{
	return json_integer((json_int_t)n);
}

static json_t *
addr_json(const struct addr *a)
{
	char text[ADDR_STRLEN];

	return json_string(addr_is_set(a) ? addr_format(a, text, sizeof(text)) : "");
}

static bool
show_session(void *arg, const struct bfd_seen *s)
{
	json_t *list = arg, *o = json_object();

	put(o, "peerAddress", addr_json(&s->peer));
	put(o, "localAddress", addr_json(&s->local));
	put(o, "interface", json_string(s->device));
	put(o, "multihop", json_boolean(s->multihop));
	put(o, "state", json_string(bfd_state_name(s->state)));
	put(o, "remoteState", json_string(bfd_state_name(s->remote)));
	put(o, "diagnostic", json_string(bfd_diag_name(s->diag)));
	put(o, "remoteDiagnostic", json_string(bfd_diag_name(s->remote_diag)));
	put(o, "detectTimeMs", number(s->detect_us / 1000));
	put(o, "transmitIntervalMs", number(s->tx_us / 1000));
	put(o, "receiveIntervalMs", number(s->rx_us / 1000));
	put(o, "multiplier", number(s->multiplier));
	put(o, "remoteMultiplier", number(s->remote_multiplier));
	put(o, "discriminator", number(s->discriminator));
	put(o, "remoteDiscriminator", number(s->remote_discriminator));
	put(o, "sinceSeconds", number(s->since_ms / 1000));
	put(o, "packetsSent", number(s->sent));
	put(o, "packetsReceived", number(s->received));
	put(o, "packetsDropped", number(s->dropped));
	put(o, "ups", number(s->ups));
	put(o, "downs", number(s->downs));
	put(o, "watches", number(s->watches));
	put(o, "authenticated", json_boolean(s->authenticated));
	if (s->error)
		put(o, "message",
		    json_sprintf("nothing can be sent to the peer: %s", strerror(-s->error)));
	(void)json_array_append_new(list, o);
	return true;
}

json_t *
show_bfd(struct app *app)
{
	json_t *list = json_array(), *drops = json_object();

	if (app->bfd)
		bfd_each(app->bfd, show_session, list);
	for (unsigned i = 0; app->bfd && bfd_drop_name(i); i++)
		put(drops, bfd_drop_name(i), number(bfd_drops(app->bfd, i)));
	return json_pack("{s:o, s:o, s:s}", "sessions", list, "dropped", drops, "error",
	    app->bfd ? bfd_error(app->bfd) : "");
}
