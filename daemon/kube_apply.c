/*
 * daemon/kube_apply.c: starts and stops the Kubernetes source, holds its Leases, and says who leads.
 * See kube_apply.h.
 */
#include "daemon/kube_apply.h"

#include "daemon/app.h"
#include "daemon/kube_cache.h"
#include "lib/log.h"
#include "lib/mem.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define LEADER_LEASE "herald-leader"
/* That a node lives is for people and for machines of theirs: kubelet's rhythm, not the election's. */
#define ALIVE_DURATION_S 40
#define ALIVE_RENEW_S 30
#define ALIVE_RETRY_S 10
#define GIVE_BACK_MS 150 /* the process ends soon after */
/* A server that answers tells everything within seconds; one that does not is not waited for, as the
 * neighbours' restart timers run. */
#define ANSWER_MS 2000
#define ANSWERS_MAX 10

struct kube_side {
	struct app *app;
	struct kube *kube;
	struct kube_lease *leader, *alive;
	struct kube_tell *tell;
	struct kube_cache *cache; /* NULL: there is no room for its source */
	bool restarted;		  /* a herald ran here before */
	bool awaited, cached;
	unsigned looks;
	struct loop_timer no_answer;
	char *namespace;
	char *kubeconfig, *context; /* as started with */
	bool in_cluster;
};

/* ---- who leads ---- */

static void
leader_changed(void *arg, bool held, const char *holder)
{
	struct kube_side *k = arg;

	log_info("leader-changed", LOG_S("leader", holder), LOG_B("here", held));
	if (k->app->stopping)
		return;
	reconcile_leader(k->app);
	kube_tell_lead(k->tell, kube_apply_leads(k->app));
}

struct kube *
kube_apply_kube(const struct app *app)
{
	return app->kube ? app->kube->kube : NULL;
}

bool
kube_apply_leads(const struct app *app)
{
	return app->kube && app->kube->leader && kube_lease_held(app->kube->leader);
}

static void
alive_changed(void *arg, bool held, const char *holder)
{
	(void)arg;
	(void)holder;
	log_debug("node-lease", LOG_B("held", held));
}

struct kube_http *
kube_apply_http(const struct app *app)
{
	return app->kube ? kube_http(app->kube->kube) : NULL;
}

const char *
kube_apply_namespace(const struct app *app)
{
	return app->kube ? app->kube->namespace : "";
}

char *
kube_apply_lease_name(const char *node)
{
	return xasprintf("herald-node-%s", node);
}

void
kube_apply_event(struct app *app, const char *service, const char *reason, const char *note)
{
	const char *slash = strchr(service, '/');
	char *ns = slash ? xstrndup(service, (size_t)(slash - service)) : NULL;
	const struct res_service *svc = ns ? store_service(app->store, ns, slash + 1) : NULL;

	if (app->kube && svc)
		kube_tell_event(app->kube->tell, &svc->obj, true, reason, note);
	free(ns);
}

static void
add_leases(struct kube_side *k, const struct res_kubernetes_source *conf)
{
	static const struct kube_lease_ops leader_ops = { leader_changed };
	static const struct kube_lease_ops alive_ops = { alive_changed };
	char *name = kube_apply_lease_name(k->app->node);
	struct kube_lease_conf c = {
		.ns = k->namespace,
		.name = LEADER_LEASE,
		.identity = k->app->node,
		.duration_s = conf->leader.duration_s,
		.renew_s = conf->leader.renew_s,
		.retry_s = conf->leader.retry_s,
		.contend = true,
	};

	k->leader = kube_lease_new(
	    k->app->loop, kube_http(k->kube), kube_writer(k->kube), &c, &leader_ops, k);
	c.name = name;
	c.contend = false;
	c.duration_s = ALIVE_DURATION_S;
	c.renew_s = ALIVE_RENEW_S;
	c.retry_s = ALIVE_RETRY_S;
	k->alive = kube_lease_new(
	    k->app->loop, kube_http(k->kube), kube_writer(k->kube), &c, &alive_ops, k);
	free(name);
}

/* ---- life ---- */

