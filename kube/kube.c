/*
 * kube/kube.c: the Kubernetes source: one reflector (reflect.h) and what it holds (held.h) for each
 * kind that is followed; see kube.h.
 *
 * Each dialect is a source of its own in the store, behind the native one: a pool of Cilium's and one
 * of ours may carry the same name, and then ours counts.
 */
#include "kube/kube.h"

#include "kube/held.h"
#include "kube/kinds.h"
#include "kube/reflect.h"
#include "kube/turns.h"

#include "lib/log.h"
#include "lib/mem.h"

#include <errno.h>
#include <malloc.h>
#include <stdlib.h>
#include <string.h>

#define WRITES_PER_SECOND 100
#define WRITES_BURST 200
#define WRITES_AT_ONCE 8
#define MAX_SOURCES 3
#define TIDY_MS 1000 /* after all was read once: others have made of it what they need */

/* One list and watch. */
struct watch {
	struct watch *next;
	struct kube *kube;
	const struct kube_kind *kind;
	struct kube_held *held;
	struct kube_reflect *reflect;
	char *resource, *query;
	char *ns, *name; /* of a Secret; else NULL */
	char *paths[KUBE_MAX_VERSIONS + 1];
	bool wanted; /* kube_want_secrets(): in the new list */
};

struct kube {
	struct loop *loop;
	struct store *store;
	struct {
		const char *dialect; /* "": native and core */
		int number;
	} sources[MAX_SOURCES];
	size_t nr_sources;
	struct kube_access *access;
	struct kube_http *http;
	struct kube_writer *writer;
	struct kube_turns turns;
	struct loop_work look; /* is all of it in sync now? */
	struct loop_timer tidy;
	const struct kube_ops *ops;
	void *arg;
	struct watch *watches;
	bool synced, lost; /* lost: the server does not answer, which has been told */
};

/* ---- one watch ---- */

static void
on_begin(void *arg)
{
	kube_held_begin(((struct watch *)arg)->held);
}

static int
on_object(void *arg, enum kube_said said, size_t path, const char *json, size_t len,
    char version[static KUBE_VERSION_SIZE])
{
	return kube_held_object(((struct watch *)arg)->held, said, path, json, len, version);
}

static bool
on_end(void *arg)
{
	return kube_held_end(((struct watch *)arg)->held);
}

static int
on_apply(void *arg, uint64_t until_us)
{
	return kube_held_apply(((struct watch *)arg)->held, until_us);
}

/* Those that wait for a server which did not answer need not wait out what is left, once it does. */
static void
nudge_others(const struct kube *k, const struct watch *w)
{
	struct kube_reflect_info info;

	kube_reflect_info(w->reflect, &info);
	if (info.unreached || !(info.synced || info.events))
		return;
	for (const struct watch *o = k->watches; o; o = o->next)
		if (o != w && o->reflect)
			kube_reflect_nudge(o->reflect);
}

/* The server went away, or came back: once for all that is watched. */
static void
tell_lost(struct kube *k, const struct watch *w)
{
	bool lost = !kube_http_reachable(k->http);
	struct kube_reflect_info info;

	if (lost == k->lost)
		return;
	kube_reflect_info(w->reflect, &info);
	if (lost && !info.unreached)
		return;
	k->lost = lost;
	if (lost)
		log_warn("kube-server-lost", LOG_S("error", info.error));
	else
		log_info("kube-server-back");
}

static void
on_state(void *arg)
{
	struct watch *w = arg;

	if (!w->reflect)
		return;
	tell_lost(w->kube, w);
	nudge_others(w->kube, w);
	if (!w->kube->synced)
		work_post(&w->kube->look);
}

static const struct kube_receiver receiver = { on_begin, on_object, on_end, on_apply, on_state };

static void
on_faults(void *arg, enum res_kind kind, const char *ns, const char *name,
    const struct res_faults *faults)
{
	struct watch *w = arg;

	if (w->kube->ops && w->kube->ops->faults)
		w->kube->ops->faults(w->kube->arg, kind, ns, name, faults);
}

static const struct kube_held_ops held_ops = { on_faults };

static void
watch_free(struct watch *w)
{
	if (!w)
		return;
	kube_reflect_free(w->reflect);
	kube_held_free(w->held);
	for (size_t i = 0; w->paths[i]; i++)
		free(w->paths[i]);
	free(w->resource);
	free(w->query);
	free(w->ns);
	free(w->name);
	free(w);
}

