/*
 * tests/unit/bgpd/test_out_model.c: export groups: what peers hold after any order of events is
 * what a naive model says they should, from the very bytes that they were sent.
 *
 * The model knows nothing of groups, dumps or nodes: it is a few arrays, and computes every peer's
 * table from scratch.
 */
#include "bgpd/out.h"

#include <string.h>

#include "bgpd/msg.h"
#include "lib/mem.h"
#include "tests/unit/bgpd/ribkit.h"
#include "tests/unit/unit.h"

#define V4 BGP_FAMILY_MASK(BGP_IPV4_UNICAST)
#define V6 BGP_FAMILY_MASK(BGP_IPV6_UNICAST)
#define NR_PREFIXES 32 /* the first 24 are IPv4 */
#define NR_V4 24
#define NR_OWNERS 3
#define OWNER_MAX 8
#define NR_VARIANTS 8

static struct kit *k;

static uint64_t seed;

static unsigned
rnd(unsigned n)
{
	seed = seed * 6364136223846793005u + 1442695040888963407u;
	return (unsigned)(seed >> 33) % n;
}

/* ---- the model ---- */

struct m_claim {
	unsigned prefix;
	bool edge;				/* audience "edge", else "all" */
	bool pod;				/* source PodCIDR, else service */
	unsigned pref, med, prepend, community; /* 0: none */
};

struct m_path { /* as received */
	bool there, stale;
	unsigned variant;
};

static struct model {
	struct m_claim claims[NR_OWNERS][OWNER_MAX];
	unsigned nr_claims[NR_OWNERS];
	struct m_path paths[KIT_PEERS][NR_PREFIXES];
	unsigned import[KIT_PEERS], export[KIT_PEERS];
	bool edge[KIT_PEERS]; /* its audience */
} m;

static bool
is_ibgp(unsigned peer)
{
	return peer == 3 || peer == 4;
}

static const char *
prefix_name(unsigned i)
{
	static char text[NR_PREFIXES][PREFIX_STRLEN];

	if (i < NR_V4)
		snprintf(text[i], sizeof(text[i]), "10.%u.0.0/%u", 50 + i, 24 + i % 3);
	else
		snprintf(text[i], sizeof(text[i]), "2001:db8:%x::/48", i);
	return text[i];
}

/* What peer @p announces in variant @v. */
static struct kit_route
variant_route(unsigned p, unsigned v, bool v4)
{
	struct kit_route r = { .path = { is_ibgp(p) ? 64999 : 65001 + p } };

	switch (v) {
	case 1:
		r.path[1] = 7;
		r.med = 10;
		break;
	case 2:
		r.communities[0] = 0x00010001;
		break;
	case 3:
		r.med = 20;
		break;
	case 4:
		r.path[1] = KIT_AS;
		break;
	case 5:
		r.communities[0] = 0xffffff01;
		break;
	case 6:
		r.next_hop = v4 ? "10.0.0.4" : NULL; /* peer 3's own */
		break;
	case 7:
		r.next_hop = v4 ? "10.0.0.100" : NULL; /* ours */
		break;
	default:
		break;
	}
	return r;
}

struct m_route {
	bool there;
	unsigned path[12], nr_path;
	char hop[ADDR_STRLEN];
	unsigned med, pref; /* 0: none */
	unsigned communities[4], nr_communities;
	bool ebgp;
	unsigned from; /* peer */
};

static void
add_community(struct m_route *r, unsigned c)
{
	unsigned at = r->nr_communities;

	for (unsigned i = 0; i < at; i++) {
		if (r->communities[i] == c)
			return;
	}
	while (at && r->communities[at - 1] > c) {
		r->communities[at] = r->communities[at - 1];
		at--;
	}
	r->communities[at] = c;
	r->nr_communities++;
}

