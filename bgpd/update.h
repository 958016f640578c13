/*
 * bgpd/update.h: UPDATE messages and path attributes, decoded without acting, encoded from
 * validated form only.  Between the session's bytes and the RIB.
 * RFC 4271 4.3, 5, 6.3; 7606 (what a fault costs); 4760; 2545; 6793; 1997; 4360; 8092; 4456; 7607.
 */
#ifndef HERALD_BGPD_UPDATE_H
#define HERALD_BGPD_UPDATE_H

#include <stdbool.h>
#include <stdint.h>

#include "bgpd/bgpd.h"
#include "bgpd/fault.h"
#include "lib/wire.h"

#define BGP_SCRATCH (4u << 16)

enum bgp_attr_type {
	BGP_ATTR_ORIGIN = 1,
	BGP_ATTR_AS_PATH = 2,
	BGP_ATTR_NEXT_HOP = 3,
	BGP_ATTR_MED = 4,
	BGP_ATTR_LOCAL_PREF = 5,
	BGP_ATTR_ATOMIC_AGGREGATE = 6,
	BGP_ATTR_AGGREGATOR = 7,
	BGP_ATTR_COMMUNITIES = 8,
	BGP_ATTR_ORIGINATOR_ID = 9,
	BGP_ATTR_CLUSTER_LIST = 10,
	BGP_ATTR_MP_REACH = 14,
	BGP_ATTR_MP_UNREACH = 15,
	BGP_ATTR_EXT_COMMUNITIES = 16,
	BGP_ATTR_AS4_PATH = 17,
	BGP_ATTR_AS4_AGGREGATOR = 18,
	BGP_ATTR_LARGE_COMMUNITIES = 32,
	BGP_ATTR_IPV6_EXT_COMMUNITIES = 25, /* RFC 5701 */
	BGP_ATTR_OTC = 35,
};

enum bgp_origin { BGP_ORIGIN_IGP, BGP_ORIGIN_EGP, BGP_ORIGIN_INCOMPLETE };
enum bgp_segment {
	BGP_AS_SET = 1,
	BGP_AS_SEQUENCE = 2,
	BGP_CONFED_SEQUENCE = 3,
	BGP_CONFED_SET = 4
};

/* Bytes that belong to somebody else. */
struct bgp_span {
	const uint8_t *p;
	uint32_t len;
};

/* Known optional transitive attributes that came with the Partial bit, which stays (RFC 4271 5). */
enum {
	BGP_PARTIAL_AGGREGATOR = 1,
	BGP_PARTIAL_COMMUNITIES = 2,
	BGP_PARTIAL_EXT = 4,
	BGP_PARTIAL_LARGE = 8,
	BGP_PARTIAL_OTC = 16
};

/*
 * The attributes of a route, validated.  Spans are in wire form and borrowed (from the message, the
 * scratch buffer or the interned set): as_path with 4-octet numbers always; communities sorted and
 * without duplicates only in interned sets; unknown holds whole optional transitive attributes
 * (flags with Partial set, type, extended or short length, value) one after the other by type.
 * next_hop.family NONE: none was there.
 */
struct bgp_attrs {
	uint8_t origin, partial;
	bool has_med, has_local_pref, atomic_aggregate, has_aggregator, has_originator_id, has_otc;
	uint32_t med, local_pref, originator_id, otc;
	uint32_t aggregator_as, aggregator_id;
	struct addr next_hop, next_hop_ll; /* ll: the second address of RFC 2545 3 */
	struct bgp_span as_path, communities, ext_communities, large_communities, cluster_list;
	struct bgp_span unknown;
};

/* What an UPDATE's faults cost (RFC 7606 2), strongest last. */
enum bgp_verdict { BGP_V_OK, BGP_V_ATTR_DISCARD, BGP_V_WITHDRAW, BGP_V_RESET };

/* NLRI of one family; @add_path: each has a path identifier in front (RFC 7911 3), which is in
 * @path_id once bgp_nlri_next() has read it. */
struct bgp_nlri {
	struct wire_rd rd;
	enum bgp_family family;
	bool present, add_path;
	uint32_t path_id;
};

struct bgp_update {
	enum bgp_verdict verdict;
	struct bgp_fault
	    fault;	  /* with BGP_V_RESET: the NOTIFICATION; else the worst, for the log */
	uint8_t bad_attr; /* its type, 0: none */
	struct bgp_nlri withdrawn;		       /* RFC 4271 field, IPv4 */
	struct bgp_nlri unreach;		       /* MP_UNREACH_NLRI */
	struct bgp_nlri nlri;			       /* RFC 4271 field, IPv4 */
	struct bgp_nlri reach;			       /* MP_REACH_NLRI */
	struct addr reach_next_hop, reach_next_hop_ll; /* of reach; attrs.next_hop is of nlri */
	int eor; /* the family whose End-of-RIB this is, or -1 */
	struct bgp_attrs attrs;
	/* AS_PATH widened to 4 octets, AS4_PATH cleaned, the two merged, unknown attributes put in
	 * order: no octet of the largest message (65535) becomes more than four. */
	size_t scratch_used;
	unsigned nr_unknown;
	/* Not cleared between messages, so beyond nr_unknown and scratch_used there is old stuff. */
	struct {
		uint8_t type;
		struct bgp_span value;
	} unknown[256];
	uint8_t scratch[BGP_SCRATCH];
};

