/*
 * bgpd/farewell.c: closing with a last word, without waiting.  Below session.c.
 */
#include "bgpd/farewell.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/loop.h"
#include "lib/mem.h"

#define FAREWELL_MS 2000
#define MAX_LINGERING 512
#define MAX_READS 64 /* a turn */

struct farewell {
	struct farewell *next;
	struct farewell_list *list;
	int fd;
	bool ended; /* our direction */
	struct loop_fd *watch;
	struct loop_timer limit;
	struct outq out;
};

void
farewell_init(struct farewell_list *l, struct loop *loop)
{
	*l = (struct farewell_list){ .loop = loop };
}

static void
farewell_free(struct farewell *g)
{
	struct farewell **at = &g->list->first;

	while (*at != g)
		at = &(*at)->next;
	*at = g->next;
	g->list->nr--;
	timer_stop(&g->limit);
	loop_fd_free(g->watch);
	close(g->fd);
	outq_fini(&g->out);
	mem_free(g);
}

static void
farewell_limit(void *arg)
{
	farewell_free(arg);
}

/* What came in is not read by anybody, but has to be gone before close().  False: all is over. */
static bool
discard(int fd)
{
	uint8_t bytes[4096];

	for (int i = 0; i < MAX_READS; i++) {
		ssize_t n = recv(fd, bytes, sizeof(bytes), MSG_DONTWAIT);

		if (n == 0)
			return false;
		if (n < 0)
			return errno == EAGAIN || errno == EINTR;
	}
	return true;
}

/* False: nothing is left to do. */
static bool
farewell_step(int fd, struct outq *q, bool *ended)
{
	if (!*ended) {
		long n = outq_write(q, fd);

		if (n < 0 && n != -EAGAIN)
			return false;
		if (!q->bytes) {
			(void)shutdown(fd, SHUT_WR);
			*ended = true;
		}
	}
	return discard(fd);
}

static void
farewell_ready(void *arg, int fd, unsigned what)
{
	struct farewell *g = arg;

	(void)what;
	if (!farewell_step(fd, &g->out, &g->ended)) {
		farewell_free(g);
		return;
	}
	loop_fd_set(g->watch, g->ended ? LOOP_READ : LOOP_READ | LOOP_WRITE);
}

void
farewell_add(struct farewell_list *l, int fd, struct outq *q)
{
	struct farewell *g;
	bool ended = false;

	if (!farewell_step(fd, q, &ended) || l->nr >= MAX_LINGERING)
		goto close_now;
	g = xnew(struct farewell);
	g->watch =
	    loop_fd_new(l->loop, fd, ended ? LOOP_READ : LOOP_READ | LOOP_WRITE, farewell_ready, g);
	if (!g->watch) {
		mem_free(g);
		goto close_now;
	}
	g->fd = fd;
	g->ended = ended;
	g->out = *q;
	if (q->begun)
		g->out.begun = q->begun == &q->urgent ? &g->out.urgent : &g->out.bulk;
	outq_init(q);
	g->list = l;
	g->next = l->first;
	l->first = g;
	l->nr++;
	timer_init(&g->limit, l->loop, farewell_limit, g);
	timer_set(&g->limit, FAREWELL_MS);
	return;

close_now:
	outq_fini(q);
	close(fd);
}

void
farewell_fini(struct farewell_list *l)
{
	while (l->first)
		farewell_free(l->first);
}