static void
on_faults(void *arg, enum res_kind kind, const char *ns, const char *name,
    const struct res_faults *faults)
{
	struct kube_side *k = arg;
	char *line;

	if (!faults || faults->nr == 0)
		return;
	line = res_fault_format(&faults->v[0]);
	log_warn("object-at-fault", LOG_S("kind", res_kind_name(kind)), LOG_S("namespace", ns),
	    LOG_S("name", name), LOG_S("fault", line ? line : "out of memory"),
	    LOG_U("faults", faults->nr + faults->suppressed));
	free(line);
	if (k->tell)
		kube_tell_faults(k->tell, kind, ns, name, faults);
}

static struct kube_access_conf
access_of(const struct res_kubernetes_source *conf)
{
	return (struct kube_access_conf){ .in_cluster = conf->in_cluster,
		.kubeconfig = conf->kubeconfig,
		.context = conf->context };
}

static const char *
namespace_for(const struct kube *kube, const struct res_kubernetes_source *conf)
{
	const char *ns = kube_namespace(kube);

	if (*conf->namespace)
		return conf->namespace;
	return ns && *ns ? ns : "kube-system"; /* the one that is always there */
}

/* ---- a restart while the server is away ---- */

static void
await_over(struct kube_side *k)
{
	timer_stop(&k->no_answer);
	if (!k->awaited)
		return;
	k->awaited = false;
	datapath_apply_start(k->app);
}

/* Nobody answers: sessions and the rest go on with what is known. */
static void
cache_read(void *arg, size_t nr)
{
	struct kube_side *k = arg;

	log_warn("kubernetes-away", LOG_U("cached_objects", nr),
	    LOG_S("meaning", nr ? "going on with what there was" : "going on with what files say"));
	k->cached = nr > 0;
	await_over(k);
	store_flush(k->app->store);
	reconcile_all(k->app);
}

static void
no_answer(void *arg)
{
	struct kube_side *k = arg;

	if (kube_connected(k->kube) && ++k->looks < ANSWERS_MAX)
		timer_set(&k->no_answer, ANSWER_MS); /* it is telling */
	else if (k->cache && k->restarted)
		kube_cache_load(k->cache, cache_read, k);
	else
		cache_read(k, 0);
}

static void
add_cache(struct kube_side *k, const struct res_kubernetes_source *conf, bool restarted)
{
	char *origin = conf->in_cluster ? xstrdup("in-cluster")
					: xasprintf("%s#%s", conf->kubeconfig, conf->context);

	k->cache = kube_cache_new(k->app->loop, k->app->store, k->app->state_dir, origin);
	free(origin);
	timer_init(&k->no_answer, k->app->loop, no_answer, k);
	k->restarted = restarted;
	k->awaited = true;
	timer_set(&k->no_answer, ANSWER_MS);
}

bool
kube_apply_awaited(const struct app *app)
{
	return app->kube && app->kube->awaited;
}

bool
kube_apply_is_cached(const struct app *app)
{
	return app->kube && app->kube->cached;
}

void
kube_apply_changed(struct app *app)
{
	if (app->kube && app->kube->cache && !app->rehearsing)
		kube_cache_changed(app->kube->cache);
}

bool
kube_apply_await(struct app *app)
{
	if (!kube_apply_awaited(app))
		return false;
	if (!store_is_synced(app->store))
		return true;
	await_over(app->kube);
	return false;
}

/* Everything is known: the file has done its duty. */
static void
synced(struct kube_side *k)
{
	if (k->cache && (k->awaited || k->cached))
		kube_cache_drop(k->cache);
	k->cached = false;
	await_over(k);
	kube_apply_changed(k->app);
}

