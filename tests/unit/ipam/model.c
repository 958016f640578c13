/*
 * tests/unit/ipam/model.c: see model.h.
 */
#include "tests/unit/ipam/model.h"

#include "tests/unit/unit.h"

#include <string.h>

struct model m;

const char *const model_pool_names[POOLS] = { "alpha", "beta", "delta", "gamma", "omega" };

struct addr
model_addr(int family, int at)
{
	struct addr a;
	char text[ADDR_STRLEN];

	if (family == ADDR_V4) /* across the end of a /24 */
		snprintf(text, sizeof(text), "10.0.%d.%d", (at + FIRST) / 256, (at + FIRST) % 256);
	else
		snprintf(text, sizeof(text), "2001:db8::%x", at);
	ck_assert_int_eq(addr_parse(text, &a), 0);
	return a;
}

void
model_reset(void)
{
	memset(&m, 0, sizeof(m));
	m.now = 1;
	for (int i = 0; i < OWNERS; i++)
		m.owners[i].key = -1;
	for (int i = 0; i < POOLS; i++)
		m.pools[i].reuse = IPAM_REUSE_MS;
}

/* ---- pools ---- */

bool
model_pool_has(const struct mpool *p, int family, int at)
{
	for (int i = 0; p->present && i < p->nr; i++)
		if (p->b[i].family == family && p->b[i].lo <= at && at <= p->b[i].hi)
			return true;
	return false;
}

bool
model_pool_gives(const struct mpool *p, int family, int at)
{
	if (p->avoid_buggy && family == ADDR_V4 && (at + FIRST + 1) % 256 < 2)
		return false;
	for (int i = 0; p->present && i < p->nr; i++)
		if (p->b[i].family == family && p->b[i].free_lo <= at && at <= p->b[i].free_hi)
			return true;
	return false;
}

static bool
has_family(const struct mpool *p, int family)
{
	for (int at = 0; at < SPAN; at++)
		if (model_pool_has(p, family, at))
			return true;
	return false;
}

static bool
pools_meet(const struct mpool *a, const struct mpool *b)
{
	for (int f = ADDR_V4; f <= ADDR_V6; f++)
		for (int at = 0; at < SPAN; at++)
			if (model_pool_has(a, f, at) && model_pool_has(b, f, at))
				return true;
	return false;
}

static bool
meets_itself(const struct mpool *p)
{
	for (int f = ADDR_V4; f <= ADDR_V6; f++)
		for (int at = 0; at < SPAN; at++) {
			int n = 0;

			for (int i = 0; i < p->nr; i++)
				n += p->b[i].family == f && p->b[i].lo <= at && at <= p->b[i].hi;
			if (n > 1)
				return true;
		}
	return false;
}

void
model_conflicts(void)
{
	bool done[POOLS] = { false };

	for (int round = 0; round < POOLS; round++) {
		int oldest = -1;

		for (int i = 0; i < POOLS; i++)
			if (m.pools[i].present && !done[i] &&
			    (oldest < 0 || m.pools[i].created < m.pools[oldest].created))
				oldest = i;
		if (oldest < 0)
			return;
		m.pools[oldest].conflict = meets_itself(&m.pools[oldest]);
		for (int i = 0; i < POOLS; i++)
			if (done[i] && !m.pools[i].conflict &&
			    pools_meet(&m.pools[i], &m.pools[oldest]))
				m.pools[oldest].conflict = true;
		done[oldest] = true;
	}
}

static int
good_pool_of(int family, int at)
{
	for (int p = 0; p < POOLS; p++)
		if (!m.pools[p].conflict && model_pool_has(&m.pools[p], family, at))
			return p;
	return -1;
}

static bool
may_use(const struct mowner *o, int p)
{
	return o->any_pool || o->may[p];
}

/* ---- who shares with whom ---- */

static int
ns_of(const struct mowner *o)
{
	return (int)(o - m.owners) * NAMESPACES / OWNERS; /* names in the order of numbers */
}

static enum reason
quarrel(const struct mowner *a, const struct mowner *b)
{
	if (a->key < 0 || a->key != b->key)
		return REASON_SHARING_KEY;
	if (ns_of(a) != ns_of(b) && !((a->friends >> ns_of(b) & 1) && (b->friends >> ns_of(a) & 1)))
		return REASON_SHARING_NAMESPACE;
	if (a->ports & b->ports)
		return REASON_SHARING_PORT;
	if (a->local != b->local)
		return REASON_SHARING_POLICY;
	if (a->local && (!a->selector || a->selector != b->selector))
		return REASON_SHARING_SELECTOR;
	return REASON_SATISFIED;
}

