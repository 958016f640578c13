/*
 * daemon/plan.c: see plan.h: takes a configuration on in a process of its own, and says what that changed.
 */
#include "daemon/plan.h"

#include "daemon/app.h"
#include "lib/mem.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* ---- the HeraldConfig ---- */

struct field_changes {
	struct plan_out *out;
	const char *action;
};

static void
put_field(void *arg, const char *field)
{
	const struct field_changes *f = arg;

	plan_put(f->out,
	    json_pack("{s:s, s:s, s:s}", "area", "config", "action", f->action, "field", field));
}

static void
compare_config(
    const struct res_herald_config *old, const struct res_herald_config *new, struct plan_out *out)
{
	static const struct {
		enum res_cost cost;
		const char *action;
	} costs[] = { { RES_COST_RESTART, "restart" }, { RES_COST_SESSION, "session" },
		{ RES_COST_SOFT, "live" }, { RES_COST_NONE, "live" } };

	for (size_t i = 0; i < sizeof(costs) / sizeof(costs[0]); i++) {
		struct field_changes f = { out, costs[i].action };

		res_changes_each(&old->obj, &new->obj, costs[i].cost, put_field, &f);
	}
}

/* ---- sessions and what peers are told ---- */

static const char *const fates[] = { [BGP_FATE_ADDED] = "added",
	[BGP_FATE_REMOVED] = "removed",
	[BGP_FATE_RESET] = "reset",
	[BGP_FATE_CHANGED] = "changed" };

static void
put_peer(void *arg, const char *instance, const char *peer, const struct addr *addr,
    enum bgp_fate fate, const char *const *fields, size_t nr)
{
	json_t *list = json_array();

	for (size_t i = 0; i < nr; i++)
		json_array_append_new(list, json_string(fields[i]));
	plan_put(arg,
	    json_pack("{s:s, s:s, s:s, s:s, s:s, s:o}", "area", "session", "action", fates[fate],
		"instance", instance, "peer", peer, "peerAddress", addr_str(addr), "fields", list));
}

static json_t *
without_age(const json_t *route)
{
	json_t *o = json_copy((json_t *)(uintptr_t)route);

	json_object_del(o, "ageSeconds");
	json_object_del(o, "peer");
	json_object_del(o, "instance");
	json_object_del(o, "prefix");
	return o;
}

/* Names of what differs. */
static json_t *
differences(json_t *old, json_t *new)
{
	json_t *list = json_array(), *value;
	const char *key;

	json_object_foreach(new, key, value)
	{
		if (!json_equal(value, json_object_get(old, key)))
			json_array_append_new(list, json_string(key));
	}
	return list;
}

static void
put_route(void *arg, const char *instance, const char *peer, bool alive, const json_t *old,
    const json_t *new)
{
	const json_t *any = new ? new : old;
	json_t *o = json_pack("{s:s, s:s, s:s, s:s, s:s, s:s}", "area", "route", "action",
	    !old      ? "announced"
		: new ? "changed"
		      : "withdrawn",
	    "instance", instance, "peer", peer, "prefix",
	    json_string_value(json_object_get(any, "prefix")), "session",
	    alive     ? "stays"
		: new ? "begins"
		      : "ends");
	json_t *was = old ? without_age(old) : NULL, *is = new ? without_age(new) : NULL;

	if (was && is)
		json_object_set_new(o, "fields", differences(was, is));
	if (was)
		json_object_set_new(o, "old", was);
	if (is)
		json_object_set_new(o, "new", is);
	plan_put(arg, o);
}

/* ---- monitoring stations ---- */

static json_t *
station_json(const struct bgp_monitor_conf *c)
{
	static const struct {
		unsigned bit;
		const char *name;
	} views[] = { { BGP_MONITOR_PRE, "pre" }, { BGP_MONITOR_POST, "post" },
		{ BGP_MONITOR_LOCAL, "local" } };
	json_t *list = json_array();

	for (size_t i = 0; i < sizeof(views) / sizeof(views[0]); i++)
		if (c->views & views[i].bit)
			json_array_append_new(list, json_string(views[i].name));
	return json_pack("{s:s, s:i, s:o, s:i}", "address", addr_str(&c->addr), "port", c->port,
	    "views", list, "statisticsSeconds", c->statistics_s);
}

static void
put_station(void *arg, const struct bgp_monitor_conf *old, const struct bgp_monitor_conf *new,
    enum bgp_fate fate)
{
	json_t *o = json_pack("{s:s, s:s, s:s}", "area", "bmp", "action", fates[fate], "station",
	    new ? new->name : old->name);

	if (old)
		json_object_set_new(o, "old", station_json(old));
	if (new)
		json_object_set_new(o, "new", station_json(new));
	plan_put(arg, o);
}

/* ---- the whole ---- */

/* What is shown of before points into objects that are about to go. */
static void
hold_objects(const struct store *store)
{
	struct res_object *o;

	for (int k = 0; k < RES_NR_KINDS; k++)
		store_for_each(store, (enum res_kind)k, o)(void) res_ref(o);
}

int
plan_rehearse(
    struct app *app, const struct files_text *texts, size_t nr, struct plan_out *out, char **error)
{
	const struct bgp_rehearsal ops = {
		.peer = put_peer, .route = put_route, .station = put_station, .arg = out
	};
	const struct res_herald_config *config;
	struct plan_views before = { 0 }, after = { 0 };
	int err;

	app->rehearsing = true;
	app->carrying = false; /* the load balancer is looked at by itself */
	app->monitor = NULL;   /* nobody listens in */
	hold_objects(app->store);
	config = (const struct res_herald_config *)res_ref(
	    (struct res_object *)(uintptr_t)&store_config(app->store)->obj);
	err = bgp_rehearse(app->bgp, &ops);
	if (err < 0)
		goto fail;
	plan_views_take(&before, app);
	err = files_try(app->files, texts, nr);
	if (err == -EINVAL)
		*error = app_faults_text(app);
	if (err < 0)
		goto fail;
	compare_config(config, store_config(app->store), out);
	/* Whoever follows the store does; twice, as what is made of MetalLB's documents comes as changes of
	 * its own. */
	store_flush(app->store);
	store_flush(app->store);
	err = bgp_rehearse_end(app->bgp);
	if (err < 0)
		goto fail;
	plan_views_take(&after, app);
	for (int i = 0; i < PLAN_NR_VIEWS; i++)
		plan_views_compare(&before, &after, (enum plan_view_kind)i, out);
	return 0;
fail:
	if (!*error)
		*error = xasprintf("plan: %s", strerror(-err));
	return err;
}
