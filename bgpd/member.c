/*
 * bgpd/member.c: one peer in its export group: the dump it is sent first, the prefixes that it
 * still has to be told of, End-of-RIB.  Between out.c and the session's queue.
 */
#include <assert.h>
#include <errno.h>

#include "bgpd/msg.h"
#include "bgpd/addpath.h"
#include "bgpd/emit.h"
#include "bgpd/out.h"
#include "lib/mem.h"

/* Work before sockets and timers get their turn. */
#define KICK_WINDOWS 2
#define KICK_BATCHES 4
/* Prefixes of one batch of what was noted; by the room there is, at a guess of bytes for each. */
#define BATCH_MAX 8192u
#define BATCH_MIN 64u
#define BATCH_BYTES 32

/* ---- what it is told ---- */

uint32_t
member_view_memo(const struct member *m, const struct out_group *g, uint32_t set, uint16_t src,
    struct view_memo *memo)
{
	struct bgp_attrs a;

	if (!set || !g->relay)
		return set;
	/* Never a route back to where it came from. */
	if (src == m->adj->id)
		return 0;
	/* RFC 4271 5.1.3: nor to a peer whose own address is the next hop. */
	if (memo->set != set) {
		attrset_view(&g->rib->sets, set, &a);
		memo->set = set;
		memo->own = addr_eq(&a.next_hop, &m->adj->session.remote);
	}
	return memo->own ? 0 : set;
}

uint32_t
member_view(const struct member *m, const struct out_group *g, uint32_t set, uint16_t src)
{
	struct view_memo memo = { 0 };

	return member_view_memo(m, g, set, src, &memo);
}

bool
member_is_synced(const struct member *m)
{
	return m->state == MEMBER_LIVE && !m->pend.nr;
}

bool
member_follows(const struct member *m, uint32_t node)
{
	switch (m->state) {
	case MEMBER_LIVE:
		return true;
	case MEMBER_DUMP:
		return !m->fresh || m->dump->done || node < m->dump->cursor;
	default:
		return false;
	}
}

int
member_reserve(struct member *m)
{
	uint32_t end = ptab_end(&m->group->rib->tab[m->group->family]);

	if (bitset_reserve(&m->pend, end) < 0 || bitset_reserve(&m->had, end) < 0)
		return -ENOMEM;
	return 0;
}

void
member_pend(struct member *m, uint32_t node, bool had)
{
	/* In a dump on request it may get the route from the dump at any time. */
	bool may_have = m->state == MEMBER_DUMP && !m->fresh;
	bool first = bitset_add(&m->pend, node);

	/* What it had when it was noted first still holds. */
	if (may_have || (first && had))
		bitset_add(&m->had, node);
	if (!first)
		return;
	ptab_node(&m->group->rib->tab[m->group->family], node)->pins++;
}

void
member_pend_clear(struct member *m, uint32_t node)
{
	struct rib *r = m->group->rib;
	enum bgp_family f = m->group->family;

	bitset_del(&m->pend, node);
	bitset_del(&m->had, node);
	ptab_node(&r->tab[f], node)->pins--;
	rib_reap(r, f, node);
}

void
member_send(struct member *m, struct bgp_block *b)
{
	m->adj->counts[m->group->family].updates_out += b->nr_messages;
	m->adj->ops.send(m->adj->ops.arg, b);
}

void
member_reset(struct member *m)
{
	uint32_t node;

	while ((node = bitset_next(&m->pend, 0)) != UINT32_MAX)
		member_pend_clear(m, node);
	bitset_fini(&m->pend);
	bitset_fini(&m->had);
	mem_free(m->gone);
	m->gone = NULL;
	m->nr_gone = m->cap_gone = m->floor_gone = 0;
	dump_unref(m->dump);
	m->dump = NULL;
	m->state = MEMBER_WAIT;
}

void
member_count(struct member *m)
{
	const struct out_group *g = m->group;
	struct view_memo memo = { 0 };

	m->nr_told = g->add ? addpath_count(m) : 0;
	if (!g->relay || g->add)
		return;
	for (uint32_t id = 1; id < ptab_end(&g->rib->tab[g->family]); id++)
		m->nr_told += !!member_view_memo(
		    m, g, umap_get(&g->out, id), (uint16_t)umap_get(&g->src, id), &memo);
}

/* ---- the dump ---- */

void
dump_unref(struct dump *d)
{
	if (!d || --d->refs)
		return;
	for (size_t i = 0; i < d->nr; i++)
		bgp_block_unref(d->blocks[i].block);
	mem_free(d->blocks);
	mem_free(d);
}

struct dump_fill {
	struct dump *dump;
	bool failed;
};

