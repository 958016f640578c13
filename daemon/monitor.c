/*
 * daemon/monitor.c: see monitor.h.  Events are built only for types that somebody asked for.
 *
 * Where only "this may have changed" is told (sessions, addresses, layer 2), the last state is kept while
 * somebody listens, and the difference is the event.
 */
#include "daemon/monitor.h"

#include "lib/mem.h"
#include "lib/text.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define RECORDS_MAX 1000000000

/* clang-format off */
static const char *const types[] = {
	"peer", "bfd", "route", "address", "l2", "service", "reload", "drain", NULL
};
/* clang-format on */

struct listener {
	struct listener *next, **prev;
	struct monitor *monitor;
	struct control_stream *stream;
	unsigned types;	      /* bits of the table's places */
	char *peer, *service; /* NULL: any */
	uint64_t left;	      /* 0: no end */
	bool ended;
};

struct monitor {
	struct app *app;
	struct listener *listeners;
	unsigned types; /* of all of them */
	json_t *peers;	/* "instance/peer" -> {"up","flaps"} */
	json_t *owners; /* owner -> list of addresses */
	json_t *held;	/* address -> true */
};

/* ---- telling ---- */

static unsigned
type_bit(const char *type)
{
	for (unsigned i = 0; types[i]; i++)
		if (strcmp(types[i], type) == 0)
			return 1u << i;
	return 0;
}

static bool
wants(const struct app *app, const char *type)
{
	return app->monitor && app->monitor->types & type_bit(type);
}

static json_t *
event_new(const struct app *app, const char *type, const char *event)
{
	const uint64_t us = loop_wall_us(app->loop);
	const time_t s = (time_t)(us / 1000000);
	char when[40], text[64];
	struct tm tm;

	gmtime_r(&s, &tm);
	strftime(when, sizeof(when), "%Y-%m-%dT%H:%M:%S", &tm);
	snprintf(text, sizeof(text), "%s.%06uZ", when, (unsigned)(us % 1000000));
	return json_pack("{s:s, s:s, s:s}", "time", text, "type", type, "event", event);
}

static void
put(json_t *o, const char *key, const char *value)
{
	json_object_set_new(o, key, json_string(value));
}

static bool
matches(const char *wanted, const json_t *o, const char *key, const char *other_key)
{
	const char *is = json_string_value(json_object_get(o, key));
	const char *other = other_key ? json_string_value(json_object_get(o, other_key)) : NULL;

	return !wanted || (is && strcmp(is, wanted) == 0) || (other && strcmp(other, wanted) == 0);
}

/* Gives @o away. */
static void
tell(struct app *app, json_t *o)
{
	const unsigned bit = type_bit(json_string_value(json_object_get(o, "type")));

	for (struct listener *l = app->monitor->listeners; l; l = l->next) {
		if (l->ended || !(l->types & bit) || !matches(l->peer, o, "peer", "address") ||
		    !matches(l->service, o, "service", NULL))
			continue;
		control_stream_put(l->stream, o);
		if (l->left && --l->left == 0) {
			l->ended = true;
			control_stream_end(l->stream);
		}
	}
	json_decref(o);
}

void
monitor_say(struct app *app, const char *type, const char *event, const char *message)
{
	json_t *o;

	if (!wants(app, type))
		return;
	o = event_new(app, type, event);
	put(o, "message", message);
	tell(app, o);
}

/* ---- peers ---- */

struct peer_look {
	struct app *app;
	const char *instance, *peer; /* NULL: all of them, nothing is told */
};

static void
tell_peer(struct app *app, const struct bgp_peer_stats *s, bool up)
{
	json_t *o = event_new(app, "peer", up ? "up" : "down");
	const char *why = s->held_down ? s->held_down : s->last_error;
	char addr[ADDR_STRLEN];

	put(o, "peer", s->name);
	put(o, "instance", s->instance);
	put(o, "address", addr_format(&s->addr, addr, sizeof(addr)));
	json_object_set_new(o, "peerASN", json_integer(s->peer_as));
	put(o, "message",
	    up		      ? "the session is established"
		: why && *why ? why
			      : "the session is over");
	tell(app, o);
}

