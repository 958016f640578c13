/*
 * daemon/show_lb.c: see show_lb.h.
 */
#include "daemon/show_lb.h"

#include "daemon/app.h"
#include "daemon/show.h"
#include "lib/buf.h"
#include "lib/mem.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <uthash.h>

#define COUNTERS_END 256 /* no counter has a number as high */

static json_t *
count(uint64_t n)
{
	return json_integer(n > INT64_MAX ? INT64_MAX : (json_int_t)n);
}

const char *
show_lb_proto(uint8_t proto)
{
	switch (proto) {
	case IPPROTO_TCP:
		return "TCP";
	case IPPROTO_UDP:
		return "UDP";
	case IPPROTO_SCTP:
		return "SCTP";
	default:
		return "ANY";
	}
}

json_t *
show_lb_endpoint(const struct addr *a, uint16_t port, uint8_t proto)
{
	char text[ADDR_STRLEN];

	addr_format(a, text, sizeof(text));
	return json_sprintf(a->family == ADDR_V6 ? "[%s]:%u/%s" : "%s:%u/%s", text, (unsigned)port,
	    show_lb_proto(proto));
}

/* ---- lb list ---- */

/* "address", "ip" and "port" of a frontend or backend. */
static void
put_endpoint(struct buf *b, const struct addr *a, uint16_t port, uint8_t proto)
{
	const bool v6 = a->family == ADDR_V6;
	char text[ADDR_STRLEN];

	addr_format(a, text, sizeof(text));
	buf_printf(b, "\"address\":\"%s%s%s:%u/%s\",\"ip\":\"%s\",\"port\":%u", v6 ? "[" : "", text,
	    v6 ? "]" : "", (unsigned)port, show_lb_proto(proto), text, (unsigned)port);
}

static void
put_counts(struct buf *b, const struct dp_counts *c)
{
	buf_printf(b, ",\"packets\":%" PRIu64 ",\"bytes\":%" PRIu64 ",\"flows\":%" PRIu64 "}",
	    c->packets, c->bytes, c->flows);
}

/* Cilium's words. */
static void
put_flags(struct buf *b, uint32_t flags)
{
	static const struct {
		uint32_t flag;
		const char *word;
	} words[] = { { LB_FE_CLUSTER_IP, "ClusterIP" }, { LB_FE_NODE_PORT, "NodePort" },
		{ LB_FE_EXTERNAL_IP, "ExternalIPs" }, { LB_FE_LOAD_BALANCER, "LoadBalancer" },
		{ LB_FE_NON_ROUTABLE, "non-routable" }, { LB_FE_EXTERNAL_LOCAL, "ExternalLocal" },
		{ LB_FE_INTERNAL_LOCAL, "InternalLocal" }, { LB_FE_AFFINITY, "sessionAffinity" },
		{ LB_FE_SOURCE_RANGES, "check source-range" }, { LB_FE_RANDOM, "random" },
		{ LB_FE_DSR, "dsr" } };
	const char *between = "";

	buf_puts(b, ",\"flags\":[");
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (flags & words[i].flag) {
			buf_printf(b, "%s\"%s\"", between, words[i].word);
			between = ",";
		}
	buf_puts(b, "]");
}

static const char *
state_of(const struct dp_seen_backend *b)
{
	if (!b->live)
		return "gone";
	return b->terminating ? "terminating" : "active";
}

/* How many slots it has is a matter of each frontend. */
static void
put_backend(struct buf *b, const struct dp_seen_backend *be, uint8_t proto, bool slots)
{
	buf_printf(b, "{\"id\":%u,", be->row);
	put_endpoint(b, &be->ip, be->port, proto);
	buf_printf(b, ",\"state\":\"%s\",\"local\":%s,\"node\":", state_of(be),
	    be->local ? "true" : "false");
	show_string(b, be->node ? be->node : "");
	if (slots)
		buf_printf(b, ",\"slots\":{\"external\":%u,\"internal\":%u}",
		    be->slots[LB_EXTERNAL], be->slots[LB_INTERNAL]);
	put_counts(b, &be->counts);
}

