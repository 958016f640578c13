/*
 * tests/unit/kube/test_http.c: what the client sends, whom it trusts, and what it makes of answers
 * that are broken in every way we could think of (server.py), over real TLS on loopback.
 */
#include "tests/unit/kube/httpkit.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- what is sent ---- */

START_TEST(a_request_says_who_we_are)
{
	struct result *r = get("/echo/a/b?limit=500&labelSelector=a%3Db");
	json_t *v = body_json(r);

	ck_assert_int_eq(r->status, 200);
	ck_assert_str_eq(r->error, "");
	ck_assert_str_eq(text_at(v, "method", NULL), "GET");
	ck_assert_str_eq(text_at(v, "path", NULL), "/echo/a/b");
	ck_assert_str_eq(text_at(v, "query", "labelSelector"), "a=b");
	ck_assert_str_eq(text_at(v, "headers", "authorization"), "Bearer sesame-of-the-test");
	ck_assert_str_eq(text_at(v, "headers", "accept"), "application/json");
	ck_assert_str_eq(text_at(v, "headers", "content-type"), "(none)");
	ck_assert_str_eq(text_at(v, "headers", "accept-encoding"), "identity");
	ck_assert_int_eq(strncmp(text_at(v, "headers", "user-agent"), "herald/", 7), 0);
	ck_assert(kube_http_reachable(http));
	json_decref(v);
}
END_TEST

static const char *const methods[] = { "POST", "PUT", "PATCH", "DELETE" };

START_TEST(a_body_is_sent_as_it_is)
{
	struct result r = { 0 };
	char body[] = "{\"a\":\"b\"}";
	struct kube_request q = { .method = methods[_i % 4],
		.path = "/echo",
		.content_type = "application/merge-patch+json",
		.body = _i < 4 ? body : NULL,
		.len = strlen(body),
		.done = on_done,
		.arg = &r };
	json_t *v;

	buf_init(&r.body, 1 << 20);
	kube_call(http, &q);
	memset(body, 'x', sizeof(body) - 1); /* it was copied */
	wait_for(&r.done);
	v = body_json(&r);
	ck_assert_str_eq(text_at(v, "method", NULL), methods[_i % 4]);
	ck_assert_str_eq(text_at(v, "body", NULL), _i < 4 ? "{\"a\":\"b\"}" : "");
	ck_assert_str_eq(text_at(v, "headers", "content-type"), "application/merge-patch+json");
	json_decref(v);
	result_fini(&r);
}
END_TEST

START_TEST(connections_are_kept)
{
	json_t *v;

	get("/count?clear=1");
	for (int i = 0; i < 5; i++)
		get("/echo");
	v = body_json(get("/count"));
	ck_assert_int_eq(json_integer_value(json_object_get(v, "connections")), 0);
	json_decref(v);
}
END_TEST

/* ---- whom we trust ---- */

static const struct {
	const char *cluster;
	const char *error; /* NULL: it works */
} trust[] = {
	{ GOOD, NULL },
	{ "    server: https://localhost:%PORT:tls%/\n    certificate-authority: ca.crt\n", NULL },
	{ "    server: https://[::1]:%PORT:tls6%\n    certificate-authority: ca.crt\n", NULL },
	{ "    server: https://127.0.0.1:%PORT:expired%\n    certificate-authority: ca.crt\n",
	    "expired" },
	{ "    server: https://127.0.0.1:%PORT:othername%\n    certificate-authority: ca.crt\n",
	    "127.0.0.1" },
	{ "    server: https://127.0.0.1:%PORT:otherca%\n    certificate-authority: ca.crt\n",
	    "certificate-authority" },
	/* Without one of ours the system's count, and ours is not among them. */
	{ "    server: https://127.0.0.1:%PORT:tls%\n", "certificate" },
	{ "    server: https://127.0.0.1:%PORT:tls%\n    certificate-authority: stranger.crt\n",
	    "certificate" },
	/* The name that is to be in the certificate is another than that of the place. */
	{ "    server: https://127.0.0.1:%PORT:othername%\n    certificate-authority: ca.crt\n"
	  "    tls-server-name: elsewhere.test\n",
	    NULL },
	{ "    server: https://[::1]:%PORT:tls6%\n    certificate-authority: ca.crt\n"
	  "    tls-server-name: kube.test\n",
	    NULL },
	{ "    server: https://127.0.0.1:%PORT:tls%\n    certificate-authority: ca.crt\n"
	  "    tls-server-name: wrong.test\n",
	    "tls-server-name" },
	{ "    server: https://127.0.0.1:%PORT:expired%\n    certificate-authority: ca.crt\n"
	  "    tls-server-name: kube.test\n",
	    "expired" },
};

