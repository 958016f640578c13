/*
 * resource/translate_adverts.c: BGPAdvertisement, L2Advertisement and what an AddressPool says of
 * its announcement -> BGPAdvertisement and L2AnnouncementPolicy.
 */
#include "resource/translator.h"

#include "lib/buf.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NATIVE "heraldlb.io/v1"
#define PREFIX "metallb-"
#define EXCLUDED "node.kubernetes.io/exclude-from-external-load-balancers"

/* ---- nodes ---- */

/* MetalLB's speakers keep silent on nodes that carry this label: each selector says so, and where
 * there is none, one is made. */
static void
put_nodes(struct translator *t, const json_t *shown, json_t *spec)
{
	json_t *from = json_object_get(json_object_get(shown, "spec"), "nodeSelectors");
	json_t *list = json_array_size(from) ? json_deep_copy(from) : json_pack("[{}]");
	json_t *one, *exprs;
	size_t i;

	json_array_foreach(list, i, one)
	{
		exprs = json_object_get(one, "matchExpressions");
		if (!exprs) {
			exprs = json_array();
			tr_put(t, one, "matchExpressions", exprs);
		}
		tr_push(
		    t, exprs, json_pack("{s:s, s:s}", "key", EXCLUDED, "operator", "DoesNotExist"));
	}
	tr_put(t, spec, "nodeSelectors", list);
}

/* ---- communities ---- */

/* The value that a Community gives to @name, or NULL. */
static const char *
alias_value(const struct translator *t, const char *name)
{
	for (size_t i = 0; i < t->nr; i++) {
		const struct mlb_community *c = (const struct mlb_community *)t->objs[i];

		if (t->objs[i]->kind != RES_METALLB_COMMUNITY)
			continue;
		for (size_t k = 0; k < c->aliases.nr; k++)
			if (strcmp(c->aliases.v[k].name, name) == 0)
				return c->aliases.v[k].value;
	}
	return NULL;
}

static bool
is_kind(const char *text, enum res_community_type type)
{
	struct res_community c;

	return *text >= '0' && *text <= '9' && strchr(text, ':') &&
	    res_community_parse(text, &c) == 0 && c.type == type;
}

/* One community into its list; false: it is none. */
static bool
put_community(struct translator *t, const char *text, json_t *standard, json_t *large)
{
	if (strncmp(text, "large:", 6) == 0) {
		if (!is_kind(text + 6, RES_COMM_LARGE))
			return false;
		tr_push(t, large, json_string(text + 6));
		return true;
	}
	if (!is_kind(text, RES_COMM_STANDARD))
		return false;
	tr_push(t, standard, json_string(text));
	return true;
}

/* false: a name that nobody explains.  Without its community a route might go where it must not,
 * so the advertisement is left out. */
static bool
put_communities(struct translator *t, const struct res_object *o, const struct mlb_attributes *a,
    const char *field, json_t *to)
{
	json_t *standard = json_array(), *large = json_array();
	bool ok = true;
	char path[96];

	for (size_t i = 0; i < a->communities.nr && ok; i++) {
		const char *name = a->communities.v[i], *value = alias_value(t, name);

		ok = put_community(t, value ? value : name, standard, large);
		if (ok)
			continue;
		snprintf(path, sizeof(path), "%s[%zu]", field, i);
		if (value)
			tr_notice(t, o, path,
			    "%.64s: left out: its value %.64s must be N:N or large:N:N:N", name,
			    value);
		else
			tr_notice(t, o, path,
			    "%.64s: left out: must be N:N, large:N:N:N, or a name that a "
			    "Community gives",
			    name);
	}
	if (json_array_size(standard))
		tr_put(t, to, "standard", json_incref(standard));
	if (json_array_size(large))
		tr_put(t, to, "large", json_incref(large));
	json_decref(standard);
	json_decref(large);
	return ok;
}

/* ---- BGP ---- */

/* What every advertisement of a document says, but for its selector.  NULL: it is left out. */
static json_t *
advert(struct translator *t, const struct res_object *o, const struct mlb_attributes *a,
    const char *field)
{
	json_t *service = json_pack("{s:[s]}", "addresses", "LoadBalancerIP");
	json_t *attributes = json_object(), *communities = json_object(), *to;
	bool aggregated = a->aggregation_v4 < 32 || a->aggregation_v6 < 128;
	bool ok = put_communities(t, o, a, field, communities);

	if (a->aggregation_v4 < 32)
		tr_put(t, service, "aggregationLengthIPv4", json_integer(a->aggregation_v4));
	if (a->aggregation_v6 < 128)
		tr_put(t, service, "aggregationLengthIPv6", json_integer(a->aggregation_v6));
	if (aggregated)
		tr_put(t, service, "aggregateLocal", json_true());
	if (json_object_size(communities))
		tr_put(t, attributes, "communities", json_incref(communities));
	if (a->has_local_pref)
		tr_put(t, attributes, "localPreference", json_integer(a->local_pref));
	to = json_pack("{s:s, s:o}", "advertisementType", "Service", "service", service);
	if (json_object_size(attributes))
		tr_put(t, to, "attributes", json_incref(attributes));
	json_decref(attributes);
	json_decref(communities);
	if (ok)
		return to;
	json_decref(to);
	return NULL;
}

