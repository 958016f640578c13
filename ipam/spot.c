/*
 * ipam/spot.c: the addresses that are not free for everybody: who holds one, from when on it rests
 * and until when, and which sharing key it is of.
 *
 * A spot is in one tree by address while there is anything to know of it.  Held, it is paid for by
 * its holds (each has put one into the stock); resting, by itself.
 */
#include "ipam/claim.h"
#include "lib/mem.h"

#include <errno.h>
#include <string.h>

/* ---- orders ---- */

static const struct spot *
of_due(const struct tree_node *n)
{
	return TREE_ENTRY(n, const struct spot, by_due);
}

static const struct spot *
of_last(const struct tree_node *n)
{
	return TREE_ENTRY(n, const struct spot, by_last);
}

static const struct spot *
of_group(const struct tree_node *n)
{
	return TREE_ENTRY(n, const struct spot, by_group);
}

static int
spot_cmp(const struct spot *a, const struct spot *b)
{
	if (a->family != b->family)
		return a->family < b->family ? -1 : 1;
	return spot_key(a) < spot_key(b) ? -1 : spot_key(a) > spot_key(b);
}

static int
by_due(const struct tree_node *x, const struct tree_node *y)
{
	const struct spot *a = of_due(x), *b = of_due(y);

	if (a->due_ms != b->due_ms)
		return a->due_ms < b->due_ms ? -1 : 1;
	return spot_cmp(a, b);
}

static int
by_last(const struct tree_node *x, const struct tree_node *y)
{
	const struct spot *a = of_last(x), *b = of_last(y);
	const int c = strcmp(a->last->s, b->last->s);

	return c ? c : spot_cmp(a, b);
}

int
spot_by_group(const struct tree_node *x, const struct tree_node *y)
{
	return spot_cmp(of_group(x), of_group(y));
}

/* ---- names ---- */

struct owner_name *
owner_name_new(const char *owner)
{
	const size_t len = strlen(owner);
	struct owner_name *n = mem_calloc(1, sizeof(*n) + len + 1);

	if (n) {
		n->refs = 1;
		memcpy(n->s, owner, len + 1);
	}
	return n;
}

struct owner_name *
owner_name_ref(struct owner_name *n)
{
	n->refs++;
	return n;
}

void
owner_name_unref(struct owner_name *n)
{
	if (n && --n->refs == 0)
		mem_free(n);
}

/* ---- life ---- */

void
spots_init(struct ipam *ipam)
{
	for (int f = ADDR_V4; f <= ADDR_V6; f++) {
		taken_init(&ipam->taken[f]);
		taken_init(&ipam->resting[f]);
	}
	tree_init(&ipam->due, by_due);
	tree_init(&ipam->lost, by_last);
}

struct spot *
spot_find(const struct ipam *ipam, enum addr_family family, ipam_key key)
{
	return (struct spot *)taken_find(&ipam->taken[family], key);
}

int
spot_stock(struct ipam *ipam)
{
	struct spot *s = mem_calloc(1, sizeof(*s));

	if (!s)
		return -ENOMEM;
	s->next = ipam->stock;
	ipam->stock = s;
	return 0;
}

static struct spot *
stock_pop(struct ipam *ipam)
{
	struct spot *s = ipam->stock;

	ipam->stock = s->next;
	*s = (struct spot){ 0 };
	return s;
}

void
spot_unstock(struct ipam *ipam)
{
	mem_free(stock_pop(ipam));
}

static void
redue(struct ipam *ipam, struct spot *s)
{
	if (tree_has(&s->by_due))
		tree_remove(&ipam->due, &s->by_due);
	s->due_ms = s->cool_ms;
	if (s->strange_ms && (!s->due_ms || s->strange_ms < s->due_ms))
		s->due_ms = s->strange_ms;
	if (s->due_ms)
		tree_insert(&ipam->due, &s->by_due);
}

static void
cooled(struct ipam *ipam, struct spot *s)
{
	s->cool_ms = 0;
	if (!s->last)
		return;
	tree_remove(&ipam->lost, &s->by_last);
	owner_name_unref(s->last);
	s->last = NULL;
}

