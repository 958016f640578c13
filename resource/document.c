/*
 * resource/document.c: YAML text -> documents -> objects: which kind a document is, in which
 * dialect, and Lists of them.
 */
#include "resource/document.h"

#include "resource/decode.h"
#include "resource/fault.h"
#include "resource/tree.h"

#include "lib/buf.h"
#include "lib/mem.h"
#include "lib/text.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* Where a document says what it is. */
struct head {
	const struct node *root;
	const char *api, *kind; /* may be given by the List around it */
	const char *prefix;
	unsigned number;
};

static int __attribute__((format(printf, 5, 6))) refuse(struct loader *l, const struct head *h,
    const char *field, const struct node *at, const char *fmt, ...)
{
	const char *name = tree_text(tree_get(h->root, "metadata"), "name");
	char object[320], path[160], text[512], kind[64], quoted[256];
	struct fault_place place = { l->file, at->line, at->column, object, path, false };
	va_list ap;

	if (h->kind)
		snprintf(object, sizeof(object), "%s/%s",
		    fault_quote(h->kind, strlen(h->kind), kind, sizeof(kind)),
		    name && *name ? fault_quote(name, strlen(name), quoted, sizeof(quoted)) : "-");
	else
		snprintf(object, sizeof(object), "Document/%u", h->number);
	snprintf(path, sizeof(path), "%s%s%s", h->prefix, *h->prefix ? "." : "", field);
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	l->refused = true;
	return fault_add(l->faults, &place, "%s", text);
}

/* ---- kinds ---- */

static bool
group_is(const char *api, const char *group)
{
	size_t len = strlen(group);

	return strncmp(api, group, len) == 0 && api[len] == '/';
}

static const struct schema *
find_kind(const char *api, const char *kind, enum dialect *dialect)
{
	bool v2 = strcmp(api, "cilium.io/v2") == 0, alpha = strcmp(api, "cilium.io/v2alpha1") == 0;

	*dialect = v2 ? DIALECT_CILIUM_V2 : alpha ? DIALECT_CILIUM_ALPHA : DIALECT_NATIVE;
	if (group_is(api, "metallb.io"))
		*dialect = DIALECT_METALLB;
	for (int k = 0; k < RES_NR_KINDS; k++) {
		const struct schema *s = schema_of((enum res_kind)k);
		const char *name = v2 || alpha ? s->cilium : s->name;

		if (!name || strcmp(name, kind) != 0)
			continue;
		if ((v2 && s->v2) || alpha || strcmp(api, s->group_version) == 0)
			return s;
		if (s->older && strcmp(api, s->older) == 0) {
			*dialect = DIALECT_METALLB_OLDER;
			return s;
		}
	}
	return NULL;
}

/* Kinds that people may well bring and that are not understood: why, and what to do instead. */
static const struct {
	const char *group, *kind; /* kind NULL: all others of the group */
	const char *text;
} foreign[] = {
	{ "metallb.io", "ServiceBGPStatus", "written by MetalLB; must be left out" },
	{ "metallb.io", "ServiceL2Status", "written by MetalLB; must be left out" },
	{ "metallb.io", "ConfigurationState", "written by MetalLB; must be left out" },
	{ "cilium.io", "CiliumBGPPeeringPolicy",
	    "the first version of Cilium's BGP configuration; must be written as "
	    "CiliumBGPClusterConfig, CiliumBGPPeerConfig and CiliumBGPAdvertisement" },
	{ "cilium.io", "CiliumBGPNodeConfig",
	    "written by Cilium's operator, and made here from CiliumBGPClusterConfig; must be left "
	    "out" },
};

/* Is the kind known in some other group or version? */
static const struct schema *
kind_elsewhere(const char *kind, bool *cilium)
{
	for (int k = 0; k < RES_NR_KINDS; k++) {
		const struct schema *s = schema_of((enum res_kind)k);

		*cilium = s->cilium && strcmp(s->cilium, kind) == 0;
		if (*cilium || strcmp(s->name, kind) == 0)
			return s;
	}
	return NULL;
}

static int
refuse_kind(struct loader *l, const struct head *h, const struct node *api, const struct node *kind)
{
	const char *words[2 * RES_NR_KINDS + 1], *near;
	const struct schema *s;
	char qa[80], qk[80];
	size_t nr = 0;
	bool cilium;

	fault_quote(h->api, strlen(h->api), qa, sizeof(qa));
	fault_quote(h->kind, strlen(h->kind), qk, sizeof(qk));
	for (size_t i = 0; i < sizeof(foreign) / sizeof(foreign[0]); i++)
		if (group_is(h->api, foreign[i].group) &&
		    (!foreign[i].kind || strcmp(foreign[i].kind, h->kind) == 0))
			return refuse(l, h, "kind", kind, "%s: %s", qk, foreign[i].text);
	s = kind_elsewhere(h->kind, &cilium);
	if (s)
		return refuse(l, h, "apiVersion", api, "%s: %s must be of %s", qa, qk,
		    !cilium	? s->group_version
			: s->v2 ? "cilium.io/v2"
				: "cilium.io/v2alpha1");
	for (int k = 0; k < RES_NR_KINDS; k++) {
		s = schema_of((enum res_kind)k);
		words[nr++] = s->name;
		if (s->cilium)
			words[nr++] = s->cilium;
	}
	words[nr] = NULL;
	near = text_nearest(h->kind, words);
	if (near)
		return refuse(l, h, "kind", kind, "%s: unknown kind; did you mean '%s'?", qk, near);
	return refuse(l, h, "kind", kind, "%s: unknown kind of %s; must be left out", qk, qa);
}

/* ---- documents ---- */