static enum reason
refused_at(const struct maddr *x, const struct mowner *o)
{
	enum reason why;

	for (int i = 0; i < x->nr; i++) {
		if (&m.owners[x->holders[i]] == o)
			continue;
		why = quarrel(&m.owners[x->holders[i]], o);
		if (why != REASON_SATISFIED)
			return why;
	}
	return REASON_SATISFIED;
}

static bool
is_on(const struct maddr *x, const struct mowner *o)
{
	for (int i = 0; i < x->nr; i++)
		if (&m.owners[x->holders[i]] == o)
			return true;
	return false;
}

static struct mhold *
hold_at(struct mowner *o, int family, int at)
{
	for (int h = 0; h < o->nr_holds; h++)
		if (o->hold[h].family == family && o->hold[h].at == at)
			return &o->hold[h];
	return NULL;
}

/* ---- giving back ---- */

static void
give_back(struct mowner *o, struct mhold *h, bool for_all, bool at_once)
{
	struct maddr *x = &m.addr[h->family][h->at];
	const int reuse = h->pool < 0 ? IPAM_REUSE_MS : m.pools[h->pool].reuse;
	int n = 0;

	for (int i = 0; i < x->nr; i++)
		if (&m.owners[x->holders[i]] != o)
			x->holders[n++] = x->holders[i];
	x->nr = n;
	if (n == 0 && !at_once && reuse > 0) {
		x->cool = m.now + reuse;
		x->last = for_all ? -1 : (int)(o - m.owners);
	}
	for (int w = 0; w < o->nr_wants; w++)
		if (o->want[w].family == h->family && o->want[w].held == h->at)
			o->want[w].held = -1;
	memmove(h, h + 1, sizeof(*h) * (size_t)(&o->hold[o->nr_holds] - h - 1));
	o->nr_holds--;
}

static void
match(struct mowner *o)
{
	bool used[WANTS] = { false };

	for (int w = 0; w < o->nr_wants; w++) {
		o->want[w].held = -1;
		for (int h = 0; o->present && h < o->nr_holds; h++) {
			const struct mhold *x = &o->hold[h];

			if (used[h] || x->let_go || x->family != o->want[w].family ||
			    (o->want[w].at >= 0 && o->want[w].at != x->at) ||
			    (o->want[w].pool >= 0 && o->want[w].pool != x->pool))
				continue;
			o->want[w].held = x->at;
			used[h] = true;
			break;
		}
	}
	for (int h = o->nr_holds - 1; h >= 0; h--) {
		const bool strange = m.addr[o->hold[h].family][o->hold[h].at].strange;

		if (!used[h])
			give_back(o, &o->hold[h], o->hold[h].let_go, o->hold[h].let_go && strange);
	}
}

static void
review(struct mowner *o)
{
	const bool of_pools = o->nr_wants && o->want[0].pool >= 0;

	for (int i = o->nr_holds - 1; i >= 0; i--) {
		struct mhold *h = &o->hold[i];
		bool renumber = h->pool >= 0 && m.pools[h->pool].renumber;
		enum reason note;

		if (!of_pools &&
		    (h->pool < 0 || !model_pool_has(&m.pools[h->pool], h->family, h->at)) &&
		    good_pool_of(h->family, h->at) >= 0)
			h->pool = good_pool_of(h->family, h->at);
		note = model_note(o, h);
		renumber |= h->pool >= 0 && m.pools[h->pool].renumber;
		if (renumber && (note == REASON_POOL_GONE || note == REASON_POOL_SELECTOR_MISMATCH))
			give_back(o, h, false, false);
	}
}

/* Who is before whom in the order of joining. */
static int
place(const struct maddr *x, const struct mowner *o)
{
	for (int i = 0; i < x->nr; i++)
		if (&m.owners[x->holders[i]] == o)
			return i;
	return -1;
}

static bool
must_yield(const struct maddr *x, int family, int at, struct mowner *o)
{
	for (int i = 0; i < x->nr; i++) {
		struct mowner *g = &m.owners[x->holders[i]];
		enum reason why = g == o ? REASON_SATISFIED : quarrel(g, o);

		if (why == REASON_SATISFIED)
			continue;
		if (i < place(x, o))
			return true;
		if (!hold_at(g, family, at)->check && why != REASON_SHARING_NAMESPACE)
			return true;
	}
	return false;
}

