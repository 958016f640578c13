/*
 * tests/unit/kube/accesskit.h: a folder with a kubeconfig and what it leads to.  Included once in each
 * program that tests kube/access.c.
 */
#ifndef HERALD_TESTS_KUBE_ACCESSKIT_H
#define HERALD_TESTS_KUBE_ACCESSKIT_H

#include "kube/access.h"

#include "lib/log.h"
#include "lib/loop.h"
#include "tests/unit/unit.h"

#include <sys/stat.h>
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

static inline void
sink(void *arg, const char *line)
{
	(void)arg;
	snprintf(logged, sizeof(logged), "%s", line);
}

static inline const char *
path_of(const char *name)
{
	static char paths[4][160];
	static unsigned at;

	at = (at + 1) % 4;
	snprintf(paths[at], sizeof(paths[at]), "%s/%s", dir, name);
	return paths[at];
}

static inline void
write_bytes(const char *name, const void *bytes, size_t len)
{
	FILE *f = fopen(path_of(name), "w");

	ck_assert_ptr_nonnull(f);
	ck_assert_uint_eq(fwrite(bytes, 1, len, f), len);
	fclose(f);
}

static inline void
write_file(const char *name, const char *text)
{
	write_bytes(name, text, strlen(text));
}

static inline void
write_program(const char *name, const char *text)
{
	write_file(name, text);
	ck_assert_int_eq(chmod(path_of(name), 0755), 0);
}

static inline void
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

static inline void
teardown(void)
{
	static const char *const names[] = { "kubeconfig", "ca.crt", "c.crt", "c.key", "token",
		"namespace", "plugin", "runs", "seen", "child", "new", "1/token", "2/token",
		"1/ca.crt", "2/ca.crt", "..data", "1", "2" };

	kube_access_free(a);
	free(error);
	loop_free(loop);
	log_sink(NULL, NULL);
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		remove(path_of(names[i]));
	ck_assert_int_eq(rmdir(dir), 0);
}

static inline bool
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
static inline bool
open_user(const char *user)
{
	char text[4096];

	snprintf(text, sizeof(text), "%s%susers:\n- name: u\n  user: %s\n", CONTEXT, SERVER, user);
	return open_text(text, NULL);
}

static inline void
must_open(const char *user)
{
	ck_assert_msg(open_user(user), "%s", error);
}

#define HAS(text, part)                                                                            \
	ck_assert_msg(strstr((text), (part)) != NULL, "no \"%s\" in \"%s\"", (part), (text))

static inline const char *
header(void)
{
	const char *h = NULL;
	char *why = NULL;

	ck_assert_int_eq(kube_access_header(a, &h, NULL, NULL, &why), 0);
	ck_assert_ptr_null(why);
	return h ? h : "(none)";
}

#endif
