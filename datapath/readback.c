/*
 * datapath/readback.c: what the maps hold, told to people (`heraldctl lb list`, `lb maglev`).  Read
 * from the kernel's maps, not from the mirror, so that a drift shows; names come from the mirror.
 */
#include "datapath/services.h"

#include "lib/mem.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* A table as it lies in the map; false: the word makes no sense, or there is none. */
struct view {
	const uint64_t *words;
	const uint32_t *rows; /* the same, as its first part is read */
	uint32_t nr, nr_slots;
};

static bool
view_of(const struct dp_services *s, uint64_t word, struct view *v)
{
	uint32_t total = s->m->nr[DP_MAP_TABLES], off = LB_TABLE_OFF(word), words;

	v->nr = LB_TABLE_NR(word);
	v->nr_slots = LB_TABLE_SLOTS(word);
	words = LB_TABLE_WORDS(v->nr_slots, v->nr);
	if (!v->nr || !v->nr_slots || words > total || off > total - words)
		return false;
	v->words = s->m->tables + off;
	v->rows = (const uint32_t *)v->words;
	return true;
}

/* The row in a slot; SV_NONE: it makes no sense. */
static uint32_t
view_row(const struct view *v, uint32_t slot)
{
	uint32_t i = lb_slot_in(v->words[lb_slot_word(slot, v->nr)], slot, v->nr);

	return i < v->nr ? v->rows[i] : SV_NONE;
}

/* ---- all frontends ---- */

struct seen_key {
	struct addr ip;
	uint16_t port;
	uint8_t proto;
	uint32_t row;
};

struct reading {
	struct dp_services *s;
	struct seen_key *keys;
	size_t nr_keys;
	struct lb_range_key *ranges;
	size_t nr_ranges;
	struct lb_count *fe_counts, *be_counts;
	uint32_t *where; /* by backend row: its place in `backends` and one more; 0: not there */
	struct dp_seen_backend *backends;
	size_t nr, cap;
	struct prefix *prefixes;
	size_t cap_prefixes;
};

static int
key_cmp(const void *one, const void *other)
{
	const struct seen_key *a = one, *b = other;
	int cmp = addr_cmp(&a->ip, &b->ip);

	if (cmp)
		return cmp;
	if (a->port != b->port)
		return a->port < b->port ? -1 : 1;
	return (a->proto > b->proto) - (a->proto < b->proto);
}

static int
range_cmp(const void *one, const void *other)
{
	const struct lb_range_key *a = one, *b = other;
	uint32_t x = a->set & ~LB_RANGES_V6, y = b->set & ~LB_RANGES_V6;

	if (x != y)
		return x < y ? -1 : 1;
	return memcmp(a, b, sizeof(*a));
}

static int
read_keys(struct reading *r)
{
	struct lb_fe_key *keys;
	__u32 *values;
	long nr = sv_hash_read(r->s, &keys, &values);

	if (nr < 0)
		return (int)nr;
	r->keys = mem_calloc((size_t)nr, sizeof(*r->keys));
	for (long i = 0; r->keys && i < nr; i++) {
		if ((!keys[i].port && !keys[i].proto) || values[i] >= r->s->m->nr[DP_MAP_FE_ROWS])
			continue;
		r->keys[r->nr_keys++] = (struct seen_key){ sv_addr(&keys[i].addr, keys[i].family),
			__builtin_bswap16(keys[i].port), keys[i].proto, values[i] };
	}
	mem_free(keys);
	mem_free(values);
	if (!r->keys)
		return -ENOMEM;
	qsort(r->keys, r->nr_keys, sizeof(*r->keys), key_cmp);
	return 0;
}

static int
read_rest(struct reading *r)
{
	struct dp_services *s = r->s;
	uint32_t nr_fe = s->m->nr[DP_MAP_FE_ROWS], nr_be = s->m->nr[DP_MAP_BE_ROWS];
	long nr = sv_ranges_read(s, &r->ranges);
	int err;

	if (nr < 0)
		return (int)nr;
	r->nr_ranges = (size_t)nr;
	if (nr)
		qsort(r->ranges, r->nr_ranges, sizeof(*r->ranges), range_cmp);
	r->fe_counts = mem_calloc(nr_fe, sizeof(*r->fe_counts));
	r->be_counts = mem_calloc(nr_be, sizeof(*r->be_counts));
	r->where = mem_calloc(nr_be, sizeof(*r->where));
	if (!r->fe_counts || !r->be_counts || !r->where)
		return -ENOMEM;
	err = sv_counts_read(s, DP_MAP_FE_COUNTS, 0, s->fe_rows.fresh, r->fe_counts);
	if (err < 0)
		return err;
	return sv_counts_read(s, DP_MAP_BE_COUNTS, 0, s->be_rows.fresh, r->be_counts);
}