/* Into the trees of its address; it rests. */
static void
insert(struct ipam *ipam, struct spot *s, enum addr_family family, ipam_key key)
{
	s->family = family;
	s->taken.key = s->rest.key = key;
	tree_insert(&ipam->taken[family], &s->taken.node);
	tree_insert(&ipam->resting[family], &s->rest.node);
}

/* Out of all trees: nothing is known of it any more. */
static void
forget(struct ipam *ipam, struct spot *s)
{
	cooled(ipam, s);
	s->strange_ms = 0;
	redue(ipam, s);
	tree_remove(&ipam->taken[s->family], &s->taken.node);
	tree_remove(&ipam->resting[s->family], &s->rest.node);
}

void
spots_fini(struct ipam *ipam)
{
	struct tree_node *n;

	for (int f = ADDR_V4; f <= ADDR_V6; f++)
		while ((n = tree_first(&ipam->taken[f])) != NULL) {
			struct spot *s = (struct spot *)taken_of(n);

			forget(ipam, s);
			mem_free(s);
		}
	while (ipam->stock)
		spot_unstock(ipam);
}

/* ---- sharing ---- */

/* A spot is of the sharing key of its first holder. */
static void
regroup(struct ipam *ipam, struct spot *s)
{
	struct group *old = s->group;
	struct group *g = s->holders ? s->holders->claim->spec.share.group : NULL;

	if (g == old)
		return;
	if (old)
		tree_remove(&old->spots, &s->by_group);
	s->group = g;
	if (g) {
		group_ref(g);
		tree_insert(&g->spots, &s->by_group);
	}
	wishes_stir(ipam, s->family, spot_key(s));
	group_stir(ipam, old);
	group_stir(ipam, g);
	group_unref(&ipam->groups, old);
}

void
claim_regroup(struct ipam *ipam, struct claim *c)
{
	for (struct hold *h = c->holds; h; h = h->next) {
		regroup(ipam, h->spot);
		group_stir(ipam, h->spot->group);
	}
}

struct hold *
spot_refuses(const struct spot *s, const struct claim *c, enum reason *why)
{
	for (struct hold *h = s->holders; h; h = h->next_here) {
		if (h->claim == c)
			continue;
		*why = share_refuses(
		    &h->claim->spec.share, h->claim->name->s, &c->spec.share, c->name->s);
		if (*why != REASON_SATISFIED)
			return h;
	}
	*why = REASON_SATISFIED;
	return NULL;
}

/* Why the two of them, of one spot, cannot both stay. */
static enum reason
quarrel(const struct hold *a, const struct hold *b)
{
	return share_refuses(
	    &a->claim->spec.share, a->claim->name->s, &b->claim->spec.share, b->claim->name->s);
}

static void
yield(struct ipam *ipam, struct hold *h)
{
	struct claim *c = h->claim;

	claim_release(ipam, c, h, RELEASE_COOL);
	claim_changed(ipam, c, IPAM_CHANGED_ADDRS);
	claim_queue(ipam, c);
}

/*
 * Rule 5 of ipam.c: who changed yields; of two that did, or where a consent is withdrawn, the one
 * who joined later.
 */
static bool
is_to_yield(const struct spot *s, const struct hold *h)
{
	bool before = true;
	enum reason why;

	for (const struct hold *g = s->holders; g; g = g->next_here) {
		if (g == h) {
			before = false;
			continue;
		}
		why = quarrel(g, h);
		if (why == REASON_SATISFIED)
			continue;
		if (before || g->claim->spec.mirrored ||
		    !(g->check || why == REASON_SHARING_NAMESPACE))
			return true;
	}
	return false;
}

/* Those who cannot stay beside @h, which stays. */
static void
make_way(struct ipam *ipam, struct spot *s, const struct hold *h)
{
	struct hold *next;

	for (struct hold *g = s->holders; g; g = next) {
		next = g->next_here;
		if (g != h && quarrel(g, h) != REASON_SATISFIED)
			yield(ipam, g);
	}
}