static bool
look_at_peer(void *arg, const struct bgp_peer_stats *s)
{
	const struct peer_look *look = arg;
	struct monitor *m = look->app->monitor;
	const bool up = s->state == BGP_ESTABLISHED;
	bool was_up;
	json_int_t flaps;
	json_t *was;
	char *key;

	if (look->peer &&
	    (strcmp(look->instance, s->instance) != 0 || strcmp(look->peer, s->name) != 0))
		return true;
	key = xasprintf("%s/%s", s->instance, s->name);
	was = json_object_get(m->peers, key);
	was_up = json_is_true(json_object_get(was, "up"));
	flaps = json_integer_value(json_object_get(was, "flaps"));
	if (look->peer && was_up && (!up || flaps != (json_int_t)s->flaps))
		tell_peer(look->app, s, false);
	if (look->peer && up && (!was_up || flaps != (json_int_t)s->flaps))
		tell_peer(look->app, s, true);
	json_object_set_new(
	    m->peers, key, json_pack("{s:b, s:I}", "up", up, "flaps", (json_int_t)s->flaps));
	free(key);
	return true;
}

void
monitor_peer(struct app *app, const char *instance, const char *peer)
{
	struct peer_look look = { .app = app, .instance = instance, .peer = peer };

	if (app->monitor)
		bgp_peers_each(app->bgp, look_at_peer, &look);
}

void
monitor_bfd(
    struct app *app, const char *instance, const char *peer, const char *state, const char *why)
{
	json_t *o;

	if (!wants(app, "bfd"))
		return;
	o = event_new(app, "bfd", state);
	put(o, "peer", peer);
	put(o, "instance", instance);
	put(o, "message", why);
	tell(app, o);
}

/* ---- routes ---- */

void
monitor_learned(struct app *app, const char *instance, const struct prefix *p, unsigned nr,
    const struct bgp_hop *hops)
{
	char prefix[PREFIX_STRLEN], addr[ADDR_STRLEN];
	json_t *o, *list;

	if (!wants(app, "route"))
		return;
	o = event_new(app, "route", nr ? "learned" : "withdrawn");
	put(o, "prefix", prefix_format(p, prefix, sizeof(prefix)));
	put(o, "instance", instance);
	if (nr)
		put(o, "peer", hops[0].peer ? hops[0].peer : "");
	list = json_array();
	for (unsigned i = 0; i < nr; i++)
		json_array_append_new(
		    list, json_string(addr_format(&hops[i].next_hop, addr, sizeof(addr))));
	json_object_set_new(o, "nextHops", list);
	tell(app, o);
}

/* ---- addresses ---- */

/* What the owner has now, as a list of texts. */
static json_t *
owner_addresses(const struct app *app, const char *owner)
{
	struct ipam_claim_info info;
	struct ipam_alloc a;
	json_t *list = json_array();
	char text[ADDR_STRLEN];

	if (ipam_claim_get(app->ipam, owner, &info) < 0)
		return list;
	for (size_t i = 0; i < info.nr_wanted; i++)
		if (ipam_claim_want(app->ipam, owner, i, &a) == 0 && addr_is_set(&a.addr))
			json_array_append_new(
			    list, json_string(addr_format(&a.addr, text, sizeof(text))));
	return list;
}

static bool
list_has(const json_t *list, const json_t *value)
{
	const json_t *v;
	size_t i;

	json_array_foreach(list, i, v) if (json_equal(v, value)) return true;
	return false;
}

static void
tell_addresses(
    struct app *app, const char *owner, const json_t *now, const json_t *before, const char *event)
{
	const json_t *a;
	json_t *o;
	size_t i;

	json_array_foreach(now, i, a)
	{
		if (list_has(before, a))
			continue;
		o = event_new(app, "address", event);
		put(o, "address", json_string_value(a));
		put(o, "service", owner);
		tell(app, o);
	}
}

void
monitor_owner(struct app *app, const char *owner)
{
	json_t *before, *now;

	if (!app->monitor)
		return;
	before = json_incref(json_object_get(app->monitor->owners, owner));
	now = owner_addresses(app, owner);
	tell_addresses(app, owner, before, now, "released");
	tell_addresses(app, owner, now, before, "allocated");
	json_decref(before);
	if (json_array_size(now))
		json_object_set_new(app->monitor->owners, owner, now);
	else {
		json_object_del(app->monitor->owners, owner);
		json_decref(now);
	}
}

static bool
remember_allocation(void *arg, const struct ipam_alloc *a)
{
	const struct app *app = arg;
	json_t *owners = app->monitor->owners;

	if (!json_object_get(owners, a->owner))
		json_object_set_new(owners, a->owner, owner_addresses(app, a->owner));
	return true;
}

/* ---- layer 2 ---- */

