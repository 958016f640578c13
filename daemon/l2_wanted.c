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
	const size_t *policies; /* by their place */
	size_t nr_policies;
};

/* A policy and a node. */
struct bond {
	bool selects;
	int32_t weight;
	const bool *named; /* devices of the node that the policy names; NULL: it names none */
};

struct member {
	const struct res_node *node;
	enum reason fit; /* whatever the address is */
	bool known;	 /* its devices are */
	const struct l2_seen_device *devices;
	size_t nr_devices;
};

struct making {
	const struct l2_wanted_in *in;
	struct arena *arena;
	const struct res_l2_policy **policies;
	struct member *nodes;	    /* by name */
	struct elect_node *members; /* likewise */
	struct bond *bonds;	    /* by policy, then node */
	struct pair *pairs;
	size_t nr_policies, nr_nodes, nr_pairs, cap_pairs;
	size_t self; /* of the nodes; nr_nodes: we are none */
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
	size_t *list = arena_new_n(m->arena, size_t, m->nr_policies + 1), nr = 0;

	for (size_t i = 0; i < m->nr_policies; i++) {
		const struct res_l2_policy *p = m->policies[i];

		if ((external ? p->external_ips : p->load_balancer_ips) &&
		    selects_service(p, svc) && (external || is_of_pools(m->in->store, p, addr)))
			list[nr++] = i;
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

/* ---- policies and nodes ---- */

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
	enum reason life = in->life ? in->life(in->arg, node->obj.meta.name) : REASON_SATISFIED;

	if (life != REASON_SATISFIED)
		return life;
	/* Node documents in files mostly say nothing of it. */
	if (*ready && strcmp(ready, "True") != 0)
		return REASON_NODE_NOT_READY;
	if (strcmp(condition(node, "NetworkUnavailable"), "True") == 0)
		return REASON_NODE_NOT_READY;
	if (label_view_get(&labels, LABEL_EXCLUDE))
		return REASON_NODE_EXCLUDED;
	return REASON_SATISFIED;
}

static const bool *
names(struct making *m, const struct res_l2_policy *p, const struct member *n)
{
	bool *named = arena_new_n(m->arena, bool, n->nr_devices + 1);

	for (size_t i = 0; i < p->interfaces.nr; i++) {
		regex_t re;

		if (regcomp(&re, p->interfaces.v[i], REG_EXTENDED | REG_NOSUB) != 0)
			continue; /* told when the document was read */
		for (size_t d = 0; d < n->nr_devices; d++)
			named[d] |= regexec(&re, n->devices[d].name, 0, NULL, 0) == 0;
		regfree(&re);
	}
	return named;
}

static void
bind_node(struct making *m, struct bond *b, const struct res_l2_policy *p, const struct member *n)
{
	const struct label_view labels = label_view_of(&n->node->obj);

	b->selects = selector_admits(&p->node_selector, &labels) &&
	    selectors_admit(&p->node_selectors, &labels);
	if (!b->selects)
		return;
	for (size_t k = 0; k < p->preferred.nr; k++) {
		if (selector_selects(&p->preferred.v[k].preference, &labels))
			b->weight += p->preferred.v[k].weight;
	}
	if (p->interfaces.nr > 0 && n->known)
		b->named = names(m, p, n);
}

static void
meet(struct making *m)
{
	const struct store *store = m->in->store;
	struct res_object *o;
	size_t nr = store_nr(store, RES_NODE);

	m->nodes = arena_new_n(m->arena, struct member, nr + 1);
	m->members = arena_new_n(m->arena, struct elect_node, nr + 1);
	m->bonds = arena_new_n(m->arena, struct bond, nr * m->nr_policies + 1);
	m->self = nr;
	store_for_each(store, RES_NODE, o)
	{
		struct member *n = &m->nodes[m->nr_nodes];

		*n = (struct member){ .node = (const struct res_node *)o };
		n->fit = node_fit(m->in, n->node);
		if (strcmp(o->meta.name, m->in->node) == 0) {
			m->self = m->nr_nodes;
			n->known = true;
			n->devices = m->in->devices;
			n->nr_devices = m->in->nr_devices;
		} else if (m->in->devices_of) {
			n->known = m->in->devices_of(
			    m->in->arg, o->meta.name, &n->devices, &n->nr_devices);
		}
		m->members[m->nr_nodes++] = (struct elect_node){ .name = o->meta.name };
	}
	for (size_t p = 0; p < m->nr_policies; p++) {
		for (size_t n = 0; n < nr; n++)
			bind_node(m, &m->bonds[p * nr + n], m->policies[p], &m->nodes[n]);
	}
}

/* ---- which devices ---- */

/* Has it an address of the segment (or one of any)? */
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

enum stand { NOWHERE, ANYWHERE, NEAR };

/* How a device stands to the address, for a policy that selects its node. */
static enum stand
device_stand(const struct bond *b, const struct member *n, size_t d, const struct addr *addr)
{
	const struct l2_seen_device *dev = &n->devices[d];

	if (!dev->usable || (b->named && !b->named[d]))
		return NOWHERE;
	if (is_near(dev, addr, false))
		return NEAR;
	return b->named || is_near(dev, addr, true) ? ANYWHERE : NOWHERE;
}

/* How the node does, by its best device that is up. */
static enum stand
node_stand(const struct making *m, const struct pair *p, size_t nr, size_t node)
{
	const struct member *n = &m->nodes[node];
	enum stand best = NOWHERE;

	if (!n->known)
		return NEAR;
	for (size_t i = 0; i < nr; i++) {
		for (size_t k = 0; k < p[i].nr_policies; k++) {
			const struct bond *b = &m->bonds[p[i].policies[k] * m->nr_nodes + node];

			for (size_t d = 0; b->selects && d < n->nr_devices; d++) {
				enum stand s = n->devices[d].running
				    ? device_stand(b, n, d, &p->addr)
				    : NOWHERE;

				best = s > best ? s : best;
			}
		}
	}
	return best;
}

/* Those of ours that answer: what the policies name; of what nobody named those of the segment, or if
 * there are none all that have an address of the family. */
static size_t
devices_of(const struct making *m, const struct pair *p, size_t nr, const char *const **devices)
{
	const struct member *self = &m->nodes[m->self];
	const size_t nr_devices = m->self < m->nr_nodes ? self->nr_devices : 0;
	const char **list = (const char **)arena_new_n(m->arena, char *, nr_devices + 1);
	size_t nr_list = 0;
	bool near = false;

	for (size_t d = 0; d < nr_devices; d++)
		near |= self->devices[d].usable && is_near(&self->devices[d], &p->addr, false);
	for (size_t d = 0; d < nr_devices; d++) {
		bool wanted = false;

		for (size_t i = 0; i < nr; i++) {
			for (size_t k = 0; k < p[i].nr_policies; k++) {
				const struct bond *b =
				    &m->bonds[p[i].policies[k] * m->nr_nodes + m->self];
				enum stand s =
				    b->selects ? device_stand(b, self, d, &p->addr) : NOWHERE;

				wanted |= s == NEAR || (s == ANYWHERE && (b->named || !near));
			}
		}
		if (wanted)
			list[nr_list++] = self->devices[d].name;
	}
	*devices = list;
	return nr_list;
}

/* ---- which nodes ---- */

/* May the node answer for the Service there, and how gladly? */
static enum reason
pair_fit(const struct making *m, const struct pair *p, size_t node, int32_t *weight)
{
	bool selected = false;

	for (size_t i = 0; i < p->nr_policies; i++) {
		const struct bond *b = &m->bonds[p->policies[i] * m->nr_nodes + node];

		selected |= b->selects;
		*weight += b->weight;
	}
	if (!selected)
		return REASON_NODE_NOT_SELECTED;
	if (p->svc->external_policy == RES_POLICY_LOCAL &&
	    service_backends(
		m->in->store, p->svc, m->members[node].name, (enum addr_family)p->addr.family)
		    .active_local == 0)
		return REASON_NO_LOCAL_ENDPOINT;
	return REASON_SATISFIED;
}

static enum reason
services_fit(
    const struct making *m, const struct pair *p, size_t nr, size_t node, bool any, int32_t *weight)
{
	enum reason why = REASON_SATISFIED;
	size_t fits = 0;

	*weight = 0;
	for (size_t i = 0; i < nr; i++) {
		enum reason r = pair_fit(m, &p[i], node, weight);

		fits += r == REASON_SATISFIED;
		why = r == REASON_SATISFIED ? why : r;
	}
	return any && fits > 0 ? REASON_SATISFIED : why;
}

/*
 * The nodes of one address, which @nr pairs share.  A node that may answer for all of its Services; if
 * there is none, for any of them: some of them working is better than none; and if there is none of these
 * either, one that is about to go, as long as it is there.  Where some of these have a link in the
 * address's network, only they.
 */
static struct l2_wanted_node *
nodes_of(struct making *m, const struct pair *p, size_t nr)
{
	struct l2_wanted_node *list = arena_new_n(m->arena, struct l2_wanted_node, m->nr_nodes + 1);
	enum stand *stands = arena_new_n(m->arena, enum stand, m->nr_nodes + 1), best = NOWHERE;

	for (int pass = 0; pass < 4 && best == NOWHERE; pass++) {
		for (size_t n = 0; n < m->nr_nodes; n++) {
			struct l2_wanted_node *w = &list[n];
			enum reason first = m->nodes[n].fit;

			*w = (struct l2_wanted_node){ .name = m->members[n].name };
			w->reason = services_fit(m, p, nr, n, pass & 1, &w->preference);
			if (first != REASON_SATISFIED && (pass < 2 || first != REASON_DRAINING))
				w->reason = first;
			stands[n] =
			    w->reason == REASON_SATISFIED ? node_stand(m, p, nr, n) : NOWHERE;
			best = stands[n] > best ? stands[n] : best;
		}
	}
	for (size_t n = 0; n < m->nr_nodes; n++) {
		if (list[n].reason != REASON_SATISFIED)
			continue;
		if (stands[n] == NOWHERE)
			list[n].reason = REASON_NO_INTERFACE;
		else if (stands[n] < best)
			list[n].reason = REASON_NOT_ON_SEGMENT;
	}
	return list;
}

/* ---- how it is announced ---- */

/* Of several policies the most. */
static struct l2_schedule
schedule_of(const struct making *m, const struct pair *p, size_t nr)
{
	struct l2_schedule s = { 0 };

	for (size_t i = 0; i < nr; i++) {
		for (size_t k = 0; k < p[i].nr_policies; k++) {
			const struct res_l2_policy *policy = m->policies[p[i].policies[k]];
			const uint32_t count = policy->gratuitous.count;
			const uint32_t interval = policy->gratuitous.interval_ms;
			const uint32_t refresh = policy->gratuitous.refresh_ms;

			s.count = count > s.count ? (uint16_t)count : s.count;
			if (!s.interval_ms || interval < s.interval_ms)
				s.interval_ms = interval;
			if (refresh && (!s.refresh_ms || refresh < s.refresh_ms))
				s.refresh_ms = refresh;
		}
	}
	return s;
}

/* ---- who ---- */

static int
name_cmp(const void *key, const void *at)
{
	return strcmp(key, ((const struct elect_node *)at)->name);
}

static uint32_t
member_of(const struct making *m, const char *name)
{
	const struct elect_node *found =
	    name ? bsearch(name, m->members, m->nr_nodes, sizeof(*m->members), name_cmp) : NULL;

	return found ? (uint32_t)(found - m->members) : ELECT_NONE;
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
		uint32_t owner = m->in->owner ? member_of(m, m->in->owner(m->in->arg, &all[i].addr))
					      : ELECT_NONE;

		list[i] =
		    (struct elect_address){ .addr = all[i].addr, .candidates = c, .owner = owner };
		for (uint32_t n = 0; n < m->nr_nodes; n++) {
			if (all[i].nodes[n].reason == REASON_SATISFIED)
				c[list[i].nr_candidates++] =
				    (struct elect_candidate){ n, all[i].nodes[n].preference };
		}
		if (owner != ELECT_NONE && all[i].nodes[owner].reason == REASON_SATISFIED)
			all[i].holder = m->members[owner].name;
		else
			all[i].holder = "";
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
		all[i].fit = m->self < m->nr_nodes && nodes[m->self].reason == REASON_SATISFIED;
	}
	return err;
}

