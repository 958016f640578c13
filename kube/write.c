/*
 * kube/write.c: the one queue of what is written to the API server.  Between the daemon's wishes and
 * http.h: decides what goes next and when, and tries again what the server could not take.
 *
 * A key has at most one write that waits and one that is under way.  What waits stands in one of two
 * heaps, ready (by urgency, then age) or delayed (by when it may be tried again), or in none while
 * another write of its key is under way, so that writes of one object arrive in order.  Those with a
 * deadline are in a third heap besides.  Each step costs the logarithm of what waits.
 *
 * Two things slow the queue as a whole down, leases excepted: the tokens, and the hold.  The hold is
 * set when the server gives no answer or asks for a pause; until it answers again one write at a time
 * tries whether it is back.
 */
#include "kube/write.h"

#include "lib/loop.h"
#include "lib/mem.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <uthash.h>

#define BACKOFF_FIRST_MS 250
#define BACKOFF_MAX_MS 30000
#define SILENCE_MAX_MS                                                                             \
	5000 /* between tries while nobody answers: a server that is back is found soon */
#define RETRY_AFTER_MAX_S 60 /* whatever the server says */
#define STARTING_MAX_S 2     /* a server that starts says 10; it is there much earlier */
#define REQUEST_MS 30000     /* for one request */
#define TOKEN 1000	     /* a write costs so many thousandths */

/* ---- heaps ---- */

struct item;

struct heap {
	struct item **v;
	size_t nr, cap;
	size_t slot; /* which of an item's places is this heap's */
	bool (*before)(const struct item *, const struct item *);
};

enum { IN_READY, IN_DELAYED, IN_DEADLINES, NR_HEAPS };

struct item {
	struct kube_writer *w;
	struct slot *slot;
	size_t place[NR_HEAPS]; /* in each heap, from 1; 0: not there */
	enum kube_urgency urgency;
	uint64_t seq;	     /* age: that of the oldest write that it stands for */
	uint64_t not_before; /* ms of the loop */
	uint64_t deadline;   /* likewise; 0: none */
	unsigned tries;
	bool untold;
	struct kube_call *call;
	void (*done)(void *arg, const struct kube_answer *);
	void *arg;
	json_t *body;
	const char *method, *path, *content_type; /* in text[] */
	char text[];
};

/* What there is of one key. */
struct slot {
	UT_hash_handle hh;
	struct item *waiting, *under_way;
	bool telling; /* done() runs: it is looked at afterwards */
	char key[];
};

struct kube_writer {
	struct loop *loop;
	struct kube_http *http;
	struct kube_writer_conf conf;
	struct slot *slots;
	struct heap heaps[NR_HEAPS];
	uint64_t next_seq;
	size_t nr_waiting, nr_under_way, nr_leases_under_way;
	uint64_t tokens, tokens_at; /* thousandths of a write, and when that was so */
	uint64_t hold_until;	    /* ms; 0: none */
	unsigned silence;	    /* tries in a row without an answer */
	uint64_t sent, retried, refused, replaced;
	struct loop_timer timer;
	struct loop_work work;
};

static bool
before_ready(const struct item *a, const struct item *b)
{
	return a->urgency != b->urgency ? a->urgency < b->urgency : a->seq < b->seq;
}

static bool
before_delayed(const struct item *a, const struct item *b)
{
	return a->not_before < b->not_before;
}

static bool
before_deadline(const struct item *a, const struct item *b)
{
	return a->deadline < b->deadline;
}

static void
heap_put(struct heap *h, size_t at, struct item *it)
{
	h->v[at] = it;
	it->place[h->slot] = at + 1;
}

static void
heap_up(struct heap *h, size_t at, struct item *it)
{
	for (size_t up; at > 0 && h->before(it, h->v[up = (at - 1) / 2]); at = up)
		heap_put(h, at, h->v[up]);
	heap_put(h, at, it);
}

