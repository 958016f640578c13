/*
 * kube/access.c: see access.h.  Holds what access_kubeconfig.c or a pod's folder said, and makes the
 * Authorization header of it: http.c asks for it before each request.
 */
#include "kube/access.h"

#include "kube/access_parts.h"
#include "kube/words.h"

#include "lib/loop.h"
#include "lib/mem.h"
#include "lib/text.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define POD_DIR "/var/run/secrets/kubernetes.io/serviceaccount"
#define EXEC_TIMEOUT_MS 30000u
#define HOLD_MS 10000u /* what a plugin gave is used this long, whatever its clock says */
#define EARLY_S 5      /* before it is over */
#define RETRY_MS 2000u /* after a plugin failed, doubled each time up to */
#define RETRY_MAX 60000u

/* ---- reading ---- */

const char *
access_check_pem(const char *text, const char *label)
{
	const char *at = strstr(text, "-----BEGIN ");

	for (; at; at = strstr(at + 1, "-----BEGIN ")) {
		size_t len = strcspn(at, "\r\n");

		if (memmem(at, len, label, strlen(label)))
			return NULL;
	}
	return strcmp(label, "CERTIFICATE") == 0 ? "must be PEM with a certificate in it"
						 : "must be PEM with a private key in it";
}

const char *
access_check_server(char *url)
{
	size_t len = strlen(url);
	const char *host = strstr(url, "://");

	if (strncmp(url, "https://", 8) != 0 && strncmp(url, "http://", 7) != 0)
		return "must begin with https://";
	for (const char *c = url; *c; c++)
		if (*c <= ' ' || *c > '~')
			return "must be a URL: blanks or other signs are in it";
	host += 3;
	if (memchr(host, '@', strcspn(host, "/")))
		return "must not hold a user: credentials belong to users";
	if (strpbrk(host, "?#"))
		return "must be a URL without query";
	if (strcspn(host, "/:") == 0)
		return "must name a host";
	while (url[len - 1] == '/')
		url[--len] = '\0';
	return NULL;
}

static char *
pod_fault(const char *path, const char *why)
{
	return xasprintf("%s: %s: is this a pod, and does it mount the token of its "
			 "service account?",
	    path, why);
}

/* A small file of the pod's folder, in *text. */
static int
read_pod_file(const char *dir, const char *name, char **text, char **error)
{
	char *path = xasprintf("%s/%s", dir, name);
	const char *why;
	int err = access_read_file(path, ACCESS_FILE_MAX, text, &why);

	if (err < 0)
		*error = pod_fault(path, why);
	free(path);
	return err;
}

/* The cluster's own address for its API server, from the environment of every pod. */
static char *
pod_server(char **error)
{
	const char *host = getenv("KUBERNETES_SERVICE_HOST");
	const char *port = getenv("KUBERNETES_SERVICE_PORT");
	uint64_t number;

	if (!host || !*host || !port || !*port) {
		*error = xstrdup("KUBERNETES_SERVICE_HOST and KUBERNETES_SERVICE_PORT are not in "
				 "the environment: this is no pod; give a kubeconfig");
		return NULL;
	}
	if (text_u64(port, 65535, &number) < 0 || number == 0 || strpbrk(host, "/@?# ")) {
		*error = xstrdup("KUBERNETES_SERVICE_HOST and KUBERNETES_SERVICE_PORT: must be an "
				 "address and a port");
		return NULL;
	}
	if (strchr(host, ':') && *host != '[')
		return xasprintf("https://[%s]:%s", host, port);
	return xasprintf("https://%s:%s", host, port);
}

int
access_read_pod(struct kube_access *a, const char *dir, char **error)
{
	const char *why;
	int err;

	a->server = pod_server(error);
	if (!a->server)
		return -EINVAL;
	a->ca_file.path = xasprintf("%s/ca.crt", dir);
	a->ca_file.label = "CERTIFICATE";
	err = kept_file_refresh(&a->ca_file, a->loop, true, &why);
	if (err < 0) {
		*error = pod_fault(a->ca_file.path, why);
		return err;
	}
	err = read_pod_file(dir, "namespace", &a->ns, error);
	if (err < 0)
		return err;
	words_clean(a->ns);
	a->token_file.path = xasprintf("%s/token", dir);
	err = kept_file_refresh(&a->token_file, a->loop, true, &why);
	if (err < 0)
		*error = xasprintf("%s: %s", a->token_file.path, why);
	return err;
}

