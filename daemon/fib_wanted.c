/*
 * daemon/fib_wanted.c: which kernel routes we need: what bgpd learned (routing.installLearned) and
 * other nodes' PodCIDRs (routing.directNodeRoutes, datapath.tunnel).  Carries all to fib/.
 */
#include "daemon/app.h"
#include "daemon/pods.h"
#include "daemon/tunnel_wanted.h"

#include "lib/log.h"
#include "lib/mem.h"

#include <errno.h>
#include <string.h>
#include <uthash.h>

/* What bgpd said of a prefix, kept while it goes into the kernel, since two instances may know the
 * same prefix: the first by the order in which they came has it, the next stands in. */
struct learned_key {
	uint8_t addr[16];
	uint8_t family, len;
	uint16_t instance; /* place in app->learned_from */
};

struct learned {
	UT_hash_handle hh;
	struct learned_key key;
	uint32_t nr;
	struct fib_hop hops[];
};

static struct learned_key
make_key(uint16_t instance, const struct prefix *prefix)
{
	struct learned_key key = {
		.family = prefix->addr.family, .len = prefix->len, .instance = instance
	};

	memcpy(key.addr, prefix->addr.b, sizeof(key.addr));
	return key;
}

static struct prefix
key_prefix(const struct learned_key *key)
{
	struct prefix p = { .addr = { .family = key->family }, .len = key->len };

	memcpy(p.addr.b, key->addr, sizeof(key->addr));
	return p;
}

/* The number of an instance's name, for as long as the daemon runs. */
static uint16_t
instance_number(struct app *app, const char *name)
{
	for (uint16_t i = 0; i < app->nr_learned_from; i++)
		if (strcmp(app->learned_from[i], name) == 0)
			return i;
	app->learned_from =
	    xrealloc(app->learned_from, app->nr_learned_from + 1u, sizeof(*app->learned_from));
	app->learned_from[app->nr_learned_from] = xstrdup(name);
	return app->nr_learned_from++;
}

/* The entry that counts for a prefix among those of all instances. */
static const struct learned *
winner(const struct app *app, const struct prefix *prefix)
{
	struct learned *l = NULL;

	for (uint16_t i = 0; i < app->nr_learned_from && !l; i++) {
		const struct learned_key key = make_key(i, prefix);

		HASH_FIND(hh, app->learned, &key, sizeof(key), l);
	}
	return l;
}

static void
forget_learned(struct app *app)
{
	struct learned *l, *next;

	HASH_ITER(hh, app->learned, l, next)
	{
		HASH_DEL(app->learned, l);
		free(l);
	}
}

static void
give(struct app *app, const struct prefix *prefix, const struct learned *l)
{
	int err = 0;

	if (!app->fib)
		return;
	if (l)
		err = fib_route_set(app->fib, FIB_BGP_LEARNED, prefix, l->hops, l->nr);
	else
		fib_route_del(app->fib, FIB_BGP_LEARNED, prefix);
	if (err < 0)
		log_warn("route-not-taken", LOG_S("prefix", prefix_str(prefix)), LOG_ERR(err));
}

void
fib_wanted_learned(void *arg, const char *instance, const struct prefix *prefix, unsigned nr,
    const struct bgp_hop *hops)
{
	struct app *app = arg;
	struct learned_key key;
	struct learned *l;

	if (!app->install_learned)
		return;
	key = make_key(instance_number(app, instance), prefix);
	HASH_FIND(hh, app->learned, &key, sizeof(key), l);
	if (l) {
		HASH_DEL(app->learned, l);
		free(l);
	}
	if (nr > FIB_HOPS_MAX)
		nr = FIB_HOPS_MAX;
	if (nr > 0) {
		l = mem_calloc(1, sizeof(*l) + nr * sizeof(l->hops[0]));
		if (!l) {
			log_warn("route-not-taken", LOG_S("prefix", prefix_str(prefix)),
			    LOG_ERR(ENOMEM));
			return;
		}
		l->key = key;
		l->nr = nr;
		for (unsigned i = 0; i < nr; i++)
			l->hops[i] = (struct fib_hop){ .gateway = hops[i].next_hop,
				.weight = (uint16_t)hops[i].weight,
				.ifindex = hops[i].ifindex };
		HASH_ADD(hh, app->learned, key, sizeof(l->key), l);
	}
	give(app, prefix, winner(app, prefix));
}

/* ---- other nodes ---- */

