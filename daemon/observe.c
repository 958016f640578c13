/*
 * daemon/observe.c: `observe`: new flows and drops, as the ring of the datapath tells them, to those
 * who listen on the control socket.
 */
#include "daemon/app.h"

#include "daemon/show_lb.h"
#include "lib/mem.h"
#include "lib/text.h"

#include <errno.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define RECORDS_USUAL 20 /* without -f */
#define RECORDS_MAX 1000000000

struct observer {
	struct observer *next, **prev;
	struct control_stream *stream;
	struct dp_watch *watch;
	bool endless;
	uint64_t left;
};

static struct addr
addr_of(const struct lb_addr *a, uint8_t family)
{
	struct addr out = { .family = family == 4 ? ADDR_V4 : ADDR_V6 };

	memcpy(out.b, a->w, sizeof(out.b));
	return out;
}

/* The ring's clock is monotonic; people want to know when. */
static void
format_time(uint64_t ns, char *text, size_t size)
{
	struct timespec wall, mono;
	struct tm tm;
	uint64_t at;
	time_t s;

	clock_gettime(CLOCK_REALTIME, &wall);
	clock_gettime(CLOCK_MONOTONIC, &mono);
	at = (uint64_t)wall.tv_sec * 1000000000 + (uint64_t)wall.tv_nsec -
	    ((uint64_t)mono.tv_sec * 1000000000 + (uint64_t)mono.tv_nsec - ns);
	s = (time_t)(at / 1000000000);
	gmtime_r(&s, &tm);
	snprintf(text, size, "%04d-%02d-%02dT%02d:%02d:%02d.%06uZ", tm.tm_year + 1900,
	    tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec,
	    (unsigned)(at % 1000000000 / 1000));
}

/* "SA" and its like, in the order of the header's bits. */
static const char *
format_tcp_flags(uint8_t flags, char text[9])
{
	static const char letters[] = "FSRPAUEC";
	size_t n = 0;

	for (unsigned i = 0; i < 8; i++)
		if (flags & 1u << i)
			text[n++] = letters[i];
	text[n] = '\0';
	return text;
}

static void
add_endpoint(
    json_t *o, const char *name, const struct lb_addr *a, __be16 port, const struct lb_event *e)
{
	const struct addr ip = addr_of(a, e->family);

	json_object_set_new(o, name, show_lb_endpoint(&ip, ntohs(port), e->proto));
}

static json_t *
record_of(const struct lb_event *e, const char *service)
{
	static const char *const hooks[LB_NR_HOOKS] = { [LB_AT_XDP] = "xdp",
		[LB_AT_NET] = "net",
		[LB_AT_POD] = "pod",
		[LB_AT_OUT] = "out",
		[LB_AT_SOCKET] = "socket" };
	static const struct lb_addr none;
	const bool fine = e->why < LB_NR_FINE;
	const char *reason = dp_counter_name(e->why), *sentence = dp_counter_sentence(e->why);
	char when[64], flags[9], link[IF_NAMESIZE];
	json_t *o;

	format_time(e->ns, when, sizeof(when));
	o = json_pack("{s:s, s:s, s:s, s:s}", "time", when, "event", fine ? "new" : "drop",
	    "protocol", show_lb_proto(e->proto), "service", service ? service : "");
	add_endpoint(o, "client", &e->client, e->client_port, e);
	add_endpoint(o, "frontend", &e->vip, e->vip_port, e);
	if (memcmp(&e->backend, &none, sizeof(none)) != 0)
		add_endpoint(o, "backend", &e->backend, e->backend_port, e);
	json_object_set_new(o, "reason", json_string(reason ? reason : "unknown"));
	if (!fine && sentence)
		json_object_set_new(o, "message", json_string(sentence));
	json_object_set_new(
	    o, "hook", json_string(e->hook < LB_NR_HOOKS ? hooks[e->hook] : "unknown"));
	if (e->ifindex && if_indextoname(e->ifindex, link))
		json_object_set_new(o, "interface", json_string(link));
	if (e->proto == IPPROTO_TCP)
		json_object_set_new(
		    o, "tcpFlags", json_string(format_tcp_flags(e->tcp_flags, flags)));
	json_object_set_new(o, "snat", json_boolean(e->snat));
	return o;
}

