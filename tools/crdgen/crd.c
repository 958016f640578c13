/*
 * tools/crdgen/crd.c: kinds -> CustomResourceDefinitions (apiextensions.k8s.io/v1).
 */
#include "tools/crdgen/crdgen.h"

#include "lib/buf.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* One version of a kind. */
struct version {
	const char *name;
	struct form form;
	bool storage;
};

/* A kind as the API server is told of it. */
struct subject {
	const struct naming *naming;
	const struct table *table;
	const char *group, *kind, *plural;
	const char *const *shorts;
	bool namespaced;
	bool status; /* has a status of its own */
};

static void
set(json_t *to, const char *key, json_t *value)
{
	if (json_object_set_new(to, key, value) < 0)
		abort();
}

static json_t *
texts(const char *const *v)
{
	json_t *j = json_array();

	for (; *v; v++)
		json_array_append_new(j, json_string(*v));
	return j;
}

/* "{group}" in a path becomes @group; dots in it are fine within quotes. */
static json_t *
path_text(const char *path, const char *group)
{
	const char *at = strstr(path, "{group}");
	struct buf b;
	json_t *j;

	if (!at)
		return json_string(path);
	buf_init(&b, 1024);
	buf_add(&b, path, (size_t)(at - path));
	buf_puts(&b, group);
	buf_puts(&b, at + strlen("{group}"));
	j = json_string(buf_text(&b));
	buf_fini(&b);
	return j;
}

static json_t *
columns(const struct subject *s)
{
	json_t *all = json_array();

	for (const struct column *c = s->naming->columns; c->name; c++) {
		json_t *one = json_pack("{s:s, s:s, s:o}", "name", c->name, "type", c->type,
		    "jsonPath", path_text(c->path, s->group));

		if (c->priority)
			set(one, "priority", json_integer((json_int_t)c->priority));
		json_array_append_new(all, one);
	}
	return all;
}

/* What everybody may write into; what is known of it has a shape. */
static json_t *
status_schema(const struct table *t, const struct form *form)
{
	json_t *j = shape_table(t, form);

	set(j, "description", json_string("what became of it; not for people to write"));
	set(j, "x-kubernetes-preserve-unknown-fields", json_true());
	return j;
}

/* The row of @name, or NULL. */
static const struct field *
row(const struct table *t, const char *name)
{
	for (const struct field *f = t->fields; f->name; f++)
		if (strcmp(f->name, name) == 0)
			return f;
	return NULL;
}

static json_t *
version_schema(const struct subject *s, const struct form *form)
{
	const struct field *spec = row(s->table, "spec"), *status = row(s->table, "status");
	json_t *j = json_object(), *all = json_object();

	set(j, "description", json_string(s->naming->what));
	set(j, "type", json_string("object"));
	if (spec && spec->flags & F_REQUIRED)
		set(j, "required", json_pack("[s]", "spec"));
	set(all, "apiVersion", json_pack("{s:s}", "type", "string"));
	set(all, "kind", json_pack("{s:s}", "type", "string"));
	set(all, "metadata", json_pack("{s:s}", "type", "object"));
	set(all, "spec", spec ? shape_field(spec, form) : json_pack("{s:s}", "type", "object"));
	if (!json_object_get(json_object_get(all, "spec"), "description"))
		set(json_object_get(all, "spec"), "description",
		    json_string(
			spec ? "what is wanted" : "nothing: only the status says something"));
	if (s->status)
		set(all, "status",
		    status_schema(status->sub ? status->sub : &conditions_table, form));
	set(j, "properties", all);
	return j;
}

static json_t *
version_object(const struct subject *s, const struct version *v)
{
	json_t *j =
	    json_pack("{s:s, s:b, s:b}", "name", v->name, "served", 1, "storage", (int)v->storage);

	set(j, "additionalPrinterColumns", columns(s));
	if (s->status)
		set(j, "subresources", json_pack("{s:{}}", "status"));
	set(j, "schema", json_pack("{s:o}", "openAPIV3Schema", version_schema(s, &v->form)));
	return j;
}

static json_t *
lower(const char *text)
{
	char *copy = strdup(text);
	json_t *j;

	if (!copy)
		abort();
	for (char *p = copy; *p; p++)
		*p = (char)tolower((unsigned char)*p);
	j = json_string(copy);
	free(copy);
	return j;
}

