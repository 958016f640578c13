/*
 * tests/unit/datapath/packets.h: one small world for all tests of packets, in both families, and
 * what it means that a frame "goes out": beside bed.h, which runs it, and frames.h, which makes it.
 *
 *     client --- router --- [uplink] node [pods] --- pod, pod 2
 *                              |
 *                            far node --- far, far 2
 *
 * A test runs for one way of coming in: in one family, through XDP with tc behind it, or tc alone.
 */
#ifndef HERALD_TESTS_UNIT_DATAPATH_PACKETS_H
#define HERALD_TESTS_UNIT_DATAPATH_PACKETS_H

#include "tests/unit/datapath/bed.h"

enum who {
	CLIENT,
	CLIENT2,
	INSIDER,
	VIP,
	VIP2,
	POD,
	POD2,
	FAR,
	FAR2,
	NODE,
	FAR_NODE,
	STRANGER,
	NR_WHO
};

/* How a test is run: loop tests over 0..NR_WAYS. */
enum way_in { XDP4, XDP6, TC4, TC6, NR_WAYS };

/* What becomes of a frame, whatever the hook calls it. */
enum go {
	GO_ON,	 /* to the kernel */
	GO_OUT,	 /* by another device */
	GO_BACK, /* by the device that it came by */
	GO_DROP,
};

struct world {
	struct bed bed;
	enum way_in way;
	bool v6;
	uint32_t be; /* the first backend row of the last world_service() */
};

/* Once, in add_tests(): skips the program where it cannot run. */
void world_make(struct world *);
/* First thing in each test: empty maps, next hops to everybody. */
void world_begin(struct world *, int way);
const char *who(const struct world *, enum who);

/* A Service of the world's VIP port 80 (SCTP, UDP too) with these backends, all on port 8080, and
 * flags that are right for who they are. */
uint32_t world_service(struct world *, uint8_t proto, uint32_t flags, int nr, ...);
struct bed_backend world_backend(const struct world *, enum who);

/* ---- frames ---- */
struct fr tcp(const struct world *, enum who from, uint16_t sport, enum who to, uint16_t dport,
    uint8_t flags);
struct fr udp(const struct world *, enum who from, uint16_t sport, enum who to, uint16_t dport);
struct fr sctp(const struct world *, enum who from, uint16_t sport, enum who to, uint16_t dport,
    uint8_t chunk);
/* ICMP or ICMPv6, by what it says in the family of the world. */
enum said { ECHO, ECHO_REPLY, UNREACH_PORT, UNREACH_HOST, FRAG_NEEDED, TIME_EXCEEDED };
struct fr icmp(const struct world *, enum who from, enum who to, enum said, uint32_t rest,
    const struct fr *inner);
/* @f as it leaves the node toward @to, one hop further. */
struct fr sent(const struct fr *f, enum who to);
/* The headers of what the node makes itself and sends back to where @f came from. */
struct fr answered(const struct fr *f, uint8_t proto);

/* ---- running ---- */
struct went {
	enum go go;
	unsigned why; /* the one reason counted; LB_NR_WHY: none or several */
	bool at_xdp;  /* XDP finished it */
	struct frame frame;
	uint64_t up[LB_NR_COUNTERS];
};
/* Comes in from outside; from a local pod; leaves by the uplink. */
void come(struct world *, const struct frame *, struct went *);
void pod_says(struct world *, const struct frame *, struct went *);
void node_says(struct world *, const struct frame *, struct went *);

/* Run and compare, or fail with words and hex: the end, the reason (LB_NR_WHY: none is counted),
 * and the bytes (@out NULL: those that came).  The frame that comes must be without fault. */
enum door { OUTSIDE, PODS, OUTWARD };
void expect(struct world *, const char *what, enum door, const struct fr *in, enum go, unsigned why,
    const struct fr *out);
/* The same, where the test wants to look at the outcome itself. */
void run(struct world *, enum door, const struct fr *in, struct went *);

/* The SNAT port of the flow of @from:@port, in range; fails when there is no such flow. */
uint16_t snat_port(struct world *, enum who from, uint16_t port);
/* The state of it; LB_ST_FREE: there is none. */
unsigned flow_state(struct world *, enum who from, uint16_t port);
/* Last seen so many ticks ago. */
void flow_age(struct world *, enum who from, uint16_t port, uint16_t ticks);

#endif
