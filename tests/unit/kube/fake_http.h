/*
 * tests/unit/kube/fake_http.h: stands in for kube/http.c: keeps the requests that are made and lets
 * the test answer them.  For programs that link no other kube_call(): included once in each.
 */
#ifndef HERALD_TESTS_KUBE_FAKE_HTTP_H
#define HERALD_TESTS_KUBE_FAKE_HTTP_H

#include "kube/http.h"
#include "lib/loop.h"
#include "lib/mem.h"

#include <check.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#define FAKE_MAX 20000

struct kube_call {
	char *method, *path, *content_type, *body;
	unsigned timeout_ms;
	void (*done)(void *, const struct kube_answer *);
	void *arg;
	bool over; /* answered or cancelled */
};

static struct {
	struct kube_call *v[FAKE_MAX];
	size_t nr, first; /* those before @first are over */
	bool no_memory;
	size_t cancelled;
} fake;

static inline char *
fake_copy(const char *s)
{
	return s ? xstrdup(s) : NULL;
}

struct kube_call *
kube_call(struct kube_http *http, const struct kube_request *req)
{
	struct kube_call *c;

	(void)http;
	if (fake.no_memory)
		return NULL;
	c = xnew(struct kube_call);
	c->method = fake_copy(req->method);
	c->path = fake_copy(req->path);
	c->content_type = fake_copy(req->content_type);
	c->body = req->body ? xstrndup(req->body, req->len) : NULL;
	c->timeout_ms = req->timeout_ms;
	c->done = req->done;
	c->arg = req->arg;
	ck_assert_uint_lt(fake.nr, FAKE_MAX);
	fake.v[fake.nr++] = c;
	return c;
}

void
kube_call_cancel(struct kube_call *c)
{
	ck_assert(!c->over);
	c->over = true;
	fake.cancelled++;
}

/* How many wait for an answer. */
static inline size_t
fake_open(void)
{
	size_t nr = 0;

	for (size_t i = fake.first; i < fake.nr; i++)
		nr += !fake.v[i]->over;
	return nr;
}

/* The oldest that waits for an answer, or NULL. */
static inline struct kube_call *
fake_next(void)
{
	while (fake.first < fake.nr && fake.v[fake.first]->over)
		fake.first++;
	return fake.first < fake.nr ? fake.v[fake.first] : NULL;
}

static inline void
fake_answer_full(
    struct kube_call *c, int status, const char *reason, const char *body, unsigned after_s)
{
	const struct kube_answer a = {
		.status = status,
		.error = status >= 200 && status < 300 ? "" : "refused by the test",
		.reason = reason,
		.code = status,
		.retry_after_s = after_s,
		.body = body,
		.len = strlen(body),
	};

	ck_assert_ptr_nonnull(c);
	ck_assert(!c->over);
	c->over = true;
	c->done(c->arg, &a);
}

static inline void
fake_answer(struct kube_call *c, int status)
{
	fake_answer_full(c, status, "", "{}", 0);
}

/* The body of a request, for json_decref(). */
static inline json_t *
fake_body(const struct kube_call *c)
{
	json_t *o = c->body ? json_loads(c->body, 0, NULL) : NULL;

	ck_assert_msg(o != NULL, "no JSON in the body");
	return o;
}

static inline void
fake_reset(void)
{
	for (size_t i = 0; i < fake.nr; i++) {
		free(fake.v[i]->method);
		free(fake.v[i]->path);
		free(fake.v[i]->content_type);
		free(fake.v[i]->body);
		free(fake.v[i]);
	}
	memset(&fake, 0, sizeof(fake));
}

#endif