static int
source_of(const struct kube *k, const struct kube_kind *kind)
{
	for (size_t i = 0; i < k->nr_sources; i++)
		if (strcmp(k->sources[i].dialect, kind->dialect) == 0)
			return k->sources[i].number;
	return -ENOENT;
}

/* In the order of the table.  -ENOMEM. */
static int
watch_add(struct kube *k, const struct kube_kind *kind, const struct kube_secret_name *secret)
{
	struct watch *w = xnew(struct watch), **at = &k->watches;
	struct kube_reflect_conf conf = { .paths = (const char *const *)w->paths };

	w->kube = k;
	w->kind = kind;
	w->resource = kube_kind_resource(kind);
	w->query = xstrdup(kind->query);
	if (secret) {
		free(w->query);
		w->query = xasprintf("fieldSelector=metadata.name%%3D%s", secret->name);
		w->ns = xstrdup(*secret->ns ? secret->ns : kube_namespace(k));
		w->name = xstrdup(secret->name);
	}
	for (size_t i = 0; kind->versions[i]; i++)
		w->paths[i] = kube_kind_path(kind, i, w->ns ? w->ns : "");
	w->held = kube_held_new(k->loop, k->store, source_of(k, kind), kind, &held_ops, w);
	if (!w->held) {
		watch_free(w);
		return -ENOMEM;
	}
	conf.resource = w->resource;
	conf.query = w->query;
	w->reflect = kube_reflect_new(k->loop, k->http, &k->turns, &conf, &receiver, w);
	while (*at && (*at)->kind <= kind)
		at = &(*at)->next;
	w->next = *at;
	*at = w;
	return 0;
}

/* Forget it, and all that it brought. */
static void
watch_remove(struct watch **at)
{
	struct watch *w = *at;

	*at = w->next;
	kube_reflect_free(w->reflect);
	w->reflect = NULL;
	kube_held_drop(w->held);
	watch_free(w);
}

/* ---- in sync ---- */

/* What is followed only because something names it does not hold up all else when it cannot be had. */
static bool
holds_up(const struct watch *w)
{
	struct kube_reflect_info info;

	kube_reflect_info(w->reflect, &info);
	return !info.synced && (w->kind->when == KUBE_ALWAYS || !*info.error);
}

/* What decoding all of it took is free again in pieces, and glibc keeps those: 2 MB of 25 with 2,000
 * Services. */
static void
tidy(void *arg)
{
	(void)arg;
	malloc_trim(0);
}

/* Runs a turn after the last list was in effect: so who reads the store has been told of what it says,
 * and has had its turn to want Secrets and Namespaces for it. */
static void
look(void *arg)
{
	struct kube *k = arg;

	for (const struct watch *w = k->watches; w; w = w->next)
		if (holds_up(w))
			return;
	k->synced = true;
	timer_set(&k->tidy, TIDY_MS);
	log_info("kube-synced");
	for (size_t i = 0; i < k->nr_sources; i++)
		store_source_synced(k->store, k->sources[i].number, true);
}

/* ---- life ---- */

static bool
is_wanted(const struct kube_conf *conf, const char *dialect)
{
	for (size_t i = 0; i < conf->nr_dialects; i++)
		if (strcmp(conf->dialects[i], dialect) == 0)
			return true;
	return !*dialect;
}

static int
add_sources(struct kube *k, const struct kube_conf *conf)
{
	static const struct {
		const char *dialect, *name;
	} all[MAX_SOURCES] = { { "", "kubernetes" }, { "cilium.io", "kubernetes (cilium.io)" },
		{ "metallb.io", "kubernetes (metallb.io)" } };

	for (size_t i = 0; i < MAX_SOURCES; i++) {
		int number;

		if (!is_wanted(conf, all[i].dialect))
			continue;
		number = store_source_add(k->store, all[i].name);
		if (number < 0)
			return number;
		k->sources[k->nr_sources].dialect = all[i].dialect;
		k->sources[k->nr_sources++].number = number;
	}
	return 0;
}

static int
add_watches(struct kube *k, const struct kube_conf *conf)
{
	const struct kube_kind *kind;

	for (size_t i = 0; (kind = kube_kind_at(i)) != NULL; i++)
		if (kind->when == KUBE_ALWAYS && is_wanted(conf, kind->dialect) &&
		    watch_add(k, kind, NULL) < 0)
			return -ENOMEM;
	return 0;
}

