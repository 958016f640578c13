/*
 * tests/unit/kube/server.c: see server.h.
 */
#include "tests/unit/kube/server.h"

#include "tests/unit/unit.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static struct {
	pid_t pid, h2;
	int in; /* its standard input: it ends with it, however we end */
	char dir[64];
	char names[16][16];
	unsigned ports[16];
	size_t nr;
} the;

bool
server_is_there(void)
{
	return access("/usr/bin/python3", X_OK) == 0 && access("/usr/bin/openssl", X_OK) == 0;
}

void
server_start(void)
{
	char *argv[] = { "/usr/bin/python3", "tests/unit/kube/server.py", the.dir, NULL };
	posix_spawn_file_actions_t files;
	int in[2], out[2];
	char line[64];
	FILE *f;

	signal(SIGPIPE, SIG_IGN);
	snprintf(the.dir, sizeof(the.dir), "/tmp/herald-kube-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(the.dir));
	ck_assert_int_eq(pipe2(in, O_CLOEXEC), 0);
	ck_assert_int_eq(pipe2(out, O_CLOEXEC), 0);
	posix_spawn_file_actions_init(&files);
	posix_spawn_file_actions_adddup2(&files, in[0], 0);
	posix_spawn_file_actions_adddup2(&files, out[1], 1);
	ck_assert_int_eq(posix_spawn(&the.pid, argv[0], &files, NULL, argv, environ), 0);
	posix_spawn_file_actions_destroy(&files);
	close(in[0]);
	close(out[1]);
	the.in = in[1];
	f = fdopen(out[0], "r");
	for (;;) {
		ck_assert_msg(fgets(line, sizeof(line), f), "server.py did not start");
		ck_assert_uint_lt(the.nr, 16);
		if (sscanf(line, "%15s %u", the.names[the.nr], &the.ports[the.nr]) == 2 &&
		    strcmp(the.names[the.nr], "ready") == 0)
			break;
		the.nr++;
	}
	fclose(f);
}

void
server_stop(void)
{
	char *argv[] = { "/bin/rm", "-rf", the.dir, NULL };
	pid_t pid;

	close(the.in);
	waitpid(the.pid, NULL, 0);
	if (the.h2 > 0) {
		kill(the.h2, SIGKILL);
		waitpid(the.h2, NULL, 0);
	}
	if (posix_spawn(&pid, argv[0], NULL, NULL, argv, environ) == 0)
		waitpid(pid, NULL, 0);
}

unsigned
server_port(const char *name)
{
	for (size_t i = 0; i < the.nr; i++)
		if (strcmp(the.names[i], name) == 0)
			return the.ports[i];
	ck_abort_msg("no port %s", name);
	return 0;
}

const char *
server_dir(void)
{
	return the.dir;
}

const char *
server_path(const char *name)
{
	static char paths[4][256];
	static unsigned at;

	at = (at + 1) % 4;
	snprintf(paths[at], sizeof(paths[at]), "%s/%s", the.dir, name);
	return paths[at];
}

void
server_write(const char *name, const char *text)
{
	FILE *f = fopen(server_path(name), "w");

	ck_assert_ptr_nonnull(f);
	fputs(text, f);
	fclose(f);
}

/* With %PORT:name% and %DIR% replaced. */
static void
put(FILE *f, const char *text)
{
	char name[16];
	int len;

	while (*text) {
		if (sscanf(text, "%%PORT:%15[a-z0-9]%%%n", name, &len) == 1) {
			fprintf(f, "%u", server_port(name));
			text += len;
		} else if (strncmp(text, "%DIR%", 5) == 0) {
			fputs(the.dir, f);
			text += 5;
		} else {
			fputc(*text++, f);
		}
	}
}

const char *
server_kubeconfig(const char *cluster, const char *user)
{
	const char *path = server_path("kubeconfig");
	FILE *f = fopen(path, "w");

	ck_assert_ptr_nonnull(f);
	fputs("apiVersion: v1\nkind: Config\ncurrent-context: here\n"
	      "contexts:\n- name: here\n  context: {cluster: c, user: u, namespace: ns1}\n"
	      "clusters:\n- name: c\n  cluster:\n",
	    f);
	put(f, cluster);
	fputs("users:\n- name: u\n  user:\n", f);
	put(f, *user ? user : "    {}\n");
	fclose(f);
	return path;
}

static unsigned
free_port(void)
{
	struct sockaddr_in sin = { .sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(sin);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	ck_assert_int_eq(bind(fd, (struct sockaddr *)&sin, sizeof(sin)), 0);
	ck_assert_int_eq(getsockname(fd, (struct sockaddr *)&sin, &len), 0);
	close(fd);
	return ntohs(sin.sin_port);
}

/* Until somebody listens. */
static bool
answers(unsigned port)
{
	struct sockaddr_in sin = { .sin_family = AF_INET,
		.sin_port = htons((uint16_t)port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	struct timespec pause = { .tv_nsec = 10000000 };

	for (int i = 0; i < 500; i++) {
		int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
		int err = connect(fd, (struct sockaddr *)&sin, sizeof(sin));

		close(fd);
		if (err == 0)
			return true;
		nanosleep(&pause, NULL);
	}
	return false;
}

unsigned
server_start_h2(void)
{
	unsigned port = free_port();
	char number[16], root[128], key[128], cert[128];
	char *argv[] = { "/usr/sbin/nghttpd", "-a", "127.0.0.1", "-d", root, number, key, cert,
		NULL };

	if (access(argv[0], X_OK) != 0)
		return 0;
	snprintf(number, sizeof(number), "%u", port);
	snprintf(root, sizeof(root), "%s", the.dir);
	snprintf(key, sizeof(key), "%s/good.key", the.dir);
	snprintf(cert, sizeof(cert), "%s/good.crt", the.dir);
	ck_assert_int_eq(posix_spawn(&the.h2, argv[0], NULL, NULL, argv, environ), 0);
	ck_assert_msg(answers(port), "nghttpd does not listen");
	return port;
}

void
server_freeze_h2(bool frozen)
{
	ck_assert_int_eq(kill(the.h2, frozen ? SIGSTOP : SIGCONT), 0);
}
