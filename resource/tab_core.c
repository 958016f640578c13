/*
 * resource/tab_core.c: the tables of Kubernetes' own kinds: metadata, Node, Namespace, Secret.
 * Fields that mean nothing here are listed, so that objects as a cluster has them are taken and a
 * slip of the pen is not.
 */
#include "resource/collect.h"
#include "resource/kinds.h"
#include "resource/tables.h"

#include <stdlib.h>
#include <string.h>

/* clang-format off */

/* ---- metadata ---- */

static bool
name_is_good(const void *at)
{
	return selector_name_is_valid(*(const char *const *)at);
}

#define NAME_RIGHT "lower-case letters, digits, '-' and '.', at most 253, the ends letters or digits"

static void
meta_check(struct decoder *d, const struct node *map, void *at)
{
	struct res_meta *m = at;

	if (!d->in->schema->namespaced)
		m->ns = ""; /* as kubectl takes it */
	else if (map && !*m->ns)
		m->ns = "default";
	if (!map)
		m->name = "default";
}

static const struct field meta_fields[] = {
	{ "name", T_STRING, F_REQUIRED, FIELD_AT(struct res_meta, name), .valid = name_is_good,
	  .right = NAME_RIGHT, .help = "unique among the objects of its kind and namespace" },
	{ "namespace", T_STRING, 0, FIELD_AT(struct res_meta, ns), .valid = name_is_good,
	  .right = NAME_RIGHT, .help = "default: default" },
	{ "uid", T_STRING, F_UNCOMPARED, FIELD_AT(struct res_meta, uid),
	  .help = "given by the API server" },
	{ "resourceVersion", T_STRING, F_UNCOMPARED, FIELD_AT(struct res_meta, resource_version),
	  .help = "given by the API server" },
	{ "generation", T_INT64, F_UNCOMPARED, FIELD_AT(struct res_meta, generation),
	  .help = "given by the API server" },
	{ "creationTimestamp", T_TIME, 0, FIELD_AT(struct res_meta, created),
	  .help = "of two pools that overlap the older one wins" },
	{ "labels", T_LABELS, 0, FIELD_AT(struct res_meta, labels), .cost = RES_COST_SOFT,
	  .help = "what selectors look at" },
	{ "annotations", T_PAIRS, 0, FIELD_AT(struct res_meta, annotations), .cost = RES_COST_SOFT,
	  .help = "free text; some of it asks for something" },
	FIELD_ANY("generateName"), FIELD_ANY("managedFields"), FIELD_ANY("ownerReferences"),
	FIELD_ANY("finalizers"), FIELD_ANY("selfLink"), FIELD_ANY("deletionTimestamp"),
	FIELD_ANY("deletionGracePeriodSeconds"), FIELD_ANY("clusterName"),
	FIELD_END,
};
const struct table meta_table = { meta_fields, sizeof(struct res_meta), meta_check };

/* ---- Node ---- */

static const char *const node_addr_words[] = { "InternalIP", "ExternalIP", "Hostname",
	"InternalDNS", "ExternalDNS", NULL };
static const char *const status_words[] = { "True", "False", "Unknown", NULL };

static bool
status_is_good(const void *at)
{
	for (size_t i = 0; status_words[i]; i++)
		if (strcmp(status_words[i], *(const char *const *)at) == 0)
			return true;
	return false;
}

static void
node_addr_check(struct decoder *d, const struct node *map, void *at)
{
	struct res_node_addr *a = at;
	bool is_ip = a->type == RES_ADDR_INTERNAL_IP || a->type == RES_ADDR_EXTERNAL_IP;

	if (map && is_ip && addr_parse(a->address, &a->ip) < 0)
		decode_fault(d, map, "address", "%.80s: must be an IPv4 or IPv6 address", a->address);
}

