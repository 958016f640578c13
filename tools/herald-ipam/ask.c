/*
 * tools/herald-ipam/ask.c: one question to the daemon over its unix socket.  See cni.h.
 */
#include "tools/herald-ipam/cni.h"

#include "lib/buf.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#define ANSWER_MAX ((size_t)64 << 10)
#define WAIT_S 25 /* the daemon waits for its disk, and gives up before */

static int
dial(const char *path)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	const struct timeval wait = { .tv_sec = WAIT_S };
	const size_t len = strlen(path);
	int fd, err;

	if (len >= sizeof(sun.sun_path))
		return -ENAMETOOLONG;
	memcpy(sun.sun_path, path, len + 1);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	if (setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof(wait)) < 0 ||
	    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &wait, sizeof(wait)) < 0 ||
	    connect(fd, (const struct sockaddr *)&sun, sizeof(sun)) < 0) {
		err = -errno;
		close(fd);
		return err;
	}
	return fd;
}

static int
say(int fd, const char *text, size_t len)
{
	while (len > 0) {
		const ssize_t n = send(fd, text, len, MSG_NOSIGNAL);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		text += n;
		len -= (size_t)n;
	}
	return 0;
}

static int
hear(int fd, struct buf *b)
{
	char chunk[4096];
	ssize_t n;

	for (;;) {
		n = recv(fd, chunk, sizeof(chunk), 0);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return errno == EAGAIN ? -ETIMEDOUT : -errno;
		if (n == 0)
			return b->len > 0 ? 0 : -ECONNRESET;
		buf_add(b, chunk, (size_t)n);
		if (b->failed)
			return -EMSGSIZE;
		if (memchr(chunk, '\n', (size_t)n))
			return 0;
	}
}

int
ask_daemon(const char *socket, const json_t *request, json_t **answer, char *why, size_t size)
{
	char *text = json_dumps(request, JSON_COMPACT);
	struct buf heard;
	int fd, err = -ENOMEM;

	*answer = NULL;
	buf_init(&heard, ANSWER_MAX);
	if (!text)
		goto done;
	fd = err = dial(socket);
	if (fd < 0)
		goto done;
	err = say(fd, text, strlen(text));
	if (err == 0)
		err = say(fd, "\n", 1);
	if (err == 0)
		err = hear(fd, &heard);
	close(fd);
	if (err == 0) {
		*answer = json_loadb(buf_text(&heard), heard.len, 0, NULL);
		err = *answer ? 0 : -EBADMSG;
	}
done:
	if (err < 0)
		snprintf(why, size,
		    "herald cannot be asked at %s: %s; is it running on this node? See `systemctl "
		    "status herald`, or its pod",
		    socket, strerror(-err));
	buf_fini(&heard);
	free(text);
	return err;
}
