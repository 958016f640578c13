/*
 * bgpd/bmp_msg.h: messages of the BGP Monitoring Protocol as bytes; acts on nothing.  Below bmp_feed.c and
 * bmp_station.c.  RFC 7854 4; RFC 9069 4, 5 (the local table as a peer); RFC 8671 4, 6 (what peers are told).
 */
#ifndef HERALD_BGPD_BMP_MSG_H
#define HERALD_BGPD_BMP_MSG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/addr.h"
#include "lib/wire.h"

#define BMP_COMMON_LEN 6
#define BMP_PEER_LEN 42
#define BMP_VERSION 3

/* RFC 7854 10.1 */
enum bmp_type {
	BMP_ROUTE_MONITORING = 0,
	BMP_STATISTICS = 1,
	BMP_PEER_DOWN = 2,
	BMP_PEER_UP = 3,
	BMP_INITIATION = 4,
	BMP_TERMINATION = 5,
};

/* RFC 7854 10.2, RFC 9069 8.1 */
enum bmp_peer_type { BMP_PEER_GLOBAL = 0, BMP_PEER_INSTANCE = 2, BMP_PEER_LOC_RIB = 3 };

/* RFC 7854 4.2, RFC 8671 4; of BMP_PEER_LOC_RIB the first bit means something else (RFC 9069 4.2) */
enum { BMP_FLAG_V6 = 0x80, BMP_FLAG_POST = 0x40, BMP_FLAG_AS2 = 0x20, BMP_FLAG_OUT = 0x10 };

/* RFC 7854 4.9, RFC 9069 5.3 */
enum bmp_down {
	BMP_DOWN_LOCAL_NOTE = 1, /* the NOTIFICATION that was sent follows */
	BMP_DOWN_LOCAL = 2,	 /* the event of the state machine follows, two octets */
	BMP_DOWN_REMOTE_NOTE = 3,
	BMP_DOWN_REMOTE = 4,
	BMP_DOWN_LOC_RIB = 6, /* a TLV with the table's name follows */
};

/* RFC 7854 10.6, 10.8 */
enum bmp_stat {
	BMP_STAT_ADJ_IN = 7,
	BMP_STAT_ADJ_IN_FAMILY = 9,
	BMP_STAT_WITHDRAW_UPDATES = 11,
	BMP_STAT_ADJ_OUT_PRE = 14, /* RFC 8671 6.2: before the policy, and behind it */
	BMP_STAT_ADJ_OUT = 15,
	BMP_STAT_ADJ_OUT_PRE_FAMILY = 16,
	BMP_STAT_ADJ_OUT_FAMILY = 17,
};

enum bmp_info { BMP_INFO_STRING = 0, BMP_INFO_DESCR = 1, BMP_INFO_NAME = 2, BMP_INFO_TABLE = 3 };

/* RFC 7854 4.2 */
struct bmp_about {
	uint8_t type;  /* enum bmp_peer_type */
	uint8_t flags; /* but for BMP_FLAG_V6, which comes from the address */
	uint64_t distinguisher;
	struct addr addr; /* ADDR_NONE: zeros */
	uint32_t as, id;
	uint64_t wall_us; /* since 1970 */
};

/* A message's common header; bmp_end() puts the length there. */
size_t bmp_begin(struct wire_wr *, enum bmp_type);
void bmp_end(struct wire_wr *, size_t start);
void bmp_about_encode(struct wire_wr *, const struct bmp_about *);
/* A TLV with a string, of RFC 7854 4.4 and 9069 5.2; NULL: none is written. */
void bmp_info_encode(struct wire_wr *, enum bmp_info, const char *);

void bmp_initiation_encode(struct wire_wr *, const char *name, const char *descr);
/* @reason: RFC 7854 4.5, 0: administratively closed, 2: out of resources, ... */
void bmp_termination_encode(struct wire_wr *, unsigned reason, const char *text);

/* Whole BGP messages. */
struct bmp_bytes {
	const uint8_t *p;
	size_t len;
};

/* @table: name of the local table, NULL for a peer. */
void bmp_peer_up_encode(struct wire_wr *, const struct bmp_about *, const struct addr *local,
    uint16_t local_port, uint16_t remote_port, struct bmp_bytes sent, struct bmp_bytes received,
    const char *table);
/* @data as the reason has it. */
void bmp_peer_down_encode(
    struct wire_wr *, const struct bmp_about *, enum bmp_down, struct bmp_bytes data);
/* One UPDATE. */
void bmp_route_encode(struct wire_wr *, const struct bmp_about *, struct bmp_bytes update);

struct bmp_count {
	enum bmp_stat stat;
	int family;	/* enum bgp_family of those by family, else -1 */
	uint64_t count; /* 32 bits of it where the RFC has a counter */
};
void bmp_statistics_encode(
    struct wire_wr *, const struct bmp_about *, const struct bmp_count *, size_t nr);

#endif
