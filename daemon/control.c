/*
 * daemon/control.c: see control.h.  Clients are small state machines of the loop: read a line, run
 * the command, write the answer, close.  A client that dawdles holds up nobody.
 */
#include "daemon/control.h"

#include "lib/acceptor.h"
#include "lib/buf.h"
#include "lib/log.h"
#include "lib/loop.h"
#include "lib/mem.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define REQUEST_MAX 65536
#define CLIENTS_MAX 64
#define CLIENT_MS 30000 /* to send a request and take the answer */
#define ARGS_MAX 64
#define ANSWER_MAX ((size_t)1 << 30) /* as text */
#define ANSWER_BEGIN "{\"ok\":true,\"data\":"
#define STREAM_MAX 262144 /* bytes that wait for a client that does not read */
#define LOST_ROOM 64	  /* of them, to tell it how many records it lost */

/* What a client that listens to a stream has in place of an answer. */
struct control_stream {
	struct client *client;
	void (*ended)(void *arg), (*drained)(void *arg);
	void *arg;
	struct buf out;
	size_t done; /* of out, sent */
	uint64_t lost;
	bool ending;
};

struct client {
	struct client *next, **prev;
	struct control *control;
	struct loop_fd *watch;
	struct loop_timer deadline;
	int fd;
	struct buf in;
	char *out;
	size_t out_len, out_done;
	struct control_stream *stream; /* NULL: one answer, and good-bye */
	size_t line_len;	       /* of the request, in @in */
	bool taken;		       /* another process answers */
};

struct control {
	struct loop *loop;
	const struct control_cmd *cmds;
	void *arg;
	char *path;
	struct acceptor *acceptor;
	struct client *clients;
	unsigned nr_clients;
	dev_t dev; /* of the socket file that we made */
	ino_t ino;
	struct control_access access;
};

static void
stream_free(struct control_stream *s)
{
	if (!s)
		return;
	if (s->ended)
		s->ended(s->arg);
	buf_fini(&s->out);
	free(s);
}

static void
client_free(struct client *c)
{
	stream_free(c->stream);
	*c->prev = c->next;
	if (c->next)
		c->next->prev = c->prev;
	c->control->nr_clients--;
	timer_stop(&c->deadline);
	loop_fd_free(c->watch);
	close(c->fd);
	buf_fini(&c->in);
	free(c->out);
	free(c);
}

static void
client_late(void *arg)
{
	client_free(arg);
}

/* How many words of @cmd the request begins with; 0 when it is another command. */
static size_t
cmd_match(const struct control_cmd *cmd, const struct control_req *req)
{
	size_t n;

	for (n = 0; n < 3 && cmd->words[n]; n++)
		if (n >= req->argc || strcmp(cmd->words[n], req->argv[n]) != 0)
			return 0;
	return n;
}

/* May this client have it?  *error says why not. */
static bool
is_allowed(const struct client *c, const struct control_cmd *cmd, char **error)
{
	const struct control_access *a = &c->control->access;
	const enum control_right right = control_access_of(c->fd, a);

	if (right == CONTROL_ALL)
		return true;
	for (size_t i = 0; right == CONTROL_READ && a->reading[i][0]; i++) {
		bool same = true;

		for (int w = 0; w < 3; w++)
			same = same && !cmd->words[w] == !a->reading[i][w] &&
			    (!cmd->words[w] || strcmp(cmd->words[w], a->reading[i][w]) == 0);
		if (same)
			return true;
	}
	*error = xstrdup(right == CONTROL_READ
		? "your group may look, not change anything; control.group of the HeraldConfig may"
		: "you are in neither control.group nor control.readGroup of the HeraldConfig");
	return false;
}

/* Run it, as a stream or for one answer. */
static int
call(const struct control_cmd *cmd, struct client *c, const struct control_req *rest, json_t **data,
    char **error)
{
	struct control_stream *s;
	int err;

	if (!cmd->stream)
		return cmd->fn(c->control->arg, rest, data, error);
	s = xnew(struct control_stream);
	s->client = c;
	buf_init(&s->out, STREAM_MAX);
	err = cmd->stream(c->control->arg, rest, s, error);
	if (err < 0) {
		s->ended = NULL;
		stream_free(s);
	} else {
		c->stream = s;
	}
	return err;
}