static void
part(int family, int at)
{
	struct maddr *x = &m.addr[family][at];

	for (int i = 0; i < x->nr; i++) {
		struct mowner *o = &m.owners[x->holders[i]];
		struct mhold *h = hold_at(o, family, at);

		if (!h->check)
			continue;
		h->check = false;
		if (must_yield(x, family, at, o)) {
			give_back(o, h, false, false);
		} else {
			for (int j = x->nr - 1; j >= 0; j--) {
				struct mowner *g = &m.owners[x->holders[j]];

				if (g != o && quarrel(g, o) != REASON_SATISFIED)
					give_back(g, hold_at(g, family, at), false, false);
			}
		}
		i = -1;
	}
}

/* ---- giving ---- */

static bool
take(struct mowner *o, struct mwant *w, int at, int pool)
{
	struct maddr *x = &m.addr[w->family][at];

	x->holders[x->nr++] = (int)(o - m.owners);
	x->cool = 0;
	o->hold[o->nr_holds++] =
	    (struct mhold){ .family = w->family, .at = at, .pool = pool, .fresh = true };
	w->held = at;
	w->why = REASON_SATISFIED;
	return true;
}

static enum reason
pool_refuses(const struct mowner *o, const struct mwant *w, int p, int at)
{
	if (!may_use(o, p) || (w->pool >= 0 && w->pool != p))
		return REASON_POOL_SELECTOR_MISMATCH;
	if (m.pools[p].disabled)
		return REASON_POOL_DISABLED;
	return model_pool_gives(&m.pools[p], w->family, at) ? REASON_SATISFIED
							    : REASON_ADDRESS_RESERVED;
}

static enum reason
addr_refuses(const struct mowner *o, const struct maddr *x, enum reason *detail)
{
	if (x->strange)
		return REASON_CONFLICTED;
	if (x->nr && o->key < 0)
		return REASON_ALREADY_ALLOCATED;
	if (x->nr) {
		*detail = refused_at(x, o);
		if (*detail != REASON_SATISFIED)
			return REASON_ALREADY_ALLOCATED_INCOMPATIBLE_SERVICE;
		*detail = REASON_NONE;
	} else if (x->cool && (x->last < 0 || ns_of(&m.owners[x->last]) != ns_of(o))) {
		return REASON_COOLING_DOWN;
	}
	return REASON_SATISFIED;
}

static bool
serve_fixed(struct mowner *o, struct mwant *w)
{
	const int p = good_pool_of(w->family, w->at);
	bool somewhere = false;

	w->detail = REASON_NONE;
	for (int i = 0; i < POOLS; i++)
		somewhere |= model_pool_has(&m.pools[i], w->family, w->at);
	if (p < 0) {
		w->why = somewhere ? REASON_POOL_CONFLICT : REASON_OUTSIDE_POOL;
		return false;
	}
	w->why = pool_refuses(o, w, p, w->at);
	if (w->why == REASON_SATISFIED)
		w->why = addr_refuses(o, &m.addr[w->family][w->at], &w->detail);
	return w->why == REASON_SATISFIED && take(o, w, w->at, p);
}

/* One that is its own by a better right than others': lost a moment ago, or to be shared. */
static bool
serve_known(struct mowner *o, struct mwant *w, bool lost)
{
	for (int at = 0; at < SPAN; at++) {
		struct maddr *x = &m.addr[w->family][at];
		const int p = good_pool_of(w->family, at);

		if (p < 0 || x->strange || pool_refuses(o, w, p, at) != REASON_SATISFIED)
			continue;
		if (lost ? x->nr || !x->cool || x->last != (int)(o - m.owners)
			 : !x->nr || m.owners[x->holders[0]].key != o->key || is_on(x, o) ||
			    refused_at(x, o) != REASON_SATISFIED)
			continue;
		return take(o, w, at, p);
	}
	return false;
}

static bool
serve_pool(struct mowner *o, struct mwant *w, int p, enum reason *why)
{
	const struct mpool *pool = &m.pools[p];

	*why = REASON_NO_POOL;
	if (!has_family(pool, w->family))
		return false;
	*why = pool->conflict ? REASON_POOL_CONFLICT
	    : pool->disabled  ? REASON_POOL_DISABLED
			      : REASON_OUT_OF_IPS;
	if (*why != REASON_OUT_OF_IPS)
		return false;
	for (int at = 0; at < SPAN; at++) {
		const struct maddr *x = &m.addr[w->family][at];

		if (model_pool_gives(pool, w->family, at) && !x->nr && !x->cool && !x->strange)
			return take(o, w, at, p);
	}
	return false;
}

