/*
 * fib/table.c: routes by prefix: what is wanted and what the kernel has, side by side.
 */
#include "fib/core.h"

#include "lib/hash.h"
#include "lib/mem.h"

#include <stdlib.h>
#include <string.h>

enum { FIRST_BUCKETS = 64 };

static size_t
bucket_of(const struct table *t, const struct prefix *p)
{
	return (size_t)hash_bytes(p, sizeof(*p)) & (t->nr_buckets - 1);
}

struct route *
table_find(const struct table *t, const struct prefix *p)
{
	struct route *r = t->nr_buckets ? t->buckets[bucket_of(t, p)] : NULL;

	while (r && !prefix_eq(&r->prefix, p))
		r = r->chain;
	return r;
}

/* Twice the buckets; when memory is short the chains just get longer. */
static void
grow(struct table *t)
{
	struct table wide = { .nr = t->nr };
	struct route *r, *next;
	size_t at;

	wide.nr_buckets = t->nr_buckets ? t->nr_buckets * 2 : FIRST_BUCKETS;
	wide.buckets = mem_calloc(wide.nr_buckets, sizeof(struct route *));
	if (!wide.buckets)
		return;
	for (size_t i = 0; i < t->nr_buckets; i++)
		for (r = t->buckets[i]; r; r = next) {
			next = r->chain;
			at = bucket_of(&wide, &r->prefix);
			r->chain = wide.buckets[at];
			wide.buckets[at] = r;
		}
	mem_free(t->buckets);
	*t = wide;
}

struct route *
table_get(struct table *t, const struct prefix *p)
{
	struct route *r = table_find(t, p);
	size_t at;

	if (r)
		return r;
	if (t->nr >= t->nr_buckets)
		grow(t);
	if (t->nr_buckets == 0)
		return NULL;
	r = mem_calloc(1, sizeof(*r));
	if (!r)
		return NULL;
	r->prefix = *p;
	r->reason = REASON_NOT_YET_SENT;
	at = bucket_of(t, p);
	r->chain = t->buckets[at];
	t->buckets[at] = r;
	t->nr++;
	return r;
}

static void
route_free(struct route *r)
{
	for (int o = 0; o < FIB_NR_ORIGINS; o++)
		mem_free(r->want[o]);
	while (r->have)
		have_drop(r, r->have);
	mem_free(r);
}

void
table_remove(struct table *t, struct route *r)
{
	struct route **at = &t->buckets[bucket_of(t, &r->prefix)];

	while (*at != r)
		at = &(*at)->chain;
	*at = r->chain;
	t->nr--;
	route_free(r);
}

void
table_fini(struct table *t)
{
	struct route *r, *next;

	for (r = table_first(t); r; r = next) {
		next = table_next(t, r);
		route_free(r);
	}
	mem_free(t->buckets);
	*t = (struct table){ 0 };
}

static struct route *
first_from(const struct table *t, size_t bucket)
{
	for (; bucket < t->nr_buckets; bucket++)
		if (t->buckets[bucket])
			return t->buckets[bucket];
	return NULL;
}

struct route *
table_first(const struct table *t)
{
	return first_from(t, 0);
}

struct route *
table_next(const struct table *t, const struct route *r)
{
	return r->chain ? r->chain : first_from(t, bucket_of(t, &r->prefix) + 1);
}

/* ---- one route ---- */

/* Direct routes before learned ones: they are one hop shorter.  And what is to be tunnelled is not
 * to go in the open because a router offers to carry it. */
const struct want *
route_want(const struct route *r, enum fib_origin *origin)
{
	*origin = r->want[FIB_TUNNEL]  ? FIB_TUNNEL
	    : r->want[FIB_DIRECT_NODE] ? FIB_DIRECT_NODE
	    : r->want[FIB_DISCARD]     ? FIB_DISCARD
				       : FIB_BGP_LEARNED;
	return r->want[*origin];
}

uint32_t
route_metric(const struct route *r)
{
	enum fib_origin origin;

	return route_want(r, &origin) && origin == FIB_DISCARD ? FIB_DISCARD_METRIC
							       : r->fib->conf.metric;
}

bool
route_is_needed(const struct route *r)
{
	enum fib_origin o;

	return route_want(r, &o) || r->have || r->nr_asked > 0 || r->next_dirty;
}

struct have *
have_find(const struct route *r, uint32_t table, uint32_t metric)
{
	struct have *h = r->have;

	while (h && (h->table != table || h->metric != metric))
		h = h->next;
	return h;
}

void
have_drop(struct route *r, struct have *h)
{
	struct have **at = &r->have;

	while (*at != h)
		at = &(*at)->next;
	*at = h->next;
	mem_free(h);
}

struct have *
have_set(struct route *r, uint32_t table, uint32_t metric, const struct fib_hop *hop, size_t nr)
{
	struct have *old = have_find(r, table, metric), *h;

	if (old && hops_same(old->hop, old->nr, hop, nr))
		return old;
	h = mem_calloc(1, sizeof(*h) + nr * sizeof(h->hop[0]));
	if (!h)
		return NULL;
	h->table = table;
	h->metric = metric;
	h->nr = nr;
	memcpy(h->hop, hop, nr * sizeof(h->hop[0]));
	if (old)
		have_drop(r, old);
	h->next = r->have;
	r->have = h;
	return h;
}
