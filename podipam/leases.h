/*
 * podipam/leases.h: who has which address: leases by attachment and by address, and the ranges that
 * new ones are taken from.  Pure; the journal's lines go through here on their way back, too.
 */
#ifndef HERALD_PODIPAM_LEASES_H
#define HERALD_PODIPAM_LEASES_H

#include "podipam/podipam.h"

#include <uthash.h>

/* Which network namespace a path led to, and on which file system the path lies; all 0: not seen. */
struct ns_id {
	uint64_t dev, ino;
	uint64_t anchor; /* st_dev of the folder, or of /proc */
};

struct lease;

struct lease_addr {
	UT_hash_handle hh;
	struct addr addr; /* the key */
	struct lease *lease;
	char pool[PODIPAM_NAME_MAX + 1];
};

struct lease {
	UT_hash_handle hh;
	char *key;  /* container, a line end, interface */
	char *text; /* all strings of l.owner */
	struct podipam_lease l;
	struct lease_addr at[2];
	struct ns_id ns;
	uint64_t seq; /* place in the journal; what is not yet on disk is above its mark */
	char *line;   /* what the journal says of it */
	size_t line_len;
	bool gone; /* its namespace was not there at the last look */
};

struct range {
	struct prefix prefix;
	char *pool;
	struct addr first, last; /* what may be given */
	struct addr gateway;
	struct addr next; /* where the search begins */
	uint64_t used;
};

struct leases {
	struct lease *leases;
	struct lease_addr *taken;
	struct range *ranges;
	size_t nr_ranges;
	unsigned nr_leases;
};

void leases_fini(struct leases *);
void leases_ranges_set(struct leases *, const struct podipam_range *, size_t nr);

struct lease *leases_find(const struct leases *, const char *container, const char *ifname);
const struct lease *leases_owner_of(const struct leases *, const struct addr *);
/* Are the texts of @owner such as may be kept? */
bool leases_owner_is_good(const struct podipam_owner *);

/* A new lease for an attachment that has none; on anything but PODIPAM_OK nothing has changed. */
enum podipam_verdict leases_take(
    struct leases *, const struct podipam_owner *, const struct podipam_want *, struct lease **out);
/* Likewise with just these addresses, as the journal says; replaces what the attachment has.
 * PODIPAM_TAKEN: one of them is another's. */
enum podipam_verdict leases_put(struct leases *, const struct podipam_lease *, struct lease **out);
/* The attachment is of another pod or namespace than was said before; its key stays. */
void leases_rename(struct lease *, const struct podipam_owner *);
void leases_drop(struct leases *, struct lease *);

#endif
