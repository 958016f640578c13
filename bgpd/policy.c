/*
 * bgpd/policy.c: import and export rules, compiled; between the configuration and the RIB.
 */
#include "bgpd/policy.h"

#include <errno.h>
#include <regex.h>
#include <stdlib.h>
#include <string.h>

#include "lib/buf.h"
#include "lib/mem.h"

#define KEY_MAX (64u << 20)
#define PATH_TEXT_MAX (1u << 20)

struct policy {
	unsigned refs;
	size_t nr;
	struct bgp_rule *rules; /* pointers in it are our own */
	regex_t *regex;		/* one a rule; valid where has_regex */
	bool *has_regex;
	struct buf key;
	/* What rules say about the attributes of memo_set: 0 not asked, 1 yes, 2 no. */
	uint32_t memo_set;
	uint8_t *memo;
	struct buf text;
};

/* ---- copies ---- */

static void *
copy(const void *from, size_t nr, size_t size, bool *failed)
{
	void *to;

	if (!nr || !from)
		return NULL;
	to = mem_calloc(nr, size);
	if (!to) {
		*failed = true;
		return NULL;
	}
	memcpy(to, from, nr * size);
	return to;
}

static struct bgp_communities
communities_copy(const struct bgp_communities *c, bool *failed)
{
	struct bgp_communities to = { 0 };

	to.std = copy(c->std, c->nr_std, sizeof(*c->std), failed);
	to.ext = copy(c->ext, c->nr_ext, sizeof(*c->ext), failed);
	to.large = copy(c->large, c->nr_large, sizeof(*c->large), failed);
	to.nr_std = to.std ? c->nr_std : 0;
	to.nr_ext = to.ext ? c->nr_ext : 0;
	to.nr_large = to.large ? c->nr_large : 0;
	return to;
}

static void
communities_free(struct bgp_communities *c)
{
	mem_free((void *)(uintptr_t)c->std);
	mem_free((void *)(uintptr_t)c->ext);
	mem_free((void *)(uintptr_t)c->large);
}

static void
rule_free(struct bgp_rule *r)
{
	mem_free((void *)(uintptr_t)r->match.prefixes);
	mem_free((void *)(uintptr_t)r->match.as_path);
	communities_free(&r->match.communities);
	communities_free(&r->set.add);
	communities_free(&r->set.remove);
}

static void
rule_copy(struct bgp_rule *to, const struct bgp_rule *from, bool *failed)
{
	const struct bgp_match *m = &from->match;

	*to = *from;
	to->match.prefixes = copy(m->prefixes, m->nr_prefixes, sizeof(*m->prefixes), failed);
	to->match.nr_prefixes = to->match.prefixes ? m->nr_prefixes : 0;
	to->match.communities = communities_copy(&m->communities, failed);
	to->match.as_path = m->as_path ? mem_strndup(m->as_path, strlen(m->as_path)) : NULL;
	if (m->as_path && !to->match.as_path)
		*failed = true;
	to->set.add = communities_copy(&from->set.add, failed);
	to->set.remove = communities_copy(&from->set.remove, failed);
}

/* ---- the key: every field once, in a form where equal means equal ---- */

static void
key_num(struct buf *b, uint64_t v)
{
	buf_add(b, &v, sizeof(v));
}

static void
key_addr(struct buf *b, const struct addr *a)
{
	buf_add(b, a->b, sizeof(a->b));
	key_num(b, a->family);
}

static void
key_communities(struct buf *b, const struct bgp_communities *c)
{
	key_num(b, c->nr_std);
	buf_add(b, c->std, c->nr_std * sizeof(*c->std));
	key_num(b, c->nr_ext);
	buf_add(b, c->ext, c->nr_ext * sizeof(*c->ext));
	key_num(b, c->nr_large);
	buf_add(b, c->large, c->nr_large * sizeof(*c->large));
}