static void
want_node(struct app *app, const struct res_node *node)
{
	struct arena arena = { 0 };
	const struct pod_range *ranges;
	const size_t nr = pod_ranges_of(pods_plan(app), node, &arena, &ranges);

	for (size_t i = 0; i < nr; i++) {
		const struct prefix *p = &ranges[i].prefix;
		const struct addr *gateway =
		    res_node_addr(node, RES_ADDR_INTERNAL_IP, (enum addr_family)p->addr.family);
		struct fib_hop hop;

		if (!gateway)
			continue;
		hop = (struct fib_hop){ .gateway = *gateway };
		if (fib_route_set(app->fib, FIB_DIRECT_NODE, p, &hop, 1) < 0)
			log_warn(
			    "route-not-taken", LOG_S("prefix", prefix_str(p)), LOG_ERR(ENOMEM));
	}
	arena_fini(&arena);
}

static void
give_tunnel(struct app *app)
{
	struct tunnel_wanted want;
	struct arena arena = { 0 };
	struct fib_hop hop;

	tunnel_wanted(app->store, pods_plan(app), app->node, &arena, &want);
	if (app->tunnel && !app->rehearsing &&
	    tunnel_set(app->tunnel, &want.conf, want.nodes, want.nr_nodes) < 0)
		log_warn("tunnel-incomplete", LOG_ERR(ENOMEM));
	/* In a rehearsal nobody makes the device. */
	if (app->rehearsing && want.conf.mode != TUNNEL_WAIT &&
	    fib_tunnel_assume(app->fib, want.conf.mode == TUNNEL_VXLAN) < 0)
		log_warn("tunnel-incomplete", LOG_ERR(ENOMEM));
	fib_sync_begin(app->fib, FIB_TUNNEL);
	for (size_t i = 0; i < want.nr_routes; i++) {
		hop = (struct fib_hop){ .gateway = want.routes[i].gateway };
		if (fib_route_set(app->fib, FIB_TUNNEL, &want.routes[i].prefix, &hop, 1) < 0)
			log_warn("route-not-taken",
			    LOG_S("prefix", prefix_str(&want.routes[i].prefix)), LOG_ERR(ENOMEM));
	}
	fib_sync_end(app->fib, FIB_TUNNEL);
	arena_fini(&arena);
}

void
fib_wanted_nodes(struct app *app)
{
	const struct res_herald_config *config = store_config(app->store);
	struct res_object *o;

	if (!app->fib)
		return;
	fib_sync_begin(app->fib, FIB_DIRECT_NODE);
	if (config->direct_node_routes) {
		store_for_each(app->store, RES_NODE, o) if (strcmp(o->meta.name, app->node) != 0)
		    want_node(app, (const struct res_node *)o);
	}
	fib_sync_end(app->fib, FIB_DIRECT_NODE);
	give_tunnel(app);
}

/* No learned route may take packets from our own pods. */
static int
protect(struct app *app)
{
	const struct res_node *node = store_node(app->store, app->node);
	struct arena arena = { 0 };
	const struct pod_range *ranges = NULL;
	const size_t nr = node ? pod_ranges_of(pods_plan(app), node, &arena, &ranges) : 0;
	struct prefix *list = arena_new_n(&arena, struct prefix, nr);
	int err;

	for (size_t i = 0; i < nr; i++)
		list[i] = ranges[i].prefix;
	err = fib_protect_set(app->fib, list, nr);
	arena_fini(&arena);
	return err;
}

void
fib_wanted_resync(struct app *app)
{
	const struct res_herald_config *config = store_config(app->store);
	const struct fib_conf conf = { .table = config->routing_table };
	struct learned *l, *next;
	struct prefix prefix;
	int err;

	if (!config->install_learned)
		forget_learned(app);
	if (config->install_learned && !app->install_learned) {
		app->install_learned = true;
		bgp_learned_tell(app->bgp);
	}
	app->install_learned = config->install_learned;
	if (!app->fib)
		return;
	fib_conf_set(app->fib, &conf);
	discard_resync(app);
	err = protect(app);
	if (err < 0)
		log_error("protect-failed", LOG_ERR(err));
	fib_wanted_nodes(app);
	fib_sync_begin(app->fib, FIB_BGP_LEARNED);
	HASH_ITER(hh, app->learned, l, next)
	{
		prefix = key_prefix(&l->key);
		give(app, &prefix, winner(app, &prefix));
	}
	fib_sync_end(app->fib, FIB_BGP_LEARNED);
}

void
fib_wanted_fini(struct app *app)
{
	forget_learned(app);
	discard_fini(app);
	for (uint16_t i = 0; i < app->nr_learned_from; i++)
		free(app->learned_from[i]);
	free(app->learned_from);
}
