/*
 * tests/unit/kube/test_access.c: kubeconfigs good and bad, a pod's folder, tokens that are replaced.
 */
#include "tests/unit/kube/accesskit.h"

#include <fcntl.h>

/* ---- kubeconfig ---- */

START_TEST(a_whole_kubeconfig)
{
	ck_assert_msg(
	    open_text("apiVersion: v1\nkind: Config\npreferences: {}\ncurrent-context: two\n"
		      "clusters:\n- name: first\n  cluster: {server: https://wrong}\n"
		      "- name: second\n  cluster:\n    server: https://[fd00::1]:6443/\n"
		      "    certificate-authority-data: " PEM64 "\n    tls-server-name: kube.test\n"
		      "    proxy-url: http://proxy:3128\n"
		      "contexts:\n- {name: one, context: {cluster: first, user: me}}\n"
		      "- {name: two, context: {cluster: second, user: me, namespace: herald}}\n"
		      "users:\n- name: me\n  user:\n    client-certificate-data: " PEM64
		      "\n    client-key-data: " KEY64 "\n    token: abc.DEF-123_x\n",
		NULL),
	    "%s", error);
	ck_assert_str_eq(kube_access_server(a), "https://[fd00::1]:6443");
	ck_assert_str_eq(kube_access_namespace(a), "herald");
	ck_assert_str_eq(kube_access_proxy(a), "http://proxy:3128");
	ck_assert_str_eq(kube_access_tls_name(a), "kube.test");
	ck_assert_str_eq(kube_access_ca(a), PEM);
	ck_assert_str_eq(kube_access_client_cert(a), PEM);
	ck_assert_str_eq(kube_access_client_key(a), KEY);
	ck_assert(!kube_access_insecure(a));
	ck_assert_str_eq(header(), "Bearer abc.DEF-123_x");
	ck_assert(!kube_access_refused(a, "Bearer abc.DEF-123_x"));
}
END_TEST

START_TEST(another_context_may_be_asked_for)
{
	static const char text[] = CONTEXT "- {name: y, context: {cluster: d}}\n" SERVER
					   "- {name: d, cluster: {server: http://d}}\n"
					   "users: [{name: u, user: {token: t}}]\n";

	ck_assert(open_text(text, "y"));
	ck_assert_str_eq(kube_access_server(a), "http://d");
	ck_assert_str_eq(kube_access_namespace(a), "");
	ck_assert_ptr_null(kube_access_ca(a));
	ck_assert_ptr_null(kube_access_client_cert(a));
	ck_assert_str_eq(header(), "(none)");
	ck_assert(open_text(text, ""));
	ck_assert_str_eq(kube_access_server(a), "https://k:6443");
	ck_assert(!open_text(text, "z"));
	HAS(error, "z: there is no context of that name");
}
END_TEST

START_TEST(files_are_beside_the_kubeconfig)
{
	char user[256];

	write_file("ca.crt", PEM);
	write_file("c.crt", PEM);
	write_file("c.key", KEY);
	write_file("token", "  from-a-file\n\n");
	snprintf(user, sizeof(user),
	    "{client-certificate: c.crt, client-key: '%s', token: other, tokenFile: token}",
	    path_of("c.key"));
	must_open(user);
	ck_assert_str_eq(kube_access_client_cert(a), PEM);
	ck_assert_str_eq(kube_access_client_key(a), KEY);
	ck_assert_str_eq(header(), "Bearer from-a-file");
	/* Data wins. */
	write_file("c.crt", "no certificate");
	must_open(
	    "{client-certificate: c.crt, client-certificate-data: " PEM64 ", client-key: c.key}");
	ck_assert_str_eq(kube_access_client_cert(a), PEM);
}
END_TEST

START_TEST(basic_is_base64)
{
	must_open("{username: Aladdin, password: 'open sesame'}");
	ck_assert_str_eq(header(), "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==");
	must_open("{username: a}");
	ck_assert_str_eq(header(), "Basic YTo=");
}
END_TEST

