/*
 * kube/lease.c: holding a Lease, or watching who holds it.  Beside the objects' way: what it says
 * decides whether daemon/ gives addresses at all.
 *
 * Every retry_s there is a step: who holds the Lease renews it, the others look at it.  A renewal is
 * one merge patch with the resourceVersion of the last answer, so that it fails when anybody else
 * wrote in between; foreign labels and fields stay.
 *
 * No clock is compared with another.  Whose Lease it is not waits until renewTime has not changed for
 * leaseDurationSeconds by his own clock.  Whose it is counts renew_s from before the renewal was
 * written that succeeded, which is earlier than anybody saw it, and then stands down; what lies
 * between the two is the distance that keeps two from holding it at once.
 */
#include "kube/lease.h"

#include "lib/buf.h"
#include "lib/loop.h"
#include "lib/mem.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define JITTER_PERCENT 20
#define TEXT_MAX 512	   /* of what others wrote into the Lease */
#define DURATION_MAX 86400 /* seconds; likewise */

struct kube_lease {
	struct loop *loop;
	struct kube_http *http;
	struct kube_writer *writer;
	struct kube_lease_ops ops;
	void *arg;
	char *ns, *name, *identity;
	char *folder, *path, *key;
	unsigned duration_s, renew_s, retry_s;
	bool contend;

	/* What it said when it was last seen, and since when it says so. */
	char *holder, *renewed, *version;
	unsigned their_duration_s;
	json_int_t transitions;
	uint64_t since_ms;

	bool held;
	uint64_t until_ms;	/* held no longer than this */
	uint64_t began_ms;	/* when the write that is under way was made */
	struct kube_call *look; /* under way */
	bool writing;		/* likewise */
	char *error;
	struct loop_timer tick, deadline;

	bool releasing;
	struct kube_call *release;
	struct loop_timer release_limit;
	void (*released)(void *);
	void *released_arg;
};

static void look(struct kube_lease *);
static void give_back(struct kube_lease *);

static void
replace_text(char **at, const char *text)
{
	char *copy = xstrndup(text, strnlen(text, TEXT_MAX));

	free(*at);
	*at = copy;
}

static void
set_error(struct kube_lease *l, const char *what, const struct kube_answer *a)
{
	free(l->error);
	l->error = NULL;
	if (what)
		l->error = xasprintf("Lease %s/%s could not be %s: %.*s", l->ns, l->name, what,
		    TEXT_MAX, a->error && *a->error ? a->error : "no reason was given");
}

/* ---- who has it ---- */

static void
now_held(struct kube_lease *l, bool held, const char *holder)
{
	const bool news = held != l->held || strcmp(holder, l->holder) != 0;

	l->held = held;
	if (!held)
		timer_stop(&l->deadline);
	if (holder != l->holder)
		replace_text(&l->holder, holder);
	if (news && l->ops.changed)
		l->ops.changed(l->arg, l->held, l->holder);
}

static void
deadline_passed(void *arg)
{
	struct kube_lease *l = arg;

	if (l->held && !kube_lease_held(l))
		now_held(l, false, l->holder);
}

bool
kube_lease_held(const struct kube_lease *l)
{
	/* Asked by the clock: the timer is late when the loop is. */
	return l->held && loop_now_ms(l->loop) < l->until_ms;
}

const char *
kube_lease_holder(const struct kube_lease *l)
{
	return l->holder;
}

const char *
kube_lease_error(const struct kube_lease *l)
{
	return l->error ? l->error : "";
}

/* ---- reading ---- */

static const char *
text_of(const json_t *o, const char *key)
{
	const char *s = json_string_value(json_object_get(o, key));

	return s ? s : "";
}

/* Take on what an answer says; false: it is no Lease.  If it says that we have it, that holds until
 * @until_ms; 0: no longer than before. */
static bool
learn(struct kube_lease *l, const struct kube_answer *a, uint64_t until_ms)
{
	json_t *root = a->body && a->len ? json_loadb(a->body, a->len, 0, NULL) : NULL;
	json_t *spec = json_object_get(root, "spec");
	const char *version = text_of(json_object_get(root, "metadata"), "resourceVersion");
	const char *renewed = text_of(spec, "renewTime"), *holder = text_of(spec, "holderIdentity");
	json_int_t s = json_integer_value(json_object_get(spec, "leaseDurationSeconds"));
	bool changed, ours;

	if (!*version) {
		json_decref(root);
		return false;
	}
	changed = !*l->version || strncmp(renewed, l->renewed, TEXT_MAX) != 0 ||
	    strncmp(holder, l->holder, TEXT_MAX) != 0;
	if (changed)
		l->since_ms = loop_now_ms(l->loop);
	replace_text(&l->version, version);
	replace_text(&l->renewed, renewed);
	l->their_duration_s = s > 0 && s <= DURATION_MAX ? (unsigned)s : l->duration_s;
	l->transitions = json_integer_value(json_object_get(spec, "leaseTransitions"));
	ours = strcmp(holder, l->identity) == 0;
	if (ours && until_ms) {
		l->until_ms = until_ms;
		timer_set(&l->deadline, until_ms - loop_now_ms(l->loop));
	}
	now_held(l, ours && (l->held || until_ms), holder);
	json_decref(root);
	return true;
}

