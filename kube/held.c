/*
 * kube/held.c: the objects of one resource between the server's words and the store; see held.h.
 *
 * The first list goes into the store as it comes, since the source is not in sync before its end.
 * Of a later list only what differs is kept until it is whole: an item that is as it was costs no
 * more than a mark.
 */
#include "kube/held.h"

#include "lib/hash.h"
#include "lib/mem.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define LOOK 32u /* entries between two looks at the clock */

/* An object that the server has, good or not. */
struct entry {
	struct entry *next;
	uint64_t hash;
	struct res_object *obj; /* in the store; NULL: it was never good */
	uint32_t mark;		/* the list that had it last */
	bool faulty;		/* its last version could not be taken on, or was remarked upon */
	char version[24];	/* "": longer than that */
	char names[];		/* namespace NUL name NUL */
};

struct staged {
	struct entry *entry;
	struct res_object *obj;
};

struct kube_held {
	struct loop *loop;
	struct store *store;
	int source;
	const struct kube_kind *kind;
	const struct kube_held_ops *ops;
	void *arg;

	struct entry **slots; /* a power of two */
	size_t nr_slots, nr;
	uint64_t nr_faults;

	uint32_t mark;
	bool whole_once; /* a list was in effect */
	bool asked_again;
	size_t nr_listed;
	struct staged *staged;
	size_t nr_staged, cap_staged;
	size_t applied, swept; /* how far kube_held_apply() got */
};

struct kube_held *
kube_held_new(struct loop *loop, struct store *store, int source, const struct kube_kind *kind,
    const struct kube_held_ops *ops, void *arg)
{
	struct kube_held *h = xnew(struct kube_held);

	h->loop = loop;
	h->store = store;
	h->source = source;
	h->kind = kind;
	h->ops = ops;
	h->arg = arg;
	h->nr_slots = 16;
	h->slots = mem_calloc(h->nr_slots, sizeof(*h->slots));
	if (!h->slots) {
		free(h);
		return NULL;
	}
	return h;
}

size_t
kube_held_nr(const struct kube_held *h)
{
	return h->nr;
}

uint64_t
kube_held_faults(const struct kube_held *h)
{
	return h->nr_faults;
}

/* ---- entries ---- */

static const char *
ns_of(const struct entry *e)
{
	return e->names;
}

static const char *
name_of(const struct entry *e)
{
	return e->names + strlen(e->names) + 1;
}

static uint64_t
hash_of(const char *ns, const char *name)
{
	return hash_bytes(ns, strlen(ns)) * 31 + hash_bytes(name, strlen(name));
}

/* Where the entry of this name hangs, or would. */
static struct entry **
place_of(const struct kube_held *h, const char *ns, const char *name, uint64_t hash)
{
	struct entry **at = &h->slots[hash & (h->nr_slots - 1)];

	while (*at &&
	    ((*at)->hash != hash || strcmp(ns_of(*at), ns) != 0 || strcmp(name_of(*at), name) != 0))
		at = &(*at)->next;
	return at;
}

const char *
kube_held_version(const struct kube_held *h, const char *ns, const char *name)
{
	const struct entry *e = *place_of(h, ns, name, hash_of(ns, name));

	return e && e->obj ? e->version : NULL;
}

/* Twice as many slots; without memory the chains are longer. */
static void
grow(struct kube_held *h)
{
	size_t nr = h->nr_slots * 2;
	struct entry **slots = mem_calloc(nr, sizeof(*slots)), *e;

	if (!slots)
		return;
	for (size_t i = 0; i < h->nr_slots; i++)
		while ((e = h->slots[i]) != NULL) {
			h->slots[i] = e->next;
			e->next = slots[e->hash & (nr - 1)];
			slots[e->hash & (nr - 1)] = e;
		}
	mem_free(h->slots);
	h->slots = slots;
	h->nr_slots = nr;
}

/* NULL: no memory. */
static struct entry *
entry_get(struct kube_held *h, const char *ns, const char *name)
{
	uint64_t hash = hash_of(ns, name);
	struct entry **at = place_of(h, ns, name, hash), *e = *at;
	size_t ns_size = strlen(ns) + 1, name_size = strlen(name) + 1;

	if (e)
		return e;
	e = mem_calloc(1, sizeof(*e) + ns_size + name_size);
	if (!e)
		return NULL;
	e->hash = hash;
	memcpy(e->names, ns, ns_size);
	memcpy(e->names + ns_size, name, name_size);
	*at = e;
	if (++h->nr > h->nr_slots)
		grow(h);
	return e;
}

/* The first fault of an object, or that it has none any more. */
static void
tell_faults(struct kube_held *h, struct entry *e, const struct res_faults *faults)
{
	if (!faults->nr && !e->faulty)
		return;
	e->faulty = faults->nr > 0;
	h->ops->faults(h->arg, h->kind->kind, ns_of(e), name_of(e), faults);
}

/* The server has it no more. */
static void
entry_remove(struct kube_held *h, struct entry *e)
{
	static const struct res_faults none;
	struct entry **at = place_of(h, ns_of(e), name_of(e), e->hash);

	if (e->obj)
		store_delete(h->store, h->source, e->obj->kind, e->obj->meta.ns, e->obj->meta.name);
	tell_faults(h, e, &none);
	*at = e->next;
	h->nr--;
	res_unref(e->obj);
	mem_free(e);
}

