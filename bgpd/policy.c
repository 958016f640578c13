/*
 * bgpd/policy.c: import and export rules, compiled; between the configuration and the RIB.
 */
#include "bgpd/policy.h"

#include <errno.h>
#include <regex.h>
#include <stdlib.h>
#include <string.h>

#include "bgpd/plist.h"
#include "lib/buf.h"
#include "lib/mem.h"

#define KEY_MAX (64u << 20)
#define PATH_TEXT_MAX (1u << 20)

#define SCAN_MAX 4 /* a prefix list up to this long is quicker looked through */

/* What has been compiled of a rule. */
struct compiled {
	regex_t regex; /* valid with has_regex */
	bool has_regex;
	struct plist plist; /* of a list longer than SCAN_MAX */
};

struct policy {
	unsigned refs;
	size_t nr;
	struct bgp_rule *rules; /* pointers in it are our own */
	struct compiled *compiled;
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
	to.std_mask = copy(c->std_mask, c->nr_std, sizeof(*c->std_mask), failed);
	to.ext_mask = copy(c->ext_mask, c->nr_ext, sizeof(*c->ext_mask), failed);
	to.large_mask = copy(c->large_mask, c->nr_large, sizeof(*c->large_mask), failed);
	return to;
}

static void
communities_free(struct bgp_communities *c)
{
	mem_free((void *)(uintptr_t)c->std);
	mem_free((void *)(uintptr_t)c->ext);
	mem_free((void *)(uintptr_t)c->large);
	mem_free((void *)(uintptr_t)c->std_mask);
	mem_free((void *)(uintptr_t)c->ext_mask);
	mem_free((void *)(uintptr_t)c->large_mask);
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
key_list(struct buf *b, const void *v, const void *mask, size_t nr, size_t size)
{
	key_num(b, nr);
	buf_add(b, v, nr * size);
	key_num(b, mask != NULL);
	if (mask)
		buf_add(b, mask, nr * size);
}

static void
key_communities(struct buf *b, const struct bgp_communities *c)
{
	key_list(b, c->std, c->std_mask, c->nr_std, sizeof(*c->std));
	key_list(b, c->ext, c->ext_mask, c->nr_ext, sizeof(*c->ext));
	key_list(b, c->large, c->large_mask, c->nr_large, sizeof(*c->large));
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
	key_num(b, s->replace);
	key_communities(b, &s->add);
	key_communities(b, &s->remove);
	key_num(b, s->prepend);
	key_num(b, s->next_hop);
	key_addr(b, &s->next_hop_addr);
}

/* ---- AS paths ---- */

/* What "_" stands for: whatever ends a number in the text of a path. */
#define BOUNDARY "(^|[] ,{}()[]|$)"

/* Behind the bracket expression that begins at @c: "]" as its first is one of it, and so is what
 * stands in [:names:], [.of.] and [=classes=]. */
static const char *
bracket_end(const char *c)
{
	c += c[1] == '^' ? 2 : 1;
	c += *c == ']';
	while (*c && *c != ']') {
		const char *close =
		    c[0] == '[' && c[1] && strchr(":.=", c[1]) ? strchr(c + 2, ']') : NULL;

		c = close ? close + 1 : c + 1;
	}
	return *c ? c + 1 : c;
}

int
policy_regex(const char *text, regex_t *re)
{
	const char *c = text;
	struct buf b;
	int err;

	buf_init(&b, PATH_TEXT_MAX);
	while (*c && !b.failed) {
		const char *begin = c;

		if (*c == '\\' && c[1]) {
			c += 2;
		} else if (*c == '[') {
			c = bracket_end(c);
		} else {
			c++;
		}
		if (*begin == '_')
			buf_puts(&b, BOUNDARY);
		else
			buf_add(&b, begin, (size_t)(c - begin));
	}
	err = b.failed ? REG_ESPACE : regcomp(re, buf_text(&b), REG_EXTENDED | REG_NOSUB);
	buf_fini(&b);
	return err;
}

/* ---- compiling ---- */

static int
rule_compile(struct compiled *c, const struct bgp_match *m)
{
	if (m->as_path)
		c->has_regex = policy_regex(m->as_path, &c->regex) == 0;
	return m->nr_prefixes > SCAN_MAX ? plist_init(&c->plist, m->prefixes, m->nr_prefixes) : 0;
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
	p->compiled = mem_calloc(room, sizeof(*p->compiled));
	p->memo = mem_calloc(room, 1);
	if (!p->rules || !p->compiled || !p->memo)
		goto fail;
	for (size_t i = 0; i < conf->nr_rules && !failed; i++) {
		p->nr = i + 1;
		rule_copy(&p->rules[i], &conf->rules[i], &failed);
		key_rule(&p->key, &conf->rules[i]);
		if (!failed && rule_compile(&p->compiled[i], &p->rules[i].match) < 0)
			failed = true;
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
		plist_fini(&p->compiled[i].plist);
		if (p->compiled[i].has_regex)
			regfree(&p->compiled[i].regex);
	}
	mem_free(p->rules);
	mem_free(p->compiled);
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

bool
policy_asks_prefix(const struct policy *p)
{
	for (size_t i = 0; i < p->nr; i++) {
		if (p->rules[i].match.nr_prefixes)
			return true;
	}
	return false;
}

/* ---- matching ---- */

static bool
match_prefixes(const struct compiled *c, const struct bgp_match *m, const struct prefix *p)
{
	if (!m->nr_prefixes)
		return true;
	if (c->plist.nodes)
		return plist_has(&c->plist, p);
	for (size_t i = 0; i < m->nr_prefixes; i++) {
		const struct bgp_prefix_match *pm = &m->prefixes[i];

		if (p->len >= pm->ge && p->len <= pm->le && prefix_covers(&pm->prefix, p))
			return true;
	}
	return false;
}

static bool
has_std(struct bgp_span s, const struct bgp_communities *c, size_t i)
{
	struct wire_rd r = wire_rd_init(s.p, s.len);

	while (wire_more(&r)) {
		if (policy_means_std(c, i, wire_u32(&r)))
			return true;
	}
	return false;
}

static bool
has_ext(struct bgp_span s, const struct bgp_communities *c, size_t i)
{
	struct wire_rd r = wire_rd_init(s.p, s.len);

	while (wire_more(&r)) {
		if (policy_means_ext(c, i, wire_u64(&r)))
			return true;
	}
	return false;
}

static bool
has_large(struct bgp_span s, const struct bgp_communities *c, size_t i)
{
	struct wire_rd r = wire_rd_init(s.p, s.len);

	while (wire_more(&r)) {
		struct bgp_large v = { .global = wire_u32(&r) };

		v.data1 = wire_u32(&r);
		v.data2 = wire_u32(&r);
		if (policy_means_large(c, i, &v))
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
		if (has_std(a->communities, c, i))
			return true;
	}
	for (size_t i = 0; i < c->nr_ext; i++) {
		if (has_ext(a->ext_communities, c, i))
			return true;
	}
	for (size_t i = 0; i < c->nr_large; i++) {
		if (has_large(a->large_communities, c, i))
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
	if (!p->compiled[i].has_regex)
		return false;
	buf_reset(&p->text);
	bgp_as_path_format(a.as_path, &p->text);
	return !p->text.failed &&
	    regexec(&p->compiled[i].regex, buf_text(&p->text), 0, NULL, 0) == 0;
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
		if (match_prefixes(&p->compiled[i], m, prefix) && match_attrs_once(p, i, t, set))
			return (int)i;
	}
	return -1;
}

void
policy_forget(struct policy *p)
{
	p->memo_set = 0;
}
