/*
 * fib/core.h: what fib/ keeps and its parts share: table.c (routes by prefix), decide.c (what a
 * route should be, without I/O), ways.c (routes of others), fib.c (life, events, sending).
 *
 * The kernel is behind a table of functions, so that tests can stand in for it.
 */
#ifndef HERALD_FIB_CORE_H
#define HERALD_FIB_CORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "fib/fib.h"
#include "lib/log.h"
#include "lib/loop.h"
#include "lib/netlink.h"

enum { FIB_TABLE_MAIN = 254, FIB_METRIC = 20 };
/* After a link's or address's change, before routes are dumped: others follow. */
#define FIB_SETTLE_MS 20

struct request;

struct fib_backend {
	int (*dump)(void *kernel, enum nl_what, nl_dump_cb *done, void *arg);
	int (*route)(
	    void *kernel, enum nl_act, const struct nl_route *, nl_route_cb *done, void *arg);
	void (*close)(void *kernel);
};

/* ---- what is known of the node ---- */

struct node_link {
	unsigned ifindex;
	bool usable; /* up and running */
	uint32_t seen;
};

struct node_addr {
	struct nl_ifaddr a;
	uint32_t seen;
};

/* A route of somebody else by a router. */
struct node_way {
	struct prefix prefix;
	struct addr gateway;
	unsigned ifindex;
	uint32_t metric, seen;
};

struct node {
	struct node_link *links;
	struct node_addr *addrs;
	struct node_way *ways;
	struct prefix *protect;
	unsigned tunnel; /* ifindex of TUNNEL_DEVICE; 0: not there */
	size_t nr_links, cap_links, nr_addrs, cap_addrs, nr_ways, cap_ways, nr_protect;
};

/* ---- routes ---- */

/* Sorted by gateway, then link; no duplicates. */
struct hops {
	size_t nr;
	bool discard; /* unreachable, without hops */
	struct fib_hop hop[FIB_HOPS_MAX];
};

/* Hops that are wanted by one origin. */
struct want {
	uint32_t generation;
	size_t nr;
	struct fib_hop hop[];
};

/* A route of ours that the kernel has; mostly one a prefix, more while the table or metric move. */
struct have {
	struct have *next;
	uint32_t table, metric;
	uint32_t seen; /* the dump that last told of it, or that was running when we made it */
	size_t nr;
	struct fib_hop hop[];
};

struct route {
	struct route *chain;	  /* of the table's bucket */
	struct route *next_dirty; /* to be looked at; itself when it is the last */
	struct fib *fib;
	struct prefix prefix;
	struct want *want[FIB_NR_ORIGINS];
	struct have *have;
	unsigned nr_asked; /* requests that the kernel has not answered */
	bool adopted;	   /* was there at the start, and nobody wanted it so far */
	bool again;	   /* look at it when the answer is there */
	bool lost;	   /* had been installed and went by somebody else's hand */
	enum reason reason;
	int error;
};

struct table {
	struct route **buckets;
	size_t nr, nr_buckets; /* a power of two */
};

struct fib {
	struct loop *loop;
	const struct fib_backend *backend;
	void *kernel;
	struct fib_conf conf;
	struct node node;
	struct table table;
	struct route *dirty, *dirty_last;
	struct request *requests; /* on their way */
	struct loop_work work;	  /* looks at what is dirty */
	struct loop_timer audit; /* dumps routes: after changes that may have taken some silently */
	struct loop_timer retry;
	struct log_limit limit;
	struct fib_stats stats;
	uint32_t generation[FIB_NR_ORIGINS];
	uint32_t seen;	    /* the number of the dump that runs or ran last */
	unsigned nr_dumps;  /* that run */
	size_t nr_asked;    /* of all routes */
	unsigned nr_failed; /* retries in a row that did not help all */
	bool ready;	    /* the first dumps are in */
	bool dump_failed;
	bool adopted_done;
	bool flushed;
};

/* table.c */
struct route *table_find(const struct table *, const struct prefix *);
struct route *table_get(
    struct table *, const struct prefix *);	   /* made when missing; NULL: memory */
void table_remove(struct table *, struct route *); /* and frees it */
void table_fini(struct table *);
/* for (r = table_first(t); r; r = table_next(t, r)); the current one may be removed if the next is
 * taken before. */
struct route *table_first(const struct table *);
struct route *table_next(const struct table *, const struct route *);
const struct want *route_want(const struct route *, enum fib_origin *origin);
bool route_is_needed(const struct route *);
struct have *have_find(const struct route *, uint32_t table, uint32_t metric);
/* The metric under which it is, or is to be, in the kernel. */
uint32_t route_metric(const struct route *);
/* Make it known that the kernel has this; no hops: unreachable; NULL: out of memory. */
struct have *have_set(
    struct route *, uint32_t table, uint32_t metric, const struct fib_hop *, size_t nr);
void have_drop(struct route *, struct have *);

/* decide.c: no I/O */
void hops_sort(struct hops *);
bool hops_same(const struct fib_hop *, size_t nr, const struct fib_hop *, size_t nr_other);
/*
 * What the kernel should have for a route: hops with their links, sorted, *why REASON_SATISFIED;
 * or none and why not.
 */
void route_target(const struct node *, const struct route *, struct hops *target, enum reason *why);

/* sync.c */
void route_mark(struct route *); /* have it looked at */
void routes_mark_all(struct fib *);
/* Ask the kernel, now; the hops do not count for NL_REMOVE, but one is needed.  0 or -errno. */
int route_ask(struct route *, enum nl_act, uint32_t table, uint32_t metric, const struct fib_hop *,
    size_t nr);
void requests_free(struct fib *);
void fib_retry_later(struct fib *);
void fib_dump_all(struct fib *);
void fib_look_at_dirty(void *fib);
void fib_audit_due(void *fib);
void fib_retry_due(void *fib);

/* ways.c */
void way_news(struct fib *, enum nl_how, const struct nl_route *);
void ways_sweep(struct fib *);
/* By which router the kernel would go there: the longest prefix; NULL: by none. */
const struct node_way *way_find(const struct node *, const struct addr *to);

/* fib.c */
struct fib *fib_new_on(
    struct loop *, const struct fib_conf *, const struct fib_backend *, void *kernel);
/* news.c; they fit struct netlink_ops. */
void fib_link_news(void *fib, enum nl_how, const struct nl_link *);
void fib_addr_news(void *fib, enum nl_how, const struct nl_ifaddr *);
void fib_route_news(void *fib, enum nl_how, const struct nl_route *, bool ours);
void fib_resync(void *fib);
/* Links, addresses or ways are not what they were: look at all routes again, soon. */
void fib_node_changed(struct fib *);

#endif
