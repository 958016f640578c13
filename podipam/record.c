/*
 * podipam/record.c: see record.h.
 */
#include "podipam/record.h"

#include "lib/buf.h"
#include "lib/mem.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LINE_MAX_LEN 8192 /* more than the longest that we write */
#define SUM_LEN 8

static uint32_t
crc32_of(const char *p, size_t len)
{
	uint32_t crc = 0xffffffffu;

	for (size_t i = 0; i < len; i++) {
		crc ^= (uint8_t)p[i];
		for (int k = 0; k < 8; k++)
			crc = crc >> 1 ^ (0xedb88320u & -(crc & 1));
	}
	return ~crc;
}

/* ---- writing ---- */

/* Takes @root. */
static void
add_line(struct buf *b, json_t *root)
{
	char *text = json_dumps(root, JSON_COMPACT | JSON_ENSURE_ASCII);

	json_decref(root);
	if (!text) {
		b->failed = true;
		return;
	}
	buf_printf(b, "%08x %s\n", crc32_of(text, strlen(text)), text);
	free(text);
}

/* A string as it is; what is no UTF-8 becomes "". */
static json_t *
string_of(const char *text)
{
	json_t *s = json_string(text);

	return s ? s : json_string("");
}

static json_t *
given_json(const struct podipam_given *g)
{
	char addr[ADDR_STRLEN], gateway[ADDR_STRLEN];
	json_t *o = json_object();

	json_object_set_new(
	    o, "address", json_sprintf("%s/%u", addr_format(&g->addr, addr, sizeof(addr)), g->len));
	json_object_set_new(
	    o, "gateway", json_string(addr_format(&g->gateway, gateway, sizeof(gateway))));
	json_object_set_new(o, "pool", string_of(g->pool));
	return o;
}

void
record_add(struct buf *b, const struct lease *l)
{
	const struct podipam_owner *w = &l->l.owner;
	json_t *o = json_object(), *ips = json_array();

	json_object_set_new(o, "op", json_string("add"));
	json_object_set_new(o, "container", string_of(w->container));
	json_object_set_new(o, "ifname", string_of(w->ifname));
	json_object_set_new(o, "network", string_of(w->network));
	json_object_set_new(o, "netns", string_of(w->netns));
	json_object_set_new(o, "namespace", string_of(w->pod_ns));
	json_object_set_new(o, "pod", string_of(w->pod_name));
	if (l->ns.ino)
		json_object_set_new(o, "seen",
		    json_pack("[I, I, I]", (json_int_t)l->ns.dev, (json_int_t)l->ns.ino,
			(json_int_t)l->ns.anchor));
	json_object_set_new(o, "since", json_integer(l->l.since));
	for (unsigned i = 0; i < l->l.nr; i++)
		json_array_append_new(ips, given_json(&l->l.v[i]));
	json_object_set_new(o, "ips", ips);
	add_line(b, o);
}

void
record_del(struct buf *b, const char *container, const char *ifname)
{
	json_t *o = json_object();

	json_object_set_new(o, "op", json_string("del"));
	json_object_set_new(o, "container", string_of(container));
	json_object_set_new(o, "ifname", string_of(ifname));
	add_line(b, o);
}

void
record_boot(struct buf *b, const char *boot_id)
{
	json_t *o = json_object();

	json_object_set_new(o, "op", json_string("boot"));
	json_object_set_new(o, "id", string_of(boot_id));
	add_line(b, o);
}

/* ---- reading ---- */

static const char *
text_of(const json_t *o, const char *key)
{
	const char *text = json_string_value(json_object_get(o, key));

	return text ? text : "";
}

/* "10.0.0.5/24" keeps its host bits. */
static bool
parse_with_len(const char *text, struct addr *addr, uint8_t *len)
{
	const char *slash = strchr(text, '/');
	char bare[ADDR_STRLEN];
	struct prefix p;

	if (!slash || (size_t)(slash - text) >= sizeof(bare) || prefix_parse(text, &p, NULL) < 0)
		return false;
	snprintf(bare, sizeof(bare), "%.*s", (int)(slash - text), text);
	*len = p.len;
	return addr_parse(bare, addr) == 0;
}

