/*
 * kube/reflect.h: one resource of the API, followed: listed in pages, then watched, and again
 * whatever happens on the way.  Knows the server's habits and nothing of objects; what it reads goes
 * to its receiver, which is held.h.
 *
 * A list is told as begin, objects, end; only a list that ended was whole: of one resourceVersion,
 * every page of it.  Until then, and through every disconnect, what is held stays.
 */
#ifndef HERALD_KUBE_REFLECT_H
#define HERALD_KUBE_REFLECT_H

#include "kube/http.h"
#include "kube/turns.h"

struct kube_reflect;

#define KUBE_VERSION_SIZE 64 /* a resourceVersion with its NUL */

enum kube_said { KUBE_LISTED, KUBE_CHANGED, KUBE_DELETED, KUBE_BOOKMARK };

struct kube_receiver {
	void (*begin)(void *arg);
	/* An object, from the server's path number @path; @version gets its resourceVersion.  0;
	 * -EBADMSG: this is no object; or another -errno to try again with. */
	int (*object)(void *arg, enum kube_said, size_t path, const char *json, size_t len,
	    char version[static KUBE_VERSION_SIZE]);
	/* The list was whole.  False: it is hard to believe, ask once more. */
	bool (*end)(void *arg);
	/* Bring it into effect, until about @until_us.  1: that was all; 0: there is more; -errno: to be
	 * listed again. */
	int (*apply)(void *arg, uint64_t until_us);
	/* Something of kube_reflect_info() is another. */
	void (*state)(void *arg);
};

struct kube_reflect_conf {
	const char *resource;	  /* "services": for words */
	const char *const *paths; /* that serve it, the best first; NULL behind the last */
	const char *query;	  /* "labelSelector=..."; "": none */
};

/* All is borrowed, but the conf itself. */
struct kube_reflect *kube_reflect_new(struct loop *, struct kube_http *, struct kube_turns *,
    const struct kube_reflect_conf *, const struct kube_receiver *, void *arg);
/* Not from within the receiver.  NULL is fine. */
void kube_reflect_free(struct kube_reflect *);
/* The server answers others: try again soon, if this one waits because it did not. */
void kube_reflect_nudge(struct kube_reflect *);

struct kube_reflect_info {
	bool served;	/* false: none of the paths is known to the server */
	bool synced;	/* a whole list was taken, or it is not served */
	bool watching;	/* a watch is open */
	bool unreached; /* the last request got no answer */
	uint64_t lists, events;
	const char *error; /* last, or "" */
};
void kube_reflect_info(const struct kube_reflect *, struct kube_reflect_info *);

#endif
