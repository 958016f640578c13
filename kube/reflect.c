/*
 * kube/reflect.c: list and watch of one resource as a state machine over http.h; see reflect.h.
 *
 *     WAIT --timer--> LIST --whole--> APPLY --> WATCH --end--> WATCH, with what it saw last
 *       ^               |                         |
 *       +---no answer---+-------410 (relist)------+----silent to its end----> PROBE --> WATCH
 *
 * Bytes come by data(), wait in a bounded buffer and are worked off in turns (struct kube_turns).
 * How a call ended is kept until its bytes are used up; then after() says what is next.
 */
#include "kube/reflect.h"

#include "kube/stream.h"

#include "lib/buf.h"
#include "lib/log.h"
#include "lib/mem.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PIECE 4096u		/* bytes between two looks at the clock */
#define HIGH_WATER (256u << 10) /* of bytes that wait: stop reading */
#define LOW_WATER (64u << 10)
#define MAX_WAITING (16u << 20) /* more than what was under way when reading stopped */
#define PAGE 500
#define MAX_PAGES 20000u
#define LIST_TIMEOUT_MS 60000u
#define WATCH_IDLE_MS 150000u /* bookmarks come each minute */
#define WATCH_MIN_S 300u
#define WATCH_SPREAD_S 300u
#define FIRST_MS 500u
#define CAP_MS 30000u
#define SLOW_MS 30000u	/* what a person has to mend */
#define LIVED_MS 10000u /* a watch that was worth it without an event */
#define SILENT_MS 100000u
#define BAD_LINES 3u /* at one place: list, rather than ask for it once more */

enum state { R_WAIT, R_LIST, R_APPLY, R_WATCH, R_PROBE };

/* What the timer begins. */
enum next { NEXT_LIST, NEXT_WATCH, NEXT_PROBE };

struct kube_reflect {
	struct loop *loop;
	struct kube_http *http;
	struct kube_turns *turns;
	struct kube_turn turn;
	struct kube_reflect_conf conf;
	const struct kube_receiver *to;
	void *arg;

	enum state state;
	enum next next;
	struct loop_timer timer;
	size_t path, tried; /* which one; how many were not known in a row */
	unsigned unknown;   /* how often all of them were not, at the start */

	struct kube_call *call;
	struct kube_stream *stream;
	struct buf bytes; /* from the answer, not yet looked at from @used on */
	size_t used;
	bool paused, ended, overrun;
	int status, code; /* of the call that ended */
	unsigned retry_after_s;

	char version[KUBE_VERSION_SIZE]; /* seen last; "" : list */
	char list_version[KUBE_VERSION_SIZE];
	char *more; /* the next page */
	bool page_told;
	unsigned pages;
	uint64_t watch_began_ms;
	bool heard;	/* a byte in this watch */
	bool fruitful;	/* an event or a bookmark in this watch */
	int event_code; /* of an ERROR event */
	unsigned list_fails, watch_fails, bad_lines;
	unsigned gone; /* 410s in a row */

	struct kube_reflect_info info;
	char answer[320]; /* what was said of the call that ended */
	char error[320];
};

static void begin_list(struct kube_reflect *);
static void begin_watch(struct kube_reflect *);
static void begin_probe(struct kube_reflect *);

/* ---- what is told ---- */

/* "": all is well.  That the server is away is told once, for all watches (kube.c). */
static void
set_error(struct kube_reflect *r, const char *text)
{
	if (strcmp(text, r->error) == 0)
		return;
	if (*text && !r->info.unreached)
		log_warn(
		    "kube-watch-failed", LOG_S("resource", r->conf.resource), LOG_S("error", text));
	snprintf(r->error, sizeof(r->error), "%s", text);
	r->to->state(r->arg);
}

static void
set_watching(struct kube_reflect *r, bool watching)
{
	if (r->info.watching == watching)
		return;
	r->info.watching = watching;
	r->to->state(r->arg);
}

/* ---- calls ---- */

