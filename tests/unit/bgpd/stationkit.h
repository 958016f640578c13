/*
 * tests/unit/bgpd/stationkit.h: a monitoring station by hand beside a speaker of speakerkit.h: takes the
 * connection and keeps all messages of BMP, to be counted and looked at.
 */
#ifndef HERALD_TESTS_STATIONKIT_H
#define HERALD_TESTS_STATIONKIT_H

#include "bgpd/bmp_msg.h"
#include "tests/unit/bgpd/speakerkit.h"

struct station {
	struct kit *kit;
	struct bgp_monitor_conf conf;
	int listener, fd; /* -1: none */
	uint8_t got[1 << 16];
	size_t nr_got;
};

/* Listens, and is the kit's only station from the next kit_apply() on. */
void station_listen(struct station *, struct kit *, unsigned views);
void station_poll(struct station *);
/* How many whole messages of the type there are, End-of-RIBs left out; *last: the newest, from its
 * per-peer header on. */
unsigned station_count(const struct station *, enum bmp_type, struct wire_rd *last);
void station_until(struct station *, enum bmp_type, unsigned nr);
/* Route Monitoring with these flags about the peer 127.0.0.@peer; *last: the newest one's UPDATE. */
unsigned station_routes(const struct station *, uint8_t flags, uint8_t peer, struct wire_rd *last);
void station_until_routes(struct station *, uint8_t flags, uint8_t peer, unsigned nr);
/* The station forgets what it heard and takes another connection. */
void station_hang_up(struct station *);
void station_fini(struct station *);

#endif
