/*
 * kube/write.h: all that is written to the API server goes through one queue: paced, most urgent
 * first, the newest of one key in place of older ones, tried again as the server asks.
 */
#ifndef HERALD_KUBE_WRITE_H
#define HERALD_KUBE_WRITE_H

#include "kube/http.h"

#include <jansson.h>

struct kube_writer;
struct loop;

enum kube_urgency { KUBE_LEASE, KUBE_STATUS, KUBE_REPORT, KUBE_EVENT, KUBE_NR_URGENCIES };

struct kube_write {
	enum kube_urgency urgency;
	const char *key; /* "service-status/default/web": a newer write of it takes its place */
	const char *method, *path, *content_type;
	json_t *body; /* a reference is taken; NULL: none */
	/* Once, unless it was replaced or the writer is freed.  409, 404, 403, 422 are told, not tried again:
	 * the caller knows what they mean; no answer, 429, 5xx are tried again within the queue. NULL is fine. */
	void (*done)(void *arg, const struct kube_answer *);
	void *arg;
	unsigned deadline_ms; /* then it is told with status 0 instead of tried again; 0: never */
};

struct kube_writer_conf {
	unsigned per_second, burst; /* of all but leases */
	unsigned at_once;	    /* requests under way */
};

struct kube_writer *kube_writer_new(
    struct loop *, struct kube_http *, const struct kube_writer_conf *);
void kube_writer_free(struct kube_writer *);
/* From now on at this pace. */
void kube_writer_pace(struct kube_writer *, const struct kube_writer_conf *);
/* -ENOMEM.  done() is called from the loop, never from within; it may write and forget, not free. */
int kube_write(struct kube_writer *, const struct kube_write *) __attribute__((warn_unused_result));
/* Forget what waits under a key (what is under way goes on, untold). */
void kube_write_forget(struct kube_writer *, const char *key);

struct kube_writer_info {
	size_t waiting, under_way;
	uint64_t sent, retried, refused, replaced;
};
void kube_writer_info(const struct kube_writer *, struct kube_writer_info *);

#endif
