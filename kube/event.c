/*
 * kube/event.c: Events on their way to the API server.  Behind daemon/, which says what happened;
 * before write.h, where they are the least urgent.
 *
 * An event is made once and afterwards only counted: the same type, reason and note about the same
 * object is one object of the API, with at most one write of it in the queue.  Two tables bound the
 * whole: what was told lately (who was not heard of for longest goes), and a budget for each object,
 * as in client-go.  Core v1 rather than events.k8s.io, whose series nobody's tools show.
 */
#include "kube/event.h"

#include "lib/loop.h"
#include "lib/mem.h"
#include "lib/text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <uthash.h>

#define NOTE_MAX 1024	 /* bytes; the server takes no more */
#define NAME_PART 220	 /* of the object's name in the event's, which has 253 */
#define TOLD_MAX 1024	 /* remembered, beside those whose write waits */
#define WAITING_MAX 8192 /* events whose write waits; more are not told */
#define BUDGETS_MAX 4096
#define BURST 25	   /* events about an object */
#define REFILL_MS 300000   /* and one more in so long */
#define PATIENCE_MS 600000 /* what could not be written by then is no news */

struct told {
	UT_hash_handle hh;
	struct kube_events *events;
	char *folder, *name, *write_key;
	json_t *body; /* as it is made */
	unsigned count;
	bool made;  /* the server has it */
	bool dirty; /* happened again since the write in the queue was made */
	bool waits; /* a write is in the queue */
	char key[];
};

struct budget {
	UT_hash_handle hh;
	uint64_t at_ms; /* when @left was right */
	unsigned left;
	char key[];
};

struct kube_events {
	struct loop *loop;
	struct kube_writer *writer;
	char *component, *node;
	struct told *told;	/* in order of their last time, oldest first */
	struct budget *budgets; /* likewise */
	size_t nr_waiting;
	unsigned seq;
};

struct kube_events *
kube_events_new(
    struct loop *loop, struct kube_writer *writer, const char *component, const char *node)
{
	struct kube_events *e = xnew(struct kube_events);

	e->loop = loop;
	e->writer = writer;
	e->component = xstrdup(component);
	e->node = xstrdup(node);
	return e;
}

static void
told_free(struct told *t)
{
	if (t->waits) {
		t->events->nr_waiting--;
		kube_write_forget(t->events->writer, t->write_key);
	}
	HASH_DEL(t->events->told, t);
	json_decref(t->body);
	free(t->folder);
	free(t->name);
	free(t->write_key);
	free(t);
}

void
kube_events_free(struct kube_events *e)
{
	struct budget *b, *next;

	if (!e)
		return;
	while (e->told)
		told_free(e->told);
	HASH_ITER(hh, e->budgets, b, next)
	{
		HASH_DEL(e->budgets, b);
		free(b);
	}
	free(e->component);
	free(e->node);
	free(e);
}

/* ---- how much an object may have ---- */

static struct budget *
budget_of(struct kube_events *e, const char *key)
{
	struct budget *b, *oldest;

	HASH_FIND_STR(e->budgets, key, b);
	if (b) {
		HASH_DEL(e->budgets, b);
		HASH_ADD_STR(e->budgets, key, b);
		return b;
	}
	oldest = e->budgets;
	if (HASH_COUNT(e->budgets) >= BUDGETS_MAX) {
		HASH_DEL(e->budgets, oldest);
		free(oldest);
	}
	b = xcalloc(1, sizeof(*b) + strlen(key) + 1);
	memcpy(b->key, key, strlen(key) + 1);
	b->left = BURST;
	b->at_ms = loop_now_ms(e->loop);
	HASH_ADD_STR(e->budgets, key, b);
	return b;
}

static bool
may_spend(struct kube_events *e, const struct kube_about *about)
{
	char *key = xasprintf("%s %s/%s", about->kind, about->ns, about->name);
	struct budget *b = budget_of(e, key);
	const uint64_t more = (loop_now_ms(e->loop) - b->at_ms) / REFILL_MS;

	free(key);
	b->at_ms += more * REFILL_MS;
	b->left = more < BURST - b->left ? b->left + (unsigned)more : BURST;
	if (b->left == 0)
		return false;
	b->left--;
	return true;
}

/* ---- what it looks like ---- */

/* At most @max bytes, cut between characters; what is no UTF-8 shows as question marks. */
static char *
clean_text(const char *s, size_t max)
{
	size_t len = strlen(s), n = 0, one;
	char *to = xcalloc(1, max + 1);
	uint32_t c;

	while (len > 0) {
		one = text_utf8_char(s, len, &c);
		if (n + (one ? one : 1) > max)
			break;
		if (one)
			memcpy(to + n, s, one);
		else
			to[n] = '?';
		one = one ? one : 1;
		n += one;
		s += one;
		len -= one;
	}
	return to;
}

/* metav1.Time: whole seconds. */
static json_t *
time_json(const struct loop *loop)
{
	const time_t now = loop_wall(loop);
	char text[64];
	struct tm tm;

	gmtime_r(&now, &tm);
	strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", &tm);
	return json_string(text);
}

