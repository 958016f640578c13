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

#define IDLE_MAX 4L /* connections that are kept for later */

struct wire {
	struct loop *loop;
	CURLM *multi;
	struct loop_timer timer;
	wire_done_cb *done;
	unsigned nr;
	uint64_t heard_ms;
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

/* CURLMOPT_SOCKETFUNCTION: @mine is what was assigned to the descriptor, NULL the first time. */
static int
on_socket(CURL *easy, curl_socket_t fd, int what, void *arg, void *mine)
{
	struct wire *w = arg;
	struct loop_fd *watch = mine;
	unsigned wanted = 0;

	(void)easy;
	if (what == CURL_POLL_REMOVE) {
		loop_fd_free(watch);
		curl_multi_assign(w->multi, fd, NULL);
		return 0;
	}
	wanted |= what & CURL_POLL_IN ? LOOP_READ : 0u;
	wanted |= what & CURL_POLL_OUT ? LOOP_WRITE : 0u;
	if (watch) {
		loop_fd_set(watch, wanted);
		return 0;
	}
	watch = loop_fd_new(w->loop, fd, wanted, wire_ready, w);
	if (!watch) {
		/* The transfers over it get no answer, and their time limits end them. */
		log_error("kube-http-failed", LOG_ERR(ENOMEM));
		return 0;
	}
	curl_multi_assign(w->multi, fd, watch);
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
	timer_stop(&w->timer);
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
}

uint64_t
wire_heard_ms(const struct wire *w)
{
	return w->heard_ms;
}
