/*
 * resource/store.c: the one store of all objects and its change feed; see store.h.
 *
 * An entry stands for a key; it keeps what each source says of it, what holds (the first source's
 * word), and what the last pass told.  A changed entry waits in one list for the next pass, which
 * tells all subscribers at once and drops entries that nobody says anything of any more.
 */
#include "resource/store.h"

#include "resource/index.h"

#include "lib/loop.h"
#include "lib/mem.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct entry {
	enum res_kind kind;
	struct index_node *node; /* the key */
	struct res_object *said[STORE_MAX_SOURCES];
	struct res_object *now;	 /* one of said[]; borrowed */
	struct res_object *told; /* counted; NULL: the subscribers know of none */
	bool dirty;
	struct entry *next_dirty;
	uint64_t seen; /* mark of store_replace_source() */
};

/* The slices of a Service that hold, by name.  There is room for all that any source says, so that
 * changing which of them hold needs no memory. */
struct slices {
	struct res_endpoint_slice **v;
	size_t nr, cap;
	size_t nr_said;
};

struct subscriber {
	store_changes_cb *cb;
	void *arg;
};

struct source {
	char *name;
	bool synced;
};

struct store {
	struct index *kinds[RES_NR_KINDS];
	size_t
	    nr_now[RES_NR_KINDS]; /* entries that hold an object: without those deleted, not told */
	struct index *slices;	  /* (namespace, service) -> struct slices */
	struct source sources[STORE_MAX_SOURCES];
	unsigned nr_sources;
	int derived; /* which of them is derived; -1: none */
	struct subscriber *subscribers;
	size_t nr_subscribers;
	struct entry *dirty, **dirty_end;
	size_t nr_dirty;
	bool sync_changed;
	uint64_t mark;
	struct loop_work work;
	struct res_herald_config *defaults;
};

static void run_pass(void *arg);

struct store *
store_new(struct loop *loop)
{
	struct store *s = xnew(struct store);

	s->dirty_end = &s->dirty;
	s->derived = -1;
	work_init(&s->work, loop, run_pass, s);
	s->defaults = res_herald_config_default();
	s->slices = index_new();
	for (int k = 0; k < RES_NR_KINDS; k++)
		s->kinds[k] = index_new();
	for (int k = 0; k < RES_NR_KINDS; k++)
		if (!s->kinds[k] || !s->slices) {
			store_free(s);
			return NULL;
		}
	return s;
}

static void
entry_free(struct store *s, struct entry *e)
{
	for (unsigned i = 0; i < STORE_MAX_SOURCES; i++)
		res_unref(e->said[i]);
	res_unref(e->told);
	index_remove(s->kinds[e->kind], e->node);
	mem_free(e);
}

void
store_free(struct store *s)
{
	struct index_node *n;

	if (!s)
		return;
	work_cancel(&s->work);
	for (int k = 0; k < RES_NR_KINDS; k++) {
		while (s->kinds[k] && (n = index_first(s->kinds[k])) != NULL)
			entry_free(s, n->value);
		index_free(s->kinds[k]);
	}
	while (s->slices && (n = index_first(s->slices)) != NULL) {
		mem_free(((struct slices *)n->value)->v);
		mem_free(n->value);
		index_remove(s->slices, n);
	}
	index_free(s->slices);
	for (unsigned i = 0; i < s->nr_sources; i++)
		free(s->sources[i].name);
	free(s->subscribers);
	res_unref(&s->defaults->obj);
	free(s);
}

/* ---- sources ---- */

int
store_source_add(struct store *s, const char *name)
{
	if (s->nr_sources >= STORE_MAX_SOURCES)
		return -ENOSPC;
	s->sources[s->nr_sources] = (struct source){ .name = xstrdup(name) };
	s->sync_changed = true;
	work_post(&s->work);
	return (int)s->nr_sources++;
}

int
store_source_add_derived(struct store *s, const char *name)
{
	if (s->derived >= 0)
		return -ENOSPC;
	s->derived = store_source_add(s, name);
	return s->derived;
}

bool
store_source_is_derived(const struct store *s, int source)
{
	return source == s->derived;
}

