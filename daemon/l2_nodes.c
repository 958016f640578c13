/*
 * daemon/l2_nodes.c: the nodes that announce on layer 2, among themselves: from Node documents to the
 * members of cluster/, from its wishes to BFD sessions, and what members say of their devices.
 */
#include "daemon/l2_side.h"

#include <errno.h>
#include <regex.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "daemon/bfd_apply.h"
#include "lib/hash.h"
#include "lib/log.h"
#include "lib/mem.h"

#define SECRET_KEY "key"
#define MIN_TTL 250 /* as cluster/ takes datagrams */

struct l2_node {
	struct l2_side *side;
	char *name;
	struct addr addr;
	bool watched;
	struct bfd_watch *bfd; /* NULL with @watched: could not be begun, tried again */
	bool up;
	struct loop_work was_up; /* the session was there already */
	/* What it said of its devices, as parsed. */
	uint64_t notes_hash;
	size_t notes_len;
	struct arena arena;
	struct l2_notes notes;
	bool known;
};

/* ---- the table ---- */

static size_t
place(const struct l2_side *s, const char *name, bool *found)
{
	size_t low = 0, high = s->nr_nodes;

	*found = false;
	while (low < high) {
		const size_t mid = low + (high - low) / 2;
		const int cmp = strcmp(name, s->nodes[mid]->name);

		if (cmp == 0) {
			*found = true;
			return mid;
		}
		if (cmp < 0)
			high = mid;
		else
			low = mid + 1;
	}
	return low;
}

static struct l2_node *
node_of(const struct l2_side *s, const char *name)
{
	bool found;
	const size_t i = place(s, name, &found);

	return found ? s->nodes[i] : NULL;
}

static void on_was_up(void *arg);

/* NULL: no memory. */
static struct l2_node *
node_make(struct l2_side *s, const char *name)
{
	bool found;
	const size_t i = place(s, name, &found);
	struct l2_node *n;

	if (found)
		return s->nodes[i];
	if (mem_grow((void **)&s->nodes, &s->cap_nodes, s->nr_nodes, sizeof(n), 0) < 0)
		return NULL;
	n = mem_calloc(1, sizeof(*n));
	if (!n)
		return NULL;
	n->side = s;
	n->name = xstrdup(name);
	work_init(&n->was_up, s->app->loop, on_was_up, n);
	memmove(&s->nodes[i + 1], &s->nodes[i], (s->nr_nodes - i) * sizeof(n));
	s->nodes[i] = n;
	s->nr_nodes++;
	return n;
}

static void
node_free(struct l2_node *n)
{
	work_cancel(&n->was_up);
	bfd_watch_free(n->bfd);
	arena_fini(&n->arena);
	free(n->name);
	mem_free(n);
}

/* ---- BFD between nodes ---- */

static void
node_up(struct l2_node *n, bool up, const char *why)
{
	struct l2_side *s = n->side;

	if (n->up == up)
		return;
	n->up = up;
	s->nr_up += up ? 1 : (size_t)-1;
	log_info(up ? "node-heard" : "node-not-heard", LOG_S("node", n->name), LOG_S("why", why));
	if (!up && s->nr_up == 0)
		l2_lease_ask(s->leases);
	cluster_watched(s->cluster, n->name, up);
}

static void
on_bfd(void *arg, enum bfd_state state, const char *why)
{
	node_up(arg, state == BFD_UP, why);
}

static void
on_was_up(void *arg)
{
	struct l2_node *n = arg;

	if (n->bfd && bfd_watch_state(n->bfd) == BFD_UP)
		node_up(n, true, "BFD was up already");
}

static const struct addr *
address_of(const struct res_node *node)
{
	const struct addr *a = res_node_addr(node, RES_ADDR_INTERNAL_IP, ADDR_V4);

	if (!a)
		a = res_node_addr(node, RES_ADDR_INTERNAL_IP, ADDR_V6);
	return a;
}

/* Where the other end looks for us: by several links to it another might be chosen. */
static struct addr
our_address(const struct l2_side *s, uint8_t family)
{
	const struct res_node *node = store_node(s->app->store, s->app->node);
	const struct addr *a = node ? address_of(node) : NULL;

	return a && a->family == family ? *a : (struct addr){ 0 };
}

