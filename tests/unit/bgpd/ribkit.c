/*
 * tests/unit/bgpd/ribkit.c: a small world around a RIB, for tests.
 */
#include "tests/unit/bgpd/ribkit.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "bgpd/msg.h"

/* ---- tables ---- */

static struct kit_entry *
entry_find(struct kit_entry *table, const char *prefix)
{
	struct kit_entry *e;

	HASH_FIND_STR(table, prefix, e);
	return e;
}

static void
entry_put(struct kit_entry **table, const char *prefix, const char *text)
{
	struct kit_entry *e = entry_find(*table, prefix);

	if (!e) {
		e = calloc(1, sizeof(*e));
		snprintf(e->prefix, sizeof(e->prefix), "%s", prefix);
		HASH_ADD_STR(*table, prefix, e);
	}
	snprintf(e->text, sizeof(e->text), "%s", text);
	e->unseen = false;
}

static bool
entry_drop(struct kit_entry **table, const char *prefix)
{
	struct kit_entry *e = entry_find(*table, prefix);

	if (!e)
		return false;
	HASH_DEL(*table, e);
	free(e);
	return true;
}

static void
table_clear(struct kit_entry **table)
{
	struct kit_entry *e, *next;

	HASH_ITER(hh, *table, e, next)
	{
		HASH_DEL(*table, e);
		free(e);
	}
}

/* ---- text ---- */

static size_t
add(char *text, size_t at, const char *more)
{
	snprintf(text + at, KIT_TEXT - at, "%s", more);
	return strlen(text);
}

void
kit_text(const struct bgp_attrs *a, char *text)
{
	static const char *const origins[] = { "igp", "egp", "incomplete" };
	struct wire_rd r = wire_rd_init(a->communities.p, a->communities.len);
	struct wire_rd path = wire_rd_init(a->as_path.p, a->as_path.len);
	char addr[ADDR_STRLEN], num[64];
	size_t at = add(text, 0, origins[a->origin]);
	const char *sep = "|";

	/* By hand: nothing here may allocate, for tests in which memory runs out. */
	while (wire_more(&path)) {
		unsigned type = wire_u8(&path);

		ck_assert_uint_eq(type, BGP_AS_SEQUENCE);
		for (unsigned nr = wire_u8(&path); nr; nr--, sep = " ") {
			snprintf(num, sizeof(num), "%s%u", sep, wire_u32(&path));
			at = add(text, at, num);
		}
	}
	at = add(text, at, *sep == '|' ? "||" : "|");
	at = add(text, at, addr_format(&a->next_hop, addr, sizeof(addr)));
	if (addr_is_set(&a->next_hop_ll)) {
		at = add(text, at, "+");
		at = add(text, at, addr_format(&a->next_hop_ll, addr, sizeof(addr)));
	}
	if (a->has_med) {
		snprintf(num, sizeof(num), "|med %u", a->med);
		at = add(text, at, num);
	}
	if (a->has_local_pref) {
		snprintf(num, sizeof(num), "|lp %u", a->local_pref);
		at = add(text, at, num);
	}
	if (a->communities.len)
		at = add(text, at, "|");
	while (wire_more(&r)) {
		unsigned as = wire_u16(&r), v = wire_u16(&r);

		snprintf(num, sizeof(num), "%u:%u%s", as, v, wire_more(&r) ? " " : "");
		at = add(text, at, num);
	}
	if (a->has_otc) {
		snprintf(num, sizeof(num), "|otc %u", a->otc);
		at = add(text, at, num);
	}
	if (a->has_originator_id) {
		snprintf(num, sizeof(num), "|originator %x", a->originator_id);
		at = add(text, at, num);
	}
	if (a->cluster_list.len)
		at = add(text, at, "|cluster");
	r = wire_rd_init(a->cluster_list.p, a->cluster_list.len);
	while (wire_more(&r)) {
		snprintf(num, sizeof(num), " %x", wire_u32(&r));
		at = add(text, at, num);
	}
	if (a->unknown.len) {
		snprintf(num, sizeof(num), "|unknown %02x/%u", a->unknown.p[0], a->unknown.p[1]);
		add(text, at, num);
	}
}

/* ---- what a peer is sent ---- */

