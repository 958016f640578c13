/*
 * datapath/conf.c: a copy of a configuration that lives on.
 */
#include "datapath/conf.h"

#include "lib/mem.h"

#include <stdlib.h>
#include <string.h>

static void *
copy_of(const void *from, size_t nr, size_t size)
{
	void *to = xcalloc(nr + 1, size);

	if (nr > 0)
		memcpy(to, from, nr * size);
	return to;
}

void
dp_conf_copy(struct dp_conf *to, const struct dp_conf *from)
{
	char **devices = xnew_n(char *, from->nr_devices + 1);

	*to = *from;
	to->pin_path = xstrdup(from->pin_path ? from->pin_path : "");
	to->cgroup = xstrdup(from->cgroup ? from->cgroup : "");
	for (size_t i = 0; i < from->nr_devices; i++)
		devices[i] = xstrdup(from->devices[i]);
	to->devices = (const char *const *)devices;
	to->peers = copy_of(from->peers, from->nr_peers, sizeof(*from->peers));
	to->cluster = copy_of(from->cluster, from->nr_cluster, sizeof(*from->cluster));
}

void
dp_conf_fini(struct dp_conf *c)
{
	for (size_t i = 0; i < c->nr_devices; i++)
		free((void *)(uintptr_t)c->devices[i]);
	free((void *)(uintptr_t)c->devices);
	free((void *)(uintptr_t)c->pin_path);
	free((void *)(uintptr_t)c->cgroup);
	free((void *)(uintptr_t)c->peers);
	free((void *)(uintptr_t)c->cluster);
	*c = (struct dp_conf){ 0 };
}
