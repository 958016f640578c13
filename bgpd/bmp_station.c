/*
 * bgpd/bmp_station.c: the connection to one monitoring station: dialling and backing off, the queue, its
 * end.  Between bmp_feed.c, which has something to tell, and the socket.
 */
#include "bgpd/bmp_in.h"

#include "bgpd/transport.h"
#include "lib/mem.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/*
 * RFC 7854 3.2 recommends 30 s at first and 720 at most.  deviation: a station that was restarted shall not
 * miss that much; one SYN a minute and node is all that a dead one gets.
 */
#define RETRY_FIRST_MS 1000
#define RETRY_MAX_MS 60000
#define CONNECT_MS 10000
#define LASTING_MS 60000 /* connected that long, it is no failure to back off from */
#define JITTER 25
#define LOGS_A_MINUTE 6

static void
say(struct bmp_station *st, const char *event, const char *why)
{
	unsigned kept_back = 0;

	if (log_allow(&st->noise, loop_now_ms(st->bmp->bgp->loop), LOGS_A_MINUTE, &kept_back))
		log_warn(event, LOG_S("station", st->name), LOG_S("address", addr_str(&st->addr)),
		    LOG_U("port", st->port), LOG_S("reason", why), LOG_U("suppressed", kept_back));
}

static void
queue_empty(struct bmp_station *st)
{
	outq_fini(&st->out);
	buf_fini(&st->made);
	buf_init(&st->made, BMP_QUEUE_MAX);
}

/* No connection any more; it knows nothing. */
static void
disconnect(struct bmp_station *st)
{
	loop_fd_free(st->watch);
	st->watch = NULL;
	if (st->fd >= 0)
		close(st->fd);
	st->fd = -1;
	st->state = BMP_WAITING;
	st->doomed = false;
	st->why = NULL;
	timer_stop(&st->statistics);
	work_cancel(&st->work);
	feed_forget(st);
	queue_empty(st);
}

static void
retry_later(struct bmp_station *st)
{
	uint32_t ms = RETRY_FIRST_MS;

	for (unsigned i = 0; i < st->tries && ms < RETRY_MAX_MS; i++)
		ms *= 2;
	st->tries++;
	timer_set_jitter(&st->retry, ms < RETRY_MAX_MS ? ms : RETRY_MAX_MS, JITTER);
}

static void
lost(struct bmp_station *st, const char *what, int err)
{
	snprintf(st->error, sizeof(st->error), "%s%s%s", what, err ? ": " : "",
	    err ? strerror(-err) : "");
	if (st->state == BMP_CONNECTED &&
	    loop_now_ms(st->bmp->bgp->loop) - st->since_ms >= LASTING_MS)
		st->tries = 0;
	say(st, st->state == BMP_CONNECTED ? "bmp-station-lost" : "bmp-station-unreachable",
	    st->error);
	disconnect(st);
	retry_later(st);
}

/* ---- the queue ---- */

/* What was made in this turn goes behind what waits. */
static int
queue_made(struct bmp_station *st)
{
	struct bgp_block *b;
	int err;

	if (!st->made.len)
		return 0;
	b = bgp_block_new(st->made.len);
	if (!b)
		return -ENOMEM;
	memcpy(b->data, st->made.data, st->made.len);
	b->len = (uint32_t)st->made.len;
	err = outq_push(&st->out, b);
	bgp_block_unref(b);
	if (st->made.cap > BMP_DUMP_ROOM)
		buf_fini(&st->made);
	else
		buf_reset(&st->made);
	return err;
}

void
station_doom(struct bmp_station *st, const char *why)
{
	if (st->doomed)
		return;
	st->doomed = true;
	st->why = why;
	work_post(&st->work);
}

void
station_put(struct bmp_station *st, const struct wire_wr *w)
{
	if (!station_hears(st))
		return;
	if (w->full) { /* our buffers have room for the largest; nothing is told in part */
		station_doom(st, "a message was too large");
		return;
	}
	if (st->out.bytes + st->made.len + w->len > BMP_QUEUE_MAX) {
		st->nr_dropped++;
		station_doom(st, "it does not read as fast as there is to tell");
		return;
	}
	buf_add(&st->made, w->start, w->len);
	if (st->made.failed || (st->made.len >= BMP_DUMP_ROOM && queue_made(st) < 0))
		station_doom(st, "out of memory");
	st->nr_messages++;
	st->nr_bytes += w->len;
	work_post(&st->work);
}

static void
station_write(struct bmp_station *st)
{
	long n;

	if (queue_made(st) < 0) {
		lost(st, "out of memory", 0);
		return;
	}
	n = outq_write(&st->out, st->fd);
	if (n < 0 && n != -EAGAIN) {
		lost(st, "connection lost", (int)n);
		return;
	}
	loop_fd_set(st->watch, st->out.bytes ? LOOP_READ | LOOP_WRITE : LOOP_READ);
}

