/*
 * resource/convert_peering.c: CiliumBGPPeeringPolicy, the first version of Cilium's BGP configuration, ->
 * a BGPClusterConfig of its name, and for each neighbour a BGPPeerConfig and a BGPAdvertisement that only
 * this one is told of, since what is told and with which attributes is the neighbour's own there.
 */
#include "resource/arena.h"
#include "resource/converter.h"
#include "resource/decode.h"
#include "resource/document.h"
#include "resource/fault.h"
#include "resource/translate.h"

#include "lib/mem.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NATIVE "heraldlb.io/v1"
#define LABEL_MAX 63 /* bytes of the value of a label */

struct peering {
	struct convert *c;
	const struct node *root;
	char object[320]; /* "CiliumBGPPeeringPolicy/rack0" */
	const char *name;
	json_t *instances;
	unsigned nr_neighbors;
	int err;
};

/* ---- small things ---- */

/* Takes @value over; NULL: no memory. */
static void
put(struct peering *p, json_t *to, const char *key, json_t *value)
{
	if (!value || json_object_set_new(to, key, value) < 0)
		p->err = -ENOMEM;
}

static void
append(struct peering *p, json_t *to, json_t *value)
{
	if (!value || json_array_append_new(to, value) < 0)
		p->err = -ENOMEM;
}

/* What stands at @key of @map, as @as in @to; nothing when it is absent. */
static bool
copy(struct peering *p, const struct node *map, const char *key, json_t *to, const char *as)
{
	const struct node *n = tree_get(map, key);

	if (!n || n->type == NODE_NULL)
		return false;
	put(p, to, as, convert_json(n));
	return true;
}

static void
tell(struct peering *p, const struct node *at, const char *field, const char *text)
{
	const struct fault_place place = { p->c->file, at->line, at->column, p->object, field,
		false };
	int err = fault_add(&p->c->faults, &place, "%s", text);

	if (err < 0)
		p->err = err;
}

/* Whatever is not among @known, a list with blanks between, has no equivalent. */
static void
tell_others(struct peering *p, const struct node *map, const char *known)
{
	for (size_t i = 0; map->type == NODE_MAP && i < map->nr; i++) {
		const char *key = map->entries[i].key->text, *at = known;
		size_t len = strlen(key);

		while (at && (strncmp(at, key, len) != 0 || (at[len] && at[len] != ' ')))
			at = strchr(at, ' ') ? strchr(at, ' ') + 1 : NULL;
		if (!at)
			tell(p, map->entries[i].key, key, "there is no equivalent for this field");
	}
}

static size_t
length(const struct node *list)
{
	return list && list->type == NODE_LIST ? list->nr : 0;
}

static json_t *
new_document(struct peering *p, const char *kind, const char *name)
{
	char from[320];
	json_t *doc = json_object(), *meta = json_object();

	snprintf(from, sizeof(from), "CiliumBGPPeeringPolicy %.253s", p->name);
	put(p, doc, "apiVersion", json_string(NATIVE));
	put(p, doc, "kind", json_string(kind));
	put(p, doc, "metadata", json_incref(meta));
	put(p, meta, "name", json_string(name));
	put(p, meta, "annotations", json_pack("{s:s}", TRANSLATED_FROM, from));
	put(p, doc, "spec", json_object());
	json_decref(meta);
	return doc;
}

/* What the decoder does not take is told in its words, at the policy, and not printed.  Takes @doc. */
static void
finish(struct peering *p, json_t *doc)
{
	char what[320];
	struct res_set set = { 0 };
	struct loader l = { .file = p->c->file, .out = &set, .faults = &p->c->faults };
	struct res_arena *arena = arena_new();
	const struct node *tree = NULL;

	if (!p->err && arena)
		tree = json_tree(arena, doc, p->root->line, p->root->column);
	if (!p->err)
		p->err = tree ? document_load(&l, tree, NULL, NULL) : -ENOMEM;
	snprintf(what, sizeof(what), "CiliumBGPPeeringPolicy %.253s", p->name);
	if (!p->err && set.nr)
		p->err = convert_keep(p->c, p->c->file, p->root->line, p->root->column, what, doc);
	res_set_fini(&set);
	arena_free(arena);
	json_decref(doc);
}

