/*
 * daemon/ipam_wanted.c: see ipam_wanted.h.
 */
#include "daemon/ipam_wanted.h"

#include "daemon/service.h"

#include <stdlib.h>
#include <string.h>

/* More pools by name than anybody means. */
#define NAMED_MAX 16

/* Pools by their names, with commas between. */
static const char *const pool_annotations[] = { "heraldlb.io/ip-pool", "metallb.io/address-pool",
	"metallb.universe.tf/address-pool", NULL };

static const char *const key_annotations[] = { "heraldlb.io/sharing-key",
	"lbipam.cilium.io/sharing-key", "io.cilium/lb-ipam-sharing-key",
	"metallb.io/allow-shared-ip", "metallb.universe.tf/allow-shared-ip", NULL };
static const char *const consent_annotations[] = { "heraldlb.io/sharing-cross-namespace",
	"lbipam.cilium.io/sharing-cross-namespace", "io.cilium/lb-ipam-sharing-cross-namespace",
	NULL };

/* Pools that are for some Services come before those that are for all: by priority, and without one
 * behind those that have one.  As MetalLB. */
static uint32_t
rank_of(const struct res_lb_ip_pool *pool)
{
	if (!pool->allocation.present)
		return UINT32_MAX;
	return pool->allocation.priority ? pool->allocation.priority : UINT32_MAX - 1;
}

size_t
ipam_wanted_pools(const struct store *store, struct arena *a, struct ipam_pool **out)
{
	struct ipam_pool *pools = arena_new_n(a, struct ipam_pool, store_nr(store, RES_LB_IP_POOL));
	const uint64_t reuse_ms = store_config(store)->ipam.reuse_ms;
	struct res_object *o;
	size_t nr = 0;

	store_for_each(store, RES_LB_IP_POOL, o)
	{
		const struct res_lb_ip_pool *from = (const struct res_lb_ip_pool *)o;
		struct ipam_block *blocks = arena_new_n(a, struct ipam_block, from->blocks.nr);

		for (size_t i = 0; i < from->blocks.nr; i++)
			blocks[i] = (struct ipam_block){ .range = from->blocks.v[i].range,
				.is_cidr = from->blocks.v[i].is_cidr };
		pools[nr++] = (struct ipam_pool){
			.name = o->meta.name,
			.created = o->meta.created,
			.disabled = from->disabled,
			.allow_first_last = from->allow_first_last,
			.avoid_buggy = from->avoid_buggy_ips,
			.renumber = from->on_change == RES_POOL_RENUMBER,
			.reuse_ms = *from->reuse_after ? from->reuse_ms : reuse_ms,
			.rank = rank_of(from),
			.blocks = blocks,
			.nr_blocks = from->blocks.nr,
		};
	}
	*out = pools;
	return nr;
}

static bool
lists_namespace(const struct res_strings *list, const char *ns)
{
	for (size_t i = 0; i < list->nr; i++)
		if (strcmp(list->v[i], ns) == 0)
			return true;
	return false;
}

/* serviceAllocation: the namespace by its name or its labels, and the Service by its own. */
static bool
allocation_admits(const struct store *store, const struct res_service_allocation *a,
    const struct res_service *svc, const struct label_view *labels)
{
	static const struct res_pairs no_labels;
	const struct res_object *ns = store_get(store, RES_NAMESPACE, "", svc->obj.meta.ns);
	struct label_view view =
	    ns ? label_view_of(ns) : (struct label_view){ .labels = &no_labels };

	if (!a->present)
		return true;
	if (!selectors_admit(&a->service_selectors, labels))
		return false;
	if (!a->namespaces.nr && !a->namespace_selectors.nr)
		return true;
	return lists_namespace(&a->namespaces, svc->obj.meta.ns) ||
	    (a->namespace_selectors.nr && selectors_admit(&a->namespace_selectors, &view));
}

/* "a, b": the words of a list with commas, at most @max, in @arena. */
static size_t
words_of(const char *text, size_t max, struct arena *a, const char *const **out)
{
	const char **list = arena_new_n(a, const char *, max);
	size_t nr = 0, len;

	for (; text && *text && nr < max; text += len) {
		text += strspn(text, ", \t\n");
		len = strcspn(text, ", \t\n");
		if (len > 0)
			list[nr++] = arena_printf(a, "%.*s", (int)len, text);
	}
	*out = list;
	return nr;
}