static void
put_ranges(struct buf *b, const struct dp_seen_frontend *f)
{
	char text[PREFIX_STRLEN];

	buf_puts(b, "[");
	for (size_t i = 0; i < f->nr_ranges; i++)
		buf_printf(
		    b, "%s\"%s\"", i ? "," : "", prefix_format(&f->ranges[i], text, sizeof(text)));
	buf_puts(b, "]");
}

static const char *
service_of(const struct dp_seen_frontend *f)
{
	return f->service_name ? f->service_name : "";
}

/* A list that is being written. */
struct writing {
	struct buf *out;
	size_t nr;
	/* A backend row belongs to all frontends that list it, and is shown once: a bit a row. */
	uint64_t *shown;
	size_t nr_words;
};

static bool
put_frontend(void *arg, const struct dp_seen_frontend *f)
{
	struct writing *w = arg;
	struct buf *b = w->out;

	buf_printf(b, "%s{\"id\":%u,", w->nr++ ? "," : "", f->row);
	put_endpoint(b, &f->ip, f->port, f->proto);
	buf_printf(b, ",\"protocol\":\"%s\",\"service\":", show_lb_proto(f->proto));
	show_string(b, service_of(f));
	put_flags(b, f->flags);
	buf_puts(b, ",\"backends\":[");
	for (size_t i = 0; i < f->nr_backends; i++) {
		if (i > 0)
			buf_putc(b, ',');
		put_backend(b, &f->backends[i], f->proto, true);
	}
	buf_printf(b, "],\"tableSize\":{\"external\":%u,\"internal\":%u}", f->slots[LB_EXTERNAL],
	    f->slots[LB_INTERNAL]);
	if (f->affinity_s)
		buf_printf(b, ",\"affinitySeconds\":%u", f->affinity_s);
	if (f->nr_ranges) {
		buf_puts(b, ",\"sourceRanges\":");
		put_ranges(b, f);
	}
	put_counts(b, &f->counts);
	return !b->failed;
}

/* Is it the first time that this row comes by? */
static bool
is_new_row(struct writing *w, uint32_t row)
{
	const size_t word = row / 64;

	if (word >= w->nr_words) {
		w->shown = xrealloc(w->shown, word + 1024, sizeof(*w->shown));
		memset(w->shown + w->nr_words, 0, (word + 1024 - w->nr_words) * sizeof(*w->shown));
		w->nr_words = word + 1024;
	}
	if (w->shown[word] >> (row % 64) & 1)
		return false;
	w->shown[word] |= (uint64_t)1 << (row % 64);
	return true;
}

static bool
put_backends(void *arg, const struct dp_seen_frontend *f)
{
	struct writing *w = arg;

	for (size_t i = 0; i < f->nr_backends; i++) {
		if (!is_new_row(w, f->backends[i].row))
			continue;
		if (w->nr++)
			buf_putc(w->out, ',');
		put_backend(w->out, &f->backends[i], f->proto, false);
	}
	return !w->out->failed;
}

static bool
put_source_ranges(void *arg, const struct dp_seen_frontend *f)
{
	struct writing *w = arg;

	if (!(f->flags & LB_FE_SOURCE_RANGES))
		return true;
	buf_printf(w->out, "%s{\"id\":%u,", w->nr++ ? "," : "", f->row);
	put_endpoint(w->out, &f->ip, f->port, f->proto);
	buf_puts(w->out, ",\"service\":");
	show_string(w->out, service_of(f));
	buf_puts(w->out, ",\"ranges\":");
	put_ranges(w->out, f);
	buf_putc(w->out, '}');
	return !w->out->failed;
}

int
show_lb_list(struct app *app, enum show_lb_view view, struct buf *out)
{
	static const struct {
		const char *name;
		bool (*put)(void *, const struct dp_seen_frontend *);
	} views[] = { [SHOW_LB_SERVICES] = { "frontends", put_frontend },
		[SHOW_LB_BACKENDS] = { "backends", put_backends },
		[SHOW_LB_SOURCE_RANGES] = { "sourceRanges", put_source_ranges } };
	struct writing w = { .out = out };
	int err;

	if (!app->datapath)
		return -ENODEV;
	buf_printf(out, "{\"%s\":[", views[view].name);
	err = dp_frontends_each(app->datapath, views[view].put, &w);
	buf_puts(out, "]}");
	free(w.shown);
	return err;
}

