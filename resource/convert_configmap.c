/*
 * resource/convert_configmap.c: the configuration of MetalLB before 0.13, the value "config" of a
 * ConfigMap: YAML in YAML.  Made into the documents that came after it, at the places where it
 * stands in the file, so that all that is said of those holds.
 */
#include "resource/converter.h"

#include "resource/arena.h"
#include "resource/fault.h"

#include "lib/mem.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define API "metallb.io/v1beta1"

struct reader {
	struct convert *convert;
	struct res_arena *arena;
	const char *ns;
	unsigned line, column; /* to be added */
	struct node nowhere;   /* stands for one that there is no memory for */
	int err;
};

/* ---- building ---- */

static struct node *
node_new(struct reader *r, enum node_type type, const struct node *at)
{
	struct node *n = arena_alloc(r->arena, sizeof(*n));

	if (!n) {
		r->err = -ENOMEM;
		return &r->nowhere;
	}
	*n = (struct node){
		.type = (uint8_t)type, .line = at->line, .column = at->column, .weight = 1
	};
	return n;
}

static const struct node *
text(struct reader *r, const char *s, const struct node *at)
{
	struct node *n = node_new(r, NODE_SCALAR, at);

	n->quoted = true;
	n->text = arena_strdup(r->arena, s);
	n->nr = strlen(s);
	if (!n->text)
		r->err = -ENOMEM;
	return n;
}

/* A map with room for @max entries. */
static struct node *
map(struct reader *r, size_t max, const struct node *at)
{
	struct node *n = node_new(r, NODE_MAP, at);

	n->entries = arena_array(r->arena, max, sizeof(struct node_entry));
	if (!n->entries)
		r->err = -ENOMEM;
	return n;
}

static void
put(struct reader *r, struct node *to, const char *key, const struct node *value)
{
	struct node_entry *e;

	if (r->err)
		return;
	e = (struct node_entry *)(uintptr_t)&to->entries[to->nr];
	e->key = text(r, key, value);
	e->value = value;
	to->nr++;
}

static const struct node *
list_of(struct reader *r, const struct node *one)
{
	const struct node **items = arena_array(r->arena, 1, sizeof(const struct node *));
	struct node *n = node_new(r, NODE_LIST, one);

	if (!items) {
		r->err = -ENOMEM;
		return n;
	}
	items[0] = one;
	n->items = items;
	n->nr = 1;
	return n;
}

/* ---- names: my-asn was called so before it was myASN ---- */

static void
camel(const char *from, char *to, size_t size)
{
	static const char *const odd[][2] = { { "my-asn", "myASN" }, { "peer-asn", "peerASN" },
		{ "router-id", "routerID" }, { "ebgp-multihop", "ebgpMultiHop" },
		{ "localpref", "localPref" }, { "avoid-buggy-ips", "avoidBuggyIPs" },
		{ "aggregation-length-v6", "aggregationLengthV6" } };
	bool up = false;
	size_t n = 0;

	for (size_t i = 0; i < sizeof(odd) / sizeof(odd[0]); i++)
		if (strcmp(odd[i][0], from) == 0) {
			snprintf(to, size, "%s", odd[i][1]);
			return;
		}
	for (; *from && n + 1 < size; from++) {
		if (*from == '-') {
			up = true;
			continue;
		}
		to[n++] = up && *from >= 'a' && *from <= 'z' ? (char)(*from - 'a' + 'A') : *from;
		up = false;
	}
	to[n] = '\0';
}

/* A key at its place in the file, called @name.  Keys have a text whatever they are. */
static const struct node *
copy_key(struct reader *r, const struct node *from, const char *name)
{
	struct node *n = node_new(r, NODE_SCALAR, from);

	n->line += r->line;
	n->column += r->column;
	n->quoted = true;
	n->duplicate = from->duplicate;
	n->text = arena_strdup(r->arena, name);
	n->nr = strlen(name);
	if (!n->text)
		r->err = -ENOMEM;
	return n;
}

