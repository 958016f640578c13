/*
 * tools/heraldctl/render_lb.c: the load balancer's answers as tables, with the columns of cilium-dbg
 * where it has them.
 */
#include "tools/heraldctl/render.h"

#include "lib/buf.h"
#include "lib/text.h"
#include "tools/heraldctl/answer.h"

#include <string.h>

static void
print_free(struct text_table *t, struct buf *out)
{
	text_table_print(t, out);
	text_table_free(t);
}

static void
cell_int(struct text_table *t, const json_t *obj, const char *key)
{
	const json_t *v = json_object_get(obj, key);

	if (json_is_integer(v))
		text_cellf(t, "%lld", (long long)json_integer_value(v));
	else
		text_cell(t, "");
}

static void
put_words(struct buf *b, const json_t *list)
{
	const json_t *v;
	size_t i;

	json_array_foreach(list, i, v)
	    buf_printf(b, "%s%s", i ? ", " : "", json_is_string(v) ? json_string_value(v) : "");
}

/* ---- lb list ---- */

/* Slot 0 is the frontend itself, as in Cilium's maps. */
static void
slot_zero(struct text_table *t, const json_t *f)
{
	const bool v6 = *answer_str(f, "address") == '[';
	struct buf b;

	buf_init(&b, 1 << 16);
	buf_printf(
	    &b, "%s (%lld) (0) [", v6 ? "[::]:0" : "0.0.0.0:0", (long long)answer_int(f, "id"));
	put_words(&b, json_object_get(f, "flags"));
	buf_puts(&b, "]");
	text_cellf(t, "%s (0)", answer_str(f, "address"));
	text_cell(t, buf_text(&b));
	buf_fini(&b);
}

static void
list_frontends(const json_t *list, struct buf *out)
{
	static const char *const head[] = { "SERVICE ADDRESS", "BACKEND ADDRESS (REVNAT_ID) (SLOT)",
		NULL };
	struct text_table *t = text_table_new(head);
	const json_t *f, *b;
	size_t i, j;

	json_array_foreach(list, i, f)
	{
		slot_zero(t, f);
		json_array_foreach(json_object_get(f, "backends"), j, b)
		{
			const char *state = answer_str(b, "state");
			const bool plain = !*state || strcmp(state, "active") == 0;

			text_cellf(t, "%s (%zu)", answer_str(f, "address"), j + 1);
			text_cellf(t, "%s (%lld) (%zu)%s%s%s", answer_str(b, "address"),
			    (long long)answer_int(f, "id"), j + 1, plain ? "" : " [",
			    plain ? "" : state, plain ? "" : "]");
		}
	}
	print_free(t, out);
}

static void
list_backends(const json_t *list, struct buf *out)
{
	static const char *const head[] = { "ID", "BACKEND ADDRESS", "STATE", "NODE", "PACKETS",
		"BYTES", "FLOWS", NULL };
	struct text_table *t = text_table_new(head);
	const json_t *b;
	size_t i;

	json_array_foreach(list, i, b)
	{
		cell_int(t, b, "id");
		text_cell(t, answer_str(b, "address"));
		text_cell(t, answer_str(b, "state"));
		text_cell(t, answer_str(b, "node"));
		cell_int(t, b, "packets");
		cell_int(t, b, "bytes");
		cell_int(t, b, "flows");
	}
	print_free(t, out);
}

static void
list_ranges(const json_t *list, struct buf *out)
{
	static const char *const head[] = { "SERVICE ADDRESS", "SOURCE RANGES", NULL };
	struct text_table *t = text_table_new(head);
	const json_t *f;
	struct buf b;
	size_t i;

	json_array_foreach(list, i, f)
	{
		text_cell(t, answer_str(f, "address"));
		buf_init(&b, 1 << 20);
		put_words(&b, json_object_get(f, "ranges"));
		text_cell(t, buf_text(&b));
		buf_fini(&b);
	}
	print_free(t, out);
}

