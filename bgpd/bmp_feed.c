/*
 * bgpd/bmp_feed.c: what monitoring stations are told: peers coming and going, and routes in up to five
 * views, two of them in bmp_out.c.  Between sessions and the table, which call by bgp_tap and rib_tap, and
 * bmp_station.c.
 */
#include "bgpd/bmp_in.h"

#include "bgpd/msg.h"
#include "lib/mem.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define NAME_LEN 300

/* ---- peers ---- */

/* A station for the local table alone has nothing to do with peers. */
static bool
hears_of_peers(const struct bmp_station *st)
{
	return st->views != BGP_MONITOR_LOCAL;
}

static void
tell_peer_up(struct bmp_station *st, struct bmp_peer *bp, bool empty)
{
	const struct session *s = bp->session;
	const struct bmp_about about = bmp_about_peer(bp, BMP_VIEW_PRE, bp->up_us);
	uint8_t ours[BGP_MAX_LEN], theirs[BGP_MAX_LEN];
	struct wire_wr w = bmp_scratch(st), open = wire_wr_init(ours, sizeof(ours)),
		       heard = wire_wr_init(theirs, sizeof(theirs));
	struct bmp_bytes received = { .p = s->their_open, .len = s->their_open_len };

	bgp_open_encode(&open, &s->ours);
	if (!s->their_open) {
		bgp_open_encode(&heard, &s->theirs);
		received = (struct bmp_bytes){ .p = theirs, .len = heard.len };
	}
	bmp_peer_up_encode(&w, &about, &s->names.local, s->names.local_port, s->names.remote_port,
	    (struct bmp_bytes){ .p = ours, .len = open.len }, received, NULL);
	station_put(st, &w);
	bp->told |= st->bit;
	bmp_out_peer(st, bp, empty);
}

static void
peer_add(struct bmp *m, const struct session *s, bool empty)
{
	struct bmp_peer *bp = xnew(struct bmp_peer);

	bp->session = s;
	bp->adj = s->peer->adj;
	bp->adj->bmp = bp;
	bp->up_us = loop_wall_us(m->bgp->loop) - (loop_now_ms(m->bgp->loop) - s->up_ms) * 1000;
	bp->next = m->peers;
	m->peers = bp;
	for (struct bmp_station *st = m->stations; st; st = st->next) {
		if (!station_hears(st) || !hears_of_peers(st))
			continue;
		tell_peer_up(st, bp, empty);
		bp->dumped |= empty ? st->bit : 0;
		work_post(&st->work);
	}
}

/* RFC 7854 4.9 */
static enum bmp_down
down_reason(const struct bmp_peer *bp)
{
	const struct session_end *end = &bp->session->end;

	if (end->how == SESSION_SENT && bp->note)
		return BMP_DOWN_LOCAL_NOTE;
	if (end->how == SESSION_RECEIVED && bp->note)
		return BMP_DOWN_REMOTE_NOTE;
	return end->how == SESSION_TCP && !end->local ? BMP_DOWN_REMOTE : BMP_DOWN_LOCAL;
}

static void
tell_peer_down(struct bmp_station *st, const struct bmp_peer *bp)
{
	/* RFC 7854 4.9: the event of RFC 4271 8.1 by its number; 18: TcpConnectionFails. */
	static const uint8_t event[2] = { 0, 18 };
	const struct bmp_about about = bmp_about_peer(bp, BMP_VIEW_PRE, bmp_now_us(st));
	const enum bmp_down reason = down_reason(bp);
	struct bmp_bytes data = { .p = bp->note, .len = bp->note_len };
	struct wire_wr w;

	bmp_flush(st);
	if (reason == BMP_DOWN_LOCAL)
		data = (struct bmp_bytes){ .p = event, .len = sizeof(event) };
	else if (reason == BMP_DOWN_REMOTE)
		data = (struct bmp_bytes){ 0 };
	w = bmp_scratch(st);
	bmp_peer_down_encode(&w, &about, reason, data);
	station_put(st, &w);
}

