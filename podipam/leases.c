/*
 * podipam/leases.c: see table.h.
 *
 * A range is searched from behind the last address that it gave, so that one that was just given back
 * rests as long as possible: neighbours may remember it.  What is taken stands in a hash, not in a map
 * of bits, since a range may be a /64; a search passes at most as many taken addresses as there are.
 */
#include "podipam/leases.h"

#include "lib/mem.h"
#include "lib/text.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- ranges ---- */

static void
range_init(struct range *r, const struct podipam_range *from)
{
	const struct addr_range all = prefix_range(&from->prefix);

	*r = (struct range){ .prefix = from->prefix, .first = all.first, .last = all.last };
	r->pool = xstrdup(from->pool);
	if (range_size(&all) < 4) {
		(void)!addr_parse(
		    all.first.family == ADDR_V4 ? "169.254.1.1" : "fe80::1", &r->gateway);
	} else {
		r->gateway = all.first;
		(void)addr_next(&r->gateway);
		(void)addr_add(&r->first, 2);
		(void)addr_prev(&r->last);
	}
	r->next = r->first;
}

static uint64_t
count_taken(const struct leases *t, const struct prefix *prefix)
{
	uint64_t nr = 0;

	for (const struct lease_addr *a = t->taken; a; a = a->hh.next)
		nr += prefix_has_addr(prefix, &a->addr);
	return nr;
}

static const struct range *
range_same(const struct leases *t, const struct podipam_range *r)
{
	for (size_t i = 0; i < t->nr_ranges; i++)
		if (prefix_eq(&t->ranges[i].prefix, &r->prefix))
			return &t->ranges[i];
	return NULL;
}

static void
ranges_free(struct range *ranges, size_t nr)
{
	for (size_t i = 0; i < nr; i++)
		free(ranges[i].pool);
	free(ranges);
}

void
leases_ranges_set(struct leases *t, const struct podipam_range *list, size_t nr)
{
	struct range *ranges = xnew_n(struct range, nr + 1);

	for (size_t i = 0; i < nr; i++) {
		const struct range *old = range_same(t, &list[i]);

		range_init(&ranges[i], &list[i]);
		if (old)
			ranges[i].next = old->next;
		ranges[i].used = count_taken(t, &list[i].prefix);
	}
	ranges_free(t->ranges, t->nr_ranges);
	t->ranges = ranges;
	t->nr_ranges = nr;
}

static void
ranges_count(struct leases *t, const struct addr *addr, bool taken)
{
	for (size_t i = 0; i < t->nr_ranges; i++)
		if (prefix_has_addr(&t->ranges[i].prefix, addr))
			t->ranges[i].used += taken ? 1 : UINT64_MAX; /* one less */
}

/* ---- leases ---- */

static char *
make_key(const char *container, const char *ifname)
{
	return xasprintf("%s\n%s", container, ifname);
}

struct lease *
leases_find(const struct leases *t, const char *container, const char *ifname)
{
	char *key = make_key(container, ifname);
	struct lease *l;

	HASH_FIND_STR(t->leases, key, l);
	free(key);
	return l;
}

static struct lease_addr *
find_addr(const struct leases *t, const struct addr *addr)
{
	struct lease_addr *a;

	HASH_FIND(hh, t->taken, addr, sizeof(*addr), a);
	return a;
}

const struct lease *
leases_owner_of(const struct leases *t, const struct addr *addr)
{
	const struct lease_addr *a = find_addr(t, addr);

	return a ? a->lease : NULL;
}

static bool
is_text(const char *text, size_t min, size_t max)
{
	const size_t len = strlen(text);

	if (len < min || len > max)
		return false;
	for (size_t i = 0; i < len; i++)
		if ((unsigned char)text[i] < ' ' || text[i] == 0x7f)
			return false;
	return text_utf8_check(text, len, NULL) == 0; /* the journal is JSON */
}

