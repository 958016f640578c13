/*
 * tools/heraldctl/render_l2.c: the answer of `l2` as a table: who answers for which address, and whom
 * else was seen to.
 */
#include "tools/heraldctl/render.h"

#include "lib/buf.h"
#include "lib/text.h"
#include "tools/heraldctl/answer.h"

/* What is not as it should be, below the table. */
static void
put_notes(const json_t *list, struct buf *out)
{
	const json_t *o, *c;
	size_t i;
	char age[24];

	json_array_foreach(list, i, o)
	{
		c = json_object_get(o, "conflict");
		if (*answer_str(o, "message"))
			buf_printf(out, "\n%s %s: %s\n", answer_str(o, "ip"),
			    answer_str(o, "interface"), answer_str(o, "message"));
		if (c)
			buf_printf(out,
			    "\n%s %s: %s claimed the address, %s ago (%lld times, and %lld "
			    "probes)\n",
			    answer_str(o, "ip"), answer_str(o, "interface"), answer_str(c, "mac"),
			    answer_age(c, "seenSeconds", age, sizeof(age)),
			    (long long)answer_int(c, "claims"), (long long)answer_int(c, "probes"));
	}
}

/* Of the address that was asked for. */
static void
put_nodes(const json_t *list, struct buf *out)
{
	static const char *const head[] = { "NODE", "CANDIDATE", "PREFERENCE", "WHY", NULL };
	const json_t *a, *n;
	size_t i, k;

	json_array_foreach(list, i, a)
	{
		struct text_table *t = text_table_new(head);

		json_array_foreach(json_object_get(a, "nodes"), k, n)
		{
			text_cell(t, answer_str(n, "node"));
			text_cell(t, answer_is(n, "candidate") ? "yes" : "no");
			text_cellf(t, "%lld", (long long)answer_int(n, "preference"));
			text_cell(t, answer_str(n, "message"));
		}
		buf_puts(out, "\n");
		text_table_print(t, out);
		text_table_free(t);
	}
}

/* What this node thinks of the others. */
static void
put_members(const json_t *list, struct buf *out)
{
	static const char *const head[] = { "NODE", "STATE", "FOR", "HEARD", "HOLDS", "BFD",
		"WATCHED BY", NULL };
	struct text_table *t;
	const json_t *m, *w;
	size_t i, k;
	char age[24];

	if (json_array_size(list) < 2)
		return;
	t = text_table_new(head);
	json_array_foreach(list, i, m)
	{
		struct buf names;

		buf_init(&names, 1 << 16);
		json_array_foreach(json_object_get(m, "watchers"), k, w) buf_printf(
		    &names, "%s%s", k ? ", " : "", json_is_string(w) ? json_string_value(w) : "");
		text_cell(t, answer_str(m, "node"));
		text_cell(t, answer_str(m, "state"));
		text_cell(t, answer_age(m, "sinceSeconds", age, sizeof(age)));
		text_cell(t, answer_age(m, "heardSeconds", age, sizeof(age)));
		text_cellf(t, "%lld", (long long)answer_int(m, "holds"));
		text_cell(t,
		    !answer_is(m, "watched")	    ? ""
			: answer_is(m, "watchedUp") ? "up"
						    : "down");
		text_cell(t, buf_text(&names));
		buf_fini(&names);
	}
	buf_puts(out, "\n");
	text_table_print(t, out);
	text_table_free(t);
}

void
render_l2(const json_t *data, struct buf *out)
{
	static const char *const head[] = { "IP", "INTERFACE", "HOLDER", "SINCE", "ANNOUNCED",
		"ANSWERED", "SERVICE", NULL };
	const json_t *list = json_object_get(data, "announcements"), *o, *s;
	struct text_table *t = text_table_new(head);
	struct buf names;
	char age[24];
	size_t i, k;

	json_array_foreach(list, i, o)
	{
		const json_t *services = json_object_get(o, "services");

		buf_init(&names, 1 << 16);
		json_array_foreach(services, k, s) buf_printf(
		    &names, "%s%s", k ? ", " : "", json_is_string(s) ? json_string_value(s) : "");
		text_cell(t, answer_str(o, "ip"));
		text_cell(t, answer_str(o, "interface"));
		text_cell(t, answer_str(o, "holder"));
		text_cell(t, answer_age(o, "sinceSeconds", age, sizeof(age)));
		text_cell(t, answer_age(o, "announcedSeconds", age, sizeof(age)));
		if (json_object_get(o, "answered"))
			text_cellf(t, "%lld", (long long)answer_int(o, "answered"));
		else
			text_cell(t, "");
		text_cell(t, buf_text(&names));
		buf_fini(&names);
	}
	text_table_print(t, out);
	text_table_free(t);
	put_nodes(json_object_get(data, "addresses"), out);
	put_members(json_object_get(data, "nodes"), out);
	put_notes(list, out);
	if (answer_is(data, "drained"))
		buf_puts(out, "\nThis node is drained: it takes no addresses.\n");
	if (answer_is(data, "cutOff"))
		buf_puts(out,
		    "\nThis node hears neither other nodes nor the API server: it answers "
		    "for nothing.\n");
	if (*answer_str(data, "error"))
		buf_printf(out, "\n%s\n", answer_str(data, "error"));
}
