/*
 * bfd/runner.h: the engine's thread: it owns sockets and sessions and meets their deadlines.  Between
 * bfd/bfd.c, in the main thread, and it go orders and news, through a bfd/queue.h each way.
 */
#ifndef HERALD_BFD_RUNNER_H
#define HERALD_BFD_RUNNER_H

#include "bfd/packet.h"
#include "bfd/queue.h"
#include "bfd/machine.h"
#include "bfd/sock.h"

#define RUNNER_MAX SOCK_NR_PORTS /* sessions: each has a source port of its own */

/* What the thread is to do for one session; it owns it from the order on. */
struct run;
struct run_conf {
	uint32_t id; /* our discriminator */
	struct sock_ends ends;
	struct machine_conf session;
	uint8_t min_ttl;
	uint8_t key[BFD_KEY_MAX], key_len, key_id;
	uint64_t seed;
};
struct run *run_new(const struct run_conf *); /* NULL: no memory */
void run_free(struct run *);

enum order_kind { ORDER_ADD, ORDER_SET, ORDER_REMOVE, ORDER_STOP };
struct order {
	enum order_kind kind;
	uint32_t id;
	struct run *run;	     /* of ORDER_ADD */
	struct machine_conf session; /* of ORDER_SET */
	uint8_t min_ttl;
};

/* How far the thread is above the others. */
enum runner_rank { RANK_UNKNOWN, RANK_REALTIME, RANK_NICE, RANK_NONE, RANK_FLOODED };

enum news_kind { NEWS_SESSION, NEWS_PORT, NEWS_DROPS, NEWS_RANK };
struct news_session {
	uint32_t id, remote_id;
	enum bfd_state state, remote;
	uint8_t diag, remote_diag, multiplier, remote_multiplier;
	bool remote_independent;
	struct addr local;
	uint32_t tx_us, rx_us;
	uint64_t detect_us, since_us;
	uint64_t sent, received, dropped;
	uint32_t ups, downs;
	int error; /* why nothing can be sent; 0 */
};
struct news {
	enum news_kind kind;
	union {
		struct news_session session;
		struct {
			enum sock_class class;
			int error;
		} port;
		uint64_t drops[DROP_NR];
		enum runner_rank rank;
	};
};

struct runner;
/* Begins the thread, which takes from @orders and puts to @news until ORDER_STOP.  NULL: *err. */
struct runner *runner_new(struct queue *orders, struct queue *news, int *err);
/* Waits for its end: after ORDER_STOP that is some milliseconds. */
void runner_join(struct runner *);

uint64_t runner_clock(void); /* CLOCK_MONOTONIC in microseconds, as in the news */

#endif