/* As of several hops, wherever the node is: would one end take the other to be on its link and the other
 * not, as routes and links come and go, they would never meet. */
static void
watch(struct l2_node *n)
{
	static const struct bfd_ops ops = { .changed = on_bfd };
	struct l2_side *s = n->side;
	const struct res_l2 *conf = &store_config(s->app->store)->l2;
	struct bfd_conf c = { .peer = n->addr,
		.local = our_address(s, n->addr.family),
		.device = "",
		.multihop = true,
		.min_ttl = MIN_TTL,
		.tx_us = conf->interval_ms * 1000,
		.rx_us = conf->interval_ms * 1000,
		.multiplier = conf->multiplier };
	struct bfd *bfd = app_bfd(s->app);
	int err = 0;

	if (!bfd)
		return; /* it was logged why */
	if (n->bfd) {
		err = bfd_watch_set(n->bfd, &c);
		if (err == -EINVAL) { /* between other ends than before: another session */
			bfd_watch_free(n->bfd);
			n->bfd = NULL;
			node_up(n, false, "watched by another way from now on");
		}
	}
	if (!n->bfd) {
		err = 0;
		n->bfd = bfd_watch_new(bfd, &c, &ops, n, &err);
		if (n->bfd && bfd_watch_state(n->bfd) == BFD_UP)
			work_post(&n->was_up); /* cluster/ is asking just now */
	}
	if (err < 0)
		log_warn("node-not-watched", LOG_S("node", n->name), LOG_ERR(-err));
}

static void
unwatch(struct l2_node *n)
{
	n->watched = false;
	bfd_watch_free(n->bfd);
	n->bfd = NULL;
	if (n->up) {
		n->up = false;
		n->side->nr_up--;
	}
}

static void
on_watch(void *arg, const char *name, const struct addr *addr, bool on)
{
	struct l2_side *s = arg;
	struct l2_node *n = on ? node_make(s, name) : node_of(s, name);

	if (!n)
		return;
	if (!on || !addr_eq(&n->addr, addr))
		unwatch(n);
	if (!on)
		return;
	n->addr = *addr;
	n->watched = true;
	watch(n);
}

/* ---- what the link says ---- */

static void
on_probed(void *arg, const struct l2_probed *p)
{
	struct l2_side *s = arg;

	l2_strangers_probed(s, p);
	cluster_probed(s->cluster, &p->addr, p->known, p->in_use);
}

static const struct l2_wanted_address *
wanted_of(const struct l2_side *s, const struct addr *addr)
{
	size_t low = 0, high = s->want.nr_all;

	while (low < high) {
		const size_t mid = low + (high - low) / 2;
		const int cmp = addr_cmp(addr, &s->want.all[mid].addr);

		if (cmp == 0)
			return &s->want.all[mid];
		if (cmp < 0)
			high = mid;
		else
			low = mid + 1;
	}
	return NULL;
}

static void
on_probe(void *arg, const struct addr *addrs, size_t nr)
{
	struct l2_side *s = arg;
	struct arena arena = { 0 };
	struct l2_address *list = arena_new_n(&arena, struct l2_address, nr + 1);
	int err;

	for (size_t i = 0; i < nr; i++) {
		const struct l2_wanted_address *w = wanted_of(s, &addrs[i]);

		list[i].addr = addrs[i];
		if (w) {
			list[i].devices = w->devices;
			list[i].nr_devices = w->nr_devices;
		}
	}
	err = l2_probe(s->app->l2, list, nr, on_probed, s);
	for (size_t i = 0; err < 0 && i < nr; i++)
		cluster_probed(s->cluster, &addrs[i], false, false);
	if (err < 0)
		log_warn("l2-not-probed", LOG_U("addresses", nr), LOG_ERR(-err));
	arena_fini(&arena);
}

/* ---- members ---- */

