/*
 * kube/kinds.h: which kinds of the API are followed, and where the server has them.
 */
#ifndef HERALD_KUBE_KINDS_H
#define HERALD_KUBE_KINDS_H

#include "resource/resource.h"

enum kube_when {
	KUBE_ALWAYS,
	KUBE_ON_DEMAND, /* kube_want_namespaces() */
	KUBE_BY_NAME,	/* kube_want_secrets() */
};

#define KUBE_MAX_VERSIONS 2

struct kube_kind {
	enum res_kind kind;
	enum kube_when when;
	const char *dialect; /* a group that is followed only on request; "": always */
	const char *api_kind, *plural;
	const char *versions[KUBE_MAX_VERSIONS + 1]; /* the best first */
	const char *query;			     /* which of them; "": all */
};

/* In the order in which they are shown; NULL behind the last. */
const struct kube_kind *kube_kind_at(size_t i);
/* "services", "loadbalancerippools.heraldlb.io", for free(). */
char *kube_kind_resource(const struct kube_kind *);
/* "/api/v1/services"; @ns "": in all namespaces.  For free(). */
char *kube_kind_path(const struct kube_kind *, size_t version, const char *ns);

#endif