/* The answer; NULL: it is in @text, whole. */
static json_t *
run_command(struct client *c, const struct control_req *req, struct buf *text)
{
	const struct control *control = c->control;
	const struct control_cmd *cmd, *best = NULL;
	size_t n, best_n = 0;
	json_t *data = NULL, *answer;
	char *error = NULL;
	int err;

	for (cmd = control->cmds; cmd->words[0]; cmd++) {
		n = cmd_match(cmd, req);
		if (n > best_n) {
			best = cmd;
			best_n = n;
		}
	}
	if (!best)
		return json_pack("{s:b, s:s, s:s}", "ok", 0, "code", "unknown-command", "error",
		    "this daemon does not know that command; is heraldctl newer than herald?");

	const struct control_req rest = {
		.argv = req->argv + best_n, .argc = req->argc - best_n, .text = text, .client = c
	};

	buf_puts(text, ANSWER_BEGIN);
	err = is_allowed(c, best, &error) ? call(best, c, &rest, &data, &error) : -EACCES;
	c->taken = c->taken && err == 0;
	if (err == 0 && text->failed)
		err = -EMSGSIZE;
	if (err == 0 && text->len > sizeof(ANSWER_BEGIN) - 1) {
		buf_puts(text, "}\n");
		answer = NULL;
	} else if (err == 0 && c->stream) {
		answer = json_pack("{s:b, s:b}", "ok", 1, "stream", 1);
	} else if (err < 0) {
		json_decref(data);
		answer = json_pack("{s:b, s:s, s:s}", "ok", 0, "code", strerrorname_np(-err),
		    "error", error ? error : strerror(-err));
	} else {
		answer = json_pack("{s:b, s:o}", "ok", 1, "data", data ? data : json_object());
	}
	free(error);
	return answer;
}

static json_t *
answer_line(struct client *c, const char *line, size_t len, struct buf *text)
{
	const char *argv[ARGS_MAX];
	struct control_req req = { .argv = argv };
	json_error_t bad;
	json_t *root, *words, *answer, *w;
	size_t i;

	root = json_loadb(line, len, 0, &bad);
	words = json_object_get(root, "argv");
	if (!json_is_array(words) || json_array_size(words) == 0 ||
	    json_array_size(words) > ARGS_MAX)
		goto malformed;
	json_array_foreach(words, i, w)
	{
		if (!json_is_string(w))
			goto malformed;
		argv[req.argc++] = json_string_value(w);
	}
	answer = run_command(c, &req, text);
	json_decref(root);
	return answer;

malformed:
	json_decref(root);
	return json_pack("{s:b, s:s, s:s}", "ok", 0, "code", "malformed-request", "error",
	    "the request is not a line of JSON of the form {\"argv\":[\"status\"]}");
}

int
control_take(const struct control_req *req, const char **rest, size_t *nr_rest)
{
	struct client *c = req->client;

	c->taken = true;
	*rest = c->in.data + c->line_len + 1;
	*nr_rest = c->in.len - c->line_len - 1;
	return c->fd;
}

/* ---- streams ---- */

void
control_stream_begin(struct control_stream *s, void (*ended)(void *arg), void *arg)
{
	s->ended = ended;
	s->arg = arg;
}

void
control_stream_drain(struct control_stream *s, void (*drained)(void *arg))
{
	s->drained = drained;
}

/* Is there room for @len bytes, when what was sent is given back? */
static bool
stream_has_room(struct control_stream *s, size_t len)
{
	if (s->done > 0 && s->out.len + len > STREAM_MAX) {
		memmove(s->out.data, s->out.data + s->done, s->out.len - s->done);
		s->out.len -= s->done;
		s->done = 0;
	}
	return s->out.len + len <= STREAM_MAX;
}

