/*
 * lib/hash.c: the keyed hash (SipHash-1-3, Aumasson and Bernstein 2012) and the secret that seeds
 * it.  Under every table whose keys come from outside.
 */
#include "lib/hash.h"

#include <errno.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

struct sip {
	uint64_t v0, v1, v2, v3;
};

static uint64_t
rotl(uint64_t x, unsigned n)
{
	return x << n | x >> (64 - n);
}

static void
sip_round(struct sip *s)
{
	s->v0 += s->v1;
	s->v2 += s->v3;
	s->v1 = rotl(s->v1, 13) ^ s->v0;
	s->v3 = rotl(s->v3, 16) ^ s->v2;
	s->v0 = rotl(s->v0, 32) + s->v3;
	s->v2 += s->v1;
	s->v1 = rotl(s->v1, 17) ^ s->v2;
	s->v3 = rotl(s->v3, 21) ^ s->v0;
	s->v2 = rotl(s->v2, 32);
}

uint64_t
hash_keyed(uint64_t k0, uint64_t k1, const void *bytes, size_t len)
{
	struct sip s = { k0 ^ 0x736f6d6570736575u, k1 ^ 0x646f72616e646f6du,
		k0 ^ 0x6c7967656e657261u, k1 ^ 0x7465646279746573u };
	const uint8_t *p = bytes;
	uint64_t last = (uint64_t)len << 56;

	for (; len >= 8; p += 8, len -= 8) {
		uint64_t m = 0;

		for (unsigned i = 0; i < 8; i++)
			m |= (uint64_t)p[i] << (8 * i);
		s.v3 ^= m;
		sip_round(&s);
		s.v0 ^= m;
	}
	for (unsigned i = 0; i < len; i++)
		last |= (uint64_t)p[i] << (8 * i);
	s.v3 ^= last;
	sip_round(&s);
	s.v0 ^= last;
	s.v2 ^= 0xff;
	for (int i = 0; i < 3; i++)
		sip_round(&s);
	return s.v0 ^ s.v1 ^ s.v2 ^ s.v3;
}

uint64_t
hash_secret(void)
{
	static uint64_t secret; /* 0: not made yet */
	uint64_t got;
	struct timespec ts;

	if (secret)
		return secret;
	/* Before the entropy pool is ready a guessable seed is better than a blocked start. */
	if (getrandom(&got, sizeof(got), GRND_NONBLOCK) != sizeof(got)) {
		clock_gettime(CLOCK_REALTIME, &ts);
		got = hash_mix((uint64_t)ts.tv_nsec ^ (uint64_t)ts.tv_sec << 30);
	}
	secret = got | 1;
	return secret;
}

uint64_t
hash_bytes(const void *bytes, size_t len)
{
	uint64_t k = hash_secret();

	return hash_keyed(k, hash_mix(k), bytes, len);
}
