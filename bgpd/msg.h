/*
 * bgpd/msg.h: messages but UPDATE: header, OPEN with its capabilities, NOTIFICATION, KEEPALIVE,
 * ROUTE-REFRESH.  Between the session's bytes and the state machine; decodes without acting.
 * RFC 4271 4.1-4.5, 5492, 4760 8, 6793 3, 2918, 7313, 4724 3, 8538 2, 8654, 9072, 9003, 9234 4,
 * 9494 3.
 */
#ifndef HERALD_BGPD_MSG_H
#define HERALD_BGPD_MSG_H

#include <stdbool.h>
#include <stdint.h>

#include "bgpd/bgpd.h"
#include "bgpd/fault.h"
#include "lib/wire.h"

#define BGP_HEADER_LEN 19
#define BGP_MAX_LEN 4096
#define BGP_MAX_EXT_LEN 65535
#define BGP_AS_TRANS 23456

enum bgp_msg_type {
	BGP_MSG_OPEN = 1,
	BGP_MSG_UPDATE = 2,
	BGP_MSG_NOTIFICATION = 3,
	BGP_MSG_KEEPALIVE = 4,
	BGP_MSG_ROUTE_REFRESH = 5,
};

/* Check a header (RFC 4271 6.1): marker, length against the type's minimum and @max_len (4096 or
 * 65535, RFC 8654: OPEN and KEEPALIVE never above 4096), known type.  -EBADMSG with the fault. */
int bgp_header_decode(struct wire_rd, size_t max_len, uint8_t *type, uint16_t *len,
    struct bgp_fault *) __attribute__((warn_unused_result));
/* Write a header with length 0; bgp_msg_end() patches it with what was written since @start. */
size_t bgp_msg_begin(struct wire_wr *, enum bgp_msg_type);
void bgp_msg_end(struct wire_wr *, size_t start);

/* What an OPEN's capabilities say, ours or theirs. */
struct bgp_caps {
	unsigned families; /* BGP_FAMILY_MASK; multiprotocol, or IPv4 alone when none was sent */
	bool mp;	   /* any multiprotocol capability at all (also of families unknown here) */
	bool refresh;	   /* RFC 2918 */
	bool enhanced_refresh; /* RFC 7313 */
	bool as4;
	uint32_t as4_number;
	bool ext_msg;
	bool gr;
	bool gr_restarting;   /* R */
	bool gr_notification; /* N, RFC 8538 */
	uint16_t gr_time_s;
	unsigned gr_families;	/* listed in the capability */
	unsigned gr_forwarding; /* F bit set */
	/* RFC 9494 3.1; never without .gr (4.1). */
	unsigned llgr_families, llgr_forwarding; /* listed; F bit set */
	uint32_t llgr_time_s[BGP_NR_FAMILIES];	 /* long-lived stale time, 24 bits */
	/* RFC 7911: families of which the sender of the OPEN sends, and takes, several paths. */
	unsigned add_send, add_receive;
	unsigned ext_next_hop;	   /* RFC 8950: families that may have an IPv6 next hop */
	bool has_role, role_clash; /* RFC 9234 4.2; clash: several, that differ */
	uint8_t role;		   /* the sender's, as on the wire */
	char host[65], domain[65]; /* FQDN; printable, others are '?' */
	uint8_t unknown[32];	   /* bitmap of the other codes seen, for showing */
};

struct bgp_open {
	uint8_t version;
	uint32_t as;  /* from the 4-octet capability, else the header */
	uint16_t as2; /* the header's own */
	uint16_t hold_s;
	uint32_t id; /* host order */
	struct bgp_caps caps;
};

/*
 * Decode the body (after the header) of an OPEN and make the checks that do not depend on
 * configuration (RFC 4271 6.2, 6286 2.2, 7607, 9072 2): version, hold time 1 or 2, identifier 0,
 * AS 0, broken parameters.  Unknown capabilities are ignored, unknown parameters refused.
 */
int bgp_open_decode(struct wire_rd body, struct bgp_open *, struct bgp_fault *)
    __attribute__((warn_unused_result));
/* The whole message; extended parameters only when needed (RFC 9072). */
void bgp_open_encode(struct wire_wr *, const struct bgp_open *);

void bgp_keepalive_encode(struct wire_wr *);

/* @shutdown text out of a Cease 2 or 4 body (RFC 9003): UTF-8 checked, control characters
 * replaced; "" when there is none.  *f gets code, subcode and data. */
int bgp_notification_decode(struct wire_rd body, struct bgp_fault *f, char *shutdown, size_t size)
    __attribute__((warn_unused_result));
void bgp_notification_encode(struct wire_wr *, const struct bgp_fault *);
/* Data for a Cease/Administrative Shutdown or Reset: length octet and at most 255 octets, never
 * cut within a UTF-8 character. */
void bgp_shutdown_data(struct bgp_fault *, const char *message);

enum bgp_refresh_subtype { BGP_REFRESH_REQUEST = 0, BGP_REFRESH_BORR = 1, BGP_REFRESH_EORR = 2 };

struct bgp_refresh {
	uint16_t afi;
	uint8_t subtype, safi;
	int family; /* enum bgp_family, -1: one that we do not have (to be ignored) */
};

/* Wrong length: 7/1 with the whole message (RFC 7313 5).  ORF entries behind it are ignored. */
int bgp_refresh_decode(struct wire_rd body, struct bgp_refresh *, struct bgp_fault *)
    __attribute__((warn_unused_result));
void bgp_refresh_encode(struct wire_wr *, enum bgp_family, enum bgp_refresh_subtype);

/* RFC 9234 4.1: "provider" for 0, ...; "unknown". */
const char *bgp_role_name(uint8_t wire);
/* AFI/SAFI <-> family; -1 when unknown. */
int bgp_family_of(uint16_t afi, uint8_t safi);
uint16_t bgp_family_afi(enum bgp_family);
const char *bgp_family_name(enum bgp_family); /* "ipv4/unicast" */
const char *bgp_state_name(enum bgp_state);   /* "idle" ... "established" */

#endif