static void
end_call(struct kube_reflect *r)
{
	if (r->call)
		kube_call_cancel(r->call);
	r->call = NULL;
	r->ended = r->paused = r->overrun = false;
	buf_reset(&r->bytes);
	r->used = 0;
	kube_stream_free(r->stream);
	r->stream = NULL;
}

static bool
on_data(void *arg, const char *bytes, size_t len)
{
	struct kube_reflect *r = arg;

	if (r->used == r->bytes.len) {
		buf_reset(&r->bytes);
		r->used = 0;
	}
	buf_add(&r->bytes, bytes, len);
	r->overrun = r->bytes.failed;
	r->heard = true;
	if (r->info.unreached) {
		r->info.unreached = false;
		r->to->state(r->arg);
	}
	kube_turn_ask(r->turns, &r->turn);
	return !r->overrun;
}

static void
on_done(void *arg, const struct kube_answer *a)
{
	struct kube_reflect *r = arg;

	r->call = NULL;
	r->ended = true;
	r->status = a->status;
	r->code = a->code ? a->code : a->status;
	r->retry_after_s = a->retry_after_s;
	r->info.unreached = a->status == 0;
	snprintf(r->answer, sizeof(r->answer), "%s", a->error);
	kube_turn_ask(r->turns, &r->turn);
}

/* Percent-encode @s, for the value of a query. */
static void
put_escaped(struct buf *b, const char *s)
{
	for (; *s; s++) {
		unsigned char c = (unsigned char)*s;

		if ((c >= '0' && c <= '9') || ((c | 32) >= 'a' && (c | 32) <= 'z') ||
		    strchr("-._~", c))
			buf_putc(b, (char)c);
		else
			buf_printf(b, "%%%02X", c);
	}
}

static void
wait_for(struct kube_reflect *r, enum next next, uint64_t ms)
{
	r->state = R_WAIT;
	r->next = next;
	timer_set_jitter(&r->timer, ms, 50);
}

/* GET; @query is used up.  False: no memory, and the timer runs. */
static bool
call(struct kube_reflect *r, struct buf *query, unsigned timeout_ms, unsigned idle_ms)
{
	struct kube_request req = { .method = "GET",
		.timeout_ms = timeout_ms,
		.idle_ms = idle_ms,
		.data = on_data,
		.done = on_done,
		.arg = r };

	if (*r->conf.query)
		buf_printf(query, "&%s", r->conf.query);
	req.path = buf_text(query);
	r->heard = r->fruitful = false;
	r->event_code = r->status = r->code = 0;
	r->retry_after_s = 0;
	*r->answer = '\0';
	if (!query->failed)
		r->call = kube_call(r->http, &req);
	buf_fini(query);
	if (r->call)
		return true;
	end_call(r);
	set_error(r, "no memory for a request");
	return false;
}

static void
on_timer(void *arg)
{
	static void (*const begin[])(
	    struct kube_reflect *) = { begin_list, begin_watch, begin_probe }; /* enum next */
	struct kube_reflect *r = arg;

	begin[r->next](r);
}

/* ---- trying again ---- */

static uint64_t
back_off(const struct kube_reflect *r, unsigned fails)
{
	uint64_t ms = fails > 6 ? CAP_MS : (uint64_t)FIRST_MS << fails, asked;

	if (ms > CAP_MS)
		ms = CAP_MS;
	/* What a server says that starts is more than it needs; one that is flooded knows better. */
	asked = (uint64_t)r->retry_after_s * 1000;
	if (r->status != 429 && asked > 2000)
		asked = 2000;
	if (asked > 2 * CAP_MS)
		asked = 2 * CAP_MS;
	/* Half of it may be taken off again, so that not all come back at once. */
	return ms > 2 * asked ? ms : 2 * asked;
}

static void
list_failed(struct kube_reflect *r)
{
	uint64_t ms = back_off(r, r->list_fails);

	r->list_fails++;
	mem_free(r->more);
	r->more = NULL;
	set_watching(r, false);
	wait_for(r, NEXT_LIST, ms);
}

