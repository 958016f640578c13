/*
 * daemon/pods_wanted.c: see pods_wanted.h.
 */
#include "daemon/pods_wanted.h"

#include "lib/mem.h"
#include "lib/text.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#define RANGES_MAX 1024 /* of one node */
#define KEY_POD_NAMESPACE "io.kubernetes.pod.namespace"
#define KEY_POD_NAME "io.kubernetes.pod.name"

struct maker {
	struct pod_plan *plan;
	const struct store *store;
	const struct res_pod_ipam *conf;
	struct carver *carver;
};

static void __attribute__((format(printf, 3, 4)))
notice(struct maker *m, const char *node, const char *fmt, ...)
{
	struct pod_notice *n = arena_new_n(&m->plan->arena, struct pod_notice, 1);
	char *text;
	va_list ap;

	va_start(ap, fmt);
	if (vasprintf(&text, fmt, ap) < 0)
		text = xstrdup("out of memory");
	va_end(ap);
	n->node = arena_printf(&m->plan->arena, "%s", node);
	n->message = arena_printf(&m->plan->arena, "%s", text);
	free(text);
	n->next = m->plan->notices;
	m->plan->notices = n;
}

static bool
is_file(const struct res_node *n)
{
	return *n->obj.file != '\0';
}

static void
hold(struct maker *m, struct res_object *o)
{
	struct res_set *s = &m->plan->held;

	s->v = xrealloc(s->v, s->nr + 1, sizeof(*s->v));
	s->v[s->nr++] = res_ref(o);
	s->cap = s->nr;
}

static void
add_range(struct maker *m, struct pod_node *n, const struct pod_range *r)
{
	struct pod_range *grown;

	for (size_t i = 0; i < n->nr; i++)
		if (prefix_eq(&n->v[i].prefix, &r->prefix))
			return;
	if (n->nr >= RANGES_MAX)
		return;
	if (n->nr == n->cap) {
		n->cap = n->cap ? 2 * n->cap : 4;
		grown = arena_new_n(&m->plan->arena, struct pod_range, n->cap);
		if (n->nr)
			memcpy(grown, n->v, n->nr * sizeof(*grown));
		n->v = grown;
	}
	n->v[n->nr++] = *r;
	carver_hold(m->carver, &r->prefix);
}

static bool
has_family(const struct pod_node *n, enum addr_family family)
{
	for (size_t i = 0; i < n->nr; i++)
		if (n->v[i].prefix.addr.family == family)
			return true;
	return false;
}

/* ---- what annotations say ---- */

/* The next of a list by comma, without blanks; false: the end. */
static bool
next_word(const char **at, char *word, size_t size)
{
	size_t len;

	*at += strspn(*at, ", \t");
	len = strcspn(*at, ", \t");
	if (len == 0)
		return false;
	snprintf(word, size, "%.*s", (int)(len < size ? len : 0), *at);
	*at += len;
	return true;
}

static void
add_word(struct maker *m, struct pod_node *n, const char *key, const char *word, const char *pool)
{
	struct pod_range r = { .pool_name = arena_printf(&m->plan->arena, "%s", pool) };

	if (prefix_parse(word, &r.prefix, NULL) < 0) {
		notice(m, n->node->obj.meta.name, "annotation %s: '%.64s' is no prefix", key, word);
		return;
	}
	if (*pool)
		r.pool =
		    (const struct res_pod_ip_pool *)store_get(m->store, RES_POD_IP_POOL, "", pool);
	add_range(m, n, &r);
}

/* An annotation that is a list of prefixes, of "pool=prefix" when @pools. */
static void
add_noted(struct maker *m, struct pod_node *n, const char *key, bool pools)
{
	const char *text = res_pairs_get(&n->node->obj.meta.annotations, key);
	char word[PODIPAM_NAME_MAX + PREFIX_STRLEN + 2];
	char *eq;

	while (text && next_word(&text, word, sizeof(word))) {
		eq = strchr(word, '=');
		if (pools && eq)
			*eq = '\0';
		add_word(m, n, key, pools && eq ? eq + 1 : word, pools && eq ? word : "");
	}
}