/* A copy at its place in the file, with names as they are now; but those of labels stay. */
static const struct node *
copy(struct reader *r, const struct node *from, bool rename)
{
	struct node *n = node_new(r, (enum node_type)from->type, from);
	const struct node **items;
	struct node_entry *e;
	char name[128];

	n->line += r->line;
	n->column += r->column;
	n->quoted = from->quoted;
	n->duplicate = from->duplicate;
	n->nr = from->nr;
	if (r->err || from->type == NODE_NULL)
		return n;
	if (from->type == NODE_SCALAR) {
		n->text = arena_strndup(r->arena, from->text, from->nr);
		r->err = n->text ? r->err : -ENOMEM;
	} else if (from->type == NODE_LIST) {
		n->items = items = arena_array(r->arena, n->nr, sizeof(const struct node *));
		r->err = items ? r->err : -ENOMEM;
		for (size_t i = 0; i < n->nr && !r->err; i++)
			items[i] = copy(r, from->items[i], rename);
	} else {
		n->entries = e = arena_array(r->arena, n->nr, sizeof(*e));
		r->err = e ? r->err : -ENOMEM;
		for (size_t i = 0; i < n->nr && !r->err; i++) {
			const struct node *key = from->entries[i].key;

			camel(key->text, name, sizeof(name));
			e[i].key = copy_key(r, key, rename ? name : key->text);
			e[i].value = copy(
			    r, from->entries[i].value, rename && strcmp(name, "matchLabels") != 0);
		}
	}
	return n;
}

/* ---- documents ---- */

/* A document of @kind whose spec is @from without the fields of @but; "" names are left out. */
static struct node *
document(struct reader *r, const char *kind, const char *name, const struct node *at)
{
	struct node *doc = map(r, 4, at), *meta = map(r, 2, at);

	put(r, doc, "apiVersion",
	    text(r, strcmp(kind, "BGPPeer") == 0 ? "metallb.io/v1beta2" : API, at));
	put(r, doc, "kind", text(r, kind, at));
	put(r, meta, "name", text(r, name, at));
	put(r, meta, "namespace", text(r, r->ns, at));
	put(r, doc, "metadata", meta);
	return doc;
}

static struct node *
spec_without(struct reader *r, const struct node *from, const char *const *but)
{
	struct node *spec = map(r, from->nr + 1, from);

	for (size_t i = 0; from->type == NODE_MAP && i < from->nr && !r->err; i++) {
		const char *key = from->entries[i].key->text;
		size_t k = 0;

		while (but[k] && strcmp(but[k], key) != 0)
			k++;
		if (!but[k])
			((struct node_entry *)(uintptr_t)spec->entries)[spec->nr++] =
			    from->entries[i];
	}
	return spec;
}

static void
finish(struct reader *r, struct node *doc, const struct node *spec)
{
	put(r, doc, "spec", spec);
	if (!r->err)
		r->err = convert_foreign(r->convert, doc);
}

/* What it is called, or a name by its number. */
static const char *
name_of(const struct node *n, const char *what, size_t number, char *buf, size_t size)
{
	const char *name = tree_text(n, "name");

	if (name && *name)
		return name;
	snprintf(buf, size, "%s-%zu", what, number + 1);
	return buf;
}

static void
do_peer(struct reader *r, const struct node *n, size_t number)
{
	static const char *const but[] = { "name", NULL };
	char buf[32];

	finish(r, document(r, "BGPPeer", name_of(n, "peer", number, buf, sizeof(buf)), n),
	    spec_without(r, n, but));
}

static void
do_bfd_profile(struct reader *r, const struct node *n, size_t number)
{
	static const char *const but[] = { "name", NULL };
	char buf[32];

	finish(r, document(r, "BFDProfile", name_of(n, "bfd", number, buf, sizeof(buf)), n),
	    spec_without(r, n, but));
}

static void
announce(struct reader *r, const char *kind, const char *pool, size_t number, const struct node *n)
{
	static const char *const but[] = { NULL };
	struct node *spec = spec_without(r, n, but);
	char name[300];

	if (number)
		snprintf(name, sizeof(name), "%s-%zu", pool, number);
	else
		snprintf(name, sizeof(name), "%s", pool);
	put(r, spec, "ipAddressPools", list_of(r, text(r, pool, n)));
	finish(r, document(r, kind, name, n), spec);
}

