/*
 * cluster/seal.h: a datagram and its seal: HMAC-SHA256 (RFC 2104, FIPS 180-4) over all bytes before it.
 */
#ifndef HERALD_CLUSTER_SEAL_H
#define HERALD_CLUSTER_SEAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SEAL_LEN 32

/* Writes the seal behind @len bytes, where SEAL_LEN more have room.  False: libcrypto failed. */
bool seal_put(uint8_t *bytes, size_t len, const uint8_t *key, size_t key_len);
/* Is it the right one?  Takes as long for any wrong one.  *len is without it then. */
bool seal_take(const uint8_t *bytes, size_t *len, const uint8_t *key, size_t key_len);

#endif