/* As a peer with RFC 7313 does: what it had and is not sent between begin and end, it forgets. */
static void
peer_refresh(void *arg, enum bgp_family f, uint8_t subtype)
{
	struct kit_peer *p = arg;
	struct kit_entry *e, *next;

	(void)f;
	if (subtype == BGP_REFRESH_BORR) {
		p->borr++;
		ck_assert_uint_eq(p->borr, p->eorr + 1);
	} else {
		p->eorr++;
		ck_assert_uint_eq(p->borr, p->eorr);
	}
	HASH_ITER(hh, p->table, e, next)
	{
		if (subtype == BGP_REFRESH_BORR)
			e->unseen = true;
		else if (e->unseen)
			p->unrefreshed += entry_drop(&p->table, e->prefix);
	}
}

static void
peer_nlri(struct kit_peer *p, struct bgp_nlri *nlri, const char *text)
{
	char prefix[KIT_PREFIX];
	struct prefix pf;

	while (nlri->present && bgp_nlri_next(nlri, &pf)) {
		struct kit_entry *e;

		prefix_format(&pf, prefix, sizeof(prefix));
		if (nlri->add_path)
			snprintf(prefix + strlen(prefix), sizeof(prefix) - strlen(prefix), "#%u",
			    nlri->path_id);
		e = entry_find(p->table, prefix);
		if (text) {
			p->announced++;
			p->redundant += e && strcmp(e->text, text) == 0;
			entry_put(&p->table, prefix, text);
		} else {
			p->withdrawn++;
			p->withdrew_last |= p->announced > 0;
			p->redundant += !entry_drop(&p->table, prefix);
		}
	}
}

static void
peer_update(struct kit_peer *p, struct wire_rd body)
{
	static struct bgp_update u;
	char text[KIT_TEXT];
	/* Read as an internal peer does, so that nothing that was sent is overlooked. */
	struct bgp_update_ctx ctx = {
		.as4 = p->s.as4,
		.ibgp = true,
		.families = p->s.families,
		.ext_next_hop = p->s.ext_next_hop,
		.local_as = p->s.peer_as,
		.add_path = p->s.add_tx,
	};

	bgp_update_decode(body, &ctx, &u);
	ck_assert_msg(u.verdict == BGP_V_OK, "sent a bad UPDATE: verdict %d, attribute %u, %s",
	    (int)u.verdict, u.bad_attr, u.fault.why ? u.fault.why : "");
	if (u.eor >= 0) {
		p->eor[u.eor]++;
		return;
	}
	peer_nlri(p, &u.withdrawn, NULL);
	peer_nlri(p, &u.unreach, NULL);
	/* RFC 7606 5.1: at most one of the four fields when sending. */
	ck_assert_int_eq(
	    u.withdrawn.present + u.unreach.present + u.nlri.present + u.reach.present, 1);
	if (u.nlri.present) {
		kit_text(&u.attrs, text);
		peer_nlri(p, &u.nlri, text);
	}
	if (u.reach.present) {
		u.attrs.next_hop = u.reach_next_hop;
		u.attrs.next_hop_ll = u.reach_next_hop_ll;
		kit_text(&u.attrs, text);
		peer_nlri(p, &u.reach, text);
	}
}

static void
peer_send(void *arg, struct bgp_block *b)
{
	struct kit_peer *p = arg;
	struct wire_rd r = wire_rd_init(b->data, b->len);
	unsigned nr = 0;

	ck_assert(p->up);
	ck_assert_uint_le(b->len, b->cap);
	ck_assert_uint_gt(b->len, 0);
	p->last_block = b;
	for (; wire_more(&r); nr++) {
		struct wire_rd msg = r;
		uint16_t len;

		wire_take(&msg, 16);
		len = wire_u16(&msg);
		ck_assert_uint_ge(len, BGP_HEADER_LEN);
		ck_assert_uint_le(len, p->s.ext_msg ? BGP_MAX_EXT_LEN : BGP_MAX_LEN);
		ck_assert_uint_eq(wire_u8(&msg), BGP_MSG_UPDATE);
		p->largest = len > p->largest ? len : p->largest;
		peer_update(p, wire_sub(&msg, len - BGP_HEADER_LEN));
		wire_take(&r, len);
	}
	ck_assert(!r.bad);
	ck_assert_uint_eq(nr, b->nr_messages);
	p->messages += nr;
	if (p->room != SIZE_MAX)
		p->room = p->room > b->len ? p->room - b->len : 0;
}

