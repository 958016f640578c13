/*
 * tests/unit/datapath/servmodel.c: the slow way.  Every question is answered by going through all
 * Services again; nothing is kept.
 */
#include "tests/unit/datapath/servmodel.h"

#include <stdarg.h>
#include <stdio.h>

static char what[256];

static const char *__attribute__((format(printf, 1, 2))) wrong(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(what, sizeof(what), fmt, ap);
	va_end(ap);
	return what;
}

struct addr
model_vip(unsigned i)
{
	if (i % 4 == 3)
		return (struct addr){ .family = ADDR_V6, .b = { 0xfd, 1, [15] = (uint8_t)i } };
	return (struct addr){ .family = ADDR_V4, .b = { 172, 16, 0, (uint8_t)i } };
}

struct addr
model_backend(unsigned i, bool v6)
{
	if (v6)
		return (struct addr){ .family = ADDR_V6, .b = { 0xfd, 2, [15] = (uint8_t)i } };
	return (struct addr){ .family = ADDR_V4, .b = { 10, 0, 0, (uint8_t)i } };
}

static unsigned
chance(unsigned n)
{
	return (unsigned)rand() % n;
}

static void
roll_backends(struct dp_backend *b, size_t nr, bool v6)
{
	for (size_t i = 0; i < nr; i++) {
		b[i] = (struct dp_backend){ .ip = model_backend(1 + chance(9), v6), .port = 8080 };
		b[i].external = chance(5) > 0;
		b[i].internal = chance(5) > 0;
		b[i].weight = (uint16_t)(chance(4) ? 0 : 1 + chance(4));
		/* What is known of an address is the same, whoever tells. */
		b[i].local = b[i].ip.b[v6 ? 15 : 3] % 3 == 0;
		b[i].node = b[i].local ? "here" : "there";
	}
}

void
model_service_roll(struct model_service *svc)
{
	svc->nr = 1 + chance(MODEL_FRONTENDS);
	for (size_t i = 0; i < svc->nr; i++) {
		struct dp_frontend *f = &svc->fe[i];

		*f = (struct dp_frontend){ .ip = model_vip(chance(6)), .port_name = "" };
		f->port = (uint16_t)(80 + chance(2));
		f->proto = chance(3) ? IPPROTO_TCP : IPPROTO_UDP;
		f->type = (enum dp_type)chance(DP_NR_TYPES);
		f->external_local = chance(2);
		f->non_routable = chance(2);
		f->dsr = chance(2);
		f->affinity_s = chance(2) ? 0 : 60;
		f->backends = svc->b[i];
		f->nr_backends = chance(MODEL_BACKENDS + 1);
		f->ranges = svc->ranges[i];
		f->nr_ranges = chance(2) ? 0 : chance(MODEL_RANGES + 1);
		roll_backends(svc->b[i], f->nr_backends, f->ip.family == ADDR_V6);
		for (size_t k = 0; k < f->nr_ranges; k++) {
			struct addr a = { .family = ADDR_V4, .b = { (uint8_t)(1 + chance(5)) } };

			svc->ranges[i][k] = prefix_of(&a, 8);
		}
		/* Often all addresses of a Service have the same backends. */
		if (i && chance(2) && svc->fe[0].ip.family == f->ip.family) {
			memcpy(svc->b[i], svc->b[0], sizeof(svc->b[i]));
			f->nr_backends = svc->fe[0].nr_backends;
			f->proto = svc->fe[0].proto;
		}
	}
}

/* ---- who has what ---- */

static bool
same_key(const struct dp_frontend *a, const struct dp_frontend *b)
{
	return addr_eq(&a->ip, &b->ip) && a->port == b->port && a->proto == b->proto;
}

/* The frontend that has the key: of the first Service by name, the first in its list. */
static const struct dp_frontend *
holder(const struct model *m, const struct dp_frontend *of)
{
	const struct dp_frontend *best = NULL;
	const char *name = NULL;

	for (size_t i = 0; i < MODEL_SERVICES; i++) {
		const struct model_service *svc = &m->service[i];

		for (size_t k = 0; svc->there && k < svc->nr; k++) {
			if (!same_key(&svc->fe[k], of))
				continue;
			if (!name || strcmp(svc->name, name) < 0) {
				best = &svc->fe[k];
				name = svc->name;
			}
		}
	}
	return best;
}

