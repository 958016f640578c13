/*
 * resource/translate.c: the documents of MetalLB -> native ones, as JSON; see translate.h.  Which
 * documents there are, and pools, peers and profiles; advertisements are in translate_adverts.c.
 */
#include "resource/translate.h"

#include "resource/arena.h"
#include "resource/document.h"
#include "resource/fault.h"
#include "resource/translator.h"

#include "lib/addr.h"
#include "lib/mem.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* ---- JSON: one failure is remembered, and ends it all at the end ---- */

void
tr_put(struct translator *t, json_t *to, const char *key, json_t *value)
{
	if (!value || json_object_set_new_nocheck(to, key, value) < 0)
		t->err = -ENOMEM;
}

void
tr_push(struct translator *t, json_t *to, json_t *value)
{
	if (!value || json_array_append_new(to, value) < 0)
		t->err = -ENOMEM;
}

void
tr_text(struct translator *t, json_t *to, const char *key, const char *value)
{
	tr_put(t, to, key, json_string_nocheck(value));
}

void
tr_notice(struct translator *t, const struct res_object *o, const char *field, const char *fmt, ...)
{
	char object[320], text[600];
	const struct fault_place at = { o->file, o->line, o->column, object, field, true };
	va_list ap;

	snprintf(object, sizeof(object), "%.60s/%s", o->api_kind, o->meta.name);
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	if (fault_add(t->notices, &at, "%s", text) < 0)
		t->err = -ENOMEM;
}

json_t *
tr_doc(struct translator *t, const struct res_object *from, const char *api, const char *kind,
    const char *prefix, const char *name)
{
	struct translation *out = t->out;
	json_t *doc = json_object(), *meta = json_object(), *notes = json_object();
	char what[700], full[300];

	if (mem_grow((void **)&out->v, &out->cap, out->nr, sizeof(*out->v), 0) < 0) {
		json_decref(doc);
		json_decref(meta);
		json_decref(notes);
		t->err = -ENOMEM;
		return NULL;
	}
	out->v[out->nr++] = (struct translated){ doc, from };
	snprintf(full, sizeof(full), "%s%s", prefix, name);
	snprintf(what, sizeof(what), "%.60s %.63s/%.253s", from->api_kind, from->meta.ns,
	    from->meta.name);
	tr_text(t, doc, "apiVersion", api);
	tr_text(t, doc, "kind", kind);
	tr_put(t, doc, "metadata", meta);
	tr_text(t, meta, "name", full);
	tr_put(t, meta, "annotations", notes);
	tr_text(t, notes, TRANSLATED_FROM, what);
	tr_put(t, doc, "spec", json_object());
	return doc;
}

json_t *
tr_spec(const json_t *doc)
{
	return json_object_get(doc, "spec");
}

/* The list @name of the spec of @shown, when there is something in it, as @as in @to. */
void
tr_copy_list(
    struct translator *t, const json_t *shown, const char *name, json_t *to, const char *as)
{
	json_t *list = json_object_get(json_object_get(shown, "spec"), name);

	if (json_array_size(list))
		tr_put(t, to, as, json_deep_copy(list));
}

/* ---- pools ---- */

static json_t *
block(const char *text)
{
	char first[ADDR_STRLEN], last[ADDR_STRLEN];
	struct addr_range range;
	bool is_prefix;

	if (mlb_block_parse(text, &range, &is_prefix) < 0)
		return NULL; /* the table has seen to it */
	if (is_prefix)
		return json_pack("{s:s}", "cidr", text);
	return json_pack("{s:s, s:s}", "start", addr_format(&range.first, first, sizeof(first)),
	    "stop", addr_format(&range.last, last, sizeof(last)));
}

static void
time_text(int64_t seconds, char *text, size_t size)
{
	time_t at = (time_t)seconds;
	struct tm tm;

	if (!gmtime_r(&at, &tm) || !strftime(text, size, "%Y-%m-%dT%H:%M:%SZ", &tm))
		*text = '\0';
}

/* A pool: its name is what annotations ask for, its labels and age count as they did. */
static json_t *
pool(struct translator *t, const struct res_object *o, const struct res_strings *addresses)
{
	json_t *doc = tr_doc(t, o, "heraldlb.io/v1", "LoadBalancerIPPool", "", o->meta.name);
	json_t *meta = json_object_get(doc, "metadata"), *labels, *blocks;
	char created[32];

	if (!doc)
		return NULL;
	if (o->meta.labels.nr) {
		labels = json_object();
		for (size_t i = 0; i < o->meta.labels.nr; i++)
			tr_text(t, labels, o->meta.labels.v[i].key, o->meta.labels.v[i].value);
		tr_put(t, meta, "labels", labels);
	}
	if (o->meta.created) {
		time_text(o->meta.created, created, sizeof(created));
		tr_text(t, meta, "creationTimestamp", created);
	}
	blocks = json_array();
	for (size_t i = 0; i < addresses->nr; i++)
		tr_push(t, blocks, block(addresses->v[i]));
	tr_put(t, tr_spec(doc), "blocks", blocks);
	return tr_spec(doc);
}

static void
do_pool(struct translator *t, const struct res_object *o)
{
	const struct mlb_pool *p = (const struct mlb_pool *)o;
	json_t *shown = res_show(o), *spec = pool(t, o, &p->addresses), *allocation;

	if (!p->auto_assign)
		tr_put(t, spec, "autoAssign", json_false());
	if (p->avoid_buggy_ips)
		tr_put(t, spec, "avoidBuggyIPs", json_true());
	if (p->allocation.present) {
		allocation = json_object_get(json_object_get(shown, "spec"), "serviceAllocation");
		tr_put(t, spec, "serviceAllocation",
		    allocation ? json_deep_copy(allocation) : json_object());
	}
	json_decref(shown);
}

