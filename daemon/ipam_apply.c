/*
 * daemon/ipam_apply.c: see ipam_apply.h.
 *
 * What cools down stands in stateDir/resting.json with the wall-clock time when it is free, since the
 * monotonic clock means nothing to the next process (nor after a boot).
 */
#include "daemon/ipam_apply.h"

#include "daemon/app.h"
#include "daemon/state.h"
#include "lib/log.h"
#include "lib/mem.h"

#include <errno.h>
#include <stdlib.h>

/* A stranger on the link is believed for so long; then the address may be tried again. */
#define STRANGER_MS (10 * 60 * 1000)
/* No rest is longer, whatever the clock was when it was written down. */
#define REST_MAX_MS (24 * 3600 * 1000)
#define SAVE_AGAIN_MS 5000

struct ipam_apply {
	struct app *app;
	struct loop_timer due;	/* something ends */
	struct loop_timer save; /* resting.json is behind */
	size_t nr;		/* what it had in it */
};

/* ---- time ---- */

static void
look_again(struct ipam_apply *a)
{
	const uint64_t due = ipam_due_ms(a->app->ipam), now = loop_now_ms(a->app->loop);
	uint64_t wait = due > now ? due - now : 0;

	timer_stop(&a->due);
	if (due == UINT64_MAX)
		return;
	timer_set(&a->due, wait < REST_MAX_MS ? (unsigned)wait + 1 : REST_MAX_MS);
}

void
ipam_apply_settle(struct app *app)
{
	(void)ipam_clock(app->ipam, loop_now_ms(app->loop));
	ipam_settle(app->ipam);
	if (app->addresses)
		look_again(app->addresses);
}

static void
is_due(void *arg)
{
	struct ipam_apply *a = arg;

	if (ipam_clock(a->app->ipam, loop_now_ms(a->app->loop)))
		ipam_apply_soon(a->app);
	ipam_apply_settle(a->app);
}

/* ---- what the next process shall know ---- */

struct saving {
	json_t *list;
	int64_t now_ms; /* since 1970 */
};

static bool
add_resting(void *arg, const struct ipam_resting *r)
{
	struct saving *s = arg;
	char text[ADDR_STRLEN];

	if (r->cool_ms)
		json_array_append_new(s->list,
		    json_pack("{s:s, s:s, s:I}", "address",
			addr_format(&r->addr, text, sizeof(text)), "last", r->last, "untilMs",
			(json_int_t)(s->now_ms + (int64_t)r->cool_ms)));
	return true;
}

static void
save(void *arg)
{
	struct ipam_apply *a = arg;
	struct saving s = { json_array(), (int64_t)(loop_wall_us(a->app->loop) / 1000) };
	int err;

	if (ipam_is_started(a->app->ipam)) {
		ipam_resting_each(a->app->ipam, add_resting, &s);
		a->nr = json_array_size(s.list);
		err = state_save_resting(a->app->state_dir, s.list);
		if (err < 0) {
			log_error(
			    "state-not-saved", LOG_S("stateDir", a->app->state_dir), LOG_ERR(err));
			timer_set(&a->save, SAVE_AGAIN_MS);
		}
	}
	json_decref(s.list);
}

void
ipam_apply_soon(struct app *app)
{
	struct ipam_apply *a = app->addresses;

	/* At once when there is little to write, later when there is much. */
	if (a && !timer_is_running(&a->save))
		timer_set(&a->save, 20 + (unsigned)(a->nr < 20000 ? a->nr / 10 : 2000));
}

static void
restore(void *arg, const struct addr *addr, const char *last, int64_t until_ms)
{
	struct ipam_apply *a = arg;
	const int64_t left = until_ms - (int64_t)(loop_wall_us(a->app->loop) / 1000);

	if (left <= 0)
		return;
	if (ipam_restore_resting(a->app->ipam, addr, last,
		left < REST_MAX_MS ? (uint64_t)left : REST_MAX_MS) == -ENOMEM)
		log_warn("allocation-not-restored", LOG_S("owner", last),
		    LOG_S("address", addr_str(addr)));
}

void
ipam_apply_init(struct app *app)
{
	struct ipam_apply *a = xnew(struct ipam_apply);
	char *error = NULL;

	a->app = app;
	app->addresses = a;
	timer_init(&a->due, app->loop, is_due, a);
	timer_init(&a->save, app->loop, save, a);
	(void)ipam_clock(app->ipam, loop_now_ms(app->loop));
	if (state_load_resting(app->state_dir, restore, a, &error) < 0)
		log_error("allocations-not-read", LOG_S("message", error));
	free(error);
	look_again(a);
}

void
ipam_apply_fini(struct app *app)
{
	struct ipam_apply *a = app->addresses;

	if (!a)
		return;
	if (timer_is_running(&a->save))
		save(a);
	timer_stop(&a->due);
	timer_stop(&a->save);
	free(a);
	app->addresses = NULL;
}

/* ---- strangers ---- */

void
ipam_apply_stranger(struct app *app, const struct addr *addr, bool there)
{
	const int err = ipam_stranger(app->ipam, addr, there ? STRANGER_MS : 0);

	if (err < 0)
		log_error("stranger-not-noted", LOG_S("address", addr_str(addr)), LOG_ERR(err));
	else if (there)
		log_warn("address-conflict", LOG_S("address", addr_str(addr)),
		    LOG_S("owner",
			ipam_owner_of(app->ipam, addr) ? ipam_owner_of(app->ipam, addr) : ""));
	ipam_apply_settle(app);
}

void
ipam_apply_used(struct app *app, const struct addr *addr)
{
	ipam_used(app->ipam, addr);
}

/* ---- by hand ---- */

int
ipam_apply_release(struct app *app, const char *owner, char **error)
{
	const int nr = ipam_release(app->ipam, owner);

	switch (nr) {
	case -ENOENT:
		*error = xasprintf("%s: no Service of that name is given addresses here", owner);
		break;
	case -EPERM:
		*error = xasprintf("%s: another node gives its addresses; ask the one that leads "
				   "(heraldctl status)",
		    owner);
		break;
	case -EAGAIN:
		*error = xasprintf("%s: not every source is in sync yet; try again", owner);
		break;
	default:
		break;
	}
	if (nr > 0) {
		log_info("addresses-released", LOG_S("service", owner), LOG_I("count", nr));
		ipam_apply_settle(app);
	}
	return nr;
}
