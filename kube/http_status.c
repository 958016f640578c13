/*
 * kube/http_status.c: what the API server and libcurl say, in words for people: Status objects, plain
 * texts of proxies, and which RBAC rule a 403 is about.  Part of the answers of http.h.
 */
#include "kube/http_parts.h"

#include "kube/words.h"

#include <jansson.h>
#include <stdio.h>
#include <string.h>

#define RETRY_MAX_S 3600
#define PLAIN_MAX 200 /* of a body that is no Status */

/* What somebody was not allowed to do. */
struct asked {
	char verb[24], resource[128], group[128], ns[128];
	bool is_path; /* resource is a path outside the API's objects */
};

/* ---- what was asked for ---- */

/* @len bytes of @from, as much as fits. */
static void
copy(char *to, size_t size, const char *from, size_t len)
{
	snprintf(to, size, "%.*s", (int)len, from);
}

/* The text between the next @before and the " after it; where it ends, or NULL. */
static const char *
quoted_after(const char *text, const char *before, char *to, size_t size)
{
	const char *at = text ? strstr(text, before) : NULL;
	size_t len;

	if (!at)
		return NULL;
	at += strlen(before);
	len = strcspn(at, "\"");
	copy(to, size, at, len);
	return at[len] ? at + len + 1 : NULL;
}

/* `... cannot patch resource "services/status" in API group "" in the namespace "default"` */
static bool
asked_of_message(const char *message, struct asked *a)
{
	const char *at = strstr(message, " cannot "), *rest;

	*a = (struct asked){ 0 };
	if (!at)
		return false;
	at += strlen(" cannot ");
	copy(a->verb, sizeof(a->verb), at, strcspn(at, " "));
	rest = quoted_after(at, "resource \"", a->resource, sizeof(a->resource));
	if (!rest) {
		a->is_path = quoted_after(at, "path \"", a->resource, sizeof(a->resource));
		return a->is_path;
	}
	rest = quoted_after(rest, "API group \"", a->group, sizeof(a->group));
	if (rest)
		quoted_after(rest, "in the namespace \"", a->ns, sizeof(a->ns));
	return rest;
}

/* The next part of a path, without its slash. */
static const char *
next_part(const char *at, char *to, size_t size)
{
	size_t len;

	at += *at == '/';
	len = strcspn(at, "/?");
	copy(to, size, at, len);
	return at + len;
}

static const char *
verb_of(const char *method, bool named, const char *query)
{
	static const char *const verbs[][2] = { { "POST", "create" }, { "PUT", "update" },
		{ "PATCH", "patch" } };

	for (size_t i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++)
		if (strcmp(method, verbs[i][0]) == 0)
			return verbs[i][1];
	if (strcmp(method, "DELETE") == 0)
		return named ? "delete" : "deletecollection";
	if (strstr(query, "watch=1") || strstr(query, "watch=true"))
		return "watch";
	return named ? "get" : "list";
}

/* /api/v1/namespaces/NS/services/NAME/status, /apis/GROUP/VERSION/... */
static bool
asked_of_path(const char *method, const char *path, struct asked *a)
{
	char part[128], name[128], sub[64];
	const char *at = next_part(path, part, sizeof(part)), *rest;

	*a = (struct asked){ 0 };
	if (strcmp(part, "apis") == 0)
		at = next_part(at, a->group, sizeof(a->group));
	else if (strcmp(part, "api") != 0)
		return false;
	at = next_part(at, part, sizeof(part)); /* the version */
	at = next_part(at, a->resource, sizeof(a->resource));
	rest = next_part(at, name, sizeof(name));
	if (strcmp(a->resource, "namespaces") == 0 && *name && *rest == '/') {
		copy(a->ns, sizeof(a->ns), name, strlen(name));
		at = next_part(rest, a->resource, sizeof(a->resource));
		rest = next_part(at, name, sizeof(name));
	}
	rest = next_part(rest, sub, sizeof(sub));
	snprintf(a->verb, sizeof(a->verb), "%s", verb_of(method, *name, rest));
	if (*sub) {
		snprintf(part, sizeof(part), "%.60s/%s", a->resource, sub);
		copy(a->resource, sizeof(a->resource), part, strlen(part));
	}
	return *a->resource;
}

/* ---- words ---- */

static void
forbidden_text(struct status_words *w, const char *message, const struct asked *a)
{
	char where[192] = "ClusterRole";

	if (*a->ns)
		snprintf(where, sizeof(where), "ClusterRole, or Role in the namespace %s", a->ns);
	if (a->is_path)
		snprintf(w->text, sizeof(w->text),
		    "403 Forbidden: %.400s; missing RBAC rule (ClusterRole): "
		    "nonResourceURLs: [\"%s\"], verbs: [\"%s\"]",
		    message, a->resource, a->verb);
	else
		snprintf(w->text, sizeof(w->text),
		    "403 Forbidden: %.400s; missing RBAC rule (%s): apiGroups: [\"%s\"], "
		    "resources: [\"%s\"], verbs: [\"%s\"]",
		    message, where, a->group, a->resource, a->verb);
}