int
kube_apply_init(struct app *app, bool restarted, char **error)
{
	static const struct kube_ops ops = { on_faults };
	const struct res_kubernetes_source *conf = &store_config(app->store)->kubernetes;
	const struct kube_conf c = { .access = access_of(conf),
		.dialects = conf->dialects.v,
		.nr_dialects = conf->dialects.nr,
		.node = app->node };
	struct kube_side *k;

	if (!conf->present)
		return 0;
	k = xnew(struct kube_side);
	k->app = app;
	k->kube = kube_new(app->loop, app->store, &c, &ops, k, error);
	if (!k->kube) {
		free(k);
		return -EINVAL;
	}
	k->namespace = xstrdup(namespace_for(k->kube, conf));
	k->kubeconfig = xstrdup(conf->kubeconfig);
	k->context = xstrdup(conf->context);
	k->in_cluster = conf->in_cluster;
	k->tell = kube_tell_new(app, k->kube, app->node);
	add_leases(k, conf);
	add_cache(k, conf, restarted);
	app->kube = k;
	kube_apply_config(app);
	return 0;
}

void
kube_apply_stop(struct app *app)
{
	struct kube_side *k = app->kube;

	if (!k)
		return;
	kube_tell_lead(k->tell, false);
	kube_lease_release(k->leader, GIVE_BACK_MS, NULL, NULL);
	kube_lease_release(k->alive, GIVE_BACK_MS, NULL, NULL);
	if (k->cache && kube_cache_save(k->cache) < 0)
		log_warn("cache-not-saved", LOG_S("stateDir", app->state_dir));
}

void
kube_apply_fini(struct app *app)
{
	struct kube_side *k = app->kube;

	if (!k)
		return;
	app->kube = NULL;
	timer_stop(&k->no_answer);
	kube_cache_free(k->cache);
	kube_tell_free(k->tell);
	kube_lease_free(k->leader);
	kube_lease_free(k->alive);
	kube_free(k->kube);
	free(k->namespace);
	free(k->kubeconfig);
	free(k->context);
	free(k);
}

/* ---- configuration ---- */

/* Another server or other credentials take a restart; whether they could be used is said now. */
static void
check_access(struct app *app, const struct res_kubernetes_source *conf)
{
	const struct kube_access_conf want = access_of(conf);
	const struct kube_side *k = app->kube;
	struct kube_access *access;
	char *error = NULL;

	if (k ? conf->present && conf->in_cluster == k->in_cluster &&
		    strcmp(conf->kubeconfig, k->kubeconfig) == 0 &&
		    strcmp(conf->context, k->context) == 0
	      : !conf->present)
		return;
	log_warn("restart-needed", LOG_S("field", "spec.sources.kubernetes"));
	if (!conf->present)
		return;
	access = kube_access_new(app->loop, &want, &error);
	if (!access)
		log_error("kubernetes-unusable", LOG_S("message", error ? error : "no reason"));
	kube_access_free(access);
	free(error);
}

static size_t
want_secret(struct kube_side *k, struct kube_secret_name *names, size_t nr, const char *ns,
    const char *name)
{
	size_t i = 0;

	if (!*name)
		return nr;
	if (!*ns)
		ns = k->namespace;
	while (i < nr && (strcmp(names[i].ns, ns) != 0 || strcmp(names[i].name, name) != 0))
		i++;
	if (i == nr)
		names[nr++] = (struct kube_secret_name){ ns, name };
	return nr;
}

static void
want_secrets(struct kube_side *k)
{
	struct store *store = k->app->store;
	const char *l2_secret = store_config(store)->l2.secret;
	struct kube_secret_name *names = xnew_n(struct kube_secret_name,
	    store_nr(store, RES_BGP_PEER_CONFIG) + store_nr(store, RES_BFD_PROFILE) + 2);
	struct res_object *o;
	size_t nr = 0;
	int err;

	store_for_each(store, RES_BGP_PEER_CONFIG, o)
	{
		const struct res_bgp_peer_config *pc = (const struct res_bgp_peer_config *)o;

		nr = want_secret(k, names, nr, pc->auth_secret_ns, pc->auth_secret_ref);
	}
	store_for_each(store, RES_BFD_PROFILE, o)
	{
		const struct res_bfd_profile *p = (const struct res_bfd_profile *)o;

		nr = want_secret(k, names, nr, p->auth_secret_ns, p->auth_secret_ref);
	}
	if (*l2_secret) {
		names[nr].ns = k->namespace;
		names[nr++].name = l2_secret;
	}
	err = kube_want_secrets(k->kube, names, nr);
	if (err < 0)
		log_error("secrets-not-watched", LOG_ERR(err));
	free(names);
}

