/*
 * bgpd/bmp_out.c: what monitoring stations are told of what peers are told (RFC 8671): behind the export
 * policy, which is the UPDATEs themselves as they are queued, and before it, which is the routes that such a
 * peer may have.  Between sessions and the table, which call by bmp_feed.c, and bmp_pack.c.
 *
 * What a peer was sent is known to its export group: a dump is made of that, but for what the peer has yet
 * to be told; that is passed on when it is.  So the two need no order between them.
 */
#include "bgpd/bmp_in.h"

#include "bgpd/addpath.h"
#include "bgpd/msg.h"
#include "bgpd/out.h"
#include "lib/mem.h"

#define OFFERED_MAX 64 /* paths of a prefix; as many as are looked at for the peer itself */

/* A route that a station was told that the peer may have. */
struct offered {
	uint32_t next; /* of the same node */
	uint32_t path_id, set;
};

/* All of them, as one station knows it. */
struct bmp_offer {
	struct bmp_offer *next;
	struct bmp_peer *peer;
	bool dumped;
	struct umap first[BGP_NR_FAMILIES]; /* node -> the first of its routes */
	uint32_t nr[BGP_NR_FAMILIES];
	struct slab routes;
};

static struct bmp_offer *
offer_of(const struct bmp_station *st, const struct bmp_peer *bp)
{
	struct bmp_offer *o = st->offers;

	while (o && o->peer != bp)
		o = o->next;
	return o;
}

static struct offered *
route_at(const struct bmp_offer *o, uint32_t at)
{
	return at ? slab_at(&o->routes, at) : NULL;
}

/* ---- which routes a peer may have ---- */

/* One path as the peer may have it; RFC 8671 5.2: what this kind of session excludes is no candidate. */
static bool
offer_path(const struct adj *to, const struct out_group *g, const struct outgoing *o)
{
	return o->set && !(o->source == BGP_SRC_LEARNED && o->src == to->id) &&
	    !export_is_barred(g, o);
}

/* The node's candidates, the best first. */
static size_t
offer_list(const struct adj *to, const struct out_group *g, uint32_t node, struct offered *list)
{
	const struct node *n = ptab_node(&g->rib->tab[g->family], node);
	struct outgoing o = { 0 };
	uint32_t paths[OFFERED_MAX];
	size_t nr = 0, nr_paths;

	if (n->len == NODE_FREE)
		return 0;
	if (!g->add || n->flags & NODE_LOCAL) {
		o = export_candidate(g, n);
		if (offer_path(to, g, &o))
			list[nr++] =
			    (struct offered){ .path_id = g->add ? o.path : 0, .set = o.set };
		return nr;
	}
	nr_paths = rib_rank(g->rib, n, g->add_multi, paths, OFFERED_MAX);
	for (size_t i = 0; i < nr_paths; i++) {
		o = export_learned(g, paths[i]);
		if (offer_path(to, g, &o))
			list[nr++] = (struct offered){ .path_id = o.path, .set = o.set };
	}
	return nr;
}

/* ---- what is new of them ---- */

static void
route_drop(struct bmp_offer *o, enum bgp_family f, uint32_t node, uint32_t at)
{
	struct rib *r = o->peer->adj->rib;
	uint32_t i = umap_get(&o->first[f], node);

	if (i == at) {
		umap_set(&o->first[f], node, route_at(o, at)->next);
	} else {
		while (route_at(o, i)->next != at)
			i = route_at(o, i)->next;
		route_at(o, i)->next = route_at(o, at)->next;
	}
	attrset_unref(&r->sets, route_at(o, at)->set);
	slab_give(&o->routes, at);
	o->nr[f]--;
}

/* -ENOMEM: NULL. */
static struct offered *
route_add(struct bmp_offer *o, enum bgp_family f, uint32_t node, uint32_t path_id)
{
	uint32_t at;

	if (umap_reserve(&o->first[f], node) < 0)
		return NULL;
	at = slab_take(&o->routes);
	if (!at)
		return NULL;
	*route_at(o, at) =
	    (struct offered){ .next = umap_get(&o->first[f], node), .path_id = path_id };
	umap_set(&o->first[f], node, at);
	o->nr[f]++;
	return route_at(o, at);
}

static struct offered *
route_find(const struct bmp_offer *o, enum bgp_family f, uint32_t node, uint32_t path_id)
{
	struct offered *t = route_at(o, umap_get(&o->first[f], node));

	while (t && t->path_id != path_id)
		t = route_at(o, t->next);
	return t;
}

static bool
is_listed(const struct offered *list, size_t nr, uint32_t path_id)
{
	while (nr && list[nr - 1].path_id != path_id)
		nr--;
	return nr;
}