static bool
given_read(const json_t *o, struct podipam_given *g)
{
	g->pool = text_of(o, "pool");
	return strlen(g->pool) <= PODIPAM_NAME_MAX &&
	    parse_with_len(text_of(o, "address"), &g->addr, &g->len) &&
	    addr_parse(text_of(o, "gateway"), &g->gateway) == 0;
}

static uint64_t
number_at(const json_t *list, size_t i)
{
	return (uint64_t)json_integer_value(json_array_get(list, i));
}

/* The later line is right: that the address was given back stood in one that cannot be read. */
static void
drop_holders(struct leases *t, const struct podipam_lease *from)
{
	for (unsigned i = 0; i < from->nr; i++) {
		const struct lease *holder = leases_owner_of(t, &from->v[i].addr);

		if (holder)
			leases_drop(
			    t, leases_find(t, holder->l.owner.container, holder->l.owner.ifname));
	}
}

static bool
apply_add(struct leases *t, const json_t *o, const char *line, size_t len)
{
	const json_t *ips = json_object_get(o, "ips"), *seen = json_object_get(o, "seen");
	struct podipam_lease from = {
		.owner = {
			.container = text_of(o, "container"),
			.ifname = text_of(o, "ifname"),
			.network = text_of(o, "network"),
			.netns = text_of(o, "netns"),
			.pod_ns = text_of(o, "namespace"),
			.pod_name = text_of(o, "pod"),
		},
		.since = json_integer_value(json_object_get(o, "since")),
	};
	struct lease *l;

	if (json_array_size(ips) < 1 || json_array_size(ips) > 2)
		return false;
	for (; from.nr < json_array_size(ips); from.nr++)
		if (!given_read(json_array_get(ips, from.nr), &from.v[from.nr]))
			return false;
	if (leases_owner_is_good(&from.owner))
		drop_holders(t, &from);
	if (leases_put(t, &from, &l) != PODIPAM_OK)
		return false;
	l->ns = (struct ns_id){ number_at(seen, 0), number_at(seen, 1), number_at(seen, 2) };
	l->line = xstrndup(line, len);
	l->line_len = len;
	return true;
}

static void
drop_all(struct replay *r, struct leases *t)
{
	struct lease *l, *next;

	HASH_ITER(hh, t->leases, l, next)
	{
		if (r->dropped)
			r->dropped(r->arg, &l->l);
		leases_drop(t, l);
		r->nr_other_boot++;
	}
}

/* Does the line say its own sum, just as we write it? */
static bool
sum_is_right(const char *line, size_t len)
{
	char sum[SUM_LEN + 2];

	if (len < SUM_LEN + 3 || len > LINE_MAX_LEN)
		return false;
	snprintf(sum, sizeof(sum), "%08x ", crc32_of(line + SUM_LEN + 1, len - SUM_LEN - 2));
	return memcmp(line, sum, SUM_LEN + 1) == 0;
}

/* @line with its line end. */
static bool
apply(struct replay *r, struct leases *t, const char *line, size_t len)
{
	const char *op;
	struct lease *l;
	json_t *o;
	bool good = true;

	if (!sum_is_right(line, len))
		return false;
	o = json_loadb(line + SUM_LEN + 1, len - SUM_LEN - 2, 0, NULL);
	op = text_of(o, "op");
	if (strcmp(op, "add") == 0) {
		good = apply_add(t, o, line, len);
	} else if (strcmp(op, "del") == 0) {
		l = leases_find(t, text_of(o, "container"), text_of(o, "ifname"));
		if (l)
			leases_drop(t, l);
	} else if (strcmp(op, "boot") == 0) {
		r->other_boot = *r->boot_id && strcmp(text_of(o, "id"), r->boot_id) != 0;
	} else {
		good = false;
	}
	json_decref(o);
	return good;
}

void
record_replay(struct replay *r, struct leases *t, const char *text, size_t len)
{
	size_t at = 0;

	while (at < len) {
		const char *end = memchr(text + at, '\n', len - at);
		const size_t line = end ? (size_t)(end - text) + 1 - at : len - at;

		r->nr_lines++;
		if (end && apply(r, t, text + at, line))
			r->good = at + line;
		else
			r->nr_bad++;
		at += line;
	}
	if (r->other_boot)
		drop_all(r, t);
}
