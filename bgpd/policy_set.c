/*
 * bgpd/policy_set.c: what a rule makes of a route's attributes; the other half of policy.c, which
 * finds the rule.  See policy.h.
 */
#include "bgpd/policy.h"

#include <errno.h>

/* ---- what a rule sets ---- */

static void
put64(struct wire_wr *w, uint64_t v)
{
	wire_put_u32(w, (uint32_t)(v >> 32));
	wire_put_u32(w, (uint32_t)v);
}

static void
put_large(struct wire_wr *w, const struct bgp_large *l)
{
	wire_put_u32(w, l->global);
	wire_put_u32(w, l->data1);
	wire_put_u32(w, l->data2);
}

/* What has been written since @start becomes *@s; the room keeps it. */
static int
room_keep(struct policy_room *room, const struct wire_wr *w, struct bgp_span *s)
{
	if (w->full)
		return -ENOSPC;
	*s = (struct bgp_span){ .p = w->start, .len = (uint32_t)w->len };
	room->used += w->len;
	return 0;
}

static struct wire_wr
room_open(const struct policy_room *room)
{
	return wire_wr_init(room->bytes + room->used, POLICY_ROOM - room->used);
}

int
policy_add_communities(
    const struct bgp_communities *c, struct bgp_attrs *a, struct policy_room *room)
{
	struct wire_wr w;

	if (c->nr_std) {
		w = room_open(room);
		wire_put_bytes(&w, a->communities.p, a->communities.len);
		for (size_t i = 0; i < c->nr_std; i++)
			wire_put_u32(&w, c->std[i]);
		if (room_keep(room, &w, &a->communities) < 0)
			return -ENOSPC;
	}
	if (c->nr_ext) {
		w = room_open(room);
		wire_put_bytes(&w, a->ext_communities.p, a->ext_communities.len);
		for (size_t i = 0; i < c->nr_ext; i++)
			put64(&w, c->ext[i]);
		if (room_keep(room, &w, &a->ext_communities) < 0)
			return -ENOSPC;
	}
	if (c->nr_large) {
		w = room_open(room);
		wire_put_bytes(&w, a->large_communities.p, a->large_communities.len);
		for (size_t i = 0; i < c->nr_large; i++)
			put_large(&w, &c->large[i]);
		if (room_keep(room, &w, &a->large_communities) < 0)
			return -ENOSPC;
	}
	return 0;
}

static bool
in_std(const struct bgp_communities *c, uint32_t v)
{
	for (size_t i = 0; i < c->nr_std; i++) {
		if (policy_means_std(c, i, v))
			return true;
	}
	return false;
}

static bool
in_ext(const struct bgp_communities *c, uint64_t v)
{
	for (size_t i = 0; i < c->nr_ext; i++) {
		if (policy_means_ext(c, i, v))
			return true;
	}
	return false;
}

static bool
in_large(const struct bgp_communities *c, const struct bgp_large *v)
{
	for (size_t i = 0; i < c->nr_large; i++) {
		if (policy_means_large(c, i, v))
			return true;
	}
	return false;
}

static int
remove_communities(const struct bgp_communities *c, struct bgp_attrs *a, struct policy_room *room)
{
	struct wire_wr w = room_open(room);
	struct wire_rd r = wire_rd_init(a->communities.p, a->communities.len);

	while (c->nr_std && wire_more(&r)) {
		uint32_t v = wire_u32(&r);

		if (!in_std(c, v))
			wire_put_u32(&w, v);
	}
	if (c->nr_std && room_keep(room, &w, &a->communities) < 0)
		return -ENOSPC;
	w = room_open(room);
	r = wire_rd_init(a->ext_communities.p, a->ext_communities.len);
	while (c->nr_ext && wire_more(&r)) {
		uint64_t v = wire_u64(&r);

		if (!in_ext(c, v))
			put64(&w, v);
	}
	if (c->nr_ext && room_keep(room, &w, &a->ext_communities) < 0)
		return -ENOSPC;
	w = room_open(room);
	r = wire_rd_init(a->large_communities.p, a->large_communities.len);
	while (c->nr_large && wire_more(&r)) {
		struct bgp_large v = { .global = wire_u32(&r) };

		v.data1 = wire_u32(&r);
		v.data2 = wire_u32(&r);
		if (!in_large(c, &v))
			put_large(&w, &v);
	}
	return c->nr_large ? room_keep(room, &w, &a->large_communities) : 0;
}

int
policy_set(const struct bgp_rule *rule, struct bgp_attrs *a, struct policy_room *room)
{
	const struct bgp_set *s = &rule->set;

	if (s->has_local_pref) {
		a->has_local_pref = true;
		a->local_pref = s->local_pref;
	}
	if (s->has_med) {
		a->has_med = true;
		a->med = s->med;
	}
	if (s->replace)
		a->communities = a->ext_communities = a->large_communities = (struct bgp_span){ 0 };
	else if (remove_communities(&s->remove, a, room) < 0)
		return -ENOSPC;
	return policy_add_communities(&s->add, a, room);
}
