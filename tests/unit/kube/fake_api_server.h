/*
 * tests/unit/kube/fake_api_server.h: the server of fake_api.h behind kube/http.h, and what a test does to
 * it.  Included once in a program, which then links no other kube_call().
 */
#ifndef HERALD_TESTS_KUBE_FAKE_API_SERVER_H
#define HERALD_TESTS_KUBE_FAKE_API_SERVER_H

#include "tests/unit/kube/fake_api.h"

static inline void
api_serve(void *arg)
{
	struct kube_call *c = arg;

	if (c->over)
		return;
	if (c->watching) { /* a watch whose time is up */
		api_end(c, 200, "", "");
		return;
	}
	if (c->on)
		c->on->requests++;
	if (api.down)
		api_end(c, 0, "", "");
	else if (api.status)
		api_end(c, api.status, "", api.body);
	else if (!c->on)
		api_end(c, 404, "", "404 page not found");
	else if (strstr(c->path, "resourceVersionMatch")) {
		c->on->probes++;
		if (api_number(c->path, "resourceVersion=") > api.version)
			api_end(c, 504, "Timeout", "Too large resource version: 9, current: 5");
		else
			api_end(c, 200, "", "");
	} else if (api_is_watch(c))
		api_watch(c);
	else
		api_list(c);
}

struct kube_call *
kube_call(struct kube_http *http, const struct kube_request *req)
{
	struct kube_call *c = xnew(struct kube_call);

	(void)http;
	c->req = *req;
	c->path = xstrdup(req->path);
	for (size_t i = 0; i < api.nr_paths; i++) {
		size_t len = strlen(api.paths[i].path);

		if (strncmp(c->path, api.paths[i].path, len) == 0 && c->path[len] == '?')
			c->on = &api.paths[i];
	}
	ck_assert_uint_lt(api.nr_calls, API_CALLS);
	api.calls[api.nr_calls++] = c;
	timer_init(&c->timer, api.loop, api_serve, c);
	timer_set(&c->timer, 1 + loop_random(api.loop, 5));
	return c;
}

void
kube_call_cancel(struct kube_call *c)
{
	ck_assert(!c->over);
	c->over = true;
	timer_stop(&c->timer);
}

void
kube_call_pause(struct kube_call *c, bool paused)
{
	c->paused = paused;
}

struct kube_http *
kube_http_new(struct loop *loop, struct kube_access *access)
{
	(void)loop;
	(void)access;
	return xnew(struct kube_http);
}

void
kube_http_free(struct kube_http *http)
{
	free(http);
}

bool
kube_http_reachable(const struct kube_http *http)
{
	(void)http;
	return !api.down;
}

/* ---- what the test does to it ---- */

/* Send what is new; calls that are over are forgotten. */
static inline void
api_turn(void)
{
	size_t nr = 0;

	for (size_t i = 0; i < api.nr_calls; i++)
		if (api.calls[i]->watching)
			api_flush(api.calls[i]);
	for (size_t i = 0; i < api.nr_calls; i++) {
		if (!api.calls[i]->over) {
			api.calls[nr++] = api.calls[i];
			continue;
		}
		free(api.calls[i]->path);
		free(api.calls[i]);
	}
	api.nr_calls = nr;
}

/* Let @ms pass in steps in which the server answers. */
static inline void
api_pass(unsigned ms)
{
	unsigned step = ms > 20000 ? 500 : 10;

	for (unsigned at = 0; at < ms; at += step) {
		api_turn();
		loop_advance(api.loop, step);
	}
}

/* Break every connection. */
static inline void
api_break(void)
{
	for (size_t i = 0; i < api.nr_calls; i++)
		api_end(api.calls[i], 0, "", "");
}

/* Make, change (@json: with %u for the version) or delete (NULL) number @i. */
static inline void
api_set(struct api_path *p, size_t i, const char *json)
{
	const char *type = !json ? "DELETED" : p->now[i] ? "MODIFIED" : "ADDED";
	char *old = p->now[i], *text, *at;

	if (!json && !old)
		return;
	api.version++;
	text = xasprintf("%s", json ? json : old);
	at = strstr(text, "\"resourceVersion\":\"");
	ck_assert_ptr_nonnull(at);
	at += 19;
	for (int k = 5; k >= 0; k--) { /* in place: always six digits */
		unsigned v = api.version;

		for (int d = 5; d > k; d--)
			v /= 10;
		at[k] = (char)('0' + v % 10);
	}
	ck_assert_uint_lt(p->nr_events, API_EVENTS);
	p->events[p->nr_events++] = (struct api_event){ api.version,
		xasprintf("{\"type\":\"%s\",\"object\":%s}\n", type, text) };
	p->now[i] = json ? text : NULL;
	if (!json)
		free(text);
	free(old);
}

static inline void
api_bookmark(struct api_path *p)
{
	api.version++;
	ck_assert_uint_lt(p->nr_events, API_EVENTS);
	p->events[p->nr_events++] = (struct api_event){ api.version,
		xasprintf(
		    "{\"type\":\"BOOKMARK\",\"object\":{\"metadata\":{\"resourceVersion\":\"%u\"}}}"
		    "\n",
		    api.version) };
}

static inline void
api_fini(void)
{
	for (size_t i = 0; i < api.nr_calls; i++) {
		timer_stop(&api.calls[i]->timer);
		free(api.calls[i]->path);
		free(api.calls[i]);
	}
	for (size_t i = 0; i < api.nr_snapshots; i++)
		free(api.snapshot[i]);
	for (size_t p = 0; p < api.nr_paths; p++) {
		for (size_t i = 0; i < API_NAMES; i++)
			free(api.paths[p].now[i]);
		for (size_t i = 0; i < api.paths[p].nr_events; i++)
			free(api.paths[p].events[i].line);
	}
	memset(&api, 0, sizeof(api));
}

#endif
