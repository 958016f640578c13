/*
 * bgpd/originate.c: the routes that we originate, by owner.  Between rib_originate() and the table:
 * an owner's wishes become claims on nodes; the claims of one prefix for one audience become one
 * path of our own.
 *
 * Only what differs from the owner's last wishes is touched.
 */
#include "bgpd/rib.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#include <uthash.h>

#include "lib/mem.h"

struct claim_owner {
	UT_hash_handle hh;
	uint32_t *claims; /* their numbers, in the order in which they were asked for */
	size_t nr;
	char name[];
};

/* ---- claims of a path ---- */

uint32_t
originate_path(const struct rib *r, const struct node *n, const struct name *audience)
{
	for (uint32_t i = n->paths; i; i = rib_path(r, i)->next) {
		const struct path *p = rib_path(r, i);

		if (!p->adj && rib_claim(r, p->in)->audience == audience)
			return i;
	}
	return 0;
}

static uint32_t
claim_pref(const struct rib *r, const struct claim *c)
{
	struct bgp_attrs a;

	attrset_view(&r->sets, c->set, &a);
	return a.has_local_pref ? a.local_pref : 100;
}

/* The highest local preference, else the first owner by name. */
static bool
claim_wins(const struct rib *r, const struct claim *a, const struct claim *b)
{
	uint32_t pa = claim_pref(r, a), pb = claim_pref(r, b);
	int order;

	if (pa != pb)
		return pa > pb;
	order = strcmp(a->owner->name, b->owner->name);
	if (!order)
		order = strcmp(name_text(a->policy), name_text(b->policy));
	if (order || a->set == b->set)
		return order ? order < 0 : a->source < b->source;
	/* One owner, one policy: whatever it is, it has to be the same after a restart. */
	return attrset_cmp(&r->sets, a->set, b->set) < 0;
}

/* Move the winner to the head of the path's claims. */
static struct claim *
winner_to_front(struct rib *r, struct path *p)
{
	uint32_t best = p->in, *at = &p->in;

	for (uint32_t i = rib_claim(r, best)->next; i; i = rib_claim(r, i)->next) {
		if (claim_wins(r, rib_claim(r, i), rib_claim(r, best)))
			best = i;
	}
	while (*at != best)
		at = &rib_claim(r, *at)->next;
	*at = rib_claim(r, best)->next;
	rib_claim(r, best)->next = p->in;
	p->in = best;
	return rib_claim(r, best);
}

static int
span_append(struct policy_room *room, struct bgp_span *to, struct bgp_span more)
{
	struct wire_wr w = wire_wr_init(room->bytes + room->used, POLICY_ROOM - room->used);

	if (!more.len)
		return 0;
	wire_put_bytes(&w, to->p, to->len);
	wire_put_bytes(&w, more.p, more.len);
	if (w.full)
		return -ENOSPC;
	room->used += w.len;
	*to = (struct bgp_span){ .p = w.start, .len = (uint32_t)w.len };
	return 0;
}

/* Is it a Link Bandwidth Extended Community, transitive or not? */
static bool
is_bandwidth(const uint8_t *ext)
{
	return (ext[0] & 0xbf) == 0 && ext[1] == 4;
}

/* A route has one link bandwidth: of several owners' the highest.  Positive floats are in the order of
 * their octets. */
static int
bandwidths_unite(struct policy_room *room, struct bgp_attrs *a)
{
	const struct bgp_span s = a->ext_communities;
	struct wire_wr w = wire_wr_init(room->bytes + room->used, POLICY_ROOM - room->used);
	const uint8_t *most = NULL;
	unsigned nr = 0;

	for (uint32_t at = 0; at + 8 <= s.len; at += 8) {
		if (!is_bandwidth(s.p + at))
			continue;
		nr++;
		if (!most || memcmp(s.p + at + 4, most + 4, 4) > 0)
			most = s.p + at;
	}
	if (nr < 2)
		return 0;
	for (uint32_t at = 0; at + 8 <= s.len; at += 8) {
		if (!is_bandwidth(s.p + at) || s.p + at == most)
			wire_put_bytes(&w, s.p + at, 8);
	}
	if (w.full)
		return -ENOSPC;
	room->used += w.len;
	a->ext_communities = (struct bgp_span){ .p = w.start, .len = (uint32_t)w.len };
	return 0;
}