static void
key_rule(struct buf *b, const struct bgp_rule *r)
{
	const struct bgp_match *m = &r->match;
	const struct bgp_set *s = &r->set;

	key_num(b, m->nr_prefixes);
	for (size_t i = 0; i < m->nr_prefixes; i++) {
		key_addr(b, &m->prefixes[i].prefix.addr);
		key_num(b, m->prefixes[i].prefix.len);
		key_num(b, m->prefixes[i].ge);
		key_num(b, m->prefixes[i].le);
	}
	key_communities(b, &m->communities);
	key_num(b, m->as_path ? strlen(m->as_path) + 1 : 0);
	if (m->as_path)
		buf_puts(b, m->as_path);
	key_num(b, m->families);
	key_num(b, m->sources);
	key_num(b, r->accept);
	key_num(b, s->has_local_pref ? 1 + (uint64_t)s->local_pref : 0);
	key_num(b, s->has_med ? 1 + (uint64_t)s->med : 0);
	key_communities(b, &s->add);
	key_communities(b, &s->remove);
	key_num(b, s->prepend);
	key_num(b, s->next_hop);
	key_addr(b, &s->next_hop_addr);
}

struct policy *
policy_new(const struct bgp_policy *conf)
{
	struct policy *p = mem_calloc(1, sizeof(*p));
	size_t room = conf->nr_rules ? conf->nr_rules : 1;
	bool failed = false;

	if (!p)
		return NULL;
	p->refs = 1;
	buf_init(&p->key, KEY_MAX);
	buf_init(&p->text, PATH_TEXT_MAX);
	p->rules = mem_calloc(room, sizeof(*p->rules));
	p->regex = mem_calloc(room, sizeof(*p->regex));
	p->has_regex = mem_calloc(room, sizeof(*p->has_regex));
	p->memo = mem_calloc(room, 1);
	if (!p->rules || !p->regex || !p->has_regex || !p->memo)
		goto fail;
	for (size_t i = 0; i < conf->nr_rules && !failed; i++) {
		const char *re = conf->rules[i].match.as_path;

		p->nr = i + 1;
		rule_copy(&p->rules[i], &conf->rules[i], &failed);
		key_rule(&p->key, &conf->rules[i]);
		if (re)
			p->has_regex[i] = regcomp(&p->regex[i], re, REG_EXTENDED | REG_NOSUB) == 0;
	}
	if (!failed && !p->key.failed)
		return p;
fail:
	policy_unref(p);
	return NULL;
}

struct policy *
policy_ref(struct policy *p)
{
	p->refs++;
	return p;
}

void
policy_unref(struct policy *p)
{
	if (!p || --p->refs)
		return;
	for (size_t i = 0; i < p->nr; i++) {
		rule_free(&p->rules[i]);
		if (p->has_regex[i])
			regfree(&p->regex[i]);
	}
	mem_free(p->rules);
	mem_free(p->regex);
	mem_free(p->has_regex);
	mem_free(p->memo);
	buf_fini(&p->key);
	buf_fini(&p->text);
	mem_free(p);
}

bool
policy_eq(const struct policy *a, const struct policy *b)
{
	return a == b ||
	    (a->nr == b->nr && a->key.len == b->key.len &&
		(!a->key.len || memcmp(a->key.data, b->key.data, a->key.len) == 0));
}

size_t
policy_nr_rules(const struct policy *p)
{
	return p->nr;
}

const struct bgp_rule *
policy_rule(const struct policy *p, size_t i)
{
	return &p->rules[i];
}

bool
policy_may_accept(const struct policy *p, enum bgp_source source)
{
	for (size_t i = 0; i < p->nr; i++) {
		unsigned sources = p->rules[i].match.sources;

		if (p->rules[i].accept && (!sources || sources & 1u << source))
			return true;
	}
	return false;
}

/* ---- matching ---- */

static bool
match_prefixes(const struct bgp_match *m, const struct prefix *p)
{
	if (!m->nr_prefixes)
		return true;
	for (size_t i = 0; i < m->nr_prefixes; i++) {
		const struct bgp_prefix_match *pm = &m->prefixes[i];

		if (p->len >= pm->ge && p->len <= pm->le && prefix_covers(&pm->prefix, p))
			return true;
	}
	return false;
}