/* ---- writing ---- */

/* RFC 3339 with exactly six decimals: the server takes no other MicroTime. */
static const char *
micro_time(const struct kube_lease *l, char *to, size_t size)
{
	const uint64_t us = loop_wall_us(l->loop);
	const time_t s = (time_t)(us / 1000000);
	struct tm tm;
	size_t n;

	gmtime_r(&s, &tm);
	n = strftime(to, size, "%Y-%m-%dT%H:%M:%S", &tm);
	snprintf(to + n, size - n, ".%06uZ", (unsigned)(us % 1000000));
	return to;
}

static void written(void *arg, const struct kube_answer *);

static void
write_body(struct kube_lease *l, const char *method, const char *path, json_t *body)
{
	/* Two may fail before a holder has to stand down. */
	const unsigned limit = l->renew_s * 1000 / 2;
	const struct kube_write w = {
		.urgency = KUBE_LEASE,
		.key = l->key,
		.method = method,
		.path = path,
		.content_type = strcmp(method, "POST") == 0 ? "application/json"
							    : "application/merge-patch+json",
		.body = body,
		.done = written,
		.arg = l,
		.deadline_ms = limit,
	};

	l->began_ms = loop_now_ms(l->loop);
	l->writing = kube_write(l->writer, &w) == 0; /* no memory: the next step tries again */
	json_decref(body);
}

static void
create(struct kube_lease *l)
{
	char now[64];

	micro_time(l, now, sizeof(now));
	write_body(l, "POST", l->folder,
	    json_pack("{s:s, s:s, s:{s:s, s:s}, s:{s:s, s:i, s:s, s:s, s:i}}", "apiVersion",
		"coordination.k8s.io/v1", "kind", "Lease", "metadata", "name", l->name, "namespace",
		l->ns, "spec", "holderIdentity", l->identity, "leaseDurationSeconds",
		(int)l->duration_s, "acquireTime", now, "renewTime", now, "leaseTransitions", 0));
}

/* Renew it, or take it: the difference is whose it was. */
static void
take(struct kube_lease *l)
{
	const bool ours = strcmp(l->holder, l->identity) == 0;
	json_t *spec;
	char now[64];

	micro_time(l, now, sizeof(now));
	spec = json_pack("{s:s, s:i, s:s}", "holderIdentity", l->identity, "leaseDurationSeconds",
	    (int)l->duration_s, "renewTime", now);
	if (!ours) {
		json_object_set_new(spec, "acquireTime", json_string(now));
		json_object_set_new(spec, "leaseTransitions", json_integer(l->transitions + 1));
	}
	write_body(l, "PATCH", l->path,
	    json_pack("{s:{s:s}, s:o}", "metadata", "resourceVersion", l->version, "spec", spec));
}

static void
written(void *arg, const struct kube_answer *a)
{
	struct kube_lease *l = arg;
	uint64_t until = l->began_ms + (uint64_t)l->renew_s * 1000;

	l->writing = false;
	if (l->releasing || until <= loop_now_ms(l->loop))
		until = 0;
	if (a->status >= 200 && a->status < 300 && learn(l, a, until)) {
		set_error(l, NULL, NULL);
	} else {
		set_error(l, "written", a);
	}
	if (l->releasing)
		give_back(l);
	else if (a->status == 409)
		look(l); /* somebody was there before us: who? */
	else if (a->status == 404 && *l->version) {
		replace_text(&l->version, "");
		create(l);
	}
}

/* ---- looking ---- */

static bool
is_free(const struct kube_lease *l)
{
	const uint64_t left = (uint64_t)l->their_duration_s * 1000;

	return !l->contend || !*l->holder || strcmp(l->holder, l->identity) == 0 ||
	    loop_now_ms(l->loop) - l->since_ms >= left;
}

static void
looked(void *arg, const struct kube_answer *a)
{
	struct kube_lease *l = arg;

	l->look = NULL;
	if (l->writing || l->releasing)
		return;
	if (a->status == 404) {
		replace_text(&l->version, "");
		create(l);
	} else if (a->status == 200 && learn(l, a, 0)) {
		set_error(l, NULL, NULL);
		if (is_free(l))
			take(l);
	} else {
		set_error(l, "read", a);
	}
}

