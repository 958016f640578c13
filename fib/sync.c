/*
 * fib/sync.c: makes the kernel's routes those that are wanted.
 *
 * A route that something happened to is put on the dirty list; at the end of the turn each of them
 * is compared with what it should be (decide.c) and the difference is asked of the kernel.  A route
 * with a request on its way waits for the answer.  What the kernel is believed to have comes from
 * its answers and its news; a wrong belief shows as an error (EEXIST, ESRCH) or in the next dump,
 * and is put right then.
 */
#include "fib/core.h"

#include "lib/mem.h"

#include <errno.h>
#include <linux/rtnetlink.h>
#include <string.h>

enum {
	SLICE = 512,	     /* routes looked at in a turn */
	ASKED_MAX = 2048,    /* requests on their way */
	AUDIT_MS = 300000,   /* what no news told of shows in a dump by then */
	RETRY_MIN_MS = 1000, /* doubled up to RETRY_MAX_MS */
	RETRY_MAX_MS = 64000,
	LOGS_A_MINUTE = 10,
};

/* ---- the dirty list ---- */

void
route_mark(struct route *r)
{
	struct fib *f = r->fib;

	if (r->next_dirty)
		return;
	r->next_dirty = r;
	if (f->dirty)
		f->dirty_last->next_dirty = r;
	else
		f->dirty = r;
	f->dirty_last = r;
	if (f->ready)
		work_post(&f->work);
}

static struct route *
unmark_first(struct fib *f)
{
	struct route *r = f->dirty;

	f->dirty = r == f->dirty_last ? NULL : r->next_dirty;
	r->next_dirty = NULL;
	return r;
}

void
routes_mark_all(struct fib *f)
{
	for (struct route *r = table_first(&f->table); r; r = table_next(&f->table, r))
		route_mark(r);
}

/* ---- asking the kernel ---- */

/* A request on its way: what will be true when the kernel says yes. */
struct request {
	struct request *next, **prev; /* of all that are on their way */
	struct route *route;
	enum nl_act act;
	uint32_t table, metric;
	size_t nr;
	struct fib_hop hop[];
};

static struct request *
request_new(struct route *r, enum nl_act act, uint32_t table, uint32_t metric,
    const struct fib_hop *hop, size_t nr)
{
	struct request *q = mem_calloc(1, sizeof(*q) + nr * sizeof(*hop)),
		       **list = &r->fib->requests;

	if (!q)
		return NULL;
	q->route = r;
	q->act = act;
	q->table = table;
	q->metric = metric;
	q->nr = nr;
	memcpy(q->hop, hop, nr * sizeof(*hop));
	q->next = *list;
	q->prev = list;
	if (q->next)
		q->next->prev = &q->next;
	*list = q;
	r->nr_asked++;
	r->fib->nr_asked++;
	return q;
}

static void
request_free(struct request *q)
{
	q->route->nr_asked--;
	q->route->fib->nr_asked--;
	*q->prev = q->next;
	if (q->next)
		q->next->prev = q->prev;
	mem_free(q);
}

void
requests_free(struct fib *f)
{
	while (f->requests)
		request_free(f->requests);
}

void
fib_retry_later(struct fib *f)
{
	uint64_t ms = (uint64_t)RETRY_MIN_MS << (f->nr_failed < 6 ? f->nr_failed : 6);

	if (!timer_is_running(&f->retry))
		timer_set(&f->retry, ms < RETRY_MAX_MS ? ms : RETRY_MAX_MS);
}

static void
refused(struct route *r, enum nl_act act, int err, const char *why)
{
	struct fib *f = r->fib;
	unsigned more;

	r->reason = err == -ENOMEM ? REASON_NO_MEMORY : REASON_KERNEL_REFUSED;
	r->error = -err;
	f->stats.errors++;
	if (log_allow(&f->limit, loop_now_ms(f->loop), LOGS_A_MINUTE, &more))
		log_warn("route-refused", LOG_S("prefix", prefix_str(&r->prefix)),
		    LOG_S("action", act == NL_REMOVE ? "remove" : "install"), LOG_ERR(-err),
		    LOG_S("kernel", why), LOG_U("suppressed", more));
	fib_retry_later(f);
}

