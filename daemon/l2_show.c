/*
 * daemon/l2_show.c: what people are shown of layer 2: `heraldctl l2`, and what is told when somebody else
 * has an address of ours.  Beside l2_apply.c.
 */
#include "daemon/l2_side.h"

#include <stdio.h>
#include <string.h>

#include "daemon/kube_apply.h"
#include "daemon/show.h"
#include "lib/log.h"

/* ---- what people are shown ---- */

static void
put_mac(json_t *o, const char *key, const uint8_t mac[6])
{
	char text[18];

	snprintf(text, sizeof(text), "%02x:%02x:%02x:%02x:%02x:%02x", mac[0], mac[1], mac[2],
	    mac[3], mac[4], mac[5]);
	json_object_set_new(o, key, json_string(text));
}

static void
put_age(const struct app *app, json_t *o, const char *key, time_t when)
{
	if (when)
		json_object_set_new(o, key, json_integer(loop_wall(app->loop) - when));
}

struct showing {
	struct app *app;
	json_t *list;
	const struct l2_wanted_address *w;
};

/* Who has it; while nobody is known to, who shall. */
static const char *
holder_of(const struct app *app, const struct l2_wanted_address *w)
{
	const struct l2_side *s = app->l2_side;
	const char *holder = s->cluster ? cluster_holder(s->cluster, &w->addr) : NULL;

	return holder ? holder : w->owner;
}

static json_t *
row(const struct app *app, const struct l2_wanted_address *w, const char *device)
{
	char text[ADDR_STRLEN];
	json_t *services = json_array();

	for (size_t i = 0; i < w->nr_services; i++)
		json_array_append_new(services, json_string(w->services[i]));
	return json_pack("{s:s, s:s, s:s, s:s, s:o}", "ip",
	    addr_format(&w->addr, text, sizeof(text)), "interface", device, "holder",
	    holder_of(app, w), "service", w->nr_services ? w->services[0] : "", "services",
	    services);
}

/* An address of ours on one of our devices. */
static bool
show_seen(void *arg, const struct l2_seen *seen)
{
	struct showing *s = arg;
	json_t *o;

	if (!addr_eq(&seen->addr, &s->w->addr))
		return true;
	o = row(s->app, s->w, seen->device);
	json_object_set_new(o, "answering", json_boolean(seen->answering));
	if (seen->why[0])
		json_object_set_new(o, "message", json_string(seen->why));
	put_age(s->app, o, "sinceSeconds", seen->since);
	put_age(s->app, o, "announcedSeconds", seen->announced);
	json_object_set_new(o, "answered", json_integer((json_int_t)seen->answered));
	if (seen->alarmed) {
		json_t *c = json_pack("{s:I, s:I}", "claims", (json_int_t)seen->claims[L2_CLAIMS],
		    "probes", (json_int_t)seen->claims[L2_PROBES]);

		put_mac(c, "mac", seen->foreign);
		put_age(s->app, c, "seenSeconds", seen->alarmed);
		json_object_set_new(o, "conflict", c);
	}
	json_array_append_new(s->list, o);
	return true;
}

static json_t *
show_nodes(const struct l2_wanted_address *w)
{
	json_t *list = json_array();

	for (size_t i = 0; i < w->nr_nodes; i++) {
		const struct l2_wanted_node *n = &w->nodes[i];
		bool fit = n->reason == REASON_SATISFIED;

		json_array_append_new(list,
		    json_pack("{s:s, s:b, s:i, s:s, s:s}", "node", n->name, "candidate", fit,
			"preference", n->preference, "reason",
			fit ? elect_why_name(n->why) : reason_name(n->reason), "message",
			fit ? elect_why_sentence(n->why) : reason_text(n->reason)));
	}
	return list;
}

