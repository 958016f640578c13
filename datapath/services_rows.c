/*
 * datapath/services_rows.c: rows of backends and frontends, and the addresses of frontends.  Called
 * by what wants (services_want.c), shows (services_show.c) and adopts.
 *
 * A row that is not listed any more is dying: not LIVE, so that the next packet of a client goes
 * elsewhere, but what the backend still says is translated, and its number is not given to another
 * while a flow or an old table may name it.  The same address coming back meanwhile finds its row
 * again.
 */
#include "datapath/services.h"

#include "lib/hash.h"
#include "lib/mem.h"

#include <errno.h>
#include <string.h>

int
sv_rows_init(struct sv_rows *r, uint32_t max)
{
	*r = (struct sv_rows){ .max = max < LB_ROW_MAX ? max : LB_ROW_MAX };
	TAILQ_INIT(&r->free);
	TAILQ_INIT(&r->dying);
	TAILQ_INIT(&r->round);
	TAILQ_INIT(&r->swept);
	r->at = mem_calloc(r->max, sizeof(*r->at));
	return r->at ? 0 : -ENOMEM;
}

void
sv_rows_fini(struct sv_rows *r)
{
	mem_free(r->at);
	*r = (struct sv_rows){ 0 };
}

static struct sv_row_list *
list_of(struct sv_rows *r, uint8_t state)
{
	switch (state) {
	case SV_FREE:
		return &r->free;
	case SV_DYING:
		return &r->dying;
	case SV_ROUND:
		return &r->round;
	case SV_SWEPT:
		return &r->swept;
	default:
		return NULL;
	}
}

static void
move(struct sv_rows *r, struct sv_row *row, uint8_t state)
{
	struct sv_row_list *from = list_of(r, row->state), *to = list_of(r, state);

	if (from)
		TAILQ_REMOVE(from, row, link);
	else
		r->live--;
	if (to)
		TAILQ_INSERT_TAIL(to, row, link);
	else
		r->live++;
	r->held -= row->state >= SV_DYING;
	r->held += state >= SV_DYING;
	row->state = state;
}

uint32_t
sv_rows_take(struct sv_rows *r)
{
	struct sv_row *row = TAILQ_FIRST(&r->free);

	if (!row) {
		if (r->fresh >= r->max)
			return SV_NONE;
		row = &r->at[r->fresh++];
		TAILQ_INSERT_TAIL(&r->free, row, link);
	}
	move(r, row, SV_LIVE);
	return (uint32_t)(row - r->at);
}

void
sv_rows_kill(struct sv_rows *r, uint32_t row)
{
	r->at[row].counted = true;
	move(r, &r->at[row], SV_DYING);
}

void
sv_rows_revive(struct sv_rows *r, uint32_t row)
{
	move(r, &r->at[row], SV_LIVE);
}

void
sv_rows_free(struct sv_rows *r, uint32_t row)
{
	move(r, &r->at[row], SV_FREE);
}

/* ---- keys ---- */

uint32_t
sv_key_hash(const struct lb_fe_key *k)
{
	uint64_t a, b;
	uint32_t c;

	memcpy(&a, k, sizeof(a));
	memcpy(&b, (const char *)k + 8, sizeof(b));
	memcpy(&c, (const char *)k + 16, sizeof(c));
	return (uint32_t)hash_mix(hash_mix(hash_mix(a ^ hash_secret()) + b) + c);
}

static bool
be_is(const void *thing, const void *key)
{
	return memcmp(&((const struct sv_be *)thing)->key, key, sizeof(struct lb_fe_key)) == 0;
}

static bool
fe_is(const void *thing, const void *key)
{
	return memcmp(&((const struct sv_fe *)thing)->key, key, sizeof(struct lb_fe_key)) == 0;
}

static bool
vip_is(const void *thing, const void *key)
{
	return memcmp(&((const struct sv_vip *)thing)->key, key, sizeof(struct lb_fe_key)) == 0;
}

/* ---- backends ---- */

struct sv_be *
sv_be_find(const struct dp_services *s, const struct lb_fe_key *key)
{
	return sv_index_find(&s->bes, sv_key_hash(key), be_is, key);
}

