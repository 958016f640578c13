/*
 * cluster/seal.c: keyed hashes of datagrams; see seal.h.
 */
#include "cluster/seal.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

static bool
compute(const uint8_t *bytes, size_t len, const uint8_t *key, size_t key_len, uint8_t *seal)
{
	unsigned n = 0;

	return HMAC(EVP_sha256(), key, (int)key_len, bytes, len, seal, &n) && n == SEAL_LEN;
}

bool
seal_put(uint8_t *bytes, size_t len, const uint8_t *key, size_t key_len)
{
	return compute(bytes, len, key, key_len, bytes + len);
}

bool
seal_take(const uint8_t *bytes, size_t *len, const uint8_t *key, size_t key_len)
{
	uint8_t seal[SEAL_LEN];

	if (*len < SEAL_LEN || !compute(bytes, *len - SEAL_LEN, key, key_len, seal))
		return false;
	*len -= SEAL_LEN;
	return CRYPTO_memcmp(seal, bytes + *len, SEAL_LEN) == 0;
}
