/*
 * kube/kube.h: the Kubernetes source: objects of the API server in the store, kept up to date by
 * watches; and the way back: what is written there.  Knows nothing of decisions: daemon/ says what to
 * write.
 *
 * What is held is kept through every disconnect: only a DELETED event, or a list that was complete,
 * takes an object away.
 */
#ifndef HERALD_KUBE_KUBE_H
#define HERALD_KUBE_KUBE_H

#include "kube/access.h"
#include "kube/event.h"
#include "kube/lease.h"
#include "kube/write.h"
#include "resource/resource.h"

struct kube;

struct kube_conf {
	struct kube_access_conf access;
	const char *const *
	    dialects; /* groups whose kinds are watched: "heraldlb.io", "cilium.io", "metallb.io" */
	size_t nr_dialects;
	const char *node; /* ours */
};

/* One kind of the API that is watched. */
struct kube_watch_info {
	const char *resource;		/* "services", "ippools.heraldlb.io" */
	bool served;			/* false: the server does not know it (its CRD is absent) */
	bool synced;			/* has delivered a whole list once */
	bool watching;			/* a watch is open now */
	size_t nr;			/* objects held */
	uint64_t events, lists, faults; /* faults: objects that could not be taken on */
	const char *error;		/* last, or "" */
};

struct kube_ops {
	/* An object of the API is at fault, and what was held of it before stays; with nothing but notices
	 * (res_fault.notice) it was taken.  Faults are borrowed; called with nr 0 when they went away.
	 * May not call back here. */
	void (*faults)(
	    void *arg, enum res_kind, const char *ns, const char *name, const struct res_faults *);
};

/* A source named "kubernetes" of the store, and behind it one for each dialect of others.  NULL with
 * *error (for free()): bad kubeconfig, ... */
struct kube *kube_new(struct loop *, struct store *, const struct kube_conf *,
    const struct kube_ops *, void *arg, char **error);
void kube_free(struct kube *);

struct kube_http *kube_http(struct kube *); /* for lease.h, write.h, event.h */
struct kube_writer *kube_writer(struct kube *);
const char *kube_namespace(const struct kube *); /* ours: where Leases live */

/* Secrets are watched one by one: those that are named here.  The whole list each time. */
struct kube_secret_name {
	const char *ns, *name;
}; /* ns "": kube_namespace() */
int kube_want_secrets(struct kube *, const struct kube_secret_name *, size_t nr);
/* Namespaces are watched only while something selects by their labels. */
void kube_want_namespaces(struct kube *, bool);

/* The resourceVersion that the server told last of an object that is held, or NULL; "": a long one.
 * That of the object in the store may be older: what changed since was nothing that is decoded. */
const char *kube_version_of(const struct kube *, enum res_kind, const char *ns, const char *name);

bool kube_connected(const struct kube *);
/* Each kind that is watched, in a fixed order; false to stop. */
void kube_each_watch(
    const struct kube *, bool (*each)(void *arg, const struct kube_watch_info *), void *arg);

#endif
