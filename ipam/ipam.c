/*
 * ipam/ipam.c: the allocator's life and what is wanted of it.  Setters write down what is wanted
 * and queue the claims concerned; deciding is settle.c's.
 *
 * What comes out is decided by these rules, in this order:
 *   1. What is held stays held.  Disabling, shrinking, deleting a pool, a conflict or a narrowed
 *      selector changes the note of an address, never the address.  It goes when its claim goes, when
 *      the claim asks for something else (other requested addresses: a move, the old one is given
 *      back even if the new one cannot be had; a family less; another pool by name), when a person
 *      releases it, or when its pool says renumber and no longer has it or no longer is for the claim.
 *   2. Claims with requested addresses are served before those without; within each, older ones
 *      (created, then owner) first.
 *   3. A claim without requested addresses gets one address per family, or one per family of each
 *      pool named: what it had itself and still cools down, else one that it may share, else, from
 *      the first pool in order (rank, name) that it may use and that has one, the lowest free one.
 *   4. Who got nothing waits, and is served in the same order as soon as something is free.
 *   5. Several hold one address when all of them name the same sharing key, no two have a port of one
 *      protocol in common, all have the same traffic policy and, under Local, the same selector that
 *      is not empty, and those of different namespaces consent to each other.  When that ceases, who
 *      changed yields; of two that did, or when it is a consent that is missing, who joined later.
 *   6. An address that nobody holds any more cools down (reuse_ms of its pool) before it is given
 *      again; but its last owner may have it, and one of the same namespace that asks for it by name.
 *   7. An address that a stranger uses is not given; who was given it and never used it gets another.
 *
 * A namespace is what stands before the slash in an owner.
 *
 * A pool whose blocks overlap each other conflicts with itself; a pool that overlaps an older one
 * (created, then name) which is not itself in conflict is in conflict with that.  A pool in
 * conflict gives nothing new.
 *
 * Two trees carry the work: the queue has the claims to look at because they or the pools changed,
 * waiting has those that lack something.  Both are in the order in which claims are served, and a
 * claim is in one of them at most.  What is taken stands in one tree a family, over all pools, so
 * that nothing is given twice whatever pools overlap; a claim that waits is queued again when
 * something changes for its sharing key.
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
	return strcmp(claim_of_owner(a)->name->s, claim_of_owner(b)->name->s);
}

static bool
asks_by_name(const struct claim *c)
{
	return c->spec.nr_wants > 0 && c->spec.wants[0].fixed;
}

/* Rule 2 of ipam.c: requested addresses first, then age, then name. */
static int
turn_cmp(const struct claim *x, const struct claim *y)
{
	if (asks_by_name(x) != asks_by_name(y))
		return asks_by_name(x) ? -1 : 1;
	if (x->spec.created != y->spec.created)
		return x->spec.created < y->spec.created ? -1 : 1;
	return strcmp(x->name->s, y->name->s);
}

static int
by_turn(const struct tree_node *a, const struct tree_node *b)
{
	return turn_cmp(claim_of_turn(a), claim_of_turn(b));
}

static struct claim *
of_group_turn(const struct tree_node *n)
{
	return TREE_ENTRY(n, struct claim, by_group_turn);
}

int
claim_by_group_turn(const struct tree_node *a, const struct tree_node *b)
{
	return turn_cmp(of_group_turn(a), of_group_turn(b));
}

struct ipam *
ipam_new(ipam_changed_cb *cb, void *arg)
{
	struct ipam *ipam = xnew(struct ipam);

	pools_init(&ipam->pools);
	spots_init(ipam);
	groups_init(&ipam->groups);
	wishes_init(ipam);
	tree_init(&ipam->owners, by_owner);
	tree_init(&ipam->queue, by_turn);
	tree_init(&ipam->waiting, by_turn);
	ipam->changed_end = &ipam->changed;
	ipam->now_ms = 1; /* 0 is "never" */
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
	ipam->closing = true;
	while ((n = tree_first(&ipam->owners)) != NULL)
		claim_free(ipam, claim_of_owner(n));
	spots_fini(ipam);
	pools_fini(&ipam->pools);
	free(ipam);
}

/* ---- claims ---- */

struct claim *
claim_find(const struct ipam *ipam, const char *owner)
{
	struct tree_node *n = ipam->owners.root;
	int c;

	while (n) {
		c = strcmp(owner, claim_of_owner(n)->name->s);
		if (c == 0)
			break;
		n = c < 0 ? n->left : n->right;
	}
	return claim_of_owner(n);
}

static struct claim *
claim_new(struct ipam *ipam, const char *owner)
{
	struct claim *c = mem_calloc(1, sizeof(*c));

	if (!c)
		return NULL;
	c->name = owner_name_new(owner);
	if (!c->name) {
		mem_free(c);
		return NULL;
	}
	c->reason = REASON_SOURCES_NOT_SYNCED;
	tree_insert(&ipam->owners, &c->by_owner);
	return c;
}

void
claim_free(struct ipam *ipam, struct claim *c)
{
	struct hold *h;

	claim_unturn(ipam, c);
	tree_remove(&ipam->owners, &c->by_owner);
	while (c->holds)
		claim_release(ipam, c, c->holds, RELEASE_COOL);
	while ((h = c->spares) != NULL) {
		c->spares = h->next;
		mem_free(h);
		spot_unstock(ipam);
	}
	spec_free(ipam, &c->spec);
	owner_name_unref(c->name);
	mem_free(c);
}

/* ---- turns ---- */

static struct want *
wish_of(const struct tree_node *n)
{
	return TREE_ENTRY(n, struct want, by_addr);
}