static void
add_spec(struct maker *m, struct pod_node *n)
{
	for (size_t i = 0; i < n->node->pod_cidrs.nr; i++)
		add_range(m, n,
		    &(struct pod_range){ .prefix = n->node->pod_cidrs.v[i], .pool_name = "" });
}

/* What stands in the Node, before anything is carved. */
static void
add_held(struct maker *m, struct pod_node *n)
{
	static const struct {
		const char *key;
		enum addr_family family;
	} others[] = {
		{ "network.cilium.io/ipv4-pod-cidr", ADDR_V4 },
		{ "network.cilium.io/ipv6-pod-cidr", ADDR_V6 },
		{ "io.cilium.network.ipv4-pod-cidr", ADDR_V4 },
		{ "io.cilium.network.ipv6-pod-cidr", ADDR_V6 },
	};

	if (m->conf->mode == RES_IPAM_MULTI_POOL) {
		add_noted(m, n, PODS_POOL_CIDRS, true);
		return;
	}
	add_spec(m, n);
	for (size_t i = 0;
	     m->conf->mode == RES_IPAM_KUBERNETES && i < sizeof(others) / sizeof(others[0]); i++)
		if (!has_family(n, others[i].family))
			add_noted(m, n, others[i].key, false);
	add_noted(m, n, PODS_CIDRS, false);
}

/* ---- carving ---- */

static bool
carve(struct maker *m, struct pod_node *n, const struct prefix *pools, size_t nr, unsigned len,
    const struct res_pod_ip_pool *pool)
{
	const bool file = is_file(n->node);
	struct pod_range r = {
		.pool = pool, .pool_name = pool ? pool->obj.meta.name : "", .fresh = !file
	};

	if (!carver_take(m->carver, pools, nr, len, file ? n->node->obj.meta.name : "", &r.prefix))
		return false;
	add_range(m, n, &r);
	return true;
}

/* Held ranges that the pools would not have given: kept, and told. */
static void
check_against(struct maker *m, const struct pod_node *n, enum addr_family family,
    const struct prefix *pools, size_t nr, unsigned len)
{
	for (size_t i = 0; i < n->nr; i++) {
		const struct prefix *p = &n->v[i].prefix;
		bool inside = false;

		if (p->addr.family != family)
			continue;
		for (size_t k = 0; k < nr && !inside; k++)
			inside = prefix_covers(&pools[k], p);
		if (!inside)
			notice(m, n->node->obj.meta.name,
			    "its range %s lies in no prefix of ipam.clusterPool; it is kept",
			    prefix_str(p));
		else if (p->len != len)
			notice(m, n->node->obj.meta.name,
			    "its range %s is not of length %u as ipam.clusterPool asks for; it is "
			    "kept",
			    prefix_str(p), len);
	}
}

static void
carve_cluster(struct maker *m, struct pod_node *n)
{
	const struct res_pod_ipam *c = m->conf;
	const struct {
		enum addr_family family;
		const struct prefix *v;
		size_t nr;
		unsigned len;
	} pools[] = {
		{ ADDR_V4, c->pool_v4.v, c->pool_v4.nr, c->mask_v4 },
		{ ADDR_V6, c->pool_v6.v, c->pool_v6.nr, c->mask_v6 },
	};

	for (size_t i = 0; i < 2; i++) {
		if (!pools[i].nr)
			continue;
		if (has_family(n, pools[i].family))
			check_against(m, n, pools[i].family, pools[i].v, pools[i].nr, pools[i].len);
		else if (!carve(m, n, pools[i].v, pools[i].nr, pools[i].len, NULL))
			notice(m, n->node->obj.meta.name,
			    "ipam.clusterPool has no IPv%d range left for it; append a prefix to "
			    "ipv%dPodCIDRs",
			    pools[i].family == ADDR_V4 ? 4 : 6, pools[i].family == ADDR_V4 ? 4 : 6);
	}
}

/* Addresses for pods in the ranges of one pool and family. */
static uint64_t
room_of(const struct pod_node *n, const char *pool, enum addr_family family)
{
	uint64_t room = 0;

	for (size_t i = 0; i < n->nr; i++) {
		const struct addr_range all = prefix_range(&n->v[i].prefix);
		uint64_t size = range_size(&all);

		if (n->v[i].prefix.addr.family != family || strcmp(n->v[i].pool_name, pool) != 0)
			continue;
		size -= size >= 4 && size != UINT64_MAX ? 3 : 0;
		room = room + size < room ? UINT64_MAX : room + size;
	}
	return room;
}

