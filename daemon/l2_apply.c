/*
 * daemon/l2_apply.c: makes the layer 2 announcements follow the store, our devices and the other nodes.
 * Who shall have an address stands in l2_wanted.c; whether this node may have it now, in cluster/; what
 * it has is carried into l2/.  See l2_side.h.
 *
 * The whole is worked out anew for each burst of changes: the owner of one address depends on all
 * others.  Without a policy nothing is worked out.
 */
#include "daemon/l2_side.h"

#include "daemon/ipam_apply.h"
#include "daemon/kube_apply.h"
#include "daemon/monitor.h"
#include "lib/log.h"
#include "lib/mem.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define SOON_MS 20 /* changes of a burst come in several turns */
#define SHARE 10
#define BEAT_MS 1000
#define IDLE_BEAT_MS 10000 /* with nothing to answer for */
#define LEAVE_MS 1000
/* What nothing urges to move waits until the nodes know each other so long, and then goes a fiftieth a
 * second, one at least. */
#define SETTLED_MS 10000
#define MOVES_SHARE 50
#define ADOPT_MAX 65536

/* ---- what is wanted ---- */

struct device_list {
	struct arena *arena;
	struct l2_seen_device *v;
	size_t nr, cap;
};

/* Copied: names and prefixes live until the engine hears of another device. */
static bool
take_device(void *arg, const struct l2_seen_device *d)
{
	struct device_list *list = arg;
	struct prefix *prefixes = arena_new_n(list->arena, struct prefix, d->nr_prefixes + 1);

	if (list->nr == list->cap) {
		struct l2_seen_device *more =
		    arena_new_n(list->arena, struct l2_seen_device, list->cap * 2 + 16);

		if (list->nr > 0)
			memcpy(more, list->v, list->nr * sizeof(*more));
		list->v = more;
		list->cap = list->cap * 2 + 16;
	}
	if (d->nr_prefixes > 0)
		memcpy(prefixes, d->prefixes, d->nr_prefixes * sizeof(*prefixes));
	list->v[list->nr] = *d;
	list->v[list->nr].name = arena_printf(list->arena, "%s", d->name);
	list->v[list->nr++].prefixes = prefixes;
	return true;
}

bool
l2_apply_devices(
    struct app *app, struct arena *arena, const struct l2_seen_device **devices, size_t *nr)
{
	struct device_list list = { .arena = arena };

	if (!app->l2 || !l2_devices_each(app->l2, take_device, &list))
		return false;
	*devices = list.v;
	*nr = list.nr;
	return true;
}

static size_t
lb_addrs(void *arg, const struct res_service *svc, struct arena *arena, const struct addr **out)
{
	return app_service_addrs(((struct l2_side *)arg)->app, svc, arena, out);
}

static enum reason
life(void *arg, const char *node)
{
	return l2_nodes_life(arg, node);
}

static bool
devices_of(void *arg, const char *node, const struct l2_seen_device **devices, size_t *nr)
{
	return l2_nodes_devices(arg, node, devices, nr);
}

static const char *
holder(void *arg, const struct addr *addr)
{
	return cluster_holder(((struct l2_side *)arg)->cluster, addr);
}

bool
l2_apply_work_out(
    struct l2_side *s, const struct addr *explain, struct arena *arena, struct l2_wanted *out)
{
	struct l2_wanted_in in = { .store = s->app->store,
		.node = s->app->node,
		.addrs = lb_addrs,
		.arg = s,
		.explain = explain };
	int err;

	if (!l2_apply_devices(s->app, arena, &in.devices, &in.nr_devices))
		return false;
	if (s->cluster) {
		in.life = life;
		in.devices_of = devices_of;
		in.owner = holder;
	}
	err = l2_wanted(&in, arena, out);
	if (err < 0)
		log_error("l2-not-worked-out", LOG_ERR(-err));
	return err == 0;
}

/* ---- the term ---- */

static bool
count_others(void *arg, const struct cluster_seen *seen)
{
	*(size_t *)arg += !seen->self && seen->life != CLUSTER_UNHEARD;
	return true;
}