static size_t
peer_room(void *arg)
{
	return ((struct kit_peer *)arg)->room;
}

static void
peer_eor(void *arg, enum bgp_family f)
{
	((struct kit_peer *)arg)->eor_got[f]++;
}

static void
learned(void *arg, const char *instance, const struct prefix *p, unsigned nr,
    const struct bgp_hop *hops)
{
	struct kit *k = arg;
	char prefix[PREFIX_STRLEN], text[KIT_TEXT] = "", addr[ADDR_STRLEN];
	size_t at = 0;

	ck_assert_str_eq(instance, "kit");
	k->nr_learned++;
	prefix_format(p, prefix, sizeof(prefix));
	if (!nr) {
		ck_assert_msg(entry_drop(&k->learned, prefix), "%s: nothing to forget", prefix);
		return;
	}
	for (unsigned i = 0; i < nr; i++) {
		ck_assert_ptr_nonnull(hops[i].peer);
		at = add(text, at, i ? " " : "");
		at = add(text, at, addr_format(&hops[i].next_hop, addr, sizeof(addr)));
		snprintf(addr, sizeof(addr), "*%u", hops[i].weight);
		if (hops[i].weight != 1)
			at = add(text, at, addr);
	}
	entry_put(&k->learned, prefix, text);
}

/* ---- the world ---- */

static void
aggregate(void *arg, const struct prefix *prefix, unsigned was, unsigned now)
{
	struct kit *k = arg;

	prefix_format(prefix, k->aggregate, sizeof(k->aggregate));
	k->aggregate_was = was;
	k->aggregate_now = now;
	k->nr_aggregates++;
}

struct kit *
kit_new(void)
{
	struct kit *k = calloc(1, sizeof(*k));
	struct bgp_ops ops = { .learned = learned, .aggregate = aggregate, .arg = k };

	k->loop = loop_new_fake();
	ck_assert_ptr_nonnull(k->loop);
	k->rib = rib_new(k->loop, &ops, "kit");
	rib_conf(
	    k->rib, &(struct bgp_instance_conf){ .local_as = KIT_AS, .router_id = 0x09090909 });
	for (unsigned i = 0; i < KIT_PEERS; i++) {
		struct kit_peer *p = &k->peers[i];

		p->kit = k;
		p->index = i;
		p->room = SIZE_MAX;
	}
	return k;
}

void
kit_free(struct kit *k)
{
	for (unsigned i = 0; i < KIT_PEERS; i++) {
		adj_free(k->peers[i].adj);
		table_clear(&k->peers[i].table);
	}
	rib_free(k->rib);
	table_clear(&k->learned);
	loop_free(k->loop);
	free(k);
}

void
kit_run(struct kit *k)
{
	loop_advance(k->loop, 0);
}

void
kit_conf_init(struct kit_conf *c, unsigned peer)
{
	static const char *const names[KIT_PEERS] = { "p0", "p1", "p2", "p3", "p4", "p5" };

	memset(c, 0, sizeof(*c));
	c->conf.name = names[peer];
	c->conf.addr = kit_session(peer, false).remote;
	for (int f = 0; f < BGP_NR_FAMILIES; f++) {
		c->conf.family[f].enabled = true;
		c->conf.family[f].audience = "all";
	}
	c->import[0].accept = true;
	c->conf.import = (struct bgp_policy){ c->import, 1 };
	c->conf.export = (struct bgp_policy){ c->export, 0 };
}

void
kit_conf(struct kit *k, unsigned peer, struct kit_conf *c)
{
	struct kit_peer *p = &k->peers[peer];
	const struct adj_ops ops = { .send = peer_send,
		.room = peer_room,
		.refresh = peer_refresh,
		.eor = peer_eor,
		.arg = p };

	if (!p->adj)
		p->adj = adj_new(k->rib, c->conf.name, &ops);
	adj_conf(p->adj, &c->conf);
}

