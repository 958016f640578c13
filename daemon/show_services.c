/*
 * daemon/show_services.c: `service list`: every frontend of every Service with its backends, as
 * `cilium-dbg service list` shows them.
 */
#include "daemon/show.h"

#include "daemon/app.h"
#include "daemon/service.h"
#include "daemon/show_lb.h"
#include "lib/buf.h"
#include "lib/mem.h"

#include <inttypes.h>
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

/* How many there are so far comes and goes in @nr. */
static void
put_slice(struct buf *out, const struct res_endpoint_slice *slice,
    const struct res_service_port *port, enum addr_family family, size_t *nr)
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
			buf_printf(out, "%s{\"ip\":\"%s\",\"port\":%u,\"state\":\"%s\",\"node\":",
			    (*nr)++ ? "," : "", addr_format(&e->addresses.v[j], text, sizeof(text)),
			    number, state_name(e));
			show_string(out, e->node_name);
			buf_printf(
			    out, ",\"ready\":%s}", e->ready && !e->terminating ? "true" : "false");
		}
	}
}

static void
put_backends(struct buf *out, const struct store *store, const struct res_service *svc,
    const struct res_service_port *port, enum addr_family family)
{
	struct res_endpoint_slice *const *slices;
	const size_t nr = store_slices(store, svc->obj.meta.ns, svc->obj.meta.name, &slices);
	size_t written = 0;

	buf_puts(out, ",\"backends\":[");
	for (size_t i = 0; i < nr; i++)
		put_slice(out, slices[i], port, family, &written);
	buf_puts(out, "]");
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
	struct buf *out;
	const struct show_lb_counts *counts; /* NULL: nobody counts */
	size_t nr;
};

static void
put_counts(const struct listing *l, const struct addr *addr, const struct res_service_port *port)
{
	const struct dp_counts *c = l->counts
	    ? show_lb_counts_of(l->counts, addr, port->port, protocol_number(port->protocol))
	    : NULL;

	if (c)
		buf_printf(l->out,
		    ",\"packets\":%" PRIu64 ",\"bytes\":%" PRIu64 ",\"flows\":%" PRIu64, c->packets,
		    c->bytes, c->flows);
}

static void
add_frontend(struct listing *l, const struct res_service *svc, const char *type,
    const struct addr *addr, const struct res_service_port *port)
{
	const char *protocol = protocol_name(port->protocol);
	struct buf *out = l->out;
	char text[ADDR_STRLEN];
	char *key;

	addr_format(addr, text, sizeof(text));
	key = xasprintf("%s|%u|%s|%s", text, port->port, protocol, type);
	buf_printf(out,
	    "%s{\"id\":%u,\"frontend\":{\"ip\":\"%s\",\"port\":%u,\"protocol\":\"%s\"},\"type\":\"%"
	    "s\""
	    ",\"namespace\":",
	    l->nr++ ? "," : "", frontend_id(l->app, key), text, port->port, protocol, type);
	show_string(out, svc->obj.meta.ns);
	buf_puts(out, ",\"name\":");
	show_string(out, svc->obj.meta.name);
	put_backends(out, l->app->store, svc, port, (enum addr_family)addr->family);
	buf_printf(out, ",\"externalTrafficPolicy\":\"%s\",\"internalTrafficPolicy\":\"%s\"",
	    policy_name(svc->external_policy), policy_name(svc->internal_policy));
	put_counts(l, addr, port);
	buf_puts(out, "}");
	free(key);
}

static void
add_service(struct listing *l, const struct res_service *svc)
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

void
show_services(struct app *app, bool stats, struct buf *out)
{
	struct show_lb_counts *counts = show_lb_counts_new(app);
	struct listing l = { app, out, counts, 0 };
	struct res_object *o;

	buf_puts(out, "{\"services\":[");
	store_for_each(app->store, RES_SERVICE, o) add_service(&l, (const struct res_service *)o);
	buf_puts(out, stats ? "],\"stats\":true}" : "]}");
	show_lb_counts_free(counts);
}
