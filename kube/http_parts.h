/*
 * kube/http_parts.h: what the files of http.h share: a call, its transfer, and the words for what
 * came of it.
 */
#ifndef HERALD_KUBE_HTTP_PARTS_H
#define HERALD_KUBE_HTTP_PARTS_H

#include "kube/http.h"
#include "kube/http_wire.h"

#include "lib/buf.h"
#include "lib/loop.h"

#define HTTP_BODY_MAX (16u << 20)   /* of a 2xx that is collected */
#define HTTP_ERROR_MAX (256u << 10) /* of any other body; what is longer is left out */
#define HTTP_HEADERS_MAX (64u << 10)
#define HTTP_INBOX_MAX (1u << 20) /* waiting for data(); then the transfer is paused */
#define HTTP_TEXT_MAX 1024u	  /* of an error for people */

enum call_state {
	CALL_PARKED,  /* to be started, or waits for credentials */
	CALL_RUNNING, /* libcurl has it */
	CALL_ENDED    /* its end is known; what is in the inbox goes first */
};

/*
 * Two sets of connections: what streams has its own, so that a long list or a receiver that is behind
 * never holds up a Lease (with HTTP/2 a paused stream stops its connection).
 */
enum { LANE_STREAMS, LANE_CALLS, NR_LANES };

struct old_wire {
	struct old_wire *next;
	struct wire *wire;
};

struct kube_call {
	struct kube_call *next, **prev;
	struct kube_http *http;
	char *method, *url, *type, *body;
	size_t body_len;
	bool (*data)(void *arg, const char *bytes, size_t len);
	void (*done)(void *arg, const struct kube_answer *);
	void *arg;
	unsigned timeout_ms, idle_ms;
	struct loop_timer timeout, idle;

	enum call_state state;
	bool paused;	/* by the receiver */
	bool held;	/* libcurl is paused */
	bool refused;	/* a 401 came, and it was tried again */
	bool streamed;	/* its body goes to data() */
	bool overflown; /* the answer is longer than its limit */
	bool headers_overflown, stopped;

	CURL *easy;
	struct wire *wire; /* NULL: not running */
	struct curl_slist *headers, *connect_to;
	char *auth;	   /* the Authorization that was sent, or NULL */
	size_t nr_headers; /* bytes */
	struct buf in;	   /* the body; or what data() has not seen yet */
	size_t in_at;	   /* where data() goes on */
	char curl_error[CURL_ERROR_SIZE];
	char error[HTTP_TEXT_MAX]; /* of the end, when there was no answer */
	int status;
	unsigned retry_after_s;
};

#define HTTP_NR_VERBS 8
#define HTTP_COUNTS_MAX 64
struct http_counted {
	unsigned verb;
	int status;
	uint64_t nr;
};

struct kube_http {
	struct loop *loop;
	struct kube_access *access;
	struct wire *lanes[NR_LANES];
	struct old_wire *old; /* no new calls; gone with their last one */
	struct kube_call *calls, **calls_tail;
	struct loop_work work;
	bool waits;   /* for credentials */
	bool reached; /* the last call got an answer */
	bool tells;   /* done() is being called */
	bool doomed;  /* it was freed meanwhile */
	struct http_counted counts[HTTP_COUNTS_MAX];
	size_t nr_counts;

	/* How to get there; see http_easy.c. */
	char *base, *connect_to, *host;
};

/* ---- http_easy.c: the options of a transfer ---- */
int http_place_init(struct kube_http *); /* base, connect_to, host */
void http_place_fini(struct kube_http *);
/* Make call->easy with all its options but the callbacks for bytes.  -ENOMEM, -EINVAL. */
int http_easy_make(struct kube_call *, const char *authorization);
void http_easy_free(struct kube_call *);

/* ---- http_count.c ---- */
void http_count(struct kube_http *, const struct kube_call *); /* which is at its end */

/* ---- http_status.c: words ---- */
/* What a body that is no 2xx says; all within the struct. */
struct status_words {
	char reason[64], text[HTTP_TEXT_MAX];
	int code;
	unsigned retry_after_s;
};
/* @method and @path (or NULL) help where the body does not say what was asked for. */
void status_read(struct status_words *, const char *body, size_t len, int status,
    const char *method, const char *path);
/* Words for why libcurl gave up. */
void status_of_curl(
    char *to, size_t size, CURLcode result, const char *curl_error, const char *tls_name);

#endif