/* Whole files and where the fault is said to be. */
static const struct {
	const char *text, *error;
} bad_files[] = {
	{ "", ": it is empty" },
	{ "# only words\n", "kubeconfig" },
	{ "[]", ":1:1: : must be a kubeconfig" },
	{ "just text", "must be a kubeconfig" },
	{ "a: [b\n", "not YAML" },
	{ "\x01", "kubeconfig" },
	{ "clusters: []\n", "current-context: missing" },
	{ "current-context: x\n", "x: there is no context of that name" },
	{ "current-context: [x]\n", ":1:18: current-context: must be a string, not a list" },
	{ "current-context: x\ncontexts: {x: y}\n", "there is no context" },
	{ "current-context: x\ncontexts: [1, [2], {name: x}]\n", "there is no context" },
	{ "current-context: x\ncontexts: [{name: x, context: {}}]\n", "cluster: missing" },
	{ CONTEXT, "c: there is no cluster of that name" },
	{ CONTEXT SERVER, "u: there is no user of that name" },
	{ CONTEXT "clusters: [{name: c, cluster: {}}]\n", "server: must be the URL" },
	{ CONTEXT "clusters: [{name: c, cluster: {server: 'k:6443'}}]\n", "begin with https://" },
	{ CONTEXT "clusters: [{name: c, cluster: {server: 'https://'}}]\n", "name a host" },
	{ CONTEXT "clusters: [{name: c, cluster: {server: 'https://:6443'}}]\n", "name a host" },
	{ CONTEXT "clusters: [{name: c, cluster: {server: 'https://a b'}}]\n", "blanks" },
	{ CONTEXT "clusters: [{name: c, cluster: {server: 'https://a?b'}}]\n", "without query" },
	{ CONTEXT "clusters: [{name: c, cluster: {server: 'https://me:sesame@k'}}]\n",
	    "must not hold a user" },
	{ CONTEXT "clusters: [{name: c, cluster: {server: https://k, "
		  "insecure-skip-tls-verify: maybe}}]\n",
	    "clusters[c].cluster.insecure-skip-tls-verify: must be true or false" },
	{ CONTEXT "clusters: [{name: c, cluster: {server: https://k, "
		  "insecure-skip-tls-verify: true, certificate-authority-data: " PEM64 "}}]\n",
	    "which of the two" },
	{ CONTEXT "clusters: [{name: c, cluster: {server: https://k, "
		  "certificate-authority-data: '!!'}}]\n",
	    "certificate-authority-data: must be base64" },
	{ CONTEXT "clusters: [{name: c, cluster: {server: https://k, "
		  "certificate-authority-data: " KEY64 "}}]\n",
	    "must be PEM with a certificate" },
	{ CONTEXT "clusters: [{name: c, cluster: {server: https://k, "
		  "certificate-authority-data: AAAA}}]\n",
	    "must be PEM" },
	{ CONTEXT "clusters: [{name: c, cluster: {server: https://k, "
		  "certificate-authority: nowhere.crt}}]\n",
	    "nowhere.crt: No such file or directory" },
	{ "a: &a [*a]\ncurrent-context: x\n", "kubeconfig" },
};

START_TEST(bad_files_are_refused_with_their_place)
{
	ck_assert(!open_text(bad_files[_i].text, NULL));
	HAS(error, path_of("kubeconfig"));
	HAS(error, bad_files[_i].error);
	ck_assert_ptr_null(strstr(error, "sesame"));
}
END_TEST

static const struct {
	const char *user, *error;
} bad_users[] = {
	{ "{token: [a]}", ":9:17: users[u].user.token: must be a string, not a list" },
	{ "{token: 'sesame open'}", "users[u].user.token: blanks" },
	{ "{token: \"sesame\\nX-Evil: 1\"}", "users[u].user.token: blanks" },
	{ "{token: \"sesame\\0\"}", "a zero byte" },
	{ "{tokenFile: nowhere}", "nowhere: No such file" },
	{ "{tokenFile: /dev/null}", "no regular file" },
	{ "{tokenFile: /}", "no regular file" },
	{ "{password: *sesame}", ":9:20: a text that begins with * or !" },
	{ "{password: !sesame }", "a text that begins with * or !" },
	{ "{token: a, username: b}", "which of the two" },
	{ "{client-certificate-data: " PEM64 "}", "client-key: missing" },
	{ "{client-key-data: " KEY64 "}", "client-certificate: missing" },
	{ "{client-certificate-data: " PEM64 ", client-key-data: " PEM64 "}", "private key" },
	{ "{client-certificate-data: sesame, client-key-data: " KEY64 "}", "must be base64" },
	{ "{as: somebody}", "users[u].user.as: acting as somebody else" },
	{ "{as-groups: [a]}", "acting as somebody else" },
	{ "{auth-provider: {name: gcp}}", "must be an exec plugin" },
	{ "{exec: x}", "users[u].user.exec: must be a map" },
	{ "{exec: {" EXEC1 "}}", "users[u].user.exec.command: missing" },
	{ "{exec: {command: x}}", "apiVersion: must be client.authentication.k8s.io/v1" },
	{ "{exec: {command: x, apiVersion: client.authentication.k8s.io/v1alpha1}}", "must be" },
	{ "{exec: {command: x, " EXEC1 ", interactiveMode: Always}}", "no terminal" },
	{ "{exec: {command: x, " EXEC1 ", args: {}}}", "args: must be a list" },
	{ "{exec: {command: x, " EXEC1 ", args: [[sesame]]}}", "must be strings" },
	{ "{exec: {command: x, " EXEC1 ", env: [sesame]}}", "must have name and value" },
	{ "{exec: {command: x, " EXEC1 ", env: [{name: 'a=b', value: sesame}]}}", "must have" },
};