void
control_stream_put(struct control_stream *s, const json_t *record)
{
	char *text = json_dumps(record, JSON_COMPACT);

	if (s->ending)
		goto free_text;
	if (!text || !stream_has_room(s, strlen(text) + 1 + LOST_ROOM)) {
		s->lost++;
		goto free_text;
	}
	if (s->lost > 0)
		buf_printf(&s->out, "{\"lost\":%llu}\n", (unsigned long long)s->lost);
	s->lost = 0;
	buf_printf(&s->out, "%s\n", text);
	if (s->client->watch)
		loop_fd_set(s->client->watch, LOOP_READ | LOOP_WRITE);
free_text:
	free(text);
}

void
control_stream_end(struct control_stream *s)
{
	s->ending = true;
	timer_set(&s->client->deadline, CLIENT_MS);
	loop_fd_set(s->client->watch, LOOP_READ | LOOP_WRITE);
}

static void
stream_write(struct client *c)
{
	struct control_stream *s = c->stream;
	ssize_t n;

	while (s->done < s->out.len) {
		n = send(c->fd, s->out.data + s->done, s->out.len - s->done, MSG_NOSIGNAL);
		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			return;
		if (n < 0) {
			client_free(c);
			return;
		}
		s->done += (size_t)n;
	}
	buf_reset(&s->out);
	s->done = 0;
	loop_fd_set(c->watch, LOOP_READ);
	if (s->ending)
		client_free(c);
	else if (s->drained)
		s->drained(s->arg);
}

/* It has nothing more to say; when it hangs up the stream is over. */
static void
stream_read(struct client *c)
{
	char chunk[256];
	ssize_t n = recv(c->fd, chunk, sizeof(chunk), 0);

	if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR))
		client_free(c);
}

/* ---- clients ---- */

static void
client_write(struct client *c)
{
	ssize_t n;

	while (c->out_done < c->out_len) {
		n = send(c->fd, c->out + c->out_done, c->out_len - c->out_done, MSG_NOSIGNAL);
		if (n < 0 && (errno == EAGAIN || errno == EINTR)) {
			loop_fd_set(c->watch, LOOP_WRITE);
			return;
		}
		if (n < 0)
			break;
		c->out_done += (size_t)n;
	}
	if (!c->stream || c->out_done < c->out_len) {
		client_free(c);
		return;
	}
	/* The yes is out; from here on it may stay as long as it likes. */
	if (!c->stream->ending)
		timer_stop(&c->deadline);
	loop_fd_set(c->watch, LOOP_READ | LOOP_WRITE);
}

static void
client_answer(struct client *c, size_t line_len)
{
	struct buf large;
	json_t *answer;

	buf_init(&large, ANSWER_MAX);
	c->line_len = line_len;
	answer = answer_line(c, c->in.data, line_len, &large);
	if (c->taken) {
		json_decref(answer);
		buf_fini(&large);
		client_free(c);
		return;
	}
	if (answer) {
		c->out = json_dumps(answer, JSON_COMPACT);
		c->out_len = c->out ? strlen(c->out) + 1 : 0;
	} else {
		c->out_len = large.len;
		c->out = buf_steal(&large);
	}
	buf_fini(&large);
	json_decref(answer);
	if (!c->out) {
		log_error("control-answer-failed", LOG_ERR(ENOMEM));
		client_free(c);
		return;
	}
	c->out[c->out_len - 1] = '\n'; /* in the place of a NUL: from here on it is bytes */
	client_write(c);
}

static void
client_read(struct client *c)
{
	char chunk[4096];
	const char *end;
	ssize_t n;

	for (;;) {
		n = recv(c->fd, chunk, sizeof(chunk), 0);
		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			return;
		if (n <= 0) {
			client_free(c);
			return;
		}
		buf_add(&c->in, chunk, (size_t)n);
		if (c->in.failed) {
			client_free(c);
			return;
		}
		end = memchr(c->in.data, '\n', c->in.len);
		if (end) {
			loop_fd_set(c->watch, 0);
			client_answer(c, (size_t)(end - c->in.data));
			return;
		}
	}
}

static void
client_ready(void *arg, int fd, unsigned what)
{
	struct client *c = arg;
	const bool streams = c->stream && c->out_done == c->out_len;

	(void)fd;
	if (what & LOOP_WRITE)
		streams ? stream_write(c) : client_write(c);
	else
		c->stream ? stream_read(c) : client_read(c);
}

