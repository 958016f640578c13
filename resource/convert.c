/*
 * resource/convert.c: documents of others -> native documents as text; see convert.h.  Cilium's
 * are native ones under another name, and only lose what they have from an API server; MetalLB's
 * are gathered and translated together.
 */
#include "resource/convert.h"

#include "resource/converter.h"
#include "resource/decode.h"
#include "resource/document.h"
#include "resource/fault.h"
#include "resource/pool_kinds.h"
#include "resource/show.h"
#include "resource/translate.h"

#include "lib/buf.h"
#include "lib/mem.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NATIVE "heraldlb.io/v1"

struct convert *
convert_new(void)
{
	return mem_calloc(1, sizeof(struct convert));
}

void
convert_free(struct convert *c)
{
	if (!c)
		return;
	for (size_t i = 0; i < c->nr_files; i++) {
		mem_free(c->files[i].name);
		mem_free(c->files[i].text);
	}
	for (size_t i = 0; i < c->nr_done; i++)
		free(c->done[i].yaml);
	mem_free(c->files);
	mem_free(c->done);
	res_set_fini(&c->foreign);
	res_faults_fini(&c->faults);
	mem_free(c);
}

const struct res_faults *
convert_faults(const struct convert *c)
{
	return &c->faults;
}

/* ---- trees -> JSON ---- */

static json_t *
json_of_scalar(const struct node *n)
{
	char again[32];
	long long v;

	if (n->quoted)
		return json_stringn(n->text, n->nr);
	if (strcmp(n->text, "true") == 0 || strcmp(n->text, "false") == 0)
		return json_boolean(n->text[0] == 't');
	v = strtoll(n->text, NULL, 10);
	snprintf(again, sizeof(again), "%lld", v);
	if (strcmp(again, n->text) == 0)
		return json_integer(v);
	return json_stringn(n->text, n->nr);
}

json_t *
convert_json(const struct node *n)
{
	json_t *j;

	switch (n->type) {
	case NODE_SCALAR:
		return json_of_scalar(n);
	case NODE_MAP:
		j = json_object();
		for (size_t i = 0; i < n->nr; i++)
			if (json_object_set_new(j, n->entries[i].key->text,
				convert_json(n->entries[i].value)) < 0) {
				json_decref(j);
				return NULL;
			}
		return j;
	case NODE_LIST:
		j = json_array();
		for (size_t i = 0; i < n->nr; i++)
			if (json_array_append_new(j, convert_json(n->items[i])) < 0) {
				json_decref(j);
				return NULL;
			}
		return j;
	default:
		return json_null();
	}
}

/* ---- notes ---- */

static int __attribute__((format(printf, 4, 5)))
note(struct convert *c, const char *object, const struct node *at, const char *fmt, ...)
{
	struct fault_place place = { c->file, at->line, at->column, object, "document", false };
	char text[512];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	return fault_add(&c->faults, &place, "%s", text);
}

/* ---- documents that are done one by one ---- */

int
convert_keep(struct convert *c, const char *file, unsigned line, unsigned column, const char *what,
    const json_t *doc)
{
	char *yaml = yaml_of_json(doc), *text;

	if (!yaml ||
	    mem_grow((void **)&c->done, &c->cap_done, c->nr_done, sizeof(*c->done), 0) < 0) {
		free(yaml);
		return -ENOMEM;
	}
	text = xasprintf("---\n# %s:%u:%u: %s\n%s", file, line, column, what, yaml);
	free(yaml);
	c->done[c->nr_done++].yaml = text;
	return 0;
}

/* What an API server and kubectl put there is no part of a configuration. */
static void
clean_metadata(json_t *meta)
{
	static const char *const keep_these[] = { "name", "namespace", "labels", "annotations",
		NULL };
	json_t *notes = json_object_get(meta, "annotations"), *value;
	const char *key;
	void *tmp;

	json_object_del(notes, "kubectl.kubernetes.io/last-applied-configuration");
	if (notes && !json_object_size(notes))
		json_object_del(meta, "annotations");
	json_object_foreach_safe(meta, tmp, key, value)
	{
		size_t i = 0;

		while (keep_these[i] && strcmp(keep_these[i], key) != 0)
			i++;
		if (!keep_these[i])
			json_object_del(meta, key);
	}
}

/* Fields that only old versions of Cilium's documents have; nothing follows from them. */
static void
strip_old(json_t *j, const struct table *t)
{
	for (const struct field *f = t->fields; f->name; f++) {
		json_t *value = json_object_get(j, f->name);

		if (!value)
			continue;
		if (f->flags & F_ALPHA) {
			json_object_del(j, f->name);
			continue;
		}
		for (size_t i = 0; f->type == T_STRUCT && i < json_array_size(value); i++)
			strip_old(json_array_get(value, i), f->sub);
		if (f->type == T_STRUCT && json_is_object(value))
			strip_old(value, f->sub);
	}
}

