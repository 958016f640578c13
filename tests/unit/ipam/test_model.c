/*
 * tests/unit/ipam/test_model.c: random life against a naive model.
 *
 * The model knows 48 addresses of each family as arrays and looks at everything for everything: no
 * trees, no queues, no counters.  After each settling both must say the same of every claim and
 * every pool, the callbacks must have told of exactly what changed, and now and then the process
 * "restarts": all that was held is restored in a new allocator, which must change nothing.
 */
#include "ipam/ipam.h"
#include "lib/text.h"
#include "tests/unit/unit.h"

#include <string.h>

enum { SPAN = 48, FIRST = 240, OWNERS = 20, POOLS = 5, BLOCKS = 2, WANTS = 3, STEPS = 100000 };

struct mblock {
	int family, lo, hi, free_lo, free_hi;
	bool cidr;
};

struct mpool {
	bool present, disabled, allow_first_last, avoid_buggy, conflict;
	int created, nr, rank;
	struct mblock b[BLOCKS];
};

struct mwant {
	int family, at; /* at < 0: any */
	int held;	/* address or -1 */
	enum reason why;
};

struct mhold {
	int family, at, pool; /* pool < 0: not known */
};

struct mowner {
	bool present, any_pool;
	bool may[POOLS];
	int created, nr_wants, nr_holds;
	struct mwant want[WANTS];
	struct mhold hold[WANTS];
	unsigned changed; /* told by the allocator */
	char before[400]; /* what was true when it last told */
};

static struct mpool pools[POOLS];
static struct mowner owners[OWNERS];
static int holder[3][SPAN];
static struct ipam *ipam;
static uint64_t seed;

static int
rnd(int n)
{
	seed = seed * 6364136223846793005u + 1442695040888963407u;
	return (int)((seed >> 33) % (unsigned)n);
}

static struct addr
address(int family, int at)
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

static const char *
owner_name(int i)
{
	static char name[4][16];
	static int turn;

	turn = (turn + 1) % 4;
	snprintf(name[turn], sizeof(name[turn]), "ns/o%02d", i);
	return name[turn];
}

static const char *const pool_names[POOLS] = { "alpha", "beta", "delta", "gamma", "omega" };

/* ---- the model ---- */

static bool
pool_has(const struct mpool *p, int family, int at)
{
	for (int i = 0; p->present && i < p->nr; i++)
		if (p->b[i].family == family && p->b[i].lo <= at && at <= p->b[i].hi)
			return true;
	return false;
}

static bool
pool_gives(const struct mpool *p, int family, int at)
{
	if (p->avoid_buggy && family == ADDR_V4 && (at + FIRST + 1) % 256 < 2)
		return false;
	for (int i = 0; p->present && i < p->nr; i++)
		if (p->b[i].family == family && p->b[i].free_lo <= at && at <= p->b[i].free_hi)
			return true;
	return false;
}