static const struct field node_addr_fields[] = {
	{ "type", T_ENUM, F_REQUIRED, FIELD_AT(struct res_node_addr, type), .words = node_addr_words,
	  .help = "what kind of address it is" },
	{ "address", T_STRING, F_REQUIRED, FIELD_AT(struct res_node_addr, address), .min = 1,
	  .help = "an address or a name" },
	FIELD_END,
};
static const struct table node_addr_table = { node_addr_fields, sizeof(struct res_node_addr),
	node_addr_check };

static const struct field condition_fields[] = {
	{ "type", T_STRING, F_REQUIRED, FIELD_AT(struct res_condition, type), .help = "Ready, ..." },
	{ "status", T_STRING, F_REQUIRED, FIELD_AT(struct res_condition, status),
	  .valid = status_is_good, .right = "\"True\", \"False\" or \"Unknown\"", .help = "does it hold?" },
	{ "reason", T_STRING, 0, FIELD_AT(struct res_condition, reason), .help = "why, as one word" },
	FIELD_ANY("message"), FIELD_ANY("lastHeartbeatTime"), FIELD_ANY("lastTransitionTime"),
	FIELD_ANY("observedGeneration"),
	FIELD_END,
};
static const struct table condition_table = { condition_fields, sizeof(struct res_condition), NULL };

static void
node_spec_check(struct decoder *d, const struct node *map, void *at)
{
	struct res_node *n = at;
	struct prefix *p;

	if (!map || !*n->pod_cidr)
		return;
	p = decode_alloc(d, 1, sizeof(*p));
	if (!p)
		return;
	if (prefix_parse(n->pod_cidr, p, NULL) < 0) {
		decode_fault(d, map, "podCIDR",
		    "%.80s: must be an IPv4 or IPv6 prefix such as 192.0.2.0/24", n->pod_cidr);
		return;
	}
	if (!n->pod_cidrs.nr)
		n->pod_cidrs = (struct res_prefixes){ p, 1 };
	else if (!prefix_eq(&n->pod_cidrs.v[0], p))
		decode_fault(d, map, "podCIDR", "%.80s: must be the first of podCIDRs", n->pod_cidr);
}

static const struct field taint_fields[] = {
	{ "key", T_STRING, F_REQUIRED, FIELD_AT(struct res_taint, key), .max = 317,
	  .cost = RES_COST_SOFT, .help = "node.kubernetes.io/out-of-service, ..." },
	{ "value", T_STRING, 0, FIELD_AT(struct res_taint, value), .cost = RES_COST_SOFT,
	  .help = "of the taint" },
	{ "effect", T_STRING, 0, FIELD_AT(struct res_taint, effect), .cost = RES_COST_SOFT,
	  .help = "NoSchedule, PreferNoSchedule, NoExecute" },
	FIELD_ANY("timeAdded"),
	FIELD_END,
};
static const struct table taint_table = { taint_fields, sizeof(struct res_taint), NULL };

static const struct field node_spec_fields[] = {
	{ "podCIDRs", T_PREFIX, F_LIST, FIELD_LIST_AT(struct res_node, pod_cidrs),
	  .cost = RES_COST_SOFT, .help = "where this node's pods live" },
	{ "podCIDR", T_STRING, 0, FIELD_AT(struct res_node, pod_cidr), .cost = RES_COST_SOFT,
	  .help = "the first of podCIDRs" },
	{ "unschedulable", T_BOOL, 0, FIELD_AT(struct res_node, unschedulable),
	  .cost = RES_COST_SOFT, .help = "cordoned" },
	{ "taints", T_STRUCT, F_LIST, FIELD_LIST_AT(struct res_node, taints), .sub = &taint_table,
	  .cost = RES_COST_SOFT, .help = "what keeps pods away" },
	FIELD_ANY("providerID"), FIELD_ANY("externalID"),
	FIELD_ANY("configSource"),
	FIELD_END,
};
static const struct table node_spec_table = { node_spec_fields, 0, node_spec_check };

