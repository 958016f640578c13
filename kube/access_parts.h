/*
 * kube/access_parts.h: what the files of access.h share: what was read, from where, and the
 * readers of small files.
 */
#ifndef HERALD_KUBE_ACCESS_PARTS_H
#define HERALD_KUBE_ACCESS_PARTS_H

#include "kube/access.h"
#include "kube/credential.h"
#include "kube/exec.h"

#include "lib/loop.h"
#include "lib/log.h"

#include <stdint.h>
#include <sys/types.h>
#include <time.h>

#define ACCESS_FILE_MAX (4u << 20) /* bytes of a kubeconfig or a certificate file */
#define ACCESS_TOKEN_MAX 32768u	   /* bytes of a token: it has to fit a header */

/* A token or a certificate in a file, which others replace. */
struct kept_file {
	char *path;	   /* NULL: none */
	const char *label; /* of its PEM ("CERTIFICATE"); NULL: it holds a token */
	char *text;	   /* as it is in use; NULL: not read yet */
	/* What the file was when it was read, and when that was. */
	dev_t dev;
	ino_t ino;
	off_t size;
	struct timespec mtime;
	uint64_t read_ms;
	struct log_limit limit;
};

struct access_waiter {
	struct access_waiter *next;
	kube_access_cb *ready;
	void *arg;
};

struct kube_access {
	struct loop *loop;
	char *server, *ns, *proxy, *tls_name;
	bool insecure, tls;
	char *ca, *cert, *key;
	char *token, *username, *password;
	struct kept_file token_file, ca_file, cert_file, key_file; /* in place of texts */

	struct exec_conf exec; /* command NULL: none */
	struct exec_run *run;  /* now */
	struct credential given;
	bool has_given;
	uint64_t given_ms;		      /* when */
	char *exec_error;		      /* the last run's; NULL: it went well */
	uint64_t retry_ms;		      /* not before; after a run that failed */
	unsigned nr_failed;		      /* in a row */
	struct access_waiter *waiters, *told; /* told: being told now */

	char *header; /* what was given out last */
};

/* Read a kubeconfig, or a pod's folder, into @a.  0, or -errno with *error. */
int access_read_kubeconfig(
    struct kube_access *a, const char *path, const char *context, char **error);
int access_read_pod(struct kube_access *a, const char *dir, char **error);
/* The server's URL is one that we can use; takes a slash at the end off.  NULL or what is wrong. */
const char *access_check_server(char *url);
/* PEM of the right sort of thing: NULL or what is wrong. */
const char *access_check_pem(const char *text, const char *label);
/* It may stand in a header: printable, no blanks. */
bool access_is_token(const char *);

/* A regular file of at most @max bytes, as text; *text is for secret_free().  -errno: *why says what
 * is wrong in words, static or of errno. */
int access_read_file(const char *path, size_t max, char **text, const char **why);

void kept_file_fini(struct kept_file *);
/* Have the file's text at hand, reading it when need be (or @now).  0, -errno with *why; what was
 * read before stays in use when the file cannot be read or holds something else, unless @now. */
int kept_file_refresh(struct kept_file *, struct loop *, bool now, const char **why);

#endif
