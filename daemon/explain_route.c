/*
 * daemon/explain_route.c: a prefix: who announces it, what the import rules make of it, whether the kernel
 * has it; and an address: which pool has it, who holds it, and then its Service.  See explain.h.
 */
#include "daemon/explain.h"

#include "daemon/app.h"
#include "lib/buf.h"
#include "lib/mem.h"

#include <stdlib.h>
#include <string.h>

static const char *
text_of(const json_t *o, const char *key)
{
	const char *s = json_string_value(json_object_get(o, key));

	return s ? s : "";
}

static json_t *
routes(struct explain *e, enum bgp_show_table table, const struct prefix *prefix)
{
	const struct bgp_show_filter filter = { .table = table, .family = -1, .prefix = prefix };
	json_t *shown = bgp_show_routes(e->app->bgp, &filter);
	json_t *list = json_incref(json_object_get(shown, "routes"));

	json_decref(shown);
	return list;
}

/* ---- a prefix ---- */

/* A peer tells us of what we told it: no rule would change that, and nothing is wrong. */
static bool
is_our_own(const json_t *route)
{
	return strcmp(text_of(route, "rejected"), "next-hop-is-self") == 0;
}

/* What peers told us; how many may be used. */
static size_t
step_received(struct explain *e, const json_t *list)
{
	size_t usable = 0, i;
	const json_t *o;

	json_array_foreach(list, i, o)
	{
		const bool accepted = json_is_true(json_object_get(o, "accepted"));
		struct explain_step s = { .stage = "received",
			.subject = text_of(o, "peer"),
			.reason = accepted ? REASON_SATISFIED : REASON_IMPORT_REJECTED };

		usable += accepted;
		if (accepted) {
			s.message = xasprintf("By %s, accepted; next hop %s, AS path \"%s\".",
			    s.subject, text_of(o, "nextHop"), text_of(o, "asPathText"));
		} else if (is_our_own(o)) {
			s.verdict = EXPLAIN_SKIP;
			s.reason = REASON_SATISFIED;
			s.message = xasprintf(
			    "By %s, who has it from this node: its next hop is ours.", s.subject);
		} else {
			s.verdict = EXPLAIN_DEGRADED;
			s.object = "BGPPeerConfig";
			s.field = "spec.import";
			s.message =
			    xasprintf("By %s, not taken: %s.", s.subject, text_of(o, "rejected"));
		}
		explain_add(e, &s);
	}
	return usable;
}

/* What this node announces of its own. */
static size_t
step_own(struct explain *e, const json_t *list)
{
	const json_t *o;
	size_t own = 0, i;

	json_array_foreach(list, i, o)
	{
		if (*text_of(o, "peer"))
			continue;
		own++;
		explain_add(e,
		    &(struct explain_step){ .stage = "originated",
			.subject = text_of(o, "policy"),
			.reason = REASON_SATISFIED,
			.message = xasprintf("This node announces it (%s), by the policy %s.",
			    text_of(o, "source"), text_of(o, "policy")) });
	}
	return own;
}

static void
step_told(struct explain *e, const json_t *list)
{
	struct explain_step s = { .stage = "advertised", .reason = REASON_SATISFIED };
	const json_t *o;
	struct buf b;
	size_t i;

	buf_init(&b, 65536);
	json_array_foreach(list, i, o) buf_printf(&b, "%s%s", i ? ", " : "To ", text_of(o, "peer"));
	if (i == 0) {
		s.verdict = EXPLAIN_SKIP;
		s.message = xstrdup("No peer was told of it.");
	} else {
		s.message = xasprintf("%s.", buf_text(&b));
	}
	explain_add(e, &s);
	buf_fini(&b);
}

struct kernel {
	struct explain *e;
	const struct prefix *prefix;
	bool found;
};

static bool
step_kernel(void *arg, const struct fib_route_info *r)
{
	struct kernel *k = arg;
	struct explain_step s = { .stage = "kernel", .subject = fib_origin_name(r->origin) };

	if (!prefix_eq(&r->prefix, k->prefix))
		return true;
	k->found = true;
	s.reason = r->installed ? REASON_SATISFIED : r->reason;
	if (r->installed) {
		s.message =
		    xasprintf("In table %u with %zu next hops.", (unsigned)r->table, r->nr_hops);
	} else {
		s.verdict = EXPLAIN_FAIL;
		if (r->error)
			s.message =
			    xasprintf("%s (%s)", reason_text(r->reason), strerror(r->error));
	}
	explain_add(k->e, &s);
	return false;
}

static void
in_kernel(struct explain *e, const struct prefix *prefix, bool learned)
{
	struct kernel k = { e, prefix, false };
	struct explain_step s = { .stage = "kernel", .reason = REASON_SATISFIED };

	if (e->app->fib)
		fib_each(e->app->fib, step_kernel, &k);
	if (k.found)
		return;
	s.verdict = EXPLAIN_SKIP;
	if (learned && !e->app->install_learned) {
		s.object = "HeraldConfig";
		s.field = "spec.routing.installLearned";
		s.message = xstrdup(
		    "Learned routes are not put into the kernel: routing.installLearned is false.");
	} else {
		s.message = xstrdup("Herald wants no kernel route of this prefix.");
	}
	explain_add(e, &s);
}