static void
peer_remove(struct bmp *m, struct bmp_peer *bp)
{
	struct bmp_peer **at = &m->peers;

	for (struct bmp_station *st = m->stations; st; st = st->next) {
		if (bp->told & st->bit)
			tell_peer_down(st, bp);
		if (st->at == bp)
			st->at = NULL;
		bmp_out_peer_gone(st, bp);
	}
	while (*at != bp)
		at = &(*at)->next;
	*at = bp->next;
	bp->adj->bmp = NULL;
	mem_free(bp->note);
	mem_free(bp);
}

static struct bmp_peer *
peer_of(const struct session *s)
{
	struct bmp_peer *bp = s->peer->adj ? s->peer->adj->bmp : NULL;

	return bp && bp->session == s ? bp : NULL;
}

static void
on_moved(struct bgp_tap *tap, const struct session *s, enum bgp_state old)
{
	struct bmp *m = tap->arg;
	struct bmp_peer *bp = peer_of(s);

	if (s->state == BGP_ESTABLISHED && !s->peer->adj->bmp)
		peer_add(m, s, true);
	else if (old == BGP_ESTABLISHED && bp)
		peer_remove(m, bp);
}

static void
on_message(
    struct bgp_tap *tap, const struct session *s, bool sent, const uint8_t *bytes, size_t len)
{
	struct bmp_peer *bp = peer_of(s);

	if (bp && sent && bytes[BGP_HEADER_LEN - 1] == BGP_MSG_UPDATE)
		bmp_out_sent(tap->arg, bp, bytes, len);
	if (!bp || bp->note || bytes[BGP_HEADER_LEN - 1] != BGP_MSG_NOTIFICATION)
		return;
	bp->note = mem_calloc(1, len);
	if (!bp->note)
		return;
	memcpy(bp->note, bytes, len);
	bp->note_len = len;
}

/* ---- received routes ---- */

/* Has the station been told of this part of the peer's routes? */
static bool
station_follows(
    const struct bmp_station *st, const struct bmp_peer *bp, enum bgp_family f, uint32_t node)
{
	if (!(bp->told & st->bit))
		return false;
	if (bp->dumped & st->bit)
		return true;
	if (st->at != bp || f > st->at_family)
		return false;
	return f < st->at_family || node < st->cursor;
}

/* RFC 7911: the identifier that the path came with; its number is found on its node. */
static uint32_t
path_id_of(const struct rib *r, enum bgp_family f, uint32_t node, const struct path *p)
{
	uint32_t i = ptab_node(&r->tab[f], node)->paths;

	while (i && rib_path(r, i) != p)
		i = rib_path(r, i)->next;
	return umap_get(&r->path_ids, i);
}

static void
on_path(void *arg, struct adj *adj, enum bgp_family f, uint32_t node, const struct path *was,
    uint32_t in, uint32_t set)
{
	struct bmp *m = arg;
	struct bmp_peer *bp = adj->bmp;
	struct bmp_pack like = { .peer = bp,
		.rib = adj->rib,
		.family = f,
		.add_path = adj->session.add_rx & BGP_FAMILY_MASK(f) };
	struct prefix prefix;
	uint32_t id;

	if (!bp || !bp->told)
		return;
	id = like.add_path ? path_id_of(adj->rib, f, node, was) : 0;
	ptab_prefix(&adj->rib->tab[f], node, &prefix);
	for (struct bmp_station *st = m->stations; st; st = st->next) {
		if (!station_follows(st, bp, f, node))
			continue;
		like.set = in;
		if (st->views & BGP_MONITOR_PRE && (in || was->in))
			bmp_put_route(st, BMP_VIEW_PRE, &like, &prefix, id);
		like.set = set;
		if (st->views & BGP_MONITOR_POST && (set || was->set))
			bmp_put_route(st, BMP_VIEW_POST, &like, &prefix, id);
	}
}

