/*
 * daemon/bfd_apply.c: the daemon's BFD engine.
 */
#include "daemon/bfd_apply.h"

#include "bfd/bfd.h"
#include "daemon/app.h"
#include "lib/log.h"

struct bfd *
app_bfd(struct app *app)
{
	int err = 0;

	if (app->bfd)
		return app->bfd;
	app->bfd = bfd_new(app->loop, &err);
	if (!app->bfd)
		log_error("bfd-off", LOG_ERR(-err));
	return app->bfd;
}

void
bfd_apply_fini(struct app *app)
{
	bfd_free(app->bfd);
	app->bfd = NULL;
}
