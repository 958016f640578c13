/*
 * daemon/plan_process.c: see plan.h: the process that a plan is worked out in, from the request to the
 * answer, and what this daemon knows of it: that it runs.
 *
 * It has the client's connection and nothing else: every other descriptor is closed, new ones for
 * streams, programs and files to write cannot be had (a filter of system calls), it gives way to
 * everybody (nice, out of memory) and its time is limited.  Behind the request line come the documents:
 *     {"path":"bgp.yaml","bytes":512}\n and so many bytes, for each, and {"end":true}\n
 */
#include "daemon/plan.h"

#include "daemon/app.h"
#include "daemon/kube_apply.h"
#include "lib/buf.h"
#include "lib/log.h"
#include "lib/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define PLANS_MAX 4	  /* at once */
#define LIMIT_S 300	  /* of the whole */
#define PATIENCE_MS 30000 /* with a client that neither sends nor reads */
#define FILES_MAX 65536
#define TEXT_MAX ((size_t)256 << 20) /* of all files */
#define LINE_MAX_BYTES 8192
#define OUT_BUFFER 65536

struct plan_process {
	struct plan_process *next;
	struct app *app;
	pid_t pid;
	int alive; /* the end of a pipe that the process holds open */
	struct loop_fd *watch;
};

/* ---- what the daemon knows of it ---- */

static void
forget(struct plan_process *p)
{
	struct plan_process **at = &p->app->planning;

	while (*at && *at != p)
		at = &(*at)->next;
	if (*at)
		*at = p->next;
	loop_fd_free(p->watch);
	close(p->alive);
	free(p);
}

static unsigned
nr_running(const struct app *app)
{
	unsigned nr = 0;

	for (const struct plan_process *p = app->planning; p; p = p->next)
		nr++;
	return nr;
}

static void
ended(void *arg, int fd, unsigned what)
{
	struct plan_process *p = arg;
	int status = 0;

	(void)fd;
	(void)what;
	/* It has closed all that it had: there is nothing more to wait for. */
	if (waitpid(p->pid, &status, 0) == p->pid && status != 0)
		log_warn("plan-failed", LOG_I("status", status));
	forget(p);
}

void
plan_process_fini(struct app *app)
{
	struct plan_process *p;

	while ((p = app->planning)) {
		kill(p->pid, SIGKILL);
		(void)waitpid(p->pid, NULL, 0);
		forget(p);
	}
}

/* ---- out ---- */

struct plan_out {
	int fd;
	struct buf buf;
	size_t nr;
	bool broken;
};

static void
wait_for(int fd, short what)
{
	struct pollfd p = { .fd = fd, .events = what };

	if (poll(&p, 1, PATIENCE_MS) <= 0)
		_exit(1); /* nobody is listening any more */
}

static void
flush_out(struct plan_out *out)
{
	const char *at = out->buf.data;
	size_t left = out->buf.len;
	ssize_t n;

	while (left > 0) {
		n = send(out->fd, at, left, MSG_NOSIGNAL);
		if (n < 0 && errno == EAGAIN)
			wait_for(out->fd, POLLOUT);
		else if (n < 0 && errno != EINTR)
			_exit(1);
		if (n > 0) {
			at += n;
			left -= (size_t)n;
		}
	}
	buf_reset(&out->buf);
}

void
plan_put(struct plan_out *out, json_t *change)
{
	char *text = json_dumps(change, JSON_COMPACT);

	out->broken |= !text;
	buf_puts(&out->buf, out->nr ? "," : "{\"ok\":true,\"data\":{\"changes\":[");
	buf_puts(&out->buf, text ? text : "null");
	out->nr++;
	free(text);
	json_decref(change);
	if (out->buf.len >= OUT_BUFFER)
		flush_out(out);
}

static void
put_end(struct plan_out *out)
{
	if (out->nr == 0)
		buf_puts(&out->buf, "{\"ok\":true,\"data\":{\"changes\":[");
	if (!out->broken) /* half an answer is seen to be one */
		buf_puts(&out->buf, "]}}\n");
	flush_out(out);
}

static void
put_error(struct plan_out *out, int err, const char *error)
{
	json_t *o = json_pack("{s:b, s:s, s:s}", "ok", 0, "code", strerrorname_np(-err), "error",
	    error ? error : strerror(-err));
	char *text = json_dumps(o, JSON_COMPACT);

	if (out->nr > 0 || !text)
		_exit(1); /* the answer has begun: the client sees that it is not whole */
	buf_puts(&out->buf, text);
	buf_puts(&out->buf, "\n");
	flush_out(out);
}

