/*
 * ipam/ipam.h: who has which LoadBalancer address.  An engine: pools and claims in, addresses and
 * reasons out; it knows no Services, no files and no sockets.  An owner is a string ("ns/name").
 *
 * How to drive it:
 *   ipam_new(); ipam_pools_set(); ipam_restore() for what was held before; ipam_claim_set() for
 *   every claim; ipam_start() once all sources are in sync.  Later any of the setters, then
 *   ipam_settle().  Nothing is given or taken away before ipam_start(), and afterwards only inside
 *   ipam_settle(); setters only note what is wanted, so a burst costs one pass.
 *
 * What comes out is decided by these rules, in this order:
 *   1. What is held stays held.  Disabling, shrinking, deleting a pool, a conflict or a narrowed
 *      selector changes the note of an address, never the address.  It goes when its claim goes,
 *      or when the claim asks for something else: other requested addresses (a move: the old one
 *      is given back even if the new one cannot be had), or a family less.
 *   2. Claims with requested addresses are served before those without; within each, older ones
 *      (created, then owner) first.
 *   3. A claim without requested addresses gets one address per family: from the first pool in
 *      order (rank, name) that it may use and that has one, the lowest free address of that pool.
 *   4. Who got nothing waits, and is served in the same order as soon as something is free.
 *
 * A mirrored claim is somebody else's to serve: it has what ipam_mirror() says, and nothing is given
 * to it or taken from it here until it goes or is set again unmirrored; then rule 1 holds for what it
 * has.  All else, the reasons included, is as if it were served.
 *
 * A pool whose blocks overlap each other conflicts with itself; a pool that overlaps an older one
 * (created, then name) which is not itself in conflict is in conflict with that.  A pool in
 * conflict gives nothing new.
 *
 * Cost: O(log n) in the addresses taken for a claim, whatever the size of the blocks; a change of
 * the pools looks at every claim once.  Memory grows with claims and addresses taken only.
 *
 * Loop thread only.  Strings and arrays given are copied; strings given out are borrowed, valid
 * until the next call that is not const.  -ENOMEM leaves everything as it was.
 */
#ifndef HERALD_IPAM_IPAM_H
#define HERALD_IPAM_IPAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/addr.h"
#include "lib/reason.h"

struct ipam;

/* ---- pools ---- */

/* A block: a CIDR or an inclusive range.  Only CIDR blocks can lose their first and last. */
struct ipam_block {
	struct addr_range range; /* prefix_range() of a CIDR */
	bool is_cidr;
};

struct ipam_pool {
	const char *name; /* unique */
	int64_t created; /* seconds since 1970, 0 when not known; decides who conflicts with whom */
	bool disabled;	 /* gives nothing new; what is held stays */
	/* Cilium's allowFirstLastIPs; false keeps back the first and last address of CIDR blocks
	 * that are larger than /31 or /127.  Addresses kept back are not in the pool's total. */
	bool allow_first_last;
	/* MetalLB's avoidBuggyIPs: IPv4 addresses that end in .0 or .255 are kept back. */
	bool avoid_buggy;
	uint32_t rank; /* pools of a lower one are tried before */
	const struct ipam_block *blocks;
	size_t nr_blocks;
};

/* The complete list of pools, in any order; compared with what is there.  -EEXIST: a name twice.
 * -EINVAL: a block whose ends differ in family or are in the wrong order. */
int ipam_pools_set(struct ipam *, const struct ipam_pool *, size_t nr)
    __attribute__((warn_unused_result));

/* ---- claims ---- */

struct ipam_claim {
	const char *owner;
	int64_t created; /* as above; older claims are served first */
	/* The addresses asked for by name, or none; then families counts for nothing. */
	const struct addr *requested;
	size_t nr_requested;
	/* One address for each, in this order (v4 before v6 where Cilium's order is wanted). */
	enum addr_family families[2];
	size_t nr_families;
	/* Names of the pools that it may use, in any order; those that are not there are fine. */
	bool any_pool;
	const char *const *pools;
	size_t nr_pools;
	bool mirrored;
};

/* Set or change a claim; one that did not change costs a comparison.  -EINVAL: no owner, or a
 * family that is none, or one twice. */
int ipam_claim_set(struct ipam *, const struct ipam_claim *) __attribute__((warn_unused_result));
/* The claim goes, and its addresses at the next ipam_settle(); an unknown owner is fine. */
void ipam_claim_del(struct ipam *, const char *owner);

/*
 * Somebody else says that @owner, whose claim is mirrored, has just these.  Also before the start.  What
 * another mirrored claim has goes to the older of the two; what any other has it keeps: -EADDRINUSE,
 * the rest is taken on.  -ENOENT: no such claim, or not mirrored.  -ENOMEM.
 */
int ipam_mirror(struct ipam *, const char *owner, const struct addr *, size_t nr)
    __attribute__((warn_unused_result));