static void
look(struct kube_lease *l)
{
	const struct kube_request req = {
		.method = "GET",
		.path = l->path,
		.timeout_ms = l->renew_s * 1000 / 2,
		.done = looked,
		.arg = l,
	};

	if (!l->look)
		l->look = kube_call(l->http, &req);
}

static void
step(void *arg)
{
	struct kube_lease *l = arg;

	timer_set_jitter(&l->tick, (uint64_t)l->retry_s * 1000, JITTER_PERCENT);
	if (l->look || l->writing || l->releasing)
		return;
	if (l->held && *l->version)
		take(l);
	else
		look(l);
}

/* ---- giving back ---- */

static void
release_over(void *arg)
{
	struct kube_lease *l = arg;
	void (*done)(void *) = l->released;

	timer_stop(&l->release_limit);
	l->released = NULL;
	if (done)
		done(l->released_arg);
}

static void
given_back(void *arg, const struct kube_answer *a)
{
	struct kube_lease *l = arg;

	l->release = NULL;
	if (a->status >= 200 && a->status < 300)
		(void)learn(l, a, 0);
	release_over(l);
}

static void
give_back(struct kube_lease *l)
{
	struct kube_request req = {
		.method = "PATCH",
		.path = l->path,
		.content_type = "application/merge-patch+json",
		.done = given_back,
		.arg = l,
	};
	json_t *body;
	char now[64], *text;

	if (strcmp(l->holder, l->identity) != 0 || !*l->version) {
		timer_set(&l->release_limit, 0);
		return;
	}
	micro_time(l, now, sizeof(now));
	body = json_pack("{s:{s:s}, s:{s:s, s:i, s:s, s:s}}", "metadata", "resourceVersion",
	    l->version, "spec", "holderIdentity", "", "leaseDurationSeconds", 1, "renewTime", now,
	    "acquireTime", now);
	text = json_dumps(body, JSON_COMPACT);
	json_decref(body);
	req.body = text;
	req.len = text ? strlen(text) : 0;
	if (text)
		l->release = kube_call(l->http, &req);
	free(text);
	if (!l->release)
		timer_set(&l->release_limit, 0);
}

void
kube_lease_release(struct kube_lease *l, unsigned timeout_ms, void (*done)(void *), void *arg)
{
	l->releasing = true;
	l->released = done;
	l->released_arg = arg;
	timer_stop(&l->tick);
	if (l->look)
		kube_call_cancel(l->look);
	l->look = NULL;
	timer_set(&l->release_limit, timeout_ms);
	now_held(l, false, l->holder);
	/* What is under way would make the version another: wait for it. */
	if (!l->writing)
		give_back(l);
}

/* ---- life ---- */

struct kube_lease *
kube_lease_new(struct loop *loop, struct kube_http *http, struct kube_writer *writer,
    const struct kube_lease_conf *conf, const struct kube_lease_ops *ops, void *arg)
{
	struct kube_lease *l = xnew(struct kube_lease);

	l->loop = loop;
	l->http = http;
	l->writer = writer;
	l->ops = *ops;
	l->arg = arg;
	l->ns = xstrdup(conf->ns);
	l->name = xstrdup(conf->name);
	l->identity = xstrdup(conf->identity);
	l->folder = xasprintf("/apis/coordination.k8s.io/v1/namespaces/%s/leases", conf->ns);
	l->path = xasprintf("%s/%s", l->folder, conf->name);
	l->key = xasprintf("lease/%s/%s", conf->ns, conf->name);
	l->retry_s = conf->retry_s ? conf->retry_s : 1;
	l->renew_s = conf->renew_s > l->retry_s ? conf->renew_s : l->retry_s + 1;
	l->duration_s = conf->duration_s > l->renew_s ? conf->duration_s : l->renew_s + 1;
	l->their_duration_s = l->duration_s;
	l->contend = conf->contend;
	l->holder = xstrdup("");
	l->renewed = xstrdup("");
	l->version = xstrdup("");
	timer_init(&l->tick, loop, step, l);
	timer_init(&l->deadline, loop, deadline_passed, l);
	timer_init(&l->release_limit, loop, release_over, l);
	timer_set(&l->tick, 0);
	return l;
}

void
kube_lease_free(struct kube_lease *l)
{
	if (!l)
		return;
	timer_stop(&l->tick);
	timer_stop(&l->deadline);
	timer_stop(&l->release_limit);
	kube_write_forget(l->writer, l->key);
	if (l->look)
		kube_call_cancel(l->look);
	if (l->release)
		kube_call_cancel(l->release);
	free(l->ns);
	free(l->name);
	free(l->identity);
	free(l->folder);
	free(l->path);
	free(l->key);
	free(l->holder);
	free(l->renewed);
	free(l->version);
	free(l->error);
	free(l);
}
