/*
 * kube/event.h: Events: what people read in `kubectl describe`.  The same event about the same
 * object again raises its count; each object has a small budget, so that a storm writes little.
 */
#ifndef HERALD_KUBE_EVENT_H
#define HERALD_KUBE_EVENT_H

#include "kube/write.h"
#include "resource/resource.h"

struct kube_events;

struct kube_events *kube_events_new(
    struct loop *, struct kube_writer *, const char *component, const char *node);
void kube_events_free(struct kube_events *);

struct kube_about {
	const char *api_version, *kind, *ns, *name, *uid, *resource_version;
};

/* @reason: CamelCase, one of a fixed few; @note for people.  Never fails: at worst it is not told. */
void kube_event(struct kube_events *, const struct kube_about *, bool warning, const char *reason,
    const char *note);

#endif