static void
watch_failed(struct kube_reflect *r, enum next next)
{
	uint64_t ms = back_off(r, r->watch_fails);

	r->watch_fails++;
	set_watching(r, false);
	wait_for(r, next, ms);
}

/* "/apis/GROUP/VERSION/...": the group of a path, "" for the core's. */
static const char *
group_of(const char *path, int *len)
{
	if (strncmp(path, "/apis/", 6) != 0) {
		*len = 0;
		return "";
	}
	*len = (int)strcspn(path + 6, "/");
	return path + 6;
}

/* What is missing, as it would stand in a Role. */
static void
forbidden(struct kube_reflect *r)
{
	const char *path = r->conf.paths[r->path], *plural = strrchr(path, '/') + 1;
	char text[320];
	int len;
	const char *group = group_of(path, &len);

	snprintf(text, sizeof(text),
	    "forbidden: needs the RBAC rule {apiGroups: [\"%.*s\"], resources: [\"%s\"], verbs: "
	    "[\"list\", \"watch\"]}: %.120s",
	    len, group, plural, r->answer);
	set_error(r, text);
}

/* No answer, or one that says no. */
static void
told_no(struct kube_reflect *r)
{
	char text[64];

	snprintf(text, sizeof(text), "HTTP status %d", r->status);
	if (r->status == 403)
		forbidden(r);
	else
		set_error(r, *r->answer ? r->answer : text);
}

/* ---- lists ---- */

static int
on_object(void *arg, const char *type, const char *json, size_t len)
{
	struct kube_reflect *r = arg;
	char version[KUBE_VERSION_SIZE] = "";

	(void)type;
	return r->to->object(r->arg, KUBE_LISTED, r->path, json, len, version);
}

static void
on_list(void *arg, const char *version, const char *more, const char *api, const char *kind)
{
	struct kube_reflect *r = arg;
	char *old = r->more;

	(void)api;
	(void)kind;
	r->page_told = *version && strlen(version) < sizeof(r->list_version) &&
	    (r->pages == 1 || strcmp(version, r->list_version) == 0);
	/* The same page again, and again. */
	if (old && *more && strcmp(old, more) == 0)
		r->page_told = false;
	snprintf(r->list_version, sizeof(r->list_version), "%s", version);
	r->more = *more ? mem_strndup(more, strlen(more)) : NULL;
	if (*more && !r->more)
		r->page_told = false;
	mem_free(old);
}

static const struct kube_stream_ops list_ops = { on_object, on_list };

static void
begin_page(struct kube_reflect *r)
{
	struct buf query;

	r->pages++;
	r->page_told = false;
	r->state = R_LIST;
	buf_init(&query, 64u << 10);
	buf_printf(&query, "%s?limit=%d", r->conf.paths[r->path], PAGE);
	if (r->more) {
		buf_puts(&query, "&continue=");
		put_escaped(&query, r->more);
	}
	r->stream = kube_stream_new(KUBE_STREAM_LIST, &list_ops, r);
	if (!r->stream)
		query.failed = true;
	if (!call(r, &query, LIST_TIMEOUT_MS, LIST_TIMEOUT_MS / 2))
		list_failed(r);
}

static void
begin_list(struct kube_reflect *r)
{
	mem_free(r->more);
	r->more = NULL;
	r->pages = 0;
	*r->list_version = '\0';
	r->to->begin(r->arg);
	begin_page(r);
}

/* The whole list is in effect. */
static void
list_taken(struct kube_reflect *r)
{
	memcpy(r->version, r->list_version, sizeof(r->version));
	r->info.lists++;
	r->info.served = r->info.synced = true;
	r->list_fails = r->bad_lines = 0;
	set_error(r, "");
	r->to->state(r->arg);
	begin_watch(r);
}

