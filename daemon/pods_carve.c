/*
 * daemon/pods_carve.c: ranges of one length out of pools, beside those that are held.  See
 * pods_wanted.h.
 */
#include "daemon/pods_wanted.h"

#include "lib/hash.h"
#include "lib/mem.h"

#include <stdlib.h>
#include <string.h>
#include <uthash.h>

#define LOOK_MAX ((uint64_t)1 << 20) /* ranges of one pool that are looked at for one node */

struct held {
	UT_hash_handle hh;
	struct prefix prefix;
};

/* Where the search for the lowest in a pool goes on: below, all is taken. */
struct cursor {
	struct prefix pool;
	unsigned len;
	uint64_t next;
};

struct carver {
	struct held *held;
	unsigned nr_of_len[129]; /* how many are held of each length */
	struct cursor *cursors;
	size_t nr_cursors, cap_cursors;
};

struct carver *
carver_new(void)
{
	return xnew(struct carver);
}

void
carver_free(struct carver *c)
{
	struct held *h, *next;

	HASH_ITER(hh, c->held, h, next)
	{
		HASH_DELETE(hh, c->held, h);
		free(h);
	}
	free(c->cursors);
	free(c);
}

static bool
is_held(const struct carver *c, const struct prefix *p)
{
	struct held *h;

	HASH_FIND(hh, c->held, p, sizeof(*p), h);
	return h != NULL;
}

void
carver_hold(struct carver *c, const struct prefix *p)
{
	struct held *h;

	if (is_held(c, p))
		return;
	h = xnew(struct held);
	h->prefix = *p;
	HASH_ADD(hh, c->held, prefix, sizeof(h->prefix), h);
	c->nr_of_len[p->len]++;
}

/* Does somebody have it, a part of it, or more than it? */
static bool
is_taken(const struct carver *c, const struct prefix *p)
{
	struct prefix up;

	for (unsigned len = 0; len <= p->len; len++) {
		if (!c->nr_of_len[len])
			continue;
		up = prefix_of(&p->addr, len);
		if (is_held(c, &up))
			return true;
	}
	for (unsigned len = p->len + 1u; len <= addr_bits((enum addr_family)p->addr.family); len++)
		if (c->nr_of_len[len])
			for (const struct held *h = c->held; h; h = h->hh.next)
				if (prefix_covers(p, &h->prefix))
					return true;
	return false;
}

/* The @i-th range of @len in @pool. */
static struct prefix
range_at(const struct prefix *pool, unsigned len, uint64_t i)
{
	const unsigned bytes = addr_bits((enum addr_family)pool->addr.family) / 8;
	struct prefix p = { .addr = pool->addr, .len = (uint8_t)len };
	unsigned __int128 v = 0;

	for (unsigned k = 0; k < bytes; k++)
		v = v << 8 | p.addr.b[k];
	v += (unsigned __int128)i << (8 * bytes - len);
	for (unsigned k = bytes; k-- > 0; v >>= 8)
		p.addr.b[k] = (uint8_t)v;
	return p;
}

static struct cursor *
cursor_of(struct carver *c, const struct prefix *pool, unsigned len)
{
	for (size_t i = 0; i < c->nr_cursors; i++)
		if (c->cursors[i].len == len && prefix_eq(&c->cursors[i].pool, pool))
			return &c->cursors[i];
	if (mem_grow((void **)&c->cursors, &c->cap_cursors, c->nr_cursors, sizeof(*c->cursors), 0) <
	    0)
		return NULL;
	c->cursors[c->nr_cursors] = (struct cursor){ *pool, len, 0 };
	return &c->cursors[c->nr_cursors++];
}

static bool
take_of(
    struct carver *c, const struct prefix *pool, unsigned len, const char *name, struct prefix *out)
{
	const uint64_t nr =
	    len - pool->len >= 32 ? (uint64_t)1 << 32 : (uint64_t)1 << (len - pool->len);
	struct cursor *cursor = *name ? NULL : cursor_of(c, pool, len);
	/* the same on every node, hence no secret of this process in it */
	uint64_t at = *name ? hash_keyed(0x706f6473, 0x72616e6765, name, strlen(name)) % nr
	    : cursor	    ? cursor->next
			    : 0;

	for (uint64_t n = 0; n < nr && n < LOOK_MAX; n++, at = (at + 1) % nr) {
		*out = range_at(pool, len, at);
		if (is_taken(c, out))
			continue;
		carver_hold(c, out);
		if (cursor)
			cursor->next = at;
		return true;
	}
	return false;
}

bool
carver_take(struct carver *c, const struct prefix *pools, size_t nr, unsigned len, const char *name,
    struct prefix *out)
{
	for (size_t i = 0; i < nr; i++)
		if (pools[i].len <= len && len - pools[i].len < 64 &&
		    len <= addr_bits((enum addr_family)pools[i].addr.family) &&
		    take_of(c, &pools[i], len, name, out))
			return true;
	return false;
}