/* Without the key that is asked for nobody is believed, and nobody believes us. */
static void
take_key(const struct l2_side *s, const char *name, struct cluster_conf *c)
{
	const struct res_secret *secret = *name ? store_secret(s->app->store, NULL, name) : NULL;
	const struct res_secret_entry *e = secret ? res_secret_get(secret, SECRET_KEY) : NULL;

	if (!*name)
		return;
	if (e && e->len > 0 && e->len <= sizeof(c->key)) {
		memcpy(c->key, e->value, e->len);
		c->key_len = e->len;
		return;
	}
	log_error("node-key-missing", LOG_S("secret", name),
	    LOG_S("hint", "a Secret with 1 to 64 bytes under the key \"" SECRET_KEY "\""));
	c->key_len = 32;
	if (getrandom(c->key, c->key_len, 0) < 0)
		log_warn("node-key-not-random", LOG_ERR(errno));
}

static void
follow_members(struct l2_side *s)
{
	const struct store *store = s->app->store;
	const struct res_l2 *conf = &store_config(store)->l2;
	struct cluster_conf c = { .self = s->app->node, .port = conf->port };
	struct arena arena = { 0 };
	struct cluster_member *members;
	struct res_object *o;
	int err;

	members = arena_new_n(&arena, struct cluster_member, store_nr(store, RES_NODE) + 1);
	c.members = members;
	/* Where nothing is announced nobody needs to know of anybody. */
	if (store_nr(store, RES_L2_POLICY) > 0) {
		store_for_each(store, RES_NODE, o)
		{
			const struct addr *a = address_of((const struct res_node *)o);

			members[c.nr_members].name = o->meta.name;
			if (a)
				members[c.nr_members].addr = *a;
			c.nr_members++;
		}
	}
	take_key(s, conf->secret, &c);
	err = cluster_set(s->cluster, &c);
	if (err < 0)
		log_error("nodes-not-set", LOG_ERR(-err));
	explicit_bzero(&c.key, sizeof(c.key));
	arena_fini(&arena);
	for (size_t i = 0; i < s->nr_nodes; i++) {
		if (s->nodes[i]->watched)
			watch(s->nodes[i]);
	}
}

/* Does any policy name the device? */
static bool
is_named(void *arg, const char *device)
{
	struct res_object *o;

	store_for_each((const struct store *)arg, RES_L2_POLICY, o)
	{
		const struct res_l2_policy *p = (const struct res_l2_policy *)o;

		for (size_t i = 0; i < p->interfaces.nr; i++) {
			regex_t re;
			bool found;

			if (regcomp(&re, p->interfaces.v[i], REG_EXTENDED | REG_NOSUB) != 0)
				continue;
			found = regexec(&re, device, 0, NULL, 0) == 0;
			regfree(&re);
			if (found)
				return true;
		}
	}
	return false;
}

struct up_list {
	struct arena *arena;
	const char **v;
	size_t nr, cap;
};

static bool
add_up(void *arg, const struct bgp_peer_stats *p)
{
	struct up_list *l = arg;
	const char **grown;

	if (p->state != BGP_ESTABLISHED)
		return true;
	if (l->nr == l->cap) {
		l->cap = l->cap ? 2 * l->cap : 16;
		grown = arena_new_n(l->arena, const char *, l->cap);
		if (l->nr)
			memcpy(grown, l->v, l->nr * sizeof(*grown));
		l->v = grown;
	}
	l->v[l->nr++] = arena_printf(l->arena, "%s/%s", p->instance, p->name);
	return true;
}

static void
take_sessions(const struct app *app, struct arena *arena, struct l2_notes *notes)
{
	struct up_list l = { .arena = arena };

	if (!app->bgp)
		return;
	bgp_peers_each(app->bgp, add_up, &l);
	notes->sessions = l.v;
	notes->nr_sessions = l.nr;
	notes->has_sessions = true;
}

static bool
follow_notes(struct l2_side *s)
{
	struct arena arena = { 0 };
	struct l2_notes notes = { 0 };
	char *text;
	int err = -ENOMEM;

	if (!l2_apply_devices(s->app, &arena, &notes.devices, &notes.nr_devices))
		return false;
	notes.nr_strangers = l2_strangers_told(s, &arena, &notes.strangers);
	take_sessions(s->app, &arena, &notes);
	text = l2_notes_format(&notes, is_named, s->app->store);
	if (text)
		err = cluster_note(s->cluster, text, strlen(text));
	if (err < 0)
		log_warn("devices-not-told", LOG_ERR(-err));
	free(text);
	arena_fini(&arena);
	return true;
}

