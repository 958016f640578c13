/*
 * daemon/sockets_helper.c: whether there is a helper that ends UDP sockets in the network namespaces of
 * pods (datapath/helper.c), and why not.  It is started while the process has its privileges, so at no
 * other time, and ended as soon as the configuration has no use for it.
 */
#include "daemon/app.h"

#include "daemon/privileges.h"
#include "daemon/show_lb.h"
#include "lib/log.h"

static bool
is_wanted(const struct app *app)
{
	const struct res_herald_config *config = store_config(app->store);

	return config->datapath.mode == RES_DP_BPF && config->datapath.socket_lb;
}

static void
tell_once(struct app *app)
{
	if (app->no_helper && !app->no_helper_told)
		log_info("sockets-of-pods-left", LOG_S("reason", app->no_helper));
	app->no_helper_told = true;
}

void
sockets_helper_init(struct app *app)
{
	const bool wanted = is_wanted(app);

	if (!privileges_may_enter_pods())
		app->no_helper = "herald was started without CAP_SYS_ADMIN and CAP_SYS_PTRACE";
	else if (!wanted)
		app->no_helper = "socketLB was not on when herald was started: start it again";
	else
		app->helper = dp_helper_start(app->loop);
	if (wanted)
		tell_once(app);
}

void
sockets_helper_follow(struct app *app)
{
	if (is_wanted(app))
		tell_once(app);
	else if (app->helper)
		dp_helper_stop(app->helper, "socketLB was off for a while: start herald again");
}

json_t *
sockets_helper_show(const struct app *app)
{
	struct dp_helper_info info = { .why = app->no_helper };
	json_t *o;

	if (app->helper)
		dp_helper_info(app->helper, &info);
	o = json_pack("{s:b}", "ended", info.works);
	if (info.works)
		json_object_set_new(o, "pid", json_integer(info.pid));
	else if (info.why)
		json_object_set_new(o, "reason", json_string(info.why));
	return o;
}