static bool
has_ext(struct bgp_span s, uint64_t v)
{
	struct wire_rd r = wire_rd_init(s.p, s.len);

	while (wire_more(&r)) {
		if (wire_u64(&r) == v)
			return true;
	}
	return false;
}

static bool
has_large(struct bgp_span s, const struct bgp_large *v)
{
	struct wire_rd r = wire_rd_init(s.p, s.len);

	while (wire_more(&r)) {
		uint32_t g = wire_u32(&r), d1 = wire_u32(&r), d2 = wire_u32(&r);

		if (g == v->global && d1 == v->data1 && d2 == v->data2)
			return true;
	}
	return false;
}

static bool
match_communities(const struct bgp_communities *c, const struct bgp_attrs *a)
{
	if (!c->nr_std && !c->nr_ext && !c->nr_large)
		return true;
	for (size_t i = 0; i < c->nr_std; i++) {
		if (attrset_has_community(a->communities, c->std[i]))
			return true;
	}
	for (size_t i = 0; i < c->nr_ext; i++) {
		if (has_ext(a->ext_communities, c->ext[i]))
			return true;
	}
	for (size_t i = 0; i < c->nr_large; i++) {
		if (has_large(a->large_communities, &c->large[i]))
			return true;
	}
	return false;
}

static bool
match_attrs(struct policy *p, size_t i, const struct attrset_table *t, uint32_t set)
{
	struct bgp_attrs a;

	attrset_view(t, set, &a);
	if (!match_communities(&p->rules[i].match.communities, &a))
		return false;
	if (!p->rules[i].match.as_path)
		return true;
	if (!p->has_regex[i])
		return false;
	buf_reset(&p->text);
	bgp_as_path_format(a.as_path, &p->text);
	return !p->text.failed && regexec(&p->regex[i], buf_text(&p->text), 0, NULL, 0) == 0;
}

static bool
match_attrs_once(struct policy *p, size_t i, const struct attrset_table *t, uint32_t set)
{
	if (p->memo_set != set) {
		memset(p->memo, 0, p->nr);
		p->memo_set = set;
	}
	if (!p->memo[i])
		p->memo[i] = match_attrs(p, i, t, set) ? 1 : 2;
	return p->memo[i] == 1;
}

int
policy_match(struct policy *p, const struct attrset_table *t, uint32_t set,
    const struct prefix *prefix, enum bgp_source source)
{
	unsigned family =
	    BGP_FAMILY_MASK(prefix->addr.family == ADDR_V4 ? BGP_IPV4_UNICAST : BGP_IPV6_UNICAST);

	for (size_t i = 0; i < p->nr; i++) {
		const struct bgp_match *m = &p->rules[i].match;

		if (m->families && !(m->families & family))
			continue;
		if (m->sources && !(m->sources & 1u << source))
			continue;
		if (match_prefixes(m, prefix) && match_attrs_once(p, i, t, set))
			return (int)i;
	}
	return -1;
}

void
policy_forget(struct policy *p)
{
	p->memo_set = 0;
}

/* ---- what a rule sets ---- */

static void
put64(struct wire_wr *w, uint64_t v)
{
	wire_put_u32(w, (uint32_t)(v >> 32));
	wire_put_u32(w, (uint32_t)v);
}

static void
put_large(struct wire_wr *w, const struct bgp_large *l)
{
	wire_put_u32(w, l->global);
	wire_put_u32(w, l->data1);
	wire_put_u32(w, l->data2);
}

/* What has been written since @start becomes *@s; the room keeps it. */
static int
room_keep(struct policy_room *room, const struct wire_wr *w, struct bgp_span *s)
{
	if (w->full)
		return -ENOSPC;
	*s = (struct bgp_span){ .p = w->start, .len = (uint32_t)w->len };
	room->used += w->len;
	return 0;
}

