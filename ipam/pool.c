/*
 * ipam/pool.c: the list of pools as the caller wants it, and what follows from it: conflicts and
 * the index of blocks by address.
 */
#include "ipam/pool.h"

#include "lib/mem.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

void
pools_init(struct pools *ps)
{
	*ps = (struct pools){ 0 };
}

void
pools_fini(struct pools *ps)
{
	for (size_t i = 0; i < ps->nr; i++) {
		mem_free(ps->all[i]->blocks);
		mem_free(ps->all[i]->name);
		mem_free(ps->all[i]);
	}
	mem_free(ps->all);
	mem_free(ps->index);
	pools_init(ps);
}

/* ---- names ---- */

static int
name_cmp(const struct pool *p, const char *name, size_t len)
{
	int c = strncmp(p->name, name, len);

	return c != 0 ? c : p->name[len] != '\0';
}

/* The place of @name in ps->all, or where it would be put. */
static size_t
name_slot(const struct pools *ps, const char *name, size_t len, bool *found)
{
	size_t lo = 0, hi = ps->nr, mid;
	int c;

	while (lo < hi) {
		mid = lo + (hi - lo) / 2;
		c = name_cmp(ps->all[mid], name, len);
		if (c == 0) {
			*found = true;
			return mid;
		}
		if (c < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	*found = false;
	return lo;
}

struct pool *
pool_find(const struct pools *ps, const char *name)
{
	bool found;
	size_t at = name_slot(ps, name, strlen(name), &found);

	return found ? ps->all[at] : NULL;
}

void
pool_ref(struct pool *p)
{
	p->refs++;
}

struct pool *
pool_ref_name(struct pools *ps, const char *name, size_t len)
{
	bool found;
	size_t at = name_slot(ps, name, len, &found);
	struct pool *p;

	if (found) {
		p = ps->all[at];
		p->refs++;
		return p;
	}
	if (mem_grow((void **)&ps->all, &ps->cap, ps->nr, sizeof(*ps->all), 0) < 0)
		return NULL;
	p = mem_calloc(1, sizeof(*p));
	if (!p)
		return NULL;
	p->name = mem_strndup(name, len);
	if (!p->name) {
		mem_free(p);
		return NULL;
	}
	p->refs = 1;
	p->reuse_ms = IPAM_REUSE_MS;
	memmove(ps->all + at + 1, ps->all + at, (ps->nr - at) * sizeof(*ps->all));
	ps->all[at] = p;
	ps->nr++;
	return p;
}

void
pool_unref(struct pools *ps, struct pool *p)
{
	bool found;
	size_t at;

	if (!p || --p->refs > 0)
		return;
	at = name_slot(ps, p->name, strlen(p->name), &found);
	ps->nr--;
	memmove(ps->all + at, ps->all + at + 1, (ps->nr - at) * sizeof(*ps->all));
	mem_free(p->blocks);
	mem_free(p->name);
	mem_free(p);
}

/* ---- blocks ---- */

static int
block_cmp(const void *x, const void *y)
{
	const struct pool_block *a = x, *b = y;

	if (a->family != b->family)
		return a->family < b->family ? -1 : 1;
	if (a->lo != b->lo)
		return a->lo < b->lo ? -1 : 1;
	return a->hi < b->hi ? -1 : a->hi > b->hi;
}

static bool
block_overlaps(const struct pool_block *a, const struct pool_block *b)
{
	return a->family == b->family && a->lo <= b->hi && b->lo <= a->hi;
}

static int
block_make(const struct ipam_block *from, bool allow_first_last, struct pool_block *b)
{
	const struct addr *first = &from->range.first, *last = &from->range.last;

	if (!addr_is_set(first) || first->family != last->family || addr_cmp(first, last) > 0)
		return -EINVAL;
	b->family = (enum addr_family)first->family;
	b->lo = b->free_lo = taken_key(first);
	b->hi = b->free_hi = taken_key(last);
	if (from->is_cidr && !allow_first_last && b->hi - b->lo > 1) {
		b->free_lo++;
		b->free_hi--;
	}
	return 0;
}

const struct pool_block *
pool_block_of(const struct pool *p, enum addr_family family, ipam_key key)
{
	for (size_t i = 0; i < p->nr_blocks; i++)
		if (p->blocks[i].family == family && p->blocks[i].lo <= key &&
		    key <= p->blocks[i].hi)
			return &p->blocks[i];
	return NULL;
}

bool
pool_has_family(const struct pool *p, enum addr_family family)
{
	for (size_t i = 0; i < p->nr_blocks; i++)
		if (p->blocks[i].family == family)
			return true;
	return false;
}

/* Addresses that old firmware takes for those of a network or a broadcast. */
static bool
is_buggy(const struct pool *p, const struct pool_block *b, ipam_key key)
{
	return p->avoid_buggy && b->family == ADDR_V4 &&
	    ((key & 0xff) == 0 || (key & 0xff) == 0xff);
}

bool
pool_gives(const struct pool *p, const struct pool_block *b, ipam_key key)
{
	return b->free_lo <= key && key <= b->free_hi && !is_buggy(p, b, key);
}

bool
pool_lowest_free(
    const struct pool *p, const struct tree *taken, const struct pool_block *b, ipam_key *free)
{
	ipam_key lo = b->free_lo;

	while (taken_lowest_free(taken, lo, b->free_hi, free)) {
		if (!is_buggy(p, b, *free))
			return true;
		if (*free == b->free_hi)
			return false;
		lo = *free + 1;
	}
	return false;
}

static bool
has_buggy(const struct pool *p, const struct pool_block *b)
{
	return p->avoid_buggy && b->family == ADDR_V4;
}

/* How many addresses of a block are kept back for that: those that end in .0, those in .255. */
static ipam_key
nr_buggy(const struct pool *p, const struct pool_block *b)
{
	const ipam_key lo = b->free_lo, hi = b->free_hi;

	if (!has_buggy(p, b))
		return 0;
	return ((hi >> 8) - ((lo + 0xff) >> 8) + 1) + (((hi + 1) >> 8) - ((lo + 0x100) >> 8) + 1);
}

/* How many of the addresses that the block gives are in the tree. */
static uint64_t
nr_in(const struct pool *p, const struct tree *t, const struct pool_block *b)
{
	uint64_t nr = taken_count(t, b->free_lo, b->free_hi);
	const struct tree_node *n;

	if (!has_buggy(p, b) || nr == 0)
		return nr;
	for (n = taken_from(t, b->free_lo); n && taken_of(n)->key <= b->free_hi; n = tree_next(n))
		nr -= is_buggy(p, b, taken_of(n)->key);
	return nr;
}

/* ---- conflicts and the index ---- */

/* Where in the index the first block stands that ends at or behind the address. */
static size_t
index_slot(const struct pools *ps, enum addr_family family, ipam_key key)
{
	size_t lo = 0, hi = ps->nr_index, mid;
	const struct pool_block *b;

	while (lo < hi) {
		mid = lo + (hi - lo) / 2;
		b = ps->index[mid].block;
		if (b->family < family || (b->family == family && b->hi < key))
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

struct pool *
pools_lookup(
    const struct pools *ps, enum addr_family family, ipam_key key, const struct pool_block **block)
{
	size_t at = index_slot(ps, family, key);
	const struct pool_slot *slot = &ps->index[at];

	if (at == ps->nr_index || slot->block->family != family || slot->block->lo > key)
		return NULL;
	*block = slot->block;
	return slot->pool;
}

struct pool *
pools_lookup_any(const struct pools *ps, enum addr_family family, ipam_key key)
{
	const struct pool_block *block;
	struct pool *p = pools_lookup(ps, family, key, &block);

	for (size_t i = 0; !p && i < ps->nr; i++)
		if (ps->all[i]->present && pool_block_of(ps->all[i], family, key))
			p = ps->all[i];
	return p;
}

static void
clash_set(struct pool *p, const struct pool_block *own, const struct pool *rival,
    const struct pool_block *theirs)
{
	p->conflicting = true;
	p->rival = rival;
	p->clash[0] = *own;
	p->clash[1] = *theirs;
}

/* Is @p in conflict with itself or with one of those that are in the index by now? */
static bool
clash_find(const struct pools *ps, struct pool *p)
{
	size_t widest = 0, at;

	for (size_t i = 1; i < p->nr_blocks; i++) {
		if (block_overlaps(&p->blocks[widest], &p->blocks[i])) {
			clash_set(p, &p->blocks[widest], p, &p->blocks[i]);
			return true;
		}
		widest = i;
	}
	for (size_t i = 0; i < p->nr_blocks; i++) {
		at = index_slot(ps, p->blocks[i].family, p->blocks[i].lo);
		if (at < ps->nr_index && block_overlaps(ps->index[at].block, &p->blocks[i])) {
			clash_set(p, &p->blocks[i], ps->index[at].pool, ps->index[at].block);
			return true;
		}
	}
	return false;
}

static int
age_cmp(const void *x, const void *y)
{
	const struct pool *a = *(struct pool *const *)x, *b = *(struct pool *const *)y;

	if (a->created != b->created)
		return a->created < b->created ? -1 : 1;
	return strcmp(a->name, b->name);
}

/* Older pools first: each either joins the index or is in conflict with what is there. */
static void
index_build(struct pools *ps, struct pool **by_age, size_t nr)
{
	size_t at;

	ps->nr_index = 0;
	qsort(by_age, nr, sizeof(struct pool *), age_cmp);
	for (size_t i = 0; i < nr; i++) {
		struct pool *p = by_age[i];

		p->conflicting = false;
		p->rival = NULL;
		if (clash_find(ps, p))
			continue;
		for (size_t j = 0; j < p->nr_blocks; j++) {
			at = index_slot(ps, p->blocks[j].family, p->blocks[j].lo);
			memmove(ps->index + at + 1, ps->index + at,
			    (ps->nr_index - at) * sizeof(*ps->index));
			ps->index[at] = (struct pool_slot){ &p->blocks[j], p };
			ps->nr_index++;
		}
	}
}

/* ---- taking on a list ---- */

/* What one pool of the list will become; nothing of it is in force yet. */
struct draft {
	struct pool *pool;
	struct pool_block *blocks;
};

static int
draft_make(struct pools *ps, const struct ipam_pool *from, struct draft *d)
{
	d->blocks = mem_calloc(from->nr_blocks ? from->nr_blocks : 1, sizeof(*d->blocks));
	if (!d->blocks)
		return -ENOMEM;
	for (size_t i = 0; i < from->nr_blocks; i++)
		if (block_make(&from->blocks[i], from->allow_first_last, &d->blocks[i]) < 0)
			return -EINVAL;
	if (from->nr_blocks > 1)
		qsort(d->blocks, from->nr_blocks, sizeof(*d->blocks), block_cmp);
	d->pool = pool_ref_name(ps, from->name, strlen(from->name));
	return d->pool ? 0 : -ENOMEM;
}

static void
drafts_free(struct pools *ps, struct draft *drafts, size_t nr)
{
	for (size_t i = 0; i < nr; i++) {
		mem_free(drafts[i].blocks);
		pool_unref(ps, drafts[i].pool);
	}
	mem_free(drafts);
}

/* All of it is there: make it the list in force.  Cannot fail. */
static void
drafts_commit(struct pools *ps, const struct ipam_pool *from, const struct draft *drafts, size_t nr,
    struct pool **by_age)
{
	struct pool *p;

	ps->ranked = false;
	for (size_t i = ps->nr; i-- > 0;) {
		p = ps->all[i];
		mem_free(p->blocks);
		p->blocks = NULL;
		p->nr_blocks = 0;
		if (!p->present)
			continue;
		p->present = p->conflicting = p->disabled = false;
		p->rival = NULL;
		pool_unref(ps, p);
	}
	for (size_t i = 0; i < nr; i++) {
		p = by_age[i] = drafts[i].pool;
		p->present = true;
		p->disabled = from[i].disabled;
		p->avoid_buggy = from[i].avoid_buggy;
		p->renumber = from[i].renumber;
		p->reuse_ms = from[i].reuse_ms;
		p->rank = from[i].rank;
		ps->ranked = ps->ranked || p->rank != from[0].rank;
		p->created = from[i].created;
		p->blocks = drafts[i].blocks;
		p->nr_blocks = from[i].nr_blocks;
	}
	index_build(ps, by_age, nr);
}

static int
name_ptr_cmp(const void *x, const void *y)
{
	const struct pool *a = *(struct pool *const *)x, *b = *(struct pool *const *)y;

	return strcmp(a->name, b->name);
}

int
pools_assign(struct pools *ps, const struct ipam_pool *from, size_t nr)
{
	struct draft *drafts = mem_calloc(nr + 1, sizeof(*drafts));
	struct pool **by_age = mem_calloc(nr + 1, sizeof(struct pool *));
	struct pool_slot *index = NULL;
	size_t nr_blocks = 0, done = 0;
	int err = drafts && by_age ? 0 : -ENOMEM;

	for (; err == 0 && done < nr; done++) {
		err = draft_make(ps, &from[done], &drafts[done]);
		by_age[done] = drafts[done].pool;
		nr_blocks += from[done].nr_blocks;
	}
	if (err < 0)
		goto drop;
	qsort(by_age, nr, sizeof(struct pool *), name_ptr_cmp);
	for (size_t i = 1; i < nr; i++)
		if (by_age[i] == by_age[i - 1])
			err = -EEXIST;
	if (err < 0)
		goto drop;
	index = mem_calloc(nr_blocks + 1, sizeof(*index));
	if (!index) {
		err = -ENOMEM;
		goto drop;
	}
	mem_free(ps->index);
	ps->index = index;
	drafts_commit(ps, from, drafts, nr, by_age);
	mem_free(drafts);
	mem_free(by_age);
	return 0;

drop:
	if (drafts)
		drafts_free(ps, drafts, done);
	mem_free(by_age);
	return err;
}

/* ---- answers ---- */

/* A count that stops at INT64_MAX. */
static uint64_t
saturate(ipam_key n)
{
	return n > (ipam_key)INT64_MAX ? (uint64_t)INT64_MAX : (uint64_t)n;
}

static struct addr_range
block_range(const struct pool_block *b)
{
	return (struct addr_range){ taken_addr(b->family, b->lo), taken_addr(b->family, b->hi) };
}

void
pool_info(const struct pool *p, const struct tree taken[], const struct tree resting[],
    struct ipam_pool_info *info)
{
	uint64_t has;

	*info = (struct ipam_pool_info){
		.name = p->name,
		.disabled = p->disabled,
		.conflicting = p->conflicting,
		.created = p->created,
		.held = p->held,
	};
	for (size_t i = 0; i < p->nr_blocks; i++) {
		const struct pool_block *b = &p->blocks[i];
		const uint64_t rests = nr_in(p, &resting[b->family], b);

		has = saturate(b->free_hi - b->free_lo);
		/* In this order: all of IPv6 plus one would be none. */
		info->total = saturate((ipam_key)info->total + has + 1 - nr_buggy(p, b));
		info->used += nr_in(p, &taken[b->family], b) - rests;
		info->resting += rests;
	}
	info->available = info->total - info->used;
	if (!p->conflicting)
		return;
	info->conflicts_with = p->rival->name;
	info->conflict[0] = block_range(&p->clash[0]);
	info->conflict[1] = block_range(&p->clash[1]);
}