void
spot_sort_out(struct ipam *ipam, struct spot *s)
{
	struct hold *h;

	for (;;) {
		for (h = s->holders; h && !h->check; h = h->next_here)
			;
		if (!h)
			return;
		h->check = false;
		if (h->claim->spec.mirrored)
			continue;
		if (is_to_yield(s, h))
			yield(ipam, h);
		else
			make_way(ipam, s, h);
	}
}

/* ---- holding ---- */

void
hold_set_pool(struct ipam *ipam, struct hold *h, struct pool *p)
{
	if (p) {
		pool_ref(p);
		p->held++;
	}
	if (h->pool)
		h->pool->held--;
	pool_unref(&ipam->pools, h->pool);
	h->pool = p;
}

/* Nobody rests here any more: somebody has it. */
static void
wake(struct ipam *ipam, struct spot *s)
{
	wishes_stir(ipam, s->family, spot_key(s));
	cooled(ipam, s);
	redue(ipam, s);
	tree_remove(&ipam->resting[s->family], &s->rest.node);
}

struct hold *
claim_take(
    struct ipam *ipam, struct claim *c, enum addr_family family, ipam_key key, struct pool *pool)
{
	struct spot *s = spot_find(ipam, family, key);
	struct hold *h = c->spares, **end;

	if (!s) {
		s = stock_pop(ipam);
		insert(ipam, s, family, key);
	} else if (!s->holders) {
		spot_unstock(ipam); /* it has paid for itself */
	}
	if (!s->holders)
		wake(ipam, s);
	c->spares = h->next;
	*h = (struct hold){ .spot = s, .claim = c, .note = REASON_SATISFIED };
	hold_set_pool(ipam, h, pool);
	for (end = &s->holders; *end; end = &(*end)->next_here)
		;
	*end = h;
	for (end = &c->holds; *end; end = &(*end)->next)
		;
	*end = h;
	regroup(ipam, s);
	return h;
}

/* The last holder left: it rests if it is to, else it is free. */
static void
rest(struct ipam *ipam, struct spot *s, struct owner_name *last, uint64_t ms)
{
	const bool rests = (ms > 0 || s->strange_ms) && !ipam->closing;

	ipam->nr_freed++;
	wishes_stir(ipam, s->family, spot_key(s));
	tree_insert(&ipam->resting[s->family], &s->rest.node);
	/* From now on it pays for itself; when memory is short, it goes without a rest. */
	if (!rests || spot_stock(ipam) < 0) {
		forget(ipam, s);
		s->next = ipam->stock;
		ipam->stock = s;
		return;
	}
	if (ms == 0)
		return;
	s->cool_ms = ipam->now_ms + ms;
	s->last = last ? owner_name_ref(last) : NULL;
	if (s->last)
		tree_insert(&ipam->lost, &s->by_last);
	redue(ipam, s);
}

static void
unlink_hold(struct claim *c, struct hold *h)
{
	struct hold **at;

	for (size_t i = 0; i < c->spec.nr_wants; i++)
		if (c->spec.wants[i].hold == h)
			c->spec.wants[i].hold = NULL;
	for (at = &c->holds; *at != h; at = &(*at)->next)
		;
	*at = h->next;
	for (at = &h->spot->holders; *at != h; at = &(*at)->next_here)
		;
	*at = h->next_here;
}

void
claim_release(struct ipam *ipam, struct claim *c, struct hold *h, enum release how)
{
	struct spot *s = h->spot;
	uint64_t ms = h->pool ? h->pool->reuse_ms : IPAM_REUSE_MS;

	unlink_hold(c, h);
	hold_set_pool(ipam, h, NULL);
	*h = (struct hold){ .claim = c, .next = c->spares };
	c->spares = h;
	regroup(ipam, s);
	if (s->holders)
		group_stir(ipam, s->group);
	else
		rest(ipam, s, how == RELEASE_FOR_ALL ? NULL : c->name,
		    how == RELEASE_AT_ONCE ? 0 : ms);
}

/* ---- time and strangers ---- */

static void
queue_holders(struct ipam *ipam, const struct spot *s)
{
	for (struct hold *h = s->holders; h; h = h->next_here)
		claim_queue(ipam, h->claim);
}

