/*
 * tools/heraldctl/render_plan.c: the answer of `plan` for people: a line for each change, with what was
 * and what would be, and how many there are.
 */
#include "tools/heraldctl/render.h"

#include "lib/buf.h"
#include "lib/text.h"
#include "tools/heraldctl/answer.h"

#include <stdlib.h>
#include <string.h>

#define CELL_MAX (1u << 20)

/* "a, b" of a list of texts, or of objects by their @key; "[65000 65001]" of numbers. */
static void
put_list(struct buf *b, const json_t *list, const char *key)
{
	const json_t *v;
	size_t i;

	json_array_foreach(list, i, v)
	{
		buf_puts(b, i ? "," : "");
		if (json_is_object(v))
			buf_puts(b, answer_str(v, key));
		else if (json_is_integer(v))
			buf_printf(b, "%lld", (long long)json_integer_value(v));
		else
			buf_puts(b, json_string_value(v) ? json_string_value(v) : "[...]");
	}
}

static void
put_value(struct buf *b, const json_t *v)
{
	if (json_is_string(v))
		buf_puts(b, json_string_value(v));
	else if (json_is_integer(v))
		buf_printf(b, "%lld", (long long)json_integer_value(v));
	else if (json_is_boolean(v))
		buf_puts(b, json_is_true(v) ? "true" : "false");
	else if (json_is_array(v))
		put_list(b, v, "gateway");
	else
		buf_puts(b, "none");
}

/* Of a thing that changes: "med: none -> 10", for each field that differs. */
static void
put_fields(struct buf *b, json_t *old, json_t *new)
{
	const char *key;
	json_t *v;

	json_object_foreach(new, key, v)
	{
		if (json_equal(v, json_object_get(old, key)) || strcmp(key, "backends") == 0 ||
		    strcmp(key, "asPathText") == 0)
			continue;
		buf_printf(b, "%s%s: ", b->len ? "; " : "", key);
		put_value(b, json_object_get(old, key));
		buf_puts(b, " -> ");
		put_value(b, v);
	}
}

/* "10.0.0.1 -> 10.0.0.2": a list that was, and that is. */
static void
put_change(struct buf *b, const json_t *o, const char *key)
{
	put_list(b, json_object_get(o, "old"), key);
	if (json_object_get(o, "old") && json_object_get(o, "new"))
		buf_puts(b, " -> ");
	put_list(b, json_object_get(o, "new"), key);
}

static void
put_addresses(struct buf *b, const json_t *o)
{
	put_change(b, o, "address");
	if (json_object_get(o, "new")) {
		buf_puts(b, " from ");
		put_list(b, json_object_get(o, "new"), "pool");
	}
}

static void
put_backends(struct buf *b, const json_t *o, const char *key, char sign)
{
	const json_t *v;
	size_t i;

	json_array_foreach(json_object_get(o, key), i, v) buf_printf(b, "%s%c%s:%lld",
	    b->len ? " " : "", sign, answer_str(v, "ip"), (long long)answer_int(v, "port"));
}

/* What came or went of the smaller things; false: it is none of them. */
static bool
put_plain(struct buf *b, const char *area, const json_t *v)
{
	if (strcmp(area, "bmp") == 0) {
		buf_printf(b, "to %s port %lld, views ", answer_str(v, "address"),
		    (long long)answer_int(v, "port"));
		put_list(b, json_object_get(v, "views"), "");
	} else if (strcmp(area, "listen") == 0) {
		buf_printf(b, "for %s%s", answer_str(v, "for"),
		    strcmp(answer_str(v, "when"), "restart") == 0 ? ", after a restart" : "");
	} else if (strcmp(area, "health-check") == 0) {
		buf_printf(b, "port %lld, endpoints here: %lld", (long long)answer_int(v, "port"),
		    (long long)answer_int(v, "localEndpoints"));
	} else if (strcmp(area, "tunnel") == 0) {
		buf_printf(b, "VNI %lld, from %s", (long long)answer_int(v, "vni"),
		    answer_str(v, "local"));
	} else if (strcmp(area, "tunnel-node") == 0) {
		buf_printf(b, "via %s", answer_str(v, "gateway"));
	} else {
		return false;
	}
	return true;
}

static void
put_detail(struct buf *b, const json_t *o)
{
	json_t *old = json_object_get(o, "old"), *new = json_object_get(o, "new");
	const json_t *any = new ? new : old;
	const char *area = answer_str(o, "area");

	if (strcmp(area, "address") == 0) {
		put_addresses(b, o);
	} else if (strcmp(area, "session") == 0) {
		put_list(b, json_object_get(o, "fields"), "");
	} else if (strcmp(area, "pod-range") == 0) {
		put_change(b, o, "prefix");
	} else if (old && new) {
		put_backends(b, o, "backendsAdded", '+');
		put_backends(b, o, "backendsRemoved", '-');
		put_fields(b, old, new);
	} else if (put_plain(b, area, any)) {
		return;
	} else if (strcmp(area, "route") == 0) {
		buf_printf(b, "next hop %s", answer_str(any, "nextHop"));
	} else if (strcmp(area, "l2") == 0) {
		buf_puts(b, "on ");
		put_list(b, json_object_get(any, "interfaces"), "");
	} else if (strcmp(area, "kernel-route") == 0) {
		buf_printf(b, "%s via ", answer_str(any, "origin"));
		put_list(b, json_object_get(any, "nexthops"), "gateway");
	} else if (strcmp(area, "frontend") == 0) {
		buf_printf(b, "%s of %s, %zu backends", answer_str(any, "type"),
		    answer_str(any, "service"), json_array_size(json_object_get(any, "backends")));
	}
}

/* What it is about. */
static const char *
subject_of(const json_t *o)
{
	static const char *const keys[] = { "field", "service", "ip", "prefix", "frontend", "peer",
		"about", "station", "socket", "device", "address", "node", NULL };

	for (size_t i = 0; keys[i]; i++)
		if (*answer_str(o, keys[i]))
			return answer_str(o, keys[i]);
	return "";
}

void
render_plan(const json_t *data, struct buf *out)
{
	static const char *const head[] = { "WHAT", "CHANGE", "OF", "PEER", "DETAIL", NULL };
	const json_t *list = json_object_get(data, "changes"), *o;
	struct text_table *t;
	struct buf detail;
	size_t i;

	if (json_array_size(list) == 0) {
		buf_puts(out, "Nothing changes.\n");
		return;
	}
	t = text_table_new(head);
	json_array_foreach(list, i, o)
	{
		text_cell(t, answer_str(o, "area"));
		text_cell(t, answer_str(o, "action"));
		text_cell(t, subject_of(o));
		text_cell(
		    t, strcmp(answer_str(o, "area"), "route") == 0 ? answer_str(o, "peer") : "");
		buf_init(&detail, CELL_MAX);
		put_detail(&detail, o);
		text_cell(t, buf_text(&detail));
		buf_fini(&detail);
	}
	text_table_print(t, out);
	text_table_free(t);
	buf_printf(out, "\n%zu change%s. Nothing was changed.\n", i, i == 1 ? "" : "s");
}