START_TEST(certificates_are_verified)
{
	struct result *r;

	close_http();
	open_http(trust[_i].cluster, TOKEN);
	r = get("/echo");
	if (trust[_i].error) {
		ck_assert_int_eq(r->status, 0);
		HAS(r->error, trust[_i].error);
		HAS(r->error, "GET https://");
		ck_assert(!kube_http_reachable(http));
	} else {
		ck_assert_msg(r->status == 200, "%s", r->error);
	}
	ck_assert_str_eq(logged, "");
}
END_TEST

START_TEST(host_stays_the_real_one_beside_a_tls_name)
{
	char host[32];
	json_t *v;

	close_http();
	open_http("    server: https://127.0.0.1:%PORT:tls%/echo/prefix/\n"
		  "    certificate-authority: ca.crt\n    tls-server-name: kube.test\n",
	    TOKEN);
	v = body_json(get("/api"));
	snprintf(host, sizeof(host), "127.0.0.1:%u", server_port("tls"));
	ck_assert_str_eq(text_at(v, "headers", "host"), host);
	ck_assert_str_eq(text_at(v, "path", NULL), "/echo/prefix/api");
	json_decref(v);
}
END_TEST

START_TEST(insecure_is_warned_of_once)
{
	struct result *r;
	char *at;

	close_http();
	open_http("    server: https://127.0.0.1:%PORT:otherca%\n"
		  "    insecure-skip-tls-verify: true\n",
	    TOKEN);
	for (int i = 0; i < 3; i++) {
		r = get("/echo");
		ck_assert_int_eq(r->status, 200);
	}
	at = strstr(logged, "kube-tls-not-verified");
	ck_assert_ptr_nonnull(at);
	HAS(logged, "level=warn");
	ck_assert_ptr_null(strstr(at + 1, "kube-tls-not-verified"));
}
END_TEST

START_TEST(no_token_goes_out_without_tls)
{
	json_t *v;

	close_http();
	open_http("    server: http://127.0.0.1:%PORT:plain%\n", TOKEN);
	v = body_json(get("/echo"));
	ck_assert_str_eq(text_at(v, "headers", "authorization"), "(none)");
	json_decref(v);
	HAS(logged, "kube-tls-not-used");
}
END_TEST

START_TEST(client_certificates_are_shown)
{
	json_t *v;

	close_http();
	open_http(
	    "    server: https://127.0.0.1:%PORT:mutual%\n    certificate-authority: ca.crt\n",
	    "    client-certificate: client.crt\n    client-key: client.key\n");
	v = body_json(get("/echo"));
	ck_assert_str_eq(
	    json_string_value(json_array_get(json_array_get(json_object_get(v, "peer"), 1), 1)),
	    "client");
	ck_assert_str_eq(text_at(v, "headers", "authorization"), "(none)");
	json_decref(v);
	close_http();
	open_http(
	    "    server: https://127.0.0.1:%PORT:mutual%\n    certificate-authority: ca.crt\n",
	    TOKEN);
	ck_assert_int_eq(get("/echo")->status, 0);
	/* A key of another certificate. */
	close_http();
	open_http(
	    "    server: https://127.0.0.1:%PORT:mutual%\n    certificate-authority: ca.crt\n",
	    "    client-certificate: client.crt\n    client-key: client2.key\n");
	HAS(get("/echo")->error, "client-key must be PEM and belong together");
}
END_TEST

/* ---- files that are exchanged while we run ---- */

