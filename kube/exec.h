/*
 * kube/exec.h: runs a program beside the loop and collects what it prints: for the exec plugins of a
 * kubeconfig.  No shell, no terminal, own process group; bounded in time and bytes.
 */
#ifndef HERALD_KUBE_EXEC_H
#define HERALD_KUBE_EXEC_H

#include <stddef.h>

struct loop;
struct exec_run;

struct exec_conf {
	char *command;	     /* a path, or a name to be looked for in PATH */
	char **args;	     /* without the command; NULL-terminated, NULL: none */
	char **env;	     /* "NAME=value", over our own environment; likewise */
	char *api_version;   /* of what it is to print */
	char *hint;	     /* how to install it, or NULL */
	int wants_cluster;   /* provideClusterInfo */
	unsigned timeout_ms; /* then it is killed, with all that it started */
};

void exec_conf_fini(struct exec_conf *);

/* What it wrote to standard output, when it exited with 0; else NULL and why, with what it wrote to
 * standard error.  Borrowed.  The run is over, and gone after the call. */
typedef void exec_done_cb(void *arg, const char *out, size_t len, const char *error);

/* NULL: *error (for free()) says why it could not be started. */
struct exec_run *exec_start(struct loop *, const struct exec_conf *, const char *info,
    exec_done_cb *done, void *arg, char **error);
void exec_stop(struct exec_run *); /* kills it; done() is not called; NULL is fine */

#endif
