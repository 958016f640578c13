/*
 * kube/http_easy.c: the options of one transfer: where to, who we are, what we trust.  See
 * http_parts.h; http.c runs it.
 */
#include "kube/http_parts.h"

#include "kube/words.h"

#include "lib/mem.h"

#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#define CONNECT_MS 10000L /* name, TCP and TLS */
#define KEEP_IDLE_S 30L
#define KEEP_INTERVAL_S 10L
#define UNACKED_MS 30000u /* what was sent and not acknowledged: the other end is gone */

/* ---- where ---- */

/*
 * With tls-server-name the URL names what the certificate must say, since libcurl checks the name that
 * it was given; the connection goes to the real place, and Host says the real one.
 */
int
http_place_init(struct kube_http *h)
{
	const char *server = kube_access_server(h->access);
	const char *name = kube_access_tls_name(h->access);
	const char *host = strstr(server, "://") + 3;
	size_t len = strcspn(host, "/"), host_len = *host == '[' ? strcspn(host, "]") + 1 : 0;
	const char *port, *path = host + len;
	bool v6 = strchr(name, ':') && *name != '[';

	if (!*name) {
		h->base = xstrdup(server);
		return 0;
	}
	if (host_len == 0)
		host_len = strcspn(host, ":/");
	if (host_len > len)
		return -EINVAL;
	port = host[host_len] == ':'		? host + host_len + 1
	    : strncmp(server, "https:", 6) == 0 ? "443"
						: "80";
	h->base = xasprintf("%.*s%s%s%s:%.*s%s", (int)(host - server), server, v6 ? "[" : "", name,
	    v6 ? "]" : "", (int)strcspn(port, "/"), port, path);
	h->connect_to =
	    xasprintf("::%.*s:%.*s", (int)host_len, host, (int)strcspn(port, "/"), port);
	h->host = xasprintf("Host: %.*s", (int)len, host);
	return 0;
}

void
http_place_fini(struct kube_http *h)
{
	free(h->base);
	free(h->connect_to);
	free(h->host);
}

/* Ours alone, and given up when the other end stays silent on what it must acknowledge. */
static int
on_sockopt(void *arg, curl_socket_t fd, curlsocktype purpose)
{
	unsigned ms = UNACKED_MS;

	(void)arg;
	(void)purpose;
	/* Both only make things better: a kernel that refuses them is no reason to stay away. */
	fcntl(fd, F_SETFD, FD_CLOEXEC);
	setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &ms, sizeof(ms));
	return CURL_SOCKOPT_OK;
}

/* ---- options ---- */

/* Takes @text over, wiped after libcurl has its copy. */
static bool
add_header(struct kube_call *c, char *text)
{
	struct curl_slist *more = curl_slist_append(c->headers, text);

	secret_free(text);
	if (!more)
		return false;
	c->headers = more;
	return true;
}

static int
set_headers(struct kube_call *c, const char *authorization)
{
	bool ok = add_header(c, xstrdup("Accept: application/json"));

	/* On a cluster's own network packing costs more time than it saves; who packs all the same is
	 * understood (CURLOPT_ACCEPT_ENCODING). */
	ok = ok && add_header(c, xstrdup("Accept-Encoding: identity"));
	ok = ok && add_header(c, xstrdup("Expect:"));
	if (c->http->host)
		ok = ok && add_header(c, xstrdup(c->http->host));
	if (c->type)
		ok = ok && add_header(c, xasprintf("Content-Type: %s", c->type));
	if (authorization)
		ok = ok && add_header(c, xasprintf("Authorization: %s", authorization));
	curl_easy_setopt(c->easy, CURLOPT_HTTPHEADER, c->headers);
	curl_easy_setopt(c->easy, CURLOPT_HEADEROPT, (long)CURLHEADER_SEPARATE);
	return ok ? 0 : -ENOMEM;
}

static void
set_request(struct kube_call *c)
{
	CURL *e = c->easy;

	curl_easy_setopt(e, CURLOPT_URL, c->url);
	curl_easy_setopt(e, CURLOPT_PATH_AS_IS, 1L);
	curl_easy_setopt(e, CURLOPT_DISALLOW_USERNAME_IN_URL, 1L);
	if (strcmp(c->method, "HEAD") == 0) {
		curl_easy_setopt(e, CURLOPT_NOBODY, 1L);
	} else if (strcmp(c->method, "GET") != 0) {
		curl_easy_setopt(e, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)c->body_len);
		curl_easy_setopt(e, CURLOPT_POSTFIELDS, c->body ? c->body : "");
		curl_easy_setopt(e, CURLOPT_CUSTOMREQUEST, c->method);
	}
	curl_easy_setopt(e, CURLOPT_ACCEPT_ENCODING, "gzip");
	curl_easy_setopt(e, CURLOPT_USERAGENT, "herald/" HERALD_VERSION);
	/* Whoever redirects us would get our token. */
	curl_easy_setopt(e, CURLOPT_FOLLOWLOCATION, 0L);
	curl_easy_setopt(e, CURLOPT_PROTOCOLS_STR, "http,https");
}

