/*
 * kube/http.h: requests to the API server: libcurl's multi interface on the loop.  HTTP/2 where it is
 * offered, so that all watches share a connection, and all else shares another.  Knows paths and bytes,
 * nothing of objects.  TLS is verified unless the access says otherwise; redirects are not followed.
 *
 * Every call ends with exactly one done(), never from within kube_call(), unless it is cancelled.
 * data() and done() come from the end of the loop's turn, data() for a few milliseconds a turn.
 */
#ifndef HERALD_KUBE_HTTP_H
#define HERALD_KUBE_HTTP_H

#include "kube/access.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct kube_http;
struct kube_call;

/* NULL: no memory or (logged) no libcurl, errno.  @access is borrowed and outlives it. */
struct kube_http *kube_http_new(struct loop *, struct kube_access *);
void kube_http_free(struct kube_http *); /* cancels every call; NULL is fine */

struct kube_answer {
	int status;		/* of HTTP; 0: there was no (whole) answer, error says why */
	const char *error;	/* for people, naming server and path; "" when status is 2xx */
	const char *reason;	/* of the Status object ("Expired", "Forbidden"), or "" */
	int code;		/* likewise, else status */
	unsigned retry_after_s; /* 0: not told; an hour at most */
	const char *body;	/* what data() did not take; NUL-terminated */
	size_t len;
};

struct kube_request {
	const char *method;	  /* "GET", "PATCH", ... */
	const char *path;	  /* with its query: "/api/v1/services?limit=500" */
	const char *content_type; /* NULL without body */
	const char *body;	  /* copied */
	size_t len;
	unsigned timeout_ms; /* for the whole; 0: none (watches) */
	unsigned idle_ms;    /* without a byte; 0: none */
	/* Pieces of a 2xx body as they come; NULL: collected into the answer (16 MiB at most).
	 * false: enough, the call ends with status 0 and error "stopped".  May not cancel. */
	bool (*data)(void *arg, const char *bytes, size_t len);
	void (*done)(void *arg, const struct kube_answer *); /* borrowed */
	void *arg;
};

/* Copies what it needs of the request.  NULL: no memory (done is not called).  A 401 is tried once
 * more, when there is a fresh token, before it is told.  A write without an answer may have been
 * carried out. */
struct kube_call *kube_call(struct kube_http *, const struct kube_request *);
/* done() is not called.  Fine from any callback but data(), of other calls too. */
void kube_call_cancel(struct kube_call *);
/* No data() while the receiver is behind (back-pressure); up to 1 MiB is kept for it, then the
 * connection of the watches stands still.  Idle time does not count meanwhile. */
void kube_call_pause(struct kube_call *, bool paused);

/* Has any call got an answer since the last one that got none? */
bool kube_http_reachable(const struct kube_http *);

/* Calls that have ended, by verb ("get", "list", "watch", "post", ...) and status; 0: no answer. */
void kube_http_counts_each(const struct kube_http *,
    bool (*each)(void *arg, const char *verb, int status, uint64_t nr), void *arg);

/* Words for a Status object in @body that name what is missing: "forbidden: needs get on
 * services/status in api group \"\""; into @to. */
void kube_status_text(const char *body, size_t len, int status, char *to, size_t size);

#endif
