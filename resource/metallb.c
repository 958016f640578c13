/*
 * resource/metallb.c: MetalLB's documents in the store -> native ones in the store; see metallb.h.
 */
#include "resource/metallb.h"

#include "resource/fault.h"
#include "resource/store.h"
#include "resource/translate.h"

#include "lib/log.h"
#include "lib/loop.h"
#include "lib/mem.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define RETRY_MS 1000u /* after running out of memory */

struct metallb {
	struct store *store;
	int source;
	struct res_set said; /* what the store has from us */
	bool unsure;	     /* it may have more: memory ran out half way */
	struct res_faults notices;
	struct loop_timer retry;
};

/* All that is to be translated; @out->v for mem_free(), its objects are the store's.  -ENOMEM. */
static int
gather(const struct store *s, struct res_set *out)
{
	struct res_object *o;

	for (int k = RES_METALLB_POOL; k <= RES_METALLB_PEER; k++)
		store_for_each(s, (enum res_kind)k, o)
		{
			if (mem_grow((void **)&out->v, &out->cap, out->nr, sizeof(*out->v), 0) < 0)
				return -ENOMEM;
			out->v[out->nr++] = o;
		}
	return 0;
}

static bool
has_notice(const struct res_faults *list, const struct res_fault *f)
{
	for (size_t i = 0; i < list->nr; i++)
		if (strcmp(list->v[i].object, f->object) == 0 &&
		    strcmp(list->v[i].field, f->field) == 0 &&
		    strcmp(list->v[i].text, f->text) == 0)
			return true;
	return false;
}

static void
tell(const struct res_faults *old, const struct res_faults *now)
{
	char *line;

	for (size_t i = 0; i < now->nr; i++) {
		if (has_notice(old, &now->v[i]))
			continue;
		line = res_fault_format(&now->v[i]);
		log_warn("metallb-notice", LOG_S("notice", line ? line : "out of memory"));
		free(line);
	}
}

static bool
has_key(const struct res_set *set, const struct res_object *o)
{
	for (size_t i = 0; i < set->nr; i++)
		if (set->v[i]->kind == o->kind && strcmp(set->v[i]->meta.name, o->meta.name) == 0 &&
		    strcmp(set->v[i]->meta.ns, o->meta.ns) == 0)
			return true;
	return false;
}

/* @now is all that we have to say, and is kept.  What it costs follows from that, and not from all
 * that is in the store.  -ENOMEM: say it again. */
static int
say(struct metallb *m, struct res_set *now)
{
	int err = 0;

	if (m->unsure)
		err = store_replace_source(m->store, m->source, now->v, now->nr);
	for (size_t i = 0; i < now->nr && !m->unsure && !err; i++)
		err = store_put(m->store, m->source, now->v[i]);
	m->unsure = err < 0;
	if (err < 0)
		return err;
	for (size_t i = 0; i < m->said.nr; i++) {
		const struct res_object *o = m->said.v[i];

		if (!has_key(now, o))
			store_delete(m->store, m->source, o->kind, o->meta.ns, o->meta.name);
	}
	res_set_fini(&m->said);
	m->said = *now;
	*now = (struct res_set){ 0 };
	return 0;
}

static int
renew(struct metallb *m)
{
	struct res_faults notices = { 0 };
	struct translation docs = { 0 };
	struct res_set from = { 0 }, to = { 0 };
	int err = gather(m->store, &from);

	if (!err)
		err = translate((const struct res_object *const *)from.v, from.nr, &docs, &notices);
	if (!err)
		err = translation_decode(&docs, &to, &notices);
	if (!err)
		err = say(m, &to);
	if (!err) {
		tell(&m->notices, &notices);
		res_faults_fini(&m->notices);
		m->notices = notices;
	} else {
		res_faults_fini(&notices);
	}
	res_set_fini(&to);
	translation_fini(&docs);
	mem_free(from.v);
	return err;
}

static void
renew_or_retry(void *arg)
{
	struct metallb *m = arg;
	int err = renew(m);

	if (err < 0) {
		log_error("metallb-not-translated", LOG_ERR(err));
		timer_set(&m->retry, RETRY_MS);
	}
	store_source_synced(m->store, m->source, err == 0);
}

static void
on_changes(void *arg, const struct store_change *changes, size_t nr)
{
	for (size_t i = 0; i < nr; i++)
		if (changes[i].kind >= RES_METALLB_POOL && changes[i].kind <= RES_METALLB_PEER) {
			renew_or_retry(arg);
			return;
		}
}

struct metallb *
metallb_new(struct loop *loop, struct store *store)
{
	struct metallb *m = xnew(struct metallb);

	m->store = store;
	m->source = store_source_add_derived(store, "metallb");
	if (m->source < 0) {
		free(m);
		return NULL;
	}
	timer_init(&m->retry, loop, renew_or_retry, m);
	store_subscribe(store, on_changes, m);
	renew_or_retry(m);
	return m;
}

void
metallb_free(struct metallb *m)
{
	if (!m)
		return;
	timer_stop(&m->retry);
	res_set_fini(&m->said);
	res_faults_fini(&m->notices);
	free(m);
}

const struct res_faults *
metallb_notices(const struct metallb *m)
{
	return &m->notices;
}
