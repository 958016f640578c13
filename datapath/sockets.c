/*
 * datapath/sockets.c: ends UDP sockets of this node that talk to a backend which is gone.  Stands
 * beside the programs of sockets, which wrote into the map `socks` which socket (by its cookie) they
 * sent where: no other socket is touched.
 *
 * A connected UDP socket keeps its backend for ever; nothing answers it any more, and nothing tells
 * it so.  SOCK_DESTROY does: its next call gets ECONNABORTED, and it connects again, by the VIP, to
 * a backend that is there.  Sockets of pods are in namespaces of their own, so a thread goes through
 * those of all processes; without the right to enter them only ours is seen to.
 */
#include "datapath/core.h"

#include "lib/log.h"
#include "lib/loop.h"
#include "lib/mem.h"

#include <bpf/bpf.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#define BATCH 1024
#define WAIT_MS 200	     /* backends of one change go together */
#define ESTABLISHED (1 << 1) /* TCP_ESTABLISHED: what a connected UDP socket is called too */
#define RX_BYTES (32 << 10)

struct target {
	struct lb_addr addr;
	__be16 port;
	uint8_t family;
	uint32_t row;
};

struct job { /* the thread's own while it runs */
	struct target *target;
	size_t nr;
	int socks;	  /* a duplicate */
	int done;	  /* eventfd, duplicate */
	uint64_t *cookie; /* sorted */
	size_t nr_cookies, cap_cookies;
	uint64_t ended;
	int err; /* of the first SOCK_DESTROY that was refused */
};

struct dp_sockets {
	struct loop *loop;
	const struct dp_maps *maps;
	struct target *target; /* waiting for the next run */
	size_t nr, cap;
	struct loop_timer soon;
	struct loop_fd *watch;
	int done;
	struct job job;
	pthread_t thread;
	bool running, told;
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

static int
cookie_cmp(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

/* Which sockets: those that the map names with one of the rows. */
static void
cookies_read(struct job *j)
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
			if (mem_grow((void **)&j->cookie, &j->cap_cookies, j->nr_cookies,
				sizeof(*j->cookie), 0) == 0)
				j->cookie[j->nr_cookies++] = key[i].cookie;
		}
	}
	mem_free(key);
	mem_free(sock);
	if (j->nr_cookies > 0)
		qsort(j->cookie, j->nr_cookies, sizeof(*j->cookie), cookie_cmp);
}

static bool
is_ours(const struct job *j, const struct inet_diag_sockid *id)
{
	uint64_t cookie = (uint64_t)id->idiag_cookie[1] << 32 | id->idiag_cookie[0];
	bool to_target = false;

	for (size_t i = 0; i < j->nr && !to_target; i++) {
		const struct target *t = &j->target[i];

		/* A socket of IPv6 may be connected to an IPv4 address, mapped. */
		to_target = t->port == id->idiag_dport &&
		    (memcmp(&t->addr, id->idiag_dst, sizeof(t->addr)) == 0 ||
			(t->family == 4 && id->idiag_dst[2] == htonl(0xffff) &&
			    id->idiag_dst[3] == t->addr.w[0]));
	}
	return to_target && j->nr_cookies > 0 &&
	    bsearch(&cookie, j->cookie, j->nr_cookies, sizeof(cookie), cookie_cmp);
}

static ssize_t
diag_send(int fd, uint16_t type, uint16_t flags, const struct inet_diag_req_v2 *req)
{
	struct {
		struct nlmsghdr h;
		struct inet_diag_req_v2 r;
	} m = { .h = { .nlmsg_len = sizeof(m),
		    .nlmsg_type = type,
		    .nlmsg_flags = (uint16_t)(NLM_F_REQUEST | flags) },
		.r = *req };

	return send(fd, &m, sizeof(m), MSG_NOSIGNAL);
}

/* End one socket; the kernel answers at once. */
static void
socket_end(struct job *j, int fd, uint8_t family, const struct inet_diag_sockid *id)
{
	struct inet_diag_req_v2 req = { .sdiag_family = family,
		.sdiag_protocol = IPPROTO_UDP,
		.idiag_states = (uint32_t)-1,
		.id = *id };
	struct {
		struct nlmsghdr h;
		struct nlmsgerr e;
		uint8_t rest[256];
	} answer;

	if (diag_send(fd, SOCK_DESTROY, NLM_F_ACK, &req) < 0 ||
	    recv(fd, &answer, sizeof(answer), 0) <
		(ssize_t)(sizeof(answer.h) + sizeof(answer.e.error)))
		return;
	if (answer.h.nlmsg_type != NLMSG_ERROR)
		return;
	if (answer.e.error == 0)
		j->ended++;
	else if (answer.e.error != -ENOENT && j->err == 0)
		j->err = answer.e.error;
}