#define EACH_FRONTEND(m, svc, f)                                                                   \
	for (const struct model_service *svc = (m)->service; svc < (m)->service + MODEL_SERVICES;  \
	     svc++)                                                                                \
		for (const struct dp_frontend *f = svc->fe; svc->there && f < svc->fe + svc->nr;   \
		     f++)

static struct lb_fe_key
key_of(const struct addr *a, uint16_t port, uint8_t proto)
{
	struct lb_fe_key k = { .addr = lb_addr_of(a), .proto = proto, .family = lb_family(a) };

	k.port = __builtin_bswap16(port);
	return k;
}

uint32_t
model_fe_row(const struct dp_maps *m, const struct dp_frontend *f)
{
	struct lb_fe_key key = key_of(&f->ip, f->port, f->proto);
	uint32_t row;

	return bpf_map_lookup_elem(m->fd[DP_MAP_FRONTENDS], &key, &row) < 0 ? UINT32_MAX : row;
}

uint32_t
model_be_row(const struct dp_maps *m, const struct dp_backend *b, uint8_t proto)
{
	struct lb_fe_key key = key_of(&b->ip, b->port, proto);
	uint32_t found = UINT32_MAX;

	for (uint32_t row = 0; row < m->nr[DP_MAP_BE_ROWS]; row++) {
		const struct lb_be_row *r = &m->be[row];

		if (!(r->flags & LB_BE_LIVE) || memcmp(&r->addr, &key.addr, sizeof(r->addr)) != 0 ||
		    r->port != key.port || r->proto != key.proto || r->family != key.family)
			continue;
		if (found != UINT32_MAX)
			return UINT32_MAX - 1; /* twice */
		found = row;
	}
	return found;
}

/* ---- frontends ---- */

static uint32_t
flags_of(const struct dp_frontend *f)
{
	uint32_t flags = LB_FE_LIVE;

	flags |= f->type == DP_CLUSTER_IP ? LB_FE_CLUSTER_IP
	    : f->type == DP_NODE_PORT	  ? LB_FE_NODE_PORT
	    : f->type == DP_EXTERNAL_IP	  ? LB_FE_EXTERNAL_IP
					  : LB_FE_LOAD_BALANCER;
	if (f->non_routable)
		flags |= LB_FE_NON_ROUTABLE;
	if (f->external_local)
		flags |= LB_FE_EXTERNAL_LOCAL;
	if (f->internal_local)
		flags |= LB_FE_INTERNAL_LOCAL;
	if (f->affinity_s)
		flags |= LB_FE_AFFINITY;
	if (f->nr_ranges)
		flags |= LB_FE_SOURCE_RANGES;
	if (f->random)
		flags |= LB_FE_RANDOM;
	if (f->dsr)
		flags |= LB_FE_DSR;
	return flags;
}