/* Import, by the policy's number. */
static struct m_route
m_import(unsigned p, unsigned prefix)
{
	const struct m_path *mp = &m.paths[p][prefix];
	struct kit_route kr = variant_route(p, mp->variant, prefix < NR_V4);
	struct m_route r = { .ebgp = !is_ibgp(p), .from = p };
	bool loop = false, tagged = false;

	for (; kr.path[r.nr_path]; r.nr_path++) {
		r.path[r.nr_path] = kr.path[r.nr_path];
		loop |= kr.path[r.nr_path] == KIT_AS;
	}
	r.med = kr.med;
	r.pref = is_ibgp(p) ? 100 : 0;
	if (kr.communities[0]) {
		add_community(&r, kr.communities[0]);
		tagged = kr.communities[0] == 0x00010001;
	}
	if (kr.next_hop)
		snprintf(r.hop, sizeof(r.hop), "%s", kr.next_hop);
	else
		snprintf(r.hop, sizeof(r.hop), prefix < NR_V4 ? "10.0.0.%u" : "fd00::%u", p + 1);
	if (!mp->there || loop || strcmp(r.hop, "10.0.0.100") == 0)
		return r;
	switch (m.import[p]) {
	case 1:
		r.there = true;
		break;
	case 2:
		r.there = prefix >= NR_V4 || prefix % 3 != 1;
		r.pref = 150;
		break;
	case 3:
		r.there = tagged;
		r.med = 77;
		break;
	default:
		break;
	}
	return r;
}

/* Keep those whose @key is smallest; MED only counts within a neighbouring AS. */
static unsigned
m_keep(struct m_route *r, unsigned nr, int step)
{
	bool lost[KIT_PEERS] = { false };
	unsigned out = 0;

	for (unsigned i = 0; i < nr; i++) {
		for (unsigned j = 0; j < nr; j++) {
			const struct m_route *a = &r[i], *b = &r[j];

			switch (step) {
			case 0:
				lost[i] |= (b->pref ? b->pref : 100) > (a->pref ? a->pref : 100);
				break;
			case 1:
				lost[i] |= b->nr_path < a->nr_path;
				break;
			case 2:
				lost[i] |= a->path[0] == b->path[0] && b->med < a->med;
				break;
			case 3:
				lost[i] |= b->ebgp && !a->ebgp;
				break;
			default: /* router ids go with the number of the peer */
				lost[i] |= b->from < a->from;
				break;
			}
		}
	}
	for (unsigned i = 0; i < nr; i++) {
		if (!lost[i])
			r[out++] = r[i];
	}
	return out;
}

static bool
m_is_ours(unsigned prefix)
{
	for (unsigned o = 0; o < NR_OWNERS; o++) {
		for (unsigned i = 0; i < m.nr_claims[o]; i++) {
			if (m.claims[o][i].prefix == prefix)
				return true;
		}
	}
	return false;
}

/* The best learned route; *multi gets those that share the load. */
static struct m_route
m_best(unsigned prefix, struct m_route *multi, unsigned *nr_multi)
{
	struct m_route r[KIT_PEERS];
	unsigned nr = 0;

	for (unsigned p = 0; p < KIT_PEERS; p++) {
		r[nr] = m_import(p, prefix);
		nr += r[nr].there;
	}
	for (int step = 0; step < 4; step++)
		nr = m_keep(r, nr, step);
	memcpy(multi, r, nr * sizeof(*r));
	*nr_multi = nr;
	nr = m_keep(r, nr, 4);
	return nr ? r[0] : (struct m_route){ 0 };
}

/* What we originate of @prefix for an audience: the winner with everybody's communities. */
static struct m_route
m_own(unsigned prefix, bool edge, const struct m_claim **winner)
{
	struct m_route r = { 0 };
	const struct m_claim *w = NULL;

	for (unsigned o = 0; o < NR_OWNERS; o++) {
		for (unsigned i = 0; i < m.nr_claims[o]; i++) {
			const struct m_claim *c = &m.claims[o][i];

			if (c->prefix != prefix || c->edge != edge)
				continue;
			if (c->community)
				add_community(&r, c->community);
			if (!w || (c->pref ? c->pref : 100) > (w->pref ? w->pref : 100))
				w = c;
		}
	}
	if (w) {
		r.there = true;
		r.med = w->med;
		r.pref = w->pref;
	}
	*winner = w;
	return r;
}