START_TEST(bad_users_are_refused_without_their_secrets)
{
	ck_assert(!open_user(bad_users[_i].user));
	HAS(error, path_of("kubeconfig"));
	HAS(error, bad_users[_i].error);
	ck_assert_ptr_null(strstr(error, "sesame"));
}
END_TEST

START_TEST(files_that_are_none)
{
	struct kube_access_conf conf = { .kubeconfig = dir };

	ck_assert_ptr_null(kube_access_new(loop, &conf, &error));
	HAS(error, "no regular file");
	free(error);
	conf.kubeconfig = "/nowhere/at/all";
	ck_assert_ptr_null(kube_access_new(loop, &conf, &error));
	HAS(error, "/nowhere/at/all: No such file or directory");
	free(error);
	write_bytes("kubeconfig", "a: b\0c", 6);
	conf.kubeconfig = path_of("kubeconfig");
	ck_assert_ptr_null(kube_access_new(loop, &conf, &error));
	HAS(error, "zero bytes");
	free(error);
	ck_assert_int_eq(truncate(path_of("kubeconfig"), 5 << 20), 0);
	ck_assert_ptr_null(kube_access_new(loop, &conf, &error));
	HAS(error, "too large");
	free(error);
	/* A pipe does not hold us up. */
	remove(path_of("kubeconfig"));
	ck_assert_int_eq(mkfifo(path_of("kubeconfig"), 0600), 0);
	ck_assert_ptr_null(kube_access_new(loop, &conf, &error));
	HAS(error, "no regular file");
}
END_TEST

/* Every prefix and every byte that is not as it was: an error or an access, nothing else. */
START_TEST(no_garbage_does_harm)
{
	static const char good[] =
	    CONTEXT SERVER "users:\n- name: u\n  user: {exec: {command: x, " EXEC1
			   ", args: [a], env: [{name: b, value: c}]}}\n";
	char text[sizeof(good)];
	unsigned long rounds = unit_rounds(2000);

	for (size_t n = 0; n < sizeof(good); n += 3) {
		memcpy(text, good, n);
		text[n] = '\0';
		open_text(text, NULL);
	}
	for (unsigned long i = 0; i < rounds; i++) {
		memcpy(text, good, sizeof(good));
		for (int k = 0; k < 3; k++)
			text[loop_random(loop, sizeof(good) - 1)] =
			    (char)(1 + loop_random(loop, 255));
		open_text(text, NULL);
	}
}
END_TEST

/* ---- a pod ---- */

static bool
open_pod(const char *host, const char *port)
{
	struct kube_access_conf conf = { .in_cluster = true, .service_account_dir = dir };

	if (host)
		setenv("KUBERNETES_SERVICE_HOST", host, 1);
	else
		unsetenv("KUBERNETES_SERVICE_HOST");
	setenv("KUBERNETES_SERVICE_PORT", port, 1);
	kube_access_free(a);
	free(error);
	a = kube_access_new(loop, &conf, &error);
	ck_assert_int_eq(a == NULL, error != NULL);
	return a;
}