/*
 * Without its daemon a node answers on for so long, and the others let it.  Where there are no others it
 * answers for ever.
 */
static void
renew_term(struct l2_side *s)
{
	size_t others = 0;

	if (!s->cluster || !s->app->l2)
		return;
	cluster_each(s->cluster, count_others, &others);
	s->met_others |= others > 0;
	l2_term(
	    s->app->l2, s->met_others ? store_config(s->app->store)->l2.come_back_s * 1000ULL : 0);
}

/* ---- what is answered for ---- */

static bool
is_held(const struct l2_side *s, const struct l2_wanted_address *w)
{
	return s->cluster ? cluster_holds(s->cluster, &w->addr) : w->ours;
}

static void
tell_monitor(struct l2_side *s, const struct l2_address *ours, size_t nr)
{
	struct arena arena = { 0 };
	struct addr *list = arena_new_n(&arena, struct addr, nr + 1);

	for (size_t i = 0; i < nr; i++)
		list[i] = ours[i].addr;
	monitor_l2(s->app, list, nr);
	arena_fini(&arena);
}

void
l2_side_hold(struct l2_side *s)
{
	struct arena arena = { 0 };
	struct l2_address *ours;
	size_t nr = 0;
	int err;

	if (!s->app->l2)
		return;
	/* What an earlier process answers for goes on until it is known what shall be, unless this node
	 * may hold nothing. */
	if (!s->worked_out) {
		if (s->adopted && cluster_nr_held(s->cluster) == 0 &&
		    l2_set(s->app->l2, NULL, 0) < 0)
			log_error("l2-not-set", LOG_U("addresses", 0));
		return;
	}
	ours = arena_new_n(&arena, struct l2_address, s->want.nr_all + 1);
	for (size_t i = 0; i < s->want.nr_all; i++) {
		const struct l2_wanted_address *w = &s->want.all[i];

		if (w->nr_devices > 0 && is_held(s, w))
			ours[nr++] =
			    (struct l2_address){ w->addr, w->devices, w->nr_devices, w->schedule };
	}
	/* No answer begins without its end: this process may be gone before the next beat. */
	renew_term(s);
	if (s->want.nr_all > 0 && timer_left_ms(&s->beat) > BEAT_MS)
		timer_set(&s->beat, BEAT_MS);
	err = l2_set(s->app->l2, ours, nr);
	if (err < 0)
		log_error("l2-not-set", LOG_U("addresses", nr), LOG_ERR(-err));
	if (s->app->monitor)
		tell_monitor(s, ours, nr);
	arena_fini(&arena);
}

/* May one that nothing urges come to us now? */
static bool
may_move(struct l2_side *s)
{
	if (s->move_tokens == 0)
		return false;
	s->move_tokens--;
	return true;
}

static void
fill_tokens(struct l2_side *s)
{
	const uint64_t now = loop_now_ms(s->app->loop);
	const size_t share = s->want.nr_all / MOVES_SHARE;

	if (cluster_settled_ms(s->cluster) < SETTLED_MS || now - s->tokens_ms < BEAT_MS)
		return;
	s->tokens_ms = now;
	s->move_tokens = share ? share : 1;
}

static int
want(struct l2_side *s)
{
	struct arena arena = { 0 };
	struct cluster_want *list = arena_new_n(&arena, struct cluster_want, s->want.nr_all + 1);
	int err;

	fill_tokens(s);
	s->luxuries = 0;
	for (size_t i = 0; i < s->want.nr_all; i++) {
		const struct l2_wanted_address *w = &s->want.all[i];
		const bool held = cluster_holds(s->cluster, &w->addr);

		list[i] = (struct cluster_want){ w->addr, w->owner, w->fit };
		/* Its holder could go on: there is no hurry. */
		if (w->ours && !held && *w->holder && !may_move(s)) {
			list[i].owner = w->holder;
			s->luxuries++;
		}
	}
	err = cluster_want(s->cluster, list, s->want.nr_all);
	arena_fini(&arena);
	return err;
}