/* By address, then whose it is: one claim asks for one address once. */
static int
by_addr(const struct tree_node *x, const struct tree_node *y)
{
	const struct want *a = wish_of(x), *b = wish_of(y);

	if (a->family != b->family)
		return a->family < b->family ? -1 : 1;
	if (a->key != b->key)
		return a->key < b->key ? -1 : 1;
	return a->claim < b->claim ? -1 : a->claim > b->claim;
}

void
wishes_init(struct ipam *ipam)
{
	tree_init(&ipam->wishes, by_addr);
}

void
wishes_stir(struct ipam *ipam, enum addr_family family, ipam_key key)
{
	const struct want probe = { .family = family, .key = key };
	struct tree_node *n;

	while ((n = tree_behind(&ipam->wishes, &probe.by_addr)) != NULL &&
	    wish_of(n)->family == family && wish_of(n)->key == key)
		claim_queue(ipam, wish_of(n)->claim);
}

void
claim_unturn(struct ipam *ipam, struct claim *c)
{
	for (size_t i = 0; i < c->spec.nr_wants; i++)
		if (tree_has(&c->spec.wants[i].by_addr))
			tree_remove(&ipam->wishes, &c->spec.wants[i].by_addr);
	if (tree_has(&c->by_turn))
		tree_remove(c->queued ? &ipam->queue : &ipam->waiting, &c->by_turn);
	if (tree_has(&c->by_group_turn))
		tree_remove(&c->spec.share.group->waiting, &c->by_group_turn);
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

void
claim_wait(struct ipam *ipam, struct claim *c)
{
	tree_insert(&ipam->waiting, &c->by_turn);
	for (size_t i = 0; i < c->spec.nr_wants; i++) {
		struct want *w = &c->spec.wants[i];

		w->claim = c;
		if (w->fixed && !w->hold)
			tree_insert(&ipam->wishes, &w->by_addr);
	}
	if (c->spec.share.group)
		tree_insert(&c->spec.share.group->waiting, &c->by_group_turn);
}

void
group_stir(struct ipam *ipam, struct group *g)
{
	struct tree_node *n;

	while (g && (n = tree_first(&g->waiting)) != NULL)
		claim_queue(ipam, of_group_turn(n));
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
claim_reserve(struct ipam *ipam, struct claim *c, size_t nr)
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
		if (spot_stock(ipam) < 0) {
			mem_free(h);
			return -ENOMEM;
		}
		h->claim = c;
		h->next = c->spares;
		c->spares = h;
	}
	return 0;
}

/* ---- what is wanted ---- */

/* Who is on an address with others is to be compared with them again. */
static void
check_holds(struct claim *c)
{
	for (struct hold *h = c->holds; h; h = h->next)
		h->check = true;
}

int
ipam_claim_set(struct ipam *ipam, const struct ipam_claim *from)
{
	struct claim_spec spec;
	struct claim *c;
	int err;

	if (!from->owner || !*from->owner || from->nr_families > 2)
		return -EINVAL;
	err = spec_make(ipam, from, &spec);
	if (err < 0)
		return err;
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
	if (claim_reserve(ipam, c, spec.nr_wants) < 0) {
		if (!c->present && !c->holds)
			claim_free(ipam, c);
		goto free_spec;
	}
	claim_unturn(ipam, c); /* by the old spec's turn */
	if (!share_same(&c->spec.share, &spec.share))
		check_holds(c);
	spec_free(ipam, &c->spec);
	c->spec = spec;
	claim_regroup(ipam, c);
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
claim_reserve_one_more(struct ipam *ipam, struct claim *c)
{
	size_t nr = 0;

	for (const struct hold *h = c->holds; h; h = h->next)
		nr++;
	if (nr < c->spec.nr_wants)
		nr = c->spec.nr_wants;
	return claim_reserve(ipam, c, nr + 1);
}

/* The owner has @key from now on, from @pool (NULL: not known). */
static int
restore(
    struct ipam *ipam, const char *owner, enum addr_family family, ipam_key key, struct pool *pool)
{
	struct claim *c = claim_find(ipam, owner);
	struct hold *h;

	if (!c)
		c = claim_new(ipam, owner);
	if (!c)
		return -ENOMEM;
	if (claim_reserve_one_more(ipam, c) < 0) {
		if (!c->present && !c->holds)
			claim_free(ipam, c);
		return -ENOMEM;
	}
	h = claim_take(ipam, c, family, key, pool);
	h->check = true;
	h->sure = pool != NULL;
	c->due |= IPAM_CHANGED_ADDRS;
	claim_queue(ipam, c);
	return 0;
}

int
ipam_restore(struct ipam *ipam, const char *owner, const struct addr *addr, const char *pool_name)
{
	enum addr_family family = (enum addr_family)addr->family;
	struct pool *pool = NULL;
	struct spot *spot;
	int err;

	if (ipam->started)
		return -EALREADY;
	if (!owner || !*owner || (family != ADDR_V4 && family != ADDR_V6))
		return -EINVAL;
	spot = spot_find(ipam, family, taken_key(addr));
	for (struct hold *h = spot ? spot->holders : NULL; h; h = h->next_here)
		if (strcmp(h->claim->name->s, owner) == 0)
			return 0;
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

int
ipam_release(struct ipam *ipam, const char *owner)
{
	struct claim *c = claim_find(ipam, owner);
	int nr = 0;

	if (!c || !c->present)
		return -ENOENT;
	if (!ipam->started)
		return -EAGAIN;
	if (c->spec.mirrored)
		return -EPERM;
	for (struct hold *h = c->holds; h; h = h->next) {
		/* What it asks for by name and would be given again stays. */
		if (asks_by_name(c) && h->note == REASON_SATISFIED)
			continue;
		h->let_go = true;
		nr++;
	}
	claim_queue(ipam, c);
	return nr;
}