static json_t *
crd(const struct subject *s, const struct version *versions, size_t nr)
{
	json_t *j, *names, *spec = json_object(), *list = json_array();

	for (size_t i = 0; i < nr; i++)
		json_array_append_new(list, version_object(s, &versions[i]));
	names = json_pack("{s:s, s:s+, s:s, s:o}", "kind", s->kind, "listKind", s->kind, "List",
	    "plural", s->plural, "singular", lower(s->kind));
	if (*s->shorts)
		set(names, "shortNames", texts(s->shorts));
	if (strcmp(s->group, "heraldlb.io") == 0)
		set(names, "categories", json_pack("[s]", "herald"));
	set(spec, "group", json_string(s->group));
	set(spec, "scope", json_string(s->namespaced ? "Namespaced" : "Cluster"));
	set(spec, "names", names);
	set(spec, "versions", list);
	j = json_pack("{s:s, s:s, s:{s:s++}, s:o}", "apiVersion", "apiextensions.k8s.io/v1", "kind",
	    "CustomResourceDefinition", "metadata", "name", s->plural, ".", s->group, "spec", spec);
	if (!j)
		abort();
	return j;
}

/* "heraldlb.io" of "heraldlb.io/v1"? */
static bool
group_is(const struct schema *s, const char *group)
{
	size_t len = strlen(group);

	return strncmp(s->group_version, group, len) == 0 && s->group_version[len] == '/';
}

static struct subject
subject_of(const struct schema *s, const char *group)
{
	const struct naming *naming = naming_of(s->kind);

	return (struct subject){ .naming = naming,
		.table = s->table,
		.group = group,
		.kind = s->name,
		.plural = naming->plural,
		.shorts = naming->shorts,
		.namespaced = s->namespaced,
		.status = row(s->table, "status") != NULL };
}

json_t *
crd_native(enum res_kind kind)
{
	static const struct version v1 = { "v1", { FORM_NATIVE, FORM_CRD }, true };
	const struct schema *schema = schema_of(kind);
	struct subject s;

	if (!naming_of(kind) || !group_is(schema, "heraldlb.io"))
		return NULL;
	s = subject_of(schema, "heraldlb.io");
	return crd(&s, &v1, 1);
}

json_t *
crd_cilium(enum res_kind kind)
{
	static const struct version alpha = { "v2alpha1", { FORM_CILIUM_ALPHA, FORM_CRD }, true };
	static const struct version both[] = {
		{ "v2", { FORM_CILIUM_V2, FORM_CRD }, true },
		{ "v2alpha1", { FORM_CILIUM_ALPHA, FORM_CRD }, false },
	};
	const struct schema *schema = schema_of(kind);
	char plural[64];
	struct subject s;

	if (!naming_of(kind) || !schema->cilium)
		return NULL;
	s = subject_of(schema, "cilium.io");
	snprintf(plural, sizeof(plural), "cilium%s", s.plural);
	s.plural = plural;
	s.kind = schema->cilium;
	s.shorts = s.naming->cilium;
	return schema->v2 ? crd(&s, both, 2) : crd(&s, &alpha, 1);
}

json_t *
crd_metallb(enum res_kind kind)
{
	const struct schema *schema = schema_of(kind);
	struct version v[2] = { { .form = { FORM_METALLB, FORM_CRD }, .storage = true },
		{ .form = { FORM_METALLB_OLDER, FORM_CRD } } };
	struct subject s;

	if (!naming_of(kind) || !group_is(schema, "metallb.io"))
		return NULL;
	s = subject_of(schema, "metallb.io");
	v[0].name = schema->group_version + strlen("metallb.io/");
	if (schema->older)
		v[1].name = schema->older + strlen("metallb.io/");
	return crd(&s, v, schema->older ? 2 : 1);
}

json_t *
crd_node_status(void)
{
	static const struct version v1 = { "v1", { FORM_NATIVE, FORM_CRD }, true };
	const struct subject s = { .naming = &node_status_naming,
		.table = &node_status_doc_table,
		.group = "heraldlb.io",
		.kind = "BGPNodeStatus",
		.plural = node_status_naming.plural,
		.shorts = node_status_naming.shorts,
		.status = true };

	return crd(&s, &v1, 1);
}
