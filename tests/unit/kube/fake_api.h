/*
 * tests/unit/kube/fake_api.h: an API server in memory: a few paths with objects, a history that watches
 * are served from, pages, and a bad day whenever the test asks for one.  What it answers; how it is
 * reached is in fake_api_server.h.
 */
#ifndef HERALD_TESTS_KUBE_FAKE_API_H
#define HERALD_TESTS_KUBE_FAKE_API_H

#include "kube/http.h"
#include "lib/buf.h"
#include "lib/loop.h"
#include "lib/mem.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

#define API_PATHS 8
#define API_NAMES 12
#define API_EVENTS 4096
#define API_PAGE 3
#define API_CALLS 4096

/* One collection. */
struct api_path {
	const char *path, *kind, *api_version;
	char *now[API_NAMES]; /* the objects as JSON; NULL: there is none */
	struct api_event {
		unsigned version;
		char *line;
	} events[API_EVENTS];
	size_t nr_events;
	unsigned requests, lists, watches, probes;
	unsigned lie_empty; /* so many lists come back empty */
};

struct kube_call {
	struct kube_request req;
	char *path;
	struct api_path *on;
	bool over, paused, watching;
	size_t next; /* watch: event to be sent */
	struct loop_timer timer;
};

static struct api {
	struct loop *loop;
	struct api_path paths[API_PATHS];
	size_t nr_paths;
	unsigned version, oldest; /* events up to @oldest are gone */
	struct kube_call *calls[API_CALLS];
	size_t nr_calls;
	/* The pages of lists under way: a copy each. */
	char *snapshot[API_CALLS];
	size_t nr_snapshots;

	bool down;	  /* no connection */
	int status;	  /* every request is answered so */
	const char *body; /* ... and with this */
	unsigned retry_after_s;
	unsigned lie_empty; /* so many lists come back empty */
	bool expire;	    /* continue tokens have expired */
	bool mix;	    /* the pages are of different versions */
	bool gone_by_http;  /* 410 rather than an ERROR event */
	unsigned cut;	    /* one in so many answers is cut somewhere; 0: none */
	unsigned garbage;   /* one in so many watch lines is garbage */
	bool silent;	    /* watches say nothing */
} api;

static inline struct api_path *
api_path(const char *path, const char *api_version, const char *kind)
{
	struct api_path *p = &api.paths[api.nr_paths++];

	p->path = path;
	p->api_version = api_version;
	p->kind = kind;
	return p;
}

/* ---- calls ---- */

struct kube_http {
	int unused;
};

static inline void
api_end(struct kube_call *c, int status, const char *reason, const char *body)
{
	const struct kube_answer a = { .status = status,
		.error = status >= 200 && status <= 299 ? ""
		    : status				? body
							: "no answer from the test's server",
		.reason = reason,
		.code = status,
		.retry_after_s = api.retry_after_s,
		.body = body,
		.len = strlen(body) };

	if (c->over)
		return;
	c->over = true;
	timer_stop(&c->timer);
	c->req.done(c->req.arg, &a);
}

/* @text in pieces; false: it was cut, and the call has ended. */
static inline bool
api_send(struct kube_call *c, const char *text)
{
	size_t len = strlen(text), upto = len;

	if (api.cut && loop_random(api.loop, api.cut) == 0)
		upto = loop_random(api.loop, (uint32_t)len);
	for (size_t at = 0; at < upto && !c->over;) {
		size_t n = 1 + loop_random(api.loop, 200);

		n = n < upto - at ? n : upto - at;
		if (!c->req.data(c->req.arg, text + at, n)) {
			api_end(c, 0, "", "");
			return false;
		}
		at += n;
	}
	if (upto == len && !c->over)
		return true;
	api_end(c, 0, "", "");
	return false;
}

static inline unsigned
api_number(const char *path, const char *key)
{
	const char *at = strstr(path, key);

	return at ? (unsigned)strtoul(at + strlen(key), NULL, 10) : 0;
}

/* A page out of "VERSION object\nobject\n..." */
static inline void
api_page(struct kube_call *c, size_t snapshot, unsigned from)
{
	const char *at = api.snapshot[snapshot], *end;
	unsigned version = (unsigned)strtoul(at, NULL, 10), nr = 0;
	struct buf b;

	buf_init(&b, 1u << 20);
	buf_printf(&b, "{\"apiVersion\":\"%s\",\"items\":[", c->on->api_version);
	at = strchr(at, ' ') + 1;
	for (; *at && nr < from + API_PAGE; at = end + 1, nr++) {
		end = strchr(at, '\n');
		if (nr < from)
			continue;
		buf_puts(&b, nr > from ? "," : "");
		buf_add(&b, at, (size_t)(end - at));
	}
	buf_printf(&b,
	    "],\"kind\":\"%sList\",\"metadata\":{\"resourceVersion\":\"%u\",\"continue\":\"",
	    c->on->kind, version + (api.mix ? nr : 0));
	if (*at)
		buf_printf(&b, "s/%zu:%u=", snapshot, nr);
	buf_puts(&b, "\"}}\n");
	if (api_send(c, buf_text(&b)))
		api_end(c, 200, "", "");
	buf_fini(&b);
}

static inline void
api_list(struct kube_call *c)
{
	const char *more = strstr(c->path, "&continue=s%2F");
	struct buf b;

	if (more && api.expire) {
		api_end(c, 410, "Expired", "the continue token is too old");
		return;
	}
	if (more) {
		ck_assert_ptr_nonnull(strstr(more, "%3D")); /* escaped */
		api_page(c, strtoul(more + 14, NULL, 10), api_number(more, "%3A"));
		return;
	}
	c->on->lists++;
	buf_init(&b, 1u << 20);
	buf_printf(&b, "%u ", api.version);
	for (size_t i = 0; i < API_NAMES && !c->on->lie_empty; i++)
		if (c->on->now[i])
			buf_printf(&b, "%s\n", c->on->now[i]);
	c->on->lie_empty -= c->on->lie_empty > 0;
	ck_assert_uint_lt(api.nr_snapshots, API_CALLS);
	api.snapshot[api.nr_snapshots] = buf_steal(&b);
	api_page(c, api.nr_snapshots++, 0);
}

static inline void
api_watch(struct kube_call *c)
{
	unsigned from = api_number(c->path, "resourceVersion=");

	c->on->watches++;
	if (from < api.oldest && api.gone_by_http) {
		api_end(c, 410, "Gone", "too old resource version");
		return;
	}
	if (from < api.oldest) {
		if (api_send(c,
			"{\"type\":\"ERROR\",\"object\":{\"kind\":\"Status\",\"code\":410,"
			"\"reason\":"
			"\"Expired\",\"message\":\"too old resource version\"}}\n"))
			api_end(c, 200, "", "");
		return;
	}
	while (c->next < c->on->nr_events && c->on->events[c->next].version <= from)
		c->next++;
	c->watching = true;
	timer_set(&c->timer, 1000 * api_number(c->path, "timeoutSeconds="));
}

/* What is new goes to the watches. */
static inline void
api_flush(struct kube_call *c)
{
	while (!c->over && !c->paused && !api.silent && c->next < c->on->nr_events) {
		const char *line = c->on->events[c->next++].line;

		if (api.garbage && loop_random(api.loop, api.garbage) == 0)
			line = loop_random(api.loop, 2) ? "{\"type\":\"ADDED\",\"object\":{}}\n"
							: "}\n";
		api_send(c, line);
	}
}

static inline bool
api_is_watch(const struct kube_call *c)
{
	return strstr(c->path, "watch=1") != NULL;
}

#endif
