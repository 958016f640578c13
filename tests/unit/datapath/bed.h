/*
 * tests/unit/datapath/bed.h: the BPF programs in a kernel, attached to nothing, with maps that a
 * test fills by hand, and frames run through them.  Stands beside frames.h; replaces the daemon's
 * writer, loader and links, none of which it uses.
 *
 * The bed is laid once, before check forks; each test begins with bed_reset().
 */
#ifndef HERALD_TESTS_UNIT_DATAPATH_BED_H
#define HERALD_TESTS_UNIT_DATAPATH_BED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "datapath/maps.h"
#include "tests/unit/datapath/frames.h"

struct bpf_object;

enum bed_prog { BED_XDP, BED_NET, BED_POD, BED_OUT, BED_NR_PROGS };

/* Devices of the bed's network namespace. */
enum { BED_UPLINK = 10, BED_PODS = 12, BED_OTHER = 14 };

enum { BED_ROWS = 256, BED_WORDS = 65536, BED_BLOCKS = 1, BED_HOPS = 65536 };

struct bed {
	struct bpf_object *obj;
	int fd[DP_NR_MAPS], prog[BED_NR_PROGS];
	struct lb_conf *conf;
	uint8_t *filter;
	struct lb_fe_row *fe;
	uint64_t *tables;
	struct lb_be_row *be;
	struct lb_block4 *flows4;
	struct lb_block6 *flows6;
	uint32_t nr_fe, nr_be, nr_words;
	uint32_t blocks; /* of each table */
};

/* Loads everything, in a network namespace of its own.  False: it cannot be done here, and @why
 * says so; what should work and does not ends the program. */
bool bed_lay(struct bed *, char *why, size_t size);
void bed_clear(struct bed *);
/* Empties every map, and writes a configuration: both SNAT addresses, ports 61000 to 61999, echo
 * answered, timeouts of minutes, flow tables of one seed. */
void bed_reset(struct bed *);

/* ---- filling ---- */
struct lb_addr bed_addr(const char *text);
struct bed_backend {
	const char *ip;
	uint16_t port;
	uint32_t flags;			   /* enum lb_be_flag but LIVE */
	const char *node;		   /* address; NULL: not known */
	bool only_external, only_internal; /* in the table of that scope alone */
};
struct bed_service {
	const char *vip;
	uint16_t port; /* 0: the address alone */
	uint8_t proto;
	uint32_t flags; /* enum lb_fe_flag but LIVE; no type: LoadBalancer */
	uint32_t affinity_s, service;
	struct bed_backend backend[8]; /* up to the first without an address */
};
/* The row that it got; its backends got rows that follow each other, the first in *@be. */
uint32_t bed_service(struct bed *, const struct bed_service *, uint32_t *be);
/* Write another table for a row, of these backend rows. */
void bed_table(struct bed *, uint32_t fe, enum lb_scope, const uint32_t *rows, uint32_t nr);
void bed_filter(struct bed *, const char *ip, uint8_t bits);
/* The next hop to @ip: out by @ifindex, to a MAC of which the last byte is @mac, from one that ends
 * in 1. */
void bed_hop(
    struct bed *, const char *ip, unsigned ifindex, uint8_t mac, uint16_t mtu, uint16_t flags);
void bed_link(struct bed *, unsigned ifindex, uint32_t flags, uint32_t mtu);
/* `ip` with these words, in the bed's network namespace; false: it could not. */
bool bed_ip(const char *words);
/* @set: LB_RANGES_CLUSTER, or a frontend's row + 1. */
void bed_range(struct bed *, uint32_t set, const char *prefix);

/* ---- running ---- */
struct bed_ran {
	uint32_t verdict;
	struct frame frame;
	uint64_t up[LB_NR_COUNTERS]; /* how far each counter went up */
};
/* Run @in through a program as if it came in by (BED_OUT: went out by) @ifindex. */
void bed_run(
    struct bed *, enum bed_prog, unsigned ifindex, const struct frame *in, struct bed_ran *);
/* The one reason that was counted, once; LB_NR_WHY: none or several. */
unsigned bed_why(const struct bed_ran *);
const char *bed_why_name(unsigned why);

/* ---- looking ---- */
/* The value of a flow of this client that is or is not a twin, with the SNAT port in *@snat (may be
 * NULL); 0: none. */
uint64_t bed_flow(const struct bed *, const char *client, uint16_t port, bool twin, uint16_t *snat);
/* Where it stands, to be written. */
__u64 *bed_flow_at(
    const struct bed *, const char *client, uint16_t port, bool twin, uint16_t *snat);
/* Entries in use, twins too. */
size_t bed_flows(const struct bed *, bool v6);
/* A row of DP_MAP_FE_COUNTS or DP_MAP_BE_COUNTS. */
struct lb_count bed_count(const struct bed *, enum dp_map, uint32_t row);
/* The oldest record that nobody took; false: none. */
bool bed_event(struct bed *, struct lb_event *);
uint32_t bed_now(void); /* ticks */

#endif