static void
set_connection(struct kube_call *c)
{
	const char *proxy = kube_access_proxy(c->http->access);
	CURL *e = c->easy;

	curl_easy_setopt(e, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(e, CURLOPT_QUICK_EXIT, 1L); /* does not wait for a resolver's thread */
	curl_easy_setopt(e, CURLOPT_CONNECTTIMEOUT_MS, CONNECT_MS);
	curl_easy_setopt(e, CURLOPT_TCP_KEEPALIVE, 1L);
	curl_easy_setopt(e, CURLOPT_TCP_KEEPIDLE, KEEP_IDLE_S);
	curl_easy_setopt(e, CURLOPT_TCP_KEEPINTVL, KEEP_INTERVAL_S);
	curl_easy_setopt(e, CURLOPT_SOCKOPTFUNCTION, on_sockopt);
	curl_easy_setopt(e, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_2TLS);
	curl_easy_setopt(e, CURLOPT_PIPEWAIT, 1L);
	if (*proxy)
		curl_easy_setopt(e, CURLOPT_PROXY, proxy);
	curl_easy_setopt(e, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
}

static CURLcode
set_blob(CURL *e, CURLoption option, const char *text)
{
	struct curl_blob blob = {
		.data = (void *)(uintptr_t)text, .len = strlen(text), .flags = CURL_BLOB_COPY
	};

	return curl_easy_setopt(e, option, &blob);
}

static int
set_tls(struct kube_call *c)
{
	struct kube_access *a = c->http->access;
	const char *ca = kube_access_ca(a), *cert = kube_access_client_cert(a);
	const char *key = kube_access_client_key(a);
	bool verify = !kube_access_insecure(a);
	CURL *e = c->easy;
	CURLcode err = CURLE_OK;

	curl_easy_setopt(e, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
	curl_easy_setopt(e, CURLOPT_SSL_VERIFYPEER, verify ? 1L : 0L);
	curl_easy_setopt(e, CURLOPT_SSL_VERIFYHOST, verify ? 2L : 0L);
	if (ca) {
		/* That one only: libcurl would trust the system's folder beside it. */
		curl_easy_setopt(e, CURLOPT_CAPATH, NULL);
		err = set_blob(e, CURLOPT_CAINFO_BLOB, ca);
	}
	if (!err && cert && key) {
		curl_easy_setopt(e, CURLOPT_SSLCERTTYPE, "PEM");
		curl_easy_setopt(e, CURLOPT_SSLKEYTYPE, "PEM");
		err = set_blob(e, CURLOPT_SSLCERT_BLOB, cert);
		if (!err)
			err = set_blob(e, CURLOPT_SSLKEY_BLOB, key);
	}
	return err ? -ENOMEM : 0;
}

int
http_easy_make(struct kube_call *c, const char *authorization)
{
	struct curl_slist *to = NULL;
	int err;

	c->easy = curl_easy_init();
	if (!c->easy)
		return -ENOMEM;
	curl_easy_setopt(c->easy, CURLOPT_PRIVATE, c);
	curl_easy_setopt(c->easy, CURLOPT_ERRORBUFFER, c->curl_error);
	set_request(c);
	set_connection(c);
	err = set_tls(c);
	if (err == 0)
		err = set_headers(c, authorization);
	if (err == 0 && c->http->connect_to) {
		to = curl_slist_append(NULL, c->http->connect_to);
		err = to ? 0 : -ENOMEM;
		curl_easy_setopt(c->easy, CURLOPT_CONNECT_TO, to);
	}
	c->connect_to = to;
	c->auth = err == 0 && authorization ? xstrdup(authorization) : NULL;
	if (err < 0)
		http_easy_free(c);
	return err;
}

void
http_easy_free(struct kube_call *c)
{
	if (c->easy)
		curl_easy_cleanup(c->easy);
	c->easy = NULL;
	for (struct curl_slist *s = c->headers; s; s = s->next)
		mem_wipe(s->data, strlen(s->data));
	curl_slist_free_all(c->headers);
	curl_slist_free_all(c->connect_to);
	c->headers = NULL;
	c->connect_to = NULL;
	secret_free(c->auth);
	c->auth = NULL;
}
