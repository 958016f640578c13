/*
 * fib/show.c: the engine's answers; changes nothing.
 */
#include "fib/core.h"

#include "lib/mem.h"

#include <stdlib.h>

const char *
fib_origin_name(enum fib_origin origin)
{
	static const char *const names[] = {
		[FIB_BGP_LEARNED] = "bgp-learned",
		[FIB_DIRECT_NODE] = "direct-node",
		[FIB_TUNNEL] = "tunnel",
		[FIB_DISCARD] = "discard",
	};

	return names[origin];
}

static bool
is_installed(const struct fib *f, const struct route *r, const struct have *h)
{
	struct hops target;
	enum reason why;

	if (!h)
		return false;
	route_target(&f->node, r, &target, &why);
	return why == REASON_SATISFIED && hops_same(h->hop, h->nr, target.hop, target.nr);
}

static void
route_info(const struct fib *f, const struct route *r, struct fib_route_info *info)
{
	const struct have *h = have_find(r, f->conf.table, route_metric(r));
	const struct want *w;

	*info = (struct fib_route_info){ .prefix = r->prefix, .table = f->conf.table };
	w = route_want(r, &info->origin);
	info->installed = is_installed(f, r, h);
	info->adopted = !w && r->have;
	info->reason = info->installed ? REASON_SATISFIED : r->reason;
	info->error = info->installed ? 0 : r->error;
	if (!h && info->adopted)
		h = r->have;
	if (h && (info->installed || info->adopted)) {
		info->table = h->table;
		info->hops = h->hop;
		info->nr_hops = h->nr;
	} else if (w) {
		info->hops = w->hop;
		info->nr_hops = w->nr;
	}
}

static int
by_prefix(const void *x, const void *y)
{
	const struct route *a = *(struct route *const *)x, *b = *(struct route *const *)y;

	return prefix_cmp(&a->prefix, &b->prefix);
}

void
fib_each(const struct fib *f, bool (*each)(void *arg, const struct fib_route_info *), void *arg)
{
	const struct route **all = mem_calloc(f->table.nr + 1, sizeof(struct route *));
	struct fib_route_info info;
	enum fib_origin origin;
	size_t nr = 0;

	if (!all)
		return;
	for (struct route *r = table_first(&f->table); r; r = table_next(&f->table, r))
		if (r->have || route_want(r, &origin))
			all[nr++] = r;
	qsort(all, nr, sizeof(struct route *), by_prefix);
	for (size_t i = 0; i < nr; i++) {
		route_info(f, all[i], &info);
		if (!each(arg, &info))
			break;
	}
	mem_free(all);
}

void
fib_targets_each(
    const struct fib *f, bool (*each)(void *arg, const struct fib_route_info *), void *arg)
{
	for (struct route *r = table_first(&f->table); r; r = table_next(&f->table, r)) {
		struct fib_route_info info = { .prefix = r->prefix, .table = f->conf.table };
		struct hops target;

		if (!route_want(r, &info.origin))
			continue;
		route_target(&f->node, r, &target, &info.reason);
		if (info.reason != REASON_SATISFIED)
			continue;
		info.hops = target.hop;
		info.nr_hops = target.nr;
		if (!each(arg, &info))
			return;
	}
}

void
fib_stats(const struct fib *f, struct fib_stats *s)
{
	enum fib_origin origin;

	*s = f->stats;
	for (struct route *r = table_first(&f->table); r; r = table_next(&f->table, r)) {
		if (!route_want(r, &origin))
			continue;
		s->wanted++;
		if (is_installed(f, r, have_find(r, f->conf.table, route_metric(r))))
			s->installed++;
		else if (r->reason != REASON_NOT_YET_SENT)
			s->failed++;
	}
}