/* The kernel did it: what we believe it to have. */
static void
done_fine(struct fib *f, const struct request *q)
{
	struct have *h = have_find(q->route, q->table, q->metric);

	if (q->act == NL_REMOVE) {
		if (h) {
			have_drop(q->route, h);
			f->stats.removed++;
		}
		return;
	}
	if (!h)
		f->stats.added++;
	h = have_set(q->route, q->table, q->metric, q->hop, q->nr);
	if (h)
		h->seen = f->seen;
	f->nr_failed = 0;
	if (q->route->lost)
		f->stats.repaired++;
	q->route->lost = false;
}

static void
answered(void *arg, int err, const char *why)
{
	struct request *q = arg;
	struct route *r = q->route;
	struct fib *f = r->fib;

	bool again = err == 0 || r->again;

	r->again = false;
	if (err == -ESRCH && q->act == NL_REMOVE)
		again = true;
	if (err == -ESRCH && q->act == NL_REMOVE)
		err = 0; /* it is not there: all that was asked for */
	if (err == 0)
		done_fine(f, q);
	else
		refused(r, q->act, err, why);
	request_free(q);
	if (again || !route_is_needed(r))
		route_mark(r); /* something changed meanwhile, or nothing is left of it */
	if (f->dirty)
		work_post(&f->work);
}

int
route_ask(struct route *r, enum nl_act act, uint32_t table, uint32_t metric,
    const struct fib_hop *hop, size_t nr)
{
	struct nl_hop hops[FIB_HOPS_MAX];
	const struct nl_route route = { .prefix = r->prefix,
		.table = table,
		.metric = metric,
		.protocol = FIB_PROTOCOL,
		.type = nr ? RTN_UNICAST : RTN_UNREACHABLE,
		.hops = hops,
		.nr_hops = nr };
	struct request *q = request_new(r, act, table, metric, hop, nr);
	int err;

	if (!q)
		return -ENOMEM;
	for (size_t i = 0; i < nr; i++)
		hops[i] = (struct nl_hop){ .gateway = hop[i].gateway,
			.ifindex = hop[i].ifindex,
			.weight = hop[i].weight ? hop[i].weight : 1 };
	err = r->fib->backend->route(r->fib->kernel, act, &route, answered, q);
	if (err < 0)
		request_free(q);
	return err;
}

/* ---- looking at one route ---- */

static void
ask_for(struct route *r, enum nl_act act, const struct hops *target)
{
	int err = route_ask(r, act, r->fib->conf.table, route_metric(r), target->hop, target->nr);

	if (err < 0)
		refused(r, act, err, "");
	else
		r->reason = REASON_NOT_YET_SENT;
}

static void
remove_have(struct route *r, const struct have *h)
{
	int err = route_ask(r, NL_REMOVE, h->table, h->metric, h->hop, h->nr);

	if (err < 0)
		refused(r, NL_REMOVE, err, "");
}

static bool
has_target(const struct hops *h)
{
	return h->nr > 0 || h->discard;
}

/* Bring one route from what it is to what it should be. */
static void
look_at(struct route *r)
{
	struct fib *f = r->fib;
	struct have *h, *next, *right;
	struct hops target;
	enum reason why;

	if (f->flushed)
		return;
	if (r->nr_asked > 0) {
		r->again = true; /* by the answer */
		return;
	}
	route_target(&f->node, r, &target, &why);
	if (why == REASON_NONE && r->adopted && !f->adopted_done) {
		r->reason = REASON_NONE;
		return;
	}
	if (why != REASON_NONE)
		r->adopted = false;
	right = have_find(r, f->conf.table, route_metric(r));
	r->error = 0;
	if (!has_target(&target))
		right = NULL;
	else if (!right)
		ask_for(r, NL_ADD, &target);
	else if (!hops_same(right->hop, right->nr, target.hop, target.nr))
		ask_for(r, NL_REPLACE, &target);
	else
		r->reason = REASON_SATISFIED;
	if (!has_target(&target))
		r->reason = why;
	else if (!right)
		return; /* new before old: the rest is removed when this one is in */
	for (h = r->have; h; h = next) {
		next = h->next;
		if (h != right)
			remove_have(r, h);
	}
}