/* The winner's attributes with everybody's communities; 0: no memory. */
static uint32_t
claims_unite(struct rib *r, const struct claim *winner)
{
	struct bgp_attrs a, b;

	attrset_view(&r->sets, winner->set, &a);
	r->room.used = 0;
	for (uint32_t i = winner->next; i; i = rib_claim(r, i)->next) {
		attrset_view(&r->sets, rib_claim(r, i)->set, &b);
		if (span_append(&r->room, &a.communities, b.communities) < 0 ||
		    span_append(&r->room, &a.ext_communities, b.ext_communities) < 0 ||
		    span_append(&r->room, &a.large_communities, b.large_communities) < 0)
			return 0;
	}
	if (bandwidths_unite(&r->room, &a) < 0)
		return 0;
	return attrset_intern(&r->sets, &a);
}

/* The claims of a path changed: its attributes follow. */
static void
path_settle(struct rib *r, enum bgp_family f, uint32_t node, uint32_t path)
{
	struct path *p = rib_path(r, path);
	struct claim *winner = winner_to_front(r, p);
	uint32_t set = winner->next ? claims_unite(r, winner) : attrset_ref(&r->sets, winner->set);

	if (!set) {
		/* The winner's alone will do until there is memory. */
		set = attrset_ref(&r->sets, winner->set);
		r->redo_merge = true;
		rib_hold(r);
	}
	attrset_unref(&r->sets, p->set);
	p->set = set;
	ptab_node(&r->tab[f], node)->flags |= NODE_LOCAL;
	rib_touch(r, f, node);
}

static void
claim_release(struct rib *r, uint32_t claim)
{
	struct claim *c = rib_claim(r, claim);

	attrset_unref(&r->sets, c->set);
	name_put(r, c->audience);
	name_put(r, c->policy);
	slab_give(&r->claims, claim);
}

/* Take a claim off its path; a path without claims goes. */
static void
claim_unlink(struct rib *r, uint32_t claim)
{
	const struct claim *c = rib_claim(r, claim);
	enum bgp_family f = (enum bgp_family)c->family;
	struct node *n = ptab_node(&r->tab[f], c->node);
	uint32_t node = c->node, path = originate_path(r, n, c->audience);
	struct path *p = rib_path(r, path);
	uint32_t *at = &p->in;

	while (*at != claim)
		at = &rib_claim(r, *at)->next;
	*at = c->next;
	claim_release(r, claim);
	rib_touch(r, f, node);
	if (p->in) {
		if (p->set)
			path_settle(r, f, node, path);
		return;
	}
	attrset_unref(&r->sets, p->set);
	rib_path_drop(r, n, path);
	if (!rib_path_of(r, n, 0))
		n->flags &= (uint8_t)~NODE_LOCAL;
}

unsigned
originate_sources(const struct rib *r, const struct node *n)
{
	unsigned sources = 0;

	for (uint32_t i = n->paths; i; i = rib_path(r, i)->next) {
		if (rib_path(r, i)->adj)
			continue;
		for (uint32_t c = rib_path(r, i)->in; c; c = rib_claim(r, c)->next)
			sources |= 1u << rib_claim(r, c)->source;
	}
	return sources;
}

