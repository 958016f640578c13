/*
 * daemon/explain_way.c: how the world hears of an address: each BGP peer from the advertisement to the
 * route that it was told, layer 2, and whether the load balancer has it.  One way that works is enough:
 * then what is wrong with the others is a weakness, not the reason of a failure.
 */
#include "daemon/explain.h"

#include "daemon/app.h"
#include "daemon/datapath_wanted.h"
#include "daemon/drain.h"
#include "daemon/show.h"
#include "lib/mem.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* What the steps of one peer are about. */
struct way {
	struct explain *e;
	const struct res_service *svc;
	const struct addr *addr;
	const struct bgp_plan *plan;
	const struct bgp_plan_instance *inst;
	const struct bgp_peer_conf *peer;
	enum bgp_family family;
	unsigned good; /* ways that work */
};

static const char *
text_of(const json_t *o, const char *key)
{
	const char *s = json_string_value(json_object_get(o, key));

	return s ? s : "";
}

static enum reason
reason_of(const char *name)
{
	for (unsigned r = 0; r < REASON_NR; r++)
		if (strcmp(reason_name((enum reason)r), name) == 0)
			return (enum reason)r;
	return REASON_NONE;
}

/* ---- BGP ---- */

static const struct bgp_audience *
audience_of(const struct way *w)
{
	const char *name = w->peer->family[w->family].audience;

	for (size_t i = 0; name && i < w->inst->nr; i++)
		if (strcmp(w->inst->audiences[i].name, name) == 0)
			return &w->inst->audiences[i];
	return NULL;
}

/* The prefix by which the peer's audience is told of the address; false: by none. */
static bool
prefix_for(const struct way *w, const struct bgp_audience *audience, struct prefix *out)
{
	struct explain *e = w->e;
	struct arena arena = { 0 };
	struct bgp_announce *list;
	const struct addr *lb;
	const size_t nr_lb = app_service_addrs(e->app, w->svc, &arena, &lb);
	const size_t nr =
	    bgp_wanted_service(w->inst, e->app->store, e->node, w->svc, lb, nr_lb, &arena, &list);
	bool found = false;

	for (size_t i = 0; i < nr && !found; i++)
		if (strcmp(list[i].audience, audience->name) == 0 &&
		    prefix_has_addr(&list[i].prefix, w->addr)) {
			*out = list[i].prefix;
			found = true;
		}
	arena_fini(&arena);
	return found;
}

/* One that would tell the peer of it, were it for this node and peer; NULL: there is none. */
static const struct bgp_left_out *
left_out_of(const struct way *w)
{
	const struct bgp_left_out *l;

	for (l = w->plan->left_out; l; l = l->next) {
		const struct res_bgp_advertisement *list[] = { l->advert };
		const struct bgp_audience alone = { .name = "", .adverts = list, .nr = 1 };

		if (strcmp(l->instance, w->inst->name) != 0 || strcmp(l->peer, w->peer->name) != 0)
			continue;
		if (bgp_wanted_why(&alone, w->e->app->store, w->e->node, w->svc,
			RES_SVC_ADDR_LOAD_BALANCER_IP, w->addr)
			.reason == REASON_SATISFIED)
			break;
	}
	return l;
}

/* Nothing but where it is told keeps the advertisement from doing it. */
static void
add_left_out(const struct way *w, const struct bgp_left_out *l)
{
	const char *name = l->advert->obj.meta.name;
	const bool by_node = strcmp(l->field, "spec.nodeSelectors") == 0;
	char *object = xasprintf("BGPAdvertisement %s", name);
	struct explain_step s = { .stage = "advertisement",
		.subject = w->peer->name,
		.verdict = EXPLAIN_FAIL,
		.reason = by_node ? REASON_NODE_NOT_SELECTED : REASON_NOT_SELECTED,
		.object = object,
		.field = l->field,
		.advice = by_node ? "Let nodeSelectors of the BGPAdvertisement match the labels of "
				    "this Node."
				  : "Add the peer's name to peers of the BGPAdvertisement." };

	s.message = by_node ? xasprintf("%s selects it, and is told by other nodes only.", name)
			    : xasprintf("%s selects it, and is told to other peers only.", name);
	explain_add(w->e, &s);
	free(object);
}

