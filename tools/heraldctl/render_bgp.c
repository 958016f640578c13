/*
 * tools/heraldctl/render_bgp.c: what is shown of BGP beyond tables of peers and routes: all of one peer,
 * monitoring stations.
 */
#include "tools/heraldctl/render.h"

#include "lib/buf.h"
#include "lib/text.h"
#include "tools/heraldctl/answer.h"

#include <stdbool.h>
#include <string.h>

/* Anything as words: yes and no, numbers, lists with commas, objects as "key value". */
static void
put_value(struct buf *out, const json_t *v)
{
	const char *key;
	const json_t *e;
	size_t i;

	if (json_is_boolean(v)) {
		buf_puts(out, json_is_true(v) ? "yes" : "no");
	} else if (json_is_string(v)) {
		buf_puts(out, json_string_value(v));
	} else if (json_is_integer(v)) {
		buf_printf(out, "%lld", (long long)json_integer_value(v));
	} else if (json_is_array(v)) {
		json_array_foreach(v, i, e)
		{
			buf_puts(out, i ? ", " : "");
			if (!json_is_array(e) && !json_is_object(e))
				put_value(out, e);
		}
	} else if (json_is_object(v)) {
		i = 0;
		json_object_foreach((json_t *)(uintptr_t)v, key, e)
		{
			buf_printf(out, "%s%s ", i++ ? ", " : "", key);
			if (!json_is_array(e) && !json_is_object(e))
				put_value(out, e);
		}
	}
}

static void
cell_value(struct text_table *t, const json_t *v)
{
	struct buf b;

	buf_init(&b, 1 << 16);
	put_value(&b, v);
	text_cell(t, v ? buf_text(&b) : "-");
	buf_fini(&b);
}

/* A row for each key that either side has. */
static void
both_ways(const char *what, const json_t *sent, const json_t *received, struct buf *out)
{
	const char *const head[] = { what, "Sent", "Received", NULL };
	struct text_table *t = text_table_new(head);
	const char *key;
	json_t *v;

	json_object_foreach((json_t *)(uintptr_t)sent, key, v)
	{
		text_cell(t, key);
		cell_value(t, v);
		cell_value(t, json_object_get(received, key));
	}
	json_object_foreach((json_t *)(uintptr_t)received, key, v)
	{
		if (json_object_get(sent, key))
			continue;
		text_cell(t, key);
		text_cell(t, "-");
		cell_value(t, v);
	}
	text_table_print(t, out);
	text_table_free(t);
}

static void
put_families(const json_t *peer, struct buf *out)
{
	static const char *const head[] = { "Family", "Received", "Accepted", "Advertised",
		"Updates In", "Updates Out", "End-of-RIB In", "End-of-RIB Out", NULL };
	static const char *const counts[] = { "received", "accepted", "advertised",
		"updatesReceived", "updatesSent" };
	struct text_table *t = text_table_new(head);
	const json_t *f;
	size_t i;

	json_array_foreach(json_object_get(peer, "families"), i, f)
	{
		text_cellf(t, "%s/%s", answer_str(f, "afi"), answer_str(f, "safi"));
		for (size_t c = 0; c < sizeof(counts) / sizeof(counts[0]); c++)
			text_cellf(t, "%lld", (long long)answer_int(f, counts[c]));
		text_cell(t, answer_is(f, "eorReceived") ? "yes" : "no");
		text_cell(t, answer_is(f, "eorSent") ? "yes" : "no");
	}
	text_table_print(t, out);
	text_table_free(t);
}

static void
put_left(const json_t *timers, const char *key, struct buf *out)
{
	if (json_is_integer(json_object_get(timers, key)))
		buf_printf(out, " (%lld s left)", (long long)answer_int(timers, key));
}

static void
put_timers(const json_t *peer, struct buf *out)
{
	const json_t *timers = json_object_get(peer, "timers");

	buf_printf(out, "  Hold time %lld s", (long long)answer_int(peer, "holdTimeSeconds"));
	put_left(timers, "holdLeftSeconds", out);
	buf_printf(out, ", keepalive %lld s", (long long)answer_int(peer, "keepaliveSeconds"));
	put_left(timers, "keepaliveLeftSeconds", out);
	buf_puts(out, "\n");
}

static void
put_note(const json_t *peer, const char *key, const char *label, struct buf *out)
{
	const json_t *n = json_object_get(peer, key);
	char age[24];

	if (n)
		buf_printf(out, "  Last NOTIFICATION %s: %s, %s ago\n", label,
		    answer_str(n, "text"), answer_age(n, "ageSeconds", age, sizeof(age)));
}

