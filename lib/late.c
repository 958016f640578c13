/*
 * lib/late.c: shared libraries that are opened when they are first needed; see late.h.
 */
#include "lib/late.h"

#include <dlfcn.h>
#include <errno.h>
#include <string.h>

#include "lib/log.h"

int
late_open(const char *soname, const char *package, void *table, const struct late_call *calls)
{
	void *lib = dlopen(soname, RTLD_NOW | RTLD_LOCAL);
	const char *why = lib ? NULL : dlerror();

	for (; lib && !why && calls->name; calls++) {
		void *at = dlsym(lib, calls->name);

		if (!at)
			why = dlerror();
		memcpy((char *)table + calls->offset, &at, sizeof(at));
	}
	if (!why)
		return 0;
	log_error("library-not-loaded", LOG_S("library", soname), LOG_S("error", why),
	    LOG_S("install", package));
	return -ENOENT;
}
