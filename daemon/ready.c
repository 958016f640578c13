/*
 * daemon/ready.c: is everything there that this node needs to do its work?  Asked by /readyz, and by
 * those who roll out a new version node by node.
 */
#include "daemon/metrics.h"

#include "daemon/app.h"
#include "daemon/kube_apply.h"
#include "lib/buf.h"

#include <stdio.h>
#include <string.h>

static bool
part(struct buf *words, bool ok, const char *what, const char *why)
{
	if (words)
		buf_printf(
		    words, "[%c]%s%s%s\n", ok ? '+' : '-', what, ok ? "" : ": ", ok ? "" : why);
	return ok;
}

/* "kubernetes": what each source has said; of those derived of others the others tell. */
static bool
look_at_sources(const struct app *app, struct buf *words)
{
	bool ok = true;

	for (unsigned i = 0; i < store_nr_sources(app->store); i++) {
		const char *name = store_source_name(app->store, (int)i);
		char what[128];

		if (store_source_is_derived(app->store, (int)i) || strcmp(name, "cache") == 0)
			continue;
		snprintf(what, sizeof(what), "source %s", name);
		ok &= part(words, store_source_is_synced(app->store, (int)i), what,
		    "has not delivered its first whole set yet; see heraldctl status");
	}
	return ok;
}

static bool
look_at_datapath(const struct app *app, struct buf *words)
{
	struct dp_info info = { 0 };
	const char *why = "waits for what it is to do";

	if (store_config(app->store)->datapath.mode == RES_DP_NONE)
		return true;
	if (app->datapath) {
		dp_info(app->datapath, &info);
		why = info.error && *info.error ? info.error
		    : !info.loaded		? "the programs are being loaded"
						: "Services are being written to the maps";
	}
	return part(words, app->datapath && info.loaded && !info.writing, "datapath", why);
}

/* Who has no layer 2 addresses does not need its program. */
static bool
look_at_l2(const struct app *app, struct buf *words)
{
	struct l2_info info = { 0 };

	if (!app->l2)
		return true;
	l2_info(app->l2, &info);
	if (info.addresses == 0)
		return true;
	return part(words, info.loaded, "layer 2",
	    info.error && *info.error ? info.error : "the program is being loaded");
}

bool
ready_look(struct app *app, struct buf *words)
{
	bool ok = part(words, app->running && !app->stopping, "daemon",
	    app->stopping ? "is stopping" : "is starting");

	ok &= look_at_sources(app, words);
	ok &= part(words, ipam_is_started(app->ipam), "addresses",
	    "are not given before all sources are in sync");
	ok &= part(words, app->carrying && !kube_apply_awaited(app), "first pass",
	    "what is known has not been carried to the engines yet");
	ok &= look_at_datapath(app, words);
	ok &= look_at_l2(app, words);
	return ok;
}