static void
tell_peer_eor(struct bmp_station *st, const struct bmp_peer *bp, enum bgp_family f)
{
	for (int v = BMP_VIEW_PRE; v <= BMP_VIEW_POST; v++) {
		const struct bmp_about about = bmp_about_peer(bp, (enum bmp_view)v, bmp_now_us(st));

		bmp_pack_close(st, (enum bmp_view)v);
		if (st->views & 1u << v)
			bmp_put_eor(st, &about, f);
	}
}

static void
on_eor(void *arg, struct adj *adj, enum bgp_family f)
{
	const struct bmp *m = arg;
	const struct bmp_peer *bp = adj->bmp;

	for (struct bmp_station *st = m->stations; bp && st; st = st->next)
		if (bp->told & bp->dumped & st->bit)
			tell_peer_eor(st, bp, f);
}

/* ---- the local table ---- */

static struct bmp_table *
table_of(const struct bmp_station *st, const struct rib *r)
{
	struct bmp_table *t = st->tables;

	while (t && t->instance->rib != r)
		t = t->next;
	return t;
}

/* Of our own paths, one for each audience, the first. */
static uint32_t
best_set(const struct rib *r, const struct node *n)
{
	for (uint32_t i = n->paths; i; i = rib_path(r, i)->next) {
		const struct path *p = rib_path(r, i);

		if (p->flags & PATH_BEST && p->set)
			return p->set;
	}
	return 0;
}

static void
tell_best(struct bmp_station *st, struct bmp_table *t, enum bgp_family f, uint32_t node)
{
	struct rib *r = t->instance->rib;
	struct bmp_pack like = { .table = t, .rib = r, .family = f };
	const uint32_t old = umap_get(&t->told[f], node);
	struct prefix prefix;

	like.set = best_set(r, ptab_node(&r->tab[f], node));
	if (like.set == old)
		return;
	if (umap_reserve(&t->told[f], node) < 0) {
		station_doom(st, "out of memory");
		return;
	}
	ptab_prefix(&r->tab[f], node, &prefix);
	bmp_put_route(st, BMP_VIEW_LOCAL, &like, &prefix, 0);
	attrset_ref(&r->sets, like.set);
	attrset_unref(&r->sets, old);
	umap_set(&t->told[f], node, like.set);
}

static void
on_decided(void *arg, struct rib *r, enum bgp_family f, uint32_t node)
{
	const struct bmp *m = arg;

	for (struct bmp_station *st = m->stations; st; st = st->next) {
		struct bmp_table *t = station_hears(st) ? table_of(st, r) : NULL;
		bool passed = t && st->at_table == t &&
		    (f < st->at_family || (f == st->at_family && node < st->cursor));

		if (t && (t->dumped || passed))
			tell_best(st, t, f, node);
		bmp_out_decided(st, r, f, node);
	}
}

static void
on_regrouped(void *arg, struct adj *adj)
{
	if (adj->bmp)
		bmp_out_regrouped(arg, adj->bmp);
}

/* RFC 9069 5.2: an OPEN that nobody sent says what the routes' encoding stands on. */
static void
tell_table_up(struct bmp_station *st, const struct bmp_table *t)
{
	static const struct addr none;
	const struct bmp_about about = bmp_about_table(t, bmp_now_us(st));
	uint8_t bytes[256];
	struct bgp_open o = {
		.version = 4,
		.as = t->instance->local_as,
		.as2 = (uint16_t)(t->instance->local_as > UINT16_MAX ? BGP_AS_TRANS
								     : t->instance->local_as),
		.id = t->instance->router_id,
		.caps = { .families = (1u << BGP_NR_FAMILIES) - 1,
		    .mp = true,
		    .as4 = true,
		    .as4_number = t->instance->local_as },
	};
	struct wire_wr w = bmp_scratch(st), open = wire_wr_init(bytes, sizeof(bytes));
	struct bmp_bytes both;

	bgp_open_encode(&open, &o);
	both = (struct bmp_bytes){ .p = bytes, .len = open.len };
	bmp_peer_up_encode(&w, &about, &none, 0, 0, both, both, t->instance->name);
	station_put(st, &w);
}

