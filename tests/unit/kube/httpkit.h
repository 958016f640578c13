/*
 * tests/unit/kube/httpkit.h: a client and server.py, and what a call came to.  Included once in each
 * program that tests kube/http.c.
 */
#ifndef HERALD_TESTS_KUBE_HTTPKIT_H
#define HERALD_TESTS_KUBE_HTTPKIT_H

#include "kube/http.h"

#include "lib/buf.h"
#include "lib/log.h"
#include "lib/loop.h"
#include "tests/unit/kube/server.h"
#include "tests/unit/unit.h"

#include <jansson.h>

#define GOOD "    server: https://127.0.0.1:%PORT:tls%\n    certificate-authority: ca.crt\n"
#define TOKEN "    token: sesame-of-the-test\n"

static struct loop *loop;
static struct kube_access *access_;
static struct kube_http *http;
static char logged[8192];

/* What a call came to. */
struct result {
	bool done;
	unsigned nr_done, nr_data;
	int status, code;
	unsigned retry_after_s;
	char error[2048], reason[128];
	struct buf body;   /* of the answer */
	struct buf stream; /* of data() */
	size_t stop_after; /* bytes; 0: never */
	struct kube_call *call;
	struct kube_call *cancel; /* in done() */
	bool free_http;		  /* likewise */
};

static inline void
sink(void *arg, const char *line)
{
	size_t len = strlen(logged);

	(void)arg;
	snprintf(logged + len, sizeof(logged) - len, "%s\n", line);
}

static inline void
on_done(void *arg, const struct kube_answer *a)
{
	struct result *r = arg;

	r->done = true;
	r->nr_done++;
	r->status = a->status;
	r->code = a->code;
	r->retry_after_s = a->retry_after_s;
	snprintf(r->error, sizeof(r->error), "%s", a->error);
	snprintf(r->reason, sizeof(r->reason), "%s", a->reason);
	ck_assert_int_eq(a->body[a->len], 0);
	buf_add(&r->body, a->body, a->len);
	if (r->cancel)
		kube_call_cancel(r->cancel);
	if (r->free_http) {
		kube_http_free(http);
		http = NULL;
	}
}

static inline bool
on_data(void *arg, const char *bytes, size_t len)
{
	struct result *r = arg;

	ck_assert(!r->done);
	ck_assert_uint_gt(len, 0);
	r->nr_data++;
	buf_add(&r->stream, bytes, len);
	return !r->stop_after || r->stream.len < r->stop_after;
}

static inline void
open_http(const char *cluster, const char *user)
{
	struct kube_access_conf conf = { .kubeconfig = server_kubeconfig(cluster, user) };
	char *error;

	access_ = kube_access_new(loop, &conf, &error);
	ck_assert_msg(access_ != NULL, "%s", error);
	http = kube_http_new(loop, access_);
	ck_assert_ptr_nonnull(http);
}

static inline void
close_http(void)
{
	kube_http_free(http);
	kube_access_free(access_);
	http = NULL;
	access_ = NULL;
}

static inline void
setup(void)
{
	logged[0] = '\0';
	log_sink(sink, NULL);
	loop = loop_new();
	unsetenv("https_proxy");
	unsetenv("HTTPS_PROXY");
	open_http(GOOD, TOKEN);
}

static inline void
teardown(void)
{
	close_http();
	loop_free(loop);
	log_sink(NULL, NULL);
}

static inline uint64_t
now_ms(void)
{
	return loop_now_us(loop) / 1000;
}

static inline void
wait_for(const bool *what)
{
	uint64_t until = now_ms() + 60000;

	while (!*what && now_ms() < until)
		ck_assert_int_eq(loop_turn(loop, 100), 0);
	ck_assert_msg(*what, "no end within a minute");
}

static inline void
result_fini(struct result *r)
{
	buf_fini(&r->body);
	buf_fini(&r->stream);
	*r = (struct result){ 0 };
}

static inline void
start(struct result *r, const char *path, bool stream)
{
	struct kube_request q = { .method = "GET",
		.path = path,
		.timeout_ms = stream ? 0 : 20000,
		.idle_ms = stream ? 20000 : 0,
		.data = stream ? on_data : NULL,
		.done = on_done,
		.arg = r };

	*r = (struct result){ 0 };
	buf_init(&r->body, 64u << 20);
	buf_init(&r->stream, 64u << 20);
	r->call = kube_call(http, &q);
	ck_assert_ptr_nonnull(r->call);
	ck_assert(!r->done); /* never from within */
}

/* A GET to its end. */
static inline struct result *
get(const char *path)
{
	static struct result r;

	result_fini(&r);
	start(&r, path, false);
	wait_for(&r.done);
	ck_assert_uint_eq(r.nr_done, 1);
	ck_assert_ptr_null(strstr(r.error, "sesame"));
	ck_assert_ptr_null(strstr(logged, "sesame"));
	return &r;
}

static inline json_t *
body_json(const struct result *r)
{
	json_t *v = json_loadb(buf_text(&r->body), r->body.len, 0, NULL);

	ck_assert_msg(v != NULL, "%s: %s", r->error, buf_text(&r->body));
	return v;
}

static inline const char *
text_at(const json_t *v, const char *a, const char *b)
{
	v = json_object_get(v, a);
	if (b)
		v = json_object_get(v, b);
	return json_is_string(v) ? json_string_value(v) : "(none)";
}

#define HAS(text, part)                                                                            \
	ck_assert_msg(strstr((text), (part)) != NULL, "no \"%s\" in \"%s\"", (part), (text))

#endif
