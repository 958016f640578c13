/*
 * resource/json.c: the JSON text of one API object -> document tree -> objects; what yaml.c and
 * document.c are for files.
 *
 * What means nothing here does not get into the tree: managedFields, and annotations that are others'
 * notes.
 */
#include "resource/arena.h"
#include "resource/document.h"
#include "resource/fault.h"
#include "resource/json_text.h"
#include "resource/object.h"

#include <errno.h>
#include <string.h>

/* Values in one object, which bounds the memory for its tree.  The largest object that an API server
 * takes, 1.5 MiB of EndpointSlice, has a tenth of it. */
#define MAX_VALUES 500000u
#define LIKELY_SIZE 16384u /* of the tree of an object */

/* ---- what is worth keeping ---- */

static bool
ends_with(const char *s, size_t len, const char *end)
{
	size_t n = strlen(end);

	return len >= n && memcmp(s + len - n, end, n) == 0;
}

/* Annotations that ask for something, by what stands before their '/': those of our own world, and
 * of the parts of Kubernetes that say how a Service is to be served. */
static bool
annotation_counts(const char *key)
{
	static const char *const families[] = { "heraldlb.io", "cilium.io", "io.cilium",
		"metallb.io", "metallb.universe.tf", NULL };
	size_t len = strcspn(key, "/");

	for (size_t i = 0; families[i]; i++)
		if (ends_with(key, len, families[i]))
			return true;
	if (strncmp(key, "io.cilium.network.", 18) == 0) /* of Nodes, as older Ciliums write them */
		return true;
	return strncmp(key, "service.", 8) == 0 && ends_with(key, len, ".kubernetes.io");
}

static bool
is_wanted(enum json_place at, const char *key)
{
	if (at == JSON_METADATA)
		return strcmp(key, "managedFields") != 0;
	return at != JSON_ANNOTATIONS || annotation_counts(key);
}

/* ---- the text ---- */

/* Its arena is the caller's to free, also after an error. */
static int
read_tree(const char *text, size_t len, struct res_arena **arena, const struct node **root)
{
	static const struct json_keep keep = { is_wanted, MAX_VALUES };

	*arena = NULL;
	if (len > RES_MAX_JSON)
		return -EBADMSG;
	*arena = arena_new_sized(LIKELY_SIZE);
	if (!*arena)
		return -ENOMEM;
	arena_secret(*arena);
	return json_text_read(*arena, &keep, text, len, root);
}

/* One string of metadata; false: it is none, or too long for what it is. */
static bool
take_string(const struct node *meta, const char *key, char *to, size_t size)
{
	const struct node *n = tree_get(meta, key);

	*to = '\0';
	if (!n)
		return true;
	if (n->type != NODE_SCALAR || !n->quoted || n->nr >= size || strlen(n->text) != n->nr)
		return false;
	memcpy(to, n->text, n->nr + 1);
	return true;
}

static int
take_head(const struct node *root, struct res_json_head *head)
{
	const struct node *meta = tree_get(root, "metadata");

	if (!meta || meta->type != NODE_MAP ||
	    !take_string(meta, "namespace", head->ns, sizeof(head->ns)) ||
	    !take_string(meta, "name", head->name, sizeof(head->name)) ||
	    !take_string(meta, "uid", head->uid, sizeof(head->uid)) ||
	    !take_string(
		meta, "resourceVersion", head->resource_version, sizeof(head->resource_version)))
		return -EBADMSG;
	return 0;
}

int
res_json_head(const char *text, size_t len, struct res_json_head *head)
{
	const struct node *root;
	struct res_arena *arena;
	int err = read_tree(text, len, &arena, &root);

	if (!err)
		err = take_head(root, head);
	arena_free(arena);
	return err;
}

static int
decode(const char *api_version, const char *kind, const struct node *root, struct res_set *out,
    struct res_faults *faults)
{
	struct loader l = { .file = "", .out = out, .faults = faults, .lenient = true };
	size_t first = faults->nr;
	int err = document_load(&l, root, api_version, kind);

	fault_sort(faults, first);
	if (err)
		return err;
	return l.refused ? -EINVAL : 0;
}

int
res_decode_json(const char *api_version, const char *kind, const char *text, size_t len,
    struct res_set *out, struct res_faults *faults, struct res_json_head *head)
{
	struct res_json_head mine;
	const struct node *root;
	struct res_arena *arena;
	int err = read_tree(text, len, &arena, &root);

	if (!err)
		err = take_head(root, &mine);
	if (!err)
		err = decode(api_version, kind, root, out, faults);
	if (!err || err == -EINVAL)
		*head = mine;
	arena_free(arena);
	return err;
}