static void
carve_pool(struct maker *m, struct pod_node *n, const struct res_pod_ip_pool *pool,
    const struct res_pod_pool_family *f, enum addr_family family)
{
	const char *name = pool->obj.meta.name;
	const char *asked = res_pairs_get(&n->node->obj.meta.annotations, PODS_REQUESTS);
	uint64_t need = asked ? pod_request_get(asked, name) : 0;

	/* Who cannot ask gets a reserve of each pool. */
	if (!asked && is_file(n->node))
		need = m->conf->pre_allocation;
	while (need > room_of(n, name, family))
		if (n->nr >= RANGES_MAX ||
		    !carve(m, n, f->cidrs.v, f->cidrs.nr, f->mask_size, pool)) {
			notice(m, n->node->obj.meta.name,
			    "PodIPPool %s has no IPv%d range left for it; append a prefix to its "
			    "cidrs",
			    name, family == ADDR_V4 ? 4 : 6);
			break;
		}
}

static void
carve_pools(struct maker *m, struct pod_node *n)
{
	struct res_object *o;

	store_for_each(m->store, RES_POD_IP_POOL, o)
	{
		const struct res_pod_ip_pool *pool = (const struct res_pod_ip_pool *)o;

		if (pool->has_v4)
			carve_pool(m, n, pool, &pool->v4, ADDR_V4);
		if (pool->has_v6)
			carve_pool(m, n, pool, &pool->v6, ADDR_V6);
	}
}

/* ---- the plan ---- */

/* A range that two nodes say they have: told once, of the second. */
static void
check_doubles(struct maker *m, const struct pod_node *n)
{
	for (const struct pod_node *o = m->plan->nodes; o < n; o++)
		for (size_t i = 0; i < o->nr; i++)
			for (size_t k = 0; k < n->nr; k++)
				if (prefix_covers(&o->v[i].prefix, &n->v[k].prefix) ||
				    prefix_covers(&n->v[k].prefix, &o->v[i].prefix))
					notice(m, n->node->obj.meta.name,
					    "its range %s overlaps that of %s",
					    prefix_str(&n->v[k].prefix), o->node->obj.meta.name);
}

/* Elder nodes first, so that a new one takes no place from them. */
static int
elder_first(const void *a, const void *b)
{
	const struct res_node *x = (*(const struct pod_node *const *)a)->node;
	const struct res_node *y = (*(const struct pod_node *const *)b)->node;
	const int64_t cx = x->obj.meta.created, cy = y->obj.meta.created;

	if ((cx == 0) != (cy == 0)) /* whose age is not known comes last */
		return cx == 0 ? 1 : -1;
	if (cx != cy)
		return cx < cy ? -1 : 1;
	return strcmp(x->obj.meta.name, y->obj.meta.name);
}

#define DOUBLES_MAX 64 /* nodes: with more it takes longer than it is worth */

struct pod_plan *
pod_plan_new(const struct store *store)
{
	struct pod_plan *plan = xnew(struct pod_plan);
	struct maker m = { .plan = plan,
		.store = store,
		.conf = &store_config(store)->ipam,
		.carver = carver_new() };
	const size_t nr = store_nr(store, RES_NODE);
	struct pod_node **order = xnew_n(struct pod_node *, nr + 1);
	struct res_object *o;

	plan->nodes = arena_new_n(&plan->arena, struct pod_node, nr + 1);
	store_for_each(store, RES_NODE, o)
	{
		struct pod_node *n = &plan->nodes[plan->nr_nodes];

		hold(&m, o);
		order[plan->nr_nodes++] = n;
		n->node = (const struct res_node *)o;
		add_held(&m, n);
		if (nr <= DOUBLES_MAX)
			check_doubles(&m, n);
	}
	store_for_each(store, RES_POD_IP_POOL, o) hold(&m, o);
	qsort(order, nr, sizeof(struct pod_node *), elder_first);
	for (size_t i = 0; i < nr; i++)
		if (m.conf->mode == RES_IPAM_CLUSTER_POOL)
			carve_cluster(&m, order[i]);
		else if (m.conf->mode == RES_IPAM_MULTI_POOL)
			carve_pools(&m, order[i]);
	free(order);
	carver_free(m.carver);
	return plan;
}