static struct dp_counts
counts_of(const struct lb_count *c)
{
	return (struct dp_counts){ c->packets, c->bytes, c->flows };
}

/* The backend in the list of this frontend; NULL: no memory. */
static struct dp_seen_backend *
backend_at(struct reading *r, uint32_t row)
{
	const struct lb_be_row *b = &r->s->m->be[row];
	struct dp_seen_backend *out;

	if (r->where[row])
		return &r->backends[r->where[row] - 1];
	if (mem_grow((void **)&r->backends, &r->cap, r->nr, sizeof(*r->backends), 0) < 0)
		return NULL;
	out = &r->backends[r->nr++];
	*out = (struct dp_seen_backend){
		.ip = sv_addr(&b->addr, b->family),
		.port = __builtin_bswap16(b->port),
		.row = row,
		.live = b->flags & LB_BE_LIVE,
		.local = b->flags & LB_BE_LOCAL,
		.terminating = b->flags & LB_BE_TERMINATING,
		.node = "",
		.counts = counts_of(&r->be_counts[row]),
	};
	r->where[row] = (uint32_t)r->nr;
	return out;
}

static int
read_table(struct reading *r, uint64_t word, unsigned scope)
{
	struct view v;

	if (!view_of(r->s, word, &v))
		return 0;
	for (uint32_t i = 0; i < v.nr; i++) {
		if (v.rows[i] < r->s->m->nr[DP_MAP_BE_ROWS] && !backend_at(r, v.rows[i]))
			return -ENOMEM;
	}
	for (uint32_t i = 0; i < v.nr_slots; i++) {
		uint32_t row = view_row(&v, i);

		if (row < r->s->m->nr[DP_MAP_BE_ROWS])
			r->backends[r->where[row] - 1].slots[scope]++;
	}
	return 0;
}

/* Names, and backends that are in no table but keep their flows. */
static int
read_names(struct reading *r, const struct sv_list *l)
{
	for (uint32_t i = 0; i < l->nr; i++) {
		struct dp_seen_backend *b;

		if (l->rows[i] == SV_NONE)
			continue;
		b = backend_at(r, l->rows[i]);
		if (!b)
			return -ENOMEM;
		b->node = l->b[i].node;
	}
	return 0;
}

static long
read_ranges(struct reading *r, uint32_t row)
{
	size_t lo = 0, hi = r->nr_ranges, nr = 0;

	while (lo < hi) { /* the first of the set */
		size_t mid = (lo + hi) / 2;

		if ((r->ranges[mid].set & ~LB_RANGES_V6) < row + 1)
			lo = mid + 1;
		else
			hi = mid;
	}
	for (; lo < r->nr_ranges && (r->ranges[lo].set & ~LB_RANGES_V6) == row + 1; lo++) {
		const struct lb_range_key *k = &r->ranges[lo];

		if (mem_grow((void **)&r->prefixes, &r->cap_prefixes, nr, sizeof(*r->prefixes), 0) <
		    0)
			return -ENOMEM;
		r->prefixes[nr++] = (struct prefix){
			.addr = sv_addr(&k->addr, k->set & LB_RANGES_V6 ? 6 : 4),
			.len = (uint8_t)(k->prefixlen - 32),
		};
	}
	return (long)nr;
}