static void
do_address_pool(struct translator *t, const struct res_object *o)
{
	const struct mlb_address_pool *p = (const struct mlb_address_pool *)o;
	json_t *spec = pool(t, o, &p->addresses);

	if (!p->auto_assign)
		tr_put(t, spec, "autoAssign", json_false());
	tr_old_adverts(t, p);
}

/* ---- BFDProfile ---- */

static void
do_bfd_profile(struct translator *t, const struct res_object *o)
{
	json_t *doc = tr_doc(t, o, "heraldlb.io/v1", "BFDProfile", "", o->meta.name);
	json_t *shown = res_show(o), *spec = json_object_get(shown, "spec");

	if (spec && doc)
		tr_put(t, doc, "spec", json_deep_copy(spec));
	json_decref(shown);
}

/* ---- everything ---- */

/* In which order kinds come out: what others lean on first. */
static const struct {
	enum res_kind kind;
	void (*translate)(struct translator *, const struct res_object *);
} steps[] = {
	{ RES_METALLB_POOL, do_pool },
	{ RES_METALLB_ADDRESS_POOL, do_address_pool },
	{ RES_METALLB_BFD_PROFILE, do_bfd_profile },
	{ RES_METALLB_COMMUNITY, NULL },
	{ RES_METALLB_PEER, tr_peer },
	{ RES_METALLB_BGP_ADVERTISEMENT, tr_bgp_advert },
	{ RES_METALLB_L2_ADVERTISEMENT, tr_l2_advert },
};
#define NR_STEPS (sizeof(steps) / sizeof(steps[0]))

static int
by_name(const void *a, const void *b)
{
	const struct res_object *x = *(const struct res_object *const *)a;
	const struct res_object *y = *(const struct res_object *const *)b;
	int c = (x->kind > y->kind) - (x->kind < y->kind);

	if (!c)
		c = strcmp(x->meta.name, y->meta.name);
	return c ? c : strcmp(x->meta.ns, y->meta.ns);
}

/* MetalLB reads one namespace, and its objects name each other without one: of two of a name the
 * first by namespace counts. */
static bool
is_second(struct translator *t, size_t i)
{
	const struct res_object *o = t->objs[i], *first = i ? t->objs[i - 1] : NULL;

	if (!first || first->kind != o->kind || strcmp(first->meta.name, o->meta.name) != 0)
		return false;
	tr_notice(t, o, "metadata.namespace",
	    "%s: left out: there is one of this name in namespace %s already", o->meta.ns,
	    first->meta.ns);
	return true;
}

/* An IPAddressPool and an AddressPool of one name would be one pool. */
static bool
is_taken(struct translator *t, const struct res_object *o)
{
	if (o->kind != RES_METALLB_ADDRESS_POOL)
		return false;
	for (size_t i = 0; i < t->nr; i++)
		if (t->objs[i]->kind == RES_METALLB_POOL &&
		    strcmp(t->objs[i]->meta.name, o->meta.name) == 0) {
			tr_notice(t, o, "metadata.name",
			    "%s: left out: there is an IPAddressPool of this name", o->meta.name);
			return true;
		}
	return false;
}

int
translate(const struct res_object *const *objs, size_t nr, struct translation *out,
    struct res_faults *notices)
{
	struct translator t = { .out = out, .notices = notices, .nr = nr };
	const struct res_object **sorted = mem_calloc(nr + 1, sizeof(const struct res_object *));

	if (!sorted)
		return -ENOMEM;
	if (nr)
		memcpy(sorted, objs, nr * sizeof(const struct res_object *));
	qsort(sorted, nr, sizeof(const struct res_object *), by_name);
	t.objs = sorted;
	for (size_t s = 0; s < NR_STEPS && !t.err; s++)
		for (size_t i = 0; i < nr && !t.err; i++)
			if (sorted[i]->kind == steps[s].kind && steps[s].translate &&
			    !is_second(&t, i) && !is_taken(&t, sorted[i]))
				steps[s].translate(&t, sorted[i]);
	mem_free(sorted);
	if (t.err)
		translation_fini(out);
	return t.err;
}

/* The values of a Secret that was made. */
static void
secrets_wipe(json_t *doc)
{
	const char *key;
	json_t *value;

	json_object_foreach(json_object_get(doc, "stringData"), key, value)
	    mem_wipe((char *)(uintptr_t)json_string_value(value), json_string_length(value));
}

void
translation_fini(struct translation *out)
{
	for (size_t i = 0; i < out->nr; i++) {
		secrets_wipe(out->v[i].doc);
		json_decref(out->v[i].doc);
	}
	mem_free(out->v);
	*out = (struct translation){ 0 };
}

int
translation_decode(const struct translation *in, struct res_set *out, struct res_faults *notices)
{
	int err = 0;

	for (size_t i = 0; i < in->nr && !err; i++) {
		const struct res_object *from = in->v[i].from;
		struct loader l = { .file = from->file, .out = out, .faults = notices };
		struct res_arena *arena = arena_new();
		const struct node *root =
		    arena ? json_tree(arena, in->v[i].doc, from->line, from->column) : NULL;

		if (arena)
			arena_secret(arena);
		err = root ? document_load(&l, root, NULL, NULL) : -ENOMEM;
		arena_free(arena);
	}
	return err;
}