struct kube_access *
kube_access_new(struct loop *loop, const struct kube_access_conf *c, char **error)
{
	struct kube_access *a = xnew(struct kube_access);
	const char *dir = c->service_account_dir ? c->service_account_dir : POD_DIR;
	int err;

	*error = NULL;
	a->loop = loop;
	if (c->in_cluster)
		err = access_read_pod(a, dir, error);
	else
		err = access_read_kubeconfig(
		    a, c->kubeconfig, c->context && *c->context ? c->context : NULL, error);
	if (err < 0) {
		kube_access_free(a);
		return NULL;
	}
	a->exec.timeout_ms = c->exec_timeout_ms ? c->exec_timeout_ms : EXEC_TIMEOUT_MS;
	a->tls = strncmp(a->server, "https://", 8) == 0;
	return a;
}

static void
waiters_drop(struct access_waiter **at, const void *arg)
{
	while (*at) {
		struct access_waiter *w = *at;

		if (w->arg != arg) {
			at = &w->next;
			continue;
		}
		*at = w->next;
		free(w);
	}
}

static void
header_drop(struct kube_access *a)
{
	secret_free(a->header);
	a->header = NULL;
}

void
kube_access_free(struct kube_access *a)
{
	if (!a)
		return;
	exec_stop(a->run);
	while (a->waiters)
		waiters_drop(&a->waiters, a->waiters->arg);
	exec_conf_fini(&a->exec);
	credential_fini(&a->given);
	kept_file_fini(&a->token_file);
	kept_file_fini(&a->ca_file);
	kept_file_fini(&a->cert_file);
	kept_file_fini(&a->key_file);
	header_drop(a);
	secret_free(a->token);
	secret_free(a->username);
	secret_free(a->password);
	secret_free(a->key);
	secret_free(a->proxy);
	free(a->cert);
	free(a->ca);
	free(a->server);
	free(a->ns);
	free(a->tls_name);
	free(a->exec_error);
	free(a);
}

/* ---- what it holds ---- */

const char *
kube_access_server(const struct kube_access *a)
{
	return a->server;
}

const char *
kube_access_namespace(const struct kube_access *a)
{
	return a->ns ? a->ns : "";
}

const char *
kube_access_proxy(const struct kube_access *a)
{
	return a->proxy ? a->proxy : "";
}

const char *
kube_access_tls_name(const struct kube_access *a)
{
	return a->tls_name ? a->tls_name : "";
}

bool
kube_access_insecure(const struct kube_access *a)
{
	return a->insecure;
}

const char *
kube_access_ca(const struct kube_access *a)
{
	return a->ca_file.path ? a->ca_file.text : a->ca;
}

const char *
kube_access_client_cert(const struct kube_access *a)
{
	if (a->has_given && a->given.cert)
		return a->given.cert;
	return a->cert_file.path ? a->cert_file.text : a->cert;
}

const char *
kube_access_client_key(const struct kube_access *a)
{
	if (a->has_given && a->given.cert)
		return a->given.key;
	return a->key_file.path ? a->key_file.text : a->key;
}

/* ---- the exec plugin ---- */

/* Those who wait may ask anew at once, or cancel others: each is off the list before it is told. */
static void
tell_waiters(struct kube_access *a)
{
	char *error = a->exec_error ? xstrdup(a->exec_error) : NULL;

	a->told = a->waiters;
	a->waiters = NULL;
	while (a->told) {
		struct access_waiter w = *a->told;

		free(a->told);
		a->told = w.next;
		w.ready(w.arg, error);
	}
	free(error);
}

static void
exec_failed(struct kube_access *a, const char *why)
{
	uint64_t wait = RETRY_MS << (a->nr_failed < 5 ? a->nr_failed : 5);

	a->nr_failed++;
	a->exec_error = xasprintf("exec plugin %s", why);
	a->retry_ms = loop_now_ms(a->loop) + (wait < RETRY_MAX ? wait : RETRY_MAX);
}

static void
exec_over(void *arg, const char *out, size_t len, const char *error)
{
	struct kube_access *a = arg;
	struct credential fresh;
	char *fault = NULL, *why;

	a->run = NULL;
	free(a->exec_error);
	a->exec_error = NULL;
	if (!error && credential_parse(out, len, a->exec.api_version, &fresh, &fault) == 0) {
		credential_fini(&a->given);
		a->given = fresh;
		a->has_given = true;
		a->given_ms = loop_now_ms(a->loop);
		a->nr_failed = 0;
	} else {
		why = error ? xstrdup(error) : xasprintf("%s: %s", a->exec.command, fault);
		exec_failed(a, why);
		free(why);
	}
	free(fault);
	tell_waiters(a);
}

