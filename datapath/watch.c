/*
 * datapath/watch.c: the ring of new flows and drops.  Stands between the programs, which write
 * records while conf.flags says that somebody listens, and those who do.  Without a watch nothing is
 * written, and the ring is not even mapped.
 *
 * One watch with a filter has the programs filter; several are told apart here.
 */
#include "datapath/core.h"

#include "lib/log.h"
#include "lib/loop.h"
#include "lib/mem.h"

#include <bpf/libbpf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define SLICE 512 /* records at a time, then others have their turn */
#define OBSERVE (LB_CONF_OBSERVE_NEW | LB_CONF_OBSERVE_DROP)

struct dp_watch {
	struct dp_watches *watches;
	struct dp_watch *next, **prev;
	char *service; /* NULL: all */
	struct addr addr;
	uint64_t since_ns;
	void (*cb)(void *arg, const struct lb_event *, const char *service);
	void *arg;
};

struct dp_watches {
	struct loop *loop;
	struct dp_services *services;
	const struct dp_maps *maps;
	struct dp_watch *first;
	struct ring_buffer *ring;
	struct loop_fd *fd;
	struct loop_work more;
	struct dp_watch *at; /* the next one to be told, while one record is told */
	unsigned nr;	     /* records in this slice */
};

/* ---- what the programs are told ---- */

static void
address_store(struct lb_addr *to, const struct lb_addr *a)
{
	for (int i = 0; i < 4; i++)
		__atomic_store_n(&to->w[i], a->w[i], __ATOMIC_RELAXED);
}

static void
filter_write(struct dp_watches *w)
{
	struct lb_conf *conf = w->maps ? w->maps->conf : NULL;
	const struct dp_watch *only = w->first && !w->first->next ? w->first : NULL;
	struct lb_addr addr = { { 0 } };
	uint32_t service = 0;

	if (!conf)
		return;
	if (only && addr_is_set(&only->addr))
		addr = lb_addr_of(&only->addr);
	/* A Service that is not there yet has no number: all are told then, and filtered here. */
	if (only && only->service)
		service = services_number(w->services, only->service);
	address_store(&conf->observe, &addr);
	__atomic_store_n(&conf->observe_service, service, __ATOMIC_RELAXED);
	if (w->first && w->ring)
		__atomic_fetch_or(&conf->flags, OBSERVE, __ATOMIC_RELEASE);
	else
		__atomic_fetch_and(&conf->flags, ~(uint32_t)OBSERVE, __ATOMIC_RELEASE);
}

/* ---- records ---- */

static bool
watch_wants(const struct dp_watch *w, const struct lb_event *e, const char *service)
{
	struct lb_addr a = lb_addr_of(&w->addr);

	if (e->ns < w->since_ns || (w->service && strcmp(w->service, service) != 0))
		return false;
	return !addr_is_set(&w->addr) ||
	    (e->family == lb_family(&w->addr) &&
		(memcmp(&a, &e->client, sizeof(a)) == 0 || memcmp(&a, &e->vip, sizeof(a)) == 0 ||
		    memcmp(&a, &e->backend, sizeof(a)) == 0));
}

static int
on_record(void *arg, void *data, size_t size)
{
	struct dp_watches *w = arg;
	struct lb_event e;
	const char *name;

	if (size >= sizeof(e)) {
		memcpy(&e, data, sizeof(e));
		name = services_name(w->services, e.service);
		for (struct dp_watch *p = w->first; p; p = w->at) {
			w->at = p->next; /* a callback may free any of them */
			if (watch_wants(p, &e, name))
				p->cb(p->arg, &e, name);
		}
	}
	/* What is negative ends this reading; the record counts as read. */
	return ++w->nr < SLICE && w->first ? 0 : -EAGAIN;
}

static void ring_close(struct dp_watches *);