void
pod_plan_free(struct pod_plan *plan)
{
	if (!plan)
		return;
	res_set_fini(&plan->held);
	arena_fini(&plan->arena);
	free(plan);
}

void
pod_plan_told_all(struct pod_plan *plan)
{
	for (size_t i = 0; i < plan->nr_nodes; i++)
		for (size_t k = 0; k < plan->nodes[i].nr; k++)
			plan->nodes[i].v[k].fresh = false;
}

const struct pod_node *
pod_plan_node(const struct pod_plan *plan, const char *name)
{
	size_t low = 0, high = plan->nr_nodes, mid;
	int c;

	while (low < high) {
		mid = low + (high - low) / 2;
		c = strcmp(plan->nodes[mid].node->obj.meta.name, name);
		if (c == 0)
			return &plan->nodes[mid];
		if (c < 0)
			low = mid + 1;
		else
			high = mid;
	}
	return NULL;
}

size_t
pod_ranges_of(const struct pod_plan *plan, const struct res_node *node, struct arena *arena,
    const struct pod_range **out)
{
	const struct pod_node *n = plan ? pod_plan_node(plan, node->obj.meta.name) : NULL;
	const size_t room = n ? n->nr : node->pod_cidrs.nr;
	struct pod_range *list = arena_new_n(arena, struct pod_range, room);
	size_t nr = 0;

	for (size_t i = 0; i < room; i++) {
		if (n && n->v[i].fresh)
			continue;
		list[nr++] = n
		    ? n->v[i]
		    : (struct pod_range){ .prefix = node->pod_cidrs.v[i], .pool_name = "" };
	}
	*out = list;
	return nr;
}

/* ---- what the API is to say ---- */

const char *
pod_plan_told(
    struct pod_plan *plan, const struct pod_node *n, enum res_ipam_mode mode, const char **key)
{
	const char *text = "";
	bool fresh = false;

	*key = mode == RES_IPAM_MULTI_POOL ? PODS_POOL_CIDRS : PODS_CIDRS;
	for (size_t i = 0; i < n->nr; i++) {
		const struct pod_range *r = &n->v[i];
		bool in_spec = false;

		fresh = fresh || r->fresh;
		for (size_t k = 0; k < n->node->pod_cidrs.nr && mode != RES_IPAM_MULTI_POOL; k++)
			in_spec = in_spec || prefix_eq(&n->node->pod_cidrs.v[k], &r->prefix);
		if (!in_spec)
			text = arena_printf(&plan->arena, "%s%s%s%s%s", text, *text ? "," : "",
			    r->pool_name, *r->pool_name ? "=" : "", prefix_str(&r->prefix));
	}
	return fresh ? text : NULL;
}

uint32_t
pod_request_get(const char *text, const char *pool)
{
	const size_t len = strlen(pool);
	char word[PODIPAM_NAME_MAX + 16];
	uint64_t n;

	while (next_word(&text, word, sizeof(word)))
		if (strncmp(word, pool, len) == 0 && word[len] == '=' &&
		    text_u64(word + len + 1, PODIPAM_LEASES_MAX, &n) == 0)
			return (uint32_t)n;
	return 0;
}

uint32_t
pod_pool_need(const struct res_pod_ipam *c, const char *pool, uint64_t used, uint64_t pending)
{
	uint64_t need = used + pending;

	if (strcmp(pool, c->default_pool) == 0)
		need += c->pre_allocation;
	need = (need + c->pre_allocation - 1) / c->pre_allocation * c->pre_allocation;
	return need > PODIPAM_LEASES_MAX ? PODIPAM_LEASES_MAX : (uint32_t)need;
}

/* ---- a pod's pool ---- */

static const char *const prefixes[] = { "ipam.heraldlb.io/", "ipam.cilium.io/" };