void
explain_route(struct explain *e, const struct prefix *prefix)
{
	json_t *received = routes(e, BGP_SHOW_RECEIVED, prefix);
	json_t *available = routes(e, BGP_SHOW_AVAILABLE, prefix);
	json_t *told = routes(e, BGP_SHOW_ADVERTISED, prefix);
	const size_t usable = step_received(e, received);
	const size_t own = step_own(e, available);

	if (usable + own == 0)
		explain_add(e,
		    &(struct explain_step){ .stage = "table",
			.verdict = EXPLAIN_FAIL,
			.reason = json_array_size(received) ? REASON_IMPORT_REJECTED : REASON_NONE,
			.message = xstrdup(json_array_size(received)
				? "Nothing of what was received may be used."
				: "No peer announces exactly this prefix, and neither does this "
				  "node."),
			.advice = json_array_size(received) ? NULL
							    : "heraldctl bgp routes received lists "
							      "what peers announce." });
	else
		step_told(e, told);
	in_kernel(e, prefix, usable > 0);
	json_decref(received);
	json_decref(available);
	json_decref(told);
}

/* The longest prefix of a table that has the address; false: none has. */
static bool
longest(struct explain *e, enum bgp_show_table table, const struct prefix *address,
    struct prefix *found)
{
	const struct bgp_show_filter filter = {
		.table = table, .family = -1, .prefix = address, .longest = true
	};
	json_t *shown = bgp_show_routes(e->app->bgp, &filter);
	const char *text = text_of(json_array_get(json_object_get(shown, "routes"), 0), "prefix");
	const bool any = *text && prefix_parse(text, found, NULL) == 0;

	json_decref(shown);
	return any;
}

void
explain_way_to(struct explain *e, const struct prefix *address)
{
	char host[ADDR_STRLEN], text[PREFIX_STRLEN];
	struct prefix found;

	if (!longest(e, BGP_SHOW_AVAILABLE, address, &found) &&
	    !longest(e, BGP_SHOW_RECEIVED, address, &found)) {
		explain_route(e, address);
		return;
	}
	explain_add(e,
	    &(struct explain_step){ .stage = "match",
		.reason = REASON_SATISFIED,
		.message = xasprintf("The longest prefix with %s is %s.",
		    addr_format(&address->addr, host, sizeof(host)),
		    prefix_format(&found, text, sizeof(text))) });
	explain_route(e, &found);
}

/* ---- an address ---- */

static bool
step_pools(struct explain *e, const struct addr *addr)
{
	struct res_object *o;
	bool any = false;

	store_for_each(e->app->store, RES_LB_IP_POOL, o)
	{
		const struct res_lb_ip_pool *pool = (const struct res_lb_ip_pool *)o;
		char *object;
		bool has = false;

		for (size_t i = 0; i < pool->blocks.nr; i++)
			has |= range_has(&pool->blocks.v[i].range, addr);
		if (!has)
			continue;
		any = true;
		object = xasprintf("LoadBalancerIPPool %s", o->meta.name);
		explain_add(e,
		    &(struct explain_step){ .stage = "pool",
			.subject = o->meta.name,
			.verdict = pool->disabled ? EXPLAIN_DEGRADED : EXPLAIN_OK,
			.reason = pool->disabled ? REASON_POOL_DISABLED : REASON_SATISFIED,
			.object = object,
			.field = pool->disabled ? "spec.disabled" : "spec.blocks",
			.message = pool->disabled
			    ? NULL
			    : xasprintf("The pool %s has it.", o->meta.name) });
		free(object);
	}
	return any;
}

void
explain_address(struct explain *e, const struct addr *addr)
{
	const char *owner = ipam_owner_of(e->app->ipam, addr);
	const char *slash = owner ? strchr(owner, '/') : NULL;
	const struct res_service *svc = NULL;
	char *ns;

	if (!step_pools(e, addr))
		explain_add(e,
		    &(struct explain_step){ .stage = "pool",
			.verdict = owner ? EXPLAIN_DEGRADED : EXPLAIN_FAIL,
			.reason = owner ? REASON_POOL_GONE : REASON_OUTSIDE_POOL,
			.message = xstrdup("No LoadBalancerIPPool has it.") });
	if (slash) {
		ns = xstrndup(owner, (size_t)(slash - owner));
		svc = store_service(e->app->store, ns, slash + 1);
		free(ns);
	}
	explain_add(e,
	    &(struct explain_step){ .stage = "owner",
		.subject = owner,
		.verdict = owner ? EXPLAIN_OK : EXPLAIN_FAIL,
		.reason = owner ? REASON_SATISFIED : REASON_NONE,
		.message = owner ? xasprintf("The Service %s has it.", owner)
				 : xstrdup("No Service has it."),
		.advice = "heraldctl ipam lists who has which address, and who waits." });
	if (svc)
		explain_service(e, svc);
}
