/*
 * daemon/l2_wanted.c: who answers for which address on layer 2; see l2_wanted.h.  First the pairs of
 * Service and address that some policy announces, then for each address the nodes that may answer,
 * then the election over all of them.
 */
#include "daemon/l2_wanted.h"

#include <errno.h>
#include <regex.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/service.h"
#include "lib/mem.h"

#define LABEL_EXCLUDE "node.kubernetes.io/exclude-from-external-load-balancers"

/* A Service at one of its addresses, and the policies that announce it there. */
struct pair {
	struct addr addr;
	const struct res_service *svc;
	const struct res_l2_policy *const *policies;
	size_t nr_policies;
};

struct making {
	const struct l2_wanted_in *in;
	struct arena *arena;
	const struct res_l2_policy **policies;
	const struct res_node **nodes; /* by name */
	struct elect_node *members;    /* likewise */
	struct pair *pairs;
	size_t nr_policies, nr_nodes, nr_pairs, cap_pairs;
	bool failed;
};

/* ---- which addresses ---- */

static bool
is_of_pools(const struct store *store, const struct res_l2_policy *p, const struct addr *addr)
{
	struct res_object *o;

	if (!p->pools.nr && !p->pool_selectors.nr)
		return true;
	store_for_each(store, RES_LB_IP_POOL, o)
	{
		const struct res_lb_ip_pool *pool = (const struct res_lb_ip_pool *)o;
		const struct label_view labels = label_view_of(o);
		bool named = p->pool_selectors.nr && selectors_admit(&p->pool_selectors, &labels);

		for (size_t i = 0; i < p->pools.nr && !named; i++)
			named = strcmp(p->pools.v[i], o->meta.name) == 0;
		for (size_t i = 0; named && i < pool->blocks.nr; i++) {
			if (range_has(&pool->blocks.v[i].range, addr))
				return true;
		}
	}
	return false;
}

static bool
selects_service(const struct res_l2_policy *p, const struct res_service *svc)
{
	const struct label_view labels = label_view_service(&svc->obj);

	return selector_admits(&p->service_selector, &labels) &&
	    selectors_admit(&p->service_selectors, &labels);
}

static void
add_pair(struct making *m, const struct res_service *svc, const struct addr *addr, bool external)
{
	const struct res_l2_policy **list =
	    (const struct res_l2_policy **)arena_new_n(m->arena, void *, m->nr_policies + 1);
	size_t nr = 0;

	for (size_t i = 0; i < m->nr_policies; i++) {
		const struct res_l2_policy *p = m->policies[i];

		if ((external ? p->external_ips : p->load_balancer_ips) &&
		    selects_service(p, svc) && (external || is_of_pools(m->in->store, p, addr)))
			list[nr++] = p;
	}
	if (nr == 0 || !addr_is_unicast(addr))
		return;
	if (mem_grow((void **)&m->pairs, &m->cap_pairs, m->nr_pairs, sizeof(*m->pairs), 0) < 0) {
		m->failed = true;
		return;
	}
	m->pairs[m->nr_pairs++] = (struct pair){ *addr, svc, list, nr };
}

/* Is the Service for others to announce? */
static bool
is_for_us(const struct l2_wanted_in *in, const struct res_service *svc)
{
	if (svc->type != RES_SVC_LOAD_BALANCER)
		return true;
	return service_is_managed(svc, &store_config(in->store)->kubernetes) &&
	    strcmp(svc->load_balancer_class, "io.cilium/bgp-control-plane") != 0;
}

static int
pair_order(const void *a, const void *b)
{
	const struct pair *x = a, *y = b;
	int cmp = addr_cmp(&x->addr, &y->addr);

	if (cmp == 0)
		cmp = strcmp(x->svc->obj.meta.ns, y->svc->obj.meta.ns);
	return cmp ? cmp : strcmp(x->svc->obj.meta.name, y->svc->obj.meta.name);
}

