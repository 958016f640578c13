/*
 * lib/acceptor.c: accept(2) until nobody waits.  A connection that cannot be taken for want of
 * descriptors keeps the socket readable, and the loop would turn for nothing until one is closed: so
 * the socket is not looked at for a while.
 */
#include "lib/acceptor.h"

#include <errno.h>
#include <stdbool.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/log.h"
#include "lib/loop.h"
#include "lib/mem.h"

#define A_TURN 256
#define REST_MS 200

struct acceptor {
	int fd;
	const char *what;
	struct loop_fd *watch;
	struct loop_timer rest;
	bool short_of; /* said so */
	bool *freed;   /* while the callee runs */
	acceptor_cb *cb;
	void *arg;
};

static void
rest_over(void *arg)
{
	struct acceptor *a = arg;

	loop_fd_set(a->watch, LOOP_READ);
}

static void
rest(struct acceptor *a, int err)
{
	if (!a->short_of)
		log_warn("cannot-accept", LOG_S("what", a->what), LOG_ERR(err),
		    LOG_S("hint",
			err == EMFILE ? "raise the limit of open files (LimitNOFILE)" : ""));
	a->short_of = true;
	loop_fd_set(a->watch, 0);
	timer_set(&a->rest, REST_MS);
}

/* One that was reset while it waited, or whose network failed meanwhile (accept(2)), is not the end
 * of the queue. */
static bool
is_its_own(int err)
{
	switch (err) {
	case EINTR:
	case ECONNABORTED:
	case EPROTO:
	case ENETDOWN:
	case EHOSTDOWN:
	case EHOSTUNREACH:
	case ENETUNREACH:
	case ENOPROTOOPT:
	case EOPNOTSUPP:
	case EPERM: /* a firewall's word */
		return true;
	default:
		return false;
	}
}

static void
on_ready(void *arg, int listener, unsigned what)
{
	struct acceptor *a = arg;
	bool freed = false;

	(void)what;
	for (int i = 0; i < A_TURN; i++) {
		int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

		if (fd < 0 && is_its_own(errno))
			continue;
		if (fd < 0) {
			if (errno != EAGAIN)
				rest(a, errno);
			return;
		}
		if (a->short_of)
			log_info("accepting-again", LOG_S("what", a->what));
		a->short_of = false;
		a->freed = &freed;
		a->cb(a->arg, fd);
		if (freed)
			return;
		a->freed = NULL;
	}
}

struct acceptor *
acceptor_new(struct loop *loop, int fd, const char *what, acceptor_cb *cb, void *arg)
{
	struct acceptor *a = mem_calloc(1, sizeof(*a));

	if (!a)
		return NULL;
	*a = (struct acceptor){ .fd = fd, .what = what, .cb = cb, .arg = arg };
	timer_init(&a->rest, loop, rest_over, a);
	a->watch = loop_fd_new(loop, fd, LOOP_READ, on_ready, a);
	if (!a->watch) {
		mem_free(a);
		return NULL;
	}
	return a;
}

void
acceptor_free(struct acceptor *a)
{
	if (!a)
		return;
	if (a->freed)
		*a->freed = true;
	timer_stop(&a->rest);
	loop_fd_free(a->watch);
	close(a->fd);
	mem_free(a);
}

int
acceptor_fd(const struct acceptor *a)
{
	return a->fd;
}
