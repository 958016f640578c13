/*
 * datapath/sock_words.h: what the daemon and its helper for sockets say to each other, as bytes; one
 * datagram (SOCK_SEQPACKET) is one request or one answer.  Acts on nothing.  Private to the room.
 *
 *   request   1, 3 bytes of zero, its number (4), how many (4), and for each socket, in the order of
 *             cookies: family 4 or 6, protocol 17, port (2), address (16), cookie (8)
 *   answer    2, 3 bytes of zero                                              ready for requests
 *             3, 3 bytes of zero, the request's number (4), ended (4), namespaces entered (4),
 *                namespaces not entered (4), errno of the first socket that was refused (4)
 *             4, 3 bytes of zero, text                                        why it ends
 *
 * Numbers in network order.  Both ends are one program, so there is no version.
 */
#ifndef HERALD_DATAPATH_SOCK_WORDS_H
#define HERALD_DATAPATH_SOCK_WORDS_H

#include "datapath/lb_abi.h"

#include <linux/types.h>
#include <stddef.h>
#include <stdint.h>

#define SOCK_IDS_MAX 2048 /* in one request */
#define SOCK_ID_BYTES 28
#define SOCK_REQUEST_MAX (12 + SOCK_IDS_MAX * SOCK_ID_BYTES)
#define SOCK_ANSWER_MAX 256

/* A connected UDP socket, and whom it talks to. */
struct sock_id {
	uint64_t cookie; /* SO_COOKIE; not 0 */
	struct lb_addr addr;
	__be16 port;
	uint8_t family; /* 4 or 6, of the address: a socket of IPv6 may have an IPv4 one, mapped */
};

/* Length of the request in @to, which holds SOCK_REQUEST_MAX; 1 <= @nr <= SOCK_IDS_MAX. */
size_t sock_request_encode(void *to, uint32_t seq, const struct sock_id *, size_t nr);
/* How many; @ids holds SOCK_IDS_MAX.  -EBADMSG: nothing that sock_request_encode() makes. */
int sock_request_decode(const void *bytes, size_t len, uint32_t *seq, struct sock_id *ids)
    __attribute__((warn_unused_result));

enum sock_answer_kind { SOCK_READY = 2, SOCK_DONE, SOCK_FAULT };
struct sock_answer {
	enum sock_answer_kind kind;
	uint32_t seq, ended, entered, closed;
	int err;			/* 0 or negative */
	char text[SOCK_ANSWER_MAX - 4]; /* SOCK_FAULT: in ASCII, cut where it is too long */
};

size_t sock_answer_encode(void *to, const struct sock_answer *); /* @to holds SOCK_ANSWER_MAX */
int sock_answer_decode(const void *bytes, size_t len, struct sock_answer *)
    __attribute__((warn_unused_result)); /* 0 or -EBADMSG */

#endif
