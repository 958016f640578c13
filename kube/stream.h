/*
 * kube/stream.h: cuts what the API server sends into single objects without waiting for the whole:
 * the items of a list, the lines of a watch.  Bytes in, in pieces of any size; JSON texts of one
 * object each out.  Keeps only the object at hand.
 */
#ifndef HERALD_KUBE_STREAM_H
#define HERALD_KUBE_STREAM_H

#include <stdbool.h>
#include <stddef.h>

struct kube_stream;

enum kube_stream_kind { KUBE_STREAM_LIST, KUBE_STREAM_WATCH };

struct kube_stream_ops {
	/* An item, or the object of a watch line with its type ("ADDED"; "" in lists).  Borrowed.
	 * 0, or -errno to stop with. */
	int (*object)(void *arg, const char *type, const char *json, size_t len);
	/* A list's metadata, before or after the items: it is complete only with both this and
	 * kube_stream_finish() == 0.  NULL for watches.  Strings "" when absent. */
	void (*list)(void *arg, const char *resource_version, const char *next,
	    const char *api_version, const char *kind);
};

struct kube_stream *kube_stream_new(
    enum kube_stream_kind, const struct kube_stream_ops *, void *arg); /* NULL: no memory */
void kube_stream_free(struct kube_stream *);
/* 0; -EBADMSG: this is no JSON of that shape (kube_stream_error()); -EMSGSIZE: an object above
 * 8 MiB; -ENOMEM; or what object() stopped with.  After an error only _error() and _free(). */
int kube_stream_feed(struct kube_stream *, const char *bytes, size_t len)
    __attribute__((warn_unused_result));
/* The body has ended: was it whole?  A watch may end between lines only. */
int kube_stream_finish(struct kube_stream *) __attribute__((warn_unused_result));
const char *kube_stream_error(const struct kube_stream *);

#endif
