/*
 * bgpd/bmp_in.h: what bmp.c (configuration), bmp_feed.c (what is told), bmp_out.c (of what peers are
 * told), bmp_pack.c (as bytes) and bmp_station.c (a connection) have between them.  Nobody else includes it.
 *
 * A station is told of changes when they happen; what is there already it is given by a dump, peer by
 * peer, node by node, in slices, while its socket takes it.  A change of what the dump has not come to
 * yet is not told, as the dump will have it.
 */
#ifndef HERALD_BGPD_BMP_IN_H
#define HERALD_BGPD_BMP_IN_H

#include "bgpd/bmp.h"
#include "bgpd/bmp_msg.h"
#include "bgpd/outq.h"
#include "bgpd/rib.h"
#include "bgpd/tap.h"
#include "lib/buf.h"

#define BMP_QUEUE_MAX (16u * 1024 * 1024) /* bytes that wait for a station that does not read */
#define BMP_DUMP_ROOM (256u * 1024)	  /* the dump goes on below that */
#define BMP_PACK_LEN 65536u
#define BMP_SCRATCH (2 * BMP_PACK_LEN) /* an OPEN each way and a header, or an UPDATE and one */

#define BMP_SLICE 4096 /* nodes of the dump, between two looks at other things */

/* 1 << view is the BGP_MONITOR_* that asks for it. */
enum bmp_view {
	BMP_VIEW_PRE,
	BMP_VIEW_POST,
	BMP_VIEW_LOCAL,
	BMP_VIEW_OUT_PRE,
	BMP_VIEW_OUT_POST,
	BMP_NR_VIEWS
};

/* A route of the dump at hand. */
struct bmp_dumped {
	uint32_t set, node, path_id;
};

/* A peer with a session; told: bits of stations that know it, dumped: those that have been given all that
 * it said, out_dumped: and all that it was told. */
struct bmp_peer {
	struct bmp_peer *next;
	const struct session *session;
	struct adj *adj;
	uint32_t told, dumped, out_dumped;
	uint8_t *note; /* the NOTIFICATION that went either way; NULL: none yet */
	size_t note_len;
	uint64_t up_us; /* wall clock */
};

/* An instance's table as one station knows it. */
struct bmp_table {
	struct bmp_table *next;
	struct instance *instance;
	bool dumped;
	struct umap told[BGP_NR_FAMILIES]; /* node -> the set that it was told, with a reference */
};

/* UPDATEs that are being put together: prefixes of one view, subject and attribute set. */
struct bmp_pack {
	bool open;
	const struct bmp_peer *peer; /* or */
	const struct bmp_table *table;
	struct rib *rib;
	enum bgp_family family;
	uint32_t set;  /* with a reference; 0: withdrawals */
	bool add_path; /* as agreed in the session (RFC 7911), which the OPENs of Peer Up say */
	bool as2;      /* AS numbers of two octets, as the peer gets them */
	struct bgp_attrs attrs;
	struct bgp_pack pack;
	uint8_t *bytes; /* BMP_PACK_LEN */
};

enum bmp_state { BMP_WAITING, BMP_CONNECTING, BMP_CONNECTED };

struct bmp_station {
	struct bmp_station *next;
	struct bmp *bmp;
	uint32_t bit;
	bool wanted; /* while a configuration is applied */
	char *name;
	struct addr addr;
	uint16_t port, statistics_s;
	unsigned views;

	enum bmp_state state;
	int fd; /* -1: none */
	struct loop_fd *watch;
	struct loop_timer retry, statistics;
	struct loop_work work;
	unsigned tries; /* in a row */
	struct outq out;
	struct buf made; /* bytes of this turn that are not in the queue yet */
	bool doomed;	 /* the queue is full, or memory short: the connection ends with the turn */
	const char *why; /* it is doomed */

	struct bmp_pack packs[BMP_NR_VIEWS];
	struct bmp_table *tables;
	struct bmp_offer *offers; /* with BGP_MONITOR_OUT_PRE: of each peer that it knows */
	struct bmp_peer *at;	  /* the dump: whom, and how far; NULL: to be found */
	struct bmp_table *at_table;
	struct bmp_peer *at_out;
	enum bmp_view at_out_view;
	enum bgp_family at_family;
	uint32_t cursor; /* nodes below are told */