static int
read_frontend(struct reading *r, const struct seen_key *key, struct dp_seen_frontend *out)
{
	const struct lb_fe_row row = r->s->m->fe[key->row];
	const struct sv_fe *fe = key->row < r->s->fe_rows.fresh ? r->s->fe_at[key->row] : NULL;
	const struct sv_wfe *shown = fe ? fe->shown : NULL;
	long nr_ranges;

	for (size_t i = 0; i < r->nr; i++)
		r->where[r->backends[i].row] = 0;
	r->nr = 0;
	*out = (struct dp_seen_frontend){ .ip = key->ip,
		.port = key->port,
		.proto = key->proto,
		.row = key->row,
		.flags = row.flags,
		.service = row.service,
		.service_name = shown ? shown->service->name : "",
		.affinity_s = row.affinity_s,
		.counts = counts_of(&r->fe_counts[key->row]) };
	for (unsigned scope = 0; scope < LB_NR_SCOPES; scope++) {
		out->slots[scope] = LB_TABLE_SLOTS(row.table[scope]);
		if (read_table(r, row.table[scope], scope) < 0)
			return -ENOMEM;
	}
	if (shown && read_names(r, shown->list) < 0)
		return -ENOMEM;
	nr_ranges = read_ranges(r, key->row);
	if (nr_ranges < 0)
		return (int)nr_ranges;
	out->ranges = r->prefixes;
	out->nr_ranges = (size_t)nr_ranges;
	out->backends = r->backends;
	out->nr_backends = r->nr;
	return 0;
}

int
services_frontends_each(
    struct dp_services *s, bool (*each)(void *, const struct dp_seen_frontend *), void *arg)
{
	struct reading r = { .s = s };
	int err;

	if (!s->m)
		return -ENODEV;
	sv_flush(s);
	err = read_keys(&r);
	if (!err)
		err = read_rest(&r);
	for (size_t i = 0; !err && i < r.nr_keys; i++) {
		struct dp_seen_frontend fe;

		err = read_frontend(&r, &r.keys[i], &fe);
		if (!err && !each(arg, &fe))
			break;
	}
	mem_free(r.keys);
	mem_free(r.ranges);
	mem_free(r.fe_counts);
	mem_free(r.be_counts);
	mem_free(r.where);
	mem_free(r.backends);
	mem_free(r.prefixes);
	return err;
}

/* ---- what each carried, slice by slice ---- */

static void
tell_count(const struct dp_services *s, uint32_t row, const struct lb_count *c,
    void (*each)(void *, const struct dp_seen_count *), void *arg)
{
	const struct lb_fe_row *fe = &s->m->fe[row];
	const struct sv_wfe *shown = s->fe_at[row] ? s->fe_at[row]->shown : NULL;
	const struct dp_seen_count seen = { .row = row,
		.ip = sv_addr(&fe->addr, fe->family),
		.port = __builtin_bswap16(fe->port),
		.proto = fe->proto,
		.service_name = shown ? shown->service->name : "",
		.counts = counts_of(c) };

	if (fe->flags & LB_FE_LIVE)
		each(arg, &seen);
}

int
services_counts_each(struct dp_services *s, uint32_t *row, uint32_t max,
    void (*each)(void *, const struct dp_seen_count *), void *arg)
{
	struct lb_count *counts;
	uint32_t end;
	int err;

	if (!s->m)
		return -ENODEV;
	end = s->fe_rows.fresh < s->m->nr[DP_MAP_FE_ROWS] ? s->fe_rows.fresh
							  : s->m->nr[DP_MAP_FE_ROWS];
	if (*row >= end)
		return 0;
	if (max > end - *row)
		max = end - *row;
	counts = mem_calloc(max, sizeof(*counts));
	if (!counts)
		return -ENOMEM;
	err = sv_counts_read(s, DP_MAP_FE_COUNTS, *row, max, counts);
	for (uint32_t i = 0; !err && i < max; i++)
		tell_count(s, *row + i, &counts[i], each, arg);
	mem_free(counts);
	*row += max;
	if (err < 0)
		return err;
	return *row < end;
}

/* ---- one table ---- */

long
services_slots(struct dp_services *s, const struct addr *ip, uint16_t port, uint8_t proto,
    unsigned scope, uint32_t **out)
{
	struct lb_fe_key key = sv_key(ip, port, proto);
	struct view v;
	uint32_t row;

	*out = NULL;
	if (!s->m)
		return -ENODEV;
	sv_flush(s);
	if (scope >= LB_NR_SCOPES || !port || !proto ||
	    bpf_map_lookup_elem(s->m->fd[DP_MAP_FRONTENDS], &key, &row) < 0 ||
	    row >= s->m->nr[DP_MAP_FE_ROWS])
		return -ENOENT;
	if (!view_of(s, s->m->fe[row].table[scope], &v))
		return 0;
	*out = mem_calloc(v.nr_slots, sizeof(**out));
	if (!*out)
		return -ENOMEM;
	for (uint32_t i = 0; i < v.nr_slots; i++)
		(*out)[i] = view_row(&v, i);
	return (long)v.nr_slots;
}
