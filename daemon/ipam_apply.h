/*
 * daemon/ipam_apply.h: time and memory of the address engine: when an address has cooled down, what
 * of that a new process shall know, and what a person or the link says of addresses.
 */
#ifndef HERALD_DAEMON_IPAM_APPLY_H
#define HERALD_DAEMON_IPAM_APPLY_H

#include <stdbool.h>
#include <stdint.h>

struct addr;
struct app;
struct ipam_apply;

/* Once stateDir is known and what was held is restored: what cools down still is restored as well. */
void ipam_apply_init(struct app *);
void ipam_apply_fini(struct app *);

/* Decide, by the time that it is now. */
void ipam_apply_settle(struct app *);
/* Something was given or given back: from within ipam_settle(). */
void ipam_apply_soon(struct app *);

/*
 * Something on a link that is not ours answers for @addr, or does no more; and: its owner uses it now,
 * nothing else does.  Where the link is probed before an address is used (RFC 5227, RFC 4862 5.4) this
 * is where to say what came of it.  It is looked at again after a while.
 */
void ipam_apply_stranger(struct app *, const struct addr *, bool there);
void ipam_apply_used(struct app *, const struct addr *);

/* `heraldctl ipam release NS/NAME`: how many addresses it gave back, or -errno with *error (the
 * caller's). */
int ipam_apply_release(struct app *, const char *owner, char **error)
    __attribute__((warn_unused_result));

#endif