START_TEST(a_pod_finds_its_server)
{
	write_file("ca.crt", PEM);
	write_file("token", "pod-token");
	write_file("namespace", "herald-system");
	ck_assert(open_pod("10.96.0.1", "443"));
	ck_assert_str_eq(kube_access_server(a), "https://10.96.0.1:443");
	ck_assert_str_eq(kube_access_namespace(a), "herald-system");
	ck_assert_str_eq(kube_access_ca(a), PEM);
	ck_assert_str_eq(header(), "Bearer pod-token");
	ck_assert(open_pod("fd00:10:96::1", "443"));
	ck_assert_str_eq(kube_access_server(a), "https://[fd00:10:96::1]:443");
	ck_assert(!open_pod(NULL, "443"));
	HAS(error, "this is no pod");
	ck_assert(!open_pod("10.96.0.1", "0"));
	ck_assert(!open_pod("10.96.0.1", "https"));
	ck_assert(!open_pod("10.96.0.1", "65536"));
	ck_assert(!open_pod("10.96.0.1/x", "443"));
	HAS(error, "an address and a port");
	write_file("ca.crt", "");
	ck_assert(!open_pod("10.96.0.1", "443"));
	HAS(error, "ca.crt: must be PEM");
	remove(path_of("ca.crt"));
	ck_assert(!open_pod("10.96.0.1", "443"));
	HAS(error, "is this a pod");
	write_file("ca.crt", PEM);
	remove(path_of("token"));
	ck_assert(!open_pod("10.96.0.1", "443"));
	HAS(error, "token: No such file");
}
END_TEST

/* ---- tokens that change ---- */

/* As kubelets do: DIR/token -> ..data/token, and ..data is swapped by rename. */
START_TEST(a_swapped_symlink_is_followed)
{
	must_open("{}");
	ck_assert_int_eq(mkdir(path_of("1"), 0700), 0);
	ck_assert_int_eq(mkdir(path_of("2"), 0700), 0);
	write_file("1/token", "first");
	write_file("2/token", "other");
	ck_assert_int_eq(symlink("1", path_of("..data")), 0);
	ck_assert_int_eq(symlink("..data/token", path_of("token")), 0);
	must_open("{tokenFile: token}");
	ck_assert_str_eq(header(), "Bearer first");
	ck_assert_int_eq(symlink("2", path_of("new")), 0);
	ck_assert_int_eq(rename(path_of("new"), path_of("..data")), 0);
	ck_assert_str_eq(header(), "Bearer other");
}
END_TEST

/* Same size, same times, same inode: only a minute later it is seen. */
START_TEST(a_minute_later_it_is_read_anyhow)
{
	struct timespec times[2] = { { .tv_sec = 1000 }, { .tv_sec = 1000 } };

	write_file("token", "first");
	utimensat(AT_FDCWD, path_of("token"), times, 0);
	must_open("{tokenFile: token}");
	ck_assert_str_eq(header(), "Bearer first");
	write_file("token", "other");
	utimensat(AT_FDCWD, path_of("token"), times, 0);
	loop_advance(loop, 59000);
	ck_assert_str_eq(header(), "Bearer first");
	loop_advance(loop, 1000);
	ck_assert_str_eq(header(), "Bearer other");
}
END_TEST

START_TEST(a_refused_token_is_read_again)
{
	struct timespec times[2] = { { .tv_sec = 1000 }, { .tv_sec = 1000 } };

	write_file("token", "first");
	utimensat(AT_FDCWD, path_of("token"), times, 0);
	must_open("{tokenFile: token}");
	ck_assert(!kube_access_refused(a, "Bearer first"));
	ck_assert(kube_access_refused(a, "Bearer older"));
	write_file("token", "other");
	utimensat(AT_FDCWD, path_of("token"), times, 0);
	ck_assert_str_eq(header(), "Bearer first");
	ck_assert(kube_access_refused(a, "Bearer first"));
	ck_assert_str_eq(header(), "Bearer other");
	ck_assert(kube_access_refused(a, "Bearer first"));
}
END_TEST

START_TEST(a_token_that_is_gone_stays_in_use)
{
	write_file("token", "first");
	must_open("{tokenFile: token}");
	remove(path_of("token"));
	ck_assert_str_eq(header(), "Bearer first");
	HAS(logged, "kube-token-unreadable");
	HAS(logged, "No such file");
	logged[0] = '\0';
	ck_assert_str_eq(header(), "Bearer first");
	ck_assert_str_eq(logged, ""); /* once a minute */
	write_file("token", "");
	loop_advance(loop, 61000);
	ck_assert_str_eq(header(), "Bearer first");
	HAS(logged, "it is empty");
	write_file("token", "two words");
	loop_advance(loop, 61000);
	ck_assert_str_eq(header(), "Bearer first");
	HAS(logged, "is no token");
	ck_assert_ptr_null(strstr(logged, "words"));
	ck_assert(!kube_access_refused(a, "Bearer first"));
	write_file("token", "third");
	ck_assert_str_eq(header(), "Bearer third");
}
END_TEST

/* ---- certificates that change ---- */