static void
station_work(void *arg)
{
	struct bmp_station *st = arg;
	bool more;

	if (st->state != BMP_CONNECTED)
		return;
	more = !st->doomed && feed_work(st);
	if (st->doomed) {
		lost(st, st->why, 0);
		return;
	}
	station_write(st);
	if (more && st->state == BMP_CONNECTED)
		work_post(&st->work);
}

/* ---- the connection ---- */

static void
connected(struct bmp_station *st)
{
	st->state = BMP_CONNECTED;
	st->nr_connects++;
	st->since_ms = loop_now_ms(st->bmp->bgp->loop);
	st->error[0] = '\0';
	timer_stop(&st->retry);
	loop_fd_set(st->watch, LOOP_READ);
	log_info("bmp-station-connected", LOG_S("station", st->name),
	    LOG_S("address", addr_str(&st->addr)), LOG_U("port", st->port));
	if (st->statistics_s)
		timer_set(&st->statistics, st->statistics_s * 1000u);
	feed_begin(st);
}

/* RFC 7854 3.2: a station says nothing; what it says all the same is not looked at. */
static void
station_read(struct bmp_station *st)
{
	uint8_t bytes[4096];
	ssize_t n = recv(st->fd, bytes, sizeof(bytes), MSG_DONTWAIT);

	if (n == 0)
		lost(st, "closed by the station", 0);
	else if (n < 0 && errno != EAGAIN && errno != EINTR)
		lost(st, "connection lost", -errno);
}

static void
station_ready(void *arg, int fd, unsigned what)
{
	struct bmp_station *st = arg;
	int err;

	if (fd != st->fd)
		return;
	if (st->state == BMP_CONNECTING) {
		err = transport_dialled(fd);
		if (err < 0)
			lost(st, "connect", err);
		else
			connected(st);
	} else if (what == LOOP_WRITE) {
		station_write(st);
		work_post(&st->work); /* the dump may have waited for room */
	} else {
		station_read(st);
	}
}

static void
dial(struct bmp_station *st)
{
	const struct transport t = { .remote = st->addr, .port = st->port, .ttl = 64 };
	int err = transport_dial(&t, &st->fd);

	if (err < 0) {
		st->fd = -1;
		lost(st, "connect", err);
		return;
	}
	st->state = BMP_CONNECTING;
	st->watch = loop_fd_new(st->bmp->bgp->loop, st->fd, LOOP_WRITE, station_ready, st);
	if (!st->watch)
		lost(st, "connect", -ENOMEM);
	else
		timer_set(&st->retry, CONNECT_MS);
}

static void
retry_due(void *arg)
{
	struct bmp_station *st = arg;

	if (st->state == BMP_CONNECTING)
		lost(st, "connect", -ETIMEDOUT);
	else
		dial(st);
}

static void
statistics_due(void *arg)
{
	struct bmp_station *st = arg;

	feed_statistics(st);
	timer_set(&st->statistics, st->statistics_s * 1000u);
}

/* ---- life ---- */

struct bmp_station *
station_new(struct bmp *m, const struct bgp_monitor_conf *c, uint32_t bit)
{
	struct bmp_station *st = xnew(struct bmp_station);
	struct loop *loop = m->bgp->loop;

	st->bmp = m;
	st->bit = bit;
	st->wanted = true;
	st->name = xstrdup(c->name);
	st->addr = c->addr;
	st->port = c->port;
	st->views = c->views;
	st->fd = -1;
	outq_init(&st->out);
	buf_init(&st->made, BMP_QUEUE_MAX);
	timer_init(&st->retry, loop, retry_due, st);
	timer_init(&st->statistics, loop, statistics_due, st);
	work_init(&st->work, loop, station_work, st);
	timer_set(&st->retry, 0);
	return st;
}

void
station_statistics(struct bmp_station *st, uint16_t every_s)
{
	if (st->statistics_s == every_s)
		return;
	st->statistics_s = every_s;
	timer_stop(&st->statistics);
	if (every_s && st->state == BMP_CONNECTED)
		timer_set(&st->statistics, every_s * 1000u);
}

void
station_end(struct bmp_station *st, unsigned reason)
{
	uint8_t bytes[128];
	struct wire_wr w = wire_wr_init(bytes, sizeof(bytes));

	timer_stop(&st->retry);
	if (station_hears(st)) {
		bmp_flush(st);
		bmp_termination_encode(&w, reason, "monitoring ends");
		station_put(st, &w);
	}
	if (station_hears(st) && queue_made(st) == 0) {
		loop_fd_free(st->watch);
		st->watch = NULL;
		farewell_add(&st->bmp->bgp->farewells, st->fd, &st->out);
		st->fd = -1;
	}
	disconnect(st);
}

void
station_free(struct bmp_station *st, unsigned reason)
{
	station_end(st, reason);
	outq_fini(&st->out);
	buf_fini(&st->made);
	mem_free(st->name);
	mem_free(st);
}