static void
tell_held(struct app *app, const json_t *now, const json_t *before, const char *event)
{
	const char *addr;
	json_t *v, *o;

	json_object_foreach((json_t *)(uintptr_t)now, addr, v)
	{
		if (json_object_get(before, addr))
			continue;
		o = event_new(app, "l2", event);
		put(o, "address", addr);
		put(o, "message",
		    strcmp(event, "taken") == 0 ? "this node answers for it from now on"
						: "this node does not answer for it any more");
		tell(app, o);
	}
}

void
monitor_l2(struct app *app, const struct addr *addrs, size_t nr)
{
	json_t *now, *before;
	char text[ADDR_STRLEN];

	if (!app->monitor)
		return;
	now = json_object();
	for (size_t i = 0; i < nr; i++)
		json_object_set_new(now, addr_format(&addrs[i], text, sizeof(text)), json_true());
	before = app->monitor->held;
	if (wants(app, "l2")) {
		tell_held(app, before, now, "given");
		tell_held(app, now, before, "taken");
	}
	json_decref(before);
	app->monitor->held = now;
}

static bool
remember_answer(void *arg, const struct l2_seen *seen)
{
	struct monitor *m = arg;
	char text[ADDR_STRLEN];

	json_object_set_new(m->held, addr_format(&seen->addr, text, sizeof(text)), json_true());
	return true;
}

/* ---- services ---- */

struct routes_look {
	struct app *app;
	const struct bgp_plan_instance *instance;
	const char *service;
	const struct res_service *svc;
	const struct bgp_announce *list;
	size_t nr;
	json_t *before;
};

static bool
remember_prefix(void *arg, const struct prefix *p)
{
	const struct routes_look *look = arg;
	char text[PREFIX_STRLEN];

	json_object_set_new(look->before, prefix_format(p, text, sizeof(text)), json_true());
	return true;
}

static void
tell_service(const struct routes_look *look, const char *event, const char *prefix,
    const char *reason, const char *message)
{
	json_t *o = event_new(look->app, "service", event);

	put(o, "service", look->service);
	put(o, "instance", look->instance->name);
	put(o, "prefix", prefix);
	if (reason)
		put(o, "reason", reason);
	put(o, "message", message);
	tell(look->app, o);
}

/* Why the prefix is not announced any more: what the first audience's advertisements say of its address. */
static void
tell_withdrawn(const struct routes_look *look, const char *text)
{
	const struct bgp_plan_instance *in = look->instance;
	struct app *app = look->app;
	struct bgp_why why = { .reason = REASON_SATISFIED };
	struct prefix p;

	if (!look->svc) {
		tell_service(look, "withdrawn", text, "service-gone", "the Service is gone");
		return;
	}
	if (app->drain == APP_WITHDRAWN) {
		tell_service(look, "withdrawn", text, "drained", "this node is drained");
		return;
	}
	if (in->nr && prefix_parse(text, &p, NULL) == 0)
		why = bgp_wanted_why(&in->audiences[0], app->store, app->node, look->svc,
		    RES_SVC_ADDR_LOAD_BALANCER_IP, &p.addr);
	if (why.reason == REASON_SATISFIED)
		tell_service(look, "withdrawn", text, "not-wanted",
		    "the Service has no such address any more, or nothing advertises it");
	else
		tell_service(
		    look, "withdrawn", text, reason_name(why.reason), reason_text(why.reason));
}

void
monitor_routes(struct app *app, const struct bgp_plan_instance *instance, const char *owner,
    const struct res_service *svc, const struct bgp_announce *list, size_t nr)
{
	struct routes_look look = {
		.app = app, .instance = instance, .svc = svc, .list = list, .nr = nr
	};
	char text[PREFIX_STRLEN];
	const char *prefix;
	json_t *now, *v;

	if (!wants(app, "service"))
		return;
	look.service = strncmp(owner, "service ", 8) == 0 ? owner + 8 : owner;
	look.before = json_object();
	bgp_originated_each(app->bgp, instance->name, owner, remember_prefix, &look);
	now = json_object();
	for (size_t i = 0; i < nr; i++) {
		prefix_format(&list[i].prefix, text, sizeof(text));
		if (!json_object_get(now, text) && !json_object_get(look.before, text))
			tell_service(&look, "announced", text, NULL, "announced to BGP peers");
		json_object_set_new(now, text, json_true());
	}
	json_object_foreach(look.before, prefix, v) if (!json_object_get(now, prefix))
	    tell_withdrawn(&look, prefix);
	json_decref(now);
	json_decref(look.before);
}