static void
after_page(struct kube_reflect *r, int err)
{
	char why[200];

	if (!err)
		err = kube_stream_finish(r->stream);
	if (!err && r->page_told && r->pages < MAX_PAGES) {
		end_call(r);
		if (r->more) {
			begin_page(r);
			return;
		}
		if (r->to->end(r->arg)) {
			r->state = R_APPLY;
			kube_turn_ask(r->turns, &r->turn);
			return;
		}
		log_warn("kube-list-empty", LOG_S("resource", r->conf.resource));
		wait_for(r, NEXT_LIST, 4 * FIRST_MS);
		return;
	}
	snprintf(why, sizeof(why), "the list of %s cannot be used: %s", r->conf.resource,
	    err ? kube_stream_error(r->stream) : "its pages do not belong together");
	end_call(r);
	set_error(r, why);
	list_failed(r);
}

/* The server does not know this path: the next one, or it is not served, for now.  A server that has
 * just started does not know all of its own either: so it is asked again before that is believed,
 * and what is held stays. */
static void
not_there(struct kube_reflect *r)
{
	r->path++;
	r->tried++;
	if (!r->conf.paths[r->path])
		r->path = 0;
	if (r->conf.paths[r->tried]) {
		begin_list(r);
		return;
	}
	r->tried = 0;
	if (!r->info.synced && r->unknown++ < 2) {
		wait_for(r, NEXT_LIST, FIRST_MS * r->unknown);
		return;
	}
	r->info.served = false;
	r->info.synced = true;
	*r->error = '\0';
	set_watching(r, false);
	r->to->state(r->arg);
	wait_for(r, NEXT_LIST, SLOW_MS);
}

static void
after_list(struct kube_reflect *r, int err)
{
	if (err || (r->status >= 200 && r->status <= 299)) {
		r->tried = 0;
		after_page(r, err);
		return;
	}
	end_call(r);
	if (r->status == 404) {
		not_there(r);
		return;
	}
	told_no(r);
	/* 410: the pages took too long, and those that would follow are of another version. */
	list_failed(r);
}

/* ---- watches ---- */

static int
on_error_event(struct kube_reflect *r, const char *json, size_t len)
{
	json_t *status = json_loadb(json, len, 0, NULL);
	const char *message = json_string_value(json_object_get(status, "message"));

	r->event_code = (int)json_integer_value(json_object_get(status, "code"));
	snprintf(r->answer, sizeof(r->answer), "the watch of %s was ended: %.200s",
	    r->conf.resource, message ? message : "no reason given");
	json_decref(status);
	return -ECANCELED;
}

static int
on_event(void *arg, const char *type, const char *json, size_t len)
{
	static const struct {
		const char *type;
		enum kube_said said;
	} types[] = { { "ADDED", KUBE_CHANGED }, { "MODIFIED", KUBE_CHANGED },
		{ "DELETED", KUBE_DELETED }, { "BOOKMARK", KUBE_BOOKMARK } };
	struct kube_reflect *r = arg;
	char version[KUBE_VERSION_SIZE] = "";

	if (strcmp(type, "ERROR") == 0)
		return on_error_event(r, json, len);
	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
		int err;

		if (strcmp(type, types[i].type) != 0)
			continue;
		err = r->to->object(r->arg, types[i].said, r->path, json, len, version);
		if (err < 0)
			return err;
		if (!*version)
			return -EBADMSG;
		memcpy(r->version, version, sizeof(version));
		r->info.events += types[i].said != KUBE_BOOKMARK;
		r->fruitful = true;
		r->watch_fails = r->bad_lines = r->gone = 0;
		set_error(r, "");
		return 0;
	}
	return -EBADMSG;
}

static const struct kube_stream_ops watch_ops = { on_event, NULL };

static void
begin_watch(struct kube_reflect *r)
{
	unsigned seconds = WATCH_MIN_S + loop_random(r->loop, WATCH_SPREAD_S + 1);
	struct buf query;

	r->state = R_WATCH;
	buf_init(&query, 4096);
	buf_printf(&query, "%s?watch=1&allowWatchBookmarks=true&timeoutSeconds=%u&resourceVersion=",
	    r->conf.paths[r->path], seconds);
	put_escaped(&query, r->version);
	r->stream = kube_stream_new(KUBE_STREAM_WATCH, &watch_ops, r);
	if (!r->stream)
		query.failed = true;
	if (!call(r, &query, (seconds + 60) * 1000, WATCH_IDLE_MS)) {
		watch_failed(r, NEXT_WATCH);
		return;
	}
	r->watch_began_ms = loop_now_ms(r->loop);
	set_watching(r, true);
}

