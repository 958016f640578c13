/*
 * daemon/pods_apply.c: the life of what serves pods, and what follows the store: the plan of ranges, the
 * ranges of this node into the engine.  See pods.h.
 */
#include "daemon/pods.h"

#include "daemon/app.h"
#include "daemon/kube_apply.h"
#include "daemon/pods_serve.h"
#include "daemon/show.h"
#include "lib/log.h"
#include "lib/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define BOOT_ID "/proc/sys/kernel/random/boot_id"
#define OPEN_AGAIN_MS 1000

/* ---- what the engine tells ---- */

static void
reclaimed(void *arg, const struct podipam_lease *l, const char *why)
{
	struct pods *p = arg;

	p->nr_reclaimed++;
	log_info("pod-address-reclaimed", LOG_S("namespace", l->owner.pod_ns),
	    LOG_S("pod", l->owner.pod_name), LOG_S("container", l->owner.container),
	    LOG_S("address", addr_str(&l->v[0].addr)), LOG_S("reason", why));
}

static void
changed(void *arg)
{
	struct pods *p = arg;

	if (store_config(p->app->store)->ipam.mode == RES_IPAM_MULTI_POOL)
		pods_tell(p);
}

static void
trouble(void *arg, const char *what, int err)
{
	const struct pods *p = arg;

	log_error("pods-journal-trouble", LOG_S("stateDir", p->app->state_dir), LOG_S("what", what),
	    LOG_ERR(err));
}

/* ---- life ---- */

static void
read_boot_id(char *to, size_t size)
{
	const int fd = open(BOOT_ID, O_RDONLY | O_CLOEXEC);
	const ssize_t n = fd < 0 ? 0 : read(fd, to, size - 1);

	if (fd >= 0)
		close(fd);
	to[n > 0 ? n : 0] = '\0';
	to[strcspn(to, "\n")] = '\0';
}

bool
pods_open(struct pods *p)
{
	const struct podipam_ops ops = { reclaimed, changed, trouble, p };
	const uint64_t now = loop_now_ms(p->app->loop);
	char boot[64];
	char *error = NULL;

	if (p->engine)
		return true;
	if (now < p->open_again_ms)
		return false;
	p->open_again_ms = now + OPEN_AGAIN_MS;
	read_boot_id(boot, sizeof(boot));
	p->engine = podipam_new(p->app->loop, p->app->state_dir, boot, &ops, &error);
	if (!p->engine)
		log_error("pods-off", LOG_S("message", error));
	else if (p->plan)
		(void)pods_apply(p->app);
	free(error);
	return p->engine != NULL;
}

void
pods_init(struct app *app)
{
	struct pods *p = xnew(struct pods);

	p->app = app;
	app->pods = p;
	(void)pods_open(p);
	p->teller = pods_teller_new(p);
}

/* "/run/herald/herald.sock" -> "/run/herald/herald-ipam.sock" */
char *
pods_socket_path(const struct res_herald_config *config, const char *control)
{
	const size_t len = strlen(control);
	const bool dot = len > 5 && strcmp(control + len - 5, ".sock") == 0;

	if (*config->ipam.socket)
		return xstrdup(config->ipam.socket);
	return xasprintf("%.*s-ipam.sock", (int)(dot ? len - 5 : len), control);
}

void
pods_start(struct app *app)
{
	const struct pods_server_ops ops = { pods_asked, pods_client_left, app->pods };
	char *path = pods_socket_path(store_config(app->store), app->socket_path), *error = NULL;

	if (pods_server_new(&app->pods->server, app->loop, path, &ops, &error) < 0)
		log_error("pods-not-served", LOG_S("message", error));
	free(error);
	free(path);
}

void
pods_fini(struct app *app)
{
	struct pods *p = app->pods;
	struct pods_wish *w;

	if (!p)
		return;
	pods_server_free(p->server);
	pods_teller_free(p->teller);
	podipam_free(p->engine);
	pod_plan_free(p->plan);
	while ((w = p->wishes)) {
		p->wishes = w->next;
		free(w->pool);
		free(w);
	}
	free(p);
	app->pods = NULL;
}

/* ---- the plan ---- */

const struct pod_plan *
pods_plan(const struct app *app)
{
	return app->pods ? app->pods->plan : NULL;
}

static void
log_notices(const struct pod_plan *old, const struct pod_plan *plan)
{
	for (const struct pod_notice *n = plan->notices; n; n = n->next) {
		const struct pod_notice *o = old ? old->notices : NULL;

		while (o && (strcmp(o->node, n->node) != 0 || strcmp(o->message, n->message) != 0))
			o = o->next;
		if (!o)
			log_warn("pod-ranges-notice", LOG_S("node", n->node),
			    LOG_S("message", n->message));
	}
}

static size_t
own_ranges(const struct app *app, const struct pod_plan *plan, struct arena *a,
    const struct pod_range **out)
{
	const struct res_node *node = store_node(app->store, app->node);

	*out = NULL;
	return node && plan ? pod_ranges_of(plan, node, a, out) : 0;
}

