/*
 * daemon/dump.c: see dump.h.
 */
#include "daemon/dump.h"

#include "daemon/app.h"
#include "lib/mem.h"
#include "lib/text.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define SECONDS_MAX 86400

struct dumping {
	struct control_stream *stream;
	struct bgp_dump *dump;
	struct bgp_table_dump *table;
	struct loop_work work; /* the table's next portion is due */
	struct loop_timer until;
	bool put;  /* something, in this portion */
	char *hex; /* of the record at hand */
	size_t cap;
};

static void
record(void *arg, const uint8_t *mrt, size_t len)
{
	static const char digits[] = "0123456789abcdef";
	struct dumping *d = arg;
	json_t *o;

	if (d->cap < 2 * len + 1) {
		d->cap = 2 * len + 1;
		d->hex = xrealloc(d->hex, d->cap, 1);
	}
	for (size_t i = 0; i < len; i++) {
		d->hex[2 * i] = digits[mrt[i] >> 4];
		d->hex[2 * i + 1] = digits[mrt[i] & 15];
	}
	d->hex[2 * len] = '\0';
	d->put = true;
	o = json_pack("{s:s}", "mrt", d->hex);
	control_stream_put(d->stream, o);
	json_decref(o);
}

static void
gone(void *arg)
{
	struct dumping *d = arg;

	timer_stop(&d->until);
	work_cancel(&d->work);
	bgp_dump_free(d->dump);
	bgp_table_dump_free(d->table);
	free(d->hex);
	free(d);
}

static void
time_is_over(void *arg)
{
	struct dumping *d = arg;

	bgp_dump_free(d->dump);
	d->dump = NULL;
	control_stream_end(d->stream);
}

/* ---- the table ---- */

/* One portion; the next when the reader has it, so that nothing piles up however slow he is. */
static void
table_portion(void *arg)
{
	struct dumping *d = arg;
	bool more;

	d->put = false;
	more = bgp_table_dump_next(d->table, record, d);
	if (!more)
		control_stream_end(d->stream);
	else if (!d->put)
		work_post(&d->work);
}

static void
drained(void *arg)
{
	struct dumping *d = arg;

	work_post(&d->work);
}

static int
table_begin(
    struct app *app, const struct control_req *req, struct control_stream *stream, char **error)
{
	struct dumping *d;

	if (req->argc != 1) {
		*error = xstrdup("usage: bgp dump table FILE");
		return -EINVAL;
	}
	d = xnew(struct dumping);
	d->stream = stream;
	d->table = bgp_table_dump_new(app->bgp);
	timer_init(&d->until, app->loop, time_is_over, d);
	work_init(&d->work, app->loop, table_portion, d);
	work_post(&d->work);
	control_stream_begin(stream, gone, d);
	control_stream_drain(stream, drained);
	return 0;
}

/* ---- messages ---- */

struct known {
	const char *word; /* a name or an address */
	char *name;	  /* found; NULL */
};

static bool
is_it(void *arg, const struct bgp_peer_stats *s)
{
	struct known *k = arg;
	char text[ADDR_STRLEN];

	if (strcmp(s->name, k->word) == 0 ||
	    strcmp(addr_format(&s->addr, text, sizeof(text)), k->word) == 0)
		k->name = xstrdup(s->name);
	return !k->name;
}

int
dump_begin(void *arg, const struct control_req *req, struct control_stream *stream, char **error)
{
	struct known k = { .word = req->argc ? req->argv[0] : "" };
	struct app *app = arg;
	struct dumping *d;
	uint64_t seconds = 0;

	if (strcmp(k.word, "table") == 0)
		return table_begin(app, req, stream, error);
	if ((req->argc != 1 && req->argc != 3) ||
	    (req->argc == 3 &&
		(strcmp(req->argv[1], "--seconds") != 0 ||
		    text_u64(req->argv[2], SECONDS_MAX, &seconds) < 0 || !seconds))) {
		*error = xstrdup("usage: bgp dump PEER|all FILE [--seconds N], N from 1 to 86400; "
				 "bgp dump table FILE");
		return -EINVAL;
	}
	if (strcmp(k.word, "all") != 0)
		bgp_peers_each(app->bgp, is_it, &k);
	if (!k.name && strcmp(k.word, "all") != 0) {
		*error = xasprintf("bgp dump: no peer is called \"%s\"; heraldctl bgp peers lists "
				   "them, \"all\" stands for all",
		    k.word);
		return -ENOENT;
	}
	d = xnew(struct dumping);
	d->stream = stream;
	d->dump = bgp_dump_new(app->bgp, k.name, record, d);
	free(k.name);
	timer_init(&d->until, app->loop, time_is_over, d);
	work_init(&d->work, app->loop, table_portion, d);
	if (seconds)
		timer_set(&d->until, seconds * 1000);
	control_stream_begin(stream, gone, d);
	return 0;
}
