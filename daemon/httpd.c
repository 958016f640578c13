/*
 * daemon/httpd.c: see httpd.h.  RFC 9112, as much of it as a request without a body needs.
 */
#include "daemon/httpd.h"

#include "lib/acceptor.h"
#include "lib/addr.h"
#include "lib/loop.h"
#include "lib/mem.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#define CLIENTS_MAX 64
#define REQUEST_MAX 8192
#define HEAD_MAX 65536
#define ANSWER_MAX 65536      /* of those that come at once; others bring their own limit */
#define STREAM_MAX (4u << 20) /* of what is not sent yet */
#define CLIENT_MS 5000

struct httpd_visit {
	struct httpd_visit *next, **prev;
	struct httpd *httpd;
	struct loop_fd *watch;
	struct loop_timer deadline;
	int fd;
	struct buf in, head, body;
	size_t done;	/* bytes of both that are sent */
	bool waits;	/* for httpd_done() */
	bool stream;	/* without an end */
	bool head_only; /* HEAD */
	void (*gone)(void *arg);
	void *gone_arg;
};

struct httpd {
	struct loop *loop;
	httpd_cb *cb;
	void *arg;
	struct acceptor *acceptor;
	struct httpd_visit *visitors;
	unsigned nr_visitors;
};

static void
visitor_free(struct httpd_visit *v)
{
	*v->prev = v->next;
	if (v->next)
		v->next->prev = v->prev;
	v->httpd->nr_visitors--;
	timer_stop(&v->deadline);
	loop_fd_free(v->watch);
	close(v->fd);
	buf_fini(&v->in);
	buf_fini(&v->head);
	buf_fini(&v->body);
	if ((v->waits || v->stream) && v->gone)
		v->gone(v->gone_arg);
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
	case 403:
		return "Forbidden";
	case 404:
		return "Not Found";
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

/* The value of Host, cut off in place; "" when there is none. */
static const char *
find_host(char *head)
{
	char *line = head;

	while ((line = strchr(line, '\n'))) {
		line++;
		if (strncasecmp(line, "host:", 5) == 0) {
			line += 5 + strspn(line + 5, " \t");
			line[strcspn(line, " \t\r\n")] = '\0';
			return line;
		}
	}
	return "";
}

/* Is the other end on this machine, by its address? */
static bool
is_from_here(int fd)
{
	union {
		struct sockaddr any;
		struct sockaddr_in in;
		struct sockaddr_in6 in6;
	} peer = { .in6 = { 0 } };
	socklen_t len = sizeof(peer);
	const struct in6_addr *a = &peer.in6.sin6_addr;

	if (getpeername(fd, &peer.any, &len) < 0)
		return false;
	if (peer.any.sa_family == AF_INET)
		return ntohl(peer.in.sin_addr.s_addr) >> 24 == IN_LOOPBACKNET;
	return IN6_IS_ADDR_LOOPBACK(a) ||
	    (IN6_IS_ADDR_V4MAPPED(a) && a->s6_addr[12] == IN_LOOPBACKNET);
}

/* What is to be sent; the answer's body becomes ours. */
static void
put_answer(struct httpd_visit *v, struct httpd_answer *a)
{
	if (a->body.failed || a->headers.failed) {
		a->status = 503;
		buf_reset(&a->headers);
		buf_reset(&a->body);
		buf_puts(&a->body, "the answer is longer than it may be\n");
	}
	buf_printf(&v->head, "HTTP/1.1 %u %s\r\n%s", a->status, status_text(a->status),
	    buf_text(&a->headers));
	if (!v->stream)
		buf_printf(&v->head, "Content-Length: %zu\r\n", a->body.len);
	buf_puts(&v->head, "Connection: close\r\n\r\n");
	if (!v->head_only) {
		v->body = a->body;
		buf_init(&a->body, a->body.max);
	}
}

/* False: it will come later. */
static bool
make_answer(struct httpd_visit *v)
{
	struct httpd_answer a = { .status = 400, .visit = v };
	const char *path = "";

	buf_init(&a.headers, HEAD_MAX / 2);
	buf_init(&a.body, ANSWER_MAX);
	a.host = find_host(v->in.data);
	a.from_here = is_from_here(v->fd);
	v->in.data[strcspn(v->in.data, "\r\n")] = '\0';
	if (parse_request_line(v->in.data, &v->head_only, &path))
		v->httpd->cb(v->httpd->arg, path, &a);
	if (!v->waits)
		put_answer(v, &a);
	buf_fini(&a.headers);
	buf_fini(&a.body);
	return !v->waits;
}

static void
visitor_write(struct httpd_visit *v)
{
	ssize_t n;

	while (v->done < v->head.len + v->body.len) {
		const bool in_head = v->done < v->head.len;
		const struct buf *b = in_head ? &v->head : &v->body;
		const size_t at = in_head ? v->done : v->done - v->head.len;

		n = send(v->fd, b->data + at, b->len - at, MSG_NOSIGNAL);
		if (n < 0 && (errno == EAGAIN || errno == EINTR)) {
			loop_fd_set(v->watch, LOOP_WRITE);
			return;
		}
		if (n < 0)
			break;
		v->done += (size_t)n;
	}
	if (v->stream && v->done == v->head.len + v->body.len && !v->head_only) {
		buf_fini(&v->head);
		buf_fini(&v->body);
		buf_init(&v->head, HEAD_MAX);
		buf_init(&v->body, STREAM_MAX);
		v->done = 0;
		timer_stop(&v->deadline);
		loop_fd_set(v->watch, LOOP_READ);
		return;
	}
	visitor_free(v);
}

/* Nothing more is asked on a stream: only its end is of interest. */
static void
stream_read(struct httpd_visit *v)
{
	char chunk[2048];
	ssize_t n = recv(v->fd, chunk, sizeof(chunk), 0);

	if (n > 0 || (n < 0 && (errno == EAGAIN || errno == EINTR)))
		return;
	visitor_free(v);
}

static void
visitor_read(struct httpd_visit *v)
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
			if (make_answer(v))
				visitor_write(v);
			else
				loop_fd_set(v->watch, 0);
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
	else if (((struct httpd_visit *)arg)->stream)
		stream_read(arg);
	else
		visitor_read(arg);
}

