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
 * What comes out is decided by the numbered rules at the head of ipam.c.
 *
 * A mirrored claim is somebody else's to serve: it has what ipam_mirror() says, and nothing is given
 * to it or taken from it here until it goes or is set again unmirrored; then rule 1 holds for what it
 * has.  All else, the reasons included, is as if it were served.
 *
 * Cost: O(log n) in the addresses taken for a claim, whatever the size of the blocks, and the number
 * of those on one shared address; a change of the pools looks at every claim once.  Memory grows with
 * claims and addresses taken only.
 *
 * Loop thread only.  What is given is copied; strings given out are borrowed, valid until the next
 * call that is not const.  -ENOMEM leaves everything as it was; while memory is short
 * an address may be free again without cooling down.
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

#define IPAM_REUSE_MS 60000 /* rule 6 for addresses of which no pool is known */

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
	bool renumber;	   /* rule 1 */
	uint64_t reuse_ms; /* rule 6; 0: given again at once */
	uint32_t rank;	   /* pools of a lower one are tried before */
	const struct ipam_block *blocks;
	size_t nr_blocks;
};

/* The complete list of pools, in any order; compared with what is there.  -EEXIST: a name twice.
 * -EINVAL: a block whose ends differ in family or are in the wrong order. */
int ipam_pools_set(struct ipam *, const struct ipam_pool *, size_t nr)
    __attribute__((warn_unused_result));

/* ---- claims ---- */

struct ipam_port {
	uint8_t protocol;
	uint16_t port;
};

/* Rule 5. */
struct ipam_sharing {
	const char *key;	    /* NULL or "": with nobody; then all else counts for nothing */
	bool any_ns;		    /* consents to all namespaces */
	const char *const *friends; /* or to these */
	size_t nr_friends;
	const struct ipam_port *ports;
	size_t nr_ports;
	bool local;	      /* externalTrafficPolicy */
	const char *selector; /* in one spelling for one meaning; NULL or "": none */
};

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
	/* Names of pools each of which shall give one address of each family that it has; none: any
	 * that it may use will do.  With requested addresses they count for nothing. */
	const char *const *each;
	size_t nr_each;
	struct ipam_sharing sharing;
	bool mirrored;
};

/* Set or change a claim; one that did not change costs a comparison.  -EINVAL: no owner, or a
 * family that is none, or one twice. */
int ipam_claim_set(struct ipam *, const struct ipam_claim *) __attribute__((warn_unused_result));
/* The claim goes, and its addresses at the next ipam_settle(); an unknown owner is fine. */
void ipam_claim_del(struct ipam *, const char *owner);

/*
 * Somebody else says that @owner, whose claim is mirrored, has just these.  Also before the start.  What
 * another mirrored claim has, and cannot share, goes to the older of the two; what any other has it
 * keeps: -EADDRINUSE, the rest is taken on.  -ENOENT: no such claim, or not mirrored.  -ENOMEM.
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
/* @addr cools down for @ms more; @last may have it.  -EADDRINUSE: something is known of it. */
int ipam_restore_resting(struct ipam *, const struct addr *, const char *last, uint64_t ms)
    __attribute__((warn_unused_result));
/* Sources are in sync: from now on addresses are given.  Settles. */
void ipam_start(struct ipam *);
bool ipam_is_started(const struct ipam *);
/* Bring what is held in line with what is wanted.  Idempotent; does nothing before the start. */
void ipam_settle(struct ipam *);

/* The time, by a clock that only goes forward; true: something ended, settle.  And when to come
 * again; UINT64_MAX: need not. */
bool ipam_clock(struct ipam *, uint64_t now_ms);
uint64_t ipam_due_ms(const struct ipam *);

/* A person wants the owner served anew: all that it has goes at the next ipam_settle(), but for what
 * it asks for by name and would get again.  How many; -ENOENT; -EPERM: mirrored; -EAGAIN: not started. */
int ipam_release(struct ipam *, const char *owner) __attribute__((warn_unused_result));

/* Rule 7: something that is not ours answers for @addr; believed for @for_ms, then it is looked at
 * again, 0: it is gone.  And: @addr is in use by its owner.  -EINVAL, -ENOMEM. */
int ipam_stranger(struct ipam *, const struct addr *, uint64_t for_ms)
    __attribute__((warn_unused_result));
void ipam_used(struct ipam *, const struct addr *);

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
	enum reason detail;	 /* not held: which rule of sharing, or REASON_COOLING_DOWN */
	const char *other;	 /* not held: who is in the way; or NULL */
	bool shared;		 /* held by others too */
};

/* An address that nobody holds and nobody gets. */
struct ipam_resting {
	struct addr addr;
	const char *last; /* who may have it all the same; "": nobody */
	uint64_t cool_ms; /* how long still */
	bool conflicted;
};

struct ipam_claim_info {
	const char *owner;
	/* REASON_SATISFIED when everything wanted is held; else the first want's that is not. */
	enum reason reason;
	size_t nr_wanted, nr_held;
};

int ipam_claim_get(const struct ipam *, const char *owner, struct ipam_claim_info *)
    __attribute__((warn_unused_result));
/* The @i-th want of the claim (0 <= i < nr_wanted), in the order asked for.  Both: -ENOENT. */
int ipam_claim_want(const struct ipam *, const char *owner, size_t i, struct ipam_alloc *)
    __attribute__((warn_unused_result));
/* Every address held, in address order (v4 first); what allocations.json holds.  Before the start
 * that is what was restored.  @each returns false to stop. */
void ipam_each(const struct ipam *, bool (*each)(void *arg, const struct ipam_alloc *), void *arg);
void ipam_resting_each(
    const struct ipam *, bool (*each)(void *arg, const struct ipam_resting *), void *arg);
/* Who has @addr, the first of them where they share it; NULL: nobody. */
const char *ipam_owner_of(const struct ipam *, const struct addr *);
bool ipam_holds(const struct ipam *, const char *owner, const struct addr *);

struct ipam_pool_info {
	const char *name;
	bool disabled;
	bool conflicting;
	const char *conflicts_with;    /* its own name when its blocks overlap each other */
	struct addr_range conflict[2]; /* its range, and the other's */
	/* Addresses that it has to give; those held (by anybody); the rest: total = used + available.
	 * Of these, those that cool down or are a stranger's.  Saturated at INT64_MAX. */
	uint64_t total, used, available, resting;
	uint64_t held; /* addresses held from it, those outside its blocks by now included */
	int64_t created;
};

/* Pools in name order, @each returns false to stop; and one, or -ENOENT. */
void ipam_pools_each(
    const struct ipam *, bool (*each)(void *arg, const struct ipam_pool_info *), void *arg);
int ipam_pool_get(const struct ipam *, const char *name, struct ipam_pool_info *)
    __attribute__((warn_unused_result));
/* Claims by owner.  @each returns false to stop. */
void ipam_claims_each(
    const struct ipam *, bool (*each)(void *arg, const struct ipam_claim_info *), void *arg);

#endif
