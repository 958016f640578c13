/*
 * cluster/seal.c: keyed hashes of datagrams; see seal.h.
 */
#include "cluster/seal.h"

#include "lib/digest.h"

_Static_assert(SEAL_LEN == DIGEST_SHA256_LEN, "a seal is a whole digest");

bool
seal_put(uint8_t *bytes, size_t len, const uint8_t *key, size_t key_len)
{
	return digest_hmac_sha256(key, key_len, bytes, len, bytes + len);
}

bool
seal_take(const uint8_t *bytes, size_t *len, const uint8_t *key, size_t key_len)
{
	uint8_t seal[SEAL_LEN];

	if (*len < SEAL_LEN || !digest_hmac_sha256(key, key_len, bytes, *len - SEAL_LEN, seal))
		return false;
	*len -= SEAL_LEN;
	return digest_eq(seal, bytes + *len, SEAL_LEN);
}