static void
visitor_new(struct httpd *h, int fd)
{
	struct httpd_visit *v = xnew(struct httpd_visit);

	v->httpd = h;
	v->fd = fd;
	buf_init(&v->in, REQUEST_MAX);
	buf_init(&v->head, HEAD_MAX);
	buf_init(&v->body, ANSWER_MAX);
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
accept_visitor(void *arg, int fd)
{
	struct httpd *h = arg;

	if (h->nr_visitors >= CLIENTS_MAX)
		close(fd);
	else
		visitor_new(h, fd);
}

/* @addr not set: all addresses, with IPv4 as mapped ones when the family is IPv6. */
static int
listen_on(sa_family_t family, const struct addr *addr, uint16_t port)
{
	struct sockaddr_in6 sin6 = { .sin6_family = AF_INET6, .sin6_port = htons(port) };
	struct sockaddr_in sin = { .sin_family = AF_INET, .sin_port = htons(port) };
	const int fd = socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	const int yes = 1, only = addr_is_set(addr);
	int err;

	if (fd < 0)
		return -errno;
	if (addr_is_set(addr))
		memcpy(family == AF_INET6 ? (void *)&sin6.sin6_addr : (void *)&sin.sin_addr,
		    addr->b, addr_bits(addr->family) / 8);
	err = setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes));
	if (err == 0 && family == AF_INET6)
		err = setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &only, sizeof(only));
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

static int
listen_at(const struct addr *addr, uint16_t port)
{
	int fd;

	if (addr->family == ADDR_V4)
		return listen_on(AF_INET, addr, port);
	fd = listen_on(AF_INET6, addr, port);
	if (!addr_is_set(addr) && (fd == -EAFNOSUPPORT || fd == -EADDRNOTAVAIL))
		fd = listen_on(AF_INET, addr, port);
	return fd;
}

void
httpd_later(struct httpd_visit *v, void (*gone)(void *arg), void *arg)
{
	v->waits = true;
	v->gone = gone;
	v->gone_arg = arg;
}

void
httpd_done(struct httpd_visit *v, struct httpd_answer *a)
{
	v->waits = false;
	put_answer(v, a);
	buf_reset(&a->headers);
	visitor_write(v);
}

void
httpd_stream(struct httpd_visit *v, void (*gone)(void *arg), void *arg)
{
	v->stream = true;
	v->gone = gone;
	v->gone_arg = arg;
}

bool
httpd_stream_put(struct httpd_visit *v, const char *text, size_t len)
{
	if (v->head.len || v->body.len || len > STREAM_MAX)
		return false;
	buf_add(&v->body, text, len);
	if (v->body.failed) {
		buf_reset(&v->body);
		return false;
	}
	timer_set(&v->deadline, CLIENT_MS);
	loop_fd_set(v->watch, LOOP_WRITE);
	return true;
}

void
httpd_stream_end(struct httpd_visit *v)
{
	visitor_free(v);
}

struct httpd *
httpd_new(
    struct loop *loop, const struct addr *addr, uint16_t port, httpd_cb *cb, void *arg, int *err)
{
	static const struct addr any;
	struct httpd *h;
	int fd = listen_at(addr ? addr : &any, port);

	if (fd < 0) {
		*err = fd;
		return NULL;
	}
	h = xnew(struct httpd);
	*h = (struct httpd){ .loop = loop, .cb = cb, .arg = arg };
	h->acceptor = acceptor_new(loop, fd, "HTTP connections", accept_visitor, h);
	if (h->acceptor)
		return h;
	*err = -ENOMEM;
	close(fd);
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
	acceptor_free(h->acceptor);
	free(h);
}
