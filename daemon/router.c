/*
 * daemon/router.c: the router on the other end of an interface.  See router.h.
 */
#include "daemon/router.h"

static void
say(struct router *r)
{
	r->ops.send(r->ops.arg, NDISC_ADVERTISE, NULL);
	/* Routers that advertise rarely answer those who ask.  A while later others may answer, too. */
	if (!addr_is_set(&r->addr) || r->silent)
		r->ops.send(r->ops.arg, NDISC_SOLICIT, NULL);
	if (!addr_is_set(&r->addr) && r->nr_sent >= ROUTER_NR_FIRST)
		r->ops.send(r->ops.arg, NDISC_PING, NULL);
}

static void
pace_due(void *arg)
{
	struct router *r = arg;

	if (r->nr_sent < ROUTER_NR_FIRST)
		r->nr_sent++;
	say(r);
	/* RFC 4861 6.2.4: at random times, so that all on a link do not speak at once. */
	timer_set_jitter(
	    &r->pace, r->nr_sent < ROUTER_NR_FIRST ? ROUTER_FIRST_MS : ROUTER_PACE_MS, 25);
}

/* The one that we know was asked, and did not answer. */
static void
answer_due(void *arg)
{
	struct router *r = arg;

	r->addr = r->rival;
	r->silent = false;
	r->rival = (struct addr){ 0 };
	r->ops.changed(r->ops.arg);
}

void
router_init(struct router *r, struct loop *loop, const struct router_ops *ops)
{
	*r = (struct router){ .ops = *ops, .loop = loop };
	timer_init(&r->pace, loop, pace_due, r);
	timer_init(&r->answer, loop, answer_due, r);
}

void
router_start(struct router *r)
{
	r->running = true;
	r->nr_sent = 0;
	timer_set(&r->pace, 0);
}

void
router_stop(struct router *r)
{
	r->running = false;
	r->rival = (struct addr){ 0 };
	timer_stop(&r->pace);
	timer_stop(&r->answer);
}

void
router_forget(struct router *r)
{
	router_stop(r);
	r->addr = (struct addr){ 0 };
	r->silent = false;
}

/* Somebody who answers a ping to all routers. */
static void
answered(struct router *r, const struct addr *from)
{
	if (addr_is_set(&r->addr)) {
		if (!addr_eq(&r->addr, from))
			return;
		r->rival = (struct addr){ 0 }; /* it is there still */
		timer_stop(&r->answer);
		return;
	}
	r->addr = *from;
	r->silent = true;
	r->ops.changed(r->ops.arg);
}

static void
advertised(struct router *r, const struct addr *from)
{
	if (!addr_is_set(&r->addr) || (r->silent && !addr_eq(&r->addr, from))) {
		r->addr = *from;
		r->silent = false;
		/* It has just come, and may not have heard us. */
		r->ops.send(r->ops.arg, NDISC_ADVERTISE, NULL);
		r->ops.changed(r->ops.arg);
		return;
	}
	if (addr_eq(&r->addr, from)) {
		r->silent = false;
		r->rival = (struct addr){ 0 };
		timer_stop(&r->answer);
		return;
	}
	if (timer_is_running(&r->answer))
		return;
	r->rival = *from;
	timer_set(&r->answer, ROUTER_ANSWER_MS);
	r->ops.send(r->ops.arg, NDISC_SOLICIT, NULL);
	r->ops.send(r->ops.arg, NDISC_PING, NULL);
}

void
router_heard(struct router *r, enum ndisc_kind kind, const struct addr *from)
{
	const uint64_t now = loop_now_ms(r->loop);

	if (!r->running)
		return;
	if (kind == NDISC_ADVERTISE) {
		advertised(r, from);
		return;
	}
	if (kind == NDISC_PING) {
		answered(r, from);
		return;
	}
	if (kind != NDISC_SOLICIT || (r->replied_ms && now - r->replied_ms < ROUTER_REPLIES_MS))
		return;
	r->replied_ms = now;
	r->ops.send(r->ops.arg, NDISC_ADVERTISE, from);
}