static void
copy_file(const char *from, const char *to)
{
	FILE *f = fopen(server_path(from), "r");
	char text[16384];
	size_t n;

	ck_assert_ptr_nonnull(f);
	n = fread(text, 1, sizeof(text) - 1, f);
	fclose(f);
	text[n] = '\0';
	server_write(to, text);
}

/* Who is not trusted any more is not talked to any more either: not over a connection that is there. */
START_TEST(authorities_that_were_exchanged_count)
{
	close_http();
	copy_file("ca.crt", "now.crt");
	open_http("    server: https://127.0.0.1:%PORT:tls%\n    certificate-authority: now.crt\n",
	    TOKEN);
	ck_assert_int_eq(get("/echo")->status, 200);
	copy_file("stranger.crt", "now.crt");
	ck_assert_int_eq(get("/echo")->status, 0);
	copy_file("ca.crt", "now.crt");
	ck_assert_int_eq(get("/echo")->status, 200);
}
END_TEST

START_TEST(a_client_certificate_that_was_exchanged_is_shown)
{
	static const char *const names[] = { "client", "client2" };
	char from[32];
	json_t *v;

	close_http();
	for (int i = 0; i < 2; i++) {
		snprintf(from, sizeof(from), "%s.crt", names[i]);
		copy_file(from, "now.crt");
		snprintf(from, sizeof(from), "%s.key", names[i]);
		copy_file(from, "now.key");
		if (!http)
			open_http("    server: https://127.0.0.1:%PORT:mutual%\n"
				  "    certificate-authority: ca.crt\n",
			    "    client-certificate: now.crt\n    client-key: now.key\n");
		v = body_json(get("/echo"));
		ck_assert_str_eq(json_string_value(json_array_get(
				     json_array_get(json_object_get(v, "peer"), 1), 1)),
		    names[i]);
		json_decref(v);
	}
}
END_TEST

START_TEST(a_proxy_is_asked_to_connect)
{
	json_t *v, *seen;
	char target[32];

	get("/count?clear=1");
	close_http();
	open_http(GOOD "    proxy-url: http://user:sesame2@127.0.0.1:%PORT:proxy%\n", TOKEN);
	v = body_json(get("/echo"));
	ck_assert_str_eq(text_at(v, "headers", "authorization"), "Bearer sesame-of-the-test");
	json_decref(v);
	v = body_json(get("/count"));
	seen = json_array_get(json_object_get(v, "proxied"), 0);
	snprintf(target, sizeof(target), "127.0.0.1:%u", server_port("tls"));
	ck_assert_str_eq(text_at(seen, "method", NULL), "CONNECT");
	ck_assert_str_eq(text_at(seen, "headers", "host"), target);
	ck_assert_str_eq(text_at(seen, "headers", "authorization"), "(none)");
	HAS(text_at(seen, "headers", "proxy-authorization"), "Basic ");
	json_decref(v);
	close_http();
	open_http(GOOD "    proxy-url: http://user:sesame2@127.0.0.1:1\n", TOKEN);
	ck_assert_int_eq(get("/echo")->status, 0);
}
END_TEST

/* ---- answers that are none ---- */

static const struct {
	const char *path, *error;
} broken[] = {
	{ "/reset", "answer is not whole" },
	{ "/half-chunk", "answer is not whole" },
	{ "/no-last-chunk", "answer is not whole" },
	{ "/short", "answer is not whole" },
	{ "/bad-chunk", "" },
	{ "/garbage", "HTTP/0.9" },
	{ "/silence", "" },
	{ "/endless-headers", "headers are longer" },
	{ "/long-header", "" },
	{ "/endless-continue", "headers are longer" },
	{ "/endless-body", "the answer is longer than 16777216 bytes" },
	{ "/bytes?n=16777217", "the answer is longer than 16777216 bytes" },
	{ "/bad-gzip", "" },
	{ "/gzip?n=40000000", "the answer is longer" },
};

