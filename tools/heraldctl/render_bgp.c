/*
 * tools/heraldctl/render_bgp.c: what is shown of BGP beyond tables of peers and routes: monitoring stations.
 */
#include "tools/heraldctl/render.h"

#include "lib/buf.h"
#include "lib/text.h"
#include "tools/heraldctl/answer.h"

#include <stdbool.h>
#include <string.h>

/* Words with something between them. */
static void
put_words(struct buf *out, const json_t *list, const char *between)
{
	const json_t *v;
	size_t i;

	json_array_foreach(list, i, v) buf_printf(
	    out, "%s%s", i ? between : "", json_is_string(v) ? json_string_value(v) : "?");
}

void
render_bgp_bmp(const json_t *data, struct buf *out)
{
	static const char *const head[] = { "Station", "Address", "Port", "State", "Uptime",
		"Views", "Messages", "Bytes", "Queued", "Dropped", "Last Error", NULL };
	struct text_table *t = text_table_new(head);
	struct buf views;
	const json_t *s;
	char age[24];
	size_t i;

	json_array_foreach(json_object_get(data, "stations"), i, s)
	{
		text_cell(t, answer_str(s, "name"));
		text_cell(t, answer_str(s, "address"));
		text_cellf(t, "%lld", (long long)answer_int(s, "port"));
		text_cell(t, answer_str(s, "state"));
		text_cell(t, answer_age(s, "uptimeSeconds", age, sizeof(age)));
		buf_init(&views, 4096);
		put_words(&views, json_object_get(s, "views"), ", ");
		text_cell(t, buf_text(&views));
		buf_fini(&views);
		text_cellf(t, "%lld", (long long)answer_int(s, "messages"));
		text_cellf(t, "%lld", (long long)answer_int(s, "bytes"));
		text_cellf(t, "%lld", (long long)answer_int(s, "queuedBytes"));
		text_cellf(t, "%lld", (long long)answer_int(s, "dropped"));
		text_cell(t, answer_str(s, "lastError"));
	}
	text_table_print(t, out);
	text_table_free(t);
}
