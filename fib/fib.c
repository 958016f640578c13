/*
 * fib/fib.c: the engine's life, and what is wanted of it.  sync.c makes it so, decide.c says what
 * that is, news.c hears what the kernel tells.
 */
#include "fib/core.h"

#include "lib/mem.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* ---- wants ---- */

static int
want_set(struct fib *f, enum fib_origin origin, const struct prefix *p, const struct fib_hop *hops,
    size_t nr)
{
	struct hops sorted = { .nr = nr };
	struct want *w, **slot;
	struct route *r;

	if (nr)
		memcpy(sorted.hop, hops, nr * sizeof(hops[0]));
	hops_sort(&sorted);
	r = table_get(&f->table, p);
	if (!r)
		return -ENOMEM;
	r->fib = f;
	slot = &r->want[origin];
	if (*slot && hops_same((*slot)->hop, (*slot)->nr, sorted.hop, sorted.nr)) {
		(*slot)->generation = f->generation[origin];
		return 0;
	}
	w = mem_calloc(1, sizeof(*w) + sorted.nr * sizeof(w->hop[0]));
	if (!w) {
		if (!route_is_needed(r))
			table_remove(&f->table, r);
		return -ENOMEM;
	}
	w->generation = f->generation[origin];
	w->nr = sorted.nr;
	memcpy(w->hop, sorted.hop, sorted.nr * sizeof(w->hop[0]));
	mem_free(*slot);
	*slot = w;
	route_mark(r);
	return 0;
}

int
fib_route_set(struct fib *f, enum fib_origin origin, const struct prefix *p,
    const struct fib_hop *hops, size_t nr)
{
	return nr == 0 || nr > FIB_HOPS_MAX ? -EINVAL : want_set(f, origin, p, hops, nr);
}

int
fib_discard_set(struct fib *f, const struct prefix *p)
{
	return want_set(f, FIB_DISCARD, p, NULL, 0);
}

static void
forget(struct route *r, enum fib_origin origin)
{
	if (!r->want[origin])
		return;
	mem_free(r->want[origin]);
	r->want[origin] = NULL;
	route_mark(r);
}

void
fib_route_del(struct fib *f, enum fib_origin origin, const struct prefix *p)
{
	struct route *r = table_find(&f->table, p);

	if (r)
		forget(r, origin);
}

void
fib_sync_begin(struct fib *f, enum fib_origin origin)
{
	f->generation[origin]++;
}

void
fib_sync_end(struct fib *f, enum fib_origin origin)
{
	for (struct route *r = table_first(&f->table); r; r = table_next(&f->table, r))
		if (r->want[origin] && r->want[origin]->generation != f->generation[origin])
			forget(r, origin);
}

void
fib_adopted_done(struct fib *f)
{
	if (f->adopted_done)
		return;
	f->adopted_done = true;
	routes_mark_all(f);
}

int
fib_protect_set(struct fib *f, const struct prefix *list, size_t nr)
{
	struct prefix *copy = mem_calloc(nr ? nr : 1, sizeof(*copy));

	if (!copy)
		return -ENOMEM;
	if (nr > 0)
		memcpy(copy, list, nr * sizeof(*copy));
	mem_free(f->node.protect);
	f->node.protect = copy;
	f->node.nr_protect = nr;
	routes_mark_all(f);
	return 0;
}

static struct fib_conf
conf_filled(const struct fib_conf *conf)
{
	struct fib_conf c = *conf;

	if (c.table == 0)
		c.table = FIB_TABLE_MAIN;
	if (c.metric == 0)
		c.metric = FIB_METRIC;
	return c;
}

void
fib_conf_set(struct fib *f, const struct fib_conf *conf)
{
	struct fib_conf c = conf_filled(conf);

	if (c.table == f->conf.table && c.metric == f->conf.metric)
		return;
	f->conf = c;
	routes_mark_all(f);
}

/* ---- the end ---- */

/* Also what is only on its way there: requests are carried out in order. */
static void
flush_route(struct route *r, uint32_t metric)
{
	static const struct fib_hop none;
	const struct fib_conf *c = &r->fib->conf;

	for (const struct have *h = r->have; h; h = h->next)
		if (route_ask(r, NL_REMOVE, h->table, h->metric, h->hop, h->nr) < 0)
			r->error = ENOMEM;
	if (!have_find(r, c->table, metric) && r->nr_asked > 0 &&
	    route_ask(r, NL_REMOVE, c->table, metric, &none, 1) < 0)
		r->error = ENOMEM;
}

void
fib_flush(struct fib *f)
{
	f->flushed = true;
	for (struct route *r = table_first(&f->table); r; r = table_next(&f->table, r)) {
		const uint32_t metric = route_metric(r);

		for (int o = 0; o < FIB_NR_ORIGINS; o++) {
			mem_free(r->want[o]);
			r->want[o] = NULL;
		}
		flush_route(r, metric);
	}
}

/* ---- life ---- */

static int
kernel_dump(void *kernel, enum nl_what what, nl_dump_cb *done, void *arg)
{
	return netlink_dump(kernel, what, done, arg);
}

static int
kernel_route(
    void *kernel, enum nl_act act, const struct nl_route *route, nl_route_cb *done, void *arg)
{
	return netlink_route(kernel, act, route, done, arg);
}

static void
kernel_close(void *kernel)
{
	netlink_free(kernel);
}

static const struct fib_backend real = { kernel_dump, kernel_route, kernel_close };

static struct fib *
fib_alloc(struct loop *loop, const struct fib_conf *conf)
{
	struct fib *f = xnew(struct fib);

	f->loop = loop;
	f->conf = conf_filled(conf);
	work_init(&f->work, loop, fib_look_at_dirty, f);
	timer_init(&f->audit, loop, fib_audit_due, f);
	timer_init(&f->retry, loop, fib_retry_due, f);
	return f;
}

struct fib *
fib_new_on(
    struct loop *loop, const struct fib_conf *conf, const struct fib_backend *backend, void *kernel)
{
	struct fib *f = fib_alloc(loop, conf);

	f->backend = backend;
	f->kernel = kernel;
	fib_dump_all(f);
	return f;
}

struct fib *
fib_new(struct loop *loop, const struct fib_conf *conf, int *err)
{
	const struct netlink_ops ops = { .link = fib_link_news,
		.ifaddr = fib_addr_news,
		.route = fib_route_news,
		.resync = fib_resync };
	struct fib *f = fib_alloc(loop, conf);

	f->backend = &real;
	f->kernel = netlink_new(loop, &ops, f, err);
	if (!f->kernel) {
		free(f);
		return NULL;
	}
	fib_dump_all(f);
	return f;
}

void
fib_free(struct fib *f)
{
	if (!f)
		return;
	work_cancel(&f->work);
	timer_stop(&f->audit);
	timer_stop(&f->retry);
	f->backend->close(f->kernel);
	requests_free(f);
	table_fini(&f->table);
	mem_free(f->node.links);
	mem_free(f->node.addrs);
	mem_free(f->node.ways);
	mem_free(f->node.protect);
	free(f);
}