/* What was asked for says which list is there. */
void
render_lb_list(const json_t *data, struct buf *out)
{
	if (json_object_get(data, "backends"))
		list_backends(json_object_get(data, "backends"), out);
	else if (json_object_get(data, "sourceRanges"))
		list_ranges(json_object_get(data, "sourceRanges"), out);
	else
		list_frontends(json_object_get(data, "frontends"), out);
}

/* ---- the other tables ---- */

void
render_lb_conntrack(const json_t *data, struct buf *out)
{
	static const char *const head[] = { "CLIENT", "FRONTEND", "BACKEND", "SNAT PORT", "STATE",
		"IDLE", "TIMEOUT", "SERVICE", NULL };
	struct text_table *t = text_table_new(head);
	const json_t *f;
	char age[24];
	size_t i;

	json_array_foreach(json_object_get(data, "flows"), i, f)
	{
		text_cell(t, answer_str(f, "client"));
		text_cell(t, answer_str(f, "frontend"));
		text_cell(t, answer_str(f, "backend"));
		cell_int(t, f, "snatPort");
		text_cell(t, answer_str(f, "state"));
		text_cell(t, answer_age(f, "idleSeconds", age, sizeof(age)));
		text_cell(t, answer_age(f, "timeoutSeconds", age, sizeof(age)));
		text_cell(t, answer_str(f, "service"));
	}
	print_free(t, out);
	if (answer_is(data, "limited"))
		buf_printf(out, "\nThere may be more than these %lld; --limit N shows them.\n",
		    (long long)answer_int(data, "limit"));
}

void
render_lb_maglev(const json_t *data, struct buf *out)
{
	static const char *const head[] = { "FRONTEND", "SCOPE", "SIZE", "BACKEND", "SLOTS",
		"SHARE", NULL };
	struct text_table *t = text_table_new(head);
	const json_t *table, *b;
	size_t i, j;

	json_array_foreach(json_object_get(data, "tables"), i, table)
	{
		json_array_foreach(json_object_get(table, "backends"), j, b)
		{
			text_cell(t, answer_str(table, "address"));
			text_cell(t, answer_str(table, "scope"));
			cell_int(t, table, "size");
			text_cell(t, answer_str(b, "address"));
			cell_int(t, b, "slots");
			text_cellf(
			    t, "%.2f%%", 100 * json_number_value(json_object_get(b, "share")));
		}
	}
	print_free(t, out);
}

void
render_lb_counters(const json_t *data, struct buf *out)
{
	static const char *const head[] = { "NAME", "KIND", "COUNT", "MEANING", NULL };
	struct text_table *t = text_table_new(head);
	const json_t *c;
	size_t i;

	json_array_foreach(json_object_get(data, "counters"), i, c)
	{
		text_cell(t, answer_str(c, "name"));
		text_cell(t, answer_str(c, "kind"));
		cell_int(t, c, "count");
		text_cell(t, answer_str(c, "description"));
	}
	print_free(t, out);
}

/* ---- observe: a line a record ---- */

void
render_observed(const json_t *r, struct buf *out)
{
	const char *backend = answer_str(r, "backend"), *service = answer_str(r, "service");
	const bool drop = strcmp(answer_str(r, "event"), "drop") == 0;

	if (json_object_get(r, "lost")) {
		buf_printf(out, "%lld records were lost here: this reader is too slow\n",
		    (long long)answer_int(r, "lost"));
		return;
	}
	buf_printf(out, "%s %s %s -> %s", answer_str(r, "time"), answer_str(r, "event"),
	    answer_str(r, "client"), answer_str(r, "frontend"));
	if (*backend)
		buf_printf(out, " => %s", backend);
	buf_printf(out, "%s%s (%s", *service ? " " : "", service, answer_str(r, "hook"));
	if (*answer_str(r, "interface"))
		buf_printf(out, " %s", answer_str(r, "interface"));
	if (*answer_str(r, "tcpFlags"))
		buf_printf(out, ", flags %s", answer_str(r, "tcpFlags"));
	buf_printf(out, "%s)", answer_is(r, "snat") ? ", snat" : "");
	if (drop)
		buf_printf(out, " %s: %s", answer_str(r, "reason"), answer_str(r, "message"));
	buf_puts(out, "\n");
}

