/*
 * bgpd/policy_show.c: rules as they were compiled, for people and scripts; the shape of
 * doc/control-protocol.md, the words of doc/policy.md.  See policy.h.
 */
#include <inttypes.h>
#include <stdio.h>

#include "bgpd/msg.h"
#include "bgpd/policy.h"

#define COMMUNITY_TEXT 48

static void
list_add(json_t *list, const char *what, const char *text)
{
	json_array_append_new(list, json_sprintf("%s %s", what, text));
}

/* ---- communities, as they are written ---- */

/* "*" when the bits of @mask are not all there. */
static const char *
number_or_any(uint32_t v, uint32_t mask, uint32_t all, char text[16])
{
	if ((mask & all) == all)
		snprintf(text, 16, "%" PRIu32, v);
	else
		snprintf(text, 16, "*");
	return text;
}

static void
std_text(const struct bgp_communities *c, size_t i, char *text)
{
	const uint32_t v = c->std[i], mask = c->std_mask ? c->std_mask[i] : UINT32_MAX;
	char a[16], b[16];

	snprintf(text, COMMUNITY_TEXT, "%s:%s", number_or_any(v >> 16, mask >> 16, UINT16_MAX, a),
	    number_or_any(v & UINT16_MAX, mask, UINT16_MAX, b));
}

static void
large_text(const struct bgp_communities *c, size_t i, char *text)
{
	static const struct bgp_large all = { UINT32_MAX, UINT32_MAX, UINT32_MAX };
	const struct bgp_large *v = &c->large[i], *m = c->large_mask ? &c->large_mask[i] : &all;
	char a[16], b[16], d[16];

	snprintf(text, COMMUNITY_TEXT, "%s:%s:%s",
	    number_or_any(v->global, m->global, UINT32_MAX, a),
	    number_or_any(v->data1, m->data1, UINT32_MAX, b),
	    number_or_any(v->data2, m->data2, UINT32_MAX, d));
}

/* RFC 4360 4, 5, RFC 5668: route targets and origins by their numbers, others as they are. */
static void
ext_text(const struct bgp_communities *c, size_t i, char *text)
{
	const uint64_t v = c->ext[i], mask = c->ext_mask ? c->ext_mask[i] : UINT64_MAX;
	const unsigned form = (unsigned)(v >> 56), sub = (unsigned)(v >> 48 & 0xff);
	const uint32_t admin = (uint32_t)(v >> 16), last = form ? UINT16_MAX : UINT32_MAX;
	const char *name = sub == 2 ? "rt" : "ro";
	char b[16];

	if (form > 2 || (sub != 2 && sub != 3)) {
		snprintf(text, COMMUNITY_TEXT, "0x%016" PRIx64, v);
		return;
	}
	number_or_any((uint32_t)v & last, (uint32_t)mask, last, b);
	if (form == 1)
		snprintf(text, COMMUNITY_TEXT, "%s:%u.%u.%u.%u:%s", name, admin >> 24,
		    admin >> 16 & 255, admin >> 8 & 255, admin & 255, b);
	else
		snprintf(
		    text, COMMUNITY_TEXT, "%s:%" PRIu32 ":%s", name, form ? admin : admin >> 16, b);
}

static void
put_communities(const struct bgp_communities *c, const char *what, json_t *list)
{
	char text[COMMUNITY_TEXT];

	for (size_t i = 0; i < c->nr_std; i++) {
		std_text(c, i, text);
		list_add(list, what, text);
	}
	for (size_t i = 0; i < c->nr_ext; i++) {
		ext_text(c, i, text);
		list_add(list, what, text);
	}
	for (size_t i = 0; i < c->nr_large; i++) {
		large_text(c, i, text);
		list_add(list, what, text);
	}
}

/* ---- a rule ---- */

static void
put_match(const struct bgp_match *m, json_t *o)
{
	static const char *const sources[BGP_NR_SOURCES] = { "podCIDR", "service", "learned" };
	json_t *list = json_array();

	put_communities(&m->communities, "community", list);
	if (m->as_path)
		list_add(list, "as-path", m->as_path);
	for (int i = 0; i < BGP_NR_SOURCES; i++) {
		if (m->sources & 1u << i)
			list_add(list, "origin", sources[i]);
	}
	json_object_set_new(o, "match", list);
}

static void
put_actions(const struct bgp_set *s, json_t *o)
{
	json_t *list = json_array();
	char text[ADDR_STRLEN];

	if (s->has_local_pref)
		json_array_append_new(
		    list, json_sprintf("set-local-preference %" PRIu32, s->local_pref));
	if (s->has_med)
		json_array_append_new(list, json_sprintf("set-med %" PRIu32, s->med));
	if (s->replace && !s->add.nr_std && !s->add.nr_ext && !s->add.nr_large)
		json_array_append_new(list, json_string("remove-all-communities"));
	put_communities(&s->add, s->replace ? "set-community" : "add-community", list);
	put_communities(&s->remove, "remove-community", list);
	if (s->prepend)
		json_array_append_new(list, json_sprintf("prepend-own-as %u", s->prepend));
	if (s->next_hop == BGP_NH_SELF)
		list_add(list, "set-next-hop", "self");
	if (s->next_hop == BGP_NH_KEEP)
		list_add(list, "set-next-hop", "unchanged");
	if (s->next_hop == BGP_NH_ADDR)
		list_add(list, "set-next-hop", addr_format(&s->next_hop_addr, text, sizeof(text)));
	json_object_set_new(o, "pathActions", list);
}

void
policy_show_rule(const struct bgp_rule *rule, json_t *o)
{
	const struct bgp_match *m = &rule->match;
	char text[PREFIX_STRLEN];

	for (int f = 0; f < BGP_NR_FAMILIES; f++) {
		if (!m->families || m->families & BGP_FAMILY_MASK(f))
			json_array_append_new(json_object_get(o, "families"),
			    json_string(bgp_family_name((enum bgp_family)f)));
	}
	for (size_t i = 0; i < m->nr_prefixes; i++)
		json_array_append_new(json_object_get(o, "prefixes"),
		    json_pack("{s:s, s:i, s:i}", "prefix",
			prefix_format(&m->prefixes[i].prefix, text, sizeof(text)), "minLength",
			m->prefixes[i].ge, "maxLength", m->prefixes[i].le));
	put_match(m, o);
	put_actions(&rule->set, o);
}
