/*
 * daemon/page.c: requests for the page, and streams of the state to those who have it open.  See page.h.
 *
 * A stream looks once a second whether the state says something new; nobody looks while no page is open.
 */
#include "daemon/page.h"

#include "daemon/app.h"
#include "daemon/explain.h"
#include "daemon/httpd.h"
#include "lib/hash.h"
#include "lib/mem.h"
#include "lib/text.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define STREAMS_MAX 8
#define LOOK_MS 1000
#define ALIVE_MS                                                                                   \
	15000 /* something is sent at least that often, so that a dead connection is noticed */
#define FILTER_MAX 128

extern const char page_html[], page_css[], page_js[]; /* page_assets.S */
extern const uint32_t page_html_len, page_css_len, page_js_len;

struct stream {
	struct stream *next, **prev;
	struct page *page;
	struct httpd_visit *visit;
	char *filter;
	struct page_state *state; /* in the making, or waiting to be sent; NULL: none */
	struct page_services services;
	struct loop_work work;
	struct loop_timer look;
	uint64_t sent_hash, sent_ms;
};

struct page {
	struct app *app;
	struct page_plans plans;
	struct stream *streams;
	unsigned nr_streams;
};

/* ---- streams ---- */

static void
stream_gone(void *arg)
{
	struct stream *s = arg;

	*s->prev = s->next;
	if (s->next)
		s->next->prev = s->prev;
	if (--s->page->nr_streams == 0)
		page_plans_fini(&s->page->plans);
	timer_stop(&s->look);
	work_cancel(&s->work);
	page_state_free(s->state);
	page_services_fini(&s->services);
	free(s->filter);
	free(s);
}

/* False: the client has not read what came before. */
static bool
stream_put(struct stream *s, const char *event, const char *text)
{
	const uint64_t now = loop_now_ms(s->page->app->loop);
	struct buf b;
	bool taken;

	buf_init(&b, 4u << 20);
	buf_printf(
	    &b, "event: %s\ndata: {\"nowMs\":%" PRIu64 ",\"state\":%s}\n\n", event, now, text);
	taken = !b.failed && httpd_stream_put(s->visit, b.data, b.len);
	buf_fini(&b);
	if (taken)
		s->sent_ms = now;
	return taken;
}

static void
stream_state(struct stream *s)
{
	const struct buf *text = page_state_text(s->state);
	const uint64_t hash = text->failed ? 0 : hash_bytes(text->data, text->len);

	if (text->failed)
		(void)stream_put(s, "large", "null");
	else if (hash != s->sent_hash && stream_put(s, "state", buf_text(text)))
		s->sent_hash = hash;
	else if (loop_now_ms(s->page->app->loop) - s->sent_ms >= ALIVE_MS)
		(void)stream_put(s, "alive", "null");
	page_state_free(s->state);
	s->state = NULL;
	timer_set(&s->look, LOOK_MS);
}

static void
stream_work(void *arg)
{
	struct stream *s = arg;

	if (page_state_step(s->state, &s->services))
		work_post(&s->work);
	else
		stream_state(s);
}

static void
stream_look(void *arg)
{
	struct stream *s = arg;

	if (!store_config(s->page->app->store)->metrics_page) {
		httpd_stream_end(s->visit);
		return;
	}
	s->state = page_state_new(s->page->app, &s->page->plans, s->filter);
	work_post(&s->work);
}

static void
stream_begin(struct page *p, const char *filter, struct httpd_answer *a)
{
	struct stream *s;

	if (p->nr_streams >= STREAMS_MAX) {
		a->status = 503;
		buf_puts(&a->body, "the page is open too many times\n");
		return;
	}
	s = xnew(struct stream);
	s->page = p;
	s->visit = a->visit;
	s->filter = xstrdup(filter);
	s->sent_ms = loop_now_ms(p->app->loop);
	s->next = p->streams;
	s->prev = &p->streams;
	if (s->next)
		s->next->prev = &s->next;
	p->streams = s;
	p->nr_streams++;
	work_init(&s->work, p->app->loop, stream_work, s);
	timer_init(&s->look, p->app->loop, stream_look, s);
	httpd_stream(a->visit, stream_gone, s);
	a->status = 200;
	buf_puts(&a->body, "retry: 1000\n\n");
	stream_look(s);
}

/* ---- requests ---- */

