/*
 * podipam/podipam.h: engine: the addresses of this node's pods, one by one, out of the ranges that the
 * node has.
 *
 * Who has an address is an attachment, as CNI names it: (container id, interface name).  What is given
 * is on disk before anybody hears of it: an addition waits for the journal, whose writer is a thread of
 * its own, and all that wait meanwhile share one sync.  What is given back is written behind, in order:
 * a crash may find an address still taken, never one given twice.
 *
 * Leaks: an attachment whose network namespace is gone at two looks in a row, or is of another boot of
 * the machine, gives its addresses back.  A namespace that this process could not see when it was told
 * of it is never taken for gone.
 *
 * Runs on the loop thread only.  Ownership: what is passed in is copied; what is given out is borrowed
 * until the next call.
 */
#ifndef HERALD_PODIPAM_PODIPAM_H
#define HERALD_PODIPAM_PODIPAM_H

#include "lib/addr.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct loop;
struct podipam;

/* Longest texts, without the NUL; what is longer is refused. */
#define PODIPAM_CONTAINER_MAX 256
#define PODIPAM_IFNAME_MAX 15
#define PODIPAM_NETNS_MAX 512
#define PODIPAM_NAME_MAX 253
#define PODIPAM_LEASES_MAX 32768

/* A part of the node's addresses.  Of four or more the first, the second (the gateway) and the last are
 * kept back; of fewer none, and the gateway is 169.254.1.1 or fe80::1. */
struct podipam_range {
	struct prefix prefix;
	const char *pool; /* "" when there is but one */
};

/* Strings may be "", but for the first two, which are the key. */
struct podipam_owner {
	const char *container, *ifname;
	const char *network; /* the name of the CNI network */
	const char *netns;   /* a path */
	const char *pod_ns, *pod_name;
};

struct podipam_want {
	const char *pool[ADDR_V6 + 1];	  /* by family; NULL: none of this family */
	struct addr address[ADDR_V6 + 1]; /* by family; ADDR_NONE: any */
};

struct podipam_given {
	struct addr addr, gateway;
	uint8_t len; /* of the range */
	const char *pool;
};

struct podipam_lease {
	struct podipam_owner owner;
	struct podipam_given v[2];
	unsigned nr;
	int64_t since; /* seconds since 1970 */
};

enum podipam_verdict {
	PODIPAM_OK,
	PODIPAM_NO_RANGE,  /* the pool has nothing on this node, yet */
	PODIPAM_FULL,	   /* nothing is free */
	PODIPAM_TAKEN,	   /* the wanted address is another's */
	PODIPAM_OUTSIDE,   /* the wanted address is in no range, or kept back */
	PODIPAM_NOT_FOUND, /* the attachment has none */
	PODIPAM_TOO_MANY,  /* PODIPAM_LEASES_MAX */
	PODIPAM_BAD,	   /* a text is too long or empty */
	PODIPAM_DISK,	   /* the journal could not be written */
};

struct podipam_ops {
	/* An attachment lost its addresses since its namespace is gone; "boot": that of another boot. */
	void (*reclaimed)(void *arg, const struct podipam_lease *, const char *why);
	void (*changed)(void *arg); /* how many of a pool are in use may be other than it was */
	void (*trouble)(void *arg, const char *what, int err); /* of the journal, for the log */
	void *arg;
};

/*
 * Read what @dir holds (DIR/pods.journal) and go on from there; a tail that a crash left is cut off.
 * @boot_id names this boot of the machine.  NULL: *error says why, the caller frees it.
 */
struct podipam *podipam_new(
    struct loop *, const char *dir, const char *boot_id, const struct podipam_ops *, char **error);
/* Writes what is left; waits for the disk.  Those who wait for an answer get none. */
void podipam_free(struct podipam *); /* NULL is fine */

/* All ranges, in the order in which they are used; what was given elsewhere stays given. */
void podipam_ranges_set(struct podipam *, const struct podipam_range *, size_t nr);
void podipam_leak_check(struct podipam *, uint32_t every_ms);

/* @lease is NULL unless the verdict is PODIPAM_OK; else it is PODIPAM_DISK, or PODIPAM_NOT_FOUND when the
 * attachment was deleted meanwhile. */
typedef void podipam_added(void *arg, enum podipam_verdict, const struct podipam_lease *);

/*
 * Give @owner an address of each family that is wanted, all or nothing, or what it has already.  With
 * PODIPAM_OK the answer comes by @cb, now or when it is on disk; never after podipam_forget() of this
 * @arg.  Anything else is the answer, and @cb is not called.
 */
enum podipam_verdict podipam_add(struct podipam *, const struct podipam_owner *,
    const struct podipam_want *, podipam_added *cb, void *arg);
void podipam_forget(struct podipam *, const void *arg);
/* Take back; PODIPAM_NOT_FOUND when there is nothing, which is as good. */
enum podipam_verdict podipam_del(struct podipam *, const char *container, const char *ifname);
/* What the attachment has, or NULL. */
const struct podipam_lease *podipam_find(
    struct podipam *, const char *container, const char *ifname);

/* One attachment that is still there. */
struct podipam_valid {
	const char *container, *ifname;
};
/* Take back what attachments of @network have that are not among @valid (sorted here); how many. */
size_t podipam_gc(struct podipam *, const char *network, struct podipam_valid *valid, size_t nr);

/* In order of addition; false ends it. */
typedef bool podipam_each_fn(void *arg, const struct podipam_lease *);
void podipam_each(const struct podipam *, podipam_each_fn *, void *arg);

/* Addresses in use and to be had at all, of one pool and family, and of one range. */
struct podipam_count {
	uint64_t used, total;
};
struct podipam_count podipam_count_pool(const struct podipam *, const char *pool, enum addr_family);
uint64_t podipam_count_range(const struct podipam *, const struct prefix *);

const char *podipam_verdict_name(enum podipam_verdict);

#endif