static void
heap_down(struct heap *h, size_t at, struct item *it)
{
	for (size_t kid; (kid = 2 * at + 1) < h->nr; at = kid) {
		if (kid + 1 < h->nr && h->before(h->v[kid + 1], h->v[kid]))
			kid++;
		if (!h->before(h->v[kid], it))
			break;
		heap_put(h, at, h->v[kid]);
	}
	heap_put(h, at, it);
}

/* There is room: heaps_reserve(). */
static void
heap_add(struct heap *h, struct item *it)
{
	heap_up(h, h->nr++, it);
}

static void
heap_remove(struct heap *h, struct item *it)
{
	const size_t place = it->place[h->slot];
	struct item *last;

	if (place == 0)
		return;
	it->place[h->slot] = 0;
	last = h->v[--h->nr];
	if (last == it)
		return;
	heap_up(h, place - 1, last);
	heap_down(h, last->place[h->slot] - 1, last);
}

static struct item *
heap_top(const struct heap *h)
{
	return h->nr ? h->v[0] : NULL;
}

/* Room in every heap for all items that there may be, one more included. */
static int
heaps_reserve(struct kube_writer *w)
{
	const size_t nr = w->nr_waiting + w->nr_under_way + w->nr_leases_under_way;

	for (int i = 0; i < NR_HEAPS; i++)
		if (mem_grow((void **)&w->heaps[i].v, &w->heaps[i].cap, nr, sizeof(struct item *),
			0) < 0)
			return -ENOMEM;
	return 0;
}

/* ---- items and keys ---- */

static struct item *
item_new(struct kube_writer *w, const struct kube_write *from)
{
	const char *type = from->content_type ? from->content_type : "";
	const size_t nr_method = strlen(from->method) + 1, nr_path = strlen(from->path) + 1;
	const size_t nr_type = strlen(type) + 1;
	struct item *it = mem_calloc(1, sizeof(*it) + nr_method + nr_path + nr_type);
	char *at;

	if (!it)
		return NULL;
	at = it->text;
	it->method = memcpy(at, from->method, nr_method);
	it->path = memcpy(at + nr_method, from->path, nr_path);
	memcpy(at + nr_method + nr_path, type, nr_type);
	it->content_type = from->content_type ? at + nr_method + nr_path : NULL;
	it->w = w;
	it->urgency = from->urgency;
	it->body = json_incref(from->body);
	it->done = from->done;
	it->arg = from->arg;
	if (from->deadline_ms)
		it->deadline = loop_now_ms(w->loop) + from->deadline_ms;
	return it;
}

/* Out of everything, and gone. */
static void
item_free(struct item *it)
{
	for (int i = 0; i < NR_HEAPS; i++)
		heap_remove(&it->w->heaps[i], it);
	json_decref(it->body);
	mem_free(it);
}

static struct slot *
slot_find(const struct kube_writer *w, const char *key)
{
	struct slot *s;

	HASH_FIND_STR(w->slots, key, s);
	return s;
}

static struct slot *
slot_new(struct kube_writer *w, const char *key)
{
	const size_t size = strlen(key) + 1;
	struct slot *s = mem_calloc(1, sizeof(*s) + size);

	if (!s)
		return NULL;
	memcpy(s->key, key, size);
	HASH_ADD_STR(w->slots, key, s);
	return s;
}

static void
slot_drop_empty(struct kube_writer *w, struct slot *s)
{
	if (s->waiting || s->under_way || s->telling)
		return;
	HASH_DEL(w->slots, s);
	mem_free(s);
}

/* The write that waits under a key gets its place: it may go, or has to wait a while. */
static void
slot_queue(struct kube_writer *w, struct slot *s)
{
	struct item *it = s->waiting;

	if (!it || s->under_way || s->telling)
		return;
	if (it->not_before > loop_now_ms(w->loop))
		heap_add(&w->heaps[IN_DELAYED], it);
	else
		heap_add(&w->heaps[IN_READY], it);
	work_post(&w->work);
}

static void
slot_forget_waiting(struct kube_writer *w, struct slot *s)
{
	if (!s->waiting)
		return;
	item_free(s->waiting);
	s->waiting = NULL;
	w->nr_waiting--;
}