static void
do_pool(struct reader *r, const struct node *n, size_t number)
{
	static const char *const but[] = { "name", "protocol", "bgpAdvertisements", NULL };
	const struct node *adverts = tree_get(n, "bgpAdvertisements");
	const char *protocol = tree_text(n, "protocol"), *name;
	bool bgp = protocol && strcmp(protocol, "bgp") == 0;
	struct node *plain = map(r, 1, n);
	char buf[32];

	name = name_of(n, "pool", number, buf, sizeof(buf));
	finish(r, document(r, "IPAddressPool", name, n), spec_without(r, n, but));
	if (bgp && adverts && adverts->type == NODE_LIST && adverts->nr)
		for (size_t i = 0; i < adverts->nr && !r->err; i++)
			announce(r, "BGPAdvertisement", name, i, adverts->items[i]);
	else
		announce(r, bgp ? "BGPAdvertisement" : "L2Advertisement", name, 0, plain);
}

/* A map of names to values was what is a list now. */
static void
do_communities(struct reader *r, const struct node *n)
{
	struct node *doc = document(r, "Community", "communities", n), *spec = map(r, 1, n);
	struct node *list = node_new(r, NODE_LIST, n), *one;
	const struct node **items = arena_array(r->arena, n->nr, sizeof(const struct node *));

	if (!items || r->err) {
		r->err = -ENOMEM;
		return;
	}
	list->items = items;
	for (; list->nr < n->nr && !r->err; list->nr++) {
		const struct node_entry *e = &n->entries[list->nr];

		one = map(r, 2, e->key);
		/* renamed as a field, which it is none of: as it was */
		put(r, one, "name", e->key);
		put(r, one, "value", e->value);
		items[list->nr] = one;
	}
	put(r, spec, "communities", list);
	finish(r, doc, spec);
}

static int
unknown(struct reader *r, const struct node *key)
{
	struct fault_place at = { r->convert->file, key->line, key->column, "ConfigMap/config",
		key->text, false };

	return fault_add(&r->convert->faults, &at,
	    "unknown field; there are peers, bgp-communities, address-pools, bfd-profiles");
}

static void
each(struct reader *r, const struct node *list,
    void (*one)(struct reader *, const struct node *, size_t))
{
	for (size_t i = 0; list->type == NODE_LIST && i < list->nr && !r->err; i++)
		one(r, list->items[i], i);
}

static int
on_config(void *arg, const struct node *root, unsigned number)
{
	struct reader *r = arg;

	(void)number;
	for (size_t i = 0; root && root->type == NODE_MAP && i < root->nr && !r->err; i++) {
		const struct node *key = root->entries[i].key, *from = root->entries[i].value;
		const struct node *value;

		if (strcmp(key->text, "bgp-communities") == 0 && from->type == NODE_MAP) {
			value = copy(r, from, false);
			if (!r->err)
				do_communities(r, value);
			continue;
		}
		value = copy(r, from, true);
		if (r->err)
			break;
		if (strcmp(key->text, "peers") == 0)
			each(r, value, do_peer);
		else if (strcmp(key->text, "address-pools") == 0)
			each(r, value, do_pool);
		else if (strcmp(key->text, "bfd-profiles") == 0)
			each(r, value, do_bfd_profile);
		else
			r->err = unknown(r, copy_key(r, key, key->text));
	}
	return r->err;
}

/* How far the lines below line @line of the text are indented; 0: they are not. */
static unsigned
indent_below(const struct convert *c, unsigned line)
{
	const char *p = c->text, *end = c->text + c->len;

	while (line && p < end)
		line -= *p++ == '\n';
	while (p < end && *p == '\n')
		p++;
	return (unsigned)strspn(p, " ");
}

int
convert_configmap(struct convert *c, const struct node *meta, const struct node *config)
{
	struct reader r = { .convert = c, .arena = arena_new(), .line = config->line };
	struct tree_reader rd = { c->file, &c->faults, on_config, &r };
	const char *ns = tree_text(meta, "namespace");
	size_t first = c->faults.nr;
	int err;

	if (!r.arena)
		return -ENOMEM;
	r.ns = ns ? ns : "metallb-system";
	r.column = indent_below(c, config->line);
	if (strchr(config->text, '\n') == NULL) { /* not a block: all in one line */
		r.line = config->line - 1;
		r.column = config->column;
	}
	err = yaml_read(&rd, config->text, config->nr);
	/* Faults of the syntax know only the lines of the value. */
	for (size_t i = first; i < c->faults.nr; i++)
		if (strcmp(c->faults.v[i].field, "yaml") == 0) {
			c->faults.v[i].line += r.line;
			c->faults.v[i].column += r.column;
		}
	arena_free(r.arena);
	return err;
}