struct adj_session
kit_session(unsigned peer, bool ibgp)
{
	struct adj_session s = {
		.ibgp = ibgp,
		.as4 = true,
		.refresh = true,
		.families = BGP_FAMILY_MASK(BGP_IPV4_UNICAST) | BGP_FAMILY_MASK(BGP_IPV6_UNICAST),
		.local_as = KIT_AS,
		.peer_as = ibgp ? KIT_AS : 65001 + peer,
		.local_id = 0x09090909,
		.peer_id = 0x01010101 + peer,
	};

	s.local = (struct addr){ .b = { 10, 0, 0, 100 }, .family = ADDR_V4 };
	s.remote = (struct addr){ .b = { 10, 0, 0, (uint8_t)(peer + 1) }, .family = ADDR_V4 };
	s.self[BGP_IPV4_UNICAST] = s.local;
	s.self[BGP_IPV6_UNICAST] = (struct addr){ .b = { 0xfd, [15] = 0x64 }, .family = ADDR_V6 };
	return s;
}

void
kit_up_as(struct kit *k, unsigned peer)
{
	struct kit_peer *p = &k->peers[peer];

	p->up = true;
	p->room = SIZE_MAX;
	p->eor[0] = p->eor[1] = p->borr = p->eorr = p->unrefreshed = 0;
	adj_up(p->adj, &p->s);
}

void
kit_up(struct kit *k, unsigned peer, bool ibgp)
{
	k->peers[peer].s = kit_session(peer, ibgp);
	kit_up_as(k, peer);
}

void
kit_down(struct kit *k, unsigned peer, unsigned keep)
{
	k->peers[peer].up = false;
	adj_down(k->peers[peer].adj, keep, 0);
	table_clear(&k->peers[peer].table);
}

void
kit_add(struct kit *k, unsigned peer, bool ibgp)
{
	struct kit_conf c;

	kit_conf_init(&c, peer);
	kit_conf(k, peer, &c);
	kit_up(k, peer, ibgp);
	kit_run(k);
}

void
kit_relay(struct kit *k, unsigned peer, bool ibgp, const struct bgp_rule *rule)
{
	struct kit_conf c;

	kit_conf_init(&c, peer);
	c.export[0] = rule ? *rule : (struct bgp_rule){ .accept = true };
	c.conf.export.nr_rules = 1;
	kit_conf(k, peer, &c);
	kit_up(k, peer, ibgp);
	kit_run(k);
}

/* ---- what a peer sends ---- */

static int
deliver(struct kit *k, unsigned peer, const uint8_t *bytes, size_t len, struct bgp_fault *f)
{
	struct bgp_fault fault;

	return adj_update(k->peers[peer].adj,
	    wire_rd_init(bytes + BGP_HEADER_LEN, len - BGP_HEADER_LEN), f ? f : &fault);
}

static struct prefix
prefix_from(const char *text)
{
	struct prefix p;

	ck_assert_int_eq(prefix_parse(text, &p, NULL), 0);
	return p;
}

static enum bgp_family
family_of(const struct prefix *p)
{
	return p->addr.family == ADDR_V4 ? BGP_IPV4_UNICAST : BGP_IPV6_UNICAST;
}

int
kit_announce(struct kit *k, unsigned peer, const char *prefix, const struct kit_route *route,
    struct bgp_fault *f)
{
	const struct adj_session *s = &k->peers[peer].s;
	uint8_t bytes[BGP_MAX_LEN], path[64], communities[64], cluster[4];
	struct wire_wr wp = wire_wr_init(path, sizeof(path)), wl = wire_wr_init(cluster, 4);
	struct wire_wr wc = wire_wr_init(communities, sizeof(communities));
	uint8_t ext[8];
	struct wire_wr we = wire_wr_init(ext, sizeof(ext));
	struct prefix p = prefix_from(prefix);
	struct bgp_attrs a = { .origin = route->origin, .unknown = route->unknown };
	struct bgp_pack pack;
	uint8_t nr = 0;