/* ---- lb conntrack ---- */

static const char *
flow_state(uint8_t state)
{
	static const char *const names[LB_NR_STATES] = { [LB_ST_FREE] = "free",
		[LB_ST_NEW] = "new",
		[LB_ST_ANSWERED] = "answered",
		[LB_ST_OPEN] = "established",
		[LB_ST_FIN_CLIENT] = "fin-client",
		[LB_ST_FIN_BACKEND] = "fin-backend",
		[LB_ST_CLOSED] = "closed" };

	return state < LB_NR_STATES ? names[state] : "unknown";
}

static bool
add_flow(void *arg, const struct dp_seen_flow *f)
{
	json_t *o = json_pack("{s:s, s:o, s:o, s:o, s:s, s:o, s:o, s:s}", "protocol",
	    show_lb_proto(f->proto), "client",
	    show_lb_endpoint(&f->client, f->client_port, f->proto), "frontend",
	    show_lb_endpoint(&f->vip, f->vip_port, f->proto), "backend",
	    show_lb_endpoint(&f->backend, f->backend_port, f->proto), "state", flow_state(f->state),
	    "idleSeconds", count(f->idle_s), "timeoutSeconds", count(f->timeout_s), "service",
	    f->service_name ? f->service_name : "");

	if (f->snat_port)
		json_object_set_new(o, "snatPort", count(f->snat_port));
	json_array_append_new(arg, o);
	return true;
}

int
show_lb_conntrack(struct app *app, size_t limit, json_t **out)
{
	json_t *list;
	long nr;

	if (!app->datapath)
		return -ENODEV;
	list = json_array();
	nr = dp_flows_each(app->datapath, limit, add_flow, list);
	if (nr < 0) {
		json_decref(list);
		return (int)nr;
	}
	*out = json_pack("{s:o, s:I, s:b}", "flows", list, "limit", (json_int_t)limit, "limited",
	    json_array_size(list) >= limit);
	return 0;
}

/* ---- lb counters ---- */

int
show_lb_counters(struct app *app, json_t **out)
{
	json_t *list;
	const char *name, *sentence;

	if (!app->datapath)
		return -ENODEV;
	list = json_array();
	for (unsigned i = 0; i < COUNTERS_END; i++) {
		name = dp_counter_name(i);
		if (!name)
			continue;
		sentence = dp_counter_sentence(i);
		json_array_append_new(list,
		    json_pack("{s:s, s:o, s:s, s:s}", "name", name, "count",
			count(dp_counter(app->datapath, i)), "kind",
			i >= LB_WHY_ROOM     ? "event"
			    : i < LB_NR_FINE ? "packet"
					     : "drop",
			"description", sentence ? sentence : ""));
	}
	*out = json_pack("{s:o}", "counters", list);
	return 0;
}

/* ---- lb maglev ---- */

struct maglev_show {
	const struct addr *ip; /* NULL: all */
	uint16_t port;
	uint8_t proto;
	json_t *list;
	struct datapath *dp;
};

static const char *const scope_names[LB_NR_SCOPES] = {
	[LB_EXTERNAL] = "external", [LB_INTERNAL] = "internal"
};

/* The slots as places in the list of backends: those are the same on every node, rows are not. */
static json_t *
slots_of(const struct maglev_show *show, const struct dp_seen_frontend *f, unsigned scope)
{
	json_t *list = json_array();
	uint32_t *rows = NULL;
	const long nr = dp_slots(show->dp, &f->ip, f->port, f->proto, scope, &rows);
	size_t at = 0;

	for (long i = 0; i < nr; i++) {
		/* A slot is mostly of another backend than the one before: look from there on. */
		for (size_t n = 0; n < f->nr_backends && f->backends[at].row != rows[i]; n++)
			at = (at + 1) % f->nr_backends;
		json_array_append_new(list,
		    json_integer(
			f->nr_backends && f->backends[at].row == rows[i] ? (json_int_t)at : -1));
	}
	free(rows);
	return list;
}