/* One that rests and has no more reason to. */
static void
leave_rest(struct ipam *ipam, struct spot *s)
{
	ipam->nr_freed++;
	if (s->cool_ms || s->strange_ms)
		return;
	forget(ipam, s);
	mem_free(s);
}

bool
ipam_clock(struct ipam *ipam, uint64_t now_ms)
{
	struct tree_node *n;
	bool any = false;

	ipam->now_ms = now_ms;
	while ((n = tree_first(&ipam->due)) != NULL && of_due(n)->due_ms <= now_ms) {
		struct spot *s = TREE_ENTRY(n, struct spot, by_due);

		any = true;
		wishes_stir(ipam, s->family, spot_key(s));
		if (s->cool_ms && s->cool_ms <= now_ms)
			cooled(ipam, s);
		if (s->strange_ms && s->strange_ms <= now_ms) {
			s->strange_ms = 0;
			queue_holders(ipam, s);
			group_stir(ipam, s->group);
		}
		redue(ipam, s);
		if (!s->holders)
			leave_rest(ipam, s);
	}
	return any;
}

uint64_t
ipam_due_ms(const struct ipam *ipam)
{
	const struct tree_node *n = tree_first(&ipam->due);

	return n ? of_due(n)->due_ms : UINT64_MAX;
}

static bool
is_family(const struct addr *a)
{
	return a->family == ADDR_V4 || a->family == ADDR_V6;
}

/* A spot of its own for an address that nobody holds. */
static struct spot *
spot_new(struct ipam *ipam, const struct addr *a)
{
	struct spot *s;

	if (spot_stock(ipam) < 0)
		return NULL;
	s = stock_pop(ipam);
	insert(ipam, s, (enum addr_family)a->family, taken_key(a));
	return s;
}

/* Given, never used: then another one will do as well, unless it was asked for by name. */
static bool
are_fresh(const struct spot *s)
{
	for (const struct hold *h = s->holders; h; h = h->next_here)
		if (!h->fresh || h->claim->spec.mirrored)
			return false;
	return true;
}

int
ipam_stranger(struct ipam *ipam, const struct addr *a, uint64_t for_ms)
{
	struct spot *s;

	if (!is_family(a))
		return -EINVAL;
	s = spot_find(ipam, (enum addr_family)a->family, taken_key(a));
	if (!s && for_ms == 0)
		return 0;
	if (!s)
		s = spot_new(ipam, a);
	if (!s)
		return -ENOMEM;
	if (for_ms == 0 && !s->strange_ms)
		return 0;
	s->strange_ms = ipam->now_ms + for_ms;
	if (for_ms && are_fresh(s))
		for (struct hold *h = s->holders; h; h = h->next_here)
			h->let_go = true;
	redue(ipam, s);
	queue_holders(ipam, s);
	wishes_stir(ipam, s->family, spot_key(s));
	if (for_ms == 0)
		(void)ipam_clock(ipam, ipam->now_ms);
	return 0;
}

void
ipam_used(struct ipam *ipam, const struct addr *a)
{
	struct spot *s;

	s = is_family(a) ? spot_find(ipam, (enum addr_family)a->family, taken_key(a)) : NULL;
	for (struct hold *h = s ? s->holders : NULL; h; h = h->next_here)
		h->fresh = false;
}

int
ipam_restore_resting(struct ipam *ipam, const struct addr *a, const char *last, uint64_t ms)
{
	struct owner_name *name = NULL;
	struct spot *s;

	if (!is_family(a))
		return -EINVAL;
	if (spot_find(ipam, (enum addr_family)a->family, taken_key(a)))
		return -EADDRINUSE;
	if (ms == 0)
		return 0;
	if (last && *last) {
		name = owner_name_new(last);
		if (!name)
			return -ENOMEM;
	}
	s = spot_new(ipam, a);
	if (!s) {
		owner_name_unref(name);
		return -ENOMEM;
	}
	s->cool_ms = ipam->now_ms + ms;
	s->last = name;
	if (name)
		tree_insert(&ipam->lost, &s->by_last);
	redue(ipam, s);
	return 0;
}
