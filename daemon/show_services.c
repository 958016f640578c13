/*
 * daemon/show_services.c: `service list`: every frontend of every Service with its backends, as
 * `cilium-dbg service list` shows them.
 */
#include "daemon/show.h"

#include "daemon/app.h"
#include "daemon/service.h"
#include "daemon/show_lb.h"
#include "lib/mem.h"

#include <stdlib.h>
#include <string.h>
#include <uthash.h>

/* A number for a frontend, for as long as the daemon runs. */
struct frontend_id {
	UT_hash_handle hh;
	uint32_t id;
	char key[];
};

static uint32_t
frontend_id(struct app *app, const char *key)
{
	const size_t len = strlen(key);
	struct frontend_id *f;

	HASH_FIND_STR(app->frontends, key, f);
	if (!f) {
		f = xcalloc(1, sizeof(*f) + len + 1);
		memcpy(f->key, key, len);
		f->id = ++app->next_frontend_id;
		HASH_ADD_KEYPTR(hh, app->frontends, f->key, len, f);
	}
	return f->id;
}

void
show_fini(struct app *app)
{
	struct frontend_id *f, *next;

	HASH_ITER(hh, app->frontends, f, next)
	{
		HASH_DEL(app->frontends, f);
		free(f);
	}
}

static const char *
protocol_name(enum res_protocol p)
{
	return p == RES_UDP ? "UDP" : p == RES_SCTP ? "SCTP" : "TCP";
}

static const char *
state_name(const struct res_endpoint *e)
{
	if (e->terminating)
		return "terminating";
	return e->ready ? "active" : "not-ready";
}

static void
add_backends(json_t *list, const struct res_endpoint_slice *slice,
    const struct res_service_port *port, enum addr_family family)
{
	const uint16_t number = service_slice_port(slice, port);
	char text[ADDR_STRLEN];

	if (number == 0)
		return;
	for (size_t i = 0; i < slice->endpoints.nr; i++) {
		const struct res_endpoint *e = &slice->endpoints.v[i];

		for (size_t j = 0; j < e->addresses.nr; j++) {
			if (e->addresses.v[j].family != family)
				continue;
			json_array_append_new(list,
			    json_pack("{s:s, s:i, s:s, s:s, s:b}", "ip",
				addr_format(&e->addresses.v[j], text, sizeof(text)), "port",
				(int)number, "state", state_name(e), "node", e->node_name, "ready",
				e->ready && !e->terminating));
		}
	}
}

static json_t *
backends(const struct store *store, const struct res_service *svc,
    const struct res_service_port *port, enum addr_family family)
{
	struct res_endpoint_slice *const *slices;
	size_t nr = store_slices(store, svc->obj.meta.ns, svc->obj.meta.name, &slices);
	json_t *list = json_array();

	for (size_t i = 0; i < nr; i++)
		add_backends(list, slices[i], port, family);
	return list;
}

static const char *
policy_name(enum res_traffic_policy p)
{
	return p == RES_POLICY_LOCAL ? "Local" : "Cluster";
}

static uint8_t
protocol_number(enum res_protocol p)
{
	return p == RES_UDP ? IPPROTO_UDP : p == RES_SCTP ? IPPROTO_SCTP : IPPROTO_TCP;
}

/* What the list is made with. */
struct listing {
	struct app *app;
	json_t *list;
	const struct show_lb_counts *counts; /* NULL: nobody counts */
};

static void
add_counts(json_t *o, const struct listing *l, const struct addr *addr, uint16_t port,
    enum res_protocol protocol)
{
	const struct dp_counts *c =
	    l->counts ? show_lb_counts_of(l->counts, addr, port, protocol_number(protocol)) : NULL;

	if (!c)
		return;
	json_object_set_new(o, "packets", json_integer((json_int_t)c->packets));
	json_object_set_new(o, "bytes", json_integer((json_int_t)c->bytes));
	json_object_set_new(o, "flows", json_integer((json_int_t)c->flows));
}

static void
add_frontend(const struct listing *l, const struct res_service *svc, const char *type,
    const struct addr *addr, const struct res_service_port *port)
{
	struct app *app = l->app;
	json_t *o;
	char text[ADDR_STRLEN];
	char *key;

	addr_format(addr, text, sizeof(text));
	key = xasprintf("%s|%u|%s|%s", text, port->port, protocol_name(port->protocol), type);
	o = json_pack("{s:I, s:{s:s, s:i, s:s}, s:s, s:s, s:s, s:o, s:s, s:s}", "id",
	    (json_int_t)frontend_id(app, key), "frontend", "ip", text, "port", (int)port->port,
	    "protocol", protocol_name(port->protocol), "type", type, "namespace", svc->obj.meta.ns,
	    "name", svc->obj.meta.name, "backends",
	    backends(app->store, svc, port, (enum addr_family)addr->family),
	    "externalTrafficPolicy", policy_name(svc->external_policy), "internalTrafficPolicy",
	    policy_name(svc->internal_policy));
	add_counts(o, l, addr, port->port, port->protocol);
	json_array_append_new(l->list, o);
	free(key);
}

static void
add_service(const struct listing *l, const struct res_service *svc)
{
	const struct addr unspecified[] = { { .family = ADDR_V4 } };
	struct arena arena = { 0 };
	const struct addr *lb;
	size_t nr_lb;

	nr_lb = app_service_addrs(l->app, svc, &arena, &lb);
	for (size_t p = 0; p < svc->ports.nr; p++) {
		const struct res_service_port *port = &svc->ports.v[p];
		struct res_service_port node_port = *port;

		for (size_t i = 0; i < svc->cluster_ips.nr; i++)
			add_frontend(l, svc, "ClusterIP", &svc->cluster_ips.v[i], port);
		for (size_t i = 0; i < nr_lb; i++)
			add_frontend(l, svc, "LoadBalancer", &lb[i], port);
		for (size_t i = 0; i < svc->external_ips.nr; i++)
			add_frontend(l, svc, "ExternalIPs", &svc->external_ips.v[i], port);
		node_port.port = port->node_port;
		if (port->node_port)
			add_frontend(l, svc, "NodePort", unspecified, &node_port);
	}
	arena_fini(&arena);
}

json_t *
show_services(struct app *app)
{
	struct show_lb_counts *counts = show_lb_counts_new(app);
	const struct listing l = { app, json_array(), counts };
	struct res_object *o;

	store_for_each(app->store, RES_SERVICE, o) add_service(&l, (const struct res_service *)o);
	show_lb_counts_free(counts);
	return json_pack("{s:o}", "services", l.list);
}
