/*
 * kube/credential.c: see credential.h.  access.c asks exec.c to run the plugin with what is written
 * here, and reads its answer here.
 */
#include "kube/credential.h"

#include "kube/words.h"

#include "lib/mem.h"

#include <errno.h>
#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void
credential_fini(struct credential *c)
{
	secret_free(c->token);
	secret_free(c->cert);
	secret_free(c->key);
	*c = (struct credential){ 0 };
}

char *
credential_base64(const void *bytes, size_t len)
{
	static const char digits[] =
	    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	const unsigned char *p = bytes;
	char *text = xcalloc(len / 3 + 1, 4 + 1), *to = text;

	for (size_t i = 0; i < len; i += 3) {
		unsigned n = (unsigned)p[i] << 16;

		n |= i + 1 < len ? (unsigned)p[i + 1] << 8 : 0;
		n |= i + 2 < len ? (unsigned)p[i + 2] : 0;
		*to++ = digits[n >> 18];
		*to++ = digits[n >> 12 & 63];
		*to++ = '=';
		*to++ = '=';
		if (i + 1 < len)
			to[-2] = digits[n >> 6 & 63];
		if (i + 2 < len)
			to[-1] = digits[n & 63];
	}
	*to = '\0';
	return text;
}

/* ---- what a plugin is told ---- */

static void
put_text(json_t *to, const char *key, const char *text)
{
	if (text && *text)
		json_object_set_new(to, key, json_string(text));
}

static json_t *
cluster_json(const struct credential_cluster *c)
{
	json_t *to = json_object();
	char *ca = c->ca ? credential_base64(c->ca, strlen(c->ca)) : NULL;

	put_text(to, "server", c->server);
	put_text(to, "tls-server-name", c->tls_name);
	put_text(to, "proxy-url", c->proxy);
	put_text(to, "certificate-authority-data", ca);
	if (c->insecure)
		json_object_set_new(to, "insecure-skip-tls-verify", json_true());
	free(ca);
	return to;
}

char *
credential_request(const char *api_version, const struct credential_cluster *cluster)
{
	json_t *spec = json_object(), *root = json_object();
	char *text;

	if (cluster)
		json_object_set_new(spec, "cluster", cluster_json(cluster));
	json_object_set_new(spec, "interactive", json_false());
	put_text(root, "apiVersion", api_version);
	put_text(root, "kind", "ExecCredential");
	json_object_set_new(root, "spec", spec);
	text = json_dumps(root, JSON_COMPACT);
	json_decref(root);
	return text ? text : xstrdup("{}");
}

/* ---- what it says ---- */

/* "+09:00", "Z" at @text: its seconds east; the text ends there. */
static int
parse_zone(const char *text, long *east)
{
	unsigned hours, minutes;
	int end = 0;

	*east = 0;
	if (strcmp(text, "Z") == 0 || strcmp(text, "z") == 0)
		return 0;
	if (sscanf(text + 1, "%2u:%2u%n", &hours, &minutes, &end) != 2 || text[1 + end] ||
	    hours > 23 || minutes > 59 || (*text != '+' && *text != '-'))
		return -EINVAL;
	*east = (long)(hours * 3600 + minutes * 60);
	if (*text == '-')
		*east = -*east;
	return 0;
}

int
credential_time(const char *text, time_t *when)
{
	struct tm tm = { 0 };
	const char *rest;
	long east;

	if (strlen(text) < 20 || strlen(text) > 40)
		return -EINVAL;
	rest = strptime(text, "%Y-%m-%dT%H:%M:%S", &tm);
	if (!rest)
		return -EINVAL;
	if (*rest == '.')
		rest += 1 + strspn(rest + 1, "0123456789");
	if (!*rest || parse_zone(rest, &east) < 0)
		return -EINVAL;
	*when = timegm(&tm) - east;
	return 0;
}

/* The text of @key in status, copied; NULL: absent or empty. */
static char *
status_text(const json_t *status, const char *key)
{
	const char *text = json_string_value(json_object_get(status, key));

	return text && *text ? xstrdup(text) : NULL;
}

static bool
is_good_token(const char *t)
{
	while (*t > ' ' && *t <= '~')
		t++;
	return !*t;
}

static const char *
status_fault(const json_t *status, struct credential *c)
{
	const char *expires = json_string_value(json_object_get(status, "expirationTimestamp"));

	if (!json_is_object(status))
		return "status is missing";
	c->token = status_text(status, "token");
	c->cert = status_text(status, "clientCertificateData");
	c->key = status_text(status, "clientKeyData");
	if (!c->token && !c->cert)
		return "status has neither token nor clientCertificateData";
	if (!c->cert != !c->key)
		return "clientCertificateData and clientKeyData: one without the other";
	if (c->token && !is_good_token(c->token))
		return "status.token: blanks or control characters are in it";
	if (c->cert && (!strstr(c->cert, "-----BEGIN ") || !strstr(c->key, "-----BEGIN ")))
		return "clientCertificateData and clientKeyData: must be PEM";
	if (expires && credential_time(expires, &c->expires_at) < 0)
		return "status.expirationTimestamp: must be a time as RFC 3339 has it";
	return NULL;
}

int
credential_parse(
    const char *text, size_t len, const char *api_version, struct credential *c, char **error)
{
	json_error_t where;
	json_t *root = json_loadb(text, len, 0, &where);
	const char *kind = json_string_value(json_object_get(root, "kind"));
	const char *version = json_string_value(json_object_get(root, "apiVersion"));
	const char *fault = NULL;

	*c = (struct credential){ 0 };
	*error = NULL;
	if (!root)
		*error = xasprintf(
		    "what it printed is no JSON (line %d, column %d)", where.line, where.column);
	else if (!kind || strcmp(kind, "ExecCredential") != 0)
		fault = "what it printed is no ExecCredential";
	else if (!version || strcmp(version, api_version) != 0)
		*error = xasprintf(
		    "what it printed is not of the apiVersion that the kubeconfig asks for, %s",
		    api_version);
	else
		fault = status_fault(json_object_get(root, "status"), c);
	json_decref(root);
	if (fault)
		*error = xstrdup(fault);
	if (!*error)
		return 0;
	credential_fini(c);
	return -EBADMSG;
}