/* What to say of a status when the body says nothing. */
static const char *
status_name(int status)
{
	switch (status) {
	case 400:
		return "Bad Request";
	case 401:
		return "Unauthorized";
	case 403:
		return "Forbidden";
	case 404:
		return "Not Found";
	case 409:
		return "Conflict";
	case 410:
		return "Gone";
	case 422:
		return "Unprocessable Entity";
	case 429:
		return "Too Many Requests";
	case 500:
		return "Internal Server Error";
	case 502:
		return "Bad Gateway";
	case 503:
		return "Service Unavailable";
	case 504:
		return "Gateway Timeout";
	default:
		return status >= 300 && status < 400 ? "Redirect" : "";
	}
}

/* What follows the number: a hint, for those that a configuration causes. */
static const char *
hint_of(int status)
{
	if (status == 401)
		return "; the server does not accept the credentials (token, client certificate)";
	if (status >= 300 && status < 400)
		return "; redirects are not followed: is server the URL of the API server itself?";
	return "";
}

/* The first words of a body that is no JSON: proxies and overload filters send such. */
static void
plain_text(struct status_words *w, const char *body, size_t len)
{
	copy(w->text, PLAIN_MAX, body, len < PLAIN_MAX ? len : PLAIN_MAX);
	words_clean(w->text);
	if (*w->text == '<') /* a page */
		w->text[0] = '\0';
}

static void
read_json(struct status_words *w, const json_t *root)
{
	const char *message = json_string_value(json_object_get(root, "message"));
	const char *reason = json_string_value(json_object_get(root, "reason"));
	json_int_t code = json_integer_value(json_object_get(root, "code"));
	const json_t *details = json_object_get(root, "details");
	json_int_t after = json_integer_value(json_object_get(details, "retryAfterSeconds"));

	snprintf(w->text, sizeof(w->text), "%s", message ? message : "");
	snprintf(w->reason, sizeof(w->reason), "%s", reason ? reason : "");
	words_clean(w->text);
	words_clean(w->reason);
	if (code >= 100 && code <= 999)
		w->code = (int)code;
	if (after > 0)
		w->retry_after_s = after < RETRY_MAX_S ? (unsigned)after : RETRY_MAX_S;
}

void
status_read(struct status_words *w, const char *body, size_t len, int status, const char *method,
    const char *path)
{
	json_t *root = body && len ? json_loadb(body, len, 0, NULL) : NULL;
	char message[HTTP_TEXT_MAX];
	struct asked asked;

	*w = (struct status_words){ .code = status };
	if (json_is_object(root))
		read_json(w, root);
	else if (body && len)
		plain_text(w, body, len);
	json_decref(root);
	snprintf(message, sizeof(message), "%s", w->text);
	if (status == 403 &&
	    (asked_of_message(message, &asked) ||
		(method && path && asked_of_path(method, path, &asked))))
		forbidden_text(w, *message ? message : "no reason given", &asked);
	else
		snprintf(w->text, sizeof(w->text), "%d %s%s%.800s%s", status, status_name(status),
		    *message ? ": " : "", message, hint_of(status));
}

void
kube_status_text(const char *body, size_t len, int status, char *to, size_t size)
{
	struct status_words w;

	status_read(&w, body, len, status, NULL, NULL);
	snprintf(to, size, "%s", w.text);
}

void
status_of_curl(char *to, size_t size, CURLcode result, const char *curl_error, const char *tls_name)
{
	const char *what = *curl_error ? curl_error : curl_easy_strerror(result), *hint = "";

	switch (result) {
	case CURLE_PEER_FAILED_VERIFICATION:
		hint = *tls_name ? "; is tls-server-name a name in its certificate?"
				 : "; is certificate-authority the one that signed its "
				   "certificate, and is the server's name in it?";
		break;
	case CURLE_SSL_CACERT_BADFILE:
		hint = "; certificate-authority must be PEM with certificates";
		break;
	case CURLE_SSL_CERTPROBLEM:
		hint = "; client-certificate and client-key must be PEM and belong together";
		break;
	case CURLE_COULDNT_CONNECT:
	case CURLE_OPERATION_TIMEDOUT:
		hint = "; does the server run, and is the way to it free?";
		break;
	case CURLE_PARTIAL_FILE:
	case CURLE_RECV_ERROR:
	case CURLE_GOT_NOTHING:
		hint = "; the answer is not whole";
		break;
	default:
		break;
	}
	snprintf(to, size, "%s%s", what, hint);
}
