/*
 * tools/crdgen/editor.c: a JSON Schema (draft 7) of all documents that Herald reads, for editors and
 * for checks outside a cluster.
 */
#include "tools/crdgen/crdgen.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The kinds under all their names, as they are collected. */
struct catalogue {
	json_t *definitions, *choices; /* "if this apiVersion and kind, then that definition" */
	json_t *versions, *kinds;      /* all that there are, each once */
};

static void
set(json_t *to, const char *key, json_t *value)
{
	if (json_object_set_new(to, key, value) < 0)
		abort();
}

static void
add_once(json_t *to, const char *word)
{
	for (size_t i = 0; i < json_array_size(to); i++)
		if (strcmp(json_string_value(json_array_get(to, i)), word) == 0)
			return;
	json_array_append_new(to, json_string(word));
}

static void
add_kind(struct catalogue *c, const char *version, const char *kind, const char *ref)
{
	char path[160];

	snprintf(path, sizeof(path), "#/definitions/%s", ref);
	add_once(c->versions, version);
	add_once(c->kinds, kind);
	json_array_append_new(c->choices,
	    json_pack("{s:{s:{s:{s:s}, s:{s:s}}}, s:{s:s}}", "if", "properties", "apiVersion",
		"const", version, "kind", "const", kind, "then", "$ref", path));
}

static void
add_definition(
    struct catalogue *c, const struct schema *s, const char *name, enum form_dialect dialect)
{
	const struct form form = { dialect, FORM_EDITOR };
	const struct naming *naming = naming_of(s->kind);
	json_t *j = json_object(), *shape = shape_table(s->table, &form);

	if (naming)
		set(j, "description", json_string(naming->what));
	if (json_object_update(j, shape) < 0)
		abort();
	json_decref(shape);
	set(c->definitions, name, j);
}

/* Two groups may call a kind the same: what is not native has its group version in the name. */
static void
add_version(struct catalogue *c, const struct schema *s, const char *version, const char *kind,
    enum form_dialect dialect)
{
	char name[128];

	if (dialect == FORM_NATIVE)
		snprintf(name, sizeof(name), "%s", kind);
	else
		snprintf(name, sizeof(name), "%s.%s", kind, strchr(version, '/') + 1);
	add_definition(c, s, name, dialect);
	add_kind(c, version, kind, name);
}

static void
add_schema(struct catalogue *c, const struct schema *s)
{
	bool metallb = strncmp(s->group_version, "metallb.io/", 11) == 0;

	add_version(c, s, s->group_version, s->name, metallb ? FORM_METALLB : FORM_NATIVE);
	if (s->older)
		add_version(c, s, s->older, s->name, FORM_METALLB_OLDER);
	if (s->v2)
		add_version(c, s, "cilium.io/v2", s->cilium, FORM_CILIUM_V2);
	if (s->cilium)
		add_version(c, s, "cilium.io/v2alpha1", s->cilium, FORM_CILIUM_ALPHA);
}

json_t *
editor_schema(void)
{
	struct catalogue c = { json_object(), json_array(), json_array(), json_array() };
	json_t *j = json_object();

	for (int k = 0; k < RES_NR_KINDS; k++)
		add_schema(&c, schema_of((enum res_kind)k));
	add_kind(&c, "v1", "List", "List");
	set(c.definitions, "List",
	    json_pack("{s:s, s:{s:{s:s, s:{s:s}}}}", "type", "object", "properties", "items",
		"type", "array", "items", "$ref", "#"));
	set(j, "$schema", json_string("http://json-schema.org/draft-07/schema#"));
	set(j, "title", json_string("Documents of Herald"));
	set(j, "type", json_string("object"));
	set(j, "required", json_pack("[s,s]", "apiVersion", "kind"));
	set(j, "properties",
	    json_pack(
		"{s:{s:o}, s:{s:o}}", "apiVersion", "enum", c.versions, "kind", "enum", c.kinds));
	set(j, "allOf", c.choices);
	set(j, "definitions", c.definitions);
	return j;
}
