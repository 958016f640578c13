/*
 * bgpd/tcp_ao.c: keys of the TCP Authentication Option (RFC 5925) on sockets.  See tcp_ao.h.
 */
#include "bgpd/tcp_ao.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/mem.h"

/* linux/tcp.h, as of 6.7. */
#define OPT_ADD_KEY 38
#define OPT_DEL_KEY 39
#define OPT_INFO 40
#define SET_CURRENT_AND_NEXT 3u /* set_current, set_rnext: the two lowest bits */

struct ao_add {
	struct sockaddr_storage addr;
	char algorithm[64];
	int32_t ifindex;
	uint32_t set; /* a bit field in the header */
	uint16_t reserved;
	uint8_t prefix, send_id, receive_id, mac_len, flags, key_len;
	uint8_t key[TCP_AO_KEY_MAX];
} __attribute__((aligned(8)));
_Static_assert(sizeof(struct ao_add) == 288, "the kernel compares the size");

struct ao_del {
	struct sockaddr_storage addr;
	int32_t ifindex;
	uint32_t set;
	uint16_t reserved;
	uint8_t prefix, send_id, receive_id, current, next, flags;
} __attribute__((aligned(8)));

struct ao_info {
	uint32_t set;
	uint16_t reserved;
	uint8_t current, next;
	uint64_t good, bad, no_key, required, dropped_icmp;
} __attribute__((aligned(8)));

static int
hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* The bytes up to the end of the line.  -EINVAL: not hexadecimal, none, or too many. */
static int
read_key(const char *hex, struct ao_add *a)
{
	size_t nr = 0;

	for (; hex[0] && hex[0] != '\n'; hex += 2, nr++) {
		int high = hex_digit(hex[0]), low = high < 0 ? -1 : hex_digit(hex[1]);

		if (low < 0 || nr == sizeof(a->key))
			return -EINVAL;
		a->key[nr] = (uint8_t)(high << 4 | low);
	}
	a->key_len = (uint8_t)nr;
	return nr ? 0 : -EINVAL;
}

/* One line.  RFC 5926 3.2: both algorithms are cut to 96 bits. */
static int
read_line(const char *line, const struct prefix *peer, struct ao_add *a, size_t *used)
{
	unsigned send_id, receive_id;
	int at = 0;

	memset(a, 0, sizeof(*a));
	if (sscanf(line, "%3u %3u %63[a-z0-9()] %n", &send_id, &receive_id, a->algorithm, &at) !=
		3 ||
	    send_id > UINT8_MAX || receive_id > UINT8_MAX || !at)
		return -EINVAL;
	if (!addr_to_sockaddr(&peer->addr, 0, &a->addr))
		return -EAFNOSUPPORT;
	a->prefix = peer->len;
	a->send_id = (uint8_t)send_id;
	a->receive_id = (uint8_t)receive_id;
	a->mac_len = 12;
	*used = strcspn(line, "\n");
	return read_key(line + at, a);
}

int
tcp_ao_encode(const char *line, const struct prefix *peer, uint8_t bytes[288], size_t *used)
{
	struct ao_add a;
	int err = read_line(line, peer, &a, used);

	memcpy(bytes, &a, sizeof(a));
	mem_wipe(&a, sizeof(a));
	return err;
}

int
tcp_ao_check(int fd)
{
	struct ao_info info = { 0 };
	socklen_t len = sizeof(info);

	return getsockopt(fd, IPPROTO_TCP, OPT_INFO, &info, &len) < 0 ? -errno : 0;
}

int
tcp_ao_here(void)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, IPPROTO_TCP), err;

	if (fd < 0)
		return -errno;
	err = tcp_ao_check(fd);
	close(fd);
	return err == -ENOENT ? 0 : err; /* known, but this socket has no key */
}

int
tcp_ao_put(int fd, const struct prefix *peer, const char *keys, bool listener)
{
	struct ao_add a;
	size_t used;
	int err = -EINVAL;

	for (const char *line = keys; *line; line += used + (line[used] == '\n')) {
		err = read_line(line, peer, &a, &used);
		if (err == 0 && line == keys && !listener)
			a.set = SET_CURRENT_AND_NEXT;
		if (err == 0 && setsockopt(fd, IPPROTO_TCP, OPT_ADD_KEY, &a, sizeof(a)) < 0)
			err = -errno;
		mem_wipe(&a, sizeof(a));
		if (err < 0)
			break;
	}
	if (err < 0)
		tcp_ao_remove(fd, peer, keys);
	return err;
}

void
tcp_ao_remove(int fd, const struct prefix *peer, const char *keys)
{
	struct ao_add a;
	size_t used;

	for (const char *line = keys; *line; line += used + (line[used] == '\n')) {
		struct ao_del d;

		if (read_line(line, peer, &a, &used) < 0)
			return;
		d = (struct ao_del){ .addr = a.addr,
			.prefix = a.prefix,
			.send_id = a.send_id,
			.receive_id = a.receive_id };
		mem_wipe(&a, sizeof(a));
		(void)setsockopt(fd, IPPROTO_TCP, OPT_DEL_KEY, &d, sizeof(d));
	}
}