/* Tell in what a node's candidates differ from what was told; with @nr 0, that there are none. */
static void
offer_tell(struct bmp_station *st, struct bmp_offer *o, enum bgp_family f, uint32_t node,
    const struct offered *list, size_t nr)
{
	const struct adj *adj = o->peer->adj;
	struct rib *r = adj->rib;
	struct bmp_pack like = { .peer = o->peer,
		.rib = r,
		.family = f,
		.add_path = adj->session.add_tx & BGP_FAMILY_MASK(f) };
	struct prefix prefix;

	ptab_prefix(&r->tab[f], node, &prefix);
	for (uint32_t at = umap_get(&o->first[f], node), next; at; at = next) {
		const struct offered *t = route_at(o, at);

		next = t->next;
		if (is_listed(list, nr, t->path_id))
			continue;
		bmp_put_route(st, BMP_VIEW_OUT_PRE, &like, &prefix, t->path_id);
		route_drop(o, f, node, at);
	}
	for (size_t i = 0; i < nr; i++) {
		struct offered *t = route_find(o, f, node, list[i].path_id);

		if (t && t->set == list[i].set)
			continue;
		if (!t)
			t = route_add(o, f, node, list[i].path_id);
		if (!t) {
			station_doom(st, "out of memory");
			return;
		}
		like.set = list[i].set;
		bmp_put_route(st, BMP_VIEW_OUT_PRE, &like, &prefix, list[i].path_id);
		attrset_ref(&r->sets, list[i].set);
		attrset_unref(&r->sets, t->set);
		t->set = list[i].set;
	}
}

static void
offer_node(struct bmp_station *st, struct bmp_offer *o, enum bgp_family f, uint32_t node)
{
	const struct adj *adj = o->peer->adj;
	const struct member *m = adj->member[f];
	struct offered list[OFFERED_MAX];

	offer_tell(st, o, f, node, list, m ? offer_list(adj, m->group, node, list) : 0);
}

static void
offer_free(struct bmp_offer *o)
{
	for (int f = 0; f < BGP_NR_FAMILIES; f++) {
		for (uint32_t id = 1; o->nr[f] && id < o->first[f].nr_chunks * UMAP_CHUNK; id++)
			while (umap_get(&o->first[f], id))
				route_drop(o, (enum bgp_family)f, id, umap_get(&o->first[f], id));
		umap_fini(&o->first[f]);
	}
	slab_fini(&o->routes);
	mem_free(o);
}

void
bmp_out_decided(struct bmp_station *st, const struct rib *r, enum bgp_family f, uint32_t node)
{
	for (struct bmp_offer *o = station_hears(st) ? st->offers : NULL; o; o = o->next) {
		const bool passed = st->at_out == o->peer && st->at_out_view == BMP_VIEW_OUT_PRE &&
		    (f < st->at_family || (f == st->at_family && node < st->cursor));

		/* What was told is taken back at once: the node may be somebody else's after that. */
		if (o->peer->adj->rib == r && (o->dumped || passed || umap_get(&o->first[f], node)))
			offer_node(st, o, f, node);
	}
}

/* ---- peers ---- */

void
bmp_out_peer(struct bmp_station *st, struct bmp_peer *bp, bool empty)
{
	struct bmp_offer *o;

	bp->out_dumped |= empty ? st->bit : 0;
	if (!(st->views & BGP_MONITOR_OUT_PRE))
		return;
	o = xnew(struct bmp_offer);
	slab_init(&o->routes, sizeof(struct offered));
	o->peer = bp;
	o->next = st->offers;
	st->offers = o;
}

void
bmp_out_peer_gone(struct bmp_station *st, const struct bmp_peer *bp)
{
	struct bmp_offer **at = &st->offers, *o;

	if (st->at_out == bp)
		st->at_out = NULL;
	while (*at && (*at)->peer != bp)
		at = &(*at)->next;
	o = *at;
	if (!o)
		return;
	*at = o->next;
	offer_free(o);
}

void
bmp_out_forget(struct bmp_station *st)
{
	while (st->offers)
		bmp_out_peer_gone(st, st->offers->peer);
	st->at_out = NULL;
}

/* RFC 8671 5.1: exactly what goes to the peer. */
void
bmp_out_sent(struct bmp *m, const struct bmp_peer *bp, const uint8_t *update, size_t len)
{
	for (struct bmp_station *st = m->stations; st; st = st->next) {
		struct bmp_about about;
		struct wire_wr w;

		if (!(bp->told & st->bit) || !(st->views & BGP_MONITOR_OUT_POST) ||
		    !station_hears(st))
			continue;
		about = bmp_about_peer(bp, BMP_VIEW_OUT_POST, bmp_now_us(st));
		w = bmp_scratch(st);
		bmp_route_encode(&w, &about, (struct bmp_bytes){ .p = update, .len = len });
		station_put(st, &w); /* and the dump may have waited for this */
	}
}

/* The peer is in another export group: its candidates may be others. */
void
bmp_out_regrouped(const struct bmp *m, const struct bmp_peer *bp)
{
	for (struct bmp_station *st = m->stations; st; st = st->next) {
		struct bmp_offer *o = offer_of(st, bp);

		work_post(&st->work);
		if (!o)
			continue;
		o->dumped = false;
		if (st->at_out == bp && st->at_out_view == BMP_VIEW_OUT_PRE)
			st->at_out = NULL;
	}
}