	while (nr < 8 && route->path[nr])
		nr++;
	if (nr) {
		wire_put_u8(&wp, BGP_AS_SEQUENCE);
		wire_put_u8(&wp, nr);
	}
	for (unsigned i = 0; i < nr; i++)
		wire_put_u32(&wp, route->path[i]);
	for (unsigned i = 0; i < 6 && route->communities[i]; i++)
		wire_put_u32(&wc, route->communities[i]);
	wire_put_u32(&wl, route->cluster);
	a.as_path = (struct bgp_span){ path, (uint32_t)wp.len };
	a.communities = (struct bgp_span){ communities, (uint32_t)wc.len };
	if (route->cluster)
		a.cluster_list = (struct bgp_span){ cluster, 4 };
	wire_put_u32(&we, (uint32_t)(route->ext >> 32));
	wire_put_u32(&we, (uint32_t)route->ext);
	if (route->ext)
		a.ext_communities = (struct bgp_span){ ext, 8 };
	a.has_med = route->med;
	a.med = route->med;
	a.has_local_pref = route->local_pref || s->ibgp;
	a.local_pref = route->local_pref ? route->local_pref : 100;
	a.has_originator_id = route->originator;
	a.originator_id = route->originator;
	a.has_otc = route->otc;
	a.otc = route->otc;
	if (route->next_hop) {
		ck_assert_int_eq(addr_parse(route->next_hop, &a.next_hop), 0);
	} else if (p.addr.family == ADDR_V4) {
		a.next_hop = s->remote;
	} else {
		a.next_hop =
		    (struct addr){ .b = { 0xfd, [15] = (uint8_t)(peer + 1) }, .family = ADDR_V6 };
	}
	bgp_pack_begin(
	    &pack, wire_wr_init(bytes, sizeof(bytes)), BGP_MAX_LEN, family_of(&p), &a, s->as4);
	pack.add_path = s->add_rx & BGP_FAMILY_MASK(family_of(&p));
	pack.path_id = route->path_id;
	ck_assert_int_eq(bgp_pack_add(&pack, &p), 0);
	return deliver(k, peer, bytes, bgp_pack_end(&pack), f);
}

int
kit_withdraw(struct kit *k, unsigned peer, const char *prefix)
{
	return kit_withdraw_id(k, peer, prefix, 0);
}

int
kit_withdraw_id(struct kit *k, unsigned peer, const char *prefix, uint32_t path_id)
{
	struct prefix p = prefix_from(prefix);
	uint8_t bytes[BGP_MAX_LEN];
	struct bgp_pack pack;

	bgp_pack_begin(&pack, wire_wr_init(bytes, sizeof(bytes)), BGP_MAX_LEN, family_of(&p), NULL,
	    k->peers[peer].s.as4);
	pack.add_path = k->peers[peer].s.add_rx & BGP_FAMILY_MASK(family_of(&p));
	pack.path_id = path_id;
	ck_assert_int_eq(bgp_pack_add(&pack, &p), 0);
	return deliver(k, peer, bytes, bgp_pack_end(&pack), NULL);
}

int
kit_eor(struct kit *k, unsigned peer, enum bgp_family f)
{
	uint8_t bytes[64];
	struct wire_wr w = wire_wr_init(bytes, sizeof(bytes));

	bgp_eor_encode(&w, f);
	return deliver(k, peer, bytes, w.len, NULL);
}

struct bgp_announce
kit_own(const char *prefix)
{
	return (struct bgp_announce){
		.prefix = prefix_from(prefix),
		.source = BGP_SRC_SERVICE,
		.audience = "all",
		.policy = "test",
	};
}

/* ---- looking ---- */

const char *
kit_told(struct kit *k, unsigned peer, const char *prefix)
{
	const struct kit_entry *e = entry_find(k->peers[peer].table, prefix);

	return e ? e->text : "";
}

const char *
kit_learned(struct kit *k, const char *prefix)
{
	const struct kit_entry *e = entry_find(k->learned, prefix);

	return e ? e->text : "";
}

unsigned
kit_table_size(const struct kit_peer *p)
{
	return HASH_COUNT(p->table);
}

void
kit_counters_clear(struct kit *k)
{
	for (unsigned i = 0; i < KIT_PEERS; i++) {
		struct kit_peer *p = &k->peers[i];

		p->announced = p->withdrawn = p->redundant = p->messages = 0;
		p->withdrew_last = false;
	}
	k->nr_learned = 0;
}

void
kit_hear(struct kit *k, unsigned peer, const char *prefix, struct kit_route route)
{
	ck_assert_int_eq(kit_announce(k, peer, prefix, &route, NULL), 0);
	kit_run(k);
}

void
kit_lose(struct kit *k, unsigned peer, const char *prefix)
{
	ck_assert_int_eq(kit_withdraw(k, peer, prefix), 0);
	kit_run(k);
}

void
kit_own_set(struct kit *k, const struct bgp_announce *a, size_t nr)
{
	ck_assert_int_eq(rib_originate(k->rib, "owner", a, nr), 0);
	kit_run(k);
}