static void
m_text(const struct m_route *r, char *text)
{
	size_t at = (size_t)snprintf(text, KIT_TEXT, "igp|");

	for (unsigned i = 0; i < r->nr_path; i++)
		at += (size_t)snprintf(text + at, KIT_TEXT - at, i ? " %u" : "%u", r->path[i]);
	at += (size_t)snprintf(text + at, KIT_TEXT - at, "|%s", r->hop);
	if (r->med)
		at += (size_t)snprintf(text + at, KIT_TEXT - at, "|med %u", r->med);
	if (r->pref)
		at += (size_t)snprintf(text + at, KIT_TEXT - at, "|lp %u", r->pref);
	for (unsigned i = 0; i < r->nr_communities; i++)
		at += (size_t)snprintf(text + at, KIT_TEXT - at, i ? " %u:%u" : "|%u:%u",
		    r->communities[i] >> 16, r->communities[i] & 0xffff);
}

static void
m_prepend(struct m_route *r, unsigned n)
{
	memmove(r->path + n, r->path, r->nr_path * sizeof(r->path[0]));
	for (unsigned i = 0; i < n; i++)
		r->path[i] = KIT_AS;
	r->nr_path += n;
}

/* What export policy makes of a route; false: it stays here. */
static bool
m_export(unsigned p, unsigned prefix, bool ours, bool pod, struct m_route *r, unsigned *prepend)
{
	switch (m.export[p]) {
	case 0:
		return ours;
	case 2:
		if (!ours)
			return prefix < NR_V4 && prefix % 3 == 0;
		if (!pod)
			add_community(r, 0x00090009);
		return true;
	case 3:
		if (ours)
			return pod;
		r->med = 5;
		++*prepend;
		return true;
	default:
		return true;
	}
}

/* May a route learned from another be told to @p at all? */
static bool
m_may_pass(unsigned p, const struct m_route *r)
{
	if (!r->there || r->from == p || (is_ibgp(p) && !r->ebgp))
		return false;
	for (unsigned i = 0; i < r->nr_communities; i++) {
		if (r->communities[i] == 0xffffff01 && !is_ibgp(p))
			return false;
	}
	return true;
}

/* What peer @p should hold for @prefix: "" for nothing. */
static void
m_told(unsigned p, unsigned prefix, char *text)
{
	bool ours = m_is_ours(prefix), pod = false;
	struct m_route multi[KIT_PEERS], r;
	unsigned nr_multi, prepend = 0;

	text[0] = '\0';
	if (ours) {
		const struct m_claim *w = NULL;

		r = m_own(prefix, m.edge[p], &w);
		if (!r.there)
			return;
		prepend = w->prepend;
		pod = w->pod;
	} else {
		r = m_best(prefix, multi, &nr_multi);
		if (!m_may_pass(p, &r))
			return;
		if (!is_ibgp(p))
			r.med = 0;
	}
	if (!m_export(p, prefix, ours, pod, &r, &prepend))
		return;
	if (is_ibgp(p)) {
		r.pref = r.pref ? r.pref : 100;
	} else {
		r.pref = 0;
		m_prepend(&r, 1 + prepend);
	}
	if (ours || !is_ibgp(p))
		snprintf(r.hop, sizeof(r.hop), prefix < NR_V4 ? "10.0.0.100" : "fd00::64");
	else if (p == 3 && strcmp(r.hop, "10.0.0.4") == 0)
		return;
	m_text(&r, text);
}

static int
hop_cmp(const void *a, const void *b)
{
	return strcmp(a, b);
}

static void
m_learned(unsigned prefix, char *text)
{
	struct m_route multi[KIT_PEERS];
	char hops[KIT_PEERS][ADDR_STRLEN];
	unsigned nr = 0;
	size_t at = 0;

	text[0] = '\0';
	if (m_is_ours(prefix))
		return;
	m_best(prefix, multi, &nr);
	for (unsigned i = 0; i < nr; i++)
		snprintf(hops[i], sizeof(hops[i]), "%s", multi[i].hop);
	qsort(hops, nr, sizeof(hops[0]), hop_cmp);
	for (unsigned i = 0; i < nr; i++) {
		if (i && strcmp(hops[i], hops[i - 1]) == 0)
			continue;
		at += (size_t)snprintf(text + at, KIT_TEXT - at, at ? " %s" : "%s", hops[i]);
	}
}

/* ---- the same in the real thing ---- */