static json_t *
advertisement(struct translator *t, const struct res_object *o, const char *name)
{
	json_t *doc = tr_doc(t, o, NATIVE, "BGPAdvertisement", PREFIX, name);

	if (doc)
		tr_put(t, json_object_get(doc, "metadata"), "labels",
		    json_pack("{s:s}", TRANSLATED_LABEL, TRANSLATED_LABEL_VALUE));
	return tr_spec(doc);
}

/* Selectors are ORed in MetalLB: one advertisement each. */
static void
put_adverts(struct translator *t, json_t *spec, json_t *one, const json_t *selectors)
{
	json_t *list = json_array(), *copy;

	for (size_t i = 0; i == 0 || i < json_array_size(selectors); i++) {
		copy = json_deep_copy(one);
		tr_put(t, copy, "selector",
		    json_array_size(selectors) ? json_deep_copy(json_array_get(selectors, i))
					       : json_object());
		tr_push(t, list, copy);
	}
	tr_put(t, spec, "advertisements", list);
}

void
tr_bgp_advert(struct translator *t, const struct res_object *o)
{
	const struct mlb_bgp_advert *a = (const struct mlb_bgp_advert *)o;
	json_t *one = advert(t, o, &a->attributes, "spec.communities"), *shown, *spec;

	if (!one)
		return;
	shown = res_show(o);
	spec = advertisement(t, o, o->meta.name);
	if (!shown || !spec)
		t->err = -ENOMEM;
	tr_copy_list(t, shown, "ipAddressPools", json_object_get(one, "service"), "ipPools");
	tr_copy_list(
	    t, shown, "ipAddressPoolSelectors", json_object_get(one, "service"), "ipPoolSelectors");
	put_nodes(t, shown, spec);
	tr_copy_list(t, shown, "peers", spec, "peers");
	put_adverts(
	    t, spec, one, json_object_get(json_object_get(shown, "spec"), "serviceSelectors"));
	json_decref(one);
	json_decref(shown);
}

/* ---- L2 ---- */

/* Names in MetalLB, expressions here. */
static char *
name_as_regex(const char *name)
{
	struct buf b;

	buf_init(&b, 128);
	buf_putc(&b, '^');
	for (; *name; name++) {
		if (strchr(".[]{}()*+?|^$\\", *name))
			buf_putc(&b, '\\');
		buf_putc(&b, *name);
	}
	buf_putc(&b, '$');
	return buf_steal(&b);
}

static void
put_interfaces(struct translator *t, const struct res_strings *names, json_t *spec)
{
	json_t *list = json_array();
	char *regex;

	for (size_t i = 0; i < names->nr; i++) {
		regex = name_as_regex(names->v[i]);
		tr_push(t, list, regex ? json_string(regex) : NULL);
		free(regex);
	}
	if (names->nr)
		tr_put(t, spec, "interfaces", list);
	else
		json_decref(list);
}

void
tr_l2_advert(struct translator *t, const struct res_object *o)
{
	const struct mlb_l2_advert *a = (const struct mlb_l2_advert *)o;
	json_t *doc = tr_doc(t, o, NATIVE, "L2AnnouncementPolicy", PREFIX, o->meta.name);
	json_t *shown = res_show(o), *spec = tr_spec(doc);

	if (!shown || !doc)
		t->err = -ENOMEM;
	tr_put(t, spec, "loadBalancerIPs", json_true());
	tr_copy_list(t, shown, "ipAddressPools", spec, "ipPools");
	tr_copy_list(t, shown, "ipAddressPoolSelectors", spec, "ipPoolSelectors");
	put_nodes(t, shown, spec);
	tr_copy_list(t, shown, "serviceSelectors", spec, "serviceSelectors");
	put_interfaces(t, &a->interfaces, spec);
	tr_copy_list(t, shown, "preferredNodeSelectors", spec, "preferredNodeSelectors");
	json_decref(shown);
}

/* ---- AddressPool ---- */

static void
old_advert(struct translator *t, const struct mlb_address_pool *p, const struct mlb_attributes *a,
    size_t number)
{
	const struct res_object *o = &p->obj;
	char name[300], field[64];
	json_t *one, *spec;

	if (number)
		snprintf(name, sizeof(name), "%s-%zu", o->meta.name, number);
	else
		snprintf(name, sizeof(name), "%s", o->meta.name);
	snprintf(field, sizeof(field), "spec.bgpAdvertisements[%zu].communities", number);
	one = advert(t, o, a, field);
	if (!one)
		return;
	spec = advertisement(t, o, name);
	tr_put(t, json_object_get(one, "service"), "ipPools", json_pack("[s]", o->meta.name));
	put_nodes(t, NULL, spec);
	put_adverts(t, spec, one, NULL);
	json_decref(one);
}

void
tr_old_adverts(struct translator *t, const struct mlb_address_pool *p)
{
	static const struct mlb_attributes exact = { .aggregation_v4 = 32, .aggregation_v6 = 128 };
	json_t *doc, *spec;

	for (size_t i = 0; p->protocol == MLB_BGP && i < p->adverts.nr; i++)
		old_advert(t, p, &p->adverts.v[i], i);
	if (p->protocol == MLB_BGP && !p->adverts.nr)
		old_advert(t, p, &exact, 0);
	if (p->protocol == MLB_BGP)
		return;
	doc = tr_doc(t, &p->obj, NATIVE, "L2AnnouncementPolicy", PREFIX, p->obj.meta.name);
	spec = tr_spec(doc);
	tr_put(t, spec, "loadBalancerIPs", json_true());
	tr_put(t, spec, "ipPools", json_pack("[s]", p->obj.meta.name));
	put_nodes(t, NULL, spec);
}