static void
table_free(struct bmp_table *t)
{
	struct rib *r = t->instance->rib;

	for (int f = 0; f < BGP_NR_FAMILIES; f++) {
		for (uint32_t id = 1; id < t->told[f].nr_chunks * UMAP_CHUNK; id++)
			attrset_unref(&r->sets, umap_get(&t->told[f], id));
		umap_fini(&t->told[f]);
	}
	mem_free(t);
}

void
feed_table_new(struct bmp_station *st, struct instance *in)
{
	struct bmp_table *t;

	if (!station_hears(st) || !(st->views & BGP_MONITOR_LOCAL))
		return;
	t = xnew(struct bmp_table);
	t->instance = in;
	t->next = st->tables;
	st->tables = t;
	tell_table_up(st, t);
	work_post(&st->work);
}

void
feed_table_gone(struct bmp_station *st, struct instance *in)
{
	struct bmp_table **at = &st->tables, *t;
	struct bmp_about about;
	uint8_t name[NAME_LEN];
	struct wire_wr w, info = wire_wr_init(name, sizeof(name));

	while (*at && (*at)->instance != in)
		at = &(*at)->next;
	t = *at;
	if (!t)
		return;
	bmp_flush(st);
	about = bmp_about_table(t, bmp_now_us(st));
	bmp_info_encode(&info, BMP_INFO_TABLE, in->name);
	w = bmp_scratch(st);
	bmp_peer_down_encode(
	    &w, &about, BMP_DOWN_LOC_RIB, (struct bmp_bytes){ .p = name, .len = info.len });
	station_put(st, &w);
	*at = t->next;
	if (st->at_table == t)
		st->at_table = NULL;
	table_free(t);
}

/* ---- the dump ---- */

static int
dumped_cmp(const void *a, const void *b)
{
	const struct bmp_dumped *x = a, *y = b;

	if (x->set != y->set)
		return x->set < y->set ? -1 : 1;
	return x->node < y->node ? -1 : x->node > y->node;
}

/* Grouped by attributes, so that few messages do. */
void
bmp_dump_batch(struct bmp_station *st, struct bmp_pack *like, enum bmp_view view, size_t nr)
{
	struct bmp_dumped *batch = st->bmp->batch;

	qsort(batch, nr, sizeof(*batch), dumped_cmp);
	for (size_t i = 0; i < nr; i++) {
		struct prefix prefix;

		ptab_prefix(&like->rib->tab[like->family], batch[i].node, &prefix);
		like->set = batch[i].set;
		bmp_put_route(st, view, like, &prefix, batch[i].path_id);
	}
}

/* A view of nodes from the cursor on. */
static void
dump_view(struct bmp_station *st, struct rib *r, enum bmp_view view, uint32_t end)
{
	const struct adj *adj = st->at->adj;
	struct bmp_pack like = { .peer = st->at,
		.rib = r,
		.family = st->at_family,
		.add_path = adj->session.add_rx & BGP_FAMILY_MASK(st->at_family) };
	size_t nr = 0;

	for (uint32_t id = st->cursor; id < end; id++) {
		const struct node *n = ptab_node(&r->tab[st->at_family], id);

		for (uint32_t i = n->len == NODE_FREE ? 0 : n->paths; i; i = rib_path(r, i)->next) {
			const struct path *p = rib_path(r, i);
			const uint32_t set = view == BMP_VIEW_PRE ? p->in : p->set;

			/* What is left of an earlier session is not of this peer's words yet. */
			if (p->adj != adj->id || !set || p->flags & PATH_STALE)
				continue;
			st->bmp->batch[nr++] = (struct bmp_dumped){ set, id,
				like.add_path ? umap_get(&r->path_ids, i) : 0 };
			if (nr == BMP_SLICE) {
				bmp_dump_batch(st, &like, view, nr);
				nr = 0;
			}
		}
	}
	bmp_dump_batch(st, &like, view, nr);
}