struct kube *
kube_new(struct loop *loop, struct store *store, const struct kube_conf *conf,
    const struct kube_ops *ops, void *arg, char **error)
{
	static const struct kube_writer_conf writer = { WRITES_PER_SECOND, WRITES_BURST,
		WRITES_AT_ONCE };
	struct kube *k = xnew(struct kube);
	int err;

	*error = NULL;
	k->loop = loop;
	k->store = store;
	k->ops = ops;
	k->arg = arg;
	kube_turns_init(&k->turns, loop);
	work_init(&k->look, loop, look, k);
	timer_init(&k->tidy, loop, tidy, k);
	k->access = kube_access_new(loop, &conf->access, error);
	if (!k->access)
		goto fail;
	k->http = kube_http_new(loop, k->access);
	k->writer = k->http ? kube_writer_new(loop, k->http, &writer) : NULL;
	err = k->writer ? add_sources(k, conf) : -ENOMEM;
	if (!err)
		err = add_watches(k, conf);
	if (!err)
		return k;
	*error = xasprintf("the Kubernetes source cannot start: %s", strerror(-err));
fail:
	kube_free(k);
	return NULL;
}

void
kube_free(struct kube *k)
{
	struct watch *w;

	if (!k)
		return;
	work_cancel(&k->look);
	timer_stop(&k->tidy);
	while ((w = k->watches) != NULL) {
		k->watches = w->next;
		watch_free(w);
	}
	kube_turns_fini(&k->turns);
	kube_writer_free(k->writer);
	kube_http_free(k->http);
	kube_access_free(k->access);
	free(k);
}

struct kube_http *
kube_http(struct kube *k)
{
	return k->http;
}

struct kube_writer *
kube_writer(struct kube *k)
{
	return k->writer;
}

const char *
kube_namespace(const struct kube *k)
{
	return kube_access_namespace(k->access);
}

bool
kube_connected(const struct kube *k)
{
	return kube_http_reachable(k->http);
}

/* ---- on request ---- */

static const struct kube_kind *
kind_when(enum kube_when when)
{
	const struct kube_kind *kind;
	size_t i = 0;

	while ((kind = kube_kind_at(i)) != NULL && kind->when != when)
		i++;
	return kind;
}

static struct watch *
secret_watch(const struct kube *k, const struct kube_secret_name *s)
{
	const char *ns = *s->ns ? s->ns : kube_namespace(k);
	struct watch *w = k->watches;

	while (w && (!w->name || strcmp(w->name, s->name) != 0 || strcmp(w->ns, ns) != 0))
		w = w->next;
	return w;
}

int
kube_want_secrets(struct kube *k, const struct kube_secret_name *names, size_t nr)
{
	struct watch **at = &k->watches;

	for (struct watch *w = k->watches; w; w = w->next)
		w->wanted = !w->name;
	for (size_t i = 0; i < nr; i++) {
		struct watch *w = secret_watch(k, &names[i]);

		if (!w && watch_add(k, kind_when(KUBE_BY_NAME), &names[i]) < 0)
			return -ENOMEM;
		secret_watch(k, &names[i])->wanted = true;
	}
	while (*at)
		if ((*at)->wanted)
			at = &(*at)->next;
		else
			watch_remove(at);
	return 0;
}

void
kube_want_namespaces(struct kube *k, bool wanted)
{
	const struct kube_kind *kind = kind_when(KUBE_ON_DEMAND);
	struct watch **at = &k->watches;

	while (*at && (*at)->kind != kind)
		at = &(*at)->next;
	if (*at && !wanted)
		watch_remove(at);
	else if (!*at && wanted && watch_add(k, kind, NULL) < 0)
		log_error("kube-namespaces-not-watched", LOG_ERR(ENOMEM));
}

/* ---- looking ---- */

const char *
kube_version_of(const struct kube *k, enum res_kind kind, const char *ns, const char *name)
{
	for (const struct watch *w = k->watches; w; w = w->next) {
		const char *version =
		    w->kind->kind == kind ? kube_held_version(w->held, ns, name) : NULL;

		if (version)
			return version;
	}
	return NULL;
}

void
kube_each_watch(
    const struct kube *k, bool (*each)(void *arg, const struct kube_watch_info *), void *arg)
{
	for (const struct watch *w = k->watches; w; w = w->next) {
		struct kube_reflect_info info;
		struct kube_watch_info out = { .resource = w->resource };

		kube_reflect_info(w->reflect, &info);
		out.served = info.served;
		out.synced = info.synced;
		out.watching = info.watching;
		out.nr = kube_held_nr(w->held);
		out.events = info.events;
		out.lists = info.lists;
		out.faults = kube_held_faults(w->held);
		out.error = info.error;
		if (!each(arg, &out))
			return;
	}
}