static void
observed(void *arg, const struct lb_event *e, const char *service)
{
	struct observer *ob = arg;
	json_t *record;

	record = record_of(e, service);
	control_stream_put(ob->stream, record);
	json_decref(record);
	if (ob->endless || --ob->left > 0)
		return;
	dp_watch_free(ob->watch);
	ob->watch = NULL;
	control_stream_end(ob->stream);
}

static void
gone(void *arg)
{
	struct observer *ob = arg;

	*ob->prev = ob->next;
	if (ob->next)
		ob->next->prev = ob->prev;
	dp_watch_free(ob->watch);
	free(ob);
}

void
observe_end(struct app *app)
{
	for (struct observer *ob = app->observers; ob; ob = ob->next) {
		dp_watch_free(ob->watch);
		ob->watch = NULL;
		control_stream_end(ob->stream);
	}
}

unsigned
observe_nr(const struct app *app)
{
	unsigned nr = 0;

	for (const struct observer *ob = app->observers; ob; ob = ob->next)
		nr++;
	return nr;
}

/* ---- the command ---- */

struct wish {
	const char *service;
	struct addr addr;
	bool follow, has_last;
	uint64_t last;
};

static int
bad(char **error, const char *option, const char *value, const char *right)
{
	*error = xasprintf("observe: %s%s%s: must be %s", option, *option ? " " : "", value, right);
	return -EINVAL;
}

/* One word, and the value behind it (NULL: there is none); how many were used, or -EINVAL. */
static int
parse_word(struct wish *w, const char *word, const char *value, char **error)
{
	if (strcmp(word, "-f") == 0 || strcmp(word, "--follow") == 0) {
		w->follow = true;
		return 1;
	}
	if (strcmp(word, "--service") != 0 && strcmp(word, "--address") != 0 &&
	    strcmp(word, "--last") != 0)
		return bad(
		    error, "", word, "one of --service NAMESPACE/NAME, --address IP, --last N, -f");
	if (!value)
		return bad(error, "", word, "followed by a value");
	if (strcmp(word, "--service") == 0) {
		w->service = value;
		if (!strchr(value, '/'))
			return bad(error, word, value, "NAMESPACE/NAME, such as default/web");
	} else if (strcmp(word, "--address") == 0) {
		if (addr_parse(value, &w->addr) < 0)
			return bad(error, word, value, "an IPv4 or IPv6 address");
	} else {
		if (text_u64(value, RECORDS_MAX, &w->last) < 0 || w->last == 0)
			return bad(error, word, value, "a number from 1 to 1000000000");
		w->has_last = true;
	}
	return 2;
}

int
observe_begin(void *arg, const struct control_req *req, struct control_stream *stream, char **error)
{
	struct wish w = { .last = RECORDS_USUAL };
	struct app *app = arg;
	struct observer *ob;
	int used;

	for (size_t i = 0; i < req->argc; i += (size_t)used) {
		used = parse_word(
		    &w, req->argv[i], i + 1 < req->argc ? req->argv[i + 1] : NULL, error);
		if (used < 0)
			return used;
	}
	if (!app->datapath) {
		*error = xstrdup("observe: the datapath is not there (datapath.mode none, or it "
				 "could not be loaded: see heraldctl status)");
		return -ENODEV;
	}
	ob = xnew(struct observer);
	ob->stream = stream;
	ob->endless = w.follow && !w.has_last;
	ob->left = w.last;
	ob->watch = dp_watch_new(
	    app->datapath, w.service, addr_is_set(&w.addr) ? &w.addr : NULL, observed, ob);
	if (!ob->watch) {
		free(ob);
		*error = xstrdup("observe: the datapath is not loaded; see heraldctl status");
		return -ENODEV;
	}
	ob->next = app->observers;
	ob->prev = &app->observers;
	if (ob->next)
		ob->next->prev = &ob->next;
	app->observers = ob;
	control_stream_begin(stream, gone, ob);
	return 0;
}