static uint32_t
row_of(const struct dp_services *s, const struct sv_be *be)
{
	return (uint32_t)(be - s->be);
}

/* On or off the list of those that devices have to be found for. */
static void
be_locality(struct dp_services *s, struct sv_be *be)
{
	bool is = (be->image.flags & (LB_BE_LIVE | LB_BE_LOCAL | LB_BE_NODE)) ==
	    (LB_BE_LIVE | LB_BE_LOCAL);

	if (is == be->is_local)
		return;
	if (is)
		LIST_INSERT_HEAD(&s->locals, be, local);
	else
		LIST_REMOVE(be, local);
	be->is_local = is;
	s->local_changed = true;
}

/* The row after a change of who lists it. */
static void
be_count(struct dp_services *s, struct sv_be *be)
{
	struct lb_be_row *row = &s->m->be[row_of(s, be)];
	uint32_t flags = be->image.flags & ~(uint32_t)LB_BE_TERMINATING;

	if (!be->taken)
		flags |= LB_BE_TERMINATING;
	if (be->image.flags != flags) {
		be->image.flags = flags;
		SV_STORE(&row->flags, flags);
	}
}

/* The whole row: all but the flags, then these. */
static void
be_write(struct dp_services *s, struct sv_be *be)
{
	struct lb_be_row *row = &s->m->be[row_of(s, be)];
	struct lb_be_row dark = be->image;

	dark.flags = 0;
	*row = dark;
	SV_STORE(&row->flags, be->image.flags);
}

static uint32_t
be_flags(const struct dp_backend *b)
{
	return (uint32_t)LB_BE_LIVE | (b->local ? (uint32_t)LB_BE_LOCAL : 0) |
	    (b->host ? (uint32_t)LB_BE_NODE : 0);
}

/* A row for an address that has none, complete but not LIVE.  NULL: no row; memory is there. */
static struct sv_be *
be_new(struct dp_services *s, const struct lb_fe_key *key, const struct addr *ip, uint16_t port)
{
	uint32_t row = sv_rows_take(&s->be_rows);
	struct sv_be *be;

	if (row == SV_NONE)
		return NULL;
	be = &s->be[row];
	if (s->be_rows.at[row].counted)
		sv_counts_clear(s, DP_MAP_BE_COUNTS, row);
	s->be_rows.at[row].counted = false;
	/* An adopted table may list a row that was nobody's: its pins stay. */
	*be = (struct sv_be){ .hash = sv_key_hash(key), .key = *key, .pins = be->pins };
	be->order = maglev_key(ip, port, key->proto);
	be->image = (struct lb_be_row){
		.addr = key->addr, .port = key->port, .proto = key->proto, .family = key->family
	};
	sv_index_add(&s->bes, be);
	sv_filter_add(s, &be->key.addr, LB_IS_BACKEND);
	return be;
}

/* What is known of the address now, into the image; writes what of a live row is different. */
static void
be_describe(struct dp_services *s, struct sv_be *be, const struct dp_backend *b)
{
	uint32_t row = row_of(s, be), flags = be_flags(b);
	bool was_live = be->image.flags & LB_BE_LIVE;
	struct lb_addr node = { { 0 } };

	if (addr_is_set(&b->node_ip))
		node = lb_addr_of(&b->node_ip);
	if (!was_live) {
		if (s->be_rows.at[row].state != SV_LIVE)
			sv_rows_revive(&s->be_rows, row);
		be->image.node = node;
		be->image.flags = flags | (be->taken ? 0 : (uint32_t)LB_BE_TERMINATING);
		be_write(s, be);
	} else {
		if (memcmp(&be->image.node, &node, sizeof(node)) != 0) {
			be->image.node = node;
			s->m->be[row].node = node;
		}
		flags |= be->image.flags & (uint32_t)LB_BE_TERMINATING;
		if (be->image.flags != flags) {
			be->image.flags = flags;
			SV_STORE(&s->m->be[row].flags, flags);
		}
		be_count(s, be);
	}
	be_locality(s, be);
}