/* ---- listeners ---- */

static void
count_types(struct monitor *m)
{
	m->types = 0;
	for (const struct listener *l = m->listeners; l; l = l->next)
		m->types |= l->types;
}

/* What is so already is no event. */
static struct monitor *
monitor_new(struct app *app)
{
	struct peer_look look = { .app = app };
	struct monitor *m = xnew(struct monitor);

	m->app = app;
	m->peers = json_object();
	m->owners = json_object();
	m->held = json_object();
	app->monitor = m;
	bgp_peers_each(app->bgp, look_at_peer, &look);
	ipam_each(app->ipam, remember_allocation, app);
	if (app->l2)
		l2_each(app->l2, remember_answer, m);
	return m;
}

static void
monitor_free(struct monitor *m)
{
	m->app->monitor = NULL;
	json_decref(m->peers);
	json_decref(m->owners);
	json_decref(m->held);
	free(m);
}

static void
gone(void *arg)
{
	struct listener *l = arg;
	struct monitor *m = l->monitor;

	*l->prev = l->next;
	if (l->next)
		l->next->prev = l->prev;
	free(l->peer);
	free(l->service);
	free(l);
	count_types(m);
	if (!m->listeners)
		monitor_free(m);
}

unsigned
monitor_nr(const struct app *app)
{
	unsigned nr = 0;

	for (const struct listener *l = app->monitor ? app->monitor->listeners : NULL; l;
	     l = l->next)
		nr++;
	return nr;
}

/* ---- the command ---- */

static int
bad(char **error, const char *option, const char *value, const char *right)
{
	*error = xasprintf("monitor: %s%s%s: must be %s", option, *option ? " " : "", value, right);
	return -EINVAL;
}

/* "peer,route" */
static int
parse_types(struct listener *l, const char *text, char **error)
{
	char *copy = xstrdup(text), *save = NULL;
	int err = 0;

	for (char *word = strtok_r(copy, ",", &save); word && !err;
	     word = strtok_r(NULL, ",", &save)) {
		if (!type_bit(word))
			err = bad(error, "--type", word,
			    "one or more, with commas, of peer, bfd, route, address, l2, service, "
			    "reload, drain");
		l->types |= type_bit(word);
	}
	if (!err && !l->types)
		err = bad(error, "--type", text, "the name of a type");
	free(copy);
	return err;
}

static int
parse_option(struct listener *l, const char *word, const char *value, char **error)
{
	if (strcmp(word, "--type") != 0 && strcmp(word, "--peer") != 0 &&
	    strcmp(word, "--service") != 0 && strcmp(word, "--last") != 0)
		return bad(error, "", word,
		    "one of --type TYPE,..., --peer NAME, --service NAMESPACE/NAME, --last N");
	if (!value)
		return bad(error, "", word, "followed by a value");
	if (strcmp(word, "--type") == 0)
		return parse_types(l, value, error);
	if (strcmp(word, "--last") == 0)
		return text_u64(value, RECORDS_MAX, &l->left) < 0 || !l->left
		    ? bad(error, word, value, "a number from 1 to 1000000000")
		    : 0;
	if (strcmp(word, "--service") == 0 && !strchr(value, '/'))
		return bad(error, word, value, "NAMESPACE/NAME, such as default/web");
	free(word[2] == 'p' ? l->peer : l->service);
	*(word[2] == 'p' ? &l->peer : &l->service) = xstrdup(value);
	return 0;
}

int
monitor_begin(void *arg, const struct control_req *req, struct control_stream *stream, char **error)
{
	struct listener *l = xnew(struct listener);
	struct app *app = arg;
	struct monitor *m;
	int err = 0;

	for (size_t i = 0; i < req->argc && !err; i += 2)
		err = parse_option(
		    l, req->argv[i], i + 1 < req->argc ? req->argv[i + 1] : NULL, error);
	if (err < 0) {
		free(l->peer);
		free(l->service);
		free(l);
		return err;
	}
	if (!l->types)
		l->types = ~0u;
	m = app->monitor ? app->monitor : monitor_new(app);
	l->monitor = m;
	l->stream = stream;
	l->next = m->listeners;
	l->prev = &m->listeners;
	if (l->next)
		l->next->prev = &l->next;
	m->listeners = l;
	count_types(m);
	control_stream_begin(stream, gone, l);
	return 0;
}
