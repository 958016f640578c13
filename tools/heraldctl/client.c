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

/* Everything up to the newline or the end. */
static int
read_line(int fd, struct buf *line)
{
	char piece[65536];
	const char *end;
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
		buf_add(line, piece, end ? (size_t)(end - piece) : (size_t)n);
		if (line->failed)
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

/* The daemon's yes or no. */
static int
verdict(const char *path, const struct buf *line, json_t **data, char **error)
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
		status = CTL_REFUSED;
	} else {
		*error = xasprintf("what answers on %s is not herald, or another version: %s", path,
		    answer ? "no \"ok\" in the answer" : bad.text);
		status = CTL_NO_DAEMON;
	}
	json_decref(answer);
	return status;
}

int
client_ask(const char *path, int argc, const char *const *argv, const char *output, json_t **data,
    char **error)
{
	char *text = question(argc, argv, output);
	struct buf line;
	int fd, err, status;

	if (!text) {
		*error = xstrdup("an argument is not valid UTF-8");
		return CTL_USAGE;
	}
	buf_init(&line, ANSWER_MAX);
	status = connect_to(path, &fd, error);
	if (status != CTL_OK)
		goto free_text;
	err = send_all(fd, text, strlen(text));
	if (err == 0)
		err = read_line(fd, &line);
	if (err < 0) {
		*error = xasprintf("asked the daemon on %s, but no answer came: %s", path,
		    err == -EPIPE ? "it hung up" : strerror(-err));
		status = CTL_NO_DAEMON;
	} else {
		status = verdict(path, &line, data, error);
	}
	close(fd);

free_text:
	buf_fini(&line);
	free(text);
	return status;
}