static int
weight(enum reason r)
{
	return r == REASON_OUT_OF_IPS ? 3 : r == REASON_POOL_CONFLICT ? 2 : r != REASON_NO_POOL;
}

static bool
serve_pools(struct mowner *o, struct mwant *w)
{
	enum reason why;

	w->why = REASON_NO_POOL;
	w->detail = REASON_NONE;
	for (int n = 0; n < 2 * POOLS; n++) {
		const int p = n % POOLS;

		if (!m.pools[p].present || m.pools[p].rank != n / POOLS || !may_use(o, p))
			continue;
		if (serve_pool(o, w, p, &why))
			return true;
		if (weight(why) > weight(w->why))
			w->why = why;
	}
	return false;
}

static bool
is_moot(const struct mowner *o, const struct mwant *w)
{
	for (int i = 0; i < o->nr_wants; i++) {
		const struct mwant *x = &o->want[i];

		if (x != w && x->family == w->family &&
		    (x->held >= 0 || has_family(&m.pools[x->pool], w->family)))
			return true;
	}
	return false;
}

static bool
serve_any(struct mowner *o, struct mwant *w)
{
	if (serve_known(o, w, true) || (o->key >= 0 && serve_known(o, w, false)))
		return true;
	if (w->pool < 0)
		return serve_pools(o, w);
	w->detail = REASON_NONE;
	w->why = m.pools[w->pool].present ? REASON_POOL_SELECTOR_MISMATCH : REASON_NO_POOL;
	if (!m.pools[w->pool].present || !may_use(o, w->pool))
		return false;
	if (serve_pool(o, w, w->pool, &w->why))
		return true;
	if (w->why == REASON_NO_POOL && is_moot(o, w))
		w->why = REASON_FAMILY_NOT_IN_POOL;
	return false;
}

static bool
serve(struct mowner *o)
{
	bool got = false;

	for (int w = 0; o->present && w < o->nr_wants; w++)
		if (o->want[w].held < 0)
			got |= o->want[w].at >= 0 ? serve_fixed(o, &o->want[w])
						  : serve_any(o, &o->want[w]);
	return got;
}

static bool
served_before(int a, int b)
{
	const struct mowner *x = &m.owners[a], *y = &m.owners[b];
	const bool fa = x->nr_wants && x->want[0].at >= 0, fb = y->nr_wants && y->want[0].at >= 0;

	if (fa != fb)
		return fa;
	if (x->created != y->created)
		return x->created < y->created;
	return a < b;
}

/* Numbers of owners in turn. */
static void
turns(int order[OWNERS])
{
	bool done[OWNERS] = { false };

	for (int n = 0; n < OWNERS; n++) {
		int next = -1;

		for (int i = 0; i < OWNERS; i++)
			if (!done[i] && (next < 0 || served_before(i, next)))
				next = i;
		done[next] = true;
		order[n] = next;
	}
}

/* Everybody in turn, and from the beginning whenever somebody got something. */
void
model_settle(void)
{
	int order[OWNERS];

	turns(order);
	for (int i = 0; i < OWNERS; i++) {
		match(&m.owners[order[i]]);
		review(&m.owners[order[i]]);
	}
	for (int f = ADDR_V4; f <= ADDR_V6; f++)
		for (int at = 0; at < SPAN; at++)
			part(f, at);
	for (int i = 0; i < OWNERS; i++)
		if (serve(&m.owners[order[i]]))
			i = -1;
}

/* ---- what happens ---- */

void
model_check_holds(struct mowner *o)
{
	for (int h = 0; h < o->nr_holds; h++)
		o->hold[h].check = true;
}

void
model_stranger(int family, int at, int ms)
{
	struct maddr *x = &m.addr[family][at];
	bool fresh = true;

	x->strange = ms ? m.now + ms : 0;
	for (int i = 0; i < x->nr; i++)
		fresh &= hold_at(&m.owners[x->holders[i]], family, at)->fresh;
	for (int i = 0; ms && fresh && i < x->nr; i++)
		hold_at(&m.owners[x->holders[i]], family, at)->let_go = true;
}

void
model_used(int family, int at)
{
	struct maddr *x = &m.addr[family][at];

	for (int i = 0; i < x->nr; i++)
		hold_at(&m.owners[x->holders[i]], family, at)->fresh = false;
}

