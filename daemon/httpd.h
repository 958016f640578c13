/*
 * daemon/httpd.h: a very small HTTP server for questions that every request answers alike: it reads a
 * request to its end, asks for the answer, which may take its time, sends it and closes.  The one file that knows HTTP.
 *
 * Bounded in everything: clients at a time, bytes of a request, time for one exchange.  (libevent's
 * own server, of version 2.1, has no limit for the first.)
 */
#ifndef HERALD_DAEMON_HTTPD_H
#define HERALD_DAEMON_HTTPD_H

#include "lib/buf.h"

#include <stdbool.h>
#include <stdint.h>

struct addr;
struct httpd;
struct httpd_visit;
struct loop;

struct httpd_answer {
	unsigned status;    /* 200, 404, 503 */
	struct buf headers; /* lines ended by CR LF; what every answer has is added */
	struct buf body;
	struct httpd_visit *visit; /* whose request it is, for httpd_later() */
	/* Of the request: its Host as written, "" without one, for the callback alone; and whether it
	 * came from this machine. */
	const char *host;
	bool from_here;
};

/* @path is as the client wrote it, without what may be dangerous: printable ASCII only. */
typedef void httpd_cb(void *arg, const char *path, struct httpd_answer *);

/* Listen on @port of @addr; NULL: of all addresses of both families (of IPv4 alone where IPv6 is off).
 * NULL: *err; -EADDRINUSE: somebody has it. */
struct httpd *httpd_new(
    struct loop *, const struct addr *addr, uint16_t port, httpd_cb *cb, void *arg, int *err);
void httpd_free(struct httpd *); /* NULL is fine */

/*
 * From within the callback: the answer takes longer than a turn of the loop should.  It comes by
 * httpd_done(), or gone() says that nobody waits for it any more (then the visit is gone, too).
 */
void httpd_later(struct httpd_visit *, void (*gone)(void *arg), void *arg);
/* Takes headers and body of the answer over, which is as new then; not from within the callback. */
void httpd_done(struct httpd_visit *, struct httpd_answer *);

/*
 * From within the callback: the answer has no end, what happens is told for as long as the client stays
 * (the answer's body is the first of it).  gone() as above.
 */
void httpd_stream(struct httpd_visit *, void (*gone)(void *arg), void *arg);
/* More of it.  False: what came before is not sent yet; nothing was taken.  Who does not read for some
 * seconds is left. */
bool httpd_stream_put(struct httpd_visit *, const char *text, size_t len);
void httpd_stream_end(struct httpd_visit *); /* gone() is called; not from within the callback */

#endif