static int
set_add(struct res_set *set, struct res_object *o)
{
	if (mem_grow((void **)&set->v, &set->cap, set->nr, sizeof(struct res_object *), 0) < 0)
		return -ENOMEM;
	set->v[set->nr++] = o;
	return 0;
}

static int load(struct loader *l, struct head *h, bool in_list);

/* A v1 List, or a list of one kind as the API gives it, whose items need not say what they are. */
static int
load_list(struct loader *l, const struct head *h)
{
	const struct node *items = tree_get(h->root, "items");
	size_t len = strlen(h->kind) - strlen("List");
	char kind[64], prefix[32];

	if (!items || items->type == NODE_NULL)
		return 0;
	if (items->type != NODE_LIST)
		return refuse(
		    l, h, "items", items, "must be a list, not %s", tree_type_name(items));
	snprintf(kind, sizeof(kind), "%.*s", (int)len, h->kind);
	for (size_t i = 0; i < items->nr; i++) {
		struct head item = {
			.root = items->items[i], .prefix = prefix, .number = h->number
		};
		int err;

		snprintf(prefix, sizeof(prefix), "items[%zu]", i);
		if (len) {
			item.api = h->api;
			item.kind = kind;
		}
		err = load(l, &item, true);
		if (err < 0)
			return err;
	}
	return 0;
}

static bool
is_list(const struct head *h)
{
	size_t len = strlen(h->kind);
	enum dialect dialect;
	char kind[64];

	if (strcmp(h->kind, "List") == 0)
		return strcmp(h->api, "v1") == 0;
	if (len <= 4 || len >= sizeof(kind) || strcmp(h->kind + len - 4, "List") != 0)
		return false;
	snprintf(kind, sizeof(kind), "%.*s", (int)len - 4, h->kind);
	return find_kind(h->api, kind, &dialect) != NULL;
}

/* The string @field of the head; faults are told, @value stays NULL then. */
static int
head_string(struct loader *l, const struct head *h, const char *field, const char **value)
{
	const struct node *n = tree_get(h->root, field);

	if (!n && *value)
		return 0; /* the List said it */
	*value = NULL;
	if (!n || n->type == NODE_NULL)
		return refuse(l, h, field, h->root, "missing: must be given");
	if (n->type != NODE_SCALAR || !n->nr)
		return refuse(l, h, field, n, "must be a string, not %s", tree_type_name(n));
	*value = n->text;
	return 0;
}

/* An API server may be newer than we are, and its own kinds grow with each version. */
static enum decode_unknown
unknown_of(const struct loader *l, const struct schema *s)
{
	if (!l->lenient)
		return UNKNOWN_FAULT;
	return group_is(s->group_version, "heraldlb.io") || group_is(s->group_version, "metallb.io")
	    ? UNKNOWN_NOTICE
	    : UNKNOWN_SILENT;
}

static int
load_object(struct loader *l, const struct head *h)
{
	struct decode_in in = {
		.api_kind = h->kind, .file = l->file, .map = h->root, .prefix = h->prefix
	};
	const struct node *api = tree_get(h->root, "apiVersion"), *kind = tree_get(h->root, "kind");
	struct res_object *o;
	int err;

	in.schema = find_kind(h->api, h->kind, &in.dialect);
	if (!in.schema)
		return refuse_kind(l, h, api ? api : h->root, kind ? kind : h->root);
	in.unknown = unknown_of(l, in.schema);
	in.compact = l->lenient;
	err = decode_object(&in, l->faults, &o);
	if (err == -EINVAL) {
		l->refused = true;
		return 0;
	}
	if (err < 0)
		return err;
	err = set_add(l->out, o);
	if (err < 0)
		res_unref(o);
	return err;
}

static int
load(struct loader *l, struct head *h, bool in_list)
{
	const char *api = h->api, *kind = h->kind;
	int err;

	if (h->root->type != NODE_MAP)
		return refuse(l, h, "document", h->root,
		    "must be a map with apiVersion and kind, not %s", tree_type_name(h->root));
	err = head_string(l, h, "kind", &kind);
	h->kind = kind;
	if (!err)
		err = head_string(l, h, "apiVersion", &api);
	if (err < 0 || !kind || !api)
		return err;
	h->api = api;
	if (!is_list(h))
		return load_object(l, h);
	if (in_list)
		return refuse(l, h, "kind", h->root, "%.64s: must not stand in a List", kind);
	return load_list(l, h);
}

int
document_load(struct loader *l, const struct node *root, const char *api_version, const char *kind)
{
	struct head h = {
		.root = root, .api = api_version, .kind = kind, .prefix = "", .number = 1
	};

	return load(l, &h, false);
}

static int
on_document(void *arg, const struct node *root, unsigned number)
{
	struct head h = { .root = root, .prefix = "", .number = number };

	if (!root || root->type == NODE_NULL)
		return 0; /* nothing between two "---" */
	return load(arg, &h, false);
}

int
res_decode_yaml(
    const char *file, const char *text, size_t len, struct res_set *out, struct res_faults *faults)
{
	struct loader l = { .file = file, .out = out, .faults = faults };
	struct tree_reader rd = { file, faults, on_document, &l };
	size_t before = fault_count(faults), first = faults->nr;
	int err;

	if (len > RES_MAX_FILE) {
		struct fault_place at = { file, 1, 1, "Document/1", "file", false };

		err = fault_add(faults, &at, "%zu bytes: must be at most %u", len, RES_MAX_FILE);
	} else {
		err = yaml_read(&rd, text, len);
	}
	fault_sort(faults, first);
	if (err < 0)
		return err;
	return fault_count(faults) == before ? 0 : -EINVAL;
}
