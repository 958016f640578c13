/*
 * daemon/httpd.c: see httpd.h.  RFC 9112, as much of it as a request without a body needs.
 */
#include "daemon/httpd.h"

#include "lib/loop.h"
#include "lib/mem.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define CLIENTS_MAX 64
#define REQUEST_MAX 8192
#define ANSWER_MAX 65536
#define CLIENT_MS 5000

struct visitor {
	struct visitor *next, **prev;
	struct httpd *httpd;
	struct loop_fd *watch;
	struct loop_timer deadline;
	int fd;
	struct buf in, out;
	size_t done;
};

struct httpd {
	struct loop *loop;
	httpd_cb *cb;
	void *arg;
	int fd;
	struct loop_fd *watch;
	struct visitor *visitors;
	unsigned nr_visitors;
};

static void
visitor_free(struct visitor *v)
{
	*v->prev = v->next;
	if (v->next)
		v->next->prev = v->prev;
	v->httpd->nr_visitors--;
	timer_stop(&v->deadline);
	loop_fd_free(v->watch);
	close(v->fd);
	buf_fini(&v->in);
	buf_fini(&v->out);
	free(v);
}

static void
visitor_late(void *arg)
{
	visitor_free(arg);
}

static const char *
status_text(unsigned status)
{
	switch (status) {
	case 200:
		return "OK";
	case 400:
		return "Bad Request";
	default:
		return "Service Unavailable";
	}
}

/* RFC 9112 3: method SP request-target SP HTTP-version; *path in @line, which is cut up. */
static bool
parse_request_line(char *line, bool *head, const char **path)
{
	char *target = strchr(line, ' '), *version;

	if (!target)
		return false;
	*target++ = '\0';
	version = strchr(target, ' ');
	if (!version)
		return false;
	*version++ = '\0';
	if (strncmp(version, "HTTP/1.", 7) != 0)
		return false;
	for (const char *c = target; *c; c++)
		if (*c < '!' || *c > '~')
			return false;
	*head = strcmp(line, "HEAD") == 0;
	*path = target;
	return true;
}

static void
make_answer(struct visitor *v)
{
	struct httpd_answer a = { .status = 400 };
	const char *path = "";
	bool head = false;

	buf_init(&a.headers, ANSWER_MAX);
	buf_init(&a.body, ANSWER_MAX);
	v->in.data[strcspn(v->in.data, "\r\n")] = '\0';
	if (parse_request_line(v->in.data, &head, &path))
		v->httpd->cb(v->httpd->arg, path, &a);
	buf_printf(&v->out,
	    "HTTP/1.1 %u %s\r\n"
	    "%sContent-Length: %zu\r\n"
	    "Connection: close\r\n\r\n%s",
	    a.status, status_text(a.status), buf_text(&a.headers), a.body.len,
	    head ? "" : buf_text(&a.body));
	buf_fini(&a.headers);
	buf_fini(&a.body);
}

static void
visitor_write(struct visitor *v)
{
	ssize_t n;

	while (v->done < v->out.len) {
		n = send(v->fd, v->out.data + v->done, v->out.len - v->done, MSG_NOSIGNAL);
		if (n < 0 && (errno == EAGAIN || errno == EINTR)) {
			loop_fd_set(v->watch, LOOP_WRITE);
			return;
		}
		if (n < 0)
			break;
		v->done += (size_t)n;
	}
	visitor_free(v);
}

static void
visitor_read(struct visitor *v)
{
	char chunk[2048];
	ssize_t n;

	for (;;) {
		n = recv(v->fd, chunk, sizeof(chunk), 0);
		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			return;
		if (n <= 0 || memchr(chunk, '\0', (size_t)n)) {
			visitor_free(v);
			return;
		}
		buf_add(&v->in, chunk, (size_t)n);
		if (v->in.failed) {
			visitor_free(v);
			return;
		}
		if (strstr(v->in.data, "\r\n\r\n") || strstr(v->in.data, "\n\n")) {
			make_answer(v);
			visitor_write(v);
			return;
		}
	}
}

static void
visitor_ready(void *arg, int fd, unsigned what)
{
	(void)fd;
	if (what & LOOP_WRITE)
		visitor_write(arg);
	else
		visitor_read(arg);
}

static void
visitor_new(struct httpd *h, int fd)
{
	struct visitor *v = xnew(struct visitor);

	v->httpd = h;
	v->fd = fd;
	buf_init(&v->in, REQUEST_MAX);
	buf_init(&v->out, ANSWER_MAX * 2);
	v->next = h->visitors;
	v->prev = &h->visitors;
	if (v->next)
		v->next->prev = &v->next;
	h->visitors = v;
	h->nr_visitors++;
	timer_init(&v->deadline, h->loop, visitor_late, v);
	timer_set(&v->deadline, CLIENT_MS);
	v->watch = loop_fd_new(h->loop, fd, LOOP_READ, visitor_ready, v);
	if (!v->watch)
		visitor_free(v);
}

static void
accept_visitors(void *arg, int listen_fd, unsigned what)
{
	struct httpd *h = arg;
	int fd;

	(void)what;
	for (;;) {
		fd = accept4(listen_fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
		if (fd < 0)
			return;
		if (h->nr_visitors >= CLIENTS_MAX)
			close(fd);
		else
			visitor_new(h, fd);
	}
}

static int
listen_on(sa_family_t family, uint16_t port)
{
	struct sockaddr_in6 sin6 = { .sin6_family = AF_INET6, .sin6_port = htons(port) };
	struct sockaddr_in sin = { .sin_family = AF_INET, .sin_port = htons(port) };
	const int fd = socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	const int yes = 1, no = 0;
	int err;

	if (fd < 0)
		return -errno;
	err = setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes));
	if (err == 0 && family == AF_INET6)
		err = setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &no, sizeof(no));
	if (err == 0)
		err = family == AF_INET6 ? bind(fd, (struct sockaddr *)&sin6, sizeof(sin6))
					 : bind(fd, (struct sockaddr *)&sin, sizeof(sin));
	if (err == 0)
		err = listen(fd, CLIENTS_MAX);
	if (err == 0)
		return fd;
	err = -errno;
	close(fd);
	return err;
}

struct httpd *
httpd_new(struct loop *loop, uint16_t port, httpd_cb *cb, void *arg, int *err)
{
	struct httpd *h;
	int fd = listen_on(AF_INET6, port);

	if (fd == -EAFNOSUPPORT || fd == -EADDRNOTAVAIL)
		fd = listen_on(AF_INET, port);
	if (fd < 0) {
		*err = fd;
		return NULL;
	}
	h = xnew(struct httpd);
	*h = (struct httpd){ .loop = loop, .cb = cb, .arg = arg, .fd = fd };
	h->watch = loop_fd_new(loop, fd, LOOP_READ, accept_visitors, h);
	if (h->watch)
		return h;
	*err = -ENOMEM;
	httpd_free(h);
	return NULL;
}

void
httpd_free(struct httpd *h)
{
	if (!h)
		return;
	while (h->visitors)
		visitor_free(h->visitors);
	loop_fd_free(h->watch);
	close(h->fd);
	free(h);
}
