/*
 * bgpd/attr.h: path attributes one by one: a table of what each looks like, how it is read, and what
 * a fault in it costs (RFC 7606 7).  Between update.c and the bytes; acts on nothing.
 */
#ifndef HERALD_BGPD_ATTR_H
#define HERALD_BGPD_ATTR_H

#include "bgpd/update.h"

#define BGP_ATTR_OPTIONAL 0x80
#define BGP_ATTR_TRANSITIVE 0x40
#define BGP_ATTR_PARTIAL 0x20
#define BGP_ATTR_EXTENDED 0x10

/* What is known while the attributes of one UPDATE are walked. */
struct attr_walk {
	const struct bgp_update_ctx *ctx;
	struct bgp_update *u;
	uint8_t seen[32]; /* bitmap of types */
	unsigned nr;	  /* of attributes, each type once */
	struct bgp_span as4_path;
	bool has_as_path, has_origin, has_as4_aggregator;
	uint32_t as4_aggregator_as, as4_aggregator_id;
};

/*
 * Decode one attribute: header already taken off; @whole is all of it for a NOTIFICATION.  Notes
 * what it costs in walk->u.
 */
void attr_decode(
    struct attr_walk *, uint8_t flags, uint8_t type, struct wire_rd value, struct bgp_span whole);
/* After the last: AS4_PATH and AS4_AGGREGATOR take their place (RFC 6793 4.2.3). */
void attr_finish(struct attr_walk *);

static inline bool
attr_was_seen(const struct attr_walk *w, uint8_t type)
{
	return w->seen[type / 8] & 1u << type % 8;
}

/* Flags, type and length of an attribute of @len octets, the length in its shortest form. */
void attr_header(struct wire_wr *, unsigned flags, uint8_t type, size_t len);

/* Raise the verdict to @v, keeping the strongest (RFC 7606 3h); @whole goes into the fault. */
void attr_fault(struct attr_walk *, enum bgp_verdict v, unsigned subcode, uint8_t type,
    struct bgp_span whole, const char *why);

#endif
