/*
 * datapath/services_audit.c: what the maps hold against the mirror, and put right.  Called every
 * minute, and where maps were adopted.
 *
 * Whoever may write to the maps can make them wrong: another program, a fault of ours.  Rows, keys
 * and filter are compared word by word; tables by a sum, since a copy of them would be as large as
 * they are.
 */
#include "datapath/services.h"

#include "lib/mem.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <string.h>

/* How many words of 32 bits differ. */
static uint64_t
differ(const void *a, const void *b, size_t size)
{
	const uint32_t *x = a, *y = b;
	uint64_t nr = 0;

	if (memcmp(a, b, size) == 0)
		return 0;
	for (size_t i = 0; i < size / sizeof(*x); i++)
		nr += x[i] != y[i];
	return nr;
}

/* ---- rows ---- */

static uint64_t
audit_backends(struct dp_services *s)
{
	uint64_t words = 0;

	for (uint32_t row = 0; row < s->be_rows.fresh; row++) {
		struct lb_be_row *r = &s->m->be[row], dark = s->be[row].image;
		uint64_t wrong = differ(r, &dark, sizeof(*r));

		if (!wrong)
			continue;
		words += wrong;
		dark.flags = 0;
		*r = dark;
		SV_STORE(&r->flags, s->be[row].image.flags);
	}
	return words;
}

static uint64_t
audit_frontends(struct dp_services *s)
{
	uint64_t words = 0;

	for (uint32_t row = 0; row < s->fe_rows.fresh; row++) {
		struct lb_fe_row *r = &s->m->fe[row], dark = { 0 };
		uint32_t flags = 0;
		uint64_t wrong;

		if (s->fe_at[row]) {
			dark = s->fe_at[row]->image;
			flags = dark.flags;
		} else if (s->fe_rows.at[row].state != SV_FREE && !(r->flags & LB_FE_LIVE)) {
			continue; /* it was garbage when it was adopted, and waits for the sweep */
		}
		wrong = differ(r, &dark, sizeof(*r));
		if (!wrong)
			continue;
		words += wrong;
		/* A live row stays live meanwhile: rather half right than gone. */
		dark.flags = flags;
		*r = dark;
		SV_STORE(&r->flags, flags);
	}
	return words;
}

static uint64_t
audit_blocks(struct dp_services *s)
{
	struct sv_block *b;
	uint64_t words = 0;

	TAILQ_FOREACH (b, &s->block_list, link)
		words += sv_block_repair(s, b);
	return words;
}

/* ---- keys ---- */

static bool
vip_is(const void *thing, const void *key)
{
	return memcmp(&((const struct sv_vip *)thing)->key, key, sizeof(struct lb_fe_key)) == 0;
}

/* The value that the key should have; false: it should not be there. */
static bool
key_value(struct dp_services *s, const struct lb_fe_key *key, uint32_t *value)
{
	struct sv_fe *fe = sv_fe_find(s, key);
	struct sv_vip *v;

	if (fe && fe->hashed) {
		fe->seen = s->audit_round;
		*value = fe->row;
		return true;
	}
	v = sv_index_find(&s->vips, sv_key_hash(key), vip_is, key);
	if (!v || !v->written)
		return false;
	v->seen = true;
	*value = SV_WILDCARD;
	return true;
}

static uint64_t
key_write(struct dp_services *s, const struct lb_fe_key *key, uint32_t value)
{
	return bpf_map_update_elem(s->m->fd[DP_MAP_FRONTENDS], key, &value, BPF_ANY) == 0;
}

static uint64_t
audit_keys(struct dp_services *s)
{
	struct lb_fe_key *keys;
	uint64_t words = 0;
	struct sv_vip *v;
	struct sv_fe *fe;
	__u32 *values;
	long nr = sv_hash_read(s, &keys, &values);

	if (nr < 0)
		return 0; /* the next round */
	s->audit_round++;
	TAILQ_FOREACH (v, &s->vip_list, link)
		v->seen = false;
	for (long i = 0; i < nr; i++) {
		uint32_t value;

		if (!key_value(s, &keys[i], &value))
			words += sv_hash_del(s, &keys[i]) == 0;
		else if (value != values[i])
			words += key_write(s, &keys[i], value);
	}
	TAILQ_FOREACH (fe, &s->fe_list, link) {
		if (fe->hashed && fe->seen != s->audit_round)
			words += key_write(s, &fe->key, fe->row);
	}
	TAILQ_FOREACH (v, &s->vip_list, link) {
		if (v->written && !v->seen)
			words += key_write(s, &v->key, SV_WILDCARD);
	}
	mem_free(keys);
	mem_free(values);
	return words;
}