void
store_source_synced(struct store *s, int source, bool synced)
{
	if (s->sources[source].synced == synced)
		return;
	s->sources[source].synced = synced;
	s->sync_changed = true;
	work_post(&s->work);
}

unsigned
store_nr_sources(const struct store *s)
{
	return s->nr_sources;
}

const char *
store_source_name(const struct store *s, int source)
{
	return s->sources[source].name;
}

bool
store_source_is_synced(const struct store *s, int source)
{
	return s->sources[source].synced;
}

bool
store_is_synced(const struct store *s)
{
	for (unsigned i = 0; i < s->nr_sources; i++)
		if (!s->sources[i].synced)
			return false;
	return s->nr_sources > 0;
}

/* ---- the slices of a Service ---- */

static struct slices *
slices_of(const struct store *s, const char *ns, const char *service)
{
	struct index_node *n = index_find(s->slices, ns, service);

	return n ? n->value : NULL;
}

static size_t
slice_slot(const struct slices *l, const char *name)
{
	size_t i = 0;

	while (i < l->nr && strcmp(l->v[i]->obj.meta.name, name) < 0)
		i++;
	return i;
}

/* Some source says @slice: make room for it.  -ENOMEM. */
static int
slices_reserve(struct store *s, const struct res_endpoint_slice *slice)
{
	struct index_node *n = index_add(s->slices, slice->obj.meta.ns, slice->service_name);
	struct slices *l;

	if (!n)
		return -ENOMEM;
	if (!n->value)
		n->value = mem_calloc(1, sizeof(struct slices));
	l = n->value;
	if (l && mem_grow((void **)&l->v, &l->cap, l->nr_said, sizeof(*l->v), 0) == 0) {
		l->nr_said++;
		return 0;
	}
	if (!l || !l->nr_said) {
		mem_free(l);
		index_remove(s->slices, n);
	}
	return -ENOMEM;
}

/* That source says it no more, and it does not hold. */
static void
slices_release(struct store *s, const struct res_endpoint_slice *slice)
{
	struct slices *l = slices_of(s, slice->obj.meta.ns, slice->service_name);

	if (--l->nr_said)
		return;
	index_remove(s->slices, index_find(s->slices, slice->obj.meta.ns, slice->service_name));
	mem_free(l->v);
	mem_free(l);
}

static void
slices_insert(struct store *s, struct res_endpoint_slice *slice)
{
	struct slices *l = slices_of(s, slice->obj.meta.ns, slice->service_name);
	size_t i = slice_slot(l, slice->obj.meta.name);

	memmove(l->v + i + 1, l->v + i, (l->nr - i) * sizeof(struct res_endpoint_slice *));
	l->v[i] = slice;
	l->nr++;
}

/* Takes @slice out; it is there. */
static void
slices_remove(struct store *s, const struct res_endpoint_slice *slice)
{
	struct slices *l = slices_of(s, slice->obj.meta.ns, slice->service_name);
	size_t i = slice_slot(l, slice->obj.meta.name);

	l->nr--;
	memmove(l->v + i, l->v + i + 1, (l->nr - i) * sizeof(struct res_endpoint_slice *));
}

static struct res_endpoint_slice *
as_slice(struct res_object *o)
{
	if (!o || o->kind != RES_ENDPOINT_SLICE || !*((struct res_endpoint_slice *)o)->service_name)
		return NULL;
	return (struct res_endpoint_slice *)o;
}

/* ---- changing ---- */

static void
mark_dirty(struct store *s, struct entry *e)
{
	if (e->dirty)
		return;
	e->dirty = true;
	e->next_dirty = NULL;
	*s->dirty_end = e;
	s->dirty_end = &e->next_dirty;
	s->nr_dirty++;
	work_post(&s->work);
}