void
originate_tell(struct rib *r, enum bgp_family f, uint32_t node)
{
	struct node *n = ptab_node(&r->tab[f], node);
	unsigned was = (n->flags & NODE_TOLD) >> NODE_TOLD_SHIFT, now = 0;
	struct prefix p;

	if (!r->ops.aggregate || !(n->flags & (NODE_LOCAL | NODE_TOLD)))
		return;
	ptab_prefix(&r->tab[f], node, &p);
	if (n->flags & NODE_LOCAL && p.len < addr_bits((enum addr_family)p.addr.family))
		now = originate_sources(r, n) & (unsigned)NODE_TOLD >> NODE_TOLD_SHIFT;
	if (now == was)
		return;
	n->flags = (uint8_t)((n->flags & ~(unsigned)NODE_TOLD) | now << NODE_TOLD_SHIFT);
	r->ops.aggregate(r->ops.arg, &p, was, now);
}

/* ---- an owner's wishes ---- */

static uint32_t
announce_set(struct rib *r, const struct bgp_announce *a)
{
	struct bgp_attrs attrs = {
		.origin = a->incomplete ? BGP_ORIGIN_INCOMPLETE : BGP_ORIGIN_IGP,
		.has_med = a->has_med,
		.med = a->has_med ? a->med : 0,
		.has_local_pref = a->has_local_pref,
		.local_pref = a->has_local_pref ? a->local_pref : 0,
	};

	r->room.used = 0;
	if (policy_add_communities(&a->communities, &attrs, &r->room) < 0)
		return 0;
	return attrset_intern(&r->sets, &attrs);
}

/* The wish as a claim that is not on any path yet; 0: no memory. */
static uint32_t
claim_new(struct rib *r, struct claim_owner *o, const struct bgp_announce *a)
{
	uint32_t number = slab_take(&r->claims);
	struct claim *c;

	if (!number)
		return 0;
	c = rib_claim(r, number);
	*c = (struct claim){ .owner = o, .source = (uint8_t)a->source, .prepend = a->prepend };
	c->family = a->prefix.addr.family == ADDR_V4 ? BGP_IPV4_UNICAST : BGP_IPV6_UNICAST;
	c->audience = name_get(r, a->audience ? a->audience : "");
	c->policy = name_get(r, a->policy ? a->policy : "");
	c->set = announce_set(r, a);
	if (c->audience && c->policy && c->set)
		return number;
	claim_release(r, number);
	return 0;
}

static bool
claim_is_same(const struct claim *a, const struct claim *b)
{
	return a->owner == b->owner && a->set == b->set && a->policy == b->policy &&
	    a->source == b->source && a->prepend == b->prepend;
}

/* The claim for a wish: the owner's old one when it had the same, else a new one on its path. */
static uint32_t
claim_for(struct rib *r, struct claim_owner *o, const struct bgp_announce *a)
{
	uint32_t number = claim_new(r, o, a), node, path;
	struct claim *c;
	struct ptab *t;

	if (!number)
		return 0;
	c = rib_claim(r, number);
	t = &r->tab[c->family];
	node = ptab_get(t, &a->prefix, ptab_hash(t, &a->prefix));
	if (!node)
		goto fail;
	c->node = node;
	path = originate_path(r, ptab_node(t, node), c->audience);
	for (uint32_t i = path ? rib_path(r, path)->in : 0; i; i = rib_claim(r, i)->next) {
		struct claim *old = rib_claim(r, i);

		if (old->doomed && claim_is_same(old, c)) {
			old->doomed = false;
			claim_release(r, number);
			return i;
		}
	}
	rib_touch(r, (enum bgp_family)c->family, node);
	if (!path)
		path = rib_path_add(r, ptab_node(t, node), 0);
	if (!path)
		goto fail;
	c->next = rib_path(r, path)->in;
	rib_path(r, path)->in = number;
	return number;
fail:
	claim_release(r, number);
	return 0;
}

static struct claim_owner *
owner_get(struct rib *r, const char *name)
{
	size_t len = strlen(name);
	struct claim_owner *o;

	HASH_FIND(hh, r->owners, name, len, o);
	if (o)
		return o;
	o = mem_calloc(1, sizeof(*o) + len + 1);
	if (!o)
		return NULL;
	memcpy(o->name, name, len);
	HASH_ADD_KEYPTR(hh, r->owners, o->name, len, o);
	return o;
}

