/*
 * bfd/auth.c: keyed SHA1 and meticulous keyed SHA1 of one session.
 */
#include "bfd/auth.h"

#include <string.h>

#include "lib/digest.h"
#include "lib/mem.h"

_Static_assert(BFD_KEY_MAX == DIGEST_SHA1_LEN, "a key stands in the digest's place");

#define DIGEST_AT (PACKET_MAX - BFD_KEY_MAX)

/* The packet with the key in place of the digest, hashed (RFC 5880 6.7.4). */
static bool
digest_of(const struct auth *a, const uint8_t *bytes, uint8_t out[BFD_KEY_MAX])
{
	uint8_t copy[PACKET_MAX];
	bool ok;

	memcpy(copy, bytes, DIGEST_AT);
	memcpy(copy + DIGEST_AT, a->key, BFD_KEY_MAX);
	ok = digest_sha1(copy, sizeof(copy), out);
	mem_wipe(copy, sizeof(copy));
	return ok;
}

void
auth_init(struct auth *a, const uint8_t *key, size_t len, uint8_t key_id, uint32_t seq)
{
	memset(a, 0, sizeof(*a));
	a->on = len > 0;
	a->type = AUTH_SHA1_METICULOUS;
	a->key_id = key_id;
	a->sent_seq = seq;
	if (len > 0)
		memcpy(a->key, key, len < BFD_KEY_MAX ? len : BFD_KEY_MAX);
}

enum packet_drop
auth_check(struct auth *a, const struct packet *p, const uint8_t *bytes, bool is_up)
{
	uint8_t digest[BFD_KEY_MAX];
	uint32_t ahead = p->auth_seq - a->seen_seq; /* circular, as the RFC has it */

	if (!a->on)
		return p->auth ? DROP_UNWANTED_AUTH : DROP_NONE;
	if (!p->auth)
		return DROP_MISSING_AUTH;
	if (p->auth_type == AUTH_NONE || (is_up && p->auth_type != a->type) ||
	    p->auth_key_id != a->key_id)
		return DROP_BAD_AUTH;
	/* RFC 5880 6.7.4: within three times the multiplier; meticulous: and never the same again */
	if (a->seen &&
	    (ahead > 3u * p->multiplier || (p->auth_type == AUTH_SHA1_METICULOUS && ahead == 0)))
		return DROP_BAD_AUTH;
	if (!digest_of(a, bytes, digest) || !digest_eq(digest, bytes + DIGEST_AT, BFD_KEY_MAX))
		return DROP_BAD_AUTH;
	a->type = p->auth_type;
	a->seen_seq = p->auth_seq;
	a->seen = true;
	return DROP_NONE;
}

void
auth_forget(struct auth *a)
{
	a->seen = false;
}

void
auth_fill(struct auth *a, struct packet *p)
{
	if (!a->on)
		return;
	p->auth = true;
	p->auth_type = a->type;
	p->auth_key_id = a->key_id;
	p->auth_seq = ++a->sent_seq;
}

bool
auth_sign(const struct auth *a, uint8_t *bytes, size_t len)
{
	if (!a->on)
		return true;
	return len == PACKET_MAX && digest_of(a, bytes, bytes + DIGEST_AT);
}
