/*
 * daemon/metrics.c: listens at metrics.listen, and makes the answer to /metrics in slices from the end
 * of the loop's turns, so that sessions do not wait for whoever looks.  See metrics.h.
 */
#include "daemon/metrics.h"

#include "daemon/app.h"
#include "daemon/metrics_parts.h"
#include "daemon/page.h"
#include "lib/log.h"
#include "lib/mem.h"

#include <stdlib.h>
#include <string.h>

#define SLICE_US 1000
#define SCRAPES_MAX 4
#define TEXT_MAX (64u << 20)
#define AGAIN_MS 5000

static metrics_part *const parts[] = { metrics_daemon, metrics_bgp, metrics_bfd, metrics_pools,
	metrics_services, metrics_l2, metrics_datapath, metrics_frontends, metrics_routes,
	metrics_config, metrics_kube, metrics_loop, metrics_process };
#define NR_PARTS (sizeof(parts) / sizeof(parts[0]))

/* ---- one answer ---- */

static void
scrape_free(struct scrape *s)
{
	*s->prev = s->next;
	if (s->next)
		s->next->prev = s->prev;
	s->metrics->nr_scrapes--;
	work_cancel(&s->work);
	res_unref(s->service);
	buf_fini(&s->text);
	for (int i = 0; i < 3; i++)
		buf_fini(&s->each[i]);
	free(s);
}

/* Nobody waits for it any more. */
static void
scrape_gone(void *arg)
{
	scrape_free(arg);
}

static void
put_type(struct buf *headers, const char *type)
{
	buf_printf(headers,
	    "Content-Type: %s; charset=utf-8\r\n"
	    "X-Content-Type-Options: nosniff\r\n"
	    "Cache-Control: no-store\r\n",
	    type);
}

static void
scrape_end(struct scrape *s)
{
	struct httpd_answer a = { .status = 200, .body = s->text };

	buf_init(&s->text, 0);
	buf_init(&a.headers, 4096);
	put_type(&a.headers, "text/plain; version=0.0.4");
	httpd_done(s->visit, &a);
	buf_fini(&a.headers);
	buf_fini(&a.body);
	scrape_free(s);
}

static void
scrape_work(void *arg)
{
	struct scrape *s = arg;
	const uint64_t begin = loop_now_us(s->app->loop);
	uint64_t now = begin;

	while (s->part < NR_PARTS && now - begin < SLICE_US) {
		s->part += !parts[s->part](s);
		now = loop_now_us(s->app->loop);
	}
	if (now - begin > s->metrics->longest_us)
		s->metrics->longest_us = now - begin;
	if (s->part < NR_PARTS)
		work_post(&s->work);
	else
		scrape_end(s);
}

static void
scrape_begin(struct metrics *m, struct httpd_answer *a)
{
	struct scrape *s;

	if (m->nr_scrapes >= SCRAPES_MAX) {
		a->status = 503;
		buf_puts(&a->body, "too many at a time\n");
		return;
	}
	s = xnew(struct scrape);
	s->metrics = m;
	s->app = m->app;
	s->visit = a->visit;
	s->per_service = store_config(m->app->store)->metrics_per_service;
	buf_init(&s->text, TEXT_MAX);
	metric_out_init(&s->out, &s->text);
	for (int i = 0; i < 3; i++) {
		buf_init(&s->each[i], TEXT_MAX / 4);
		metric_out_init(&s->each_out[i], &s->each[i]);
	}
	s->next = m->scrapes;
	s->prev = &m->scrapes;
	if (s->next)
		s->next->prev = &s->next;
	m->scrapes = s;
	m->nr_scrapes++;
	work_init(&s->work, m->app->loop, scrape_work, s);
	work_post(&s->work);
	httpd_later(s->visit, scrape_gone, s);
}

/* ---- requests ---- */

static bool
is_path(const char *path, const char *wanted)
{
	const size_t len = strcspn(path, "?");

	return strlen(wanted) == len && strncmp(path, wanted, len) == 0;
}

static void
answer(void *arg, const char *path, struct httpd_answer *a)
{
	struct metrics *m = arg;

	if (is_path(path, "/metrics")) {
		scrape_begin(m, a);
		if (a->status == 400)
			return;
	} else if (is_path(path, "/healthz")) {
		/* That this is answered says it all: the loop goes round. */
		a->status = 200;
		buf_puts(&a->body, "ok\n");
	} else if (is_path(path, "/readyz")) {
		a->status = ready_look(m->app, &a->body) ? 200 : 503;
		buf_puts(&a->body, a->status == 200 ? "ready\n" : "not ready\n");
	} else if (page_answer(m->page, path, a)) {
		return;
	} else {
		a->status = 404;
		buf_puts(&a->body, "there are /metrics, /healthz and /readyz\n");
	}
	put_type(&a->headers, "text/plain");
}

/* ---- life ---- */

static void
try_listen(void *arg)
{
	struct metrics *m = arg;
	int err = 0;

	m->httpd = httpd_new(m->app->loop, &m->addr, m->port, answer, m, &err);
	if (m->httpd) {
		log_info("metrics-listening", LOG_S("address", addr_str(&m->addr)),
		    LOG_U("port", m->port));
		m->failed = false;
		return;
	}
	if (!m->failed)
		log_error("metrics-not-listening", LOG_S("address", addr_str(&m->addr)),
		    LOG_U("port", m->port), LOG_ERR(err),
		    LOG_S("hint",
			"see metrics.listen of the HeraldConfig; it is tried again every 5 s"));
	m->failed = true;
	timer_set(&m->again, AGAIN_MS);
}

static void
stop_listening(struct metrics *m)
{
	timer_stop(&m->again);
	httpd_free(m->httpd); /* ends the scrapes, too */
	m->httpd = NULL;
	m->failed = false;
}

struct addr
metrics_wanted(const struct res_herald_config *c, uint16_t *port)
{
	*port = c->metrics_listen.port;
	return c->metrics_off ? (struct addr){ 0 } : c->metrics_listen.addr;
}

void
metrics_conf(struct metrics *m)
{
	uint16_t port;
	const struct addr addr = metrics_wanted(store_config(m->app->store), &port);

	if (addr_eq(&addr, &m->addr) && port == m->port)
		return;
	stop_listening(m);
	m->addr = addr;
	m->port = port;
	if (addr_is_set(&addr))
		try_listen(m);
}

struct metrics *
metrics_new(struct app *app)
{
	struct metrics *m = xnew(struct metrics);

	m->app = app;
	m->page = page_new(app);
	timer_init(&m->again, app->loop, try_listen, m);
	metrics_rest_init(m);
	metrics_conf(m);
	return m;
}

void
metrics_free(struct metrics *m)
{
	if (!m)
		return;
	stop_listening(m);
	page_free(m->page);
	mem_free(m->carried.last);
	free(m);
}
