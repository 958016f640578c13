/*
 * tests/unit/ipam/test_model.c: random life against the naive model of model.h.
 *
 * After each settling both must say the same of every claim, every address and every pool, the
 * callbacks must have told of exactly what changed, nobody may hold what he may not, and now and then
 * the process "restarts": all that was held is restored in a new allocator, which must change
 * nothing.  UNIT_ROUNDS=many takes a million steps.
 */
#include "lib/text.h"
#include "tests/unit/ipam/model.h"
#include "tests/unit/unit.h"

#include <errno.h>
#include <string.h>

enum { WALKS = 4, STEPS = 10000, MANY = 1000000 };

static struct ipam *ipam;
static uint64_t seed;

static int
rnd(int n)
{
	seed = seed * 6364136223846793005u + 1442695040888963407u;
	return (int)((seed >> 33) % (unsigned)n);
}

static const char *
ns_name(int i)
{
	static const char *const names[] = { "n0", "n1", "n2" };

	return names[i];
}

static const char *
owner_name(int i)
{
	static char name[4][16];
	static int turn;

	turn = (turn + 1) % 4;
	snprintf(name[turn], sizeof(name[turn]), "%s/o%02d", ns_name(i * NAMESPACES / OWNERS), i);
	return name[turn];
}

/* ---- comparing ---- */

static void
ipam_show(int i, char *text, size_t size)
{
	struct ipam_alloc a;

	text[0] = '\0';
	for (size_t w = 0; ipam_claim_want(ipam, owner_name(i), w, &a) == 0; w++)
		snprintf(text + strlen(text), size - strlen(text), "%s %s %s %s; ",
		    addr_is_set(&a.addr) ? addr_str(&a.addr) : "-", a.pool, reason_name(a.reason),
		    reason_name(a.detail));
}

static void
compare_pool(int i)
{
	struct ipam_pool_info info;
	uint64_t total = 0, used = 0, held = 0, resting = 0;
	int err = ipam_pool_get(ipam, model_pool_names[i], &info);

	ck_assert_int_eq(err == 0, m.pools[i].present);
	if (err < 0)
		return;
	ck_assert_int_eq(info.conflicting, m.pools[i].conflict);
	for (int o = 0; o < OWNERS; o++)
		for (int h = 0; h < m.owners[o].nr_holds; h++)
			held += m.owners[o].hold[h].pool == i;
	ck_assert_uint_eq(info.held, held);
	if (m.pools[i].conflict)
		return; /* overlapping blocks: nothing sensible to count */
	for (int f = ADDR_V4; f <= ADDR_V6; f++)
		for (int at = 0; at < SPAN; at++) {
			const struct maddr *x = &m.addr[f][at];

			if (!model_pool_gives(&m.pools[i], f, at))
				continue;
			total++;
			used += x->nr > 0;
			resting += !x->nr && (x->cool || x->strange);
		}
	ck_assert_uint_eq(info.total, total);
	ck_assert_uint_eq(info.used, used);
	ck_assert_uint_eq(info.resting, resting);
	ck_assert_uint_eq(info.available, total - used);
}

static void
compare_addr(int f, int at)
{
	const struct maddr *x = &m.addr[f][at];
	struct addr a = model_addr(f, at);
	const char *who = ipam_owner_of(ipam, &a);

	ck_assert_str_eq(who ? who : "", x->nr ? owner_name(x->holders[0]) : "");
	for (int i = 0; i < x->nr; i++)
		ck_assert(ipam_holds(ipam, owner_name(x->holders[i]), &a));
}

static void
compare(int step)
{
	char want[600], got[600], *rest;

	for (int i = 0; i < OWNERS; i++) {
		struct mowner *o = &m.owners[i];

		model_show(i, want, sizeof(want));
		ipam_show(i, got, sizeof(got));
		ck_assert_msg(strcmp(want, got) == 0, "step %d, %s: should be \"%s\", is \"%s\"",
		    step, owner_name(i), want, got);
		/* what is being waited for in a full pool is nothing to be told of */
		while ((rest = strstr(want, "out-of-ips cooling-down")) != NULL)
			memmove(rest + 10, rest + 23, strlen(rest + 23) + 1);
		while ((rest = strstr(want, "out-of-ips none")) != NULL)
			memmove(rest + 10, rest + 15, strlen(rest + 15) + 1);
		ck_assert_msg(strcmp(want, o->before) == 0 || o->changed,
		    "step %d, %s: changed without a word from \"%s\" to \"%s\"", step,
		    owner_name(i), o->before, want);
		memcpy(o->before, want, sizeof(want));
		o->changed = 0;
	}
	for (int f = ADDR_V4; f <= ADDR_V6; f++)
		for (int at = 0; at < SPAN; at++)
			compare_addr(f, at);
	for (int i = 0; i < POOLS; i++)
		compare_pool(i);
	model_lawful();
}

/* ---- doing ---- */

static void
on_change(void *arg, const char *owner, unsigned what)
{
	uint64_t i;

	(void)arg;
	ck_assert_int_eq(text_u64(owner + 4, OWNERS - 1, &i), 0);
	m.owners[i].changed |= what;
}