/* A watch that said nothing at all, not even a bookmark, may stand at a version that the server has
 * yet to reach, after it was put back to an older state: then nothing would ever come.  A list of
 * one object, not older than what we have seen, tells. */
static void
begin_probe(struct kube_reflect *r)
{
	struct buf query;

	r->state = R_PROBE;
	buf_init(&query, 4096);
	buf_printf(&query, "%s?limit=1&resourceVersionMatch=NotOlderThan&resourceVersion=",
	    r->conf.paths[r->path]);
	put_escaped(&query, r->version);
	if (!call(r, &query, LIST_TIMEOUT_MS, 0))
		watch_failed(r, NEXT_PROBE);
}

static void
after_probe(struct kube_reflect *r)
{
	bool fine = r->status >= 200 && r->status <= 299;
	bool ahead = r->status == 504 && strstr(r->answer, "resource version");

	end_call(r);
	if (fine) {
		r->watch_fails = 0;
		begin_watch(r);
		return;
	}
	told_no(r);
	if (ahead)
		log_warn("kube-version-ahead", LOG_S("resource", r->conf.resource));
	/* A 4xx says that it does not know the question: older than 1.19. */
	if (ahead || (r->status >= 400 && r->status < 500 && r->status != 429 && r->status != 401))
		watch_failed(r, NEXT_LIST);
	else
		watch_failed(r, NEXT_PROBE);
}

/* A line that cannot be read: from the same place again, and after a while from the start. */
static void
after_bad_line(struct kube_reflect *r)
{
	char why[200];

	snprintf(why, sizeof(why), "the watch of %s cannot be read: %s", r->conf.resource,
	    kube_stream_error(r->stream));
	end_call(r);
	set_error(r, why);
	watch_failed(r, ++r->bad_lines >= BAD_LINES ? NEXT_LIST : NEXT_WATCH);
}

/* It ended, as watches do: when its time was up. */
static void
watch_over(struct kube_reflect *r, uint64_t lived_ms, bool heard)
{
	set_watching(r, false);
	if (!heard && lived_ms >= SILENT_MS)
		wait_for(r, NEXT_PROBE, FIRST_MS);
	else if (r->fruitful || lived_ms >= LIVED_MS)
		begin_watch(r);
	else
		watch_failed(r, NEXT_WATCH);
}

/* The server ended it, with @code, or there was no answer: 0. */
static void
watch_refused(struct kube_reflect *r, int code)
{
	if (code == 410) { /* a server that was away says so at once, and then the wait is over */
		log_info("kube-list-again", LOG_S("resource", r->conf.resource),
		    LOG_S("reason", r->answer));
		r->watch_fails = r->gone++;
		watch_failed(r, NEXT_LIST);
		return;
	}
	told_no(r);
	switch (code) {
	case 400:
	case 404:
	case 422:
		watch_failed(r, NEXT_LIST);
		break;
	default:
		watch_failed(r, NEXT_WATCH);
		break;
	}
}

static void
after_watch(struct kube_reflect *r, int err)
{
	bool ok = r->ended && r->status >= 200 && r->status <= 299, heard = r->heard;
	uint64_t lived = loop_now_ms(r->loop) - r->watch_began_ms;

	if (!r->event_code && !err && ok)
		err = kube_stream_finish(r->stream);
	if (err && !r->event_code) {
		after_bad_line(r);
		return;
	}
	end_call(r);
	if (lived >= LIVED_MS)
		r->watch_fails = r->gone = 0;
	if (r->event_code)
		watch_refused(r, r->event_code);
	else if (ok || (!r->status && !heard && lived >= SILENT_MS))
		watch_over(r, lived, heard);
	else
		watch_refused(r, r->code);
}

