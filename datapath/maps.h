/*
 * datapath/maps.h: the maps as this process holds them: descriptors, and memory of those that are
 * mapped.  Between the loader, which fills it, and those who write and read the maps.
 * Private to the room.
 */
#ifndef HERALD_DATAPATH_MAPS_H
#define HERALD_DATAPATH_MAPS_H

#include <stdint.h>

#include "datapath/lb_abi.h"

/* X(symbol, name as in bpf/maps.h and under the pin path) */
#define DP_MAP_LIST(X)                                                                             \
	X(CONF, conf)                                                                              \
	X(FILTER, filter)                                                                          \
	X(FRONTENDS, frontends)                                                                    \
	X(FE_ROWS, fe_rows)                                                                        \
	X(TABLES, tables)                                                                          \
	X(BE_ROWS, be_rows)                                                                        \
	X(FLOWS4, flows4)                                                                          \
	X(FLOWS6, flows6)                                                                          \
	X(HOPS, hops)                                                                              \
	X(LINKS, links)                                                                            \
	X(SRC_RANGES, src_ranges)                                                                  \
	X(FRAGS, frags)                                                                            \
	X(AFFINITY, affinity)                                                                      \
	X(SOCKS, socks)                                                                            \
	X(FE_COUNTS, fe_counts)                                                                    \
	X(BE_COUNTS, be_counts)                                                                    \
	X(COUNTERS, counters)                                                                      \
	X(EVENTS, events)                                                                          \
	X(SLOW, slow)

enum dp_map {
#define DP_MAP_ENUM(symbol, name) DP_MAP_##symbol,
	DP_MAP_LIST(DP_MAP_ENUM)
#undef DP_MAP_ENUM
	    DP_NR_MAPS
};

struct dp_maps {
	int fd[DP_NR_MAPS];	 /* -1: not there */
	uint32_t nr[DP_NR_MAPS]; /* max_entries */
	/* Mapped, shared with the kernel.  A word is written at once with WRITE_ONCE semantics. */
	struct lb_conf *conf;
	uint8_t *filter; /* LB_FILTER_SIZE */
	struct lb_fe_row *fe;
	uint64_t *tables;
	struct lb_be_row *be;
	/* NULL in the daemon, where a mapping would be resident as a whole from the first moment on:
	 * the sweep maps the piece that it looks at.  Tests give memory here. */
	struct lb_block4 *flows4;
	struct lb_block6 *flows6;
};

#endif