/* How it is protected: MD5, TTL, BFD. */
static void
put_transport(const json_t *peer, struct buf *out)
{
	const json_t *t = json_object_get(peer, "transport"), *bfd = json_object_get(peer, "bfd");

	buf_printf(out, "  TCP: %s, MD5 %s, TTL %lld",
	    answer_is(t, "passive") ? "passive" : "dials and is dialled",
	    answer_is(t, "md5") ? "yes" : "no", (long long)answer_int(t, "ttl"));
	if (json_object_get(t, "leastTTL"))
		buf_printf(out, ", at least %lld is taken", (long long)answer_int(t, "leastTTL"));
	buf_puts(out, "\n");
	if (bfd)
		buf_printf(out, "  BFD: %s, detect time %lld ms, diagnostic %s\n",
		    answer_str(bfd, "state"), (long long)answer_int(bfd, "detectTimeMs"),
		    answer_str(bfd, "diagnostic"));
}

static void
put_ends(const json_t *peer, struct buf *out)
{
	buf_printf(out, "  Local AS %lld, router ID %s", (long long)answer_int(peer, "localASN"),
	    answer_str(peer, "routerID"));
	if (*answer_str(peer, "localAddress"))
		buf_printf(out, ", %s port %lld", answer_str(peer, "localAddress"),
		    (long long)answer_int(peer, "localPort"));
	buf_printf(out, "\n  Peer AS %lld", (long long)answer_int(peer, "peerASN"));
	if (*answer_str(peer, "peerRouterID"))
		buf_printf(out, ", router ID %s, port %lld", answer_str(peer, "peerRouterID"),
		    (long long)answer_int(peer, "peerPort"));
	buf_puts(out, "\n");
}

static void
render_peer(const json_t *peer, struct buf *out)
{
	const json_t *caps = json_object_get(peer, "capabilities");
	const json_t *messages = json_object_get(peer, "messages");
	char age[24];

	buf_printf(out, "%s (%s), instance %s: %s", answer_str(peer, "name"),
	    answer_str(peer, "peerAddress"), answer_str(peer, "instance"),
	    answer_str(peer, "state"));
	if (strcmp(answer_str(peer, "state"), "established") == 0)
		buf_printf(out, " for %s", answer_age(peer, "uptimeSeconds", age, sizeof(age)));
	buf_puts(out, "\n");
	if (*answer_str(peer, "waitsFor"))
		buf_printf(out, "  %s\n", answer_str(peer, "waitsFor"));
	put_ends(peer, out);
	put_timers(peer, out);
	put_transport(peer, out);
	buf_printf(out, "  Flaps %lld, connections refused %lld\n",
	    (long long)answer_int(peer, "flaps"),
	    (long long)answer_int(peer, "connectionsRefused"));
	if (*answer_str(peer, "lastError"))
		buf_printf(out, "  Last end: %s, %s ago\n", answer_str(peer, "lastError"),
		    answer_age(peer, "lastErrorSeconds", age, sizeof(age)));
	put_note(peer, "lastNotificationSent", "sent", out);
	put_note(peer, "lastNotificationReceived", "received", out);
	put_families(peer, out);
	if (json_object_size(caps))
		both_ways("Capability", json_object_get(caps, "sent"),
		    json_object_get(caps, "received"), out);
	both_ways("Message", json_object_get(messages, "sent"),
	    json_object_get(messages, "received"), out);
}

void
render_bgp_details(const json_t *data, struct buf *out)
{
	const json_t *peer;
	size_t i;

	json_array_foreach(json_object_get(data, "peers"), i, peer)
	{
		buf_puts(out, i ? "\n" : "");
		render_peer(peer, out);
	}
}

void
render_bgp_bmp(const json_t *data, struct buf *out)
{
	static const char *const head[] = { "Station", "Address", "Port", "State", "Uptime",
		"Views", "Messages", "Bytes", "Queued", "Dropped", "Last Error", NULL };
	struct text_table *t = text_table_new(head);
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
		cell_value(t, json_object_get(s, "views"));
		text_cellf(t, "%lld", (long long)answer_int(s, "messages"));
		text_cellf(t, "%lld", (long long)answer_int(s, "bytes"));
		text_cellf(t, "%lld", (long long)answer_int(s, "queuedBytes"));
		text_cellf(t, "%lld", (long long)answer_int(s, "dropped"));
		text_cell(t, answer_str(s, "lastError"));
	}
	text_table_print(t, out);
	text_table_free(t);
}
