/*
 * tests/unit/kube/test_access_exec.c: exec plugins that behave and that do not, and the words that are
 * exchanged with them.
 */
#include "tests/unit/kube/accesskit.h"

#include "kube/credential.h"
#include "kube/words.h"

#include <errno.h>
#include <jansson.h>
#include <signal.h>
#include <time.h>

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
	TCase *tc = tcase_create("access_exec");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_set_timeout(tc, 30);
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

UNIT_MAIN("access_exec", add_tests)