static void
give_pools(void)
{
	struct ipam_block blocks[POOLS][BLOCKS];
	struct ipam_pool list[POOLS];
	size_t nr = 0;

	for (int i = POOLS - 1; i >= 0; i--) {
		const struct mpool *p = &m.pools[i];

		if (!p->present)
			continue;
		for (int b = 0; b < p->nr; b++)
			blocks[i][b] =
			    (struct ipam_block){ { model_addr(p->b[b].family, p->b[b].lo),
						     model_addr(p->b[b].family, p->b[b].hi) },
				    p->b[b].cidr };
		list[nr++] = (struct ipam_pool){ .name = model_pool_names[i],
			.created = p->created,
			.disabled = p->disabled,
			.allow_first_last = p->allow_first_last,
			.avoid_buggy = p->avoid_buggy,
			.renumber = p->renumber,
			.reuse_ms = (uint64_t)p->reuse,
			.rank = (uint32_t)p->rank,
			.blocks = blocks[i],
			.nr_blocks = (size_t)p->nr };
	}
	ck_assert_int_eq(ipam_pools_set(ipam, list, nr), 0);
}

/* What a claim's arrays point to. */
struct parts {
	const char *names[POOLS], *each[WANTS], *friends[NAMESPACES];
	struct addr requested[WANTS];
	struct ipam_port ports[PORTS];
};

static void
put_wants(const struct mowner *o, struct ipam_claim *c, struct parts *p)
{
	for (int i = 0; i < o->nr_wants; i++) {
		const struct mwant *w = &o->want[i];
		const char *pool = w->pool >= 0 ? model_pool_names[w->pool] : NULL;

		if (w->at >= 0)
			p->requested[c->nr_requested++] = model_addr(w->family, w->at);
		else if (pool && (!c->nr_each || p->each[c->nr_each - 1] != pool))
			p->each[c->nr_each++] = pool;
		if (w->at < 0 && i < 2 && (i == 0 || w->family != o->want[0].family))
			c->families[c->nr_families++] = (enum addr_family)w->family;
	}
}

static void
put_sharing(const struct mowner *o, struct ipam_sharing *s, struct parts *p)
{
	static const char *const selectors[] = { "", "app=a", "app=b" };
	static const char *const keys[] = { NULL, "one", "two" };

	*s = (struct ipam_sharing){ .key = keys[o->key + 1],
		.ports = p->ports,
		.friends = p->friends,
		.local = o->local,
		.selector = selectors[o->selector] };
	for (int i = PORTS - 1; i >= 0; i--)
		if (o->ports >> i & 1)
			p->ports[s->nr_ports++] =
			    (struct ipam_port){ (uint8_t)(i % 2 ? 17 : 6), (uint16_t)(80 + i / 2) };
	for (int n = 0; n < NAMESPACES; n++)
		if (o->friends >> n & 1)
			p->friends[s->nr_friends++] = ns_name(n);
}

static void
give_claim(int i)
{
	const struct mowner *o = &m.owners[i];
	struct parts parts;
	struct ipam_claim c = { .owner = owner_name(i),
		.created = o->created,
		.requested = parts.requested,
		.any_pool = o->any_pool,
		.pools = parts.names,
		.each = parts.each };

	for (int p = POOLS - 1; p >= 0; p--)
		if (o->may[p])
			parts.names[c.nr_pools++] = model_pool_names[p];
	put_wants(o, &c, &parts);
	put_sharing(o, &c.sharing, &parts);
	ck_assert_int_eq(ipam_claim_set(ipam, &c), 0);
}

static void
random_blocks(struct mpool *p)
{
	p->nr = 1 + rnd(BLOCKS);
	for (int i = 0; i < p->nr; i++) {
		struct mblock *b = &p->b[i];
		int len = rnd(4) ? 1 << rnd(4) : 1 + rnd(9);

		b->cidr = (len & (len - 1)) == 0 && rnd(2);
		b->family = rnd(3) ? ADDR_V4 : ADDR_V6;
		b->lo = b->cidr ? rnd(SPAN / len) * len : rnd(SPAN - len);
		b->hi = b->lo + len - 1;
	}
}

