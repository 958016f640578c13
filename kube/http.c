/*
 * kube/http.c: see http.h.  A call is parked until there are credentials, runs over one of two sets of
 * connections (http_wire.c), and is told of from the end of the loop's turn: nobody is called from
 * within libcurl, and what came is handed on in slices.
 */
#include "kube/http.h"

#include "kube/http_parts.h"
#include "kube/words.h"

#include "lib/log.h"
#include "lib/mem.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SLICE_US 3000	  /* for data(), in a turn */
#define PIECE_MAX 16384u  /* bytes of one data() */
#define INBOX_KEEP 65536u /* memory that an empty inbox may keep */
#define RETRY_MAX_S 3600

/* ---- calls ---- */

static void
call_link(struct kube_call *c)
{
	struct kube_http *h = c->http;

	c->next = NULL;
	c->prev = h->calls_tail;
	*h->calls_tail = c;
	h->calls_tail = &c->next;
}

static void
call_unlink(struct kube_call *c)
{
	*c->prev = c->next;
	if (c->next)
		c->next->prev = c->prev;
	else
		c->http->calls_tail = c->prev;
}

/* Off libcurl, whatever it was about. */
static void
call_take_off(struct kube_call *c)
{
	if (c->wire)
		wire_remove(c->wire, c->easy);
	c->wire = NULL;
	http_easy_free(c);
}

static void
call_free(struct kube_call *c)
{
	call_take_off(c);
	timer_stop(&c->timeout);
	timer_stop(&c->idle);
	free(c->method);
	free(c->url);
	free(c->type);
	if (c->body)
		mem_wipe(c->body, c->body_len);
	mem_free(c->body);
	mem_wipe(c->in.data, c->in.len);
	buf_fini(&c->in);
	mem_free(c);
}

/* The end without a (whole) answer; what data() has not seen of it yet is still handed on. */
static void __attribute__((format(printf, 2, 3)))
call_fail(struct kube_call *c, const char *fmt, ...)
{
	const char *path = c->url + strlen(c->http->base);
	char why[HTTP_TEXT_MAX - 256];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(why, sizeof(why), fmt, ap);
	va_end(ap);
	words_clean(why);
	call_take_off(c);
	c->status = 0;
	c->state = CALL_ENDED;
	timer_stop(&c->timeout);
	timer_stop(&c->idle);
	snprintf(c->error, sizeof(c->error), "%s %.120s%.*s: %s", c->method,
	    kube_access_server(c->http->access), (int)strcspn(path, "?"), path, why);
	work_post(&c->http->work);
}

/* ---- time ---- */

/* The connections that @c ran over were silent all the time: the next call tries a new one, since
 * libcurl would take the same again. */
static void
call_distrust(struct kube_call *c, unsigned silent_ms)
{
	struct kube_http *h = c->http;
	struct old_wire *old;

	for (int i = 0; i < NR_LANES; i++) {
		if (!c->wire || h->lanes[i] != c->wire ||
		    loop_now_ms(h->loop) - wire_heard_ms(c->wire) < silent_ms)
			continue;
		old = xnew(struct old_wire);
		*old = (struct old_wire){ .next = h->old, .wire = c->wire };
		h->old = old;
		h->lanes[i] = NULL;
	}
}

static void
call_late(void *arg)
{
	struct kube_call *c = arg;

	c->http->reached = false;
	call_distrust(c, c->timeout_ms);
	call_fail(c, "no (whole) answer within %u ms", c->timeout_ms);
}

static void
call_silent(void *arg)
{
	struct kube_call *c = arg;

	c->http->reached = false;
	call_distrust(c, c->idle_ms);
	call_fail(c, "not a byte came for %u ms", c->idle_ms);
}

/* Idle time counts while we would read. */
static void
idle_restart(struct kube_call *c)
{
	if (c->idle_ms && c->state != CALL_ENDED && !c->paused && !c->held)
		timer_set(&c->idle, c->idle_ms);
	else
		timer_stop(&c->idle);
}

static void
call_heard(struct kube_call *c)
{
	if (c->wire)
		wire_heard(c->wire);
	idle_restart(c);
}

/* ---- bytes; from within libcurl ---- */

static size_t
on_header(char *bytes, size_t size, size_t nr, void *arg)
{
	struct kube_call *c = arg;

	(void)bytes;
	c->nr_headers += size * nr;
	c->headers_overflown = c->nr_headers > HTTP_HEADERS_MAX;
	c->http->reached = true;
	call_heard(c);
	return c->headers_overflown ? 0 : size * nr;
}

