/*
 * daemon/pods_serve.c: see pods_serve.h.
 */
#include "daemon/pods_serve.h"

#include "daemon/control.h"
#include "lib/acceptor.h"
#include "lib/buf.h"
#include "lib/loop.h"
#include "lib/mem.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#define REQUEST_MAX ((size_t)1 << 20) /* GC brings a list of all attachments */
#define CLIENTS_MAX 256
#define CLIENT_MS 20000

struct pods_client {
	struct pods_client *next, **prev;
	struct pods_server *server;
	struct loop_fd *watch;
	struct loop_timer deadline;
	int fd;
	bool asks; /* the request is with asked(), no answer yet */
	struct buf in;
	char *out;
	size_t out_len, out_done;
};

struct pods_server {
	struct loop *loop;
	struct pods_server_ops ops;
	char *path;
	struct acceptor *acceptor;
	struct pods_client *clients;
	unsigned nr_clients;
	dev_t dev; /* of the socket file that we made */
	ino_t ino;
};

static void
client_free(struct pods_client *c)
{
	if (c->asks)
		c->server->ops.left(c->server->ops.arg, c);
	*c->prev = c->next;
	if (c->next)
		c->next->prev = c->prev;
	c->server->nr_clients--;
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

static void
client_write(struct pods_client *c)
{
	while (c->out_done < c->out_len) {
		const ssize_t n =
		    send(c->fd, c->out + c->out_done, c->out_len - c->out_done, MSG_NOSIGNAL);

		if (n < 0 && (errno == EAGAIN || errno == EINTR)) {
			loop_fd_set(c->watch, LOOP_WRITE);
			return;
		}
		if (n < 0)
			break;
		c->out_done += (size_t)n;
	}
	client_free(c);
}

void
pods_answer(struct pods_client *c, json_t *answer)
{
	c->asks = false;
	c->out = json_dumps(answer, JSON_COMPACT);
	json_decref(answer);
	if (!c->out) {
		client_free(c);
		return;
	}
	c->out_len = strlen(c->out) + 1;
	c->out[c->out_len - 1] = '\n';
	client_write(c);
}

static void
client_ask(struct pods_client *c, size_t len)
{
	json_t *request = json_loadb(c->in.data, len, JSON_REJECT_DUPLICATES, NULL);

	c->asks = true;
	/* From here on nothing more is read, but that it hangs up. */
	buf_reset(&c->in);
	c->server->ops.asked(c->server->ops.arg, c, request);
	json_decref(request);
}

static void
client_read(struct pods_client *c)
{
	char chunk[16384];
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
		if (c->asks) /* it was told to say one line */
			continue;
		end = memchr(chunk, '\n', (size_t)n);
		buf_add(&c->in, chunk, (size_t)n);
		if (c->in.failed) {
			client_free(c);
			return;
		}
		if (end) {
			client_ask(c, c->in.len - (size_t)(chunk + n - end));
			return;
		}
	}
}

static void
client_ready(void *arg, int fd, unsigned what)
{
	(void)fd;
	if (what & LOOP_WRITE)
		client_write(arg);
	else
		client_read(arg);
}

static void
client_new(struct pods_server *s, int fd)
{
	struct pods_client *c = xnew(struct pods_client);

	c->server = s;
	c->fd = fd;
	buf_init(&c->in, REQUEST_MAX);
	c->watch = loop_fd_new(s->loop, fd, LOOP_READ, client_ready, c);
	c->next = s->clients;
	c->prev = &s->clients;
	if (c->next)
		c->next->prev = &c->next;
	s->clients = c;
	s->nr_clients++;
	timer_init(&c->deadline, s->loop, client_late, c);
	timer_set(&c->deadline, CLIENT_MS);
	if (!c->watch)
		client_free(c);
}

/* Beyond the limit they are sent away, and ask again later. */
static void
accept_client(void *arg, int fd)
{
	struct pods_server *s = arg;

	if (s->nr_clients >= CLIENTS_MAX)
		close(fd);
	else
		client_new(s, fd);
}

int
pods_server_new(struct pods_server **out, struct loop *loop, const char *path,
    const struct pods_server_ops *ops, char **error)
{
	const int fd = control_listen("socket of herald-ipam", path, 0600, error);
	struct pods_server *s;
	struct stat st;

	if (fd < 0)
		return fd;
	s = xnew(struct pods_server);
	s->loop = loop;
	s->ops = *ops;
	s->path = xstrdup(path);
	if (stat(path, &st) == 0) {
		s->dev = st.st_dev;
		s->ino = st.st_ino;
	}
	s->acceptor = acceptor_new(loop, fd, "connections of herald-ipam", accept_client, s);
	if (!s->acceptor) {
		close(fd);
		*error = xasprintf("socket of herald-ipam %s: %s", path, strerror(ENOMEM));
		pods_server_free(s);
		return -ENOMEM;
	}
	*out = s;
	return 0;
}

void
pods_server_free(struct pods_server *s)
{
	struct stat st;

	if (!s)
		return;
	while (s->clients)
		client_free(s->clients);
	acceptor_free(s->acceptor);
	/* Only our own: a successor may have put its socket there already. */
	if (stat(s->path, &st) == 0 && st.st_dev == s->dev && st.st_ino == s->ino)
		unlink(s->path);
	free(s->path);
	free(s);
}
