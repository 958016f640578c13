/*
 * datapath/services_adopt.c: the maps of an earlier process, or of this one before they grew, into
 * the mirror: rows keep their numbers, since flows name them.  Called by services.c when maps come.
 *
 * What they hold is read like a stranger's: a row, key or table word that makes no sense is put
 * right and counted, and nothing in it is used as an index before it was compared with the end.
 * What is sound stays, wanted or not, until the first sync is complete.
 */
#include "datapath/services.h"

#include "lib/log.h"
#include "lib/mem.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static bool
is_sane_key(const struct lb_addr *a, __be16 port, uint8_t proto, uint8_t family)
{
	if (family == 4 && (a->w[1] || a->w[2] || a->w[3]))
		return false;
	if (family != 4 && family != 6)
		return false;
	return port && (proto == IPPROTO_TCP || proto == IPPROTO_UDP || proto == IPPROTO_SCTP);
}

static bool
is_zero(const void *p, size_t size)
{
	const char *b = p;

	return b[0] == 0 && memcmp(b, b + 1, size - 1) == 0;
}

static void
row_enlist(struct sv_rows *r, uint32_t row, uint8_t state)
{
	struct sv_row *at = &r->at[row];

	at->state = state;
	at->counted = true;
	r->held += state >= SV_DYING;
	if (state == SV_LIVE)
		r->live++;
	else
		TAILQ_INSERT_TAIL(state == SV_FREE ? &r->free : &r->dying, at, link);
}

/* ---- backends ---- */

static bool
be_is_sane(const struct lb_be_row *r)
{
	const uint32_t known = LB_BE_LIVE | LB_BE_LOCAL | LB_BE_NODE | LB_BE_TERMINATING;

	return is_sane_key(&r->addr, r->port, r->proto, r->family) && !(r->flags & ~known);
}

/* One row that is live (or, in the second pass, one that is not). */
static int
be_row(struct dp_services *s, uint32_t row, bool live)
{
	struct lb_be_row *r = &s->m->be[row];
	int err = be_is_sane(r) ? sv_be_adopt(s, row, live) : -EEXIST;

	if (err == -ENOMEM)
		return err;
	if (err == 0) {
		row_enlist(&s->be_rows, row, live ? SV_LIVE : SV_DYING);
		return 0;
	}
	if (live) {
		SV_STORE(&r->flags, r->flags & ~(uint32_t)LB_BE_LIVE);
		s->repaired++;
	}
	s->be[row].image = *r;
	row_enlist(&s->be_rows, row, SV_DYING);
	return 0;
}

static int
adopt_backends(struct dp_services *s)
{
	const struct lb_be_row *r = s->m->be;
	uint32_t fresh = s->be_rows.max;

	while (fresh > 0 && is_zero(&r[fresh - 1], sizeof(*r)))
		fresh--;
	s->be_rows.fresh = fresh;
	for (uint32_t row = 0; row < fresh; row++) {
		if ((r[row].flags & LB_BE_LIVE) && be_row(s, row, true) < 0)
			return -ENOMEM;
	}
	for (uint32_t row = 0; row < fresh; row++) {
		/* Those that the first pass took have their state. */
		if (s->be_rows.at[row].counted)
			continue;
		if (is_zero(&r[row], sizeof(*r)))
			row_enlist(&s->be_rows, row, SV_FREE);
		else if (be_row(s, row, false) < 0)
			return -ENOMEM;
	}
	return 0;
}

/* ---- frontends ---- */

static bool
fe_is_sane(const struct lb_fe_row *r)
{
	const uint32_t types =
	    LB_FE_CLUSTER_IP | LB_FE_NODE_PORT | LB_FE_EXTERNAL_IP | LB_FE_LOAD_BALANCER;
	uint32_t type = r->flags & types;

	return is_sane_key(&r->addr, r->port, r->proto, r->family) && type &&
	    !(type & (type - 1)) && !(r->flags & ~(2U * LB_FE_DSR - 1));
}