/* ---- what a neighbour is told ---- */

static json_t *
advert(struct peering *p, const struct node *router, const char *type)
{
	json_t *to = json_object(), *service;

	put(p, to, "advertisementType", json_string(type));
	if (strcmp(type, "CiliumPodIPPool") == 0)
		copy(p, router, "podIPPoolSelector", to, "selector");
	if (strcmp(type, "Service") != 0)
		return to;
	service = json_object();
	put(p, to, "service", service);
	if (!copy(p, router, "serviceAdvertisements", service, "addresses"))
		put(p, service, "addresses", json_pack("[s]", "LoadBalancerIP"));
	copy(p, router, "serviceSelector", to, "selector");
	return to;
}

/* Attributes of some of what is told: the same once more, of those pools alone, with them. */
static void
put_attributes(struct peering *p, const struct node *router, const struct node *a, json_t *to)
{
	const char *type = tree_text(a, "selectorType");
	const struct node *pools = tree_get(a, "selector");
	bool is_service = type && strcmp(type, "CiliumLoadBalancerIPPool") == 0;
	json_t *one, *attributes;

	tell_others(p, a, "selectorType selector communities localPreference");
	if (!type || (strcmp(type, "PodCIDR") != 0 && !is_service && pools)) {
		tell(p, a, type ? type : "selectorType",
		    "attributes of these have no equivalent; must be written by hand");
		return;
	}
	if (!tree_get(router,
		is_service			   ? "serviceSelector"
		    : strcmp(type, "PodCIDR") == 0 ? "exportPodCIDR"
						   : "podIPPoolSelector"))
		return; /* nothing of it is told */
	one = advert(p, router, is_service ? "Service" : type);
	attributes = json_object();
	put(p, one, "attributes", attributes);
	copy(p, a, "communities", attributes, "communities");
	copy(p, a, "localPreference", attributes, "localPreference");
	if (is_service && pools)
		put(p, json_object_get(one, "service"), "ipPoolSelectors",
		    json_pack("[o]", convert_json(pools)));
	append(p, to, one);
}

static void
neighbor_advertisement(
    struct peering *p, const struct node *router, const struct node *n, const char *name)
{
	json_t *doc = new_document(p, "BGPAdvertisement", name), *list = json_array();
	const struct node *attributes = tree_get(n, "advertisedPathAttributes");
	const char *pods = tree_text(router, "exportPodCIDR");

	put(p, json_object_get(doc, "metadata"), "labels",
	    json_pack("{s:s}", TRANSLATED_LABEL, name));
	put(p, json_object_get(doc, "spec"), "advertisements", list);
	if (pods && strcmp(pods, "true") == 0)
		append(p, list, advert(p, router, "PodCIDR"));
	if (tree_get(router, "podIPPoolSelector"))
		append(p, list, advert(p, router, "CiliumPodIPPool"));
	if (tree_get(router, "serviceSelector"))
		append(p, list, advert(p, router, "Service"));
	for (size_t i = 0; i < length(attributes); i++)
		put_attributes(p, router, attributes->items[i], list);
	if (json_array_size(list))
		finish(p, doc);
	else
		json_decref(doc); /* a neighbour that is told nothing */
}

/* ---- the neighbour itself ---- */

static json_t *
family(struct peering *p, const struct node *from, const char *afi, const char *name)
{
	json_t *to = json_object();

	if (!from || !copy(p, from, "afi", to, "afi"))
		put(p, to, "afi", json_string(afi));
	if (!from || !copy(p, from, "safi", to, "safi"))
		put(p, to, "safi", json_string("unicast"));
	put(p, to, "advertisements", json_pack("{s:{s:s}}", "matchLabels", TRANSLATED_LABEL, name));
	return to;
}