static void
owner_reap(struct rib *r, struct claim_owner *o)
{
	if (o->nr)
		return;
	HASH_DEL(r->owners, o);
	mem_free(o->claims);
	mem_free(o);
}

static void
owner_doom(struct rib *r, const struct claim_owner *o, bool doomed)
{
	for (size_t i = 0; i < o->nr; i++)
		rib_claim(r, o->claims[i])->doomed = doomed;
}

/* Is the claim new in this round?  Such a path has no attributes yet, or not this claim's. */
static void
owner_settle(struct rib *r, const uint32_t *claims, size_t nr)
{
	for (size_t i = 0; i < nr; i++) {
		const struct claim *c = rib_claim(r, claims[i]);
		const struct node *n = ptab_node(&r->tab[c->family], c->node);

		/* Every claim that was added touched its node; the others' nodes need nothing. */
		if (n->flags & NODE_DIRTY)
			path_settle(r, (enum bgp_family)c->family, c->node,
			    originate_path(r, n, c->audience));
	}
}

void
rib_originated_each(const struct rib *r, const char *owner,
    bool (*each)(void *arg, const struct prefix *), void *arg)
{
	const struct claim_owner *o;

	HASH_FIND_STR(r->owners, owner, o);
	for (size_t i = 0; o && i < o->nr; i++) {
		const struct claim *c = rib_claim(r, o->claims[i]);
		struct prefix p;

		ptab_prefix(&r->tab[c->family], c->node, &p);
		if (!each(arg, &p))
			return;
	}
}

int
rib_originate(struct rib *r, const char *owner, const struct bgp_announce *announces, size_t nr)
{
	struct claim_owner *o = owner_get(r, owner);
	uint32_t *claims = NULL, *old;
	size_t done = 0, nr_old;

	if (!o)
		return -ENOMEM;
	old = o->claims;
	nr_old = o->nr;
	owner_doom(r, o, true);
	if (nr) {
		claims = mem_calloc(nr, sizeof(*claims));
		if (!claims)
			goto fail;
	}
	for (; done < nr; done++) {
		claims[done] = claim_for(r, o, &announces[done]);
		if (!claims[done])
			goto fail;
	}
	for (size_t i = 0; i < nr_old; i++) {
		if (rib_claim(r, old[i])->doomed)
			claim_unlink(r, old[i]);
	}
	o->claims = claims;
	o->nr = nr;
	owner_settle(r, claims, nr);
	mem_free(old);
	owner_reap(r, o);
	return 0;

fail:
	/* Those of the old that were found again are not doomed now: doom them, and take off
	 * whatever is not. */
	owner_doom(r, o, true);
	for (size_t i = 0; i < done; i++) {
		if (!rib_claim(r, claims[i])->doomed)
			claim_unlink(r, claims[i]);
	}
	owner_doom(r, o, false);
	mem_free(claims);
	owner_reap(r, o);
	return -ENOMEM;
}

void
originate_retry(struct rib *r)
{
	struct claim_owner *o, *next;

	r->redo_merge = false;
	HASH_ITER(hh, r->owners, o, next)
	{
		for (size_t i = 0; i < o->nr; i++) {
			const struct claim *c = rib_claim(r, o->claims[i]);
			const struct node *n = ptab_node(&r->tab[c->family], c->node);

			path_settle(r, (enum bgp_family)c->family, c->node,
			    originate_path(r, n, c->audience));
		}
	}
}

void
originate_fini(struct rib *r)
{
	struct claim_owner *o, *next;

	HASH_ITER(hh, r->owners, o, next)
	{
		for (size_t i = 0; i < o->nr; i++)
			claim_unlink(r, o->claims[i]);
		o->nr = 0;
		owner_reap(r, o);
	}
	work_cancel(&r->work);
}