static void
gather(struct making *m)
{
	const struct store *store = m->in->store;
	struct res_object *o;
	size_t nr = store_nr(store, RES_L2_POLICY);

	m->policies = (const struct res_l2_policy **)arena_new_n(m->arena, void *, nr + 1);
	store_for_each(store, RES_L2_POLICY, o) m->policies[m->nr_policies++] =
	    (const struct res_l2_policy *)o;
	nr = store_nr(store, RES_NODE);
	m->nodes = (const struct res_node **)arena_new_n(m->arena, void *, nr + 1);
	m->members = arena_new_n(m->arena, struct elect_node, nr + 1);
	store_for_each(store, RES_NODE, o)
	{
		m->members[m->nr_nodes].name = o->meta.name;
		m->nodes[m->nr_nodes++] = (const struct res_node *)o;
	}
	if (m->nr_policies == 0)
		return;
	store_for_each(store, RES_SERVICE, o)
	{
		const struct res_service *svc = (const struct res_service *)o;
		const struct addr *lb = NULL;
		size_t nr_lb;

		if (!is_for_us(m->in, svc))
			continue;
		nr_lb = svc->type == RES_SVC_LOAD_BALANCER
		    ? m->in->addrs(m->in->arg, svc, m->arena, &lb)
		    : 0;
		for (size_t i = 0; i < nr_lb; i++)
			add_pair(m, svc, &lb[i], false);
		for (size_t i = 0; i < svc->external_ips.nr; i++)
			add_pair(m, svc, &svc->external_ips.v[i], true);
	}
	if (m->nr_pairs > 0)
		qsort(m->pairs, m->nr_pairs, sizeof(*m->pairs), pair_order);
}

/* ---- which nodes ---- */

static const char *
condition(const struct res_node *node, const char *type)
{
	for (size_t i = 0; i < node->conditions.nr; i++) {
		if (strcmp(node->conditions.v[i].type, type) == 0)
			return node->conditions.v[i].status;
	}
	return "";
}

/* Whatever the address is. */
static enum reason
node_fit(const struct l2_wanted_in *in, const struct res_node *node)
{
	const struct label_view labels = label_view_of(&node->obj);
	const char *ready = condition(node, "Ready");

	if (in->alive && !in->alive(in->arg, node->obj.meta.name))
		return REASON_NODE_NOT_READY;
	/* Node documents in files mostly say nothing of it. */
	if (*ready && strcmp(ready, "True") != 0)
		return REASON_NODE_NOT_READY;
	if (strcmp(condition(node, "NetworkUnavailable"), "True") == 0)
		return REASON_NODE_NOT_READY;
	if (label_view_get(&labels, LABEL_EXCLUDE))
		return REASON_NODE_EXCLUDED;
	return REASON_SATISFIED;
}

static bool
selects_node(const struct res_l2_policy *p, const struct res_node *node)
{
	const struct label_view labels = label_view_of(&node->obj);

	return selector_admits(&p->node_selector, &labels) &&
	    selectors_admit(&p->node_selectors, &labels);
}

/* May the node answer for the Service there, and how gladly? */
static enum reason
pair_fit(const struct making *m, const struct pair *p, const struct res_node *node, int32_t *weight)
{
	const struct label_view labels = label_view_of(&node->obj);
	bool selected = false;

	for (size_t i = 0; i < p->nr_policies; i++) {
		const struct res_preferences *pref = &p->policies[i]->preferred;

		if (!selects_node(p->policies[i], node))
			continue;
		selected = true;
		for (size_t k = 0; k < pref->nr; k++) {
			if (selector_selects(&pref->v[k].preference, &labels))
				*weight += pref->v[k].weight;
		}
	}
	if (!selected)
		return REASON_NODE_NOT_SELECTED;
	if (p->svc->external_policy == RES_POLICY_LOCAL &&
	    service_backends(
		m->in->store, p->svc, node->obj.meta.name, (enum addr_family)p->addr.family)
		    .active_local == 0)
		return REASON_NO_LOCAL_ENDPOINT;
	return REASON_SATISFIED;
}