/* The family is through: the next one.  False: there was no other. */
static bool
dump_next_family(struct bmp_station *st)
{
	st->cursor = 1;
	if (st->at_family + 1 == BGP_NR_FAMILIES)
		return false;
	st->at_family = (enum bgp_family)(st->at_family + 1);
	return true;
}

static void
dump_peer(struct bmp_station *st)
{
	struct bmp_peer *bp = st->at;
	struct rib *r = bp->adj->rib;
	const enum bgp_family f = st->at_family;
	uint32_t end = bp->adj->nr_paths[f] ? ptab_end(&r->tab[f]) : st->cursor;

	if (end > st->cursor + BMP_SLICE)
		end = st->cursor + BMP_SLICE;
	for (int v = BMP_VIEW_PRE; v <= BMP_VIEW_POST; v++)
		if (st->views & 1u << v)
			dump_view(st, r, (enum bmp_view)v, end);
	if (end > st->cursor)
		st->cursor = end;
	if (bp->adj->nr_paths[f] && st->cursor < ptab_end(&r->tab[f]))
		return;
	/* RFC 7854 5: the end of the dump is marked as in RFC 4724. */
	if (session_families(bp->session) & BGP_FAMILY_MASK(f))
		tell_peer_eor(st, bp, f);
	if (dump_next_family(st))
		return;
	bp->dumped |= st->bit;
	st->at = NULL;
}

static void
dump_table(struct bmp_station *st)
{
	struct bmp_table *t = st->at_table;
	const enum bgp_family f = st->at_family;
	const struct ptab *nodes = &t->instance->rib->tab[f];
	struct bmp_about about;

	for (unsigned i = 0; i < BMP_SLICE && st->cursor < ptab_end(nodes); i++, st->cursor++) {
		if (ptab_node(nodes, st->cursor)->len != NODE_FREE)
			tell_best(st, t, f, st->cursor);
	}
	if (st->cursor < ptab_end(nodes))
		return;
	bmp_pack_close(st, BMP_VIEW_LOCAL);
	about = bmp_about_table(t, bmp_now_us(st));
	bmp_put_eor(st, &about, f);
	if (dump_next_family(st))
		return;
	t->dumped = true;
	st->at_table = NULL;
}

/* Whom the dump is about next.  False: all is told. */
static bool
dump_choose(struct bmp_station *st)
{
	if (st->at || st->at_table || st->at_out)
		return true;
	st->at_family = (enum bgp_family)0;
	st->cursor = 1;
	for (struct bmp_peer *bp = st->bmp->peers; bp; bp = bp->next)
		if (bp->told & ~bp->dumped & st->bit) {
			st->at = bp;
			return true;
		}
	for (struct bmp_table *t = st->tables; t; t = t->next)
		if (!t->dumped) {
			st->at_table = t;
			return true;
		}
	return bmp_out_choose(st);
}

bool
feed_work(struct bmp_station *st)
{
	bmp_flush(st);
	if (st->out.bytes + st->made.len >= BMP_DUMP_ROOM || !dump_choose(st))
		return false;
	if (st->at)
		dump_peer(st);
	else if (st->at_table)
		dump_table(st);
	else
		bmp_out_dump(st);
	bmp_flush(st);
	return true;
}

/* ---- stations ---- */

void
feed_begin(struct bmp_station *st)
{
	struct wire_wr w = bmp_scratch(st);
	struct bmp *m = st->bmp;

	bmp_initiation_encode(&w, m->name, m->descr);
	station_put(st, &w);
	for (struct instance *in = m->bgp->instances; in; in = in->next)
		feed_table_new(st, in);
	for (struct bmp_peer *bp = m->peers; bp; bp = bp->next)
		if (hears_of_peers(st))
			tell_peer_up(st, bp, false);
	work_post(&st->work);
}

