/*
 * datapath/sockets.c: ends UDP sockets of this node that talk to a backend which is gone.  Stands
 * beside the programs of sockets, which wrote into the map `socks` which socket (by its cookie) they
 * sent where: no other socket is touched.
 *
 * A connected UDP socket keeps its backend for ever; nothing answers it any more, and nothing tells
 * it so.  Ended, its next call gets ECONNABORTED, and it connects again, by the VIP, to a backend that is
 * there.  A thread reads which they are and ends those of our own network namespace; those of pods are
 * in others, which the helper goes through (helper.c), where there is one.
 */
#include "datapath/core.h"

#include "datapath/sock_end.h"
#include "lib/log.h"
#include "lib/loop.h"
#include "lib/mem.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define BATCH 1024
#define WAIT_MS 200 /* backends of one change go together */

struct target {
	struct lb_addr addr;
	__be16 port;
	uint8_t family;
	uint32_t row;
};

struct job { /* the thread's own while it runs, then the helper's */
	struct target *target;
	size_t nr;
	int socks;	     /* a duplicate */
	int done;	     /* eventfd, borrowed */
	struct sock_id *ids; /* by cookie */
	size_t nr_ids, cap_ids;
	uint64_t ended;
	int err; /* of the first that was refused */
};

struct dp_sockets {
	struct loop *loop;
	const struct dp_maps *maps;
	struct target *target; /* waiting for the next run */
	size_t nr, cap;
	struct loop_timer soon;
	struct loop_fd *watch;
	int done;
	struct dp_helper *helper; /* borrowed; NULL: none */
	struct job job;
	pthread_t thread;
	bool running;  /* there is a job; */
	bool threaded; /* it is the thread's */
	bool told;
	uint64_t ended;
};

/* ---- in the thread ---- */

static const struct target *
target_by_row(const struct job *j, uint32_t row)
{
	for (size_t i = 0; i < j->nr; i++) {
		if (j->target[i].row == row)
			return &j->target[i];
	}
	return NULL;
}

/* Which sockets: those that the map names with one of the rows. */
static void
ids_read(struct job *j)
{
	struct lb_sock_key *key = mem_calloc(BATCH, sizeof(*key));
	struct lb_sock *sock = mem_calloc(BATCH, sizeof(*sock));
	uint32_t at, nr;
	bool begun = false;
	int err = 0;

	while (key && sock && err == 0) {
		nr = BATCH;
		err = bpf_map_lookup_batch(j->socks, begun ? &at : NULL, &at, key, sock, &nr, NULL);
		if (err < 0 && errno != ENOENT)
			break;
		begun = true;
		for (uint32_t i = 0; i < nr; i++) {
			const struct target *t = target_by_row(j, sock[i].backend);

			/* A row may have been used again since. */
			if (!t || key[i].proto != IPPROTO_UDP || key[i].port != t->port ||
			    memcmp(&key[i].addr, &t->addr, sizeof(t->addr)) != 0)
				continue;
			if (mem_grow(
				(void **)&j->ids, &j->cap_ids, j->nr_ids, sizeof(*j->ids), 0) == 0)
				j->ids[j->nr_ids++] = (struct sock_id){ .cookie = key[i].cookie,
					.addr = t->addr,
					.port = t->port,
					.family = t->family };
		}
	}
	mem_free(key);
	mem_free(sock);
	if (j->nr_ids > 0)
		qsort(j->ids, j->nr_ids, sizeof(*j->ids), sock_id_cmp);
}

static void *
job_run(void *arg)
{
	struct job *j = arg;
	struct sock_ends ends = { .rx = mem_calloc(1, SOCK_RX_BYTES) };
	uint64_t one = 1;

	ids_read(j);
	ends.ids = j->ids;
	ends.nr = j->nr_ids;
	if (ends.rx && ends.nr > 0)
		sock_end_here(&ends);
	j->ended = ends.ended;
	j->err = ends.err;
	mem_free(ends.rx);
	if (write(j->done, &one, sizeof(one)) < 0)
		return NULL; /* the counter is full: it is readable already */
	return NULL;
}

/* ---- on the loop ---- */

static void
job_fini(struct job *j)
{
	mem_free(j->target);
	mem_free(j->ids);
	if (j->socks >= 0)
		close(j->socks);
	*j = (struct job){ .socks = -1, .done = -1 };
}

