/*
 * daemon/service.c: see service.h.
 */
#include "daemon/service.h"

#include "lib/mem.h"

#include <stdlib.h>
#include <string.h>

static const char *const classes[] = { "heraldlb.io/herald", "io.cilium/bgp-control-plane",
	"io.cilium/l2-announcer" };

/* Beside each other, as people migrate: what several of them ask for is united. */
static const char *const ip_annotations[] = { "heraldlb.io/ips", "lbipam.cilium.io/ips",
	"io.cilium/lb-ipam-ips", "metallb.io/loadBalancerIPs",
	"metallb.universe.tf/loadBalancerIPs" };

char *
service_key(const char *ns, const char *name)
{
	return xasprintf("%s/%s", ns, name);
}

bool
service_is_managed(const struct res_service *svc, const struct res_kubernetes_source *conf)
{
	const char *own_class = conf->load_balancer_class;

	if (svc->type != RES_SVC_LOAD_BALANCER)
		return false;
	if (!svc->has_load_balancer_class)
		return conf->default_class;
	if (*own_class && strcmp(svc->load_balancer_class, own_class) == 0)
		return true;
	for (size_t i = 0; i < sizeof(classes) / sizeof(classes[0]); i++)
		if (strcmp(svc->load_balancer_class, classes[i]) == 0)
			return true;
	return false;
}

bool
service_is_remote(const struct res_service *svc)
{
	return !*svc->obj.file;
}

const char *
service_annotation(const struct res_service *svc, const char *const *keys)
{
	const char *value;

	for (; *keys; keys++) {
		value = res_pairs_get(&svc->obj.meta.annotations, *keys);
		if (value)
			return value;
	}
	return NULL;
}

struct addr_list {
	struct addr *v;
	size_t nr, cap;
};

static void
add_unique(struct addr_list *list, const struct addr *a)
{
	for (size_t i = 0; i < list->nr; i++)
		if (addr_eq(&list->v[i], a))
			return;
	if (list->nr == list->cap) {
		list->cap = list->cap ? 2 * list->cap : 4;
		list->v = xrealloc(list->v, list->cap, sizeof(*list->v));
	}
	list->v[list->nr++] = *a;
}

/* "192.0.2.1, 2001:db8::1": commas and blanks between. */
static void
add_list(struct addr_list *list, const char *text, size_t *bad)
{
	char word[ADDR_STRLEN];
	struct addr a;
	size_t len;

	for (; *text; text += len) {
		text += strspn(text, ", \t");
		len = strcspn(text, ", \t");
		if (len == 0)
			continue;
		if (len >= sizeof(word)) {
			++*bad;
			continue;
		}
		memcpy(word, text, len);
		word[len] = '\0';
		if (addr_parse(word, &a) < 0)
			++*bad;
		else
			add_unique(list, &a);
	}
}

size_t
service_requested(const struct res_service *svc, struct addr **out, size_t *bad)
{
	struct addr_list list = { 0 };
	const char *text;

	*bad = 0;
	for (size_t i = 0; i < sizeof(ip_annotations) / sizeof(ip_annotations[0]); i++) {
		text = res_pairs_get(&svc->obj.meta.annotations, ip_annotations[i]);
		if (text)
			add_list(&list, text, bad);
	}
	if (addr_is_set(&svc->load_balancer_ip))
		add_unique(&list, &svc->load_balancer_ip);
	*out = list.v;
	return list.nr;
}

static enum addr_family
family_of(enum res_ip_family f)
{
	return f == RES_IPV6 ? ADDR_V6 : ADDR_V4;
}

size_t
service_families(const struct res_service *svc, enum addr_family out[2])
{
	bool want[ADDR_V6 + 1] = { false };
	size_t nr = 0;

	switch (svc->ip_family_policy) {
	case RES_REQUIRE_DUAL:
		want[ADDR_V4] = want[ADDR_V6] = true;
		break;
	case RES_PREFER_DUAL:
		for (size_t i = 0; i < svc->ip_families.nr; i++)
			want[family_of(svc->ip_families.v[i])] = true;
		if (svc->ip_families.nr == 0)
			want[ADDR_V4] = want[ADDR_V6] = true;
		break;
	default:
		if (svc->ip_families.nr > 0)
			want[family_of(svc->ip_families.v[0])] = true;
		else if (svc->cluster_ips.nr > 0)
			want[svc->cluster_ips.v[0].family] = true;
		else
			want[ADDR_V4] = true;
	}
	for (enum addr_family f = ADDR_V4; f <= ADDR_V6; f++)
		if (want[f])
			out[nr++] = f;
	return nr;
}

struct service_backends
service_backends(const struct store *store, const struct res_service *svc, const char *node,
    enum addr_family family)
{
	const enum res_addr_type wanted = family == ADDR_V6 ? RES_SLICE_IPV6 : RES_SLICE_IPV4;
	struct res_endpoint_slice *const *slices;
	struct service_backends count = { 0 };
	size_t nr = store_slices(store, svc->obj.meta.ns, svc->obj.meta.name, &slices);

	for (size_t i = 0; i < nr; i++) {
		if (slices[i]->address_type != wanted)
			continue;
		for (size_t j = 0; j < slices[i]->endpoints.nr; j++) {
			const struct res_endpoint *e = &slices[i]->endpoints.v[j];

			if (!e->ready || e->terminating || e->addresses.nr == 0)
				continue;
			count.active++;
			if (strcmp(e->node_name, node) == 0)
				count.active_local++;
		}
	}
	return count;
}

uint16_t
service_slice_port(const struct res_endpoint_slice *slice, const struct res_service_port *port)
{
	for (size_t i = 0; i < slice->ports.nr; i++) {
		const struct res_endpoint_port *p = &slice->ports.v[i];

		if (strcmp(p->name, port->name) == 0 && p->protocol == port->protocol)
			return p->has_port ? p->port : port->port;
	}
	return 0;
}