static int
answer_status(const struct kube_call *c)
{
	long status = 0;

	curl_easy_getinfo(c->easy, CURLINFO_RESPONSE_CODE, &status);
	return (int)status;
}

static bool
is_good(int status)
{
	return status >= 200 && status < 300;
}

static void
inbox_shift(struct kube_call *c)
{
	struct buf *in = &c->in;

	if (c->in_at == 0)
		return;
	memmove(in->data, in->data + c->in_at, in->len - c->in_at);
	mem_wipe(in->data + in->len - c->in_at, c->in_at); /* it may have been a Secret */
	in->len -= c->in_at;
	c->in_at = 0;
}

static size_t
on_body(char *bytes, size_t size, size_t nr, void *arg)
{
	struct kube_call *c = arg;
	size_t len = size * nr;
	int status = answer_status(c);

	call_heard(c);
	c->streamed = c->data && is_good(status);
	if (c->streamed) {
		inbox_shift(c);
		c->held = c->in.len > 0 && c->in.len + len > HTTP_INBOX_MAX;
		work_post(&c->http->work);
		if (c->held) {
			idle_restart(c);
			return CURL_WRITEFUNC_PAUSE;
		}
	} else if (!is_good(status) && c->in.len + len > HTTP_ERROR_MAX) {
		c->overflown = true;
		return 0;
	}
	buf_add(&c->in, bytes, len);
	c->overflown = c->in.failed;
	return c->in.failed ? 0 : len;
}

/* ---- ends ---- */

static void
call_restart(struct kube_call *c)
{
	call_take_off(c);
	c->state = CALL_PARKED;
	c->status = 0;
	c->nr_headers = 0;
	c->in_at = 0;
	c->streamed = c->held = c->overflown = c->headers_overflown = false;
	buf_reset(&c->in);
	work_post(&c->http->work);
}

static unsigned
answer_retry_after(const struct kube_call *c)
{
	curl_off_t s = 0;

	curl_easy_getinfo(c->easy, CURLINFO_RETRY_AFTER, &s);
	return s <= 0 ? 0 : s < RETRY_MAX_S ? (unsigned)s : RETRY_MAX_S;
}

static void
call_failed(struct kube_call *c, CURLcode result)
{
	char why[HTTP_TEXT_MAX];

	c->http->reached = false;
	if (c->headers_overflown)
		call_fail(c, "its headers are longer than %u bytes", HTTP_HEADERS_MAX);
	else if (c->overflown)
		call_fail(c, "the answer is longer than %u bytes", HTTP_BODY_MAX);
	else if (c->in.failed)
		call_fail(c, "no memory for the answer");
	else {
		status_of_curl(
		    why, sizeof(why), result, c->curl_error, kube_access_tls_name(c->http->access));
		call_fail(c, "%s", why);
	}
}

/* wire_done_cb */
static void
call_over(CURL *easy, CURLcode result)
{
	struct kube_call *c = NULL;
	int status;

	curl_easy_getinfo(easy, CURLINFO_PRIVATE, (char **)&c);
	c->wire = NULL;
	status = answer_status(c);
	/* An error is one, however long its page. */
	if (result == CURLE_WRITE_ERROR && c->overflown && status >= 300) {
		buf_reset(&c->in);
		result = CURLE_OK;
	}
	if (result != CURLE_OK) {
		call_failed(c, result);
		return;
	}
	c->http->reached = true;
	if (status == 401 && !c->refused) {
		c->refused = true;
		if (kube_access_refused(c->http->access, c->auth)) {
			call_restart(c);
			return;
		}
	}
	c->status = status;
	c->retry_after_s = answer_retry_after(c);
	c->state = CALL_ENDED;
	timer_stop(&c->timeout);
	timer_stop(&c->idle);
	work_post(&c->http->work);
}

