/*
 * lib/hash.h: hash functions for tables.  Keyed ones where a peer or user chooses the keys, so
 * that nobody can aim at one bucket.  No cryptographic promise.
 */
#ifndef HERALD_LIB_HASH_H
#define HERALD_LIB_HASH_H

#include <stddef.h>
#include <stdint.h>

/* A per-process secret, made at the first use from getrandom(2). */
uint64_t hash_secret(void);
/* Of any bytes; seeded by hash_secret(). */
uint64_t hash_bytes(const void *, size_t len);
/* Likewise with a key of the caller's: SipHash-1-3 of (@k0, @k1). */
uint64_t hash_keyed(uint64_t k0, uint64_t k1, const void *, size_t len);

/* The finaliser of a 64-bit mix: good spread from few changing bits. */
static inline uint64_t
hash_mix(uint64_t x)
{
	x ^= x >> 32;
	x *= 0xd6e8feb86659fd93u;
	x ^= x >> 32;
	x *= 0xd6e8feb86659fd93u;
	x ^= x >> 32;
	return x;
}

#endif
