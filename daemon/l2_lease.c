/*
 * daemon/l2_lease.c: the Leases of nodes that are not heard, and whether the API server is there when
 * nobody is.  Beside l2_nodes.c.  Only they are looked at, some a second, so that what the server is asked
 * does not grow with the cluster.
 *
 * Whether a Lease is out is judged by our own clock, from when its renewTime was last seen to change.
 */
#include "daemon/l2_side.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/kube_apply.h"
#include "lib/log.h"
#include "lib/mem.h"

#define A_ROUND 5    /* looks a round, one round a second */
#define LOOKS_MAX 64 /* at a time; of more nodes nothing is known by their Leases */
#define LOOK_MS 5000 /* at the same Lease again */
#define ANSWER_MS 3000
#define SILENT_MS 3000 /* not heard so long: its Lease counts */
#define DURATION_S 40  /* of a Lease that does not say */
#define DURATION_MAX_S 3600
#define ALONE_MS 250 /* nobody is heard: so soon the API server must answer */

struct look {
	struct l2_lease_looks *looks;
	char *node;
	struct kube_call *call;
	uint64_t asked_ms, changed_ms; /* 0: never */
	char renewed[40];	       /* renewTime as it stood */
	unsigned duration_s;
	bool wanted;
};

struct l2_lease_looks {
	struct l2_side *side;
	struct look **v; /* in no order */
	size_t nr, cap, next;
	struct kube_call *ask;
};

/* ---- one Lease ---- */

static void
look_free(struct look *k)
{
	if (k->call)
		kube_call_cancel(k->call);
	free(k->node);
	mem_free(k);
}

static void
judge(struct look *k)
{
	struct l2_side *s = k->looks->side;
	const uint64_t now = loop_now_ms(s->app->loop);

	if (!k->changed_ms)
		cluster_leased(s->cluster, k->node, CLUSTER_LEASE_UNKNOWN);
	else if (now - k->changed_ms > k->duration_s * 1000ULL)
		cluster_leased(s->cluster, k->node, CLUSTER_LEASE_OUT);
	else
		cluster_leased(s->cluster, k->node, CLUSTER_LEASE_FRESH);
}

static void
read_lease(struct look *k, const struct kube_answer *a)
{
	json_t *root = json_loadb(a->body, a->len, 0, NULL);
	const json_t *spec = json_object_get(root, "spec");
	const char *renewed = json_string_value(json_object_get(spec, "renewTime"));
	const char *holder = json_string_value(json_object_get(spec, "holderIdentity"));
	const json_int_t d = json_integer_value(json_object_get(spec, "leaseDurationSeconds"));
	const uint64_t now = loop_now_ms(k->looks->side->app->loop);

	k->duration_s = d > 0 && d <= DURATION_MAX_S ? (unsigned)d : DURATION_S;
	if (!renewed || strlen(renewed) >= sizeof(k->renewed)) {
		json_decref(root);
		return;
	}
	if (strcmp(renewed, k->renewed) != 0) {
		memcpy(k->renewed, renewed, strlen(renewed) + 1);
		k->changed_ms = now;
	}
	/* It was given back when the node stopped. */
	if ((!holder || !*holder) && now > k->duration_s * 1000ULL)
		k->changed_ms = now - k->duration_s * 1000ULL - 1;
	json_decref(root);
}

static void
on_lease(void *arg, const struct kube_answer *a)
{
	struct look *k = arg;

	k->call = NULL;
	if (a->status == 200)
		read_lease(k, a);
	else if (a->status != 404) /* the server does not answer: nothing is known to be out */
		return;
	judge(k);
}

static void
look_at(struct look *k)
{
	struct app *app = k->looks->side->app;
	char *name = kube_apply_lease_name(k->node);
	char *path = xasprintf("/apis/coordination.k8s.io/v1/namespaces/%s/leases/%s",
	    kube_apply_namespace(app), name);
	const struct kube_request r = {
		.method = "GET", .path = path, .timeout_ms = ANSWER_MS, .done = on_lease, .arg = k
	};

	k->asked_ms = loop_now_ms(app->loop);
	k->call = kube_call(kube_apply_http(app), &r);
	free(path);
	free(name);
}

/* ---- all of them ---- */

static struct look *
look_of(struct l2_lease_looks *l, const char *node)
{
	struct look *k;

	for (size_t i = 0; i < l->nr; i++) {
		if (strcmp(l->v[i]->node, node) == 0)
			return l->v[i];
	}
	if (l->nr >= LOOKS_MAX || mem_grow((void **)&l->v, &l->cap, l->nr, sizeof(k), 0) < 0)
		return NULL;
	k = mem_calloc(1, sizeof(*k));
	if (!k)
		return NULL;
	k->looks = l;
	k->node = xstrdup(node);
	k->duration_s = DURATION_S;
	l->v[l->nr++] = k;
	return k;
}

static bool
want_look(void *arg, const struct cluster_seen *seen)
{
	struct l2_lease_looks *l = arg;
	const uint64_t now = loop_now_ms(l->side->app->loop);
	struct look *k;

	if (seen->self || !addr_is_set(&seen->addr))
		return true;
	if (seen->life == CLUSTER_ALIVE && now - seen->heard_ms < SILENT_MS)
		return true;
	k = look_of(l, seen->name);
	if (k)
		k->wanted = true;
	return true;
}

void
l2_lease_look(struct l2_lease_looks *l)
{
	size_t asked = 0;
	uint64_t now;

	if (!l || !kube_apply_http(l->side->app))
		return;
	now = loop_now_ms(l->side->app->loop);
	for (size_t i = 0; i < l->nr; i++)
		l->v[i]->wanted = false;
	cluster_each(l->side->cluster, want_look, l);
	for (size_t i = 0; i < l->nr;) {
		if (l->v[i]->wanted) {
			i++;
			continue;
		}
		look_free(l->v[i]);
		l->v[i] = l->v[--l->nr];
	}
	for (size_t i = 0; i < l->nr && asked < A_ROUND; i++) {
		struct look *k = l->v[l->next++ % l->nr];

		if (k->call || (k->asked_ms && now - k->asked_ms < LOOK_MS))
			continue;
		look_at(k);
		asked++;
	}
	for (size_t i = 0; i < l->nr; i++) {
		if (l->v[i]->changed_ms && kube_http_reachable(kube_apply_http(l->side->app)))
			judge(l->v[i]);
	}
}

/* ---- is the server there? ---- */

static void
on_answer(void *arg, const struct kube_answer *a)
{
	struct l2_lease_looks *l = arg;

	l->ask = NULL;
	cluster_api(l->side->cluster, a->status != 0);
}

void
l2_lease_ask(struct l2_lease_looks *l)
{
	struct kube_http *http = l ? kube_apply_http(l->side->app) : NULL;
	const struct kube_request r = { .method = "GET",
		.path = "/readyz",
		.timeout_ms = ALONE_MS,
		.done = on_answer,
		.arg = l };

	if (!http || l->ask)
		return;
	l->ask = kube_call(http, &r);
}

/* ---- life ---- */

struct l2_lease_looks *
l2_lease_new(struct l2_side *s)
{
	struct l2_lease_looks *l = xnew(struct l2_lease_looks);

	l->side = s;
	return l;
}

void
l2_lease_free(struct l2_lease_looks *l)
{
	if (!l)
		return;
	if (l->ask)
		kube_call_cancel(l->ask);
	for (size_t i = 0; i < l->nr; i++)
		look_free(l->v[i]);
	mem_free(l->v);
	free(l);
}
