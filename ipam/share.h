/*
 * ipam/share.h: who may be on one address with whom.  The part of a claim that says so, and the
 * rules; no addresses.
 */
#ifndef HERALD_IPAM_SHARE_H
#define HERALD_IPAM_SHARE_H

#include <stdbool.h>
#include <stddef.h>

#include "ipam/ipam.h"
#include "ipam/tree.h"

/* A sharing key, while a claim names it or an address is its. */
struct group {
	struct tree_node by_key;
	size_t refs;
	struct tree spots;   /* addresses that are held with this key */
	struct tree waiting; /* claims of the key that lack something, by turn */
	char *key;
};

/* All zero: shares with nobody. */
struct share {
	struct group *group;
	bool any_ns, local;
	char **friends; /* namespaces that it consents to */
	size_t nr_friends;
	struct ipam_port *ports; /* in order, each once */
	size_t nr_ports;
	char *selector;
};

void groups_init(struct tree *);
struct group *group_ref_key(struct tree *groups, const char *key); /* NULL: out of memory */
void group_ref(struct group *);
void group_unref(struct tree *groups, struct group *); /* NULL is fine */

/* -ENOMEM; then @s is still fit for share_fini(). */
int share_make(struct tree *groups, const struct ipam_sharing *from, struct share *s);
void share_fini(struct tree *groups, struct share *);
bool share_same(const struct share *, const struct share *);
/* Why the two owners may not be on one address; REASON_SATISFIED: they may. */
enum reason share_refuses(
    const struct share *a, const char *owner_a, const struct share *b, const char *owner_b);
/* Are both of one namespace, which is an owner's part before the slash? */
bool share_same_ns(const char *owner_a, const char *owner_b);

#endif
