/*
 * resource/settle.c: is the set of all files good, and bringing it into the store; see fileset.h
 * and claim.h.
 */
#include "resource/claim.h"
#include "resource/fileset.h"
#include "resource/store.h"

#include "lib/mem.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* ---- claims ---- */

static int
place_cmp(const struct res_object *a, const struct res_object *b)
{
	int c = strcmp(a->file, b->file);

	if (c)
		return c;
	if (a->line != b->line)
		return a->line < b->line ? -1 : 1;
	return (a->column > b->column) - (a->column < b->column);
}

static int
claim_one(struct fileset *fs, struct res_object *o)
{
	struct index_node *n = index_add(fs->keys[o->kind], o->meta.ns, o->meta.name);
	struct claim *c, **at;

	c = n ? mem_calloc(1, sizeof(*c)) : NULL;
	if (!c) {
		if (n && !n->value)
			index_remove(fs->keys[o->kind], n);
		return -ENOMEM;
	}
	c->obj = o;
	c->next = n->value;
	if (c->next && !c->next->next)
		fs->nr_conflicts++;
	/* The head of the list is the node's value: insert behind it, or in front. */
	if (!c->next || place_cmp(o, c->next->obj) < 0) {
		n->value = c;
		return 0;
	}
	at = &c->next->next;
	while (*at && place_cmp((*at)->obj, o) < 0)
		at = &(*at)->next;
	c->next = *at;
	*at = c;
	return 0;
}

static void
unclaim_one(struct fileset *fs, const struct res_object *o)
{
	struct index_node *n = index_find(fs->keys[o->kind], o->meta.ns, o->meta.name);
	struct claim *head = n ? n->value : NULL, **at = &head, *gone;
	bool conflict = head && head->next;

	while (*at && (*at)->obj != o)
		at = &(*at)->next;
	gone = *at;
	if (!gone)
		return;
	*at = gone->next;
	mem_free(gone);
	if (conflict && !head->next)
		fs->nr_conflicts--;
	if (head)
		n->value = head;
	else
		index_remove(fs->keys[o->kind], n);
}

int
claim_add(struct fileset *fs, const struct res_set *objs)
{
	for (size_t i = 0; i < objs->nr; i++)
		if (claim_one(fs, objs->v[i]) < 0) {
			while (i-- > 0)
				unclaim_one(fs, objs->v[i]);
			return -ENOMEM;
		}
	return 0;
}

void
claim_drop(struct fileset *fs, const struct res_set *objs)
{
	for (size_t i = 0; i < objs->nr; i++)
		unclaim_one(fs, objs->v[i]);
}

bool
claim_is_held(const struct fileset *fs, const struct res_object *o)
{
	return index_find(fs->keys[o->kind], o->meta.ns, o->meta.name) != NULL;
}

/* ---- is it good? ---- */

static int
object_fault(struct res_faults *faults, const struct res_object *o, const char *field,
    const char *right, const struct res_object *first)
{
	char object[320];
	const struct fault_place at = { o->file, o->line, o->column, object, field, false };

	snprintf(object, sizeof(object), "%s/%s", o->api_kind, o->meta.name);
	return fault_add(faults, &at, "%s%s%s: %s; the first is in %s:%u:%u", o->meta.ns,
	    *o->meta.ns ? "/" : "", o->meta.name, right, first->file, first->line, first->column);
}

static int
tell_conflicts(struct fileset *fs, struct res_faults *faults)
{
	int err = 0;

	for (int k = 0; k < RES_NR_KINDS && fs->nr_conflicts; k++)
		for (struct index_node *n = index_first(fs->keys[k]); n; n = index_next(n)) {
			const struct claim *first = n->value;

			for (const struct claim *c = first->next; c && !err; c = c->next)
				err = object_fault(faults, c->obj, "metadata.name",
				    "must be there only once", first->obj);
		}
	return err;
}

static int
tell_configs(struct fileset *fs, struct res_faults *faults)
{
	struct index_node *n = index_first(fs->keys[RES_HERALD_CONFIG]);
	const struct claim *first = n ? n->value : NULL;
	int err = 0;

	for (n = n ? index_next(n) : NULL; n && !err; n = index_next(n))
		err = object_fault(faults, ((const struct claim *)n->value)->obj, "metadata.name",
		    "there must be at most one HeraldConfig", first->obj);
	return err;
}

static int
tell_roots(struct fileset *fs, struct res_faults *faults)
{
	int err = 0;

	for (size_t i = 0; i < fs->nr_roots && !err; i++) {
		const struct fault_place at = { fs->roots[i].path, 1, 1, "Document/1", "file",
			false };

		if (fs->roots[i].error)
			err = fault_add(faults, &at, "%s: must be a file or a directory",
			    strerror(fs->roots[i].error));
	}
	return err;
}

/* All faults of the set, in the order of the files. */
static int
tell(struct fileset *fs, struct res_faults *faults)
{
	struct index_node *n = fs->nr_bad ? index_first(fs->files) : NULL;
	int err = tell_roots(fs, faults);

	for (; n && !err; n = index_next(n))
		err = fault_copy(faults, &((struct fileset_file *)n->value)->faults);
	if (!err)
		err = tell_conflicts(fs, faults);
	if (!err)
		err = tell_configs(fs, faults);
	return err;
}

/* ---- bringing it into the store ---- */

static int
put_new(struct store *store, int source, const struct fileset_file *f)
{
	int err = 0;

	for (size_t i = 0; i < f->cur.nr && !err; i++)
		err = store_put(store, source, f->cur.v[i]);
	return err;
}

/* What @f had and no file has any more. */
static void
delete_old(const struct fileset *fs, struct store *store, int source, const struct fileset_file *f)
{
	for (size_t i = 0; i < f->run.nr; i++) {
		const struct res_object *o = f->run.v[i];

		if (!claim_is_held(fs, o))
			store_delete(store, source, o->kind, o->meta.ns, o->meta.name);
	}
}

/* run = cur.  -ENOMEM: as before. */
static int
take_on(struct fileset_file *f)
{
	struct res_object **v = mem_calloc(f->cur.nr ? f->cur.nr : 1, sizeof(struct res_object *));

	if (!v)
		return -ENOMEM;
	for (size_t i = 0; i < f->cur.nr; i++)
		v[i] = res_ref(f->cur.v[i]);
	res_set_fini(&f->run);
	f->run = (struct res_set){ .v = v, .nr = f->cur.nr, .cap = f->cur.nr ? f->cur.nr : 1 };
	f->pending = false;
	return 0;
}

/* Put first, then delete: what only moves from one file to another is never gone. */
static int
apply(struct fileset *fs, struct store *store, int source)
{
	struct fileset_file *f;
	int err = 0;

	for (f = fs->pending; f && !err; f = f->next_pending)
		err = put_new(store, source, f);
	while (!err && (f = fs->pending) != NULL) {
		delete_old(fs, store, source, f);
		err = take_on(f);
		if (err)
			break;
		fs->pending = f->next_pending;
		if (!f->seen && !f->writing)
			fileset_forget(fs, f);
	}
	return err;
}

int
fileset_settle(struct fileset *fs, struct store *store, int source)
{
	struct res_faults faults = { 0 };
	int err = tell(fs, &faults);

	if (err < 0) {
		res_faults_fini(&faults);
		return err;
	}
	res_faults_fini(&fs->faults);
	fs->faults = faults;
	if (fault_count(&faults))
		return -EINVAL;
	return store ? apply(fs, store, source) : 0;
}