static void
want_namespaces(struct kube_side *k)
{
	struct res_object *o;
	bool wanted = false;

	store_for_each(k->app->store, RES_LB_IP_POOL, o) wanted =
	    wanted || ((const struct res_lb_ip_pool *)o)->allocation.namespace_selectors.nr > 0;
	/* Namespaces choose pools for pods, too. */
	if (store_config(k->app->store)->ipam.mode == RES_IPAM_MULTI_POOL)
		wanted = true;
	kube_want_namespaces(k->kube, wanted);
}

void
kube_apply_config(struct app *app)
{
	const struct res_kubernetes_source *conf = &store_config(app->store)->kubernetes;
	const struct kube_writer_conf pace = { conf->writes.per_second, conf->writes.burst,
		conf->writes.at_once };

	check_access(app, conf);
	if (!app->kube)
		return;
	kube_writer_pace(kube_writer(app->kube->kube), &pace);
	want_secrets(app->kube);
	want_namespaces(app->kube);
}

/* ---- passed on ---- */

void
kube_apply_all(struct app *app)
{
	if (!app->kube)
		return;
	if (store_is_synced(app->store))
		synced(app->kube);
	want_secrets(app->kube);
	want_namespaces(app->kube);
	kube_tell_all(app->kube->tell);
}

void
kube_apply_service(struct app *app, const char *ns, const char *name)
{
	if (app->kube && !app->rehearsing)
		kube_tell_service(app->kube->tell, ns, name);
}

void
kube_apply_owner(struct app *app, const char *owner)
{
	const char *slash = strchr(owner, '/');
	char *ns;

	if (!app->kube || !slash || app->rehearsing)
		return;
	ns = xstrndup(owner, (size_t)(slash - owner));
	kube_tell_service(app->kube->tell, ns, slash + 1);
	free(ns);
}

void
kube_apply_peer(struct app *app, const char *peer, enum bgp_state state)
{
	if (app->kube)
		kube_tell_peer(app->kube->tell, peer, state);
}

/* ---- showing ---- */

struct kube *
kube_apply_source(const struct app *app)
{
	return app->kube ? app->kube->kube : NULL;
}

static bool
show_watch(void *arg, const struct kube_watch_info *info)
{
	json_t *o = json_pack("{s:s, s:b, s:b, s:b, s:I, s:I, s:I, s:I}", "resource",
	    info->resource, "served", info->served, "synced", info->synced, "watching",
	    info->watching, "objects", (json_int_t)info->nr, "events", (json_int_t)info->events,
	    "lists", (json_int_t)info->lists, "faults", (json_int_t)info->faults);

	json_object_set_new(o, "error", json_string(info->error ? info->error : ""));
	json_array_append_new(arg, o);
	return true;
}

json_t *
kube_apply_show(const struct app *app)
{
	const struct kube_side *k = app->kube;
	json_t *watches = json_array(), *w, *o;
	struct kube_writer_info info = { 0 };
	const char *error;
	size_t i;

	if (!k) {
		json_decref(watches);
		return NULL;
	}
	kube_writer_info(kube_writer(k->kube), &info);
	kube_each_watch(k->kube, show_watch, watches);
	error = kube_lease_error(k->leader);
	json_array_foreach(watches, i, w)
	{
		const char *one = json_string_value(json_object_get(w, "error"));

		if (!*error && one && *one && !json_is_true(json_object_get(w, "watching")))
			error = one;
	}
	o = json_pack("{s:b, s:s, s:s, s:b, s:{s:I, s:I, s:I, s:I, s:I, s:I}, s:o}", "connected",
	    kube_connected(k->kube), "error", error, "leader", kube_lease_holder(k->leader),
	    "leading", kube_apply_leads(app), "writes", "waiting", (json_int_t)info.waiting,
	    "underWay", (json_int_t)info.under_way, "sent", (json_int_t)info.sent, "retried",
	    (json_int_t)info.retried, "refused", (json_int_t)info.refused, "replaced",
	    (json_int_t)info.replaced, "watches", watches);
	return o;
}