/* Where the entry of a key is found, made when it is not there.  NULL: no memory. */
static struct entry *
entry_get(struct store *s, enum res_kind kind, const char *ns, const char *name)
{
	struct index_node *n = index_add(s->kinds[kind], ns, name);
	struct entry *e;

	if (!n)
		return NULL;
	if (n->value)
		return n->value;
	e = mem_calloc(1, sizeof(*e));
	if (!e) {
		index_remove(s->kinds[kind], n);
		return NULL;
	}
	e->kind = kind;
	e->node = n;
	n->value = e;
	return e;
}

/* What holds of a key: the word of the first source that has one, the derived one last. */
static struct res_object *
entry_holds(const struct store *s, const struct entry *e)
{
	for (int i = 0; i < STORE_MAX_SOURCES; i++)
		if (e->said[i] && i != s->derived)
			return e->said[i];
	return s->derived < 0 ? NULL : e->said[s->derived];
}

/* @source now says @o (may be NULL) of the key.  Memory for a slice has been reserved. */
static void
entry_say(struct store *s, struct entry *e, int source, struct res_object *o)
{
	struct res_object *before = e->now, *mine = e->said[source];

	e->said[source] = res_ref(o);
	e->now = entry_holds(s, e);
	if (e->now && !before)
		s->nr_now[e->kind]++;
	if (!e->now && before)
		s->nr_now[e->kind]--;
	if (e->now != before) {
		if (as_slice(before))
			slices_remove(s, as_slice(before));
		if (as_slice(e->now))
			slices_insert(s, as_slice(e->now));
		mark_dirty(s, e);
	}
	if (as_slice(mine))
		slices_release(s, as_slice(mine));
	res_unref(mine);
}

/* Drop an entry that was made for nothing. */
static void
entry_drop_empty(struct store *s, struct entry *e)
{
	if (!e->now && !e->dirty && !e->told)
		entry_free(s, e);
}

int
store_put(struct store *s, int source, struct res_object *o)
{
	struct entry *e = entry_get(s, o->kind, o->meta.ns, o->meta.name);

	if (!e)
		return -ENOMEM;
	e->seen = s->mark;
	/* The same again: keep the old one, and everything that points to it. */
	if (e->said[source] && res_equal(e->said[source], o))
		return 0;
	if (as_slice(o) && slices_reserve(s, as_slice(o)) < 0) {
		entry_drop_empty(s, e);
		return -ENOMEM;
	}
	entry_say(s, e, source, o);
	return 0;
}

void
store_delete(struct store *s, int source, enum res_kind kind, const char *ns, const char *name)
{
	struct index_node *n = index_find(s->kinds[kind], ns, name);
	struct entry *e = n ? n->value : NULL;

	if (e && e->said[source])
		entry_say(s, e, source, NULL);
}

int
store_replace_source(struct store *s, int source, struct res_object *const *objs, size_t nr)
{
	int err = 0;

	s->mark++;
	for (size_t i = 0; i < nr && !err; i++)
		err = store_put(s, source, objs[i]);
	if (err)
		return err;
	for (int k = 0; k < RES_NR_KINDS; k++) {
		struct index_node *n = index_first(s->kinds[k]);

		for (; n; n = index_next(n)) {
			struct entry *e = n->value;

			if (e->said[source] && e->seen != s->mark)
				entry_say(s, e, source, NULL);
		}
	}
	return 0;
}

/* ---- reading ---- */

static struct res_object *
now_of(const struct index_node *n)
{
	return n ? ((const struct entry *)n->value)->now : NULL;
}

struct res_object *
store_get(const struct store *s, enum res_kind kind, const char *ns, const char *name)
{
	return now_of(index_find(s->kinds[kind], ns, name));
}

struct res_object *
store_next(const struct store *s, enum res_kind kind, const struct res_object *after)
{
	struct index_node *n = after ? index_after(s->kinds[kind], after->meta.ns, after->meta.name)
				     : index_first(s->kinds[kind]);

	while (n && !now_of(n)) /* deleted, and not told yet */
		n = index_next(n);
	return now_of(n);
}

size_t
store_nr(const struct store *s, enum res_kind kind)
{
	return s->nr_now[kind];
}

size_t
store_slices(const struct store *s, const char *ns, const char *service,
    struct res_endpoint_slice *const **v)
{
	const struct slices *l = slices_of(s, ns, service);