static void
change_pool(void)
{
	struct mpool *p = &m.pools[rnd(POOLS)];
	const bool was = p->present;

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
		random_blocks(p);
	}
	if (p->present && (!was || rnd(4) == 0)) {
		p->renumber = rnd(4) == 0;
		p->reuse = rnd(3) * 20;
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
wants_already(const struct mowner *o, const struct mwant *x)
{
	for (int w = 0; w < o->nr_wants; w++)
		if (o->want[w].family == x->family && o->want[w].at == x->at &&
		    o->want[w].pool == x->pool)
			return true;
	return false;
}

static void
add_want(struct mowner *o, int family, int at, int pool)
{
	const struct mwant w = { family, at, pool, -1, REASON_SOURCES_NOT_SYNCED, REASON_NONE };

	if (!wants_already(o, &w))
		o->want[o->nr_wants++] = w;
}

static void
change_wants(struct mowner *o)
{
	const int families[] = { rnd(3) ? ADDR_V4 : ADDR_V6, rnd(3) ? ADDR_V4 : ADDR_V6 };
	int nr = rnd(3), how = rnd(4), pool;

	o->nr_wants = 0;
	if (how == 0)
		for (nr = 1 + rnd(3); nr > 0; nr--)
			add_want(o, rnd(3) ? ADDR_V4 : ADDR_V6, rnd(SPAN), -1);
	else if (how == 1)
		for (int p = 0; p < 1 + rnd(2); p++) {
			pool = rnd(POOLS);
			for (int i = 0; i < nr; i++)
				add_want(o, families[i], -1, pool);
		}
	else
		for (int i = 0; i < nr; i++)
			add_want(o, families[i], -1, -1);
}

static void
change_sharing(struct mowner *o)
{
	const unsigned ports = 1u << rnd(PORTS), friends = (unsigned)rnd(1 << NAMESPACES);
	const int key = rnd(3) ? rnd(KEYS) : -1, selector = rnd(3);
	const bool local = rnd(4) == 0;
	const bool same = o->key == key &&
	    (key < 0 ||
		(o->ports == ports && o->friends == friends && o->local == local &&
		    o->selector == selector));

	if (!same)
		model_check_holds(o);
	o->key = key;
	o->ports = ports;
	o->friends = friends;
	o->local = local;
	o->selector = selector;
}

static void
change_claim(void)
{
	int i = rnd(OWNERS);
	struct mowner *o = &m.owners[i];

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
	if (!o->present || rnd(2))
		change_sharing(o);
	if (!o->present || rnd(2))
		change_wants(o);
	o->present = true;
	give_claim(i);
}

static bool
restore_one(void *fresh, const struct ipam_alloc *a)
{
	ck_assert_int_eq(ipam_restore(fresh, a->owner, &a->addr, a->pool), 0);
	return true;
}

static bool
restore_resting(void *fresh, const struct ipam_resting *r)
{
	ck_assert_int_eq(ipam_restore_resting(fresh, &r->addr, r->last, r->cool_ms), 0);
	return true;
}

/* A new process: what was held is restored, then everything comes in another order. */
static void
restart(void)
{
	struct ipam *old = ipam;

	ipam_settle(old);
	model_settle();
	ipam = ipam_new(on_change, NULL);
	ipam_clock(ipam, (uint64_t)m.now);
	if (rnd(2))
		give_pools();
	ipam_each(old, restore_one, ipam);
	ipam_resting_each(old, restore_resting, ipam);
	model_forget();
	for (int i = OWNERS - 1; i >= 0; i--)
		if (m.owners[i].present)
			give_claim(i);
	give_pools();
	ipam_settle(ipam); /* without effect */
	ipam_start(ipam);
	model_settle();
	ipam_free(old);
}

/* The whole wanted state once more: the same, whether it came bit by bit or at once. */
static void
give_all(void)
{
	ipam_claims_begin(ipam);
	for (int i = 0; i < OWNERS; i++)
		if (m.owners[i].present)
			give_claim(i);
	ipam_claims_end(ipam);
	give_pools();
}

static void
stranger(void)
{
	const int family = rnd(3) ? ADDR_V4 : ADDR_V6, at = rnd(SPAN), ms = rnd(3) * 30;
	const struct addr a = model_addr(family, at);

	ck_assert_int_eq(ipam_stranger(ipam, &a, (uint64_t)ms), 0);
	model_stranger(family, at, ms);
}

static void
used(void)
{
	const int family = rnd(3) ? ADDR_V4 : ADDR_V6, at = rnd(SPAN);
	const struct addr a = model_addr(family, at);

	ipam_used(ipam, &a);
	model_used(family, at);
}

static void
release(void)
{
	const int i = rnd(OWNERS);

	ipam_settle(ipam);
	model_settle();
	ck_assert_int_eq(ipam_release(ipam, owner_name(i)),
	    m.owners[i].present ? model_release(&m.owners[i]) : -ENOENT);
}

static void
time_passes(void)
{
	model_clock(m.now + rnd(10));
	ipam_clock(ipam, (uint64_t)m.now);
}

static void
one_step(void)
{
	const int what = rnd(200);

	if (what < 20)
		change_pool();
	else if (what < 30)
		time_passes();
	else if (what < 33)
		stranger();
	else if (what < 36)
		used();
	else if (what < 39)
		release();
	else if (what < 41)
		restart();
	else if (what < 43)
		give_all();
	else
		change_claim();
}

START_TEST(random_life)
{
	const char *wish = getenv("UNIT_ROUNDS");
	const int steps =
	    wish && strcmp(wish, "many") == 0 ? MANY / WALKS : (int)unit_rounds(STEPS);

	seed = 20 + (uint64_t)_i;
	model_reset();
	ipam = ipam_new(on_change, NULL);
	ipam_start(ipam);
	for (int step = 0; step < steps; step++) {
		one_step();
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

	tcase_set_timeout(tc, 1200);
	tcase_add_loop_test(tc, random_life, 0, WALKS);
	suite_add_tcase(s, tc);
}

UNIT_MAIN("ipam-model", add_tests)