int
sv_be_ref(struct dp_services *s, const struct dp_backend *b, uint8_t proto, uint32_t *row)
{
	struct lb_fe_key key = sv_key(&b->ip, b->port, proto);
	struct sv_be *be = sv_be_find(s, &key);

	if (!be) {
		if (sv_index_reserve(&s->bes, 1) < 0)
			return -ENOMEM;
		be = be_new(s, &key, &b->ip, b->port);
		if (!be)
			return -ENOSPC;
	}
	be->refs++;
	be->taken += b->external || b->internal;
	be_describe(s, be, b);
	*row = row_of(s, be);
	return 0;
}

/* Back to where anybody may have the number. */
static void
be_gone(struct dp_services *s, uint32_t row)
{
	struct sv_be *be = &s->be[row];

	if (be->key.family) { /* else it was never anything that could be read */
		sv_index_del(&s->bes, be);
		sv_filter_del(s, &be->key.addr, LB_IS_BACKEND);
	}
	*be = (struct sv_be){ .pins = be->pins };
	s->m->be[row] = (struct lb_be_row){ 0 };
	sv_rows_free(&s->be_rows, row);
}

void
sv_be_kill(struct dp_services *s, uint32_t row)
{
	struct sv_be *be = &s->be[row];

	be->image.flags &= ~(uint32_t)LB_BE_LIVE;
	SV_STORE(&s->m->be[row].flags, be->image.flags);
	sv_rows_kill(&s->be_rows, row);
	be_locality(s, be);
	if (s->on_gone && be->key.proto == IPPROTO_UDP)
		s->on_gone(s->gone_arg, &be->image, row);
}

void
sv_be_unref(struct dp_services *s, uint32_t row, bool taken)
{
	struct sv_be *be = &s->be[row];

	be->refs--;
	be->taken -= taken;
	if (be->refs)
		be_count(s, be);
	else
		sv_be_kill(s, row);
}

void
sv_be_unpin(struct dp_services *s, uint32_t row)
{
	s->be[row].pins--;
	if (!s->be[row].pins && s->be_rows.at[row].state == SV_SWEPT)
		be_gone(s, row);
}

int
sv_be_adopt(struct dp_services *s, uint32_t row, bool live)
{
	struct sv_be *be = &s->be[row];
	struct lb_be_row *r = &s->m->be[row];
	struct lb_fe_key key = {
		.addr = r->addr, .port = r->port, .proto = r->proto, .family = r->family
	};
	struct addr ip;

	if (sv_be_find(s, &key))
		return -EEXIST;
	if (sv_index_reserve(&s->bes, 1) < 0)
		return -ENOMEM;
	ip = sv_addr(&key.addr, key.family);
	*be =
	    (struct sv_be){ .hash = sv_key_hash(&key), .key = key, .pins = be->pins, .image = *r };
	be->order = maglev_key(&ip, __builtin_bswap16(key.port), key.proto);
	sv_index_add(&s->bes, be);
	sv_filter_add(s, &key.addr, LB_IS_BACKEND);
	if (live)
		be_locality(s, be);
	return 0;
}

/* ---- frontends and their addresses ---- */

struct sv_vip *
sv_vip_get(struct dp_services *s, const struct lb_fe_key *of)
{
	struct lb_fe_key key = { .addr = of->addr, .family = of->family };
	uint32_t hash = sv_key_hash(&key);
	struct sv_vip *v = sv_index_find(&s->vips, hash, vip_is, &key);

	if (v)
		return v;
	if (sv_index_reserve(&s->vips, 1) < 0)
		return NULL;
	v = mem_calloc(1, sizeof(*v));
	if (!v)
		return NULL;
	*v = (struct sv_vip){ .hash = hash, .key = key };
	sv_index_add(&s->vips, v);
	TAILQ_INSERT_TAIL(&s->vip_list, v, link);
	return v;
}

void
sv_vip_put(struct dp_services *s, struct sv_vip *v)
{
	if (v->refs || v->written)
		return;
	sv_index_del(&s->vips, v);
	TAILQ_REMOVE(&s->vip_list, v, link);
	mem_free(v);
}

struct sv_fe *
sv_fe_find(const struct dp_services *s, const struct lb_fe_key *key)
{
	return sv_index_find(&s->fes, sv_key_hash(key), fe_is, key);
}