/*
 * The nodes of one address, which @nr pairs share.  A node that may answer for all of its Services; if
 * there is none, for any of them: some of them working is better than none.
 */
static struct l2_wanted_node *
nodes_of(struct making *m, const struct pair *p, size_t nr)
{
	struct l2_wanted_node *list = arena_new_n(m->arena, struct l2_wanted_node, m->nr_nodes + 1);

	for (int any = 0; any < 2; any++) {
		bool found = false;

		for (size_t n = 0; n < m->nr_nodes; n++) {
			struct l2_wanted_node *w = &list[n];
			enum reason first = node_fit(m->in, m->nodes[n]);
			size_t fits = 0;

			*w = (struct l2_wanted_node){ .name = m->nodes[n]->obj.meta.name,
				.reason = REASON_SATISFIED };
			for (size_t i = 0; i < nr; i++) {
				enum reason r = pair_fit(m, &p[i], m->nodes[n], &w->preference);

				fits += r == REASON_SATISFIED;
				if (r != REASON_SATISFIED)
					w->reason = r;
			}
			if (any && fits > 0)
				w->reason = REASON_SATISFIED;
			if (first != REASON_SATISFIED)
				w->reason = first;
			found |= w->reason == REASON_SATISFIED;
		}
		if (found)
			break;
	}
	return list;
}

/* ---- which devices ---- */

/* What nobody named must have an address of the segment, or one of any. */
static bool
is_near(const struct l2_seen_device *d, const struct addr *addr, bool any)
{
	for (size_t i = 0; i < d->nr_prefixes; i++) {
		if (addr_is_linklocal(&d->prefixes[i].addr))
			continue;
		if (any ? d->prefixes[i].addr.family == addr->family
			: prefix_has_addr(&d->prefixes[i], addr))
			return true;
	}
	return false;
}

static bool
is_named(const struct res_strings *patterns, const char *name)
{
	for (size_t i = 0; i < patterns->nr; i++) {
		regex_t re;
		bool found;

		if (regcomp(&re, patterns->v[i], REG_EXTENDED | REG_NOSUB) != 0)
			continue; /* told when the document was read */
		found = regexec(&re, name, 0, NULL, 0) == 0;
		regfree(&re);
		if (found)
			return true;
	}
	return false;
}

static bool
wants_device(const struct making *m, const struct res_l2_policy *p, const struct addr *addr,
    const struct l2_seen_device *d)
{
	bool there = false;

	if (!d->usable)
		return false;
	if (p->interfaces.nr > 0)
		return is_named(&p->interfaces, d->name);
	for (size_t i = 0; i < m->in->nr_devices; i++)
		there |= m->in->devices[i].usable && is_near(&m->in->devices[i], addr, false);
	return is_near(d, addr, !there);
}

static size_t
devices_of(const struct making *m, const struct pair *p, size_t nr, const char *const **devices)
{
	const char **list = (const char **)arena_new_n(m->arena, char *, m->in->nr_devices + 1);
	const struct res_node *self = store_node(m->in->store, m->in->node);
	size_t nr_list = 0;

	for (size_t d = 0; self && d < m->in->nr_devices; d++) {
		bool wanted = false;

		for (size_t i = 0; i < nr; i++) {
			for (size_t k = 0; k < p[i].nr_policies; k++)
				wanted |= selects_node(p[i].policies[k], self) &&
				    wants_device(
					m, p[i].policies[k], &p[i].addr, &m->in->devices[d]);
		}
		if (wanted)
			list[nr_list++] = m->in->devices[d].name;
	}
	*devices = list;
	return nr_list;
}

/* ---- who ---- */

static uint32_t
member(const struct making *m, const char *name)
{
	for (uint32_t n = 0; name && n < m->nr_nodes; n++) {
		if (strcmp(m->members[n].name, name) == 0)
			return n;
	}
	return ELECT_NONE;
}

