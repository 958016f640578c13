/*
 * lib/digest.c: keyed and plain hashes, by libcrypto; see digest.h.
 */
#include "lib/digest.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <pthread.h>

#include "lib/late.h"

/* Filled once, never changed. */
static struct {
	typeof(EVP_Digest) *digest;
	typeof(EVP_sha1) *sha1;
	typeof(EVP_sha256) *sha256;
	typeof(HMAC) *hmac;
	bool there;
} crypto;

static void
open_once(void)
{
	static const struct late_call calls[] = {
		{ "EVP_Digest", offsetof(typeof(crypto), digest) },
		{ "EVP_sha1", offsetof(typeof(crypto), sha1) },
		{ "EVP_sha256", offsetof(typeof(crypto), sha256) },
		{ "HMAC", offsetof(typeof(crypto), hmac) },
		{ NULL, 0 },
	};

	crypto.there = late_open("libcrypto.so.3", "libssl3", &crypto, calls) == 0;
}

bool
digest_open(void)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;

	pthread_once(&once, open_once);
	return crypto.there;
}

bool
digest_sha1(const void *bytes, size_t len, uint8_t out[DIGEST_SHA1_LEN])
{
	unsigned n = 0;

	return digest_open() && crypto.digest(bytes, len, out, &n, crypto.sha1(), NULL) == 1 &&
	    n == DIGEST_SHA1_LEN;
}

bool
digest_hmac_sha256(
    const void *key, size_t key_len, const void *bytes, size_t len, uint8_t out[DIGEST_SHA256_LEN])
{
	unsigned n = 0;

	return digest_open() &&
	    crypto.hmac(crypto.sha256(), key, (int)key_len, bytes, len, out, &n) &&
	    n == DIGEST_SHA256_LEN;
}

bool
digest_eq(const void *a, const void *b, size_t len)
{
	const volatile uint8_t *x = a, *y = b;
	uint8_t differs = 0;

	for (size_t i = 0; i < len; i++)
		differs |= x[i] ^ y[i];
	return differs == 0;
}
