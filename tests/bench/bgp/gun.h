/*
 * tests/bench/bgp/gun.h: the BGP speaker of the bench: feeds a daemon, listens to what it says, and
 * holds the clock.  Shared by its files; the way of the data:
 *
 *     stream.c     which prefix has which attributes; messages full of them
 *     session.c    sockets and the little of a session that is needed
 *     hear.c       UPDATEs into a table of each session, route by route
 *     churn.c      one change after another, and how long each took
 *     gun.c        commands in, one JSON line out for each
 *
 * All times are CLOCK_MONOTONIC in nanoseconds, which Python's time.monotonic_ns() reads too.
 */
#ifndef HERALD_TESTS_BENCH_BGP_GUN_H
#define HERALD_TESTS_BENCH_BGP_GUN_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MAX_SESSIONS 1024
#define IN_LEN (1u << 18)
#define MESSAGE_MAX 4096u
#define HEADER 19u

enum { V4, V6, NR_FAMILIES };
enum state { IDLE, CONNECTING, OPENSENT, OPENCONFIRM, ESTABLISHED };

/* What a table holds for a prefix: 0 nothing; 1 a route of the daemon's own; else FIRST_SET and the
 * number of the attribute set that the feeder sent; WRONG when attributes are none of those. */
#define OWN 1u
#define FIRST_SET 2u
#define WRONG UINT32_MAX

struct table {
	uint32_t *at; /* by index of the prefix */
	uint32_t nr, have;
};

struct stream {
	uint8_t *bytes;
	size_t len, cap;
	uint64_t messages;
};

struct gun;

struct session {
	struct gun *gun;
	unsigned id;
	bool passive, sink;
	int fd;
	uint32_t events; /* that epoll was asked for; 0: none yet */
	enum state state;
	struct sockaddr_in local, remote;
	uint32_t as;
	bool add_path; /* paths come with identifiers */
	uint8_t *in;
	size_t nr_in;
	struct stream out; /* small messages */
	size_t out_off;
	const struct stream *bulk;
	size_t bulk_off;
	uint64_t t_try, t_retry, t_up, t_first, t_last, t_eor, t_alive, t_sent;
	uint64_t updates, bytes, announced, withdrawn, strange, downs;
	struct table tab[NR_FAMILIES];
};

struct churn {
	bool on;
	uint32_t first, slots;
	uint64_t *sent;	 /* by slot; 0: nothing on its way */
	uint32_t *await; /* what the sink's table will hold */
	uint32_t *took;	 /* in tenths of a microsecond */
	uint8_t *kind;	 /* of each of took */
	uint32_t nr, cap;
};

struct gun {
	int ep;
	int listener;
	bool started;
	/* options */
	bool gr, v6, add_path, forward, autosend;
	bool bare; /* routes as the daemon's own: an AS path of one */
	unsigned hold_s, retry_ms, port;
	uint32_t base;	  /* IPv4 prefix number 0, host order */
	unsigned len;	  /* of the prefixes */
	uint32_t nr_sets; /* of the last stream */
	struct table want[NR_FAMILIES];
	struct session *sessions[MAX_SESSIONS];
	unsigned nr_sessions;
	struct stream streams[2]; /* announcements; withdrawals or EoR */
	struct churn churn;
};

/* In tables of several paths a prefix: the feeder with this AS has one. */
static inline uint32_t
feeder_bit(uint32_t as)
{
	return 2u << (as - 65001) % 30;
}

uint64_t now_ns(void);
void fatal(const char *what) __attribute__((noreturn));

static inline uint32_t
get16(const uint8_t *p)
{
	return (uint32_t)p[0] << 8 | p[1];
}

static inline uint32_t
get32(const uint8_t *p)
{
	return get16(p) << 16 | get16(p + 2);
}

static inline void
put16(uint8_t *p, uint32_t v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

static inline void
put32(uint8_t *p, uint32_t v)
{
	put16(p, v >> 16);
	put16(p + 2, v);
}

/* ---- stream.c ---- */
void stream_add(struct stream *, const void *, size_t);
void stream_open(struct stream *, const struct session *);
void stream_keepalive(struct stream *);
/* @nr prefixes of a family from index @first on in @sets attribute sets, shuffled or in order; marked
 * in what sinks will be compared with.  @sets 0: withdrawals. */
void stream_routes(struct stream *, struct session *, int family, uint32_t first, uint32_t nr,
    uint32_t sets, bool shuffled);
void stream_end_of_rib(struct stream *, int family);
/* An UPDATE of one IPv4 prefix; @set WRONG: a withdrawal. */
void stream_one(struct stream *, const struct session *, uint32_t index, uint32_t set);

/* ---- hear.c ---- */
void tables_make(struct session *);
void tables_clear(struct session *);
void hear_update(struct session *, const uint8_t *message, size_t len, uint64_t t);

/* ---- session.c ---- */
struct session *session_make(
    struct gun *, struct in_addr local, struct in_addr remote, uint32_t as, bool passive);
void session_down(struct session *);
void session_flush(struct session *);
void session_bulk(struct session *, const struct stream *);
int sessions_listen(struct gun *);
/* One turn of the loop, at most @wait_ns long. */
void turn(struct gun *, int64_t wait_ns);

/* ---- churn.c ---- */
void churn_heard(struct session *, uint32_t index, uint64_t t);
void churn_run(struct session *, double rate, double seconds, uint32_t first, uint32_t slots);

#endif