static bool
pools_meet(const struct mpool *a, const struct mpool *b)
{
	for (int f = ADDR_V4; f <= ADDR_V6; f++)
		for (int at = 0; at < SPAN; at++)
			if (pool_has(a, f, at) && pool_has(b, f, at))
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

static void
model_conflicts(void)
{
	bool done[POOLS] = { false };

	for (int round = 0; round < POOLS; round++) {
		int oldest = -1;

		for (int i = 0; i < POOLS; i++)
			if (pools[i].present && !done[i] &&
			    (oldest < 0 || pools[i].created < pools[oldest].created))
				oldest = i;
		if (oldest < 0)
			return;
		pools[oldest].conflict = meets_itself(&pools[oldest]);
		for (int i = 0; i < POOLS; i++)
			if (done[i] && !pools[i].conflict && pools_meet(&pools[i], &pools[oldest]))
				pools[oldest].conflict = true;
		done[oldest] = true;
	}
}

static void
model_release(struct mowner *o, int i)
{
	holder[o->hold[i].family][o->hold[i].at] = -1;
	memmove(&o->hold[i], &o->hold[i + 1], sizeof(o->hold[0]) * (size_t)(o->nr_holds - i - 1));
	o->nr_holds--;
}

/* Keep of what is held what is wanted. */
static void
model_match(struct mowner *o)
{
	bool used[WANTS] = { false };

	for (int w = 0; w < o->nr_wants; w++) {
		o->want[w].held = -1;
		for (int h = 0; o->present && h < o->nr_holds; h++) {
			if (used[h] || o->hold[h].family != o->want[w].family ||
			    (o->want[w].at >= 0 && o->want[w].at != o->hold[h].at))
				continue;
			o->want[w].held = o->hold[h].at;
			used[h] = true;
			break;
		}
	}
	for (int h = o->nr_holds - 1; h >= 0; h--)
		if (!used[h])
			model_release(o, h);
}

static int
good_pool_of(int family, int at)
{
	for (int p = 0; p < POOLS; p++)
		if (!pools[p].conflict && pool_has(&pools[p], family, at))
			return p;
	return -1;
}

static void
model_take(int owner, struct mwant *w, int at, int pool)
{
	struct mowner *o = &owners[owner];

	holder[w->family][at] = owner;
	o->hold[o->nr_holds++] = (struct mhold){ w->family, at, pool };
	w->held = at;
	w->why = REASON_SATISFIED;
}

static void
model_fixed(int owner, struct mwant *w)
{
	struct mowner *o = &owners[owner];
	int p = good_pool_of(w->family, w->at);
	bool somewhere = false;

	for (int i = 0; i < POOLS; i++)
		somewhere |= pool_has(&pools[i], w->family, w->at);
	if (p < 0)
		w->why = somewhere ? REASON_POOL_CONFLICT : REASON_OUTSIDE_POOL;
	else if (!o->any_pool && !o->may[p])
		w->why = REASON_POOL_SELECTOR_MISMATCH;
	else if (pools[p].disabled)
		w->why = REASON_POOL_DISABLED;
	else if (!pool_gives(&pools[p], w->family, w->at))
		w->why = REASON_ADDRESS_RESERVED;
	else if (holder[w->family][w->at] >= 0)
		w->why = REASON_ALREADY_ALLOCATED;
	else
		model_take(owner, w, w->at, p);
}

static void
model_any(int owner, struct mwant *w)
{
	struct mowner *o = &owners[owner];
	bool full = false, conflict = false, disabled = false, has;

	for (int n = 0; n < 2 * POOLS; n++) {
		const int p = n % POOLS;

		if (pools[p].rank != n / POOLS || (!o->any_pool && !o->may[p]))
			continue;
		has = false;
		for (int at = 0; at < SPAN; at++)
			has |= pool_has(&pools[p], w->family, at);
		if (!has)
			continue;
		conflict |= pools[p].conflict;
		disabled |= !pools[p].conflict && pools[p].disabled;
		if (pools[p].conflict || pools[p].disabled)
			continue;
		full = true;
		for (int at = 0; at < SPAN; at++)
			if (pool_gives(&pools[p], w->family, at) && holder[w->family][at] < 0) {
				model_take(owner, w, at, p);
				return;
			}
	}
	w->why = full  ? REASON_OUT_OF_IPS
	    : conflict ? REASON_POOL_CONFLICT
	    : disabled ? REASON_POOL_DISABLED
		       : REASON_NO_POOL;
}

static bool
served_before(int a, int b)
{
	bool fa = owners[a].nr_wants && owners[a].want[0].at >= 0;
	bool fb = owners[b].nr_wants && owners[b].want[0].at >= 0;

	if (fa != fb)
		return fa;
	if (owners[a].created != owners[b].created)
		return owners[a].created < owners[b].created;
	return a < b;
}

static void
model_settle(void)
{
	bool served[OWNERS] = { false };

	for (int i = 0; i < OWNERS; i++)
		model_match(&owners[i]);
	for (int i = 0; i < OWNERS; i++)
		for (int h = 0; h < owners[i].nr_holds; h++) {
			struct mhold *x = &owners[i].hold[h];

			if (x->pool >= 0 && pool_has(&pools[x->pool], x->family, x->at))
				continue;
			if (good_pool_of(x->family, x->at) >= 0)
				x->pool = good_pool_of(x->family, x->at);
		}
	for (int n = 0; n < OWNERS; n++) {
		int next = -1;

		for (int i = 0; i < OWNERS; i++)
			if (!served[i] && (next < 0 || served_before(i, next)))
				next = i;
		served[next] = true;
		for (int w = 0; owners[next].present && w < owners[next].nr_wants; w++) {
			struct mwant *x = &owners[next].want[w];

			if (x->held >= 0)
				continue;
			if (x->at >= 0)
				model_fixed(next, x);
			else
				model_any(next, x);
		}
	}
}

static enum reason
model_note(const struct mowner *o, const struct mhold *h)
{
	const struct mpool *p = h->pool >= 0 ? &pools[h->pool] : NULL;

	if (!p || !pool_has(p, h->family, h->at))
		return REASON_POOL_GONE;
	if (p->conflict)
		return REASON_POOL_CONFLICT;
	if (!o->any_pool && !o->may[h->pool])
		return REASON_POOL_SELECTOR_MISMATCH;
	if (p->disabled)
		return REASON_POOL_DISABLED;
	return pool_gives(p, h->family, h->at) ? REASON_SATISFIED : REASON_ADDRESS_RESERVED;
}

/* ---- comparing ---- */

/* What one knows of an owner, as text: the model's view. */
static void
model_show(int i, char *text, size_t size)
{
	const struct mowner *o = &owners[i];

	text[0] = '\0';
	for (int w = 0; o->present && w < o->nr_wants; w++) {
		const struct mwant *x = &o->want[w];
		const struct mhold *h = NULL;
		struct addr a;

		for (int j = 0; j < o->nr_holds; j++)
			if (x->held >= 0 && o->hold[j].family == x->family &&
			    o->hold[j].at == x->held)
				h = &o->hold[j];
		if (h)
			a = address(h->family, h->at);
		snprintf(text + strlen(text), size - strlen(text), "%s %s %s; ",
		    h ? addr_str(&a) : "-", h && h->pool >= 0 ? pool_names[h->pool] : "",
		    reason_name(h ? model_note(o, h) : x->why));
	}
}

static void
ipam_show(int i, char *text, size_t size)
{
	struct ipam_alloc a;

	text[0] = '\0';
	for (size_t w = 0; ipam_claim_want(ipam, owner_name(i), w, &a) == 0; w++)
		snprintf(text + strlen(text), size - strlen(text), "%s %s %s; ",
		    addr_is_set(&a.addr) ? addr_str(&a.addr) : "-", a.pool, reason_name(a.reason));
}

static void
compare_pools(void)
{
	for (int i = 0; i < POOLS; i++) {
		struct ipam_pool_info info;
		uint64_t total = 0, used = 0, held = 0;
		int err = ipam_pool_get(ipam, pool_names[i], &info);

		ck_assert_int_eq(err == 0, pools[i].present);
		if (err < 0)
			continue;
		ck_assert_int_eq(info.conflicting, pools[i].conflict);
		for (int o = 0; o < OWNERS; o++)
			for (int h = 0; h < owners[o].nr_holds; h++)
				held += owners[o].hold[h].pool == i;
		ck_assert_uint_eq(info.held, held);
		if (pools[i].conflict)
			continue; /* overlapping blocks: nothing sensible to count */
		for (int f = ADDR_V4; f <= ADDR_V6; f++)
			for (int at = 0; at < SPAN; at++)
				if (pool_gives(&pools[i], f, at)) {
					total++;
					used += holder[f][at] >= 0;
				}
		ck_assert_uint_eq(info.total, total);
		ck_assert_uint_eq(info.used, used);
		ck_assert_uint_eq(info.available, total - used);
	}
}

static void
compare(int step)
{
	char want[400], got[400];

	for (int i = 0; i < OWNERS; i++) {
		model_show(i, want, sizeof(want));
		ipam_show(i, got, sizeof(got));
		ck_assert_msg(strcmp(want, got) == 0, "step %d, %s: should be \"%s\", is \"%s\"",
		    step, owner_name(i), want, got);
		ck_assert_msg(strcmp(want, owners[i].before) == 0 || owners[i].changed,
		    "step %d, %s: changed without a word from \"%s\" to \"%s\"", step,
		    owner_name(i), owners[i].before, want);
		memcpy(owners[i].before, want, sizeof(want));
		owners[i].changed = 0;
	}
	for (int f = ADDR_V4; f <= ADDR_V6; f++)
		for (int at = 0; at < SPAN; at++) {
			struct addr a = address(f, at);
			const char *who = ipam_owner_of(ipam, &a);

			ck_assert_str_eq(
			    who ? who : "", holder[f][at] < 0 ? "" : owner_name(holder[f][at]));
		}
	compare_pools();
}

/* ---- doing ---- */

static void
on_change(void *arg, const char *owner, unsigned what)
{
	uint64_t i;

	(void)arg;
	ck_assert_int_eq(text_u64(owner + 4, OWNERS - 1, &i), 0);
	owners[i].changed |= what;
}

static void
give_pools(void)
{
	struct ipam_block blocks[POOLS][BLOCKS];
	struct ipam_pool list[POOLS];
	size_t nr = 0;

	for (int i = POOLS - 1; i >= 0; i--) {
		if (!pools[i].present)
			continue;
		for (int b = 0; b < pools[i].nr; b++) {
			const struct mblock *m = &pools[i].b[b];

			blocks[i][b] = (struct ipam_block){
				{ address(m->family, m->lo), address(m->family, m->hi) }, m->cidr
			};
		}
		list[nr++] = (struct ipam_pool){ .name = pool_names[i],
			.created = pools[i].created,
			.disabled = pools[i].disabled,
			.allow_first_last = pools[i].allow_first_last,
			.avoid_buggy = pools[i].avoid_buggy,
			.rank = (uint32_t)pools[i].rank,
			.blocks = blocks[i],
			.nr_blocks = (size_t)pools[i].nr };
	}
	ck_assert_int_eq(ipam_pools_set(ipam, list, nr), 0);
}

static void
give_claim(int i)
{
	const struct mowner *o = &owners[i];
	const char *names[POOLS];
	struct addr requested[WANTS];
	struct ipam_claim c = { .owner = owner_name(i),
		.created = o->created,
		.requested = requested,
		.any_pool = o->any_pool,
		.pools = names };

	for (int p = POOLS - 1; p >= 0; p--)
		if (o->may[p])
			names[c.nr_pools++] = pool_names[p];
	for (int w = 0; w < o->nr_wants; w++)
		if (o->want[w].at >= 0)
			requested[c.nr_requested++] = address(o->want[w].family, o->want[w].at);
		else
			c.families[c.nr_families++] = (enum addr_family)o->want[w].family;
	ck_assert_int_eq(ipam_claim_set(ipam, &c), 0);
}

static void
change_pool(void)
{
	struct mpool *p = &pools[rnd(POOLS)];

	switch (rnd(7)) {
	case 0:
		p->present = !p->present;
		break;
	case 1:
		p->disabled = !p->disabled;
		break;
	case 2:
		p->created = rnd(10);
		break;
	case 3:
		p->rank = rnd(2);
		p->avoid_buggy = rnd(2);
		break;
	default:
		p->present = true;
		p->allow_first_last = rnd(2);
		p->nr = 1 + rnd(BLOCKS);
		for (int i = 0; i < p->nr; i++) {
			struct mblock *b = &p->b[i];
			int len = rnd(4) ? 1 << rnd(4) : 1 + rnd(9);

			b->cidr = (len & (len - 1)) == 0 && rnd(2);
			b->family = rnd(3) ? ADDR_V4 : ADDR_V6;
			b->lo = b->cidr ? rnd(SPAN / len) * len : rnd(SPAN - len);
			b->hi = b->lo + len - 1;
			b->free_lo = b->lo;
			b->free_hi = b->hi;
		}
	}
	for (int i = 0; i < p->nr; i++) {
		bool trim = p->b[i].cidr && !p->allow_first_last && p->b[i].hi - p->b[i].lo > 1;

		p->b[i].free_lo = p->b[i].lo + trim;
		p->b[i].free_hi = p->b[i].hi - trim;
	}
	model_conflicts();
	give_pools();
}

static bool
wants_already(const struct mowner *o, int family, int at)
{
	for (int w = 0; w < o->nr_wants; w++)
		if (o->want[w].family == family && o->want[w].at == at)
			return true;
	return false;
}

static void
change_claim(void)
{
	int i = rnd(OWNERS), nr;
	struct mowner *o = &owners[i];

	if (o->present && rnd(4) == 0) {
		o->present = false;
		ipam_claim_del(ipam, owner_name(i));
		return;
	}
	if (!o->present || rnd(4) == 0)
		o->created = rnd(6);
	if (!o->present || rnd(3) == 0) {
		o->any_pool = rnd(2);
		for (int p = 0; p < POOLS; p++)
			o->may[p] = !o->any_pool && rnd(2);
	}
	if (!o->present || rnd(2)) {
		bool fixed = rnd(3) == 0;

		nr = fixed ? 1 + rnd(WANTS) : rnd(3);
		o->nr_wants = 0;
		for (int w = 0; w < nr; w++) {
			int family = rnd(3) ? ADDR_V4 : ADDR_V6, at = fixed ? rnd(SPAN) : -1;

			if (wants_already(o, family, at))
				continue;
			o->want[o->nr_wants++] =
			    (struct mwant){ family, at, -1, REASON_SOURCES_NOT_SYNCED };
		}
	}
	o->present = true;
	give_claim(i);
}

static bool
restore_one(void *fresh, const struct ipam_alloc *a)
{
	ck_assert_int_eq(ipam_restore(fresh, a->owner, &a->addr, a->pool), 0);
	return true;
}

static int
by_address(const void *x, const void *y)
{
	const struct mhold *a = x, *b = y;

	return a->family != b->family ? a->family - b->family : a->at - b->at;
}

/* A new process: what was held is restored, then everything comes in another order. */
static void
restart(void)
{
	struct ipam *old = ipam;

	ipam_settle(old);
	model_settle();
	ipam = ipam_new(on_change, NULL);
	if (rnd(2))
		give_pools();
	ipam_each(old, restore_one, ipam);
	for (int i = OWNERS - 1; i >= 0; i--) {
		if (owners[i].present)
			give_claim(i);
		qsort(owners[i].hold, (size_t)owners[i].nr_holds, sizeof(struct mhold), by_address);
	}
	give_pools();
	ipam_settle(ipam); /* without effect */
	ipam_start(ipam);
	ipam_free(old);
}

/* The whole wanted state once more: the same, whether it came bit by bit or at once. */
static void
give_all(void)
{
	ipam_claims_begin(ipam);
	for (int i = 0; i < OWNERS; i++)
		if (owners[i].present)
			give_claim(i);
	ipam_claims_end(ipam);
	give_pools();
}

START_TEST(random_life)
{
	seed = 20 + (uint64_t)_i;
	memset(pools, 0, sizeof(pools));
	memset(owners, 0, sizeof(owners));
	memset(holder, -1, sizeof(holder));
	ipam = ipam_new(on_change, NULL);
	ipam_start(ipam);
	for (int step = 0; step < (int)unit_rounds(STEPS / 4); step++) {
		int what = rnd(100);

		if (what < 12)
			change_pool();
		else if (what < 97)
			change_claim();
		else if (what < 98)
			restart();
		else
			give_all();
		if (rnd(3))
			continue;
		ipam_settle(ipam);
		model_settle();
		compare(step);
	}
	ipam_free(ipam);
}
END_TEST

static void
add_tests(Suite *s)
{
	TCase *tc = tcase_create("model");

	tcase_set_timeout(tc, 120);
	tcase_add_loop_test(tc, random_life, 0, 4);
	suite_add_tcase(s, tc);
}

UNIT_MAIN("ipam-model", add_tests)