static void
ring_read(void *arg)
{
	struct dp_watches *w = arg;

	if (!w->ring)
		return;
	w->nr = 0;
	(void)ring_buffer__consume(w->ring);
	if (!w->first)
		ring_close(w); /* freed in a callback, on the ring's own stack */
	else if (w->nr >= SLICE)
		work_post(&w->more);
}

static void
ring_readable(void *arg, int fd, unsigned what)
{
	(void)fd;
	(void)what;
	ring_read(arg);
}

static int
ring_open(struct dp_watches *w)
{
	int err;

	if (w->ring)
		return 0;
	if (!w->maps || w->maps->fd[DP_MAP_EVENTS] < 0)
		return -ENODEV;
	w->ring = ring_buffer__new(w->maps->fd[DP_MAP_EVENTS], on_record, w, NULL);
	if (!w->ring)
		return -errno;
	w->fd = loop_fd_new(w->loop, ring_buffer__epoll_fd(w->ring), LOOP_READ, ring_readable, w);
	if (w->fd)
		return 0;
	err = -ENOMEM;
	ring_close(w);
	return err;
}

static void
ring_close(struct dp_watches *w)
{
	work_cancel(&w->more);
	loop_fd_free(w->fd);
	w->fd = NULL;
	ring_buffer__free(w->ring);
	w->ring = NULL;
}

/* ---- watches ---- */

struct dp_watch *
watches_add(struct dp_watches *w, const char *service, const struct addr *addr,
    void (*cb)(void *arg, const struct lb_event *, const char *service), void *arg)
{
	struct dp_watch *p;
	struct timespec ts;
	int err = ring_open(w);

	if (err < 0) {
		if (err != -ENODEV)
			log_warn("ring-not-mapped", LOG_ERR(err));
		return NULL;
	}
	p = mem_calloc(1, sizeof(*p));
	if (!p || (service && !(p->service = mem_strndup(service, strlen(service))))) {
		mem_free(p);
		if (!w->first)
			ring_close(w);
		return NULL;
	}
	clock_gettime(CLOCK_MONOTONIC, &ts);
	p->since_ns = (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
	p->watches = w;
	p->addr = addr ? *addr : (struct addr){ 0 };
	p->cb = cb;
	p->arg = arg;
	p->next = w->first;
	p->prev = &w->first;
	if (p->next)
		p->next->prev = &p->next;
	w->first = p;
	filter_write(w);
	return p;
}

void
watches_drop(struct dp_watch *p)
{
	struct dp_watches *w;

	if (!p)
		return;
	w = p->watches;
	if (w) {
		*p->prev = p->next;
		if (p->next)
			p->next->prev = p->prev;
		if (w->at == p)
			w->at = p->next;
		filter_write(w);
		if (!w->first)
			work_post(&w->more); /* closes the ring, from outside of its callbacks */
	}
	mem_free(p->service);
	mem_free(p);
}

void
watches_services_changed(struct dp_watches *w)
{
	if (w->first)
		filter_write(w);
}

static void
more_run(void *arg)
{
	struct dp_watches *w = arg;

	if (!w->first)
		ring_close(w);
	else
		ring_read(w);
}

struct dp_watches *
watches_new(struct loop *loop, struct dp_services *services)
{
	struct dp_watches *w = xnew(struct dp_watches);

	w->loop = loop;
	w->services = services;
	work_init(&w->more, loop, more_run, w);
	return w;
}

/* Watches that are left are told nothing more, and may be freed later. */
void
watches_free(struct dp_watches *w)
{
	if (!w)
		return;
	while (w->first) {
		struct dp_watch *p = w->first;

		w->first = p->next;
		p->watches = NULL;
	}
	filter_write(w);
	ring_close(w);
	free(w);
}

int
watches_maps_set(struct dp_watches *w, const struct dp_maps *maps)
{
	int err = 0;

	ring_close(w);
	w->maps = maps;
	if (maps && w->first)
		err = ring_open(w);
	filter_write(w); /* also takes back what a process left that was killed */
	return err;
}