START_TEST(what_is_not_whole_is_no_answer)
{
	struct result *r = get(broken[_i].path);

	ck_assert_int_eq(r->status, 0);
	ck_assert_uint_eq(r->body.len, 0);
	HAS(r->error, broken[_i].error);
	HAS(r->error, "GET https://127.0.0.1:");
	ck_assert_ptr_null(strchr(r->error, '?'));
	ck_assert(!kube_http_reachable(http));
	/* And it goes on. */
	ck_assert_int_eq(get("/echo")->status, 200);
	ck_assert(kube_http_reachable(http));
}
END_TEST

START_TEST(a_stream_that_breaks_tells_what_came)
{
	static const char *const paths[] = { "/reset", "/half-chunk", "/no-last-chunk" };
	struct result r;

	start(&r, paths[_i], true);
	wait_for(&r.done);
	ck_assert_int_eq(r.status, 0);
	ck_assert_uint_le(r.stream.len, 1100);
	if (_i == 2)
		ck_assert_str_eq(buf_text(&r.stream), "{\"whole\":\"json\"}");
	result_fini(&r);
}
END_TEST

START_TEST(nobody_listens)
{
	close_http();
	open_http("    server: https://127.0.0.1:1\n    certificate-authority: ca.crt\n", TOKEN);
	HAS(get("/echo")->error, "does the server run");
	close_http();
	open_http(
	    "    server: https://no-such-host.invalid\n    certificate-authority: ca.crt\n", TOKEN);
	HAS(get("/echo")->error, "no-such-host.invalid");
}
END_TEST

/* Many at once to nobody: each is told. */
START_TEST(many_calls_to_nobody_all_end)
{
	static struct result r[50];

	close_http();
	open_http("    server: https://127.0.0.1:1\n    certificate-authority: ca.crt\n", TOKEN);
	for (int i = 0; i < 50; i++)
		start(&r[i], "/echo", i % 2);
	for (int i = 0; i < 50; i++) {
		wait_for(&r[i].done);
		ck_assert_int_eq(r[i].status, 0);
		result_fini(&r[i]);
	}
}
END_TEST

/* ---- answers that are errors ---- */

static const struct {
	const char *path;
	int status, code;
	const char *reason;
	unsigned retry_min, retry_max;
	const char *error;
} refusals[] = {
	{ "/nothing/here", 404, 404, "", 0, 0, ": 404 Not Found: 404 page not found" },
	{ "/text?code=429&body=Too+many+requests,+please+try+again+later.%0A", 429, 429, "", 0, 0,
	    "429 Too Many Requests: Too many requests, please try again later." },
	{ "/status?code=429&reason=TooManyRequests&header=7&after=3", 429, 429, "TooManyRequests",
	    7, 7, "429" },
	{ "/status?code=429&date=100", 429, 429, "", 95, 101, "429" },
	{ "/status?code=429&date=-100", 429, 429, "", 0, 0, "429" },
	{ "/status?code=429&header=nonsense&after=9", 429, 429, "", 9, 9, "429" },
	{ "/status?code=429&header=99999999999999", 429, 429, "", 3600, 3600, "429" },
	{ "/status?code=503&reason=ServiceUnavailable&message=starting&after=10", 503, 503,
	    "ServiceUnavailable", 10, 10, "503 Service Unavailable: starting" },
	{ "/status?code=503&after=-5", 503, 503, "", 0, 0, "503" },
	{ "/status?code=410&reason=Expired&message=too+old", 410, 410, "Expired", 0, 0,
	    "410 Gone: too old" },
	{ "/text?code=500&body=%3Chtml%3E%3Cbody%3EOops", 500, 500, "", 0, 0,
	    "500 Internal Server Error" },
	{ "/text?code=502&body=a%00b%07%1b[31m%ff+c%0A%0A+d", 502, 502, "", 0, 0,
	    "502 Bad Gateway: a" },
	{ "/status?code=409&reason=Conflict&message=x%0A%1b%5B31m+y", 409, 409, "Conflict", 0, 0,
	    "409 Conflict: x [31m y" },
	{ "/endless-body?status=500", 500, 500, "", 0, 0, "500 Internal Server Error" },
	{ "/redirect?code=307&to=https://127.0.0.1/echo", 307, 307, "", 0, 0, "not followed" },
	{ "/auth?want=other", 401, 401, "Unauthorized", 0, 0,
	    "401 Unauthorized: Unauthorized; the server does not accept the credentials" },
	{ "/leak", 400, 400, "", 0, 0, "Authorization: Bearer *****" },
	{ "/leak?json=1", 400, 400, "BadRequest", 0, 0, "Authorization: Bearer *****" },
};