static void
client_new(struct control *control, int fd)
{
	struct client *c = xnew(struct client);

	c->control = control;
	c->fd = fd;
	buf_init(&c->in, REQUEST_MAX);
	c->watch = loop_fd_new(control->loop, fd, LOOP_READ, client_ready, c);
	c->next = control->clients;
	c->prev = &control->clients;
	if (c->next)
		c->next->prev = &c->next;
	control->clients = c;
	control->nr_clients++;
	timer_init(&c->deadline, control->loop, client_late, c);
	timer_set(&c->deadline, CLIENT_MS);
	if (!c->watch)
		client_free(c);
}

static void
accept_client(void *arg, int fd)
{
	struct control *control = arg;

	if (control->nr_clients >= CLIENTS_MAX)
		close(fd);
	else
		client_new(control, fd);
}

/* Is somebody listening on the socket file? */
static bool
socket_is_live(const struct sockaddr_un *sun)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	bool live;

	if (fd < 0)
		return true;
	live = connect(fd, (const struct sockaddr *)sun, sizeof(*sun)) == 0;
	close(fd);
	return live;
}

/* The folder of the socket, one level: /run is empty after a boot. */
static void
make_folder(const char *path)
{
	char *folder = xstrdup(path);
	char *slash = strrchr(folder, '/');

	if (slash && slash != folder) {
		*slash = '\0';
		(void)mkdir(folder, 0755); /* bind() will tell when it is not there */
	}
	free(folder);
}

int
control_listen(const char *what, const char *path, mode_t mode, char **error)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	size_t len = strlen(path);
	mode_t mask;
	int err, fd;

	if (len >= sizeof(sun.sun_path)) {
		*error = xasprintf("%s %s: the path is longer than %zu bytes; choose a shorter one",
		    what, path, sizeof(sun.sun_path) - 1);
		return -ENAMETOOLONG;
	}
	make_folder(path);
	memcpy(sun.sun_path, path, len + 1);
	if (access(path, F_OK) == 0 && socket_is_live(&sun)) {
		*error =
		    xasprintf("%s %s: another herald is listening there; stop it or set another "
			      "path",
			what, path);
		return -EADDRINUSE;
	}
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		goto fail;
	unlink(path);
	mask = umask(0777 & ~mode);
	err = bind(fd, (const struct sockaddr *)&sun, sizeof(sun));
	umask(mask);
	if (err == 0 && listen(fd, CLIENTS_MAX) == 0)
		return fd;
fail:
	err = -errno;
	*error = xasprintf("%s %s: %s", what, path, strerror(-err));
	if (fd >= 0)
		close(fd);
	return err;
}

int
control_new(struct control **out, struct loop *loop, const char *path,
    const struct control_cmd *cmds, void *arg, char **error)
{
	struct control *control;
	struct stat st;
	int fd;

	fd = control_listen("control socket", path, 0660, error);
	if (fd < 0)
		return fd;
	control = xnew(struct control);
	control->loop = loop;
	control->cmds = cmds;
	control->arg = arg;
	control->path = xstrdup(path);
	control->access = (struct control_access){ CONTROL_NO_GROUP, CONTROL_NO_GROUP, NULL };
	if (stat(path, &st) == 0) {
		control->dev = st.st_dev;
		control->ino = st.st_ino;
	}
	control->acceptor =
	    acceptor_new(loop, fd, "connections to the control socket", accept_client, control);
	if (!control->acceptor) {
		close(fd);
		*error = xasprintf("control socket %s: %s", path, strerror(ENOMEM));
		control_free(control);
		return -ENOMEM;
	}
	*out = control;
	return 0;
}

int
control_set_access(struct control *control, const struct control_access *access, char **error)
{
	control->access = *access;
	return control_access_file(control->path, access, error);
}

void
control_free(struct control *control)
{
	struct stat st;

	if (!control)
		return;
	while (control->clients)
		client_free(control->clients);
	acceptor_free(control->acceptor);
	/* Only our own: a successor may have put its socket there already. */
	if (stat(control->path, &st) == 0 && st.st_dev == control->dev && st.st_ino == control->ino)
		unlink(control->path);
	free(control->path);
	free(control);
}
