/*
 * tests/unit/l2/bed.h: what the tests of the room share: a network with a veth pair and a BPF file
 * system of their own, and ARP and neighbour discovery frames built from nothing.
 */
#ifndef HERALD_TESTS_UNIT_L2_BED_H
#define HERALD_TESTS_UNIT_L2_BED_H

#include "tests/unit/unit.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/addr.h"

/* The devices: "va" is ours, "vb" the other end; their indices and MAC addresses. */
extern unsigned va, vb;
extern uint8_t mac_a[6], mac_b[6];
extern char base[64], pin[80]; /* the file system; the pin path on it */

/* Enter namespaces; false: not permitted, or no BPF here. */
bool bed_can(void);
void bed_setup(void);
void bed_teardown(void);
int bed_ip(const char *args); /* the exit status of ip(8) */
/* Write one line into a file below /proc/sys/. */
void bed_sysctl(const char *path, const char *value);

struct addr ip(const char *text);

/* ---- frames ---- */
struct frame {
	uint8_t b[512];
	size_t len;
};

/* Zeroes are good values for all but op, addresses and MACs. */
struct arp {
	const uint8_t *dmac, *smac; /* of Ethernet; NULL: everybody; sha */
	uint16_t hrd, pro, op;	    /* 0: 1, 0x0800, 1 */
	uint8_t hln, pln;	    /* 0: 6, 4 */
	const uint8_t *sha, *tha;   /* NULL: mac_b, none */
	const char *spa, *tpa;
	size_t pad; /* bytes behind it, of 0xee */
};
void arp_build(struct frame *, const struct arp *);

enum { OPT_SLLA = 1, OPT_TLLA = 2, OPT_NONCE = 14 };
struct nd {
	const uint8_t *dmac, *smac; /* NULL: by the destination; mac_b */
	const char *src, *dst, *target;
	uint8_t type, code; /* 0: 135 */
	uint8_t hop;	    /* 0: 255 */
	uint8_t flags;
	const uint8_t *slla, *tlla;
	bool nonce;
	const uint8_t *raw; /* bytes behind the options */
	size_t nr_raw;
	bool bad_sum;
	int len_off; /* added to the payload length, which the checksum covers */
};
void nd_build(struct frame *, const struct nd *);
/* The solicited-node group of an address, in a ring of static buffers. */
const char *group_of(const char *target);
uint16_t sum16(uint32_t sum, const uint8_t *, size_t len);
const char *frame_hex(const struct frame *);
bool frame_is(const struct frame *, const struct frame *want);
/* What announces @vip: gratuitous ARP of either form, an unsolicited advertisement. */
void garp(struct frame *, const char *vip, uint16_t op, const uint8_t *mac);
void una(struct frame *, const char *vip, const uint8_t *mac);

#endif