static void
add_table(const struct maglev_show *show, const struct dp_seen_frontend *f, unsigned scope)
{
	json_t *backends = json_array(), *o;

	for (size_t i = 0; i < f->nr_backends; i++) {
		const struct dp_seen_backend *b = &f->backends[i];

		json_array_append_new(backends,
		    json_pack("{s:o, s:o, s:I, s:f}", "id", count(b->row), "address",
			show_lb_endpoint(&b->ip, b->port, f->proto), "slots",
			(json_int_t)b->slots[scope], "share",
			f->slots[scope] ? (double)b->slots[scope] / f->slots[scope] : 0.0));
	}
	o = json_pack("{s:o, s:s, s:s, s:I, s:o}", "address",
	    show_lb_endpoint(&f->ip, f->port, f->proto), "service", service_of(f), "scope",
	    scope_names[scope], "size", (json_int_t)f->slots[scope], "backends", backends);
	if (show->ip)
		json_object_set_new(o, "table", slots_of(show, f, scope));
	json_array_append_new(show->list, o);
}

static bool
add_tables(void *arg, const struct dp_seen_frontend *f)
{
	const struct maglev_show *show = arg;

	if (show->ip &&
	    (!addr_eq(&f->ip, show->ip) || f->port != show->port || f->proto != show->proto))
		return true;
	for (unsigned scope = 0; scope < LB_NR_SCOPES; scope++)
		add_table(show, f, scope);
	return !show->ip;
}

int
show_lb_maglev(struct app *app, const struct addr *ip, uint16_t port, uint8_t proto, json_t **out)
{
	struct maglev_show show = { ip, port, proto, NULL, app->datapath };
	int err;

	if (!app->datapath)
		return -ENODEV;
	show.list = json_array();
	err = dp_frontends_each(app->datapath, add_tables, &show);
	if (err == 0 && ip && json_array_size(show.list) == 0)
		err = -ENOENT;
	if (err < 0) {
		json_decref(show.list);
		return err;
	}
	*out = json_pack("{s:o}", "tables", show.list);
	return 0;
}

/* ---- counts of service list ---- */

struct counts_key {
	uint8_t addr[16];
	uint16_t port;
	uint8_t family, proto;
};

struct counts_row {
	UT_hash_handle hh;
	struct counts_key key;
	struct dp_counts counts;
};

struct show_lb_counts {
	struct counts_row *rows;
};

static struct counts_key
counts_key(const struct addr *a, uint16_t port, uint8_t proto)
{
	struct counts_key key = { .port = port, .family = a->family, .proto = proto };

	memcpy(key.addr, a->b, sizeof(key.addr));
	return key;
}

static bool
add_row(void *arg, const struct dp_seen_frontend *f)
{
	struct show_lb_counts *counts = arg;
	struct counts_row *row = xnew(struct counts_row);

	row->key = counts_key(&f->ip, f->port, f->proto);
	row->counts = f->counts;
	HASH_ADD(hh, counts->rows, key, sizeof(row->key), row);
	return true;
}

struct show_lb_counts *
show_lb_counts_new(struct app *app)
{
	struct show_lb_counts *counts;

	if (!app->datapath)
		return NULL;
	counts = xnew(struct show_lb_counts);
	if (dp_frontends_each(app->datapath, add_row, counts) == 0)
		return counts;
	show_lb_counts_free(counts);
	return NULL;
}

const struct dp_counts *
show_lb_counts_of(
    const struct show_lb_counts *counts, const struct addr *a, uint16_t port, uint8_t proto)
{
	const struct counts_key key = counts_key(a, port, proto);
	struct counts_row *row;

	HASH_FIND(hh, counts->rows, &key, sizeof(key), row);
	return row ? &row->counts : NULL;
}

void
show_lb_counts_free(struct show_lb_counts *counts)
{
	struct counts_row *row, *next;

	if (!counts)
		return;
	HASH_ITER(hh, counts->rows, row, next)
	{
		HASH_DEL(counts->rows, row);
		free(row);
	}
	free(counts);
}
