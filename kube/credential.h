/*
 * kube/credential.h: the words that an exec plugin and we exchange: ExecCredential of
 * client.authentication.k8s.io v1 and v1beta1.  No I/O.
 */
#ifndef HERALD_KUBE_CREDENTIAL_H
#define HERALD_KUBE_CREDENTIAL_H

#include <stddef.h>
#include <time.h>

struct credential {
	char *token;	   /* or NULL */
	char *cert, *key;  /* PEM, both or neither */
	time_t expires_at; /* 0: not told */
};

void credential_fini(struct credential *); /* wipes */

/* What is known of the cluster, for a plugin that asks for it; texts may be NULL. */
struct credential_cluster {
	const char *server, *tls_name, *proxy, *ca;
	int insecure;
};

/* The value of KUBERNETES_EXEC_INFO, for free(); @cluster NULL: it was not asked for. */
char *credential_request(const char *api_version, const struct credential_cluster *cluster);

/* What the plugin printed.  0, or -EBADMSG with *error (for free()), which shows none of it. */
int credential_parse(const char *text, size_t len, const char *api_version, struct credential *,
    char **error) __attribute__((warn_unused_result));

/* RFC 3339, with or without a fraction.  -EINVAL. */
int credential_time(const char *text, time_t *) __attribute__((warn_unused_result));

/* RFC 4648 4, for secret_free(). */
char *credential_base64(const void *bytes, size_t len);

#endif
