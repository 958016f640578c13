/*
 * bfd/packet.h: a control packet (RFC 5880 4.1) between its bytes and a struct.  Decoding makes those
 * checks of 6.8.6 that need nothing but the bytes, in their order, and says which one failed; the
 * digest of the authentication is bfd/auth.h's.
 */
#ifndef HERALD_BFD_PACKET_H
#define HERALD_BFD_PACKET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bfd/bfd.h"

#define PACKET_LEN 24	   /* without authentication */
#define PACKET_AUTH_LEN 28 /* of keyed SHA1, both kinds (4.4) */
#define PACKET_MAX (PACKET_LEN + PACKET_AUTH_LEN)

enum packet_auth { AUTH_NONE, AUTH_SHA1 = 4, AUTH_SHA1_METICULOUS = 5 };

/* RFC 5880 4.1, Diag */
enum packet_diag {
	DIAG_NONE = 0,
	DIAG_EXPIRED = 1,
	DIAG_NEIGHBOUR_DOWN = 3,
	DIAG_ADMIN_DOWN = 7,
};

/* Why a packet was not taken, in the order in which it is looked at: RFC 5881 5 and 5883 5 (hops),
 * then RFC 5880 6.8.6. */
enum packet_drop {
	DROP_NONE,
	DROP_HOPS,
	DROP_VERSION,
	DROP_LENGTH,
	DROP_CUT,
	DROP_MULTIPLIER,
	DROP_MULTIPOINT,
	DROP_MY_DISCRIMINATOR,
	DROP_YOUR_DISCRIMINATOR,
	DROP_STATE,
	DROP_NO_SESSION,
	DROP_UNWANTED_AUTH,
	DROP_MISSING_AUTH,
	DROP_BAD_AUTH,
	DROP_NR,
};

struct packet {
	uint8_t diag;
	enum bfd_state state;
	bool poll, final, independent, auth, demand;
	uint8_t multiplier;
	uint32_t my, your;		   /* discriminators */
	uint32_t min_tx, min_rx, min_echo; /* microseconds */
	/* with auth; zero when the section is not one of SHA1's */
	uint8_t auth_type, auth_key_id;
	uint32_t auth_seq;
};

/* DROP_NONE, or the first rule that @bytes break; *p is to be used only with DROP_NONE. */
enum packet_drop packet_read(struct packet *p, const uint8_t *bytes, size_t len);
/* @bytes have room for PACKET_MAX; gives the length.  With p->auth the last 20 are left zero, for
 * auth_sign(). */
size_t packet_write(const struct packet *p, uint8_t *bytes);

#endif
