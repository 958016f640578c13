/*
 * daemon/drain.c: `heraldctl drain`: takes this node out of the way of packets from outside.  BGP peers
 * are asked to take other paths (RFC 8326), then the Services are withdrawn; on layer 2 other nodes take
 * the addresses.  PodCIDRs stay announced: pods are reached by no other way.
 */
#include "daemon/app.h"
#include "lib/log.h"

static void
withdraw(void *arg)
{
	struct app *app = arg;

	app->drain = APP_WITHDRAWN;
	log_info("drained", LOG_S("node", app->node));
	reconcile_drain(app);
}

void
drain_begin(struct app *app, unsigned wait_s)
{
	if (app->drain == APP_NOT_DRAINED) {
		log_info("draining", LOG_S("node", app->node), LOG_U("wait_s", wait_s));
		app->drain = APP_DRAINING;
		reconcile_drain(app);
		l2_apply_drain(app, true);
	}
	if (app->drain == APP_DRAINING)
		timer_set(&app->drain_timer, wait_s * 1000ULL);
}

void
drain_end(struct app *app)
{
	if (app->drain == APP_NOT_DRAINED)
		return;
	log_info("undrained", LOG_S("node", app->node));
	timer_stop(&app->drain_timer);
	app->drain = APP_NOT_DRAINED;
	reconcile_drain(app);
	l2_apply_drain(app, false);
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
