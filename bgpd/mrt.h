/*
 * bgpd/mrt.h: messages and states of peers as records of MRT (RFC 6396 4.4, RFC 8050), while somebody wants
 * them.  Between sessions, by struct bgp_tap, and bgp_dump_new().
 */
#ifndef HERALD_BGPD_MRT_H
#define HERALD_BGPD_MRT_H

#include "bgpd/session.h"

/* RFC 6396 4.4, RFC 8050 4: AS numbers of two octets in those that do not say AS4. */
enum mrt_subtype {
	MRT_STATE_CHANGE_AS4 = 5,
	MRT_MESSAGE = 1,
	MRT_MESSAGE_AS4 = 4,
	MRT_MESSAGE_LOCAL = 6,
	MRT_MESSAGE_AS4_LOCAL = 7,
	MRT_MESSAGE_ADD_PATH = 8,
	MRT_MESSAGE_AS4_ADD_PATH = 9,
	MRT_MESSAGE_LOCAL_ADD_PATH = 10,
	MRT_MESSAGE_AS4_LOCAL_ADD_PATH = 11,
};

/* Whom a record is about. */
struct mrt_about {
	uint32_t peer_as, local_as;
	uint16_t ifindex;
	struct addr peer, local; /* of one family */
	uint64_t wall_us;	 /* since 1970 */
};

/* Of an UPDATE in a session without AS numbers of four octets @as4 is false. */
enum mrt_subtype mrt_subtype_of(bool sent, bool as4, bool add_path);
/* A record of type BGP4MP_ET, to the microsecond. */
void mrt_message_encode(struct wire_wr *, enum mrt_subtype, const struct mrt_about *,
    const uint8_t *message, size_t len);
void mrt_state_encode(
    struct wire_wr *, const struct mrt_about *, enum bgp_state old, enum bgp_state now);

#endif