static bool
step_advertisement(const struct way *w, struct prefix *prefix)
{
	const struct bgp_audience *audience = audience_of(w);
	const struct bgp_why why = bgp_wanted_why(
	    audience, w->e->app->store, w->e->node, w->svc, RES_SVC_ADDR_LOAD_BALANCER_IP, w->addr);
	char *object = *why.advert ? xasprintf("BGPAdvertisement %s", why.advert) : xstrdup("");
	char text[PREFIX_STRLEN];
	struct explain_step s = { .stage = "advertisement",
		.subject = w->peer->name,
		.reason = why.reason,
		.object = object,
		.field = why.field };
	bool ok = why.reason == REASON_SATISFIED && prefix_for(w, audience, prefix);
	const struct bgp_left_out *left = ok ? NULL : left_out_of(w);

	if (left) {
		add_left_out(w, left);
		free(object);
		return false;
	}
	if (ok) {
		s.message = xasprintf("%s lets %s go to %s.", why.advert,
		    prefix_format(prefix, text, sizeof(text)), w->peer->name);
	} else {
		s.verdict = EXPLAIN_FAIL;
		if (why.reason == REASON_NO_ADVERTISEMENT) {
			s.object = "BGPPeerConfig";
			s.field = "spec.families[].advertisements";
		}
	}
	explain_add(w->e, &s);
	free(object);
	return ok;
}

struct find_peer {
	const struct way *w;
	bool found;
	struct bgp_peer_stats stats;
};

static bool
is_peer(void *arg, const struct bgp_peer_stats *p)
{
	struct find_peer *f = arg;

	f->found =
	    strcmp(p->name, f->w->peer->name) == 0 && strcmp(p->instance, f->w->inst->name) == 0;
	if (f->found)
		f->stats = *p;
	return !f->found;
}

static bool
step_session(const struct way *w)
{
	struct find_peer f = { .w = w };
	struct explain_step s = {
		.stage = "session", .subject = w->peer->name, .reason = REASON_SATISFIED
	};

	bgp_peers_each(w->e->app->bgp, is_peer, &f);
	if (f.found && f.stats.state == BGP_ESTABLISHED) {
		s.message = xstrdup("Established.");
		explain_add(w->e, &s);
		return true;
	}
	s.verdict = EXPLAIN_FAIL;
	s.reason = f.found && f.stats.held_down && !w->peer->held_down
	    ? REASON_PEER_SHUTDOWN
	    : REASON_PEER_NOT_ESTABLISHED;
	if (f.found)
		s.message = xasprintf("The session is not established: %s.",
		    f.stats.held_down		? f.stats.held_down
			: f.stats.last_error[0] ? f.stats.last_error
						: "no attempt has come to an end yet");
	s.advice = s.reason == REASON_PEER_SHUTDOWN
	    ? NULL
	    : "heraldctl explain peer NAME says what stands in its way.";
	explain_add(w->e, &s);
	return false;
}

static bool
step_told(const struct way *w, const struct prefix *prefix)
{
	const struct bgp_show_filter filter = { .table = BGP_SHOW_ADVERTISED,
		.family = (int)w->family,
		.peer = w->peer->name,
		.prefix = prefix };
	json_t *shown = bgp_show_routes(w->e->app->bgp, &filter);
	const bool told = json_array_size(json_object_get(shown, "routes")) > 0;
	char text[PREFIX_STRLEN];
	struct explain_step s = {
		.stage = "route", .subject = w->peer->name, .reason = REASON_SATISFIED
	};

	prefix_format(prefix, text, sizeof(text));
	if (told) {
		s.message = xasprintf("%s was told of %s.", w->peer->name, text);
	} else if (w->e->app->drain != APP_NOT_DRAINED) {
		const struct drain_text *t = drain_text_first(w->e->app->drained_by);

		s.verdict = EXPLAIN_FAIL;
		s.reason = REASON_DRAINING;
		s.object = *t->field ? "Node" : "";
		s.field = t->field;
		s.message = xstrdup(t->why);
		s.advice = t->advice;
	} else {
		s.verdict = EXPLAIN_FAIL;
		s.reason = w->peer->export.nr_rules ? REASON_EXPORT_REJECTED : REASON_NO_NEXT_HOP;
		s.object = "BGPPeerConfig";
		s.field = w->peer->export.nr_rules ? "spec.export" : "";
	}
	explain_add(w->e, &s);
	json_decref(shown);
	return told;
}

static void
peer_way(struct way *w)
{
	struct explain_step s = { .stage = "advertisement",
		.subject = w->peer->name,
		.verdict = EXPLAIN_SKIP,
		.reason = REASON_FAMILY_NOT_CONFIGURED,
		.object = "BGPPeerConfig",
		.field = "spec.families" };
	struct prefix prefix = { 0 };

	if (!w->peer->family[w->family].enabled) {
		explain_add(w->e, &s);
		return;
	}
	if (!step_advertisement(w, &prefix))
		return;
	if (!w->e->here || (step_session(w) && step_told(w, &prefix)))
		w->good++;
}