struct sv_fe *
sv_fe_get(struct dp_services *s, const struct lb_fe_key *key)
{
	struct sv_fe *fe = sv_fe_find(s, key);

	if (fe)
		return fe;
	if (sv_index_reserve(&s->fes, 1) < 0)
		return NULL;
	fe = mem_calloc(1, sizeof(*fe));
	if (!fe)
		return NULL;
	*fe = (struct sv_fe){ .hash = sv_key_hash(key), .row = SV_NONE, .key = *key };
	fe->vip = sv_vip_get(s, key);
	if (!fe->vip) {
		mem_free(fe);
		return NULL;
	}
	fe->vip->refs++;
	for (unsigned i = 0; i < LB_NR_SCOPES; i++)
		fe->old[i].fe = fe;
	sv_index_add(&s->fes, fe);
	TAILQ_INSERT_TAIL(&s->fe_list, fe, link);
	return fe;
}

void
sv_fe_tidy(struct dp_services *s, struct sv_fe *fe)
{
	if (fe->refs || fe->row != SV_NONE)
		return;
	sv_index_del(&s->fes, fe);
	TAILQ_REMOVE(&s->fe_list, fe, link);
	fe->vip->refs--;
	sv_vip_put(s, fe->vip);
	mem_free(fe);
}

static void
fe_gone(struct dp_services *s, uint32_t row)
{
	struct sv_fe *fe = s->fe_at[row];

	s->m->fe[row] = (struct lb_fe_row){ 0 };
	s->fe_at[row] = NULL;
	sv_rows_free(&s->fe_rows, row);
	if (fe) {
		fe->row = SV_NONE;
		fe->image = (struct lb_fe_row){ 0 };
		sv_fe_tidy(s, fe);
	}
}

/* ---- what the sweep asks and tells ---- */

static bool
is_beyond(const struct sv_rows *r, uint32_t row, enum sv_row_state state)
{
	return row < r->fresh && r->at[row].state >= state;
}

bool
services_is_dying_be(const struct dp_services *s, uint32_t row)
{
	return s->m && is_beyond(&s->be_rows, row, SV_DYING);
}

bool
services_is_dying_fe(const struct dp_services *s, uint32_t row)
{
	return s->m && is_beyond(&s->fe_rows, row, SV_DYING);
}

bool
services_is_ending_be(const struct dp_services *s, uint32_t row)
{
	return s->m && is_beyond(&s->be_rows, row, SV_ROUND);
}

bool
services_is_ending_fe(const struct dp_services *s, uint32_t row)
{
	return s->m && is_beyond(&s->fe_rows, row, SV_ROUND);
}

bool
services_has_dying(const struct dp_services *s)
{
	return s->m &&
	    (!TAILQ_EMPTY(&s->be_rows.dying) || !TAILQ_EMPTY(&s->fe_rows.dying) ||
		!TAILQ_EMPTY(&s->be_rows.round) || !TAILQ_EMPTY(&s->fe_rows.round));
}

static bool
is_short(const struct sv_rows *r)
{
	return r->held > (r->max - r->live) / 2;
}

bool
services_is_short(const struct dp_services *s)
{
	return s->m && (is_short(&s->be_rows) || is_short(&s->fe_rows));
}

static void
round_begin(struct sv_rows *r)
{
	struct sv_row *row;

	while ((row = TAILQ_FIRST(&r->dying)))
		move(r, row, SV_ROUND);
}

void
services_dying_begin(struct dp_services *s)
{
	if (!s->m)
		return;
	round_begin(&s->be_rows);
	round_begin(&s->fe_rows);
}

void
services_dying_end(struct dp_services *s)
{
	struct sv_row *row;

	if (!s->m)
		return;
	if (s->affinity && (!TAILQ_EMPTY(&s->be_rows.round) || !TAILQ_EMPTY(&s->fe_rows.round)))
		sv_affinity_purge(s);
	while ((row = TAILQ_FIRST(&s->be_rows.round))) {
		uint32_t at = (uint32_t)(row - s->be_rows.at);

		if (s->be[at].pins)
			move(&s->be_rows, row, SV_SWEPT);
		else
			be_gone(s, at);
	}
	while ((row = TAILQ_FIRST(&s->fe_rows.round)))
		fe_gone(s, (uint32_t)(row - s->fe_rows.at));
}