/* Its last words; @c is gone after it. */
static void
call_tell(struct kube_call *c)
{
	const char *path = c->url + strlen(c->http->base);
	struct kube_answer a = { .status = c->status, .reason = "", .error = c->error };
	struct status_words w;

	a.code = c->status;
	a.retry_after_s = c->retry_after_s;
	if (c->status && !is_good(c->status)) {
		status_read(&w, c->in.data, c->in.len, c->status, c->method, path);
		words_hide(w.text, c->auth ? strchr(c->auth, ' ') + 1 : NULL);
		snprintf(c->error, sizeof(c->error), "%s %.120s%.*s: %.600s", c->method,
		    kube_access_server(c->http->access), (int)strcspn(path, "?"), path, w.text);
		a.reason = w.reason;
		a.code = w.code;
		if (!a.retry_after_s)
			a.retry_after_s = w.retry_after_s;
	}
	a.body = buf_text(&c->in);
	a.len = c->in.len;
	if (c->status == 0 || c->streamed) {
		a.body = "";
		a.len = 0;
	}
	http_count(c->http, c);
	call_take_off(c);
	call_unlink(c);
	c->done(c->arg, &a);
	call_free(c);
}

/* ---- the end of the turn: start, hand on, tell ---- */

static void
credentials_ready(void *arg, const char *error)
{
	struct kube_http *h = arg;

	h->waits = false;
	for (struct kube_call *c = h->calls; c && error; c = c->next) {
		if (c->state != CALL_PARKED)
			continue;
		h->reached = false;
		call_fail(c, "no credentials: %s", error);
	}
	work_post(&h->work);
}

static void
call_run(struct kube_call *c, const char *header)
{
	struct kube_http *h = c->http;
	struct wire **lane = &h->lanes[c->data ? LANE_STREAMS : LANE_CALLS];
	int err = -ENOMEM;

	if (!*lane)
		*lane = wire_new(h->loop, call_over);
	if (*lane)
		err = http_easy_make(c, header);
	if (err == 0) {
		curl_easy_setopt(c->easy, CURLOPT_WRITEFUNCTION, on_body);
		curl_easy_setopt(c->easy, CURLOPT_WRITEDATA, c);
		curl_easy_setopt(c->easy, CURLOPT_HEADERFUNCTION, on_header);
		curl_easy_setopt(c->easy, CURLOPT_HEADERDATA, c);
		err = wire_add(*lane, c->easy);
	}
	if (err < 0) {
		call_fail(c, "%s", strerror(-err));
		return;
	}
	c->wire = *lane;
	c->state = CALL_RUNNING;
}

static void
start_parked(struct kube_http *h)
{
	for (struct kube_call *c = h->calls; c && !h->waits; c = c->next) {
		const char *header;
		char *error;
		int err;

		if (c->state != CALL_PARKED)
			continue;
		err = kube_access_header(h->access, &header, credentials_ready, h, &error);
		if (err == -EINPROGRESS) {
			h->waits = true;
		} else if (err < 0) {
			h->reached = false;
			call_fail(c, "no credentials: %s", error);
			free(error);
		} else {
			call_run(c, header);
		}
	}
}

/* libcurl goes on when there is room again. */
static void
call_unhold(struct kube_call *c)
{
	if (c->in_at == c->in.len) {
		c->in_at = 0;
		if (c->in.cap > INBOX_KEEP)
			buf_fini(&c->in);
		else
			buf_reset(&c->in);
	}
	if (!c->held || c->paused || c->in.len - c->in_at > HTTP_INBOX_MAX / 2)
		return;
	c->held = false;
	idle_restart(c);
	if (c->wire)
		curl_easy_pause(c->easy, CURLPAUSE_CONT);
}

/* False: the time of this turn is over. */
static bool
call_deliver(struct kube_call *c, uint64_t until_us)
{
	while (!c->paused && c->in_at < c->in.len) {
		size_t n = c->in.len - c->in_at;
		const char *at = c->in.data + c->in_at;

		if (loop_now_us(c->http->loop) >= until_us)
			return false;
		n = n < PIECE_MAX ? n : PIECE_MAX;
		c->in_at += n;
		if (!c->data(c->arg, at, n)) {
			call_fail(c, "stopped");
			snprintf(c->error, sizeof(c->error), "stopped");
			c->in_at = c->in.len;
		}
	}
	call_unhold(c);
	return true;
}

/* The one that used up the time goes to the end of the line. */
static void
deliver(struct kube_http *h)
{
	uint64_t until = loop_now_us(h->loop) + SLICE_US;
	struct kube_call *next;

	for (struct kube_call *c = h->calls; c; c = next) {
		next = c->next;
		if (!c->streamed || c->paused || call_deliver(c, until))
			continue;
		call_unlink(c);
		call_link(c);
		work_post(&h->work);
		return;
	}
}