	uint64_t since_ms, nr_messages, nr_bytes;
	unsigned nr_connects, nr_dropped; /* connections; those that ended as it did not read */
	char error[200];		  /* the last; "" */
	struct log_limit noise;
};

struct bmp {
	struct bgp *bgp;
	struct bgp_tap tap;
	struct rib_tap rib_tap;
	struct bmp_station *stations;
	struct bmp_peer *peers;
	char *name, *descr;
	uint8_t *scratch;	  /* BMP_SCRATCH: the message at hand */
	struct bmp_dumped *batch; /* BMP_SLICE */
};

/* ---- bmp_station.c ---- */
struct bmp_station *station_new(struct bmp *, const struct bgp_monitor_conf *, uint32_t bit);
/* @reason: of the Termination (RFC 7854 4.5). */
void station_free(struct bmp_station *, unsigned reason);
void station_end(struct bmp_station *, unsigned reason);
void station_statistics(struct bmp_station *, uint16_t every_s); /* 0: none */
/* A message for its queue; @len as written, @full: it did not fit. */
void station_put(struct bmp_station *, const struct wire_wr *);
/* It cannot be told all there is: the connection ends with this turn, and the next one begins anew. */
void station_doom(struct bmp_station *, const char *why);
static inline bool
station_hears(const struct bmp_station *st)
{
	return st->state == BMP_CONNECTED && !st->doomed;
}

/* ---- bmp_pack.c ---- */
uint64_t bmp_now_us(const struct bmp_station *);  /* since 1970 */
struct wire_wr bmp_scratch(struct bmp_station *); /* for one message */
struct bmp_about bmp_about_peer(const struct bmp_peer *, enum bmp_view, uint64_t wall_us);
struct bmp_about bmp_about_table(const struct bmp_table *, uint64_t wall_us);
/* A prefix of @like's subject with its set, 0: it is gone there. */
void bmp_put_route(struct bmp_station *, enum bmp_view, const struct bmp_pack *like,
    const struct prefix *, uint32_t path_id);
/* End-of-RIB of a family. */
void bmp_put_eor(struct bmp_station *, const struct bmp_about *, enum bgp_family);
/* Finish what is begun, in one view or in all. */
void bmp_pack_close(struct bmp_station *, enum bmp_view);
void bmp_flush(struct bmp_station *);

/* ---- bmp_feed.c ---- */
void feed_init(struct bmp *);
void feed_fini(struct bmp *);
/* The station has just connected: everybody who is there. */
void feed_begin(struct bmp_station *);
/* Its connection is over: nothing is known there. */
void feed_forget(struct bmp_station *);
/* Finish what is begun; dump a slice when there is room.  True: there is more at once. */
bool feed_work(struct bmp_station *);
void feed_statistics(struct bmp_station *);
void feed_table_new(struct bmp_station *, struct instance *);
void feed_table_gone(struct bmp_station *, struct instance *);
/* Tell bmp->batch, of which there are @nr, grouped by attributes. */
void bmp_dump_batch(struct bmp_station *, struct bmp_pack *like, enum bmp_view, size_t nr);

/* ---- bmp_out.c ---- */
/* The station was told of the peer; @empty: the peer has been sent nothing yet. */
void bmp_out_peer(struct bmp_station *, struct bmp_peer *, bool empty);
void bmp_out_peer_gone(struct bmp_station *, const struct bmp_peer *);
void bmp_out_forget(struct bmp_station *);
/* An UPDATE is queued for the peer. */
void bmp_out_sent(struct bmp *, const struct bmp_peer *, const uint8_t *update, size_t len);
void bmp_out_decided(struct bmp_station *, const struct rib *, enum bgp_family, uint32_t node);
void bmp_out_regrouped(const struct bmp *, const struct bmp_peer *);
/* How many routes the peer may have; false: the station does not ask for it. */
bool bmp_out_count(
    const struct bmp_station *, const struct bmp_peer *, enum bgp_family, uint32_t *nr);
/* Whom the dump of this is about next; false: all is told, or has to wait. */
bool bmp_out_choose(struct bmp_station *);
void bmp_out_dump(struct bmp_station *); /* a slice; chosen */

#endif