static const struct field node_status_fields[] = {
	{ "addresses", T_STRUCT, F_LIST, FIELD_LIST_AT(struct res_node, addresses),
	  .sub = &node_addr_table, .cost = RES_COST_SOFT, .help = "the node's own addresses" },
	{ "conditions", T_STRUCT, F_LIST, FIELD_LIST_AT(struct res_node, conditions),
	  .sub = &condition_table, .cost = RES_COST_SOFT, .help = "Ready, NetworkUnavailable, ..." },
	FIELD_ANY("capacity"), FIELD_ANY("allocatable"), FIELD_ANY("phase"),
	FIELD_ANY("daemonEndpoints"), FIELD_ANY("nodeInfo"), FIELD_ANY("images"),
	FIELD_ANY("volumesInUse"), FIELD_ANY("volumesAttached"), FIELD_ANY("config"),
	FIELD_ANY("runtimeHandlers"), FIELD_ANY("features"), FIELD_ANY("declaredFeatures"),
	FIELD_END,
};
static const struct table node_status_table = { node_status_fields, 0, NULL };

static const struct field node_fields[] = {
	FIELDS_HEAD(struct res_node),
	FIELD_GROUP("spec", 0, node_spec_table),
	FIELD_GROUP("status", 0, node_status_table),
	FIELD_END,
};
const struct table node_table = { node_fields, sizeof(struct res_node), NULL };

/* ---- Namespace ---- */

static const struct field namespace_fields[] = {
	FIELDS_HEAD(struct res_namespace),
	FIELD_ANY("spec"), FIELD_ANY("status"),
	FIELD_END,
};
const struct table namespace_table = { namespace_fields, sizeof(struct res_namespace), NULL };

/* ---- Secret ---- */

static const char *const plain_text[] = { NULL };

/* data and stringData together; what is in both is taken from stringData, as the API does. */
static void
secret_check(struct decoder *d, const struct node *map, void *at)
{
	struct res_secret *s = at;
	size_t e = 0, p = 0, nr = 0;
	struct res_secret_entry *v;

	(void)map;
	v = decode_alloc(d, s->encoded.nr + s->plain.nr, sizeof(*v));
	while (v && (e < s->encoded.nr || p < s->plain.nr)) {
		int c = e == s->encoded.nr ? 1
		    : p == s->plain.nr	   ? -1
					   : strcmp(s->encoded.v[e].key, s->plain.v[p].key);

		v[nr++] = c < 0 ? s->encoded.v[e] : s->plain.v[p];
		e += c <= 0;
		p += c >= 0;
	}
	s->data = (struct res_secret_entries){ v, nr };
}

static const struct field secret_fields[] = {
	FIELDS_HEAD(struct res_secret),
	{ "type", T_STRING, 0, FIELD_AT(struct res_secret, type), .def = "Opaque",
	  .help = "what the API server checks it for" },
	{ "data", T_SECRET, 0, FIELD_AT(struct res_secret, encoded), .cost = RES_COST_SESSION,
	  .help = "values in base64" },
	{ "stringData", T_SECRET, 0, FIELD_AT(struct res_secret, plain), .words = plain_text,
	  .cost = RES_COST_SESSION, .help = "values as they are" },
	FIELD_ANY("immutable"),
	FIELD_END,
};
const struct table secret_table = { secret_fields, sizeof(struct res_secret), secret_check };

/* clang-format on */

const struct res_secret_entry *
res_secret_get(const struct res_secret *s, const char *key)
{
	for (size_t i = 0; i < s->data.nr; i++)
		if (strcmp(s->data.v[i].key, key) == 0)
			return &s->data.v[i];
	return NULL;
}

const struct addr *
res_node_addr(const struct res_node *n, enum res_node_addr_type type, enum addr_family family)
{
	for (size_t i = 0; i < n->addresses.nr; i++)
		if (n->addresses.v[i].type == type && n->addresses.v[i].ip.family == family)
			return &n->addresses.v[i].ip;
	return NULL;
}