/* One that this node does not answer for. */
static json_t *
show_other(const struct app *app, const struct l2_wanted_address *w)
{
	const struct cluster *c = app->l2_side->cluster;
	const enum cluster_step step = c ? cluster_step(c, &w->addr) : CLUSTER_NOT_OURS;
	json_t *o = row(app, w, "");
	const char *why = "";

	if (step == CLUSTER_HELD || (!c && w->ours))
		why = "No interface of this node is one of the policy's.";
	else if (step != CLUSTER_NOT_OURS)
		why = cluster_step_sentence(step);
	json_object_set_new(o, "answering", json_false());
	if (*why)
		json_object_set_new(o, "message", json_string(why));
	return o;
}

static bool
is_cut_off(const struct app *app)
{
	const struct cluster *c = app->l2_side ? app->l2_side->cluster : NULL;

	return c && cluster_is_cut_off(c);
}

/* ---- the nodes among themselves ---- */

static const char *
lease_word(enum cluster_lease lease)
{
	return lease == CLUSTER_LEASE_FRESH ? "fresh"
	    : lease == CLUSTER_LEASE_OUT    ? "out"
					    : "unknown";
}

struct member_list {
	struct app *app;
	json_t *nodes, *leases;
};

static json_t *
strings(const char *const *v, size_t nr)
{
	json_t *list = json_array();

	for (size_t i = 0; i < nr; i++)
		json_array_append_new(list, json_string(v[i]));
	return list;
}

static bool
show_member(void *arg, const struct cluster_seen *m)
{
	struct member_list *list = arg;
	const uint64_t now = loop_now_ms(list->app->loop);
	const time_t heard = m->self ? loop_wall(list->app->loop)
	    : m->heard_ms ? loop_wall(list->app->loop) - (time_t)((now - m->heard_ms) / 1000)
			  : 0;
	char text[ADDR_STRLEN] = "", when[32] = "";
	struct tm tm;
	json_t *o;

	if (addr_is_set(&m->addr))
		addr_format(&m->addr, text, sizeof(text));
	if (heard && gmtime_r(&heard, &tm))
		strftime(when, sizeof(when), "%Y-%m-%dT%H:%M:%SZ", &tm);
	o = json_pack("{s:s, s:s, s:s, s:s, s:b, s:b, s:b, s:I, s:I, s:s, s:o}", "node", m->name,
	    "address", text, "state", cluster_life_name(m->life), "message",
	    cluster_life_sentence(m->life), "self", m->self, "watched", m->watched, "watchedUp",
	    m->watched_up, "holds", (json_int_t)m->held, "sayLost", (json_int_t)m->nr_say_lost,
	    "lease", lease_word(m->lease), "watchers", strings(m->watchers, m->nr_watchers));
	json_object_set_new(
	    o, "sinceSeconds", json_integer((json_int_t)((now - m->since_ms) / 1000)));
	if (m->heard_ms)
		json_object_set_new(
		    o, "heardSeconds", json_integer((json_int_t)((now - m->heard_ms) / 1000)));
	json_object_set_new(o, "sent", json_integer((json_int_t)m->sent));
	json_object_set_new(o, "received", json_integer((json_int_t)m->received));
	json_object_set_new(o, "refused", json_integer((json_int_t)m->refused));
	json_array_append_new(list->nodes, o);
	json_array_append_new(list->leases,
	    json_pack("{s:s, s:s, s:s}", "name", m->name, "holder", m->name, "renewTime", when));
	return true;
}

