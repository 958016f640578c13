/*
 * kube/lease.h: Leases: that this node lives, and who of all leads.  Times of others are judged by
 * our own clock from when their renewTime was last seen to change, never by comparing clocks.
 */
#ifndef HERALD_KUBE_LEASE_H
#define HERALD_KUBE_LEASE_H

#include "kube/http.h"
#include "kube/write.h"

struct kube_lease;

struct kube_lease_conf {
	const char *ns, *name; /* "herald-system", "herald-leader" or "herald-node-NAME" */
	const char *identity;  /* the node */
	unsigned duration_s;   /* 15 */
	unsigned renew_s; /* 10: the deadline after which a leader that cannot renew stands down */
	unsigned retry_s; /* 2 */
	bool contend;	  /* several want it (leader); false: it is ours alone (liveness) */
};

struct kube_lease_ops {
	/* held: from now on; !held: not any more, at once and before anybody else can have it. */
	void (*changed)(void *arg, bool held, const char *holder);
};

struct kube_lease *kube_lease_new(struct loop *, struct kube_http *, struct kube_writer *,
    const struct kube_lease_conf *, const struct kube_lease_ops *, void *arg);
/* Give it back (holderIdentity empty), then done(); at most @timeout_ms. */
void kube_lease_release(struct kube_lease *, unsigned timeout_ms, void (*done)(void *), void *arg);
void kube_lease_free(struct kube_lease *);
bool kube_lease_held(const struct kube_lease *);
const char *kube_lease_holder(const struct kube_lease *); /* "" while not known */
const char *kube_lease_error(const struct kube_lease *);  /* why it cannot be read or written; "" */

#endif
