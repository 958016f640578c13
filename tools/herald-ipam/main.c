/*
 * tools/herald-ipam/main.c: the CNI IPAM plugin of Herald: reads what the runtime says, asks the daemon,
 * and prints what the specification wants.  Keeps nothing: all state is the daemon's.
 */
#include "tools/herald-ipam/cni.h"

#include "lib/buf.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define RESOLV_MAX ((size_t)64 << 10)
#define VERSION_WORDS "1.1.0"

/* All of a descriptor, up to the buffer's maximum; -EMSGSIZE: there is more. */
static int
read_all(int fd, struct buf *b)
{
	char chunk[8192];
	ssize_t n;

	for (;;) {
		n = read(fd, chunk, sizeof(chunk));
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : 0;
		buf_add(b, chunk, (size_t)n);
		if (b->failed)
			return -EMSGSIZE;
	}
}

static int
print(json_t *out)
{
	char *text = json_dumps(out, JSON_INDENT(4));
	int bad = !text || printf("%s\n", text) < 0 || fflush(stdout) != 0;

	free(text);
	json_decref(out);
	return bad;
}

static int
fail(const struct cni_call *call, const struct cni_fault *f)
{
	(void)print(cni_error(call->version ? call->version : VERSION_WORDS, f));
	return 1;
}

static int
say_versions(const struct cni_call *call)
{
	const char *asked = json_string_value(json_object_get(call->conf, "cniVersion"));

	return print(cni_versions(asked ? asked : call->version));
}

/* The file of ipam.resolvConf; NULL with *f when it cannot be read. */
static char *
read_resolv(const char *path, struct cni_fault *f)
{
	const int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct buf b;
	char *text = NULL;
	int err;

	buf_init(&b, RESOLV_MAX);
	err = fd < 0 ? -errno : read_all(fd, &b);
	if (fd >= 0)
		close(fd);
	if (err == 0)
		text = strdup(buf_text(&b));
	else
		cni_fault_set(f, CNI_IO, "ipam.resolvConf cannot be read", "%.200s: %s", path,
		    strerror(-err));
	buf_fini(&b);
	return text;
}

static int
ask(const struct cni_call *call, struct cni_fault *f)
{
	const char *path = cni_resolv_path(call);
	char *resolv = path ? read_resolv(path, f) : NULL;
	json_t *answer = NULL, *out = NULL;
	char why[400];
	int err = -1;

	if (path && !resolv)
		return fail(call, f);
	if (ask_daemon(call->socket, call->request, &answer, why, sizeof(why)) < 0)
		/* STATUS has a code of its own for it; all else may be tried again. */
		cni_fault_set(f, call->command == CNI_STATUS ? CNI_NOT_AVAILABLE : CNI_TRY_LATER,
		    "herald is away", "%s", why);
	else
		err = cni_result(call, answer, resolv, &out, f);
	json_decref(answer);
	free(resolv);
	if (err < 0)
		return fail(call, f);
	return out ? print(out) : 0;
}

static int
run(const struct cni_env *env, const struct buf *in)
{
	struct cni_fault fault = { 0 };
	struct cni_call call;
	int status;

	if (cni_read(&call, env, buf_text(in), in->len, &fault) < 0)
		status = fail(&call, &fault);
	else if (call.command == CNI_VERSION)
		status = say_versions(&call);
	else
		status = ask(&call, &fault);
	cni_call_fini(&call);
	return status;
}

int
main(void)
{
	const struct cni_env env = { getenv("CNI_COMMAND"), getenv("CNI_CONTAINERID"),
		getenv("CNI_NETNS"), getenv("CNI_IFNAME"), getenv("CNI_ARGS") };
	struct cni_fault fault;
	struct cni_call none = { 0 };
	struct buf in;
	int status;

	if (!env.command) {
		fprintf(stderr,
		    "herald-ipam: a CNI IPAM plugin (0.3.1, 0.4.0, 1.0.0, 1.1.0); container "
		    "runtimes "
		    "run it. See herald-ipam(8).\n");
		return 2;
	}
	buf_init(&in, CNI_STDIN_MAX);
	status = read_all(STDIN_FILENO, &in);
	if (status < 0) {
		cni_fault_set(&fault, CNI_IO, "standard input cannot be read", "%s",
		    status == -EMSGSIZE ? "the configuration is longer than a mebibyte"
					: strerror(-status));
		status = fail(&none, &fault);
	} else {
		status = run(&env, &in);
	}
	buf_fini(&in);
	return status;
}
