/*
 * tools/heraldctl/client.c: connects, sends one line, reads one line, and says in plain words why
 * not when that does not work.
 */
#include "tools/heraldctl/client.h"

#include "lib/buf.h"
#include "lib/mem.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#define ANSWER_MAX ((size_t)1 << 30) /* a full table as JSON fits easily */
#define PATIENCE_S 30		     /* for each piece of the answer */

static int
connect_to(const char *path, int *fd, char **error)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	const struct timeval patience = { .tv_sec = PATIENCE_S };
	int err;

	if (strlen(path) >= sizeof(sun.sun_path)) {
		*error =
		    xasprintf("socket %s: the path is longer than %zu bytes; use a shorter one",
			path, sizeof(sun.sun_path) - 1);
		return CTL_USAGE;
	}
	memcpy(sun.sun_path, path, strlen(path));
	*fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (*fd < 0) {
		*error = xasprintf("cannot make a socket: %s", strerror(errno));
		return CTL_NO_DAEMON;
	}
	if (setsockopt(*fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)) < 0 ||
	    setsockopt(*fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience)) < 0 ||
	    connect(*fd, (const struct sockaddr *)&sun, sizeof(sun)) < 0) {
		err = errno;
		close(*fd);
		*error = xasprintf("cannot reach the daemon on %s: %s; %s", path, strerror(err),
		    err == EACCES ? "run this as root, or as a member of the socket's group"
				  : "is herald running? (-s SOCKET or HERALD_SOCKET names another "
				    "socket)");
		return CTL_NO_DAEMON;
	}
	return CTL_OK;
}

static int
send_all(int fd, const char *text, size_t len)
{
	ssize_t n;

	while (len > 0) {
		n = send(fd, text, len, MSG_NOSIGNAL);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		text += n;
		len -= (size_t)n;
	}
	return 0;
}

/* Everything up to the newline or the end; what comes behind it goes to @rest. */
static int
read_first(int fd, struct buf *line, struct buf *rest)
{
	char piece[65536];
	const char *end;
	size_t len;
	ssize_t n;

	for (;;) {
		n = read(fd, piece, sizeof(piece));
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return errno == EAGAIN ? -ETIMEDOUT : -errno;
		if (n == 0)
			return line->len ? 0 : -EPIPE;
		end = memchr(piece, '\n', (size_t)n);
		len = end ? (size_t)(end - piece) : (size_t)n;
		buf_add(line, piece, len);
		if (end)
			buf_add(rest, end + 1, (size_t)n - len - 1);
		if (line->failed || rest->failed)
			return -EMSGSIZE;
		if (end)
			return 0;
	}
}

/* The line to send. */
static char *
question(int argc, const char *const *argv, const char *output)
{
	json_t *words = json_array(), *q;
	size_t len;
	char *text;

	for (int i = 0; i < argc; i++)
		json_array_append_new(words, json_string(argv[i]));
	q = json_pack("{s:o, s:s}", "argv", words, "output", output);
	text = q ? json_dumps(q, JSON_COMPACT) : NULL;
	json_decref(q);
	if (text) {
		len = strlen(text);
		text = xrealloc(text, len + 2, 1);
		memcpy(text + len, "\n", 2);
	}
	return text;
}

/* The daemon did not understand what was asked; of a configuration it says the same when that is bad. */
static bool
is_wrong_usage(const json_t *answer, const char *command)
{
	const char *code = json_string_value(json_object_get(answer, "code"));

	return code && strcmp(code, "EINVAL") == 0 && strcmp(command, "reload") != 0 &&
	    strcmp(command, "plan") != 0;
}

/* The daemon's yes or no. */
static int
verdict(const char *path, const char *command, const struct buf *line, json_t **data, char **error)
{
	json_error_t bad;
	json_t *answer = json_loadb(buf_text(line), line->len, 0, &bad);
	json_t *body = json_object_get(answer, "data");
	const char *said = json_string_value(json_object_get(answer, "error"));
	int status = CTL_OK;

	if (json_is_true(json_object_get(answer, "ok"))) {
		*data = body ? json_incref(body) : json_object();
	} else if (said) {
		*error = xstrdup(said);
		status = is_wrong_usage(answer, command) ? CTL_USAGE : CTL_REFUSED;
	} else {
		*error = xasprintf("what answers on %s is not herald, or another version: %s", path,
		    answer ? "no \"ok\" in the answer" : bad.text);
		status = CTL_NO_DAEMON;
	}
	json_decref(answer);
	return status;
}

