/*
 * daemon/pods_wanted.h: from the store to the ranges of addresses that each node has for its pods, and
 * from a pod to the pool that its addresses are from.  Pure.
 *
 * ipam.mode says where ranges come from: the Node's own document (kubernetes); the cluster's pools
 * (cluster-pool); PodIPPools (multi-pool).  What a node has stays: its ranges are counted first, and what
 * is carved anew is carved out of the rest.  Of Nodes of the API the one that leads writes new ranges into
 * an annotation, and all others read them there.  Of Nodes of files nobody can write: everybody works out
 * the same, from the node's name, so that nodes that come and go move no other's range unless two names
 * fall together.
 */
#ifndef HERALD_DAEMON_PODS_WANTED_H
#define HERALD_DAEMON_PODS_WANTED_H

#include "daemon/arena.h"
#include "podipam/podipam.h"
#include "resource/resource.h"

/* On Nodes: "10.0.1.0/24,fd00:0:0:1::/64"; "blue=10.1.0.0/27,blue=10.1.0.32/27". */
#define PODS_CIDRS "heraldlb.io/pod-cidrs"
#define PODS_POOL_CIDRS "heraldlb.io/pod-pool-cidrs"
/* Likewise how many addresses of each pool it needs: "blue=16,default=8". */
#define PODS_REQUESTS "heraldlb.io/pod-pool-requests"

/* One range of a node. */
struct pod_range {
	struct prefix prefix;
	const struct res_pod_ip_pool *pool; /* multi-pool, while the pool is there */
	const char *pool_name;		    /* "": of no pool */
	bool fresh; /* carved just now, and the API does not say it yet: not to be used */
};

struct pod_node {
	const struct res_node *node;
	struct pod_range *v;
	size_t nr, cap;
};

/* Something that is not as it should be, for `status` and the log. */
struct pod_notice {
	struct pod_notice *next;
	const char *node; /* or a pool's name */
	const char *message;
};

struct pod_plan {
	struct arena arena; /* all of it */
	struct pod_node *nodes;
	size_t nr_nodes;
	struct pod_notice *notices;
	struct res_set held; /* Nodes and pools that it points to */
};

struct pod_plan *pod_plan_new(const struct store *);
void pod_plan_free(struct pod_plan *); /* NULL is fine */
/* As it is once the API says all of it: nothing is fresh. */
void pod_plan_told_all(struct pod_plan *);
/* NULL: no such node. */
const struct pod_node *pod_plan_node(const struct pod_plan *, const char *name);

/* The ranges of @node that are in use; with no plan those of its spec.  In @arena; how many. */
size_t pod_ranges_of(
    const struct pod_plan *, const struct res_node *, struct arena *, const struct pod_range **out);

/* What a Node's annotation PODS_CIDRS or PODS_POOL_CIDRS should say, with what is fresh; NULL: as it does.
 * In the plan's arena. */
const char *pod_plan_told(
    struct pod_plan *, const struct pod_node *, enum res_ipam_mode, const char **key);

/* ---- a pod's pool ---- */

struct pod_ask {
	const char *ns, *name;	      /* "" when not known */
	const char *network_pool;     /* of the network's configuration; "": none */
	struct res_pairs annotations; /* of the pod, sorted by key, as far as they are known */
};

/*
 * The pool for each family (want->pool), NULL where there is none; borrowed from the store and @ask.
 * 0; -ENOENT with *error (in @arena): nothing may serve it; -EEXIST likewise: several would.
 */
int pod_pool_choose(const struct store *, const struct pod_ask *, struct arena *,
    struct podipam_want *want, const char **error);

/* How many addresses of @pool this node should have: what is used and asked for, and a reserve, in steps
 * of ipam.preAllocation. */
uint32_t pod_pool_need(
    const struct res_pod_ipam *, const char *pool, uint64_t used, uint64_t pending);
/* The number for @pool in the text of PODS_REQUESTS; 0: none. */
uint32_t pod_request_get(const char *text, const char *pool);

/* ---- daemon/pods_carve.c: ranges out of pools ---- */

struct carver;
struct carver *carver_new(void);
void carver_free(struct carver *);
/* Somebody has @p. */
void carver_hold(struct carver *, const struct prefix *);
/*
 * A free range of length @len out of @pools, the first of them that has one; from a place that @name
 * chooses, or with "" the lowest.  false: all is taken.
 */
bool carver_take(struct carver *, const struct prefix *pools, size_t nr, unsigned len,
    const char *name, struct prefix *out);

#endif