static struct lb_fe_key
key_of(const struct lb_fe_row *r)
{
	return (struct lb_fe_key){
		.addr = r->addr, .port = r->port, .proto = r->proto, .family = r->family
	};
}

/* A word of the row, or nothing in its place. */
static int
adopt_word(struct dp_services *s, __u64 *word, __u64 *image, struct sv_block **out)
{
	int err;

	if (!*word)
		return 0;
	err = sv_block_adopt(s, *word, out);
	if (err == -ENOMEM)
		return err;
	if (err < 0) {
		SV_STORE(word, 0);
		*image = 0;
		s->repaired++;
	}
	return 0;
}

static int
adopt_frontend(struct dp_services *s, uint32_t row)
{
	struct lb_fe_row *r = &s->m->fe[row];
	struct lb_fe_key key = key_of(r);
	struct sv_fe *fe = sv_fe_get(s, &key);

	if (!fe)
		return -ENOMEM;
	/* Numbers of Services are this process's: the name of another would be told. */
	SV_STORE(&r->service, 0);
	fe->row = row;
	fe->image = *r;
	fe->live = fe->hashed = fe->visible = true;
	s->fe_at[row] = fe;
	sv_filter_add(s, &key.addr, LB_IS_VIP);
	if (r->flags & LB_FE_NODE_PORT)
		fe->vip->nodes++;
	else
		fe->vip->wild++;
	for (unsigned i = 0; i < LB_NR_SCOPES; i++) {
		if (adopt_word(s, &r->table[i], &fe->image.table[i], &fe->table[i]) < 0 ||
		    adopt_word(s, &r->prev[i], &fe->image.prev[i], &fe->prev[i]) < 0)
			return -ENOMEM;
		if (fe->prev[i])
			sv_old_set(s, fe, i);
	}
	row_enlist(&s->fe_rows, row, SV_LIVE);
	return 0;
}

/* Not live, but flows may name it; the same key coming back finds it. */
static int
adopt_dying(struct dp_services *s, uint32_t row)
{
	struct lb_fe_row *r = &s->m->fe[row];
	struct lb_fe_key key = key_of(r);
	struct sv_fe *fe = NULL;

	if (r->flags & LB_FE_LIVE) { /* nobody's key leads here */
		SV_STORE(&r->flags, r->flags & ~(uint32_t)LB_FE_LIVE);
		s->repaired++;
	}
	for (unsigned i = 0; i < LB_NR_SCOPES; i++)
		r->table[i] = r->prev[i] = 0;
	row_enlist(&s->fe_rows, row, SV_DYING);
	if (is_sane_key(&r->addr, r->port, r->proto, r->family)) {
		fe = sv_fe_get(s, &key);
		if (!fe)
			return -ENOMEM;
	}
	if (fe && fe->row == SV_NONE) {
		fe->row = row;
		fe->image = *r;
		s->fe_at[row] = fe;
	}
	return 0;
}

/* Rows in the order of their tables, so that these are reserved in rising order. */
static int
by_table(const void *one, const void *other, void *rows)
{
	const struct lb_fe_row *r = rows, *a = &r[*(const uint32_t *)one],
			       *b = &r[*(const uint32_t *)other];
	uint32_t x = LB_TABLE_OFF(a->table[0]), y = LB_TABLE_OFF(b->table[0]);

	return (x > y) - (x < y);
}

/* Whether the key leads to where it should; a wildcard is taken at once. */
static int
check_key(struct dp_services *s, const struct lb_fe_key *key, uint32_t value)
{
	const struct lb_fe_row *r;
	struct lb_fe_key of;
	struct sv_vip *v;

	if (!key->port && !key->proto) {
		if (value != SV_WILDCARD || (key->family != 4 && key->family != 6))
			return -EBADMSG;
		v = sv_vip_get(s, key);
		if (!v)
			return -ENOMEM;
		v->written = true;
		return 0;
	}
	if (value >= s->fe_rows.max)
		return -EBADMSG;
	r = &s->m->fe[value];
	of = key_of(r);
	if (!(r->flags & LB_FE_LIVE) || !fe_is_sane(r))
		return -EBADMSG;
	return memcmp(&of, key, sizeof(of)) == 0 ? 1 : -EBADMSG;
}

