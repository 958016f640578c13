/*
 * daemon/l2_apply.c: makes the layer 2 announcements follow the store and our devices.  What is wanted
 * stands in l2_wanted.c; here it is carried into l2/, and shown.
 *
 * The whole is worked out anew for each burst of changes: the owner of one address depends on all
 * others.  Without a policy nothing is worked out.
 */
#include "daemon/app.h"

#include "daemon/l2_wanted.h"
#include "daemon/show.h"
#include "lib/log.h"
#include "lib/mem.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#define SOON_MS 20 /* changes of a burst come in several turns */
#define SHARE 10

/* ---- what is wanted ---- */

struct device_list {
	struct arena *arena;
	struct l2_seen_device *v;
	size_t nr, cap;
};

/* Copied: names and prefixes live until the engine hears of another device. */
static bool
take_device(void *arg, const struct l2_seen_device *d)
{
	struct device_list *list = arg;
	struct prefix *prefixes = arena_new_n(list->arena, struct prefix, d->nr_prefixes + 1);

	if (list->nr == list->cap) {
		struct l2_seen_device *more =
		    arena_new_n(list->arena, struct l2_seen_device, list->cap * 2 + 16);

		if (list->nr > 0)
			memcpy(more, list->v, list->nr * sizeof(*more));
		list->v = more;
		list->cap = list->cap * 2 + 16;
	}
	if (d->nr_prefixes > 0)
		memcpy(prefixes, d->prefixes, d->nr_prefixes * sizeof(*prefixes));
	list->v[list->nr] = *d;
	list->v[list->nr].name = arena_printf(list->arena, "%s", d->name);
	list->v[list->nr++].prefixes = prefixes;
	return true;
}

static size_t
lb_addrs(void *arg, const struct res_service *svc, struct arena *arena, const struct addr **out)
{
	return app_service_addrs(arg, svc, arena, out);
}

/* False: the devices are not known yet. */
static bool
work_out(struct app *app, const struct addr *explain, struct arena *arena, struct l2_wanted *out)
{
	struct device_list devices = { .arena = arena };
	struct l2_wanted_in in = { .store = app->store,
		.node = app->node,
		.addrs = lb_addrs,
		.arg = app,
		.explain = explain };
	int err;

	if (!l2_devices_each(app->l2, take_device, &devices))
		return false;
	in.devices = devices.v;
	in.nr_devices = devices.nr;
	err = l2_wanted(&in, arena, out);
	if (err < 0)
		log_error("l2-not-worked-out", LOG_ERR(-err));
	return err == 0;
}

static int
set_ours(struct app *app, const struct l2_wanted *want, struct arena *arena)
{
	struct l2_address *ours = arena_new_n(arena, struct l2_address, want->nr_all + 1);
	size_t nr = 0;

	for (size_t i = 0; i < want->nr_all; i++) {
		const struct l2_wanted_address *w = &want->all[i];

		if (w->ours && w->nr_devices > 0)
			ours[nr++] = (struct l2_address){
				w->addr, w->devices, w->nr_devices, w->schedule
			};
	}
	return l2_set(app->l2, ours, nr);
}

static void
apply_due(void *arg)
{
	struct app *app = arg;
	struct arena arena = { 0 };
	struct l2_wanted want;
	uint64_t begin = loop_now_us(app->loop);
	int err = 0;

	/* Before a source is in sync nothing is known to be gone: what an earlier process answers
	 * for goes on. */
	if (!app->l2 || app->stopping || !store_is_synced(app->store))
		return;
	if (work_out(app, NULL, &arena, &want))
		err = set_ours(app, &want, &arena);
	if (err < 0)
		log_error("l2-not-set", LOG_ERR(-err));
	arena_fini(&arena);
	/* However often things change, a tenth of the time is enough for this. */
	app->l2_rest_ms = (loop_now_us(app->loop) - begin) * (SHARE - 1) / 1000;
	app->l2_done_ms = loop_now_ms(app->loop);
}

void
l2_apply_soon(struct app *app)
{
	uint64_t since, wait = SOON_MS;

	if (!app->l2 || timer_is_running(&app->l2_soon))
		return;
	since = loop_now_ms(app->loop) - app->l2_done_ms;
	if (since < app->l2_rest_ms && app->l2_rest_ms - since > wait)
		wait = app->l2_rest_ms - since;
	timer_set(&app->l2_soon, wait);
}

/* Endpoints count only where the policy is Local. */
static bool
is_of_local(const struct app *app, const struct store_change *c)
{
	const struct res_object *const both[] = { c->old, c->new };

	for (size_t i = 0; i < 2; i++) {
		const struct res_endpoint_slice *s = (const struct res_endpoint_slice *)both[i];
		const struct res_service *svc =
		    s ? store_service(app->store, c->ns, s->service_name) : NULL;

		if (svc && svc->external_policy == RES_POLICY_LOCAL)
			return true;
	}
	return false;
}

void
l2_apply_changes(struct app *app, const struct store_change *changes, size_t nr)
{
	bool any = nr == 0; /* a source is in sync, or is not */

	for (size_t i = 0; i < nr && !any; i++) {
		const struct store_change *c = &changes[i];

		switch (c->kind) {
		case RES_SERVICE:
		case RES_L2_POLICY:
		case RES_LB_IP_POOL:
		case RES_HERALD_CONFIG:
			any = true;
			break;
		case RES_NODE: /* heartbeats change nothing */
			any =
			    !c->old || !c->new || res_change_cost(c->old, c->new) != RES_COST_NONE;
			break;
		case RES_ENDPOINT_SLICE:
			any = is_of_local(app, c);
			break;
		default:
			break;
		}
	}
	if (any)
		l2_apply_soon(app);
}

