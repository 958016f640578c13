/*
 * ipam/share.c: who may be on one address with whom; see rule 5 of ipam.c.
 */
#include "ipam/share.h"

#include "ipam/claim.h"
#include "lib/mem.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* ---- groups ---- */

static const struct group *
group_of(const struct tree_node *n)
{
	return TREE_ENTRY(n, const struct group, by_key);
}

static int
by_key(const struct tree_node *a, const struct tree_node *b)
{
	return strcmp(group_of(a)->key, group_of(b)->key);
}

void
groups_init(struct tree *groups)
{
	tree_init(groups, by_key);
}

void
group_ref(struct group *g)
{
	g->refs++;
}

struct group *
group_ref_key(struct tree *groups, const char *key)
{
	struct group probe = { .key = (char *)key }, *g;
	struct tree_node *n = tree_find(groups, &probe.by_key);

	if (n) {
		g = TREE_ENTRY(n, struct group, by_key);
		g->refs++;
		return g;
	}
	g = mem_calloc(1, sizeof(*g));
	if (!g)
		return NULL;
	g->key = mem_strndup(key, strlen(key));
	if (!g->key) {
		mem_free(g);
		return NULL;
	}
	g->refs = 1;
	tree_init(&g->spots, spot_by_group);
	tree_init(&g->waiting, claim_by_group_turn);
	tree_insert(groups, &g->by_key);
	return g;
}

void
group_unref(struct tree *groups, struct group *g)
{
	if (!g || --g->refs > 0)
		return;
	tree_remove(groups, &g->by_key);
	mem_free(g->key);
	mem_free(g);
}

/* ---- what a claim says of it ---- */

static int
port_cmp(const void *x, const void *y)
{
	const struct ipam_port *a = x, *b = y;

	if (a->protocol != b->protocol)
		return a->protocol < b->protocol ? -1 : 1;
	return a->port < b->port ? -1 : a->port > b->port;
}

static int
copy_ports(const struct ipam_sharing *from, struct share *s)
{
	size_t nr = 0;

	if (from->nr_ports == 0)
		return 0;
	s->ports = mem_calloc(from->nr_ports, sizeof(*s->ports));
	if (!s->ports)
		return -ENOMEM;
	memcpy(s->ports, from->ports, from->nr_ports * sizeof(*s->ports));
	qsort(s->ports, from->nr_ports, sizeof(*s->ports), port_cmp);
	for (size_t i = 0; i < from->nr_ports; i++)
		if (nr == 0 || port_cmp(&s->ports[nr - 1], &s->ports[i]) != 0)
			s->ports[nr++] = s->ports[i];
	s->nr_ports = nr;
	return 0;
}

static int
copy_friends(const struct ipam_sharing *from, struct share *s)
{
	if (from->nr_friends == 0)
		return 0;
	s->friends = mem_calloc(from->nr_friends, sizeof(*s->friends));
	if (!s->friends)
		return -ENOMEM;
	for (size_t i = 0; i < from->nr_friends; i++) {
		s->friends[i] = mem_strndup(from->friends[i], strlen(from->friends[i]));
		if (!s->friends[i])
			return -ENOMEM;
		s->nr_friends++;
	}
	return 0;
}

int
share_make(struct tree *groups, const struct ipam_sharing *from, struct share *s)
{
	const char *selector = from->selector ? from->selector : "";
	int err;

	if (!from->key || !*from->key)
		return 0;
	s->any_ns = from->any_ns;
	s->local = from->local;
	err = copy_ports(from, s);
	if (err == 0)
		err = copy_friends(from, s);
	if (err < 0)
		return err;
	s->selector = mem_strndup(selector, strlen(selector));
	s->group = s->selector ? group_ref_key(groups, from->key) : NULL;
	return s->group ? 0 : -ENOMEM;
}

void
share_fini(struct tree *groups, struct share *s)
{
	group_unref(groups, s->group);
	for (size_t i = 0; i < s->nr_friends; i++)
		mem_free(s->friends[i]);
	mem_free(s->friends);
	mem_free(s->ports);
	mem_free(s->selector);
	*s = (struct share){ 0 };
}

bool
share_same(const struct share *a, const struct share *b)
{
	if (a->group != b->group)
		return false;
	if (!a->group)
		return true;
	if (a->any_ns != b->any_ns || a->local != b->local || a->nr_friends != b->nr_friends ||
	    a->nr_ports != b->nr_ports || strcmp(a->selector, b->selector) != 0)
		return false;
	for (size_t i = 0; i < a->nr_friends; i++)
		if (strcmp(a->friends[i], b->friends[i]) != 0)
			return false;
	for (size_t i = 0; i < a->nr_ports; i++)
		if (port_cmp(&a->ports[i], &b->ports[i]) != 0)
			return false;
	return true;
}

/* ---- the rules ---- */

bool
share_same_ns(const char *a, const char *b)
{
	const size_t len = strcspn(a, "/");

	return len == strcspn(b, "/") && memcmp(a, b, len) == 0;
}

static bool
consents_to(const struct share *s, const char *owner)
{
	const size_t len = strcspn(owner, "/");

	if (s->any_ns)
		return true;
	for (size_t i = 0; i < s->nr_friends; i++)
		if (strlen(s->friends[i]) == len && memcmp(s->friends[i], owner, len) == 0)
			return true;
	return false;
}

static bool
ports_collide(const struct share *a, const struct share *b)
{
	size_t i = 0, j = 0;
	int c;

	while (i < a->nr_ports && j < b->nr_ports) {
		c = port_cmp(&a->ports[i], &b->ports[j]);
		if (c == 0)
			return true;
		if (c < 0)
			i++;
		else
			j++;
	}
	return false;
}

enum reason
share_refuses(
    const struct share *a, const char *owner_a, const struct share *b, const char *owner_b)
{
	if (!a->group || a->group != b->group)
		return REASON_SHARING_KEY;
	if (!share_same_ns(owner_a, owner_b) &&
	    (!consents_to(a, owner_b) || !consents_to(b, owner_a)))
		return REASON_SHARING_NAMESPACE;
	if (ports_collide(a, b))
		return REASON_SHARING_PORT;
	if (a->local != b->local)
		return REASON_SHARING_POLICY;
	if (a->local && (!*a->selector || strcmp(a->selector, b->selector) != 0))
		return REASON_SHARING_SELECTOR;
	return REASON_SATISFIED;
}