/* A document that the decoder takes, as the native document that it is. */
static int
as_native(struct convert *c, const struct node *root, const struct res_object *o)
{
	const struct schema *s = schema_of(o->kind);
	json_t *doc = convert_json(root);
	char what[400];
	int err = -ENOMEM;

	if (doc && json_object_set_new(doc, "apiVersion", json_string(NATIVE)) == 0 &&
	    json_object_set_new(doc, "kind", json_string(s->name)) == 0) {
		json_object_del(doc, "status");
		clean_metadata(json_object_get(doc, "metadata"));
		strip_old(doc, s->table);
		snprintf(what, sizeof(what), "%.60s %.253s", o->api_kind, o->meta.name);
		err = convert_keep(c, c->file, root->line, root->column, what, doc);
	}
	json_decref(doc);
	return err;
}

/* Cilium announces the addresses of an interface; nobody here does. */
static int
note_interface(struct convert *c, const struct node *root, const struct res_object *o)
{
	const struct node *spec = tree_get(root, "spec");
	const struct node *list = spec ? tree_get(spec, "advertisements") : NULL;
	char object[320], field[64];
	struct fault_place at = { c->file, 0, 0, object, field, false };
	int err = 0;

	snprintf(object, sizeof(object), "%.60s/%.253s", o->api_kind, o->meta.name);
	for (size_t i = 0; list && list->type == NODE_LIST && i < list->nr && !err; i++) {
		const struct node *type = tree_get(list->items[i], "advertisementType");

		if (!type || type->type != NODE_SCALAR || strcmp(type->text, "Interface") != 0)
			continue;
		snprintf(field, sizeof(field), "spec.advertisements[%zu].advertisementType", i);
		at.line = type->line;
		at.column = type->column;
		err = fault_add(&c->faults, &at,
		    "Interface has no effect: addresses of interfaces are not advertised");
	}
	return err;
}

static int
convert_one_by_one(struct convert *c, const struct node *root)
{
	struct res_set set = { 0 };
	struct loader l = { .file = c->file, .out = &set, .faults = &c->faults };
	int err = document_load(&l, root, NULL, NULL);

	for (size_t i = 0; i < set.nr && !err; i++)
		err = as_native(c, root, set.v[i]);
	for (size_t i = 0; i < set.nr && !err; i++)
		if (set.v[i]->kind == RES_BGP_ADVERTISEMENT)
			err = note_interface(c, root, set.v[i]);
	res_set_fini(&set);
	return err;
}

int
convert_foreign(struct convert *c, const struct node *root)
{
	struct loader l = { .file = c->file, .out = &c->foreign, .faults = &c->faults };

	return document_load(&l, root, NULL, NULL);
}

/* ---- which is which ---- */

static bool
starts(const char *s, const char *with)
{
	return s && strncmp(s, with, strlen(with)) == 0;
}

static int on_document(void *arg, const struct node *root, unsigned number);

/* What a document of an API group is, is said by itself; items of lists say it too, as kubectl
 * prints them. */
static int
convert_document(struct convert *c, const struct node *root)
{
	const char *api = tree_text(root, "apiVersion"), *kind = tree_text(root, "kind");
	const struct node *data = tree_get(root, "data");
	const struct node *config = data ? tree_get(data, "config") : NULL;
	const struct node *items = tree_get(root, "items");
	int err = 0;

	if (!api || !kind)
		return note(c, "Document/-", root, "must be a map with apiVersion and kind");
	if (items && items->type == NODE_LIST) {
		for (size_t i = 0; i < items->nr && !err; i++)
			err = on_document(c, items->items[i], 1);
		return err;
	}
	if (starts(api, "metallb.io/"))
		return convert_foreign(c, root);
	if (starts(api, "cilium.io/") && strcmp(kind, "CiliumBGPPeeringPolicy") == 0)
		return convert_peering_policy(c, root);
	if (starts(api, "cilium.io/") || starts(api, "heraldlb.io/"))
		return convert_one_by_one(c, root);
	if (strcmp(api, "v1") == 0 && strcmp(kind, "ConfigMap") == 0 && config &&
	    config->type == NODE_SCALAR)
		return convert_configmap(c, tree_get(root, "metadata"), config);
	return 0;
}

static int
on_document(void *arg, const struct node *root, unsigned number)
{
	(void)number;
	return !root || root->type == NODE_NULL ? 0 : convert_document(arg, root);
}

int
convert_add(struct convert *c, const char *file, const char *text, size_t len)
{
	struct tree_reader rd = { file, &c->faults, on_document, c };
	struct converter_file *f;
	size_t first = c->faults.nr;
	int err;

	if (mem_grow((void **)&c->files, &c->cap_files, c->nr_files, sizeof(*c->files), 0) < 0)
		return -ENOMEM;
	f = &c->files[c->nr_files];
	*f = (struct converter_file){
		.name = mem_strndup(file, strlen(file)), .text = mem_strndup(text, len), .len = len
	};
	c->nr_files++;
	if (!f->name || !f->text)
		return -ENOMEM;
	if (len > RES_MAX_FILE) {
		struct fault_place at = { file, 1, 1, "Document/1", "file", false };

		return fault_add(
		    &c->faults, &at, "%zu bytes: must be at most %u", len, RES_MAX_FILE);
	}
	c->file = f->name;
	c->text = f->text;
	c->len = len;
	err = yaml_read(&rd, text, len);
	fault_sort(&c->faults, first);
	return err;
}

