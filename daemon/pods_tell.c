/*
 * daemon/pods_tell.c: what is written into Nodes of the API about their ranges: by each node what it
 * needs of each pool (annotation heraldlb.io/pod-pool-requests), by the one that leads what it gets
 * (heraldlb.io/pod-cidrs, heraldlb.io/pod-pool-cidrs).  Both ride on the status, so that the right to
 * write that is all that is needed; a range is written against the version of the Node that it was
 * worked out from, so that of two who think they lead one is refused.
 */
#include "daemon/app.h"
#include "daemon/kube_apply.h"
#include "daemon/pods.h"
#include "lib/log.h"
#include "lib/mem.h"

#include <stdlib.h>
#include <string.h>

#define AGAIN_MS 2000 /* after a refusal, and between looks at what was missing */

struct pods_teller {
	struct pods *pods;
	struct loop_work look;
	struct loop_timer again;
	uint64_t nr_refused;
	struct log_limit limit;
};

static bool
is_remote(const struct res_node *n)
{
	return n && !*n->obj.file;
}

static void
written(void *arg, const struct kube_answer *a)
{
	struct pods_teller *t = arg;

	if (a->status >= 200 && a->status < 300)
		return;
	/* 409: somebody wrote to the Node meanwhile; what is read next decides anew. */
	if (a->status != 409 && a->status != 404) {
		t->nr_refused++;
		if (log_allow(&t->limit, loop_now_ms(t->pods->app->loop), 6, NULL))
			log_warn("pod-ranges-not-written", LOG_I("status", a->status),
			    LOG_S("hint", "herald needs the right to patch nodes/status"));
	}
	if (!timer_is_running(&t->again))
		timer_set(&t->again, AGAIN_MS);
}

static void
write_note(struct pods_teller *t, const struct res_node *node, const char *key, const char *value,
    const char *version)
{
	struct app *app = t->pods->app;
	const char *name = node->obj.meta.name;
	char *path = xasprintf("/api/v1/nodes/%s/status?fieldManager=herald", name);
	char *id = xasprintf("%s/%s", key, name);
	json_t *meta = json_pack("{s:{s:s}}", "annotations", key, value);
	struct kube_write w = { .urgency = KUBE_STATUS,
		.key = id,
		.method = "PATCH",
		.path = path,
		.content_type = "application/merge-patch+json",
		.done = written,
		.arg = t };

	if (version)
		json_object_set_new(meta, "resourceVersion", json_string(version));
	w.body = json_pack("{s:o}", "metadata", meta);
	if (kube_write(kube_writer(kube_apply_kube(app)), &w) < 0 && !timer_is_running(&t->again))
		timer_set(&t->again, AGAIN_MS);
	json_decref(w.body);
	free(id);
	free(path);
}

/* ---- what this node needs ---- */

static uint64_t
wish_of(struct pods *p, const char *pool)
{
	const uint64_t now = loop_now_ms(p->app->loop);
	struct pods_wish **at = &p->wishes, *w;
	uint64_t pending = 0;

	while ((w = *at)) {
		if (w->until_ms <= now) {
			*at = w->next;
			free(w->pool);
			free(w);
			continue;
		}
		if (strcmp(w->pool, pool) == 0)
			pending += w->pending;
		at = &w->next;
	}
	return pending;
}

static void
tell_needs(struct pods_teller *t, const struct res_node *node)
{
	struct pods *p = t->pods;
	const struct res_pod_ipam *conf = &store_config(p->app->store)->ipam;
	const char *now = res_pairs_get(&node->obj.meta.annotations, PODS_REQUESTS);
	const char *text = "";
	struct arena a = { 0 };
	struct res_object *o;

	store_for_each(p->app->store, RES_POD_IP_POOL, o)
	{
		const char *name = o->meta.name;
		const uint64_t used4 = podipam_count_pool(p->engine, name, ADDR_V4).used;
		const uint64_t used6 = podipam_count_pool(p->engine, name, ADDR_V6).used;
		const uint32_t need =
		    pod_pool_need(conf, name, used4 > used6 ? used4 : used6, wish_of(p, name));

		if (need > 0)
			text = arena_printf(&a, "%s%s%s=%u", text, *text ? "," : "", name, need);
	}
	if (strcmp(text, now ? now : "") != 0)
		write_note(t, node, PODS_REQUESTS, text, NULL);
	arena_fini(&a);
	if (p->wishes && !timer_is_running(&t->again))
		timer_set(&t->again, AGAIN_MS);
}

/* ---- what all nodes get ---- */

static void
tell_ranges(struct pods_teller *t)
{
	struct app *app = t->pods->app;
	struct pod_plan *plan = t->pods->plan;
	const enum res_ipam_mode mode = store_config(app->store)->ipam.mode;
	const char *key, *text, *version;

	for (size_t i = 0; i < plan->nr_nodes; i++) {
		const struct pod_node *n = &plan->nodes[i];

		text = is_remote(n->node) ? pod_plan_told(plan, n, mode, &key) : NULL;
		version = text
		    ? kube_version_of(kube_apply_kube(app), RES_NODE, "", n->node->obj.meta.name)
		    : NULL;
		/* What the server has is newer than what was looked at: the next look is better. */
		if (!version || strcmp(version, n->node->obj.meta.resource_version) != 0) {
			if (text && !timer_is_running(&t->again))
				timer_set(&t->again, AGAIN_MS);
			if (!version)
				continue;
		}
		write_note(t, n->node, key, text, version);
	}
}

static void
look(void *arg)
{
	struct pods_teller *t = arg;
	struct pods *p = t->pods;
	struct app *app = p->app;
	const struct res_node *self = store_node(app->store, app->node);

	if (app->stopping || !p->plan || !kube_apply_kube(app) || !store_is_synced(app->store))
		return;
	if (store_config(app->store)->ipam.mode == RES_IPAM_MULTI_POOL && p->engine &&
	    is_remote(self))
		tell_needs(t, self);
	if (kube_apply_leads(app) && store_config(app->store)->ipam.mode != RES_IPAM_KUBERNETES)
		tell_ranges(t);
}

static void
look_again(void *arg)
{
	work_post(&((struct pods_teller *)arg)->look);
}

void
pods_tell(struct pods *p)
{
	if (p->teller && kube_apply_kube(p->app))
		work_post(&p->teller->look);
}

struct pods_teller *
pods_teller_new(struct pods *p)
{
	struct pods_teller *t = xnew(struct pods_teller);

	t->pods = p;
	work_init(&t->look, p->app->loop, look, t);
	timer_init(&t->again, p->app->loop, look_again, t);
	return t;
}

void
pods_teller_free(struct pods_teller *t)
{
	if (!t)
		return;
	work_cancel(&t->look);
	timer_stop(&t->again);
	free(t);
}
