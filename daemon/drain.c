/*
 * daemon/drain.c: takes this node out of the way of packets from outside while there is a cause for it,
 * and back.  BGP peers are asked to take other paths (RFC 8326 3: first the community, then a while,
 * then the routes), then the Services are withdrawn; on layer 2 other nodes take the addresses.
 * PodCIDRs stay announced: pods are reached by no other way.
 *
 * stateDir knows of it, so that a restart of the daemon in between changes nothing for anybody.
 */
#include "daemon/drain.h"

#include "daemon/app.h"
#include "daemon/monitor.h"
#include "daemon/state.h"
#include "lib/log.h"
#include "lib/mem.h"

#include <string.h>

static const char *const states[] = { [APP_NOT_DRAINED] = "not-drained",
	[APP_DRAINING] = "draining",
	[APP_WITHDRAWN] = "withdrawn" };

static void
save(struct app *app)
{
	const struct state_drain d = {
		.person = app->drained_by & DRAIN_BY_PERSON,
		.withdrawn = app->drain == APP_WITHDRAWN,
		.wait_s = app->drain_wait_s,
	};
	const int err = state_save_drain(app->state_dir, app->drain == APP_NOT_DRAINED ? NULL : &d);

	if (err < 0)
		log_warn("drain-not-saved", LOG_S("stateDir", app->state_dir), LOG_ERR(err),
		    LOG_S("hint", "a restart of the daemon will not know of it"));
}

static void
withdraw(void *arg)
{
	struct app *app = arg;

	app->drain = APP_WITHDRAWN;
	log_info("drained", LOG_S("node", app->node));
	save(app);
	monitor_say(app, "drain", "drained", "Services are withdrawn");
	reconcile_drain(app);
}

/* True: something changed. */
static bool
settle(struct app *app, unsigned causes, unsigned wait_s)
{
	const unsigned old = app->drained_by;
	const bool begins = causes && app->drain == APP_NOT_DRAINED;
	const bool ends = !causes && app->drain != APP_NOT_DRAINED;

	app->drained_by = causes;
	if (begins) {
		/* A process that has announced nothing yet has nothing to take back, unless one
		 * before it did, and peers still have it. */
		app->drain = app->plan || app->drain_asks_first ? APP_DRAINING : APP_WITHDRAWN;
		app->drain_wait_s = wait_s;
		log_info("draining", LOG_S("node", app->node),
		    LOG_S("why", drain_text_first(causes)->why), LOG_U("wait_s", wait_s));
		monitor_say(app, "drain", "draining", drain_text_first(causes)->why);
		if (app->drain == APP_DRAINING)
			timer_set(&app->drain_timer, wait_s * 1000ULL);
	} else if (ends) {
		log_info("undrained", LOG_S("node", app->node));
		monitor_say(app, "drain", "undrained", "this node takes part again");
		timer_stop(&app->drain_timer);
		app->drain = APP_NOT_DRAINED;
	}
	if (!begins && old == causes)
		return false;
	save(app);
	l2_apply_drain(app, app->drain != APP_NOT_DRAINED);
	return true;
}

void
drain_follow(struct app *app)
{
	const struct res_herald_config *config = store_config(app->store);
	const unsigned causes = drain_causes_of(store_node(app->store, app->node), config);
	const bool loaded = app->drain == APP_NOT_DRAINED && app->drained_by & DRAIN_BY_PERSON;

	(void)settle(app, causes | (app->drained_by & DRAIN_BY_PERSON),
	    loaded ? app->drain_wait_s : config->drain.wait_s);
}

void
drain_begin(struct app *app, unsigned wait_s)
{
	const bool changed = settle(app, app->drained_by | DRAIN_BY_PERSON, wait_s);

	if (app->drain == APP_DRAINING) {
		app->drain_wait_s = wait_s;
		timer_set(&app->drain_timer, wait_s * 1000ULL);
	}
	if (changed)
		reconcile_drain(app);
}

void
drain_end(struct app *app)
{
	if (settle(app, app->drained_by & ~(unsigned)DRAIN_BY_PERSON, app->drain_wait_s))
		reconcile_drain(app);
}

bool
drain_asks(const struct app *app)
{
	/* The label is about load balancers alone: what else the node announces is as good as any. */
	return app->drain == APP_DRAINING ||
	    (app->drain == APP_WITHDRAWN && app->drained_by & ~(unsigned)DRAIN_BY_LABEL);
}

json_t *
drain_show(const struct app *app)
{
	json_t *by, *o;

	if (app->drain == APP_NOT_DRAINED)
		return NULL;
	by = json_array();
	for (unsigned i = 0; i < DRAIN_NR_CAUSES; i++)
		if (app->drained_by & 1u << i)
			json_array_append_new(by, json_string(drain_text(i)->name));
	o = json_pack("{s:s, s:o, s:s}", "state", states[app->drain], "by", by, "message",
	    drain_text_first(app->drained_by)->why);
	if (timer_is_running(&app->drain_timer))
		json_object_set_new(o, "secondsLeft",
		    json_integer((json_int_t)(timer_left_ms(&app->drain_timer) / 1000)));
	return o;
}

void
drain_load(struct app *app)
{
	struct state_drain d = { 0 };
	char *error = NULL;
	const int err = state_load_drain(app->state_dir, &d, &error);

	if (err < 0)
		log_error("drain-not-read", LOG_S("message", error ? error : strerror(-err)));
	free(error);
	app->drained_by = d.person ? DRAIN_BY_PERSON : 0;
	app->drain_wait_s = d.wait_s;
	app->drain_asks_first = state_was_running(app->state_dir) && !d.withdrawn;
}

void
drain_init(struct app *app)
{
	timer_init(&app->drain_timer, app->loop, withdraw, app);
}

void
drain_fini(struct app *app)
{
	timer_stop(&app->drain_timer);
}