/* ---- in ---- */

struct input {
	int fd;
	struct buf buf;
	size_t done; /* of it, used */
};

/* More bytes; 0, or -EPIPE and the like. */
static int
input_more(struct input *in)
{
	char piece[65536];
	ssize_t n;

	for (;;) {
		n = recv(in->fd, piece, sizeof(piece), 0);
		if (n > 0) {
			buf_add(&in->buf, piece, (size_t)n);
			return in->buf.failed ? -EFBIG : 0;
		}
		if (n == 0)
			return -EPIPE;
		if (errno == EAGAIN)
			wait_for(in->fd, POLLIN);
		else if (errno != EINTR)
			return -errno;
	}
}

/* The next line as JSON, without its newline. */
static int
input_line(struct input *in, json_t **line)
{
	const char *at, *end;
	int err;

	for (;;) {
		at = in->buf.data + in->done;
		end = in->buf.len > in->done ? memchr(at, '\n', in->buf.len - in->done) : NULL;
		if (end)
			break;
		if (in->buf.len - in->done > LINE_MAX_BYTES)
			return -EBADMSG;
		err = input_more(in);
		if (err < 0)
			return err;
	}
	*line = json_loadb(at, (size_t)(end - at), 0, NULL);
	in->done += (size_t)(end - at) + 1;
	return *line ? 0 : -EBADMSG;
}

struct texts {
	struct files_text *v;
	size_t *from; /* where each begins in the input, which moves while it grows */
	size_t nr, cap;
};

/* 1: one file; 0: that was all. */
static int
input_file(struct input *in, struct texts *t)
{
	json_t *line = NULL;
	const char *path;
	json_int_t bytes;
	int err = input_line(in, &line);

	if (err < 0)
		return err;
	if (json_is_true(json_object_get(line, "end")))
		return 0;
	path = json_string_value(json_object_get(line, "path"));
	bytes = json_integer_value(json_object_get(line, "bytes"));
	if (!path || bytes < 0 || t->nr >= FILES_MAX || (size_t)bytes > TEXT_MAX)
		return -EBADMSG;
	while (in->buf.len - in->done < (size_t)bytes) {
		err = input_more(in);
		if (err < 0)
			return err;
	}
	if (t->nr == t->cap) {
		t->cap = t->cap ? 2 * t->cap : 64;
		t->v = xrealloc(t->v, t->cap, sizeof(*t->v));
		t->from = xrealloc(t->from, t->cap, sizeof(*t->from));
	}
	t->from[t->nr] = in->done;
	t->v[t->nr++] = (struct files_text){ .path = xstrdup(path), .len = (size_t)bytes };
	in->done += (size_t)bytes;
	json_decref(line);
	return 1;
}

static int
input_files(struct input *in, struct texts *t, char **error)
{
	int more;

	do
		more = input_file(in, t);
	while (more > 0);
	for (size_t i = 0; i < t->nr; i++)
		t->v[i].text = in->buf.data + t->from[i];
	if (more == -EFBIG)
		*error = xasprintf("plan: the documents are larger than %zu bytes", TEXT_MAX);
	else if (more < 0)
		*error = xasprintf(
		    "plan: the documents did not come as they should: %s", strerror(-more));
	return more;
}

/* ---- alone ---- */

#define DENY(nr)                                                                                   \
	BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (nr), 0, 1),                                           \
	    BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM)
#define LOW(arg) (uint32_t)(offsetof(struct seccomp_data, args) + 8 * (arg))

/*
 * Nothing that changes anything for others: the rehearsal has no need of it, and does not try; this is for
 * the day when somebody forgets.  Sockets are for asking only: datagrams and netlink, not connections.
 */
static void
deny_effects(void)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		DENY(__NR_bpf),
		DENY(__NR_listen),
		DENY(__NR_unlinkat),
		DENY(__NR_renameat2),
		DENY(__NR_mkdirat),
		DENY(__NR_kill),
		DENY(__NR_tgkill),
		DENY(__NR_execve),
		DENY(__NR_execveat),
		DENY(__NR_mount),
#ifdef __NR_unlink
		DENY(__NR_unlink),
		DENY(__NR_rename),
		DENY(__NR_renameat),
		DENY(__NR_mkdir),
