/*
 * bfd/name.c: what states, diagnostics and reasons are called.
 */
#include "bfd/packet.h"

#define NR(array) (sizeof(array) / sizeof((array)[0]))

const char *
bfd_state_name(enum bfd_state state)
{
	static const char *const names[] = { "admin-down", "down", "init", "up" };

	return (unsigned)state < NR(names) ? names[state] : "unknown";
}

const char *
bfd_diag_name(uint8_t diag)
{
	static const char *const names[] = {
		"none",
		"detection-time-expired",
		"echo-failed",
		"neighbour-signalled-down",
		"forwarding-plane-reset",
		"path-down",
		"concatenated-path-down",
		"administratively-down",
		"reverse-concatenated-path-down",
	};

	return diag < NR(names) ? names[diag] : "reserved";
}

static const struct {
	const char *name, *sentence;
} drops[DROP_NR] = {
	[DROP_HOPS] = { "hops", "came from further away than the session allows (TTL)" },
	[DROP_VERSION] = { "version", "not version 1" },
	[DROP_LENGTH] = { "length", "states a length that is too short" },
	[DROP_CUT] = { "cut", "is shorter than it states" },
	[DROP_MULTIPLIER] = { "multiplier", "a detection multiplier of 0" },
	[DROP_MULTIPOINT] = { "multipoint", "the multipoint bit" },
	[DROP_MY_DISCRIMINATOR] = { "my-discriminator", "a discriminator of 0" },
	[DROP_YOUR_DISCRIMINATOR] = { "your-discriminator",
	    "is for a discriminator that is not of a session with the sender" },
	[DROP_STATE] = { "state", "is up or init without knowing our discriminator" },
	[DROP_NO_SESSION] = { "no-session", "from a host that is not watched" },
	[DROP_UNWANTED_AUTH] = { "unwanted-auth", "is authenticated, and the session is not" },
	[DROP_MISSING_AUTH] = { "missing-auth", "is not authenticated, and the session is" },
	[DROP_BAD_AUTH] = { "bad-auth", "wrong key, kind of authentication or sequence number" },
};

/* The first is no reason. */
const char *
bfd_drop_name(unsigned i)
{
	return i + 1 < DROP_NR ? drops[i + 1].name : NULL;
}

const char *
bfd_drop_sentence(unsigned i)
{
	return i + 1 < DROP_NR ? drops[i + 1].sentence : NULL;
}