/* A plugin whose clock is wrong, or that gives what is over soon, is not run at each request. */
static bool
given_is_good(const struct kube_access *a)
{
	if (!a->has_given)
		return false;
	return !a->given.expires_at || loop_wall(a->loop) + EARLY_S < a->given.expires_at ||
	    loop_now_ms(a->loop) - a->given_ms < HOLD_MS;
}

static int
exec_begin(struct kube_access *a, char **error)
{
	struct credential_cluster cluster = { .server = a->server,
		.tls_name = a->tls_name,
		.proxy = a->proxy,
		.ca = kube_access_ca(a),
		.insecure = a->insecure };
	char *info, *why = NULL;

	if (a->exec_error && loop_now_ms(a->loop) < a->retry_ms) {
		*error = xstrdup(a->exec_error);
		return -EACCES;
	}
	free(a->exec_error);
	a->exec_error = NULL;
	info = credential_request(a->exec.api_version, a->exec.wants_cluster ? &cluster : NULL);
	a->run = exec_start(a->loop, &a->exec, info, exec_over, a, &why);
	secret_free(info);
	if (a->run)
		return 0;
	exec_failed(a, why);
	free(why);
	*error = xstrdup(a->exec_error);
	return -EACCES;
}

static int
exec_wait(struct kube_access *a, kube_access_cb *ready, void *arg, char **error)
{
	struct access_waiter *w;
	int err = a->run ? 0 : exec_begin(a, error);

	if (err < 0)
		return err;
	w = xnew(struct access_waiter);
	*w = (struct access_waiter){ .next = a->waiters, .ready = ready, .arg = arg };
	a->waiters = w;
	return -EINPROGRESS;
}

void
kube_access_cancel(struct kube_access *a, void *arg)
{
	waiters_drop(&a->waiters, arg);
	waiters_drop(&a->told, arg);
}

/* ---- the header ---- */

/* Basic, RFC 7617 2. */
static char *
basic_header(const struct kube_access *a)
{
	char *both = xasprintf("%s:%s", a->username, a->password ? a->password : "");
	char *code = credential_base64(both, strlen(both));
	char *text = xasprintf("Basic %s", code);

	secret_free(both);
	secret_free(code);
	return text;
}

/* What others may have replaced on disk; what cannot be read stays as it was. */
static int
files_refresh(struct kube_access *a, char **error)
{
	struct kept_file *const all[] = { &a->ca_file, &a->cert_file, &a->key_file,
		&a->token_file };
	const char *why = NULL;
	int err = 0;

	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]) && err == 0; i++) {
		if (all[i]->path)
			err = kept_file_refresh(all[i], a->loop, false, &why);
		if (err < 0)
			*error = xasprintf("%s: %s", all[i]->path, why);
	}
	return err;
}

int
kube_access_header(
    struct kube_access *a, const char **header, kube_access_cb *ready, void *arg, char **error)
{
	const char *token;
	int err;

	*header = NULL;
	*error = NULL;
	header_drop(a);
	if (!a->tls)
		return 0;
	err = files_refresh(a, error);
	if (err < 0)
		return err;
	token = a->token_file.path ? a->token_file.text : a->token;
	if (a->exec.command && !token && !a->username) {
		if (!given_is_good(a))
			return exec_wait(a, ready, arg, error);
		token = a->given.token;
	}
	if (token)
		a->header = xasprintf("Bearer %s", token);
	else if (a->username)
		a->header = basic_header(a);
	*header = a->header;
	return 0;
}

/* Is @header what we would say with @token? */
static bool
is_header_of(const char *header, const char *token)
{
	return strncmp(header, "Bearer ", 7) == 0 && token && strcmp(header + 7, token) == 0;
}

bool
kube_access_refused(struct kube_access *a, const char *header)
{
	const char *why;

	if (a->token_file.path && header) {
		/* Others may have asked before, with the same one. */
		if (!is_header_of(header, a->token_file.text))
			return true;
		return kept_file_refresh(&a->token_file, a->loop, true, &why) == 0 &&
		    !is_header_of(header, a->token_file.text);
	}
	if (!a->exec.command || a->token || a->username || !a->tls)
		return false;
	if (!a->has_given || (header && !is_header_of(header, a->given.token)))
		return true;
	/* What is quite new and refused all the same would be no better the next time. */
	if (loop_now_ms(a->loop) - a->given_ms < HOLD_MS)
		return false;
	a->has_given = false;
	return true;
}