static void
dump_keep(void *arg, struct bgp_block *b, uint16_t not_src, uint16_t not_nh)
{
	struct dump_fill *fill = arg;
	struct dump *d = fill->dump;

	if (mem_grow((void **)&d->blocks, &d->cap, d->nr, sizeof(*d->blocks), 0) < 0) {
		fill->failed = true;
		return;
	}
	d->blocks[d->nr++] =
	    (struct dump_block){ .block = bgp_block_ref(b), .src = not_src, .nh = not_nh };
}

/* The routes of the nodes from @from to below @to, as changes. */
static size_t
window_collect(const struct out_group *g, uint32_t from, uint32_t to, struct change *c)
{
	struct nh_memo memo = { 0 };
	size_t nr = 0;

	for (uint32_t id = from; id < to; id++) {
		uint32_t set = umap_get(&g->out, id);

		if (!set)
			continue;
		c[nr] = (struct change){ .node = id, .set = set };
		if (g->relay) {
			c[nr].src = (uint16_t)umap_get(&g->src, id);
			c[nr].nh = group_nh_memo(g, set, &memo);
		}
		nr++;
	}
	changes_sort(c, nr);
	return nr;
}

/* Encode one window more.  -ENOMEM: nothing was added. */
static int
dump_advance(struct out_group *g, struct dump *d)
{
	uint32_t end = ptab_end(&g->rib->tab[g->family]), to, window;
	struct dump_fill fill = { .dump = d };
	size_t had = d->nr, nr;
	struct change *c;
	struct emit e;

	window = g->add ? OUT_WINDOW / g->add_max : OUT_WINDOW;
	to = end - d->cursor > window ? d->cursor + window : end;
	c = mem_calloc(OUT_WINDOW, sizeof(*c));
	if (!c)
		return -ENOMEM;
	emit_begin(&e, g, dump_keep, &fill);
	nr = g->add ? 0 : window_collect(g, d->cursor, to, c);
	if (g->add && addpath_emit(g, d->cursor, to, &e) < 0)
		fill.failed = true;
	for (size_t i = 0; i < nr && !fill.failed; i++) {
		if (emit_add(&e, c[i].node, c[i].set, c[i].src, c[i].nh) < 0)
			fill.failed = true;
	}
	emit_end(&e);
	mem_free(c);
	if (fill.failed) {
		while (d->nr > had)
			bgp_block_unref(d->blocks[--d->nr].block);
		return -ENOMEM;
	}
	d->cursor = to;
	d->done = to >= end;
	return 0;
}

void
member_dump_start(struct member *m, bool fresh)
{
	struct out_group *g = m->group;
	struct dump *d = g->dump;

	if (!d) {
		d = mem_calloc(1, sizeof(*d));
		if (!d) {
			m->refresh_due = m->state != MEMBER_WAIT;
			rib_hold(g->rib);
			return;
		}
		d->refs = 1;
		d->cursor = 1;
		g->dump = d;
	}
	for (uint32_t n = fresh ? UINT32_MAX : bitset_next(&m->pend, 0); n != UINT32_MAX;
	     n = bitset_next(&m->pend, n + 1))
		bitset_add(&m->had, n);
	d->refs++;
	dump_unref(m->dump);
	if (m->state == MEMBER_WAIT)
		member_count(m);
	m->dump = d;
	m->dump_pos = 0;
	m->fresh = fresh;
	m->state = MEMBER_DUMP;
	m->refresh_due = false;
}

static void
dump_finish(struct member *m)
{
	struct rib *r = m->group->rib;

	dump_unref(m->dump);
	m->dump = NULL;
	m->state = MEMBER_LIVE;
	/* Others may be about to join. */
	timer_set(&r->idle, OUT_DUMP_IDLE_MS);
}

/* Queue blocks while there is room.  True: there is room, and more to be made. */
static bool
dump_serve(struct member *m)
{
	unsigned windows = KICK_WINDOWS;

	while (m->adj->ops.room(m->adj->ops.arg) > 0) {
		struct dump *d = m->dump;

		if (m->dump_pos < d->nr) {
			const struct dump_block *b = &d->blocks[m->dump_pos++];

			if (b->src != m->adj->id && b->nh != m->adj->id)
				member_send(m, b->block);
		} else if (d->done) {
			dump_finish(m);
			return true;
		} else if (!windows--) {
			return true;
		} else if (dump_advance(m->group, d) < 0) {
			rib_hold(m->group->rib);
			return false;
		}
	}
	return false;
}

/* ---- what was noted ---- */

static void
send_one(void *arg, struct bgp_block *b, uint16_t not_src, uint16_t not_nh)
{
	(void)not_src;
	(void)not_nh;
	member_send(arg, b);
}