/* What a node answers for is its Service's, whoever else turns up. */
static void
note_used(struct l2_side *s)
{
	for (size_t i = 0; i < s->want.nr_all; i++) {
		if (cluster_holder(s->cluster, &s->want.all[i].addr))
			ipam_apply_used(s->app, &s->want.all[i].addr);
	}
}

static void
apply_due(void *arg)
{
	struct l2_side *s = arg;
	struct app *app = s->app;
	struct arena arena = { 0 };
	struct l2_wanted out;
	const uint64_t begin = loop_now_us(app->loop);
	int err = 0;

	/* Before a source is in sync nothing is known to be gone: what an earlier process answers
	 * for goes on. */
	if (!app->l2 || app->stopping || !store_is_synced(app->store))
		return;
	l2_nodes_follow(s);
	if (l2_apply_work_out(s, NULL, &arena, &out)) {
		arena_fini(&s->arena);
		s->arena = arena;
		s->want = out;
		s->worked_out = true;
		if (s->cluster)
			err = want(s);
		l2_side_hold(s); /* devices and schedules may be others */
		if (s->cluster) {
			note_used(s);
			l2_strangers_follow(s);
		}
	} else {
		arena_fini(&arena);
	}
	app->generation++;
	if (err < 0)
		log_error("l2-not-wanted", LOG_ERR(-err));
	/* However often things change, a tenth of the time is enough for this. */
	s->rest_ms = (loop_now_us(app->loop) - begin) * (SHARE - 1) / 1000;
	s->done_ms = loop_now_ms(app->loop);
}

void
l2_side_soon(struct l2_side *s, bool urgent)
{
	uint64_t since, wait = urgent ? 0 : SOON_MS;

	if (!s->app->l2 || (timer_is_running(&s->soon) && timer_left_ms(&s->soon) <= wait))
		return;
	since = loop_now_ms(s->app->loop) - s->done_ms;
	if (since < s->rest_ms && s->rest_ms - since > wait)
		wait = s->rest_ms - since;
	timer_set(&s->soon, wait);
}

void
l2_apply_soon(struct app *app)
{
	if (app->l2_side)
		l2_side_soon(app->l2_side, false);
}

/* ---- what changed ---- */

/* Endpoints count only where the policy is Local. */
static bool
is_of_local(const struct app *app, const struct store_change *c)
{
	const struct res_object *const both[] = { c->old, c->new };

	for (size_t i = 0; i < 2; i++) {
		const struct res_endpoint_slice *s = (const struct res_endpoint_slice *)both[i];
		const struct res_service *svc =
		    s ? store_service(app->store, c->ns, s->service_name) : NULL;

		if (svc && svc->external_policy == RES_POLICY_LOCAL)
			return true;
	}
	return false;
}

void
l2_apply_changes(struct app *app, const struct store_change *changes, size_t nr)
{
	bool any = nr == 0; /* a source is in sync, or is not */

	for (size_t i = 0; i < nr && !any; i++) {
		const struct store_change *c = &changes[i];

		switch (c->kind) {
		case RES_SERVICE:
		case RES_L2_POLICY:
		case RES_LB_IP_POOL:
		case RES_HERALD_CONFIG:
			any = true;
			break;
		case RES_NODE: /* heartbeats change nothing */
			any =
			    !c->old || !c->new || res_change_cost(c->old, c->new) != RES_COST_NONE;
			break;
		case RES_ENDPOINT_SLICE:
			any = is_of_local(app, c);
			break;
		default:
			break;
		}
	}
	if (any)
		l2_apply_soon(app);
}

static void
on_devices(void *arg)
{
	struct l2_side *s = arg;

	s->notes_stale = true;
	l2_side_soon(s, true);
}

static void
on_alarm(void *arg, const struct l2_alarm *a)
{
	l2_show_alarm(arg, a);
}

/* Nothing is answered for, nor looked at in the API: whatever comes to be, comes by l2_side_hold(). */
static bool
is_idle(const struct l2_side *s)
{
	return s->worked_out && s->want.nr_all == 0 && !s->adopted && !s->leases;
}

