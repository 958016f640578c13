/*
 * ipam/tree.c: the treap under the allocator's sets: taken addresses, claims by owner, claims that
 * wait.
 */
#include "ipam/tree.h"

#include "lib/hash.h"

void
tree_init(struct tree *t, tree_cmp *cmp)
{
	*t = (struct tree){ .cmp = cmp };
}

static void
recount(struct tree_node *n)
{
	n->count = (uint32_t)(1 + tree_count(n->left) + tree_count(n->right));
}

/* Put @n where @old hangs below @up. */
static void
hang(struct tree *t, struct tree_node *up, const struct tree_node *old, struct tree_node *n)
{
	if (!up)
		t->root = n;
	else if (up->left == old)
		up->left = n;
	else
		up->right = n;
	if (n)
		n->up = up;
}

/* @n changes places with its parent; the order of keys stays. */
static void
rotate_up(struct tree *t, struct tree_node *n)
{
	struct tree_node *p = n->up;

	hang(t, p->up, p, n);
	if (p->left == n) {
		p->left = n->right;
		if (p->left)
			p->left->up = p;
		n->right = p;
	} else {
		p->right = n->left;
		if (p->right)
			p->right->up = p;
		n->left = p;
	}
	p->up = n;
	recount(p);
	recount(n);
}

void
tree_insert(struct tree *t, struct tree_node *n)
{
	struct tree_node **at = &t->root, *up = NULL;

	while (*at) {
		up = *at;
		up->count++;
		at = t->cmp(n, up) < 0 ? &up->left : &up->right;
	}
	*n = (struct tree_node){ .up = up, .count = 1 };
	n->rank = (uint32_t)hash_mix(++t->seed) | 1;
	*at = n;
	while (n->up && n->up->rank < n->rank)
		rotate_up(t, n);
}

void
tree_remove(struct tree *t, struct tree_node *n)
{
	struct tree_node *up;

	while (n->left && n->right)
		rotate_up(t, n->left->rank > n->right->rank ? n->left : n->right);
	hang(t, n->up, n, n->left ? n->left : n->right);
	for (up = n->up; up; up = up->up)
		up->count--;
	*n = (struct tree_node){ 0 };
}

struct tree_node *
tree_find(const struct tree *t, const struct tree_node *key)
{
	struct tree_node *n = t->root;
	int c;

	while (n) {
		c = t->cmp(key, n);
		if (c == 0)
			break;
		n = c < 0 ? n->left : n->right;
	}
	return n;
}

struct tree_node *
tree_behind(const struct tree *t, const struct tree_node *key)
{
	struct tree_node *n = t->root, *best = NULL;
	bool behind;

	while (n) {
		behind = t->cmp(key, n) < 0;
		if (behind)
			best = n;
		n = behind ? n->left : n->right;
	}
	return best;
}

struct tree_node *
tree_first(const struct tree *t)
{
	struct tree_node *n = t->root;

	while (n && n->left)
		n = n->left;
	return n;
}

struct tree_node *
tree_next(const struct tree_node *n)
{
	if (n->right) {
		n = n->right;
		while (n->left)
			n = n->left;
		return (struct tree_node *)n;
	}
	while (n->up && n->up->right == n)
		n = n->up;
	return n->up;
}
