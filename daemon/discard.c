/*
 * daemon/discard.c: prefixes that this node announces as a whole though it has only some of their
 * addresses: a packet to one of the others would go back to the router that sent it, and come again,
 * until its TTL is used up.  Each such aggregate is unreachable in the kernel, for as long as it is
 * announced; what is there of it has its own ways before (the load balancer, longer prefixes).
 *
 * Between bgpd, which knows what is announced, and fib/.
 */
#include "daemon/app.h"

#include "lib/log.h"
#include "lib/mem.h"

#include <errno.h>
#include <string.h>
#include <uthash.h>

struct aggregate_key {
	uint8_t addr[16];
	uint8_t family, len;
};

struct aggregate {
	UT_hash_handle hh;
	struct aggregate_key key;
	unsigned nr[BGP_NR_SOURCES]; /* instances that announce it, by where it comes from */
};

static struct aggregate_key
key_of(const struct prefix *prefix)
{
	struct aggregate_key key = { .family = prefix->addr.family, .len = prefix->len };

	memcpy(key.addr, prefix->addr.b, sizeof(key.addr));
	return key;
}

static struct prefix
aggregate_prefix(const struct aggregate_key *key)
{
	struct prefix p = { .addr = { .family = key->family }, .len = key->len };

	memcpy(p.addr.b, key->addr, sizeof(key->addr));
	return p;
}

/* Connections that begin on the node itself are routed before kube-proxy's rules see them, and answers
 * of direct server return are looked up by their source: both need addresses of the aggregate to have a
 * way.  The load balancer at connect() needs none. */
static bool
is_wanted(const struct app *app, const struct aggregate *a)
{
	const struct res_herald_config *c = store_config(app->store);

	switch (c->discard_aggregates) {
	case RES_DISCARD_NEVER:
		return false;
	case RES_DISCARD_ALWAYS:
		return true;
	case RES_DISCARD_AUTO:
		break;
	}
	return a->nr[BGP_SRC_SERVICE] && c->datapath.mode == RES_DP_BPF && c->datapath.socket_lb &&
	    c->datapath.forwarding == RES_FORWARD_SNAT;
}

static void
give(const struct app *app, const struct aggregate *a)
{
	const struct prefix prefix = aggregate_prefix(&a->key);

	if (!app->fib)
		return; /* discard_resync() when it is there */
	if (!is_wanted(app, a))
		fib_route_del(app->fib, FIB_DISCARD, &prefix);
	else if (fib_discard_set(app->fib, &prefix) < 0)
		log_warn("route-not-taken", LOG_S("prefix", prefix_str(&prefix)), LOG_ERR(ENOMEM));
}

void
discard_aggregate(void *arg, const struct prefix *prefix, unsigned was, unsigned now)
{
	struct aggregate_key key = key_of(prefix);
	struct app *app = arg;
	struct aggregate *a;
	unsigned nr = 0;

	HASH_FIND(hh, app->aggregates, &key, sizeof(key), a);
	if (!a) {
		a = xnew(struct aggregate);
		a->key = key;
		HASH_ADD(hh, app->aggregates, key, sizeof(a->key), a);
	}
	for (unsigned i = 0; i < BGP_NR_SOURCES; i++) {
		a->nr[i] += (now >> i & 1) - (was >> i & 1);
		nr += a->nr[i];
	}
	if (nr) {
		give(app, a);
		return;
	}
	if (app->fib)
		fib_route_del(app->fib, FIB_DISCARD, prefix);
	HASH_DEL(app->aggregates, a);
	mem_free(a);
}

void
discard_resync(struct app *app)
{
	const struct aggregate *a, *next;

	fib_sync_begin(app->fib, FIB_DISCARD);
	HASH_ITER(hh, app->aggregates, a, next)
	{
		give(app, a);
	}
	fib_sync_end(app->fib, FIB_DISCARD);
}

void
discard_fini(struct app *app)
{
	struct aggregate *a, *next;

	HASH_ITER(hh, app->aggregates, a, next)
	{
		HASH_DEL(app->aggregates, a);
		mem_free(a);
	}
}
