/*
 * resource/tree.c: looking at document trees; see tree.h.
 */
#include "resource/tree.h"

#include <string.h>

const struct node *
tree_get(const struct node *n, const char *key)
{
	if (!n || n->type != NODE_MAP)
		return NULL;
	for (size_t i = 0; i < n->nr; i++)
		if (strcmp(n->entries[i].key->text, key) == 0)
			return n->entries[i].value;
	return NULL;
}

const char *
tree_text(const struct node *n, const char *key)
{
	const struct node *value = tree_get(n, key);

	return value && value->type == NODE_SCALAR ? value->text : NULL;
}

const char *
tree_type_name(const struct node *n)
{
	switch ((enum node_type)n->type) {
	case NODE_NULL:
		return "null";
	case NODE_MAP:
		return "a map";
	case NODE_LIST:
		return "a list";
	case NODE_SCALAR:
		break;
	}
	return n->quoted ? "a string" : "a plain value";
}