static void
configure(unsigned p)
{
	struct kit_conf c;

	kit_conf_init(&c, p);
	memset(c.import, 0, sizeof(c.import));
	for (int f = 0; f < BGP_NR_FAMILIES; f++)
		c.conf.family[f].audience = m.edge[p] ? "edge" : "all";
	ck_assert_int_eq(prefix_parse("10.0.0.0/8", &c.prefixes[0].prefix, NULL), 0);
	switch (m.import[p]) {
	case 0:
		c.conf.import.nr_rules = 0;
		break;
	case 1:
		c.import[0].accept = true;
		break;
	case 2:
		c.prefixes[0].ge = c.prefixes[0].le = 25;
		c.import[0].match.prefixes = c.prefixes;
		c.import[0].match.nr_prefixes = 1;
		c.import[1].accept = true;
		c.import[1].set.has_local_pref = true;
		c.import[1].set.local_pref = 150;
		c.conf.import.nr_rules = 2;
		break;
	default: {
		static const uint32_t tag = 0x00010001;

		c.import[0].accept = true;
		c.import[0].match.communities =
		    (struct bgp_communities){ .std = &tag, .nr_std = 1 };
		c.import[0].set.has_med = true;
		c.import[0].set.med = 77;
		break;
	}
	}
	c.prefixes[1] = c.prefixes[0];
	c.prefixes[1].ge = c.prefixes[1].le = 24;
	switch (m.export[p]) {
	case 0:
		break;
	case 1:
		c.export[0].accept = true;
		c.conf.export.nr_rules = 1;
		break;
	case 2: {
		static const uint32_t mark = 0x00090009;

		c.export[0].accept = true;
		c.export[0].match.sources = 1u << BGP_SRC_LEARNED;
		c.export[0].match.prefixes = &c.prefixes[1];
		c.export[0].match.nr_prefixes = 1;
		c.export[1].accept = true;
		c.export[1].match.sources = 1u << BGP_SRC_SERVICE;
		c.export[1].set.add = (struct bgp_communities){ .std = &mark, .nr_std = 1 };
		c.conf.export.nr_rules = 2;
		break;
	}
	default:
		c.export[0].match.sources = 1u << BGP_SRC_SERVICE;
		c.export[1].accept = true;
		c.export[1].match.sources = 1u << BGP_SRC_LEARNED;
		c.export[1].set.has_med = true;
		c.export[1].set.med = 5;
		c.export[1].set.prepend = 1;
		c.conf.export.nr_rules = 2;
		break;
	}
	kit_conf(k, p, &c);
}

static void
originate(unsigned o)
{
	static const char *const names[NR_OWNERS] = { "a", "b", "c" };
	struct bgp_announce a[OWNER_MAX];
	uint32_t communities[OWNER_MAX];

	for (unsigned i = 0; i < m.nr_claims[o]; i++) {
		const struct m_claim *c = &m.claims[o][i];

		a[i] = kit_own(prefix_name(c->prefix));
		a[i].audience = c->edge ? "edge" : "all";
		a[i].source = c->pod ? BGP_SRC_PODCIDR : BGP_SRC_SERVICE;
		a[i].has_local_pref = c->pref;
		a[i].local_pref = c->pref;
		a[i].has_med = c->med;
		a[i].med = c->med;
		a[i].prepend = (uint8_t)c->prepend;
		communities[i] = c->community;
		a[i].communities = (struct bgp_communities){ .std = &communities[i],
			.nr_std = c->community ? 1 : 0 };
	}
	ck_assert_int_eq(rib_originate(k->rib, names[o], a, m.nr_claims[o]), 0);
}

static void
up(unsigned p)
{
	struct kit_peer *peer = &k->peers[p];

	peer->s = kit_session(p, is_ibgp(p));
	peer->s.as4 = p != 2;
	peer->s.ext_msg = p == 5;
	peer->up = true;
	peer->room = SIZE_MAX;
	peer->eor[0] = peer->eor[1] = 0;
	adj_up(peer->adj, &peer->s);
}

/* ---- what happens ---- */