/* Are they the same prefixes of the same pools? */
static bool
same_ranges(const struct pod_range *a, size_t nr_a, const struct pod_range *b, size_t nr_b)
{
	if (nr_a != nr_b)
		return false;
	for (size_t i = 0; i < nr_a; i++)
		if (!prefix_eq(&a[i].prefix, &b[i].prefix) ||
		    strcmp(a[i].pool_name, b[i].pool_name) != 0)
			return false;
	return true;
}

static void
give_engine(struct pods *p, const struct pod_range *own, size_t nr, struct arena *a)
{
	struct podipam_range *list = arena_new_n(a, struct podipam_range, nr);

	for (size_t i = 0; i < nr; i++)
		list[i] = (struct podipam_range){ own[i].prefix, own[i].pool_name };
	podipam_ranges_set(p->engine, list, nr);
	podipam_leak_check(p->engine, store_config(p->app->store)->ipam.leak_check_s * 1000);
}

bool
pods_apply(struct app *app)
{
	struct pods *p = app->pods;
	struct pod_plan *old = p->plan;
	const struct pod_range *before, *now;
	struct arena a = { 0 };
	size_t nr_before, nr_now;
	bool same;

	nr_before = own_ranges(app, old, &a, &before);
	p->plan = pod_plan_new(app->store);
	if (app->rehearsing &&
	    kube_apply_leads(app)) /* the word of who writes would have come back */
		pod_plan_told_all(p->plan);
	nr_now = own_ranges(app, p->plan, &a, &now);
	same = old && same_ranges(before, nr_before, now, nr_now);
	for (size_t i = 0; !same && i < nr_now; i++)
		log_info("pod-range", LOG_S("prefix", prefix_str(&now[i].prefix)),
		    LOG_S("pool", now[i].pool_name));
	if (p->engine && !app->rehearsing)
		give_engine(p, now, nr_now, &a);
	log_notices(old, p->plan);
	arena_fini(&a);
	pod_plan_free(old);
	if (!app->rehearsing)
		pods_tell(p);
	return !same;
}

/* ---- showing ---- */

static bool
show_lease(void *arg, const struct podipam_lease *l)
{
	const struct podipam_owner *o = &l->owner;
	char text[ADDR_STRLEN];
	char *owner;

	owner = *o->pod_name ? xasprintf("%s/%s", o->pod_ns, o->pod_name)
			     : xasprintf("%s", o->container);
	for (unsigned i = 0; i < l->nr; i++)
		json_array_append_new(arg,
		    json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:I}", "address",
			addr_format(&l->v[i].addr, text, sizeof(text)), "owner", owner, "pool",
			l->v[i].pool, "kind", "pod", "container", o->container, "interface",
			o->ifname, "network", o->network, "since", (json_int_t)l->since));
	free(owner);
	return true;
}

void
pods_show_allocations(const struct app *app, json_t *list)
{
	if (app->pods && app->pods->engine)
		podipam_each(app->pods->engine, show_lease, list);
}

static json_t *
show_node(const struct app *app, const struct pod_node *n)
{
	const bool own = strcmp(n->node->obj.meta.name, app->node) == 0;
	json_t *list = json_array(), *o;

	for (size_t i = 0; i < n->nr; i++) {
		o = json_pack("{s:s, s:s, s:b}", "prefix", prefix_str(&n->v[i].prefix), "pool",
		    n->v[i].pool_name, "pending", n->v[i].fresh);
		if (own && app->pods->engine)
			json_object_set_new(o, "used",
			    json_integer((json_int_t)podipam_count_range(
				app->pods->engine, &n->v[i].prefix)));
		json_array_append_new(list, o);
	}
	return json_pack("{s:s, s:o}", "node", n->node->obj.meta.name, "ranges", list);
}

json_t *
pods_show(const struct app *app)
{
	static const char *const modes[] = { [RES_IPAM_KUBERNETES] = "kubernetes",
		[RES_IPAM_CLUSTER_POOL] = "cluster-pool",
		[RES_IPAM_MULTI_POOL] = "multi-pool" };
	const struct pods *p = app->pods;
	json_t *nodes = json_array(), *notices = json_array();

	for (size_t i = 0; p && p->plan && i < p->plan->nr_nodes; i++)
		json_array_append_new(nodes, show_node(app, &p->plan->nodes[i]));
	for (const struct pod_notice *n = p && p->plan ? p->plan->notices : NULL; n; n = n->next)
		json_array_append_new(
		    notices, json_pack("{s:s, s:s}", "node", n->node, "message", n->message));
	return json_pack("{s:s, s:b, s:o, s:o, s:I}", "mode",
	    modes[store_config(app->store)->ipam.mode], "served",
	    p && p->engine && p->server ? 1 : 0, "nodes", nodes, "notices", notices, "reclaimed",
	    (json_int_t)(p ? p->nr_reclaimed : 0));
}