static void
job_end(struct dp_sockets *s)
{
	s->running = false;
	s->ended += s->job.ended;
	if (s->job.ended > 0)
		log_info(
		    "sockets-ended", LOG_U("sockets", s->job.ended), LOG_U("backends", s->job.nr));
	if (s->job.err < 0 && !s->told) {
		log_warn("sockets-not-ended", LOG_ERR(s->job.err),
		    LOG_S("reason",
			"connected UDP sockets keep a backend that is gone; a kernel with "
			"CONFIG_INET_DIAG_DESTROY and CAP_NET_ADMIN end them"));
		s->told = true;
	}
	job_fini(&s->job);
	if (s->nr > 0)
		timer_set(&s->soon, WAIT_MS);
}

static void
helped(void *arg, const struct helper_done *done)
{
	struct dp_sockets *s = arg;

	s->job.ended += done->ended;
	if (s->job.err == 0 && done->err != -EPIPE) /* helper.c has told of that */
		s->job.err = done->err;
	log_debug("sockets-of-pods", LOG_U("ended", done->ended),
	    LOG_U("namespaces", done->entered), LOG_U("not_entered", done->closed));
	job_end(s);
}

/* The thread has done its part. */
static void
job_go_on(struct dp_sockets *s)
{
	pthread_join(s->thread, NULL);
	s->threaded = false;
	if (s->job.ended < s->job.nr_ids && helper_is_there(s->helper))
		helper_ask(s->helper, s->job.ids, s->job.nr_ids, helped, s);
	else
		job_end(s);
}

static void
run_due(void *arg)
{
	struct dp_sockets *s = arg;
	int fd = s->maps ? s->maps->fd[DP_MAP_SOCKS] : -1;

	if (s->running || s->nr == 0)
		return; /* the end of that run comes here again */
	if (fd < 0) {
		s->nr = 0;
		return;
	}
	s->job = (struct job){ .target = s->target, .nr = s->nr, .done = s->done };
	s->target = NULL;
	s->nr = s->cap = 0;
	s->job.socks = fcntl(fd, F_DUPFD_CLOEXEC, 3);
	if (s->job.socks < 0 || pthread_create(&s->thread, NULL, job_run, &s->job) != 0)
		job_fini(&s->job);
	else
		s->running = s->threaded = true;
}

static void
run_done(void *arg, int fd, unsigned what)
{
	struct dp_sockets *s = arg;
	uint64_t n;

	(void)what;
	if (read(fd, &n, sizeof(n)) == sizeof(n) && s->threaded)
		job_go_on(s);
}

void
sockets_end(struct dp_sockets *s, const struct lb_be_row *be, uint32_t row)
{
	if (be->proto != IPPROTO_UDP || !s->maps || s->maps->fd[DP_MAP_SOCKS] < 0 || s->done < 0 ||
	    mem_grow((void **)&s->target, &s->cap, s->nr, sizeof(*s->target), 0) < 0)
		return;
	s->target[s->nr++] =
	    (struct target){ .addr = be->addr, .port = be->port, .family = be->family, .row = row };
	if (!timer_is_running(&s->soon))
		timer_set(&s->soon, WAIT_MS);
}

void
sockets_maps_set(struct dp_sockets *s, const struct dp_maps *maps)
{
	s->maps = maps;
}

void
sockets_helper_set(struct dp_sockets *s, struct dp_helper *helper)
{
	s->helper = helper;
}

uint64_t
sockets_ended(const struct dp_sockets *s)
{
	return s->ended;
}

struct dp_sockets *
sockets_new(struct loop *loop)
{
	struct dp_sockets *s = xnew(struct dp_sockets);

	s->loop = loop;
	s->job = (struct job){ .socks = -1, .done = -1 };
	timer_init(&s->soon, loop, run_due, s);
	s->done = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (s->done >= 0)
		s->watch = loop_fd_new(loop, s->done, LOOP_READ, run_done, s);
	if (!s->watch)
		log_warn("sockets-not-watched", LOG_ERR(-errno));
	return s;
}

void
sockets_free(struct dp_sockets *s)
{
	if (!s)
		return;
	timer_stop(&s->soon);
	if (s->threaded)
		pthread_join(s->thread, NULL);
	else if (s->running)
		helper_forget(s->helper);
	job_fini(&s->job);
	loop_fd_free(s->watch);
	if (s->done >= 0)
		close(s->done);
	mem_free(s->target);
	free(s);
}
