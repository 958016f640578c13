/*
 * tools/heraldctl/render_bfd.c: the answer of `bfd sessions` as a table.
 */
#include "tools/heraldctl/render.h"

#include "lib/buf.h"
#include "lib/text.h"
#include "tools/heraldctl/answer.h"

static void
put_ms(struct text_table *t, const json_t *o, const char *key)
{
	if (answer_int(o, key))
		text_cellf(t, "%lldms", (long long)answer_int(o, key));
	else
		text_cell(t, "");
}

void
render_bfd(const json_t *data, struct buf *out)
{
	static const char *const head[] = { "PEER", "INTERFACE", "STATE", "SINCE", "DETECT", "TX",
		"RX", "UPS", "DOWNS", "DIAGNOSTIC", NULL };
	const json_t *list = json_object_get(data, "sessions"), *o;
	struct text_table *t = text_table_new(head);
	const char *diag;
	char age[24];
	size_t i;

	json_array_foreach(list, i, o)
	{
		diag = answer_str(o, "diagnostic");
		text_cellf(t, "%s%s", answer_str(o, "peerAddress"),
		    answer_is(o, "multihop") ? " (multihop)" : "");
		text_cell(t, answer_str(o, "interface"));
		text_cell(t, answer_str(o, "state"));
		text_cell(t, answer_age(o, "sinceSeconds", age, sizeof(age)));
		put_ms(t, o, "detectTimeMs");
		put_ms(t, o, "transmitIntervalMs");
		put_ms(t, o, "receiveIntervalMs");
		text_cellf(t, "%lld", (long long)answer_int(o, "ups"));
		text_cellf(t, "%lld", (long long)answer_int(o, "downs"));
		text_cell(t, diag);
	}
	text_table_print(t, out);
	text_table_free(t);
	json_array_foreach(list, i, o)
	{
		if (*answer_str(o, "message"))
			buf_printf(out, "\n%s: %s\n", answer_str(o, "peerAddress"),
			    answer_str(o, "message"));
	}
	if (*answer_str(data, "error"))
		buf_printf(out, "\n%s\n", answer_str(data, "error"));
}