/* ---- working off what came ---- */

static void
mind_the_water(struct kube_reflect *r)
{
	size_t waiting = r->bytes.len - r->used;
	bool paused = r->paused ? waiting > LOW_WATER : waiting > HIGH_WATER;

	if (!r->call || paused == r->paused)
		return;
	r->paused = paused;
	kube_call_pause(r->call, paused);
}

/* Move what waits to the front when more was used than waits. */
static void
close_ranks(struct kube_reflect *r)
{
	size_t waiting = r->bytes.len - r->used;

	if (!waiting) {
		if (r->bytes.cap > HIGH_WATER)
			buf_fini(&r->bytes);
		else
			buf_reset(&r->bytes);
		r->used = 0;
	} else if (r->used > waiting) {
		memmove(r->bytes.data, r->bytes.data + r->used, waiting + 1);
		r->bytes.len = waiting;
		r->used = 0;
	}
}

static int
feed(struct kube_reflect *r, uint64_t until_us)
{
	int err = 0;

	if (!r->stream) { /* of a probe: nobody wants to know */
		r->used = r->bytes.len;
		return 0;
	}
	do {
		size_t n = r->bytes.len - r->used;

		if (!n)
			break;
		if (n > PIECE)
			n = PIECE;
		err = kube_stream_feed(r->stream, r->bytes.data + r->used, n);
		r->used += n;
	} while (!err && loop_now_us(r->loop) < until_us);
	return err;
}

static bool
go_on_applying(struct kube_reflect *r, uint64_t until_us)
{
	int err = r->to->apply(r->arg, until_us);

	if (err == 1) {
		list_taken(r);
		return false;
	}
	if (err == 0)
		return true;
	set_error(r, "no memory for what was listed");
	list_failed(r);
	return false;
}

/* True: there is more to do. */
static bool
work_off(void *arg, uint64_t until_us)
{
	struct kube_reflect *r = arg;
	int err;

	if (r->state == R_APPLY)
		return go_on_applying(r, until_us);
	if (r->state == R_WAIT)
		return false;
	err = feed(r, until_us);
	close_ranks(r);
	if (!err && r->used < r->bytes.len) {
		mind_the_water(r);
		return true;
	}
	if (!err && !r->ended) {
		mind_the_water(r);
		return false;
	}
	if (r->state == R_LIST)
		after_list(r, err);
	else if (r->state == R_WATCH)
		after_watch(r, err);
	else
		after_probe(r);
	return false;
}

/* ---- life ---- */

struct kube_reflect *
kube_reflect_new(struct loop *loop, struct kube_http *http, struct kube_turns *turns,
    const struct kube_reflect_conf *conf, const struct kube_receiver *to, void *arg)
{
	struct kube_reflect *r = xnew(struct kube_reflect);

	r->loop = loop;
	r->http = http;
	r->turns = turns;
	r->turn = (struct kube_turn){ .run = work_off, .arg = r };
	r->conf = *conf;
	r->to = to;
	r->arg = arg;
	buf_init(&r->bytes, MAX_WAITING);
	timer_init(&r->timer, loop, on_timer, r);
	r->next = NEXT_LIST;
	timer_set(&r->timer, 0);
	return r;
}

void
kube_reflect_free(struct kube_reflect *r)
{
	if (!r)
		return;
	timer_stop(&r->timer);
	end_call(r);
	kube_turn_give_up(r->turns, &r->turn);
	buf_fini(&r->bytes);
	mem_free(r->more);
	free(r);
}

void
kube_reflect_nudge(struct kube_reflect *r)
{
	if (r->state == R_WAIT && r->info.unreached && timer_left_ms(&r->timer) > 1000)
		timer_set_jitter(&r->timer, 1000, 100);
}

void
kube_reflect_info(const struct kube_reflect *r, struct kube_reflect_info *info)
{
	*info = r->info;
	info->error = r->error;
}