static int
choose(struct making *m, struct l2_wanted_address *all, size_t nr)
{
	struct elect_address *list = arena_new_n(m->arena, struct elect_address, nr + 1);
	struct elect_owner *owners = arena_new_n(m->arena, struct elect_owner, nr + 1);
	struct elect_rank *ranks = arena_new_n(m->arena, struct elect_rank, m->nr_nodes + 1);
	struct elect e = { m->members, m->nr_nodes, list, nr, SIZE_MAX };
	int err;

	for (size_t i = 0; i < nr; i++) {
		struct elect_candidate *c =
		    arena_new_n(m->arena, struct elect_candidate, m->nr_nodes + 1);

		list[i] = (struct elect_address){ .addr = all[i].addr, .candidates = c };
		list[i].owner =
		    m->in->owner ? member(m, m->in->owner(m->in->arg, &all[i].addr)) : ELECT_NONE;
		for (uint32_t n = 0; n < m->nr_nodes; n++) {
			if (all[i].nodes[n].reason == REASON_SATISFIED)
				c[list[i].nr_candidates++] =
				    (struct elect_candidate){ n, all[i].nodes[n].preference };
		}
	}
	err = elect(&e, owners, NULL);
	for (size_t i = 0; err == 0 && i < nr; i++) {
		struct l2_wanted_node *nodes = (struct l2_wanted_node *)all[i].nodes;
		bool explain = m->in->explain && addr_eq(m->in->explain, &all[i].addr);
		long found = explain ? elect_explain(&e, owners, i, ranks) : 0;

		err = found < 0 ? (int)found : 0;
		for (long k = 0; k < found; k++)
			nodes[ranks[k].node].why = ranks[k].why;
		all[i].owner = owners[i].node == ELECT_NONE ? "" : m->members[owners[i].node].name;
		all[i].ours = strcmp(all[i].owner, m->in->node) == 0;
	}
	return err;
}

static int
make(struct making *m, struct l2_wanted *out)
{
	struct l2_wanted_address *all =
	    arena_new_n(m->arena, struct l2_wanted_address, m->nr_pairs + 1);
	struct l2_address *ours = arena_new_n(m->arena, struct l2_address, m->nr_pairs + 1);
	size_t nr = 0, nr_ours = 0, end;
	int err;

	for (size_t i = 0; i < m->nr_pairs; i = end) {
		struct l2_wanted_address *w = &all[nr++];
		const char **services;

		for (end = i; end < m->nr_pairs && addr_eq(&m->pairs[end].addr, &m->pairs[i].addr);)
			end++;
		services = (const char **)arena_new_n(m->arena, char *, end - i + 1);
		*w = (struct l2_wanted_address){ .addr = m->pairs[i].addr,
			.services = services,
			.nodes = nodes_of(m, &m->pairs[i], end - i),
			.nr_nodes = m->nr_nodes };
		for (size_t k = i; k < end; k++) {
			const struct res_meta *meta = &m->pairs[k].svc->obj.meta;

			services[w->nr_services++] =
			    arena_printf(m->arena, "%s/%s", meta->ns, meta->name);
		}
		w->nr_devices = devices_of(m, &m->pairs[i], end - i, &w->devices);
	}
	err = choose(m, all, nr);
	for (size_t i = 0; err == 0 && i < nr; i++) {
		if (all[i].ours && all[i].nr_devices > 0)
			ours[nr_ours++] = (struct l2_address){ .addr = all[i].addr,
				.devices = all[i].devices,
				.nr_devices = all[i].nr_devices };
	}
	*out = (struct l2_wanted){ all, nr, ours, nr_ours };
	return err;
}

int
l2_wanted(const struct l2_wanted_in *in, struct arena *arena, struct l2_wanted *out)
{
	struct making m = { .in = in, .arena = arena };
	int err;

	*out = (struct l2_wanted){ 0 };
	gather(&m);
	err = m.failed ? -ENOMEM : make(&m, out);
	mem_free(m.pairs);
	return err;
}
