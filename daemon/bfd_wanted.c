/*
 * daemon/bfd_wanted.c: from a peer's configuration to how it is watched by BFD.
 */
#include "daemon/bfd_wanted.h"

#include <string.h>

#define MS 1000u

static const char *
from_profile(struct arena *a, const struct res_bfd_profile *p, struct bfd_conf *c)
{
	c->rx_us = p->receive_interval_ms * MS;
	c->tx_us = p->transmit_interval_ms * MS;
	c->multiplier = p->detect_multiplier;
	c->passive = p->passive_mode;
	c->min_ttl = p->minimum_ttl;
	if (!p->echo_mode)
		return NULL;
	return arena_printf(a,
	    "echoMode of BFDProfile %s is not spoken; the peer is watched by control packets alone",
	    p->obj.meta.name);
}

/* A key that is not there is no leave to do without: the peer is not watched. */
static const char *
key_of(
    struct arena *a, const struct store *store, const struct res_bfd_profile *p, struct bfd_conf *c)
{
	const struct res_secret_entry *key;
	const struct res_secret *secret;

	if (!*p->auth_secret_ref)
		return NULL;
	secret =
	    store_secret(store, *p->auth_secret_ns ? p->auth_secret_ns : NULL, p->auth_secret_ref);
	key = secret ? res_secret_get(secret, "password") : NULL;
	/* RFC 5880 6.7.4 */
	if (!key || key->len < 1 || key->len > BFD_KEY_MAX)
		return arena_printf(a,
		    "Secret %s (authSecretRef of BFDProfile %s) %s; the peer is not watched",
		    p->auth_secret_ref, p->obj.meta.name,
		    !secret    ? "is missing"
			: !key ? "has no value under the key \"password\""
			       : "has a password that is not of 1 to 20 bytes");
	a->secret = true; /* what is wanted is in it */
	memcpy(c->key, key->value, key->len);
	c->key_len = (uint8_t)key->len;
	c->key_id = p->auth_key_id;
	return NULL;
}

bool
bfd_wanted_peer(const struct store *store, const struct res_bgp_peer_config *pc,
    const struct bgp_peer_conf *peer, uint32_t local_as, struct arena *a, struct bfd_wanted *out,
    const char **problem)
{
	const struct res_bfd_profile *profile;
	struct bfd_conf *c = &out->conf;

	*problem = NULL;
	if (!*pc->bfd_profile && !pc->bfd.enabled)
		return false;
	*out = (struct bfd_wanted){ .peer = peer->name };
	if (addr_is_linklocal(&peer->addr) && !peer->ifindex) {
		*problem = "a link-local peer without an interface cannot be watched by BFD";
		return false;
	}
	*c = (struct bfd_conf){ .peer = peer->addr, .local = peer->local_addr, .device = "" };
	if (*pc->bfd_profile) {
		profile = (const struct res_bfd_profile *)store_get(
		    store, RES_BFD_PROFILE, "", pc->bfd_profile);
		if (!profile) {
			*problem = arena_printf(a,
			    "BFDProfile %s (bfdProfile) is missing; the peer is not watched",
			    pc->bfd_profile);
			return false;
		}
		*problem = key_of(a, store, profile, c);
		if (*problem)
			return false;
		*problem = from_profile(a, profile, c);
	} else {
		c->tx_us = pc->bfd.transmit_interval_ms * MS;
		c->rx_us = pc->bfd.receive_interval_ms * MS;
		c->multiplier = pc->bfd.detection_multiplier;
	}
	/* RFC 5883 1: how far the peer may be is the session's to say, not the packets'. */
	out->by_link = peer->peer_as == local_as;
	c->multihop = peer->ttl > 1 && !out->by_link;
	return true;
}
