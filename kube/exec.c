/*
 * kube/exec.c: see exec.h.  The program's end is told by a pidfd, its words by two pipes, all on the
 * loop; access.c asks, credential.c reads what came.
 */
#include "kube/exec.h"

#include "kube/words.h"

#include "lib/buf.h"
#include "lib/loop.h"
#include "lib/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/wait.h>
#include <unistd.h>

#define OUT_MAX (1u << 20) /* a chain of certificates is some 10 KiB */
#define ERR_MAX 1024u	   /* of its complaints, the first */
#define ERROR_MAX 2048u
#define DRAIN_MS 1000u /* its pipes, once it is gone: others may hold them */
#define LOOK_MS 20u    /* for its end, where the kernel knows no pidfd (before Linux 5.3) */

struct pipe_end {
	struct exec_run *run;
	int fd; /* -1: closed */
	struct loop_fd *watch;
	struct buf text;
	bool cut; /* more came than was kept */
};

struct exec_run {
	struct loop *loop;
	exec_done_cb *done;
	void *arg;
	char *command;
	unsigned timeout_ms;
	pid_t pid; /* 0: gone */
	bool late; /* it was killed for that */
	int pidfd, status;
	struct loop_fd *watch;
	struct loop_timer deadline, look;
	struct pipe_end out, err;
};

void
exec_conf_fini(struct exec_conf *c)
{
	for (char **p = c->args; p && *p; p++)
		secret_free(*p);
	for (char **p = c->env; p && *p; p++)
		secret_free(*p);
	free(c->args);
	free(c->env);
	free(c->command);
	free(c->api_version);
	free(c->hint);
	*c = (struct exec_conf){ 0 };
}

/* ---- its end ---- */

static void
pipe_close(struct pipe_end *p)
{
	loop_fd_free(p->watch);
	p->watch = NULL;
	if (p->fd >= 0)
		close(p->fd);
	p->fd = -1;
}

static void
pipe_fini(struct pipe_end *p)
{
	pipe_close(p);
	mem_wipe(p->text.data, p->text.cap);
	buf_fini(&p->text);
}

/* With all that it started and that stayed in its group; itself also when it left that. */
static void
run_kill(struct exec_run *r)
{
	if (r->pid <= 0)
		return;
	kill(-r->pid, SIGKILL);
	kill(r->pid, SIGKILL);
}

static void
run_free(struct exec_run *r)
{
	timer_stop(&r->deadline);
	timer_stop(&r->look);
	pipe_fini(&r->out);
	pipe_fini(&r->err);
	loop_fd_free(r->watch);
	if (r->pidfd >= 0)
		close(r->pidfd);
	free(r->command);
	free(r);
}

void
exec_stop(struct exec_run *r)
{
	if (!r)
		return;
	run_kill(r);
	/* It was sent SIGKILL: this takes as long as the kernel needs to take it down. */
	while (r->pid > 0 && waitpid(r->pid, NULL, 0) < 0 && errno == EINTR)
		;
	run_free(r);
}

/* Why it is no good; "" when it is. */
static void
run_verdict(struct exec_run *r, char *to, size_t size)
{
	char limit[24] = "";

	to[0] = '\0';
	if (r->late)
		snprintf(limit, sizeof(limit), "%u ms", r->timeout_ms);
	if (r->late)
		snprintf(to, size, "no answer within %s: it was killed", limit);
	else if (r->out.cut)
		snprintf(
		    to, size, "it printed more than %u bytes, which is no credential", OUT_MAX);
	else if (r->out.text.failed)
		snprintf(to, size, "no memory for what it printed");
	else if (WIFSIGNALED(r->status))
		snprintf(to, size, "it died by signal %d", WTERMSIG(r->status));
	else if (WEXITSTATUS(r->status) == 127 && r->out.text.len == 0)
		snprintf(to, size, "exit status 127: is it installed, and all that it needs?");
	else if (WEXITSTATUS(r->status) != 0)
		snprintf(to, size, "exit status %d", WEXITSTATUS(r->status));
}