static void
put_headers(struct buf *headers, const char *type)
{
	/* Nothing from elsewhere, nothing written into the page; names come as text alone. */
	buf_printf(headers,
	    "Content-Type: %s; charset=utf-8\r\n"
	    "Content-Security-Policy: default-src 'none'; script-src 'self'; style-src 'self'; "
	    "connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; "
	    "frame-ancestors 'none'\r\n"
	    "Referrer-Policy: no-referrer\r\n"
	    "X-Content-Type-Options: nosniff\r\n"
	    "Cache-Control: no-store\r\n",
	    type);
}

/* A name that stands for this machine: others could be made to lead here from a stranger's page. */
static bool
is_host_here(const char *host)
{
	size_t len = strcspn(host, ":");

	if (*host == '[')
		return strncmp(host, "[::1]", 5) == 0 && (!host[5] || host[5] == ':');
	if (strspn(host, "0123456789.") == len)
		return strncmp(host, "127.", 4) == 0;
	return len == 9 && strncasecmp(host, "localhost", 9) == 0;
}

static int
hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c = (char)tolower((unsigned char)c);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* RFC 3986 2.1; false: too long, or not as it should be. */
static bool
unescape(const char *s, char *out, size_t size)
{
	size_t n = 0;

	for (; *s && *s != '&'; s++) {
		int high, low;
		char c = *s;

		if (c == '%') {
			high = hex_digit(s[1]);
			low = high < 0 ? -1 : hex_digit(s[2]);
			if (low < 0)
				return false;
			c = (char)(high << 4 | low);
			s += 2;
		}
		if (n + 1 >= size || c < ' ' || c > '~')
			return false;
		out[n++] = c;
	}
	out[n] = '\0';
	return true;
}

/* "/explain/service/NAMESPACE/NAME": what `heraldctl explain` says. */
static void
answer_explain(const struct page *p, const char *path, struct httpd_answer *a)
{
	const char *words[2] = { "service", path + strlen("/explain/service/") };
	const struct control_req req = { .argv = words, .argc = 2 };
	json_t *data = NULL;
	char *error = NULL, *text = NULL;

	if (explain_command(p->app, &req, &data, &error) == 0) {
		text = json_dumps(data, JSON_COMPACT);
		a->status = text ? 200 : 503;
		buf_puts(&a->body, text ? text : "");
	} else {
		a->status = 404;
		buf_printf(&a->body, "%s\n", error ? error : "");
	}
	put_headers(&a->headers, a->status == 200 ? "application/json" : "text/plain");
	json_decref(data);
	free(error);
	free(text);
}

static bool
answer_asset(const char *path, struct httpd_answer *a)
{
	const struct {
		const char *path, *type, *text;
		uint32_t len;
	} assets[] = {
		{ "/", "text/html", page_html, page_html_len },
		{ "/page.css", "text/css", page_css, page_css_len },
		{ "/page.js", "text/javascript", page_js, page_js_len },
	};

	for (size_t i = 0; i < sizeof(assets) / sizeof(assets[0]); i++) {
		if (strcmp(path, assets[i].path) != 0)
			continue;
		a->status = 200;
		buf_add(&a->body, assets[i].text, assets[i].len);
		put_headers(&a->headers, assets[i].type);
		return true;
	}
	return false;
}

bool
page_answer(struct page *p, const char *path, struct httpd_answer *a)
{
	static const char events[] = "/events?filter=", explain[] = "/explain/service/";
	const bool is_events = strncmp(path, events, sizeof(events) - 1) == 0;
	const bool is_explain = strncmp(path, explain, sizeof(explain) - 1) == 0;
	char filter[FILTER_MAX];

	if (!store_config(p->app->store)->metrics_page ||
	    (strcmp(path, "/") != 0 && strncmp(path, "/page.", 6) != 0 && !is_events &&
		!is_explain))
		return false;
	if (!a->from_here || !is_host_here(a->host)) {
		a->status = 403;
		buf_puts(&a->body,
		    "the page is for browsers on this node, at localhost; "
		    "ssh -L 7479:localhost:7479 brings it further\n");
		put_headers(&a->headers, "text/plain");
		return true;
	}
	if (is_explain) {
		answer_explain(p, path, a);
		return true;
	}
	if (!is_events)
		return answer_asset(path, a);
	if (unescape(path + sizeof(events) - 1, filter, sizeof(filter)))
		stream_begin(p, filter, a);
	put_headers(&a->headers, a->status == 200 ? "text/event-stream" : "text/plain");
	return true;
}

/* ---- life ---- */

struct page *
page_new(struct app *app)
{
	struct page *p = xnew(struct page);

	p->app = app;
	return p;
}

void
page_free(struct page *p)
{
	if (!p)
		return;
	page_plans_fini(&p->plans);
	free(p);
}
