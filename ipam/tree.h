/*
 * ipam/tree.h: an ordered tree for the allocator: intrusive nodes, expected O(log n), and every
 * node knows how many stand below it, so that "how many are less than this" costs O(log n) too.
 * A treap: a binary search tree by key that is a heap by a random number.
 */
#ifndef HERALD_IPAM_TREE_H
#define HERALD_IPAM_TREE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Embed it; all zero is "in no tree". */
struct tree_node {
	struct tree_node *left, *right, *up;
	uint32_t rank;	/* the heap's order; 0: in no tree */
	uint32_t count; /* nodes of the subtree, this one included */
};

typedef int tree_cmp(const struct tree_node *, const struct tree_node *);

struct tree {
	struct tree_node *root;
	tree_cmp *cmp;
	uint64_t seed;
};

#define TREE_ENTRY(node, type, member) ((type *)((char *)(node)-offsetof(type, member)))

static inline bool
tree_has(const struct tree_node *n)
{
	return n->rank != 0;
}

static inline size_t
tree_count(const struct tree_node *n)
{
	return n ? n->count : 0;
}

void tree_init(struct tree *, tree_cmp *);
/* No other node in the tree may compare equal. */
void tree_insert(struct tree *, struct tree_node *);
void tree_remove(struct tree *, struct tree_node *);
/* The node that compares equal to @key, or NULL. */
struct tree_node *tree_find(const struct tree *, const struct tree_node *key);
/* The first one behind @key, which need not be in the tree; or NULL. */
struct tree_node *tree_behind(const struct tree *, const struct tree_node *key);
struct tree_node *tree_first(const struct tree *);
struct tree_node *tree_next(const struct tree_node *);

#endif
