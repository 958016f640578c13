/*
 * ipam/ipam.c: the allocator's life and what is wanted of it.  Setters write down what is wanted
 * and queue the claims concerned; deciding is settle.c's.
 *
 * Two trees carry the work: the queue has the claims to look at because they or the pools changed,
 * waiting has those that lack something.  Both are in the order in which claims are served, and a
 * claim is in one of them at most.  What is taken stands in one tree a family, over all pools, so
 * that nothing is given twice whatever pools overlap.
 */
#include "ipam/ipam.h"

#include "ipam/claim.h"
#include "lib/mem.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static int
by_owner(const struct tree_node *a, const struct tree_node *b)
{
	return strcmp(claim_of_owner(a)->owner, claim_of_owner(b)->owner);
}

static bool
asks_by_name(const struct claim *c)
{
	return c->spec.nr_wants > 0 && c->spec.wants[0].fixed;
}

/* Rule 2 of ipam.h: requested addresses first, then age, then name. */
static int
by_turn(const struct tree_node *a, const struct tree_node *b)
{
	const struct claim *x = claim_of_turn(a), *y = claim_of_turn(b);

	if (asks_by_name(x) != asks_by_name(y))
		return asks_by_name(x) ? -1 : 1;
	if (x->spec.created != y->spec.created)
		return x->spec.created < y->spec.created ? -1 : 1;
	return strcmp(x->owner, y->owner);
}

struct ipam *
ipam_new(ipam_changed_cb *cb, void *arg)
{
	struct ipam *ipam = xnew(struct ipam);

	pools_init(&ipam->pools);
	taken_init(&ipam->taken[ADDR_V4]);
	taken_init(&ipam->taken[ADDR_V6]);
	tree_init(&ipam->owners, by_owner);
	tree_init(&ipam->queue, by_turn);
	tree_init(&ipam->waiting, by_turn);
	ipam->changed_end = &ipam->changed;
	ipam->cb = cb;
	ipam->arg = arg;
	return ipam;
}

void
ipam_free(struct ipam *ipam)
{
	struct tree_node *n;

	if (!ipam)
		return;
	while ((n = tree_first(&ipam->owners)) != NULL)
		claim_free(ipam, claim_of_owner(n));
	pools_fini(&ipam->pools);
	free(ipam);
}

/* ---- claims ---- */

struct claim *
claim_find(const struct ipam *ipam, const char *owner)
{
	struct claim probe = { .owner = (char *)owner };

	return claim_of_owner(tree_find(&ipam->owners, &probe.by_owner));
}

static struct claim *
claim_new(struct ipam *ipam, const char *owner)
{
	struct claim *c = mem_calloc(1, sizeof(*c));

	if (!c)
		return NULL;
	c->owner = mem_strndup(owner, strlen(owner));
	if (!c->owner) {
		mem_free(c);
		return NULL;
	}
	c->reason = REASON_SOURCES_NOT_SYNCED;
	tree_insert(&ipam->owners, &c->by_owner);
	return c;
}

static void
spec_free(struct ipam *ipam, struct claim_spec *s)
{
	for (size_t i = 0; i < s->nr_pools; i++)
		pool_unref(&ipam->pools, s->pools[i]);
	mem_free(s->pools);
	mem_free(s->wants);
	*s = (struct claim_spec){ 0 };
}

void
claim_free(struct ipam *ipam, struct claim *c)
{
	struct hold *h;

	claim_unturn(ipam, c);
	tree_remove(&ipam->owners, &c->by_owner);
	spec_free(ipam, &c->spec);
	while (c->holds)
		claim_release(ipam, c, c->holds);
	while ((h = c->spares) != NULL) {
		c->spares = h->next;
		mem_free(h);
	}
	mem_free(c->owner);
	mem_free(c);
}

void
claim_unturn(struct ipam *ipam, struct claim *c)
{
	if (tree_has(&c->by_turn))
		tree_remove(c->queued ? &ipam->queue : &ipam->waiting, &c->by_turn);
	c->queued = false;
}

void
claim_queue(struct ipam *ipam, struct claim *c)
{
	if (c->queued)
		return;
	claim_unturn(ipam, c);
	c->queued = true;
	tree_insert(&ipam->queue, &c->by_turn);
}