#define PEM2 "-----BEGIN CERTIFICATE-----\nNext\n-----END CERTIFICATE-----\n"
#define KEY2 "-----BEGIN EC PRIVATE KEY-----\nNext\n-----END EC PRIVATE KEY-----\n"

/* A cluster that gets another authority: the kubelet swaps ca.crt as it does the token. */
START_TEST(a_pods_authorities_that_were_exchanged_are_read)
{
	ck_assert_int_eq(mkdir(path_of("1"), 0700), 0);
	ck_assert_int_eq(mkdir(path_of("2"), 0700), 0);
	write_file("1/ca.crt", PEM);
	write_file("2/ca.crt", PEM2);
	ck_assert_int_eq(symlink("1", path_of("..data")), 0);
	ck_assert_int_eq(symlink("..data/ca.crt", path_of("ca.crt")), 0);
	write_file("token", "pod-token");
	write_file("namespace", "herald-system");
	ck_assert(open_pod("10.96.0.1", "443"));
	header();
	ck_assert_str_eq(kube_access_ca(a), PEM);
	ck_assert_int_eq(symlink("2", path_of("new")), 0);
	ck_assert_int_eq(rename(path_of("new"), path_of("..data")), 0);
	ck_assert_str_eq(header(), "Bearer pod-token");
	ck_assert_str_eq(kube_access_ca(a), PEM2);
}
END_TEST

START_TEST(a_kubeconfigs_certificates_that_were_exchanged_are_read)
{
	write_file("c.crt", PEM);
	write_file("c.key", KEY);
	must_open("{client-certificate: c.crt, client-key: c.key}");
	ck_assert_str_eq(header(), "(none)");
	ck_assert_str_eq(kube_access_client_cert(a), PEM);
	write_file("c.crt", PEM2);
	write_file("c.key", KEY2);
	ck_assert_str_eq(header(), "(none)");
	ck_assert_str_eq(kube_access_client_cert(a), PEM2);
	ck_assert_str_eq(kube_access_client_key(a), KEY2);
}
END_TEST

START_TEST(certificates_that_are_none_stay_as_they_were)
{
	write_file("c.crt", PEM);
	write_file("c.key", KEY);
	must_open("{client-certificate: c.crt, client-key: c.key}");
	write_file("c.key", "half of a pri");
	ck_assert_str_eq(header(), "(none)");
	ck_assert_str_eq(kube_access_client_key(a), KEY);
	HAS(logged, "kube-certificate-unreadable");
	HAS(logged, "must be PEM with a private key");
	ck_assert_ptr_null(strstr(logged, "half of"));
	logged[0] = '\0';
	remove(path_of("c.crt"));
	ck_assert_str_eq(header(), "(none)");
	ck_assert_str_eq(kube_access_client_cert(a), PEM);
	HAS(logged, "c.crt");
	HAS(logged, "No such file");
	write_file("c.key", KEY2);
	ck_assert_str_eq(header(), "(none)");
	ck_assert_str_eq(kube_access_client_key(a), KEY2);
}
END_TEST

static void
add_tests(Suite *s)
{
	TCase *tc = tcase_create("access");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_set_timeout(tc, 30);
	tcase_add_test(tc, a_whole_kubeconfig);
	tcase_add_test(tc, another_context_may_be_asked_for);
	tcase_add_test(tc, files_are_beside_the_kubeconfig);
	tcase_add_test(tc, basic_is_base64);
	tcase_add_loop_test(tc, bad_files_are_refused_with_their_place, 0,
	    sizeof(bad_files) / sizeof(bad_files[0]));
	tcase_add_loop_test(tc, bad_users_are_refused_without_their_secrets, 0,
	    sizeof(bad_users) / sizeof(bad_users[0]));
	tcase_add_test(tc, files_that_are_none);
	tcase_add_test(tc, no_garbage_does_harm);
	tcase_add_test(tc, a_pod_finds_its_server);
	tcase_add_test(tc, a_swapped_symlink_is_followed);
	tcase_add_test(tc, a_minute_later_it_is_read_anyhow);
	tcase_add_test(tc, a_refused_token_is_read_again);
	tcase_add_test(tc, a_token_that_is_gone_stays_in_use);
	tcase_add_test(tc, a_pods_authorities_that_were_exchanged_are_read);
	tcase_add_test(tc, a_kubeconfigs_certificates_that_were_exchanged_are_read);
	tcase_add_test(tc, certificates_that_are_none_stay_as_they_were);
	suite_add_tcase(s, tc);
}

UNIT_MAIN("access", add_tests)