bool
bmp_out_count(
    const struct bmp_station *st, const struct bmp_peer *bp, enum bgp_family f, uint32_t *nr)
{
	const struct bmp_offer *o = offer_of(st, bp);

	*nr = o ? o->nr[f] : 0;
	return o;
}

/* ---- the dump ---- */

/* Is it known what the peer has?  While it is given its first table, it is not; End-of-RIB follows.  Nor on
 * its way to another group, the end of which is told. */
static bool
was_sent_all(const struct bmp_peer *bp)
{
	for (int f = 0; f < BGP_NR_FAMILIES; f++) {
		const struct member *m = bp->adj->member[f];

		if (!(bp->adj->session.families & BGP_FAMILY_MASK(f)))
			continue;
		if (!m || m->to ||
		    (m->state != MEMBER_LIVE && (m->state != MEMBER_DUMP || m->fresh)))
			return false;
	}
	return bp->adj->up;
}

bool
bmp_out_choose(struct bmp_station *st)
{
	if (st->at_out)
		return true;
	for (struct bmp_peer *bp = st->bmp->peers; bp; bp = bp->next) {
		const struct bmp_offer *o = offer_of(st, bp);

		if (!(bp->told & st->bit) || !bp->adj->up)
			continue;
		if (st->views & BGP_MONITOR_OUT_POST && !(bp->out_dumped & st->bit) &&
		    was_sent_all(bp))
			st->at_out_view = BMP_VIEW_OUT_POST;
		else if (o && !o->dumped)
			st->at_out_view = BMP_VIEW_OUT_PRE;
		else
			continue;
		st->at_out = bp;
		return true;
	}
	return false;
}

struct batch {
	struct bmp_station *st;
	struct bmp_pack *like;
	size_t nr;
};

static void
batch_add(struct batch *b, uint32_t set, uint32_t node, uint32_t path_id)
{
	if (b->nr == BMP_SLICE) {
		bmp_dump_batch(b->st, b->like, BMP_VIEW_OUT_POST, b->nr);
		b->nr = 0;
	}
	b->st->bmp->batch[b->nr++] = (struct bmp_dumped){ set, node, path_id };
}

/* What the peer has of nodes from the cursor on. */
static void
sent_nodes(struct bmp_station *st, uint32_t end)
{
	const struct adj *adj = st->at_out->adj;
	const enum bgp_family f = st->at_family;
	const struct member *m = adj->member[f];
	const struct out_group *g = m->group;
	struct bmp_pack like = { .peer = st->at_out,
		.rib = adj->rib,
		.family = f,
		.as2 = !g->as4,
		.add_path = g->add != NULL };
	struct batch b = { st, &like, 0 };

	for (uint32_t id = st->cursor; id < end; id++) {
		uint32_t set;

		if (bitset_has(&m->pend, id)) /* the bytes are on their way, and pass here */
			continue;
		for (const struct add_path *p = g->add ? addpath_next(m, id, NULL) : NULL; p;
		     p = addpath_next(m, id, p))
			batch_add(&b, p->set, id, p->path_id);
		set = g->add ? 0 : umap_get(&g->out, id);
		set = member_view(m, g, set, (uint16_t)umap_get(&g->src, id));
		if (set)
			batch_add(&b, set, id, 0);
	}
	bmp_dump_batch(st, &like, BMP_VIEW_OUT_POST, b.nr);
}

static void
end_of_view(struct bmp_station *st)
{
	const struct bmp_about about = bmp_about_peer(st->at_out, st->at_out_view, bmp_now_us(st));

	bmp_pack_close(st, st->at_out_view);
	bmp_put_eor(st, &about, st->at_family);
}

void
bmp_out_dump(struct bmp_station *st)
{
	struct bmp_peer *bp = st->at_out;
	const enum bgp_family f = st->at_family;
	const struct member *m = bp->adj->member[f];
	struct bmp_offer *o = offer_of(st, bp);
	uint32_t end = m ? ptab_end(&bp->adj->rib->tab[f]) : st->cursor;
	const uint32_t all = end;

	if (st->at_out_view == BMP_VIEW_OUT_POST && !was_sent_all(bp)) {
		st->at_out = NULL; /* from the beginning, when it is known again */
		return;
	}
	if (end > st->cursor + BMP_SLICE)
		end = st->cursor + BMP_SLICE;
	if (st->at_out_view == BMP_VIEW_OUT_POST && m)
		sent_nodes(st, end);
	else if (m)
		for (uint32_t id = st->cursor; id < end; id++)
			offer_node(st, o, f, id);
	if (end > st->cursor)
		st->cursor = end;
	if (st->cursor < all)
		return;
	if (m)
		end_of_view(st);
	st->cursor = 1;
	if (f + 1 < BGP_NR_FAMILIES) {
		st->at_family = (enum bgp_family)(f + 1);
		return;
	}
	if (st->at_out_view == BMP_VIEW_OUT_POST)
		bp->out_dumped |= st->bit;
	else
		o->dumped = true;
	st->at_out = NULL;
}
