/*
 * resource/auth_kinds.h: parts of a BGPPeerConfig that stand for themselves: how its TCP is signed, how
 * BFD watches it.  For bgp_kinds.h.
 */
#ifndef HERALD_RESOURCE_AUTH_KINDS_H
#define HERALD_RESOURCE_AUTH_KINDS_H

#include <stdbool.h>
#include <stdint.h>

struct res_bgp_bfd { /* as proposed for Cilium; bfd_profile is the native way */
	bool enabled;
	uint32_t transmit_interval_ms, receive_interval_ms;
	uint8_t detection_multiplier;
};

enum res_ao_algorithm { RES_AO_HMAC_SHA1, RES_AO_AES_CMAC };

struct res_tcp_ao { /* a key of RFC 5925; the first is the one to send with */
	uint8_t send_id, receive_id;
	enum res_ao_algorithm algorithm;
	const char *secret_key; /* of authSecretRef's Secret */
};

#endif