/* ---- when ---- */

static uint64_t
backoff(struct kube_writer *w, unsigned tries, uint64_t max)
{
	uint64_t ms = max;

	if (tries < 16 && (uint64_t)BACKOFF_FIRST_MS << tries < max)
		ms = (uint64_t)BACKOFF_FIRST_MS << tries;
	return ms / 2 + loop_random(w->loop, (uint32_t)(ms / 2) + 1);
}

static uint64_t
max_u64(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

static uint64_t
min_u64(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

static void
tokens_refill(struct kube_writer *w)
{
	const uint64_t now = loop_now_ms(w->loop), full = (uint64_t)w->conf.burst * TOKEN;
	/* A clock that stood still for long fills it once and no more. */
	const uint64_t ms = now - w->tokens_at > 3600000 ? 3600000 : now - w->tokens_at;

	w->tokens += ms * w->conf.per_second; /* a thousandth of a write each ms and per_second */
	if (w->tokens > full)
		w->tokens = full;
	w->tokens_at = now;
}

/* Milliseconds until the next write that is no lease may go; 0: now. */
static uint64_t
pause_left(const struct kube_writer *w)
{
	const uint64_t now = loop_now_ms(w->loop);
	uint64_t ms = 0;

	if (w->tokens < TOKEN)
		ms = (TOKEN - w->tokens + w->conf.per_second - 1) / w->conf.per_second;
	if (w->hold_until > now)
		ms = max_u64(ms, w->hold_until - now);
	return ms;
}

static bool
has_room(const struct kube_writer *w)
{
	return w->nr_under_way < (w->silence ? 1 : w->conf.at_once);
}

/* What the answer says of the server as a whole. */
static void
learn(struct kube_writer *w, const struct kube_answer *a)
{
	const uint64_t now = loop_now_ms(w->loop);
	unsigned after = a->retry_after_s;

	if (a->status == 0) {
		if (w->hold_until <= now) /* else of the same batch */
			w->hold_until = now + backoff(w, w->silence++, SILENCE_MAX_MS);
		return;
	}
	w->silence = 0;
	w->hold_until = 0;
	if (a->status != 429 && a->status != 503)
		return;
	if (after > RETRY_AFTER_MAX_S)
		after = RETRY_AFTER_MAX_S;
	if (a->status == 503 && after > STARTING_MAX_S)
		after = STARTING_MAX_S;
	w->hold_until = now + max_u64((uint64_t)after * 1000, backoff(w, 0, BACKOFF_MAX_MS));
}

/* ---- sending ---- */

static bool
is_to_be_tried_again(int status)
{
	return status == 0 || status == 401 || status == 408 || status == 429 || status >= 500;
}

static void
tell(struct kube_writer *w, struct item *it, const struct kube_answer *a)
{
	struct slot *s = it->slot;

	if (a->status >= 400)
		w->refused++;
	s->telling = true;
	if (it->done && !it->untold)
		it->done(it->arg, a);
	s->telling = false;
	item_free(it);
}

static bool
is_late(const struct item *it)
{
	return it->deadline && it->deadline <= loop_now_ms(it->w->loop);
}

/* Into the queue once more, behind a while. */
static void
try_again(struct kube_writer *w, struct item *it, const struct kube_answer *a)
{
	const uint64_t now = loop_now_ms(w->loop);
	uint64_t max = a->status == 0 ? SILENCE_MAX_MS : BACKOFF_MAX_MS;

	if (it->urgency == KUBE_LEASE)
		max = BACKOFF_FIRST_MS;
	it->not_before = now + backoff(w, it->tries++, max);
	if (it->urgency != KUBE_LEASE)
		it->not_before = max_u64(it->not_before, w->hold_until);
	w->retried++;
	if (it->slot->waiting) { /* the newer one has to wait as this one would */
		it->slot->waiting->not_before = it->not_before;
		it->slot->waiting->tries = it->tries;
		w->replaced++;
		item_free(it);
		return;
	}
	it->slot->waiting = it;
	w->nr_waiting++;
	if (it->deadline)
		heap_add(&w->heaps[IN_DEADLINES], it);
}

static void
answered(void *arg, const struct kube_answer *a)
{
	struct item *it = arg;
	struct kube_writer *w = it->w;
	struct slot *s = it->slot;

	it->call = NULL;
	s->under_way = NULL;
	if (it->urgency == KUBE_LEASE)
		w->nr_leases_under_way--;
	else
		w->nr_under_way--;
	learn(w, a);
	if (is_to_be_tried_again(a->status) && !it->untold && !is_late(it)) {
		try_again(w, it, a);
	} else if (is_late(it) && is_to_be_tried_again(a->status)) {
		struct kube_answer late = *a;

		late.status = 0;
		tell(w, it, &late);
	} else {
		tell(w, it, a);
	}
	slot_queue(w, s);
	slot_drop_empty(w, s);
	work_post(&w->work);
}

static unsigned
time_for(const struct item *it)
{
	const uint64_t now = loop_now_ms(it->w->loop);

	if (!it->deadline || it->deadline > now + REQUEST_MS)
		return REQUEST_MS;
	return it->deadline > now ? (unsigned)(it->deadline - now) : 1;
}

static void
start(struct kube_writer *w, struct item *it)
{
	static const struct kube_answer no_memory = { .error = "memory is short", .reason = "" };
	struct kube_request req = {
		.method = it->method,
		.path = it->path,
		.content_type = it->content_type,
		.timeout_ms = time_for(it),
		.done = answered,
		.arg = it,
	};
	char *text = it->body ? json_dumps(it->body, JSON_COMPACT) : NULL;

	for (int i = 0; i < NR_HEAPS; i++)
		heap_remove(&w->heaps[i], it);
	w->nr_waiting--;
	it->slot->waiting = NULL;
	it->slot->under_way = it;
	if (it->urgency == KUBE_LEASE)
		w->nr_leases_under_way++;
	else
		w->nr_under_way++;
	req.body = text;
	req.len = text ? strlen(text) : 0;
	if (text || !it->body)
		it->call = kube_call(w->http, &req);
	free(text);
	if (it->call)
		w->sent++;
	else
		answered(it, &no_memory);
}

static void
tell_late(struct kube_writer *w)
{
	static const struct kube_answer late = {
		.error = "the API server could not be written to in time", .reason = ""
	};
	struct item *it;
	struct slot *s;

	while ((it = heap_top(&w->heaps[IN_DEADLINES])) && is_late(it)) {
		s = it->slot;
		s->waiting = NULL;
		w->nr_waiting--;
		for (int i = 0; i < NR_HEAPS; i++)
			heap_remove(&w->heaps[i], it);
		tell(w, it, &late);
		slot_queue(w, s);
		slot_drop_empty(w, s);
	}
}

static void
wake_in(struct kube_writer *w)
{
	const uint64_t now = loop_now_ms(w->loop);
	const struct item *delayed = heap_top(&w->heaps[IN_DELAYED]);
	const struct item *late = heap_top(&w->heaps[IN_DEADLINES]);
	uint64_t ms = UINT64_MAX;

	if (delayed)
		ms = delayed->not_before > now ? delayed->not_before - now : 0;
	if (late)
		ms = min_u64(ms, late->deadline > now ? late->deadline - now : 0);
	if (w->heaps[IN_READY].nr && has_room(w))
		ms = min_u64(ms, pause_left(w));
	if (ms == UINT64_MAX)
		timer_stop(&w->timer);
	else
		timer_set(&w->timer, ms);
}

/* Send what may be sent. */
static void
pump(void *arg)
{
	struct kube_writer *w = arg;
	const uint64_t now = loop_now_ms(w->loop);
	struct item *it;

	tokens_refill(w);
	tell_late(w);
	while ((it = heap_top(&w->heaps[IN_DELAYED])) && it->not_before <= now) {
		heap_remove(&w->heaps[IN_DELAYED], it);
		heap_add(&w->heaps[IN_READY], it);
	}
	while ((it = heap_top(&w->heaps[IN_READY]))) {
		if (it->urgency != KUBE_LEASE) {
			if (!has_room(w) || pause_left(w) > 0)
				break;
			w->tokens -= TOKEN;
		}
		start(w, it);
	}
	wake_in(w);
}

/* ---- from outside ---- */

static struct kube_writer_conf
within_reason(const struct kube_writer_conf *conf)
{
	struct kube_writer_conf c = *conf;

	c.per_second = c.per_second ? c.per_second : 1;
	c.burst = c.burst ? c.burst : 1;
	c.at_once = c.at_once ? c.at_once : 1;
	return c;
}

struct kube_writer *
kube_writer_new(struct loop *loop, struct kube_http *http, const struct kube_writer_conf *conf)
{
	struct kube_writer *w = xnew(struct kube_writer);

	w->loop = loop;
	w->http = http;
	w->conf = within_reason(conf);
	w->tokens = (uint64_t)w->conf.burst * TOKEN;
	w->tokens_at = loop_now_ms(loop);
	w->heaps[IN_READY] = (struct heap){ .slot = IN_READY, .before = before_ready };
	w->heaps[IN_DELAYED] = (struct heap){ .slot = IN_DELAYED, .before = before_delayed };
	w->heaps[IN_DEADLINES] = (struct heap){ .slot = IN_DEADLINES, .before = before_deadline };
	timer_init(&w->timer, loop, pump, w);
	work_init(&w->work, loop, pump, w);
	return w;
}

void
kube_writer_pace(struct kube_writer *w, const struct kube_writer_conf *conf)
{
	tokens_refill(w);
	w->conf = within_reason(conf);
	work_post(&w->work);
}

void
kube_writer_free(struct kube_writer *w)
{
	struct slot *s, *next;

	if (!w)
		return;
	timer_stop(&w->timer);
	work_cancel(&w->work);
	HASH_ITER(hh, w->slots, s, next)
	{
		if (s->waiting)
			item_free(s->waiting);
		if (s->under_way) {
			kube_call_cancel(s->under_way->call);
			item_free(s->under_way);
		}
		HASH_DEL(w->slots, s);
		mem_free(s);
	}
	for (int i = 0; i < NR_HEAPS; i++)
		mem_free(w->heaps[i].v);
	free(w);
}

int
kube_write(struct kube_writer *w, const struct kube_write *from)
{
	struct slot *s = slot_find(w, from->key);
	struct item *it = heaps_reserve(w) == 0 ? item_new(w, from) : NULL;

	if (!it)
		return -ENOMEM;
	if (!s)
		s = slot_new(w, from->key);
	if (!s) {
		item_free(it);
		return -ENOMEM;
	}
	it->slot = s;
	it->seq = w->next_seq++;
	if (s->waiting) {
		it->seq = s->waiting->seq;
		it->not_before = s->waiting->not_before;
		it->tries = s->waiting->tries;
		w->replaced++;
		slot_forget_waiting(w, s);
	}
	s->waiting = it;
	w->nr_waiting++;
	if (it->deadline) {
		heap_add(&w->heaps[IN_DEADLINES], it);
		work_post(&w->work);
	}
	slot_queue(w, s);
	return 0;
}

void
kube_write_forget(struct kube_writer *w, const char *key)
{
	struct slot *s = slot_find(w, key);

	if (!s)
		return;
	slot_forget_waiting(w, s);
	if (s->under_way)
		s->under_way->untold = true;
	slot_drop_empty(w, s);
}

void
kube_writer_info(const struct kube_writer *w, struct kube_writer_info *info)
{
	*info = (struct kube_writer_info){
		.waiting = w->nr_waiting,
		.under_way = w->nr_under_way + w->nr_leases_under_way,
		.sent = w->sent,
		.retried = w->retried,
		.refused = w->refused,
		.replaced = w->replaced,
	};
}
