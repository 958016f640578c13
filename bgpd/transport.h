/*
 * bgpd/transport.h: TCP as BGP wants it: sockets that dial, listen and are accepted, with what RFC
 * 2385 (MD5), 5082 (GTSM) and 4271 say of them.  The only file that knows socket options.
 * Everything is non-blocking and close-on-exec.  Errors are negative errno values.
 */
#ifndef HERALD_BGPD_TRANSPORT_H
#define HERALD_BGPD_TRANSPORT_H

#include "lib/addr.h"

struct bgp_peer_conf;

/* What a connection with a peer is like. */
struct transport {
	struct addr local; /* to bind; NONE: the kernel chooses */
	struct addr remote;
	unsigned ifindex; /* scope of a link-local address */
	uint16_t port;	  /* theirs */
	uint8_t ttl;	  /* of what we send */
	uint8_t min_ttl;  /* of what we take; 0: any */
	const char *md5_key;
	const char *ao_keys; /* RFC 5925 */
};

/* How to reach this peer: GTSM wins over multihop, iBGP is not limited. */
struct transport transport_of(const struct bgp_peer_conf *, uint32_t local_as);

/* Begin to connect; the socket is in *fd and writable once that has succeeded or failed. */
int transport_dial(const struct transport *, int *fd) __attribute__((warn_unused_result));
/* What came of it: 0, or the error. */
int transport_dialled(int fd) __attribute__((warn_unused_result));

int transport_listen(const struct addr *, uint16_t port, int *fd)
    __attribute__((warn_unused_result));
/* Of an accepted socket: the TTL or hop limit in the IP header of its SYN, 0 when unknown. */
uint8_t transport_syn_ttl(int fd);
/* Make an accepted socket what transport_dial() makes of its own.  -ENOENT: it should be signed, and is
 * not. */
int transport_adopt(int fd, const struct transport *) __attribute__((warn_unused_result));

/* RFC 2385: the key for segments from and to @peer, one or a range, on a listener; NULL takes it away. */
int transport_md5(int fd, const struct prefix *peer, const char *key);
/* RFC 5082 3: connections begun with a lower TTL are not answered; 0: all are. */
int transport_listen_min_ttl(int fd, const struct addr *listening, uint8_t ttl);

struct transport_names {
	struct addr local, remote;
	uint16_t local_port, remote_port;
	unsigned ifindex; /* scope of a link-local remote */
};
int transport_names(int fd, struct transport_names *) __attribute__((warn_unused_result));

#endif