int
client_ask_with(const char *path, int argc, const char *const *argv, const char *output,
    const struct buf *more, json_t **data, char **error)
{
	char *text = question(argc, argv, output);
	struct buf line, rest;
	int fd, err, status;

	if (!text) {
		*error = xstrdup("an argument is not valid UTF-8");
		return CTL_USAGE;
	}
	buf_init(&line, ANSWER_MAX);
	buf_init(&rest, ANSWER_MAX);
	status = connect_to(path, &fd, error);
	if (status != CTL_OK)
		goto free_text;
	err = send_all(fd, text, strlen(text));
	if (err == 0 && more)
		err = send_all(fd, more->data, more->len);
	/* Who says no before it has heard all hangs up: what it said is still there to be read. */
	if (err == 0 || err == -EPIPE || err == -ECONNRESET)
		err = read_first(fd, &line, &rest);
	if (err < 0) {
		*error = xasprintf("asked the daemon on %s, but no answer came: %s", path,
		    err == -EPIPE ? "it hung up" : strerror(-err));
		status = CTL_NO_DAEMON;
	} else {
		status = verdict(path, argc ? argv[0] : "", &line, data, error);
	}
	close(fd);

free_text:
	buf_fini(&rest);
	buf_fini(&line);
	free(text);
	return status;
}

int
client_ask(const char *path, int argc, const char *const *argv, const char *output, json_t **data,
    char **error)
{
	return client_ask_with(path, argc, argv, output, NULL, data, error);
}

/* ---- streams ---- */

/* The first line of @in without its newline as JSON, taken away from it; NULL: there is no whole
 * line, or, with *bad, it is not JSON. */
static json_t *
take_line(struct buf *in, bool *bad)
{
	const char *end = in->len ? memchr(in->data, '\n', in->len) : NULL;
	json_error_t error;
	size_t len;
	json_t *o;

	*bad = false;
	if (!end)
		return NULL;
	len = (size_t)(end - in->data);
	o = json_loadb(in->data, len, 0, &error);
	memmove(in->data, in->data + len + 1, in->len - len - 1);
	in->len -= len + 1;
	*bad = !o;
	return o;
}

/* Records until it is over; 0 or -errno. */
static int
hear(int fd, struct buf *in, bool (*each)(void *arg, const json_t *record), void *arg)
{
	const struct timeval for_ever = { 0 };
	char piece[65536];
	json_t *record;
	bool bad, more;
	ssize_t n;

	if (setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &for_ever, sizeof(for_ever)) < 0)
		return -errno;
	for (;;) {
		while ((record = take_line(in, &bad))) {
			more = each(arg, record);
			json_decref(record);
			if (!more)
				return 0;
		}
		if (bad)
			return -EBADMSG;
		n = read(fd, piece, sizeof(piece));
		if (n == 0)
			return 0;
		if (n < 0 && errno != EINTR)
			return -errno;
		if (n > 0)
			buf_add(in, piece, (size_t)n);
		if (in->failed)
			return -EMSGSIZE;
	}
}

int
client_listen(const char *path, int argc, const char *const *argv, const char *output,
    void (*began)(void *arg), bool (*each)(void *arg, const json_t *record), void *arg,
    char **error)
{
	char *text = question(argc, argv, output);
	json_t *data = NULL;
	struct buf line, in;
	int fd, err, status;

	if (!text) {
		*error = xstrdup("an argument is not valid UTF-8");
		return CTL_USAGE;
	}
	buf_init(&line, ANSWER_MAX);
	buf_init(&in, ANSWER_MAX);
	status = connect_to(path, &fd, error);
	if (status != CTL_OK)
		goto free_text;
	err = send_all(fd, text, strlen(text));
	if (err == 0)
		err = read_first(fd, &line, &in);
	if (err == 0)
		status = verdict(path, argc ? argv[0] : "", &line, &data, error);
	if (err == 0 && status == CTL_OK) {
		began(arg);
		err = hear(fd, &in, each, arg);
	}
	if (err < 0) {
		*error = xasprintf("listened to the daemon on %s, but: %s", path,
		    err == -EPIPE ? "it hung up" : strerror(-err));
		status = CTL_NO_DAEMON;
	}
	json_decref(data);
	close(fd);

free_text:
	buf_fini(&in);
	buf_fini(&line);
	free(text);
	return status;
}