/* ---- MetalLB's, all together ---- */

/* Looks for the place of a field in a document that starts at a given place. */
struct search {
	unsigned line, column;
	const char *path;
	const struct node *found; /* valid in the callback only */
	unsigned at_line, at_column;
};

/* Follow "spec.peers[2].name" as far as it goes. */
static const struct node *
follow(const struct node *n, const char *path)
{
	char name[128];

	while (*path) {
		size_t len = strcspn(path, ".[");
		const struct node *next = NULL;

		if (*path == '[') {
			size_t i = strtoul(path + 1, NULL, 10);

			next = n->type == NODE_LIST && i < n->nr ? n->items[i] : NULL;
			path += strcspn(path, "]");
			path += *path == ']';
		} else if (len < sizeof(name)) {
			snprintf(name, sizeof(name), "%.*s", (int)len, path);
			next = tree_get(n, name);
			path += len;
		} else {
			return n;
		}
		if (!next)
			return n;
		n = next;
		path += *path == '.';
	}
	return n;
}

static int
look(void *arg, const struct node *root, unsigned number)
{
	const struct node *items = root ? tree_get(root, "items") : NULL, *at;
	struct search *s = arg;

	for (size_t i = 0; items && items->type == NODE_LIST && i < items->nr; i++)
		(void)look(arg, items->items[i], number);
	if (!root || root->line != s->line || root->column != s->column)
		return 0;
	at = follow(root, s->path);
	s->at_line = at->line;
	s->at_column = at->column;
	return 0;
}

/* Notices stand at their object; people want the field. */
static int
place_notice(struct convert *c, struct res_fault *f)
{
	struct search s = { .line = f->line, .column = f->column, .path = f->field };
	struct res_faults none = { 0 };
	int err = 0;

	for (size_t i = 0; i < c->nr_files && !s.at_line && !err; i++) {
		struct tree_reader rd = { c->files[i].name, &none, look, &s };

		if (strcmp(c->files[i].name, f->file) == 0)
			err = yaml_read(&rd, c->files[i].text, c->files[i].len);
	}
	res_faults_fini(&none);
	if (s.at_line) {
		f->line = s.at_line;
		f->column = s.at_column;
	}
	return err;
}

static int
keep_translated(struct convert *c, const struct translated *t)
{
	json_t *meta = json_object_get(t->doc, "metadata");
	char what[700];

	json_object_del(meta, "creationTimestamp"); /* an API server gives another */
	snprintf(what, sizeof(what), "%.60s %.63s/%.253s", t->from->api_kind, t->from->meta.ns,
	    t->from->meta.name);
	return convert_keep(c, t->from->file, t->from->line, t->from->column, what, t->doc);
}

/* What a document says and nobody here does; the daemon says it of the sessions that it is about. */
static int
note_echo(const struct res_object *o, struct res_faults *notices)
{
	char object[320];
	const struct fault_place at = { o->file, o->line, o->column, object, "spec.echoMode",
		true };

	if (o->kind != RES_METALLB_BFD_PROFILE || !((const struct res_bfd_profile *)o)->echo_mode)
		return 0;
	snprintf(object, sizeof(object), "%.60s/%.253s", o->api_kind, o->meta.name);
	return fault_add(notices, &at,
	    "has no effect: echo packets are not sent, the peer is watched by control packets "
	    "alone");
}

static int
convert_foreign_all(struct convert *c)
{
	struct res_faults notices = { 0 };
	struct translation docs = { 0 };
	struct res_set check = { 0 };
	int err = translate(
	    (const struct res_object *const *)c->foreign.v, c->foreign.nr, &docs, &notices);

	for (size_t i = 0; i < c->foreign.nr && !err; i++)
		err = note_echo(c->foreign.v[i], &notices);
	if (!err)
		err = translation_decode(&docs, &check, &notices);
	for (size_t i = 0; i < docs.nr && !err; i++)
		err = keep_translated(c, &docs.v[i]);
	for (size_t i = 0; i < notices.nr && !err; i++)
		err = place_notice(c, &notices.v[i]);
	fault_sort(&notices, 0);
	if (!err)
		err = fault_copy(&c->faults, &notices);
	res_faults_fini(&notices);
	translation_fini(&docs);
	res_set_fini(&check);
	return err;
}

int
convert_print(struct convert *c, struct buf *out)
{
	int err = convert_foreign_all(c);

	for (size_t i = 0; i < c->nr_done && !err; i++)
		buf_puts(out, c->done[i].yaml);
	return err ? err : out->failed ? -ENOMEM : 0;
}