/*
 * Somebody gave @owner this address by hand, instead of what it has of that family: take it on if the
 * claim would be given it, were it to ask.  -EINVAL: it asks for another, or for none of the family;
 * -ERANGE: no pool that it may use has it; -EADDRINUSE; -ENOENT; -ENOMEM.
 */
int ipam_adopt(struct ipam *, const char *owner, const struct addr *)
    __attribute__((warn_unused_result));

/* A complete set of claims: begin, ipam_claim_set() each, end.  Claims not set in between go. */
void ipam_claims_begin(struct ipam *);
void ipam_claims_end(struct ipam *);

/* ---- life ---- */

/* What changed for an owner since the last pass. */
enum ipam_change {
	IPAM_CHANGED_ADDRS = 1,	 /* addresses came or went: persist, announce */
	IPAM_CHANGED_REASON = 2, /* the claim, a reason, a note, an address's pool name */
	IPAM_CHANGED_GONE = 4,	 /* the claim is gone, its addresses (if any) are free again */
};

/* Called at the end of ipam_settle() once per owner that changed, when all is decided; it may call
 * the const functions only.  The first pass tells of every claim, what was restored included. */
typedef void ipam_changed_cb(void *arg, const char *owner, unsigned what);

struct ipam *ipam_new(ipam_changed_cb *cb, void *arg); /* @cb may be NULL */
void ipam_free(struct ipam *);			       /* NULL is fine */

/*
 * @owner held @addr before this process started, given by @pool (NULL: not known): it is honoured
 * if a claim of that owner is there at ipam_start() and (still) wants such an address.  Pools need
 * not be known yet.  The order of restoring is the order of its addresses in the answers.
 * -EADDRINUSE: somebody has been restored with it; -EINVAL; -EALREADY: started.  Asking twice for
 * the same is fine.
 */
int ipam_restore(struct ipam *, const char *owner, const struct addr *, const char *pool)
    __attribute__((warn_unused_result));
/* Sources are in sync: from now on addresses are given.  Settles. */
void ipam_start(struct ipam *);
bool ipam_is_started(const struct ipam *);
/* Bring what is held in line with what is wanted.  Idempotent; does nothing before the start. */
void ipam_settle(struct ipam *);

/* ---- answers ---- */

/* One address that is held, or one that is wanted and missing. */
struct ipam_alloc {
	const char *owner;
	struct addr addr; /* not set: nothing held */
	const char *pool; /* "" when not known */
	/* Held: REASON_SATISFIED, or why the pool would not give it again (pool gone or shrunk,
	 * disabled, in conflict, its selector).  Not held: why not. */
	enum reason reason;
	enum addr_family family; /* what was wanted */
	struct addr requested;	 /* likewise; not set for any address of the family */
};

struct ipam_claim_info {
	const char *owner;
	/* REASON_SATISFIED when everything wanted is held; else the first want's that is not. */
	enum reason reason;
	size_t nr_wanted, nr_held;
};

/* -ENOENT: no such claim. */
int ipam_claim_get(const struct ipam *, const char *owner, struct ipam_claim_info *)
    __attribute__((warn_unused_result));
/* The @i-th want of the claim (0 <= i < nr_wanted), in the order asked for.  -ENOENT. */
int ipam_claim_want(const struct ipam *, const char *owner, size_t i, struct ipam_alloc *)
    __attribute__((warn_unused_result));
/* Every address held, in address order (v4 first); what allocations.json holds.  Before the start
 * that is what was restored.  @each returns false to stop. */
void ipam_each(const struct ipam *, bool (*each)(void *arg, const struct ipam_alloc *), void *arg);
/* Who has @addr; NULL: nobody. */
const char *ipam_owner_of(const struct ipam *, const struct addr *);

struct ipam_pool_info {
	const char *name;
	bool disabled;
	bool conflicting;
	const char *conflicts_with;    /* its own name when its blocks overlap each other */
	struct addr_range conflict[2]; /* its range, and the other's */
	/* Addresses that it has to give; those taken (by anybody); the rest.  total = used +
	 * available.  Saturated at INT64_MAX. */
	uint64_t total, used, available;
	uint64_t held; /* addresses held from it, those outside its blocks by now included */
	int64_t created;
};

/* Pools in name order.  @each returns false to stop. */
void ipam_pools_each(
    const struct ipam *, bool (*each)(void *arg, const struct ipam_pool_info *), void *arg);
/* -ENOENT: no such pool. */
int ipam_pool_get(const struct ipam *, const char *name, struct ipam_pool_info *)
    __attribute__((warn_unused_result));
/* Claims by owner.  @each returns false to stop. */
void ipam_claims_each(
    const struct ipam *, bool (*each)(void *arg, const struct ipam_claim_info *), void *arg);

#endif