START_TEST(an_error_is_put_into_words)
{
	struct result *r = get(refusals[_i].path);

	ck_assert_msg(r->status == refusals[_i].status, "%d %s", r->status, r->error);
	ck_assert_int_eq(r->code, refusals[_i].code);
	ck_assert_str_eq(r->reason, refusals[_i].reason);
	ck_assert_uint_ge(r->retry_after_s, refusals[_i].retry_min);
	ck_assert_uint_le(r->retry_after_s, refusals[_i].retry_max);
	HAS(r->error, refusals[_i].error);
	for (const char *c = r->error; *c; c++)
		ck_assert_msg((unsigned char)*c >= ' ', "%s", r->error);
	ck_assert(kube_http_reachable(http));
}
END_TEST

#define CANNOT(what) "forbidden: User \"u\" cannot " what

/* As the API server says it, and which rule that is. */
static const struct {
	const char *message, *rule;
} forbidden[] = {
	{ CANNOT("list resource \"services\" in API group \"\" at the cluster scope"),
	    "(ClusterRole): apiGroups: [\"\"], resources: [\"services\"], verbs: [\"list\"]" },
	{ CANNOT("patch resource \"services/status\" in API group \"\" in the namespace \"prod\""),
	    "(ClusterRole, or Role in the namespace prod): apiGroups: [\"\"], resources: "
	    "[\"services/status\"], verbs: [\"patch\"]" },
	{ CANNOT("get resource \"leases\" in API group \"coordination.k8s.io\" in the namespace "
		 "\"x\": RBAC: role.rbac \"y\" not found"),
	    "apiGroups: [\"coordination.k8s.io\"], resources: [\"leases\"], verbs: [\"get\"]" },
	{ CANNOT("get path \"/metrics\""), "nonResourceURLs: [\"/metrics\"], verbs: [\"get\"]" },
	{ CANNOT("get resource \"leas"), "403 Forbidden: forbidden" },
	{ CANNOT("sing"), "403 Forbidden: forbidden" },
	{ "admission webhook said no", "403 Forbidden: admission webhook said no" },
	{ "", "403 Forbidden" },
};

START_TEST(a_403_names_the_rule)
{
	json_t *v = json_pack(
	    "{s:s,s:s,s:i}", "kind", "Status", "message", forbidden[_i].message, "code", 403);
	char *body = json_dumps(v, 0), text[1024], few[16];

	kube_status_text(body, strlen(body), 403, text, sizeof(text));
	HAS(text, forbidden[_i].rule);
	HAS(text, forbidden[_i].message);
	kube_status_text(body, strlen(body), 403, few, sizeof(few));
	ck_assert_uint_eq(strlen(few), _i == 7 ? 13 : 15);
	/* Half of it, and things that are no Status. */
	for (size_t n = 0; n < strlen(body); n++)
		kube_status_text(body, n, 403, text, sizeof(text));
	free(body);
	json_decref(v);
}
END_TEST

/* When the server does not say what it was about, the request does. */
static const struct {
	const char *method, *path, *rule;
} asked[] = {
	{ "GET", "/api/v1/services?limit=5",
	    "apiGroups: [\"\"], resources: [\"services\"], verbs: [\"list\"]" },
	{ "GET", "/api/v1/services?watch=1", "resources: [\"services\"], verbs: [\"watch\"]" },
	{ "GET", "/api/v1/namespaces", "resources: [\"namespaces\"], verbs: [\"list\"]" },
	{ "GET", "/api/v1/namespaces/a", "resources: [\"namespaces\"], verbs: [\"get\"]" },
	{ "PATCH", "/api/v1/namespaces/a/services/b/status",
	    "namespace a): apiGroups: [\"\"], resources: [\"services/status\"], verbs: "
	    "[\"patch\"]" },
	{ "POST", "/apis/coordination.k8s.io/v1/namespaces/a/leases",
	    "apiGroups: [\"coordination.k8s.io\"], resources: [\"leases\"], verbs: [\"create\"]" },
	{ "PUT", "/apis/heraldlb.io/v1/ippools/x",
	    "resources: [\"ippools\"], verbs: [\"update\"]" },
	{ "DELETE", "/api/v1/nodes/x", "verbs: [\"delete\"]" },
	{ "DELETE", "/api/v1/nodes", "verbs: [\"deletecollection\"]" },
	{ "GET", "/apis", "403 Forbidden" },
	{ "GET", "/api/v1", "403 Forbidden" },
};

