/*
 * daemon/kube_cache.h: the objects of the API server as they were last, in stateDir, for a restart while
 * the server is away: what the process before announced and carried is gone on with.
 *
 * Used only where a herald ran before on this boot of the node, only when the server does not answer
 * soon, and only until it has told everything.  Secrets are not kept: sessions with a password wait.
 */
#ifndef HERALD_DAEMON_KUBE_CACHE_H
#define HERALD_DAEMON_KUBE_CACHE_H

#include "lib/loop.h"
#include "resource/resource.h"

struct kube_cache;

/*
 * @origin: which API server, by how it is reached; a cache of another is not used.  Makes a source of
 * the store, behind all that are there.  NULL: there is no room for one.
 */
struct kube_cache *kube_cache_new(
    struct loop *, struct store *, const char *state_dir, const char *origin);
void kube_cache_free(struct kube_cache *); /* NULL is fine */

/* Read it, in slices; then @done, with how many objects there were (0: no cache that can be used). */
void kube_cache_load(struct kube_cache *, void (*done)(void *arg, size_t nr), void *arg);
/* The API has told everything: what was read goes. */
void kube_cache_drop(struct kube_cache *);

/* Something changed: saved now and then, in slices. */
void kube_cache_changed(struct kube_cache *);
/* At once, if anything changed since; -errno. */
int kube_cache_save(struct kube_cache *);

#endif