static bool
is_one_of(const char *const *list, size_t nr, const char *word)
{
	for (size_t i = 0; i < nr; i++)
		if (strcmp(list[i], word) == 0)
			return true;
	return false;
}

/* The pools that may serve it: by selector, and only those that an annotation names.  One without
 * autoAssign only when it is one of those, or when addresses are asked for. */
static size_t
allowed_pools(const struct store *store, const struct res_service *svc,
    const struct ipam_claim *claim, struct arena *a, const char *const **out)
{
	const char **names = arena_new_n(a, const char *, store_nr(store, RES_LB_IP_POOL));
	const bool by_address = claim->nr_requested > 0, named = claim->nr_each > 0;
	const struct label_view view = label_view_service(&svc->obj);
	struct res_object *o;
	size_t nr = 0;

	store_for_each(store, RES_LB_IP_POOL, o)
	{
		const struct res_lb_ip_pool *pool = (const struct res_lb_ip_pool *)o;

		if (named && !is_one_of(claim->each, claim->nr_each, o->meta.name))
			continue;
		if (!pool->auto_assign && !named && !by_address)
			continue;
		if (selector_admits(&pool->service_selector, &view) &&
		    allocation_admits(store, &pool->allocation, svc, &view))
			names[nr++] = o->meta.name;
	}
	*out = names;
	return nr;
}

/* ---- sharing ---- */

static int
text_cmp(const void *x, const void *y)
{
	return strcmp(*(const char *const *)x, *(const char *const *)y);
}

/* The selector in one spelling, whatever the order of its labels; with lengths, so that no label can
 * look like two. */
static const char *
selector_text(const struct res_pairs *selector, struct arena *a)
{
	const char **list = arena_new_n(a, const char *, selector->nr);
	size_t len = 0;
	char *text, *end;

	for (size_t i = 0; i < selector->nr; i++) {
		list[i] = arena_printf(a, "%zu:%s=%zu:%s,", strlen(selector->v[i].key),
		    selector->v[i].key, strlen(selector->v[i].value), selector->v[i].value);
		len += strlen(list[i]);
	}
	if (selector->nr > 1)
		qsort(list, selector->nr, sizeof(*list), text_cmp);
	text = end = arena_new_n(a, char, len + 1);
	for (size_t i = 0; i < selector->nr; i++) {
		memcpy(end, list[i], strlen(list[i]));
		end += strlen(list[i]);
	}
	return text;
}

static void
sharing_of(const struct res_service *svc, struct arena *a, struct ipam_sharing *s)
{
	const char *consent = service_annotation(svc, consent_annotations);
	struct ipam_port *ports;

	s->key = service_annotation(svc, key_annotations);
	if (!s->key || !*s->key)
		return;
	s->nr_friends = words_of(consent, consent ? strlen(consent) : 0, a, &s->friends);
	s->any_ns = is_one_of(s->friends, s->nr_friends, "*");
	ports = arena_new_n(a, struct ipam_port, svc->ports.nr);
	for (size_t i = 0; i < svc->ports.nr; i++)
		ports[i] =
		    (struct ipam_port){ (uint8_t)svc->ports.v[i].protocol, svc->ports.v[i].port };
	s->ports = ports;
	s->nr_ports = svc->ports.nr;
	s->local = svc->external_policy == RES_POLICY_LOCAL;
	s->selector = s->local ? selector_text(&svc->selector, a) : "";
}

bool
ipam_wanted_claim(const struct store *store, const struct res_service *svc, struct arena *a,
    struct ipam_claim *claim, size_t *bad)
{
	struct addr *requested, *copy;

	*bad = 0;
	if (!service_is_managed(svc, &store_config(store)->kubernetes))
		return false;
	*claim = (struct ipam_claim){
		.owner = arena_printf(a, "%s/%s", svc->obj.meta.ns, svc->obj.meta.name),
		.created = svc->obj.meta.created,
	};
	claim->nr_requested = service_requested(svc, &requested, bad);
	copy = arena_new_n(a, struct addr, claim->nr_requested);
	if (claim->nr_requested)
		memcpy(copy, requested, claim->nr_requested * sizeof(*copy));
	free(requested);
	claim->requested = copy;
	claim->nr_families = service_families(svc, claim->families);
	claim->nr_each =
	    words_of(service_annotation(svc, pool_annotations), NAMED_MAX, a, &claim->each);
	claim->nr_pools = allowed_pools(store, svc, claim, a, &claim->pools);
	sharing_of(svc, a, &claim->sharing);
	return true;
}