static void
neighbor_config(struct peering *p, const struct node *n, const char *name)
{
	json_t *doc = new_document(p, "BGPPeerConfig", name);
	json_t *spec = json_object_get(doc, "spec"), *list = json_array(), *timers = json_object();
	const struct node *families = tree_get(n, "families");

	copy(p, n, "connectRetryTimeSeconds", timers, "connectRetryTimeSeconds");
	copy(p, n, "holdTimeSeconds", timers, "holdTimeSeconds");
	copy(p, n, "keepAliveTimeSeconds", timers, "keepAliveTimeSeconds");
	if (json_object_size(timers))
		put(p, spec, "timers", json_incref(timers));
	json_decref(timers);
	if (tree_get(n, "peerPort")) {
		put(p, spec, "transport", json_object());
		copy(p, n, "peerPort", json_object_get(spec, "transport"), "peerPort");
	}
	copy(p, n, "authSecretRef", spec, "authSecretRef");
	copy(p, n, "eBGPMultihopTTL", spec, "ebgpMultihop");
	copy(p, n, "gracefulRestart", spec, "gracefulRestart");
	put(p, spec, "families", list);
	for (size_t i = 0; i < length(families); i++)
		append(p, list, family(p, families->items[i], "ipv4", name));
	if (!length(families)) {
		append(p, list, family(p, NULL, "ipv4", name));
		append(p, list, family(p, NULL, "ipv6", name));
	}
	finish(p, doc);
}

static void
neighbor(struct peering *p, const struct node *router, const struct node *n, json_t *peers)
{
	const char *address = tree_text(n, "peerAddress");
	char name[320];
	json_t *peer;

	snprintf(name, sizeof(name), "%.253s-%u", p->name, ++p->nr_neighbors);
	tell_others(p, n,
	    "peerAddress peerPort peerASN authSecretRef eBGPMultihopTTL connectRetryTimeSeconds "
	    "holdTimeSeconds keepAliveTimeSeconds gracefulRestart families "
	    "advertisedPathAttributes");
	if (!address || strlen(name) > LABEL_MAX) {
		tell(p, n, address ? "metadata.name" : "peerAddress",
		    address ? "the name of the policy is too long for a label; must be shorter"
			    : "missing");
		return;
	}
	peer = json_object();
	put(p, peer, "name", json_string(name));
	put(p, peer, "peerAddress", json_stringn(address, strcspn(address, "/"))); /* of a /32 */
	copy(p, n, "peerASN", peer, "peerASN");
	put(p, peer, "peerConfigRef", json_pack("{s:s}", "name", name));
	append(p, peers, peer);
	neighbor_config(p, n, name);
	neighbor_advertisement(p, router, n, name);
}

static void
router_of(struct peering *p, const struct node *router)
{
	const struct node *list = tree_get(router, "neighbors");
	const char *asn = tree_text(router, "localASN");
	json_t *to = json_object(), *peers = json_array();
	char name[64];

	tell_others(p, router,
	    "localASN exportPodCIDR podIPPoolSelector serviceSelector serviceAdvertisements "
	    "neighbors");
	snprintf(name, sizeof(name), "as%.20s", asn ? asn : "");
	put(p, to, "name", json_string(name));
	copy(p, router, "localASN", to, "localASN");
	put(p, to, "peers", json_incref(peers));
	append(p, p->instances, to);
	for (size_t i = 0; i < length(list) && !p->err; i++)
		neighbor(p, router, list->items[i], peers);
	json_decref(peers);
}

int
convert_peering_policy(struct convert *c, const struct node *root)
{
	const struct node *spec = tree_get(root, "spec"), *meta = tree_get(root, "metadata");
	const struct node *routers = spec ? tree_get(spec, "virtualRouters") : NULL;
	struct peering p = { .c = c, .root = root, .instances = json_array() };
	json_t *doc;

	p.name = meta ? tree_text(meta, "name") : NULL;
	snprintf(
	    p.object, sizeof(p.object), "CiliumBGPPeeringPolicy/%.253s", p.name ? p.name : "-");
	if (!p.name || !spec) {
		tell(&p, root, p.name ? "spec" : "metadata.name", "missing");
		json_decref(p.instances);
		return p.err;
	}
	tell_others(&p, spec, "nodeSelector virtualRouters");
	doc = new_document(&p, "BGPClusterConfig", p.name);
	copy(&p, spec, "nodeSelector", json_object_get(doc, "spec"), "nodeSelector");
	put(&p, json_object_get(doc, "spec"), "bgpInstances", json_incref(p.instances));
	for (size_t i = 0; i < length(routers) && !p.err; i++)
		router_of(&p, routers->items[i]);
	finish(&p, doc);
	json_decref(p.instances);
	return p.err;
}