static void
do_originate(void)
{
	unsigned o = rnd(NR_OWNERS), nr = rnd(OWNER_MAX + 1);
	unsigned change = rnd(2) ? 0 : rnd(OWNER_MAX); /* anew, or one of them */

	change = m.nr_claims[o] ? change % m.nr_claims[o] : 0;
	if (!change)
		m.nr_claims[o] = nr;
	for (unsigned i = 0; i < m.nr_claims[o]; i++) {
		struct m_claim c = { .prefix = rnd(NR_PREFIXES), .edge = rnd(3) == 0 };
		bool twice = false;

		if (change && i != change)
			continue;
		c.pod = rnd(3) == 0;
		c.pref = rnd(3) == 0 ? 50 + rnd(4) * 50 : 0;
		c.med = rnd(3) == 0 ? 1 + rnd(3) : 0;
		c.prepend = rnd(4) == 0 ? 1 + rnd(2) : 0;
		c.community = rnd(2) ? 0x00030000 + rnd(3) : 0;
		for (unsigned j = 0; j < m.nr_claims[o]; j++)
			twice |= j != i && (j < i || change) && m.claims[o][j].prefix == c.prefix &&
			    m.claims[o][j].edge == c.edge;
		if (!twice) {
			m.claims[o][i] = c;
		} else if (!change) {
			m.nr_claims[o] = i;
			break;
		}
	}
	originate(o);
}

static void
do_learn(void)
{
	unsigned p = rnd(KIT_PEERS), prefix = rnd(NR_PREFIXES), v = rnd(NR_VARIANTS);
	struct kit_route r = variant_route(p, v, prefix < NR_V4);

	if (!k->peers[p].up)
		return;
	if (rnd(3) == 0) {
		ck_assert_int_eq(kit_withdraw(k, p, prefix_name(prefix)), 0);
		m.paths[p][prefix] = (struct m_path){ 0 };
		return;
	}
	ck_assert_int_eq(kit_announce(k, p, prefix_name(prefix), &r, NULL), 0);
	m.paths[p][prefix] = (struct m_path){ .there = true, .variant = v };
}

static void
do_conf(void)
{
	unsigned p = rnd(KIT_PEERS);

	switch (rnd(3)) {
	case 0:
		m.import[p] = rnd(4);
		break;
	case 1:
		m.export[p] = rnd(4);
		break;
	default:
		m.edge[p] = rnd(2);
		break;
	}
	configure(p);
}

static void
purge(unsigned p, unsigned families)
{
	for (unsigned i = 0; i < NR_PREFIXES; i++) {
		if (m.paths[p][i].stale && families & (i < NR_V4 ? V4 : V6))
			m.paths[p][i] = (struct m_path){ 0 };
	}
}

static void
do_session(void)
{
	unsigned p = rnd(KIT_PEERS), keep = rnd(4);

	if (!k->peers[p].up) {
		up(p);
		return;
	}
	if (rnd(2)) {
		int f = (int)rnd(BGP_NR_FAMILIES);

		purge(p, BGP_FAMILY_MASK(f));
		if (rnd(2))
			ck_assert_int_eq(kit_eor(k, p, (enum bgp_family)f), 0);
		else
			adj_purge_stale(k->peers[p].adj, BGP_FAMILY_MASK(f));
		return;
	}
	for (unsigned i = 0; i < NR_PREFIXES; i++) {
		struct m_path *mp = &m.paths[p][i];

		if (!(keep & (i < NR_V4 ? V4 : V6)) || mp->stale)
			*mp = (struct m_path){ 0 };
		mp->stale = mp->there;
	}
	kit_down(k, p, keep);
}

static void
do_room(void)
{
	struct kit_peer *p = &k->peers[rnd(KIT_PEERS)];
	unsigned kind = rnd(4);

	p->room = kind == 0 ? 0 : kind == 1 ? rnd(200) : kind == 2 ? rnd(3000) : SIZE_MAX;
	if (p->up && rnd(2))
		adj_more(p->adj);
}

static void
do_refresh(void)
{
	struct kit_peer *p = &k->peers[rnd(KIT_PEERS)];

	if (p->up)
		adj_refresh(p->adj, (enum bgp_family)rnd(BGP_NR_FAMILIES), BGP_REFRESH_REQUEST);
}

