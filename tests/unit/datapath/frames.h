/*
 * tests/unit/datapath/frames.h: frames for the BPF programs: a builder that makes one from a
 * description, with every length and checksum computed from nothing, and a strict reader that
 * checks them all.  What a program should have made of a frame is written as another description
 * and compared byte for byte, so that its incremental checksums meet sums over all bytes.
 */
#ifndef HERALD_TESTS_UNIT_DATAPATH_FRAMES_H
#define HERALD_TESTS_UNIT_DATAPATH_FRAMES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/addr.h"

enum { FRAME_MAX = 4096 };
struct frame {
	size_t len;
	uint8_t b[FRAME_MAX];
};

/* TCP flags, as on the wire. */
enum { FIN = 1, SYN = 2, RST = 4, PSH = 8, ACK = 16 };

/* An IPv6 extension header: its number, and its length in the header's own units of eight octets
 * (AH: four) beyond the first eight. */
struct fr_ext {
	uint8_t type, more;
};
enum { EXT_HOP = 0, EXT_ROUTING = 43, EXT_AH = 51, EXT_DEST = 60 };

/* What a frame is.  Zero is a good value for all but the addresses and the protocol. */
struct fr {
	uint8_t dmac[6], smac[6];
	uint16_t vlan[2]; /* outer first; two: 802.1ad around 802.1Q */
	unsigned nr_vlans;
	const char *tun_src, *tun_dst; /* another IP header of the same family around it all */
	uint8_t tun_ttl, tun_tos;      /* 0: 64 */
	const char *src, *dst;	       /* their family is the packet's */
	uint8_t ttl, tos;	       /* 0: 64 */
	uint16_t id;		       /* IPv4 */
	bool df;
	const uint8_t *opts; /* IPv4 options, whole words */
	size_t nr_opts;
	struct fr_ext ext[4]; /* before the fragment header */
	unsigned nr_ext;
	/* A slice of the IP payload: from here, so long (0: all), more to come. */
	uint16_t frag_off, frag_len;
	bool frag_more, frag_hdr; /* frag_hdr: IPv6 fragment header though it is whole */
	uint32_t frag_id;	  /* IPv6 */
	uint8_t proto;
	uint16_t sport, dport;
	uint32_t seq, ack; /* TCP; SCTP: seq is the verification tag */
	uint8_t flags;
	uint16_t window;
	const uint8_t *tcp_opts; /* whole words */
	size_t nr_tcp_opts;
	bool no_sum;		/* UDP without a checksum */
	bool bad_sum;		/* the checksum of the transport is off by one bit */
	uint8_t chunk;		/* SCTP: type of the one chunk */
	uint8_t type, code;	/* ICMP, ICMPv6 */
	uint32_t rest;		/* its second word */
	size_t payload;		/* bytes of it */
	uint8_t seed;		/* that differ by this */
	const struct fr *inner; /* ICMP errors: the packet that it is about */
	size_t inner_len;	/* so many bytes of it, from its IP header; 0: all */
};

/* Makes the frame; asserts that it fits. */
void fr_build(struct frame *, const struct fr *);
/* Only the IP packet, to @to of @max bytes; returns its length. */
size_t fr_packet(uint8_t *to, size_t max, const struct fr *);

/* ---- reading ---- */
enum fr_sum {
	SUM_NONE, /* carries none: IPv6, UDP with zero over IPv4, protocols without ports */
	SUM_GOOD,
	SUM_BAD,
	SUM_CUT, /* not all bytes that it covers are here: a fragment, an embedded packet */
};
struct fr_ip {
	uint8_t family; /* 4 or 6; 0: none here */
	struct addr src, dst;
	uint8_t ttl, tos, proto;
	size_t off, hdr,
	    len; /* where it is; its headers with all extensions; all by its length field */
	uint32_t id;
	uint16_t frag_off;
	bool more, df;
	enum fr_sum sum;
};
struct fr_l4 {
	size_t off, len; /* len: as far as it is here */
	uint16_t sport, dport;
	uint32_t seq, ack;
	uint8_t flags, type, code;
	uint32_t rest;
	size_t payload; /* where it begins */
	enum fr_sum sum;
};
struct fr_view {
	uint8_t dmac[6], smac[6];
	uint16_t vlan[2], ethertype;
	unsigned nr_vlans;
	struct fr_ip outer; /* of a tunnel */
	struct fr_ip ip;
	struct fr_l4 l4;
	struct fr_ip inner; /* in an ICMP error */
	struct fr_l4 inner_l4;
	size_t spare; /* bytes behind the IP packet */
};
/* NULL, or in words what is wrong with its form; says nothing of checksums. */
const char *fr_read(const struct frame *, struct fr_view *);
/* NULL, or what is wrong: form, any checksum, spare bytes. */
const char *fr_fault(const struct frame *);
/* The worst of all checksums but those of embedded packets. */
enum fr_sum fr_worst(const struct fr_view *);

/* ---- showing ---- */
/* In words and hex, into @text. */
void fr_show(char *text, size_t size, const struct frame *);
/* NULL when equal; else both in words and hex and the first byte that differs; static text. */
const char *fr_differ(const struct frame *got, const struct frame *want);

/* ---- sums ---- */
uint16_t fr_sum16(uint32_t start, const uint8_t *, size_t len); /* folded, not inverted */
uint32_t fr_crc32c(const uint8_t *, size_t len);
/* The sum that a transport header at @l4 should hold were its field zero; @proto. */
uint16_t fr_transport_sum(
    const struct addr *src, const struct addr *dst, uint8_t proto, const uint8_t *l4, size_t len);

#endif