/* ---- the filter ---- */

uint64_t
sv_audit_filter(struct dp_services *s)
{
	uint64_t words = 0;

	for (uint32_t i = 0; i < LB_FILTER_SIZE; i++) {
		uint8_t want = (uint8_t)((s->filter[i].vip ? LB_IS_VIP : 0) |
		    (s->filter[i].backend ? LB_IS_BACKEND : 0));
		uint8_t ours = LB_IS_VIP | LB_IS_BACKEND;
		uint8_t has = __atomic_load_n(&s->m->filter[i], __ATOMIC_RELAXED) & ours;

		if (has == want)
			continue;
		/* Set before cleared, and the bit of links left as it is. */
		__atomic_fetch_or(&s->m->filter[i], want, __ATOMIC_RELEASE);
		__atomic_fetch_and(&s->m->filter[i], (uint8_t) ~(has & ~want), __ATOMIC_RELEASE);
		words++;
	}
	return words;
}

/* ---- source ranges ---- */

/* Whose set it is; true: the key may stay.  An adopted frontend's may, until it is known. */
static bool
range_is_wanted(struct dp_services *s, const struct lb_range_key *key, struct sv_fe **of)
{
	uint32_t set = key->set & ~LB_RANGES_V6;
	bool v6 = key->set & LB_RANGES_V6;
	struct prefix p = { .addr = sv_addr(&key->addr, v6 ? 6 : 4) };
	struct sv_fe *fe;

	*of = NULL;
	if (key->prefixlen < 32 || key->prefixlen > 32u + (v6 ? 128 : 32))
		return false;
	p.len = (uint8_t)(key->prefixlen - 32);
	if (set == LB_RANGES_CLUSTER)
		return sv_cluster_have(s->cluster, s->nr_cluster, &p);
	fe = set - 1 < s->fe_rows.fresh ? s->fe_at[set - 1] : NULL;
	if (!fe || !fe->live)
		return false;
	if (!fe->shown)
		return fe->image.flags & LB_FE_SOURCE_RANGES;
	*of = fe;
	return sv_ranges_have(fe->shown->f.ranges, fe->shown->f.nr_ranges, &p);
}

static uint64_t
ranges_write(struct dp_services *s, uint32_t set, const struct prefix *p, size_t nr)
{
	const __u32 one = 1;
	uint64_t words = 0;

	for (size_t i = 0; i < nr; i++) {
		struct lb_range_key key = sv_range_key(set, &p[i]);

		words +=
		    bpf_map_update_elem(s->m->fd[DP_MAP_SRC_RANGES], &key, &one, BPF_NOEXIST) == 0;
	}
	return words;
}

static size_t
distinct(const struct prefix *p, size_t nr)
{
	size_t n = 0;

	for (size_t i = 0; i < nr; i++)
		n += !sv_ranges_have(p, i, &p[i]);
	return n;
}

uint64_t
sv_audit_ranges(struct dp_services *s)
{
	struct lb_range_key *keys;
	uint64_t words = 0, cluster = 0;
	struct sv_fe *fe;
	long nr = sv_ranges_read(s, &keys);

	if (nr < 0)
		return 0;
	TAILQ_FOREACH (fe, &s->fe_list, link)
		fe->ranges_seen = 0;
	for (long i = 0; i < nr; i++) {
		if (!range_is_wanted(s, &keys[i], &fe)) {
			bpf_map_delete_elem(s->m->fd[DP_MAP_SRC_RANGES], &keys[i]);
			words++;
		} else if (fe) {
			fe->ranges_seen++;
		} else {
			cluster += (keys[i].set & ~LB_RANGES_V6) == LB_RANGES_CLUSTER;
		}
	}
	mem_free(keys);
	if (cluster != s->nr_cluster)
		words += ranges_write(s, LB_RANGES_CLUSTER, s->cluster, s->nr_cluster);
	TAILQ_FOREACH (fe, &s->fe_list, link) {
		if (!fe->live || !fe->shown || !fe->shown->f.nr_ranges)
			continue;
		if (fe->ranges_seen != distinct(fe->shown->f.ranges, fe->shown->f.nr_ranges))
			words += ranges_write(
			    s, fe->row + 1, fe->shown->f.ranges, fe->shown->f.nr_ranges);
	}
	return words;
}

uint64_t
sv_audit_maps(struct dp_services *s)
{
	/* Backends before tables before frontends before keys, as they are written. */
	uint64_t words = audit_backends(s) + audit_blocks(s);

	words += audit_frontends(s);
	words += sv_audit_ranges(s);
	words += audit_keys(s);
	return words + sv_audit_filter(s);
}