static struct kube_call *
next_ended(const struct kube_http *h)
{
	for (struct kube_call *c = h->calls; c; c = c->next)
		if (c->state == CALL_ENDED && (!c->streamed || c->in_at == c->in.len))
			return c;
	return NULL;
}

static void
sweep_wires(struct kube_http *h)
{
	struct old_wire **at = &h->old;

	while (*at) {
		struct old_wire *old = *at;

		if (wire_nr(old->wire) > 0) {
			at = &old->next;
			continue;
		}
		*at = old->next;
		wire_free(old->wire);
		free(old);
	}
}

static void
http_work(void *arg)
{
	struct kube_http *h = arg;
	struct kube_call *c;

	start_parked(h);
	deliver(h);
	sweep_wires(h);
	/* done() may do anything, to us too. */
	h->tells = true;
	while ((c = next_ended(h)))
		call_tell(c);
	h->tells = false;
	if (h->doomed)
		free(h);
}

/* ---- for others ---- */

struct kube_http *
kube_http_new(struct loop *loop, struct kube_access *access)
{
	struct kube_http *h;

	if (curl_calls_open() < 0) {
		errno = ENOENT;
		return NULL;
	}
	if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) {
		errno = ENOMEM;
		return NULL;
	}
	h = xnew(struct kube_http);
	h->loop = loop;
	h->access = access;
	h->calls_tail = &h->calls;
	work_init(&h->work, loop, http_work, h);
	if (http_place_init(h) < 0) {
		kube_http_free(h);
		errno = EINVAL;
		return NULL;
	}
	if (kube_access_insecure(access))
		log_warn("kube-tls-not-verified", LOG_S("server", kube_access_server(access)),
		    LOG_S("why", "insecure-skip-tls-verify: whoever answers there is believed"));
	else if (strncmp(kube_access_server(access), "http://", 7) == 0)
		log_warn("kube-tls-not-used", LOG_S("server", kube_access_server(access)),
		    LOG_S("why", "no credentials are sent without TLS"));
	return h;
}

void
kube_http_free(struct kube_http *h)
{
	if (!h)
		return;
	kube_access_cancel(h->access, h);
	while (h->calls)
		kube_call_cancel(h->calls);
	work_cancel(&h->work);
	sweep_wires(h);
	for (int i = 0; i < NR_LANES; i++)
		wire_free(h->lanes[i]);
	http_place_fini(h);
	curl_global_cleanup();
	h->doomed = true;
	if (!h->tells)
		free(h);
}

struct kube_call *
kube_call(struct kube_http *h, const struct kube_request *r)
{
	struct kube_call *c = mem_calloc(1, sizeof(*c));

	if (!c)
		return NULL;
	*c = (struct kube_call){ .http = h, .data = r->data, .done = r->done, .arg = r->arg };
	c->timeout_ms = r->timeout_ms;
	c->idle_ms = r->idle_ms;
	timer_init(&c->timeout, h->loop, call_late, c);
	timer_init(&c->idle, h->loop, call_silent, c);
	buf_init(&c->in, HTTP_BODY_MAX);
	c->method = xstrdup(r->method);
	c->type = r->content_type ? xstrdup(r->content_type) : NULL;
	c->url = mem_calloc(strlen(h->base) + strlen(r->path) + 1, 1);
	c->body = r->body ? mem_calloc(r->len + 1, 1) : NULL;
	if (!c->url || (r->body && !c->body)) {
		call_free(c);
		return NULL;
	}
	snprintf(c->url, strlen(h->base) + strlen(r->path) + 1, "%s%s", h->base, r->path);
	if (r->body) {
		memcpy(c->body, r->body, r->len);
		c->body_len = r->len;
	}
	call_link(c);
	if (c->timeout_ms)
		timer_set(&c->timeout, c->timeout_ms);
	idle_restart(c);
	work_post(&h->work);
	return c;
}

void
kube_call_cancel(struct kube_call *c)
{
	struct kube_http *h = c->http;

	call_unlink(c);
	call_free(c);
	if (h->old)
		work_post(&h->work);
}

void
kube_call_pause(struct kube_call *c, bool paused)
{
	if (c->paused == paused)
		return;
	c->paused = paused;
	idle_restart(c);
	work_post(&c->http->work);
}

bool
kube_http_reachable(const struct kube_http *h)
{
	return h->reached;
}