static void
run_over(struct exec_run *r)
{
	char verdict[128], error[ERROR_MAX];
	char *said = r->err.text.data ? words_clean(r->err.text.data) : NULL;

	run_verdict(r, verdict, sizeof(verdict));
	snprintf(error, sizeof(error), "%s: %s%s%s%s", r->command, verdict,
	    said && *said ? "; it said: " : "", said ? said : "", r->err.cut ? "..." : "");
	if (*verdict)
		r->done(r->arg, NULL, 0, error);
	else
		r->done(r->arg, buf_text(&r->out.text), r->out.text.len, NULL);
	run_free(r);
}

static void
run_late(void *arg)
{
	struct exec_run *r = arg;

	if (r->pid > 0 && !r->late) {
		r->late = true;
		run_kill(r);
		timer_set(&r->deadline, DRAIN_MS); /* for its end to be told */
		return;
	}
	run_over(r);
}

/* Over when it is gone and its pipes are at their ends. */
static void
run_check(struct exec_run *r)
{
	if (r->pid > 0)
		return;
	if (r->late || (r->out.fd < 0 && r->err.fd < 0))
		run_over(r);
	else
		timer_set(&r->deadline, DRAIN_MS);
}

static void
run_look(void *arg)
{
	struct exec_run *r = arg;

	if (waitpid(r->pid, &r->status, WNOHANG) != r->pid) {
		if (r->pidfd < 0)
			timer_set(&r->look, LOOK_MS);
		return;
	}
	r->pid = 0;
	loop_fd_free(r->watch);
	r->watch = NULL;
	run_check(r);
}

static void
run_exited(void *arg, int fd, unsigned what)
{
	(void)fd;
	(void)what;
	run_look(arg);
}

/* ---- its words ---- */

static void
pipe_take(struct pipe_end *p, const char *bytes, size_t len)
{
	size_t room = p->text.max - p->text.len;

	p->cut = p->cut || len > room;
	buf_add(&p->text, bytes, len < room ? len : room);
}

static void
pipe_readable(void *arg, int fd, unsigned what)
{
	struct pipe_end *p = arg;
	struct exec_run *r = p->run;
	char bytes[16384];
	ssize_t n = read(fd, bytes, sizeof(bytes));

	(void)what;
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n > 0)
		pipe_take(p, bytes, (size_t)n);
	mem_wipe(bytes, sizeof(bytes));
	if (p == &r->out && p->cut)
		run_kill(r);
	if (n <= 0 || (p == &r->out && p->cut)) {
		pipe_close(p);
		run_check(r);
	}
}

/* ---- its start ---- */

/* Our end is read on the loop; the other, *theirs, is to be closed once it was handed on. */
static int
pipe_open(struct exec_run *r, struct pipe_end *p, size_t max, int *theirs)
{
	int fds[2];

	*p = (struct pipe_end){ .run = r, .fd = -1 };
	buf_init(&p->text, max);
	*theirs = -1;
	if (pipe2(fds, O_CLOEXEC) < 0)
		return -errno;
	p->fd = fds[0];
	*theirs = fds[1];
	if (fcntl(p->fd, F_SETFL, O_NONBLOCK) < 0)
		return -errno;
	p->watch = loop_fd_new(r->loop, p->fd, LOOP_READ, pipe_readable, p);
	return p->watch ? 0 : -ENOMEM;
}

static bool
is_name(const char *pair, const char *of)
{
	size_t len = strcspn(pair, "=");

	return strncmp(pair, of, len + 1) == 0;
}

/* Our environment, what the kubeconfig sets over it, and what the plugin is asked; borrowed texts. */
static char **
make_env(char *const *extra, char *info)
{
	size_t nr = 0, nr_extra = 0, n = 0;
	char **env;

	while (environ[nr])
		nr++;
	while (extra && extra[nr_extra])
		nr_extra++;
	env = xnew_n(char *, nr + nr_extra + 2);
	for (size_t i = 0; i < nr; i++) {
		bool over = is_name(info, environ[i]);

		for (size_t k = 0; k < nr_extra && !over; k++)
			over = is_name(extra[k], environ[i]);
		if (!over)
			env[n++] = environ[i];
	}
	for (size_t i = 0; i < nr_extra; i++)
		env[n++] = extra[i];
	env[n] = info;
	return env;
}