void
l2_nodes_follow(struct l2_side *s)
{
	if (!s->cluster)
		return;
	if (s->notes_stale || s->nodes_stale)
		s->notes_stale = !follow_notes(s);
	if (s->nodes_stale)
		follow_members(s);
	s->nodes_stale = false;
}

/* ---- for l2_wanted() ---- */

enum reason
l2_nodes_life(const struct l2_side *s, const char *name)
{
	const bool self = strcmp(name, s->app->node) == 0;

	if (self)
		return s->drained || s->leaving ? REASON_DRAINING : REASON_SATISFIED;
	switch (cluster_life(s->cluster, name)) {
	case CLUSTER_ALIVE:
		return REASON_SATISFIED;
	case CLUSTER_STOPPING:
		return REASON_DRAINING;
	case CLUSTER_UNHEARD:
		return REASON_NODE_UNHEARD;
	default:
		return REASON_NODE_LOST;
	}
}

const struct l2_notes *
l2_nodes_notes(struct l2_side *s, const char *name)
{
	size_t len = 0;
	const void *notes = cluster_notes(s->cluster, name, &len);
	struct l2_node *n = notes ? node_make(s, name) : NULL;
	uint64_t hash;

	if (!n)
		return NULL;
	hash = hash_bytes(notes, len);
	if (n->notes_hash != hash || n->notes_len != len || !n->notes.devices) {
		arena_fini(&n->arena);
		n->known = l2_notes_parse(notes, len, &n->arena, &n->notes);
		n->notes_hash = hash;
		n->notes_len = len;
	}
	return n->known ? &n->notes : NULL;
}

bool
l2_nodes_devices(
    struct l2_side *s, const char *name, const struct l2_seen_device **devices, size_t *nr)
{
	const struct l2_notes *notes = l2_nodes_notes(s, name);

	if (!notes)
		return false;
	*devices = notes->devices;
	*nr = notes->nr_devices;
	return true;
}

static bool
has_mac(const struct l2_seen_device *devices, size_t nr, const uint8_t mac[6])
{
	for (size_t i = 0; i < nr; i++) {
		if (memcmp(devices[i].mac, mac, 6) == 0)
			return true;
	}
	return false;
}

struct mac_search {
	struct l2_side *side;
	const uint8_t *mac;
	bool found;
};

static bool
search_member(void *arg, const struct cluster_seen *m)
{
	struct mac_search *search = arg;
	const struct l2_notes *notes = m->self ? NULL : l2_nodes_notes(search->side, m->name);

	search->found = notes && has_mac(notes->devices, notes->nr_devices, search->mac);
	return !search->found;
}

bool
l2_nodes_have_mac(struct l2_side *s, const uint8_t mac[6])
{
	struct mac_search search = { s, mac, false };
	struct arena arena = { 0 };
	const struct l2_seen_device *devices;
	size_t nr;

	if (l2_apply_devices(s->app, &arena, &devices, &nr))
		search.found = has_mac(devices, nr, mac);
	arena_fini(&arena);
	if (!search.found)
		cluster_each(s->cluster, search_member, &search);
	return search.found;
}

/* ---- life ---- */

static void
on_hold(void *arg)
{
	struct l2_side *s = arg;

	s->app->generation++;
	l2_side_hold(s);
}

static void
on_changed(void *arg)
{
	struct l2_side *s = arg;

	s->app->generation++;
	l2_side_soon(s, true);
}

void
l2_nodes_init(struct l2_side *s)
{
	const struct cluster_ops ops = {
		.watch = on_watch, .probe = on_probe, .hold = on_hold, .changed = on_changed
	};
	int err = 0;

	s->nodes_stale = s->notes_stale = true;
	s->strangers = l2_strangers_new();
	s->cluster = cluster_new(s->app->loop, &ops, s, &err);
	if (!s->cluster)
		log_error("nodes-off", LOG_ERR(-err));
}

void
l2_nodes_fini(struct l2_side *s)
{
	cluster_free(s->cluster);
	s->cluster = NULL;
	for (size_t i = 0; i < s->nr_nodes; i++)
		node_free(s->nodes[i]);
	mem_free(s->nodes);
	s->nodes = NULL;
	s->nr_nodes = s->cap_nodes = 0;
	l2_strangers_free(s->strangers);
	s->strangers = NULL;
}
