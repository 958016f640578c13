/*
 * bgpd/tcp_ao.h: keys of the TCP Authentication Option (RFC 5925, algorithms of RFC 5926) on sockets.
 * Below transport.c and listen.c.  Linux has it since 6.7, when built with it; the C library does not
 * know of it, so its layout is written down in tcp_ao.c.
 *
 * Keys come as text, a line each: "SENDID RECEIVEID ALGORITHM HEXBYTES", the one to send with first;
 * ALGORITHM is the kernel's name, "hmac(sha1)" or "cmac(aes128)".
 */
#ifndef HERALD_BGPD_TCP_AO_H
#define HERALD_BGPD_TCP_AO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/addr.h"

#define TCP_AO_KEY_MAX 80 /* bytes */

/* 0: this kernel can; else -errno, mostly -ENOPROTOOPT. */
int tcp_ao_here(void) __attribute__((warn_unused_result));
/* Segments from and to @peer, one address or a range, have to be signed by these keys.  A @listener
 * has no key of its own to send with.  -errno: none of them is there. */
int tcp_ao_put(int fd, const struct prefix *peer, const char *keys, bool listener)
    __attribute__((warn_unused_result));
/* Take them away again; what is not there is fine. */
void tcp_ao_remove(int fd, const struct prefix *peer, const char *keys);
/* 0: the connection is signed; -ENOENT: it is not. */
int tcp_ao_check(int fd) __attribute__((warn_unused_result));

/* The argument of setsockopt() for one line, for tests; *used: the length of the line.  -EINVAL. */
int tcp_ao_encode(const char *line, const struct prefix *peer, uint8_t bytes[288], size_t *used)
    __attribute__((warn_unused_result));

#endif