static void
beat(void *arg)
{
	struct l2_side *s = arg;

	timer_set(&s->beat, is_idle(s) ? IDLE_BEAT_MS : BEAT_MS);
	if (!s->app->l2)
		return;
	renew_term(s);
	if (!s->cluster)
		return;
	if (s->leases && s->nr_up > 0)
		cluster_api(s->cluster, kube_http_reachable(kube_apply_http(s->app)));
	else
		l2_lease_ask(s->leases);
	l2_lease_look(s->leases);
	if (cluster_settled_ms(s->cluster) >= SETTLED_MS && s->luxuries > 0)
		l2_side_soon(s, false);
}

/* ---- life ---- */

static void
adopt(struct l2_side *s)
{
	struct addr *list = mem_calloc(ADOPT_MAX, sizeof(*list));
	const size_t nr = list ? l2_adopted(s->app->l2, list, ADOPT_MAX) : 0;
	int err = nr > 0 ? cluster_adopt(s->cluster, list, nr) : 0;

	s->adopted = nr > 0;
	/* What lies there with a term that is over is others' now, and a new term must not wake it. */
	if (nr == 0)
		err = l2_set(s->app->l2, NULL, 0);
	if (err < 0)
		log_error("l2-not-adopted", LOG_ERR(-err));
	mem_free(list);
}

void
l2_apply_init(struct app *app)
{
	const struct l2_ops ops = { .devices = on_devices, .alarm = on_alarm };
	struct l2_side *s = xnew(struct l2_side);
	int err = 0;

	s->app = app;
	app->l2_side = s;
	timer_init(&s->soon, app->loop, apply_due, s);
	timer_init(&s->beat, app->loop, beat, s);
	app->l2 = l2_new(app->loop, app->pin_path, &ops, s, &err);
	if (!app->l2) {
		log_error("l2-off", LOG_ERR(-err));
		return;
	}
	/* A process that dies young shall not have taken the end of what it found. */
	s->met_others = l2_had_term(app->l2);
	l2_nodes_init(s);
	if (s->cluster) {
		adopt(s);
		if (kube_apply_http(app))
			s->leases = l2_lease_new(s);
	}
	l2_apply_drain(app, app->drain != APP_NOT_DRAINED);
	timer_set(&s->beat, 0);
	l2_apply_soon(app);
}

void
l2_apply_fini(struct app *app)
{
	struct l2_side *s = app->l2_side;

	if (!s)
		return;
	timer_stop(&s->soon);
	timer_stop(&s->beat);
	if (app->l2)
		l2_probe_cancel(app->l2, s);
	l2_lease_free(s->leases);
	l2_nodes_fini(s);
	if (app->l2 && app->removing)
		l2_remove(app->l2);
	l2_free(app->l2);
	app->l2 = NULL;
	arena_fini(&s->arena);
	app->l2_side = NULL;
	free(s);
}

/* ---- going ---- */

static void
left(void *arg)
{
	struct l2_side *s = arg;

	s->leaving = false;
	log_info("l2-handed-over", LOG_U("left", cluster_nr_held(s->cluster)));
	app_stopped(s->app);
}

bool
l2_apply_leave(struct app *app)
{
	struct l2_side *s = app->l2_side;

	if (!s || !s->cluster || !app->l2 || cluster_nr_held(s->cluster) == 0)
		return false;
	s->leaving = true;
	cluster_leave(s->cluster, LEAVE_MS, left, s);
	return true;
}

void
l2_apply_drain(struct app *app, bool drained)
{
	struct l2_side *s = app->l2_side;

	if (!s || !s->cluster || s->drained == drained)
		return;
	s->drained = drained;
	cluster_drain(s->cluster, drained);
	l2_side_soon(s, true);
}

void
l2_apply_sessions(struct app *app)
{
	struct l2_side *s = app->l2_side;

	if (!s || !s->cluster)
		return;
	s->notes_stale = true;
	l2_apply_soon(app);
}

bool
l2_apply_is_drained(const struct app *app)
{
	return app->l2_side && app->l2_side->drained;
}
