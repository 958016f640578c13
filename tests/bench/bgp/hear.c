/*
 * tests/bench/bgp/hear.c: an UPDATE into the table of the session that heard it: which set each prefix
 * has, judged by the attributes as a sink should see them.  Between session.c and the comparison.
 */
#include <stdlib.h>
#include <string.h>

#include "tests/bench/bgp/gun.h"

void
tables_make(struct session *p)
{
	for (int f = 0; f < NR_FAMILIES; f++) {
		p->tab[f] = (struct table){ .nr = p->gun->want[f].nr };
		if (p->tab[f].nr)
			p->tab[f].at = calloc(p->tab[f].nr, sizeof(uint32_t));
		if (p->tab[f].nr && !p->tab[f].at)
			fatal("memory");
	}
}

void
tables_clear(struct session *p)
{
	for (int f = 0; f < NR_FAMILIES; f++) {
		if (p->tab[f].have)
			memset(p->tab[f].at, 0, p->tab[f].nr * sizeof(uint32_t));
		p->tab[f].have = 0;
	}
}

static void
heard(struct session *p, int family, uint32_t index, uint32_t value, uint64_t t)
{
	struct table *tab = &p->tab[family];

	/* With several paths a prefix: who sent one, as bits. */
	if (p->add_path && value && index < tab->nr)
		value |= tab->at[index];
	if (value) {
		p->announced++;
		if (!p->t_first)
			p->t_first = t;
	} else {
		p->withdrawn++;
	}
	if (index >= tab->nr) {
		p->strange++;
		return;
	}
	if (tab->at[index] == value)
		return;
	tab->have += (uint32_t) !!value - (uint32_t) !!tab->at[index];
	tab->at[index] = value;
	p->t_last = t;
	if (p->gun->churn.on && family == V4)
		churn_heard(p, index, t);
}

/* The prefixes from @at to @end get @value.  False: they are no prefixes. */
static bool
prefixes(struct session *p, int family, const uint8_t *at, const uint8_t *end, uint32_t value,
    uint64_t t)
{
	const struct gun *g = p->gun;
	bool ids = p->add_path && family == V4;

	while (at < end) {
		uint8_t key[17] = { 0 };
		uint32_t addr;
		size_t n;

		if (ids)
			at += 4;
		if (at >= end)
			return false;
		n = (*at + 7u) / 8;
		if (n > 16 || (size_t)(end - at) < n + 1)
			return false;
		memcpy(key, at, n + 1);
		at += n + 1;
		addr = get32(key + 1);
		if (family == V4 && key[0] == g->len && addr >= g->base)
			heard(p, V4, (addr - g->base) >> (32 - g->len), value, t);
		else if (family == V6 && key[0] == 48 && addr >> 16 == 0x2a0f)
			heard(p, V6, get32(key + 3), value, t);
		else
			p->strange++;
	}
	return true;
}

/* ---- attributes ---- */

struct attributes {
	uint32_t from; /* the AS that made them, of a feeder's */
	const uint8_t *path, *communities, *reach, *unreach;
	size_t path_len, communities_len, reach_len, unreach_len;
	bool next_hop;
};

static bool
attributes_find(const uint8_t *at, const uint8_t *end, struct attributes *a)
{
	memset(a, 0, sizeof(*a));
	while (at < end) {
		bool extended = at[0] & 0x10;
		size_t head = extended ? 4 : 3, len;

		if ((size_t)(end - at) < head)
			return false;
		len = extended ? get16(at + 2) : at[2];
		if ((size_t)(end - at) < head + len)
			return false;
		switch (at[1]) {
		case 2:
			a->path = at + head;
			a->path_len = len;
			break;
		case 3:
			a->next_hop = len == 4;
			break;
		case 8:
			a->communities = at + head;
			a->communities_len = len;
			break;
		case 14:
			a->reach = at + head;
			a->reach_len = len;
			break;
		case 15:
			a->unreach = at + head;
			a->unreach_len = len;
			break;
		default:
			break;
		}
		at += head + len;
	}
	return true;
}

/* What these attributes are worth: OWN, a set of the feeder's (with an AS in front, but for the null
 * daemon), or WRONG. */
static uint32_t
attributes_value(struct attributes *a)
{
	const uint8_t *as;
	uint8_t both[8];

	if (!a->path || a->path_len < 2 || a->path[0] != 2 || a->path_len != 2 + 4u * a->path[1])
		return WRONG;
	if (a->path[1] == 1)
		return OWN;
	if (a->path[1] != 4 && a->path[1] != 3)
		return WRONG;
	as = a->path + a->path_len - 12;
	if (get32(as + 8) != 64999 || get32(as + 4) < 100000)
		return WRONG;
	a->from = get32(as);
	put16(both, get32(as));
	put16(both + 2, 1);
	put16(both + 4, get32(as));
	put16(both + 6, 2);
	if (a->communities_len != 8 || memcmp(a->communities, both, 8) != 0)
		return WRONG;
	return FIRST_SET + get32(as + 4) - 100000;
}

/* Prefixes in MP_REACH_NLRI and MP_UNREACH_NLRI. */
static bool
hear_mp(struct session *p, const struct attributes *a, uint32_t value, uint64_t t)
{
	if (a->unreach) {
		if (a->unreach_len < 3)
			return false;
		if (!prefixes(p, get16(a->unreach) == 2 ? V6 : V4, a->unreach + 3,
			a->unreach + a->unreach_len, 0, t))
			return false;
	}
	if (!a->reach)
		return true;
	if (a->reach_len < 5 || a->reach_len < 5u + a->reach[3])
		return false;
	return prefixes(p, get16(a->reach) == 2 ? V6 : V4, a->reach + 5 + a->reach[3],
	    a->reach + a->reach_len, value, t);
}

void
hear_update(struct session *p, const uint8_t *m, size_t len, uint64_t t)
{
	const uint8_t *at = m + HEADER, *end = m + len, *attrs, *nlri;
	struct attributes a;
	uint32_t value = WRONG;

	p->updates++;
	if (len < HEADER + 4 || at + 2 + get16(at) + 2 > end)
		goto bad;
	attrs = at + 2 + get16(at);
	nlri = attrs + 2 + get16(attrs);
	if (nlri > end || !attributes_find(attrs + 2, nlri, &a))
		goto bad;
	if (len == HEADER + 4 || (a.unreach && a.unreach_len == 3 && nlri == end)) {
		p->t_eor = t;
		return;
	}
	if (a.path)
		value = attributes_value(&a);
	if (nlri < end && !a.next_hop)
		value = WRONG;
	if (p->add_path && value != WRONG && a.from)
		value = feeder_bit(a.from);
	if (!prefixes(p, V4, at + 2, attrs, 0, t) || !hear_mp(p, &a, value, t) ||
	    !prefixes(p, V4, nlri, end, value, t))
		goto bad;
	return;
bad:
	p->strange++;
}