/* What the pod asks for, else what its namespace does. */
static const char *
noted(const struct res_pairs *notes, const char *word, struct arena *a)
{
	const char *value;

	for (size_t i = 0; i < 2; i++) {
		value = res_pairs_get(notes, arena_printf(a, "%s%s", prefixes[i], word));
		if (value && *value)
			return value;
	}
	return NULL;
}

/* "ipv4-pool" goes before "ip-pool". */
static const char *
noted_pool(const struct res_pairs *notes, enum addr_family family, struct arena *a)
{
	const char *value = noted(notes, family == ADDR_V4 ? "ipv4-pool" : "ipv6-pool", a);

	return value ? value : noted(notes, "ip-pool", a);
}

static bool
pool_selects(
    const struct res_pod_ip_pool *p, const struct pod_ask *ask, const struct res_object *ns)
{
	static const struct res_pairs none;
	const struct label_view pod = { .labels = &none,
		.over = { { KEY_POD_NAMESPACE, ask->ns }, { KEY_POD_NAME, ask->name } },
		.nr_over = 2 };
	const struct label_view space = { .labels = ns ? &ns->meta.labels : &none,
		.over = { { "kubernetes.io/metadata.name", ask->ns } },
		.nr_over = 1 };

	if (!p->pod_selector.present && !p->namespace_selector.present)
		return false;
	return selector_admits(&p->pod_selector, &pod) &&
	    selector_admits(&p->namespace_selector, &space);
}

/* The one pool whose selectors match; NULL: none.  -EEXIST: several. */
static int
selected(const struct store *store, const struct pod_ask *ask, const struct res_object *ns,
    struct arena *a, const char **out, const char **error)
{
	struct res_object *o;

	*out = NULL;
	store_for_each(store, RES_POD_IP_POOL, o)
	{
		if (!pool_selects((const struct res_pod_ip_pool *)o, ask, ns))
			continue;
		if (*out) {
			*error = arena_printf(a,
			    "the PodIPPools %s and %s both select pod %s/%s; name one by the "
			    "annotation ipam.heraldlb.io/ip-pool",
			    *out, o->meta.name, ask->ns, ask->name);
			return -EEXIST;
		}
		*out = o->meta.name;
	}
	return 0;
}

static bool
must_match(const struct pod_ask *ask, const struct res_pairs *ns_notes, struct arena *a)
{
	const char *word = noted(&ask->annotations, "require-pool-match", a);

	if (!word)
		word = noted(ns_notes, "require-pool-match", a);
	return word && strcmp(word, "true") == 0;
}

static int
choose_family(const struct store *store, const struct pod_ask *ask, enum addr_family family,
    struct arena *a, const char **out, const char **error)
{
	static const struct res_pairs none;
	const struct res_object *ns = store_get(store, RES_NAMESPACE, "", ask->ns);
	const struct res_pairs *ns_notes = ns ? &ns->meta.annotations : &none;
	const struct res_pod_ip_pool *p;
	const char *name = noted_pool(&ask->annotations, family, a);
	int err;

	*out = NULL;
	if (!name)
		name = noted_pool(ns_notes, family, a);
	if (!name) {
		err = selected(store, ask, ns, a, &name, error);
		if (err < 0)
			return err;
	}
	if (!name && must_match(ask, ns_notes, a)) {
		*error = arena_printf(a,
		    "no PodIPPool selects pod %s/%s, and require-pool-match asks for one", ask->ns,
		    ask->name);
		return -ENOENT;
	}
	if (!name)
		name =
		    *ask->network_pool ? ask->network_pool : store_config(store)->ipam.default_pool;
	p = (const struct res_pod_ip_pool *)store_get(store, RES_POD_IP_POOL, "", name);
	if (!p) {
		*error = arena_printf(a, "there is no PodIPPool %s", name);
		return -ENOENT;
	}
	if (family == ADDR_V4 ? p->has_v4 : p->has_v6)
		*out = p->obj.meta.name;
	return 0;
}

int
pod_pool_choose(const struct store *store, const struct pod_ask *ask, struct arena *arena,
    struct podipam_want *want, const char **error)
{
	int err;

	for (int f = ADDR_V4; f <= ADDR_V6; f++) {
		err = choose_family(store, ask, (enum addr_family)f, arena, &want->pool[f], error);
		if (err < 0)
			return err;
	}
	return 0;
}