/* Take up to @max noted nodes; those that need no bytes are done with. */
static size_t
notes_collect(struct member *m, struct change *c, size_t max)
{
	const struct out_group *g = m->group;
	struct view_memo memo = { 0 };
	uint32_t node = 0;
	size_t nr = 0;

	while (nr < max && (node = bitset_next(&m->pend, node)) != UINT32_MAX) {
		uint32_t set = member_view_memo(
		    m, g, umap_get(&g->out, node), (uint16_t)umap_get(&g->src, node), &memo);

		if (set || bitset_has(&m->had, node))
			c[nr++] = (struct change){ .node = node, .set = set };
		else
			member_pend_clear(m, node);
		node++;
	}
	changes_sort(c, nr);
	return nr;
}

/* Tell one batch of what was noted.  -ENOMEM: the rest stays noted. */
static int
notes_serve(struct member *m, size_t room)
{
	size_t max = room / BATCH_BYTES, nr, i;
	struct change *c;
	struct emit e;

	max = max < BATCH_MIN ? BATCH_MIN : max > BATCH_MAX ? BATCH_MAX : max;
	c = mem_calloc(max, sizeof(*c));
	if (!c)
		return -ENOMEM;
	nr = notes_collect(m, c, max);
	emit_begin(&e, m->group, send_one, m);
	for (i = 0; i < nr; i++) {
		if (emit_add(&e, c[i].node, c[i].set, 0, 0) < 0)
			break;
		member_pend_clear(m, c[i].node);
	}
	emit_end(&e);
	mem_free(c);
	return i < nr ? -ENOMEM : 0;
}

/* ---- End-of-RIB ---- */

/* RFC 4724 2, 4.1: once, after the first full set, whatever other peers do. */
static void
eor_serve(struct member *m)
{
	struct out_group *g = m->group;
	struct bgp_block *b;
	struct wire_wr w;

	if (!m->eor_due || !g->rib->ready || !member_is_synced(m) ||
	    rib_is_dirty(g->rib, g->family))
		return;
	b = bgp_block_new(64);
	if (!b) {
		rib_hold(g->rib);
		return;
	}
	w = wire_wr_init(b->data, b->cap);
	bgp_eor_encode(&w, g->family);
	assert(!w.full);
	b->len = (uint32_t)w.len;
	b->nr_messages = 1;
	m->eor_due = false;
	m->adj->counts[g->family].eor_out = true;
	member_send(m, b);
	bgp_block_unref(b);
}

/* ---- route refresh ---- */

static void
refresh_tell(struct member *m, enum bgp_refresh_subtype subtype)
{
	const struct adj_ops *ops = &m->adj->ops;

	if (ops->refresh)
		ops->refresh(ops->arg, m->group->family, (uint8_t)subtype);
	m->refreshing = subtype == BGP_REFRESH_BORR;
}

/* RFC 7313 4: a refresh has its begin and its end, one after the other; with graceful restart the
 * first begin comes after End-of-RIB. */
static bool
refresh_must_wait(const struct member *m)
{
	const struct adj_session *s = &m->adj->session;

	if (!s->enhanced_refresh)
		return false;
	return m->state == MEMBER_WAIT || m->refreshing || (s->gr && m->eor_due);
}

void
member_refresh(struct member *m)
{
	m->refresh_due = false;
	if (m->to || refresh_must_wait(m)) {
		m->refresh_due = true;
		return;
	}
	if (m->state == MEMBER_WAIT)
		return; /* the whole table is what it gets next */
	if (member_reserve(m) < 0) {
		m->refresh_due = true;
		rib_hold(m->group->rib);
		return;
	}
	member_dump_start(m, false);
	if (!m->refresh_due && m->adj->session.enhanced_refresh)
		refresh_tell(m, BGP_REFRESH_BORR);
}

/* RFC 7313 4: all that was to be told has been told. */
static void
refresh_end_serve(struct member *m)
{
	if (m->refreshing && member_is_synced(m))
		refresh_tell(m, BGP_REFRESH_EORR);
}

bool
member_kick(struct member *m)
{
	unsigned batches = KICK_BATCHES;
	size_t room;

	if (m->group->built != UINT32_MAX || m->state == MEMBER_WAIT || m->to)
		return false;
	if (m->refresh_due)
		member_refresh(m);
	if (m->state == MEMBER_DUMP) {
		bool more = dump_serve(m);

		if (m->state == MEMBER_DUMP)
			return more;
	}
	while (m->pend.nr && (room = m->adj->ops.room(m->adj->ops.arg)) > 0) {
		if (!batches--)
			return true;
		if ((m->group->add ? addpath_notes(m, room) : notes_serve(m, room)) < 0) {
			rib_hold(m->group->rib);
			return false;
		}
	}
	if (m->adj->ops.room(m->adj->ops.arg) > 0) {
		eor_serve(m);
		refresh_end_serve(m);
	}
	return m->refresh_due && !refresh_must_wait(m) && !m->group->rib->hold;
}

void
adj_more(struct adj *adj)
{
	for (int f = 0; f < BGP_NR_FAMILIES; f++) {
		if (adj->up && adj->member[f] && member_kick(adj->member[f]))
			work_post(&adj->rib->work);
	}
}