START_TEST(a_403_without_words_is_about_what_was_asked)
{
	struct result r = { 0 };
	struct kube_request q = {
		.method = asked[_i].method, .path = asked[_i].path, .done = on_done, .arg = &r
	};

	buf_init(&r.body, 1 << 20);
	ck_assert_ptr_nonnull(kube_call(http, &q));
	wait_for(&r.done);
	ck_assert_int_eq(r.status, 403);
	HAS(r.error, asked[_i].rule);
	result_fini(&r);
}
END_TEST

/* An error's body is no part of the stream. */
START_TEST(a_stream_that_is_refused_gets_no_data)
{
	struct result r;

	start(&r, "/status?code=410&reason=Expired", true);
	wait_for(&r.done);
	ck_assert_int_eq(r.status, 410);
	ck_assert_uint_eq(r.nr_data, 0);
	HAS(buf_text(&r.body), "Expired");
	result_fini(&r);
}
END_TEST

START_TEST(redirects_are_not_followed)
{
	char path[128];
	json_t *v;

	get("/count?clear=1");
	snprintf(path, sizeof(path), "/redirect?code=%d&to=https://127.0.0.1:%u/auth?want=x",
	    301 + _i, server_port("tls"));
	ck_assert_int_eq(get(path)->status, 301 + _i);
	v = body_json(get("/count"));
	ck_assert_int_eq(json_integer_value(json_object_get(v, "tries")), 0);
	json_decref(v);
}
END_TEST

/* ---- 401 ---- */

/* So that the file looks as it did before. */
static void
write_token(const char *text)
{
	struct timespec times[2] = { { .tv_sec = 1000 }, { .tv_sec = 1000 } };

	server_write("token", text);
	ck_assert_int_eq(utimensat(AT_FDCWD, server_path("token"), times, 0), 0);
}

static json_int_t
nr_tries(void)
{
	json_t *v = body_json(get("/count?clear=1"));
	json_int_t n = json_integer_value(json_object_get(v, "tries"));

	json_decref(v);
	return n;
}

START_TEST(a_token_that_was_replaced_is_tried)
{
	write_token("old-token\n");
	close_http();
	open_http(GOOD, "    tokenFile: token\n");
	nr_tries();
	ck_assert_int_eq(get("/auth?want=Bearer_old-token")->status, 200);
	ck_assert_int_eq(nr_tries(), 1);
	/* Not changed: one try is enough. */
	ck_assert_int_eq(get("/auth?want=Bearer_new-token")->status, 401);
	ck_assert_int_eq(nr_tries(), 1);
	/* Changed, which only the 401 makes us see. */
	write_token("new-token\n");
	ck_assert_int_eq(get("/auth?want=Bearer_new-token")->status, 200);
	ck_assert_int_eq(nr_tries(), 2);
	/* Changed, and no good either: told after the second. */
	write_token("bad-token\n");
	ck_assert_int_eq(get("/auth?want=Bearer_old-token")->status, 401);
	ck_assert_int_eq(nr_tries(), 2);
}
END_TEST

