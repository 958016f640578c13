/*
 * daemon/datapath_apply.c: makes the load balancer follow the store: its configuration, the frontends
 * of each Service, and whether it is there at all.  What is wanted stands in datapath_wanted.c; here
 * it is carried into datapath/.
 */
#include "daemon/app.h"

#include "daemon/datapath_wanted.h"
#include "daemon/pods.h"
#include "daemon/kube_apply.h"
#include "daemon/service.h"
#include "lib/log.h"
#include "lib/mem.h"

#include <ifaddrs.h>
#include <stdlib.h>
#include <string.h>

/* ---- configuration ---- */

static bool
is_on_machine(const struct addr *ip)
{
	struct ifaddrs *list, *i;
	struct addr a;
	bool found = false;

	if (getifaddrs(&list) < 0)
		return false;
	for (i = list; i && !found; i = i->ifa_next)
		found = i->ifa_addr && addr_from_sockaddr(i->ifa_addr, &a, NULL) == 0 &&
		    addr_eq(&a, ip);
	freeifaddrs(list);
	return found;
}

/* Answers would never come back to an address that the Node document has and the machine has not. */
static void
keep_own(const struct app *app, struct addr *ip)
{
	if (!addr_is_set(ip) || is_on_machine(ip))
		return;
	log_debug(
	    "node-address-not-here", LOG_S("node", app->node), LOG_S("address", addr_str(ip)));
	*ip = (struct addr){ 0 };
}

static void
set_conf(struct app *app)
{
	struct arena arena = { 0 };
	struct dp_conf conf = datapath_wanted_conf(
	    app->store, pods_plan(app), app->node, app->plan ? &app->plan->conf : NULL, &arena);
	int err = 0;

	conf.pin_path = app->pin_path;
	keep_own(app, &conf.snat4);
	keep_own(app, &conf.snat6);
	if (app->datapath)
		err = dp_conf_set(app->datapath, &conf);
	else
		app->datapath = dp_new(app->loop, &conf, &err);
	if (app->datapath)
		dp_helper_set(app->datapath, app->helper);
	if (err < 0)
		log_error("datapath-failed", LOG_S("pinPath", conf.pin_path), LOG_ERR(err));
	arena_fini(&arena);
}

/* ---- Services ---- */

static void
set_service(struct app *app, const struct res_service *svc)
{
	struct arena arena = { 0 };
	const struct addr *lb;
	const size_t nr_lb = app_service_addrs(app, svc, &arena, &lb);
	const char *key = arena_printf(&arena, "%s/%s", svc->obj.meta.ns, svc->obj.meta.name);
	struct dp_frontend *list;
	const size_t nr =
	    datapath_wanted_service(app->store, app->node, svc, lb, nr_lb, &arena, &list);
	int err = 0;

	if (nr > 0)
		err = dp_service_set(app->datapath, key, list, nr);
	else
		dp_service_del(app->datapath, key);
	if (err < 0)
		log_error("service-not-carried", LOG_S("service", key), LOG_ERR(err));
	arena_fini(&arena);
}

void
datapath_apply_service(struct app *app, const char *ns, const char *name)
{
	const struct res_service *svc = store_service(app->store, ns, name);
	char *key;

	if (!app->carrying)
		return;
	health_check_service(app->health, app->store, app->node, ns, name);
	if (!app->datapath)
		return;
	if (svc) {
		set_service(app, svc);
		return;
	}
	key = service_key(ns, name);
	dp_service_del(app->datapath, key);
	free(key);
}

/* Before a source is in sync nothing is known to be gone. */
static void
set_services(struct app *app)
{
	const bool complete = store_is_synced(app->store);
	struct res_object *o;

	if (complete)
		dp_sync_begin(app->datapath);
	store_for_each(app->store, RES_SERVICE, o) set_service(app, (const struct res_service *)o);
	if (complete)
		dp_sync_end(app->datapath);
}

/* ---- the whole ---- */

/* Nothing of ours shall stand in the way of who carries the packets now. */
static void
leave(struct app *app)
{
	int err;

	observe_end(app);
	if (app->datapath) {
		dp_remove(app->datapath);
		dp_free(app->datapath);
		app->datapath = NULL;
		return;
	}
	if (app->left_behind)
		return;
	err = dp_remove_pinned(app->pin_path);
	if (err < 0)
		log_error("datapath-not-removed", LOG_S("pinPath", app->pin_path), LOG_ERR(err),
		    LOG_S("hint", "an earlier herald left programs there; remove them by hand"));
}

void
datapath_apply_all(struct app *app)
{
	struct res_object *o;

	if (!app->carrying)
		return;
	health_check_begin(app->health);
	store_for_each(app->store, RES_SERVICE, o)
	    health_check_service(app->health, app->store, app->node, o->meta.ns, o->meta.name);
	health_check_end(app->health);
	if (store_config(app->store)->datapath.mode == RES_DP_NONE) {
		leave(app);
		app->left_behind = true; /* has been looked at, once is enough */
		return;
	}
	app->left_behind = false;
	set_conf(app);
	if (app->datapath)
		set_services(app);
}

static void
start(void *arg)
{
	struct app *app = arg;

	/* What an earlier process left goes on as it is until somebody says what is wanted. */
	if (kube_apply_awaited(app))
		return;
	app->carrying = true;
	datapath_apply_all(app);
}

void
datapath_apply_start(struct app *app)
{
	if (!app->carrying && app->health)
		work_post(&app->carry);
}

/* Mode none: whoever forwards speaks for himself. */
static bool
is_healthy(void *arg)
{
	const struct app *app = arg;
	struct dp_info info = { 0 };

	if (!app->datapath)
		return store_config(app->store)->datapath.mode == RES_DP_NONE;
	dp_info(app->datapath, &info);
	return info.loaded || !info.error || !*info.error;
}

void
datapath_apply_init(struct app *app)
{
	app->pin_path = xstrdup(store_config(app->store)->datapath.pin_path);
	app->health = health_check_new(app->loop, is_healthy, app);
	work_init(&app->carry, app->loop, start, app);
	work_post(&app->carry);
}

void
datapath_apply_fini(struct app *app)
{
	work_cancel(&app->carry);
	app->carrying = false;
	observe_end(app);
	if (app->datapath && app->removing)
		dp_remove(app->datapath);
	dp_free(app->datapath);
	app->datapath = NULL;
	health_check_free(app->health);
	app->health = NULL;
	free(app->pin_path);
	app->pin_path = NULL;
}
