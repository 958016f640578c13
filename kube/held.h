/*
 * kube/held.h: what of one resource the server has told, as objects in the store.  Receives what
 * reflect.h reads; a list takes effect as a difference, when it is whole.
 */
#ifndef HERALD_KUBE_HELD_H
#define HERALD_KUBE_HELD_H

#include "kube/kinds.h"
#include "kube/reflect.h"

#include "resource/resource.h"

struct kube_held;

struct kube_held_ops {
	/* As in kube.h. */
	void (*faults)(
	    void *arg, enum res_kind, const char *ns, const char *name, const struct res_faults *);
};

/* NULL: no memory.  All is borrowed. */
struct kube_held *kube_held_new(struct loop *, struct store *, int source, const struct kube_kind *,
    const struct kube_held_ops *, void *arg);
/* What is in the store stays. */
void kube_held_free(struct kube_held *); /* NULL is fine */
/* Take all of it out of the store. */
void kube_held_drop(struct kube_held *);

size_t kube_held_nr(const struct kube_held *);
uint64_t kube_held_faults(const struct kube_held *); /* objects that could not be taken on so far */
/* The resourceVersion that the server told last, be the object as before or not; NULL: it is not
 * held. */
const char *kube_held_version(const struct kube_held *, const char *ns, const char *name);

/* struct kube_receiver's, @arg being the kube_held. */
void kube_held_begin(void *arg);
int kube_held_object(void *arg, enum kube_said, size_t path, const char *json, size_t len,
    char version[static KUBE_VERSION_SIZE]);
bool kube_held_end(void *arg);
int kube_held_apply(void *arg, uint64_t until_us);

#endif
