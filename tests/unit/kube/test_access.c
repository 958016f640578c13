/*
 * tests/unit/kube/test_access.c: kubeconfigs good and bad, a pod's folder, tokens that are replaced,
 * exec plugins that behave and that do not.
 */
#include "kube/access.h"

#include "kube/credential.h"
#include "kube/exec.h"
#include "kube/words.h"

#include "lib/log.h"
#include "lib/loop.h"
#include "lib/mem.h"
#include "tests/unit/unit.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <signal.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define PEM "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n"
#define KEY "-----BEGIN PRIVATE KEY-----\nMIIE\n-----END PRIVATE KEY-----\n"
#define PEM64 "LS0tLS1CRUdJTiBDRVJUSUZJQ0FURS0tLS0tCk1JSUIKLS0tLS1FTkQgQ0VSVElGSUNBVEUtLS0tLQo="
#define KEY64 "LS0tLS1CRUdJTiBQUklWQVRFIEtFWS0tLS0tCk1JSUUKLS0tLS1FTkQgUFJJVkFURSBLRVktLS0tLQo="
#define EXEC1 "apiVersion: client.authentication.k8s.io/v1"

static struct loop *loop;
static struct kube_access *a;
static char *error;
static char dir[64];
static char logged[4096];

static void
sink(void *arg, const char *line)
{
	(void)arg;
	snprintf(logged, sizeof(logged), "%s", line);
}

static const char *
path_of(const char *name)
{
	static char paths[4][160];
	static unsigned at;

	at = (at + 1) % 4;
	snprintf(paths[at], sizeof(paths[at]), "%s/%s", dir, name);
	return paths[at];
}

static void
write_bytes(const char *name, const void *bytes, size_t len)
{
	FILE *f = fopen(path_of(name), "w");

	ck_assert_ptr_nonnull(f);
	ck_assert_uint_eq(fwrite(bytes, 1, len, f), len);
	fclose(f);
}

static void
write_file(const char *name, const char *text)
{
	write_bytes(name, text, strlen(text));
}

static void
write_program(const char *name, const char *text)
{
	write_file(name, text);
	ck_assert_int_eq(chmod(path_of(name), 0755), 0);
}