/* Two calls with the old token under way; the plugin is asked once, and both get through. */
START_TEST(a_plugin_is_asked_again_after_401)
{
	struct result a, b;

	server_write("plugin",
	    "#!/bin/sh\ncd \"$(dirname \"$0\")\"\necho x >>runs\n"
	    "echo '{\"apiVersion\":\"client.authentication.k8s.io/v1\",\"kind\":\"ExecCredential\","
	    "\"status\":{\"token\":\"run-'$(wc -l <runs)'\"}}'\n");
	ck_assert_int_eq(chmod(server_path("plugin"), 0755), 0);
	unlink(server_path("runs"));
	close_http();
	open_http(
	    GOOD, "    exec: {apiVersion: client.authentication.k8s.io/v1, command: ./plugin}\n");
	start(&a, "/auth?want=Bearer_run-1", false);
	start(&b, "/auth?want=Bearer_run-1", true);
	wait_for(&a.done);
	wait_for(&b.done);
	ck_assert_msg(a.status == 200 && b.status == 200, "%s %s", a.error, b.error);
	result_fini(&a);
	result_fini(&b);
	/* It is quite new: nothing better would come. */
	ck_assert_int_eq(get("/auth?want=Bearer_run-2")->status, 401);
	ck_assert_int_eq(get("/auth?want=Bearer_run-1")->status, 200);
}
END_TEST

START_TEST(without_credentials_calls_end_with_why)
{
	struct result a, b;

	close_http();
	open_http(GOOD,
	    "    exec: {apiVersion: client.authentication.k8s.io/v1, command: sh, args: [-c, 'echo "
	    "no luck >&2; exit 3']}\n");
	start(&a, "/echo", false);
	start(&b, "/echo", true);
	wait_for(&a.done);
	wait_for(&b.done);
	ck_assert_int_eq(a.status, 0);
	HAS(a.error, "no credentials: exec plugin sh: exit status 3; it said: no luck");
	ck_assert_str_eq(a.error, b.error);
	ck_assert(!kube_http_reachable(http));
	result_fini(&a);
	result_fini(&b);
}
END_TEST

static void
add_tests(Suite *s)
{
	TCase *tc = tcase_create("http");

	if (!server_is_there())
		unit_skip("needs python3 and openssl");
	tcase_add_unchecked_fixture(tc, server_start, server_stop);
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, a_request_says_who_we_are);
	tcase_add_loop_test(tc, a_body_is_sent_as_it_is, 0, 8);
	tcase_add_test(tc, connections_are_kept);
	tcase_add_loop_test(tc, certificates_are_verified, 0, sizeof(trust) / sizeof(trust[0]));
	tcase_add_test(tc, host_stays_the_real_one_beside_a_tls_name);
	tcase_add_test(tc, insecure_is_warned_of_once);
	tcase_add_test(tc, no_token_goes_out_without_tls);
	tcase_add_test(tc, client_certificates_are_shown);
	tcase_add_test(tc, authorities_that_were_exchanged_count);
	tcase_add_test(tc, a_client_certificate_that_was_exchanged_is_shown);
	tcase_add_test(tc, a_proxy_is_asked_to_connect);
	tcase_add_loop_test(
	    tc, what_is_not_whole_is_no_answer, 0, sizeof(broken) / sizeof(broken[0]));
	tcase_add_loop_test(tc, a_stream_that_breaks_tells_what_came, 0, 3);
	tcase_add_test(tc, nobody_listens);
	tcase_add_test(tc, many_calls_to_nobody_all_end);
	tcase_add_loop_test(
	    tc, an_error_is_put_into_words, 0, sizeof(refusals) / sizeof(refusals[0]));
	tcase_add_loop_test(tc, a_403_names_the_rule, 0, sizeof(forbidden) / sizeof(forbidden[0]));
	tcase_add_loop_test(
	    tc, a_403_without_words_is_about_what_was_asked, 0, sizeof(asked) / sizeof(asked[0]));
	tcase_add_test(tc, a_stream_that_is_refused_gets_no_data);
	tcase_add_loop_test(tc, redirects_are_not_followed, 0, 8);
	tcase_add_test(tc, a_token_that_was_replaced_is_tried);
	tcase_add_test(tc, a_plugin_is_asked_again_after_401);
	tcase_add_test(tc, without_credentials_calls_end_with_why);
	suite_add_tcase(s, tc);
}

UNIT_MAIN("http", add_tests)