/* ---- status ---- */

static void status_line(struct buf *out, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
static void
status_line(struct buf *out, const char *fmt, ...)
{
	va_list ap;

	buf_printf(out, "%-10s ", "");
	va_start(ap, fmt);
	buf_vprintf(out, fmt, ap);
	va_end(ap);
	buf_puts(out, "\n");
}

static void
status_devices(const json_t *dp, struct buf *out)
{
	const json_t *d;
	size_t i;

	json_array_foreach(json_object_get(dp, "devices"), i, d)
	{
		const char *error = answer_str(d, "error");

		status_line(out, "%s: %s%s%s%s", answer_str(d, "name"), answer_str(d, "attached"),
		    strcmp(answer_str(d, "side"), "pods") == 0 ? " (pods)" : "", *error ? ", " : "",
		    error);
	}
}

static void
status_drops(const json_t *dp, struct buf *out)
{
	json_t *drops = json_object_get(dp, "drops"), *v;
	struct buf line;
	const char *name;

	if (json_object_size(drops) == 0)
		return;
	buf_init(&line, 1 << 16);
	json_object_foreach(drops, name, v) buf_printf(
	    &line, "%s%s %lld", line.len ? ", " : "", name, (long long)json_integer_value(v));
	status_line(out, "drops: %s", buf_text(&line));
	buf_fini(&line);
}

static void
status_socket_lb(const json_t *lb, struct buf *out)
{
	const char *why = answer_str(json_object_get(lb, "socketsOfPods"), "reason");

	status_line(out, "socketLB: %s%s%s",
	    answer_is(lb, "attached") ? "attached" : "not attached",
	    *answer_str(lb, "error") ? ", " : "", answer_str(lb, "error"));
	if (*why)
		status_line(
		    out, "connected UDP sockets of pods keep a backend that is gone: %s", why);
}

void
render_status_datapath(const json_t *dp, struct buf *out)
{
	const json_t *lb = json_object_get(dp, "socketLB"),
		     *flows = json_object_get(dp, "maxFlows");

	if (!dp)
		return;
	buf_printf(out, "%-10s %s", "Datapath:", answer_str(dp, "mode"));
	if (json_object_get(dp, "loaded")) {
		buf_puts(out, answer_is(dp, "loaded") ? ", loaded" : ", not loaded");
		buf_puts(out, answer_is(dp, "adopted") ? ", took over what was there" : "");
		buf_printf(out, "; %lld services, %lld frontends, %lld backends",
		    (long long)answer_int(dp, "services"), (long long)answer_int(dp, "frontends"),
		    (long long)answer_int(dp, "backends"));
	}
	buf_puts(out, "\n");
	if (*answer_str(dp, "error"))
		status_line(out, "%s", answer_str(dp, "error"));
	status_devices(dp, out);
	if (answer_is(lb, "wanted"))
		status_socket_lb(lb, out);
	if (flows)
		status_line(out, "flows: at most %lld IPv4, %lld IPv6",
		    (long long)answer_int(flows, "ipv4"), (long long)answer_int(flows, "ipv6"));
	if (answer_int(dp, "conflicts"))
		status_line(out, "%lld frontends are another Service's already",
		    (long long)answer_int(dp, "conflicts"));
	if (answer_int(dp, "repaired"))
		status_line(out, "%lld words of the maps were found changed, and repaired",
		    (long long)answer_int(dp, "repaired"));
	status_drops(dp, out);
}