bool
leases_owner_is_good(const struct podipam_owner *o)
{
	return is_text(o->container, 1, PODIPAM_CONTAINER_MAX) &&
	    is_text(o->ifname, 1, PODIPAM_IFNAME_MAX) && is_text(o->network, 0, PODIPAM_NAME_MAX) &&
	    is_text(o->netns, 0, PODIPAM_NETNS_MAX) && is_text(o->pod_ns, 0, PODIPAM_NAME_MAX) &&
	    is_text(o->pod_name, 0, PODIPAM_NAME_MAX);
}

/* All strings of an owner in one block; *to points into it. */
static char *
copy_owner(const struct podipam_owner *from, struct podipam_owner *to)
{
	const char *const in[] = { from->container, from->ifname, from->network, from->netns,
		from->pod_ns, from->pod_name };
	const char **const out[] = { &to->container, &to->ifname, &to->network, &to->netns,
		&to->pod_ns, &to->pod_name };
	size_t len = 0, at = 0, one;
	char *text;

	for (size_t i = 0; i < 6; i++)
		len += strlen(in[i]) + 1;
	text = xcalloc(len, 1);
	for (size_t i = 0; i < 6; i++) {
		one = strlen(in[i]) + 1;
		memcpy(text + at, in[i], one);
		*out[i] = text + at;
		at += one;
	}
	return text;
}

static struct lease *
lease_new(struct leases *t, const struct podipam_owner *owner)
{
	struct lease *l = xnew(struct lease);

	l->key = make_key(owner->container, owner->ifname);
	l->text = copy_owner(owner, &l->l.owner);
	HASH_ADD_KEYPTR(hh, t->leases, l->key, strlen(l->key), l);
	t->nr_leases++;
	return l;
}

void
leases_rename(struct lease *l, const struct podipam_owner *owner)
{
	char *old = l->text;

	l->text = copy_owner(owner, &l->l.owner);
	free(old);
}

static void
lease_give(struct leases *t, struct lease *l, const struct podipam_given *g)
{
	struct lease_addr *a = &l->at[l->l.nr];

	a->addr = g->addr;
	a->lease = l;
	snprintf(a->pool, sizeof(a->pool), "%s", g->pool);
	l->l.v[l->l.nr] = *g;
	l->l.v[l->l.nr++].pool = a->pool;
	HASH_ADD(hh, t->taken, addr, sizeof(a->addr), a);
	ranges_count(t, &g->addr, true);
}

void
leases_drop(struct leases *t, struct lease *l)
{
	for (unsigned i = 0; i < l->l.nr; i++) {
		HASH_DELETE(hh, t->taken, &l->at[i]);
		ranges_count(t, &l->at[i].addr, false);
	}
	HASH_DELETE(hh, t->leases, l);
	t->nr_leases--;
	free(l->key);
	free(l->text);
	free(l->line);
	free(l);
}

void
leases_fini(struct leases *t)
{
	struct lease *l, *next;

	HASH_ITER(hh, t->leases, l, next)
	leases_drop(t, l);
	ranges_free(t->ranges, t->nr_ranges);
	*t = (struct leases){ 0 };
}

/* ---- taking ---- */

static uint64_t
range_room(const struct range *r)
{
	return range_size(&(struct addr_range){ r->first, r->last });
}

/* The next free address of @r; false: there is none.  Nothing is taken yet. */
static bool
range_search(const struct leases *t, struct range *r, struct addr *out)
{
	struct addr at = r->next;

	for (uint64_t left = range_room(r); left > 0; left--) {
		if (!find_addr(t, &at)) {
			*out = at;
			return true;
		}
		if (addr_eq(&at, &r->last))
			at = r->first;
		else
			(void)addr_next(&at);
	}
	return false;
}

static void
range_move_on(struct range *r, const struct addr *given)
{
	r->next = *given;
	if (addr_eq(given, &r->last))
		r->next = r->first;
	else
		(void)addr_next(&r->next);
}