void
feed_forget(struct bmp_station *st)
{
	for (int v = 0; v < BMP_NR_VIEWS; v++) {
		struct bmp_pack *p = &st->packs[v];

		if (p->open)
			attrset_unref(&p->rib->sets, p->set);
		mem_free(p->bytes);
		*p = (struct bmp_pack){ 0 };
	}
	for (struct bmp_peer *bp = st->bmp->peers; bp; bp = bp->next) {
		bp->told &= ~st->bit;
		bp->dumped &= ~st->bit;
		bp->out_dumped &= ~st->bit;
	}
	bmp_out_forget(st);
	while (st->tables) {
		struct bmp_table *t = st->tables;

		st->tables = t->next;
		table_free(t);
	}
	st->at = NULL;
	st->at_table = NULL;
}

static void
put_statistics(struct bmp_station *st, const struct bmp_peer *bp)
{
	const struct bmp_about about = bmp_about_peer(bp, BMP_VIEW_PRE, bmp_now_us(st));
	struct bmp_count in = { BMP_STAT_ADJ_IN, -1, 0 }, out = { BMP_STAT_ADJ_OUT, -1, 0 },
			 may = { BMP_STAT_ADJ_OUT_PRE, -1, 0 },
			 bad = { BMP_STAT_WITHDRAW_UPDATES, -1, 0 };
	struct bmp_count counts[4 + 3 * BGP_NR_FAMILIES];
	struct wire_wr w = bmp_scratch(st);
	bool offers = false;
	size_t nr = 0;

	for (int f = 0; f < BGP_NR_FAMILIES; f++) {
		struct adj_counts c;
		uint32_t offered;

		if (!(session_families(bp->session) & BGP_FAMILY_MASK(f)))
			continue;
		adj_counts(bp->adj, (enum bgp_family)f, &c);
		in.count += c.received;
		out.count += c.advertised;
		bad.count += c.withdraws_as_error;
		counts[nr++] = (struct bmp_count){ BMP_STAT_ADJ_IN_FAMILY, f, c.received };
		counts[nr++] = (struct bmp_count){ BMP_STAT_ADJ_OUT_FAMILY, f, c.advertised };
		offers = bmp_out_count(st, bp, (enum bgp_family)f, &offered);
		may.count += offered;
		if (offers)
			counts[nr++] =
			    (struct bmp_count){ BMP_STAT_ADJ_OUT_PRE_FAMILY, f, offered };
	}
	if (offers)
		counts[nr++] = may;
	counts[nr++] = in;
	counts[nr++] = out;
	counts[nr++] = bad;
	bmp_statistics_encode(&w, &about, counts, nr);
	station_put(st, &w);
}

void
feed_statistics(struct bmp_station *st)
{
	for (const struct bmp_peer *bp = st->bmp->peers; bp; bp = bp->next)
		if (bp->told & st->bit)
			put_statistics(st, bp);
}

/* ---- life ---- */

void
feed_init(struct bmp *m)
{
	m->tap = (struct bgp_tap){ .message = on_message, .moved = on_moved, .arg = m };
	m->rib_tap = (struct rib_tap){ .path = on_path,
		.eor = on_eor,
		.decided = on_decided,
		.regrouped = on_regrouped,
		.arg = m };
	m->scratch = xcalloc(1, BMP_SCRATCH);
	m->batch = xcalloc(BMP_SLICE, sizeof(struct bmp_dumped));
	tap_put(m->bgp, &m->tap);
	for (const struct instance *in = m->bgp->instances; in; in = in->next)
		for (const struct peer *p = in->peers; p; p = p->next)
			if (p->up)
				peer_add(m, p->up, false);
}

void
feed_fini(struct bmp *m)
{
	tap_take(m->bgp, &m->tap);
	while (m->peers)
		peer_remove(m, m->peers);
	mem_free(m->scratch);
	mem_free(m->batch);
}