void
model_clock(int now)
{
	m.now = now;
	for (int f = ADDR_V4; f <= ADDR_V6; f++)
		for (int at = 0; at < SPAN; at++) {
			struct maddr *x = &m.addr[f][at];

			x->cool = x->cool > now ? x->cool : 0;
			x->strange = x->strange > now ? x->strange : 0;
		}
}

int
model_release(struct mowner *o)
{
	const bool fixed = o->nr_wants && o->want[0].at >= 0;
	int nr = 0;

	for (int h = 0; h < o->nr_holds; h++) {
		if (fixed && model_note(o, &o->hold[h]) == REASON_SATISFIED)
			continue;
		o->hold[h].let_go = true;
		nr++;
	}
	return nr;
}

static int
by_address(const void *x, const void *y)
{
	const struct mhold *a = x, *b = y;

	return a->family != b->family ? a->family - b->family : a->at - b->at;
}

void
model_forget(void)
{
	for (int i = 0; i < OWNERS; i++) {
		struct mowner *o = &m.owners[i];

		qsort(o->hold, (size_t)o->nr_holds, sizeof(o->hold[0]), by_address);
		for (int h = 0; h < o->nr_holds; h++)
			o->hold[h].fresh = false;
		model_check_holds(o);
	}
	for (int f = ADDR_V4; f <= ADDR_V6; f++)
		for (int at = 0; at < SPAN; at++)
			m.addr[f][at].strange = 0;
	for (int i = 0; i < POOLS; i++)
		if (!m.pools[i].present) {
			m.pools[i].renumber = false;
			m.pools[i].reuse = IPAM_REUSE_MS;
		}
}

/* ---- what is so ---- */

enum reason
model_note(const struct mowner *o, const struct mhold *h)
{
	const struct mpool *p = h->pool >= 0 ? &m.pools[h->pool] : NULL;

	if (m.addr[h->family][h->at].strange)
		return REASON_CONFLICTED;
	if (!p || !model_pool_has(p, h->family, h->at))
		return REASON_POOL_GONE;
	if (p->conflict)
		return REASON_POOL_CONFLICT;
	if (!may_use(o, h->pool))
		return REASON_POOL_SELECTOR_MISMATCH;
	if (p->disabled)
		return REASON_POOL_DISABLED;
	return model_pool_gives(p, h->family, h->at) ? REASON_SATISFIED : REASON_ADDRESS_RESERVED;
}

/* Out of addresses, but some will be back. */
static enum reason
detail_of(const struct mowner *o, const struct mwant *w)
{
	if (w->why != REASON_OUT_OF_IPS)
		return w->detail;
	for (int i = 0; i < POOLS; i++) {
		const struct mpool *p = &m.pools[i];

		if (!p->present || p->conflict || p->disabled || !may_use(o, i) ||
		    (w->pool >= 0 && w->pool != i))
			continue;
		for (int b = 0; b < p->nr; b++)
			for (int at = p->b[b].free_lo; at <= p->b[b].free_hi; at++) {
				const struct maddr *x = &m.addr[w->family][at];

				if (p->b[b].family == w->family && !x->nr &&
				    (x->cool || x->strange))
					return REASON_COOLING_DOWN;
			}
	}
	return REASON_NONE;
}

void
model_show(int i, char *text, size_t size)
{
	struct mowner *o = &m.owners[i];

	text[0] = '\0';
	for (int w = 0; o->present && w < o->nr_wants; w++) {
		const struct mwant *x = &o->want[w];
		const struct mhold *h = x->held >= 0 ? hold_at(o, x->family, x->held) : NULL;
		struct addr a;

		if (h)
			a = model_addr(h->family, h->at);
		snprintf(text + strlen(text), size - strlen(text), "%s %s %s %s; ",
		    h ? addr_str(&a) : "-",
		    h		       ? h->pool >= 0 ? model_pool_names[h->pool] : ""
			: x->pool >= 0 ? model_pool_names[x->pool]
				       : "",
		    reason_name(h ? model_note(o, h) : x->why),
		    reason_name(h ? REASON_NONE : detail_of(o, x)));
	}
}

void
model_lawful(void)
{
	for (int f = ADDR_V4; f <= ADDR_V6; f++)
		for (int at = 0; at < SPAN; at++) {
			const struct maddr *x = &m.addr[f][at];

			for (int i = 0; i < x->nr; i++)
				for (int j = 0; j < i; j++)
					ck_assert_int_eq(quarrel(&m.owners[x->holders[i]],
							     &m.owners[x->holders[j]]),
					    REASON_SATISFIED);
		}
}