static void
setup(void)
{
	snprintf(dir, sizeof(dir), "/tmp/herald-access-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(dir));
	logged[0] = '\0';
	log_sink(sink, NULL);
	loop = loop_new_fake();
	error = NULL;
	a = NULL;
}

static void
teardown(void)
{
	static const char *const names[] = { "kubeconfig", "ca.crt", "c.crt", "c.key", "token",
		"namespace", "plugin", "runs", "seen", "child", "new", "1/token", "2/token",
		"..data", "1", "2" };

	kube_access_free(a);
	free(error);
	loop_free(loop);
	log_sink(NULL, NULL);
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		remove(path_of(names[i]));
	ck_assert_int_eq(rmdir(dir), 0);
}

static bool
open_text(const char *text, const char *context)
{
	struct kube_access_conf conf = { .kubeconfig = path_of("kubeconfig"), .context = context };

	write_file("kubeconfig", text);
	kube_access_free(a);
	free(error);
	a = kube_access_new(loop, &conf, &error);
	ck_assert_int_eq(a == NULL, error != NULL);
	return a;
}

#define CONTEXT                                                                                    \
	"current-context: x\ncontexts:\n- {name: x, context: {cluster: c, user: u, namespace: "    \
	"n1}}\n"
#define SERVER "clusters:\n- name: c\n  cluster: {server: 'https://k:6443'}\n"

/* With this user, in flow style. */
static bool
open_user(const char *user)
{
	char text[4096];

	snprintf(text, sizeof(text), "%s%susers:\n- name: u\n  user: %s\n", CONTEXT, SERVER, user);
	return open_text(text, NULL);
}

static void
must_open(const char *user)
{
	ck_assert_msg(open_user(user), "%s", error);
}

#define HAS(text, part)                                                                            \
	ck_assert_msg(strstr((text), (part)) != NULL, "no \"%s\" in \"%s\"", (part), (text))

static const char *
header(void)
{
	const char *h = NULL;
	char *why = NULL;

	ck_assert_int_eq(kube_access_header(a, &h, NULL, NULL, &why), 0);
	ck_assert_ptr_null(why);
	return h ? h : "(none)";
}

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

/* ---- exec plugins ---- */

static struct {
	unsigned nr;
	char error[4096];
	bool ask; /* again, from within */
	const char *header;
} ready;

static void
on_ready(void *arg, const char *why)
{
	char *e = NULL;

	ck_assert_ptr_eq(arg, &ready);
	ready.nr++;
	snprintf(ready.error, sizeof(ready.error), "%s", why ? why : "");
	if (ready.ask)
		ck_assert_int_eq(kube_access_header(a, &ready.header, on_ready, &ready, &e), 0);
}

static int
ask(char **why)
{
	const char *h;

	*why = NULL;
	return kube_access_header(a, &h, on_ready, &ready, why);
}

static void
wait_ready(unsigned nr)
{
	time_t until = time(NULL) + 60;

	while (ready.nr < nr && time(NULL) < until) {
		loop_turn(loop, 10);
		loop_advance(loop, 1);
	}
	ck_assert_uint_eq(ready.nr, nr);
}

/* Ask, wait for the plugin. */
static void
ask_wait(void)
{
	char *why;
	unsigned nr = ready.nr;
	int err = ask(&why);

	ck_assert_msg(err == -EINPROGRESS, "%d %s", err, why ? why : "");
	ck_assert_uint_eq(ready.nr, nr);
	wait_ready(nr + 1);
}

#define SAY(version, status)                                                                       \
	"cat <<'END'\n{\"apiVersion\":\"client.authentication.k8s.io/" version                     \
	"\",\"kind\":\"ExecCredential\",\"status\":{" status "}}\nEND\n"
#define PLUGIN                                                                                     \
	"{exec: {command: ./plugin, " EXEC1 ", args: [one, 'two  words'], env: [{name: "           \
	"PLUGIN_SAYS, value: 'a b'}, {name: HOME, value: /nowhere}]}}"

static void
plugin(const char *script)
{
	char text[4096];

	memset(&ready, 0, sizeof(ready));
	snprintf(text, sizeof(text), "#!/bin/sh\ncd '%s'\necho x >>runs\n%s", dir, script);
	write_program("plugin", text);
	must_open(PLUGIN);
}

static unsigned
nr_runs(void)
{
	FILE *f = fopen(path_of("runs"), "r");
	unsigned n = 0;
	int c;

	while (f && (c = fgetc(f)) != EOF)
		n += c == '\n';
	if (f)
		fclose(f);
	return n;
}

START_TEST(a_plugin_gives_a_token)
{
	char seen[4096] = "";
	char *why;
	FILE *f;

	plugin("{ echo \"$1|$2|$PLUGIN_SAYS|$HOME\"; echo \"$KUBERNETES_EXEC_INFO\"; cat; ls "
	       "/proc/$$/fd | wc -l; } >seen\n" SAY("v1", "\"token\":\"T1\""));
	ready.ask = true;
	ask_wait();
	ck_assert_str_eq(ready.error, "");
	ck_assert_str_eq(ready.header, "Bearer T1");
	ck_assert_str_eq(header(), "Bearer T1");
	loop_advance(loop, 3600 * 1000);
	ck_assert_str_eq(header(), "Bearer T1"); /* no end was told */
	ck_assert_uint_eq(nr_runs(), 1);
	f = fopen(path_of("seen"), "r");
	ck_assert_uint_gt(fread(seen, 1, sizeof(seen) - 1, f), 0);
	fclose(f);
	HAS(seen, "one|two  words|a b|/nowhere\n");
	HAS(seen,
	    "{\"apiVersion\":\"client.authentication.k8s.io/v1\",\"kind\":\"ExecCredential\","
	    "\"spec\":{\"interactive\":false}}\n");
	/* Refused, and old enough: it is run again. */
	ck_assert(kube_access_refused(a, "Bearer T0"));
	ck_assert_str_eq(header(), "Bearer T1");
	ck_assert(kube_access_refused(a, "Bearer T1"));
	ck_assert_int_eq(ask(&why), -EINPROGRESS);
	wait_ready(2);
	ck_assert_uint_eq(nr_runs(), 2);
}
END_TEST

START_TEST(a_plugin_may_ask_for_the_cluster)
{
	char seen[4096] = "";
	json_t *v, *c;
	FILE *f;

	memset(&ready, 0, sizeof(ready));
	write_program("plugin",
	    "#!/bin/sh\ncd \"$(dirname \"$0\")\"\necho \"$KUBERNETES_EXEC_INFO\" >seen\n" SAY(
		"v1beta1", "\"token\":\"T\""));
	ck_assert_msg(open_text(CONTEXT
			  "clusters: [{name: c, cluster: {server: https://k/x, "
			  "tls-server-name: t, certificate-authority-data: " PEM64 "}}]\nusers:\n- "
			  "name: u\n  user: {exec: {command: ./plugin, provideClusterInfo: true, "
			  "apiVersion: client.authentication.k8s.io/v1beta1}}\n",
			  NULL),
	    "%s", error);
	ask_wait();
	ck_assert_str_eq(ready.error, "");
	f = fopen(path_of("seen"), "r");
	ck_assert_uint_gt(fread(seen, 1, sizeof(seen) - 1, f), 0);
	fclose(f);
	v = json_loads(seen, 0, NULL);
	c = json_object_get(json_object_get(v, "spec"), "cluster");
	ck_assert_str_eq(json_string_value(json_object_get(c, "server")), "https://k/x");
	ck_assert_str_eq(json_string_value(json_object_get(c, "tls-server-name")), "t");
	ck_assert_str_eq(
	    json_string_value(json_object_get(c, "certificate-authority-data")), PEM64);
	json_decref(v);
}
END_TEST

START_TEST(a_plugin_gives_a_certificate)
{
	plugin(SAY("v1",
	    "\"clientCertificateData\":\"-----BEGIN CERTIFICATE-----\\nx\",\"clientKeyData\":"
	    "\"-----BEGIN PRIVATE KEY-----\\ny\""));
	ck_assert_ptr_null(kube_access_client_cert(a));
	ask_wait();
	ck_assert_str_eq(ready.error, "");
	ck_assert_str_eq(header(), "(none)");
	ck_assert_str_eq(kube_access_client_cert(a), "-----BEGIN CERTIFICATE-----\nx");
	ck_assert_str_eq(kube_access_client_key(a), "-----BEGIN PRIVATE KEY-----\ny");
	ck_assert(!kube_access_refused(a, NULL));
	loop_advance(loop, 11000);
	ck_assert(kube_access_refused(a, NULL));
}
END_TEST

/* The fake clock: 1970 + 1,000,000,001 s is 2001-09-09T01:46:41Z. */
START_TEST(its_end_is_honoured)
{
	char *why;

	plugin(SAY("v1",
	    "\"token\":\"T1\",\"expirationTimestamp\":\"2001-09-09T02:46:41Z\"")); /* an hour */
	ask_wait();
	loop_advance(loop, 3590 * 1000);
	ck_assert_str_eq(header(), "Bearer T1");
	loop_advance(loop, 10 * 1000);
	ck_assert_int_eq(ask(&why), -EINPROGRESS);
	wait_ready(2);
	/* Over since long, but so it is each time: it is not run for every request. */
	ck_assert_str_eq(header(), "Bearer T1");
	ck_assert_uint_eq(nr_runs(), 2);
	loop_advance(loop, 11000);
	ck_assert_int_eq(ask(&why), -EINPROGRESS);
	wait_ready(3);
}
END_TEST

START_TEST(many_wait_for_one_run)
{
	char *why;

	plugin(SAY("v1", "\"token\":\"T1\""));
	for (int i = 0; i < 5; i++)
		ck_assert_int_eq(ask(&why), -EINPROGRESS);
	wait_ready(5);
	ck_assert_uint_eq(nr_runs(), 1);
	loop_advance(loop, 20000);
	ck_assert(kube_access_refused(a, "Bearer T1"));
	ck_assert_int_eq(ask(&why), -EINPROGRESS);
	kube_access_cancel(a, &ready);
	while (nr_runs() < 2)
		loop_turn(loop, 10);
	for (int i = 0; i < 50; i++) {
		loop_turn(loop, 10);
		loop_advance(loop, 1);
	}
	ck_assert_uint_eq(ready.nr, 5);
}
END_TEST

static const struct {
	const char *script, *error;
} bad_plugins[] = {
	{ "exit 1", "plugin: exit status 1" },
	{ "echo not logged in >&2; echo again >&2; exit 1",
	    "plugin: exit status 1; it said: not logged in again" },
	{ "printf 'a\\001\\033[31m\\377b' >&2; exit 2", "it said: a [31m?b" },
	{ "head -c 5000 /dev/zero | tr '\\0' e >&2; exit 2", "eee..." },
	{ "kill -9 $$", "it died by signal 9" },
	{ "true", "what it printed is no JSON" },
	{ "echo 'token: sesame'", "what it printed is no JSON" },
	{ "echo '[]'", "no ExecCredential" },
	{ "echo '{\"kind\":\"ExecCredential\",\"apiVersion\":7}'", "not of the apiVersion" },
	{ SAY("v1beta1", "\"token\":\"sesame\""), "not of the apiVersion" },
	{ SAY("v1", ""), "neither token nor clientCertificateData" },
	{ SAY("v1", "\"token\":5"), "neither token" },
	{ SAY("v1", "\"token\":\"\""), "neither token" },
	{ SAY("v1", "\"token\":\"sesame\\nX: y\""), "blanks or control characters" },
	{ SAY("v1", "\"clientCertificateData\":\"-----BEGIN C\""), "one without the other" },
	{ SAY("v1", "\"token\":\"t\",\"clientKeyData\":\"-----BEGIN C\""),
	    "one without the other" },
	{ SAY("v1", "\"clientCertificateData\":\"sesame\",\"clientKeyData\":\"sesame\""),
	    "must be PEM" },
	{ SAY("v1", "\"token\":\"sesame\",\"expirationTimestamp\":\"tomorrow\""), "RFC 3339" },
	{ SAY("v1", "\"token\":\"sesame\"") "exit 4", "exit status 4" },
	{ "while :; do echo sesame sesame sesame sesame sesame sesame; done", "printed more than" },
	{ "echo '{\"kind\":\"ExecCredential\",'", "no JSON" },
};

START_TEST(bad_plugins_are_told_of)
{
	char *why;

	plugin(bad_plugins[_i].script);
	ask_wait();
	HAS(ready.error, "exec plugin ");
	HAS(ready.error, bad_plugins[_i].error);
	ck_assert_ptr_null(strstr(ready.error, "sesame"));
	ck_assert_uint_lt(strlen(ready.error), 2000);
	/* Not at once again. */
	ck_assert_int_eq(ask(&why), -EACCES);
	ck_assert_str_eq(why, ready.error);
	free(why);
	ck_assert_uint_eq(nr_runs(), 1);
	loop_advance(loop, 2000);
	ck_assert_int_eq(ask(&why), -EINPROGRESS);
	wait_ready(2);
	loop_advance(loop, 2000); /* twice as long now */
	ck_assert_int_eq(ask(&why), -EACCES);
	free(why);
}
END_TEST

/* valgrind's posix_spawn() starts a child before it finds that there is nothing to run. */
static void
must_not_run(const char *words)
{
	char *why;
	int err = ask(&why);

	if (err == -EINPROGRESS) {
		wait_ready(ready.nr + 1);
		HAS(ready.error, "exit status 127: is it installed");
		return;
	}
	ck_assert_int_eq(err, -EACCES);
	HAS(why, words);
	free(why);
}

START_TEST(a_plugin_that_is_not_there)
{
	must_open("{exec: {command: no-such-plugin, " EXEC1 ", installHint: get it there}}");
	must_not_run("exec plugin no-such-plugin: cannot be run: No such file or directory: get it "
		     "there");
	write_file("plugin", "not executable");
	must_open("{exec: {command: ./plugin, " EXEC1 "}}");
	must_not_run("Permission denied");
}
END_TEST

/* The process whose number stands in @file; 0: it is not there any more, or waits for init only. */
static pid_t
alive(const char *file)
{
	FILE *f = fopen(path_of(file), "r");
	char stat[64], state = 'Z';
	int pid = 0;

	ck_assert_ptr_nonnull(f);
	ck_assert_int_eq(fscanf(f, "%d", &pid), 1);
	fclose(f);
	snprintf(stat, sizeof(stat), "/proc/%d/stat", pid);
	f = fopen(stat, "r");
	if (f && fscanf(f, "%*d (%*[^)]) %c", &state) != 1)
		state = 'Z';
	if (f)
		fclose(f);
	return state == 'Z' ? 0 : pid;
}

static void
until_written(const char *file)
{
	time_t until = time(NULL) + 60;

	while (access(path_of(file), R_OK) != 0 && time(NULL) < until)
		loop_turn(loop, 10);
}

static void
until_dead(const char *file)
{
	time_t until = time(NULL) + 60;

	while (alive(file) && time(NULL) < until)
		loop_turn(loop, 10);
	ck_assert_int_eq(alive(file), 0);
}

/* Its child too, which holds its pipes. */
START_TEST(a_plugin_that_hangs_is_killed)
{
	char *why;

	plugin("sleep 1000 & echo $! >child.new; mv child.new child; wait");
	ck_assert_int_eq(ask(&why), -EINPROGRESS);
	until_written("child");
	ck_assert(alive("child"));
	loop_advance(loop, 29999);
	ck_assert_uint_eq(ready.nr, 0);
	loop_advance(loop, 1);
	wait_ready(1);
	HAS(ready.error, "no answer within 30000 ms: it was killed");
	until_dead("child");
}
END_TEST

/* It is done, but somebody whom it started holds its pipes: not for ever. */
START_TEST(a_child_that_stays_does_not_hold_us)
{
	char *why;

	plugin("sleep 1000 & echo $! >child\n" SAY("v1", "\"token\":\"T1\""));
	ck_assert_int_eq(ask(&why), -EINPROGRESS);
	/* The time of the loop does not run before it is gone: only then it waits for the pipes. */
	while (nr_runs() < 1 || access(path_of("child"), R_OK) != 0)
		loop_turn(loop, 10);
	while (ready.nr == 0) {
		loop_turn(loop, 1);
		loop_advance(loop, 1);
	}
	wait_ready(1);
	ck_assert_str_eq(ready.error, "");
	ck_assert_str_eq(header(), "Bearer T1");
	ck_assert_int_eq(kill(alive("child"), SIGKILL), 0);
}
END_TEST

START_TEST(freeing_ends_the_plugin)
{
	char *why;

	plugin("sleep 1000 & echo $! >child.new; mv child.new child; wait");
	ck_assert_int_eq(ask(&why), -EINPROGRESS);
	until_written("child");
	kube_access_free(a);
	a = NULL;
	until_dead("child");
	ck_assert_uint_eq(ready.nr, 0);
}
END_TEST

/* ---- small things ---- */

static const struct {
	const char *text;
	long when; /* 0: no time */
} times[] = {
	{ "2001-09-09T01:46:40Z", 1000000000 },
	{ "2001-09-09T01:46:40.123456Z", 1000000000 },
	{ "2001-09-09T10:46:40+09:00", 1000000000 },
	{ "2001-09-08T20:16:40.5-05:30", 1000000000 },
	{ "2001-09-09T01:46:40", 0 },
	{ "2001-09-09", 0 },
	{ "2001-09-09T01:46:40+0900", 0 },
	{ "2001-09-09T01:46:40Zx", 0 },
	{ "2001-09-09T01:46:40+09:00x", 0 },
	{ "2001-13-09T01:46:40Z", 0 },
	{ "", 0 },
};

START_TEST(times_are_rfc_3339)
{
	time_t when = 0;
	int err = credential_time(times[_i].text, &when);

	ck_assert_int_eq(err, times[_i].when ? 0 : -EINVAL);
	if (times[_i].when)
		ck_assert_int_eq(when, times[_i].when);
}
END_TEST

START_TEST(words_of_others_are_made_fit)
{
	char text[] = " a\tb\r\n c\x01\xff\xc3\xa4 \x7f", secret[] = "x abcd y abcd", few[] = "ab";

	ck_assert_str_eq(words_clean(text), "a b c ?\xc3\xa4");
	words_hide(secret, "abcd");
	ck_assert_str_eq(secret, "x **** y ****");
	words_hide(few, "ab");
	ck_assert_str_eq(few, "ab");
	words_hide(few, NULL);
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
	tcase_add_test(tc, a_plugin_gives_a_token);
	tcase_add_test(tc, a_plugin_may_ask_for_the_cluster);
	tcase_add_test(tc, a_plugin_gives_a_certificate);
	tcase_add_test(tc, its_end_is_honoured);
	tcase_add_test(tc, many_wait_for_one_run);
	tcase_add_loop_test(
	    tc, bad_plugins_are_told_of, 0, sizeof(bad_plugins) / sizeof(bad_plugins[0]));
	tcase_add_test(tc, a_plugin_that_is_not_there);
	tcase_add_test(tc, a_plugin_that_hangs_is_killed);
	tcase_add_test(tc, a_child_that_stays_does_not_hold_us);
	tcase_add_test(tc, freeing_ends_the_plugin);
	tcase_add_loop_test(tc, times_are_rfc_3339, 0, sizeof(times) / sizeof(times[0]));
	tcase_add_test(tc, words_of_others_are_made_fit);
	suite_add_tcase(s, tc);
}

UNIT_MAIN("access", add_tests)