json_t *
show_l2(struct app *app, const struct addr *about)
{
	struct showing s = { .app = app, .list = json_array() };
	struct member_list members = { app, json_array(), json_array() };
	json_t *addresses = json_array(), *counters = json_object();
	struct arena arena = { 0 };
	struct l2_wanted want = { 0 };
	struct l2_info info = { .error = "" };
	char text[ADDR_STRLEN];

	if (app->l2) {
		l2_info(app->l2, &info);
		(void)l2_apply_work_out(app->l2_side, about, &arena, &want);
		if (app->l2_side->cluster)
			cluster_each(app->l2_side->cluster, show_member, &members);
	}
	for (size_t i = 0; i < want.nr_all; i++) {
		const size_t had = json_array_size(s.list);

		s.w = &want.all[i];
		if (about && !addr_eq(about, &s.w->addr))
			continue;
		l2_each(app->l2, show_seen, &s);
		if (json_array_size(s.list) == had)
			json_array_append_new(s.list, show_other(app, s.w));
		if (about)
			json_array_append_new(addresses,
			    json_pack("{s:s, s:s, s:o}", "ip",
				addr_format(about, text, sizeof(text)), "holder",
				holder_of(app, s.w), "nodes", show_nodes(s.w)));
	}
	for (unsigned i = 0; app->l2 && info.loaded && i < L2_NR_COUNTS; i++)
		json_object_set_new(
		    counters, l2_counter_name(i), json_integer((json_int_t)l2_counter(app->l2, i)));
	arena_fini(&arena);
	return json_pack("{s:o, s:o, s:o, s:o, s:o, s:b, s:b, s:s}", "announcements", s.list,
	    "leases", members.leases, "nodes", members.nodes, "addresses", addresses, "counters",
	    counters, "drained", l2_apply_is_drained(app), "cutOff", is_cut_off(app), "error",
	    *info.error || !app->l2_side || !app->l2_side->cluster
		? info.error
		: cluster_error(app->l2_side->cluster));
}

const char *
show_l2_holder(struct app *app, const struct addr *addr, struct arena *arena)
{
	struct l2_wanted want = { 0 };

	if (app->l2)
		(void)l2_apply_work_out(app->l2_side, addr, arena, &want);
	for (size_t i = 0; i < want.nr_all; i++)
		if (addr_eq(&want.all[i].addr, addr))
			return holder_of(app, &want.all[i]);
	return NULL;
}

enum show_session
show_session_of(struct app *app, const char *node, const char *instance, const char *peer)
{
	struct l2_side *s = app->l2_side;
	const size_t len = strlen(instance);
	const struct l2_notes *notes;
	enum reason life;

	/* Where nothing is announced on links nodes do not talk with each other. */
	if (!s || !s->cluster || store_nr(app->store, RES_L2_POLICY) == 0)
		return SHOW_SESSION_UNKNOWN;
	life = l2_nodes_life(s, node);
	if (life == REASON_NODE_LOST || life == REASON_DRAINING) /* it tells nobody of Services */
		return SHOW_SESSION_DOWN;
	notes = life == REASON_SATISFIED ? l2_nodes_notes(s, node) : NULL;
	if (!notes || !notes->has_sessions)
		return SHOW_SESSION_UNKNOWN;
	for (size_t i = 0; i < notes->nr_sessions; i++)
		if (strncmp(notes->sessions[i], instance, len) == 0 &&
		    notes->sessions[i][len] == '/' &&
		    strcmp(notes->sessions[i] + len + 1, peer) == 0)
			return SHOW_SESSION_UP;
	return SHOW_SESSION_DOWN;
}

/* ---- alarms ---- */

void
l2_show_alarm(struct l2_side *s, const struct l2_alarm *a)
{
	char ip[ADDR_STRLEN], mac[18], note[256];

	snprintf(mac, sizeof(mac), "%02x:%02x:%02x:%02x:%02x:%02x", a->mac[0], a->mac[1], a->mac[2],
	    a->mac[3], a->mac[4], a->mac[5]);
	addr_format(&a->addr, ip, sizeof(ip));
	if (a->claim != L2_CLAIMS) /* the engine has logged it */
		return;
	snprintf(note, sizeof(note),
	    "%s answers for the address %s on %s of node %s, which is this Service's", mac, ip,
	    a->device, s->app->node);
	for (size_t i = 0; i < s->want.nr_all; i++) {
		const struct l2_wanted_address *w = &s->want.all[i];

		if (!addr_eq(&w->addr, &a->addr))
			continue;
		for (size_t k = 0; k < w->nr_services; k++)
			kube_apply_event(s->app, w->services[k], "AddressConflict", note);
	}
}