static int
make(struct making *m, struct l2_wanted *out)
{
	struct l2_wanted_address *all =
	    arena_new_n(m->arena, struct l2_wanted_address, m->nr_pairs + 1);
	size_t nr = 0, end;
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
			.nr_nodes = m->nr_nodes,
			.schedule = schedule_of(m, &m->pairs[i], end - i) };
		for (size_t k = i; k < end; k++) {
			const struct res_meta *meta = &m->pairs[k].svc->obj.meta;

			services[w->nr_services++] =
			    arena_printf(m->arena, "%s/%s", meta->ns, meta->name);
		}
		w->nr_devices = devices_of(m, &m->pairs[i], end - i, &w->devices);
	}
	err = choose(m, all, nr);
	*out = (struct l2_wanted){ all, nr };
	return err;
}

int
l2_wanted(const struct l2_wanted_in *in, struct arena *arena, struct l2_wanted *out)
{
	struct making m = { .in = in, .arena = arena };
	struct res_object *o;
	int err;

	*out = (struct l2_wanted){ 0 };
	m.policies = (const struct res_l2_policy **)arena_new_n(
	    arena, void *, store_nr(in->store, RES_L2_POLICY) + 1);
	store_for_each(in->store, RES_L2_POLICY, o) m.policies[m.nr_policies++] =
	    (const struct res_l2_policy *)o;
	if (m.nr_policies == 0)
		return 0;
	meet(&m);
	gather(&m);
	err = m.failed ? -ENOMEM : make(&m, out);
	mem_free(m.pairs);
	return err;
}