/* Slot by slot: the row of the backend that a table made here has. */
static const char *
table_differs(const struct model *md, const struct dp_maps *m, const struct dp_frontend *f,
    unsigned scope, uint64_t word)
{
	static uint16_t slots[LB_SLOTS_MAX];
	struct maglev_backend mb[MODEL_BACKENDS];
	uint32_t row[MODEL_BACKENDS], nr = 0, size;
	uint64_t work[3 * MODEL_BACKENDS];
	const uint32_t *list = (const uint32_t *)(m->tables + LB_TABLE_OFF(word));
	const uint64_t *words = m->tables + LB_TABLE_OFF(word);

	for (size_t i = f->nr_backends; i-- > 0;) { /* from behind: the order must not matter */
		const struct dp_backend *b = &f->backends[i];
		uint64_t key = maglev_key(&b->ip, b->port, f->proto);
		uint32_t weight = b->weight ? b->weight : 1, at = 0;

		if (!(scope ? b->internal : b->external))
			continue;
		while (at < nr && mb[at].key != key)
			at++;
		/* Of one that is named twice the larger weight counts. */
		if (at < nr) {
			mb[at].weight = weight > mb[at].weight ? weight : mb[at].weight;
			continue;
		}
		mb[nr] = (struct maglev_backend){ key, weight };
		row[nr++] = model_be_row(m, b, f->proto);
	}
	size = maglev_size(nr, md->table_size);
	if (!nr)
		return word ? "a table without backends" : NULL;
	if (LB_TABLE_NR(word) != nr || LB_TABLE_SLOTS(word) != size)
		return wrong("table of %u backends and %u slots, not %u and %u", LB_TABLE_NR(word),
		    LB_TABLE_SLOTS(word), nr, size);
	maglev_fill(slots, size, mb, nr, work);
	for (uint32_t i = 0; i < size; i++) {
		uint32_t got = lb_slot_in(words[lb_slot_word(i, nr)], i, nr);

		if (got >= nr || list[got] != row[slots[i]])
			return wrong("slot %u of scope %u leads to row %u, not %u (%u backends)", i,
			    scope, got < nr ? list[got] : UINT32_MAX, row[slots[i]], nr);
	}
	return NULL;
}

static const char *
frontend_differs(const struct model *md, const struct dp_maps *m, const struct dp_frontend *f)
{
	struct lb_fe_key key = key_of(&f->ip, f->port, f->proto);
	uint32_t row = model_fe_row(m, f);
	const struct lb_fe_row *r;

	if (row >= m->nr[DP_MAP_FE_ROWS])
		return wrong("%s has row %u", addr_str(&f->ip), row);
	r = &m->fe[row];
	if (memcmp(&r->addr, &key.addr, sizeof(r->addr)) != 0 || r->port != key.port ||
	    r->proto != key.proto || r->family != key.family)
		return wrong("row %u is another frontend's", row);
	if (r->flags != flags_of(f))
		return wrong("row %u has flags %x, not %x", row, r->flags, flags_of(f));
	if (r->affinity_s != f->affinity_s || !r->service)
		return wrong("row %u: affinity or service", row);
	for (size_t i = 0; i < f->nr_ranges; i++) {
		struct lb_range_key k = { 32u + f->ranges[i].len, row + 1,
			lb_addr_of(&f->ranges[i].addr) };
		__u32 one = 0;

		if (bpf_map_lookup_elem(m->fd[DP_MAP_SRC_RANGES], &k, &one) < 0 || one != 1)
			return wrong("row %u: a source range is missing", row);
	}
	for (unsigned scope = 0; scope < LB_NR_SCOPES; scope++) {
		const char *err = table_differs(md, m, f, scope, r->table[scope]);

		if (err)
			return err;
	}
	return NULL;
}

/* ---- everything ---- */

static size_t
keys_in(int fd, size_t size)
{
	uint8_t key[64], next[64];
	size_t nr = 0;

	for (void *from = NULL; bpf_map_get_next_key(fd, from, next) == 0; nr++) {
		memcpy(key, next, size);
		from = key;
	}
	return nr;
}

static const char *
addresses_differ(const struct model *md, const struct dp_maps *m, size_t nr_keys)
{
	size_t nr = nr_keys;

	for (unsigned i = 0; i < 8; i++) {
		struct addr vip = model_vip(i);
		struct lb_fe_key key = key_of(&vip, 0, 0);
		bool some = false, node = false;
		uint32_t value = 0;

		EACH_FRONTEND(md, svc, f)
		{
			const struct dp_frontend *h = holder(md, f);

			if (!addr_eq(&f->ip, &vip))
				continue;
			some = some || h->type != DP_NODE_PORT;
			node = node || h->type == DP_NODE_PORT;
		}
		if (bpf_map_lookup_elem(m->fd[DP_MAP_FRONTENDS], &key, &value) < 0)
			value = 0;
		if (value != (some && !node ? UINT32_MAX : 0))
			return wrong("the wildcard of %s is %x", addr_str(&vip), value);
		nr += some && !node;
	}
	if (keys_in(m->fd[DP_MAP_FRONTENDS], sizeof(struct lb_fe_key)) != nr)
		return wrong("%zu keys, not %zu", keys_in(m->fd[DP_MAP_FRONTENDS], 20), nr);
	return NULL;
}