bool
claim_may_use(const struct claim *c, const struct pool *p)
{
	size_t lo = 0, hi = c->spec.nr_pools, mid;
	int order;

	if (c->spec.any_pool)
		return true;
	while (lo < hi) {
		mid = lo + (hi - lo) / 2;
		order = strcmp(c->spec.pools[mid]->name, p->name);
		if (order == 0)
			return true;
		if (order < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	return false;
}

/* At least @nr holds and spares together, so that taking cannot fail later. */
static int
claim_reserve(struct claim *c, size_t nr)
{
	struct hold *h;

	for (h = c->holds; h && nr > 0; h = h->next)
		nr--;
	for (h = c->spares; h && nr > 0; h = h->next)
		nr--;
	for (; nr > 0; nr--) {
		h = mem_calloc(1, sizeof(*h));
		if (!h)
			return -ENOMEM;
		h->claim = c;
		h->next = c->spares;
		c->spares = h;
	}
	return 0;
}

struct hold *
claim_take(
    struct ipam *ipam, struct claim *c, enum addr_family family, ipam_key key, struct pool *pool)
{
	struct hold *h = c->spares, **end;

	c->spares = h->next;
	h->family = family;
	h->taken.key = key;
	h->pool = pool;
	h->note = REASON_SATISFIED;
	h->next = NULL;
	if (pool) {
		pool_ref(pool);
		pool->held++;
	}
	tree_insert(&ipam->taken[family], &h->taken.node);
	for (end = &c->holds; *end; end = &(*end)->next)
		;
	*end = h;
	return h;
}

void
claim_release(struct ipam *ipam, struct claim *c, struct hold *h)
{
	struct hold **at;

	for (at = &c->holds; *at != h; at = &(*at)->next)
		;
	*at = h->next;
	tree_remove(&ipam->taken[h->family], &h->taken.node);
	if (h->pool)
		h->pool->held--;
	pool_unref(&ipam->pools, h->pool);
	h->pool = NULL;
	h->next = c->spares;
	c->spares = h;
	ipam->nr_freed++;
}

/* ---- what is wanted ---- */

static int
pool_ptr_cmp(const void *x, const void *y)
{
	return strcmp((*(struct pool *const *)x)->name, (*(struct pool *const *)y)->name);
}

static int
spec_pools(struct ipam *ipam, const struct ipam_claim *from, struct claim_spec *s)
{
	size_t nr = 0;

	s->any_pool = from->any_pool;
	if (s->any_pool || from->nr_pools == 0)
		return 0;
	s->pools = mem_calloc(from->nr_pools, sizeof(struct pool *));
	if (!s->pools)
		return -ENOMEM;
	for (size_t i = 0; i < from->nr_pools; i++) {
		s->pools[i] = pool_ref_name(&ipam->pools, from->pools[i], strlen(from->pools[i]));
		if (!s->pools[i])
			return -ENOMEM;
		s->nr_pools++;
	}
	qsort(s->pools, s->nr_pools, sizeof(struct pool *), pool_ptr_cmp);
	for (size_t i = 0; i < s->nr_pools; i++) {
		if (nr > 0 && s->pools[nr - 1] == s->pools[i])
			pool_unref(&ipam->pools, s->pools[i]);
		else
			s->pools[nr++] = s->pools[i];
	}
	s->nr_pools = nr;
	return 0;
}

static bool
spec_has_want(const struct claim_spec *s, const struct want *w)
{
	for (size_t i = 0; i < s->nr_wants; i++)
		if (s->wants[i].family == w->family && s->wants[i].key == w->key)
			return true;
	return false;
}

static int
spec_wants(const struct ipam_claim *from, struct claim_spec *s)
{
	size_t nr = from->nr_requested ? from->nr_requested : from->nr_families;

	if (nr == 0)
		return 0;
	s->wants = mem_calloc(nr, sizeof(*s->wants));
	if (!s->wants)
		return -ENOMEM;
	for (size_t i = 0; i < nr; i++) {
		struct want w = { .reason = REASON_SOURCES_NOT_SYNCED };

		if (from->nr_requested) {
			w.fixed = true;
			w.family = (enum addr_family)from->requested[i].family;
			w.key = taken_key(&from->requested[i]);
		} else {
			w.family = from->families[i];
		}
		if (w.family != ADDR_V4 && w.family != ADDR_V6)
			return -EINVAL;
		if (!spec_has_want(s, &w))
			s->wants[s->nr_wants++] = w;
		else if (!w.fixed)
			return -EINVAL;
	}
	return 0;
}

static bool
spec_same(const struct claim_spec *a, const struct claim_spec *b)
{
	if (a->created != b->created || a->mirrored != b->mirrored || a->any_pool != b->any_pool ||
	    a->nr_pools != b->nr_pools || a->nr_wants != b->nr_wants)
		return false;
	for (size_t i = 0; i < a->nr_pools; i++)
		if (a->pools[i] != b->pools[i])
			return false;
	for (size_t i = 0; i < a->nr_wants; i++)
		if (a->wants[i].family != b->wants[i].family ||
		    a->wants[i].fixed != b->wants[i].fixed || a->wants[i].key != b->wants[i].key)
			return false;
	return true;
}

int
ipam_claim_set(struct ipam *ipam, const struct ipam_claim *from)
{
	struct claim_spec spec = { .created = from->created, .mirrored = from->mirrored };
	struct claim *c;
	int err;

	if (!from->owner || !*from->owner || from->nr_families > 2)
		return -EINVAL;
	err = spec_pools(ipam, from, &spec);
	if (err == 0)
		err = spec_wants(from, &spec);
	if (err < 0)
		goto free_spec;
	c = claim_find(ipam, from->owner);
	if (c && c->present && spec_same(&c->spec, &spec)) {
		c->generation = ipam->generation;
		goto free_spec;
	}
	err = -ENOMEM;
	if (!c)
		c = claim_new(ipam, from->owner);
	if (!c)
		goto free_spec;
	if (claim_reserve(c, spec.nr_wants) < 0) {
		if (!c->present && !c->holds)
			claim_free(ipam, c);
		goto free_spec;
	}
	claim_unturn(ipam, c); /* by the old spec's turn */
	spec_free(ipam, &c->spec);
	c->spec = spec;
	c->due |= IPAM_CHANGED_REASON; /* at least the order of addresses may be another */
	c->present = true;
	c->generation = ipam->generation;
	claim_queue(ipam, c);
	return 0;

free_spec:
	spec_free(ipam, &spec);
	return err;
}

static void
claim_forget(struct ipam *ipam, struct claim *c)
{
	c->present = false;
	claim_queue(ipam, c);
}

void
ipam_claim_del(struct ipam *ipam, const char *owner)
{
	struct claim *c = claim_find(ipam, owner);

	if (c && c->present)
		claim_forget(ipam, c);
}

void
ipam_claims_begin(struct ipam *ipam)
{
	ipam->generation++;
}

void
ipam_claims_end(struct ipam *ipam)
{
	for (struct tree_node *n = tree_first(&ipam->owners); n; n = tree_next(n)) {
		struct claim *c = claim_of_owner(n);

		if (c->present && c->generation != ipam->generation)
			claim_forget(ipam, c);
	}
}

/* ---- pools, the past, the start ---- */

static void
queue_all(struct ipam *ipam)
{
	for (struct tree_node *n = tree_first(&ipam->owners); n; n = tree_next(n))
		claim_queue(ipam, claim_of_owner(n));
}

int
ipam_pools_set(struct ipam *ipam, const struct ipam_pool *pools, size_t nr)
{
	int err = pools_assign(&ipam->pools, pools, nr);

	if (err == 0)
		queue_all(ipam);
	return err;
}

/* One more hold than @c has and wants: what is restored may not be what is wanted. */
int
claim_reserve_one_more(struct claim *c)
{
	size_t nr = 0;

	for (const struct hold *h = c->holds; h; h = h->next)
		nr++;
	if (nr < c->spec.nr_wants)
		nr = c->spec.nr_wants;
	return claim_reserve(c, nr + 1);
}

/* The owner has @key from now on, from @pool (NULL: not known). */
static int
restore(
    struct ipam *ipam, const char *owner, enum addr_family family, ipam_key key, struct pool *pool)
{
	struct claim *c = claim_find(ipam, owner);

	if (!c)
		c = claim_new(ipam, owner);
	if (!c)
		return -ENOMEM;
	if (claim_reserve_one_more(c) < 0) {
		if (!c->present && !c->holds)
			claim_free(ipam, c);
		return -ENOMEM;
	}
	claim_take(ipam, c, family, key, pool);
	c->due |= IPAM_CHANGED_ADDRS;
	claim_queue(ipam, c);
	return 0;
}

int
ipam_restore(struct ipam *ipam, const char *owner, const struct addr *addr, const char *pool_name)
{
	enum addr_family family = (enum addr_family)addr->family;
	struct pool *pool = NULL;
	struct taken *taken;
	int err;

	if (ipam->started)
		return -EALREADY;
	if (!owner || !*owner || (family != ADDR_V4 && family != ADDR_V6))
		return -EINVAL;
	taken = taken_find(&ipam->taken[family], taken_key(addr));
	if (taken)
		return strcmp(((struct hold *)taken)->claim->owner, owner) == 0 ? 0 : -EADDRINUSE;
	if (pool_name && *pool_name) {
		pool = pool_ref_name(&ipam->pools, pool_name, strlen(pool_name));
		if (!pool)
			return -ENOMEM;
	}
	err = restore(ipam, owner, family, taken_key(addr), pool);
	pool_unref(&ipam->pools, pool); /* the hold has its own */
	return err;
}

bool
ipam_is_started(const struct ipam *ipam)
{
	return ipam->started;
}

void
ipam_start(struct ipam *ipam)
{
	if (!ipam->started)
		queue_all(ipam);
	ipam->started = true;
	ipam_settle(ipam);
}
