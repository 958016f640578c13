/*
 * daemon/kube_apply.h: the Kubernetes source as the daemon runs it: on and off, who leads, and what is
 * written back.  kube_apply.c: life and Leases; kube_tell.c: statuses, annotations and Events.
 *
 * The API may be away at any time, at the start too: all of this waits then, and nothing else does.
 */
#ifndef HERALD_DAEMON_KUBE_APPLY_H
#define HERALD_DAEMON_KUBE_APPLY_H

#include "bgpd/bgpd.h"
#include "kube/kube.h"

#include <jansson.h>
#include <stdbool.h>

struct app;
struct kube_side;
struct kube_tell;

/* Starts it when the HeraldConfig says so; @restarted: a herald ran here before, and what it left is
 * to be gone on with.  0, or -EINVAL with words (for free()) when what it says cannot be used. */
int kube_apply_init(struct app *, bool restarted, char **error);
void kube_apply_fini(struct app *);
/* The process ends: give the Leases back, so that another node leads at once. */
void kube_apply_stop(struct app *);

/* Does this node give addresses to the Services of the API?  By the clock, at this moment. */
bool kube_apply_leads(const struct app *);
/* For what others write; NULL: the source is off. */
struct kube *kube_apply_kube(const struct app *);
/* For requests of others; NULL: the source is off.  And where Leases live. */
struct kube_http *kube_apply_http(const struct app *);
const char *kube_apply_namespace(const struct app *);
/* The Lease of a node, by which it says that it lives; for free(). */
char *kube_apply_lease_name(const char *node);
/* A warning for the eyes of who looks at a Service, "ns/name"; at most now and then. */
void kube_apply_event(struct app *, const char *service, const char *reason, const char *note);
/* After the configuration changed: pace, Secrets, Namespaces; faults that a restart would have. */
void kube_apply_config(struct app *);
/* After the start: is it still to be seen what there is?  Until then nothing is decided: half of a
 * configuration would make sessions that the other half resets.  The second looks whether that is over. */
bool kube_apply_awaited(const struct app *);
bool kube_apply_await(struct app *);
bool kube_apply_is_cached(
    const struct app *);	       /* the objects are those of a file, the API is away */
void kube_apply_changed(struct app *); /* some object is another */
void kube_apply_all(struct app *);     /* all statuses are looked at again */
void kube_apply_service(struct app *, const char *ns, const char *name);
void kube_apply_owner(struct app *, const char *owner); /* of addresses: "ns/name" */
void kube_apply_peer(struct app *, const char *peer, enum bgp_state);

struct kube *kube_apply_source(const struct app *); /* NULL: off */
/* For `heraldctl status`; NULL: the source is off.  For json_decref(). */
json_t *kube_apply_show(const struct app *);

/* ---- kube_tell.c ---- */

struct kube_tell *kube_tell_new(struct app *, struct kube *, const char *node);
void kube_tell_free(struct kube_tell *); /* NULL is fine */
void kube_tell_event(struct kube_tell *, const struct res_object *, bool warning,
    const char *reason, const char *note);
/* Whoever leads tells of Services and pools; the rest every node tells.  false: what waits is dropped. */
void kube_tell_lead(struct kube_tell *, bool);
void kube_tell_service(struct kube_tell *, const char *ns, const char *name);
void kube_tell_all(struct kube_tell *);
void kube_tell_peer(struct kube_tell *, const char *peer, enum bgp_state);
void kube_tell_faults(
    struct kube_tell *, enum res_kind, const char *ns, const char *name, const struct res_faults *);

#endif
