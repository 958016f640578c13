/*
 * tests/unit/kube/server.h: starts server.py (and nghttpd, for HTTP/2) beside the tests, and writes
 * kubeconfigs that lead to it.
 */
#ifndef HERALD_TESTS_KUBE_SERVER_H
#define HERALD_TESTS_KUBE_SERVER_H

#include <stdbool.h>

/* Once for the whole program, before the tests fork; ends with the program. */
void server_start(void);
void server_stop(void);
bool server_is_there(void); /* python3 and openssl */

/* The port by its name in server.py. */
unsigned server_port(const char *name);
/* Its folder: certificates, and what tests write. */
const char *server_dir(void);
/* "DIR/name", valid until the fourth call after it. */
const char *server_path(const char *name);
/* Write a file there. */
void server_write(const char *name, const char *text);

/* A kubeconfig with these lines in its cluster and user ("  token: x\n"); its path, as server_path().
 * "%PORT:tls%" and "%DIR%" within the lines are replaced. */
const char *server_kubeconfig(const char *cluster, const char *user);

/* nghttpd, serving the folder over HTTP/2; 0: it is not installed. */
unsigned server_start_h2(void);
/* It is there and says nothing, until it is thawed. */
void server_freeze_h2(bool frozen);

#endif