void
fib_look_at_dirty(void *arg)
{
	struct fib *f = arg;
	struct route *r;

	for (int i = 0; f->dirty && i < SLICE && f->nr_asked < ASKED_MAX; i++) {
		r = unmark_first(f);
		look_at(r);
		if (!route_is_needed(r))
			table_remove(&f->table, r);
	}
	if (f->dirty && f->nr_asked < ASKED_MAX)
		work_post(&f->work);
}

/* ---- dumps ---- */

/* What the last dump did not tell of is gone. */
static void
sweep_node(struct fib *f)
{
	struct node *n = &f->node;
	size_t nr = 0;

	for (size_t i = 0; i < n->nr_links; i++)
		if (n->links[i].seen == f->seen)
			n->links[nr++] = n->links[i];
	n->nr_links = nr;
	nr = 0;
	for (size_t i = 0; i < n->nr_addrs; i++)
		if (n->addrs[i].seen == f->seen)
			n->addrs[nr++] = n->addrs[i];
	n->nr_addrs = nr;
}

static void
sweep_routes(struct fib *f)
{
	for (struct route *r = table_first(&f->table); r; r = table_next(&f->table, r)) {
		struct have *h, *next;

		for (h = r->have; h; h = next) {
			next = h->next;
			if (h->seen == f->seen)
				continue;
			have_drop(r, h);
			r->lost = true;
		}
	}
}

/* The last of the dumps that run is in. */
static void
dumps_done(struct fib *f)
{
	timer_set(&f->audit, AUDIT_MS);
	if (f->dump_failed) {
		fib_retry_later(f);
		return;
	}
	sweep_routes(f);
	ways_sweep(f);
	f->ready = true;
	routes_mark_all(f);
	if (f->dirty)
		work_post(&f->work);
}

static void
dump_done(struct fib *f, int err, bool node)
{
	unsigned more;

	f->nr_dumps--;
	if (err < 0) {
		f->dump_failed = true;
		if (log_allow(&f->limit, loop_now_ms(f->loop), LOGS_A_MINUTE, &more))
			log_warn("kernel-dump-failed", LOG_ERR(-err), LOG_U("suppressed", more));
	}
	if (node && !f->dump_failed)
		sweep_node(f);
	if (f->nr_dumps == 0)
		dumps_done(f);
}

static void
links_dumped(void *arg, int err)
{
	dump_done(arg, err, false);
}

static void
addrs_dumped(void *arg, int err)
{
	dump_done(arg, err, true);
}

static void
routes_dumped(void *arg, int err)
{
	dump_done(arg, err, false);
}

static void
dump(struct fib *f, enum nl_what what, nl_dump_cb *done)
{
	if (f->backend->dump(f->kernel, what, done, f) == 0)
		f->nr_dumps++;
	else
		f->dump_failed = true;
}

static void
dumps_begin(struct fib *f)
{
	f->seen++;
	f->dump_failed = false;
}

static void
dumps_started(struct fib *f)
{
	if (f->nr_dumps == 0)
		dumps_done(f);
}

static void
dump_routes(struct fib *f)
{
	if (f->nr_dumps > 0) {
		timer_set(&f->audit, FIB_SETTLE_MS); /* after the one that runs */
		return;
	}
	dumps_begin(f);
	dump(f, NL_ROUTES, routes_dumped);
	dumps_started(f);
}

void
fib_dump_all(struct fib *f)
{
	dumps_begin(f);
	dump(f, NL_LINKS, links_dumped);
	dump(f, NL_IFADDRS, addrs_dumped);
	dump(f, NL_ROUTES, routes_dumped);
	dumps_started(f);
}

void
fib_audit_due(void *arg)
{
	dump_routes(arg);
}

void
fib_retry_due(void *arg)
{
	struct fib *f = arg;
	bool failed = false;

	if (!f->ready || f->dump_failed) {
		f->nr_failed++;
		if (f->nr_dumps == 0)
			fib_dump_all(f);
		else
			fib_retry_later(f);
		return;
	}
	for (struct route *r = table_first(&f->table); r; r = table_next(&f->table, r)) {
		if (r->error == 0)
			continue;
		failed = true;
		route_mark(r);
	}
	f->nr_failed = failed ? f->nr_failed + 1 : 0;
	if (failed)
		dump_routes(f); /* what we believe may be wrong */
}
