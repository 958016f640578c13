/*
 * kube/access.h: where the API server is and who we are to it: a kubeconfig, or what a pod finds.
 * Read once; only what it leads to is looked at again when it is needed: files with a token, a
 * certificate, a key or authorities, which others replace, and what an exec plugin gives.
 *
 * To a server without TLS (http://) no credential is ever sent.
 */
#ifndef HERALD_KUBE_ACCESS_H
#define HERALD_KUBE_ACCESS_H

#include <stdbool.h>
#include <stddef.h>

struct loop;

struct kube_access_conf {
	bool in_cluster;
	const char *kubeconfig; /* path; in_cluster false */
	const char *context;	/* "" or NULL: current-context */
	/* Where in_cluster finds token, ca.crt and namespace; NULL: the place that kubelets use. */
	const char *service_account_dir;
	unsigned exec_timeout_ms; /* 0: 30 s */
};

struct kube_access;

/* *error (for free()) says which file, line and field, and what would be right.  NULL then.
 * Relative paths of a kubeconfig are relative to its folder; *-data wins over the file. */
struct kube_access *kube_access_new(struct loop *, const struct kube_access_conf *, char **error);
void kube_access_free(struct kube_access *); /* NULL is fine; ends an exec plugin that runs */

/* Borrowed, for the access's life, but what is PEM: until the next kube_access_header(); "" or NULL
 * when there is none. */
/* "https://[fd00::1]:6443", "https://rancher.example/k8s/clusters/c-1"; no slash at the end. */
const char *kube_access_server(const struct kube_access *);
const char *kube_access_namespace(const struct kube_access *); /* of the context or the pod */
/* May hold a password; "": as the environment says (HTTPS_PROXY, NO_PROXY). */
const char *kube_access_proxy(const struct kube_access *);
const char *kube_access_tls_name(const struct kube_access *); /* tls-server-name */
bool kube_access_insecure(const struct kube_access *);	      /* warned of once, by http.c */
const char *kube_access_ca(const struct kube_access *);	      /* PEM; NULL: the system's */
/* PEM; NULL: none.  An exec plugin may give others: ask after kube_access_header() gave 0. */
const char *kube_access_client_cert(const struct kube_access *);
const char *kube_access_client_key(const struct kube_access *);

/*
 * The value of the Authorization header, or NULL: none is needed.  Files (of PEM too) are read again
 * when they changed or a minute passed; an exec plugin is run when what it gave is over, which takes a
 * while: @ready is called (once, never from within) with NULL or why there is none.  Returns 0 and
 * *header (borrowed until the next call), or -EINPROGRESS: wait for @ready, then ask again;
 * or -errno with *error (for free()).
 */
typedef void kube_access_cb(void *arg, const char *error);
int kube_access_header(
    struct kube_access *, const char **header, kube_access_cb *ready, void *arg, char **error);
/* @ready with this @arg is not called any more. */
void kube_access_cancel(struct kube_access *, void *arg);
/* The server said 401 to @header (NULL: none was sent).  False: there is no other to try with. */
bool kube_access_refused(struct kube_access *, const char *header);

#endif