#endif
		/* a file to write: the flags are the third argument */
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, __NR_openat, 0, 3),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, LOW(2)),
		BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, O_WRONLY | O_RDWR | O_CREAT, 5, 0),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, __NR_socket, 0, 4),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, LOW(1)),
		BPF_STMT(BPF_ALU | BPF_AND | BPF_K, 0xf),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SOCK_STREAM, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	const struct sock_fprog program = { .len = sizeof(code) / sizeof(code[0]), .filter = code };

	/* Without it, as on a kernel that has no filters, the rehearsal is as good. */
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0)
		(void)prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program);
}

/* Everything but @a and @b; nobody's connection may hang on this process. */
static void
close_others(int a, int b)
{
	const unsigned low = (unsigned)(a < b ? a : b), high = (unsigned)(a < b ? b : a);

	if (low > 0)
		(void)close_range(0, low - 1, 0);
	if (high > low + 1)
		(void)close_range(low + 1, high - 1, 0);
	(void)close_range(high + 1, ~0u, 0);
}

static void
no_log(void *arg, const char *line)
{
	(void)arg;
	(void)line;
}

/* When memory is short, this is what goes. */
static void
give_way(void)
{
	const int fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);

	if (fd >= 0) {
		(void)!write(fd, "1000", 4);
		close(fd);
	}
	(void)setpriority(PRIO_PROCESS, 0, 19);
}

static void
be_alone(int client, int alive)
{
	const struct rlimit no_core = { 0 };

	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	signal(SIGTERM, SIG_DFL);
	signal(SIGINT, SIG_DFL);
	signal(SIGHUP, SIG_IGN);
	signal(SIGALRM, SIG_DFL);
	alarm(LIMIT_S);
	close_others(client, alive);
	/* Whoever means standard error shall not meet another file. */
	while (open("/dev/null", O_RDWR | O_CLOEXEC) >= 0 && fcntl(2, F_GETFD) < 0)
		;
	log_sink(no_log, NULL);
	(void)setrlimit(RLIMIT_CORE, &no_core);
	give_way();
	deny_effects();
}

static void
run(struct app *app, int client, const char *rest, size_t nr_rest, int alive)
{
	struct plan_out out = { .fd = client };
	struct input in = { .fd = client };
	struct texts texts = { 0 };
	char *error = NULL;
	int err;

	be_alone(client, alive);
	buf_init(&out.buf, (size_t)1 << 30);
	buf_init(&in.buf, TEXT_MAX + ((size_t)FILES_MAX * 512));
	buf_add(&in.buf, rest, nr_rest);
	err = input_files(&in, &texts, &error);
	if (err == 0)
		err = plan_rehearse(app, texts.v, texts.nr, &out, &error);
	if (err < 0)
		put_error(&out, err, error);
	else
		put_end(&out);
	_exit(0);
}

/* ---- the command ---- */

static int
refuse(char **error, int err, const char *why)
{
	*error = xasprintf("plan: %s", why);
	return err;
}

int
plan_command(void *arg, const struct control_req *req, json_t **data, char **error)
{
	struct app *app = arg;
	struct plan_process *p;
	const char *rest;
	int alive[2], client;
	size_t nr_rest;

	(void)data;
	if (req->argc != 0)
		return refuse(error, -EINVAL, "the documents come behind the request");
	if (app->stopping)
		return refuse(error, -ESHUTDOWN, "herald is stopping");
	if (nr_running(app) >= PLANS_MAX)
		return refuse(error, -EBUSY, "other plans are being worked out; try again");
	if (kube_apply_awaited(app) || !store_is_synced(app->store))
		return refuse(error, -EAGAIN,
		    "not every source is in sync yet (see heraldctl status); try again");
	store_flush(app->store); /* what came in this turn is no change of the plan's */
	if (pipe2(alive, O_CLOEXEC) < 0)
		return refuse(error, -errno, strerror(errno));
	client = control_take(req, &rest, &nr_rest);
	p = xnew(struct plan_process);
	p->app = app;
	p->alive = alive[0];
	p->watch = loop_fd_new(app->loop, p->alive, LOOP_READ, ended, p);
	p->pid = p->watch ? fork() : -1;
	if (p->pid == 0)
		run(app, client, rest, nr_rest, alive[1]);
	close(alive[1]);
	if (p->pid < 0) {
		forget(p);
		return refuse(error, -ENOMEM, "no process can be made; is memory short?");
	}
	p->next = app->planning;
	app->planning = p;
	return 0;
}