/* Let everybody read, and compare. */
static void
compare(unsigned long op)
{
	char want[KIT_TEXT];
	const char *got;

	for (unsigned p = 0; p < KIT_PEERS; p++) {
		k->peers[p].room = SIZE_MAX;
		if (k->peers[p].up)
			adj_more(k->peers[p].adj);
	}
	loop_advance(k->loop, 1000);
	for (unsigned p = 0; p < KIT_PEERS; p++) {
		unsigned nr = 0, advertised = 0;

		if (!k->peers[p].up)
			continue;
		for (unsigned i = 0; i < NR_PREFIXES; i++) {
			m_told(p, i, want);
			nr += want[0] != '\0';
			got = kit_told(k, p, prefix_name(i));
			ck_assert_msg(strcmp(want, got) == 0,
			    "operation %lu: peer %u, %s: wanted '%s', was told '%s'", op, p,
			    prefix_name(i), want, got);
		}
		ck_assert_uint_eq(kit_table_size(&k->peers[p]), nr);
		for (int f = 0; f < BGP_NR_FAMILIES; f++) {
			struct adj_counts c;

			adj_counts(k->peers[p].adj, (enum bgp_family)f, &c);
			advertised += c.advertised;
			ck_assert_uint_eq(k->peers[p].eor[f], 1);
		}
		ck_assert_uint_eq(advertised, nr);
	}
	for (unsigned i = 0; i < NR_PREFIXES; i++) {
		m_learned(i, want);
		got = kit_learned(k, prefix_name(i));
		ck_assert_msg(strcmp(want, got) == 0,
		    "operation %lu: %s: wanted '%s', learned '%s'", op, prefix_name(i), want, got);
	}
}

static void
world(void)
{
	memset(&m, 0, sizeof(m));
	k = kit_new();
	rib_ready(k->rib);
	for (unsigned p = 0; p < KIT_PEERS; p++) {
		m.import[p] = 1;
		m.export[p] = p % 2;
		configure(p);
		up(p);
	}
}

static void
step(void)
{
	unsigned what = rnd(100);

	if (what < 25)
		do_originate();
	else if (what < 70)
		do_learn();
	else if (what < 76)
		do_conf();
	else if (what < 80)
		do_session();
	else if (what < 90)
		do_room();
	else if (what < 92)
		do_refresh();
	if (rnd(3) == 0)
		kit_run(k);
}

START_TEST(any_order_of_events)
{
	seed = (uint64_t)_i * 7919 + 1;
	world();
	for (unsigned long op = 1; op <= unit_rounds(25000); op++) {
		step();
		if (rnd(300) == 0)
			compare(op);
	}
	compare(0);
	kit_free(k);
}
END_TEST

/* The same while memory runs out now and then: late, but right in the end, and no leak.  A peer
 * whose UPDATE found no memory is shut, as the session would do. */
START_TEST(any_order_of_events_without_memory)
{
	seed = (uint64_t)_i * 104729 + 3;
	world();
	for (unsigned long op = 1; op <= unit_rounds(15000); op++) {
		bool starve = rnd(4) == 0;
		unsigned p = rnd(KIT_PEERS), prefix = rnd(NR_PREFIXES), v = rnd(NR_VARIANTS);
		struct kit_route r = variant_route(p, v, prefix < NR_V4);
		struct bgp_fault f = { 0 };

		if (starve && k->peers[p].up) {
			int err;

			mem_fail_at(1 + rnd(12));
			err = kit_announce(k, p, prefix_name(prefix), &r, &f);
			if (rnd(2))
				kit_run(k);
			mem_fail_at(0);
			m.paths[p][prefix] = (struct m_path){ .there = true, .variant = v };
			if (err < 0) {
				ck_assert_uint_eq(f.code, BGP_ERR_CEASE);
				ck_assert_uint_eq(f.subcode, BGP_CEASE_RESOURCES);
				kit_down(k, p, 0);
				memset(m.paths[p], 0, sizeof(m.paths[p]));
				up(p);
			}
		} else {
			step();
		}
		if (starve && rnd(2)) {
			mem_fail_at(1 + rnd(20));
			if (rnd(3) == 0) {
				do_refresh();
				adj_more(k->peers[p].adj);
			}
			kit_run(k);
			mem_fail_at(0);
		}
		if (rnd(300) == 0)
			compare(op);
	}
	compare(0);
	kit_free(k);
}
END_TEST

static void
add_tests(Suite *s)
{
	TCase *tc = tcase_create("model");

	tcase_add_loop_test(tc, any_order_of_events, 0, 4);
	tcase_add_loop_test(tc, any_order_of_events_without_memory, 0, 2);
	tcase_set_timeout(tc, 240);
	suite_add_tcase(s, tc);
}
UNIT_MAIN("out-model", add_tests)