/* All connected UDP sockets of a family in the namespace that @dump and @end were opened in. */
static void
family_end(struct job *j, int dump, int end, uint8_t family, void *rx)
{
	struct inet_diag_req_v2 req = {
		.sdiag_family = family, .sdiag_protocol = IPPROTO_UDP, .idiag_states = ESTABLISHED
	};
	bool more = diag_send(dump, SOCK_DIAG_BY_FAMILY, NLM_F_DUMP, &req) >= 0;

	while (more) {
		ssize_t got = recv(dump, rx, RX_BYTES, 0);
		size_t len = got > 0 ? (size_t)got : 0;

		more = got > 0;
		for (struct nlmsghdr *h = rx; NLMSG_OK(h, len); h = NLMSG_NEXT(h, len)) {
			struct inet_diag_msg m;

			if (h->nlmsg_type == NLMSG_DONE || h->nlmsg_type == NLMSG_ERROR)
				more = false;
			if (h->nlmsg_type != SOCK_DIAG_BY_FAMILY ||
			    h->nlmsg_len < NLMSG_LENGTH(sizeof(m)))
				continue;
			memcpy(&m, NLMSG_DATA(h), sizeof(m));
			if (is_ours(j, &m.id))
				socket_end(j, end, family, &m.id);
		}
	}
}

static void
namespace_end(struct job *j, void *rx)
{
	int dump = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_SOCK_DIAG);
	int end = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_SOCK_DIAG);

	if (dump >= 0 && end >= 0) {
		family_end(j, dump, end, AF_INET, rx);
		family_end(j, dump, end, AF_INET6, rx);
	}
	if (dump >= 0)
		close(dump);
	if (end >= 0)
		close(end);
}

/* Each network namespace that a process is in, once; the thread stays in the last one and ends. */
static void
namespaces_end(struct job *j, void *rx)
{
	struct stat st;
	ino_t *seen = NULL;
	size_t nr = 0, cap = 0;
	DIR *proc = opendir("/proc");
	struct dirent *d;

	if (stat("/proc/thread-self/ns/net", &st) == 0 &&
	    mem_grow((void **)&seen, &cap, nr, sizeof(*seen), 0) == 0)
		seen[nr++] = st.st_ino;
	while (proc && (d = readdir(proc))) {
		char path[300];
		bool known = false;
		int fd;

		if (d->d_name[0] < '0' || d->d_name[0] > '9')
			continue;
		snprintf(path, sizeof(path), "/proc/%s/ns/net", d->d_name);
		if (stat(path, &st) < 0)
			continue;
		for (size_t i = 0; i < nr && !known; i++)
			known = seen[i] == st.st_ino;
		if (known || mem_grow((void **)&seen, &cap, nr, sizeof(*seen), 0) < 0)
			continue;
		seen[nr++] = st.st_ino;
		fd = open(path, O_RDONLY | O_CLOEXEC);
		if (fd < 0)
			continue;
		if (setns(fd, CLONE_NEWNET) == 0)
			namespace_end(j, rx);
		close(fd);
	}
	if (proc)
		closedir(proc);
	mem_free(seen);
}

static void *
job_run(void *arg)
{
	struct job *j = arg;
	void *rx = mem_calloc(1, RX_BYTES);
	uint64_t one = 1;

	cookies_read(j);
	if (rx && j->nr_cookies > 0) {
		namespace_end(j, rx);
		namespaces_end(j, rx);
	}
	mem_free(rx);
	if (write(j->done, &one, sizeof(one)) < 0)
		return NULL; /* the counter is full: it is readable already */
	return NULL;
}

/* ---- on the loop ---- */

static void
job_fini(struct job *j)
{
	mem_free(j->target);
	mem_free(j->cookie);
	if (j->socks >= 0)
		close(j->socks);
	*j = (struct job){ .socks = -1, .done = -1 };
}

static void
job_reap(struct dp_sockets *s)
{
	pthread_join(s->thread, NULL);
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
		s->running = true;
}

static void
run_done(void *arg, int fd, unsigned what)
{
	struct dp_sockets *s = arg;
	uint64_t n;

	(void)what;
	if (read(fd, &n, sizeof(n)) < 0 || !s->running)
		return;
	job_reap(s);
	if (s->nr > 0)
		timer_set(&s->soon, WAIT_MS);
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
	if (s->running)
		job_reap(s);
	loop_fd_free(s->watch);
	if (s->done >= 0)
		close(s->done);
	mem_free(s->target);
	free(s);
}
