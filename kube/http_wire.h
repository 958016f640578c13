/*
 * kube/http_wire.h: libcurl's multi interface on our loop: a set of connections and what runs over
 * them.  Knows nothing of Kubernetes.
 */
#ifndef HERALD_KUBE_HTTP_WIRE_H
#define HERALD_KUBE_HTTP_WIRE_H

#include "kube/curl.h"

#include <stdbool.h>
#include <stdint.h>

struct loop;
struct wire;

/* A transfer has come to its end; it is not part of the wire any more.  Called from the loop only,
 * outside of libcurl; may start others and drop some, but not free the wire. */
typedef void wire_done_cb(CURL *easy, CURLcode result);

struct wire *wire_new(struct loop *, wire_done_cb *done); /* NULL: no memory */
void wire_free(struct wire *);				  /* nothing may run over it */

int wire_add(struct wire *, CURL *easy) __attribute__((warn_unused_result));
void wire_remove(struct wire *, CURL *easy); /* before its end */
unsigned wire_nr(const struct wire *);	     /* how many run */

/* When a byte came in over it last, by any of them; bytes are told by those who take them. */
void wire_heard(struct wire *);
uint64_t wire_heard_ms(const struct wire *);

#endif