static struct wire_wr
room_open(const struct policy_room *room)
{
	return wire_wr_init(room->bytes + room->used, POLICY_ROOM - room->used);
}

int
policy_add_communities(
    const struct bgp_communities *c, struct bgp_attrs *a, struct policy_room *room)
{
	struct wire_wr w;

	if (c->nr_std) {
		w = room_open(room);
		wire_put_bytes(&w, a->communities.p, a->communities.len);
		for (size_t i = 0; i < c->nr_std; i++)
			wire_put_u32(&w, c->std[i]);
		if (room_keep(room, &w, &a->communities) < 0)
			return -ENOSPC;
	}
	if (c->nr_ext) {
		w = room_open(room);
		wire_put_bytes(&w, a->ext_communities.p, a->ext_communities.len);
		for (size_t i = 0; i < c->nr_ext; i++)
			put64(&w, c->ext[i]);
		if (room_keep(room, &w, &a->ext_communities) < 0)
			return -ENOSPC;
	}
	if (c->nr_large) {
		w = room_open(room);
		wire_put_bytes(&w, a->large_communities.p, a->large_communities.len);
		for (size_t i = 0; i < c->nr_large; i++)
			put_large(&w, &c->large[i]);
		if (room_keep(room, &w, &a->large_communities) < 0)
			return -ENOSPC;
	}
	return 0;
}

static bool
in_std(const struct bgp_communities *c, uint32_t v)
{
	for (size_t i = 0; i < c->nr_std; i++) {
		if (c->std[i] == v)
			return true;
	}
	return false;
}

static bool
in_ext(const struct bgp_communities *c, uint64_t v)
{
	for (size_t i = 0; i < c->nr_ext; i++) {
		if (c->ext[i] == v)
			return true;
	}
	return false;
}

static bool
in_large(const struct bgp_communities *c, const struct bgp_large *v)
{
	for (size_t i = 0; i < c->nr_large; i++) {
		const struct bgp_large *l = &c->large[i];

		if (l->global == v->global && l->data1 == v->data1 && l->data2 == v->data2)
			return true;
	}
	return false;
}

static int
remove_communities(const struct bgp_communities *c, struct bgp_attrs *a, struct policy_room *room)
{
	struct wire_wr w = room_open(room);
	struct wire_rd r = wire_rd_init(a->communities.p, a->communities.len);

	while (c->nr_std && wire_more(&r)) {
		uint32_t v = wire_u32(&r);

		if (!in_std(c, v))
			wire_put_u32(&w, v);
	}
	if (c->nr_std && room_keep(room, &w, &a->communities) < 0)
		return -ENOSPC;
	w = room_open(room);
	r = wire_rd_init(a->ext_communities.p, a->ext_communities.len);
	while (c->nr_ext && wire_more(&r)) {
		uint64_t v = wire_u64(&r);

		if (!in_ext(c, v))
			put64(&w, v);
	}
	if (c->nr_ext && room_keep(room, &w, &a->ext_communities) < 0)
		return -ENOSPC;
	w = room_open(room);
	r = wire_rd_init(a->large_communities.p, a->large_communities.len);
	while (c->nr_large && wire_more(&r)) {
		struct bgp_large v = { .global = wire_u32(&r) };

		v.data1 = wire_u32(&r);
		v.data2 = wire_u32(&r);
		if (!in_large(c, &v))
			put_large(&w, &v);
	}
	return c->nr_large ? room_keep(room, &w, &a->large_communities) : 0;
}

int
policy_set(const struct bgp_rule *rule, struct bgp_attrs *a, struct policy_room *room)
{
	const struct bgp_set *s = &rule->set;

	if (s->has_local_pref) {
		a->has_local_pref = true;
		a->local_pref = s->local_pref;
	}
	if (s->has_med) {
		a->has_med = true;
		a->med = s->med;
	}
	if (remove_communities(&s->remove, a, room) < 0)
		return -ENOSPC;
	return policy_add_communities(&s->add, a, room);
}
