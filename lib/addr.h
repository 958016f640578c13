/*
 * lib/addr.h: addresses, prefixes and ranges of both families, their text and their arithmetic.
 * The one representation used by every room; bytes are always in network order.
 */
#ifndef HERALD_LIB_ADDR_H
#define HERALD_LIB_ADDR_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

/* Families by address length, so that a table can be indexed by them. */
enum addr_family { ADDR_NONE, ADDR_V4, ADDR_V6 };

/* An address.  IPv4 stands in the first four bytes, the other twelve are zero.  Compare with
 * addr_cmp()/addr_eq(), never memcmp over the struct. */
struct addr {
	uint8_t b[16];
	uint8_t family; /* enum addr_family */
};

/* A prefix; host bits are zero in every prefix that the functions below give out. */
struct prefix {
	struct addr addr;
	uint8_t len; /* bits: 0..32 or 0..128 */
};

/* An inclusive range of one family, first <= last. */
struct addr_range {
	struct addr first, last;
};

#define ADDR_STRLEN 46	 /* with the NUL; enough for addr_format() */
#define PREFIX_STRLEN 50 /* likewise for prefix_format() */
#define SOCKADDR_STRLEN 64

static inline unsigned
addr_bits(enum addr_family f)
{
	return f == ADDR_V4 ? 32 : f == ADDR_V6 ? 128 : 0;
}

static inline bool
addr_is_set(const struct addr *a)
{
	return a->family != ADDR_NONE;
}

struct addr addr_from_v4(uint32_t be);
struct addr addr_from_v6(const struct in6_addr *in6);
uint32_t addr_v4_be(const struct addr *a); /* network order; 0 for IPv6 */

/* Text <-> address.  Only the canonical forms of inet_pton(3): no zone, no port, no leading
 * zeros.  -EINVAL: not an address. */
int addr_parse(const char *text, struct addr *a) __attribute__((warn_unused_result));
/* Formats into @buf (at least ADDR_STRLEN) and returns it; IPv6 per RFC 5952. */
char *addr_format(const struct addr *a, char *buf, size_t size);
/* The same in a static ring of eight buffers, for log lines and messages only. */
const char *addr_str(const struct addr *a);

/* Total order: family, then bytes. */
int addr_cmp(const struct addr *a, const struct addr *b);
bool addr_eq(const struct addr *a, const struct addr *b);
uint32_t addr_hash(const struct addr *a);

bool addr_is_unspecified(const struct addr *a);
bool addr_is_loopback(const struct addr *a);
bool addr_is_multicast(const struct addr *a);
bool addr_is_linklocal(const struct addr *a);
/* One that a packet could be sent to: not unspecified, multicast, or IPv4 class E/broadcast. */
bool addr_is_unicast(const struct addr *a);

/* The next or previous address; false at the end of the family, *a unchanged then. */
bool addr_next(struct addr *a);
bool addr_prev(struct addr *a);
/* @a plus @n; false when that leaves the family. */
bool addr_add(struct addr *a, uint64_t n);

/* "10.0.0.0/8"; host bits are masked away, *masked (may be NULL) says whether there were any.  A
 * bare address is /32 or /128.  -EINVAL: not a prefix; -ERANGE: length too long. */
int prefix_parse(const char *text, struct prefix *p, bool *masked)
    __attribute__((warn_unused_result));
char *prefix_format(const struct prefix *p, char *buf, size_t size);
const char *prefix_str(const struct prefix *p);		     /* static ring, as addr_str() */
struct prefix prefix_of(const struct addr *a, unsigned len); /* host bits masked */
struct prefix prefix_host(const struct addr *a);	     /* /32 or /128 */
int prefix_cmp(const struct prefix *a, const struct prefix *b);
bool prefix_eq(const struct prefix *a, const struct prefix *b);
bool prefix_has_addr(const struct prefix *p, const struct addr *a);
/* Is @inner the same as or a part of @outer?  Families must match. */
bool prefix_covers(const struct prefix *outer, const struct prefix *inner);
struct addr_range prefix_range(const struct prefix *p);

bool range_has(const struct addr_range *r, const struct addr *a);
/* How many addresses; saturates at UINT64_MAX (an IPv6 range may hold more). */
uint64_t range_size(const struct addr_range *r);

/* Socket addresses; @port in host order. */
socklen_t addr_to_sockaddr(const struct addr *a, uint16_t port, struct sockaddr_storage *ss);
/* An IPv4-mapped IPv6 address becomes IPv4.  -EAFNOSUPPORT: neither family. */
int addr_from_sockaddr(const struct sockaddr *sa, struct addr *a, uint16_t *port);
/* "0.0.0.0:179", "[::]:179"; -EINVAL when it is not of that form. */
int addr_parse_port(const char *text, struct addr *a, uint16_t *port)
    __attribute__((warn_unused_result));

#endif