/* Rows that a key leads to, into @rows, which has space for all keys. */
static int
adopt_keys(struct dp_services *s, const struct lb_fe_key *keys, const __u32 *values, size_t nr,
    uint32_t *rows, size_t *nr_rows)
{
	*nr_rows = 0;
	for (size_t i = 0; i < nr; i++) {
		int got = check_key(s, &keys[i], values[i]);

		if (got == -ENOMEM)
			return got;
		if (got < 0) {
			sv_hash_del(s, &keys[i]);
			s->repaired++;
		}
		if (got > 0)
			rows[(*nr_rows)++] = values[i];
	}
	qsort_r(rows, *nr_rows, sizeof(*rows), by_table, s->m->fe);
	return 0;
}

static int
adopt_rows(struct dp_services *s, const uint32_t *rows, size_t nr)
{
	const struct lb_fe_row *r = s->m->fe;
	uint32_t fresh = s->fe_rows.max;

	while (fresh > 0 && is_zero(&r[fresh - 1], sizeof(*r)))
		fresh--;
	s->fe_rows.fresh = fresh;
	for (size_t i = 0; i < nr; i++) {
		if (adopt_frontend(s, rows[i]) < 0)
			return -ENOMEM;
	}
	for (uint32_t row = 0; row < fresh; row++) {
		if (s->fe_rows.at[row].counted)
			continue;
		if (is_zero(&r[row], sizeof(*r)))
			row_enlist(&s->fe_rows, row, SV_FREE);
		else if (adopt_dying(s, row) < 0)
			return -ENOMEM;
	}
	return 0;
}

int
sv_adopt(struct dp_services *s)
{
	struct lb_fe_key *keys;
	size_t nr_rows = 0;
	uint32_t *rows;
	__u32 *values;
	uint64_t before = s->repaired;
	long nr;
	int err;

	err = adopt_backends(s);
	if (err < 0)
		return err;
	nr = sv_hash_read(s, &keys, &values);
	if (nr < 0)
		return (int)nr;
	rows = mem_calloc((size_t)nr, sizeof(*rows));
	err = rows ? adopt_keys(s, keys, values, (size_t)nr, rows, &nr_rows) : -ENOMEM;
	if (!err)
		err = adopt_rows(s, rows, nr_rows);
	mem_free(rows);
	mem_free(keys);
	mem_free(values);
	if (err < 0)
		return err;
	s->leftovers = s->affinity = true;
	s->repaired += sv_audit_filter(s) + sv_audit_ranges(s);
	log_info("lb-maps-adopted", LOG_U("frontends", s->fe_rows.live),
	    LOG_U("backends", s->be_rows.live), LOG_U("repaired", s->repaired - before));
	return 0;
}

void
sv_leftovers(struct dp_services *s)
{
	struct sv_fe *fe, *next;
	struct sv_vip *v, *next_vip;
	uint64_t gone = 0;

	s->leftovers = false;
	for (fe = TAILQ_FIRST(&s->fe_list); fe; fe = next) {
		next = TAILQ_NEXT(fe, link);
		if (!fe->live || fe->claims)
			continue;
		sv_hide(s, fe);
		gone++;
	}
	for (uint32_t row = 0; row < s->be_rows.fresh; row++) {
		if (s->be_rows.at[row].state == SV_LIVE && !s->be[row].refs) {
			sv_be_kill(s, row);
			gone++;
		}
	}
	for (v = TAILQ_FIRST(&s->vip_list); v; v = next_vip) {
		next_vip = TAILQ_NEXT(v, link);
		sv_vip_settle(s, v);
		sv_vip_put(s, v);
	}
	sv_audit_ranges(s); /* those that the frontends had and do not want */
	if (gone)
		log_info("lb-leftovers-removed", LOG_U("rows", gone));
}