static bool
range_serves(const struct range *r, const char *pool, enum addr_family family)
{
	return r->prefix.addr.family == family && strcmp(r->pool, pool) == 0;
}

static struct podipam_given
given_of(const struct range *r, const struct addr *addr)
{
	return (struct podipam_given){
		.addr = *addr, .gateway = r->gateway, .len = r->prefix.len, .pool = r->pool
	};
}

static enum podipam_verdict
take_wanted(struct leases *t, const char *pool, const struct addr *want, struct podipam_given *out)
{
	for (size_t i = 0; i < t->nr_ranges; i++) {
		const struct range *r = &t->ranges[i];
		const struct addr_range room = { r->first, r->last };

		if (!range_serves(r, pool, (enum addr_family)want->family) ||
		    !range_has(&room, want))
			continue;
		if (find_addr(t, want))
			return PODIPAM_TAKEN;
		*out = given_of(r, want);
		return PODIPAM_OK;
	}
	return PODIPAM_OUTSIDE;
}

static enum podipam_verdict
take_any(struct leases *t, const char *pool, enum addr_family family, struct podipam_given *out)
{
	bool there = false;
	struct addr addr;

	for (size_t i = 0; i < t->nr_ranges; i++) {
		struct range *r = &t->ranges[i];

		if (!range_serves(r, pool, family))
			continue;
		there = true;
		if (!range_search(t, r, &addr))
			continue;
		range_move_on(r, &addr);
		*out = given_of(r, &addr);
		return PODIPAM_OK;
	}
	return there ? PODIPAM_FULL : PODIPAM_NO_RANGE;
}

enum podipam_verdict
leases_take(struct leases *t, const struct podipam_owner *owner, const struct podipam_want *want,
    struct lease **out)
{
	struct podipam_given given[2] = { 0 };
	enum podipam_verdict verdict = PODIPAM_NO_RANGE;
	unsigned nr = 0;
	struct lease *l;

	if (!leases_owner_is_good(owner))
		return PODIPAM_BAD;
	if (t->nr_leases >= PODIPAM_LEASES_MAX)
		return PODIPAM_TOO_MANY;
	for (int f = ADDR_V4; f <= ADDR_V6; f++) {
		if (!want->pool[f])
			continue;
		verdict = addr_is_set(&want->address[f])
		    ? take_wanted(t, want->pool[f], &want->address[f], &given[nr])
		    : take_any(t, want->pool[f], (enum addr_family)f, &given[nr]);
		if (verdict != PODIPAM_OK)
			return verdict;
		nr++;
	}
	if (nr == 0)
		return verdict;
	l = lease_new(t, owner);
	for (unsigned i = 0; i < nr; i++)
		lease_give(t, l, &given[i]);
	*out = l;
	return PODIPAM_OK;
}

enum podipam_verdict
leases_put(struct leases *t, const struct podipam_lease *from, struct lease **out)
{
	struct lease *l = leases_find(t, from->owner.container, from->owner.ifname);

	assert(from->nr <= 2);
	if (!leases_owner_is_good(&from->owner))
		return PODIPAM_BAD;
	if (!l && t->nr_leases >= PODIPAM_LEASES_MAX)
		return PODIPAM_TOO_MANY;
	for (unsigned i = 0; i < from->nr; i++) {
		const struct lease *holder = leases_owner_of(t, &from->v[i].addr);

		if (holder && holder != l)
			return PODIPAM_TAKEN;
	}
	if (from->nr == 2 && addr_eq(&from->v[0].addr, &from->v[1].addr))
		return PODIPAM_TAKEN;
	if (l)
		leases_drop(t, l);
	l = lease_new(t, &from->owner);
	l->l.since = from->since;
	for (unsigned i = 0; i < from->nr; i++)
		lease_give(t, l, &from->v[i]);
	*out = l;
	return PODIPAM_OK;
}
