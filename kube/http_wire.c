/*
 * kube/http_wire.c: see http_wire.h.  libcurl says which descriptors and which time it waits for, the
 * loop says what is ready; http.c adds the transfers and hears of their ends.
 */
#include "kube/http_wire.h"

#include "lib/log.h"
#include "lib/loop.h"
#include "lib/mem.h"

#include <errno.h>
#include <stdlib.h>

#define IDLE_MAX 4L  /* connections that are kept for later */
#define NUDGE_MAX 64 /* descriptors, in a turn */

/* A descriptor of libcurl's. */
struct wire_fd {
	struct wire_fd *next, **prev;
	int fd;
	struct loop_fd *watch;
};

struct wire {
	struct loop *loop;
	CURLM *multi;
	struct loop_timer timer;
	wire_done_cb *done;
	unsigned nr;
	uint64_t heard_ms;
	struct wire_fd *fds;
	struct loop_work nudge;
};

/* Ends are looked for after each step: libcurl must not be left with any. */
static void
wire_reap(struct wire *w)
{
	CURLMsg *m;
	int left;

	while ((m = curl_multi_info_read(w->multi, &left))) {
		CURL *easy = m->easy_handle;
		CURLcode result = m->data.result;

		if (m->msg != CURLMSG_DONE)
			continue;
		wire_remove(w, easy);
		w->done(easy, result);
	}
}

static void
wire_step(struct wire *w, curl_socket_t fd, int what)
{
	int running;
	CURLMcode err = curl_multi_socket_action(w->multi, fd, what, &running);

	if (err != CURLM_OK)
		log_error("kube-http-failed", LOG_S("error", curl_multi_strerror(err)));
	wire_reap(w);
}

/*
 * libcurl 7.88 may leave what it has read for one stream of an HTTP/2 connection lying, when another
 * stream that stood in its way ends or goes on: nothing comes from the descriptor any more, so nobody
 * would look.  After each sign of life we have it look once more, until there was nothing.
 */
static void
wire_nudge(void *arg)
{
	struct wire *w = arg;
	int fds[NUDGE_MAX];
	size_t nr = 0;

	for (struct wire_fd *f = w->fds; f && nr < NUDGE_MAX; f = f->next)
		fds[nr++] = f->fd;
	for (size_t i = 0; i < nr; i++) /* libcurl ignores those that are gone by now */
		wire_step(w, fds[i], CURL_CSELECT_IN);
}

static void
wire_ready(void *arg, int fd, unsigned what)
{
	wire_step(arg, fd, what == LOOP_READ ? CURL_CSELECT_IN : CURL_CSELECT_OUT);
}

static void
wire_due(void *arg)
{
	wire_step(arg, CURL_SOCKET_TIMEOUT, 0);
}

static void
wire_fd_free(struct wire_fd *f)
{
	*f->prev = f->next;
	if (f->next)
		f->next->prev = f->prev;
	loop_fd_free(f->watch);
	mem_free(f);
}

static struct wire_fd *
wire_fd_new(struct wire *w, int fd, unsigned wanted)
{
	struct wire_fd *f = mem_calloc(1, sizeof(*f));

	if (!f)
		return NULL;
	*f = (struct wire_fd){ .next = w->fds, .prev = &w->fds, .fd = fd };
	if (f->next)
		f->next->prev = &f->next;
	w->fds = f;
	f->watch = loop_fd_new(w->loop, fd, wanted, wire_ready, w);
	if (f->watch)
		return f;
	wire_fd_free(f);
	return NULL;
}

/* CURLMOPT_SOCKETFUNCTION: @mine is what was assigned to the descriptor, NULL the first time. */
static int
on_socket(CURL *easy, curl_socket_t fd, int what, void *arg, void *mine)
{
	struct wire *w = arg;
	struct wire_fd *f = mine;
	unsigned wanted = 0;

	(void)easy;
	if (what == CURL_POLL_REMOVE) {
		if (f)
			wire_fd_free(f);
		curl_multi_assign(w->multi, fd, NULL);
		return 0;
	}
	wanted |= what & CURL_POLL_IN ? LOOP_READ : 0u;
	wanted |= what & CURL_POLL_OUT ? LOOP_WRITE : 0u;
	if (f) {
		loop_fd_set(f->watch, wanted);
		return 0;
	}
	f = wire_fd_new(w, fd, wanted);
	if (!f) {
		/* The transfers over it get no answer, and their time limits end them. */
		log_error("kube-http-failed", LOG_ERR(ENOMEM));
		return 0;
	}
	curl_multi_assign(w->multi, fd, f);
	return 0;
}

/* CURLMOPT_TIMERFUNCTION: not the place to call libcurl from, so even 0 waits for the loop. */
static int
on_timer(CURLM *multi, long ms, void *arg)
{
	struct wire *w = arg;

	(void)multi;
	if (ms < 0)
		timer_stop(&w->timer);
	else
		timer_set(&w->timer, (uint64_t)ms);
	return 0;
}

struct wire *
wire_new(struct loop *loop, wire_done_cb *done)
{
	struct wire *w = mem_calloc(1, sizeof(*w));
	CURLM *multi = w ? curl_multi_init() : NULL;

	if (!multi) {
		mem_free(w);
		errno = ENOMEM;
		return NULL;
	}
	*w = (struct wire){ .loop = loop, .multi = multi, .done = done };
	w->heard_ms = loop_now_ms(loop);
	timer_init(&w->timer, loop, wire_due, w);
	work_init(&w->nudge, loop, wire_nudge, w);
	curl_multi_setopt(multi, CURLMOPT_SOCKETFUNCTION, on_socket);
	curl_multi_setopt(multi, CURLMOPT_SOCKETDATA, w);
	curl_multi_setopt(multi, CURLMOPT_TIMERFUNCTION, on_timer);
	curl_multi_setopt(multi, CURLMOPT_TIMERDATA, w);
	curl_multi_setopt(multi, CURLMOPT_PIPELINING, CURLPIPE_MULTIPLEX);
	curl_multi_setopt(multi, CURLMOPT_MAXCONNECTS, IDLE_MAX);
	return w;
}

void
wire_free(struct wire *w)
{
	if (!w)
		return;
	curl_multi_cleanup(w->multi);
	while (w->fds)
		wire_fd_free(w->fds);
	timer_stop(&w->timer);
	work_cancel(&w->nudge);
	mem_free(w);
}

int
wire_add(struct wire *w, CURL *easy)
{
	if (curl_multi_add_handle(w->multi, easy) != CURLM_OK)
		return -ENOMEM;
	w->nr++;
	return 0;
}

void
wire_remove(struct wire *w, CURL *easy)
{
	if (curl_multi_remove_handle(w->multi, easy) == CURLM_OK)
		w->nr--;
	if (w->nr > 0)
		work_post(&w->nudge);
}

unsigned
wire_nr(const struct wire *w)
{
	return w->nr;
}

void
wire_heard(struct wire *w)
{
	w->heard_ms = loop_now_ms(w->loop);
	work_post(&w->nudge);
}

uint64_t
wire_heard_ms(const struct wire *w)
{
	return w->heard_ms;
}