static json_t *
about_json(const struct kube_about *about)
{
	json_t *o = json_pack("{s:s, s:s, s:s}", "apiVersion", about->api_version, "kind",
	    about->kind, "name", about->name);

	if (*about->ns)
		json_object_set_new(o, "namespace", json_string(about->ns));
	if (about->uid && *about->uid)
		json_object_set_new(o, "uid", json_string(about->uid));
	if (about->resource_version && *about->resource_version)
		json_object_set_new(o, "resourceVersion", json_string(about->resource_version));
	return o;
}

/* An event about something without namespace lives in "default": the server asks for that. */
static const char *
namespace_of(const struct kube_about *about)
{
	return *about->ns ? about->ns : "default";
}

static json_t *
event_json(struct kube_events *e, const struct told *t, const struct kube_about *about,
    bool warning, const char *reason, const char *note)
{
	json_t *body = json_pack("{s:s, s:s, s:{s:s, s:s}, s:o, s:s, s:s, s:s}", "apiVersion", "v1",
	    "kind", "Event", "metadata", "name", t->name, "namespace", namespace_of(about),
	    "involvedObject", about_json(about), "reason", reason, "message", note, "type",
	    warning ? "Warning" : "Normal");

	json_object_set_new(
	    body, "source", json_pack("{s:s, s:s}", "component", e->component, "host", e->node));
	json_object_set_new(body, "reportingComponent", json_string(e->component));
	json_object_set_new(body, "reportingInstance", json_string(e->node));
	json_object_set_new(body, "firstTimestamp", time_json(e->loop));
	json_object_set_new(body, "lastTimestamp", time_json(e->loop));
	json_object_set_new(body, "count", json_integer(1));
	return body;
}

/* ---- writing ---- */

static void written(void *arg, const struct kube_answer *);

static void
send_event(struct told *t)
{
	struct kube_events *e = t->events;
	char *path = xasprintf("%s/%s", t->folder, t->name);
	json_t *change = json_pack(
	    "{s:I, s:o}", "count", (json_int_t)t->count, "lastTimestamp", time_json(e->loop));
	struct kube_write w = {
		.urgency = KUBE_EVENT,
		.key = t->write_key,
		.method = t->made ? "PATCH" : "POST",
		.path = t->made ? path : t->folder,
		.content_type = t->made ? "application/merge-patch+json" : "application/json",
		.body = t->made ? change : t->body,
		.done = written,
		.arg = t,
		.deadline_ms = PATIENCE_MS,
	};

	if (!t->made)
		json_object_update(t->body, change);
	t->dirty = false;
	t->waits = kube_write(e->writer, &w) == 0;
	e->nr_waiting += t->waits;
	json_decref(change);
	free(path);
	if (!t->waits)
		told_free(t);
}

static void
written(void *arg, const struct kube_answer *a)
{
	struct told *t = arg;
	const bool was_made = t->made;

	t->waits = false;
	t->events->nr_waiting--;
	/* There already: the answer to an earlier try was lost.  Not there any more: events live for an
	 * hour; then it is made once more. */
	if (!was_made && a->status == 409)
		t->made = t->dirty = true;
	else if (was_made && a->status == 404)
		t->made = false, t->dirty = true;
	else if (a->status >= 200 && a->status < 300)
		t->made = true;
	else {
		told_free(t); /* no right to, or its namespace goes: not worth another word */
		return;
	}
	if (t->dirty)
		send_event(t);
	else if (HASH_COUNT(t->events->told) > TOLD_MAX)
		told_free(t);
}

static struct told *
told_new(struct kube_events *e, const char *key, const struct kube_about *about)
{
	struct told *t;

	if (e->told && HASH_COUNT(e->told) >= TOLD_MAX && !e->told->waits)
		told_free(e->told);
	t = xcalloc(1, sizeof(*t) + strlen(key) + 1);
	memcpy(t->key, key, strlen(key) + 1);
	t->events = e;
	t->folder = xasprintf("/api/v1/namespaces/%s/events", namespace_of(about));
	t->name = xasprintf("%.*s.%llx%04x", NAME_PART, about->name,
	    (unsigned long long)loop_wall_us(e->loop), e->seq++ & 0xffff);
	t->write_key = xasprintf("event/%s/%s", namespace_of(about), t->name);
	t->count = 1;
	HASH_ADD_STR(e->told, key, t);
	return t;
}

void
kube_event(struct kube_events *e, const struct kube_about *about, bool warning, const char *reason,
    const char *note)
{
	char *text, *key;
	struct told *t;

	if (!may_spend(e, about))
		return;
	text = clean_text(note, NOTE_MAX);
	key = xasprintf("%s %s/%s %s %d %s %s", about->kind, about->ns, about->name,
	    about->uid ? about->uid : "", warning, reason, text);
	HASH_FIND_STR(e->told, key, t);
	if (t) {
		HASH_DEL(e->told, t);
		HASH_ADD_STR(e->told, key, t);
		t->count++;
		t->dirty = true;
		if (!t->waits)
			send_event(t);
	} else if (e->nr_waiting < WAITING_MAX) {
		t = told_new(e, key, about);
		t->body = event_json(e, t, about, warning, reason, text);
		send_event(t);
	}
	free(key);
	free(text);
}