/* How the session reads UPDATEs. */
struct bgp_update_ctx {
	bool as4;  /* both sides sent the 4-octet capability */
	bool ibgp; /* LOCAL_PREF, ORIGINATOR_ID, CLUSTER_LIST count (RFC 7606 7.5, 7.9, 7.10) */
	unsigned families; /* negotiated; NLRI of others is ignored */
	unsigned add_path; /* families whose NLRI have path identifiers */
	unsigned ext_next_hop;
	uint32_t local_as;
};

/*
 * Decode the body of an UPDATE.  Everything is walked before anything is given out: after OK,
 * ATTR_DISCARD or WITHDRAW every NLRI list can be read to its end by bgp_nlri_next().  With
 * WITHDRAW the caller treats nlri and reach as withdrawn (RFC 7606 2); with RESET only @fault is valid.
 */
void bgp_update_decode(struct wire_rd body, const struct bgp_update_ctx *, struct bgp_update *);

/* The next prefix of a checked list; false at the end. */
bool bgp_nlri_next(struct bgp_nlri *, struct prefix *);
/* Nothing that unicast traffic goes to: multicast, class E, loopback, link-local, 0/8, IPv4-mapped.
 * RFC 4271 6.3: such a prefix is ignored, and logged; the rest of the UPDATE counts. */
bool bgp_prefix_is_martian(const struct prefix *);

/* ---- AS_PATH in wire form, 4-octet ---- */
unsigned bgp_as_path_len(struct bgp_span); /* RFC 4271 9.1.2.2 a: a set counts one, confeds none */
unsigned bgp_as_path_count(struct bgp_span, uint32_t as); /* how often @as stands in it */
uint32_t bgp_as_path_first(struct bgp_span); /* the neighbour's AS; 0: empty or a set first */
/* Prepend @as @n times; @out takes the new path.  -ENOSPC: does not fit. */
int bgp_as_path_prepend(struct bgp_span, uint32_t as, unsigned n, struct wire_wr *out);
/* "65000 65001 {1,2}"; cut with "..." never: @buf grows. */
struct buf;
void bgp_as_path_format(struct bgp_span, struct buf *);

/* ---- encoding ---- */

/*
 * Write path attributes in type order, each with the shortest length form, NEXT_HOP (IPv4 next hop
 * and @family IPv4) included, MP_REACH not (see bgp_update_pack).  Without @as4: AS_TRANS, AS4_PATH and
 * AS4_AGGREGATOR as RFC 6793 4.2.2 has it.  LOCAL_PREF, ORIGINATOR_ID, CLUSTER_LIST are written when
 * set: whoever exports to eBGP clears them first.
 */
void bgp_attrs_encode(struct wire_wr *, const struct bgp_attrs *, enum bgp_family, bool as4);

/* A message being filled with prefixes that share their attributes. */
struct bgp_pack {
	struct wire_wr w;    /* of the caller's buffer; several messages one after the other */
	size_t start, limit; /* this message: where it begins, its largest size (4096 or 65535) */
	size_t mp_len_at;    /* where the MP attribute's length stands, 0: classic NLRI */
	size_t attrs_len;    /* of what goes behind an MP_REACH_NLRI */
	bool open, mp;
	enum bgp_family family;
	const struct bgp_attrs *attrs; /* NULL: withdrawals */
	bool as4;
	/* RFC 7911: set behind bgp_pack_begin(), and the identifier before each prefix. */
	bool add_path;
	uint32_t path_id;
	unsigned nr_messages;
};

/* Begin packing into @w: announcements with @attrs, or withdrawals with NULL.  IPv4 with an IPv4
 * next hop goes in the classic fields, all else in MP_REACH/MP_UNREACH as the first attribute and
 * alone in its message (RFC 7606 5.1). */
void bgp_pack_begin(struct bgp_pack *, struct wire_wr w, size_t limit, enum bgp_family,
    const struct bgp_attrs *attrs, bool as4);
/* Add a prefix, closing a full message and opening the next as needed.  -ENOSPC: the caller's
 * buffer has no room; nothing was added, bgp_pack_end() then gives what is whole.  -EMSGSIZE: with
 * these attributes no message holds even one prefix. */
int bgp_pack_add(struct bgp_pack *, const struct prefix *) __attribute__((warn_unused_result));
/* Close the last message; the bytes written so far. */
size_t bgp_pack_end(struct bgp_pack *);

/* RFC 4724 2. */
void bgp_eor_encode(struct wire_wr *, enum bgp_family);

#endif