static char **
make_argv(const struct exec_conf *c)
{
	size_t nr = 0;
	char **argv;

	while (c->args && c->args[nr])
		nr++;
	argv = xnew_n(char *, nr + 2);
	argv[0] = c->command;
	for (size_t i = 0; i < nr; i++)
		argv[i + 1] = c->args[i];
	return argv;
}

/* A group of its own, no blocked or ignored signals, and of our descriptors only the pipes. */
static int
spawn(struct exec_run *r, const char *command, char **argv, char **env, const int theirs[2])
{
	posix_spawn_file_actions_t files;
	posix_spawnattr_t attr;
	sigset_t none, all;
	int err;

	sigemptyset(&none);
	sigfillset(&all);
	if (posix_spawn_file_actions_init(&files) != 0)
		return -ENOMEM;
	if (posix_spawnattr_init(&attr) != 0) {
		posix_spawn_file_actions_destroy(&files);
		return -ENOMEM;
	}
	posix_spawnattr_setpgroup(&attr, 0);
	posix_spawnattr_setsigmask(&attr, &none);
	posix_spawnattr_setsigdefault(&attr, &all);
	posix_spawnattr_setflags(
	    &attr, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
	err = posix_spawn_file_actions_addopen(&files, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
	if (!err)
		err = posix_spawn_file_actions_adddup2(&files, theirs[0], STDOUT_FILENO);
	if (!err)
		err = posix_spawn_file_actions_adddup2(&files, theirs[1], STDERR_FILENO);
	if (!err)
		err = posix_spawn_file_actions_addclosefrom_np(&files, STDERR_FILENO + 1);
	if (!err)
		err = posix_spawnp(&r->pid, command, &files, &attr, argv, env);
	if (err)
		r->pid = 0;
	posix_spawnattr_destroy(&attr);
	posix_spawn_file_actions_destroy(&files);
	return -err;
}

static int
run_start(struct exec_run *r, const struct exec_conf *c, const char *info)
{
	int theirs[2] = { -1, -1 }, err;
	char *asked = xasprintf("KUBERNETES_EXEC_INFO=%s", info);
	char **argv = make_argv(c), **env = make_env(c->env, asked);

	err = pipe_open(r, &r->out, OUT_MAX, &theirs[0]);
	if (err == 0)
		err = pipe_open(r, &r->err, ERR_MAX, &theirs[1]);
	if (err == 0)
		err = spawn(r, c->command, argv, env, theirs);
	for (int i = 0; i < 2; i++)
		if (theirs[i] >= 0)
			close(theirs[i]);
	free(argv);
	free(env);
	free(asked);
	if (err < 0)
		return err;
	r->pidfd = pidfd_open(r->pid, 0);
	if (r->pidfd < 0 && errno != ENOSYS)
		return -errno;
	if (r->pidfd < 0) {
		timer_set(&r->look, LOOK_MS);
		return 0;
	}
	r->watch = loop_fd_new(r->loop, r->pidfd, LOOP_READ, run_exited, r);
	return r->watch ? 0 : -ENOMEM;
}

struct exec_run *
exec_start(struct loop *loop, const struct exec_conf *c, const char *info, exec_done_cb *done,
    void *arg, char **error)
{
	struct exec_run *r = xnew(struct exec_run);
	int err;

	*r = (struct exec_run){ .loop = loop,
		.done = done,
		.arg = arg,
		.command = xstrdup(c->command),
		.timeout_ms = c->timeout_ms,
		.pidfd = -1,
		.out.fd = -1,
		.err.fd = -1 };
	timer_init(&r->deadline, loop, run_late, r);
	timer_init(&r->look, loop, run_look, r);
	err = run_start(r, c, info);
	if (err < 0) {
		*error = xasprintf("%s: cannot be run: %s%s%s", c->command, strerror(-err),
		    c->hint ? ": " : "", c->hint ? c->hint : "");
		exec_stop(r);
		return NULL;
	}
	timer_set(&r->deadline, c->timeout_ms);
	return r;
}
