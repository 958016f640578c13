/*
 * lib/digest.h: keyed and plain hashes, by libcrypto, which is opened at the first use (late.h).  Under
 * bfd/ and cluster/.  Any thread may call these.
 */
#ifndef HERALD_LIB_DIGEST_H
#define HERALD_LIB_DIGEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define DIGEST_SHA1_LEN 20
#define DIGEST_SHA256_LEN 32

/* Open libcrypto now: before a thread that must not wait needs it.  False: it is not there; that was
 * logged, and the functions below will fail. */
bool digest_open(void);

/* False: no libcrypto, or no memory. */
bool digest_sha1(const void *bytes, size_t len, uint8_t out[DIGEST_SHA1_LEN]);
bool digest_hmac_sha256(
    const void *key, size_t key_len, const void *bytes, size_t len, uint8_t out[DIGEST_SHA256_LEN]);

/* In a time that does not depend on where they differ. */
bool digest_eq(const void *a, const void *b, size_t len);

#endif
