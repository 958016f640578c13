/*
 * bfd/auth.h: keyed SHA1 and meticulous keyed SHA1 (RFC 5880 6.7.4) of one session: which packets are
 * to be believed, and what ours carry.  Between the codec and the state machine.
 */
#ifndef HERALD_BFD_AUTH_H
#define HERALD_BFD_AUTH_H

#include "bfd/packet.h"

/*
 * Both kinds are accepted, and ours is the kind that the other end was last believed with: an end
 * that is set to one of them refuses the other.  Before anything was heard it is the meticulous one, and it
 * cannot change while the session is up.
 */
struct auth {
	uint8_t key[BFD_KEY_MAX]; /* zero beyond its length, as the RFC wants it */
	uint8_t key_id;
	bool on;
	uint8_t type;
	uint32_t sent_seq, seen_seq;
	bool seen; /* seen_seq counts (bfd.AuthSeqKnown) */
};

void auth_init(struct auth *, const uint8_t *key, size_t len, uint8_t key_id, uint32_t seq);
/* Rules 9 to 11 of 6.8.6; @bytes are those that @p was read from. */
enum packet_drop auth_check(
    struct auth *, const struct packet *p, const uint8_t *bytes, bool is_up);
/* Nothing valid came for twice the detection time (6.8.1, bfd.AuthSeqKnown). */
void auth_forget(struct auth *);
/* Give @p its authentication section; then, of its bytes, the digest. */
void auth_fill(struct auth *, struct packet *p);
/* False: the library refused. */
bool auth_sign(const struct auth *, uint8_t *bytes, size_t len);

#endif