static void
on_devices(void *arg)
{
	l2_apply_soon(arg);
}

void
l2_apply_init(struct app *app)
{
	const struct l2_ops ops = { .devices = on_devices };
	int err = 0;

	timer_init(&app->l2_soon, app->loop, apply_due, app);
	app->l2 = l2_new(app->loop, app->pin_path, &ops, app, &err);
	if (!app->l2)
		log_error("l2-off", LOG_ERR(-err));
	l2_apply_soon(app);
}

void
l2_apply_fini(struct app *app)
{
	if (!app->l2)
		return;
	timer_stop(&app->l2_soon);
	if (app->removing)
		l2_remove(app->l2);
	l2_free(app->l2);
	app->l2 = NULL;
}

/* ---- what people are shown ---- */

static void
put_mac(json_t *o, const char *key, const uint8_t mac[6])
{
	char text[18];

	snprintf(text, sizeof(text), "%02x:%02x:%02x:%02x:%02x:%02x", mac[0], mac[1], mac[2],
	    mac[3], mac[4], mac[5]);
	json_object_set_new(o, key, json_string(text));
}

static void
put_age(const struct app *app, json_t *o, const char *key, time_t when)
{
	if (when)
		json_object_set_new(o, key, json_integer(loop_wall(app->loop) - when));
}

struct showing {
	struct app *app;
	json_t *list;
	const struct l2_wanted_address *w;
};

static json_t *
row(const struct l2_wanted_address *w, const char *device)
{
	char text[ADDR_STRLEN];
	json_t *services = json_array();

	for (size_t i = 0; i < w->nr_services; i++)
		json_array_append_new(services, json_string(w->services[i]));
	return json_pack("{s:s, s:s, s:s, s:s, s:o}", "ip",
	    addr_format(&w->addr, text, sizeof(text)), "interface", device, "holder", w->owner,
	    "service", w->nr_services ? w->services[0] : "", "services", services);
}

/* An address of ours on one of our devices. */
static bool
show_seen(void *arg, const struct l2_seen *seen)
{
	struct showing *s = arg;
	json_t *o;

	if (!addr_eq(&seen->addr, &s->w->addr))
		return true;
	o = row(s->w, seen->device);
	json_object_set_new(o, "answering", json_boolean(seen->answering));
	if (seen->why[0])
		json_object_set_new(o, "message", json_string(seen->why));
	put_age(s->app, o, "sinceSeconds", seen->since);
	put_age(s->app, o, "announcedSeconds", seen->announced);
	json_object_set_new(o, "answered", json_integer((json_int_t)seen->answered));
	if (seen->alarmed) {
		json_t *c = json_pack("{s:I, s:I}", "claims", (json_int_t)seen->claims[L2_CLAIMS],
		    "probes", (json_int_t)seen->claims[L2_PROBES]);

		put_mac(c, "mac", seen->foreign);
		put_age(s->app, c, "seenSeconds", seen->alarmed);
		json_object_set_new(o, "conflict", c);
	}
	json_array_append_new(s->list, o);
	return true;
}

static json_t *
show_nodes(const struct l2_wanted_address *w)
{
	json_t *list = json_array();

	for (size_t i = 0; i < w->nr_nodes; i++) {
		const struct l2_wanted_node *n = &w->nodes[i];
		bool fit = n->reason == REASON_SATISFIED;

		json_array_append_new(list,
		    json_pack("{s:s, s:b, s:i, s:s, s:s}", "node", n->name, "candidate", fit,
			"preference", n->preference, "reason",
			fit ? elect_why_name(n->why) : reason_name(n->reason), "message",
			fit ? elect_why_sentence(n->why) : reason_text(n->reason)));
	}
	return list;
}

json_t *
show_l2(struct app *app, const struct addr *about)
{
	struct showing s = { .app = app, .list = json_array() };
	json_t *addresses = json_array(), *counters = json_object();
	struct arena arena = { 0 };
	struct l2_wanted want = { 0 };
	struct l2_info info = { .error = "" };
	char text[ADDR_STRLEN];

	if (app->l2) {
		l2_info(app->l2, &info);
		(void)work_out(app, about, &arena, &want);
	}
	for (size_t i = 0; i < want.nr_all; i++) {
		const size_t had = json_array_size(s.list);

		s.w = &want.all[i];
		if (about && !addr_eq(about, &s.w->addr))
			continue;
		if (s.w->ours)
			l2_each(app->l2, show_seen, &s);
		if (json_array_size(s.list) == had) {
			json_t *o = row(s.w, "");

			json_object_set_new(o, "answering", json_false());
			if (s.w->ours)
				json_object_set_new(o, "message",
				    json_string(
					"No interface of this node is one of the policy's."));
			json_array_append_new(s.list, o);
		}
		if (about)
			json_array_append_new(addresses,
			    json_pack("{s:s, s:s, s:o}", "ip",
				addr_format(about, text, sizeof(text)), "holder", s.w->owner,
				"nodes", show_nodes(s.w)));
	}
	for (unsigned i = 0; app->l2 && info.loaded && i < L2_NR_COUNTS; i++)
		json_object_set_new(
		    counters, l2_counter_name(i), json_integer((json_int_t)l2_counter(app->l2, i)));
	arena_fini(&arena);
	return json_pack("{s:o, s:[], s:o, s:o, s:s}", "announcements", s.list, "leases",
	    "addresses", addresses, "counters", counters, "error", info.error);
}