/* Why there are fewer peers than the documents say. */
static void
add_notices(struct way *w)
{
	for (const struct notice *n = w->plan->notices; n; n = n->next) {
		char *object = xasprintf("%s %s", n->kind, n->name);
		struct explain_step s = { .stage = "configuration",
			.subject = n->name,
			.verdict = EXPLAIN_FAIL,
			.reason = n->reason,
			.object = object,
			.message = xstrdup(n->message) };

		if (strncmp(n->kind, "BGP", 3) == 0)
			explain_add(w->e, &s);
		else
			free(s.message);
		free(object);
	}
	if (w->plan->conf.nr_instances == 0 && store_nr(w->e->app->store, RES_BGP_CLUSTER_CONFIG))
		explain_add(w->e,
		    &(struct explain_step){ .stage = "configuration",
			.verdict = EXPLAIN_FAIL,
			.reason = REASON_NODE_NOT_SELECTED,
			.object = "BGPClusterConfig",
			.field = "spec.nodeSelector" });
}

static void
bgp_ways(struct way *w)
{
	const struct app *app = w->e->app;
	struct bgp_plan *made = NULL;

	if (!w->e->here || !app->plan)
		made = bgp_plan_new(app->store, w->e->node, false, NULL);
	w->plan = made ? made : app->plan;
	add_notices(w);
	for (size_t i = 0; i < w->plan->conf.nr_instances; i++) {
		const struct bgp_instance_conf *conf = &w->plan->conf.instances[i];

		w->inst = NULL;
		for (size_t n = 0; n < w->plan->nr_instances; n++)
			if (strcmp(w->plan->instances[n].name, conf->name) == 0)
				w->inst = &w->plan->instances[n];
		for (size_t j = 0; w->inst && j < conf->nr_peers; j++) {
			w->peer = &conf->peers[j];
			peer_way(w);
		}
	}
	bgp_plan_free(made);
}

/* ---- layer 2 ---- */

/* The addresses that policies announce are those that `l2` shows; the reasons are the nodes'. */
static void
l2_way(struct way *w)
{
	json_t *shown = show_l2(w->e->app, w->addr), *o;
	const json_t *about = json_array_get(json_object_get(shown, "addresses"), 0);
	const char *holder = text_of(about, "holder");
	struct explain_step s = { .stage = "layer 2",
		.subject = holder,
		.reason = REASON_SATISFIED,
		.object = "L2AnnouncementPolicy" };
	bool answering = false;
	size_t i;

	json_array_foreach(json_object_get(about, "nodes"), i, o)
	{
		if (strcmp(text_of(o, "node"), w->e->node) == 0)
			s.reason = reason_of(text_of(o, "reason"));
	}
	json_array_foreach(json_object_get(shown, "announcements"), i, o) answering |=
	    json_is_true(json_object_get(o, "answering"));
	if (!about) {
		s.verdict = EXPLAIN_SKIP;
		s.reason = REASON_NOT_SELECTED;
		s.field = "spec.serviceSelector, spec.loadBalancerIPs";
		s.message = xstrdup("No L2AnnouncementPolicy announces it.");
	} else if (!*holder) {
		s.verdict = EXPLAIN_FAIL;
		s.message = xasprintf(
		    "No node may answer for it; %s: %s", w->e->node, reason_text(s.reason));
	} else if (strcmp(holder, w->e->app->node) == 0 && !answering) {
		s.verdict = EXPLAIN_FAIL;
		s.reason = REASON_NO_INTERFACE;
		s.field = "spec.interfaces";
		s.message =
		    xstrdup("This node is to answer for it and does not; heraldctl l2 says why.");
	} else {
		s.reason = REASON_SATISFIED;
		s.message = xasprintf("%s answers for it.", holder);
		w->good++;
	}
	explain_add(w->e, &s);
	json_decref(shown);
}

void
explain_ways(struct explain *e, const struct res_service *svc, const struct addr *addr)
{
	json_t *before = e->steps, *ways = json_array(), *o;
	struct way w = { .e = e,
		.svc = svc,
		.addr = addr,
		.family = addr->family == ADDR_V6 ? BGP_IPV6_UNICAST : BGP_IPV4_UNICAST };
	bool failed = false;
	size_t i;

	e->steps = ways;
	bgp_ways(&w);
	l2_way(&w);
	json_array_foreach(ways, i, o)
	{
		failed |= strcmp(text_of(o, "verdict"), "failed") == 0;
		if (w.good && strcmp(text_of(o, "verdict"), "failed") == 0)
			json_object_set_new(o, "verdict", json_string("degraded"));
		json_object_set_new(o, "address", json_string(addr_str(addr)));
	}
	if (!w.good && !failed)
		explain_add(e,
		    &(struct explain_step){ .stage = "announcement",
			.subject = addr_str(addr),
			.verdict = EXPLAIN_FAIL,
			.reason = REASON_NO_ADVERTISEMENT,
			.message = xstrdup("Nobody is told of it: no BGP session carries the "
					   "family, and no L2AnnouncementPolicy announces it."),
			.advice = "Add an L2AnnouncementPolicy, or a BGPClusterConfig, a "
				  "BGPPeerConfig and a BGPAdvertisement." });
	e->steps = before;
	json_array_extend(e->steps, ways);
	json_decref(ways);
}