#define MAY_BE_BACKEND 0x80

static const char *
backends_differ(const struct model *md, const struct dp_maps *m, uint8_t *filter)
{
	static uint32_t seen[4096];
	uint32_t live = 0, expected = 0;

	memset(seen, 0, sizeof(seen));
	EACH_FRONTEND(md, svc, f)
	{
		for (size_t i = 0; i < f->nr_backends; i++) {
			const struct dp_backend *b = &f->backends[i];
			struct lb_addr a = lb_addr_of(&b->ip);
			uint32_t row = model_be_row(m, b, f->proto);

			if (row >= m->nr[DP_MAP_BE_ROWS] || row >= 4096)
				return wrong("backend %s has row %u", addr_str(&b->ip), row);
			expected += !seen[row];
			seen[row] |= b->external || b->internal ? 3 : 1;
			filter[lb_filter_index(&a)] |= LB_IS_BACKEND;
			if (!(m->be[row].flags & LB_BE_LOCAL) != !b->local)
				return wrong("backend row %u: local", row);
		}
	}
	for (uint32_t row = 0; row < m->nr[DP_MAP_BE_ROWS]; row++) {
		live += m->be[row].flags & LB_BE_LIVE;
		/* Also what is dying: its answers are translated.  What nobody wrote may not be. */
		if (m->be[row].family)
			filter[lb_filter_index(&m->be[row].addr)] |= MAY_BE_BACKEND;
		if (seen[row] && !(m->be[row].flags & LB_BE_TERMINATING) != (seen[row] == 3))
			return wrong("backend row %u: terminating", row);
	}
	return live == expected ? NULL : wrong("%u live backends, not %u", live, expected);
}

const char *
model_differs(const struct model *md, const struct dp_maps *m)
{
	static uint8_t filter[LB_FILTER_SIZE];
	const struct dp_frontend *had[MODEL_SERVICES * MODEL_FRONTENDS];
	size_t nr = 0, live = 0, ranges = 0;
	const char *err;

	memset(filter, 0, sizeof(filter));
	EACH_FRONTEND(md, svc, f)
	{
		const struct dp_frontend *h = holder(md, f);
		struct lb_addr a = lb_addr_of(&f->ip);
		bool again = false;

		filter[lb_filter_index(&a)] |= LB_IS_VIP;
		for (size_t i = 0; i < nr; i++)
			again = again || had[i] == h;
		if (again)
			continue;
		had[nr++] = h;
		err = frontend_differs(md, m, h);
		if (err)
			return err;
		for (size_t i = 0; i < h->nr_ranges; i++) {
			bool twice = false;

			for (size_t k = 0; k < i; k++)
				twice = twice || prefix_eq(&h->ranges[i], &h->ranges[k]);
			ranges += !twice;
		}
	}
	for (uint32_t row = 0; row < m->nr[DP_MAP_FE_ROWS]; row++)
		live += m->fe[row].flags & LB_FE_LIVE;
	if (live != nr)
		return wrong("%zu live frontends, not %zu", live, nr);
	err = addresses_differ(md, m, nr);
	if (!err)
		err = backends_differ(md, m, filter);
	if (!err && keys_in(m->fd[DP_MAP_SRC_RANGES], sizeof(struct lb_range_key)) != ranges)
		err = wrong("%zu ranges, not %zu", keys_in(m->fd[DP_MAP_SRC_RANGES], 24), ranges);
	for (uint32_t i = 0; !err && i < LB_FILTER_SIZE; i++) {
		const uint8_t has = m->filter[i] & (LB_IS_VIP | LB_IS_BACKEND);
		const uint8_t must = filter[i] & (LB_IS_VIP | LB_IS_BACKEND);
		const uint8_t may = must | (filter[i] & MAY_BE_BACKEND ? LB_IS_BACKEND : 0);

		if ((has & must) != must || has & ~may)
			err = wrong("filter %u is %x, not %x to %x", i, has, must, may);
	}
	return err;
}