static int
entry_put(struct kube_held *h, struct entry *e, struct res_object *o)
{
	int err = store_put(h->store, h->source, o);

	if (err < 0)
		return err;
	res_unref(e->obj);
	e->obj = res_ref(o);
	return 0;
}

static void
unstage(struct kube_held *h)
{
	for (size_t i = 0; i < h->nr_staged; i++)
		res_unref(h->staged[i].obj);
	mem_free(h->staged);
	h->staged = NULL;
	h->nr_staged = h->cap_staged = 0;
}

void
kube_held_drop(struct kube_held *h)
{
	unstage(h);
	for (size_t i = 0; i < h->nr_slots; i++)
		while (h->slots[i])
			entry_remove(h, h->slots[i]);
}

void
kube_held_free(struct kube_held *h)
{
	struct entry *e;

	if (!h)
		return;
	unstage(h);
	for (size_t i = 0; i < h->nr_slots; i++)
		while ((e = h->slots[i]) != NULL) {
			h->slots[i] = e->next;
			res_unref(e->obj);
			mem_free(e);
		}
	mem_free(h->slots);
	free(h);
}

/* ---- what the server says ---- */

void
kube_held_begin(void *arg)
{
	struct kube_held *h = arg;

	unstage(h);
	h->mark++;
	h->nr_listed = 0;
}

static int
stage(struct kube_held *h, struct entry *e, struct res_object *o)
{
	if (mem_grow((void **)&h->staged, &h->cap_staged, h->nr_staged, sizeof(*h->staged), 0) < 0)
		return -ENOMEM;
	h->staged[h->nr_staged++] = (struct staged){ e, res_ref(o) };
	return 0;
}

/* A good version of an object. */
static int
take(struct kube_held *h, struct entry *e, struct res_object *o, bool listed)
{
	if (e->obj && res_equal(e->obj, o))
		return 0;
	return listed && h->whole_once ? stage(h, e, o) : entry_put(h, e, o);
}

static int
decode(struct kube_held *h, size_t path, const char *json, size_t len, bool listed,
    struct res_json_head *head)
{
	struct res_faults faults = { 0 };
	struct res_set set = { 0 };
	struct entry *e = NULL;
	int err;

	err = res_decode_json(
	    h->kind->versions[path], h->kind->api_kind, json, len, &set, &faults, head);
	if (err && err != -EINVAL)
		goto out;
	e = *head->name && *head->resource_version ? entry_get(h, head->ns, head->name) : NULL;
	if (!e) {
		err = *head->name && *head->resource_version ? -ENOMEM : -EBADMSG;
		goto out;
	}
	/* What is at fault is not taken; the good one from before stays. */
	if (!err && set.nr == 1)
		err = take(h, e, set.v[0], listed);
	if (err && err != -EINVAL)
		goto out;
	e->mark = h->mark;
	h->nr_faults += err == -EINVAL;
	err = 0;
	if (strlen(head->resource_version) < sizeof(e->version))
		memcpy(e->version, head->resource_version, strlen(head->resource_version) + 1);
	else
		*e->version = '\0';
	tell_faults(h, e, &faults);
out:
	if (e && !e->mark) /* it was never there, and is not now */
		entry_remove(h, e);
	res_set_fini(&set);
	res_faults_fini(&faults);
	return err;
}

int
kube_held_object(void *arg, enum kube_said said, size_t path, const char *json, size_t len,
    char version[static KUBE_VERSION_SIZE])
{
	struct kube_held *h = arg;
	struct res_json_head head = { 0 };
	struct entry *e;
	int err;

	if (said == KUBE_LISTED || said == KUBE_CHANGED) {
		err = decode(h, path, json, len, said == KUBE_LISTED, &head);
		h->nr_listed += said == KUBE_LISTED;
	} else {
		err = res_json_head(json, len, &head);
	}
	if (err < 0)
		return err;
	if (said == KUBE_DELETED) {
		if (!*head.name)
			return -EBADMSG;
		e = *place_of(h, head.ns, head.name, hash_of(head.ns, head.name));
		if (e)
			entry_remove(h, e);
	}
	_Static_assert(sizeof(head.resource_version) == KUBE_VERSION_SIZE, "versions fit");
	memcpy(version, head.resource_version, KUBE_VERSION_SIZE);
	return 0;
}

bool
kube_held_end(void *arg)
{
	struct kube_held *h = arg;

	h->applied = h->swept = 0;
	/* All of it gone at once is more likely a server with an empty store. */
	if (!h->nr_listed && h->nr && h->whole_once && !h->asked_again) {
		h->asked_again = true;
		return false;
	}
	h->asked_again = false;
	return true;
}

int
kube_held_apply(void *arg, uint64_t until_us)
{
	struct kube_held *h = arg;
	unsigned n = 0;

	for (; h->applied < h->nr_staged; h->applied++) {
		struct staged *s = &h->staged[h->applied];
		int err;

		if (++n % LOOK == 0 && loop_now_us(h->loop) >= until_us)
			return 0;
		err = entry_put(h, s->entry, s->obj);
		if (err < 0)
			return err;
	}
	for (; h->swept < h->nr_slots; h->swept++) {
		struct entry *e = h->slots[h->swept], *next;

		if (++n % LOOK == 0 && loop_now_us(h->loop) >= until_us)
			return 0;
		for (; e; e = next) {
			next = e->next;
			if (e->mark != h->mark)
				entry_remove(h, e);
		}
	}
	unstage(h);
	h->whole_once = true;
	return 1;
}