/* ---- the load balancer ---- */

static bool
step_loaded(struct explain *e, const struct dp_info *info)
{
	struct explain_step s = { .stage = "load balancer", .reason = REASON_SATISFIED };
	bool stands = false;

	for (size_t i = 0; i < info->nr_devices; i++)
		stands |= !info->devices[i].pods && info->devices[i].how != DP_LINK_NONE;
	if (!info->loaded) {
		s.verdict = EXPLAIN_FAIL;
		s.reason = REASON_KERNEL_REFUSED;
		s.message = xasprintf("The programs are not loaded: %s",
		    info->error && *info->error ? info->error : "they are being loaded");
		s.advice = "heraldctl status shows the kernel's words; doc/kubernetes.md what the "
			   "kernel must have.";
	} else if (!stands) {
		s.verdict = EXPLAIN_FAIL;
		s.reason = REASON_NO_INTERFACE;
		s.object = "HeraldConfig";
		s.field = "spec.datapath.devices";
		s.message = xstrdup("The programs stand on no device towards the network.");
		s.advice = "Let datapath.devices match the devices that packets come in by.";
	} else {
		s.message = xasprintf("Loaded, on %zu devices.", info->nr_devices);
	}
	explain_add(e, &s);
	return s.verdict == EXPLAIN_OK;
}

static void
step_frontend(struct explain *e, const struct dp_frontend *f, const char *object)
{
	uint32_t *rows = NULL;
	const long nr = dp_slots(e->app->datapath, &f->ip, f->port, f->proto, LB_EXTERNAL, &rows);
	char *subject = xasprintf(
	    f->ip.family == ADDR_V6 ? "[%s]:%u" : "%s:%u", addr_str(&f->ip), (unsigned)f->port);
	struct explain_step s = { .stage = "load balancer",
		.subject = subject,
		.object = object,
		.reason = REASON_SATISFIED };
	size_t takers = 0;

	for (size_t i = 0; i < f->nr_backends; i++)
		takers += f->backends[i].external;
	if (nr < 0) {
		s.verdict = EXPLAIN_FAIL;
		s.reason = REASON_NOT_YET_SENT;
		s.message = xstrdup("The maps do not have it yet, or another Service has the same "
				    "address and port.");
		s.advice = "heraldctl lb list shows who has it.";
	} else if (nr == 0) {
		s.verdict = EXPLAIN_FAIL;
		s.reason = f->external_local ? REASON_NO_LOCAL_ENDPOINT : REASON_NO_READY_ENDPOINT;
	} else {
		s.message = xasprintf("%zu backends take new flows%s.", takers,
		    f->nr_ranges ? ", of clients in loadBalancerSourceRanges only" : "");
	}
	explain_add(e, &s);
	free(rows);
	free(subject);
}

void
explain_datapath(
    struct explain *e, const struct res_service *svc, const struct addr *addrs, size_t nr_addrs)
{
	struct explain_step s = {
		.stage = "load balancer", .verdict = EXPLAIN_SKIP, .reason = REASON_SATISFIED
	};
	struct arena arena = { 0 };
	struct dp_frontend *list;
	struct dp_info info;
	char *object;
	size_t nr;

	if (!e->here || !e->app->datapath) {
		s.message =
		    xstrdup(e->here ? "datapath.mode is none: somebody else carries packets."
				    : "The maps of another node are seen there only.");
		explain_add(e, &s);
		return;
	}
	dp_info(e->app->datapath, &info);
	if (!step_loaded(e, &info))
		return;
	object = xasprintf("Service %s/%s", svc->obj.meta.ns, svc->obj.meta.name);
	nr = datapath_wanted_service(e->app->store, e->node, svc, addrs, nr_addrs, &arena, &list);
	for (size_t i = 0; i < nr; i++)
		if (list[i].type == DP_LOAD_BALANCER)
			step_frontend(e, &list[i], object);
	arena_fini(&arena);
	free(object);
}