	*v = l ? l->v : NULL;
	return l ? l->nr : 0;
}

const struct res_herald_config *
store_config(const struct store *s)
{
	const struct res_object *o = store_next(s, RES_HERALD_CONFIG, NULL);

	return o ? (const struct res_herald_config *)o : s->defaults;
}

const struct res_service *
store_service(const struct store *s, const char *ns, const char *name)
{
	return (const struct res_service *)store_get(s, RES_SERVICE, ns, name);
}

const struct res_node *
store_node(const struct store *s, const char *name)
{
	return (const struct res_node *)store_get(s, RES_NODE, "", name);
}

const struct res_bgp_peer_config *
store_peer_config(const struct store *s, const char *name)
{
	return (const struct res_bgp_peer_config *)store_get(s, RES_BGP_PEER_CONFIG, "", name);
}

const struct res_secret *
store_secret(const struct store *s, const char *ns, const char *name)
{
	const struct res_object *o;

	if (ns)
		return (const struct res_secret *)store_get(s, RES_SECRET, ns, name);
	store_for_each(s, RES_SECRET, o)
	{
		if (strcmp(o->meta.name, name) == 0)
			return (const struct res_secret *)o;
	}
	return NULL;
}

/* ---- change feed ---- */

void
store_subscribe(struct store *s, store_changes_cb *cb, void *arg)
{
	s->subscribers = xrealloc(s->subscribers, s->nr_subscribers + 1, sizeof(*s->subscribers));
	s->subscribers[s->nr_subscribers++] = (struct subscriber){ cb, arg };
}

/* A key that is as the subscribers know it: put and deleted again, or there and back. */
static bool
is_as_told(const struct entry *e)
{
	if (!e->now || !e->told)
		return e->now == e->told;
	return res_equal(e->now, e->told);
}

/* What holds is equal to what was told, yet another object: hold on to the one that was told. */
static void
put_back(struct store *s, struct entry *e)
{
	struct res_object *other = e->now;
	unsigned i = 0;

	while (e->said[i] != other)
		i++;
	if (as_slice(other)) {
		slices_remove(s, as_slice(other));
		slices_insert(s, as_slice(e->told));
	}
	e->said[i] = e->now = res_ref(e->told);
	res_unref(other);
}

/* Take the dirty list away and make it the list of changes; their old objects are counted, and so
 * are the new ones, since callbacks may put and delete. */
static size_t
collect(struct store *s, struct store_change *changes)
{
	struct entry *e = s->dirty, *next;
	size_t nr = 0;

	s->dirty = NULL;
	s->dirty_end = &s->dirty;
	s->nr_dirty = 0;
	for (; e; e = next) {
		const struct res_object *any = e->now ? e->now : e->told;

		next = e->next_dirty;
		e->dirty = false;
		if (!is_as_told(e)) {
			changes[nr++] = (struct store_change){
				.kind = e->kind,
				.ns = any->meta.ns,
				.name = any->meta.name,
				.old = e->told,
				.new = res_ref(e->now),
			};
			e->told = res_ref(e->now);
		} else if (e->told != e->now) {
			put_back(s, e);
		}
		entry_drop_empty(s, e);
	}
	return nr;
}

static void
run_pass(void *arg)
{
	struct store *s = arg;
	struct store_change *changes = NULL;
	size_t nr = 0;
	bool sync_changed = s->sync_changed;

	if (s->nr_dirty) {
		changes = mem_calloc(s->nr_dirty, sizeof(*changes));
		if (!changes) {
			work_post(&s->work); /* the next turn may have more */
			return;
		}
		nr = collect(s, changes);
	}
	s->sync_changed = false;
	for (size_t i = 0; i < s->nr_subscribers && (nr || sync_changed); i++)
		s->subscribers[i].cb(s->subscribers[i].arg, changes, nr);
	for (size_t i = 0; i < nr; i++) {
		res_unref(changes[i].old);
		res_unref(changes[i].new);
	}
	mem_free(changes);
}

void
store_flush(struct store *s)
{
	work_cancel(&s->work);
	run_pass(s);
}
